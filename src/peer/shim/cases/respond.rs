use crate::conformance::Level;
use crate::kms::{Check, HostIdentity, Policy, RequestMessage, Verifier, Version};
use crate::wire::{FileTime, Guid, Random};

use super::super::case::{Case, Script, is_value};
use super::super::contract::{Fields, Query, Value};
use super::AGREED;
use super::messages::{
    ACTIVATION_INTERVAL, COUNT, Fresh, RENEWAL_INTERVAL, epid, flip, place, request, response,
};

/// A host's answers, fixed to the byte by what is random in them.
pub(super) const CASES: &[Case] = &[
    Case {
        id: "SHIM-V4-RESPOND",
        title: "A version 4 request is answered",
        tags: &["v4", "mac"],
        script: |random| answered(Version::V4, 49, random),
        ..ANSWER
    },
    Case {
        id: "SHIM-V5-RESPOND",
        title: "A version 5 request is answered; a part of a block is padding",
        tags: &["v5", "padding"],
        script: |random| answered(Version::V5, 45, random),
        ..ANSWER
    },
    Case {
        id: "SHIM-V6-RESPOND",
        title: "A version 6 request is answered; a part of a block is padding",
        tags: &["v6", "padding"],
        script: |random| answered(Version::V6, 49, random),
        ..ANSWER
    },
    Case {
        id: "SHIM-V4-RESPOND-MAC-PART",
        title: "A version 4 request is answered whose answer's body ends inside of a block",
        tags: &["v4", "mac"],
        script: |random| answered(Version::V4, 48, random),
        ..ANSWER
    },
    Case {
        id: "SHIM-V5-RESPOND-PADDING-BLOCK",
        title: "A version 5 request is answered; a whole block is padding",
        tags: &["v5", "padding"],
        script: |random| answered(Version::V5, 49, random),
        ..ANSWER
    },
    Case {
        id: "SHIM-V6-RESPOND-PADDING-BLOCK",
        title: "A version 6 request is answered; a whole block is padding",
        tags: &["v6", "padding"],
        script: |random| answered(Version::V6, 45, random),
        ..ANSWER
    },
    Case {
        id: "SHIM-V5-RESPOND-PADDING-TWO",
        title: "A version 5 request is answered; two bytes are padding, the fewest there can be",
        tags: &["v5", "padding"],
        script: |random| answered(Version::V5, 48, random),
        ..ANSWER
    },
    Case {
        id: "SHIM-RESPOND-CLOCK-EDGE",
        title: "A clock that is off by just what it may be is answered",
        authority: "Microsoft's description of c004f06c: clocks may differ by four hours",
        tags: &["v6", "clock"],
        script: |random| {
            let facts = Facts { clock_ahead: FOUR_HOURS, ..Facts::default() };
            answered_by(Version::V6, &facts, random)
        },
        ..ANSWER
    },
    Case {
        id: "SHIM-RESPOND-CLOCK-NO-LIMIT",
        title: "Any clock is answered where there is no limit",
        tags: &["v4", "clock"],
        script: |random| {
            let facts = Facts { clock_ahead: 1000 * FOUR_HOURS, max_clock_skew: 0, ..Facts::default() };
            answered_by(Version::V4, &facts, random)
        },
        ..ANSWER
    },
    Case {
        id: "SHIM-RESPOND-CLOCK-AHEAD",
        title: "A host whose clock is too far ahead refuses",
        authority: "Microsoft's description of c004f06c: clocks may differ by four hours",
        tags: &["v6", "clock"],
        script: |random| {
            let facts = Facts { clock_ahead: FOUR_HOURS + 1, ..Facts::default() };
            let request = request(Version::V6, random);
            Script::hresult(asked(&request, &request.encode(), &facts, random).0, 0xc004_f06c)
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-RESPOND-CLOCK-BEHIND",
        title: "A host whose clock is too far behind refuses",
        authority: "Microsoft's description of c004f06c: clocks may differ by four hours",
        tags: &["v5", "clock"],
        script: |random| {
            let facts = Facts { clock_behind: FOUR_HOURS + 1, ..Facts::default() };
            let request = request(Version::V5, random);
            Script::hresult(asked(&request, &request.encode(), &facts, random).0, 0xc004_f06c)
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-RESPOND-PRODUCT-OTHER",
        title: "A product that the host has no key for is refused",
        authority: "observed: vlmcsd -K1, captures/vlmcs_vlmcsd_err_whitelist_K1.pcap",
        tags: &["v6", "product"],
        script: |random| {
            let facts = Facts { product: Some(Guid::from_wire(random.bytes())), ..Facts::default() };
            let request = request(Version::V6, random);
            Script::hresult(asked(&request, &request.encode(), &facts, random).0, 0xc004_f042)
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-RESPOND-PRODUCT-KNOWN",
        title: "The product that the host has a key for is answered",
        tags: &["v5", "product"],
        script: |random| {
            let request = request(Version::V5, random);
            let facts = Facts { product: request.body().map(|body| body.kms_id), ..Facts::default() };
            answer_to(&request, &facts, random)
        },
        ..ANSWER
    },
    Case {
        id: "SHIM-RESPOND-VERSION-7",
        title: "A version that there is not is refused",
        tags: &["version", "hostile"],
        script: |random| malformed(Version::V6, random, |_, bytes| bytes[2] = 7),
        ..REFUSE
    },
    Case {
        id: "SHIM-V4-RESPOND-MAC-WRONG",
        title: "A request whose MAC is wrong is refused",
        tags: &["v4", "mac"],
        script: |random| malformed(Version::V4, random, |random, bytes| flip(&mut bytes[236..], random)),
        ..REFUSE
    },
    Case {
        id: "SHIM-V6-RESPOND-PADDING-WRONG",
        title: "A request whose padding is wrong is refused",
        tags: &["v6", "padding"],
        script: |random| {
            let mut message = request(Version::V6, random);
            if let RequestMessage::Encrypted(encrypted) = &mut message {
                flip(&mut encrypted.padding, random);
            }
            let bytes = message.encode();
            Script::hresult(asked(&message, &bytes, &Facts::default(), random).0, MALFORMED)
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-V5-RESPOND-SHORT",
        title: "A request without its last bytes is refused",
        tags: &["v5", "length", "hostile"],
        script: |random| {
            malformed(Version::V5, random, |random, bytes| {
                bytes.truncate(bytes.len() - 1 - place(random, 16));
            })
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-RESPOND-EMPTY",
        title: "A request of no bytes is refused",
        tags: &["length", "hostile"],
        script: |random| malformed(Version::V4, random, |_, bytes| bytes.clear()),
        ..REFUSE
    },
];

const ANSWER: Case = Case {
    id: "",
    title: "",
    group: "respond",
    level: Level::Must,
    authority: AGREED,
    asked: "A right request is given, what the host is, and what is random in its answer.",
    holds: "The response passes every check, and is the same to the byte.",
    tags: &[],
    script: |random| answered(Version::V6, 49, random),
};

const REFUSE: Case = Case {
    level: Level::Should,
    authority: "observed: vlmcsd, captures/vlmcs_vlmcsd_err_version.pcap",
    asked: "A request is given that a host does not answer.",
    holds: "It is refused with the HRESULT for that.",
    ..ANSWER
};

const FOUR_HOURS: u64 = Policy::FOUR_HOURS;
/// What a host answers to what it cannot read.
const MALFORMED: u32 = 0x8007_000d;

/// What a host is, beside the test host's count and intervals.
struct Facts {
    /// Characters of the ePID.
    epid: usize,
    clock_ahead: u64,
    clock_behind: u64,
    max_clock_skew: u64,
    product: Option<Guid>,
}

impl Default for Facts {
    fn default() -> Self {
        Self { epid: 49, clock_ahead: 0, clock_behind: 0, max_clock_skew: FOUR_HOURS, product: None }
    }
}

impl Facts {
    /// The test host's ePID, or one that is a few characters shorter.
    fn epid(&self) -> &'static str {
        match self.epid {
            45 => "00000-00000-000-000000-03-9-0000.0000-0011601",
            48 => "00000-00000-000-000000-03-1033-0000.0000-0011601",
            _ => "00000-00000-000-000000-03-1033-00000.0000-0011601",
        }
    }
}

/// The question, and what is random in its answer.
fn asked(message: &RequestMessage, bytes: &[u8], facts: &Facts, random: &mut Random) -> (Query, Fresh) {
    let fresh = Fresh::of(random);
    let client_time = message.body().map_or(0, |body| body.client_time.0);
    let now = (client_time + facts.clock_ahead).saturating_sub(facts.clock_behind);
    let query = Query::new("kms.respond")
        .with_bytes("request", bytes)
        .with_bytes("epid", &epid(facts.epid()))
        .with_bytes("hwid", &HostIdentity::TEST.hwid())
        .with("count", COUNT)
        .with("activation_interval", ACTIVATION_INTERVAL)
        .with("renewal_interval", RENEWAL_INTERVAL)
        .with("now", FileTime(now))
        .with("max_clock_skew", facts.max_clock_skew.to_string())
        .with("product", facts.product.map(|product| product.to_string()).unwrap_or_default())
        .with_bytes("salt", &fresh.salt)
        .with_bytes("r", &fresh.r);
    (query, fresh)
}

fn answered(version: Version, epid: usize, random: &mut Random) -> Script {
    answered_by(version, &Facts { epid, ..Facts::default() }, random)
}

fn answered_by(version: Version, facts: &Facts, random: &mut Random) -> Script {
    answer_to(&request(version, random), facts, random)
}

fn answer_to(request: &RequestMessage, facts: &Facts, random: &mut Random) -> Script {
    let (query, fresh) = asked(request, &request.encode(), facts, random);
    let wanted = response(request, &epid(facts.epid()), fresh).encode();
    let request = request.clone();
    Script::judged(query, move |fields| is_answer(fields, &request, &wanted))
}

/// The answer is the very response; where it is not, the check that it does not pass is what there is to say.
fn is_answer(fields: &Fields, request: &RequestMessage, wanted: &[u8]) -> Result<(), String> {
    let bytes = fields.bytes("response")?;
    let (response, checks) = Verifier::default().open(&bytes, Some(request));
    if let Some(error) = response.error() {
        return Err(format!("the response cannot be read: {error}"));
    }
    if let Some(checks) = checks
        && let Some((check, _)) = checks.by_name().into_iter().find(|(_, check)| *check == Check::Fail)
    {
        return Err(format!("the response does not pass {check}"));
    }
    is_value(fields, "response", &Value::bytes(wanted))
}

/// A request whose bytes were changed so that it cannot be read, or does not verify.
fn malformed(
    version: Version,
    random: &mut Random,
    change: impl FnOnce(&mut Random, &mut Vec<u8>),
) -> Script {
    let message = request(version, random);
    let mut bytes = message.encode();
    change(random, &mut bytes);
    Script::hresult(asked(&message, &bytes, &Facts::default(), random).0, MALFORMED)
}
