//! Which code runs the rounds: the one place of this package with `unsafe` in it.
//!
//! A function with `#[target_feature]` may be called where the processor has the feature, and is undefined behaviour
//! elsewhere. Nothing else about these functions is unsafe (they are safe code themselves: arrays in, arrays out, no
//! pointers), so that the whole argument is the line above each call: the feature was detected, on this machine, by
//! the standard library. It detects once in the life of a process; after that, the question is a load and a test, and
//! it is asked once a message. The tests of [`super`] hold every way equal to the portable one.

#![allow(unsafe_code)]

use super::{Block, Message, Rijndael, portable};

macro_rules! dispatch {
    ($name:ident, $($argument:expr),*) => {{
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("aes") && std::arch::is_x86_feature_detected!("avx") {
            // SAFETY: both features were detected.
            return unsafe { super::x86_64::$name($($argument),*) };
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("aes") && std::arch::is_aarch64_feature_detected!("neon") {
            // SAFETY: both features were detected.
            return unsafe { super::aarch64::$name($($argument),*) };
        }
        portable::$name($($argument),*)
    }};
}

#[inline]
pub(super) fn cbc_encrypt<const K: usize>(cipher: &Rijndael<K>, iv: &Block, blocks: &mut [Block]) {
    dispatch!(cbc_encrypt, cipher, iv, blocks)
}

#[inline]
pub(super) fn cbc_encrypt_to<const K: usize>(
    cipher: &Rijndael<K>,
    iv: &Block,
    blocks: &[Block],
    out: &mut [Block],
) {
    dispatch!(cbc_encrypt_to, cipher, iv, blocks, out)
}

#[inline]
pub(super) fn cbc_decrypt_to<const K: usize>(
    cipher: &Rijndael<K>,
    iv: &Block,
    blocks: &[Block],
    out: &mut [Block],
) {
    dispatch!(cbc_decrypt_to, cipher, iv, blocks, out)
}

#[inline]
pub(super) fn cbc_mac<const K: usize, const N: usize>(
    cipher: &Rijndael<K>,
    messages: &[Message<'_>; N],
) -> [Block; N] {
    dispatch!(cbc_mac, cipher, messages)
}

#[inline]
pub(super) fn cbc_mac_holds<const K: usize>(cipher: &Rijndael<K>, bytes: &[u8], mac: &Block) -> bool {
    dispatch!(cbc_mac_holds, cipher, bytes, mac)
}
