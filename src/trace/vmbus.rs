use std::collections::BTreeMap;
use std::io::Read;

use crate::capture::{LinkType, Packet, Stamp};
use crate::vmbus::{self, ChannelClass, Dump, PipeMode, Record, RingPair, Session, control};
use crate::wire::{Error, Guid};

use super::reading::Remark;
use super::{Notice, NoticeKind, Observer, Summary};

/// Whose bus it is: the number of the interface that it was captured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bus(pub u32);

/// What was said in a channel's pipe: a request and its response, or one of them.
#[derive(Clone, Debug)]
pub struct GuestExchange {
    /// Whose bus.
    pub bus: Bus,
    /// The two messages.
    pub exchange: vmbus::Exchange<Stamp>,
}

impl GuestExchange {
    /// `answered`, `unanswered`, or `unasked` for a response by itself.
    #[must_use]
    pub fn outcome_name(&self) -> &'static str {
        match (&self.exchange.request, &self.exchange.response) {
            (Some(_), Some(_)) => OUTCOMES[0],
            (_, None) => OUTCOMES[1],
            (None, Some(_)) => OUTCOMES[2],
        }
    }

    /// The request's first and last packet, and the response's.
    pub fn stamps(&self) -> impl Iterator<Item = Stamp> {
        let messages = self.exchange.request.iter().chain(&self.exchange.response);
        messages.flat_map(|message| [message.first, message.last])
    }

    /// Nanoseconds from the request's last packet to the response's first.
    #[must_use]
    pub fn service_time(&self) -> Option<i64> {
        let asked = self.exchange.request.as_ref()?.last.time?;
        self.exchange.response.as_ref()?.first.time?.checked_sub(asked)
    }
}

/// How an exchange of VMBus can end.
pub(super) const OUTCOMES: [&str; 3] = ["answered", "unanswered", "unasked"];

/// A channel, once nothing more comes of it.
#[derive(Clone, Debug)]
pub struct ChannelRecord {
    /// Whose bus.
    pub bus: Bus,
    /// What became of it.
    pub channel: vmbus::ChannelRecord<Stamp>,
}

/// A control message.
#[derive(Clone, Debug)]
pub struct ControlRecord {
    /// Whose bus.
    pub bus: Bus,
    /// Which way it went.
    pub direction: vmbus::Direction,
    /// The packet.
    pub stamp: Stamp,
    /// What its channel is for.
    pub class: ChannelClass,
    /// The message.
    pub message: control::Message,
    /// Why its body was not read.
    pub error: Option<Error>,
}

/// The buses of a capture. They are followed where packets are read: there are few of them, and no streams.
pub(super) struct Buses {
    /// The link type that is VMBus whatever its packets begin with.
    link: Option<LinkType>,
    sessions: BTreeMap<Bus, Session<Stamp>>,
    told: Vec<Remark>,
    /// Packets that are no record, and those of buses beyond the bound.
    not_records: u64,
    left_out: u64,
}

/// Buses of a capture that are followed.
const MAX_BUSES: usize = 8;

/// Packets that are no record, of a link type that was said to be VMBus: so many are told one by one.
const MAX_TOLD: u64 = 16;

impl Buses {
    pub(super) fn new(link: Option<LinkType>) -> Self {
        Self { link, sessions: BTreeMap::new(), told: Vec::new(), not_records: 0, left_out: 0 }
    }

    /// Takes a packet of a link type that is up to its user; false for one that is not VMBus.
    pub(super) fn packet(&mut self, packet: &Packet<'_>) -> bool {
        let is_named = match self.link {
            Some(link) => link == packet.link,
            None => false,
        };
        if !is_named && (self.link.is_some() || !Record::is_plausible(packet.data)) {
            return false;
        }
        let stamp = Stamp { frame: packet.frame, time: packet.time };
        let record = match Record::parse(packet.data) {
            Ok(record) => record,
            Err(error) => {
                self.not_records += 1;
                if self.not_records <= MAX_TOLD {
                    self.told.push(Remark::Notice(of_error(&error, stamp, "")));
                }
                return true;
            }
        };
        let bus = Bus(packet.interface);
        if self.sessions.len() == MAX_BUSES && !self.sessions.contains_key(&bus) {
            self.left_out += 1;
            return true;
        }
        let session = self.sessions.entry(bus).or_default();
        session.push(&record, stamp, &mut Listener { bus, told: &mut self.told });
        true
    }

    /// What has come up since it was last asked.
    pub(super) fn take(&mut self) -> Vec<Remark> {
        std::mem::take(&mut self.told)
    }

    /// Ends everything that is open, and tells what went over the bounds.
    pub(super) fn finish(&mut self) -> Vec<Remark> {
        let Self { sessions, told, not_records, left_out, .. } = self;
        let mut beyond = vmbus::LeftOut::default();
        for (&bus, session) in sessions.iter_mut() {
            session.finish(&mut Listener { bus, told });
            let vmbus::LeftOut { records, states, gpadls, waits } = session.left_out();
            beyond.records += records;
            beyond.states += states;
            beyond.gpadls += gpadls;
            beyond.waits += waits;
        }
        let more = [
            (
                not_records.saturating_sub(MAX_TOLD),
                NoticeKind::MalformedVmbus,
                "more packets are no records of VMBus",
            ),
            (
                *left_out + beyond.records,
                NoticeKind::BoundReached,
                "records of too many buses or channels are left out",
            ),
            (beyond.states, NoticeKind::BoundReached, "states of channels are left out"),
            (beyond.gpadls, NoticeKind::BoundReached, "GPADLs of channels are left out"),
            (
                beyond.waits,
                NoticeKind::BoundReached,
                "requests were not waited for, with too many others behind them",
            ),
        ];
        for (count, kind, what) in more {
            if count > 0 {
                told.push(Remark::Notice(Notice::new(kind, format!("VMBus: {count} {what}"))));
            }
        }
        self.take()
    }
}

/// Notes down what a session tells.
struct Listener<'a> {
    bus: Bus,
    told: &'a mut Vec<Remark>,
}

impl vmbus::Handler<Stamp> for Listener<'_> {
    fn control(&mut self, event: &vmbus::ControlEvent<'_, Stamp>) {
        let vmbus::ControlEvent { direction, stamp, class, message, error } = *event;
        let (message, error) = (message.clone(), error.cloned());
        let record = ControlRecord { bus: self.bus, direction, stamp, class, message, error };
        self.told.push(Remark::Control(Box::new(record)));
    }

    fn exchange(&mut self, exchange: &vmbus::Exchange<Stamp>) {
        let exchange = GuestExchange { bus: self.bus, exchange: exchange.clone() };
        self.told.push(Remark::Guest(Box::new(exchange)));
    }

    fn channel(&mut self, channel: &vmbus::ChannelRecord<Stamp>) {
        let channel = ChannelRecord { bus: self.bus, channel: channel.clone() };
        self.told.push(Remark::Channel(Box::new(channel)));
    }

    fn error(&mut self, event: &vmbus::ErrorEvent<Stamp>) {
        let vmbus::ErrorEvent { channel_id, direction, stamp, length, error } = event;
        let mut place = match channel_id {
            Some(id) => format!("channel {id} {}", direction.name()),
            None => direction.name().to_owned(),
        };
        if *length > 0 {
            place.push_str(&format!(", {length} bytes not read"));
        }
        self.told.push(Remark::Notice(of_error(error, *stamp, &format!("{place}: "))));
    }
}

fn of_error(error: &Error, stamp: Stamp, place: &str) -> Notice {
    Notice {
        frame: (stamp.frame > 0).then_some(stamp.frame),
        needed: error.needed(),
        got: error.got(),
        ..Notice::new(NoticeKind::MalformedVmbus, format!("{place}{error}"))
    }
}

/// What a dump of rings does not say of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingOptions {
    /// The GUID of the channel's class.
    pub class_id: Guid,
    /// How its pipe is read.
    pub pipe: Option<PipeMode>,
    /// The page at which the ring from the host to the guest begins; without it, the middle.
    pub downstream_page: Option<u32>,
}

impl Default for RingOptions {
    /// AVMA, in message mode, the second ring at the middle.
    fn default() -> Self {
        Self {
            class_id: ChannelClass::Avma.class_id().unwrap_or(Guid::NIL),
            pipe: Some(PipeMode::Message),
            downstream_page: None,
        }
    }
}

/// Reads a dump of a channel's two rings, and tells the observer of what was said in it, as far as nothing was written
/// over it. A dump has neither times nor packets of a capture.
pub fn trace_ring(reader: impl Read, options: &RingOptions, observer: &mut impl Observer) -> Summary {
    let mut summary = Summary::default();
    let mut bytes = Vec::new();
    let mut told = Vec::new();
    if let Err(error) = reader.take(MAX_DUMP + 1).read_to_end(&mut bytes) {
        told.push(Remark::Notice(Notice::new(NoticeKind::Unreadable, format!("cannot be read: {error}"))));
    }
    if bytes.len() as u64 > MAX_DUMP {
        let message = format!("a dump of more than {MAX_DUMP} bytes: what is behind them is not read");
        told.push(Remark::Notice(Notice::new(NoticeKind::BoundReached, message)));
        bytes.truncate(usize::try_from(MAX_DUMP).unwrap_or(usize::MAX));
    }
    summary.bytes = bytes.len() as u64;
    match RingPair::parse(&bytes, options.downstream_page) {
        Ok(rings) => {
            let class = ChannelClass::of(options.class_id, Guid::NIL);
            let dump = Dump {
                channel_id: 0,
                class_id: options.class_id,
                instance_id: class.instance_id().unwrap_or(Guid::NIL),
                pipe_type: options.pipe.map_or(Record::NO_PIPE, PipeMode::pipe_type),
            };
            let stamp = Stamp { frame: 0, time: None };
            let mut session = Session::new();
            let mut listener = Listener { bus: Bus(0), told: &mut told };
            session.push_dump(&rings, &dump, stamp, &mut listener);
            session.finish(&mut listener);
        }
        Err(error) => {
            let file_offset = Some(error.offset as u64);
            let notice = of_error(&error, Stamp { frame: 0, time: None }, "");
            told.push(Remark::Notice(Notice { kind: NoticeKind::MalformedDocument, file_offset, ..notice }));
        }
    }
    for remark in told {
        summary.notices += u64::from(matches!(remark, Remark::Notice(_)));
        summary.count_remark(&remark);
        remark.tell(observer);
    }
    observer.summary(&summary);
    summary
}

/// Bytes of a dump that are read: VMBus has no larger rings.
const MAX_DUMP: u64 = 64 << 20;
