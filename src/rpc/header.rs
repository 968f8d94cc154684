use std::fmt;

use crate::wire::read::{self, Parsed};
use crate::wire::{Endianness, Error, ErrorKind};

/// Bytes in the common header of every connection-oriented PDU.
pub const HEADER_LEN: usize = 16;

/// Common header of the connection-oriented PDUs (C706 12.6.3.1).
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 1 | rpc_vers, 5 |
/// | 1 | 1 | rpc_vers_minor, 0 or 1 |
/// | 2 | 1 | PTYPE |
/// | 3 | 1 | pfc_flags |
/// | 4 | 4 | packed_drep |
/// | 8 | 2 | frag_length, header included |
/// | 10 | 2 | auth_length, the 8 bytes of the sec_trailer not included |
/// | 12 | 4 | call_id |
///
/// The byte order of everything from offset 8 on is the drep's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// rpc_vers.
    pub version: u8,
    /// rpc_vers_minor.
    pub version_minor: u8,
    /// PTYPE.
    pub ptype: PduType,
    /// pfc_flags.
    pub flags: PfcFlags,
    /// packed_drep.
    pub drep: DataRepresentation,
    /// frag_length: bytes of the whole PDU.
    pub frag_length: u16,
    /// auth_length: bytes of the authentication value.
    pub auth_length: u16,
    /// call_id.
    pub call_id: u32,
}

impl Header {
    /// A version 5.0 header of a whole, little-endian, unauthenticated PDU; [`super::Pdu::encode_sized`] sets the
    /// length.
    #[must_use]
    pub fn new(ptype: PduType, call_id: u32) -> Self {
        Self {
            version: 5,
            version_minor: 0,
            ptype,
            flags: PfcFlags::FIRST | PfcFlags::LAST,
            drep: DataRepresentation::LITTLE_ENDIAN,
            frag_length: 0,
            auth_length: 0,
            call_id,
        }
    }

    /// Reads the first sixteen bytes.
    ///
    /// # Errors
    /// Fewer bytes than that, a major version other than 5, or a frag_length smaller than the header itself.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let header = match bytes.first_chunk() {
            Some(raw) => Self::of(raw),
            None => read::finish("pdu header", bytes, parse(bytes))?.1,
        };
        if header.version != 5 {
            let kind = ErrorKind::Value { got: header.version.into(), expected: "rpc_vers 5" };
            return Err(Error { layer: "pdu header", field: "rpc_vers", offset: 0, kind });
        }
        if usize::from(header.frag_length) < HEADER_LEN {
            let kind = ErrorKind::Length { declared: header.frag_length.into(), least: 16, most: 65535 };
            return Err(Error { layer: "pdu header", field: "frag_length", offset: 8, kind });
        }
        Ok(header)
    }

    /// What [`parse`] gives, for as many bytes as it takes.
    #[inline]
    fn of(raw: &[u8; HEADER_LEN]) -> Self {
        let [version, version_minor, ptype, flags, a, b, c, d, l0, l1, a0, a1, c0, c1, c2, c3] = *raw;
        let drep = DataRepresentation([a, b, c, d]);
        let (frag_length, auth_length, call_id) = match drep.endianness() {
            Endianness::Big => (
                u16::from_be_bytes([l0, l1]),
                u16::from_be_bytes([a0, a1]),
                u32::from_be_bytes([c0, c1, c2, c3]),
            ),
            _ => (
                u16::from_le_bytes([l0, l1]),
                u16::from_le_bytes([a0, a1]),
                u32::from_le_bytes([c0, c1, c2, c3]),
            ),
        };
        let (ptype, flags) = (PduType(ptype), PfcFlags(flags));
        Self { version, version_minor, ptype, flags, drep, frag_length, auth_length, call_id }
    }

    /// True where sixteen bytes in the middle of a stream can be believed to begin a PDU: version 5.0 or 5.1, a
    /// connection-oriented type, a drep C706 14.1 defines, and lengths that hold the type's own fields.
    #[must_use]
    pub fn is_plausible(&self) -> bool {
        let [integer_and_character, float, reserved_1, reserved_2] = self.drep.0;
        let least = HEADER_LEN
            + self.ptype.fixed_len().unwrap_or(0)
            + if self.auth_length > 0 { 8 + usize::from(self.auth_length) } else { 0 };
        self.version == 5
            && self.version_minor <= 1
            && self.ptype.fixed_len().is_some()
            && integer_and_character & 0xee == 0
            && float <= 3
            && reserved_1 == 0
            && reserved_2 == 0
            && usize::from(self.frag_length) >= least
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let endianness = self.drep.endianness();
        out.extend_from_slice(&[self.version, self.version_minor, self.ptype.0, self.flags.0]);
        out.extend_from_slice(&self.drep.0);
        read::put_u16(out, self.frag_length, endianness);
        read::put_u16(out, self.auth_length, endianness);
        read::put_u32(out, self.call_id, endianness);
    }
}

fn parse(input: &[u8]) -> Parsed<'_, Header> {
    let (input, version) = read::u8("rpc_vers")(input)?;
    let (input, version_minor) = read::u8("rpc_vers_minor")(input)?;
    let (input, ptype) = read::u8("PTYPE")(input)?;
    let (input, flags) = read::u8("pfc_flags")(input)?;
    let (input, drep) = read::array("packed_drep")(input)?;
    let drep = DataRepresentation(drep);
    let endianness = drep.endianness();
    let (input, frag_length) = read::u16("frag_length", endianness)(input)?;
    let (input, auth_length) = read::u16("auth_length", endianness)(input)?;
    let (input, call_id) = read::u32("call_id", endianness)(input)?;
    let ptype = PduType(ptype);
    let flags = PfcFlags(flags);
    Ok((input, Header { version, version_minor, ptype, flags, drep, frag_length, auth_length, call_id }))
}

/// PTYPE, the kind of a PDU (C706 12.6.4, MS-RPCE 2.2.2.10); any value survives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PduType(pub u8);

#[allow(missing_docs)] // the names are the specification's
impl PduType {
    pub const REQUEST: Self = Self(0);
    pub const RESPONSE: Self = Self(2);
    pub const FAULT: Self = Self(3);
    pub const BIND: Self = Self(11);
    pub const BIND_ACK: Self = Self(12);
    pub const BIND_NAK: Self = Self(13);
    pub const ALTER_CONTEXT: Self = Self(14);
    pub const ALTER_CONTEXT_RESP: Self = Self(15);
    pub const AUTH3: Self = Self(16);
    pub const SHUTDOWN: Self = Self(17);
    pub const CO_CANCEL: Self = Self(18);
    pub const ORPHANED: Self = Self(19);
}

impl PduType {
    /// The specification's name.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "request",
            1 => "ping",
            2 => "response",
            3 => "fault",
            4 => "working",
            5 => "nocall",
            6 => "reject",
            7 => "ack",
            8 => "cl_cancel",
            9 => "fack",
            10 => "cancel_ack",
            11 => "bind",
            12 => "bind_ack",
            13 => "bind_nak",
            14 => "alter_context",
            15 => "alter_context_resp",
            16 => "auth3",
            17 => "shutdown",
            18 => "co_cancel",
            19 => "orphaned",
            _ => return None,
        })
    }

    /// Bytes of the type's own fixed fields behind the header; `None` for a type that is not connection-oriented.
    #[must_use]
    pub fn fixed_len(self) -> Option<usize> {
        Some(match self {
            Self::REQUEST | Self::RESPONSE => 8,
            Self::FAULT => 16,
            Self::BIND | Self::ALTER_CONTEXT => 12,
            Self::BIND_ACK | Self::ALTER_CONTEXT_RESP => 10,
            Self::BIND_NAK => 2,
            Self::AUTH3 => 4,
            Self::SHUTDOWN | Self::CO_CANCEL | Self::ORPHANED => 0,
            _ => return None,
        })
    }
}

/// `bind(11)`; a value without a name shows as `ptype(20)`.
impl fmt::Display for PduType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name().unwrap_or("ptype"), self.0)
    }
}

impl fmt::Debug for PduType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// pfc_flags (C706 12.6.3.1, MS-RPCE 2.2.2.3); every bit survives.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct PfcFlags(pub u8);

#[allow(missing_docs)] // the names are the specification's
impl PfcFlags {
    pub const FIRST: Self = Self(0x01);
    pub const LAST: Self = Self(0x02);
    /// PFC_PENDING_CANCEL; on bind and alter_context PDUs PFC_SUPPORT_HEADER_SIGN.
    pub const PENDING_CANCEL: Self = Self(0x04);
    pub const RESERVED_1: Self = Self(0x08);
    pub const CONC_MPX: Self = Self(0x10);
    pub const DID_NOT_EXECUTE: Self = Self(0x20);
    pub const MAYBE: Self = Self(0x40);
    pub const OBJECT_UUID: Self = Self(0x80);

    /// True where all bits of `other` are set.
    #[must_use]
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl std::ops::BitOr for PfcFlags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// `first|last|conc-mpx`, or `0` where no bit is set.
impl fmt::Display for PfcFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 8] = [
            "first",
            "last",
            "pending-cancel",
            "reserved",
            "conc-mpx",
            "did-not-execute",
            "maybe",
            "object-uuid",
        ];
        if self.0 == 0 {
            return f.write_str("0");
        }
        let set = NAMES.iter().enumerate().filter(|(bit, _)| self.0 >> bit & 1 == 1);
        for (position, (_, name)) in set.enumerate() {
            if position > 0 {
                f.write_str("|")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

impl fmt::Debug for PfcFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:02x} {self}", self.0)
    }
}

/// packed_drep: the sender's integer, character and floating point formats (C706 14.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct DataRepresentation(pub [u8; 4]);

impl DataRepresentation {
    /// Little-endian integers, ASCII, IEEE.
    pub const LITTLE_ENDIAN: Self = Self([0x10, 0, 0, 0]);
    /// Big-endian integers, ASCII, IEEE.
    pub const BIG_ENDIAN: Self = Self([0; 4]);

    /// The byte order of the sender's integers: the high nibble of the first byte, 0 for big-endian.
    #[must_use]
    pub fn endianness(self) -> Endianness {
        if self.0[0] >> 4 == 0 { Endianness::Big } else { Endianness::Little }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_types_and_flags_survive_and_print_their_number() {
        assert_eq!(PduType(11).to_string(), "bind(11)");
        assert_eq!(PduType(255).to_string(), "ptype(255)");
        assert_eq!(PfcFlags(0x13).to_string(), "first|last|conc-mpx");
        assert_eq!(PfcFlags(0).to_string(), "0");
    }

    #[test]
    fn the_drep_governs_the_order_of_the_lengths() {
        let big = [5, 0, 11, 3, 0, 0, 0, 0, 0, 72, 0, 0, 0, 0, 0, 1];
        let header = Header::parse(&big).unwrap();
        assert_eq!((header.frag_length, header.call_id), (72, 1));
        let mut out = Vec::new();
        header.put(&mut out);
        assert_eq!(out, big);
    }

    #[test]
    fn a_wrong_version_and_a_short_length_are_positioned() {
        let mut bytes = [5, 0, 11, 3, 16, 0, 0, 0, 15, 0, 0, 0, 1, 0, 0, 0];
        assert_eq!(
            Header::parse(&bytes).unwrap_err().to_string(),
            "pdu header: frag_length at offset 8: length 15 is not within 16..=65535"
        );
        bytes[0] = b'G';
        assert_eq!(
            Header::parse(&bytes).unwrap_err().to_string(),
            "pdu header: rpc_vers at offset 0: expected rpc_vers 5, got 71 (0x47)"
        );
        assert_eq!(Header::parse(&bytes[..9]).unwrap_err().field, "frag_length");
    }
}
