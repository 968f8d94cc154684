//! The program: arguments to calls, and nothing else.

mod check;
mod decode;
mod diagnose;
mod excerpt;
mod explain;
mod fuzz;
mod input;
mod output;
mod progress;
mod redaction;
mod report;
mod rules;
mod seeds;
mod selection;
mod test;

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use clap::{ColorChoice, Parser, Subcommand};

use crate::redact;

/// Exit code: all is well.
const FINE: u8 = 0;
/// Exit code: judged, and found wanting.
const WANTING: u8 = 1;
/// Exit code: the arguments make no sense.
const USAGE: u8 = 2;
/// Exit code: an input could not be read (to its end), or the program itself failed.
const FAILED: u8 = 3;

/// Decodes captured volume-activation traffic, and puts implementations of it to the test.
#[derive(Parser)]
#[command(name = "volact", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 fine, 1 judged and found wanting, 2 usage, 3 an input could not be read \
                          to its end or the program failed.";

#[derive(Subcommand)]
enum Command {
    /// Show the activation exchanges in captures, HAR files and bodies: every field named, decrypted and verified
    Decode(decode::Arguments),
    /// Tell the story of each activation: who asked whom for what, how it ended, why, and what to do
    Diagnose(diagnose::Arguments),
    /// Judge captures by the rules of conformance
    Check(check::Arguments),
    /// List the rules of conformance, or explain one
    Rules(rules::Arguments),
    /// Show stored results again, in another format, or several runs side by side
    Report(report::Arguments),
    /// Say what a value is: an HRESULT, a GUID, an extended product id, an installation ID, a confirmation ID, or the hex
    /// of a PDU or a message
    Explain(explain::Arguments),
    /// Put a live implementation to the test
    Test(test::Arguments),
    /// Cut seeds for all fuzz targets from captures and the other inputs that are decoded, without product keys
    Seeds(seeds::Arguments),
    /// Fuzz a live implementation, behind its crypto and across the wire
    Fuzz(fuzz::Arguments),
}

/// Runs the program with these arguments, the program's name first.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let code = match Arguments::try_parse_from(arguments) {
        Ok(Arguments { command: Command::Decode(arguments) }) => decode::run(&arguments),
        Ok(Arguments { command: Command::Diagnose(arguments) }) => diagnose::run(&arguments),
        Ok(Arguments { command: Command::Check(arguments) }) => check::run(&arguments),
        Ok(Arguments { command: Command::Rules(arguments) }) => rules::run(&arguments),
        Ok(Arguments { command: Command::Report(arguments) }) => report::run(&arguments),
        Ok(Arguments { command: Command::Explain(arguments) }) => explain::run(&arguments),
        Ok(Arguments { command: Command::Test(arguments) }) => test::run(&arguments),
        Ok(Arguments { command: Command::Seeds(arguments) }) => seeds::run(&arguments),
        Ok(Arguments { command: Command::Fuzz(arguments) }) => fuzz::run(&arguments),
        Err(error) => {
            let code = u8::try_from(error.exit_code()).unwrap_or(USAGE);
            // Usage is told as clap would, but for what it quotes of the arguments.
            let rendered = error.render();
            let plain = rendered.to_string();
            // A key in colours would not be found.
            let text = match redact::text(&plain) {
                Cow::Borrowed(_) => rendered.ansi().to_string(),
                Cow::Owned(masked) => masked,
            };
            if error.use_stderr() {
                anstream::eprint!("{text}");
            } else {
                anstream::print!("{text}");
            }
            return ExitCode::from(code);
        }
    };
    ExitCode::from(code)
}

/// Says on standard error what went wrong; on a terminal in place of the line that says how far reading is.
fn complain(message: impl std::fmt::Display) {
    let clear = if io::stderr().is_terminal() { progress::CLEAR } else { "" };
    let message = message.to_string();
    anstream::eprintln!("{clear}volact: {}", redact::text(&message));
}

/// True where standard output is to be coloured.
fn is_coloured(choice: ColorChoice) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never,
    }
}

/// A word as a shell takes it for one.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=+,@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
