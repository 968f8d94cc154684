//! The three block ciphers of KMS: Rijndael with a 128-bit block, under published constant keys.
//!
//! | version | key | rounds | schedule |
//! |---|---|---|---|
//! | 4 | 160 bits | 11 | Rijndael's own for Nk = 5 |
//! | 5 | 128 bits | 10 | AES-128's (FIPS-197) |
//! | 6 | 128 bits | 10 | AES-128's, then one byte each of three round keys changed |
//!
//! The rounds are the `aes` crate's, hardware or portable as it finds the machine; the schedules are computed at
//! compile time.

use aes::Block;
use aes::cipher::array::Array;
use aes::hazmat;

/// A key schedule of `K` round keys, and both directions of the cipher under it.
#[derive(Debug)]
pub struct Rijndael<const K: usize> {
    encrypt: [Block; K],
    /// Round keys of the equivalent inverse cipher (FIPS-197 5.3.5), in the order they are used.
    decrypt: [Block; K],
    /// The inner ones of `decrypt`, eight times each, for eight blocks at a time.
    decrypt_8: [hazmat::Block8; K],
}

/// Bytes in a block.
pub const BLOCK: usize = 16;

/// Version 4: Rijndael-160, used for a MAC only.
pub static V4: Rijndael<12> = Rijndael::from_round_keys(expand::<5, 12>(&[
    0x05, 0x3d, 0x83, 0x07, 0xf9, 0xe5, 0xf0, 0x88, 0xeb, 0x5e, 0xa6, 0x68, 0x6c, 0xf0, 0x37, 0xc7, 0xe4,
    0xef, 0xd2, 0xd6,
]));

/// Version 5: AES-128.
pub static V5: Rijndael<11> = Rijndael::from_round_keys(expand::<4, 11>(&[
    0xcd, 0x7e, 0x79, 0x6f, 0x2a, 0xb2, 0x5d, 0xcb, 0x55, 0xff, 0xc8, 0xef, 0x83, 0x64, 0xc4, 0x70,
]));

/// Version 6: AES-128 with round keys 4, 6 and 8 changed in their first byte.
pub static V6: Rijndael<11> = {
    let mut keys = expand::<4, 11>(&[
        0xa9, 0x4a, 0x41, 0x95, 0xe2, 0x01, 0x43, 0x2d, 0x9b, 0xcb, 0x46, 0x04, 0x05, 0xd8, 0x4a, 0x21,
    ]);
    keys[4][0] ^= 0x73;
    keys[6][0] ^= 0x09;
    keys[8][0] ^= 0xe4;
    Rijndael::from_round_keys(keys)
};

impl Rijndael<11> {
    /// AES-128 under any key.
    #[must_use]
    pub const fn aes_128(key: &[u8; 16]) -> Self {
        Self::from_round_keys(expand::<4, 11>(key))
    }
}

impl<const K: usize> Rijndael<K> {
    const fn from_round_keys(keys: [[u8; BLOCK]; K]) -> Self {
        let mut cipher = Self {
            encrypt: [Array([0; BLOCK]); K],
            decrypt: [Array([0; BLOCK]); K],
            decrypt_8: [Array([Array([0; BLOCK]); 8]); K],
        };
        let mut i = 0;
        while i < K {
            cipher.encrypt[i] = Array(keys[i]);
            let inverse = keys[K - 1 - i];
            let inverse = if i == 0 || i == K - 1 { inverse } else { inv_mix_columns(inverse) };
            cipher.decrypt[i] = Array(inverse);
            cipher.decrypt_8[i] = Array([Array(inverse); 8]);
            i += 1;
        }
        cipher
    }

    /// Encrypts one block in place.
    pub fn encrypt(&self, block: &mut [u8; BLOCK]) {
        let block: &mut Block = block.into();
        xor(block, &self.encrypt[0]);
        for key in &self.encrypt[1..K - 1] {
            hazmat::cipher_round(block, key);
        }
        // The last round has no MixColumns: it is taken back.
        hazmat::cipher_round(block, &ZERO);
        hazmat::inv_mix_columns(block);
        xor(block, &self.encrypt[K - 1]);
    }

    /// Decrypts one block in place.
    pub fn decrypt(&self, block: &mut [u8; BLOCK]) {
        let block: &mut Block = block.into();
        xor(block, &self.decrypt[0]);
        for key in &self.decrypt[1..K - 1] {
            hazmat::equiv_inv_cipher_round(block, key);
        }
        hazmat::equiv_inv_cipher_round(block, &ZERO);
        hazmat::mix_columns(block);
        xor(block, &self.decrypt[K - 1]);
    }

    /// Decrypts eight independent blocks in place.
    pub fn decrypt_8(&self, blocks: &mut [[u8; BLOCK]; 8]) {
        let mut state: hazmat::Block8 = Array(blocks.map(Array));
        for block in &mut state {
            xor(block, &self.decrypt[0]);
        }
        for keys in &self.decrypt_8[1..K - 1] {
            hazmat::equiv_inv_cipher_round_par(&mut state, keys);
        }
        hazmat::equiv_inv_cipher_round_par(&mut state, &ZERO_8);
        for (block, out) in state.iter_mut().zip(blocks) {
            hazmat::mix_columns(block);
            xor(block, &self.decrypt[K - 1]);
            *out = block.0;
        }
    }
}

fn xor(block: &mut Block, key: &Block) {
    block.0 = (u128::from_ne_bytes(block.0) ^ u128::from_ne_bytes(key.0)).to_ne_bytes();
}

static ZERO: Block = Array([0; BLOCK]);
static ZERO_8: hazmat::Block8 = Array([Array([0; BLOCK]); 8]);

/// Rijndael's key expansion (FIPS-197 5.2, any Nk up to 6): `K` round keys from `NK` words of key.
const fn expand<const NK: usize, const K: usize>(key: &[u8]) -> [[u8; BLOCK]; K] {
    assert!(key.len() == 4 * NK);
    let mut keys = [[0; BLOCK]; K];
    let mut round_constant = 1;
    let mut word = 0;
    while word < 4 * K {
        let mut next = [0; 4];
        let mut byte = 0;
        while byte < 4 {
            next[byte] = if word < NK {
                key[4 * word + byte]
            } else {
                let previous = &keys[(word - 1) / 4];
                let base = 4 * ((word - 1) % 4);
                let mixed = if word.is_multiple_of(NK) {
                    S_BOX[previous[base + (byte + 1) % 4] as usize]
                        ^ if byte == 0 { round_constant } else { 0 }
                } else {
                    previous[base + byte]
                };
                mixed ^ keys[(word - NK) / 4][4 * ((word - NK) % 4) + byte]
            };
            byte += 1;
        }
        if word >= NK && word.is_multiple_of(NK) {
            round_constant = times_2(round_constant);
        }
        byte = 0;
        while byte < 4 {
            keys[word / 4][4 * (word % 4) + byte] = next[byte];
            byte += 1;
        }
        word += 1;
    }
    keys
}

const fn inv_mix_columns(block: [u8; BLOCK]) -> [u8; BLOCK] {
    let mut out = [0; BLOCK];
    let mut i = 0;
    while i < BLOCK {
        let column = i / 4 * 4;
        out[i] = times(block[column + i % 4], 14)
            ^ times(block[column + (i + 1) % 4], 11)
            ^ times(block[column + (i + 2) % 4], 13)
            ^ times(block[column + (i + 3) % 4], 9);
        i += 1;
    }
    out
}

/// FIPS-197 5.1.1: the inverse in GF(2^8), then the affine transformation.
const S_BOX: [u8; 256] = {
    let mut table = [0; 256];
    let mut value: u8 = 0;
    loop {
        // value^254 is the inverse, and 0 for 0.
        let mut inverse = 1;
        let mut step = 0;
        while step < 254 {
            inverse = times(inverse, value);
            step += 1;
        }
        if value == 0 {
            inverse = 0;
        }
        table[value as usize] = inverse
            ^ inverse.rotate_left(1)
            ^ inverse.rotate_left(2)
            ^ inverse.rotate_left(3)
            ^ inverse.rotate_left(4)
            ^ 0x63;
        if value == 255 {
            break table;
        }
        value += 1;
    }
};

const fn times_2(value: u8) -> u8 {
    (value << 1) ^ if value & 0x80 == 0 { 0 } else { 0x1b }
}

/// Multiplication in GF(2^8) (FIPS-197 4.2).
const fn times(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b > 0 {
        if b & 1 == 1 {
            product ^= a;
        }
        a = times_2(a);
        b >>= 1;
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn block(text: &str) -> [u8; 16] {
        crate::wire::parse_hex(text).unwrap().try_into().unwrap()
    }

    #[test]
    fn aes_128_is_fips_197s() {
        let cipher = Rijndael::aes_128(&block("000102030405060708090a0b0c0d0e0f"));
        let mut state = block("00112233445566778899aabbccddeeff");
        cipher.encrypt(&mut state);
        assert_eq!(state, block("69c4e0d86a7b0430d8cdb78070b4c55a"));
        cipher.decrypt(&mut state);
        assert_eq!(state, block("00112233445566778899aabbccddeeff"));
    }

    #[test]
    fn the_key_expansion_is_fips_197s() {
        let keys = expand::<4, 11>(&block("2b7e151628aed2a6abf7158809cf4f3c"));
        assert_eq!(keys[10], block("d014f9a8c9ee2589e13f0cc8b6630ca6"));
    }

    proptest! {
        #[test]
        fn eight_blocks_at_a_time_are_one_at_a_time_eight_times(blocks: [[u8; 16]; 8]) {
            let mut together = blocks;
            V6.decrypt_8(&mut together);
            for (one, &cipher_text) in together.iter_mut().zip(&blocks) {
                let mut alone = cipher_text;
                V6.decrypt(&mut alone);
                prop_assert_eq!(*one, alone);
                V6.encrypt(one);
                prop_assert_eq!(*one, cipher_text);
            }
        }

        #[test]
        fn version_5_is_plain_aes_128(plain: [u8; 16]) {
            use aes::cipher::{BlockCipherEncrypt, KeyInit};
            let key = block("cd7e796f2ab25dcb55ffc8ef8364c470");
            let mut reference: Block = plain.into();
            aes::Aes128::new(&key.into()).encrypt_block(&mut reference);
            let mut ours = plain;
            V5.encrypt(&mut ours);
            prop_assert_eq!(ours, reference.0);
        }
    }
}
