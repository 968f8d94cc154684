use std::fmt;

use super::hex;

/// A GUID in its little-endian wire form: u32, u16, u16 little-endian, then eight bytes as they stand
/// (MS-DTYP 2.3.4.2).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid([u8; 16]);

impl Guid {
    /// All bytes zero: what an absent id looks like on the wire.
    pub const NIL: Self = Self([0; 16]);

    /// From sixteen bytes as a little-endian sender writes them.
    #[must_use]
    pub const fn from_wire(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// From sixteen bytes as a big-endian sender writes them (a DCE/RPC PDU whose drep says so).
    #[must_use]
    #[inline(never)] // rare, and it would keep the readers of the usual order from being inlined
    pub const fn from_wire_be(b: [u8; 16]) -> Self {
        Self(swap(b))
    }

    /// From the number that its hyphenated text spells, `0x51c82175_844e_4750_b0d8_ec255555bc06`.
    #[must_use]
    pub const fn from_u128(value: u128) -> Self {
        Self(swap(value.to_be_bytes()))
    }

    /// The sixteen bytes as a little-endian sender writes them.
    #[must_use]
    pub const fn to_wire(self) -> [u8; 16] {
        self.0
    }

    /// The sixteen bytes as a big-endian sender writes them.
    #[must_use]
    pub const fn to_wire_be(self) -> [u8; 16] {
        swap(self.0)
    }

    /// From its text, hyphenated or not, with or without braces; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')).unwrap_or(text);
        let bytes = text.as_bytes();
        let digits: Vec<u8> = match bytes.len() {
            32 => bytes.to_vec(),
            36 if [8, 13, 18, 23].iter().all(|&i| bytes[i] == b'-') => {
                bytes.iter().copied().filter(|&b| b != b'-').collect()
            }
            _ => return None,
        };
        if digits.len() != 32 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let value = u128::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?;
        Some(Self::from_u128(value))
    }

    /// The text that [`fmt::Display`] shows.
    #[inline]
    pub(crate) fn text(self) -> [u8; 36] {
        let digits = hex::digits(&swap(self.0));
        let digits = digits.as_flattened();
        let mut text = [b'-'; 36];
        for (at, from, to) in [(0, 0, 8), (9, 8, 12), (14, 12, 16), (19, 16, 20), (24, 20, 32)] {
            text[at..at + to - from].copy_from_slice(&digits[from..to]);
        }
        text
    }
}

const fn swap(b: [u8; 16]) -> [u8; 16] {
    [b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]]
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(std::str::from_utf8(&self.text()).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KMS: u128 = 0x51c82175_844e_4750_b0d8_ec255555bc06;

    #[test]
    fn the_wire_form_is_mixed_endian() {
        let guid = Guid::from_u128(KMS);
        assert_eq!(guid.to_wire()[..8], [0x75, 0x21, 0xc8, 0x51, 0x4e, 0x84, 0x50, 0x47]);
        assert_eq!(Guid::from_wire(guid.to_wire()), guid);
        assert_eq!(Guid::from_wire_be(guid.to_wire_be()), guid);
    }

    #[test]
    fn text_is_read_with_and_without_braces_and_hyphens() {
        let guid = Guid::from_u128(KMS);
        assert_eq!(guid.to_string(), "51c82175-844e-4750-b0d8-ec255555bc06");
        for text in [
            "51c82175-844e-4750-b0d8-ec255555bc06",
            "{51C82175-844E-4750-B0D8-EC255555BC06}",
            "51c82175844e4750b0d8ec255555bc06",
        ] {
            assert_eq!(Guid::parse(text), Some(guid), "{text}");
        }
        for text in
            ["", "51c82175", "51c82175-844e-4750-b0d8-ec255555bc0g", "51c82175+844e-4750-b0d8-ec255555bc06"]
        {
            assert_eq!(Guid::parse(text), None, "{text}");
        }
    }
}
