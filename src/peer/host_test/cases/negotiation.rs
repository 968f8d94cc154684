use crate::conformance::Level;
use crate::kms::Ndr;
use crate::peer::host_test::case::{Case, Group, Outcome, Problem};
use crate::peer::host_test::probe::{Manner, Offer, Probe, context};
use crate::peer::host_test::reply::Reply;
use crate::rpc::{AuthTrailer, Pdu, PduType, PfcFlags, SyntaxId};
use crate::wire::{Endianness, Guid};

/// What a client proposes, and what becomes of it.
pub(super) const GROUP: Group = Group {
    name: "negotiation",
    title: "binds, contexts, fragment sizes and association groups",
    cases: &[
        Case::must(
            "HOST-BIND-NDR32-ONLY",
            "a bind with NDR32 alone",
            "C706 12.6.3.1, chapter 14",
            "A client proposes NDR32 and nothing else, and asks in it.",
            "The host accepts it and answers.",
            |p| {
                let conn = p.bound_to(Ndr::Ndr32)?;
                p.activate(conn, Manner::default()).map(drop)
            },
        )
        .tagged(&["ndr32"]),
        Case::must(
            "HOST-BIND-NDR64-ONLY",
            "a bind with NDR64 alone",
            "MS-RPCE 2.2.5",
            "A client proposes NDR64 and nothing else, and asks in it.",
            "The host accepts it and answers, or refuses the context as one whose transfer syntax it does not have.",
            |p| {
                let conn = p.bound_to(Ndr::Ndr64)?;
                p.activate(conn, Manner::default()).map(drop)
            },
        )
        .tagged(&["ndr64"]),
        Case::must(
            "HOST-BIND-BOTH",
            "a bind with NDR32 and NDR64 in contexts of their own",
            "C706 12.6.3.1",
            "A client proposes NDR32 in context 0 and NDR64 in context 1, without bind-time features.",
            "The host accepts one of them at least, and answers in it.",
            |p| {
                let offer = Offer::of([
                    context(0, SyntaxId::KMS, &[SyntaxId::NDR32]),
                    context(1, SyntaxId::KMS, &[SyntaxId::NDR64]),
                ]);
                accepted_one_answers(p, &offer)
            },
        )
        .tagged(&["ndr32", "ndr64"]),
        Case::must(
            "HOST-BIND-BOTH-IN-ONE",
            "a bind with both transfer syntaxes in one context",
            "C706 12.6.3.1",
            "A client proposes one context with NDR32 and NDR64 as its transfer syntaxes.",
            "The host accepts it with one of the two, and answers in that.",
            |p| {
                let offer = Offer::of([context(0, SyntaxId::KMS, &[SyntaxId::NDR32, SyntaxId::NDR64])]);
                accepted_one_answers(p, &offer)
            },
        )
        .tagged(&["ndr32", "ndr64"]),
        Case::must(
            "HOST-BIND-FEATURES",
            "bind-time features",
            "MS-RPCE 3.3.1.5.3",
            "A client binds as genuine ones do, the third context asking for both bind-time features.",
            "The host answers that element with negotiate_ack, or as a transfer syntax that it does not have.",
            |p| {
                let conn = p.open()?;
                let ack = p.bind(conn, &Offer::default())?.ack()?;
                match ack.result_is(2, 3, 3) {
                    Ok(()) => Ok(()),
                    Err(_) if ack.results.get(2).is_some_and(|found| found.result == 3 && found.reason < 3) => Ok(()),
                    Err(problem) => {
                        ack.result_is(2, 2, 2).map_err(|_| problem)?;
                        Err(Problem::unimplemented("the host has no bind-time features"))
                    }
                }
            },
        )
        .tagged(&["btfn"]),
        Case::must(
            "HOST-BIND-FEATURES-UNKNOWN",
            "bind-time features that do not exist",
            "MS-RPCE 3.3.1.5.3",
            "A client asks for all sixteen bind-time features.",
            "The host grants those that exist (0x0003) at most, and does not refuse the others beside them.",
            |p| {
                let conn = p.open()?;
                let mut offer = Offer::default();
                offer.contexts[2] = context(2, SyntaxId::KMS, &[SyntaxId::bind_time_features(0xffff)]);
                let ack = p.bind(conn, &offer)?.ack()?;
                match ack.results.get(2) {
                    Some(found) if found.result == 3 && found.reason & !3 == 0 => Ok(()),
                    Some(found) if found.result == 3 => Err(Problem::wrong(format!(
                        "the host grants the features 0x{:04x}, expected no others than 0x0003",
                        found.reason
                    ))),
                    _ => {
                        ack.result_is(2, 2, 2)?;
                        Err(Problem::unimplemented("the host has no bind-time features"))
                    }
                }
            },
        )
        .at(Level::Should)
        .tagged(&["btfn"]),
        Case::must(
            "HOST-BIND-TRANSFER-UNKNOWN",
            "a transfer syntax that nobody has",
            "C706 12.6.3.1",
            "A client proposes KMS with a transfer syntax of a UUID that stands for none.",
            "The host refuses the context: provider_rejection, proposed_transfer_syntaxes_not_supported.",
            |p| rejected(p, &Offer::of([context(0, SyntaxId::KMS, &[UNKNOWN])]), 2),
        ),
        Case::must(
            "HOST-BIND-TRANSFER-UNKNOWN-BESIDE",
            "a transfer syntax that nobody has, beside NDR32",
            "C706 12.6.3.1",
            "A client proposes a transfer syntax that stands for none in context 0 and NDR32 in context 1.",
            "The host refuses that element alone, accepts the other and answers in it.",
            |p| {
                let conn = p.open()?;
                let offer = Offer::of([
                    context(0, SyntaxId::KMS, &[UNKNOWN]),
                    context(1, SyntaxId::KMS, &[SyntaxId::NDR32]),
                ]);
                let ack = p.bind(conn, &offer)?.ack()?;
                ack.result_is(0, 2, 2)?;
                ack.result_is(1, 0, 0)?;
                p.activate(conn, Manner { context_id: 1, ..Manner::default() }).map(drop)
            },
        ),
        Case::must(
            "HOST-BIND-INTERFACE-UNKNOWN",
            "an interface that the host does not have",
            "C706 12.6.3.1",
            "A client proposes an interface of a UUID that stands for none, in NDR32.",
            "The host refuses the context: provider_rejection, abstract_syntax_not_supported.",
            |p| rejected(p, &Offer::of([context(0, UNKNOWN, &[SyntaxId::NDR32])]), 1),
        ),
        Case::must(
            "HOST-BIND-INTERFACE-MINOR",
            "a later minor version of the interface",
            "C706 6 (versions of interfaces) and 12.6.3.1",
            "A client proposes version 1.1 of the KMS interface.",
            "The host, which has 1.0, refuses the context: provider_rejection, abstract_syntax_not_supported.",
            |p| {
                let later = SyntaxId { version: 0x0001_0001, ..SyntaxId::KMS };
                rejected(p, &Offer::of([context(0, later, &[SyntaxId::NDR32])]), 1)
            },
        ),
        Case::must(
            "HOST-BIND-INTERFACE-MAJOR",
            "another major version of the interface",
            "C706 6 (versions of interfaces) and 12.6.3.1",
            "A client proposes version 2.0 of the KMS interface.",
            "The host, which has 1.0, refuses the context: provider_rejection, abstract_syntax_not_supported.",
            |p| {
                let other = SyntaxId { version: 2, ..SyntaxId::KMS };
                rejected(p, &Offer::of([context(0, other, &[SyntaxId::NDR32])]), 1)
            },
        ),
        Case::must(
            "HOST-BIND-NO-CONTEXT",
            "a bind that proposes nothing",
            "C706 12.6.4.3",
            "A client binds with no presentation context.",
            "The host refuses, or acknowledges without a result, and lives on.",
            |p| {
                let conn = p.open()?;
                match p.bind(conn, &Offer::of([]))? {
                    Reply::Ack(ack) if ack.results.is_empty() => Ok(()),
                    other => other.is_refused(),
                }
            },
        )
        .at(Level::Should)
        .hostile(),
        Case::must(
            "HOST-BIND-NO-TRANSFER",
            "a context without a transfer syntax",
            "C706 12.6.3.1",
            "A client proposes the KMS interface with no transfer syntax.",
            "The host does not accept the context, and lives on.",
            |p| {
                let conn = p.open()?;
                match p.bind(conn, &Offer::of([context(0, SyntaxId::KMS, &[])]))? {
                    Reply::Ack(ack) if !ack.accepts(0) => Ok(()),
                    other => other.is_refused(),
                }
            },
        )
        .hostile(),
        Case::must(
            "HOST-BIND-MANY-CONTEXTS",
            "as many contexts as every receiver has room for",
            "C706 12.6.4.3 and table K-2 (MustRecvFragSize)",
            "A client proposes 31 contexts with NDR32: 1392 bytes, fewer than every implementation must take.",
            "The host gives 31 results, one behind the other, and answers in the last context.",
            |p| {
                let conn = p.open()?;
                let ack = p.bind(conn, &many(31))?.ack()?;
                if ack.results.len() != 31 {
                    return Err(Problem::wrong(format!("{} results, expected 31", ack.results.len())));
                }
                ack.result_is(30, 0, 0)?;
                p.activate(conn, Manner { context_id: 30, ..Manner::default() }).map(drop)
            },
        )
        .except(MANY_OF_ONE),
        Case::must(
            "HOST-BIND-TOO-MANY-CONTEXTS",
            "more contexts than a fragment holds",
            "C706 12.6.4.3 and table K-2 (MustRecvFragSize)",
            "A client proposes 255 contexts, in a PDU of 11248 bytes.",
            "The host gives 255 results or refuses, and lives on.",
            |p| {
                let conn = p.open()?;
                match p.bind(conn, &many(255))? {
                    Reply::Ack(ack) if ack.results.len() == 255 => Ok(()),
                    Reply::Ack(ack) => {
                        Err(Problem::wrong(format!("{} results, expected 255 or a refusal", ack.results.len())))
                    }
                    other => other.is_refused(),
                }
            },
        )
        .hostile()
        .except(MANY_OF_ONE),
        Case::must(
            "HOST-BIND-CONTEXT-TWICE",
            "two contexts of one id",
            "C706 12.6.3.1",
            "A client proposes context 0 two times, with NDR32 and with NDR64.",
            "The host gives two results or refuses, and lives on.",
            |p| {
                let conn = p.open()?;
                let offer = Offer::of([
                    context(0, SyntaxId::KMS, &[SyntaxId::NDR32]),
                    context(0, SyntaxId::KMS, &[SyntaxId::NDR64]),
                ]);
                match p.bind(conn, &offer)? {
                    Reply::Ack(ack) if ack.results.len() == 2 => Ok(()),
                    other => other.is_refused(),
                }
            },
        )
        .hostile()
        .except(MANY_OF_ONE),
        Case::must(
            "HOST-BIND-CONTEXT-65535",
            "the largest context id",
            "C706 12.6.3.1",
            "A client proposes NDR32 in context 65535, and asks in it.",
            "The host accepts it and answers.",
            |p| {
                let conn = p.open()?;
                let offer = Offer::of([context(u16::MAX, SyntaxId::KMS, &[SyntaxId::NDR32])]);
                p.bind(conn, &offer)?.ack()?.result_is(0, 0, 0)?;
                p.activate(conn, Manner { context_id: u16::MAX, ..Manner::default() }).map(drop)
            },
        ),
        Case::must(
            "HOST-BIND-FRAGMENT-0",
            "no room for a fragment",
            "observed: Windows by Samba's raw_protocol tests",
            "A client binds with max_xmit_frag and max_recv_frag 0.",
            "The host raises them to 2048, and lives on.",
            |p| negotiates(p, 0, 2048),
        )
        .at(Level::Observed)
        .tagged(&["fragment-size"])
        .hostile(),
        Case::must(
            "HOST-BIND-FRAGMENT-2048",
            "small fragments",
            "C706 12.6.4.4",
            "A client binds with max_xmit_frag and max_recv_frag 2048, and asks.",
            "The host negotiates no more than that, and answers.",
            |p| {
                let conn = p.open()?;
                let offer = Offer { max_xmit_frag: 2048, max_recv_frag: 2048, ..Offer::only(Ndr::Ndr32) };
                let ack = p.bind(conn, &offer)?.ack()?;
                if ack.max_xmit_frag > 2048 || ack.max_recv_frag > 2048 {
                    let (xmit, recv) = (ack.max_xmit_frag, ack.max_recv_frag);
                    return Err(Problem::wrong(format!("the host negotiates {xmit} and {recv}, expected 2048 at most")));
                }
                p.activate(conn, Manner::default()).map(drop)
            },
        )
        .tagged(&["fragment-size"]),
        Case::must(
            "HOST-BIND-FRAGMENT-UNEQUAL",
            "fragments of which the client takes smaller ones than it sends",
            "C706 12.6.4.4",
            "A client binds with max_xmit_frag 5840 and max_recv_frag 2048.",
            "The host's max_xmit_frag is 2048 at most.",
            |p| {
                let conn = p.open()?;
                let offer = Offer { max_recv_frag: 2048, ..Offer::only(Ndr::Ndr32) };
                let ack = p.bind(conn, &offer)?.ack()?;
                if ack.max_xmit_frag > 2048 {
                    let xmit = ack.max_xmit_frag;
                    return Err(Problem::wrong(format!("the host would send {xmit}, expected 2048 at most")));
                }
                Ok(())
            },
        )
        .tagged(&["fragment-size"]),
        Case::must(
            "HOST-BIND-FRAGMENT-65535",
            "the largest fragments",
            "observed: Windows by Samba's raw_protocol tests",
            "A client binds with max_xmit_frag and max_recv_frag 65535.",
            "The host negotiates 5840.",
            |p| negotiates(p, u16::MAX, 5840),
        )
        .at(Level::Observed)
        .tagged(&["fragment-size"]),
        Case::must(
            "HOST-BIND-FRAGMENT-ODD",
            "fragments of an odd size",
            "observed: Windows by Samba's raw_protocol tests",
            "A client binds with max_xmit_frag and max_recv_frag 3199.",
            "The host negotiates 3192, a multiple of 8.",
            |p| negotiates(p, 3199, 3192),
        )
        .at(Level::Observed)
        .tagged(&["fragment-size"]),
        Case::must(
            "HOST-BIND-GROUP",
            "an association group of its own",
            "C706 12.6.4.3 and 12.6.4.4",
            "A client binds with assoc_group_id 0.",
            "The host gives a group, and that is not 0.",
            |p| {
                let conn = p.open()?;
                let ack = p.bind(conn, &Offer::default())?.ack()?;
                if ack.group == 0 { Err(Problem::wrong("assoc_group_id is 0, expected a group")) } else { Ok(()) }
            },
        )
        .tagged(&["group"]),
        Case::must(
            "HOST-BIND-GROUP-JOIN",
            "a second connection of an association group",
            "C706 12.6.4.3 and 12.6.4.4",
            "While its first connection is open, a client binds a second one with the first one's assoc_group_id, and asks.",
            "The host takes it into that group, and answers.",
            |p| {
                let first = p.open()?;
                let group = p.bind(first, &Offer::only(Ndr::Ndr32))?.ack()?.group;
                let second = p.open()?;
                let joined = p.bind(second, &Offer { group, ..Offer::only(Ndr::Ndr32) })?.ack()?;
                if joined.group != group {
                    return Err(Problem::wrong("the second connection is given another group, expected the first one's"));
                }
                p.activate(second, Manner::default()).map(drop)
            },
        )
        .tagged(&["group"]),
        Case::must(
            "HOST-BIND-GROUP-UNKNOWN",
            "an association group that does not exist",
            "observed: Windows by Samba's raw_protocol tests",
            "A client binds with an assoc_group_id that the host has given to nobody.",
            "The host refuses with a bind_nak.",
            |p| {
                let conn = p.open()?;
                match p.bind(conn, &Offer { group: 0x7665_6d75, ..Offer::only(Ndr::Ndr32) })? {
                    Reply::Nak(_) => Ok(()),
                    other => Err(Problem::wrong(format!("{other}, expected a bind_nak"))),
                }
            },
        )
        .at(Level::Observed)
        .tagged(&["group"])
        .hostile(),
        Case::must(
            "HOST-BIND-NO-MULTIPLEXING",
            "a client that does not multiplex",
            "C706 12.6.3.1 (PFC_CONC_MPX)",
            "A client binds without PFC_CONC_MPX, and asks.",
            "The host does not set the flag either, and answers.",
            |p| {
                let conn = p.open()?;
                let offer = Offer { flags: PfcFlags::FIRST | PfcFlags::LAST, ..Offer::only(Ndr::Ndr32) };
                let ack = p.bind(conn, &offer)?.ack()?;
                if ack.flags.has(PfcFlags::CONC_MPX) {
                    return Err(Problem::wrong(format!("pfc_flags are {}, expected no conc-mpx", ack.flags)));
                }
                p.activate(conn, Manner::default()).map(drop)
            },
        )
        .at(Level::Should),
        Case::must(
            "HOST-BIND-MINOR-1",
            "version 5.1 of the protocol",
            "C706 12.6.3.1",
            "A client binds with rpc_vers_minor 1, and asks.",
            "The host acknowledges and answers, or refuses with a bind_nak of protocol_version_not_supported.",
            |p| {
                let conn = p.open()?;
                let mut bind = Offer::only(Ndr::Ndr32).pdu(PduType::BIND, 2)?;
                bind[1] = 1;
                match p.ask(conn, &bind) {
                    Reply::Nak(4) => Ok(()),
                    other => {
                        other.ack()?;
                        p.activate(conn, Manner::default()).map(drop)
                    }
                }
            },
        )
        .at(Level::Should),
        Case::must(
            "HOST-BIND-VERSION-4",
            "version 4 of the protocol",
            "C706 12.6.4.5",
            "A client binds with rpc_vers 4.",
            "The host refuses with a bind_nak of protocol_version_not_supported.",
            |p| other_version(p, 4),
        )
        .at(Level::Should)
        .hostile(),
        Case::must(
            "HOST-BIND-VERSION-6",
            "version 6 of the protocol",
            "C706 12.6.4.5",
            "A client binds with rpc_vers 6.",
            "The host refuses with a bind_nak of protocol_version_not_supported.",
            |p| other_version(p, 6),
        )
        .at(Level::Should)
        .hostile(),
        Case::must(
            "HOST-BIND-CALL-ID",
            "call ids at their ends",
            "C706 12.6.3 (call_id)",
            "A client binds with call_id 0, and another one with call_id 4294967295.",
            "The host acknowledges each with the same call_id.",
            |p| {
                for call_id in [0, u32::MAX] {
                    let conn = p.open()?;
                    let bind = Offer::only(Ndr::Ndr32).pdu(PduType::BIND, call_id)?;
                    p.expect(conn, &bind);
                    p.send(conn, &bind);
                    let (found, reply) = p.receive_call(conn);
                    reply.ack()?;
                    if found != Some(call_id) {
                        let found = found.unwrap_or_default();
                        return Err(Problem::wrong(format!("the bind_ack has call_id {found}, expected {call_id}")));
                    }
                }
                Ok(())
            },
        ),
        Case::must(
            "HOST-BIND-BIG-ENDIAN",
            "a client that speaks big-endian",
            "C706 14.1",
            "A client whose drep says big-endian binds with NDR32, and asks.",
            "The host reads its integers as the drep says, acknowledges and answers.",
            |p| {
                let conn = p.open()?;
                let offer = Offer { endianness: Endianness::Big, ..Offer::only(Ndr::Ndr32) };
                p.bind(conn, &offer)?.ack()?.result_is(0, 0, 0)?;
                p.activate(conn, Manner { endianness: Endianness::Big, ..Manner::default() }).map(drop)
            },
        )
        .tagged(&["big-endian"]),
        Case::must(
            "HOST-BIND-SHORT",
            "a bind that ends inside a context",
            "C706 12.6.4.3",
            "A client sends a bind whose n_context_elem is 2, with one context in it.",
            "The host accepts no second context, and lives on.",
            |p| {
                let conn = p.open()?;
                let mut bind = Offer::only(Ndr::Ndr32).pdu(PduType::BIND, 2)?;
                bind[24] = 2;
                match p.ask(conn, &bind) {
                    Reply::Ack(ack) if !ack.accepts(1) => Ok(()),
                    other => other.is_refused(),
                }
            },
        )
        .hostile(),
        Case::must(
            "HOST-BIND-SECOND",
            "a second bind",
            "observed: Windows by Samba's raw_protocol tests",
            "A client binds, and binds again on the same connection.",
            "The host does not acknowledge the second one, and lives on.",
            |p| {
                let conn = p.open()?;
                p.bind(conn, &Offer::only(Ndr::Ndr32))?.ack()?;
                p.bind(conn, &Offer::only(Ndr::Ndr32))?.is_refused()
            },
        )
        .at(Level::Observed)
        .hostile(),
        Case::must(
            "HOST-BIND-AUTH-UNKNOWN",
            "an authentication that does not exist",
            "MS-RPCE 2.2.2.5",
            "A client binds with an authentication trailer of type 255, level connect, with 16 bytes of zeros.",
            "The host refuses with a bind_nak of authentication_type_not_recognized.",
            |p| {
                let conn = p.open()?;
                let bind = with_auth(&Offer::only(Ndr::Ndr32).pdu(PduType::BIND, 2)?)?;
                match p.ask(conn, &bind) {
                    Reply::Nak(8) => Ok(()),
                    reply @ (Reply::Nak(_) | Reply::Fault(_)) => {
                        Err(Problem::words(format!("{reply}, expected authentication_type_not_recognized (8)")))
                    }
                    other => Err(Problem::wrong(format!("{other}, expected a bind_nak"))),
                }
            },
        )
        .at(Level::Should)
        .tagged(&["auth"])
        .hostile(),
        Case::must(
            "HOST-ALTER-NDR32",
            "the way back to NDR32",
            "C706 12.6.4.1",
            "A client binds as genuine ones do, proposes NDR32 again in an alter_context, and asks in it.",
            "The host accepts it and answers.",
            |p| {
                let (conn, _) = p.bound()?;
                p.alter(conn, &Offer::only(Ndr::Ndr32))?.ack()?.result_is(0, 0, 0)?;
                p.activate(conn, Manner::default()).map(drop)
            },
        )
        .tagged(&["alter", "ndr32"]),
        Case::must(
            "HOST-ALTER-MORE",
            "one more context",
            "C706 12.6.4.1",
            "A client binds with NDR32, proposes NDR32 in context 7 in an alter_context, and asks in both.",
            "The host accepts it and answers in both.",
            |p| {
                let conn = p.bound_to(Ndr::Ndr32)?;
                let offer = Offer::of([context(7, SyntaxId::KMS, &[SyntaxId::NDR32])]);
                p.alter(conn, &offer)?.ack()?.result_is(0, 0, 0)?;
                p.activate(conn, Manner { context_id: 7, ..Manner::default() })?;
                p.activate(conn, Manner::default()).map(drop)
            },
        )
        .tagged(&["alter"]),
        Case::must(
            "HOST-ALTER-UNKNOWN",
            "one more context that cannot be had",
            "C706 12.6.4.1, 12.6.4.2",
            "A client binds with NDR32, and proposes an interface that stands for none in an alter_context.",
            "The host refuses that context, and still answers in the first.",
            |p| {
                let conn = p.bound_to(Ndr::Ndr32)?;
                let offer = Offer::of([context(7, UNKNOWN, &[SyntaxId::NDR32])]);
                p.alter(conn, &offer)?.ack()?.result_is(0, 2, 1)?;
                p.activate(conn, Manner::default()).map(drop)
            },
        )
        .tagged(&["alter"]),
        Case::must(
            "HOST-ALTER-FIRST",
            "an alter_context where there is nothing to alter",
            "C706 12.6.4.1",
            "A client's first PDU is an alter_context.",
            "The host does not acknowledge it, and lives on.",
            |p| {
                let conn = p.open()?;
                p.alter(conn, &Offer::only(Ndr::Ndr32))?.is_refused()
            },
        )
        .at(Level::Should)
        .tagged(&["alter"])
        .hostile(),
    ],
};

/// The rule that is about one context an interface.
const MANY_OF_ONE: &[&str] = &["RPC-ACK-ONE-SYNTAX"];

/// A UUID that stands for nothing.
const UNKNOWN: SyntaxId =
    SyntaxId { uuid: Guid::from_u128(0x766f_6c61_6374_4000_8000_6e6f_7468_696e), version: 1 };

/// The PDU with an authentication trailer of a type that does not exist.
pub(super) fn with_auth(bytes: &[u8]) -> Result<Vec<u8>, Problem> {
    let mut pdu = Pdu::parse(bytes)?;
    pdu.auth = Some(AuthTrailer {
        auth_type: 255,
        level: 2,
        pad_length: 0,
        reserved: 0,
        context_id: 1,
        padding: &[],
        value: &[0; 16],
    });
    Ok(pdu.encode_sized()?)
}

fn many(contexts: u16) -> Offer {
    Offer::of((0..contexts).map(|id| context(id, SyntaxId::KMS, &[SyntaxId::NDR32])))
}

/// The offer has an element that is accepted, in which the host answers.
fn accepted_one_answers(p: &mut Probe<'_>, offer: &Offer) -> Outcome {
    let conn = p.open()?;
    let ack = p.bind(conn, offer)?.ack()?;
    let accepted = (0..offer.contexts.len()).find(|&position| ack.accepts(position));
    let Some(position) = accepted else {
        return Err(Problem::wrong("the host accepts none of the contexts"));
    };
    let context_id = offer.contexts[position].id;
    p.activate(conn, Manner { context_id, ..Manner::default() }).map(drop)
}

/// The offer's one context is refused by the provider, for this reason.
fn rejected(p: &mut Probe<'_>, offer: &Offer, reason: u16) -> Outcome {
    let conn = p.open()?;
    p.bind(conn, offer)?.ack()?.result_is(0, 2, reason)
}

/// The host makes this of that offer of a fragment size, and answers then.
fn negotiates(p: &mut Probe<'_>, offered: u16, expected: u16) -> Outcome {
    let conn = p.open()?;
    let offer = Offer { max_xmit_frag: offered, max_recv_frag: offered, ..Offer::only(Ndr::Ndr32) };
    let ack = p.bind(conn, &offer)?.ack()?;
    if (ack.max_xmit_frag, ack.max_recv_frag) != (expected, expected) {
        let (xmit, recv) = (ack.max_xmit_frag, ack.max_recv_frag);
        return Err(Problem::wrong(format!("the host negotiates {xmit} and {recv}, expected {expected}")));
    }
    p.activate(conn, Manner::default()).map(drop)
}

/// A bind of another major version is refused as one.
fn other_version(p: &mut Probe<'_>, version: u8) -> Outcome {
    let conn = p.open()?;
    let mut bind = Offer::only(Ndr::Ndr32).pdu(PduType::BIND, 2)?;
    bind[0] = version;
    match p.ask(conn, &bind) {
        Reply::Nak(4) => Ok(()),
        reply @ (Reply::Nak(_) | Reply::Fault(_)) => {
            Err(Problem::words(format!("{reply}, expected protocol_version_not_supported (4)")))
        }
        other => Err(Problem::wrong(format!("{other}, expected a bind_nak"))),
    }
}
