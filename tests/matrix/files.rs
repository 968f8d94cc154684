//! Real documents and packets to change one thing in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use volact::capture::{CaptureReader, Dialogue, Direction, Endpoint, LinkType, Packets, PcapngWriter};
use volact::discovery::{Message, Name, RecordData};
use volact::mak::digest;
use volact::wire::utf16;

/// A file of the folder `captures` as text.
pub(crate) fn text(name: &str) -> String {
    std::fs::read_to_string(format!("captures/{name}")).expect("the file is there")
}

/// A text with something replaced that has to be in it.
pub(crate) fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from:?} is not in {text}");
    text.replace(from, to)
}

/// A request to one of MAK's services and its answer, as a proxy has recorded them, over TLS.
#[derive(Clone, Debug)]
pub(crate) struct Post(Value);

impl Post {
    /// A request for a confirmation ID.
    pub(crate) fn confirmation() -> Self {
        Self::of(0)
    }

    /// A request for what is left of a key.
    pub(crate) fn remaining() -> Self {
        Self::of(1)
    }

    /// A request about two products, the second of which is refused.
    pub(crate) fn two() -> Self {
        Self::of(2)
    }

    /// A request that is refused as a whole.
    pub(crate) fn refused() -> Self {
        Self::of(3)
    }

    /// A request for a machine's certificate.
    pub(crate) fn certificate() -> Self {
        Self::of(7)
    }

    /// A request to the one-shot service.
    pub(crate) fn one_shot() -> Self {
        Self::of(8)
    }

    /// One that is answered with a fault.
    pub(crate) fn fault() -> Self {
        Self::of(9)
    }

    fn of(entry: usize) -> Self {
        let har: Value = serde_json::from_str(&text("mak/mak_mitmproxy.har")).expect("it is JSON");
        let post = Self(har["log"]["entries"][entry].clone());
        post.url("http://", "https://")
    }

    /// With something replaced in the request's URL.
    pub(crate) fn url(self, from: &str, to: &str) -> Self {
        self.value("/request/url", |url| replaced(url, from, to))
    }

    /// With another method.
    pub(crate) fn method(self, method: &str) -> Self {
        self.value("/request/method", |_| method.to_owned())
    }

    /// With a header field of the request changed, or without it.
    pub(crate) fn header(mut self, name: &str, value: Option<&str>) -> Self {
        set_header(&mut self.0["request"]["headers"], name, value);
        self
    }

    /// With a header field of the answer changed, or without it.
    pub(crate) fn answer_header(mut self, name: &str, value: Option<&str>) -> Self {
        set_header(&mut self.0["response"]["headers"], name, value);
        self
    }

    /// With another status.
    pub(crate) fn status(mut self, status: u16) -> Self {
        self.0["response"]["status"] = json!(status);
        self
    }

    /// With something replaced in the request's body.
    pub(crate) fn request(self, from: &str, to: &str) -> Self {
        self.value("/request/postData/text", |body| replaced(body, from, to))
    }

    /// With something replaced in the answer's body.
    pub(crate) fn answer(self, from: &str, to: &str) -> Self {
        self.value("/response/content/text", |body| replaced(body, from, to))
    }

    /// With something replaced in the document in RequestXml, and the right Digest.
    pub(crate) fn document(self, from: &str, to: &str) -> Self {
        self.raw(|raw| utf16::encode(&replaced(&utf16::decode(raw), from, to)))
    }

    /// With something replaced in the document in RequestXml and in the answer.
    pub(crate) fn both(self, from: &str, to: &str) -> Self {
        self.document(from, to).answer(from, to)
    }

    /// With other bytes in RequestXml, and the right Digest.
    pub(crate) fn raw(self, change: impl FnOnce(&[u8]) -> Vec<u8>) -> Self {
        self.value("/request/postData/text", |body| {
            let (xml, old) = (element(body, "RequestXml"), element(body, "Digest"));
            let raw = change(&STANDARD.decode(xml).expect("it is base64"));
            let body = body.replace(xml, &STANDARD.encode(&raw));
            body.replace(old, &STANDARD.encode(digest(&raw)))
        })
    }

    /// With another text as Digest.
    pub(crate) fn digest(self, digest: &str) -> Self {
        self.value("/request/postData/text", |body| body.replace(element(body, "Digest"), digest))
    }

    /// With another text as RequestXml, and Digest as it was.
    pub(crate) fn request_xml(self, text: &str) -> Self {
        self.value("/request/postData/text", |body| body.replace(element(body, "RequestXml"), text))
    }

    /// As a file.
    pub(crate) fn file(&self) -> Vec<u8> {
        let creator = json!({ "name": "an example of a rule", "version": "1" });
        let har = json!({ "log": { "version": "1.2", "creator": creator, "entries": [self.0] } });
        serde_json::to_vec(&har).expect("memory takes it")
    }

    fn value(mut self, pointer: &str, change: impl FnOnce(&str) -> String) -> Self {
        let value = self.0.pointer_mut(pointer).expect("it is there");
        *value = Value::String(change(value.as_str().expect("it is a text")));
        self
    }
}

fn set_header(headers: &mut Value, name: &str, value: Option<&str>) {
    let headers = headers.as_array_mut().expect("there are headers");
    headers.retain(|header| !header["name"].as_str().is_some_and(|known| known.eq_ignore_ascii_case(name)));
    headers.extend(value.map(|value| json!({ "name": name, "value": value })));
}

/// The text of the first element of a name.
fn element<'a>(body: &'a str, name: &str) -> &'a str {
    let (_, rest) = body.split_once(&format!("<{name}>")).expect("the element is there");
    rest.split_once(&format!("</{name}>")).expect("it ends").0
}

/// Packets of a capture with a datagram of DNS in each, to be changed and written again.
#[derive(Clone, Debug)]
pub(crate) struct Datagrams {
    link: LinkType,
    packets: Vec<(u64, Vec<u8>)>,
    connections: Vec<Dialogue>,
}

impl Datagrams {
    /// The packets of these numbers of a capture in the folder `captures/discovery`.
    pub(crate) fn of(name: &str, frames: &[u64]) -> Self {
        let file = std::fs::File::open(format!("captures/discovery/{name}.pcapng")).expect("it is there");
        let mut reader = CaptureReader::new(file).expect("it is a capture");
        let mut datagrams = Self { link: LinkType::ETHERNET, packets: Vec::new(), connections: Vec::new() };
        while let Some(packet) = reader.next_packet().expect("it is whole") {
            if frames.contains(&packet.frame) {
                let time = packet.time.and_then(|time| u64::try_from(time).ok()).expect("it has a time");
                datagrams.link = packet.link;
                datagrams.packets.push((time, packet.data.to_vec()));
            }
        }
        datagrams
    }

    /// A client that asks for the KMS hosts of `corp.example`, and is told of one with its addresses.
    pub(crate) fn base() -> Self {
        Self::of("dns_srv_one", &[3, 4])
    }

    /// With other packets behind them, a tenth of a second one after the other.
    pub(crate) fn then(mut self, others: Self) -> Self {
        let last = self.packets.last().expect("there are packets").0;
        let moved = others.packets.into_iter().zip(1..);
        self.packets.extend(moved.map(|((_, packet), number)| (last + number * 100_000_000, packet)));
        self
    }

    /// With the message in a packet changed.
    pub(crate) fn message(self, at: usize, change: impl FnOnce(&mut Message)) -> Self {
        self.bytes(at, |bytes| {
            let mut message = Message::parse(bytes).expect("it is a message");
            change(&mut message);
            *bytes = encode(&message);
        })
    }

    /// With the messages in the first two packets changed alike.
    pub(crate) fn both(self, change: impl Fn(&mut Message)) -> Self {
        self.message(0, &change).message(1, &change)
    }

    /// With the bytes of the message in a packet changed, and the lengths of the packet.
    pub(crate) fn bytes(mut self, at: usize, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        let packet = &mut self.packets[at].1;
        let (udp, total_length, without) = match packet[12..14] {
            [8, 0] => (ETHERNET + 4 * usize::from(packet[ETHERNET] & 15), ETHERNET + 2, ETHERNET),
            _ => (ETHERNET + 40, ETHERNET + 4, ETHERNET + 40),
        };
        let mut message = packet.split_off(udp + 8);
        change(&mut message);
        packet.extend(message);
        let length = |from: usize| u16::try_from(packet.len() - from).expect("a short packet").to_be_bytes();
        let (of_udp, of_ip) = (length(udp), length(without));
        packet[udp + 4..udp + 6].copy_from_slice(&of_udp);
        packet[udp + 6..udp + 8].fill(0);
        packet[total_length..total_length + 2].copy_from_slice(&of_ip);
        self
    }

    /// With the last byte of the source's address changed in a packet of IPv4.
    pub(crate) fn source(mut self, at: usize, last: u8) -> Self {
        self.packets[at].1[ETHERNET + 15] = last;
        self
    }

    /// With a connection behind them, in which a question comes over TCP, and its answer.
    pub(crate) fn over_tcp(mut self, asked: &[u8], answered: &[u8]) -> Self {
        let begin = self.packets.last().expect("there are packets").0 + 1_000_000;
        let endpoint = |last, port| Endpoint { address: [10, 77, 0, last].into(), port };
        let mut dialogue = Dialogue::new(endpoint(100, 40_000), endpoint(53, 53), begin);
        for (direction, bytes) in [(Direction::ToServer, asked), (Direction::ToClient, answered)] {
            let length = u16::try_from(bytes.len()).expect("a short message").to_be_bytes();
            dialogue.send(direction, begin + 1_000_000, &[&length[..], bytes].concat());
        }
        dialogue.close(Direction::ToServer, begin + 2_000_000);
        dialogue.close(Direction::ToClient, begin + 2_000_000);
        self.connections.push(dialogue);
        self
    }

    /// The message in a packet of IPv4.
    pub(crate) fn payload(&self, at: usize) -> &[u8] {
        &self.packets[at].1[ETHERNET + 28..]
    }

    /// As a file.
    pub(crate) fn file(&self) -> Vec<u8> {
        let mut writer = PcapngWriter::new(Vec::new(), "an example of a rule").expect("memory takes it");
        let interface = writer.add_interface(self.link, "an example", "").expect("memory takes it");
        let mut packets: Vec<(u64, u32, Vec<u8>)> =
            self.packets.iter().map(|(time, packet)| (*time, interface, packet.clone())).collect();
        let mut connections = Dialogue::packets(&self.connections);
        let mut of_connections = None;
        while connections.advance().expect("memory has it") {
            let packet = connections.packet();
            let interface = *of_connections.get_or_insert_with(|| {
                writer.add_interface(packet.link, "a connection", "").expect("memory takes it")
            });
            let time = packet.time.and_then(|time| u64::try_from(time).ok()).expect("it has a time");
            packets.push((time, interface, packet.data.to_vec()));
        }
        packets.sort_by_key(|(time, ..)| *time);
        for (time, interface, packet) in packets {
            writer.packet(interface, time, &packet).expect("memory takes it");
        }
        writer.finish().expect("memory takes it")
    }
}

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

/// A message of DNS as bytes, no name in it compressed, without EDNS.
fn encode(message: &Message) -> Vec<u8> {
    let sections = [&message.answers, &message.authorities, &message.additionals];
    let count = |count: usize| u16::try_from(count).expect("a short section");
    let counts = [message.questions.len(), sections[0].len(), sections[1].len(), sections[2].len()];
    let mut bytes = Vec::new();
    for number in [message.id, message.flags.0].into_iter().chain(counts.map(count)) {
        bytes.extend(number.to_be_bytes());
    }
    for question in &message.questions {
        let class = question.class.0 | u16::from(question.unicast_response) << 15;
        put_name(&mut bytes, &question.name);
        bytes.extend([question.rtype.0.to_be_bytes(), class.to_be_bytes()].concat());
    }
    for record in sections.into_iter().flatten() {
        let class = record.class.0 | u16::from(record.cache_flush) << 15;
        put_name(&mut bytes, &record.name);
        bytes.extend([record.rtype.0.to_be_bytes(), class.to_be_bytes()].concat());
        bytes.extend(record.ttl.to_be_bytes());
        let data = data(&record.data);
        bytes.extend(count(data.len()).to_be_bytes());
        bytes.extend(data);
    }
    bytes
}

/// A record's data as bytes.
fn data(data: &RecordData) -> Vec<u8> {
    let mut bytes = Vec::new();
    match data {
        RecordData::Srv { priority, weight, port, target } => {
            bytes.extend([priority, weight, port].into_iter().flat_map(|number| number.to_be_bytes()));
            put_name(&mut bytes, target);
        }
        RecordData::A(address) => bytes.extend(address.octets()),
        RecordData::Aaaa(address) => bytes.extend(address.octets()),
        RecordData::Cname(name) | RecordData::Ptr(name) | RecordData::Ns(name) => put_name(&mut bytes, name),
        RecordData::Soa { mname, rname, serial, refresh, retry, expire, minimum } => {
            put_name(&mut bytes, mname);
            put_name(&mut bytes, rname);
            let numbers = [serial, refresh, retry, expire, minimum];
            bytes.extend(numbers.into_iter().flat_map(|number| number.to_be_bytes()));
        }
        RecordData::Txt(strings) => {
            for string in strings {
                bytes.push(u8::try_from(string.len()).expect("a short string"));
                bytes.extend(string);
            }
        }
        RecordData::Other(other) => bytes.extend(other),
    }
    bytes
}

/// A name without escapes.
fn put_name(bytes: &mut Vec<u8>, name: &Name) {
    for label in name.labels() {
        bytes.push(u8::try_from(label.len()).expect("a short label"));
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
}
