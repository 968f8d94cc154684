use crate::vmbus::control::OfferChannel;
use crate::vmbus::pipe::{Framed, Message, Reader};
use crate::vmbus::{ChannelClass, ChannelFlags, Direction, Packet, PacketType, PipeMode, Record};
use crate::wire::{Error, Guid};

use super::exchange::{Of, Pending};
use super::{ErrorEvent, GpadlRecord, Handler, MAX_STATES, PipeMessage, Protocol, Shared, is_of_pipe};

/// A channel, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelRecord<S> {
    /// Its id.
    pub channel_id: u32,
    /// What it is for.
    pub class: ChannelClass,
    /// The GUID of its class; nil where nobody said.
    pub class_id: Guid,
    /// The GUID of its instance.
    pub instance_id: Guid,
    /// 0 for a device's first channel.
    pub subchannel_index: u16,
    /// The flags of its offer; `None` where no offer was seen.
    pub flags: Option<ChannelFlags>,
    /// How its pipe is read; `None` where it is none.
    pub pipe_mode: Option<PipeMode>,
    /// Who says so.
    pub mode_source: Option<ModeSource>,
    /// What became of it, [`MAX_STATES`] at most.
    pub states: Vec<StateChange<S>>,
    /// The memory that the guest described for it, [`super::MAX_GPADLS`] at most.
    pub gpadls: Vec<GpadlRecord>,
    /// What went from the guest to the host.
    pub sent: Traffic,
    /// What went from the host to the guest.
    pub received: Traffic,
}

/// Who says how a pipe is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModeSource {
    /// The channel's offer.
    Offer,
    /// A record of one of its packets.
    Record,
    /// Nobody: channels of the class are pipes in message mode as far as it is known.
    Assumed,
}

/// What a channel has become, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateChange<S> {
    /// What.
    pub state: ChannelState,
    /// The message's stamp.
    pub stamp: S,
}

/// What a channel can become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChannelState {
    /// Offered by the host.
    Offered,
    /// Being opened by the guest.
    Opening,
    /// Open.
    Opened,
    /// Not open, because of this NTSTATUS.
    OpenFailed(u32),
    /// Closed by the guest.
    Closed,
    /// Taken back by the host.
    Rescinded,
    /// Let go by the guest.
    Released,
    /// Offered again, after it was rescinded, or once more under the same id.
    Reoffered,
}

/// What went one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets.
    pub packets: u64,
    /// Bytes of their payloads; of a pipe, of the data in them.
    pub bytes: u64,
    /// Messages.
    pub messages: u64,
    /// Ends of the stream.
    pub ends: u64,
    /// Packets that set memory up for direct use, or tore it down.
    pub gpa_direct: u64,
    /// Packets of a type that is not known.
    pub unknown: u64,
    /// Packets with a footer whose place in the ring is known.
    pub footers: u64,
    /// Those of them whose footer names another place.
    pub wrong_footers: u64,
    /// Packets that want a completion.
    pub completions_wanted: u64,
    /// Completions.
    pub completions: u64,
    /// Packets that could not be read, or that are none of a pipe where the channel is one.
    pub unreadable: u64,
}

impl Traffic {
    /// Counts what a packet says of itself.
    fn count(&mut self, record: &Record<'_>, packet: &Packet<'_>) {
        let descriptor = &packet.descriptor;
        self.packets += 1;
        self.unknown += u64::from(descriptor.kind.name().is_none());
        self.completions += u64::from(descriptor.kind == PacketType::COMPLETION);
        self.completions_wanted += u64::from(descriptor.wants_completion());
        if let Some(footer) = packet.footer.filter(|_| record.ring_offset != Record::NO_OFFSET) {
            self.footers += 1;
            self.wrong_footers += u64::from(footer.check(record.ring_offset).is_err());
        }
    }
}

impl ModeSource {
    /// A short name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::Record => "record",
            Self::Assumed => "assumed",
        }
    }
}

impl ChannelState {
    /// A short name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Opening => "opening",
            Self::Opened => "opened",
            Self::OpenFailed(_) => "open-failed",
            Self::Closed => "closed",
            Self::Rescinded => "rescinded",
            Self::Released => "released",
            Self::Reoffered => "reoffered",
        }
    }
}

impl<S> ChannelRecord<S> {
    /// What went one way.
    #[must_use]
    pub fn traffic(&self, direction: Direction) -> &Traffic {
        match direction {
            Direction::GuestToHost => &self.sent,
            Direction::HostToGuest => &self.received,
        }
    }

    /// The last state that was seen.
    #[must_use]
    pub fn state(&self) -> Option<ChannelState> {
        self.states.last().map(|change| change.state)
    }
}

/// A channel that may go on.
#[derive(Clone, Debug)]
pub(super) struct Channel<S> {
    pub(super) record: ChannelRecord<S>,
    /// What is read of both directions, once there is something to read.
    readers: Option<[Reader<(S, u64)>; 2]>,
    pending: Pending<S>,
    /// True once the device is rescinded or the id released, until it is offered again. The states have an end.
    is_gone: bool,
}

impl<S: Copy> Channel<S> {
    pub(super) fn new(channel_id: u32, [class_id, instance_id]: [Guid; 2]) -> Self {
        let record = ChannelRecord {
            channel_id,
            class: ChannelClass::of(class_id, instance_id),
            class_id,
            instance_id,
            subchannel_index: 0,
            flags: None,
            pipe_mode: None,
            mode_source: None,
            states: Vec::new(),
            gpadls: Vec::new(),
            sent: Traffic::default(),
            received: Traffic::default(),
        };
        Self { record, readers: None, pending: Pending::default(), is_gone: false }
    }

    pub(super) fn held(&self) -> usize {
        self.readers.iter().flatten().map(Reader::held).sum::<usize>() + self.pending.held()
    }

    pub(super) fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// True where it is the channel that is offered; one of which nothing but the id is known may be.
    pub(super) fn is_of(&self, offer: &OfferChannel) -> bool {
        let record = &self.record;
        let is_known = record.flags.is_some() || record.class_id != Guid::NIL;
        let guids = (record.class_id, record.instance_id) == (offer.class_id, offer.instance_id);
        let index = record.flags.is_none() || record.subchannel_index == offer.subchannel_index;
        if is_known { guids && index } else { record.channel_id == offer.channel_id }
    }

    /// True where a record may be of this channel: neither says another class or instance.
    pub(super) fn may_be(&self, record: &Record<'_>) -> bool {
        let agree = |known: Guid, said: Guid| known == said || known == Guid::NIL || said == Guid::NIL;
        agree(self.record.class_id, record.class_id) && agree(self.record.instance_id, record.instance_id)
    }

    pub(super) fn offered(&mut self, offer: &OfferChannel) {
        self.learn([offer.class_id, offer.instance_id]);
        self.record.subchannel_index = offer.subchannel_index;
        self.record.flags = Some(offer.flags);
        self.is_gone = false;
        if let Some(mode) = offer.pipe_mode() {
            self.record.pipe_mode = Some(mode);
            self.record.mode_source = Some(ModeSource::Offer);
        }
    }

    pub(super) fn change(
        &mut self,
        state: ChannelState,
        stamp: S,
        shared: &mut Shared,
        handler: &mut impl Handler<S>,
    ) {
        if matches!(state, ChannelState::Rescinded | ChannelState::Released) {
            self.is_gone = true;
        }
        // Whatever was said is said, and nobody answers what was asked. An offer ends nothing that came before it was seen.
        if state != ChannelState::Offered {
            self.end(shared, handler);
        }
        if self.record.states.len() == MAX_STATES {
            shared.left_out.states += 1;
        } else {
            self.record.states.push(StateChange { state, stamp });
        }
    }

    pub(super) fn packet(
        &mut self,
        record: &Record<'_>,
        packet: &Packet<'_>,
        stamp: S,
        shared: &mut Shared,
        handler: &mut impl Handler<S>,
    ) {
        let direction = record.direction;
        self.learn([record.class_id, record.instance_id]);
        self.learn_mode(record);
        self.traffic(direction).count(record, packet);
        let mode = self.record.pipe_mode.filter(|_| is_of_pipe(&packet.descriptor));
        let Some(mode) = mode else {
            self.traffic(direction).bytes += packet.payload.len() as u64;
            return;
        };
        self.flush(direction.other(), shared, handler);
        let keep = shared.keep.max(MAX_READ);
        let reader = || Reader::new(mode).keeping(keep);
        let readers = self.readers.get_or_insert_with(|| [reader(), reader()]);
        let mut framed = Vec::new();
        let stamp = (stamp, packet.descriptor.transaction_id);
        readers[direction as usize].push(packet.payload, stamp, &mut |item| framed.push(Item::of(item)));
        for item in framed {
            self.item(item, direction, shared, handler);
        }
    }

    /// Hands out what waits, then the channel.
    pub(super) fn finish(mut self, shared: &mut Shared, handler: &mut impl Handler<S>) {
        self.end(shared, handler);
        handler.channel(&self.record);
    }

    fn end(&mut self, shared: &mut Shared, handler: &mut impl Handler<S>) {
        for direction in Direction::BOTH {
            self.flush(direction, shared, handler);
        }
        self.readers = None;
        self.pending.finish(self.of(), shared, handler);
    }

    fn flush(&mut self, direction: Direction, shared: &mut Shared, handler: &mut impl Handler<S>) {
        let Some(readers) = &mut self.readers else { return };
        let mut said = None;
        readers[direction as usize].flush(&mut |item| said = Some(Item::of(item)));
        if let Some(item) = said {
            self.item(item, direction, shared, handler);
        }
    }

    fn item(
        &mut self,
        item: Item<S>,
        direction: Direction,
        shared: &mut Shared,
        handler: &mut impl Handler<S>,
    ) {
        let of = self.of();
        let traffic = self.traffic(direction);
        match item {
            Item::Message(message) => {
                traffic.messages += 1;
                traffic.bytes += message.length;
                let message = PipeMessage::of(Protocol::of(of.class), direction, message, shared.keep);
                self.pending.take(of, message, shared, handler);
            }
            Item::End => traffic.ends += 1,
            Item::GpaDirect => traffic.gpa_direct += 1,
            Item::Skipped(stamp, length, error) => {
                traffic.unreadable += 1;
                let channel_id = Some(of.channel_id);
                handler.error(&ErrorEvent { channel_id, direction, stamp, length, error });
            }
        }
    }

    fn learn(&mut self, [class_id, instance_id]: [Guid; 2]) {
        let record = &mut self.record;
        if record.class_id == Guid::NIL {
            record.class_id = class_id;
        }
        if record.instance_id == Guid::NIL {
            record.instance_id = instance_id;
        }
        record.class = ChannelClass::of(record.class_id, record.instance_id);
    }

    fn learn_mode(&mut self, record: &Record<'_>) {
        if self.record.pipe_mode.is_some() {
            return;
        }
        let is_assumed = Protocol::of(self.record.class) != Protocol::Other;
        (self.record.pipe_mode, self.record.mode_source) = match record.pipe_mode() {
            Some(mode) => (Some(mode), Some(ModeSource::Record)),
            None if is_assumed => (Some(PipeMode::Message), Some(ModeSource::Assumed)),
            None => (None, None),
        };
    }

    pub(super) fn traffic(&mut self, direction: Direction) -> &mut Traffic {
        match direction {
            Direction::GuestToHost => &mut self.record.sent,
            Direction::HostToGuest => &mut self.record.received,
        }
    }

    fn of(&self) -> Of {
        let ChannelRecord { channel_id, class, instance_id, .. } = self.record;
        Of { channel_id, class, instance_id }
    }
}

/// Bytes of a message that are kept to be read: a pair of KVP takes 2600, the licence that a hint is taken from shows by its
/// first 512.
const MAX_READ: usize = 4096;

/// What a reader handed out, without what it borrows.
enum Item<S> {
    Message(Message<(S, u64)>),
    End,
    GpaDirect,
    Skipped(S, usize, Error),
}

impl<S> Item<S> {
    fn of(framed: Framed<'_, (S, u64)>) -> Self {
        match framed {
            Framed::Message(message) => Self::Message(message),
            Framed::End { .. } => Self::End,
            Framed::GpaDirect { .. } => Self::GpaDirect,
            Framed::Skipped { stamp, bytes, error } => Self::Skipped(stamp.0, bytes.len(), error),
        }
    }
}
