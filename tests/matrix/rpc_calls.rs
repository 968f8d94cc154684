//! Examples of the rules in src/conformance/rules/rpc_calls.rs.

use volact::capture::Direction::{ToClient, ToServer};
use volact::kms::{Ndr, RequestStub, ResponseStub};
use volact::rpc::{Body, Fault, Pdu, PduType, PfcFlags, Request, Response, SyntaxId, fault_status_by_name};
use volact::wire::Endianness;

use crate::Example;
use crate::conversation::{Conversation, pdu};

pub(crate) fn examples() -> Vec<Example> {
    let base = Conversation::base;
    let management = Conversation::management;
    let example = |rule, passes: Conversation, fails: Conversation| Example {
        rule,
        passes: passes.file(),
        fails: fails.file(),
    };
    let request = |rule, change: fn(&mut Request<'_>)| {
        example(rule, base(), base().with(4, |pdu| change(request_of(pdu))))
    };
    let asked = |rule, change: fn(&mut RequestStub<'_>)| {
        example(rule, base(), base().with(4, |pdu| with_request_stub(pdu, change)))
    };
    let answered = |rule, change: fn(&mut ResponseStub<'_>)| {
        example(rule, base(), base().with(5, |pdu| with_response_stub(pdu, change)))
    };
    let refused = || base_refused(0xc004_d104);
    vec![
        example("RPC-REQUEST-CONTEXT", base(), turned_away("nca_s_unk_if", |request| request.context_id = 9)),
        example("RPC-REQUEST-PENDING", base(), base().moved(4, 3)),
        example("RPC-REQUEST-OPNUM", base(), turned_away("nca_s_op_rng_error", |request| request.opnum = 1)),
        example(
            "RPC-REQUEST-OBJECT",
            base(),
            base().with(4, |pdu| {
                pdu.header.flags = pdu.header.flags | PfcFlags::OBJECT_UUID;
                request_of(pdu).object = Some(SyntaxId::KMS.uuid);
            }),
        ),
        example(
            "RPC-REQUEST-MAYBE",
            base(),
            base().with(4, |pdu| pdu.header.flags = pdu.header.flags | PfcFlags::MAYBE),
        ),
        request("RPC-ALLOC-HINT", |request| request.alloc_hint = 1),
        example(
            "RPC-FRAGMENT-START",
            base().fragmented(4, &[96, 200]),
            management().with(2, |pdu| pdu.header.flags = PfcFlags::LAST),
        ),
        example(
            "RPC-FRAGMENT-CONSTANT",
            base().fragmented(5, &[96, 200]).fragmented(4, &[96, 200]),
            base().fragmented(4, &[96]).with(5, |pdu| request_of(pdu).opnum = 1),
        ),
        example("RPC-FRAGMENT-EMPTY", base().fragmented(4, &[96]), base().fragmented(4, &[96, 96])),
        example("RPC-CALL-CONCURRENT", base().moved(8, 7), unmultiplexed(base().moved(8, 7))),
        example(
            "RPC-CALL-ID-REUSE",
            base().moved(8, 7),
            base().moved(8, 7).with(7, |pdu| pdu.header.call_id = 3).with(9, |pdu| pdu.header.call_id = 3),
        ),
        example(
            "RPC-CALL-ID-ORDER",
            base(),
            base().with(8, |pdu| pdu.header.call_id = 1).with(9, |pdu| pdu.header.call_id = 1),
        ),
        example(
            "RPC-CALL-ANSWERED",
            management().closed_by_server(),
            management().cut_to(3).closed_by_server(),
        ),
        example("RPC-RESPONSE-CALL-ID", base(), base().with(9, |pdu| pdu.header.call_id = 9)),
        example("RPC-RESPONSE-CONTEXT", base(), base().with(7, |pdu| response_of(pdu).context_id = 0)),
        example("RPC-RESPONSE-EARLY", base(), management().fragmented(2, &[8]).moved(4, 3)),
        example("RPC-RESPONSE-RESERVED", base(), base().with(5, |pdu| response_of(pdu).reserved = 1)),
        example(
            "RPC-CANCEL-COUNT",
            management()
                .insert(3, ToServer, pdu(PduType::CO_CANCEL, 2, Body::CoCancel))
                .with(4, |pdu| response_of(pdu).cancel_count = 1),
            management().with(3, |pdu| response_of(pdu).cancel_count = 1),
        ),
        example(
            "RPC-STUB-REQUEST-COUNT",
            base().big_endian(),
            base().with(4, |pdu| with_request_stub(pdu, |stub| stub.max_count += 1)),
        ),
        asked("RPC-STUB-REQUEST-DATA", |stub| {
            stub.size += 4;
            stub.max_count += 4;
        }),
        asked("RPC-STUB-REQUEST-EXCESS", |stub| stub.excess = &[0; 4]),
        answered("RPC-STUB-RESPONSE-COUNT", |stub| stub.max_count = stub.max_count.map(|count| count + 1)),
        example(
            "RPC-STUB-POINTER",
            refused(),
            refused().with(5, |pdu| with_response_stub(pdu, |stub| stub.size = 4)),
        ),
        answered("RPC-STUB-REFERENT", |stub| stub.referent = 0x11),
        answered("RPC-STUB-HRESULT", |stub| stub.hresult = None),
        example("RPC-STUB-RESULT", refused(), base_refused(0)),
        answered("RPC-STUB-RESPONSE-EXCESS", |stub| stub.excess = &[0; 4]),
    ]
}

fn request_of<'p, 'a>(pdu: &'p mut Pdu<'a>) -> &'p mut Request<'a> {
    match &mut pdu.body {
        Body::Request(request) => request,
        _ => panic!("it is no request"),
    }
}

fn response_of<'p, 'a>(pdu: &'p mut Pdu<'a>) -> &'p mut Response<'a> {
    match &mut pdu.body {
        Body::Response(response) => response,
        _ => panic!("it is no response"),
    }
}

/// With the stub of a request changed, which is in NDR32.
fn with_request_stub(pdu: &mut Pdu<'_>, change: impl FnOnce(&mut RequestStub<'_>)) {
    let request = request_of(pdu);
    let mut stub = RequestStub::parse(request.stub, Ndr::Ndr32, Endianness::Little).expect("it has counts");
    change(&mut stub);
    // Examples are few, and live as long as the test.
    request.stub = stub.encode(Endianness::Little).leak();
    request.alloc_hint = u32::try_from(request.stub.len()).expect("it is short");
}

/// With the stub of a response changed, which is in NDR32.
fn with_response_stub(pdu: &mut Pdu<'_>, change: impl FnOnce(&mut ResponseStub<'_>)) {
    let response = response_of(pdu);
    let mut stub = ResponseStub::parse(response.stub, Ndr::Ndr32, Endianness::Little).expect("it has counts");
    change(&mut stub);
    response.stub = stub.encode(Endianness::Little).leak();
    response.alloc_hint = u32::try_from(response.stub.len()).expect("it is short");
}

/// The first request answered with this HRESULT and no data.
fn base_refused(hresult: u32) -> Conversation {
    Conversation::base()
        .with(5, |pdu| with_response_stub(pdu, |stub| *stub = ResponseStub::refusal(hresult, Ndr::Ndr32)))
}

/// The first request changed, and answered with this fault.
fn turned_away(status: &str, change: impl FnOnce(&mut Request<'_>)) -> Conversation {
    let fault = Fault {
        alloc_hint: 0,
        context_id: 0,
        cancel_count: 0,
        reserved: 0,
        status: fault_status_by_name(status).expect("it has a number"),
        reserved2: 0,
        stub: &[],
    };
    let mut fault = pdu(PduType::FAULT, 2, Body::Fault(fault));
    fault.header.flags = fault.header.flags | PfcFlags::DID_NOT_EXECUTE;
    Conversation::base().with(4, |pdu| change(request_of(pdu))).without(5).insert(5, ToClient, fault)
}

/// Without concurrent multiplexing.
fn unmultiplexed(conversation: Conversation) -> Conversation {
    let single = |pdu: &mut Pdu<'_>| pdu.header.flags.0 &= !PfcFlags::CONC_MPX.0;
    conversation.with(0, single).with(1, single)
}
