use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::wire::{Error, ErrorKind};

/// Bytes as base64 text.
pub(super) fn encode(bytes: &[u8]) -> String {
    ENGINE.encode(bytes)
}

/// The bytes that base64 text stands for, as far as it is that. White space is passed over, and padding need not be
/// there.
pub(super) fn decode(text: &str, layer: &'static str) -> (Vec<u8>, Option<Error>) {
    match ENGINE.decode(text) {
        Ok(bytes) => (bytes, None),
        Err(_) => decode_slowly(text, layer),
    }
}

fn decode_slowly(text: &str, layer: &'static str) -> (Vec<u8>, Option<Error>) {
    let malformed =
        |offset, what| Some(Error { layer, field: "base64", offset, kind: ErrorKind::Malformed { what } });
    let mut symbols = Vec::with_capacity(text.len());
    let mut error = None;
    let mut is_padded = false;
    for (offset, byte) in text.bytes().enumerate() {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b'=' => is_padded = true,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if !is_padded => symbols.push(byte),
            _ => {
                let what =
                    if is_padded { "a character behind the padding" } else { "no character of base64" };
                error = malformed(offset, what);
                break;
            }
        }
    }
    if symbols.len() % 4 == 1 {
        symbols.pop();
        error = error.or_else(|| malformed(text.len(), "a character too few, or one too many"));
    }
    match ENGINE.decode(&symbols) {
        Ok(bytes) => (bytes, error),
        Err(_) => (Vec::new(), error.or_else(|| malformed(0, "no base64"))),
    }
}

/// Lax: without padding or with it, and whatever the bits say that no byte takes.
pub(super) static ENGINE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_passed_over_and_padding_is_not_needed() {
        for text in ["AQIDBA==", "AQIDBA", " AQ\r\nIDBA=\t= "] {
            assert_eq!(decode(text, "RequestXml"), (vec![1, 2, 3, 4], None), "{text:?}");
        }
        assert_eq!(encode(&[1, 2, 3, 4]), "AQIDBA==");
    }

    #[test]
    fn what_stands_in_front_of_a_wrong_character_is_read() {
        for (text, bytes, expected) in [
            ("AQID*BA=", vec![1, 2, 3], "RequestXml: base64 at offset 4: no character of base64"),
            ("AQ==ID", vec![1], "RequestXml: base64 at offset 4: a character behind the padding"),
            ("AQIDB", vec![1, 2, 3], "RequestXml: base64 at offset 5: a character too few, or one too many"),
        ] {
            let (read, error) = decode(text, "RequestXml");
            assert_eq!((read, error.unwrap().to_string().as_str()), (bytes, expected));
        }
    }
}
