//! Changes of what a side says in all: the order of its PDUs, their number, their fragments, the ids they share.

use crate::kms::{Ndr, RequestMessage, RequestStub, Version};
use crate::rpc::{
    Bind, Body, HEADER_LEN, Header, Pdu, PduType, PfcFlags, PresentationContext, Request, SyntaxId,
};
use crate::wire::{Guid, Side};

use super::pdu::sized;
use super::{Changes, Marshalling, Mutator};

/// PDUs of a sequence at most.
const MOST_PDUS: usize = 96;
/// Fragments of a call at most.
const MOST_FRAGMENTS: usize = 48;

impl Mutator {
    /// Changes a sequence of PDUs of this side: their order, their number, their fragments, the ids that they share, or
    /// what one of them says. At most `most` bytes come out, and at most 96 PDUs.
    pub fn pdus(&mut self, side: Side, ndr: Option<Ndr>, pdus: &mut Vec<Vec<u8>>, most: usize) -> Changes {
        let mut changes = Changes::default();
        let rounds = if self.dice.one_in(4) { 2 } else { 1 };
        for _ in 0..rounds {
            changes.extend(self.pdus_once(side, ndr, pdus, most));
        }
        if pdus.len() > MOST_PDUS {
            pdus.truncate(MOST_PDUS);
            changes.bytes("PDUs", "left of too many", 0, MOST_PDUS);
        }
        let mut room = most;
        for pdu in pdus.iter_mut() {
            if pdu.len() > room {
                pdu.truncate(room);
                changes.bytes("all", "left of what is too long", 0, most);
            }
            room -= pdu.len();
        }
        pdus.retain(|pdu| !pdu.is_empty());
        changes
    }

    /// As [`Self::pdus`], of the bytes of a stream: cut into PDUs by their headers, and put together again.
    pub fn stream(&mut self, side: Side, ndr: Option<Ndr>, stream: &mut Vec<u8>, most: usize) -> Changes {
        let mut pdus = cut(stream);
        let changes = self.pdus(side, ndr, &mut pdus, most);
        *stream = pdus.concat();
        changes
    }

    /// Puts the end of another sequence behind the beginning of this one, or one of its PDUs into it.
    pub fn cross_pdus(&mut self, pdus: &mut Vec<Vec<u8>>, other: &[Vec<u8>], most: usize) -> Changes {
        let mut changes = Changes::default();
        let at = self.dice.below(pdus.len() + 1);
        let from = self.dice.below(other.len() + 1);
        if self.dice.one_in(2) {
            pdus.truncate(at);
            pdus.extend_from_slice(&other[from..]);
            changes.bytes("PDUs", "of another sequence from here on", at, other.len() - from);
        } else if let Some(one) = other.get(from) {
            pdus.insert(at, one.clone());
            changes.bytes("PDUs", "inserted from another sequence", at, 1);
        }
        pdus.truncate(MOST_PDUS);
        let mut room = most;
        for pdu in pdus.iter_mut() {
            pdu.truncate(room);
            room -= pdu.len();
        }
        pdus.retain(|pdu| !pdu.is_empty());
        changes
    }

    fn pdus_once(&mut self, side: Side, ndr: Option<Ndr>, pdus: &mut Vec<Vec<u8>>, most: usize) -> Changes {
        const PART: &str = "PDUs";
        let mut changes = Changes::default();
        let Some(last) = pdus.len().checked_sub(1) else {
            pdus.push(self.new_pdu(side));
            changes.bytes(PART, "inserted", 0, 1);
            return changes;
        };
        let at = self.dice.below(last + 1);
        match self.dice.below(24) {
            0 => {
                let other = self.dice.below(last + 1);
                pdus.swap(at, other);
                changes.bytes(PART, "in another order", at, 2);
            }
            1 => {
                let copy = pdus[at].clone();
                let to = if self.dice.one_in(2) { at } else { self.dice.below(last + 2) };
                pdus.insert(to, copy);
                changes.bytes(PART, "repeated", at, 1);
            }
            2 => {
                pdus.remove(at);
                changes.bytes(PART, "removed", at, 1);
            }
            3 | 4 => {
                let new = self.new_pdu(side);
                let to = self.dice.below(last + 2);
                pdus.insert(to, new);
                changes.bytes(PART, "inserted", to, 1);
            }
            5..=7 => self.refragment(side, ndr, pdus, at, &mut changes),
            8 => {
                // The same for all from here on, or one more each.
                let step = u32::from(self.dice.one_in(2));
                let mut id = self.dice.pick(&[0, 1, 2, 7, u32::MAX]);
                for pdu in pdus.iter_mut().skip(at) {
                    with_header(pdu, |header| header.call_id = id);
                    id = id.wrapping_add(step);
                }
                changes.bytes(PART, "with other call ids", at, last + 1 - at);
            }
            9 => {
                let id = self.dice.pick(&[0, 1, 2, 3, 7, 0xffff]);
                for pdu in pdus.iter_mut() {
                    with_contexts(pdu, id);
                }
                changes.bytes(PART, "with another context id, the same in bind and calls", 0, last + 1);
            }
            10 | 11 => {
                let mut copy = pdus[at].clone();
                changes = self.pdu(side, ndr, &mut copy, most);
                let to = self.dice.below(last + 2);
                pdus.insert(to, copy);
                changes.bytes(PART, "with a changed copy of another", to, 1);
            }
            12 => {
                let to = pdus.len().min(at + 1);
                let rotated = &mut pdus[..to];
                rotated.rotate_right(1);
                changes.bytes(PART, "with one brought to the front", at, 1);
            }
            _ => return self.pdu_or_call(side, ndr, pdus, at, most),
        }
        changes
    }

    /// Changes the PDU at a place, or the call whose fragment it is.
    fn pdu_or_call(
        &mut self,
        side: Side,
        ndr: Option<Ndr>,
        pdus: &mut Vec<Vec<u8>>,
        at: usize,
        most: usize,
    ) -> Changes {
        let others: usize = pdus.iter().map(Vec::len).sum::<usize>() - pdus[at].len();
        if let Some(call) = Call::find(pdus, at)
            && call.places.len() > 1
            && !self.dice.one_in(4)
        {
            let mut stub = call.stub.clone();
            let order = call.header.drep.endianness();
            let ndr = ndr.unwrap_or_else(|| Self::ndr_of(side, &stub, order));
            let changes = self.stub(side, Marshalling { ndr, endianness: order }, &mut stub, most);
            let longest = call.longest;
            call.replace(pdus, &stub, longest);
            return changes;
        }
        self.pdu(side, ndr, &mut pdus[at], most.saturating_sub(others))
    }

    /// Sends a call in other fragments than it was, right or with one of them wrong.
    fn refragment(
        &mut self,
        side: Side,
        ndr: Option<Ndr>,
        pdus: &mut Vec<Vec<u8>>,
        at: usize,
        changes: &mut Changes,
    ) {
        let found = (at..pdus.len()).chain(0..at).find_map(|at| Call::find(pdus, at));
        let Some(mut call) = found else {
            pdus.insert(at, self.new_pdu(side));
            return changes.bytes("PDUs", "inserted", at, 1);
        };
        let first = call.places[0];
        if self.dice.one_in(3) {
            let order = call.header.drep.endianness();
            let ndr = ndr.unwrap_or_else(|| Self::ndr_of(side, &call.stub, order));
            changes.extend(self.stub(side, Marshalling { ndr, endianness: order }, &mut call.stub, 65_000));
        }
        let length = call.stub.len();
        let size = self.dice.pick(&[
            1,
            4,
            8,
            16,
            23,
            24,
            100,
            128,
            260,
            length / 2,
            length,
            length.saturating_sub(1),
        ]);
        let is_right = self.dice.one_in(2);
        let stub = std::mem::take(&mut call.stub);
        let many = call.replace(pdus, &stub, size);
        changes.bytes("call", "in fragments", first, many);
        if is_right {
            return;
        }
        let which = first + self.dice.below(many);
        match self.dice.below(9) {
            0 => {
                with_header(&mut pdus[which], |header| header.flags.0 ^= PfcFlags::FIRST.0);
                changes.bytes("fragment", "with its first flag wrong", which, 1);
            }
            1 => {
                with_header(&mut pdus[which], |header| header.flags.0 ^= PfcFlags::LAST.0);
                changes.bytes("fragment", "with its last flag wrong", which, 1);
            }
            2 => {
                with_header(&mut pdus[which], |header| header.call_id = header.call_id.wrapping_add(1));
                changes.bytes("fragment", "of another call", which, 1);
            }
            3 => {
                let copy = pdus[which].clone();
                pdus.insert(which, copy);
                changes.bytes("fragment", "repeated", which, 1);
            }
            4 => {
                pdus.remove(which);
                changes.bytes("fragment", "removed", which, 1);
            }
            5 => {
                let new = self.new_pdu(side);
                pdus.insert(which, new);
                changes.bytes("fragment", "behind something else", which, 1);
            }
            6 => {
                with_contexts(&mut pdus[which], 7);
                changes.bytes("fragment", "with another context id", which, 1);
            }
            7 => {
                let other = first + self.dice.below(many);
                pdus.swap(which, other);
                changes.bytes("fragments", "in another order", which, 2);
            }
            _ => {
                let hint = self.dice.pick(&[0, 1, 0xffff, 0x7fff_ffff, u32::MAX]);
                with_pdu(&mut pdus[which], |pdu| match &mut pdu.body {
                    Body::Request(request) => request.alloc_hint = hint,
                    Body::Response(response) => response.alloc_hint = hint,
                    _ => {}
                });
                changes.bytes("fragment", "with another alloc_hint", which, 1);
            }
        }
    }

    /// A PDU that was not there.
    fn new_pdu(&mut self, side: Side) -> Vec<u8> {
        let dice = &mut self.dice;
        let call_id = dice.pick(&[0, 1, 2, 3, u32::MAX]);
        let message;
        let stub;
        let (ptype, body) = match (dice.below(9), side) {
            (0..=2, _) => {
                let ptype = dice.pick(&[PduType::BIND, PduType::ALTER_CONTEXT]);
                let syntaxes = [
                    SyntaxId::NDR32,
                    SyntaxId::NDR64,
                    SyntaxId::bind_time_features(3),
                    SyntaxId { version: 9, ..SyntaxId::NDR32 },
                    SyntaxId { uuid: Guid::from_u128(1), version: 1 },
                ];
                let many = 1 + dice.below(3);
                let is_known = !dice.one_in(6);
                let first = dice.below(3);
                let contexts: Vec<PresentationContext> = (first..first + many)
                    .map(|id| PresentationContext {
                        id: u16::try_from(if dice.one_in(4) { 0 } else { id }).unwrap_or_default(),
                        abstract_syntax: if is_known { SyntaxId::KMS } else { SyntaxId::NDR32 },
                        transfer_syntaxes: vec![dice.pick(&syntaxes)],
                        ..PresentationContext::default()
                    })
                    .collect();
                let bind = Bind {
                    max_xmit_frag: 5840,
                    max_recv_frag: 5840,
                    n_context_elem: u8::try_from(many).unwrap_or_default(),
                    contexts,
                    ..Bind::default()
                };
                (ptype, if ptype == PduType::BIND { Body::Bind(bind) } else { Body::AlterContext(bind) })
            }
            (3 | 4, Side::Client) => {
                let mut plain = [0; crate::kms::RequestBody::LEN];
                plain[..4]
                    .copy_from_slice(&dice.pick(&[Version::V4, Version::V5, Version::V6]).0.to_le_bytes());
                let Ok(asked) = crate::kms::RequestBody::parse(&plain) else { return Vec::new() };
                message = RequestMessage::new(asked, dice.block()).encode();
                let ndr = dice.pick(&[Ndr::Ndr32, Ndr::Ndr64]);
                stub = RequestStub::of(&message, ndr).encode(crate::wire::Endianness::Little);
                let context_id = dice.pick(&[0, 1, 2]);
                let request = Request { alloc_hint: 0, context_id, opnum: 0, object: None, stub: &stub };
                (PduType::REQUEST, Body::Request(request))
            }
            (5, _) => (PduType::AUTH3, Body::Auth3([0; 4])),
            (6, _) => (PduType::SHUTDOWN, Body::Shutdown),
            (7, _) => (PduType::CO_CANCEL, Body::CoCancel),
            _ => (PduType::ORPHANED, Body::Orphaned),
        };
        let mut header = Header::new(ptype, call_id);
        if dice.one_in(8) {
            header.drep = crate::rpc::DataRepresentation::BIG_ENDIAN;
        }
        sized(&Pdu { header, body, rest: &[], auth: None })
    }
}

/// Cuts a stream into PDUs by their frag_length; what is none stands behind them as one piece.
fn cut(mut stream: &[u8]) -> Vec<Vec<u8>> {
    let mut pdus = Vec::new();
    while let Ok(header) = Header::parse(stream)
        && pdus.len() < MOST_PDUS
        && let Some((pdu, behind)) = stream.split_at_checked(header.frag_length.into())
    {
        pdus.push(pdu.to_vec());
        stream = behind;
    }
    if !stream.is_empty() {
        pdus.push(stream.to_vec());
    }
    pdus
}

/// A call that stands in one PDU or several.
struct Call {
    header: Header,
    /// Which PDUs are its fragments, upwards.
    places: Vec<usize>,
    stub: Vec<u8>,
    /// Bytes of its longest fragment's stub.
    longest: usize,
}

impl Call {
    /// The call that the PDU at a place belongs to, from its first fragment to its last.
    fn find(pdus: &[Vec<u8>], at: usize) -> Option<Self> {
        let header = Header::parse(pdus.get(at)?).ok()?;
        if !matches!(header.ptype, PduType::REQUEST | PduType::RESPONSE) {
            return None;
        }
        let is_of_it = |pdu: &[u8]| {
            Header::parse(pdu)
                .is_ok_and(|other| other.ptype == header.ptype && other.call_id == header.call_id)
        };
        let begins = |pdu: &[u8]| Header::parse(pdu).is_ok_and(|header| header.flags.has(PfcFlags::FIRST));
        let first = (0..=at).rev().find(|&place| is_of_it(&pdus[place]) && begins(&pdus[place]))?;
        let mut call = Self { header, places: Vec::new(), stub: Vec::new(), longest: 1 };
        for (place, bytes) in pdus.iter().enumerate().skip(first) {
            let Ok((pdu, _)) = Pdu::parse_lax(bytes) else { continue };
            if (pdu.header.ptype, pdu.header.call_id) != (header.ptype, header.call_id) {
                continue;
            }
            let (Body::Request(Request { stub, .. }) | Body::Response(crate::rpc::Response { stub, .. })) =
                pdu.body
            else {
                return None;
            };
            call.places.push(place);
            call.stub.extend_from_slice(stub);
            call.longest = call.longest.max(stub.len());
            if pdu.header.flags.has(PfcFlags::LAST) {
                return Some(call);
            }
        }
        None
    }

    /// Puts fragments of this many bytes in the place of what is there; how many they are.
    fn replace(self, pdus: &mut Vec<Vec<u8>>, stub: &[u8], size: usize) -> usize {
        let first = self.places[0];
        let template = pdus[first].clone();
        let Ok((mut pdu, _)) = Pdu::parse_lax(&template) else { return 1 };
        for &place in self.places.iter().rev() {
            pdus.remove(place);
        }
        pdu.auth = None;
        let size = size.max(1).max(stub.len().div_ceil(MOST_FRAGMENTS)).min(65_000);
        let parts: Vec<&[u8]> = if stub.is_empty() { vec![&[]] } else { stub.chunks(size).collect() };
        let many = parts.len();
        let kept = pdu.header.flags.0 & !(PfcFlags::FIRST | PfcFlags::LAST).0;
        let left = |i: usize| u32::try_from(stub.len() - i * size).unwrap_or(u32::MAX);
        let fragments = parts.iter().enumerate().map(|(i, part)| {
            let mut pdu = pdu.clone();
            let is_first = if i == 0 { PfcFlags::FIRST.0 } else { 0 };
            let is_last = if i + 1 == many { PfcFlags::LAST.0 } else { 0 };
            pdu.header.flags = PfcFlags(kept | is_first | is_last);
            match &mut pdu.body {
                Body::Request(request) => (request.stub, request.alloc_hint) = (part, left(i)),
                Body::Response(response) => (response.stub, response.alloc_hint) = (part, left(i)),
                _ => {}
            }
            sized(&pdu)
        });
        let fragments: Vec<Vec<u8>> = fragments.collect();
        pdus.splice(first..first, fragments);
        many
    }
}

fn with_header(bytes: &mut Vec<u8>, change: impl FnOnce(&mut Header)) {
    with_pdu(bytes, |pdu| change(&mut pdu.header));
}

/// Changes a PDU whose lengths stay what they are.
fn with_pdu(bytes: &mut Vec<u8>, change: impl FnOnce(&mut Pdu<'_>)) {
    let Ok((mut pdu, _)) = Pdu::parse_lax(bytes) else { return };
    let behind = bytes.get(usize::from(pdu.header.frag_length).max(HEADER_LEN)..).unwrap_or_default();
    change(&mut pdu);
    *bytes = [&pdu.encode()[..], behind].concat();
}

fn with_contexts(bytes: &mut Vec<u8>, id: u16) {
    with_pdu(bytes, |pdu| match &mut pdu.body {
        Body::Request(request) => request.context_id = id,
        Body::Response(response) => response.context_id = id,
        Body::Bind(bind) | Body::AlterContext(bind) => {
            for (at, context) in (0..).zip(&mut bind.contexts) {
                context.id = id.wrapping_add(at);
            }
        }
        _ => {}
    });
}
