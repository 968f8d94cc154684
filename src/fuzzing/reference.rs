//! The cryptography of KMS a second time, for the oracle of two implementations of one thing: Rijndael by the book, a byte
//! at a time and without the processor's help, and the hashes of the crates that everybody uses.
//!
//! Nothing of [`crate::kms`] is used here, the constants are written down again.

use std::sync::LazyLock;

use hmac::{KeyInit, Mac};
use sha2::{Digest, Sha256};

pub(super) type Block = [u8; 16];

/// A block cipher's round keys.
pub(super) struct Cipher {
    round_keys: Vec<Block>,
    s_box: [u8; 256],
}

/// Version 4: a key of 160 bits.
pub(super) static V4: LazyLock<Cipher> = LazyLock::new(|| {
    Cipher::new(
        &[
            0x05, 0x3d, 0x83, 0x07, 0xf9, 0xe5, 0xf0, 0x88, 0xeb, 0x5e, 0xa6, 0x68, 0x6c, 0xf0, 0x37, 0xc7,
            0xe4, 0xef, 0xd2, 0xd6,
        ],
        11,
        &[],
    )
});

/// Version 5: AES-128.
pub(super) static V5: LazyLock<Cipher> =
    LazyLock::new(|| Cipher::new(&0xcd7e_796f_2ab2_5dcb_55ff_c8ef_8364_c470_u128.to_be_bytes(), 10, &[]));

/// Version 6: AES-128, and a byte of three round keys changed.
pub(super) static V6: LazyLock<Cipher> = LazyLock::new(|| {
    let key = 0xa94a_4195_e201_432d_9bcb_4604_05d8_4a21_u128.to_be_bytes();
    Cipher::new(&key, 10, &[(4, 0x73), (6, 0x09), (8, 0xe4)])
});

/// The cipher of an encrypted version.
pub(super) fn cipher(major: u16) -> &'static Cipher {
    if major == 5 { &V5 } else { &V6 }
}

impl Cipher {
    /// FIPS-197 5.2, for a key of any number of words.
    fn new(key: &[u8], rounds: usize, changes: &[(usize, u8)]) -> Self {
        let s_box = s_box();
        let mut words = key.as_chunks::<4>().0.to_vec();
        let given = words.len();
        let mut round_constant = 1;
        for i in given..4 * (rounds + 1) {
            let mut word = words[i - 1];
            if i % given == 0 {
                word.rotate_left(1);
                word = word.map(|byte| s_box[usize::from(byte)]);
                word[0] ^= round_constant;
                round_constant = double(round_constant);
            }
            words.push(std::array::from_fn(|byte| word[byte] ^ words[i - given][byte]));
        }
        let (keys, _) = words.as_flattened().as_chunks();
        let mut round_keys = keys.to_vec();
        for &(round, change) in changes {
            round_keys[round][0] ^= change;
        }
        Self { round_keys, s_box }
    }

    /// FIPS-197 5.1.
    pub(super) fn encrypt(&self, block: &Block) -> Block {
        let (first, others) = self.round_keys.split_first().expect("there is one");
        let mut state = xor(block, first);
        for (round, key) in (1..).zip(others) {
            // ShiftRows: row r of column c comes from column c + r.
            let shifted: Block = std::array::from_fn(|i| state[(i + 4 * (i % 4)) % 16]);
            state = shifted.map(|byte| self.s_box[usize::from(byte)]);
            if round < self.round_keys.len() - 1 {
                for column in state.as_chunks_mut::<4>().0 {
                    let old = *column;
                    let all = old[0] ^ old[1] ^ old[2] ^ old[3];
                    *column = std::array::from_fn(|i| old[i] ^ all ^ double(old[i] ^ old[(i + 1) % 4]));
                }
            }
            state = xor(&state, key);
        }
        state
    }

    /// SP 800-38A 6.2, over whole blocks.
    pub(super) fn cbc(&self, iv: &Block, plain: &[u8]) -> Vec<u8> {
        let mut chain = *iv;
        let mut out = Vec::with_capacity(plain.len());
        for block in plain.as_chunks().0 {
            chain = self.encrypt(&xor(&chain, block));
            out.extend_from_slice(&chain);
        }
        out
    }
}

/// A version 4 message's MAC.
pub(super) fn mac(body: &[u8]) -> Block {
    let mut padded = [body, &[0x80]].concat();
    padded.resize(padded.len().next_multiple_of(16), 0);
    let chained = V4.cbc(&[0; 16], &padded);
    *chained.last_chunk().expect("it has a block at least")
}

/// A version 6 response's HMAC, so many slots from ClientTime's.
pub(super) fn hmac(client_time: u64, slots_away: i64, hashed: &[u8]) -> Block {
    const SLOT: u64 = 0x22_8168_89bd;
    let slot = (client_time / SLOT).wrapping_mul(0x20_8cba_b5ed).wrapping_add(0x3156_cd5a_c628_477a);
    let slot = slot.wrapping_add_signed(slots_away * SLOT.cast_signed());
    let key = sha_256(&slot.to_le_bytes());
    let mut hmac = hmac::Hmac::<Sha256>::new_from_slice(&key[16..]).expect("it takes any key");
    hmac.update(hashed);
    std::array::from_fn({
        let digest: [u8; 32] = hmac.finalize().into_bytes().into();
        move |i| digest[16 + i]
    })
}

pub(super) fn sha_256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

pub(super) fn xor(a: &Block, b: &Block) -> Block {
    std::array::from_fn(|i| a[i] ^ b[i])
}

/// Multiplication by 2 in GF(2^8) (FIPS-197 4.2.1).
fn double(byte: u8) -> u8 {
    byte << 1 ^ if byte & 0x80 == 0 { 0 } else { 0x1b }
}

/// FIPS-197 5.1.1, along the powers of 3 and of its inverse.
fn s_box() -> [u8; 256] {
    let mut table = [0x63; 256];
    let (mut power, mut inverse) = (1_u8, 1_u8);
    loop {
        power ^= double(power);
        // By 3 the other way: by 0xf6, its inverse.
        inverse ^= inverse << 1;
        inverse ^= inverse << 2;
        inverse ^= inverse << 4;
        if inverse & 0x80 != 0 {
            inverse ^= 0x09;
        }
        let affine = (1..5).fold(inverse, |sum, by| sum ^ inverse.rotate_left(by));
        table[usize::from(power)] = affine ^ 0x63;
        if power == 1 {
            break table;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ciphers_are_the_published_ones() {
        let key = 0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f_u128.to_be_bytes();
        let plain = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff_u128.to_be_bytes();
        let expected = 0x69c4_e0d8_6a7b_0430_d8cd_b780_70b4_c55a_u128;
        assert_eq!(Cipher::new(&key, 10, &[]).encrypt(&plain), expected.to_be_bytes());

        let key = crate::wire::parse_hex("2b7e151628aed2a6abf7158809cf4f3c762e7160").unwrap();
        let plain = 0x3243_f6a8_885a_308d_3131_98a2_e037_0734_u128.to_be_bytes();
        let expected = 0x231d_8446_39b3_1b41_2211_cfe9_3712_b880_u128;
        assert_eq!(Cipher::new(&key, 11, &[]).encrypt(&plain), expected.to_be_bytes());
    }
}
