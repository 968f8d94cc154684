//! The message authentication code that closes version 4 messages.

use super::cbc::xor;
use super::rijndael::{BLOCK, V4};

/// CBC-MAC with a zero IV under Rijndael-160, over the body padded as ISO/IEC 7816-4 does: 80, then zeros, always
/// added, a whole block of it where the body ends on one. No subkeys: it is not CMAC.
#[must_use]
pub fn v4(body: &[u8]) -> [u8; BLOCK] {
    let (blocks, rest) = body.as_chunks::<BLOCK>();
    let mut state = [0; BLOCK];
    for block in blocks {
        state = xor(&state, block);
        V4.encrypt(&mut state);
    }
    let mut last = [0; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    last[rest.len()] = 0x80;
    state = xor(&state, &last);
    V4.encrypt(&mut state);
    state
}
