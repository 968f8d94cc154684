//! The segments of a TCP connection, in whatever order.

use std::net::{IpAddr, Ipv4Addr};

use crate::capture::{
    Chunk, Direction, End, Endpoint, FlowInfo, Gap, Handler, Segment, Stamp, Streams, TcpFlags,
};

/// Holds that a conversation gives the same bytes in the same turns, whether its segments come whole and in order, or
/// split, repeated and in another order.
///
/// Up to six turns: 16 bytes say how long each is and where it is split, 24 in which order the pieces come.
pub fn reassembly(data: &[u8]) {
    const TURNS: usize = 6;
    const PIECES: usize = 24;
    let at = |i: usize| data.get(i).copied().unwrap_or(0);
    let mut whole = Vec::new();
    let mut pieces: Vec<Piece> = Vec::new();
    let mut next = [0u64; 2];
    for turn in 0..TURNS {
        let direction = if turn % 2 == 0 { Direction::ToServer } else { Direction::ToClient };
        let (own, other) = (direction as usize, direction.opposite() as usize);
        let length = u64::from(at(turn));
        let (begin, end) = (next[own], next[own] + length);
        let acknowledges = next[other];
        next[own] = end;
        whole.push(Piece { direction, begin, end, acknowledges });
        // Up to three pieces, which may overlap, and of which one may come twice.
        let split = |i: usize| begin + u64::from(at(TURNS + i)) % (length + 1);
        let (first, second) = (split(turn), split(turn + 1));
        let overlap = u64::from(at(15) & 3);
        for (from, to) in [(begin, first), (first.saturating_sub(overlap).max(begin), end), (begin, second)] {
            pieces.push(Piece { direction, begin: from, end: to.min(end), acknowledges });
        }
    }
    pieces.truncate(PIECES);
    let mut order: Vec<usize> = (0..pieces.len()).collect();
    order.sort_by_key(|&i| (at(16 + i), i));
    let shuffled: Vec<Piece> = order.into_iter().map(|i| pieces[i]).collect();
    assert_eq!(turns(&whole), turns(&shuffled));
}

/// A segment of [`reassembly`].
#[derive(Clone, Copy, Debug)]
struct Piece {
    direction: Direction,
    begin: u64,
    end: u64,
    acknowledges: u64,
}

/// How many bytes each side says before it is the other's turn.
fn turns(pieces: &[Piece]) -> Vec<(usize, u64)> {
    let syn = TcpFlags { syn: true, ..TcpFlags::default() };
    let mut streams = Streams::new(Tiles::default(), &[1688]);
    push(&mut streams, 0, Direction::ToServer, 0, &[], syn);
    push(&mut streams, 1, Direction::ToClient, 0, &[], TcpFlags { ack: true, ..syn });
    for (frame, piece) in (2..).zip(pieces) {
        let payload: Vec<u8> = (piece.begin..piece.end).map(|at| byte_at(piece.direction, at)).collect();
        let ack = TcpFlags { ack: true, ..TcpFlags::default() };
        push_acknowledging(
            &mut streams,
            frame,
            piece.direction,
            piece.begin,
            Some(piece.acknowledges),
            &payload,
            ack,
        );
    }
    let tiles = streams.finish();
    assert_eq!(tiles.gaps, 0, "nothing is missing");
    tiles.turns
}

/// Holds that the segments of one connection, in whatever order, overlapping or missing, are handed on as one
/// sequence of bytes and gaps without a seam, with the right bytes; and without a gap, all of them.
///
/// Every four bytes are a segment: direction and flags, length, and where it stands, counted from where its direction
/// stands so far.
pub fn streams(data: &[u8]) {
    let mut sent: [Vec<(u64, u64)>; 2] = Default::default();
    let mut streams = Streams::new(Tiles::default(), &[1688]);
    let mut payload = Vec::new();
    push(&mut streams, 0, Direction::ToServer, 0, &[], TcpFlags { syn: true, ..TcpFlags::default() });
    push(
        &mut streams,
        1,
        Direction::ToClient,
        0,
        &[],
        TcpFlags { syn: true, ack: true, ..TcpFlags::default() },
    );
    let mut furthest = [0_i64; 2];
    for (i, raw) in data.as_chunks::<4>().0.iter().enumerate() {
        let [kind, length, low, high] = *raw;
        let direction = if kind & 1 == 0 { Direction::ToServer } else { Direction::ToClient };
        let flags = TcpFlags {
            ack: kind & 2 != 0,
            fin: kind & 4 != 0,
            rst: kind & 0xf8 == 0xf8,
            ..TcpFlags::default()
        };
        let distance = i64::from(i16::from_le_bytes([low, high]));
        let start =
            u64::try_from((furthest[direction as usize] + distance).max(0)).expect("it is not negative");
        let end = start + u64::from(length);
        furthest[direction as usize] =
            furthest[direction as usize].max(i64::try_from(end).expect("it is small"));
        payload.clear();
        payload.extend((start..end).map(|at| byte_at(direction, at)));
        push(&mut streams, i as u64 + 2, direction, start, &payload, flags);
        sent[direction as usize].push((start, end));
        // Behind a reset or both FINs a connection takes bytes for a while only.
        if i > 200 {
            break;
        }
    }
    let tiles = streams.finish();
    assert!(tiles.is_closed);
    for (direction, mut sent) in sent.into_iter().enumerate() {
        sent.sort_unstable();
        let contiguous = sent.iter().fold(0, |end, &(from, to)| if from <= end { end.max(to) } else { end });
        assert!(
            tiles.at[direction] >= contiguous,
            "bytes without a hole in front of them were not handed on"
        );
        if tiles.gaps == 0 {
            let end = sent.iter().filter(|(from, to)| from < to).map(|&(_, to)| to).max().unwrap_or(0);
            assert_eq!(tiles.at[direction], end, "bytes are missing, and no gap says so");
        }
    }
}

/// What stands at a place of a stream.
fn byte_at(direction: Direction, at: u64) -> u8 {
    (at ^ at >> 8 ^ direction as u64).to_le_bytes()[0]
}

/// Hands over a segment; the sequence numbers wrap on their way.
fn push(
    streams: &mut Streams<Tiles>,
    frame: u64,
    direction: Direction,
    start: u64,
    payload: &[u8],
    flags: TcpFlags,
) {
    push_acknowledging(streams, frame, direction, start, None, payload, flags);
}

/// As [`push`], with what the segment acknowledges of the other direction.
#[allow(clippy::too_many_arguments)]
fn push_acknowledging(
    streams: &mut Streams<Tiles>,
    frame: u64,
    direction: Direction,
    start: u64,
    acknowledges: Option<u64>,
    payload: &[u8],
    flags: TcpFlags,
) {
    const BASE: u32 = u32::MAX - 1000;
    let endpoint = |port| Endpoint { address: IpAddr::V4(Ipv4Addr::LOCALHOST), port };
    let (source, destination) = match direction {
        Direction::ToServer => (endpoint(40_000), endpoint(1688)),
        Direction::ToClient => (endpoint(1688), endpoint(40_000)),
    };
    let start = u32::try_from(start).expect("streams are short here");
    let segment = Segment {
        source,
        destination,
        sequence: BASE.wrapping_add(start).wrapping_sub(u32::from(flags.syn)),
        acknowledgment: BASE.wrapping_add(
            acknowledges.map_or(start / 2, |offset| u32::try_from(offset).expect("streams are short here")),
        ),
        flags,
        payload,
        payload_length: u32::try_from(payload.len()).expect("segments are short"),
    };
    streams.push(&segment, Stamp { frame, time: None });
}

/// Lays the bytes and gaps of one connection side by side.
#[derive(Default)]
struct Tiles {
    at: [u64; 2],
    gaps: u64,
    is_closed: bool,
    /// Bytes of each side before it is the other's turn.
    turns: Vec<(usize, u64)>,
}

impl Handler for Tiles {
    type State = ();

    fn open(&mut self, _: &FlowInfo) {
        assert!(!self.is_closed);
    }

    fn data(&mut self, _: &FlowInfo, (): &mut (), direction: Direction, chunk: Chunk<'_>) {
        assert_eq!(chunk.offset, self.at[direction as usize], "bytes do not follow those in front of them");
        for (at, &byte) in (chunk.offset..).zip(chunk.bytes) {
            assert_eq!(byte, byte_at(direction, at), "another byte at {at}");
        }
        let length = chunk.bytes.len() as u64;
        self.at[direction as usize] += length;
        match self.turns.last_mut() {
            Some((side, bytes)) if *side == direction as usize => *bytes += length,
            _ => self.turns.push((direction as usize, length)),
        }
    }

    fn gap(&mut self, _: &FlowInfo, (): &mut (), direction: Direction, gap: Gap) {
        assert_eq!(gap.from, self.at[direction as usize], "a gap does not follow what is in front of it");
        assert!(gap.to > gap.from);
        self.at[direction as usize] = gap.to;
        self.gaps += 1;
    }

    fn close(&mut self, _: &FlowInfo, (): (), _: End) {
        self.is_closed = true;
    }
}
