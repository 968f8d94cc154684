//! What became of activations, rendered: text, JSON Lines, CSV, and a page.

mod csv;
mod jsonl;
mod text;

use crate::diagnosis::FileDiagnosis;

pub use jsonl::DIAGNOSIS_SCHEMA;

/// How a diagnosis is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiagnosisFormat {
    /// For people.
    Text,
    /// JSON Lines.
    Jsonl,
    /// Comma-separated values, a line a story.
    Csv,
    /// A page.
    Html,
}

/// What of a diagnosis is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiagnosisLook {
    /// Colours and weights of a terminal.
    pub colour: bool,
    /// The steps of each story.
    pub verbose: bool,
    /// Stories of an input that are told as text; 0 for all.
    pub limit: usize,
    /// Counts over all inputs in place of the stories.
    pub is_fleet: bool,
}

/// Renders a diagnosis.
#[must_use]
pub fn render(files: &[FileDiagnosis], format: DiagnosisFormat, look: DiagnosisLook) -> Vec<u8> {
    match (format, look.is_fleet) {
        (DiagnosisFormat::Text, false) => text::stories(files, look),
        (DiagnosisFormat::Text, true) => text::fleet(files, look),
        (DiagnosisFormat::Jsonl, is_fleet) => jsonl::render(files, is_fleet),
        (DiagnosisFormat::Csv, false) => csv::stories(files),
        (DiagnosisFormat::Csv, true) => csv::fleet(files),
        (DiagnosisFormat::Html, _) => String::new(),
    }
    .into_bytes()
}
