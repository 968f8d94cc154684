use volact::kms::rijndael::{self, Block, V5, V6};
use volact::kms::{HostIdentity, Version, hmac, mac, salt};
use volact::rpc::SyntaxId;
use volact::wire::{FileTime, Guid};

use super::bytes::{
    ALTER_CONTEXT, ALTER_CONTEXT_RESP, BIND, BIND_ACK, BIND_NAK, FAULT, FIRST, HEADER, LAST, MAX_FRAGMENT,
    OBJECT_UUID, REQUEST, RESPONSE, array_at, low, pdu, size, u16_at, u32_at, u64_at,
};
use super::{Defect, Defects};

/// The host's side of a connection: what is received goes in, what it sends comes out.
pub struct Host {
    defects: Defects,
    received: Vec<u8>,
    is_bound: bool,
    is_closed: bool,
    contexts: Vec<Context>,
    call: Option<Call>,
    answers: u8,
    keys: hmac::Keys,
    note: String,
}

/// A context that has an id; without a syntax, nothing is behind it.
struct Context {
    id: u16,
    syntax: Option<Syntax>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Syntax {
    Ndr32,
    Ndr64,
    Features(u16),
    Other,
}

/// A context that a client proposes.
struct Proposed {
    id: u16,
    is_ours: bool,
    syntaxes: Vec<Syntax>,
}

/// A call whose last fragment has not come.
struct Call {
    call_id: u32,
    context: u16,
    opnum: u16,
    buffer: Vec<u8>,
    filled: usize,
}

/// What is asked in a PDU's header.
#[derive(Clone, Copy)]
struct Header {
    flags: u8,
    is_big: bool,
    call_id: u32,
}

const MAX_CONTEXTS: usize = 16;
const MAX_STUB: usize = 64 << 10;
const BODY: usize = 236;
const NAME: usize = 108;
const NAME_UNITS: usize = 64;
const COUNT: u32 = 50;
const EXTENDED_GRACE: u32 = 6;
const INVALID_DATA: u32 = 0x8007_000d;
const OP_RNG_ERROR: u32 = 0x1c01_0002;
const UNK_IF: u32 = 0x1c01_0003;
const PROTO_ERROR: u32 = 0x1c01_000b;
const FAULT_NDR: u32 = 0x0000_06f7;

impl Host {
    /// A host that has these defects, on a connection that was just opened.
    pub fn new(defects: Defects) -> Self {
        Self {
            defects,
            received: Vec::new(),
            is_bound: false,
            is_closed: false,
            contexts: Vec::new(),
            call: None,
            answers: 0,
            keys: hmac::Keys::default(),
            note: String::new(),
        }
    }

    /// True where it ends the connection behind what it has said.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// What it noted of the last request.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// Takes what one call of `recv` gives.
    pub fn take(&mut self, received: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.received.extend_from_slice(received);
        while !self.is_closed && self.received.len() >= HEADER {
            let head = &self.received;
            let header = Header {
                flags: head[3],
                is_big: head[4] >> 4 == 0,
                call_id: u32_at(head, 12, head[4] >> 4 == 0),
            };
            if head[0] != 5 {
                if head[2] == BIND {
                    out.extend(nak(1, 4));
                }
                self.is_closed = true;
                break;
            }
            let length = usize::from(u16_at(head, 8, header.is_big));
            if !(HEADER..=MAX_FRAGMENT).contains(&length) {
                self.refuse(header, PROTO_ERROR, &mut out);
                break;
            }
            if !self.defects.have(Defect::FragLength) && self.received.len() < length {
                break;
            }
            let whole = self.received[..length].to_vec();
            self.received.drain(..length);
            self.pdu(&whole, header, &mut out);
        }
        out
    }

    fn pdu(&mut self, pdu: &[u8], header: Header, out: &mut Vec<u8>) {
        match pdu[2] {
            BIND => self.bind(pdu, header, out),
            ALTER_CONTEXT if self.is_bound => match proposed(pdu, header.is_big) {
                Some(proposed) => self.acknowledge(ALTER_CONTEXT_RESP, header, &proposed, out),
                None => self.refuse(header, PROTO_ERROR, out),
            },
            REQUEST => self.request(pdu, header, out),
            _ => self.refuse(header, PROTO_ERROR, out),
        }
    }

    /// A fault, and the end of the connection.
    fn refuse(&mut self, header: Header, status: u32, out: &mut Vec<u8>) {
        out.extend(fault(header.call_id, 0, status));
        self.is_closed = true;
    }

    fn bind(&mut self, pdu: &[u8], header: Header, out: &mut Vec<u8>) {
        let has_auth = u16_at(pdu, 10, header.is_big) != 0;
        match proposed(pdu, header.is_big) {
            Some(proposed) if !self.is_bound && !has_auth && !proposed.is_empty() => {
                self.is_bound = true;
                self.acknowledge(BIND_ACK, header, &proposed, out);
            }
            _ => {
                out.extend(nak(header.call_id, if has_auth { 8 } else { 0 }));
                self.is_closed = true;
            }
        }
    }

    fn acknowledge(&mut self, ptype: u8, header: Header, proposed: &[Proposed], out: &mut Vec<u8>) {
        let mut body = Vec::new();
        let fragment = u16::try_from(MAX_FRAGMENT).expect("it is less than 64 KiB").to_le_bytes();
        body.extend([fragment, fragment].as_flattened());
        body.extend(GROUP.to_le_bytes());
        // The secondary address, of an alter_context_resp an empty one, and padding: from 24 to 32, or 28.
        match ptype {
            BIND_ACK => body.extend(b"\x05\x001688\0\0"),
            _ => body.extend([0; 4]),
        }
        body.extend([u8::try_from(proposed.len()).expect("it was counted in a byte"), 0, 0, 0]);
        let has_ndr64 = proposed.iter().any(|context| context.syntaxes.contains(&Syntax::Ndr64));
        let preferred = if has_ndr64 { Syntax::Ndr64 } else { Syntax::Ndr32 };
        for context in proposed {
            let (result, reason, syntax) = self.judge(context, preferred);
            body.extend(u16::to_le_bytes(result));
            body.extend(u16::to_le_bytes(reason));
            body.extend(syntax.uuid.to_wire());
            body.extend(syntax.version.to_le_bytes());
        }
        out.extend(pdu(ptype, header.call_id, &body));
    }

    /// Result, reason and transfer syntax.
    fn judge(&mut self, proposed: &Proposed, preferred: Syntax) -> (u16, u16, SyntaxId) {
        let none = SyntaxId::default();
        let known = self.contexts.iter().position(|context| context.id == proposed.id);
        if let Some(at) = known
            && self.defects.have(Defect::ContextReuse)
        {
            self.contexts[at].syntax = None;
        }
        let features = proposed.syntaxes.iter().find_map(|syntax| match syntax {
            Syntax::Features(bits) => Some(bits & 3),
            _ => None,
        });
        if let Some(bits) = features {
            return (3, bits, none);
        }
        if !proposed.is_ours {
            return (2, 1, none);
        }
        if !proposed.syntaxes.contains(&preferred) {
            return (2, 2, none);
        }
        match known {
            Some(at) => self.contexts[at].syntax = Some(preferred),
            None if self.contexts.len() == MAX_CONTEXTS => return (2, 3, none),
            None => self.contexts.push(Context { id: proposed.id, syntax: Some(preferred) }),
        }
        (0, 0, if preferred == Syntax::Ndr64 { SyntaxId::NDR64 } else { SyntaxId::NDR32 })
    }

    fn request(&mut self, pdu: &[u8], header: Header, out: &mut Vec<u8>) {
        let begin = if header.flags & OBJECT_UUID == 0 { 24 } else { 40 };
        let is_served = self.is_bound || self.defects.have(Defect::BeforeBind);
        if !is_served || pdu.len() < begin {
            return self.refuse(header, PROTO_ERROR, out);
        }
        let mut end = pdu.len();
        let auth_length = usize::from(u16_at(pdu, 10, header.is_big));
        if auth_length > 0 {
            if !self.defects.have(Defect::AuthLength) && end - begin < 8 + auth_length {
                return self.refuse(header, PROTO_ERROR, out);
            }
            end = end.wrapping_sub(8 + auth_length);
        }
        let stub = &pdu[begin..end];
        let hint = size(u32_at(pdu, 16, header.is_big).into());
        let is_last = header.flags & LAST != 0;
        if header.flags & FIRST != 0 {
            if self.call.is_some() || hint > MAX_STUB {
                return self.refuse(header, PROTO_ERROR, out);
            }
            let mut buffer = stub.to_vec();
            if !is_last && hint > stub.len() {
                buffer.resize(hint, 0);
            }
            let context = u16_at(pdu, 20, header.is_big);
            let opnum = u16_at(pdu, 22, header.is_big);
            self.call = Some(Call { call_id: header.call_id, context, opnum, buffer, filled: stub.len() });
        } else {
            let ours = self.call.as_mut().filter(|call| call.call_id == header.call_id);
            let Some(call) = ours.filter(|call| call.filled + stub.len() <= MAX_STUB) else {
                return self.refuse(header, PROTO_ERROR, out);
            };
            let filled = call.filled + stub.len();
            if !self.defects.have(Defect::Fragments) && call.buffer.len() < filled {
                call.buffer.resize(filled, 0);
            }
            call.buffer[call.filled..filled].copy_from_slice(stub);
            call.filled = filled;
        }
        if is_last && let Some(call) = self.call.take() {
            out.extend(self.answer(header, &call));
        }
    }

    fn answer(&mut self, header: Header, call: &Call) -> Vec<u8> {
        let syntax = match self.contexts.iter().find(|context| context.id == call.context) {
            Some(context) => context.syntax.expect("a context that is found has a syntax"),
            None if self.is_bound => return fault(call.call_id, call.context, UNK_IF),
            None => Syntax::Ndr32,
        };
        if call.opnum != 0 {
            return fault(call.call_id, call.context, OP_RNG_ERROR);
        }
        let Some(message) = self.data(&call.buffer[..call.filled], syntax, header.is_big) else {
            return fault(call.call_id, call.context, FAULT_NDR);
        };
        let answer = match message.get(..4).map(|version| u16_at(version, 2, false)) {
            Some(4) => self.answer_v4(message),
            Some(5) => self.answer_v5_or_v6(message, Version::V5),
            Some(6) => self.answer_v5_or_v6(message, Version::V6),
            _ => None,
        };
        let mut stub = Vec::new();
        let put = |stub: &mut Vec<u8>, value: usize| match syntax {
            Syntax::Ndr64 => stub.extend((value as u64).to_le_bytes()),
            _ => stub.extend(u32::try_from(value).expect("no answer is that long").to_le_bytes()),
        };
        match answer {
            Some(answer) => {
                for value in [answer.len(), 0x0002_0000, answer.len()] {
                    put(&mut stub, value);
                }
                stub.extend(&answer);
                stub.resize(stub.len().next_multiple_of(4), 0);
                stub.extend([0; 4]);
            }
            None => {
                put(&mut stub, 0);
                put(&mut stub, 0);
                stub.extend(INVALID_DATA.to_le_bytes());
            }
        }
        let mut body = Vec::new();
        body.extend(u32::try_from(stub.len()).expect("no answer is that long").to_le_bytes());
        body.extend(call.context.to_le_bytes());
        body.extend([0, 0]);
        body.extend(stub);
        pdu(RESPONSE, call.call_id, &body)
    }

    /// The bytes that a stub's counts tell.
    fn data<'a>(&self, stub: &'a [u8], syntax: Syntax, is_big: bool) -> Option<&'a [u8]> {
        let head = if syntax == Syntax::Ndr64 { 16 } else { 8 };
        if stub.len() < head {
            return None;
        }
        let told = u64::from(u32_at(stub, 0, is_big));
        let mut length = match syntax {
            Syntax::Ndr64 => u64_at(stub, 8, is_big),
            _ => u32_at(stub, 4, is_big).into(),
        };
        let is_narrow = syntax == Syntax::Ndr64 && self.defects.have(Defect::Ndr64Count);
        let checked = if is_narrow { low(length).into() } else { length };
        if checked != told || told > (stub.len() - head) as u64 {
            return None;
        }
        if self.defects.have(Defect::BigEndian) && !is_narrow {
            length = u32_at(stub, 0, false).into();
        }
        Some(&stub[head..][..size(length)])
    }

    fn answer_v4(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        if message.len() != BODY + 16 || mac::v4(&message[..BODY]) != array_at(message, BODY) {
            return None;
        }
        let mut name = [0; NAME_UNITS];
        let mut units = 0;
        while units < NAME_UNITS && u16_at(message, NAME + 2 * units, false) != 0 {
            name[units] = u16_at(message, NAME + 2 * units, false);
            units += 1;
        }
        if !self.defects.have(Defect::MachineName) {
            units = units.min(NAME_UNITS - 1);
        }
        name[units] = 0;
        self.note = String::from_utf16_lossy(&name[..units]);
        if u32_at(message, 8, false) == EXTENDED_GRACE {
            let mut demand = u32_at(message, 80, false);
            if !self.defects.have(Defect::Grace) {
                demand = demand.max(1);
            }
            self.note += &format!(", counted {} times over", COUNT / demand);
        }
        let body = response_body(message);
        Some([&body[..], &mac::v4(&body)].concat())
    }

    fn answer_v5_or_v6(&mut self, message: &[u8], version: Version) -> Option<Vec<u8>> {
        if message.len() != 4 + 16 + BODY + 4 {
            return None;
        }
        let mut plain = [0; 16 + BODY + 4];
        match version {
            Version::V5 => V5.cbc_decrypt_to(&[0; 16], &message[4..], &mut plain),
            _ => V6.cbc_decrypt_to(&[0; 16], &message[4..], &mut plain),
        }
        let k: Block = array_at(&plain, 0);
        let request = unpadded(&plain[16..], self.defects.have(Defect::Padding))?;
        if request.len() < BODY {
            return None;
        }
        let mut asked = [0; BODY];
        asked[..request.len()].copy_from_slice(request);
        if asked[..4] != message[..4] {
            return None;
        }
        self.answers = self.answers.wrapping_add(1);
        let random = salt::hash(&[self.answers; 16]);
        let (s, r): (Block, Block) = (array_at(&random, 0), array_at(&random, 16));
        let mut answer = response_body(&asked);
        answer.extend(rijndael::xor(&s, &k));
        answer.extend(salt::hash(&s));
        if version == Version::V5 {
            pad(&mut answer);
            V5.cbc_encrypt(&array_at(message, 4), &mut answer);
            return Some([&message[..20], &answer].concat());
        }
        answer.extend(HostIdentity::TEST.hwid());
        answer.extend(k);
        let mut answer = [&r[..], &answer].concat();
        let client_time = FileTime(u64_at(&asked, 84, false));
        answer.extend(self.keys.v6(client_time, 0, &answer));
        pad(&mut answer);
        V6.cbc_encrypt(&[0; 16], &mut answer);
        Some([&message[..4], &answer].concat())
    }
}

/// The contexts of a bind or an alter_context.
fn proposed(pdu: &[u8], is_big: bool) -> Option<Vec<Proposed>> {
    let mut contexts = Vec::new();
    let mut at = 28;
    for _ in 0..*pdu.get(24)? {
        let element = pdu.get(at..at + 24)?;
        let (id, syntaxes) = (u16_at(element, 0, is_big), usize::from(element[2]));
        let is_ours = SyntaxId::KMS.uuid == uuid(element, 4, is_big) && u32_at(element, 20, is_big) == 1;
        at += 24;
        let offered = pdu.get(at..at + 20 * syntaxes)?;
        at += offered.len();
        let syntaxes = offered.chunks(20).map(|offered| syntax(offered, is_big)).collect();
        contexts.push(Proposed { id, is_ours, syntaxes });
    }
    Some(contexts)
}

fn syntax(offered: &[u8], is_big: bool) -> Syntax {
    let id = SyntaxId { uuid: uuid(offered, 0, is_big), version: u32_at(offered, 16, is_big) };
    match id {
        SyntaxId::NDR32 => Syntax::Ndr32,
        SyntaxId::NDR64 => Syntax::Ndr64,
        _ if offered[..8] == FEATURES => Syntax::Features(u16_at(offered, 8, false)),
        _ => Syntax::Other,
    }
}

fn uuid(bytes: &[u8], at: usize, is_big: bool) -> Guid {
    if is_big { Guid::from_wire_be(array_at(bytes, at)) } else { Guid::from_wire(array_at(bytes, at)) }
}

/// PKCS#7 taken off: all bytes of the padding say how many they are. None of them say nothing wrong.
fn unpadded(plain: &[u8], may_be_empty: bool) -> Option<&[u8]> {
    let count = usize::from(*plain.last()?);
    let begin = plain.len().checked_sub(count)?;
    let is_right = plain[begin..].iter().all(|&byte| usize::from(byte) == count);
    (is_right && (count > 0 || may_be_empty)).then_some(&plain[..begin])
}

fn pad(plain: &mut Vec<u8>) {
    let count = 16 - plain.len() % 16;
    plain.resize(plain.len() + count, u8::try_from(count).expect("it is 16 at most"));
}

/// What all versions answer a body of 236 bytes with.
fn response_body(asked: &[u8]) -> Vec<u8> {
    let epid = HostIdentity::TEST;
    let epid = epid.epid();
    let mut body = asked[..4].to_vec();
    body.extend(u32::try_from(epid.len()).expect("it is short").to_le_bytes());
    body.extend(epid);
    body.extend(&asked[64..80]); // CMID
    body.extend(&asked[84..92]); // ClientTime
    for number in [COUNT, 120, 10_080] {
        body.extend(number.to_le_bytes());
    }
    body
}

fn nak(call_id: u32, reason: u16) -> Vec<u8> {
    let [low, high] = reason.to_le_bytes();
    pdu(BIND_NAK, call_id, &[low, high, 1, 5, 0])
}

fn fault(call_id: u32, context: u16, status: u32) -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend(context.to_le_bytes());
    body.extend([0, 0]);
    body.extend(status.to_le_bytes());
    body.extend([0; 4]);
    pdu(FAULT, call_id, &body)
}

const GROUP: u32 = 0x0d0e_0f0c;
/// What the UUID of bind-time feature negotiation begins with.
const FEATURES: [u8; 8] = [0x2c, 0x1c, 0xb7, 0x6c, 0x12, 0x98, 0x40, 0x45];
