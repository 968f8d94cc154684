//! What libFuzzer calls in place of its own mutation: the seed of each target is read as the target reads it, what it holds
//! is changed by [`crate::mutate`] or by the grammar that it has, and lengths and checksums are set right again.

mod captures;
mod documents;
mod framing;
mod packets;

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::kms::Ndr;
use crate::mutate::{Marshalling, Mutator};
use crate::rpc::{Body, Pdu};
use crate::wire::{Endianness, Side};

/// The custom mutator of every target that has one: what libFuzzer calls with a seed, in place of its own mutation.
///
/// `data` holds `size` bytes and has room for `max_size`; the result is how many it holds then. `raw` is libFuzzer's own
/// mutation, which stays in the mix: one time in four, and wherever nothing is found that could be changed otherwise.
#[inline(always)]
pub fn mutate(
    target: &str,
    data: &mut [u8],
    size: usize,
    max_size: usize,
    seed: u32,
    raw: impl FnOnce(&mut [u8], usize, usize) -> usize,
) -> usize {
    let room = max_size.min(data.len());
    let mut mutator = Mutator::new(seed.into());
    if mutator.below(RAW_SHARE) == 0 {
        return raw(data, size, max_size);
    }
    let mut bytes = Vec::with_capacity(size + 256);
    bytes.extend_from_slice(&data[..size.min(room)]);
    let changed = way(target).is_some_and(|way| way(&mut mutator, &mut bytes, room));
    if !changed || bytes.is_empty() || bytes.len() > room {
        return raw(data, size, max_size);
    }
    data[..bytes.len()].copy_from_slice(&bytes);
    bytes.len()
}

/// One time in so many libFuzzer changes the seed as bytes.
const RAW_SHARE: usize = 4;

/// Changes a seed to at most so many bytes; false where there is nothing to change.
type Way = fn(&mut Mutator, &mut Vec<u8>, usize) -> bool;

/// How a target's seed is changed; one that has no way is bytes. It is inlined so that a program of one target is built with
/// the way of that one: a fuzzer looks through the counters of all that is built in, at every input.
#[inline(always)]
fn way(target: &str) -> Option<Way> {
    let way: Way = match target {
        "capture" => captures::capture,
        "connection" => |mutator, bytes, most| said(mutator, bytes, most, &CONNECTION),
        "diagnose" => captures::capture,
        "dns" => packets::dns,
        "epid" => |mutator, bytes, most| {
            mutator.epid(bytes, most);
            true
        },
        "file" => captures::capture,
        "framer" => framing::framer,
        "events" => documents::lines,
        "har" => documents::json,
        "http" => packets::http,
        "id" => documents::id,
        "key_log" => documents::lines,
        "layers" => captures::layers,
        "ldap" => |mutator, bytes, most| {
            let layout = Pieces { head: 1, item: 3, length: 1 };
            layout.change(mutator, bytes, most, |mutator, _, piece, most| packets::ber(mutator, piece, most))
        },
        "ldif" => documents::lines,
        "pdu" => |mutator, bytes, most| {
            let side = side_of(bytes);
            mutator.pdu(side, None, bytes, most);
            true
        },
        "redact" => |mutator, bytes, most| {
            if bytes.len() < super::KeyPlan::HEAD {
                return false;
            }
            if mutator.below(2) == 0 {
                // How the key is written: its layout, its escapes, its width, its transport.
                let at = [25, 26, 27, 28, 29, 31, 32, 33][mutator.below(8)];
                flip(mutator, &mut bytes[at..=at]);
                bytes.truncate(most);
                return true;
            }
            behind(bytes, super::KeyPlan::HEAD, most, mutator, |mutator, around, most| {
                if !documents::xml(mutator, around, most) {
                    mutator.raw(around, most);
                }
            })
        },
        "request_message" => |mutator, bytes, most| {
            mutator.message(Side::Client, bytes, most);
            true
        },
        "request_stub" => |mutator, bytes, most| stub(mutator, Side::Client, bytes, most),
        "request_v4" => |mutator, bytes, most| plain(mutator, Side::Client, 3, bytes, most),
        "request_v5" => |mutator, bytes, most| plain(mutator, Side::Client, 19, bytes, most),
        "request_v6" => |mutator, bytes, most| plain(mutator, Side::Client, 19, bytes, most),
        "respond" => |mutator, bytes, most| stub(mutator, Side::Client, bytes, most),
        "response_message" => exchange,
        "response_stub" => |mutator, bytes, most| stub(mutator, Side::Server, bytes, most),
        "response_v4" => |mutator, bytes, most| plain(mutator, Side::Server, 3, bytes, most),
        "response_v5" => |mutator, bytes, most| plain(mutator, Side::Server, 35, bytes, most),
        "response_v6" => |mutator, bytes, most| plain(mutator, Side::Server, 35, bytes, most),
        "rules" => |mutator, bytes, most| {
            captures::capture(mutator, bytes, most) || said(mutator, bytes, most, &RULES)
        },
        "soap" => documents::soap,
        "tls" => |mutator, bytes, most| {
            let Some(length) = bytes.first_chunk().map(|raw| 2 + usize::from(u16::from_le_bytes(*raw)))
            else {
                return false;
            };
            let layout = Pieces { head: length.min(bytes.len()), item: 3, length: 1 };
            layout.change(mutator, bytes, most, |mutator, _, piece, most| packets::tls(mutator, piece, most))
        },
        "vamt" => documents::xml,
        "verify" => exchange,
        "vmbus_control" => packets::vmbus_control,
        "vmbus_pipe" => |mutator, bytes, most| {
            let layout = Pieces { head: 1, item: 3, length: 1 };
            layout.change(mutator, bytes, most, |mutator, _, piece, most| {
                packets::vmbus_pipe(mutator, piece, most)
            })
        },
        "vmbus_ring" => packets::vmbus_ring,
        _ => return None,
    };
    Some(way)
}

/// Pieces of what two sides say: 1 byte, whose bit 0 is the server's, and u16, the length.
const RULES: Pieces = Pieces { head: 0, item: 3, length: 1 };
/// Behind 2 bytes of a host's settings.
const CONNECTION: Pieces = Pieces { head: 2, item: 3, length: 1 };

/// Changes what stands behind a head; the head too, one time in eight.
fn behind(
    bytes: &mut Vec<u8>,
    head: usize,
    most: usize,
    mutator: &mut Mutator,
    change: impl FnOnce(&mut Mutator, &mut Vec<u8>, usize),
) -> bool {
    let head = head.min(bytes.len());
    if head > 0 && mutator.below(8) == 0 {
        flip(mutator, &mut bytes[..head]);
    }
    let front: SmallVec<[u8; 64]> = SmallVec::from_slice(&bytes[..head]);
    bytes.drain(..head);
    change(mutator, bytes, most.saturating_sub(head));
    let length = bytes.len();
    bytes.resize(length + head, 0);
    bytes.copy_within(..length, head);
    bytes[..head].copy_from_slice(&front);
    true
}

/// Sets a byte of a few.
fn flip(mutator: &mut Mutator, bytes: &mut [u8]) {
    let at = mutator.below(bytes.len());
    let value = mutator.below(256);
    if let Some(byte) = bytes.get_mut(at) {
        *byte = u8::try_from(value).unwrap_or_default();
    }
}

/// A byte of how it is marshalled, and the stub.
fn stub(mutator: &mut Mutator, side: Side, bytes: &mut Vec<u8>, most: usize) -> bool {
    let Some(&kind) = bytes.first() else { return false };
    let ndr = if kind & 1 == 0 { Ndr::Ndr32 } else { Ndr::Ndr64 };
    let endianness = if kind & 2 == 0 { Endianness::Little } else { Endianness::Big };
    behind(bytes, 1, most, mutator, |mutator, stub, most| {
        mutator.stub(side, Marshalling { ndr, endianness }, stub, most);
    })
}

/// What is sealed with and what is made wrong, and the plain text.
fn plain(mutator: &mut Mutator, side: Side, head: usize, bytes: &mut Vec<u8>, most: usize) -> bool {
    behind(bytes, head, most, mutator, |mutator, text, most| {
        mutator.body(side, text, most);
    })
}

/// Two bytes of the request's length, the request, and the response, which is repaired as its answer.
fn exchange(mutator: &mut Mutator, bytes: &mut Vec<u8>, most: usize) -> bool {
    let source = std::mem::take(bytes);
    let Some((head, rest)) = source.split_first_chunk() else { return false };
    let length = usize::from(u16::from_le_bytes(*head)).min(rest.len());
    let (request, response) = rest.split_at(length);
    let (mut request, mut response) = (Cow::Borrowed(request), Cow::Borrowed(response));
    let which = mutator.below(4);
    let room = most.saturating_sub(2);
    if which == 0 {
        mutator.message(Side::Client, request.to_mut(), room.saturating_sub(response.len()));
    }
    if which > 0 || mutator.below(2) == 0 {
        mutator.answering(Some(&request));
        mutator.message(Side::Server, response.to_mut(), room.saturating_sub(request.len()));
    }
    let length = u16::try_from(request.len()).unwrap_or(u16::MAX);
    bytes.reserve(2 + request.len() + response.len());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&request);
    bytes.extend_from_slice(&response);
    true
}

/// What the two sides of a connection say: PDUs, their sequence, and answers that fit what was asked before.
fn said(mutator: &mut Mutator, bytes: &mut Vec<u8>, most: usize, layout: &Pieces) -> bool {
    layout.change(mutator, bytes, most, |mutator, before, piece, most| {
        let side = side_of(piece);
        if side == Side::Server {
            let asked = before.iter().rev().find_map(|said| message_in(&said.content));
            mutator.answering(asked);
        }
        // What is behind the crypto gets its share, however much there is in front of it.
        let changes = match mutator.below(2) {
            0 => mutator.call(side, None, piece, most),
            _ => mutator.stream(side, None, piece, most),
        };
        !changes.is_empty()
    })
}

/// Whose bytes these are: a server's where they begin with a PDU that only a server sends.
fn side_of(bytes: &[u8]) -> Side {
    match bytes.get(2) {
        Some(2 | 3 | 12 | 13 | 15) => Side::Server,
        _ => Side::Client,
    }
}

/// The message of a request that is whole within the bytes.
fn message_in(bytes: &[u8]) -> Option<&[u8]> {
    let (pdu, _) = Pdu::parse_lax(bytes).ok()?;
    let Body::Request(request) = &pdu.body else { return None };
    let endianness = pdu.header.drep.endianness();
    [Ndr::Ndr64, Ndr::Ndr32].into_iter().find_map(|ndr| {
        let stub = crate::kms::RequestStub::parse(request.stub, ndr, endianness).ok()?;
        stub.is_consistent().then_some(stub.data)
    })
}

/// A seed of pieces: a head, and items of a few bytes, with a length (u16, little-endian) among them, and their content.
#[derive(Clone, Copy)]
struct Pieces {
    /// Bytes of the head.
    head: usize,
    /// Bytes in front of a piece's content, 4 at most.
    item: usize,
    /// Where in them the length stands.
    length: usize,
}

/// A piece of a seed.
#[derive(Clone)]
struct Piece<'a> {
    /// What stands in front of its content; of it the first [`Pieces::item`] bytes.
    front: [u8; 4],
    content: Cow<'a, [u8]>,
}

impl Pieces {
    /// Changes a piece, or the order and the number of them; false where there is none. `content` gets those in front of
    /// the piece too.
    fn change(
        &self,
        mutator: &mut Mutator,
        bytes: &mut Vec<u8>,
        most: usize,
        content: impl FnOnce(&mut Mutator, &[Piece<'_>], &mut Vec<u8>, usize) -> bool,
    ) -> bool {
        let Some(changed) = self.changed(mutator, bytes, most, content) else { return false };
        *bytes = changed;
        true
    }

    fn changed(
        &self,
        mutator: &mut Mutator,
        bytes: &[u8],
        most: usize,
        content: impl FnOnce(&mut Mutator, &[Piece<'_>], &mut Vec<u8>, usize) -> bool,
    ) -> Option<Vec<u8>> {
        let (head, mut pieces) = self.read(bytes);
        let last = pieces.len().checked_sub(1)?;
        let mut out = Vec::with_capacity(bytes.len() + 256);
        out.extend_from_slice(head);
        let at = mutator.below(last + 1);
        match mutator.below(16) {
            0 if self.head > 0 && self.head < 4 => flip(mutator, &mut out),
            1 => flip(mutator, &mut pieces[at].front[..self.length.max(1)]),
            2 => {
                let other = mutator.below(last + 1);
                pieces.swap(at, other);
            }
            3 => {
                let copy = pieces[at].clone();
                pieces.insert(mutator.below(last + 2), copy);
            }
            4 if last > 0 => drop(pieces.remove(at)),
            5 => {
                // In two, of the same kind.
                let Piece { front, content } = pieces.remove(at);
                let (first, second) = content.split_at(mutator.below(content.len() + 1));
                let [first, second] = [first, second].map(|part| Cow::Owned(part.to_vec()));
                pieces.insert(at, Piece { front, content: second });
                pieces.insert(at, Piece { front, content: first });
            }
            6 if at < last => {
                let behind = pieces.remove(at + 1);
                pieces[at].content.to_mut().extend_from_slice(&behind.content);
            }
            _ => {
                let others: usize = pieces.iter().map(|piece| self.item + piece.content.len()).sum();
                let (before, rest) = pieces.split_at_mut(at);
                let changed = rest[0].content.to_mut();
                let room = (most + changed.len()).saturating_sub(head.len() + others).min(0xffff);
                if !content(mutator, before, changed, room) {
                    return None;
                }
            }
        }
        for Piece { mut front, content } in pieces {
            let content = &content[..content.len().min(0xffff)];
            let length = u16::try_from(content.len()).unwrap_or_default();
            front[self.length..self.length + 2].copy_from_slice(&length.to_le_bytes());
            out.extend_from_slice(&front[..self.item]);
            out.extend_from_slice(content);
        }
        out.truncate(most);
        Some(out)
    }

    fn read<'a>(&self, bytes: &'a [u8]) -> (&'a [u8], SmallVec<[Piece<'a>; 16]>) {
        let (head, mut rest) = bytes.split_at(self.head.min(bytes.len()));
        let mut pieces = SmallVec::new();
        while let Some((raw, behind)) = rest.split_at_checked(self.item)
            && pieces.len() < MOST_PIECES
        {
            let mut front = [0; 4];
            front[..self.item].copy_from_slice(raw);
            let length = u16::from_le_bytes([front[self.length], front[self.length + 1]]);
            let (content, behind) = behind.split_at(usize::from(length).min(behind.len()));
            pieces.push(Piece { front, content: Cow::Borrowed(content) });
            rest = behind;
        }
        (head, pieces)
    }
}

/// Pieces of a seed that are looked at; no target looks at more.
const MOST_PIECES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_keep_their_lengths_right() {
        let layout = Pieces { head: 1, item: 3, length: 1 };
        let seed = [&[9, 0, 3, 0][..], b"abc", &[1, 2, 0], b"de"].concat();
        for turn in 0..200 {
            let mut mutator = Mutator::new(turn);
            let mut bytes = seed.clone();
            assert!(layout.change(&mut mutator, &mut bytes, 100, |mutator, _, piece, most| {
                !mutator.raw(piece, most).is_empty()
            }));
            let (head, pieces) = layout.read(&bytes);
            let total: usize = pieces.iter().map(|piece| layout.item + piece.content.len()).sum();
            assert_eq!((head.len(), total + 1), (1, bytes.len()), "turn {turn}");
            assert!(pieces.iter().all(|piece| usize::from(piece.front[1]) == piece.content.len()));
        }
    }

    #[test]
    fn what_has_no_way_is_changed_as_bytes() {
        let without =
            crate::fuzzing::TARGETS.iter().map(|(name, _)| *name).filter(|name| way(name).is_none());
        assert_eq!(without.collect::<Vec<_>>(), ["reassembly", "streams"]);
    }
}
