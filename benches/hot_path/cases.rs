//! What is measured: each step of each version, and beside it its floor.

use std::hint::black_box;

use volact::kms::{
    HostIdentity, Moment, Ndr, Policy, Reply, RequestBody, RequestChecks, RequestMessage, RequestStub,
    Responder, ResponseStub, Verifier, Version,
};
use volact::wire::{Endianness, FileTime, Guid};

use super::floor::Floor;

/// A step, ready to run again and again.
pub(crate) struct Case {
    pub(crate) version: Version,
    pub(crate) step: &'static str,
    /// Bytes of messages that a run reads and writes.
    pub(crate) bytes: usize,
    /// Exchanges that a run is about.
    pub(crate) exchanges: usize,
    pub(crate) ours: Box<dyn FnMut()>,
    /// The floor, and what its time is multiplied by.
    pub(crate) floor: Option<(Box<dyn FnMut()>, f64)>,
}

pub(crate) const VERSIONS: [Version; 3] = [Version::V4, Version::V5, Version::V6];
pub(crate) const LE: Endianness = Endianness::Little;
pub(crate) const MOMENT: Moment = Moment { now: FileTime(134_397_673_530_000_000), random: [0x42; 32] };

/// A request as a genuine client makes it.
pub(crate) fn request(version: Version) -> RequestMessage {
    let body = RequestBody {
        version,
        vm_info: 0,
        license_status: 2,
        binding_expiration: 43_200,
        app_id: Guid::from_u128(0x55c9_2734_d682_4d71_983e_d6ec_3f16_059f),
        act_id: Guid::from_u128(0x8de8_eb62_bbe0_40ac_ac17_f755_9507_1ea3),
        kms_id: Guid::from_u128(0x8449_b1fb_f0ea_497a_99ab_66ca_96e9_a0f5),
        cmid: Guid::from_u128(0x9f2b_91e5_54a5_44a0_b30f_6807_721e_865c),
        n_policy: 5,
        client_time: MOMENT.now,
        cmid_prev: Guid::NIL,
        machine_name: RequestBody::machine_name_of("bench.example").expect("it is short"),
    };
    RequestMessage::new(body, [0x24; 16])
}

pub(crate) fn responder() -> Responder {
    Responder::new(HostIdentity::TEST, Policy::default())
}

/// A request's and its response's message.
pub(crate) fn exchange(version: Version) -> (Vec<u8>, Vec<u8>) {
    let request = request(version).encode();
    let mut response = Vec::new();
    let stub = RequestStub::of(&request, Ndr::Ndr64).encode(LE);
    assert_eq!(responder().respond(&stub, Ndr::Ndr64, LE, &MOMENT, &mut response), Reply::Answered);
    let response = ResponseStub::parse(&response, Ndr::Ndr64, LE).expect("it was made whole").data.to_vec();
    (request, response)
}

/// All cases, in the order in which they are shown.
pub(crate) fn all() -> Vec<Case> {
    VERSIONS.into_iter().flat_map(of).collect()
}

fn of(version: Version) -> Vec<Case> {
    let (request_bytes, response_bytes) = exchange(version);
    let asked = RequestMessage::decode(&request_bytes);
    let case = |step, bytes, ours, floor: Option<Box<dyn FnMut()>>| {
        // Version 4 has eleven rounds to AES-128's ten.
        let factor = if version == Version::V4 { 1.1 } else { 1.0 };
        Case { version, step, bytes, exchanges: 1, ours, floor: floor.map(|floor| (floor, factor)) }
    };
    let mut cases = Vec::new();

    let plain: [u8; RequestBody::LEN] = asked.body().expect("it was made with a body").encode();
    cases.push(case(
        "parse a body",
        plain.len(),
        Box::new(move || drop(black_box(RequestBody::parse(black_box(&plain))))),
        None,
    ));

    let bytes = request_bytes.clone();
    cases.push(case(
        "decrypt a request",
        bytes.len(),
        Box::new(move || drop(black_box(RequestMessage::decode(black_box(&bytes))))),
        (version != Version::V4).then(|| {
            let (floor, mut blocks) = (Floor::new(), [[0x11; 16].into(); 15]);
            Box::new(move || floor.decrypt(black_box(&mut blocks))) as _
        }),
    ));

    let (mut host, stub) = (responder(), RequestStub::of(&request_bytes, Ndr::Ndr64).encode(LE));
    let mut out = Vec::with_capacity(Responder::STUB_LEN);
    let length = request_bytes.len() + response_bytes.len();
    cases.push(case(
        "respond",
        length,
        Box::new(move || {
            out.clear();
            let reply = host.respond(black_box(&stub), Ndr::Ndr64, LE, black_box(&MOMENT), &mut out);
            black_box((&reply, &out));
        }),
        Some(respond_floor(version)),
    ));

    let (made, mut out) = (request(version), Vec::with_capacity(request_bytes.len()));
    cases.push(case(
        "build a request",
        request_bytes.len(),
        Box::new(move || {
            out.clear();
            // A version 4 request gets its MAC when it is made.
            let body = black_box(&made).body().expect("it was made with a body").clone();
            RequestMessage::new(body, black_box([0x24; 16])).encode_to(&mut out);
            black_box(&out);
        }),
        Some({
            let (floor, mut blocks) = (Floor::new(), [[0x11; 16].into(); 15]);
            Box::new(move || floor.encrypt(black_box(&mut blocks)))
        }),
    ));

    let (mut verifier, bytes) = (Verifier::default(), response_bytes.clone());
    cases.push(case(
        "verify a response",
        bytes.len(),
        Box::new(move || {
            black_box(verifier.open(black_box(&bytes), Some(black_box(&asked))));
        }),
        Some(verify_floor(version)),
    ));

    let mut verifier = Verifier::default();
    cases.push(case(
        "verify an exchange",
        length,
        Box::new(move || {
            let (request, checks) = RequestChecks::open(black_box(&request_bytes));
            black_box((checks, verifier.open(black_box(&response_bytes), Some(&request))));
        }),
        None,
    ));

    let mut verifier = Verifier::default();
    let (request_bytes, response_bytes) = exchange(version);
    let mut out = Vec::with_capacity(BATCH);
    cases.push(Case {
        exchanges: BATCH,
        ..case(
            "verify a batch",
            BATCH * length,
            Box::new(move || {
                out.clear();
                let batch = [(&request_bytes[..], &response_bytes[..]); BATCH];
                verifier.open_batch(black_box(&batch), &mut out);
                black_box(&out);
            }),
            None,
        )
    });
    cases
}

/// Exchanges of a batch.
const BATCH: usize = 64;

/// A response to the test host's ePID: 100 bytes.
fn respond_floor(version: Version) -> Box<dyn FnMut()> {
    let floor = Floor::new();
    let mut request = [[0x11; 16].into(); 16];
    match version {
        Version::V4 => Box::new(move || floor.encrypt(black_box(&mut request))),
        Version::V5 => {
            let mut response = [[0x22; 16].into(); 13];
            Box::new(move || {
                floor.decrypt(black_box(&mut request));
                black_box(floor.hash(black_box(&[0x42; 16])));
                floor.encrypt(black_box(&mut response));
            })
        }
        _ => {
            let mut response = [[0x22; 16].into(); 16];
            Box::new(move || {
                floor.decrypt(black_box(&mut request));
                black_box(floor.hash(black_box(&[0x42; 16])));
                black_box(floor.hmac(black_box(&[0x33; 232])));
                floor.encrypt(black_box(&mut response));
            })
        }
    }
}

fn verify_floor(version: Version) -> Box<dyn FnMut()> {
    let floor = Floor::new();
    let mut iv = [[0x24; 16].into()];
    match version {
        Version::V4 => {
            let mut response = [[0x22; 16].into(); 10];
            Box::new(move || floor.encrypt(black_box(&mut response)))
        }
        Version::V5 => {
            let mut response = [[0x22; 16].into(); 13];
            Box::new(move || {
                floor.decrypt(black_box(&mut iv));
                floor.decrypt(black_box(&mut response));
                black_box(floor.hash(black_box(&[0x42; 16])));
            })
        }
        _ => {
            let mut response = [[0x22; 16].into(); 16];
            Box::new(move || {
                floor.decrypt(black_box(&mut iv));
                floor.decrypt(black_box(&mut response));
                black_box(floor.hash(black_box(&[0x42; 16])));
                black_box(floor.hmac(black_box(&[0x33; 232])));
            })
        }
    }
}
