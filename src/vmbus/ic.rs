//! Integration components: what stands in front of every message of key-value pairs, heartbeat, shutdown and their like,
//! and how both sides agree on versions.

use crate::wire::Error;
use crate::wire::read::{self, Parsed};

use super::kvp;
use super::layout::Field;

open! {
    /// What a message is.
    MessageType(u16), "message" {
        NEGOTIATE = 0 "negotiate",
        HEARTBEAT = 1 "heartbeat",
        KVP_EXCHANGE = 2 "kvp_exchange",
        SHUTDOWN = 3 "shutdown",
        TIME_SYNC = 4 "time_sync",
        VSS = 5 "vss",
        FILE_COPY = 7 "file_copy",
    }
}

layout! {
    /// A version.
    Version {
        /// The major number.
        major: u16,
        /// The minor number.
        minor: u16,
    }
}

impl Field for Version {
    fn read<'a>(_: &'static str, input: &'a [u8]) -> Parsed<'a, Self> {
        Self::read(input)
    }

    fn put(&self, out: &mut Vec<u8>) {
        Self::put(self, out);
    }
}

layout! {
    /// What stands in front of a message, 20 bytes.
    Header {
        /// Offset 0: the version of this header.
        framework_version: Version,
        /// Offset 4.
        kind: MessageType,
        /// Offset 6: the version of the message.
        message_version: Version,
        /// Offset 10: bytes behind the header.
        size: u16,
        /// Offset 12: 0 for success, or an HRESULT.
        status: u32,
        /// Offset 16: what the answer repeats.
        transaction: u8,
        /// Offset 17: bit 0 transaction, bit 1 request, bit 2 response.
        flags: u8,
        /// Offset 18.
        reserved: u16,
    }
}

impl Header {
    /// Bytes of a header.
    pub const LEN: usize = 20;
    /// The message asks.
    pub const REQUEST: u8 = 2;
    /// The message answers.
    pub const RESPONSE: u8 = 4;

    /// True where the flags say that the message asks, false where they say that it answers.
    #[must_use]
    pub fn is_request(&self) -> Option<bool> {
        match self.flags & (Self::REQUEST | Self::RESPONSE) {
            Self::REQUEST => Some(true),
            Self::RESPONSE => Some(false),
            _ => None,
        }
    }
}

/// A message of an integration component.
///
/// [`Self::encode`] gives back the very bytes that [`Self::parse`] and [`Self::parse_lax`] took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What stands in front.
    pub header: Header,
    /// What the type makes of the rest.
    pub body: Body,
    /// Bytes behind the body; all of them where it is [`Body::Opaque`].
    pub excess: Vec<u8>,
}

/// What the type of a message makes of the bytes behind its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Versions to choose from, or those that were chosen.
    Negotiate(Negotiate),
    /// A key-value pair.
    Kvp(kvp::Exchange),
    /// Another type: nothing is read of it.
    Opaque,
}

/// The versions of both the header and the message that a side knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiate {
    /// Offset 20: how many versions are those of the header.
    pub framework_count: u16,
    /// Offset 22: how many behind them are those of the message.
    pub message_count: u16,
    /// Offset 24.
    pub reserved: u32,
    /// Offset 28: the versions, of which there are as many as the counts say; fewer where the message ends before.
    pub versions: Vec<Version>,
}

impl Message {
    /// A message with nothing behind its body.
    #[must_use]
    pub fn new(header: Header, body: Body) -> Self {
        Self { header, body, excess: Vec::new() }
    }

    /// Reads a message; bytes behind its body are kept.
    ///
    /// # Errors
    /// Fewer bytes than the header or the body takes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        match Self::parse_lax(bytes)? {
            (message, None) => Ok(message),
            (_, Some(error)) => Err(error),
        }
    }

    /// Reads a message as far as it goes.
    ///
    /// # Errors
    /// Fewer bytes than the header takes.
    pub fn parse_lax(bytes: &[u8]) -> Result<(Self, Option<Error>), Error> {
        let (rest, header) = read::finish(LAYER, bytes, Header::read(bytes))?;
        let read = match header.kind {
            MessageType::NEGOTIATE => read::finish(LAYER, bytes, negotiate(rest))
                .map(|(excess, (body, error))| (Body::Negotiate(body), excess, error)),
            MessageType::KVP_EXCHANGE => kvp::Exchange::parse_lax(rest)
                .map(|(body, excess, error)| (Body::Kvp(body), excess, error))
                .map_err(|error| error.shifted(Header::LEN)),
            _ => Ok((Body::Opaque, rest, None)),
        };
        Ok(match read {
            Ok((body, excess, error)) => {
                let excess = excess.to_vec();
                (Self { header, body, excess }, error.map(|error| error.shifted(Header::LEN)))
            }
            Err(error) => (Self { header, body: Body::Opaque, excess: rest.to_vec() }, Some(error)),
        })
    }

    /// The bytes of the message, with the lengths that it holds.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Header::LEN + self.excess.len());
        self.header.put(&mut out);
        match &self.body {
            Body::Negotiate(negotiate) => {
                negotiate.framework_count.put(&mut out);
                negotiate.message_count.put(&mut out);
                negotiate.reserved.put(&mut out);
                negotiate.versions.iter().for_each(|version| version.put(&mut out));
            }
            Body::Kvp(exchange) => exchange.put(&mut out),
            Body::Opaque => {}
        }
        out.extend_from_slice(&self.excess);
        out
    }
}

/// The versions, and why there are fewer than the counts say. The error counts from behind the header.
fn negotiate(input: &[u8]) -> Parsed<'_, (Negotiate, Option<Error>)> {
    let (input, framework_count) = Field::read("framework_count", input)?;
    let (input, message_count) = Field::read("message_count", input)?;
    let (mut input, reserved) = Field::read("reserved", input)?;
    let count = usize::from(framework_count) + usize::from(message_count);
    let room = input.len();
    let mut versions = Vec::with_capacity(count.min(room / 4));
    while versions.len() < count
        && let Ok((rest, version)) = Version::read(input)
    {
        versions.push(version);
        input = rest;
    }
    let error = (versions.len() < count).then(|| Error::truncated(LAYER, "versions", 8, 4 * count, room));
    Ok((input, (Negotiate { framework_count, message_count, reserved, versions }, error)))
}

const LAYER: &str = "ic message";
