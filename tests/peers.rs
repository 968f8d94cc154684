//! Our client and our host against programs that nobody of this project wrote: the client `vlmcs` and the host `vlmcsd`,
//! of the crates of these names, 0.1.0, over sockets of this machine. What we build they take, and what they build we
//! find right.
//!
//! Without a program its tests are skipped with a message, unless `VOLACT_REQUIRE_PEERS=1`.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use volact::kms::{
    Check, HostIdentity, Moment, Ndr, Policy, Reply, RequestBody, RequestChecks, RequestMessage, RequestStub,
    Responder, ResponseMessage, ResponseStub, Verifier, Version,
};
use volact::rpc::{
    Association, Bind, BindAck, Body, Framed, Framer, Header, Outcome, Pdu, PduType, PfcFlags,
    PresentationContext, Request, Response, ResultElement, SyntaxId, TransferSyntax, fault_status_name,
};
use volact::wire::{Endianness, FileTime, Guid};

/// How long a peer may take for anything.
const PATIENCE: Duration = Duration::from_secs(10);

const VERSIONS: [Version; 3] = [Version::V4, Version::V5, Version::V6];
const SYNTAXES: [Ndr; 2] = [Ndr::Ndr32, Ndr::Ndr64];

/// What the test host is: HwId spells "volact".
const TEST_EPID: &str = "00000-00000-000-000000-03-1033-00000.0000-0011601";
const TEST_HWID: [u8; 8] = [0x76, 0x6f, 0x6c, 0x61, 0x63, 0x74, 0, 0];

/// Office, Office Professional Plus 2019, and what it is counted as: none of them what vlmcs asks for by itself.
const APP_ID: &str = "0ff1ce15-a989-479d-af46-f275c6370663";
const ACT_ID: &str = "85dd8b5f-eaa4-4af3-a628-cce9e77c9a03";
const KMS_ID: &str = "617d9eb1-ef36-4f82-86e0-a65ae07b96c6";

#[test]
fn vlmcs_takes_our_answers_and_shows_what_we_sent() {
    if is_skipped("vlmcs") {
        return;
    }
    for (version, ndr) in combinations() {
        let case = format!("KMS {version}, {ndr}");
        let (output, calls) = asked_by_vlmcs(&Host::default(), version, ndr);
        assert!(output.status.success(), "{case}: vlmcs does not take the answer: {}", text(&output.stderr));
        assert_eq!(calls.len(), 2, "{case}: both requests came over the one connection");
        let mut expected = String::new();
        for (number, call) in calls.iter().enumerate() {
            assert_eq!((call.ndr, &call.reply), (ndr, &Reply::Answered), "{case}");
            let request = request_of_vlmcs(call, version);
            let said = said_by(&opened(&call.answer, ndr, &request));
            assert_eq!(said, Said::by_the_test_host(version), "{case}");
            expected += &said.as_vlmcs_shows_it(number + 1, version, &request);
        }
        assert_eq!(text(&output.stdout), expected, "{case}");
    }
}

#[test]
fn vlmcs_reads_our_refusals_as_their_status() {
    if is_skipped("vlmcs") {
        return;
    }
    let no_key = Policy { products: Some(Vec::new()), ..Policy::default() };
    let refusals = [
        (0xc004_f042_u32, Host { policy: no_key, ..Host::default() }),
        (0xc004_f06c, Host { clock_ahead: Policy::FOUR_HOURS + 600_000_000, ..Host::default() }),
    ];
    for (status, host) in refusals {
        for (version, ndr) in combinations() {
            let case = format!("{status:#x}, KMS {version}, {ndr}");
            let (output, calls) = asked_by_vlmcs(&host, version, ndr);
            let hresults: Vec<u32> = calls.iter().map(|call| call.reply.hresult()).collect();
            assert_eq!(hresults, [status], "{case}: vlmcs gives up at the first refusal");
            assert_eq!(output.status.code(), Some(1), "{case}");
            // vlmcs shows it as a decimal number.
            assert_eq!(text(&output.stderr), format!("Error: Status({status})\n"), "{case}");
            assert_eq!(text(&output.stdout), "", "{case}");
        }
    }
}

/// Else that vlmcs takes our answers would say nothing.
#[test]
fn vlmcs_takes_no_answer_of_ours_that_proves_nothing() {
    if is_skipped("vlmcs") {
        return;
    }
    for (version, ndr) in combinations() {
        let case = format!("KMS {version}, {ndr}");
        let host = Host { spoils: true, ..Host::default() };
        let (output, calls) = asked_by_vlmcs(&host, version, ndr);
        let reason = match version {
            Version::V4 => "invalid V4 response MAC",
            Version::V5 => "invalid response salt hash",
            _ => "invalid V6 response HMAC",
        };
        assert_eq!(calls.len(), 1, "{case}: vlmcs gives up at the first answer");
        assert_eq!(output.status.code(), Some(1), "{case}: vlmcs takes {}", text(&output.stdout));
        assert_eq!(text(&output.stderr), format!("Error: Codec(Protocol({reason:?}))\n"), "{case}");
    }
}

#[test]
fn vlmcs_hears_that_a_host_does_not_take_ndr64() {
    if is_skipped("vlmcs") {
        return;
    }
    let host = Host { takes_ndr64: false, ..Host::default() };
    let (output, calls) = asked_by_vlmcs(&host, Version::V6, Ndr::Ndr64);
    assert_eq!(calls.len(), 0, "without a context there is nothing to call");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "Error: Protocol(\"presentation context rejected\")\n");
    let (output, calls) = asked_by_vlmcs(&host, Version::V6, Ndr::Ndr32);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(calls.len(), 2, "the same host is asked in NDR32");
}

#[test]
fn vlmcsd_answers_our_requests_and_its_answers_pass_every_check() {
    if is_skipped("vlmcsd") {
        return;
    }
    let defaults = Said {
        epid: "03612-00206-471-111111-03-1033-17763.0000-0012024".to_owned(),
        count: 50,
        activation_interval: 120,
        renewal_interval: 10_080,
        hwid: Some([0x36, 0x4f, 0x46, 0x3a, 0x88, 0x63, 0xd3, 0x5f]),
    };
    // With an ePID of 48 characters, not 49, so that the paddings have other lengths.
    let told = Said {
        epid: "00000-00000-000-000000-03-1033-0000.0000-0011601".to_owned(),
        count: 26,
        activation_interval: 90,
        renewal_interval: 7_200,
        hwid: Some([0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]),
    };
    let arguments = [
        ["--epid", &told.epid],
        ["--hardware-id", "0123456789abcdef"],
        ["--client-count", "26"],
        ["--activation-interval", "90"],
        ["--renewal-interval", "7200"],
    ];
    for (arguments, expected) in [(&[][..], &defaults), (arguments.as_flattened(), &told)] {
        let server = Server::start(arguments);
        // All on one connection: each call is read in the syntax of its context.
        let mut client = Client::bind(server.address);
        for (version, ndr) in combinations() {
            let case = format!("KMS {version}, {ndr}, vlmcsd {arguments:?}");
            let request = request(version);
            let Answer::Stub(stub) = client.request(&request, ndr) else {
                panic!("{case}: not answered");
            };
            let hwid = expected.hwid.filter(|_| version == Version::V6);
            assert_eq!(said_by(&opened(&stub, ndr, &request)), Said { hwid, ..expected.clone() }, "{case}");
        }
    }
}

/// Else that vlmcsd answers our requests would say nothing.
#[test]
fn vlmcsd_hangs_up_on_a_request_of_ours_that_is_not_right() {
    if is_skipped("vlmcsd") {
        return;
    }
    let server = Server::start(&[]);
    for (version, ndr) in combinations() {
        let mut spoiled = request(version);
        match &mut spoiled {
            RequestMessage::V4(v4) => v4.mac[15] ^= 1,
            RequestMessage::Encrypted(encrypted) => encrypted.padding[3] ^= 1,
            RequestMessage::Other { .. } => unreachable!("no version is without an envelope here"),
        }
        let mut client = Client::bind(server.address);
        assert_eq!(client.request(&spoiled, ndr), Answer::HungUp, "KMS {version}, {ndr}");
    }
    let alive = Client::bind(server.address).request(&request(Version::V6), Ndr::Ndr64);
    assert!(matches!(alive, Answer::Stub(_)), "others are still answered: {alive:?}");
}

#[test]
fn a_fault_of_vlmcsd_is_read_with_its_status_and_the_call_behind_it_is_answered() {
    if is_skipped("vlmcsd") {
        return;
    }
    let server = Server::start(&[]);
    let mut client = Client::bind(server.address);
    let message = request(Version::V6).encode();
    for ndr in SYNTAXES {
        let stub = RequestStub::of(&message, ndr).encode(Endianness::Little);
        let context_id = client.context(ndr);
        for (context_id, opnum, status, name) in [
            (context_id, 1, 0x1c01_0002, "nca_s_op_rng_error"),
            (Client::FEATURES, 0, 0x1c00_001c, "nca_s_invalid_pres_context_id"), // refused in the bind
            (9, 0, 0x1c00_001c, "nca_s_invalid_pres_context_id"),                // never proposed
        ] {
            let answer = client.call(context_id, opnum, &stub);
            assert_eq!(answer, Answer::Fault(status), "{ndr}, context {context_id}, opnum {opnum}");
            assert_eq!(fault_status_name(status), Some(name));
        }
        let answer = client.call(context_id, 0, &stub);
        assert!(matches!(answer, Answer::Stub(_)), "{ndr}: {answer:?}");
    }
}

/// vlmcs proposes one context at a time; genuine clients propose three.
#[test]
fn our_client_and_our_host_agree_on_a_syntax_as_genuine_ones_do() {
    let refused = Outcome::Rejected { result: 2, reason: 2 };
    let accepted = [Outcome::Accepted(TransferSyntax::Ndr32), Outcome::Accepted(TransferSyntax::Ndr64)];
    for (takes_ndr64, ndr, outcomes) in [
        (true, Ndr::Ndr64, [refused, accepted[1], Outcome::Negotiated(3)]),
        (false, Ndr::Ndr32, [accepted[0], refused, Outcome::Negotiated(3)]),
    ] {
        let host = Host { takes_ndr64, ..Host::default() };
        let request = request(Version::V6);
        let ((agreed, answer), calls) = host.meets(|address| {
            let mut client = Client::bind(address);
            let agreed: Vec<Outcome> =
                client.association.contexts().iter().map(|context| context.outcome).collect();
            (agreed, client.request(&request, ndr))
        });
        assert_eq!(agreed, outcomes);
        let Answer::Stub(stub) = answer else { panic!("{ndr}: {answer:?}") };
        assert_eq!(said_by(&opened(&stub, ndr, &request)), Said::by_the_test_host(Version::V6));
        assert_eq!((calls.len(), calls[0].ndr), (1, ndr));
    }
}

fn combinations() -> impl Iterator<Item = (Version, Ndr)> {
    VERSIONS.into_iter().flat_map(|version| SYNTAXES.map(|ndr| (version, ndr)))
}

/// Other programs go by the same names: only those of 0.1.0 have the arguments and the words that are used here.
fn is_skipped(program: &str) -> bool {
    let expected = format!("{program} 0.1.0");
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    if output.is_ok_and(|output| output.status.success() && text(&output.stdout).trim() == expected) {
        return false;
    }
    assert!(
        std::env::var_os("VOLACT_REQUIRE_PEERS").is_none_or(|value| value != "1"),
        "VOLACT_REQUIRE_PEERS=1, and there is no {expected}"
    );
    eprintln!("skipped: there is no {expected} to talk to");
    true
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// This moment: the programs send and expect the real time.
fn now() -> FileTime {
    let since_1970 = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    FileTime::from_unix_nanos(since_1970.try_into().unwrap()).unwrap()
}

/// What a host says in its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    epid: String,
    count: u32,
    activation_interval: u32,
    renewal_interval: u32,
    hwid: Option<[u8; 8]>,
}

impl Said {
    /// By [`HostIdentity::TEST`] with the default policy.
    fn by_the_test_host(version: Version) -> Self {
        Self {
            epid: TEST_EPID.to_owned(),
            count: 50,
            activation_interval: 120,
            renewal_interval: 10_080,
            hwid: (version == Version::V6).then_some(TEST_HWID),
        }
    }

    fn as_vlmcs_shows_it(&self, number: usize, version: Version, request: &RequestMessage) -> String {
        let Self { epid, count, activation_interval, renewal_interval, hwid } = self;
        let mut shown = format!(
            "Response {number}: KMS V{}\n\
             ePID: {epid}\n\
             Client Count: {count}\n\
             VL Activation Interval: {activation_interval} minutes\n\
             VL Renewal Interval: {renewal_interval} minutes\n\
             CMID (wire bytes): {:02x?}\n",
            version.major(),
            request.body().unwrap().cmid.to_wire(),
        );
        if let Some(hwid) = hwid {
            shown += &format!("Hardware ID: {hwid:02x?}\n");
        }
        shown
    }
}

fn said_by(response: &ResponseMessage) -> Said {
    let body = response.body().unwrap();
    let hwid = match response {
        ResponseMessage::Encrypted(encrypted) => encrypted.v6.map(|v6| v6.hwid),
        _ => None,
    };
    Said {
        epid: body.epid_text(),
        count: body.count,
        activation_interval: body.activation_interval,
        renewal_interval: body.renewal_interval,
        hwid,
    }
}

/// Reads an answer's stub: it is whole, and all checks that its version has hold.
fn opened(stub: &[u8], ndr: Ndr, request: &RequestMessage) -> ResponseMessage {
    let stub = ResponseStub::parse(stub, ndr, Endianness::Little).unwrap();
    assert_eq!((stub.hresult, stub.missing(), stub.excess), (Some(0), 0, &[][..]), "{stub:?}");
    assert_eq!(stub.max_count, Some(stub.size.into()), "{stub:?}");
    let (response, checks) = Verifier::default().open(stub.data, Some(request));
    let checks = checks.unwrap_or_else(|| panic!("{response:?}"));
    let held: Vec<&str> = checks
        .by_name()
        .into_iter()
        .filter(|(_, check)| *check != Check::NotApplicable)
        .map(|(name, check)| if check == Check::Pass { name } else { panic!("{name}: {check:?}") })
        .collect();
    let echoes = ["version_echo", "version_envelope", "cmid_echo", "client_time_echo", "pid_size"];
    let expected = match request.version().unwrap() {
        Version::V4 => vec![echoes[0], echoes[2], echoes[3], echoes[4], "mac"],
        Version::V5 => [&echoes[..], &["padding", "hash", "iv_echo"]].concat(),
        _ => [&echoes[..], &["padding", "hash", "iv_fresh", "xored_ivs", "hmac"]].concat(),
    };
    assert_eq!(held, expected, "a check that does not apply says nothing");
    assert_eq!(response.encode(), stub.data);
    response
}

/// A request of ours, as a genuine client would make it at this moment.
fn request(version: Version) -> RequestMessage {
    let body = RequestBody {
        version,
        vm_info: 0,
        license_status: 2,
        binding_expiration: 43_200,
        app_id: guid(APP_ID),
        act_id: guid(ACT_ID),
        kms_id: guid(KMS_ID),
        cmid: guid("5d8a5a0e-5f0f-4a3a-9d36-0d6ab9d4c0de"),
        n_policy: 5,
        client_time: now(),
        cmid_prev: Guid::NIL,
        machine_name: RequestBody::machine_name_of("volact.example").unwrap(),
    };
    RequestMessage::new(body, std::array::from_fn(|i| 0xa5 ^ u8::try_from(i).unwrap()))
}

fn guid(text: &str) -> Guid {
    Guid::parse(text).unwrap()
}

/// Has vlmcs ask the host two times on one connection.
fn asked_by_vlmcs(host: &Host, version: Version, ndr: Ndr) -> (Output, Vec<Call>) {
    host.meets(|address| {
        let mut vlmcs = Command::new("vlmcs");
        vlmcs.stdin(Stdio::null());
        vlmcs.arg(format!("-{}", version.major()));
        vlmcs.args(["--verbose", "--requests", "2", "--timeout", "10", "--workstation", "peer.example"]);
        vlmcs.args(["--application-id", APP_ID, "--activation-id", ACT_ID, "--kms-id", KMS_ID]);
        vlmcs.args(["--required-count", "5"]);
        if ndr == Ndr::Ndr64 {
            vlmcs.arg("--ndr64");
        }
        vlmcs.arg(address.to_string()).output().unwrap()
    })
}

/// Reads what vlmcs asked: it is what it was told to ask.
fn request_of_vlmcs(call: &Call, version: Version) -> RequestMessage {
    let stub = RequestStub::parse(&call.request, call.ndr, Endianness::Little).unwrap();
    assert!(stub.is_consistent() && stub.excess.is_empty(), "{stub:?}");
    let (request, checks) = RequestChecks::open(stub.data);
    let checks = checks.unwrap_or_else(|| panic!("{request:?}")).by_name();
    assert!(
        checks.iter().all(|(_, check)| matches!(check, Check::Pass | Check::NotApplicable)),
        "{checks:?}"
    );
    let body = request.body().unwrap();
    let asked = (body.version, body.n_policy, body.machine_name_text());
    assert_eq!(asked, (version, 5, "peer.example".to_owned()));
    assert_eq!([body.app_id, body.act_id, body.kms_id], [APP_ID, ACT_ID, KMS_ID].map(guid));
    request
}

/// A host of ours, for one connection.
struct Host {
    /// Takes NDR64 where it is proposed, and then refuses NDR32, as genuine hosts do; or NDR32 only.
    takes_ndr64: bool,
    policy: Policy,
    /// How much later it is for the host, in 100 ns.
    clock_ahead: u64,
    /// Changes a bit in what proves every answer: MAC (v4), Hash (v5), HMAC (v6).
    spoils: bool,
}

/// A call, as the host of it knows it: what it was asked and what it answered are stubs.
struct Call {
    ndr: Ndr,
    request: Vec<u8>,
    reply: Reply,
    answer: Vec<u8>,
}

impl Default for Host {
    fn default() -> Self {
        Self { takes_ndr64: true, policy: Policy::default(), clock_ahead: 0, spoils: false }
    }
}

impl Host {
    /// Lets a client talk to the host: what the client makes of it, and the calls the host has answered.
    fn meets<T>(&self, client: impl FnOnce(SocketAddr) -> T) -> (T, Vec<Call>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::scope(|scope| {
            let host = scope.spawn(move || {
                let (stream, _) = listener.accept().unwrap();
                self.serve(stream)
            });
            let wake = Wake(address);
            let made = client(address);
            drop(wake);
            match host.join() {
                Ok(calls) => (made, calls),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Answers to the end of the connection.
    fn serve(&self, stream: TcpStream) -> Vec<Call> {
        let secondary_address = format!("{}\0", stream.local_addr().unwrap().port());
        let mut connection = Connection::over(stream);
        let mut association = Association::default();
        let mut responder = Responder::new(HostIdentity::TEST, self.policy.clone());
        let mut calls = Vec::new();
        while let Some(bytes) = connection.receive() {
            let Pdu { header, body, .. } = Pdu::parse(&bytes).unwrap();
            let call_id = header.call_id;
            match body {
                Body::Bind(bind) => {
                    let results = self.judge(&bind);
                    let ack = BindAck {
                        max_xmit_frag: bind.max_recv_frag,
                        max_recv_frag: bind.max_xmit_frag,
                        assoc_group_id: 1,
                        secondary_address: secondary_address.as_bytes(),
                        padding: &[0; 3][..(26 + secondary_address.len()).wrapping_neg() % 4],
                        n_results: bind.n_context_elem,
                        reserved: [0; 3],
                        results,
                    };
                    association.bind(call_id, &bind);
                    association.answer(call_id, &ack);
                    connection.send(Header::new(PduType::BIND_ACK, call_id), Body::BindAck(ack));
                }
                Body::Request(request) => {
                    assert!(header.flags.has(PfcFlags::FIRST | PfcFlags::LAST), "a call of one fragment");
                    assert_eq!(request.opnum, 0);
                    let ndr = match association.context(request.context_id).map(|context| context.outcome) {
                        Some(Outcome::Accepted(TransferSyntax::Ndr32)) => Ndr::Ndr32,
                        Some(Outcome::Accepted(TransferSyntax::Ndr64)) => Ndr::Ndr64,
                        other => panic!("a call in context {}: {other:?}", request.context_id),
                    };
                    let moment = Moment { now: FileTime(now().0 + self.clock_ahead), random: [0x5a; 32] };
                    let mut answer = Vec::new();
                    let reply =
                        responder.respond(request.stub, ndr, header.drep.endianness(), &moment, &mut answer);
                    if self.spoils {
                        answer = spoiled(&answer, ndr);
                    }
                    let response = Response {
                        alloc_hint: u32::try_from(answer.len()).unwrap(),
                        context_id: request.context_id,
                        cancel_count: 0,
                        reserved: 0,
                        stub: &answer,
                    };
                    connection.send(Header::new(PduType::RESPONSE, call_id), Body::Response(response));
                    calls.push(Call { ndr, request: request.stub.to_vec(), reply, answer });
                }
                other => panic!("a host is not sent {other:?}"),
            }
        }
        calls
    }

    /// What a genuine host makes of the contexts that a client proposes.
    fn judge(&self, bind: &Bind) -> Vec<ResultElement> {
        let is_proposed =
            |syntax| bind.contexts.iter().any(|context| context.transfer_syntaxes.contains(&syntax));
        let taken =
            if self.takes_ndr64 && is_proposed(SyntaxId::NDR64) { SyntaxId::NDR64 } else { SyntaxId::NDR32 };
        let judged = |context: &PresentationContext| {
            assert_eq!(context.abstract_syntax, SyntaxId::KMS, "nothing else is asked for here");
            let (result, reason, transfer_syntax) =
                match context.transfer_syntaxes.first().map(|syntax| syntax.transfer()) {
                    Some(TransferSyntax::BindTimeFeatures(bits)) => (3, bits & 3, SyntaxId::default()),
                    _ if context.transfer_syntaxes.contains(&taken) => (0, 0, taken),
                    _ => (2, 2, SyntaxId::default()),
                };
            ResultElement { result, reason, transfer_syntax }
        };
        bind.contexts.iter().map(judged).collect()
    }
}

/// The same answer, but for a bit of its MAC (v4), Hash (v5) or HMAC (v6).
fn spoiled(answer: &[u8], ndr: Ndr) -> Vec<u8> {
    let stub = ResponseStub::parse(answer, ndr, Endianness::Little).unwrap();
    let mut message = ResponseMessage::decode(stub.data);
    match &mut message {
        ResponseMessage::V4(v4) => v4.mac[15] ^= 1,
        ResponseMessage::Encrypted(encrypted) => match &mut encrypted.v6 {
            Some(v6) => v6.hmac[15] ^= 1,
            None => encrypted.hash[31] ^= 1,
        },
        ResponseMessage::Other { .. } => panic!("{message:?}"),
    }
    ResponseStub::of(&message.encode(), ndr).encode(Endianness::Little)
}

/// Connects once more when the client is done, with whatever end: a host to which nobody came would wait forever.
struct Wake(SocketAddr);

impl Drop for Wake {
    fn drop(&mut self) {
        // Refused where the host has had its connection.
        drop(TcpStream::connect_timeout(&self.0, PATIENCE));
    }
}

/// A client of ours.
struct Client {
    connection: Connection,
    association: Association,
    call_id: u32,
}

/// What became of a call.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Stub(Vec<u8>),
    Fault(u32),
    HungUp,
}

impl Client {
    /// The context of bind-time feature negotiation: nothing can be called in it.
    const FEATURES: u16 = 2;

    /// Connects, and proposes what genuine clients propose.
    fn bind(address: SocketAddr) -> Self {
        let mut connection = Connection::over(TcpStream::connect_timeout(&address, PATIENCE).unwrap());
        let mut association = Association::default();
        let contexts = vec![
            proposed(0, SyntaxId::NDR32),
            proposed(1, SyntaxId::NDR64),
            proposed(Self::FEATURES, SyntaxId::bind_time_features(3)),
        ];
        let bind = Bind {
            max_xmit_frag: 5840,
            max_recv_frag: 5840,
            assoc_group_id: 0,
            n_context_elem: 3,
            reserved: [0; 3],
            contexts,
        };
        let call_id = 2;
        association.bind(call_id, &bind);
        let flags = PfcFlags::FIRST | PfcFlags::LAST | PfcFlags::CONC_MPX;
        connection.send(Header { flags, ..Header::new(PduType::BIND, call_id) }, Body::Bind(bind));
        let bytes = connection.receive().expect("a bind is answered");
        let Pdu { header, body: Body::BindAck(ack), .. } = Pdu::parse(&bytes).unwrap() else {
            panic!("a bind is answered with a bind_ack: {bytes:02x?}");
        };
        assert_eq!(header.call_id, call_id);
        assert_eq!(ack.secondary_address_text(), address.port().to_string());
        association.answer(call_id, &ack);
        Self { connection, association, call_id }
    }

    /// The context that was accepted for a syntax.
    fn context(&self, ndr: Ndr) -> u16 {
        let syntax = match ndr {
            Ndr::Ndr32 => TransferSyntax::Ndr32,
            Ndr::Ndr64 => TransferSyntax::Ndr64,
        };
        let contexts = self.association.contexts();
        let accepted = contexts.iter().find(|context| context.outcome == Outcome::Accepted(syntax));
        accepted.unwrap_or_else(|| panic!("no context for {ndr}: {contexts:?}")).id
    }

    fn request(&mut self, request: &RequestMessage, ndr: Ndr) -> Answer {
        let stub = RequestStub::of(&request.encode(), ndr).encode(Endianness::Little);
        self.call(self.context(ndr), 0, &stub)
    }

    fn call(&mut self, context_id: u16, opnum: u16, stub: &[u8]) -> Answer {
        self.call_id += 1;
        let alloc_hint = u32::try_from(stub.len()).unwrap();
        let request = Request { alloc_hint, context_id, opnum, object: None, stub };
        self.connection.send(Header::new(PduType::REQUEST, self.call_id), Body::Request(request));
        let Some(bytes) = self.connection.receive() else { return Answer::HungUp };
        let Pdu { header, body, .. } = Pdu::parse(&bytes).unwrap();
        assert_eq!(header.call_id, self.call_id);
        assert!(header.flags.has(PfcFlags::FIRST | PfcFlags::LAST), "an answer of one fragment");
        match body {
            Body::Response(response) => {
                assert_eq!(response.context_id, context_id);
                Answer::Stub(response.stub.to_vec())
            }
            Body::Fault(fault) => Answer::Fault(fault.status),
            other => panic!("a call is not answered with {other:?}"),
        }
    }
}

fn proposed(id: u16, syntax: SyntaxId) -> PresentationContext {
    PresentationContext { id, reserved: 0, abstract_syntax: SyntaxId::KMS, transfer_syntaxes: vec![syntax] }
}

/// A socket with PDUs in both directions.
struct Connection {
    stream: TcpStream,
    framer: Framer<()>,
    received: VecDeque<Vec<u8>>,
}

impl Connection {
    fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, framer: Framer::default(), received: VecDeque::new() }
    }

    fn send(&mut self, header: Header, body: Body<'_>) {
        let pdu = Pdu { header, body, rest: &[], auth: None };
        self.stream.write_all(&pdu.encode_sized().unwrap()).unwrap();
    }

    /// The next PDU; `None` where the other side has closed the connection behind the last one.
    fn receive(&mut self) -> Option<Vec<u8>> {
        let mut piece = [0; 4096];
        while self.received.is_empty() {
            let length = self.stream.read(&mut piece).unwrap();
            let mut take = |framed: Framed<'_, ()>| match framed {
                Framed::Pdu { bytes, .. } => self.received.push_back(bytes.to_vec()),
                other => panic!("a peer sends whole PDUs and nothing else: {other:?}"),
            };
            if length == 0 {
                self.framer.finish(&mut take);
                break;
            }
            self.framer.push(self.framer.end(), &piece[..length], (), &mut take);
        }
        self.received.pop_front()
    }
}

/// A vlmcsd that runs until this is dropped.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let mut failures = Vec::new();
        // Between its being found free and vlmcsd's taking it, a port can go to somebody else.
        while failures.len() < 5 {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let address = free.local_addr().unwrap();
            drop(free);
            let process = Command::new("vlmcsd")
                .args(["--listen", &address.to_string()])
                .args(arguments)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut server = Self { process, address };
            match server.wait_for_it() {
                Ok(()) => return server,
                Err(failure) => failures.push(failure),
            }
        }
        panic!("vlmcsd {arguments:?} does not start: {failures:#?}");
    }

    /// Waits until connections are taken; what vlmcsd says where it ends instead.
    fn wait_for_it(&mut self) -> Result<(), String> {
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            if let Some(status) = self.process.try_wait().unwrap() {
                let mut said = String::new();
                self.process.stderr.take().unwrap().read_to_string(&mut said).unwrap();
                return Err(format!("{status}: {said}"));
            }
            // A connection to a port that nobody listens on can be given that very port, and meet itself.
            if let Ok(stream) = TcpStream::connect_timeout(&self.address, PATIENCE)
                && stream.local_addr().unwrap() != self.address
            {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(2)); // leaves vlmcsd a core to start on
        }
        panic!("vlmcsd takes no connection on {} after {PATIENCE:?}", self.address);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails where it has ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
