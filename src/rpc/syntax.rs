use std::fmt;

use crate::wire::read::{self, Parsed};
use crate::wire::{Endianness, Guid};

/// An abstract or transfer syntax: a UUID and a version (C706 12.6.3.1, `p_syntax_id_t`), 20 bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
pub struct SyntaxId {
    /// if_uuid.
    pub uuid: Guid,
    /// if_version: the major number in the low 16 bits, the minor in the high 16.
    pub version: u32,
}

impl SyntaxId {
    /// Volume activation's interface, `51c82175-844e-4750-b0d8-ec255555bc06` 1.0.
    pub const KMS: Self =
        Self { uuid: Guid::from_u128(0x51c8_2175_844e_4750_b0d8_ec25_5555_bc06), version: 1 };
    /// NDR, called NDR32 here (C706 chapter 14), version 2.
    pub const NDR32: Self =
        Self { uuid: Guid::from_u128(0x8a88_5d04_1ceb_11c9_9fe8_0800_2b10_4860), version: 2 };
    /// NDR64 (MS-RPCE 2.2.5), version 1.
    pub const NDR64: Self =
        Self { uuid: Guid::from_u128(0x7171_0533_beba_4937_8319_b5db_ef9c_cc36), version: 1 };

    /// Bind-time feature negotiation asking for these bits (MS-RPCE 3.3.1.5.3).
    #[must_use]
    pub fn bind_time_features(bits: u16) -> Self {
        let mut wire = [0; 16];
        wire[..8].copy_from_slice(&BIND_TIME_FEATURE_PREFIX);
        wire[8..10].copy_from_slice(&bits.to_le_bytes());
        Self { uuid: Guid::from_wire(wire), version: 1 }
    }

    /// The major version.
    #[must_use]
    pub fn major(self) -> u16 {
        let [a, b, ..] = self.version.to_le_bytes();
        u16::from_le_bytes([a, b])
    }

    /// The minor version.
    #[must_use]
    pub fn minor(self) -> u16 {
        let [.., a, b] = self.version.to_le_bytes();
        u16::from_le_bytes([a, b])
    }

    /// What this is as a transfer syntax. The version is not looked at: hosts accept NDR by its UUID.
    #[must_use]
    pub fn transfer(self) -> TransferSyntax {
        let wire = self.uuid.to_wire();
        if self.uuid == Self::NDR32.uuid {
            TransferSyntax::Ndr32
        } else if self.uuid == Self::NDR64.uuid {
            TransferSyntax::Ndr64
        } else if wire[..8] == BIND_TIME_FEATURE_PREFIX {
            TransferSyntax::BindTimeFeatures(u16::from_le_bytes([wire[8], wire[9]]))
        } else {
            TransferSyntax::Other(self)
        }
    }

    pub(crate) fn parse<'a>(
        field: &'static str,
        endianness: Endianness,
    ) -> impl Fn(&'a [u8]) -> Parsed<'a, Self> {
        move |input| {
            let (input, uuid) = read::guid(field, endianness)(input)?;
            let (input, version) = read::u32(field, endianness)(input)?;
            Ok((input, Self { uuid, version }))
        }
    }

    pub(crate) fn put(self, out: &mut Vec<u8>, endianness: Endianness) {
        read::put_guid(out, self.uuid, endianness);
        read::put_u32(out, self.version, endianness);
    }
}

/// `uuid v1.0`.
impl fmt::Display for SyntaxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} v{}.{}", self.uuid, self.major(), self.minor())
    }
}

/// The transfer syntaxes that volume activation meets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TransferSyntax {
    /// NDR (C706 chapter 14).
    Ndr32,
    /// NDR64 (MS-RPCE 2.2.5).
    Ndr64,
    /// No syntax: the bits of bind-time feature negotiation (MS-RPCE 3.3.1.5.3). 1 is security context
    /// multiplexing, 2 is keep the connection on orphan.
    BindTimeFeatures(u16),
    /// Any other.
    Other(SyntaxId),
}

impl fmt::Display for TransferSyntax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ndr32 => f.write_str("NDR32"),
            Self::Ndr64 => f.write_str("NDR64"),
            Self::BindTimeFeatures(bits) => write!(f, "BTFN({bits:#x})"),
            Self::Other(id) => write!(f, "{id}"),
        }
    }
}

const BIND_TIME_FEATURE_PREFIX: [u8; 8] = [0x2c, 0x1c, 0xb7, 0x6c, 0x12, 0x98, 0x40, 0x45];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bind_time_features_carry_their_bits_in_the_uuid() {
        let id = SyntaxId::bind_time_features(3);
        assert_eq!(id.uuid.to_string(), "6cb71c2c-9812-4540-0300-000000000000");
        assert_eq!(id.transfer(), TransferSyntax::BindTimeFeatures(3));
    }

    #[test]
    fn the_minor_version_is_the_high_half() {
        let id = SyntaxId { uuid: SyntaxId::KMS.uuid, version: 0x0001_0002 };
        assert_eq!((id.major(), id.minor()), (2, 1));
        assert_eq!(SyntaxId::KMS.to_string(), "51c82175-844e-4750-b0d8-ec255555bc06 v1.0");
    }
}
