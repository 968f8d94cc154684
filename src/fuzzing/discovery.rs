//! What must hold of any bytes that come as DNS.

use std::collections::BTreeSet;
use std::hash::Hasher as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::discovery::{
    Arrival, Framed, Lookup, Lookups, MAX_MESSAGE, Message, Name, Opcode, Origin, RecordData, RecordType,
    Resolver, Search, Searches, TcpFramer, Transport, UNEXPLAINED, kms_service_domain,
};
use crate::wire::ErrorKind;

use super::framing::{FramerPlan, pieces};
use super::{Digest, ignore};

/// Holds that a message is read the same each time, that it has what its header counts unless it says where it is
/// damaged, and that a cut one gives what is in front of the cut; that a TCP stream in pieces gives the messages of the
/// whole one; and that of many messages each query ends in one lookup, and each lookup for a KMS host in one search.
///
/// The first byte of a seed says which: 0 a message, 1 a stream, as a [`FramerPlan`], 2 many messages, each behind a
/// byte with its way, a byte with the seconds since the one before, and its length in two bytes.
pub fn dns(data: &[u8]) {
    let Some((&kind, rest)) = data.split_first() else { return };
    match kind % 3 {
        0 => message(rest),
        1 => stream(&FramerPlan::read(rest)),
        _ => network(rest),
    }
}

fn message(bytes: &[u8]) {
    let read = Message::parse(bytes);
    assert_eq!(Message::parse(bytes), read);
    let message = match read {
        Ok(message) => message,
        Err(error) => return assert!(bytes.len() < 12, "{error}"),
    };
    ignore(&message);
    for error in message.errors() {
        assert!(error.offset <= bytes.len().min(MAX_MESSAGE), "{error} is beyond {} bytes", bytes.len());
        assert_ne!(error.kind, ErrorKind::Malformed { what: UNEXPLAINED }, "{error}");
        ignore(&format_args!("{error}"));
    }
    let has = [
        message.questions.len(),
        message.answers.len(),
        message.authorities.len(),
        message.additionals.len() + usize::from(message.edns.is_some()),
    ];
    let counts = message.counts.map(usize::from);
    assert_eq!(has == counts, message.error.is_none(), "{has:?} of {counts:?}");
    assert!(has.iter().zip(counts).all(|(&has, count)| has <= count));
    assert_eq!(message.length, bytes.len());
    assert!(message.excess <= bytes.len() - 12);
    let names = message.questions.iter().map(|question| &question.name);
    names.chain(message.records().map(|(_, record)| &record.name)).for_each(name);
    cut(bytes, &message);
}

/// Holds that a name is what its text says, and that its labels are taken off from both ends alike.
fn name(name: &Name) {
    assert_eq!(Name::parse(name.as_str()).as_ref(), Ok(name));
    assert_eq!(Name::parse(&name.to_string()).as_ref(), Ok(name));
    let labels: Vec<&str> = name.labels().collect();
    assert!(name.labels().rev().eq(labels.iter().rev().copied()));
    assert_eq!(labels.join("."), name.as_str());
    assert!(name.is_within(name));
    if let Some(parent) = name.parent() {
        assert!(name.is_within(&parent) && !parent.is_within(name) && parent < *name);
        assert_eq!(parent.labels().count() + 1, labels.len());
    }
}

/// Holds that a cut message has the beginning of what the whole one has.
fn cut(bytes: &[u8], whole: &Message) {
    let sum = bytes.iter().fold(0_usize, |sum, &byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let end = sum % (bytes.len() + 1);
    let Ok(part) = Message::parse(&bytes[..end]) else { return };
    assert!(whole.questions.starts_with(&part.questions));
    assert!(whole.answers.starts_with(&part.answers));
    assert!(whole.authorities.starts_with(&part.authorities));
    assert!(whole.additionals.starts_with(&part.additionals));
    assert!(part.edns.is_none() || part.edns == whole.edns);
    assert!(part.error.is_some() || whole.error.is_none(), "the cut message is whole, the whole one is not");
}

/// What a framer hands out.
#[derive(Debug, PartialEq, Eq)]
struct Item {
    kind: &'static str,
    offset: usize,
    /// The bytes of a message, or how many were skipped.
    bytes: Result<Vec<u8>, usize>,
}

fn stream(plan: &FramerPlan<'_>) {
    let FramerPlan { mid_stream, cuts, gap, stream } = *plan;
    let within = |at: u16| usize::from(at) % (stream.len() + 1);
    let from = within(gap[0]);
    let to = (from + usize::from(gap[1])).min(stream.len());
    let ends = cuts.map(within);
    let whole = frame(&pieces(stream, &[], from..to), mid_stream);
    assert_eq!(frame(&pieces(stream, &ends, from..to), mid_stream), whole);
    let mut at = 0;
    for item in &whole {
        assert!(item.offset >= at, "{item:?} is handed out behind offset {at}");
        assert!(from < to || item.offset == at, "nothing accounts for the bytes from {at} to {item:?}");
        at = match &item.bytes {
            Ok(bytes) if item.kind == "message" => item.offset + 2 + bytes.len(),
            // The length of a message whose length is cut is not known.
            Ok(bytes) => (item.offset + 2 + bytes.len()).min(stream.len()),
            Err(length) => item.offset + length,
        };
    }
    assert!(from < to || at == stream.len(), "nothing accounts for the bytes from {at} to the end");
}

fn frame(pieces: &[(usize, &[u8])], mid_stream: bool) -> Vec<Item> {
    let mut framer = if mid_stream { TcpFramer::mid_stream() } else { TcpFramer::default() };
    let number = |value: u64| usize::try_from(value).expect("an offset in memory");
    let is_at = |stamp: usize, offset: usize| {
        let (begin, bytes) = pieces[stamp];
        assert!((begin..begin + bytes.len()).contains(&offset), "{offset} is not in piece {stamp}");
    };
    let mut items = Vec::new();
    let mut out = |framed: Framed<'_, usize>| {
        let (kind, offset, first, bytes) = match framed {
            Framed::Message { offset, first, last, bytes } => {
                is_at(last, number(offset) + 1 + bytes.len());
                ignore(&Message::parse(bytes));
                ("message", offset, first, Ok(bytes.to_vec()))
            }
            Framed::Cut { offset, first, bytes, by_gap } => {
                (if by_gap { "cut by a gap" } else { "cut" }, offset, first, Ok(bytes.to_vec()))
            }
            Framed::Skipped { offset, length, first, sample, error } => {
                assert!(sample.len() <= number(length) && length > 0);
                ignore(&error);
                ("skipped", offset, first, Err(number(length)))
            }
        };
        is_at(first, number(offset));
        items.push(Item { kind, offset: number(offset), bytes });
    };
    for (stamp, &(offset, bytes)) in pieces.iter().enumerate() {
        framer.push(offset as u64, bytes, stamp, &mut out);
        assert!(framer.held() < 2 + MAX_MESSAGE);
    }
    framer.finish(&mut out);
    items
}

fn network(data: &[u8]) {
    assert_eq!(exchange(data), exchange(data));
}

/// What becomes of the messages, as a digest.
fn exchange(data: &[u8]) -> u64 {
    let mut told = Told::default();
    let mut lookups = Lookups::default();
    let (mut asked, mut now, mut stamp) = (0, Some(0), 0);
    let mut rest = data;
    while let Some((&[way, seconds, low, high], behind)) = rest.split_first_chunk::<4>() {
        let length = usize::from(u16::from_le_bytes([low, high])).min(behind.len());
        let (bytes, behind) = behind.split_at(length);
        rest = behind;
        let Ok(message) = Message::parse(bytes) else { continue };
        if !message.is_response() && matches!(message.opcode(), Opcode::QUERY | Opcode::UPDATE) {
            asked += message.questions.len() as u64;
        }
        now = if seconds == 255 { None } else { Some(now.unwrap_or(0) + i64::from(seconds) * 1_000_000_000) };
        stamp += 1;
        let (source, destination, transport) = ends(way, message.is_response());
        let mut emit = |lookup| told.lookup(&lookup);
        let arrival = Arrival { source, destination, transport, stamp, time: now };
        lookups.message(arrival, message, &mut emit);
        assert!(lookups.open() <= Lookups::<SocketAddr, u64>::MAX_OPEN);
        if let Some(now) = now {
            told.expire(now);
        }
    }
    lookups.finish(&mut |lookup| told.lookup(&lookup));
    assert_eq!(lookups.open(), 0);
    // Each question has its end, or is counted as one too many.
    let counts = lookups.counts();
    assert_eq!(told.queries + counts.questions_left_out, asked);
    assert_eq!(told.numbers.len() as u64, counts.lookups);
    told.finish()
}

/// Who sends a message to whom, and how: bits 0 and 1 the transport, 2 and 3 the client, 4 the server, 5 a group.
fn ends(way: u8, is_response: bool) -> (SocketAddr, SocketAddr, Transport) {
    let transport = [Transport::Udp, Transport::Tcp, Transport::Mdns, Transport::Llmnr][usize::from(way & 3)];
    let at = |last, port| SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), port);
    let client = at(50 + (way >> 2 & 3), 50_000 + u16::from(way >> 6));
    let server = at(53 + (way >> 4 & 1), 53);
    let group = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(224, 0, 0, 251)), 5353);
    match (is_response, way & 0x20 != 0) {
        (false, false) => (client, server, transport),
        (false, true) => (client, group, transport),
        (true, false) => (server, client, transport),
        (true, true) => (server, group, transport),
    }
}

/// What lookups and searches say.
#[derive(Default)]
struct Told {
    digest: Digest,
    numbers: BTreeSet<u64>,
    /// Questions of the queries that lookups are made of.
    queries: u64,
    /// Queries of lookups for KMS hosts, and of the attempts that searches are made of.
    kms: [u64; 2],
    searches: Searches<IpAddr, u64>,
    resolver: Resolver<IpAddr, u64>,
}

impl Told {
    fn lookup(&mut self, lookup: &Lookup<SocketAddr, u64>) {
        self.digest.take(lookup);
        assert!(self.numbers.insert(lookup.number), "lookup {} is handed out twice", lookup.number);
        assert_eq!(lookup.origin == Origin::Query, lookup.queries.is_some());
        let queries = lookup.queries.as_ref().map_or(0, |queries| u64::from(queries.count));
        self.queries += queries;
        let question = lookup.question.as_ref();
        if question.is_some_and(|question| {
            question.rtype == RecordType::SRV && kms_service_domain(&question.name).is_some()
        }) && lookup.opcode == Opcode::QUERY
        {
            self.kms[0] += queries;
        }
        ignore(&(lookup.aliases(), lookup.negative_ttl(), lookup.name(), lookup.outcome.hresult()));
        let kms = &mut self.kms;
        let digest = &mut self.digest;
        self.searches.take(lookup, &mut |search| searched(&search, kms, digest));
        self.resolver.note(lookup);
        let Some(answer) = &lookup.answer else { return };
        for (_, record) in answer.message.records().take(Resolver::<IpAddr, u64>::MAX_ADDRESSES) {
            if let Some(address) = record.data.address() {
                ignore(&self.resolver.found(lookup.client.ip(), address, 1688));
            }
            if let RecordData::Srv { target, .. } = &record.data {
                ignore(&self.resolver.is_of_interest(lookup.client.ip(), target));
            }
        }
    }

    fn expire(&mut self, now: i64) {
        let (kms, digest) = (&mut self.kms, &mut self.digest);
        self.searches.expire(now, &mut |search| searched(&search, kms, digest));
    }

    fn finish(mut self) -> u64 {
        let (kms, digest) = (&mut self.kms, &mut self.digest);
        self.searches.finish(&mut |search| searched(&search, kms, digest));
        assert_eq!(self.kms[0], self.kms[1], "queries for KMS hosts, and those of searches");
        self.digest.0.finish()
    }
}

fn searched(search: &Search<IpAddr, u64>, kms: &mut [u64; 2], digest: &mut Digest) {
    digest.take(search);
    assert!(!search.attempts.is_empty() && search.attempts.len() <= Searches::<IpAddr, u64>::MAX_ATTEMPTS);
    assert!(search.attempts.is_sorted_by_key(|attempt| attempt.number));
    kms[1] += search.attempts.iter().map(|attempt| u64::from(attempt.queries)).sum::<u64>();
}
