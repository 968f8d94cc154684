use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::case_file::{CaseFileError, is_id, schema_of};
use super::found::Found;
use super::target::Ruled;

/// A run between two epochs: all that the cases to come depend on, and what was found so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State<P> {
    /// [`STATE_SCHEMA`].
    pub schema: String,
    /// [`super::Target::name`] of what is fuzzed.
    pub target: String,
    /// The seed.
    pub seed: u64,
    /// Cases of an epoch.
    pub epoch: u64,
    /// Cases that were done: the number of the next.
    pub done: u64,
    /// The cases that showed something new, the oldest first.
    pub corpus: Vec<P>,
    /// Cases that have joined the corpus so far; those beyond its bound have taken the places of the oldest.
    pub joined: u64,
    /// All features that were seen.
    pub features: BTreeSet<u64>,
    /// The rules that have applied.
    pub ruled: Ruled,
    /// How often each sign was looked into.
    pub looked: BTreeMap<String, u32>,
    /// Signs that did not show again, and might have been slowness.
    pub unrepeated: u64,
    /// What was found.
    pub found: Vec<Found<P>>,
}

/// What a state calls itself.
pub const STATE_SCHEMA: &str = "volact-fuzz-state/1";

/// Cases that are kept.
pub(super) const MAX_CORPUS: usize = 1024;
/// Features that are kept.
pub(super) const MAX_FEATURES: usize = 1 << 16;

impl<P: Clone + Serialize + DeserializeOwned> State<P> {
    /// A run that has not begun.
    #[must_use]
    pub fn new(target: &str, seed: u64, epoch: u64) -> Self {
        Self {
            schema: STATE_SCHEMA.to_owned(),
            target: target.to_owned(),
            seed,
            epoch: epoch.max(1),
            done: 0,
            corpus: Vec::new(),
            joined: 0,
            features: BTreeSet::new(),
            ruled: Ruled::default(),
            looked: BTreeMap::new(),
            unrepeated: 0,
            found: Vec::new(),
        }
    }

    /// Reads a state.
    ///
    /// # Errors
    /// It is no JSON, another schema's, or of another target.
    pub fn parse(text: &str, target: &str) -> Result<Self, CaseFileError> {
        let (schema, of) = schema_of(text)?;
        if schema != STATE_SCHEMA {
            return Err(CaseFileError::new(format!("schema {schema:?}, not {STATE_SCHEMA:?}")));
        }
        if of.as_deref() != Some(target) {
            return Err(CaseFileError::new(format!(
                "a run of {:?}, not of {target:?}",
                of.unwrap_or_default()
            )));
        }
        let state: Self =
            serde_json::from_str(text).map_err(|error| CaseFileError::new(error.to_string()))?;
        if state.epoch == 0 {
            return Err(CaseFileError::new("epochs of no cases"));
        }
        match state.found.iter().find(|found| !is_id(&found.id)) {
            Some(found) => Err(CaseFileError::new(format!("{:?} is no id", found.id))),
            None => Ok(state),
        }
    }

    /// As it stands in a file.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Strings and numbers cannot fail to be written.
        serde_json::to_string(self).map(|text| text + "\n").unwrap_or_default()
    }

    /// Takes what a case has shown; true where some of it was new.
    pub(super) fn learn(&mut self, features: &[u64]) -> bool {
        let mut is_new = false;
        for feature in features {
            if self.features.len() < MAX_FEATURES {
                is_new |= self.features.insert(*feature);
            }
        }
        is_new
    }

    /// Keeps a case.
    pub(super) fn keep(&mut self, plan: P) {
        if self.corpus.len() < MAX_CORPUS {
            self.corpus.push(plan);
        } else {
            let place = usize::try_from(self.joined).unwrap_or_default() % MAX_CORPUS;
            self.corpus[place] = plan;
        }
        self.joined += 1;
    }
}
