use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::conformance::{BaselineReport, CaseResult, Identity, Run, Suite, exit_code};

use super::{ResultLook, counts};

/// Name and version of the records' schema, `docs/results.md`. The number grows when a field goes or changes its
/// meaning; a new field does not change it.
pub const RESULTS_SCHEMA: &str = "volact-results/1";

/// Results that are none, and where.
#[derive(Debug)]
pub struct ResultsError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub message: String,
}

/// A line: its names are the schema's.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line {
    Run(Head),
    Case {
        suite: String,
        #[serde(flatten)]
        case: CaseResult,
    },
    Host {
        suite: String,
        #[serde(flatten)]
        identity: Identity,
    },
    Summary(Tail),
}

#[derive(Serialize, Deserialize)]
struct Head {
    schema: String,
    command: String,
    #[serde(default)]
    subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct Tail {
    /// In the order of their names, whatever else in the program wants of `serde_json`.
    verdicts: BTreeMap<String, serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    baseline: Option<BaselineReport>,
    strict: bool,
    exit_code: u8,
}

pub(super) fn render(runs: &[Run], look: ResultLook) -> String {
    let mut out = String::new();
    let mut put = |line: &Line| {
        // Nothing in a record can fail to be written: it is text, numbers and lists of them.
        if let Ok(line) = serde_json::to_string(line) {
            out.push_str(&line);
            out.push('\n');
        }
    };
    for run in runs {
        put(&Line::Run(Head {
            schema: RESULTS_SCHEMA.to_owned(),
            command: run.command.clone(),
            subject: run.subject.clone(),
            seed: run.seed,
        }));
        for suite in &run.suites {
            for case in &suite.cases {
                put(&Line::Case { suite: suite.name.clone(), case: case.clone() });
            }
            for identity in &suite.hosts {
                put(&Line::Host { suite: suite.name.clone(), identity: identity.clone() });
            }
        }
        put(&Line::Summary(Tail {
            verdicts: counts(run).into_iter().map(|(name, count)| (name.to_owned(), count.into())).collect(),
            baseline: run.baseline.clone(),
            strict: look.strict,
            exit_code: exit_code(run, look.strict),
        }));
    }
    out
}

impl Run {
    /// Reads what was rendered as JSON Lines: the runs in it. Lines of other types are left out: later versions have them.
    ///
    /// # Errors
    /// A line is no JSON, or is no record of results, or stands in front of its run's.
    pub fn read_jsonl(text: &str) -> Result<Vec<Self>, ResultsError> {
        let mut runs: Vec<Self> = Vec::new();
        for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
            let wrong = |message: String| ResultsError { line, message };
            let value: serde_json::Value =
                serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
            match value.get("type").and_then(serde_json::Value::as_str) {
                Some("run" | "case" | "host" | "summary") => {}
                Some(_) => continue,
                None => return Err(wrong("no record of results: it has no type".to_owned())),
            }
            let record: Line = serde_json::from_value(value).map_err(|error| wrong(error.to_string()))?;
            if let Line::Run(head) = record {
                if head.schema != RESULTS_SCHEMA {
                    return Err(wrong(format!("schema {:?}, not {RESULTS_SCHEMA:?}", head.schema)));
                }
                let Head { command, subject, seed, .. } = head;
                runs.push(Self { command, subject, seed, ..Self::default() });
                continue;
            }
            let run = runs.last_mut().ok_or_else(|| wrong("a record in front of its run's".to_owned()))?;
            match record {
                Line::Case { suite, case } => run.suite(suite).cases.push(case),
                Line::Host { suite, identity } => run.suite(suite).hosts.push(identity),
                Line::Summary(tail) => {
                    run.strict = tail.strict;
                    run.baseline = tail.baseline;
                }
                Line::Run(_) => {}
            }
        }
        Ok(runs)
    }

    /// The last suite, or a new one where that has another name.
    fn suite(&mut self, name: String) -> &mut Suite {
        let is_last = self.suites.last().is_some_and(|suite| suite.name == name);
        if !is_last {
            self.suites.push(Suite { name, ..Suite::default() });
        }
        let last = self.suites.len() - 1;
        &mut self.suites[last]
    }
}

impl fmt::Display for ResultsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for ResultsError {}
