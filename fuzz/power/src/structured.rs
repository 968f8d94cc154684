use std::sync::LazyLock;

use arbitrary::Arbitrary;
use volact::rpc::SyntaxId;

use crate::flawed::{Piece, Seed, seeds};

/// A conversation as somebody describes it who knows DCE/RPC and the layout of the messages, and has right messages to begin
/// with: lengths and counts are right unless a field says otherwise. Nothing is computed that takes a key: a MAC, a hash
/// and what is encrypted are bytes like others.
#[derive(Arbitrary, Debug)]
pub struct Conversation(Vec<Said>);

#[derive(Arbitrary, Debug)]
enum Said {
    /// What stands at a place of a right conversation.
    Right(Which, Place),
    Pdu {
        is_answer: bool,
        pdu: Pdu,
    },
    Bytes {
        is_answer: bool,
        bytes: Vec<u8>,
    },
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Which {
    V4,
    V5,
    V6,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Place {
    Bind,
    BindAck,
    Request,
    Response,
}

#[derive(Arbitrary, Debug)]
struct Pdu {
    is_big: bool,
    flags: Option<u8>,
    frag_length: Option<u16>,
    auth_length: Option<u16>,
    call_id: Option<u32>,
    body: Body,
}

#[derive(Arbitrary, Debug)]
enum Body {
    Bind(Vec<Context>),
    AlterContext(Vec<Context>),
    BindAck(Vec<(u16, Syntax)>),
    Request { alloc_hint: Option<u32>, context: u8, opnum: Option<u16>, stub: Stub, cut: Option<u8> },
    Response { context: u8, hresult: Option<u32>, stub: Stub },
    Fault(u32),
    Other(u8, Vec<u8>),
}

#[derive(Arbitrary, Debug)]
struct Context {
    id: u8,
    interface: Option<[u8; 16]>,
    syntaxes: Vec<Syntax>,
}

#[derive(Arbitrary, Debug)]
enum Syntax {
    Ndr32,
    Ndr64,
    Features(u16),
    Other([u8; 16]),
}

#[derive(Arbitrary, Debug)]
struct Stub {
    is_ndr64: bool,
    size: Option<u32>,
    max_count: Option<u64>,
    message: Message,
}

#[derive(Arbitrary, Debug)]
enum Message {
    Right(Which),
    /// A right one with other bytes at an offset.
    Changed(Which, u16, Vec<u8>),
    /// Version 4, whose fields are in plain text.
    V4Request {
        fields: RequestFields,
        mac: [u8; 16],
    },
    V4Response {
        epid: Vec<u8>,
        pid_size: Option<u32>,
        fields: ResponseFields,
        mac: [u8; 16],
    },
    Bytes {
        version: u8,
        bytes: Vec<u8>,
    },
}

#[derive(Arbitrary, Debug)]
struct RequestFields {
    version: Option<u32>,
    vm_info: u32,
    license_status: u8,
    binding_expiration: u32,
    ids: [[u8; 16]; 4],
    n_policy: u32,
    client_time: u64,
    cmid_prev: [u8; 16],
    machine_name: Vec<u16>,
}

#[derive(Arbitrary, Debug)]
struct ResponseFields {
    cmid: [u8; 16],
    client_time: u64,
    numbers: [u32; 3],
}

static SEEDS: LazyLock<[Seed; 3]> = LazyLock::new(seeds);

impl Conversation {
    /// As it is played.
    pub fn encode(&self) -> Vec<u8> {
        let mut pieces = Vec::new();
        for said in &self.0 {
            match said {
                Said::Right(which, place) => pieces.push(which.seed().pieces[*place as usize].clone()),
                Said::Bytes { is_answer, bytes } => {
                    pieces.push(Piece { is_answer: *is_answer, bytes: bytes.clone() });
                }
                Said::Pdu { is_answer, pdu } => {
                    let pdus = pdu.encode().into_iter();
                    pieces.extend(pdus.map(|bytes| Piece { is_answer: *is_answer, bytes }));
                }
            }
        }
        Piece::write_all(&pieces)
    }
}

impl Which {
    fn seed(self) -> &'static Seed {
        &SEEDS[self as usize]
    }
}

/// Bytes that grow, in one order.
struct Out {
    is_big: bool,
    bytes: Vec<u8>,
}

impl Out {
    fn u16(&mut self, value: u16) {
        self.bytes.extend(if self.is_big { value.to_be_bytes() } else { value.to_le_bytes() });
    }

    fn u32(&mut self, value: u32) {
        self.bytes.extend(if self.is_big { value.to_be_bytes() } else { value.to_le_bytes() });
    }

    fn u64(&mut self, value: u64) {
        self.bytes.extend(if self.is_big { value.to_be_bytes() } else { value.to_le_bytes() });
    }

    fn syntax(&mut self, uuid: volact::wire::Guid, version: u32) {
        self.bytes.extend(if self.is_big { uuid.to_wire_be() } else { uuid.to_wire() });
        self.u32(version);
    }
}

impl Pdu {
    fn encode(&self) -> Vec<Vec<u8>> {
        let mut out = Out { is_big: self.is_big, bytes: Vec::new() };
        let (ptype, cut) = match &self.body {
            Body::Bind(contexts) => (11, put_contexts(contexts, &mut out)),
            Body::AlterContext(contexts) => (14, put_contexts(contexts, &mut out)),
            Body::BindAck(results) => (12, put_results(results, &mut out)),
            Body::Request { alloc_hint, context, opnum, stub, cut } => {
                let bytes = stub.encode(self.is_big, None);
                out.u32(alloc_hint.unwrap_or(length(&bytes)));
                out.u16(u16::from(*context));
                out.u16(opnum.unwrap_or(0));
                out.bytes.extend(&bytes);
                (0, cut.map(|cut| usize::from(cut) % bytes.len().max(1)))
            }
            Body::Response { context, hresult, stub } => {
                let bytes = stub.encode(self.is_big, Some(hresult.unwrap_or(0)));
                out.u32(length(&bytes));
                out.u16(u16::from(*context));
                out.bytes.extend([0, 0]);
                out.bytes.extend(&bytes);
                (2, None)
            }
            Body::Fault(status) => {
                out.u64(0);
                out.u32(*status);
                out.u32(0);
                (3, None)
            }
            Body::Other(ptype, bytes) => {
                out.bytes.extend(bytes);
                (*ptype, None)
            }
        };
        let Some(cut) = cut else { return vec![self.framed(ptype, 3, &out.bytes)] };
        // Both fragments have the fields in front of the stub.
        let (fields, stub) = out.bytes.split_at(8);
        let (first, last) = stub.split_at(cut);
        vec![
            self.framed(ptype, 1, &[fields, first].concat()),
            self.framed(ptype, 2, &[fields, last].concat()),
        ]
    }

    fn framed(&self, ptype: u8, flags: u8, body: &[u8]) -> Vec<u8> {
        let drep = if self.is_big { 0 } else { 0x10 };
        let bytes = vec![5, 0, ptype, self.flags.unwrap_or(flags), drep, 0, 0, 0];
        let mut out = Out { is_big: self.is_big, bytes };
        let length = u16::try_from(16 + body.len()).unwrap_or(u16::MAX);
        out.u16(self.frag_length.unwrap_or(length));
        out.u16(self.auth_length.unwrap_or(0));
        out.u32(self.call_id.unwrap_or(2));
        out.bytes.extend(body);
        out.bytes
    }
}

fn put_contexts(contexts: &[Context], out: &mut Out) -> Option<usize> {
    out.u16(5840);
    out.u16(5840);
    out.u32(0);
    out.bytes.extend([byte(contexts.len()), 0, 0, 0]);
    for context in contexts {
        out.u16(context.id.into());
        out.bytes.extend([byte(context.syntaxes.len()), 0]);
        let interface = context.interface.map_or(SyntaxId::KMS.uuid, volact::wire::Guid::from_wire);
        out.syntax(interface, 1);
        for syntax in &context.syntaxes {
            syntax.put(out);
        }
    }
    None
}

fn put_results(results: &[(u16, Syntax)], out: &mut Out) -> Option<usize> {
    out.u16(5840);
    out.u16(5840);
    out.u32(1);
    out.u32(0); // no secondary address, and padding
    out.bytes.extend([byte(results.len()), 0, 0, 0]);
    for (result, syntax) in results {
        out.u16(*result);
        out.u16(0);
        syntax.put(out);
    }
    None
}

impl Syntax {
    fn put(&self, out: &mut Out) {
        let id = match self {
            Self::Ndr32 => SyntaxId::NDR32,
            Self::Ndr64 => SyntaxId::NDR64,
            Self::Features(bits) => SyntaxId::bind_time_features(*bits),
            Self::Other(uuid) => SyntaxId { uuid: volact::wire::Guid::from_wire(*uuid), version: 1 },
        };
        out.syntax(id.uuid, id.version);
    }
}

impl Stub {
    /// With an HRESULT behind it, where it is a response's.
    fn encode(&self, is_big: bool, hresult: Option<u32>) -> Vec<u8> {
        let message = self.message.encode(hresult.is_some());
        let mut out = Out { is_big, bytes: Vec::new() };
        let size = self.size.unwrap_or(length(&message));
        let count = self.max_count.unwrap_or(size.into());
        let wide = |out: &mut Out, value: u64| match self.is_ndr64 {
            true => out.u64(value),
            false => out.u32(u32::try_from(value).unwrap_or(u32::MAX)),
        };
        wide(&mut out, size.into());
        if hresult.is_some() {
            wide(&mut out, 0x0002_0000);
        }
        wide(&mut out, count);
        out.bytes.extend(&message);
        if let Some(hresult) = hresult {
            out.bytes.resize(out.bytes.len().next_multiple_of(4), 0);
            out.u32(hresult);
        }
        out.bytes
    }
}

impl Message {
    fn encode(&self, is_answer: bool) -> Vec<u8> {
        let mut out = Out { is_big: false, bytes: Vec::new() };
        match self {
            Self::Right(which) => return which.message(is_answer),
            Self::Changed(which, at, bytes) => {
                let mut message = which.message(is_answer);
                let at = usize::from(*at) % message.len();
                let end = message.len().min(at + bytes.len());
                message[at..end].copy_from_slice(&bytes[..end - at]);
                return message;
            }
            Self::V4Request { fields, mac } => {
                out.u32(fields.version.unwrap_or(4 << 16));
                out.u32(fields.vm_info);
                out.u32(fields.license_status.into());
                out.u32(fields.binding_expiration);
                out.bytes.extend(fields.ids.as_flattened());
                out.u32(fields.n_policy);
                out.u64(fields.client_time);
                out.bytes.extend(fields.cmid_prev);
                for unit in fields.machine_name.iter().take(64) {
                    out.u16(*unit);
                }
                out.bytes.resize(236, 0);
                out.bytes.extend(mac);
            }
            Self::V4Response { epid, pid_size, fields, mac } => {
                out.u32(4 << 16);
                out.u32(pid_size.unwrap_or(length(epid)));
                out.bytes.extend(epid);
                out.bytes.extend(fields.cmid);
                out.u64(fields.client_time);
                for number in fields.numbers {
                    out.u32(number);
                }
                out.bytes.extend(mac);
            }
            Self::Bytes { version, bytes } => {
                out.u32(u32::from(*version) << 16);
                out.bytes.extend(bytes);
            }
        }
        out.bytes
    }
}

impl Which {
    fn message(self, is_answer: bool) -> Vec<u8> {
        let seed = self.seed();
        if is_answer { seed.response.clone() } else { seed.request.clone() }
    }
}

fn byte(count: usize) -> u8 {
    u8::try_from(count).unwrap_or(u8::MAX)
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}
