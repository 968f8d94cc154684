//! VMBus: what an independent script wrote (`captures/vmbus/make/record.py`) is read as what its truth says, field by field;
//! and what must hold of rings and pipes, however packets lie in them.

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use volact::capture::{CaptureReader, LinkType, Packets as _, PcapngWriter};
use volact::vmbus::control::{self, Body, Message};
use volact::vmbus::pipe::{self, Framed, Reader};
use volact::vmbus::{
    ChannelClass, ChannelRecord, ChannelState, Content, ControlPage, Direction, Dump, ErrorEvent, Exchange,
    Footer, Handler, MAX_CHANNELS, MAX_GPADLS, MAX_PENDING, MAX_RANGES, MAX_STATES, MAX_WAITING, PAGE_LEN,
    Packet, PacketDescriptor, PacketType, Pairing, Payload, PipeMessage, PipeMode, Record, RecordKind, Ring,
    RingPair, RingWriter, Session, ic, kvp, synthrdp,
};
use volact::wire::{Error, ErrorKind, Guid, Hex};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("captures/vmbus")
}

fn truths(suffix: &str) -> Vec<Value> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder().join("truth")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let truths = paths.iter().map(|path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap());
    truths.filter(|truth: &Value| truth["file"].as_str().unwrap().ends_with(suffix)).collect()
}

fn file(truth: &Value) -> Vec<u8> {
    fs::read(folder().join(truth["file"].as_str().unwrap())).unwrap()
}

fn hex(bytes: &[u8]) -> Value {
    json!(Hex(bytes).to_string())
}

/// What a session told.
#[derive(Default)]
struct Told {
    controls: u64,
    packets: u64,
    exchanges: Vec<Exchange<u64>>,
    channels: Vec<ChannelRecord<u64>>,
    errors: Vec<ErrorEvent<u64>>,
}

impl Handler<u64> for Told {
    fn control(&mut self, _: &volact::vmbus::ControlEvent<'_, u64>) {
        self.controls += 1;
    }

    fn packet(&mut self, _: &volact::vmbus::PacketEvent<'_, u64>) {
        self.packets += 1;
    }

    fn exchange(&mut self, exchange: &Exchange<u64>) {
        self.exchanges.push(exchange.clone());
    }

    fn channel(&mut self, channel: &ChannelRecord<u64>) {
        self.channels.push(channel.clone());
    }

    fn error(&mut self, event: &ErrorEvent<u64>) {
        self.errors.push(event.clone());
    }
}

/// The fields of a control message by the truth's names; those of a newer form are null in an older one.
fn fields(body: &Body) -> Value {
    match body {
        Body::OfferChannel(b) => json!({
            "class_id": b.class_id.to_string(), "instance_id": b.instance_id.to_string(), "reserved": hex(&b.reserved),
            "flags": b.flags.0, "mmio_megabytes": b.mmio_megabytes, "user_data": hex(&b.user_data),
            "subchannel_index": b.subchannel_index, "mmio_megabytes_optional": b.mmio_megabytes_optional,
            "channel_id": b.channel_id, "monitor_id": b.monitor_id, "monitor_allocated": b.monitor_allocated,
            "is_dedicated": b.is_dedicated, "connection_id": b.connection_id,
        }),
        Body::RescindChannelOffer(b) => json!({ "channel_id": b.channel_id }),
        Body::OpenChannel(b) => json!({
            "channel_id": b.request.channel_id, "open_id": b.request.open_id,
            "ring_gpadl_id": b.request.ring_gpadl_id, "target_vp": b.request.target_vp,
            "downstream_page_offset": b.request.downstream_page_offset, "user_data": hex(&b.request.user_data),
            "connection_id": b.signal.map(|signal| signal.connection_id),
            "event_flag": b.signal.map(|signal| signal.event_flag), "flags": b.signal.map(|signal| signal.flags),
        }),
        Body::OpenChannelResult(b) => {
            json!({ "channel_id": b.channel_id, "open_id": b.open_id, "status": b.status })
        }
        Body::CloseChannel(b) => json!({ "channel_id": b.channel_id }),
        Body::GpadlHeader(b) => json!({
            "channel_id": b.channel_id, "gpadl_id": b.gpadl_id, "byte_length": b.byte_length,
            "range_count": b.range_count, "values": b.values,
        }),
        Body::GpadlBody(b) => json!({ "number": b.number, "gpadl_id": b.gpadl_id, "values": b.values }),
        Body::GpadlCreated(b) => {
            json!({ "channel_id": b.channel_id, "gpadl_id": b.gpadl_id, "status": b.status })
        }
        Body::GpadlTeardown(b) => json!({ "channel_id": b.channel_id, "gpadl_id": b.gpadl_id }),
        Body::GpadlTorndown(b) => json!({ "gpadl_id": b.gpadl_id }),
        Body::RelIdReleased(b) => json!({ "channel_id": b.channel_id }),
        Body::InitiateContact(b) => json!({
            "version": b.contact.version.0, "target_vp": b.contact.target_vp,
            "interrupt_page_or_target_info": b.contact.interrupt_page_or_target_info,
            "parent_to_child_monitor_page": b.contact.parent_to_child_monitor_page,
            "child_to_parent_monitor_page": b.contact.child_to_parent_monitor_page,
            "client_id": b.client_id.map(|id| id.to_string()),
        }),
        Body::VersionResponse(b) => json!({
            "version_supported": b.answer.version_supported, "connection_state": b.answer.connection_state,
            "padding": b.answer.padding, "version_or_connection_id": b.answer.version_or_connection_id,
            "supported_features": b.supported_features, "reserved": b.monitor_pages.map(|pages| pages.reserved),
            "parent_to_child": b.monitor_pages.map(|pages| pages.parent_to_child),
            "child_to_parent": b.monitor_pages.map(|pages| pages.child_to_parent),
        }),
        Body::OpenReservedChannel(b) => json!({
            "channel_id": b.channel_id, "target_vp": b.target_vp, "target_sint": b.target_sint,
            "ring_gpadl_id": b.ring_gpadl_id, "downstream_page_offset": b.downstream_page_offset,
        }),
        Body::CloseReservedChannel(b) => {
            json!({ "channel_id": b.channel_id, "target_vp": b.target_vp, "target_sint": b.target_sint })
        }
        Body::CloseReservedResponse(b) => json!({ "channel_id": b.channel_id }),
        Body::TlConnectRequest(b) => json!({
            "endpoint_id": b.connection.endpoint_id.to_string(), "service_id": b.connection.service_id.to_string(),
            "silo_id": b.silo_id.map(|id| id.to_string()),
        }),
        Body::ModifyChannel(b) => json!({ "channel_id": b.channel_id, "target_vp": b.target_vp }),
        Body::TlConnectResult(b) => json!({
            "endpoint_id": b.endpoint_id.to_string(), "service_id": b.service_id.to_string(), "status": b.status,
        }),
        Body::ModifyChannelResponse(b) => json!({ "channel_id": b.channel_id, "status": b.status }),
        Body::ModifyConnection(b) => json!({
            "parent_to_child_monitor_page": b.parent_to_child_monitor_page,
            "child_to_parent_monitor_page": b.child_to_parent_monitor_page,
        }),
        Body::ModifyConnectionResponse(b) => json!({ "connection_state": b.connection_state }),
        Body::RequestOffers
        | Body::AllOffersDelivered
        | Body::Unload
        | Body::UnloadComplete
        | Body::Pause
        | Body::PauseResponse
        | Body::Resume => json!({}),
        Body::Opaque => Value::Null,
    }
}

/// Holds that an error is the one of the truth, in the fields that it has.
fn assert_error(error: Option<&Error>, truth: &Value, name: &str) {
    let Some(error) = error else { return assert_eq!(truth, &Value::Null, "{name}") };
    let mut found = Map::new();
    found.insert("layer".into(), json!(error.layer));
    found.insert("field".into(), json!(error.field));
    found.insert("offset".into(), json!(error.offset));
    match error.kind {
        ErrorKind::Truncated { needed, got } => {
            found.insert("needed".into(), json!(needed));
            found.insert("got".into(), json!(got));
        }
        ErrorKind::Length { declared, least, .. } => {
            found.insert("declared".into(), json!(declared));
            found.insert("least".into(), json!(least));
        }
        _ => {}
    }
    for (key, value) in truth.as_object().unwrap_or_else(|| panic!("{name}: {error}")) {
        assert_eq!(found.get(key), Some(value), "{name}: {key} of {error}");
    }
}

fn assert_control(bytes: &[u8], truth: &Value, name: &str) {
    let (message, error) = Message::parse_lax(bytes).unwrap();
    assert_eq!(json!(message.kind.0), truth["type"], "{name}");
    assert_eq!(json!(message.kind.name()), truth["name"], "{name}");
    assert_eq!(json!(message.padding), truth["padding"], "{name}");
    assert_eq!(fields(&message.body), truth["fields"], "{name}");
    assert_eq!(hex(&message.excess), truth["excess"], "{name}");
    assert_error(error.as_ref(), &truth["error"], name);
    assert_eq!(Message::parse(bytes).is_ok(), error.is_none(), "{name}");
    assert_eq!(message.encode(), bytes, "{name}");
    if message.body != Body::Opaque {
        let made = Message {
            padding: message.padding,
            excess: message.excess.clone(),
            ..Message::new(message.body.clone())
        };
        assert_eq!(made, message, "{name}");
    }
}

fn assert_packet(bytes: &[u8], truth: &Value, name: &str) {
    let packet = Packet::parse(bytes).unwrap();
    let descriptor = packet.descriptor;
    for (field, value) in [
        ("type", json!(descriptor.kind.0)),
        ("data_offset8", json!(descriptor.data_offset8)),
        ("length8", json!(descriptor.length8)),
        ("flags", json!(descriptor.flags)),
        ("transaction_id", json!(descriptor.transaction_id)),
        ("extended", hex(packet.extended)),
        ("payload", hex(packet.payload)),
        ("footer", json!(packet.footer.map(|f| json!({ "reserved": f.reserved, "offset": f.offset })))),
    ] {
        assert_eq!(value, truth[field], "{name}: {field}");
    }
    assert_eq!(packet.excess, b"", "{name}");
    assert_eq!(packet.encode(), bytes, "{name}");
}

fn record_fields(record: &Record<'_>) -> Value {
    json!({
        "direction": record.direction.name(), "kind": record.kind.name(), "pipe_type": record.pipe_type,
        "channel_id": record.channel_id, "ring_offset": record.ring_offset, "class_id": record.class_id.to_string(),
        "instance_id": record.instance_id.to_string(), "length": record.bytes.len(),
    })
}

fn message_fields(message: &PipeMessage<u64>) -> Value {
    assert_eq!(message.error, None);
    let mut fields = json!({
        "direction": message.direction.name(), "first": message.first, "last": message.last,
        "transaction_id": message.transaction_id, "packets": message.packets, "length": message.length,
    });
    let (name, content) = match &message.content {
        Content::Opaque(payload) => {
            let Payload { length, sha256, first, .. } = payload;
            ("opaque", json!({ "length": length, "sha256": hex(sha256), "first": hex(first) }))
        }
        Content::SynthRdp(synthrdp::Message { header, accepted, excess }) => (
            "synthrdp",
            json!({
                "kind": header.kind.0, "size": header.size, "version": header.version, "reserved": header.reserved,
                "accepted": accepted, "excess": hex(excess),
            }),
        ),
        Content::Kvp(message) => ("ic", ic_fields(message)),
    };
    fields[name] = content;
    fields
}

fn ic_fields(message: &ic::Message) -> Value {
    let header = &message.header;
    let version = |version: &ic::Version| json!([version.major, version.minor]);
    let mut fields = json!({
        "framework_version": version(&header.framework_version), "kind": header.kind.0,
        "message_version": version(&header.message_version), "size": header.size, "status": header.status,
        "transaction": header.transaction, "flags": header.flags, "reserved": header.reserved,
    });
    match &message.body {
        ic::Body::Negotiate(negotiate) => {
            let versions: Vec<Value> = negotiate.versions.iter().map(version).collect();
            fields["negotiate"] = json!([negotiate.framework_count, negotiate.message_count, versions]);
            assert_eq!(message.excess, b"");
        }
        ic::Body::Kvp(exchange) => {
            let mut kvp = json!({ "operation": exchange.operation.0, "pool": exchange.pool.0 });
            if let Some(pair) = exchange.pair() {
                kvp["pair"] =
                    json!({ "type": pair.kind.0, "key": pair.key(), "value": pair.value().to_string() });
            }
            match &exchange.body {
                kvp::Body::Indexed { index, .. } => kvp["index"] = json!(index),
                kvp::Body::Key { .. } => kvp["key"] = json!(exchange.key()),
                kvp::Body::Opaque => kvp["opaque"] = hex(&message.excess),
                kvp::Body::Pair(_) => {}
            }
            fields["kvp"] = kvp;
        }
        ic::Body::Opaque => fields["opaque"] = hex(&message.excess),
    }
    fields
}

fn exchange_fields(exchange: &Exchange<u64>) -> Value {
    json!({
        "channel_id": exchange.channel_id, "class": exchange.class.name(), "protocol": exchange.protocol.name(),
        "request": exchange.request.as_ref().map(message_fields),
        "response": exchange.response.as_ref().map(message_fields), "pairing": exchange.pairing.name(),
    })
}

fn channel_fields(channel: &ChannelRecord<u64>) -> Value {
    let traffic = |direction| {
        let traffic = channel.traffic(direction);
        json!({
            "packets": traffic.packets, "bytes": traffic.bytes, "messages": traffic.messages, "ends": traffic.ends,
            "gpa_direct": traffic.gpa_direct,
        })
    };
    let state = |change: &volact::vmbus::StateChange<u64>| {
        let status = if let ChannelState::OpenFailed(status) = change.state { Some(status) } else { None };
        json!({ "state": change.state.name(), "frame": change.stamp, "status": status })
    };
    let gpadl = |gpadl: &volact::vmbus::GpadlRecord| {
        json!({
            "gpadl_id": gpadl.gpadl_id, "byte_length": gpadl.byte_length, "range_count": gpadl.range_count,
            "bytes": gpadl.bytes(), "pages": gpadl.pages(), "values": gpadl.values, "status": gpadl.status,
            "is_torn_down": gpadl.is_torn_down, "is_complete": gpadl.is_complete(),
        })
    };
    json!({
        "channel_id": channel.channel_id, "class": channel.class.name(), "class_id": channel.class_id.to_string(),
        "instance_id": channel.instance_id.to_string(), "flags": channel.flags.map(|flags| flags.0),
        "subchannel_index": channel.subchannel_index, "pipe_mode": channel.pipe_mode.map(PipeMode::name),
        "mode_source": channel.mode_source.map(|source| source.name()),
        "states": channel.states.iter().map(state).collect::<Vec<_>>(),
        "sent": traffic(Direction::GuestToHost), "received": traffic(Direction::HostToGuest),
        "gpadls": channel.gpadls.iter().map(gpadl).collect::<Vec<_>>(),
    })
}

#[test]
fn every_recording_of_the_script_is_read_as_what_it_wrote() {
    let truths = truths(".pcapng");
    assert!(truths.len() >= 6, "{} recordings", truths.len());
    for truth in &truths {
        let bytes = file(truth);
        let mut reader = CaptureReader::new(&bytes[..]).unwrap();
        let (mut session, mut told) = (Session::new(), Told::default());
        let mut errors = Vec::new();
        let records = truth["records"].as_array().unwrap();
        for expected in records {
            let packet = reader.next_packet().unwrap().unwrap();
            let name = format!("{} {}", truth["file"], packet.frame);
            assert_eq!(json!(packet.frame), expected["frame"], "{name}");
            assert_eq!(json!(packet.time), expected["time"], "{name}");
            assert_eq!(json!(packet.link.0), truth["link"], "{name}");
            let record = match Record::parse(packet.data) {
                Ok(record) => record,
                Err(error) => {
                    assert_error(Some(&error), &expected["error"], &name);
                    errors.push(error);
                    continue;
                }
            };
            assert_eq!(record.encode(), packet.data, "{name}");
            if let Some(fields) = expected.get("record") {
                assert_eq!(&record_fields(&record), fields, "{name}");
            }
            if let Some(control) = expected.get("control") {
                assert_control(record.bytes, control, &name);
            }
            if let Some(packet) = expected.get("packet") {
                assert_packet(record.bytes, packet, &name);
            }
            if let Some(data) = expected.get("pipe").and_then(Value::as_str) {
                let packet = Packet::parse(record.bytes).unwrap();
                let piped = pipe::Packet::parse(packet.payload).unwrap();
                assert_eq!(hex(piped.data), data, "{name}");
                assert_eq!(piped.encode(), packet.payload, "{name}");
            }
            let before = told.errors.len();
            session.push(&record, packet.frame, &mut told);
            if let Some(error) = expected.get("error") {
                assert_error(told.errors.get(before).map(|event| &event.error), error, &name);
                assert_eq!(told.errors.len(), before + 1, "{name}");
            } else {
                assert_eq!(told.errors.len(), before, "{name}");
            }
        }
        assert!(reader.next_packet().unwrap().is_none());
        session.finish(&mut told);
        let comment = &reader.take_comments()[0].text;
        assert!(comment.starts_with("made by captures/vmbus/make/record.py, not recorded"), "{comment}");
        if errors.is_empty() && truth["exchanges"] != json!([]) {
            let exchanges: Vec<Value> = told.exchanges.iter().map(exchange_fields).collect();
            assert_eq!(exchanges.len(), truth["exchanges"].as_array().unwrap().len());
            for (found, expected) in exchanges.iter().zip(truth["exchanges"].as_array().unwrap()) {
                assert_eq!(found, expected, "{}", truth["file"]);
            }
            let channels: Vec<Value> = told.channels.iter().map(channel_fields).collect();
            assert_eq!(json!(channels), truth["channels"], "{}", truth["file"]);
        }
    }
}

#[test]
fn every_ring_of_the_script_is_read_as_what_it_wrote() {
    let truths = truths(".ring");
    assert!(truths.len() >= 3, "{} rings", truths.len());
    for truth in &truths {
        let dump = file(truth);
        let page = truth["second_page"].as_u64().map(|page| u32::try_from(page).unwrap());
        let pair = RingPair::parse(&dump, page).unwrap();
        for (ring, expected) in
            [&pair.guest_to_host, &pair.host_to_guest].into_iter().zip(truth["rings"].as_array().unwrap())
        {
            let ControlPage {
                write_offset,
                read_offset,
                interrupt_mask,
                pending_send_size,
                feature_bits,
                ..
            } = &ring.control;
            for (field, value) in [
                ("write_offset", write_offset),
                ("read_offset", read_offset),
                ("interrupt_mask", interrupt_mask),
                ("pending_send_size", pending_send_size),
                ("feature_bits", feature_bits),
            ] {
                assert_eq!(json!(value), expected[field], "{field}");
            }
            let walk = ring.walk();
            let packets = expected["packets"].as_array().unwrap();
            assert_eq!(walk.packets.len(), packets.len(), "{}", truth["file"]);
            for (packet, expected) in walk.packets.iter().zip(packets) {
                assert_eq!(json!(packet.offset), expected["offset"]);
                assert_eq!(json!(packet.is_consumed), expected["is_consumed"]);
                assert_packet(&packet.bytes, expected, truth["file"].as_str().unwrap());
                assert_error(packet.error.as_ref(), &expected["error"], "footer");
                let payload = packet.packet().unwrap().payload;
                assert_eq!(hex(pipe::Packet::parse(payload).unwrap().data), expected["data"]);
            }
            assert_eq!(json!(walk.unread), expected["unread"]);
            assert_error(walk.error.as_ref(), &expected["error"], "ring");
        }
        let rebuilt = [pair.guest_to_host.encode(), pair.host_to_guest.encode()].concat();
        assert!(rebuilt == dump, "{}", truth["file"]);
    }
}

#[test]
fn a_dump_gives_the_exchanges_of_its_two_rings() {
    for (name, page, count, errors) in
        [("vmbus_wrap", None, 3, 0), ("vmbus_consumed", Some(2), 0, 0), ("vmbus_torn", None, 3, 2)]
    {
        let dump = fs::read(folder().join(format!("{name}.ring"))).unwrap();
        let rings = RingPair::parse(&dump, page).unwrap();
        let source = Dump {
            channel_id: 9,
            class_id: ChannelClass::Avma.class_id().unwrap(),
            instance_id: ChannelClass::Avma.instance_id().unwrap(),
            pipe_type: Record::NO_PIPE,
        };
        let (mut session, mut told) = (Session::new(), Told::default());
        session.push_dump(&rings, &source, 1, &mut told);
        session.finish(&mut told);
        assert_eq!(told.errors.len(), errors, "{name}");
        assert_eq!(told.channels.len(), 1);
        let whole = told.exchanges.iter().filter(|exchange| exchange.pairing == Pairing::Transaction).count();
        if count > 0 {
            assert_eq!(told.exchanges.len(), count, "{name}");
        } else {
            assert!(whole > 10, "{name}: {whole}");
        }
    }
}

/// The vector of the specification, with the packet's offset in its footer.
#[test]
fn the_specifications_vector_is_read_and_written() {
    let bytes = [
        6, 0, 2, 0, 4, 0, 0, 0, // in band, payload at 16, 32 bytes in all
        0, 0, 0, 0, 0, 0, 0, 0, // transaction
        1, 0, 0, 0, 5, 0, 0, 0, // data, five bytes
        0x41, 0x42, 0x43, 0x44, 0x45, 0, 0, 0, // ABCDE
        0, 0, 0, 0, 8, 0, 0, 0, // footer
    ];
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!(packet.descriptor.kind, PacketType::IN_BAND);
    assert_eq!(packet.footer, Some(Footer { reserved: 0, offset: 8 }));
    assert_eq!(pipe::Packet::parse(packet.payload).unwrap().data, b"ABCDE");
    assert_eq!(packet.encode(), bytes);
    let payload = pipe::Packet::data(b"ABCDE").encode();
    let made = Packet { footer: packet.footer, ..Packet::in_band(0, &payload) };
    assert_eq!(made.encode(), bytes);
    let mut writer = RingWriter::starting_at(4096, 8);
    assert_eq!(writer.push(&Packet::in_band(0, &payload)), Ok(8));
    assert_eq!(writer.dump()[PAGE_LEN + 8..PAGE_LEN + 48], bytes);
}

#[test]
fn a_packet_wraps_around_at_every_alignment() {
    const SIZE: usize = 128;
    for start in (0..SIZE).step_by(8) {
        for length in 0..=64 {
            let data: Vec<u8> = (0..length).collect();
            let payload = pipe::Packet::data(&data).encode();
            let mut writer = RingWriter::starting_at(SIZE, start);
            assert_eq!(writer.push(&Packet::in_band(7, &payload)), Ok(u32::try_from(start).unwrap()));
            for is_consumed in [false, true] {
                let dump = writer.dump();
                let ring = Ring::parse(&dump).unwrap();
                let walk = ring.walk();
                assert_eq!((walk.packets.len(), walk.unread, walk.error), (1, 0, None), "{start} {length}");
                let found = &walk.packets[0];
                assert_eq!((found.offset as usize, found.is_consumed), (start, is_consumed));
                assert_eq!(found.error, None);
                let packet = found.packet().unwrap();
                assert_eq!(pipe::Packet::parse(packet.payload).unwrap().data, data);
                writer.consume();
            }
        }
    }
}

#[test]
fn a_full_ring_refuses_a_packet_and_an_empty_one_has_none() {
    let mut writer = RingWriter::new(64);
    assert_eq!((writer.free(), writer.consume()), (56, false));
    let packet = Packet::in_band(0, b"test payload 1");
    writer.push(&packet).unwrap();
    let error = writer.push(&packet).unwrap_err();
    assert_eq!(error.to_string(), "ring: packet at offset 40: length 40 is not within 0..=16");
    assert!(writer.consume() && !writer.consume());
    let dump = RingWriter::new(64).dump();
    assert_eq!(Ring::parse(&dump).unwrap().walk(), volact::vmbus::RingWalk::default());
}

/// A ring of two packets, changed.
fn changed(change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut writer = RingWriter::new(256);
    for i in 0..2 {
        writer.push(&Packet::in_band(i, &pipe::Packet::data(b"test payload").encode())).unwrap();
    }
    let mut dump = writer.dump();
    change(&mut dump);
    dump
}

#[test]
fn every_offset_of_a_control_page_that_cannot_be_is_an_error_of_its_own() {
    for (at, value, line) in [
        (0, 4_u32, "control page: write_offset at offset 0: it is not a multiple of 8"),
        (0, 256, "control page: write_offset at offset 0: length 256 is not within 0..=248"),
        (0, u32::MAX, "control page: write_offset at offset 0: length 4294967295 is not within 0..=248"),
        (4, 12, "control page: read_offset at offset 4: it is not a multiple of 8"),
        (4, 264, "control page: read_offset at offset 4: length 264 is not within 0..=248"),
    ] {
        let dump = changed(|dump| dump[at..at + 4].copy_from_slice(&value.to_le_bytes()));
        let walk = Ring::parse(&dump).unwrap().walk();
        assert_eq!(walk.error.unwrap().to_string(), line);
        assert_eq!(walk.packets, []);
    }
}

#[test]
fn every_descriptor_that_cannot_be_is_an_error_of_its_own_at_its_place_in_the_ring() {
    // The second packet begins at 48.
    for (kind, begin, end, line) in [
        (6_u16, 0_u16, 5_u16, "data_offset8 at offset 50: length 0 is not within 16..=40"),
        (6, 1, 5, "data_offset8 at offset 50: length 8 is not within 16..=40"),
        (7, 2, 5, "data_offset8 at offset 50: length 16 is not within 24..=40"),
        (9, 2, 5, "data_offset8 at offset 50: length 16 is not within 24..=40"),
        (0xb, 1, 5, "data_offset8 at offset 50: length 8 is not within 16..=40"),
        (6, 4, 3, "length8 at offset 52: length 24 is not within 32..=40"),
        (6, 2, 6, "length8 at offset 52: length 48 is not within 16..=40"),
        (77, 2, 0xffff, "length8 at offset 52: length 524280 is not within 16..=40"),
    ] {
        let dump = changed(|dump| {
            for (i, word) in [kind, begin, end].into_iter().enumerate() {
                dump[PAGE_LEN + 48 + 2 * i..][..2].copy_from_slice(&word.to_le_bytes());
            }
        });
        let walk = Ring::parse(&dump).unwrap().walk();
        assert_eq!(walk.error.unwrap().to_string(), format!("packet descriptor: {line}"));
        assert_eq!((walk.packets.len(), walk.unread), (1, 48));
    }
    // Less than a descriptor is left.
    let dump = changed(|dump| dump[0] = 56);
    let walk = Ring::parse(&dump).unwrap().walk();
    let line = "packet descriptor: transaction_id at offset 56: needed 8 bytes, got 0";
    assert_eq!(walk.error.unwrap().to_string(), line);
    // A type that is not known is a packet like any other.
    let dump = changed(|dump| dump[PAGE_LEN + 48] = 77);
    let walk = Ring::parse(&dump).unwrap().walk();
    assert_eq!((walk.packets[1].kind(), walk.error), (Some(PacketType(77)), None));
    assert_eq!(PacketType(77).to_string(), "packet(77)");
}

#[test]
fn a_footer_that_names_another_place_is_told_and_ends_nothing_but_the_way_back() {
    let dump = changed(|dump| dump[PAGE_LEN + 44] = 8);
    let walk = Ring::parse(&dump).unwrap().walk();
    let line = "packet footer: offset at offset 44: expected the packet's own offset, got 8 (0x8)";
    assert_eq!(walk.packets[0].error.as_ref().unwrap().to_string(), line);
    assert_eq!((walk.packets.len(), walk.error), (2, None));
    // Both were read: only the second can be found from behind.
    let dump = changed(|dump| {
        dump[4] = 96;
        dump[PAGE_LEN + 44] = 8;
    });
    let walk = Ring::parse(&dump).unwrap().walk();
    assert_eq!(walk.packets.iter().map(|packet| packet.offset).collect::<Vec<_>>(), [48]);
    // Each thing that a footer must not be.
    for (at, value) in [(88, 1), (92, 49), (92, 40), (95, 1), (50, 1), (52, 4)] {
        let dump = changed(|dump| {
            dump[4] = 96;
            dump[PAGE_LEN + at] = value;
        });
        assert_eq!(Ring::parse(&dump).unwrap().walk().packets, [], "{at}");
    }
}

#[test]
fn a_dump_that_is_no_ring_is_refused() {
    let line = |dump: &[u8]| Ring::parse(dump).unwrap_err().to_string();
    assert_eq!(line(&[0; 4095]), "control page: page at offset 0: needed 4096 bytes, got 4095");
    assert_eq!(line(&[0; 4096]), "ring: data at offset 4096: length 0 is not within 8..=4294967295");
    assert_eq!(line(&[0; 4108]), "ring: data at offset 4096: its size is not a multiple of 8");
    let error = RingPair::parse(&[0; 4096 * 4], Some(4)).unwrap_err();
    assert_eq!(error.to_string(), "ring: downstream_page at offset 0: length 4 is not within 2..=3");
    for (pages, page) in [(2, Some(1)), (4, Some(3)), (1, None), (0, None)] {
        assert!(RingPair::parse(&vec![0; PAGE_LEN * pages], page).is_err(), "{pages} {page:?}");
    }
    assert!(RingPair::parse(&[0; 4096 * 4], None).is_ok());
}

#[test]
fn the_ranges_of_packets_that_have_them_are_kept() {
    let extended = [&3_u16.to_le_bytes()[..], &[0; 2], &2_u32.to_le_bytes(), &[1; 16]].concat();
    let bytes = Packet::new(PacketType::TRANSFER_PAGES, 1, 7, &extended, b"test payload 1").encode();
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!((packet.transfer_page_set(), packet.range_count()), (Some(3), Some(2)));
    assert!(packet.descriptor.wants_completion());
    assert_eq!((packet.extended, packet.encode()), (&extended[..], bytes.clone()));
    let bytes = Packet::new(PacketType::GPA_DIRECT, 0, 7, &[0; 8], b"").encode();
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!((packet.transfer_page_set(), packet.range_count()), (None, Some(0)));
    assert_eq!(Packet::in_band(0, b"").range_count(), None);
}

#[test]
fn what_a_pipe_header_cannot_say_is_told_and_what_is_there_is_kept() {
    let read = |payload: &[u8]| {
        let (packet, error) = pipe::Packet::parse_lax(payload).unwrap();
        assert_eq!(packet.encode(), payload);
        assert!(pipe::Packet::parse(payload).is_err());
        (packet.data.to_vec(), error.unwrap().to_string())
    };
    let header =
        |kind: u32, length: u32, data: &[u8]| [&kind.to_le_bytes()[..], &length.to_le_bytes(), data].concat();
    let too_long = "pipe packet: length at offset 4: length 16385 is not within 0..=16384";
    assert_eq!(read(&header(1, 16385, b"abc")), (b"abc".to_vec(), too_long.to_owned()));
    assert_eq!(read(&header(2, 16385, b"")).1, too_long);
    let short = "pipe packet: data at offset 8: needed 4 bytes, got 3";
    assert_eq!(read(&header(1, 4, b"abc")), (b"abc".to_vec(), short.to_owned()));
    let over_read = "pipe packet: length at offset 4: length 4 is not within 0..=3";
    assert_eq!(read(&header(2, 3 | 4 << 16, b"abc")).1, over_read);
    let error = pipe::Packet::parse(&[1, 0, 0, 0, 1]).unwrap_err();
    assert_eq!(error.to_string(), "pipe packet: length at offset 4: needed 4 bytes, got 1");
    let most = vec![7; pipe::MAX_DATA];
    assert_eq!(pipe::Packet::parse(&pipe::Packet::data(&most).encode()).unwrap().data, most);
}

fn messages(reader: &mut Reader<u32>, payloads: &[Vec<u8>]) -> (Vec<pipe::Message<u32>>, Vec<String>) {
    let (mut messages, mut others) = (Vec::new(), Vec::new());
    let mut out = |framed: Framed<'_, u32>| match framed {
        Framed::Message(message) => messages.push(message),
        Framed::End { stamp } => others.push(format!("end {stamp}")),
        Framed::GpaDirect { stamp, packet } => others.push(format!("{} {stamp}", packet.header.kind)),
        Framed::Skipped { stamp, bytes, error } => {
            others.push(format!("{} at {stamp}: {error}", bytes.len()))
        }
    };
    for (payload, stamp) in payloads.iter().zip(1..) {
        reader.push(payload, stamp, &mut out);
    }
    reader.flush(&mut out);
    (messages, others)
}

#[test]
fn a_reader_tells_all_kinds_of_packets() {
    let kinds = |kind: u32| [&kind.to_le_bytes()[..], &4_u32.to_le_bytes(), b"test"].concat();
    let end = pipe::Packet::data(b"").encode();
    let payloads = [kinds(1), kinds(2), kinds(3), kinds(4), kinds(5), vec![1, 0], end, kinds(1)];
    for (mode, count) in [(PipeMode::Message, 3), (PipeMode::Byte, 2)] {
        let mut reader = Reader::new(mode);
        let (found, others) = messages(&mut reader, &payloads);
        assert_eq!((found.len(), reader.held(), reader.mode()), (count, 0, mode));
        assert_eq!((found[count - 1].first, &found[count - 1].bytes[..]), (8, &b"test"[..]));
        let told = [
            "setup_gpa_direct(3) 3",
            "teardown_gpa_direct(4) 4",
            "12 at 5: pipe packet: kind at offset 0: expected a type from 1 to 4, got 5 (0x5)",
            "2 at 6: pipe packet: kind at offset 0: needed 4 bytes, got 2",
            "end 7",
        ];
        assert_eq!(others, told);
    }
}

#[test]
fn a_long_message_in_byte_mode_is_held_in_part_and_hashed_whole() {
    let data = vec![7; pipe::MAX_DATA];
    let mut reader = Reader::new(PipeMode::Byte);
    let mut out = |_: Framed<'_, u32>| panic!("nothing is at its end");
    for stamp in 0..5 {
        reader.push(&pipe::Packet::data(&data).encode(), stamp, &mut out);
        assert_eq!(reader.held(), pipe::MAX_DATA);
    }
    let (found, _) = messages(&mut reader, &[]);
    assert_eq!((found[0].length, found[0].bytes.len()), (5 * 16384, pipe::MAX_DATA));
    assert_eq!(found[0].sha256, Payload::of(&vec![7; 5 * pipe::MAX_DATA]).sha256);
}

fn record(direction: Direction, class: ChannelClass, bytes: &[u8]) -> Record<'_> {
    Record {
        kind: RecordKind::RingPacket,
        class_id: class.class_id().unwrap(),
        instance_id: class.instance_id().unwrap(),
        ..Record::control(direction, 5, bytes)
    }
}

#[test]
fn kvp_and_synthrdp_messages_that_are_cut_are_told_with_their_place_and_written_back() {
    let pair = kvp::Pair::text("TestKey", "test value");
    let header = ic::Header {
        framework_version: ic::Version { major: 3, minor: 0 },
        kind: ic::MessageType::KVP_EXCHANGE,
        message_version: ic::Version { major: 5, minor: 0 },
        size: 2576,
        status: 0,
        transaction: 1,
        flags: 3,
        reserved: 0,
    };
    let exchange = kvp::Exchange {
        operation: kvp::Operation::SET,
        pool: kvp::Pool::GUEST,
        padding: 0,
        body: kvp::Body::Pair(pair),
    };
    let bytes = ic::Message::new(header, ic::Body::Kvp(exchange)).encode();
    assert_eq!(bytes.len(), 20 + 4 + 12 + 512 + 2048);
    for (length, line) in [
        (19, "ic message: reserved at offset 18: needed 2 bytes, got 1"),
        (20, "kvp message: operation at offset 20: needed 1 bytes, got 0"),
        (35, "kvp message: value_size at offset 32: needed 4 bytes, got 3"),
        (100, "kvp message: key at offset 36: needed 512 bytes, got 64"),
        (36 + 512, "kvp message: value at offset 548: needed 2048 bytes, got 0"),
        (2595, "kvp message: value at offset 548: needed 2048 bytes, got 2047"),
    ] {
        let cut = &bytes[..length];
        assert_eq!(ic::Message::parse(cut).unwrap_err().to_string(), line);
        if let Ok((message, _)) = ic::Message::parse_lax(cut) {
            assert_eq!(message.encode(), cut);
        }
    }
    let negotiate = [&bytes[..4], &[0, 0], &bytes[6..20], &[1, 0, 1, 0, 0, 0, 0, 0, 3, 0, 0, 0, 5]].concat();
    let (message, error) = ic::Message::parse_lax(&negotiate).unwrap();
    assert_eq!(error.unwrap().to_string(), "ic message: versions at offset 28: needed 8 bytes, got 5");
    assert_eq!(message.encode(), negotiate);
    let error = ic::Message::parse(&negotiate[..25]).unwrap_err();
    assert_eq!(error.to_string(), "ic message: reserved at offset 24: needed 4 bytes, got 1");
    let delete = [&bytes[..20], &[2, 1, 0, 0, 4, 0, 0, 0, b'a', 0]].concat();
    let error = ic::Message::parse(&delete).unwrap_err();
    assert_eq!(error.to_string(), "kvp message: key at offset 28: needed 512 bytes, got 2");
    let (message, _) = ic::Message::parse_lax(&delete).unwrap();
    let ic::Body::Kvp(exchange) = &message.body else { panic!("{message:?}") };
    assert_eq!((exchange.key().as_deref(), exchange.pair()), (Some("a"), None));
    let mut cut = kvp::Pair::text("k", "v");
    cut.value_field.truncate(3);
    for kind in [kvp::ValueType::REG_DWORD, kvp::ValueType::REG_QWORD] {
        cut.kind = kind;
        assert_eq!(cut.value(), kvp::Value::Bytes(vec![b'v', 0, 0]));
    }

    let response = synthrdp::Message::response(0x10000, true).encode();
    let error = synthrdp::Message::parse(&response[..16]).unwrap_err();
    assert_eq!(error.to_string(), "synthrdp message: accepted at offset 16: needed 1 bytes, got 0");
    let error = synthrdp::Message::parse(&response[..3]).unwrap_err();
    assert_eq!(error.to_string(), "synthrdp message: kind at offset 0: needed 4 bytes, got 3");
    assert_eq!(synthrdp::Message::request(7).encode().len(), 16);

    // In a channel, what cannot be read is opaque, and says why.
    for (class, data) in [(ChannelClass::Kvp, &bytes[..12]), (ChannelClass::SynthRdpControl, &response[..16])]
    {
        let packet = Packet::in_band(0, &pipe::Packet::data(data).encode()).encode();
        let (mut session, mut told) = (Session::new(), Told::default());
        session.push(&record(Direction::HostToGuest, class, &packet), 1, &mut told);
        session.finish(&mut told);
        let message = told.exchanges[0].request.as_ref().unwrap();
        assert!(matches!(&message.content, Content::Opaque(payload) if payload.length == data.len() as u64));
        assert!(message.error.is_some());
    }
}

#[test]
fn what_is_too_long_for_a_control_message_is_refused() {
    let error = Message::parse(&[0; 241]).unwrap_err();
    assert_eq!(error.to_string(), "control message: message at offset 0: length 241 is not within 8..=240");
    let error = Message::parse(&[0; 7]).unwrap_err();
    assert_eq!(error.to_string(), "control message: padding at offset 4: needed 4 bytes, got 3");
    let (mut session, mut told) = (Session::new(), Told::default());
    session.push(&Record::control(Direction::HostToGuest, 0, &[0; 7]), 1, &mut told);
    assert_eq!((told.errors[0].channel_id, told.errors[0].length, told.controls), (None, 7, 0));
}

#[test]
fn versions_flags_and_what_a_guest_says_of_itself_have_names() {
    use volact::vmbus::{ChannelFlags, Version};
    assert_eq!((Version::V5_3.number(), Version::V5_3.name()), ((5, 3), Some("Iron")));
    assert_eq!(Version(7 << 16).to_string(), "version(458752)");
    assert_eq!(
        ChannelFlags(0x2031).names(),
        ["enumerate_device_interface", "named_pipe_mode", "0x0020", "hvsocket"]
    );
    let bytes = [&14_u32.to_le_bytes()[..], &[0; 12], &[2, 1, 0, 0, 0x1f, 0, 0, 0], &[0; 16]].concat();
    let Body::InitiateContact(contact) = Message::parse(&bytes).unwrap().body else { panic!() };
    let info = contact.contact.target_info();
    assert_eq!((info.sint, info.vtl, info.padding, info.feature_flags), (2, 1, 0, 0x1f));
}

fn push_control(session: &mut Session<u64>, told: &mut Told, body: Body, stamp: u64) {
    let bytes = Message::new(body).encode();
    session.push(&Record::control(Direction::HostToGuest, 0, &bytes), stamp, told);
}

fn close(channel_id: u32) -> Body {
    Body::CloseChannel(control::CloseChannel { channel_id })
}

#[test]
fn a_session_holds_no_more_than_its_constants_say_and_counts_the_rest() {
    let (mut session, mut told) = (Session::new(), Told::default());
    for id in 1..=u32::try_from(MAX_CHANNELS).unwrap() + 3 {
        push_control(&mut session, &mut told, close(id), 1);
    }
    assert_eq!(session.left_out().records, 3);
    for _ in 0..MAX_STATES + 4 {
        push_control(&mut session, &mut told, close(1), 2);
    }
    assert_eq!(session.left_out().states, 5);
    let header = |range_count, values| {
        let header = control::GpadlHeader { channel_id: 1, gpadl_id: 7, byte_length: 0, range_count, values };
        Body::GpadlHeader(header)
    };
    for _ in 0..MAX_GPADLS + 6 {
        push_control(&mut session, &mut told, header(100, vec![0; 27]), 3);
    }
    assert_eq!(session.left_out().gpadls, 6);
    for _ in 0..3 {
        let body = control::GpadlBody { number: 1, gpadl_id: 7, values: vec![0; 28] };
        push_control(&mut session, &mut told, Body::GpadlBody(body), 4);
    }
    let payload = pipe::Packet::data(b"test payload 1").encode();
    let packet = Packet::in_band(0, &payload).encode();
    for stamp in 0..MAX_PENDING as u64 + 7 {
        session.push(&record(Direction::GuestToHost, ChannelClass::Avma, &packet), stamp, &mut told);
    }
    assert_eq!((session.left_out().waits, told.exchanges.len()), (7, 7));
    assert_eq!(session.held(), 14 * MAX_PENDING);
    session.finish(&mut told);
    assert_eq!((told.channels.len(), told.exchanges.len()), (MAX_CHANNELS, MAX_PENDING + 7));
    let gpadl = told.channels[0].gpadls.last().unwrap();
    assert_eq!(
        (gpadl.ranges.len(), gpadl.ranges_left_out, gpadl.values),
        (MAX_RANGES, 100 - MAX_RANGES as u64, 27 + 84)
    );
    assert!(gpadl.is_complete());
    assert_eq!(session.held(), 0);
}

#[test]
fn requests_of_all_channels_together_wait_no_longer_than_there_is_room_for_them() {
    let payload = pipe::Packet::data(b"test payload 1").encode();
    let packet = Packet::in_band(0, &payload).encode();
    let (mut session, mut told) = (Session::new(), Told::default());
    for i in 0..u32::try_from(MAX_WAITING).unwrap() + 9 {
        let record = record(Direction::GuestToHost, ChannelClass::Avma, &packet);
        session.push(&Record { channel_id: i % 100, ..record }, i.into(), &mut told);
    }
    assert_eq!((session.left_out().waits, told.exchanges.len()), (9, 9));
    assert_eq!(session.held(), 14 * MAX_WAITING);
    session.finish(&mut told);
    assert_eq!(told.exchanges.len(), MAX_WAITING + 9);
    // The next bus has all the room again.
    session.push(&record(Direction::GuestToHost, ChannelClass::Avma, &packet), 0, &mut told);
    assert_eq!((session.left_out().waits, session.held()), (9, 14));
}

#[test]
fn payloads_are_kept_only_as_far_as_they_are_asked_for() {
    let payload = pipe::Packet::data(b"test payload 1, and more").encode();
    let packet = Packet::in_band(0, &payload).encode();
    for (mut session, length) in
        [(Session::new(), Payload::FIRST), (Session::keeping(0), 0), (Session::keeping(usize::MAX), 24)]
    {
        let mut told = Told::default();
        session.push(&record(Direction::GuestToHost, ChannelClass::Avma, &packet), 1, &mut told);
        session.finish(&mut told);
        let Content::Opaque(payload) = &told.exchanges[0].request.as_ref().unwrap().content else { panic!() };
        assert_eq!((payload.first.len(), payload.length), (length, 24));
    }
}

#[test]
fn packets_of_channels_that_are_no_pipe_are_counted_and_another_device_under_the_same_id_is_another_channel()
{
    let (mut session, mut told) = (Session::new(), Told::default());
    let packet = Packet::in_band(0, b"test payload 1").encode();
    let of = |class: u128| Record {
        class_id: Guid::from_u128(class),
        ..record(Direction::GuestToHost, ChannelClass::Kvp, &packet)
    };
    session.push(&of(1), 1, &mut told);
    session.push(&Record { class_id: Guid::NIL, ..of(1) }, 2, &mut told);
    session.push(&of(2), 3, &mut told);
    assert_eq!((told.channels.len(), told.channels[0].sent.packets), (1, 2));
    session.finish(&mut told);
    assert_eq!((told.channels[1].sent.bytes, told.channels[1].pipe_mode), (16, None));
    assert_eq!((told.exchanges.len(), told.packets), (0, 3));
    // A completion has nothing of a pipe.
    let completion = Packet::new(PacketType::COMPLETION, 0, 1, &[], &[]).encode();
    session.push(&record(Direction::HostToGuest, ChannelClass::Avma, &completion), 4, &mut told);
    session.finish(&mut told);
    assert_eq!((told.errors.len(), told.exchanges.len(), told.channels[2].received.packets), (0, 0, 1));
}

#[test]
fn a_device_that_comes_back_under_another_id_is_offered_again() {
    let (mut session, mut told) = (Session::new(), Told::default());
    let offer = |channel_id, subchannel_index| {
        Body::OfferChannel(control::OfferChannel {
            class_id: ChannelClass::Avma.class_id().unwrap(),
            instance_id: ChannelClass::Avma.instance_id().unwrap(),
            reserved: [0; 16],
            flags: volact::vmbus::ChannelFlags(0x10),
            mmio_megabytes: 0,
            user_data: [0; 120],
            subchannel_index,
            mmio_megabytes_optional: 0,
            channel_id,
            monitor_id: 0,
            monitor_allocated: 0,
            is_dedicated: 0,
            connection_id: 0,
        })
    };
    push_control(&mut session, &mut told, offer(1, 0), 1);
    push_control(&mut session, &mut told, offer(2, 1), 2);
    let rescind = Body::RescindChannelOffer(control::RescindChannelOffer { channel_id: 1 });
    push_control(&mut session, &mut told, rescind, 3);
    push_control(&mut session, &mut told, offer(3, 0), 4);
    session.finish(&mut told);
    let states: Vec<Option<ChannelState>> = told.channels.iter().map(ChannelRecord::state).collect();
    use ChannelState::{Offered, Reoffered, Rescinded};
    assert_eq!(states, [Some(Rescinded), Some(Offered), Some(Reoffered)]);
    assert_eq!(told.channels[0].pipe_mode, Some(PipeMode::Byte));
}

/// A recording made by the project's own writers: an exchange in the AVMA channel, and its answer from a ring.
fn written() -> Vec<u8> {
    let comment = "made by tests/vmbus.rs with the project's writers, not recorded";
    let mut file = PcapngWriter::new(Vec::new(), comment).unwrap();
    let interface = file.add_interface(LinkType(147), "vmbus", "VMBS records").unwrap();
    let mut rings = Direction::BOTH.map(|_| RingWriter::starting_at(4096, 4080));
    let mut time = 1_704_067_200_000_000_000;
    for i in 0..3_u64 {
        for (direction, ring) in Direction::BOTH.into_iter().zip(&mut rings) {
            let text = format!("test payload {i} {}", direction.name());
            let payload = pipe::Packet::data(text.as_bytes()).encode();
            let offset = ring.push(&Packet::in_band(i + 1, &payload)).unwrap();
            let dump = ring.dump();
            let walk = Ring::parse(&dump).unwrap().walk();
            let found = walk.packets.last().unwrap();
            assert_eq!(found.offset, offset);
            let class = ChannelClass::Avma;
            let guids = [class.class_id().unwrap(), class.instance_id().unwrap()];
            let record = found.record(direction, 9, guids, PipeMode::Message.pipe_type());
            file.packet(interface, time, &record.encode()).unwrap();
            ring.consume();
            time += 1_000_000;
        }
    }
    file.finish().unwrap()
}

/// With VOLACT_WRITE_CAPTURES=1 in the environment, writes the recording anew instead of comparing it.
#[test]
fn the_recording_of_the_projects_own_writers_is_what_they_write_and_is_read_back() {
    let path = folder().join("vmbus_written.pcapng");
    let file = written();
    if std::env::var_os("VOLACT_WRITE_CAPTURES").is_some() {
        fs::write(&path, &file).unwrap();
    }
    assert!(fs::read(path).unwrap() == file, "VOLACT_WRITE_CAPTURES=1 writes it anew");
    let mut reader = CaptureReader::new(&file[..]).unwrap();
    let (mut session, mut told) = (Session::new(), Told::default());
    while let Some(packet) = reader.next_packet().unwrap() {
        let frame = packet.frame;
        session.push(&Record::parse(packet.data).unwrap(), frame, &mut told);
    }
    session.finish(&mut told);
    let paired = told.exchanges.iter().map(|exchange| exchange.pairing);
    assert_eq!(paired.collect::<Vec<_>>(), [Pairing::Transaction; 3]);
    assert_eq!(told.errors, []);
}

/// Data cut at these places.
fn cut(data: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
    let mut edges: Vec<usize> = cuts.iter().map(|cut| cut % (data.len() + 1)).collect();
    edges.extend([0, data.len()]);
    edges.sort_unstable();
    edges.dedup();
    edges.windows(2).map(|edge| pipe::Packet::data(&data[edge[0]..edge[1]]).encode()).collect()
}

proptest! {
    #[test]
    fn a_message_in_byte_mode_is_the_same_in_any_number_of_packets(
        data in proptest::collection::vec(any::<u8>(), 1..3000),
        cuts in proptest::collection::vec(any::<usize>(), 0..40),
    ) {
        let payloads = cut(&data, &cuts);
        let (found, others) = messages(&mut Reader::new(PipeMode::Byte), &payloads);
        prop_assert_eq!(found.len(), 1);
        prop_assert_eq!(&found[0].bytes, &data);
        prop_assert_eq!((found[0].length, found[0].packets), (data.len() as u64, payloads.len() as u64));
        prop_assert_eq!(found[0].sha256, Payload::of(&data).sha256);
        prop_assert_eq!((found[0].first, found[0].last), (1, u32::try_from(payloads.len()).unwrap()));
        prop_assert!(others.is_empty());
    }

    #[test]
    fn any_control_message_is_written_back(kind in 0..32_u32, body in proptest::collection::vec(any::<u8>(), 0..233)) {
        let bytes = [&kind.to_le_bytes()[..], &[0; 4], &body].concat();
        match Message::parse_lax(&bytes) {
            Ok((message, error)) => {
                prop_assert_eq!(message.encode(), &bytes[..]);
                prop_assert!(error.is_none_or(|error| error.offset <= bytes.len()));
            }
            Err(_) => prop_assert!(bytes.len() > control::MAX_LEN),
        }
    }

    #[test]
    fn packets_are_found_in_a_ring_as_they_were_written(
        start in 0..64_usize,
        steps in proptest::collection::vec((any::<u64>(), 0..100_usize, any::<bool>(), 0..3_usize), 1..60),
    ) {
        let mut writer = RingWriter::starting_at(512, start * 8);
        let mut live: Vec<(u32, u64, usize)> = Vec::new();
        for (id, length, is_read, ranges) in steps {
            let (payload, extended) = (vec![7; length], vec![9; ranges * 8]);
            let kind = if ranges > 0 { PacketType::GPA_DIRECT } else { PacketType::IN_BAND };
            if let Ok(offset) = writer.push(&Packet::new(kind, 1, id, &extended, &payload)) {
                live.push((offset, id, length));
            }
            if is_read && writer.consume() {
                live.remove(0);
            }
            let dump = writer.dump();
            let walk = Ring::parse(&dump).unwrap().walk();
            prop_assert_eq!((walk.unread, &walk.error), (0, &None));
            let found: Vec<(u32, u64, usize)> = walk
                .packets
                .iter()
                .filter(|packet| !packet.is_consumed)
                .map(|found| {
                    let packet = found.packet().unwrap();
                    (found.offset, packet.descriptor.transaction_id, packet.payload.len())
                })
                .collect();
            let expected: Vec<(u32, u64, usize)> =
                live.iter().map(|(offset, id, length)| (*offset, *id, length.next_multiple_of(8))).collect();
            prop_assert_eq!(found, expected);
            let total: usize = walk.packets.iter().map(|packet| packet.bytes.len()).sum();
            prop_assert!(total <= 512);
        }
    }

    #[test]
    fn any_descriptor_is_taken_or_refused_by_its_lengths(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        match Packet::parse(&bytes) {
            Ok(packet) => prop_assert_eq!(packet.encode(), bytes),
            Err(error) => prop_assert!(error.offset < PacketDescriptor::LEN),
        }
    }
}
