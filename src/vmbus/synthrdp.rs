//! Remote desktop control: a request and a response, public, and so a proof that what is below them is read right.

use crate::wire::Error;
use crate::wire::read;

open! {
    /// What a message is.
    MessageType(u32), "message" {
        REQUEST = 1 "request",
        RESPONSE = 2 "response",
    }
}

layout! {
    /// What both messages begin with, 16 bytes.
    Header {
        /// Offset 0.
        kind: MessageType,
        /// Offset 4: bytes of the message.
        size: u32,
        /// Offset 8: the version asked for.
        version: u32,
        /// Offset 12.
        reserved: u32,
    }
}

/// A message of remote desktop control.
///
/// [`Self::encode`] gives back the very bytes that [`Self::parse`] took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What stands in front.
    pub header: Header,
    /// Offset 16 of a response: 0 where the version is refused.
    pub accepted: Option<u8>,
    /// Bytes behind that.
    pub excess: Vec<u8>,
}

impl Message {
    /// The request for a version.
    #[must_use]
    pub fn request(version: u32) -> Self {
        let header = Header { kind: MessageType::REQUEST, size: 16, version, reserved: 0 };
        Self { header, accepted: None, excess: Vec::new() }
    }

    /// The response to one.
    #[must_use]
    pub fn response(version: u32, is_accepted: bool) -> Self {
        let header = Header { kind: MessageType::RESPONSE, size: 17, version, reserved: 0 };
        Self { header, accepted: Some(is_accepted.into()), excess: Vec::new() }
    }

    /// Reads a message; bytes behind it are kept.
    ///
    /// # Errors
    /// Fewer bytes than the message takes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let (rest, header) = read::finish(LAYER, bytes, Header::read(bytes))?;
        let (excess, accepted) = if header.kind == MessageType::RESPONSE {
            let (rest, accepted) = read::finish(LAYER, bytes, read::u8("accepted")(rest))?;
            (rest, Some(accepted))
        } else {
            (rest, None)
        };
        Ok(Self { header, accepted, excess: excess.to_vec() })
    }

    /// The bytes of the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(17 + self.excess.len());
        self.header.put(&mut out);
        out.extend(self.accepted);
        out.extend_from_slice(&self.excess);
        out
    }
}

const LAYER: &str = "synthrdp message";
