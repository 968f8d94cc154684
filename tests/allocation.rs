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

/// Connections of which each sends these bytes and never what would end them, in a raw IPv4 capture.
fn unfinished(connections: u16, beginning: &[u8]) -> Vec<u8> {
    let mut pcap = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 101, 0, 0, 0];
    let mut packet = |port: u16, sequence: u32, flags: u8, payload: &[u8]| {
        let length = u16::try_from(40 + payload.len()).unwrap();
        let mut ip = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        ip[2..4].copy_from_slice(&length.to_be_bytes());
        ip.extend([port.to_be_bytes(), 443_u16.to_be_bytes()].concat());
        ip.extend([sequence.to_be_bytes(), [0; 4]].concat());
        ip.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        ip.extend(payload);
        let captured = u32::from(length).to_le_bytes();
        pcap.extend([[0; 4], [0; 4], captured, captured].concat());
        pcap.extend(ip);
    };
    for port in 0..connections {
        packet(2000 + port, 0, 2, b"");
    }
    // All of them side by side.
    for (i, piece) in beginning.chunks(1400).enumerate() {
        for port in 0..connections {
            packet(2000 + port, u32::try_from(1 + 1400 * i).unwrap(), 0x10, piece);
        }
    }
    pcap
}

#[test]
fn connections_that_never_end_what_they_begin_are_held_within_the_bounds() {
    struct Nobody;
    impl volact::trace::Observer for Nobody {}
    // A TLS record of 16 KiB, of which the last bytes do not come; an HTTP request with most of its body.
    let record = [&[0x16, 3, 1, 0x40, 0, 1][..], &[0; 15_000]].concat();
    let head = "POST /BatchActivation/BatchActivation.asmx HTTP/1.1\r\nContent-Type: text/xml\r\nContent-Length: 4000000\r\n\r\n";
    let request = [head.as_bytes(), &vec![b'<'; 100_000]].concat();
    for (connections, beginning) in
        [(8000, record.clone()), (32_000, record[..3800].to_vec()), (1000, request)]
    {
        let pcap = unfinished(connections, &beginning);
        let held = pcap.len() as u64;
        let used = allocation_counter::measure(|| {
            let summary =
                volact::trace::trace("hostile", &pcap[..], &volact::trace::Options::default(), &mut Nobody);
            assert!(summary.segments > u64::from(connections));
        });
        assert!(held > 90_000_000, "{held} bytes are too few to tell anything");
        assert!(used.bytes_max < 120_000_000, "{} bytes of {held}", used.bytes_max);
    }
}
