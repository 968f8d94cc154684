//! The program `volact`; all of it is in [`volact::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    volact::cli::run(std::env::args_os())
}
