use crate::wire::{Error, ErrorKind};

use super::ber::{self, INTEGER, LAYER, SEQUENCE};

/// Cuts one direction of a connection into messages (LDAPMessage, RFC 4511 5.1), and, once it may be sealed, into SASL
/// buffers (RFC 4422 3.7: four bytes of length, big-endian, and so many bytes).
///
/// Bytes come in stream order, in pieces of any size, each with a stamp `S` of the caller's (the packet it came in).
/// A message that arrives in one piece is handed out without a copy. Behind bytes that are no message, and behind a gap,
/// the framer looks for the next plausible header ([`looks_like_ldap`]) and goes on there; what it passed over is handed out
/// as one [`Framed::Skipped`] once its end is known. How the stream is cut into pieces changes nothing but the stamps and
/// the pieces of [`Framed::Tls`]. It holds at most one message, [`MAX_MESSAGE`] bytes.
///
/// ```
/// use volact::directory::{Framed, Framer};
///
/// let mut lengths = Vec::new();
/// let mut framer = Framer::default();
/// framer.push(0, b"\x30\x05\x02\x01\x01\x42\x00", "packet 7", &mut |framed: Framed<'_, _>| {
///     if let Framed::Message { bytes, last, .. } = framed {
///         lengths.push((bytes.len(), last));
///     }
/// });
/// assert_eq!(lengths, [(7, "packet 7")]);
/// ```
#[derive(Debug)]
pub struct Framer<S> {
    /// The beginning of a message that is not whole, or, while scanning, bytes of which it is not known yet whether they
    /// begin one.
    buffer: Vec<u8>,
    /// True where the buffer holds a message that was handed out.
    is_taken: bool,
    /// Stream offset of the first byte in the buffer; of the next byte where the buffer is empty.
    at: u64,
    /// Stamp of the first byte of the message or SASL buffer that is not whole.
    first: Option<S>,
    /// Stamp of the last byte that came of a SASL buffer.
    last: Option<S>,
    /// The stream offsets at which the buffer's pieces begin, and their stamps, while scanning.
    pieces: Vec<(u64, S)>,
    state: State,
    skip: Option<Skip<S>>,
    may_seal: bool,
    may_be_tls: bool,
}

/// What a [`Framer`] hands out.
#[derive(Debug)]
pub enum Framed<'a, S> {
    /// A whole message.
    Message {
        /// Stream offset of its first byte.
        offset: u64,
        /// The message, with the header of its SEQUENCE.
        bytes: &'a [u8],
        /// Stamp of its first byte.
        first: S,
        /// Stamp of its last byte.
        last: S,
    },
    /// A message of which the stream lacks the end: it stops there, or a gap begins.
    Cut {
        /// Stream offset of its first byte.
        offset: u64,
        /// Its beginning.
        bytes: &'a [u8],
        /// Stamp of its first byte.
        first: S,
        /// True where a gap cut it, false where the stream ended.
        by_gap: bool,
    },
    /// A SASL buffer: what is in it is not known.
    Sealed {
        /// Stream offset of its length.
        offset: u64,
        /// How many bytes it says to have behind its length.
        length: u32,
        /// How many of these came.
        came: u32,
        /// Stamp of its first byte.
        first: S,
        /// Stamp of its last byte that came.
        last: S,
    },
    /// Bytes of a TLS connection, which goes on to the stream's end.
    Tls {
        /// Stream offset of the first of them.
        offset: u64,
        /// The bytes.
        bytes: &'a [u8],
        /// Stamp of all.
        stamp: S,
    },
    /// Bytes that are nothing of these.
    Skipped {
        /// Stream offset of the first of them.
        offset: u64,
        /// How many.
        length: u64,
        /// Stamp of the first of them.
        first: S,
        /// The first few of them.
        sample: Vec<u8>,
        /// Why the first of them begin nothing.
        error: Error,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The next byte begins a message or a SASL buffer.
    Synchronised,
    /// The next header has to be looked for.
    Scanning,
    /// The bytes up to this stream offset belong to a message that a gap cut.
    Discarding(u64),
    /// Within a SASL buffer of this length, of which so many bytes came.
    Sealed { length: u32, came: u32 },
    /// All that comes is TLS.
    Tls,
}

#[derive(Debug)]
struct Skip<S> {
    offset: u64,
    length: u64,
    first: S,
    sample: Vec<u8>,
    error: Error,
}

impl<S> Default for Framer<S> {
    fn default() -> Self {
        Self {
            buffer: Vec::new(),
            is_taken: false,
            at: 0,
            first: None,
            last: None,
            pieces: Vec::new(),
            state: State::Synchronised,
            skip: None,
            may_seal: false,
            may_be_tls: false,
        }
    }
}

impl<S: Copy> Framer<S> {
    /// A framer for a stream whose beginning was not seen: it looks for the first plausible header, also that of a SASL
    /// buffer.
    #[must_use]
    pub fn mid_stream() -> Self {
        Self { state: State::Scanning, may_seal: true, ..Self::default() }
    }

    /// Says that SASL buffers may come from now on. Whether they do shows: a message begins with 0x30, and the length of a
    /// buffer of up to [`MAX_SEALED`] bytes with 0.
    pub fn seal(&mut self) {
        self.may_seal = true;
    }

    /// Says whether TLS may begin: it does with the next message whose first byte is that of a handshake record, 0x16.
    pub fn expect_tls(&mut self, may_begin: bool) {
        self.may_be_tls = may_begin;
    }

    /// Stream offset behind the last byte that was pushed.
    #[must_use]
    pub fn end(&self) -> u64 {
        match self.state {
            State::Sealed { came, .. } => self.at + LENGTH as u64 + u64::from(came),
            _ => self.at + self.held() as u64,
        }
    }

    /// Bytes that wait for more.
    #[must_use]
    pub fn held(&self) -> usize {
        if self.is_taken { 0 } else { self.buffer.len() }
    }

    /// Takes the stream's next bytes; `offset` beyond [`Self::end`] is a gap.
    pub fn push(&mut self, offset: u64, mut bytes: &[u8], stamp: S, out: &mut impl FnMut(Framed<'_, S>)) {
        if offset > self.end() {
            self.gap(offset, out);
        }
        while let Some(framed) = self.next(&mut bytes, stamp) {
            out(framed);
        }
    }

    /// Takes as many of the stream's next bytes as the next thing needs, and leaves the rest; without one it has taken
    /// all. Between two calls the caller may say what may come.
    pub fn next<'a, 'b: 'a>(&'a mut self, bytes: &mut &'b [u8], stamp: S) -> Option<Framed<'a, S>> {
        if self.is_taken {
            self.is_taken = false;
            self.clear();
        }
        while !bytes.is_empty() {
            match self.state {
                State::Discarding(to) => {
                    let dropped = split_up_to(bytes, to - self.at);
                    self.at += dropped.len() as u64;
                    if self.at == to {
                        self.state = State::Synchronised;
                    }
                }
                State::Tls => {
                    let offset = self.at;
                    let bytes = std::mem::take(bytes);
                    self.at += bytes.len() as u64;
                    return Some(Framed::Tls { offset, bytes, stamp });
                }
                State::Sealed { length, came } => {
                    let taken = split_up_to(bytes, u64::from(length - came)).len();
                    let came = came + u32::try_from(taken).unwrap_or(u32::MAX);
                    self.state = State::Sealed { length, came };
                    self.last = Some(stamp);
                    if came == length {
                        return self.take_sealed(stamp);
                    }
                }
                State::Scanning => {
                    if let Some(skipped) = self.scan(bytes, stamp) {
                        return Some(skipped);
                    }
                }
                State::Synchronised => match self.frame(bytes, stamp) {
                    Step::Message(length) => {
                        let offset = self.at;
                        let first = self.first.take().unwrap_or(stamp);
                        self.at += length as u64;
                        let bytes = if self.buffer.is_empty() {
                            split_up_to(bytes, length as u64)
                        } else {
                            self.is_taken = true;
                            &self.buffer
                        };
                        return Some(Framed::Message { offset, bytes, first, last: stamp });
                    }
                    // A SASL buffer of no bytes is whole with its length.
                    Step::Sealed(0) => return self.take_sealed(stamp),
                    Step::Sealed(_) | Step::Waiting => {}
                    Step::Error(error) => self.begin_scan(error, self.first.unwrap_or(stamp), stamp),
                },
            }
        }
        None
    }

    /// Says that the bytes from [`Self::end`] up to the stream offset `to` will not come.
    pub fn gap(&mut self, to: u64, out: &mut impl FnMut(Framed<'_, S>)) {
        if to <= self.end() {
            return;
        }
        self.state = match self.state {
            State::Synchronised => {
                let declared = match message_length(&self.buffer[..self.held()]) {
                    Ok(Some(length)) => self.at + length as u64,
                    _ => 0,
                };
                self.hand_out_cut(true, out);
                within(declared, to)
            }
            State::Sealed { length, came } => {
                let end = self.at + LENGTH as u64 + u64::from(length);
                if let Some(first) = self.first {
                    let last = self.last.unwrap_or(first);
                    out(Framed::Sealed { offset: self.at, length, came, first, last });
                }
                within(end, to)
            }
            State::Scanning => {
                self.skip_held();
                State::Scanning
            }
            State::Discarding(end) => within(end, to),
            State::Tls => State::Tls,
        };
        self.is_taken = false;
        self.clear();
        self.at = to;
    }

    /// Says that the stream has ended.
    pub fn finish(&mut self, out: &mut impl FnMut(Framed<'_, S>)) {
        match self.state {
            State::Synchronised => self.hand_out_cut(false, out),
            State::Sealed { length, came } => {
                if let Some(first) = self.first {
                    let last = self.last.unwrap_or(first);
                    out(Framed::Sealed { offset: self.at, length, came, first, last });
                }
            }
            State::Scanning => self.skip_held(),
            State::Discarding(_) | State::Tls => {}
        }
        if let Some(skipped) = self.take_skipped() {
            out(skipped);
        }
        self.clear();
    }

    /// Looks at the next bytes as those of a message or a SASL buffer. A message is left where it is if it is whole there;
    /// otherwise its bytes go into the buffer.
    fn frame(&mut self, bytes: &mut &[u8], stamp: S) -> Step {
        if self.buffer.is_empty() {
            if self.may_be_tls && bytes[0] == TLS_HANDSHAKE {
                self.state = State::Tls;
                return Step::Waiting;
            }
            if let Ok(Some(length)) = message_length(bytes)
                && length <= bytes.len()
            {
                return Step::Message(length);
            }
            self.first = Some(stamp);
        }
        loop {
            let is_sealed = self.may_seal && self.buffer.first().is_some_and(|first| *first != SEQUENCE);
            let needed = match is_sealed {
                true => match self.buffer.first_chunk() {
                    Some(&length) => return self.begin_sealed(u32::from_be_bytes(length), stamp),
                    None => LENGTH,
                },
                false => match message_length(&self.buffer) {
                    Ok(Some(length)) if length == self.buffer.len() => return Step::Message(length),
                    Ok(Some(length)) => length,
                    Ok(None) => self.buffer.len() + 1,
                    Err(error) => return Step::Error(error),
                },
            };
            if bytes.is_empty() {
                return Step::Waiting;
            }
            let taken = split_up_to(bytes, (needed - self.buffer.len()) as u64);
            self.buffer.extend_from_slice(taken);
        }
    }

    fn begin_sealed(&mut self, length: u32, stamp: S) -> Step {
        if length > MAX_SEALED {
            let kind = ErrorKind::Length { declared: length.into(), least: 0, most: u64::from(MAX_SEALED) };
            return Step::Error(Error { layer: LAYER, field: "SASL buffer", offset: 0, kind });
        }
        // A buffer that was looked for was recognised by what is behind its length.
        let came = u32::try_from(self.buffer.len() - LENGTH).unwrap_or(length).min(length);
        self.buffer.clear();
        self.last = Some(stamp);
        self.state = State::Sealed { length, came };
        Step::Sealed(length)
    }

    fn take_sealed(&mut self, last: S) -> Option<Framed<'static, S>> {
        let State::Sealed { length, came } = self.state else { return None };
        let offset = self.at;
        self.at += LENGTH as u64 + u64::from(length);
        self.state = State::Synchronised;
        let first = self.first.take().unwrap_or(last);
        Some(Framed::Sealed { offset, length, came, first, last })
    }

    /// What is in the buffer begins nothing.
    fn begin_scan(&mut self, error: Error, first: S, stamp: S) {
        self.state = State::Scanning;
        self.skip = Some(Skip { offset: self.at, length: 0, first, sample: Vec::new(), error });
        self.first = None;
        if !self.buffer.is_empty() {
            // The bytes behind the first may have come in later pieces; a header is short enough not to care.
            self.pieces.push((self.at, first));
            self.pieces.push((self.at + 1, stamp));
        }
    }

    /// Looks for the next plausible header in the buffer and the next bytes.
    fn scan(&mut self, bytes: &mut &[u8], stamp: S) -> Option<Framed<'static, S>> {
        let held = self.buffer.len();
        self.pieces.push((self.end(), stamp));
        let mut window = std::mem::take(&mut self.buffer);
        window.extend_from_slice(bytes);
        // What was refused is not looked at again.
        let refused = usize::from(self.skip.as_ref().is_some_and(|skip| skip.length == 0));
        let stop = (refused..window.len())
            .map(|i| (i, self.begins(&window[i..])))
            .find(|(_, begins)| *begins != Some(false));
        let passed = stop.map_or(window.len(), |(i, _)| i);
        self.note_skipped(&window, passed);
        self.at += passed as u64;
        let at = self.at;
        let begin = self.pieces.iter().rposition(|(begin, _)| *begin <= at).unwrap_or(0);
        self.pieces.drain(..begin);
        match stop {
            Some((_, Some(true))) => {
                self.state = State::Synchronised;
                let first = self.pieces.first().map_or(stamp, |(_, stamp)| *stamp);
                self.pieces.clear();
                if passed < held {
                    window.truncate(held);
                    self.buffer = window.split_off(passed);
                    self.first = Some(first);
                } else {
                    *bytes = &bytes[passed - held..];
                }
                self.take_skipped()
            }
            _ => {
                *bytes = &[];
                self.buffer = window.split_off(passed);
                None
            }
        }
    }

    /// Whether a header begins here; `None` where that is not known yet.
    fn begins(&self, bytes: &[u8]) -> Option<bool> {
        if self.may_seal && bytes[0] == 0 { is_plausibly_sealed(bytes) } else { looks_like_ldap(bytes) }
    }

    /// Passes over the first `length` of the bytes. Of what is skipped, all of them say what is wrong with the first.
    fn note_skipped(&mut self, bytes: &[u8], length: usize) {
        if length == 0 {
            return;
        }
        let Some((_, first)) = self.pieces.iter().rfind(|(begin, _)| *begin <= self.at) else { return };
        let offset = self.at;
        let skip = self.skip.get_or_insert_with(|| {
            let error = match message_length(bytes) {
                Err(error) => error,
                Ok(_) => ber::malformed("messageID", 0, "no plausible header of a message"),
            };
            Skip { offset, length: 0, first: *first, sample: Vec::new(), error }
        });
        skip.length += length as u64;
        let room = SAMPLE.saturating_sub(skip.sample.len()).min(length);
        skip.sample.extend_from_slice(&bytes[..room]);
    }

    /// Skips what was kept while scanning.
    fn skip_held(&mut self) {
        let held = std::mem::take(&mut self.buffer);
        self.note_skipped(&held, held.len());
        self.at += held.len() as u64;
    }

    fn take_skipped(&mut self) -> Option<Framed<'static, S>> {
        let Skip { offset, length, first, sample, error } = self.skip.take()?;
        (length > 0).then_some(Framed::Skipped { offset, length, first, sample, error })
    }

    fn hand_out_cut(&mut self, by_gap: bool, out: &mut impl FnMut(Framed<'_, S>)) {
        if let Some(first) = self.first.take()
            && !self.is_taken
            && !self.buffer.is_empty()
        {
            out(Framed::Cut { offset: self.at, bytes: &self.buffer, first, by_gap });
        }
    }

    fn clear(&mut self) {
        self.buffer.clear();
        self.buffer.shrink_to(USUAL_BUFFER);
        self.pieces.clear();
        self.first = None;
        self.last = None;
    }
}

enum Step {
    /// A message of this length.
    Message(usize),
    /// A SASL buffer of this length has begun.
    Sealed(u32),
    /// More is needed.
    Waiting,
    /// What is there begins nothing.
    Error(Error),
}

/// Where a stream stands at `to` if what a gap cut ends at `end`.
fn within(end: u64, to: u64) -> State {
    match end {
        _ if end > to => State::Discarding(end),
        _ if end == to => State::Synchronised,
        _ => State::Scanning,
    }
}

/// Takes up to `count` bytes from the front.
fn split_up_to<'a>(bytes: &mut &'a [u8], count: u64) -> &'a [u8] {
    let count = usize::try_from(count).unwrap_or(usize::MAX).min(bytes.len());
    let (taken, rest) = bytes.split_at(count);
    *bytes = rest;
    taken
}

/// How long the message is that begins here, with its header; `None` where that is not known yet.
fn message_length(bytes: &[u8]) -> Result<Option<usize>, Error> {
    match bytes.first() {
        None => return Ok(None),
        Some(&SEQUENCE) => {}
        Some(&got) => {
            let kind = ErrorKind::Value { got: got.into(), expected: "a SEQUENCE (0x30)" };
            return Err(Error { layer: LAYER, field: "LDAPMessage", offset: 0, kind });
        }
    }
    if let Some(&form @ LONG_LENGTH..) = bytes.get(1) {
        let most = u64::from(LONG_LENGTH & 0x7f) - 1;
        let kind = ErrorKind::Length { declared: u64::from(form & 0x7f), least: 0, most };
        return Err(Error { layer: LAYER, field: "length", offset: 1, kind });
    }
    let Some((head, length)) = ber::header(bytes, "LDAPMessage")? else { return Ok(None) };
    if length > MAX_MESSAGE - head {
        return Err(ber::too_many("LDAPMessage", 1, length, MAX_MESSAGE - head));
    }
    Ok(Some(head + length))
}

/// Whether bytes, the first of a connection for one, begin like a message: a SEQUENCE of a length that is possible, a
/// message ID, and an operation that there is. `None` where there are too few of them to say.
///
/// ```
/// use volact::directory::looks_like_ldap;
///
/// assert_eq!(looks_like_ldap(b"\x30\x05\x02\x01\x01\x42\x00"), Some(true));
/// assert_eq!(looks_like_ldap(b"\x30\x05"), None);
/// assert_eq!(looks_like_ldap(b"GET / HTTP/1.1"), Some(false));
/// ```
#[must_use]
pub fn looks_like_ldap(bytes: &[u8]) -> Option<bool> {
    let length = match message_length(bytes) {
        Ok(length) => length?,
        Err(_) => return Some(false),
    };
    let (head, _) = ber::header(bytes, "LDAPMessage").ok().flatten()?;
    let inner = &bytes[head..];
    if *inner.first()? != INTEGER {
        return Some(false);
    }
    let id = usize::from(*inner.get(1)?);
    if !(1..=4).contains(&id) || inner.get(2)? & 0x80 != 0 {
        return Some(false);
    }
    let operation = inner.get(2 + id)?;
    Some(OPERATIONS.contains(operation) && head + 2 + id + 2 <= length)
}

/// Whether bytes begin like a SASL buffer of Kerberos or NTLM: a length that is possible, and the beginning of a token.
fn is_plausibly_sealed(bytes: &[u8]) -> Option<bool> {
    let (length, token) = bytes.split_first_chunk()?;
    let length = u32::from_be_bytes(*length);
    if !(SHORTEST_TOKEN..=MAX_SEALED).contains(&length) {
        return Some(false);
    }
    let token: &[u8; 4] = token.first_chunk()?;
    // A wrap token of RFC 4121 4.2.6.2, of NTLM (MS-NLMP 2.2.2.9), and one in the framing of RFC 2743 3.1.
    Some(token[..2] == [5, 4] || token == &[1, 0, 0, 0] || (token[0] == 0x60 && token[1] >= 0x10))
}

/// The most bytes of a message. An activation object may hold four licences of 5,242,880 bytes each; a message that says
/// to be longer is none, and the next one is looked for behind its header.
pub const MAX_MESSAGE: usize = 24 << 20;

/// The most bytes of a SASL buffer behind its length: its first byte is 0, as no message's is.
pub const MAX_SEALED: u32 = (1 << 24) - 1;

/// The first octet of a length of more than four octets behind it, which no length of a message takes.
const LONG_LENGTH: u8 = 0x85;

/// Bytes of a SASL buffer's length.
const LENGTH: usize = 4;

/// The fewest bytes of a SASL buffer that is looked for.
const SHORTEST_TOKEN: u32 = 16;

/// ContentType of a handshake record (RFC 8446 5.1), with which TLS begins.
const TLS_HANDSHAKE: u8 = 0x16;

/// Most bytes of a [`Framed::Skipped`] that are kept.
const SAMPLE: usize = 32;

/// What is kept of a buffer that was longer.
const USUAL_BUFFER: usize = 64 << 10;

/// Identifier octets of the operations of RFC 4511 4.2 to 4.13.
const OPERATIONS: [u8; 21] = [
    0x60, 0x61, 0x42, 0x63, 0x64, 0x65, 0x73, 0x66, 0x67, 0x68, 0x69, 0x4a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f,
    0x50, 0x77, 0x78, 0x79,
];
