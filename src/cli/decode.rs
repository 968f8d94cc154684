use std::io::{self, Read, Write};
use std::iter;
use std::path::PathBuf;

use clap::{Args, ColorChoice, ValueEnum};

use crate::capture::{Comment, Packets, Progress, TimeWindow, Within};
use crate::mak::vamt::Computer;
use crate::redact::{self, StandIns};
use crate::report::{JsonReport, Stats, StatsLayout, TextReport};
use crate::trace::{
    ChannelRecord, ConnectionRecord, ControlRecord, DirectoryExchange, Exchange, FileRecord, Filter,
    GuestExchange, InputKind, Lookup, MakExchange, Notice, ObjectRecord, Observer, Options, PduRecord,
    Record, RingOptions, Scribe, Search, Summary, trace_document, trace_pages,
};

use super::input::{Input, MERGED, Reading};
use super::progress::Bar;
use super::redaction::{self, StandingIn};
use super::{FAILED, FINE, USAGE, complain, is_coloured};

#[derive(Args)]
pub(super) struct Arguments {
    /// Captures (pcap, pcapng), HAR files, bodies of MAK's services, VAMT files and exports of a directory (LDIF), compressed
    /// (gzip, zstd, lz4) or not; `-` is standard input, a directory all captures, HAR, VAMT and LDIF files below it
    #[arg(required_unless_present_any = ["filter", "ring"], value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How to show what is found
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    input: Input,
    /// Show the exchanges that this is true of, as in 'outcome == refused and client == 10.0.0.0/8'; `help` lists the
    /// fields
    #[arg(long, value_name = "EXPRESSION")]
    filter: Option<String>,
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

fn decode<S: Scribe>(arguments: &Arguments, report: impl Fn(&str) -> S) -> u8 {
    let filter = match filter(arguments) {
        Ok(filter) => filter,
        Err(code) => return code,
    };
    let (options, files) = match arguments.input.options().and_then(|options| {
        let files = arguments.input.files(&arguments.files)?;
        Ok((options, files))
    }) {
        Ok(read) => read,
        Err(code) => return code,
    };
    let run = Run {
        options,
        window: arguments.input.window(),
        threads: arguments.input.threads(),
        filter: filter.as_ref(),
        stand_ins: arguments.redact.as_deref().map(redaction::stand_ins),
        quiet: arguments.quiet,
    };
    let progress = Progress::default();
    let out = Out { out: io::stdout().lock(), failure: None, bar: Bar::start(&progress) };
    let stats = arguments.stats.then(Stats::default);
    let mut decoding = Decoding { run: &run, report, stats, out, failed: 0 };
    let inputs = arguments.input.read(&files, &progress, &mut decoding);
    let Decoding { stats, mut out, failed, .. } = decoding;
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
    if failed > 0 && inputs > 1 {
        complain(format_args!("{failed} of {inputs} inputs could not be read to their end"));
    }
    out.finish(code)
}

/// Writes what is in each input.
struct Decoding<'a, R, W> {
    run: &'a Run<'a>,
    report: R,
    stats: Option<Stats>,
    out: Out<W>,
    /// Inputs that could not be read to their end.
    failed: usize,
}

impl<S: Scribe, R: Fn(&str) -> S, W: Write> Reading for Decoding<'_, R, W> {
    fn capture(&mut self, file: &FileRecord<'_>, packets: &mut (impl Packets + Send)) {
        let mut chief = self.run.shown(&self.report, file.name, self.stats.is_some());
        chief.file(file);
        self.failed += self.run.trace(packets, chief, &self.report, &mut self.stats, &mut self.out);
    }

    fn document(&mut self, file: &FileRecord<'_>, kind: InputKind, reader: impl Read, rings: &RingOptions) {
        let mut chief = self.run.shown(&self.report, file.name, self.stats.is_some());
        chief.file(file);
        self.failed += read_document(kind, reader, rings, chief, &mut self.stats, &mut self.out);
    }

    fn unreadable(&mut self, name: &str, is_open: bool, notice: &Notice) {
        let mut chief = self.run.shown(&self.report, name, self.stats.is_some());
        chief.notice(notice);
        if is_open {
            chief.summary(&Summary { notices: 1, ..Summary::default() });
        }
        self.out.write(&chief.turn(Vec::new()));
        self.failed += 1;
    }

    fn goes_on(&self) -> bool {
        self.out.failure.is_none()
    }
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
        let counted = Counted { report: report(name), stats: counts.then(Stats::default) };
        Shown {
            told: StandingIn::new(counted, self.stand_ins.as_ref()),
            name,
            filter: self.filter,
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
        let has_failed = chief.has_failed;
        // What is followed where packets are read, the chief itself is told.
        for counted in
            traced.scribes.into_iter().chain([chief]).filter_map(|scribe| scribe.told.observer.stats)
        {
            stats.get_or_insert_default().merge(counted);
        }
        usize::from(has_failed)
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
    trace_document(kind, reader, rings, &mut observer);
    let Paged { shown, .. } = observer;
    if let Some(counted) = shown.told.observer.stats {
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

/// Counts records, or has them reported.
struct Counted<S> {
    report: S,
    stats: Option<Stats>,
}

impl<S: Scribe> Counted<S> {
    fn record<'r, R>(&mut self, record: &'r R, show: fn(&mut S, &R))
    where
        Record<'r>: From<&'r R>,
    {
        match &mut self.stats {
            Some(stats) => stats.count(record),
            None => show(&mut self.report, record),
        }
    }
}

impl<S: Scribe> Observer for Counted<S> {
    fn file(&mut self, file: &FileRecord<'_>) {
        self.report.file(file);
    }

    fn pdu(&mut self, pdu: &PduRecord<'_>) {
        self.report.pdu(pdu);
    }

    fn exchange(&mut self, exchange: &Exchange) {
        self.record(exchange, S::exchange);
    }

    fn mak(&mut self, exchange: &MakExchange) {
        self.record(exchange, S::mak);
    }

    fn directory(&mut self, exchange: &DirectoryExchange) {
        self.record(exchange, S::directory);
    }

    fn lookup(&mut self, lookup: &Lookup) {
        self.record(lookup, S::lookup);
    }

    fn guest(&mut self, exchange: &GuestExchange) {
        self.record(exchange, S::guest);
    }

    fn computer(&mut self, computer: &Computer) {
        self.report.computer(computer);
    }

    fn object(&mut self, object: &ObjectRecord) {
        self.report.object(object);
    }

    fn search(&mut self, search: &Search) {
        self.report.search(search);
    }

    fn channel(&mut self, channel: &ChannelRecord) {
        self.report.channel(channel);
    }

    fn control(&mut self, control: &ControlRecord) {
        self.report.control(control);
    }

    fn connection(&mut self, connection: &ConnectionRecord) {
        self.report.connection(connection);
    }

    fn notice(&mut self, notice: &Notice) {
        self.report.notice(notice);
    }

    fn comment(&mut self, comment: &Comment) {
        self.report.comment(comment);
    }

    fn summary(&mut self, summary: &Summary) {
        self.report.summary(summary);
    }
}

/// Shows what was asked for, and says on standard error which input could not be read.
struct Shown<'a, S> {
    told: StandingIn<'a, Counted<S>>,
    name: &'a str,
    filter: Option<&'a Filter>,
    quiet: bool,
    has_failed: bool,
}

impl<S: Scribe> Shown<'_, S> {
    /// True where the record is asked for.
    fn takes<'r>(&self, record: impl Into<Record<'r>>) -> bool {
        let is_counted = self.told.observer.stats.is_some();
        (is_counted || !self.quiet) && self.filter.is_none_or(|filter| filter.matches(record))
    }

    /// True where what belongs to no exchange is shown.
    fn shows_all(&self) -> bool {
        !self.quiet && self.told.observer.stats.is_none() && self.filter.is_none()
    }
}

/// Each of these, where the record is asked for.
macro_rules! taken {
    ($($name:ident: $record:ty),+ $(,)?) => {
        $(fn $name(&mut self, record: &$record) {
            if self.takes(record) {
                self.told.$name(record);
            }
        })+
    };
}

/// Each of these, where what belongs to no exchange is shown.
macro_rules! shown {
    ($($name:ident: $record:ty),+ $(,)?) => {
        $(fn $name(&mut self, record: &$record) {
            if self.shows_all() {
                self.told.$name(record);
            }
        })+
    };
}

impl<S: Scribe> Observer for Shown<'_, S> {
    taken! {
        exchange: Exchange,
        mak: MakExchange,
        directory: DirectoryExchange,
        lookup: Lookup,
        guest: GuestExchange,
    }

    shown! {
        pdu: PduRecord<'_>,
        computer: Computer,
        object: ObjectRecord,
        search: Search,
        channel: ChannelRecord,
        control: ControlRecord,
        connection: ConnectionRecord,
        comment: Comment,
    }

    fn file(&mut self, file: &FileRecord<'_>) {
        self.told.file(file);
    }

    fn notice(&mut self, notice: &Notice) {
        let notice = self.told.stand_in(notice);
        if notice.kind.is_failed_input() {
            self.has_failed = true;
            let name = self.name;
            match name {
                MERGED => complain(&*notice), // it names the file
                name => complain(format_args!("{name}: {notice}")),
            }
        }
        // A complaint about a connection may be about one that was not asked for.
        if self.filter.is_none() || notice.stream.is_none() {
            self.told.observer.notice(&notice);
        }
    }

    fn summary(&mut self, summary: &Summary) {
        self.told.summary(summary);
    }
}

impl<S: Scribe> Scribe for Shown<'_, S> {
    fn written(&self) -> usize {
        self.told.observer.report.written()
    }

    fn turn(&mut self, empty: Vec<u8>) -> Vec<u8> {
        self.told.observer.report.turn(empty)
    }
}
