//! `volact fuzz`: one file a subcommand, and here what they share.

mod client;
mod host;
mod shim;
mod status;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::capture::Dialogue;
use crate::conformance::{CaseResult, Run, Suite, Verdict};
use crate::peer::fuzz::{self, Ears, Found, Limits, Options, Progress, State, Summary, Target};

use super::output::Output;
use super::test::{decode, duration, time, write_dialogues};
use super::{FAILED, USAGE, complain, quoted};
use status::Status;

#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Fuzz a KMS host: sequences of PDUs, right and changed behind the crypto
    Host(host::Arguments),
    /// Play a KMS host on this machine, and fuzz the client that connects with answers that were changed
    Client(client::Arguments),
    /// Fuzz any implementation, in any language, as a process behind the contract of docs/shim.md
    Shim(shim::Arguments),
}

/// What all kinds of fuzzing take.
#[derive(Args)]
pub(super) struct Common {
    /// What is done follows from this number
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(super) seed: u64,
    /// End after this time: 60s, 10m, 8h (60s, unless --cases says when)
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) time: Option<Duration>,
    /// End after so many cases, those of the run that is resumed counted
    #[arg(long, value_name = "COUNT")]
    pub(super) cases: Option<u64>,
    /// How long the peer may take for anything: 2s, 500ms
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = time)]
    pub(super) timeout: Duration,
    /// Batches of cases at a time; their number changes no case
    #[arg(long, value_name = "COUNT", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(super) jobs: u16,
    /// Cases in a second at most (no limit on this machine, 100 elsewhere)
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) rate: Option<u64>,
    /// How far the peer's memory may grow, in MiB, once it is warm
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    pub(super) memory: u64,
    /// Cases that may be done to make one smaller
    #[arg(long, value_name = "COUNT", default_value_t = 400)]
    pub(super) tries: u32,
    /// Write each finding into this folder: a case for `volact test`, and a pcapng
    #[arg(long, value_name = "FOLDER")]
    pub(super) findings: Option<PathBuf>,
    /// Keep in this file what it takes to go on
    #[arg(long, value_name = "FILE")]
    pub(super) state: Option<PathBuf>,
    /// Go on from such a file, as if there had been no end; its seed is taken
    #[arg(long, value_name = "FILE")]
    pub(super) resume: Option<PathBuf>,
    /// Cases of an epoch, at the end of which those that showed something new join the corpus
    #[arg(long, value_name = "COUNT", default_value_t = 1024, hide = true)]
    pub(super) epoch: u64,
    #[command(flatten)]
    pub(super) output: Output,
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    match &arguments.what {
        What::Host(arguments) => host::run(arguments),
        What::Client(arguments) => client::run(arguments),
        What::Shim(arguments) => shim::run(arguments),
    }
}

/// How a run ends that says neither when nor behind what.
const TIME: Duration = Duration::from_secs(60);
/// Cases in a second against another machine, where nothing else is said.
const REMOTE_RATE: u64 = 100;
/// The time between two states that are written.
const KEEPING: Duration = Duration::from_secs(5);

/// What a subcommand adds to what is shared.
pub(super) struct Subject<'a> {
    /// `fuzz host`.
    pub(super) command: &'a str,
    /// What is fuzzed, as it was named.
    pub(super) name: &'a str,
    /// True where it is on this machine.
    pub(super) is_local: bool,
    /// Batches of cases at a time.
    pub(super) jobs: u16,
    /// The command that does a saved case again: what stands in front of the file's name and behind it.
    pub(super) repeat: (String, String),
}

/// Fuzzes a target that is there, and tells what came of it.
pub(super) fn fuzz<T: Target>(target: &T, common: &Common, subject: &Subject<'_>) -> u8 {
    let mut state = match begun(target, common) {
        Ok(state) => state,
        Err(code) => return code,
    };
    let time = common.time.or(common.cases.is_none().then_some(TIME));
    let limits = Limits { cases: common.cases, time };
    let options = Options {
        jobs: subject.jobs.into(),
        rate: common.rate.or((!subject.is_local).then_some(REMOTE_RATE)),
        tries: common.tries,
        growth: common.memory.saturating_mul(1 << 20),
    };
    let mut keeper =
        Keeper { common, target: target.name(), seed: state.seed, is_written: true, kept: None, state: None };
    if let Some(folder) = &common.findings
        && let Err(error) = fs::create_dir_all(folder)
    {
        complain(format_args!("{}: {error}", folder.display()));
        return FAILED;
    }
    let progress = Progress::default();
    let status = Status::start(&progress);
    let summary = fuzz::run(target, &mut state, &options, limits, &progress, &mut keeper);
    drop(status);
    keeper.keep_last();
    complain(status::line(&progress, summary.elapsed));
    if let Some(why) = &summary.broken {
        complain(format_args!("it ended early: {why}"));
    }
    let is_written = keeper.is_written;
    let run = results(&state, &summary, common, subject, &progress);
    let ids: HashSet<String> = state.found.iter().map(|found| found.id.clone()).collect();
    let code = common.output.finish(run, |id| ids.contains(id));
    if is_written { code } else { code.max(FAILED) }
}

/// Where the run begins.
fn begun<T: Target>(target: &T, common: &Common) -> Result<State<T::Plan>, u8> {
    let Some(path) = &common.resume else {
        return Ok(State::new(target.name(), common.seed, common.epoch));
    };
    let text = fs::read_to_string(path).map_err(|error| {
        complain(format_args!("{}: {error}", path.display()));
        FAILED
    })?;
    State::parse(&text, target.name()).map_err(|error| {
        complain(format_args!("{}: {error}", path.display()));
        USAGE
    })
}

/// Writes what is found and how far the run is.
struct Keeper<'a, P> {
    common: &'a Common,
    target: &'static str,
    seed: u64,
    is_written: bool,
    /// When the state was written last.
    kept: Option<Instant>,
    /// The state that was not written yet.
    state: Option<State<P>>,
}

impl<P: Clone + Serialize + DeserializeOwned> Ears<P> for Keeper<'_, P> {
    fn found(&mut self, found: &Found<P>, dialogues: &[Dialogue]) {
        complain(format_args!("{}: {}", found.id, found.message));
        let Some(folder) = &self.common.findings else { return };
        let path = folder.join(format!("{}.json", found.id));
        self.is_written &= write(&path, &found.case_file(self.target, self.seed).to_json());
        if !dialogues.is_empty() {
            self.is_written &= write_dialogues(folder, &found.id, dialogues);
        }
    }

    fn epoch(&mut self, state: &State<P>) {
        if self.common.state.is_none() {
            return;
        }
        self.state = Some(state.clone());
        if self.kept.is_none_or(|kept| kept.elapsed() >= KEEPING) {
            self.keep_last();
        }
    }
}

impl<P: Clone + Serialize + DeserializeOwned> Keeper<'_, P> {
    fn keep_last(&mut self) {
        if let (Some(path), Some(state)) = (&self.common.state, self.state.take()) {
            // Whole or not at all, whatever happens meanwhile.
            let beside = path.with_extension("part");
            let is_written = write(&beside, &state.to_json());
            let moved = if is_written { fs::rename(&beside, path) } else { Ok(()) };
            if let Err(error) = &moved {
                complain(format_args!("{}: {error}", path.display()));
            }
            self.is_written &= is_written && moved.is_ok();
            self.kept = Some(Instant::now());
        }
    }
}

fn write(path: &Path, text: &str) -> bool {
    match fs::write(path, text) {
        Ok(()) => true,
        Err(error) => {
            complain(format_args!("{}: {error}", path.display()));
            false
        }
    }
}

/// The results of a run: one of the run itself, and one of each finding.
fn results<P: Clone>(
    state: &State<P>,
    summary: &Summary,
    common: &Common,
    subject: &Subject<'_>,
    progress: &Progress,
) -> Run {
    let own = CaseResult {
        id: format!("FUZZ-{}", state.target.to_uppercase()),
        title: format!(
            "{} cases, {} states and {} rules reached",
            progress.cases(),
            state.features.len(),
            state.ruled.count()
        ),
        family: "fuzz".to_owned(),
        level: "must".to_owned(),
        authority: "volact: the run itself".to_owned(),
        verdict: if summary.broken.is_some() && state.found.is_empty() {
            Verdict::HarnessError
        } else {
            Verdict::Pass
        },
        message: summary.broken.clone().unwrap_or_default(),
        checked: summary.cases,
        milliseconds: u64::try_from(summary.elapsed.as_millis()).ok(),
        ..CaseResult::default()
    };
    let mut cases = vec![own];
    for found in &state.found {
        let file = match &common.findings {
            Some(folder) => quoted(&folder.join(format!("{}.json", found.id)).to_string_lossy()),
            None => format!("{}.json", found.id),
        };
        let (front, behind) = &subject.repeat;
        let mut result = found.result(format!("{front} {file}{behind}"));
        decode(&mut result);
        cases.push(result);
    }
    Run {
        command: subject.command.to_owned(),
        subject: subject.name.to_owned(),
        seed: Some(state.seed),
        suites: vec![Suite { name: subject.name.to_owned(), cases, hosts: Vec::new() }],
        ..Run::default()
    }
}
