//! What the tests over the shared captures have in common.

#![allow(dead_code, unreachable_pub)] // each test uses its own part

pub mod tshark;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use volact::capture::{self, CaptureReader, Datagram, Handler, Layers, Stamp, Streams, Transport};
use volact::tls::KeyLog;
use volact::trace::{
    ConnectionRecord, DirectoryExchange, Exchange, GuestExchange, InputKind, Lookup, MakExchange, Notice,
    NoticeKind, Observer, Options, PduContent, PduRecord, Summary, look_at, trace, trace_body, trace_har,
    trace_vamt,
};
use volact::wire::Hex;

/// The folder of the shared captures.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("captures")
}

/// Gives each TCP segment of a capture to the handler's streams, and each UDP datagram to `datagram`; the handler in the
/// end. Servers have these ports.
pub fn read<H: Handler>(
    path: &Path,
    handler: H,
    ports: &[u16],
    mut datagram: impl FnMut(&mut H, Datagram<'_>, Stamp),
) -> H {
    let mut reader = CaptureReader::new(capture::open(path).unwrap()).unwrap();
    let mut layers = Layers::default();
    let mut streams = Streams::new(handler, ports);
    while let Some(packet) = reader.next_packet().unwrap() {
        let stamp = Stamp { frame: packet.frame, time: packet.time };
        match layers.transport(&packet) {
            Ok(Transport::Tcp(segment)) => streams.push(&segment, stamp),
            Ok(Transport::Udp(found)) => datagram(streams.handler(), found, stamp),
            Err(_) => {}
        }
    }
    streams.finish()
}

/// The names of the shared captures, in order: the files beside `truth/`.
pub fn names() -> Vec<String> {
    capture::expand(&[folder()])
        .unwrap()
        .iter()
        .filter(|path| path.parent() == Some(&folder()))
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect()
}

/// The names of the recordings of MAK's services, in order: captures, HAR files, bodies and VAMT files.
pub fn mak_names() -> Vec<String> {
    let is_recording = |name: &String| {
        [".pcapng", ".har", ".xml", ".cil", ".cilx"].iter().any(|suffix| name.ends_with(suffix))
    };
    let entries = fs::read_dir(folder().join("mak")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).filter(is_recording).collect();
    names.sort();
    assert!(names.len() >= 31, "{names:?}");
    names
}

/// The recordings of what stands around activation, below the folder of captures, in order: discovery, the directory,
/// one machine's whole story, stories with one ending each, VMBus; captures, exports in LDIF and dumps of rings.
pub fn surroundings() -> Vec<String> {
    let mut names = Vec::new();
    for part in ["discovery", "directory", "mixed", "stories", "vmbus"] {
        for entry in fs::read_dir(folder().join(part)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if [".pcapng", ".ldif", ".ring"].iter().any(|suffix| name.ends_with(suffix)) {
                names.push(format!("{part}/{name}"));
            }
        }
    }
    names.sort();
    assert!(names.len() >= 100, "{names:?}");
    names
}

/// The arguments that have a recording below the folder of captures read, with its key log where it has one.
pub fn input(name: &str) -> Vec<String> {
    let path = format!("captures/{name}");
    if name.ends_with(".ring") {
        let page = truth(name)["second_page"].as_u64();
        let split = page.into_iter().flat_map(|page| ["--ring-split".to_owned(), page.to_string()]);
        return split.chain(["--ring".to_owned(), path]).collect();
    }
    let keys = key_log_of(name).map(|_| format!("captures/{}.keys", name.split('.').next().unwrap()));
    keys.into_iter().flat_map(|keys| ["--keylog".to_owned(), keys]).chain([path]).collect()
}

/// `volact decode` of a recording below the folder of captures.
pub fn decode_input(name: &str, arguments: &[&str]) -> std::process::Output {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_volact"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("decode").args(arguments).args(input(name));
    command.output().unwrap()
}

/// The same of a recording of MAK's services.
pub fn decode_mak(name: &str, arguments: &[&str]) -> std::process::Output {
    decode_input(&format!("mak/{name}"), arguments)
}

/// What `volact decode` shows of a recording as JSON Lines.
pub fn json_of(name: &str, arguments: &[&str]) -> Vec<Value> {
    let output = decode_input(name, &[&["--format", "jsonl"], arguments].concat());
    lines(&String::from_utf8(output.stdout).unwrap())
}

/// JSON Lines, read.
pub fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The options for a recording: its key log, where it has one.
pub fn options_of(name: &str) -> Options {
    let key_log = key_log_of(name).map(|keys| KeyLog::parse(&fs::read(keys).unwrap()).0);
    Options { key_log: Arc::new(key_log.unwrap_or_default()), ..Options::default() }
}

/// The key log beside a recording, where it has one.
fn key_log_of(name: &str) -> Option<PathBuf> {
    let keys = folder().join(format!("{}.keys", name.split('.').next().unwrap()));
    keys.exists().then_some(keys)
}

/// The exchanges of a recording of MAK's services.
pub fn mak_exchanges(name: &str) -> Vec<MakExchange> {
    let name = &format!("mak/{name}");
    let mut found = Decoded::default();
    let (kind, reader) = look_at(capture::open(&folder().join(name)).unwrap()).unwrap();
    match kind {
        InputKind::Capture => trace(name, reader, &options_of(name), &mut found),
        InputKind::Har => trace_har(reader, &mut found),
        InputKind::Vamt => trace_vamt(reader, &mut found),
        InputKind::Document => trace_body(reader, &mut found),
        InputKind::Ldif | InputKind::Ring => panic!("{name} is none of MAK's services"),
    };
    found.mak
}

/// The truth of a recording below the folder of captures.
pub fn truth(name: &str) -> Value {
    let (part, name) = name.rsplit_once('/').unwrap_or(("", name));
    let stem = name.split('.').next().unwrap();
    let path = folder().join(part).join("truth").join(format!("{stem}.json"));
    let truth: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let file = truth["file"].as_str().or(truth["capture"].as_str()).unwrap();
    assert!(name.starts_with(file) || file.starts_with(stem));
    truth
}

/// A PDU with the truth's names for its fields; without a `ptype` where it is not a whole one.
pub struct PduRow {
    pub stream: u64,
    pub direction: &'static str,
    pub offset: u64,
    pub fields: BTreeMap<String, Value>,
    pub bytes: Vec<u8>,
}

/// All that a capture holds.
#[derive(Default)]
pub struct Decoded {
    pub pdus: Vec<PduRow>,
    pub exchanges: Vec<Exchange>,
    pub mak: Vec<MakExchange>,
    pub lookups: Vec<Lookup>,
    pub directory: Vec<DirectoryExchange>,
    pub guests: Vec<GuestExchange>,
    pub connections: Vec<ConnectionRecord>,
    pub notices: Vec<Notice>,
    pub summary: Summary,
    pub has_gaps: bool,
}

impl Observer for Decoded {
    fn pdu(&mut self, pdu: &PduRecord<'_>) {
        let mut fields = BTreeMap::new();
        let bytes = match &pdu.content {
            PduContent::Whole { pdu: whole, bytes, .. } => {
                let header = &whole.header;
                for (name, value) in [
                    ("stream", json!(pdu.stream)),
                    ("dir", json!(pdu.direction.name())),
                    ("offset", json!(pdu.offset)),
                    ("first_frame", json!(pdu.first.frame)),
                    ("last_frame", json!(pdu.last.frame)),
                    ("ptype", json!(header.ptype.0)),
                    ("flags", json!(header.flags.0)),
                    ("drep", json!(Hex(&header.drep.0).to_string())),
                    ("frag_len", json!(header.frag_length)),
                    ("auth_len", json!(header.auth_length)),
                    ("call_id", json!(header.call_id)),
                ] {
                    fields.insert(name.to_owned(), value);
                }
                bytes.to_vec()
            }
            PduContent::Cut { bytes, .. } => bytes.to_vec(),
            PduContent::Skipped { sample, .. } => sample.to_vec(),
        };
        let (stream, direction, offset) = (pdu.stream, pdu.direction.name(), pdu.offset);
        self.pdus.push(PduRow { stream, direction, offset, fields, bytes });
    }

    fn exchange(&mut self, exchange: &Exchange) {
        self.exchanges.push(exchange.clone());
    }

    fn mak(&mut self, exchange: &MakExchange) {
        self.mak.push(exchange.clone());
    }

    fn lookup(&mut self, lookup: &Lookup) {
        self.lookups.push(lookup.clone());
    }

    fn directory(&mut self, exchange: &DirectoryExchange) {
        self.directory.push(exchange.clone());
    }

    fn guest(&mut self, exchange: &GuestExchange) {
        self.guests.push(exchange.clone());
    }

    fn connection(&mut self, connection: &ConnectionRecord) {
        self.connections.push(connection.clone());
    }

    fn notice(&mut self, notice: &Notice) {
        self.has_gaps |= notice.kind == NoticeKind::StreamGap;
        self.notices.push(notice.clone());
    }

    fn summary(&mut self, summary: &Summary) {
        self.summary = summary.clone();
    }
}

/// Decodes a shared capture.
pub fn decode(name: &str) -> Decoded {
    decode_reader(name, capture::open(&folder().join(name)).unwrap(), &options_of(name))
}

/// Decodes a capture from memory.
pub fn decode_bytes(bytes: &[u8]) -> Decoded {
    decode_reader("memory", bytes, &Options::default())
}

fn decode_reader(name: &str, reader: impl std::io::Read, options: &Options) -> Decoded {
    let mut decoded = Decoded::default();
    trace(name, reader, options, &mut decoded);
    decoded
}

/// A little-endian number of four bytes.
pub fn u32_at(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()).try_into().unwrap()
}

/// The packet records of a little-endian pcap file, each with its header of 16 bytes; a record that is cut off is none.
pub fn records(file: &[u8]) -> Vec<&[u8]> {
    let mut records = Vec::new();
    let mut rest = &file[24..];
    while rest.len() >= 16 && 16 + u32_at(rest, 8) <= rest.len() {
        let (record, behind) = rest.split_at(16 + u32_at(rest, 8));
        records.push(record);
        rest = behind;
    }
    records
}
