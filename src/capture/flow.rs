use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::wire::Side;

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

impl From<Direction> for Side {
    /// Who sends in this direction.
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::ToServer => Self::Client,
            Direction::ToClient => Self::Server,
        }
    }
}

impl From<Side> for Direction {
    /// The direction in which this side sends.
    fn from(side: Side) -> Self {
        match side {
            Side::Client => Self::ToServer,
            Side::Server => Self::ToClient,
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

/// Bytes of one direction that came a second time and were others.
#[derive(Clone, Copy, Debug)]
pub struct Conflict<'a> {
    /// Offset of the first byte that differs in its direction's stream.
    pub offset: u64,
    /// From that one to the last one that differs.
    pub length: u64,
    /// The bytes that came first and stay, from that offset on: 16 of them at most.
    pub kept: &'a [u8],
    /// Those that came later.
    pub other: &'a [u8],
    /// The packet that brought the later ones.
    pub stamp: Stamp,
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
    /// Places where bytes came again and were others, of the client and of the server.
    pub conflicts: [u64; 2],
    /// Packets of the client and of the server that only brought what had come before: SYNs and bytes that were sent again.
    pub repeated: [u64; 2],
    /// Packets of the client and of the server with urgent data, which are read where they stand in the stream.
    pub urgent: [u64; 2],
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

impl FlowInfo {
    pub(super) fn new(stream: u64, client: Endpoint, server: Endpoint, first: Stamp) -> Self {
        Self {
            stream,
            client,
            server,
            first,
            last: first,
            packets: 0,
            syn: None,
            syn_ack: None,
            reset: None,
            fin: [None; 2],
            bytes: [0; 2],
            conflicts: [0; 2],
            repeated: [0; 2],
            urgent: [0; 2],
        }
    }

    /// How it ended, as far as its packets tell.
    pub(super) fn end(&self) -> End {
        let established = self.syn_ack.is_some() || self.bytes != [0; 2] || self.syn.is_none();
        match (self.reset, self.fin) {
            (Some((Direction::ToClient, _)), _) if !established => End::Refused,
            (Some(_), _) => End::Reset,
            (None, [Some(_), Some(_)]) => End::Closed,
            (None, [None, None]) if !established => End::NoAnswer,
            (None, [None, None]) => End::Open,
            (None, _) => End::HalfClosed,
        }
    }
}
