//! `volact test`: one file a subcommand, and here what they share.

mod client;
mod host;
mod shim;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Subcommand};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::capture::Dialogue;
use crate::conformance::{CaseResult, Verdict};
use crate::peer::fuzz::CaseFile;
use crate::report::results::decode_pdu;
use crate::wire::parse_hex;

pub(super) use client::{CLIENT_LISTEN, how_to_point, words};
pub(super) use host::{address as host_address, host_against};

use super::output::Output;
use super::selection::Selection;
use super::{FAILED, USAGE, complain};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Drive a KMS host case by case, and judge what it does
    Host(host::Arguments),
    /// Play a KMS host on this machine, right and wrong, and judge the client that connects
    Client(client::Arguments),
    /// Ask any implementation, in any language, as a process behind the contract of docs/shim.md
    Shim(shim::Arguments),
}

/// What all tests of live peers take.
#[derive(Args)]
pub(super) struct Common {
    #[command(flatten)]
    pub(super) selection: Selection,
    /// List the cases that would be done, and stop
    #[arg(long)]
    pub(super) list: bool,
    /// Only every N-th case, from the I-th on: 1/3, 2/3 and 3/3 are all of them together
    #[arg(long, value_name = "I/N")]
    pub(super) shard: Option<Shard>,
    /// What is random follows from this number
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(super) seed: u64,
    /// How long the peer may take for anything: 5s, 500ms
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = time)]
    pub(super) timeout: Duration,
    /// Cases at a time
    #[arg(long, value_name = "COUNT", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(super) jobs: u16,
    /// Do each case so often; outcomes that differ are flaky
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(super) repeat: u16,
    /// Write the packets of each case that does not pass into a file of its own in this folder
    #[arg(long, value_name = "FOLDER")]
    pub(super) pcapng: Option<PathBuf>,
    #[command(flatten)]
    pub(super) output: Output,
}

/// A part of all cases.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shard {
    /// Which one, from 1.
    number: usize,
    /// Of how many.
    of: usize,
}

impl Shard {
    /// True where the case at this place, from 0, is in it.
    pub(super) fn takes(self, place: usize) -> bool {
        place % self.of == self.number - 1
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers =
            text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((number, of)) if (1..=of).contains(&number) => Ok(Self { number, of }),
            _ => Err("a shard is I/N, with I from 1 to N".to_owned()),
        }
    }
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    match &arguments.what {
        What::Host(arguments) => host::run(arguments),
        What::Client(arguments) => client::run(arguments),
        What::Shim(arguments) => shim::run(arguments),
    }
}

pub(super) fn time(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: u32 = number.parse().map_err(|_| "a time is a number and s or ms".to_owned())?;
    let time = match unit {
        "s" | "" => Duration::from_secs(number.into()),
        "ms" => Duration::from_millis(number.into()),
        _ => return Err("a time is a number and s or ms".to_owned()),
    };
    if time.is_zero() || time > MAX_TIMEOUT { Err("a time from 1 ms to 1 hour".to_owned()) } else { Ok(time) }
}

/// As [`time`], of any length: hours and minutes as well.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor = match unit {
        "m" => 60,
        "h" => 3600,
        _ => return time(text),
    };
    let number: u64 = number.parse().map_err(|_| "a time is a number and h, m, s or ms".to_owned())?;
    let seconds = number.checked_mul(factor).filter(|seconds| (1..=MAX_TIME).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| "a time up to a year".to_owned())
}

/// Seconds of a year.
const MAX_TIME: u64 = 365 * 24 * 3600;
const MAX_TIMEOUT: Duration = Duration::from_secs(3600);

/// What stands in a command for a timeout.
pub(super) fn time_text(time: Duration) -> String {
    if time.subsec_millis() == 0 { format!("{}s", time.as_secs()) } else { format!("{}ms", time.as_millis()) }
}

/// Shows cases as `--list` does: id, level and title.
fn list<'a>(cases: impl Iterator<Item = (&'a str, &'a str, &'a str)>) -> u8 {
    let text: String = cases.map(|(id, level, title)| format!("{id:34} {level:8} {title}\n")).collect();
    match io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => super::FINE,
        Err(_) => FAILED,
    }
}

/// Decodes what a case that does not pass has sent and received.
pub(super) fn decode(result: &mut CaseResult) {
    if matches!(result.verdict, Verdict::Pass | Verdict::Skipped) {
        return;
    }
    let decoded = |hex: &str| parse_hex(hex).map_or_else(|_| Vec::new(), |bytes| decode_pdu(&bytes));
    for line in result.transcript.iter_mut().filter(|line| !line.hex.is_empty()) {
        line.decoded = decoded(&line.hex);
    }
    for breach in result.breaches.iter_mut().filter(|breach| !breach.hex.is_empty()) {
        breach.decoded = decoded(&breach.hex);
    }
}

/// The cases that were done: of those that were not, a baseline may expect what it likes.
fn done(cases: &[CaseResult]) -> HashSet<String> {
    cases.iter().filter(|case| case.verdict != Verdict::Skipped).map(|case| case.id.clone()).collect()
}

/// Reads cases of this target that were saved by fuzzing.
fn saved_cases<'a, P: Serialize + DeserializeOwned>(
    paths: &'a [PathBuf],
    target: &str,
) -> Result<Vec<(&'a Path, CaseFile<P>)>, u8> {
    let read = |path: &'a PathBuf| {
        let complain_of =
            |error: &dyn std::fmt::Display| complain(format_args!("{}: {error}", path.display()));
        let text = fs::read_to_string(path).map_err(|error| {
            complain_of(&error);
            FAILED
        })?;
        let file = CaseFile::parse(&text, target).map_err(|error| {
            complain_of(&error);
            USAGE
        })?;
        Ok((path.as_path(), file))
    };
    paths.iter().map(read).collect()
}

/// Writes the connections of a case into a file of this folder; false where that failed.
pub(super) fn write_dialogues(folder: &Path, id: &str, dialogues: &[Dialogue]) -> bool {
    let path = folder.join(format!("{id}.pcapng"));
    let written = fs::create_dir_all(folder).and_then(|()| {
        let mut out = BufWriter::new(File::create(&path)?);
        Dialogue::write(dialogues, &mut out, &format!("volact, case {id}"))?;
        out.flush()
    });
    match written {
        Ok(()) => true,
        Err(error) => {
            complain(format_args!("{}: {error}", path.display()));
            false
        }
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+{}".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
