//! What became of activations, rendered: text, JSON Lines, CSV, and a page.

mod csv;
mod html;
mod jsonl;
mod text;

use crate::diagnosis::FileDiagnosis;

pub use html::html;
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
    let mut page = Vec::new();
    match (format, look.is_fleet) {
        (DiagnosisFormat::Text, false) => page = text::stories(files, look).into_bytes(),
        (DiagnosisFormat::Text, true) => page = text::fleet(files, look).into_bytes(),
        (DiagnosisFormat::Jsonl, is_fleet) => page = jsonl::render(files, is_fleet).into_bytes(),
        (DiagnosisFormat::Csv, false) => page = csv::stories(files).into_bytes(),
        (DiagnosisFormat::Csv, true) => page = csv::fleet(files).into_bytes(),
        (DiagnosisFormat::Html, _) => {
            // Bytes take all that is written to them.
            let _ = html::html(files, &mut page);
        }
    }
    page
}
