//! How long it takes to find the planted defects of `examples/defective`: one target, and three ways to come by its inputs.
//!
//! - `raw`: libFuzzer's own mutation of wire bytes
//! - `structured`: [`Conversation`], what `derive(Arbitrary)` makes of libFuzzer's bytes
//! - `mutator`: the mutator of the targets in `fuzz/`
//!
//! An input fails where it meets the one defect that was chosen. `fuzz/power/measure` runs them all.

#[path = "../../../examples/defective/flawed/mod.rs"]
mod flawed;
mod structured;

use std::env;
use std::sync::OnceLock;

use flawed::Defects;

pub use structured::Conversation;

static CHOSEN: OnceLock<Defects> = OnceLock::new();

/// Plays a conversation with whoever has the defect that the environment names in `POWER_DEFECT`; `none` is a name as well.
///
/// # Panics
/// The defect was met, or the environment names none.
pub fn play(data: &[u8]) {
    flawed::play(*CHOSEN.get_or_init(chosen), data);
}

/// What the address sanitizer takes: what costs a third of a run and finds nothing in Rust that is safe is off.
#[unsafe(no_mangle)]
pub extern "C" fn __asan_default_options() -> *const std::ffi::c_char {
    c"detect_stack_use_after_return=0:malloc_context_size=0".as_ptr()
}

fn chosen() -> Defects {
    let name = env::var("POWER_DEFECT").expect("POWER_DEFECT names a defect, or is `none`");
    Defects::named(&name).expect("there is such a defect")
}
