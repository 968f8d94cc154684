//! Every container that a capture comes in, every damage of one, and several captures read as one. The files are built
//! here, by writers that share nothing with the readers.

#![allow(clippy::cast_possible_truncation)] // the numbers of these files are small

mod support;

use std::io::{Cursor, Read, Write};

use proptest::prelude::*;
use volact::capture::{
    About, CaptureError, CaptureFormat, CaptureReader, Comment, MOST_SECRETS, Merged, Packets, Progress,
    Source, TimeWindow, Within, open, open_counted,
};

/// What a test looks at of a packet: number, time, link type, bytes, original length.
type Seen = (u64, Option<i64>, u16, Vec<u8>, u32);

/// 2009-02-13T23:31:30Z.
const EPOCH: u32 = 1_234_567_890;

fn drain(packets: &mut impl Packets) -> (Vec<Seen>, Vec<String>) {
    let (mut seen, mut errors) = (Vec::new(), Vec::new());
    loop {
        match packets.next_packet() {
            Ok(Some(packet)) => {
                seen.push((
                    packet.frame,
                    packet.time,
                    packet.link.0,
                    packet.data.to_vec(),
                    packet.original_length,
                ));
            }
            Ok(None) => return (seen, errors),
            Err(error) => errors.push(error.to_string()),
        }
        assert!(errors.len() < 1000, "it does not end");
    }
}

fn read(bytes: &[u8]) -> (Vec<Seen>, Vec<String>) {
    match CaptureReader::new(bytes) {
        Ok(mut reader) => drain(&mut reader),
        Err(error) => (Vec::new(), vec![error.to_string()]),
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    Little,
    Big,
}

use Order::{Big, Little};

impl Order {
    fn u16(self, value: u16) -> [u8; 2] {
        if self == Big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn u32(self, value: u32) -> [u8; 4] {
        if self == Big { value.to_be_bytes() } else { value.to_le_bytes() }
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap()
}

fn pcap_header(magic: u32, order: Order, snap: u32, link: u32) -> Vec<u8> {
    let mut bytes = order.u32(magic).to_vec();
    bytes.extend(order.u16(2));
    bytes.extend(order.u16(4));
    for word in [0, 0, snap, link] {
        bytes.extend(order.u32(word));
    }
    bytes
}

fn record(order: Order, seconds: u32, fraction: u32, original: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [seconds, fraction, length(data), original] {
        bytes.extend(order.u32(word));
    }
    bytes.extend(data);
    bytes
}

/// Bytes that look like nothing: of no header, no time and no length.
fn noise(seed: usize, count: usize) -> Vec<u8> {
    let mut state = (seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect()
}

fn sizes(count: usize) -> Vec<usize> {
    (0..count).map(|i| [60, 1500, 54, 200, 66, 90][i % 6]).collect()
}

/// Records one second apart.
fn records(count: usize) -> Vec<Vec<u8>> {
    let data = sizes(count).into_iter().enumerate().map(|(i, size)| (i, noise(i, size)));
    data.map(|(i, data)| record(Little, EPOCH + i as u32, i as u32 * 1000, length(&data), &data)).collect()
}

fn pcap(records: &[Vec<u8>]) -> Vec<u8> {
    [pcap_header(0xa1b2_c3d4, Little, 262_144, 1), records.concat()].concat()
}

/// The offset of the record of that index.
fn offset_of(records: &[Vec<u8>], index: usize) -> usize {
    24 + records[..index].iter().map(Vec::len).sum::<usize>()
}

fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let total = 12 + length(body).next_multiple_of(4);
    let mut bytes = [order.u32(kind), order.u32(total)].concat();
    bytes.extend(body);
    bytes.resize(total as usize - 4, 0);
    bytes.extend(order.u32(total));
    bytes
}

fn option(order: Order, code: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = order.u16(code).to_vec();
    bytes.extend(order.u16(u16::try_from(value.len()).unwrap()));
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn section(order: Order, options: &[u8]) -> Vec<u8> {
    let mut body = order.u32(0x1a2b_3c4d).to_vec();
    body.extend(order.u16(1));
    body.extend(order.u16(0));
    body.extend([0xff; 8]);
    body.extend(options);
    block(order, 0x0a0d_0d0a, &body)
}

fn interface(order: Order, link: u16, snap: u32, options: &[u8]) -> Vec<u8> {
    let mut body = order.u16(link).to_vec();
    body.extend(order.u16(0));
    body.extend(order.u32(snap));
    body.extend(options);
    block(order, 1, &body)
}

fn enhanced(order: Order, interface: u32, ticks: u64, data: &[u8], options: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for word in [interface, (ticks >> 32) as u32, ticks as u32, length(data), length(data)] {
        body.extend(order.u32(word));
    }
    body.extend(data);
    body.resize(body.len().next_multiple_of(4), 0);
    body.extend(options);
    block(order, 6, &body)
}

/// A pcapng file of one interface, its blocks one by one.
fn blocks(order: Order, count: usize) -> Vec<Vec<u8>> {
    let mut blocks = vec![section(order, &[]), interface(order, 1, 0, &[])];
    for (i, size) in sizes(count).into_iter().enumerate() {
        let ticks = (u64::from(EPOCH) + i as u64) * 1_000_000;
        // Lengths that are no multiple of four, and a comment on every fifth.
        let comment = [option(order, 1, b"fifth"), vec![0; 4]].concat();
        let options: &[u8] = if i % 5 == 4 { &comment } else { &[] };
        blocks.push(enhanced(order, 0, ticks, &noise(i, size + i % 4), options));
    }
    blocks
}

#[test]
fn every_kind_of_pcap_is_read_in_both_byte_orders() {
    for order in [Little, Big] {
        for (magic, format, unit, extra, extra_of_file) in [
            (0xa1b2_c3d4, CaptureFormat::Pcap, 1000, 0, 0),
            (0xa1b2_3c4d, CaptureFormat::PcapNanosecond, 1, 0, 0),
            (0xa1b2_cd34, CaptureFormat::PcapModified, 1000, 8, 0),
            (0x1c00_01ac, CaptureFormat::PcapIxiaHardware, 1, 0, 4),
            (0x1c00_01ab, CaptureFormat::PcapIxiaSoftware, 1000, 0, 4),
        ] {
            let mut bytes = pcap_header(magic, order, 65_535, 0xf400_0071);
            bytes.extend(vec![7; extra_of_file]);
            for (fraction, data) in [(5, &b"abc"[..]), (6, b""), (7, b"defg")] {
                let mut record = record(order, EPOCH, fraction, 9, data);
                record.splice(16..16, vec![3; extra]);
                bytes.extend(record);
            }
            let time = |fraction: i64| Some(i64::from(EPOCH) * 1_000_000_000 + fraction * unit);
            let packets = vec![
                (1, time(5), 0x71, b"abc".to_vec(), 9),
                (2, time(6), 0x71, vec![], 9),
                (3, time(7), 0x71, b"defg".to_vec(), 9),
            ];
            assert_eq!(read(&bytes), (packets, vec![]), "{}", format.name());
            assert_eq!(CaptureReader::new(&bytes[..]).unwrap().format(), format);
        }
    }
}

#[test]
fn lengths_in_the_order_of_before_version_2_3_are_read() {
    for (minor, swapped) in [(2, true), (3, true), (3, false), (4, false)] {
        let mut bytes = pcap_header(0xa1b2_c3d4, Little, 65_535, 1);
        bytes[6] = minor;
        let mut record = record(Little, EPOCH, 0, 90, b"abc");
        if swapped {
            let (a, b) = record[8..16].split_at_mut(4);
            a.swap_with_slice(b);
        }
        bytes.extend(record);
        let (packets, errors) = read(&bytes);
        assert_eq!((packets[0].3.as_slice(), packets[0].4), (&b"abc"[..], 90), "2.{minor}");
        assert_eq!(errors, [""; 0]);
    }
}

#[test]
fn sections_of_both_byte_orders_have_interfaces_with_clocks_of_their_own() {
    let mut bytes = Vec::new();
    for order in [Little, Big, Little] {
        bytes.extend(section(order, &[]));
        let offset = if order == Big { 100i64.to_be_bytes() } else { 100i64.to_le_bytes() };
        for (link, options) in [
            (1, vec![]),
            (113, option(order, 9, &[9])),
            (101, option(order, 9, &[0x80 | 10])),
            (228, option(order, 9, &[12])),
            (229, option(order, 14, &offset)),
            (0, option(order, 9, &[3])),
        ] {
            bytes.extend(interface(order, link, 0, &options));
        }
        for (interface, ticks) in
            [(5, 2000), (4, 2_000_000), (3, 2_000_000_000_000), (2, 2048), (1, 2_000_000_000), (0, 2_000_000)]
        {
            bytes.extend(enhanced(order, interface, ticks, b"x", &[]));
        }
        bytes.extend(enhanced(order, 6, 1, b"x", &[]));
    }
    let (packets, errors) = read(&bytes);
    assert_eq!(errors, [""; 0]);
    let two = Some(2_000_000_000);
    let of_a_section = [
        (two, 0),
        (Some(102_000_000_000), 229),
        (two, 228),
        (two, 101),
        (two, 113),
        (two, 1),
        (None, u16::MAX),
    ];
    let expected: Vec<_> = of_a_section.repeat(3);
    assert_eq!(packets.iter().map(|packet| (packet.1, packet.2)).collect::<Vec<_>>(), expected);
    assert!(packets.iter().enumerate().all(|(i, packet)| packet.0 == i as u64 + 1));
}

#[test]
fn every_kind_of_packet_block_is_read_and_unknown_blocks_are_passed_over() {
    for order in [Little, Big] {
        let mut obsolete = [order.u16(1), order.u16(77)].concat();
        for word in [0, 3_000_000, 5, 50] {
            obsolete.extend(order.u32(word));
        }
        obsolete.extend(b"older\0\0\0");
        let bytes = [
            section(order, &[]),
            interface(order, 1, 4, &[]),
            interface(order, 113, 0, &[]),
            block(order, 0x0bad_cafe, b"whatever it is"),
            block(order, 2, &obsolete),
            block(order, 5, &[0; 12]),
            // The snap length of the first interface cuts it.
            block(order, 3, &[&order.u32(60)[..], b"simp"].concat()),
            enhanced(order, 1, 4_000_000, b"enhanced", &[]),
        ]
        .concat();
        let packets = vec![
            (1, Some(3_000_000_000), 113, b"older".to_vec(), 50),
            (2, None, 1, b"simp".to_vec(), 60),
            (3, Some(4_000_000_000), 113, b"enhanced".to_vec(), 8),
        ];
        assert_eq!(read(&bytes), (packets, vec![]));
    }
}

#[test]
fn comments_of_sections_interfaces_and_packets_are_kept() {
    let long = "é".repeat(Comment::MOST_BYTES);
    let bytes = [
        section(Big, &option(Big, 1, b"about all")),
        interface(Big, 1, 0, &[]),
        interface(Big, 1, 0, &[option(Big, 9, &[6]), option(Big, 1, b"a tap")].concat()),
        enhanced(Big, 0, 1, b"abcde", &[]),
        enhanced(Big, 0, 1, b"abcde", &[option(Big, 1, b"one"), option(Big, 1, long.as_bytes())].concat()),
    ]
    .concat();
    let mut reader = CaptureReader::new(&bytes[..]).unwrap();
    let comment = |about, frame, text: &str| Comment { about, frame, text: text.to_owned() };
    reader.next_packet().unwrap().unwrap();
    assert_eq!(
        reader.take_comments(),
        [comment(About::Section, 1, "about all"), comment(About::Interface(1), 1, "a tap")]
    );
    reader.next_packet().unwrap().unwrap();
    let cut = "é".repeat(Comment::MOST_BYTES / 2);
    assert_eq!(reader.take_comments(), [comment(About::Packet, 2, "one"), comment(About::Packet, 2, &cut)]);
}

#[test]
fn comments_that_nobody_takes_are_bounded_and_those_left_out_counted() {
    let packet = enhanced(Little, 0, 1, b"abcd", &option(Little, 1, b"again"));
    let mut bytes = [section(Little, &[]), interface(Little, 1, 0, &[])].concat();
    for _ in 0..Comment::MOST_KEPT + 10 {
        bytes.extend(&packet);
    }
    let mut reader = CaptureReader::new(&bytes[..]).unwrap();
    drain(&mut reader);
    assert_eq!((reader.take_comments().len(), reader.comments_left_out()), (Comment::MOST_KEPT, 10));
}

/// A decryption secrets block.
fn secrets(order: Order, kind: u32, secrets: &[u8]) -> Vec<u8> {
    block(order, 10, &[&order.u32(kind)[..], &order.u32(secrets.len() as u32), secrets].concat())
}

/// The type of secrets that a TLS key log is.
const TLS_KEY_LOG: u32 = 0x544c_534b;

#[test]
fn key_logs_in_a_file_come_up_with_the_packets_behind_them() {
    for order in [Little, Big] {
        let bytes = [
            section(order, &[]),
            secrets(order, TLS_KEY_LOG, b"first line\n"),
            interface(order, 1, 0, &[]),
            secrets(order, TLS_KEY_LOG, b"another"),
            enhanced(order, 0, 1, b"abcde", &[]),
            enhanced(order, 0, 2, b"abcde", &[]),
            secrets(order, 0x5747_4b4c, b"of WireGuard"),
            secrets(order, TLS_KEY_LOG, b""),
            secrets(order, TLS_KEY_LOG, b"third"),
            enhanced(order, 0, 3, b"abcde", &[]),
        ]
        .concat();
        let mut reader = Within::new(CaptureReader::new(&bytes[..]).unwrap(), TimeWindow::default());
        let expected: [&[u8]; 3] = [b"first line\nanother\n", b"", b"third\n"];
        for lines in expected {
            assert!(reader.advance().unwrap());
            assert_eq!(reader.take_secrets(), lines);
        }
        assert!(!reader.advance().unwrap());
        assert_eq!((reader.take_secrets(), reader.secrets_left_out()), (vec![], 1));
        assert_eq!(reader.skipped_blocks(), 0);
    }
}

#[test]
fn key_logs_that_do_not_fit_their_block_are_placed_and_the_packets_are_read() {
    for order in [Little, Big] {
        let mut long = secrets(order, TLS_KEY_LOG, b"a line\n");
        long[12..16].copy_from_slice(&order.u32(9));
        let mut longest = long.clone();
        longest[12..16].copy_from_slice(&[0xff; 4]);
        let head = [section(order, &[]), interface(order, 1, 0, &[])].concat();
        let (first, second) = (head.len(), head.len() + long.len());
        let rest = [block(order, 10, &order.u32(TLS_KEY_LOG)), enhanced(order, 0, 1, b"abcde", &[])].concat();
        let bytes = [head, long, longest, rest].concat();
        let mut reader = CaptureReader::new(&bytes[..]).unwrap();
        let (packets, errors) = drain(&mut reader);
        assert_eq!(packets.len(), 1);
        assert_eq!(packets[0].0, 1, "a block of secrets is no frame");
        let error = |at: usize, length: u32| {
            let (passed, behind) = (28, at + 28);
            format!(
                "damaged decryption secrets at file offset {at}: secrets length {length} does not fit its length 28; \
                 {passed} bytes passed over, reading goes on at file offset {behind}"
            )
        };
        assert_eq!(errors, [error(first, 9), error(second, u32::MAX)]);
        assert_eq!((reader.take_secrets(), reader.skipped_blocks()), (vec![], 1));
    }
}

#[test]
fn key_logs_that_nobody_takes_are_bounded_and_those_left_out_counted() {
    let lines = vec![b'x'; MOST_SECRETS / 4 - 1];
    let mut bytes = [section(Little, &[]), interface(Little, 1, 0, &[])].concat();
    for _ in 0..6 {
        bytes.extend(secrets(Little, TLS_KEY_LOG, &lines));
    }
    let mut reader = CaptureReader::new(&bytes[..]).unwrap();
    assert_eq!(drain(&mut reader), (vec![], vec![]));
    assert_eq!((reader.take_secrets().len(), reader.secrets_left_out()), (MOST_SECRETS, 2));
}

#[test]
fn key_logs_of_several_files_come_up_as_soon_as_they_are_read() {
    let file = |seconds: u32, lines: &[u8]| {
        let packet = enhanced(Big, 0, u64::from(seconds) * 1_000_000, b"abcde", &[]);
        [section(Big, &[]), interface(Big, 1, 0, &[]), secrets(Big, TLS_KEY_LOG, lines), packet].concat()
    };
    let last = [file(3, b"of the last"), secrets(Big, 0, b"of another type")].concat();
    let mut merged = merged(vec![last, file(1, b"of the first")]);
    let mut seen = Vec::new();
    while merged.advance().unwrap() {
        seen.push(String::from_utf8(merged.take_secrets()).unwrap());
    }
    assert_eq!(seen, ["of the first\n", "of the last\n"]);
    assert_eq!(merged.secrets_left_out(), 1);
}

#[test]
fn odd_values_of_good_files_lose_no_packet() {
    let year = 31_536_000;
    type Header = (u32, u32, u32);
    let cases: [(&str, Vec<Header>); 9] = [
        ("jumps of years", (0..20).map(|i| (EPOCH + i * year, 0, 60)).collect()),
        ("one jump", (0..20).map(|i| (EPOCH + i / 7 * 10 * year, 0, 60)).collect()),
        ("backwards", (0..20).map(|i| (EPOCH - i * year, 0, 60)).collect()),
        ("at 0", (0..20).map(|_| (0, 0, 60)).collect()),
        ("from 0", (0..20).map(|i| (i, i, 60)).collect()),
        ("one at 0", (0..20).map(|i| (if i == 9 { 0 } else { EPOCH }, 0, 60)).collect()),
        ("more captured than there were", (0..20).map(|i| (EPOCH + i, 0, 4)).collect()),
        ("no original length", (0..20).map(|i| (EPOCH + i, 0, 0)).collect()),
        ("fractions over a second", (0..20).map(|i| (EPOCH + i, 900_000_000, 60)).collect()),
    ];
    for (what, headers) in cases {
        for empty in [false, true] {
            let records: Vec<_> = headers
                .iter()
                .enumerate()
                .map(|(i, &(seconds, fraction, original))| {
                    let data = if empty && i % 3 == 1 { vec![] } else { noise(i, 60) };
                    record(Little, seconds, fraction, original, &data)
                })
                .collect();
            let (packets, errors) = read(&pcap(&records));
            assert_eq!((packets.len(), errors), (20, vec![]), "{what}, {empty}");
        }
    }
    let larger = record(Little, EPOCH, 0, 2_000_000, &noise(1, 2_000_000));
    let small = record(Little, EPOCH, 0, 60, &noise(2, 60));
    let (packets, errors) = read(&pcap(&[small.clone(), larger, small]));
    assert_eq!((packets.len(), errors), (3, vec![]));
}

/// All but one, with their numbers.
fn without(packets: &[Seen], index: usize) -> Vec<Seen> {
    packets.iter().enumerate().filter(|(i, _)| *i != index).map(|(_, packet)| packet.clone()).collect()
}

#[test]
fn a_length_that_is_wrong_within_bounds_costs_its_own_record_only() {
    let good = records(12);
    let whole = read(&pcap(&good)).0;
    for (index, wrong, fault) in [
        (5, 4096u32, "length 4096 does not lead to another record"),
        (5, 10, "length 10 does not lead to another record"),
        (5, 91, "length 91 does not lead to another record"),
        (5, 0x7fff_ffff, "length 2147483647 is not within 0..=16777216"),
        (0, 61, "length 61 does not lead to another record"),
        (10, 300, "length 300 does not lead to another record"),
    ] {
        let mut damaged = good.clone();
        damaged[index][8..12].copy_from_slice(&wrong.to_le_bytes());
        let (packets, errors) = read(&pcap(&damaged));
        let (offset, length) = (offset_of(&good, index), good[index].len());
        assert_eq!(
            errors,
            [format!(
                "damaged packet record at file offset {offset}: {fault}; {length} bytes passed over, reading goes on \
                 at file offset {}",
                offset + length
            )]
        );
        assert_eq!(packets, without(&whole, index), "{index}, {wrong}");
    }
}

#[test]
fn bytes_between_two_records_are_one_complaint() {
    let good = records(12);
    let whole = read(&pcap(&good)).0;
    for (count, value) in [(1, 0xff), (15, 0), (16, 0xff), (80, 0), (999, 0x41), (300_000, 0)] {
        let mut bytes = pcap(&good);
        let offset = offset_of(&good, 6);
        bytes.splice(offset..offset, vec![value; count]);
        let (packets, errors) = read(&bytes);
        assert_eq!(errors.len(), 1, "{count} {value}: {errors:?}");
        assert!(errors[0].contains(&format!("file offset {offset}: ")), "{count} {value}: {errors:?}");
        assert!(errors[0].contains(&format!("; {count} bytes passed over")), "{count} {value}: {errors:?}");
        let bytes_of = |packets: &[Seen]| packets.iter().map(|packet| packet.3.clone()).collect::<Vec<_>>();
        assert_eq!(bytes_of(&packets), bytes_of(&whole), "{count} {value}");
        // What is shorter than a header was no record.
        assert_eq!(packets[11].0, 12 + u64::from(count >= 16), "{count} {value}");
    }
}

#[test]
fn bytes_that_are_gone_cost_the_record_they_were_of() {
    let good = records(12);
    let whole = read(&pcap(&good)).0;
    // Out of its data; out of its header; its header whole; all of its data and some of the next record's header.
    for (from, count, lost) in [(30, 10, 1), (4, 4, 1), (0, 16, 1), (60, 60, 2)] {
        let mut bytes = pcap(&good);
        let offset = offset_of(&good, 5);
        bytes.drain(offset + from..offset + from + count);
        let (packets, errors) = read(&bytes);
        assert!((1..=2).contains(&errors.len()), "{from} {count}: {errors:?}");
        let kept = whole.iter().filter(|packet| packets.iter().any(|other| other.3 == packet.3)).count();
        assert_eq!(kept, 12 - lost, "{from} {count}: {errors:?}");
    }
}

#[test]
fn damaged_records_side_by_side_are_one_complaint() {
    let mut bad = records(12);
    for record in &mut bad[4..7] {
        record[8..12].fill(0xff);
        record[12..16].fill(0xff);
    }
    let (packets, errors) = read(&pcap(&bad));
    let passed: usize = bad[4..7].iter().map(Vec::len).sum();
    let offset = offset_of(&bad, 4);
    assert_eq!(
        errors,
        [format!(
            "damaged packet record at file offset {offset}: length 4294967295 is not within 0..=16777216; {passed} \
             bytes passed over, reading goes on at file offset {}",
            offset + passed
        )]
    );
    assert_eq!(packets.len(), 9);
}

#[test]
fn damage_of_a_pcapng_block_costs_that_block_only() {
    for order in [Little, Big] {
        let good = blocks(order, 12);
        let whole = read(&good.concat()).0;
        let index = 7;
        let size = good[index].len();
        let offset: usize = good[..index].iter().map(Vec::len).sum();
        let big = order.u32(100_000);
        for (at, value, fault) in [
            (4, order.u32(u32::MAX), "length 4294967295 is not within 0..=16777216".to_owned()),
            (4, order.u32(33), "length 33 is none that a block can have".to_owned()),
            (4, big, "length 100000 does not lead to another record".to_owned()),
            (size - 4, order.u32(9), format!("length {size} at its beginning, but 9 at its end")),
            (20, big, format!("captured length 100000 does not fit its length {size}")),
            (0, order.u32(0x1234_5678), "type 0x12345678, but it reads as an enhanced packet".to_owned()),
        ] {
            let mut bad = good.clone();
            bad[index][at..at + 4].copy_from_slice(&value);
            let (packets, errors) = read(&bad.concat());
            let what = if at == 0 { "block" } else { "packet block" };
            assert_eq!(
                errors,
                [format!(
                    "damaged {what} at file offset {offset}: {fault}; {size} bytes passed over, reading goes on at \
                     file offset {}",
                    offset + size
                )]
            );
            assert_eq!(packets, without(&whole, index - 2), "{fault}");
        }
    }
}

#[test]
fn damage_of_a_section_or_an_interface_costs_no_packet() {
    for order in [Little, Big] {
        let other = if order == Big { Little } else { Big };
        let good = [blocks(other, 4), blocks(order, 6)].concat();
        let whole = read(&good.concat()).0;
        assert_eq!(whole.len(), 10);
        for (index, at) in [(6, 0), (6, 4), (6, 8), (6, 24), (7, 4), (7, 16)] {
            let mut bad = good.clone();
            bad[index][at..at + 4].copy_from_slice(&[0x91, 0x92, 0x93, 0x94]);
            let (packets, errors) = read(&bad.concat());
            assert_eq!(errors.len(), 1, "{index} {at}: {errors:?}");
            assert_eq!(packets, whole, "{index} {at}: {errors:?}");
        }
        let mut bad = good.clone();
        bad[6][8..12].copy_from_slice(&[1, 2, 3, 4]);
        let offset: usize = good[..6].iter().map(Vec::len).sum();
        assert_eq!(
            read(&bad.concat()).1,
            [format!(
                "damaged section header at file offset {offset}: byte-order magic 01020304 is unknown; 28 bytes passed \
                 over, reading goes on at file offset {}",
                offset + 28
            )]
        );
    }
}

#[test]
fn a_reading_that_fails_says_so_behind_all_that_came() {
    struct Failing(Cursor<Vec<u8>>);
    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(std::io::Error::other("the disk is gone")),
                read => Ok(read),
            }
        }
    }
    let good = records(5);
    let bytes = pcap(&good);
    for (kept, packets) in [(bytes.len(), 5), (bytes.len() - 1, 4), (offset_of(&good, 3) + 3, 3)] {
        let mut reader = CaptureReader::new(Failing(Cursor::new(bytes[..kept].to_vec()))).unwrap();
        let (seen, errors) = drain(&mut reader);
        assert_eq!(seen.len(), packets);
        let offset = if packets == 5 { bytes.len() } else { offset_of(&good, packets) };
        assert_eq!(errors, [format!("reading failed at file offset {offset}: the disk is gone")]);
    }
}

/// A reader of as many bytes as nobody would keep.
fn endless(head: Vec<u8>, pattern: &[u8], count: u64) -> impl Read {
    struct Pattern(Vec<u8>, usize);
    impl Read for Pattern {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            for byte in buffer.iter_mut() {
                *byte = self.0[self.1];
                self.1 = (self.1 + 1) % self.0.len();
            }
            Ok(buffer.len())
        }
    }
    Cursor::new(head).chain(Pattern(pattern.to_vec(), 0).take(count))
}

#[test]
fn what_is_no_capture_any_more_is_looked_through_once() {
    let size = 1 << 19;
    let half = record(Little, EPOCH, 0, 262_144, &[])[..8].to_vec();
    let plausible = [&half[..], &20u32.to_le_bytes(), &20u32.to_le_bytes(), &[0xee; 37]].concat();
    let deep = [&half[..], &200_000u32.to_le_bytes(), &200_000u32.to_le_bytes()].concat();
    let huge = [&half[..], &16_000_000u32.to_le_bytes(), &16_000_000u32.to_le_bytes(), &[1; 84]].concat();
    let tiny_blocks = [block(Little, 4, &[0; 4]), enhanced(Little, 0, 0, b"", &[])[..28].to_vec()].concat();
    let heads = [
        pcap(&records(3)),
        pcap_header(0xa1b2_c3d4, Little, 65_535, 1),
        pcap_header(0xa1b2_c3d4, Little, u32::MAX, 1),
        blocks(Little, 3).concat(),
    ];
    for (i, head) in heads.into_iter().enumerate() {
        for (j, pattern) in
            [&[0][..], &[0xff], &plausible, &deep, &huge, &tiny_blocks, &[3, 0, 0, 0]].into_iter().enumerate()
        {
            let mut reader = CaptureReader::new(endless(head.clone(), pattern, size)).unwrap();
            let mut errors = 0u64;
            loop {
                match reader.next_packet() {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => errors += 1,
                }
            }
            assert!(reader.looked_at() <= 2 * size + 4096, "{i} {j}: {} looks", reader.looked_at());
            if j < 2 {
                assert_eq!(errors, 1, "{i} {j}");
            }
        }
    }
}

#[test]
fn a_length_of_four_gigabytes_takes_no_memory() {
    // The allocator of this test would have to give 4 GB, and the file would have to have them.
    for bytes in [
        [pcap_header(0xa1b2_c3d4, Little, u32::MAX, 1), vec![0xff; 64]].concat(),
        [section(Little, &[]), vec![6, 0, 0, 0], vec![0xff; 60]].concat(),
    ] {
        let (packets, errors) = read(&bytes);
        assert_eq!((packets.len(), errors.len()), (0, 1));
        assert!(errors[0].ends_with("64 bytes passed over, no sane record behind it"), "{errors:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(1), ..ProptestConfig::with_cases(300) })]

    #[test]
    fn a_record_header_with_flipped_bytes_costs_no_other_packet(
        index in 0..12usize,
        flips in proptest::collection::vec((0..16usize, 1..=255u8), 1..6),
    ) {
        let mut bad = records(12);
        let whole = read(&pcap(&bad)).0;
        for (at, mask) in flips {
            bad[index][at] ^= mask;
        }
        let (packets, errors) = read(&pcap(&bad));
        prop_assert!(errors.len() <= 1, "{errors:?}");
        let others: Vec<_> = packets.iter().filter(|packet| packet.0 != index as u64 + 1).cloned().collect();
        prop_assert_eq!(others, without(&whole, index), "{:?}", errors);
    }

    #[test]
    fn a_block_header_with_flipped_bytes_costs_no_other_packet(
        order in prop_oneof![Just(Little), Just(Big)],
        index in 2..14usize,
        flips in proptest::collection::vec((0..32usize, 1..=255u8), 1..4),
    ) {
        let mut bad = blocks(order, 12);
        let whole = read(&bad.concat()).0;
        let is_type_hit = flips.iter().any(|&(at, _)| at < 4);
        for (at, mask) in flips {
            // The last four stand for the length at the block's end.
            let at = if at < 28 { at } else { bad[index].len() - 32 + at };
            bad[index][at] ^= mask;
        }
        let (packets, errors) = read(&bad.concat());
        prop_assert!(errors.len() <= 1, "{errors:?}");
        let is_counted = !is_type_hit && packets.len() + errors.len() >= 12;
        let others: Vec<_> = packets.iter().filter(|packet| packet.3 != whole[index - 2].3).collect();
        let behind = |packet: &Seen| packet.3.clone();
        // A block that has become one of another known type is counted as a packet only where all else of it is right.
        let expected = without(&whole, index - 2);
        for packet in &expected {
            prop_assert!(others.iter().any(|other| behind(other) == behind(packet)), "{:?}", errors);
            prop_assert!(!is_counted || others.contains(&packet), "{:?}", errors);
        }
    }

    #[test]
    fn a_record_without_some_of_its_bytes_costs_no_record_but_its_neighbours(
        index in 1..10usize,
        from in 0..30usize,
        count in 1..30usize,
    ) {
        let good = records(12);
        let whole = read(&pcap(&good)).0;
        let mut bytes = pcap(&good);
        let offset = offset_of(&good, index) + from;
        bytes.drain(offset..offset + count);
        let (packets, errors) = read(&bytes);
        prop_assert!(errors.len() <= 2, "{errors:?}");
        let lost = whole.iter().filter(|packet| !packets.iter().any(|other| other.3 == packet.3)).count();
        prop_assert!(lost <= 2, "{lost} lost: {errors:?}");
    }

    #[test]
    fn rotated_files_are_the_whole_wherever_it_was_cut(
        cuts in proptest::collection::btree_set(0..=30usize, 0..6),
        turned in any::<bool>(),
    ) {
        let all = records(30);
        let mut files = Vec::new();
        let mut from = 0;
        for to in cuts.into_iter().chain([30]) {
            files.push(pcap(&all[from..to]));
            from = to;
        }
        if turned {
            files.reverse();
        }
        prop_assert_eq!(drain(&mut merged(files)), read(&pcap(&all)));
    }
}

fn source(name: usize, bytes: Vec<u8>) -> Source {
    Source::new(format!("{name}.pcap"), move || Ok(Box::new(Cursor::new(bytes.clone()))))
}

fn merged(files: Vec<Vec<u8>>) -> Merged {
    Merged::new(files.into_iter().enumerate().map(|(i, bytes)| source(i, bytes)).collect())
}

#[test]
fn files_that_overlap_are_read_in_order_of_time_and_ties_in_order_of_the_files() {
    let at = |seconds: &[u32], tag: u8| {
        let records: Vec<_> =
            seconds.iter().map(|s| record(Little, EPOCH + s, 0, 4, &[tag, *s as u8, 0, 0])).collect();
        pcap(&records)
    };
    // The second goes backwards: its packets stay in their order.
    let files = vec![at(&[10, 12, 14], b'a'), at(&[10, 9, 13], b'b'), at(&[11], b'c'), at(&[], b'd')];
    let (packets, errors) = drain(&mut merged(files));
    assert_eq!(errors, [""; 0]);
    let seen: Vec<_> = packets.iter().map(|packet| (packet.0, packet.3[0] as char, packet.3[1])).collect();
    assert_eq!(
        seen,
        [(1, 'a', 10), (2, 'b', 10), (3, 'b', 9), (4, 'c', 11), (5, 'a', 12), (6, 'b', 13), (7, 'a', 14)]
    );
}

#[test]
fn what_is_wrong_with_one_of_several_files_names_it_and_the_others_are_read() {
    let mut damaged = records(6);
    damaged[2][8..12].fill(0xff);
    let whole = pcap(&records(3));
    let sources = vec![
        source(0, whole.clone()),
        Source::new("gone.pcap".to_owned(), || Err(std::io::ErrorKind::NotFound.into())),
        source(2, b"PK\x03\x04".to_vec()),
        source(3, pcap(&damaged)),
        source(4, whole[..whole.len() - 1].to_vec()),
        Source::once("-".to_owned(), Box::new(Cursor::new(whole))),
    ];
    let mut merged = Merged::new(sources);
    let formats: Vec<_> = merged.files().map(|(_, format)| format.is_some()).collect();
    assert_eq!(formats, [true, false, false, true, true, true]);
    let (packets, errors) = drain(&mut merged);
    assert_eq!(packets.len(), 3 + 5 + 2 + 3);
    // The damaged one has a number, too.
    assert_eq!(packets.last().unwrap().0, 14);
    assert_eq!(errors.len(), 4, "{errors:?}");
    assert_eq!(errors[0], "gone.pcap: cannot be opened: entity not found");
    assert_eq!(errors[1], "2.pcap: not a capture: the first bytes are 504b0304");
    assert!(errors.iter().any(|error| error.starts_with("3.pcap: damaged packet record at file offset ")));
    assert!(errors.iter().any(|error| error.starts_with("4.pcap: truncated file: packet record at ")));
}

#[test]
fn rotated_files_are_open_one_at_a_time_and_overlapping_ones_are_bounded() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    struct Watched(Cursor<Vec<u8>>, Arc<AtomicUsize>);
    impl Read for Watched {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(buffer)
        }
    }
    impl Drop for Watched {
        fn drop(&mut self) {
            self.1.fetch_sub(1, Ordering::Relaxed);
        }
    }
    for (step, bound, complaints) in [(10u32, 2, 0), (0, 128, 172)] {
        let open = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let sources = (0..300)
            .map(|i| {
                let records: Vec<_> =
                    (0..5).map(|j| record(Little, EPOCH + i * step + j, 0, 4, b"abcd")).collect();
                let (bytes, open, most) = (pcap(&records), Arc::clone(&open), Arc::clone(&most));
                Source::new(format!("{i}"), move || {
                    most.fetch_max(open.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                    Ok(Box::new(Watched(Cursor::new(bytes.clone()), Arc::clone(&open))))
                })
            })
            .collect();
        let (packets, errors) = drain(&mut Merged::new(sources));
        assert_eq!((packets.len(), errors.len()), (1500, complaints));
        assert!(most.load(Ordering::Relaxed) <= bound, "{most:?}");
        assert_eq!(open.load(Ordering::Relaxed), 0);
        if let Some(error) = errors.first() {
            assert!(error.ends_with(": more than 128 files overlap in time: packets of this one come late"));
        }
    }
}

#[test]
fn packets_outside_the_window_are_passed_over_and_keep_the_numbers() {
    let bytes = pcap(&records(10));
    let frames = |from: Option<&str>, to: Option<&str>| {
        let parse = |text: &str| text.parse().unwrap();
        let window = TimeWindow { from: from.map(parse), to: to.map(parse) };
        let mut within = Within::new(CaptureReader::new(&bytes[..]).unwrap(), window);
        drain(&mut within).0.iter().map(|packet| packet.0).collect::<Vec<_>>()
    };
    assert_eq!(frames(None, None), (1..=10).collect::<Vec<_>>());
    // The third packet is 2.002 s behind the first one.
    assert_eq!(frames(Some("+2.002"), Some("+4.004s")), [3, 4]);
    assert_eq!(frames(Some("2009-02-13T23:31:38Z"), None), [9, 10]);
    assert_eq!(frames(None, Some("1234567892")), [1, 2]);
    assert_eq!(frames(Some("2009-02-14"), None), [0; 0]);
    let simple =
        [section(Little, &[]), interface(Little, 1, 0, &[]), block(Little, 3, &[4, 0, 0, 0, 1, 2, 3, 4])];
    let window = TimeWindow { from: Some("2030-01-01".parse().unwrap()), to: None };
    let bytes = simple.concat();
    assert_eq!(drain(&mut Within::new(CaptureReader::new(&bytes[..]).unwrap(), window)).0.len(), 1);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut info = lz4_flex::frame::FrameInfo::new();
    info.content_checksum = true;
    info.block_size = lz4_flex::frame::BlockSize::Max64KB;
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The old format: a magic, and blocks with their length in front.
fn lz4_legacy(bytes: &[u8]) -> Vec<u8> {
    let packed = lz4_flex::block::compress(bytes);
    [&[0x02, 0x21, 0x4c, 0x18][..], &length(&packed).to_le_bytes(), &packed].concat()
}

fn skippable(content: &[u8]) -> Vec<u8> {
    [&[0x53, 0x2a, 0x4d, 0x18][..], &length(content).to_le_bytes(), content].concat()
}

/// Reads a file of those bytes as the program does.
fn read_file(name: &str, bytes: &[u8]) -> (Vec<Seen>, Vec<String>) {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, bytes).unwrap();
    match CaptureReader::new(open(&path).unwrap()) {
        Ok(mut reader) => drain(&mut reader),
        Err(error) => (Vec::new(), vec![error.to_string()]),
    }
}

#[test]
fn every_compression_is_known_by_its_content_in_one_piece_or_in_several() {
    let bytes = pcap(&records(300));
    let whole = read(&bytes);
    let (a, b) = bytes.split_at(bytes.len() / 3);
    for (name, packed) in [
        ("gzip", gzip(&bytes)),
        ("gzip of two members", [gzip(a), gzip(b)].concat()),
        ("zstd", zstd(&bytes)),
        ("zstd of two frames", [zstd(a), zstd(b)].concat()),
        ("zstd with frames to skip", [skippable(b"x"), zstd(a), skippable(&[]), zstd(b)].concat()),
        ("lz4", lz4(&bytes)),
        ("lz4 of two frames", [lz4(a), lz4(b)].concat()),
        ("lz4 with frames to skip", [skippable(b"x"), lz4(a), skippable(b"yz"), lz4(b)].concat()),
        ("lz4 legacy", lz4_legacy(&bytes)),
        ("gzip in zstd", zstd(&gzip(&bytes))),
        ("zstd in lz4", lz4(&zstd(&bytes))),
    ] {
        assert_eq!(read_file(name, &packed), whole, "{name}");
    }
    let (packets, errors) = read_file("three layers", &gzip(&gzip(&gzip(&bytes))));
    assert!(
        packets.is_empty() && errors[0].starts_with("not a capture: the first bytes are 1f8b"),
        "{errors:?}"
    );
}

#[test]
fn compressed_files_that_are_cut_are_one_complaint_each_behind_all_that_can_be_decoded() {
    let bytes = pcap(&records(3000));
    for (name, packed, complaint) in [
        ("cut.gz", gzip(&bytes), "incomplete deflate stream"),
        ("cut.zst", zstd(&bytes), "incomplete zstd frame"),
        ("cut.lz4", lz4(&bytes), "incomplete lz4 frame"),
    ] {
        for kept in [packed.len() / 2, packed.len() - 1, packed.len() - 5, 100_000] {
            let (packets, errors) = read_file(name, &packed[..kept]);
            assert_eq!(errors.len(), 1, "{name} {kept}: {errors:?}");
            assert!(errors[0].starts_with("reading failed at file offset "), "{name} {kept}: {errors:?}");
            assert!(
                errors[0].ends_with(complaint) || errors[0].ends_with("unexpected end of file"),
                "{name}: {errors:?}"
            );
            // Blocks have at most 128 KiB.
            let least = (kept * 3000 / packed.len()).saturating_sub(450);
            assert!(packets.len() >= least, "{name} {kept}: {} of {least}", packets.len());
        }
    }
    assert!(read_file("cut.zst", &zstd(&bytes)[..100_000]).1[0].ends_with("incomplete zstd frame"));
}

#[test]
fn a_zstd_window_over_the_bound_is_refused() {
    // Window descriptor: 1 << (10 + 18) bytes.
    let bytes = [&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 18 << 3][..], &[1, 0, 0]].concat();
    let (_, errors) = read_file("window.zst", &bytes);
    assert_eq!(
        errors,
        [
            "reading failed at file offset 0: zstd frame with a window of 268435456 bytes: the most that is read is \
          134217728"
        ]
    );
}

#[test]
fn a_checksum_that_does_not_match_is_one_complaint_behind_all_packets() {
    let bytes = pcap(&records(30));
    for (name, mut packed, complaint) in [
        ("sum.zst", zstd(&bytes), "zstd frame: its checksum does not match"),
        ("sum.lz4", lz4(&bytes), "damaged lz4 frame: ContentChecksumError"),
    ] {
        *packed.last_mut().unwrap() ^= 1;
        let (packets, errors) = read_file(name, &packed);
        assert_eq!(packets.len(), 30, "{name}");
        assert_eq!(errors, [format!("reading failed at file offset {}: {complaint}", bytes.len())]);
    }
}

#[test]
fn progress_is_told_in_bytes_on_disk() {
    let packed = gzip(&pcap(&records(300)));
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let paths: Vec<_> = (0..2).map(|i| folder.join(format!("progress{i}.pcap.gz"))).collect();
    for path in &paths {
        std::fs::write(path, &packed).unwrap();
    }
    let size = packed.len() as u64;
    let progress = Progress::default();
    progress.expect(&paths[0]);
    let mut reader = CaptureReader::new(open_counted(&paths[0], &progress).unwrap()).unwrap();
    assert_eq!(progress.total(), Some(size));
    assert!(progress.read() > 0);
    drain(&mut reader);
    assert_eq!(progress.read(), size);

    let progress = Progress::default();
    let mut merged = Merged::open(&paths, &progress);
    assert_eq!((progress.read(), progress.total()), (0, Some(2 * size)));
    assert_eq!(drain(&mut merged).0.len(), 600);
    assert_eq!(progress.read(), 2 * size);
}

#[test]
fn a_reader_may_go_to_another_thread() {
    fn sent<T: Send>(_: &T) {}
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("send.pcap");
    std::fs::write(&folder, pcap(&records(1))).unwrap();
    sent(&CaptureReader::new(open(&folder).unwrap()).unwrap());
    sent(&merged(vec![]));
    let error = CaptureError::Empty;
    sent(&error);
}

#[test]
fn the_shared_captures_hold_what_another_parser_finds_in_them() {
    use pcap_parser::traits::PcapNGPacketBlock;
    use pcap_parser::{Block, PcapBlockOwned, PcapError, create_reader};
    let mut compared = 0;
    for name in support::names() {
        let path = support::folder().join(&name);
        let mut bytes = Vec::new();
        open(&path).unwrap().read_to_end(&mut bytes).unwrap();
        let Ok(mut theirs) = create_reader(1 << 20, Cursor::new(bytes)) else { continue };
        let mut found = Vec::new();
        loop {
            match theirs.next() {
                Ok((offset, block)) => {
                    match block {
                        PcapBlockOwned::Legacy(packet) => found.push(packet.data.to_vec()),
                        PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                            found.push(packet.packet_data().to_vec());
                        }
                        _ => {}
                    }
                    theirs.consume(offset);
                }
                Err(PcapError::Incomplete(_)) => theirs.refill().unwrap(),
                Err(_) => break,
            }
        }
        let mut ours = CaptureReader::new(open(&path).unwrap()).unwrap();
        let ours: Vec<_> = drain(&mut ours).0.into_iter().map(|packet| packet.3).collect();
        // The one that ends inside a record ends there for both.
        assert_eq!(ours, found, "{name}");
        compared += found.len();
    }
    assert!(compared > 3000, "{compared}");
}

#[test]
fn a_capture_inside_a_packet_is_not_taken_for_the_one_around_it() {
    let inner: Vec<_> =
        (0..12).map(|i| record(Little, EPOCH - 90_000_000 + i, 0, 60, &noise(9, 60))).collect();
    let inner = inner.concat();
    let mut outer = records(12);
    outer[5] = record(Little, EPOCH + 5, 0, length(&inner), &inner);
    let whole = read(&pcap(&outer)).0;
    assert_eq!(whole.len(), 12);
    for wrong in [0xffff_ffff_u32, 200, 2000, 61] {
        let mut bad = outer.clone();
        bad[5][8..12].copy_from_slice(&wrong.to_le_bytes());
        let (packets, errors) = read(&pcap(&bad));
        assert_eq!((packets, errors.len()), (without(&whole, 5), 1), "{wrong}");
        let mut bad = outer.clone();
        bad[6][8..12].copy_from_slice(&wrong.to_le_bytes());
        let (packets, errors) = read(&pcap(&bad));
        assert_eq!((packets, errors.len()), (without(&whole, 6), 1), "{wrong}");
    }
}

/// Bits one by one, and some bytes that are all another.
const FLIPS: [u8; 10] = [1, 2, 4, 8, 16, 32, 64, 128, 0x55, 0xff];

#[test]
fn no_single_byte_of_a_record_header_costs_another_packet() {
    let good = records(12);
    let whole = read(&pcap(&good)).0;
    for index in 0..good.len() {
        for (at, flip) in (0..16).flat_map(|at| FLIPS.map(|flip| (at, flip))) {
            let mut bad = good.clone();
            bad[index][at] ^= flip;
            let (packets, errors) = read(&pcap(&bad));
            let others: Vec<_> = packets.into_iter().filter(|packet| packet.0 != index as u64 + 1).collect();
            assert_eq!(others, without(&whole, index), "byte {at} of record {index} ^ {flip}: {errors:?}");
            assert!(errors.len() <= 1, "byte {at} of record {index} ^ {flip}: {errors:?}");
        }
    }
}

#[test]
fn no_single_byte_of_a_packet_block_costs_another_packet() {
    for order in [Little, Big] {
        let good = blocks(order, 12);
        let whole = read(&good.concat()).0;
        for index in 2..14 {
            // Behind the type; the last four stand for the length at the block's end.
            for (at, flip) in (4..32).flat_map(|at| FLIPS.map(|flip| (at, flip))) {
                let mut bad = good.clone();
                let place = if at < 28 { at } else { bad[index].len() - 32 + at };
                bad[index][place] ^= flip;
                let (packets, errors) = read(&bad.concat());
                let others: Vec<_> =
                    packets.into_iter().filter(|packet| packet.0 != index as u64 - 1).collect();
                assert_eq!(
                    others,
                    without(&whole, index - 2),
                    "byte {at} of block {index} ^ {flip}: {errors:?}"
                );
                assert!(errors.len() <= 1, "byte {at} of block {index} ^ {flip}: {errors:?}");
            }
        }
    }
}
