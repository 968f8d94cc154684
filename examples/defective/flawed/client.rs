use volact::kms::rijndael::{self, Block, V5, V6};
use volact::kms::{hmac, mac, salt};
use volact::rpc::SyntaxId;
use volact::wire::{FileTime, utf16};

use super::bytes::{BIND_ACK, FAULT, FIRST, HEADER, LAST, RESPONSE, array_at, size, u16_at, u32_at, u64_at};
use super::{Defect, Defects};

/// The client's side of a connection: what it asks and what it receives goes in, what it makes of the answer comes out.
pub struct Client {
    defects: Defects,
    received: Vec<u8>,
    heard: usize,
    /// Whether NDR64 was agreed on, once something was.
    is_ndr64: Option<bool>,
    asked: Option<Asked>,
    epid: [u8; EPID_MAX],
    /// How often an answer's HMAC was of the slot before ours, of ours, of the one behind it.
    drift: [u32; 3],
    keys: hmac::Keys,
    verdict: Verdict,
}

/// What becomes of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is no answer yet.
    Waiting,
    /// The call failed with this status.
    Fault(u32),
    /// The host refuses, with this HRESULT.
    Refused(u32),
    /// The answer is not to be trusted.
    Wrong(&'static str),
    /// The host's ePID.
    Activated(String),
}

/// What an answer is held against.
struct Asked {
    version: u16,
    /// As it stands in the request; zero in version 4.
    iv: Block,
    k: Block,
    cmid: [u8; 16],
    client_time: u64,
}

const EPID_MAX: usize = 128;
/// A body's bytes behind the ePID.
const BEHIND_EPID: usize = 36;

impl Client {
    /// A client that has these defects.
    pub fn new(defects: Defects) -> Self {
        Self {
            defects,
            received: Vec::new(),
            heard: 0,
            is_ndr64: None,
            asked: None,
            epid: [0; EPID_MAX],
            drift: [0; 3],
            keys: hmac::Keys::default(),
            verdict: Verdict::Waiting,
        }
    }

    /// What became of it so far.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Whether NDR64 was agreed on; none before a bind_ack.
    pub fn is_ndr64(&self) -> Option<bool> {
        self.is_ndr64
    }

    /// PDUs that it received.
    pub fn heard(&self) -> usize {
        self.heard
    }

    /// Remembers what it sends, where that is a whole, little-endian request.
    pub fn says(&mut self, pdu: &[u8]) {
        if pdu.len() < 40 || pdu[2] != 0 {
            return;
        }
        let is_narrow = u32_at(pdu, 24, false) == u32_at(pdu, 28, false);
        let message = if is_narrow { &pdu[32..] } else { &pdu[40..] };
        self.asked = Asked::read(message);
    }

    /// Takes what it receives.
    pub fn take(&mut self, received: &[u8]) {
        self.received.extend_from_slice(received);
        while self.received.len() >= HEADER && self.verdict == Verdict::Waiting {
            let is_big = self.received[4] >> 4 == 0;
            let length = usize::from(u16_at(&self.received, 8, is_big));
            if self.received[0] != 5 || length < HEADER {
                self.verdict = Verdict::Wrong("it is no PDU");
                return;
            }
            if self.received.len() < length {
                return;
            }
            let pdu: Vec<u8> = self.received.drain(..length).collect();
            self.heard += 1;
            if let Err(verdict) = self.pdu(&pdu, is_big) {
                self.verdict = verdict;
            }
        }
    }

    fn pdu(&mut self, pdu: &[u8], is_big: bool) -> Result<(), Verdict> {
        match pdu[2] {
            BIND_ACK => {
                self.is_ndr64 = Some(accepted(pdu, is_big).ok_or(Verdict::Wrong("nothing was accepted"))?)
            }
            RESPONSE => self.verdict = Verdict::Activated(self.response(pdu, is_big)?),
            FAULT if pdu.len() >= 28 => return Err(Verdict::Fault(u32_at(pdu, 24, is_big))),
            _ => return Err(Verdict::Wrong("nobody asked for it")),
        }
        Ok(())
    }

    fn response(&mut self, pdu: &[u8], is_big: bool) -> Result<String, Verdict> {
        let is_whole = pdu[3] & (FIRST | LAST) == FIRST | LAST;
        let (Some(is_ndr64), true) = (self.is_ndr64, is_whole && pdu.len() >= 24) else {
            return Err(Verdict::Wrong("it cannot be read"));
        };
        let asked = self.asked.take().ok_or(Verdict::Wrong("nobody asked for it"))?;
        let message = data(&pdu[24..], is_ndr64, is_big)?;
        if message.len() < 4 || u16_at(message, 2, false) != asked.version {
            return Err(Verdict::Wrong("its version is another one"));
        }
        let body = match asked.version {
            4 => opened_v4(message),
            5 => opened_v5(message, &asked),
            _ => self.opened_v6(message, &asked),
        };
        let body = body.ok_or(Verdict::Wrong("its integrity is broken"))?;
        self.read(&body, &asked).ok_or(Verdict::Wrong("it answers something else"))
    }

    fn opened_v6(&mut self, message: &[u8], asked: &Asked) -> Option<Vec<u8>> {
        let mut plain = vec![0; whole_blocks(message)?];
        V6.cbc_decrypt_to(&[0; 16], &message[4..], &mut plain);
        let plain = unpadded(&plain)?;
        let end = 16 + body_len(plain.get(16..)?)?;
        if plain.len() != end + 16 + 32 + 8 + 16 + 16 {
            return None;
        }
        let (hashed, sent) = plain.split_at(plain.len() - 16);
        let mut keys = |slot| self.keys.v6(FileTime(asked.client_time), slot, hashed);
        let found = [-1, 0, 1].into_iter().position(|slot| keys(slot)[..] == *sent)?;
        // Our clock is behind that of the host, or before it.
        let slots = if self.defects.have(Defect::HmacSlot) { 2 } else { 3 };
        self.drift[..slots][found] += 1;
        let salt = rijndael::xor(&array_at(plain, end), &asked.k);
        let is_right =
            salt::hash(&salt)[..] == plain[end + 16..end + 48] && asked.k[..] == plain[end + 56..end + 72];
        is_right.then(|| plain[16..end].to_vec())
    }

    /// The ePID of a body whose integrity has been proved.
    fn read(&mut self, body: &[u8], asked: &Asked) -> Option<String> {
        let size = size(u32_at(body, 4, false).into());
        if size < 2 || !size.is_multiple_of(2) {
            return None;
        }
        if !self.defects.have(Defect::Epid) && size > EPID_MAX {
            return None;
        }
        self.epid[..size].copy_from_slice(&body[8..8 + size]);
        let behind = &body[8 + size..];
        let is_right = u16_at(body, 2, false) == asked.version
            && behind[..16] == asked.cmid
            && u64_at(behind, 16, false) == asked.client_time;
        is_right.then(|| utf16::until_nul(&self.epid[..size]))
    }
}

impl Asked {
    fn read(message: &[u8]) -> Option<Self> {
        let version = message.get(..4).map(|version| u16_at(version, 2, false))?;
        let (mut plain, mut iv) = (vec![0; 16], [0; 16]);
        match version {
            4 => plain.extend(message.get(..236)?),
            5 | 6 if message.len() >= 260 => {
                iv = array_at(message, 4);
                plain.resize(256, 0);
                if version == 5 {
                    V5.cbc_decrypt_to(&[0; 16], &message[4..260], &mut plain);
                } else {
                    V6.cbc_decrypt_to(&[0; 16], &message[4..260], &mut plain);
                }
            }
            _ => return None,
        }
        let client_time = u64_at(&plain, 16 + 84, false);
        Some(Self { version, iv, k: array_at(&plain, 0), cmid: array_at(&plain, 16 + 64), client_time })
    }
}

/// Whether NDR64 is among what a bind_ack accepts: the client calls in that context then, also where NDR32 is taken as well.
fn accepted(pdu: &[u8], is_big: bool) -> Option<bool> {
    let address = usize::from(u16_at(pdu.get(24..26)?, 0, is_big));
    let results = pdu.get((26 + address).next_multiple_of(4)..)?;
    let (&count, results) = results.split_first()?;
    let results = results.get(3..)?.chunks_exact(24).take(count.into());
    let mut taken = results.into_iter().filter(|result| result[..2] == [0, 0]).peekable();
    taken.peek()?;
    let ndr64 = if is_big { SyntaxId::NDR64.uuid.to_wire_be() } else { SyntaxId::NDR64.uuid.to_wire() };
    Some(taken.any(|result| result[4..20] == ndr64))
}

/// The data of a response's stub.
fn data(stub: &[u8], is_ndr64: bool, is_big: bool) -> Result<&[u8], Verdict> {
    let wide = if is_ndr64 { 8 } else { 4 };
    let count = |at| if is_ndr64 { u64_at(stub, at, is_big) } else { u32_at(stub, at, is_big).into() };
    if stub.len() < 2 * wide + 4 {
        return Err(Verdict::Wrong("its stub is cut"));
    }
    if count(wide) == 0 {
        return Err(Verdict::Refused(u32_at(stub, 2 * wide, is_big)));
    }
    let told = size(u32_at(stub, 0, is_big).into());
    let data = stub.get(3 * wide..).and_then(|data| data.get(..told));
    match data {
        Some(data) if count(2 * wide) == told as u64 => Ok(data),
        _ => Err(Verdict::Wrong("its stub is cut")),
    }
}

fn opened_v4(message: &[u8]) -> Option<Vec<u8>> {
    let end = body_len(message)?;
    let (body, sent) = message.split_at_checked(end)?;
    (mac::v4(body)[..] == *sent).then(|| body.to_vec())
}

fn opened_v5(message: &[u8], asked: &Asked) -> Option<Vec<u8>> {
    let mut plain = vec![0; whole_blocks(message)?];
    V5.cbc_decrypt_to(&[0; 16], &message[4..], &mut plain);
    let plain = unpadded(plain.get(16..)?)?;
    let end = body_len(plain)?;
    if message[4..20] != asked.iv || plain.len() != end + 16 + 32 {
        return None;
    }
    let salt = rijndael::xor(&array_at(plain, end), &asked.k);
    (salt::hash(&salt)[..] == plain[end + 16..]).then(|| plain[..end].to_vec())
}

/// Bytes behind Version, which are blocks.
fn whole_blocks(message: &[u8]) -> Option<usize> {
    let length = message.len() - 4;
    length.is_multiple_of(16).then_some(length)
}

/// Bytes of a body, which are there.
fn body_len(plain: &[u8]) -> Option<usize> {
    let told = plain.get(4..8).map(|told| size(u32_at(told, 0, false).into()))?;
    let end = 8 + told + BEHIND_EPID;
    (end <= plain.len()).then_some(end)
}

/// PKCS#7 taken off.
fn unpadded(plain: &[u8]) -> Option<&[u8]> {
    let count = usize::from(*plain.last()?);
    let (rest, padding) = plain.split_at_checked(plain.len().checked_sub(count)?)?;
    let is_right = (1..=16).contains(&count) && padding.iter().all(|&byte| usize::from(byte) == count);
    is_right.then_some(rest)
}
