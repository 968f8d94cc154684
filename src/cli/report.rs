use std::fs;
use std::io;
use std::path::PathBuf;

use clap::Args;

use crate::conformance::Run;

use super::output::Output;
use super::{FAILED, complain};

#[derive(Args)]
pub(super) struct Arguments {
    /// Results as JSON Lines (`--format jsonl` of `check` and `test`); several runs are shown side by side; `-` is standard
    /// input
    #[arg(required = true, value_name = "RESULTS")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    let mut runs = Vec::new();
    for file in &arguments.files {
        let name = file.display();
        let text =
            if file.as_os_str() == "-" { io::read_to_string(io::stdin()) } else { fs::read_to_string(file) };
        let text = match text {
            Ok(text) => text,
            Err(error) => {
                complain(format_args!("{name}: {error}"));
                return FAILED;
            }
        };
        match Run::read_jsonl(&text) {
            Ok(read) if read.is_empty() => {
                complain(format_args!("{name}: no results in it"));
                return FAILED;
            }
            Ok(read) => runs.extend(read),
            Err(error) => {
                complain(format_args!("{name}: {error}"));
                return FAILED;
            }
        }
    }
    // A case that some run has was selected in it.
    arguments.output.finish_all(&mut runs, |_| true)
}
