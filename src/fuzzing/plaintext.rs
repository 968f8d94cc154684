//! KMS messages from the inside: the plain text is what is fuzzed, and is sealed on its way in.

use std::cell::RefCell;

use smallvec::SmallVec;

use crate::kms::{
    EncryptedResponse, RequestBody, RequestChecks, RequestMessage, ResponseBody, ResponseChecks,
    ResponseMessage, V4Response, V6Trailer, Verifier, Version, hmac, mac, rijndael, salt,
};
use crate::wire::{FileTime, Guid};

use super::messages::{field, passes};
use super::reference::Block;
use super::verify::REFERENCE;
use super::{Turn, verify};

/// What is sealed, and what is made wrong about it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plaintext<'a> {
    /// What is made wrong, modulo how much can be.
    pub fault: u8,
    /// Where it is made wrong, modulo how many places there are.
    pub place: u16,
    /// The request's IV (v5, v6).
    pub request_iv: Block,
    /// The response's IV (v6).
    pub iv: Block,
    /// The plain text as it travels, from Version on, whose major number is the target's whatever it says. A request's lacks
    /// nothing but zeros; a response's goes on to HMAC.
    pub text: &'a [u8],
}

/// What stands in front of a seed's plain text.
#[derive(Clone, Copy)]
enum Head {
    /// What is made wrong, and where: 3 bytes.
    Fault,
    /// And the request's IV: 19 bytes.
    RequestIv,
    /// And the response's IV: 35 bytes.
    BothIvs,
}

impl<'a> Plaintext<'a> {
    /// Reads a seed of a target; what its head lacks is zero.
    fn read(data: &'a [u8], head: Head) -> Self {
        let length = match head {
            Head::Fault => 3,
            Head::RequestIv => 19,
            Head::BothIvs => 35,
        };
        let (head, text) = data.split_at(data.len().min(length));
        Self {
            fault: head.first().copied().unwrap_or_default(),
            place: u16::from_le_bytes(field(head, 1)),
            request_iv: field(head, 3),
            iv: field(head, 19),
            text,
        }
    }

    /// The seed of the target of this name that reads as this.
    ///
    /// # Panics
    /// The name is not one of the six targets of plain texts.
    #[must_use]
    pub fn write(&self, target: &str) -> Vec<u8> {
        let [low, high] = self.place.to_le_bytes();
        let head = [self.fault, low, high];
        match target {
            "request_v4" | "response_v4" => [&head, self.text].concat(),
            "request_v5" | "request_v6" => [&head, &self.request_iv[..], self.text].concat(),
            "response_v5" | "response_v6" => [&head, &self.request_iv[..], &self.iv, self.text].concat(),
            _ => panic!("{target} takes no plain text"),
        }
    }

    /// The place, below `count`.
    fn below(&self, count: usize) -> usize {
        usize::from(self.place) % count
    }

    /// Changes a bit of these bytes.
    fn flip(&self, bytes: &mut [u8]) {
        let bit = self.below(8 * bytes.len());
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

/// Holds that a request is sealed and opened again, that each of its verifications passes, those of
/// `reference` and a host agree, and that of one thing that is made wrong the verification that is there for it
/// takes notice, and no other.
///
/// A seed is a [`Plaintext`]: what is made wrong (1 byte), where (2), the request's body, and excess bytes.
pub fn request_v4(data: &[u8]) {
    request(Version::V4, &Plaintext::read(data, Head::Fault), data);
}

/// [`request_v4`] of version 5; behind the head of a seed stands the IV (16 bytes).
pub fn request_v5(data: &[u8]) {
    request(Version::V5, &Plaintext::read(data, Head::RequestIv), data);
}

/// [`request_v4`] of version 6; behind the head of a seed stands the IV (16 bytes).
pub fn request_v6(data: &[u8]) {
    request(Version::V6, &Plaintext::read(data, Head::RequestIv), data);
}

/// Holds that a response is opened to what was sealed, whatever that is, and that each of its verifications says what is so;
/// and of the right response with these fields that each passes, and that of one thing that is made wrong the verification
/// that is there for it takes notice, and no other.
///
/// A seed is a [`Plaintext`]: what is made wrong (1 byte), where (2), and the plain text; the MAC stands at its end.
pub fn response_v4(data: &[u8]) {
    response(Version::V4, &Plaintext::read(data, Head::Fault), data);
}

/// [`response_v4`] of version 5; behind the head of a seed stand the IVs of the request and of the response (16 bytes each),
/// and the plain text goes on to Hash.
pub fn response_v5(data: &[u8]) {
    response(Version::V5, &Plaintext::read(data, Head::BothIvs), data);
}

/// [`response_v4`] of version 6; behind the head of a seed stand the IVs of the request and of the response (16 bytes each),
/// and the plain text goes on to HMAC.
pub fn response_v6(data: &[u8]) {
    response(Version::V6, &Plaintext::read(data, Head::BothIvs), data);
}

fn request(version: Version, plan: &Plaintext<'_>, data: &[u8]) {
    let plain: [u8; RequestBody::LEN] = field(plan.text, 0);
    let mut body = RequestBody::parse(&plain).expect("it is a body's length");
    body.version = of_major(version, body.version);
    let right = RequestMessage::new(body, plan.request_iv);
    let bytes = right.encode();
    assert_eq!(bytes.len(), verify::request_len(version));
    let turn = Turn::of(data, 8);
    if turn.is(..1) {
        assert!(failing_of_request(&right, &bytes).is_empty(), "{right:?}");
    }
    if !turn.is(1..) {
        return;
    }
    let is_asked = turn.is(1..2);
    if turn.is_one_in(REFERENCE) {
        assert_eq!(verify::request_checks(&right), RequestChecks::of(&right));
        verify::opens_again(&bytes);
    }

    let mut wrong = right.clone();
    let excess = plan.text.get(RequestBody::LEN..).unwrap_or_default();
    let mut expected = SmallVec::<[&str; 4]>::new();
    let changed = match &mut wrong {
        RequestMessage::V4(request) => {
            match plan.fault % 4 {
                0 => request.excess.extend_from_slice(&excess[..excess.len().min(64)]),
                1 => {
                    plan.flip(&mut request.mac);
                    expected.push("mac");
                }
                2 => {
                    // Not the major number, which is the envelope's.
                    let mut plain = request.body.encode();
                    plan.flip(&mut plain[4..]);
                    request.body = RequestBody::parse(&plain).expect("it is a body's length");
                    expected.push("mac");
                }
                _ => return cut(&bytes[..plan.below(bytes.len())], is_asked),
            }
            wrong.encode()
        }
        RequestMessage::Encrypted(request) => {
            match plan.fault % 6 {
                0 => request.excess.extend_from_slice(&excess[..excess.len().min(64)]),
                1 => {
                    request.version.0 ^= 1 << plan.below(16);
                    expected.push("version_envelope");
                }
                2 => {
                    request.body.version.0 ^= 1 << plan.below(32);
                    expected.push("version_envelope");
                }
                3 => {
                    plan.flip(&mut request.padding);
                    expected.push("padding");
                }
                4 => return cut(&bytes[..plan.below(bytes.len())], is_asked),
                _ => return garbled(&right, bytes, plan, is_asked),
            }
            wrong.encode()
        }
        RequestMessage::Other { .. } => unreachable!("it was made of a known version"),
    };
    assert_eq!(failing_of_request(&wrong, &changed), expected, "{wrong:?}");
    if is_asked {
        verify::host_agrees(&wrong, RequestChecks::of(&wrong), &changed);
    }
}

/// The verifications that a request fails, which these bytes decode to.
fn failing_of_request(request: &RequestMessage, bytes: &[u8]) -> SmallVec<[&'static str; 4]> {
    let (opened, checks) = RequestChecks::open(bytes);
    assert_eq!(&opened, request);
    let checks = checks.expect("its envelope is open");
    checks.by_name().into_iter().filter(|(_, check)| !passes(*check)).map(|(name, _)| name).collect()
}

/// Holds that a request without its end is none, and says where it ends; a host may be asked too.
fn cut(bytes: &[u8], is_asked: bool) {
    let (cut, checks) = RequestChecks::open(bytes);
    let error = cut.error().expect("its end is missing");
    assert!(error.offset <= bytes.len(), "{error} of {} bytes", bytes.len());
    assert!(checks.is_none() && cut.encode() == bytes);
    if is_asked {
        verify::host_agrees(&cut, None, bytes);
    }
}

/// Holds that a changed bit of the cipher text garbles its block, and changes that bit of the next one and nothing else, as
/// CBC has it (SP 800-38A, appendix D).
fn garbled(right: &RequestMessage, mut bytes: Vec<u8>, plan: &Plaintext<'_>, is_asked: bool) {
    plan.flip(&mut bytes[20..]);
    let (at, bit) = (plan.below(8 * (bytes.len() - 20)) / 8, 1_u8 << (plan.below(8)));
    let (RequestMessage::Encrypted(right), RequestMessage::Encrypted(wrong)) =
        (right, RequestMessage::decode(&bytes))
    else {
        unreachable!("the version and the length are the same");
    };
    let text = |body: &RequestBody, padding: &[u8; 4]| [&body.encode()[..], padding].concat();
    let (mut expected, found) = (text(&right.body, &right.padding), text(&wrong.body, &wrong.padding));
    let block = at / 16 * 16;
    assert_ne!(expected[block..block + 16], found[block..block + 16]);
    expected[block..block + 16].copy_from_slice(&found[block..block + 16]);
    if let Some(next) = expected.get_mut(at + 16) {
        *next ^= bit;
    }
    assert_eq!(expected, found);
    if is_asked {
        let wrong = RequestMessage::Encrypted(wrong);
        verify::host_agrees(&wrong, RequestChecks::of(&wrong), &bytes);
    }
}

fn response(version: Version, plan: &Plaintext<'_>, data: &[u8]) {
    let mut text: Text = SmallVec::from_slice(plan.text);
    text.resize(text.len().max(4), 0);
    let said = Version(u32::from_le_bytes(field(&text, 0)));
    let version = of_major(version, said);
    text[..4].copy_from_slice(&version.0.to_le_bytes());
    // Of a fuzzer's inputs four in eight are held as they are, one is made right, and three are made right and then wrong.
    let turn = Turn::of(data, 8);
    if version.major() != 4 {
        pad(&mut text);
    }
    if turn.is(..4) {
        as_it_is(version, plan, &text);
    }
    if !turn.is(4..) {
        return;
    }
    let Ok(read) = read(version, plan, &text) else { return };
    let Some(body) = read.body().filter(|body| body.epid.len() <= 600) else { return };
    let request = RequestMessage::new(
        RequestBody { version, cmid: body.cmid, client_time: body.client_time, ..EMPTY },
        plan.request_iv,
    );
    if turn.is_one_in(REFERENCE) {
        let bytes = read.encode();
        let expected = verify::response_checks(&read, &bytes, &request);
        assert_eq!(ResponseChecks::of(&read, Some(&request)), expected);
        verify::opens_again(&bytes);
    }
    match (read, &request) {
        (ResponseMessage::V4(mut response), _) => {
            response.excess.clear();
            right_v4(response, plan, &request, turn);
        }
        (ResponseMessage::Encrypted(mut response), RequestMessage::Encrypted(asked)) => {
            let k = asked.decrypted_iv();
            response.hash = salt::hash(&rijndael::xor(&response.xored_salt, &k));
            match &mut response.v6 {
                None => response.iv = asked.iv,
                Some(v6) => {
                    v6.xored_ivs = k;
                    response.iv[0] ^= u8::from(response.iv == asked.iv);
                }
            }
            response.padding.clear();
            response.excess.clear();
            right_encrypted(response, plan, &request, turn);
        }
        _ => unreachable!("the response has the request's version"),
    }
}

/// Holds that a plain text, sealed as it is, is what comes out, and is read as its fields; where it ends inside one, which.
fn as_it_is(version: Version, plan: &Plaintext<'_>, plain: &[u8]) {
    let sealed = (version.major() != 4).then(|| sealed(version, plan, plain));
    let bytes = sealed.as_deref().unwrap_or(plain);
    let opened = ResponseMessage::decode(bytes);
    assert_eq!(opened.encode(), bytes);
    match read(version, plan, plain) {
        Ok(read) => assert_eq!(opened, read),
        Err(field) => {
            let error = opened.error().expect("a field is cut");
            assert!(error.offset <= bytes.len(), "{error} of {} bytes", bytes.len());
            assert!(field.is_none_or(|field| error.field == field), "{error}, and {field:?} is cut");
        }
    }
}

/// What the plain text of a response is read as; where it ends inside a field behind the body, the name of that.
fn read(
    version: Version,
    plan: &Plaintext<'_>,
    plain: &[u8],
) -> Result<ResponseMessage, Option<&'static str>> {
    fn take<'a, const N: usize>(
        rest: &mut &'a [u8],
        field: &'static str,
    ) -> Result<&'a [u8; N], Option<&'static str>> {
        let (taken, behind) = rest.split_first_chunk().ok_or(Some(field))?;
        *rest = behind;
        Ok(taken)
    }
    let (body, mut rest) = ResponseBody::parse(plain).map_err(|_| None)?;
    if version.major() == 4 {
        let mac = *take(&mut rest, "MAC")?;
        return Ok(ResponseMessage::V4(V4Response { body, mac, excess: SmallVec::from_slice(rest) }));
    }
    let (xored_salt, hash) = (*take(&mut rest, "XoredSalt")?, *take(&mut rest, "Hash")?);
    let v6 = match version.major() {
        5 => None,
        _ => Some(V6Trailer {
            hwid: *take(&mut rest, "HwId")?,
            xored_ivs: *take(&mut rest, "XoredIVs")?,
            hmac: *take(&mut rest, "HMAC")?,
        }),
    };
    let (iv, padding) = (plan.iv, SmallVec::from_slice(rest));
    let excess = SmallVec::new();
    Ok(ResponseMessage::Encrypted(EncryptedResponse {
        version,
        iv,
        body,
        xored_salt,
        hash,
        v6,
        padding,
        excess,
    }))
}

/// A plain text, sealed or not; mostly it is no longer.
type Text = SmallVec<[u8; 512]>;

/// Puts its PKCS#7 padding behind a plain text.
fn pad(text: &mut Text) {
    let padding = 16 - text.len() % 16;
    text.resize(text.len() + padding, u8::try_from(padding).expect("it is 16 at most"));
}

/// A padded plain text behind the envelope of its version.
fn sealed(version: Version, plan: &Plaintext<'_>, plain: &[u8]) -> Text {
    let mut bytes = Text::with_capacity(20 + plain.len());
    bytes.extend_from_slice(&version.0.to_le_bytes());
    bytes.extend_from_slice(&plan.iv);
    bytes.extend_from_slice(plain);
    let cipher = if version.major() == 5 { &rijndael::V5 } else { &rijndael::V6 };
    cipher.cbc_encrypt(&plan.iv, &mut bytes[20..]);
    bytes
}

fn right_v4(mut response: V4Response, plan: &Plaintext<'_>, request: &RequestMessage, turn: Turn) {
    response.mac = mac::v4(&response.body.encode());
    if turn.is(4..5) {
        held(&ResponseMessage::V4(response.clone()), request, &[]);
    }
    if !turn.is(5..) {
        return;
    }
    let encoded = |response| ResponseMessage::encode(&ResponseMessage::V4(response));
    let expected: &[&str] = match plan.fault % 8 {
        0 => {
            response.excess.push(0);
            &[]
        }
        1 => {
            plan.flip(&mut response.mac);
            &["mac"]
        }
        2..=5 => {
            let expected = other_body(&mut response.body, plan, false);
            response.mac = mac::v4(&response.body.encode());
            expected
        }
        6 => return cut_response(&encoded(response), plan),
        _ => return noticed(encoded(response), plan, request),
    };
    held(&ResponseMessage::V4(response), request, expected);
}

fn right_encrypted(
    mut response: EncryptedResponse,
    plan: &Plaintext<'_>,
    request: &RequestMessage,
    turn: Turn,
) {
    let mut slot = 0;
    let is_v6 = response.v6.is_some();
    if turn.is(4..5) {
        held_sealed(response.clone(), slot, request, &[]);
    }
    if !turn.is(5..) {
        return;
    }
    // What is made wrong about a sealed one; all else is sealed when it is wrong.
    if matches!(plan.fault % 14, 9 | 11..) {
        seal(&mut response, slot);
    }
    let encoded = |response| ResponseMessage::encode(&ResponseMessage::Encrypted(response));
    let expected: &[&str] = match plan.fault % 14 {
        0 => {
            response.excess.push(0);
            &[]
        }
        1 => {
            response.version.0 ^= 1 << plan.below(16);
            &["version_envelope"]
        }
        2..=5 => other_body(&mut response.body, plan, true),
        6 => {
            plan.flip(&mut response.hash);
            &["hash"]
        }
        7 => {
            plan.flip(&mut response.xored_salt);
            &["hash"]
        }
        8 => match (&response.v6, request) {
            (Some(_), RequestMessage::Encrypted(asked)) => {
                response.iv = asked.iv;
                &["iv_fresh"]
            }
            _ => {
                plan.flip(&mut response.iv);
                &["iv_echo"]
            }
        },
        9 => {
            let length = response.padding.len();
            // Another length that it says, or a byte of it.
            plan.flip(&mut response.padding[..length]);
            let response = ResponseMessage::Encrypted(response);
            held(&response, request, &["padding"]);
            return;
        }
        10 => match &mut response.v6 {
            Some(v6) => {
                plan.flip(&mut v6.xored_ivs);
                &["xored_ivs"]
            }
            None => &[],
        },
        11 => match &mut response.v6 {
            Some(v6) => {
                plan.flip(&mut v6.hmac);
                held(&ResponseMessage::Encrypted(response), request, &["hmac"]);
                return;
            }
            None => &[],
        },
        12 if is_v6 => {
            let [away, ..] = plan.place.to_le_bytes();
            slot = away.cast_signed();
            if (-1..=1).contains(&slot) { &[] } else { &["hmac"] }
        }
        13 if is_v6 => return noticed(encoded(response), plan, request),
        _ => return cut_response(&encoded(response), plan),
    };
    held_sealed(response, slot, request, expected);
}

/// Makes a field of a response's body wrong; the verifications that take notice.
fn other_body(body: &mut ResponseBody, plan: &Plaintext<'_>, is_encrypted: bool) -> &'static [&'static str] {
    match plan.fault % 4 {
        0 => {
            let mut cmid = body.cmid.to_wire();
            plan.flip(&mut cmid);
            body.cmid = Guid::from_wire(cmid);
            &["cmid_echo"]
        }
        1 => {
            body.client_time.0 ^= 1 << plan.below(64);
            &["client_time_echo"]
        }
        2 => {
            // The envelope of version 4 is the body.
            body.version.0 ^= 1 << plan.below(if is_encrypted { 32 } else { 16 });
            if is_encrypted { &["version_echo", "version_envelope"] } else { &["version_echo"] }
        }
        // An odd byte, behind or without its terminator.
        _ if body.epid.len().is_multiple_of(2) => {
            body.epid.push(0);
            &[]
        }
        _ => &[],
    }
}

/// [`held`] of an encrypted response, which is sealed first, with the HMAC of so many slots away.
fn held_sealed(mut response: EncryptedResponse, slot: i8, request: &RequestMessage, expected: &[&str]) {
    seal(&mut response, slot);
    let has_slot = response.v6.is_some() && expected.is_empty();
    let message = ResponseMessage::Encrypted(response);
    let checks = held(&message, request, expected);
    if has_slot {
        assert_eq!(checks.hmac_slot, Some(slot), "{message:?}");
    }
}

/// Makes the padding, and the HMAC of so many slots away.
fn seal(response: &mut EncryptedResponse, slot: i8) {
    let hashed = response.hashed();
    let mut length = hashed.len() - 16;
    if let Some(v6) = &mut response.v6 {
        v6.hmac = KEYS.with_borrow_mut(|keys| keys.v6(response.body.client_time, slot, &hashed));
        length += 16;
    }
    let padding = 16 - length % 16;
    response.padding = SmallVec::from_elem(u8::try_from(padding).expect("it is 16 at most"), padding);
}

/// Holds that a response is opened again, and fails these verifications, PIDSize's where that is wrong, and no other; all
/// of them.
fn held(response: &ResponseMessage, request: &RequestMessage, expected: &[&str]) -> ResponseChecks {
    let opened = ResponseMessage::decode(&response.encode());
    assert_eq!(&opened, response);
    let checks = verified(&opened, request);
    let body = response.body().expect("its envelope is open");
    let wrong_size = !verify::ends_with_its_only_nul(&body.epid);
    assert_eq!(!passes(checks.pid_size), wrong_size, "{response:?}");
    let failed = checks.by_name().into_iter().filter(|(_, check)| !passes(*check)).map(|(name, _)| name);
    let failed: SmallVec<[&str; 4]> = failed.filter(|name| *name != "pid_size").collect();
    assert_eq!(failed[..], *expected, "{checks:?} of {response:?}");
    checks
}

thread_local! {
    // Both are kept from input to input: what they have seen before must not matter.
    static VERIFIER: RefCell<Verifier> = RefCell::default();
    static KEYS: RefCell<hmac::Keys> = RefCell::default();
}

fn verified(response: &ResponseMessage, request: &RequestMessage) -> ResponseChecks {
    let checks = VERIFIER.with_borrow_mut(|verifier| verifier.verify(response, Some(request)));
    checks.expect("its envelope is open")
}

/// Holds that a response without its end is none, or another one with less behind the fields.
fn cut_response(bytes: &[u8], plan: &Plaintext<'_>) {
    let bytes = &bytes[..plan.below(bytes.len())];
    let cut = ResponseMessage::decode(bytes);
    assert_eq!(cut.encode(), bytes);
    if let Some(error) = cut.error() {
        assert!(error.offset <= bytes.len(), "{error} of {} bytes", bytes.len());
    } else {
        let expected = cut.expected_len().expect("it was read");
        assert!(bytes.len() < expected, "nothing is missing of {cut:?}");
    }
}

/// Holds that a changed bit of an authenticated response does not go unnoticed.
fn noticed(mut bytes: Vec<u8>, plan: &Plaintext<'_>, request: &RequestMessage) {
    plan.flip(&mut bytes);
    let changed = ResponseMessage::decode(&bytes);
    let checks = ResponseChecks::of(&changed, Some(request));
    let fails = |(name, check): &(&str, _)| *name != "pid_size" && !passes(*check);
    assert!(
        checks.is_none_or(|checks| checks.by_name().iter().any(fails)),
        "nobody has noticed: {changed:?}"
    );
}

/// The version with this one's minor number.
fn of_major(version: Version, said: Version) -> Version {
    Version(version.0 | u32::from(said.minor()))
}

const EMPTY: RequestBody = RequestBody {
    version: Version(0),
    vm_info: 0,
    license_status: 0,
    binding_expiration: 0,
    app_id: Guid::NIL,
    act_id: Guid::NIL,
    kms_id: Guid::NIL,
    cmid: Guid::NIL,
    n_policy: 0,
    client_time: FileTime(0),
    cmid_prev: Guid::NIL,
    machine_name: [0; 128],
};
