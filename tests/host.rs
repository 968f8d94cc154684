//! `test host`: our own host passes every case, a host that nobody here wrote fails as its committed baseline expects it,
//! and hosts that are wrong in one way each are found.
//!
//! Without vlmcsd (the crate, 0.1.0) its test is skipped with a message, unless `VOLACT_REQUIRE_PEERS=1`.

#[path = "support/baseline.rs"]
mod baseline;

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use volact::conformance::{CaseResult, Verdict};
use volact::kms::{Moment, Policy, ResponseMessage, ResponseStub};
use volact::peer::host_test::{self, Options, Report, TEST_MACHINES, cases};
use volact::peer::{Answer, Host, Line, Received, Serving, Session, Settings, moment};
use volact::rpc::{Body, Pdu, PduType, PfcFlags};
use volact::wire::{FileTime, Guid, Random};

/// How long a peer may take for anything.
const PATIENCE: Duration = Duration::from_secs(10);

fn options(host: SocketAddr) -> Options {
    Options {
        host,
        timeout: PATIENCE,
        seed: 7,
        jobs: 8,
        repeat: 1,
        leaves_traces: true,
        command: format!("volact test host {host}"),
    }
}

fn all(options: &Options) -> Vec<Report> {
    host_test::run(&cases().collect::<Vec<_>>(), options)
}

fn only(id: &str, options: &Options) -> CaseResult {
    let case = host_test::case(id).unwrap();
    let reports = host_test::run(&[case], options);
    reports.into_iter().map(|report| report.result).find(|result| result.id == id).unwrap()
}

fn free() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

fn our_own() -> Serving {
    Host::bind(free()).unwrap().serve_rightly(&Settings::default(), 7).unwrap()
}

#[test]
fn our_own_host_passes_every_case() {
    let host = our_own();
    let reports = all(&options(host.addr()));
    assert_eq!(reports.len(), cases().count());
    let failed: Vec<_> = reports
        .iter()
        .map(|report| &report.result)
        .filter(|result| result.verdict != Verdict::Pass || !result.breaches.is_empty())
        .map(|result| format!("{} {}: {}", result.verdict.name(), result.id, result.message))
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
    for Report { result, dialogues, .. } in reports {
        assert!(!result.transcript.is_empty() && !dialogues.is_empty(), "{}", result.id);
        assert!(result.repeat.ends_with(&format!("--only {}", result.id)));
    }
}

#[test]
fn the_results_stand_in_the_order_of_the_cases_however_many_are_done_at_a_time() {
    let host = our_own();
    let wanted: Vec<_> = cases().filter(|case| case.id.starts_with("HOST-STUB")).collect();
    let ids = |jobs| {
        let options = Options { jobs, ..options(host.addr()) };
        let reports = host_test::run(&wanted, &options);
        reports.into_iter().map(|report| report.result.id).collect::<Vec<_>>()
    };
    let one_by_one = ids(1);
    assert_eq!(one_by_one.first().map(String::as_str), Some("HOST-SANITY-FIRST"));
    assert_eq!(one_by_one.last().map(String::as_str), Some("HOST-SANITY-LAST"));
    assert_eq!(one_by_one, ids(16));
}

#[test]
fn without_a_host_the_run_stops_at_its_first_case() {
    let address = TcpListener::bind(free()).unwrap().local_addr().unwrap();
    let reports = all(&options(address));
    assert_eq!(reports[0].result.verdict, Verdict::HarnessError);
    assert!(
        reports[0].result.message.starts_with("the host takes no connection"),
        "{}",
        reports[0].result.message
    );
    assert!(reports[1..].iter().all(|report| report.result.verdict == Verdict::Skipped));
}

#[test]
fn cases_that_leave_traces_are_done_only_where_that_is_allowed() {
    let host = our_own();
    let refused = Options { leaves_traces: false, ..options(host.addr()) };
    let skipped: Vec<_> = all(&refused)
        .into_iter()
        .filter(|report| report.result.verdict == Verdict::Skipped)
        .map(|report| report.result.id)
        .collect();
    let leaving: Vec<_> = cases().filter(|case| case.leaves_traces).map(|case| case.id.to_owned()).collect();
    assert_eq!(skipped, leaving);
    assert!(!leaving.is_empty());
}

#[test]
fn only_the_documented_machines_ask_where_no_traces_are_to_be_left() {
    let host = our_own();
    let refused = Options { leaves_traces: false, ..options(host.addr()) };
    let dialogues: Vec<_> = all(&refused).into_iter().flat_map(|report| report.dialogues).collect();
    let mut file = Vec::new();
    volact::capture::Dialogue::write(&dialogues, &mut file, "a run").unwrap();
    struct Machines(Vec<Guid>);
    impl volact::trace::Observer for Machines {
        fn exchange(&mut self, exchange: &volact::trace::Exchange) {
            let message = exchange.request.as_ref().and_then(|request| request.message.as_ref());
            if let Some(body) = message.and_then(|message| message.body()) {
                self.0.push(body.cmid);
            }
        }
    }
    let mut machines = Machines(Vec::new());
    volact::trace::trace("run", &file[..], &volact::trace::Options::default(), &mut machines);
    assert!(machines.0.len() > 100, "{}", machines.0.len());
    for cmid in machines.0 {
        assert!(TEST_MACHINES.contains(&cmid), "{cmid}");
    }
}

#[test]
fn a_host_is_played_on_loopback_only() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        assert!(Host::bind(address.parse().unwrap()).is_err(), "{address}");
    }
}

/// A host that is wrong in one way: the case that finds it, with this verdict, and how it is wrong.
struct Wrong {
    case: &'static str,
    verdict: Verdict,
    settings: fn(&mut Settings),
    /// Changes what is done about a PDU.
    answer: fn(&[u8], Answer) -> Answer,
}

const RIGHT: Wrong = Wrong { case: "", verdict: Verdict::Fail, settings: |_| {}, answer: |_, answer| answer };

const WRONG: &[Wrong] = &[
    Wrong { case: "HOST-CALL-V4-NDR32", answer: |_, answer| spoiled(answer), ..RIGHT },
    Wrong { case: "HOST-CALL-V5-NDR64", answer: |_, answer| spoiled(answer), ..RIGHT },
    Wrong { case: "HOST-CALL-V6-NDR32", answer: |_, answer| spoiled(answer), ..RIGHT },
    Wrong {
        case: "HOST-BIND-NDR64-ONLY",
        verdict: Verdict::Unimplemented,
        settings: |settings| settings.takes_ndr64 = false,
        ..RIGHT
    },
    Wrong {
        case: "HOST-CLOCK-1601",
        verdict: Verdict::Should,
        settings: |settings| settings.policy.max_clock_skew = None,
        ..RIGHT
    },
    Wrong {
        case: "HOST-CLOCK-BEHIND",
        settings: |settings| settings.policy.max_clock_skew = Some(Policy::FOUR_HOURS / 2),
        ..RIGHT
    },
    Wrong {
        case: "HOST-PRODUCT-UNKNOWN",
        verdict: Verdict::Should,
        settings: |settings| settings.policy.products = None,
        ..RIGHT
    },
    Wrong { case: "HOST-POLICY-MAX", settings: |settings| settings.policy.count = 2_000_000, ..RIGHT },
    Wrong {
        case: "HOST-OPNUM-1",
        verdict: Verdict::WrongWords,
        answer: |_, answer| with_status(answer, 0x1c00_0009),
        ..RIGHT
    },
    Wrong {
        case: "HOST-VERSION-7",
        verdict: Verdict::WrongWords,
        answer: |_, answer| with_hresult(answer, 0x8000_4005),
        ..RIGHT
    },
    Wrong {
        case: "HOST-VERSION-7",
        verdict: Verdict::Should,
        answer: |_, answer| {
            if hresult(&answer).is_some_and(|hresult| hresult != 0) { HANG_UP } else { answer }
        },
        ..RIGHT
    },
    Wrong {
        case: "HOST-BIND-INTERFACE-UNKNOWN",
        answer: |_, answer| {
            changed(answer, |pdu| {
                if let Body::BindAck(ack) = &mut pdu.body {
                    ack.results.iter_mut().for_each(|found| (found.result, found.reason) = (0, 0));
                }
            })
        },
        ..RIGHT
    },
    Wrong {
        case: "HOST-BIND-MANY-CONTEXTS",
        answer: |_, answer| {
            changed(answer, |pdu| {
                if let Body::BindAck(ack) = &mut pdu.body {
                    ack.results.truncate(3);
                    ack.n_results = ack.n_results.min(3);
                }
            })
        },
        ..RIGHT
    },
    Wrong {
        case: "HOST-BIND-CALL-ID",
        answer: |_, answer| {
            changed(answer, |pdu| {
                if pdu.header.call_id == 0 {
                    pdu.header.call_id = 2;
                }
            })
        },
        ..RIGHT
    },
    Wrong {
        case: "HOST-BIND-FRAGMENT-UNEQUAL",
        answer: |_, answer| {
            changed(answer, |pdu| {
                if let Body::BindAck(ack) = &mut pdu.body {
                    ack.max_xmit_frag = 5840;
                }
            })
        },
        ..RIGHT
    },
    Wrong {
        case: "HOST-BIND-NO-MULTIPLEXING",
        verdict: Verdict::Should,
        answer: |_, answer| {
            changed(answer, |pdu| {
                if pdu.header.ptype == PduType::BIND_ACK {
                    pdu.header.flags = pdu.header.flags | PfcFlags::CONC_MPX;
                }
            })
        },
        ..RIGHT
    },
    Wrong {
        case: "HOST-BIND-GROUP",
        answer: |_, answer| {
            changed(answer, |pdu| {
                if let Body::BindAck(ack) = &mut pdu.body {
                    ack.assoc_group_id = 0;
                }
            })
        },
        ..RIGHT
    },
    // A response, and then the end.
    Wrong {
        case: "HOST-MANY-REQUESTS",
        verdict: Verdict::Should,
        answer: |_, answer| {
            let closes = hresult(&answer).is_some();
            Answer { closes: answer.closes || closes, ..answer }
        },
        ..RIGHT
    },
    Wrong {
        case: "HOST-FRAGMENT-TWO",
        answer: |asked, answer| {
            let is_whole = asked.get(3).is_some_and(|flags| flags & 3 == 3);
            if asked.get(2) == Some(&0) && !is_whole { HANG_UP } else { answer }
        },
        ..RIGHT
    },
    Wrong {
        case: "HOST-CALL-BIG-ENDIAN",
        answer: |asked, answer| if asked.get(4) == Some(&0) { HANG_UP } else { answer },
        ..RIGHT
    },
];

const HANG_UP: Answer = Answer { pdus: Vec::new(), closes: true };

#[test]
fn a_host_that_is_wrong_in_one_way_fails_the_case_about_that() {
    for wrong in WRONG {
        let mut settings = Settings::default();
        (wrong.settings)(&mut settings);
        let answer = wrong.answer;
        let host = Host::bind(free())
            .unwrap()
            .serve(move |number, line: Line| serve(number, line, &settings, answer))
            .unwrap();
        // The first case may well fail with it: what is looked at is the case itself.
        let case = host_test::case(wrong.case).unwrap();
        let found = host_test::once(case, &options(host.addr()), &HashSet::new()).result;
        assert_eq!(found.verdict, wrong.verdict, "{}: {}", wrong.case, found.message);
        assert!(!found.message.is_empty(), "{}", wrong.case);
    }
}

#[test]
fn a_host_that_is_right_every_other_time_is_flaky() {
    let settings = Settings::default();
    let host = Host::bind(free())
        .unwrap()
        .serve(move |number, line: Line| {
            let answer =
                if number % 5 == 3 { |_: &[u8], _: Answer| HANG_UP } else { |_: &[u8], answer| answer };
            serve(number, line, &settings, answer);
        })
        .unwrap();
    let found = only("HOST-BIND-GROUP", &Options { repeat: 4, jobs: 1, ..options(host.addr()) });
    assert_eq!(found.verdict, Verdict::Flaky, "{}", found.message);
    assert!(found.message.starts_with("1 x fail, 3 x pass"), "{}", found.message);
}

/// Answers to the end of a connection, with the answers changed.
fn serve(number: u64, mut line: Line, settings: &Settings, change: fn(&[u8], Answer) -> Answer) {
    let mut session = Session::new(settings);
    let mut random = Random::new(7, &number.to_string());
    while let Received::Pdu(bytes) | Received::NotRpc(bytes) = line.receive(PATIENCE) {
        let answer = change(&bytes, session.take(&bytes, &moment(&mut random)));
        for pdu in &answer.pdus {
            if line.send(pdu).is_err() {
                return;
            }
        }
        if answer.closes {
            return;
        }
    }
}

fn changed(mut answer: Answer, change: impl Fn(&mut Pdu<'_>)) -> Answer {
    for bytes in &mut answer.pdus {
        let before = bytes.clone();
        let mut pdu = Pdu::parse(&before).unwrap();
        change(&mut pdu);
        *bytes = pdu.encode_sized().unwrap();
    }
    answer
}

fn with_status(answer: Answer, status: u32) -> Answer {
    changed(answer, |pdu| {
        if let Body::Fault(fault) = &mut pdu.body {
            fault.status = status;
        }
    })
}

/// HRESULT of a response: what its last four bytes are.
fn hresult(answer: &Answer) -> Option<u32> {
    let pdu = answer.pdus.first()?;
    (pdu[2] == PduType::RESPONSE.0).then(|| u32::from_le_bytes(*pdu.last_chunk().unwrap()))
}

fn with_hresult(mut answer: Answer, other: u32) -> Answer {
    if hresult(&answer).is_some_and(|hresult| hresult != 0) {
        *answer.pdus[0].last_chunk_mut().unwrap() = other.to_le_bytes();
    }
    answer
}

/// Changes a bit in what proves an answer: MAC (v4), Hash (v5), HMAC (v6).
fn spoiled(mut answer: Answer) -> Answer {
    if hresult(&answer) != Some(0) {
        return answer;
    }
    let bytes = answer.pdus[0].clone();
    let mut pdu = Pdu::parse(&bytes).unwrap();
    let Body::Response(response) = &mut pdu.body else { return answer };
    let ndr =
        match ResponseStub::parse(response.stub, volact::kms::Ndr::Ndr64, volact::wire::Endianness::Little) {
            Ok(stub) if stub.referent == ResponseStub::REFERENT && stub.missing() == 0 => {
                volact::kms::Ndr::Ndr64
            }
            _ => volact::kms::Ndr::Ndr32,
        };
    let stub = ResponseStub::parse(response.stub, ndr, volact::wire::Endianness::Little).unwrap();
    let mut message = ResponseMessage::decode(stub.data);
    match &mut message {
        ResponseMessage::V4(v4) => v4.mac[15] ^= 1,
        ResponseMessage::Encrypted(encrypted) => match &mut encrypted.v6 {
            Some(v6) => v6.hmac[15] ^= 1,
            None => encrypted.hash[31] ^= 1,
        },
        ResponseMessage::Other { .. } => panic!("{message:?}"),
    }
    let data = message.encode();
    let stub = ResponseStub::of(&data, ndr).encode(volact::wire::Endianness::Little);
    response.stub = &stub;
    answer.pdus[0] = pdu.encode_sized().unwrap();
    answer
}

#[test]
fn a_moment_of_a_session_is_all_that_its_answers_depend_on() {
    let bind = "05000b03100000004800000002000000d016d01600000000010000000000010075 21c851 4e845047b0d8ec255555bc0601000000045d888aeb1cc9119fe808002b10486002000000"
        .replace(' ', "");
    let bind = volact::wire::parse_hex(&bind).unwrap();
    let moment = Moment { now: FileTime(134_397_673_530_000_000), random: [7; 32] };
    let answer = || Session::new(&Settings::default()).take(&bind, &moment);
    assert_eq!(answer(), answer());
    let bytes = &answer().pdus[0];
    let Body::BindAck(ack) = Pdu::parse(bytes).unwrap().body else { panic!("{bytes:02x?}") };
    assert_eq!((ack.assoc_group_id, ack.results[0].result), (0x0707_0707, 0));
}

#[test]
fn vlmcsd_fails_as_its_baseline_expects_it_and_the_same_way_each_time() {
    if is_skipped() {
        return;
    }
    let server = Server::start();
    let mut first = Vec::new();
    for _ in 0..3 {
        let begin = Instant::now();
        let cases: Vec<_> = all(&options(server.address)).into_iter().map(|report| report.result).collect();
        let took = begin.elapsed();
        assert!(took < Duration::from_secs(30), "a run takes {took:?}");
        let verdicts = baseline::verdicts(&cases);
        baseline::hold("vlmcsd.json", cases);
        if first.is_empty() {
            first = verdicts;
        } else {
            assert_eq!(verdicts, first);
        }
    }
}

/// Other programs go by the same name.
fn is_skipped() -> bool {
    let output = Command::new("vlmcsd").arg("--version").stdin(Stdio::null()).output();
    if output.is_ok_and(|output| output.status.success() && output.stdout.trim_ascii() == b"vlmcsd 0.1.0") {
        return false;
    }
    assert!(
        std::env::var_os("VOLACT_REQUIRE_PEERS").is_none_or(|value| value != "1"),
        "VOLACT_REQUIRE_PEERS=1, and there is no vlmcsd 0.1.0"
    );
    eprintln!("skipped: there is no vlmcsd 0.1.0 to talk to");
    true
}

/// A vlmcsd that runs until this is dropped.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start() -> Self {
        // Between its being found free and vlmcsd's taking it, a port can go to somebody else.
        for _ in 0..5 {
            let address = TcpListener::bind(free()).unwrap().local_addr().unwrap();
            let process = Command::new("vlmcsd")
                .args(["--listen", &address.to_string()])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut server = Self { process, address };
            let begin = Instant::now();
            while begin.elapsed() < PATIENCE && server.process.try_wait().unwrap().is_none() {
                // A connection to a port that nobody listens on can be given that very port, and meet itself.
                if let Ok(stream) = TcpStream::connect_timeout(&address, PATIENCE)
                    && stream.local_addr().unwrap() != address
                {
                    return server;
                }
                thread::sleep(Duration::from_millis(2));
            }
        }
        panic!("vlmcsd does not start");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails where it has ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
