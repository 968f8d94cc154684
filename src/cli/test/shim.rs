use clap::Args;

use crate::conformance::{Run, Suite};
use crate::peer::shim::{self, Case, Plan, Process};

use super::super::{USAGE, complain};
use super::{Common, done, list, quoted, time_text};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    common: Common,
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

/// The cases that are meant, in their order.
fn chosen(common: &Common) -> Vec<&'static Case> {
    shim::cases()
        .filter(|case| common.selection.takes(case.id, case.tags.iter().copied().chain([case.group])))
        .enumerate()
        .filter(|(place, _)| common.shard.is_none_or(|shard| shard.takes(*place)))
        .map(|(_, case)| case)
        .collect()
}
