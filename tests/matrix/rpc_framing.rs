//! Examples of the rules in src/conformance/rules/rpc_framing.rs.

use volact::capture::Direction::{ToClient, ToServer};
use volact::rpc::{
    AuthTrailer, BindAck, Body, DataRepresentation, Pdu, PduType, PfcFlags, PresentationContext,
    ResultElement, SyntaxId,
};

use crate::Example;
use crate::conversation::{Conversation, pdu};

pub(crate) fn examples() -> Vec<Example> {
    let base = Conversation::base;
    let example = |rule, passes: Conversation, fails: Conversation| Example {
        rule,
        passes: passes.file(),
        fails: fails.file(),
    };
    let header = |rule, change: fn(&mut Pdu<'_>)| example(rule, base(), base().with(2, change));
    let sealed =
        |rule, at, change: fn(&mut Pdu<'_>)| example(rule, authenticated(), authenticated().with(at, change));
    let empty = |ptype, body| pdu(ptype, 5, body);
    vec![
        header("RPC-VERSION", |alter| alter.header.version_minor = 2),
        example("RPC-STREAM", base(), base().insert_bytes(10, ToServer, b"no PDU at all".to_vec())),
        example("RPC-PTYPE", base(), base().insert(10, ToServer, empty(PduType(20), Body::Opaque))),
        example(
            "RPC-DIRECTION",
            base().insert(10, ToClient, empty(PduType::SHUTDOWN, Body::Shutdown)),
            base().insert(10, ToServer, empty(PduType::SHUTDOWN, Body::Shutdown)),
        ),
        header("RPC-FLAGS-RESERVED", |alter| alter.header.flags = alter.header.flags | PfcFlags::RESERVED_1),
        header("RPC-FLAGS-WHOLE", |alter| alter.header.flags = PfcFlags::FIRST),
        header("RPC-FLAGS-OBJECT", |alter| alter.header.flags = alter.header.flags | PfcFlags::OBJECT_UUID),
        header("RPC-FLAGS-EXECUTED", |alter| {
            alter.header.flags = alter.header.flags | PfcFlags::DID_NOT_EXECUTE;
        }),
        header("RPC-DREP-FORMAT", |alter| alter.header.drep.0[0] = 0x20),
        header("RPC-DREP-FLOAT", |alter| alter.header.drep.0[1] = 4),
        header("RPC-DREP-RESERVED", |alter| alter.header.drep.0[3] = 1),
        example(
            "RPC-DREP-CONSTANT",
            base().big_endian(),
            Conversation::management()
                .with(2, |request| request.header.drep = DataRepresentation::BIG_ENDIAN),
        ),
        example("RPC-PDU-FIELDS", base(), base().with_bytes(2, |alter| alter[24] = 2)),
        header("RPC-PDU-REST", |alter| alter.rest = &[0; 4]),
        frag_max(),
        example("RPC-AUTH-LENGTH", authenticated(), base().with_bytes(2, |alter| alter[10] = 200)),
        sealed("RPC-AUTH-TYPE", 3, |request| trailer(request).auth_type = 99),
        sealed("RPC-AUTH-LEVEL", 3, |request| trailer(request).level = 7),
        sealed("RPC-AUTH-PADDING", 3, |request| trailer(request).pad_length = 200),
        example(
            "RPC-AUTH-NEGOTIATED",
            authenticated(),
            Conversation::management().with(2, |request| request.auth = Some(AUTH)),
        ),
        sealed("RPC-AUTH3-VALUE", 2, |auth3| auth3.auth = None),
    ]
}

/// A trailer; the token is of no mechanism.
const AUTH: AuthTrailer<'_> = AuthTrailer {
    auth_type: 10,
    level: 5,
    pad_length: 0,
    reserved: 0,
    context_id: 1,
    padding: &[],
    value: b"no NTLM token 16",
};

fn trailer<'p, 'a>(pdu: &'p mut Pdu<'a>) -> &'p mut AuthTrailer<'a> {
    pdu.auth.as_mut().expect("it has a trailer")
}

/// 0 bind, 1 bind_ack, 2 auth3, 3 request, 4 response, all with trailers.
fn authenticated() -> Conversation {
    let seal = |pdu: &mut Pdu<'_>| pdu.auth = Some(AUTH);
    let auth3 = Pdu { auth: Some(AUTH), ..pdu(PduType::AUTH3, 1, Body::Auth3([0; 4])) };
    Conversation::management()
        .insert(2, ToServer, auth3)
        .with(0, seal)
        .with(1, seal)
        .with(3, seal)
        .with(4, seal)
}

/// An alter_context of 48 contexts, to a host that takes 2048 bytes and to one that takes 5840.
fn frag_max() -> Example {
    let long = || {
        Conversation::base()
            .with(2, |alter| {
                let Body::AlterContext(bind) = &mut alter.body else { panic!("it is an alter_context") };
                bind.n_context_elem = 48;
                bind.contexts.extend((100..147).map(|id| PresentationContext {
                    id,
                    reserved: 0,
                    abstract_syntax: SyntaxId::KMS,
                    transfer_syntaxes: vec![SyntaxId::NDR64],
                }));
            })
            .with(3, |answer| {
                let Body::AlterContextResp(BindAck { n_results, results, .. }) = &mut answer.body else {
                    panic!("it is an alter_context_resp")
                };
                *n_results = 48;
                results.resize(48, ResultElement { result: 2, reason: 2, ..ResultElement::default() });
            })
    };
    let short = long().with(1, |answer| {
        let Body::BindAck(ack) = &mut answer.body else { panic!("it is a bind_ack") };
        ack.max_recv_frag = 2048;
    });
    Example { rule: "RPC-FRAG-MAX", passes: long().file(), fails: short.file() }
}
