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
