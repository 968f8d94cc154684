use crate::wire::Random;

/// The custom mutator of every target that has one: what libFuzzer calls with a seed, in place of its own mutation.
///
/// `data` holds `size` bytes and has room for `max_size`; the result is how many it holds then. `raw` is libFuzzer's own
/// mutation, which stays in the mix.
pub fn mutate(
    target: &str,
    data: &mut [u8],
    size: usize,
    max_size: usize,
    seed: u32,
    raw: impl FnOnce(&mut [u8], usize, usize) -> usize,
) -> usize {
    let _ = (target, Random::new(seed.into(), target));
    raw(data, size, max_size)
}
