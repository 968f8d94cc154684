//! `--redact`: what names a machine, a user's key or a host gets a stand-in, the same for the same value, in every format.

#![cfg(feature = "cli")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn decode(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_volact"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .arg("decode")
        .args(arguments)
        .output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

/// The inputs: all recordings, with the key log of those that have one.
fn inputs() -> Vec<Vec<String>> {
    let shared = support::names().into_iter().map(|name| vec![format!("captures/{name}")]);
    let mak = support::mak_names().into_iter().map(|name| {
        let keys = format!("captures/mak/{}.keys", name.split('.').next().unwrap());
        let path = format!("captures/mak/{name}");
        if Path::new(&keys).exists() { vec!["--keylog".to_owned(), keys, path] } else { vec![path] }
    });
    shared.chain(mak).collect()
}

/// Fields whose values must not come out.
const NAMING: [&str; 12] = [
    "cmid",
    "cmid_prev",
    "machine_name",
    "epid",
    "hwid",
    "pid",
    "iid",
    "cid",
    "batch_id",
    "client",
    "server",
    "server_address",
];

/// Values of these fields, wherever they stand in the records.
fn values(records: &str) -> Vec<(String, String)> {
    fn walk(name: &str, value: &Value, found: &mut Vec<(String, String)>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, value)| walk(name, value, found)),
            Value::Array(members) => members.iter().for_each(|member| walk(name, member, found)),
            Value::String(text) if NAMING.contains(&name) => found.push((name.to_owned(), text.clone())),
            _ => {}
        }
    }
    let mut found = Vec::new();
    for line in records.lines() {
        walk("", &serde_json::from_str(line).unwrap(), &mut found);
    }
    found
}

/// What names nobody: loopback, nil, nothing.
fn may_stay(name: &str, value: &str) -> bool {
    let is_address = ["client", "server", "server_address"].contains(&name);
    value.is_empty()
        || value.bytes().all(|byte| matches!(byte, b'0' | b'-'))
        || (is_address && (value.starts_with("127.") || value.starts_with("[::1]") || value == "::1"))
}

#[test]
fn nothing_that_names_anybody_comes_out() {
    let mut hidden = 0;
    for input in inputs() {
        let input: Vec<&str> = input.iter().map(String::as_str).collect();
        let plain = decode(&[&["--format", "jsonl"], &input[..]].concat());
        let names: BTreeSet<String> = values(&plain)
            .into_iter()
            .filter(|(name, value)| !may_stay(name, value) && value.len() > 3)
            .map(|(name, value)| match name.as_str() {
                // The port stays.
                "client" | "server" => value.rsplit_once(':').unwrap().0.to_owned(),
                _ => value,
            })
            .collect();
        hidden += names.len();
        for way in [&[][..], &["-v"], &["--format", "jsonl"], &["--format", "jsonl", "-v"], &["--stats"]] {
            let shown = decode(&[&["--redact"], way, &input[..]].concat());
            for name in &names {
                assert!(!shown.contains(name.as_str()), "{way:?} {input:?}: {name}");
                let grouped: Vec<&str> =
                    name.as_bytes().chunks(7).map(|c| std::str::from_utf8(c).unwrap_or("?")).collect();
                assert!(
                    name.len() < 40 || !shown.contains(&grouped[..3].join(" ")),
                    "{way:?} {input:?}: {name}"
                );
                let utf16: String =
                    name.encode_utf16().flat_map(u16::to_le_bytes).map(|b| format!("{b:02x}")).collect();
                assert!(name.len() < 6 || !shown.contains(&utf16), "{way:?} {input:?}: {name} in the bytes");
            }
        }
    }
    assert!(hidden > 800, "{hidden}");
}

#[test]
fn addresses_get_stand_ins_in_statistics_as_well() {
    for name in ["captures/vlmcs_vlmcsd_v6_default.pcap", "captures/mak/mak_batch.pcapng"] {
        let mut bytes = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
        let places: Vec<usize> =
            (0..bytes.len() - 4).filter(|&at| bytes[at..at + 4] == [127, 0, 0, 1]).collect();
        places.iter().for_each(|&at| bytes[at..at + 4].copy_from_slice(&[10, 1, 2, 3]));
        let path = std::env::temp_dir().join(format!("volact-redaction-{}.pcap", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        let path = path.to_str().unwrap();
        for way in [&["--stats"][..], &["--stats", "--format", "jsonl"], &[], &["-v"], &["--format", "jsonl"]]
        {
            assert!(decode(&[way, &[path]].concat()).contains("10.1.2.3"), "{way:?}");
            let shown = decode(&[&["--redact"], way, &[path]].concat());
            assert!(!shown.contains("10.1.2.3") && !shown.contains("0a010203"), "{way:?}: {shown}");
            let words = shown.split(|c: char| !c.is_ascii_digit() && c != '.');
            let addresses = words.filter_map(|word| word.parse::<std::net::Ipv4Addr>().ok());
            let others: BTreeSet<_> = addresses.collect();
            assert!(
                others.len() == 1 && others.iter().all(|other| other.octets()[0] >= 240),
                "{way:?}: {others:?}"
            );
        }
    }
}

#[test]
fn the_same_value_has_the_same_stand_in_and_everything_else_stays() {
    let input = inputs().concat();
    let input: Vec<&str> = input
        .iter()
        .map(String::as_str)
        .filter(|name| name.ends_with(".pcap") || name.ends_with(".pcapng"))
        .collect();
    let plain = decode(&[&["--format", "jsonl"], &input[..]].concat());
    let redacted = decode(&[&["--redact=secret", "--format", "jsonl"], &input[..]].concat());
    assert_eq!(
        redacted,
        decode(&[&["--redact=secret", "--format", "jsonl", "--threads", "3"], &input[..]].concat())
    );
    assert_ne!(redacted, decode(&[&["--redact=other", "--format", "jsonl"], &input[..]].concat()));
    let (plain, redacted) = (values(&plain), values(&redacted));
    assert_eq!(plain.len(), redacted.len());
    let mut stand_ins: BTreeMap<&(String, String), &str> = BTreeMap::new();
    for (value, (_, stand_in)) in plain.iter().zip(&redacted) {
        assert_eq!(stand_ins.insert(value, stand_in).unwrap_or(stand_in), stand_in, "{value:?}");
    }
    let others: BTreeSet<_> = stand_ins.values().collect();
    assert!(others.len() + 40 > stand_ins.len(), "{} stand-ins for {} values", others.len(), stand_ins.len());
}

#[test]
fn outcomes_checks_and_counts_are_those_of_the_values() {
    for input in inputs().iter().filter(|input| input.len() == 1) {
        let count = |arguments: &[&str]| {
            let out = decode(&[&["--format", "jsonl"], arguments, &[input[0].as_str()]].concat());
            let records: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            records
                .iter()
                .filter(|record| record["type"] != "comment")
                .map(|record| {
                    let checks = record["checks"].clone();
                    (record["type"].clone(), record["outcome"].clone(), checks, record["answered"].clone())
                })
                .collect::<Vec<_>>()
        };
        let (plain, redacted) = (count(&[]), count(&["--redact"]));
        assert_eq!(plain, redacted, "{input:?}");
    }
}
