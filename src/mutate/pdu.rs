//! Changes of DCE/RPC: a PDU's header, its body, its authentication trailer, its byte order.

use crate::kms::{Ndr, RequestStub, ResponseStub};
use crate::rpc::{
    AuthTrailer, Bind, BindAck, BindNak, Body, DataRepresentation, HEADER_LEN, Header, Pdu, PduType,
    PfcFlags, PresentationContext, ResultElement, SyntaxId, fault_statuses,
};
use crate::wire::{Endianness, Guid, Side};

use super::dice::Dice;
use super::field::{self, other_number};
use super::message::cut_to;
use super::{Changes, Marshalling, Mutator};

/// Bytes of a stub at most: a PDU counts its own in 16 bits.
const MOST_STUB: usize = 65_000;

impl Mutator {
    /// Changes a PDU of this side, and whatever it holds; `ndr` is how its stub is marshalled, where that is known. What
    /// stands behind the PDU stays there.
    pub fn pdu(&mut self, side: Side, ndr: Option<Ndr>, pdu: &mut Vec<u8>, most: usize) -> Changes {
        let source = std::mem::take(pdu);
        let changes = match Pdu::parse_lax(&source) {
            Ok((parsed, _)) if !self.dice.one_in(16) => {
                let behind = &source[usize::from(parsed.header.frag_length)..];
                let changes = self.parsed(side, ndr, parsed, pdu, most);
                pdu.extend_from_slice(behind);
                changes
            }
            _ => {
                *pdu = source;
                return self.raw_of("PDU", pdu, most);
            }
        };
        cut_to(pdu, most, changes)
    }

    /// Changes what a call says, mostly its message, and nothing of its PDU but lengths and alloc_hint. A PDU that does not
    /// hold a whole call is changed as [`Self::pdu`] does.
    pub fn call(&mut self, side: Side, ndr: Option<Ndr>, pdu: &mut Vec<u8>, most: usize) -> Changes {
        let source = std::mem::take(pdu);
        let parsed = Pdu::parse_lax(&source).ok().map(|(parsed, _)| parsed).filter(|parsed| {
            parsed.header.flags.has(PfcFlags::FIRST | PfcFlags::LAST)
                && matches!(parsed.body, Body::Request(_) | Body::Response(_))
        });
        let Some(parsed) = parsed else {
            *pdu = source;
            return self.pdu(side, ndr, pdu, most);
        };
        let endianness = parsed.header.drep.endianness();
        let behind = &source[usize::from(parsed.header.frag_length)..];
        let room = most.saturating_sub(HEADER_LEN + 24).min(MOST_STUB);
        let (mut stub, mut changes) = (Vec::new(), Changes::default());
        let mut parsed = with_stub(parsed, &mut stub, |stub| {
            let ndr = ndr.unwrap_or_else(|| Self::ndr_of(side, stub, endianness));
            changes = self.stub(side, Marshalling { ndr, endianness }, stub, room);
        });
        parsed.hint(stub.len());
        *pdu = sized(&parsed.with(&stub));
        pdu.extend_from_slice(behind);
        cut_to(pdu, most, changes)
    }

    /// Changes a field of a PDU's header, as it stands; false where there is none.
    pub(crate) fn header(&mut self, pdu: &mut [u8]) -> bool {
        let mut changes = Changes::default();
        header(&mut self.dice, pdu, &mut changes);
        !changes.is_empty()
    }

    fn parsed(
        &mut self,
        side: Side,
        ndr: Option<Ndr>,
        pdu: Pdu<'_>,
        out: &mut Vec<u8>,
        most: usize,
    ) -> Changes {
        let mut changes = Changes::default();
        let endianness = pdu.header.drep.endianness();
        let is_whole = pdu.header.flags.has(PfcFlags::FIRST | PfcFlags::LAST);
        let has_stub = matches!(pdu.body, Body::Request(_) | Body::Response(_));
        match self.dice.below(16) {
            0 | 1 => {
                *out = sized(&pdu);
                header(&mut self.dice, out, &mut changes);
            }
            2 => {
                *out = self.in_the_other_order(side, ndr, pdu);
                changes.done("PDU", "in the other byte order");
            }
            3 => {
                let value: Vec<u8> =
                    (0..self.dice.pick(&[0, 1, 8, 16, 40])).map(|_| self.dice.byte()).collect();
                let padding = [0; 16];
                let mut pdu = pdu;
                self.trailer(&mut pdu, &value, &padding, &mut changes);
                *out = sized(&pdu);
                // A trailer without a value is none to its reader, whatever stands there.
            }
            4 => {
                let more = self.dice.pick(&[1, 2, 4, 8, 20, 44]);
                let rest: Vec<u8> = (0..more).map(|_| self.dice.byte()).collect();
                let rest = [pdu.rest, &rest].concat();
                *out = sized(&Pdu { rest: &rest, ..pdu });
                changes.bytes("PDU", "added", out.len() - more, more);
            }
            5..=8 if has_stub => {
                let (mut stub, mut pdu) = (Vec::new(), pdu);
                self.call_fields(&mut pdu, &mut changes);
                let pdu = with_stub(pdu, &mut stub, |_| ());
                *out = sized(&pdu.with(&stub));
            }
            _ if has_stub => {
                let mut stub = Vec::new();
                let room = most.saturating_sub(HEADER_LEN + 24).min(MOST_STUB);
                let mut pdu = with_stub(pdu, &mut stub, |stub| {
                    changes = if is_whole {
                        let ndr = ndr.unwrap_or_else(|| Self::ndr_of(side, stub, endianness));
                        self.stub(side, Marshalling { ndr, endianness }, stub, room)
                    } else {
                        self.raw_of("fragment", stub, room)
                    };
                });
                pdu.hint(stub.len());
                *out = sized(&pdu.with(&stub));
            }
            _ => self.body_of(pdu, out, &mut changes),
        }
        changes
    }

    /// A PDU that carries no stub: what it says.
    fn body_of(&mut self, pdu: Pdu<'_>, out: &mut Vec<u8>, changes: &mut Changes) {
        let dice = &mut self.dice;
        let mut address = Vec::new();
        let mut padding = Vec::new();
        let mut pdu = pdu;
        match &mut pdu.body {
            Body::Bind(bind) | Body::AlterContext(bind) => change_bind(dice, bind, changes),
            Body::BindAck(ack) | Body::AlterContextResp(ack) => {
                address = ack.secondary_address.to_vec();
                padding = ack.padding.to_vec();
                let mut owned = BindAck { secondary_address: &[], padding: &[], ..ack.clone() };
                change_bind_ack(dice, &mut owned, &mut address, &mut padding, changes);
                pdu.body = match pdu.body {
                    Body::BindAck(_) => Body::BindAck(owned),
                    _ => Body::AlterContextResp(owned),
                };
            }
            Body::BindNak(nak) => change_bind_nak(dice, nak, changes),
            Body::Fault(fault) => match dice.below(5) {
                0 => num32(dice, "alloc_hint", &mut fault.alloc_hint, &[0, 32], changes),
                1 => num16(dice, "p_cont_id", &mut fault.context_id, &[0, 1, 2], changes),
                2 => num32(dice, "reserved2", &mut fault.reserved2, &[0], changes),
                _ => {
                    let statuses: Vec<u32> = fault_statuses().map(|(status, _)| status).collect();
                    num32(dice, "status", &mut fault.status, &statuses, changes);
                }
            },
            _ => {
                *out = sized(&pdu);
                return header(dice, out, changes);
            }
        }
        if let Body::BindAck(ack) | Body::AlterContextResp(ack) = &mut pdu.body {
            (ack.secondary_address, ack.padding) = (&address, &padding);
        }
        *out = sized(&pdu);
    }

    /// What stands in front of the stub of a request or response.
    fn call_fields(&mut self, pdu: &mut Pdu<'_>, changes: &mut Changes) {
        let dice = &mut self.dice;
        match &mut pdu.body {
            Body::Request(request) => match dice.below(6) {
                0 => num32(dice, "alloc_hint", &mut request.alloc_hint, &[0, 1, 268, 276], changes),
                1 | 2 => num16(dice, "p_cont_id", &mut request.context_id, &[0, 1, 2, 3], changes),
                3 => num16(dice, "opnum", &mut request.opnum, &[0, 1, 2, 0xffff], changes),
                4 => {
                    let object = Guid::from_wire(dice.block());
                    request.object = Some(object);
                    pdu.header.flags = pdu.header.flags | PfcFlags::OBJECT_UUID;
                    changes.done("object", "set");
                }
                _ => {
                    pdu.header.flags.0 ^= PfcFlags::OBJECT_UUID.0;
                    changes.done("object", "there or not, other than its flag says");
                }
            },
            Body::Response(response) => match dice.below(4) {
                0 => num32(dice, "alloc_hint", &mut response.alloc_hint, &[0, 1], changes),
                1 => num16(dice, "p_cont_id", &mut response.context_id, &[0, 1, 2, 3], changes),
                2 => num8(dice, "cancel_count", &mut response.cancel_count, changes),
                _ => num8(dice, "reserved", &mut response.reserved, changes),
            },
            _ => {}
        }
    }

    /// Adds a trailer, takes it away or changes it.
    fn trailer<'a>(&mut self, pdu: &mut Pdu<'a>, value: &'a [u8], padding: &'a [u8], changes: &mut Changes) {
        let dice = &mut self.dice;
        let auth = pdu.auth.take();
        let mut changed = match auth {
            Some(_) if dice.one_in(3) => return changes.done("auth trailer", "removed"),
            Some(auth) => auth,
            None => {
                changes.done("auth trailer", "added");
                AuthTrailer {
                    auth_type: dice.pick(&[0, 9, 10, 16, 68, 255]),
                    level: dice.pick(&[0, 1, 2, 4, 5, 6, 255]),
                    pad_length: 0,
                    reserved: 0,
                    context_id: dice.pick(&[0, 1, 79_231]),
                    padding: &[],
                    value,
                }
            }
        };
        match dice.below(6) {
            0 => num8(dice, "auth_type", &mut changed.auth_type, changes),
            1 => num8(dice, "auth_level", &mut changed.level, changes),
            2 => num8(dice, "auth_pad_length", &mut changed.pad_length, changes),
            3 => num32(dice, "auth_context_id", &mut changed.context_id, &[0, 1], changes),
            4 => {
                let length = dice.below(padding.len());
                changed.padding = &padding[..length];
                changed.pad_length = u8::try_from(length).unwrap_or_default();
                changes.done("auth trailer", "with padding in front");
            }
            _ => {
                changed.value = value;
                changes.done("auth trailer", "with another value");
            }
        }
        pdu.auth = Some(changed);
    }

    /// The same said in the other byte order, its stub's integers with it.
    fn in_the_other_order(&mut self, side: Side, ndr: Option<Ndr>, mut pdu: Pdu<'_>) -> Vec<u8> {
        let from = pdu.header.drep.endianness();
        let to = field::other_order(from);
        let character = pdu.header.drep.0[0] & 0x0f;
        pdu.header.drep = match to {
            Endianness::Big => DataRepresentation::BIG_ENDIAN,
            _ => DataRepresentation::LITTLE_ENDIAN,
        };
        pdu.header.drep.0[0] |= character;
        let mut stub = Vec::new();
        let pdu = with_stub(pdu, &mut stub, |stub| {
            let ndr = ndr.unwrap_or_else(|| Self::ndr_of(side, stub, from));
            let other = match side {
                Side::Client => RequestStub::parse(stub, ndr, from).map(|stub| stub.encode(to)),
                Side::Server => ResponseStub::parse(stub, ndr, from).map(|stub| stub.encode(to)),
            };
            if let Ok(other) = other {
                *stub = other;
            }
        });
        sized(&pdu.with(&stub))
    }
}

/// A PDU whose stub is elsewhere.
struct Stubless<'a>(Pdu<'a>);

impl<'a> Stubless<'a> {
    fn with<'b>(self, stub: &'b [u8]) -> Pdu<'b>
    where
        'a: 'b,
    {
        let mut pdu: Pdu<'b> = self.0;
        match &mut pdu.body {
            Body::Request(request) => request.stub = stub,
            Body::Response(response) => response.stub = stub,
            Body::Fault(fault) => fault.stub = stub,
            _ => {}
        }
        pdu
    }

    fn hint(&mut self, length: usize) {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        match &mut self.0.body {
            Body::Request(request) => request.alloc_hint = length,
            Body::Response(response) => response.alloc_hint = length,
            _ => {}
        }
    }
}

/// Takes a PDU's stub out, and lets it be changed.
fn with_stub<'a>(pdu: Pdu<'a>, stub: &mut Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) -> Stubless<'a> {
    let there = match &pdu.body {
        Body::Request(request) => request.stub,
        Body::Response(response) => response.stub,
        Body::Fault(fault) => fault.stub,
        _ => return Stubless(pdu),
    };
    stub.extend_from_slice(there);
    change(stub);
    stub.truncate(MOST_STUB);
    Stubless(pdu)
}

/// The bytes of a PDU with the lengths that are its own; as they stand where it is too long for any.
pub(super) fn sized(pdu: &Pdu<'_>) -> Vec<u8> {
    pdu.encode_sized().unwrap_or_else(|_| pdu.encode())
}

/// Changes a field of a PDU's header, as it stands.
fn header(dice: &mut Dice, bytes: &mut [u8], changes: &mut Changes) {
    let Ok(header) = Header::parse(bytes) else { return };
    let order = header.drep.endianness();
    match dice.below(16) {
        0 => {
            let from = bytes[0];
            bytes[0] = dice.pick(&[0, 4, 6, 0xff]);
            changes.number("rpc_vers", from, bytes[0]);
        }
        1 => num8(dice, "rpc_vers_minor", &mut bytes[1], changes),
        2..=4 => {
            let types = [
                PduType::REQUEST,
                PduType::RESPONSE,
                PduType::FAULT,
                PduType::BIND,
                PduType::BIND_ACK,
                PduType::BIND_NAK,
                PduType::ALTER_CONTEXT,
                PduType::ALTER_CONTEXT_RESP,
                PduType::AUTH3,
                PduType::SHUTDOWN,
                PduType::CO_CANCEL,
                PduType::ORPHANED,
            ];
            let from = bytes[2];
            bytes[2] = if dice.one_in(4) { dice.byte() } else { dice.pick(&types).0 };
            changes.number("PTYPE", from, bytes[2]);
        }
        5..=7 => {
            let from = bytes[3];
            bytes[3] ^= 1 << dice.below(8);
            if dice.one_in(4) {
                bytes[3] = dice.pick(&[0, 1, 2, 3, 0x83, 0xff]);
            }
            changes.number("pfc_flags", from, bytes[3]);
        }
        8 => {
            let at = 4 + dice.below(4);
            let from = bytes[at];
            bytes[at] = dice.pick(&[0, 1, 0x10, 0x11, 0x20, 0xff, 3]);
            changes.number("packed_drep", from, bytes[at]);
        }
        9 | 10 => {
            let length = header.frag_length;
            let around =
                [0, 15, 16, 24, length.wrapping_sub(1).into(), u32::from(length) + 1, 5840, 5841, 65_535];
            put16(dice, "frag_length", &mut bytes[8..10], order, length, &around, changes);
        }
        11 | 12 => {
            let around = [0, 1, 8, 16, u32::from(header.frag_length), 65_535];
            put16(dice, "auth_length", &mut bytes[10..12], order, header.auth_length, &around, changes);
        }
        _ => {
            let known = [0, 1, 2, 3, u32::MAX];
            let to = other_number(dice, header.call_id.into(), u32::MAX.into(), &known);
            let to = u32::try_from(to).unwrap_or_default();
            let raw = if order == Endianness::Big { to.to_be_bytes() } else { to.to_le_bytes() };
            bytes[12..16].copy_from_slice(&raw);
            changes.number("call_id", header.call_id, to);
        }
    }
}

fn put16(
    dice: &mut Dice,
    field: &'static str,
    raw: &mut [u8],
    order: Endianness,
    from: u16,
    known: &[u32],
    changes: &mut Changes,
) {
    let to = u16::try_from(other_number(dice, from.into(), u16::MAX.into(), known)).unwrap_or_default();
    raw.copy_from_slice(&if order == Endianness::Big { to.to_be_bytes() } else { to.to_le_bytes() });
    changes.number(field, from, to);
}

fn num8(dice: &mut Dice, field: &'static str, value: &mut u8, changes: &mut Changes) {
    let from = *value;
    *value = u8::try_from(other_number(dice, from.into(), u8::MAX.into(), &[])).unwrap_or_default();
    changes.number(field, from, *value);
}

fn num16(dice: &mut Dice, field: &'static str, value: &mut u16, known: &[u32], changes: &mut Changes) {
    let from = *value;
    *value = u16::try_from(other_number(dice, from.into(), u16::MAX.into(), known)).unwrap_or_default();
    changes.number(field, from, *value);
}

fn num32(dice: &mut Dice, field: &'static str, value: &mut u32, known: &[u32], changes: &mut Changes) {
    let from = *value;
    *value = u32::try_from(other_number(dice, from.into(), u32::MAX.into(), known)).unwrap_or_default();
    changes.number(field, from, *value);
}

fn change_bind(dice: &mut Dice, bind: &mut Bind, changes: &mut Changes) {
    const FRAGMENTS: [u32; 8] = [0, 1, 16, 1432, 2048, 3199, 5840, 65_535];
    match dice.below(10) {
        0 => num16(dice, "max_xmit_frag", &mut bind.max_xmit_frag, &FRAGMENTS, changes),
        1 => num16(dice, "max_recv_frag", &mut bind.max_recv_frag, &FRAGMENTS, changes),
        2 => num32(dice, "assoc_group_id", &mut bind.assoc_group_id, &[0, 1, 0x1063_bf3f], changes),
        3 => return num8(dice, "n_context_elem", &mut bind.n_context_elem, changes),
        _ => change_contexts(dice, &mut bind.contexts, changes),
    }
    bind.n_context_elem = u8::try_from(bind.contexts.len()).unwrap_or(u8::MAX);
}

fn change_contexts(dice: &mut Dice, contexts: &mut Vec<PresentationContext>, changes: &mut Changes) {
    const PART: &str = "contexts";
    let Some(last) = contexts.len().checked_sub(1) else {
        contexts.push(PresentationContext {
            abstract_syntax: SyntaxId::KMS,
            transfer_syntaxes: vec![SyntaxId::NDR32],
            ..PresentationContext::default()
        });
        return changes.done(PART, "one made");
    };
    let at = dice.below(last + 1);
    match dice.below(12) {
        0 => {
            contexts.remove(at);
            changes.done(PART, "one removed");
        }
        1 => {
            let copy = contexts[at].clone();
            contexts.insert(at, copy);
            changes.done(PART, "one repeated");
        }
        2 => {
            let mut copy = contexts[at].clone();
            copy.id = u16::try_from(contexts.len()).unwrap_or_default();
            contexts.push(copy);
            changes.done(PART, "one added");
        }
        3 => {
            contexts.swap(at, dice_other(last, at));
            changes.done(PART, "in another order");
        }
        4 => {
            let many = dice.pick(&[16, 64, 254, 255]);
            let copy = contexts[at].clone();
            while contexts.len() < many {
                let id = u16::try_from(contexts.len()).unwrap_or_default();
                contexts.push(PresentationContext { id, ..copy.clone() });
            }
            changes.done(PART, "many");
        }
        5 | 6 => num16(dice, "p_cont_id", &mut contexts[at].id, &[0, 1, 2, 0xffff], changes),
        7 => change_syntax(dice, "abstract_syntax", &mut contexts[at].abstract_syntax, changes),
        _ => {
            let syntaxes = &mut contexts[at].transfer_syntaxes;
            match dice.below(6) {
                0 => {
                    syntaxes.clear();
                    changes.done("transfer_syntaxes", "none");
                }
                1 => {
                    let more = dice.pick(&SYNTAXES);
                    syntaxes.insert(dice.below(syntaxes.len() + 1), more);
                    changes.done("transfer_syntaxes", "one added");
                }
                2 => {
                    let bits = dice.pick(&[0, 1, 2, 3, 4, 0xffff]);
                    *syntaxes = vec![SyntaxId::bind_time_features(bits)];
                    changes.number("bind time features", 3_u32, bits);
                }
                3 => {
                    let many = dice.pick(&[17, 100, 255]);
                    syntaxes.resize(many, SyntaxId::NDR64);
                    changes.done("transfer_syntaxes", "many");
                }
                _ => match syntaxes.first_mut() {
                    Some(syntax) => change_syntax(dice, "transfer_syntax", syntax, changes),
                    None => {
                        syntaxes.push(SyntaxId::NDR32);
                        changes.done("transfer_syntaxes", "one added");
                    }
                },
            }
        }
    }
}

/// Another place than this, where there is one.
fn dice_other(last: usize, at: usize) -> usize {
    if at == last { 0 } else { last }
}

fn change_syntax(dice: &mut Dice, part: &'static str, syntax: &mut SyntaxId, changes: &mut Changes) {
    if dice.one_in(2) {
        return num32(dice, part, &mut syntax.version, &[0, 1, 2, 0x0001_0000, 0x0001_0001], changes);
    }
    let mut wire = syntax.uuid.to_wire();
    match dice.below(4) {
        0 => wire = dice.pick(&SYNTAXES).uuid.to_wire(),
        1 => wire = syntax.uuid.to_wire_be(),
        2 => wire = [0; 16],
        _ => wire[dice.below(16)] ^= 1 << dice.below(8),
    }
    syntax.uuid = Guid::from_wire(wire);
    changes.done(part, "with another UUID");
}

fn change_bind_ack(
    dice: &mut Dice,
    ack: &mut BindAck<'_>,
    address: &mut Vec<u8>,
    padding: &mut Vec<u8>,
    changes: &mut Changes,
) {
    match dice.below(14) {
        0 => num16(dice, "max_xmit_frag", &mut ack.max_xmit_frag, &[0, 2048, 5840, 65_535], changes),
        1 => num16(dice, "max_recv_frag", &mut ack.max_recv_frag, &[0, 2048, 5840, 65_535], changes),
        2 => num32(dice, "assoc_group_id", &mut ack.assoc_group_id, &[0, 1, 0x1063_bf3f], changes),
        3 => return num8(dice, "n_results", &mut ack.n_results, changes),
        4 => {
            padding.iter_mut().for_each(|byte| *byte = dice.byte() | 1);
            changes.done("padding of sec_addr", "set");
        }
        5 | 6 => {
            *address = match dice.below(4) {
                0 => Vec::new(),
                1 => b"1688".to_vec(), // without its NUL
                2 => vec![b'9'; dice.pick(&[1, 6, 64, 255, 1000])],
                _ => b"\\PIPE\\x\0".to_vec(),
            };
            let length = (26 + address.len()).wrapping_neg() % 4;
            *padding = vec![0; length];
            changes.done("sec_addr", "set");
        }
        7 => {
            padding.push(0);
            changes.done("padding of sec_addr", "too long");
        }
        8 if !ack.results.is_empty() => {
            ack.results.remove(dice.below(ack.results.len()));
            changes.done("results", "one removed");
        }
        9 => {
            let more = ack.results.first().copied().unwrap_or_default();
            let many = dice.pick(&[1, 1, 16, 200]);
            ack.results.extend(std::iter::repeat_n(more, many));
            ack.results.truncate(255);
            changes.done("results", "added");
        }
        _ => {
            if ack.results.is_empty() {
                ack.results.push(ResultElement::default());
            }
            let at = dice.below(ack.results.len());
            let element = &mut ack.results[at];
            match dice.below(3) {
                0 => num16(dice, "result", &mut element.result, &[0, 1, 2, 3, 4], changes),
                1 => num16(dice, "reason", &mut element.reason, &[0, 1, 2, 3, 4], changes),
                _ => change_syntax(dice, "transfer_syntax", &mut element.transfer_syntax, changes),
            }
        }
    }
    ack.n_results = u8::try_from(ack.results.len()).unwrap_or(u8::MAX);
}

fn change_bind_nak(dice: &mut Dice, nak: &mut BindNak, changes: &mut Changes) {
    if dice.one_in(2) {
        return num16(dice, "reject_reason", &mut nak.reject_reason, &[0, 1, 2, 4, 8, 9], changes);
    }
    nak.versions = match dice.below(4) {
        0 => None,
        1 => Some(Vec::new()),
        2 => Some(vec![(5, 0); 255]),
        _ => Some(vec![(dice.byte(), dice.byte())]),
    };
    changes.done("versions", "set");
}

const SYNTAXES: [SyntaxId; 3] = [SyntaxId::KMS, SyntaxId::NDR32, SyntaxId::NDR64];
