use std::fs::File;
use std::io::{self, Read, Write};
use std::iter;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use clap::{Args, ColorChoice, ValueEnum};

use crate::capture::{
    self, CaptureReader, Comment, LinkType, Merged, Packets, Progress, TimeBound, TimeWindow, Within,
};
use crate::mak::vamt::Computer;
use crate::redact::{self, StandIns};
use crate::report::{JsonReport, Stats, StatsLayout, TextReport};
use crate::tls::KeyLog;
use crate::trace::{
    ChannelRecord, ConnectionRecord, ControlRecord, DirectoryExchange, Exchange, FileFormat, FileRecord,
    Filter, GuestExchange, InputKind, Lookup, MakExchange, Notice, NoticeKind, ObjectRecord, Observer,
    Options, PduRecord, Record, RingOptions, Scribe, Search, Summary, look_at, trace_body, trace_har,
    trace_ldif, trace_pages, trace_ring, trace_vamt,
};
use crate::vmbus::{ChannelClass, PipeMode};
use crate::wire::Guid;

use super::progress::Bar;
use super::{FAILED, FINE, USAGE, complain, redaction};

#[derive(Args)]
pub(super) struct Arguments {
    /// Captures (pcap, pcapng), HAR files, bodies of MAK's services and VAMT files, compressed (gzip, zstd, lz4) or not;
    /// `-` is standard input, a directory all captures, HAR and VAMT files below it
    #[arg(required_unless_present_any = ["filter", "ring"], value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How to show what is found
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Follow this TCP port as well as 1688, also where a connection's beginning was not captured
    #[arg(long = "port", value_name = "PORT")]
    ports: Vec<u16>,
    /// Read all files as one capture, in the order of their packets' times, as rotated captures need it
    #[arg(long)]
    merge: bool,
    /// Leave out packets before this time: a date, RFC 3339, seconds since 1970, or from the first packet on (+90, +2m)
    #[arg(long, value_name = "TIME")]
    from: Option<TimeBound>,
    /// Leave out packets from this time on
    #[arg(long, value_name = "TIME")]
    to: Option<TimeBound>,
    /// Leave out packets whose IPv4 or TCP checksum is wrong, as their receiver does
    #[arg(long)]
    checksums: bool,
    /// Show the exchanges that this is true of, as in 'outcome == refused and client == 10.0.0.0/8'; `help` lists the
    /// fields
    #[arg(long, value_name = "EXPRESSION")]
    filter: Option<String>,
    /// Open TLS with this key log (NSS format, as SSLKEYLOGFILE writes it); secrets in a pcapng are used anyway
    #[arg(long, value_name = "FILE")]
    keylog: Option<PathBuf>,
    /// Read packets of this link type, of those that are up to their user, as records of VMBus; without it, packets of all
    /// these that begin as such records do
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(147..=162))]
    vmbus_link: Option<u16>,
    /// Read this file as a dump of a channel's two rings, the one from guest to host first
    #[arg(long, value_name = "FILE", conflicts_with = "merge")]
    ring: Vec<PathBuf>,
    /// The class of the channel whose rings were dumped: avma, kvp, synthrdp, or a GUID
    #[arg(long, value_name = "CLASS", default_value = "avma", value_parser = ring_class)]
    ring_class: Guid,
    /// How the channel's pipe is read: message, byte, or none where it is none
    #[arg(long, value_name = "MODE", value_enum, default_value_t = RingPipe::Message)]
    ring_pipe: RingPipe,
    /// The page of the dump at which the ring from host to guest begins [default: the middle]
    #[arg(long, value_name = "PAGE")]
    ring_split: Option<u32>,
    /// Put stand-ins in place of machine names, addresses, CMIDs, product ids, installation and confirmation IDs: the same
    /// for the same value within a run, or in all runs with this SECRET
    #[arg(long, value_name = "SECRET", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    redact: Option<String>,
    /// In place of the exchanges, show how many there were of each outcome, client, host and product, and how long the
    /// hosts took
    #[arg(long)]
    stats: bool,
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

/// How the packets of a dumped ring are read.
#[derive(Clone, Copy, ValueEnum)]
enum RingPipe {
    /// A packet is a message
    Message,
    /// Packets are a stream
    Byte,
    /// Their payloads are left as they are
    None,
}

fn ring_class(text: &str) -> Result<Guid, String> {
    let known = match text.to_ascii_lowercase().as_str() {
        "avma" => Some(ChannelClass::Avma),
        "kvp" => Some(ChannelClass::Kvp),
        "synthrdp" => Some(ChannelClass::SynthRdpControl),
        _ => None,
    };
    let class = known.and_then(ChannelClass::class_id).or_else(|| Guid::parse(text));
    class.ok_or_else(|| "neither avma, kvp, synthrdp nor a GUID".to_owned())
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

/// The filter that was given, or the code with which the program ends.
fn filter(arguments: &Arguments) -> Result<Option<Filter>, u8> {
    match arguments.filter.as_deref() {
        None => Ok(None),
        Some("help") => {
            let _ = io::stdout().write_all(Filter::help().as_bytes()); // a reader that has gone away has read enough
            Err(FINE)
        }
        Some(text) => Filter::parse(text).map(Some).map_err(|error| {
            // A part of the text is shown, in which a key might not be known as one.
            let masked = redact::text(text);
            let error = Filter::parse(&masked).err().unwrap_or(error);
            complain(format_args!("--filter: {error}\n{}", error.caret().trim_end()));
            USAGE
        }),
    }
}

/// The key log that was given, or the code with which the program ends.
fn key_log(arguments: &Arguments) -> Result<KeyLog, u8> {
    let Some(path) = &arguments.keylog else { return Ok(KeyLog::default()) };
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_KEY_LOG).read_to_end(&mut text));
    if let Err(error) = read {
        complain(format_args!("--keylog {}: {error}", path.display()));
        return Err(FAILED);
    }
    let (key_log, errors) = KeyLog::parse(&text);
    for error in errors.iter().take(MOST_COMPLAINTS) {
        complain(format_args!("--keylog {}: {error}", path.display()));
    }
    if let Some(more) = errors.len().checked_sub(MOST_COMPLAINTS).filter(|&more| more > 0) {
        complain(format_args!("--keylog {}: {more} more lines are none of a key log", path.display()));
    }
    Ok(key_log)
}

/// Bytes of a key log that are read.
const MAX_KEY_LOG: u64 = 64 << 20;
/// Lines of a key log that are complained about one by one.
const MOST_COMPLAINTS: usize = 10;

fn decode<S: Scribe>(arguments: &Arguments, report: impl Fn(&str) -> S) -> u8 {
    let filter = match filter(arguments) {
        Ok(filter) => filter,
        Err(code) => return code,
    };
    let mut stats = arguments.stats.then(Stats::default);
    let key_log = match key_log(arguments) {
        Ok(key_log) => Arc::new(key_log),
        Err(code) => return code,
    };
    let vmbus_link = arguments.vmbus_link.map(LinkType);
    let mut options = Options { checksums: arguments.checksums, key_log, vmbus_link, ..Options::default() };
    options.ports.extend(&arguments.ports);
    let files = match capture::expand(&arguments.files) {
        Ok(files) => files,
        Err(error) => {
            complain(error);
            return FAILED;
        }
    };
    if arguments.files.is_empty() && arguments.ring.is_empty() {
        complain("no FILE is named");
        return USAGE;
    }
    if files.is_empty() && arguments.ring.is_empty() {
        complain(
            "no captures there (a directory stands for the *.pcap, *.pcapng, *.cap, *.ntar, *.har, *.cil, *.cilx and *.ldif below it)",
        );
        return FAILED;
    }
    let threads = arguments.threads.or_else(|| thread::available_parallelism().ok());
    let run = Run {
        options,
        window: TimeWindow { from: arguments.from, to: arguments.to },
        threads: threads.map_or(1, NonZero::get).min(MAX_THREADS),
        filter: filter.as_ref(),
        stand_ins: arguments.redact.as_deref().map(redaction::stand_ins),
        quiet: arguments.quiet,
    };
    let progress = Progress::default();
    let mut out = Out { out: io::stdout().lock(), failure: None, bar: Bar::start(&progress) };
    let mut failed = 0;
    let rings_are = RingOptions {
        class_id: arguments.ring_class,
        pipe: match arguments.ring_pipe {
            RingPipe::Message => Some(PipeMode::Message),
            RingPipe::Byte => Some(PipeMode::Byte),
            RingPipe::None => None,
        },
        downstream_page: arguments.ring_split,
    };
    let rings = arguments.ring.iter().map(|file| (file, true));
    let inputs: Vec<(&PathBuf, bool)> = files.iter().map(|file| (file, false)).chain(rings).collect();
    if arguments.merge {
        let mut packets = Merged::open(&files, &progress);
        let name = MERGED;
        let mut chief = run.shown(&report, name, stats.is_some());
        let names: Vec<&str> = packets.files().map(|(name, _)| name).collect();
        chief.file(&FileRecord { name, format: None, files: &names });
        failed += run.trace(&mut packets, chief, &report, &mut stats, &mut out);
    } else {
        inputs.iter().for_each(|(file, _)| progress.expect(file));
        for &(file, is_ring) in &inputs {
            if out.failure.is_some() {
                break;
            }
            let name = file.display().to_string();
            let mut chief = run.shown(&report, &name, stats.is_some());
            let opened = capture::open_counted(file, &progress).and_then(look_at);
            let opened = opened.map(|(kind, reader)| (if is_ring { InputKind::Ring } else { kind }, reader));
            let wrong = match opened {
                Ok((InputKind::Capture, reader)) => match CaptureReader::new(reader) {
                    Ok(mut packets) => {
                        let format = Some(FileFormat::Capture(packets.format()));
                        chief.file(&FileRecord { name: &name, format, files: &[] });
                        failed += run.trace(&mut packets, chief, &report, &mut stats, &mut out);
                        continue;
                    }
                    Err(error) => Notice::of(&error),
                },
                Ok((kind, reader)) => {
                    if run.window != TimeWindow::default() {
                        complain(format_args!("{name}: --from and --to are for captures: it is read whole"));
                    }
                    let format = Some(FileFormat::Other(kind));
                    chief.file(&FileRecord { name: &name, format, files: &[] });
                    failed += read_document(kind, reader, &rings_are, chief, &mut stats, &mut out);
                    continue;
                }
                Err(error) => {
                    let message = format!("cannot be opened: {error}");
                    chief.notice(&Notice::new(NoticeKind::Unreadable, message));
                    out.write(&chief.turn(Vec::new()));
                    failed += 1;
                    continue;
                }
            };
            chief.notice(&wrong);
            chief.summary(&Summary { notices: 1, ..Summary::default() });
            out.write(&chief.turn(Vec::new()));
            failed += 1;
        }
    }
    out.bar = None;
    if let Some(stats) = stats {
        let mut page = Vec::new();
        let written = match arguments.format {
            Format::Text => {
                let layout = StatsLayout { is_wide: arguments.verbose, ..StatsLayout::default() };
                stats.write_text(&mut page, &layout)
            }
            Format::Jsonl => stats.write_jsonl(&mut page, None),
        };
        out.failure = out.failure.or(written.err());
        redact::page(&mut page);
        out.write(&page);
    }
    let code = if failed > 0 { FAILED } else { FINE };
    if failed > 0 && inputs.len() > 1 && !arguments.merge {
        complain(format_args!("{failed} of {} inputs could not be read to their end", inputs.len()));
    }
    out.finish(code)
}

/// What is done with every input alike.
struct Run<'a> {
    options: Options,
    window: TimeWindow,
    threads: usize,
    filter: Option<&'a Filter>,
    stand_ins: Option<StandIns>,
    quiet: bool,
}

impl Run<'_> {
    fn shown<'a, S: Scribe>(
        &'a self,
        report: &impl Fn(&str) -> S,
        name: &'a str,
        counts: bool,
    ) -> Shown<'a, S> {
        Shown {
            report: report(name),
            name,
            filter: self.filter,
            stats: counts.then(Stats::default),
            stand_ins: self.stand_ins.as_ref(),
            quiet: self.quiet,
            has_failed: false,
        }
    }

    /// Reads one capture; 1 where it could not be read to its end.
    fn trace<'a, S: Scribe, W: Write>(
        &'a self,
        packets: &mut (impl Packets + Send),
        mut chief: Shown<'a, S>,
        report: &impl Fn(&str) -> S,
        stats: &mut Option<Stats>,
        out: &mut Out<W>,
    ) -> usize {
        let name = chief.name;
        let scribes =
            iter::repeat_with(|| self.shown(report, name, stats.is_some())).take(self.threads).collect();
        let mut packets = Within::new(packets, self.window);
        let traced = trace_pages(&mut packets, &self.options, &mut chief, scribes, |page| out.write(page));
        // What is followed where packets are read, DNS and VMBus, is counted there.
        for counted in traced.scribes.into_iter().filter_map(|scribe| scribe.stats).chain(chief.stats) {
            stats.get_or_insert_default().merge(counted);
        }
        usize::from(chief.has_failed)
    }
}

/// Reads what is no capture; 1 where it could not be read to its end.
fn read_document<S: Scribe, W: Write>(
    kind: InputKind,
    reader: impl Read,
    rings: &RingOptions,
    mut chief: Shown<'_, S>,
    stats: &mut Option<Stats>,
    out: &mut Out<W>,
) -> usize {
    out.write(&chief.turn(Vec::new()));
    let mut observer = Paged { shown: chief, out };
    match kind {
        InputKind::Har => trace_har(reader, &mut observer),
        InputKind::Vamt => trace_vamt(reader, &mut observer),
        InputKind::Ldif => trace_ldif(reader, &mut observer),
        InputKind::Ring => trace_ring(reader, rings, &mut observer),
        InputKind::Document | InputKind::Capture => trace_body(reader, &mut observer),
    };
    let Paged { shown, .. } = observer;
    if let Some(counted) = shown.stats {
        stats.get_or_insert_default().merge(counted);
    }
    usize::from(shown.has_failed)
}

/// Hands out what was written after each record.
struct Paged<'a, 'b, S, W> {
    shown: Shown<'a, S>,
    out: &'b mut Out<W>,
}

impl<S: Scribe, W: Write> Paged<'_, '_, S, W> {
    fn hand_out(&mut self) {
        let page = self.shown.turn(Vec::new());
        self.out.write(&page);
    }
}

impl<S: Scribe, W: Write> Observer for Paged<'_, '_, S, W> {
    fn mak(&mut self, exchange: &MakExchange) {
        self.shown.mak(exchange);
        self.hand_out();
    }

    fn computer(&mut self, computer: &Computer) {
        self.shown.computer(computer);
        self.hand_out();
    }

    fn object(&mut self, object: &ObjectRecord) {
        self.shown.object(object);
        self.hand_out();
    }

    fn guest(&mut self, exchange: &GuestExchange) {
        self.shown.guest(exchange);
        self.hand_out();
    }

    fn channel(&mut self, channel: &ChannelRecord) {
        self.shown.channel(channel);
        self.hand_out();
    }

    fn notice(&mut self, notice: &Notice) {
        self.shown.notice(notice);
        self.hand_out();
    }

    fn summary(&mut self, summary: &Summary) {
        self.shown.summary(summary);
        self.hand_out();
    }
}

/// The name of several files that are read as one.
const MERGED: &str = "merged";

/// Standard output, and what went wrong with it.
struct Out<W> {
    out: W,
    failure: Option<io::Error>,
    bar: Option<Bar>,
}

impl<W: Write> Out<W> {
    /// False where nobody reads on.
    fn write(&mut self, page: &[u8]) -> bool {
        // What is written where the bar stands is written over it.
        if let Some(bar) = self.bar.as_ref().filter(|_| !page.is_empty()) {
            bar.clear();
        }
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
    filter: Option<&'a Filter>,
    stats: Option<Stats>,
    stand_ins: Option<&'a StandIns>,
    quiet: bool,
    has_failed: bool,
}

impl<S: Scribe> Shown<'_, S> {
    /// True where the record is asked for.
    fn takes<'r>(&self, record: impl Into<Record<'r>>) -> bool {
        self.filter.is_none_or(|filter| filter.matches(record))
    }

    /// Counts or shows a record, as it may be shown.
    fn record<'r, R>(&mut self, record: &'r R, show: fn(&mut S, &R))
    where
        Record<'r>: From<&'r R>,
    {
        if let Some(stats) = &mut self.stats {
            stats.count(record);
        } else if !self.quiet {
            show(&mut self.report, record);
        }
    }

    /// True where what belongs to no exchange is shown.
    fn shows_all(&self) -> bool {
        !self.quiet && self.stats.is_none() && self.filter.is_none()
    }
}

impl<S: Scribe> Observer for Shown<'_, S> {
    fn file(&mut self, file: &FileRecord<'_>) {
        self.report.file(file);
    }

    fn pdu(&mut self, pdu: &PduRecord<'_>) {
        if self.shows_all() {
            match self.stand_ins {
                Some(stand_ins) => stand_ins.pdu(pdu, &mut |pdu| self.report.pdu(pdu)),
                None => self.report.pdu(pdu),
            }
        }
    }

    fn exchange(&mut self, exchange: &Exchange) {
        if self.takes(exchange) {
            match self.stand_ins {
                Some(stand_ins) => self.record(&stand_ins.exchange(exchange), S::exchange),
                None => self.record(exchange, S::exchange),
            }
        }
    }

    fn mak(&mut self, exchange: &MakExchange) {
        if self.takes(exchange) {
            match self.stand_ins {
                Some(stand_ins) => self.record(&stand_ins.mak(exchange), S::mak),
                None => self.record(exchange, S::mak),
            }
        }
    }

    fn directory(&mut self, exchange: &DirectoryExchange) {
        if self.takes(exchange) {
            match self.stand_ins {
                Some(stand_ins) => self.record(&stand_ins.directory(exchange), S::directory),
                None => self.record(exchange, S::directory),
            }
        }
    }

    fn lookup(&mut self, lookup: &Lookup) {
        if self.takes(lookup) {
            match self.stand_ins {
                Some(stand_ins) => self.record(&stand_ins.lookup(lookup), S::lookup),
                None => self.record(lookup, S::lookup),
            }
        }
    }

    fn guest(&mut self, exchange: &GuestExchange) {
        if self.takes(exchange) {
            match self.stand_ins {
                Some(stand_ins) => self.record(&stand_ins.guest(exchange), S::guest),
                None => self.record(exchange, S::guest),
            }
        }
    }

    fn computer(&mut self, computer: &Computer) {
        if self.shows_all() {
            match self.stand_ins {
                Some(stand_ins) => self.report.computer(&stand_ins.computer(computer)),
                None => self.report.computer(computer),
            }
        }
    }

    fn object(&mut self, object: &ObjectRecord) {
        if self.shows_all() {
            match self.stand_ins {
                Some(stand_ins) => self.report.object(&stand_ins.object(object)),
                None => self.report.object(object),
            }
        }
    }

    fn search(&mut self, search: &Search) {
        if self.shows_all() {
            match self.stand_ins {
                Some(stand_ins) => self.report.search(&stand_ins.search(search)),
                None => self.report.search(search),
            }
        }
    }

    fn channel(&mut self, channel: &ChannelRecord) {
        if self.shows_all() {
            match self.stand_ins {
                Some(stand_ins) => self.report.channel(&stand_ins.channel(channel)),
                None => self.report.channel(channel),
            }
        }
    }

    fn control(&mut self, control: &ControlRecord) {
        if self.shows_all() {
            match self.stand_ins {
                Some(stand_ins) => self.report.control(&stand_ins.control(control)),
                None => self.report.control(control),
            }
        }
    }

    fn connection(&mut self, connection: &ConnectionRecord) {
        if self.shows_all() {
            match self.stand_ins {
                Some(stand_ins) => self.report.connection(&stand_ins.connection(connection)),
                None => self.report.connection(connection),
            }
        }
    }

    fn notice(&mut self, notice: &Notice) {
        let redacted = self.stand_ins.map(|stand_ins| stand_ins.notice(notice));
        let notice = redacted.as_ref().unwrap_or(notice);
        if notice.kind.is_failed_input() {
            self.has_failed = true;
            let name = self.name;
            match name {
                MERGED => complain(notice), // it names the file
                name => complain(format_args!("{name}: {notice}")),
            }
        }
        // A complaint about a connection may be about one that was not asked for.
        if self.filter.is_none() || notice.stream.is_none() {
            self.report.notice(notice);
        }
    }

    fn comment(&mut self, comment: &Comment) {
        if self.shows_all() {
            match self.stand_ins {
                Some(stand_ins) => self.report.comment(&stand_ins.comment(comment)),
                None => self.report.comment(comment),
            }
        }
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
