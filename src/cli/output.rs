use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::builder::PossibleValue;
use clap::{Args, ColorChoice, ValueEnum};

use crate::conformance::{Baseline, Run, apply, exit_code};
use crate::redact;
use crate::report::results::{ResultFormat, ResultLook, render};

use super::{FAILED, USAGE, complain, is_coloured};

/// What becomes of results: how they are shown, where else they are written, and what of them is expected.
#[derive(Args)]
pub(super) struct Output {
    /// How to show the results
    #[arg(long, value_enum, default_value_t = ResultFormat::Text, value_name = "FORMAT")]
    format: ResultFormat,
    /// Write the results into this file as well, in this format: junit:results.xml, say; can be repeated
    #[arg(short, long, value_name = "FORMAT:FILE")]
    output: Vec<Written>,
    /// Failures that are expected, each with its reason; one that is not there any more fails as well
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write the baseline with which this run would pass; reasons are those of an existing file
    #[arg(long, value_name = "FILE")]
    write_baseline: Option<PathBuf>,
    /// Count wrong words and breaches of SHOULD as failures
    #[arg(long)]
    strict: bool,
    /// Colour: on a terminal unless NO_COLOR is set, or always, or never
    #[arg(long, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    color: ColorChoice,
}

/// A file that results are written into.
#[derive(Clone)]
struct Written {
    format: ResultFormat,
    file: PathBuf,
}

impl ValueEnum for ResultFormat {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Text => "For people",
            Self::Jsonl => "JSON Lines, which `volact report` reads",
            Self::Junit => "JUnit's XML",
            Self::Sarif => "SARIF 2.1.0",
            Self::Html => "A page",
            Self::Markdown => "For a CI job's summary",
        };
        Some(PossibleValue::new(self.name()).help(help))
    }
}

impl FromStr for Written {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (format, file) = text.split_once(':').ok_or("no FORMAT: in front of the file")?;
        let format = ResultFormat::from_str(format, false)?;
        if file.is_empty() {
            Err("no file behind the format".to_owned())
        } else {
            Ok(Self { format, file: file.into() })
        }
    }
}

impl Output {
    /// Reads the baselines, so that what is wrong with them is said before anything is judged.
    ///
    /// # Errors
    /// The code with which the program ends.
    pub(super) fn ready(&self) -> Result<(), u8> {
        self.expected()?;
        self.old().map(drop)
    }

    /// Compares the run with the baseline, shows and writes it, and gives the code with which the program ends. Expectations
    /// of cases that were not `selected` are left alone.
    pub(super) fn finish(&self, run: Run, selected: impl Fn(&str) -> bool) -> u8 {
        self.finish_all(&mut [run], selected)
    }

    /// As [`Self::finish`], of several runs side by side. Without a baseline, what was expected when they ran stays so.
    pub(super) fn finish_all(&self, runs: &mut [Run], selected: impl Fn(&str) -> bool) -> u8 {
        let (baseline, old) = match self.expected().and_then(|baseline| Ok((baseline, self.old()?))) {
            Ok(baselines) => baselines,
            Err(code) => return code,
        };
        if let Some(path) = &self.write_baseline {
            let mut written = Baseline::of(runs, old.as_ref().or(baseline.as_ref()));
            if let Some(old) = &old {
                written = written.keeping(old, runs, &selected);
            }
            let mut text = written.to_json().into_bytes();
            redact::page(&mut text);
            if !write(path, &text) {
                return FAILED;
            }
        }
        if let Some(baseline) = &baseline {
            runs.iter_mut().for_each(|run| drop(apply(run, baseline, &selected)));
        }
        // What was strict when it was stored stays so.
        let strict = self.strict || runs.iter().any(|run| run.strict);
        runs.iter_mut().for_each(|run| run.strict = strict);
        let code = runs.iter().map(|run| exit_code(run, strict)).max().unwrap_or_default();
        if self.show(runs, strict) { code } else { FAILED }
    }

    /// Shows and writes runs; false where that failed.
    fn show(&self, runs: &[Run], strict: bool) -> bool {
        let look = ResultLook { colour: false, strict };
        let mut is_written = true;
        for Written { format, file } in &self.output {
            is_written &= write(file, &render(runs, *format, look));
        }
        let page = render(runs, self.format, ResultLook { colour: is_coloured(self.color), ..look });
        let mut out = io::stdout().lock();
        match out.write_all(&page).and_then(|()| out.flush()) {
            Ok(()) => is_written,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => is_written, // who has gone away has read enough
            Err(error) => {
                complain(format_args!("writing failed: {error}"));
                false
            }
        }
    }

    fn expected(&self) -> Result<Option<Baseline>, u8> {
        self.baseline.as_deref().map(|path| baseline("--baseline", path)).transpose()
    }

    /// The baseline that is about to be written anew, where there is one.
    fn old(&self) -> Result<Option<Baseline>, u8> {
        let path = self.write_baseline.as_deref().filter(|path| path.exists());
        path.map(|path| baseline("--write-baseline", path)).transpose()
    }
}

fn baseline(option: &str, path: &Path) -> Result<Baseline, u8> {
    let complain_of =
        |error: &dyn std::fmt::Display| complain(format_args!("{option} {}: {error}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| {
        complain_of(&error);
        FAILED
    })?;
    Baseline::parse(&text).map_err(|error| {
        complain_of(&error);
        USAGE
    })
}

fn write(path: &Path, bytes: &[u8]) -> bool {
    match fs::write(path, bytes) {
        Ok(()) => true,
        Err(error) => {
            complain(format_args!("{}: {error}", path.display()));
            false
        }
    }
}
