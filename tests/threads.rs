//! The connections of a capture, shared out to any number of threads, give the same bytes.

#![cfg(feature = "cli")]

mod support;

use std::fs;

use volact::capture::{self, CaptureReader};
use volact::report::{JsonReport, TextReport};
use volact::trace::{Exchange, Observer, Options, Scribe, Summary, trace_pages};

fn written<S: Scribe>(
    bytes: &[u8],
    options: &Options,
    threads: usize,
    scribe: impl Fn() -> S,
) -> (String, Summary) {
    let mut written = Vec::new();
    let out = |page: &[u8]| {
        written.extend_from_slice(page);
        true
    };
    let scribes = (0..threads).map(|_| scribe()).collect();
    let mut packets = CaptureReader::new(bytes).unwrap();
    let traced = trace_pages(&mut packets, options, &mut scribe(), scribes, out);
    assert_eq!(traced.scribes.len(), threads);
    (String::from_utf8(written).unwrap(), traced.summary)
}

fn assert_same(name: &str, bytes: &[u8]) {
    let options = &support::options_of(name);
    let text = written(bytes, options, 1, || TextReport::new(false, true));
    let json = written(bytes, options, 1, || JsonReport::new(false));
    for threads in [2, 3, 8, 11] {
        assert!(
            written(bytes, options, threads, || TextReport::new(false, true)) == text,
            "{name}, {threads} threads"
        );
        assert!(
            written(bytes, options, threads, || JsonReport::new(false)) == json,
            "{name}, {threads} threads"
        );
    }
}

fn read(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut reader = capture::open(&support::folder().join(name)).unwrap();
    std::io::Read::read_to_end(&mut reader, &mut bytes).unwrap();
    bytes
}

#[test]
fn every_capture_gives_the_same_bytes_on_any_number_of_threads() {
    let mak = support::mak_names().into_iter().map(|name| format!("mak/{name}"));
    let others = mak.chain(support::surroundings()).filter(|name| name.ends_with(".pcapng"));
    for name in support::names().into_iter().chain(others) {
        let bytes = read(&name);
        if !bytes.is_empty() {
            assert_same(&name, &bytes);
        }
    }
}

/// Read as one capture, in the order of their times: what DNS told in one file finds the connections of another.
#[test]
fn several_recordings_as_one_give_the_same_bytes_on_any_number_of_threads() {
    let names: Vec<String> =
        support::surroundings().into_iter().filter(|name| name.ends_with(".pcapng")).collect();
    let files: Vec<String> = names.iter().map(|name| format!("captures/{name}")).collect();
    for way in [&["-v"][..], &["--format", "jsonl"], &["--stats"]] {
        let of = |threads: &str| {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_volact"));
            command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["decode", "--merge", "--threads", threads]);
            command.args(["--keylog", "captures/directory/ldap_ldaps.keys"]);
            command.args(way).args(&files).output().unwrap().stdout
        };
        let one = of("1");
        assert!(one.len() > 5000, "{way:?}: {}", String::from_utf8_lossy(&one));
        for threads in ["2", "3", "5", "8"] {
            assert!(of(threads) == one, "{way:?}, {threads} threads");
        }
    }
}

/// All captures of little-endian pcap over Ethernet, packet by packet in turns, so that their connections go on beside
/// each other and their ports are used again and again.
fn interleaved(times: usize) -> Vec<u8> {
    let mut captures = Vec::new();
    for name in support::names() {
        let bytes = read(&name);
        if bytes.starts_with(&[0xd4, 0xc3, 0xb2, 0xa1]) && bytes[20..24] == [1, 0, 0, 0] {
            captures.push(support::records(&bytes).iter().map(|record| record.to_vec()).collect::<Vec<_>>());
        }
    }
    assert!(captures.len() > 50);
    let mut bytes = fs::read(support::folder().join("vlmcs_vlmcsd_v6_default.pcap")).unwrap()[..24].to_vec();
    for _ in 0..times {
        let longest = captures.iter().map(Vec::len).max().unwrap();
        for at in 0..longest {
            for record in captures.iter().filter_map(|records| records.get(at)) {
                bytes.extend_from_slice(record);
            }
        }
    }
    bytes
}

#[test]
fn many_connections_beside_each_other_give_the_same_bytes_on_any_number_of_threads() {
    let bytes = interleaved(6);
    let (_, summary) = written(&bytes, &Options::default(), 1, || JsonReport::new(false));
    assert!(summary.exchanges > 2000 && summary.packets > 15_000, "{summary:?}");
    assert_same("interleaved", &bytes);
    // Damage, too: a byte in a hundred is another one.
    let mut damaged = bytes;
    for at in (24..damaged.len()).step_by(101) {
        damaged[at] ^= 0x15;
    }
    assert_same("damaged", &damaged);
}

#[test]
fn reading_ends_early_where_nobody_takes_more() {
    let bytes = interleaved(30);
    for threads in [1, 3] {
        let mut pages = 0;
        let out = |_: &[u8]| {
            pages += 1;
            pages < 3
        };
        let scribes = (0..threads).map(|_| JsonReport::new(false)).collect();
        let mut chief = JsonReport::new(false);
        let mut packets = CaptureReader::new(&bytes[..]).unwrap();
        let traced = trace_pages(&mut packets, &Options::default(), &mut chief, scribes, out);
        assert_eq!(pages, 3);
        // Some are under way between the threads then, of 75,000.
        assert!(traced.summary.packets < 60_000, "{}", traced.summary.packets);
    }
}

/// Panics at the first exchange.
struct Clumsy;

impl Observer for Clumsy {
    fn exchange(&mut self, _: &Exchange) {
        panic!("clumsy");
    }
}

impl Scribe for Clumsy {
    fn written(&self) -> usize {
        0
    }

    fn turn(&mut self, empty: Vec<u8>) -> Vec<u8> {
        empty
    }
}

#[test]
fn a_panic_on_a_thread_ends_in_a_panic_and_not_in_waiting() {
    let bytes = interleaved(6);
    let traced = std::panic::catch_unwind(|| written(&bytes, &Options::default(), 3, || Clumsy));
    assert!(traced.is_err());
}
