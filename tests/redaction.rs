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
    let mak = support::mak_names().into_iter().map(|name| format!("mak/{name}"));
    let names = support::names().into_iter().chain(mak).chain(support::surroundings());
    names.map(|name| support::input(&name)).collect()
}

/// Fields whose values must not come out.
const NAMING: [&str; 34] = [
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
    "servers",
    // DNS, where the names of records and questions are called this.
    "dns name",
    "domain",
    "target",
    "address",
    "mname",
    "rname",
    "data",
    // The directory.
    "base",
    "dn",
    "matched_dn",
    "configuration_naming_context",
    "diagnostic",
    "references",
    "referrals",
    "cn",
    "display_name",
    "csvlk_pid",
    "csvlk_partial_product_key",
    "installation_id",
    "confirmation_id",
    // VMBus, and licences.
    "sha256",
];

/// Values of these fields, wherever they stand in the records.
fn values(records: &str) -> Vec<(String, String)> {
    fn walk(name: &str, value: &Value, found: &mut Vec<(String, String)>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(field, value)| {
                let names_a_host =
                    ["question", "answers", "authorities", "additionals", "updates", "found", "service"];
                let is_dns = field == "name" && names_a_host.contains(&name);
                walk(if is_dns { "dns name" } else { field }, value, found);
            }),
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
    let is_address = ["client", "server", "server_address", "servers"].contains(&name);
    let is_hidden_request = name == "target" && (value.starts_with('/') || value.starts_with("http"));
    let is_everybodys = value.ends_with("core.windows.net") || value.ends_with("sls.microsoft.com");
    let is_in_every_forest =
        ["base", "dn", "matched_dn"].contains(&name) && !value.to_lowercase().contains("dc=");
    value.is_empty()
        || value.split('.').all(|label| label.starts_with('_'))
        || is_hidden_request
        || is_everybodys
        || is_in_every_forest
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
                "client" | "server" | "servers" => match value.parse::<std::net::SocketAddr>() {
                    Ok(_) => value.rsplit_once(':').unwrap().0.to_owned(),
                    Err(_) => value,
                },
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
    // A long claim is shown by its hash, and its stand-in by itself.
    let values = |records: &str| {
        let mut found = values(records);
        found.retain(|(name, _)| name != "sha256");
        found
    };
    let (plain, redacted) = (values(&plain), values(&redacted));
    assert_eq!(plain.len(), redacted.len());
    let mut stand_ins: BTreeMap<&(String, String), &str> = BTreeMap::new();
    for (value, (_, stand_in)) in plain.iter().zip(&redacted) {
        assert_eq!(stand_ins.insert(value, stand_in).unwrap_or(stand_in), stand_in, "{value:?}");
    }
    // Names of hosts and in directories have no upper and lower case.
    let values: BTreeSet<_> =
        stand_ins.keys().map(|(name, value)| (name, value.to_ascii_lowercase())).collect();
    let others: BTreeSet<_> = stand_ins.iter().map(|((name, _), stand_in)| (name, stand_in)).collect();
    assert!(others.len() + 40 > values.len(), "{} stand-ins for {} values", others.len(), values.len());
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
                    let answered = record["answered"].as_u64();
                    (record["type"].clone(), record["outcome"].clone(), checks, answered)
                })
                .collect::<Vec<_>>()
        };
        let (plain, redacted) = (count(&[]), count(&["--redact"]));
        assert_eq!(plain, redacted, "{input:?}");
    }
}

/// What the scripts put into the recordings of what stands around activation.
const NAMES: [&str; 21] = [
    "corp.example",
    "branch.example",
    "lab.example",
    "dc=corp",
    "kms1",
    "kms2",
    "avahi",
    "zeroconf",
    "synthetic",
    "made up",
    "elsewhere,",
    "bare",
    "10.77.0.",
    "fd77::",
    "bbbbb",
    "ccccc",
    "workstation",
    "330512311875727788",
    "429292031401597794",
    "3305123 1187572",
    "activated by its host",
];

#[test]
fn no_name_that_the_scripts_made_up_comes_out() {
    let mut seen = BTreeSet::new();
    for name in support::surroundings() {
        for way in [&[][..], &["-v"], &["--format", "jsonl"], &["--format", "jsonl", "-v"], &["--stats"]] {
            let of = |more: &[&str]| {
                let output = support::decode_input(&name, &[more, way].concat());
                let out = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
                out.to_lowercase()
            };
            let (plain, redacted) = (of(&[]), of(&["--redact=secret"]));
            for text in NAMES {
                assert!(!redacted.contains(text), "{name} {way:?}: {text}");
                if plain.contains(text) {
                    seen.insert(text);
                }
            }
        }
    }
    assert_eq!(seen.len(), NAMES.len(), "{seen:?}");
}

#[test]
fn what_led_to_what_can_still_be_seen() {
    let records = support::json_of("discovery/dns_kms.pcapng", &["--redact"]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let lookups = || records.iter().filter(|record| record["type"] == "lookup");
    let sections = ["answers", "additionals"];
    let answers = || {
        let found =
            lookups().flat_map(|lookup| sections.iter().map(|section| lookup["answer"][section].clone()));
        found.flat_map(|records| records.as_array().cloned().unwrap_or_default())
    };
    let asked: BTreeSet<String> = lookups().map(|lookup| text(&lookup["question"]["name"])).collect();
    let targets: BTreeSet<String> =
        answers().filter(|record| record["rtype"] == "SRV").map(|record| text(&record["target"])).collect();
    let addresses: BTreeSet<String> =
        answers().filter(|record| record["rtype"] == "A").map(|record| text(&record["address"])).collect();
    assert!(targets.iter().any(|target| asked.contains(target)), "the address of a target is asked for");
    let (mut found, mut services) = (0, 0);
    for exchange in records.iter().filter(|record| record["type"] == "exchange") {
        let by = &exchange["found"];
        // By a service and its host, or by a name that somebody had configured: the question for that is not told.
        let is_seen = match by["service"].is_null() {
            true => text(&by["name"]).starts_with("host-"),
            false => asked.contains(&text(&by["service"]["name"])) && targets.contains(&text(&by["name"])),
        };
        assert!(is_seen, "{by}");
        services += usize::from(!by["service"].is_null());
        let server = text(&exchange["server"]);
        assert!(addresses.contains(server.rsplit_once(':').unwrap().0), "{server}");
        found += 1;
    }
    assert!(found > 3 && services > 1, "{found} {services}");

    // What is an alias of what: the record that it leads to is of that name.
    let records = support::json_of("discovery/dns_aliases.pcapng", &["--redact"]);
    let mut followed = 0;
    for lookup in records.iter().filter(|record| record["outcome"] == "answered") {
        let answers = lookup["answer"]["answers"].as_array().unwrap();
        let alias = answers.iter().find(|record| record["rtype"] == "CNAME").unwrap();
        assert_eq!(alias["name"], lookup["question"]["name"]);
        followed += usize::from(
            answers.iter().any(|record| record["rtype"] == "SRV" && record["name"] == alias["target"]),
        );
    }
    assert!(followed >= 3, "{followed}");

    // An object's name is the one in its DN.
    let records = support::json_of("directory/ldap_filters.pcapng", &["--redact"]);
    let objects = records.iter().flat_map(|record| record["objects"].as_array().cloned().unwrap_or_default());
    let mut named = 0;
    for object in objects.filter(|object| object["cn"].is_string()) {
        let (dn, cn) = (text(&object["dn"]), text(&object["cn"]));
        named += usize::from(dn.starts_with(&format!("cn={cn},")));
        assert!(dn.starts_with(&format!("cn={cn},")), "{dn}: {cn}");
    }
    assert!(named > 3);
}
