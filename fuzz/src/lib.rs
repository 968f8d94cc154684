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

        /// What the address sanitizer takes where `ASAN_OPTIONS` says nothing else: what costs a third of a run and finds
        /// nothing in Rust that is safe is off, and an allocation is told with where it failed, not with where it was made.
        #[unsafe(no_mangle)]
        pub extern "C" fn __asan_default_options() -> *const ::std::ffi::c_char {
            c"detect_stack_use_after_return=0:malloc_context_size=0".as_ptr()
        }

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
