use smallvec::SmallVec;

use crate::wire::{Error, Hex};

use super::rijndael::{BLOCK, V5, V6};
use super::{RequestBody, Version, mac, salt};

/// A request as it travels in the stub, decrypted.
///
/// [`Self::encode`] gives back the very bytes that [`Self::decode`] took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestMessage {
    /// Version 4.
    V4(V4Request),
    /// Versions 5 and 6.
    Encrypted(EncryptedRequest),
    /// A version without a known envelope, or fewer bytes than its envelope takes.
    Other {
        /// The first four bytes, where there are as many.
        version: Option<Version>,
        /// All bytes.
        bytes: SmallVec<[u8; Self::ENCRYPTED_LEN]>,
        /// What was missing, where the version is known.
        error: Option<Error>,
    },
}

/// A version 4 request, 252 bytes: the body, 236, and its MAC, 16.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V4Request {
    /// The body.
    pub body: RequestBody,
    /// [`super::mac::v4`] of the body.
    pub mac: [u8; BLOCK],
    /// Bytes behind the MAC.
    pub excess: SmallVec<[u8; 8]>,
}

/// A version 5 or 6 request, 260 bytes: Version, 4, IV, 16, and the body with four bytes of padding under CBC, 240.
#[derive(Clone, PartialEq, Eq)]
pub struct EncryptedRequest {
    /// Version in front of the IV, in plain text; its major number says how the rest is encrypted.
    pub version: Version,
    /// The IV as it stands.
    pub iv: [u8; BLOCK],
    /// The body.
    pub body: RequestBody,
    /// The padding, `04 04 04 04` (PKCS#7).
    pub padding: [u8; 4],
    /// Bytes behind the 260, as they stand.
    pub excess: SmallVec<[u8; 8]>,
}

impl std::fmt::Debug for EncryptedRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EncryptedRequest")
            .field("version", &self.version)
            .field("iv", &format_args!("{}", Hex(&self.iv)))
            .field("body", &self.body)
            .field("padding", &format_args!("{}", Hex(&self.padding)))
            .field("excess", &format_args!("{}", Hex(&self.excess)))
            .finish()
    }
}

impl EncryptedRequest {
    /// K, the IV under the raw block cipher: what the response's salt is masked with, and its XoredIVs.
    #[must_use]
    pub fn decrypted_iv(&self) -> [u8; BLOCK] {
        salt::decrypt_iv(self.version, &self.iv).unwrap_or_default()
    }
}

impl RequestMessage {
    /// Bytes of a version 4 request.
    pub const V4_LEN: usize = RequestBody::LEN + BLOCK;
    /// Bytes of a version 5 or 6 request.
    pub const ENCRYPTED_LEN: usize = 4 + BLOCK + RequestBody::LEN + 4;

    /// The body in the envelope of its version, as a genuine client makes it: with its MAC in version 4, else with
    /// this IV and `04 04 04 04` for padding. A version without an envelope of its own gets that of version 6.
    ///
    /// Every field is open to what a test wants there instead.
    #[must_use]
    pub fn new(body: RequestBody, iv: [u8; BLOCK]) -> Self {
        let version = body.version;
        if version.major() == 4 {
            let mac = mac::v4(&body.encode());
            return Self::V4(V4Request { body, mac, excess: SmallVec::new() });
        }
        Self::Encrypted(EncryptedRequest { version, iv, body, padding: [4; 4], excess: SmallVec::new() })
    }

    /// Decrypts and reads a request. Nothing is judged: wrong padding, MACs and inner versions are values.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Self {
        let version = bytes.first_chunk().map(|raw| Version(u32::from_le_bytes(*raw)));
        match version.map(Version::major) {
            Some(4) => V4Request::decode(bytes).map(Self::V4),
            Some(5 | 6) => EncryptedRequest::decode(bytes).map(Self::Encrypted),
            Some(_) => return Self::Other { version, bytes: SmallVec::from_slice(bytes), error: None },
            None => Err(Error::truncated("request", "Version", 0, 4, bytes.len())),
        }
        .unwrap_or_else(|error| Self::Other {
            version,
            bytes: SmallVec::from_slice(bytes),
            error: Some(error),
        })
    }

    /// The bytes of the request, encrypted.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::ENCRYPTED_LEN);
        self.encode_to(&mut out);
        out
    }

    /// Appends the bytes of the request, encrypted; 260 of them, but for what is in excess.
    pub fn encode_to(&self, out: &mut Vec<u8>) {
        match self {
            Self::V4(request) => {
                out.extend_from_slice(&request.body.encode());
                out.extend_from_slice(&request.mac);
                out.extend_from_slice(&request.excess);
            }
            Self::Encrypted(request) => request.encode_to(out),
            Self::Other { bytes, .. } => out.extend_from_slice(bytes),
        }
    }

    /// The body, where the envelope could be opened.
    #[must_use]
    pub fn body(&self) -> Option<&RequestBody> {
        match self {
            Self::V4(request) => Some(&request.body),
            Self::Encrypted(request) => Some(&request.body),
            Self::Other { .. } => None,
        }
    }

    /// The version in plain text at the front, by which the envelope is known.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        match self {
            Self::V4(request) => Some(request.body.version),
            Self::Encrypted(request) => Some(request.version),
            Self::Other { version, .. } => *version,
        }
    }

    /// The error that kept the envelope closed.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        match self {
            Self::Other { error, .. } => error.as_ref(),
            _ => None,
        }
    }
}

impl V4Request {
    fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let body = RequestBody::parse(bytes).map_err(|error| Error { layer: "v4 request", ..error })?;
        let (_, behind) = bytes.split_at(RequestBody::LEN);
        let Some((mac, excess)) = behind.split_first_chunk() else {
            return Err(Error::truncated("v4 request", "MAC", RequestBody::LEN, BLOCK, behind.len()));
        };
        Ok(Self { body, mac: *mac, excess: SmallVec::from_slice(excess) })
    }
}

impl EncryptedRequest {
    fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let Some((envelope, excess)) = bytes.split_first_chunk::<{ RequestMessage::ENCRYPTED_LEN }>() else {
            return Err(Self::too_short(bytes));
        };
        let (version, opened) = open(envelope);
        let plain = &opened[BLOCK..];
        let body = RequestBody::parse(plain)?;
        let iv = std::array::from_fn(|i| envelope[4 + i]);
        let padding = std::array::from_fn(|i| plain[RequestBody::LEN + i]);
        Ok(Self { version, iv, body, padding, excess: SmallVec::from_slice(excess) })
    }

    fn too_short(bytes: &[u8]) -> Error {
        let layer = if bytes[2] == 5 { "v5 request" } else { "v6 request" };
        match bytes.len().checked_sub(4 + BLOCK) {
            None => Error::truncated(layer, "IV", 4, BLOCK, bytes.len() - 4),
            Some(got) => Error::truncated(layer, "encrypted body", 4 + BLOCK, RequestBody::LEN + 4, got),
        }
    }

    fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.version.0.to_le_bytes());
        out.extend_from_slice(&self.iv);
        let begin = out.len();
        out.extend_from_slice(&self.body.encode());
        out.extend_from_slice(&self.padding);
        match self.version.major() {
            5 => V5.cbc_encrypt(&self.iv, &mut out[begin..]),
            _ => V6.cbc_encrypt(&self.iv, &mut out[begin..]),
        }
        out.extend_from_slice(&self.excess);
    }
}

/// A version 5 or 6 request opened: its version, and 256 bytes that begin with K, the IV under the raw block cipher; the
/// body and its padding follow.
#[inline]
pub(super) fn open(envelope: &[u8; RequestMessage::ENCRYPTED_LEN]) -> (Version, [u8; 256]) {
    let version = Version(u32::from_le_bytes(std::array::from_fn(|i| envelope[i])));
    let mut opened = [0; 256];
    // K is what stands in front of the body: a block behind a zero IV.
    match version.major() {
        5 => V5.cbc_decrypt_to(&[0; BLOCK], &envelope[4..], &mut opened),
        _ => V6.cbc_decrypt_to(&[0; BLOCK], &envelope[4..], &mut opened),
    }
    (version, opened)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_request_that_is_too_short_keeps_its_bytes_and_says_what_is_missing() {
        for (length, expected) in [
            (2, "request: Version at offset 0: needed 4 bytes, got 2"),
            (10, "v6 request: IV at offset 4: needed 16 bytes, got 6"),
            (252, "v6 request: encrypted body at offset 20: needed 240 bytes, got 232"),
        ] {
            let mut bytes = vec![0; length];
            if length > 2 {
                bytes[2] = 6;
            }
            let message = RequestMessage::decode(&bytes);
            assert_eq!(message.error().unwrap().to_string(), expected);
            assert_eq!(message.encode(), bytes);
        }
        let mut v4 = vec![0; 251];
        v4[2] = 4;
        let error = RequestMessage::decode(&v4).error().unwrap().to_string();
        assert_eq!(error, "v4 request: MAC at offset 236: needed 16 bytes, got 15");
    }

    #[test]
    fn a_version_without_an_envelope_is_kept_without_an_error() {
        let message = RequestMessage::decode(&[0, 0, 7, 0, 1, 2, 3]);
        assert!(matches!(
            message,
            RequestMessage::Other { version: Some(Version(0x7_0000)), error: None, .. }
        ));
    }

    proptest! {
        #[test]
        fn every_request_is_written_back_byte_for_byte(
            major in 3u8..8,
            tail in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let bytes = [&[0, 0, major, 0][..], &tail].concat();
            prop_assert_eq!(RequestMessage::decode(&bytes).encode(), bytes);
        }
    }
}
