//! Bytes: what every parser of this crate shares, and nothing that knows a protocol.
//!
//! - [`Error`]: the one positioned error, with the layer, the field, the offset, what was needed and what was there
//! - [`Check`]: what became of a verification
//! - [`Guid`], [`FileTime`]: the two Windows types that all volume-activation protocols carry
//! - [`Epid`]: the extended product id, which hosts answer with and MAK services are asked with
//! - [`utf16`]: UTF-16LE text fields, with or without a terminator
//! - [`Encoding`], [`Charset`]: how the characters of a document are written as bytes
//! - [`Side`]: who of two sent something
//! - [`Hex`]: bytes shown as lower-case hex
//! - `read`: the nom combinators that carry a field's name into the error

mod check;
pub(crate) mod date_time;
pub(crate) mod decimal;
mod encoding;
mod epid;
mod error;
mod filetime;
mod guid;
pub(crate) mod hex;
mod random;
pub(crate) mod read;
mod side;
pub mod utf16;
mod utf8;
mod write;

pub use check::Check;
pub use encoding::{Charset, Encoding};
pub use epid::Epid;
pub use error::{Error, ErrorKind};
pub use filetime::{FileTime, Rfc3339};
pub use guid::Guid;
pub use hex::{Hex, caret_dump, parse_hex};
pub use nom::number::Endianness;
pub use random::Random;
pub use side::Side;
pub(crate) use utf8::Utf8;
pub(crate) use write::Writer;
