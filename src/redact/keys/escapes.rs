use std::ops::Range;

use super::Kind;
use super::class::{self, BLANK, HEX, SYMBOL, WORD};
use super::view::{Origin, View};

/// An escape sequence.
pub(super) struct Escape {
    /// The byte that it stands for; `None` for a soft line break, which stands for nothing.
    pub(super) byte: Option<u8>,
    /// How long it is.
    pub(super) len: usize,
    /// What of it has to be changed for another byte.
    origin: Origin,
}

/// Masks what is found once escape sequences are decoded. Only the surroundings of those are decoded that could be a part
/// of something.
pub(super) fn mask(bytes: &mut [u8], kind: Kind, nested: u8) -> bool {
    let mut found = false;
    let mut at = 0;
    while let Some(region) = next_region(bytes, at) {
        at = region.end;
        for mut view in views(bytes, region) {
            found |= view.mask(bytes, kind, nested);
        }
    }
    found
}

/// True where this is so for the surroundings of any escape sequences once they are decoded.
pub(super) fn any_decoded(bytes: &[u8], mut is: impl FnMut(&[u8]) -> bool) -> bool {
    let mut at = 0;
    while let Some(region) = next_region(bytes, at) {
        at = region.end;
        if views(bytes, region).any(|view| is(view.bytes())) {
            return true;
        }
    }
    false
}

/// True where an escape sequence begins here that could be part of something.
pub(super) fn matters_at(bytes: &[u8], at: usize) -> bool {
    read(bytes, at).is_some_and(|escape| matters(bytes[at], &escape, &bytes[at + escape.len..]))
}

/// From the next escape sequence that could be part of something to the end of the last one in its surroundings.
fn next_region(bytes: &[u8], from: usize) -> Option<Range<usize>> {
    let mut region: Option<Range<usize>> = None;
    let mut at = from;
    while let Some(introducer) = next_introducer(bytes, at) {
        if region.as_ref().is_some_and(|region| introducer > region.end + 2 * REACH) {
            break;
        }
        let Some(escape) = read(bytes, introducer) else {
            at = introducer + 1;
            continue;
        };
        at = introducer + escape.len;
        if matters(bytes[introducer], &escape, &bytes[at..]) {
            region = Some(region.map_or(introducer, |region| region.start)..at);
        }
    }
    region
}

/// True where this byte is within an escape sequence of a backslash or a percent sign, and not its first.
pub(super) fn covers(bytes: &[u8], at: usize) -> bool {
    (at.saturating_sub(LONGEST)..at).any(|introducer| {
        let is_escaped = bytes[introducer] == b'\\' && backslashes_before(bytes, introducer) % 2 == 1;
        matches!(bytes[introducer], b'\\' | b'%')
            && !is_escaped
            && read(bytes, introducer).is_some_and(|escape| introducer + escape.len > at)
    })
}

/// Reads the escape sequence that begins here.
pub(super) fn read(bytes: &[u8], at: usize) -> Option<Escape> {
    let named = |byte, len| Some(Escape { byte: Some(byte), len, origin: Origin::Name(at, len) });
    let in_hex = |digits: usize| {
        let byte = number(bytes.get(digits..digits + 2)?, 16)?.to_le_bytes()[0];
        Some(Escape { byte: Some(byte), len: digits + 2 - at, origin: Origin::Hex(digits) })
    };
    match *bytes.get(at..)? {
        [b'%', ..] => in_hex(at + 1),
        [b'=', b'\n', ..] => Some(Escape { byte: None, len: 2, origin: Origin::Name(at, 2) }),
        [b'=', b'\r', b'\n', ..] => Some(Escape { byte: None, len: 3, origin: Origin::Name(at, 3) }),
        // `key=BBBBB` begins with none: beyond ASCII nothing is part of a key.
        [b'=', ..] => in_hex(at + 1).filter(|escape| escape.byte.is_some_and(|byte| byte.is_ascii())),
        [b'\\', b'x', ..] => in_hex(at + 2),
        [b'\\', b'u', b'0', b'0', b'0'..=b'7', ..] => in_hex(at + 4),
        [b'\\', b'u', ..] => named(single(number(bytes.get(at + 2..at + 6)?, 16)?)?, 6),
        [b'\\', b'n', ..] => named(b'\n', 2),
        [b'\\', b'r', ..] => named(b'\r', 2),
        [b'\\', b't', ..] => named(b'\t', 2),
        [b'\\', b'b' | b'f', ..] => named(0x0c, 2),
        [b'\\', byte @ (b'\\' | b'/'), ..] => named(byte, 2),
        [b'&', b'#', ..] => entity(bytes, at),
        [b'&', ..] => {
            let (name, byte) =
                NAMES.into_iter().find(|(name, _)| bytes[at + 1..].starts_with(name.as_bytes()))?;
            named(byte, 1 + name.len())
        }
        _ => None,
    }
}

/// Reads a numeric entity.
fn entity(bytes: &[u8], at: usize) -> Option<Escape> {
    let is_hex = matches!(bytes.get(at + 2), Some(b'x' | b'X'));
    let first = at + 2 + usize::from(is_hex);
    let rest = &bytes[first..];
    let digits = rest.iter().take(MOST_DIGITS + 1).take_while(|byte| byte.is_ascii_hexdigit()).count();
    if rest.get(digits) != Some(&b';') {
        return None;
    }
    let code = number(&rest[..digits], if is_hex { 16 } else { 10 })?;
    let byte = single(code)?;
    let len = first + digits + 1 - at;
    let origin = match (is_hex, digits) {
        _ if code > 0x7f => Origin::Name(at, len),
        (true, 2..) => Origin::Hex(first + digits - 2),
        (false, 2..) => Origin::Decimal(first, digits),
        _ => Origin::Name(at, len),
    };
    Some(Escape { byte: Some(byte), len, origin })
}

/// The byte that a character is looked at as: itself, or the ASCII one that it stands for between a key's groups.
fn single(code: u32) -> Option<u8> {
    match code {
        0x00..=0x7f => Some(code.to_le_bytes()[0]),
        0xa0 | 0x2009 | 0x202f => Some(b' '),
        0x2010..=0x2015 | 0x2212 => Some(b'-'),
        _ => None,
    }
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    if digits.is_empty() || digits.len() > MOST_DIGITS {
        return None;
    }
    digits.iter().try_fold(0_u32, |number, digit| Some(number * radix + char::from(*digit).to_digit(radix)?))
}

/// The next byte with which an escape sequence could begin.
fn next_introducer(bytes: &[u8], from: usize) -> Option<usize> {
    let is_introducer = |byte: u8| (byte == b'&') | (byte == b'%') | (byte == b'\\') | (byte == b'=');
    let mut at = from;
    for block in bytes.get(from..)?.chunks(BLOCK) {
        // All of a block at once is faster than to stop at the first.
        if block.iter().fold(false, |any, byte| any | is_introducer(*byte)) {
            return block.iter().position(|byte| is_introducer(*byte)).map(|i| at + i);
        }
        at += block.len();
    }
    None
}

/// True where the escape sequence could be part of a key, of what encodes one, or of another escape sequence.
fn matters(introducer: u8, escape: &Escape, behind: &[u8]) -> bool {
    let is = |byte: &u8, class| class::is(*byte, class);
    match escape.byte {
        Some(0 | b'-') => true,
        // `length=44` is not quoted-printable.
        Some(byte) if class::is(byte, SYMBOL) => {
            introducer != b'='
                || behind.first().is_some_and(|byte| is(byte, SYMBOL) || matches!(byte, b'=' | b'-'))
        }
        Some(b'%' | b'=') => behind.len() >= 2 && behind[..2].iter().all(|byte| is(byte, HEX)),
        Some(b'&') => {
            behind.first().is_some_and(|byte| b"#&%\\=".contains(byte) || byte.is_ascii_alphabetic())
        }
        Some(b'\\') => matches!(behind, [b'u' | b'x' | b'n' | b'r' | b't' | b'\\', ..]),
        Some(byte) if class::is(byte, BLANK) => {
            behind.iter().find(|byte| !is(byte, BLANK)).is_some_and(|byte| is(byte, WORD))
        }
        // A key that is a word begins here, though the escape sequence ends with letters or digits.
        Some(_) => behind.len() >= 5 && behind[..5].iter().all(|byte| is(byte, SYMBOL)),
        None => behind.first().is_some_and(|byte| *byte == b'-' || is(byte, WORD)),
    }
}

/// These escape sequences and what stands around them, decoded; and where a backslash may stand for itself in front of a
/// key's symbol, as in a path, decoded but for the backslashes.
fn views(bytes: &[u8], region: Range<usize>) -> impl Iterator<Item = View> + use<> {
    let mut from = region.start.saturating_sub(REACH);
    from -= backslashes_before(bytes, from);
    let range = from..(region.end + REACH).min(bytes.len());
    let is_ambiguous =
        bytes[range.clone()].windows(2).any(|pair| matches!(pair, [b'\\', b'b' | b'f' | b'r' | b't' | b'x']));
    let plain = is_ambiguous.then(|| decoded(bytes, range.clone(), |introducer| introducer != b'\\'));
    [Some(decoded(bytes, range, |_| true)), plain].into_iter().flatten()
}

/// The bytes of this range, with the escape sequences decoded that begin as is wanted.
fn decoded(bytes: &[u8], Range { start: mut at, end }: Range<usize>, is_wanted: impl Fn(u8) -> bool) -> View {
    let mut view = View::default();
    while at < end {
        match read(bytes, at).filter(|_| is_wanted(bytes[at])) {
            Some(escape) => {
                if let Some(byte) = escape.byte {
                    view.push(byte, escape.origin);
                }
                at += escape.len;
            }
            None => {
                view.push(bytes[at], Origin::Byte(at));
                at += 1;
            }
        }
    }
    view
}

fn backslashes_before(bytes: &[u8], at: usize) -> usize {
    bytes[..at].iter().rev().take_while(|byte| **byte == b'\\').count()
}

/// Names of entities, and what they are looked at as.
const NAMES: [(&str, u8); 11] = [
    ("amp;", b'&'),
    ("lt;", b'<'),
    ("gt;", b'>'),
    ("quot;", b'"'),
    ("apos;", b'\''),
    ("nbsp;", b' '),
    ("ndash;", b'-'),
    ("mdash;", b'-'),
    ("minus;", b'-'),
    ("hyphen;", b'-'),
    ("dash;", b'-'),
];

/// The longest escape sequence of a backslash or a percent sign, without its first byte.
const LONGEST: usize = 5;

/// Digits of a numeric entity; more make no character.
const MOST_DIGITS: usize = 7;

/// How far around an escape sequence is decoded: what a key is part of may be long (a DigitalProductId in base64).
const REACH: usize = 2048;

/// Bytes that are looked through at once.
const BLOCK: usize = 64;
