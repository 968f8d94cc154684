//! The floor: the primitive work of each step at the same sizes, with plain RustCrypto and everything computed once
//! that can be: key schedules, and the state of the HMAC's key. Nothing is parsed, judged, put together or copied.

use aes::Aes128;
use aes::cipher::{Block, BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, KeyInit};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// What is kept from one message to the next.
pub(crate) struct Floor {
    cipher: Aes128,
    hmac: Hmac<Sha256>,
    iv: Block<Aes128>,
}

impl Floor {
    pub(crate) fn new() -> Self {
        let key = [0x5a; 16];
        Self {
            cipher: Aes128::new(&key.into()),
            hmac: Hmac::new_from_slice(&key).expect("HMAC takes keys of any length"),
            iv: Block::<Aes128>::default(),
        }
    }

    /// CBC decryption of `N` blocks.
    pub(crate) fn decrypt<const N: usize>(&self, blocks: &mut [Block<Aes128>; N]) {
        cbc::Decryptor::inner_iv_init(&self.cipher, &self.iv).decrypt_blocks(blocks);
    }

    /// CBC encryption of `N` blocks. It is what a CBC-MAC of `N` blocks costs, too.
    pub(crate) fn encrypt<const N: usize>(&self, blocks: &mut [Block<Aes128>; N]) {
        cbc::Encryptor::inner_iv_init(&self.cipher, &self.iv).encrypt_blocks(blocks);
    }

    /// SHA-256 of a salt.
    pub(crate) fn hash(&self, salt: &[u8; 16]) -> [u8; 32] {
        Sha256::digest(salt).into()
    }

    /// HMAC-SHA256 under a key whose state is there.
    pub(crate) fn hmac(&self, bytes: &[u8]) -> [u8; 32] {
        let mut mac = self.hmac.clone();
        mac.update(bytes);
        mac.finalize().into_bytes().into()
    }
}
