//! The rounds of ARMv8's cryptography extension. All of it is safe code: the caller has to know that the processor has
//! the instructions.

use std::arch::aarch64::{
    uint8x16_t, vaesdq_u8, vaeseq_u8, vaesimcq_u8, vaesmcq_u8, vcombine_u8, vcreate_u8, veorq_u8,
    vgetq_lane_u64, vreinterpretq_u64_u8,
};

super::modes::modes!(#[target_feature(enable = "aes,neon")]);

type Block = uint8x16_t;

#[target_feature(enable = "neon")]
#[inline]
fn load(bytes: &[u8; 16]) -> Block {
    let (halves, _) = bytes.as_chunks();
    vcombine_u8(vcreate_u8(u64::from_le_bytes(halves[0])), vcreate_u8(u64::from_le_bytes(halves[1])))
}

#[target_feature(enable = "neon")]
#[inline]
fn store(block: Block) -> [u8; 16] {
    let halves = vreinterpretq_u64_u8(block);
    let (low, high) = (vgetq_lane_u64::<0>(halves), vgetq_lane_u64::<1>(halves));
    (u128::from(high) << 64 | u128::from(low)).to_le_bytes()
}

#[target_feature(enable = "neon")]
#[inline]
fn xor(a: Block, b: Block) -> Block {
    veorq_u8(a, b)
}

/// `vaeseq_u8` adds a round key first, then substitutes and shifts: each round's key goes in with the next round. The
/// first one has been added, and the last two stand alone.
#[target_feature(enable = "aes,neon")]
#[inline]
fn encrypt<const K: usize, const N: usize>(
    keys: &[[u8; 16]; K],
    last: Block,
    mut blocks: [Block; N],
) -> [Block; N] {
    for i in 0..K - 2 {
        let key = load(if i == 0 { &[0; 16] } else { &keys[i] });
        for block in &mut blocks {
            *block = vaesmcq_u8(vaeseq_u8(*block, key));
        }
    }
    let before_last = load(&keys[K - 2]);
    for block in &mut blocks {
        *block = veorq_u8(vaeseq_u8(*block, before_last), last);
    }
    blocks
}

#[target_feature(enable = "aes,neon")]
#[inline]
fn decrypt<const K: usize, const N: usize>(keys: &[[u8; 16]; K], mut blocks: [Block; N]) -> [Block; N] {
    for i in 0..K - 2 {
        let key = load(if i == 0 { &[0; 16] } else { &keys[i] });
        for block in &mut blocks {
            *block = vaesimcq_u8(vaesdq_u8(*block, key));
        }
    }
    let (before_last, last) = (load(&keys[K - 2]), load(&keys[K - 1]));
    for block in &mut blocks {
        *block = veorq_u8(vaesdq_u8(*block, before_last), last);
    }
    blocks
}
