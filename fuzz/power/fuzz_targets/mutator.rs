#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| volact_fuzz_power::play(data));

// A conversation is written as a seed of `rules` is.
libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    volact::fuzzing::mutate("rules", data, size, max_size, seed, libfuzzer_sys::fuzzer_mutate)
});
