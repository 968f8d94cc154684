//! What the fuzz targets share: each is one line of [`target`].

/// A target over the function of `volact::fuzzing` that has its name, with the custom mutator.
#[macro_export]
macro_rules! target {
    ($name:ident) => {
        $crate::target!($name, |data: &[u8]| {
            ::volact::fuzzing::$name(data);
        });
    };
    // What `arbitrary` makes of the bytes, where it means the same as what the function of that name reads in them.
    ($name:ident, |$input:ident: $type:ty| $body:block) => {
        ::libfuzzer_sys::fuzz_target!(|$input: $type| $body);
        ::libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
            ::volact::fuzzing::mutate(
                stringify!($name),
                data,
                size,
                max_size,
                seed,
                ::libfuzzer_sys::fuzzer_mutate,
            )
        });
    };
}
