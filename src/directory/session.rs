use std::collections::VecDeque;

use crate::wire::{Error, Side};

use super::oid;
use super::{
    ActivationObject, Authentication, BindRequest, BindResponse, Entry, Framed, Framer, LdapResult,
    MAX_REFERRALS, Message, Operation, ResultCode, SearchRequest,
};

/// A connection: requests and the responses to them, joined by message ID, as long as they can be read.
///
/// Bytes of each side come in stream order, in pieces of any size, each with a stamp `S` of the caller's (the packet it
/// came in). What is sealed by SASL is counted, and what is TLS behind StartTLS is handed out as it came. Requests without
/// an answer are handed out at the end.
///
/// It holds a message of each side, [`MAX_OUTSTANDING`] requests, and [`MAX_HELD`] bytes of these and their answers.
///
/// ```
/// use volact::directory::{Event, Session, Side};
///
/// let mut session = Session::default();
/// let mut seen = Vec::new();
/// let mut out = |event: Event<'_, u64>| match event {
///     Event::Operation(exchange) => seen.push((exchange.id, exchange.asked)),
///     _ => {}
/// };
/// session.push(Side::Client, 0, b"\x30\x05\x02\x01\x07\x42\x00", 1, &mut out);
/// session.finish(&mut out);
/// assert_eq!(seen, [(7, Some((1, 1)))]);
/// ```
#[derive(Debug)]
pub struct Session<S> {
    /// Of the client and of the server.
    framers: [Framer<S>; 2],
    /// Operations that are not over, in the order in which they were asked.
    outstanding: VecDeque<Outstanding<S>>,
    /// Bytes of memory that these take, about.
    weight: usize,
    counts: Counts,
}

/// What a [`Session`] hands out.
#[derive(Debug)]
pub enum Event<'a, S> {
    /// A search that is over.
    Search(Box<SearchExchange<S>>),
    /// A step of a bind that is over.
    Bind(Box<BindExchange<S>>),
    /// Another operation that is over, or one that has no response.
    Operation(Box<OtherExchange<S>>),
    /// StartTLS, granted or refused. If it was granted, TLS follows as [`Self::Tls`].
    StartTls(Box<OtherExchange<S>>),
    /// Bytes of TLS.
    Tls {
        /// Who sent them.
        from: Side,
        /// Stream offset of the first of them.
        offset: u64,
        /// The bytes.
        bytes: &'a [u8],
        /// Their stamp.
        stamp: S,
    },
    /// A SASL buffer: what is in it is not known.
    Sealed {
        /// Who sent it.
        from: Side,
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
    /// A message of which not all can be read. What can be is in the other events, unless its end did not come: half an
    /// answer is none.
    Malformed {
        /// Who sent it.
        from: Side,
        /// Stream offset of its first byte.
        offset: u64,
        /// Its bytes that came.
        length: usize,
        /// Stamp of its first byte.
        first: S,
        /// What is wrong, by its place in the message.
        error: Error,
    },
    /// Bytes that are no message.
    Skipped {
        /// Who sent them.
        from: Side,
        /// Stream offset of the first of them.
        offset: u64,
        /// How many.
        length: u64,
        /// Stamp of the first of them.
        first: S,
        /// The first few of them.
        sample: Vec<u8>,
        /// Why they are none.
        error: Error,
    },
}

/// How an operation came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// It was answered.
    Answered,
    /// It has no response: unbind, abandon, a notice that answers nothing.
    NoResponse,
    /// The client gave it up.
    Abandoned,
    /// The connection ended first.
    Unanswered,
    /// Another request has its message ID.
    Replaced,
    /// More operations, or larger ones, are outstanding than are held.
    Forgotten,
}

/// A search and what it found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchExchange<S> {
    /// The message ID.
    pub id: u32,
    /// What was asked; `None` where that was not seen, or cannot be read.
    pub request: Option<SearchRequest>,
    /// Stamps of the request's first and last byte.
    pub asked: Option<(S, S)>,
    /// What was found, in the order in which it came.
    pub found: Vec<Found>,
    /// Entries that are not in [`Self::found`], and references that are not in [`Self::references`], because they are more
    /// than [`MAX_ENTRIES`], [`MAX_REFERRALS`] or [`MAX_HELD`] allow.
    pub left_out: u64,
    /// Where to search on.
    pub references: Vec<String>,
    /// How it ended, if the server said so.
    pub result: Option<LdapResult>,
    /// Stamps of the first byte of the first response and of the last byte of the last.
    pub answered: Option<(S, S)>,
    /// How it came to its end.
    pub ending: Ending,
}

/// An entry that a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// An activation object.
    ActivationObject(Box<ActivationObject>),
    /// Another entry.
    Entry(Entry),
}

/// A step of a bind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindExchange<S> {
    /// The message ID.
    pub id: u32,
    /// Who wants to be believed, and how.
    pub request: Option<BindRequest>,
    /// Stamps of the request's first and last byte.
    pub asked: Option<(S, S)>,
    /// Whether it was.
    pub response: Option<BindResponse>,
    /// Stamps of the response's first and last byte.
    pub answered: Option<(S, S)>,
    /// How it came to its end.
    pub ending: Ending,
}

/// Another operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherExchange<S> {
    /// The message ID.
    pub id: u32,
    /// What was asked.
    pub request: Option<Operation>,
    /// Stamps of the request's first and last byte.
    pub asked: Option<(S, S)>,
    /// What was answered.
    pub response: Option<Operation>,
    /// Stamps of the response's first and last byte.
    pub answered: Option<(S, S)>,
    /// How it came to its end.
    pub ending: Ending,
}

/// How much of what a session saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages, by side.
    pub messages: [u64; 2],
    /// Searches that are over.
    pub searches: u64,
    /// Steps of binds that are over.
    pub binds: u64,
    /// Other operations that are over.
    pub others: u64,
    /// Entries, also those that were left out.
    pub entries: u64,
    /// Entries and references that were left out.
    pub left_out: u64,
    /// Activation objects.
    pub activation_objects: u64,
    /// SASL buffers, by side.
    pub sealed: [u64; 2],
    /// Bytes of them, with their lengths, by side.
    pub sealed_bytes: [u64; 2],
    /// Bytes of TLS, by side.
    pub tls_bytes: [u64; 2],
    /// Messages of which not all can be read.
    pub malformed: u64,
    /// Bytes that are no message, by side.
    pub skipped_bytes: [u64; 2],
}

#[derive(Debug)]
struct Outstanding<S> {
    weight: usize,
    kind: Kind<S>,
}

#[derive(Debug)]
enum Kind<S> {
    Search(Box<SearchExchange<S>>),
    Bind(Box<BindExchange<S>>),
    Other(Box<OtherExchange<S>>),
}

/// The most operations that are outstanding at a time; of more, the oldest are forgotten.
pub const MAX_OUTSTANDING: usize = 256;

/// The most entries of a search that are kept.
pub const MAX_ENTRIES: usize = 4_096;

/// The most bytes of outstanding requests and their answers that are held, about.
pub const MAX_HELD: usize = 32 << 20;

impl<S: Copy> Default for Session<S> {
    fn default() -> Self {
        Self {
            framers: [Framer::default(), Framer::default()],
            outstanding: VecDeque::new(),
            weight: 0,
            counts: Counts::default(),
        }
    }
}

impl<S: Copy> Session<S> {
    /// A connection whose beginning was not seen: the first plausible message, or SASL buffer, is looked for.
    #[must_use]
    pub fn mid_stream() -> Self {
        Self { framers: [Framer::mid_stream(), Framer::mid_stream()], ..Self::default() }
    }

    /// Takes a side's next bytes; `offset` beyond [`Self::end`] is a gap.
    pub fn push(
        &mut self,
        from: Side,
        offset: u64,
        bytes: &[u8],
        stamp: S,
        emit: &mut impl FnMut(Event<'_, S>),
    ) {
        self.gap(from, offset, emit);
        let mut rest = bytes;
        while let Some(framed) = self.framers[from as usize].next(&mut rest, stamp) {
            match framed {
                // What a message says may change what comes next, so the framer must be free again.
                Framed::Message { offset, bytes, first, last } => {
                    let message = Message::parse(bytes);
                    let length = bytes.len();
                    self.message(from, offset, length, message, (first, last), emit);
                }
                framed => note(&mut self.counts, from, framed, emit),
            }
        }
    }

    /// Says that a side's bytes up to the stream offset `to` will not come.
    pub fn gap(&mut self, from: Side, to: u64, emit: &mut impl FnMut(Event<'_, S>)) {
        let Self { framers, counts, .. } = self;
        framers[from as usize].gap(to, &mut |framed: Framed<'_, S>| note(counts, from, framed, emit));
    }

    /// Says that the connection has ended.
    pub fn finish(&mut self, emit: &mut impl FnMut(Event<'_, S>)) {
        let Self { framers, counts, .. } = self;
        for (framer, from) in framers.iter_mut().zip([Side::Client, Side::Server]) {
            framer.finish(&mut |framed: Framed<'_, S>| note(counts, from, framed, emit));
        }
        while !self.outstanding.is_empty() {
            self.end_at(0, Ending::Unanswered, emit);
        }
    }

    /// Stream offset behind the last byte of a side that was pushed.
    #[must_use]
    pub fn end(&self, from: Side) -> u64 {
        self.framers[from as usize].end()
    }

    /// Bytes that are held, about.
    #[must_use]
    pub fn held(&self) -> usize {
        self.framers.iter().map(Framer::held).sum::<usize>() + self.weight
    }

    /// How much of what was seen.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    fn message(
        &mut self,
        from: Side,
        offset: u64,
        length: usize,
        message: Result<Message, Error>,
        stamps: (S, S),
        emit: &mut impl FnMut(Event<'_, S>),
    ) {
        self.counts.messages[from as usize] += 1;
        let mut malformed = |error| {
            self.counts.malformed += 1;
            emit(Event::Malformed { from, offset, length, first: stamps.0, error });
        };
        let message = match message {
            Ok(message) => message,
            Err(error) => return malformed(error),
        };
        if let Some(error) = message.error {
            malformed(error);
        }
        match from {
            Side::Client => self.request(message.id, message.operation, length, stamps, emit),
            Side::Server => self.response(message.id, message.operation, stamps, emit),
        }
    }

    fn request(
        &mut self,
        id: u32,
        operation: Operation,
        length: usize,
        asked: (S, S),
        emit: &mut impl FnMut(Event<'_, S>),
    ) {
        if let Operation::AbandonRequest(abandoned) = operation
            && let Some(at) = self.find(abandoned)
        {
            self.end_at(at, Ending::Abandoned, emit);
        }
        if matches!(operation, Operation::AbandonRequest(_) | Operation::UnbindRequest) {
            let exchange = OtherExchange { ending: Ending::NoResponse, ..OtherExchange::new(id) };
            return self.hand_out(
                Kind::Other(Box::new(OtherExchange {
                    request: Some(operation),
                    asked: Some(asked),
                    ..exchange
                })),
                emit,
            );
        }
        if let Some(at) = self.find(id) {
            self.end_at(at, Ending::Replaced, emit);
        }
        let asked = Some(asked);
        let kind = match operation {
            Operation::SearchRequest(request) => {
                let request = Some(request);
                Kind::Search(Box::new(SearchExchange { request, asked, ..SearchExchange::new(id) }))
            }
            Operation::BindRequest(request) => {
                if matches!(request.authentication, Some(Authentication::Sasl { .. })) {
                    self.framers.iter_mut().for_each(Framer::seal);
                }
                let request = Some(request);
                Kind::Bind(Box::new(BindExchange { request, asked, ..BindExchange::new(id) }))
            }
            request => {
                if is_start_tls(&request) {
                    self.framers.iter_mut().for_each(|framer| framer.expect_tls(true));
                }
                let request = Some(request);
                Kind::Other(Box::new(OtherExchange { request, asked, ..OtherExchange::new(id) }))
            }
        };
        self.begin(kind, length, emit);
    }

    fn response(
        &mut self,
        id: u32,
        operation: Operation,
        stamps: (S, S),
        emit: &mut impl FnMut(Event<'_, S>),
    ) {
        match operation {
            Operation::SearchResultEntry(entry) => {
                if let Some(search) = self.search(id, stamps, emit) {
                    self.add(search, entry);
                }
            }
            Operation::SearchResultReference(uris) => {
                if let Some(search) = self.search(id, stamps, emit) {
                    self.refer(search, uris);
                }
            }
            Operation::SearchResultDone(result) => {
                if let Some(at) = self.search(id, stamps, emit) {
                    if let Some(Outstanding { kind: Kind::Search(search), .. }) = self.outstanding.get_mut(at)
                    {
                        search.result = Some(result);
                    }
                    self.end_at(at, Ending::Answered, emit);
                }
            }
            // It belongs to a search or another operation, and says nothing of its end: it is counted with the messages.
            Operation::IntermediateResponse { .. } => {}
            Operation::BindResponse(response) => {
                let mut exchange = match self.remove(id, |kind| matches!(kind, Kind::Bind(_))) {
                    Some(Kind::Bind(exchange)) => exchange,
                    _ => Box::new(BindExchange::new(id)),
                };
                if response.sasl_credentials_length.is_some() {
                    self.framers.iter_mut().for_each(Framer::seal);
                }
                exchange.response = Some(response);
                exchange.answered = Some(stamps);
                exchange.ending = Ending::Answered;
                self.hand_out(Kind::Bind(exchange), emit);
            }
            response => {
                let mut exchange = match self.remove(id, |kind| matches!(kind, Kind::Other(_))) {
                    Some(Kind::Other(exchange)) => exchange,
                    _ => Box::new(OtherExchange { ending: Ending::NoResponse, ..OtherExchange::new(id) }),
                };
                if exchange.request.as_ref().is_some_and(is_start_tls) || is_start_tls(&response) {
                    let is_granted =
                        response.result().is_some_and(|result| result.code == ResultCode::SUCCESS);
                    self.framers.iter_mut().for_each(|framer| framer.expect_tls(is_granted));
                }
                if exchange.request.is_some() {
                    exchange.ending = Ending::Answered;
                }
                exchange.response = Some(response);
                exchange.answered = Some(stamps);
                self.hand_out(Kind::Other(exchange), emit);
            }
        }
    }

    /// Where the search is that a response belongs to; one that was not seen begins with its response.
    fn search(
        &mut self,
        id: u32,
        (first, last): (S, S),
        emit: &mut impl FnMut(Event<'_, S>),
    ) -> Option<usize> {
        let is_search = |o: &Outstanding<S>| matches!(&o.kind, Kind::Search(search) if search.id == id);
        if !self.outstanding.iter().any(is_search) {
            self.begin(Kind::Search(Box::new(SearchExchange::new(id))), 0, emit);
        }
        let at = self.outstanding.iter().position(is_search)?;
        if let Some(Outstanding { kind: Kind::Search(search), .. }) = self.outstanding.get_mut(at) {
            search.answered = Some((search.answered.map_or(first, |(first, _)| first), last));
        }
        Some(at)
    }

    /// Adds an entry to a search, if there is room.
    fn add(&mut self, at: usize, entry: Entry) {
        self.counts.entries += 1;
        let object = ActivationObject::of(&entry);
        let found = match object {
            Some(object) => {
                self.counts.activation_objects += 1;
                Found::ActivationObject(Box::new(object))
            }
            None => Found::Entry(entry),
        };
        let Some(Outstanding { kind: Kind::Search(search), weight }) = self.outstanding.get_mut(at) else {
            return;
        };
        let more = found.weight();
        if search.found.len() == MAX_ENTRIES || self.weight + more > MAX_HELD {
            search.left_out += 1;
            self.counts.left_out += 1;
        } else {
            search.found.push(found);
            *weight += more;
            self.weight += more;
        }
    }

    /// Adds references to a search, as far as there is room.
    fn refer(&mut self, at: usize, uris: Vec<String>) {
        let Some(Outstanding { kind: Kind::Search(search), weight }) = self.outstanding.get_mut(at) else {
            return;
        };
        for uri in uris {
            let more = uri.len() + OVERHEAD;
            if search.references.len() == MAX_REFERRALS || self.weight + more > MAX_HELD {
                search.left_out += 1;
                self.counts.left_out += 1;
            } else {
                search.references.push(uri);
                *weight += more;
                self.weight += more;
            }
        }
    }

    fn find(&self, id: u32) -> Option<usize> {
        self.outstanding.iter().position(|outstanding| outstanding.kind.id() == id)
    }

    fn begin(&mut self, kind: Kind<S>, length: usize, emit: &mut impl FnMut(Event<'_, S>)) {
        // A request takes more in memory than in its message, but not much more.
        let weight = length.saturating_mul(2) + SMALL;
        while !self.outstanding.is_empty()
            && (self.outstanding.len() >= MAX_OUTSTANDING || self.weight + weight > MAX_HELD)
        {
            self.end_at(0, Ending::Forgotten, emit);
        }
        self.weight += weight;
        self.outstanding.push_back(Outstanding { weight, kind });
    }

    fn remove(&mut self, id: u32, is: impl Fn(&Kind<S>) -> bool) -> Option<Kind<S>> {
        let at = self.outstanding.iter().position(|o| o.kind.id() == id && is(&o.kind))?;
        let Outstanding { weight, kind } = self.outstanding.remove(at)?;
        self.weight -= weight;
        Some(kind)
    }

    fn end_at(&mut self, at: usize, ending: Ending, emit: &mut impl FnMut(Event<'_, S>)) {
        let Some(Outstanding { weight, mut kind }) = self.outstanding.remove(at) else { return };
        self.weight -= weight;
        match &mut kind {
            Kind::Search(exchange) => exchange.ending = ending,
            Kind::Bind(exchange) => exchange.ending = ending,
            Kind::Other(exchange) => exchange.ending = ending,
        }
        self.hand_out(kind, emit);
    }

    fn hand_out(&mut self, kind: Kind<S>, emit: &mut impl FnMut(Event<'_, S>)) {
        emit(match kind {
            Kind::Search(exchange) => {
                self.counts.searches += 1;
                Event::Search(exchange)
            }
            Kind::Bind(exchange) => {
                self.counts.binds += 1;
                Event::Bind(exchange)
            }
            Kind::Other(exchange) => {
                self.counts.others += 1;
                if exchange.request.iter().chain(&exchange.response).any(is_start_tls) {
                    Event::StartTls(exchange)
                } else {
                    Event::Operation(exchange)
                }
            }
        });
    }
}

impl<S> SearchExchange<S> {
    fn new(id: u32) -> Self {
        Self {
            id,
            request: None,
            asked: None,
            found: Vec::new(),
            left_out: 0,
            references: Vec::new(),
            result: None,
            answered: None,
            ending: Ending::Unanswered,
        }
    }

    /// The activation objects that were found.
    pub fn activation_objects(&self) -> impl Iterator<Item = &ActivationObject> {
        self.found.iter().filter_map(|found| match found {
            Found::ActivationObject(object) => Some(&**object),
            Found::Entry(_) => None,
        })
    }

    /// True where activation objects were searched for or found.
    #[must_use]
    pub fn is_activation(&self) -> bool {
        self.request.as_ref().is_some_and(super::is_activation_search)
            || self.activation_objects().next().is_some()
    }
}

impl<S> BindExchange<S> {
    fn new(id: u32) -> Self {
        Self { id, request: None, asked: None, response: None, answered: None, ending: Ending::Unanswered }
    }
}

impl<S> OtherExchange<S> {
    fn new(id: u32) -> Self {
        Self { id, request: None, asked: None, response: None, answered: None, ending: Ending::Unanswered }
    }
}

impl Found {
    /// The entry's DN.
    #[must_use]
    pub fn dn(&self) -> &str {
        match self {
            Self::ActivationObject(object) => &object.dn,
            Self::Entry(entry) => &entry.dn,
        }
    }

    fn weight(&self) -> usize {
        match self {
            Self::ActivationObject(object) => object.weight(),
            Self::Entry(entry) => entry.weight(),
        }
    }
}

impl<S> Kind<S> {
    fn id(&self) -> u32 {
        match self {
            Self::Search(exchange) => exchange.id,
            Self::Bind(exchange) => exchange.id,
            Self::Other(exchange) => exchange.id,
        }
    }
}

impl Ending {
    /// The name in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NoResponse => "no response",
            Self::Abandoned => "abandoned",
            Self::Unanswered => "unanswered",
            Self::Replaced => "replaced",
            Self::Forgotten => "forgotten",
        }
    }
}

fn is_start_tls(operation: &Operation) -> bool {
    match operation {
        Operation::ExtendedRequest { oid, .. } | Operation::ExtendedResponse { oid: Some(oid), .. } => {
            oid == oid::START_TLS
        }
        _ => false,
    }
}

/// Hands out what is no whole message.
fn note<S: Copy>(
    counts: &mut Counts,
    from: Side,
    framed: Framed<'_, S>,
    emit: &mut impl FnMut(Event<'_, S>),
) {
    emit(match framed {
        // A message that is cut is read for what it lacks only.
        Framed::Message { offset, bytes, first, .. } | Framed::Cut { offset, bytes, first, .. } => {
            let (Err(error) | Ok(Message { error: Some(error), .. })) = Message::parse(bytes) else { return };
            counts.malformed += 1;
            Event::Malformed { from, offset, length: bytes.len(), first, error }
        }
        Framed::Sealed { offset, length, came, first, last } => {
            counts.sealed[from as usize] += 1;
            counts.sealed_bytes[from as usize] += 4 + u64::from(came);
            Event::Sealed { from, offset, length, came, first, last }
        }
        Framed::Tls { offset, bytes, stamp } => {
            counts.tls_bytes[from as usize] += bytes.len() as u64;
            Event::Tls { from, offset, bytes, stamp }
        }
        Framed::Skipped { offset, length, first, sample, error } => {
            counts.skipped_bytes[from as usize] += length;
            Event::Skipped { from, offset, length, first, sample, error }
        }
    });
}

/// What an exchange takes beside its bytes.
const SMALL: usize = 512;

/// What a text takes beside its bytes.
const OVERHEAD: usize = 24;
