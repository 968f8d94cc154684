use std::fmt;

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use chacha20poly1305::ChaCha20Poly1305;
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::{Sha256, Sha384};

use super::cipher_suite::{Aead, CipherSuite, Hash};
use super::key_log::Secret;
use super::record::{HEADER_LEN, Record};
use crate::wire::Side;

/// Opens the records of one direction, as long as its keys do not change.
pub(super) struct Opener {
    cipher: Cipher,
    nonce: Nonce,
}

enum Cipher {
    Aes128Gcm(Box<Aes128Gcm>),
    Aes256Gcm(Box<Aes256Gcm>),
    ChaCha20Poly1305(Box<ChaCha20Poly1305>),
}

/// Where the nonce comes from, and with it what else is authenticated.
enum Nonce {
    /// TLS 1.2 with GCM: four bytes of the keys, and eight that each record begins with (RFC 5288 3).
    Explicit([u8; 4]),
    /// TLS 1.2 with ChaCha20-Poly1305: the sequence number into twelve bytes of the keys (RFC 7905 2).
    Implicit([u8; IV]),
    /// TLS 1.3: the same (RFC 8446 5.3), but the record's header is authenticated as it is (5.2).
    Tls13([u8; IV]),
}

/// What of the handshake the keys of TLS 1.2 are made of (RFC 5246 6.3).
pub(super) struct Randoms<'a> {
    pub(super) client: &'a [u8; 32],
    pub(super) server: &'a [u8; 32],
}

impl Opener {
    /// The keys of TLS 1.2, from the master secret (RFC 5246 6.3). `None` for a suite that cannot be opened.
    pub(super) fn tls12(
        suite: CipherSuite,
        master: &Secret,
        randoms: &Randoms<'_>,
        sender: Side,
    ) -> Option<Self> {
        let (aead, hash) = suite.protection()?;
        let (key, iv) = match aead {
            Aead::Aes128Gcm => (16, 4),
            Aead::Aes256Gcm => (32, 4),
            Aead::ChaCha20Poly1305 => (32, IV),
        };
        let mut block = [0; 2 * (MAX_KEY + IV)];
        let seed: [&[u8]; 3] = [b"key expansion", randoms.server, randoms.client];
        let block = &mut block[..2 * (key + iv)];
        match hash {
            Hash::Sha256 => p_hash::<Hmac<Sha256>>(master.bytes(), &seed, block),
            Hash::Sha384 => p_hash::<Hmac<Sha384>>(master.bytes(), &seed, block),
        }?;
        // Keys and IVs, of the client and of the server each.
        let (keys, ivs) = block.split_at(2 * key);
        let which = sender as usize;
        let iv = &ivs[which * iv..][..iv];
        let nonce = match aead {
            Aead::ChaCha20Poly1305 => Nonce::Implicit(iv.try_into().ok()?),
            Aead::Aes128Gcm | Aead::Aes256Gcm => Nonce::Explicit(iv.try_into().ok()?),
        };
        Some(Self { cipher: Cipher::new(aead, &keys[which * key..][..key])?, nonce })
    }

    /// The keys of TLS 1.3, from a traffic secret (RFC 8446 7.3). `None` for a suite that cannot be opened, or that the
    /// secret does not fit.
    pub(super) fn tls13(suite: CipherSuite, secret: &Secret) -> Option<Self> {
        let (aead, hash) = suite.protection()?;
        let mut key = [0; MAX_KEY];
        let key = &mut key[..if aead == Aead::Aes128Gcm { 16 } else { MAX_KEY }];
        let mut iv = [0; IV];
        expand_label(hash, secret, b"key", key)?;
        expand_label(hash, secret, b"iv", &mut iv)?;
        Some(Self { cipher: Cipher::new(aead, key)?, nonce: Nonce::Tls13(iv) })
    }

    /// Opens a record into `plain`, under the first of the sequence numbers from `first` on that fits, of which `ahead`
    /// more are tried. That number; `None` where the tag fits none.
    pub(super) fn open<S>(
        &self,
        first: u64,
        ahead: u64,
        record: &Record<'_, S>,
        plain: &mut Vec<u8>,
    ) -> Option<u64> {
        let sealed = match self.nonce {
            Nonce::Explicit(_) => record.fragment.get(EXPLICIT..)?,
            Nonce::Implicit(_) | Nonce::Tls13(_) => record.fragment,
        };
        let (text, tag) = sealed.split_last_chunk::<TAG>()?;
        let length = u16::try_from(text.len()).ok()?;
        plain.clear();
        plain.extend_from_slice(text);
        // What does not fit is left as it is.
        (first..=first.saturating_add(ahead)).find(|&sequence| {
            let mut nonce = [0; IV];
            let mut aad = [0; 8 + HEADER_LEN];
            aad[..8].copy_from_slice(&sequence.to_be_bytes());
            aad[8..].copy_from_slice(&record.header);
            aad[11..].copy_from_slice(&length.to_be_bytes());
            let mut aad: &[u8] = &aad;
            match &self.nonce {
                Nonce::Explicit(salt) => {
                    nonce[..4].copy_from_slice(salt);
                    nonce[4..].copy_from_slice(&record.fragment[..EXPLICIT]);
                }
                Nonce::Implicit(iv) => nonce = with_sequence(iv, sequence),
                Nonce::Tls13(iv) => {
                    nonce = with_sequence(iv, sequence);
                    aad = &record.header;
                }
            }
            self.cipher.open(&nonce, aad, plain, tag)
        })
    }
}

/// Keys are nobody's to see.
impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opener")
    }
}

impl Cipher {
    fn new(aead: Aead, key: &[u8]) -> Option<Self> {
        Some(match aead {
            Aead::Aes128Gcm => Self::Aes128Gcm(Box::new(Aes128Gcm::new_from_slice(key).ok()?)),
            Aead::Aes256Gcm => Self::Aes256Gcm(Box::new(Aes256Gcm::new_from_slice(key).ok()?)),
            Aead::ChaCha20Poly1305 => {
                Self::ChaCha20Poly1305(Box::new(ChaCha20Poly1305::new_from_slice(key).ok()?))
            }
        })
    }

    fn open(&self, nonce: &[u8; IV], aad: &[u8], text: &mut [u8], tag: &[u8; TAG]) -> bool {
        let (nonce, tag) = (nonce.into(), tag.into());
        match self {
            Self::Aes128Gcm(cipher) => cipher.decrypt_inout_detached(nonce, aad, text.into(), tag),
            Self::Aes256Gcm(cipher) => cipher.decrypt_inout_detached(nonce, aad, text.into(), tag),
            Self::ChaCha20Poly1305(cipher) => cipher.decrypt_inout_detached(nonce, aad, text.into(), tag),
        }
        .is_ok()
    }
}

/// The traffic secret behind a KeyUpdate (RFC 8446 7.2).
pub(super) fn updated(suite: CipherSuite, secret: &Secret) -> Option<Secret> {
    let (_, hash) = suite.protection()?;
    let mut next = [0; 48];
    let next = &mut next[..hash.len()];
    expand_label(hash, secret, b"traffic upd", next)?;
    Some(Secret::new(next))
}

/// HKDF-Expand-Label without a context (RFC 8446 7.1). `None` where the secret is not of the hash's length.
fn expand_label(hash: Hash, secret: &Secret, label: &[u8], out: &mut [u8]) -> Option<()> {
    let secret = Some(secret.bytes()).filter(|secret| secret.len() == hash.len())?;
    let length = u16::try_from(out.len()).ok()?.to_be_bytes();
    let label_length = [u8::try_from(PREFIX.len() + label.len()).ok()?];
    let info: [&[u8]; 5] = [&length, &label_length, PREFIX, label, &[0]];
    match hash {
        Hash::Sha256 => Hkdf::<Sha256>::from_prk(secret).ok()?.expand_multi_info(&info, out).ok(),
        Hash::Sha384 => Hkdf::<Sha384>::from_prk(secret).ok()?.expand_multi_info(&info, out).ok(),
    }
}

/// P_hash, which the PRF of TLS 1.2 is (RFC 5246 5).
fn p_hash<M: Mac + KeyInit + Clone>(secret: &[u8], seed: &[&[u8]], out: &mut [u8]) -> Option<()> {
    let keyed = <M as KeyInit>::new_from_slice(secret).ok()?;
    let hmac = |parts: &[&[u8]]| {
        let mut hmac = keyed.clone();
        parts.iter().for_each(|part| hmac.update(part));
        hmac.finalize().into_bytes()
    };
    let mut a = hmac(seed);
    let mut left = out;
    while !left.is_empty() {
        let mut parts: Vec<&[u8]> = vec![&a];
        parts.extend(seed);
        let block = hmac(&parts);
        let (part, rest) = left.split_at_mut(left.len().min(block.len()));
        part.copy_from_slice(&block[..part.len()]);
        left = rest;
        a = hmac(&[&a]);
    }
    Some(())
}

fn with_sequence(iv: &[u8; IV], sequence: u64) -> [u8; IV] {
    let mut nonce = *iv;
    nonce[IV - 8..].iter_mut().zip(sequence.to_be_bytes()).for_each(|(byte, number)| *byte ^= number);
    nonce
}

/// Bytes of a nonce, and of the IV behind it.
const IV: usize = 12;

/// Bytes of the nonce that a record of TLS 1.2 with GCM begins with.
const EXPLICIT: usize = 8;

/// Bytes of a tag.
const TAG: usize = 16;

/// Bytes of the longest key.
const MAX_KEY: usize = 32;

/// What every label of TLS 1.3 begins with.
const PREFIX: &[u8] = b"tls13 ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_shows_no_keys() {
        let opener = Opener::tls13(CipherSuite(0x1301), &Secret::new(&[7; 32])).unwrap();
        assert_eq!(format!("{opener:?}"), "Opener");
    }

    #[test]
    fn a_secret_of_another_length_than_the_hash_fits_no_suite() {
        for (suite, fits) in [(0x1301, 32), (0x1302, 48), (0x1303, 32)] {
            for length in [31, 32, 33, 48, 64] {
                let opener = Opener::tls13(CipherSuite(suite), &Secret::new(&vec![7; length]));
                assert_eq!(opener.is_some(), length == fits, "{suite:#x} with {length} bytes");
            }
        }
    }
}
