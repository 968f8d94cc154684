//! Where a message is damaged. The crate `domain` reads it, and says only that something is wrong; these walk over the
//! same fields up to the one that is, once one is known to be.

use crate::wire::{Error, ErrorKind};

use super::RecordType;
use super::message::{LAYER, Section};
use super::name::MAX_NAME;

/// What a field is made of.
#[derive(Clone, Copy)]
enum Part {
    /// So many bytes.
    Bytes(usize),
    /// A domain name, which may be compressed.
    Name,
    /// Character strings up to the end (RFC 1035 3.3).
    Strings,
}

type Fields = &'static [(&'static str, Part)];

/// Why the question at an offset cannot be read.
#[cold]
pub(super) fn question(bytes: &[u8], at: usize) -> Error {
    walk(bytes, at, QUESTION).err().unwrap_or_else(|| unexplained(Section::Question.name(), at))
}

/// Why the record at an offset cannot be read.
#[cold]
pub(super) fn record(bytes: &[u8], at: usize, section: Section) -> Error {
    let (fields, rdata) = match section {
        Section::Question => return question(bytes, at),
        Section::Answer => (ANSWER, "answer RDATA"),
        Section::Authority => (AUTHORITY, "authority RDATA"),
        Section::Additional => (ADDITIONAL, "additional RDATA"),
    };
    let found = walk(bytes, at, fields).and_then(|end| {
        let length = bytes
            .get(end - 2..end)
            .map_or(0, |word| word.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte)));
        part(bytes, end, (rdata, Part::Bytes(length)))
    });
    found.err().unwrap_or_else(|| unexplained(section.name(), at))
}

/// Why a record's data, which ends where the bytes do, is not what its type says.
#[cold]
pub(super) fn rdata(bytes: &[u8], at: usize, rtype: RecordType) -> Error {
    let (field, fields) = match rtype {
        RecordType::A => ("A RDATA", A),
        RecordType::AAAA => ("AAAA RDATA", AAAA),
        RecordType::CNAME => ("CNAME RDATA", CNAME),
        RecordType::NS => ("NS RDATA", NS),
        RecordType::PTR => ("PTR RDATA", PTR),
        RecordType::SOA => ("SOA RDATA", SOA),
        RecordType::SRV => ("SRV RDATA", SRV),
        RecordType::TXT => ("TXT RDATA", TXT),
        _ => return unexplained("RDATA", at),
    };
    match walk(bytes, at, fields) {
        Ok(end) if end < bytes.len() => {
            let used = (end - at) as u64;
            let kind = ErrorKind::Length { declared: (bytes.len() - at) as u64, least: used, most: used };
            Error { layer: LAYER, field, offset: at, kind }
        }
        Ok(_) => unexplained(field, at),
        Err(error) => error,
    }
}

/// The end of the fields, or what is wrong with the first one that is damaged.
fn walk(bytes: &[u8], at: usize, fields: Fields) -> Result<usize, Error> {
    fields.iter().try_fold(at, |at, &field| part(bytes, at, field))
}

fn part(bytes: &[u8], at: usize, (field, part): (&'static str, Part)) -> Result<usize, Error> {
    let left = bytes.len().saturating_sub(at);
    match part {
        Part::Bytes(needed) if needed > left => Err(Error::truncated(LAYER, field, at, needed, left)),
        Part::Bytes(needed) => Ok(at + needed),
        Part::Name => name(bytes, at, field),
        Part::Strings => {
            let mut at = at;
            while let Some(&length) = bytes.get(at) {
                let needed = 1 + usize::from(length);
                if needed > bytes.len() - at {
                    return Err(Error::truncated(LAYER, field, at, needed, bytes.len() - at));
                }
                at += needed;
            }
            Ok(at)
        }
    }
}

/// The end of a name (of its first pointer, where it is compressed), or the label that is damaged.
fn name(bytes: &[u8], at: usize, field: &'static str) -> Result<usize, Error> {
    let fail = |offset, kind| Err(Error { layer: LAYER, field, offset, kind });
    let (mut at, mut end, mut length, mut pointers) = (at, None, 1, 0);
    loop {
        let left = bytes.len().saturating_sub(at);
        let short = |needed| Error::truncated(LAYER, field, at, needed, left);
        let first = *bytes.get(at).ok_or_else(|| short(1))?;
        match first {
            0 => return Ok(end.unwrap_or(at + 1)),
            1..=0x3f => {
                let needed = 1 + usize::from(first);
                if needed > left {
                    return Err(short(needed));
                }
                length += needed;
                if length > MAX_NAME {
                    let kind = ErrorKind::Length { declared: length as u64, least: 1, most: MAX_NAME as u64 };
                    return fail(at, kind);
                }
                at += needed;
            }
            0x40..=0xbf => {
                let kind = ErrorKind::Value { got: first.into(), expected: "a label or a pointer" };
                return fail(at, kind);
            }
            0xc0.. => {
                let low = *bytes.get(at + 1).ok_or_else(|| short(2))?;
                let target = usize::from(first & 0x3f) << 8 | usize::from(low);
                if target >= at {
                    let kind = ErrorKind::Value {
                        got: target as u64,
                        expected: "a pointer to something in front of it",
                    };
                    return fail(at, kind);
                }
                pointers += 1;
                if pointers > MAX_POINTERS {
                    return fail(at, ErrorKind::Malformed { what: "a name of more than 255 pointers" });
                }
                end.get_or_insert(at + 2);
                at = target;
            }
        }
    }
}

/// What should not be: the crate refuses what is found to be whole here. The fuzz target holds that it does not happen.
fn unexplained(field: &'static str, offset: usize) -> Error {
    Error { layer: LAYER, field, offset, kind: ErrorKind::Malformed { what: UNEXPLAINED } }
}

/// What an error says that nobody can explain.
pub(crate) const UNEXPLAINED: &str = "it is refused, and nothing is wrong with it";

/// The most pointers that a name is followed over.
const MAX_POINTERS: usize = 255;

const QUESTION: Fields = &[
    ("question QNAME", Part::Name),
    ("question QTYPE", Part::Bytes(2)),
    ("question QCLASS", Part::Bytes(2)),
];

const ANSWER: Fields = &[
    ("answer NAME", Part::Name),
    ("answer TYPE", Part::Bytes(2)),
    ("answer CLASS", Part::Bytes(2)),
    ("answer TTL", Part::Bytes(4)),
    ("answer RDLENGTH", Part::Bytes(2)),
];

const AUTHORITY: Fields = &[
    ("authority NAME", Part::Name),
    ("authority TYPE", Part::Bytes(2)),
    ("authority CLASS", Part::Bytes(2)),
    ("authority TTL", Part::Bytes(4)),
    ("authority RDLENGTH", Part::Bytes(2)),
];

const ADDITIONAL: Fields = &[
    ("additional NAME", Part::Name),
    ("additional TYPE", Part::Bytes(2)),
    ("additional CLASS", Part::Bytes(2)),
    ("additional TTL", Part::Bytes(4)),
    ("additional RDLENGTH", Part::Bytes(2)),
];

const A: Fields = &[("A ADDRESS", Part::Bytes(4))];
const AAAA: Fields = &[("AAAA ADDRESS", Part::Bytes(16))];
const CNAME: Fields = &[("CNAME CNAME", Part::Name)];
const NS: Fields = &[("NS NSDNAME", Part::Name)];
const PTR: Fields = &[("PTR PTRDNAME", Part::Name)];
const TXT: Fields = &[("TXT TXT-DATA", Part::Strings)];

const SRV: Fields = &[
    ("SRV Priority", Part::Bytes(2)),
    ("SRV Weight", Part::Bytes(2)),
    ("SRV Port", Part::Bytes(2)),
    ("SRV Target", Part::Name),
];

const SOA: Fields = &[
    ("SOA MNAME", Part::Name),
    ("SOA RNAME", Part::Name),
    ("SOA SERIAL", Part::Bytes(4)),
    ("SOA REFRESH", Part::Bytes(4)),
    ("SOA RETRY", Part::Bytes(4)),
    ("SOA EXPIRE", Part::Bytes(4)),
    ("SOA MINIMUM", Part::Bytes(4)),
];
