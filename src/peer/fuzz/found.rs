use serde::{Deserialize, Serialize};

use crate::conformance::{BreachRecord, CaseResult, TranscriptLine, Verdict};

use super::case_file::{CASE_SCHEMA, CaseFile};

/// Something that is wrong with a peer: a case that shows it, as small as it gets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found<P> {
    /// Its id: `FUZZ-HOST-ENDS-REQUEST-ACTIVATION-N-POLICY`. What has the same id is the same finding.
    pub id: String,
    /// The id of the sign that shows it.
    pub sign: String,
    /// What it is about, in a few words.
    pub title: String,
    /// `must` or `should`.
    pub level: String,
    /// Who says that it is wrong.
    pub authority: String,
    /// What was found, in one line.
    pub message: String,
    /// The breach, where it is one of a rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breach: Option<Box<BreachRecord>>,
    /// The number of the case that showed it first.
    pub number: u64,
    /// How often it showed again, and of how many times.
    pub again: (u32, u32),
    /// Cases that were done to make it smaller.
    pub tries: u32,
    /// The case.
    pub plan: P,
    /// What was sent and received in it.
    pub transcript: Vec<TranscriptLine>,
}

impl<P: Clone> Found<P> {
    /// The result of it; `repeat` is the command that does its case again.
    #[must_use]
    pub fn result(&self, repeat: String) -> CaseResult {
        let is_flaky = self.again.0 < self.again.1;
        let verdict = match &*self.level {
            _ if is_flaky => Verdict::Flaky,
            "must" => Verdict::Fail,
            "should" => Verdict::Should,
            _ => Verdict::Remark,
        };
        let message = match self.again {
            (shown, of) if shown < of => {
                format!("shown in case {}, and {shown} of {of} times again: {}", self.number, self.message)
            }
            _ => self.message.clone(),
        };
        CaseResult {
            id: self.id.clone(),
            title: self.title.clone(),
            family: "fuzz".to_owned(),
            level: self.level.clone(),
            authority: self.authority.clone(),
            verdict,
            message,
            checked: 1,
            broken: 1,
            breaches: self.breach.as_deref().cloned().into_iter().collect(),
            transcript: self.transcript.clone(),
            repeat,
            ..CaseResult::default()
        }
    }

    /// The case, to be saved.
    #[must_use]
    pub fn case_file(&self, target: &str, seed: u64) -> CaseFile<P> {
        CaseFile {
            schema: CASE_SCHEMA.to_owned(),
            target: target.to_owned(),
            id: self.id.clone(),
            title: self.title.clone(),
            sign: self.sign.clone(),
            seed,
            number: self.number,
            plan: self.plan.clone(),
        }
    }
}
