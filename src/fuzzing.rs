//! The bodies that fuzz targets, corpus tests and benches share: what must hold of any bytes at all.
//!
//! Every function of [`TARGETS`] takes bytes that nobody vouches for and panics where its oracle is violated. "No
//! panic" is the least of them: what was read is written back byte for byte, how bytes arrive in pieces does not
//! matter, and no changed byte of an authenticated message goes unnoticed.

mod conformance;
mod dictionary;
mod directory;
mod discovery;
mod http;
mod mak;
mod mutation;
mod redact;
mod vmbus;

use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hasher as _};
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr};

use smallvec::SmallVec;

use crate::capture::{
    CaptureReader, Chunk, Comment, Direction, End, Endpoint, FlowInfo, Gap, Handler, LayerOptions, Layers,
    LinkType, NotTcp, Packet, Packets, Segment, Stamp, Streams, TcpFlags, Transport,
};
use crate::kms::{
    Check, EncryptedRequest, EncryptedResponse, HostIdentity, Moment, Ndr, Policy, Refusal, Reply,
    RequestBody, RequestChecks, RequestMessage, RequestStub, Responder, ResponseBody, ResponseChecks,
    ResponseMessage, ResponseStub, V4Request, V4Response, V6Trailer, Verifier, Version, hmac, mac, rijndael,
    salt,
};
use crate::mak::{Id, IdError, IdErrorKind};
use crate::rpc::{Framed, Framer, Pdu};
use crate::tls::{Event, KeyLog, KeyLogCounts, Session, Side, looks_like_client_hello};
use crate::trace::{
    ConnectionRecord, Exchange, FileRecord, MakExchange, Notice, Observer, Options, PduContent, PduRecord,
    Summary, trace,
};
use crate::wire::{Endianness, Epid, FileTime, Hex, utf16};

pub use conformance::rules;
pub use dictionary::dictionary;
pub use directory::{ldap, ldif};
pub use discovery::dns;
pub use http::{har, http};
pub use mak::{soap, vamt};
pub use mutation::mutate;
pub use redact::{KeyPlan, redact};
pub use vmbus::{vmbus_control, vmbus_pipe, vmbus_ring};

/// A target's name, which is also that of its folder below `corpus/`, and its body.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("capture", capture),
    ("dns", dns),
    ("epid", epid),
    ("file", file),
    ("framer", framer),
    ("har", har),
    ("http", http),
    ("id", id),
    ("key_log", key_log),
    ("layers", layers),
    ("ldap", ldap),
    ("ldif", ldif),
    ("pdu", pdu),
    ("reassembly", reassembly),
    ("redact", redact),
    ("request_message", request_message),
    ("request_stub", request_stub),
    ("respond", respond),
    ("response_message", response_message),
    ("response_stub", response_stub),
    ("rules", rules),
    ("soap", soap),
    ("streams", streams),
    ("tls", tls),
    ("vamt", vamt),
    ("vmbus_control", vmbus_control),
    ("vmbus_pipe", vmbus_pipe),
    ("vmbus_ring", vmbus_ring),
];

/// One direction of a connection, and how it comes: in up to five pieces, with a gap or without one.
#[derive(Clone, Copy, Debug)]
pub struct FramerPlan<'a> {
    /// True where the stream's beginning was not seen.
    pub mid_stream: bool,
    /// Where the stream is cut into pieces, each counted modulo its length.
    pub cuts: [u16; 4],
    /// From where the gap reaches, modulo the stream's length, and how far; 0 is no gap.
    pub gap: [u16; 2],
    /// The stream.
    pub stream: &'a [u8],
}

impl<'a> FramerPlan<'a> {
    /// Bytes in front of the stream in a seed.
    pub const HEAD: usize = 13;

    /// Reads a seed; what its head lacks is zero.
    #[must_use]
    pub fn read(data: &'a [u8]) -> Self {
        let (head, stream) = data.split_at(data.len().min(Self::HEAD));
        let at = |i: usize| head.get(i).copied().unwrap_or(0);
        let word = |i: usize| u16::from_le_bytes([at(i), at(i + 1)]);
        Self {
            mid_stream: at(0) & 1 == 1,
            cuts: [word(1), word(3), word(5), word(7)],
            gap: [word(9), word(11)],
            stream,
        }
    }

    /// The seed that reads as this.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let words = self.cuts.iter().chain(&self.gap).flat_map(|word| word.to_le_bytes());
        std::iter::once(u8::from(self.mid_stream)).chain(words).chain(self.stream.iter().copied()).collect()
    }
}

/// Holds [`framer_of`] for the [`FramerPlan`] that the bytes are read as.
pub fn framer(data: &[u8]) {
    framer_of(&FramerPlan::read(data));
}

/// Holds that a stream in pieces is framed like the whole one, that every PDU is written back, that nothing is handed
/// out twice or out of order, and (without a gap) that every byte is accounted for.
pub fn framer_of(plan: &FramerPlan<'_>) {
    let FramerPlan { mid_stream, cuts, gap, stream } = *plan;
    let length = stream.len();
    let within = |at: u16| usize::from(at) % (length + 1);
    let gap_from = within(gap[0]);
    let gap_to = (gap_from + usize::from(gap[1])).min(length);
    let has_gap = gap_from < gap_to;
    let mut ends: Vec<usize> = cuts.into_iter().map(within).collect();
    ends.sort_unstable();
    let whole = frame(&pieces(stream, &[], gap_from..gap_to), mid_stream);
    let parts = pieces(stream, &ends, gap_from..gap_to);
    let in_parts = frame(&parts, mid_stream);

    for items in [&whole, &in_parts] {
        let mut at = 0;
        for item in items {
            assert!(item.offset >= at, "{item:?} is handed out behind offset {at}");
            assert!(has_gap || item.offset == at, "nothing accounts for the bytes from {at} to {item:?}");
            at = item.offset + item.length;
            let spans_gap = item.offset < gap_to && at > gap_from;
            assert!(!has_gap || item.kind == "skipped" || !spans_gap, "{item:?} has bytes of the gap");
        }
        assert!(at <= length, "{at} bytes of {length}");
        assert!(has_gap || at == length, "nothing accounts for the bytes from {at} to the end");
        let sum: usize = items.iter().map(|item| item.length).sum();
        assert!(sum <= length - (gap_to - gap_from), "more bytes than came");
    }

    let sequence = |items: &[Item]| -> Vec<(&str, usize, usize)> {
        items.iter().map(|item| (item.kind, item.offset, item.length)).collect()
    };
    assert_eq!(sequence(&in_parts), sequence(&whole), "in pieces, and whole");
    for item in in_parts.iter().filter(|item| item.kind == "pdu") {
        let holds =
            |stamp: usize, at: usize| (parts[stamp].0..parts[stamp].0 + parts[stamp].1.len()).contains(&at);
        assert!(holds(item.last, item.offset + item.length - 1), "{item:?} ends in another piece");
        assert!(holds(item.first, item.offset), "{item:?} begins in another piece");
    }
}

/// What a framer handed out.
#[derive(Debug)]
struct Item {
    kind: &'static str,
    offset: usize,
    length: usize,
    first: usize,
    last: usize,
}

/// The stream cut at these places, without what lies in the gap.
fn pieces<'a>(stream: &'a [u8], ends: &[usize], gap: std::ops::Range<usize>) -> Vec<(usize, &'a [u8])> {
    let mut edges = vec![0, gap.start, gap.end, stream.len()];
    edges.extend(ends.iter().filter(|end| !gap.contains(end)));
    edges.sort_unstable();
    let is_there = |range: &&[usize]| range[0] < range[1] && !(range[0] == gap.start && range[1] == gap.end);
    edges.windows(2).filter(is_there).map(|range| (range[0], &stream[range[0]..range[1]])).collect()
}

fn frame(pieces: &[(usize, &[u8])], mid_stream: bool) -> Vec<Item> {
    let mut framer = if mid_stream { Framer::mid_stream() } else { Framer::default() };
    let mut items = Vec::new();
    let number = |value: u64| usize::try_from(value).expect("an offset in memory");
    let mut out = |framed: Framed<'_, usize>| {
        items.push(match framed {
            Framed::Pdu { offset, first, last, bytes } => {
                let (pdu, _) = Pdu::parse_lax(bytes).expect("what is framed has a header and its length");
                assert_eq!(usize::from(pdu.header.frag_length), bytes.len());
                assert_eq!(pdu.encode(), bytes);
                Item { kind: "pdu", offset: number(offset), length: bytes.len(), first, last }
            }
            Framed::Cut { offset, first, bytes, .. } => {
                Item { kind: "cut", offset: number(offset), length: bytes.len(), first, last: first }
            }
            Framed::Skipped { offset, length, first, sample, error } => {
                assert!(sample.len() <= number(length));
                ignore(&error);
                Item { kind: "skipped", offset: number(offset), length: number(length), first, last: first }
            }
        });
    };
    for (stamp, (offset, bytes)) in pieces.iter().enumerate() {
        framer.push(*offset as u64, bytes, stamp, &mut out);
        assert_eq!(framer.end(), (offset + bytes.len()) as u64);
    }
    framer.finish(&mut out);
    items
}

/// Holds that a PDU is written back byte for byte, that bytes behind it do not matter, that the strict parser takes
/// exactly what the lax one reads to its end, and that a whole one already has the lengths that it should.
pub fn pdu(data: &[u8]) {
    let Ok((pdu, error)) = Pdu::parse_lax(data) else {
        assert!(Pdu::parse(data).is_err());
        return;
    };
    let bytes = &data[..pdu.header.frag_length.into()];
    assert_eq!(pdu.encode(), bytes);
    assert_eq!(Pdu::parse_lax(bytes).as_ref(), Ok(&(pdu.clone(), error.clone())));
    ignore(&pdu);
    ignore(&format_args!("{} {}", pdu.header.ptype, pdu.header.flags));
    match error {
        None => {
            assert_eq!(Pdu::parse(data).as_ref(), Ok(&pdu));
            assert_eq!(pdu.encode_sized().expect("it has a length"), bytes);
        }
        Some(error) => {
            assert!(error.offset <= bytes.len(), "{error} is beyond {} bytes", bytes.len());
            ignore(&format_args!("{error}"));
            assert_eq!(Pdu::parse(data), Err(error));
        }
    }
}

/// Holds that an ID is written as it is read, that a wrong digit in it is found in its group, and that of a text that is none
/// every wrong group lies within the text.
pub fn id(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let id = match Id::parse(&text) {
        Ok(id) => id,
        Err(error) => {
            let length = text.chars().count();
            assert!(error.groups.len() <= IdError::MOST_GROUPS);
            assert!(error.groups.iter().all(|group| group.characters.end <= length), "{error:?}");
            assert_eq!(error.to_string().lines().count(), 1 + error.groups.len());
            return;
        }
    };
    assert_eq!(Id::parse(&id.to_string()), Ok(id));
    assert_eq!(Id::parse(id.digits()), Ok(id));
    let size = id.kind().group_len();
    let digits = id.digits().as_bytes();
    for place in 0..digits.len() / size * size {
        let mut wrong = digits.to_vec();
        // Never 7 away: from 9 it goes to 0.
        wrong[place] = b'0' + (wrong[place] - b'0' + 1) % 10;
        let error = Id::parse(&String::from_utf8_lossy(&wrong)).expect_err("its check digit is wrong");
        assert_eq!(error.groups.len(), 1, "{error}");
        assert_eq!(error.groups[0].ordinal, place / size + 1, "{error}");
        assert!(matches!(error.kind, IdErrorKind::CheckDigits { id: kind, .. } if kind == id.kind()));
    }
}

/// How a stub's seed says that it is marshalled: bit 0 of its first byte is NDR64, bit 1 big-endian.
fn marshalling(data: &[u8]) -> (Ndr, Endianness, &[u8]) {
    let (&kind, stub) = data.split_first().unwrap_or((&0, &[]));
    let ndr = if kind & 1 == 0 { Ndr::Ndr32 } else { Ndr::Ndr64 };
    (ndr, if kind & 2 == 0 { Endianness::Little } else { Endianness::Big }, stub)
}

/// Holds that a request's stub is written back byte for byte and that its data and what it lacks are requestSize.
pub fn request_stub(data: &[u8]) {
    let (ndr, endianness, bytes) = marshalling(data);
    match RequestStub::parse(bytes, ndr, endianness) {
        Ok(stub) => {
            assert_eq!(stub.encode(endianness), bytes);
            assert_eq!(stub.data.len() + stub.missing(), stub.size as usize);
            assert!(stub.missing() == 0 || stub.excess.is_empty());
            assert_eq!(stub.size_slot() & u64::from(u32::MAX), u64::from(stub.size));
            ignore(&(&stub, stub.is_consistent()));
        }
        Err(error) => assert!(bytes.len() < ndr.request_head(), "{error}"),
    }
}

/// Holds that a response's stub is written back byte for byte, that its data and what it lacks are responseSize, and
/// that HRESULT stands behind a multiple of four.
pub fn response_stub(data: &[u8]) {
    let (ndr, endianness, bytes) = marshalling(data);
    match ResponseStub::parse(bytes, ndr, endianness) {
        Ok(stub) => {
            assert_eq!(stub.encode(endianness), bytes);
            if stub.max_count.is_some() {
                assert_eq!(stub.data.len() + stub.missing(), stub.size as usize);
            } else {
                assert!(stub.referent == 0 && stub.data.is_empty());
            }
            if stub.hresult.is_some() {
                assert_eq!((bytes.len() - stub.excess.len()) % 4, 0, "HRESULT is not aligned");
            }
            ignore(&stub);
        }
        Err(error) => assert!(bytes.len() < 24, "{error}"),
    }
}

/// Holds that every request's stub is answered, the same way each time and behind what is there already: with a
/// response that passes every verification, or with an error stub of the refusal's HRESULT; and that the bytes as fields
/// of a right request get a response.
///
/// A seed is that of [`request_stub`].
pub fn respond(data: &[u8]) {
    let (ndr, endianness, stub) = marshalling(data);
    answered(stub, ndr, endianness, field(data, 1));
    let body = data.get(1..).unwrap_or_default();
    let body = &body[..body.len().min(RequestBody::LEN)];
    for version in [Version::V4, Version::V5, Version::V6] {
        let made = made_request(version, body);
        let bytes = made.encode();
        let reply = answered(
            &RequestStub::of(&bytes, ndr).encode(endianness),
            ndr,
            endianness,
            field(data, RequestBody::LEN),
        );
        let expected = match made.version() {
            Some(known) if known == version => Reply::Answered,
            other => Reply::Refused(Refusal::Version(other.expect("it was made with one"))),
        };
        assert_eq!(reply, expected);
    }
}

/// What a request's stub is answered with.
fn answered(stub: &[u8], ndr: Ndr, endianness: Endianness, random: [u8; 32]) -> Reply {
    const BEFORE: &[u8] = b"before";
    let policy = Policy { max_clock_skew: None, ..Policy::default() };
    let mut host = Responder::new(HostIdentity::TEST, policy);
    let moment = Moment { now: FileTime(0), random };
    let mut out = BEFORE.to_vec();
    let reply = host.respond(stub, ndr, endianness, &moment, &mut out);
    let mut again = BEFORE.to_vec();
    assert_eq!(host.respond(stub, ndr, endianness, &moment, &mut again), reply);
    assert_eq!(again, out);
    ignore(&reply);
    let written = out.strip_prefix(BEFORE).expect("what was there is left alone");
    assert!(written.len() <= Responder::STUB_LEN);

    let answer = ResponseStub::parse(written, ndr, Endianness::Little).expect("a host's stub is whole");
    assert_eq!(answer.hresult, Some(reply.hresult()));
    assert!(answer.excess.is_empty() && answer.missing() == 0);
    match reply {
        Reply::Answered => {
            let request = RequestStub::parse(stub, ndr, endianness).expect("it was answered");
            let request = RequestMessage::decode(request.data);
            let response = ResponseMessage::decode(answer.data);
            assert_eq!(response.expected_len(), Some(answer.data.len()));
            let checks = ResponseChecks::of(&response, Some(&request)).expect("its envelope opens");
            let reuses_iv = matches!(&request, RequestMessage::Encrypted(request) if request.decrypted_iv() == random[16..]);
            for (name, check) in checks.by_name() {
                assert!(passes(check) || (name == "iv_fresh" && reuses_iv), "{name}: {checks:?}");
            }
        }
        Reply::Refused(_) => assert_eq!(answer, ResponseStub::refusal(reply.hresult(), ndr)),
    }
    reply
}

/// Holds that a request is written back byte for byte, and that the bytes as fields, put into the envelope of each
/// version, come out of it again with every verification passed; in version 4 no byte can be changed without one
/// failing.
pub fn request_message(data: &[u8]) {
    let message = RequestMessage::decode(data);
    assert_eq!(message.encode(), data);
    assert_eq!(RequestChecks::of(&message).is_some(), message.body().is_some());
    ignore(&message);
    if let Some(error) = message.error() {
        assert!(error.offset <= data.len());
        ignore(&format_args!("{error}"));
    }

    for version in [Version::V4, Version::V5, Version::V6] {
        let made = made_request(version, data);
        let bytes = made.encode();
        assert_eq!(RequestMessage::decode(&bytes), made);
        let checks = RequestChecks::of(&made).expect("its envelope is open");
        assert!(checks.by_name().iter().all(|(_, check)| passes(*check)), "{checks:?}");
        if version == Version::V4 {
            let mut changed = bytes;
            let at = place(data, RequestMessage::V4_LEN);
            changed[at] ^= 1;
            let checks = RequestChecks::of(&RequestMessage::decode(&changed));
            let passes = |checks: RequestChecks| checks.by_name().iter().all(|(_, check)| passes(*check));
            assert!(!checks.is_some_and(passes), "byte {at} changed unnoticed");
        }
    }
}

/// Holds that a response is written back byte for byte whatever it is verified against, and that the bytes as fields,
/// put into each version's envelope, come out again verified; in versions 4 and 6 no byte of it can be changed
/// without a verification failing.
///
/// A seed is the request's length (two bytes, little-endian), the request, and the response.
pub fn response_message(data: &[u8]) {
    let (head, rest) = data.split_at(data.len().min(2));
    let length = head.iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
    let (request_bytes, response) = rest.split_at(length.min(rest.len()));
    let (request, message) = (RequestMessage::decode(request_bytes), ResponseMessage::decode(response));
    assert_eq!(message.encode(), response);
    ignore(&(&message, message.expected_len()));
    if let Some(error) = message.error() {
        ignore(&format_args!("{error}"));
    }
    let mut batch = Vec::new();
    let mut verifier = Verifier::default();
    verifier.open_batch(&[(request_bytes, response), (&[], response)], &mut batch);
    let expected = (message.clone(), ResponseChecks::of(&message, Some(&request)));
    assert_eq!(verifier.open(response, Some(&request)), expected);
    assert_eq!((batch[0].response.clone(), batch[0].response_checks), expected);
    let expected = (request.clone(), RequestChecks::of(&request));
    assert_eq!(RequestChecks::open(request_bytes), expected);
    assert_eq!((batch[0].request.clone(), batch[0].request_checks), expected);
    assert_eq!(batch[1].response_checks.is_some(), message.body().is_some());

    let alone = ResponseChecks::of(&message, None);
    assert_eq!(alone.is_some(), message.body().is_some());
    let checks = ResponseChecks::of(&message, Some(&request));
    assert_eq!(checks.is_some(), alone.is_some());
    if let (Some(checks), Some(alone)) = (checks, alone) {
        for ((name, check), (_, alone)) in checks.by_name().into_iter().zip(alone.by_name()) {
            assert!(check == alone || alone == Check::NoRequest, "{name} is {check:?}, alone {alone:?}");
        }
    }

    for version in [Version::V4, Version::V5, Version::V6] {
        let request = made_request(version, data);
        let made = made_response(&request, rest);
        let bytes = made.encode();
        assert_eq!(made.expected_len(), Some(bytes.len()));
        assert_eq!(ResponseMessage::decode(&bytes), made);
        let fails = |message: &ResponseMessage| {
            let Some(checks) = ResponseChecks::of(message, Some(&request)) else { return true };
            checks.by_name().iter().any(|(name, check)| *name != "pid_size" && !passes(*check))
        };
        assert!(!fails(&made), "{:?}", ResponseChecks::of(&made, Some(&request)));
        if version != Version::V5 {
            let mut changed = bytes;
            let at = place(data, changed.len());
            changed[at] ^= 1;
            assert!(fails(&ResponseMessage::decode(&changed)), "{version}: byte {at} changed unnoticed");
        }
    }
}

fn passes(check: Check) -> bool {
    matches!(check, Check::Pass | Check::NotApplicable)
}

/// A place below `length` that the last bytes choose.
fn place(data: &[u8], length: usize) -> usize {
    data.iter().rev().take(2).fold(0, |sum, &byte| sum << 8 | usize::from(byte)) % length
}

/// The bytes from `at` on, zeros behind their end.
fn field<const N: usize>(data: &[u8], at: usize) -> [u8; N] {
    std::array::from_fn(|i| data.get(at + i).copied().unwrap_or(0))
}

/// A request whose fields are these bytes and whose envelope is as it should be.
fn made_request(version: Version, data: &[u8]) -> RequestMessage {
    let plain: [u8; RequestBody::LEN] = field(data, 0);
    let mut body = RequestBody::parse(&plain).expect("the length is a body's");
    let excess = SmallVec::from_slice(data.get(RequestBody::LEN..).unwrap_or_default());
    body.version = Version(version.0 | u32::from(body.version.minor()));
    if version == Version::V4 {
        let mac = mac::v4(&body.encode());
        return RequestMessage::V4(V4Request { body, mac, excess });
    }
    let iv = field(data, RequestBody::LEN / 2);
    RequestMessage::Encrypted(EncryptedRequest { version: body.version, iv, body, padding: [4; 4], excess })
}

/// The right answer to a request, with these bytes where a host is free.
fn made_response(request: &RequestMessage, data: &[u8]) -> ResponseMessage {
    let asked = request.body().expect("it was made with a body");
    let [count, activation_interval, renewal_interval] =
        std::array::from_fn(|i| u32::from_le_bytes(field(data, 4 * i)));
    let body = ResponseBody {
        version: asked.version,
        epid: SmallVec::from_slice(&data[..data.len().min(600)]),
        cmid: asked.cmid,
        client_time: asked.client_time,
        count,
        activation_interval,
        renewal_interval,
    };
    let RequestMessage::Encrypted(request) = request else {
        let mac = mac::v4(&body.encode());
        return ResponseMessage::V4(V4Response { mac, body, excess: SmallVec::new() });
    };
    let is_v6 = request.version.major() == 6;
    let k = request.decrypted_iv();
    let plain_salt = field(data, 12);
    let mut response = EncryptedResponse {
        version: request.version,
        iv: if is_v6 { request.iv.map(|byte| !byte) } else { request.iv },
        body,
        xored_salt: rijndael::xor(&plain_salt, &k),
        hash: salt::hash(&plain_salt),
        v6: is_v6.then(|| V6Trailer { hwid: field(data, 28), xored_ivs: k, hmac: [0; 16] }),
        padding: SmallVec::new(),
        excess: SmallVec::new(),
    };
    let hashed = response.hashed();
    if let Some(v6) = &mut response.v6 {
        v6.hmac = hmac::Keys::default().v6(response.body.client_time, 0, &hashed);
    }
    let padding = 16 - hashed.len() % 16;
    response.padding = SmallVec::from_elem(u8::try_from(padding).expect("it is at most 16"), padding);
    ResponseMessage::Encrypted(response)
}

/// Holds that an ePID, as UTF-16 or as UTF-8, is read again from what it is written as.
pub fn epid(data: &[u8]) {
    for text in [utf16::until_nul(data), String::from_utf8_lossy(data).into_owned()] {
        match Epid::parse(&text) {
            Ok(epid) => assert_eq!(Epid::parse(&epid.to_string()), Ok(epid), "{text:?}"),
            Err(error) => assert!(error.offset <= text.len(), "{error}"),
        }
    }
}

/// Holds that a capture says the same twice, the second time read in small pieces, and that its summary counts what
/// was told.
pub fn capture(data: &[u8]) {
    let tell = |reader: &mut dyn Read| {
        let mut told = Told::default();
        let summary = trace("fuzz", reader, &Options::default(), &mut told);
        assert_eq!(summary.exchanges, told.exchanges);
        assert_eq!(summary.connections, told.connections);
        assert_eq!(summary.notices, told.notices);
        assert_eq!(summary.pdus, told.pdus);
        assert_eq!(summary.mak_exchanges, told.mak_exchanges);
        let Summary { answered, refused, faults, http_errors, unreadable, unanswered, .. } = summary;
        assert_eq!(summary.exchanges, answered + refused + faults + http_errors + unreadable + unanswered);
        assert!(summary.bytes <= data.len() as u64);
        (summary, told.digest.0.finish())
    };
    let mut slow = Slow { left: data, step: 1 + data.len() / 7 };
    assert_eq!(tell(&mut &*data), tell(&mut slow));
}

/// Counts what is told, and takes a digest of its text.
#[derive(Default)]
struct Told {
    pdus: u64,
    exchanges: u64,
    mak_exchanges: u64,
    connections: u64,
    notices: u64,
    digest: Digest,
}

#[derive(Default)]
struct Digest(DefaultHasher);

impl fmt::Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

impl Digest {
    fn take(&mut self, value: &impl fmt::Debug) {
        write!(self, "{value:?}").expect("a digest takes everything");
    }
}

impl Observer for Told {
    fn file(&mut self, file: &FileRecord<'_>) {
        self.digest.take(file);
    }

    fn pdu(&mut self, pdu: &PduRecord<'_>) {
        self.pdus += u64::from(matches!(pdu.content, PduContent::Whole { .. }));
        self.digest.take(pdu);
    }

    fn exchange(&mut self, exchange: &Exchange) {
        self.exchanges += 1;
        self.digest.take(&(exchange, exchange.outcome(), exchange.service_time(), exchange.answer_span()));
    }

    fn mak(&mut self, exchange: &MakExchange) {
        self.exchanges += 1;
        self.mak_exchanges += 1;
        self.digest.take(&(exchange, exchange.outcome(), exchange.service_time()));
    }

    fn connection(&mut self, connection: &ConnectionRecord) {
        self.connections += 1;
        self.digest.take(&(connection, connection.stage()));
    }

    fn notice(&mut self, notice: &Notice) {
        self.notices += 1;
        write!(self.digest, "{notice}").expect("a digest takes everything");
    }
}

/// A reader that gives a few bytes at a time.
struct Slow<'a> {
    left: &'a [u8],
    step: usize,
}

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let step = self.step.min(buffer.len());
        self.left.read(&mut buffer[..step])
    }
}

/// Holds that a file of any bytes is read to an end, that it does not matter in which pieces it comes, that packets are
/// numbered upwards and lie within the file, and that every complaint says where.
pub fn file(data: &[u8]) {
    let read = |reader: &mut dyn Read| {
        let mut told = Digest::default();
        let mut packets = 0u64;
        let mut bytes = 0u64;
        let mut frame = 0;
        let mut capture = match CaptureReader::new(reader) {
            Ok(capture) => capture,
            Err(error) => {
                told.take(&error.to_string());
                return (told.0.finish(), packets, bytes);
            }
        };
        let mut complaints = 0;
        loop {
            match capture.advance() {
                Ok(true) => {
                    let packet = Packets::packet(&capture);
                    assert!(packet.frame > frame, "frame {} behind {frame}", packet.frame);
                    frame = packet.frame;
                    packets += 1;
                    bytes += packet.data.len() as u64;
                    told.take(&packet);
                }
                Ok(false) => break,
                Err(error) => {
                    complaints += 1;
                    assert!(complaints <= data.len(), "more complaints than bytes");
                    let text = error.to_string();
                    assert!(text.contains("file offset"), "{text}");
                    told.take(&text);
                }
            }
            for comment in capture.take_comments() {
                assert!(comment.text.len() <= 3 * Comment::MOST_BYTES);
                told.take(&comment);
            }
        }
        assert!(capture.offset() <= data.len() as u64);
        (told.0.finish(), packets, bytes)
    };
    let whole = read(&mut &*data);
    assert!(whole.2 <= data.len() as u64, "{} bytes of packets in a file of {}", whole.2, data.len());
    assert_eq!(whole, read(&mut Slow { left: data, step: 1 + data.len() / 13 }));
}

/// Holds that a packet of any bytes on any link layer holds a segment that lies within it, or says why not; that what is
/// cut off it takes nothing else with it; and that verifying checksums only ever takes segments away.
///
/// Two bytes of link type, then packets, each behind two bytes of length and one that says how much of it was cut.
pub fn layers(data: &[u8]) {
    let Some((link, mut rest)) = data.split_first_chunk() else { return };
    let link = LinkType(u16::from_le_bytes(*link));
    let mut layers = Layers::default();
    let mut frame = 0;
    while let Some((head, behind)) = rest.split_first_chunk::<3>() {
        let length = usize::from(u16::from_le_bytes([head[0], head[1]])).min(behind.len());
        let (data, behind) = behind.split_at(length);
        rest = behind;
        frame += 1;
        let captured = &data[..data.len() - data.len() * usize::from(head[2] & 7) / 16];
        let original_length = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let packet = Packet { frame, time: Some(0), interface: 0, link, data: captured, original_length };
        let found = layers.transport(&packet).map(|transport| {
            let (payload, length) = match transport {
                Transport::Tcp(segment) => (segment.payload, segment.payload_length),
                Transport::Udp(datagram) => (datagram.payload, datagram.payload_length),
            };
            assert!(payload.len() <= 65_535 + 64 && payload.len() as u64 <= u64::from(length));
        });
        if let Err(NotTcp::UnknownLink(unknown)) = &found {
            assert_eq!(*unknown, link);
        }
        // Without fragments from before, who verifies finds the same or less.
        let first = |checksums| {
            let mut alone = Layers::new(LayerOptions { checksums });
            alone.segment(&packet).map(|segment| (segment.source, segment.sequence, segment.payload.to_vec()))
        };
        if let Ok(verified) = first(true) {
            assert_eq!(Ok(verified), first(false));
        }
        for conflict in layers.take_fragment_conflicts() {
            assert!(conflict.frame <= frame);
        }
        // The same packet on its own, cut anywhere, still lies within itself.
        let mut alone = Layers::default();
        let cut = captured.len() * usize::from(head[2] >> 3) / 32;
        let packet = Packet { data: &captured[..cut], ..packet };
        match alone.transport(&packet) {
            Ok(Transport::Tcp(segment)) => assert!(segment.payload.len() <= cut),
            Ok(Transport::Udp(datagram)) => assert!(datagram.payload.len() <= cut),
            Err(_) => {}
        }
    }
    let (pending, _) = layers.incomplete_datagrams();
    assert!(pending <= 4096);
}

/// Holds that a conversation gives the same bytes in the same turns, whether its segments come whole and in order, or
/// split, repeated and in another order.
///
/// Up to six turns: 16 bytes say how long each is and where it is split, 24 in which order the pieces come.
pub fn reassembly(data: &[u8]) {
    const TURNS: usize = 6;
    const PIECES: usize = 24;
    let at = |i: usize| data.get(i).copied().unwrap_or(0);
    let mut whole = Vec::new();
    let mut pieces: Vec<Piece> = Vec::new();
    let mut next = [0u64; 2];
    for turn in 0..TURNS {
        let direction = if turn % 2 == 0 { Direction::ToServer } else { Direction::ToClient };
        let (own, other) = (direction as usize, direction.opposite() as usize);
        let length = u64::from(at(turn));
        let (begin, end) = (next[own], next[own] + length);
        let acknowledges = next[other];
        next[own] = end;
        whole.push(Piece { direction, begin, end, acknowledges });
        // Up to three pieces, which may overlap, and of which one may come twice.
        let split = |i: usize| begin + u64::from(at(TURNS + i)) % (length + 1);
        let (first, second) = (split(turn), split(turn + 1));
        let overlap = u64::from(at(15) & 3);
        for (from, to) in [(begin, first), (first.saturating_sub(overlap).max(begin), end), (begin, second)] {
            pieces.push(Piece { direction, begin: from, end: to.min(end), acknowledges });
        }
    }
    pieces.truncate(PIECES);
    let mut order: Vec<usize> = (0..pieces.len()).collect();
    order.sort_by_key(|&i| (at(16 + i), i));
    let shuffled: Vec<Piece> = order.into_iter().map(|i| pieces[i]).collect();
    assert_eq!(turns(&whole), turns(&shuffled));
}

/// A segment of [`reassembly`].
#[derive(Clone, Copy, Debug)]
struct Piece {
    direction: Direction,
    begin: u64,
    end: u64,
    acknowledges: u64,
}

/// How many bytes each side says before it is the other's turn.
fn turns(pieces: &[Piece]) -> Vec<(usize, u64)> {
    let syn = TcpFlags { syn: true, ..TcpFlags::default() };
    let mut streams = Streams::new(Tiles::default(), &[1688]);
    push(&mut streams, 0, Direction::ToServer, 0, &[], syn);
    push(&mut streams, 1, Direction::ToClient, 0, &[], TcpFlags { ack: true, ..syn });
    for (frame, piece) in (2..).zip(pieces) {
        let payload: Vec<u8> = (piece.begin..piece.end).map(|at| byte_at(piece.direction, at)).collect();
        let ack = TcpFlags { ack: true, ..TcpFlags::default() };
        push_acknowledging(
            &mut streams,
            frame,
            piece.direction,
            piece.begin,
            Some(piece.acknowledges),
            &payload,
            ack,
        );
    }
    let tiles = streams.finish();
    assert_eq!(tiles.gaps, 0, "nothing is missing");
    tiles.turns
}

/// Holds that the segments of one connection, in whatever order, overlapping or missing, are handed on as one
/// sequence of bytes and gaps without a seam, with the right bytes; and without a gap, all of them.
///
/// Every four bytes are a segment: direction and flags, length, and where it stands, counted from where its direction
/// stands so far.
pub fn streams(data: &[u8]) {
    let mut sent: [Vec<(u64, u64)>; 2] = Default::default();
    let mut streams = Streams::new(Tiles::default(), &[1688]);
    let mut payload = Vec::new();
    push(&mut streams, 0, Direction::ToServer, 0, &[], TcpFlags { syn: true, ..TcpFlags::default() });
    push(
        &mut streams,
        1,
        Direction::ToClient,
        0,
        &[],
        TcpFlags { syn: true, ack: true, ..TcpFlags::default() },
    );
    let mut furthest = [0_i64; 2];
    for (i, raw) in data.as_chunks::<4>().0.iter().enumerate() {
        let [kind, length, low, high] = *raw;
        let direction = if kind & 1 == 0 { Direction::ToServer } else { Direction::ToClient };
        let flags = TcpFlags {
            ack: kind & 2 != 0,
            fin: kind & 4 != 0,
            rst: kind & 0xf8 == 0xf8,
            ..TcpFlags::default()
        };
        let distance = i64::from(i16::from_le_bytes([low, high]));
        let start =
            u64::try_from((furthest[direction as usize] + distance).max(0)).expect("it is not negative");
        let end = start + u64::from(length);
        furthest[direction as usize] =
            furthest[direction as usize].max(i64::try_from(end).expect("it is small"));
        payload.clear();
        payload.extend((start..end).map(|at| byte_at(direction, at)));
        push(&mut streams, i as u64 + 2, direction, start, &payload, flags);
        sent[direction as usize].push((start, end));
        // Behind a reset or both FINs a connection takes bytes for a while only.
        if i > 200 {
            break;
        }
    }
    let tiles = streams.finish();
    assert!(tiles.is_closed);
    for (direction, mut sent) in sent.into_iter().enumerate() {
        sent.sort_unstable();
        let contiguous = sent.iter().fold(0, |end, &(from, to)| if from <= end { end.max(to) } else { end });
        assert!(
            tiles.at[direction] >= contiguous,
            "bytes without a hole in front of them were not handed on"
        );
        if tiles.gaps == 0 {
            let end = sent.iter().filter(|(from, to)| from < to).map(|&(_, to)| to).max().unwrap_or(0);
            assert_eq!(tiles.at[direction], end, "bytes are missing, and no gap says so");
        }
    }
}

/// What stands at a place of a stream.
fn byte_at(direction: Direction, at: u64) -> u8 {
    (at ^ at >> 8 ^ direction as u64).to_le_bytes()[0]
}

/// Hands over a segment; the sequence numbers wrap on their way.
fn push(
    streams: &mut Streams<Tiles>,
    frame: u64,
    direction: Direction,
    start: u64,
    payload: &[u8],
    flags: TcpFlags,
) {
    push_acknowledging(streams, frame, direction, start, None, payload, flags);
}

/// As [`push`], with what the segment acknowledges of the other direction.
#[allow(clippy::too_many_arguments)]
fn push_acknowledging(
    streams: &mut Streams<Tiles>,
    frame: u64,
    direction: Direction,
    start: u64,
    acknowledges: Option<u64>,
    payload: &[u8],
    flags: TcpFlags,
) {
    const BASE: u32 = u32::MAX - 1000;
    let endpoint = |port| Endpoint { address: IpAddr::V4(Ipv4Addr::LOCALHOST), port };
    let (source, destination) = match direction {
        Direction::ToServer => (endpoint(40_000), endpoint(1688)),
        Direction::ToClient => (endpoint(1688), endpoint(40_000)),
    };
    let start = u32::try_from(start).expect("streams are short here");
    let segment = Segment {
        source,
        destination,
        sequence: BASE.wrapping_add(start).wrapping_sub(u32::from(flags.syn)),
        acknowledgment: BASE.wrapping_add(
            acknowledges.map_or(start / 2, |offset| u32::try_from(offset).expect("streams are short here")),
        ),
        flags,
        payload,
        payload_length: u32::try_from(payload.len()).expect("segments are short"),
    };
    streams.push(&segment, Stamp { frame, time: None });
}

/// Lays the bytes and gaps of one connection side by side.
#[derive(Default)]
struct Tiles {
    at: [u64; 2],
    gaps: u64,
    is_closed: bool,
    /// Bytes of each side before it is the other's turn.
    turns: Vec<(usize, u64)>,
}

impl Handler for Tiles {
    type State = ();

    fn open(&mut self, _: &FlowInfo) {
        assert!(!self.is_closed);
    }

    fn data(&mut self, _: &FlowInfo, (): &mut (), direction: Direction, chunk: Chunk<'_>) {
        assert_eq!(chunk.offset, self.at[direction as usize], "bytes do not follow those in front of them");
        for (at, &byte) in (chunk.offset..).zip(chunk.bytes) {
            assert_eq!(byte, byte_at(direction, at), "another byte at {at}");
        }
        let length = chunk.bytes.len() as u64;
        self.at[direction as usize] += length;
        match self.turns.last_mut() {
            Some((side, bytes)) if *side == direction as usize => *bytes += length,
            _ => self.turns.push((direction as usize, length)),
        }
    }

    fn gap(&mut self, _: &FlowInfo, (): &mut (), direction: Direction, gap: Gap) {
        assert_eq!(gap.from, self.at[direction as usize], "a gap does not follow what is in front of it");
        assert!(gap.to > gap.from);
        self.at[direction as usize] = gap.to;
        self.gaps += 1;
    }

    fn close(&mut self, _: &FlowInfo, (): (), _: End) {
        self.is_closed = true;
    }
}

/// Holds that every line of a key log is counted once, that errors lie within their lines, that nothing is shown of what
/// is kept, and that it does not matter whether the lines come together or one by one.
pub fn key_log(data: &[u8]) {
    let (whole, errors) = KeyLog::parse(data);
    let lines: Vec<&[u8]> = data.split(|&byte| byte == b'\n').collect();
    let counts = whole.counts();
    let KeyLogCounts { secrets, not_needed, unknown, malformed, left_out } = counts;
    let said = lines.iter().filter(|line| !line.trim_ascii_end().is_empty() && line[0] != b'#').count();
    assert_eq!(said as u64, secrets + not_needed + unknown + malformed + left_out);
    assert!(whole.connections() as u64 <= secrets);
    assert_eq!(errors.len() as u64, malformed.min(KeyLog::MOST_ERRORS as u64));
    assert!(errors.is_sorted_by(|a, b| a.line < b.line));
    for error in &errors {
        let line = lines[usize::try_from(error.line - 1).expect("a line in memory")];
        assert!(error.error.offset <= line.len(), "{error}");
    }
    assert_eq!(
        format!("{whole:?}"),
        format!("KeyLog {{ connections: {}, counts: {counts:?} }}", whole.connections())
    );

    let mut one_by_one = KeyLog::default();
    let alone: Vec<_> = lines.iter().flat_map(|line| one_by_one.add(line)).map(|error| error.error).collect();
    assert_eq!((one_by_one.connections(), one_by_one.counts()), (whole.connections(), counts));
    assert!(errors.iter().zip(&alone).all(|(error, alone)| error.error == *alone));
}

/// Holds that a TLS session finds the same in whatever pieces its streams come, that what it hands out has no seam, and
/// that it holds no more than it may; with the key log that stands in front, and with one that knows its random.
///
/// Two bytes of the key log's length and the key log; then pieces, each behind a byte that says whose it is (bit 0),
/// whether a gap is in front of it (bit 1) and how it is cut, and two bytes of its length.
pub fn tls(data: &[u8]) {
    let Some((length, rest)) = data.split_first_chunk() else { return };
    let (lines, mut rest) = rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
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
        pieces.push(TlsPiece { from, offset: *end, bytes, part });
        *end += bytes.len() as u64;
    }
    let (mut key_log, _) = KeyLog::parse(lines);
    let random = opened_the_same(&pieces, &key_log);
    if let Some(random) = random.filter(|random| !key_log.knows(random)) {
        const LABELS: [(&str, usize); 4] = [
            ("CLIENT_RANDOM", 48),
            ("CLIENT_EARLY_TRAFFIC_SECRET", 32),
            ("SERVER_HANDSHAKE_TRAFFIC_SECRET", 32),
            ("CLIENT_TRAFFIC_SECRET_0", 48),
        ];
        for (label, length) in LABELS {
            let line = format!("{label} {} {}", Hex(&random), "5e".repeat(length));
            assert!(key_log.add(line.as_bytes()).is_empty());
        }
        opened_the_same(&pieces, &key_log);
    }
}

/// A piece of a session's stream, and the length of the parts that it is cut into.
struct TlsPiece<'a> {
    from: Side,
    offset: u64,
    bytes: &'a [u8],
    part: usize,
}

/// Holds what [`tls`] says of one key log; the client's random.
fn opened_the_same(pieces: &[TlsPiece<'_>], key_log: &KeyLog) -> Option<[u8; 32]> {
    let whole = open_session(pieces, key_log, |piece| piece.bytes.len().max(1));
    assert_eq!(open_session(pieces, key_log, |piece| piece.part), whole, "in pieces, and whole");
    whole.1
}

/// What a session finds, its client's random, and what it counts.
fn open_session(
    pieces: &[TlsPiece<'_>],
    key_log: &KeyLog,
    part: impl Fn(&TlsPiece<'_>) -> usize,
) -> (Vec<String>, Option<[u8; 32]>, String) {
    /// A record and a message of each side.
    const MOST_HELD: usize = 2 * (5 + (1 << 14) + 2048 + 4 + (1 << 16));
    let mut found = Vec::new();
    let mut ends = [0; 2];
    let mut sealed = Vec::new();
    let mut stamp = 0;
    let mut session = Session::default();
    let mut emit = |event: Event<'_, u64>| {
        found.push(match event {
            Event::Data { from, offset, bytes, is_early, first, last } => {
                assert!(first <= last && !bytes.is_empty());
                assert_eq!(offset, std::mem::replace(&mut ends[from as usize], offset + bytes.len() as u64));
                format!("{from:?} {offset} {is_early} {}", Hex(bytes))
            }
            Event::Gap { from, offset, to, reason, .. } => {
                assert!(offset < to);
                assert_eq!(offset, std::mem::replace(&mut ends[from as usize], to));
                format!("{from:?} {offset} {to} {reason}")
            }
            Event::Alert { from, alert, .. } => format!("{from:?} {alert:?}"),
            Event::Closed { from, .. } => format!("{from:?} closed"),
            Event::Malformed { from, offset, error, .. } => format!("{from:?} {offset} {error}"),
            Event::Sealed { from, offset, reason, .. } => {
                assert!(!sealed.contains(&from), "{from:?} is sealed twice");
                sealed.push(from);
                format!("{from:?} {offset} {reason} {}", reason.name())
            }
        });
    };
    for piece in pieces {
        let mut offset = piece.offset;
        if offset == 0 {
            ignore(&looks_like_client_hello(piece.bytes));
        }
        if piece.bytes.is_empty() {
            session.gap(piece.from, offset, stamp, &mut emit);
        }
        for bytes in piece.bytes.chunks(part(piece)) {
            session.push(piece.from, offset, bytes, stamp, key_log, &mut emit);
            offset += bytes.len() as u64;
            stamp += 1;
            assert_eq!(session.end(piece.from), offset);
            assert!(session.held() <= MOST_HELD, "{} bytes are held", session.held());
        }
    }
    session.finish(&mut emit);
    let info = session.info();
    let told = format!("{:?} {info:?} {}", session.counts(), info.is_resumed());
    (found, info.client_random().copied(), told)
}

/// Formats a value and lets go of the text: it must not panic.
fn ignore(value: &impl fmt::Debug) {
    struct Nowhere;
    impl fmt::Write for Nowhere {
        fn write_str(&mut self, _: &str) -> fmt::Result {
            Ok(())
        }
    }
    write!(Nowhere, "{value:?}").expect("nowhere takes everything");
}
