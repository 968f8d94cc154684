use crate::wire::{Error, ErrorKind};

use super::message::{HEADER_LEN, LAYER};
use super::{Flags, Opcode, Rcode};

/// Cuts one direction of a TCP connection into messages by the length of two bytes in front of each (RFC 1035 4.2.2).
///
/// Bytes come in stream order, in pieces of any size, each with a stamp `S` of the caller's (the packet it came in).
/// Behind a gap that does not end within the message it began in, and in a stream whose beginning was not seen, the
/// framer looks for the next length with a plausible header behind it; what it passed over is handed out as one
/// [`Framed::Skipped`]. It holds at most one message, 65,537 bytes with its length.
///
/// ```
/// use volact::discovery::{Framed, TcpFramer};
///
/// let mut lengths = Vec::new();
/// let mut framer = TcpFramer::default();
/// framer.push(0, b"\x00\x0c\x00\x07\x81\x85\0\0\0\0\0\0\0\0", "packet 7", &mut |framed| {
///     if let Framed::Message { bytes, .. } = framed {
///         lengths.push(bytes.len());
///     }
/// });
/// assert_eq!(lengths, [12]);
/// ```
#[derive(Debug)]
pub struct TcpFramer<S> {
    /// What came and is no whole message yet; while scanning, what may turn out to begin one.
    buffer: Vec<u8>,
    /// Stream offset of the first byte in the buffer; of the next byte where the buffer is empty.
    at: u64,
    /// The stamp of the first byte in the buffer; while scanning, of each.
    stamps: Vec<S>,
    state: State,
    skip: Option<Skip<S>>,
}

/// What a [`TcpFramer`] hands out.
#[derive(Debug)]
pub enum Framed<'a, S> {
    /// A whole message.
    Message {
        /// Stream offset of its length.
        offset: u64,
        /// Stamp of the first byte of its length.
        first: S,
        /// Stamp of its last byte.
        last: S,
        /// The message, without its length.
        bytes: &'a [u8],
    },
    /// A message of which the stream lacks the end: it stops there, or a gap begins.
    Cut {
        /// Stream offset of its length.
        offset: u64,
        /// Stamp of the first byte of its length.
        first: S,
        /// Its beginning, without its length.
        bytes: &'a [u8],
        /// True where a gap cut it, false where the stream ended.
        by_gap: bool,
    },
    /// Bytes that are no message.
    Skipped {
        /// Stream offset of the first of them.
        offset: u64,
        /// How many.
        length: u64,
        /// Stamp of the first of them.
        first: S,
        /// The first few of them.
        sample: &'a [u8],
        /// Why the first of them begin no message.
        error: Error,
    },
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// The next byte begins a message's length.
    Synchronised,
    /// The next length has to be looked for.
    Scanning,
    /// The bytes up to this stream offset belong to a message that a gap cut.
    Discarding(u64),
}

#[derive(Debug)]
struct Skip<S> {
    offset: u64,
    length: u64,
    first: S,
    sample: Vec<u8>,
    error: Error,
}

impl<S: Copy> Default for TcpFramer<S> {
    fn default() -> Self {
        Self { buffer: Vec::new(), at: 0, stamps: Vec::new(), state: State::Synchronised, skip: None }
    }
}

impl<S: Copy> TcpFramer<S> {
    /// A framer for a stream whose beginning was not seen: it looks for the first plausible message.
    #[must_use]
    pub fn mid_stream() -> Self {
        Self { state: State::Scanning, ..Self::default() }
    }

    /// Stream offset behind the last byte that was pushed.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.at + self.buffer.len() as u64
    }

    /// Bytes that wait for more.
    #[must_use]
    pub fn held(&self) -> usize {
        self.buffer.len()
    }

    /// Takes the stream's next bytes; `offset` beyond [`Self::end`] is a gap.
    pub fn push(&mut self, offset: u64, mut bytes: &[u8], stamp: S, out: &mut impl FnMut(Framed<'_, S>)) {
        if offset > self.end() {
            self.gap(offset, out);
        }
        while !bytes.is_empty() {
            bytes = match self.state {
                State::Discarding(to) => self.discard(to, bytes),
                State::Scanning => self.scan(bytes, stamp, out),
                State::Synchronised => self.complete(bytes, stamp, out),
            };
        }
    }

    /// Says that the bytes from [`Self::end`] up to the stream offset `to` will not come.
    pub fn gap(&mut self, to: u64, out: &mut impl FnMut(Framed<'_, S>)) {
        let end = match self.state {
            State::Synchronised => {
                let end = frame_length(&self.buffer).map(|length| self.at + length as u64);
                self.hand_out_cut(true, out);
                end
            }
            State::Scanning => {
                self.pass_over(self.buffer.len());
                self.hand_out_skipped(out);
                None
            }
            State::Discarding(end) => Some(end),
        };
        self.forget_buffer();
        self.at = to;
        self.state = match end {
            Some(end) if end == to => State::Synchronised,
            Some(end) if end > to => State::Discarding(end),
            _ => State::Scanning,
        };
    }

    /// Says that the stream has ended.
    pub fn finish(&mut self, out: &mut impl FnMut(Framed<'_, S>)) {
        match self.state {
            State::Synchronised => self.hand_out_cut(false, out),
            State::Scanning => self.pass_over(self.buffer.len()),
            State::Discarding(_) => {}
        }
        self.forget_buffer();
        self.hand_out_skipped(out);
    }

    fn discard<'a>(&mut self, to: u64, bytes: &'a [u8]) -> &'a [u8] {
        let left = usize::try_from(to - self.at).unwrap_or(usize::MAX);
        let (dropped, rest) = bytes.split_at(left.min(bytes.len()));
        self.at += dropped.len() as u64;
        if self.at == to {
            self.state = State::Synchronised;
        }
        rest
    }

    /// Takes what the next message still lacks; where all of it comes at once, it is handed out without a copy.
    fn complete<'a>(&mut self, bytes: &'a [u8], stamp: S, out: &mut impl FnMut(Framed<'_, S>)) -> &'a [u8] {
        if self.buffer.is_empty()
            && let Some(length) = frame_length(bytes)
            && let Some((frame, rest)) = bytes.split_at_checked(length)
        {
            out(Framed::Message { offset: self.at, first: stamp, last: stamp, bytes: &frame[PREFIX_LEN..] });
            self.at += length as u64;
            return rest;
        }
        if self.stamps.is_empty() {
            self.stamps.push(stamp);
        }
        let needed = frame_length(&self.buffer).unwrap_or(PREFIX_LEN);
        let (taken, rest) = bytes.split_at((needed - self.buffer.len()).min(bytes.len()));
        self.buffer.extend_from_slice(taken);
        if frame_length(&self.buffer) == Some(self.buffer.len()) {
            let first = self.stamps.first().copied().unwrap_or(stamp);
            out(Framed::Message { offset: self.at, first, last: stamp, bytes: &self.buffer[PREFIX_LEN..] });
            self.forget_buffer();
        }
        rest
    }

    /// Takes one byte more of what may begin a message.
    fn scan<'a>(&mut self, bytes: &'a [u8], stamp: S, out: &mut impl FnMut(Framed<'_, S>)) -> &'a [u8] {
        let (taken, rest) = bytes.split_at(1);
        self.buffer.extend_from_slice(taken);
        self.stamps.push(stamp);
        if self.buffer.len() < PROBE_LEN {
            return rest;
        }
        if begins_plausibly(&self.buffer) {
            self.hand_out_skipped(out);
            self.stamps.truncate(1);
            self.state = State::Synchronised;
        } else {
            self.pass_over(1);
            self.buffer.remove(0);
            self.stamps.remove(0);
            self.at += 1;
        }
        rest
    }

    /// Notes that so many bytes at the front of the buffer begin no message.
    fn pass_over(&mut self, count: usize) {
        let Some(&first) = self.stamps.first().filter(|_| count > 0) else { return };
        let (offset, buffer) = (self.at, &self.buffer);
        let skip = self.skip.get_or_insert_with(|| {
            let error = no_message(buffer);
            Skip { offset, length: 0, first, sample: Vec::new(), error }
        });
        skip.length += count as u64;
        let room = SAMPLE.saturating_sub(skip.sample.len()).min(count);
        skip.sample.extend_from_slice(&buffer[..room]);
    }

    fn hand_out_skipped(&mut self, out: &mut impl FnMut(Framed<'_, S>)) {
        if let Some(Skip { offset, length, first, sample, error }) = self.skip.take() {
            out(Framed::Skipped { offset, length, first, sample: &sample, error });
        }
    }

    fn hand_out_cut(&self, by_gap: bool, out: &mut impl FnMut(Framed<'_, S>)) {
        if let Some(&first) = self.stamps.first() {
            let bytes = self.buffer.get(PREFIX_LEN..).unwrap_or_default();
            out(Framed::Cut { offset: self.at, first, bytes, by_gap });
        }
    }

    fn forget_buffer(&mut self) {
        self.at = self.end();
        self.buffer.clear();
        self.stamps.clear();
    }
}

/// Bytes of a message with its length, once the length is there.
fn frame_length(bytes: &[u8]) -> Option<usize> {
    let length = bytes.first_chunk::<PREFIX_LEN>()?;
    Some(PREFIX_LEN + usize::from(u16::from_be_bytes(*length)))
}

/// True where a length and the header behind it can be believed: a query, an update or a response to one, with one
/// question, no reserved flag, and no more records than fit.
fn begins_plausibly(bytes: &[u8]) -> bool {
    let Some(&[l0, l1, _, _, f0, f1, q0, q1, a0, a1, n0, n1, r0, r1]) = bytes.first_chunk::<PROBE_LEN>()
    else {
        return false;
    };
    let flags = Flags(u16::from_be_bytes([f0, f1]));
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    let records: usize =
        [[a0, a1], [n0, n1], [r0, r1]].iter().map(|&n| usize::from(u16::from_be_bytes(n))).sum();
    matches!(flags.opcode(), Opcode::QUERY | Opcode::UPDATE)
        && flags.0 & RESERVED == 0
        && flags.rcode() <= MAX_RCODE
        && [q0, q1] == [0, 1]
        && length >= HEADER_LEN + LEAST_QUESTION + LEAST_RECORD * records
}

#[cold]
fn no_message(bytes: &[u8]) -> Error {
    let got = bytes.iter().take(PREFIX_LEN).fold(0, |sum, &byte| sum << 8 | u64::from(byte));
    let kind = ErrorKind::Value { got, expected: "a length with a plausible header behind it" };
    Error { layer: LAYER, field: "length", offset: 0, kind }
}

/// Bytes of the length in front of a message.
const PREFIX_LEN: usize = 2;

/// Bytes by which a message is believed to begin.
const PROBE_LEN: usize = PREFIX_LEN + HEADER_LEN;

/// Z (RFC 1035 4.1.1).
const RESERVED: u16 = 0x0040;

/// NOTZONE (RFC 2136), the highest code that fits into a header and has a meaning.
const MAX_RCODE: Rcode = Rcode(10);

/// Bytes of a question for the root.
const LEAST_QUESTION: usize = 5;

/// Bytes of a record of the root without data.
const LEAST_RECORD: usize = 11;

/// How many skipped bytes are kept to be shown.
const SAMPLE: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A query for the root's SOA with its length in front, as long as it shall be.
    fn frame(id: u8, length: u8) -> Vec<u8> {
        let mut bytes = vec![0, length, 0, id, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 1];
        bytes.resize(PREFIX_LEN + usize::from(length), 0xee);
        bytes
    }

    /// What a framer makes of pieces, as text: `message@offset+length first-last`.
    fn read(framer: TcpFramer<usize>, pieces: &[(u64, &[u8])]) -> Vec<String> {
        let mut framer = framer;
        let mut seen = Vec::new();
        let mut out = |framed: Framed<'_, usize>| {
            seen.push(match framed {
                Framed::Message { offset, first, last, bytes } => {
                    format!("message@{offset}+{} {first}-{last}", bytes.len())
                }
                Framed::Cut { offset, first, bytes, by_gap } => {
                    format!("cut@{offset}+{} {first} gap={by_gap}", bytes.len())
                }
                Framed::Skipped { offset, length, first, sample, error } => {
                    format!("skipped@{offset}+{length} {first} {} {}", sample.len(), error.field)
                }
            });
        };
        for (stamp, (offset, bytes)) in pieces.iter().enumerate() {
            framer.push(*offset, bytes, stamp, &mut out);
            assert!(framer.held() <= PREFIX_LEN + usize::from(u16::MAX));
        }
        framer.finish(&mut out);
        assert_eq!(framer.held(), 0);
        seen
    }

    fn frames(pieces: &[(u64, &[u8])]) -> Vec<String> {
        read(TcpFramer::default(), pieces)
    }

    #[test]
    fn two_messages_in_one_piece_are_two() {
        let stream = [frame(1, 17), frame(2, 40)].concat();
        assert_eq!(frames(&[(0, &stream)]), ["message@0+17 0-0", "message@19+40 0-0"]);
    }

    #[test]
    fn a_message_knows_the_pieces_of_its_first_and_last_byte() {
        let stream = [frame(1, 17), frame(2, 40)].concat();
        let seen = frames(&[(0, &stream[..1]), (1, &stream[1..30]), (30, &stream[30..])]);
        assert_eq!(seen, ["message@0+17 0-1", "message@19+40 1-2"]);
    }

    #[test]
    fn a_length_of_nothing_is_a_message_of_nothing() {
        let stream = [vec![0, 0], frame(1, 17)].concat();
        assert_eq!(frames(&[(0, &stream)]), ["message@0+0 0-0", "message@2+17 0-0"]);
        assert_eq!(frames(&[(0, &stream[..1]), (1, &stream[1..])]), ["message@0+0 0-1", "message@2+17 1-1"]);
    }

    #[test]
    fn an_end_inside_a_message_or_its_length_is_a_cut() {
        let stream = [frame(1, 17), frame(2, 40)].concat();
        assert_eq!(frames(&[(0, &stream[..50])]), ["message@0+17 0-0", "cut@19+29 0 gap=false"]);
        assert_eq!(frames(&[(0, &stream[..20])]), ["message@0+17 0-0", "cut@19+0 0 gap=false"]);
        assert_eq!(frames(&[(0, &stream[..19])]), ["message@0+17 0-0"]);
    }

    #[test]
    fn a_gap_inside_a_message_cuts_it_and_the_next_one_is_read() {
        let stream = [frame(1, 17), frame(2, 40), frame(3, 17)].concat();
        for to in [50, 60, 61] {
            let seen = frames(&[(0, &stream[..40]), (to as u64, &stream[to..])]);
            assert_eq!(seen, ["message@0+17 0-0", "cut@19+19 0 gap=true", "message@61+17 1-1"], "{to}");
        }
    }

    #[test]
    fn a_second_gap_inside_the_same_message_costs_nothing_more() {
        let stream = [frame(1, 17), frame(2, 40), frame(3, 17)].concat();
        let seen = frames(&[(0, &stream[..40]), (45, &stream[45..50]), (55, &stream[55..])]);
        assert_eq!(seen, ["message@0+17 0-0", "cut@19+19 0 gap=true", "message@61+17 2-2"]);
        let seen = frames(&[(0, &stream[..40]), (45, &stream[45..50]), (61, &stream[61..])]);
        assert_eq!(seen, ["message@0+17 0-0", "cut@19+19 0 gap=true", "message@61+17 2-2"]);
    }

    #[test]
    fn a_gap_beyond_a_message_skips_to_the_next() {
        let stream = [frame(1, 17), frame(2, 40), frame(3, 17), frame(4, 17)].concat();
        let seen = frames(&[(0, &stream[..40]), (63, &stream[63..])]);
        assert_eq!(
            seen,
            ["message@0+17 0-0", "cut@19+19 0 gap=true", "skipped@63+17 1 17 length", "message@80+17 1-1"]
        );
        // A gap that begins and ends between messages costs nothing else.
        assert_eq!(
            frames(&[(0, &stream[..19]), (61, &stream[61..80])]),
            ["message@0+17 0-0", "message@61+17 1-1"]
        );
    }

    #[test]
    fn a_gap_while_looking_ends_what_was_skipped() {
        let junk = [0xff; 100];
        let seen = read(TcpFramer::mid_stream(), &[(0, &junk[..30]), (50, &junk[..20])]);
        assert_eq!(seen, ["skipped@0+30 0 30 length", "skipped@50+20 1 20 length"]);
    }

    #[test]
    fn a_stream_without_its_beginning_is_read_from_the_next_message_on() {
        let stream = [b"the end of one".to_vec(), frame(2, 40), vec![0, 0]].concat();
        let seen = read(TcpFramer::mid_stream(), &[(0, &stream)]);
        assert_eq!(seen, ["skipped@0+14 0 14 length", "message@14+40 0-0", "message@56+0 0-0"]);
        let pieces: Vec<(u64, &[u8])> = stream.chunks(1).zip(0..).map(|(byte, at)| (at, byte)).collect();
        let seen = read(TcpFramer::mid_stream(), &pieces);
        assert_eq!(seen, ["skipped@0+14 0 14 length", "message@14+40 14-55", "message@56+0 56-57"]);
        assert_eq!(read(TcpFramer::mid_stream(), &[(0, b"short")]), ["skipped@0+5 0 5 length"]);
    }

    #[test]
    fn each_part_of_a_header_must_be_plausible() {
        let probe = frame(1, 17);
        assert!(begins_plausibly(&probe));
        // Too short for its question; an opcode, Z, a code, two questions, records that cannot fit.
        for (at, value) in [(1, 16), (4, 0x20), (5, 0x40), (5, 11), (6, 1), (7, 2), (9, 1), (11, 1), (13, 1)]
        {
            let mut other = probe.clone();
            other[at] = value;
            assert!(!begins_plausibly(&other), "{at}");
        }
        assert!(!begins_plausibly(&probe[..13]));
        let update = frame(1, 28);
        assert!(begins_plausibly(&[&update[..4], &[0x28, 0, 0, 1, 0, 0, 0, 1, 0, 0]].concat()));
    }

    proptest! {
        #[test]
        fn how_a_stream_is_cut_into_pieces_does_not_matter(
            mid_stream: bool,
            junk in prop::collection::vec(any::<u8>(), 0..40),
            lengths in prop::collection::vec(17u8..80, 1..6),
            cuts in prop::collection::vec(0usize..600, 0..12),
        ) {
            let mut stream = junk;
            stream.extend(lengths.iter().flat_map(|&length| frame(1, length)));
            let framer = || if mid_stream { TcpFramer::mid_stream() } else { TcpFramer::default() };
            // Without the stamps, which do depend on the pieces.
            let strip = |seen: Vec<String>| -> Vec<String> {
                seen.into_iter().map(|s| s.split(' ').next().unwrap_or_default().to_owned()).collect()
            };
            let whole = strip(read(framer(), &[(0, &stream)]));
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c % stream.len()).chain([0, stream.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<(u64, &[u8])> =
                cuts.windows(2).map(|w| (w[0] as u64, &stream[w[0]..w[1]])).collect();
            prop_assert_eq!(strip(read(framer(), &pieces)), whole);
        }
    }
}
