use smallvec::SmallVec;

use crate::wire::{Error, Hex};

use super::rijndael::{BLOCK, V5, V6};
use super::{ResponseBody, Version, cbc, salt};

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
        bytes: Vec<u8>,
        /// What was missing, where the version is known.
        error: Option<Error>,
    },
}

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
    /// [`super::hmac::v6`] of all in front of it.
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
        let version = bytes.first_chunk().map(|raw| Version(u32::from_le_bytes(*raw)));
        match version.map(|version| (version, version.major())) {
            Some((_, 4)) => V4Response::decode(bytes).map(Self::V4),
            Some((version, 5 | 6)) => EncryptedResponse::decode(version, bytes).map(Self::Encrypted),
            Some(_) => return Self::Other { version, bytes: bytes.to_vec(), error: None },
            None => Err(Error::truncated("response", "Version", 0, 4, bytes.len())),
        }
        .unwrap_or_else(|error| Self::Other { version, bytes: bytes.to_vec(), error: Some(error) })
    }

    /// The bytes of the response, encrypted.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::V4(response) => {
                let mut out = Vec::new();
                response.body.encode_to(&mut out);
                out.extend_from_slice(&response.mac);
                out.extend_from_slice(&response.excess);
                out
            }
            Self::Encrypted(response) => response.encode(),
            Self::Other { bytes, .. } => bytes.clone(),
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

    /// Bytes that a response of this version takes with an ePID of this length, padding included.
    #[must_use]
    pub fn expected_len(&self) -> Option<usize> {
        let body = ResponseBody::FIXED_LEN + self.body()?.pid_size();
        Some(match self {
            Self::V4(_) => body + BLOCK,
            Self::Encrypted(EncryptedResponse { v6: None, .. }) => {
                4 + BLOCK + (body + 48 + 1).next_multiple_of(BLOCK)
            }
            Self::Encrypted(_) => 4 + BLOCK + (body + 88 + 1).next_multiple_of(BLOCK),
            Self::Other { .. } => return None,
        })
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

    /// The plain text from the body on, up to and without the HMAC: what version 6 hashes.
    #[must_use]
    pub fn hashed_plaintext(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        self.put_plaintext(&mut out);
        if self.v6.is_some() {
            out.truncate(out.len() - BLOCK);
        }
        out
    }

    fn put_plaintext(&self, out: &mut Vec<u8>) {
        self.body.encode_to(out);
        out.extend_from_slice(&self.xored_salt);
        out.extend_from_slice(&self.hash);
        if let Some(v6) = &self.v6 {
            out.extend_from_slice(&v6.hwid);
            out.extend_from_slice(&v6.xored_ivs);
            out.extend_from_slice(&v6.hmac);
        }
    }

    fn decode(version: Version, bytes: &[u8]) -> Result<Self, Error> {
        let is_v6 = version.major() == 6;
        let layer = if is_v6 { "v6 response" } else { "v5 response" };
        let Some((iv, cipher_text)) = bytes[4..].split_first_chunk::<BLOCK>() else {
            return Err(Error::truncated(layer, "IV", 4, BLOCK, bytes.len() - 4));
        };
        let whole = cipher_text.len() / BLOCK * BLOCK;
        let (cipher_text, excess) = cipher_text.split_at(whole);
        let mut plain: SmallVec<[u8; 256]> = SmallVec::from_slice(cipher_text);
        if is_v6 {
            cbc::decrypt(&V6, iv, &mut plain);
        } else {
            cbc::decrypt(&V5, iv, &mut plain);
        }
        let (body, rest) =
            ResponseBody::parse(&plain).map_err(|error| Error { layer, ..error }.shifted(4 + BLOCK))?;
        let mut rest = rest;
        let xored_salt = *Self::take(layer, "XoredSalt", &plain, &mut rest)?;
        let hash = *Self::take(layer, "Hash", &plain, &mut rest)?;
        let v6 = if is_v6 {
            Some(V6Trailer {
                hwid: *Self::take(layer, "HwId", &plain, &mut rest)?,
                xored_ivs: *Self::take(layer, "XoredIVs", &plain, &mut rest)?,
                hmac: *Self::take(layer, "HMAC", &plain, &mut rest)?,
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
        let mut out = Vec::with_capacity(260);
        out.extend_from_slice(&self.version.0.to_le_bytes());
        out.extend_from_slice(&self.iv);
        self.put_plaintext(&mut out);
        out.extend_from_slice(&self.padding);
        match self.version.major() {
            5 => cbc::encrypt(&V5, &self.iv, &mut out[4 + BLOCK..]),
            _ => cbc::encrypt(&V6, &self.iv, &mut out[4 + BLOCK..]),
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
        cbc::encrypt(&V6, &[0; 16], &mut plain);
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
                cbc::encrypt(&V6, &[9; 16], &mut plain);
                bytes = [&[0, 0, 6, 0][..], &[9; 16], &plain].concat();
            }
            prop_assert_eq!(ResponseMessage::decode(&bytes).encode(), bytes);
        }
    }
}
