use super::super::connection::{Call, ConnectionScene, ExchangeScene, Fragment, PduScene};
use super::super::rule::{About, Family, Judgement, Level, Rule, Subject};
use crate::rpc::{Header, PfcFlags, fault_status_by_name};
use crate::trace::{
    Answer, ContextStanding, Exchange, NdrBasis, RequestRecord, RequestStubFields, ResponseStubFields,
};
use crate::wire::Side;

/// RPC: requests, responses, their fragments and stubs.
pub(super) const FAMILY: Family =
    Family { name: "calls", title: "RPC: requests, responses, their fragments and stubs", rules: RULES };

const RULES: &[Rule] = &[
    Rule {
        id: "RPC-REQUEST-CONTEXT",
        title: "A request uses a context that was accepted",
        level: Level::Must,
        authority: "C706 12.6.4.9",
        looks_at: "p_cont_id of requests that were not served, on connections seen from their bind on.",
        holds: "The server has accepted that context; where it serves another one, that is RPC-FAULT-CONTEXT's.",
        about: About::Client,
        tags: &["request", "contexts"],
        subject: Subject::Exchange(request_context),
    },
    Rule {
        id: "RPC-REQUEST-PENDING",
        title: "A client waits for the answer to its bind",
        level: Level::Must,
        authority: "MS-RPCE 3.3.2 and 3.3.3 (state machines of a connection)",
        looks_at: "Requests on connections seen from their bind on, in both directions.",
        holds: "The bind or alter_context that proposes their context was answered before.",
        about: About::Client,
        tags: &["request", "contexts"],
        subject: Subject::Exchange(request_pending),
    },
    Rule {
        id: "RPC-REQUEST-OPNUM",
        title: "Volume activation has one operation",
        level: Level::Must,
        authority: "the interface's definition (one operation); C706 12.6.4.9",
        looks_at: "opnum of requests of volume activation that were not served.",
        holds: "It is 0; where a server serves another one, that is RPC-FAULT-OPNUM's.",
        about: About::Client,
        tags: &["request"],
        subject: Subject::Exchange(request_opnum),
    },
    Rule {
        id: "RPC-REQUEST-OBJECT",
        title: "A request of volume activation names no object",
        level: Level::Observed,
        authority: "observed: vlmcs, captures/vlmcs_vlmcsd_v6_default.pcap; py-kms, captures/pykms_pykms_v6.pcap",
        looks_at: "PFC_OBJECT_UUID of requests of volume activation.",
        holds: "It is not set.",
        about: About::Client,
        tags: &["request", "flags"],
        subject: Subject::Exchange(request_object),
    },
    Rule {
        id: "RPC-REQUEST-MAYBE",
        title: "A request wants its answer",
        level: Level::Must,
        authority: "C706 12.6.3.1 (PFC_MAYBE); the interface's definition (it has results)",
        looks_at: "PFC_MAYBE of requests.",
        holds: "It is not set: nothing that has results can be called so.",
        about: About::Client,
        tags: &["request", "flags"],
        subject: Subject::Pdu(request_maybe),
    },
    Rule {
        id: "RPC-ALLOC-HINT",
        title: "alloc_hint covers the stub",
        level: Level::Should,
        authority: "MS-RPCE 2.2.2.6; C706 12.6.4.9 and 12.6.4.10 have it a hint",
        looks_at: "alloc_hint of each request and response, and the bytes of stub in the same PDU.",
        holds: "It is 0, or not less than these bytes.",
        about: About::Sender,
        tags: &["request", "response", "lengths"],
        subject: Subject::Pdu(alloc_hint),
    },
    Rule {
        id: "RPC-FRAGMENT-START",
        title: "A call begins with its first fragment",
        level: Level::Must,
        authority: "C706 12.6.3.1 (PFC_FIRST_FRAG)",
        looks_at: "Requests and responses without PFC_FIRST_FRAG, on connections seen from their bind on.",
        holds: "They go on with a call that has begun in their direction, and not ended.",
        about: About::Sender,
        tags: &["request", "response", "fragments", "flags"],
        subject: Subject::Pdu(fragment_start),
    },
    Rule {
        id: "RPC-FRAGMENT-CONSTANT",
        title: "The fragments of a call agree",
        level: Level::Must,
        authority: "C706 12.6.4.9 and 12.6.4.10",
        looks_at: "p_cont_id, opnum and byte order of a fragment that is not the first.",
        holds: "They are those of the first.",
        about: About::Sender,
        tags: &["request", "response", "fragments", "big-endian"],
        subject: Subject::Pdu(fragment_constant),
    },
    Rule {
        id: "RPC-FRAGMENT-EMPTY",
        title: "A fragment brings something",
        level: Level::Should,
        authority: "C706 12.6.4.9 and 12.6.4.10",
        looks_at: "The stub of requests and responses that are not both first and last fragment.",
        holds: "It is not empty.",
        about: About::Sender,
        tags: &["request", "response", "fragments"],
        subject: Subject::Pdu(fragment_empty),
    },
    Rule {
        id: "RPC-CALL-CONCURRENT",
        title: "Calls overlap only where that was agreed on",
        level: Level::Must,
        authority: "C706 12.6.3.1 (PFC_CONC_MPX)",
        looks_at: "Requests that begin while another call waits for its answer.",
        holds: "The bind and its bind_ack both have PFC_CONC_MPX.",
        about: About::Client,
        tags: &["request", "flags", "pipelining"],
        subject: Subject::Pdu(call_concurrent),
    },
    Rule {
        id: "RPC-CALL-ID-REUSE",
        title: "A call_id is not used again before its call has ended",
        level: Level::Must,
        authority: "C706 12.6.3 (call_id)",
        looks_at: "call_id of requests that begin while another call waits for its answer.",
        holds: "It is another one.",
        about: About::Client,
        tags: &["request", "call-id", "pipelining"],
        subject: Subject::Pdu(call_id_reuse),
    },
    Rule {
        id: "RPC-CALL-ID-ORDER",
        title: "call_id grows from request to request",
        level: Level::Observed,
        authority: "observed: vlmcs, captures/vlmcs_vlmcsd_v6_default.pcap; impacket, captures/impacket_vlmcsd_ndr32.pcap; Samba, captures/samba_vlmcsd_plain.pcap",
        looks_at: "call_id of requests that begin, and of the one before.",
        holds: "It is not less.",
        about: About::Client,
        tags: &["request", "call-id"],
        subject: Subject::Pdu(call_id_order),
    },
    Rule {
        id: "RPC-CALL-ANSWERED",
        title: "A call is answered",
        level: Level::Should,
        authority: "C706 12.6.4.10, MS-RPCE 3.3.3.5.1 (a fault where there is an error)",
        looks_at: "Whole requests on connections that the server has ended, but for those sent after that.",
        holds: "Each of them was answered before, if only by a fault.",
        about: About::Server,
        tags: &["response"],
        subject: Subject::Connection(call_answered),
    },
    Rule {
        id: "RPC-RESPONSE-CALL-ID",
        title: "A response answers a request that waits for it",
        level: Level::Must,
        authority: "C706 12.6.3 (call_id)",
        looks_at: "call_id of the server's responses, on connections seen from their bind on.",
        holds: "It is that of a request that was not answered yet.",
        about: About::Server,
        tags: &["response", "call-id"],
        subject: Subject::Exchange(response_call_id),
    },
    Rule {
        id: "RPC-RESPONSE-CONTEXT",
        title: "A response names its request's context",
        level: Level::Must,
        authority: "C706 12.6.4.10",
        looks_at: "p_cont_id of responses whose request was seen.",
        holds: "It is the request's.",
        about: About::Server,
        tags: &["response", "contexts"],
        subject: Subject::Pdu(response_context),
    },
    Rule {
        id: "RPC-RESPONSE-EARLY",
        title: "A response waits for the whole request",
        level: Level::Must,
        authority: "C706 12.6 (fragmentation) and 12.6.3.1 (PFC_LAST_FRAG)",
        looks_at: "Responses whose request was seen.",
        holds: "The request's last fragment was sent before.",
        about: About::Server,
        tags: &["response", "fragments"],
        subject: Subject::Pdu(response_early),
    },
    Rule {
        id: "RPC-RESPONSE-RESERVED",
        title: "The reserved byte of a response is zero",
        level: Level::Should,
        authority: "C706 12.6.4.10",
        looks_at: "The byte behind cancel_count of responses.",
        holds: "It is zero.",
        about: About::Server,
        tags: &["response", "reserved"],
        subject: Subject::Pdu(response_reserved),
    },
    Rule {
        id: "RPC-CANCEL-COUNT",
        title: "Nothing counts cancels that nobody sent",
        level: Level::Must,
        authority: "C706 12.6.4.7 and 12.6.4.10",
        looks_at: "cancel_count of responses and faults, on connections seen from their bind on.",
        holds: "It is not more than the co_cancels that the client has sent.",
        about: About::Server,
        tags: &["response", "fault"],
        subject: Subject::Pdu(cancel_count),
    },
    Rule {
        id: "RPC-STUB-REQUEST-COUNT",
        title: "requestSize is the array's maximum count",
        level: Level::Must,
        authority: "C706 14.3 (conformant arrays), MS-RPCE 2.2.5",
        looks_at: "requestSize and the maximum count in stubs of requests whose transfer syntax is known.",
        holds: "They are the same.",
        about: About::Client,
        tags: &["request", "stub", "ndr64"],
        subject: Subject::Exchange(stub_request_count),
    },
    Rule {
        id: "RPC-STUB-REQUEST-DATA",
        title: "A request's stub has all its data",
        level: Level::Must,
        authority: "C706 14.3 (conformant arrays)",
        looks_at: "The bytes behind the counts in stubs of requests whose transfer syntax is known.",
        holds: "There are requestSize of them.",
        about: About::Client,
        tags: &["request", "stub", "lengths"],
        subject: Subject::Exchange(stub_request_data),
    },
    Rule {
        id: "RPC-STUB-REQUEST-EXCESS",
        title: "A request's stub ends with its data",
        level: Level::Should,
        authority: "the interface's definition (nothing follows the array); MS-RPCE 2.2.2.13",
        looks_at: "Bytes behind the data in stubs of requests whose transfer syntax is known.",
        holds: "There are none, but for a verification trailer.",
        about: About::Client,
        tags: &["request", "stub", "lengths"],
        subject: Subject::Exchange(stub_request_excess),
    },
    Rule {
        id: "RPC-STUB-RESPONSE-COUNT",
        title: "responseSize is the array's maximum count",
        level: Level::Must,
        authority: "C706 14.3 (conformant arrays), MS-RPCE 2.2.5",
        looks_at: "responseSize and the maximum count in stubs of responses whose pointer is not null.",
        holds: "They are the same.",
        about: About::Server,
        tags: &["response", "stub", "ndr64"],
        subject: Subject::Exchange(stub_response_count),
    },
    Rule {
        id: "RPC-STUB-POINTER",
        title: "A response's pointer is null where there are no data",
        level: Level::Must,
        authority: "C706 14.3 (pointers)",
        looks_at: "responseSize and the referent id in stubs of responses.",
        holds: "Both are zero, or neither is.",
        about: About::Server,
        tags: &["response", "stub"],
        subject: Subject::Exchange(stub_pointer),
    },
    Rule {
        id: "RPC-STUB-REFERENT",
        title: "The pointer of a response is the first that is given out",
        level: Level::Observed,
        authority: "observed: vlmcsd, captures/vlmcs_vlmcsd_v6_default.pcap; py-kms, captures/pykms_pykms_v6.pcap",
        looks_at: "The referent id in stubs of responses, where it is not null.",
        holds: "It is 00020000.",
        about: About::Server,
        tags: &["response", "stub"],
        subject: Subject::Exchange(stub_referent),
    },
    Rule {
        id: "RPC-STUB-HRESULT",
        title: "A response ends with its HRESULT",
        level: Level::Must,
        authority: "the interface's definition; C706 14 (order of an operation's results)",
        looks_at: "Stubs of the server's responses whose transfer syntax is known.",
        holds: "They have all their data and the HRESULT behind them.",
        about: About::Server,
        tags: &["response", "stub", "lengths"],
        subject: Subject::Exchange(stub_hresult),
    },
    Rule {
        id: "RPC-STUB-RESULT",
        title: "HRESULT is zero where there are data, and only there",
        level: Level::Should,
        authority: "observed: vlmcsd, captures/vlmcs_vlmcsd_err_version.pcap; the HRESULT's meaning (MS-ERREF 2.1)",
        looks_at: "responseSize and HRESULT in stubs of responses.",
        holds: "A response has data and success, or no data and an error.",
        about: About::Server,
        tags: &["response", "stub"],
        subject: Subject::Exchange(stub_result),
    },
    Rule {
        id: "RPC-STUB-RESPONSE-EXCESS",
        title: "A response's stub ends with its HRESULT",
        level: Level::Should,
        authority: "the interface's definition (nothing follows the HRESULT)",
        looks_at: "Bytes behind the HRESULT in stubs of responses.",
        holds: "There are none.",
        about: About::Server,
        tags: &["response", "stub", "lengths"],
        subject: Subject::Exchange(stub_response_excess),
    },
];

/// Where the stubs stand, as the places of breaches say it.
const REQUEST_STUB: &str = "request stub";
const RESPONSE_STUB: &str = "response stub";

/// True where the call's context was not accepted; `None` where that cannot be said.
pub(super) fn lacks_context(scene: &ExchangeScene<'_>) -> Option<bool> {
    match scene.exchange.standing {
        _ if !scene.connection.is_whole() => None,
        ContextStanding::Accepted => Some(false),
        // Whether another interface's was accepted is not told.
        ContextStanding::Unanswered | ContextStanding::Foreign(_) => None,
        ContextStanding::Rejected(..) | ContextStanding::Refused | ContextStanding::Unknown => Some(true),
    }
}

/// True where the call was answered with a fault of this name, or not at all.
fn is_turned_away(exchange: &Exchange, status: &str) -> bool {
    match &exchange.answer {
        None => true,
        Some(Answer::Fault(fault)) => fault.status == fault_status_by_name(status),
        Some(Answer::Response(_)) => false,
    }
}

fn request_context(scene: &ExchangeScene<'_>) -> Judgement {
    let ExchangeScene { exchange, .. } = scene;
    let Some(lacks) = lacks_context(scene).filter(|_| exchange.request.is_some()) else {
        return Judgement::NotApplicable;
    };
    if lacks && !is_turned_away(exchange, "nca_s_unk_if") {
        return Judgement::NotApplicable;
    }
    Judgement::of(!lacks, || format!("{} is {}", context(exchange), exchange.standing.name()))
}

/// The context of a call, as a noun.
pub(super) fn context(exchange: &Exchange) -> String {
    exchange.context_id.map_or("the context".to_owned(), |id| format!("context {id}"))
}

fn request_pending(scene: &ExchangeScene<'_>) -> Judgement {
    let ExchangeScene { exchange, connection, .. } = scene;
    if exchange.request.is_none() || !connection.is_whole() || connection.pdus[Side::Server as usize] == 0 {
        return Judgement::NotApplicable;
    }
    Judgement::of(exchange.standing != ContextStanding::Unanswered, || {
        format!("{} was proposed, and its answer not waited for", context(exchange))
    })
}

fn request_opnum(scene: &ExchangeScene<'_>) -> Judgement {
    let ExchangeScene { exchange, .. } = scene;
    let Some(opnum) = exchange.request.as_ref().and_then(|request| request.opnum) else {
        return Judgement::NotApplicable;
    };
    if opnum != 0 && !is_turned_away(exchange, "nca_s_op_rng_error") {
        return Judgement::NotApplicable;
    }
    Judgement::of(opnum == 0, || format!("opnum is {opnum}, the interface has 0 only"))
}

fn request_object(scene: &ExchangeScene<'_>) -> Judgement {
    let Some(request) = &scene.exchange.request else { return Judgement::NotApplicable };
    match request.object {
        None => Judgement::Holds,
        Some(object) => Judgement::broken(format!("the request names the object {object}")),
    }
}

fn request_maybe(scene: &PduScene<'_>) -> Judgement {
    let Some((header, _)) = scene.request() else { return Judgement::NotApplicable };
    Judgement::at(!header.flags.has(PfcFlags::MAYBE), ("pdu", 3), || {
        format!("pfc_flags are {:?}", header.flags)
    })
}

/// What fragments of a request or a response have in common, and their stub.
struct Part<'a> {
    header: &'a Header,
    fragment: Fragment,
    alloc_hint: u32,
    stub: &'a [u8],
    is_request: bool,
}

fn part<'a>(scene: &PduScene<'a>) -> Option<Part<'a>> {
    let fragment = |header: &Header, context_id, opnum| Fragment {
        context_id,
        opnum,
        endianness: header.drep.endianness(),
    };
    if let Some((header, request)) = scene.request() {
        return Some(Part {
            header,
            fragment: fragment(header, request.context_id, request.opnum),
            alloc_hint: request.alloc_hint,
            stub: request.stub,
            is_request: true,
        });
    }
    let (header, response) = scene.response()?;
    Some(Part {
        header,
        fragment: fragment(header, response.context_id, 0),
        alloc_hint: response.alloc_hint,
        stub: response.stub,
        is_request: false,
    })
}

impl Part<'_> {
    fn is_first(&self) -> bool {
        self.header.flags.has(PfcFlags::FIRST)
    }

    /// The open call of its call_id.
    fn call<'a>(&self, scene: &PduScene<'a>) -> Option<&'a Call> {
        scene.connection.call(self.header.call_id, self.is_request)
    }

    /// What the first fragment of its direction says.
    fn first(&self, scene: &PduScene<'_>) -> Option<Fragment> {
        let call = self.call(scene)?;
        if self.is_request { Some(call.request) } else { call.response }
    }
}

fn alloc_hint(scene: &PduScene<'_>) -> Judgement {
    let Some(Part { alloc_hint, stub, .. }) = part(scene) else { return Judgement::NotApplicable };
    let covers = alloc_hint == 0 || u64::from(alloc_hint) >= stub.len() as u64;
    Judgement::at(covers, ("pdu", 16), || {
        format!("alloc_hint is {alloc_hint}, the stub has {} bytes", stub.len())
    })
}

fn fragment_start(scene: &PduScene<'_>) -> Judgement {
    let Some(part) = part(scene) else { return Judgement::NotApplicable };
    if !scene.connection.is_whole() {
        return Judgement::NotApplicable;
    }
    // Whether a response has a request at all is said elsewhere.
    let is_known = part.is_request || part.call(scene).is_some();
    Judgement::at(part.is_first() || !is_known || part.first(scene).is_some(), ("pdu", 3), || {
        let Header { flags, call_id, .. } = part.header;
        format!("pfc_flags are {flags:?}, and call {call_id} has no first fragment")
    })
}

fn fragment_constant(scene: &PduScene<'_>) -> Judgement {
    let Some(part) = part(scene).filter(|part| !part.is_first()) else { return Judgement::NotApplicable };
    let Some(first) = part.first(scene) else { return Judgement::NotApplicable };
    Judgement::at(part.fragment == first, ("pdu", 20), || {
        let Fragment { context_id, opnum, endianness } = part.fragment;
        let own = format!("context {context_id}, opnum {opnum}, {endianness:?}");
        let Fragment { context_id, opnum, endianness } = first;
        format!("the fragment is of {own}, the first of context {context_id}, opnum {opnum}, {endianness:?}")
    })
}

fn fragment_empty(scene: &PduScene<'_>) -> Judgement {
    let Some(part) = part(scene) else { return Judgement::NotApplicable };
    let flags = part.header.flags;
    if flags.has(PfcFlags::FIRST | PfcFlags::LAST) {
        return Judgement::NotApplicable;
    }
    Judgement::of(!part.stub.is_empty(), || format!("a fragment ({flags}) without stub"))
}

/// The first fragment of a request, where other calls are waiting for their answers.
fn overlapping<'a>(scene: &PduScene<'a>) -> Option<&'a Header> {
    let (header, _) = scene.request()?;
    let is_open = header.flags.has(PfcFlags::FIRST) && !scene.connection.calls.is_empty();
    (is_open && scene.connection.is_whole()).then_some(header)
}

fn call_concurrent(scene: &PduScene<'_>) -> Judgement {
    let Some(header) = overlapping(scene) else { return Judgement::NotApplicable };
    if scene.connection.bind_ack.is_none() {
        return Judgement::NotApplicable;
    }
    Judgement::of(scene.connection.is_multiplexed, || {
        let waiting = scene.connection.calls.front().map_or(0, |call| call.call_id);
        format!("call {} begins while call {waiting} waits for its answer", header.call_id)
    })
}

fn call_id_reuse(scene: &PduScene<'_>) -> Judgement {
    let Some(header) = overlapping(scene) else { return Judgement::NotApplicable };
    Judgement::at(scene.connection.call(header.call_id, false).is_none(), ("pdu", 12), || {
        format!("call_id is {}, and a call of that id waits for its answer", header.call_id)
    })
}

fn call_id_order(scene: &PduScene<'_>) -> Judgement {
    let (Some((header, _)), Some(last)) = (scene.request(), scene.connection.last_call_id) else {
        return Judgement::NotApplicable;
    };
    if !header.flags.has(PfcFlags::FIRST) {
        return Judgement::NotApplicable;
    }
    Judgement::at(header.call_id >= last, ("pdu", 12), || {
        format!("call_id is {}, that of the request before {last}", header.call_id)
    })
}

fn call_answered(scene: &ConnectionScene<'_>) -> Judgement {
    let connection = scene.connection;
    let closed = scene.closed_by().filter(|(side, _)| *side == Side::Server);
    let Some((_, end)) = closed.filter(|_| connection.is_whole() && connection.last_call_id.is_some()) else {
        return Judgement::NotApplicable;
    };
    match connection.calls.iter().find(|call| call.is_asked && call.asked.frame < end) {
        None => Judgement::Holds,
        Some(Call { call_id, .. }) => {
            Judgement::broken(format!("the server ended the connection and left call {call_id} unanswered"))
        }
    }
}

fn response_call_id(scene: &ExchangeScene<'_>) -> Judgement {
    let ExchangeScene { exchange, connection, .. } = scene;
    if !matches!(scene.answer(), Some(Answer::Response(_))) || !connection.is_whole() {
        return Judgement::NotApplicable;
    }
    Judgement::of(exchange.request.is_some(), || {
        format!("a response of call {}, for which no request waits", exchange.call_id)
    })
}

fn response_context(scene: &PduScene<'_>) -> Judgement {
    let Some((_, response)) = scene.response() else { return Judgement::NotApplicable };
    let Some(call) = part(scene).and_then(|part| part.call(scene)) else { return Judgement::NotApplicable };
    // A fragment that is not the first is compared with that one.
    if call.response.is_some() {
        return Judgement::NotApplicable;
    }
    let asked = call.request.context_id;
    Judgement::at(response.context_id == asked, ("pdu", 20), || {
        format!("p_cont_id is {}, the request's {asked}", response.context_id)
    })
}

fn response_early(scene: &PduScene<'_>) -> Judgement {
    let call = scene.response().and_then(|(header, _)| scene.connection.call(header.call_id, false));
    let Some(call) = call.filter(|_| scene.connection.is_whole()) else { return Judgement::NotApplicable };
    Judgement::of(call.is_asked, || {
        format!("call {} is answered, and the last fragment of its request was not sent", call.call_id)
    })
}

fn response_reserved(scene: &PduScene<'_>) -> Judgement {
    let Some((_, response)) = scene.response() else { return Judgement::NotApplicable };
    Judgement::at(response.reserved == 0, ("pdu", 23), || {
        format!("the reserved byte is {:02x}, not zero", response.reserved)
    })
}

fn cancel_count(scene: &PduScene<'_>) -> Judgement {
    let count = match (scene.response(), scene.fault()) {
        (Some((_, response)), _) => response.cancel_count,
        (_, Some((_, fault))) => fault.cancel_count,
        _ => return Judgement::NotApplicable,
    };
    if !scene.connection.is_whole() {
        return Judgement::NotApplicable;
    }
    let sent = scene.connection.cancels;
    Judgement::at(u64::from(count) <= sent, ("pdu", 22), || {
        format!("cancel_count is {count}, the client has sent {sent} co_cancels")
    })
}

/// The counts of a whole request's stub, where its syntax is known.
fn request_stub<'a>(scene: &ExchangeScene<'a>) -> Option<(&'a RequestStubFields, &'a RequestRecord)> {
    let exchange = scene.exchange;
    let request = exchange.request.as_deref().filter(|request| request.span.complete)?;
    Some((request.stub.as_ref().filter(|_| is_syntax_known(exchange))?, request))
}

/// The counts of a whole response's stub, where its syntax is known.
fn response_stub<'a>(scene: &ExchangeScene<'a>) -> Option<&'a ResponseStubFields> {
    match scene.answer() {
        Some(Answer::Response(response)) if response.span.complete && is_syntax_known(scene.exchange) => {
            response.stub.as_ref()
        }
        _ => None,
    }
}

fn is_syntax_known(exchange: &Exchange) -> bool {
    matches!(exchange.ndr_basis, NdrBasis::Negotiated | NdrBasis::Proposed)
}

/// requestSize or responseSize of a slot, without its padding.
fn size(slot: u64) -> u64 {
    slot & u64::from(u32::MAX)
}

fn stub_request_count(scene: &ExchangeScene<'_>) -> Judgement {
    let Some((stub, request)) = request_stub(scene) else { return Judgement::NotApplicable };
    let (size, count) = (size(stub.size_slot), stub.max_count);
    Judgement::at(size == count, (REQUEST_STUB, 0), || match request.fits {
        None => format!("requestSize is {size}, the maximum count {count}"),
        Some(other) => {
            let ndr = scene.exchange.ndr;
            format!(
                "requestSize is {size}, the maximum count {count}: it is {other}, and {ndr} was agreed on"
            )
        }
    })
}

fn stub_request_data(scene: &ExchangeScene<'_>) -> Judgement {
    let Some((stub, _)) = request_stub(scene) else { return Judgement::NotApplicable };
    Judgement::at(stub.missing == 0, (REQUEST_STUB, scene.exchange.ndr.request_head()), || {
        format!("requestSize is {}, {} bytes follow", size(stub.size_slot), stub.data_length)
    })
}

fn stub_request_excess(scene: &ExchangeScene<'_>) -> Judgement {
    let Some((stub, _)) = request_stub(scene) else { return Judgement::NotApplicable };
    let end = scene.exchange.ndr.request_head() + stub.data_length;
    let excess = &stub.excess;
    let has_trailer = || excess.windows(8).any(|bytes| bytes == VERIFICATION_TRAILER);
    Judgement::at(excess.is_empty() || has_trailer(), (REQUEST_STUB, end), || {
        format!("{} bytes behind the data", excess.len())
    })
}

/// The signature of a verification trailer (MS-RPCE 2.2.2.13.1).
const VERIFICATION_TRAILER: [u8; 8] = [0x8a, 0xe3, 0x13, 0x71, 0x02, 0xf4, 0x36, 0x71];

fn stub_response_count(scene: &ExchangeScene<'_>) -> Judgement {
    let Some((stub, count)) = response_stub(scene).and_then(|stub| Some((stub, stub.max_count?))) else {
        return Judgement::NotApplicable;
    };
    let size = size(stub.size_slot);
    Judgement::at(size == count, (RESPONSE_STUB, 0), || {
        format!("responseSize is {size}, the maximum count {count}")
    })
}

fn stub_pointer(scene: &ExchangeScene<'_>) -> Judgement {
    let Some(stub) = response_stub(scene) else { return Judgement::NotApplicable };
    let size = size(stub.size_slot);
    Judgement::at((size == 0) == (stub.referent == 0), (RESPONSE_STUB, 0), || {
        format!("responseSize is {size}, the referent id {:08x}", stub.referent)
    })
}

fn stub_referent(scene: &ExchangeScene<'_>) -> Judgement {
    let Some(stub) = response_stub(scene).filter(|stub| stub.referent != 0) else {
        return Judgement::NotApplicable;
    };
    Judgement::at(stub.referent == crate::kms::ResponseStub::REFERENT, (RESPONSE_STUB, 4), || {
        format!("the referent id is {:08x}, not 00020000", stub.referent)
    })
}

fn stub_hresult(scene: &ExchangeScene<'_>) -> Judgement {
    match scene.answer() {
        Some(Answer::Response(response)) if response.span.complete && is_syntax_known(scene.exchange) => {
            let end = response.bytes.len();
            let Some(stub) = &response.stub else {
                return Judgement::at(false, (RESPONSE_STUB, 0), || format!("a stub of {end} bytes"));
            };
            Judgement::at(stub.hresult.is_some(), (RESPONSE_STUB, end), || {
                format!("a stub of {end} bytes with responseSize {}", size(stub.size_slot))
            })
        }
        _ => Judgement::NotApplicable,
    }
}

fn stub_result(scene: &ExchangeScene<'_>) -> Judgement {
    let Some((stub, hresult)) = response_stub(scene).and_then(|stub| Some((stub, stub.hresult?))) else {
        return Judgement::NotApplicable;
    };
    let has_data = stub.data_length > 0;
    Judgement::of(has_data == (hresult == 0), || {
        format!("HRESULT is {hresult:08x}, and {} bytes of data stand in front of it", stub.data_length)
    })
}

fn stub_response_excess(scene: &ExchangeScene<'_>) -> Judgement {
    let Some(stub) = response_stub(scene).filter(|stub| stub.hresult.is_some()) else {
        return Judgement::NotApplicable;
    };
    Judgement::of(stub.excess.is_empty(), || format!("{} bytes behind HRESULT", stub.excess.len()))
}
