//! What ties a version 5 or 6 response to its request: the request's IV under the raw block cipher.

use super::rijndael::{Block, V5, V6};
use super::{Version, sha256};

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
#[must_use]
pub fn hash(salt: &Block) -> [u8; 32] {
    sha256::digest_of_block(salt)
}
