//! Cipher block chaining (SP 800-38A 6.2) over whole blocks, in place. Padding is the message's business.

use super::rijndael::{BLOCK, Rijndael};

/// Encrypts whole blocks in place; bytes behind the last whole block are left alone.
pub fn encrypt<const K: usize>(cipher: &Rijndael<K>, iv: &[u8; BLOCK], bytes: &mut [u8]) {
    let mut chain = *iv;
    for block in bytes.as_chunks_mut::<BLOCK>().0 {
        *block = xor(block, &chain);
        cipher.encrypt(block);
        chain = *block;
    }
}

/// Decrypts whole blocks in place; bytes behind the last whole block are left alone.
pub fn decrypt<const K: usize>(cipher: &Rijndael<K>, iv: &[u8; BLOCK], bytes: &mut [u8]) {
    let mut chain = *iv;
    let (eights, _) = bytes.as_chunks_mut::<{ 8 * BLOCK }>();
    let done = eights.len() * 8 * BLOCK;
    for eight in eights {
        let blocks = eight.as_chunks_mut::<BLOCK>().0;
        let mut plain: [[u8; BLOCK]; 8] = std::array::from_fn(|i| blocks[i]);
        cipher.decrypt_8(&mut plain);
        for (block, plain) in blocks.iter_mut().zip(&plain) {
            let cipher_text = *block;
            *block = xor(plain, &chain);
            chain = cipher_text;
        }
    }
    for block in bytes[done..].as_chunks_mut::<BLOCK>().0 {
        let cipher_text = *block;
        cipher.decrypt(block);
        *block = xor(block, &chain);
        chain = cipher_text;
    }
}

/// The bytes of both blocks, each XORed with the other's.
#[must_use]
pub fn xor(a: &[u8; BLOCK], b: &[u8; BLOCK]) -> [u8; BLOCK] {
    (u128::from_ne_bytes(*a) ^ u128::from_ne_bytes(*b)).to_ne_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kms::rijndael::V6;
    use proptest::prelude::*;

    #[test]
    fn it_is_sp_800_38as() {
        let hex = |text| crate::wire::parse_hex(text).unwrap();
        let key: [u8; 16] = hex("2b7e151628aed2a6abf7158809cf4f3c").try_into().unwrap();
        let iv: [u8; 16] = std::array::from_fn(|i| u8::try_from(i).unwrap());
        let mut bytes = hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
        encrypt(&Rijndael::aes_128(&key), &iv, &mut bytes);
        assert_eq!(bytes, hex("7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"));
    }

    proptest! {
        #[test]
        fn what_is_decrypted_encrypts_back(iv: [u8; 16], bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut state = bytes.clone();
            decrypt(&V6, &iv, &mut state);
            encrypt(&V6, &iv, &mut state);
            prop_assert_eq!(state, bytes);
        }
    }
}
