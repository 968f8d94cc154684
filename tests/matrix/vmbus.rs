//! Examples of the rules in src/conformance/rules/vmbus.rs.

use volact::capture::{CaptureReader, LinkType, PcapngWriter};
use volact::vmbus::Record;

use crate::Example;

pub(crate) fn examples() -> Vec<Example> {
    let mut examples = control();
    examples.extend(channels());
    examples.extend(rings());
    examples.extend(remote_desktop());
    examples.extend(key_value_pairs());
    examples
}

/// The records of a bus, to be changed and written again. Each keeps the number that it has in its capture.
#[derive(Clone, Debug)]
struct Bus {
    link: LinkType,
    records: Vec<(u64, Vec<u8>)>,
}

impl Bus {
    /// The first records of a capture of the folder `captures/vmbus`.
    fn of(name: &str, first: u64) -> Self {
        let file = std::fs::File::open(format!("captures/vmbus/{name}.pcapng")).expect("it is there");
        let mut reader = CaptureReader::new(file).expect("it is a capture");
        let mut bus = Self { link: LinkType(147), records: Vec::new() };
        while let Some(packet) = reader.next_packet().expect("it is whole") {
            if packet.frame <= first {
                bus.link = packet.link;
                bus.records.push((packet.frame, packet.data.to_vec()));
            }
        }
        bus
    }

    fn place(&self, frame: u64) -> usize {
        self.records.iter().position(|(number, _)| *number == frame).expect("it is there")
    }

    /// With bytes of a message or a packet changed, and padded where it is shorter.
    fn at(mut self, frame: u64, offset: usize, bytes: &[u8]) -> Self {
        let place = self.place(frame);
        let record = &mut self.records[place].1;
        let begin = Record::LEN + offset;
        record.resize(record.len().max(begin + bytes.len()), 0);
        record[begin..begin + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// With a message or a packet that has lost its last bytes.
    fn cut(mut self, frame: u64, bytes: usize) -> Self {
        let place = self.place(frame);
        let length = self.records[place].1.len() - bytes;
        self.records[place].1.truncate(length);
        self
    }

    /// With a record that goes the other way.
    fn turned(mut self, frame: u64) -> Self {
        let place = self.place(frame);
        self.records[place].1[5] ^= 1;
        self
    }

    fn without(mut self, frames: &[u64]) -> Self {
        self.records.retain(|(number, _)| !frames.contains(number));
        self
    }

    /// With a record once more behind another one.
    fn again(mut self, frame: u64, behind: u64) -> Self {
        let record = self.records[self.place(frame)].1.clone();
        let place = self.place(behind);
        self.records.insert(place + 1, (0, record));
        self
    }

    /// With so many completions of the host behind its first packet.
    fn completed(mut self, count: usize) -> Self {
        let place = self.place(12);
        let mut completion = self.records[place].1[..Record::LEN].to_vec();
        completion[12..16].copy_from_slice(&Record::NO_OFFSET.to_le_bytes());
        completion.extend([0xb, 0, 2, 0, 2, 0, 0, 0, 1, 0x10, 0, 0, 0, 0, 0, 0]);
        for _ in 0..count {
            self.records.insert(place + 1, (0, completion.clone()));
        }
        self
    }

    fn file(&self) -> Vec<u8> {
        let mut writer = PcapngWriter::new(Vec::new(), "an example of a rule").expect("memory takes it");
        let interface = writer.add_interface(self.link, "an example", "").expect("memory takes it");
        for ((_, record), time) in self.records.iter().zip(1..) {
            writer.packet(interface, time * 1_000_000, record).expect("memory takes it");
        }
        writer.finish().expect("memory takes it")
    }
}

/// The base as it is, and changed.
fn pair(rule: &'static str, base: fn() -> Bus, change: impl FnOnce(Bus) -> Bus) -> Example {
    Example { rule, passes: base().file(), fails: change(base()).file() }
}

/// How a guest and its host agree on a version.
fn contact() -> Bus {
    Bus::of("vmbus_control", 2)
}

/// The life of an AVMA channel, from its offer to its release.
fn life() -> Bus {
    Bus::of("vmbus_avma", 22)
}

/// That life, and another offer of the channel.
fn reoffered() -> Bus {
    Bus::of("vmbus_avma", 23)
}

fn control() -> Vec<Example> {
    let unknown = [0x66; 16];
    let no_gpadl = |bus: Bus| {
        let places = [(5, 12), (6, 12), (7, 12), (8, 16), (19, 12), (20, 8)];
        places.into_iter().fold(bus, |bus, (frame, offset)| bus.at(frame, offset, &[0; 4]))
    };
    vec![
        pair("VMBUS-TYPE", life, |bus| bus.at(4, 0, &[77])),
        pair("VMBUS-LENGTH", contact, |bus| bus.cut(2, 1)),
        pair("VMBUS-PADDING", life, |bus| bus.at(1, 4, &[1])),
        pair("VMBUS-DIRECTION", life, |bus| bus.turned(4)),
        pair("VMBUS-OFFER-RESERVED", life, |bus| bus.at(2, 40, &[1])),
        pair("VMBUS-OFFER-FLAGS", life, |bus| bus.at(2, 57, &[0x40])),
        pair("VMBUS-OFFER-PIPE", life, |bus| bus.at(2, 60, &[2])),
        pair("VMBUS-OFFER-ID", life, |bus| bus.at(3, 184, &[0; 4])),
        pair("VMBUS-OFFER-BITS", life, |bus| bus.at(2, 189, &[3])),
        pair("VMBUS-OFFER-INSTANCE", reoffered, |bus| bus.at(23, 24, &unknown)),
        pair("VMBUS-OFFER-CLASS", reoffered, |bus| bus.at(23, 8, &unknown)),
        pair("VMBUS-OPEN-PAGE", life, |bus| bus.at(8, 24, &[1, 0, 0, 0])),
        pair("VMBUS-VERSION-KNOWN", contact, |bus| bus.at(1, 8, &[0, 0, 7, 0])),
        pair("VMBUS-VERSION-ANSWER", contact, |bus| bus.at(2, 8, &[2])),
        pair("VMBUS-GPADL-LENGTH", life, |bus| bus.at(5, 18, &[0, 0])),
        pair("VMBUS-GPADL-ID", life, no_gpadl),
    ]
}

fn channels() -> Vec<Example> {
    let refused = [1, 0, 0, 0xc0];
    vec![
        pair("VMBUS-OPEN-AFTER-RESCIND", life, |bus| bus.again(8, 22)),
        pair("VMBUS-OPEN-TWICE", life, |bus| bus.again(8, 9)),
        pair("VMBUS-OPEN-ASKED", life, |bus| bus.again(9, 9)),
        pair("VMBUS-CLOSE-OPEN", life, |bus| bus.again(18, 18)),
        pair("VMBUS-RELEASE-RESCINDED", life, |bus| bus.without(&[21])),
        pair("VMBUS-RESCIND-RELEASED", reoffered, |bus| bus.without(&[22])),
        pair("VMBUS-PACKETS-OPEN", life, |bus| bus.at(9, 16, &refused).without(&[18])),
        pair("VMBUS-OPEN-GPADL", life, |bus| bus.at(7, 16, &refused)),
        pair("VMBUS-GPADL-COMPLETE", life, |bus| bus.without(&[6])),
        pair("VMBUS-GPADL-VALUES", life, |bus| bus.at(5, 16, &[0x90])),
        pair("VMBUS-GPADL-TORN-DOWN", life, |bus| bus.without(&[19, 20])),
        pair("VMBUS-AVMA-MODE", life, |bus| bus.at(2, 60, &[0])),
    ]
}

fn rings() -> Vec<Example> {
    vec![
        pair("RING-PACKET", life, |bus| bus.at(17, 2, &[1])),
        pair("RING-PACKET-TYPE", life, |bus| bus.at(17, 0, &[5])),
        pair("RING-FOOTER", life, |bus| bus.at(17, 44, &[0xf0])),
        Example {
            rule: "RING-COMPLETION",
            passes: life().completed(4).file(),
            fails: life().completed(5).file(),
        },
        pair("PIPE-MESSAGE", life, |bus| bus.at(17, 20, &[200])),
    ]
}

/// Where the message in a pipe's packet begins.
const MESSAGE: usize = 24;

/// Remote desktop control: a request and its response. The recorded one has something in its reserved field.
fn desktop() -> Bus {
    Bus::of("vmbus_synthrdp", 4).at(4, MESSAGE + 12, &[0; 4])
}

fn remote_desktop() -> Vec<Example> {
    vec![
        pair("RDP-TYPE", desktop, |bus| bus.at(3, MESSAGE, &[9])),
        pair("RDP-SIZE", desktop, |bus| bus.at(3, MESSAGE + 4, &[20])),
        pair("RDP-VERSION", desktop, |bus| bus.at(4, MESSAGE + 8, &[0x55])),
        pair("RDP-RESERVED", desktop, |bus| bus.at(3, MESSAGE + 12, &[1])),
        pair("RDP-ACCEPTED", desktop, |bus| bus.at(4, MESSAGE + 16, &[2])),
    ]
}

/// Versions, then pairs that are got, set, enumerated and deleted.
fn pairs() -> Bus {
    Bus::of("vmbus_kvp", 15)
}

fn key_value_pairs() -> Vec<Example> {
    let changed = |rule, frames: &[u64], offset, byte| {
        pair(rule, pairs, |bus| {
            frames.iter().fold(bus, |bus, frame| bus.at(*frame, MESSAGE + offset, &[byte]))
        })
    };
    vec![
        // The pipe's header says that there are fewer bytes.
        pair("KVP-READABLE", pairs, |bus| bus.at(4, MESSAGE - 4, &[0xd0, 7])),
        changed("KVP-TYPE", &[14], 4, 3),
        changed("KVP-SIZE", &[14], 11, 0x7f),
        pair("KVP-DIRECTION", pairs, |bus| bus.turned(14).turned(15)),
        changed("KVP-TRANSACTION", &[15], 16, 9),
        changed("KVP-OPERATION", &[14, 15], 20, 9),
        changed("KVP-POOL", &[14, 15], 21, 9),
        changed("KVP-ECHO", &[15], 21, 1),
        changed("KVP-KEY-SIZE", &[12], 24, 0x2b),
        changed("KVP-VALUE-SIZE", &[5], 32, 0x47),
        changed("KVP-KEY-END", &[12], 24, 0x28),
        changed("KVP-VALUE-TYPE", &[4], 24, 9),
        changed("KVP-NUMBER-SIZE", &[6], 32, 5),
        changed("KVP-VERSION-CHOSEN", &[3], 32, 9),
    ]
}
