use std::path::PathBuf;

use clap::Args;

use crate::conformance::{Run, Suite};
use crate::peer::fuzz::again;
use crate::peer::fuzz::shim::ShimTarget;
use crate::peer::shim::{self, Case, Plan, Process};

use super::super::{FAILED, USAGE, complain};
use super::{Common, done, list, quoted, saved_cases, time_text, words};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    common: Common,
    /// Do only these cases, which `volact fuzz shim` has saved
    #[arg(long, value_name = "FILE")]
    case: Vec<PathBuf>,
    /// Hold the answers to saved cases against those of this shim, a program and its arguments
    #[arg(long, value_name = "CMD", requires = "case")]
    against: Option<String>,
    /// The shim: a program and its arguments
    #[arg(
        value_name = "CMD",
        required_unless_present = "list",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    command: Vec<String>,
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    let common = &arguments.common;
    let known: Vec<&str> = shim::cases().map(|case| case.id).collect();
    let tags = shim::cases().flat_map(|case| case.tags.iter().copied().chain([case.group])).collect();
    if let Some(pattern) = common.selection.idle(&known, &tags) {
        complain(format_args!("{pattern:?} is no case's id or tag; `volact test shim --list` lists them"));
        return USAGE;
    }
    let chosen = chosen(common);
    if common.list {
        return list(chosen.iter().map(|case| (case.id, case.level.name(), case.title)));
    }
    if let Err(code) = common.output.ready() {
        return code;
    }
    let command: Vec<String> = arguments.command.iter().map(|word| quoted(word)).collect();
    let command = command.join(" ");
    if !arguments.case.is_empty() {
        return saved(arguments, &command);
    }
    let front =
        format!("volact test shim --seed {} --timeout {} --only ", common.seed, time_text(common.timeout));
    let plan =
        Plan { seed: common.seed, repeats: common.repeat.into(), repeat: (front, format!(" -- {command}")) };
    let mut process = Process::new(arguments.command.clone(), common.timeout);
    let cases = shim::test(&mut process, chosen, &plan);
    let done = done(&cases);
    let run = Run {
        command: "test shim".to_owned(),
        subject: command.clone(),
        seed: Some(common.seed),
        suites: vec![Suite { name: command, cases, hosts: Vec::new() }],
        ..Run::default()
    };
    common.output.finish(run, |id| done.contains(id))
}

/// Does cases that were saved by fuzzing.
fn saved(arguments: &Arguments, command: &str) -> u8 {
    let common = &arguments.common;
    let files = match saved_cases(&arguments.case, "shim") {
        Ok(files) => files,
        Err(code) => return code,
    };
    let mut front = format!("volact test shim --timeout {}", time_text(common.timeout));
    if let Some(against) = &arguments.against {
        front += &format!(" --against {}", quoted(against));
    }
    let against = match arguments.against.as_deref().map(words) {
        None => None,
        Some(Some(words)) if !words.is_empty() => Some(words),
        Some(_) => {
            complain("--against takes a program and its arguments, and quotation marks come in pairs");
            return USAGE;
        }
    };
    let target = match ShimTarget::new(arguments.command.clone(), against, common.timeout) {
        Ok(target) => target,
        Err(why) => {
            complain(format_args!("{command}: there is no shim to be tested: {why}"));
            return FAILED;
        }
    };
    let cases: Vec<_> = files
        .iter()
        .map(|(path, file)| {
            let repeat = format!("{front} --case {} -- {command}", quoted(&path.to_string_lossy()));
            again(&target, file, repeat).0
        })
        .collect();
    let done = done(&cases);
    let run = Run {
        command: "test shim".to_owned(),
        subject: command.to_owned(),
        suites: vec![Suite { name: command.to_owned(), cases, hosts: Vec::new() }],
        ..Run::default()
    };
    common.output.finish(run, |id| done.contains(id))
}

/// The cases that are meant, in their order.
fn chosen(common: &Common) -> Vec<&'static Case> {
    shim::cases()
        .filter(|case| common.selection.takes(case.id, case.tags.iter().copied().chain([case.group])))
        .enumerate()
        .filter(|(place, _)| common.shard.is_none_or(|shard| shard.takes(*place)))
        .map(|(_, case)| case)
        .collect()
}
