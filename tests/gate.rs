//! The gate of our own CI: the program over the shared captures, our own host and the sample shims, with the committed
//! baselines, and what shuts it.
//!
//! The live peers themselves are in `tests/host.rs` and `tests/client.rs`. Without Python or a C compiler the shims' tests
//! are skipped with a message, unless `VOLACT_REQUIRE_PEERS=1`.

#![cfg(feature = "cli")]

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use volact::peer::{Host, Settings};

/// What the captures' peers do wrong.
const CAPTURES: &str = "baselines/captures.json";
/// A small capture whose entries in that baseline are about no other one, and a rule that is broken in it.
const ONE: &str = "captures/impacket_vlmcsd_frag100.pcap";
const BROKEN: &str = "RPC-RESPONSE-EARLY";

#[test]
fn the_captures_break_no_rule_but_as_their_baseline_expects_it() {
    let output = volact(&["check", "captures", "--strict", "--baseline", CAPTURES]);
    assert_eq!(code(&output), 0, "{}", last_lines(&output));
    assert!(last_lines(&output).contains("gate open"), "{}", last_lines(&output));
}

#[test]
fn each_failure_in_a_baseline_is_expected_for_a_reason_that_says_where_it_is_to_be_seen() {
    for name in ["captures", "vlmcsd", "vlmcs"] {
        for entry in entries(&format!("baselines/{name}.json")) {
            let reason = entry["reason"].as_str().unwrap();
            // A frame, an exchange, bytes.
            assert!(reason.contains(|c: char| c.is_ascii_digit()) && !reason.contains("TODO"), "{entry}");
        }
    }
}

#[test]
fn a_failure_that_nobody_expects_shuts_the_gate() {
    let mut baseline = of_one();
    assert_eq!(one_with("whole", &baseline).0, 0);
    let at = baseline.iter().position(|entry| entry["case"] == BROKEN).unwrap();
    baseline.remove(at);
    let (code, said) = one_with("removed", &baseline);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("gate shut (exit code 1): 1 fail"), "{said}");
}

#[test]
fn a_failure_with_another_message_than_expected_shuts_the_gate() {
    let mut baseline = of_one();
    let entry = baseline.iter_mut().find(|entry| entry["case"] == BROKEN).unwrap();
    entry["message"] = json!("call 7 is answered");
    let (code, said) = one_with("message", &baseline);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("fails in another way"), "{said}");
}

#[test]
fn an_expectation_of_what_is_not_so_shuts_the_gate() {
    for (name, case, told) in
        [("stale", "RPC-NO-SUCH-RULE", "no such case"), ("passes", "RPC-VERSION", ": passes")]
    {
        let mut baseline = of_one();
        baseline.push(json!({"suite": ONE, "case": case, "verdict": "fail", "message": "x", "reason": "y"}));
        let (code, said) = one_with(name, &baseline);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(told), "{said}");
    }
}

#[test]
fn our_own_host_passes_all_that_a_host_should() {
    let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let host = Host::bind(free).unwrap().serve_rightly(&Settings::default(), 7).unwrap();
    let output = volact(&["test", "host", &host.addr().to_string(), "--leave-traces", "--strict"]);
    assert_eq!(code(&output), 0, "{}", last_lines(&output));
}

#[test]
fn the_sample_shims_pass_all_that_a_shim_should_and_wrong_ones_do_not() {
    for shim in [python(), c()].into_iter().flatten() {
        let shim: Vec<&str> = shim.iter().map(String::as_str).collect();
        let output = volact(&[&["test", "shim", "--strict", "--"], &shim[..]].concat());
        assert_eq!(code(&output), 0, "{shim:?}: {}", last_lines(&output));
        let output = volact(&[&["test", "shim", "--"], &shim[..], &["--wrong", "skip-hmac"]].concat());
        assert_eq!(code(&output), 1, "{shim:?}: {}", last_lines(&output));
    }
}

fn volact(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_volact"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("NO_COLOR", "1")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn last_lines(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

fn entries(file: &str) -> Vec<Value> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["expected"].as_array().unwrap().clone()
}

/// What the baseline expects of one capture.
fn of_one() -> Vec<Value> {
    let found: Vec<_> = entries(CAPTURES).into_iter().filter(|entry| entry["suite"] == ONE).collect();
    assert!(found.len() > 1);
    found
}

/// The exit code of a check of that capture with a baseline, and what it says.
fn one_with(name: &str, expected: &[Value]) -> (i32, String) {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("gate-{name}.json"));
    fs::write(&file, json!({"schema": "volact-baseline/1", "expected": expected}).to_string()).unwrap();
    let output = volact(&["check", ONE, "--strict", "--baseline", file.to_str().unwrap()]);
    (code(&output), last_lines(&output))
}

fn python() -> Option<Vec<String>> {
    is_there("python3").then(|| ["python3", "shims/python/shim.py"].map(str::to_owned).to_vec())
}

fn c() -> Option<Vec<String>> {
    is_there("cc").then(|| {
        let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("gate-shim");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("shims/c/shim.c");
        let status = Command::new("cc").args(["-std=c99", "-O2", "-o"]).args([&program, &source]).status();
        assert!(status.unwrap().success());
        vec![program.to_str().unwrap().to_owned()]
    })
}

fn is_there(program: &str) -> bool {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    if output.is_ok_and(|output| output.status.success()) {
        return true;
    }
    assert!(
        std::env::var_os("VOLACT_REQUIRE_PEERS").is_none_or(|value| value != "1"),
        "VOLACT_REQUIRE_PEERS=1, and there is no {program}"
    );
    eprintln!("skipped: there is no {program}");
    false
}
