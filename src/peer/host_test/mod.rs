//! Drives a KMS host under test, case by case, and judges what it does: by what each case expects, and by the rules.

mod case;
mod cases;
pub(in crate::peer) mod probe;
mod reply;

pub use case::{Case, Group, Outcome, Problem, Run};
pub use cases::{GROUPS, case, cases};
pub use probe::{Conn, Manner, Offer, Probe, Product};
pub use reply::{Ack, Activation, Reply};

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::capture::Dialogue;
use crate::conformance::{self, CaseResult, Identity, Judge, Level, TranscriptLine, Verdict};
use crate::peer::breaches::{breaches_of, judged};
use crate::peer::repeat::rank;
use crate::trace;
use crate::wire::{Guid, Side};

/// The machine ids (CMID) of all tests, few, so that a genuine host counts three machines more at most, however often it is
/// tested: `00000000-0000-4000-8000-766f6c616301` ("volac", 01) and the two behind it.
pub const TEST_MACHINES: [Guid; 3] = [test_machine(1), test_machine(2), test_machine(3)];

/// The machine id of this number; those behind the third are of the one case that is many machines, and leaves traces.
#[must_use]
pub const fn test_machine(number: u8) -> Guid {
    Guid::from_u128(0x0000_0000_0000_4000_8000_766f_6c61_6300 | number as u128)
}

/// How a host is tested.
#[derive(Clone, Debug)]
pub struct Options {
    /// The host.
    pub host: SocketAddr,
    /// How long it may take for anything.
    pub timeout: Duration,
    /// What is random follows from it.
    pub seed: u64,
    /// Cases at a time.
    pub jobs: usize,
    /// How often each case is done.
    pub repeat: usize,
    /// True where cases that leave traces on a genuine host are done as well.
    pub leaves_traces: bool,
    /// What stands in front of `--only` in the command that repeats a case.
    pub command: String,
}

/// What came out of a case, and its connections as a capture would have them.
#[derive(Clone, Debug)]
pub struct Report {
    /// The result.
    pub result: CaseResult,
    /// True where all was as the case expects it, once at least, whatever rules were broken.
    pub is_as_expected: bool,
    /// Its connections, where it was repeated those of the first of the worst times.
    pub dialogues: Vec<Dialogue>,
}

/// Does these cases, in this order, the results in the same.
///
/// The first and the last of all cases, which are ordinary activations, are done in any case, alone. Where the first
/// fails, there is no host to be tested: the others are skipped. Rules that the host breaks in the first, it breaks
/// everywhere: they make up the verdict of that case, and of the others are listed only.
#[must_use]
pub fn run(chosen: &[&'static Case], options: &Options) -> Vec<Report> {
    let (first, last) = (cases::first(), cases::last());
    let between: Vec<_> =
        chosen.iter().copied().filter(|case| case.id != first.id && case.id != last.id).collect();
    let mut begun = done(first, options, &HashSet::new());
    // Where nobody takes a connection there is nothing to be tested.
    if begun.result.verdict == Verdict::Fail && begun.dialogues.is_empty() {
        begun.result.verdict = Verdict::HarnessError;
    }
    let is_there = begun.is_as_expected;
    let habits = begun.result.breaches.iter().map(|breach| breach.rule.clone()).collect();
    let mut reports = vec![begun];
    if !is_there {
        let message = "not done: the host does not do the first case";
        reports.extend(between.into_iter().chain([last]).map(|case| skipped(case, options, message)));
        return reports;
    }
    reports.extend(in_parallel(&between, options, &habits));
    reports.push(done(last, options, &habits));
    reports
}

/// Who the host seems to be, by all that it has done in these cases.
#[must_use]
pub fn identify(reports: &[Report]) -> Vec<Identity> {
    let dialogues: Vec<Dialogue> =
        reports.iter().flat_map(|report| report.dialogues.iter().cloned()).collect();
    let findings = Judge::new([], 0).packets(&mut Dialogue::packets(&dialogues), &trace::Options::default());
    findings.hosts.iter().map(conformance::identify).collect()
}

fn in_parallel(cases: &[&'static Case], options: &Options, habits: &HashSet<String>) -> Vec<Report> {
    let next = AtomicUsize::new(0);
    let reports: Vec<Mutex<Option<Report>>> = cases.iter().map(|_| Mutex::new(None)).collect();
    thread::scope(|scope| {
        for _ in 0..options.jobs.clamp(1, MAX_JOBS).min(cases.len()) {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::SeqCst);
                    let Some(case) = cases.get(place) else { return };
                    let report = done(case, options, habits);
                    *reports[place].lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
                }
            });
        }
    });
    reports
        .into_iter()
        .filter_map(|report| report.into_inner().unwrap_or_else(PoisonError::into_inner))
        .collect()
}

/// Cases at a time at most.
const MAX_JOBS: usize = 64;

/// Does a case as often as it is to be done.
fn done(case: &'static Case, options: &Options, habits: &HashSet<String>) -> Report {
    if case.leaves_traces && !options.leaves_traces {
        return skipped(case, options, "leaves traces on a genuine host: done with --leave-traces only");
    }
    let mut report = once(case, options, habits);
    let mut verdicts = vec![report.result.verdict];
    for _ in 1..options.repeat {
        let again = once(case, options, habits);
        verdicts.push(again.result.verdict);
        let is_as_expected = report.is_as_expected || again.is_as_expected;
        if rank(again.result.verdict) < rank(report.result.verdict) {
            report = again;
        }
        report.is_as_expected = is_as_expected;
    }
    if verdicts.iter().any(|verdict| *verdict != verdicts[0]) {
        let counted: Vec<_> = Verdict::ALL
            .into_iter()
            .map(|verdict| (verdict, verdicts.iter().filter(|other| **other == verdict).count()))
            .filter(|(_, count)| *count > 0)
            .map(|(verdict, count)| format!("{count} x {}", verdict.name()))
            .collect();
        report.result.message = format!("{}; {}", counted.join(", "), report.result.message);
        report.result.verdict = Verdict::Flaky;
    }
    report
}

/// Does one case once, whether or not there is a host and it leaves traces. Rules that are `habits` of the host change no
/// verdict.
#[must_use]
pub fn once(case: &'static Case, options: &Options, habits: &HashSet<String>) -> Report {
    let begin = Instant::now();
    let mut probe = Probe::new(options, case.id);
    let mut outcome = (case.run)(&mut probe);
    if case.is_hostile && outcome.is_ok() {
        outcome = probe.is_alive().map_err(|problem| Problem {
            verdict: Some(Verdict::Fail),
            ..problem.after("behind this, an ordinary activation fails")
        });
    }
    let is_as_expected = outcome.is_ok();
    let (transcript, dialogues) = probe.finish();
    let mut result = blank(case, options);
    result.milliseconds = u64::try_from(begin.elapsed().as_millis()).ok();
    (result.verdict, result.message) = match outcome {
        Ok(()) => (Verdict::Pass, String::new()),
        Err(problem) => (problem.verdict_at(case.level), problem.message),
    };
    result.transcript = transcript;
    judge(case, &dialogues, habits, &mut result);
    result.checked = 1;
    result.broken = u64::from(!matches!(result.verdict, Verdict::Pass | Verdict::Skipped));
    Report { result, is_as_expected, dialogues }
}

/// Applies the rules to what a case has recorded: those that the host breaks are the case's breaches, and its verdict where
/// it is a worse one and no habit of the host's.
fn judge(case: &Case, dialogues: &[Dialogue], habits: &HashSet<String>, result: &mut CaseResult) {
    for (level, breach) in breaches_of(Side::Server, &judged(dialogues, case.except)) {
        let verdict = if level == Level::Must { Verdict::Fail } else { Verdict::Should };
        if !habits.contains(&breach.rule) && rank(verdict) < rank(result.verdict) {
            result.verdict = verdict;
            result.message = format!("{}: {}", breach.rule, breach.message);
        }
        result.breaches.push(breach);
    }
}

fn skipped(case: &Case, options: &Options, message: &str) -> Report {
    let result = CaseResult { message: message.to_owned(), ..blank(case, options) };
    Report { result, is_as_expected: false, dialogues: Vec::new() }
}

/// A case that was not done yet.
fn blank(case: &Case, options: &Options) -> CaseResult {
    CaseResult {
        id: case.id.to_owned(),
        title: case.title.to_owned(),
        family: cases::group_of(case).map_or("", |group| group.name).to_owned(),
        level: case.level.name().to_owned(),
        authority: case.authority.to_owned(),
        verdict: Verdict::Skipped,
        repeat: format!("{} --only {}", options.command, case.id),
        transcript: Vec::<TranscriptLine>::new(),
        ..CaseResult::default()
    }
}
