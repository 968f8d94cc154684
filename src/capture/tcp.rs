use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use lru::LruCache;

use super::Segment;
use super::reassembly::{self, Reassembly};

/// One side of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Endpoint {
    /// IP address.
    pub address: IpAddr,
    /// TCP port.
    pub port: u16,
}

/// `127.0.0.1:1688`, `[::1]:1688`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.address, self.port).fmt(f)
    }
}

/// The packet that brought something: its number in the file, and its time in nanoseconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// Number of the packet, from 1; of the last one of a datagram that came in fragments.
    pub frame: u64,
    /// When it was captured.
    pub time: Option<i64>,
}

/// The two directions of a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Direction {
    /// From the client.
    ToServer,
    /// From the server.
    ToClient,
}

impl Direction {
    /// `c2s` or `s2c`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ToServer => "c2s",
            Self::ToClient => "s2c",
        }
    }

    /// The other one.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::ToServer => Self::ToClient,
            Self::ToClient => Self::ToServer,
        }
    }
}

/// Bytes of one direction, in order.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// Offset of the first byte in its direction's stream.
    pub offset: u64,
    /// The bytes.
    pub bytes: &'a [u8],
    /// The packet that brought them.
    pub stamp: Stamp,
}

/// Bytes of one direction that are not in the capture.
#[derive(Clone, Copy, Debug)]
pub struct Gap {
    /// Offset of the first of them in its direction's stream.
    pub from: u64,
    /// Offset behind the last of them.
    pub to: u64,
    /// The packet that shows it.
    pub stamp: Stamp,
    /// True where the packet was captured, but not all of it.
    pub by_snap_length: bool,
}

/// What is known of a connection.
#[derive(Clone, Debug)]
pub struct FlowInfo {
    /// Number of the connection in its file, from 0, in the order of their first packets.
    pub stream: u64,
    /// Who sent the SYN; without one, the side with the other port than a server's, or with the higher port.
    pub client: Endpoint,
    /// The other side.
    pub server: Endpoint,
    /// Its first packet.
    pub first: Stamp,
    /// Its last packet.
    pub last: Stamp,
    /// Packets of the connection.
    pub packets: u64,
    /// The packet with the client's SYN.
    pub syn: Option<Stamp>,
    /// The packet with the server's SYN and ACK.
    pub syn_ack: Option<Stamp>,
    /// Who reset it first, and in which packet.
    pub reset: Option<(Direction, Stamp)>,
    /// The packets with the client's and the server's FIN.
    pub fin: [Option<Stamp>; 2],
    /// Payload bytes handed on, of the client and of the server.
    pub bytes: [u64; 2],
}

/// How a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The SYN was answered by a reset.
    Refused,
    /// The SYN was not answered.
    NoAnswer,
    /// A reset, after it was established.
    Reset,
    /// Both sides sent FIN.
    Closed,
    /// One side sent FIN, and the capture shows no more.
    HalfClosed,
    /// The capture ended first.
    Open,
    /// Given up to keep within the bound of connections.
    Evicted,
}

impl End {
    /// The name in lower case with hyphens.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::NoAnswer => "no-answer",
            Self::Reset => "reset",
            Self::Closed => "closed",
            Self::HalfClosed => "half-closed",
            Self::Open => "open",
            Self::Evicted => "evicted",
        }
    }
}

/// What is done with the streams: one [`Handler::State`] a connection.
pub trait Handler {
    /// What the handler keeps of a connection.
    type State;

    /// True where this port is that of a server, by which a connection without its SYN is turned the right way.
    fn is_server_port(&self, port: u16) -> bool;

    /// A connection's first packet was seen.
    fn open(&mut self, flow: &FlowInfo) -> Self::State;

    /// The next bytes of one direction.
    fn data(&mut self, flow: &FlowInfo, state: &mut Self::State, direction: Direction, chunk: Chunk<'_>);

    /// Bytes of one direction will not come.
    fn gap(&mut self, flow: &FlowInfo, state: &mut Self::State, direction: Direction, gap: Gap);

    /// The connection has ended, or is given up.
    fn close(&mut self, flow: &FlowInfo, state: Self::State, end: End);
}

/// Puts the segments of many connections in order.
///
/// Within a direction the sequence numbers say what that is, across the two the acknowledgments: an answer waits for
/// the question that it acknowledges. Where segments overlap, the bytes that came first stay. What is missing becomes a
/// gap when it was acknowledged and 32 more packets of the connection have not brought it, when more than 1 MiB or
/// 4,096 segments of a direction wait for it, or when the connection ends. A connection counts as ended 256 packets of
/// the capture after its second FIN or its reset, so that what was still under way is not lost.
pub struct Streams<H: Handler> {
    handler: H,
    flows: LruCache<(Endpoint, Endpoint), Flow<H::State>>,
    next_stream: u64,
    /// Connections that have ended and linger: the packet that ends it, the key, the stream.
    lingering: VecDeque<(u64, (Endpoint, Endpoint), u64)>,
    /// Bytes of all connections that are held behind holes.
    held_bytes: usize,
    late_bytes: u64,
    evicted: u64,
}

/// Connections that are held at the same time.
const MAX_FLOWS: usize = 65_536;
/// Bytes of all connections together that are held behind holes.
const MAX_HELD_TOTAL: usize = 16 << 20;
/// Packets of the capture that a connection lingers.
const LINGER_PACKETS: u64 = 256;
struct Flow<T> {
    info: FlowInfo,
    /// `None` once the handler was told of the end.
    state: Option<T>,
    reassembly: Reassembly,
    lingers: bool,
}

impl<H: Handler> Streams<H> {
    /// Hands everything to `handler`.
    pub fn new(handler: H) -> Self {
        Self {
            handler,
            flows: LruCache::unbounded(),
            next_stream: 0,
            lingering: VecDeque::new(),
            held_bytes: 0,
            late_bytes: 0,
            evicted: 0,
        }
    }

    /// The handler.
    pub fn handler(&mut self) -> &mut H {
        &mut self.handler
    }

    /// Payload bytes that came after their connection's end.
    #[must_use]
    pub fn late_bytes(&self) -> u64 {
        self.late_bytes
    }

    /// Connections that were given up to keep within the bound.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Connections so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.next_stream
    }

    /// Takes the next segment.
    pub fn push(&mut self, segment: &Segment<'_>, stamp: Stamp) {
        self.end_lingering(stamp.frame);
        let key = if segment.source <= segment.destination {
            (segment.source, segment.destination)
        } else {
            (segment.destination, segment.source)
        };
        let reused = match self.flows.get_mut(&key) {
            Some(flow) => flow.is_reused_by(segment),
            None => {
                self.open(key, segment, stamp);
                false
            }
        };
        if reused {
            if let Some(flow) = self.flows.pop(&key) {
                self.close(flow, None);
            }
            self.open(key, segment, stamp);
        }
        let Some(flow) = self.flows.get_mut(&key) else { return };
        let was_ended = flow.has_ended();
        let held_before = flow.held_bytes();
        flow.info.last = stamp;
        flow.info.packets += 1;
        let direction =
            if segment.source == flow.info.client { Direction::ToServer } else { Direction::ToClient };
        flow.note_flags(direction, segment, stamp);
        match &mut flow.state {
            Some(state) => {
                let packets = flow.info.packets;
                let mut sink = Sink { handler: &mut self.handler, info: &mut flow.info, state };
                flow.reassembly.segment(&mut sink, direction, segment, stamp, packets);
            }
            None => self.late_bytes += u64::from(segment.payload_length),
        }
        if !was_ended && flow.has_ended() && !flow.lingers {
            flow.lingers = true;
            self.lingering.push_back((stamp.frame + LINGER_PACKETS, key, flow.info.stream));
        }
        self.held_bytes = self.held_bytes + flow.held_bytes() - held_before;
        self.bound_held_bytes();
    }

    /// Ends all connections, in the order of their first packets, and gives the handler back.
    pub fn finish(mut self) -> H {
        let mut flows = Vec::with_capacity(self.flows.len());
        while let Some((_, flow)) = self.flows.pop_lru() {
            flows.push(flow);
        }
        flows.sort_unstable_by_key(|flow| flow.info.stream);
        for flow in flows {
            self.close(flow, None);
        }
        self.handler
    }

    fn open(&mut self, key: (Endpoint, Endpoint), segment: &Segment<'_>, stamp: Stamp) {
        if self.flows.len() == MAX_FLOWS
            && let Some((_, flow)) = self.flows.pop_lru()
        {
            if flow.state.is_some() {
                self.evicted += 1;
            }
            self.close(flow, Some(End::Evicted));
        }
        let (source, destination) = (segment.source, segment.destination);
        let source_is_client = match (segment.flags.syn, segment.flags.ack) {
            (true, ack) => !ack,
            (false, _) => {
                let is_server = |endpoint: Endpoint| self.handler.is_server_port(endpoint.port);
                match (is_server(source), is_server(destination)) {
                    (false, true) => true,
                    (true, false) => false,
                    _ => source.port >= destination.port,
                }
            }
        };
        let (client, server) = if source_is_client { (source, destination) } else { (destination, source) };
        let info = FlowInfo {
            stream: self.next_stream,
            client,
            server,
            first: stamp,
            last: stamp,
            packets: 0,
            syn: None,
            syn_ack: None,
            reset: None,
            fin: [None; 2],
            bytes: [0; 2],
        };
        self.next_stream += 1;
        let state = Some(self.handler.open(&info));
        self.flows.put(key, Flow { info, state, reassembly: Reassembly::default(), lingers: false });
    }

    fn close(&mut self, mut flow: Flow<H::State>, end: Option<End>) {
        let Some(mut state) = flow.state.take() else { return };
        self.held_bytes -= flow.held_bytes();
        let stamp = flow.info.last;
        let mut sink = Sink { handler: &mut self.handler, info: &mut flow.info, state: &mut state };
        flow.reassembly.finish(&mut sink, stamp);
        let end = end.unwrap_or_else(|| end_of(&flow.info));
        self.handler.close(&flow.info, state, end);
    }

    fn end_lingering(&mut self, frame: u64) {
        while let Some(&(until, key, stream)) = self.lingering.front()
            && until <= frame
        {
            self.lingering.pop_front();
            let Some(flow) = self.flows.peek_mut(&key) else { continue };
            if flow.info.stream != stream {
                continue;
            }
            // The flow stays, without its state, for the last acknowledgments.
            let ended = Flow {
                info: flow.info.clone(),
                state: flow.state.take(),
                reassembly: std::mem::take(&mut flow.reassembly),
                lingers: true,
            };
            self.close(ended, None);
        }
    }

    /// Gives up the holes of the connections that were quiet longest, until half the bound is free again.
    fn bound_held_bytes(&mut self) {
        if self.held_bytes <= MAX_HELD_TOTAL {
            return;
        }
        for (_, flow) in self.flows.iter_mut().rev() {
            let held = flow.held_bytes();
            let Some(state) = flow.state.as_mut().filter(|_| held > 0) else { continue };
            let mut sink = Sink { handler: &mut self.handler, info: &mut flow.info, state };
            flow.reassembly.give_up_holes(&mut sink);
            self.held_bytes -= held;
            if self.held_bytes <= MAX_HELD_TOTAL / 2 {
                return;
            }
        }
    }
}

fn end_of(info: &FlowInfo) -> End {
    let established = info.syn_ack.is_some() || info.bytes != [0; 2] || info.syn.is_none();
    match (info.reset, info.fin) {
        (Some((Direction::ToClient, _)), _) if !established => End::Refused,
        (Some(_), _) => End::Reset,
        (None, [Some(_), Some(_)]) => End::Closed,
        (None, [None, None]) if !established => End::NoAnswer,
        (None, [None, None]) => End::Open,
        (None, _) => End::HalfClosed,
    }
}

impl<T> Flow<T> {
    fn held_bytes(&self) -> usize {
        self.reassembly.held_bytes()
    }

    fn has_ended(&self) -> bool {
        self.info.reset.is_some() || self.info.fin.iter().all(Option::is_some)
    }

    /// True where the segment begins another connection between the same two ports: a SYN once the first one has
    /// ended, or with another sequence number, or after the client's first data (which no retransmission follows).
    fn is_reused_by(&self, segment: &Segment<'_>) -> bool {
        if !segment.flags.syn || segment.flags.ack {
            return false;
        }
        self.has_ended()
            || segment.source != self.info.client
            || (self.info.syn.is_some() && self.info.bytes[0] > 0)
            || self
                .reassembly
                .base(Direction::ToServer)
                .is_some_and(|base| base != segment.sequence.wrapping_add(1))
    }

    fn note_flags(&mut self, direction: Direction, segment: &Segment<'_>, stamp: Stamp) {
        let flags = segment.flags;
        match (flags.syn, direction) {
            (true, Direction::ToServer) => {
                self.info.syn.get_or_insert(stamp);
            }
            (true, Direction::ToClient) => {
                self.info.syn_ack.get_or_insert(stamp);
            }
            (false, _) => {}
        }
        if flags.fin {
            self.info.fin[direction as usize].get_or_insert(stamp);
        }
        if flags.rst {
            self.info.reset.get_or_insert((direction, stamp));
        }
    }
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::TcpFlags;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    /// What was handed on, as text.
    #[derive(Default)]
    struct Log(Vec<String>);

    impl Handler for Log {
        type State = ();

        fn is_server_port(&self, port: u16) -> bool {
            port == 1688
        }

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
            },
            payload,
            payload_length: u32::try_from(payload.len()).unwrap(),
        }
    }

    fn run(segments: &[Segment<'_>]) -> Vec<String> {
        let mut streams = Streams::new(Log::default());
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
        let mut streams = Streams::new(Log::default());
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
    fn connections_are_bounded() {
        let mut streams = Streams::new(Log::default());
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
                fn is_server_port(&self, _: u16) -> bool { false }
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
            let mut streams = Streams::new(Collect(Vec::new(), false));
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
