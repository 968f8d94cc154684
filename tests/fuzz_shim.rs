//! `volact fuzz shim` against the two sample shims: right, nothing is found; wrong in one of ten ways, that is found; one
//! against the other, they do not differ.
//!
//! Without Python or a C compiler their tests are skipped with a message, unless `VOLACT_REQUIRE_PEERS=1`.

#[path = "support/shims.rs"]
mod shims;
#[path = "support/fuzz.rs"]
mod support;

use std::time::Duration;

use volact::conformance::Verdict;
use volact::peer::fuzz::shim::{Plan, ShimTarget};
use volact::peer::fuzz::{CaseFile, Limits, Options, Progress, State, again, run};

use shims::{c, is_there, python};
use support::Heard;

/// How long a shim may take for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A way to be wrong, and one thing that is found of it.
const WRONG: [(&str, &str); 10] = [
    ("skip-hmac", "ACCEPTS-KMS-RESPONSE-VERIFY-HMAC"),
    ("any-slot", "ACCEPTS-KMS-RESPONSE-VERIFY-HMAC"),
    ("ignore-hash", "ACCEPTS-KMS-RESPONSE-VERIFY-HASH"),
    ("padding-off-by-one", "DIFFERS-KMS-RESPOND-RESPONSE"),
    ("ndr64-byte-order", "DIFFERS-NDR-RESPONSE-ENCODE-STUB"),
    ("ignore-mac", "ACCEPTS-KMS-RESPONSE-VERIFY-MAC"),
    ("ignore-cmid", "ACCEPTS-KMS-RESPONSE-VERIFY-CMID-ECHO"),
    ("check-digit-weight", "REFUSES-MAK-INSTALLATION-ID-CHECK-CHECK-DIGIT"),
    ("day-of-year", "ACCEPTS-EPID-PARSE-DAY"),
    ("v5-key-schedule", "REFUSES-KMS-REQUEST-DECODE-VERSION-ENVELOPE"),
];

#[test]
fn the_right_c_shim_has_nothing_to_be_found() {
    let Some(command) = c() else { return };
    assert_eq!(ids(&fuzzed(command, None, 4096, 2)), [""; 0]);
}

#[test]
fn the_right_python_shim_has_nothing_to_be_found() {
    let Some(command) = python() else { return };
    assert_eq!(ids(&fuzzed(command, None, 320, 2)), [""; 0]);
}

#[test]
fn every_way_to_be_wrong_is_found() {
    let Some(command) = c() else { return };
    for (name, expected) in WRONG {
        let wrong = [&command[..], &["--wrong".to_owned(), name.to_owned()]].concat();
        let state = fuzzed(wrong, None, 2048, 1);
        let found = ids(&state);
        assert!(found.contains(&format!("FUZZ-SHIM-{expected}")), "{name}: {found:?}");
        assert!(state.found.iter().all(|found| found.again == (3, 3)), "{name}");
    }
}

#[test]
fn a_run_is_the_same_each_time_and_whatever_the_number_of_jobs() {
    let Some(command) = c() else { return };
    let wrong = [&command[..], &["--wrong".to_owned(), "day-of-year".to_owned()]].concat();
    let [one, many] = [1, 4].map(|jobs| fuzzed(wrong.clone(), None, 1024, jobs));
    let known = |state: &State<Plan>| {
        let found = state.found.iter().map(|found| (found.id.clone(), found.number, found.plan.clone()));
        (state.corpus.clone(), state.features.clone(), found.collect::<Vec<_>>())
    };
    assert_eq!(known(&one), known(&many));
}

#[test]
fn two_shims_are_held_against_each_other_and_it_is_told_which_is_right() {
    let Some(command) = c() else { return };
    assert_eq!(ids(&fuzzed(command.clone(), Some(command.clone()), 1024, 2)), [""; 0]);
    let wrong = [&command[..], &["--wrong".to_owned(), "ignore-hash".to_owned()]].concat();
    let state = fuzzed(wrong, Some(command), 1024, 2);
    let found = state.found.iter().find(|found| found.id.contains("KMS-RESPONSE-VERIFY")).unwrap();
    assert_eq!(found.id, "FUZZ-SHIM-DIVERGES-KMS-RESPONSE-VERIFY-HASH");
    assert!(
        found.message.ends_with("the other refuses it for hash; volact agrees with the other"),
        "{}",
        found.message
    );
}

#[test]
fn a_saved_case_fails_where_it_was_found_and_passes_once_it_is_mended() {
    let Some(command) = c() else { return };
    let wrong = [&command[..], &["--wrong".to_owned(), "day-of-year".to_owned()]].concat();
    let state = fuzzed(wrong.clone(), None, 1024, 2);
    let [found] = &state.found[..] else { panic!("{:?}", ids(&state)) };
    let text = found.case_file("shim", state.seed).to_json();
    let file: CaseFile<Plan> = CaseFile::parse(&text, "shim").unwrap();
    assert_eq!(file.plan, found.plan);
    for (command, verdict) in [(wrong, Verdict::Fail), (command, Verdict::Pass)] {
        let target = ShimTarget::new(command, None, PATIENCE).unwrap();
        let (result, _) = again(&target, &file, String::new());
        assert_eq!(result.verdict, verdict, "{}", result.message);
    }
}

#[test]
fn what_ends_hangs_or_says_what_is_no_answer_is_found() {
    if !is_there("python3") {
        return;
    }
    let folder = format!("{}/shims/python", env!("CARGO_MANIFEST_DIR"));
    let script = format!(
        r#"
import os, sys, time
sys.dont_write_bytecode = True
sys.path.insert(0, {folder:?})
import shim
parse, iid, cid = (shim.OPERATIONS[op] for op in ("epid.parse", "mak.installation_id.check", "mak.confirmation_id.check"))
def crash(case):
    if len(case["text"]) < 20: os.kill(os.getpid(), 11)
    return parse(case)
def hang(case):
    if len(case["text"]) < 45: time.sleep(60)
    return iid(case)
def mumble(case):
    if len(case["text"]) not in (42, 48): return {{"digits": [1]}}
    return cid(case)
shim.OPERATIONS.update({{"epid.parse": crash, "mak.installation_id.check": hang, "mak.confirmation_id.check": mumble}})
shim.main()
"#
    );
    let command = vec!["python3".to_owned(), "-c".to_owned(), script];
    let target = ShimTarget::new(command, None, Duration::from_millis(500)).unwrap();
    let state = fuzzed_target(&target, 384, 4, 4);
    let found = ids(&state);
    for id in [
        "FUZZ-SHIM-CRASH-EPID-PARSE-SIGNAL-11",
        "FUZZ-SHIM-HANGS-MAK-INSTALLATION-ID-CHECK",
        "FUZZ-SHIM-NO-ANSWER-MAK-CONFIRMATION-ID-CHECK",
    ] {
        assert!(found.contains(&id.to_owned()), "{id}: {found:?}");
    }
    // Made smaller: nothing of the ePID is needed.
    let crash = state.found.iter().find(|found| found.id.contains("CRASH")).unwrap();
    assert!(crash.plan.given.text("text").unwrap().len() < 20);
}

#[test]
fn what_cannot_be_a_shim_is_told_before_anything_is_fuzzed() {
    let refused = |command: &str| ShimTarget::new(vec![command.to_owned()], None, PATIENCE).unwrap_err();
    assert!(refused("volact-is-no-such-program").starts_with("the shim cannot be started"));
    if is_there("true") {
        assert!(refused("true").starts_with("the shim ended without an answer: exit status: 0"));
    }
}

fn ids(state: &State<Plan>) -> Vec<String> {
    state.found.iter().map(|found| found.id.clone()).collect()
}

fn fuzzed(command: Vec<String>, against: Option<Vec<String>>, cases: u64, jobs: usize) -> State<Plan> {
    fuzzed_target(&ShimTarget::new(command, against, PATIENCE).unwrap(), cases, jobs, 40)
}

fn fuzzed_target(target: &ShimTarget, cases: u64, jobs: usize, tries: u32) -> State<Plan> {
    let mut state = State::new("shim", 1, 512);
    let options = Options { jobs, rate: None, tries, growth: 64 << 20 };
    let limits = Limits { cases: Some(cases), time: None };
    let summary = run(target, &mut state, &options, limits, &Progress::default(), &mut Heard::default());
    assert_eq!((summary.cases, summary.broken), (cases, None));
    state
}
