use super::super::connection::{Connection, PduScene, sender};
use super::super::rule::{About, Family, Judgement, Level, Rule, Subject};
use crate::rpc::{AuthTrailer, Body, EXTENDED_ERROR_SIGNATURE, Header, PduType, PfcFlags};
use crate::trace::PduContent;
use crate::wire::Side;

/// RPC: PDU framing.
pub(super) const FAMILY: Family = Family { name: "framing", title: "RPC: PDU framing", rules: RULES };

const RULES: &[Rule] = &[
    Rule {
        id: "RPC-VERSION",
        title: "The protocol's version is 5.0 or 5.1",
        level: Level::Must,
        authority: "C706 12.6.3.1",
        looks_at: "rpc_vers and rpc_vers_minor of each PDU's common header.",
        holds: "rpc_vers is 5, and rpc_vers_minor is 0 or 1.",
        about: About::Sender,
        tags: &["header"],
        subject: Subject::Pdu(version),
    },
    Rule {
        id: "RPC-STREAM",
        title: "What follows a PDU is a PDU",
        level: Level::Must,
        authority: "C706 12.6",
        looks_at: "Bytes of a direction in which a PDU was seen before, with nothing missing from the capture.",
        holds: "They are PDUs without a byte between them.",
        about: About::Sender,
        tags: &["header"],
        subject: Subject::Pdu(stream),
    },
    Rule {
        id: "RPC-PTYPE",
        title: "The PDU's type is one of the connection-oriented protocol",
        level: Level::Must,
        authority: "C706 12 (table of PDUs), MS-RPCE 2.2.2.10",
        looks_at: "PTYPE of each PDU.",
        holds: "It is 0, 2, 3 or 11 to 19: the others are connectionless, or of no protocol over TCP.",
        about: About::Sender,
        tags: &["header"],
        subject: Subject::Pdu(ptype),
    },
    Rule {
        id: "RPC-DIRECTION",
        title: "A PDU's type is one that its side sends",
        level: Level::Must,
        authority: "C706 12.6.4",
        looks_at: "PTYPE of each PDU, and who sent it.",
        holds: "Clients send bind, alter_context, auth3, request, co_cancel and orphaned, servers the other types.",
        about: About::Sender,
        tags: &["header"],
        subject: Subject::Pdu(direction),
    },
    Rule {
        id: "RPC-FLAGS-RESERVED",
        title: "The reserved bit of pfc_flags is zero",
        level: Level::Should,
        authority: "C706 12.6.3.1",
        looks_at: "Bit 08 of each PDU's pfc_flags.",
        holds: "It is zero.",
        about: About::Sender,
        tags: &["header", "flags", "reserved"],
        subject: Subject::Pdu(flags_reserved),
    },
    Rule {
        id: "RPC-FLAGS-WHOLE",
        title: "What is never fragmented is first and last fragment",
        level: Level::Should,
        authority: "C706 12.6.3.1",
        looks_at: "PFC_FIRST_FRAG and PFC_LAST_FRAG of PDUs that are no request, response or fault.",
        holds: "Both are set.",
        about: About::Sender,
        tags: &["header", "flags", "fragments"],
        subject: Subject::Pdu(flags_whole),
    },
    Rule {
        id: "RPC-FLAGS-OBJECT",
        title: "Only a request has an object",
        level: Level::Should,
        authority: "C706 12.6.3.1",
        looks_at: "PFC_OBJECT_UUID of PDUs that are no request.",
        holds: "It is not set.",
        about: About::Sender,
        tags: &["header", "flags"],
        subject: Subject::Pdu(flags_object),
    },
    Rule {
        id: "RPC-FLAGS-EXECUTED",
        title: "Only a fault says that a call was not executed",
        level: Level::Should,
        authority: "C706 12.6.3.1",
        looks_at: "PFC_DID_NOT_EXECUTE of PDUs that are no fault.",
        holds: "It is not set.",
        about: About::Sender,
        tags: &["header", "flags"],
        subject: Subject::Pdu(flags_executed),
    },
    Rule {
        id: "RPC-DREP-FORMAT",
        title: "The formats of integers and characters are defined ones",
        level: Level::Must,
        authority: "C706 14.1",
        looks_at: "The first byte of each PDU's drep.",
        holds: "Its high half is 0 or 1 (big-endian, little-endian), its low half 0 or 1 (ASCII, EBCDIC).",
        about: About::Sender,
        tags: &["header", "drep"],
        subject: Subject::Pdu(drep_format),
    },
    Rule {
        id: "RPC-DREP-FLOAT",
        title: "The format of floating point numbers is a defined one",
        level: Level::Must,
        authority: "C706 14.1",
        looks_at: "The second byte of each PDU's drep.",
        holds: "It is 0 (IEEE), 1 (VAX), 2 (Cray) or 3 (IBM).",
        about: About::Sender,
        tags: &["header", "drep"],
        subject: Subject::Pdu(drep_float),
    },
    Rule {
        id: "RPC-DREP-RESERVED",
        title: "The reserved bytes of drep are zero",
        level: Level::Must,
        authority: "C706 14.1",
        looks_at: "The last two bytes of each PDU's drep.",
        holds: "They are zero.",
        about: About::Sender,
        tags: &["header", "drep", "reserved"],
        subject: Subject::Pdu(drep_reserved),
    },
    Rule {
        id: "RPC-DREP-CONSTANT",
        title: "A side keeps its byte order",
        level: Level::Observed,
        authority: "observed: vlmcs and vlmcsd, captures/vlmcs_vlmcsd_v6_default.pcap; C706 14.1 leaves it to each PDU",
        looks_at: "The byte order of a PDU and of the one that its side sent before.",
        holds: "They are the same.",
        about: About::Sender,
        tags: &["header", "drep", "big-endian"],
        subject: Subject::Pdu(drep_constant),
    },
    Rule {
        id: "RPC-PDU-FIELDS",
        title: "frag_length holds all fields of the PDU's type",
        level: Level::Must,
        authority: "C706 12.6.3.1 and 12.6.4",
        looks_at: "The fields of each PDU, and the elements that its counts announce.",
        holds: "All of them are within frag_length.",
        about: About::Sender,
        tags: &["header", "lengths"],
        subject: Subject::Pdu(pdu_fields),
    },
    Rule {
        id: "RPC-PDU-REST",
        title: "Every byte of a PDU belongs to a field",
        level: Level::Should,
        authority: "C706 12.6.4",
        looks_at: "Bytes between a PDU's last field and its end, or its authentication trailer.",
        holds: "There are none but padding in front of a trailer, and what MS-RPCE 2.2.2.9 appends to a bind_nak.",
        about: About::Sender,
        tags: &["lengths"],
        subject: Subject::Pdu(pdu_rest),
    },
    Rule {
        id: "RPC-FRAG-MAX",
        title: "A fragment is no longer than its receiver takes",
        level: Level::Must,
        authority: "C706 12.6.4.3, 12.6.4.4 (max_recv_frag) and table K-2 (MustRecvFragSize)",
        looks_at: "frag_length of each PDU behind the first bind, or the first bind_ack, of the other side.",
        holds: "It is at most the receiver's max_recv_frag, or 1432, which every receiver takes.",
        about: About::Sender,
        tags: &["header", "lengths", "fragments"],
        subject: Subject::Pdu(frag_max),
    },
    Rule {
        id: "RPC-AUTH-LENGTH",
        title: "The authentication trailer fits into the PDU",
        level: Level::Must,
        authority: "C706 13.2.6.1, MS-RPCE 2.2.2.11",
        looks_at: "auth_length of each PDU that has one.",
        holds: "auth_length and the 8 bytes of the sec_trailer fit behind the common header.",
        about: About::Sender,
        tags: &["header", "lengths", "authentication"],
        subject: Subject::Pdu(auth_length),
    },
    Rule {
        id: "RPC-AUTH-TYPE",
        title: "The authentication type is a known one",
        level: Level::Should,
        authority: "MS-RPCE 2.2.1.1.7",
        looks_at: "auth_type of each sec_trailer.",
        holds: "It is 9 (SPNEGO), 10 (NTLM), 14 (Schannel), 16 (Kerberos) or 68 (Netlogon).",
        about: About::Sender,
        tags: &["authentication"],
        subject: Subject::Pdu(auth_type),
    },
    Rule {
        id: "RPC-AUTH-LEVEL",
        title: "The authentication level is a defined one",
        level: Level::Must,
        authority: "MS-RPCE 2.2.1.1.8",
        looks_at: "auth_level of each sec_trailer.",
        holds: "It is within 0 to 6.",
        about: About::Sender,
        tags: &["authentication"],
        subject: Subject::Pdu(auth_level),
    },
    Rule {
        id: "RPC-AUTH-PADDING",
        title: "The authentication trailer is aligned, and its padding is there",
        level: Level::Must,
        authority: "MS-RPCE 2.2.2.11",
        looks_at: "The offset of each sec_trailer, and auth_pad_length where a stub is in front of it.",
        holds: "The offset is a multiple of 4, and the padding is no longer than what is in front of the trailer.",
        about: About::Sender,
        tags: &["authentication", "lengths"],
        subject: Subject::Pdu(auth_padding),
    },
    Rule {
        id: "RPC-AUTH-NEGOTIATED",
        title: "Only what was authenticated carries a trailer",
        level: Level::Must,
        authority: "MS-RPCE 3.3.1.5.2",
        looks_at: "Requests with a sec_trailer on connections seen from their bind on.",
        holds: "A bind or alter_context had one before.",
        about: About::Client,
        tags: &["authentication"],
        subject: Subject::Pdu(auth_negotiated),
    },
    Rule {
        id: "RPC-AUTH3-VALUE",
        title: "An auth3 brings authentication",
        level: Level::Must,
        authority: "MS-RPCE 2.2.2.10",
        looks_at: "auth_length of auth3 PDUs.",
        holds: "It is not zero.",
        about: About::Client,
        tags: &["authentication"],
        subject: Subject::Pdu(auth3_value),
    },
];

/// Bytes that every receiver takes (C706 table K-2, MustRecvFragSize).
pub(super) const MUST_RECEIVE: u16 = 1432;

fn version(scene: &PduScene<'_>) -> Judgement {
    let Some(header) = scene.header() else { return Judgement::NotApplicable };
    let (major, minor) = (header.version, header.version_minor);
    Judgement::at(major == 5 && minor <= 1, ("pdu", 0), || format!("version {major}.{minor}, not 5.0 or 5.1"))
}

fn stream(scene: &PduScene<'_>) -> Judgement {
    let Connection { has_gaps, pdus, .. } = *scene.connection;
    if has_gaps || pdus[scene.record.direction as usize] == 0 {
        return Judgement::NotApplicable;
    }
    match scene.record.content {
        PduContent::Whole { .. } => Judgement::Holds,
        PduContent::Cut { .. } => Judgement::NotApplicable,
        PduContent::Skipped { length, .. } => {
            Judgement::broken(format!("{length} bytes behind a PDU are no PDU"))
        }
    }
}

fn ptype(scene: &PduScene<'_>) -> Judgement {
    let Some(header) = scene.header() else { return Judgement::NotApplicable };
    Judgement::at(header.ptype.fixed_len().is_some(), ("pdu", 2), || {
        format!("{} is no type of the connection-oriented protocol", header.ptype)
    })
}

fn direction(scene: &PduScene<'_>) -> Judgement {
    let Some(header) = scene.header() else { return Judgement::NotApplicable };
    let Some(sender) = sender(header.ptype) else { return Judgement::NotApplicable };
    Judgement::at(sender == scene.record.direction.into(), ("pdu", 2), || match sender {
        Side::Client => format!("the server sent a {}, which is the client's", header.ptype),
        Side::Server => format!("the client sent a {}, which is the server's", header.ptype),
    })
}

fn flags_reserved(scene: &PduScene<'_>) -> Judgement {
    let Some(header) = scene.header() else { return Judgement::NotApplicable };
    Judgement::at(!header.flags.has(PfcFlags::RESERVED_1), ("pdu", 3), || {
        format!("pfc_flags are {:?}, bit 08 is reserved", header.flags)
    })
}

fn flags_whole(scene: &PduScene<'_>) -> Judgement {
    let Some(header) = scene.header() else { return Judgement::NotApplicable };
    if may_be_fragmented(header.ptype) || sender(header.ptype).is_none() {
        return Judgement::NotApplicable;
    }
    let holds = header.flags.has(PfcFlags::FIRST | PfcFlags::LAST);
    Judgement::at(holds, ("pdu", 3), || {
        format!("pfc_flags of a {} are {:?}, without first|last", header.ptype, header.flags)
    })
}

fn may_be_fragmented(ptype: PduType) -> bool {
    matches!(ptype, PduType::REQUEST | PduType::RESPONSE | PduType::FAULT)
}

fn flags_object(scene: &PduScene<'_>) -> Judgement {
    flag_is_only_of(scene, PfcFlags::OBJECT_UUID, PduType::REQUEST)
}

fn flags_executed(scene: &PduScene<'_>) -> Judgement {
    flag_is_only_of(scene, PfcFlags::DID_NOT_EXECUTE, PduType::FAULT)
}

fn flag_is_only_of(scene: &PduScene<'_>, flag: PfcFlags, owner: PduType) -> Judgement {
    let Some(header) = scene.header() else { return Judgement::NotApplicable };
    if header.ptype == owner {
        return Judgement::NotApplicable;
    }
    Judgement::at(!header.flags.has(flag), ("pdu", 3), || {
        format!("pfc_flags of a {} are {:?}: {flag} is for a {owner} only", header.ptype, header.flags)
    })
}

fn drep_format(scene: &PduScene<'_>) -> Judgement {
    let Some(Header { drep, .. }) = scene.header() else { return Judgement::NotApplicable };
    Judgement::at(drep.0[0] & 0xee == 0, ("pdu", 4), || {
        format!("drep begins with 0x{:02x}, not with 00, 01, 10 or 11", drep.0[0])
    })
}

fn drep_float(scene: &PduScene<'_>) -> Judgement {
    let Some(Header { drep, .. }) = scene.header() else { return Judgement::NotApplicable };
    Judgement::at(drep.0[1] <= 3, ("pdu", 5), || {
        format!("the floating point format is {}, not 0 to 3", drep.0[1])
    })
}

fn drep_reserved(scene: &PduScene<'_>) -> Judgement {
    let Some(Header { drep, .. }) = scene.header() else { return Judgement::NotApplicable };
    let [.., a, b] = drep.0;
    Judgement::at((a, b) == (0, 0), ("pdu", 6), || {
        format!("the reserved bytes of drep are {a:02x} {b:02x}, not zero")
    })
}

fn drep_constant(scene: &PduScene<'_>) -> Judgement {
    let last = scene.connection.last[scene.record.direction as usize];
    let (Some(header), Some(last)) = (scene.header(), last) else { return Judgement::NotApplicable };
    let (now, before) = (header.drep.endianness(), last.header.drep.endianness());
    Judgement::at(now == before, ("pdu", 4), || {
        format!("the byte order is {now:?}, before it was {before:?}")
    })
}

fn pdu_fields(scene: &PduScene<'_>) -> Judgement {
    match scene.lax() {
        Some((_, _, None)) => Judgement::Holds,
        Some((_, _, Some(error))) if error.field != AUTH_LENGTH => {
            Judgement::at(false, ("pdu", error.offset), || error.to_string())
        }
        _ => Judgement::NotApplicable,
    }
}

/// The field that a trailer beyond its PDU is put down to.
const AUTH_LENGTH: &str = "auth_length";

fn pdu_rest(scene: &PduScene<'_>) -> Judgement {
    let Some((pdu, bytes)) = scene.whole() else { return Judgement::NotApplicable };
    if pdu.header.ptype.fixed_len().is_none() {
        return Judgement::NotApplicable;
    }
    let holds = match (&pdu.auth, &pdu.body) {
        _ if pdu.rest.is_empty() => true,
        (Some(auth), _) => pdu.rest.len() <= usize::from(auth.pad_length),
        // Its signature is aligned.
        (None, Body::BindNak(_)) => {
            pdu.rest.windows(16).take(4).any(|bytes| bytes == EXTENDED_ERROR_SIGNATURE.to_wire())
        }
        (None, _) => false,
    };
    let trailer = pdu.auth.as_ref().map_or(0, trailer_length);
    let length = pdu.rest.len();
    Judgement::at(holds, ("pdu", bytes.len().saturating_sub(trailer + length)), || {
        format!("{length} bytes behind the fields of a {}", pdu.header.ptype)
    })
}

fn frag_max(scene: &PduScene<'_>) -> Judgement {
    let Some(header) = scene.header() else { return Judgement::NotApplicable };
    let Connection { bind, bind_ack, .. } = scene.connection;
    let Some(receiver) = (if scene.is_from_client() { bind_ack } else { bind }) else {
        return Judgement::NotApplicable;
    };
    let most = receiver.max_recv_frag.max(MUST_RECEIVE);
    Judgement::at(header.frag_length <= most, ("pdu", 8), || {
        format!("frag_length is {}, the receiver takes {most}", header.frag_length)
    })
}

fn auth_length(scene: &PduScene<'_>) -> Judgement {
    match scene.lax() {
        Some((_, _, Some(error))) if error.field == AUTH_LENGTH => {
            Judgement::at(false, ("pdu", error.offset), || error.to_string())
        }
        Some((pdu, ..)) if pdu.auth.is_some() => Judgement::Holds,
        _ => Judgement::NotApplicable,
    }
}

fn auth_type(scene: &PduScene<'_>) -> Judgement {
    let Some((auth, at)) = trailer(scene) else { return Judgement::NotApplicable };
    Judgement::at(matches!(auth.auth_type, 9 | 10 | 14 | 16 | 68), ("pdu", at), || {
        format!("auth_type is {}, not 9, 10, 14, 16 or 68", auth.auth_type)
    })
}

fn auth_level(scene: &PduScene<'_>) -> Judgement {
    let Some((auth, at)) = trailer(scene) else { return Judgement::NotApplicable };
    Judgement::at(auth.level <= 6, ("pdu", at + 1), || format!("auth_level is {}, not 0 to 6", auth.level))
}

fn auth_padding(scene: &PduScene<'_>) -> Judgement {
    let Some((auth, at)) = trailer(scene) else { return Judgement::NotApplicable };
    if at % 4 != 0 {
        return Judgement::at(false, ("pdu", at), || format!("the sec_trailer stands at offset {at}"));
    }
    let has_stub = scene.header().is_some_and(|header| may_be_fragmented(header.ptype));
    let is_there = auth.padding.len() == usize::from(auth.pad_length);
    Judgement::at(!has_stub || is_there, ("pdu", at + 2), || {
        format!("auth_pad_length is {}, more than is in front of the trailer", auth.pad_length)
    })
}

/// A PDU's trailer, and the offset of its sec_trailer.
fn trailer<'a>(scene: &PduScene<'a>) -> Option<(&'a AuthTrailer<'a>, usize)> {
    let (pdu, bytes) = scene.whole()?;
    let auth = pdu.auth.as_ref()?;
    Some((auth, bytes.len().checked_sub(8 + auth.value.len())?))
}

fn trailer_length(auth: &AuthTrailer<'_>) -> usize {
    auth.padding.len() + 8 + auth.value.len()
}

fn auth_negotiated(scene: &PduScene<'_>) -> Judgement {
    let Some((auth, at)) = trailer(scene) else { return Judgement::NotApplicable };
    if scene.request().is_none() || !scene.connection.is_whole() {
        return Judgement::NotApplicable;
    }
    Judgement::at(scene.connection.is_authenticated, ("pdu", at), || {
        format!("a trailer of auth_type {}, and no bind has brought one", auth.auth_type)
    })
}

fn auth3_value(scene: &PduScene<'_>) -> Judgement {
    let Some((pdu, _)) = scene.whole() else { return Judgement::NotApplicable };
    if pdu.header.ptype != PduType::AUTH3 {
        return Judgement::NotApplicable;
    }
    Judgement::at(pdu.auth.is_some(), ("pdu", 10), || "auth_length of an auth3 is 0".to_owned())
}
