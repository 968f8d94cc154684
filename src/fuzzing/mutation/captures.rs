//! Captures: the PDU inside of a packet is what is changed.

use crate::capture::{CaptureReader, Dialogue, Direction, Endpoint, Layers, Packets};
use crate::mutate::Mutator;
use crate::wire::Side;

use super::Pieces;

/// Packets that are looked at.
const MOST_PACKETS: usize = 512;

/// What a segment carries.
struct Payload {
    source: Endpoint,
    destination: Endpoint,
    bytes: Vec<u8>,
}

/// Changes what a segment of a file carries: in its place, with its checksum, where the length stays the same, or with all
/// that the first connection says written anew.
pub(super) fn capture(mutator: &mut Mutator, bytes: &mut Vec<u8>, most: usize) -> bool {
    let payloads = payloads(bytes);
    if payloads.is_empty() {
        return false;
    }
    if mutator.below(2) == 0 && in_place(mutator, bytes, &payloads) {
        return true;
    }
    anew(mutator, bytes, &payloads, most)
}

/// What the segments of a file carry, where they carry anything.
fn payloads(bytes: &[u8]) -> Vec<Payload> {
    let mut payloads = Vec::new();
    let Ok(mut capture) = CaptureReader::new(bytes) else { return payloads };
    let mut layers = Layers::default();
    for _ in 0..MOST_PACKETS {
        match capture.advance() {
            Ok(true) => {}
            _ => break,
        }
        if let Ok(segment) = layers.segment(&Packets::packet(&capture))
            && !segment.payload.is_empty()
        {
            let bytes = segment.payload.to_vec();
            payloads.push(Payload { source: segment.source, destination: segment.destination, bytes });
        }
    }
    payloads
}

/// Changes a payload where it stands; false where it does not keep its length, or stands nowhere in one piece.
fn in_place(mutator: &mut Mutator, bytes: &mut [u8], payloads: &[Payload]) -> bool {
    let payload = &payloads[mutator.below(payloads.len())];
    let (old, length) = (&payload.bytes, payload.bytes.len());
    let Some(at) = bytes.windows(length).position(|window| window == old) else { return false };
    let mut new = old.clone();
    mutator.stream(side(payload, payloads), None, &mut new, length);
    if new.len() != length {
        return false;
    }
    bytes[at..at + length].copy_from_slice(&new);
    // The header in front of it: its data offset and its ports say so.
    let ports = [payload.source.port.to_be_bytes(), payload.destination.port.to_be_bytes()].concat();
    let header = (5..16).map(|words| 4 * words).find(|&length| {
        let begin = at.checked_sub(length);
        begin.is_some_and(|begin| {
            bytes[begin..begin + 4] == ports[..] && usize::from(bytes[begin + 12] >> 4) * 4 == length
        })
    });
    if let Some(header) = header {
        let place = at - header + 16;
        let stored = u16::from_be_bytes([bytes[place], bytes[place + 1]]);
        if stored != 0 {
            // RFC 1624: what was summed is taken away, word by word, and what is there now added.
            let words = 0xffff * length.div_ceil(2) as u64;
            let inverted = !fold(u64::from(!stored) + words - sum(old) + sum(&new));
            bytes[place..place + 2].copy_from_slice(&inverted.to_be_bytes());
        }
    }
    true
}

/// Writes what the first connection says as a file of its own, with a piece of it changed.
fn anew(mutator: &mut Mutator, bytes: &mut Vec<u8>, payloads: &[Payload], most: usize) -> bool {
    let Payload { source: client, destination: server, .. } = &payloads[0];
    let mut said: Vec<(Direction, Vec<u8>)> = payloads
        .iter()
        .filter_map(|payload| match (&payload.source, &payload.destination) {
            (from, to) if (from, to) == (client, server) => {
                Some((Direction::ToServer, payload.bytes.clone()))
            }
            (from, to) if (from, to) == (server, client) => {
                Some((Direction::ToClient, payload.bytes.clone()))
            }
            _ => None,
        })
        .collect();
    let at = mutator.below(said.len());
    let (direction, piece) = &mut said[at];
    let side = if *direction == Direction::ToServer { Side::Client } else { Side::Server };
    mutator.stream(side, None, piece, most);
    let mut dialogue = Dialogue::new(*client, *server, BEGIN);
    for (time, (direction, piece)) in (BEGIN + 1..).zip(&said) {
        dialogue.send(*direction, time, piece);
    }
    let mut file = Vec::new();
    let is_written = Dialogue::write(&[dialogue], &mut file, "").is_ok() && file.len() <= most;
    if is_written {
        *bytes = file;
    }
    is_written
}

/// Whose payload it is: the first one's sender is the client.
fn side(payload: &Payload, payloads: &[Payload]) -> Side {
    if payload.source.port == payloads[0].source.port { Side::Client } else { Side::Server }
}

/// Changes the packets of a seed of `layers`: a byte or a length within one, or which there are.
pub(super) fn layers(mutator: &mut Mutator, bytes: &mut Vec<u8>, most: usize) -> bool {
    let layout = Pieces { head: 2, item: 3, length: 0 };
    layout.change(mutator, bytes, most, |mutator, _, packet, most| {
        // A number in one of the headers, which stand in front: at an even place, in the network's order.
        if mutator.below(2) == 0 && packet.len() >= 4 {
            let at = 2 * mutator.below((packet.len() / 2 - 1).min(60));
            let number = u16::from_be_bytes([packet[at], packet[at + 1]]);
            let near = [number.wrapping_add(1), number.wrapping_sub(1), number ^ 0x4000, 0, u16::MAX];
            let values = [0x0800, 0x86dd, 0x8100, 0x8847, 0x6558, 0x0045, 0x4500, 0x2f06, 0x0611, 1688, 4789];
            let place = mutator.below(near.len() + values.len());
            let value = near.iter().chain(&values).nth(place).copied().unwrap_or_default();
            packet[at..at + 2].copy_from_slice(&value.to_be_bytes());
            return true;
        }
        !mutator.raw(packet, most).is_empty()
    })
}

/// The sum of all words in the network's order.
fn sum(bytes: &[u8]) -> u64 {
    let word = |word: &[u8]| u64::from(word[0]) << 8 | u64::from(word.get(1).copied().unwrap_or(0));
    bytes.chunks(2).map(word).sum()
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap_or_default()
}

/// When a connection that was written anew began: 2023-11-14.
const BEGIN: u64 = 1_700_000_000_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::LayerOptions;

    #[test]
    fn a_segment_that_is_changed_in_its_place_keeps_a_right_checksum() {
        let side = |port| Endpoint { address: std::net::Ipv4Addr::LOCALHOST.into(), port };
        let mut dialogue = Dialogue::new(side(50_000), side(1688), BEGIN);
        dialogue.send(Direction::ToServer, BEGIN, &[5, 0, 17, 3, 0x10, 0, 0, 0, 16, 0, 0, 0, 2, 0, 0, 0]);
        dialogue.send(
            Direction::ToClient,
            BEGIN,
            b"\x05\x00\x12\x03\x10\x00\x00\x00\x13\x00\x00\x00\x02\x00\x00\x00odd",
        );
        let mut file = Vec::new();
        Dialogue::write(&[dialogue], &mut file, "").unwrap();
        let (mut changed, mut kept) = (0, 0);
        for turn in 0..300 {
            let mut bytes = file.clone();
            if !capture(&mut Mutator::new(turn), &mut bytes, 10_000) || bytes == file {
                continue;
            }
            changed += 1;
            let mut capture = CaptureReader::new(&bytes[..]).unwrap();
            let mut layers = Layers::new(LayerOptions { checksums: true });
            let mut is_right = true;
            while capture.advance().unwrap_or(false) {
                is_right &= layers.segment(&Packets::packet(&capture)).is_ok();
            }
            kept += usize::from(is_right);
        }
        assert!(changed > 200, "{changed}");
        assert_eq!(kept, changed);
    }
}
