//! What holds of every capture, wherever it is cut and however it is written back.

mod support;

use std::fs;

use proptest::prelude::*;
use volact::capture::{CaptureReader, Endpoint, Layers};
use volact::kms::{RequestMessage, RequestStub, ResponseChecks, ResponseMessage, ResponseStub};
use volact::rpc::{Framed, Framer, Header, Pdu};
use volact::trace::{Answer, Exchange, NoticeKind, Outcome};
use volact::wire::Endianness;

/// Cuts a capture at every offset and holds each part against the whole one.
fn truncated_everywhere(name: &str) {
    let bytes = fs::read(support::folder().join(name)).unwrap();
    let whole = support::decode_bytes(&bytes);
    let whole_answers: Vec<String> = answers(&whole.exchanges);
    let mut before = 0;
    for length in 0..bytes.len() {
        let part = support::decode_bytes(&bytes[..length]);
        let of = |kind| part.notices.iter().filter(|notice| notice.kind == kind).count();
        // A cut between two records (or blocks) is no damage that a file could show.
        let complaints = of(NoticeKind::TruncatedFile);
        assert!(complaints <= 1, "{name} cut at {length}: {complaints} complaints");
        for kind in [NoticeKind::DamagedFile, NoticeKind::NotACapture] {
            let is_magic_cut = kind == NoticeKind::NotACapture && length < 4;
            assert!(of(kind) == 0 || is_magic_cut, "{name} cut at {length}: {kind:?}");
        }
        assert_eq!(of(NoticeKind::EmptyFile), usize::from(length == 0));

        let count = part.exchanges.len();
        assert!(
            (before..=whole.exchanges.len()).contains(&count),
            "{name} cut at {length}: {count} exchanges"
        );
        before = count;
        let answers = answers(&part.exchanges);
        assert!(whole_answers.starts_with(&answers), "{name} cut at {length}: other exchanges");
        for exchange in part.exchanges.iter().filter(|exchange| exchange.answer.is_none()) {
            let Some(request) = exchange.request.as_ref().filter(|request| request.span.complete) else {
                continue;
            };
            let request = format!("{request:?}");
            let is_in_whole =
                |whole: &Exchange| whole.request.as_ref().is_some_and(|r| format!("{r:?}") == request);
            assert!(whole.exchanges.iter().any(is_in_whole), "{name} cut at {length}: another request");
        }
    }
}

/// The exchanges whose answer is all there, as text; one in fragments that is cut is another than the whole one.
fn answers(exchanges: &[Exchange]) -> Vec<String> {
    let is_whole = |exchange: &&Exchange| exchange.answer_span().is_some_and(|span| span.complete);
    exchanges.iter().filter(is_whole).map(|exchange| format!("{exchange:?}")).collect()
}

#[test]
fn a_pcap_cut_at_any_byte_gives_the_exchanges_in_front_of_the_cut() {
    truncated_everywhere("vlmcs_vlmcsd_v6_default.pcap");
}

#[test]
fn a_big_endian_pcap_cut_at_any_byte_gives_the_exchanges_in_front_of_the_cut() {
    truncated_everywhere("fmt_bigendian.pcap");
}

#[test]
fn a_pcapng_cut_at_any_byte_gives_the_exchanges_in_front_of_the_cut() {
    truncated_everywhere("vlmcs_vlmcsd_v4_pcapng.pcapng");
}

#[test]
fn a_pcapng_of_two_sections_cut_at_any_byte_gives_the_exchanges_in_front_of_the_cut() {
    truncated_everywhere("fmt_ng_two_sections.pcapng");
}

#[test]
fn a_capture_of_ip_fragments_cut_at_any_byte_gives_the_exchanges_in_front_of_the_cut() {
    truncated_everywhere("ip_fragments.pcap");
}

#[test]
fn a_capture_of_rpc_fragments_cut_at_any_byte_gives_the_exchanges_in_front_of_the_cut() {
    truncated_everywhere("impacket_vlmcsd_frag100.pcap");
}

#[test]
fn a_capture_with_a_short_snap_length_cut_at_any_byte_gives_the_exchanges_in_front_of_the_cut() {
    truncated_everywhere("vlmcs_vlmcsd_snaplen96.pcap");
}

#[test]
fn every_pdu_of_every_capture_is_written_back_byte_for_byte() {
    let mut count = 0;
    for name in support::names() {
        for row in support::decode(&name).pdus.iter().filter(|row| row.fields.contains_key("ptype")) {
            let (pdu, error) = Pdu::parse_lax(&row.bytes).unwrap();
            let place = format!("{name}, stream {} {} {}", row.stream, row.direction, row.offset);
            assert_eq!(pdu.encode(), row.bytes, "{place}");
            assert!(error.is_some() || pdu.encode_sized().unwrap() == row.bytes, "{place}: other lengths");
            count += 1;
        }
    }
    assert!(count > 2000, "{count} PDUs");
}

#[test]
fn every_stub_and_message_of_every_capture_is_written_back_byte_for_byte() {
    let (mut requests, mut responses) = (0, 0);
    for name in support::names() {
        for exchange in support::decode(&name).exchanges {
            let place = format!("{name}, stream {} call {}", exchange.stream, exchange.call_id);
            // No client in the captures calls in another byte order.
            let (ndr, endianness) = (exchange.ndr, Endianness::Little);
            if let Some(request) = &exchange.request
                && let Ok(stub) = RequestStub::parse(&request.bytes, ndr, endianness)
            {
                assert_eq!(stub.encode(endianness), request.bytes, "{place}");
                let message = RequestMessage::decode(stub.data);
                assert_eq!(message.encode(), stub.data, "{place}");
                assert!(request.message.as_ref().is_none_or(|theirs| *theirs == message), "{place}");
                requests += 1;
            }
            if let Some(Answer::Response(response)) = &exchange.answer
                && let Ok(stub) = ResponseStub::parse(&response.bytes, ndr, endianness)
            {
                assert_eq!(stub.encode(endianness), response.bytes, "{place}");
                let message = ResponseMessage::decode(stub.data);
                assert_eq!(message.encode(), stub.data, "{place}");
                assert!(response.message.as_ref().is_none_or(|theirs| *theirs == message), "{place}");
                responses += 1;
            }
        }
    }
    assert!(requests > 500 && responses > 400, "{requests} requests, {responses} responses");
}

/// A direction of a connection: its bytes, and where its PDUs begin.
#[derive(Default)]
struct Direction {
    bytes: Vec<u8>,
    begins: Vec<u64>,
}

#[test]
fn a_stream_that_was_begun_anywhere_is_synchronised_at_a_pdu_and_nowhere_else() {
    let mut starts = 0u64;
    for name in support::names() {
        // The hand-made cases hold bytes that are no PDU on purpose.
        if name.starts_with("raw_edge") {
            continue;
        }
        let decoded = support::decode(&name);
        if decoded.has_gaps {
            continue;
        }
        let mut directions = std::collections::BTreeMap::<(u64, &str), Direction>::new();
        for pdu in decoded.pdus.iter().filter(|pdu| pdu.fields.contains_key("ptype")) {
            let direction = directions.entry((pdu.stream, pdu.direction)).or_default();
            if direction.bytes.len() as u64 == pdu.offset {
                direction.begins.push(pdu.offset);
                direction.bytes.extend_from_slice(&pdu.bytes);
            }
        }
        for ((stream, side), Direction { bytes, begins }) in directions {
            for start in 0..bytes.len() {
                starts += 1;
                let mut found = Vec::new();
                let mut framer = Framer::mid_stream();
                let mut out = |framed: Framed<'_, ()>| {
                    if let Framed::Pdu { offset, .. } = framed {
                        found.push(start as u64 + offset);
                    }
                };
                framer.push(0, &bytes[start..], (), &mut out);
                framer.finish(&mut out);
                let expected: Vec<u64> =
                    begins.iter().copied().filter(|&begin| begin >= start as u64).collect();
                assert_eq!(found, expected, "{name}, stream {stream} {side} from {start}");
            }
        }
    }
    assert!(starts > 100_000, "{starts}");
}

#[test]
fn random_bytes_hold_no_header_that_can_be_believed() {
    let mut state = 1u64;
    let mut bytes = Vec::with_capacity(4 << 20);
    while bytes.len() < 4 << 20 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend((state >> 16).to_le_bytes());
    }
    let plausible = bytes.windows(16).filter(|window| Header::parse(window).is_ok_and(|h| h.is_plausible()));
    assert_eq!(plausible.count(), 0);
}

/// A connection's segments with data, and the numbers of its two SYNs.
struct Segments {
    client: Endpoint,
    syns: [u32; 2],
    /// Who sent it, its sequence and acknowledgment numbers, its payload.
    data: Vec<(bool, u32, u32, Vec<u8>)>,
}

/// Those of the only connection in a capture.
fn segments(name: &str) -> Segments {
    let reader = volact::capture::open(&support::folder().join(name)).unwrap();
    let mut reader = CaptureReader::new(reader).unwrap();
    let mut layers = Layers::default();
    let mut found: Option<Segments> = None;
    while let Some(packet) = reader.next_packet().unwrap() {
        let segment = layers.segment(&packet).unwrap();
        let found = found.get_or_insert_with(|| Segments {
            client: segment.source,
            syns: [segment.sequence, 0],
            data: Vec::new(),
        });
        let is_client = segment.source == found.client;
        if segment.flags.syn && !is_client {
            found.syns[1] = segment.sequence;
        }
        if !segment.payload.is_empty() {
            let payload = segment.payload.to_vec();
            found.data.push((is_client, segment.sequence, segment.acknowledgment, payload));
        }
    }
    found.unwrap()
}

/// A raw IPv4 packet as a pcap record.
fn record(is_client: bool, sequence: u32, acknowledgment: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let (source, destination) = if is_client { (1u8, 2u8) } else { (2, 1) };
    let (from, to) = if is_client { (40_000u16, 1688u16) } else { (1688, 40_000) };
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, source, 10, 0, 0, destination];
    packet[2..4].copy_from_slice(&u16::try_from(40 + payload.len()).unwrap().to_be_bytes());
    packet.extend([from.to_be_bytes(), to.to_be_bytes()].concat());
    packet.extend([sequence.to_be_bytes(), acknowledgment.to_be_bytes()].concat());
    packet.extend([0x50, flags, 1, 0, 0, 0, 0, 0]);
    packet.extend(payload);
    let length = u32::try_from(packet.len()).unwrap().to_le_bytes();
    [[0; 4], [0; 4], length, length].concat().into_iter().chain(packet).collect()
}

/// What matters of an exchange, whatever the packets were that brought it.
#[derive(Debug, PartialEq)]
struct Content {
    call_id: u32,
    outcome: Outcome,
    request: Vec<u8>,
    response: Vec<u8>,
    checks: Option<ResponseChecks>,
}

fn contents(exchanges: &[Exchange]) -> Vec<Content> {
    let of = |exchange: &Exchange| Content {
        call_id: exchange.call_id,
        outcome: exchange.outcome(),
        request: exchange.request.as_ref().map(|request| request.bytes.clone()).unwrap_or_default(),
        response: match &exchange.answer {
            Some(Answer::Response(response)) => response.bytes.clone(),
            _ => Vec::new(),
        },
        checks: exchange.checks,
    };
    exchanges.iter().map(of).collect()
}

const RAW_HEADER: [u8; 24] =
    [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 101, 0, 0, 0];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn however_a_streams_segments_are_permuted_repeated_split_and_cut_anew_the_exchanges_are_the_same(
        which in 0usize..4,
        splits in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 12),
        keys in prop::collection::vec(any::<u32>(), 40),
        repeated in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        overlap in 0usize..40,
    ) {
        let name = [
            "vlmcs_vlmcsd_v6_default.pcap",
            "vlmcs_vlmcsd_v5_plain.pcap",
            "vlmcs_vlmcsd_v4_default.pcap",
            "impacket_vlmcsd_ndr64.pcap",
        ][which];
        let expected = contents(&support::decode(name).exchanges);
        let Segments { syns, data, .. } = segments(name);
        let mut pieces = Vec::new();
        for ((is_client, sequence, acknowledgment, payload), (split, is_split)) in data.iter().zip(&splits) {
            let at = if *is_split { split.index(payload.len()) } else { 0 };
            let again = at.saturating_sub(overlap);
            for part in [0..at, again..payload.len()].into_iter().filter(|part| !part.is_empty()) {
                let sequence = sequence.wrapping_add(u32::try_from(part.start).unwrap());
                pieces.push(record(*is_client, sequence, *acknowledgment, 0x18, &payload[part]));
            }
        }
        prop_assert!(data.len() <= splits.len());
        for index in repeated {
            pieces.push(pieces[index.index(pieces.len())].clone());
        }
        let mut order: Vec<usize> = (0..pieces.len()).collect();
        order.sort_by_key(|&i| keys[i]);
        let mut bytes = RAW_HEADER.to_vec();
        bytes.extend(record(true, syns[0], 0, 0x02, &[]));
        bytes.extend(record(false, syns[1], syns[0].wrapping_add(1), 0x12, &[]));
        order.iter().for_each(|&i| bytes.extend(&pieces[i]));
        let decoded = support::decode_bytes(&bytes);
        prop_assert_eq!(contents(&decoded.exchanges), expected);
        prop_assert!(decoded.notices.is_empty(), "{:?}", decoded.notices);
    }

    #[test]
    fn a_byte_that_was_changed_on_its_way_changes_the_exchange_it_is_of_and_no_other(
        frame in 9usize..15,
        at in any::<prop::sample::Index>(),
        flip in 1u8..=255,
    ) {
        // Requests are the frames 10, 12 and 14 of this capture, responses those behind them.
        let name = "vlmcs_vlmcsd_v6_default.pcap";
        let mut bytes = fs::read(support::folder().join(name)).unwrap();
        let expected = contents(&support::decode(name).exchanges);
        let begin = 24 + support::records(&bytes)[..frame].iter().map(|record| record.len()).sum::<usize>();
        let length = support::records(&bytes)[frame].len();
        // Behind the headers of record, Ethernet, IP, TCP and the PDU: the stub.
        let stub = begin + 16 + 66 + 24;
        bytes[stub + at.index(begin + length - stub)] ^= flip;
        let found = contents(&support::decode_bytes(&bytes).exchanges);
        prop_assert_eq!(found.len(), 3);
        let touched = (frame - 9) / 2;
        for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
            prop_assert_eq!(found == expected, i != touched, "exchange {}", i);
        }
    }
}
