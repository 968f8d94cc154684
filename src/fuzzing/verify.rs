//! Verification: whatever is verified, each way to do it says the same, and says what is so.

use std::cell::RefCell;

use crate::kms::{
    Check, EncryptedRequest, EncryptedResponse, Ndr, Refusal, Reply, RequestChecks, RequestMessage,
    RequestStub, ResponseBody, ResponseChecks, ResponseMessage, Verifier, Version, mac, rijndael,
};
use crate::wire::Endianness;

use super::reference::{self, Block};
use super::{Turn, is_turn, respond};

/// One input in so many is held against `reference` under a fuzzer: a byte at a time takes longer than all the rest.
pub(super) const REFERENCE: u64 = 4096;

/// Holds of a request and a response of any bytes that they are verified the same alone and among others, from bytes and
/// decoded, the first time and again; that every single verification says what the cryptography of `reference`
/// comes to, and what a host judges of the same request; and that a response without its request is told apart from one
/// whose request it does not fit.
///
/// A seed is that of [`super::response_message`].
pub fn verify(data: &[u8]) {
    let (request_bytes, response_bytes) = pair(data);
    let turn = Turn::of(data, 4);
    if turn.is(..3) {
        agree(request_bytes, response_bytes);
    }
    if turn.is(3..) {
        let (request, checks) = RequestChecks::open(request_bytes);
        host_agrees(&request, checks, request_bytes);
    }
    if turn.is_one_in(REFERENCE) {
        let (request, checks) = RequestChecks::open(request_bytes);
        let response = ResponseMessage::decode(response_bytes);
        assert_eq!(request_checks(&request), checks);
        let checks = ResponseChecks::of(&response, Some(&request));
        assert_eq!(response_checks(&response, response_bytes, &request), checks);
        opens_again(response_bytes);
    }
}

/// A request and a response: two bytes of the request's length, little-endian, the request, and the response.
pub(super) fn pair(data: &[u8]) -> (&[u8], &[u8]) {
    let (head, rest) = data.split_at(data.len().min(2));
    let length = head.iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
    rest.split_at(length.min(rest.len()))
}

/// Holds that all ways to verify these agree.
pub(super) fn agree(request_bytes: &[u8], response_bytes: &[u8]) {
    thread_local! {
        /// Kept from input to input: what it has seen before must not matter.
        static VERIFIER: RefCell<Verifier> = RefCell::default();
    }
    let turn = Turn::of(response_bytes, 8);
    let request = RequestMessage::decode(request_bytes);
    if turn.is(..2) {
        let checks = RequestChecks::of(&request);
        assert_eq!(checks.is_some(), request.body().is_some());
        let opened = RequestChecks::open(request_bytes);
        assert!(opened.0 == request && opened.1 == checks, "{opened:?}, and decoded {request:?}");
    }
    if !turn.is(2..) {
        return;
    }
    let response = ResponseMessage::decode(response_bytes);
    let checks = ResponseChecks::of(&response, Some(&request));
    assert_eq!(checks.is_some(), response.body().is_some());
    let alone = if turn.is(2..4) || turn.is(7..) { ResponseChecks::of(&response, None) } else { None };
    if turn.is(2..4) {
        assert_eq!(checks.is_some(), alone.is_some());
        if let (Some(checks), Some(alone)) = (checks, alone) {
            for ((name, check), (_, alone)) in checks.by_name().into_iter().zip(alone.by_name()) {
                assert!(check == alone || alone == Check::NoRequest, "{name} is {check:?}, alone {alone:?}");
            }
        }
    }
    if turn.is(4..7) {
        let opened = VERIFIER.with_borrow_mut(|verifier| verifier.open(response_bytes, Some(&request)));
        assert!(
            opened.0 == response && opened.1 == checks,
            "{opened:?}, and decoded {response:?} {checks:?}"
        );
    }
    if turn.is(7..) {
        // Five: one more than are worked on at the same time.
        let (whole, lonely) = ((request_bytes, response_bytes), (&[][..], response_bytes));
        let count = if is_turn(request_bytes, 4) { 5 } else { 2 };
        let mut batch = Vec::with_capacity(count);
        VERIFIER.with_borrow_mut(|verifier| {
            verifier.open_batch(&[whole, lonely, whole, whole, whole][..count], &mut batch);
        });
        assert_eq!(batch.len(), count);
        let request_checks = RequestChecks::of(&request);
        for (i, opened) in batch.into_iter().enumerate() {
            if i == 1 {
                assert_eq!(opened.response_checks, alone);
                continue;
            }
            assert!(opened.request == request && opened.response == response, "{opened:?} is number {i}");
            assert_eq!((opened.request_checks, opened.response_checks), (request_checks, checks));
        }
    }
}

/// Holds that a host refuses a request for what its verifications say, and for nothing else but its version and its
/// length.
pub(super) fn host_agrees(request: &RequestMessage, checks: Option<RequestChecks>, bytes: &[u8]) {
    let stub = RequestStub::of(bytes, Ndr::Ndr32).encode(Endianness::Little);
    let (reply, _) = respond::reply(&stub, Ndr::Ndr32, Endianness::Little);
    let failed = |check: fn(&RequestChecks) -> Check| checks.is_some_and(|c| check(&c) == Check::Fail);
    let refusal = match (request.version(), request) {
        (None, _) => {
            assert!(matches!(reply, Reply::Refused(Refusal::Truncated(_))), "{reply:?}");
            return;
        }
        (Some(version), _) if ![Version::V4, Version::V5, Version::V6].contains(&version) => {
            Some(Refusal::Version(version))
        }
        (Some(version), _) if bytes.len() != request_len(version) => {
            Some(Refusal::Length(request_len(version), bytes.len()))
        }
        _ if failed(|checks| checks.mac) => Some(Refusal::Mac),
        (_, RequestMessage::Encrypted(sealed)) if failed(|checks| checks.version_envelope) => {
            Some(Refusal::VersionMismatch(sealed.version, sealed.body.version))
        }
        (_, RequestMessage::Encrypted(sealed)) if failed(|checks| checks.padding) => {
            Some(Refusal::Padding(sealed.padding))
        }
        _ => None,
    };
    assert_eq!(reply, refusal.map_or(Reply::Answered, Reply::Refused));
}

/// Bytes of a request whose envelope is whole.
pub(super) fn request_len(version: Version) -> usize {
    if version.major() == 4 { RequestMessage::V4_LEN } else { RequestMessage::ENCRYPTED_LEN }
}

/// What the verifications of a request have to come to.
pub(super) fn request_checks(request: &RequestMessage) -> Option<RequestChecks> {
    let none = Check::NotApplicable;
    Some(match request {
        RequestMessage::V4(request) => {
            let mac = reference::mac(&request.body.encode());
            RequestChecks { version_envelope: none, mac: Check::of(mac == request.mac), padding: none }
        }
        RequestMessage::Encrypted(request) => RequestChecks {
            version_envelope: Check::of(request.version == request.body.version),
            mac: none,
            padding: Check::of(request.padding.iter().all(|&byte| byte == 4)),
        },
        RequestMessage::Other { .. } => return None,
    })
}

/// What the verifications of a response, which was decoded from these bytes, have to come to.
pub(super) fn response_checks(
    response: &ResponseMessage,
    bytes: &[u8],
    request: &RequestMessage,
) -> Option<ResponseChecks> {
    let none = Check::NotApplicable;
    let body = response.body()?;
    let with = |holds: Option<bool>| holds.map_or(Check::NoRequest, Check::of);
    let asked = request.body();
    let mut checks = ResponseChecks {
        version_echo: with(asked.map(|asked| asked.version == body.version)),
        version_envelope: none,
        cmid_echo: with(asked.map(|asked| asked.cmid == body.cmid)),
        client_time_echo: with(asked.map(|asked| asked.client_time == body.client_time)),
        pid_size: Check::of(ends_with_its_only_nul(&body.epid)),
        mac: none,
        padding: none,
        hash: none,
        iv_echo: none,
        iv_fresh: none,
        xored_ivs: none,
        hmac: none,
        hmac_slot: None,
    };
    let response = match response {
        ResponseMessage::V4(response) => {
            checks.mac = Check::of(reference::mac(&bytes[..44 + body.epid.len()]) == response.mac);
            return Some(checks);
        }
        ResponseMessage::Encrypted(response) => response,
        ResponseMessage::Other { .. } => return None,
    };
    let asked = match request {
        RequestMessage::Encrypted(asked) => Some(asked),
        _ => None,
    };
    let k = asked.map(masked);
    checks.version_envelope =
        with(asked.map(|asked| asked.version == response.version && body.version == response.version));
    let length = response.padding.len();
    let is_right = |byte: &u8| usize::from(*byte) == length;
    checks.padding = Check::of((1..=16).contains(&length) && response.padding.iter().all(is_right));
    checks.hash =
        with(k.map(|k| reference::sha_256(&reference::xor(&response.xored_salt, &k)) == response.hash));
    let same = asked.map(|asked| asked.iv == response.iv);
    match &response.v6 {
        None => checks.iv_echo = with(same),
        Some(v6) => {
            checks.iv_fresh = with(same.map(|same| !same));
            checks.xored_ivs = with(k.map(|k| k == v6.xored_ivs));
            let hashed = hashed(response, bytes);
            let holds =
                |slots: &i8| reference::hmac(body.client_time.0, i64::from(*slots), &hashed) == v6.hmac;
            checks.hmac_slot = [0, -1, 1].into_iter().find(holds);
            checks.hmac = Check::of(checks.hmac_slot.is_some());
        }
    }
    Some(checks)
}

/// Whether an ePID has one NUL, at its end.
pub(super) fn ends_with_its_only_nul(epid: &[u8]) -> bool {
    let first = epid.as_chunks().0.iter().position(|unit: &[u8; 2]| *unit == [0, 0]);
    epid.len().is_multiple_of(2) && first.is_some_and(|first| 2 * first + 2 == epid.len())
}

/// K: what encrypts to the request's IV.
fn masked(request: &EncryptedRequest) -> Block {
    let k = request.decrypted_iv();
    assert_eq!(reference::cipher(request.version.major()).encrypt(&k), request.iv, "K of {request:?}");
    k
}

/// What a version 6 response's HMAC is about: R, and the plain text in front of the HMAC.
fn hashed(response: &EncryptedResponse, bytes: &[u8]) -> Vec<u8> {
    let r = response.decrypted_iv();
    assert_eq!(reference::V6.encrypt(&r), response.iv, "R of {response:?}");
    let mut plain = bytes[20..].to_vec();
    rijndael::V6.portable_cbc_decrypt_to(&response.iv, &bytes[20..], &mut plain);
    [&r, &plain[..ResponseBody::FIXED_LEN + response.body.epid.len() + 72]].concat()
}

/// Holds that the processor's rounds, those without it and those by the book give the same: bytes as the cipher text of
/// both encrypted versions, and as a body that gets a MAC.
pub(super) fn opens_again(bytes: &[u8]) {
    let whole = &bytes[..bytes.len() / 16 * 16];
    let iv = *whole.first_chunk().unwrap_or(&[0; 16]);
    for (cipher, by_the_book) in [(&rijndael::V5, &reference::V5), (&rijndael::V6, &reference::V6)] {
        let (mut plain, mut portable) = (whole.to_vec(), whole.to_vec());
        cipher.cbc_decrypt_to(&iv, whole, &mut plain);
        cipher.portable_cbc_decrypt_to(&iv, whole, &mut portable);
        assert_eq!(plain, portable);
        assert_eq!(by_the_book.cbc(&iv, &plain), whole);
        cipher.portable_cbc_encrypt_to(&iv, &plain, &mut portable);
        assert_eq!(portable, whole);
        cipher.cbc_encrypt(&iv, &mut plain);
        assert_eq!(plain, whole);
    }
    let expected = reference::mac(bytes);
    assert_eq!([mac::v4(bytes), rijndael::V4.portable_cbc_mac(bytes)], [expected; 2]);
    assert!(mac::v4_holds(bytes, &expected));
}
