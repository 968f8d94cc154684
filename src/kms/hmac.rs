//! The keyed hash that closes a version 6 response, under a key that changes about every four hours.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::wire::FileTime;

use super::rijndael::BLOCK;

/// How far the slots stand apart, in 100 ns: 4.11 hours.
pub const SLOT: u64 = 0x22_8168_89bd;
const SLOT_FACTOR: u64 = 0x20_8cba_b5ed;
const SLOT_OFFSET: u64 = 0x3156_cd5a_c628_477a;

/// The 16 bytes for a response whose body says `client_time`, made `slots_away` slots from it (0 for a creator; a
/// verifier takes -1, 0 and 1): the end of HMAC-SHA256 over the decrypted IV and the plaintext in front of the HMAC.
#[must_use]
pub fn v6(
    client_time: FileTime,
    slots_away: i8,
    decrypted_iv: &[u8; BLOCK],
    plaintext: &[u8],
) -> [u8; BLOCK] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key(client_time, slots_away)) else {
        return [0; BLOCK]; // HMAC takes keys of any length
    };
    mac.update(decrypted_iv);
    mac.update(plaintext);
    second_half(&mac.finalize().into_bytes().into())
}

/// The key of a slot: the end of the SHA-256 of its number.
#[must_use]
pub fn key(client_time: FileTime, slots_away: i8) -> [u8; BLOCK] {
    let slot = (client_time.0 / SLOT).wrapping_mul(SLOT_FACTOR).wrapping_add(SLOT_OFFSET);
    let slot = slot.wrapping_add_signed(i64::from(slots_away).wrapping_mul(SLOT.cast_signed()));
    second_half(&Sha256::digest(slot.to_le_bytes()).into())
}

fn second_half(digest: &[u8; 32]) -> [u8; BLOCK] {
    std::array::from_fn(|i| digest[BLOCK + i])
}
