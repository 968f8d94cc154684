use clap::Args;

use crate::peer::fuzz::shim::ShimTarget;

use super::super::test::{time_text, words};
use super::{Common, FAILED, Subject, USAGE, complain, fuzz, quoted};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    common: Common,
    /// Ask this shim the same, a program and its arguments: what both answer differently is found
    #[arg(long, value_name = "CMD")]
    against: Option<String>,
    /// The shim: a program and its arguments
    #[arg(value_name = "CMD", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    let common = &arguments.common;
    let against = match arguments.against.as_deref().map(|command| (words(command), command)) {
        None => None,
        Some((Some(words), command)) if !words.is_empty() => Some((words, command)),
        Some(_) => {
            complain("--against takes a program and its arguments, and quotation marks come in pairs");
            return USAGE;
        }
    };
    if let Err(code) = common.output.ready() {
        return code;
    }
    let name = arguments.command.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
    let mut front = format!("volact test shim --timeout {}", time_text(common.timeout));
    if let Some((_, command)) = &against {
        front += &format!(" --against {}", quoted(command));
    }
    let against = against.map(|(words, _)| words);
    let target = match ShimTarget::new(arguments.command.clone(), against, common.timeout) {
        Ok(target) => target,
        Err(why) => {
            complain(format_args!("{name}: there is no shim to be fuzzed: {why}"));
            return FAILED;
        }
    };
    let subject = Subject {
        command: "fuzz shim",
        name: &name,
        is_local: true,
        jobs: common.jobs,
        repeat: (format!("{front} --case"), format!(" -- {name}")),
    };
    fuzz(&target, common, &subject)
}
