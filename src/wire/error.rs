use std::fmt;

/// Where and why bytes could not be read, counted from the first byte of the layer that was being read.
///
/// [`fmt::Display`] is one lower-case line: `bind: p_cont_id at offset 28: needed 2 bytes, got 0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The structure that was being read, by its specification's noun (`bind`, `request stub`, `v6 request`).
    pub layer: &'static str,
    /// The field that could not be read.
    pub field: &'static str,
    /// Bytes from the start of the layer to the field.
    pub offset: usize,
    /// What was wrong there.
    pub kind: ErrorKind,
}

/// What was wrong at the place an [`Error`] names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The field takes more bytes than are left.
    Truncated {
        /// Bytes that the field takes.
        needed: usize,
        /// Bytes that were left.
        got: usize,
    },
    /// A length field says more (or less) than can be.
    Length {
        /// What the field says, in bytes.
        declared: u64,
        /// The least that is possible.
        least: u64,
        /// The most that is possible.
        most: u64,
    },
    /// A value by which the layer is recognised is another one.
    Value {
        /// The value that is there.
        got: u64,
        /// What would have been read on.
        expected: &'static str,
    },
    /// The text there does not follow its grammar (XML, HTTP, JSON).
    Malformed {
        /// What is wrong, as a short lower-case phrase.
        what: &'static str,
    },
}

impl Error {
    pub(crate) fn truncated(
        layer: &'static str,
        field: &'static str,
        offset: usize,
        needed: usize,
        got: usize,
    ) -> Self {
        Self { layer, field, offset, kind: ErrorKind::Truncated { needed, got } }
    }

    /// The same error for a layer that begins `by` bytes into an outer one.
    #[must_use]
    pub fn shifted(mut self, by: usize) -> Self {
        self.offset += by;
        self
    }

    /// What was needed, where that is a number of bytes.
    #[must_use]
    pub fn needed(&self) -> Option<u64> {
        match self.kind {
            ErrorKind::Truncated { needed, .. } => Some(needed as u64),
            ErrorKind::Length { least, .. } => Some(least),
            ErrorKind::Value { .. } | ErrorKind::Malformed { .. } => None,
        }
    }

    /// What was there instead: bytes left, the length declared, or the value.
    #[must_use]
    pub fn got(&self) -> Option<u64> {
        match self.kind {
            ErrorKind::Truncated { got, .. } => Some(got as u64),
            ErrorKind::Length { declared, .. } => Some(declared),
            ErrorKind::Value { got, .. } => Some(got),
            ErrorKind::Malformed { .. } => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} at offset {}: ", self.layer, self.field, self.offset)?;
        match self.kind {
            ErrorKind::Truncated { needed, got } => write!(f, "needed {needed} bytes, got {got}"),
            ErrorKind::Length { declared, least, most } => {
                write!(f, "length {declared} is not within {least}..={most}")
            }
            ErrorKind::Value { got, expected } => write!(f, "expected {expected}, got {got} (0x{got:x})"),
            ErrorKind::Malformed { what } => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_with_its_place_and_both_lengths() {
        let error = Error::truncated("bind", "p_cont_id", 28, 2, 0);
        assert_eq!(error.to_string(), "bind: p_cont_id at offset 28: needed 2 bytes, got 0");
        assert_eq!((error.needed(), error.got()), (Some(2), Some(0)));
        assert_eq!(error.shifted(4).offset, 32);
    }
}
