//! Seeds of `vmbus_control`, `vmbus_ring` and `vmbus_pipe`: what the recordings of `captures/vmbus/` hold, one of a kind, and
//! choices of packets for a writer.

use std::fs;
use std::path::PathBuf;

use volact::capture::CaptureReader;
use volact::fuzzing::seeds::{Cutter, formats};
use volact::trace::Options;
use volact::vmbus::{PAGE_LEN, Packet, Ring, RingPair, RingWriter, pipe};

use crate::support;

/// Target, name and bytes of each.
pub(crate) fn all() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut seeds = recorded();
    seeds.extend(rings());
    seeds.extend(choices());
    seeds.extend(pipes());
    seeds
}

fn folder() -> PathBuf {
    support::folder().join("vmbus")
}

/// Every type of message in each of its lengths, the first records of each recording as whole records, and payloads.
fn recorded() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut cutter = Cutter::new(&Options::default(), &[]).only(&["vmbus_control", "vmbus_pipe"]);
    for name in [
        "vmbus_avma",
        "vmbus_bytes",
        "vmbus_control",
        "vmbus_damaged",
        "vmbus_kvp",
        "vmbus_synthrdp",
        "vmbus_written",
    ] {
        let file = fs::File::open(folder().join(format!("{name}.pcapng"))).unwrap();
        assert!(cutter.packets(name, &mut CaptureReader::new(file).unwrap(), &[]).is_empty());
    }
    let seeds = cutter.finish();
    seeds.iter().map(|(target, name, bytes)| (target, name.to_owned(), bytes.to_vec())).collect()
}

/// Both rings of each dump, as the target reads them, with less data in them.
fn rings() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for (name, page) in [("vmbus_wrap", None), ("vmbus_consumed", Some(2)), ("vmbus_torn", None)] {
        let dump = fs::read(folder().join(format!("{name}.ring"))).unwrap();
        let pair = RingPair::parse(&dump, page).unwrap();
        for (ring, side) in [(pair.guest_to_host, "sent"), (pair.host_to_guest, "received")] {
            seeds.push(("vmbus_ring", format!("{name}.{side}"), as_seed(&ring.encode())));
        }
    }
    let small = |change: fn(&mut Vec<u8>)| {
        let mut writer = RingWriter::starting_at(256, 232);
        for i in 0..3 {
            writer.push(&Packet::in_band(i, &pipe::Packet::data(b"test payload").encode())).unwrap();
        }
        writer.consume();
        let mut dump = writer.dump();
        change(&mut dump);
        as_seed(&dump)
    };
    let made: [(&str, Vec<u8>); 8] = [
        ("small", small(|_| {})),
        ("small_empty", small(|dump| dump.copy_within(4..8, 0))),
        ("small_all_read", small(|dump| dump.copy_within(0..4, 4))),
        ("small_write_offset_odd", small(|dump| dump[0] |= 4)),
        ("small_read_offset_beyond", small(|dump| dump[5] = 1)),
        ("small_length_of_zero", small(|dump| dump[PAGE_LEN + 24 + 4] = 0)),
        ("small_type_unknown", small(|dump| dump[PAGE_LEN + 24] = 77)),
        ("small_footer", small(|dump| dump[PAGE_LEN + 20] = 1)),
    ];
    seeds.extend(made.map(|(name, seed)| ("vmbus_ring", name.to_owned(), seed)));
    seeds
}

/// A dump as the target reads it: without the page but for its offsets.
fn as_seed(dump: &[u8]) -> Vec<u8> {
    formats::ring(&Ring::parse(dump).unwrap())
}

/// Choices of a writer: size, beginning, and for each packet type, transaction, length and flags.
fn choices() -> Vec<(&'static str, String, Vec<u8>)> {
    let plan = |size: u8, start: u8, step: fn(u8) -> [u8; 4]| {
        [1, size, start].into_iter().chain((0..40).flat_map(step)).collect::<Vec<u8>>()
    };
    let plans = [
        ("written_in_order", plan(60, 0, |i| [6, i, 13, 2])),
        ("written_wrapping", plan(20, 19, |i| [6, i, i, 2])),
        ("written_full", plan(40, 5, |i| [6, i, 24, 0])),
        ("written_in_a_ring_of_32", plan(0, 3, |i| [6, i, 0, 2])),
        ("written_with_ranges", plan(255, 100, |i| [9, i, 40, (i << 4) | 3])),
        ("written_of_all_types", plan(255, 7, |i| [i, i, i.wrapping_mul(7), i.wrapping_mul(37)])),
    ];
    plans.map(|(name, seed)| ("vmbus_ring", name.to_owned(), seed)).to_vec()
}

/// Payloads made by hand, in a pipe of messages and in one of bytes.
fn pipes() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut seeds = Vec::new();
    let header =
        |kind: u32, length: u32, data: &[u8]| [&kind.to_le_bytes()[..], &length.to_le_bytes(), data].concat();
    for (name, payloads) in [
        ("header_cut", vec![vec![1, 0, 0]]),
        ("length_too_long", vec![header(1, 16385, b"test")]),
        ("data_cut", vec![header(1, 5, b"test")]),
        ("partial", vec![header(2, 4 | 2 << 16, b"test"), header(2, 4 | 5 << 16, b"test")]),
        ("gpa_direct", vec![header(3, 4, b"test"), header(4, 4, b"test")]),
        ("end", vec![header(1, 4, b"test"), header(1, 0, b""), header(1, 4, b"test")]),
        ("type_unknown", vec![header(5, 4, b"test")]),
    ] {
        for mode in [0, 0x80] {
            let mut plan = vec![mode];
            for payload in &payloads {
                formats::put(&mut plan, 0, payload);
            }
            let mode = if mode == 0 { "message" } else { "byte" };
            seeds.push(("vmbus_pipe", format!("{name}.{mode}"), plan));
        }
    }
    seeds
}
