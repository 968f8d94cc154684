//! Requests and responses to be asked about: right ones, made anew for every run, and what repairs them where one thing in
//! them was changed.

use smallvec::SmallVec;

use crate::kms::rijndael::{Block, V5, V6, xor};
use crate::kms::{
    EncryptedResponse, HostIdentity, RequestBody, RequestMessage, ResponseBody, ResponseMessage, V4Response,
    V6Trailer, Version, hmac, mac, salt,
};
use crate::wire::{FileTime, Guid, Random};

/// A number below `end`, which is not 0.
pub(super) fn below(random: &mut Random, end: u32) -> u32 {
    u32::try_from(random.number() % u64::from(end)).unwrap_or_default()
}

/// A place in something of this length, which is not 0.
pub(super) fn place(random: &mut Random, length: usize) -> usize {
    usize::try_from(random.number() % length as u64).unwrap_or_default()
}

/// A byte with a bit of it changed.
pub(super) fn flip(bytes: &mut [u8], random: &mut Random) {
    let at = place(random, bytes.len());
    bytes[at] ^= 1 << below(random, 8);
}

fn guid(random: &mut Random) -> Guid {
    Guid::from_wire(random.bytes())
}

/// A request's body: its products and machine are nobody's.
pub(super) fn request_body(version: Version, random: &mut Random) -> RequestBody {
    let name = format!("volact-{:04x}", random.number() & 0xffff);
    RequestBody {
        version,
        vm_info: below(random, 2),
        license_status: below(random, 7),
        binding_expiration: below(random, 259_200),
        app_id: guid(random),
        act_id: guid(random),
        kms_id: guid(random),
        cmid: guid(random),
        n_policy: below(random, 50),
        client_time: FileTime(YEAR_2020 + random.number() % FIVE_YEARS),
        cmid_prev: guid(random),
        machine_name: RequestBody::machine_name_of(&name).unwrap_or([0; 128]),
    }
}

/// A right request.
pub(super) fn request(version: Version, random: &mut Random) -> RequestMessage {
    RequestMessage::new(request_body(version, random), random.bytes())
}

/// What is random in an answer of a host.
#[derive(Clone, Copy)]
pub(super) struct Fresh {
    pub(super) salt: Block,
    pub(super) r: Block,
}

impl Fresh {
    pub(super) fn of(random: &mut Random) -> Self {
        Self { salt: random.bytes(), r: random.bytes() }
    }
}

/// An ePID as it travels, the NUL behind it included.
pub(super) fn epid(text: &str) -> SmallVec<[u8; 128]> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

/// A right response of the test host to a request; its ePID may be another one.
pub(super) fn response(request: &RequestMessage, epid: &[u8], fresh: Fresh) -> ResponseMessage {
    let version = request.version().unwrap_or_default();
    let (cmid, client_time) =
        request.body().map_or((Guid::default(), FileTime(0)), |body| (body.cmid, body.client_time));
    let body = ResponseBody {
        version,
        epid: SmallVec::from_slice(epid),
        cmid,
        client_time,
        count: COUNT,
        activation_interval: ACTIVATION_INTERVAL,
        renewal_interval: RENEWAL_INTERVAL,
    };
    let (RequestMessage::Encrypted(asked), 5 | 6) = (request, version.major()) else {
        let mut message = ResponseMessage::V4(V4Response { body, mac: [0; 16], excess: SmallVec::new() });
        seal(&mut message);
        return message;
    };
    let k = asked.decrypted_iv();
    let is_v6 = version.major() == 6;
    let mut r = fresh.r;
    V6.encrypt(&mut r);
    let hwid = HostIdentity::TEST.hwid();
    let mut message = ResponseMessage::Encrypted(EncryptedResponse {
        version,
        iv: if is_v6 { r } else { asked.iv },
        body,
        xored_salt: xor(&fresh.salt, &k),
        hash: salt::hash(&fresh.salt),
        v6: is_v6.then_some(V6Trailer { hwid, xored_ivs: k, hmac: [0; 16] }),
        padding: SmallVec::new(),
        excess: SmallVec::new(),
    });
    seal(&mut message);
    message
}

/// Puts right what closes a response: its MAC, or its HMAC and padding.
pub(super) fn seal(message: &mut ResponseMessage) {
    match message {
        ResponseMessage::V4(v4) => v4.mac = mac::v4(&v4.body.encode()),
        ResponseMessage::Encrypted(encrypted) => {
            sign(encrypted, 0);
            let length = encrypted.body.encode().len() + if encrypted.v6.is_some() { 88 } else { 48 };
            let padding = 16 - length % 16;
            encrypted.padding = SmallVec::from_elem(u8::try_from(padding).unwrap_or_default(), padding);
        }
        ResponseMessage::Other { .. } => {}
    }
}

/// Puts a version 6 response's HMAC there that is right for so many slots away from ClientTime's.
pub(super) fn sign(response: &mut EncryptedResponse, slots_away: i8) {
    let hashed = response.hashed();
    let client_time = response.body.client_time;
    if let Some(v6) = &mut response.v6 {
        v6.hmac = hmac::Keys::default().v6(client_time, slots_away, &hashed);
    }
}

/// A block cipher's IV for a version, so that nothing else depends on which it is.
pub(super) fn decrypted(version: Version, iv: &Block) -> Block {
    let mut block = *iv;
    if version.major() == 5 {
        V5.decrypt(&mut block)
    } else {
        V6.decrypt(&mut block)
    }
    block
}

/// What the test host says in every case.
pub(super) const COUNT: u32 = 50;
pub(super) const ACTIVATION_INTERVAL: u32 = 120;
pub(super) const RENEWAL_INTERVAL: u32 = 10_080;

/// FILETIME of 2020-01-01.
const YEAR_2020: u64 = 132_223_104_000_000_000;
/// In 100 ns.
const FIVE_YEARS: u64 = 5 * 365 * 86_400 * 10_000_000;
