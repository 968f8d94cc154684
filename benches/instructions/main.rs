//! Steps of the hot path for benches/instructions/gate to count: `instructions STEP VERSION RUNS` runs a step once to
//! warm up and then so many times. Without these three arguments every step runs once.

#[expect(dead_code, reason = "only what a request and a response are made with is used here")]
#[path = "../hot_path/cases.rs"]
mod cases;
#[path = "../hot_path/floor.rs"]
mod floor;

use std::hint::black_box;

use volact::kms::{Ndr, Reply, RequestMessage, RequestStub, Responder, Verifier, Version};

use cases::{LE, MOMENT};

const STEPS: [&str; 4] = ["respond", "verify", "decrypt", "build"];
const VERSIONS: [(&str, Version); 3] = [("4", Version::V4), ("5", Version::V5), ("6", Version::V6)];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [step, version, runs] = arguments.as_slice() {
        let (_, version) =
            VERSIONS.into_iter().find(|(name, _)| name == version).expect("the version is 4, 5 or 6");
        run(step, version, runs.parse().expect("the runs are a number"));
        return;
    }
    for step in STEPS {
        for (_, version) in VERSIONS {
            run(step, version, 0);
        }
    }
}

fn run(step: &str, version: Version, runs: u32) {
    let mut work = work(step, version);
    // What happens once only, such as the detection of what the processor can, is none of a run's instructions.
    work();
    for _ in 0..runs {
        work();
    }
}

fn work(step: &str, version: Version) -> Box<dyn FnMut()> {
    let (request, response) = cases::exchange(version);
    match step {
        "respond" => {
            let stub = RequestStub::of(&request, Ndr::Ndr64).encode(LE);
            let (mut host, mut out) = (cases::responder(), Vec::with_capacity(Responder::STUB_LEN));
            Box::new(move || {
                out.clear();
                let reply = host.respond(black_box(&stub), Ndr::Ndr64, LE, black_box(&MOMENT), &mut out);
                assert_eq!(reply, Reply::Answered);
                black_box(&out);
            })
        }
        "verify" => {
            let (mut verifier, asked) = (Verifier::default(), RequestMessage::decode(&request));
            Box::new(move || {
                black_box(verifier.open(black_box(&response), Some(black_box(&asked))));
            })
        }
        "decrypt" => Box::new(move || drop(black_box(RequestMessage::decode(black_box(&request))))),
        "build" => {
            let made = cases::request(version);
            let mut out = Vec::with_capacity(request.len());
            Box::new(move || {
                out.clear();
                let body = black_box(&made).body().expect("it was made with a body").clone();
                RequestMessage::new(body, black_box([0x24; 16])).encode_to(&mut out);
                black_box(&out);
            })
        }
        _ => panic!("no step {step:?}: they are {STEPS:?}"),
    }
}
