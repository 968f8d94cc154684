//! `volact test client` against the client `vlmcs` of the crate of this name, 0.1.0, which fails as its committed baseline
//! expects it, and against a client of ours: right, it breaks nothing.
//!
//! Without vlmcs its test is skipped with a message, unless `VOLACT_REQUIRE_PEERS=1`.

#[path = "support/baseline.rs"]
mod baseline;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

use volact::conformance::{CaseResult, Verdict};
use volact::kms::{Check, Ndr, RequestBody, RequestMessage, RequestStub, ResponseStub, Verifier, Version};
use volact::peer::client_test::{BEHAVIOURS, Behaviour, Client, Plan, Stage};
use volact::peer::{Line, Received};
use volact::rpc::{
    Association, Bind, Body, Header, Outcome, Pdu, PduType, PfcFlags, PresentationContext, Request, SyntaxId,
    TransferSyntax,
};
use volact::wire::{Endianness, FileTime, Guid};

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

/// How long our client waits for an answer.
const PATIENCE: Duration = Duration::from_millis(1500);

fn takes_everything(host: SocketAddr, version: u16) -> bool {
    let _ = activated(host, version);
    true
}

/// Our client, once.
fn activated(host: SocketAddr, version: u16) -> bool {
    ask(host, version).is_some()
}

/// Asks once, as a genuine client does; `None` where the answer is not right in every way.
fn ask(host: SocketAddr, version: u16) -> Option<()> {
    let mut line = Line::connect(host, PATIENCE).ok()?;
    let proposed = |id, syntax| PresentationContext {
        id,
        reserved: 0,
        abstract_syntax: SyntaxId::KMS,
        transfer_syntaxes: vec![syntax],
    };
    let bind = Bind {
        max_xmit_frag: 5840,
        max_recv_frag: 5840,
        assoc_group_id: 0,
        n_context_elem: 3,
        reserved: [0; 3],
        contexts: vec![
            proposed(0, SyntaxId::NDR32),
            proposed(1, SyntaxId::NDR64),
            proposed(2, SyntaxId::bind_time_features(3)),
        ],
    };
    let mut association = Association::default();
    association.bind(2, &bind);
    let flags = PfcFlags::FIRST | PfcFlags::LAST | PfcFlags::CONC_MPX;
    send(&mut line, Header { flags, ..Header::new(PduType::BIND, 2) }, Body::Bind(bind))?;
    let bytes = received(&mut line)?;
    let pdu = Pdu::parse(&bytes).ok()?;
    let Body::BindAck(ack) = &pdu.body else { return None };
    association.answer(pdu.header.call_id, ack);
    let accepted = |syntax| {
        let is_it = |outcome| outcome == Outcome::Accepted(syntax);
        association.contexts().iter().find(|context| is_it(context.outcome)).map(|context| context.id)
    };
    let (context_id, ndr) = match (accepted(TransferSyntax::Ndr64), accepted(TransferSyntax::Ndr32)) {
        (Some(id), _) => (id, Ndr::Ndr64),
        (None, Some(id)) => (id, Ndr::Ndr32),
        (None, None) => return None,
    };
    let request = request(version);
    let stub = RequestStub::of(&request.encode(), ndr).encode(Endianness::Little);
    let alloc_hint = u32::try_from(stub.len()).ok()?;
    let body = Request { alloc_hint, context_id, opnum: 0, object: None, stub: &stub };
    send(&mut line, Header::new(PduType::REQUEST, 3), Body::Request(body))?;
    let (stub, endianness) = answer(&mut line)?;
    let stub = ResponseStub::parse(&stub, ndr, endianness).ok()?;
    let is_right = stub.hresult == Some(0) && stub.missing() == 0 && stub.max_count == Some(stub.size.into());
    let (_, checks) = Verifier::default().open(stub.data, Some(&request));
    (is_right && checks?.by_name().iter().all(|(_, check)| *check != Check::Fail)).then_some(())
}

fn send(line: &mut Line, header: Header, body: Body<'_>) -> Option<()> {
    line.send(&Pdu { header, body, rest: &[], auth: None }.encode_sized().ok()?).ok()
}

fn received(line: &mut Line) -> Option<Vec<u8>> {
    match line.receive(PATIENCE) {
        Received::Pdu(bytes) => Some(bytes),
        _ => None,
    }
}

/// The stub of the answer, its fragments put together, and its byte order.
fn answer(line: &mut Line) -> Option<(Vec<u8>, Endianness)> {
    let mut stub = Vec::new();
    loop {
        let bytes = received(line)?;
        let pdu = Pdu::parse(&bytes).ok()?;
        let Body::Response(response) = &pdu.body else { return None };
        if pdu.header.call_id != 3 {
            return None;
        }
        stub.extend_from_slice(response.stub);
        if pdu.header.flags.has(PfcFlags::LAST) {
            return Some((stub, pdu.header.drep.endianness()));
        }
    }
}

/// What a machine of no name asks.
fn request(version: u16) -> RequestMessage {
    let id = Guid::from_u128(0x0000_0000_0000_4000_8000_766f_6c61_6301);
    let since_1970 = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let body = RequestBody {
        version: Version(u32::from(version) << 16),
        vm_info: 0,
        license_status: 2,
        binding_expiration: 43_200,
        app_id: Guid::parse("55c92734-d682-4d71-983e-d6ec3f16059f").unwrap(),
        act_id: Guid::parse("73111121-5638-40f6-bc11-f1d7b0d64300").unwrap(),
        kms_id: Guid::parse("58e2134f-8e11-4d17-9cb2-91069c151148").unwrap(),
        cmid: id,
        n_policy: 25,
        client_time: FileTime::from_unix_nanos(since_1970.try_into().unwrap()).unwrap(),
        cmid_prev: Guid::default(),
        machine_name: RequestBody::machine_name_of("volact").unwrap(),
    };
    RequestMessage::new(body, [0x3c; 16])
}
