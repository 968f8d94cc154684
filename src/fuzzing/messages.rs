//! KMS messages of any bytes, and what the bytes become in the envelope of each version.

use smallvec::SmallVec;

use crate::kms::{
    Check, EncryptedRequest, EncryptedResponse, RequestBody, RequestChecks, RequestMessage, ResponseBody,
    ResponseChecks, ResponseMessage, V4Request, V4Response, V6Trailer, Version, hmac, mac, rijndael, salt,
};

use super::verify::{agree, pair};
use super::{Turn, ignore};

/// Holds that a request is written back byte for byte, and that the bytes as fields, put into the envelope of each
/// version, come out of it again with every verification passed; in version 4 no byte can be changed without one
/// failing.
pub fn request_message(data: &[u8]) {
    let message = RequestMessage::decode(data);
    assert_eq!(message.encode(), data);
    let turn = Turn::of(data, 16);
    if turn.is(6..8) {
        assert_eq!(RequestChecks::of(&message).is_some(), message.body().is_some());
    }
    if let Some(error) = message.error() {
        assert!(error.offset <= data.len());
    }
    if turn.is(8..9) {
        ignore(&message);
        ignore(&message.error().map(ToString::to_string));
    }

    for version in versions(turn) {
        let made = made_request(version, data);
        let bytes = made.encode();
        assert_eq!(RequestMessage::decode(&bytes), made);
        let checks = RequestChecks::of(&made).expect("its envelope is open");
        assert!(checks.by_name().iter().all(|(_, check)| passes(*check)), "{checks:?}");
        if version == Version::V4 {
            let mut changed = bytes;
            let at = place(data, RequestMessage::V4_LEN);
            changed[at] ^= 1;
            let checks = RequestChecks::of(&RequestMessage::decode(&changed));
            let passes = |checks: RequestChecks| checks.by_name().iter().all(|(_, check)| passes(*check));
            assert!(!checks.is_some_and(passes), "byte {at} changed unnoticed");
        }
    }
}

/// Holds that a response is written back byte for byte whatever it is verified against, and that the bytes as fields,
/// put into each version's envelope, come out again verified; in versions 4 and 6 no byte of it can be changed
/// without a verification failing.
///
/// A seed is the request's length (two bytes, little-endian), the request, and the response.
pub fn response_message(data: &[u8]) {
    let (request_bytes, response) = pair(data);
    let message = ResponseMessage::decode(response);
    assert_eq!(message.encode(), response);
    let turn = Turn::of(data, 16);
    if turn.is(8..9) {
        ignore(&(&message, message.expected_len()));
        if let Some(error) = message.error() {
            ignore(&format_args!("{error}"));
        }
    }
    if turn.is(6..7) {
        agree(request_bytes, response);
    }

    let rest = data.get(2..).unwrap_or_default();
    for version in versions(turn) {
        let request = made_request(version, data);
        let made = made_response(&request, rest);
        let bytes = made.encode();
        assert_eq!(made.expected_len(), Some(bytes.len()));
        assert_eq!(ResponseMessage::decode(&bytes), made);
        let fails = |message: &ResponseMessage| {
            let Some(checks) = ResponseChecks::of(message, Some(&request)) else { return true };
            checks.by_name().iter().any(|(name, check)| *name != "pid_size" && !passes(*check))
        };
        assert!(!fails(&made), "{:?}", ResponseChecks::of(&made, Some(&request)));
        if version != Version::V5 {
            let mut changed = bytes;
            let at = place(data, changed.len());
            changed[at] ^= 1;
            assert!(fails(&ResponseMessage::decode(&changed)), "{version}: byte {at} changed unnoticed");
        }
    }
}

/// The versions into whose envelopes something is put: two turns are there for each, from 0 on.
pub(super) fn versions(turn: Turn) -> impl Iterator<Item = Version> {
    let versions = [Version::V4, Version::V5, Version::V6];
    versions
        .into_iter()
        .zip([0, 2, 4])
        .filter(move |&(_, first)| turn.is(first..first + 2))
        .map(|(version, _)| version)
}

pub(super) fn passes(check: Check) -> bool {
    matches!(check, Check::Pass | Check::NotApplicable)
}

/// A place below `length` that the last bytes choose.
fn place(data: &[u8], length: usize) -> usize {
    data.iter().rev().take(2).fold(0, |sum, &byte| sum << 8 | usize::from(byte)) % length
}

/// The bytes from `at` on, zeros behind their end.
pub(super) fn field<const N: usize>(data: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    let there = data.get(at..).unwrap_or_default();
    let there = &there[..there.len().min(N)];
    field[..there.len()].copy_from_slice(there);
    field
}

/// A request whose fields are these bytes and whose envelope is as it should be.
pub(super) fn made_request(version: Version, data: &[u8]) -> RequestMessage {
    let plain: [u8; RequestBody::LEN] = field(data, 0);
    let mut body = RequestBody::parse(&plain).expect("the length is a body's");
    let excess = SmallVec::from_slice(data.get(RequestBody::LEN..).unwrap_or_default());
    body.version = Version(version.0 | u32::from(body.version.minor()));
    if version == Version::V4 {
        let mac = mac::v4(&body.encode());
        return RequestMessage::V4(V4Request { body, mac, excess });
    }
    let iv = field(data, RequestBody::LEN / 2);
    RequestMessage::Encrypted(EncryptedRequest { version: body.version, iv, body, padding: [4; 4], excess })
}

/// The right answer to a request, with these bytes where a host is free.
pub(super) fn made_response(request: &RequestMessage, data: &[u8]) -> ResponseMessage {
    let asked = request.body().expect("it was made with a body");
    let [count, activation_interval, renewal_interval] =
        std::array::from_fn(|i| u32::from_le_bytes(field(data, 4 * i)));
    let body = ResponseBody {
        version: asked.version,
        epid: SmallVec::from_slice(&data[..data.len().min(600)]),
        cmid: asked.cmid,
        client_time: asked.client_time,
        count,
        activation_interval,
        renewal_interval,
    };
    let RequestMessage::Encrypted(request) = request else {
        let mac = mac::v4(&body.encode());
        return ResponseMessage::V4(V4Response { mac, body, excess: SmallVec::new() });
    };
    let is_v6 = request.version.major() == 6;
    let k = request.decrypted_iv();
    let plain_salt = field(data, 12);
    let mut response = EncryptedResponse {
        version: request.version,
        iv: if is_v6 { request.iv.map(|byte| !byte) } else { request.iv },
        body,
        xored_salt: rijndael::xor(&plain_salt, &k),
        hash: salt::hash(&plain_salt),
        v6: is_v6.then(|| V6Trailer { hwid: field(data, 28), xored_ivs: k, hmac: [0; 16] }),
        padding: SmallVec::new(),
        excess: SmallVec::new(),
    };
    let hashed = response.hashed();
    if let Some(v6) = &mut response.v6 {
        v6.hmac = hmac::Keys::default().v6(response.body.client_time, 0, &hashed);
    }
    let padding = 16 - hashed.len() % 16;
    response.padding = SmallVec::from_elem(u8::try_from(padding).expect("it is at most 16"), padding);
    ResponseMessage::Encrypted(response)
}
