use std::fs::File;
use std::io::{self, Read};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use clap::{Args, ValueEnum};

use crate::capture::{self, CaptureReader, LinkType, Merged, Packets, Progress, TimeBound, TimeWindow};
use crate::tls::KeyLog;
use crate::trace::{FileFormat, FileRecord, InputKind, Notice, NoticeKind, Options, RingOptions, look_at};
use crate::vmbus::{ChannelClass, PipeMode};
use crate::wire::Guid;

use super::{FAILED, USAGE, complain, quoted};

/// How inputs are read.
#[derive(Args)]
pub(super) struct Input {
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
    /// Share the connections out to this many threads, 8 at most; the output is the same [default: one a core]
    #[arg(long, value_name = "COUNT")]
    threads: Option<NonZero<usize>>,
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

/// The name of several files that are read as one.
pub(super) const MERGED: &str = "merged";

/// What becomes of each input.
pub(super) trait Reading {
    /// A capture's first bytes, before it is told as one; of several that are read as one, none.
    fn beginning(&mut self, _first: &[u8]) {}

    /// A capture, or several as one.
    fn capture(&mut self, file: &FileRecord<'_>, packets: &mut (impl Packets + Send));

    /// What is no capture.
    fn document(&mut self, file: &FileRecord<'_>, kind: InputKind, reader: impl Read, rings: &RingOptions);

    /// An input that cannot be opened, or whose beginning cannot be read (`is_open`).
    fn unreadable(&mut self, name: &str, is_open: bool, notice: &Notice);

    /// False once nothing more is wanted.
    fn goes_on(&self) -> bool {
        true
    }
}

impl Input {
    /// What traces, with the key log that was given, or the code with which the program ends.
    pub(super) fn options(&self) -> Result<Options, u8> {
        let key_log = Arc::new(key_log(self.keylog.as_deref())?);
        let vmbus_link = self.vmbus_link.map(LinkType);
        let mut options = Options { checksums: self.checksums, key_log, vmbus_link, ..Options::default() };
        options.ports.extend(&self.ports);
        Ok(options)
    }

    /// The lines of the key log that was given.
    pub(super) fn key_log_lines(&self) -> Vec<u8> {
        let text = self.keylog.as_deref().and_then(|path| key_log_text(path).ok());
        text.unwrap_or_default() // what is wrong with it was said when it was read
    }

    /// The arguments that choose how an input (a dump of rings) is read, as words of a command line.
    pub(super) fn words(&self, is_ring: bool) -> Vec<String> {
        if is_ring {
            let mut words = vec![format!("--ring-class {}", self.ring_class)];
            let pipe = self.ring_pipe.to_possible_value();
            words.extend(pipe.map(|pipe| format!("--ring-pipe {}", pipe.get_name())));
            words.extend(self.ring_split.map(|page| format!("--ring-split {page}")));
            return words;
        }
        let mut words: Vec<String> = self.ports.iter().map(|port| format!("--port {port}")).collect();
        words.extend(self.merge.then(|| "--merge".to_owned()));
        for (option, time) in [("--from", &self.from), ("--to", &self.to)] {
            words.extend(time.as_ref().map(|time| format!("{option} {}", time_word(time))));
        }
        words.extend(self.checksums.then(|| "--checksums".to_owned()));
        let keylog = self.keylog.as_ref().map(|path| quoted(&path.display().to_string()));
        words.extend(keylog.map(|path| format!("--keylog {path}")));
        words.extend(self.vmbus_link.map(|link| format!("--vmbus-link {link}")));
        words
    }

    pub(super) fn window(&self) -> TimeWindow {
        TimeWindow { from: self.from, to: self.to }
    }

    pub(super) fn threads(&self) -> usize {
        let threads = self.threads.or_else(|| thread::available_parallelism().ok());
        threads.map_or(1, NonZero::get).min(MAX_THREADS)
    }

    /// The files that the arguments stand for, or the code with which the program ends.
    pub(super) fn files(&self, arguments: &[PathBuf]) -> Result<Vec<PathBuf>, u8> {
        let files = capture::expand(arguments).map_err(|error| {
            complain(error);
            FAILED
        })?;
        if arguments.is_empty() && self.ring.is_empty() {
            complain("no FILE is named");
            return Err(USAGE);
        }
        if files.is_empty() && self.ring.is_empty() {
            complain(
                "no captures there (a directory stands for the *.pcap, *.pcapng, *.cap, *.ntar, *.har, *.cil, *.cilx and *.ldif below it)",
            );
            return Err(FAILED);
        }
        Ok(files)
    }

    /// Reads all inputs, one behind the other or as one; the number of them.
    pub(super) fn read(&self, files: &[PathBuf], progress: &Progress, reading: &mut impl Reading) -> usize {
        if self.merge {
            let mut packets = Merged::open(files, progress);
            let names: Vec<String> = packets.files().map(|(name, _)| name.to_owned()).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            reading.capture(&FileRecord { name: MERGED, format: None, files: &names }, &mut packets);
            return 1;
        }
        let rings = RingOptions {
            class_id: self.ring_class,
            pipe: match self.ring_pipe {
                RingPipe::Message => Some(PipeMode::Message),
                RingPipe::Byte => Some(PipeMode::Byte),
                RingPipe::None => None,
            },
            downstream_page: self.ring_split,
        };
        let dumps = self.ring.iter().map(|file| (file, true));
        let inputs: Vec<(&PathBuf, bool)> = files.iter().map(|file| (file, false)).chain(dumps).collect();
        inputs.iter().for_each(|(file, _)| progress.expect(file));
        for &(path, is_ring) in &inputs {
            if !reading.goes_on() {
                break;
            }
            let name = path.display().to_string();
            let file = |format| FileRecord { name: &name, format: Some(format), files: &[] };
            let opened = capture::open_counted(path, progress).and_then(look_at);
            let opened = opened.map(|(kind, reader)| (if is_ring { InputKind::Ring } else { kind }, reader));
            match opened {
                Ok((InputKind::Capture, reader)) => match CaptureReader::new({
                    reading.beginning(reader.get_ref().0.get_ref());
                    reader
                }) {
                    Ok(mut packets) => {
                        reading.capture(&file(FileFormat::Capture(packets.format())), &mut packets);
                    }
                    Err(error) => reading.unreadable(&name, true, &Notice::of(&error)),
                },
                Ok((kind, reader)) => {
                    if self.window() != TimeWindow::default() {
                        complain(format_args!("{name}: --from and --to are for captures: it is read whole"));
                    }
                    reading.document(&file(FileFormat::Other(kind)), kind, reader, &rings);
                }
                Err(error) => {
                    let message = format!("cannot be opened: {error}");
                    reading.unreadable(&name, false, &Notice::new(NoticeKind::Unreadable, message));
                }
            }
        }
        inputs.len()
    }
}

/// The key log that was given, or the code with which the program ends.
fn key_log(path: Option<&Path>) -> Result<KeyLog, u8> {
    let Some(path) = path else { return Ok(KeyLog::default()) };
    let text = key_log_text(path).map_err(|error| {
        complain(format_args!("--keylog {}: {error}", path.display()));
        FAILED
    })?;
    let (key_log, errors) = KeyLog::parse(&text);
    for error in errors.iter().take(MOST_COMPLAINTS) {
        complain(format_args!("--keylog {}: {error}", path.display()));
    }
    if let Some(more) = errors.len().checked_sub(MOST_COMPLAINTS).filter(|&more| more > 0) {
        complain(format_args!("--keylog {}: {more} more lines are none of a key log", path.display()));
    }
    Ok(key_log)
}

fn key_log_text(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(MAX_KEY_LOG).read_to_end(&mut text)?;
    Ok(text)
}

/// Bytes of a key log that are read.
const MAX_KEY_LOG: u64 = 64 << 20;
/// Lines of a key log that are complained about one by one.
const MOST_COMPLAINTS: usize = 10;

/// A time as an argument names it.
fn time_word(time: &TimeBound) -> String {
    let (sign, nanoseconds) = match time {
        TimeBound::At(at) => ("", at),
        TimeBound::AfterFirst(after) => ("+", after),
    };
    let (seconds, rest) = (nanoseconds.div_euclid(1_000_000_000), nanoseconds.rem_euclid(1_000_000_000));
    match rest {
        0 => format!("{sign}{seconds}"),
        rest => format!("{sign}{seconds}.{}", format!("{rest:09}").trim_end_matches('0')),
    }
}
