use volact::catalog::product;
use volact::kms::rijndael::{self, Block, V5, V6};
use volact::kms::{HostIdentity, Version, hmac, mac, salt};
use volact::rpc::{SyntaxId, TransferSyntax};
use volact::wire::{FileTime, Guid};

use super::bytes::{
    ALTER_CONTEXT, ALTER_CONTEXT_RESP, BIND, BIND_ACK, BIND_NAK, CO_CANCEL, CONC_MPX, DID_NOT_EXECUTE, FAULT,
    FIRST, HEADER, LAST, OBJECT_UUID, ORPHANED, REQUEST, RESPONSE, array_at, low, pdu, size, u16_at, u32_at,
    u64_at,
};
use super::{Defect, Defects};

/// The host's side of a connection: what is received goes in, what it sends comes out.
pub struct Host {
    defects: Defects,
    now: FileTime,
    port: u16,
    received: Vec<u8>,
    fragment: u16,
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
}

/// A context that a client proposes.
struct Proposed {
    id: u16,
    is_ours: bool,
    syntaxes: Vec<SyntaxId>,
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
/// In 100 ns.
const FOUR_HOURS: u64 = 4 * 3600 * 10_000_000;
const INVALID_DATA: u32 = 0x8007_000d;
const NO_KEY: u32 = 0xc004_f042;
const CLOCK_SKEW: u32 = 0xc004_f06c;
const OP_RNG_ERROR: u32 = 0x1c01_0002;
const UNK_IF: u32 = 0x1c01_0003;
const PROTO_ERROR: u32 = 0x1c01_000b;
const FAULT_NDR: u32 = 0x0000_06f7;

impl Host {
    /// A host that has these defects, at this time and port, on a connection that was just opened.
    pub fn new(defects: Defects, now: FileTime, port: u16) -> Self {
        Self {
            defects,
            now,
            port,
            received: Vec::new(),
            fragment: MAX_FRAGMENT,
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
        while !self.is_closed && !self.received.is_empty() {
            let head = &self.received;
            if head[0] != 5 {
                if head.len() >= HEADER && head[2] == BIND {
                    out.extend(nak(1, 4));
                }
                self.is_closed = true;
                break;
            }
            if head.len() < HEADER {
                break;
            }
            let is_big = head[4] >> 4 == 0;
            let header = Header { flags: head[3], is_big, call_id: u32_at(head, 12, is_big) };
            let length = usize::from(u16_at(head, 8, is_big));
            if length < HEADER {
                self.is_closed = true;
                break;
            }
            if length > self.fragment.into() {
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
        let auth_length = usize::from(u16_at(pdu, 10, header.is_big));
        if pdu[2] != REQUEST && auth_length > 0 && pdu.len() < HEADER + 8 + auth_length {
            return self.refuse(header, PROTO_ERROR, out);
        }
        match pdu[2] {
            BIND => self.bind(pdu, header, out),
            ALTER_CONTEXT if self.is_bound => match proposed(pdu, header.is_big) {
                Some(proposed) => self.acknowledge(ALTER_CONTEXT_RESP, header, &proposed, out),
                None => self.refuse(header, PROTO_ERROR, out),
            },
            REQUEST => self.request(pdu, header, out),
            CO_CANCEL => {}
            ORPHANED => self.call = self.call.take().filter(|call| call.call_id != header.call_id),
            _ => self.refuse(header, PROTO_ERROR, out),
        }
    }

    /// A fault, and the end of the connection.
    fn refuse(&mut self, header: Header, status: u32, out: &mut Vec<u8>) {
        out.extend(fault(header.call_id, 0, status));
        self.is_closed = true;
    }

    fn bind(&mut self, pdu: &[u8], header: Header, out: &mut Vec<u8>) {
        let Some(proposed) = proposed(pdu, header.is_big) else {
            return self.refuse(header, PROTO_ERROR, out);
        };
        let has_auth = u16_at(pdu, 10, header.is_big) != 0;
        let group = u32_at(pdu, 20, header.is_big);
        if self.is_bound || has_auth || proposed.is_empty() || ![0, GROUP].contains(&group) {
            out.extend(nak(header.call_id, if has_auth && !self.is_bound { 8 } else { 0 }));
            self.is_closed = true;
            return;
        }
        self.is_bound = true;
        let offer = u16_at(pdu, 16, header.is_big).min(u16_at(pdu, 18, header.is_big));
        self.fragment = (offer & !7).clamp(MIN_FRAGMENT, MAX_FRAGMENT);
        self.acknowledge(BIND_ACK, header, &proposed, out);
    }

    fn acknowledge(&mut self, ptype: u8, header: Header, proposed: &[Proposed], out: &mut Vec<u8>) {
        let mut body = Vec::new();
        body.extend([self.fragment.to_le_bytes(); 2].as_flattened());
        body.extend(GROUP.to_le_bytes());
        // The secondary address: the port, and nothing in an alter_context_resp.
        let address = if ptype == BIND_ACK { format!("{}\0", self.port) } else { String::new() };
        body.extend(u16::try_from(address.len()).expect("it is short").to_le_bytes());
        body.extend(address.as_bytes());
        body.resize(body.len().next_multiple_of(4), 0);
        body.extend([u8::try_from(proposed.len()).expect("it was counted in a byte"), 0, 0, 0]);
        let has_ndr64 = proposed
            .iter()
            .flat_map(|context| &context.syntaxes)
            .any(|syntax| syntax.uuid == SyntaxId::NDR64.uuid && syntax.minor() == 0);
        let preferred = if has_ndr64 { Syntax::Ndr64 } else { Syntax::Ndr32 };
        for context in proposed {
            let (result, reason, syntax) = self.judge(context, preferred);
            body.extend(u16::to_le_bytes(result));
            body.extend(u16::to_le_bytes(reason));
            body.extend(syntax.uuid.to_wire());
            body.extend(syntax.version.to_le_bytes());
        }
        out.extend(pdu(ptype, header.flags & CONC_MPX, header.call_id, &body));
    }

    /// Result, reason and transfer syntax.
    fn judge(&mut self, proposed: &Proposed, preferred: Syntax) -> (u16, u16, SyntaxId) {
        let none = SyntaxId::default();
        let known = self.contexts.iter().position(|context| context.id == proposed.id);
        if let Some(at) = known {
            self.contexts[at].syntax = None;
        }
        let judged = judged(proposed, preferred);
        if judged.0 == 0 {
            match known {
                Some(at) => self.contexts[at].syntax = Some(preferred),
                None if self.contexts.len() == MAX_CONTEXTS => return (2, 3, none),
                None => self.contexts.push(Context { id: proposed.id, syntax: Some(preferred) }),
            }
        }
        if !self.defects.have(Defect::ContextReuse) {
            self.contexts.retain(|context| context.syntax.is_some());
        }
        judged
    }

    fn request(&mut self, pdu: &[u8], header: Header, out: &mut Vec<u8>) {
        let begin = if header.flags & OBJECT_UUID == 0 { 24 } else { 40 };
        let is_served = self.is_bound || self.defects.have(Defect::BeforeBind);
        if !is_served || pdu.len() < begin {
            return self.refuse(header, PROTO_ERROR, out);
        }
        let auth_length = usize::from(u16_at(pdu, 10, header.is_big));
        if auth_length > 0 {
            // Nobody has authenticated. What they have tried it with is noted.
            let trailer = pdu.len().wrapping_sub(8 + auth_length);
            if self.defects.have(Defect::AuthLength) || trailer <= pdu.len() {
                self.note = format!("authentication of type {}", pdu[trailer]);
            }
            return self.refuse(header, PROTO_ERROR, out);
        }
        let stub = &pdu[begin..];
        let hint = size(u32_at(pdu, 16, header.is_big).into()).min(MAX_STUB);
        let is_last = header.flags & LAST != 0;
        if header.flags & FIRST != 0 {
            if self.call.is_some() {
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
        let answered = match message.get(..4).map(|version| u32_at(version, 0, false)) {
            Some(0x4_0000) => self.answer_v4(message),
            Some(0x5_0000) => self.answer_v5_or_v6(message, Version::V5),
            Some(0x6_0000) => self.answer_v5_or_v6(message, Version::V6),
            _ => Err(INVALID_DATA),
        };
        let mut stub = Vec::new();
        let put = |stub: &mut Vec<u8>, value: usize| match syntax {
            Syntax::Ndr64 => stub.extend((value as u64).to_le_bytes()),
            _ => stub.extend(u32::try_from(value).expect("no answer is that long").to_le_bytes()),
        };
        match answered {
            Ok(answer) => {
                for value in [answer.len(), 0x0002_0000, answer.len()] {
                    put(&mut stub, value);
                }
                stub.extend(&answer);
                stub.resize(stub.len().next_multiple_of(4), 0);
                stub.extend([0; 4]);
            }
            Err(hresult) => {
                put(&mut stub, 0);
                put(&mut stub, 0);
                stub.extend(hresult.to_le_bytes());
            }
        }
        let mut body = Vec::new();
        body.extend(u32::try_from(stub.len()).expect("no answer is that long").to_le_bytes());
        body.extend(call.context.to_le_bytes());
        body.extend([0, 0]);
        body.extend(stub);
        pdu(RESPONSE, 0, call.call_id, &body)
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

    fn answer_v4(&mut self, message: &[u8]) -> Result<Vec<u8>, u32> {
        if message.len() != BODY + 16 || mac::v4(&message[..BODY]) != array_at(message, BODY) {
            return Err(INVALID_DATA);
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
        let body = self.response_body(message)?;
        Ok([&body[..], &mac::v4(&body)].concat())
    }

    fn answer_v5_or_v6(&mut self, message: &[u8], version: Version) -> Result<Vec<u8>, u32> {
        if message.len() != 4 + 16 + BODY + 4 {
            return Err(INVALID_DATA);
        }
        let mut plain = [0; 16 + BODY + 4];
        match version {
            Version::V5 => V5.cbc_decrypt_to(&[0; 16], &message[4..], &mut plain),
            _ => V6.cbc_decrypt_to(&[0; 16], &message[4..], &mut plain),
        }
        let k: Block = array_at(&plain, 0);
        let request = unpadded(&plain[16..]).ok_or(INVALID_DATA)?;
        if request.len() < BODY || (request.len() > BODY && !self.defects.have(Defect::Padding)) {
            return Err(INVALID_DATA);
        }
        let mut asked = [0; BODY];
        asked[..request.len()].copy_from_slice(request);
        if asked[..4] != message[..4] {
            return Err(INVALID_DATA);
        }
        let mut answer = self.response_body(&asked)?;
        self.answers = self.answers.wrapping_add(1);
        let random = salt::hash(&[self.answers; 16]);
        let (s, r): (Block, Block) = (array_at(&random, 0), array_at(&random, 16));
        answer.extend(rijndael::xor(&s, &k));
        answer.extend(salt::hash(&s));
        if version == Version::V5 {
            pad(&mut answer);
            V5.cbc_encrypt(&array_at(message, 4), &mut answer);
            return Ok([&message[..20], &answer].concat());
        }
        answer.extend(HostIdentity::TEST.hwid());
        answer.extend(k);
        let mut answer = [&r[..], &answer].concat();
        let client_time = FileTime(u64_at(&asked, 84, false));
        answer.extend(self.keys.v6(client_time, 0, &answer));
        pad(&mut answer);
        V6.cbc_encrypt(&[0; 16], &mut answer);
        Ok([&message[..4], &answer].concat())
    }

    /// What all versions answer a body of 236 bytes with.
    fn response_body(&self, asked: &[u8]) -> Result<Vec<u8>, u32> {
        if !product::kms_ids().any(|product| product.guid.to_wire() == asked[48..64]) {
            return Err(NO_KEY);
        }
        if u64_at(asked, 84, false).abs_diff(self.now.0) > FOUR_HOURS {
            return Err(CLOCK_SKEW);
        }
        let identity = HostIdentity::TEST;
        let epid = identity.epid();
        let mut body = asked[..4].to_vec();
        body.extend(u32::try_from(epid.len()).expect("it is short").to_le_bytes());
        body.extend(epid);
        body.extend(&asked[64..80]); // CMID
        body.extend(&asked[84..92]); // ClientTime
        for number in [COUNT, 120, 10_080] {
            body.extend(number.to_le_bytes());
        }
        Ok(body)
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
        let syntax =
            |offered| SyntaxId { uuid: uuid(offered, 0, is_big), version: u32_at(offered, 16, is_big) };
        let syntaxes = offered.chunks(20).map(syntax).collect();
        contexts.push(Proposed { id, is_ours, syntaxes });
    }
    Some(contexts)
}

/// Result, reason and transfer syntax for a context by itself.
fn judged(proposed: &Proposed, preferred: Syntax) -> (u16, u16, SyntaxId) {
    let none = SyntaxId::default();
    let features = proposed.syntaxes.iter().find_map(|syntax| match syntax.transfer() {
        TransferSyntax::BindTimeFeatures(bits) => Some(bits & 3),
        _ => None,
    });
    if let Some(bits) = features {
        return (3, bits, none);
    }
    if !proposed.is_ours {
        return (2, 1, none);
    }
    let wanted = if preferred == Syntax::Ndr64 { SyntaxId::NDR64.uuid } else { SyntaxId::NDR32.uuid };
    match proposed.syntaxes.iter().find(|syntax| syntax.uuid == wanted) {
        Some(syntax) => (0, 0, *syntax),
        None => (2, 2, none),
    }
}

fn uuid(bytes: &[u8], at: usize, is_big: bool) -> Guid {
    if is_big { Guid::from_wire_be(array_at(bytes, at)) } else { Guid::from_wire(array_at(bytes, at)) }
}

/// PKCS#7 taken off: all bytes of the padding say how many they are. Nobody asks whether there are any.
fn unpadded(plain: &[u8]) -> Option<&[u8]> {
    let count = usize::from(*plain.last()?);
    let begin = plain.len().checked_sub(count)?;
    plain[begin..].iter().all(|&byte| usize::from(byte) == count).then_some(&plain[..begin])
}

fn pad(plain: &mut Vec<u8>) {
    let count = 16 - plain.len() % 16;
    plain.resize(plain.len() + count, u8::try_from(count).expect("it is 16 at most"));
}

fn nak(call_id: u32, reason: u16) -> Vec<u8> {
    let [low, high] = reason.to_le_bytes();
    pdu(BIND_NAK, 0, call_id, &[low, high, 2, 5, 0, 5, 1])
}

fn fault(call_id: u32, context: u16, status: u32) -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend(context.to_le_bytes());
    body.extend([0, 0]);
    body.extend(status.to_le_bytes());
    body.extend([0; 4]);
    pdu(FAULT, DID_NOT_EXECUTE, call_id, &body)
}

const GROUP: u32 = 0x0d0e_0f0c;
const MIN_FRAGMENT: u16 = 2048;
const MAX_FRAGMENT: u16 = 5840;
