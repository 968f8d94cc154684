use std::borrow::Cow;
use std::fmt::Write as _;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::wire::{FileTime, Guid, Hex, parse_hex};

/// The number of the contract, `docs/shim.md`: it grows when an answer that was right would be no longer.
pub const CONTRACT: u32 = 1;
/// The exit code by which a shim says that it does not implement what it was asked.
pub const UNIMPLEMENTED: i32 = 89;
/// Bytes of a line at most, in either direction.
pub const MAX_LINE: usize = 65_536;

/// All operations of the contract, but for the hello.
pub const OPERATIONS: [&str; 16] = [
    "echo",
    "kms.request.decode",
    "kms.request.encode",
    "kms.response.verify",
    "kms.respond",
    "ndr.request.decode",
    "ndr.request.encode",
    "ndr.response.decode",
    "ndr.response.encode",
    "rpc.frame",
    "rpc.bind.decode",
    "rpc.bind_ack.encode",
    "mak.installation_id.check",
    "mak.confirmation_id.check",
    "mak.digest.verify",
    "epid.parse",
];

/// A field's value: all that a flat object can hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A text; bytes in hex, and numbers of 64 bits, are texts as well.
    Text(String),
    /// A number of 32 bits.
    Number(u32),
    /// True or false.
    Flag(bool),
}

/// The fields of a line, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<(Cow<'static, str>, Value)>);

/// What a shim is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The operation.
    pub op: &'static str,
    /// What it is given.
    pub fields: Fields,
}

/// What a shim answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done, with what came out.
    Done(Fields),
    /// The input is refused: what does not hold, what the shim says of it, and all its fields.
    Refused {
        /// The check that does not hold; empty where none is named.
        check: String,
        /// What the shim says of it.
        detail: String,
        /// All fields of the answer.
        fields: Fields,
    },
    /// The shim does not do this.
    Unimplemented,
}

impl Value {
    /// Bytes, in hex.
    #[must_use]
    pub fn bytes(bytes: &[u8]) -> Self {
        Self::Text(Hex(bytes).to_string())
    }

    /// Bytes, where the value is hex of them.
    #[must_use]
    pub fn as_bytes(&self) -> Option<Vec<u8>> {
        match self {
            Self::Text(text) => parse_hex(text).ok(),
            _ => None,
        }
    }

    /// The value as JSON. Texts of this program have nothing to be escaped; what has is escaped.
    fn put(&self, out: &mut String) {
        match self {
            Self::Text(text) => out.push_str(&serde_json::Value::from(text.as_str()).to_string()),
            Self::Number(number) => {
                let _ = write!(out, "{number}");
            }
            Self::Flag(flag) => out.push_str(if *flag { "true" } else { "false" }),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<Guid> for Value {
    fn from(guid: Guid) -> Self {
        Self::Text(guid.to_string())
    }
}

impl From<FileTime> for Value {
    fn from(time: FileTime) -> Self {
        Self::Text(time.0.to_string())
    }
}

/// As the contract writes it.
impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::new();
        self.put(&mut text);
        f.write_str(&text)
    }
}

impl Fields {
    /// With one more field.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }

    /// With one more field, of bytes.
    #[must_use]
    pub fn with_bytes(self, name: &'static str, bytes: &[u8]) -> Self {
        self.with(name, Value::bytes(bytes))
    }

    /// Puts a value in the place of a field's, or behind all where there is none.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        let value = value.into();
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned().into(), value)),
        }
    }

    /// The fields, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// The value of a field.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// A text.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn text(&self, name: &str) -> Result<&str, String> {
        match self.value(name) {
            Some(Value::Text(text)) => Ok(text),
            other => Err(unlike(name, other, "a text")),
        }
    }

    /// A number of 32 bits.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn number(&self, name: &str) -> Result<u32, String> {
        match self.value(name) {
            Some(Value::Number(number)) => Ok(*number),
            other => Err(unlike(name, other, "a number")),
        }
    }

    /// True or false.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn flag(&self, name: &str) -> Result<bool, String> {
        match self.value(name) {
            Some(Value::Flag(flag)) => Ok(*flag),
            other => Err(unlike(name, other, "true or false")),
        }
    }

    /// A number of 64 bits.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn long(&self, name: &str) -> Result<u64, String> {
        let text = self.text(name)?;
        text.parse().map_err(|_| unlike(name, self.value(name), "the decimal digits of a number"))
    }

    /// Bytes.
    ///
    /// # Errors
    /// There are none of this name.
    pub fn bytes(&self, name: &str) -> Result<Vec<u8>, String> {
        let value = self.value(name);
        value.and_then(Value::as_bytes).ok_or_else(|| unlike(name, value, "bytes in hex"))
    }

    /// So many bytes.
    ///
    /// # Errors
    /// There are none of this name, or another number of them.
    pub fn array<const N: usize>(&self, name: &str) -> Result<[u8; N], String> {
        <[u8; N]>::try_from(self.bytes(name)?)
            .map_err(|bytes| format!("{name} has {} bytes, and should have {N}", bytes.len()))
    }

    /// A GUID.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn guid(&self, name: &str) -> Result<Guid, String> {
        Guid::parse(self.text(name)?).ok_or_else(|| unlike(name, self.value(name), "a GUID"))
    }
}

/// Says how the value of a field is not what it should be.
fn unlike(name: &str, value: Option<&Value>, wanted: &str) -> String {
    match value {
        Some(value) => format!("{name} is {value}, and should be {wanted}"),
        None => format!("{name} is missing"),
    }
}

/// A flat object.
impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Flat;
        impl<'de> Visitor<'de> for Flat {
            type Value = Fields;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a flat object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Fields::default();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    fields.0.push((name.into(), value));
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Flat)
    }
}

impl Query {
    /// A question; `None` where there is no such operation.
    #[must_use]
    pub fn of(op: &str, fields: Fields) -> Option<Self> {
        OPERATIONS.into_iter().find(|known| *known == op).map(|op| Self { op, fields })
    }

    /// A question with nothing given.
    #[must_use]
    pub fn new(op: &'static str) -> Self {
        Self { op, fields: Fields::default() }
    }

    /// With one more field.
    #[must_use]
    pub fn with(self, name: &'static str, value: impl Into<Value>) -> Self {
        Self { fields: self.fields.with(name, value), ..self }
    }

    /// With one more field, of bytes.
    #[must_use]
    pub fn with_bytes(self, name: &'static str, bytes: &[u8]) -> Self {
        Self { fields: self.fields.with_bytes(name, bytes), ..self }
    }

    /// The line that asks it, without its end.
    #[must_use]
    pub fn line(&self, id: u32) -> String {
        let mut line = format!("{{\"id\":{id},\"op\":\"{}\"", self.op);
        for (name, value) in self.fields.iter() {
            let _ = write!(line, ",\"{name}\":{value}");
        }
        line.push('}');
        line
    }
}

impl Answer {
    /// A refusal that names a check.
    #[must_use]
    pub fn refused(check: &str, detail: impl Into<String>) -> Self {
        Self::Refused { check: check.to_owned(), detail: detail.into(), fields: Fields::default() }
    }

    /// Reads the line that answers the question of this id.
    ///
    /// # Errors
    /// How it is no answer.
    pub fn parse(line: &str, id: u32) -> Result<Self, String> {
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(line).map_err(|error| format!("no JSON object: {error}"))?;
        let mut fields = Fields::default();
        for (name, value) in object {
            let value = match value {
                serde_json::Value::String(text) => Value::Text(text),
                serde_json::Value::Bool(flag) => Value::Flag(flag),
                serde_json::Value::Number(number) => {
                    let number = number.as_u64().and_then(|number| u32::try_from(number).ok());
                    Value::Number(number.ok_or_else(|| format!("{name} is no number below 2^32"))?)
                }
                _ => return Err(format!("{name} is neither text nor number nor true or false")),
            };
            fields.0.push((name.into(), value));
        }
        let answered = fields.number("id")?;
        if answered != id {
            return Err(format!("it answers {answered}, and {id} was asked"));
        }
        if fields.value("unimplemented") == Some(&Value::Flag(true)) {
            return Ok(Self::Unimplemented);
        }
        if fields.flag("ok")? {
            return Ok(Self::Done(fields));
        }
        let text = |name| fields.text(name).unwrap_or_default().to_owned();
        Ok(Self::Refused { check: text("check"), detail: text("detail"), fields })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_one_flat_object() {
        let query =
            Query::new("epid.parse").with("text", "0-1").with("big", true).with_bytes("iv", &[1, 0xaf]);
        let line = query.with("client_time", FileTime(u64::MAX)).with("count", 5).line(7);
        assert_eq!(
            line,
            r#"{"id":7,"op":"epid.parse","text":"0-1","big":true,"iv":"01af","client_time":"18446744073709551615","count":5}"#
        );
    }

    #[test]
    fn an_answer_is_done_refused_or_unimplemented() {
        let read = |line| Answer::parse(line, 7);
        let Ok(Answer::Done(fields)) = read(r#"{"id":7,"ok":true,"count":5,"hwid":"00ff"}"#) else {
            panic!()
        };
        assert_eq!((fields.number("count"), fields.bytes("hwid")), (Ok(5), Ok(vec![0, 0xff])));
        let Ok(Answer::Refused { check, detail, .. }) = read(r#"{"id":7,"ok":false,"check":"mac"}"#) else {
            panic!()
        };
        assert_eq!((&*check, &*detail), ("mac", ""));
        assert_eq!(read(r#"{"id":7,"unimplemented":true}"#), Ok(Answer::Unimplemented));
    }

    #[test]
    fn what_is_no_answer_is_told_apart() {
        for (line, reason) in [
            ("", "no JSON object"),
            ("[1]", "no JSON object"),
            (r#"{"id":6,"ok":true}"#, "it answers 6, and 7 was asked"),
            (r#"{"ok":true}"#, "id is missing"),
            (r#"{"id":7}"#, "ok is missing"),
            (r#"{"id":7,"ok":true,"count":4294967296}"#, "count is no number below 2^32"),
            (r#"{"id":7,"ok":true,"list":[]}"#, "list is neither text"),
        ] {
            let error = Answer::parse(line, 7).unwrap_err();
            assert!(error.starts_with(reason), "{line}: {error}");
        }
    }
}
