use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::capture::Dialogue;
use crate::conformance::{BreachRecord, Level, TranscriptLine};
use crate::wire::Random;

/// What is fuzzed.
pub trait Target: Sync {
    /// A case: all that is done in it, and nothing that depends on when or where.
    type Plan: Clone + PartialEq + Send + Sync + Serialize + DeserializeOwned;

    /// `host`, `client`, `shim`: a word that findings are named by.
    fn name(&self) -> &'static str;

    /// Cases that are done one behind the other by one job, and may share a connection.
    fn batch(&self) -> usize;

    /// Makes a case: the same from the same numbers and the same corpus.
    fn make(&self, random: &mut Random, corpus: &[Self::Plan]) -> Self::Plan;

    /// Does cases one behind the other, as fast as that goes; called by several jobs at a time. Where the peer is gone or
    /// hangs, the outcome that says so ([`Outcome::stops`]) is the last one. Signs whose ids are `known` need not be told.
    fn run(&self, plans: &[Self::Plan], known: &BTreeSet<String>) -> Vec<Outcome>;

    /// Does a case with nothing around it, patiently, and shows all of it. That the peer is gone behind it is a sign.
    fn alone(&self, plan: &Self::Plan) -> Shown;

    /// Several cases that were done behind each other as one; `None` where they did not share anything.
    fn joined(&self, plans: &[Self::Plan]) -> Option<Self::Plan>;

    /// Cases that are simpler than this one in one thing each, those that take away most first; `sign` is what is to stay.
    fn simpler(&self, plan: &Self::Plan, sign: &Sign) -> Vec<Self::Plan>;

    /// What is left in a case that was made as small as it gets, in words of an id: `N-POLICY`. It tells apart causes that
    /// show the same sign; empty where there is nothing to tell.
    fn essence(&self, plan: &Self::Plan) -> String;

    /// That the peer does what it has to do, once, rightly.
    ///
    /// # Errors
    /// It does not: the sign of that.
    fn is_alive(&self) -> Result<(), Sign>;

    /// Makes it be there again, as new, where that can be done.
    ///
    /// # Errors
    /// It cannot.
    fn restart(&self) -> Result<(), String>;

    /// Bytes of memory that it holds, where that can be known.
    fn memory(&self) -> Option<u64>;
}

/// What came of a case.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What the peer has done, each as a number: equal for what is alike.
    pub features: Vec<u64>,
    /// The rules that applied.
    pub ruled: Ruled,
    /// What looks wrong.
    pub signs: Vec<Sign>,
    /// True where the cases behind it cannot be done: the peer is gone, or hangs.
    pub stops: bool,
    /// True where it shared what it was done on (a connection, a process) with the case in front of it.
    pub shares: bool,
}

/// Something that looks wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sign {
    /// What it is, in words of an id, by kind and state and not by bytes: `RULE-KMS-CMID-ECHO`, `ENDS-REQUEST-ACTIVATION`.
    pub id: String,
    /// How much it matters.
    pub level: Level,
    /// What it is about, in a few words.
    pub title: String,
    /// Who says that it is wrong.
    pub authority: String,
    /// What was found, in one line.
    pub message: String,
    /// The breach, where it is one of a rule.
    pub breach: Option<Box<BreachRecord>>,
    /// True where different causes show it, which [`Target::essence`] tells apart.
    pub is_coarse: bool,
    /// True where it may be nothing but slowness: it counts only if it shows again.
    pub is_doubtful: bool,
}

/// A case that was done alone.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// What came of it.
    pub outcome: Outcome,
    /// What was sent and received.
    pub transcript: Vec<TranscriptLine>,
    /// Its connections, where it has any.
    pub dialogues: Vec<Dialogue>,
}

/// A set of rules, by their places in [`crate::conformance::rules`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruled([u64; 8]);

impl Ruled {
    /// Adds a rule.
    pub fn add(&mut self, place: usize) {
        if let Some(word) = self.0.get_mut(place / 64) {
            *word |= 1 << (place % 64);
        }
    }

    /// Adds all of another set.
    pub fn join(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word |= other);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }
}

impl Sign {
    /// A sign that demands something, is clear, and has one cause.
    #[must_use]
    pub fn new(id: impl Into<String>, title: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            level: Level::Must,
            title: title.into(),
            authority: "volact: what every peer has to do".to_owned(),
            message: message.into(),
            breach: None,
            is_coarse: false,
            is_doubtful: false,
        }
    }

    /// Of another level.
    #[must_use]
    pub fn at(self, level: Level) -> Self {
        Self { level, ..self }
    }

    /// One that has many causes.
    #[must_use]
    pub fn coarse(self) -> Self {
        Self { is_coarse: true, ..self }
    }

    /// One that may be nothing but slowness.
    #[must_use]
    pub fn doubtful(self) -> Self {
        Self { is_doubtful: true, ..self }
    }
}
