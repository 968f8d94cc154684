//! The hot path takes nothing from the heap: counted by an allocator that counts.

mod support;

use std::hint::black_box;

use allocation_counter::measure;
use volact::kms::{
    Check, HostIdentity, Moment, Policy, RequestBody, RequestChecks, RequestMessage, RequestStub, Responder,
    ResponseMessage, ResponseStub, Verifier, Version,
};
use volact::trace::{Answer, Summary};
use volact::vmbus::{ChannelClass, Direction, Packet, PipeMode, Record, RecordKind, pipe};
use volact::wire::{Endianness, FileTime, Guid};

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

/// The head of a capture of this link type, in microseconds.
fn pcap_of(link: u8) -> Vec<u8> {
    vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, link, 0, 0, 0]
}

/// Adds a packet at this second.
fn add(pcap: &mut Vec<u8>, second: u32, packet: &[u8]) {
    let captured = u32::try_from(packet.len()).unwrap().to_le_bytes();
    pcap.extend([second.to_le_bytes(), [0; 4], captured, captured].concat());
    pcap.extend(packet);
}

/// Connections of which each sends these bytes and never what would end them, in a raw IPv4 capture.
fn unfinished(connections: u16, server: u16, beginning: &[u8]) -> Vec<u8> {
    let mut pcap = pcap_of(101);
    let mut packet = |port: u16, sequence: u32, flags: u8, payload: &[u8]| {
        let length = u16::try_from(40 + payload.len()).unwrap();
        let mut ip = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        ip[2..4].copy_from_slice(&length.to_be_bytes());
        ip.extend([port.to_be_bytes(), server.to_be_bytes()].concat());
        ip.extend([sequence.to_be_bytes(), [0; 4]].concat());
        ip.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        ip.extend(payload);
        add(&mut pcap, 0, &ip);
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

/// Reads a hostile capture, and holds what is taken from the heap at once within the bound.
fn assert_bounded(pcap: &[u8], is_read: impl Fn(&Summary)) {
    struct Nobody;
    impl volact::trace::Observer for Nobody {}
    let held = pcap.len() as u64;
    let used = measure(|| {
        let options = volact::trace::Options::default();
        is_read(&volact::trace::trace("hostile", pcap, &options, &mut Nobody));
    });
    assert!(held > 90_000_000, "{held} bytes are too few to tell anything");
    assert!(used.bytes_max < 120_000_000, "{} bytes of {held}", used.bytes_max);
}

#[test]
fn connections_that_never_end_what_they_begin_are_held_within_the_bounds() {
    // A TLS record of 16 KiB, of which the last bytes do not come; an HTTP request with most of its body; a message of
    // LDAP that announces 20 MB.
    let record = [&[0x16, 3, 1, 0x40, 0, 1][..], &[0; 15_000]].concat();
    let head = "POST /BatchActivation/BatchActivation.asmx HTTP/1.1\r\nContent-Type: text/xml\r\nContent-Length: 4000000\r\n\r\n";
    let request = [head.as_bytes(), &vec![b'<'; 100_000]].concat();
    let entry =
        [&[0x30, 0x84, 1, 0x31, 0x2d, 0, 2, 1, 2, 0x63, 0x84, 1, 0x31, 0x2c, 0][..], &[4; 100_000]].concat();
    for (connections, server, beginning) in [
        (8000, 443, record.clone()),
        (32_000, 443, record[..3800].to_vec()),
        (1000, 443, request),
        (1000, 389, entry.clone()),
        (16_000, 389, entry[..6500].to_vec()),
    ] {
        let pcap = unfinished(connections, server, &beginning);
        assert_bounded(&pcap, |summary| assert!(summary.segments > u64::from(connections)));
    }
}

#[test]
fn questions_of_dns_that_nobody_answers_are_held_within_the_bounds() {
    // Each asks for a service of its own, with a long name and as much behind it as a datagram takes. All within a second.
    let mut pcap = pcap_of(101);
    for number in 0..70_000_u32 {
        let mut name = b"\x06_vlmcs\x04_tcp".to_vec();
        for _ in 0..3 {
            name.push(60);
            name.extend(format!("{number:060}").bytes());
        }
        name.extend([0, 0, 33, 0, 1]);
        let padding =
            [&[0, 0, 41, 16, 0, 0, 0, 0, 0, 0x04, 0x80, 0, 12, 0x04, 0x7c][..], &[9; 0x47c]].concat();
        let head = [&number.to_be_bytes()[2..], &[1, 0, 0, 1, 0, 0, 0, 0, 0, 1]].concat();
        let dns = [head, name, padding].concat();
        let length = u16::try_from(28 + dns.len()).unwrap();
        let [_, a, b, c] = number.to_be_bytes();
        let mut ip = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 10, a, b, c, 10, 255, 0, 2];
        ip[2..4].copy_from_slice(&length.to_be_bytes());
        ip.extend(
            [5000_u16.to_be_bytes(), 53_u16.to_be_bytes(), (length - 20).to_be_bytes(), [0; 2]].concat(),
        );
        ip.extend(&dns);
        add(&mut pcap, 1, &ip);
    }
    assert_bounded(&pcap, |summary| assert_eq!(summary.dns_messages, 70_000));
}

#[test]
fn channels_of_vmbus_with_half_of_a_message_are_held_within_the_bounds() {
    // In byte mode, many channels in turns, each with a message that never ends; and channels without end.
    let data = vec![7; pipe::MAX_DATA];
    let part = Packet::in_band(1, &pipe::Packet::data(&data).encode()).encode();
    for (rounds, channels, bytes) in [(4, 1600_u32, &part[..]), (1, 900_000, &part[..40])] {
        let mut pcap = pcap_of(147);
        for _ in 0..rounds {
            for channel_id in 1..=channels {
                let record = Record {
                    direction: Direction::GuestToHost,
                    kind: RecordKind::RingPacket,
                    pipe_type: PipeMode::Byte.pipe_type(),
                    channel_id,
                    ring_offset: Record::NO_OFFSET,
                    class_id: ChannelClass::Avma.class_id().unwrap(),
                    instance_id: Guid::NIL,
                    bytes,
                };
                add(&mut pcap, 1, &record.encode());
            }
        }
        let packets = u64::from(rounds * channels);
        assert_bounded(&pcap, |summary| assert_eq!(summary.vmbus_packets, packets));
    }
}
