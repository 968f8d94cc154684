//! Every kind of damage is exactly one complaint with its place, nothing panics, and what can be read beside the
//! damage is read.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use support::{Decoded, records, u32_at};
use volact::capture::{self, Direction, End};
use volact::trace::{Notice, NoticeKind, Options, Outcome, Stage, trace};

/// Three exchanges on one connection: bind 4, bind_ack 6, alter_context 8 and 9, requests 10, 12, 14, responses 11,
/// 13, 15; every PDU has a packet of its own.
const WHOLE: &str = "vlmcs_vlmcsd_v6_default.pcap";
/// Frames of [`WHOLE`] with data, from the client and from the server.
const DATA: [&[usize]; 2] = [&[4, 8, 10, 12, 14], &[6, 9, 11, 13, 15]];
/// Frames of [`WHOLE`] with a response.
const RESPONSES: [usize; 3] = [11, 13, 15];
/// Bytes of Ethernet, IPv4 and TCP headers in [`WHOLE`].
const HEADERS: usize = 14 + 20 + 32;

#[test]
fn an_empty_file_is_one_complaint() {
    let decoded = support::decode("fmt_empty.pcap");
    assert_eq!(texts(&decoded), ["empty file: needed 24 bytes of a capture's header, got 0"]);
    let notice = Notice {
        file_offset: Some(0),
        needed: Some(24),
        got: Some(0),
        ..Notice::new(NoticeKind::EmptyFile, decoded.notices[0].message.clone())
    };
    assert_eq!(decoded.notices, [notice]);
    assert_eq!(decoded.summary.notices, 1);
}

#[test]
fn a_file_that_is_no_capture_is_one_complaint_with_its_first_bytes() {
    let decoded = support::decode_bytes(&read("README.md"));
    assert_eq!(texts(&decoded), ["not a capture: the first bytes are 2320436170747572 (\"# Captur\")"]);
    assert_eq!(decoded.notices[0].kind, NoticeKind::NotACapture);
    assert_eq!(decoded.notices[0].file_offset, Some(0));
}

#[test]
fn a_file_that_ends_inside_a_record_is_one_complaint_and_all_before_it_is_kept() {
    let decoded = support::decode("fmt_truncated_in_record.pcap");
    assert_eq!(
        texts(&decoded),
        ["frame 17: truncated file: packet record at file offset 3564: needed 82 bytes, got 64"]
    );
    let notice = Notice {
        frame: Some(17),
        file_offset: Some(3564),
        needed: Some(82),
        got: Some(64),
        ..Notice::new(NoticeKind::TruncatedFile, decoded.notices[0].message.clone())
    };
    assert_eq!(decoded.notices, [notice]);
    assert_eq!((decoded.summary.packets, decoded.summary.pdus, decoded.summary.answered), (16, 10, 3));
}

#[test]
fn a_pcap_file_cut_anywhere_is_one_complaint_and_all_before_the_cut_is_kept() {
    let whole = read(WHOLE);
    let mut ends = vec![24];
    ends.extend(records(&whole).iter().scan(24, |end, record| {
        *end += record.len();
        Some(*end)
    }));
    for length in cuts(&ends, whole.len()) {
        let decoded = support::decode_bytes(&whole[..length]);
        let found = texts(&decoded);
        let packets = ends[1..].iter().filter(|&&end| end <= length).count();
        if ends.contains(&length) {
            assert_eq!(found, [""; 0], "cut after {length} bytes, between two records");
        } else {
            assert_eq!(found.len(), 1, "cut after {length} bytes: {found:?}");
            let offset = ends.iter().rfind(|&&end| end <= length).copied().unwrap_or(0);
            assert_eq!(decoded.notices[0].file_offset, Some(offset as u64), "cut after {length} bytes");
        }
        assert_eq!(decoded.summary.packets, packets as u64);
        let answered = RESPONSES.iter().filter(|&&frame| frame <= packets).count();
        assert_eq!(decoded.summary.answered, answered as u64, "cut after {length} bytes");
    }
}

#[test]
fn a_pcapng_file_cut_anywhere_is_one_complaint() {
    let whole = read("vlmcs_vlmcsd_v6_pcapng.pcapng");
    let mut ends = vec![0];
    while let Some(head) = whole.get(ends[ends.len() - 1]..).filter(|rest| !rest.is_empty()) {
        ends.push(ends[ends.len() - 1] + u32_at(head, 4));
    }
    for length in cuts(&ends, whole.len()).into_iter().filter(|&length| length > 0) {
        let decoded = support::decode_bytes(&whole[..length]);
        let found = texts(&decoded);
        assert_eq!(found.len(), usize::from(!ends.contains(&length)), "cut after {length} bytes: {found:?}");
    }
}

#[test]
fn a_compressed_file_that_is_cut_is_one_complaint_and_all_before_the_cut_is_kept() {
    let whole = read("fmt_gzip.pcap.gz");
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cut.pcap.gz");
    fs::write(&path, &whole[..whole.len() - 20]).unwrap();
    let mut decoded = Decoded::default();
    trace("cut.pcap.gz", capture::open(&path).unwrap(), &Options::default(), &mut decoded);
    // All packets but the last one, which ends nothing.
    assert_eq!(texts(&decoded), ["reading failed at file offset 3646: incomplete deflate stream"]);
    let notice = Notice {
        file_offset: Some(3646),
        ..Notice::new(NoticeKind::Unreadable, decoded.notices[0].message.clone())
    };
    assert_eq!(decoded.notices, [notice]);
    assert_eq!(decoded.summary.answered, 3);
}

#[test]
fn a_record_with_an_impossible_length_is_one_complaint_and_all_around_it_is_kept() {
    let mut bytes = read(WHOLE);
    let offset = 24 + records(&bytes)[..13].iter().map(|record| record.len()).sum::<usize>();
    let length = records(&bytes)[13].len();
    let next = offset + length;
    bytes[offset + 8..offset + 12].fill(0xff);
    let decoded = support::decode_bytes(&bytes);
    let found = texts(&decoded);
    assert_eq!(
        found[0],
        format!(
            "frame 14: damaged packet record at file offset {offset}: length 4294967295 is not within 0..=16777216; \
             {length} bytes passed over, reading goes on at file offset {next}"
        )
    );
    assert_eq!(decoded.notices[0].kind, NoticeKind::DamagedFile);
    assert_eq!(decoded.notices[0].file_offset, Some(offset as u64));
    // The request that was in it is a gap of its stream. All other packets keep their numbers.
    assert!(found[1].contains("gap: "), "{found:?}");
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!((decoded.summary.packets, decoded.summary.answered), (17, 3));
    let answers: Vec<_> =
        decoded.exchanges.iter().map(|exchange| exchange.answer_span().unwrap().last.frame).collect();
    assert_eq!(answers, RESPONSES.map(|frame| frame as u64));
}

#[test]
fn a_link_type_that_is_not_known_is_one_complaint_and_every_packet_is_counted() {
    let mut bytes = read(WHOLE);
    bytes[20] = 147;
    let decoded = support::decode_bytes(&bytes);
    assert_eq!(texts(&decoded), ["frame 1: unknown link type USER(147): its packets are counted, not read"]);
    assert_eq!(decoded.notices[0].kind, NoticeKind::UnknownLinkType);
    assert_eq!(decoded.summary.packets, 18);
    assert_eq!(decoded.summary.unknown_links.into_iter().collect::<Vec<_>>(), [(147, 18)]);
}

#[test]
fn a_gap_is_one_complaint_and_the_exchanges_around_it_are_joined() {
    let decoded = support::decode("tcp_gap.pcap");
    assert_eq!(texts(&decoded), ["frame 9, stream 0 s2c offset 108: gap: 56 bytes are not in the capture"]);
    let notice = Notice {
        // The client's acknowledgment; the next packet of the server comes behind it.
        frame: Some(9),
        stream: Some(0),
        direction: Some(Direction::ToClient),
        stream_offset: Some(108),
        needed: Some(56),
        got: Some(0),
        ..Notice::new(NoticeKind::StreamGap, decoded.notices[0].message.clone())
    };
    assert_eq!(decoded.notices, [notice]);
    let joined: Vec<_> = decoded
        .exchanges
        .iter()
        .map(|exchange| {
            let frame = exchange.request.as_ref().unwrap().span.last.frame;
            (frame, exchange.answer_span().unwrap().last.frame, exchange.outcome())
        })
        .collect();
    assert_eq!(
        joined,
        [(9, 10, Outcome::Answered), (11, 12, Outcome::Answered), (13, 14, Outcome::Answered)]
    );
    assert!(decoded.connections[0].has_gaps);
}

#[test]
fn a_data_packet_that_was_not_captured_is_one_gap_and_costs_its_own_pdu_only() {
    let whole = read(WHOLE);
    let mut wrong = Vec::new();
    for (frames, direction) in DATA.iter().zip([Direction::ToServer, Direction::ToClient]) {
        let mut offset = 0;
        for (i, &dropped) in frames.iter().enumerate() {
            let decoded = support::decode_bytes(&without(&whole, dropped));
            let length = records(&whole)[dropped - 1].len() - 16 - HEADERS;
            let mut check = |what: &str, holds: bool| {
                if !holds {
                    let outcomes: Vec<_> =
                        decoded.exchanges.iter().map(|e| (e.call_id, e.outcome())).collect();
                    wrong.push(format!("without {dropped}: {what}: {:?}, {outcomes:?}", texts(&decoded)));
                }
            };
            check("one gap", decoded.notices.iter().map(|notice| notice.kind).eq([NoticeKind::StreamGap]));
            if let [notice] = &decoded.notices[..] {
                let (length, offset) = (Some(length as u64), Some(offset as u64));
                let place = (Some(direction), offset, length, Some(0));
                let got = (notice.direction, notice.stream_offset, notice.needed, notice.got);
                check("its place", got == place);
                // The packet that shows it: at the latest the next one of its direction with data, or its FIN. Behind
                // the one that is not there, all numbers are one less.
                let fin = if direction == Direction::ToServer { 16 } else { 17 };
                let latest = frames.get(i + 1).copied().unwrap_or(fin) - 1;
                check(
                    "its frame",
                    (dropped..=latest).contains(&usize::try_from(notice.frame.unwrap()).unwrap()),
                );
            }
            let lost_answer = RESPONSES.iter().position(|&frame| frame == dropped);
            let unanswered: Vec<_> = decoded
                .exchanges
                .iter()
                .filter(|exchange| exchange.outcome() != Outcome::Answered)
                .map(|exchange| (exchange.call_id, exchange.outcome()))
                .collect();
            check("three exchanges", decoded.exchanges.len() == 3);
            let expected = lost_answer.map(|call| (2 + u32::try_from(call).unwrap(), Outcome::Unanswered));
            check("answers", unanswered.into_iter().eq(expected));
            offset += length;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_packet_without_data_that_was_not_captured_is_no_complaint() {
    let whole = read(WHOLE);
    for dropped in (1..=18).filter(|frame| !DATA.iter().any(|frames| frames.contains(frame))) {
        let decoded = support::decode_bytes(&without(&whole, dropped));
        assert_eq!(texts(&decoded), [""; 0], "without {dropped}");
        assert_eq!(decoded.summary.answered, 3, "without {dropped}");
    }
}

#[test]
fn a_fragment_that_was_not_captured_is_one_gap_and_one_incomplete_datagram() {
    let whole = read("ip_fragments.pcap");
    for dropped in 1..=records(&whole).len() {
        let is_fragment = {
            let ip = &records(&whole)[dropped - 1][16 + 14..];
            ip[6] & 0x20 != 0 || u16::from_be_bytes([ip[6] & 0x1f, ip[7]]) != 0
        };
        let decoded = support::decode_bytes(&without(&whole, dropped));
        let found = texts(&decoded);
        assert_eq!(found.len(), usize::from(is_fragment), "without {dropped}: {found:?}");
        assert_eq!(decoded.summary.incomplete_datagrams, u64::from(is_fragment), "without {dropped}");
        assert!(decoded.notices.iter().all(|notice| notice.kind == NoticeKind::StreamGap), "{found:?}");
        assert_eq!(decoded.exchanges.len(), 3, "without {dropped}");
    }
}

#[test]
fn a_bind_cut_by_its_senders_close_is_one_complaint() {
    let decoded = support::decode("net_cut_c2s_50_fin.pcap");
    assert_eq!(
        texts(&decoded),
        ["frame 9, stream 1 c2s offset 0: bind cut: needed 160 bytes, got 50; its sender closed in frame 12"]
    );
    let notice = Notice {
        frame: Some(9),
        stream: Some(1),
        direction: Some(Direction::ToServer),
        stream_offset: Some(0),
        needed: Some(160),
        got: Some(50),
        ..Notice::new(NoticeKind::PduCut, decoded.notices[0].message.clone())
    };
    assert_eq!(decoded.notices, [notice]);
    let stages: Vec<Stage> = decoded.connections.iter().map(|connection| connection.stage()).collect();
    assert_eq!(stages, [Stage::NotBound, Stage::Cut]);
    // The bind that came whole on the first connection is read, and so is the beginning of the one that did not.
    assert_eq!(decoded.connections[0].contexts.len(), 3);
    assert!(decoded.pdus.iter().any(|pdu| pdu.stream == 1 && pdu.bytes.len() == 50));
}

#[test]
fn a_response_cut_by_a_reset_is_one_complaint_and_the_answered_exchange_is_kept() {
    let decoded = support::decode("net_cut_s2c_170_rst.pcap");
    let found = texts(&decoded);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with(
            "frame 18, stream 0 s2c offset 108: response cut: needed 300 bytes, got 62; the connection was reset by "
        ) && found[0].ends_with(" in frame 24"),
        "{found:?}"
    );
    let notice = Notice {
        frame: Some(18),
        stream: Some(0),
        direction: Some(Direction::ToClient),
        stream_offset: Some(108),
        needed: Some(300),
        got: Some(62),
        ..Notice::new(NoticeKind::PduCut, decoded.notices[0].message.clone())
    };
    assert_eq!(decoded.notices, [notice]);
    let mut outcomes: Vec<_> =
        decoded.exchanges.iter().map(|exchange| (exchange.stream, exchange.outcome())).collect();
    outcomes.sort_unstable_by_key(|&(stream, _)| stream);
    assert_eq!(outcomes, [(0, Outcome::Unanswered), (1, Outcome::Answered)]);
    let mut ends: Vec<_> =
        decoded.connections.iter().map(|connection| (connection.flow.stream, connection.end)).collect();
    ends.sort_unstable_by_key(|&(stream, _)| stream);
    assert_eq!(ends, [(0, End::Reset), (1, End::Closed)]);
}

#[test]
fn http_on_the_port_is_one_complaint_with_its_first_line() {
    let decoded = support::decode("net_non_kms_on_1688.pcap");
    assert_eq!(
        texts(&decoded),
        ["frame 4, stream 0 c2s offset 0: 78 bytes are no DCE/RPC but HTTP (\"GET / HTTP/1.1\"): \
          pdu header: rpc_vers at offset 0: expected rpc_vers 5, got 71 (0x47)"]
    );
    let notice = Notice {
        frame: Some(4),
        stream: Some(0),
        direction: Some(Direction::ToServer),
        stream_offset: Some(0),
        got: Some(78),
        ..Notice::new(NoticeKind::NotRpc, decoded.notices[0].message.clone())
    };
    assert_eq!(decoded.notices, [notice]);
    // The answer is not complained about a second time, but counted.
    assert_eq!(decoded.connections[0].skipped, [78, 845]);
    assert_eq!(decoded.connections[0].stage(), Stage::NotRpc);
}

#[test]
fn bytes_that_are_no_pdu_between_two_pdus_are_one_complaint_and_the_next_pdu_is_read() {
    let mut bytes = read(WHOLE);
    let start = payload(&bytes, 12);
    bytes[start] = 0;
    let decoded = support::decode_bytes(&bytes);
    assert_eq!(
        texts(&decoded),
        ["frame 12, stream 0 c2s offset 524: 300 bytes are no DCE/RPC: \
          pdu header: rpc_vers at offset 0: expected rpc_vers 5, got 0 (0x0)"]
    );
    assert_eq!(decoded.notices[0].kind, NoticeKind::NotRpc);
    assert_eq!(decoded.connections[0].skipped, [300, 0]);
    assert_eq!(decoded.connections[0].pdus, [4, 5]);
    // The response to the request that is gone is an exchange all the same.
    assert_eq!((decoded.exchanges.len(), decoded.summary.answered), (3, 3));
}

#[test]
fn a_pdu_that_is_shorter_than_its_counts_say_is_one_complaint_and_stands_in_the_list() {
    let mut bytes = read(WHOLE);
    let contexts = payload(&bytes, 4) + 24;
    assert_eq!(bytes[contexts], 3);
    bytes[contexts] = 4;
    let decoded = support::decode_bytes(&bytes);
    assert_eq!(
        texts(&decoded),
        ["frame 4, stream 0 c2s offset 0: bind: p_cont_id at offset 160: needed 2 bytes, got 0"]
    );
    let notice = Notice {
        frame: Some(4),
        stream: Some(0),
        direction: Some(Direction::ToServer),
        stream_offset: Some(0),
        needed: Some(2),
        got: Some(0),
        ..Notice::new(NoticeKind::MalformedPdu, decoded.notices[0].message.clone())
    };
    assert_eq!(decoded.notices, [notice]);
    assert_eq!((decoded.summary.pdus, decoded.summary.answered), (10, 3));
    // What stands in front of the place is kept: the three contexts that are there.
    assert_eq!(decoded.connections[0].contexts.len(), 3);
}

#[test]
fn a_packet_cut_by_the_snap_length_is_one_complaint_each_and_its_beginning_is_kept() {
    let decoded = support::decode("vlmcs_vlmcsd_snaplen96.pcap");
    let text = |frame, direction, offset, bytes, pdu| {
        let place = format!("frame {frame}, stream 0 {direction} offset {offset}");
        format!("{place}: gap: {bytes} bytes are cut off by the snap length, the {pdu} is cut")
    };
    assert_eq!(
        texts(&decoded),
        [
            text(4, "c2s", 30, 130, "bind PDU of call 2"),
            text(6, "s2c", 30, 78, "bind_ack PDU of call 2"),
            text(8, "c2s", 190, 42, "alter_context PDU of call 2"),
            text(9, "s2c", 138, 26, "alter_context_resp PDU of call 2"),
            text(10, "c2s", 262, 262, "request PDU of call 2"),
            text(11, "s2c", 194, 270, "response PDU of call 2"),
            text(12, "c2s", 554, 270, "request PDU of call 3"),
            text(13, "s2c", 494, 282, "response PDU of call 3"),
        ]
    );
    assert!(
        decoded.notices.iter().all(|notice| notice.kind == NoticeKind::StreamGap && notice.got == Some(0))
    );
    // 96 bytes are 66 of headers and 30 of a PDU.
    assert_eq!(decoded.pdus.iter().map(|pdu| pdu.bytes.len()).collect::<Vec<_>>(), [30; 8]);
}

#[test]
fn a_connection_whose_bind_ack_is_cut_by_the_snap_length_is_not_said_to_have_none() {
    let decoded = support::decode("vlmcs_vlmcsd_snaplen96.pcap");
    // The header of the bind_ack is in frame 6, those of two requests in frames 10 and 12.
    assert_ne!(decoded.connections[0].stage(), Stage::NotBound);
}

#[test]
fn a_refused_connection_is_no_complaint_and_one_record() {
    let decoded = support::decode("net_refused.pcap");
    assert_eq!(texts(&decoded), [""; 0]);
    let [connection] = &decoded.connections[..] else { panic!("{:?}", decoded.connections) };
    assert_eq!((connection.end, connection.stage()), (End::Refused, Stage::NotEstablished));
    assert_eq!((connection.flow.packets, connection.flow.bytes), (2, [0, 0]));
}

#[test]
fn every_complaint_of_every_capture_has_a_place_and_one_line() {
    for name in support::names() {
        let decoded = support::decode(&name);
        assert_eq!(decoded.summary.notices, decoded.notices.len() as u64, "{name}");
        for notice in &decoded.notices {
            assert!(notice.frame.is_some() || notice.file_offset.is_some(), "{name}: {notice}");
            assert_eq!(notice.stream.is_some(), notice.stream_offset.is_some(), "{name}: {notice}");
            assert_eq!(notice.stream.is_some(), notice.direction.is_some(), "{name}: {notice}");
            assert!(!notice.to_string().contains('\n'), "{name}: {notice}");
        }
    }
}

fn texts(decoded: &Decoded) -> Vec<String> {
    decoded.notices.iter().map(ToString::to_string).collect()
}

fn read(name: &str) -> Vec<u8> {
    fs::read(support::folder().join(name)).unwrap()
}

/// Where a file is cut: around every end of a record, inside its header, and at every 29th byte.
fn cuts(ends: &[usize], length: usize) -> BTreeSet<usize> {
    let around = ends.iter().flat_map(|&end| end.saturating_sub(1)..=end + 1);
    around.chain(0..24).chain((0..length).step_by(29)).filter(|&cut| cut < length).collect()
}

/// The file without one of its packets.
fn without(file: &[u8], frame: usize) -> Vec<u8> {
    let mut kept = records(file);
    kept.remove(frame - 1);
    [&file[..24], &kept.concat()].concat()
}

/// Where the TCP payload of a packet of [`WHOLE`] begins in the file.
fn payload(file: &[u8], frame: usize) -> usize {
    24 + records(file)[..frame - 1].iter().map(|record| record.len()).sum::<usize>() + 16 + HEADERS
}

/// The header of a pcap of raw IP packets.
fn raw_header() -> Vec<u8> {
    [0xa1b2_c3d4u32.to_le_bytes(), [2, 0, 4, 0], [0; 4], [0; 4], [0, 0, 4, 0], [101, 0, 0, 0]].concat()
}

/// A record of a segment without a SYN, between hosts of 127.0.0.0/24 and their ports.
fn raw_record(from: (u8, u16), to: (u8, u16), payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0, 127, 0, 0, from.0, 127, 0, 0, to.0];
    packet[2..4].copy_from_slice(&u16::try_from(40 + payload.len()).unwrap().to_be_bytes());
    packet.extend([from.1.to_be_bytes(), to.1.to_be_bytes()].concat());
    packet.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x08, 1, 0, 0, 0, 0, 0]);
    packet.extend(payload);
    let length = u32::try_from(packet.len()).unwrap().to_le_bytes();
    [[0; 4], [0; 4], length, length].concat().into_iter().chain(packet).collect()
}

#[test]
fn a_bind_that_was_refused_as_a_whole_is_told_from_a_context_that_was_rejected() {
    let bind = &support::decode(WHOLE).pdus[0].bytes;
    let nak = [5, 0, 13, 3, 0x10, 0, 0, 0, 21, 0, 0, 0, 2, 0, 0, 0, 4, 0, 1, 5, 0];
    let records = [raw_record((1, 40_000), (2, 1688), bind), raw_record((2, 1688), (1, 40_000), &nak)];
    let decoded = support::decode_bytes(&[raw_header(), records.concat()].concat());
    assert_eq!(texts(&decoded), [""; 0]);
    let [connection] = &decoded.connections[..] else { panic!("{} connections", decoded.connections.len()) };
    assert_eq!((connection.stage(), connection.bind_nak), (Stage::BindRefused, Some(4)));
    assert_eq!(connection.contexts.len(), 3);
    assert!(connection.contexts.iter().all(|context| context.outcome == volact::rpc::Outcome::Refused));
}

#[test]
fn what_waits_for_more_is_bounded_over_all_connections_and_what_is_let_go_is_said() {
    // Two thousand connections that each begin a PDU of 65,535 bytes and never end it: 40 MB that wait.
    let mut bytes = raw_header();
    let mut begun = vec![5, 0, 0, 3, 0x10, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0];
    begun.resize(20_000, 0);
    for port in 10_000..12_000 {
        let mut syn = raw_record((1, port), (2, 1688), &[]);
        let tcp = 16 + 20;
        syn[tcp + 4..tcp + 8].fill(0);
        syn[tcp + 13] = 0x02;
        bytes.extend(syn);
        bytes.extend(raw_record((1, port), (2, 1688), &begun));
    }
    let decoded = support::decode_bytes(&bytes);
    assert_eq!(decoded.summary.connections, 2_000);
    let let_go = decoded.notices.iter().filter(|notice| notice.kind == NoticeKind::BoundReached).count();
    // 4 MiB are 209 of these, in each of eight shards; those beyond are let go one by one.
    assert_eq!(let_go, 2_000 - 8 * 209, "{:?}", decoded.notices.first());
}

#[test]
fn a_capture_of_one_side_only_shows_what_that_side_said() {
    let whole = read(WHOLE);
    let one_side = |is_kept: fn(u16) -> bool| {
        let port = |record: &[u8]| u16::from_be_bytes([record[16 + 34], record[16 + 35]]);
        let kept: Vec<&[u8]> = records(&whole).into_iter().filter(|record| is_kept(port(record))).collect();
        support::decode_bytes(&[&whole[..24], &kept.concat()].concat())
    };
    let full = support::decode(WHOLE);
    let client = one_side(|source| source != 1688);
    assert_eq!(client.exchanges.len(), 3);
    for (exchange, full) in client.exchanges.iter().zip(&full.exchanges) {
        assert_eq!(exchange.outcome(), Outcome::Unanswered);
        let (request, whole) = (exchange.request.as_ref().unwrap(), full.request.as_ref().unwrap());
        assert_eq!((&request.bytes, &request.message), (&whole.bytes, &whole.message));
    }
    let server = one_side(|source| source == 1688);
    assert_eq!(server.exchanges.len(), 3);
    for (exchange, full) in server.exchanges.iter().zip(&full.exchanges) {
        assert!(exchange.request.is_none());
        assert_eq!((exchange.call_id, exchange.outcome()), (full.call_id, Outcome::Answered));
    }
    // What the other side said is known to be missing only where it was acknowledged.
    for decoded in [&client, &server] {
        let kinds: Vec<NoticeKind> = decoded.notices.iter().map(|notice| notice.kind).collect();
        assert!(kinds.iter().all(|kind| *kind == NoticeKind::StreamGap) && kinds.len() <= 1, "{kinds:?}");
    }
}
