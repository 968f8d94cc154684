use smallvec::SmallVec;

use crate::wire::{Error, Hex, Writer};

use super::rijndael::{BLOCK, V5, V6};
use super::{ResponseBody, Version, salt};

/// A response as it travels in the stub, decrypted.
///
/// [`Self::encode`] gives back the very bytes that [`Self::decode`] took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseMessage {
    /// Version 4.
    V4(V4Response),
    /// Versions 5 and 6.
    Encrypted(EncryptedResponse),
    /// A version without a known envelope, or bytes that end inside its fields.
    Other {
        /// The first four bytes, where there are as many.
        version: Option<Version>,
        /// All bytes.
        bytes: SmallVec<[u8; 264]>,
        /// What was missing, where the version is known.
        error: Option<Error>,
    },
}

/// R, a version 6 response's decrypted IV (without a meaning in version 5), and the plain text behind it.
pub(super) type Opened = SmallVec<[u8; 320]>;

/// A version 4 response: the body and its MAC, 16.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V4Response {
    /// The body.
    pub body: ResponseBody,
    /// [`super::mac::v4`] of the body.
    pub mac: [u8; BLOCK],
    /// Bytes behind the MAC.
    pub excess: SmallVec<[u8; 8]>,
}

/// A version 5 or 6 response: Version, 4, IV, 16, then under CBC the body, XoredSalt, 16, Hash, 32, in version 6 the
/// [`V6Trailer`], 40, and PKCS#7 padding.
#[derive(Clone, PartialEq, Eq)]
pub struct EncryptedResponse {
    /// Version in front of the IV, in plain text; its major number says how the rest is encrypted.
    pub version: Version,
    /// The IV as it stands.
    pub iv: [u8; BLOCK],
    /// The body.
    pub body: ResponseBody,
    /// The salt, masked with K, the request's decrypted IV.
    pub xored_salt: [u8; BLOCK],
    /// SHA-256 of the salt.
    pub hash: [u8; 32],
    /// What only version 6 has.
    pub v6: Option<V6Trailer>,
    /// What is left of the plain text: the padding, 1 to 16 bytes of its own number.
    pub padding: SmallVec<[u8; 16]>,
    /// Bytes behind the last whole block, as they stand.
    pub excess: SmallVec<[u8; 8]>,
}

/// What closes a version 6 response, 40 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct V6Trailer {
    /// HwId: the host's hardware id.
    pub hwid: [u8; 8],
    /// XoredIVs: K, the request's decrypted IV.
    pub xored_ivs: [u8; BLOCK],
    /// [`super::hmac::Keys::v6`] of all in front of it.
    pub hmac: [u8; BLOCK],
}

impl std::fmt::Debug for EncryptedResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EncryptedResponse")
            .field("version", &self.version)
            .field("iv", &format_args!("{}", Hex(&self.iv)))
            .field("body", &self.body)
            .field("xored_salt", &format_args!("{}", Hex(&self.xored_salt)))
            .field("hash", &format_args!("{}", Hex(&self.hash)))
            .field("v6", &self.v6)
            .field("padding", &format_args!("{}", Hex(&self.padding)))
            .field("excess", &format_args!("{}", Hex(&self.excess)))
            .finish()
    }
}

impl std::fmt::Debug for V6Trailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("V6Trailer")
            .field("hwid", &format_args!("{}", Hex(&self.hwid)))
            .field("xored_ivs", &format_args!("{}", Hex(&self.xored_ivs)))
            .field("hmac", &format_args!("{}", Hex(&self.hmac)))
            .finish()
    }
}

impl ResponseMessage {
    /// Decrypts and reads a response. Nothing is judged: wrong padding, hashes and echoes are values.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Self {
        Self::open(bytes, &mut Opened::new())
    }

    /// [`Self::decode`], and the plain text that was met on the way.
    pub(super) fn open(bytes: &[u8], plain: &mut Opened) -> Self {
        let version = bytes.first_chunk().map(|raw| Version(u32::from_le_bytes(*raw)));
        match version.map(|version| (version, version.major())) {
            Some((_, 4)) => V4Response::decode(bytes).map(Self::V4),
            Some((version, 5 | 6)) => EncryptedResponse::decode(version, bytes, plain).map(Self::Encrypted),
            Some(_) => return Self::Other { version, bytes: SmallVec::from_slice(bytes), error: None },
            None => Err(Error::truncated("response", "Version", 0, 4, bytes.len())),
        }
        .unwrap_or_else(|error| Self::Other {
            version,
            bytes: SmallVec::from_slice(bytes),
            error: Some(error),
        })
    }

    /// The bytes of the response, encrypted.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::V4(V4Response { mac, body, excess }) => {
                let body = body.encode();
                let mut out = Vec::with_capacity(body.len() + BLOCK + excess.len());
                out.extend_from_slice(&body);
                out.extend_from_slice(mac);
                out.extend_from_slice(excess);
                out
            }
            Self::Encrypted(response) => response.encode(),
            Self::Other { bytes, .. } => bytes.to_vec(),
        }
    }

    /// The body, where the envelope could be opened.
    #[must_use]
    pub fn body(&self) -> Option<&ResponseBody> {
        match self {
            Self::V4(response) => Some(&response.body),
            Self::Encrypted(response) => Some(&response.body),
            Self::Other { .. } => None,
        }
    }

    /// The version in plain text at the front, by which the envelope is known.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        match self {
            Self::V4(response) => Some(response.body.version),
            Self::Encrypted(response) => Some(response.version),
            Self::Other { version, .. } => *version,
        }
    }

    /// Bytes that this response takes, going by its version and its ePID's length, padding included.
    #[must_use]
    pub fn expected_len(&self) -> Option<usize> {
        Some(Self::len_of(self.version()?, self.body()?.pid_size()))
    }

    /// Bytes of a response with an ePID of `pid_size` bytes, padding included. A version without an envelope of its own
    /// counts as version 6.
    #[must_use]
    pub const fn len_of(version: Version, pid_size: usize) -> usize {
        let body = ResponseBody::FIXED_LEN + pid_size;
        match version.major() {
            4 => body + BLOCK,
            5 => 4 + BLOCK + (body + 48 + 1).next_multiple_of(BLOCK),
            _ => 4 + BLOCK + (body + 88 + 1).next_multiple_of(BLOCK),
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

impl V4Response {
    fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let (body, behind) =
            ResponseBody::parse(bytes).map_err(|error| Error { layer: "v4 response", ..error })?;
        let Some((mac, excess)) = behind.split_first_chunk() else {
            let offset = bytes.len() - behind.len();
            return Err(Error::truncated("v4 response", "MAC", offset, BLOCK, behind.len()));
        };
        Ok(Self { body, mac: *mac, excess: SmallVec::from_slice(excess) })
    }
}

impl EncryptedResponse {
    /// R of a version 6 response: its IV under the raw block cipher.
    #[must_use]
    pub fn decrypted_iv(&self) -> [u8; BLOCK] {
        salt::decrypt_iv(self.version, &self.iv).unwrap_or_default()
    }

    /// What version 6 hashes: R, then the plain text from the body on, up to and without the HMAC.
    #[must_use]
    pub fn hashed(&self) -> SmallVec<[u8; 320]> {
        let mut bytes = SmallVec::from_elem(0, self.hashed_len());
        let mut out = Writer(&mut bytes);
        out.put(&self.decrypted_iv());
        self.body.put(&mut out);
        out.put(&self.xored_salt);
        out.put(&self.hash);
        if let Some(v6) = &self.v6 {
            out.put(&v6.hwid);
            out.put(&v6.xored_ivs);
        }
        bytes
    }

    /// Bytes of [`Self::hashed`].
    pub(super) fn hashed_len(&self) -> usize {
        let behind = 48 + if self.v6.is_some() { 24 } else { 0 };
        BLOCK + ResponseBody::FIXED_LEN + self.body.pid_size() + behind
    }

    fn decode(version: Version, bytes: &[u8], plain: &mut Opened) -> Result<Self, Error> {
        let is_v6 = version.major() == 6;
        let layer = if is_v6 { "v6 response" } else { "v5 response" };
        let (cipher_text, excess) = bytes[4..].as_chunks::<BLOCK>();
        let Some((iv, _)) = cipher_text.split_first() else {
            return Err(Error::truncated(layer, "IV", 4, BLOCK, bytes.len() - 4));
        };
        // With a zero IV in front of the IV, R is its plain text.
        let cipher_text = cipher_text.as_flattened();
        plain.resize(cipher_text.len(), 0);
        if is_v6 {
            V6.cbc_decrypt_to(&[0; BLOCK], cipher_text, plain);
        } else {
            V5.cbc_decrypt_to(&[0; BLOCK], cipher_text, plain);
        }
        let plain = &plain[BLOCK..];
        let (body, rest) =
            ResponseBody::parse(plain).map_err(|error| Error { layer, ..error }.shifted(4 + BLOCK))?;
        let mut rest = rest;
        let xored_salt = *Self::take(layer, "XoredSalt", plain, &mut rest)?;
        let hash = *Self::take(layer, "Hash", plain, &mut rest)?;
        let v6 = if is_v6 {
            Some(V6Trailer {
                hwid: *Self::take(layer, "HwId", plain, &mut rest)?,
                xored_ivs: *Self::take(layer, "XoredIVs", plain, &mut rest)?,
                hmac: *Self::take(layer, "HMAC", plain, &mut rest)?,
            })
        } else {
            None
        };
        let padding = SmallVec::from_slice(rest);
        let excess = SmallVec::from_slice(excess);
        Ok(Self { version, iv: *iv, body, xored_salt, hash, v6, padding, excess })
    }

    fn take<'a, const N: usize>(
        layer: &'static str,
        field: &'static str,
        plain: &[u8],
        rest: &mut &'a [u8],
    ) -> Result<&'a [u8; N], Error> {
        let offset = 4 + BLOCK + plain.len() - rest.len();
        let Some((taken, behind)) = rest.split_first_chunk() else {
            return Err(Error::truncated(layer, field, offset, N, rest.len()));
        };
        *rest = behind;
        Ok(taken)
    }

    fn encode(&self) -> Vec<u8> {
        let length = 4 + BLOCK + self.hashed_len() + self.padding.len() + self.excess.len();
        let mut out = Vec::with_capacity(length);
        out.extend_from_slice(&self.version.0.to_le_bytes());
        out.extend_from_slice(&self.iv);
        out.extend_from_slice(&self.hashed()[BLOCK..]);
        if let Some(v6) = &self.v6 {
            out.extend_from_slice(&v6.hmac);
        }
        out.extend_from_slice(&self.padding);
        match self.version.major() {
            5 => V5.cbc_encrypt(&self.iv, &mut out[4 + BLOCK..]),
            _ => V6.cbc_encrypt(&self.iv, &mut out[4 + BLOCK..]),
        }
        out.extend_from_slice(&self.excess);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_response_that_decrypts_to_too_little_says_which_field() {
        let mut plain = vec![0, 0, 6, 0, 2, 0, 0, 0, 0, 0];
        plain.resize(48, 0);
        V6.cbc_encrypt(&[0; 16], &mut plain);
        let bytes = [&[0, 0, 6, 0][..], &[0; 16], &plain].concat();
        let message = ResponseMessage::decode(&bytes);
        let expected = "v6 response: XoredSalt at offset 66: needed 16 bytes, got 2";
        assert_eq!(message.error().unwrap().to_string(), expected);
        assert_eq!(message.encode(), bytes);
    }

    proptest! {
        #[test]
        fn every_response_is_written_back_byte_for_byte(
            major in 3u8..8,
            pid_size in 0u8..200,
            tail in prop::collection::vec(any::<u8>(), 0..400),
        ) {
            let mut plain = [&[0, 0, major, 0, pid_size, 0, 0, 0][..], &tail].concat();
            let mut bytes = plain.clone();
            if major == 6 {
                V6.cbc_encrypt(&[9; 16], &mut plain);
                bytes = [&[0, 0, 6, 0][..], &[9; 16], &plain].concat();
            }
            prop_assert_eq!(ResponseMessage::decode(&bytes).encode(), bytes);
        }
    }
}
