//! The three block ciphers of KMS: Rijndael with a 128-bit block, under published constant keys, and the two modes
//! in which the protocol uses them.
//!
//! | version | key | rounds | schedule |
//! |---|---|---|---|
//! | 4 | 160 bits | 11 | Rijndael's own for Nk = 5 |
//! | 5 | 128 bits | 10 | AES-128's (FIPS-197) |
//! | 6 | 128 bits | 10 | AES-128's, then one byte each of three round keys changed |
//!
//! The schedules are computed at compile time. The rounds are the processor's where it has them (x86-64 and AArch64,
//! asked once a message, in the default build), else those of the `aes` crate; all three ways are one text, `modes!`,
//! over four operations on blocks.

#[cfg(target_arch = "aarch64")]
#[forbid(unsafe_code)]
mod aarch64;
mod dispatch;
#[forbid(unsafe_code)]
mod modes;
#[forbid(unsafe_code)]
mod portable;
#[cfg(target_arch = "x86_64")]
#[forbid(unsafe_code)]
mod x86_64;

/// Bytes in a block.
pub const BLOCK: usize = 16;

/// A block.
pub type Block = [u8; BLOCK];

/// A key schedule of `K` round keys, and both directions of the cipher under it.
#[derive(Debug)]
pub struct Rijndael<const K: usize> {
    encrypt: [Block; K],
    /// Round keys of the equivalent inverse cipher (FIPS-197 5.3.5), in the order they are used.
    decrypt: [Block; K],
}

/// A message that gets a MAC, or the end of one.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// What the blocks in front of these bytes came to; zero where there are none.
    pub chain: &'a Block,
    /// The message's bytes.
    pub bytes: &'a [u8],
}

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
    pub const fn aes_128(key: &Block) -> Self {
        Self::from_round_keys(expand::<4, 11>(key))
    }
}

impl<const K: usize> Rijndael<K> {
    const fn from_round_keys(keys: [Block; K]) -> Self {
        let mut cipher = Self { encrypt: keys, decrypt: [[0; BLOCK]; K] };
        let mut i = 0;
        while i < K {
            let inverse = keys[K - 1 - i];
            cipher.decrypt[i] = if i == 0 || i == K - 1 { inverse } else { inv_mix_columns(inverse) };
            i += 1;
        }
        cipher
    }

    /// Encrypts one block in place.
    pub fn encrypt(&self, block: &mut Block) {
        self.cbc_encrypt(&[0; BLOCK], block);
    }

    /// Decrypts one block in place.
    pub fn decrypt(&self, block: &mut Block) {
        let cipher_text = *block;
        self.cbc_decrypt_to(&[0; BLOCK], &cipher_text, block);
    }

    /// Cipher block chaining (SP 800-38A 6.2) over whole blocks, in place; bytes behind the last whole block are left
    /// alone. Padding is the message's business.
    pub fn cbc_encrypt(&self, iv: &Block, bytes: &mut [u8]) {
        dispatch::cbc_encrypt(self, iv, bytes.as_chunks_mut().0);
    }

    /// [`Self::cbc_encrypt`] from one place to another: as many whole blocks as both have.
    pub fn cbc_encrypt_to(&self, iv: &Block, bytes: &[u8], out: &mut [u8]) {
        dispatch::cbc_encrypt_to(self, iv, bytes.as_chunks().0, out.as_chunks_mut().0);
    }

    /// The inverse of [`Self::cbc_encrypt_to`].
    pub fn cbc_decrypt_to(&self, iv: &Block, bytes: &[u8], out: &mut [u8]) {
        dispatch::cbc_decrypt_to(self, iv, bytes.as_chunks().0, out.as_chunks_mut().0);
    }

    /// CBC-MAC of `N` independent messages, each padded as ISO/IEC 7816-4 does, their blocks interleaved: a chain waits
    /// for itself at every round, and `N` of them wait at the same time.
    #[must_use]
    pub fn cbc_mac<const N: usize>(&self, messages: &[Message<'_>; N]) -> [Block; N] {
        dispatch::cbc_mac(self, messages)
    }

    /// Whether this is the [`Self::cbc_mac`] of the message, in half the time that it takes to compute it: from the
    /// message's front with the cipher, from the MAC backwards with its inverse, and what both come to in the middle is
    /// the same just where the MAC is right.
    #[must_use]
    pub fn cbc_mac_holds(&self, bytes: &[u8], mac: &Block) -> bool {
        dispatch::cbc_mac_holds(self, bytes, mac)
    }

    /// [`Self::cbc_encrypt_to`] without the processor's own rounds: what fuzzing holds the other against, as below.
    pub(crate) fn portable_cbc_encrypt_to(&self, iv: &Block, bytes: &[u8], out: &mut [u8]) {
        portable::cbc_encrypt_to(self, iv, bytes.as_chunks().0, out.as_chunks_mut().0);
    }

    /// [`Self::cbc_decrypt_to`] without the processor's own rounds.
    pub(crate) fn portable_cbc_decrypt_to(&self, iv: &Block, bytes: &[u8], out: &mut [u8]) {
        portable::cbc_decrypt_to(self, iv, bytes.as_chunks().0, out.as_chunks_mut().0);
    }

    /// [`Self::cbc_mac`] and [`Self::cbc_mac_holds`] without the processor's own rounds.
    pub(crate) fn portable_cbc_mac(&self, bytes: &[u8]) -> Block {
        let [mac] = portable::cbc_mac(self, &[Message { chain: &[0; BLOCK], bytes }]);
        assert!(portable::cbc_mac_holds(self, bytes, &mac));
        mac
    }
}

impl Message<'_> {
    /// The bytes behind the last whole block, 80, and zeros.
    ///
    /// Shifted out of the last 16 bytes, where there are as many: what is written byte by byte cannot be read as a
    /// block for a while.
    #[inline]
    pub(super) fn last_block(&self) -> Block {
        let (_, rest) = self.bytes.as_chunks::<BLOCK>();
        let value = match self.bytes.last_chunk() {
            _ if rest.is_empty() => 0,
            Some(end) => u128::from_le_bytes(*end) >> (8 * (BLOCK - rest.len())),
            None => rest.iter().rev().fold(0, |value, &byte| value << 8 | u128::from(byte)),
        };
        (value | 0x80 << (8 * rest.len())).to_le_bytes()
    }
}

/// The bytes of both blocks, each XORed with the other's.
#[must_use]
pub const fn xor(a: &Block, b: &Block) -> Block {
    (u128::from_ne_bytes(*a) ^ u128::from_ne_bytes(*b)).to_ne_bytes()
}

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

    fn hex(text: &str) -> Vec<u8> {
        crate::wire::parse_hex(text).unwrap()
    }

    fn block(text: &str) -> Block {
        hex(text).try_into().unwrap()
    }

    /// What the default build does here, and the portable code.
    const WAYS: [(&str, Way); 2] = [
        ("detected", (dispatch::cbc_encrypt_to, dispatch::cbc_decrypt_to)),
        ("portable", (portable::cbc_encrypt_to, portable::cbc_decrypt_to)),
    ];
    type Mode = fn(&Rijndael<11>, &Block, &[Block], &mut [Block]);
    type Way = (Mode, Mode);

    fn made(mode: Mode, cipher: &Rijndael<11>, iv: &Block, blocks: &[Block]) -> Vec<Block> {
        let mut out = vec![[0xa5; 16]; blocks.len()];
        mode(cipher, iv, blocks, &mut out);
        out
    }

    #[test]
    fn aes_128_is_fips_197s() {
        let cipher = Rijndael::aes_128(&block("000102030405060708090a0b0c0d0e0f"));
        let plain = block("00112233445566778899aabbccddeeff");
        for (name, (encrypt, decrypt)) in WAYS {
            let cipher_text = made(encrypt, &cipher, &[0; 16], &[plain]);
            assert_eq!(cipher_text, [block("69c4e0d86a7b0430d8cdb78070b4c55a")], "{name}");
            assert_eq!(made(decrypt, &cipher, &[0; 16], &cipher_text), [plain], "{name}");
        }
    }

    #[test]
    fn cipher_block_chaining_is_sp_800_38as() {
        let cipher = Rijndael::aes_128(&block("2b7e151628aed2a6abf7158809cf4f3c"));
        let iv = block("000102030405060708090a0b0c0d0e0f");
        let plain = hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51\
                         30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710");
        let cipher_text = hex("7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2\
                               73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7");
        for (name, (encrypt, decrypt)) in WAYS {
            let (plain, cipher_text) = (plain.as_chunks().0, cipher_text.as_chunks().0);
            assert_eq!(made(encrypt, &cipher, &iv, plain), cipher_text, "{name}");
            assert_eq!(made(decrypt, &cipher, &iv, cipher_text), plain, "{name}");
        }
    }

    #[test]
    fn the_key_expansion_is_fips_197s() {
        let keys = expand::<4, 11>(&block("2b7e151628aed2a6abf7158809cf4f3c"));
        assert_eq!(keys[10], block("d014f9a8c9ee2589e13f0cc8b6630ca6"));
    }

    /// The published test values of Rijndael with a key of 160 bits and blocks of 128.
    #[test]
    fn rijndael_160_is_its_authors() {
        let cipher = Rijndael::<12>::from_round_keys(expand::<5, 12>(&hex(
            "2b7e151628aed2a6abf7158809cf4f3c762e7160",
        )));
        let mut state = block("3243f6a8885a308d313198a2e0370734");
        cipher.encrypt(&mut state);
        assert_eq!(state, block("231d844639b31b412211cfe93712b880"));
        cipher.decrypt(&mut state);
        assert_eq!(state, block("3243f6a8885a308d313198a2e0370734"));
    }

    fn message() -> impl Strategy<Value = (Block, Vec<u8>)> {
        (any::<Block>(), prop::collection::vec(any::<u8>(), 0..300))
    }

    fn on_its_own((chain, bytes): &(Block, Vec<u8>)) -> Block {
        let mut padded = bytes.clone();
        padded.push(0x80);
        padded.resize(padded.len().next_multiple_of(16), 0);
        padded.as_chunks().0.iter().fold(*chain, |state, block| {
            let mut state = xor(&state, block);
            V4.encrypt(&mut state);
            state
        })
    }

    proptest! {
        #[test]
        fn every_way_gives_the_same(key: Block, iv: Block, blocks in prop::collection::vec(any::<Block>(), 0..40)) {
            let cipher = Rijndael::aes_128(&key);
            for mode in [|way: Way| way.0, |way: Way| way.1] {
                let [detected, portable] = WAYS.map(|(_, way)| made(mode(way), &cipher, &iv, &blocks));
                prop_assert_eq!(detected, portable);
            }
        }

        #[test]
        fn what_is_decrypted_encrypts_back(iv: Block, bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut state = bytes.clone();
            V6.cbc_decrypt_to(&iv, &bytes, &mut state);
            V6.cbc_encrypt(&iv, &mut state);
            prop_assert_eq!(state, bytes);
        }

        #[test]
        fn to_another_place_it_is_the_same(iv: Block, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let (mut in_place, mut out, mut portable) = (bytes.clone(), bytes.clone(), bytes.clone());
            V6.cbc_encrypt(&iv, &mut in_place);
            V6.cbc_encrypt_to(&iv, &bytes, &mut out);
            portable::cbc_encrypt(&V6, &iv, portable.as_chunks_mut().0);
            prop_assert_eq!((&out, &portable), (&in_place, &in_place));
        }

        #[test]
        fn macs_side_by_side_are_those_of_each_alone(messages in [message(), message(), message(), message()]) {
            let given = messages.each_ref().map(|(chain, bytes)| Message { chain, bytes });
            let expected = messages.each_ref().map(on_its_own);
            prop_assert_eq!(V4.cbc_mac(&given), expected);
            prop_assert_eq!(portable::cbc_mac(&V4, &given), expected);
            prop_assert_eq!(V4.cbc_mac(&[given[0], given[1]]), [expected[0], expected[1]]);
            prop_assert_eq!(V4.cbc_mac(&[given[0]]), [expected[0]]);
        }

        #[test]
        fn a_mac_holds_just_where_it_is_the_one_of_the_message(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            bit in 0usize..128,
            place: prop::sample::Index,
        ) {
            let [mac] = V4.cbc_mac(&[Message { chain: &[0; 16], bytes: &bytes }]);
            let mut wrong = mac;
            wrong[bit / 8] ^= 1 << (bit % 8);
            for holds in [dispatch::cbc_mac_holds, portable::cbc_mac_holds] {
                prop_assert!(holds(&V4, &bytes, &mac));
                prop_assert!(!holds(&V4, &bytes, &wrong));
                if !bytes.is_empty() {
                    let mut changed = bytes.clone();
                    *place.get_mut(&mut changed) ^= 1 << (bit % 8);
                    prop_assert!(!holds(&V4, &changed, &mac));
                }
            }
        }

        #[test]
        fn version_5_is_plain_aes_128(plain: Block) {
            use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
            let reference = aes::Aes128::new(&block("cd7e796f2ab25dcb55ffc8ef8364c470").into());
            let (mut ours, mut theirs) = (plain, aes::Block::from(plain));
            V5.encrypt(&mut ours);
            reference.encrypt_block(&mut theirs);
            prop_assert_eq!(ours, theirs.0);
            V5.decrypt(&mut ours);
            V5.decrypt(&mut ours);
            reference.decrypt_block(&mut theirs);
            reference.decrypt_block(&mut theirs);
            prop_assert_eq!(ours, theirs.0);
        }
    }
}
