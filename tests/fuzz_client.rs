//! `volact fuzz client` against clients of ours: in a right one nothing is found; one that does not look at a hash, panics or
//! does not end is found, and what shows it is one change of one answer.

#[path = "support/kms_client.rs"]
mod kms_client;
#[path = "support/fuzz.rs"]
mod support;

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use volact::conformance::Verdict;
use volact::peer::client_test::Client;
use volact::peer::fuzz::client::{At, ClientTarget, Plan, What};
use volact::peer::fuzz::{CaseFile, Limits, Options, Progress, State, again, run};
use volact::peer::{Line, Received};

use kms_client::{activated, activated_but_for};
use support::Heard;

/// How long a client may take.
const PATIENCE: Duration = Duration::from_secs(4);

#[test]
fn in_a_right_client_nothing_is_found() {
    assert_eq!(ids(&fuzzed(activated, 96, PATIENCE)), [""; 0]);
}

#[test]
fn a_client_that_does_not_look_at_the_hash_is_found() {
    let client = |host, version| activated_but_for(host, version, "hash");
    let state = fuzzed(client, 256, PATIENCE);
    assert_eq!(ids(&state), ["FUZZ-CLIENT-ACCEPTS-HASH"]);
    let found = &state.found[0];
    assert_eq!(found.again, (3, 3));
    let [trick] = &found.plan.tricks[..] else { panic!("{:?}", found.plan) };
    assert!(trick.at == At::Request && matches!(trick.what, What::Message(_) | What::Broken(_)));
    // Saved and done again: it is still wrong, and the right one is not.
    let file = CaseFile::parse(&found.case_file("client", 1).to_json(), "client").unwrap();
    for (client, verdict) in [(client as Run, Verdict::Should), (activated, Verdict::Pass)] {
        let (result, dialogues) = again(&target(client, PATIENCE), &file, String::new());
        assert_eq!(result.verdict, verdict, "{}", result.message);
        assert_eq!(dialogues.len(), 1);
    }
}

#[test]
fn a_client_that_panics_at_the_end_of_a_connection_is_found() {
    let state = fuzzed(
        |host, version| {
            let is_activated = activated(host, version);
            let Ok(mut line) = Line::connect(host, PATIENCE) else { return is_activated };
            let _ = line.send(&[5, 0, 11, 3]);
            line.close_sending();
            assert!(is_activated || matches!(line.receive(PATIENCE), Received::Pdu(_)), "out of luck");
            is_activated
        },
        24,
        PATIENCE,
    );
    let found = ids(&state);
    assert!(found.iter().all(|id| id.starts_with("FUZZ-CLIENT-CRASH-PANIC-")), "{found:?}");
    assert!(!found.is_empty());
}

#[test]
fn a_client_that_does_not_end_is_found() {
    let state = fuzzed(
        |host, version| {
            if activated(host, version) {
                return true;
            }
            thread::sleep(Duration::from_millis(900));
            false
        },
        8,
        Duration::from_millis(600),
    );
    let found = ids(&state);
    assert!(found.iter().any(|id| id.starts_with("FUZZ-CLIENT-HANGS-")), "{found:?}");
}

#[test]
fn a_client_that_does_not_take_a_right_answer_is_none_to_be_fuzzed() {
    let refused =
        ClientTarget::new(Client::Own(|host, _| !activated(host, 6)), None, PATIENCE, Vec::new(), 1);
    let why = refused.unwrap_err();
    assert!(why.starts_with("it does not take a right answer"), "{why}");
}

/// A client: whether it has what it asked for.
type Run = fn(SocketAddr, u16) -> bool;

fn target(client: Run, timeout: Duration) -> ClientTarget {
    ClientTarget::new(Client::Own(client), None, timeout, Vec::new(), 64 << 20).unwrap()
}

fn fuzzed(client: Run, cases: u64, timeout: Duration) -> State<Plan> {
    let target = target(client, timeout);
    assert!(target.tells());
    let mut state = State::new("client", 1, 64);
    let options = Options { jobs: 8, rate: None, tries: 4, growth: 64 << 20 };
    let limits = Limits { cases: Some(cases), time: None };
    let summary = run(&target, &mut state, &options, limits, &Progress::default(), &mut Heard::default());
    assert_eq!((summary.cases, summary.broken), (cases, None));
    state
}

fn ids(state: &State<Plan>) -> Vec<String> {
    state.found.iter().map(|found| found.id.clone()).collect()
}
