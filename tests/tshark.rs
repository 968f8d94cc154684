//! Every shared capture against tshark, a dissector that nobody of this project wrote: the same PDUs in the same
//! streams and frames, and the same connections with the same client, server, handshake and end.
//!
//! Without tshark the comparison is skipped with a message, unless `VOLACT_REQUIRE_TSHARK=1`.

mod support;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::thread;

use support::tshark::{self, is_missing};
use volact::capture::{self, Endpoint, FlowInfo};
use volact::rpc::Header;
use volact::trace::{ConnectionRecord, Notice, Observer, Options, PduContent, PduRecord, Summary, trace};

/// A PDU as both sides know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Pdu {
    stream: u64,
    /// The packet with its last byte.
    frame: u64,
    ptype: u64,
    flags: u64,
    frag_length: u64,
    call_id: u64,
}

/// What both sides know of a connection; frames are those of the first packet that has the flag.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Connection {
    client: Endpoint,
    server: Endpoint,
    packets: u64,
    first: u64,
    last: u64,
    syn: Option<u64>,
    syn_ack: Option<u64>,
    fin: [Option<u64>; 2],
    reset: Option<u64>,
}

/// What one side finds in a file: the other side's must be equal.
#[derive(Default)]
struct Listing {
    pdus: Vec<Pdu>,
    /// PDUs whose end was not captured, by the packet with their first byte (ours only).
    cut: Vec<Pdu>,
    connections: BTreeMap<u64, Connection>,
    /// Connections that are none of ours (ours only).
    other_connections: u64,
    /// True where the file cannot be read to its end.
    is_damaged: bool,
}

/// PDUs that tshark does not take for DCE/RPC, with the reason: file, stream, frames. Each must be needed.
const NOT_IN_TSHARK: [(&str, u64, &[u64], &str); 4] = {
    let minor = "tshark gives up at an rpc_vers_minor other than 0 and 1; here 2 is a value like any other";
    let ptype = "tshark gives up at a PTYPE beyond 20; here 255 is a value like any other";
    [
        ("raw_edge_pykms.pcap", 37, &[438, 442], minor),
        ("raw_edge_pykms.pcap", 62, &[688], ptype),
        ("raw_edge_vlmcsd.pcap", 37, &[441, 443], minor),
        ("raw_edge_vlmcsd.pcap", 62, &[666], ptype),
    ]
};

/// Files whose packets the snap length cut: tshark shows the headers of PDUs that are not whole, and so many.
const CUT_BY_SNAP_LENGTH: [(&str, usize); 1] = [("vlmcs_vlmcsd_snaplen96.pcap", 8)];

/// Files that tshark has to read without putting segments in order: it waits for a segment that was not captured to
/// the end of the file, and shows nothing behind the hole.
const WITH_A_HOLE: [&str; 1] = ["tcp_gap.pcap"];

/// PDUs that are compared at least, or the comparison compares nothing.
const LEAST_PDUS: usize = 2100;
/// Connections that are compared at least.
const LEAST_CONNECTIONS: usize = 400;

#[test]
fn every_shared_capture_has_the_pdus_and_connections_that_tshark_finds() {
    if is_missing() {
        return;
    }
    let names = support::names();
    // Starting tshark is what takes time; it uses one core.
    let halves = names.chunks(names.len().div_ceil(2));
    let compared: Vec<(usize, usize, Vec<String>)> = thread::scope(|scope| {
        let threads: Vec<_> = halves.map(|names| scope.spawn(|| compare_all(names))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let pdus: usize = compared.iter().map(|(pdus, ..)| pdus).sum();
    let connections: usize = compared.iter().map(|(_, connections, _)| connections).sum();
    let differences: Vec<&str> =
        compared.iter().flat_map(|(.., differences)| differences.iter().map(String::as_str)).collect();
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
    eprintln!("{} files, {pdus} PDUs, {connections} connections", names.len());
    assert!(pdus >= LEAST_PDUS, "only {pdus} PDUs were compared");
    assert!(connections >= LEAST_CONNECTIONS, "only {connections} connections were compared");
}

#[test]
fn a_file_with_a_hole_does_need_its_own_way() {
    if is_missing() {
        return;
    }
    for name in WITH_A_HOLE {
        let (in_order, as_captured) = (of_tshark(name, true), of_tshark(name, false));
        assert!(in_order.pdus.len() < as_captured.pdus.len(), "{name} has no need of WITH_A_HOLE any more");
    }
}

#[test]
fn every_exception_is_for_a_file_that_is_there() {
    let names = support::names();
    let excepted = NOT_IN_TSHARK.map(|(file, ..)| file).into_iter();
    for file in excepted.chain(CUT_BY_SNAP_LENGTH.map(|(file, _)| file)).chain(WITH_A_HOLE) {
        assert!(names.iter().any(|name| name == file), "{file}");
    }
}

#[test]
fn the_comparison_sees_every_kind_of_difference() {
    let name = "net_cut_s2c_170_rst.pcap";
    let changes: [fn(&mut Listing); 7] = [
        |ours| ours.pdus[0].frame += 1,
        |ours| ours.pdus[3].flags ^= 1,
        |ours| ours.pdus.truncate(6),
        |ours| ours.pdus.push(ours.pdus[0]),
        |ours| ours.connections.retain(|&stream, _| stream != 1),
        |ours| ours.connections.get_mut(&0).unwrap().reset = None,
        |ours| {
            let connection = ours.connections.get_mut(&1).unwrap();
            std::mem::swap(&mut connection.client, &mut connection.server);
        },
    ];
    assert_eq!(differences(name, &of_volact(name), of_volact(name)), [""; 0]);
    for (number, change) in changes.iter().enumerate() {
        let mut changed = of_volact(name);
        change(&mut changed);
        assert_ne!(differences(name, &changed, of_volact(name)), [""; 0], "change {number}");
    }
}

/// HTTP requests and responses of each connection, those in TLS included where there is a key log.
#[test]
fn the_recordings_of_maks_services_have_the_http_messages_that_tshark_finds() {
    if is_missing() {
        return;
    }
    let names = support::mak_names();
    let mut messages = 0;
    // tshark opens CBC with encrypt-then-MAC, which stays sealed here.
    let is_compared = |name: &&String| name.ends_with(".pcapng") && *name != "mak_tls12_cbc.pcapng";
    for name in names.iter().filter(is_compared) {
        let ours = http_of_volact(name);
        let mut theirs = http_of_tshark(name);
        for (_, stream, [requests, responses]) in NOT_WHOLE.iter().filter(|(file, ..)| file == name) {
            let messages = theirs.entry(*stream).or_default();
            assert_ne!(ours.get(stream), Some(&*messages), "{name}: an exception that is not needed");
            messages[0] += requests;
            messages[1] += responses;
        }
        assert_eq!(ours, theirs, "{name}");
        messages += ours.values().map(|[requests, responses]| requests + responses).sum::<u64>();
    }
    assert!(messages > 200, "only {messages} messages were compared");
}

/// Messages without their end, of which tshark shows nothing: file, connection, requests and responses.
const NOT_WHOLE: [(&str, u64, [u64; 2]); 3] = [
    ("mak_failures.pcapng", 4, [1, 0]),
    ("mak_failures.pcapng", 7, [0, 1]),
    ("mak_failures.pcapng", 8, [0, 1]),
];

/// Numbers of requests and of responses by connection.
type Messages = BTreeMap<u64, [u64; 2]>;

fn http_of_volact(name: &str) -> Messages {
    let output = support::decode_mak(name, &["--format", "jsonl"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let records = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let count = |record: &serde_json::Value| {
        let of = |name: &str| record["web"][name].as_u64().unwrap_or(0);
        (record["stream"].as_u64().unwrap(), [of("http_requests"), of("http_responses")])
    };
    records
        .filter(|record| record["type"] == "connection")
        .map(|record| count(&record))
        .filter(|(_, messages)| *messages != [0; 2])
        .collect()
}

fn http_of_tshark(name: &str) -> Messages {
    let path = support::folder().join("mak").join(name);
    let output = tshark::command()
        .args(["-T", "fields", "-Y", "http", "-e", "tcp.stream"])
        .args(["-e", "http.request.method", "-e", "http.response.code", "-E", "occurrence=a"])
        .arg("-o")
        .arg(format!("tls.keylog_file:{}", path.with_extension("keys").display()))
        .arg("-r")
        .arg(&path)
        .output()
        .unwrap();
    let mut messages = Messages::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let count = |column: &str| column.split(',').filter(|value| !value.is_empty()).count() as u64;
        let codes = columns[2].split(',').filter(|code| !code.is_empty() && !code.starts_with('1'));
        let [requests, responses] = messages.entry(columns[0].parse().unwrap()).or_default();
        *requests += count(columns[1]);
        *responses += codes.count() as u64;
    }
    messages.retain(|_, messages| *messages != [0; 2]);
    messages
}

/// Compares the files; PDUs and connections that were compared, and all differences.
fn compare_all(names: &[String]) -> (usize, usize, Vec<String>) {
    let (mut pdus, mut connections, mut found) = (0, 0, Vec::new());
    for name in names {
        let ours = of_volact(name);
        let theirs = of_tshark(name, !WITH_A_HOLE.contains(&name.as_str()));
        pdus += theirs.pdus.len();
        connections += ours.connections.len();
        found.extend(differences(name, &ours, theirs));
    }
    (pdus, connections, found)
}

fn differences(name: &str, ours: &Listing, mut theirs: Listing) -> Vec<String> {
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for pdu in &ours.pdus {
        match theirs.pdus.iter().position(|candidate| candidate == pdu) {
            Some(position) => {
                theirs.pdus.swap_remove(position);
            }
            None => missing.push(*pdu),
        }
    }
    for (_, stream, frames, why) in NOT_IN_TSHARK.iter().filter(|(file, ..)| *file == name) {
        for frame in *frames {
            match missing.iter().position(|pdu| (pdu.stream, pdu.frame) == (*stream, *frame)) {
                Some(position) => {
                    missing.swap_remove(position);
                }
                None => {
                    let place = format!("stream {stream}, frame {frame}");
                    found.push(format!("{name}: {place}: tshark has it, no exception is needed ({why})"));
                }
            }
        }
    }
    if let Some((_, expected)) = CUT_BY_SNAP_LENGTH.iter().find(|(file, _)| *file == name) {
        let before = theirs.pdus.len();
        theirs.pdus.retain(|pdu| !ours.cut.contains(pdu));
        let cut = before - theirs.pdus.len();
        if cut != *expected {
            found.push(format!("{name}: {cut} PDUs are cut by the snap length, expected {expected}"));
        }
    }
    found.extend(missing.iter().map(|pdu| format!("{name}: not in tshark: {pdu:?}")));
    found.extend(theirs.pdus.iter().map(|pdu| format!("{name}: only in tshark: {pdu:?}")));
    for (stream, connection) in &ours.connections {
        let other = theirs.connections.get(stream);
        if other != Some(connection) {
            found.push(format!("{name}: stream {stream}: {connection:?}, tshark {other:?}"));
        }
    }
    // Not the other way round: tshark takes an empty file for a capture without packets.
    if theirs.is_damaged && !ours.is_damaged {
        found.push(format!("{name}: tshark cannot read it to its end"));
    }
    let ours_in_all = ours.connections.len() as u64 + ours.other_connections;
    let theirs_in_all = theirs.connections.len() as u64 + theirs.other_connections;
    if ours_in_all != theirs_in_all {
        found.push(format!("{name}: {ours_in_all} connections, tshark {theirs_in_all}"));
    }
    found
}

fn of_volact(name: &str) -> Listing {
    let mut listing = Listing::default();
    let reader = capture::open(&support::folder().join(name)).unwrap();
    trace(name, reader, &Options::default(), &mut listing);
    listing
}

impl Observer for Listing {
    fn pdu(&mut self, record: &PduRecord<'_>) {
        let listed = |frame, header: &Header| Pdu {
            stream: record.stream,
            frame,
            ptype: header.ptype.0.into(),
            flags: header.flags.0.into(),
            frag_length: header.frag_length.into(),
            call_id: header.call_id.into(),
        };
        match &record.content {
            PduContent::Whole { pdu, .. } => self.pdus.push(listed(record.last.frame, &pdu.header)),
            PduContent::Cut { header: Some(header), .. } => self.cut.push(listed(record.first.frame, header)),
            PduContent::Cut { header: None, .. } | PduContent::Skipped { .. } => {}
        }
    }

    fn connection(&mut self, connection: &ConnectionRecord) {
        let FlowInfo { stream, client, server, first, last, packets, syn, syn_ack, reset, fin, .. } =
            connection.flow;
        let connection = Connection {
            client,
            server,
            packets,
            first: first.frame,
            last: last.frame,
            syn: syn.map(|stamp| stamp.frame),
            syn_ack: syn_ack.map(|stamp| stamp.frame),
            fin: fin.map(|stamp| stamp.map(|stamp| stamp.frame)),
            reset: reset.map(|(_, stamp)| stamp.frame),
        };
        assert!(self.connections.insert(stream, connection).is_none(), "stream {stream} twice");
    }

    fn notice(&mut self, notice: &Notice) {
        self.is_damaged |= notice.kind.is_failed_input();
    }

    fn summary(&mut self, summary: &Summary) {
        self.other_connections = summary.other_connections;
    }
}

const FIELDS: [&str; 13] = [
    "frame.number",
    "tcp.stream",
    "tcp.flags",
    "tcp.srcport",
    "tcp.dstport",
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "dcerpc.pkt_type",
    "dcerpc.cn_flags",
    "dcerpc.cn_frag_len",
    "dcerpc.cn_call_id",
];

fn of_tshark(name: &str, in_order: bool) -> Listing {
    let output = tshark::command()
        .args(["-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", "-E", "aggregator=,"])
        .args(["-d", "tcp.port==1688,dcerpc", "-d", "tcp.port==1689,dcerpc"])
        .args(["-o", "tcp.desegment_tcp_streams:TRUE"])
        .args([
            "-o",
            if in_order { "tcp.reassemble_out_of_order:TRUE" } else { "tcp.reassemble_out_of_order:FALSE" },
        ])
        .args(FIELDS.iter().flat_map(|field| ["-e", field]))
        .arg("-r")
        .arg(support::folder().join(name))
        .output()
        .unwrap();
    let mut listing = Listing { is_damaged: !output.status.success(), ..Listing::default() };
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        listing.add_line(line);
    }
    listing
}

impl Listing {
    /// Takes tshark's line of one packet; a field that occurs several times is a list with commas.
    fn add_line(&mut self, line: &str) {
        let columns: Vec<Vec<&str>> = line
            .split('\t')
            .map(|column| column.split(',').filter(|value| !value.is_empty()).collect())
            .collect();
        assert_eq!(columns.len(), FIELDS.len(), "{line:?}");
        let frame = number(columns[0][0]);
        let &[stream] = &columns[1][..] else {
            assert!(columns[1].is_empty() && columns[9].is_empty(), "{line:?}");
            return;
        };
        let stream = number(stream);
        // In a tunnel the last addresses are those of the connection.
        let endpoint = |v4: usize, v6: usize, port: usize| {
            let address: IpAddr = columns[v4].last().or(columns[v6].last()).unwrap().parse().unwrap();
            Endpoint { address, port: columns[port][0].parse().unwrap() }
        };
        let (source, destination) = (endpoint(5, 7, 3), endpoint(6, 8, 4));
        self.add_segment(stream, frame, source, destination, number(columns[2][0]));
        assert!(columns[9..].iter().all(|column| column.len() == columns[9].len()), "{line:?}");
        for (i, ptype) in columns[9].iter().enumerate() {
            self.pdus.push(Pdu {
                stream,
                frame,
                ptype: number(ptype),
                flags: number(columns[10][i]),
                frag_length: number(columns[11][i]),
                call_id: number(columns[12][i]),
            });
        }
    }

    fn add_segment(&mut self, stream: u64, frame: u64, source: Endpoint, destination: Endpoint, flags: u64) {
        let has = |bit: u64| flags & bit != 0;
        let (fin, syn, reset, ack) = (has(1), has(2), has(4), has(0x10));
        let connection = self.connections.entry(stream).or_insert_with(|| {
            // The client sends the SYN; where the capture begins later, the server has the port that is asked for.
            let is_client = if syn { !ack } else { destination.port == 1688 };
            let (client, server) = if is_client { (source, destination) } else { (destination, source) };
            Connection {
                client,
                server,
                packets: 0,
                first: frame,
                last: frame,
                syn: None,
                syn_ack: None,
                fin: [None; 2],
                reset: None,
            }
        });
        connection.packets += 1;
        connection.last = frame;
        let slot = [&mut connection.syn, &mut connection.syn_ack];
        if syn {
            slot.into_iter().nth(usize::from(ack)).unwrap().get_or_insert(frame);
        }
        if fin {
            connection.fin[usize::from(source != connection.client)].get_or_insert(frame);
        }
        if reset {
            connection.reset.get_or_insert(frame);
        }
    }
}

/// A number as tshark writes it: `19`, `0x13`.
fn number(text: &str) -> u64 {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.unwrap_or_else(|error| panic!("{text:?}: {error}"))
}
