use crate::wire::utf16;

use super::rijndael::BLOCK;
use super::{RequestMessage, ResponseBody, ResponseMessage, cbc, hmac, mac, salt};

/// What became of one verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// It holds.
    Pass,
    /// It does not hold.
    Fail,
    /// It needs the request, which is not there (or could not be opened).
    NoRequest,
    /// The version has no such thing.
    NotApplicable,
}

impl Check {
    fn of(holds: bool) -> Self {
        if holds { Self::Pass } else { Self::Fail }
    }
}

/// Every verification of a request on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestChecks {
    /// The body's version is the one in plain text in front of the IV (v5, v6).
    pub version_envelope: Check,
    /// The MAC is that of the body (v4).
    pub mac: Check,
    /// The padding is `04 04 04 04` (v5, v6).
    pub padding: Check,
}

/// Every verification of a response, the ones a genuine client makes and the ones a tool can add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseChecks {
    /// The body's version is that of the request's body.
    pub version_echo: Check,
    /// The version in front of the IV is that of the request, and that of the body (v5, v6).
    pub version_envelope: Check,
    /// CMID is the request's.
    pub cmid_echo: Check,
    /// ClientTime is the request's.
    pub client_time_echo: Check,
    /// The ePID has one NUL, at its end, and PIDSize counts to just behind it.
    pub pid_size: Check,
    /// The MAC is that of the body (v4).
    pub mac: Check,
    /// The padding is PKCS#7 (v5, v6).
    pub padding: Check,
    /// Hash is that of the salt, unmasked with the request's decrypted IV (v5, v6).
    pub hash: Check,
    /// The IV is the request's (v5).
    pub iv_echo: Check,
    /// The IV is not the request's (v6).
    pub iv_fresh: Check,
    /// XoredIVs is the request's decrypted IV (v6).
    pub xored_ivs: Check,
    /// HMAC is that of one of the three slots that a verifier takes (v6).
    pub hmac: Check,
    /// The slot by which HMAC holds: -1, 0 or 1 slots from ClientTime's.
    pub hmac_slot: Option<i8>,
}

impl RequestChecks {
    /// Verifies a request; `None` where its envelope could not be opened.
    #[must_use]
    pub fn of(request: &RequestMessage) -> Option<Self> {
        Some(match request {
            RequestMessage::V4(request) => Self {
                version_envelope: Check::NotApplicable,
                mac: Check::of(mac::v4(&request.body.encode()) == request.mac),
                padding: Check::NotApplicable,
            },
            RequestMessage::Encrypted(request) => Self {
                version_envelope: Check::of(request.version == request.body.version),
                mac: Check::NotApplicable,
                padding: Check::of(request.padding == [4; 4]),
            },
            RequestMessage::Other { .. } => return None,
        })
    }

    /// The checks by name, in a fixed order.
    #[must_use]
    pub fn by_name(&self) -> [(&'static str, Check); 3] {
        [("version_envelope", self.version_envelope), ("mac", self.mac), ("padding", self.padding)]
    }
}

impl ResponseChecks {
    /// Verifies a response against its request; `None` where the response's envelope could not be opened.
    #[must_use]
    pub fn of(response: &ResponseMessage, request: Option<&RequestMessage>) -> Option<Self> {
        let body = response.body()?;
        let asked = request.and_then(RequestMessage::body);
        let echo = |holds: fn(&ResponseBody, &super::RequestBody) -> bool| match asked {
            Some(asked) => Check::of(holds(body, asked)),
            None => Check::NoRequest,
        };
        let none = Check::NotApplicable;
        let mut checks = Self {
            version_echo: echo(|body, asked| body.version == asked.version),
            version_envelope: none,
            cmid_echo: echo(|body, asked| body.cmid == asked.cmid),
            client_time_echo: echo(|body, asked| body.client_time == asked.client_time),
            pid_size: Check::of(is_terminated_at_its_end(&body.epid)),
            mac: none,
            padding: none,
            hash: none,
            iv_echo: none,
            iv_fresh: none,
            xored_ivs: none,
            hmac: none,
            hmac_slot: None,
        };
        match response {
            ResponseMessage::V4(response) => {
                let mut bytes = Vec::with_capacity(ResponseBody::FIXED_LEN + body.epid.len());
                body.encode_to(&mut bytes);
                checks.mac = Check::of(mac::v4(&bytes) == response.mac);
            }
            ResponseMessage::Encrypted(response) => {
                let asked = match request {
                    Some(RequestMessage::Encrypted(asked)) => Some(asked),
                    _ => None,
                };
                let masked = asked.map(super::EncryptedRequest::decrypted_iv);
                let with_request = |holds: Option<bool>| holds.map_or(Check::NoRequest, Check::of);
                checks.version_envelope = with_request(
                    asked.map(|asked| response.version == asked.version && response.version == body.version),
                );
                checks.padding = Check::of(is_pkcs7(&response.padding));
                checks.hash = with_request(
                    masked.map(|k| salt::hash(&cbc::xor(&response.xored_salt, &k)) == response.hash),
                );
                let same_iv = asked.map(|asked| asked.iv == response.iv);
                if let Some(v6) = &response.v6 {
                    checks.iv_fresh = with_request(same_iv.map(|same| !same));
                    checks.xored_ivs = with_request(masked.map(|k| k == v6.xored_ivs));
                    let iv = response.decrypted_iv();
                    let plaintext = response.hashed_plaintext();
                    checks.hmac_slot = [0, -1, 1]
                        .into_iter()
                        .find(|&slot| hmac::v6(body.client_time, slot, &iv, &plaintext) == v6.hmac);
                    checks.hmac = Check::of(checks.hmac_slot.is_some());
                } else {
                    checks.iv_echo = with_request(same_iv);
                }
            }
            ResponseMessage::Other { .. } => return None,
        }
        Some(checks)
    }

    /// The checks by name, in a fixed order.
    #[must_use]
    pub fn by_name(&self) -> [(&'static str, Check); 12] {
        [
            ("version_echo", self.version_echo),
            ("version_envelope", self.version_envelope),
            ("cmid_echo", self.cmid_echo),
            ("client_time_echo", self.client_time_echo),
            ("pid_size", self.pid_size),
            ("mac", self.mac),
            ("padding", self.padding),
            ("hash", self.hash),
            ("iv_echo", self.iv_echo),
            ("iv_fresh", self.iv_fresh),
            ("xored_ivs", self.xored_ivs),
            ("hmac", self.hmac),
        ]
    }
}

fn is_terminated_at_its_end(epid: &[u8]) -> bool {
    epid.len() >= 2 && epid.len().is_multiple_of(2) && utf16::units_before_nul(epid) == epid.len() / 2 - 1
}

fn is_pkcs7(padding: &[u8]) -> bool {
    (1..=BLOCK).contains(&padding.len()) && padding.iter().all(|&byte| usize::from(byte) == padding.len())
}
