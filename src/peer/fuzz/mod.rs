//! Fuzzing of somebody else's implementation, over whatever it is reached by.
//!
//! A [`Target`] knows how the cases of one kind of peer are made, done and made smaller; [`run`] does the rest, the same for
//! all of them. Cases are numbered, and made in epochs: each is a function of the seed, its number and the corpus as it was
//! when its epoch began. Cases that showed something new join the corpus when the epoch ends, in the order of their
//! numbers, so that the number of jobs changes no case. What looks wrong in a case is a [`Sign`]; at the end of the epoch it
//! is looked into alone: done again, made as small as it gets, and told as a [`Found`] under an id that says what it is and
//! not in which bytes.

mod again;
mod case_file;
pub mod client;
mod engine;
mod found;
pub mod host;
pub mod shim;
mod smaller;
mod state;
mod target;
mod watched;

pub use again::again;
pub use case_file::{CASE_SCHEMA, CaseFile, CaseFileError, schema_of};
pub use engine::{Ears, Limits, Options, Progress, Summary, run};
pub use found::Found;
pub use state::{STATE_SCHEMA, State};
pub use target::{Outcome, Ruled, Shown, Sign, Target};
pub use watched::Watched;
