use std::borrow::Cow;

use super::{Error, ErrorKind, utf16};

/// How the characters of a document are written as bytes. What its XML declaration says is not asked: the services
/// declare utf-16 inside UTF-8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Encoding {
    /// The form of its characters.
    pub charset: Charset,
    /// True where a byte order mark (U+FEFF) stands in front.
    pub has_bom: bool,
}

/// A form of Unicode's characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Charset {
    /// UTF-8: what messages are sent in.
    #[default]
    Utf8,
    /// UTF-16, low byte first: what RequestXml holds.
    Utf16Le,
    /// UTF-16, high byte first.
    Utf16Be,
}

impl Encoding {
    /// The encoding that a document's first bytes give away: by the byte order mark, or by where the zero of a first
    /// character in ASCII stands.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let (charset, has_bom) = match bytes {
            [0xff, 0xfe, ..] => (Charset::Utf16Le, true),
            [0xfe, 0xff, ..] => (Charset::Utf16Be, true),
            [0xef, 0xbb, 0xbf, ..] => (Charset::Utf8, true),
            [1..=0x7f, 0, ..] => (Charset::Utf16Le, false),
            [0, 1..=0x7f, ..] => (Charset::Utf16Be, false),
            _ => (Charset::Utf8, false),
        };
        Self { charset, has_bom }
    }

    /// The text as bytes.
    #[must_use]
    pub fn encode(self, text: &str) -> Vec<u8> {
        let mark = if self.has_bom { "\u{feff}" } else { "" };
        match self.charset {
            Charset::Utf8 => [mark, text].concat().into_bytes(),
            Charset::Utf16Le => [utf16::encode(mark), utf16::encode(text)].concat(),
            Charset::Utf16Be => swapped(&[utf16::encode(mark), utf16::encode(text)].concat()),
        }
    }

    /// The bytes as text, without the byte order mark. What is no character becomes U+FFFD, and the first such place is
    /// the error.
    pub(crate) fn decode<'a>(self, bytes: &'a [u8], layer: &'static str) -> (Cow<'a, str>, Option<Error>) {
        let mark = self.mark_length();
        let bytes = bytes.get(mark..).unwrap_or_default();
        let malformed = |offset, what| {
            let kind = ErrorKind::Malformed { what };
            Some(Error { layer, field: "text", offset: mark + offset, kind })
        };
        if self.charset == Charset::Utf8 {
            return match std::str::from_utf8(bytes) {
                Ok(text) => (Cow::Borrowed(text), None),
                Err(error) => {
                    let error = malformed(error.valid_up_to(), "the bytes are no UTF-8");
                    (String::from_utf8_lossy(bytes), error)
                }
            };
        }
        let units = match self.charset {
            Charset::Utf16Be => Cow::Owned(swapped(bytes)),
            _ => Cow::Borrowed(bytes),
        };
        let (error, text) = match ascii(&units) {
            Some(text) => (None, text),
            None => {
                let error = lone_surrogate(&units);
                let error = error.and_then(|at| malformed(at, "a surrogate without its partner"));
                (error, utf16::decode(&units))
            }
        };
        let is_odd = bytes.len() % 2 == 1;
        let cut = is_odd.then(|| Error::truncated(layer, "text", mark + bytes.len() - 1, 2, 1));
        let error = error.or(cut);
        (Cow::Owned(text), error)
    }

    /// Where, among the bytes that were decoded, the character at an offset of the text stands.
    pub(crate) fn offset(self, bytes: &[u8], text: &str, at: usize) -> usize {
        let mark = self.mark_length();
        if self.charset != Charset::Utf8 {
            let units = text.get(..at).unwrap_or(text).encode_utf16().count();
            return mark + 2 * units;
        }
        let (mut begin, mut shown) = (mark, 0);
        for chunk in bytes.get(mark..).unwrap_or_default().utf8_chunks() {
            if at <= shown + chunk.valid().len() {
                return begin + at.saturating_sub(shown);
            }
            begin += chunk.valid().len() + chunk.invalid().len();
            shown += chunk.valid().len() + char::REPLACEMENT_CHARACTER.len_utf8();
        }
        begin
    }

    /// How many bytes the byte order mark takes.
    pub(crate) fn mark_length(self) -> usize {
        match self.charset {
            _ if !self.has_bom => 0,
            Charset::Utf8 => 3,
            Charset::Utf16Le | Charset::Utf16Be => 2,
        }
    }
}

fn swapped(bytes: &[u8]) -> Vec<u8> {
    let (units, odd) = bytes.as_chunks::<2>();
    units.iter().flat_map(|[high, low]| [*low, *high]).chain(odd.iter().copied()).collect()
}

/// The usual case, and much the faster one.
fn ascii(units: &[u8]) -> Option<String> {
    let mut text = vec![0; units.len() / 2];
    // Four units at a time, then one at a time.
    let (fours, rest) = units.as_chunks::<8>();
    let (text_fours, text_rest) = text.as_chunks_mut::<4>();
    let mut beyond = 0;
    for (four, text) in fours.iter().zip(text_fours) {
        let wide = u64::from_le_bytes(*four);
        beyond |= wide;
        let pairs = (wide | wide >> 8) & 0x0000_ffff_0000_ffff;
        let [a, b, c, d, ..] = (pairs | pairs >> 16).to_le_bytes();
        *text = [a, b, c, d];
    }
    for (&[low, high], text) in rest.as_chunks::<2>().0.iter().zip(text_rest) {
        beyond |= u64::from(u16::from_le_bytes([low, high]));
        *text = low;
    }
    if beyond & 0xff80_ff80_ff80_ff80 == 0 { String::from_utf8(text).ok() } else { None }
}

/// Where the first surrogate without a partner stands.
fn lone_surrogate(units: &[u8]) -> Option<usize> {
    let units = units.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit));
    let mut offset = 0;
    for c in char::decode_utf16(units) {
        match c {
            Ok(c) => offset += 2 * c.len_utf16(),
            Err(_) => return Some(offset),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_encoding_is_recognised_by_its_first_bytes_and_read_back() {
        for charset in [Charset::Utf8, Charset::Utf16Le, Charset::Utf16Be] {
            for has_bom in [false, true] {
                let encoding = Encoding { charset, has_bom };
                for text in ["<a/>", "<a>\u{e9}\u{1f600}</a>"] {
                    let bytes = encoding.encode(text);
                    assert_eq!(Encoding::of(&bytes), encoding);
                    assert_eq!(encoding.decode(&bytes, "text"), (Cow::Borrowed(text), None));
                    assert_eq!(encoding.offset(&bytes, text, text.len()), bytes.len());
                }
            }
        }
    }

    #[test]
    fn a_place_that_is_no_character_is_named_and_the_rest_is_read() {
        let error = |bytes: &[u8]| {
            let encoding = Encoding::of(bytes);
            let (text, error) = encoding.decode(bytes, "body");
            (text.into_owned(), error.unwrap().to_string())
        };
        let (text, said) = error(b"<a>\xffb</a>");
        assert_eq!(
            (text.as_str(), said.as_str()),
            ("<a>\u{fffd}b</a>", "body: text at offset 3: the bytes are no UTF-8")
        );
        let (text, said) = error(b"<\0a\0\x00\xd8b\0");
        assert_eq!(
            (text.as_str(), said.as_str()),
            ("<a\u{fffd}b", "body: text at offset 4: a surrogate without its partner")
        );
        let (text, said) = error(b"<\0a\0b");
        assert_eq!((text.as_str(), said.as_str()), ("<a", "body: text at offset 4: needed 2 bytes, got 1"));
    }

    #[test]
    fn offsets_of_the_text_are_those_of_the_bytes_behind_what_is_no_character_too() {
        let bytes = b"\xef\xbb\xbfab\xf0\x9f\xffcd";
        let encoding = Encoding::of(bytes);
        let (text, _) = encoding.decode(bytes, "body");
        let at = text.find('d').unwrap();
        assert_eq!(encoding.offset(bytes, &text, at), 9);
        assert_eq!(bytes[9], b'd');
    }
}
