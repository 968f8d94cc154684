//! The hot path takes nothing from the heap: counted by an allocator that counts.

mod support;

use std::hint::black_box;

use allocation_counter::measure;
use volact::kms::{
    Check, HostIdentity, Moment, Policy, RequestBody, RequestChecks, RequestMessage, RequestStub, Responder,
    ResponseMessage, ResponseStub, Verifier, Version,
};
use volact::trace::Answer;
use volact::wire::{Endianness, FileTime};

const LE: Endianness = Endianness::Little;

/// How many times `work` took memory.
fn allocations(work: impl FnOnce()) -> u64 {
    measure(work).count_total
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(black_box(vec![1]))), 1);
}

#[test]
fn a_host_answers_every_recorded_request_without_an_allocation() {
    let mut asked = 0;
    let policy = Policy { max_clock_skew: None, ..Policy::default() };
    let mut host = Responder::new(HostIdentity::TEST, policy);
    let mut out = Vec::with_capacity(Responder::STUB_LEN);
    for name in support::names() {
        for exchange in support::decode(&name).exchanges {
            let Some(request) = &exchange.request else { continue };
            let moment = Moment { now: FileTime(0), random: [7; 32] };
            out.clear();
            let count = allocations(|| {
                black_box(host.respond(&request.bytes, exchange.ndr, LE, &moment, &mut out));
            });
            assert_eq!(count, 0, "{name}, stream {} call {}", exchange.stream, exchange.call_id);
            asked += 1;
        }
    }
    assert!(asked > 500, "{asked}");
}

#[test]
fn what_is_as_long_as_it_may_be_is_parsed_and_verified_without_an_allocation() {
    let mut verified = 0;
    let mut verifier = Verifier::default();
    for name in support::names() {
        for exchange in support::decode(&name).exchanges {
            let Some(request) = &exchange.request else { continue };
            let Ok(stub) = RequestStub::parse(&request.bytes, exchange.ndr, LE) else { continue };
            let place = format!("{name}, stream {} call {}", exchange.stream, exchange.call_id);
            if stub.data.len() <= RequestMessage::ENCRYPTED_LEN {
                let count = allocations(|| {
                    drop(black_box(RequestStub::parse(&request.bytes, exchange.ndr, LE)));
                    drop(black_box(RequestMessage::decode(stub.data)));
                    drop(black_box(RequestChecks::open(stub.data)));
                });
                assert_eq!(count, 0, "{place}");
            }
            let Some(Answer::Response(response)) = &exchange.answer else { continue };
            let Ok(answer) = ResponseStub::parse(&response.bytes, exchange.ndr, LE) else { continue };
            let (asked, _) = RequestChecks::open(stub.data);
            let Some(body) = response.message.as_ref().and_then(ResponseMessage::body) else { continue };
            assert!(body.pid_size() <= 128, "{place}");
            let message = ResponseMessage::decode(answer.data);
            let count = allocations(|| {
                drop(black_box(ResponseStub::parse(&response.bytes, exchange.ndr, LE)));
                drop(black_box(ResponseMessage::decode(answer.data)));
                drop(black_box(verifier.open(answer.data, Some(&asked))));
                black_box(verifier.verify(&message, Some(&asked)));
            });
            assert_eq!(count, 0, "{place}");
            verified += 1;
        }
    }
    assert!(verified > 390, "{verified}");
}

#[test]
fn a_request_is_built_into_the_callers_buffer() {
    let decoded = support::decode("vlmcs_vlmcsd_v4_default.pcap");
    let message = decoded.exchanges[0].request.as_ref().unwrap().message.as_ref().unwrap();
    let mut out = Vec::with_capacity(RequestMessage::ENCRYPTED_LEN);
    for version in [Version::V4, Version::V5, Version::V6] {
        let body = RequestBody { version, ..message.body().unwrap().clone() };
        out.clear();
        let count = allocations(|| RequestMessage::new(body, [9; 16]).encode_to(&mut out));
        assert_eq!(count, 0, "{version}");
        let (built, checks) = RequestChecks::open(&out);
        assert_eq!(built.version(), Some(version));
        assert!(checks.unwrap().by_name().iter().all(|(_, check)| *check != Check::Fail));
    }
}
