//! A shim is fuzzed: cases are questions of the contract, right ones and changed ones, and our own implementation says what
//! has to be answered; or two shims are asked the same, and what they answer differently is a finding.
//!
//! Each question stands for itself: a case that shows something shows it alone, whatever was asked before.

mod answer;
mod make;
mod plan;
mod smaller;

pub use plan::Plan;

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::conformance::TranscriptLine;
use crate::peer::gone::memory;
use crate::peer::shim::{
    Answer, Case, FIRST, Failure, Fields, OPERATIONS, Own, Process, Query, Shim as _, UNKNOWN, cases,
    transcript,
};
use crate::wire::Random;

use super::target::{Outcome, Shown, Sign, Target};
use answer::{difference, failure, number, told, word};

/// A shim that is fuzzed.
#[derive(Debug)]
pub struct ShimTarget {
    shim: Pool,
    /// The one whose answers are held against its.
    against: Option<Pool>,
    /// Cases whose questions are asked: of the operations that are implemented.
    cases: Vec<&'static Case>,
}

/// Processes of one shim that wait to be asked.
#[derive(Debug)]
struct Pool {
    command: Vec<String>,
    timeout: Duration,
    idle: Mutex<Vec<Process>>,
}

/// Cases of a batch.
const BATCH: usize = 32;

impl ShimTarget {
    /// A shim, and another one whose answers are held against its. Which operations they implement is asked of them now.
    ///
    /// # Errors
    /// One of them does not start, does not say hello, or implements what does not exist; or both together do nothing.
    pub fn new(
        command: Vec<String>,
        against: Option<Vec<String>>,
        timeout: Duration,
    ) -> Result<Self, String> {
        let pool = |command| Pool { command, timeout, idle: Mutex::default() };
        let (shim, against) = (pool(command), against.map(pool));
        let mut asked: Vec<(String, bool)> = Vec::new();
        for pool in [Some(&shim), against.as_ref()].into_iter().flatten() {
            pool.says_hello()?;
        }
        let mut chosen = Vec::new();
        for case in cases().filter(|case| case.id != UNKNOWN.id) {
            let query = case.query(&mut Random::new(0, case.id));
            let known = asked.iter().find(|(op, _)| op == query.op).map(|(_, is_done)| *is_done);
            let is_done = known.unwrap_or_else(|| {
                let is_done = [Some(&shim), against.as_ref()]
                    .into_iter()
                    .flatten()
                    .all(|pool| pool.ask(&query).0 != Ok(Answer::Unimplemented));
                asked.push((query.op.to_owned(), is_done));
                is_done
            });
            if is_done {
                chosen.push(case);
            }
        }
        let does_something = asked.iter().any(|(op, is_done)| *is_done && op != "echo");
        if !does_something {
            return Err("it implements nothing that could be asked".to_owned());
        }
        Ok(Self { shim, against, cases: chosen })
    }

    /// Asks a question; with all lines.
    fn judged(&self, plan: &Plan, known: &BTreeSet<String>) -> Shown {
        let mut shown = Shown::default();
        let outcome = &mut shown.outcome;
        let Some(query) = plan.query() else { return shown };
        let Ok(reference) = Own::answer(&query) else { return shown };
        let (answer, lines) = self.shim.ask(&query);
        shown.transcript = lines;
        let place = OPERATIONS.iter().position(|op| *op == plan.op).unwrap_or_default();
        let what = |answer: &Result<Answer, Failure>| answer.as_ref().map_or(4, number);
        let bytes = query.line(0).len().ilog2();
        let features = [20, place as u64, number(&reference), what(&answer)];
        outcome.features =
            vec![super::host::number(&features), super::host::number(&[21, features[1], bytes.into()])];
        let mut signs = Vec::new();
        match (&answer, &self.against) {
            (Err(failed), _) => {
                outcome.stops = matches!(failed, Failure::Start(_));
                signs.push(failure(plan, failed));
            }
            (Ok(answer), None) => {
                let found = difference(plan, &reference, answer);
                signs.extend(found.map(|found| {
                    let sign =
                        Sign::new(found.id, format!("{}: {}", plan.op, title(&found.message)), found.message);
                    Sign { authority: RIGHT.to_owned(), ..sign.at(found.level) }
                }));
            }
            (Ok(_), Some(_)) => {}
        }
        if let (Some(against), Ok(answer)) = (&self.against, &answer) {
            let (other, lines) = against.ask(&query);
            shown.transcript.push(said("the other one is asked"));
            shown.transcript.extend(lines);
            outcome.features.push(super::host::number(&[22, features[1], what(&other)]));
            signs.extend(diverges(plan, &reference, answer, &other));
        }
        signs.retain(|sign| !known.contains(&sign.id));
        outcome.signs = signs;
        shown
    }
}

/// How the answers of two shims differ.
fn diverges(
    plan: &Plan,
    reference: &Answer,
    first: &Answer,
    other: &Result<Answer, Failure>,
) -> Option<Sign> {
    let op = word(&plan.op);
    let title = format!("{}: both answer the same", plan.op);
    let other = match other {
        Ok(other) => other,
        Err(failed) => {
            let sign = failure(plan, failed);
            let message = format!("the first {}; the other: {}", told(first), sign.message);
            return Some(Sign { id: format!("AGAINST-{}", sign.id), title, message, ..sign });
        }
    };
    let (one, two) = (comparable(reference, first, other), comparable(reference, other, first));
    let found = difference(plan, &one, other).or_else(|| difference(plan, &two, first))?;
    let agrees = |answer| difference(plan, reference, answer).is_none();
    let whose = match (agrees(first), agrees(other)) {
        (true, false) => "volact agrees with the first",
        (false, true) => "volact agrees with the other",
        (true, true) => "volact agrees with both",
        (false, false) => "volact agrees with neither",
    };
    let message = match (first, other) {
        (Answer::Done(_), Answer::Done(_)) => {
            format!("of the other, {}, as the first has it; {whose}", found.message)
        }
        _ => format!("the first {}, the other {}; {whose}", told(first), told(other)),
    };
    let kind = found.id.strip_prefix("NAMES-").map_or("", |_| "-CHECK");
    let behind = found.id.split_once(&*op).map_or("", |(_, behind)| behind);
    let sign = Sign::new(format!("DIVERGES-{op}{kind}{behind}"), title, message).at(found.level);
    Some(Sign { authority: "volact: the other shim's answer, and its own".to_owned(), ..sign })
}

/// An answer with those fields only that the contract has, or that both have: what one adds of its own is passed over.
fn comparable(reference: &Answer, answer: &Answer, other: &Answer) -> Answer {
    let (Answer::Done(fields), Answer::Done(others)) = (answer, other) else { return answer.clone() };
    let is_wanted = |name: &str| match reference {
        Answer::Done(wanted) => wanted.value(name).is_some(),
        _ => others.value(name).is_some() && !matches!(name, "id" | "ok" | "detail" | "name"),
    };
    let kept = fields.iter().filter(|(name, _)| is_wanted(name));
    Answer::Done(
        kept.fold(Fields::default(), |kept, (name, value)| kept.with(name.to_owned(), value.clone())),
    )
}

const RIGHT: &str = "volact: docs/shim.md, as its own implementation answers";

/// What a message demands, without its values.
fn title(message: &str) -> &'static str {
    match message {
        message if message.starts_with("accepted") => "what is wrong is refused",
        message if message.contains("should be accepted") => "what is right is accepted",
        message if message.starts_with("refused") => "the check that does not hold is named",
        _ => "the right fields are answered",
    }
}

impl Pool {
    /// Asks a process that waits, or a new one: the answer, and the lines.
    fn ask(&self, query: &Query) -> (Result<Answer, Failure>, Vec<TranscriptLine>) {
        let idle = self.idle().pop();
        let mut process = idle.unwrap_or_else(|| Process::new(self.command.clone(), self.timeout));
        let answer = process.ask(query);
        let lines = transcript(process.take_lines());
        self.idle().push(process);
        (answer, lines)
    }

    fn says_hello(&self) -> Result<(), String> {
        let hello = |case: &Case| self.ask(&case.query(&mut Random::new(0, case.id))).0;
        match hello(&FIRST) {
            Ok(Answer::Done(_)) => {}
            Ok(_) => return Err("it does not give back bytes".to_owned()),
            Err(failed) => return Err(failed.to_string()),
        }
        match hello(&UNKNOWN) {
            Ok(Answer::Unimplemented) => Ok(()),
            Ok(_) => Err("it claims to do what does not exist".to_owned()),
            Err(failed) => Err(failed.to_string()),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Process>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn said(what: &str) -> TranscriptLine {
    TranscriptLine {
        connection: 0,
        direction: String::new(),
        what: what.to_owned(),
        hex: String::new(),
        decoded: Vec::new(),
    }
}

impl Target for ShimTarget {
    type Plan = Plan;

    fn name(&self) -> &'static str {
        "shim"
    }

    fn batch(&self) -> usize {
        BATCH
    }

    fn make(&self, random: &mut Random, corpus: &[Plan]) -> Plan {
        make::plan(random, corpus, &self.cases)
    }

    fn run(&self, plans: &[Plan], known: &BTreeSet<String>) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(plans.len());
        for plan in plans {
            outcomes.push(self.judged(plan, known).outcome);
            if outcomes.last().is_some_and(|outcome| outcome.stops) {
                break;
            }
        }
        outcomes
    }

    fn alone(&self, plan: &Plan) -> Shown {
        self.judged(plan, &BTreeSet::new())
    }

    fn joined(&self, _: &[Plan]) -> Option<Plan> {
        None
    }

    fn simpler(&self, plan: &Plan, _: &Sign) -> Vec<Plan> {
        smaller::simpler(plan)
    }

    fn essence(&self, _: &Plan) -> String {
        String::new()
    }

    fn is_alive(&self) -> Result<(), Sign> {
        [Some(&self.shim), self.against.as_ref()]
            .into_iter()
            .flatten()
            .try_for_each(Pool::says_hello)
            .map_err(|why| Sign::new("ALIVE", "the shim gives back bytes", why))
    }

    fn restart(&self) -> Result<(), String> {
        // A process that has ended is started again by whoever asks next.
        self.is_alive().map_err(|sign| sign.message)
    }

    /// Of the process that holds most.
    fn memory(&self) -> Option<u64> {
        [Some(&self.shim), self.against.as_ref()]
            .into_iter()
            .flatten()
            .flat_map(|pool| pool.idle().iter().filter_map(Process::id).collect::<Vec<_>>())
            .filter_map(memory)
            .max()
    }
}
