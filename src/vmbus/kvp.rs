//! Key-value pairs, which the data exchange carries from guest to host and back. What a guest reports of its activation by
//! AVMA travels here, not in the AVMA channel.
//!
//! Layouts are those of Linux' `hyperv.h`: fields have fixed sizes, sizes say how much of them counts.

use crate::wire::read::{self, Parsed};
use crate::wire::{Error, Hex, utf16};

use super::layout::Field;

pub use super::ic::{Header, Message, Negotiate};

/// Bytes of the field that a key stands in.
pub const KEY_LEN: usize = 512;

/// Bytes of the field that a value stands in.
pub const VALUE_LEN: usize = 2048;

open! {
    /// What is to be done.
    Operation(u8), "operation" {
        GET = 0 "get",
        SET = 1 "set",
        DELETE = 2 "delete",
        ENUMERATE = 3 "enumerate",
        GET_IP_INFO = 4 "get_ip_info",
        SET_IP_INFO = 5 "set_ip_info",
    }
}

open! {
    /// Where a pair belongs.
    Pool(u8), "pool" {
        EXTERNAL = 0 "external",
        GUEST = 1 "guest",
        AUTO = 2 "auto",
        AUTO_EXTERNAL = 3 "auto_external",
        AUTO_INTERNAL = 4 "auto_internal",
    }
}

open! {
    /// What a value is, as the registry numbers it.
    ValueType(u32), "type" {
        REG_SZ = 1 "REG_SZ",
        REG_EXPAND_SZ = 2 "REG_EXPAND_SZ",
        REG_BINARY = 3 "REG_BINARY",
        REG_DWORD = 4 "REG_DWORD",
        REG_MULTI_SZ = 7 "REG_MULTI_SZ",
        REG_QWORD = 11 "REG_QWORD",
    }
}

/// What stands behind the header of a message of type 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Offset 20.
    pub operation: Operation,
    /// Offset 21.
    pub pool: Pool,
    /// Offset 22.
    pub padding: u16,
    /// Offset 24: what the operation makes of the rest.
    pub body: Body,
}

/// What an operation is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A pair, of get and set.
    Pair(Pair),
    /// The pair of a number, of enumerate.
    Indexed {
        /// Offset 24: the how manieth.
        index: u32,
        /// Offset 28.
        pair: Pair,
    },
    /// A key, of delete.
    Key {
        /// Offset 24: bytes of the key.
        size: u32,
        /// Offset 28: the field that it stands in.
        field: Vec<u8>,
    },
    /// Another operation: nothing is read of it.
    Opaque,
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The value's type.
    pub kind: ValueType,
    /// Bytes of the key.
    pub key_size: u32,
    /// Bytes of the value.
    pub value_size: u32,
    /// The field that the key stands in, [`KEY_LEN`] bytes where it is whole.
    pub key_field: Vec<u8>,
    /// The field that the value stands in, [`VALUE_LEN`] bytes where it is whole.
    pub value_field: Vec<u8>,
}

/// A value by its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// REG_SZ and REG_EXPAND_SZ, up to the first NUL.
    Text(String),
    /// REG_DWORD and REG_QWORD.
    Number(u64),
    /// Any other, and a number that is cut.
    Bytes(Vec<u8>),
}

/// Text as it stands, numbers in decimal, bytes in hex.
impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
            Self::Bytes(bytes) => write!(f, "{}", Hex(bytes)),
        }
    }
}

impl Pair {
    /// A pair of texts in whole fields.
    ///
    /// # Panics
    /// Texts that do not fit, terminators included.
    #[must_use]
    pub fn text(key: &str, value: &str) -> Self {
        let field = |text: &str, length: usize| {
            let mut field = utf16::encode(text);
            field.extend([0, 0]);
            let size = u32::try_from(field.len()).expect("a short text");
            assert!(field.len() <= length, "{text:?} does not fit {length} bytes");
            field.resize(length, 0);
            (size, field)
        };
        let ((key_size, key_field), (value_size, value_field)) =
            (field(key, KEY_LEN), field(value, VALUE_LEN));
        Self { kind: ValueType::REG_SZ, key_size, value_size, key_field, value_field }
    }

    /// The key, up to its first NUL.
    #[must_use]
    pub fn key(&self) -> String {
        text(&self.key_field, self.key_size)
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> Value {
        let bytes = counted(&self.value_field, self.value_size);
        match (self.kind, self.value_field.first_chunk(), self.value_field.first_chunk()) {
            (ValueType::REG_SZ | ValueType::REG_EXPAND_SZ, ..) => Value::Text(utf16::until_nul(bytes)),
            (ValueType::REG_DWORD, Some(raw), _) => Value::Number(u32::from_le_bytes(*raw).into()),
            (ValueType::REG_QWORD, _, Some(raw)) => Value::Number(u64::from_le_bytes(*raw)),
            _ => Value::Bytes(bytes.to_vec()),
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        self.kind.put(out);
        self.key_size.put(out);
        self.value_size.put(out);
        out.extend_from_slice(&self.key_field);
        out.extend_from_slice(&self.value_field);
    }
}

impl Exchange {
    /// The pair of a get, set or enumerate.
    #[must_use]
    pub fn pair(&self) -> Option<&Pair> {
        match &self.body {
            Body::Pair(pair) | Body::Indexed { pair, .. } => Some(pair),
            Body::Key { .. } | Body::Opaque => None,
        }
    }

    /// The key that the operation is about.
    #[must_use]
    pub fn key(&self) -> Option<String> {
        match &self.body {
            Body::Key { size, field } => Some(text(field, *size)),
            _ => self.pair().map(Pair::key),
        }
    }

    /// Reads what stands behind the header: the exchange, the bytes behind it, and where a field is cut. Offsets count from
    /// behind the header.
    ///
    /// # Errors
    /// Fewer bytes than all but the key and the value take.
    pub(super) fn parse_lax(bytes: &[u8]) -> Result<(Self, &[u8], Option<Error>), Error> {
        let (excess, (exchange, lacks)) = read::finish(LAYER, bytes, exchange(bytes))?;
        let error = lacks.map(|Lack { field, needed, got }| {
            Error::truncated(LAYER, field, bytes.len() - got, needed, got)
        });
        Ok((exchange, excess, error))
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        self.operation.put(out);
        self.pool.put(out);
        self.padding.put(out);
        match &self.body {
            Body::Pair(pair) => pair.put(out),
            Body::Indexed { index, pair } => {
                index.put(out);
                pair.put(out);
            }
            Body::Key { size, field } => {
                size.put(out);
                out.extend_from_slice(field);
            }
            Body::Opaque => {}
        }
    }
}

/// A field that is not whole; it is the last one.
struct Lack {
    field: &'static str,
    needed: usize,
    got: usize,
}

fn exchange(input: &[u8]) -> Parsed<'_, (Exchange, Option<Lack>)> {
    let (input, operation) = Field::read("operation", input)?;
    let (input, pool) = Field::read("pool", input)?;
    let (input, padding) = Field::read("padding", input)?;
    let (rest, (body, lack)) = match operation {
        Operation::GET | Operation::SET => {
            let (rest, (pair, lack)) = pair(input)?;
            (rest, (Body::Pair(pair), lack))
        }
        Operation::ENUMERATE => {
            let (input, index) = Field::read("index", input)?;
            let (rest, (pair, lack)) = pair(input)?;
            (rest, (Body::Indexed { index, pair }, lack))
        }
        Operation::DELETE => {
            let (input, size) = Field::read("key_size", input)?;
            let (rest, field, lack) = fixed("key", input, KEY_LEN);
            (rest, (Body::Key { size, field }, lack))
        }
        _ => (input, (Body::Opaque, None)),
    };
    Ok((rest, (Exchange { operation, pool, padding, body }, lack)))
}

fn pair(input: &[u8]) -> Parsed<'_, (Pair, Option<Lack>)> {
    let (input, kind) = Field::read("type", input)?;
    let (input, key_size) = Field::read("key_size", input)?;
    let (input, value_size) = Field::read("value_size", input)?;
    let (input, key_field, key_lack) = fixed("key", input, KEY_LEN);
    let (rest, value_field, lack) = fixed("value", input, VALUE_LEN);
    Ok((rest, (Pair { kind, key_size, value_size, key_field, value_field }, key_lack.or(lack))))
}

/// A field of so many bytes, or what there is of it.
fn fixed<'a>(field: &'static str, input: &'a [u8], needed: usize) -> (&'a [u8], Vec<u8>, Option<Lack>) {
    let got = input.len().min(needed);
    let (bytes, rest) = input.split_at(got);
    (rest, bytes.to_vec(), (got < needed).then_some(Lack { field, needed, got }))
}

/// As much of a field as its size says.
fn counted(field: &[u8], size: u32) -> &[u8] {
    &field[..field.len().min(size as usize)]
}

fn text(field: &[u8], size: u32) -> String {
    utf16::until_nul(counted(field, size))
}

const LAYER: &str = "kvp message";
