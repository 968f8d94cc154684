//! `fuzz host`: nothing is found in our own host and, but for what is known of it, in one that nobody here wrote; hosts
//! that are wrong behind the crypto are found, and the case that shows it is as small as it gets.
//!
//! Without vlmcsd (the crate, 0.1.0) its test is skipped with a message, unless `VOLACT_REQUIRE_PEERS=1`.

#[path = "support/fuzz.rs"]
mod support;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;
use std::{env, fs};

use volact::kms::{Ndr, RequestBody, RequestMessage, RequestStub, ResponseMessage, ResponseStub};
use volact::peer::fuzz::host::{Begins, HostTarget, Plan, Step};
use volact::peer::fuzz::{Found, Limits, Options, Progress, State, Summary, Target, Watched, run};
use volact::peer::{Host, Line, Received, Serving, Session, Settings, moment};
use volact::rpc::{Body, Pdu, Request};
use volact::wire::Random;

use support::Heard;

/// How long a peer may take for anything.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a wrong host does about a request, behind its crypto.
enum Deed {
    /// What a right one does.
    Right,
    /// It ends the connection.
    End,
    /// It does nothing more on this connection.
    Hang,
    /// It answers, with this done to the response.
    Answer(fn(&mut ResponseMessage)),
    /// It answers as if the request were as this makes it.
    As(fn(&mut RequestMessage)),
}

fn free() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

fn our_own() -> Serving {
    Host::bind(free()).unwrap().serve_rightly(&Settings::default(), 7).unwrap()
}

/// A host that looks at each request, and is right but for what it then does.
fn wrong(deed: fn(&RequestMessage) -> Deed) -> Serving {
    let settings = Settings::default();
    let host = Host::bind(free()).unwrap();
    host.serve(move |number, line: Line| talk(line, &settings, number, deed)).unwrap()
}

fn talk(mut line: Line, settings: &Settings, number: u64, deed: impl Fn(&RequestMessage) -> Deed) {
    let mut session = Session::new(settings);
    let mut random = Random::new(number, "wrong host");
    loop {
        let (Received::Pdu(mut bytes) | Received::NotRpc(mut bytes)) = line.receive(Duration::from_secs(20))
        else {
            return;
        };
        let mut after: Option<fn(&mut ResponseMessage)> = None;
        if let Some((message, ndr)) = asked(&bytes) {
            match deed(&message) {
                Deed::Right => {}
                Deed::End => return line.close_sending(),
                Deed::Hang => return thread::sleep(PATIENCE * 4),
                Deed::Answer(change) => after = Some(change),
                Deed::As(change) => {
                    let mut message = message;
                    change(&mut message);
                    bytes = with_message(&bytes, &message, ndr);
                }
            }
        }
        let answer = session.take(&bytes, &moment(&mut random));
        for mut pdu in answer.pdus {
            if let Some(change) = after {
                pdu = with_response(&pdu, change);
            }
            if line.send(&pdu).is_err() {
                return;
            }
        }
        if answer.closes {
            line.close_sending();
            while matches!(line.receive(Duration::from_millis(200)), Received::Pdu(_) | Received::NotRpc(_)) {
            }
            return;
        }
    }
}

/// The message of a whole request, and how its stub is marshalled.
fn asked(bytes: &[u8]) -> Option<(RequestMessage, Ndr)> {
    let pdu = Pdu::parse(bytes).ok()?;
    let Body::Request(request) = &pdu.body else { return None };
    [Ndr::Ndr32, Ndr::Ndr64].into_iter().find_map(|ndr| {
        let stub = RequestStub::parse(request.stub, ndr, pdu.header.drep.endianness()).ok()?;
        let message = RequestMessage::decode(stub.data);
        (stub.is_consistent() && message.body().is_some()).then_some((message, ndr))
    })
}

fn with_message(bytes: &[u8], message: &RequestMessage, ndr: Ndr) -> Vec<u8> {
    let pdu = Pdu::parse(bytes).unwrap();
    let Body::Request(request) = &pdu.body else { unreachable!() };
    let data = message.encode();
    let stub = RequestStub::of(&data, ndr).encode(pdu.header.drep.endianness());
    let body = Body::Request(Request { stub: &stub, ..request.clone() });
    Pdu { body, ..pdu }.encode_sized().unwrap()
}

fn with_response(bytes: &[u8], change: fn(&mut ResponseMessage)) -> Vec<u8> {
    let pdu = Pdu::parse(bytes).unwrap();
    let Body::Response(response) = &pdu.body else { return bytes.to_vec() };
    for ndr in [Ndr::Ndr32, Ndr::Ndr64] {
        let Ok(stub) = ResponseStub::parse(response.stub, ndr, pdu.header.drep.endianness()) else {
            continue;
        };
        let mut message = ResponseMessage::decode(stub.data);
        if stub.missing() > 0 || message.body().is_none() {
            continue;
        }
        change(&mut message);
        let data = message.encode();
        let stub = ResponseStub::of(&data, ndr).encode(pdu.header.drep.endianness());
        let mut response = response.clone();
        response.stub = &stub;
        return Pdu { body: Body::Response(response), ..pdu }.encode_sized().unwrap();
    }
    bytes.to_vec()
}

fn body(message: &RequestMessage) -> &RequestBody {
    message.body().unwrap()
}

fn target(host: SocketAddr) -> HostTarget {
    HostTarget::new(host, PATIENCE, false, Watched::nowhere()).unwrap()
}

fn options(jobs: usize) -> Options {
    Options { jobs, rate: None, tries: 300, growth: u64::MAX }
}

/// Fuzzes until so many cases are done, with epochs of 128.
fn fuzzed(target: &HostTarget, state: &mut State<Plan>, cases: u64, jobs: usize) -> (Heard<Plan>, Summary) {
    let mut heard = Heard::default();
    let limits = Limits { cases: Some(cases), time: Some(Duration::from_secs(120)) };
    let summary = run(target, state, &options(jobs), limits, &Progress::default(), &mut heard);
    (heard, summary)
}

/// The findings of a seed in this host, epoch by epoch until there is one of this id.
fn found_in(host: SocketAddr, id: &str) -> Found<Plan> {
    let target = target(host);
    let mut state = State::new("host", 3, 128);
    for epoch in 1..40 {
        let (_, summary) = fuzzed(&target, &mut state, epoch * 128, 4);
        assert_eq!(summary.broken, None);
        if let Some(found) = state.found.iter().find(|found| found.id == id) {
            return found.clone();
        }
    }
    panic!("{id} is not among {:?}", state.found.iter().map(|found| &found.id).collect::<Vec<_>>());
}

#[test]
fn nothing_is_found_in_a_right_host() {
    let host = our_own();
    let target = target(host.addr());
    let mut state = State::new("host", 1, 256);
    let (_, summary) = fuzzed(&target, &mut state, 2048, 4);
    assert_eq!(summary.broken, None);
    assert_eq!(summary.cases, 2048);
    let found: Vec<_> = state.found.iter().map(|found| (&found.id, &found.message)).collect();
    assert!(found.is_empty(), "{found:?}");
    assert!(state.features.len() >= 40, "{} states", state.features.len());
    assert!(state.ruled.count() >= 80, "{} rules", state.ruled.count());
    assert!(state.corpus.len() >= 20, "{} in the corpus", state.corpus.len());
}

#[test]
fn equal_seeds_give_equal_runs_with_any_number_of_jobs_and_another_seed_another() {
    let host = our_own();
    let target = target(host.addr());
    let of = |seed, jobs| {
        let mut state = State::new("host", seed, 128);
        fuzzed(&target, &mut state, 512, jobs);
        state
    };
    let state = of(5, 1);
    assert!(state == of(5, 7));
    assert_ne!(state.corpus, of(6, 1).corpus);
}

#[test]
fn a_run_that_is_resumed_comes_to_the_same_as_one_without_an_end() {
    let host = our_own();
    let target = target(host.addr());
    let mut whole = State::new("host", 9, 128);
    let (heard, _) = fuzzed(&target, &mut whole, 640, 4);
    assert_eq!(heard.epochs.len(), 5);
    // The end is in the middle of the third epoch, which is done again.
    let mut begun = State::new("host", 9, 128);
    let (heard, _) = fuzzed(&target, &mut begun, 300, 4);
    let mut resumed = State::parse(&heard.epochs.last().unwrap().to_json(), "host").unwrap();
    assert_eq!(resumed.done, 256);
    fuzzed(&target, &mut resumed, 640, 4);
    assert!(resumed == whole);
}

#[test]
fn a_host_that_ends_connections_at_a_field_behind_the_crypto_is_found_and_the_field_is_named() {
    let host = wrong(|message| if body(message).license_status > 6 { Deed::End } else { Deed::Right });
    let found = found_in(host.addr(), "FUZZ-HOST-ENDS-REQUEST-ACTIVATION-LICENSE-STATUS");
    assert_eq!(found.again, (3, 3));
    assert_eq!(found.level, "must");
    let [Step::Send(unit)] = found.plan.steps.as_slice() else { panic!("{:?}", found.plan) };
    assert_ne!(found.plan.begins, Begins::Fresh);
    let (message, _) = asked(&unit.bytes).unwrap();
    let (right, _) = asked(unit.right.as_ref().unwrap()).unwrap();
    let (is, was) = (body(&message), body(&right));
    assert!(is.license_status > 6);
    assert_eq!(
        RequestBody { license_status: was.license_status, ..is.clone() },
        *was,
        "nothing else was needed"
    );
    assert!(!found.transcript.is_empty());
}

#[test]
fn a_host_that_hangs_is_found() {
    let host = wrong(|message| if body(message).vm_info > 1 { Deed::Hang } else { Deed::Right });
    let target = HostTarget::new(host.addr(), Duration::from_millis(300), false, Watched::nowhere()).unwrap();
    let mut state = State::new("host", 3, 128);
    let limits = Limits { cases: Some(512), time: Some(Duration::from_secs(8)) };
    let options = Options { tries: 4, ..options(4) };
    run(&target, &mut state, &options, limits, &Progress::default(), &mut Heard::default());
    let ids: Vec<_> = state.found.iter().map(|found| found.id.as_str()).collect();
    assert!(ids.iter().any(|id| id.starts_with("FUZZ-HOST-HANGS-REQUEST-")), "{ids:?}");
}

#[test]
fn a_host_that_answers_wrongly_at_a_field_behind_the_crypto_breaks_a_rule() {
    let host = wrong(|message| match message {
        RequestMessage::Encrypted(request) if request.body.binding_expiration & 1 == 1 => {
            Deed::Answer(|response| {
                if let ResponseMessage::Encrypted(response) = response {
                    response.body.cmid = volact::wire::Guid::NIL;
                }
            })
        }
        _ => Deed::Right,
    });
    let found = found_in(host.addr(), "FUZZ-HOST-RULE-KMS-CMID-ECHO");
    assert_eq!(found.breach.as_ref().map(|breach| breach.rule.as_str()), Some("KMS-CMID-ECHO"));
    assert_eq!(found.plan.steps.len(), 1);
}

#[test]
fn a_host_that_takes_a_wrong_mac_is_found() {
    let host = wrong(|message| match message {
        RequestMessage::V4(_) => Deed::As(|message| {
            let RequestMessage::V4(request) = message else { return };
            let RequestMessage::V4(right) = RequestMessage::new(request.body.clone(), [0; 16]) else {
                return;
            };
            request.mac = right.mac;
        }),
        _ => Deed::Right,
    });
    let found = found_in(host.addr(), "FUZZ-HOST-ACCEPTS-MAC");
    assert_eq!(found.plan.steps.len(), 1, "{:?}", found.plan);
}

#[test]
fn many_cases_of_one_cause_are_one_finding() {
    let host = wrong(|message| if body(message).n_policy > 1000 { Deed::End } else { Deed::Right });
    let target = target(host.addr());
    let mut state = State::new("host", 4, 128);
    let (heard, _) = fuzzed(&target, &mut state, 4096, 4);
    let is_activation = |id: &&str| id.starts_with("FUZZ-HOST-ENDS-REQUEST-ACTIVATION");
    let ids: Vec<_> = state.found.iter().map(|found| found.id.as_str()).filter(is_activation).collect();
    let named = "FUZZ-HOST-ENDS-REQUEST-ACTIVATION-N-POLICY";
    assert!(ids.contains(&named), "{ids:?}");
    assert!(ids.len() <= 6, "a sign is looked into six times: {ids:?}");
    assert_eq!(heard.found.iter().filter(|found| found.id == named).count(), 1);
}

#[test]
fn a_process_that_dies_is_started_again_and_the_case_that_killed_it_is_found() {
    let port = TcpListener::bind(free()).unwrap().local_addr().unwrap();
    let words = [
        env::current_exe().unwrap().to_string_lossy().into_owned(),
        "--ignored".to_owned(),
        "--exact".to_owned(),
        "a_host_that_dies".to_owned(),
        format!("at={port}"),
    ];
    let watched = Watched::start(words.to_vec()).unwrap();
    let target = HostTarget::new(port, PATIENCE, false, watched).unwrap();
    let mut state = State::new("host", 3, 128);
    let limits = Limits { cases: Some(640), time: Some(Duration::from_secs(60)) };
    let options = Options { tries: 40, ..options(4) };
    let summary = run(&target, &mut state, &options, limits, &Progress::default(), &mut Heard::default());
    assert_eq!(summary.broken, None);
    assert_eq!(summary.cases, 640, "all cases were done, whatever died");
    let found = state.found.iter().find(|found| found.id.starts_with("FUZZ-HOST-CRASH"));
    let found =
        found.unwrap_or_else(|| panic!("{:?}", state.found.iter().map(|f| &f.id).collect::<Vec<_>>()));
    assert!(found.message.contains("the process ended"), "{}", found.message);
    assert_eq!(found.again, (3, 3));
    assert!(target.is_alive().is_ok());
}

/// Not a test, but the process of one: a host that is killed by a request.
#[test]
#[ignore = "started by a test"]
fn a_host_that_dies() {
    let Some(address) = env::args().find_map(|word| word.strip_prefix("at=")?.parse().ok()) else { return };
    let settings = Settings::default();
    let serving = Host::bind(address).unwrap().serve(move |number, line: Line| {
        talk(line, &settings, number, |message| {
            if body(message).license_status > 6 {
                std::process::abort();
            }
            Deed::Right
        });
    });
    let _serving = serving.unwrap();
    thread::sleep(Duration::from_secs(120));
}

fn volact(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_volact")).args(words).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_saved_case_is_done_again_by_test_host() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("fuzz-host-saved");
    let _ = fs::remove_dir_all(&folder);
    let host = wrong(|message| if body(message).license_status > 6 { Deed::End } else { Deed::Right });
    let (address, right) = (host.addr().to_string(), our_own());
    let folder_name = folder.to_str().unwrap();
    let fuzzed = volact(&[
        "fuzz",
        "host",
        &address,
        "--seed",
        "3",
        "--cases",
        "1024",
        "--findings",
        folder_name,
        "--format",
        "jsonl",
    ]);
    assert_eq!(fuzzed.status.code(), Some(1), "{}", text(&fuzzed.stderr));
    let id = "FUZZ-HOST-ENDS-REQUEST-ACTIVATION-LICENSE-STATUS";
    assert!(text(&fuzzed.stdout).contains(id), "{}", text(&fuzzed.stdout));
    assert!(text(&fuzzed.stderr).contains("1024 cases"), "{}", text(&fuzzed.stderr));
    let case = folder.join(format!("{id}.json"));
    assert!(fs::read_to_string(&case).unwrap().contains("\"schema\": \"volact-case/1\""));
    let case = case.to_str().unwrap();
    assert_eq!(volact(&["test", "host", &address, "--case", case]).status.code(), Some(1));
    let cured = volact(&["test", "host", &right.addr().to_string(), "--case", case]);
    assert_eq!(cured.status.code(), Some(0), "{}{}", text(&cured.stdout), text(&cured.stderr));
    let pcapng = folder.join(format!("{id}.pcapng"));
    let decoded = volact(&["decode", pcapng.to_str().unwrap()]);
    assert!(text(&decoded.stdout).contains("license status"), "{}", text(&decoded.stdout));
}

#[test]
fn what_is_not_this_machine_is_not_fuzzed_unasked() {
    let refused = volact(&["fuzz", "host", "192.0.2.1:1688", "--cases", "1"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("--allow-remote"));
    let nobody = TcpListener::bind(free()).unwrap().local_addr().unwrap();
    let nowhere = volact(&["fuzz", "host", &nobody.to_string(), "--cases", "1", "--timeout", "200ms"]);
    assert_eq!(nowhere.status.code(), Some(3), "{}", text(&nowhere.stderr));
}

#[test]
fn no_machine_but_those_of_the_tests_is_asked_for() {
    use std::collections::BTreeSet;
    use std::sync::Mutex;
    use volact::peer::host_test::TEST_MACHINES;
    static SEEN: Mutex<BTreeSet<volact::wire::Guid>> = Mutex::new(BTreeSet::new());
    let host = wrong(|message| {
        SEEN.lock().unwrap().insert(body(message).cmid);
        Deed::Right
    });
    let target = target(host.addr());
    fuzzed(&target, &mut State::new("host", 2, 256), 1024, 4);
    let strangers: Vec<_> =
        SEEN.lock().unwrap().iter().filter(|cmid| !TEST_MACHINES.contains(cmid)).copied().collect();
    assert!(strangers.is_empty(), "{strangers:?}");
}

/// vlmcsd on a port of its own.
struct Vlmcsd {
    child: Child,
    address: SocketAddr,
}

impl Drop for Vlmcsd {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn vlmcsd() -> Option<Vlmcsd> {
    let address = TcpListener::bind(free()).unwrap().local_addr().unwrap();
    let child = Command::new("vlmcsd")
        .args(["-L", &address.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(child) = child else {
        assert!(env::var_os("VOLACT_REQUIRE_PEERS").is_none(), "vlmcsd is not there");
        eprintln!("skipped: vlmcsd is not there (cargo install vlmcsd --version 0.1.0)");
        return None;
    };
    let vlmcsd = Vlmcsd { child, address };
    for _ in 0..100 {
        if std::net::TcpStream::connect(address).is_ok() {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    Some(vlmcsd)
}

#[test]
fn nothing_is_found_in_vlmcsd_but_what_its_baseline_knows() {
    let Some(host) = vlmcsd() else { return };
    let address = host.address.to_string();
    let output =
        volact(&["fuzz", "host", &address, "--cases", "1024", "--baseline", "baselines/vlmcsd-fuzz.json"]);
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stderr).contains("1024 cases"), "{}", text(&output.stderr));
}
