//! The message authentication code that closes version 4 messages.

use super::rijndael::{BLOCK, Block, Message, V4};

/// CBC-MAC with a zero IV under Rijndael-160, over the body padded as ISO/IEC 7816-4 does: 80, then zeros, always
/// added, a whole block of it where the body ends on one. No subkeys: it is not CMAC.
#[must_use]
pub fn v4(body: &[u8]) -> Block {
    let [mac] = v4_each([body]);
    mac
}

/// Whether this is the MAC of the body: faster told than the MAC is computed.
#[must_use]
pub fn v4_holds(body: &[u8], mac: &Block) -> bool {
    V4.cbc_mac_holds(body, mac)
}

/// The MACs of several bodies, at the price of little more than the longest one's.
#[must_use]
pub fn v4_each<const N: usize>(bodies: [&[u8]; N]) -> [Block; N] {
    V4.cbc_mac(&bodies.map(|bytes| Message { chain: &[0; BLOCK], bytes }))
}

/// The beginning that many bodies share, and what its whole blocks come to.
#[derive(Clone, Copy, Debug)]
pub struct Beginning {
    chain: Block,
    len: usize,
}

impl Beginning {
    /// Of bodies that begin with these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let (blocks, _) = bytes.as_chunks();
        let mut chained = blocks.to_vec();
        V4.cbc_encrypt(&[0; BLOCK], chained.as_flattened_mut());
        Self { chain: chained.last().copied().unwrap_or_default(), len: BLOCK * blocks.len() }
    }

    /// [`v4`] of a body that begins so.
    #[must_use]
    pub fn v4(&self, body: &[u8]) -> Block {
        let [mac] = V4.cbc_mac(&[Message { chain: &self.chain, bytes: &body[self.len..] }]);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_that_is_known_changes_no_mac() {
        let body: Vec<u8> = (0..200).collect();
        for known in [0, 15, 16, 108, 199, 200] {
            let beginning = Beginning::of(&body[..known]);
            for end in [known.max(16), 200] {
                assert_eq!(beginning.v4(&body[..end]), v4(&body[..end]), "{known} of {end}");
            }
        }
    }
}
