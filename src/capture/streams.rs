use super::Segment;
use super::flow::{Chunk, Conflict, Direction, End, FlowInfo, Gap, Stamp};
use super::reassembly::{self, Reassembly};
use super::table::{FlowTable, Opened, Steps};

/// What is done with the streams: one [`Handler::State`] a connection.
pub trait Handler {
    /// What the handler keeps of a connection.
    type State;

    /// A connection's first packet was seen.
    fn open(&mut self, flow: &FlowInfo) -> Self::State;

    /// The next bytes of one direction.
    fn data(&mut self, flow: &FlowInfo, state: &mut Self::State, direction: Direction, chunk: Chunk<'_>);

    /// Bytes of one direction will not come.
    fn gap(&mut self, flow: &FlowInfo, state: &mut Self::State, direction: Direction, gap: Gap);

    /// Bytes of one direction came again and were others; the first ones stay.
    #[allow(unused_variables)]
    fn conflict(
        &mut self,
        flow: &FlowInfo,
        state: &mut Self::State,
        direction: Direction,
        conflict: Conflict<'_>,
    ) {
    }

    /// False once nothing more of the connection is wanted: its bytes are not put in order any longer, and its
    /// [`FlowInfo`] stays as it is.
    #[allow(unused_variables)]
    fn wants(&self, state: &Self::State) -> bool {
        true
    }

    /// The connection has ended, or is given up.
    fn close(&mut self, flow: &FlowInfo, state: Self::State, end: End);
}

/// Puts the segments of many connections in order.
///
/// Within a direction the sequence numbers say what that is, across the two the acknowledgments: an answer waits for
/// the question that it acknowledges. Where segments overlap, the bytes that came first stay; where the later ones
/// differ, that is a [`Conflict`], as long as the first ones are remembered (the last 4 KiB of a direction). What is
/// missing becomes a gap when it was acknowledged and 32 more packets of the connection have not brought it, when more
/// than 1 MiB or 4,096 segments of a direction wait for it, or when the connection ends. The first bytes of a direction
/// whose SYN was not captured wait for 4 packets of the connection, in case others belong in front of them. A connection
/// counts as ended 256 packets of the capture after its second FIN or its reset, or after its last payload behind
/// these, so that what was still under way is not lost. Urgent data are bytes of the stream like all others.
pub struct Streams<H: Handler> {
    table: FlowTable,
    flows: Flows<H>,
}

impl<H: Handler> Streams<H> {
    /// Hands everything to `handler`; by the `server_ports` a connection without its SYN is turned the right way.
    pub fn new(handler: H, server_ports: &[u16]) -> Self {
        Self { table: FlowTable::new(server_ports), flows: Flows::new(handler) }
    }

    /// The handler.
    pub fn handler(&mut self) -> &mut H {
        &mut self.flows.handler
    }

    /// Payload bytes that came after their connection's end.
    #[must_use]
    pub fn late_bytes(&self) -> u64 {
        self.table.late_bytes()
    }

    /// Connections that were given up to keep within the bound.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.table.evicted()
    }

    /// Connections so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.table.connections()
    }

    /// Takes the next segment.
    pub fn push(&mut self, segment: &Segment<'_>, stamp: Stamp) {
        self.table.push(segment, stamp, &mut self.flows);
    }

    /// Ends all connections, in the order of their first packets, and gives the handler back.
    pub fn finish(mut self) -> H {
        self.table.finish(&mut self.flows);
        self.flows.handler
    }
}

/// The connections themselves, each in the slot that its [`FlowTable`] gave it.
///
/// Several of these can share the connections of one table: what one connection does to another one (by the bounds that
/// they have together) stays within its shard, and a shard is all in one place.
pub(crate) struct Flows<H: Handler> {
    pub(crate) handler: H,
    slots: Vec<Option<Box<Flow<H::State>>>>,
    /// Bytes that are held behind holes, and those that are remembered, by shard.
    shards: [Shard; SHARDS],
}

/// Connections are spread over this many shards, whatever the number of threads.
pub(crate) const SHARDS: usize = 8;

/// The shard of a connection.
pub(crate) fn shard_of(stream: u64) -> usize {
    usize::try_from(stream % SHARDS as u64).unwrap_or(0)
}

/// What the connections of a shard hold, or one of them.
#[derive(Clone, Copy, Default)]
struct Shard {
    held: usize,
    remembered: usize,
}

impl Shard {
    fn of(reassembly: &Reassembly) -> Self {
        Self { held: reassembly.held_bytes(), remembered: reassembly.remembered_bytes() }
    }

    /// One connection had `before` and has `after`.
    fn change(&mut self, before: Self, after: Self) {
        self.held = self.held + after.held - before.held;
        self.remembered = self.remembered + after.remembered - before.remembered;
    }
}

/// Bytes of all connections of a shard together that are held behind holes.
const MAX_HELD: usize = 4 << 20;
/// Bytes of all connections of a shard together that are remembered to be compared.
const MAX_REMEMBERED: usize = 2 << 20;

struct Flow<T> {
    info: FlowInfo,
    state: T,
    reassembly: Reassembly,
}

impl<H: Handler> Flows<H> {
    pub(crate) fn new(handler: H) -> Self {
        Self { handler, slots: Vec::new(), shards: [Shard::default(); SHARDS] }
    }

    /// Gives up the holes of the connections of a shard that were quiet longest, until half the bound is free again.
    #[cold]
    fn bound_held_bytes(&mut self, shard: usize) {
        let mut holding: Vec<(u64, usize)> = (0..)
            .zip(&self.slots)
            .filter_map(|(slot, flow)| Some((slot, flow.as_ref()?)))
            .filter(|(_, flow)| shard_of(flow.info.stream) == shard && flow.reassembly.held_bytes() > 0)
            .map(|(slot, flow)| (flow.info.last.frame, slot))
            .collect();
        holding.sort_unstable();
        for (_, slot) in holding {
            let Some(flow) = self.slots[slot].as_deref_mut() else { continue };
            let Flow { info, state, reassembly } = flow;
            let before = Shard::of(reassembly);
            reassembly.give_up_holes(&mut Sink { handler: &mut self.handler, info, state });
            self.shards[shard].change(before, Shard::of(reassembly));
            if self.shards[shard].held <= MAX_HELD / 2 {
                return;
            }
        }
    }
}

impl<H: Handler> Flows<H> {
    /// True where the slot has a connection of these.
    pub(crate) fn has(&self, slot: usize) -> bool {
        self.slots.get(slot).is_some_and(Option::is_some)
    }

    /// Takes a segment; the number of the connection where its next ones are not wanted.
    pub(crate) fn segment_or_unwanted(
        &mut self,
        slot: usize,
        direction: Direction,
        segment: &Segment<'_>,
        stamp: Stamp,
    ) -> Option<u64> {
        if self.segment(slot, direction, segment, stamp) {
            return None;
        }
        self.slots.get(slot).and_then(Option::as_deref).map(|flow| flow.info.stream)
    }
}

impl<H: Handler> Steps for Flows<H> {
    fn open(&mut self, slot: usize, opened: &Opened) {
        let &Opened { stream, client, server, first } = opened;
        let info = FlowInfo::new(stream, client, server, first);
        let state = self.handler.open(&info);
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, || None);
        }
        self.slots[slot] = Some(Box::new(Flow { info, state, reassembly: Reassembly::default() }));
    }

    fn segment(&mut self, slot: usize, direction: Direction, segment: &Segment<'_>, stamp: Stamp) -> bool {
        let Some(Flow { info, state, reassembly }) = self.slots.get_mut(slot).and_then(Option::as_deref_mut)
        else {
            return false;
        };
        if !self.handler.wants(state) {
            return false;
        }
        let shard = shard_of(info.stream);
        let may_remember = self.shards[shard].remembered < MAX_REMEMBERED;
        let before = Shard::of(reassembly);
        info.last = stamp;
        info.packets += 1;
        note_flags(info, direction, segment, stamp);
        let packets = info.packets;
        let mut sink = Sink { handler: &mut self.handler, info, state };
        reassembly.segment(&mut sink, direction, segment, stamp, packets, may_remember);
        let is_wanted = self.handler.wants(state);
        if !is_wanted {
            *reassembly = Reassembly::default();
        }
        let after = Shard::of(reassembly);
        self.shards[shard].change(before, after);
        if self.shards[shard].held > MAX_HELD {
            self.bound_held_bytes(shard);
        }
        is_wanted
    }

    fn close(&mut self, slot: usize, end: Option<End>) {
        let Some(flow) = self.slots.get_mut(slot).and_then(Option::take) else { return };
        let Flow { mut info, mut state, mut reassembly } = *flow;
        self.shards[shard_of(info.stream)].change(Shard::of(&reassembly), Shard::default());
        let stamp = info.last;
        reassembly
            .finish(&mut Sink { handler: &mut self.handler, info: &mut info, state: &mut state }, stamp);
        let end = end.unwrap_or_else(|| info.end());
        self.handler.close(&info, state, end);
    }
}

fn note_flags(info: &mut FlowInfo, direction: Direction, segment: &Segment<'_>, stamp: Stamp) {
    let flags = segment.flags;
    if flags.syn {
        let syn = if direction == Direction::ToServer { &mut info.syn } else { &mut info.syn_ack };
        info.repeated[direction as usize] += u64::from(syn.is_some());
        syn.get_or_insert(stamp);
    }
    if flags.fin {
        info.fin[direction as usize].get_or_insert(stamp);
    }
    if flags.rst {
        info.reset.get_or_insert((direction, stamp));
    }
    info.urgent[direction as usize] += u64::from(flags.urg);
}

/// The handler with the connection that the bytes are of.
struct Sink<'a, H: Handler> {
    handler: &'a mut H,
    info: &'a mut FlowInfo,
    state: &'a mut H::State,
}

impl<H: Handler> reassembly::Sink for Sink<'_, H> {
    fn data(&mut self, direction: Direction, chunk: Chunk<'_>) {
        self.info.bytes[direction as usize] += chunk.bytes.len() as u64;
        self.handler.data(self.info, self.state, direction, chunk);
    }

    fn gap(&mut self, direction: Direction, gap: Gap) {
        self.handler.gap(self.info, self.state, direction, gap);
    }

    fn repeated(&mut self, direction: Direction) {
        self.info.repeated[direction as usize] += 1;
    }

    fn conflict(&mut self, direction: Direction, conflict: Conflict<'_>) {
        self.info.conflicts[direction as usize] += 1;
        self.handler.conflict(self.info, self.state, direction, conflict);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Endpoint;
    use crate::capture::TcpFlags;
    use proptest::prelude::*;
    use std::net::{IpAddr, Ipv4Addr};

    /// What was handed on, as text.
    #[derive(Default)]
    struct Log(Vec<String>);

    impl Handler for Log {
        type State = ();

        fn open(&mut self, flow: &FlowInfo) {
            self.0.push(format!("open {} {}->{}", flow.stream, flow.client.port, flow.server.port));
        }

        fn data(&mut self, flow: &FlowInfo, (): &mut (), direction: Direction, chunk: Chunk<'_>) {
            let text = String::from_utf8_lossy(chunk.bytes);
            self.0.push(format!("{} {}@{} {text}", flow.stream, direction.name(), chunk.offset));
        }

        fn gap(&mut self, flow: &FlowInfo, (): &mut (), direction: Direction, gap: Gap) {
            self.0.push(format!("{} {} gap {}..{}", flow.stream, direction.name(), gap.from, gap.to));
        }

        fn conflict(&mut self, flow: &FlowInfo, (): &mut (), direction: Direction, conflict: Conflict<'_>) {
            let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
            let Conflict { offset, length, kept, other, .. } = conflict;
            let (kept, other) = (text(kept), text(other));
            self.0.push(format!(
                "{} {} conflict {offset}+{length} {kept} {other}",
                flow.stream,
                direction.name()
            ));
        }

        fn close(&mut self, flow: &FlowInfo, (): (), end: End) {
            self.0.push(format!("close {} {}", flow.stream, end.name()));
        }
    }

    const CLIENT: u16 = 40000;

    fn segment<'a>(from: u16, flags: &str, sequence: u32, payload: &'a [u8]) -> Segment<'a> {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let endpoint = |port| Endpoint { address, port };
        let to = if from == 1688 { CLIENT } else { 1688 };
        Segment {
            source: endpoint(from),
            destination: endpoint(to),
            sequence,
            acknowledgment: 0,
            flags: TcpFlags {
                syn: flags.contains('S'),
                ack: flags.contains('A'),
                fin: flags.contains('F'),
                rst: flags.contains('R'),
                urg: flags.contains('U'),
            },
            payload,
            payload_length: u32::try_from(payload.len()).unwrap(),
        }
    }

    fn run(segments: &[Segment<'_>]) -> Vec<String> {
        let mut streams = Streams::new(Log::default(), &[1688]);
        for (i, segment) in segments.iter().enumerate() {
            streams.push(segment, Stamp { frame: i as u64 + 1, time: None });
        }
        streams.finish().0
    }

    #[test]
    fn segments_are_put_in_order_across_the_wrap_of_the_sequence_number() {
        let base = u32::MAX - 2;
        assert_eq!(
            run(&[
                segment(CLIENT, "S", base.wrapping_sub(1), b""),
                segment(CLIENT, "A", base.wrapping_add(4), b"ef"),
                segment(CLIENT, "A", base, b"abcd"),
                segment(CLIENT, "A", base.wrapping_add(6), b"gh"),
            ]),
            ["open 0 40000->1688", "0 c2s@0 abcd", "0 c2s@4 ef", "0 c2s@6 gh", "close 0 open"]
        );
    }

    #[test]
    fn retransmissions_and_overlaps_are_handed_on_once() {
        assert_eq!(
            run(&[
                segment(CLIENT, "S", 0, b""),
                segment(CLIENT, "S", 0, b""),
                segment(CLIENT, "A", 1, b"abc"),
                segment(CLIENT, "A", 1, b"abc"),
                segment(CLIENT, "A", 2, b"bcde"),
            ]),
            ["open 0 40000->1688", "0 c2s@0 abc", "0 c2s@3 de", "close 0 open"]
        );
    }

    #[test]
    fn a_hole_that_is_never_filled_is_a_gap_at_the_end() {
        assert_eq!(
            run(&[
                segment(CLIENT, "S", 0, b""),
                segment(CLIENT, "A", 1, b"ab"),
                segment(CLIENT, "A", 5, b"ef"),
                segment(CLIENT, "A", 9, b"ij"),
            ]),
            [
                "open 0 40000->1688",
                "0 c2s@0 ab",
                "0 c2s gap 2..4",
                "0 c2s@4 ef",
                "0 c2s gap 6..8",
                "0 c2s@8 ij",
                "close 0 open"
            ]
        );
    }

    #[test]
    fn an_acknowledged_hole_is_given_up_after_a_while() {
        let mut segments = vec![segment(CLIENT, "S", 0, b""), segment(CLIENT, "A", 3, b"cd")];
        let mut ack = segment(1688, "A", 1, b"");
        ack.acknowledgment = 5;
        segments.extend([ack; 40]);
        segments.push(segment(CLIENT, "A", 5, b"ef"));
        let log = run(&segments);
        assert_eq!(log[1..4], ["0 c2s gap 0..2", "0 c2s@2 cd", "0 c2s@4 ef"]);
    }

    #[test]
    fn bytes_that_were_acknowledged_but_never_seen_are_a_gap() {
        let mut ack = segment(1688, "A", 1, b"");
        ack.acknowledgment = 11;
        let log = run(&[segment(CLIENT, "S", 0, b""), segment(CLIENT, "A", 1, b"ab"), ack]);
        assert_eq!(log[2], "0 c2s gap 2..10");
    }

    #[test]
    fn what_a_snap_length_cut_off_is_a_gap() {
        let mut cut = segment(CLIENT, "A", 1, b"ab");
        cut.payload_length = 10;
        let log = run(&[segment(CLIENT, "S", 0, b""), cut, segment(CLIENT, "A", 11, b"kl")]);
        assert_eq!(log[1..4], ["0 c2s@0 ab", "0 c2s gap 2..10", "0 c2s@10 kl"]);
    }

    #[test]
    fn a_refused_connection_and_one_without_an_answer_are_told_apart() {
        let log = run(&[segment(CLIENT, "S", 0, b""), segment(1688, "RA", 0, b"")]);
        assert_eq!(log.last().unwrap(), "close 0 refused");
        assert_eq!(run(&[segment(CLIENT, "S", 0, b"")]).last().unwrap(), "close 0 no-answer");
        let log = run(&[
            segment(CLIENT, "S", 0, b""),
            segment(1688, "SA", 0, b""),
            segment(CLIENT, "A", 1, b"ab"),
            segment(1688, "R", 1, b""),
        ]);
        assert_eq!(log.last().unwrap(), "close 0 reset");
    }

    #[test]
    fn ports_that_are_used_again_make_another_connection() {
        let log = run(&[
            segment(CLIENT, "S", 0, b""),
            segment(CLIENT, "A", 1, b"ab"),
            segment(CLIENT, "S", 900, b""),
            segment(CLIENT, "A", 901, b"cd"),
            segment(CLIENT, "FA", 903, b""),
            segment(1688, "FA", 1, b""),
            segment(CLIENT, "A", 904, b""),
            segment(CLIENT, "S", 900, b""),
        ]);
        assert_eq!(
            log,
            [
                "open 0 40000->1688",
                "0 c2s@0 ab",
                "close 0 open",
                "open 1 40000->1688",
                "1 c2s@0 cd",
                "close 1 closed",
                "open 2 40000->1688",
                "close 2 no-answer"
            ]
        );
    }

    #[test]
    fn a_syn_that_was_captured_behind_the_first_data_begins_no_other_connection() {
        let log = run(&[
            segment(CLIENT, "A", 1, b"ab"),
            segment(CLIENT, "S", 0, b""),
            segment(CLIENT, "A", 3, b"cd"),
        ]);
        assert_eq!(log, ["open 0 40000->1688", "0 c2s@0 ab", "0 c2s@2 cd", "close 0 open"]);
    }

    #[test]
    fn data_behind_a_reset_is_still_handed_on_and_later_data_counted() {
        let mut streams = Streams::new(Log::default(), &[1688]);
        let mut frame = 0;
        let mut push = |segment: &Segment<'_>| {
            frame += 1;
            streams.push(segment, Stamp { frame, time: None });
        };
        push(&segment(CLIENT, "S", 0, b""));
        push(&segment(CLIENT, "R", 1, b""));
        push(&segment(1688, "A", 1, b"late"));
        for _ in 0..300 {
            push(&segment(CLIENT, "A", 1, b""));
        }
        push(&segment(1688, "A", 5, b"later"));
        assert_eq!(streams.late_bytes(), 5);
        let log = streams.finish().0;
        assert_eq!(log, ["open 0 40000->1688", "0 s2c@0 late", "close 0 reset"]);
    }

    #[test]
    fn a_connection_without_its_syn_is_turned_by_the_servers_port() {
        let log = run(&[segment(1688, "A", 77, b"answer"), segment(CLIENT, "A", 5, b"question")]);
        assert_eq!(log[..3], ["open 0 40000->1688", "0 s2c@0 answer", "0 c2s@0 question"]);
    }

    #[test]
    fn bytes_that_come_again_and_differ_are_told_with_both_versions_and_the_first_ones_stay() {
        let log = run(&[
            segment(CLIENT, "S", 0, b""),
            segment(CLIENT, "A", 1, b"abcdef"),
            segment(CLIENT, "A", 3, b"cXYfgh"),
            segment(CLIENT, "A", 1, b"abcdefgh"),
        ]);
        assert_eq!(log[1..], ["0 c2s@0 abcdef", "0 c2s conflict 3+2 de XY", "0 c2s@6 gh", "close 0 open"]);
    }

    #[test]
    fn what_waits_behind_a_hole_is_compared_as_well_and_the_first_bytes_stay() {
        let log = run(&[
            segment(CLIENT, "S", 0, b""),
            segment(CLIENT, "A", 6, b"fgh"),
            segment(CLIENT, "A", 4, b"deFGHijk"),
            segment(CLIENT, "A", 1, b"abcDe"),
        ]);
        assert_eq!(
            log[1..],
            [
                "0 c2s conflict 5+3 fgh FGH",
                "0 c2s conflict 3+1 d D",
                "0 c2s@0 abc",
                "0 c2s@3 de",
                "0 c2s@5 fgh",
                "0 c2s@8 ijk",
                "close 0 open"
            ]
        );
    }

    #[test]
    fn a_keep_alive_probe_is_no_conflict() {
        let log = run(&[
            segment(CLIENT, "S", 0, b""),
            segment(CLIENT, "A", 1, b"abc"),
            segment(CLIENT, "A", 3, b"\0"),
            segment(CLIENT, "A", 3, b""),
            segment(CLIENT, "A", 4, b"def"),
        ]);
        assert_eq!(log[1..], ["0 c2s@0 abc", "0 c2s@3 def", "close 0 open"]);
    }

    #[test]
    fn urgent_data_stay_where_they_are_and_are_counted() {
        struct Urgent(u64);
        impl Handler for Urgent {
            type State = ();
            fn open(&mut self, _: &FlowInfo) {}
            fn data(&mut self, _: &FlowInfo, (): &mut (), _: Direction, _: Chunk<'_>) {}
            fn gap(&mut self, _: &FlowInfo, (): &mut (), _: Direction, _: Gap) {}
            fn close(&mut self, flow: &FlowInfo, (): (), _: End) {
                assert_eq!(flow.bytes, [6, 0]);
                self.0 = flow.urgent[0];
            }
        }
        let mut streams = Streams::new(Urgent(0), &[]);
        let segments =
            [segment(CLIENT, "S", 0, b""), segment(CLIENT, "AU", 1, b"abc"), segment(CLIENT, "A", 4, b"def")];
        for segment in &segments {
            streams.push(segment, Stamp { frame: 1, time: None });
        }
        assert_eq!(streams.finish().0, 1);
    }

    #[test]
    fn what_one_copy_lacks_by_its_snap_length_another_one_can_bring() {
        let mut cut = segment(CLIENT, "A", 4, b"de");
        cut.payload_length = 6;
        let log = run(&[
            segment(CLIENT, "S", 0, b""),
            cut,
            segment(CLIENT, "A", 6, b"fghi"),
            segment(CLIENT, "A", 1, b"abc"),
        ]);
        assert_eq!(log[1..], ["0 c2s@0 abc", "0 c2s@3 de", "0 c2s@5 fghi", "close 0 open"]);
    }

    #[test]
    fn without_a_syn_the_first_packets_may_come_in_any_order() {
        let log = run(&[
            segment(CLIENT, "A", 14, b"no"),
            segment(CLIENT, "A", 10, b"jk"),
            segment(CLIENT, "A", 12, b"lm"),
        ]);
        assert_eq!(log[1..], ["0 c2s@0 jk", "0 c2s@2 lm", "0 c2s@4 no", "close 0 open"]);
        // Across the wrap of the sequence number, too.
        let log = run(&[
            segment(CLIENT, "A", 1, b"cd"),
            segment(CLIENT, "A", u32::MAX, b"ab"),
            segment(CLIENT, "A", 3, b"ef"),
        ]);
        assert_eq!(log[1..], ["0 c2s@0 ab", "0 c2s@2 cd", "0 c2s@4 ef", "close 0 open"]);
    }

    #[test]
    fn connections_that_are_not_wanted_cost_nothing_more() {
        struct Picky(u64, bool);
        impl Handler for Picky {
            type State = bool;
            fn open(&mut self, _: &FlowInfo) -> bool {
                true
            }
            fn data(&mut self, _: &FlowInfo, wants: &mut bool, _: Direction, _: Chunk<'_>) {
                self.0 += 1;
                *wants = false;
            }
            fn gap(&mut self, _: &FlowInfo, _: &mut bool, _: Direction, _: Gap) {
                panic!("it is not wanted");
            }
            fn wants(&self, wants: &bool) -> bool {
                *wants
            }
            fn close(&mut self, _: &FlowInfo, _: bool, _: End) {
                self.1 = true;
            }
        }
        let mut streams = Streams::new(Picky(0, false), &[]);
        for segment in [
            segment(CLIENT, "S", 0, b""),
            segment(CLIENT, "A", 1, b"abc"),
            segment(CLIENT, "A", 4, b"def"),
            segment(CLIENT, "A", 900, b"ghi"),
        ] {
            streams.push(&segment, Stamp { frame: 1, time: None });
        }
        let Picky(times, is_closed) = streams.finish();
        assert_eq!((times, is_closed), (1, true));
    }

    #[test]
    fn connections_are_bounded() {
        let mut streams = Streams::new(Log::default(), &[1688]);
        for i in 0..70_000u32 {
            let mut syn = segment(CLIENT, "S", 0, b"");
            syn.source.address = IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + i));
            streams.push(&syn, Stamp { frame: 1 + u64::from(i), time: None });
        }
        assert_eq!((streams.evicted(), streams.connections()), (70_000 - 65_536, 70_000));
    }

    /// A conversation of questions and answers, each of which acknowledges all before it.
    fn conversation(turns: usize) -> Vec<Segment<'static>> {
        let mut segments = vec![segment(CLIENT, "S", 0, b""), segment(1688, "SA", 0, b"")];
        let mut next = [1, 1];
        for turn in 0..turns {
            let (from, own) = if turn % 2 == 0 { (CLIENT, 0) } else { (1688, 1) };
            let mut said = segment(from, "A", next[own], b"0123456789");
            said.acknowledgment = next[1 - own];
            next[own] += 10;
            segments.push(said);
        }
        segments
    }

    #[test]
    fn an_answer_that_was_captured_before_its_question_waits_for_it() {
        let mut segments = conversation(4);
        segments.swap(2, 3);
        segments.swap(4, 5);
        assert_eq!(run(&segments), run(&conversation(4)));
    }

    #[test]
    fn an_answer_whose_question_was_not_captured_is_handed_on_behind_a_gap() {
        let mut segments = conversation(4);
        segments.remove(4);
        let log = run(&segments);
        assert_eq!(
            log[1..],
            [
                "0 c2s@0 0123456789",
                "0 s2c@0 0123456789",
                "0 c2s gap 10..20",
                "0 s2c@10 0123456789",
                "close 0 open"
            ]
        );
    }

    #[test]
    fn segments_that_acknowledge_each_other_are_handed_on_all_the_same() {
        let mut segments = conversation(2);
        segments[2].acknowledgment = 11;
        let log = run(&segments);
        assert_eq!(log.len(), 4, "{log:?}");
    }

    proptest! {
        #[test]
        fn the_order_of_a_conversations_packets_does_not_matter(
            turns in 1usize..20,
            keys in prop::collection::vec(0usize..6, 20),
        ) {
            let segments = conversation(turns);
            let mut order: Vec<usize> = (0..turns).collect();
            order.sort_by_key(|&turn| turn + keys[turn]);
            let shuffled: Vec<_> =
                segments[..2].iter().copied().chain(order.iter().map(|&turn| segments[2 + turn])).collect();
            prop_assert_eq!(run(&shuffled), run(&segments));
        }

        #[test]
        fn the_order_and_the_cut_of_segments_do_not_matter(
            payload in prop::collection::vec(any::<u8>(), 1..400),
            cuts in prop::collection::vec((0usize..400, 1usize..90), 0..20),
            seed in any::<u64>(),
            base: u32,
        ) {
            // Pieces that cover everything, more pieces that overlap, in any order.
            let mut pieces: Vec<(usize, usize)> = (0..payload.len()).step_by(37).map(|at| (at, 37)).collect();
            pieces.extend(cuts);
            let mut state = seed | 1;
            pieces.sort_by_cached_key(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                state >> 33
            });
            struct Collect(Vec<u8>, bool);
            impl Handler for Collect {
                type State = ();
                fn open(&mut self, _: &FlowInfo) {}
                fn data(&mut self, _: &FlowInfo, (): &mut (), _: Direction, chunk: Chunk<'_>) {
                    assert_eq!(chunk.offset, self.0.len() as u64);
                    self.0.extend(chunk.bytes);
                }
                fn gap(&mut self, _: &FlowInfo, (): &mut (), _: Direction, _: Gap) {
                    self.1 = true;
                }
                fn close(&mut self, _: &FlowInfo, (): (), _: End) {}
            }
            let mut streams = Streams::new(Collect(Vec::new(), false), &[]);
            streams.push(&segment(CLIENT, "S", base, b""), Stamp { frame: 1, time: None });
            for (at, length) in pieces {
                let at = at.min(payload.len());
                let bytes = &payload[at..(at + length).min(payload.len())];
                let sequence = base.wrapping_add(1 + u32::try_from(at).unwrap());
                streams.push(&segment(CLIENT, "A", sequence, bytes), Stamp { frame: 2, time: None });
            }
            let Collect(collected, gap) = streams.finish();
            prop_assert_eq!(collected, payload);
            prop_assert!(!gap);
        }
    }
}
