use crate::conformance::{Level, Verdict};
use crate::wire::Error;

use super::probe::Probe;

/// A case: what is sent to a host, what must happen, and who says so.
#[derive(Debug)]
pub struct Case {
    /// Its id: never used for another case, also once this one is gone.
    pub id: &'static str,
    /// What it is about, in a few words.
    pub title: &'static str,
    /// How much it demands.
    pub level: Level,
    /// Who says so.
    pub authority: &'static str,
    /// What is sent, in one sentence.
    pub sends: &'static str,
    /// What must happen then, in one sentence.
    pub must: &'static str,
    /// Words by which cases are selected, beside their group's.
    pub tags: &'static [&'static str],
    /// True where a genuine host remembers it: a client more is counted, say.
    pub leaves_traces: bool,
    /// True where a host might not survive it: an ordinary activation follows on a connection of its own, which belongs
    /// to the case.
    pub is_hostile: bool,
    /// Rules that what is sent makes meaningless, or that say what the case itself looks at.
    pub except: &'static [&'static str],
    /// Does it.
    pub run: Run,
}

/// Cases that belong together.
#[derive(Debug)]
pub struct Group {
    /// Its name, which is a tag of all its cases.
    pub name: &'static str,
    /// What its cases are about, in a few words.
    pub title: &'static str,
    /// Its cases.
    pub cases: &'static [Case],
}

/// What a case came to: nothing where all was as it must be.
pub type Outcome = Result<(), Problem>;

/// What was not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What that is; `None` is what the case's level makes of it.
    pub verdict: Option<Verdict>,
    /// What was found, and what it should have been, in one line.
    pub message: String,
}

/// What a case does.
pub type Run = fn(&mut Probe<'_>) -> Outcome;

impl Case {
    /// A case that demands something, is harmless and leaves nothing behind.
    pub(super) const fn must(
        id: &'static str,
        title: &'static str,
        authority: &'static str,
        sends: &'static str,
        must: &'static str,
        run: Run,
    ) -> Self {
        Self {
            id,
            title,
            level: Level::Must,
            authority,
            sends,
            must,
            tags: &[],
            leaves_traces: false,
            is_hostile: false,
            except: &[],
            run,
        }
    }

    /// Of another level.
    pub(super) const fn at(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// With these tags.
    pub(super) const fn tagged(mut self, tags: &'static [&'static str]) -> Self {
        self.tags = tags;
        self
    }

    /// One that a host might not survive.
    pub(super) const fn hostile(mut self) -> Self {
        self.is_hostile = true;
        self
    }

    /// One that these rules do not judge.
    pub(super) const fn except(mut self, rules: &'static [&'static str]) -> Self {
        self.except = rules;
        self
    }

    /// One that a genuine host remembers.
    pub(super) const fn leaving_traces(mut self) -> Self {
        self.leaves_traces = true;
        self
    }
}

impl Problem {
    /// Not as the case demands.
    #[must_use]
    pub fn wrong(message: impl Into<String>) -> Self {
        Self { verdict: None, message: message.into() }
    }

    /// The right outcome in other words.
    #[must_use]
    pub fn words(message: impl Into<String>) -> Self {
        Self { verdict: Some(Verdict::WrongWords), message: message.into() }
    }

    /// The host does not do this, and says so.
    #[must_use]
    pub fn unimplemented(message: impl Into<String>) -> Self {
        Self { verdict: Some(Verdict::Unimplemented), message: message.into() }
    }

    /// The harness could not do it.
    #[must_use]
    pub fn harness(message: impl Into<String>) -> Self {
        Self { verdict: Some(Verdict::HarnessError), message: message.into() }
    }

    /// What it is in a case of this level.
    #[must_use]
    pub fn verdict_at(&self, level: Level) -> Verdict {
        self.verdict.unwrap_or(match level {
            Level::Must => Verdict::Fail,
            Level::Should => Verdict::Should,
            Level::May | Level::Observed => Verdict::Remark,
        })
    }

    /// With these words in front.
    #[must_use]
    pub fn after(mut self, what: &str) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

/// What is to be sent cannot be written.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::harness(error.to_string())
    }
}
