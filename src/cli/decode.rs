use std::io::{self, Write};
use std::num::NonZero;
use std::path::PathBuf;
use std::thread;

use clap::{Args, ColorChoice, ValueEnum};

use crate::capture;
use crate::report::{JsonReport, TextReport};
use crate::trace::{
    ConnectionRecord, Exchange, FileRecord, Notice, NoticeKind, Observer, Options, PduRecord, Scribe,
    Summary, trace_pages,
};

use super::{FAILED, FINE, complain};

#[derive(Args)]
pub(super) struct Arguments {
    /// Captures: pcap or pcapng, compressed (gzip, zstd, lz4) or not; `-` is standard input, a directory all captures
    /// below it
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How to show what is found
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Follow this TCP port as well as 1688, also where a connection's beginning was not captured
    #[arg(long = "port", value_name = "PORT")]
    ports: Vec<u16>,
    /// Show complaints and totals only
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
    /// Share the connections out to this many threads, 8 at most; the output is the same [default: one a core]
    #[arg(long, value_name = "COUNT")]
    threads: Option<NonZero<usize>>,
    /// Show every field, every PDU, and the raw bytes
    #[arg(short, long)]
    verbose: bool,
    /// Colour: on a terminal unless NO_COLOR is set, or always, or never
    #[arg(long, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    color: ColorChoice,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// JSON Lines, one object a line
    Jsonl,
}

/// Threads that are of use.
const MAX_THREADS: usize = 8;

pub(super) fn run(arguments: &Arguments) -> u8 {
    match arguments.format {
        Format::Text => {
            let colour = is_coloured(arguments.color);
            decode(arguments, |_| TextReport::new(colour, arguments.verbose))
        }
        Format::Jsonl => decode(arguments, |name| {
            let mut report = JsonReport::new(arguments.verbose);
            report.begin(name);
            report
        }),
    }
}

fn is_coloured(choice: ColorChoice) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never,
    }
}

fn decode<S: Scribe>(arguments: &Arguments, report: impl Fn(&str) -> S) -> u8 {
    let mut options = Options::default();
    options.ports.extend(&arguments.ports);
    let files = match capture::expand(&arguments.files) {
        Ok(files) => files,
        Err(error) => {
            complain(error);
            return FAILED;
        }
    };
    if files.is_empty() {
        complain(
            "no captures there (a directory stands for the *.pcap, *.pcapng, *.cap and *.ntar below it)",
        );
        return FAILED;
    }
    let threads = arguments.threads.or_else(|| thread::available_parallelism().ok());
    let threads = threads.map_or(1, NonZero::get).min(MAX_THREADS);
    let mut out = Out { out: io::stdout().lock(), failure: None };
    let mut failed = 0;
    for file in &files {
        if out.failure.is_some() {
            break;
        }
        let name = file.display().to_string();
        let shown = |name| Shown { report: report(name), name, quiet: arguments.quiet, has_failed: false };
        let mut chief = shown(&name);
        match capture::open(file) {
            Ok(reader) => {
                let scribes = (0..threads).map(|_| shown(&name)).collect();
                trace_pages(&name, reader, &options, &mut chief, scribes, |page| out.write(page));
            }
            Err(error) => {
                chief.notice(&Notice::new(NoticeKind::Unreadable, format!("cannot be opened: {error}")));
                out.write(&chief.turn(Vec::new()));
            }
        }
        failed += usize::from(chief.has_failed);
    }
    let code = if failed > 0 { FAILED } else { FINE };
    if failed > 0 && files.len() > 1 {
        complain(format_args!("{failed} of {} inputs could not be read to their end", files.len()));
    }
    out.finish(code)
}

/// Standard output, and what went wrong with it.
struct Out<W> {
    out: W,
    failure: Option<io::Error>,
}

impl<W: Write> Out<W> {
    /// False where nobody reads on.
    fn write(&mut self, page: &[u8]) -> bool {
        if self.failure.is_none() {
            self.failure = self.out.write_all(page).err();
        }
        self.failure.is_none()
    }

    /// A reader that has gone away is no failure; anything else that keeps results from being written is.
    fn finish(mut self, code: u8) -> u8 {
        match self.failure.map_or_else(|| self.out.flush(), Err) {
            Ok(()) => code,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => code,
            Err(error) => {
                complain(format_args!("writing failed: {error}"));
                FAILED
            }
        }
    }
}

/// Shows what was asked for, and says on standard error which input could not be read.
struct Shown<'a, S> {
    report: S,
    name: &'a str,
    quiet: bool,
    has_failed: bool,
}

impl<S: Scribe> Observer for Shown<'_, S> {
    fn file(&mut self, file: &FileRecord<'_>) {
        self.report.file(file);
    }

    fn pdu(&mut self, pdu: &PduRecord<'_>) {
        if !self.quiet {
            self.report.pdu(pdu);
        }
    }

    fn exchange(&mut self, exchange: &Exchange) {
        if !self.quiet {
            self.report.exchange(exchange);
        }
    }

    fn connection(&mut self, connection: &ConnectionRecord) {
        if !self.quiet {
            self.report.connection(connection);
        }
    }

    fn notice(&mut self, notice: &Notice) {
        if notice.kind.is_failed_input() {
            self.has_failed = true;
            complain(format_args!("{}: {notice}", self.name));
        }
        self.report.notice(notice);
    }

    fn summary(&mut self, summary: &Summary) {
        self.report.summary(summary);
    }
}

impl<S: Scribe> Scribe for Shown<'_, S> {
    fn written(&self) -> usize {
        self.report.written()
    }

    fn turn(&mut self, empty: Vec<u8>) -> Vec<u8> {
        self.report.turn(empty)
    }
}
