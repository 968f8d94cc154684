use std::io;
use std::path::PathBuf;

use clap::{Args, ColorChoice, ValueEnum};

use crate::capture;
use crate::report::{JsonReport, TextReport};
use crate::trace::{
    ConnectionRecord, Exchange, FileRecord, Notice, NoticeKind, Observer, Options, PduRecord, Summary, trace,
};

use super::{FAILED, FINE, complain};

#[derive(Args)]
pub(super) struct Arguments {
    /// Captures: pcap or pcapng, gzip-compressed or not; `-` is standard input, a directory all captures below it
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How to show what is found
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Follow this TCP port as well as 1688, also where a connection's beginning was not captured
    #[arg(long = "port", value_name = "PORT")]
    ports: Vec<u16>,
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

pub(super) fn run(arguments: &Arguments) -> u8 {
    let out = io::stdout().lock();
    match arguments.format {
        Format::Text => {
            let mut report = TextReport::new(out, is_coloured(arguments.color), arguments.verbose);
            let code = decode(arguments, &mut report, |_, _| {});
            written(report.finish(), code)
        }
        Format::Jsonl => {
            let mut report = JsonReport::new(out, arguments.verbose);
            let code = decode(arguments, &mut report, JsonReport::begin);
            written(report.finish(), code)
        }
    }
}

fn is_coloured(choice: ColorChoice) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never,
    }
}

/// A reader that has gone away is no failure; anything else that keeps results from being written is.
fn written(result: io::Result<()>, code: u8) -> u8 {
    match result {
        Ok(()) => code,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => code,
        Err(error) => {
            complain(format_args!("writing failed: {error}"));
            FAILED
        }
    }
}

fn decode<O: Observer>(arguments: &Arguments, report: &mut O, begin: fn(&mut O, &str)) -> u8 {
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
    let mut failed = 0;
    for file in &files {
        if !report.wants_more() {
            break;
        }
        let name = file.display().to_string();
        begin(report, &name);
        let mut watched = Watched { report, name: &name, has_failed: false };
        match capture::open(file) {
            Ok(reader) => {
                trace(&name, reader, &options, &mut watched);
            }
            Err(error) => {
                watched.notice(&Notice::new(NoticeKind::Unreadable, format!("cannot be opened: {error}")));
            }
        }
        failed += usize::from(watched.has_failed);
    }
    if failed > 0 {
        if files.len() > 1 {
            complain(format_args!("{failed} of {} inputs could not be read to their end", files.len()));
        }
        return FAILED;
    }
    FINE
}

/// Hands everything on, and says on standard error which input could not be read.
struct Watched<'a, O> {
    report: &'a mut O,
    name: &'a str,
    has_failed: bool,
}

impl<O: Observer> Observer for Watched<'_, O> {
    fn file(&mut self, file: &FileRecord<'_>) {
        self.report.file(file);
    }

    fn pdu(&mut self, pdu: &PduRecord<'_>) {
        self.report.pdu(pdu);
    }

    fn exchange(&mut self, exchange: &Exchange) {
        self.report.exchange(exchange);
    }

    fn connection(&mut self, connection: &ConnectionRecord) {
        self.report.connection(connection);
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

    fn wants_more(&self) -> bool {
        self.report.wants_more()
    }
}
