//! A guest's bus put together: which channels there are, what became of them, and what was said in their pipes.

mod channel;
mod exchange;
mod gpadl;

use std::collections::BTreeMap;

use crate::wire::{Error, Guid};

use super::control::{Body, Message, OfferChannel};
use super::{
    ChannelClass, Direction, Packet, PacketDescriptor, PacketType, Payload, Record, RecordKind, RingPair,
    control, pipe,
};

use channel::Channel;
pub use channel::{ChannelRecord, ChannelState, ModeSource, StateChange, Traffic};
pub use exchange::{Content, Exchange, Pairing, PipeMessage, Protocol};
pub use gpadl::{GpadlRange, GpadlRecord};

/// The most channels of a session: VMBus has 2048, the largest guests some hundreds.
pub const MAX_CHANNELS: usize = 1024;

/// The most states that are kept of a channel.
pub const MAX_STATES: usize = 64;

/// The most GPADLs that are kept of a channel.
pub const MAX_GPADLS: usize = 16;

/// The most ranges that are kept of a GPADL.
pub const MAX_RANGES: usize = 8;

/// The most requests of a channel that wait for their response.
pub const MAX_PENDING: usize = 64;

/// The most requests of all channels that wait for their response.
pub const MAX_WAITING: usize = 512;

/// The state of one guest's bus, fed with records in their order, each with a stamp `S` of the caller's.
///
/// Memory is bounded by [`MAX_CHANNELS`] and the constants beside it; what goes over is in [`Self::left_out`].
///
/// ```
/// use volact::vmbus::{Direction, Exchange, Handler, Packet, Record, RecordKind, Session, ChannelClass, pipe};
///
/// #[derive(Default)]
/// struct Seen(Vec<Exchange<u64>>);
/// impl Handler<u64> for Seen {
///     fn exchange(&mut self, exchange: &Exchange<u64>) {
///         self.0.push(exchange.clone());
///     }
/// }
///
/// let (class, instance) = (ChannelClass::Avma.class_id(), ChannelClass::Avma.instance_id());
/// let (mut session, mut seen) = (Session::new(), Seen::default());
/// for (frame, direction) in [(1, Direction::GuestToHost), (2, Direction::HostToGuest)] {
///     let bytes = Packet::in_band(77, &pipe::Packet::data(b"test payload 1").encode()).encode();
///     let record = Record {
///         kind: RecordKind::RingPacket,
///         class_id: class.unwrap(),
///         instance_id: instance.unwrap(),
///         ..Record::control(direction, 5, &bytes)
///     };
///     session.push(&record, frame, &mut seen);
/// }
/// session.finish(&mut seen);
/// let request = seen.0[0].request.as_ref().unwrap();
/// assert_eq!((seen.0[0].protocol.name(), request.first, request.length), ("avma", 1, 14));
/// ```
#[derive(Clone, Debug)]
pub struct Session<S> {
    channels: BTreeMap<u32, Channel<S>>,
    /// The channels that GPADLs belong to.
    gpadls: BTreeMap<u32, u32>,
    shared: Shared,
}

/// What the channels of a session have in common.
#[derive(Clone, Copy, Debug)]
struct Shared {
    left_out: LeftOut,
    /// Bytes of opaque payloads that are kept.
    keep: usize,
    /// Requests that wait for their response.
    waiting: usize,
}

/// What went over a bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Control messages and packets of channels beyond [`MAX_CHANNELS`].
    pub records: u64,
    /// States beyond [`MAX_STATES`].
    pub states: u64,
    /// GPADLs beyond [`MAX_GPADLS`].
    pub gpadls: u64,
    /// Requests whose response was not waited for any more, because of [`MAX_PENDING`] or [`MAX_WAITING`].
    pub waits: u64,
}

/// A control message.
#[derive(Clone, Debug)]
pub struct ControlEvent<'a, S> {
    /// Which way it went.
    pub direction: Direction,
    /// Its stamp.
    pub stamp: S,
    /// What its channel is for; unknown where it is about none.
    pub class: ChannelClass,
    /// The message.
    pub message: &'a Message,
    /// Why its body was not read.
    pub error: Option<&'a Error>,
}

/// A packet of a ring.
#[derive(Clone, Debug)]
pub struct PacketEvent<'a, S> {
    /// The channel's id.
    pub channel_id: u32,
    /// What the channel is for.
    pub class: ChannelClass,
    /// Which way it went.
    pub direction: Direction,
    /// Its stamp.
    pub stamp: S,
    /// Where in the ring it begins.
    pub ring_offset: Option<u32>,
    /// The packet.
    pub packet: &'a Packet<'a>,
}

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorEvent<S> {
    /// The channel's id, where it is about one.
    pub channel_id: Option<u32>,
    /// Which way it went.
    pub direction: Direction,
    /// Its stamp.
    pub stamp: S,
    /// How many bytes were not read.
    pub length: usize,
    /// Why not. The offset counts from the structure that the error names.
    pub error: Error,
}

/// Takes what a [`Session`] has to tell.
pub trait Handler<S> {
    /// A control message.
    fn control(&mut self, event: &ControlEvent<'_, S>) {
        let _ = event;
    }

    /// A packet of a ring.
    fn packet(&mut self, event: &PacketEvent<'_, S>) {
        let _ = event;
    }

    /// A request and its response, or one of them.
    fn exchange(&mut self, exchange: &Exchange<S>) {
        let _ = exchange;
    }

    /// A channel, once nothing more comes of it: at the end, or when another one gets its id.
    fn channel(&mut self, channel: &ChannelRecord<S>) {
        let _ = channel;
    }

    /// Something that could not be read.
    fn error(&mut self, event: &ErrorEvent<S>) {
        let _ = event;
    }
}

/// Where a dump of a channel's memory comes from, which the dump does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dump {
    /// The channel's id.
    pub channel_id: u32,
    /// The GUID of its class.
    pub class_id: Guid,
    /// The GUID of its instance.
    pub instance_id: Guid,
    /// The type of its pipe, [`Record::NO_PIPE`] where it is not known.
    pub pipe_type: u8,
}

impl<S: Copy> Default for Session<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Copy> Session<S> {
    /// A bus of which nothing was seen.
    #[must_use]
    pub fn new() -> Self {
        let shared = Shared { left_out: LeftOut::default(), keep: Payload::FIRST, waiting: 0 };
        Self { channels: BTreeMap::new(), gpadls: BTreeMap::new(), shared }
    }

    /// The same, with so many bytes kept of each opaque payload ([`pipe::MAX_DATA`] at most).
    #[must_use]
    pub fn keeping(bytes: usize) -> Self {
        let mut session = Self::new();
        session.shared.keep = bytes.min(pipe::MAX_DATA);
        session
    }

    /// What went over a bound so far.
    #[must_use]
    pub fn left_out(&self) -> LeftOut {
        self.shared.left_out
    }

    /// How many bytes of payloads are held: of messages that are not at their end, and of requests that wait.
    #[must_use]
    pub fn held(&self) -> usize {
        self.channels.values().map(Channel::held).sum()
    }

    /// Takes the next record.
    pub fn push(&mut self, record: &Record<'_>, stamp: S, handler: &mut impl Handler<S>) {
        match record.kind {
            RecordKind::Control => self.control(record, stamp, handler),
            RecordKind::RingPacket => self.packet(record, stamp, handler),
        }
    }

    /// Takes the packets of both rings, all with one stamp. Nothing in a dump says which packet came before one of the other
    /// ring. They are taken by turns, those of the side first that asks in a channel of this class, and so that the last
    /// ones of both rings come last: of the older ones, a smaller ring has kept fewer.
    pub fn push_dump(&mut self, rings: &RingPair<'_>, dump: &Dump, stamp: S, handler: &mut impl Handler<S>) {
        let sides = match ChannelClass::of(dump.class_id, dump.instance_id) {
            ChannelClass::Kvp => [Direction::HostToGuest, Direction::GuestToHost],
            _ => Direction::BOTH,
        };
        let walks = sides.map(|direction| {
            let ring = match direction {
                Direction::GuestToHost => &rings.guest_to_host,
                Direction::HostToGuest => &rings.host_to_guest,
            };
            (direction, ring.walk())
        });
        let guids = [dump.class_id, dump.instance_id];
        let most = walks.iter().map(|(_, walk)| walk.packets.len()).max().unwrap_or(0);
        for i in 0..most {
            for (direction, walk) in &walks {
                let place = (i + walk.packets.len()).checked_sub(most);
                let Some(packet) = place.and_then(|place| walk.packets.get(place)) else { continue };
                self.push(&packet.record(*direction, dump.channel_id, guids, dump.pipe_type), stamp, handler);
                if let Some(error) = &packet.error {
                    let (channel_id, direction, length) = (Some(dump.channel_id), *direction, 0);
                    handler.error(&ErrorEvent { channel_id, direction, stamp, length, error: error.clone() });
                }
            }
        }
        for (direction, walk) in walks {
            if let Some(error) = walk.error {
                let (channel_id, length) = (Some(dump.channel_id), walk.unread as usize);
                handler.error(&ErrorEvent { channel_id, direction, stamp, length, error });
            }
        }
    }

    /// Says that nothing more comes: what waits is handed out, then every channel, by its id. The bus begins anew.
    pub fn finish(&mut self, handler: &mut impl Handler<S>) {
        for channel in std::mem::take(&mut self.channels).into_values() {
            channel.finish(&mut self.shared, handler);
        }
        self.gpadls.clear();
    }

    fn control(&mut self, record: &Record<'_>, stamp: S, handler: &mut impl Handler<S>) {
        let direction = record.direction;
        let (message, error) = match Message::parse_lax(record.bytes) {
            Ok(read) => read,
            Err(error) => {
                let channel_id = Some(record.channel_id).filter(|id| *id != 0);
                let length = record.bytes.len();
                return handler.error(&ErrorEvent { channel_id, direction, stamp, length, error });
            }
        };
        let class = match (&message.body, message.channel_id()) {
            (Body::OfferChannel(offer), _) => ChannelClass::of(offer.class_id, offer.instance_id),
            (_, Some(id)) if self.channels.contains_key(&id) => self.channels[&id].record.class,
            _ => record.class(),
        };
        handler.control(&ControlEvent { direction, stamp, class, message: &message, error: error.as_ref() });
        self.follow(&message, record, stamp, handler);
    }

    /// What a control message changes.
    fn follow(&mut self, message: &Message, record: &Record<'_>, stamp: S, handler: &mut impl Handler<S>) {
        match &message.body {
            Body::OfferChannel(offer) => self.offer(offer, stamp, handler),
            Body::RescindChannelOffer(body) => {
                self.change(body.channel_id, record, ChannelState::Rescinded, stamp, handler);
            }
            Body::OpenChannel(body) => {
                self.change(body.request.channel_id, record, ChannelState::Opening, stamp, handler);
            }
            Body::OpenChannelResult(body) => {
                let state = match body.status {
                    0 => ChannelState::Opened,
                    status => ChannelState::OpenFailed(status),
                };
                self.change(body.channel_id, record, state, stamp, handler);
            }
            Body::CloseChannel(body) => {
                self.change(body.channel_id, record, ChannelState::Closed, stamp, handler);
            }
            Body::RelIdReleased(body) => {
                self.change(body.channel_id, record, ChannelState::Released, stamp, handler);
            }
            Body::OpenReservedChannel(body) => {
                self.change(body.channel_id, record, ChannelState::Opening, stamp, handler);
            }
            Body::CloseReservedChannel(body) => {
                self.change(body.channel_id, record, ChannelState::Closed, stamp, handler);
            }
            Body::GpadlHeader(header) => self.gpadl_header(header, record),
            Body::GpadlBody(body) => {
                if let Some(gpadl) = self.gpadl(body.gpadl_id) {
                    gpadl.take(&body.values);
                }
            }
            Body::GpadlCreated(body) => {
                if let Some(gpadl) = self.gpadl(body.gpadl_id) {
                    gpadl.status = Some(body.status);
                }
            }
            Body::GpadlTorndown(body) => {
                if let Some(gpadl) = self.gpadl(body.gpadl_id) {
                    gpadl.is_torn_down = true;
                }
                self.gpadls.remove(&body.gpadl_id);
            }
            _ => {}
        }
    }

    fn offer(&mut self, offer: &OfferChannel, stamp: S, handler: &mut impl Handler<S>) {
        let is_same = |channel: &Channel<S>| channel.is_of(offer);
        // A device that was rescinded comes back under its own channel id, or under another one.
        let was_seen = self.channels.values().any(|channel| is_same(channel) && channel.is_gone());
        let state = match self.channels.get(&offer.channel_id) {
            Some(channel) if is_same(channel) && channel.record.flags.is_some() => ChannelState::Reoffered,
            // Its packets were seen before its offer was.
            Some(channel) if is_same(channel) => ChannelState::Offered,
            other => {
                if other.is_some() {
                    self.retire(offer.channel_id, handler);
                }
                if was_seen { ChannelState::Reoffered } else { ChannelState::Offered }
            }
        };
        let guids = [offer.class_id, offer.instance_id];
        let Some(channel) = room(&mut self.channels, &mut self.shared.left_out, offer.channel_id, guids)
        else {
            return;
        };
        channel.offered(offer);
        channel.change(state, stamp, &mut self.shared, handler);
    }

    fn change(
        &mut self,
        id: u32,
        record: &Record<'_>,
        state: ChannelState,
        stamp: S,
        handler: &mut impl Handler<S>,
    ) {
        let guids = [record.class_id, record.instance_id];
        if let Some(channel) = room(&mut self.channels, &mut self.shared.left_out, id, guids) {
            channel.change(state, stamp, &mut self.shared, handler);
        }
    }

    fn gpadl_header(&mut self, header: &control::GpadlHeader, record: &Record<'_>) {
        let guids = [record.class_id, record.instance_id];
        let id = header.channel_id;
        let Some(channel) = room(&mut self.channels, &mut self.shared.left_out, id, guids) else { return };
        if channel.record.gpadls.len() == MAX_GPADLS {
            self.shared.left_out.gpadls += 1;
            return;
        }
        channel.record.gpadls.push(GpadlRecord::new(header));
        self.gpadls.insert(header.gpadl_id, header.channel_id);
    }

    /// The last GPADL of an id.
    fn gpadl(&mut self, id: u32) -> Option<&mut GpadlRecord> {
        let channel = self.channels.get_mut(self.gpadls.get(&id)?)?;
        channel.record.gpadls.iter_mut().rev().find(|gpadl| gpadl.gpadl_id == id)
    }

    fn packet(&mut self, record: &Record<'_>, stamp: S, handler: &mut impl Handler<S>) {
        let (id, direction) = (record.channel_id, record.direction);
        let packet = match Packet::parse(record.bytes) {
            Ok(packet) => packet,
            Err(error) => {
                if let Some(channel) = self.channels.get_mut(&id) {
                    channel.traffic(direction).unreadable += 1;
                }
                let (channel_id, length) = (Some(id), record.bytes.len());
                return handler.error(&ErrorEvent { channel_id, direction, stamp, length, error });
            }
        };
        if self.channels.get(&id).is_some_and(|channel| !channel.may_be(record)) {
            self.retire(id, handler);
        }
        let guids = [record.class_id, record.instance_id];
        let Some(channel) = room(&mut self.channels, &mut self.shared.left_out, id, guids) else { return };
        let ring_offset = Some(record.ring_offset).filter(|offset| *offset != Record::NO_OFFSET);
        let class = channel.record.class;
        handler.packet(&PacketEvent {
            channel_id: id,
            class,
            direction,
            stamp,
            ring_offset,
            packet: &packet,
        });
        channel.packet(record, &packet, stamp, &mut self.shared, handler);
    }

    /// Hands out a channel whose id another one gets.
    fn retire(&mut self, id: u32, handler: &mut impl Handler<S>) {
        if let Some(channel) = self.channels.remove(&id) {
            self.gpadls.retain(|_, owner| *owner != id);
            channel.finish(&mut self.shared, handler);
        }
    }
}

/// The channel of an id, which is made where it is not there and there is room for it.
fn room<'a, S: Copy>(
    channels: &'a mut BTreeMap<u32, Channel<S>>,
    left_out: &mut LeftOut,
    id: u32,
    guids: [Guid; 2],
) -> Option<&'a mut Channel<S>> {
    if channels.len() == MAX_CHANNELS && !channels.contains_key(&id) {
        left_out.records += 1;
        return None;
    }
    Some(channels.entry(id).or_insert_with(|| Channel::new(id, guids)))
}

/// True for the packets in which a pipe has something to say.
fn is_of_pipe(descriptor: &PacketDescriptor) -> bool {
    matches!(descriptor.kind, PacketType::IN_BAND | PacketType::GPA_DIRECT)
}
