//! The same work done by this crate and by a peer from the registry, in one run:
//! `cargo +nightly run --release --locked --manifest-path benches/peers/Cargo.toml`
//!
//! Before anything is measured, both must make the same request and the same response, byte for byte, and accept it.

#[expect(dead_code, reason = "nothing is measured alone here")]
#[path = "../../hot_path/table.rs"]
mod table;

use std::hint::black_box;

use vlmcsd_protocol::{ActivationRequest, HostConfig, PreparedHost, respond_into};
use volact::kms::{
    Check, HostIdentity, Moment, Ndr, Policy, Reply, RequestBody, RequestMessage, RequestStub, Responder,
    ResponseStub, Verifier, Version,
};
use volact::wire::{Endianness, FileTime, Guid, utf16};

const VERSIONS: [(Version, vlmcsd_protocol::Version); 3] = [
    (Version::V4, vlmcsd_protocol::Version::V4),
    (Version::V5, vlmcsd_protocol::Version::V5),
    (Version::V6, vlmcsd_protocol::Version::V6),
];
const LE: Endianness = Endianness::Little;
const MACHINE: &str = "bench.example";
const IV: [u8; 16] = [0x24; 16];
const SALT: [u8; 16] = [0x42; 16];
const R: [u8; 16] = [0x33; 16];

fn main() {
    println!(
        "volact beside vlmcsd-protocol 0.1.0, from message to message; volact's respond takes and writes the"
    );
    println!("NDR64 stub around it as well");
    println!("{:<4} {:<20} {:>9} {:>9} {:>14}", "", "", "ns", "theirs ns", "times as fast");
    for (version, theirs) in VERSIONS {
        let exchange = Exchange::new(version, theirs);
        exchange.check();
        for (step, mut ours, mut theirs) in exchange.steps() {
            let times = table::side_by_side(&mut ours, &mut theirs);
            println!(
                "{version:<4} {step:<20} {:>9.1} {:>9.1} {:>14.2}",
                times.ours,
                times.theirs,
                1.0 / times.ratio
            );
        }
    }
}

/// One exchange, as either crate has it.
struct Exchange {
    version: Version,
    body: RequestBody,
    asked: RequestMessage,
    request: Vec<u8>,
    /// The request's stub.
    stub: Vec<u8>,
    response: Vec<u8>,
    moment: Moment,
    their_request: ActivationRequest,
    /// They encrypt a request's IV with the rest of it, so that theirs is ours, decrypted.
    their_salt: [u8; 16],
    their_host: HostConfig,
}

type Step = (&'static str, Box<dyn FnMut()>, Box<dyn FnMut()>);

impl Exchange {
    fn new(version: Version, their_version: vlmcsd_protocol::Version) -> Self {
        let body = body(version);
        let asked = RequestMessage::new(body.clone(), IV);
        let request = asked.encode();
        let stub = RequestStub::of(&request, Ndr::Ndr64).encode(LE);
        let moment = Moment {
            now: body.client_time,
            random: std::array::from_fn(|i| if i < 16 { SALT[i] } else { R[i - 16] }),
        };
        let mut answer = Vec::new();
        let reply = responder().respond(&stub, Ndr::Ndr64, LE, &moment, &mut answer);
        assert_eq!(reply, Reply::Answered);
        let response = ResponseStub::parse(&answer, Ndr::Ndr64, LE).expect("it was made whole").data.to_vec();

        let their_request = ActivationRequest {
            version: their_version,
            virtual_machine: body.vm_info != 0,
            license_status: body.license_status,
            binding_expiration: body.binding_expiration,
            application_id: body.app_id.to_wire(),
            activation_id: body.act_id.to_wire(),
            kms_id: body.kms_id.to_wire(),
            cmid: body.cmid.to_wire(),
            required_count: body.n_policy,
            time: body.client_time.0,
            previous_cmid: body.cmid_prev.to_wire(),
            workstation: MACHINE.into(),
        };
        let their_salt = match &asked {
            RequestMessage::Encrypted(asked) => asked.decrypted_iv(),
            _ => [0; 16],
        };
        let policy = Policy::default();
        let their_host = HostConfig {
            epid: utf16::until_nul(HostIdentity::TEST.epid()),
            hardware_id: HostIdentity::TEST.hwid(),
            client_count: policy.count,
            activation_interval: policy.activation_interval,
            renewal_interval: policy.renewal_interval,
        };
        Self { version, body, asked, request, stub, response, moment, their_request, their_salt, their_host }
    }

    /// That the work is the same.
    fn check(&self) {
        let version = self.version;
        let their_request = self.their_request.encode(self.their_salt).expect("it is well formed");
        assert_eq!(their_request.as_bytes(), self.request, "{version}: requests");
        let (host, mut their_response) = (self.their_host(), Vec::new());
        respond_into(&self.request, &host, &mut their_response, SALT, R).expect("they answer it");
        assert_eq!(their_response, self.response, "{version}: responses");
        for response in [&self.response, &their_response] {
            let (_, checks) = Verifier::default().open(response, Some(&self.asked));
            let checks = checks.expect("it opens").by_name();
            let holds = |check| matches!(check, Check::Pass | Check::NotApplicable);
            assert!(checks.into_iter().all(|(_, check)| holds(check)), "{version}: {checks:?}");
            let accepted = their_request.verify_response(response).expect("they accept it");
            assert_eq!(accepted.epid, self.their_host.epid, "{version}: ePIDs");
        }
    }

    fn their_host(&self) -> PreparedHost {
        PreparedHost::new(&self.their_host).expect("it is well formed")
    }

    fn steps(self) -> [Step; 3] {
        let their_encoded = self.their_request.encode(self.their_salt).expect("it is well formed");

        let (mut host, mut out) = (responder(), Vec::with_capacity(Responder::STUB_LEN));
        let (their_host, mut their_out) = (self.their_host(), Vec::with_capacity(Responder::STUB_LEN));
        let (stub, moment, request) = (self.stub, self.moment, self.request.clone());
        let respond: Step = (
            "respond",
            Box::new(move || {
                out.clear();
                let reply = host.respond(black_box(&stub), Ndr::Ndr64, LE, black_box(&moment), &mut out);
                black_box((&reply, &out));
            }),
            Box::new(move || {
                their_out.clear();
                let (salt, r) = black_box((SALT, R));
                let reply =
                    respond_into(black_box(&request), black_box(&their_host), &mut their_out, salt, r);
                black_box((&reply, &their_out));
            }),
        );

        let (body, mut out) = (self.body, Vec::with_capacity(self.request.len()));
        let (their_request, their_salt) = (self.their_request, self.their_salt);
        let build: Step = (
            "build a request",
            Box::new(move || {
                out.clear();
                RequestMessage::new(black_box(&body).clone(), black_box(IV)).encode_to(&mut out);
                black_box(&out);
            }),
            Box::new(move || {
                drop(black_box(black_box(&their_request).encode(black_box(their_salt))));
            }),
        );

        let (mut verifier, asked) = (Verifier::default(), self.asked);
        let (response, their_response) = (self.response.clone(), self.response);
        let verify: Step = (
            "verify a response",
            Box::new(move || {
                black_box(verifier.open(black_box(&response), Some(black_box(&asked))));
            }),
            Box::new(move || {
                drop(black_box(black_box(&their_encoded).verify_response(black_box(&their_response))));
            }),
        );
        [respond, build, verify]
    }
}

fn responder() -> Responder {
    Responder::new(HostIdentity::TEST, Policy::default())
}

fn body(version: Version) -> RequestBody {
    let mut machine_name = [0; 128];
    let name = utf16::encode(MACHINE);
    machine_name[..name.len()].copy_from_slice(&name);
    RequestBody {
        version,
        vm_info: 0,
        license_status: 2,
        binding_expiration: 43_200,
        app_id: Guid::from_u128(0x55c9_2734_d682_4d71_983e_d6ec_3f16_059f),
        act_id: Guid::from_u128(0x8de8_eb62_bbe0_40ac_ac17_f755_9507_1ea3),
        kms_id: Guid::from_u128(0x8449_b1fb_f0ea_497a_99ab_66ca_96e9_a0f5),
        cmid: Guid::from_u128(0x9f2b_91e5_54a5_44a0_b30f_6807_721e_865c),
        n_policy: 5,
        client_time: FileTime(134_397_673_530_000_000),
        cmid_prev: Guid::NIL,
        machine_name,
    }
}
