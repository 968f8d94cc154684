use crate::wire::Check;

use super::response_message::Opened;
use super::rijndael::{self, BLOCK};
use super::{RequestBody, RequestMessage, ResponseBody, ResponseMessage, V4Response, hmac, mac, salt};

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

/// Verifies one response after the other, and keeps what they have in common: the keys of version 6.
#[derive(Clone, Debug, Default)]
pub struct Verifier {
    keys: hmac::Keys,
}

/// An exchange decrypted, read and verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedExchange {
    /// The request.
    pub request: RequestMessage,
    /// Its verifications; `None` where its envelope could not be opened.
    pub request_checks: Option<RequestChecks>,
    /// The response.
    pub response: ResponseMessage,
    /// Its verifications; `None` where its envelope could not be opened.
    pub response_checks: Option<ResponseChecks>,
}

impl Verifier {
    /// Verifies a response against its request; `None` where the response's envelope could not be opened.
    #[must_use]
    pub fn verify(
        &mut self,
        response: &ResponseMessage,
        request: Option<&RequestMessage>,
    ) -> Option<ResponseChecks> {
        match response {
            ResponseMessage::V4(v4) => self.checks(response, request, &v4.body.encode()),
            ResponseMessage::Encrypted(v6) if v6.v6.is_some() => self.checks(response, request, &v6.hashed()),
            _ => self.checks(response, request, &[]),
        }
    }

    /// Decrypts, reads and verifies a response: what [`ResponseMessage::decode`] and [`Self::verify`] give, with the
    /// plain text that is there in between.
    #[must_use]
    pub fn open(
        &mut self,
        bytes: &[u8],
        request: Option<&RequestMessage>,
    ) -> (ResponseMessage, Option<ResponseChecks>) {
        let mut plain = Opened::new();
        let response = ResponseMessage::open(bytes, &mut plain);
        let authenticated = authenticated(&response, bytes, &plain);
        let checks = self.checks(&response, request, authenticated);
        (response, checks)
    }

    /// Decrypts, reads and verifies exchanges, each a request and its response, and appends what comes out. The MACs
    /// of version 4 are computed side by side; what the other versions need already runs side by side in each message.
    pub fn open_batch(&mut self, exchanges: &[(&[u8], &[u8])], out: &mut Vec<OpenedExchange>) {
        for exchanges in exchanges.chunks(BATCH) {
            let mut bodies: [&[u8]; 2 * BATCH] = [&[]; 2 * BATCH];
            let first = out.len();
            for (i, &(request_bytes, response_bytes)) in exchanges.iter().enumerate() {
                let mut plain = Opened::new();
                let request = RequestMessage::decode(request_bytes);
                let response = ResponseMessage::open(response_bytes, &mut plain);
                if let RequestMessage::V4(_) = request {
                    bodies[2 * i] = &request_bytes[..RequestBody::LEN];
                }
                let response_checks = match &response {
                    ResponseMessage::V4(response) => {
                        bodies[2 * i + 1] = v4_body(response, response_bytes);
                        None
                    }
                    _ => {
                        let authenticated = authenticated(&response, response_bytes, &plain);
                        self.checks(&response, Some(&request), authenticated)
                    }
                };
                out.push(OpenedExchange { request, request_checks: None, response, response_checks });
            }
            let macs = match bodies {
                _ if bodies.iter().all(|body| body.is_empty()) => [[0; BLOCK]; 2 * BATCH],
                _ => mac::v4_each(bodies),
            };
            for (i, opened) in out[first..].iter_mut().enumerate() {
                let [asked, answered] = [macs[2 * i], macs[2 * i + 1]];
                let holds = matches!(&opened.request, RequestMessage::V4(request) if request.mac == asked);
                opened.request_checks = RequestChecks::with(&opened.request, holds);
                if let ResponseMessage::V4(response) = &opened.response {
                    let (holds, request) = (response.mac == answered, Some(&opened.request));
                    opened.response_checks =
                        ResponseChecks::with(&mut self.keys, &opened.response, request, holds, &[]);
                }
            }
        }
    }

    fn checks(
        &mut self,
        response: &ResponseMessage,
        request: Option<&RequestMessage>,
        authenticated: &[u8],
    ) -> Option<ResponseChecks> {
        let holds =
            matches!(response, ResponseMessage::V4(response) if mac::v4_holds(authenticated, &response.mac));
        ResponseChecks::with(&mut self.keys, response, request, holds, authenticated)
    }
}

/// Exchanges of a batch that are worked on at the same time: two MACs each, and eight of them keep the processor busy.
const BATCH: usize = 4;

/// The bytes that a response's MAC (v4) or HMAC (v6) is about, out of those that it was opened from.
fn authenticated<'a>(response: &ResponseMessage, bytes: &'a [u8], plain: &'a Opened) -> &'a [u8] {
    match response {
        ResponseMessage::V4(response) => v4_body(response, bytes),
        ResponseMessage::Encrypted(response) if response.v6.is_some() => &plain[..response.hashed_len()],
        _ => &[],
    }
}

fn v4_body<'a>(response: &V4Response, bytes: &'a [u8]) -> &'a [u8] {
    &bytes[..ResponseBody::FIXED_LEN + response.body.pid_size()]
}

impl RequestChecks {
    /// Verifies a request; `None` where its envelope could not be opened.
    #[must_use]
    pub fn of(request: &RequestMessage) -> Option<Self> {
        let holds = matches!(request, RequestMessage::V4(v4) if mac::v4_holds(&v4.body.encode(), &v4.mac));
        Self::with(request, holds)
    }

    /// Decrypts, reads and verifies a request: what [`RequestMessage::decode`] and [`Self::of`] give.
    #[must_use]
    pub fn open(bytes: &[u8]) -> (RequestMessage, Option<Self>) {
        let request = RequestMessage::decode(bytes);
        let holds =
            matches!(&request, RequestMessage::V4(v4) if mac::v4_holds(&bytes[..RequestBody::LEN], &v4.mac));
        let checks = Self::with(&request, holds);
        (request, checks)
    }

    /// With what is known of a version 4 request's MAC.
    fn with(request: &RequestMessage, mac_holds: bool) -> Option<Self> {
        Some(match request {
            RequestMessage::V4(_) => Self {
                version_envelope: Check::NotApplicable,
                mac: Check::of(mac_holds),
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
        Verifier::default().verify(response, request)
    }

    /// With what is known of a version 4 response's MAC, and what a version 6 response's HMAC is about.
    fn with(
        keys: &mut hmac::Keys,
        response: &ResponseMessage,
        request: Option<&RequestMessage>,
        mac_holds: bool,
        hashed: &[u8],
    ) -> Option<Self> {
        let body = response.body()?;
        let asked = request.and_then(RequestMessage::body);
        let echo = |holds: fn(&ResponseBody, &RequestBody) -> bool| match asked {
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
            ResponseMessage::V4(_) => checks.mac = Check::of(mac_holds),
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
                    masked.map(|k| salt::hash(&rijndael::xor(&response.xored_salt, &k)) == response.hash),
                );
                let same_iv = asked.map(|asked| asked.iv == response.iv);
                if let Some(v6) = &response.v6 {
                    checks.iv_fresh = with_request(same_iv.map(|same| !same));
                    checks.xored_ivs = with_request(masked.map(|k| k == v6.xored_ivs));
                    checks.hmac_slot = [0, -1, 1]
                        .into_iter()
                        .find(|&slots_away| keys.v6(body.client_time, slots_away, hashed) == v6.hmac);
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
    let (units, odd) = epid.as_chunks::<2>();
    let Some((last, text)) = units.split_last() else { return false };
    // Without a way out early, so that eight units are compared at a time.
    odd.is_empty() && *last == [0; 2] && text.iter().fold(true, |holds, unit| holds & (*unit != [0; 2]))
}

fn is_pkcs7(padding: &[u8]) -> bool {
    (1..=BLOCK).contains(&padding.len())
        && padding.iter().fold(true, |holds, &byte| holds & (usize::from(byte) == padding.len()))
}
