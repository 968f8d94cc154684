use std::fs;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, ColorChoice, ValueEnum};

use crate::capture::{Packets, Progress, Within};
use crate::diagnosis::{EventLog, FileDiagnosis, Notebook, Status, join};
use crate::events::{self, EventError};
use crate::redact::{self, StandIns};
use crate::report::diagnosis::{DiagnosisFormat, DiagnosisLook, render};
use crate::trace::{
    FileRecord, InputKind, Notice, Observer as _, Options, RingOptions, trace_document, trace_pages,
};

use super::input::{Input, MERGED, Reading};
use super::progress::Bar;
use super::redaction::{self, StandingIn};
use super::{FAILED, FINE, WANTING, complain, is_coloured};

#[derive(Args)]
pub(super) struct Arguments {
    /// Whose activations to tell: captures, HAR files, bodies of MAK's services, as `decode` takes them
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    input: Input,
    /// Windows events beside the captures: a log (.evtx), or text, CSV or XML exported of one, of clients or hosts; can be
    /// repeated
    #[arg(long, value_name = "FILE")]
    events: Vec<PathBuf>,
    /// How to show the stories

    #[arg(long, value_enum, default_value_t = DiagnosisFormat::Text, value_name = "FORMAT")]
    format: DiagnosisFormat,
    /// Write to this file in place of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Count clients, hosts, products and causes over all files, and over time, in place of telling each story
    #[arg(long)]
    fleet: bool,
    /// Tell this many stories of each file, and show this many rows of each table, as text; 0 for all
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    limit: usize,
    /// Put stand-ins in place of machine names, addresses, CMIDs, product ids, installation and confirmation IDs: the same
    /// for the same value within a run, or in all runs with this SECRET
    #[arg(long, value_name = "SECRET", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    redact: Option<String>,
    /// Show the steps of each story as well
    #[arg(short, long)]
    verbose: bool,
    /// Colour: on a terminal unless NO_COLOR is set, or always, or never
    #[arg(long, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    color: ColorChoice,
}

impl ValueEnum for DiagnosisFormat {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Text, Self::Jsonl, Self::Csv, Self::Html]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        let (name, help) = match self {
            Self::Text => ("text", "For people"),
            Self::Jsonl => ("jsonl", "JSON Lines"),
            Self::Csv => ("csv", "Comma-separated values: a line a story, or a row of the fleet"),
            Self::Html => {
                ("html", "A page that needs nothing else: charts, a table to sort and filter, each story")
            }
        };
        Some(clap::builder::PossibleValue::new(name).help(help))
    }
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    let ready = arguments.input.options().and_then(|options| {
        let files = arguments.input.files(&arguments.files)?;
        Ok((options, files))
    });
    let (options, files) = match ready {
        Ok(ready) => ready,
        Err(code) => return code,
    };
    let stand_ins = arguments.redact.as_deref().map(redaction::stand_ins);
    let progress = Progress::default();
    let bar = Bar::start(&progress);
    let mut diagnosing = Diagnosing { arguments, options, stand_ins: stand_ins.as_ref(), told: Vec::new() };
    arguments.input.read(&files, &progress, &mut diagnosing);
    drop(bar);
    let mut told = diagnosing.told;
    let logs: Vec<EventLog> = arguments.events.iter().map(|path| log(path, stand_ins.as_ref())).collect();
    if !logs.is_empty() {
        join(&mut told, &logs);
    }

    let look = DiagnosisLook {
        colour: arguments.output.is_none() && is_coloured(arguments.color),
        verbose: arguments.verbose,
        limit: arguments.limit,
        is_fleet: arguments.fleet,
    };
    let mut page = render(&told, arguments.format, look);
    redact::page(&mut page);
    let written = match &arguments.output {
        Some(path) => fs::write(path, &page).map_err(|error| format!("{}: {error}", path.display())),
        None => {
            let mut out = io::stdout().lock();
            match out.write_all(&page).and_then(|()| out.flush()) {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    Err(format!("writing failed: {error}"))
                }
                _ => Ok(()), // who has gone away has read enough
            }
        }
    };
    if let Err(error) = written {
        complain(error);
        return FAILED;
    }
    let stories = || told.iter().flat_map(|file| &file.stories);
    if told.iter().any(|file| file.has_failed) {
        FAILED
    } else if stories().any(|story| story.status == Status::NotActivated) {
        WANTING
    } else {
        FINE
    }
}

/// The events of a file.
fn log(path: &Path, stand_ins: Option<&StandIns>) -> EventLog {
    let name = path.display().to_string();
    let mut log = EventLog { name: name.clone(), ..EventLog::default() };
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) => {
            complain(format_args!("{name}: cannot be opened: {error}"));
            log.has_failed = true;
            return log;
        }
    };
    let counts = events::read(&name, io::BufReader::new(file), &mut |event| match event {
        Ok(event) if log.events.len() < EventLog::MOST_EVENTS => {
            log.events.push(stand_ins.map_or_else(|| event.clone(), |stand_ins| stand_ins.event(&event)));
        }
        Ok(_) => log.left_out += 1,
        Err(error) => {
            if log.errors.len() < EventLog::MOST_ERRORS {
                // What it quotes may name a machine.
                let error = match stand_ins {
                    Some(_) => EventError { found: String::new(), ..error },
                    None => error,
                };
                complain(&error);
                log.errors.push(error.to_string());
            } else {
                log.errors_left_out += 1;
            }
        }
    });
    log.other = counts.other;
    if counts.form == events::Form::Unknown {
        complain(format_args!("{name}: neither an event log nor text, CSV or XML of one"));
        log.has_failed = true;
    }
    log
}

/// Keeps what matters of each input, and tells its stories.
struct Diagnosing<'a> {
    arguments: &'a Arguments,
    options: Options,
    stand_ins: Option<&'a StandIns>,
    told: Vec<FileDiagnosis>,
}

impl Diagnosing<'_> {
    fn notebook(&self, name: &str) -> StandingIn<'_, Notebook> {
        StandingIn::new(Notebook::new(name), self.stand_ins)
    }

    fn take(&mut self, diagnosis: FileDiagnosis) {
        for notice in diagnosis.notices.iter().filter(|notice| notice.kind.is_failed_input()) {
            match &*diagnosis.name {
                MERGED => complain(notice), // it names the file
                name => complain(format_args!("{name}: {notice}")),
            }
        }
        self.told.push(diagnosis);
    }
}

impl Reading for Diagnosing<'_> {
    fn capture(&mut self, file: &FileRecord<'_>, packets: &mut (impl Packets + Send)) {
        let mut packets = Within::new(packets, self.arguments.input.window());
        let mut chief = self.notebook(file.name);
        let scribes = (0..self.arguments.input.threads()).map(|_| self.notebook(file.name)).collect();
        let traced = trace_pages(&mut packets, &self.options, &mut chief, scribes, |_| true);
        let mut notebook = chief.observer;
        traced.scribes.into_iter().for_each(|scribe| notebook.merge(scribe.observer));
        self.take(notebook.finish());
    }

    fn document(&mut self, file: &FileRecord<'_>, kind: InputKind, reader: impl Read, rings: &RingOptions) {
        let mut notebook = self.notebook(file.name);
        trace_document(kind, reader, rings, &mut notebook);
        let diagnosis = notebook.observer.finish();
        self.take(diagnosis);
    }

    fn unreadable(&mut self, name: &str, _is_open: bool, notice: &Notice) {
        let mut notebook = Notebook::new(name);
        notebook.notice(notice);
        self.take(notebook.finish());
    }
}
