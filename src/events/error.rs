use std::fmt;
use std::sync::Arc;

use super::MAX_QUOTE;

/// Where in its file an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The event's record number, in a log.
    Record(u64),
    /// The chunk of 64 KiB, from 0: in a log, where it is not known which record it is.
    Chunk(u64),
    /// Number of the line with which the event begins, from 1, in a text.
    Line(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(number) => write!(f, "record {number}"),
            Self::Chunk(number) => write!(f, "chunk {number}"),
            Self::Line(number) => write!(f, "line {number}"),
        }
    }
}

/// What is wrong with an event. Of one event, only the first such thing is told.
///
/// [`fmt::Display`] is one line: `kms.txt: line 12: event 12288: CMID: wanted a GUID, found "36f2"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventError {
    /// The name of the file, as it was given.
    pub file: Arc<str>,
    /// Where the event begins.
    pub place: Place,
    /// The event's id, where it is known.
    pub id: Option<u32>,
    /// The field that could not be read.
    pub field: &'static str,
    /// What would have been read.
    pub wanted: &'static str,
    /// What is there instead, on one line, and cut behind [`MAX_QUOTE`] characters. A product key in it is not masked.
    pub found: String,
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: ", self.file, self.place)?;
        if let Some(id) = self.id {
            write!(f, "event {id}: ")?;
        }
        write!(f, "{}: wanted {}, found ", self.field, self.wanted)?;
        if self.found.is_empty() { f.write_str("nothing") } else { write!(f, "{:?}", self.found) }
    }
}

impl std::error::Error for EventError {}

/// What is wrong with a field.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) field: &'static str,
    pub(super) wanted: &'static str,
    pub(super) found: String,
}

impl Wrong {
    pub(super) fn new(field: &'static str, wanted: &'static str, found: &str) -> Self {
        Self { field, wanted, found: quote(found) }
    }
}

/// A text on one line, with one space wherever it has white space.
fn quote(text: &str) -> String {
    let mut quoted = String::new();
    for word in text.split_whitespace() {
        if !quoted.is_empty() {
            quoted.push(' ');
        }
        quoted.extend(word.chars().take(MAX_QUOTE));
        if let Some((cut, _)) = quoted.char_indices().nth(MAX_QUOTE) {
            quoted.truncate(cut);
            quoted.push_str("...");
            break;
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_with_file_place_field_what_was_wanted_and_what_was_there() {
        let Wrong { field, wanted, found } = Wrong::new("CMID", "a GUID", "36f2\n\t7b");
        let error = EventError {
            file: "a.txt".into(),
            place: Place::Line(12),
            id: Some(12288),
            field,
            wanted,
            found,
        };
        assert_eq!(error.to_string(), "a.txt: line 12: event 12288: CMID: wanted a GUID, found \"36f2 7b\"");
    }

    #[test]
    fn a_long_quote_is_cut() {
        let found = quote(&"\u{e9}".repeat(MAX_QUOTE + 5));
        assert_eq!(found.chars().count(), MAX_QUOTE);
        let found = quote(&"ab ".repeat(MAX_QUOTE));
        assert_eq!(found.chars().count(), MAX_QUOTE + 3);
        assert!(found.ends_with("..."));
    }
}
