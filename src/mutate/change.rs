use std::fmt;

use smallvec::SmallVec;

/// What a mutation changed, for whoever reads the finding.
///
/// Notes are kept as what they say and become text only where somebody reads it: most of them nobody does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes(SmallVec<[Change; 8]>);

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A number became another one.
    Number {
        /// The field, named as its specification names it.
        field: &'static str,
        /// What was there.
        from: u64,
        /// What is there now.
        to: u64,
    },
    /// Something was done to a field or to a part, as `CMID` and `set to nil`.
    Done {
        /// To what.
        part: &'static str,
        /// What was done.
        what: &'static str,
    },
    /// Bytes were inserted, removed, changed or moved.
    Bytes {
        /// In what.
        part: &'static str,
        /// What was done.
        what: &'static str,
        /// From which offset on.
        at: usize,
        /// How many bytes.
        length: usize,
    },
    /// This was left wrong, and nothing else: a name of [`crate::kms::RequestChecks::by_name`] or
    /// [`crate::kms::ResponseChecks::by_name`], or a count of the stub or the PDU.
    Broken(&'static str),
}

impl Changes {
    /// All of them, in the order in which they were made.
    pub fn iter(&self) -> std::slice::Iter<'_, Change> {
        self.0.iter()
    }

    /// True where nothing was changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was left wrong on purpose.
    #[must_use]
    pub fn broken(&self) -> Option<&'static str> {
        self.0.iter().find_map(|change| match change {
            Change::Broken(what) => Some(*what),
            _ => None,
        })
    }

    /// One sentence each.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }

    /// Adds what was changed elsewhere.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(super) fn number(&mut self, field: &'static str, from: impl Into<u64>, to: impl Into<u64>) {
        self.0.push(Change::Number { field, from: from.into(), to: to.into() });
    }

    pub(super) fn done(&mut self, part: &'static str, what: &'static str) {
        self.0.push(Change::Done { part, what });
    }

    pub(super) fn bytes(&mut self, part: &'static str, what: &'static str, at: usize, length: usize) {
        self.0.push(Change::Bytes { part, what, at, length });
    }

    pub(super) fn broken_on_purpose(&mut self, what: &'static str) {
        self.0.push(Change::Broken(what));
    }
}

impl Change {
    /// What it is about and what was done, without numbers: equal for changes of one kind.
    #[must_use]
    pub fn kind(&self) -> (&'static str, &'static str) {
        match *self {
            Self::Number { field, .. } => (field, "set"),
            Self::Done { part, what } | Self::Bytes { part, what, .. } => (part, what),
            Self::Broken(what) => (what, "left wrong"),
        }
    }
}

/// All notes on one line.
impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, change) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("; ")?;
            }
            change.fmt(f)?;
        }
        Ok(())
    }
}

/// One sentence, as `PIDSize 0x54 -> 0xffffffff` or `hmac left wrong`.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number { field, from, to } => write!(f, "{field} {from:#x} -> {to:#x}"),
            Self::Done { part, what } => write!(f, "{part} {what}"),
            Self::Bytes { part, what, at, length } => {
                write!(f, "{part}: {length} bytes {what} at {at}")
            }
            Self::Broken(what) => write!(f, "{what} left wrong"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_in_one_line() {
        let mut changes = Changes::default();
        changes.number("PIDSize", 0x54_u32, u32::MAX);
        changes.bytes("envelope", "removed", 20, 16);
        changes.broken_on_purpose("hmac");
        assert_eq!(changes.broken(), Some("hmac"));
        assert_eq!(
            changes.to_string(),
            "PIDSize 0x54 -> 0xffffffff; envelope: 16 bytes removed at 20; hmac left wrong"
        );
        assert_eq!(changes.notes().len(), 3);
    }
}
