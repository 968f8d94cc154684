use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::capture::{Packets, Progress, Within};
use crate::fuzzing::seeds::{Cutter, Seeds, targets};
use crate::trace::{FileRecord, InputKind, Notice, RingOptions};

use super::input::{Input, Reading};
use super::progress::Bar;
use super::{FAILED, FINE, complain};

#[derive(Args)]
pub(super) struct Arguments {
    /// What to cut from: captures, HAR files, bodies of MAK's services, VAMT files and LDIF, as `decode` takes them
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write each seed to FOLDER/<target>/<name>. One that is there already is left alone; where it has other bytes, that is
    /// a failure
    #[arg(short, long, value_name = "FOLDER", required_unless_present = "list")]
    output: Option<PathBuf>,
    /// Cut for this target only; can be repeated
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = PossibleValuesParser::new(targets()), hide_possible_values = true)]
    target: Vec<String>,
    /// Name the seeds and their bytes on standard output, and write none
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    input: Input,
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
    let mut cutter = Cutter::new(&options, &arguments.input.key_log_lines());
    if !arguments.target.is_empty() {
        cutter = cutter.only(&arguments.target);
    }
    let progress = Progress::default();
    let bar = Bar::start(&progress);
    let mut cutting = Cutting { arguments, cutter, first: Vec::new(), failed: 0 };
    let inputs = arguments.input.read(&files, &progress, &mut cutting);
    drop(bar);
    let Cutting { cutter, failed, .. } = cutting;
    let seeds = cutter.finish();
    if failed > 0 && inputs > 1 {
        complain(format_args!("{failed} of {inputs} inputs could not be read to their end"));
    }
    let is_done = match (&arguments.output, arguments.list) {
        (Some(folder), false) => write(folder, &seeds),
        _ => list(&seeds),
    };
    summary(&seeds, &arguments.target);
    if failed == 0 && is_done { FINE } else { FAILED }
}

/// Cuts each input.
struct Cutting<'a> {
    arguments: &'a Arguments,
    cutter: Cutter,
    /// The first bytes of the capture that comes.
    first: Vec<u8>,
    failed: usize,
}

impl Cutting<'_> {
    fn take(&mut self, name: &str, failures: &[Notice]) {
        for notice in failures {
            complain(format_args!("{name}: {notice}"));
        }
        self.failed += usize::from(!failures.is_empty());
    }
}

impl Reading for Cutting<'_> {
    fn beginning(&mut self, first: &[u8]) {
        self.first = first.to_vec();
    }

    fn capture(&mut self, file: &FileRecord<'_>, packets: &mut (impl Packets + Send)) {
        let first = std::mem::take(&mut self.first);
        let mut packets = Within::new(packets, self.arguments.input.window());
        let failures = self.cutter.packets(file.name, &mut packets, &first);
        self.take(file.name, &failures);
    }

    fn document(&mut self, file: &FileRecord<'_>, kind: InputKind, reader: impl Read, rings: &RingOptions) {
        let failures = self.cutter.document(file.name, kind, reader, rings);
        self.take(file.name, &failures);
    }

    fn unreadable(&mut self, name: &str, _is_open: bool, notice: &Notice) {
        self.take(name, std::slice::from_ref(notice));
    }
}

/// False where one could not be written.
fn write(folder: &Path, seeds: &Seeds) -> bool {
    let mut is_written = true;
    for (target, name, bytes) in seeds.iter() {
        let path = folder.join(target).join(name);
        if let Err(error) = write_new(&path, bytes) {
            complain(format_args!("{}: {error}", path.display()));
            is_written = false;
            // Where one cannot be written for another reason than itself, none can.
            if error.kind() != io::ErrorKind::AlreadyExists {
                break;
            }
        }
    }
    is_written
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    match File::create_new(path) {
        Ok(mut file) => file.write_all(bytes),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if fs::read(path)? == bytes {
                return Ok(());
            }
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "has other bytes, and is left as it is"))
        }
        Err(error) => Err(error),
    }
}

/// False where standard output takes nothing.
fn list(seeds: &Seeds) -> bool {
    let mut out = io::stdout().lock();
    let mut lines =
        seeds.iter().map(|(target, name, bytes)| writeln!(out, "{target}/{name} {}", bytes.len()));
    match lines.find_map(Result::err) {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(format_args!("writing failed: {error}"));
            false
        }
        _ => true, // who has gone away has read enough
    }
}

/// Says on standard error how many there are of each target, and what was left out.
fn summary(seeds: &Seeds, wanted: &[String]) {
    let mut total = 0;
    for target in targets().filter(|target| wanted.is_empty() || wanted.iter().any(|wanted| wanted == target))
    {
        let counts = seeds.counts(target);
        total += counts.seeds;
        let beyond = match counts.beyond {
            0 => String::new(),
            beyond => format!(", {beyond} too many or too long"),
        };
        anstream::eprintln!("{target}: {} seeds, {} like another{beyond}", counts.seeds, counts.alike);
    }
    anstream::eprintln!("{total} seeds");
    if seeds.with_a_key > 0 {
        anstream::eprintln!("{} things are left out for a product key or a secret in them", seeds.with_a_key);
    }
    if seeds.cut_short > 0 {
        anstream::eprintln!("{} connections are cut short", seeds.cut_short);
    }
}
