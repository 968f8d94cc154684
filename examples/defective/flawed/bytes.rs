/// The integer at an offset that is known to be there.
pub(super) fn u16_at(bytes: &[u8], at: usize, is_big: bool) -> u16 {
    let raw = std::array::from_fn(|i| bytes[at + i]);
    if is_big { u16::from_be_bytes(raw) } else { u16::from_le_bytes(raw) }
}

/// The integer at an offset that is known to be there.
pub(super) fn u32_at(bytes: &[u8], at: usize, is_big: bool) -> u32 {
    let raw = std::array::from_fn(|i| bytes[at + i]);
    if is_big { u32::from_be_bytes(raw) } else { u32::from_le_bytes(raw) }
}

/// The integer at an offset that is known to be there.
pub(super) fn u64_at(bytes: &[u8], at: usize, is_big: bool) -> u64 {
    let raw = std::array::from_fn(|i| bytes[at + i]);
    if is_big { u64::from_be_bytes(raw) } else { u64::from_le_bytes(raw) }
}

/// As many bytes from an offset that are known to be there.
pub(super) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    std::array::from_fn(|i| bytes[at + i])
}

/// An integer as a size, as a cast makes it one where sizes have 64 bits.
pub(super) fn size(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// The lower half.
pub(super) fn low(value: u64) -> u32 {
    u32_at(&value.to_le_bytes(), 0, false)
}

/// A PDU of the other side's call, first and last and whatever else, little-endian.
pub(super) fn pdu(ptype: u8, flags: u8, call_id: u32, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(16 + body.len()).expect("no answer is that long");
    let mut out = vec![5, 0, ptype, FIRST | LAST | flags, 0x10, 0, 0, 0];
    out.extend(length.to_le_bytes());
    out.extend([0, 0]);
    out.extend(call_id.to_le_bytes());
    out.extend(body);
    out
}

/// Flags, types and syntaxes as they travel.
pub(super) const FIRST: u8 = 1;
pub(super) const LAST: u8 = 2;
pub(super) const CONC_MPX: u8 = 0x10;
pub(super) const DID_NOT_EXECUTE: u8 = 0x20;
pub(super) const OBJECT_UUID: u8 = 0x80;
pub(super) const REQUEST: u8 = 0;
pub(super) const RESPONSE: u8 = 2;
pub(super) const FAULT: u8 = 3;
pub(super) const BIND: u8 = 11;
pub(super) const BIND_ACK: u8 = 12;
pub(super) const BIND_NAK: u8 = 13;
pub(super) const ALTER_CONTEXT: u8 = 14;
pub(super) const ALTER_CONTEXT_RESP: u8 = 15;
pub(super) const CO_CANCEL: u8 = 18;
pub(super) const ORPHANED: u8 = 19;
pub(super) const HEADER: usize = 16;
