//! The small set of nom combinators that all parsers here are made of. Each takes the name of the field it reads,
//! and fails with that name and the bytes that were needed; [`finish`] turns the failure into an [`Error`] with its
//! offset. Every length that comes off the wire goes through [`bytes`] before anything is allocated for it.

use nom::number::Endianness;
use nom::{Err, IResult};

use super::{Error, ErrorKind, Guid};

/// What a combinator fails with: where it stood (as the rest of the input), and what it wanted there.
#[derive(Debug)]
pub(crate) struct Fail<'a> {
    at: &'a [u8],
    field: &'static str,
    kind: ErrorKind,
}

pub(crate) type Parsed<'a, T> = IResult<&'a [u8], T, Fail<'a>>;

impl<'a> nom::error::ParseError<&'a [u8]> for Fail<'a> {
    fn from_error_kind(at: &'a [u8], _: nom::error::ErrorKind) -> Self {
        Fail { at, field: "", kind: ErrorKind::Truncated { needed: 0, got: at.len() } }
    }

    fn append(_: &'a [u8], _: nom::error::ErrorKind, other: Self) -> Self {
        other
    }
}

/// Takes `count` bytes.
pub(crate) fn bytes<'a>(field: &'static str, count: usize) -> impl Fn(&'a [u8]) -> Parsed<'a, &'a [u8]> {
    move |input| {
        nom::bytes::complete::take(count)(input)
            .map_err(|_: Err<nom::error::Error<&[u8]>>| truncated(input, field, count))
    }
}

/// Out of line: a parser that is mostly its failures is too long to be inlined.
#[cold]
#[inline(never)]
fn truncated<'a>(at: &'a [u8], field: &'static str, needed: usize) -> Err<Fail<'a>> {
    Err::Error(Fail { at, field, kind: ErrorKind::Truncated { needed, got: at.len() } })
}

/// Takes `N` bytes into an array.
pub(crate) fn array<'a, const N: usize>(field: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, [u8; N]> {
    move |input| match input.split_first_chunk::<N>() {
        Some((taken, rest)) => Ok((rest, *taken)),
        None => Err(truncated(input, field, N)),
    }
}

/// Takes one byte.
pub(crate) fn u8<'a>(field: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, u8> {
    move |input| array::<1>(field)(input).map(|(rest, [byte])| (rest, byte))
}

macro_rules! integer {
    ($(#[$doc:meta])* $name:ident, $type:ty, $size:literal) => {
        $(#[$doc])*
        pub(crate) fn $name<'a>(
            field: &'static str,
            endianness: Endianness,
        ) -> impl Fn(&'a [u8]) -> Parsed<'a, $type> {
            move |input| {
                let (rest, raw) = array::<$size>(field)(input)?;
                let value = match endianness {
                    Endianness::Big => <$type>::from_be_bytes(raw),
                    _ => <$type>::from_le_bytes(raw),
                };
                Ok((rest, value))
            }
        }
    };
}

integer!(
    /// Takes two bytes in the given order.
    u16, u16, 2
);
integer!(
    /// Takes four bytes in the given order.
    u32, u32, 4
);
integer!(
    /// Takes eight bytes in the given order.
    u64, u64, 8
);

/// Takes a UUID whose first three fields stand in the given order.
pub(crate) fn guid<'a>(field: &'static str, endianness: Endianness) -> impl Fn(&'a [u8]) -> Parsed<'a, Guid> {
    move |input| {
        let (rest, raw) = array::<16>(field)(input)?;
        Ok((
            rest,
            match endianness {
                Endianness::Big => Guid::from_wire_be(raw),
                _ => Guid::from_wire(raw),
            },
        ))
    }
}

/// The value and the rest, or the failure placed by its offset from the start of `whole`.
#[inline]
pub(crate) fn finish<'a, T>(
    layer: &'static str,
    whole: &'a [u8],
    result: Parsed<'a, T>,
) -> Result<(&'a [u8], T), Error> {
    result.map_err(|error| place(layer, whole, error))
}

/// The failure of a parser over `whole` as an [`Error`] of `layer`.
pub(crate) fn place(layer: &'static str, whole: &[u8], error: Err<Fail<'_>>) -> Error {
    match error {
        Err::Error(fail) | Err::Failure(fail) => {
            Error { layer, field: fail.field, offset: whole.len() - fail.at.len(), kind: fail.kind }
        }
        Err::Incomplete(_) => Error::truncated(layer, "bytes", whole.len(), 1, 0),
    }
}

/// Appends an integer in the given order.
macro_rules! put {
    ($name:ident, $type:ty) => {
        pub(crate) fn $name(out: &mut Vec<u8>, value: $type, endianness: Endianness) {
            match endianness {
                Endianness::Big => out.extend_from_slice(&value.to_be_bytes()),
                _ => out.extend_from_slice(&value.to_le_bytes()),
            }
        }
    };
}

put!(put_u16, u16);
put!(put_u32, u32);

/// Appends a UUID whose first three fields stand in the given order.
pub(crate) fn put_guid(out: &mut Vec<u8>, value: Guid, endianness: Endianness) {
    out.extend_from_slice(&match endianness {
        Endianness::Big => value.to_wire_be(),
        _ => value.to_wire(),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_field_is_named_with_its_offset() {
        let input = [1, 2, 3];
        let parse = |i| {
            let (i, _) = u16("first", Endianness::Little)(i)?;
            u32("second", Endianness::Little)(i)
        };
        let error = finish("thing", &input, parse(&input)).unwrap_err();
        assert_eq!(error, Error::truncated("thing", "second", 2, 4, 1));
    }

    #[test]
    fn both_byte_orders_are_read() {
        assert_eq!(u16("x", Endianness::Big)(&[1, 2]).unwrap().1, 0x0102);
        assert_eq!(u16("x", Endianness::Little)(&[1, 2]).unwrap().1, 0x0201);
    }
}
