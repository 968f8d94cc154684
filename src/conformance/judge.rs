use std::cell::LazyCell;
use std::collections::{HashMap, HashSet};
use std::io::Read;

use crate::capture::{Endpoint, Packets, Stamp};
use crate::mak::vamt::Computer;
use crate::rpc::PduType;
use crate::trace::{
    Answer, ChannelRecord, ConnectionRecord, ControlRecord, DirectoryExchange, Exchange, GuestExchange,
    Lookup, MakExchange, Notice, NoticeKind, ObjectRecord, Observer, Options, PduContent, PduRecord, Record,
    Scribe, Search, Summary, trace_any, trace_packets,
};
use crate::vmbus::Direction;
use crate::wire::{Hex, Side};

use super::connection::{Connection, ConnectionScene, ExchangeScene, PduScene};
use super::hosts::{HostFacts, Hosts};
use super::results::BreachRecord;
use super::rule::{Breach, Judgement, Rule, Subject, undescribed};

/// Judges what it is told of one input by rules.
///
/// Several judges may share the connections of an input, and be put together again by [`Self::merge`]: the findings are
/// the same. Memory is bounded: of each rule [`Self::new`]'s `limit` of breaches are kept, those of the first packets, and
/// the others are counted.
#[derive(Debug)]
pub struct Judge {
    findings: Vec<Finding>,
    by_subject: BySubject,
    connections: HashMap<u64, Connection>,
    /// Connections of which a PDU's breach was kept: whose addresses these are is known at their end.
    nameless: HashSet<u64>,
    hosts: Hosts,
    limit: usize,
    /// Complaints that keep the input from having been read to its end.
    failures: Vec<Notice>,
}

/// What came out of one rule over one input.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// Things that it applied to.
    pub checked: u64,
    /// Those of them that break it.
    pub broken: u64,
    /// The first of the breaches, in the order of their packets.
    pub breaches: Vec<Broken>,
}

/// A breach with its place and its evidence.
#[derive(Clone, Debug)]
pub struct Broken {
    /// How the rule is broken.
    pub breach: Breach,
    /// Whose doing it is.
    pub side: Side,
    /// That side's address, where it has one.
    pub who: Option<Endpoint>,
    /// Number of the connection in its file.
    pub stream: Option<u64>,
    /// The first and the last packet that show it.
    pub frames: Option<(u64, u64)>,
    /// Nanoseconds since 1970 of the first of them.
    pub time: Option<i64>,
    /// What was looked at.
    pub evidence: Evidence,
}

/// What a rule has looked at when it was broken.
#[derive(Clone, Debug)]
pub enum Evidence {
    /// A PDU's bytes, as far as they were captured (at most [`Evidence::MOST_BYTES`]).
    Pdu(Vec<u8>),
    /// A call.
    Exchange(Box<Exchange>),
    /// A connection.
    Connection(Box<ConnectionRecord>),
    /// A host.
    Host(Box<HostFacts>),
    /// An exchange with one of MAK's services.
    Mak(Box<MakExchange>),
    /// A computer of a VAMT file.
    Computer(Box<Computer>),
    /// A question of DNS.
    Lookup(Box<Lookup>),
    /// A search in DNS.
    Search(Box<Search>),
    /// A search in a directory.
    Directory(Box<DirectoryExchange>),
    /// An activation object.
    Object(Box<ObjectRecord>),
    /// An exchange in a pipe of VMBus.
    Guest(Box<GuestExchange>),
    /// A channel of VMBus.
    Channel(Box<ChannelRecord>),
    /// A control message of VMBus.
    Control(Box<ControlRecord>),
}

/// What came out of all rules over one input.
#[derive(Debug)]
pub struct Findings {
    /// In the order in which the rules were given.
    pub rules: Vec<Finding>,
    /// The KMS hosts, in the order of their first packets.
    pub hosts: Vec<HostFacts>,
    /// What kept the input from having been read to its end.
    pub failures: Vec<Notice>,
}

/// The places of the rules in the findings, by what they look at.
#[derive(Debug, Default)]
struct BySubject {
    /// Of PDUs that are neither of the next two kinds, and of what stands in a PDU's place.
    pdu: Vec<usize>,
    /// Of PDUs of negotiation: those about any PDU and their own.
    negotiation: Vec<usize>,
    /// Of faults: those about any PDU and their own.
    fault: Vec<usize>,
    connection: Vec<usize>,
    exchange: Vec<usize>,
    host: Vec<usize>,
    mak: Vec<usize>,
    computer: Vec<usize>,
    lookup: Vec<usize>,
    search: Vec<usize>,
    directory: Vec<usize>,
    object: Vec<usize>,
    guest: Vec<usize>,
    channel: Vec<usize>,
    control: Vec<usize>,
}

/// Complaints about an input that are kept.
const MAX_FAILURES: usize = 16;
/// Connections of which something is kept at a time; the tracer has fewer open.
const MAX_CONNECTIONS: usize = 1 << 17;

impl Evidence {
    /// Bytes of a PDU that are kept.
    pub const MOST_BYTES: usize = 4096;
}

/// Where something was seen.
struct Place {
    sender: Option<Side>,
    sides: Option<(Endpoint, Endpoint)>,
    stream: Option<u64>,
    frames: Option<(u64, u64)>,
    time: Option<i64>,
}

impl Judge {
    /// Judges by these rules, and keeps at most `limit` breaches of each.
    #[must_use]
    pub fn new(rules: impl IntoIterator<Item = &'static Rule>, limit: usize) -> Self {
        let findings: Vec<Finding> = rules
            .into_iter()
            .map(|rule| Finding { rule, checked: 0, broken: 0, breaches: Vec::new() })
            .collect();
        let mut by_subject = BySubject::default();
        for (place, finding) in findings.iter().enumerate() {
            by_subject.add(finding.rule.subject, place);
        }
        Self {
            findings,
            by_subject,
            connections: HashMap::new(),
            nameless: HashSet::new(),
            hosts: Hosts::default(),
            limit,
            failures: Vec::new(),
        }
    }

    /// Judges an input of any kind that can be traced: a capture, HAR, LDIF, a VAMT file, a body.
    pub fn input(mut self, name: &str, reader: impl Read, options: &Options) -> Findings {
        trace_any(name, reader, options, &mut self);
        self.finish()
    }

    /// Judges packets.
    pub fn packets(mut self, packets: &mut impl Packets, options: &Options) -> Findings {
        trace_packets(packets, options, &mut self);
        self.finish()
    }

    /// Adds what another judge with the same rules has found in the same input.
    pub fn merge(&mut self, other: Self) {
        for (finding, other) in self.findings.iter_mut().zip(other.findings) {
            finding.checked += other.checked;
            finding.broken += other.broken;
            for broken in other.breaches {
                finding.keep(broken, self.limit);
            }
        }
        self.hosts.merge(other.hosts);
        self.connections.extend(other.connections);
        self.failures.extend(other.failures);
    }

    /// What was found: the rules about hosts are applied now, when all is known of them.
    #[must_use]
    pub fn finish(mut self) -> Findings {
        let hosts = std::mem::take(&mut self.hosts).into_sorted();
        for host in &hosts {
            let place = || Place {
                sender: None,
                sides: Some((host.host, host.host)),
                stream: None,
                frames: Some((host.first.frame, host.first.frame)),
                time: host.first.time,
            };
            let rules = &self.by_subject.host;
            judge_each(
                &mut self.findings,
                rules,
                self.limit,
                place,
                |subject| match subject {
                    Subject::Host(judge) => judge(host),
                    _ => Judgement::NotApplicable,
                },
                || Evidence::Host(Box::new(host.clone())),
            );
        }
        self.failures.truncate(MAX_FAILURES);
        Findings { rules: self.findings, hosts, failures: self.failures }
    }
}

/// What is kept of a connection; `None` where there is no room for one more.
fn connection_of(connections: &mut HashMap<u64, Connection>, stream: u64) -> Option<&mut Connection> {
    if connections.len() >= MAX_CONNECTIONS && !connections.contains_key(&stream) {
        return None;
    }
    Some(connections.entry(stream).or_default())
}

/// Applies rules to one thing; true where a breach was kept. Where it is, and what shows it, is only asked for once a rule
/// is broken, or has as many breaches as are kept.
fn judge_each(
    findings: &mut [Finding],
    rules: &[usize],
    limit: usize,
    place: impl Fn() -> Place,
    judge: impl Fn(Subject) -> Judgement,
    evidence: impl Fn() -> Evidence,
) -> bool {
    let mut has_kept = false;
    let place = LazyCell::new(place);
    for &rule in rules {
        let finding = &mut findings[rule];
        let subject = finding.rule.subject;
        let is_wanted = finding.breaches.len() < limit || finding.is_before_last(&place);
        let judgement = if is_wanted { judge(subject) } else { undescribed(|| judge(subject)) };
        match judgement {
            Judgement::NotApplicable => {}
            Judgement::Holds => finding.checked += 1,
            Judgement::Broken(breach) => {
                finding.checked += 1;
                finding.broken += 1;
                if !is_wanted {
                    continue;
                }
                let side = finding.rule.about.side(place.sender);
                let who = place.sides.map(|(client, server)| match side {
                    Side::Client => client,
                    Side::Server => server,
                });
                let broken = Broken {
                    breach: *breach,
                    side,
                    who,
                    stream: place.stream,
                    frames: place.frames,
                    time: place.time,
                    evidence: evidence(),
                };
                finding.keep(broken, limit);
                has_kept = true;
            }
        }
    }
    has_kept
}

impl Finding {
    /// True where a breach at this place comes before the last one that is kept.
    fn is_before_last(&self, place: &Place) -> bool {
        self.breaches.last().is_some_and(|last| order(place.frames, place.stream) < last.order())
    }

    /// Keeps a breach in the order of packets, and only the first ones.
    fn keep(&mut self, broken: Broken, limit: usize) {
        let place = self.breaches.partition_point(|kept| kept.order() <= broken.order());
        self.breaches.insert(place, broken);
        self.breaches.truncate(limit);
    }
}

impl Broken {
    /// The bytes that it is in, where they are kept: a PDU's, or a call's stub, [`Evidence::MOST_BYTES`] at most.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        let bytes = match &self.evidence {
            Evidence::Pdu(bytes) => bytes,
            Evidence::Exchange(exchange) => self.stub_of(exchange).unwrap_or_default(),
            _ => &[],
        };
        &bytes[..bytes.len().min(Evidence::MOST_BYTES)]
    }

    /// The stub that the layer of the breach names, or that its side has sent.
    fn stub_of<'a>(&self, exchange: &'a Exchange) -> Option<&'a [u8]> {
        let is_request = match self.breach.at {
            Some((layer, _)) if layer.starts_with("request") => true,
            Some((layer, _)) if layer.starts_with("response") => false,
            _ => self.side == Side::Client,
        };
        match (is_request, &exchange.request, &exchange.answer) {
            (true, Some(request), _) => Some(&request.bytes),
            (false, _, Some(Answer::Response(response))) => Some(&response.bytes),
            _ => None,
        }
    }

    /// The breach of this rule as plain data, not decoded.
    #[must_use]
    pub fn record(&self, rule: &Rule) -> BreachRecord {
        let bytes = self.bytes();
        let is_in_bytes = |layer: &str| match &self.evidence {
            Evidence::Pdu(_) => layer == "pdu",
            Evidence::Exchange(_) => layer.ends_with("stub"),
            _ => false,
        };
        let to_u64 = |offset| u64::try_from(offset).unwrap_or(u64::MAX);
        let at = self.breach.at;
        BreachRecord {
            rule: rule.id.to_owned(),
            level: rule.level.name().to_owned(),
            message: self.breach.message.clone(),
            side: self.side.name().to_owned(),
            who: self.who.map(|who| who.to_string()),
            stream: self.stream,
            frames: self.frames,
            at: at.map(|(layer, offset)| (layer.to_owned(), to_u64(offset))),
            hex: Hex(bytes).to_string(),
            hex_at: at
                .filter(|&(layer, offset)| is_in_bytes(layer) && offset < bytes.len())
                .map(|(_, offset)| to_u64(offset)),
            decoded: Vec::new(),
        }
    }

    fn order(&self) -> (u64, u64, u64) {
        order(self.frames, self.stream)
    }
}

fn order(frames: Option<(u64, u64)>, stream: Option<u64>) -> (u64, u64, u64) {
    let (first, last) = frames.unwrap_or((u64::MAX, u64::MAX));
    (first, last, stream.unwrap_or(u64::MAX))
}

impl BySubject {
    fn add(&mut self, subject: Subject, place: usize) {
        let rules = match subject {
            Subject::Pdu(_) => {
                self.pdu.push(place);
                self.fault.push(place);
                &mut self.negotiation
            }
            Subject::Negotiation(_) => &mut self.negotiation,
            Subject::Fault(_) => &mut self.fault,
            Subject::Connection(_) => &mut self.connection,
            Subject::Exchange(_) => &mut self.exchange,
            Subject::Host(_) => &mut self.host,
            Subject::Mak(_) => &mut self.mak,
            Subject::Computer(_) => &mut self.computer,
            Subject::Lookup(_) => &mut self.lookup,
            Subject::Search(_) => &mut self.search,
            Subject::Directory(_) => &mut self.directory,
            Subject::Object(_) => &mut self.object,
            Subject::Guest(_) => &mut self.guest,
            Subject::Channel(_) => &mut self.channel,
            Subject::Control(_) => &mut self.control,
        };
        rules.push(place);
    }

    /// The rules about what stands at a place of a stream.
    fn of_pdu(&self, content: &PduContent<'_>) -> &[usize] {
        match content {
            PduContent::Whole { pdu, .. } => match pdu.header.ptype {
                PduType::BIND
                | PduType::BIND_ACK
                | PduType::BIND_NAK
                | PduType::ALTER_CONTEXT
                | PduType::ALTER_CONTEXT_RESP => &self.negotiation,
                PduType::FAULT => &self.fault,
                _ => &self.pdu,
            },
            PduContent::Cut { .. } | PduContent::Skipped { .. } => &self.pdu,
        }
    }
}

impl Place {
    fn of<'a>(record: impl Into<Record<'a>>) -> Self {
        let record = record.into();
        Self {
            sender: None,
            sides: record.sides(),
            stream: record.stream(),
            frames: record.frames(),
            time: record.stamps().next().and_then(|stamp| stamp.time),
        }
    }

    fn at(first: Stamp, last: Stamp) -> Self {
        Self {
            sender: None,
            sides: None,
            stream: None,
            frames: Some((first.frame, last.frame)),
            time: first.time,
        }
    }

    fn nowhere() -> Self {
        Self { sender: None, sides: None, stream: None, frames: None, time: None }
    }
}

/// Applies the rules about one kind of record.
macro_rules! judge_record {
    ($self:ident, $rules:ident, $subject:ident, $place:expr, $record:expr) => {
        if !$self.by_subject.$rules.is_empty() {
            judge_each(
                &mut $self.findings,
                &$self.by_subject.$rules,
                $self.limit,
                || $place,
                |subject| match subject {
                    Subject::$subject(judge) => judge($record),
                    _ => Judgement::NotApplicable,
                },
                || Evidence::$subject(Box::new($record.clone())),
            );
        }
    };
}

impl Observer for Judge {
    fn pdu(&mut self, pdu: &PduRecord<'_>) {
        let Some(connection) = connection_of(&mut self.connections, pdu.stream) else { return };
        let scene = PduScene { record: pdu, connection };
        let bytes = || match pdu.content {
            PduContent::Whole { bytes, .. } | PduContent::Cut { bytes, .. } => bytes,
            PduContent::Skipped { sample, .. } => sample,
        };
        let has_kept = judge_each(
            &mut self.findings,
            self.by_subject.of_pdu(&pdu.content),
            self.limit,
            || Place {
                sender: Some(pdu.direction.into()),
                stream: Some(pdu.stream),
                ..Place::at(pdu.first, pdu.last)
            },
            |subject| match subject {
                Subject::Pdu(judge) | Subject::Negotiation(judge) | Subject::Fault(judge) => judge(&scene),
                _ => Judgement::NotApplicable,
            },
            || Evidence::Pdu(bytes()[..bytes().len().min(Evidence::MOST_BYTES)].to_vec()),
        );
        if has_kept {
            self.nameless.insert(pdu.stream);
        }
        connection.take(pdu);
        self.hosts.pdu(pdu, connection);
    }

    fn exchange(&mut self, exchange: &Exchange) {
        let Some(connection) = connection_of(&mut self.connections, exchange.stream) else { return };
        let scene = ExchangeScene::new(exchange, connection);
        judge_each(
            &mut self.findings,
            &self.by_subject.exchange,
            self.limit,
            || Place::of(exchange),
            |subject| match subject {
                Subject::Exchange(judge) => judge(&scene),
                _ => Judgement::NotApplicable,
            },
            || Evidence::Exchange(Box::new(exchange.clone())),
        );
        self.hosts.exchange(exchange, connection);
    }

    fn connection(&mut self, record: &ConnectionRecord) {
        let connection = self.connections.remove(&record.flow.stream).unwrap_or_default();
        if self.nameless.remove(&record.flow.stream) {
            let breaches = self.findings.iter_mut().flat_map(|finding| &mut finding.breaches);
            for broken in breaches.filter(|broken| broken.stream == Some(record.flow.stream)) {
                broken.who.get_or_insert(match broken.side {
                    Side::Client => record.flow.client,
                    Side::Server => record.flow.server,
                });
            }
        }
        let place = || Place {
            sides: Some((record.flow.client, record.flow.server)),
            stream: Some(record.flow.stream),
            ..Place::at(record.flow.first, record.flow.last)
        };
        let scene = ConnectionScene { record, connection: &connection };
        judge_each(
            &mut self.findings,
            &self.by_subject.connection,
            self.limit,
            place,
            |subject| match subject {
                Subject::Connection(judge) => judge(&scene),
                _ => Judgement::NotApplicable,
            },
            || Evidence::Connection(Box::new(record.clone())),
        );
        self.hosts.connection(record, &connection);
    }

    fn mak(&mut self, exchange: &MakExchange) {
        judge_record!(self, mak, Mak, Place::of(exchange), exchange);
    }

    fn computer(&mut self, computer: &Computer) {
        judge_record!(self, computer, Computer, Place::nowhere(), computer);
    }

    fn lookup(&mut self, lookup: &Lookup) {
        judge_record!(self, lookup, Lookup, Place::of(lookup), lookup);
    }

    fn search(&mut self, search: &Search) {
        judge_record!(self, search, Search, Place::nowhere(), search);
    }

    fn directory(&mut self, exchange: &DirectoryExchange) {
        judge_record!(self, directory, Directory, Place::of(exchange), exchange);
    }

    fn object(&mut self, object: &ObjectRecord) {
        judge_record!(self, object, Object, Place::nowhere(), object);
    }

    fn guest(&mut self, exchange: &GuestExchange) {
        judge_record!(self, guest, Guest, Place::of(exchange), exchange);
    }

    fn channel(&mut self, channel: &ChannelRecord) {
        judge_record!(self, channel, Channel, Place::nowhere(), channel);
    }

    fn control(&mut self, control: &ControlRecord) {
        let sender = match control.direction {
            Direction::GuestToHost => Side::Client,
            Direction::HostToGuest => Side::Server,
        };
        let place = || Place { sender: Some(sender), ..Place::at(control.stamp, control.stamp) };
        judge_record!(self, control, Control, place(), control);
    }

    fn notice(&mut self, notice: &Notice) {
        if let (NoticeKind::StreamGap, Some(stream)) = (notice.kind, notice.stream)
            && let Some(connection) = connection_of(&mut self.connections, stream)
        {
            connection.has_gaps = true;
        }
        if notice.kind.is_failed_input() && self.failures.len() < MAX_FAILURES {
            self.failures.push(notice.clone());
        }
    }

    fn summary(&mut self, _: &Summary) {}
}

/// A judge has no page: it is asked for its findings at the end.
impl Scribe for Judge {
    fn written(&self) -> usize {
        0
    }

    fn turn(&mut self, empty: Vec<u8>) -> Vec<u8> {
        empty
    }
}
