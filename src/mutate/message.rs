//! Changes behind the crypto: a message is opened, its plain text changed, and what stands between computed anew.

use smallvec::SmallVec;

use crate::kms::rijndael::{self, BLOCK, V5, V6};
use crate::kms::{
    EncryptedRequest, EncryptedResponse, HostIdentity, RequestBody, RequestMessage, ResponseBody,
    ResponseMessage, Version, mac, salt,
};
use crate::wire::{FileTime, Guid, Side};

use super::dice::Dice;
use super::field::{self, BEHIND_EPID, REQUEST};
use super::havoc::{self, havoc};
use super::{Changes, Mutator};

/// What is done to a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Its bytes are changed as they stand, encrypted.
    Raw,
    /// One of its verifications is made to fail.
    Broken,
    /// Its plain text is changed as bytes.
    Structure,
    /// The envelope is cut, extended, or its blocks are moved.
    Envelope,
    /// It goes into the envelope of another version.
    Version,
    /// Its fields are changed.
    Fields,
}

impl Way {
    fn choose(dice: &mut Dice) -> Self {
        match dice.below(32) {
            0 => Self::Raw,
            1..=4 => Self::Broken,
            5..=9 => Self::Structure,
            10 | 11 => Self::Envelope,
            12 | 13 => Self::Version,
            _ => Self::Fields,
        }
    }
}

/// A request whose plain text is there to be changed.
struct Request {
    /// In front of the IV.
    version: Version,
    iv: [u8; BLOCK],
    /// The body, and whatever was put into it.
    plain: Vec<u8>,
    excess: Vec<u8>,
}

/// A response whose parts are there to be changed.
struct Response {
    version: Version,
    iv: [u8; BLOCK],
    body: ResponseBody,
    /// PIDSize, where it is not the ePID's length.
    pid_size: Option<u32>,
    /// The request's decrypted IV.
    k: [u8; BLOCK],
    salt: [u8; BLOCK],
    hash: [u8; 32],
    hwid: [u8; 8],
    xored_ivs: [u8; BLOCK],
    /// How far the HMAC's slot is from ClientTime's.
    slots_away: i8,
    excess: Vec<u8>,
}

impl Mutator {
    /// Changes a KMS message of this side: at most `most` bytes come out. A response is repaired as the answer to the
    /// request of [`Self::answering`].
    pub fn message(&mut self, side: Side, message: &mut Vec<u8>, most: usize) -> Changes {
        let changes = match side {
            Side::Client => self.request(message, most),
            Side::Server => self.response(message, most),
        };
        cut_to(message, most, changes)
    }

    /// Changes the plain text of a message, from Version to the body's end: its fields or its bytes. Nothing is repaired.
    pub fn body(&mut self, side: Side, body: &mut Vec<u8>, most: usize) -> Changes {
        let mut changes = Changes::default();
        let has_fields = match side {
            Side::Client => body.len() >= RequestBody::LEN,
            Side::Server => body.len() >= ResponseBody::FIXED_LEN,
        };
        if !has_fields || self.dice.one_in(4) {
            return self.raw_of("body", body, most);
        }
        for _ in 0..self.many() {
            match side {
                Side::Client => {
                    let one = self.dice.below(REQUEST.len());
                    field::change(&mut self.dice, &REQUEST[one], body, &mut changes);
                }
                Side::Server => self.response_body_field(body, &mut changes),
            }
        }
        cut_to(body, most, changes)
    }

    /// Puts parts of another message of this side into this one, and repairs it.
    pub fn cross(&mut self, side: Side, message: &mut Vec<u8>, other: &[u8], most: usize) -> Changes {
        let changes = match side {
            Side::Client => self.cross_requests(message, other),
            Side::Server => self.cross_responses(message, other),
        };
        let changes = changes.unwrap_or_else(|| {
            let mut changes = Changes::default();
            let from = self.dice.below(other.len() + 1);
            let at = self.dice.below(message.len() + 1);
            message.truncate(at);
            message.extend_from_slice(&other[from..]);
            changes.bytes("message", "followed by the end of another", at, other.len() - from);
            changes
        });
        cut_to(message, most, changes)
    }

    /// How many fields to change: mostly one.
    fn many(&mut self) -> usize {
        match self.dice.below(8) {
            0..=4 => 1,
            5 | 6 => 2,
            _ => 3 + self.dice.below(3),
        }
    }

    fn request(&mut self, bytes: &mut Vec<u8>, most: usize) -> Changes {
        let mut changes = Changes::default();
        let way = Way::choose(&mut self.dice);
        let mut request = match RequestMessage::decode(bytes) {
            _ if way == Way::Raw => return self.raw_of("message", bytes, most),
            RequestMessage::Other { .. } if self.dice.one_in(4) => {
                return self.raw_of("message", bytes, most);
            }
            RequestMessage::Other { .. } => {
                changes.done("message", "made of its bytes");
                Request::made(&mut self.dice, bytes)
            }
            opened => Request::of(&opened),
        };
        let mut broken = None;
        match way {
            Way::Broken => {
                if self.dice.one_in(2) {
                    self.request_fields(&mut request, 1, &mut changes);
                }
                broken = Some(match request.version.major() {
                    4 => "mac",
                    _ => self.dice.pick(&["version_envelope", "padding"]),
                });
            }
            Way::Structure => {
                havoc::one(&mut self.dice, "plain text", &mut request.plain, most, &mut changes);
                if self.dice.one_in(2) && request.plain.len() != RequestBody::LEN {
                    request.plain.resize(RequestBody::LEN, 0);
                    changes.done("plain text", "brought to its length");
                }
                // Whatever came of its version, it stands in front too.
                if let Some(raw) = request.plain.first_chunk() {
                    request.version = Version(u32::from_le_bytes(*raw));
                }
            }
            Way::Version => {
                let from = request.version;
                let versions = [Version::V4, Version::V5, Version::V6];
                let to =
                    *versions.iter().filter(|other| **other != from).nth(self.dice.below(2)).unwrap_or(&from);
                request.version = to;
                if let Some(raw) = request.plain.first_chunk_mut() {
                    *raw = to.0.to_le_bytes();
                }
                changes.number("version of the envelope", from.0, to.0);
            }
            Way::Envelope => {}
            _ => {
                let many = self.many();
                self.request_fields(&mut request, many, &mut changes);
            }
        }
        bytes.clear();
        request.seal(&mut self.dice, broken, bytes);
        if let Some(broken) = broken {
            changes.broken_on_purpose(broken);
        }
        if way == Way::Envelope {
            envelope(&mut self.dice, bytes, most, &mut changes);
        }
        changes
    }

    fn request_fields(&mut self, request: &mut Request, many: usize, changes: &mut Changes) {
        if self.dice.one_in(6) && request.plain.len() >= RequestBody::LEN {
            // Several at once: what only two or three values together show.
            for field in &REQUEST {
                if self.dice.one_in(3) {
                    field::set_known(&mut self.dice, field, &mut request.plain, changes);
                }
            }
            return;
        }
        for _ in 0..many {
            let chosen = self.dice.below(REQUEST.len() + 1);
            match REQUEST.get(chosen) {
                Some(one) if request.plain.len() >= RequestBody::LEN => {
                    field::change(&mut self.dice, one, &mut request.plain, changes);
                }
                _ => {
                    request.iv = any_block(&mut self.dice);
                    changes.done("IV", "set");
                }
            }
        }
        if let Some(raw) = request.plain.first_chunk() {
            request.version = Version(u32::from_le_bytes(*raw));
        }
    }

    fn response(&mut self, bytes: &mut Vec<u8>, most: usize) -> Changes {
        let mut changes = Changes::default();
        let way = Way::choose(&mut self.dice);
        let mut response = match ResponseMessage::decode(bytes) {
            _ if way == Way::Raw => return self.raw_of("message", bytes, most),
            ResponseMessage::Other { .. } if self.dice.one_in(4) => {
                return self.raw_of("message", bytes, most);
            }
            ResponseMessage::Other { .. } => {
                changes.done("message", "made of its bytes");
                Response::made(&mut self.dice, bytes)
            }
            opened => Response::of(&mut self.dice, &opened),
        };
        let asked = self.asked.take();
        if let Some(asked) = &asked {
            response.answer(&mut self.dice, asked);
        }
        let mut broken = None;
        match way {
            Way::Broken => {
                if self.dice.one_in(2) {
                    self.response_fields(&mut response, 1, asked.as_deref(), &mut changes);
                }
                broken = Some(self.dice.pick(breakable(response.version, asked.is_some())));
            }
            Way::Structure if self.dice.one_in(3) => {
                let from = response.body.pid_size() as u64;
                let known = [0, 1, 2, 98, 127, 128, 129, 130, 0x1_0000, 0x7fff_ffff, 0xffff_fffe];
                let to = field::other_number(&mut self.dice, from, u32::MAX.into(), &known);
                response.pid_size = u32::try_from(to).ok();
                changes.number("PIDSize", from, to);
            }
            Way::Version => {
                let from = response.version;
                let versions = [Version::V4, Version::V5, Version::V6];
                let to =
                    *versions.iter().filter(|other| **other != from).nth(self.dice.below(2)).unwrap_or(&from);
                (response.version, response.body.version) = (to, to);
                changes.number("version of the envelope", from.0, to.0);
            }
            Way::Structure | Way::Envelope => {}
            _ => {
                let many = self.many();
                self.response_fields(&mut response, many, asked.as_deref(), &mut changes);
            }
        }
        if let Some(broken) = broken {
            response.break_before(&mut self.dice, broken, asked.as_deref());
        }
        bytes.clear();
        let is_changed = way == Way::Structure && changes.is_empty();
        self.seal_response(&response, broken, is_changed.then_some(&mut changes), bytes);
        if let Some(broken) = broken {
            changes.broken_on_purpose(broken);
        }
        if way == Way::Envelope {
            envelope(&mut self.dice, bytes, most, &mut changes);
        }
        self.asked = asked;
        changes
    }

    fn response_fields(
        &mut self,
        response: &mut Response,
        many: usize,
        asked: Option<&RequestMessage>,
        changes: &mut Changes,
    ) {
        let dice = &mut self.dice;
        for _ in 0..many {
            match dice.below(12) {
                0..=4 => {
                    let mut epid = response.body.epid.to_vec();
                    field::epid(dice, &mut epid, changes);
                    response.body.epid = SmallVec::from_vec(epid);
                }
                5 => {
                    response.hwid = dice.pick(&[[0; 8], [0xff; 8], *b"volact\0\0", [1, 2, 3, 4, 5, 6, 7, 8]]);
                    changes.done("HwId", "set");
                }
                6 => {
                    response.salt = any_block(dice);
                    response.hash = salt::hash(&response.salt);
                    changes.done("salt", "set");
                }
                7 if response.version.major() == 6 => {
                    response.iv = any_block(dice);
                    response.keep_fresh(dice, asked);
                    changes.done("IV", "set");
                }
                8 if response.version.major() == 6 => {
                    response.slots_away = dice.pick(&[-1, 1]);
                    changes.done("HMAC", "of a neighbouring slot");
                }
                _ => {
                    // What an answer repeats of its request is right, or left wrong on purpose.
                    let first = if asked.is_some() { 2 } else { 0 };
                    let one = &BEHIND_EPID[first + dice.below(BEHIND_EPID.len() - first)];
                    response.change(dice, one, changes);
                    if asked.is_none() && dice.one_in(6) {
                        let mut raw = response.body.version.0.to_le_bytes();
                        field::change(dice, &REQUEST[0], &mut raw, changes);
                        response.body.version = Version(u32::from_le_bytes(raw));
                        response.version = response.body.version;
                    }
                }
            }
        }
    }

    /// A field of a RESPONSE body, found as its reader finds it.
    fn response_body_field(&mut self, body: &mut Vec<u8>, changes: &mut Changes) {
        let Ok((read, _)) = ResponseBody::parse(body) else {
            // PIDSize is beyond its end: it has no fields but those in front of it.
            let at = 4 * self.dice.below(2);
            let name = ["Version", "PIDSize"][at / 4];
            return field::number(&mut self.dice, name, &mut body[at..at + 4], &[2, 98, 128], changes);
        };
        let behind = 8 + read.pid_size();
        match self.dice.below(8) {
            0 => field::change(&mut self.dice, &REQUEST[0], body, changes),
            1 => field::number(&mut self.dice, "PIDSize", &mut body[4..8], &[0, 1, 2, 98, 128, 130], changes),
            2..=4 => {
                let mut epid = read.epid.to_vec();
                field::epid(&mut self.dice, &mut epid, changes);
                let size = u32::try_from(epid.len()).unwrap_or(u32::MAX);
                body[4..8].copy_from_slice(&size.to_le_bytes());
                body.splice(8..behind, epid);
            }
            _ => {
                let one = &BEHIND_EPID[self.dice.below(BEHIND_EPID.len())];
                field::change(&mut self.dice, one, &mut body[behind..], changes);
            }
        }
    }

    fn cross_requests(&mut self, message: &mut Vec<u8>, other: &[u8]) -> Option<Changes> {
        let (mine, theirs) = (RequestMessage::decode(message), RequestMessage::decode(other));
        let theirs = theirs.body()?.encode();
        mine.body()?;
        let mut request = Request::of(&mine);
        let mut changes = Changes::default();
        for field in &REQUEST[1..] {
            if self.dice.one_in(3) {
                let place = field.offset..field.offset + field.length;
                request.plain[place.clone()].copy_from_slice(&theirs[place]);
                changes.done(field.name, "taken from another message");
            }
        }
        message.clear();
        request.seal(&mut self.dice, None, message);
        Some(changes)
    }

    fn cross_responses(&mut self, message: &mut Vec<u8>, other: &[u8]) -> Option<Changes> {
        let (mine, theirs) = (ResponseMessage::decode(message), ResponseMessage::decode(other));
        let body = theirs.body()?;
        mine.body()?;
        let mut response = Response::of(&mut self.dice, &mine);
        let asked = self.asked.take();
        if let Some(asked) = &asked {
            response.answer(&mut self.dice, asked);
        }
        let mut changes = Changes::default();
        if self.dice.one_in(2) {
            response.body.epid = body.epid.clone();
            changes.done("ePID", "taken from another message");
        }
        if self.dice.one_in(2) {
            response.body.count = body.count;
            changes.done("Count", "taken from another message");
        }
        if self.dice.one_in(2) {
            response.body.activation_interval = body.activation_interval;
            response.body.renewal_interval = body.renewal_interval;
            changes.done("intervals", "taken from another message");
        }
        if let ResponseMessage::Encrypted(EncryptedResponse { v6: Some(v6), .. }) = &theirs {
            response.hwid = v6.hwid;
            changes.done("HwId", "taken from another message");
        }
        message.clear();
        self.seal_response(&response, None, None, message);
        self.asked = asked;
        Some(changes)
    }

    /// Appends a response's bytes. Its plain text is changed in between where `changes` are given.
    fn seal_response(
        &mut self,
        response: &Response,
        broken: Option<&'static str>,
        changes: Option<&mut Changes>,
        out: &mut Vec<u8>,
    ) {
        let Response { version, body, salt, k, .. } = response;
        // What the HMAC is about: R, and all in front of it.
        let mut plain = Vec::with_capacity(320);
        let r = salt::decrypt_iv(*version, &response.iv).unwrap_or_default();
        plain.extend_from_slice(&r);
        plain.extend_from_slice(&body.encode());
        if let Some(pid_size) = response.pid_size {
            plain[BLOCK + 4..BLOCK + 8].copy_from_slice(&pid_size.to_le_bytes());
        }
        let major = version.major();
        if major != 4 {
            plain.extend_from_slice(&rijndael::xor(salt, k));
            plain.extend_from_slice(&response.hash);
        }
        if !matches!(major, 4 | 5) {
            plain.extend_from_slice(&response.hwid);
            plain.extend_from_slice(&response.xored_ivs);
        }
        if let Some(changes) = changes {
            let mut behind_r = plain.split_off(BLOCK);
            havoc::one(&mut self.dice, "plain text", &mut behind_r, 4096, changes);
            plain.append(&mut behind_r);
        }
        let wrong = 1 << self.dice.below(8);
        let wrong_at = self.dice.below(BLOCK);
        if major == 4 {
            let mut mac = mac::v4(&plain[BLOCK..]);
            if broken == Some("mac") {
                mac[wrong_at] ^= wrong;
            }
            out.extend_from_slice(&plain[BLOCK..]);
            out.extend_from_slice(&mac);
            out.extend_from_slice(&response.excess);
            return;
        }
        if major != 5 {
            let mut hmac = self.keys.v6(body.client_time, response.slots_away, &plain);
            if broken == Some("hmac") && response.slots_away.unsigned_abs() < 2 {
                hmac[wrong_at] ^= wrong;
            }
            plain.extend_from_slice(&hmac);
        }
        out.extend_from_slice(&version.0.to_le_bytes());
        out.extend_from_slice(&response.iv);
        out.extend_from_slice(&plain[BLOCK..]);
        pad(&mut self.dice, broken == Some("padding"), 4 + BLOCK, out);
        encrypt(major, &response.iv, &mut out[4 + BLOCK..]);
        out.extend_from_slice(&response.excess);
    }
}

impl Request {
    fn of(opened: &RequestMessage) -> Self {
        let plain = opened.body().map_or_else(Vec::new, |body| body.encode().to_vec());
        let (version, iv, excess) = match opened {
            RequestMessage::Encrypted(EncryptedRequest { version, iv, excess, .. }) => {
                (*version, *iv, excess)
            }
            RequestMessage::V4(v4) => (v4.body.version, [0; BLOCK], &v4.excess),
            RequestMessage::Other { .. } => (Version::V6, [0; BLOCK], &SmallVec::new()),
        };
        Self { version, iv, plain, excess: excess.to_vec() }
    }

    /// A request of a version that there is, with these bytes as its fields.
    fn made(dice: &mut Dice, bytes: &[u8]) -> Self {
        let version = dice.pick(&[Version::V4, Version::V5, Version::V6]);
        let mut plain = bytes[..bytes.len().min(RequestBody::LEN)].to_vec();
        plain.resize(RequestBody::LEN, 0);
        plain[..4].copy_from_slice(&version.0.to_le_bytes());
        Self { version, iv: dice.block(), plain, excess: Vec::new() }
    }

    fn seal(&self, dice: &mut Dice, broken: Option<&'static str>, out: &mut Vec<u8>) {
        let begin = out.len();
        let major = self.version.major();
        if major == 4 {
            let mut mac = mac::v4(&self.plain);
            if broken == Some("mac") {
                match dice.below(4) {
                    0 => mac = [0; BLOCK],
                    1 => mac.reverse(),
                    _ => mac[dice.below(BLOCK)] ^= 1 << dice.below(8),
                }
            }
            out.extend_from_slice(&self.plain);
            out.extend_from_slice(&mac);
            return out.extend_from_slice(&self.excess);
        }
        let mut front = self.version.0;
        out.extend_from_slice(&front.to_le_bytes());
        out.extend_from_slice(&self.iv);
        out.extend_from_slice(&self.plain);
        let body = begin + 4 + BLOCK;
        if broken == Some("version_envelope") {
            // The same cipher opens it: the minor number in front, or any in the body.
            if dice.one_in(2) {
                front ^= 1 << dice.below(16);
                out[begin..begin + 4].copy_from_slice(&front.to_le_bytes());
            } else if let Some(raw) = out.get_mut(body..body + 4) {
                let other = dice.pick(&[Version::V4.0, Version::V5.0, Version::V6.0, 7 << 16, 0, u32::MAX]);
                let other = if other == front { front ^ 1 } else { other };
                raw.copy_from_slice(&other.to_le_bytes());
            }
        }
        pad(dice, broken == Some("padding"), body, out);
        encrypt(major, &self.iv, &mut out[body..]);
        out.extend_from_slice(&self.excess);
    }
}

impl Response {
    fn of(dice: &mut Dice, opened: &ResponseMessage) -> Self {
        let new_salt = |dice: &mut Dice| dice.block();
        match opened {
            ResponseMessage::Encrypted(response) => {
                let decrypted = response.decrypted_iv();
                let k = response.v6.map_or(decrypted, |v6| v6.xored_ivs);
                Self {
                    version: response.version,
                    iv: response.iv,
                    body: response.body.clone(),
                    pid_size: None,
                    k,
                    salt: rijndael::xor(&response.xored_salt, &k),
                    hash: response.hash,
                    hwid: response.v6.map_or(HostIdentity::TEST.hwid(), |v6| v6.hwid),
                    xored_ivs: k,
                    slots_away: 0,
                    excess: response.excess.to_vec(),
                }
            }
            ResponseMessage::V4(response) => {
                let salt = new_salt(dice);
                Self::with(dice, response.body.clone(), salt, response.excess.to_vec())
            }
            ResponseMessage::Other { bytes, .. } => Self::made(dice, bytes),
        }
    }

    fn with(dice: &mut Dice, body: ResponseBody, salt: [u8; BLOCK], excess: Vec<u8>) -> Self {
        let iv = dice.block();
        let k = salt::decrypt_iv(body.version, &iv).unwrap_or_default();
        Self {
            version: body.version,
            iv,
            body,
            pid_size: None,
            k,
            salt,
            hash: salt::hash(&salt),
            hwid: HostIdentity::TEST.hwid(),
            xored_ivs: k,
            slots_away: 0,
            excess,
        }
    }

    /// A response of the test host with these bytes where a host is free.
    fn made(dice: &mut Dice, bytes: &[u8]) -> Self {
        let at = |i: usize| bytes.get(i).copied().unwrap_or(0);
        let word = |i: usize| u32::from_le_bytes(std::array::from_fn(|j| at(i + j)));
        let body = ResponseBody {
            version: dice.pick(&[Version::V4, Version::V5, Version::V6]),
            epid: SmallVec::from_slice(HostIdentity::TEST.epid()),
            cmid: Guid::from_wire(std::array::from_fn(at)),
            client_time: FileTime(u64::from(word(16)) << 32 | u64::from(word(20))),
            count: word(24),
            activation_interval: word(28),
            renewal_interval: word(32),
        };
        let salt = dice.block();
        Self::with(dice, body, salt, Vec::new())
    }

    /// Makes it the right answer to a request.
    fn answer(&mut self, dice: &mut Dice, asking: &RequestMessage) {
        let Some(asked) = asking.body() else { return };
        let version = asked.version;
        (self.version, self.body.version) = (version, version);
        (self.body.cmid, self.body.client_time) = (asked.cmid, asked.client_time);
        let RequestMessage::Encrypted(request) = asking else { return };
        self.k = request.decrypted_iv();
        self.xored_ivs = self.k;
        self.hash = salt::hash(&self.salt);
        if version.major() == 5 {
            self.iv = request.iv;
        }
        self.keep_fresh(dice, Some(asking));
    }

    /// Takes another IV where it is the request's, which only version 5 repeats.
    fn keep_fresh(&mut self, dice: &mut Dice, request: Option<&RequestMessage>) {
        if let Some(RequestMessage::Encrypted(request)) = request
            && self.version.major() != 5
            && self.iv == request.iv
        {
            self.iv = dice.block();
        }
    }

    fn change(&mut self, dice: &mut Dice, field: &field::Field, changes: &mut Changes) {
        let body = &mut self.body;
        let mut raw = [0; 36];
        raw[..16].copy_from_slice(&body.cmid.to_wire());
        raw[16..24].copy_from_slice(&body.client_time.0.to_le_bytes());
        raw[24..28].copy_from_slice(&body.count.to_le_bytes());
        raw[28..32].copy_from_slice(&body.activation_interval.to_le_bytes());
        raw[32..].copy_from_slice(&body.renewal_interval.to_le_bytes());
        field::change(dice, field, &mut raw, changes);
        let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| raw[at + i]));
        body.cmid = Guid::from_wire(std::array::from_fn(|i| raw[i]));
        body.client_time = FileTime(u64::from(word(20)) << 32 | u64::from(word(16)));
        (body.count, body.activation_interval, body.renewal_interval) = (word(24), word(28), word(32));
    }

    /// What is to fail and is made wrong before the rest is computed.
    fn break_before(&mut self, dice: &mut Dice, broken: &str, request: Option<&RequestMessage>) {
        match broken {
            "version_echo" => self.body.version.0 ^= 1 << dice.below(16),
            "version_envelope" => self.version.0 ^= 1 << dice.below(16),
            "cmid_echo" => {
                let mut wire = self.body.cmid.to_wire();
                wire[dice.below(16)] ^= 1 << dice.below(8);
                self.body.cmid = Guid::from_wire(wire);
            }
            "client_time_echo" => self.body.client_time.0 ^= 1 << dice.below(64),
            "pid_size" => match dice.below(4) {
                0 => self.body.epid.clear(),
                1 => self.body.epid.extend_from_slice(&[0; 4]),
                2 => self.body.epid.resize(self.body.epid.len() | 1, 0),
                _ => {
                    let end = self.body.epid.len().saturating_sub(2);
                    self.body.epid.truncate(end);
                    self.body.epid.extend_from_slice(&[b'0', 0]);
                }
            },
            "hash" => self.hash[dice.below(32)] ^= 1 << dice.below(8),
            "iv_echo" => self.iv[dice.below(BLOCK)] ^= 1 << dice.below(8),
            "iv_fresh" => {
                if let Some(RequestMessage::Encrypted(request)) = request {
                    self.iv = request.iv;
                }
            }
            "xored_ivs" => self.xored_ivs[dice.below(BLOCK)] ^= 1 << dice.below(8),
            "hmac" if dice.one_in(2) => self.slots_away = dice.pick(&[-2, 2, 3, -100]),
            _ => {}
        }
    }
}

/// The verifications that can be made to fail alone.
fn breakable(version: Version, is_answer: bool) -> &'static [&'static str] {
    match (version.major(), is_answer) {
        (4, true) => &["version_echo", "cmid_echo", "client_time_echo", "pid_size", "mac"],
        (4, false) => &["pid_size", "mac"],
        (5, true) => {
            &["version_envelope", "cmid_echo", "client_time_echo", "pid_size", "padding", "hash", "iv_echo"]
        }
        (5, false) => &["pid_size", "padding"],
        (_, true) => &[
            "version_envelope",
            "cmid_echo",
            "client_time_echo",
            "pid_size",
            "padding",
            "hash",
            "iv_fresh",
            "xored_ivs",
            "hmac",
        ],
        (_, false) => &["pid_size", "padding", "hmac"],
    }
}

/// Pads what stands from `from` on to whole blocks (PKCS#7), or wrongly.
fn pad(dice: &mut Dice, is_wrong: bool, from: usize, out: &mut Vec<u8>) {
    let padding = BLOCK - (out.len() - from) % BLOCK;
    let value = u8::try_from(padding).unwrap_or_default(); // at most 16
    out.resize(out.len() + padding, value);
    if is_wrong {
        let end = out.len();
        match dice.below(5) {
            0 => out[end - padding..].fill(0),
            1 => out[end - padding..].fill(0xff),
            2 => out[end - padding..].fill(value + 1),
            3 => out[end - 1] = 17 + dice.byte() % 200,
            _ => out[end - padding] ^= 1 << dice.below(8),
        }
    }
}

fn encrypt(major: u16, iv: &[u8; BLOCK], bytes: &mut [u8]) {
    match major {
        5 => V5.cbc_encrypt(iv, bytes),
        _ => V6.cbc_encrypt(iv, bytes),
    }
}

fn any_block(dice: &mut Dice) -> [u8; BLOCK] {
    match dice.below(4) {
        0 => [0; BLOCK],
        1 => [0xff; BLOCK],
        _ => dice.block(),
    }
}

/// Cuts an envelope, extends it, moves its blocks.
fn envelope(dice: &mut Dice, bytes: &mut Vec<u8>, most: usize, changes: &mut Changes) {
    const PART: &str = "envelope";
    let length = bytes.len();
    match dice.below(8) {
        0 => {
            let to = dice.below(length + 1);
            bytes.truncate(to);
            changes.bytes(PART, "left", 0, to);
        }
        1 | 2 => {
            let to =
                dice.pick(&[0, 3, 4, 19, 20, 36, 251, 252, 253, 255, 256, 259, length.saturating_sub(1)]);
            bytes.truncate(to);
            changes.bytes(PART, "left", 0, to.min(length));
        }
        3 | 4 => {
            let more = dice.pick(&[1, 4, 8, 15, 16, 17, 32, 64]);
            bytes.extend((0..more).map(|_| dice.byte()));
            changes.bytes(PART, "added", length, more);
        }
        5 if length > 4 + 2 * BLOCK => {
            let at = 4 + BLOCK * dice.below((length - 4) / BLOCK);
            bytes.drain(at..at + BLOCK);
            changes.bytes(PART, "removed", at, BLOCK);
        }
        6 if length > 4 + 2 * BLOCK => {
            let at = 4 + BLOCK * dice.below((length - 4) / BLOCK);
            let copy = bytes[at..at + BLOCK].to_vec();
            bytes.splice(at..at, copy);
            changes.bytes(PART, "repeated", at, BLOCK);
        }
        7 if length <= most / 2 => {
            bytes.extend_from_within(..);
            changes.bytes(PART, "repeated", 0, length);
        }
        _ => changes.extend(havoc(dice, PART, bytes, most)),
    }
}

/// Cuts what is longer than it may be.
pub(super) fn cut_to(bytes: &mut Vec<u8>, most: usize, mut changes: Changes) -> Changes {
    if bytes.len() > most {
        bytes.truncate(most);
        changes.bytes("all", "left of what is too long", 0, most);
    }
    changes
}
