//! `volact test shim` against the two sample shims: right, nothing is found; wrong in one of ten ways, that is found, and
//! named.
//!
//! Without Python or a C compiler their tests are skipped with a message, unless `VOLACT_REQUIRE_PEERS=1`.

#[path = "support/shims.rs"]
mod shims;

use std::time::Duration;

use volact::conformance::{CaseResult, Verdict};
use volact::peer::shim::{FIRST, LAST, Plan, Process, cases, test};

use shims::{c, is_there, python};

/// How long a shim may take for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A way to be wrong, and what is found of it: the ids of cases, and what is said of each.
type Wrong = (&'static str, &'static [(&'static str, &'static str)]);

const WRONG: [Wrong; 10] = [
    (
        "skip-hmac",
        &[
            ("SHIM-V6-SLOT-TWO-BEFORE", "fail: accepted, and should be refused: hmac does not hold"),
            ("SHIM-V6-SLOT-TWO-AFTER", "fail: accepted, and should be refused: hmac does not hold"),
            ("SHIM-V6-HMAC-WRONG", "fail: accepted, and should be refused: hmac does not hold"),
            ("SHIM-V6-HWID-CHANGED", "fail: accepted, and should be refused: hmac does not hold"),
            ("SHIM-V6-COUNT-CHANGED", "fail: accepted, and should be refused: hmac does not hold"),
        ],
    ),
    (
        "any-slot",
        &[
            ("SHIM-V6-SLOT-TWO-BEFORE", "fail: accepted, and should be refused: hmac does not hold"),
            ("SHIM-V6-SLOT-TWO-AFTER", "fail: accepted, and should be refused: hmac does not hold"),
        ],
    ),
    (
        "ignore-hash",
        &[
            ("SHIM-V5-HASH-WRONG", "fail: accepted, and should be refused: hash does not hold"),
            ("SHIM-V6-HASH-WRONG", "fail: accepted, and should be refused: hash does not hold"),
            ("SHIM-V5-SALT-UNMASKED", "fail: accepted, and should be refused: hash does not hold"),
        ],
    ),
    (
        "padding-off-by-one",
        &[
            ("SHIM-V5-RESPOND", "fail: the response does not pass padding"),
            ("SHIM-V6-RESPOND", "fail: the response does not pass padding"),
            ("SHIM-V5-RESPOND-PADDING-BLOCK", "fail: the response does not pass padding"),
            ("SHIM-V6-RESPOND-PADDING-BLOCK", "fail: the response does not pass padding"),
            ("SHIM-V5-RESPOND-PADDING-TWO", "fail: the response does not pass padding"),
            ("SHIM-RESPOND-CLOCK-EDGE", "fail: the response does not pass padding"),
            ("SHIM-RESPOND-PRODUCT-KNOWN", "fail: the response does not pass padding"),
        ],
    ),
    (
        "ndr64-byte-order",
        &[
            ("SHIM-NDR64-REQUEST-DECODE", "fail: refused for counts, and should be accepted"),
            (
                "SHIM-NDR64-REQUEST-ENCODE",
                "fail: stub differs from byte 0 on: \"0000006b00000000000000000000006b\", and should be \"6b000000000000006b00000000000000\"",
            ),
            ("SHIM-NDR64-RESPONSE-DECODE", "fail: refused for counts, and should be accepted"),
            (
                "SHIM-NDR64-RESPONSE-ENCODE",
                "fail: stub differs from byte 0 on: \"0000006c000000000000000000020000\", and should be \"6c000000000000000000020000000000\"",
            ),
            ("SHIM-NDR64-SIZE-PADDING", "fail: refused for counts, and should be accepted"),
            ("SHIM-NDR64-SIZE-HUGE", "wrong-words: refused for counts, and it is length that does not hold"),
        ],
    ),
    (
        "ignore-mac",
        &[
            ("SHIM-V4-REQUEST-MAC-WRONG", "fail: accepted, and should be refused: mac does not hold"),
            ("SHIM-V4-REQUEST-BODY-CHANGED", "fail: accepted, and should be refused: mac does not hold"),
            ("SHIM-V4-REQUEST-MAC-ZERO-PADDED", "fail: accepted, and should be refused: mac does not hold"),
            ("SHIM-V4-RESPONSE-MAC-WRONG", "fail: accepted, and should be refused: mac does not hold"),
            ("SHIM-V4-COUNT-CHANGED", "fail: accepted, and should be refused: mac does not hold"),
            ("SHIM-V4-RESPOND-MAC-WRONG", "should: answered, and should be refused with 8007000d"),
        ],
    ),
    (
        "ignore-cmid",
        &[
            ("SHIM-V4-CMID-OTHER", "fail: accepted, and should be refused: cmid_echo does not hold"),
            ("SHIM-V5-CMID-OTHER", "fail: accepted, and should be refused: cmid_echo does not hold"),
            ("SHIM-V6-CMID-OTHER", "fail: accepted, and should be refused: cmid_echo does not hold"),
        ],
    ),
    (
        "check-digit-weight",
        &[
            ("SHIM-IID-54", "fail: refused for check_digit, and should be accepted"),
            ("SHIM-IID-63", "fail: refused for check_digit, and should be accepted"),
            ("SHIM-IID-GROUPED", "fail: refused for check_digit, and should be accepted"),
            ("SHIM-IID-CHECK-DIGIT", "wrong-words: group is 1, and should be 2"),
            ("SHIM-IID-63-CHECK-DIGIT", "wrong-words: group is 1, and should be 9"),
            ("SHIM-IID-DIGIT-CHANGED", "wrong-words: group is 1, and should be 3"),
            ("SHIM-CID-48", "fail: refused for check_digit, and should be accepted"),
            ("SHIM-CID-42", "fail: refused for check_digit, and should be accepted"),
            ("SHIM-CID-CHECK-DIGIT", "wrong-words: group is 1, and should be 8"),
        ],
    ),
    (
        "day-of-year",
        &[
            ("SHIM-EPID-DAY-000", "fail: accepted, and should be refused: day does not hold"),
            ("SHIM-EPID-DAY-NO-LEAP", "fail: accepted, and should be refused: day does not hold"),
        ],
    ),
    (
        "v5-key-schedule",
        &[
            ("SHIM-V6-REQUEST-DECODE", "fail: refused for version_envelope, and should be accepted"),
            ("SHIM-V6-REQUEST-VECTOR", "fail: refused for version_envelope, and should be accepted"),
            ("SHIM-V6-REQUEST-EXTREMES", "fail: refused for version_envelope, and should be accepted"),
            (
                "SHIM-V6-REQUEST-PADDING-WRONG",
                "wrong-words: refused for version_envelope, and it is padding that does not hold",
            ),
            ("SHIM-V6-KEY-SCHEDULE", "fail: accepted, and should be refused: version_envelope does not hold"),
            ("SHIM-V6-REQUEST-ENCODE", "fail: the request that was made does not pass version_envelope"),
            ("SHIM-V6-RESPONSE", "fail: refused for version_envelope, and should be accepted"),
            ("SHIM-V6-RESPONSE-PADDING-BLOCK", "fail: refused for version_envelope, and should be accepted"),
            ("SHIM-V6-RESPONSE-EPID-LONGEST", "fail: refused for version_envelope, and should be accepted"),
            ("SHIM-V6-SLOT-BEFORE", "fail: refused for version_envelope, and should be accepted"),
            ("SHIM-V6-SLOT-AFTER", "fail: refused for version_envelope, and should be accepted"),
            (
                "SHIM-V6-SLOT-TWO-BEFORE",
                "wrong-words: refused for version_envelope, and it is hmac that does not hold",
            ),
            (
                "SHIM-V6-SLOT-TWO-AFTER",
                "wrong-words: refused for version_envelope, and it is hmac that does not hold",
            ),
            (
                "SHIM-V6-HMAC-WRONG",
                "wrong-words: refused for version_envelope, and it is hmac that does not hold",
            ),
            (
                "SHIM-V6-HWID-CHANGED",
                "wrong-words: refused for version_envelope, and it is hmac that does not hold",
            ),
            (
                "SHIM-V6-COUNT-CHANGED",
                "wrong-words: refused for version_envelope, and it is hmac that does not hold",
            ),
            (
                "SHIM-V6-HASH-WRONG",
                "wrong-words: refused for version_envelope, and it is hash that does not hold",
            ),
            (
                "SHIM-V6-XORED-IVS-WRONG",
                "wrong-words: refused for version_envelope, and it is xored_ivs that does not hold",
            ),
            (
                "SHIM-V6-IV-ECHOED",
                "wrong-words: refused for version_envelope, and it is iv_fresh that does not hold",
            ),
            (
                "SHIM-V6-PADDING-WRONG",
                "wrong-words: refused for version_envelope, and it is padding that does not hold",
            ),
            (
                "SHIM-V6-PADDING-ZERO",
                "wrong-words: refused for version_envelope, and it is padding that does not hold",
            ),
            (
                "SHIM-V6-CMID-OTHER",
                "wrong-words: refused for version_envelope, and it is cmid_echo that does not hold",
            ),
            (
                "SHIM-V6-CLIENT-TIME-OTHER",
                "wrong-words: refused for version_envelope, and it is client_time_echo that does not hold",
            ),
            (
                "SHIM-V6-PID-SIZE-NO-NUL",
                "wrong-words: refused for version_envelope, and it is pid_size that does not hold",
            ),
            (
                "SHIM-V6-PID-SIZE-ZERO",
                "wrong-words: refused for version_envelope, and it is pid_size that does not hold",
            ),
            (
                "SHIM-V6-PID-SIZE-HUGE",
                "wrong-words: refused for version_envelope, and it is length that does not hold",
            ),
            (
                "SHIM-V6-RESPONSE-SHORT",
                "wrong-words: refused for version_envelope, and it is length that does not hold",
            ),
            ("SHIM-V6-RESPOND", "fail: refused for 8007000d, and should be accepted"),
            ("SHIM-V6-RESPOND-PADDING-BLOCK", "fail: refused for 8007000d, and should be accepted"),
            ("SHIM-RESPOND-CLOCK-EDGE", "fail: refused for 8007000d, and should be accepted"),
            ("SHIM-RESPOND-CLOCK-AHEAD", "wrong-words: refused with 8007000d, and should be with c004f06c"),
            ("SHIM-RESPOND-PRODUCT-OTHER", "wrong-words: refused with 8007000d, and should be with c004f042"),
        ],
    ),
];

#[test]
fn the_right_python_shim_has_nothing_to_be_found() {
    is_right(python());
}

#[test]
fn the_right_c_shim_has_nothing_to_be_found() {
    is_right(c());
}

#[test]
fn every_way_to_be_wrong_of_the_python_shim_is_found_and_named() {
    is_found(python());
}

#[test]
fn every_way_to_be_wrong_of_the_c_shim_is_found_and_named() {
    is_found(c());
}

#[test]
fn the_samples_pass_whatever_the_seed() {
    for command in [python(), c()].into_iter().flatten() {
        for seed in [1, u64::MAX] {
            let found = wanting(&run(&command, seed));
            assert!(found.is_empty(), "{command:?}, seed {seed}: {found:#?}");
        }
    }
}

fn is_right(command: Option<Vec<String>>) {
    let Some(command) = command else { return };
    let results = run(&command, 7);
    assert_eq!(results.len(), cases().count());
    assert_eq!(wanting(&results), []);
    assert_eq!(results[0].id, FIRST.id);
    assert_eq!(results[results.len() - 1].id, LAST.id);
}

fn is_found(command: Option<Vec<String>>) {
    let Some(command) = command else { return };
    for (number, (name, expected)) in WRONG.iter().enumerate() {
        // By its number or by its name, in turns.
        let wrong = if number % 2 == 0 { (number + 1).to_string() } else { (*name).to_owned() };
        let command = [&command[..], &["--wrong".to_owned(), wrong]].concat();
        let found = wanting(&run(&command, 7));
        let found: Vec<(&str, &str)> = found.iter().map(|(id, message)| (&**id, &**message)).collect();
        assert_eq!(found, **expected, "{name}: {found:#?}");
    }
}

/// What did not pass: the id of each case, its verdict and what is said of it.
fn wanting(results: &[CaseResult]) -> Vec<(String, String)> {
    let wanting = results.iter().filter(|result| result.verdict != Verdict::Pass);
    wanting
        .map(|result| (result.id.clone(), format!("{}: {}", result.verdict.name(), result.message)))
        .collect()
}

fn run(command: &[String], seed: u64) -> Vec<CaseResult> {
    let plan = Plan { seed, repeats: 1, repeat: (String::new(), String::new()) };
    test(&mut Process::new(command.to_vec(), PATIENCE), cases(), &plan)
}

#[test]
fn a_shim_that_does_not_keep_the_contract_is_an_error_of_the_harness() {
    if !is_there("python3") {
        return;
    }
    // What it does, and what is said of it.
    let hello = r#"import sys,json
def ask():
    line = sys.stdin.readline()
    if not line: sys.exit(0)
    return json.loads(line)
def say(case, **answer): print(json.dumps({"id": case["id"], **answer}), flush=True)
say(ask(), ok=True, contract=1, name="x")
"#;
    for (script, message) in [
        (
            format!("{hello}print('no json', flush=True); ask(); ask()"),
            "the shim wrote a line that is no answer: no JSON object: ",
        ),
        (
            format!("{hello}ask(); sys.stderr.write('out of luck'); sys.exit(3)"),
            "the shim ended without an answer: exit status: 3",
        ),
        (format!("{hello}ask(); import time; time.sleep(60)"), "the shim gave no answer in 500 ms"),
        (
            format!("{hello}say(ask(), ok=True, bytes=[1])"),
            "the shim wrote a line that is no answer: bytes is neither text",
        ),
        (
            "import json; print(json.dumps(dict(id=0, ok=True, contract=2)), flush=True); input(); input()"
                .to_owned(),
            "the shim does not keep the contract: its contract is 2, not 1",
        ),
    ] {
        let command = ["python3", "-c", &script].map(str::to_owned).to_vec();
        let plan = Plan { seed: 1, repeats: 1, repeat: (String::new(), String::new()) };
        let results = test(&mut Process::new(command, Duration::from_millis(500)), cases(), &plan);
        assert_eq!(results[0].verdict, Verdict::HarnessError, "{script}");
        assert!(results[0].message.starts_with(message), "{script}: {}", results[0].message);
        assert!(results[1..].iter().all(|result| result.verdict == Verdict::Skipped), "{script}");
        let is_heard = results[0].transcript.iter().any(|line| line.decoded == ["out of luck"]);
        assert_eq!(is_heard, script.contains("out of luck"));
    }
}

/// A shim in a few lines of Python: what it does about a case that is no hello.
fn small(about_a_case: &str) -> Vec<String> {
    let script = format!(
        "import json,sys\n\
         for line in sys.stdin:\n  \
         case = json.loads(line)\n  \
         def say(**answer): print(json.dumps(dict(answer, id=case['id'])), flush=True)\n  \
         if case['op'] == 'hello': say(ok=True, contract=1, name='x')\n  \
         elif case['op'] == 'echo': say(ok=True, bytes=case['bytes'])\n  \
         else: {about_a_case}\n"
    );
    ["python3", "-c", &script].map(str::to_owned).to_vec()
}

#[test]
fn exit_code_89_is_unimplemented_and_the_shim_is_started_again() {
    if !is_there("python3") {
        return;
    }
    let plan = Plan { seed: 1, repeats: 1, repeat: ("repeat ".to_owned(), " it".to_owned()) };
    let chosen = cases().filter(|case| case.id.starts_with("SHIM-CID"));
    let results = test(&mut Process::new(small("sys.exit(89)"), PATIENCE), chosen, &plan);
    let verdicts: Vec<_> = results.iter().map(|result| result.verdict).collect();
    let unimplemented = [Verdict::Unimplemented; 4];
    assert_eq!(verdicts, [&[Verdict::Pass; 2][..], &unimplemented, &[Verdict::Pass]].concat());
    assert_eq!(results[2].repeat, "repeat SHIM-CID-48 it");
}

#[test]
fn a_shim_that_claims_to_do_everything_is_asked_no_more() {
    if !is_there("python3") {
        return;
    }
    let plan = Plan { seed: 1, repeats: 1, repeat: (String::new(), String::new()) };
    let results = test(&mut Process::new(small("say(ok=True)"), PATIENCE), cases(), &plan);
    assert_eq!(results[1].verdict, Verdict::HarnessError);
    assert!(
        results[1].message.starts_with("the shim claims to do what does not exist"),
        "{}",
        results[1].message
    );
    assert!(results[2..].iter().all(|result| result.verdict == Verdict::Skipped));
}
