//! Product keys, and what is as good as one, masked so that no more than the last five symbols remain.
//!
//! A product key is 25 symbols of `BCDFGHJKMPQRTVWXY2346789` and `N`, in upper or lower case, at least one of them a letter:
//! in five groups with a dash between them, whatever stands around; in five groups with blanks between them, or in one, with
//! no letter or digit on either side. Its first twenty symbols become `X`. The count of `N` is not asked: rather a word too
//! many is masked than a key too few.
//!
//! As good as a key are a ProductKeyActConfigId (`msft2009:...`, `msft2005:...`), of which all behind the colon goes, and
//! a DigitalProductId (version 3: 164 bytes from `a4 00 00 00 03 00 00 00`; version 4: 1272 bytes from
//! `f8 04 00 00 04 00 00 00`), of which all behind these eight bytes goes, or as much of it as is there. Both become `*`.
//!
//! They are found
//!
//! - as they are, also with dashes of typography (U+2010 to U+2015, the minus sign) and no-break spaces;
//! - with symbols or dashes escaped: entities (`&#45;`, `&#x2D;`), `%2D`, `\u002d`, `\x2d`, quoted-printable `=2D` and its
//!   soft line breaks, and these within each other (`&amp;#45;`, `%252D`, `\\u002d`);
//! - in UTF-16 of either byte order;
//! - in hex, both cases, whether or not there are blanks, colons, commas, dashes, `0x` or line breaks between bytes, which
//!   takes in `hex:` values of a registry export with their `\` at line ends, and dumps with an offset in front of each row;
//! - in base64 (and its URL-safe form), from whichever character on it is read, over line breaks if the lines have 32
//!   characters or more;
//! - in all of these within each other, [`MOST_NESTED`] deep.
//!
//! What is masked keeps its length and its encoding, except that [`text`] names a masked run of base64 instead. Masking
//! twice is masking once.
//!
//! Not found: a key in a dump that shows text beside the hex, where it is broken over two rows, in either column (so bytes are
//! masked before they are dumped); by [`page`], one that goes over a line end in any other way (wrapped base64, rows of a
//! registry export, soft line breaks), as it looks at each line by itself; one in a compressed or encrypted stream, or in UTF-32; one with other characters
//! between its symbols than those above, or with symbols left out.

mod base64;
mod config_id;
mod digital_product_id;
mod escapes;
mod hex;
mod scan;
mod symbols;
mod utf16;
mod view;

use std::borrow::Cow;
use std::ops::Range;

/// Encodings within each other that are looked through.
pub const MOST_NESTED: u8 = 4;

/// A short text without product keys. What was a run of base64 with one inside becomes `[redacted base64, N bytes]`;
/// everything else keeps its length.
///
/// ```
/// let key = ["BBBBB"; 5].join("-");
/// assert_eq!(volact::redact::text(&format!("key {key}")), "key XXXXX-XXXXX-XXXXX-XXXXX-BBBBB");
/// ```
#[must_use]
pub fn text(text: &str) -> Cow<'_, str> {
    if !scan::holds(text.as_bytes(), Kind::Text, MOST_NESTED) {
        return Cow::Borrowed(text);
    }
    let mut bytes = text.as_bytes().to_vec();
    let mut runs = Vec::new();
    if !mask_all(&mut bytes, Kind::Text, &mut runs) {
        return Cow::Borrowed(text);
    }
    runs.sort_unstable_by_key(|run| run.place.start);
    for Run { place, decoded_len } in runs.into_iter().rev() {
        bytes.splice(place, format!("[redacted base64, {decoded_len} bytes]").into_bytes());
    }
    // ASCII was replaced by ASCII.
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// Masks the product keys of a finished page of output, UTF-8 text or JSON Lines, which keeps its length, and stays what it
/// is. True where there were any.
///
/// Each line is looked at by itself, as values do not go over line ends there. For any other text there is [`text`].
pub fn page(page: &mut [u8]) -> bool {
    let mut found = false;
    let mut at = 0;
    while let Some(place) = scan::next_in_lines(page, at, MOST_NESTED) {
        let line = line_of(page, place);
        at = (line.end + 1).min(page.len());
        found |= mask_all(&mut page[line], Kind::Text, &mut Vec::new());
    }
    found
}

/// True where [`scan`] passes over what the thorough pass finds, in the whole or in a line of it.
pub(crate) fn is_overlooked(bytes: &[u8]) -> bool {
    let overlooks =
        |kind| !scan::holds(bytes, kind, MOST_NESTED) && mask_all(&mut bytes.to_vec(), kind, &mut Vec::new());
    let (mut scanned, mut thorough) = (bytes.to_vec(), bytes.to_vec());
    page(&mut scanned);
    for line in thorough.split_mut(|byte| *byte == b'\n') {
        mask_all(line, Kind::Text, &mut Vec::new());
    }
    scanned != thorough || overlooks(Kind::Text) || overlooks(Kind::Binary)
}

/// The line in which a place is, without its end.
fn line_of(bytes: &[u8], at: usize) -> Range<usize> {
    let start = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let len = bytes[at..].iter().position(|byte| *byte == b'\n');
    start..len.map_or(bytes.len(), |len| at + len)
}

/// Masks the product keys in bytes of any kind, which keep their number. True where there were any.
///
/// ```
/// let key = ["BBBBB"; 5].join("-");
/// let mut bytes: Vec<u8> = key.encode_utf16().flat_map(u16::to_le_bytes).collect();
/// assert!(volact::redact::bytes(&mut bytes));
/// assert!(bytes.starts_with(b"X\0X\0X\0X\0X\0-\0") && bytes.ends_with(b"X\0-\0B\0B\0B\0B\0B\0"));
/// ```
pub fn bytes(bytes: &mut [u8]) -> bool {
    scan::holds(bytes, Kind::Binary, MOST_NESTED) && mask_all(bytes, Kind::Binary, &mut Vec::new())
}

/// A run of base64 that was masked.
struct Run {
    /// Where it stands, its padding included.
    place: Range<usize>,
    /// How many bytes it stood for.
    decoded_len: usize,
}

/// True where decoded bytes may hold something: enough text on end, or a DigitalProductId.
fn may_hold_something(bytes: &[u8]) -> bool {
    next_run(bytes, 0, symbols::SYMBOLS, class::TEXT).is_some() || digital_product_id::is_in(bytes)
}

/// What bytes are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// UTF-8, and it stays UTF-8.
    Text,
    /// Anything.
    Binary,
}

/// Masks until nothing is found: what is masked in one encoding may be something in another.
fn mask_all(bytes: &mut [u8], kind: Kind, runs: &mut Vec<Run>) -> bool {
    let rounds = (0..MOST_ROUNDS).take_while(|_| mask(bytes, kind, MOST_NESTED, runs));
    rounds.count() > 0
}

/// Masks what these bytes hold, and looks through so many encodings for more. The runs of base64 that were masked, other
/// than those within another encoding, are added in order.
///
/// Each encoding is looked for in the bytes as they came: what is masked in one of them may be a part of something in
/// another, which would not be known any more.
fn mask(bytes: &mut [u8], kind: Kind, nested: u8, runs: &mut Vec<Run>) -> bool {
    let original = bytes.to_vec();
    let mut found = false;
    let mut look = |mask: &mut dyn FnMut(&mut [u8]) -> bool| {
        let mut copy = original.clone();
        if mask(&mut copy) {
            found = true;
            for ((byte, original), masked) in bytes.iter_mut().zip(&original).zip(copy) {
                if byte == original {
                    *byte = masked;
                }
            }
        }
    };
    if let Some(nested) = nested.checked_sub(1) {
        look(&mut |bytes| escapes::mask(bytes, kind, nested));
    }
    look(&mut symbols::mask);
    if kind == Kind::Binary {
        look(&mut digital_product_id::mask);
    }
    if let Some(nested) = nested.checked_sub(1) {
        look(&mut |bytes| utf16::mask(bytes, nested));
        look(&mut |bytes| hex::mask(bytes, nested));
        look(&mut |bytes| base64::mask(bytes, nested, runs));
    }
    // All that is behind the prefix goes, whatever has become of it.
    found |= config_id::mask(bytes);
    found
}

/// How often bytes are masked; the second time nearly always finds nothing.
const MOST_ROUNDS: usize = 8;

/// What takes the place of a key's symbol: one that keys have, so that what was one remains one.
const MASKED_SYMBOL: u8 = b'X';

/// What takes the place of everything else: in no alphabet, so that nothing is read there any more.
const FILLER: u8 = b'*';

/// What a byte can be a part of.
mod class {
    /// A key's symbol.
    pub(super) const SYMBOL: u8 = 1;
    /// What can stand between a key's groups, or be a byte of it.
    pub(super) const SEPARATOR: u8 = 2;
    /// A letter or a digit.
    pub(super) const WORD: u8 = 4;
    /// A hex digit.
    pub(super) const HEX: u8 = 8;
    /// What can stand between bytes in hex.
    pub(super) const HEX_SEPARATOR: u8 = 16;
    /// A character of base64 in either alphabet, but for the padding.
    pub(super) const BASE64: u8 = 32;
    /// White space.
    pub(super) const BLANK: u8 = 64;

    #[inline]
    pub(super) fn is(byte: u8, class: u8) -> bool {
        OF[usize::from(byte)] & class != 0
    }

    /// A byte of text: printable ASCII, white space, zero as UTF-16 has it, and the bytes of typographic dashes and spaces.
    pub(super) const TEXT: u8 = 128;

    pub(super) const OF: [u8; 256] = {
        let mut of = [0; 256];
        add(&mut of, b"BCDFGHJKMNPQRTVWXYbcdfghjkmnpqrtvwxy2346789", SYMBOL);
        add(&mut of, b"-\xe2\x80\x88\x90\x91\x92\x93\x94\x95\xc2\xa0 \t\r\n", SEPARATOR);
        add(&mut of, b"0123456789", WORD | BASE64 | HEX);
        add(&mut of, b"ABCDEFabcdef", HEX);
        add(&mut of, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", WORD | BASE64);
        add(&mut of, b" \t\r\n:,-\\xX", HEX_SEPARATOR);
        add(&mut of, b"+/-_", BASE64);
        add(&mut of, b" \t\r\n", BLANK);
        add(&mut of, b"\0\t\r\n\xe2\x80\x88\x90\x91\x92\x93\x94\x95\xc2\xa0", TEXT);
        let mut byte = b' ';
        while byte < 0x7f {
            of[byte as usize] |= TEXT;
            byte += 1;
        }
        of
    };

    const fn add(of: &mut [u8; 256], bytes: &[u8], class: u8) {
        let mut i = 0;
        while i < bytes.len() {
            of[bytes[i] as usize] |= class;
            i += 1;
        }
    }
}

/// The next run of at least `least` bytes of a class behind `from`. Only every `least`th byte is looked at where there is
/// none.
#[inline]
fn next_run(bytes: &[u8], from: usize, least: usize, class: u8) -> Option<Range<usize>> {
    let mut probe = from + least - 1;
    while let Some(&byte) = bytes.get(probe) {
        if !class::is(byte, class) {
            probe += least;
            continue;
        }
        let before = bytes[from..probe].iter().rev().take_while(|byte| class::is(**byte, class)).count();
        let behind = bytes[probe..].iter().take_while(|byte| class::is(**byte, class)).count();
        if before + behind >= least {
            return Some(probe - before..probe + behind);
        }
        probe += behind + least;
    }
    None
}
