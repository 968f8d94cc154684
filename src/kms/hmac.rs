//! The keyed hash that closes a version 6 response, under a key that changes about every four hours.

use crate::wire::FileTime;

use super::rijndael::{BLOCK, Block};
use super::sha256::{self, Hmac};

/// How far the slots stand apart, in 100 ns: 4.11 hours.
pub const SLOT: u64 = 0x22_8168_89bd;
const SLOT_FACTOR: u64 = 0x20_8cba_b5ed;
const SLOT_OFFSET: u64 = 0x3156_cd5a_c628_477a;

/// The HMAC states of the slots that were asked for last: a key takes three hashes to set up, and it stays the same for
/// hours.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    kept: [Option<(u64, Hmac)>; 4],
    oldest: usize,
}

impl Keys {
    /// The 16 bytes for a response whose body says `client_time`, made `slots_away` slots from it (0 for a creator; a
    /// verifier takes -1, 0 and 1): the end of HMAC-SHA256 over R, the response's decrypted IV, and the plaintext in
    /// front of the HMAC.
    #[must_use]
    pub fn v6(&mut self, client_time: FileTime, slots_away: i8, hashed: &[u8]) -> Block {
        second_half(&self.state(slot(client_time, slots_away)).of(hashed))
    }

    fn state(&mut self, slot: u64) -> &Hmac {
        let at = self.kept.iter().position(|kept| kept.as_ref().is_some_and(|(of, _)| *of == slot));
        let at = at.unwrap_or_else(|| {
            let at = self.oldest;
            self.oldest = (at + 1) % self.kept.len();
            self.kept[at] = None;
            at
        });
        let (_, state) = self.kept[at]
            .get_or_insert_with(|| (slot, Hmac::new(&second_half(&sha256::digest(&slot.to_le_bytes())))));
        state
    }
}

/// The number of the slot that a response's key is made of.
fn slot(client_time: FileTime, slots_away: i8) -> u64 {
    let slot = (client_time.0 / SLOT).wrapping_mul(SLOT_FACTOR).wrapping_add(SLOT_OFFSET);
    slot.wrapping_add_signed(i64::from(slots_away).wrapping_mul(SLOT.cast_signed()))
}

fn second_half(digest: &[u8; 32]) -> Block {
    std::array::from_fn(|i| digest[BLOCK + i])
}
