use std::fmt;

/// Why a filter could not be read, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// Column of the place, in characters from 1.
    pub column: usize,
    /// Characters that are meant, 1 at least.
    pub width: usize,
    /// What is wrong there, in one line.
    pub message: String,
    source: String,
}

/// `at column 12: unknown field "cliant"; did you mean "client"?`.
impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at column {}: {}", self.column, self.message)
    }
}

impl std::error::Error for FilterError {}

impl FilterError {
    pub(super) fn new(source: &str, column: usize, width: usize, message: String) -> Self {
        // Only what `caret` can show is kept.
        let shown = source.chars().skip(left_out(column)).take(SHOWN).map(printable).collect();
        Self { column, width: width.max(1), message, source: shown }
    }

    /// The filter, or the part of it around the place, and below it a caret under every character that is meant.
    #[must_use]
    pub fn caret(&self) -> String {
        let before = self.column - 1 - left_out(self.column);
        let width = self.width.min(SHOWN - before);
        format!("{}\n{:before$}{:^<width$}\n", self.source, "", "")
    }
}

/// Characters of a filter that are shown: a long one is cut, so that the caret's line fits a terminal's.
const SHOWN: usize = 76;

/// Characters in front of the part that is shown.
fn left_out(column: usize) -> usize {
    column.saturating_sub(SHOWN / 2)
}

/// One character for one, so that the caret stays below its place.
fn printable(c: char) -> char {
    match c {
        '\t' | '\n' | '\r' => ' ',
        c if c.is_ascii_graphic() || c == ' ' || c.is_alphanumeric() => c,
        _ => '?',
    }
}

/// The candidate that is meant by a word with a slip or two in it.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.chars().take(LONGEST + 1).flat_map(char::to_lowercase).collect();
    if word.len() > LONGEST {
        return None;
    }
    let most = 1 + word.len() / 5;
    let distances =
        candidates.into_iter().map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate));
    let (distance, candidate) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= most).then_some(candidate)
}

/// Longer words are no slips.
const LONGEST: usize = 80;

/// Insertions, deletions and substitutions that make one of the other (Levenshtein's distance).
fn distance(a: &[char], b: &str) -> usize {
    let mut row: Vec<usize> = (0..=a.len()).collect();
    for (i, other) in b.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &own) in a.iter().enumerate() {
            let substituted = diagonal + usize::from(own != other);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[a.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let names = ["client", "client.port", "count"];
        assert_eq!(nearest("cliant", names), Some("client"));
        assert_eq!(nearest("CLIENT", names), Some("client"));
        assert_eq!(nearest("coutn", names), Some("count"));
        assert_eq!(nearest("banana", names), None);
        assert_eq!(nearest(&"client".repeat(100), names), None);
    }

    #[test]
    fn the_caret_stands_below_what_is_meant() {
        let error = FilterError::new("client = 10", 8, 1, "no".to_owned());
        assert_eq!(error.caret(), "client = 10\n       ^\n");
        let error = FilterError::new("a\tcliant\u{1b}", 3, 6, "no".to_owned());
        assert_eq!(error.caret(), "a cliant?\n  ^^^^^^\n");
    }

    #[test]
    fn a_long_filter_is_shown_around_the_place() {
        let source = format!("{}x{}", "a ".repeat(500), " b".repeat(500));
        let error = FilterError::new(&source, 1001, 1, "no".to_owned());
        let caret = error.caret();
        let lines: Vec<&str> = caret.lines().collect();
        assert_eq!(lines[0].len(), SHOWN);
        assert_eq!(lines[0].as_bytes()[lines[1].len() - 1], b'x');
    }
}
