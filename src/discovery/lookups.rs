use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;

use super::lookup::{MAX_SERVERS, MAX_UPDATES};
use super::{
    Answer, Lookup, Message, Name, Opcode, Origin, Outcome, Queries, Question, Record, RecordData,
    RecordType, Transport,
};

/// One side of an exchange of messages: an address, mostly with a port.
pub trait Peer: Copy + Ord {
    /// What all the ports of one machine have in common: its address.
    type Host: Copy + Ord + Hash;

    /// The machine.
    fn host(self) -> Self::Host;

    /// True for the address of a multicast group.
    fn is_group(self) -> bool;
}

impl Peer for IpAddr {
    type Host = Self;

    fn host(self) -> Self {
        self
    }

    fn is_group(self) -> bool {
        self.is_multicast()
    }
}

impl Peer for SocketAddr {
    type Host = IpAddr;

    fn host(self) -> IpAddr {
        self.ip()
    }

    fn is_group(self) -> bool {
        self.ip().is_multicast()
    }
}

/// Pairs queries with their answers, and hands out each question's [`Lookup`] once: when it is answered, when it has
/// waited for [`Self::WAIT`], when too many are open, or at the end.
///
/// Messages come in the order of the capture, with a stamp `S` of the caller's and their time in nanoseconds; without
/// times, nothing expires. A query with the same client (the machine, whatever the port), transport, ID and question as
/// an open one is a retransmission of it. In multicast DNS, where IDs are 0, a response answers whoever asked for the
/// name and type of one of its records. Responses that answer no open lookup are lookups without queries.
#[derive(Debug)]
pub struct Lookups<E: Peer, S> {
    open: BTreeMap<Key<E::Host>, Open<E, S>>,
    /// The open ones by their number.
    order: BTreeMap<u64, Key<E::Host>>,
    /// Until when they wait, those that have times.
    due: BTreeSet<(i64, u64)>,
    /// Those of multicast DNS by the names that they ask for.
    multicast: BTreeMap<Name, BTreeSet<u64>>,
    /// Those that were handed out last, and whether they had been answered.
    recent: LruCache<Key<E::Host>, bool>,
    /// Questions with a truncated answer, and when that came.
    truncated: LruCache<(E::Host, Question), Option<i64>>,
    next: u64,
    counts: Counts,
}

/// What went through [`Lookups`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Queries.
    pub queries: u64,
    /// Responses.
    pub responses: u64,
    /// Messages that are neither queries nor updates: not looked at.
    pub other_opcodes: u64,
    /// Queries without a readable question: not looked at. In multicast DNS, these continue a list of known answers.
    pub without_question: u64,
    /// Questions of a message behind the first [`MAX_QUESTIONS`]: not looked at.
    pub questions_left_out: u64,
    /// Lookups that were handed out.
    pub lookups: u64,
    /// Those of them that were given up because too many were open.
    pub given_up: u64,
}

/// What a response is matched by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Key<H> {
    transport: Transport,
    host: H,
    id: u16,
    opcode: u8,
    question: Question,
}

/// A lookup without its answer.
#[derive(Debug)]
struct Open<E, S> {
    number: u64,
    client: E,
    question: Question,
    queries: Queries<E, S>,
    after_truncation: bool,
}

/// How a message came: from whom to whom, and when.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<E, S> {
    /// Who sent it.
    pub source: E,
    /// Whom it was sent to.
    pub destination: E,
    /// What it came in.
    pub transport: Transport,
    /// The caller's stamp.
    pub stamp: S,
    /// When, in nanoseconds of any clock that does not go back by much.
    pub time: Option<i64>,
}

impl<E: Peer, S: Copy> Default for Lookups<E, S> {
    fn default() -> Self {
        Self {
            open: BTreeMap::new(),
            order: BTreeMap::new(),
            due: BTreeSet::new(),
            multicast: BTreeMap::new(),
            recent: LruCache::new(MAX_RECENT),
            truncated: LruCache::new(MAX_TRUNCATED),
            next: 0,
            counts: Counts::default(),
        }
    }
}

impl<E: Peer, S: Copy> Lookups<E, S> {
    /// Lookups that may be open; beyond that, the oldest is handed out as unanswered.
    pub const MAX_OPEN: usize = 4096;

    /// For how long a lookup waits for its answer behind its last query, in nanoseconds. Resolvers give up earlier.
    pub const WAIT: i64 = WAIT;

    /// What went through so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Lookups that wait for their answer.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// Takes the next message, a query or a response by its QR flag.
    pub fn message(&mut self, arrival: Arrival<E, S>, message: Message, emit: &mut impl FnMut(Lookup<E, S>)) {
        let is_response = message.is_response();
        *if is_response { &mut self.counts.responses } else { &mut self.counts.queries } += 1;
        if let Some(now) = arrival.time {
            self.expire(now, emit);
        }
        if !is_followed(&message) {
            self.counts.other_opcodes += 1;
        } else if is_response {
            self.response(arrival, message, emit);
        } else {
            self.query(arrival, &message, emit);
        }
    }

    fn query(&mut self, arrival: Arrival<E, S>, message: &Message, emit: &mut impl FnMut(Lookup<E, S>)) {
        if message.questions.is_empty() {
            self.counts.without_question += 1;
        }
        self.counts.questions_left_out += message.questions.len().saturating_sub(MAX_QUESTIONS) as u64;
        for question in message.questions.iter().take(MAX_QUESTIONS) {
            let key = Key::of(arrival.source, &arrival, message, question);
            match self.open.get_mut(&key) {
                Some(open) => {
                    let before = open.queries.due();
                    open.queries.again(&arrival);
                    if let Some(due) = before {
                        self.due.remove(&(due, open.number));
                    }
                    self.due.extend(open.queries.due().map(|due| (due, open.number)));
                }
                None => self.begin(key, arrival, message, question, emit),
            }
        }
    }

    fn response(&mut self, arrival: Arrival<E, S>, message: Message, emit: &mut impl FnMut(Lookup<E, S>)) {
        let Arrival { source, destination, transport, stamp, time } = arrival;
        let message = Arc::new(message);
        let announced = (transport == Transport::Mdns).then(|| Announced::of(&message));
        let keys = match &announced {
            Some(announced) => self.open_for(announced, destination),
            None => self.keys_of(&arrival, &message),
        };
        let answer = Answer { server: source, stamp, time, message };
        let mut is_asked = false;
        for key in keys {
            if let Some(open) = self.close(&key) {
                is_asked = true;
                self.end(key, open, Some(answer.clone()), false, emit);
            }
        }
        if !is_asked {
            self.stray(&arrival, announced.as_ref(), answer, emit);
        }
    }

    /// Hands out what has waited too long.
    pub fn expire(&mut self, now: i64, emit: &mut impl FnMut(Lookup<E, S>)) {
        while let Some(&(due, number)) = self.due.first()
            && due <= now
        {
            self.give_up(number, false, emit);
        }
    }

    /// Hands out what is still open, as unanswered.
    pub fn finish(&mut self, emit: &mut impl FnMut(Lookup<E, S>)) {
        while let Some(&number) = self.order.keys().next() {
            self.give_up(number, false, emit);
        }
    }

    fn begin(
        &mut self,
        key: Key<E::Host>,
        arrival: Arrival<E, S>,
        message: &Message,
        question: &Question,
        emit: &mut impl FnMut(Lookup<E, S>),
    ) {
        if self.open.len() >= Self::MAX_OPEN
            && let Some(&oldest) = self.order.keys().next()
        {
            self.give_up(oldest, true, emit);
        }
        self.recent.pop(&key);
        let Arrival { source: client, transport, time, .. } = arrival;
        let after_truncation = transport == Transport::Tcp
            && self.truncated.pop(&(key.host, key.question.clone())).is_some_and(|then| match (then, time) {
                (Some(then), Some(now)) => now.saturating_sub(then) <= Self::WAIT,
                _ => true,
            });
        let queries = Queries::of(&arrival, message, question);
        let number = self.number();
        self.due.extend(queries.due().map(|due| (due, number)));
        if transport == Transport::Mdns {
            self.multicast.entry(key.question.name.clone()).or_default().insert(number);
        }
        self.order.insert(number, key.clone());
        self.open.insert(key, Open { number, client, question: question.clone(), queries, after_truncation });
    }

    /// The open lookups that a response may be to: those of its questions, or without one, those of its ID.
    fn keys_of(&self, arrival: &Arrival<E, S>, message: &Message) -> Vec<Key<E::Host>> {
        if !message.questions.is_empty() {
            return message
                .questions
                .iter()
                .take(MAX_QUESTIONS)
                .map(|question| Key::of(arrival.destination, arrival, message, question))
                .collect();
        }
        let least = Question {
            name: Name::root(),
            rtype: RecordType(0),
            class: super::Class(0),
            unicast_response: false,
        };
        let least = Key::of(arrival.destination, arrival, message, &least);
        let is_same = |key: &Key<E::Host>| {
            (key.transport, key.host, key.id, key.opcode)
                == (least.transport, least.host, least.id, least.opcode)
        };
        self.open.range(&least..).map(|(key, _)| key).take_while(|key| is_same(key)).cloned().collect()
    }

    /// The open lookups of multicast DNS that a response answers, in their order.
    fn open_for(&self, announced: &Announced, client: E) -> Vec<Key<E::Host>> {
        let numbers: BTreeSet<u64> =
            announced.names.iter().filter_map(|name| self.multicast.get(name)).flatten().copied().collect();
        let keys = numbers.iter().filter_map(|number| self.order.get(number));
        keys.filter(|key| announced.answers(key, client)).cloned().collect()
    }

    /// Hands out a response that no open lookup is known of.
    fn stray(
        &mut self,
        arrival: &Arrival<E, S>,
        announced: Option<&Announced>,
        answer: Answer<E, S>,
        emit: &mut impl FnMut(Lookup<E, S>),
    ) {
        let message = Arc::clone(&answer.message);
        let question = message.questions.first().cloned();
        let known = match announced {
            Some(announced) => self
                .recent
                .iter()
                .find(|(key, _)| announced.answers(key, arrival.destination))
                .map(|(_, &was_answered)| was_answered),
            None => question.as_ref().and_then(|question| {
                self.recent.peek(&Key::of(arrival.destination, arrival, &message, question)).copied()
            }),
        };
        let origin = match known {
            Some(true) => Origin::Repeated,
            Some(false) => Origin::Late,
            None => Origin::Unseen,
        };
        let is_announced = announced.is_some() && question.is_none() && origin == Origin::Unseen;
        let outcome = if is_announced {
            Outcome::Announced
        } else {
            Outcome::of(question.as_ref(), arrival.transport, &message)
        };
        self.counts.lookups += 1;
        emit(Lookup {
            number: self.number(),
            client: arrival.destination,
            transport: arrival.transport,
            opcode: message.opcode(),
            id: message.id,
            question,
            origin,
            queries: None,
            after_truncation: false,
            answer: Some(answer),
            outcome,
            given_up: false,
        });
    }

    /// Takes a lookup off all lists.
    fn close(&mut self, key: &Key<E::Host>) -> Option<Open<E, S>> {
        let open = self.open.remove(key)?;
        self.order.remove(&open.number);
        if let Some(due) = open.queries.due() {
            self.due.remove(&(due, open.number));
        }
        let name = &key.question.name;
        if let Some(numbers) = self.multicast.get_mut(name).filter(|_| key.transport == Transport::Mdns) {
            numbers.remove(&open.number);
            if numbers.is_empty() {
                self.multicast.remove(name);
            }
        }
        Some(open)
    }

    fn give_up(&mut self, number: u64, given_up: bool, emit: &mut impl FnMut(Lookup<E, S>)) {
        let Some(key) = self.order.get(&number).cloned() else { return };
        let Some(open) = self.close(&key) else { return };
        self.counts.given_up += u64::from(given_up);
        self.end(key, open, None, given_up, emit);
    }

    fn end(
        &mut self,
        key: Key<E::Host>,
        open: Open<E, S>,
        answer: Option<Answer<E, S>>,
        given_up: bool,
        emit: &mut impl FnMut(Lookup<E, S>),
    ) {
        let question = Some(open.question);
        let outcome = answer.as_ref().map_or(Outcome::Unanswered, |answer| {
            Outcome::of(question.as_ref(), key.transport, &answer.message)
        });
        if outcome == Outcome::Truncated {
            let time = answer.as_ref().and_then(|answer| answer.time);
            self.truncated.put((key.host, key.question.clone()), time);
        }
        self.counts.lookups += 1;
        emit(Lookup {
            number: open.number,
            client: open.client,
            transport: key.transport,
            opcode: Opcode(key.opcode),
            id: key.id,
            question,
            origin: Origin::Query,
            queries: Some(open.queries),
            after_truncation: open.after_truncation,
            outcome,
            given_up,
            answer,
        });
        self.recent.put(key, outcome != Outcome::Unanswered);
    }

    fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }
}

impl<H: Copy> Key<H> {
    fn of<E: Peer<Host = H>, S>(
        client: E,
        arrival: &Arrival<E, S>,
        message: &Message,
        question: &Question,
    ) -> Self {
        Self {
            transport: arrival.transport,
            host: client.host(),
            id: message.id,
            opcode: message.opcode().0,
            question: Question { unicast_response: false, ..question.clone() },
        }
    }
}

impl<E: Peer, S: Copy> Queries<E, S> {
    fn of(arrival: &Arrival<E, S>, message: &Message, question: &Question) -> Self {
        let is_multicast = arrival.transport == Transport::Mdns;
        let is_known = |record: &&Record| record.name == question.name && record.rtype == question.rtype;
        let known = if is_multicast { message.answers.iter().filter(is_known).count() } else { 0 };
        let of_update = if message.opcode() == Opcode::UPDATE { message.authorities.as_slice() } else { &[] };
        let updates: Vec<Record> =
            of_update.iter().filter(|record| is_short(&record.data)).take(MAX_UPDATES).cloned().collect();
        Self {
            count: 1,
            first: arrival.stamp,
            first_time: arrival.time,
            last: arrival.stamp,
            last_time: arrival.time,
            servers: vec![arrival.destination],
            flags: message.flags,
            known_answers: u32::try_from(known).unwrap_or(u32::MAX),
            is_probe: is_multicast && !message.authorities.is_empty(),
            left_out: u32::try_from(of_update.len() - updates.len()).unwrap_or(u32::MAX),
            updates,
        }
    }

    /// Until when an answer is waited for.
    fn due(&self) -> Option<i64> {
        self.last_time.map(|last| last.saturating_add(WAIT))
    }

    fn again(&mut self, arrival: &Arrival<E, S>) {
        self.count = self.count.saturating_add(1);
        self.last = arrival.stamp;
        self.last_time = arrival.time.or(self.last_time);
        if self.servers.contains(&arrival.destination) {
            return;
        }
        if self.servers.len() < MAX_SERVERS {
            self.servers.push(arrival.destination);
        } else {
            self.left_out = self.left_out.saturating_add(1);
        }
    }
}

/// The names and types that a response of multicast DNS has records of.
struct Announced {
    names: BTreeSet<Name>,
    types: BTreeSet<(Name, RecordType)>,
}

impl Announced {
    fn of(message: &Message) -> Self {
        Self {
            names: message.answers.iter().map(|record| record.name.clone()).collect(),
            types: message.answers.iter().map(|record| (record.name.clone(), record.rtype)).collect(),
        }
    }

    /// True where it answers a question of multicast DNS whose client can have got it. NSEC says which types a name has,
    /// and by that, which it lacks (RFC 6762 6.1).
    fn answers<E: Peer>(&self, key: &Key<E::Host>, client: E) -> bool {
        let Key { transport: Transport::Mdns, host, question: Question { name, rtype, .. }, .. } = key else {
            return false;
        };
        let has = |rtype| self.types.contains(&(name.clone(), rtype));
        (client.is_group() || *host == client.host())
            && (has(*rtype)
                || has(RecordType::CNAME)
                || has(NSEC)
                || *rtype == RecordType::ANY && self.names.contains(name))
    }
}

/// True for messages whose answer is waited for.
fn is_followed(message: &Message) -> bool {
    matches!(message.opcode(), Opcode::QUERY | Opcode::UPDATE)
}

/// True for data that is a name at most.
fn is_short(data: &RecordData) -> bool {
    match data {
        RecordData::Txt(_) => false,
        RecordData::Other(data) => data.is_empty(),
        _ => true,
    }
}

/// Questions of one message that are looked at. Nobody asks more than one but in multicast DNS.
pub const MAX_QUESTIONS: usize = 16;

/// [`Lookups::WAIT`].
pub(super) const WAIT: i64 = 30_000_000_000;

/// Types a name has (RFC 4034 section 4).
const NSEC: RecordType = RecordType(47);

/// Lookups that are remembered behind their end, so that another answer is known for what it is.
const MAX_RECENT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);

/// Truncated answers that are remembered until the question comes over TCP.
const MAX_TRUNCATED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);
