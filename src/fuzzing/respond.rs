//! The responder: any bytes in, an answer or an HRESULT out.

use std::cell::RefCell;

use crate::kms::{
    HostIdentity, Moment, Ndr, Policy, Refusal, Reply, RequestBody, RequestMessage, RequestStub, Responder,
    ResponseChecks, ResponseMessage, ResponseStub,
};
use crate::wire::{Endianness, FileTime};

use super::messages::{field, made_request, passes, versions};
use super::stubs::marshalling;
use super::{Turn, ignore};

/// Holds that every request's stub is answered, the same way each time and behind what is there already: with a
/// response that passes every verification, or with an error stub of the refusal's HRESULT; and that the bytes as fields
/// of a right request get a response.
///
/// A seed is that of [`super::request_stub`].
pub fn respond(data: &[u8]) {
    let (ndr, endianness, stub) = marshalling(data);
    answered(stub, ndr, endianness, field(data, 1));
    let body = data.get(1..).unwrap_or_default();
    let body = &body[..body.len().min(RequestBody::LEN)];
    for version in versions(Turn::of(data, 16)) {
        let made = made_request(version, body);
        let bytes = made.encode();
        let reply = answered(
            &RequestStub::of(&bytes, ndr).encode(endianness),
            ndr,
            endianness,
            field(data, RequestBody::LEN),
        );
        let expected = match made.version() {
            Some(known) if known == version => Reply::Answered,
            other => Reply::Refused(Refusal::Version(other.expect("it was made with one"))),
        };
        assert_eq!(reply, expected);
    }
}

/// What a request's stub is answered with, and the answer's stub; nothing is held of them.
pub(super) fn reply(stub: &[u8], ndr: Ndr, endianness: Endianness) -> (Reply, Vec<u8>) {
    let moment = Moment { now: FileTime(0), random: [0x5a; 32] };
    let mut out = Vec::with_capacity(Responder::STUB_LEN);
    let reply = HOST.with_borrow_mut(|host| host.respond(stub, ndr, endianness, &moment, &mut out));
    (reply, out)
}

thread_local! {
    /// A host that takes requests of any time. It is kept from input to input: what it was asked before must not matter.
    static HOST: RefCell<Responder> = RefCell::new(host());
}

/// A host that takes requests of any time and for any product.
pub(super) fn host() -> Responder {
    Responder::new(HostIdentity::TEST, Policy { max_clock_skew: None, ..Policy::default() })
}

/// Holds what [`respond`] says of a request's stub; what it is answered with.
fn answered(stub: &[u8], ndr: Ndr, endianness: Endianness, random: [u8; 32]) -> Reply {
    const BEFORE: &[u8] = b"before";
    let moment = Moment { now: FileTime(0), random };
    let turn = Turn::of(stub, 16);
    let mut out = Vec::with_capacity(BEFORE.len() + Responder::STUB_LEN);
    out.extend_from_slice(BEFORE);
    let reply = HOST.with_borrow_mut(|host| {
        let reply = host.respond(stub, ndr, endianness, &moment, &mut out);
        assert!(out.starts_with(BEFORE), "what was there is gone");
        if turn.is(..4) {
            let mut again = Vec::with_capacity(Responder::STUB_LEN);
            assert_eq!(host.respond(stub, ndr, endianness, &moment, &mut again), reply);
            assert_eq!(out[BEFORE.len()..], again, "not the same again");
        }
        reply
    });
    if turn.is(4..5) {
        ignore(&reply);
    }
    let written = &out[BEFORE.len()..];
    assert!(written.len() <= Responder::STUB_LEN);

    let answer = ResponseStub::parse(written, ndr, Endianness::Little).expect("a host's stub is whole");
    assert_eq!(answer.hresult, Some(reply.hresult()));
    assert!(answer.excess.is_empty() && answer.missing() == 0);
    match reply {
        Reply::Answered => {
            let request = RequestStub::parse(stub, ndr, endianness).expect("it was answered");
            let request = RequestMessage::decode(request.data);
            let response = ResponseMessage::decode(answer.data);
            assert_eq!(response.expected_len(), Some(answer.data.len()));
            let checks = ResponseChecks::of(&response, Some(&request)).expect("its envelope opens");
            let reuses_iv = matches!(&request, RequestMessage::Encrypted(request) if request.decrypted_iv() == random[16..]);
            for (name, check) in checks.by_name() {
                assert!(passes(check) || (name == "iv_fresh" && reuses_iv), "{name}: {checks:?}");
            }
        }
        Reply::Refused(_) => assert_eq!(answer, ResponseStub::refusal(reply.hresult(), ndr)),
    }
    reply
}
