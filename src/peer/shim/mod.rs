//! Puts any implementation, in any language, to the test: as a process behind the contract of `docs/shim.md`, cases in
//! and answers out, a line each.
//!
//! What is asked is made for each run, from its seed, and out of fixed vectors; no key and no recorded activation is in
//! it. [`Own`] is our own implementation, asked the same.

mod bodies;
mod case;
mod cases;
mod contract;
mod own;
mod process;

use std::time::Instant;

use crate::conformance::{CaseResult, TranscriptLine, Verdict};
use crate::peer::repeat::repeated;
use crate::wire::Random;

use case::Script;

pub use case::Case;
pub(in crate::peer) use case::is_value;
pub use cases::{FIRST, LAST, UNKNOWN, cases};
pub use contract::{Answer, CONTRACT, Fields, MAX_LINE, OPERATIONS, Query, UNIMPLEMENTED, Value};
pub use own::Own;
pub use process::{Exchanged, Failure, Process, Shim};

/// What a run of cases takes beside the cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The seed of what is asked.
    pub seed: u64,
    /// How often each case is run, once at least.
    pub repeats: u32,
    /// The command that repeats a case: what stands in front of the case's id and behind it.
    pub repeat: (String, String),
}

/// Asks a shim. A sanity case comes first and last, and behind the first an operation that does not exist: a shim that
/// fails the first of them, or claims to do the other, is asked no more.
pub fn test<'a>(
    shim: &mut dyn Shim,
    cases: impl IntoIterator<Item = &'a Case>,
    plan: &Plan,
) -> Vec<CaseResult> {
    let between = cases.into_iter().filter(|case| ![FIRST.id, UNKNOWN.id, LAST.id].contains(&case.id));
    let mut results: Vec<CaseResult> = Vec::new();
    let mut ended: Option<String> = None;
    for case in [&FIRST, &UNKNOWN].into_iter().chain(between).chain([&LAST]) {
        if let Some(why) = &ended {
            results.push(CaseResult { message: why.clone(), verdict: Verdict::Skipped, ..case.result(plan) });
            continue;
        }
        let result = repeated(plan.repeats, || once(shim, case, plan));
        let is_sane = match case.id {
            id if id == FIRST.id => result.verdict == Verdict::Pass,
            id if id == UNKNOWN.id => result.verdict != Verdict::HarnessError,
            _ => true,
        };
        if !is_sane {
            ended = Some(format!("not run: {} did not pass", case.id));
        }
        results.push(result);
    }
    results
}

fn once(shim: &mut dyn Shim, case: &Case, plan: &Plan) -> CaseResult {
    let begin = Instant::now();
    let Script { query, expected } = (case.script)(&mut Random::new(plan.seed, case.id));
    let (verdict, message) = match shim.ask(&query) {
        Ok(answer) => case.judge(&expected, &answer),
        Err(failure) => (Verdict::HarnessError, failure.to_string()),
    };
    let transcript = transcript(shim.take_lines());
    CaseResult {
        broken: u64::from(!matches!(verdict, Verdict::Pass | Verdict::Unimplemented | Verdict::HarnessError)),
        verdict,
        message,
        transcript,
        milliseconds: u64::try_from(begin.elapsed().as_millis()).ok(),
        ..case.result(plan)
    }
}

impl Case {
    /// The result of a case, but for what came out.
    fn result(&self, plan: &Plan) -> CaseResult {
        let (front, behind) = &plan.repeat;
        CaseResult {
            id: self.id.to_owned(),
            title: self.title.to_owned(),
            family: self.group.to_owned(),
            level: self.level.name().to_owned(),
            authority: self.authority.to_owned(),
            checked: 1,
            repeat: format!("{front}{}{behind}", self.id),
            ..CaseResult::default()
        }
    }
}

/// The lines of a case.
pub(in crate::peer) fn transcript(lines: Vec<Exchanged>) -> Vec<TranscriptLine> {
    let line_of = |line| {
        let (direction, what, text) = match line {
            Exchanged::Started => ("", "started".to_owned(), String::new()),
            Exchanged::Asked(line) => ("c2s", "asked".to_owned(), line),
            Exchanged::Answered(line) => ("s2c", "answered".to_owned(), line),
            Exchanged::StandardError(text) => ("", "standard error".to_owned(), text),
            Exchanged::Failed(failure) => ("", failure.to_string(), String::new()),
        };
        TranscriptLine {
            connection: 0,
            direction: direction.to_owned(),
            what,
            hex: String::new(),
            decoded: text.lines().map(str::to_owned).collect(),
        }
    };
    lines.into_iter().map(line_of).collect()
}
