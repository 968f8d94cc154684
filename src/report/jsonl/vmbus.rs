use crate::capture::Stamp;
use crate::report::json::{IfAny, Json, Object, fields};
use crate::trace::{ChannelRecord, ControlRecord, GuestExchange, Record};
use crate::vmbus::{self, Content, Direction, PipeMessage, ic, kvp};
use crate::wire::{Hex, Rfc3339};

pub(super) fn write_guest(json: &mut Json, record: &GuestExchange) {
    let exchange = &record.exchange;
    let asked = Record::from(record);
    let (first, last) = asked.frames().unzip();
    let time = asked.stamps().next().and_then(|stamp| stamp.time);
    let message = |message: &Option<PipeMessage<Stamp>>| {
        message.clone().map(|message| Object(move |json: &mut Json| write_message(json, &message)))
    };
    fields!(json,
        "interface_index": record.bus.0,
        "channel": exchange.channel_id,
        "class": exchange.class.name(),
        "instance_id": exchange.instance_id,
        "protocol": asked.protocol(),
        "outcome": record.outcome_name(),
        "pairing": exchange.pairing.name(),
        "service_time_ns": asked.service_time(),
        "first_frame": IfAny(first),
        "last_frame": IfAny(last),
        "time": IfAny(time.map(Rfc3339)),
        "time_ns": IfAny(time),
        "remark": IfAny(exchange.class.remark()),
        "request": message(&exchange.request),
        "response": message(&exchange.response),
    );
}

/// Who sent it.
fn side(direction: Direction) -> &'static str {
    match direction {
        Direction::GuestToHost => "guest",
        Direction::HostToGuest => "host",
    }
}

fn write_message(json: &mut Json, message: &PipeMessage<Stamp>) {
    let frame = |stamp: Stamp| IfAny((stamp.frame > 0).then_some(stamp.frame));
    fields!(json,
        "from": side(message.direction),
        "first_frame": frame(message.first),
        "last_frame": frame(message.last),
        "time": IfAny(message.first.time.map(Rfc3339)),
        "transaction": message.transaction_id,
        "packets": message.packets,
        "length": message.length,
    );
    match &message.content {
        Content::Opaque(payload) => fields!(json,
            "sha256": Hex(&payload.sha256),
            "hint": IfAny(payload.hint.map(vmbus::Hint::name)),
        ),
        Content::SynthRdp(message) => fields!(json,
            "message_type": message.header.kind.0,
            "message_type_name": message.header.kind.name(),
            "version": message.header.version,
            "accepted": IfAny(message.accepted.map(|accepted| accepted != 0)),
        ),
        Content::Kvp(message) => write_ic(json, message),
    }
    fields!(json, "error": IfAny(message.error.as_ref()));
}

fn write_ic(json: &mut Json, message: &ic::Message) {
    let header = &message.header;
    fields!(json,
        "message_type": header.kind.0,
        "message_type_name": header.kind.name(),
        "status": header.status,
    );
    match &message.body {
        ic::Body::Negotiate(negotiate) => {
            let versions: Vec<String> = negotiate
                .versions
                .iter()
                .map(|version| format!("{}.{}", version.major, version.minor))
                .collect();
            fields!(json, "versions": versions[..]);
        }
        ic::Body::Kvp(exchange) => {
            let index = match exchange.body {
                kvp::Body::Indexed { index, .. } => Some(index),
                _ => None,
            };
            let (mut text, mut number, mut bytes) = (None, None, None);
            match exchange.pair().map(kvp::Pair::value) {
                Some(kvp::Value::Text(value)) => text = Some(value),
                Some(kvp::Value::Number(value)) => number = Some(value),
                Some(kvp::Value::Bytes(value)) => bytes = Some(value),
                None => {}
            }
            fields!(json,
                "operation": exchange.operation.0,
                "operation_name": exchange.operation.name(),
                "pool": exchange.pool.0,
                "pool_name": exchange.pool.name(),
                "index": IfAny(index),
                "key": IfAny(exchange.key()),
                "value": IfAny(text),
                "value_number": IfAny(number),
                "value_bytes": IfAny(bytes.as_deref().map(Hex)),
            );
        }
        ic::Body::Opaque => {}
    }
}

pub(super) fn write_channel(json: &mut Json, record: &ChannelRecord) {
    let channel = &record.channel;
    let states: Vec<_> = channel
        .states
        .iter()
        .map(|change| {
            Object(move |json: &mut Json| {
                let status = match change.state {
                    vmbus::ChannelState::OpenFailed(status) => Some(status),
                    _ => None,
                };
                fields!(json,
                    "state": change.state.name(),
                    "frame": change.stamp.frame,
                    "time": IfAny(change.stamp.time.map(Rfc3339)),
                    "status": IfAny(status),
                );
            })
        })
        .collect();
    let gpadls: Vec<_> = channel
        .gpadls
        .iter()
        .map(|gpadl| {
            Object(move |json: &mut Json| {
                let pages: u64 = gpadl.ranges.iter().map(vmbus::GpadlRange::pages).sum();
                fields!(json,
                    "id": gpadl.gpadl_id,
                    "ranges": gpadl.range_count,
                    "pages": pages,
                    "status": gpadl.status,
                    "torn_down": gpadl.is_torn_down,
                );
            })
        })
        .collect();
    fields!(json,
        "interface_index": record.bus.0,
        "channel": channel.channel_id,
        "class": channel.class.name(),
        "class_id": channel.class_id,
        "instance_id": channel.instance_id,
        "subchannel": channel.subchannel_index,
        "flags": IfAny(channel.flags.map(|flags| flags.0)),
        "pipe_mode": IfAny(channel.pipe_mode.map(vmbus::PipeMode::name)),
        "pipe_mode_by": IfAny(channel.mode_source.map(vmbus::ModeSource::name)),
        "remark": IfAny(channel.class.remark()),
        "states": states[..],
        "gpadls": gpadls[..],
        "packets_guest": channel.sent.packets,
        "packets_host": channel.received.packets,
        "bytes_guest": channel.sent.bytes,
        "bytes_host": channel.received.bytes,
        "messages_guest": channel.sent.messages,
        "messages_host": channel.received.messages,
    );
}

pub(super) fn write_control(json: &mut Json, record: &ControlRecord) {
    let message = &record.message;
    let bytes = message.encode();
    fields!(json,
        "interface_index": record.bus.0,
        "from": side(record.direction),
        "frame": record.stamp.frame,
        "time": IfAny(record.stamp.time.map(Rfc3339)),
        "message_type": message.kind.0,
        "message_type_name": message.kind.name(),
        "channel": IfAny(message.channel_id()),
        "class": record.class.name(),
        "length": bytes.len(),
        "bytes": Hex(&bytes),
        "error": IfAny(record.error.as_ref()),
    );
}
