//! Examples of the rules in src/conformance/rules/rpc_negotiation.rs.

use volact::capture::Direction::ToClient;
use volact::rpc::{
    Bind, BindAck, BindNak, Body, Pdu, PduType, PfcFlags, PresentationContext, ResultElement, SyntaxId,
};
use volact::wire::Guid;

use crate::Example;
use crate::conversation::{Conversation, pdu};

pub(crate) fn examples() -> Vec<Example> {
    let base = Conversation::base;
    let example = |rule, passes: Conversation, fails: Conversation| Example {
        rule,
        passes: passes.file(),
        fails: fails.file(),
    };
    let bind =
        |rule, change: fn(&mut Bind)| example(rule, base(), base().with(0, |pdu| change(bind_of(pdu))));
    let ack = |rule, at, change: fn(&mut BindAck<'_>)| {
        example(rule, base(), base().with(at, |pdu| change(ack_of(pdu))))
    };
    vec![
        example("RPC-BIND-FIRST", base(), base().cut_to(6).without(0).without(0)),
        bound_twice(),
        example(
            "RPC-BIND-ANSWERED",
            Conversation::management().closed_by_server(),
            base().cut_to(1).closed_by_server(),
        ),
        bind("RPC-BIND-FLOOR", |bind| bind.max_xmit_frag = 1024),
        ack("RPC-BIND-EIGHT", 1, |ack| ack.max_recv_frag = 5839),
        ack("RPC-BIND-OFFERED", 1, |ack| ack.max_xmit_frag = 5848),
        example(
            "RPC-BIND-CONTEXTS",
            base(),
            Conversation::management()
                .cut_to(2)
                .with(0, |pdu| {
                    bind_of(pdu).contexts.clear();
                    bind_of(pdu).n_context_elem = 0;
                })
                .without(1)
                .insert(1, ToClient, nak()),
        ),
        bind("RPC-BIND-CONTEXT-IDS", |bind| bind.contexts[2].id = 0),
        example(
            "RPC-BIND-SYNTAXES",
            base(),
            one_more(PresentationContext { id: 3, abstract_syntax: SyntaxId::KMS, ..Default::default() }),
        ),
        example(
            "RPC-BIND-SYNTAX-VERSION",
            base(),
            base()
                .with(0, |pdu| bind_of(pdu).contexts[1].transfer_syntaxes[0].version = 2)
                .with(1, |pdu| ack_of(pdu).results[1].transfer_syntax.version = 2),
        ),
        bind("RPC-BIND-INTERFACE", |bind| bind.contexts[0].abstract_syntax.version = 0x0001_0001),
        bind("RPC-BIND-RESERVED", |bind| bind.contexts[1].reserved = 1),
        bind("RPC-BTFN-ALONE", |bind| bind.contexts[2].transfer_syntaxes.push(SyntaxId::NDR32)),
        example(
            "RPC-BTFN-ONCE",
            base(),
            one_more(PresentationContext {
                id: 3,
                reserved: 0,
                abstract_syntax: SyntaxId::KMS,
                transfer_syntaxes: vec![SyntaxId::bind_time_features(3)],
            }),
        ),
        bind("RPC-BTFN-INTERFACE", |bind| {
            bind.contexts[2].abstract_syntax = SyntaxId { uuid: Guid::from_u128(1), version: 1 };
        }),
        bind("RPC-BTFN-BITS", |bind| {
            bind.contexts[2].transfer_syntaxes[0] = SyntaxId::bind_time_features(7);
        }),
        ack("RPC-BTFN-ACK", 1, |ack| (ack.results[0].result, ack.results[0].reason) = (3, 0)),
        ack("RPC-BTFN-GRANT", 1, |ack| ack.results[2].reason = 7),
        example("RPC-ACK-CALL-ID", base(), base().with(1, |pdu| pdu.header.call_id = 7)),
        example("RPC-ACK-TYPE", base(), answered_as_bind()),
        ack("RPC-BIND-ACK-COUNT", 1, |ack| {
            ack.results.pop();
            ack.n_results = 2;
        }),
        ack("RPC-ACK-RESULT", 1, |ack| ack.results[0].result = 4),
        ack("RPC-ACK-REASON", 1, |ack| ack.results[1].reason = 2),
        ack("RPC-ACK-REJECTION", 1, |ack| ack.results[0].reason = 99),
        ack("RPC-ACK-SYNTAX", 3, |ack| ack.results[0].transfer_syntax.version = 3),
        ack("RPC-ACK-NO-SYNTAX", 1, |ack| ack.results[0].transfer_syntax = SyntaxId::NDR32),
        ack("RPC-ACK-ONE-SYNTAX", 1, |ack| {
            ack.results[0] = ResultElement { transfer_syntax: SyntaxId::NDR32, ..ResultElement::default() };
        }),
        ack("RPC-ACK-GROUP", 1, |ack| ack.assoc_group_id = 0),
        example(
            "RPC-ACK-GROUP-ECHO",
            Conversation::management().with(0, |pdu| bind_of(pdu).assoc_group_id = 0x1234),
            Conversation::management().with(0, |pdu| bind_of(pdu).assoc_group_id = 0x4321),
        ),
        ack("RPC-ACK-ADDRESS", 1, |ack| ack.secondary_address = b"1688 "),
        ack("RPC-ACK-PORT", 1, |ack| ack.secondary_address = b"1689\0"),
        ack("RPC-ACK-ALTER-ADDRESS", 3, |ack| {
            ack.secondary_address = b"1688\0";
            ack.padding = &[0];
        }),
        ack("RPC-ACK-RESERVED", 1, |ack| ack.reserved[2] = 1),
        example(
            "RPC-ACK-MULTIPLEX",
            base(),
            base().with(0, |pdu| pdu.header.flags.0 &= !PfcFlags::CONC_MPX.0),
        ),
        example(
            "RPC-ACK-HEADER-SIGN",
            base(),
            base().with(1, |pdu| pdu.header.flags = pdu.header.flags | PfcFlags::PENDING_CANCEL),
        ),
        example("RPC-NAK-REASON", refused(nak()), refused(with_reason(nak(), 12))),
        example("RPC-NAK-VERSIONS", refused(nak()), refused(with_versions(nak(), Some(Vec::new())))),
    ]
}

fn bind_of<'p>(pdu: &'p mut Pdu<'_>) -> &'p mut Bind {
    match &mut pdu.body {
        Body::Bind(bind) | Body::AlterContext(bind) => bind,
        _ => panic!("it proposes nothing"),
    }
}

fn ack_of<'p, 'a>(pdu: &'p mut Pdu<'a>) -> &'p mut BindAck<'a> {
    match &mut pdu.body {
        Body::BindAck(ack) | Body::AlterContextResp(ack) => ack,
        _ => panic!("it has no results"),
    }
}

/// Its bind, and the answer, twice.
fn bound_twice() -> Example {
    let base = Conversation::base();
    let [bind, ack] = [0, 1].map(|at| base.connections[0].pdus[at].clone());
    let fails =
        base.clone().insert_bytes(2, bind.direction, bind.bytes).insert_bytes(3, ack.direction, ack.bytes);
    Example { rule: "RPC-BIND-ONCE", passes: base.file(), fails: fails.file() }
}

/// With another context in the bind, and a rejection of it.
fn one_more(context: PresentationContext) -> Conversation {
    Conversation::base()
        .with(0, |pdu| {
            bind_of(pdu).n_context_elem = 4;
            bind_of(pdu).contexts.push(context);
        })
        .with(1, |pdu| {
            ack_of(pdu).n_results = 4;
            ack_of(pdu).results.push(ResultElement { result: 2, reason: 2, ..ResultElement::default() });
        })
}

/// With a bind_ack for the alter_context.
fn answered_as_bind() -> Conversation {
    Conversation::base().with(3, |pdu| {
        let body = std::mem::replace(&mut pdu.body, Body::Opaque);
        if let Body::AlterContextResp(ack) = body {
            pdu.header.ptype = PduType::BIND_ACK;
            pdu.body = Body::BindAck(ack);
        }
    })
}

fn nak() -> Pdu<'static> {
    pdu(PduType::BIND_NAK, 1, Body::BindNak(BindNak { reject_reason: 0, versions: Some(vec![(5, 0)]) }))
}

fn with_reason(mut pdu: Pdu<'static>, reason: u16) -> Pdu<'static> {
    if let Body::BindNak(nak) = &mut pdu.body {
        nak.reject_reason = reason;
    }
    pdu
}

fn with_versions(mut pdu: Pdu<'static>, versions: Option<Vec<(u8, u8)>>) -> Pdu<'static> {
    if let Body::BindNak(nak) = &mut pdu.body {
        nak.versions = versions;
    }
    pdu
}

/// A bind and its refusal.
fn refused(nak: Pdu<'_>) -> Conversation {
    Conversation::management().cut_to(1).insert(1, ToClient, nak)
}
