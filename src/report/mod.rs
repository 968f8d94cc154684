//! What [`crate::trace`] finds, rendered: for people ([`TextReport`]) and as JSON Lines ([`JsonReport`], described in
//! `docs/jsonl.md`). Both are [`crate::trace::Observer`]s that write as they are told, so that memory stays bounded.

pub mod diagnosis;
mod explain;
mod fields;
mod json;
mod jsonl;
pub mod ledger;
mod names;
mod opaque;
pub mod results;
mod stats;
mod suspicion;
mod text;

pub use explain::{Explanation, explain};
pub use jsonl::{JsonReport, SCHEMA};
pub use stats::{Stats, StatsLayout};
pub use text::TextReport;
