use std::collections::BTreeMap;

use hashbrown::HashMap;

use smallvec::SmallVec;

use crate::capture::{Direction, Endpoint, Stamp};
use crate::catalog::product;
use crate::kms::rijndael::{Block, xor};
use crate::kms::{RequestBody, RequestMessage, ResponseMessage, Version};
use crate::rpc::{Body, Outcome as ContextOutcome, SyntaxId, TransferSyntax};
use crate::trace::{Answer, ConnectionRecord, Exchange, NdrBasis, Outcome, PduContent, PduRecord, Span};
use crate::wire::Guid;

use super::connection::Connection;

/// KMS hosts of which facts are kept, those with the lowest addresses.
pub const MAX_HOSTS: usize = 1024;
/// Answers of a host that are kept, the first ones.
pub const MAX_ANSWERS: usize = 128;
/// Bound connections of a host that are kept, the first ones.
pub const MAX_BINDS: usize = 128;
/// Values of one kind that are kept of a host, those that were seen first.
pub const MAX_VALUES: usize = 32;
/// Connections that are open at a time and of which something is kept.
const MAX_VISITS: usize = 1 << 17;
/// How long after its last answer a host's closing still belongs to that answer, in nanoseconds.
const CLOSING: i64 = 1_000_000_000;

/// What was seen of a KMS host over all its connections in one input.
///
/// How the connections were shared out to judges changes nothing: counters are sums, and what is bounded keeps what
/// the packets brought first.
#[derive(Clone, Debug)]
pub struct HostFacts {
    /// The host.
    pub host: Endpoint,
    /// The first packet that shows something of it.
    pub first: Stamp,
    /// Connections to it.
    pub connections: u64,
    /// Calls of `RequestActivation`.
    pub exchanges: u64,
    /// Those of them that a response answers which could be opened.
    pub answered: u64,
    /// These answers.
    pub answers: Firsts<AnswerFacts, MAX_ANSWERS>,
    /// The ePIDs, and for which product each was given.
    pub epids: Firsts<EpidFacts, MAX_VALUES>,
    /// The HwIds of its version 6 responses.
    pub hwids: Firsts<[u8; 8], MAX_VALUES>,
    /// VLActivationInterval and VLRenewalInterval.
    pub intervals: Firsts<(u32, u32), MAX_VALUES>,
    /// The products (KMSID) that it answered for.
    pub products: Firsts<Guid, MAX_VALUES>,
    /// The products (KMSID) that it refused, where it was asked for one, and with which HRESULT.
    pub refusals: Firsts<(Option<Guid>, u32), MAX_VALUES>,
    /// What it did about versions that do not exist.
    pub unsupported: Firsts<(Version, Behaviour), MAX_VALUES>,
    /// What its bind_acks say.
    pub binds: Firsts<BindFacts, MAX_BINDS>,
    /// What it did about binds with a transfer syntax that does not exist.
    pub unknown_syntax: Firsts<Behaviour, MAX_VALUES>,
    /// Faults under the call_id of their request: that call_id.
    pub faults: Firsts<u32, MAX_VALUES>,
    /// Faults under a call_id that no request without an answer has: that call_id.
    pub stray_faults: Firsts<u32, MAX_VALUES>,
    /// Connections that stayed open after the last answer until the client closed them, and those that the host closed
    /// first (true).
    pub closings: Firsts<bool, 2>,
    /// Other hosts of this input with the same ePID and the same HwId.
    pub twins: Vec<Endpoint>,
}

/// What was seen first: at most `MOST` values, in the order of their packets, and within a packet of their bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firsts<T, const MOST: usize> {
    kept: Vec<(At, T)>,
    /// True where there were more.
    pub more: bool,
}

/// Where a value was seen: its packet, and where it is in what its sender said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct At {
    stamp: Stamp,
    offset: u64,
}

impl At {
    fn order(self) -> (u64, u64) {
        (self.stamp.frame, self.offset)
    }
}

impl From<Stamp> for At {
    fn from(stamp: Stamp) -> Self {
        Self { stamp, offset: 0 }
    }
}

/// An answer that could be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerFacts {
    /// Number of its connection.
    pub stream: u64,
    /// Version in front of the response.
    pub version: Version,
    /// The request's KMSID, CMID and N-Policy, where it could be opened.
    pub asked: Option<(Guid, Guid, u32)>,
    /// Count.
    pub count: u32,
    /// HwId (v6).
    pub hwid: Option<[u8; 8]>,
    /// The salt without its mask (v5, v6), where the request was seen.
    pub salt: Option<Block>,
    /// The response's IV and the request's (v5, v6).
    pub ivs: Option<(Block, Option<Block>)>,
    /// Nanoseconds from the request to the answer.
    pub service_time: Option<i64>,
}

/// An ePID that a host answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpidFacts {
    /// Number of the connection that showed it first.
    pub stream: u64,
    /// The KMSID that it was given for.
    pub kms_id: Option<Guid>,
    /// As it travels: UTF-16LE.
    pub epid: SmallVec<[u8; 128]>,
}

/// What a bind_ack says of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindFacts {
    /// Number of its connection.
    pub stream: u64,
    /// assoc_group_id of the bind: 0 asks for a new group.
    pub asked_group: u32,
    /// assoc_group_id of the bind_ack.
    pub group: u32,
    /// max_xmit_frag of the bind, and max_recv_frag of the bind_ack.
    pub fragments: (u16, u16),
    /// The bytes behind the secondary address.
    pub padding: SmallVec<[u8; 4]>,
    /// True where volume activation was accepted as NDR64, false where it was proposed and rejected.
    pub ndr64: Option<bool>,
}

/// What a host did about something that it cannot do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// It answered as if it could.
    Answered,
    /// It said so, with this HRESULT.
    Refused(u32),
    /// It said so, with a PDU that is made for it.
    Declined,
    /// It closed the connection without a word.
    Dropped,
}

/// The hosts of one input.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    known: BTreeMap<Endpoint, HostFacts>,
    visits: HashMap<u64, Visit>,
}

/// What is kept of a connection until it ends, and with it the address of its host is told.
#[derive(Debug, Default)]
struct Visit {
    /// The bind proposes a transfer syntax that does not exist.
    odd_syntax: Option<Stamp>,
    bind: Option<(Stamp, BindFacts)>,
    last_answer: Option<Stamp>,
    /// The last request of a version that does not exist, where it has no answer.
    unanswered: Option<(Stamp, Version)>,
}

impl<T, const MOST: usize> Default for Firsts<T, MOST> {
    fn default() -> Self {
        Self { kept: Vec::new(), more: false }
    }
}

impl<T: PartialEq, const MOST: usize> Firsts<T, MOST> {
    /// The values, in the order of their packets.
    pub fn iter(&self) -> impl Iterator<Item = &T> + Clone {
        self.kept.iter().map(|(_, value)| value)
    }

    /// The values with the packets that brought them.
    pub fn stamped(&self) -> impl Iterator<Item = (Stamp, &T)> + Clone {
        self.kept.iter().map(|(at, value)| (at.stamp, value))
    }

    /// How many were kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// True where nothing was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// True where what this packet brought would be kept.
    fn wants(&self, at: At) -> bool {
        self.kept.len() < MOST || self.kept.last().is_some_and(|(last, _)| at.order() < last.order())
    }

    /// Keeps a value, beside others that are the same.
    fn push(&mut self, at: At, value: T) {
        let place = self.kept.partition_point(|(kept, _)| kept.order() <= at.order());
        self.kept.insert(place, (at, value));
        if self.kept.len() > MOST {
            self.kept.truncate(MOST);
            self.more = true;
        }
    }

    /// Keeps a value once, with the first packet that brought it.
    fn note(&mut self, at: At, is_it: impl Fn(&T) -> bool, value: impl FnOnce() -> T) {
        match self.kept.iter().position(|(_, kept)| is_it(kept)) {
            Some(known) if self.kept[known].0.order() <= at.order() => {}
            Some(known) => {
                self.kept.remove(known);
                self.push(at, value());
            }
            None if self.wants(at) => self.push(at, value()),
            None => self.more = true,
        }
    }

    fn note_value(&mut self, at: impl Into<At>, value: T)
    where
        T: Copy,
    {
        self.note(at.into(), |known| *known == value, || value);
    }

    fn merge(&mut self, other: Self) {
        self.more |= other.more;
        for (at, value) in other.kept {
            self.push(at, value);
        }
    }

    /// As [`Self::merge`], of values that are kept once.
    fn merge_values(&mut self, other: Self, is_same: impl Fn(&T, &T) -> bool) {
        self.more |= other.more;
        for (at, value) in other.kept {
            match self.kept.iter().position(|(_, known)| is_same(known, &value)) {
                Some(known) if self.kept[known].0.order() <= at.order() => continue,
                Some(known) => drop(self.kept.remove(known)),
                None => {}
            }
            self.push(at, value);
        }
    }
}

impl<T: PartialEq, const MOST: usize> FromIterator<(Stamp, T)> for Firsts<T, MOST> {
    fn from_iter<I: IntoIterator<Item = (Stamp, T)>>(values: I) -> Self {
        let mut firsts = Self::default();
        for (stamp, value) in values {
            firsts.push(stamp.into(), value);
        }
        firsts
    }
}

impl EpidFacts {
    /// The ePID as text.
    #[must_use]
    pub fn text(&self) -> String {
        crate::wire::utf16::until_nul(&self.epid)
    }

    fn is_of(&self, kms_id: Option<Guid>, epid: &[u8]) -> bool {
        self.kms_id == kms_id && self.epid[..] == *epid
    }
}

impl HostFacts {
    fn new(host: Endpoint, first: Stamp) -> Self {
        Self {
            host,
            first,
            connections: 0,
            exchanges: 0,
            answered: 0,
            answers: Firsts::default(),
            epids: Firsts::default(),
            hwids: Firsts::default(),
            intervals: Firsts::default(),
            products: Firsts::default(),
            refusals: Firsts::default(),
            unsupported: Firsts::default(),
            binds: Firsts::default(),
            unknown_syntax: Firsts::default(),
            faults: Firsts::default(),
            stray_faults: Firsts::default(),
            closings: Firsts::default(),
            twins: Vec::new(),
        }
    }

    /// Takes a call.
    fn exchange(&mut self, exchange: &Exchange, connection: &Connection) {
        self.exchanges += 1;
        // What the client says as if it were a host tells nothing about the host.
        let Some(span) = exchange.answer_span().filter(|span| span.direction == Direction::ToClient) else {
            return;
        };
        let at = At { stamp: span.last, offset: span.offset };
        let asked = exchange.request.as_ref().and_then(|request| request.message.as_ref());
        let asked_body = asked.and_then(RequestMessage::body);
        let outcome = exchange.outcome();
        if let Some(version) = unsupported_version(exchange)
            && let Some(behaviour) = Behaviour::of(outcome)
        {
            self.unsupported.note_value(at, (version, behaviour));
        }
        match (&exchange.answer, outcome) {
            (Some(Answer::Response(response)), Outcome::Answered) => {
                let Some(message) = &response.message else { return };
                self.answered += 1;
                self.answer(at, exchange, message, asked);
            }
            (_, Outcome::Refused(hresult)) => {
                self.refusals.note_value(at, (asked_body.and_then(product_of), hresult));
            }
            (Some(Answer::Fault(_)), _) if exchange.request.is_some() => {
                self.faults.note_value(at, exchange.call_id);
            }
            (Some(Answer::Fault(_)), _)
                if !connection.has_gaps && connection.association.is_known_from_its_bind() =>
            {
                self.stray_faults.note_value(at, exchange.call_id);
            }
            _ => {}
        }
    }

    fn answer(
        &mut self,
        at: At,
        exchange: &Exchange,
        message: &ResponseMessage,
        asked: Option<&RequestMessage>,
    ) {
        let Some(body) = message.body() else { return };
        let asked_body = asked.and_then(RequestMessage::body);
        let kms_id = asked_body.map(|body| body.kms_id);
        self.epids.note(
            at,
            |known| known.is_of(kms_id, &body.epid),
            || EpidFacts { stream: exchange.stream, kms_id, epid: SmallVec::from_slice(&body.epid) },
        );
        self.intervals.note_value(at, (body.activation_interval, body.renewal_interval));
        if let Some(kms_id) = kms_id {
            self.products.note_value(at, kms_id);
        }
        let encrypted = match message {
            ResponseMessage::Encrypted(encrypted) => Some(encrypted),
            _ => None,
        };
        let hwid = encrypted.and_then(|encrypted| encrypted.v6).map(|v6| v6.hwid);
        if let Some(hwid) = hwid {
            self.hwids.note_value(at, hwid);
        }
        if !self.answers.wants(at) {
            self.answers.more = true;
            return;
        }
        let asked_encrypted = match asked {
            Some(RequestMessage::Encrypted(asked)) => Some(asked),
            _ => None,
        };
        let salt = encrypted
            .zip(asked_encrypted)
            .map(|(response, asked)| xor(&response.xored_salt, &asked.decrypted_iv()));
        let facts = AnswerFacts {
            stream: exchange.stream,
            version: message.version().unwrap_or_default(),
            asked: asked_body.map(|asked| (asked.kms_id, asked.cmid, asked.n_policy)),
            count: body.count,
            hwid,
            salt,
            ivs: encrypted.map(|response| (response.iv, asked_encrypted.map(|asked| asked.iv))),
            service_time: exchange.service_time(),
        };
        self.answers.push(at, facts);
    }

    /// Takes what was kept of a connection that has ended.
    fn visit(&mut self, visit: Visit, record: &ConnectionRecord, connection: &Connection) {
        self.connections += 1;
        if let Some((stamp, bind)) = visit.bind {
            self.binds.push(stamp.into(), bind);
        }
        let closed = closed_by_host(record);
        if let (Some((asked, version)), Some(_)) = (visit.unanswered, closed) {
            self.unsupported.note_value(asked, (version, Behaviour::Dropped));
        }
        if let Some(stamp) = visit.odd_syntax
            && !connection.has_gaps
        {
            if record.is_bound {
                self.unknown_syntax.note_value(stamp, Behaviour::Answered);
            } else if record.bind_nak.is_some() {
                self.unknown_syntax.note_value(stamp, Behaviour::Declined);
            } else if closed.is_some() {
                self.unknown_syntax.note_value(stamp, Behaviour::Dropped);
            }
        }
        if let Some(is_first) = closes_first(visit.last_answer, record, connection) {
            self.closings.note_value(record.flow.last, is_first);
        }
    }

    fn merge(&mut self, other: Self) {
        if other.first.frame < self.first.frame {
            self.first = other.first;
        }
        self.connections += other.connections;
        self.exchanges += other.exchanges;
        self.answered += other.answered;
        self.answers.merge(other.answers);
        self.binds.merge(other.binds);
        self.epids.merge_values(other.epids, |a, b| a.is_of(b.kms_id, &b.epid));
        self.hwids.merge_values(other.hwids, PartialEq::eq);
        self.intervals.merge_values(other.intervals, PartialEq::eq);
        self.products.merge_values(other.products, PartialEq::eq);
        self.refusals.merge_values(other.refusals, PartialEq::eq);
        self.unsupported.merge_values(other.unsupported, PartialEq::eq);
        self.unknown_syntax.merge_values(other.unknown_syntax, PartialEq::eq);
        self.faults.merge_values(other.faults, PartialEq::eq);
        self.stray_faults.merge_values(other.stray_faults, PartialEq::eq);
        self.closings.merge_values(other.closings, PartialEq::eq);
    }
}

impl Behaviour {
    fn of(outcome: Outcome) -> Option<Self> {
        match outcome {
            Outcome::Answered => Some(Self::Answered),
            Outcome::Refused(hresult) => Some(Self::Refused(hresult)),
            Outcome::Fault(_) => Some(Self::Declined),
            Outcome::Unreadable | Outcome::Unanswered => None,
        }
    }
}

/// The product that a request is about, where its AppID says nothing else.
fn product_of(body: &RequestBody) -> Option<Guid> {
    let is_of = product::kms_id(body.kms_id).is_none_or(|product| product.application == body.app_id);
    is_of.then_some(body.kms_id)
}

/// The version of a request, where there is no such version, and it is known where the version is.
fn unsupported_version(exchange: &Exchange) -> Option<Version> {
    let request = exchange.request.as_ref().filter(|request| request.fits.is_none())?;
    let message = request.message.as_ref().filter(|_| exchange.ndr_basis != NdrBasis::Assumed)?;
    message.version().filter(|version| !matches!(*version, Version::V4 | Version::V5 | Version::V6))
}

/// When the host closed or reset a connection that the client had not closed.
fn closed_by_host(record: &ConnectionRecord) -> Option<Stamp> {
    let reset = |side| record.flow.reset.filter(|(by, _)| *by == side).map(|(_, stamp)| stamp);
    let first = |side: Direction| {
        let ends = [record.flow.fin[side as usize], reset(side)];
        ends.into_iter().flatten().min_by_key(|stamp| stamp.frame)
    };
    let host = first(Direction::ToClient)?;
    first(Direction::ToServer).is_none_or(|client| host.frame < client.frame).then_some(host)
}

/// Whether the host was the first to close a connection, right behind its last answer; `None` where nobody closed it, or
/// where something else came in between.
fn closes_first(
    last_answer: Option<Stamp>,
    record: &ConnectionRecord,
    connection: &Connection,
) -> Option<bool> {
    let answered = last_answer?;
    if connection.has_gaps {
        return None;
    }
    let Some(closed) = closed_by_host(record) else {
        return record.flow.fin[Direction::ToServer as usize].is_some().then_some(false);
    };
    let asked = connection.last[Direction::ToServer as usize]?.stamp;
    let is_between = asked.frame > answered.frame && asked.frame < closed.frame;
    let waited = closed.time?.checked_sub(answered.time?)?;
    if is_between || waited > CLOSING { None } else { Some(true) }
}

impl Hosts {
    /// Takes a PDU of one of a host's connections.
    pub(super) fn pdu(&mut self, record: &PduRecord<'_>, connection: &Connection) {
        let PduContent::Whole { pdu, error: None, .. } = &record.content else { return };
        match &pdu.body {
            Body::Bind(bind) => {
                let syntaxes = bind.contexts.iter().flat_map(|context| &context.transfer_syntaxes);
                let is_odd = |syntax: &SyntaxId| matches!(syntax.transfer(), TransferSyntax::Other(_));
                if syntaxes.clone().any(is_odd)
                    && let Some(visit) = self.visit(record.stream)
                {
                    visit.odd_syntax.get_or_insert(record.last);
                }
            }
            Body::BindAck(ack) => {
                let Some(visit) = self.visit(record.stream) else { return };
                if visit.bind.is_none() {
                    let facts = BindFacts {
                        stream: record.stream,
                        asked_group: connection.bind.map_or(0, |bind| bind.assoc_group_id),
                        group: ack.assoc_group_id,
                        fragments: (connection.bind.map_or(0, |bind| bind.max_xmit_frag), ack.max_recv_frag),
                        padding: SmallVec::from_slice(ack.padding),
                        ndr64: takes_ndr64(connection),
                    };
                    visit.bind = Some((record.last, facts));
                }
            }
            _ => {}
        }
    }

    /// Takes a call.
    pub(super) fn exchange(&mut self, exchange: &Exchange, connection: &Connection) {
        let Some(first) = exchange.stamps().next() else { return };
        let is_hosts = |span: &Span| span.direction == Direction::ToClient && exchange.request.is_some();
        let answered = exchange.answer_span().filter(is_hosts).map(|span| span.last);
        if let Some(visit) = self.visit(exchange.stream) {
            match answered {
                Some(stamp) if visit.last_answer.is_none_or(|last| last.frame <= stamp.frame) => {
                    visit.last_answer = Some(stamp);
                }
                Some(_) => {}
                None => {
                    visit.unanswered = unsupported_version(exchange).map(|version| (first, version));
                }
            }
        }
        if let Some(facts) = self.of(exchange.server, first) {
            facts.exchange(exchange, connection);
        }
    }

    /// Takes a connection that has ended.
    pub(super) fn connection(&mut self, record: &ConnectionRecord, connection: &Connection) {
        let visit = self.visits.remove(&record.flow.stream).unwrap_or_default();
        if record.is_kms
            && let Some(facts) = self.of(record.flow.server, record.flow.first)
        {
            facts.visit(visit, record, connection);
        }
    }

    fn visit(&mut self, stream: u64) -> Option<&mut Visit> {
        if self.visits.len() >= MAX_VISITS && !self.visits.contains_key(&stream) {
            return None;
        }
        Some(self.visits.entry(stream).or_default())
    }

    /// The host at this address, if it is one of those of which something is kept: which ones these are does not depend on
    /// the order in which they are met.
    fn of(&mut self, host: Endpoint, stamp: Stamp) -> Option<&mut HostFacts> {
        if self.known.len() == MAX_HOSTS && !self.known.contains_key(&host) {
            if self.known.last_key_value().is_some_and(|(last, _)| *last < host) {
                return None;
            }
            self.known.pop_last();
        }
        let facts = self.known.entry(host).or_insert_with(|| HostFacts::new(host, stamp));
        if stamp.frame < facts.first.frame {
            facts.first = stamp;
        }
        Some(facts)
    }

    /// Adds what another judge of the same input has seen.
    pub(super) fn merge(&mut self, other: Self) {
        self.visits.extend(other.visits);
        for (host, facts) in other.known {
            match self.known.get_mut(&host) {
                Some(known) => known.merge(facts),
                None => drop(self.known.insert(host, facts)),
            }
        }
        while self.known.len() > MAX_HOSTS {
            self.known.pop_last();
        }
    }

    /// The hosts in the order of their first packets.
    pub(super) fn into_sorted(self) -> Vec<HostFacts> {
        let mut hosts: Vec<HostFacts> = self.known.into_values().collect();
        let mut same: HashMap<(Vec<u8>, [u8; 8]), Vec<Endpoint>> = HashMap::new();
        for facts in &hosts {
            if let Some(identity) = facts.identity() {
                same.entry(identity).or_default().push(facts.host);
            }
        }
        for facts in &mut hosts {
            if let Some(twins) = facts.identity().and_then(|identity| same.get(&identity)) {
                let others = twins.iter().filter(|twin| **twin != facts.host);
                facts.twins = others.take(MAX_VALUES).copied().collect();
            }
        }
        hosts.sort_by_key(|facts| (facts.first.frame, facts.host));
        hosts
    }
}

impl HostFacts {
    /// Its first ePID and its first HwId: together no two machines have them.
    fn identity(&self) -> Option<(Vec<u8>, [u8; 8])> {
        let epid = self.epids.iter().next()?;
        Some((epid.epid.to_vec(), *self.hwids.iter().next()?))
    }
}

/// Whether volume activation was accepted as NDR64, where that was proposed.
pub(super) fn takes_ndr64(connection: &Connection) -> Option<bool> {
    let mut contexts = connection.association.contexts().iter();
    let proposed = contexts
        .find(|context| context.interface == SyntaxId::KMS && context.proposed == Some(SyntaxId::NDR64))?;
    match proposed.outcome {
        ContextOutcome::Accepted(TransferSyntax::Ndr64) => Some(true),
        ContextOutcome::Rejected { .. } => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{Judge, rules};
    use crate::trace::{Notice, Observer, Options, trace};

    /// Shares the connections out to two judges.
    struct Two([Judge; 2]);

    impl Two {
        fn of(&mut self, stream: u64) -> &mut Judge {
            &mut self.0[usize::from(!stream.is_multiple_of(2))]
        }
    }

    impl Observer for Two {
        fn pdu(&mut self, pdu: &PduRecord<'_>) {
            self.of(pdu.stream).pdu(pdu);
        }

        fn exchange(&mut self, exchange: &Exchange) {
            self.of(exchange.stream).exchange(exchange);
        }

        fn connection(&mut self, connection: &ConnectionRecord) {
            self.of(connection.flow.stream).connection(connection);
        }

        fn notice(&mut self, notice: &Notice) {
            self.of(notice.stream.unwrap_or_default()).notice(notice);
        }
    }

    #[test]
    fn what_is_known_of_a_host_does_not_depend_on_who_judged_its_connections() {
        for name in ["raw_edge_pykms.pcap", "raw_edge_vlmcsd.pcap", "vlmcs_vlmcsd_dualstack_pcapng.pcapng"] {
            let open = || std::fs::File::open(format!("captures/{name}")).unwrap();
            let one = Judge::new(rules(), 3).input(name, open(), &Options::default());
            let mut two = Two([Judge::new(rules(), 3), Judge::new(rules(), 3)]);
            trace(name, open(), &Options::default(), &mut two);
            let Two([mut first, second]) = two;
            first.merge(second);
            let two = first.finish();
            assert_eq!(format!("{:?}", one.hosts), format!("{:?}", two.hosts), "{name}");
            let broken = |findings: &crate::conformance::Findings| -> Vec<(u64, u64)> {
                findings.rules.iter().map(|finding| (finding.checked, finding.broken)).collect()
            };
            assert_eq!(broken(&one), broken(&two), "{name}");
        }
    }

    #[test]
    fn what_is_bounded_keeps_the_first_in_whatever_order_they_come() {
        let stamp = |frame| Stamp { frame, time: None };
        let mut firsts: Firsts<u64, 3> = Firsts::default();
        for frame in [5, 1, 9, 3, 7, 1] {
            firsts.note_value(stamp(frame), frame);
        }
        assert_eq!((firsts.iter().copied().collect::<Vec<_>>(), firsts.more), (vec![1, 3, 5], true));
        let mut later: Firsts<u64, 3> = [(stamp(2), 5), (stamp(4), 1)].into_iter().collect();
        later.merge_values(firsts, PartialEq::eq);
        assert_eq!(later.iter().copied().collect::<Vec<_>>(), [1, 5, 3]);
    }
}
