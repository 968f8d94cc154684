//! UTF-16LE text in fixed and counted fields.

/// The text before the first NUL (or of the whole field where there is none); a lone surrogate becomes U+FFFD.
#[must_use]
pub fn until_nul(field: &[u8]) -> String {
    decode(&field[..2 * units_before_nul(field)])
}

/// The whole units of the field as text, NULs included; a lone surrogate becomes U+FFFD.
#[must_use]
pub fn decode(field: &[u8]) -> String {
    let (each, _) = field.as_chunks::<2>();
    if each.iter().fold(0, |all, unit| all | u16::from_le_bytes(*unit)) < 0x80 {
        // The usual case, and much the faster one: machine names and ePIDs.
        if let Ok(text) = String::from_utf8(each.iter().map(|unit| unit[0]).collect()) {
            return text;
        }
    }
    char::decode_utf16(units(field)).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// How many UTF-16 units stand before the first NUL; all of them where there is none.
#[must_use]
pub fn units_before_nul(field: &[u8]) -> usize {
    units(field).position(|u| u == 0).unwrap_or(field.len() / 2)
}

/// True where a NUL unit stands in the field.
#[must_use]
pub fn is_terminated(field: &[u8]) -> bool {
    units(field).any(|u| u == 0)
}

/// True where every surrogate of the field has its partner.
#[must_use]
pub fn is_well_formed(field: &[u8]) -> bool {
    char::decode_utf16(units(field)).all(|c| c.is_ok())
}

/// The text as UTF-16LE bytes, without a terminator.
#[must_use]
pub fn encode(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn units(field: &[u8]) -> impl Iterator<Item = u16> {
    field.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_ends_at_the_first_nul_and_stale_bytes_behind_it_are_not_shown() {
        let mut field = encode("host");
        field.extend([0, 0, b'x', 0]);
        assert_eq!(until_nul(&field), "host");
        assert_eq!(units_before_nul(&field), 4);
        assert!(is_terminated(&field));
        assert_eq!(decode(&field), "host\0x");
    }

    #[test]
    fn a_lone_surrogate_becomes_a_replacement_character() {
        let field = [b'a', 0, 0x00, 0xd8];
        assert_eq!(until_nul(&field), "a\u{fffd}");
        assert!(!is_well_formed(&field));
        assert!(!is_terminated(&field));
    }
}
