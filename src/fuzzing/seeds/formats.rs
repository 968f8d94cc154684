//! How seeds are written: what each body reads, made of what was captured.

use crate::capture::{Direction, Packet};
use crate::fuzzing::{ConnectionPlan, FramerPlan, Plaintext};
use crate::kms::{Ndr, RequestMessage, ResponseMessage};
use crate::vmbus::Ring;
use crate::wire::Side;

use super::Connection;

/// A stub as `request_stub`, `response_stub` and `respond` read it: how it is marshalled, then its bytes.
#[must_use]
pub fn stub(ndr: Ndr, bytes: &[u8]) -> Vec<u8> {
    [&[u8::from(ndr == Ndr::Ndr64)], bytes].concat()
}

/// A request and its response as `response_message` reads them; `None` for a request of more than 64 KiB.
#[must_use]
pub fn pair(request: &RequestMessage, response: &ResponseMessage) -> Option<Vec<u8>> {
    let request = request.encode();
    let length = u16::try_from(request.len()).ok()?;
    Some([&length.to_le_bytes()[..], &request, &response.encode()].concat())
}

/// The plain text of a message, for the target of its version and its way.
#[derive(Clone, Debug)]
pub struct Text {
    /// The target.
    pub target: &'static str,
    request_iv: [u8; 16],
    iv: [u8; 16],
    text: Vec<u8>,
}

impl Text {
    /// A request's, with bytes behind it; `None` for a version that is not known.
    #[must_use]
    pub fn of_request(request: &RequestMessage) -> Option<Self> {
        let (target, request_iv) = match request {
            RequestMessage::V4(_) => ("request_v4", [0; 16]),
            RequestMessage::Encrypted(sealed) if sealed.version.major() == 5 => ("request_v5", sealed.iv),
            RequestMessage::Encrypted(sealed) => ("request_v6", sealed.iv),
            RequestMessage::Other { .. } => return None,
        };
        let text = [&request.body()?.encode()[..], b"excess"].concat();
        Some(Self { target, request_iv, iv: [0; 16], text })
    }

    /// That of a response to a request.
    #[must_use]
    pub fn of_response(request: &RequestMessage, response: &ResponseMessage) -> Option<Self> {
        let mut text = response.body()?.encode().to_vec();
        let (sealed, asked) = match (response, request) {
            (ResponseMessage::V4(response), _) => {
                text.extend(response.mac);
                return Some(Self { target: "response_v4", request_iv: [0; 16], iv: [0; 16], text });
            }
            (ResponseMessage::Encrypted(sealed), RequestMessage::Encrypted(asked)) => (sealed, asked),
            _ => return None,
        };
        text.extend(sealed.xored_salt);
        text.extend(sealed.hash);
        let mut target = "response_v5";
        if let Some(v6) = &sealed.v6 {
            target = "response_v6";
            text.extend(v6.hwid);
            text.extend(v6.xored_ivs);
            text.extend(v6.hmac);
        }
        Some(Self { target, request_iv: asked.iv, iv: sealed.iv, text })
    }

    /// The seed in which this is made wrong, as [`Plaintext::fault`] and [`Plaintext::place`] have it.
    #[must_use]
    pub fn seed(&self, fault: u8, place: u16) -> Vec<u8> {
        let Self { target, request_iv, iv, text } = self;
        let plan = Plaintext { fault, place, request_iv: *request_iv, iv: *iv, text };
        plan.write(target)
    }
}

/// A stream as `framer` reads it: in pieces of a third, and a byte on its own. What was lost of it is the gap.
#[must_use]
pub fn stream(connection: &Connection, direction: Direction) -> Vec<u8> {
    let stream = &connection.said[direction as usize];
    let gap = connection.gaps[direction as usize];
    plan(stream, !connection.is_whole, gap.map_or([0; 2], |(from, length)| [from, length]))
}

/// A stream as `framer` reads it, its PDUs with 24 bytes of their bodies at most, which is all that they have by then: a framer
/// does not look into them, and passes over longer ones in the same way. A stream of which bytes were lost, or that
/// begins with something else, is as it was.
#[must_use]
pub fn framing(connection: &Connection, direction: Direction) -> Vec<u8> {
    let pdus = connection.pdus(direction);
    let rest = connection.said[direction as usize].strip_prefix(&pdus.concat()[..]);
    let Some(rest) = rest.filter(|_| connection.gaps[direction as usize].is_none()) else {
        return stream(connection, direction);
    };
    let short: Vec<u8> = pdus.into_iter().flat_map(short).collect();
    plan(&[&short[..], &rest[..rest.len().min(128)]].concat(), !connection.is_whole, [0; 2])
}

/// A PDU with 24 bytes of its body at most.
#[must_use]
pub fn short(mut pdu: Vec<u8>) -> Vec<u8> {
    const MOST: u8 = 40;
    if pdu.len() > MOST.into() {
        pdu.truncate(MOST.into());
        // frag_length, in the order that drep says.
        let length = if pdu[4] & 0xf0 == 0 { [0, MOST] } else { [MOST, 0] };
        pdu[8..10].copy_from_slice(&length);
    }
    pdu
}

/// As [`stream`], of bytes from anywhere.
#[must_use]
pub fn plan(stream: &[u8], mid_stream: bool, gap: [u16; 2]) -> Vec<u8> {
    let third = u16::try_from(stream.len() / 3).unwrap_or(u16::MAX / 3);
    FramerPlan { mid_stream, cuts: [third, 2 * third, 2 * third + 1, 20], gap, stream }.write()
}

/// One side's stream of HTTP as `http` reads it.
#[must_use]
pub fn http(connection: &Connection, direction: Direction) -> Vec<u8> {
    const ASKED: [&[u8]; 3] = [b"GET ", b"HEAD ", b"CONNECT "];
    let asked = ASKED.iter().position(|method| connection.said[0].starts_with(method));
    let asked = match (direction, asked) {
        (Direction::ToClient, Some(at)) => [2, 4, 6][at],
        _ => 0,
    };
    [vec![direction as u8 | asked], stream(connection, direction)].concat()
}

/// Pieces as many bodies read them, each behind a byte of its kind and its length; of more than 64 KiB, the front.
pub fn put(seed: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    seed.push(kind);
    seed.extend(length.to_le_bytes());
    seed.extend_from_slice(&bytes[..length.into()]);
}

/// What both sides say, in turns, as `rules` reads it: in packets of 64 bytes, ended by the server.
#[must_use]
pub fn dialogue(connection: &Connection) -> Vec<u8> {
    let mut seed = Vec::new();
    for turn in &connection.turns {
        put(&mut seed, turn.direction as u8 | 63 << 2, connection.bytes(turn));
    }
    put(&mut seed, 3 | 63 << 2, &[]);
    seed
}

/// The PDUs of both sides in turns, as `connection` reads them, in parts of 50 bytes; `host` says what the host is.
#[must_use]
pub fn connection(connection: &Connection, host: u8) -> Vec<u8> {
    let [client, server] = [Direction::ToServer, Direction::ToClient].map(|side| connection.pdus(side));
    let mut steps: Vec<(Side, &[u8])> = Vec::new();
    for turn in 0..client.len().max(server.len()) {
        steps.extend(client.get(turn).map(|pdu| (Side::Client, &pdu[..])));
        steps.extend(server.get(turn).map(|pdu| (Side::Server, &pdu[..])));
    }
    ConnectionPlan::write(host, 49, &steps)
}

/// What both sides say as `ldap` reads it, in parts of different lengths, which `tls` has as well behind its key log.
#[must_use]
pub fn pieces(connection: &Connection) -> Vec<u8> {
    /// How long the parts are, four times.
    const PARTS: [u8; 4] = [0x30, 0x7c, 0xfc, 0x08];
    let mut seed = Vec::new();
    for (at, turn) in connection.turns.iter().enumerate() {
        let kind = PARTS[at % 4] | u8::from(turn.is_behind_gap) << 1 | turn.direction as u8;
        put(&mut seed, kind, connection.bytes(turn));
    }
    seed
}

/// A session as `tls` reads it; without its secrets where these are of more than 64 KiB.
#[must_use]
pub fn tls(key_log: &[u8], pieces: &[u8]) -> Vec<u8> {
    let length = u16::try_from(key_log.len()).unwrap_or(0);
    [&length.to_le_bytes()[..], &key_log[..length.into()], pieces].concat()
}

/// Packets of one link layer as `layers` reads them, with nothing cut off.
#[must_use]
pub fn layers<'a>(packets: impl IntoIterator<Item = Packet<'a>>) -> Vec<u8> {
    let mut seed = Vec::new();
    for packet in packets {
        if seed.is_empty() {
            seed.extend(packet.link.0.to_le_bytes());
        }
        let length = u16::try_from(packet.data.len()).unwrap_or(u16::MAX);
        seed.extend(length.to_le_bytes());
        seed.push(0);
        seed.extend_from_slice(&packet.data[..length.into()]);
    }
    seed
}

/// The segments of a connection as `streams` reads them: direction and flags, length, and the distance from where the
/// direction stands. Those that are too far away are left out.
#[must_use]
pub fn segments(connection: &Connection) -> Vec<u8> {
    let mut seed = Vec::new();
    let mut base = [None; 2];
    let mut furthest = [0_i64; 2];
    for segment in &connection.segments {
        let direction = segment.direction as usize;
        let flags = segment.flags;
        let first = segment.sequence.wrapping_add(u32::from(flags.syn));
        let offset = i64::from(first.wrapping_sub(*base[direction].get_or_insert(first)).cast_signed());
        let kind = segment.direction as u8
            | u8::from(flags.ack) << 1
            | u8::from(flags.fin) << 2
            | if flags.rst { 0xf8 } else { 0 };
        let length = i64::from(segment.length);
        for part in (0..length.max(1)).step_by(255) {
            let length = (length - part).min(255);
            let Ok(distance) = i16::try_from(offset + part - furthest[direction]) else { continue };
            seed.extend([kind, u8::try_from(length).unwrap_or(0)]);
            seed.extend(distance.to_le_bytes());
            furthest[direction] = furthest[direction].max(offset + part + length);
        }
    }
    seed
}

/// The lengths of a connection's first turns, and where packets split them, as `reassembly` reads them; the pieces come
/// from both ends.
#[must_use]
pub fn turns(connection: &Connection) -> Vec<u8> {
    let byte = |length: usize| u8::try_from(length).unwrap_or(u8::MAX);
    let lengths: [u8; 6] =
        std::array::from_fn(|at| connection.turns.get(at).map_or(0, |turn| byte(turn.range.len())));
    let splits: [u8; 10] = std::array::from_fn(|at| {
        connection.segments.get(at).map_or(0, |segment| segment.length.to_le_bytes()[0])
    });
    let order = (0..24_u8).map(|at| if at % 2 == 0 { at } else { 24 - at });
    lengths.into_iter().chain(splits).chain(order).collect()
}

/// A ring as `vmbus_ring` reads it: without its page but for the offsets.
#[must_use]
pub fn ring(ring: &Ring<'_>) -> Vec<u8> {
    let offsets = [ring.control.write_offset, ring.control.read_offset];
    let offsets = offsets.iter().flat_map(|offset| offset.to_le_bytes());
    [0].into_iter().chain(offsets).chain(ring.data.iter().copied()).collect()
}
