//! What is known of genuine clients and hosts breaks no rule that demands anything (MUST, SHOULD): written from the facts,
//! as nobody here has a recording of them.

use std::net::{IpAddr, Ipv4Addr};

use sha2::{Digest as _, Sha256};
use smallvec::SmallVec;
use volact::capture::{Dialogue, Direction, Endpoint};
use volact::conformance::{Judge, Level, rules};
use volact::kms::{
    EncryptedResponse, HostIdentity, Moment, Ndr, Policy, RequestBody, RequestMessage, RequestStub,
    Responder, ResponseBody, ResponseMessage, V6Trailer, Version,
};
use volact::rpc::{
    Bind, BindAck, Body, Fault, Header, Pdu, PduType, PfcFlags, PresentationContext, Request, Response,
    ResultElement, SyntaxId,
};
use volact::trace::Options;
use volact::wire::{Endianness, FileTime, Guid};

/// 2026-11-22T14:00:00Z.
const START: u64 = 1_795_356_000_000_000_000;
const SECOND: u64 = 1_000_000_000;
const VERSIONS: [Version; 3] = [Version::V4, Version::V5, Version::V6];

/// A host of Windows Server 2019 with the key of this very product.
const EPID: &str = "03612-00206-551-482913-03-1033-17763.0000-2122024";
const HWID: [u8; 8] = [0x1f, 0x93, 0x2a, 0xc4, 0x07, 0xbe, 0x51, 0x68];

struct Product {
    app_id: &'static str,
    act_id: &'static str,
    kms_id: &'static str,
    n_policy: u32,
    count: u32,
}

const SERVER: Product = Product {
    app_id: "55c92734-d682-4d71-983e-d6ec3f16059f",
    act_id: "34e1ae55-27f8-4950-8877-7a03be5fb181",
    kms_id: "8449b1fb-f0ea-497a-99ab-66ca96e9a0f5",
    n_policy: 5,
    count: 10,
};
const CLIENT: Product = Product {
    app_id: "55c92734-d682-4d71-983e-d6ec3f16059f",
    act_id: "32d2fab3-e4a8-42c2-923b-4bf4fd13e6ee",
    kms_id: "11b15659-e603-4cf1-9c1f-f0ec01b81888",
    n_policy: 25,
    count: 50,
};

/// A connection between a client and a host that are as genuine ones are known to be.
struct Conversation {
    dialogue: Dialogue,
    time: u64,
    call_id: u32,
    port: u16,
}

impl Conversation {
    fn new(number: u16) -> Self {
        let side = |last, port| Endpoint { address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)), port };
        let time = START + u64::from(number) * 60 * SECOND;
        let dialogue = Dialogue::new(side(20, 49_700 + number), side(5, 1688), time);
        Self { dialogue, time, call_id: 2, port: 49_700 + number }
    }

    fn send(&mut self, direction: Direction, ptype: PduType, flags: PfcFlags, body: Body<'_>) {
        self.time += 1_500_000;
        let header = Header { flags, ..Header::new(ptype, self.call_id) };
        let pdu = Pdu { header, body, rest: &[], auth: None }.encode_sized().expect("it has a length");
        self.dialogue.send(direction, self.time, &pdu);
    }

    /// The bind of 160 bytes with three contexts, and what a host that takes NDR64 answers.
    fn bind(&mut self) {
        let contexts = [(0, SyntaxId::NDR32), (1, SyntaxId::NDR64), (2, SyntaxId::bind_time_features(3))];
        let bind = Bind {
            max_xmit_frag: 5840,
            max_recv_frag: 5840,
            assoc_group_id: 0,
            n_context_elem: 3,
            reserved: [0; 3],
            contexts: contexts.map(|(id, syntax)| context(id, syntax)).to_vec(),
        };
        let flags = PfcFlags(0x13);
        self.send(Direction::ToServer, PduType::BIND, flags, Body::Bind(bind));
        let ack = BindAck {
            max_xmit_frag: 5840,
            max_recv_frag: 5840,
            assoc_group_id: 0x0001_9c00 + u32::from(self.port),
            secondary_address: b"1688\0",
            padding: &[0x5f],
            n_results: 3,
            reserved: [0; 3],
            results: vec![result(2, 2, NO_SYNTAX), result(0, 0, SyntaxId::NDR64), result(3, 3, NO_SYNTAX)],
        };
        self.send(Direction::ToClient, PduType::BIND_ACK, flags, Body::BindAck(ack));
    }

    /// The client asks for NDR32 after all.
    fn alter_context(&mut self) {
        let alter = Bind {
            max_xmit_frag: 5840,
            max_recv_frag: 5840,
            assoc_group_id: 0x0001_9c00 + u32::from(self.port),
            n_context_elem: 1,
            reserved: [0; 3],
            contexts: vec![context(0, SyntaxId::NDR32)],
        };
        let flags = PfcFlags::FIRST | PfcFlags::LAST;
        self.send(Direction::ToServer, PduType::ALTER_CONTEXT, flags, Body::AlterContext(alter));
        let ack = BindAck {
            max_xmit_frag: 5840,
            max_recv_frag: 5840,
            assoc_group_id: 0x0001_9c00 + u32::from(self.port),
            secondary_address: &[],
            padding: &[0x3c, 0x11],
            n_results: 1,
            reserved: [0; 3],
            results: vec![result(0, 0, SyntaxId::NDR32)],
        };
        self.send(Direction::ToClient, PduType::ALTER_CONTEXT_RESP, flags, Body::AlterContextResp(ack));
        self.call_id += 1;
    }

    fn call(&mut self, ndr: Ndr, product: &Product, version: Version, change: impl FnOnce(&mut RequestBody)) {
        let now = FileTime::from_unix_nanos(i128::from(self.time)).expect("a time of today");
        let mut body = body(product, version, now);
        change(&mut body);
        let data = RequestMessage::new(body, [0x61 + u8::try_from(self.call_id).unwrap(); 16]).encode();
        let mut stub = RequestStub::of(&data, ndr);
        // What aligns the size may hold anything.
        if ndr == Ndr::Ndr64 {
            stub.size_padding = [0xa0, 0x01, 0, 0x77];
        }
        let stub = stub.encode(Endianness::Little);
        let flags = PfcFlags::FIRST | PfcFlags::LAST;
        let context_id = u16::from(ndr == Ndr::Ndr64);
        let alloc_hint = u32::try_from(stub.len()).unwrap();
        let request = Request { alloc_hint, context_id, opnum: 0, object: None, stub: &stub };
        self.send(Direction::ToServer, PduType::REQUEST, flags, Body::Request(request));
        let answer = answer(&stub, ndr, product, now, (u64::from(self.port) << 32) + u64::from(self.call_id));
        let alloc_hint = u32::try_from(answer.len()).unwrap();
        let response = Response { alloc_hint, context_id, cancel_count: 0, reserved: 0, stub: &answer };
        self.send(Direction::ToClient, PduType::RESPONSE, flags, Body::Response(response));
        self.call_id += 1;
    }

    fn call_without_context(&mut self) {
        let data = RequestMessage::new(body(&SERVER, Version::V6, FileTime(0)), [1; 16]).encode();
        let stub = RequestStub::of(&data, Ndr::Ndr32).encode(Endianness::Little);
        let alloc_hint = u32::try_from(stub.len()).unwrap();
        let flags = PfcFlags::FIRST | PfcFlags::LAST;
        let request = Request { alloc_hint, context_id: 9, opnum: 0, object: None, stub: &stub };
        self.send(Direction::ToServer, PduType::REQUEST, flags, Body::Request(request));
        let fault = Fault {
            alloc_hint: 32,
            context_id: 0,
            cancel_count: 0,
            reserved: 0,
            status: 0x1c01_0003,
            reserved2: 0,
            stub: &[],
        };
        let flags = flags | PfcFlags::DID_NOT_EXECUTE;
        self.send(Direction::ToClient, PduType::FAULT, flags, Body::Fault(fault));
        self.call_id += 1;
    }

    fn finish(mut self) -> Dialogue {
        // A host leaves the connection open, and the client ends it.
        self.dialogue.close(Direction::ToServer, self.time + 2 * SECOND);
        self.dialogue.close(Direction::ToClient, self.time + 2 * SECOND + 1_000_000);
        self.dialogue
    }
}

const NO_SYNTAX: SyntaxId = SyntaxId { uuid: Guid::NIL, version: 0 };

fn context(id: u16, syntax: SyntaxId) -> PresentationContext {
    let transfer_syntaxes = vec![syntax];
    PresentationContext { id, reserved: 0, abstract_syntax: SyntaxId::KMS, transfer_syntaxes }
}

fn result(result: u16, reason: u16, transfer_syntax: SyntaxId) -> ResultElement {
    ResultElement { result, reason, transfer_syntax }
}

fn guid(text: &str) -> Guid {
    Guid::parse(text).expect("a GUID")
}

fn body(product: &Product, version: Version, now: FileTime) -> RequestBody {
    let mut machine_name = RequestBody::machine_name_of("WS-0421.corp.example").expect("it is short enough");
    // A genuine client leaves stale text behind the NUL.
    machine_name[60..64].copy_from_slice(&[0x41, 0xd8, 0x20, 0]);
    RequestBody {
        version,
        vm_info: 1,
        license_status: 2,
        binding_expiration: 43_199,
        app_id: guid(product.app_id),
        act_id: guid(product.act_id),
        kms_id: guid(product.kms_id),
        cmid: guid("8f2b7a8d-3c1e-4c57-9d34-5b8e1f0a6c21"),
        n_policy: product.n_policy,
        client_time: now,
        cmid_prev: Guid::NIL,
        machine_name,
    }
}

fn answer(stub: &[u8], ndr: Ndr, product: &Product, now: FileTime, number: u64) -> Vec<u8> {
    let epid: SmallVec<[u8; 128]> = EPID.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    let answered = ResponseBody {
        version: Version::V6,
        epid,
        cmid: Guid::NIL,
        client_time: now,
        count: product.count,
        activation_interval: 120,
        renewal_interval: 10_080,
    };
    // Who a host is, is taken from what it has answered: here from an answer that is nothing else.
    let recorded = ResponseMessage::Encrypted(EncryptedResponse {
        version: Version::V6,
        iv: [0; 16],
        body: answered,
        xored_salt: [0; 16],
        hash: [0; 32],
        v6: Some(V6Trailer { hwid: HWID, xored_ivs: [0; 16], hmac: [0; 16] }),
        padding: SmallVec::new(),
        excess: SmallVec::new(),
    });
    let identity = HostIdentity::recorded(&recorded).expect("it has an ePID");
    let policy = Policy {
        count: product.count,
        products: Some([SERVER, CLIENT].iter().map(|product| guid(product.kms_id)).collect()),
        ..Policy::default()
    };
    let mut host = Responder::new(identity, policy);
    let mut random = [0; 32];
    for (byte, mixed) in random.iter_mut().zip(Sha256::digest(number.to_le_bytes())) {
        *byte = mixed;
    }
    let mut out = Vec::new();
    host.respond(stub, ndr, Endianness::Little, &Moment { now, random }, &mut out);
    out
}

#[test]
fn what_genuine_clients_and_hosts_do_is_never_called_wrong() {
    let mut dialogues = Vec::new();
    for version in VERSIONS {
        for product in [&CLIENT, &SERVER] {
            let number = || u16::try_from(dialogues.len()).unwrap();
            let mut conversation = Conversation::new(number());
            conversation.bind();
            for _ in 0..2 {
                conversation.call(Ndr::Ndr64, product, version, |_| ());
            }
            dialogues.push(conversation.finish());
            let number = || u16::try_from(dialogues.len()).unwrap();
            let mut conversation = Conversation::new(number());
            conversation.bind();
            conversation.alter_context();
            conversation.call(Ndr::Ndr32, product, version, |_| ());
            conversation.call(Ndr::Ndr64, product, version, |_| ());
            dialogues.push(conversation.finish());
        }
    }
    assert_none(&dialogues);
}

#[test]
fn a_host_that_refuses_as_genuine_ones_do_is_never_called_wrong() {
    let mut dialogues = Vec::new();
    for version in VERSIONS {
        let mut conversation = Conversation::new(u16::try_from(dialogues.len()).unwrap());
        conversation.bind();
        // A product whose key the host does not have: one of Office.
        conversation.call(Ndr::Ndr64, &SERVER, version, |body| {
            body.app_id = guid("0ff1ce15-a989-479d-af46-f275c6370663");
            body.act_id = guid("85dd8b5f-eaa4-4af3-a628-cce9e77c9a03");
            body.kms_id = guid("617d9eb1-ef36-4f82-86e0-a65ae07b96c6");
        });
        conversation.call_without_context();
        conversation.call(Ndr::Ndr64, &SERVER, version, |_| ());
        dialogues.push(conversation.finish());
    }
    let client_is_wrong = |id: &str| id.contains("CONTEXT") || id.contains("CLOCK") || id.contains("TIME");
    let found = broken(&dialogues);
    let host: Vec<_> =
        found.iter().filter(|(side, id, _)| *side == "server" || !client_is_wrong(id)).collect();
    assert!(host.is_empty(), "{host:#?}");
}

fn assert_none(dialogues: &[Dialogue]) {
    let found = broken(dialogues);
    assert!(found.is_empty(), "{found:#?}");
}

/// The rules that demand something and are broken: whose doing, which, and how.
fn broken(dialogues: &[Dialogue]) -> Vec<(&'static str, &'static str, String)> {
    let judge = Judge::new(rules(), 3);
    let findings = judge.packets(&mut Dialogue::packets(dialogues), &Options::default());
    let mut found = Vec::new();
    for finding in findings.rules {
        let demands = matches!(finding.rule.level, Level::Must | Level::Should);
        for broken in finding.breaches.iter().filter(|_| demands) {
            let side = match broken.side {
                volact::wire::Side::Client => "client",
                volact::wire::Side::Server => "server",
            };
            found.push((side, finding.rule.id, broken.breach.message.clone()));
        }
    }
    found
}
