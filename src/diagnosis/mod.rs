//! Diagnosis: why a machine was, or was not, activated.
//!
//! - [`FileDiagnosis`]: what became of the activations in one input, a [`Story`] a machine and product
//! - [`Story`]: who asked whom for what, how it ended, why, and what to do: each with its evidence
//! - [`CauseKind`]: the kinds of causes, with their remedies

mod cause;
mod story;

pub use cause::CauseKind;
pub use story::{
    EventNote, Evidence, FileDiagnosis, Finding, Host, Machine, Method, Product, Route, Status, Step,
    StepKind, Story, Tone,
};
