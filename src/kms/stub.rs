use std::fmt;

use crate::wire::read::{self, Parsed};
use crate::wire::{Endianness, Error};

/// How a stub is marshalled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ndr {
    /// NDR (C706 chapter 14): counts and pointers take 4 bytes.
    Ndr32,
    /// NDR64 (MS-RPCE 2.2.5): counts and pointers take 8 bytes.
    Ndr64,
}

impl Ndr {
    /// `NDR32` or `NDR64`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ndr32 => "NDR32",
            Self::Ndr64 => "NDR64",
        }
    }

    /// Bytes in front of a request's data.
    #[must_use]
    #[inline]
    pub fn request_head(self) -> usize {
        match self {
            Self::Ndr32 => 8,
            Self::Ndr64 => 16,
        }
    }

    /// Bytes in front of a response's data.
    #[must_use]
    #[inline]
    pub fn response_head(self) -> usize {
        match self {
            Self::Ndr32 => 12,
            Self::Ndr64 => 24,
        }
    }
}

impl fmt::Display for Ndr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The stub of a request: `int requestSize, [size_is(requestSize)] BYTE *request`.
///
/// | NDR32 | NDR64 | field |
/// |---|---|---|
/// | 0, 4 | 0, 4 | requestSize |
/// | | 4, 4 | alignment padding |
/// | 4, 4 | 8, 8 | maximum count of the array |
/// | 8 | 16 | the data, requestSize bytes |
///
/// Integers stand in the byte order of the PDU's drep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestStub<'a> {
    /// How it is marshalled.
    pub ndr: Ndr,
    /// requestSize.
    pub size: u32,
    /// The padding behind requestSize (NDR64 only).
    pub size_padding: [u8; 4],
    /// Maximum count.
    pub max_count: u64,
    /// The data: requestSize bytes, or what is there of them.
    pub data: &'a [u8],
    /// Bytes behind the data.
    pub excess: &'a [u8],
}

/// The stub of a response: `int *responseSize, [size_is(, *responseSize)] BYTE **response, HRESULT`.
///
/// | NDR32 | NDR64 | field |
/// |---|---|---|
/// | 0, 4 | 0, 4 | responseSize |
/// | | 4, 4 | alignment padding |
/// | 4, 4 | 8, 8 | referent id; 0 is a null pointer, and HRESULT follows |
/// | 8, 4 | 16, 8 | maximum count of the array |
/// | 12 | 24 | the data, responseSize bytes |
/// | | | padding to a multiple of 4 |
/// | +0, 4 | +0, 4 | HRESULT |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseStub<'a> {
    /// How it is marshalled.
    pub ndr: Ndr,
    /// responseSize.
    pub size: u32,
    /// The padding behind responseSize (NDR64 only).
    pub size_padding: [u8; 4],
    /// The referent id of the array's pointer.
    pub referent: u64,
    /// Maximum count, where the pointer is not null.
    pub max_count: Option<u64>,
    /// The data: responseSize bytes, or what is there of them.
    pub data: &'a [u8],
    /// The padding behind the data.
    pub padding: &'a [u8],
    /// HRESULT, where the stub reaches that far.
    pub hresult: Option<u32>,
    /// Bytes behind HRESULT, or what is there of it.
    pub excess: &'a [u8],
}

impl<'a> RequestStub<'a> {
    /// The stub of a request, with counts that are its length.
    ///
    /// # Panics
    /// Data of 4 GiB and more.
    #[must_use]
    pub fn of(data: &'a [u8], ndr: Ndr) -> Self {
        let size = length(data);
        Self { ndr, size, size_padding: [0; 4], max_count: size.into(), data, excess: &[] }
    }

    /// Reads a request's stub.
    ///
    /// # Errors
    /// A stub that ends inside its counts. Data shorter than requestSize is no error: see [`Self::missing`].
    #[inline(always)] // respond needs it in place; how many callers there are elsewhere would decide otherwise
    pub fn parse(bytes: &'a [u8], ndr: Ndr, endianness: Endianness) -> Result<Self, Error> {
        let (behind, (size, size_padding, max_count)) =
            read::finish("request stub", bytes, Self::parse_counts(bytes, ndr, endianness))?;
        let (data, excess) = behind.split_at(clamp(size, behind));
        Ok(Self { ndr, size, size_padding, max_count, data, excess })
    }

    #[inline(always)] // as its caller
    fn parse_counts(input: &'a [u8], ndr: Ndr, endianness: Endianness) -> Parsed<'a, (u32, [u8; 4], u64)> {
        let (input, (size, padding)) = size(input, ndr, "requestSize", endianness)?;
        let (input, max_count) = wide(input, ndr, "maximum count", endianness)?;
        Ok((input, (size, padding, max_count)))
    }

    /// True where both counts name exactly the bytes that follow: the stub reads as what its syntax makes of it.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        u64::from(self.size) == self.max_count && self.missing() == 0
    }

    /// Bytes of requestSize that the stub lacks.
    #[must_use]
    #[inline]
    pub fn missing(&self) -> usize {
        usize::try_from(self.size).unwrap_or(usize::MAX).saturating_sub(self.data.len())
    }

    /// requestSize with its alignment padding, as the one number those bytes are in NDR64.
    #[must_use]
    pub fn size_slot(&self) -> u64 {
        slot(self.size, self.size_padding)
    }

    /// The stub's bytes.
    #[must_use]
    pub fn encode(&self, endianness: Endianness) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + self.data.len() + self.excess.len());
        self.encode_to(&mut out, endianness);
        out
    }

    /// Appends the stub's bytes.
    pub fn encode_to(&self, out: &mut Vec<u8>, endianness: Endianness) {
        put_size(out, self.ndr, self.size, self.size_padding, endianness);
        put_wide(out, self.ndr, self.max_count, endianness);
        out.extend_from_slice(self.data);
        out.extend_from_slice(self.excess);
    }
}

impl<'a> ResponseStub<'a> {
    /// The referent id of hosts' pointers.
    pub const REFERENT: u64 = 0x0002_0000;

    /// The stub of a response, with counts that are its length, and HRESULT 0.
    ///
    /// # Panics
    /// Data of 4 GiB and more.
    #[must_use]
    pub fn of(data: &'a [u8], ndr: Ndr) -> Self {
        let size = length(data);
        Self {
            ndr,
            size,
            size_padding: [0; 4],
            referent: Self::REFERENT,
            max_count: Some(size.into()),
            data,
            padding: &[0; 4][..padding_behind(data.len())],
            hresult: Some(0),
            excess: &[],
        }
    }

    /// The stub of an answer that is an error: no data, a null pointer, and HRESULT.
    #[must_use]
    pub fn refusal(hresult: u32, ndr: Ndr) -> Self {
        Self {
            ndr,
            size: 0,
            size_padding: [0; 4],
            referent: 0,
            max_count: None,
            data: &[],
            padding: &[],
            hresult: Some(hresult),
            excess: &[],
        }
    }

    /// Reads a response's stub.
    ///
    /// # Errors
    /// A stub that ends inside its counts. Data shorter than responseSize, and a stub that ends in front of HRESULT,
    /// are no errors: see [`Self::missing`].
    #[inline]
    pub fn parse(bytes: &'a [u8], ndr: Ndr, endianness: Endianness) -> Result<Self, Error> {
        let (input, (size, size_padding, referent, max_count)) =
            read::finish("response stub", bytes, Self::parse_counts(bytes, ndr, endianness))?;
        let length = if max_count.is_some() { clamp(size, input) } else { 0 };
        let (data, input) = input.split_at(length);
        let (padding, input) = input.split_at(padding_behind(length) % (input.len() + 1));
        let (hresult, excess) = match read::u32("HRESULT", endianness)(input) {
            Ok((behind, hresult)) => (Some(hresult), behind),
            Err(_) => (None, input),
        };
        Ok(Self { ndr, size, size_padding, referent, max_count, data, padding, hresult, excess })
    }

    #[allow(clippy::type_complexity)]
    #[inline]
    fn parse_counts(
        input: &'a [u8],
        ndr: Ndr,
        endianness: Endianness,
    ) -> Parsed<'a, (u32, [u8; 4], u64, Option<u64>)> {
        let (input, (size, padding)) = size(input, ndr, "responseSize", endianness)?;
        let (input, referent) = wide(input, ndr, "referent id", endianness)?;
        if referent == 0 {
            return Ok((input, (size, padding, referent, None)));
        }
        let (input, max_count) = wide(input, ndr, "maximum count", endianness)?;
        Ok((input, (size, padding, referent, Some(max_count))))
    }

    /// Bytes of responseSize that the stub lacks.
    #[must_use]
    #[inline]
    pub fn missing(&self) -> usize {
        match self.max_count {
            Some(_) => usize::try_from(self.size).unwrap_or(usize::MAX).saturating_sub(self.data.len()),
            None => 0,
        }
    }

    /// responseSize with its alignment padding, as the one number those bytes are in NDR64.
    #[must_use]
    pub fn size_slot(&self) -> u64 {
        slot(self.size, self.size_padding)
    }

    /// The stub's bytes.
    #[must_use]
    pub fn encode(&self, endianness: Endianness) -> Vec<u8> {
        let mut out = Vec::with_capacity(32 + self.data.len() + self.excess.len());
        self.encode_to(&mut out, endianness);
        out
    }

    /// Appends the stub's bytes.
    pub fn encode_to(&self, out: &mut Vec<u8>, endianness: Endianness) {
        put_size(out, self.ndr, self.size, self.size_padding, endianness);
        put_wide(out, self.ndr, self.referent, endianness);
        if let Some(max_count) = self.max_count {
            put_wide(out, self.ndr, max_count, endianness);
        }
        out.extend_from_slice(self.data);
        out.extend_from_slice(self.padding);
        if let Some(hresult) = self.hresult {
            read::put_u32(out, hresult, endianness);
        }
        out.extend_from_slice(self.excess);
    }
}

fn length(data: &[u8]) -> u32 {
    u32::try_from(data.len()).expect("a stub's data are shorter than 4 GiB")
}

/// Bytes from `length` to the next multiple of four.
fn padding_behind(length: usize) -> usize {
    length.wrapping_neg() % 4
}

#[inline]
fn clamp(size: u32, available: &[u8]) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX).min(available.len())
}

fn slot(size: u32, padding: [u8; 4]) -> u64 {
    u64::from(u32::from_le_bytes(padding)) << 32 | u64::from(size)
}

#[inline]
fn size<'a>(
    input: &'a [u8],
    ndr: Ndr,
    field: &'static str,
    endianness: Endianness,
) -> Parsed<'a, (u32, [u8; 4])> {
    let (input, size) = read::u32(field, endianness)(input)?;
    match ndr {
        Ndr::Ndr32 => Ok((input, (size, [0; 4]))),
        Ndr::Ndr64 => {
            read::array("alignment padding")(input).map(|(input, padding)| (input, (size, padding)))
        }
    }
}

#[inline]
fn wide<'a>(input: &'a [u8], ndr: Ndr, field: &'static str, endianness: Endianness) -> Parsed<'a, u64> {
    match ndr {
        Ndr::Ndr32 => read::u32(field, endianness)(input).map(|(input, value)| (input, value.into())),
        Ndr::Ndr64 => read::u64(field, endianness)(input),
    }
}

fn put_size(out: &mut Vec<u8>, ndr: Ndr, size: u32, padding: [u8; 4], endianness: Endianness) {
    read::put_u32(out, size, endianness);
    if ndr == Ndr::Ndr64 {
        out.extend_from_slice(&padding);
    }
}

#[allow(clippy::cast_possible_truncation)] // an NDR32 count was read from four bytes
fn put_wide(out: &mut Vec<u8>, ndr: Ndr, value: u64, endianness: Endianness) {
    match (ndr, endianness) {
        (Ndr::Ndr32, _) => read::put_u32(out, value as u32, endianness),
        (Ndr::Ndr64, Endianness::Big) => out.extend_from_slice(&value.to_be_bytes()),
        (Ndr::Ndr64, _) => out.extend_from_slice(&value.to_le_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LE: Endianness = Endianness::Little;

    #[test]
    fn an_error_stub_has_a_null_pointer_and_twelve_or_twenty_bytes() {
        for (ndr, length) in [(Ndr::Ndr32, 12), (Ndr::Ndr64, 20)] {
            let mut bytes = vec![0; length - 4];
            bytes.extend(0x8007_000d_u32.to_le_bytes());
            let stub = ResponseStub::parse(&bytes, ndr, LE).unwrap();
            assert_eq!((stub.hresult, stub.max_count, stub.excess), (Some(0x8007_000d), None, &[][..]));
        }
    }

    #[test]
    fn hresult_stands_behind_padding_to_four() {
        let bytes = [
            &5u32.to_le_bytes()[..],
            &0x20000u32.to_le_bytes(),
            &5u32.to_le_bytes(),
            b"abcde",
            &[9, 9, 9],
            &7u32.to_le_bytes(),
        ]
        .concat();
        let stub = ResponseStub::parse(&bytes, Ndr::Ndr32, LE).unwrap();
        assert_eq!((stub.data, stub.padding, stub.hresult), (&b"abcde"[..], &[9, 9, 9][..], Some(7)));
    }

    #[test]
    fn a_size_beyond_the_stub_reads_what_is_there_and_says_what_is_missing() {
        let bytes = [&100u32.to_le_bytes()[..], &100u32.to_le_bytes(), b"abc"].concat();
        let stub = RequestStub::parse(&bytes, Ndr::Ndr32, LE).unwrap();
        assert_eq!((stub.data, stub.missing(), stub.is_consistent()), (&b"abc"[..], 97, false));
    }

    #[test]
    fn the_padding_of_an_ndr64_size_is_kept() {
        let bytes = [&4u32.to_le_bytes()[..], &[1, 2, 3, 4], &4u64.to_le_bytes(), b"abcd"].concat();
        let stub = RequestStub::parse(&bytes, Ndr::Ndr64, LE).unwrap();
        assert_eq!((stub.size, stub.size_slot()), (4, 0x0403_0201_0000_0004));
        assert_eq!(stub.data, b"abcd");
        assert_eq!(stub.encode(LE), bytes);
    }

    #[test]
    fn a_stub_without_its_counts_is_positioned() {
        let error = RequestStub::parse(&[4, 0, 0, 0, 4], Ndr::Ndr32, LE).unwrap_err();
        assert_eq!(error.to_string(), "request stub: maximum count at offset 4: needed 4 bytes, got 1");
    }

    proptest! {
        #[test]
        fn every_stub_is_written_back_byte_for_byte(
            size in 0u32..40, referent in 0u32..2, big: bool, wide: bool,
            tail in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let endianness = if big { Endianness::Big } else { Endianness::Little };
            let ndr = if wide { Ndr::Ndr64 } else { Ndr::Ndr32 };
            let mut bytes = Vec::new();
            read::put_u32(&mut bytes, size, endianness);
            read::put_u32(&mut bytes, referent, endianness);
            bytes.extend(tail);
            if let Ok(stub) = RequestStub::parse(&bytes, ndr, endianness) {
                prop_assert_eq!(stub.encode(endianness), bytes.clone());
            }
            if let Ok(stub) = ResponseStub::parse(&bytes, ndr, endianness) {
                prop_assert_eq!(stub.encode(endianness), bytes);
            }
        }
    }
}
