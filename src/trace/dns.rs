use std::net::IpAddr;
use std::sync::Arc;

use crate::capture::{
    Chunk, Datagram, Direction, End, Endpoint, FlowInfo, Flows, Gap, Handler, Opened, Segment, Stamp, Steps,
};
use crate::discovery::{
    self, Arrival, Framed, LLMNR_PORT, Lookups, MDNS_PORT, Message, Name, PORT, Peer, Resolver, Searches,
    TcpFramer, Transport,
};
use crate::mak;

use super::reading::Remark;
use super::{Notice, NoticeKind, Summary};

/// A question of DNS and its answer.
pub type Lookup = discovery::Lookup<Endpoint, Stamp>;

/// How a client looked for a KMS host: the domains that it asked one after the other.
pub type Search = discovery::Search<IpAddr, Stamp>;

/// How a client came to the address of a connection: what DNS had told it.
pub type Found = discovery::Found<Stamp>;

impl Peer for Endpoint {
    type Host = IpAddr;

    fn host(self) -> IpAddr {
        self.address
    }

    fn is_group(self) -> bool {
        self.address.is_multicast()
    }
}

/// DNS, over UDP and TCP. It is followed where packets are read: what a client was told there has to be known when its
/// next connection begins, whichever thread that is on.
pub(super) struct Dns {
    streams: Flows<Questions>,
}

/// What is asked and answered, wherever it comes from.
#[derive(Default)]
struct Questions {
    lookups: Lookups<Endpoint, Stamp>,
    resolver: Resolver<IpAddr, Stamp>,
    searches: Searches<IpAddr, Stamp>,
    told: Vec<Remark>,
    /// Lookups that have nothing to do with activation.
    others: u64,
    messages: u64,
    unreadable: u64,
    connections: u64,
    /// Bytes of all connections that wait for more.
    held: usize,
    /// Messages that were given up to bound memory.
    given_up: u64,
}

/// Bytes of all connections of DNS together that wait for more.
const MAX_HELD: usize = 4 << 20;

impl Dns {
    pub(super) fn new() -> Self {
        Self { streams: Flows::new(Questions::default()) }
    }

    /// True for a datagram or a connection of DNS, by its ports.
    #[inline]
    pub(super) fn is_between(one: u16, other: u16) -> bool {
        is_port(one) || is_port(other)
    }

    /// True where the slot has a connection of DNS.
    pub(super) fn has(&self, slot: usize) -> bool {
        self.streams.has(slot)
    }

    /// How the client of a connection came to its server's address.
    pub(super) fn found(&self, opened: &Opened) -> Option<Arc<Found>> {
        let Opened { client, server, .. } = *opened;
        let found = self.streams.handler.resolver.found(client.address, server.address, server.port);
        found.map(Arc::new)
    }

    pub(super) fn datagram(&mut self, datagram: &Datagram<'_>, stamp: Stamp) {
        let &Datagram { source, destination, payload, payload_length } = datagram;
        let transport = match (source.port, destination.port) {
            (MDNS_PORT, _) | (_, MDNS_PORT) => Transport::Mdns,
            (LLMNR_PORT, _) | (_, LLMNR_PORT) => Transport::Llmnr,
            _ => Transport::Udp,
        };
        let cut = payload_length as usize - payload.len().min(payload_length as usize);
        self.streams.handler.message((source, destination), transport, payload, cut, stamp);
    }

    /// True where something has come up since it was last asked.
    #[inline]
    pub(super) fn has_told(&self) -> bool {
        !self.streams.handler.told.is_empty()
    }

    /// What has come up since it was last asked.
    pub(super) fn take(&mut self) -> Vec<Remark> {
        std::mem::take(&mut self.streams.handler.told)
    }

    /// Ends everything that is open, and adds what was counted.
    pub(super) fn finish(&mut self, numbers: &mut Summary) -> Vec<Remark> {
        let questions = &mut self.streams.handler;
        let counts = questions.lookups.counts();
        let mut ended = Vec::new();
        questions.lookups.finish(&mut |lookup| ended.push(lookup));
        ended.into_iter().for_each(|lookup| questions.ended(lookup));
        let Questions { searches, told, .. } = &mut *questions;
        searches.finish(&mut |search| told.push(Remark::Search(Box::new(search))));
        for (count, kind, what) in [
            (questions.unreadable, NoticeKind::MalformedDns, "messages are shorter than their header"),
            (questions.given_up, NoticeKind::BoundReached, "messages over TCP were given up to bound memory"),
            (
                counts.given_up,
                NoticeKind::BoundReached,
                "questions were given up, with too many others behind them",
            ),
            (
                counts.questions_left_out,
                NoticeKind::BoundReached,
                "questions are one of too many in their message",
            ),
        ] {
            if count > 0 {
                questions.told.push(Remark::Notice(Notice::new(kind, format!("DNS: {count} {what}"))));
            }
        }
        numbers.dns_messages += questions.messages;
        numbers.dns_connections += questions.connections;
        numbers.other_lookups += questions.others;
        self.take()
    }
}

/// As the connections of DNS they are: their segments come here, those of all others go elsewhere.
impl Steps for Dns {
    fn open(&mut self, slot: usize, opened: &Opened) {
        self.streams.open(slot, opened);
    }

    fn segment(&mut self, slot: usize, direction: Direction, segment: &Segment<'_>, stamp: Stamp) -> bool {
        self.streams.segment(slot, direction, segment, stamp)
    }

    fn close(&mut self, slot: usize, end: Option<End>) {
        self.streams.close(slot, end);
    }
}

#[inline]
fn is_port(port: u16) -> bool {
    matches!(port, PORT | MDNS_PORT | LLMNR_PORT)
}

impl Questions {
    fn message(
        &mut self,
        (source, destination): (Endpoint, Endpoint),
        transport: Transport,
        bytes: &[u8],
        cut: usize,
        stamp: Stamp,
    ) {
        let Ok(message) = Message::parse(bytes) else {
            self.unreadable += 1;
            return;
        };
        self.messages += 1;
        if let Some(error) = message.error.as_ref().filter(|_| cut == 0)
            && message.questions.iter().any(|question| self.is_of_interest(source, &question.name))
        {
            self.told.push(Remark::Notice(Notice {
                frame: Some(stamp.frame),
                needed: error.needed(),
                got: error.got(),
                ..Notice::new(NoticeKind::MalformedDns, error.to_string())
            }));
        }
        let mut ended = Vec::new();
        let arrival = Arrival { source, destination, transport, stamp, time: stamp.time };
        self.lookups.message(arrival, message, &mut |lookup| ended.push(lookup));
        ended.into_iter().for_each(|lookup| self.ended(lookup));
        let Self { searches, told, .. } = self;
        if let Some(now) = stamp.time {
            searches.expire(now, &mut |search| told.push(Remark::Search(Box::new(search))));
        }
    }

    /// True for a name that is asked for in order to activate: by KMS, or with a MAK.
    fn is_of_interest(&self, client: Endpoint, name: &Name) -> bool {
        self.resolver.is_of_interest(client.address, name) || mak::is_service_host(name.as_str())
    }

    /// A lookup has ended: it is remembered, and told where it has to do with activation.
    fn ended(&mut self, lookup: Lookup) {
        self.resolver.note(&lookup);
        let Self { searches, told, .. } = self;
        searches.take(&lookup, &mut |search| told.push(Remark::Search(Box::new(search))));
        // An update asks for a zone, and is about the names in it; what is announced has a name for each record.
        let updated = lookup.queries.iter().flat_map(|queries| &queries.updates);
        let announced = lookup.answers().iter().filter(|_| lookup.question.is_none());
        let names = lookup.name().into_iter().chain(updated.chain(announced).map(|record| &record.name));
        if { names }.any(|name| self.is_of_interest(lookup.client, name)) {
            self.told.push(Remark::Lookup(Box::new(lookup)));
        } else {
            self.others += 1;
        }
    }
}

fn held(framers: &Framers) -> usize {
    framers.iter().map(TcpFramer::held).sum()
}

/// The two directions of a connection of DNS.
type Framers = [TcpFramer<Stamp>; 2];

impl Handler for Questions {
    type State = Framers;

    fn open(&mut self, flow: &FlowInfo) -> Framers {
        self.connections += 1;
        let is_whole = flow.syn.is_some() || flow.syn_ack.is_some();
        let framer = || if is_whole { TcpFramer::default() } else { TcpFramer::mid_stream() };
        [framer(), framer()]
    }

    fn data(&mut self, flow: &FlowInfo, framers: &mut Framers, direction: Direction, chunk: Chunk<'_>) {
        self.held -= held(framers);
        let framer = &mut framers[direction as usize];
        framer.push(chunk.offset, chunk.bytes, chunk.stamp, &mut |framed| {
            self.framed(flow, direction, &framed);
        });
        if self.held + held(framers) > MAX_HELD {
            // The one that takes more than there is lets go of all that it holds.
            *framers = [TcpFramer::mid_stream(), TcpFramer::mid_stream()];
            self.given_up += 1;
        }
        self.held += held(framers);
    }

    fn gap(&mut self, flow: &FlowInfo, framers: &mut Framers, direction: Direction, gap: Gap) {
        self.held -= held(framers);
        framers[direction as usize].gap(gap.to, &mut |framed| self.framed(flow, direction, &framed));
        self.held += held(framers);
    }

    fn close(&mut self, flow: &FlowInfo, mut framers: Framers, _: End) {
        self.held -= held(&framers);
        for (framer, direction) in framers.iter_mut().zip([Direction::ToServer, Direction::ToClient]) {
            framer.finish(&mut |framed| self.framed(flow, direction, &framed));
        }
    }
}

impl Questions {
    fn framed(&mut self, flow: &FlowInfo, direction: Direction, framed: &Framed<'_, Stamp>) {
        let Framed::Message { last, bytes, .. } = framed else { return };
        let sides = match direction {
            Direction::ToServer => (flow.client, flow.server),
            Direction::ToClient => (flow.server, flow.client),
        };
        let is_llmnr = flow.server.port == LLMNR_PORT || flow.client.port == LLMNR_PORT;
        let transport = if is_llmnr { Transport::Llmnr } else { Transport::Tcp };
        self.message(sides, transport, bytes, 0, *last);
    }
}
