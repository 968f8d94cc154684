//! Diagnosis: why a machine was, or was not, activated.
//!
//! - [`Notebook`]: an observer that keeps what matters of an input, within bounds
//! - [`FileDiagnosis`]: what became of the activations in one input, a [`Story`] a machine and product
//! - [`Story`]: who asked whom for what, how it ended, why, and what to do: each with its evidence
//! - [`join`]: the machines' own events beside their stories
//! - [`Fleet`]: many stories, counted
//! - [`CauseKind`]: the kinds of causes, with their remedies

mod avma;
mod call;
mod cause;
mod edges;
mod failures;
mod fleet;
mod kms;
mod logs;
mod mak;
mod notebook;
mod steps;
mod story;
mod tell;
pub(crate) mod words;

pub use cause::CauseKind;
pub use fleet::{Fleet, FleetRow, outcome};
pub use logs::{EventLog, join};
pub use notebook::Notebook;
pub use story::{
    EventNote, Evidence, FileDiagnosis, Finding, Host, Machine, Method, Product, Route, Status, Step,
    StepKind, Story, Tone,
};
