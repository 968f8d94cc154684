use memchr::memchr_iter;
use nom::Parser as _;
use nom::bytes::streaming::take;
use smallvec::SmallVec;

use crate::wire::{Error, ErrorKind};

use super::{HEADER_LEN, Header};

/// Cuts one direction of a connection into PDUs.
///
/// Bytes come in stream order, in pieces of any size, each with a stamp `S` of the caller's (the packet it came in).
/// A PDU that arrives in one piece is handed out without a copy. Behind bytes that are no PDU, and behind a gap, the
/// framer looks for the next plausible header ([`Header::is_plausible`]) and goes on there; what it passed over is
/// handed out as one [`Framed::Skipped`] once its end is known. It holds at most one PDU (65,535 bytes).
#[derive(Debug)]
pub struct Framer<S> {
    buffer: Vec<u8>,
    /// Stream offset of the first byte in the buffer; of the next byte where the buffer is empty.
    at: u64,
    /// Stamp of the first byte in the buffer.
    first: Option<S>,
    /// The stream offsets at which the buffer's pieces begin, and their stamps, as long as any of its bytes may turn out
    /// to begin a PDU: while scanning, and while a header is not whole.
    pieces: SmallVec<[(u64, S); 2]>,
    state: State,
    skip: Option<Box<Skip<S>>>,
}

/// What a [`Framer`] hands out.
#[derive(Debug)]
pub enum Framed<'a, S> {
    /// A whole PDU, frag_length bytes.
    Pdu {
        /// Stream offset of its first byte.
        offset: u64,
        /// Stamp of its first byte.
        first: S,
        /// Stamp of its last byte.
        last: S,
        /// The PDU.
        bytes: &'a [u8],
    },
    /// A PDU of which the stream lacks the end: it stops there, or a gap begins.
    Cut {
        /// Stream offset of its first byte.
        offset: u64,
        /// Stamp of its first byte.
        first: S,
        /// Its beginning.
        bytes: &'a [u8],
        /// True where a gap cut it, false where the stream ended.
        by_gap: bool,
    },
    /// Bytes that are no PDU.
    Skipped {
        /// Stream offset of the first of them.
        offset: u64,
        /// How many.
        length: u64,
        /// Stamp of the first of them.
        first: S,
        /// The first few of them.
        sample: &'a [u8],
        /// Why the first of them begin no PDU.
        error: Error,
    },
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// The next byte begins a PDU.
    Synchronised,
    /// The next header has to be looked for.
    Scanning,
    /// The bytes up to this stream offset belong to a PDU that a gap cut.
    Discarding(u64),
}

#[derive(Debug)]
struct Skip<S> {
    offset: u64,
    length: u64,
    first: S,
    sample: SmallVec<[u8; SAMPLE]>,
    error: Error,
}

impl<S> Skip<S> {
    fn new(offset: u64, first: S, error: Error) -> Box<Self> {
        Box::new(Self { offset, length: 0, first, sample: SmallVec::new(), error })
    }
}

impl<S: Copy> Default for Framer<S> {
    fn default() -> Self {
        Self {
            buffer: Vec::new(),
            at: 0,
            first: None,
            pieces: SmallVec::new(),
            state: State::Synchronised,
            skip: None,
        }
    }
}

impl<S: Copy> Framer<S> {
    /// A framer for a stream whose beginning was not seen: it looks for the first plausible header.
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
                State::Synchronised if self.buffer.is_empty() => self.cut_in_place(bytes, stamp, out),
                State::Synchronised => self.complete(bytes, stamp, out),
            };
        }
    }

    /// Says that the bytes from [`Self::end`] up to the stream offset `to` will not come.
    pub fn gap(&mut self, to: u64, out: &mut impl FnMut(Framed<'_, S>)) {
        match self.state {
            State::Synchronised => {
                let declared = frame_length(&self.buffer).ok().flatten();
                self.hand_out_cut(true, out);
                self.state = match declared.map(|length| self.at + length as u64) {
                    Some(end) if end >= to => State::Discarding(end),
                    _ => State::Scanning,
                };
            }
            State::Scanning => {
                let held = std::mem::take(&mut self.buffer);
                if let Some(first) = self.first.take() {
                    self.note_skipped(&held, first, no_header(&held));
                }
            }
            State::Discarding(end) if end >= to => {}
            State::Discarding(_) => self.state = State::Scanning,
        }
        self.buffer.clear();
        self.pieces.clear();
        self.first = None;
        self.at = to;
        if matches!(self.state, State::Discarding(end) if end == to) {
            self.state = State::Synchronised;
        }
    }

    /// Says that the stream has ended.
    pub fn finish(&mut self, out: &mut impl FnMut(Framed<'_, S>)) {
        match self.state {
            State::Synchronised => self.hand_out_cut(false, out),
            State::Scanning => {
                let held = std::mem::take(&mut self.buffer);
                if let Some(first) = self.first.take() {
                    self.note_skipped(&held, first, no_header(&held));
                }
                self.at += held.len() as u64;
            }
            State::Discarding(_) => {}
        }
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

    /// The usual case: a PDU begins here, and mostly it is all here.
    fn cut_in_place<'a>(
        &mut self,
        bytes: &'a [u8],
        stamp: S,
        out: &mut impl FnMut(Framed<'_, S>),
    ) -> &'a [u8] {
        match frame_length(bytes) {
            Ok(Some(length)) if length <= bytes.len() => {
                let (pdu, rest) = bytes.split_at(length);
                out(Framed::Pdu { offset: self.at, first: stamp, last: stamp, bytes: pdu });
                self.at += length as u64;
                rest
            }
            Ok(length) => {
                self.pieces.push((self.at, stamp));
                // What follows is mostly all of it; what a header says alone takes no memory.
                self.buffer.reserve(length.unwrap_or(HEADER_LEN).min(bytes.len() + 4096));
                self.buffer.extend_from_slice(bytes);
                self.first = Some(stamp);
                &[]
            }
            Err(error) => {
                self.begin_scan(error, stamp);
                bytes
            }
        }
    }

    /// Adds what the PDU in the buffer still lacks.
    fn complete<'a>(&mut self, bytes: &'a [u8], stamp: S, out: &mut impl FnMut(Framed<'_, S>)) -> &'a [u8] {
        let needed = match frame_length(&self.buffer) {
            Ok(length) => length.unwrap_or(HEADER_LEN),
            Err(error) => {
                self.begin_scan(error, self.first.unwrap_or(stamp));
                return bytes;
            }
        };
        if self.buffer.len() < HEADER_LEN {
            self.pieces.push((self.end(), stamp));
        }
        let (taken, rest) = bytes.split_at(needed.saturating_sub(self.buffer.len()).min(bytes.len()));
        self.buffer.extend_from_slice(taken);
        if let Ok(Some(length)) = frame_length(&self.buffer)
            && length == self.buffer.len()
        {
            let first = self.first.take().unwrap_or(stamp);
            out(Framed::Pdu { offset: self.at, first, last: stamp, bytes: &self.buffer });
            self.at += length as u64;
            self.buffer.clear();
            self.pieces.clear();
        } else if let Err(error) = frame_length(&self.buffer) {
            self.begin_scan(error, self.first.unwrap_or(stamp));
        }
        rest
    }

    fn begin_scan(&mut self, error: Error, first: S) {
        self.state = State::Scanning;
        let offset = self.at;
        self.skip.get_or_insert_with(|| Skip::new(offset, first, error));
    }

    /// Looks for the next header that can be believed, and gives what stands there and behind it.
    fn scan<'a>(&mut self, bytes: &'a [u8], stamp: S, out: &mut impl FnMut(Framed<'_, S>)) -> &'a [u8] {
        // The very first byte was already refused, unless nothing was refused yet (behind a gap).
        let refused = usize::from(self.skip.as_ref().is_some_and(|skip| skip.offset == self.at));
        if !self.buffer.is_empty() {
            return self.scan_held(bytes, stamp, refused, out);
        }
        if let Some(found) = find_plausible(bytes, refused) {
            self.pass(&bytes[..found], stamp);
            self.synchronise(out);
            return &bytes[found..];
        }
        let (passed, tail) = bytes.split_at(undecided_from(bytes.len(), refused));
        self.pass(passed, stamp);
        if !tail.is_empty() {
            self.pieces.push((self.at, stamp));
            self.buffer.extend_from_slice(tail);
            self.first = Some(stamp);
        }
        &[]
    }

    /// The same where a header may begin among the bytes that are held, fewer than one has, or with one that was refused.
    fn scan_held<'a>(
        &mut self,
        bytes: &'a [u8],
        stamp: S,
        refused: usize,
        out: &mut impl FnMut(Framed<'_, S>),
    ) -> &'a [u8] {
        let held = self.buffer.len();
        let mut window = std::mem::take(&mut self.buffer);
        // As far as a header reaches that begins with the last of them.
        window.extend_from_slice(&bytes[..bytes.len().min(HEADER_LEN - 1)]);
        let found = find_plausible(&window, refused).filter(|found| *found < held);
        let first = self.first.unwrap_or(stamp);
        let passed = found.unwrap_or_else(|| undecided_from(window.len(), refused).min(held));
        // What is new is all held only where it is too little to decide.
        let is_kept = found.is_none() && passed < held;
        window.truncate(if is_kept { window.len() } else { held });
        self.pass(&window[..passed], first);
        window.drain(..passed);
        if is_kept {
            self.pieces.push((self.at + (held - passed) as u64, stamp));
        }
        let at = self.at;
        let begin = self.pieces.iter().rposition(|(begin, _)| *begin <= at).unwrap_or(0);
        self.pieces.drain(..begin);
        self.first = self.pieces.first().filter(|_| !window.is_empty()).map(|(_, stamp)| *stamp);
        if window.is_empty() {
            self.pieces.clear();
        }
        self.buffer = window;
        if found.is_some() {
            self.synchronise(out);
        }
        if is_kept { &[] } else { bytes }
    }

    /// Passes over bytes that begin no PDU.
    fn pass(&mut self, bytes: &[u8], first: S) {
        self.note_skipped(bytes, first, no_header(bytes));
        self.at += bytes.len() as u64;
    }

    fn synchronise(&mut self, out: &mut impl FnMut(Framed<'_, S>)) {
        self.hand_out_skipped(out);
        self.state = State::Synchronised;
    }

    fn note_skipped(&mut self, bytes: &[u8], first: S, error: Error) {
        if bytes.is_empty() {
            return;
        }
        let offset = self.at;
        let skip = self.skip.get_or_insert_with(|| Skip::new(offset, first, error));
        skip.length += bytes.len() as u64;
        let room = SAMPLE.saturating_sub(skip.sample.len()).min(bytes.len());
        skip.sample.extend_from_slice(&bytes[..room]);
    }

    fn hand_out_skipped(&mut self, out: &mut impl FnMut(Framed<'_, S>)) {
        if let Some(skip) = self.skip.take()
            && skip.length > 0
        {
            let Skip { offset, length, first, sample, error } = *skip;
            out(Framed::Skipped { offset, length, first, sample: &sample, error });
        }
    }

    fn hand_out_cut(&mut self, by_gap: bool, out: &mut impl FnMut(Framed<'_, S>)) {
        if let Some(first) = self.first.take()
            && !self.buffer.is_empty()
        {
            out(Framed::Cut { offset: self.at, first, bytes: &self.buffer, by_gap });
        }
    }
}

/// frag_length, once the header is there; `None` where more bytes are needed to know it.
fn frame_length(bytes: &[u8]) -> Result<Option<usize>, Error> {
    if let Some(&version) = bytes.first()
        && version != 5
    {
        let kind = ErrorKind::Value { got: version.into(), expected: "rpc_vers 5" };
        return Err(Error { layer: "pdu header", field: "rpc_vers", offset: 0, kind });
    }
    match take::<_, _, nom::error::Error<&[u8]>>(HEADER_LEN).parse(bytes) {
        Ok((_, header)) => Header::parse(header).map(|header| Some(header.frag_length.into())),
        Err(_) => Ok(None),
    }
}

/// True where the bytes begin with a header that can be believed. What stands behind that PDU is not asked: it may not
/// be there yet, and how a stream is cut into pieces must not matter.
fn begins_plausibly(bytes: &[u8]) -> bool {
    Header::parse(bytes).is_ok_and(|header| header.is_plausible())
}

/// Where the first header at or behind `from` stands that can be believed.
fn find_plausible(bytes: &[u8], from: usize) -> Option<usize> {
    // Each begins with its version, 5.0 or 5.1, and is whole.
    let begins = bytes.get(from..=bytes.len().checked_sub(HEADER_LEN)?)?;
    memchr_iter(5, begins)
        .map(|at| from + at)
        .find(|&at| bytes[at + 1] <= 1 && begins_plausibly(&bytes[at..]))
}

/// Of so many bytes without a header that can be believed, those in front of this place begin none, whatever follows.
fn undecided_from(length: usize, refused: usize) -> usize {
    length.saturating_sub(HEADER_LEN - 1).max(refused.min(length))
}

fn no_header(bytes: &[u8]) -> Error {
    let kind =
        ErrorKind::Value { got: bytes.first().copied().unwrap_or(0).into(), expected: "a plausible header" };
    Error { layer: "pdu header", field: "rpc_vers", offset: 0, kind }
}

/// How many skipped bytes are kept to be shown.
const SAMPLE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pdu(call_id: u8, length: u8) -> Vec<u8> {
        let mut bytes = vec![5, 0, 0, 3, 0x10, 0, 0, 0, length, 0, 0, 0, call_id, 0, 0, 0];
        bytes.resize(length.into(), 0xee);
        bytes
    }

    /// What a framer makes of pieces, as text: `pdu@offset+length first-last`.
    fn frame(pieces: &[(u64, &[u8])]) -> Vec<String> {
        let mut framer = Framer::default();
        let mut seen = Vec::new();
        let mut out = |framed: Framed<'_, usize>| {
            seen.push(match framed {
                Framed::Pdu { offset, first, last, bytes } => {
                    format!("pdu@{offset}+{} {first}-{last}", bytes.len())
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
        }
        framer.finish(&mut out);
        seen
    }

    #[test]
    fn two_pdus_in_one_piece_are_two() {
        let stream = [pdu(1, 24), pdu(2, 40)].concat();
        assert_eq!(frame(&[(0, &stream)]), ["pdu@0+24 0-0", "pdu@24+40 0-0"]);
    }

    #[test]
    fn a_pdu_knows_the_pieces_of_its_first_and_last_byte() {
        let stream = [pdu(1, 24), pdu(2, 40)].concat();
        let seen = frame(&[(0, &stream[..10]), (10, &stream[10..30]), (30, &stream[30..])]);
        assert_eq!(seen, ["pdu@0+24 0-1", "pdu@24+40 1-2"]);
    }

    #[test]
    fn an_end_inside_a_pdu_or_a_header_is_a_cut() {
        let stream = [pdu(1, 24), pdu(2, 40)].concat();
        assert_eq!(frame(&[(0, &stream[..50])]), ["pdu@0+24 0-0", "cut@24+26 0 gap=false"]);
        assert_eq!(frame(&[(0, &stream[..7])]), ["cut@0+7 0 gap=false"]);
    }

    #[test]
    fn bytes_that_are_no_pdu_are_one_complaint_and_the_next_pdu_is_found() {
        let stream = [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), pdu(2, 40)].concat();
        assert_eq!(frame(&[(0, &stream)]), ["skipped@0+27 0 27 rpc_vers", "pdu@27+40 0-0"]);
        assert_eq!(
            frame(&[(0, &stream[..20]), (20, &stream[20..])]),
            ["skipped@0+27 0 27 rpc_vers", "pdu@27+40 1-1"]
        );
        assert_eq!(frame(&[(0, b"GET "), (4, b"/ HTTP/1.1\r\n\r\n")]), ["skipped@0+18 0 18 rpc_vers"]);
    }

    #[test]
    fn a_pdu_that_is_found_behind_junk_knows_the_piece_of_its_first_byte() {
        let stream = [b"XXXXXXXXXX".to_vec(), pdu(1, 24)].concat();
        let pieces: Vec<(u64, &[u8])> = stream.chunks(1).zip(0..).map(|(byte, at)| (at, byte)).collect();
        assert_eq!(frame(&pieces), ["skipped@0+10 0 10 rpc_vers", "pdu@10+24 10-33"]);
    }

    #[test]
    fn a_header_that_turns_out_to_be_none_does_not_hide_the_piece_of_the_next() {
        let stream = [vec![5, 0, 0, 3, 0x10, 0, 0, 0, 1, 0], pdu(1, 24)].concat();
        let pieces: Vec<(u64, &[u8])> =
            stream.chunks(3).zip((0..).step_by(3)).map(|(b, at)| (at, b)).collect();
        assert_eq!(frame(&pieces), ["skipped@0+10 0 10 frag_length", "pdu@10+24 3-11"]);
    }

    #[test]
    fn a_header_behind_junk_is_believed_whether_or_not_more_is_there() {
        let stream = [b"XXX".to_vec(), pdu(1, 24), vec![0xff; 20]].concat();
        let expected = ["skipped@0+3", "pdu@3+24", "skipped@27+20"];
        assert_eq!(strip(frame(&[(0, &stream)])), expected);
        assert_eq!(strip(frame(&[(0, &stream[..27]), (27, &stream[27..])])), expected);
    }

    #[test]
    fn a_gap_inside_a_pdu_cuts_it_and_the_next_one_is_read() {
        let stream = [pdu(1, 24), pdu(2, 40), pdu(3, 24)].concat();
        let seen = frame(&[(0, &stream[..44]), (54, &stream[54..])]);
        assert_eq!(seen, ["pdu@0+24 0-0", "cut@24+20 0 gap=true", "pdu@64+24 1-1"]);
    }

    #[test]
    fn a_gap_of_a_whole_pdu_costs_that_pdu_only() {
        let stream = [pdu(1, 24), pdu(2, 40), pdu(3, 24)].concat();
        assert_eq!(frame(&[(0, &stream[..24]), (64, &stream[64..])]), ["pdu@0+24 0-0", "pdu@64+24 1-1"]);
    }

    #[test]
    fn a_gap_that_ends_inside_a_pdu_skips_to_the_next() {
        let stream = [pdu(1, 24), pdu(2, 40), pdu(3, 24)].concat();
        let seen = frame(&[(0, &stream[..24]), (50, &stream[50..])]);
        assert_eq!(seen, ["pdu@0+24 0-0", "skipped@50+14 1 14 rpc_vers", "pdu@64+24 1-1"]);
    }

    proptest! {
        #[test]
        fn how_a_stream_is_cut_into_pieces_does_not_matter(
            junk in prop::collection::vec(any::<u8>(), 0..40),
            lengths in prop::collection::vec(16u8..80, 1..6),
            cuts in prop::collection::vec(0usize..400, 0..12),
        ) {
            let mut stream: Vec<u8> = lengths.iter().flat_map(|&length| pdu(1, length)).collect();
            stream.extend(junk);
            stream.extend(lengths.iter().flat_map(|&length| pdu(2, length)));
            let whole: Vec<String> = strip(frame(&[(0, &stream)]));
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c % stream.len()).chain([0, stream.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<(u64, &[u8])> =
                cuts.windows(2).map(|w| (w[0] as u64, &stream[w[0]..w[1]])).collect();
            prop_assert_eq!(strip(frame(&pieces)), whole);
        }
    }

    /// Without the stamps, which do depend on the pieces.
    fn strip(seen: Vec<String>) -> Vec<String> {
        seen.into_iter().map(|s| s.split(' ').next().unwrap_or_default().to_owned()).collect()
    }
}
