//! Every encapsulation around the packets of a real recording: the same exchanges come out of it as of the plain
//! recording, and tshark, which nobody of this project wrote, reads the same segments and PDUs in the same packets.
//!
//! Without tshark that comparison is skipped with a message, unless `VOLACT_REQUIRE_TSHARK=1`.

mod support;

#[path = "../src/capture/layers/samples.rs"]
mod samples;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use samples::{ENCAPSULATIONS, ethernet, ethertype_of, ipv4};
use support::Decoded;
use volact::capture::{CaptureReader, Endpoint, Layers};

/// Recordings on the loopback device: Ethernet, IPv4 and IPv6, without fragments.
const RECORDINGS: [&str; 2] = ["vlmcs_vlmcsd_v6_default.pcap", "vlmcs_vlmcsd_v6_ipv6.pcap"];
/// The server's port in both.
const SERVER: u16 = 1688;

/// Encapsulations that tshark does not follow, or not to its end, with the reason. Each must be needed.
const NOT_IN_TSHARK: [(&str, &str); 4] = [
    ("qinq_9200", "it does not take ethertype 0x9200 for a tag"),
    ("ppp_pppd", "it does not know the link type"),
    ("mpls_link", "it does not know the link type"),
    ("nflog_big", "it reads the attributes in its own byte order"),
];

/// The IP packets of a recording with their times in microseconds.
fn packets(name: &str) -> Vec<(u64, Vec<u8>)> {
    let mut reader = CaptureReader::new(fs::File::open(support::folder().join(name)).unwrap()).unwrap();
    let mut packets = Vec::new();
    while let Some(packet) = reader.next_packet().unwrap() {
        let time = u64::try_from(packet.time.unwrap()).unwrap() / 1000;
        packets.push((time, packet.data[14..].to_vec()));
    }
    packets
}

/// A packet of a pcapng file: the number of its interface, its time, and its bytes.
struct Written {
    interface: usize,
    time: u64,
    data: Vec<u8>,
}

/// A pcapng file with one interface a link type.
fn pcapng(links: &[u16], packets: &[Written]) -> Vec<u8> {
    fn block(file: &mut Vec<u8>, kind: u32, body: &[u8]) {
        let length = u32::try_from(12 + body.len().next_multiple_of(4)).unwrap();
        file.extend(kind.to_le_bytes());
        file.extend(length.to_le_bytes());
        file.extend(body);
        file.resize(file.len().next_multiple_of(4), 0);
        file.extend(length.to_le_bytes());
    }
    let mut file = Vec::new();
    let mut section = vec![0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0];
    section.extend([0xff; 8]);
    block(&mut file, 0x0a0d_0d0a, &section);
    for link in links {
        block(&mut file, 1, &[&link.to_le_bytes()[..], &[0; 6]].concat());
    }
    for packet in packets {
        let length = u32::try_from(packet.data.len()).unwrap();
        let [low, high] =
            [packet.time & 0xffff_ffff, packet.time >> 32].map(|half| u32::try_from(half).unwrap());
        let interface = u32::try_from(packet.interface).unwrap();
        let head = [interface, high, low, length, length].map(u32::to_le_bytes).concat();
        block(&mut file, 6, &[&head, &packet.data[..]].concat());
    }
    file
}

/// The packet with another port of the client's; what the checksums become does not matter here.
fn with_client_port(ip: &[u8], port: u16) -> Vec<u8> {
    let mut bytes = ip.to_vec();
    let tcp = if ip[0] >> 4 == 4 { 20 } else { 40 };
    let is_from_server = bytes[tcp..tcp + 2] == SERVER.to_be_bytes();
    let at = if is_from_server { tcp + 2 } else { tcp };
    bytes[at..at + 2].copy_from_slice(&port.to_be_bytes());
    bytes
}

/// All that was found, as text, without what counts the file's own bytes.
fn found(decoded: &Decoded) -> String {
    format!("{:?}\n{:?}\n{:?}", decoded.exchanges, decoded.connections, decoded.notices)
}

#[test]
fn every_encapsulation_has_the_exchanges_of_the_plain_recording() {
    for name in RECORDINGS {
        let plain = support::decode(name);
        assert!(plain.summary.answered >= 2);
        for sample in ENCAPSULATIONS {
            let written: Vec<Written> = packets(name)
                .into_iter()
                .map(|(time, ip)| Written { interface: 0, time, data: (sample.wrap)(&ip) })
                .collect();
            let decoded = support::decode_bytes(&pcapng(&[sample.link], &written));
            assert!(found(&decoded) == found(&plain), "{name} in {}", sample.name);
        }
    }
}

#[test]
fn tshark_reads_every_encapsulation_the_same() {
    if is_skipped() {
        return;
    }
    for name in RECORDINGS {
        let packets = packets(name);
        let links: Vec<u16> = ENCAPSULATIONS.iter().map(|sample| sample.link).collect();
        let mut written = Vec::new();
        for (number, sample) in ENCAPSULATIONS.iter().enumerate() {
            written.extend(packets.iter().map(|(time, ip)| Written {
                interface: number,
                time: time + number as u64 * 1_000_000,
                data: (sample.wrap)(&with_client_port(ip, client_port(number))),
            }));
        }
        let path = write(&format!("layers_{name}ng"), &pcapng(&links, &written));
        let (ours, theirs) = (of_volact(&path), of_tshark(&path));
        assert_eq!((ours.len(), theirs.len()), (written.len(), written.len()));
        let mut differences = Vec::new();
        for (number, sample) in ENCAPSULATIONS.iter().enumerate() {
            let range = number * packets.len()..(number + 1) * packets.len();
            assert!(ours[range.clone()].iter().all(Option::is_some), "{}", sample.name);
            let difference = range.clone().find(|&i| {
                // The PDUs are those of the first way, which is plain Ethernet.
                let plain = &theirs[i - range.start].pdus;
                theirs[i].segment != ours[i] || theirs[i].pdus != *plain
            });
            let exception = NOT_IN_TSHARK.iter().find(|(excepted, _)| *excepted == sample.name);
            match (difference, exception) {
                (None, Some((_, why))) => {
                    differences.push(format!("{}: no exception is needed ({why})", sample.name));
                }
                (Some(i), None) => {
                    differences.push(format!("{}: {:?}, tshark {:?}", sample.name, ours[i], theirs[i]));
                }
                _ => {}
            }
        }
        assert!(differences.is_empty(), "{name}:\n{}", differences.join("\n"));
    }
}

/// Ways to send a recording's packets in fragments of a few bytes: the fragments of one packet in, and what is sent out.
type Shuffle = fn(Vec<Vec<u8>>) -> Vec<Vec<u8>>;

/// The name, whether the parts overlap, whether all of it arrives, and what is done with the fragments.
const FRAGMENTATIONS: &[(&str, bool, bool, Shuffle)] = &[
    ("in order", false, true, |parts| parts),
    ("backwards", false, true, |parts| parts.into_iter().rev().collect()),
    ("shuffled", false, true, |mut parts| {
        // Every other one first, those left out after them backwards.
        let (mut even, mut odd) = (Vec::new(), Vec::new());
        for (i, part) in parts.drain(..).enumerate() {
            if i % 2 == 0 { even.push(part) } else { odd.push(part) }
        }
        even.into_iter().chain(odd.into_iter().rev()).collect()
    }),
    ("twice", false, true, |parts| parts.into_iter().flat_map(|part| [part.clone(), part]).collect()),
    ("overlapping", true, true, |parts| parts),
    ("overlapping backwards", true, true, |parts| parts.into_iter().rev().collect()),
    ("without the first", false, false, |mut parts| parts.split_off(1)),
    ("without the last", false, false, |mut parts| {
        parts.pop();
        parts
    }),
    ("in gre", false, true, |parts| parts.iter().map(|part| in_gre(part)).collect()),
    ("in gre in fragments", false, true, |parts| {
        parts
            .iter()
            .enumerate()
            .flat_map(|(i, part)| fragmented(&in_gre(part), 2000 + i, 24, false))
            .collect()
    }),
];

fn in_gre(ip: &[u8]) -> Vec<u8> {
    ipv4(47, &[&[0, 0], &ethertype_of(ip).to_be_bytes()[..], ip].concat())
}

/// The fragments of an IP packet: `size` bytes each, or 8 more where they overlap.
fn fragmented(ip: &[u8], identification: usize, size: usize, overlap: bool) -> Vec<Vec<u8>> {
    let is_v4 = ip[0] >> 4 == 4;
    let (header, payload) = ip.split_at(if is_v4 { 20 } else { 40 });
    let identification = u16::try_from(identification).unwrap().to_be_bytes();
    let mut parts = Vec::new();
    for from in (0..payload.len()).step_by(size) {
        let to = payload.len().min(from + size + if overlap { 8 } else { 0 });
        let more = to < payload.len();
        let offset = u16::try_from(from).unwrap();
        let mut part = header.to_vec();
        if is_v4 {
            let place = (offset / 8) | if more { 0x2000 } else { 0 };
            part[2..4].copy_from_slice(&u16::try_from(20 + to - from).unwrap().to_be_bytes());
            part[4..6].copy_from_slice(&identification);
            part[6..8].copy_from_slice(&place.to_be_bytes());
            part[10..12].fill(0);
            let checksum = !samples::sum16(&part);
            part[10..12].copy_from_slice(&checksum.to_be_bytes());
        } else {
            part[4..6].copy_from_slice(&u16::try_from(8 + to - from).unwrap().to_be_bytes());
            part[6] = 44;
            part.extend([header[6], 0]);
            part.extend((offset | u16::from(more)).to_be_bytes());
            part.extend([0, 0]);
            part.extend(identification);
        }
        part.extend(&payload[from..to]);
        parts.push(part);
        if !more {
            break;
        }
    }
    parts
}

/// The recording in fragments. Those of the first three packets, the handshake, are sent as they were.
fn fragmentation(name: &str, number: usize, port: u16) -> Vec<Written> {
    let (_, overlap, _, shuffle) = FRAGMENTATIONS[number];
    let mut written = Vec::new();
    for (i, (time, ip)) in packets(name).into_iter().enumerate() {
        let ip = with_client_port(&ip, port);
        let parts = if i < 3 { vec![ip] } else { shuffle(fragmented(&ip, number * 100 + i, 16, overlap)) };
        let time = time + number as u64 * 100_000_000;
        let wrapped = parts.iter().map(|part| ethernet(ethertype_of(part), part));
        written.extend(wrapped.map(|data| Written { interface: 0, time, data }));
    }
    written
}

#[test]
fn a_recording_in_fragments_has_the_exchanges_of_the_plain_recording() {
    for name in RECORDINGS {
        let plain = support::decode(name);
        let messages = |decoded: &Decoded| -> Vec<Vec<u8>> {
            decoded.pdus.iter().map(|pdu| pdu.bytes.clone()).collect()
        };
        for (number, (way, _, is_whole, _)) in FRAGMENTATIONS.iter().enumerate() {
            let decoded = support::decode_bytes(&pcapng(&[1], &fragmentation(name, number, 40_000)));
            let summary = &decoded.summary;
            assert_eq!(summary.conflicting_fragments, 0, "{name} {way}");
            assert_eq!(summary.incomplete_datagrams > 0, !is_whole, "{name} {way}");
            if *is_whole {
                assert!(messages(&decoded) == messages(&plain), "{name} {way}");
                assert_eq!(
                    (summary.answered, decoded.notices.len()),
                    (plain.summary.answered, 0),
                    "{name} {way}"
                );
            } else {
                assert_eq!(summary.pdus, 0, "{name} {way}");
            }
        }
    }
}

#[test]
fn tshark_puts_fragments_together_the_same() {
    if is_skipped() {
        return;
    }
    for name in RECORDINGS {
        let mut written = Vec::new();
        let mut ends = Vec::new();
        for number in 0..FRAGMENTATIONS.len() {
            written.extend(fragmentation(name, number, client_port(number)));
            ends.push(written.len());
        }
        let path = write(&format!("fragments_{name}ng"), &pcapng(&[1], &written));
        let (ours, theirs) = (of_volact(&path), of_tshark(&path));
        assert_eq!((ours.len(), theirs.len()), (written.len(), written.len()));
        for (i, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            let way = FRAGMENTATIONS[ends.iter().position(|&end| i < end).unwrap()].0;
            assert_eq!(*ours, theirs.segment, "{name} {way} frame {}", i + 1);
        }
    }
}

fn client_port(number: usize) -> u16 {
    20_000 + u16::try_from(number).unwrap()
}

fn write(name: &str, bytes: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// A segment as both sides know it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    source: Endpoint,
    destination: Endpoint,
    sequence: u64,
    acknowledgment: u64,
    /// FIN, SYN, RST and ACK.
    flags: u64,
    length: u64,
}

/// What tshark reads in a packet.
#[derive(Debug)]
struct Row {
    segment: Option<Segment>,
    /// PTYPE and call of the PDUs that end in it.
    pdus: [String; 2],
}

fn of_volact(path: &Path) -> Vec<Option<Segment>> {
    let mut reader = CaptureReader::new(fs::File::open(path).unwrap()).unwrap();
    let mut layers = Layers::default();
    let mut rows = Vec::new();
    while let Some(packet) = reader.next_packet().unwrap() {
        rows.push(layers.segment(&packet).ok().map(|segment| {
            let flags = segment.flags;
            let bits = [(flags.fin, 1), (flags.syn, 2), (flags.rst, 4), (flags.ack, 0x10)];
            Segment {
                source: segment.source,
                destination: segment.destination,
                sequence: segment.sequence.into(),
                acknowledgment: if flags.ack { segment.acknowledgment.into() } else { 0 },
                flags: bits.iter().filter(|(is_set, _)| *is_set).map(|(_, bit)| bit).sum(),
                length: segment.payload_length.into(),
            }
        }));
    }
    rows
}

const FIELDS: [&str; 12] = [
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.seq_raw",
    "tcp.ack_raw",
    "tcp.flags",
    "tcp.len",
    "dcerpc.pkt_type",
    "dcerpc.cn_call_id",
];

fn of_tshark(path: &Path) -> Vec<Row> {
    let output = Command::new("tshark")
        // Whatever the user has set in Wireshark must not matter.
        .env("WIRESHARK_CONFIG_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("no_wireshark_config"))
        .args(["-n", "-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", "-E", "aggregator=,"])
        .args(["-d", "tcp.port==1688,dcerpc", "-d", "udp.port==8472,vxlan"])
        .args(["-d", "mpls.label==777,pwethcw", "-d", "mpls.label==778,pwethnocw"])
        .args(FIELDS.iter().flat_map(|field| ["-e", field]))
        .arg("-r")
        .arg(path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            assert_eq!(columns.len(), FIELDS.len(), "{line:?}");
            let pdus = [columns[10].to_owned(), columns[11].to_owned()];
            let segment = (!columns[4].is_empty()).then(|| segment_of(&columns));
            Row { segment, pdus }
        })
        .collect()
}

fn segment_of(columns: &[&str]) -> Segment {
    // The recordings are on loopback: their addresses are these, and no tunnel's here are.
    let address = |v4: usize, v6: usize| {
        let mut all = columns[v4].split(',').chain(columns[v6].split(','));
        all.find(|address| *address == "127.0.0.1" || *address == "::1").unwrap_or_default().parse().unwrap()
    };
    let endpoint =
        |v4, v6, port: usize| Endpoint { address: address(v4, v6), port: columns[port].parse().unwrap() };
    let flags = u64::from_str_radix(columns[8].trim_start_matches("0x"), 16).unwrap() & 0x17;
    Segment {
        source: endpoint(0, 2, 4),
        destination: endpoint(1, 3, 5),
        sequence: columns[6].parse().unwrap(),
        acknowledgment: if flags & 0x10 == 0 { 0 } else { columns[7].parse().unwrap() },
        flags,
        length: columns[9].parse().unwrap(),
    }
}

fn is_skipped() -> bool {
    if Command::new("tshark").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return false;
    }
    assert!(
        std::env::var_os("VOLACT_REQUIRE_TSHARK").is_none_or(|value| value != "1"),
        "VOLACT_REQUIRE_TSHARK=1, and there is no tshark"
    );
    eprintln!("skipped: there is no tshark to compare with");
    true
}
