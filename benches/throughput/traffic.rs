//! Large captures, built from `captures/`: too large for the repository, the same bytes on every machine.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::{fs, iter};

/// What a built capture holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Conversations of `captures/`, each time with a client of its own, 32 at a time.
    Kms,
    /// Machines, each with a CMID and a name of its own, that ask once, three on a connection, whatever length is wanted.
    Machines,
    /// Packets of 1,024 bytes on 1,000 connections to port 443.
    Other,
    /// A SYN to port 1688 from everywhere, and nothing behind it.
    HalfOpen,
    /// First fragments of datagrams, each of another one.
    Fragments,
    /// One connection to port 1688 of which every second segment is missing.
    Gaps,
}

impl Kind {
    const ALL: [Self; 6] =
        [Self::Kms, Self::Machines, Self::Other, Self::HalfOpen, Self::Fragments, Self::Gaps];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kms => "kms",
            Self::Machines => "machines",
            Self::Other => "other",
            Self::HalfOpen => "half-open",
            Self::Fragments => "fragments",
            Self::Gaps => "gaps",
        }
    }

    pub(super) fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// The captures that [`Kind::Kms`] repeats: every version, both syntaxes, four makers of clients and four of hosts.
const SOURCES: [&str; 14] = [
    "vlmcs_vlmcsd_v6_default.pcap",
    "vlmcs_vlmcsd_v5_default.pcap",
    "vlmcs_vlmcsd_v4_default.pcap",
    "vlmcs_vlmcsd_v6_plain.pcap",
    "vlmcs_vlmcsd_v6_disconnect.pcap",
    "vlmcs_vlmcsd_prod_win10.pcap",
    "vlmcs_vlmcsd_prod_office2019.pcap",
    "vlmcs_pykms_v6.pcap",
    "pykms_pykms_v5.pcap",
    "rsclient_rsserver_v6.pcap",
    "rsclient_rsserver_v4.pcap",
    "impacket_vlmcsd_ndr64.pcap",
    "samba_vlmcsd_plain.pcap",
    "scapy_vlmcsd_ndr64.pcap",
];

/// Conversations that go on at the same time.
const CONCURRENT: usize = 32;

/// Microseconds between two packets.
const STEP: u64 = 20;

/// 2026-11-21T00:00:00Z.
const BEGIN: u64 = 1_795_219_200;

/// Writes a capture of at least `length` bytes.
pub(super) fn build(kind: Kind, length: u64, out: impl Write) -> io::Result<()> {
    build_until(kind, length, u64::MAX, out)
}

/// Writes a capture of about so many packets.
pub(super) fn build_packets(kind: Kind, packets: u64, out: impl Write) -> io::Result<()> {
    build_until(kind, u64::MAX, packets, out)
}

fn build_until(kind: Kind, length: u64, packets: u64, out: impl Write) -> io::Result<()> {
    let out = BufWriter::with_capacity(1 << 20, out);
    let mut writer = Writer { out, packets: 0, written: 0, until: (length, packets) };
    writer.header()?;
    match kind {
        Kind::Kms => kms(&mut writer)?,
        Kind::Machines => machines(&mut writer)?,
        Kind::Other => other(&mut writer)?,
        Kind::HalfOpen => half_open(&mut writer)?,
        Kind::Fragments => fragments(&mut writer)?,
        Kind::Gaps => gaps(&mut writer)?,
    }
    writer.out.flush()
}

struct Writer<W: Write> {
    out: BufWriter<W>,
    packets: u64,
    written: u64,
    /// Bytes and packets that are enough.
    until: (u64, u64),
}

impl<W: Write> Writer<W> {
    fn wants_more(&self) -> bool {
        self.written < self.until.0 && self.packets < self.until.1
    }

    fn header(&mut self) -> io::Result<()> {
        let words = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1];
        for word in words {
            self.out.write_all(&word.to_le_bytes())?;
        }
        self.written = 24;
        Ok(())
    }

    fn packet(&mut self, parts: [&[u8]; 2]) -> io::Result<()> {
        let time = BEGIN * 1_000_000 + self.packets * STEP;
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        let words = [time / 1_000_000, time % 1_000_000, length as u64, length as u64];
        for word in words {
            self.out.write_all(&u32::try_from(word).map_err(io::Error::other)?.to_le_bytes())?;
        }
        for part in parts {
            self.out.write_all(part)?;
        }
        self.packets += 1;
        self.written += 16 + length as u64;
        Ok(())
    }
}

/// A conversation that is being written.
struct Conversation<'a> {
    packets: &'a [Vec<u8>],
    next: usize,
    client: [u8; 4],
}

fn kms(writer: &mut Writer<impl Write>) -> io::Result<()> {
    let sources: Vec<Vec<Vec<u8>>> = SOURCES.iter().map(|name| packets(name)).collect();
    let mut sources = sources.iter().cycle();
    let mut clients = (0u32..).map(|number| {
        let [_, a, b, c] = number.to_be_bytes();
        [10, a, b, c]
    });
    let mut begin = || {
        let packets = sources.next().expect("it goes round");
        Conversation { packets, next: 0, client: clients.next().expect("they are enough") }
    };
    let mut talking: Vec<Conversation<'_>> = iter::repeat_with(&mut begin).take(CONCURRENT).collect();
    let mut packet = Vec::new();
    // Those that are open at the end are written to their end.
    while !talking.is_empty() {
        let mut at = 0;
        while at < talking.len() {
            let conversation = &mut talking[at];
            packet.clone_from(&conversation.packets[conversation.next]);
            readdress(&mut packet, conversation.client);
            writer.packet([&packet, &[]])?;
            conversation.next += 1;
            if conversation.next < conversation.packets.len() {
                at += 1;
            } else if writer.wants_more() {
                talking[at] = begin();
                at += 1;
            } else {
                talking.remove(at);
            }
        }
    }
    Ok(())
}

/// Machines of [`Kind::Machines`].
const MACHINES: u128 = 10_000;

/// Conversations of version 4, whose MAC is all that has to be made anew.
fn machines(writer: &mut Writer<impl Write>) -> io::Result<()> {
    let packets = packets("vlmcs_vlmcsd_v4_default.pcap");
    let mut machine = 0;
    for client in 0u32.. {
        if machine >= MACHINES {
            break;
        }
        let [_, a, b, c] = client.to_be_bytes();
        for packet in &packets {
            let mut packet = packet.clone();
            machine += u128::from(is_of_machine(&mut packet, machine));
            readdress(&mut packet, [10, a, b, c]);
            writer.packet([&packet, &[]])?;
        }
    }
    Ok(())
}

/// Puts the machine's CMID and name into a call; true where it was a response, behind which comes the next machine's.
fn is_of_machine(packet: &mut [u8], machine: u128) -> bool {
    use volact::kms::{Ndr, RequestBody, RequestMessage, RequestStub, ResponseMessage, ResponseStub, mac};
    use volact::rpc::{Body, Pdu};
    use volact::wire::Guid;

    let cmid = Guid::from_u128(0x7000_0000_0000_4000_8000_0000_0000_0000 + machine);
    let head = usize::from(packet[14] & 0x0f) * 4;
    let payload = 14 + head + usize::from(packet[14 + head + 12] >> 4) * 4;
    let Ok(pdu) = Pdu::parse(&packet[payload..]) else { return false };
    let order = pdu.header.drep.endianness();
    let (old, new, is_response) = match &pdu.body {
        Body::Request(call) => {
            let fits = |ndr| {
                RequestStub::parse(call.stub, ndr, order)
                    .ok()
                    .filter(|stub| stub.data.len() == 252 && stub.max_count == 252)
            };
            let Some(stub) = fits(Ndr::Ndr32).or_else(|| fits(Ndr::Ndr64)) else { return false };
            let RequestMessage::V4(mut message) = RequestMessage::decode(stub.data) else { return false };
            message.body.cmid = cmid;
            let name = RequestBody::machine_name_of(&format!("machine{machine:05}.corp.example"));
            message.body.machine_name = name.expect("it is short");
            message.mac = mac::v4(&message.body.encode());
            (stub.data.to_vec(), RequestMessage::V4(message).encode(), false)
        }
        Body::Response(answer) => {
            let of = |ndr| {
                let stub = ResponseStub::parse(answer.stub, ndr, order).ok()?;
                // Read as the other syntax, its counts do not agree.
                if stub.max_count != Some(stub.data.len() as u64) {
                    return None;
                }
                match ResponseMessage::decode(stub.data) {
                    ResponseMessage::V4(message) => Some((stub.data.to_vec(), message)),
                    _ => None,
                }
            };
            let Some((old, mut message)) = of(Ndr::Ndr32).or_else(|| of(Ndr::Ndr64)) else { return false };
            message.body.cmid = cmid;
            message.mac = mac::v4(&message.body.encode());
            (old, ResponseMessage::V4(message).encode(), true)
        }
        _ => return false,
    };
    assert_eq!(old.len(), new.len(), "what is as long goes in its place");
    let at = packet.windows(old.len()).position(|window| window == old).expect("it is in it");
    packet[at..at + new.len()].copy_from_slice(&new);
    is_response
}

/// The packets of a capture.
fn packets(name: &str) -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures").join(name);
    let file = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut reader = volact::capture::CaptureReader::new(&file[..]).expect("it is a capture");
    let mut packets = Vec::new();
    while let Some(packet) = reader.next_packet().expect("it is whole") {
        assert_eq!(packet.link, volact::capture::LinkType::ETHERNET, "{name}");
        packets.push(packet.data.to_vec());
    }
    packets
}

/// The host keeps its port and becomes 10.255.255.254, the client becomes `client` (IPv4 over Ethernet; the checksums
/// are made right).
fn readdress(packet: &mut [u8], client: [u8; 4]) {
    const HOST: [u8; 4] = [10, 255, 255, 254];
    let ip = &mut packet[14..];
    let head = usize::from(ip[0] & 0x0f) * 4;
    let total = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
    assert_eq!((ip[0] >> 4, ip[9]), (4, 6), "TCP over IPv4");
    let from_host = u16::from_be_bytes([ip[head], ip[head + 1]]) < 32_768;
    let (source, destination) = if from_host { (HOST, client) } else { (client, HOST) };
    ip[12..16].copy_from_slice(&source);
    ip[16..20].copy_from_slice(&destination);
    ip[10..12].fill(0);
    let checksum = internet_checksum(0, &ip[..head]);
    ip[10..12].copy_from_slice(&checksum.to_be_bytes());
    let tcp_length = total - head;
    let pseudo = [source, destination].concat();
    let pseudo = sum(6 + tcp_length as u64, &pseudo);
    ip[head + 16..head + 18].fill(0);
    let checksum = internet_checksum(pseudo, &ip[head..total]);
    ip[head + 16..head + 18].copy_from_slice(&checksum.to_be_bytes());
}

fn sum(begin: u64, bytes: &[u8]) -> u64 {
    let words = bytes.chunks(2).map(|pair| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0)));
    begin + words.sum::<u64>()
}

/// RFC 1071.
fn internet_checksum(begin: u64, bytes: &[u8]) -> u16 {
    let mut total = sum(begin, bytes);
    while total > 0xffff {
        total = (total >> 16) + (total & 0xffff);
    }
    !u16::try_from(total).expect("it was folded")
}

fn other(writer: &mut Writer<impl Write>) -> io::Result<()> {
    const CONNECTIONS: usize = 1000;
    const HEAD: usize = 14 + 20 + 20;
    let mut payload = vec![0; 1024 - HEAD];
    let mut state = 1u32;
    for byte in &mut payload {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = state.to_be_bytes()[0];
    }
    payload[..5].copy_from_slice(&[0x17, 3, 3, 3, 0xc0]); // TLS application data
    let mut sequences = vec![0u32; CONNECTIONS];
    while writer.wants_more() {
        for (number, sequence) in sequences.iter_mut().enumerate() {
            let is_first = *sequence == 0;
            let data = if is_first { &[][..] } else { &payload[..] };
            let [high, low] = u16::try_from(number).map_err(io::Error::other)?.to_be_bytes();
            let mut head = [0; HEAD];
            head[12] = 8;
            let total = u16::try_from(HEAD - 14 + data.len()).map_err(io::Error::other)?;
            head[14] = 0x45;
            head[16..18].copy_from_slice(&total.to_be_bytes());
            (head[22], head[23]) = (64, 6);
            head[26..34].copy_from_slice(&[10, 1, high, low, 192, 0, 2, 1]);
            let checksum = internet_checksum(0, &head[14..34]);
            head[24..26].copy_from_slice(&checksum.to_be_bytes());
            head[34..38].copy_from_slice(&[0xc0, low, 0x01, 0xbb]);
            head[38..42].copy_from_slice(&sequence.to_be_bytes());
            (head[46], head[47]) = (0x50, if is_first { 0x02 } else { 0x18 });
            writer.packet([&head, data])?;
            *sequence = sequence.wrapping_add(if is_first { 1 } else { u32::from(total) - 40 });
        }
    }
    Ok(())
}

/// Ethernet, IPv4 and the payload, with a header checksum that is right.
fn ipv4(source: [u8; 4], identification: u16, place: u16, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; 14 + 20];
    packet[12] = 8;
    packet[14] = 0x45;
    let total = u16::try_from(20 + payload.len()).expect("packets are short");
    packet[16..18].copy_from_slice(&total.to_be_bytes());
    packet[18..20].copy_from_slice(&identification.to_be_bytes());
    packet[20..22].copy_from_slice(&place.to_be_bytes());
    (packet[22], packet[23]) = (64, protocol);
    packet[26..30].copy_from_slice(&source);
    packet[30..34].copy_from_slice(&[192, 0, 2, 1]);
    let checksum = internet_checksum(0, &packet[14..34]);
    packet[24..26].copy_from_slice(&checksum.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

/// A TCP header to port 1688 and payload.
fn tcp(port: u16, sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut segment = [port.to_be_bytes(), 1688u16.to_be_bytes()].concat();
    segment.extend(sequence.to_be_bytes());
    segment.extend([0, 0, 0, 0, 0x50, flags, 0x20, 0, 0, 0, 0, 0]);
    segment.extend_from_slice(payload);
    segment
}

fn half_open(writer: &mut Writer<impl Write>) -> io::Result<()> {
    for number in 0u32.. {
        if !writer.wants_more() {
            break;
        }
        let [_, a, b, c] = number.to_be_bytes();
        let syn = tcp(40_000, number, 0x02, &[]);
        writer.packet([&ipv4([10, a, b, c], 0, 0, 6, &syn), &[]])?;
    }
    Ok(())
}

fn fragments(writer: &mut Writer<impl Write>) -> io::Result<()> {
    let payload = [0x55; 1400];
    for number in 0u32.. {
        if !writer.wants_more() {
            break;
        }
        let [_, _, a, b] = (number >> 16).to_be_bytes();
        let [low, high, ..] = number.to_le_bytes();
        let identification = u16::from_le_bytes([low, high]);
        writer.packet([&ipv4([10, 0, a, b], identification, 0x2000, 6, &payload), &[]])?;
    }
    Ok(())
}

fn gaps(writer: &mut Writer<impl Write>) -> io::Result<()> {
    let payload = [5; 100];
    for number in 0u32.. {
        if !writer.wants_more() {
            break;
        }
        let flags = if number == 0 { 0x02 } else { 0x18 };
        let segment = tcp(40_000, number.wrapping_mul(200), flags, if number == 0 { &[] } else { &payload });
        writer.packet([&ipv4([10, 0, 0, 1], 0, 0, 6, &segment), &[]])?;
    }
    Ok(())
}
