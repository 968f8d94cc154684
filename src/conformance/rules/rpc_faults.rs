use super::super::connection::{Connection, ConnectionScene, ExchangeScene, PduScene};
use super::super::rule::{About, Family, Judgement, Level, Rule, Subject};
use super::rpc_calls::{context, lacks_context};
use crate::rpc::{PduType, PfcFlags, fault_status_by_name, fault_status_name};
use crate::trace::{Answer, Exchange};
use crate::wire::Side;

/// RPC: faults.
pub(super) const FAMILY: Family = Family { name: "faults", title: "RPC: faults", rules: RULES };

const RULES: &[Rule] = &[
    Rule {
        id: "RPC-FAULT-STATUS",
        title: "A fault's status is one that a server may send",
        level: Level::Must,
        authority: "MS-RPCE 3.3.3.5.1",
        looks_at: "status of each fault.",
        holds: "It is neither 0 nor one of the exceptions that a server must not send, such as c0000005 (access violation).",
        about: About::Server,
        tags: &["fault"],
        subject: Subject::Fault(fault_status),
    },
    Rule {
        id: "RPC-FAULT-FLAGS",
        title: "A fault is one fragment",
        level: Level::Should,
        authority: "MS-RPCE 2.2.2.8 (a fault has no stub that could be fragmented)",
        looks_at: "PFC_FIRST_FRAG and PFC_LAST_FRAG of each fault.",
        holds: "Both are set.",
        about: About::Server,
        tags: &["fault", "flags", "fragments"],
        subject: Subject::Fault(fault_flags),
    },
    Rule {
        id: "RPC-FAULT-RESERVED",
        title: "The reserved field of a fault is zero",
        level: Level::Should,
        authority: "C706 12.6.4.7",
        looks_at: "The four bytes behind status of each fault.",
        holds: "They are zero.",
        about: About::Server,
        tags: &["fault", "reserved"],
        subject: Subject::Fault(fault_reserved),
    },
    Rule {
        id: "RPC-FAULT-EXECUTED",
        title: "A call that was turned away did not execute",
        level: Level::Observed,
        authority: "observed: Windows by Samba's raw_protocol tests; C706 12.6.3.1 (PFC_DID_NOT_EXECUTE)",
        looks_at: "Faults nca_s_unk_if and nca_s_op_rng_error.",
        holds: "PFC_DID_NOT_EXECUTE is set.",
        about: About::Server,
        tags: &["fault", "flags"],
        subject: Subject::Fault(fault_executed),
    },
    Rule {
        id: "RPC-FAULT-CALL-ID",
        title: "A fault answers a request that waits for it",
        level: Level::Must,
        authority: "C706 12.6.3 (call_id)",
        looks_at: "call_id of faults, on connections seen from their bind on, but for those that answer another PDU than a request.",
        holds: "It is that of a request that was not answered yet.",
        about: About::Server,
        tags: &["fault", "call-id"],
        subject: Subject::Fault(fault_call_id),
    },
    Rule {
        id: "RPC-FAULT-CONTEXT",
        title: "nca_s_unk_if goes to contexts that were not accepted, and to no others",
        level: Level::Must,
        authority: "C706 12.6.4.7 and appendix E; observed: Windows by Samba's raw_protocol tests",
        looks_at: "Answers to requests, on connections seen from their bind on.",
        holds: "A request whose context was not accepted gets a fault nca_s_unk_if, another one does not.",
        about: About::Server,
        tags: &["fault", "contexts"],
        subject: Subject::Exchange(fault_context),
    },
    Rule {
        id: "RPC-FAULT-OPNUM",
        title: "nca_s_op_rng_error goes to operations that there are not, and to no others",
        level: Level::Must,
        authority: "C706 appendix E; the interface's definition (one operation)",
        looks_at: "Answers to requests on contexts of volume activation that were accepted.",
        holds: "A request with an opnum other than 0 gets a fault nca_s_op_rng_error, one with 0 does not.",
        about: About::Server,
        tags: &["fault"],
        subject: Subject::Exchange(fault_opnum),
    },
    Rule {
        id: "RPC-FAULT-OPEN",
        title: "A connection outlives a fault",
        level: Level::Observed,
        authority: "observed: vlmcsd, captures/raw_edge_vlmcsd.pcap; Windows ends it for nca_s_proto_error, by Samba's raw_protocol tests",
        looks_at: "Connections on which the server sent a fault other than nca_s_proto_error last.",
        holds: "The server was not the one to end it.",
        about: About::Server,
        tags: &["fault"],
        subject: Subject::Connection(fault_open),
    },
];

/// What is no status of a fault (MS-RPCE 3.3.3.5.1).
const FORBIDDEN: [u32; 14] = [
    0,
    0x8000_0001,
    0x8000_0002,
    0x8000_0003,
    0xc000_0005,
    0xc000_0006,
    0xc000_001d,
    0xc000_0096,
    0xc000_00aa,
    0xc000_00fd,
    0xc000_0194,
    0xc000_0235,
    0xc000_0409,
    0xc000_0420,
];
/// Offset of status.
const STATUS: usize = 24;

fn fault_status(scene: &PduScene<'_>) -> Judgement {
    let Some((_, fault)) = scene.fault() else { return Judgement::NotApplicable };
    Judgement::at(!FORBIDDEN.contains(&fault.status), ("pdu", STATUS), || {
        format!("status is {:08x}, which a server must not send", fault.status)
    })
}

fn fault_flags(scene: &PduScene<'_>) -> Judgement {
    let Some((header, _)) = scene.fault() else { return Judgement::NotApplicable };
    Judgement::at(header.flags.has(PfcFlags::FIRST | PfcFlags::LAST), ("pdu", 3), || {
        format!("pfc_flags of a fault are {:?}, without first|last", header.flags)
    })
}

fn fault_reserved(scene: &PduScene<'_>) -> Judgement {
    let Some((_, fault)) = scene.fault() else { return Judgement::NotApplicable };
    Judgement::at(fault.reserved2 == 0, ("pdu", STATUS + 4), || {
        format!("the bytes behind status are {:08x}, not zero", fault.reserved2)
    })
}

fn fault_executed(scene: &PduScene<'_>) -> Judgement {
    let Some((header, fault)) = scene.fault() else { return Judgement::NotApplicable };
    let Some(name) =
        fault_status_name(fault.status).filter(|name| [UNKNOWN_INTERFACE, OPNUM_RANGE].contains(name))
    else {
        return Judgement::NotApplicable;
    };
    Judgement::at(header.flags.has(PfcFlags::DID_NOT_EXECUTE), ("pdu", 3), || {
        format!("pfc_flags of a {name} are {:?}", header.flags)
    })
}

/// Statuses that turn a call away.
const UNKNOWN_INTERFACE: &str = "nca_s_unk_if";
const OPNUM_RANGE: &str = "nca_s_op_rng_error";

fn fault_call_id(scene: &PduScene<'_>) -> Judgement {
    let Some((header, _)) = scene.fault() else { return Judgement::NotApplicable };
    let connection = scene.connection;
    let holds = connection.call(header.call_id, false).is_some();
    if !connection.is_whole() || (!holds && answers_no_request(connection, header.call_id)) {
        return Judgement::NotApplicable;
    }
    Judgement::at(holds, ("pdu", 12), || match connection.calls.front() {
        None => format!("call_id is {}, and no request waits for an answer", header.call_id),
        Some(call) => {
            format!("call_id is {}, the request that waits has {}", header.call_id, call.call_id)
        }
    })
}

/// True where a fault of this call_id that no request waits for answers the client's last PDU, which is none.
fn answers_no_request(connection: &Connection, call_id: u32) -> bool {
    let last = connection.last[Side::Client as usize].map(|last| last.header);
    last.is_some_and(|last| {
        last.ptype != PduType::REQUEST && (connection.calls.is_empty() || last.call_id == call_id)
    })
}

fn fault_context(scene: &ExchangeScene<'_>) -> Judgement {
    let ExchangeScene { exchange, .. } = scene;
    let (Some(lacks), Some(answer), Some(_)) = (lacks_context(scene), &exchange.answer, &exchange.request)
    else {
        return Judgement::NotApplicable;
    };
    Judgement::of(has_status(answer, UNKNOWN_INTERFACE) == lacks, || {
        format!(
            "{} is {}, the request on it got {}",
            context(exchange),
            exchange.standing.name(),
            told(answer)
        )
    })
}

fn fault_opnum(scene: &ExchangeScene<'_>) -> Judgement {
    let Exchange { request, answer, .. } = scene.exchange;
    let opnum = request.as_ref().and_then(|request| request.opnum);
    let (Some(opnum), Some(answer), Some(false)) = (opnum, answer, lacks_context(scene)) else {
        return Judgement::NotApplicable;
    };
    Judgement::of(has_status(answer, OPNUM_RANGE) == (opnum != 0), || {
        format!("a request with opnum {opnum} got {}", told(answer))
    })
}

fn has_status(answer: &Answer, name: &str) -> bool {
    match answer {
        Answer::Fault(fault) => fault.status.is_some() && fault.status == fault_status_by_name(name),
        Answer::Response(_) => false,
    }
}

/// What an answer is, as a noun.
fn told(answer: &Answer) -> String {
    match answer {
        Answer::Response(_) => "a response".to_owned(),
        Answer::Fault(fault) => {
            let status = fault.status.unwrap_or_default();
            let name = fault_status_name(status).unwrap_or("without a name");
            format!("a fault {status:08x} ({name})")
        }
    }
}

fn fault_open(scene: &ConnectionScene<'_>) -> Judgement {
    let connection = scene.connection;
    let Some(last) = connection.last[Side::Server as usize] else { return Judgement::NotApplicable };
    let Some(status) = connection.last_fault.filter(|_| last.header.ptype == PduType::FAULT) else {
        return Judgement::NotApplicable;
    };
    let Some((side, _)) = scene.closed_by() else { return Judgement::NotApplicable };
    if Some(status) == fault_status_by_name("nca_s_proto_error") {
        return Judgement::NotApplicable;
    }
    Judgement::of(side == Side::Client, || {
        format!("the server ended the connection behind a fault {status:08x}")
    })
}
