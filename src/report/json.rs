//! JSON, appended to bytes. Keys are known when this is compiled, and nothing common goes through [`fmt`]: a line costs
//! not much more than its copy would.

use std::fmt::{self, Display, Write as _};
use std::net::IpAddr;

use crate::capture::Endpoint;
use crate::kms::Version;
use crate::wire::decimal::eight_digits;
use crate::wire::{FileTime, Guid, Hex, Rfc3339, hex};

/// JSON in the making.
///
/// A comma stands in front of every field and every item, and is copied together with the name; the bracket of the object
/// or the array takes the place of the first one. So nothing has to know whether it comes first.
#[derive(Default)]
pub(super) struct Json(Vec<u8>);

/// Writes fields into an object, one for each `"name": value`; the values are [`Value`]s.
macro_rules! fields {
    ($json:expr, $($name:literal: $value:expr),+ $(,)?) => {{
        $($crate::report::json::Value::write_field(&$value, concat!(",\"", $name, "\":"), $json);)+
    }};
}
pub(super) use fields;

/// What can be written as JSON.
pub(super) trait Value {
    /// Writes the value.
    fn write(&self, json: &mut Json);

    /// Writes the value behind its name, which is quoted and stands between its comma and its colon.
    #[inline(always)] // so that the name is copied as the constant it is
    fn write_field(&self, name: &'static str, json: &mut Json) {
        json.copy(name.as_bytes());
        self.write(json);
    }
}

/// A field that is absent where there is nothing; an [`Option`] alone is `null`.
pub(super) struct IfAny<T>(pub(super) Option<T>);

/// An object, of what this writes into it.
pub(super) struct Object<F: Fn(&mut Json)>(pub(super) F);

/// Major and minor number, `6.0`, as a string.
pub(super) struct Dotted(pub(super) u16, pub(super) u16);

/// Anything that shows itself, as a string; for what is rare.
pub(super) struct Shown<T>(pub(super) T);

impl Json {
    /// Bytes that are written.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes what is written, and goes on with these bytes.
    pub(super) fn turn(&mut self, next: Vec<u8>) -> Vec<u8> {
        std::mem::replace(&mut self.0, next)
    }

    /// Writes a value as a line of its own.
    pub(super) fn line(&mut self, value: &impl Value) {
        value.write(self);
        self.0.push(b'\n');
    }

    /// Writes a field whose name is not known when this is compiled.
    pub(super) fn field(&mut self, name: &str, value: &impl Value) {
        self.copy(b",");
        name.write(self);
        self.copy(b":");
        value.write(self);
    }

    #[inline(always)] // so that a constant is copied in a few instructions
    fn copy(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    #[inline]
    fn enclose(&mut self, [open, close]: [u8; 2], write: impl FnOnce(&mut Self)) {
        let begin = self.0.len();
        write(self);
        match self.0.get_mut(begin) {
            Some(comma) => *comma = open,
            None => self.0.push(open),
        }
        self.0.push(close);
    }

    /// A string, of what is written in between.
    #[inline(always)]
    fn quote(&mut self, write: impl FnOnce(&mut Self)) {
        self.copy(b"\"");
        write(self);
        self.copy(b"\"");
    }

    /// Text inside a string.
    fn escape(&mut self, text: &str) {
        let bytes = text.as_bytes();
        if is_all_plain(bytes) {
            self.copy(bytes);
        } else {
            self.escape_each(bytes);
        }
    }

    #[cold]
    fn escape_each(&mut self, mut bytes: &[u8]) {
        while let Some(at) = bytes.iter().position(|&byte| !is_plain(byte)) {
            self.copy(&bytes[..at]);
            match bytes[at] {
                b'"' => self.copy(b"\\\""),
                b'\\' => self.copy(b"\\\\"),
                b'\x08' => self.copy(b"\\b"),
                b'\x0c' => self.copy(b"\\f"),
                b'\n' => self.copy(b"\\n"),
                b'\r' => self.copy(b"\\r"),
                b'\t' => self.copy(b"\\t"),
                control => {
                    self.copy(b"\\u00");
                    self.copy(hex::digits(&[control]).as_flattened());
                }
            }
            bytes = &bytes[at + 1..];
        }
        self.copy(bytes);
    }

    #[inline]
    fn number(&mut self, number: u64) {
        match number.to_le_bytes() {
            [digit @ 0..10, 0, 0, 0, 0, 0, 0, 0] => self.0.push(b'0' + digit),
            _ => self.long_number(number),
        }
    }

    fn long_number(&mut self, number: u64) {
        match u32::try_from(number) {
            Ok(number @ 1..100_000_000) => {
                let zeros = 7 - number.ilog10();
                let digits = u64::from_le_bytes(eight_digits(number)) >> (8 * zeros);
                // All eight bytes and then fewer: a length that is known makes the copy one instruction.
                self.copy(&digits.to_le_bytes());
                self.0.truncate(self.0.len() - zeros as usize);
            }
            _ => {
                self.number(number / 100_000_000);
                let low = u32::try_from(number % 100_000_000).unwrap_or_default();
                self.copy(&eight_digits(low));
            }
        }
    }
}

fn is_plain(byte: u8) -> bool {
    (byte >= 0x20) & (byte != b'"') & (byte != b'\\')
}

/// True where no byte needs an escape. Eight bytes are looked at in one step, the last eight once more.
fn is_all_plain(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk::<8>() else { return bytes.iter().all(|&byte| is_plain(byte)) };
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().fold(suspects(*last), |found, word| found | suspects(*word)) == 0
}

/// Not zero where one of the bytes needs an escape: subtracting has borrowed from its highest bit, and not from that of
/// a byte that had it.
fn suspects(bytes: [u8; 8]) -> u64 {
    let each = |byte| u64::from_le_bytes([byte; 8]);
    let word = u64::from_le_bytes(bytes);
    let control = word.wrapping_sub(each(0x20));
    let quote = (word ^ each(b'"')).wrapping_sub(each(1));
    let backslash = (word ^ each(b'\\')).wrapping_sub(each(1));
    (control | quote | backslash) & !word & each(0x80)
}

impl<T: Value + ?Sized> Value for &T {
    #[inline]
    fn write(&self, json: &mut Json) {
        (**self).write(json);
    }
}

impl<T: Value> Value for Option<T> {
    #[inline]
    fn write(&self, json: &mut Json) {
        match self {
            Some(value) => value.write(json),
            None => json.copy(b"null"),
        }
    }
}

impl<T: Value> Value for IfAny<T> {
    #[inline]
    fn write(&self, json: &mut Json) {
        if let Some(value) = &self.0 {
            value.write(json);
        }
    }

    #[inline(always)]
    fn write_field(&self, name: &'static str, json: &mut Json) {
        if let Some(value) = &self.0 {
            value.write_field(name, json);
        }
    }
}

impl<F: Fn(&mut Json)> Value for Object<F> {
    #[inline]
    fn write(&self, json: &mut Json) {
        json.enclose(*b"{}", &self.0);
    }
}

impl<T: Value> Value for [T] {
    fn write(&self, json: &mut Json) {
        json.enclose(*b"[]", |json| self.iter().for_each(|value| value.write_field(",", json)));
    }
}

impl<T: Value, const N: usize> Value for [T; N] {
    fn write(&self, json: &mut Json) {
        self.as_slice().write(json);
    }
}

impl Value for bool {
    #[inline]
    fn write(&self, json: &mut Json) {
        if *self {
            json.copy(b"true");
        } else {
            json.copy(b"false");
        }
    }
}

macro_rules! unsigned {
    ($($number:ty)+) => {$(
        impl Value for $number {
            #[inline]
            fn write(&self, json: &mut Json) {
                json.number(*self as u64);
            }
        }
    )+};
}
unsigned!(u8 u16 u32 u64 usize);

impl Value for i64 {
    fn write(&self, json: &mut Json) {
        if *self < 0 {
            json.copy(b"-");
        }
        self.unsigned_abs().write(json);
    }
}

impl Value for i8 {
    fn write(&self, json: &mut Json) {
        i64::from(*self).write(json);
    }
}

impl Value for str {
    fn write(&self, json: &mut Json) {
        json.quote(|json| json.escape(self));
    }
}

impl Value for String {
    fn write(&self, json: &mut Json) {
        self.as_str().write(json);
    }
}

impl<T: Display> Value for Shown<T> {
    fn write(&self, json: &mut Json) {
        struct Escaping<'a>(&'a mut Json);
        impl fmt::Write for Escaping<'_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                self.0.escape(text);
                Ok(())
            }
        }
        json.quote(|json| {
            let _ = write!(Escaping(json), "{}", self.0);
        });
    }
}

impl Value for Hex<'_> {
    fn write(&self, json: &mut Json) {
        let (blocks, rest) = self.0.as_chunks::<16>();
        let (halves, rest) = rest.as_chunks::<4>();
        json.quote(|json| {
            blocks.iter().for_each(|block| json.copy(hex::digits(block).as_flattened()));
            halves.iter().for_each(|half| json.copy(hex::digits(half).as_flattened()));
            rest.iter().for_each(|byte| json.copy(&hex::digits(&[*byte])[0]));
        });
    }
}

impl Value for Guid {
    fn write(&self, json: &mut Json) {
        let mut quoted = [b'"'; 38];
        quoted[1..37].copy_from_slice(&self.text());
        json.copy(&quoted);
    }
}

impl Value for FileTime {
    fn write(&self, json: &mut Json) {
        match self.text() {
            Some(text) => json.quote(|json| json.copy(text.as_bytes())),
            None => Shown(self).write(json),
        }
    }
}

impl Value for Rfc3339 {
    fn write(&self, json: &mut Json) {
        match self.text() {
            Some(text) => json.quote(|json| json.copy(text.as_bytes())),
            None => Shown(self).write(json),
        }
    }
}

impl Value for Dotted {
    fn write(&self, json: &mut Json) {
        json.quote(|json| {
            json.number(self.0.into());
            json.copy(b".");
            json.number(self.1.into());
        });
    }
}

impl Value for Version {
    fn write(&self, json: &mut Json) {
        Dotted(self.major(), self.minor()).write(json);
    }
}

impl Value for Endpoint {
    fn write(&self, json: &mut Json) {
        let IpAddr::V4(address) = self.address else { return Shown(self).write(json) };
        let [a, b, c, d] = address.octets();
        json.quote(|json| {
            for (octet, behind) in [(a, b'.'), (b, b'.'), (c, b'.'), (d, b':')] {
                json.number(octet.into());
                json.0.push(behind);
            }
            json.number(self.port.into());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(value: &impl Value) -> String {
        let mut json = Json::default();
        json.line(value);
        assert_eq!(json.len(), json.0.len());
        let line = String::from_utf8(json.turn(Vec::new())).unwrap();
        line.strip_suffix('\n').unwrap().to_owned()
    }

    fn agrees(text: &str) {
        let expected = serde_json::to_string(text).unwrap();
        assert_eq!(written(&text), expected);
        assert_eq!(written(&Shown(text)), expected);
    }

    #[test]
    fn every_character_is_escaped_as_serde_json_does_it() {
        let characters = (0..0x1_1000).chain([0x10_ffff]).filter_map(char::from_u32);
        for c in characters {
            agrees(&c.to_string());
        }
    }

    #[test]
    fn an_escape_is_found_wherever_it_stands() {
        for length in 0..70 {
            for at in 0..=length {
                agrees(&format!("{}\"{}", "x".repeat(at), "\u{e9}".repeat(length - at)));
            }
        }
    }

    #[test]
    fn numbers_are_right_on_both_sides_of_every_power_of_ten() {
        for power in (0..20).map(|exponent| 10_u64.pow(exponent)) {
            for number in [power - 1, power, power + 1, power.saturating_mul(9)] {
                assert_eq!(written(&number), number.to_string());
                assert_eq!(written(&-number.cast_signed()), (-number.cast_signed()).to_string());
            }
        }
    }

    #[test]
    fn numbers_are_right_at_their_extremes() {
        assert_eq!(written(&u64::MAX), u64::MAX.to_string());
        assert_eq!(written(&i64::MIN), i64::MIN.to_string());
        assert_eq!(written(&i64::MAX), i64::MAX.to_string());
        assert_eq!((written(&i8::MIN), written(&i8::MAX)), ("-128".to_owned(), "127".to_owned()));
        assert_eq!((written(&u8::MAX), written(&u16::MAX)), ("255".to_owned(), "65535".to_owned()));
        assert_eq!((written(&u32::MAX), written(&usize::MIN)), ("4294967295".to_owned(), "0".to_owned()));
    }

    #[test]
    fn objects_and_arrays_may_be_empty_and_stand_in_each_other() {
        let empty = Object(|_: &mut Json| {});
        assert_eq!(written(&empty), "{}");
        assert_eq!(written(&[0_u8; 0]), "[]");
        let value = Object(|json: &mut Json| {
            fields!(json, "a": &empty, "b": [Some([1_u8, 2]), None], "c": [&empty, &empty]);
            json.field("c\n", &[""; 0]);
            fields!(json, "d": Object(|json: &mut Json| fields!(json, "e": true, "f": false)));
        });
        assert_eq!(
            written(&value),
            r#"{"a":{},"b":[[1,2],null],"c":[{},{}],"c\n":[],"d":{"e":true,"f":false}}"#
        );
    }

    #[test]
    fn nothing_is_null_or_no_field() {
        let value = Object(|json: &mut Json| {
            fields!(json, "null": None::<u8>, "absent": IfAny(None::<u8>), "there": IfAny(Some("x")));
        });
        assert_eq!(written(&value), r#"{"null":null,"there":"x"}"#);
        assert_eq!(written(&Object(|json: &mut Json| fields!(json, "absent": IfAny(None::<u8>)))), "{}");
    }

    #[test]
    fn a_comma_in_a_string_stays() {
        let value = Object(|json: &mut Json| {
            json.field(",", &",");
            fields!(json, "": "");
        });
        assert_eq!(written(&value), r#"{",":",","":""}"#);
    }

    proptest! {
        #[test]
        fn any_string_is_escaped_as_serde_json_does_it(text in any::<String>(), plain in "[ -~]*") {
            agrees(&text);
            agrees(&plain);
        }

        #[test]
        fn any_value_is_as_it_shows_itself(
            number in any::<u64>(),
            bytes in prop::collection::vec(any::<u8>(), 0..70),
            guid in any::<[u8; 16]>(),
            address in any::<IpAddr>(),
            port in any::<u16>(),
        ) {
            let quoted = |shown: &dyn Display| format!("\"{shown}\"");
            let signed = number.cast_signed();
            prop_assert_eq!(written(&number), number.to_string());
            prop_assert_eq!(written(&signed), signed.to_string());
            prop_assert_eq!(written(&Hex(&bytes)), quoted(&Hex(&bytes)));
            prop_assert_eq!(written(&Guid::from_wire(guid)), quoted(&Guid::from_wire(guid)));
            prop_assert_eq!(written(&FileTime(number)), quoted(&FileTime(number)));
            prop_assert_eq!(written(&Rfc3339(signed)), quoted(&Rfc3339(signed)));
            let low = u32::from(port);
            prop_assert_eq!(written(&Version(low)), quoted(&Version(low)));
            prop_assert_eq!(written(&Version(low << 16)), quoted(&Version(low << 16)));
            let endpoint = Endpoint { address, port };
            prop_assert_eq!(written(&endpoint), quoted(&endpoint));
        }
    }
}
