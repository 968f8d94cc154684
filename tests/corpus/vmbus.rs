//! Seeds of `vmbus_control`, `vmbus_ring` and `vmbus_pipe`: what the recordings of `captures/vmbus/` hold, one of a kind, and
//! choices of packets for a writer.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use volact::capture::CaptureReader;
use volact::vmbus::control::Message;
use volact::vmbus::{
    ChannelClass, Direction, PAGE_LEN, Packet, Record, RecordKind, Ring, RingPair, RingWriter, pipe,
};

use crate::support;

/// Target, name and bytes of each.
pub(crate) fn all() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut seeds = control();
    seeds.extend(rings());
    seeds.extend(choices());
    seeds.extend(pipes());
    seeds
}

fn folder() -> PathBuf {
    support::folder().join("vmbus")
}

/// Every type of message in each of its lengths.
fn control() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut seen = BTreeSet::new();
    let mut seeds = Vec::new();
    for bytes in records("vmbus_control.pcapng") {
        let record = Record::parse(&bytes).unwrap();
        let (message, error) = Message::parse_lax(record.bytes).unwrap();
        let name = message.kind.name().unwrap_or("unknown");
        let cut = if error.is_some() { "_cut" } else { "" };
        let name = format!("vmbus_control.{name}_{}{cut}", record.bytes.len());
        if seen.insert(name.clone()) {
            seeds.push(("vmbus_control", name, record.bytes.to_vec()));
        }
    }
    seeds
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
    assert!(Ring::parse(dump).is_ok());
    [&[0], &dump[..8], &dump[PAGE_LEN..]].concat()
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

/// The first records of each recording as whole records, and payloads as the target makes packets of them.
fn pipes() -> Vec<(&'static str, String, Vec<u8>)> {
    const MOST: usize = 4000;
    let mut seeds = Vec::new();
    let names = [
        "vmbus_avma",
        "vmbus_bytes",
        "vmbus_control",
        "vmbus_damaged",
        "vmbus_kvp",
        "vmbus_synthrdp",
        "vmbus_written",
    ];
    for name in names {
        let mut plan = vec![0];
        for bytes in records(&format!("{name}.pcapng")) {
            if plan.len() + bytes.len() < MOST {
                put(&mut plan, 8, &bytes);
            }
        }
        seeds.push(("vmbus_pipe", format!("{name}.records"), plan));
        let mut plan = vec![class_of(name)];
        let mut count = 0;
        for bytes in records(&format!("{name}.pcapng")) {
            let Ok(record) = Record::parse(&bytes) else { continue };
            let from = u8::from(record.direction == Direction::HostToGuest);
            let (kind, bytes) = match (record.kind, Packet::parse(record.bytes)) {
                (RecordKind::Control, _) => (from | 2, record.bytes),
                (_, Ok(packet)) => (from, packet.payload),
                (_, Err(_)) => (from | 4, record.bytes),
            };
            if count < 24 && plan.len() + bytes.len() < 2 * MOST {
                put(&mut plan, kind, bytes);
                count += 1;
            }
        }
        seeds.push(("vmbus_pipe", format!("{name}.payloads"), plan));
    }
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
                put(&mut plan, 0, payload);
            }
            let mode = if mode == 0 { "message" } else { "byte" };
            seeds.push(("vmbus_pipe", format!("{name}.{mode}"), plan));
        }
    }
    seeds
}

fn put(plan: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    plan.push(kind);
    plan.extend(u16::try_from(bytes.len()).unwrap().to_le_bytes());
    plan.extend_from_slice(bytes);
}

/// The number of the class that a recording is about, with the bit of byte mode.
fn class_of(name: &str) -> u8 {
    let class = match name {
        "vmbus_kvp" => ChannelClass::Kvp,
        "vmbus_synthrdp" => ChannelClass::SynthRdpControl,
        _ => ChannelClass::Avma,
    };
    let number = ChannelClass::all().position(|known| known == class).unwrap();
    u8::try_from(number).unwrap() | if name == "vmbus_bytes" { 0x80 } else { 0 }
}

fn records(name: &str) -> Vec<Vec<u8>> {
    let mut reader = CaptureReader::new(fs::File::open(folder().join(name)).unwrap()).unwrap();
    let mut records = Vec::new();
    while let Some(packet) = reader.next_packet().unwrap() {
        records.push(packet.data.to_vec());
    }
    records
}
