//! Examples of the rules in src/conformance/rules/rpc_faults.rs.

use volact::capture::Direction::ToClient;
use volact::rpc::{Body, Fault, Pdu, PduType, PfcFlags};

use crate::Example;
use crate::conversation::{Conversation, pdu};

pub(crate) fn examples() -> Vec<Example> {
    let base = Conversation::base;
    let example = |rule, passes: Conversation, fails: Conversation| Example {
        rule,
        passes: passes.file(),
        fails: fails.file(),
    };
    let changed =
        |rule, change: fn(&mut Pdu<'_>)| example(rule, faulty(DENIED), faulty(DENIED).with(3, change));
    vec![
        changed("RPC-FAULT-STATUS", |pdu| fault_of(pdu).status = 0),
        changed("RPC-FAULT-FLAGS", |pdu| pdu.header.flags = PfcFlags::FIRST),
        changed("RPC-FAULT-RESERVED", |pdu| fault_of(pdu).reserved2 = 1),
        example(
            "RPC-FAULT-EXECUTED",
            faulty(OP_RANGE).with(3, |pdu| pdu.header.flags = pdu.header.flags | PfcFlags::DID_NOT_EXECUTE),
            faulty(OP_RANGE),
        ),
        changed("RPC-FAULT-CALL-ID", |pdu| pdu.header.call_id = 9),
        example("RPC-FAULT-CONTEXT", base(), served(|context, _| *context = 9)),
        example("RPC-FAULT-OPNUM", base(), served(|_, opnum| *opnum = 1)),
        example("RPC-FAULT-OPEN", faulty(DENIED), faulty(DENIED).closed_by_server()),
    ]
}

/// nca_s_fault_access_denied.
const DENIED: u32 = 5;
/// nca_s_op_rng_error.
const OP_RANGE: u32 = 0x1c01_0002;

/// A call of another interface that is answered with a fault: 2 request, 3 fault.
fn faulty(status: u32) -> Conversation {
    let fault =
        Fault { alloc_hint: 0, context_id: 0, cancel_count: 0, reserved: 0, status, reserved2: 0, stub: &[] };
    let fault = pdu(PduType::FAULT, 2, Body::Fault(fault));
    Conversation::management().without(3).insert(3, ToClient, fault)
}

fn fault_of<'p, 'a>(pdu: &'p mut Pdu<'a>) -> &'p mut Fault<'a> {
    match &mut pdu.body {
        Body::Fault(fault) => fault,
        _ => panic!("it is no fault"),
    }
}

/// The first request and its response with another context or opnum.
fn served(change: fn(&mut u16, &mut u16)) -> Conversation {
    let change = |pdu: &mut Pdu<'_>| match &mut pdu.body {
        Body::Request(request) => change(&mut request.context_id, &mut request.opnum),
        Body::Response(response) => change(&mut response.context_id, &mut 0),
        _ => panic!("it is no call"),
    };
    Conversation::base().with(4, change).with(5, change)
}
