use crate::wire::Random;

/// Choices, the same ones for the same seed.
#[derive(Clone, Debug)]
pub(super) struct Dice(Random);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(Random::new(seed, "mutate"))
    }

    pub(super) fn number(&mut self) -> u64 {
        self.0.number()
    }

    /// A byte.
    pub(super) fn byte(&mut self) -> u8 {
        self.number().to_le_bytes()[7]
    }

    /// A number below this one; 0 where there is none.
    pub(super) fn below(&mut self, end: usize) -> usize {
        // The high half: multiplication in place of a division.
        let scaled = (u128::from(self.number()) * (end as u128)) >> 64;
        usize::try_from(scaled).unwrap_or_default()
    }

    /// True once in so many times.
    pub(super) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of these.
    pub(super) fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }

    pub(super) fn block(&mut self) -> [u8; 16] {
        self.0.bytes()
    }

    /// A length that is mostly short: of 1 to `most` bytes.
    pub(super) fn length(&mut self, most: usize) -> usize {
        let most = most.max(1);
        let bits = usize::try_from(most.ilog2() + 1).unwrap_or_default();
        let limit = 1 << (1 + self.below(bits));
        1 + self.below(most.min(limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_below_an_end_reach_all_of_them_and_nothing_else() {
        let mut dice = Dice::new(1);
        let mut seen = [false; 7];
        (0..200).for_each(|_| seen[dice.below(7)] = true);
        assert_eq!(seen, [true; 7]);
        assert_eq!((dice.below(0), dice.below(1)), (0, 0));
    }

    #[test]
    fn lengths_are_within_their_most() {
        let mut dice = Dice::new(2);
        for most in [1, 2, 3, 100, 4096] {
            let lengths: Vec<usize> = (0..500).map(|_| dice.length(most)).collect();
            assert!(lengths.iter().all(|length| (1..=most).contains(length)), "{lengths:?}");
            assert!(lengths.contains(&1));
        }
    }
}
