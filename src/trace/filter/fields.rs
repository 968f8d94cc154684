use crate::capture::Endpoint;
use crate::catalog;
use crate::directory::{ActivationObject, Found as Entry};
use crate::discovery::{RecordData, kms_service_domain};
use crate::kms::{Check, Ndr, RequestBody, RequestMessage, ResponseBody, ResponseMessage};
use crate::mak::{self, ErrorCode, RequestItem, ResponseItem};
use crate::trace::{
    Answer, Carrier, ContextStanding, DirectoryExchange, Exchange, Found, GuestExchange, MakExchange,
    PROTOCOLS, Record, RequestHead, RequestRecord, ResponseRecord,
};
use crate::vmbus::{Content, ic, kvp};
use crate::wire::Epid;

use super::field::{Field, Test, any, directory, guest, kms, lookup, mak};
use super::value::{Kind, MINUTE, Value, version_number};

/// All fields, in the order in which they are listed.
pub(super) static FIELDS: [Field; 92] = [
    any("client", &[], Kind::Address, "the client's address", |x, test| {
        x.sides().is_some_and(|(client, _)| address(test, client))
    }),
    any("host", &["server"], Kind::Address, "the host's address", |x, test| {
        x.sides().is_some_and(|(_, server)| address(test, server))
    }),
    any("address", &["addr"], Kind::Address, "either side's address", |x, test| {
        x.sides().is_some_and(|(client, server)| address(test, client) || address(test, server))
    }),
    any("client.port", &[], Kind::Number, "the client's port", |x, test| {
        x.sides().is_some_and(|(client, _)| number(test, client.port))
    }),
    any("host.port", &["server.port"], Kind::Number, "the host's port", |x, test| {
        x.sides().is_some_and(|(_, server)| number(test, server.port))
    }),
    any("port", &[], Kind::Number, "either side's port", |x, test| {
        x.sides().is_some_and(|(client, server)| number(test, client.port) || number(test, server.port))
    }),
    any("stream", &[], Kind::Number, "the connection's number in the file", |x, test| {
        x.stream().is_some_and(|stream| number(test, stream))
    }),
    any("frame", &[], Kind::Number, "any packet from the request's first to the answer's last", |x, test| {
        x.frames().is_some_and(|(first, last)| test(Value::Span(first.into(), last.into())))
    }),
    kms("call_id", &["call"], Kind::Number, "the call's id", |x, test| number(test, x.call_id)),
    kms("context_id", &[], Kind::Number, "the presentation context's id (p_cont_id)", |x, test| {
        x.context_id.is_some_and(|id| number(test, id))
    }),
    kms("context", &[], Kind::Word(&CONTEXTS), "what became of the presentation context", |x, test| {
        test(Value::Text(x.standing.name()))
    }),
    kms("interface", &[], Kind::Guid, "the interface of a foreign context", |x, test| match x.standing {
        ContextStanding::Foreign(interface) => test(Value::Guid(interface.uuid)),
        _ => false,
    }),
    kms("ndr", &[], Kind::Ndr, "how the stubs are read, 32 or 64", |x, test| number(test, bits(x.ndr))),
    kms("ndr_basis", &[], Kind::Word(&BASES), "why they are read so", |x, test| {
        test(Value::Text(x.ndr_basis.name()))
    }),
    kms("fits", &["request.fits"], Kind::Ndr, "the other NDR, where only that one fits", |x, test| {
        x.request.as_ref().and_then(|request| request.fits).is_some_and(|ndr| number(test, bits(ndr)))
    }),
    any("outcome", &[], Kind::Word(&OUTCOMES), "how it ended", |x, test| {
        test(Value::Text(x.outcome_name()))
    }),
    any("time", &[], Kind::Time, "when it was asked (answered, where no request is there)", |x, test| {
        x.stamps().next().and_then(|stamp| stamp.time).is_some_and(|time| number(test, time))
    }),
    any("service_time", &[], Kind::Duration, "from the request's last packet to the answer's first", {
        |x, test| x.service_time().is_some_and(|time| number(test, time))
    }),
    kms("verified", &[], Kind::Flag, "every check of the response holds", |x, test| {
        x.checks.is_some_and(|checks| {
            let holds = |check| matches!(check, Check::Pass | Check::NotApplicable);
            test(Value::Flag(checks.by_name().iter().all(|(_, check)| holds(*check))))
        })
    })
    .and_mak(|x, test| {
        let checks = &x.checks;
        let is_there = x.answer.is_some() && x.response_document().is_some();
        is_there && test(Value::Flag(checks.iter().all(|(_, check)| *check != Check::Fail)))
    }),
    kms("failed", &[], Kind::Word(&CHECKS), "a check of the response that fails", |x, test| {
        x.checks.is_some_and(|checks| failed(&checks.by_name(), test))
    })
    .and_mak(|x, test| {
        x.checks.iter().any(|(name, check)| *check == Check::Fail && test(Value::Text(name)))
    }),
    kms(
        "request.failed",
        &[],
        Kind::Word(&REQUEST_CHECKS),
        "a check of the request that fails",
        |x, test| {
            let checks = x.request.as_ref().and_then(|request| request.checks);
            checks.is_some_and(|checks| failed(&checks.by_name(), test))
        },
    ),
    kms(
        "hmac_slot",
        &["checks.hmac_slot"],
        Kind::Number,
        "the time slot by which the HMAC holds",
        |x, test| x.checks.and_then(|checks| checks.hmac_slot).is_some_and(|slot| number(test, slot)),
    ),
    kms("version", &[], Kind::Version, "version in front of the request (of the response without one)", {
        |x, test| {
            let asked = request(x).and_then(|request| request.message.as_ref()).map(RequestMessage::version);
            let answered = || response(x).and_then(|response| response.message.as_ref()?.version());
            let version = asked.unwrap_or_else(answered);
            version.is_some_and(|version| number(test, version_number(version)))
        }
    }),
    kms("request.version", &[], Kind::Version, "version of the request's body", |x, test| {
        asks(x).is_some_and(|body| number(test, version_number(body.version)))
    }),
    kms("response.version", &[], Kind::Version, "version of the response's body", |x, test| {
        answers(x).is_some_and(|body| number(test, version_number(body.version)))
    }),
    kms("opnum", &["request.opnum"], Kind::Number, "opnum; 0 is RequestActivation", |x, test| {
        request(x).and_then(|request| request.opnum).is_some_and(|opnum| number(test, opnum))
    }),
    kms("object", &["request.object"], Kind::Guid, "object UUID of the request", |x, test| {
        request(x).and_then(|request| request.object).is_some_and(|object| test(Value::Guid(object)))
    }),
    kms("request.fragments", &[], Kind::Number, "PDUs of the request", |x, test| {
        request(x).is_some_and(|request| number(test, request.span.fragments))
    }),
    kms("request.complete", &[], Kind::Flag, "its first and last fragment were seen", |x, test| {
        request(x).is_some_and(|request| test(Value::Flag(request.span.complete)))
    }),
    kms("request.len", &[], Kind::Number, "bytes of the request's data", |x, test| {
        let stub = request(x).and_then(|request| request.stub.as_ref());
        stub.is_some_and(|stub| number(test, stub.data_length as u64))
    }),
    kms(
        "request.error",
        &["request.error.field"],
        Kind::Text,
        "where reading the request stopped",
        |x, test| {
            let error = request(x).and_then(|request| request.error.as_ref());
            error.is_some_and(|error| test(Value::Text(error.field)))
        },
    ),
    kms("product", &[], Kind::Product(None), "SKU or KMS id: its name, or the GUID", |x, test| {
        asks(x).is_some_and(|body| test(Value::Guid(body.act_id)) || test(Value::Guid(body.kms_id)))
    })
    .and_directory(|x, test| {
        objects(x).flat_map(|object| object.csvlk_sku_id.iter().chain(&object.kms_ids)).any(|id| test(Value::Guid(*id)))
    }),
    kms(
        "app",
        &["app_id", "request.app_id"],
        Kind::Product(Some(catalog::Kind::Application)),
        "the application, Windows or an Office (AppID)",
        |x, test| asks(x).is_some_and(|body| test(Value::Guid(body.app_id))),
    ),
    kms(
        "sku",
        &["sku_id", "request.sku_id"],
        Kind::Product(Some(catalog::Kind::Sku)),
        "the edition (ActID)",
        |x, test| asks(x).is_some_and(|body| test(Value::Guid(body.act_id))),
    )
    .and_directory(|x, test| objects(x).filter_map(|object| object.csvlk_sku_id).any(|id| test(Value::Guid(id)))),
    kms(
        "kms_id",
        &["request.kms_id"],
        Kind::Product(Some(catalog::Kind::KmsProduct)),
        "what hosts count its machine under (KMSID)",
        |x, test| asks(x).is_some_and(|body| test(Value::Guid(body.kms_id))),
    )
    .and_directory(|x, test| objects(x).flat_map(|object| &object.kms_ids).any(|id| test(Value::Guid(*id)))),
    kms("cmid", &["request.cmid"], Kind::Guid, "the machine's id (CMID)", |x, test| {
        asks(x).is_some_and(|body| test(Value::Guid(body.cmid)))
    }),
    kms("cmid_prev", &["request.cmid_prev"], Kind::Guid, "its id before (CMID_prev)", |x, test| {
        asks(x).is_some_and(|body| test(Value::Guid(body.cmid_prev)))
    }),
    kms(
        "machine",
        &["machine_name", "request.machine_name"],
        Kind::Text,
        "the machine's name (MachineName)",
        |x, test| asks(x).is_some_and(|body| test(Value::Utf16(&body.machine_name))),
    ),
    kms("vm_info", &["request.vm_info"], Kind::Number, "0 on a physical machine (VMInfo)", |x, test| {
        asks(x).is_some_and(|body| number(test, body.vm_info))
    }),
    kms("virtual", &[], Kind::Flag, "the client says that it is a virtual machine", |x, test| {
        asks(x).is_some_and(|body| test(Value::Flag(body.vm_info != 0)))
    }),
    kms(
        "license_status",
        &["request.license_status"],
        Kind::LicenseStatus,
        "0 to 6, or its name (LicenseStatus)",
        |x, test| asks(x).is_some_and(|body| number(test, body.license_status)),
    ),
    kms(
        "binding_expiration",
        &["request.binding_expiration"],
        Kind::Minutes,
        "how long its license lasts (BindingExpiration)",
        |x, test| asks(x).is_some_and(|body| minutes(test, body.binding_expiration)),
    ),
    kms(
        "n_policy",
        &["request.n_policy"],
        Kind::Number,
        "machines the host has to have counted (N-Policy)",
        |x, test| asks(x).is_some_and(|body| number(test, body.n_policy)),
    ),
    kms(
        "client_time",
        &["request.client_time"],
        Kind::Time,
        "the client's clock (ClientTime)",
        |x, test| asks(x).is_some_and(|body| number(test, body.client_time.unix_nanos())),
    ),
    kms(
        "hresult",
        &["response.hresult"],
        Kind::HResult,
        "the response's HRESULT, or its symbol",
        |x, test| {
            let hresult = response(x).and_then(|response| response.stub.as_ref()?.hresult);
            hresult.is_some_and(|hresult| number(test, hresult))
        },
    )
    .and_mak(|x, test| {
        codes(x).filter(|code| code.is_hresult()).any(|code| number(test, code.0))
            || matches!(x.answers(), Some(mak::Content::Fault(fault)) if fault.hresult.is_some_and(|code| number(test, code)))
    })
    .and_lookup(|x, test| x.outcome.hresult().is_some_and(|code| number(test, code))),
    kms(
        "fault",
        &["fault.status"],
        Kind::FaultStatus,
        "the status of a fault, or its symbol",
        |x, test| match &x.answer {
            Some(Answer::Fault(fault)) => fault.status.is_some_and(|status| number(test, status)),
            _ => false,
        },
    ),
    kms("epid", &["response.epid"], Kind::Text, "the host's extended product id (ePID)", |x, test| {
        answers(x).is_some_and(|body| test(Value::Utf16(&body.epid)))
    }),
    kms(
        "build",
        &["response.epid_parts.build"],
        Kind::Number,
        "the host's build, out of the ePID",
        |x, test| epid(x).is_some_and(|epid| number(test, epid.build)),
    ),
    kms("lcid", &["response.epid_parts.lcid"], Kind::Number, "the host's language, out of the ePID", {
        |x, test| epid(x).is_some_and(|epid| number(test, epid.lcid))
    }),
    kms("hwid", &["response.hwid"], Kind::Bytes, "the host's hardware id (HwId, version 6)", |x, test| {
        match response(x).and_then(|response| response.message.as_ref()) {
            Some(ResponseMessage::Encrypted(message)) => {
                message.v6.as_ref().is_some_and(|v6| test(Value::Bytes(&v6.hwid)))
            }
            _ => false,
        }
    }),
    kms(
        "count",
        &["response.count"],
        Kind::Number,
        "machines that the host has counted (Count)",
        |x, test| answers(x).is_some_and(|body| number(test, body.count)),
    ),
    kms(
        "activation_interval",
        &["response.activation_interval"],
        Kind::Minutes,
        "until the next try (VLActivationInterval)",
        |x, test| answers(x).is_some_and(|body| minutes(test, body.activation_interval)),
    ),
    kms(
        "renewal_interval",
        &["response.renewal_interval"],
        Kind::Minutes,
        "until the next renewal (VLRenewalInterval)",
        |x, test| answers(x).is_some_and(|body| minutes(test, body.renewal_interval)),
    ),
    kms("response.cmid", &[], Kind::Guid, "CMID of the response", |x, test| {
        answers(x).is_some_and(|body| test(Value::Guid(body.cmid)))
    }),
    kms("response.client_time", &[], Kind::Time, "ClientTime of the response", |x, test| {
        answers(x).is_some_and(|body| number(test, body.client_time.unix_nanos()))
    }),
    kms("response.fragments", &[], Kind::Number, "PDUs of the response", |x, test| {
        response(x).is_some_and(|response| number(test, response.span.fragments))
    }),
    kms("response.complete", &[], Kind::Flag, "its first and last fragment were seen", |x, test| {
        response(x).is_some_and(|response| test(Value::Flag(response.span.complete)))
    }),
    kms("response.error", &["response.error.field"], Kind::Text, "where reading the response stopped", {
        |x, test| {
            let error = response(x).and_then(|response| response.error.as_ref());
            error.is_some_and(|error| test(Value::Text(error.field)))
        }
    }),
    any("protocol", &[], Kind::Word(&PROTOCOLS), "what was spoken; vmbus for channels of no known protocol", |x, test| {
        test(Value::Text(x.protocol()))
    }),
    mak("service", &[], Kind::Word(&SERVICES), "BatchActivation, or the token that is asked for", |x, test| {
        x.service.is_some_and(|service| test(Value::Text(service.name())))
    }),
    mak("entry", &[], Kind::Number, "the entry's number in a HAR file", |x, test| match x.carrier {
        Carrier::Har { entry, .. } => number(test, entry),
        _ => false,
    }),
    mak("tls", &[], Kind::Flag, "it came in TLS, which a key log opened", |x, test| match x.carrier {
        Carrier::Stream { is_tls, .. } => test(Value::Flag(is_tls)),
        _ => false,
    })
    .and_directory(|x, test| test(Value::Flag(x.is_tls))),
    mak("host.name", &["request.host"], Kind::Text, "the name of the host in the request", |x, test| {
        head(x).and_then(RequestHead::host_name).is_some_and(|name| test(Value::Text(name)))
    }),
    mak("target", &["request.target"], Kind::Text, "the request's target, a path or URL; the host that an SRV record names", |x, test| {
        head(x).is_some_and(|head| test(Value::Text(&head.target)))
    })
    .and_lookup(|x, test| {
        x.answers().iter().any(|record| match &record.data {
            RecordData::Srv { target, .. } => test(Value::Text(target.as_str())),
            _ => false,
        })
    }),
    mak("user_agent", &["request.user_agent"], Kind::Text, "User-Agent of the request", |x, test| {
        head(x).and_then(|head| head.user_agent.as_deref()).is_some_and(|agent| test(Value::Text(agent)))
    }),
    mak("status", &["response.status"], Kind::Number, "the HTTP status of the answer", |x, test| {
        x.answer.as_ref().and_then(|answer| answer.status).is_some_and(|status| number(test, status))
    }),
    mak("request.type", &["request_type"], Kind::Number, "RequestType: 1 asks for confirmation IDs, 2 what is left", {
        |x, test| {
            let kind = x.request_document().and_then(|document| document.request_type);
            kind.is_some_and(|kind| number(test, kind.0))
        }
    }),
    mak("items", &[], Kind::Number, "items of the batch", |x, test| {
        let asked = x.request_document().map(|document| document.items.len());
        let items = asked.or_else(|| x.response_document().map(|document| document.items.len()));
        items.is_some_and(|items| number(test, items as u64))
    }),
    mak("pid", &[], Kind::Text, "an extended product id that is asked about", |x, test| {
        asked(x).filter_map(|item| item.pid.as_deref()).any(|pid| test(Value::Text(pid)))
            || answered(x).filter_map(|item| item.pid.as_deref()).any(|pid| test(Value::Text(pid)))
    })
    .and_directory(|x, test| {
        objects(x).filter_map(|object| object.csvlk_pid.as_deref()).any(|text| test(Value::Text(text)))
    }),
    mak("iid", &[], Kind::Text, "an installation ID", |x, test| {
        asked(x).filter_map(|item| item.iid.as_deref()).any(|iid| test(Value::Text(iid)))
            || answered(x).filter_map(|item| item.iid.as_deref()).any(|iid| test(Value::Text(iid)))
    })
    .and_directory(|x, test| {
        objects(x).filter_map(|object| object.installation_id.as_deref()).any(|text| test(Value::Text(text)))
    }),
    mak("cid", &[], Kind::Text, "a confirmation ID", |x, test| {
        answered(x).filter_map(|item| item.cid.as_deref()).any(|cid| test(Value::Text(cid)))
    })
    .and_directory(|x, test| {
        objects(x).filter_map(|object| object.confirmation_id.as_deref()).any(|text| test(Value::Text(text)))
    }),
    mak("remaining", &[], Kind::Number, "activations that are left (ActivationRemaining)", |x, test| {
        answered(x).filter_map(|item| item.activation_remaining).any(|left| number(test, left))
    }),
    mak("error_code", &["error"], Kind::Number, "an ErrorCode of the batch or of an item", |x, test| {
        codes(x).any(|code| number(test, code.0))
    }),
    mak("claim", &[], Kind::Text, "the name of a claim of internet activation", |x, test| match x.asks() {
        Some(mak::Content::TokenRequest(request)) => {
            let entries = [&request.claims, &request.use_key].into_iter().flatten().flat_map(|values| &values.entries);
            entries.filter_map(|entry| entry.name.as_deref()).any(|name| test(Value::Text(name)))
        }
        _ => false,
    }),
    any("name", &["question.name", "host_name"], Kind::Text, "a name that was asked of DNS, or led to the connection", {
        |x, test| match x {
            Record::Lookup(lookup) => lookup.name().is_some_and(|name| test(Value::Text(name.as_str()))),
            Record::Kms(exchange) => found(exchange.found.as_deref(), test),
            Record::Mak(exchange) => found(exchange.found.as_deref(), test),
            Record::Directory(exchange) => found(exchange.found.as_deref(), test),
            Record::Guest(_) => false,
        }
    }),
    any("found", &[], Kind::Flag, "DNS had told the client of the address", |x, test| {
        let found = match x {
            Record::Kms(exchange) => exchange.found.is_some(),
            Record::Mak(exchange) => exchange.found.is_some(),
            Record::Directory(exchange) => exchange.found.is_some(),
            Record::Lookup(_) | Record::Guest(_) => return false,
        };
        test(Value::Flag(found))
    }),
    lookup("transport", &[], Kind::Word(&TRANSPORTS), "how DNS was asked", |x, test| {
        test(Value::Text(x.transport.name()))
    }),
    lookup("rtype", &["question.rtype"], Kind::Text, "the type that DNS was asked for: SRV, A, AAAA", |x, test| {
        let name = x.question.as_ref().and_then(|question| question.rtype.name());
        name.is_some_and(|name| test(Value::Text(name)))
    }),
    lookup("domain", &[], Kind::Text, "the domain whose KMS hosts were asked for", |x, test| {
        let domain = x.name().and_then(kms_service_domain);
        domain.is_some_and(|domain| test(Value::Text(domain.as_str())))
    }),
    lookup("answer.address", &[], Kind::Address, "an address that DNS answered", |x, test| {
        let addresses = x.answers().iter().filter_map(|record| record.data.address());
        addresses.into_iter().any(|address| test(Value::Endpoint(address, 0)))
    }),
    lookup("rcode", &["answer.rcode"], Kind::Number, "the response code of DNS", |x, test| {
        x.answer.as_ref().is_some_and(|answer| number(test, answer.message.rcode().0))
    }),
    lookup("queries", &["queries.count"], Kind::Number, "how often it was asked of DNS", |x, test| {
        x.queries.as_ref().is_some_and(|queries| number(test, queries.count))
    }),
    directory("base", &["request.base"], Kind::Text, "where a directory was searched", |x, test| {
        x.search.request.as_ref().is_some_and(|request| test(Value::Text(&request.base)))
    }),
    directory("objects", &[], Kind::Number, "activation objects that a search found", |x, test| {
        number(test, objects(x).count() as u64)
    }),
    directory("object.name", &[], Kind::Text, "the name of an activation object", |x, test| {
        objects(x).any(|object| {
            let names = [&object.cn, &object.display_name];
            names.into_iter().flatten().any(|name| test(Value::Text(name)))
        })
    }),
    directory("result", &["result.code"], Kind::Number, "the result code of LDAP", |x, test| {
        x.search.result.as_ref().is_some_and(|result| number(test, result.code.0))
    }),
    guest("channel", &[], Kind::Number, "the channel's id", |x, test| number(test, x.exchange.channel_id)),
    guest("class", &[], Kind::Word(&CLASSES), "what the channel is for", |x, test| {
        test(Value::Text(x.exchange.class.name()))
    }),
    guest("pairing", &[], Kind::Word(&PAIRINGS), "by what a request and a response belong together", |x, test| {
        test(Value::Text(x.exchange.pairing.name()))
    }),
    guest("length", &[], Kind::Number, "bytes of a message in a channel's pipe", |x, test| {
        x.exchange.request.iter().chain(&x.exchange.response).any(|message| number(test, message.length))
    }),
    guest("key", &["request.key"], Kind::Text, "the key of a key-value pair", |x, test| {
        pairs(x).any(|pair| pair.key().is_some_and(|key| test(Value::Text(&key))))
    }),
    guest("value", &["response.value"], Kind::Text, "the value of a key-value pair", |x, test| {
        pairs(x).filter_map(kvp::Exchange::pair).any(|pair| test(Value::Text(&pair.value().to_string())))
    }),
];

/// The names by which DNS led to a connection.
fn found(found: Option<&Found>, test: &mut Test<'_>) -> bool {
    found.is_some_and(|found| {
        test(Value::Text(found.name.as_str()))
            || found.via.as_ref().is_some_and(|via| test(Value::Text(via.service.as_str())))
    })
}

fn objects(exchange: &DirectoryExchange) -> impl Iterator<Item = &ActivationObject> {
    exchange.search.found.iter().filter_map(|entry| match entry {
        Entry::ActivationObject(object) => Some(&**object),
        Entry::Entry(_) => None,
    })
}

fn pairs(exchange: &GuestExchange) -> impl Iterator<Item = &kvp::Exchange> {
    let messages = exchange.exchange.request.iter().chain(&exchange.exchange.response);
    messages.filter_map(|message| match &message.content {
        Content::Kvp(message) => match &message.body {
            ic::Body::Kvp(exchange) => Some(exchange),
            _ => None,
        },
        _ => None,
    })
}

fn address(test: &mut Test<'_>, side: Endpoint) -> bool {
    test(Value::Endpoint(side.address, side.port))
}

fn head(exchange: &MakExchange) -> Option<&RequestHead> {
    exchange.request.as_ref()?.head.as_ref()
}

fn asked(exchange: &MakExchange) -> impl Iterator<Item = &RequestItem> {
    exchange.request_document().into_iter().flat_map(|document| &document.items)
}

fn answered(exchange: &MakExchange) -> impl Iterator<Item = &ResponseItem> {
    exchange.response_document().into_iter().flat_map(|document| &document.items)
}

/// The errors of the batch and of its items.
fn codes(exchange: &MakExchange) -> impl Iterator<Item = ErrorCode> {
    let of_batch = exchange.response_document().and_then(|document| document.error_code());
    of_batch.into_iter().chain(answered(exchange).filter_map(|item| item.error_code()))
}

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
const OUTCOMES: [&str; 19] = [
    "answered",
    "refused",
    "fault",
    "unreadable",
    "unanswered",
    "partly-refused",
    "http-error",
    "no-data",
    "name-error",
    "server-failure",
    "truncated",
    "referral",
    "updated",
    "other-error",
    "announced",
    "empty",
    "no-such-object",
    "abandoned",
    "unasked",
];
const TRANSPORTS: [&str; 4] = ["udp", "tcp", "mdns", "llmnr"];
const PAIRINGS: [&str; 3] = ["transaction", "order", "none"];
const CLASSES: [&str; 7] = [
    "avma",
    "synthrdp-control",
    "synthrdp-data",
    "remote-desktop-virtualization",
    "initial-machine-configuration",
    "kvp",
    "unknown",
];
const SERVICES: [&str; 6] = ["BatchActivation", "SPC", "RAC", "PKC", "UseLicense", "ProductActivation"];
const REQUEST_CHECKS: [&str; 3] = ["version_envelope", "mac", "padding"];
const CHECKS: [&str; 20] = [
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
    "digest",
    "installation_ids",
    "confirmation_ids",
    "count",
    "order",
    "pid_echo",
    "iid_echo",
    "array_type",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::kms::{RequestChecks, ResponseChecks};
    use crate::mak::TokenService;
    use crate::rpc::SyntaxId;
    use crate::trace::mak::MAK_CHECKS;
    use crate::trace::{MakOutcome, NdrBasis, Outcome, Service};

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
        assert_eq!(checks.by_name().map(|(name, _)| name), CHECKS[..12]);
        assert_eq!(CHECKS[12..], MAK_CHECKS);
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
        assert_eq!(outcomes.map(Outcome::name), OUTCOMES[..5]);
        let outcomes = [
            MakOutcome::Answered,
            MakOutcome::Refused(None),
            MakOutcome::Fault(None),
            MakOutcome::Unreadable,
            MakOutcome::Unanswered,
            MakOutcome::PartlyRefused(None),
            MakOutcome::HttpError(0),
        ];
        assert_eq!(outcomes.map(MakOutcome::name), OUTCOMES[..7]);
        let services = TokenService::ALL.map(Service::Token);
        let names: Vec<&str> =
            [Service::BatchActivation].into_iter().chain(services).map(Service::name).collect();
        assert_eq!(names, SERVICES);
    }
}
