use super::super::connection::{ConnectionScene, PduScene, Proposal};
use super::super::rule::{About, Family, Judgement, Level, Rule, Subject};
use super::rpc_framing::MUST_RECEIVE;
use crate::rpc::{
    Bind, BindAck, Body, PduType, PfcFlags, PresentationContext, ResultElement, SyntaxId, TransferSyntax,
    reject_reason_name, result_name, result_reason_name,
};
use crate::wire::Side;

/// RPC: bind, alter_context and their answers.
pub(super) const FAMILY: Family =
    Family { name: "negotiation", title: "RPC: bind, alter_context and their answers", rules: RULES };

const RULES: &[Rule] = &[
    Rule {
        id: "RPC-BIND-FIRST",
        title: "A client begins with a bind",
        level: Level::Must,
        authority: "C706 12.6.4.3",
        looks_at: "The client's first PDU of connections whose SYN was captured and of which nothing is missing.",
        holds: "It is a bind.",
        about: About::Client,
        tags: &["bind"],
        subject: Subject::Connection(bind_first),
    },
    Rule {
        id: "RPC-BIND-ONCE",
        title: "A connection is bound once",
        level: Level::Must,
        authority: "C706 12.6.4.1 and 12.6.4.3",
        looks_at: "Binds on connections seen from their beginning.",
        holds: "None follows a bind_ack: further contexts are proposed by alter_context.",
        about: About::Client,
        tags: &["bind"],
        subject: Subject::Negotiation(bind_once),
    },
    Rule {
        id: "RPC-BIND-ANSWERED",
        title: "A bind or alter_context is answered",
        level: Level::Should,
        authority: "C706 12.6.4.3",
        looks_at: "Connections with a bind or alter_context that the server has ended.",
        holds: "Each of them was answered before, if only by a bind_nak or by results that refuse all.",
        about: About::Server,
        tags: &["bind", "alter-context"],
        subject: Subject::Connection(bind_answered),
    },
    Rule {
        id: "RPC-BIND-FLOOR",
        title: "The fragment sizes are not below what everybody takes",
        level: Level::Should,
        authority: "C706 12.6.4.3 and table K-2 (MustRecvFragSize)",
        looks_at: "max_xmit_frag and max_recv_frag of binds and bind_acks.",
        holds: "Both are 1432 or more; genuine hosts raise what is lower.",
        about: About::Sender,
        tags: &["bind", "bind-ack", "fragments"],
        subject: Subject::Negotiation(bind_floor),
    },
    Rule {
        id: "RPC-BIND-EIGHT",
        title: "The fragment sizes that are agreed on are multiples of eight",
        level: Level::Observed,
        authority: "observed: Windows and Samba by Samba's raw_protocol tests (3199 offered, 3192 answered)",
        looks_at: "max_xmit_frag and max_recv_frag of bind_acks.",
        holds: "Both are multiples of 8.",
        about: About::Server,
        tags: &["bind-ack", "fragments"],
        subject: Subject::Negotiation(bind_eight),
    },
    Rule {
        id: "RPC-BIND-OFFERED",
        title: "A server sends no longer fragments than the client takes",
        level: Level::Should,
        authority: "C706 12.6.4.4",
        looks_at: "max_xmit_frag of bind_acks.",
        holds: "It is at most the bind's max_recv_frag, or 2048, below which a genuine host does not go.",
        about: About::Server,
        tags: &["bind-ack", "fragments"],
        subject: Subject::Negotiation(bind_offered),
    },
    Rule {
        id: "RPC-BIND-CONTEXTS",
        title: "A bind proposes something",
        level: Level::Should,
        authority: "C706 12.6.4.1 and 12.6.4.3",
        looks_at: "n_context_elem of binds and alter_contexts.",
        holds: "It is not zero.",
        about: About::Client,
        tags: &["bind", "alter-context"],
        subject: Subject::Negotiation(bind_contexts),
    },
    Rule {
        id: "RPC-BIND-CONTEXT-IDS",
        title: "The contexts of a bind have ids of their own",
        level: Level::Must,
        authority: "C706 12.6.3.1 (p_cont_elem_t)",
        looks_at: "p_cont_id of the elements of a bind or alter_context.",
        holds: "No two are the same.",
        about: About::Client,
        tags: &["bind", "alter-context"],
        subject: Subject::Negotiation(bind_context_ids),
    },
    Rule {
        id: "RPC-BIND-SYNTAXES",
        title: "A context proposes a transfer syntax",
        level: Level::Must,
        authority: "C706 12.6.3.1 (p_cont_elem_t)",
        looks_at: "n_transfer_syn of the elements of a bind or alter_context.",
        holds: "It is not zero.",
        about: About::Client,
        tags: &["bind", "alter-context"],
        subject: Subject::Negotiation(bind_syntaxes),
    },
    Rule {
        id: "RPC-BIND-SYNTAX-VERSION",
        title: "A transfer syntax has its version",
        level: Level::Must,
        authority: "C706 14, MS-RPCE 2.2.5 and 3.3.1.5.3",
        looks_at: "Transfer syntaxes of binds and alter_contexts.",
        holds: "NDR is of version 2.0, NDR64 and bind-time feature negotiation are of version 1.0.",
        about: About::Client,
        tags: &["bind", "alter-context", "ndr64"],
        subject: Subject::Negotiation(bind_syntax_version),
    },
    Rule {
        id: "RPC-BIND-INTERFACE",
        title: "Volume activation's interface is of version 1.0",
        level: Level::Must,
        authority: "the interface's definition (version 1.0); C706 12.6.3.1 (abstract_syntax_not_supported)",
        looks_at: "Abstract syntaxes 51c82175-844e-4750-b0d8-ec255555bc06 of binds and alter_contexts.",
        holds: "Their version is 1.0; a host refuses another one.",
        about: About::Client,
        tags: &["bind", "alter-context"],
        subject: Subject::Negotiation(bind_interface),
    },
    Rule {
        id: "RPC-BIND-RESERVED",
        title: "The reserved fields of a bind are zero",
        level: Level::Should,
        authority: "C706 12.6.3.1 and 12.6.4.3",
        looks_at: "The reserved bytes behind n_context_elem and n_transfer_syn of a bind or alter_context.",
        holds: "They are zero.",
        about: About::Client,
        tags: &["bind", "alter-context", "reserved"],
        subject: Subject::Negotiation(bind_reserved),
    },
    Rule {
        id: "RPC-BTFN-ALONE",
        title: "Feature negotiation is the only syntax of its element",
        level: Level::Must,
        authority: "MS-RPCE 3.3.1.5.3",
        looks_at: "Elements of a bind that ask for bind-time feature negotiation.",
        holds: "They have one transfer syntax.",
        about: About::Client,
        tags: &["bind", "btfn"],
        subject: Subject::Negotiation(btfn_alone),
    },
    Rule {
        id: "RPC-BTFN-ONCE",
        title: "Features are negotiated once",
        level: Level::Must,
        authority: "MS-RPCE 3.3.1.5.3",
        looks_at: "Elements of a bind that ask for bind-time feature negotiation.",
        holds: "There is one of them at most.",
        about: About::Client,
        tags: &["bind", "btfn"],
        subject: Subject::Negotiation(btfn_once),
    },
    Rule {
        id: "RPC-BTFN-INTERFACE",
        title: "Feature negotiation names the interface of the element before it",
        level: Level::Should,
        authority: "MS-RPCE 3.3.1.5.3",
        looks_at: "The element of a bind that asks for bind-time feature negotiation, and the one before it.",
        holds: "There is one before it, and both have the same abstract syntax.",
        about: About::Client,
        tags: &["bind", "btfn"],
        subject: Subject::Negotiation(btfn_interface),
    },
    Rule {
        id: "RPC-BTFN-BITS",
        title: "Only features that are defined are asked for",
        level: Level::Should,
        authority: "MS-RPCE 2.2.2.14",
        looks_at: "The eight bytes of the bitmask of bind-time feature negotiation.",
        holds: "No bit but 1 and 2 of the first byte is set.",
        about: About::Client,
        tags: &["bind", "btfn", "reserved"],
        subject: Subject::Negotiation(btfn_bits),
    },
    Rule {
        id: "RPC-BTFN-ACK",
        title: "Feature negotiation is never accepted as a syntax, and only it is negotiated",
        level: Level::Must,
        authority: "MS-RPCE 2.2.2.4 and 3.3.1.5.3",
        looks_at: "Results of contexts, and whether they asked for bind-time feature negotiation.",
        holds: "negotiate_ack goes only to those that asked, acceptance only to the others.",
        about: About::Server,
        tags: &["bind-ack", "btfn"],
        subject: Subject::Negotiation(btfn_ack),
    },
    Rule {
        id: "RPC-BTFN-GRANT",
        title: "Only features that were asked for are granted",
        level: Level::Should,
        authority: "MS-RPCE 3.3.1.5.3",
        looks_at: "reason of a negotiate_ack, and the bits that the context asked for.",
        holds: "No bit is granted that was not asked for.",
        about: About::Server,
        tags: &["bind-ack", "btfn"],
        subject: Subject::Negotiation(btfn_grant),
    },
    Rule {
        id: "RPC-ACK-CALL-ID",
        title: "The answer to a bind has its call_id",
        level: Level::Must,
        authority: "C706 12.6.3 (call_id)",
        looks_at: "call_id of bind_acks, alter_context_resps and bind_naks on connections seen from their bind on.",
        holds: "A bind or alter_context of that call_id waits for its answer.",
        about: About::Server,
        tags: &["bind-ack", "call-id"],
        subject: Subject::Negotiation(ack_call_id),
    },
    Rule {
        id: "RPC-ACK-TYPE",
        title: "A bind gets a bind_ack or bind_nak, an alter_context its own answer",
        level: Level::Must,
        authority: "C706 12.6.4.2, 12.6.4.4 and 12.6.4.5",
        looks_at: "The type of an answer, and what it answers.",
        holds: "bind_ack and bind_nak answer a bind, alter_context_resp an alter_context.",
        about: About::Server,
        tags: &["bind-ack", "alter-context"],
        subject: Subject::Negotiation(ack_type),
    },
    Rule {
        id: "RPC-BIND-ACK-COUNT",
        title: "Every proposed context has a result",
        level: Level::Must,
        authority: "C706 12.6.3.1 (p_result_list_t)",
        looks_at: "n_results of a bind_ack or alter_context_resp, and n_context_elem of what it answers.",
        holds: "They are the same.",
        about: About::Server,
        tags: &["bind-ack", "alter-context"],
        subject: Subject::Negotiation(ack_count),
    },
    Rule {
        id: "RPC-ACK-RESULT",
        title: "A result is one that is defined",
        level: Level::Must,
        authority: "C706 12.6.3.1, MS-RPCE 2.2.2.4",
        looks_at: "Results of a bind_ack or alter_context_resp.",
        holds: "Each is 0 to 3.",
        about: About::Server,
        tags: &["bind-ack", "alter-context"],
        subject: Subject::Negotiation(ack_result),
    },
    Rule {
        id: "RPC-ACK-REASON",
        title: "Acceptance has no reason",
        level: Level::Should,
        authority: "C706 12.6.3.1 (p_result_t)",
        looks_at: "reason of results that accept.",
        holds: "It is zero.",
        about: About::Server,
        tags: &["bind-ack", "alter-context"],
        subject: Subject::Negotiation(ack_reason),
    },
    Rule {
        id: "RPC-ACK-REJECTION",
        title: "A rejection has a reason that is defined",
        level: Level::Should,
        authority: "C706 12.6.3.1 (p_provider_reason_t)",
        looks_at: "reason of results that are provider_rejection.",
        holds: "It is 0 to 3.",
        about: About::Server,
        tags: &["bind-ack", "alter-context"],
        subject: Subject::Negotiation(ack_rejection),
    },
    Rule {
        id: "RPC-ACK-SYNTAX",
        title: "The transfer syntax that is accepted was proposed",
        level: Level::Must,
        authority: "C706 12.6.3.1 (p_result_t)",
        looks_at: "transfer_syntax of results that accept, and what their context proposed.",
        holds: "It is one of the context's, with its version.",
        about: About::Server,
        tags: &["bind-ack", "alter-context"],
        subject: Subject::Negotiation(ack_syntax),
    },
    Rule {
        id: "RPC-ACK-NO-SYNTAX",
        title: "What is not accepted has no transfer syntax",
        level: Level::Should,
        authority: "C706 12.6.3.1 (p_result_t)",
        looks_at: "transfer_syntax of results other than acceptance.",
        holds: "It is zero, the version as well.",
        about: About::Server,
        tags: &["bind-ack", "alter-context"],
        subject: Subject::Negotiation(ack_no_syntax),
    },
    Rule {
        id: "RPC-ACK-ONE-SYNTAX",
        title: "One transfer syntax is accepted for an interface",
        level: Level::Should,
        authority: "MS-RPCE 3.3.1.5.6",
        looks_at: "Results of one bind_ack or alter_context_resp whose contexts are of one interface.",
        holds: "At most one of them accepts.",
        about: About::Server,
        tags: &["bind-ack", "alter-context", "ndr64"],
        subject: Subject::Negotiation(ack_one_syntax),
    },
    Rule {
        id: "RPC-ACK-GROUP",
        title: "A bind_ack names an association group",
        level: Level::Should,
        authority: "C706 12.6.4.4",
        looks_at: "assoc_group_id of bind_acks that accept something.",
        holds: "It is not zero.",
        about: About::Server,
        tags: &["bind-ack"],
        subject: Subject::Negotiation(ack_group),
    },
    Rule {
        id: "RPC-ACK-GROUP-ECHO",
        title: "A bind that joins a group gets that group",
        level: Level::Must,
        authority: "C706 12.6.4.3 and 12.6.4.4",
        looks_at: "assoc_group_id of bind_acks whose bind has one.",
        holds: "It is the bind's.",
        about: About::Server,
        tags: &["bind-ack"],
        subject: Subject::Negotiation(ack_group_echo),
    },
    Rule {
        id: "RPC-ACK-ADDRESS",
        title: "The secondary address ends with a NUL",
        level: Level::Must,
        authority: "C706 12.6.3.1 (port_any_t)",
        looks_at: "The secondary address of bind_acks, where its length is not zero.",
        holds: "Its last byte, and no other, is zero.",
        about: About::Server,
        tags: &["bind-ack"],
        subject: Subject::Negotiation(ack_address),
    },
    Rule {
        id: "RPC-ACK-PORT",
        title: "The secondary address is the server's port",
        level: Level::Observed,
        authority: "observed: vlmcsd, captures/vlmcs_vlmcsd_v6_default.pcap; py-kms, captures/pykms_pykms_v6.pcap",
        looks_at: "The secondary address of the first bind_ack, where it is a number, and the server's TCP port.",
        holds: "They are the same, unless ports are translated on the way.",
        about: About::Server,
        tags: &["bind-ack"],
        subject: Subject::Connection(ack_port),
    },
    Rule {
        id: "RPC-ACK-ALTER-ADDRESS",
        title: "An alter_context_resp has no secondary address",
        level: Level::Observed,
        authority: "observed: vlmcsd, captures/vlmcs_vlmcsd_v6_default.pcap",
        looks_at: "The secondary address of alter_context_resps.",
        holds: "It is empty.",
        about: About::Server,
        tags: &["alter-context"],
        subject: Subject::Negotiation(ack_alter_address),
    },
    Rule {
        id: "RPC-ACK-RESERVED",
        title: "The reserved fields of a bind_ack are zero",
        level: Level::Should,
        authority: "C706 12.6.3.1 (p_result_list_t)",
        looks_at: "The reserved bytes behind n_results of a bind_ack or alter_context_resp.",
        holds: "They are zero; the bytes in front of n_results may be anything.",
        about: About::Server,
        tags: &["bind-ack", "alter-context", "reserved"],
        subject: Subject::Negotiation(ack_reserved),
    },
    Rule {
        id: "RPC-ACK-MULTIPLEX",
        title: "Concurrent multiplexing is agreed to where it was offered",
        level: Level::Should,
        authority: "C706 12.6.3.1 (PFC_CONC_MPX)",
        looks_at: "PFC_CONC_MPX of a bind_ack, and of its bind.",
        holds: "The bind_ack has it only where the bind has it.",
        about: About::Server,
        tags: &["bind-ack", "flags"],
        subject: Subject::Negotiation(ack_multiplex),
    },
    Rule {
        id: "RPC-ACK-HEADER-SIGN",
        title: "Signing of headers is agreed to where it was offered",
        level: Level::Must,
        authority: "MS-RPCE 2.2.2.3 and 3.3.1.5.2.2",
        looks_at: "PFC_SUPPORT_HEADER_SIGN of a bind_ack or alter_context_resp, and of what it answers.",
        holds: "The answer has it only where the question has it.",
        about: About::Server,
        tags: &["bind-ack", "alter-context", "flags", "authentication"],
        subject: Subject::Negotiation(ack_header_sign),
    },
    Rule {
        id: "RPC-NAK-REASON",
        title: "A bind_nak has a reason that is defined",
        level: Level::Should,
        authority: "C706 12.6.3.1 (p_reject_reason_t), MS-RPCE 2.2.2.5",
        looks_at: "provider_reject_reason of bind_naks.",
        holds: "It is 0 to 9.",
        about: About::Server,
        tags: &["bind-nak"],
        subject: Subject::Negotiation(nak_reason),
    },
    Rule {
        id: "RPC-NAK-VERSIONS",
        title: "A bind_nak lists the versions that the server speaks",
        level: Level::Should,
        authority: "C706 12.6.4.5 (p_rt_versions_supported_t)",
        looks_at: "The versions of bind_naks.",
        holds: "Version 5 is among them.",
        about: About::Server,
        tags: &["bind-nak"],
        subject: Subject::Negotiation(nak_versions),
    },
];

/// Fragment size below which a genuine host does not go, whatever it is offered.
const HOST_FLOOR: u16 = 2048;
/// Offsets of fields in a bind or bind_ack.
const MAX_XMIT_FRAG: usize = 16;
const ASSOC_GROUP_ID: usize = 20;
const N_CONTEXT_ELEM: usize = 24;
const SEC_ADDR: usize = 26;
/// Offset of pfc_flags.
const PFC_FLAGS: usize = 3;

fn bind_first(scene: &ConnectionScene<'_>) -> Judgement {
    let Some(first) = scene.connection.first_type else { return Judgement::NotApplicable };
    if scene.record.has_gaps || scene.record.flow.syn.is_none() || scene.connection.is_lossy {
        return Judgement::NotApplicable;
    }
    Judgement::of(first == PduType::BIND, || format!("the client's first PDU is a {first}"))
}

fn bind_once(scene: &PduScene<'_>) -> Judgement {
    let Some((header, _)) = scene.bind() else { return Judgement::NotApplicable };
    if header.ptype != PduType::BIND || scene.connection.has_gaps {
        return Judgement::NotApplicable;
    }
    Judgement::of(scene.connection.bind_ack.is_none(), || "a bind on a connection that is bound".to_owned())
}

fn bind_answered(scene: &ConnectionScene<'_>) -> Judgement {
    let connection = scene.connection;
    if !connection.is_whole() || !matches!(scene.closed_by(), Some((Side::Server, _))) {
        return Judgement::NotApplicable;
    }
    match connection.proposals.front() {
        None => Judgement::Holds,
        Some(Proposal { ptype, call_id, .. }) => Judgement::broken(format!(
            "the server ended the connection and left the {ptype} of call {call_id} unanswered"
        )),
    }
}

fn bind_floor(scene: &PduScene<'_>) -> Judgement {
    let (ptype, sizes) = match (scene.bind(), scene.ack()) {
        (Some((header, bind)), _) => (header.ptype, [bind.max_xmit_frag, bind.max_recv_frag]),
        (_, Some((header, ack))) => (header.ptype, [ack.max_xmit_frag, ack.max_recv_frag]),
        _ => return Judgement::NotApplicable,
    };
    if !matches!(ptype, PduType::BIND | PduType::BIND_ACK) {
        return Judgement::NotApplicable;
    }
    Judgement::at(sizes.iter().all(|&size| size >= MUST_RECEIVE), ("pdu", MAX_XMIT_FRAG), || {
        format!("max_xmit_frag is {}, max_recv_frag {}, below {MUST_RECEIVE}", sizes[0], sizes[1])
    })
}

fn bind_eight(scene: &PduScene<'_>) -> Judgement {
    let Some(ack) = bind_ack(scene) else { return Judgement::NotApplicable };
    let (xmit, recv) = (ack.max_xmit_frag, ack.max_recv_frag);
    Judgement::at(xmit % 8 == 0 && recv % 8 == 0, ("pdu", MAX_XMIT_FRAG), || {
        format!("max_xmit_frag is {xmit}, max_recv_frag {recv}: not both are multiples of 8")
    })
}

fn bind_offered(scene: &PduScene<'_>) -> Judgement {
    let (Some(ack), Some(proposal)) = (bind_ack(scene), scene.proposal()) else {
        return Judgement::NotApplicable;
    };
    let takes = proposal.bind.max_recv_frag;
    Judgement::at(ack.max_xmit_frag <= takes.max(HOST_FLOOR), ("pdu", MAX_XMIT_FRAG), || {
        format!("max_xmit_frag is {}, the client takes {takes}", ack.max_xmit_frag)
    })
}

fn bind_ack<'a>(scene: &PduScene<'a>) -> Option<&'a BindAck<'a>> {
    scene.ack().filter(|(header, _)| header.ptype == PduType::BIND_ACK).map(|(_, ack)| ack)
}

fn bind_contexts(scene: &PduScene<'_>) -> Judgement {
    let Some((header, bind)) = scene.bind() else { return Judgement::NotApplicable };
    Judgement::at(bind.n_context_elem > 0, ("pdu", N_CONTEXT_ELEM), || {
        format!("a {} without a context", header.ptype)
    })
}

fn bind_context_ids(scene: &PduScene<'_>) -> Judgement {
    let contexts = match scene.bind() {
        Some((_, bind)) if bind.contexts.len() > 1 => &bind.contexts,
        _ => return Judgement::NotApplicable,
    };
    let twice = contexts
        .iter()
        .enumerate()
        .find(|(place, context)| contexts[..*place].iter().any(|earlier| earlier.id == context.id));
    match twice {
        None => Judgement::Holds,
        Some((_, context)) => Judgement::broken(format!("two contexts have the id {}", context.id)),
    }
}

fn bind_syntaxes(scene: &PduScene<'_>) -> Judgement {
    each_context(scene, |context| {
        context.transfer_syntaxes.is_empty().then(|| format!("context {} proposes no syntax", context.id))
    })
}

fn bind_syntax_version(scene: &PduScene<'_>) -> Judgement {
    each_context(scene, |context| {
        let wrong =
            context.transfer_syntaxes.iter().find(|syntax| version_of(**syntax) != Some(syntax.version));
        let wrong = wrong.filter(|syntax| version_of(**syntax).is_some())?;
        Some(format!("context {} proposes {} as {wrong}", context.id, wrong.transfer()))
    })
}

/// The version of a transfer syntax that is known.
fn version_of(syntax: SyntaxId) -> Option<u32> {
    match syntax.transfer() {
        TransferSyntax::Ndr32 => Some(SyntaxId::NDR32.version),
        TransferSyntax::Ndr64 | TransferSyntax::BindTimeFeatures(_) => Some(SyntaxId::NDR64.version),
        TransferSyntax::Other(_) => None,
    }
}

fn bind_interface(scene: &PduScene<'_>) -> Judgement {
    let Some((_, bind)) = scene.bind() else { return Judgement::NotApplicable };
    let mut interfaces = bind
        .contexts
        .iter()
        .map(|context| context.abstract_syntax)
        .filter(|interface| interface.uuid == SyntaxId::KMS.uuid)
        .peekable();
    if interfaces.peek().is_none() {
        return Judgement::NotApplicable;
    }
    match interfaces.find(|interface| *interface != SyntaxId::KMS) {
        None => Judgement::Holds,
        Some(wrong) => Judgement::broken(format!("the interface is {wrong}, not v1.0")),
    }
}

fn bind_reserved(scene: &PduScene<'_>) -> Judgement {
    let Some((_, bind)) = scene.bind() else { return Judgement::NotApplicable };
    if bind.reserved != [0; 3] {
        return Judgement::at(false, ("pdu", N_CONTEXT_ELEM + 1), || {
            format!("the bytes behind n_context_elem are {:02x?}, not zero", bind.reserved)
        });
    }
    each_context(scene, |context| {
        let PresentationContext { id, reserved, .. } = context;
        (*reserved != 0).then(|| format!("the byte behind n_transfer_syn of context {id} is {reserved:02x}"))
    })
}

/// A breach where something is wrong with a context of a bind.
fn each_context(scene: &PduScene<'_>, wrong: impl Fn(&PresentationContext) -> Option<String>) -> Judgement {
    match scene.bind() {
        Some((_, bind)) if !bind.contexts.is_empty() => {
            bind.contexts.iter().find_map(wrong).map_or(Judgement::Holds, Judgement::broken)
        }
        _ => Judgement::NotApplicable,
    }
}

/// The bits of bind-time feature negotiation that a context asks for.
fn features(context: &PresentationContext) -> Option<u16> {
    context.transfer_syntaxes.iter().find_map(|syntax| match syntax.transfer() {
        TransferSyntax::BindTimeFeatures(bits) => Some(bits),
        _ => None,
    })
}

/// The first context of a bind that asks for bind-time feature negotiation, with its place.
fn feature_context<'a>(scene: &PduScene<'a>) -> Option<(&'a Bind, usize, &'a PresentationContext)> {
    let (_, bind) = scene.bind()?;
    let place = bind.contexts.iter().position(|context| features(context).is_some())?;
    Some((bind, place, &bind.contexts[place]))
}

fn btfn_alone(scene: &PduScene<'_>) -> Judgement {
    let Some((_, _, context)) = feature_context(scene) else { return Judgement::NotApplicable };
    Judgement::of(context.transfer_syntaxes.len() == 1, || {
        format!("context {} proposes {} syntaxes", context.id, context.transfer_syntaxes.len())
    })
}

fn btfn_once(scene: &PduScene<'_>) -> Judgement {
    let Some((bind, place, _)) = feature_context(scene) else { return Judgement::NotApplicable };
    let again = bind.contexts[place + 1..].iter().find(|context| features(context).is_some());
    Judgement::of(again.is_none(), || {
        format!("context {} asks for features again", again.map_or(0, |context| context.id))
    })
}

fn btfn_interface(scene: &PduScene<'_>) -> Judgement {
    let Some((bind, place, context)) = feature_context(scene) else { return Judgement::NotApplicable };
    match place.checked_sub(1).map(|before| &bind.contexts[before]) {
        None => Judgement::broken(format!("context {} is the first", context.id)),
        Some(before) => Judgement::of(before.abstract_syntax == context.abstract_syntax, || {
            let (here, there) = (context.abstract_syntax, before.abstract_syntax);
            format!("context {} is of {here}, the one before it of {there}", context.id)
        }),
    }
}

fn btfn_bits(scene: &PduScene<'_>) -> Judgement {
    let Some((_, _, context)) = feature_context(scene) else { return Judgement::NotApplicable };
    let strange = context.transfer_syntaxes.iter().find(|syntax| {
        let [.., a, b, c, d, e, f, g, h] = syntax.uuid.to_wire();
        matches!(syntax.transfer(), TransferSyntax::BindTimeFeatures(_))
            && (a & !3, [b, c, d, e, f, g, h]) != (0, [0; 7])
    });
    match strange {
        None => Judgement::Holds,
        Some(syntax) => Judgement::broken(format!("context {} asks for {}", context.id, syntax.uuid)),
    }
}

/// The results of an answer with the contexts that they are about.
fn results<'a>(
    scene: &PduScene<'a>,
) -> Option<impl Iterator<Item = (&'a PresentationContext, &'a ResultElement)> + Clone> {
    let (_, ack) = scene.ack()?;
    Some(scene.proposal()?.bind.contexts.iter().zip(&ack.results))
}

/// A breach where something is wrong with the answer to a context; not applicable where no answer is of interest.
fn each_result(
    scene: &PduScene<'_>,
    applies: impl Fn(&PresentationContext, &ResultElement) -> bool,
    wrong: impl Fn(&PresentationContext, &ResultElement) -> Option<String>,
) -> Judgement {
    let Some(results) = results(scene) else { return Judgement::NotApplicable };
    let mut judgement = Judgement::NotApplicable;
    for (context, result) in results.filter(|(context, result)| applies(context, result)) {
        if let Some(message) = wrong(context, result) {
            return Judgement::broken(message);
        }
        judgement = Judgement::Holds;
    }
    judgement
}

fn btfn_ack(scene: &PduScene<'_>) -> Judgement {
    each_result(
        scene,
        |_, result| matches!(result.result, ACCEPTANCE | NEGOTIATE_ACK),
        |context, result| {
            let asked = features(context).is_some();
            match result.result {
                NEGOTIATE_ACK if !asked => Some(format!("context {} did not ask for features", context.id)),
                ACCEPTANCE if asked && context.transfer_syntaxes.len() == 1 => {
                    Some(format!("context {} asked for features and is accepted", context.id))
                }
                _ => None,
            }
        },
    )
}

/// Results of a context.
const ACCEPTANCE: u16 = 0;
const PROVIDER_REJECTION: u16 = 2;
const NEGOTIATE_ACK: u16 = 3;

fn btfn_grant(scene: &PduScene<'_>) -> Judgement {
    each_result(
        scene,
        |context, result| result.result == NEGOTIATE_ACK && features(context).is_some(),
        |context, result| {
            let asked = features(context)?;
            (result.reason & !asked != 0).then(|| {
                format!("context {} asked for {asked:#x} and is granted {:#x}", context.id, result.reason)
            })
        },
    )
}

fn ack_call_id(scene: &PduScene<'_>) -> Judgement {
    let Some((pdu, _)) = scene.whole() else { return Judgement::NotApplicable };
    let is_answer = matches!(pdu.body, Body::BindAck(_) | Body::AlterContextResp(_) | Body::BindNak(_));
    if !is_answer || scene.is_from_client() || !scene.connection.is_whole() {
        return Judgement::NotApplicable;
    }
    let call_id = pdu.header.call_id;
    let waiting = &scene.connection.proposals;
    Judgement::at(waiting.iter().any(|proposal| proposal.call_id == call_id), ("pdu", 12), || {
        match waiting.front() {
            None => format!("call_id is {call_id}, and nothing waits for an answer"),
            Some(first) => format!("call_id is {call_id}, what waits for an answer has {}", first.call_id),
        }
    })
}

fn ack_type(scene: &PduScene<'_>) -> Judgement {
    let (Some(header), Some(proposal)) = (scene.header(), scene.proposal()) else {
        return Judgement::NotApplicable;
    };
    let asked =
        if header.ptype == PduType::ALTER_CONTEXT_RESP { PduType::ALTER_CONTEXT } else { PduType::BIND };
    Judgement::at(proposal.ptype == asked, ("pdu", 2), || {
        format!("a {} was answered with a {}", proposal.ptype, header.ptype)
    })
}

fn ack_count(scene: &PduScene<'_>) -> Judgement {
    let (Some((_, ack)), Some(proposal)) = (scene.ack(), scene.proposal()) else {
        return Judgement::NotApplicable;
    };
    let (results, contexts) = (ack.results.len(), proposal.bind.contexts.len());
    Judgement::of(results == contexts, || format!("{results} results for {contexts} contexts"))
}

fn ack_result(scene: &PduScene<'_>) -> Judgement {
    each_result(
        scene,
        |_, _| true,
        |context, result| {
            let ResultElement { result, .. } = result;
            result_name(*result)
                .is_none()
                .then(|| format!("the result of context {} is {result}", context.id))
        },
    )
}

fn ack_reason(scene: &PduScene<'_>) -> Judgement {
    each_result(
        scene,
        |_, result| result.result == ACCEPTANCE,
        |context, result| {
            (result.reason != 0)
                .then(|| format!("context {} is accepted for reason {}", context.id, result.reason))
        },
    )
}

fn ack_rejection(scene: &PduScene<'_>) -> Judgement {
    each_result(
        scene,
        |_, result| result.result == PROVIDER_REJECTION,
        |context, result| {
            result_reason_name(result.reason)
                .is_none()
                .then(|| format!("context {} is rejected for reason {}", context.id, result.reason))
        },
    )
}

fn ack_syntax(scene: &PduScene<'_>) -> Judgement {
    each_result(
        scene,
        |_, result| result.result == ACCEPTANCE,
        |context, result| {
            let accepted = result.transfer_syntax;
            (!context.transfer_syntaxes.contains(&accepted))
                .then(|| format!("context {} did not propose {accepted}", context.id))
        },
    )
}

fn ack_no_syntax(scene: &PduScene<'_>) -> Judgement {
    each_result(
        scene,
        |_, result| result.result != ACCEPTANCE,
        |context, result| {
            (result.transfer_syntax != SyntaxId::default()).then(|| {
                let name = result_name(result.result).unwrap_or("result");
                format!("the {name} of context {} names {}", context.id, result.transfer_syntax)
            })
        },
    )
}

fn ack_one_syntax(scene: &PduScene<'_>) -> Judgement {
    let Some(results) = results(scene) else { return Judgement::NotApplicable };
    let accepted = results.filter(|(_, result)| result.result == ACCEPTANCE).map(|(context, _)| context);
    let Some(first) = accepted.clone().next() else { return Judgement::NotApplicable };
    let again = accepted.skip(1).find(|context| context.abstract_syntax == first.abstract_syntax);
    Judgement::of(again.is_none(), || {
        let again = again.map_or(0, |context| context.id);
        format!("contexts {} and {again} of one interface are both accepted", first.id)
    })
}

fn ack_group(scene: &PduScene<'_>) -> Judgement {
    let Some(ack) = bind_ack(scene) else { return Judgement::NotApplicable };
    if ack.results.iter().all(|result| result.result != ACCEPTANCE) {
        return Judgement::NotApplicable;
    }
    Judgement::at(ack.assoc_group_id != 0, ("pdu", ASSOC_GROUP_ID), || "assoc_group_id is 0".to_owned())
}

fn ack_group_echo(scene: &PduScene<'_>) -> Judgement {
    let (Some(ack), Some(proposal)) = (bind_ack(scene), scene.proposal()) else {
        return Judgement::NotApplicable;
    };
    let asked = proposal.bind.assoc_group_id;
    if asked == 0 {
        return Judgement::NotApplicable;
    }
    Judgement::at(ack.assoc_group_id == asked, ("pdu", ASSOC_GROUP_ID), || {
        format!("assoc_group_id is {:08x}, the bind asked for {asked:08x}", ack.assoc_group_id)
    })
}

fn ack_address(scene: &PduScene<'_>) -> Judgement {
    let Some(ack) = bind_ack(scene) else { return Judgement::NotApplicable };
    let Some(last) = ack.secondary_address.len().checked_sub(1) else { return Judgement::NotApplicable };
    let end = ack.secondary_address.iter().position(|&byte| byte == 0);
    Judgement::at(end == Some(last), ("pdu", SEC_ADDR), || match end {
        None => format!("the {} bytes of the secondary address have no NUL", last + 1),
        Some(end) => format!("the secondary address has {} bytes and a NUL at {end}", last + 1),
    })
}

fn ack_port(scene: &ConnectionScene<'_>) -> Judgement {
    let Some(named) = scene.connection.secondary_port else { return Judgement::NotApplicable };
    let port = scene.record.flow.server.port;
    Judgement::of(named == port, || format!("the secondary address is {named}, the server's port {port}"))
}

fn ack_alter_address(scene: &PduScene<'_>) -> Judgement {
    match scene.ack() {
        Some((header, ack)) if header.ptype == PduType::ALTER_CONTEXT_RESP => {
            Judgement::at(matches!(ack.secondary_address, [] | [0]), ("pdu", SEC_ADDR), || {
                format!("the secondary address is {:?}", ack.secondary_address_text())
            })
        }
        _ => Judgement::NotApplicable,
    }
}

fn ack_reserved(scene: &PduScene<'_>) -> Judgement {
    let Some((_, ack)) = scene.ack() else { return Judgement::NotApplicable };
    let at = SEC_ADDR + ack.secondary_address.len() + ack.padding.len() + 1;
    Judgement::at(ack.reserved == [0; 3], ("pdu", at), || {
        format!("the bytes behind n_results are {:02x?}, not zero", ack.reserved)
    })
}

fn ack_multiplex(scene: &PduScene<'_>) -> Judgement {
    match scene.header() {
        Some(header) if header.ptype == PduType::BIND_ACK => agreed(scene, PfcFlags::CONC_MPX),
        _ => Judgement::NotApplicable,
    }
}

fn ack_header_sign(scene: &PduScene<'_>) -> Judgement {
    // On these PDUs the bit has this meaning.
    agreed(scene, PfcFlags::PENDING_CANCEL)
}

/// Whether an answer has a flag only where what it answers has it.
fn agreed(scene: &PduScene<'_>, flag: PfcFlags) -> Judgement {
    let (Some((header, _)), Some(proposal)) = (scene.ack(), scene.proposal()) else {
        return Judgement::NotApplicable;
    };
    Judgement::at(!header.flags.has(flag) || proposal.flags.has(flag), ("pdu", PFC_FLAGS), || {
        format!(
            "pfc_flags are {:02x}, those of the {} {:02x}",
            header.flags.0, proposal.ptype, proposal.flags.0
        )
    })
}

fn nak_reason(scene: &PduScene<'_>) -> Judgement {
    let Some(nak) = scene.nak() else { return Judgement::NotApplicable };
    Judgement::at(reject_reason_name(nak.reject_reason).is_some(), ("pdu", 16), || {
        format!("provider_reject_reason is {}", nak.reject_reason)
    })
}

fn nak_versions(scene: &PduScene<'_>) -> Judgement {
    let Some(nak) = scene.nak() else { return Judgement::NotApplicable };
    let versions = nak.versions.as_deref().unwrap_or_default();
    Judgement::at(versions.iter().any(|(major, _)| *major == 5), ("pdu", 18), || {
        format!("the versions are {versions:?}, without 5.0 or 5.1")
    })
}
