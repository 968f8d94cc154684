//! What comes of a judgement: baselines, the gate, and the reports, held against their schemas.

#![cfg(feature = "cli")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use volact::conformance::{
    Baseline, BreachRecord, CaseResult, Identity, Run, Signal, Suite, TranscriptLine, Verdict, apply,
    exit_code,
};
use volact::report::results::{ResultFormat, ResultLook, render};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn case(id: &str, verdict: Verdict, message: &str) -> CaseResult {
    CaseResult {
        id: id.to_owned(),
        title: format!("What <{id}> demands"),
        family: "framing".to_owned(),
        level: "must".to_owned(),
        authority: "C706 12.6.3.1".to_owned(),
        verdict,
        message: message.to_owned(),
        checked: 3,
        broken: u64::from(verdict.is_failure()),
        milliseconds: Some(1250),
        ..CaseResult::default()
    }
}

/// A run with one case of each verdict, and all that a case can have.
fn run() -> Run {
    let mut failed = case("HOST-BIND", Verdict::Fail, "a fault & \"no\" bind_ack <\u{1b}[0m>");
    failed.breaches = vec![BreachRecord {
        rule: "RPC-VERSION".to_owned(),
        level: "must".to_owned(),
        message: "version 4.0, not 5.0 or 5.1".to_owned(),
        side: "server".to_owned(),
        who: Some("127.0.0.1:1688".to_owned()),
        stream: Some(2),
        frames: Some((5, 6)),
        at: Some(("pdu".to_owned(), 0)),
        hex: "04000c0310000000".to_owned(),
        hex_at: Some(0),
        decoded: vec!["bind_ack(12) PDU, 8 bytes".to_owned()],
    }];
    failed.transcript = vec![
        TranscriptLine {
            direction: "c2s".to_owned(),
            what: "bind".to_owned(),
            hex: "05000b03".to_owned(),
            decoded: vec!["bind(11) PDU".to_owned()],
            ..TranscriptLine::default()
        },
        TranscriptLine { what: "closed by the server".to_owned(), ..TranscriptLine::default() },
    ];
    failed.repeat = "volact test host 127.0.0.1:1688 --only HOST-BIND --seed 7".to_owned();
    let mut expected = case("HOST-OLD", Verdict::Fail, "closes at once");
    expected.expected = Some("it is old | <very>".to_owned());
    let signal = Signal {
        what: "HwId".to_owned(),
        who: "vlmcsd".to_owned(),
        speaks_for: true,
        found: "its default".to_owned(),
        frame: Some(9),
        hex: "3a1c049600b60076".to_owned(),
    };
    let identity = Identity {
        host: "127.0.0.1:1688".to_owned(),
        verdict: "likely vlmcsd".to_owned(),
        signals: vec![signal],
    };
    let cases = vec![
        case("HOST-PASS", Verdict::Pass, ""),
        case("HOST-SKIP", Verdict::Skipped, ""),
        case("HOST-REMARK", Verdict::Remark, "another choice"),
        case("HOST-SHOULD", Verdict::Should, "not as good peers do"),
        case("HOST-WORDS", Verdict::WrongWords, "fault 5, not 1c010003"),
        case("HOST-UNIMPLEMENTED", Verdict::Unimplemented, "the shim says 89"),
        case("HOST-FLAKY", Verdict::Flaky, "pass, then fail"),
        case("HOST-ERROR", Verdict::HarnessError, "no port was free"),
        failed,
        expected,
    ];
    Run {
        command: "test host".to_owned(),
        subject: "127.0.0.1:1688".to_owned(),
        seed: Some(7),
        suites: vec![Suite { name: "127.0.0.1:1688".to_owned(), cases, hosts: vec![identity] }],
        ..Run::default()
    }
}

/// The same, of another peer, where more passes and a baseline is wrong.
fn other_run() -> Run {
    let mut run = run();
    run.subject = "[::1]:1688".to_owned();
    run.suites[0].name = run.subject.clone();
    run.suites[0]
        .cases
        .retain(|case| matches!(case.verdict, Verdict::Pass | Verdict::Flaky | Verdict::Skipped));
    let baseline = baseline(json!([
        {"case": "HOST-PASS", "verdict": "fail", "message": "closes", "reason": "was so"},
        {"case": "HOST-GONE", "verdict": "fail", "message": "closes", "reason": "TODO: say why"},
        {"case": "HOST-FLAKY", "verdict": "flaky", "message": "then fail", "reason": "slow machine"},
    ]));
    apply(&mut run, &baseline, |_| true);
    run
}

fn baseline(expected: Value) -> Baseline {
    Baseline::parse(&json!({"schema": "volact-baseline/1", "expected": expected}).to_string()).unwrap()
}

fn rendered(runs: &[Run], format: ResultFormat) -> String {
    String::from_utf8(render(runs, format, ResultLook::default())).unwrap()
}

fn volact(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_volact")).current_dir(root()).args(arguments).output().unwrap()
}

fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings
}

/// A report as a snapshot has it, whatever version has written it.
fn unversioned(report: &str) -> String {
    let version = concat!("ersion\": \"", env!("CARGO_PKG_VERSION"), "\"");
    report.replace(version, "ersion\": \"[version]\"")
}

/// A folder for what a test writes.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn bytes_that_show_two_breaches_are_in_a_sarif_report_once() {
    let mut run = run();
    let failed = run.suites[0].cases.iter().find(|case| !case.breaches.is_empty()).unwrap();
    let mut again = failed.clone();
    again.id = "HOST-AGAIN".to_owned();
    run.suites[0].cases.push(again);
    validate("sarif", &rendered(&[run], ResultFormat::Sarif));
}

/// Holds a report against the schema of its kind, where the schemas are installed.
fn validate(kind: &str, report: &str) {
    let python = root().join("target/schemas/bin/python");
    if !python.exists() {
        assert!(std::env::var_os("VOLACT_REQUIRE_SCHEMAS").is_none(), "tests/schemas/install was not run");
        eprintln!("not validated: tests/schemas/install brings the schemas");
        return;
    }
    let file = folder(&format!("schema-{kind}-{}", report.len())).join("report");
    fs::write(&file, report).unwrap();
    let script = root().join("tests/schemas/validate.py");
    let output = Command::new(python).arg(script).arg(kind).arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{kind}: {said}");
}

const CHECKED: [&str; 5] = [
    "check",
    "captures/raw_edge_vlmcsd.pcap",
    "captures/vlmcs_vlmcsd_v6_default.pcap",
    "--only",
    "RPC-VERSION",
];

#[test]
fn every_format_of_a_run_and_of_two_side_by_side_is_as_reviewed() {
    settings().bind(|| {
        for format in ResultFormat::ALL {
            let name = format.name();
            insta::assert_snapshot!(format!("results.one.{name}"), unversioned(&rendered(&[run()], format)));
            let two = rendered(&[run(), other_run()], format);
            insta::assert_snapshot!(format!("results.two.{name}"), unversioned(&two));
        }
    });
}

#[test]
fn every_format_of_a_check_of_two_captures_is_as_reviewed() {
    settings().bind(|| {
        for format in ResultFormat::ALL {
            let output = volact(&[&CHECKED[..], &["--format", format.name()]].concat());
            assert_eq!(output.status.code(), Some(1));
            insta::assert_snapshot!(
                format!("results.check.{}", format.name()),
                unversioned(&String::from_utf8(output.stdout).unwrap())
            );
        }
    });
}

#[test]
fn junit_and_sarif_are_of_their_published_schemas() {
    let stale = rendered(&[run(), other_run()], ResultFormat::Junit);
    validate("junit", &stale);
    validate("junit", &rendered(&[], ResultFormat::Junit));
    validate("sarif", &rendered(&[run(), other_run()], ResultFormat::Sarif));
    validate("sarif", &rendered(&[Run::default()], ResultFormat::Sarif));
    for (kind, format) in [("junit", "junit"), ("sarif", "sarif")] {
        let output = volact(&["check", "captures", "--format", format]);
        validate(kind, &String::from_utf8(output.stdout).unwrap());
    }
}

#[test]
fn the_schemas_refuse_what_is_not_of_them() {
    let python = root().join("target/schemas/bin/python");
    if !python.exists() {
        return;
    }
    for (kind, report) in
        [("junit", "<testsuites><testcase/></testsuites>"), ("sarif", "{\"version\": \"2.0.0\"}")]
    {
        let file = folder(&format!("schema-wrong-{kind}")).join("report");
        fs::write(&file, report).unwrap();
        let script = root().join("tests/schemas/validate.py");
        let output = Command::new(&python).arg(script).arg(kind).arg(&file).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{kind}");
    }
}

#[test]
fn junit_tells_failures_errors_and_what_was_not_run_apart() {
    let text = rendered(&[run()], ResultFormat::Junit);
    let count = |what: &str| text.matches(what).count();
    assert!(text.contains("tests=\"10\" failures=\"2\" errors=\"1\" skipped=\"3\""), "{text}");
    assert_eq!((count("<failure "), count("<error "), count("<skipped ")), (2, 1, 3));
    let strict = render(&[run()], ResultFormat::Junit, ResultLook { strict: true, ..ResultLook::default() });
    assert_eq!(String::from_utf8(strict).unwrap().matches("<failure ").count(), 4);
}

#[test]
fn what_is_stored_is_read_back_and_shown_alike() {
    let runs = [run(), other_run()];
    let text = rendered(&runs, ResultFormat::Jsonl);
    let read = Run::read_jsonl(&text).unwrap();
    assert_eq!(read, runs);
    for (text, error) in [
        ("{}", "line 1: no record of results: it has no type"),
        ("\n{\"type\":\"case\",", "line 2: EOF while parsing"),
        (
            "{\"type\":\"summary\",\"verdicts\":{},\"strict\":false,\"exit_code\":0}",
            "line 1: a record in front",
        ),
        ("{\"type\":\"run\",\"schema\":\"volact-results/9\",\"command\":\"check\"}", "line 1: schema"),
    ] {
        let said = Run::read_jsonl(text).unwrap_err().to_string();
        assert!(said.starts_with(error), "{said}");
    }
    assert_eq!(Run::read_jsonl("{\"type\":\"later\"}\n").unwrap(), []);
}

/// The names of all fields in a value.
fn names(value: &Value, into: &mut std::collections::BTreeSet<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            into.insert(name.clone());
            if name != "verdicts" {
                names(value, into);
            }
        }),
        Value::Array(values) => values.iter().for_each(|value| names(value, into)),
        _ => {}
    }
}

#[test]
fn every_field_of_the_json_lines_is_described() {
    let text = rendered(&[run(), other_run()], ResultFormat::Jsonl);
    let mut written = std::collections::BTreeSet::new();
    for line in text.lines() {
        names(&serde_json::from_str(line).unwrap(), &mut written);
    }
    let page = fs::read_to_string(root().join("docs/results.md")).unwrap();
    let (_, page) = page.split_once("## JSON Lines").unwrap();
    for name in &written {
        assert!(page.contains(&format!("`{name}`")), "docs/results.md does not describe {name}");
    }
}

/// The commands of which the pages show options.
const COMMANDS: [&str; 3] = ["check", "report", "rules"];

#[test]
fn the_options_that_the_pages_show_are_there() {
    let mut seen = 0;
    for page in ["docs/ci.md", "docs/results.md"] {
        let text = fs::read_to_string(root().join(page)).unwrap();
        let lines = text.replace("\\\n", " ");
        for command in COMMANDS {
            let help = String::from_utf8(volact(&[command, "--help"]).stdout).unwrap();
            let mark = format!("volact {command} ");
            for rest in
                lines.split(&mark).skip(1).filter_map(|rest| rest.split(['\n', '`', '"', '\'']).next())
            {
                for option in rest.split_whitespace().filter(|word| word.starts_with("--")) {
                    assert!(help.contains(&format!("{option} ")), "{page}: {command} has no {option}");
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 15, "{seen} options");
}

#[test]
fn a_stored_check_is_reported_as_it_was() {
    let folder = folder("stored");
    let stored = folder.join("results.jsonl");
    let stored = stored.to_str().unwrap();
    let written = format!("jsonl:{stored}");
    let text = volact(&[&CHECKED[..], &["--output", &written]].concat());
    let again = volact(&["report", stored]);
    assert_eq!((text.status.code(), &text.stdout), (again.status.code(), &again.stdout));
}

#[test]
fn three_hundred_failures_end_with_1_and_an_unreadable_input_with_3() {
    let failed = vec![case("X", Verdict::Fail, "no"); 300];
    let of = |cases: Vec<CaseResult>| Run {
        suites: vec![Suite { name: "a".to_owned(), cases, ..Suite::default() }],
        ..Run::default()
    };
    let run = of(failed);
    assert_eq!(exit_code(&run, false), 1);
    let folder = folder("three-hundred");
    let stored = folder.join("results.jsonl");
    fs::write(&stored, rendered(&[run], ResultFormat::Jsonl)).unwrap();
    assert_eq!(volact(&["report", stored.to_str().unwrap()]).status.code(), Some(1));
    assert_eq!(volact(&["check", "captures/fmt_empty.pcap"]).status.code(), Some(3));
    for (verdict, codes) in [
        (Verdict::Pass, [0, 0]),
        (Verdict::Should, [0, 1]),
        (Verdict::WrongWords, [0, 1]),
        (Verdict::Remark, [0, 0]),
        (Verdict::Unimplemented, [0, 0]),
        (Verdict::Flaky, [1, 1]),
        (Verdict::HarnessError, [3, 3]),
    ] {
        let run = of(vec![case("X", verdict, "so")]);
        assert_eq!([exit_code(&run, false), exit_code(&run, true)], codes, "{verdict:?}");
    }
}

#[test]
fn a_baseline_that_was_written_makes_the_run_pass_and_keeps_its_reasons() {
    let folder = folder("baseline");
    let file = folder.join("baseline.json");
    let file = file.to_str().unwrap();
    let inputs =
        ["check", "captures/raw_edge_vlmcsd.pcap", "captures/fmt_empty.pcap", "--only", "RPC-VERSION"];
    assert_eq!(volact(&[&inputs[..], &["--write-baseline", file]].concat()).status.code(), Some(3));
    let written = fs::read_to_string(file).unwrap();
    assert_eq!(written.matches("TODO: say why").count(), 2, "{written}");
    let with = volact(&[&inputs[..], &["--baseline", file]].concat());
    let text = String::from_utf8(with.stdout).unwrap();
    assert_eq!(with.status.code(), Some(0), "{text}");
    assert!(text.contains("nobody has said why"), "{text}");
    fs::write(file, written.replacen("TODO: say why", "it is made to be empty", 1)).unwrap();
    volact(&[&inputs[..], &["--write-baseline", file]].concat());
    let again = fs::read_to_string(file).unwrap();
    assert!(again.contains("it is made to be empty") && again.matches("TODO").count() == 1, "{again}");
}

#[test]
fn what_a_baseline_expects_and_is_not_so_fails() {
    let entry = |case: &str, message: &str| json!({"case": case, "verdict": "fail", "message": message, "reason": "so it is"});
    let judged = |expected: Value, selected: &dyn Fn(&str) -> bool| {
        let mut judged = run();
        judged.suites[0]
            .cases
            .retain(|case| matches!(case.id.as_str(), "HOST-PASS" | "HOST-SKIP" | "HOST-BIND"));
        let report = apply(&mut judged, &baseline(expected), selected);
        (exit_code(&judged, false), report)
    };
    let all: &dyn Fn(&str) -> bool = &|_| true;
    let both = json!([
        entry("HOST-BIND", "a fault"),
        {"case": "HOST-BIND", "rule": "RPC-VERSION", "verdict": "fail", "message": "version 4", "reason": "old"},
    ]);
    assert_eq!(judged(both, all).0, 0);
    // By another rule, or with other words, it is a failure, and the entry is stale.
    let (code, report) = judged(json!([entry("HOST-BIND", "a fault")]), all);
    assert_eq!((code, report.stale.len(), report.expected), (1, 0, 0));
    let (code, report) = judged(json!([entry("HOST-BIND", "no fault")]), all);
    assert_eq!((code, report.stale.len()), (1, 1));
    assert!(report.stale[0].ends_with("fails in another way"), "{report:?}");
    let only_pass: &dyn Fn(&str) -> bool = &|id| id != "HOST-BIND" && id != "GONE";
    for (expected, stale, passes) in [
        (entry("HOST-PASS", "closes"), 0, 1),
        (entry("HOST-SKIP", "closes"), 1, 0),
        (entry("GONE", "closes"), 1, 0),
        (
            json!({"suite": "other*", "case": "HOST-PASS", "verdict": "fail", "message": "x", "reason": "y"}),
            1,
            0,
        ),
    ] {
        let (_, report) = judged(json!([expected]), all);
        assert_eq!((report.stale.len(), report.unexpected_passes.len()), (stale, passes), "{report:?}");
        assert!(report.is_wrong());
    }
    let (_, report) = judged(json!([entry("GONE", "closes"), entry("HOST-BIND", "other")]), only_pass);
    assert!(!report.is_wrong(), "{report:?}");
}

#[test]
fn a_baseline_that_is_none_is_a_usage_error_with_its_place() {
    let file = folder("wrong-baseline").join("baseline.json");
    for (text, said) in [
        ("{", "line 1 column 1"),
        ("{\"schema\": \"volact-baseline/1\",\n \"expected\": [], \"more\": 1}", "unknown field `more`"),
        ("{\"schema\": \"other\", \"expected\": []}", "volact-baseline/1"),
        (
            "{\"schema\": \"volact-baseline/1\", \"expected\": [\n{\"case\": \"A\", \"verdict\": \"fail\", \
             \"message\": \"m\", \"reason\": \" \"}]}",
            "line 2",
        ),
        (
            "{\"schema\": \"volact-baseline/1\", \"expected\": [\n{\"case\": \"A\", \"verdict\": \"pass\", \
             \"message\": \"m\", \"reason\": \"r\"}]}",
            "no failure",
        ),
    ] {
        fs::write(&file, text).unwrap();
        let arguments = ["check", "captures/fmt_empty.pcap", "--baseline", file.to_str().unwrap()];
        let output = volact(&arguments);
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{complaint}");
        assert!(complaint.contains(said) && complaint.contains("line "), "{complaint}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let page = rendered(&[run(), other_run()], ResultFormat::Html);
    for wanted in ["http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link"] {
        assert!(!page.contains(wanted), "{wanted}");
    }
    // What is shown is text, whatever is in it.
    assert!(!page.contains("<HOST-BIND>") && !page.contains("<very>"));
    let ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let mut unique = ids.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), ids.len());
}

#[test]
fn no_product_key_leaves_in_any_format() {
    let key = ["BCDFG", "HJKMP", "QRTVW", "XY234", "6789B"].join("-");
    let mut run = run();
    let failed = run.suites[0].cases.iter_mut().find(|case| case.id == "HOST-BIND").unwrap();
    failed.message = format!("the key {key} was shown");
    failed.breaches[0].decoded.push(key.clone());
    failed.repeat = format!("volact test host --key={key}");
    for format in ResultFormat::ALL {
        assert!(!rendered(&[run.clone()], format).contains(&key), "{format:?}");
    }
}

#[test]
fn a_check_is_the_same_on_any_number_of_threads() {
    let of = |threads: &str| {
        let output =
            volact(&["check", "captures", "--format", "jsonl", "--limit", "3", "--threads", threads]);
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let one = of("1");
    for threads in ["2", "3", "8"] {
        assert!(of(threads) == one, "{threads} threads");
    }
}

#[test]
fn several_files_are_judged_as_one_and_other_ports_are_followed() {
    let merged = volact(&[
        "check",
        "--merge",
        "captures/raw_edge_vlmcsd.pcap",
        "captures/vlmcs_vlmcsd_v6_default.pcap",
        "--only",
        "RPC-VERSION",
        "--format",
        "jsonl",
    ]);
    let text = String::from_utf8(merged.stdout).unwrap();
    let runs = Run::read_jsonl(&text).unwrap();
    assert_eq!(runs[0].suites.len(), 1);
    assert_eq!(runs[0].suites[0].name, "merged");
    let repeat =
        "volact check captures/raw_edge_vlmcsd.pcap captures/vlmcs_vlmcsd_v6_default.pcap --merge --only";
    assert!(text.contains(repeat), "{text}");
}

#[test]
fn the_packets_of_a_breach_are_written_and_show_it_again() {
    let folder = folder("pcapng");
    let output = volact(&[&CHECKED[..], &["--pcapng", folder.to_str().unwrap()]].concat());
    assert_eq!(output.status.code(), Some(1));
    let files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let again = volact(&["check", files[0].to_str().unwrap(), "--only", "RPC-VERSION", "--format", "jsonl"]);
    let text = String::from_utf8(again.stdout).unwrap();
    assert_eq!(again.status.code(), Some(1), "{text}");
    assert!(Run::read_jsonl(&text).unwrap()[0].suites[0].cases[1].broken > 0);
}

#[test]
fn what_selects_nothing_is_a_usage_error() {
    assert_eq!(volact(&["check", "captures", "--only", "NO-SUCH-*"]).status.code(), Some(2));
    assert_eq!(volact(&["rules", "NO-SUCH"]).status.code(), Some(2));
    assert_eq!(volact(&["rules", "--family", "none"]).status.code(), Some(2));
    assert_eq!(volact(&["check"]).status.code(), Some(2));
    let listed = volact(&["check", "--list", "--only", "rpc-version"]);
    assert!(String::from_utf8(listed.stdout).unwrap().starts_with("RPC-VERSION  MUST"));
}
