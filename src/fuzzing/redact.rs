use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::redact;
use crate::wire::Hex;

/// A made-up product key, how it is written, and what stands around it.
#[derive(Clone, Copy, Debug)]
pub struct KeyPlan<'a> {
    /// The symbols, each counted modulo their number.
    pub symbols: [u8; 25],
    /// How groups are separated: [`KeyPlan::LAYOUTS`].
    pub layout: u8,
    /// How symbols and dashes are escaped: [`KeyPlan::ESCAPES`].
    pub escape: u8,
    /// Which of the characters are escaped, a bit each.
    pub escaped: u32,
    /// How wide characters are: [`KeyPlan::WIDTHS`].
    pub width: u8,
    /// What is made of the bytes: [`KeyPlan::TRANSPORTS`].
    pub transport: u8,
    /// Where the key stands in its surroundings, modulo their length.
    pub place: u16,
    /// What stands around it.
    pub around: &'a [u8],
}

impl<'a> KeyPlan<'a> {
    /// Bytes in front of the surroundings in a seed.
    pub const HEAD: usize = 35;
    /// In groups with dashes, in one, in groups with spaces.
    pub const LAYOUTS: u8 = 3;
    /// Not, `&#D;`, `&#xH;`, `%H`, `\u00H`, `=H`, `&amp;#x0H;`, `%25H`, `\\u00H`.
    pub const ESCAPES: u8 = 9;
    /// A byte, UTF-16LE, UTF-16BE.
    pub const WIDTHS: u8 = 3;
    /// Nothing, hex, upper-case hex, hex with spaces, hex with colons, as registry exports have it, base64.
    pub const TRANSPORTS: u8 = 7;

    /// Reads a seed; what its head lacks is zero.
    #[must_use]
    pub fn read(data: &'a [u8]) -> Self {
        let (head, around) = data.split_at(data.len().min(Self::HEAD));
        let at = |i: usize| head.get(i).copied().unwrap_or(0);
        Self {
            symbols: std::array::from_fn(at),
            layout: at(25),
            escape: at(26),
            escaped: u32::from_le_bytes([at(27), at(28), at(29), at(30)]),
            width: at(31),
            transport: at(32),
            place: u16::from_le_bytes([at(33), at(34)]),
            around,
        }
    }

    /// The seed that reads as this.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut out = self.symbols.to_vec();
        out.extend([self.layout, self.escape]);
        out.extend(self.escaped.to_le_bytes());
        out.extend([self.width, self.transport]);
        out.extend(self.place.to_le_bytes());
        out.extend(self.around);
        out
    }

    /// The key as it is written, and where each symbol is.
    fn key(&self) -> Written {
        // Without X, so that a symbol that is unchanged is one that is not masked.
        const SYMBOLS: &[u8; 46] = b"BCDFGHJKMPQRTVWY2346789bcdfghjkmpqrtvwy2346789";
        let mut key = self.symbols.map(|symbol| SYMBOLS[usize::from(symbol) % SYMBOLS.len()]);
        // Digits alone are no key.
        if key.iter().all(u8::is_ascii_digit) {
            key[0] = b'B';
        }
        let separator: &[u8] = [&b"-"[..], b"", b" "][usize::from(self.layout % Self::LAYOUTS)];
        // One that is not in groups with dashes is a word.
        let edge: &[u8] = if separator == b"-" { b"" } else { b"\"" };
        let mut written = Written::default();
        written.push(edge);
        for (i, symbol) in key.iter().enumerate() {
            if i % 5 == 0 && i > 0 {
                let is_escaped = self.escaped >> (24 + i / 5) & 1 == 1 && separator == b"-";
                separator.iter().for_each(|byte| written.push(&self.escape(*byte, is_escaped)));
            }
            written.push_symbol(&self.escape(*symbol, self.escaped >> i & 1 == 1));
        }
        written.push(edge);
        let zero: &[u8] = &[0];
        let written = match self.width % Self::WIDTHS {
            0 => written,
            1 => written.map(|_, byte| [&[byte], zero].concat()),
            _ => written.map(|_, byte| [zero, &[byte]].concat()),
        };
        let hex = |byte: u8| Hex(&[byte]).to_string().into_bytes();
        match self.transport % Self::TRANSPORTS {
            0 => written,
            1 => written.map(|_, byte| hex(byte)),
            2 => written.map(|_, byte| hex(byte).to_ascii_uppercase()),
            3 => written.map(|i, byte| [if i == 0 { &b""[..] } else { b" " }, &hex(byte)].concat()),
            4 => written.map(|i, byte| [if i == 0 { &b""[..] } else { b":" }, &hex(byte)].concat()),
            5 => written.map(|i, byte| {
                let between: &[u8] = match i {
                    0 => b"",
                    _ if i % 25 == 0 => b",\\\r\n  ",
                    _ => b",",
                };
                [between, &hex(byte)].concat()
            }),
            _ => written.in_base64(),
        }
    }

    fn escape(&self, byte: u8, is_escaped: bool) -> Vec<u8> {
        match self.escape % Self::ESCAPES {
            _ if !is_escaped => vec![byte],
            0 => vec![byte],
            1 => format!("&#{byte};").into_bytes(),
            2 => format!("&#x{byte:x};").into_bytes(),
            3 => format!("%{byte:02X}").into_bytes(),
            4 => format!("\\u{byte:04x}").into_bytes(),
            5 => format!("={byte:02X}").into_bytes(),
            6 => format!("&amp;#x0{byte:X};").into_bytes(),
            7 => format!("%25{byte:02x}").into_bytes(),
            _ => format!("\\\\u{byte:04X}").into_bytes(),
        }
    }
}

/// A key's bytes, and where each of its symbols is in them.
#[derive(Clone, Debug, Default)]
struct Written {
    bytes: Vec<u8>,
    symbols: Vec<Range<usize>>,
}

impl Written {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn push_symbol(&mut self, bytes: &[u8]) {
        self.symbols.push(self.bytes.len()..self.bytes.len() + bytes.len());
        self.push(bytes);
    }

    /// Each byte, by its number, as others.
    fn map(&self, each: impl Fn(usize, u8) -> Vec<u8>) -> Self {
        let mut mapped = Self::default();
        let mut ends = vec![0];
        for (i, &byte) in self.bytes.iter().enumerate() {
            mapped.push(&each(i, byte));
            ends.push(mapped.bytes.len());
        }
        mapped.symbols = self.symbols.iter().map(|range| ends[range.start]..ends[range.end]).collect();
        mapped
    }

    fn in_base64(&self) -> Self {
        let characters = |range: &Range<usize>| range.start * 8 / 6..(range.end * 8).div_ceil(6);
        Self {
            bytes: STANDARD.encode(&self.bytes).into_bytes(),
            symbols: self.symbols.iter().map(characters).collect(),
        }
    }
}

/// Holds that masking any bytes keeps their number, that nothing is left to be masked then, that what is passed over quickly
/// holds nothing, that text stays text and JSON stays JSON; and that of a key written in any way within any surroundings, no six symbols next to each other remain,
/// but for the last five.
pub fn redact(data: &[u8]) {
    masked(data, redact::bytes);
    text_is_masked(&String::from_utf8_lossy(data));

    let plan = KeyPlan::read(data);
    let key = plan.key();
    let place = usize::from(plan.place) % (plan.around.len() + 1);
    hidden(&plan.around[..place], &key, &plan.around[place..], redact::bytes);

    let (before, behind) = plan.around.split_at(place);
    let [before, behind] = [before, behind].map(|part| String::from_utf8_lossy(part).into_owned());
    // A page is looked at line by line.
    if !key.bytes.contains(&b'\n') {
        hidden(before.as_bytes(), &key, behind.as_bytes(), redact::page);
    }
    text_is_masked(&format!("{before}{}{behind}", String::from_utf8_lossy(&key.bytes)));
}

/// What bytes are once they are masked.
fn masked(bytes: &[u8], mask: fn(&mut [u8]) -> bool) -> Vec<u8> {
    assert!(!redact::is_overlooked(bytes), "{:?}", Bytes(bytes));
    let mut masked = bytes.to_vec();
    assert_eq!(mask(&mut masked), masked != bytes, "what was said, and what was done");
    assert_eq!(masked.len(), bytes.len());
    let mut again = masked.clone();
    assert!(!mask(&mut again), "{:?} becomes {:?}", Bytes(&masked), Bytes(&again));
    masked
}

/// Masks a key in its surroundings.
fn hidden(before: &[u8], key: &Written, behind: &[u8], mask: fn(&mut [u8]) -> bool) {
    let whole = [before, &key.bytes, behind].concat();
    let masked = masked(&whole, mask);
    let masked_key = &masked[before.len()..before.len() + key.bytes.len()];
    let mut remain = 0;
    for symbol in &key.symbols[..20] {
        let is_same = key.bytes[symbol.clone()] == masked_key[symbol.clone()];
        remain = if is_same { remain + 1 } else { 0 };
        assert!(remain < 6, "{:?} becomes {:?}", Bytes(&whole), Bytes(&masked));
    }
}

fn text_is_masked(text: &str) {
    let masked = redact::text(text);
    assert_eq!(redact::text(&masked), masked);
    let json = serde_json::to_string(text).expect("a text is JSON");
    let masked = self::masked(json.as_bytes(), redact::page);
    assert!(serde_json::from_slice::<String>(&masked).is_ok(), "{:?}", Bytes(&masked));
}

/// Bytes shown as text.
struct Bytes<'a>(&'a [u8]);

impl std::fmt::Debug for Bytes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}
