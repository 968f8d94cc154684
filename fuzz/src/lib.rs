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

        /// What the address sanitizer takes where `ASAN_OPTIONS` says nothing else: an allocation is told with where it failed,
        /// not with where it was made, and what is freed is kept from use for 1 MiB, some inputs, and not for 256: memory that
        /// is new at each allocation is in no cache and has to be mapped. Nothing is written into what is allocated: nothing
        /// here reads what was not written.
        #[unsafe(no_mangle)]
        pub extern "C" fn __asan_default_options() -> *const ::std::ffi::c_char {
            c"malloc_context_size=0:quarantine_size_mb=1:thread_local_quarantine_size_kb=64:max_malloc_fill_size=0".as_ptr()
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
