use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, Scope, ScopedJoinHandle};

use crate::capture::{
    Direction, End, Endpoint, Flows, MAX_FLOWS, Opened, Packets, Segment, Stamp, Steps, TcpFlags, shard_of,
};

use super::reading::{Remark, Taker, read_packets};
use super::tracer::Tracer;
use super::{Found, Observer, Options, Summary};

/// An observer that writes what it is told on a page.
pub trait Scribe: Observer + Send {
    /// Bytes on the page.
    fn written(&self) -> usize;

    /// Takes the page, and goes on with another one, which is empty.
    fn turn(&mut self, empty: Vec<u8>) -> Vec<u8>;
}

/// What [`trace_pages`] leaves.
pub struct Traced<S> {
    /// The capture in numbers.
    pub summary: Summary,
    /// The scribes that the connections were shared out to.
    pub scribes: Vec<S>,
}

/// Bytes that one scribe gathers before they are handed out.
const PAGE: usize = 1 << 16;
/// Steps, and bytes of payload, that are shared out at a time.
const BATCH_STEPS: usize = 2048;
const BATCH_BYTES: usize = 1 << 18;
/// Batches that wait for a thread.
const MAX_WAITING: usize = 16;

/// As [`super::trace_packets`], with the connections shared out to `scribes`, each on a thread of its own that writes on
/// pages of its own; `chief` writes what concerns the file and its packets. The pages are put together in the order of
/// the packets and handed to `out`: the same bytes, however many scribes there are.
///
/// Reading ends early where `out` returns false. With one scribe, everything is done on this thread. More than eight
/// scribes are of no use: connections are spread over eight shards.
pub fn trace_pages<S: Scribe>(
    packets: &mut (impl Packets + Send),
    options: &Options,
    chief: &mut S,
    scribes: Vec<S>,
    mut out: impl FnMut(&[u8]) -> bool,
) -> Traced<S> {
    let mut desk = Desk { spare: Vec::new(), goes_on: true, out: &mut out };
    desk.hand_out(chief);
    let traced = if scribes.len() > 1 {
        share_out(packets, options, chief, scribes, &mut desk)
    } else {
        alone(packets, options, chief, scribes, &mut desk)
    };
    chief.summary(&traced.summary);
    desk.hand_out(chief);
    traced
}

/// Where pages are handed out.
struct Desk<'a, O> {
    /// An empty page.
    spare: Vec<u8>,
    goes_on: bool,
    out: &'a mut O,
}

impl<O: FnMut(&[u8]) -> bool> Desk<'_, O> {
    fn hand_out(&mut self, scribe: &mut impl Scribe) {
        if scribe.written() > 0 {
            let page = scribe.turn(std::mem::take(&mut self.spare));
            self.write(&page);
            self.spare = page;
            self.spare.clear();
        }
    }

    fn write(&mut self, page: &[u8]) {
        if self.goes_on && !page.is_empty() {
            self.goes_on = (self.out)(page);
        }
    }
}

/// Everything on this thread.
struct Alone<'a, 'b, S: Scribe, O> {
    flows: Flows<Tracer<S>>,
    chief: &'a mut S,
    notices: u64,
    desk: &'a mut Desk<'b, O>,
}

fn alone<S: Scribe, O: FnMut(&[u8]) -> bool>(
    packets: &mut impl Packets,
    options: &Options,
    chief: &mut S,
    mut scribes: Vec<S>,
    desk: &mut Desk<'_, O>,
) -> Traced<S> {
    let Some(scribe) = scribes.pop() else { return Traced { summary: Summary::default(), scribes } };
    let flows = Flows::new(Tracer::new(scribe, options));
    let mut alone = Alone { flows, chief, notices: 0, desk };
    let mut summary = read_packets(packets, options, &mut alone);
    let Alone { flows, notices, desk, .. } = alone;
    let Tracer { observer: mut scribe, summary: counted, .. } = flows.handler;
    desk.hand_out(&mut scribe);
    summary.add(&counted);
    summary.notices += notices;
    scribes.push(scribe);
    Traced { summary, scribes }
}

impl<S: Scribe, O> Steps for Alone<'_, '_, S, O> {
    fn open(&mut self, slot: usize, opened: &Opened) {
        self.flows.open(slot, opened);
    }

    fn segment(&mut self, slot: usize, direction: Direction, segment: &Segment<'_>, stamp: Stamp) -> bool {
        self.flows.segment(slot, direction, segment, stamp)
    }

    fn close(&mut self, slot: usize, end: Option<End>) {
        self.flows.close(slot, end);
    }
}

impl<S: Scribe, O: FnMut(&[u8]) -> bool> Taker for Alone<'_, '_, S, O> {
    fn remark(&mut self, remark: Remark) {
        self.desk.hand_out(&mut self.flows.handler.observer);
        self.notices += u64::from(matches!(remark, Remark::Notice(_)));
        remark.tell(self.chief);
        self.desk.hand_out(self.chief);
    }

    fn found(&mut self, stream: u64, found: Arc<Found>) {
        self.flows.handler.add_found(stream, found);
    }

    fn secrets(&mut self, secrets: &[u8]) {
        self.flows.handler.add_secrets(secrets);
    }

    fn goes_on(&mut self) -> bool {
        if self.flows.handler.observer.written() >= PAGE {
            self.desk.hand_out(&mut self.flows.handler.observer);
        }
        self.desk.goes_on
    }
}

/// A step of the table, on its way to the thread that has the connection. It is small, because what one core writes and
/// another one reads is slow.
#[derive(Clone, Copy)]
struct Message {
    frame: u64,
    /// Where there is none, [`Message::kind`] says so.
    time: i64,
    slot: u32,
    /// Its place among all steps of the batch.
    place: u32,
    sequence: u32,
    acknowledgment: u32,
    payload_length: u32,
    /// Where the payload begins in the batch's bytes, or the number of what is opened.
    from: u32,
    /// Bytes of the payload that were captured.
    captured: u32,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Open,
    Segment {
        direction: Direction,
        flags: TcpFlags,
        has_time: bool,
    },
    Close(Option<End>),
    /// How the connection that is opened next was found.
    Found,
    /// Not of one connection: every thread is told.
    Secrets,
}

#[derive(Default)]
struct Batch {
    messages: Vec<Message>,
    opened: Vec<Opened>,
    found: Vec<(u64, Arc<Found>)>,
    bytes: Vec<u8>,
}

/// In place of a segment's two sides, which its connection knows.
const NOWHERE: Endpoint = Endpoint { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), port: 0 };

/// What a thread has written about a batch.
struct Written {
    page: Vec<u8>,
    /// Up to where the page belongs to the step of this place.
    marks: Vec<(usize, usize)>,
}

/// What is said about the packets of a batch, and its places among the steps.
type Remarks = Vec<(usize, Remark)>;

/// Reading on one thread, the connections on one thread a scribe, and putting together on this one.
fn share_out<S: Scribe, O: FnMut(&[u8]) -> bool>(
    packets: &mut (impl Packets + Send),
    options: &Options,
    chief: &mut S,
    scribes: Vec<S>,
    desk: &mut Desk<'_, O>,
) -> Traced<S> {
    let unwanted: Vec<AtomicU64> = std::iter::repeat_with(|| AtomicU64::new(0)).take(MAX_FLOWS).collect();
    let stop = AtomicBool::new(!desk.goes_on);
    thread::scope(|scope| {
        let workers: Vec<Worker<'_, S>> =
            scribes.into_iter().map(|scribe| Worker::start(scope, scribe, options, &unwanted)).collect();
        let (to_merge, remarks) = sync_channel(MAX_WAITING);
        let mut dispatch = Dispatch {
            batches: workers.iter().map(|_| Batch::default()).collect(),
            place: 0,
            bytes: 0,
            remarks: Remarks::new(),
            streams: Vec::new(),
            unwanted: &unwanted,
            stop: &stop,
            to_merge,
            lines: Vec::new(),
        };
        let mut ends = Vec::new();
        for worker in workers {
            let Worker { batches, spare, written, pages, thread } = worker;
            dispatch.lines.push(Line { batches, spare });
            ends.push((written, pages, thread));
        }
        let reading = scope.spawn(move || {
            let summary = read_packets(packets, options, &mut dispatch);
            dispatch.send();
            summary
        });
        let mut notices = 0;
        let mut merged = Vec::new();
        while let Ok(remarks) = remarks.recv() {
            let written: Vec<Written> = ends.iter().map_while(|(written, ..)| written.recv().ok()).collect();
            if written.len() < ends.len() {
                break; // a thread has ended early, which joining it tells
            }
            notices +=
                remarks.iter().filter(|(_, remark)| matches!(remark, Remark::Notice(_))).count() as u64;
            merged.clear();
            merge(&written, remarks, chief, &mut merged);
            desk.write(&merged);
            if !desk.goes_on {
                stop.store(true, Ordering::Relaxed);
            }
            for ((_, pages, _), Written { page, .. }) in ends.iter().zip(written) {
                let _ = pages.send(page); // a thread that has ended needs none
            }
        }
        // Nobody waits for this thread any longer, also where one of them has ended early.
        drop(remarks);
        let threads: Vec<_> = ends.into_iter().map(|(_, _, thread)| thread).collect();
        let mut summary = joined(reading);
        summary.notices += notices;
        let mut scribes = Vec::new();
        for thread in threads {
            let (scribe, counted) = joined(thread);
            summary.add(&counted);
            scribes.push(scribe);
        }
        Traced { summary, scribes }
    })
}

/// What a thread returned; where it panicked, this one does.
fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Puts together what the threads wrote about a batch, and what the chief writes about its packets.
fn merge(written: &[Written], remarks: Remarks, chief: &mut impl Scribe, merged: &mut Vec<u8>) {
    let mut remarks = remarks.into_iter().peekable();
    let mut at: Vec<(usize, usize)> = vec![(0, 0); written.len()];
    loop {
        let next = written
            .iter()
            .zip(&at)
            .enumerate()
            .filter_map(|(i, (written, &(mark, _)))| Some((written.marks.get(mark)?.0, i)))
            .min();
        if let Some((_, remark)) = remarks.next_if(|(place, _)| next.is_none_or(|(other, _)| *place < other))
        {
            remark.tell(chief);
            let page = chief.turn(Vec::new());
            merged.extend_from_slice(&page);
            continue;
        }
        let Some((_, i)) = next else { return };
        let (mark, from) = at[i];
        let to = written[i].marks[mark].1;
        merged.extend_from_slice(&written[i].page[from..to]);
        at[i] = (mark + 1, to);
    }
}

/// A thread that has some of the connections, and the channels to and from it.
struct Worker<'scope, S> {
    batches: SyncSender<Batch>,
    spare: Receiver<Batch>,
    written: Receiver<Written>,
    pages: Sender<Vec<u8>>,
    thread: ScopedJoinHandle<'scope, (S, Summary)>,
}

impl<'scope, S: Scribe + 'scope> Worker<'scope, S> {
    fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        scribe: S,
        options: &Options,
        unwanted: &'env [AtomicU64],
    ) -> Self {
        let (batches, work) = sync_channel::<Batch>(MAX_WAITING);
        let (give_back, spare) = channel();
        let (hand_in, written) = sync_channel(MAX_WAITING);
        let (pages, empty) = channel::<Vec<u8>>();
        let mut flows = Flows::new(Tracer::new(scribe, options));
        let thread = scope.spawn(move || {
            for mut batch in work {
                let mut marks = Vec::new();
                let mut written = 0;
                for message in &batch.messages {
                    message.take(&batch, &mut flows, unwanted);
                    let now = flows.handler.observer.written();
                    if now > written {
                        marks.push((message.place as usize, now));
                        written = now;
                    }
                }
                batch.clear();
                let mut page = empty.try_recv().unwrap_or_default();
                page.clear();
                let page = flows.handler.observer.turn(page);
                if hand_in.send(Written { page, marks }).is_err() {
                    break;
                }
                let _ = give_back.send(batch); // whoever reads may have ended
            }
            let Tracer { observer, summary, .. } = flows.handler;
            (observer, summary)
        });
        Self { batches, spare, written, pages, thread }
    }
}

impl Batch {
    fn clear(&mut self) {
        self.messages.clear();
        self.opened.clear();
        self.found.clear();
        self.bytes.clear();
    }
}

impl Message {
    /// One that says nothing yet.
    fn new(place: usize, slot: usize, kind: Kind) -> Self {
        Self {
            frame: 0,
            time: 0,
            slot: u32::try_from(slot).unwrap_or(u32::MAX),
            place: u32::try_from(place).unwrap_or(u32::MAX),
            sequence: 0,
            acknowledgment: 0,
            payload_length: 0,
            from: 0,
            captured: 0,
            kind,
        }
    }

    /// Takes the step; what it names is in its own batch.
    fn take<S: Scribe>(&self, batch: &Batch, flows: &mut Flows<Tracer<S>>, unwanted: &[AtomicU64]) {
        let (slot, from) = (self.slot as usize, self.from as usize);
        match self.kind {
            Kind::Open => flows.open(slot, &batch.opened[from]),
            Kind::Segment { direction, flags, has_time } => {
                let segment = Segment {
                    source: NOWHERE,
                    destination: NOWHERE,
                    sequence: self.sequence,
                    acknowledgment: self.acknowledgment,
                    flags,
                    payload: &batch.bytes[from..from + self.captured as usize],
                    payload_length: self.payload_length,
                };
                let stamp = Stamp { frame: self.frame, time: has_time.then_some(self.time) };
                if let Some(stream) = flows.segment_or_unwanted(slot, direction, &segment, stamp) {
                    unwanted[slot].store(stream + 1, Ordering::Relaxed);
                }
            }
            Kind::Close(end) => flows.close(slot, end),
            Kind::Found => {
                let (stream, found) = &batch.found[from];
                flows.handler.add_found(*stream, Arc::clone(found));
            }
            Kind::Secrets => flows.handler.add_secrets(&batch.bytes[from..from + self.captured as usize]),
        }
    }
}

/// The way to a worker, and back.
struct Line {
    batches: SyncSender<Batch>,
    spare: Receiver<Batch>,
}

/// Writes the table's steps down for the threads that have the connections.
struct Dispatch<'a> {
    batches: Vec<Batch>,
    /// Steps of this batch so far.
    place: usize,
    /// Bytes of payload of this batch so far.
    bytes: usize,
    remarks: Remarks,
    /// The connection in each slot.
    streams: Vec<u64>,
    /// For each slot one more than the last connection there of which no more is wanted.
    unwanted: &'a [AtomicU64],
    stop: &'a AtomicBool,
    to_merge: SyncSender<Remarks>,
    lines: Vec<Line>,
}

impl Dispatch<'_> {
    /// The batch of the thread that has a connection, and a message about it that says nothing yet.
    fn next(&mut self, slot: usize, kind: Kind) -> (&mut Batch, Message) {
        let message = Message::new(self.place, slot, kind);
        self.place += 1;
        let count = self.batches.len();
        (&mut self.batches[shard_of(self.streams[slot]) % count], message)
    }

    fn send(&mut self) {
        (self.place, self.bytes) = (0, 0);
        // Where the other side is gone, its thread has panicked, which shows when it is joined.
        let _ = self.to_merge.send(std::mem::take(&mut self.remarks));
        for (batch, line) in self.batches.iter_mut().zip(&self.lines) {
            let spare = line.spare.try_recv().unwrap_or_default();
            if line.batches.send(std::mem::replace(batch, spare)).is_err() {
                self.stop.store(true, Ordering::Relaxed);
            }
        }
    }
}

impl Steps for Dispatch<'_> {
    fn open(&mut self, slot: usize, opened: &Opened) {
        if self.streams.len() <= slot {
            self.streams.resize(slot + 1, 0);
        }
        self.streams[slot] = opened.stream;
        let (batch, message) = self.next(slot, Kind::Open);
        let from = u32::try_from(batch.opened.len()).unwrap_or(u32::MAX);
        batch.opened.push(*opened);
        batch.messages.push(Message { from, ..message });
    }

    fn segment(&mut self, slot: usize, direction: Direction, segment: &Segment<'_>, stamp: Stamp) -> bool {
        // When a thread says so differs from run to run, what it does with the rest does not: nothing.
        if self.unwanted[slot].load(Ordering::Relaxed) == self.streams[slot] + 1 {
            return false;
        }
        let Segment { sequence, acknowledgment, flags, payload, payload_length, .. } = *segment;
        self.bytes += payload.len();
        let (batch, message) =
            self.next(slot, Kind::Segment { direction, flags, has_time: stamp.time.is_some() });
        let from = u32::try_from(batch.bytes.len()).unwrap_or(u32::MAX);
        let captured = u32::try_from(payload.len()).unwrap_or(0);
        batch.bytes.extend_from_slice(payload);
        let (frame, time) = (stamp.frame, stamp.time.unwrap_or(0));
        batch.messages.push(Message {
            frame,
            time,
            sequence,
            acknowledgment,
            payload_length,
            from,
            captured,
            ..message
        });
        true
    }

    fn close(&mut self, slot: usize, end: Option<End>) {
        let (batch, message) = self.next(slot, Kind::Close(end));
        batch.messages.push(message);
    }
}

impl Taker for Dispatch<'_> {
    fn remark(&mut self, remark: Remark) {
        self.bytes += remark.weight();
        self.remarks.push((self.place, remark));
        self.place += 1;
    }

    fn found(&mut self, stream: u64, found: Arc<Found>) {
        let message = Message::new(self.place, 0, Kind::Found);
        self.place += 1;
        let count = self.batches.len();
        let batch = &mut self.batches[shard_of(stream) % count];
        let from = u32::try_from(batch.found.len()).unwrap_or(u32::MAX);
        batch.found.push((stream, found));
        batch.messages.push(Message { from, ..message });
    }

    fn secrets(&mut self, secrets: &[u8]) {
        let message = Message::new(self.place, 0, Kind::Secrets);
        self.place += 1;
        for batch in &mut self.batches {
            let from = u32::try_from(batch.bytes.len()).unwrap_or(u32::MAX);
            let captured = u32::try_from(secrets.len()).unwrap_or(0);
            batch.bytes.extend_from_slice(secrets);
            batch.messages.push(Message { from, captured, ..message });
        }
    }

    fn goes_on(&mut self) -> bool {
        if self.place >= BATCH_STEPS || self.bytes >= BATCH_BYTES {
            self.send();
        }
        !self.stop.load(Ordering::Relaxed)
    }
}
