use std::collections::HashMap;
use std::ops::Range;

use crate::capture::{
    Chunk, Direction, End, Endpoint, FlowInfo, Gap, Handler, LayerOptions, Layers, LinkType, Packet, Packets,
    Segment, Stamp, Streams, TcpFlags, Transport,
};
use crate::directory::looks_like_ldap;
use crate::rpc::{Framed, Framer};
use crate::tls::looks_like_client_hello;
use crate::{discovery, redact};

/// A connection as far as a seed has room for it.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its number in its capture.
    pub stream: u64,
    /// Who began it.
    pub client: Endpoint,
    /// The other side.
    pub server: Endpoint,
    /// True where its beginning was captured.
    pub is_whole: bool,
    /// The bytes of the client and of the server, up to the second gap; zeros stand for what the first one has taken.
    pub said: [Vec<u8>; 2],
    /// Where the first gap of each begins, and how many zeros stand for it.
    pub gaps: [Option<(u16, u16)>; 2],
    /// Who says what before it is the other's turn.
    pub turns: Vec<Turn>,
    /// The first packets.
    pub packets: Vec<KeptPacket>,
    /// What TCP says of them.
    pub segments: Vec<KeptSegment>,
    /// True where product keys were masked in what was said: the packets still have them.
    pub is_masked: bool,
}

/// What a side says before it is the other's turn, or behind a gap.
#[derive(Clone, Debug)]
pub struct Turn {
    /// Who speaks.
    pub direction: Direction,
    /// True where bytes are missing in front of it.
    pub is_behind_gap: bool,
    /// Where its bytes are in what this side said.
    pub range: Range<usize>,
}

/// A packet.
#[derive(Clone, Debug)]
pub struct KeptPacket {
    link: LinkType,
    time: Option<i64>,
    data: Vec<u8>,
    /// Bytes of it that are not payload of TCP or UDP.
    pub(super) head: usize,
}

/// What TCP says of a packet.
#[derive(Clone, Copy, Debug)]
pub struct KeptSegment {
    /// The way it goes.
    pub direction: Direction,
    /// Its control bits.
    pub flags: TcpFlags,
    /// Its sequence number.
    pub sequence: u32,
    /// Bytes of its payload.
    pub length: u32,
}

/// What a connection speaks, by its first bytes and its port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// DCE/RPC.
    Rpc,
    /// HTTP.
    Http,
    /// TLS.
    Tls,
    /// LDAP.
    Ldap,
    /// DNS.
    Dns,
    /// Anything else.
    Other,
}

impl Spoken {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rpc => "rpc",
            Self::Http => "http",
            Self::Tls => "tls",
            Self::Ldap => "ldap",
            Self::Dns => "dns",
            Self::Other => "other",
        }
    }
}

impl KeptPacket {
    fn of(packet: &Packet<'_>, payload: usize) -> Self {
        let data = packet.data.to_vec();
        Self { link: packet.link, time: packet.time, head: data.len().saturating_sub(payload), data }
    }

    /// One without a network's layers.
    pub(super) fn whole(packet: &Packet<'_>) -> Self {
        Self::of(packet, packet.data.len())
    }

    /// As it was captured, the `at`th of its seed.
    #[must_use]
    pub fn packet(&self, at: usize) -> Packet<'_> {
        let original_length = u32::try_from(self.data.len()).unwrap_or(u32::MAX);
        let Self { link, time, data, .. } = self;
        Packet { frame: at as u64 + 1, time: *time, interface: 0, link: *link, data, original_length }
    }
}

impl Connection {
    /// What is said in a turn.
    #[must_use]
    pub fn bytes(&self, turn: &Turn) -> &[u8] {
        &self.said[turn.direction as usize][turn.range.clone()]
    }

    /// The whole PDUs of DCE/RPC that a side says.
    #[must_use]
    pub fn pdus(&self, direction: Direction) -> Vec<Vec<u8>> {
        let mut pdus = Vec::new();
        let mut framer = Framer::default();
        let mut out = |framed: Framed<'_, ()>| {
            if let Framed::Pdu { bytes, .. } = framed {
                pdus.push(bytes.to_vec());
            }
        };
        framer.push(0, &self.said[direction as usize], (), &mut out);
        framer.finish(&mut out);
        pdus
    }

    /// What it speaks; on one of these ports, DCE/RPC.
    #[must_use]
    pub fn spoken(&self, ports: &[u16]) -> Spoken {
        const LDAP: [u16; 2] = [389, 3268];
        const METHODS: [&[u8]; 8] =
            [b"GET ", b"POST ", b"HEAD ", b"CONNECT ", b"PUT ", b"OPTIONS ", b"HTTP/1.", b"PRI "];
        let [client, server] = &self.said;
        let begins = |is: &dyn Fn(&[u8]) -> bool| is(client) || (client.is_empty() && is(server));
        if ports.contains(&self.server.port) || begins(&|bytes| bytes.starts_with(&[5, 0])) {
            Spoken::Rpc
        } else if self.server.port == discovery::PORT {
            Spoken::Dns
        } else if begins(&|bytes| METHODS.iter().any(|method| bytes.starts_with(method))) {
            Spoken::Http
        } else if looks_like_client_hello(client) == Some(true) {
            Spoken::Tls
        } else if LDAP.contains(&self.server.port) || begins(&|bytes| looks_like_ldap(bytes) == Some(true)) {
            Spoken::Ldap
        } else {
            Spoken::Other
        }
    }
}

/// The connections of a capture, as far as seeds have room for them; damage is passed over.
#[must_use]
pub fn connections(packets: &mut impl Packets, ports: &[u16]) -> Vec<Connection> {
    let mut gather = Gather::new(ports, false);
    loop {
        match packets.next_packet() {
            Ok(Some(packet)) => drop(gather.packet(&packet)),
            Ok(None) => break,
            Err(error) if error.ends_the_file() => break,
            Err(_) => {}
        }
    }
    let mut found = gather.finish().0;
    found.sort_by_key(|connection| connection.stream);
    found
}

/// A message of DNS over UDP.
#[derive(Clone, Debug)]
pub struct Message {
    pub(super) source: Endpoint,
    pub(super) destination: Endpoint,
    pub(super) packet: KeptPacket,
}

impl Message {
    pub(super) fn payload(&self) -> &[u8] {
        &self.packet.data[self.packet.head..]
    }
}

/// Follows the connections of a capture, and keeps their bytes.
pub(super) struct Gather {
    layers: Layers,
    streams: Streams<Kept>,
}

impl Gather {
    pub(super) fn new(ports: &[u16], checksums: bool) -> Self {
        Self {
            layers: Layers::new(LayerOptions { checksums }),
            streams: Streams::new(Kept::default(), ports),
        }
    }

    /// Takes a packet, and hands back a message of DNS that it is.
    pub(super) fn packet(&mut self, packet: &Packet<'_>) -> Option<Message> {
        const DNS: [u16; 3] = [discovery::PORT, discovery::MDNS_PORT, discovery::LLMNR_PORT];
        let Self { layers, streams } = self;
        match layers.transport(packet) {
            Ok(Transport::Tcp(segment)) => {
                streams.push(&segment, Stamp { frame: packet.frame, time: packet.time });
                streams.handler().segment(packet, &segment);
                None
            }
            Ok(Transport::Udp(datagram)) => {
                let (source, destination) = (datagram.source, datagram.destination);
                let is_dns = DNS.contains(&source.port) || DNS.contains(&destination.port);
                // One that came in fragments is in none of the packets.
                let is_here = packet.data.ends_with(datagram.payload);
                (is_dns && is_here).then(|| {
                    let packet = KeptPacket::of(packet, datagram.payload.len());
                    Message { source, destination, packet }
                })
            }
            Err(_) => None,
        }
    }

    /// The connections that have ended since they were last asked for.
    pub(super) fn take(&mut self) -> Vec<Connection> {
        std::mem::take(&mut self.streams.handler().closed)
    }

    /// All that are left, and the connections of which something was left out to keep within the bound.
    pub(super) fn finish(self) -> (Vec<Connection>, u64) {
        let kept = self.streams.finish();
        (kept.closed, kept.left_out)
    }
}

/// What is kept of the connections of a capture.
#[derive(Default)]
pub(super) struct Kept {
    /// Numbers of the open ones by their sides.
    open: HashMap<[Endpoint; 2], u64>,
    /// Their packets.
    packets: HashMap<u64, (Vec<KeptPacket>, Vec<KeptSegment>)>,
    closed: Vec<Connection>,
    /// Bytes of the open ones.
    held: usize,
    left_out: u64,
}

/// A connection that is open.
pub(super) struct Open {
    said: [Vec<u8>; 2],
    gaps: [Option<(u16, u16)>; 2],
    has_ended: [bool; 2],
    turns: Vec<Turn>,
}

impl Kept {
    fn segment(&mut self, packet: &Packet<'_>, segment: &Segment<'_>) {
        let Segment { source, destination, .. } = *segment;
        let own = self.open.get(&[source, destination]).map(|stream| (Direction::ToServer, stream));
        let other = || self.open.get(&[destination, source]).map(|stream| (Direction::ToClient, stream));
        let Some((direction, stream)) = own.or_else(other) else { return };
        let Some((packets, segments)) = self.packets.get_mut(stream) else { return };
        if segments.len() < MOST_PACKETS {
            let Segment { flags, sequence, payload_length, .. } = *segment;
            segments.push(KeptSegment { direction, flags, sequence, length: payload_length });
        }
        let bytes: usize = packets.iter().map(|kept| kept.data.len()).sum();
        // Packets are kept up to the first for which there is no room.
        if packets.len() + 1 == segments.len()
            && bytes + packet.data.len() <= MOST_BYTES
            && self.held + packet.data.len() <= MOST_HELD
        {
            self.held += packet.data.len();
            packets.push(KeptPacket::of(packet, segment.payload.len()));
        }
    }
}

impl Handler for Kept {
    type State = Open;

    fn open(&mut self, flow: &FlowInfo) -> Open {
        self.open.insert([flow.client, flow.server], flow.stream);
        self.packets.insert(flow.stream, Default::default());
        Open { said: Default::default(), gaps: [None; 2], has_ended: [false; 2], turns: Vec::new() }
    }

    fn data(&mut self, _: &FlowInfo, state: &mut Open, direction: Direction, chunk: Chunk<'_>) {
        let side = direction as usize;
        let said = &mut state.said[side];
        let room = (MOST_BYTES - said.len()).min(MOST_HELD - self.held.min(MOST_HELD));
        let bytes = &chunk.bytes[..chunk.bytes.len().min(room)];
        if state.has_ended[side] || bytes.is_empty() {
            return;
        }
        state.has_ended[side] = bytes.len() < chunk.bytes.len();
        let begin = said.len();
        said.extend_from_slice(bytes);
        self.held += bytes.len();
        let is_behind_gap =
            state.gaps[side].is_some_and(|(from, length)| usize::from(from + length) == begin);
        let has_room = state.turns.len() < MOST_TURNS;
        match state.turns.last_mut() {
            Some(turn) if turn.direction == direction && turn.range.end == begin => {
                turn.range.end = said.len()
            }
            _ if !has_room => {}
            _ => state.turns.push(Turn { direction, is_behind_gap, range: begin..said.len() }),
        }
    }

    fn gap(&mut self, _: &FlowInfo, state: &mut Open, direction: Direction, gap: Gap) {
        /// Zeros that stand for a gap at most.
        const ZEROS: u16 = 200;
        let side = direction as usize;
        let at = u16::try_from(state.said[side].len()).unwrap_or(u16::MAX);
        let length = u16::try_from(gap.to - gap.from).unwrap_or(ZEROS).min(ZEROS);
        if state.gaps[side].is_some() || usize::from(at + length) > MOST_BYTES {
            state.has_ended[side] = true;
        } else {
            state.gaps[side] = Some((at, length));
            state.said[side].resize(usize::from(at + length), 0);
            self.held += usize::from(length);
        }
    }

    fn close(&mut self, flow: &FlowInfo, state: Open, _: End) {
        let ends = [flow.client, flow.server];
        if self.open.get(&ends) == Some(&flow.stream) {
            self.open.remove(&ends);
        }
        let (packets, segments) = self.packets.remove(&flow.stream).unwrap_or_default();
        let Open { mut said, gaps, has_ended, turns } = state;
        let bytes = said.iter().map(Vec::len).chain(packets.iter().map(|packet| packet.data.len()));
        self.held = self.held.saturating_sub(bytes.sum());
        self.left_out += u64::from(has_ended != [false; 2]);
        // Each side as a whole: a key may come in two packets.
        let masked = said.each_mut().map(|said| redact::bytes(said));
        self.closed.push(Connection {
            stream: flow.stream,
            client: flow.client,
            server: flow.server,
            is_whole: flow.syn.is_some() || flow.syn_ack.is_some(),
            said,
            gaps,
            turns,
            packets,
            segments,
            is_masked: masked != [false; 2],
        });
    }
}

/// Bytes of one side of a connection that are kept, and of its packets.
const MOST_BYTES: usize = 24 << 10;
/// Packets of a connection that are kept.
const MOST_PACKETS: usize = 200;
/// Turns of a connection that are kept.
const MOST_TURNS: usize = 100;
/// Bytes of all open connections together.
const MOST_HELD: usize = 64 << 20;
