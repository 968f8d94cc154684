use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

use crate::redact::StandIns;

/// The stand-ins for `--redact`: of the secret that was given, or of one that nobody knows, and that is gone at the end.
pub(super) fn stand_ins(secret: &str) -> StandIns {
    if !secret.is_empty() {
        return StandIns::new(secret.as_bytes());
    }
    // Its two keys come from the system's random numbers; what it makes of four numbers is no way back to them.
    let random = RandomState::new();
    let secret: Vec<u8> = (0..4_u64).flat_map(|number| random.hash_one(number).to_le_bytes()).collect();
    StandIns::new(&secret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Guid;

    #[test]
    fn a_secret_of_ones_own_gives_the_same_stand_ins_and_no_secret_others_each_time() {
        let of = |secret| stand_ins(secret).guid(Guid::from_u128(1));
        assert_eq!(of("mine"), of("mine"));
        assert_ne!(of("mine"), of("yours"));
        assert_ne!(of(""), of(""));
    }
}
