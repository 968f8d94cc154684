use crate::wire::read::{self, Parsed};
use crate::wire::{Endianness, Guid};

/// Body of the request PDU (C706 12.6.4.9), behind the common header.
///
/// | offset | size | field |
/// |---|---|---|
/// | 16 | 4 | alloc_hint |
/// | 20 | 2 | p_cont_id |
/// | 22 | 2 | opnum |
/// | 24 | 16 | object, where pfc_flags has PFC_OBJECT_UUID |
/// | 24 or 40 | | stub |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// alloc_hint.
    pub alloc_hint: u32,
    /// p_cont_id.
    pub context_id: u16,
    /// opnum.
    pub opnum: u16,
    /// object.
    pub object: Option<Guid>,
    /// The fragment's part of the stub.
    pub stub: &'a [u8],
}

/// Body of the response PDU (C706 12.6.4.10), behind the common header.
///
/// | offset | size | field |
/// |---|---|---|
/// | 16 | 4 | alloc_hint |
/// | 20 | 2 | p_cont_id |
/// | 22 | 1 + 1 | cancel_count, reserved |
/// | 24 | | stub |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response<'a> {
    /// alloc_hint.
    pub alloc_hint: u32,
    /// p_cont_id.
    pub context_id: u16,
    /// cancel_count.
    pub cancel_count: u8,
    /// reserved.
    pub reserved: u8,
    /// The fragment's part of the stub.
    pub stub: &'a [u8],
}

/// Body of the fault PDU (C706 12.6.4.7), behind the common header.
///
/// | offset | size | field |
/// |---|---|---|
/// | 16 | 8 | as in a response |
/// | 24 | 4 | status |
/// | 28 | 4 | reserved2 |
/// | 32 | | stub |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault<'a> {
    /// alloc_hint.
    pub alloc_hint: u32,
    /// p_cont_id.
    pub context_id: u16,
    /// cancel_count.
    pub cancel_count: u8,
    /// reserved; MS-RPCE 2.2.2.6 puts the fault flags here.
    pub reserved: u8,
    /// status.
    pub status: u32,
    /// reserved2.
    pub reserved2: u32,
    /// Extended error information, where there is any.
    pub stub: &'a [u8],
}

impl<'a> Request<'a> {
    pub(crate) fn parse(input: &'a [u8], endianness: Endianness, has_object: bool) -> Parsed<'a, Self> {
        let (input, alloc_hint) = read::u32("alloc_hint", endianness)(input)?;
        let (input, context_id) = read::u16("p_cont_id", endianness)(input)?;
        let (input, opnum) = read::u16("opnum", endianness)(input)?;
        let (stub, object) = if has_object {
            let (input, object) = read::guid("object", endianness)(input)?;
            (input, Some(object))
        } else {
            (input, None)
        };
        Ok((&[], Self { alloc_hint, context_id, opnum, object, stub }))
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>, endianness: Endianness) {
        read::put_u32(out, self.alloc_hint, endianness);
        read::put_u16(out, self.context_id, endianness);
        read::put_u16(out, self.opnum, endianness);
        if let Some(object) = self.object {
            read::put_guid(out, object, endianness);
        }
        out.extend_from_slice(self.stub);
    }
}

impl<'a> Response<'a> {
    pub(crate) fn parse(input: &'a [u8], endianness: Endianness) -> Parsed<'a, Self> {
        let (input, alloc_hint) = read::u32("alloc_hint", endianness)(input)?;
        let (input, context_id) = read::u16("p_cont_id", endianness)(input)?;
        let (input, cancel_count) = read::u8("cancel_count")(input)?;
        let (stub, reserved) = read::u8("reserved")(input)?;
        Ok((&[], Self { alloc_hint, context_id, cancel_count, reserved, stub }))
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>, endianness: Endianness) {
        read::put_u32(out, self.alloc_hint, endianness);
        read::put_u16(out, self.context_id, endianness);
        out.extend_from_slice(&[self.cancel_count, self.reserved]);
        out.extend_from_slice(self.stub);
    }
}

impl<'a> Fault<'a> {
    pub(crate) fn parse(input: &'a [u8], endianness: Endianness) -> Parsed<'a, Self> {
        let (input, alloc_hint) = read::u32("alloc_hint", endianness)(input)?;
        let (input, context_id) = read::u16("p_cont_id", endianness)(input)?;
        let (input, cancel_count) = read::u8("cancel_count")(input)?;
        let (input, reserved) = read::u8("reserved")(input)?;
        let (input, status) = read::u32("status", endianness)(input)?;
        let (stub, reserved2) = read::u32("reserved2", endianness)(input)?;
        Ok((&[], Self { alloc_hint, context_id, cancel_count, reserved, status, reserved2, stub }))
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>, endianness: Endianness) {
        read::put_u32(out, self.alloc_hint, endianness);
        read::put_u16(out, self.context_id, endianness);
        out.extend_from_slice(&[self.cancel_count, self.reserved]);
        read::put_u32(out, self.status, endianness);
        read::put_u32(out, self.reserved2, endianness);
        out.extend_from_slice(self.stub);
    }
}

/// The symbol of a fault's status (C706 appendix E, MS-RPCE 2.2.2.6, MS-ERREF 2.2).
#[must_use]
pub fn fault_status_name(status: u32) -> Option<&'static str> {
    STATUSES.iter().find(|(number, _)| *number == status).map(|(_, name)| *name)
}

/// The fault's status with this symbol, in upper or lower case.
#[must_use]
pub fn fault_status_by_name(name: &str) -> Option<u32> {
    STATUSES.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(number, _)| *number)
}

/// All statuses of a fault that have a symbol.
pub fn fault_statuses() -> impl Iterator<Item = (u32, &'static str)> {
    STATUSES.into_iter()
}

const STATUSES: [(u32, &str); 21] = [
    (0x0000_0005, "nca_s_fault_access_denied"),
    (0x0000_06f7, "nca_s_fault_ndr"),
    (0x0000_06e4, "RPC_S_CANNOT_SUPPORT"),
    (0x0000_0721, "RPC_S_SEC_PKG_ERROR"),
    (0x1c00_0001, "nca_s_fault_int_div_by_zero"),
    (0x1c00_0002, "nca_s_fault_addr_error"),
    (0x1c00_0006, "nca_s_fault_invalid_tag"),
    (0x1c00_0007, "nca_s_fault_invalid_bound"),
    (0x1c00_000d, "nca_s_fault_cancel"),
    (0x1c00_0012, "nca_s_fault_unspec"),
    (0x1c00_001a, "nca_s_fault_context_mismatch"),
    (0x1c00_001b, "nca_s_fault_remote_no_memory"),
    (0x1c00_001c, "nca_s_invalid_pres_context_id"),
    (0x1c00_001d, "nca_s_unsupported_authn_level"),
    (0x1c01_0002, "nca_s_op_rng_error"),
    (0x1c01_0003, "nca_s_unk_if"),
    (0x1c01_0006, "nca_s_wrong_boot_time"),
    (0x1c01_0009, "nca_s_you_crashed"),
    (0x1c01_000b, "nca_s_proto_error"),
    (0x1c01_0013, "nca_s_out_args_too_big"),
    (0x1c01_0014, "nca_s_server_too_busy"),
];
