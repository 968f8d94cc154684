//! `volact fuzz host --against`: a host against one like it shows nothing; one that does not take NDR64 answers binds
//! otherwise.

#[path = "support/fuzz.rs"]
mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use volact::peer::fuzz::host::{HostPair, HostTarget, Plan};
use volact::peer::fuzz::{Limits, Options, Progress, State, Watched, run};
use volact::peer::{Host, Serving, Settings};

use support::Heard;

/// How long a host may take for anything.
const PATIENCE: Duration = Duration::from_secs(3);

#[test]
fn a_host_against_one_like_it_shows_nothing() {
    let (one, other) = (served(&Settings::default(), 1), served(&Settings::default(), 2));
    assert_eq!(ids(&fuzzed(&one, &other, 512)), [""; 0]);
    // Against itself no more than that.
    assert_eq!(ids(&fuzzed(&one, &one, 256)), [""; 0]);
}

#[test]
fn a_host_that_does_not_take_ndr64_acknowledges_otherwise() {
    let one = served(&Settings::default(), 1);
    let other = served(&Settings { takes_ndr64: false, ..Settings::default() }, 2);
    let state = fuzzed(&one, &other, 256);
    let found = state.found.iter().find(|found| found.sign == "DIVERGES-ACK-ACK");
    let found = found.unwrap_or_else(|| panic!("{:?}", ids(&state)));
    assert!(found.message.contains("a right one says what the first does"), "{}", found.message);
}

fn free() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

fn served(settings: &Settings, seed: u64) -> Serving {
    Host::bind(free()).unwrap().serve_rightly(settings, seed).unwrap()
}

fn fuzzed(one: &Serving, other: &Serving, cases: u64) -> State<Plan> {
    let target = |host: &Serving| HostTarget::new(host.addr(), PATIENCE, false, Watched::nowhere()).unwrap();
    let pair = HostPair::new(target(one), target(other));
    let mut state = State::new("host", 1, 128);
    let options = Options { jobs: 4, rate: None, tries: 20, growth: 64 << 20 };
    let limits = Limits { cases: Some(cases), time: None };
    let summary = run(&pair, &mut state, &options, limits, &Progress::default(), &mut Heard::default());
    assert_eq!((summary.cases, summary.broken), (cases, None));
    state
}

fn ids(state: &State<Plan>) -> Vec<String> {
    state.found.iter().map(|found| found.id.clone()).collect()
}
