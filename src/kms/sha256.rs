//! SHA-256 (FIPS 180-4) and HMAC (RFC 2104) of messages that lie in memory as a whole, over `sha2`'s compression.
//!
//! What is a crate's business everywhere else is done here because of how short these messages are: a general hash
//! copies its message into a buffer and pads it byte by byte, and the compression has to wait until what was written in
//! small pieces can be read as a block. Measured, that is a fifth of a version 5 answer and a twentieth of verifying a
//! version 6 one.

use sha2::block_api::compress256;

use super::rijndael::{BLOCK, Block, Message, xor};

/// What blocks came to, and what comes of the blocks behind them.
type State = [u32; 8];

/// FIPS 180-4 5.3.3.
const INITIAL: State =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// SHA-256.
pub(super) fn digest(bytes: &[u8]) -> [u8; 32] {
    finish(INITIAL, 0, bytes)
}

/// SHA-256 of 16 bytes.
pub(super) fn digest_of_block(block: &Block) -> [u8; 32] {
    last(INITIAL, [*block, ONE_BIT, [0; BLOCK], length(BLOCK)])
}

/// HMAC-SHA256 under a key, whose two first blocks are done.
#[derive(Clone, Debug)]
pub(super) struct Hmac {
    inner: State,
    outer: State,
}

impl Hmac {
    /// Under a key of 16 bytes.
    pub(super) fn new(key: &Block) -> Self {
        let state = |pad: u8| {
            let mut block = [pad; 64];
            for (byte, key) in block.iter_mut().zip(key) {
                *byte ^= key;
            }
            let mut state = INITIAL;
            compress256(&mut state, &[block]);
            state
        };
        Self { inner: state(0x36), outer: state(0x5c) }
    }

    pub(super) fn of(&self, bytes: &[u8]) -> [u8; 32] {
        let inner = finish(self.inner, 64, bytes);
        let (halves, _) = inner.as_chunks();
        last(self.outer, [halves[0], halves[1], ONE_BIT, length(64 + inner.len())])
    }
}

/// What stands behind a message: a bit, and zeros.
const ONE_BIT: Block = (0x80_u128 << 120).to_be_bytes();

/// What stands at the end of the last block: the message's length in bits.
const fn length(bytes: usize) -> Block {
    (8 * bytes as u128).to_be_bytes()
}

/// The hash of a message of which `before` bytes, whole blocks, came to `state`.
fn finish(mut state: State, before: usize, bytes: &[u8]) -> [u8; 32] {
    let (blocks, rest) = bytes.as_chunks::<64>();
    if !blocks.is_empty() {
        compress256(&mut state, blocks);
    }
    // FIPS 180-4 5.1.1 in pieces of 16 bytes: the bit and zeros behind the message, as behind one that gets a MAC, and
    // the length at the end of the block, or of a second one.
    let (whole, _) = rest.as_chunks();
    let mut pieces = [[0; BLOCK]; 4];
    pieces[..whole.len()].copy_from_slice(whole);
    pieces[whole.len()] = Message { chain: &[0; BLOCK], bytes: rest }.last_block();
    let length = length(before + bytes.len());
    if rest.len() < 56 {
        pieces[3] = xor(&pieces[3], &length);
        return last(state, pieces);
    }
    compress256(&mut state, pieces.as_flattened().as_chunks().0);
    last(state, [[0; BLOCK], [0; BLOCK], [0; BLOCK], length])
}

fn last(mut state: State, pieces: [Block; 4]) -> [u8; 32] {
    compress256(&mut state, pieces.as_flattened().as_chunks().0);
    let mut digest = [0; 32];
    for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    digest
}

#[cfg(test)]
mod tests {
    use super::*;
    use hmac::{KeyInit, Mac};
    use proptest::prelude::*;
    use sha2::Digest;

    proptest! {
        #[test]
        fn the_hash_and_the_hmac_are_those_of_the_crates(
            key: Block,
            bytes in prop::collection::vec(any::<u8>(), 0..400),
        ) {
            prop_assert_eq!(digest_of_block(&key), <[u8; 32]>::from(sha2::Sha256::digest(key)));
            prop_assert_eq!(digest(&bytes), <[u8; 32]>::from(sha2::Sha256::digest(&bytes)));
            let mut reference = hmac::Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
            reference.update(&bytes);
            let reference: [u8; 32] = reference.finalize().into_bytes().into();
            prop_assert_eq!(Hmac::new(&key).of(&bytes), reference);
        }
    }

    #[test]
    fn the_padding_takes_a_second_block_from_56_bytes_on() {
        for length in 0..=130 {
            let bytes = vec![0x61; length];
            let expected: [u8; 32] = sha2::Sha256::digest(&bytes).into();
            assert_eq!(digest(&bytes), expected, "{length}");
        }
    }
}
