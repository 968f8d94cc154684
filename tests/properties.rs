//! What holds of every capture, wherever it is cut and however it is written back.

mod support;

use std::fs;

use volact::kms::{RequestMessage, RequestStub, ResponseMessage, ResponseStub};
use volact::rpc::{Framed, Framer, Header, Pdu};
use volact::trace::{Answer, Exchange, NoticeKind};
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
