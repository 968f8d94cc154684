//! What ties a version 5 or 6 response to its request: the request's IV under the raw block cipher.

use sha2::block_api::compress256;

use super::Version;
use super::rijndael::{BLOCK, Block, V5, V6};

/// The raw block decryption of an IV: K of a request's, R of a version 6 response's. `None` for versions without one.
#[must_use]
pub fn decrypt_iv(version: Version, iv: &Block) -> Option<Block> {
    let mut block = *iv;
    match version.major() {
        5 => V5.decrypt(&mut block),
        6 => V6.decrypt(&mut block),
        _ => return None,
    }
    Some(block)
}

/// SHA-256 of the salt.
///
/// A salt is one block of the hash, padded here (FIPS 180-4 5.1.1) and given to `sha2`'s compression: `sha2`'s own
/// padding is written byte by byte, which the compression has to wait for until everything before it is done.
#[must_use]
pub fn hash(salt: &Block) -> [u8; 32] {
    const ONE_BIT: Block = (0x80_u128 << 120).to_be_bytes();
    const LENGTH: Block = (8 * BLOCK as u128).to_be_bytes();
    let padded = [*salt, ONE_BIT, [0; BLOCK], LENGTH];
    let mut state = INITIAL;
    compress256(&mut state, padded.as_flattened().as_chunks().0);
    let mut digest = [0; 32];
    for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    digest
}

/// FIPS 180-4 5.3.3.
const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    proptest! {
        #[test]
        fn the_hash_is_sha_256(salt: Block) {
            prop_assert_eq!(hash(&salt), <[u8; 32]>::from(Sha256::digest(salt)));
        }
    }
}
