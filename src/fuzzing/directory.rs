//! What must hold of any bytes that come as LDAP or LDIF.

use std::hash::Hasher as _;

use ldap_parser::FromBer as _;
use ldap_parser::ldap::{LdapMessage, ProtocolOp};

use crate::directory::{
    ActivationObject, Dn, Event, Filter, Found, Framed, Framer, MAX_HELD, MAX_MESSAGE, MAX_NESTING, Message,
    Operation, SearchRequest, Session, Side, is_activation_search, ldif, looks_like_ldap,
};

use super::{Digest, Slow, ignore, words};

/// Holds that a connection says the same in whatever pieces it comes, that every byte of it is accounted for, that what
/// is held is bounded, and that a message says what the crate that parses LDAP says of it, if both read it whole.
///
/// Bit 0 of a seed's first byte says that the beginning was not seen. Then pieces, each behind a byte that says whose it is
/// (bit 0), whether a gap is in front of it (bit 1) and how it is cut, and two bytes of its length.
pub fn ldap(data: &[u8]) {
    let Some((&kind, mut rest)) = data.split_first() else { return };
    let mut pieces = Vec::new();
    let mut ends = [0; 2];
    while let Some(([kind, low, high], behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes([*low, *high]));
        let (bytes, behind) = behind.split_at(length.min(behind.len()));
        rest = behind;
        let from = if kind & 1 == 0 { Side::Client } else { Side::Server };
        let part = 1 + usize::from(kind >> 2);
        let end: &mut u64 = &mut ends[from as usize];
        *end += if kind & 2 == 0 { 0 } else { part as u64 };
        pieces.push(Piece { from, offset: *end, bytes, part });
        *end += bytes.len() as u64;
        ignore(&looks_like_ldap(bytes));
        every_message(bytes);
    }
    let is_mid_stream = kind & 1 == 1;
    let whole = follow(&pieces, is_mid_stream, |piece| piece.bytes.len().max(1));
    assert_eq!(follow(&pieces, is_mid_stream, |piece| piece.part), whole, "in pieces, and whole");
}

/// A piece of a connection, and the length of the parts that it is cut into.
struct Piece<'a> {
    from: Side,
    offset: u64,
    bytes: &'a [u8],
    part: usize,
}

/// What a session finds, and what it counts.
fn follow(
    pieces: &[Piece<'_>],
    is_mid_stream: bool,
    part: impl Fn(&Piece<'_>) -> usize,
) -> (Vec<String>, [Vec<u8>; 2], String) {
    let mut found = Vec::new();
    let mut tls = [Vec::new(), Vec::new()];
    let mut session = if is_mid_stream { Session::mid_stream() } else { Session::default() };
    let mut emit = |event: Event<'_, u64>| {
        found.push(match event {
            Event::Search(exchange) => {
                assert!(exchange.asked.iter().chain(&exchange.answered).all(|(first, last)| first <= last));
                if let Some(request) = &exchange.request {
                    words::search(request);
                    every_request(request);
                }
                ignore(&exchange.is_activation());
                exchange.result.iter().for_each(|result| words::result(result.code));
                exchange.found.iter().for_each(|found| ignore(&found.dn()));
                let ending = exchange.ending.name();
                let (request, references) = (exchange.request, exchange.references);
                let (result, left_out) = (exchange.result, exchange.left_out);
                format!(
                    "{} {request:?} {:?} {references:?} {result:?} {left_out} {ending}",
                    exchange.id, exchange.found
                )
            }
            Event::Bind(exchange) => {
                format!(
                    "{} {:?} {:?} {:?}",
                    exchange.id, exchange.request, exchange.response, exchange.ending
                )
            }
            Event::Operation(exchange) | Event::StartTls(exchange) => {
                exchange.request.iter().for_each(words::operation);
                let name = exchange.request.as_ref().map(Operation::name);
                format!("{} {name:?} {:?} {:?}", exchange.id, exchange.response, exchange.ending)
            }
            // In pieces of any size.
            Event::Tls { from, bytes, .. } => return tls[from as usize].extend_from_slice(bytes),
            Event::Sealed { from, offset, length, came, first, last } => {
                assert!(came <= length && first <= last);
                format!("{from:?} {offset} sealed {length} {came}")
            }
            Event::Malformed { from, offset, length, error, .. } => {
                assert!(error.offset <= length, "{error} is beyond {length} bytes");
                format!("{from:?} {offset} {length} {error}")
            }
            Event::Skipped { from, offset, length, sample, error, .. } => {
                assert!(length > 0 && sample.len() as u64 <= length);
                format!("{from:?} {offset} skipped {length} {sample:?} {error}")
            }
        });
    };
    let mut stamp = 0;
    for piece in pieces {
        let mut offset = piece.offset;
        if piece.bytes.is_empty() {
            session.gap(piece.from, offset, &mut emit);
        }
        for bytes in piece.bytes.chunks(part(piece)) {
            session.push(piece.from, offset, bytes, stamp, &mut emit);
            offset += bytes.len() as u64;
            stamp += 1;
            assert_eq!(session.end(piece.from), offset);
            assert!(session.held() <= MAX_HELD + 2 * MAX_MESSAGE, "{} bytes are held", session.held());
        }
    }
    session.finish(&mut emit);
    assert_eq!(session.held(), 0, "it has ended");
    (found, tls, format!("{:?}", session.counts()))
}

/// Holds that a framer accounts for every byte, and what [`every_operation`] says of each message.
fn every_message(bytes: &[u8]) {
    let mut at = 0;
    let mut framer = Framer::default();
    let mut out = |framed: Framed<'_, ()>| {
        let (offset, length) = match framed {
            Framed::Message { offset, bytes, .. } => {
                every_operation(bytes);
                (offset, bytes.len() as u64)
            }
            Framed::Cut { offset, bytes, .. } => (offset, bytes.len() as u64),
            Framed::Skipped { offset, length, .. } => (offset, length),
            Framed::Sealed { .. } | Framed::Tls { .. } => panic!("nobody spoke of it"),
        };
        assert_eq!(offset, at, "nothing accounts for what is between");
        at += length;
    };
    framer.push(0, bytes, (), &mut out);
    framer.finish(&mut out);
    assert_eq!(at, bytes.len() as u64, "nothing accounts for the end");
}

/// Holds that of a message that is read without an error, the crate reads the same, if it reads it.
fn every_operation(bytes: &[u8]) {
    let ours = Message::parse(bytes);
    assert_eq!(ours, Message::parse(bytes));
    let (Ok(ours), Ok(([], theirs))) = (ours, LdapMessage::from_ber(bytes)) else { return };
    // The crate does not look at the class of most tags, and passes over what it cannot read.
    if ours.error.is_some() {
        return;
    }
    assert_eq!(ours.id, theirs.message_id.0);
    assert_eq!(ours.controls.len(), theirs.controls.map_or(0, |controls| controls.len()));
    match (&ours.operation, &theirs.protocol_op) {
        (Operation::SearchResultEntry(ours), ProtocolOp::SearchResultEntry(theirs)) => {
            assert_eq!(ours.dn, theirs.object_name.0);
            assert_eq!(ours.attributes.len(), theirs.attributes.len());
            for (ours, theirs) in ours.attributes.iter().zip(&theirs.attributes) {
                assert_eq!(ours.description, theirs.attr_type.0);
                assert!(ours.values.iter().eq(theirs.attr_vals.iter().map(|value| &*value.0)));
            }
        }
        (Operation::SearchRequest(ours), ProtocolOp::SearchRequest(theirs)) => {
            assert_eq!((&*ours.base, ours.scope.0), (&*theirs.base_object.0, theirs.scope.0));
            assert_eq!((ours.size_limit, ours.time_limit), (theirs.size_limit, theirs.time_limit));
            assert_eq!(ours.types_only, theirs.types_only);
            assert!(ours.attributes.iter().eq(theirs.attributes.iter().map(|name| &*name.0)));
        }
        (Operation::BindRequest(ours), ProtocolOp::BindRequest(theirs)) => {
            assert_eq!((ours.version, &*ours.name), (theirs.version.into(), &*theirs.name.0));
        }
        (Operation::SearchResultReference(ours), ProtocolOp::SearchResultReference(theirs)) => {
            assert!(ours.iter().eq(theirs.iter().map(|uri| &*uri.0)));
        }
        (Operation::AbandonRequest(ours), ProtocolOp::AbandonRequest(theirs)) => assert_eq!(*ours, theirs.0),
        (ours, theirs) => {
            let ours = ours.result().map(|r| (r.code.0, r.matched_dn.as_str(), r.diagnostic.as_str()));
            let theirs =
                theirs.result().map(|r| (r.result_code.0, &*r.matched_dn.0, &*r.diagnostic_message.0));
            assert_eq!(ours, theirs);
        }
    }
}

/// Holds that a filter is no deeper than it may be, that it can be shown, and that the base's DN is read as it is written.
fn every_request(request: &SearchRequest) {
    fn depth(filter: &Filter) -> usize {
        match filter {
            Filter::And(parts) | Filter::Or(parts) => 1 + parts.iter().map(depth).max().unwrap_or(0),
            Filter::Not(part) => 1 + depth(part),
            _ => 1,
        }
    }
    ignore(&is_activation_search(request));
    if let Some(filter) = &request.filter {
        assert!(depth(filter) <= MAX_NESTING);
        let text = filter.to_string();
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
    match Dn::parse(&request.base) {
        Ok(dn) => {
            let written = dn.to_string();
            assert_eq!(Dn::parse(&written).as_ref(), Ok(&dn), "{written:?}");
            assert!(dn.is_within(&dn));
        }
        Err(error) => assert!(error.offset <= request.base.len(), "{error}"),
    }
}

/// Holds that an LDIF file says the same in pieces of any size and with its lines folded elsewhere, and that its entries and
/// problems stand in it, one behind the other.
pub fn ldif(data: &[u8]) {
    let tell = |step: usize| {
        let mut told = Digest::default();
        let mut entries = 0;
        let (mut line, mut end) = (0, 0);
        let summary = ldif::read(Slow { left: data, step }, |entry| {
            assert!(entry.line > line, "line {} is behind line {line}", entry.line);
            assert!(entries == 0 || entry.offset > end, "offset {} is behind {end}", entry.offset);
            assert!(entry.offset < data.len() as u64);
            (line, end) = (entry.line, entry.offset);
            entries += 1;
            if let Some(object) = ActivationObject::of(&entry.entry) {
                words::object(&object);
            }
            told.take(&entry);
        });
        assert_eq!(summary.entries, entries);
        (summary, told.0.finish())
    };
    let whole = tell(data.len().max(1));
    assert_eq!(tell(1 + data.len() / 7), whole);
    assert_eq!(tell(1), whole);
    let mut at = (0, 0);
    for problem in &whole.0.problems {
        assert!(
            (problem.line, problem.error.offset) > at || at == (0, 0),
            "{problem:?} stands behind {at:?}"
        );
        assert!(problem.error.offset <= data.len(), "{problem:?} is beyond {} bytes", data.len());
        at = (problem.line, problem.error.offset);
    }

    let content = |file: &[u8]| {
        let mut entries = Vec::new();
        let summary = ldif::read(file, |entry| {
            let found = match ActivationObject::of(&entry.entry) {
                Some(object) => Found::ActivationObject(Box::new(object)),
                None => Found::Entry(entry.entry),
            };
            entries.push((found, entry.urls, entry.is_cut));
        });
        (entries, summary.version, summary.changes, summary.results, summary.problem_count)
    };
    assert_eq!(content(&folded(data)), content(data), "folded at every third byte");
}

/// The file with each line folded at every third byte, but not behind a carriage return, which would then end a line.
fn folded(file: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(file.len() * 2);
    // A mark stands in the file, not in a line.
    let text = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    out.extend_from_slice(&file[..file.len() - text.len()]);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        for (i, byte) in line.iter().enumerate() {
            if i > 0 && i % 3 == 0 && !b"\r\n".contains(byte) && line[i - 1] != b'\r' {
                out.extend_from_slice(b"\n ");
            }
            out.push(*byte);
        }
    }
    out
}
