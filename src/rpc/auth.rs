use crate::wire::read::{self, Parsed};
use crate::wire::{Endianness, Hex};

/// The sec_trailer and authentication value that close a PDU whose auth_length is not zero (C706 13.2.6.1,
/// MS-RPCE 2.2.2.11).
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 1 | auth_type |
/// | 1 | 1 | auth_level |
/// | 2 | 1 | auth_pad_length |
/// | 3 | 1 | auth_reserved |
/// | 4 | 4 | auth_context_id |
/// | 8 | auth_length | auth_value |
#[derive(Clone, PartialEq, Eq)]
pub struct AuthTrailer<'a> {
    /// auth_type: 9 SPNEGO, 10 NTLM, 16 Kerberos, ...
    pub auth_type: u8,
    /// auth_level: 1 none, 2 connect, ... 6 privacy.
    pub level: u8,
    /// auth_pad_length: bytes between the stub and the trailer, as declared.
    pub pad_length: u8,
    /// auth_reserved.
    pub reserved: u8,
    /// auth_context_id.
    pub context_id: u32,
    /// The bytes between the stub and the trailer; empty where the PDU carries no stub, or less of it than declared.
    pub padding: &'a [u8],
    /// auth_value.
    pub value: &'a [u8],
}

impl std::fmt::Debug for AuthTrailer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthTrailer")
            .field("auth_type", &self.auth_type)
            .field("level", &self.level)
            .field("pad_length", &self.pad_length)
            .field("reserved", &self.reserved)
            .field("context_id", &self.context_id)
            .field("padding", &format_args!("{}", Hex(self.padding)))
            .field("value", &format_args!("{}", Hex(self.value)))
            .finish()
    }
}

impl<'a> AuthTrailer<'a> {
    pub(crate) fn parse(input: &'a [u8], endianness: Endianness) -> Parsed<'a, Self> {
        let (input, auth_type) = read::u8("auth_type")(input)?;
        let (input, level) = read::u8("auth_level")(input)?;
        let (input, pad_length) = read::u8("auth_pad_length")(input)?;
        let (input, reserved) = read::u8("auth_reserved")(input)?;
        let (value, context_id) = read::u32("auth_context_id", endianness)(input)?;
        Ok((&[], Self { auth_type, level, pad_length, reserved, context_id, padding: &[], value }))
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>, endianness: Endianness) {
        out.extend_from_slice(self.padding);
        out.extend_from_slice(&[self.auth_type, self.level, self.pad_length, self.reserved]);
        read::put_u32(out, self.context_id, endianness);
        out.extend_from_slice(self.value);
    }
}
