//! The custom mutator as afl-fuzz loads it, with AFL_CUSTOM_MUTATOR_LIBRARY. VOLACT_TARGET names the target, as the
//! argument of the program that is fuzzed does.
#![expect(unsafe_code, reason = "afl-fuzz finds functions by their names and hands over pointers")]

use std::ffi::{c_uint, c_void};
use std::{env, process, slice};

use volact::fuzzing::{self, TARGETS};

/// What [`afl_custom_init`] makes and afl-fuzz hands to the other functions.
pub struct Mutator {
    target: &'static str,
    seed: c_uint,
    /// Where an input is mutated; afl-fuzz copies it from here.
    out: Vec<u8>,
}

/// Called once, in front of everything else.
#[unsafe(no_mangle)]
pub extern "C" fn afl_custom_init(_afl: *mut c_void, seed: c_uint) -> Box<Mutator> {
    let name = env::var("VOLACT_TARGET").unwrap_or_default();
    let Some(&(target, _)) = TARGETS.iter().find(|(target, _)| *target == name) else {
        eprintln!("VOLACT_TARGET is '{name}', which is no fuzz target");
        process::exit(2);
    };
    Box::new(Mutator { target, seed, out: Vec::new() })
}

/// Makes one input of another; 0 where that is left to afl-fuzz, whose own stages are the raw mutation in the mix.
///
/// # Safety
///
/// `buf` points to `buf_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn afl_custom_fuzz(
    mutator: &mut Mutator,
    buf: *const u8,
    buf_size: usize,
    out_buf: &mut *const u8,
    _add_buf: *const u8,
    _add_buf_size: usize,
    max_size: usize,
) -> usize {
    // SAFETY: as the caller promises; afl-fuzz never calls with a null pointer.
    let input = unsafe { slice::from_raw_parts(buf, buf_size.min(max_size)) };
    let Mutator { target, seed, out } = mutator;
    *seed = seed.wrapping_add(1);
    out.resize(max_size, 0);
    out[..input.len()].copy_from_slice(input);
    let size = fuzzing::mutate(target, out, input.len(), max_size, *seed, |_, _, _| 0);
    *out_buf = out.as_ptr();
    size
}

/// Called once, behind everything else.
#[unsafe(no_mangle)]
pub extern "C" fn afl_custom_deinit(_mutator: Box<Mutator>) {}
