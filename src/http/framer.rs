use std::collections::VecDeque;

use crate::wire::{Error, ErrorKind};

use super::head::{is_continuation, no_start_line};
use super::message::{Asked, framing, is_upgrade, note};
use super::{Anomaly, Cut, Framing, Head, Headers, MAX_HEAD, MAX_START_LINE, Message};

/// Cuts one direction of an HTTP/1.1 or HTTP/1.0 connection into messages.
///
/// Bytes come in stream order, in pieces of any size, each with a stamp `S` of the caller's (the packet it came in).
/// Behind bytes that are no message, and behind a gap whose end lies in no body of known length, the framer looks for the
/// next plausible start line and goes on there; what it passed over is handed out as [`Framed::Skipped`]. Every byte that
/// comes is part of just one [`Framed::Message`], [`Framed::Skipped`] or [`Framed::Raw`], and how the stream is cut into
/// pieces changes nothing but the stamps (and the pieces of [`Framed::Raw`]).
///
/// A framer holds at most one message: a head of [`MAX_HEAD`], [`MAX_BODY`] and [`MAX_TRAILERS`] bytes, and one line.
///
/// ```
/// use volact::http::{Framed, Framer};
///
/// let mut seen = Vec::new();
/// let mut framer = Framer::responses();
/// framer.expect("POST");
/// let stream = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
/// framer.push(0, stream, "packet 7", &mut |framed: Framed<'_, _>| {
///     if let Framed::Message(message) = framed {
///         seen.push((message.head.status(), message.body, message.last));
///     }
/// });
/// assert_eq!(seen, [(Some(200), b"hello".to_vec(), "packet 7")]);
/// ```
#[derive(Debug)]
pub struct Framer<S> {
    kind: Kind,
    /// Bytes of which it is not known yet what they are: a line without its end.
    line: Vec<u8>,
    /// Stream offset of the first of them; of the next byte where there are none.
    at: u64,
    /// The stream offsets at which the line's pieces begin, and their stamps.
    pieces: Vec<(u64, S)>,
    state: State<S>,
    /// Empty lines in front of a start line that is still to come.
    leading: Option<Skip<S>>,
    skip: Option<Skip<S>>,
    /// What the responses to come are to.
    asked: VecDeque<Asked>,
    /// Number of the first of them.
    answered: u64,
    /// True where another protocol begins behind the message that is being read.
    is_upgrading: bool,
}

/// What a [`Framer`] hands out.
#[derive(Debug)]
pub enum Framed<'a, S> {
    /// A message has begun. Each has a head, and is handed out as [`Framed::Message`] later.
    Head {
        /// Stream offset of the start line's first byte.
        offset: u64,
        /// Stamp of that byte.
        first: S,
        /// The head; of a message that is cut inside it, the lines that are whole.
        head: &'a Head,
    },
    /// A message, whole or cut.
    Message(Box<Message<S>>),
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
    /// What follows is another protocol's, and is handed out raw.
    Upgraded {
        /// Stream offset of its first byte.
        offset: u64,
    },
    /// Bytes of another protocol.
    Raw {
        /// Stream offset of the first of them.
        offset: u64,
        /// The stamp of all.
        stamp: S,
        /// The bytes.
        bytes: &'a [u8],
    },
}

/// Takes what a [`Framer`] hands out. A closure is one that wants every body.
pub trait Handler<S> {
    /// Takes one thing.
    fn framed(&mut self, framed: Framed<'_, S>);

    /// Says by a message's head whether its body is to be kept. One that is not is counted only.
    fn wants(&mut self, head: &Head) -> bool {
        let _ = head;
        true
    }
}

impl<S, F: FnMut(Framed<'_, S>)> Handler<S> for F {
    fn framed(&mut self, framed: Framed<'_, S>) {
        self(framed);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Requests,
    Responses,
}

#[derive(Debug)]
enum State<S> {
    /// The next byte begins a message.
    Synchronised,
    /// The next start line has to be looked for.
    Scanning,
    /// Inside a message, behind its start line.
    Within(Reading<S>),
    /// The bytes are another protocol's.
    Raw,
}

/// A message that is being read.
#[derive(Debug)]
struct Reading<S> {
    part: Part,
    message: Box<Message<S>>,
    /// True where the body is kept.
    is_wanted: bool,
    /// True where the last field was left out, and so is what it is continued with.
    is_left_out: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Header fields.
    Head,
    /// A body of which so many bytes are still to come.
    Body(u64),
    /// A body up to the connection's end.
    Rest,
    /// The line in front of a chunk.
    ChunkSize,
    /// A chunk of which so many bytes are still to come.
    Chunk(u64),
    /// The line end behind a chunk.
    ChunkEnd,
    /// Trailer fields, of which so many bytes were read.
    Trailers(usize),
}

#[derive(Debug)]
struct Skip<S> {
    offset: u64,
    length: u64,
    first: S,
    sample: Vec<u8>,
    error: Error,
}

impl<S: Copy> Framer<S> {
    /// A framer for what a client sends.
    #[must_use]
    pub fn requests() -> Self {
        Self::new(Kind::Requests)
    }

    /// A framer for what a server sends; [`Self::expect`] tells it what that answers.
    #[must_use]
    pub fn responses() -> Self {
        Self::new(Kind::Responses)
    }

    /// The same for a stream whose beginning was not seen: it looks for the first plausible start line.
    #[must_use]
    pub fn mid_stream(self) -> Self {
        Self { state: State::Scanning, ..self }
    }

    /// Says that a request with this method was sent: responses to HEAD and CONNECT have no body, and each response takes
    /// one request, in order. Where none is expected, a response is read as one to GET.
    ///
    /// A server may answer before the request is whole, so [`Framed::Head`] is the moment to say it. Of more than
    /// [`MAX_EXPECTED`] requests the oldest are forgotten.
    pub fn expect(&mut self, method: &str) {
        if self.asked.len() >= MAX_EXPECTED {
            self.forget(1);
        }
        self.asked.push_back(Asked::of(method));
    }

    /// How many requests are expected to be answered.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.asked.len()
    }

    /// Says that the first so many of the outstanding requests will not be answered, or were in a gap.
    pub fn forget(&mut self, count: usize) {
        let count = count.min(self.asked.len());
        self.asked.drain(..count);
        self.answered += count as u64;
    }

    /// Says of a client's direction that its server has agreed to another protocol (101, or 2xx to CONNECT): what stands
    /// behind the message that is being read is handed out raw. A framer of responses knows by itself.
    pub fn upgrade(&mut self, out: &mut impl Handler<S>) {
        match self.state {
            State::Raw => {}
            State::Within(_) => self.is_upgrading = true,
            State::Synchronised | State::Scanning => {
                self.skip = self.leading.take().or(self.skip.take());
                self.hand_out_skipped(out);
                self.begin_raw(out);
            }
        }
    }

    /// Stream offset behind the last byte that was pushed.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.at + self.line.len() as u64
    }

    /// Bytes that wait for more.
    #[must_use]
    pub fn held(&self) -> usize {
        let within = match &self.state {
            State::Within(Reading { part, message, .. }) => {
                let trailers = if let Part::Trailers(length) = part { *length } else { 0 };
                message.head.length + message.body.len() + trailers
            }
            State::Synchronised | State::Scanning | State::Raw => 0,
        };
        within + self.line.len()
    }

    /// Takes the stream's next bytes; `offset` beyond [`Self::end`] is a gap.
    pub fn push(&mut self, offset: u64, mut bytes: &[u8], stamp: S, out: &mut impl Handler<S>) {
        if offset > self.end() {
            self.gap(offset, out);
        }
        while !bytes.is_empty() {
            bytes = match std::mem::replace(&mut self.state, State::Raw) {
                State::Raw => {
                    out.framed(Framed::Raw { offset: self.at, stamp, bytes });
                    self.at += bytes.len() as u64;
                    return;
                }
                State::Within(reading) if reading.part.is_body() => {
                    self.take_body(reading, bytes, stamp, out)
                }
                state => {
                    self.state = state;
                    self.take_line(bytes, stamp, out)
                }
            };
        }
    }

    /// Says that the bytes from [`Self::end`] up to the stream offset `to` will not come.
    pub fn gap(&mut self, to: u64, out: &mut impl Handler<S>) {
        if to <= self.end() {
            return;
        }
        match std::mem::replace(&mut self.state, State::Scanning) {
            State::Raw => self.state = State::Raw,
            State::Synchronised | State::Scanning => self.pass_everything(),
            State::Within(reading) if reading.part.is_body() => self.lose_body(reading, to, out),
            State::Within(reading) => self.cut(reading, Cut::Gap, out),
        }
        if self.at < to {
            // Behind a message that ends inside the gap, others may have begun there.
            if matches!(self.state, State::Synchronised) {
                self.state = State::Scanning;
            }
            self.hand_out_skipped(out);
            self.at = to;
        }
    }

    /// Says that the stream has ended.
    pub fn finish(&mut self, out: &mut impl Handler<S>) {
        match std::mem::replace(&mut self.state, State::Synchronised) {
            State::Raw => self.state = State::Raw,
            State::Synchronised | State::Scanning => self.pass_everything(),
            State::Within(reading) if reading.part == Part::Rest => self.hand_out(reading.message, out),
            State::Within(reading) => self.cut(reading, Cut::End, out),
        }
        self.hand_out_skipped(out);
    }

    fn new(kind: Kind) -> Self {
        Self {
            kind,
            line: Vec::new(),
            at: 0,
            pieces: Vec::new(),
            state: State::Synchronised,
            leading: None,
            skip: None,
            asked: VecDeque::new(),
            answered: 0,
            is_upgrading: false,
        }
    }

    fn take_body<'a>(
        &mut self,
        mut reading: Reading<S>,
        bytes: &'a [u8],
        stamp: S,
        out: &mut impl Handler<S>,
    ) -> &'a [u8] {
        let left = usize::try_from(reading.part.left()).unwrap_or(usize::MAX);
        let (taken, rest) = bytes.split_at(left.min(bytes.len()));
        let message = &mut reading.message;
        if reading.is_wanted && message.missing == 0 {
            let room = MAX_BODY.saturating_sub(message.body.len()).min(taken.len());
            message.body.extend_from_slice(&taken[..room]);
        }
        message.body_length += taken.len() as u64;
        message.last = stamp;
        self.at += taken.len() as u64;
        self.pass_body(reading, taken.len() as u64, out);
        rest
    }

    /// Bytes of a body up to the stream offset `to` are lost. Where that is beyond what is known of the body, so is the
    /// message's end.
    fn lose_body(&mut self, mut reading: Reading<S>, to: u64, out: &mut impl Handler<S>) {
        let lost = (to - self.at).min(reading.part.left());
        self.at += lost;
        reading.message.missing += lost;
        reading.message.cut = Some(Cut::Gap);
        match reading.part {
            Part::Chunk(left) if left == lost && self.at < to => self.hand_out(reading.message, out),
            _ => self.pass_body(reading, lost, out),
        }
    }

    /// So many bytes of a body came or were lost.
    fn pass_body(&mut self, mut reading: Reading<S>, length: u64, out: &mut impl Handler<S>) {
        reading.part = match reading.part {
            Part::Body(left) if left == length => return self.finish_message(reading.message, out),
            Part::Body(left) => Part::Body(left - length),
            Part::Chunk(left) if left == length => Part::ChunkEnd,
            Part::Chunk(left) => Part::Chunk(left - length),
            part => part,
        };
        self.state = State::Within(reading);
    }

    /// Adds to the line what it lacks, up to its bound.
    fn take_line<'a>(&mut self, bytes: &'a [u8], stamp: S, out: &mut impl Handler<S>) -> &'a [u8] {
        let room = self.line_limit().saturating_sub(self.line.len());
        if room == 0 {
            self.refuse_long_line(out);
            return bytes;
        }
        let part = &bytes[..room.min(bytes.len())];
        let end = part.iter().position(|&byte| byte == b'\n');
        let (taken, rest) = bytes.split_at(end.map_or(part.len(), |end| end + 1));
        self.pieces.push((self.end(), stamp));
        self.line.extend_from_slice(taken);
        if end.is_some() {
            match std::mem::replace(&mut self.state, State::Scanning) {
                State::Synchronised => self.end_first_line(stamp),
                State::Within(reading) => self.end_line(reading, stamp, out),
                State::Scanning | State::Raw => {}
            }
            if matches!(self.state, State::Scanning) {
                self.scan_line(stamp, out);
            }
        }
        rest
    }

    /// The most bytes that the line may have, its end included.
    fn line_limit(&self) -> usize {
        match &self.state {
            State::Synchronised => MAX_START_LINE,
            // A start line may begin anywhere: there has to be room for the longest.
            State::Scanning | State::Raw => 2 * MAX_START_LINE,
            State::Within(Reading { part, message, .. }) => match part {
                Part::Head => MAX_HEAD - message.head.length,
                Part::ChunkSize => MAX_CHUNK_LINE,
                Part::Trailers(length) => MAX_TRAILERS - length,
                Part::ChunkEnd | Part::Body(_) | Part::Rest | Part::Chunk(_) => LINE_END,
            },
        }
    }

    /// The line does not end within its bound.
    fn refuse_long_line(&mut self, out: &mut impl Handler<S>) {
        match std::mem::replace(&mut self.state, State::Scanning) {
            State::Scanning | State::Raw => {
                let passed = self.line.len().saturating_sub(MAX_START_LINE - 1);
                self.pass_over(passed, no_start_line(NOTHING_FOUND));
            }
            State::Synchronised => self.pass_over(0, too_long("start line", MAX_START_LINE)),
            State::Within(reading) => {
                let error = match reading.part {
                    Part::Head => too_long("head", MAX_HEAD),
                    Part::Trailers(_) => too_long("trailers", MAX_TRAILERS),
                    Part::ChunkSize => too_long("chunk size", MAX_CHUNK_LINE),
                    Part::ChunkEnd | Part::Body(_) | Part::Rest | Part::Chunk(_) => no_chunk_end(),
                };
                self.refuse(reading, error, out);
            }
        }
    }

    /// The line in front of which a message ended is whole; where it begins none, the framer goes on scanning.
    fn end_first_line(&mut self, stamp: S) {
        if is_empty_line(&self.line) {
            let first = self.first_stamp(stamp);
            let error = no_start_line("there are empty lines only");
            note_skipped(&mut self.leading, self.at, &self.line, first, error);
            self.finish_line();
            self.state = State::Synchronised;
            return;
        }
        match self.kind.head_of(&self.line) {
            Ok(head) => self.begin_message(head, stamp),
            Err(error) => self.pass_over(0, error),
        }
    }

    /// A line of a message is whole; where it is none, the message is cut and the framer goes on scanning.
    fn end_line(&mut self, mut reading: Reading<S>, stamp: S, out: &mut impl Handler<S>) {
        let (content, is_bare) = without_line_end(&self.line);
        let is_end = content.is_empty();
        let next = match reading.part {
            Part::Head => {
                reading.message.head.length += self.line.len();
                if !is_end {
                    reading.take_header(content);
                }
                Ok(Part::Head)
            }
            Part::Trailers(length) => {
                if !is_end {
                    reading.take_trailer(content);
                }
                Ok(Part::Trailers(length + self.line.len()))
            }
            Part::ChunkSize => chunk_size(content).map(|size| match size {
                0 => Part::Trailers(0),
                size => Part::Chunk(size),
            }),
            Part::ChunkEnd if is_end => Ok(Part::ChunkSize),
            Part::ChunkEnd | Part::Body(_) | Part::Rest | Part::Chunk(_) => Err(no_chunk_end()),
        };
        let ended = reading.part;
        match next {
            Ok(part) => reading.part = part,
            Err(error) => return self.refuse(reading, error, out),
        }
        if is_bare {
            note(&mut reading.message.anomalies, Anomaly::BareLineFeed);
        }
        reading.message.last = stamp;
        self.finish_line();
        match ended {
            Part::Head if is_end => self.end_head(reading, out),
            Part::Trailers(_) if is_end => self.finish_message(reading.message, out),
            _ => self.state = State::Within(reading),
        }
    }

    /// Looks for a start line in a whole line that need not begin with one.
    fn scan_line(&mut self, stamp: S, out: &mut impl Handler<S>) {
        let from = self.line.len().saturating_sub(MAX_START_LINE);
        let found = (from..self.line.len())
            .filter(|&begin| self.kind.may_begin(&self.line[begin..]))
            .take(MAX_CANDIDATES)
            .find_map(|begin| Some((begin, self.kind.head_of(&self.line[begin..]).ok()?)));
        let passed = found.as_ref().map_or(self.line.len(), |(begin, _)| *begin);
        self.pass_over(passed, no_start_line(NOTHING_FOUND));
        if let Some((_, head)) = found {
            self.hand_out_skipped(out);
            self.begin_message(head, stamp);
        }
    }

    /// The line is a start line.
    fn begin_message(&mut self, head: Head, stamp: S) {
        let message = Message {
            offset: self.at,
            length: 0,
            leading: self.leading.take().map_or(0, |leading| leading.length),
            first: self.first_stamp(stamp),
            last: stamp,
            head,
            answers: None,
            framing: Framing::None,
            body: Vec::new(),
            body_length: 0,
            missing: 0,
            trailers: Headers::default(),
            trailers_left_out: 0,
            cut: None,
            anomalies: Vec::new(),
        };
        let mut reading =
            Reading { part: Part::Head, message: Box::new(message), is_wanted: false, is_left_out: false };
        if without_line_end(&self.line).1 {
            note(&mut reading.message.anomalies, Anomaly::BareLineFeed);
        }
        self.is_upgrading = false;
        self.finish_line();
        self.state = State::Within(reading);
    }

    fn end_head(&mut self, mut reading: Reading<S>, out: &mut impl Handler<S>) {
        let asked = self.announce(&mut reading, out);
        let message = &mut reading.message;
        message.framing = framing(&message.head, asked, &mut message.anomalies);
        reading.part = match message.framing {
            Framing::None | Framing::Length(0) => return self.finish_message(reading.message, out),
            Framing::Length(length) => Part::Body(length),
            Framing::Chunked => Part::ChunkSize,
            Framing::UntilClose => Part::Rest,
        };
        reading.is_wanted = out.wants(&message.head);
        self.state = State::Within(reading);
    }

    /// Hands out the head, as far as it is there, and finds what a response is to.
    fn announce(&mut self, reading: &mut Reading<S>, out: &mut impl Handler<S>) -> Asked {
        let message = &mut reading.message;
        let mut asked = Asked::Other;
        if self.kind == Kind::Responses
            && let Some(&first) = self.asked.front()
        {
            asked = first;
            message.answers = Some(self.answered);
            if !message.head.is_interim() {
                self.forget(1);
            }
        }
        self.is_upgrading |= is_upgrade(&message.head, asked);
        out.framed(Framed::Head { offset: message.offset, first: message.first, head: &message.head });
        asked
    }

    fn finish_message(&mut self, message: Box<Message<S>>, out: &mut impl Handler<S>) {
        self.hand_out(message, out);
        if self.is_upgrading {
            self.begin_raw(out);
        } else {
            self.state = State::Synchronised;
        }
    }

    /// Hands out a message that is not whole, with the line that was begun.
    fn cut(&mut self, mut reading: Reading<S>, cut: Cut, out: &mut impl Handler<S>) {
        if reading.part == Part::Head {
            self.announce(&mut reading, out);
        }
        if let Some((_, stamp)) = self.pieces.last() {
            reading.message.last = *stamp;
        }
        self.finish_line();
        reading.message.cut.get_or_insert(cut);
        self.hand_out(reading.message, out);
    }

    /// Hands out a message in front of a line that is none of it; the line is scanned.
    fn refuse(&mut self, mut reading: Reading<S>, error: Error, out: &mut impl Handler<S>) {
        if reading.part == Part::Head {
            self.announce(&mut reading, out);
        }
        let offset = usize::try_from(self.at - reading.message.offset).unwrap_or(usize::MAX);
        reading.message.cut.get_or_insert(Cut::Damaged(error.clone().shifted(offset)));
        self.hand_out(reading.message, out);
        self.pass_over(0, error);
    }

    fn hand_out(&self, mut message: Box<Message<S>>, out: &mut impl Handler<S>) {
        message.length = self.at - message.offset;
        out.framed(Framed::Message(message));
    }

    /// From here on the bytes are another protocol's.
    fn begin_raw(&mut self, out: &mut impl Handler<S>) {
        self.state = State::Raw;
        out.framed(Framed::Upgraded { offset: self.at });
        let ends = self.pieces.iter().skip(1).map(|(begin, _)| *begin).chain([self.end()]);
        let mut rest: &[u8] = &self.line;
        for (&(offset, stamp), end) in self.pieces.iter().zip(ends) {
            let length = usize::try_from(end - offset).unwrap_or(usize::MAX);
            let (bytes, behind) = rest.split_at(length.min(rest.len()));
            out.framed(Framed::Raw { offset, stamp, bytes });
            rest = behind;
        }
        self.finish_line();
    }

    /// The bytes of the line belong to something that was begun or handed out.
    fn finish_line(&mut self) {
        self.at += self.line.len() as u64;
        self.line.clear();
        self.pieces.clear();
    }

    /// The first so many bytes of the line are part of no message. The first refusal of several is the one that is told.
    fn pass_over(&mut self, count: usize, error: Error) {
        let Some(&(_, first)) = self.pieces.first() else { return };
        if let Some(leading) = self.leading.take() {
            self.skip = Some(Skip { error: error.clone(), ..leading });
        }
        note_skipped(&mut self.skip, self.at, &self.line[..count], first, error);
        self.line.drain(..count);
        self.at += count as u64;
        let begin = self.pieces.iter().rposition(|(begin, _)| *begin <= self.at).unwrap_or(0);
        self.pieces.drain(..begin);
        if self.line.is_empty() {
            self.pieces.clear();
        } else {
            self.pieces[0].0 = self.at;
        }
    }

    /// What waits will not become a message.
    fn pass_everything(&mut self) {
        let length = self.line.len();
        let error = match self.skip {
            None if length > 0 => Error::truncated(LAYER, "start line", 0, length + 1, length),
            _ => no_start_line(NOTHING_FOUND),
        };
        self.pass_over(length, error);
        if let Some(leading) = self.leading.take() {
            self.skip = Some(leading);
        }
    }

    fn hand_out_skipped(&mut self, out: &mut impl Handler<S>) {
        if let Some(Skip { offset, length, first, sample, error }) = self.skip.take()
            && length > 0
        {
            out.framed(Framed::Skipped { offset, length, first, sample: &sample, error });
        }
    }

    /// Stamp of the line's first byte.
    fn first_stamp(&self, stamp: S) -> S {
        self.pieces.first().map_or(stamp, |(_, first)| *first)
    }
}

impl Kind {
    /// The head that a line begins, its line end included.
    fn head_of(self, line: &[u8]) -> Result<Head, Error> {
        match self {
            Self::Requests => Head::of_request_line(line),
            Self::Responses => Head::of_status_line(line),
        }
    }

    /// True where a start line can be believed to begin, with anything in front of it.
    fn may_begin(self, bytes: &[u8]) -> bool {
        match self {
            Self::Requests => METHODS.iter().any(|method| {
                bytes.strip_prefix(method.as_bytes()).is_some_and(|behind| behind.first() == Some(&b' '))
            }),
            Self::Responses => bytes.starts_with(b"HTTP/1."),
        }
    }
}

impl Part {
    fn is_body(self) -> bool {
        matches!(self, Self::Body(_) | Self::Rest | Self::Chunk(_))
    }

    /// Bytes that are still to come of a body or chunk, at most.
    fn left(self) -> u64 {
        match self {
            Self::Body(left) | Self::Chunk(left) => left,
            _ => u64::MAX,
        }
    }
}

impl<S> Reading<S> {
    fn take_header(&mut self, line: &[u8]) {
        let Message { head, anomalies, .. } = &mut *self.message;
        self.is_left_out = !head.headers.push_line(line, self.is_left_out, anomalies);
        head.left_out += usize::from(self.is_left_out && !is_continuation(line));
    }

    fn take_trailer(&mut self, line: &[u8]) {
        let Message { trailers, trailers_left_out, anomalies, .. } = &mut *self.message;
        self.is_left_out = !trailers.push_line(line, self.is_left_out, anomalies);
        *trailers_left_out += usize::from(self.is_left_out && !is_continuation(line));
    }
}

fn note_skipped<S>(skip: &mut Option<Skip<S>>, offset: u64, bytes: &[u8], first: S, error: Error) {
    let skip = skip.get_or_insert_with(|| Skip { offset, length: 0, first, sample: Vec::new(), error });
    skip.length += bytes.len() as u64;
    let room = SAMPLE.saturating_sub(skip.sample.len()).min(bytes.len());
    skip.sample.extend_from_slice(&bytes[..room]);
}

/// The size in front of a chunk; its extensions are passed over (RFC 9112 7.1.1).
fn chunk_size(line: &[u8]) -> Result<u64, Error> {
    let end = line.iter().position(|&byte| byte == b';').unwrap_or(line.len());
    let digits = line[..end].trim_ascii();
    let malformed =
        |what| Error { layer: LAYER, field: "chunk size", offset: 0, kind: ErrorKind::Malformed { what } };
    if digits.is_empty() {
        return Err(malformed("no hex digits"));
    }
    digits.iter().try_fold(0u64, |size, &byte| {
        let digit = char::from(byte).to_digit(16).ok_or_else(|| malformed("no hex digits"))?;
        let size = size.checked_mul(16).ok_or_else(|| malformed("a number of more than 64 bits"))?;
        Ok(size + u64::from(digit))
    })
}

/// The line, and true where it ends in a bare line feed.
fn without_line_end(line: &[u8]) -> (&[u8], bool) {
    match line {
        [content @ .., b'\r', b'\n'] => (content, false),
        [content @ .., b'\n'] => (content, true),
        _ => (line, false),
    }
}

fn is_empty_line(line: &[u8]) -> bool {
    without_line_end(line).0.is_empty()
}

#[cold]
fn no_chunk_end() -> Error {
    let what = "no line end behind the chunk";
    Error { layer: LAYER, field: "chunk", offset: 0, kind: ErrorKind::Malformed { what } }
}

#[cold]
fn too_long(field: &'static str, most: usize) -> Error {
    let most = most as u64;
    Error { layer: LAYER, field, offset: 0, kind: ErrorKind::Length { declared: most + 1, least: 1, most } }
}

/// The most bytes of a body that are kept; those beyond are counted.
pub const MAX_BODY: usize = 4 << 20;
/// The most bytes of the line in front of a chunk, its extensions included.
pub const MAX_CHUNK_LINE: usize = 4 << 10;
/// The most bytes of trailer fields.
pub const MAX_TRAILERS: usize = 16 << 10;
/// The most requests whose responses are waited for.
pub const MAX_EXPECTED: usize = 1 << 16;

/// How many skipped bytes are kept to be shown.
const SAMPLE: usize = 64;
/// How many start lines are tried in one line, so that none made of beginnings takes long.
const MAX_CANDIDATES: usize = 32;
const LINE_END: usize = 2;
const LAYER: &str = "http";
const NOTHING_FOUND: &str = "no start line follows";

/// The methods by which a request is found behind other bytes (RFC 9110 9, RFC 5789, RFC 4918 and its kin).
const METHODS: [&str; 18] = [
    "GET",
    "POST",
    "HEAD",
    "PUT",
    "DELETE",
    "CONNECT",
    "OPTIONS",
    "TRACE",
    "PATCH",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "REPORT",
    "SEARCH",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::MAX_HEADERS;
    use proptest::prelude::*;

    /// Notes what a framer hands out, as text: `kind@offset+length first-last ...`.
    #[derive(Default)]
    struct Notes {
        seen: Vec<String>,
        /// Requests with `no` in their target have bodies that are not wanted.
        is_choosy: bool,
    }

    impl Handler<usize> for Notes {
        fn framed(&mut self, framed: Framed<'_, usize>) {
            self.seen.push(match framed {
                Framed::Head { .. } => return,
                Framed::Message(message) => {
                    let Message { offset, length, first, last, body, body_length, missing, cut, .. } =
                        *message;
                    let mut text = format!("message@{offset}+{length} {first}-{last} [");
                    text += &String::from_utf8_lossy(&body);
                    text += "]";
                    if body_length != body.len() as u64 {
                        text += &format!(" of {body_length}");
                    }
                    if missing > 0 {
                        text += &format!(" missing {missing}");
                    }
                    match cut {
                        Some(Cut::Gap) => text + " gap",
                        Some(Cut::End) => text + " end",
                        Some(Cut::Damaged(error)) => format!("{text} {error}"),
                        None => text,
                    }
                }
                Framed::Skipped { offset, length, first, error, .. } => {
                    format!("skipped@{offset}+{length} {first} {error}")
                }
                Framed::Upgraded { offset } => format!("upgraded@{offset}"),
                Framed::Raw { offset, stamp, bytes } => format!("raw@{offset}+{} {stamp}", bytes.len()),
            });
        }

        fn wants(&mut self, head: &Head) -> bool {
            !(self.is_choosy && head.target().is_some_and(|target| target.contains("no")))
        }
    }

    fn frame(mut framer: Framer<usize>, pieces: &[(u64, &[u8])]) -> Vec<String> {
        let mut notes = Notes::default();
        for (stamp, (offset, bytes)) in pieces.iter().enumerate() {
            framer.push(*offset, bytes, stamp, &mut notes);
        }
        framer.finish(&mut notes);
        notes.seen
    }

    fn requests(stream: &str) -> Vec<String> {
        frame(Framer::requests(), &[(0, stream.as_bytes())])
    }

    fn responses(asked: &[&str], stream: &str) -> Vec<String> {
        let mut framer = Framer::responses();
        asked.iter().for_each(|method| framer.expect(method));
        frame(framer, &[(0, stream.as_bytes())])
    }

    fn messages(mut framer: Framer<()>, stream: &[u8]) -> Vec<Message<()>> {
        let mut messages = Vec::new();
        let mut out = |framed: Framed<'_, ()>| {
            if let Framed::Message(message) = framed {
                messages.push(*message);
            }
        };
        framer.push(0, stream, (), &mut out);
        framer.finish(&mut out);
        messages
    }

    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const POST: &str = "POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello";
    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    /// Its chunks begin at 47, 58 and 70.
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
        3;x=\"y\"\r\nabc\r\n00002 \r\nde\r\n0\r\nT: t\r\n\r\n";

    #[test]
    fn pipelined_requests_are_cut_at_their_lengths() {
        let seen = requests(&[GET, POST, GET].concat());
        assert_eq!(seen, ["message@0+27 0-0 []", "message@27+44 0-0 [hello]", "message@71+27 0-0 []"]);
    }

    #[test]
    fn a_message_knows_the_pieces_of_its_first_and_last_byte() {
        let stream = [POST, POST].concat().into_bytes();
        let pieces = [(0, &stream[..41]), (41, &stream[41..60]), (60, &stream[60..])];
        let seen = frame(Framer::requests(), &pieces);
        assert_eq!(seen, ["message@0+44 0-1 [hello]", "message@44+44 1-2 [hello]"]);
    }

    #[test]
    fn chunks_are_joined_and_trailers_kept() {
        let stream = [CHUNKED, OK].concat();
        let (length, behind) = (CHUNKED.len(), OK.len());
        let expected =
            [format!("message@0+{length} 0-0 [abcde]"), format!("message@{length}+{behind} 0-0 [ok]")];
        assert_eq!(responses(&["POST", "GET"], &stream), expected);
        let messages = messages(Framer::responses(), stream.as_bytes());
        assert_eq!(messages[0].trailers.first("t").as_deref(), Some("t"));
        assert_eq!((messages[0].framing, messages[0].anomalies.len()), (Framing::Chunked, 0));
    }

    #[test]
    fn responses_to_head_and_interim_ones_have_no_body() {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n";
        let interim = "HTTP/1.1 100 Continue\r\n\r\n";
        let stream = [head, interim, interim, OK, OK].concat();
        let mut framer = Framer::responses();
        ["HEAD", "POST", "GET"].iter().for_each(|method| framer.expect(method));
        let messages = messages(framer, stream.as_bytes());
        let answers: Vec<_> = messages.iter().map(|m| (m.answers, m.body.len())).collect();
        let expected = [(Some(0), 0), (Some(1), 0), (Some(1), 0), (Some(1), 2), (Some(2), 2)];
        assert_eq!(answers, expected);
    }

    #[test]
    fn forgotten_requests_keep_their_numbers() {
        let mut framer = Framer::responses();
        ["HEAD", "GET", "GET"].iter().for_each(|method| framer.expect(method));
        framer.forget(1);
        assert_eq!(framer.outstanding(), 2);
        assert_eq!(messages(framer, OK.as_bytes())[0].answers, Some(1));
    }

    #[test]
    fn a_response_without_a_length_reaches_to_the_end() {
        let seen = responses(&["GET"], "HTTP/1.0 200 OK\r\n\r\nall\r\nof it");
        assert_eq!(seen, ["message@0+29 0-0 [all\r\nof it]"]);
    }

    #[test]
    fn empty_lines_in_front_of_a_request_are_passed_over() {
        let messages = messages(Framer::requests(), format!("\r\n\n{GET}").as_bytes());
        assert_eq!((messages[0].offset, messages[0].leading, messages[0].length), (3, 3, 27));
        let seen = requests(&format!("{GET}\r\n"));
        assert_eq!(seen[1], "skipped@27+2 0 http: start line at offset 0: there are empty lines only");
    }

    #[test]
    fn bare_line_feeds_are_read_and_noted() {
        let stream = CHUNKED.replace("\r\n", "\n");
        let messages = messages(Framer::responses(), stream.as_bytes());
        assert_eq!((&*messages[0].body, messages[0].is_complete()), (&b"abcde"[..], true));
        assert_eq!(messages[0].anomalies, [Anomaly::BareLineFeed]);
    }

    #[test]
    fn bodies_that_are_not_wanted_are_counted() {
        let stream = [POST.replace("/a", "/no"), POST.to_owned()].concat();
        let mut notes = Notes { is_choosy: true, ..Notes::default() };
        Framer::requests().push(0, stream.as_bytes(), 0, &mut notes);
        assert_eq!(notes.seen, ["message@0+45 0-0 [] of 5", "message@45+44 0-0 [hello]"]);
    }

    #[test]
    fn a_long_body_is_kept_up_to_the_bound_and_counted_beyond() {
        let length = MAX_BODY + 10;
        let head = format!("POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n");
        let mut framer = Framer::requests();
        let mut found = None;
        let mut out = |framed: Framed<'_, ()>| {
            if let Framed::Message(message) = framed {
                found = Some((message.body.len(), message.body_length, message.is_complete()));
            }
        };
        framer.push(0, head.as_bytes(), (), &mut out);
        for chunk in vec![7; length].chunks(99_999) {
            framer.push(framer.end(), chunk, (), &mut out);
            assert!(framer.held() <= head.len() + MAX_BODY);
        }
        assert_eq!(found, Some((MAX_BODY, length as u64, true)));
    }

    #[test]
    fn bytes_that_are_no_message_are_one_complaint_and_the_next_is_found() {
        for (junk, what) in [
            ("\x16\x03\x01junk\njunk", "no request line"),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "this is the preface of HTTP/2"),
            ("SIP / SIP/2.0\r\n", "no version HTTP/1.0 or HTTP/1.1"),
        ] {
            let (length, seen) = (junk.len(), requests(&format!("{GET}{junk}{POST}")));
            assert_eq!(seen[1], format!("skipped@27+{length} 0 http: start line at offset 0: {what}"));
            assert_eq!(seen[2], format!("message@{}+44 0-0 [hello]", 27 + length));
        }
    }

    #[test]
    fn a_known_method_is_found_inside_a_line_and_any_at_its_begin() {
        let seen = requests(&format!("{POST}XX{GET}"));
        assert_eq!(seen[1], "message@44+29 0-0 []");
        let seen = requests(&format!("{POST}X X{GET}"));
        let skipped = "skipped@44+3 0 http: start line at offset 0: no version HTTP/1.0 or HTTP/1.1";
        assert_eq!(seen[1..], [skipped, "message@47+27 0-0 []"]);
    }

    #[test]
    fn a_start_in_the_middle_finds_the_first_message() {
        let stream = format!("rest of a body{GET}{POST}");
        let seen = frame(Framer::requests().mid_stream(), &[(0, stream.as_bytes())]);
        assert_eq!(seen[0], "skipped@0+14 0 http: start line at offset 0: no start line follows");
        assert_eq!(seen[1..], ["message@14+27 0-0 []", "message@41+44 0-0 [hello]"]);
    }

    #[test]
    fn a_damaged_chunk_cuts_its_message() {
        for (from, to, error) in [
            ("3;x", "g;x", "http: chunk size at offset 47: no hex digits"),
            ("3;x", ";x", "http: chunk size at offset 47: no hex digits"),
            ("3;x", "ffffffffffffffff1;x", "http: chunk size at offset 47: a number of more than 64 bits"),
            ("abc\r", "abcd\r", "http: chunk at offset 59: no line end behind the chunk"),
        ] {
            let stream = [&CHUNKED.replace(from, to), OK].concat();
            let seen = responses(&["GET", "GET"], &stream);
            assert_eq!(seen.len(), 3, "{seen:?}");
            assert!(seen[0].ends_with(error), "{} {error}", seen[0]);
            assert!(seen[1].starts_with("skipped@"));
            let begin = stream.len() - OK.len();
            assert_eq!(seen[2], format!("message@{begin}+{} 0-0 [ok]", OK.len()));
        }
    }

    #[test]
    fn lines_and_heads_have_bounds() {
        let start = |length: usize| {
            let target = "x".repeat(length - "GET / HTTP/1.1\r\n".len());
            format!("GET /{target} HTTP/1.1\r\n\r\n")
        };
        assert_eq!(messages(Framer::requests(), start(MAX_START_LINE).as_bytes()).len(), 1);
        let seen = requests(&(start(MAX_START_LINE + 1) + GET));
        assert!(
            seen[0].contains("start line at offset 0: length 8193 is not within 1..=8192"),
            "{}",
            seen[0]
        );
        assert_eq!(seen[1], "message@8195+27 0-0 []");

        let head = |length: usize| format!("GET / HTTP/1.1\r\nA:{}\r\n\r\n", "x".repeat(length - 22));
        assert_eq!(messages(Framer::requests(), head(MAX_HEAD).as_bytes())[0].head.length, MAX_HEAD);
        let seen = requests(&(head(MAX_HEAD + 1) + GET));
        assert_eq!(seen.len(), 3, "{seen:?}");
        assert!(
            seen[0].contains("head at offset 65535: length 65537 is not within 1..=65536"),
            "{}",
            seen[0]
        );
        assert!(seen[1].starts_with("skipped@65535+2 "));

        let chunk = CHUNKED.replace("3;x", &format!("3;{}", "x".repeat(MAX_CHUNK_LINE)));
        let seen = responses(&["GET"], &chunk);
        assert!(seen[0].contains("chunk size at offset 47: length 4097"), "{}", seen[0]);
        let trailers = CHUNKED.replace("T: t", &format!("T: {}", "x".repeat(MAX_TRAILERS)));
        let seen = responses(&["GET"], &trailers);
        assert!(seen[0].contains("trailers at offset 76: length 16385"), "{}", seen[0]);
    }

    #[test]
    fn headers_beyond_the_bound_are_counted_and_a_length_among_them_is_obeyed() {
        let fields: String = (0..MAX_HEADERS + 3).map(|i| format!("F{i}: v\r\n more\r\n")).collect();
        let stream = format!("POST / HTTP/1.1\r\n{fields}Content-Length: 5\r\n\r\nhello{GET}");
        let messages = messages(Framer::requests(), stream.as_bytes());
        assert_eq!((messages.len(), &*messages[0].body), (2, &b"hello"[..]));
        assert_eq!((messages[0].head.headers.0.len(), messages[0].head.left_out), (MAX_HEADERS + 1, 3));
        assert_eq!(messages[0].head.headers.0[MAX_HEADERS - 1].text(), "v more");
    }

    #[test]
    fn a_gap_in_a_body_of_known_length_leads_to_the_next_message() {
        let stream = [POST, GET].concat().into_bytes();
        let seen = frame(Framer::requests(), &[(0, &stream[..41]), (42, &stream[42..])]);
        assert_eq!(seen, ["message@0+44 0-1 [he] of 4 missing 1 gap", "message@44+27 1-1 []"]);
        let seen = frame(Framer::requests(), &[(0, &stream[..41]), (44, &stream[44..])]);
        assert_eq!(seen, ["message@0+44 0-0 [he] missing 3 gap", "message@44+27 1-1 []"]);
    }

    #[test]
    fn a_gap_beyond_the_body_is_followed_by_a_search() {
        let stream = [POST, GET, POST].concat().into_bytes();
        let seen = frame(Framer::requests(), &[(0, &stream[..41]), (50, &stream[50..])]);
        assert_eq!(seen[0], "message@0+44 0-0 [he] missing 3 gap");
        assert_eq!(seen[1], "skipped@50+21 1 http: start line at offset 0: no start line follows");
        assert_eq!(seen[2], "message@71+44 1-1 [hello]");
    }

    #[test]
    fn a_gap_in_a_chunk_is_survived_and_one_beyond_it_cuts() {
        let stream = [CHUNKED, OK].concat().into_bytes();
        let (whole, behind) = (CHUNKED.len(), OK.len());
        let seen = frame(Framer::responses(), &[(0, &stream[..57]), (58, &stream[58..])]);
        assert_eq!(seen[0], format!("message@0+{whole} 0-1 [a] of 4 missing 1 gap"));
        let seen = frame(Framer::responses(), &[(0, &stream[..57]), (62, &stream[62..])]);
        assert_eq!(seen[0], "message@0+59 0-0 [a] missing 2 gap");
        assert_eq!(seen[2], format!("message@{whole}+{behind} 1-1 [ok]"));
        let seen = frame(Framer::responses(), &[(0, &stream[..50]), (52, &stream[52..])]);
        assert_eq!(seen[0], "message@0+50 0-0 [] gap");
    }

    #[test]
    fn a_gap_in_a_head_keeps_the_lines_in_front_of_it() {
        let stream = format!("{OK}{OK}").into_bytes();
        let mut framer = Framer::responses();
        framer.expect("GET");
        let mut seen = Vec::new();
        let mut out = |framed: Framed<'_, ()>| match framed {
            Framed::Message(message) => {
                seen.push((message.offset, message.head.headers.0.len(), message.cut))
            }
            Framed::Head { head, .. } => assert_eq!(head.status(), Some(200)),
            _ => {}
        };
        framer.push(0, &stream[..37], (), &mut out);
        framer.push(38, &stream[38..], (), &mut out);
        assert_eq!(seen, [(0, 1, Some(Cut::Gap)), (OK.len() as u64, 1, None)]);
        assert_eq!(framer.outstanding(), 0);
    }

    #[test]
    fn an_end_inside_a_message_or_a_start_line_is_said() {
        assert_eq!(requests(&POST[..42]), ["message@0+42 0-0 [hel] end"]);
        assert_eq!(requests(&POST[..30]), ["message@0+30 0-0 [] end"]);
        let seen = requests(&POST[..9]);
        assert_eq!(seen, ["skipped@0+9 0 http: start line at offset 0: needed 10 bytes, got 9"]);
    }

    #[test]
    fn behind_an_upgrade_the_bytes_are_handed_out_raw() {
        let connected = "HTTP/1.1 200 Connection established\r\n\r\n";
        let stream = format!("{connected}\x16\x03\x01");
        let expected = ["message@0+39 0-0 []", "upgraded@39", "raw@39+3 0"];
        assert_eq!(responses(&["CONNECT"], &stream), expected);
        let switched = "HTTP/1.1 101 Switching Protocols\r\n\r\nx";
        assert_eq!(responses(&["GET"], switched), ["message@0+36 0-0 []", "upgraded@36", "raw@36+1 0"]);
        let seen = frame(Framer::responses(), &[(0, switched.as_bytes()), (99, b"y")]);
        assert_eq!(seen[2..], ["raw@36+1 0", "raw@99+1 1"]);
    }

    #[test]
    fn a_client_that_upgrades_is_read_raw_from_the_message_on() {
        let connect = b"CONNECT a:443 HTTP/1.1\r\n\r\n";
        let mut framer = Framer::requests();
        let mut notes = Notes::default();
        framer.push(0, connect, 0, &mut notes);
        framer.push(26, b"\x16\x03", 1, &mut notes);
        framer.push(28, b"\x01", 2, &mut notes);
        framer.upgrade(&mut notes);
        framer.push(29, b"\n", 3, &mut notes);
        framer.finish(&mut notes);
        let expected = ["message@0+26 0-0 []", "upgraded@26", "raw@26+2 1", "raw@28+1 2", "raw@29+1 3"];
        assert_eq!(notes.seen, expected);

        let mut framer = Framer::requests();
        let mut notes = Notes::default();
        framer.push(0, &POST.as_bytes()[..40], 0, &mut notes);
        framer.upgrade(&mut notes);
        framer.push(40, &POST.as_bytes()[40..], 1, &mut notes);
        assert_eq!(notes.seen, ["message@0+44 0-1 [hello]", "upgraded@44"]);
    }

    proptest! {
        #[test]
        fn how_a_stream_is_cut_into_pieces_does_not_matter(
            parts in prop::collection::vec(0usize..9, 1..8),
            cuts in prop::collection::vec(0usize..800, 0..12),
        ) {
            let known = [
                OK, CHUNKED, &CHUNKED[..70], "\r\n", "junk\njunk", "\u{1}\u{2}", "HTTP/1.1 ", "5\r\nab\r\n",
                "HTTP/1.1 200\n\n",
            ];
            let stream: Vec<u8> = parts.iter().flat_map(|&part| known[part].bytes()).collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c % stream.len()).chain([0, stream.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<(u64, &[u8])> =
                cuts.windows(2).map(|w| (w[0] as u64, &stream[w[0]..w[1]])).collect();
            let whole = strip(frame(Framer::responses(), &[(0, &stream)]));
            prop_assert_eq!(strip(frame(Framer::responses(), &pieces)), whole);
        }
    }

    /// Without the stamps, which do depend on the pieces.
    fn strip(seen: Vec<String>) -> Vec<String> {
        let without = |text: String| {
            let mut words: Vec<&str> = text.split(' ').collect();
            words.remove(1);
            words.join(" ")
        };
        seen.into_iter().map(without).collect()
    }
}
