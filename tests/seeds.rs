//! `volact seeds`: what is cut from captures and other inputs, how it is named, and what is not in it.

#![cfg(feature = "cli")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use volact::capture::{Dialogue, Direction, Endpoint};
use volact::fuzzing::TARGETS;

const V6: &str = "captures/vlmcs_vlmcsd_v6_default.pcap";

/// The code that it ends with, and what it says on standard output and standard error.
fn seeds(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_volact"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("seeds").args(arguments).stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// An empty folder of this name.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("seeds").join(name);
    let _ = fs::remove_dir_all(&path); // there may be none
    fs::create_dir_all(&path).unwrap();
    path
}

/// The files below a folder, by `<target>/<name>`.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for target in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        for file in fs::read_dir(&target).unwrap().map(|entry| entry.unwrap().path()) {
            let name = file.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            files.insert(name, fs::read(file).unwrap());
        }
    }
    files
}

/// All recordings, with what opens their TLS.
fn all(folder: &Path) -> (i32, String) {
    let rings = ["captures/vmbus/vmbus_wrap.ring", "captures/vmbus/vmbus_torn.ring"];
    let mut arguments = vec!["captures", "-o", folder.to_str().unwrap()];
    rings.iter().for_each(|ring| arguments.extend(["--ring", *ring]));
    arguments.extend(["--keylog", "captures/mak/mak_tls13.keys"]);
    let (code, out, err) = seeds(&arguments);
    assert_eq!(out, "");
    (code, err)
}

#[test]
fn every_target_has_seeds_which_its_body_takes_and_they_are_the_same_each_time() {
    let (first, second) = (folder("all"), folder("again"));
    let (code, err) = all(&first);
    // Two captures are damaged on purpose, and the rest is cut.
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("2 of "), "{err}");
    all(&second);
    let files = files(&first);
    assert!(files == self::files(&second));
    for (target, body) in TARGETS {
        let own: Vec<_> = files.iter().filter(|(name, _)| name.starts_with(&format!("{target}/"))).collect();
        assert!(!own.is_empty(), "{target} has none");
        assert!(err.contains(&format!("{target}: {} seeds", own.len())), "{target}: {err}");
        own.iter().step_by(own.len().div_ceil(12)).for_each(|(_, bytes)| body(bytes));
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
        assert!(own.iter().all(|(name, _)| name.chars().all(plain) && name.len() < 120));
    }
}

#[test]
fn names_tell_where_seeds_come_from() {
    let (code, out, err) = seeds(&["--list", "--target", "pdu,epid", V6]);
    assert_eq!(code, 0, "{err}");
    let names: Vec<&str> = out.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(
        names,
        [
            "epid/vlmcs_vlmcsd_v6_default.0.epid",
            "pdu/vlmcs_vlmcsd_v6_default.0.alter_context",
            "pdu/vlmcs_vlmcsd_v6_default.0.alter_context_resp",
            "pdu/vlmcs_vlmcsd_v6_default.0.bind",
            "pdu/vlmcs_vlmcsd_v6_default.0.bind_ack",
            "pdu/vlmcs_vlmcsd_v6_default.0.request",
            "pdu/vlmcs_vlmcsd_v6_default.0.response",
        ]
    );
    assert!(err.ends_with("pdu: 6 seeds, 4 like another\n7 seeds\n"), "{err}");
}

#[test]
fn what_is_there_is_left_alone_and_told_of_where_it_is_something_else() {
    let folder = folder("there");
    let arguments = ["--target", "epid", V6, "-o", folder.to_str().unwrap()];
    assert_eq!(seeds(&arguments).0, 0);
    let seed = folder.join("epid/vlmcs_vlmcsd_v6_default.0.epid");
    let written = fs::read(&seed).unwrap();
    assert_eq!(seeds(&arguments).0, 0, "the same bytes are fine");
    fs::write(&seed, b"mine").unwrap();
    let (code, _, err) = seeds(&arguments);
    assert_eq!(code, 3);
    assert!(err.contains("has other bytes, and is left as it is"), "{err}");
    assert_eq!(fs::read(&seed).unwrap(), b"mine");
    assert_ne!(written, b"mine");
}

#[test]
fn an_unreadable_file_exits_3_and_the_rest_is_cut() {
    let folder = folder("unreadable");
    let path = folder.to_str().unwrap();
    let (code, _, err) = seeds(&["no/such/file", "captures/fmt_empty.pcap", V6, "-o", path]);
    assert_eq!(code, 3);
    assert!(err.contains("volact: no/such/file: cannot be opened: "), "{err}");
    assert!(err.contains("2 of 3 inputs could not be read to their end"), "{err}");
    assert!(files(&folder).contains_key("pdu/vlmcs_vlmcsd_v6_default.0.bind"));
}

#[test]
fn arguments_that_make_no_sense_exit_2() {
    assert_eq!(seeds(&[V6]).0, 2, "nowhere to write to");
    assert_eq!(seeds(&[V6, "--list", "--target", "no_target"]).0, 2);
    assert_eq!(seeds(&["--list"]).0, 2, "nothing to read");
}

/// Made up: five groups, each of one symbol.
fn key() -> String {
    ["B", "C", "D", "F", "G"].map(|symbol| symbol.repeat(5)).join("-")
}

/// A request over HTTP whose head goes on with `fields`, in packets that end in the middle of its body.
fn post(fields: &str, body: &[u8]) -> Vec<u8> {
    let side = |port| Endpoint { address: IpAddr::V4(Ipv4Addr::LOCALHOST), port };
    let mut dialogue = Dialogue::new(side(50_000), side(80), 1_700_000_000_000_000_000);
    let head = format!("POST /a HTTP/1.1\r\nHost: test.example\r\n{fields}\r\n");
    let (front, rest) = body.split_at(body.len() / 2);
    dialogue.send(Direction::ToServer, 1_700_000_000_001_000_000, &[head.as_bytes(), front].concat());
    dialogue.send(Direction::ToServer, 1_700_000_000_002_000_000, rest);
    dialogue.close(Direction::ToServer, 1_700_000_000_003_000_000);
    let mut file = Vec::new();
    Dialogue::write(&[dialogue], &mut file, "").unwrap();
    file
}

#[test]
fn no_product_key_is_in_a_seed() {
    let folder = folder("keys");
    let text = format!("<Fault><faultstring>{}</faultstring></Fault>", key());
    let length = |body: &[u8]| format!("Content-Length: {}\r\n", body.len());
    let mut zipped = GzEncoder::new(Vec::new(), Compression::default());
    zipped.write_all(text.as_bytes()).unwrap();
    let zipped = zipped.finish().unwrap();
    let (front, rest) = text.split_at(40);
    let chunks = format!("{:x}\r\n{front}\r\n{:x}\r\n{rest}\r\n0\r\n\r\n", front.len(), rest.len());
    let har = format!(r#"{{"log": {{"comment": "{}", "entries": []}}}}"#, key());
    let ldif = format!("dn: CN=a,DC=test\ndescription: {}\n", key());
    let inputs = [
        ("in_two_packets.pcapng", post(&length(text.as_bytes()), text.as_bytes())),
        ("zipped.pcapng", post(&format!("Content-Encoding: gzip\r\n{}", length(&zipped)), &zipped)),
        ("in_chunks.pcapng", post("Transfer-Encoding: chunked\r\n", chunks.as_bytes())),
        ("body.xml", text.clone().into_bytes()),
        ("log.har", har.into_bytes()),
        ("export.ldif", ldif.into_bytes()),
    ];
    let mut arguments = Vec::new();
    for (name, bytes) in &inputs {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        arguments.push(path.to_str().unwrap().to_owned());
    }
    let cut = folder.join("cut");
    arguments.extend(["-o".to_owned(), cut.to_str().unwrap().to_owned()]);
    let (code, _, err) = seeds(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("left out for a product key or a secret"), "{err}");
    let files = files(&cut);
    for (name, bytes) in &files {
        // What may be shown of a key is its last group; any other is nowhere, not even half of two.
        for part in ["BBBBB", "CCCCC", "DDDDD", "BB-CC"] {
            let shows = bytes.windows(part.len()).any(|window| window == part.as_bytes());
            assert!(!shows, "{name} has {part}");
        }
    }
    let of =
        |target: &str, stem: &str| files.keys().any(|name| name.starts_with(&format!("{target}/{stem}.")));
    assert!(of("http", "in_two_packets") && of("capture", "in_two_packets"));
    // The body by itself is the one of the two packets, which is enough.
    assert!(of("soap", "in_two_packets") && of("har", "log") && of("ldif", "export"));
    assert!(!of("http", "zipped") && !of("capture", "zipped") && !of("layers", "zipped"));
    assert!(!of("http", "in_chunks") && !of("capture", "in_chunks") && !of("file", "in_two_packets"));
}
