//! `volact test client` against the client `vlmcs` of the crate of this name, 0.1.0, which fails as its committed baseline
//! expects it, and against a client of ours: right, it breaks nothing.
//!
//! Without vlmcs its test is skipped with a message, unless `VOLACT_REQUIRE_PEERS=1`.

#[path = "support/baseline.rs"]
mod baseline;
#[path = "support/kms_client.rs"]
mod kms_client;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use volact::conformance::{CaseResult, Verdict};
use volact::peer::client_test::{BEHAVIOURS, Behaviour, Client, Plan, Stage};

use kms_client::activated;

#[test]
fn vlmcs_fails_as_its_baseline_expects_it_and_the_same_way_each_time() {
    if !is_there() {
        return;
    }
    let command = ["vlmcs", "-{version}", "{addr}"].map(str::to_owned);
    let play = || played(Client::Command(command.to_vec()), BEHAVIOURS);
    // A dead host takes vlmcs all the time that it gets, so the runs go side by side.
    let runs = thread::scope(|scope| {
        let runs = [(); 3].map(|()| scope.spawn(play));
        runs.map(|run| run.join().unwrap())
    });
    let first = baseline::verdicts(&runs[0]);
    for cases in runs {
        assert_eq!(baseline::verdicts(&cases), first);
        baseline::hold("vlmcs.json", cases);
    }
}

#[test]
fn our_own_client_passes_whatever_a_host_does() {
    let results = played(Client::Own(activated), BEHAVIOURS);
    assert_eq!(results.len(), BEHAVIOURS.len());
    assert_eq!(wanting(&results), []);
}

#[test]
fn a_client_that_takes_everything_is_found() {
    let results = played(Client::Own(takes_everything), BEHAVIOURS);
    let said = |id: &str| {
        let result = results.iter().find(|result| result.id == id).unwrap();
        (result.verdict, result.message.clone())
    };
    let misled = (Verdict::Should, "the client ended as if all were right".to_owned());
    for id in ["CLIENT-HMAC-WRONG", "CLIENT-CMID-OTHER", "CLIENT-HRESULT-PRODUCT", "CLIENT-CLOSED-MID-ANSWER"]
    {
        assert_eq!(said(id), misled, "{id}");
    }
    assert_eq!(said("CLIENT-RIGHT-V5"), (Verdict::Pass, String::new()));
}

#[test]
fn a_client_that_never_comes_is_an_error_of_the_harness() {
    let results = played(Client::Own(|_, _| true), &BEHAVIOURS[..3]);
    assert_eq!(results[0].verdict, Verdict::HarnessError);
    assert!(results[0].message.starts_with("no client came in"), "{}", results[0].message);
    assert!(results[1..].iter().all(|result| result.verdict == Verdict::Skipped));
}

#[test]
fn a_host_is_played_on_loopback_only() {
    assert!(Stage::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))).is_err());
}

fn played(client: Client, behaviours: &[Behaviour]) -> Vec<CaseResult> {
    let stage = Stage::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let plan = Plan {
        client,
        timeout: Duration::from_secs(5),
        seed: 7,
        repeats: 1,
        repeat: (String::new(), String::new()),
    };
    stage.play(behaviours, &plan, |_| ()).into_iter().map(|report| report.result).collect()
}

fn wanting(results: &[CaseResult]) -> Vec<(String, String)> {
    let wanting = results.iter().filter(|result| result.verdict != Verdict::Pass);
    wanting
        .map(|result| (result.id.clone(), format!("{}: {}", result.verdict.name(), result.message)))
        .collect()
}

fn is_there() -> bool {
    let output = Command::new("vlmcs").arg("--version").stdin(Stdio::null()).output();
    if output.is_ok_and(|output| output.stdout.starts_with(b"vlmcs 0.1.0")) {
        return true;
    }
    assert!(
        std::env::var_os("VOLACT_REQUIRE_PEERS").is_none_or(|value| value != "1"),
        "VOLACT_REQUIRE_PEERS=1, and there is no vlmcs 0.1.0"
    );
    eprintln!("skipped: there is no vlmcs 0.1.0 to talk to");
    false
}

fn takes_everything(host: SocketAddr, version: u16) -> bool {
    let _ = activated(host, version);
    true
}
