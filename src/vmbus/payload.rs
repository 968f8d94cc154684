use sha2::{Digest as _, Sha256};

use super::pipe;

/// A message of which nothing is known but its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// How many there are.
    pub length: u64,
    /// Their hash.
    pub sha256: [u8; 32],
    /// What the first of them look like, which proves nothing.
    pub hint: Option<Hint>,
    /// The first of them, [`Self::FIRST`] or as many as were asked for.
    pub first: Vec<u8>,
}

/// What bytes look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hint {
    /// An XML declaration.
    XmlProlog,
    /// An XrML licence, with or without a declaration.
    XrmlRoot,
    /// A DER sequence that ends where the bytes do.
    DerSequence,
    /// A GUID of a known version.
    Guid,
}

impl Payload {
    /// Bytes that are kept of a payload, where no more are asked for.
    pub const FIRST: usize = 16;

    /// What is told of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let length = bytes.len() as u64;
        Self::from_parts(bytes, length, Sha256::digest(bytes).into(), Self::FIRST)
    }

    /// The same of a pipe's message, with `keep` of its bytes.
    pub(super) fn of_message<S>(message: &pipe::Message<S>, keep: usize) -> Self {
        Self::from_parts(&message.bytes, message.length, message.sha256, keep)
    }

    fn from_parts(bytes: &[u8], length: u64, sha256: [u8; 32], keep: usize) -> Self {
        Self { length, sha256, hint: Hint::of(bytes, length), first: bytes[..bytes.len().min(keep)].to_vec() }
    }
}

impl Hint {
    /// What bytes look like whose beginning is given, and how many there are in all.
    #[must_use]
    pub fn of(beginning: &[u8], length: u64) -> Option<Self> {
        let text: Vec<u8> = match beginning {
            // UTF-16LE, with or without a mark: every other byte of what is ASCII.
            [0xff, 0xfe, b'<', 0, rest @ ..] | [b'<', 0, rest @ ..] => {
                std::iter::once(b'<').chain(rest.iter().step_by(2).copied()).take(LOOKED_AT).collect()
            }
            [0xef, 0xbb, 0xbf, rest @ ..] => rest.iter().take(LOOKED_AT).copied().collect(),
            _ => beginning.iter().take(LOOKED_AT).copied().collect(),
        };
        if text.first() == Some(&b'<') {
            if XRML.iter().any(|mark| text.windows(mark.len()).any(|window| window == *mark)) {
                return Some(Self::XrmlRoot);
            }
            if text.starts_with(b"<?xml") {
                return Some(Self::XmlProlog);
            }
        }
        if der_len(beginning) == Some(length) {
            return Some(Self::DerSequence);
        }
        looks_like_guid(beginning).then_some(Self::Guid)
    }

    /// A short name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::XmlProlog => "xml-prolog",
            Self::XrmlRoot => "xrml-root",
            Self::DerSequence => "der-sequence",
            Self::Guid => "guid",
        }
    }
}

/// Bytes of a text that are looked at.
const LOOKED_AT: usize = 512;

/// What the roots of XrML licences are called, and the namespace that they are in.
const XRML: [&[u8]; 4] =
    [b"<r:license", b"<rg:licenseGroup", b"<license", b"urn:mpeg:mpeg21:2003:01-REL-R-NS"];

/// Bytes of the sequence at the beginning, in one of the forms that DER allows.
fn der_len(bytes: &[u8]) -> Option<u64> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    if tag != 0x30 {
        return None;
    }
    let (count, content) = match first {
        0..=0x7f => (0, u64::from(first)),
        0x81..=0x84 => {
            let count = usize::from(first & 0x7f);
            let content = rest.get(..count)?.iter().fold(0, |all, byte| all << 8 | u64::from(*byte));
            let least = if count == 1 { 0x80 } else { 1 << (8 * (count - 1)) };
            (count, Some(content).filter(|content| *content >= least)?)
        }
        _ => return None,
    };
    Some(2 + count as u64 + content)
}

/// True for sixteen bytes with the version and the variant of a GUID, of which not all are text.
fn looks_like_guid(bytes: &[u8]) -> bool {
    let Some(raw) = bytes.first_chunk::<16>() else { return false };
    let is_known = (1..=5).contains(&(raw[7] >> 4)) && raw[8] >> 6 == 0b10;
    is_known && raw.iter().any(|byte| !byte.is_ascii_graphic() && *byte != b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(bytes: &[u8]) -> Option<Hint> {
        Payload::of(bytes).hint
    }

    #[test]
    fn hints_are_given_by_the_first_bytes() {
        assert_eq!(hint(b"<?xml version=\"1.0\"?><a/>"), Some(Hint::XmlProlog));
        assert_eq!(hint(b"\xef\xbb\xbf<?xml version=\"1.0\"?><r:license/>"), Some(Hint::XrmlRoot));
        assert_eq!(hint(b"<rg:licenseGroup xmlns:rg=\"\"/>"), Some(Hint::XrmlRoot));
        assert_eq!(hint(&crate::wire::utf16::encode("<?xml ?>")), Some(Hint::XmlProlog));
        assert_eq!(hint(&crate::wire::utf16::encode("\u{feff}<?xml ?>")), Some(Hint::XmlProlog));
        assert_eq!(hint(&[0x30, 3, 2, 1, 5]), Some(Hint::DerSequence));
        assert_eq!(hint(&[&[0x30, 0x81, 0x80][..], &[0; 128]].concat()), Some(Hint::DerSequence));
        assert_eq!(hint(&[&[0x30, 0x82, 1, 0][..], &[0; 256]].concat()), Some(Hint::DerSequence));
        let guid = crate::wire::Guid::from_u128(0x3375baf4_9e15_4b30_b765_67acb10d607b).to_wire();
        assert_eq!(hint(&guid), Some(Hint::Guid));
    }

    #[test]
    fn nothing_is_hinted_at_where_a_byte_is_wrong() {
        for bytes in [
            &b""[..],
            b"test payload 1",
            b"<html>",
            &[0x30],
            &[0x30, 4, 2, 1, 5],
            &[0x30, 0x80, 0, 0],
            &[0x30, 0x81, 3, 2, 1, 5],
            &[0x30, 0x82, 0],
            &[0x31, 3, 2, 1, 5],
            &[0; 16],
            &[0xff; 16],
        ] {
            assert_eq!(hint(bytes), None, "{bytes:02x?}");
        }
    }

    #[test]
    fn a_payload_is_its_length_its_hash_and_its_first_bytes() {
        let payload = Payload::of(b"test payload 1, and more of it");
        assert_eq!((payload.length, &payload.first[..]), (30, &b"test payload 1, "[..]));
        assert_eq!(payload.sha256, <[u8; 32]>::from(Sha256::digest(b"test payload 1, and more of it")));
    }
}
