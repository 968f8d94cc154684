//! Seeds of all targets, cut from captures and the other inputs that are decoded.
//!
//! - [`Cutter`]: inputs in, [`Seeds`] out; [`CUTS`] says what is cut for which target
//! - [`connections`]: the connections of a capture, as far as seeds have room for them
//! - [`formats`]: how seeds are written
//!
//! Seeds are a minimised set without a fuzzer's help: of things of one shape (a PDU's type, flags and byte order, say, or
//! the types of the PDUs of a stream) the first one is taken, and the same bytes are taken once.
//!
//! What leaves a machine has no product keys: they are masked in what was said in clear, by whole streams. Where one is
//! inside what is encrypted, compressed or in chunks, and could be made visible again, nothing of the connection is cut.

mod connection;
mod cuts;
pub mod formats;

use std::cell::RefCell;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashSet};
use std::hash::{Hash as _, Hasher as _};
use std::io::Read;

use crate::capture::{CaptureError, Comment, MOST_SECRETS, Packet, Packets};
use crate::http::{self, content};
use crate::mak::vamt;
use crate::redact;
use crate::tls::{Event, KeyLog, Session};
use crate::trace::{
    Answer, Carrier, Exchange, InputKind, MakExchange, Notice, NoticeKind, Observer, Options, RingOptions,
    trace_document, trace_packets,
};
use crate::wire::{Hex, Side};

use super::TARGETS;
use connection::Gather;

pub use connection::{Connection, KeptPacket, KeptSegment, Message, Spoken, Turn, connections};
pub use cuts::{CUTS, Cut, Thing, kind_of};

/// What was cut: bytes by target and name.
#[derive(Clone, Debug, Default)]
pub struct Seeds {
    files: BTreeMap<(&'static str, String), Vec<u8>>,
    counts: BTreeMap<&'static str, Counts>,
    contents: HashSet<(&'static str, u64)>,
    shapes: HashSet<(&'static str, u64)>,
    /// Connections, messages and calls that were left out for the key in them.
    pub with_a_key: u64,
    /// Connections of which only a part was kept.
    pub cut_short: u64,
}

/// What became of what was cut for a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Seeds.
    pub seeds: usize,
    /// Those that were like another one.
    pub alike: u64,
    /// Those of more than [`Seeds::MOST_BYTES`], and those behind the first [`Seeds::MOST_SEEDS`].
    pub beyond: u64,
}

impl Seeds {
    /// Bytes of a seed at most.
    pub const MOST_BYTES: usize = 64 << 10;
    /// Seeds of a target at most.
    pub const MOST_SEEDS: usize = 2000;

    /// Each with its target and its name, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str, &[u8])> {
        self.files.iter().map(|((target, name), bytes)| (*target, name.as_str(), bytes.as_slice()))
    }

    /// What became of what was cut for a target.
    #[must_use]
    pub fn counts(&self, target: &str) -> Counts {
        self.counts.get(target).copied().unwrap_or_default()
    }

    fn put(&mut self, target: &'static str, name: &str, shape: Option<&str>, bytes: Vec<u8>) {
        let digest = |value: &[u8]| {
            let mut hasher = DefaultHasher::new();
            value.hash(&mut hasher);
            hasher.finish()
        };
        let counts = self.counts.entry(target).or_default();
        let is_new = shape.is_none_or(|shape| self.shapes.insert((target, digest(shape.as_bytes()))));
        if bytes.len() > Self::MOST_BYTES || counts.seeds == Self::MOST_SEEDS {
            counts.beyond += 1;
        } else if !is_new || !self.contents.insert((target, digest(&bytes))) {
            counts.alike += 1;
        } else {
            counts.seeds += 1;
            let numbered =
                |number: u32| if number == 1 { name.to_owned() } else { format!("{name}_{number}") };
            let mut names = (1..).map(|number| (target, numbered(number)));
            let name =
                names.find(|name| !self.files.contains_key(name)).expect("there is always another number");
            self.files.insert(name, bytes);
        }
    }
}

/// Takes the seeds that are cut of one thing.
pub struct Put<'a> {
    seeds: &'a mut Seeds,
    target: &'static str,
    /// The input, and the number of the connection.
    origin: &'a str,
    by_shape: bool,
}

impl Put<'_> {
    /// Takes a seed: what it is (a part of its name), its shape, of which one is enough (empty: its bytes are), and its
    /// bytes, none for none.
    pub fn seed(&mut self, what: &str, shape: &str, mut bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        redact::bytes(&mut bytes);
        let shape = Some(shape).filter(|shape| self.by_shape && !shape.is_empty());
        let name = if self.origin.is_empty() { what.to_owned() } else { format!("{}.{what}", self.origin) };
        self.seeds.put(self.target, &name, shape, bytes);
    }
}

/// Cuts seeds from inputs, one behind the other.
pub struct Cutter {
    options: Options,
    /// The lines of all key logs.
    secrets: Vec<u8>,
    targets: Vec<(&'static str, Cut)>,
    by_shape: bool,
    seeds: Seeds,
}

impl Cutter {
    /// One for all targets; `key_log` has the lines that `options` was given.
    #[must_use]
    pub fn new(options: &Options, key_log: &[u8]) -> Self {
        Self {
            options: options.clone(),
            secrets: key_log.to_vec(),
            targets: CUTS.to_vec(),
            by_shape: true,
            seeds: Seeds::default(),
        }
    }

    /// One for these targets only.
    #[must_use]
    pub fn only(mut self, targets: &[impl AsRef<str>]) -> Self {
        self.targets.retain(|(target, _)| targets.iter().any(|wanted| wanted.as_ref() == *target));
        self
    }

    /// One that takes all that differs, whatever its shape.
    #[must_use]
    pub fn of_all_shapes(mut self) -> Self {
        self.by_shape = false;
        self
    }

    /// Cuts the packets of an input of this name, of which `first` are the first bytes, where it is one file. What could
    /// not be read is told.
    pub fn packets(&mut self, name: &str, packets: &mut impl Packets, first: &[u8]) -> Vec<Notice> {
        let options = self.options.clone();
        let name = safe(name);
        let cutting = Cutting {
            gather: Some(Gather::new(&options.ports, options.checksums)),
            cutter: self,
            name: &name,
            secrets: Vec::new(),
            hidden: HashSet::new(),
            has_key: false,
            messages: Vec::new(),
            records: Vec::new(),
            beside: 0,
            failures: Vec::new(),
        };
        let cutting = RefCell::new(cutting);
        let mut packets = Tee { packets, cutting: &cutting };
        trace_packets(&mut packets, &options, &mut Told(&cutting));
        cutting.into_inner().finish(first)
    }

    /// Cuts what is no capture, as [`Self::packets`].
    pub fn document(
        &mut self,
        name: &str,
        kind: InputKind,
        mut reader: impl Read,
        rings: &RingOptions,
    ) -> Vec<Notice> {
        /// Bytes that are cut; a document goes on behind them, and is read on.
        const MOST: u64 = 1 << 20;
        let name = safe(name);
        let mut bytes = Vec::new();
        let failure = reader.by_ref().take(MOST).read_to_end(&mut bytes).err();
        let mut masked = bytes.clone();
        redact::bytes(&mut masked);
        masked.truncate(Seeds::MOST_BYTES / 2);
        let of = if kind == InputKind::Ring { &bytes } else { &masked };
        self.cut(&name, &Thing::Document(kind, of, rings));
        let mut observer = Documents { cutter: self, name: &name, failures: Vec::new() };
        match failure {
            None => drop(trace_document(kind, bytes.chain(reader), rings, &mut observer)),
            Some(error) => {
                trace_document(kind, &bytes[..], rings, &mut observer);
                let message = format!("cannot be read: {error}");
                observer.failures.push(Notice::new(NoticeKind::Unreadable, message));
            }
        }
        observer.failures
    }

    /// What was cut.
    #[must_use]
    pub fn finish(self) -> Seeds {
        self.seeds
    }

    fn cut(&mut self, origin: &str, thing: &Thing<'_>) {
        let Self { targets, seeds, by_shape, .. } = self;
        for &(target, cut) in &*targets {
            cut(thing, &mut Put { seeds, target, origin, by_shape: *by_shape });
        }
    }

    /// Cuts a call, unless a key is inside it.
    fn exchange(&mut self, origin: &str, exchange: &Exchange) -> bool {
        let request = exchange.request.as_ref();
        let response = match &exchange.answer {
            Some(Answer::Response(response)) => Some(response),
            _ => None,
        };
        let opened = request.and_then(|request| Some(request.message.as_ref()?.body()?.encode().to_vec()));
        let answered = response.and_then(|response| Some(response.message.as_ref()?.body()?.epid.to_vec()));
        let clear = request.map(|request| request.bytes.clone());
        let hides = [opened, answered, clear].into_iter().flatten().any(|bytes| has_key(&bytes));
        if hides {
            self.seeds.with_a_key += 1;
        } else {
            self.cut(origin, &Thing::Exchange(exchange));
        }
        hides
    }
}

/// Cuts the documents that are no captures.
struct Documents<'a> {
    cutter: &'a mut Cutter,
    name: &'a str,
    failures: Vec<Notice>,
}

impl Observer for Documents<'_> {
    fn mak(&mut self, exchange: &MakExchange) {
        self.cutter.cut(self.name, &Thing::Mak(exchange));
    }

    fn computer(&mut self, computer: &vamt::Computer) {
        self.cutter.cut(self.name, &Thing::Computer(computer));
    }

    fn notice(&mut self, notice: &Notice) {
        if notice.kind.is_failed_input() {
            self.failures.push(notice.clone());
        }
    }
}

/// What is cut while one capture is read.
struct Cutting<'a> {
    cutter: &'a mut Cutter,
    name: &'a str,
    gather: Option<Gather>,
    /// The key logs that the capture carries.
    secrets: Vec<u8>,
    /// Connections in which a key is that cannot be masked where it is.
    hidden: HashSet<u64>,
    /// True once a key was found, masked or not.
    has_key: bool,
    messages: Vec<Message>,
    records: Vec<KeptPacket>,
    /// Bytes of messages and records.
    beside: usize,
    failures: Vec<Notice>,
}

/// Messages of DNS and records of VMBus that are kept of a capture.
const MOST_BESIDE: usize = 200;
/// Bytes of these.
const MOST_BYTES_BESIDE: usize = 48 << 10;

impl Cutting<'_> {
    /// Takes a packet; those that have ended by the one before it are known as a whole now.
    fn packet(&mut self, packet: &Packet<'_>) {
        let Some(gather) = &mut self.gather else { return };
        let ended = gather.take();
        let has_room = self.beside + packet.data.len() <= MOST_BYTES_BESIDE;
        if packet.link.is_user() {
            if has_room && self.records.len() < MOST_BESIDE && !has_key(packet.data) {
                self.beside += packet.data.len();
                self.records.push(KeptPacket::whole(packet));
            }
        } else if let Some(message) = gather.packet(packet)
            && has_room
            && self.messages.len() < MOST_BESIDE
            && !has_key(packet.data)
        {
            self.beside += packet.data.len();
            self.messages.push(message);
        }
        ended.iter().for_each(|connection| self.connection(connection));
    }

    fn origin(&self, stream: u64) -> String {
        format!("{}.{stream}", self.name)
    }

    fn connection(&mut self, connection: &Connection) {
        let origin = self.origin(connection.stream);
        self.has_key |= connection.is_masked;
        let bodies = Bodies::of(&connection.said);
        if self.hidden.contains(&connection.stream) || bodies.has_key {
            self.has_key = true;
            self.cutter.seeds.with_a_key += 1;
            return;
        }
        let spoken = connection.spoken(&self.cutter.options.ports);
        self.cutter.cut(&origin, &Thing::Connection(connection, spoken));
        bodies.found.iter().for_each(|body| self.cutter.cut(&origin, &Thing::Body(body)));
        if spoken == Spoken::Tls {
            self.session(&origin, connection);
        }
    }

    /// Cuts a connection in TLS, with its secrets, unless a key would be seen with them.
    fn session(&mut self, origin: &str, connection: &Connection) {
        let random = opened(connection, &KeyLog::default()).1;
        let random = random.map(|random| Hex(&random).to_string()).unwrap_or_default();
        let lines = [&self.cutter.secrets[..], &self.secrets].concat();
        let lines = lines.split_inclusive(|byte| *byte == b'\n').filter(|line| {
            let mut words = line.split(|byte| *byte == b' ').skip(1);
            words.next().is_some_and(|word| word.eq_ignore_ascii_case(random.as_bytes()))
        });
        let mut lines = lines.collect::<Vec<_>>().concat();
        let (said, _) = opened(connection, &KeyLog::parse(&lines).0);
        let bodies = Bodies::of(&said);
        if bodies.has_key || said.iter().any(|said| has_key(said)) {
            self.cutter.seeds.with_a_key += 1;
            lines.clear();
        } else {
            bodies.found.iter().for_each(|body| self.cutter.cut(origin, &Thing::Body(body)));
        }
        self.cutter.cut(origin, &Thing::Session(connection, &lines));
    }

    fn finish(mut self, first: &[u8]) -> Vec<Notice> {
        let gather = self.gather.take().expect("it ends once");
        let (mut left, cut_short) = gather.finish();
        left.sort_by_key(|connection| connection.stream);
        left.iter().for_each(|connection| self.connection(connection));
        self.cutter.seeds.cut_short += cut_short;
        let (messages, records) = (std::mem::take(&mut self.messages), std::mem::take(&mut self.records));
        if !messages.is_empty() {
            self.cutter.cut(self.name, &Thing::Messages(&messages));
        }
        if !records.is_empty() {
            self.cutter.cut(self.name, &Thing::Records(&records));
        }
        // The file has all that is in it in clear: where there is a key, or secrets of TLS, it is no seed.
        let mut first = first.to_vec();
        if redact::bytes(&mut first) || self.has_key || !self.secrets.is_empty() {
            self.cutter.seeds.with_a_key += 1;
        } else if !first.is_empty() {
            self.cutter.cut(self.name, &Thing::Beginning(&first));
        }
        self.failures
    }
}

/// The packets of a capture, of which seeds are cut on their way to what follows them.
struct Tee<'a, 'b, P> {
    packets: &'a mut P,
    cutting: &'a RefCell<Cutting<'b>>,
}

impl<P: Packets> Packets for Tee<'_, '_, P> {
    fn advance(&mut self) -> Result<bool, CaptureError> {
        let is_there = self.packets.advance()?;
        if is_there {
            self.cutting.borrow_mut().packet(&self.packets.packet());
        }
        Ok(is_there)
    }

    fn packet(&self) -> Packet<'_> {
        self.packets.packet()
    }

    fn offset(&self) -> u64 {
        self.packets.offset()
    }

    fn take_comments(&mut self) -> Vec<Comment> {
        self.packets.take_comments()
    }

    fn comments_left_out(&self) -> u64 {
        self.packets.comments_left_out()
    }

    fn take_secrets(&mut self) -> Vec<u8> {
        let secrets = self.packets.take_secrets();
        let known = &mut self.cutting.borrow_mut().secrets;
        if known.len() + secrets.len() <= MOST_SECRETS {
            known.extend_from_slice(&secrets);
        }
        secrets
    }

    fn secrets_left_out(&self) -> u64 {
        self.packets.secrets_left_out()
    }

    fn skipped_blocks(&self) -> u64 {
        self.packets.skipped_blocks()
    }
}

/// Takes what a capture's packets mean.
struct Told<'a, 'b>(&'a RefCell<Cutting<'b>>);

impl Observer for Told<'_, '_> {
    fn exchange(&mut self, exchange: &Exchange) {
        let cutting = &mut *self.0.borrow_mut();
        let origin = cutting.origin(exchange.stream);
        if cutting.cutter.exchange(&origin, exchange) {
            cutting.hidden.insert(exchange.stream);
            cutting.has_key = true;
        }
    }

    fn mak(&mut self, exchange: &MakExchange) {
        if let Carrier::Stream { stream, .. } = exchange.carrier {
            let cutting = &mut *self.0.borrow_mut();
            let origin = cutting.origin(stream);
            cutting.cutter.cut(&origin, &Thing::Mak(exchange));
        }
    }

    fn notice(&mut self, notice: &Notice) {
        if notice.kind.is_failed_input() {
            self.0.borrow_mut().failures.push(notice.clone());
        }
    }
}

/// The bodies of what two sides say, if it is HTTP.
#[derive(Default)]
struct Bodies {
    /// Those that are XML, without their codings.
    found: Vec<Vec<u8>>,
    /// True where a key is in one, in chunks or behind a coding.
    has_key: bool,
}

impl Bodies {
    fn of(said: &[Vec<u8>; 2]) -> Self {
        let mut bodies = Self::default();
        for (framer, said) in [http::Framer::requests(), http::Framer::responses()].into_iter().zip(said) {
            let is_http =
                said.is_ascii() || said.windows(8).take(200).any(|window| window.starts_with(b"HTTP/1."));
            if !is_http || said.is_empty() {
                continue;
            }
            let mut framer = framer;
            framer.push(0, said, (), &mut bodies);
            framer.finish(&mut bodies);
        }
        bodies
    }
}

impl http::Handler<()> for Bodies {
    fn framed(&mut self, framed: http::Framed<'_, ()>) {
        if let http::Framed::Message(message) = framed {
            let codings = message.head.header("content-encoding").unwrap_or_default();
            let body = content::decode(&codings, &message.body);
            self.has_key |= has_key(&body.bytes);
            if body.bytes.trim_ascii_start().first() == Some(&b'<') {
                self.found.push(body.bytes.into_owned());
            }
        }
    }
}

/// What is inside a connection in TLS, as far as it can be opened, and its client's random.
fn opened(connection: &Connection, key_log: &KeyLog) -> ([Vec<u8>; 2], Option<[u8; 32]>) {
    let mut said: [Vec<u8>; 2] = Default::default();
    let mut session = Session::default();
    let mut ends = [0_u64; 2];
    let mut emit = |event: Event<'_, ()>| {
        if let Event::Data { from, bytes, .. } = event {
            said[from as usize].extend_from_slice(bytes);
        }
    };
    for turn in &connection.turns {
        let bytes = connection.bytes(turn);
        let end = &mut ends[turn.direction as usize];
        *end = turn.range.start as u64;
        session.push(Side::from(turn.direction), *end, bytes, (), key_log, &mut emit);
    }
    session.finish(&mut emit);
    let random = session.info().client_random().copied();
    (said, random)
}

fn has_key(bytes: &[u8]) -> bool {
    redact::bytes(&mut bytes.to_vec())
}

/// A name without what a file's name had better not have: of a path the last part, without its extensions. Product keys
/// in it are masked, too.
fn safe(name: &str) -> String {
    let name = redact::text(name);
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = last.split('.').find(|part| !part.is_empty()).unwrap_or("input");
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' };
    stem.chars().take(MOST_NAME).map(plain).collect()
}

/// Characters of an input's name in that of a seed.
const MOST_NAME: usize = 64;

/// The names of all targets.
pub fn targets() -> impl Iterator<Item = &'static str> {
    TARGETS.iter().map(|(name, _)| *name)
}
