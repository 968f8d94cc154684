use smallvec::SmallVec;

use crate::wire::{Error, ErrorKind};

/// Whether a stream's first bytes begin a ClientHello: a handshake record of SSL 3 or later, whose first message is one.
/// `None` where the bytes so far do, but are too few: up to six may be needed.
///
/// ```
/// use volact::tls::looks_like_client_hello;
///
/// assert_eq!(looks_like_client_hello(&[0x16]), None);
/// assert_eq!(looks_like_client_hello(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc]), Some(true));
/// assert_eq!(looks_like_client_hello(b"POST /"), Some(false));
/// ```
#[must_use]
pub fn looks_like_client_hello(bytes: &[u8]) -> Option<bool> {
    let is_so = |at: usize, holds: fn(u8) -> bool| bytes.get(at).is_none_or(|&byte| holds(byte));
    let is_length =
        |high: u8, low: u8| (1..=MAX_FRAGMENT).contains(&usize::from(u16::from_be_bytes([high, low])));
    let begins_one = is_so(0, |byte| byte == ContentType::HANDSHAKE.0)
        && is_so(1, |byte| byte == 3)
        && is_so(2, |byte| byte <= 4)
        && bytes.get(3..5).is_none_or(|length| is_length(length[0], length[1]))
        && is_so(5, |byte| byte == 1);
    if begins_one && bytes.len() < HEADER_LEN + 1 { None } else { Some(begins_one) }
}

/// A record's ContentType (RFC 8446 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ContentType(pub(super) u8);

impl ContentType {
    pub(super) const CHANGE_CIPHER_SPEC: Self = Self(20);
    pub(super) const ALERT: Self = Self(21);
    pub(super) const HANDSHAKE: Self = Self(22);
    pub(super) const APPLICATION_DATA: Self = Self(23);
    pub(super) const HEARTBEAT: Self = Self(24);
}

/// A record (RFC 8446 5.1).
#[derive(Clone, Copy)]
pub(super) struct Record<'a, S> {
    /// Stream offset of its header.
    pub(super) offset: u64,
    pub(super) header: [u8; HEADER_LEN],
    pub(super) fragment: &'a [u8],
    /// Stamp of its first byte.
    pub(super) first: S,
    /// Stamp of its last byte.
    pub(super) last: S,
}

impl<S> Record<'_, S> {
    pub(super) fn content_type(&self) -> ContentType {
        ContentType(self.header[0])
    }
}

/// What a stream is cut into.
pub(super) enum Framed<'a, S> {
    Record(Record<'a, S>),
    /// What should be a header is none; the next one is looked for.
    NoRecord {
        offset: u64,
        first: S,
        error: Error,
    },
}

/// What a gap has done to the records.
pub(super) struct Lost {
    /// Bytes of a record that was cut and of the gap.
    pub(super) bytes: u64,
    /// The type of the record that was cut, where it is the only one that is lost.
    pub(super) only: Option<ContentType>,
}

/// Cuts one direction of a connection into records. It holds at most one.
#[derive(Debug)]
pub(super) struct Records<S> {
    buffer: Vec<u8>,
    /// Stream offset of the first byte in the buffer; of the next byte where the buffer is empty.
    at: u64,
    /// Stamp of the first byte in the buffer.
    first: Option<S>,
    /// The record in the buffer was handed out.
    is_done: bool,
    state: State<S>,
}

#[derive(Debug)]
enum State<S> {
    /// The next byte begins a record.
    Synchronised,
    /// The next header has to be looked for; the last bytes that may belong to it, and their stamps.
    Scanning(SmallVec<[(u8, S); HEADER_LEN]>),
    /// The bytes up to this stream offset belong to a record that a gap cut.
    Discarding(u64),
}

impl<S> Default for Records<S> {
    fn default() -> Self {
        Self { buffer: Vec::new(), at: 0, first: None, is_done: false, state: State::Synchronised }
    }
}

impl<S: Copy> Records<S> {
    /// Stream offset behind the last byte that was pushed.
    pub(super) fn end(&self) -> u64 {
        self.at + self.held() as u64
    }

    /// Bytes that wait for more.
    pub(super) fn held(&self) -> usize {
        match &self.state {
            State::Scanning(window) => window.len(),
            _ => self.buffer.len(),
        }
    }

    /// The next record of `bytes` and those that wait; takes from `bytes` what is used up. `None` once all are.
    pub(super) fn next<'a, 'b: 'a>(&'a mut self, bytes: &mut &'b [u8], stamp: S) -> Option<Framed<'a, S>> {
        self.let_go();
        loop {
            if bytes.is_empty() {
                return None;
            }
            match &mut self.state {
                State::Discarding(to) => {
                    let to = *to;
                    let left = usize::try_from(to - self.at).unwrap_or(usize::MAX);
                    let taken = take(bytes, left);
                    self.discard_to(self.at + taken.len() as u64, to);
                }
                State::Scanning(_) => self.scan(bytes, stamp),
                State::Synchronised => break,
            }
        }
        if self.buffer.is_empty()
            && let Some((header, behind)) = bytes.split_first_chunk()
            && let Ok(length) = fragment_length(header)
            && let Some((fragment, rest)) = behind.split_at_checked(length)
        {
            let offset = self.at;
            self.at += (HEADER_LEN + length) as u64;
            *bytes = rest;
            let record = Record { offset, header: *header, fragment, first: stamp, last: stamp };
            return Some(Framed::Record(record));
        }
        self.complete(bytes, stamp)
    }

    /// Adds what the record in the buffer still lacks.
    fn complete(&mut self, bytes: &mut &[u8], stamp: S) -> Option<Framed<'_, S>> {
        let first = *self.first.get_or_insert(stamp);
        self.fill(bytes, HEADER_LEN);
        let header = *self.buffer.first_chunk()?;
        match fragment_length(&header) {
            Ok(length) => {
                self.fill(bytes, HEADER_LEN + length);
                if self.buffer.len() < HEADER_LEN + length {
                    return None;
                }
                self.is_done = true;
                let fragment = &self.buffer[HEADER_LEN..];
                Some(Framed::Record(Record { offset: self.at, header, fragment, first, last: stamp }))
            }
            Err(error) => {
                let offset = self.at;
                // All of them but the first may belong to the next one; which pieces they came in is no longer known.
                let window = header[1..].iter().map(|&byte| (byte, first)).collect();
                self.at += 1;
                self.forget();
                self.state = State::Scanning(window);
                Some(Framed::NoRecord { offset, first, error })
            }
        }
    }

    fn fill(&mut self, bytes: &mut &[u8], length: usize) {
        let taken = take(bytes, length.saturating_sub(self.buffer.len()));
        self.buffer.extend_from_slice(taken);
    }

    /// Looks for a header that can be believed: one of a protected record.
    fn scan(&mut self, bytes: &mut &[u8], stamp: S) {
        let State::Scanning(window) = &mut self.state else { return };
        while let Some((&byte, rest)) = bytes.split_first() {
            *bytes = rest;
            window.push((byte, stamp));
            let Some(last) = window.first_chunk::<HEADER_LEN>() else { continue };
            let header = last.map(|(byte, _)| byte);
            if is_plausible(&header) {
                self.first = Some(last[0].1);
                self.buffer.extend_from_slice(&header);
                self.state = State::Synchronised;
                return;
            }
            window.remove(0);
            self.at += 1;
        }
    }

    /// Says that the bytes from [`Self::end`] up to the stream offset `to` will not come. `None` where they are all of a
    /// record that was given up before.
    pub(super) fn gap(&mut self, to: u64) -> Option<Lost> {
        self.let_go();
        if let State::Discarding(end) = self.state
            && end >= to
        {
            self.discard_to(to, end);
            return None;
        }
        let bytes = to.saturating_sub(self.at);
        let mut only = None;
        let mut end = to;
        self.state = State::Scanning(SmallVec::new());
        if let Some(header) = self.buffer.first_chunk()
            && let Ok(length) = fragment_length(header)
            && self.at + (HEADER_LEN + length) as u64 >= to
        {
            only = Some(ContentType(header[0]));
            end = self.at + (HEADER_LEN + length) as u64;
        }
        self.forget();
        self.at = to;
        if only.is_some() {
            self.discard_to(to, end);
        }
        Some(Lost { bytes, only })
    }

    /// Goes to `at`, from which on the bytes up to `end` belong to a record that is given up.
    fn discard_to(&mut self, at: u64, end: u64) {
        self.at = at;
        self.state = if at == end { State::Synchronised } else { State::Discarding(end) };
    }

    /// Passes over bytes without a look.
    pub(super) fn pass_over(&mut self, length: usize) {
        self.at = self.end() + length as u64;
        self.forget();
        self.state = State::Synchronised;
    }

    /// The record that the stream's end cuts: the stamp of its first byte, and how much of it is there.
    pub(super) fn cut(&mut self) -> Option<(S, usize)> {
        self.let_go();
        let held = self.buffer.len();
        let first = self.first.filter(|_| held > 0);
        self.pass_over(0);
        first.map(|first| (first, held))
    }

    /// Lets go of the record that was handed out.
    fn let_go(&mut self) {
        if self.is_done {
            self.at += self.buffer.len() as u64;
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.buffer.clear();
        self.first = None;
        self.is_done = false;
    }
}

/// Takes at most so many bytes from the front.
pub(super) fn take<'a>(bytes: &mut &'a [u8], most: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(most.min(bytes.len()));
    *bytes = rest;
    taken
}

/// The length behind a header, where it is one.
fn fragment_length(header: &[u8; HEADER_LEN]) -> Result<usize, Error> {
    let [content_type, major, _, high, low] = *header;
    let error = |field, offset, kind| Err(Error { layer: "record", field, offset, kind });
    if !(ContentType::CHANGE_CIPHER_SPEC.0..=ContentType::HEARTBEAT.0).contains(&content_type) {
        let kind = ErrorKind::Value { got: content_type.into(), expected: "a content type (20 to 24)" };
        return error("type", 0, kind);
    }
    if major != 3 {
        let kind = ErrorKind::Value { got: major.into(), expected: "major version 3" };
        return error("version", 1, kind);
    }
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > MAX_FRAGMENT {
        let kind = ErrorKind::Length { declared: length as u64, least: 0, most: MAX_FRAGMENT as u64 };
        return error("length", 3, kind);
    }
    Ok(length)
}

/// True for the header of a record that is protected: of these, nothing is looked for that only a handshake has.
fn is_plausible(header: &[u8; HEADER_LEN]) -> bool {
    let is_protected = |content_type| {
        [ContentType::ALERT, ContentType::HANDSHAKE, ContentType::APPLICATION_DATA].contains(&content_type)
    };
    is_protected(ContentType(header[0]))
        && header[1..3] == [3, 3]
        && fragment_length(header).is_ok_and(|length| length > LEAST_PROTECTED)
}

/// Bytes in front of a record's fragment: its type, version and length.
pub(super) const HEADER_LEN: usize = 5;

/// The most that a fragment may have: 2^14, and what TLS 1.2 grants compression and protection (RFC 5246 6.2.3).
const MAX_FRAGMENT: usize = (1 << 14) + 2048;

/// Bytes of a tag, which a protected record has more than.
const LEAST_PROTECTED: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(content_type: u8, length: u8) -> Vec<u8> {
        let mut bytes = vec![content_type, 3, 3, 0, length];
        bytes.resize(HEADER_LEN + usize::from(length), 0xee);
        bytes
    }

    /// What comes of pieces, as text: `type@offset+length first-last`.
    fn frame(pieces: &[(u64, &[u8])]) -> Vec<String> {
        let mut records = Records::default();
        let mut seen = Vec::new();
        for (stamp, (offset, bytes)) in pieces.iter().enumerate() {
            if *offset > records.end() {
                let lost = records.gap(*offset);
                seen.extend(lost.map(|Lost { bytes, only }| format!("lost {bytes} {}", only.is_some())));
            }
            let mut bytes = *bytes;
            while let Some(framed) = records.next(&mut bytes, stamp) {
                seen.push(match framed {
                    Framed::Record(Record { offset, header, fragment, first, last }) => {
                        format!("{}@{offset}+{} {first}-{last}", header[0], fragment.len())
                    }
                    Framed::NoRecord { offset, first, error } => {
                        format!("none@{offset} {first} {}", error.field)
                    }
                });
                assert!(records.held() <= HEADER_LEN + MAX_FRAGMENT);
            }
        }
        if let Some((first, held)) = records.cut() {
            seen.push(format!("cut+{held} {first}"));
        }
        seen
    }

    #[test]
    fn records_are_cut_whole_and_in_pieces_with_the_stamps_of_their_ends() {
        let stream = [record(22, 24), record(23, 0), record(20, 1)].concat();
        assert_eq!(frame(&[(0, &stream)]), ["22@0+24 0-0", "23@29+0 0-0", "20@34+1 0-0"]);
        let pieces: &[(u64, &[u8])] = &[(0, &stream[..3]), (3, &stream[3..31]), (31, &stream[31..38])];
        assert_eq!(frame(pieces), ["22@0+24 0-1", "23@29+0 1-2", "cut+4 2"]);
    }

    #[test]
    fn a_gap_within_a_record_costs_that_record_only() {
        let stream = [record(23, 100), record(23, 40)].concat();
        let seen = frame(&[(0, &stream[..50]), (60, &stream[60..])]);
        assert_eq!(seen, ["lost 60 true", "23@105+40 1-1"]);
        let seen = frame(&[(0, &stream[..50]), (105, &stream[105..])]);
        assert_eq!(seen, ["lost 105 true", "23@105+40 1-1"]);
        // Another gap in the same record costs nothing more.
        let seen = frame(&[(0, &stream[..50]), (60, &stream[60..70]), (80, &stream[80..])]);
        assert_eq!(seen, ["lost 60 true", "23@105+40 2-2"]);
    }

    #[test]
    fn behind_a_gap_over_a_boundary_the_next_header_is_looked_for() {
        let stream = [record(23, 100), record(23, 40), record(23, 50)].concat();
        let seen = frame(&[(0, &stream[..105]), (110, &stream[110..152]), (152, &stream[152..])]);
        assert_eq!(seen, ["23@0+100 0-0", "lost 5 false", "23@150+50 1-2"]);
    }

    #[test]
    fn what_is_no_header_is_said_once_and_the_next_one_found() {
        let stream = [&record(23, 20)[..], b"HTTP/1.1 200 OK", &record(23, 30)].concat();
        assert_eq!(frame(&[(0, &stream)]), ["23@0+20 0-0", "none@25 0 type", "23@40+30 0-0"]);
        let mut long = record(23, 20);
        long[3] = 0x49;
        assert_eq!(frame(&[(0, &long)]), ["none@0 0 length"]);
    }

    #[test]
    fn a_client_hello_is_known_by_its_first_six_bytes() {
        let hello = [0x16, 3, 1, 0x02, 0x00, 1, 0, 1, 0xfc];
        for length in 0..hello.len() {
            let expected = (length >= 6).then_some(true);
            assert_eq!(looks_like_client_hello(&hello[..length]), expected, "{length} bytes");
        }
        for (at, byte) in [(0, 0x17), (1, 2), (2, 5), (3, 0x50), (5, 2)] {
            let mut other = hello;
            other[at] = byte;
            assert_eq!(looks_like_client_hello(&other), Some(false), "byte {at}");
        }
        assert_eq!(looks_like_client_hello(b"G"), Some(false));
        assert_eq!(looks_like_client_hello(&[0x16, 3, 1, 0, 0]), Some(false));
    }

    proptest! {
        #[test]
        fn how_a_stream_is_cut_into_pieces_does_not_matter(
            junk in prop::collection::vec(any::<u8>(), 0..40),
            lengths in prop::collection::vec(0u8..80, 1..6),
            cuts in prop::collection::vec(0usize..400, 0..12),
        ) {
            let mut stream: Vec<u8> = lengths.iter().flat_map(|&length| record(23, length)).collect();
            stream.extend(junk);
            stream.extend(lengths.iter().flat_map(|&length| record(22, length)));
            let strip = |seen: Vec<String>| -> Vec<String> {
                seen.into_iter().map(|s| s.split(' ').next().unwrap_or_default().to_owned()).collect()
            };
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c % stream.len()).chain([0, stream.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<(u64, &[u8])> = cuts.windows(2).map(|w| (w[0] as u64, &stream[w[0]..w[1]])).collect();
            prop_assert_eq!(strip(frame(&pieces)), strip(frame(&[(0, &stream)])));
        }
    }
}
