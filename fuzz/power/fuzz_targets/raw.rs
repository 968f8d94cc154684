#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| volact_fuzz_power::play(data));
