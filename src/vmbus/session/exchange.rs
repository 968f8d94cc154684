use std::collections::VecDeque;

use crate::vmbus::{ChannelClass, Direction, Payload, ic, pipe, synthrdp};
use crate::wire::{Error, Guid};

use super::{Handler, MAX_PENDING, MAX_WAITING, Shared};

/// A request and its response in a channel's pipe, or one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange<S> {
    /// The channel's id.
    pub channel_id: u32,
    /// What the channel is for.
    pub class: ChannelClass,
    /// The GUID of the channel's instance.
    pub instance_id: Guid,
    /// What is spoken in it.
    pub protocol: Protocol,
    /// The request: in the AVMA channel what the guest says, elsewhere what comes first.
    pub request: Option<PipeMessage<S>>,
    /// The response.
    pub response: Option<PipeMessage<S>>,
    /// By what they belong together.
    pub pairing: Pairing,
}

/// What is spoken in a channel's pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Automatic virtual machine activation, which is not public.
    Avma,
    /// Remote desktop control.
    SynthRdp,
    /// Key-value pairs.
    Kvp,
    /// Anything else.
    Other,
}

/// By what a request and a response belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pairing {
    /// The response has the request's transaction id, which is not 0.
    Transaction,
    /// The response is the next one behind the request.
    Order,
    /// There is only one of them.
    None,
}

/// A message of a channel's pipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipeMessage<S> {
    /// Which way it went.
    pub direction: Direction,
    /// Stamp of its first packet.
    pub first: S,
    /// Stamp of its last packet.
    pub last: S,
    /// The transaction id of its first packet.
    pub transaction_id: u64,
    /// How many packets it came in.
    pub packets: u64,
    /// How many bytes it has.
    pub length: u64,
    /// What it says.
    pub content: Content,
    /// What was wrong with it first: with its packets, or with what it says.
    pub error: Option<Error>,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing that is known.
    Opaque(Payload),
    /// Remote desktop control.
    SynthRdp(synthrdp::Message),
    /// An integration component's message, of key-value pairs or of versions.
    Kvp(Box<ic::Message>),
}

impl Protocol {
    /// What is spoken in channels of a class.
    #[must_use]
    pub fn of(class: ChannelClass) -> Self {
        match class {
            ChannelClass::Avma => Self::Avma,
            ChannelClass::SynthRdpControl => Self::SynthRdp,
            ChannelClass::Kvp => Self::Kvp,
            _ => Self::Other,
        }
    }

    /// A short name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Avma => "avma",
            Self::SynthRdp => "synthrdp",
            Self::Kvp => "kvp",
            Self::Other => "other",
        }
    }
}

impl Pairing {
    /// A short name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Transaction => "transaction",
            Self::Order => "order",
            Self::None => "none",
        }
    }
}

impl<S: Copy> PipeMessage<S> {
    pub(super) fn of(
        protocol: Protocol,
        direction: Direction,
        message: pipe::Message<(S, u64)>,
        keep: usize,
    ) -> Self {
        let is_whole = message.length == message.bytes.len() as u64;
        let read = match protocol {
            Protocol::SynthRdp if is_whole => {
                synthrdp::Message::parse(&message.bytes).map(|message| (Content::SynthRdp(message), None))
            }
            Protocol::Kvp if is_whole => ic::Message::parse_lax(&message.bytes)
                .map(|(message, error)| (Content::Kvp(Box::new(message)), error)),
            _ => Ok((Content::Opaque(Payload::of_message(&message, keep)), None)),
        };
        let (content, error) =
            read.unwrap_or_else(|error| (Content::Opaque(Payload::of_message(&message, keep)), Some(error)));
        Self {
            direction,
            first: message.first.0,
            last: message.last.0,
            transaction_id: message.first.1,
            packets: message.packets,
            length: message.length,
            content,
            error: message.error.or(error),
        }
    }

    /// True where it can only be a request, false where it can only be a response.
    fn is_request(&self, protocol: Protocol) -> Option<bool> {
        match (&self.content, protocol) {
            (_, Protocol::Avma) => Some(self.direction == Direction::GuestToHost),
            (Content::Kvp(message), _) => message.header.is_request(),
            (Content::SynthRdp(message), _) => match message.header.kind {
                synthrdp::MessageType::REQUEST => Some(true),
                synthrdp::MessageType::RESPONSE => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// Bytes that its content holds.
    fn held(&self) -> usize {
        match &self.content {
            Content::Opaque(payload) => payload.first.len(),
            Content::SynthRdp(message) => message.excess.len(),
            Content::Kvp(_) => usize::try_from(self.length).unwrap_or(usize::MAX),
        }
    }
}

/// The requests of a channel that wait for their response, the oldest first.
#[derive(Clone, Debug)]
pub(super) struct Pending<S>(VecDeque<PipeMessage<S>>);

impl<S> Default for Pending<S> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

/// Whose messages are paired.
#[derive(Clone, Copy, Debug)]
pub(super) struct Of {
    pub(super) channel_id: u32,
    pub(super) class: ChannelClass,
    pub(super) instance_id: Guid,
}

impl<S: Copy> Pending<S> {
    pub(super) fn held(&self) -> usize {
        self.0.iter().map(PipeMessage::held).sum()
    }

    /// Takes the next message, and hands out the exchange that it ends.
    pub(super) fn take(
        &mut self,
        of: Of,
        message: PipeMessage<S>,
        shared: &mut Shared,
        handler: &mut impl Handler<S>,
    ) {
        let protocol = Protocol::of(of.class);
        let answers = |request: &PipeMessage<S>| request.direction != message.direction;
        let is_request = message.is_request(protocol).unwrap_or_else(|| !self.0.iter().any(answers));
        if is_request {
            self.0.push_back(message);
            shared.waiting += 1;
            if self.0.len() > MAX_PENDING || shared.waiting > MAX_WAITING {
                shared.left_out.waits += 1;
                self.hand_out_first(of, shared, handler);
            }
            return;
        }
        let id = message.transaction_id;
        let by_transaction =
            self.0.iter().position(|request| answers(request) && id != 0 && request.transaction_id == id);
        let (place, pairing) = match by_transaction {
            Some(place) => (Some(place), Pairing::Transaction),
            None => (self.0.iter().position(answers), Pairing::Order),
        };
        let request = place.and_then(|place| self.0.remove(place));
        shared.waiting -= usize::from(request.is_some());
        let pairing = if request.is_some() { pairing } else { Pairing::None };
        handler.exchange(&of.exchange(request, Some(message), pairing));
    }

    /// Hands out all that wait, without their response.
    pub(super) fn finish(&mut self, of: Of, shared: &mut Shared, handler: &mut impl Handler<S>) {
        while !self.0.is_empty() {
            self.hand_out_first(of, shared, handler);
        }
    }

    fn hand_out_first(&mut self, of: Of, shared: &mut Shared, handler: &mut impl Handler<S>) {
        if let Some(request) = self.0.pop_front() {
            shared.waiting -= 1;
            handler.exchange(&of.exchange(Some(request), None, Pairing::None));
        }
    }
}

impl Of {
    fn exchange<S>(
        self,
        request: Option<PipeMessage<S>>,
        response: Option<PipeMessage<S>>,
        pairing: Pairing,
    ) -> Exchange<S> {
        let Self { channel_id, class, instance_id } = self;
        let protocol = Protocol::of(class);
        Exchange { channel_id, class, instance_id, protocol, request, response, pairing }
    }
}
