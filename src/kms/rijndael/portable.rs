//! The rounds of the `aes` crate: constant-time bit slicing where the processor has no instructions for them.

use aes::cipher::array::Array;
use aes::hazmat;

super::modes::modes!(#[inline(never)]);

type Block = aes::Block;

fn load(bytes: &[u8; 16]) -> Block {
    Array(*bytes)
}

fn store(block: Block) -> [u8; 16] {
    block.0
}

fn xor(a: Block, b: Block) -> Block {
    Array(super::xor(&a.0, &b.0))
}

fn encrypt<const K: usize, const N: usize>(
    keys: &[[u8; 16]; K],
    last: Block,
    mut state: [Block; N],
) -> [Block; N] {
    for key in &keys[1..K - 1] {
        each(&mut state, hazmat::cipher_round_par, key);
    }
    // The last round has no MixColumns: it is taken back.
    each(&mut state, hazmat::cipher_round_par, &[0; 16]);
    state.map(|mut block| {
        hazmat::inv_mix_columns(&mut block);
        xor(block, last)
    })
}

fn decrypt<const K: usize, const N: usize>(keys: &[[u8; 16]; K], mut state: [Block; N]) -> [Block; N] {
    for key in &keys[1..K - 1] {
        each(&mut state, hazmat::equiv_inv_cipher_round_par, key);
    }
    each(&mut state, hazmat::equiv_inv_cipher_round_par, &[0; 16]);
    state.map(|mut block| {
        hazmat::mix_columns(&mut block);
        xor(block, Array(keys[K - 1]))
    })
}

/// One round over all blocks, eight at a time: a bit-sliced round of eight costs little more than a round of one.
fn each(state: &mut [Block], round: fn(&mut hazmat::Block8, &hazmat::Block8), key: &[u8; 16]) {
    let keys = Array([Array(*key); 8]);
    for blocks in state.chunks_mut(8) {
        let mut eight: hazmat::Block8 = Array([Array([0; 16]); 8]);
        eight[..blocks.len()].copy_from_slice(blocks);
        round(&mut eight, &keys);
        blocks.copy_from_slice(&eight[..blocks.len()]);
    }
}
