//! The rounds of AES-NI. All of it is safe code: the caller has to know that the processor has the instructions.

use std::arch::x86_64::{
    __m128i, _mm_aesdec_si128, _mm_aesdeclast_si128, _mm_aesenc_si128, _mm_aesenclast_si128,
    _mm_cvtsi128_si64, _mm_set_epi64x, _mm_unpackhi_epi64, _mm_xor_si128,
};

super::modes::modes!(#[target_feature(enable = "aes,avx")]);

type Block = __m128i;

#[target_feature(enable = "avx")]
#[inline]
fn load(bytes: &[u8; 16]) -> Block {
    let (halves, _) = bytes.as_chunks();
    _mm_set_epi64x(i64::from_le_bytes(halves[1]), i64::from_le_bytes(halves[0]))
}

#[target_feature(enable = "avx")]
#[inline]
fn store(block: Block) -> [u8; 16] {
    let half = |block| u128::from(_mm_cvtsi128_si64(block).cast_unsigned());
    (half(_mm_unpackhi_epi64(block, block)) << 64 | half(block)).to_le_bytes()
}

#[target_feature(enable = "avx")]
#[inline]
fn xor(a: Block, b: Block) -> Block {
    _mm_xor_si128(a, b)
}

#[target_feature(enable = "aes,avx")]
#[inline]
fn encrypt<const K: usize, const N: usize>(
    keys: &[[u8; 16]; K],
    last: Block,
    mut blocks: [Block; N],
) -> [Block; N] {
    for key in &keys[1..K - 1] {
        let key = load(key);
        for block in &mut blocks {
            *block = _mm_aesenc_si128(*block, key);
        }
    }
    for block in &mut blocks {
        *block = _mm_aesenclast_si128(*block, last);
    }
    blocks
}

#[target_feature(enable = "aes,avx")]
#[inline]
fn decrypt<const K: usize, const N: usize>(keys: &[[u8; 16]; K], mut blocks: [Block; N]) -> [Block; N] {
    for key in &keys[1..K - 1] {
        let key = load(key);
        for block in &mut blocks {
            *block = _mm_aesdec_si128(*block, key);
        }
    }
    let last = load(&keys[K - 1]);
    for block in &mut blocks {
        *block = _mm_aesdeclast_si128(*block, last);
    }
    blocks
}
