//! Whole runs of the program over large captures, beside tshark: seconds, bytes a second, and the most memory.
//!
//! - `cargo bench --bench throughput -- --table [MB]`: builds captures of that size (450) below the target folder, runs
//!   the program on them, and prints the tables of `docs/throughput.md`
//! - `cargo bench --bench throughput -- build KIND MB FILE`: writes such a capture; KIND is `kms`, `machines`, `other`,
//!   `half-open`, `fragments` or `gaps`
//!
//! Without arguments, as `cargo test` runs it, everything is done once with captures of 4 MB.

mod traffic;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use traffic::Kind;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["build", kind, megabytes, file] => {
            let kind = Kind::by_name(kind).expect("a kind of traffic");
            build(kind, number(megabytes), Path::new(file));
        }
        ["--table"] => tables(450, 5),
        ["--table", megabytes] => tables(number(megabytes), 5),
        _ => tables(4, 1),
    }
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number of megabytes")
}

fn build(kind: Kind, megabytes: u64, path: &Path) {
    let file = File::create(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    traffic::build(kind, megabytes * 1_000_000, file).expect("it can be written");
}

/// What a run of a program took.
#[derive(Clone, Copy)]
struct Run {
    seconds: f64,
    /// The most memory that was resident, in kB.
    memory: u64,
}

/// Runs a program to its end with its output thrown away.
fn run(program: &str, arguments: &[&str], file: &Path) -> Option<Run> {
    let begin = Instant::now();
    let mut child = Command::new(program)
        .args(arguments)
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut memory = 0;
    // The high-water mark is gone with the process, so it is looked at again and again.
    while child.try_wait().ok()?.is_none() {
        memory = high_water_mark(&status).unwrap_or(0).max(memory);
        thread::sleep(Duration::from_millis(2));
    }
    Some(Run { seconds: begin.elapsed().as_secs_f64(), memory })
}

fn high_water_mark(status: &Path) -> Option<u64> {
    let text = fs::read_to_string(status).ok()?;
    let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

const VOLACT: &str = env!("CARGO_BIN_EXE_volact");

/// The runs that are measured beside each other: what it is, the traffic, the program's arguments.
const RUNS: [(&str, Kind, &[&str]); 9] = [
    ("KMS, `-q`", Kind::Kms, &["decode", "-q", "--threads", "1"]),
    ("KMS, `-q`, two threads", Kind::Kms, &["decode", "-q", "--threads", "2"]),
    ("KMS, JSON Lines", Kind::Kms, &["decode", "--format", "jsonl", "--threads", "1"]),
    ("KMS, text", Kind::Kms, &["decode", "--threads", "1"]),
    ("KMS, `--stats`", Kind::Kms, &["decode", "--stats", "--threads", "1"]),
    ("KMS, `check`", Kind::Kms, &["check", "--threads", "1"]),
    ("KMS, `diagnose`", Kind::Kms, &["diagnose", "--threads", "1"]),
    ("10,000 machines, `diagnose`", Kind::Machines, &["diagnose", "--threads", "1"]),
    ("other, `-q`", Kind::Other, &["decode", "-q", "--threads", "1"]),
];

/// Captures that somebody made to hurt, each with as many packets as its size holds.
const HOSTILE: [(&str, Kind); 3] = [
    ("half-open connections", Kind::HalfOpen),
    ("fragments that never complete", Kind::Fragments),
    ("one connection of gaps only", Kind::Gaps),
];

#[allow(clippy::cast_precision_loss)]
fn tables(megabytes: u64, times: usize) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("throughput");
    fs::create_dir_all(&folder).expect("a folder below target");
    let path = |kind: Kind| folder.join(format!("{}_{megabytes}.pcap", kind.name()));
    for kind in [Kind::Kms, Kind::Machines, Kind::Other] {
        build(kind, megabytes, &path(kind));
    }
    let bytes = |file: &Path| fs::metadata(file).map_or(0, |file| file.len()) as f64;
    // In turns, because the machine is not the same from one minute to the next.
    let mut runs: Vec<Vec<Run>> = RUNS.iter().map(|_| Vec::new()).collect();
    for _ in 0..times {
        for ((_, kind, arguments), runs) in RUNS.iter().zip(&mut runs) {
            runs.extend(run(VOLACT, arguments, &path(*kind)));
        }
    }
    let tshark = run("tshark", &["-Y", "dcerpc", "-r"], &path(Kind::Kms));
    println!("| run | size | best | median | at the median | resident |\n|---|---|---|---|---|---|");
    let mut median = Vec::new();
    for ((name, kind, _), mut runs) in RUNS.iter().zip(runs) {
        runs.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        assert!(!runs.is_empty(), "{name}: the program could not be run");
        let (best, middle) = (runs[0], runs[runs.len() / 2]);
        row(name, bytes(&path(*kind)), best.seconds, middle);
        median.push(middle.seconds);
    }
    match tshark {
        Some(once) => {
            row("KMS, tshark -Y dcerpc", bytes(&path(Kind::Kms)), once.seconds, once);
            println!("\n{:.1} times as fast as tshark", once.seconds / median[0]);
        }
        None => println!("\ntshark is not there"),
    }
    println!("two threads: {:.2} times as fast as one", median[0] / median[1]);

    println!("\n| hostile | size | packets | seconds | resident |\n|---|---|---|---|---|");
    for (name, kind) in HOSTILE {
        let file = path(kind);
        let packets = if megabytes >= 100 { 1_000_000 } else { 10_000 };
        let made = File::create(&file).and_then(|file| traffic::build_packets(kind, packets, file));
        made.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let once = run(VOLACT, &["decode", "-q"], &file).expect("the program can be run");
        let megabytes = bytes(&file) / 1e6;
        let memory = once.memory as f64 / 1e3;
        println!("| {name} | {megabytes:.0} MB | {packets} | {:.2} | {memory:.0} MB |", once.seconds);
    }
}

#[allow(clippy::cast_precision_loss)]
fn row(name: &str, bytes: f64, best: f64, middle: Run) {
    println!(
        "| {name} | {:.0} MB | {best:.2} s | {:.2} s | {:.0} MB/s | {:.0} MB |",
        bytes / 1e6,
        middle.seconds,
        bytes / 1e6 / middle.seconds,
        middle.memory as f64 / 1e3,
    );
}
