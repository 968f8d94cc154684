use crate::catalog;
use crate::kms::{Check, Ndr, RequestBody, RequestMessage, ResponseBody, ResponseMessage};
use crate::trace::{Answer, ContextStanding, Exchange, RequestRecord, ResponseRecord};
use crate::wire::Epid;

use super::error::nearest;
use super::value::{Kind, MINUTE, Value, version_number};

/// A field of a record that a filter can look at.
#[derive(Clone, Copy)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Other names for it, among them its path in the JSON Lines schema.
    pub aliases: &'static [&'static str],
    /// What it is, in half a sentence.
    pub meaning: &'static str,
    pub(super) kind: Kind,
    /// Hands the values of an exchange's field to the test until one passes; whether one did. Records of other
    /// protocols get a function of their own beside this one.
    pub(super) of_exchange: OfExchange,
}

pub(super) type OfExchange = fn(&Exchange, &mut Test<'_>) -> bool;
pub(super) type Test<'a> = dyn FnMut(Value<'_>) -> bool + 'a;

impl Field {
    /// The type of its values: what can stand on the other side of a comparison.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.kind.name()
    }

    /// The words that it can hold, where they are just a few.
    #[must_use]
    pub fn words(&self) -> &'static [&'static str] {
        match self.kind {
            Kind::Word(words) => words,
            _ => &[],
        }
    }

    /// All fields, in the order in which they are listed.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        FIELDS.iter()
    }

    /// The field with this name or alias.
    #[must_use]
    pub fn by_name(name: &str) -> Option<&'static Self> {
        FIELDS.iter().find(|field| field.name == name || field.aliases.contains(&name))
    }

    /// The name that is meant by a word that is none: one nearly the same, or its end (`ip.addr`).
    pub(super) fn nearest(word: &str) -> Option<&'static str> {
        let names = FIELDS.iter().flat_map(|field| field.aliases.iter().copied().chain([field.name]));
        let end = word.rsplit('.').next().and_then(Self::by_name);
        nearest(word, names).or(end.map(|field| field.name))
    }
}

/// Fields are the same where their names are: a name stands once in the table.
impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Field {}

impl std::fmt::Debug for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

const fn field(
    name: &'static str,
    aliases: &'static [&'static str],
    kind: Kind,
    meaning: &'static str,
    of_exchange: OfExchange,
) -> Field {
    Field { name, aliases, meaning, kind, of_exchange }
}

static FIELDS: [Field; 58] = [
    field("client", &[], Kind::Address, "the client's address", |x, test| {
        test(Value::Endpoint(x.client.address, x.client.port))
    }),
    field("host", &["server"], Kind::Address, "the host's address", |x, test| {
        test(Value::Endpoint(x.server.address, x.server.port))
    }),
    field("address", &["addr"], Kind::Address, "either side's address", |x, test| {
        [x.client, x.server].iter().any(|side| test(Value::Endpoint(side.address, side.port)))
    }),
    field("client.port", &[], Kind::Number, "the client's port", |x, test| number(test, x.client.port)),
    field("host.port", &["server.port"], Kind::Number, "the host's port", |x, test| {
        number(test, x.server.port)
    }),
    field("port", &[], Kind::Number, "either side's port", |x, test| {
        [x.client, x.server].iter().any(|side| number(test, side.port))
    }),
    field("stream", &[], Kind::Number, "the connection's number in the file", |x, test| {
        number(test, x.stream)
    }),
    field(
        "frame",
        &[],
        Kind::Number,
        "any packet from the request's first to the answer's last",
        |x, test| {
            let (asked, answered) = (x.request.as_ref().map(|request| request.span), x.answer_span());
            let first = asked.or(answered).map(|span| span.first.frame);
            let last = answered.or(asked).map(|span| span.last.frame);
            matches!((first, last), (Some(a), Some(b)) if test(Value::Span(a.min(b).into(), a.max(b).into())))
        },
    ),
    field("call_id", &["call"], Kind::Number, "the call's id", |x, test| number(test, x.call_id)),
    field("context_id", &[], Kind::Number, "the presentation context's id (p_cont_id)", |x, test| {
        x.context_id.is_some_and(|id| number(test, id))
    }),
    field("context", &[], Kind::Word(&CONTEXTS), "what became of the presentation context", |x, test| {
        test(Value::Text(x.standing.name()))
    }),
    field("interface", &[], Kind::Guid, "the interface of a foreign context", |x, test| match x.standing {
        ContextStanding::Foreign(interface) => test(Value::Guid(interface.uuid)),
        _ => false,
    }),
    field("ndr", &[], Kind::Ndr, "how the stubs are read, 32 or 64", |x, test| number(test, bits(x.ndr))),
    field("ndr_basis", &[], Kind::Word(&BASES), "why they are read so", |x, test| {
        test(Value::Text(x.ndr_basis.name()))
    }),
    field("fits", &["request.fits"], Kind::Ndr, "the other NDR, where only that one fits", |x, test| {
        x.request.as_ref().and_then(|request| request.fits).is_some_and(|ndr| number(test, bits(ndr)))
    }),
    field("outcome", &[], Kind::Word(&OUTCOMES), "how it ended", |x, test| {
        test(Value::Text(x.outcome().name()))
    }),
    field("time", &[], Kind::Time, "when it was asked (answered, where no request is there)", {
        |x, test| {
            let asked = x.request.as_ref().map(|request| request.span).or(x.answer_span());
            asked.and_then(|span| span.first.time).is_some_and(|time| number(test, time))
        }
    }),
    field("service_time", &[], Kind::Duration, "from the request's last packet to the answer's first", {
        |x, test| x.service_time().is_some_and(|time| number(test, time))
    }),
    field("verified", &[], Kind::Flag, "every check of the response holds", |x, test| {
        x.checks.is_some_and(|checks| {
            let holds = |check| matches!(check, Check::Pass | Check::NotApplicable);
            test(Value::Flag(checks.by_name().iter().all(|(_, check)| holds(*check))))
        })
    }),
    field("failed", &[], Kind::Word(&CHECKS), "a check of the response that fails", |x, test| {
        x.checks.is_some_and(|checks| failed(&checks.by_name(), test))
    }),
    field(
        "request.failed",
        &[],
        Kind::Word(&REQUEST_CHECKS),
        "a check of the request that fails",
        |x, test| {
            let checks = x.request.as_ref().and_then(|request| request.checks);
            checks.is_some_and(|checks| failed(&checks.by_name(), test))
        },
    ),
    field(
        "hmac_slot",
        &["checks.hmac_slot"],
        Kind::Number,
        "the time slot by which the HMAC holds",
        |x, test| x.checks.and_then(|checks| checks.hmac_slot).is_some_and(|slot| number(test, slot)),
    ),
    field("version", &[], Kind::Version, "version in front of the request (of the response without one)", {
        |x, test| {
            let asked = request(x).and_then(|request| request.message.as_ref()).map(RequestMessage::version);
            let answered = || response(x).and_then(|response| response.message.as_ref()?.version());
            let version = asked.unwrap_or_else(answered);
            version.is_some_and(|version| number(test, version_number(version)))
        }
    }),
    field("request.version", &[], Kind::Version, "version of the request's body", |x, test| {
        asks(x).is_some_and(|body| number(test, version_number(body.version)))
    }),
    field("response.version", &[], Kind::Version, "version of the response's body", |x, test| {
        answers(x).is_some_and(|body| number(test, version_number(body.version)))
    }),
    field("opnum", &["request.opnum"], Kind::Number, "opnum; 0 is RequestActivation", |x, test| {
        request(x).and_then(|request| request.opnum).is_some_and(|opnum| number(test, opnum))
    }),
    field("object", &["request.object"], Kind::Guid, "object UUID of the request", |x, test| {
        request(x).and_then(|request| request.object).is_some_and(|object| test(Value::Guid(object)))
    }),
    field("request.fragments", &[], Kind::Number, "PDUs of the request", |x, test| {
        request(x).is_some_and(|request| number(test, request.span.fragments))
    }),
    field("request.complete", &[], Kind::Flag, "its first and last fragment were seen", |x, test| {
        request(x).is_some_and(|request| test(Value::Flag(request.span.complete)))
    }),
    field("request.len", &[], Kind::Number, "bytes of the request's data", |x, test| {
        let stub = request(x).and_then(|request| request.stub.as_ref());
        stub.is_some_and(|stub| number(test, stub.data_length as u64))
    }),
    field(
        "request.error",
        &["request.error.field"],
        Kind::Text,
        "where reading the request stopped",
        |x, test| {
            let error = request(x).and_then(|request| request.error.as_ref());
            error.is_some_and(|error| test(Value::Text(error.field)))
        },
    ),
    field("product", &[], Kind::Product(None), "SKU or KMS id: its name, or the GUID", |x, test| {
        asks(x).is_some_and(|body| test(Value::Guid(body.act_id)) || test(Value::Guid(body.kms_id)))
    }),
    field(
        "app",
        &["app_id", "request.app_id"],
        Kind::Product(Some(catalog::Kind::Application)),
        "the application, Windows or an Office (AppID)",
        |x, test| asks(x).is_some_and(|body| test(Value::Guid(body.app_id))),
    ),
    field(
        "sku",
        &["sku_id", "request.sku_id"],
        Kind::Product(Some(catalog::Kind::Sku)),
        "the edition (ActID)",
        |x, test| asks(x).is_some_and(|body| test(Value::Guid(body.act_id))),
    ),
    field(
        "kms_id",
        &["request.kms_id"],
        Kind::Product(Some(catalog::Kind::KmsProduct)),
        "what hosts count its machine under (KMSID)",
        |x, test| asks(x).is_some_and(|body| test(Value::Guid(body.kms_id))),
    ),
    field("cmid", &["request.cmid"], Kind::Guid, "the machine's id (CMID)", |x, test| {
        asks(x).is_some_and(|body| test(Value::Guid(body.cmid)))
    }),
    field("cmid_prev", &["request.cmid_prev"], Kind::Guid, "its id before (CMID_prev)", |x, test| {
        asks(x).is_some_and(|body| test(Value::Guid(body.cmid_prev)))
    }),
    field(
        "machine",
        &["machine_name", "request.machine_name"],
        Kind::Text,
        "the machine's name (MachineName)",
        |x, test| asks(x).is_some_and(|body| test(Value::Utf16(&body.machine_name))),
    ),
    field("vm_info", &["request.vm_info"], Kind::Number, "0 on a physical machine (VMInfo)", |x, test| {
        asks(x).is_some_and(|body| number(test, body.vm_info))
    }),
    field("virtual", &[], Kind::Flag, "the client says that it is a virtual machine", |x, test| {
        asks(x).is_some_and(|body| test(Value::Flag(body.vm_info != 0)))
    }),
    field(
        "license_status",
        &["request.license_status"],
        Kind::LicenseStatus,
        "0 to 6, or its name (LicenseStatus)",
        |x, test| asks(x).is_some_and(|body| number(test, body.license_status)),
    ),
    field(
        "binding_expiration",
        &["request.binding_expiration"],
        Kind::Minutes,
        "how long its license lasts (BindingExpiration)",
        |x, test| asks(x).is_some_and(|body| minutes(test, body.binding_expiration)),
    ),
    field(
        "n_policy",
        &["request.n_policy"],
        Kind::Number,
        "machines the host has to have counted (N-Policy)",
        |x, test| asks(x).is_some_and(|body| number(test, body.n_policy)),
    ),
    field(
        "client_time",
        &["request.client_time"],
        Kind::Time,
        "the client's clock (ClientTime)",
        |x, test| asks(x).is_some_and(|body| number(test, body.client_time.unix_nanos())),
    ),
    field(
        "hresult",
        &["response.hresult"],
        Kind::HResult,
        "the response's HRESULT, or its symbol",
        |x, test| {
            let hresult = response(x).and_then(|response| response.stub.as_ref()?.hresult);
            hresult.is_some_and(|hresult| number(test, hresult))
        },
    ),
    field(
        "fault",
        &["fault.status"],
        Kind::FaultStatus,
        "the status of a fault, or its symbol",
        |x, test| match &x.answer {
            Some(Answer::Fault(fault)) => fault.status.is_some_and(|status| number(test, status)),
            _ => false,
        },
    ),
    field("epid", &["response.epid"], Kind::Text, "the host's extended product id (ePID)", |x, test| {
        answers(x).is_some_and(|body| test(Value::Utf16(&body.epid)))
    }),
    field(
        "build",
        &["response.epid_parts.build"],
        Kind::Number,
        "the host's build, out of the ePID",
        |x, test| epid(x).is_some_and(|epid| number(test, epid.build)),
    ),
    field("lcid", &["response.epid_parts.lcid"], Kind::Number, "the host's language, out of the ePID", {
        |x, test| epid(x).is_some_and(|epid| number(test, epid.lcid))
    }),
    field("hwid", &["response.hwid"], Kind::Bytes, "the host's hardware id (HwId, version 6)", |x, test| {
        match response(x).and_then(|response| response.message.as_ref()) {
            Some(ResponseMessage::Encrypted(message)) => {
                message.v6.as_ref().is_some_and(|v6| test(Value::Bytes(&v6.hwid)))
            }
            _ => false,
        }
    }),
    field(
        "count",
        &["response.count"],
        Kind::Number,
        "machines that the host has counted (Count)",
        |x, test| answers(x).is_some_and(|body| number(test, body.count)),
    ),
    field(
        "activation_interval",
        &["response.activation_interval"],
        Kind::Minutes,
        "until the next try (VLActivationInterval)",
        |x, test| answers(x).is_some_and(|body| minutes(test, body.activation_interval)),
    ),
    field(
        "renewal_interval",
        &["response.renewal_interval"],
        Kind::Minutes,
        "until the next renewal (VLRenewalInterval)",
        |x, test| answers(x).is_some_and(|body| minutes(test, body.renewal_interval)),
    ),
    field("response.cmid", &[], Kind::Guid, "CMID of the response", |x, test| {
        answers(x).is_some_and(|body| test(Value::Guid(body.cmid)))
    }),
    field("response.client_time", &[], Kind::Time, "ClientTime of the response", |x, test| {
        answers(x).is_some_and(|body| number(test, body.client_time.unix_nanos()))
    }),
    field("response.fragments", &[], Kind::Number, "PDUs of the response", |x, test| {
        response(x).is_some_and(|response| number(test, response.span.fragments))
    }),
    field("response.complete", &[], Kind::Flag, "its first and last fragment were seen", |x, test| {
        response(x).is_some_and(|response| test(Value::Flag(response.span.complete)))
    }),
    field("response.error", &["response.error.field"], Kind::Text, "where reading the response stopped", {
        |x, test| {
            let error = response(x).and_then(|response| response.error.as_ref());
            error.is_some_and(|error| test(Value::Text(error.field)))
        }
    }),
];

fn number(test: &mut Test<'_>, number: impl Into<i128>) -> bool {
    let number = number.into();
    test(Value::Span(number, number))
}

fn minutes(test: &mut Test<'_>, minutes: u32) -> bool {
    number(test, i128::from(minutes) * MINUTE)
}

fn bits(ndr: Ndr) -> i128 {
    match ndr {
        Ndr::Ndr32 => 32,
        Ndr::Ndr64 => 64,
    }
}

fn failed(checks: &[(&'static str, Check)], test: &mut Test<'_>) -> bool {
    checks.iter().any(|(name, check)| *check == Check::Fail && test(Value::Text(name)))
}

fn request(exchange: &Exchange) -> Option<&RequestRecord> {
    exchange.request.as_deref()
}

fn response(exchange: &Exchange) -> Option<&ResponseRecord> {
    match &exchange.answer {
        Some(Answer::Response(response)) => Some(response),
        _ => None,
    }
}

fn asks(exchange: &Exchange) -> Option<&RequestBody> {
    request(exchange)?.message.as_ref()?.body()
}

fn answers(exchange: &Exchange) -> Option<&ResponseBody> {
    response(exchange)?.message.as_ref()?.body()
}

/// The parts of the response's ePID. One of the usual parts is short, and ASCII: it fits the stack.
fn epid(exchange: &Exchange) -> Option<Epid> {
    let mut text = [0; 64];
    let mut length = 0;
    for unit in answers(exchange)?.epid.chunks_exact(2) {
        match unit {
            [0, 0] => break,
            [byte, 0] if byte.is_ascii() => *text.get_mut(length)? = *byte,
            _ => return None,
        }
        length += 1;
    }
    Epid::parse(std::str::from_utf8(&text[..length]).ok()?).ok()
}

const CONTEXTS: [&str; 6] = ["accepted", "unanswered", "rejected", "refused", "foreign", "unknown"];
const BASES: [&str; 4] = ["negotiated", "proposed", "guessed", "assumed"];
const OUTCOMES: [&str; 5] = ["answered", "refused", "fault", "unreadable", "unanswered"];
const REQUEST_CHECKS: [&str; 3] = ["version_envelope", "mac", "padding"];
const CHECKS: [&str; 12] = [
    "version_echo",
    "version_envelope",
    "cmid_echo",
    "client_time_echo",
    "pid_size",
    "mac",
    "padding",
    "hash",
    "iv_echo",
    "iv_fresh",
    "xored_ivs",
    "hmac",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::kms::{RequestChecks, ResponseChecks};
    use crate::rpc::SyntaxId;
    use crate::trace::{NdrBasis, Outcome};

    #[test]
    fn no_name_stands_for_two_fields() {
        let mut names = BTreeSet::new();
        for field in Field::all() {
            for name in field.aliases.iter().copied().chain([field.name]) {
                assert!(names.insert(name), "{name}");
                assert_eq!(Field::by_name(name), Some(field));
            }
        }
    }

    #[test]
    fn the_words_are_those_of_the_records() {
        const NONE: Check = Check::NotApplicable;
        let checks = ResponseChecks {
            version_echo: NONE,
            version_envelope: NONE,
            cmid_echo: NONE,
            client_time_echo: NONE,
            pid_size: NONE,
            mac: NONE,
            padding: NONE,
            hash: NONE,
            iv_echo: NONE,
            iv_fresh: NONE,
            xored_ivs: NONE,
            hmac: NONE,
            hmac_slot: None,
        };
        assert_eq!(checks.by_name().map(|(name, _)| name), CHECKS);
        let checks = RequestChecks { version_envelope: NONE, mac: NONE, padding: NONE };
        assert_eq!(checks.by_name().map(|(name, _)| name), REQUEST_CHECKS);
        let standings = [
            ContextStanding::Accepted,
            ContextStanding::Unanswered,
            ContextStanding::Rejected(0, 0),
            ContextStanding::Refused,
            ContextStanding::Foreign(SyntaxId::KMS),
            ContextStanding::Unknown,
        ];
        assert_eq!(standings.map(ContextStanding::name), CONTEXTS);
        let bases = [NdrBasis::Negotiated, NdrBasis::Proposed, NdrBasis::Guessed, NdrBasis::Assumed];
        assert_eq!(bases.map(NdrBasis::name), BASES);
        let outcomes = [
            Outcome::Answered,
            Outcome::Refused(0),
            Outcome::Fault(None),
            Outcome::Unreadable,
            Outcome::Unanswered,
        ];
        assert_eq!(outcomes.map(Outcome::name), OUTCOMES);
    }
}
