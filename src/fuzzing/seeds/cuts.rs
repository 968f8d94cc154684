//! What is cut for each target.

use crate::capture::{Dialogue, Direction, Packet, PcapngWriter};
use crate::discovery;
use crate::fuzzing::KeyPlan;
use crate::kms::{Ndr, RequestMessage, ResponseMessage};
use crate::mak::vamt;
use crate::rpc::{Body, Pdu};
use crate::trace::{Answer, Exchange, InputKind, MakExchange, RingOptions};
use crate::vmbus::control::Message as Control;
use crate::vmbus::{self, ChannelClass, PipeMode, Record, RecordKind, RingPair};

use super::connection::{KeptPacket, Message};
use super::{Connection, Put, Spoken, formats};

/// What an input has, for a target to cut from.
pub enum Thing<'a> {
    /// The first bytes of a capture.
    Beginning(&'a [u8]),
    /// What is no capture, without product keys. What rings are is said by the options.
    Document(InputKind, &'a [u8], &'a RingOptions),
    /// A connection that has ended, and what it speaks.
    Connection(&'a Connection, Spoken),
    /// A connection in TLS, and the lines of a key log that open it.
    Session(&'a Connection, &'a [u8]),
    /// A body over HTTP, without its codings.
    Body(&'a [u8]),
    /// The first messages of DNS over UDP, in order.
    Messages(&'a [Message]),
    /// The first records of VMBus, in order.
    Records(&'a [KeptPacket]),
    /// A call of KMS.
    Exchange(&'a Exchange),
    /// An exchange with a service of MAK.
    Mak(&'a MakExchange),
    /// A computer of a VAMT file.
    Computer(&'a vamt::Computer),
}

/// How seeds of a target are cut: of each thing, its seeds, none mostly.
pub type Cut = fn(&Thing<'_>, &mut Put<'_>);

/// The targets, and how their seeds are cut. One that is added to [`TARGETS`](crate::fuzzing::TARGETS) is added here.
pub const CUTS: &[(&str, Cut)] = &[
    ("capture", capture),
    ("connection", connection),
    ("diagnose", capture),
    ("dns", dns),
    ("epid", epid),
    ("events", events),
    ("file", file),
    ("framer", framer),
    ("har", har),
    ("http", http),
    ("id", id),
    ("key_log", key_log),
    ("layers", layers),
    ("ldap", ldap),
    ("ldif", ldif),
    ("pdu", pdu),
    ("reassembly", reassembly),
    ("redact", redact),
    ("request_message", request_message),
    ("request_stub", request_stub),
    ("request_v4", |thing, put| plaintext("request_v4", 4, thing, put)),
    ("request_v5", |thing, put| plaintext("request_v5", 6, thing, put)),
    ("request_v6", |thing, put| plaintext("request_v6", 6, thing, put)),
    ("respond", respond),
    ("response_message", response_message),
    ("response_stub", response_stub),
    ("response_v4", |thing, put| plaintext("response_v4", 8, thing, put)),
    ("response_v5", |thing, put| plaintext("response_v5", 14, thing, put)),
    ("response_v6", |thing, put| plaintext("response_v6", 14, thing, put)),
    ("rules", rules),
    ("soap", soap),
    ("streams", streams),
    ("tls", tls),
    ("vamt", vamt),
    ("verify", response_message),
    ("vmbus_control", vmbus_control),
    ("vmbus_pipe", vmbus_pipe),
    ("vmbus_ring", vmbus_ring),
];

/// A connection, or what was said beside them, as a capture of its own.
fn capture(thing: &Thing<'_>, put: &mut Put<'_>) {
    match thing {
        Thing::Connection(connection, spoken) => {
            let file = if connection.is_masked {
                // The packets have what was masked.
                said_again(connection)
            } else {
                pcapng(connection.packets.iter().enumerate().map(|(at, kept)| kept.packet(at)))
            };
            put.seed(spoken.name(), &shape_of(connection, *spoken), file);
        }
        Thing::Messages(messages) => {
            let packets = messages.iter().enumerate().map(|(at, message)| message.packet.packet(at));
            put.seed("dns", &dns_shape(messages), pcapng(packets));
        }
        Thing::Records(records) => {
            let packets = records.iter().enumerate().map(|(at, record)| record.packet(at));
            put.seed("vmbus", "", pcapng(packets));
        }
        _ => {}
    }
}

/// A connection of DCE/RPC with its server, and with a host of ours in its place.
fn connection(thing: &Thing<'_>, put: &mut Put<'_>) {
    const OURS: u8 = 8;
    if let Thing::Connection(connection, spoken @ Spoken::Rpc) = thing {
        let shape = shape_of(connection, *spoken);
        put.seed("server", &format!("server {shape}"), formats::connection(connection, 0));
        put.seed("host", &format!("host {shape}"), formats::connection(connection, OURS));
    }
}

/// Every message of DNS alone, all of them in a row, and streams of them.
fn dns(thing: &Thing<'_>, put: &mut Put<'_>) {
    const MESSAGE: u8 = 0;
    const STREAM: u8 = 1;
    const NETWORK: u8 = 2;
    match thing {
        Thing::Connection(connection, Spoken::Dns) => {
            for direction in DIRECTIONS {
                let seed = [vec![STREAM], formats::stream(connection, direction)].concat();
                let length = connection.said[direction as usize].len();
                put.seed(direction.name(), &format!("stream {length}"), seed);
            }
        }
        Thing::Messages(messages) => {
            let mut row = vec![NETWORK];
            let mut before = None;
            for message in *messages {
                let payload = message.payload();
                let read = discovery::Message::parse(payload);
                let name = match &read {
                    Ok(read) if read.is_response() => "response",
                    Ok(_) => "query",
                    Err(_) => "unreadable",
                };
                put.seed(name, &message_shape(payload), [&[MESSAGE], payload].concat());
                let time = message.packet.packet(0).time;
                let seconds =
                    time.zip(before).map_or(0, |(time, before): (i64, i64)| (time - before) / 1_000_000_000);
                before = time.or(before);
                let way = match message.source.port.min(message.destination.port) {
                    discovery::MDNS_PORT => 2,
                    discovery::LLMNR_PORT => 3,
                    _ => 0,
                } | u8::from(message.destination.address.is_multicast()) << 5;
                if let Ok(length) = u16::try_from(payload.len())
                    && row.len() + payload.len() < 8 << 10
                {
                    row.extend([way, u8::try_from(seconds.clamp(0, 254)).unwrap_or(0)]);
                    row.extend(length.to_le_bytes());
                    row.extend(payload);
                }
            }
            put.seed("messages", &dns_shape(messages), row);
        }
        _ => {}
    }
}

fn epid(thing: &Thing<'_>, put: &mut Put<'_>) {
    if let Thing::Exchange(exchange) = thing
        && let Some((_, response)) = pair(exchange)
        && let Some(body) = response.body()
    {
        put.seed("epid", "", body.epid.to_vec());
    }
}

/// The event that a client writes of a request, as wevtutil exports it.
fn events(thing: &Thing<'_>, put: &mut Put<'_>) {
    if let Thing::Exchange(exchange) = thing
        && let Some(body) = request_of(exchange).and_then(RequestMessage::body)
    {
        let time = body.client_time.to_string();
        let minute = time.get(..16).unwrap_or(&time).replace('-', "/").replace('T', " ");
        let text = format!(
            "Event[0]:\n  Log Name: Application\n  Source: Microsoft-Windows-Security-SPP\n  Event ID: 12288\n  \
            Description: \nInfo:\n0x00000000, 0x00000000, {}, {}, {minute}, {}, {}, {}, {}, {}\n",
            exchange.server,
            body.cmid,
            body.vm_info,
            body.license_status,
            body.binding_expiration,
            body.act_id,
            body.n_policy
        );
        put.seed("requested", exchange.outcome().name(), text.into_bytes());
    }
}

fn file(thing: &Thing<'_>, put: &mut Put<'_>) {
    if let Thing::Beginning(bytes) = thing {
        put.seed("file", "", bytes.to_vec());
    }
}

fn framer(thing: &Thing<'_>, put: &mut Put<'_>) {
    if let Thing::Connection(connection, Spoken::Rpc) = thing {
        for direction in DIRECTIONS.into_iter().filter(|way| !connection.said[*way as usize].is_empty()) {
            let pdus = connection.pdus(direction);
            let kinds: Vec<(Option<u8>, usize)> =
                pdus.iter().map(|pdu| (pdu.get(2).copied(), pdu.len().min(64))).collect();
            let gap = connection.gaps[direction as usize];
            let rest = connection.said[direction as usize].len() - pdus.iter().map(Vec::len).sum::<usize>();
            let seed = formats::framing(connection, direction);
            put.seed(direction.name(), &format!("{kinds:?} {rest} {gap:?}"), seed);
        }
    }
}

fn har(thing: &Thing<'_>, put: &mut Put<'_>) {
    document(thing, InputKind::Har, "har", &[], put);
}

fn http(thing: &Thing<'_>, put: &mut Put<'_>) {
    if let Thing::Connection(connection, Spoken::Http) = thing {
        for direction in DIRECTIONS.into_iter().filter(|way| !connection.said[*way as usize].is_empty()) {
            put.seed(direction.name(), "", formats::http(connection, direction));
        }
    }
}

/// The IDs that are asked for and answered with, as they are written.
fn id(thing: &Thing<'_>, put: &mut Put<'_>) {
    let mut id = |what: &str, text: Option<&str>| {
        let text = text.unwrap_or_default();
        // Digits, and what stands between them, say what there is to read.
        let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        if !text.is_empty() {
            put.seed(what, &shape, text.as_bytes().to_vec());
        }
    };
    match thing {
        Thing::Mak(exchange) => {
            let bodies = exchange.request.iter().map(|request| &request.body);
            let bodies = bodies.chain(exchange.answer.iter().map(|answer| &answer.body));
            for message in bodies.filter_map(|body| body.message.as_ref()) {
                for item in message.request_document().into_iter().flat_map(|document| &document.items) {
                    id("installation_id", item.iid.as_deref());
                }
                for item in message.response_document().into_iter().flat_map(|document| &document.items) {
                    id("installation_id", item.iid.as_deref());
                    id("confirmation_id", item.cid.as_deref());
                }
            }
        }
        Thing::Computer(computer) => {
            for value in computer.products.iter().flat_map(|product| &product.values) {
                match &*value.name {
                    "InstallationId" => id("installation_id", Some(&value.value)),
                    "ConfirmationId" => id("confirmation_id", Some(&value.value)),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

fn key_log(thing: &Thing<'_>, put: &mut Put<'_>) {
    if let Thing::Session(_, lines) = thing
        && !lines.is_empty()
    {
        let labels: Vec<_> =
            lines.split(|byte| *byte == b'\n').map(|line| line.split(|byte| *byte == b' ').next()).collect();
        put.seed("keys", &format!("{labels:?}"), lines.to_vec());
    }
}

/// The plain text of a message of this target's version, with each of so many things made wrong.
fn plaintext(target: &str, faults: u8, thing: &Thing<'_>, put: &mut Put<'_>) {
    let Thing::Exchange(exchange) = thing else { return };
    let Some(request) = request_of(exchange) else { return };
    let response =
        || pair(exchange).and_then(|(request, response)| formats::Text::of_response(request, response));
    let of_target = |text: &formats::Text| text.target == target;
    let text = formats::Text::of_request(request).filter(of_target).or_else(|| response().filter(of_target));
    for fault in 0..faults {
        if let Some(text) = &text {
            let seed = text.seed(fault, 97 * u16::from(fault) + 5);
            put.seed(&format!("fault_{fault}"), &format!("{fault} {}", seed.len()), seed);
        }
    }
}

/// The packets of one link layer and one way of encapsulation.
fn layers(thing: &Thing<'_>, put: &mut Put<'_>) {
    /// Packets of a seed.
    const MOST: usize = 12;
    let (name, kept): (&str, Vec<&KeptPacket>) = match thing {
        Thing::Connection(connection, _) if !connection.is_masked => {
            ("tcp", connection.packets.iter().collect())
        }
        Thing::Messages(messages) => ("udp", messages.iter().map(|message| &message.packet).collect()),
        _ => return,
    };
    let Some(first) = kept.first() else { return };
    let link = first.packet(0).link;
    let mut heads: Vec<usize> = kept.iter().map(|kept| kept.head).collect();
    heads.sort_unstable();
    heads.dedup();
    let packets = kept.iter().enumerate().map(|(at, kept)| kept.packet(at));
    let packets = packets.filter(|packet| packet.link == link).take(MOST);
    let version = first.packet(0).data.get(14).map(|byte| byte >> 4);
    put.seed(name, &format!("{name} {} {heads:?} {version:?}", link.0), formats::layers(packets));
}

fn ldap(thing: &Thing<'_>, put: &mut Put<'_>) {
    if let Thing::Connection(connection, Spoken::Ldap) = thing {
        let seed = [vec![u8::from(!connection.is_whole)], formats::pieces(connection)].concat();
        put.seed("ldap", "", seed);
    }
}

fn ldif(thing: &Thing<'_>, put: &mut Put<'_>) {
    document(thing, InputKind::Ldif, "ldif", &[], put);
}

fn pdu(thing: &Thing<'_>, put: &mut Put<'_>) {
    if let Thing::Connection(connection, Spoken::Rpc) = thing {
        for bytes in DIRECTIONS.into_iter().flat_map(|direction| connection.pdus(direction)) {
            if let Ok((pdu, _)) = Pdu::parse_lax(&bytes) {
                put.seed(pdu.header.ptype.name().unwrap_or("unknown"), &kind_of(&bytes), bytes);
            }
        }
    }
}

fn reassembly(thing: &Thing<'_>, put: &mut Put<'_>) {
    if let Thing::Connection(connection, _) = thing {
        let plan = formats::turns(connection);
        put.seed("turns", &format!("{:?}", &plan[..6]), plan);
    }
}

/// A made-up key in what was captured as text, in each way of writing it.
fn redact(thing: &Thing<'_>, put: &mut Put<'_>) {
    /// Bytes of the text.
    const MOST: usize = 400;
    let (name, text) = match thing {
        Thing::Document(kind, text, _) if *kind != InputKind::Ring => (kind.name(), *text),
        Thing::Body(text) => ("body", *text),
        Thing::Connection(connection, spoken @ (Spoken::Http | Spoken::Ldap)) => {
            (spoken.name(), &connection.said[0][..])
        }
        _ => return,
    };
    let around = &text[..text.len().min(MOST)];
    // Which way of writing it is, the text chooses: other texts have others.
    let choice = around.iter().fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(*byte));
    let plan = KeyPlan {
        symbols: std::array::from_fn(|at| choice.wrapping_add(7 * u8::try_from(at).unwrap_or(0)) % 24),
        layout: choice % KeyPlan::LAYOUTS,
        escape: choice / 3 % KeyPlan::ESCAPES,
        escaped: 0x1e00_0421,
        width: choice / 27 % KeyPlan::WIDTHS,
        transport: choice / 7 % KeyPlan::TRANSPORTS,
        place: 6,
        around,
    };
    let KeyPlan { layout, escape, width, transport, .. } = plan;
    put.seed(name, &format!("{name} {layout} {escape} {width} {transport}"), plan.write());
}

fn request_message(thing: &Thing<'_>, put: &mut Put<'_>) {
    if let Thing::Exchange(exchange) = thing
        && let Some(request) = request_of(exchange)
    {
        let bytes = request.encode();
        let version = request.version();
        put.seed("request", &format!("{version:?} {}", bytes.len()), bytes);
    }
}

fn request_stub(thing: &Thing<'_>, put: &mut Put<'_>) {
    if let Thing::Exchange(exchange) = thing
        && let Some(request) = &exchange.request
    {
        let name = ndr_name(exchange.ndr);
        let shape = format!("{name} {}", request.bytes.len());
        put.seed(name, &shape, formats::stub(exchange.ndr, &request.bytes));
    }
}

fn respond(thing: &Thing<'_>, put: &mut Put<'_>) {
    request_stub(thing, put);
}

fn response_message(thing: &Thing<'_>, put: &mut Put<'_>) {
    if let Thing::Exchange(exchange) = thing
        && let Some((request, response)) = pair(exchange)
        && let Some(seed) = formats::pair(request, response)
    {
        put.seed("response", &format!("{:?} {}", response.version(), response.encode().len()), seed);
    }
}

fn response_stub(thing: &Thing<'_>, put: &mut Put<'_>) {
    if let Thing::Exchange(exchange) = thing
        && let Some(Answer::Response(response)) = &exchange.answer
    {
        let name = ndr_name(exchange.ndr);
        let shape = format!("{name} {} {:?}", response.bytes.len(), exchange.outcome());
        put.seed(name, &shape, formats::stub(exchange.ndr, &response.bytes));
    }
}

fn rules(thing: &Thing<'_>, put: &mut Put<'_>) {
    if let Thing::Connection(connection, spoken @ Spoken::Rpc) = thing {
        put.seed("dialogue", &shape_of(connection, *spoken), formats::dialogue(connection));
    }
}

fn soap(thing: &Thing<'_>, put: &mut Put<'_>) {
    const BODY: u8 = 0;
    match thing {
        Thing::Body(body) => put.seed("body", "", [&[BODY], *body].concat()),
        // In a HAR, what was read of them is all there is.
        Thing::Mak(exchange) if matches!(exchange.carrier, crate::trace::Carrier::Har { .. }) => {
            let request = exchange.request.iter().map(|request| ("request", &request.body));
            let answer = exchange.answer.iter().map(|answer| ("response", &answer.body));
            for (name, body) in request.chain(answer) {
                if let Some(message) = &body.message {
                    put.seed(name, "", [vec![BODY], message.encode()].concat());
                }
            }
        }
        _ => document(thing, InputKind::Document, "body", &[BODY], put),
    }
}

fn streams(thing: &Thing<'_>, put: &mut Put<'_>) {
    if let Thing::Connection(connection, _) = thing {
        put.seed("segments", "", formats::segments(connection));
    }
}

fn tls(thing: &Thing<'_>, put: &mut Put<'_>) {
    if let Thing::Session(connection, lines) = thing {
        put.seed("tls", "", formats::tls(lines, &formats::pieces(connection)));
    }
}

fn vamt(thing: &Thing<'_>, put: &mut Put<'_>) {
    document(thing, InputKind::Vamt, "vamt", &[], put);
}

fn vmbus_control(thing: &Thing<'_>, put: &mut Put<'_>) {
    let Thing::Records(records) = thing else { return };
    for (at, kept) in records.iter().enumerate() {
        let packet = kept.packet(at);
        let Ok(record) = Record::parse(packet.data) else { continue };
        if record.kind != RecordKind::Control {
            continue;
        }
        if let Ok((message, error)) = Control::parse_lax(record.bytes) {
            let cut = if error.is_some() { "_cut" } else { "" };
            let name = format!("{}_{}{cut}", message.kind.name().unwrap_or("unknown"), record.bytes.len());
            put.seed(&name, &name, record.bytes.to_vec());
        }
    }
}

/// The first records whole, and the payloads of the first packets.
fn vmbus_pipe(thing: &Thing<'_>, put: &mut Put<'_>) {
    const FROM_HOST: u8 = 1;
    const CONTROL: u8 = 2;
    const PACKET: u8 = 4;
    const RECORD: u8 = 8;
    const MOST_PAYLOADS: usize = 24;
    let Thing::Records(records) = thing else { return };
    let mut whole = vec![0];
    let mut payloads = vec![0];
    let mut count = 0;
    for (at, kept) in records.iter().enumerate() {
        let packet = kept.packet(at);
        if whole.len() + packet.data.len() < MOST_RECORDS {
            formats::put(&mut whole, RECORD, packet.data);
        }
        let Ok(record) = Record::parse(packet.data) else { continue };
        let from = if record.direction == vmbus::Direction::HostToGuest { FROM_HOST } else { 0 };
        let (kind, bytes) = match (record.kind, vmbus::Packet::parse(record.bytes)) {
            (RecordKind::Control, _) => (from | CONTROL, record.bytes),
            (_, Ok(packet)) => (from, packet.payload),
            (_, Err(_)) => (from | PACKET, record.bytes),
        };
        if record.kind != RecordKind::Control && payloads[0] == 0 {
            // The class that the first packet is of.
            let class = ChannelClass::all().position(|class| class == record.class());
            let is_byte = record.pipe_mode() == Some(PipeMode::Byte);
            payloads[0] = u8::try_from(class.unwrap_or(0)).unwrap_or(0) | if is_byte { 0x80 } else { 0 };
        }
        if count < MOST_PAYLOADS && payloads.len() + bytes.len() < 2 * MOST_RECORDS {
            formats::put(&mut payloads, kind, bytes);
            count += 1;
        }
    }
    put.seed("records", "", whole);
    put.seed("payloads", "", payloads);
}

fn vmbus_ring(thing: &Thing<'_>, put: &mut Put<'_>) {
    if let Thing::Document(InputKind::Ring, bytes, options) = thing
        && let Ok(rings) = RingPair::parse(bytes, options.downstream_page)
    {
        put.seed("sent", "", formats::ring(&rings.guest_to_host));
        put.seed("received", "", formats::ring(&rings.host_to_guest));
    }
}

/// A document of this kind, with a head in front.
fn document(thing: &Thing<'_>, wanted: InputKind, name: &str, head: &[u8], put: &mut Put<'_>) {
    if let Thing::Document(kind, bytes, _) = thing
        && *kind == wanted
    {
        put.seed(name, "", [head, *bytes].concat());
    }
}

/// What a connection is like: what it speaks, on what link, how its PDUs follow each other, and what is wrong with it.
fn shape_of(connection: &Connection, spoken: Spoken) -> String {
    let kinds = |direction| {
        let mut kinds: Vec<String> = connection.pdus(direction).iter().map(|pdu| kind_of(pdu)).collect();
        kinds.dedup();
        kinds
    };
    let link = connection.packets.first().map(|kept| (kept.packet(0).link, kept.head));
    let said = match spoken {
        Spoken::Rpc => DIRECTIONS.into_iter().flat_map(kinds).collect(),
        _ => connection.said.iter().map(|said| said.len().to_string()).collect::<Vec<_>>(),
    };
    format!("{spoken:?} {link:?} {} {:?} {said:?}", connection.is_whole, connection.gaps)
}

/// A PDU's kind: its type, flags and byte order, and of a bind what is proposed and answered.
#[must_use]
pub fn kind_of(bytes: &[u8]) -> String {
    let Ok((pdu, error)) = Pdu::parse_lax(bytes) else { return String::new() };
    let details = match &pdu.body {
        Body::Bind(bind) | Body::AlterContext(bind) => format!("{}", bind.contexts.len()),
        Body::BindAck(ack) | Body::AlterContextResp(ack) => {
            let results: Vec<_> = ack.results.iter().map(|result| (result.result, result.reason)).collect();
            format!("{} {results:?}", ack.secondary_address.len())
        }
        Body::Fault(fault) => format!("{:x}", fault.status),
        Body::Request(_) | Body::Response(_) => format!("{}", bytes.len() / 64),
        _ => String::new(),
    };
    let header = &pdu.header;
    let is_cut = error.is_some();
    format!("{} {} {:?} {} {details} {is_cut}", header.ptype, header.flags, header.drep, header.auth_length)
}

/// What a message of DNS is like: its flags, what it asks for, and its counts.
fn message_shape(payload: &[u8]) -> String {
    match discovery::Message::parse(payload) {
        Ok(message) => {
            let asked: Vec<_> = message.questions.iter().map(|question| question.rtype).collect();
            let has: Vec<_> = message.records().map(|(section, record)| (section, record.rtype)).collect();
            format!("{:?} {asked:?} {has:?} {} {:?}", message.flags, message.edns.is_some(), message.error)
        }
        Err(error) => error.to_string(),
    }
}

fn dns_shape(messages: &[Message]) -> String {
    messages.iter().map(|message| message_shape(message.payload())).collect()
}

fn ndr_name(ndr: Ndr) -> &'static str {
    match ndr {
        Ndr::Ndr32 => "ndr32",
        Ndr::Ndr64 => "ndr64",
    }
}

fn request_of(exchange: &Exchange) -> Option<&RequestMessage> {
    exchange.request.as_ref()?.message.as_ref()
}

fn pair(exchange: &Exchange) -> Option<(&RequestMessage, &ResponseMessage)> {
    match exchange.answer.as_ref()? {
        Answer::Response(response) => Some((request_of(exchange)?, response.message.as_ref()?)),
        Answer::Fault(_) => None,
    }
}

/// Packets as a file; nothing where there are none.
fn pcapng<'a>(packets: impl Iterator<Item = Packet<'a>>) -> Vec<u8> {
    let write = || -> std::io::Result<Vec<u8>> {
        let mut writer = PcapngWriter::new(Vec::new(), "")?;
        let mut links = Vec::new();
        for packet in packets {
            let known = links.iter().find(|(link, _)| *link == packet.link).map(|(_, interface)| *interface);
            let interface = match known {
                Some(interface) => interface,
                None => {
                    let interface = writer.add_interface(packet.link, "", "")?;
                    links.push((packet.link, interface));
                    interface
                }
            };
            let time = packet.time.and_then(|time| u64::try_from(time).ok()).unwrap_or_default();
            writer.packet(interface, time, packet.data)?;
        }
        if links.is_empty() { Ok(Vec::new()) } else { writer.finish() }
    };
    write().expect("memory takes everything")
}

/// A connection's turns as a file, in packets of their own.
fn said_again(connection: &Connection) -> Vec<u8> {
    let mut dialogue = Dialogue::new(connection.client, connection.server, 0);
    for (time, turn) in (1..).zip(&connection.turns) {
        dialogue.send(turn.direction, time, connection.bytes(turn));
    }
    dialogue.close(Direction::ToServer, u64::from(u32::MAX));
    let mut file = Vec::new();
    Dialogue::write(&[dialogue], &mut file, "").expect("memory takes everything");
    file
}

const DIRECTIONS: [Direction; 2] = [Direction::ToServer, Direction::ToClient];
/// Bytes of a row of records.
const MOST_RECORDS: usize = 4000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::TARGETS;

    #[test]
    fn every_target_has_a_cut_and_every_cut_a_target() {
        let targets = TARGETS.iter().map(|(name, _)| *name);
        assert!(targets.eq(CUTS.iter().map(|(name, _)| *name)));
    }
}
