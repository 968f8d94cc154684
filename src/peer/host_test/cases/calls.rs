use crate::conformance::Level;
use crate::kms::{Ndr, RequestStub, Version};
use crate::peer::host_test::case::{Case, Group, Outcome, Problem};
use crate::peer::host_test::probe::{Conn, Manner, Offer, Probe, bare, context};
use crate::peer::host_test::reply::Reply;
use crate::rpc::{Body, Pdu, PduType, PfcFlags, SyntaxId};
use crate::wire::{Endianness, Guid};

use super::negotiation::with_auth;

/// Calls and their stubs.
pub(super) const GROUP: Group = Group {
    name: "calls",
    title: "operations, contexts, stubs in NDR32 and NDR64, byte orders",
    cases: &[
        Case::must(
            "HOST-CALL-V4-NDR32",
            "version 4 in NDR32",
            VA2,
            "A client asks for Windows 7 in version 4, in NDR32.",
            "The host answers with an activation of version 4 whose MAC holds.",
            |p| activates(p, Version::V4, Ndr::Ndr32),
        )
        .tagged(&["v4", "ndr32"]),
        Case::must(
            "HOST-CALL-V4-NDR64",
            "version 4 in NDR64",
            VA2,
            "A client asks for Windows 7 in version 4, in NDR64.",
            "The host answers with an activation of version 4 whose MAC holds.",
            |p| activates(p, Version::V4, Ndr::Ndr64),
        )
        .tagged(&["v4", "ndr64"]),
        Case::must(
            "HOST-CALL-V5-NDR32",
            "version 5 in NDR32",
            "no document; observed: vlmcs and vlmcsd, captures/vlmcs_vlmcsd_v5_default.pcap",
            "A client asks for Windows 8 in version 5, in NDR32.",
            "The host answers with an activation of version 5 whose salt and hash hold.",
            |p| activates(p, Version::V5, Ndr::Ndr32),
        )
        .tagged(&["v5", "ndr32"]),
        Case::must(
            "HOST-CALL-V5-NDR64",
            "version 5 in NDR64",
            "no document; observed: vlmcs and vlmcsd, captures/vlmcs_vlmcsd_v5_default.pcap",
            "A client asks for Windows 8 in version 5, in NDR64.",
            "The host answers with an activation of version 5 whose salt and hash hold.",
            |p| activates(p, Version::V5, Ndr::Ndr64),
        )
        .tagged(&["v5", "ndr64"]),
        Case::must(
            "HOST-CALL-V6-NDR32",
            "version 6 in NDR32",
            "no document; observed: vlmcs and vlmcsd, captures/vlmcs_vlmcsd_v6_default.pcap",
            "A client asks for Windows 10 in version 6, in NDR32.",
            "The host answers with an activation of version 6 whose hash and HMAC hold.",
            |p| activates(p, Version::V6, Ndr::Ndr32),
        )
        .tagged(&["v6", "ndr32"]),
        Case::must(
            "HOST-CALL-V6-NDR64",
            "version 6 in NDR64",
            "no document; observed: vlmcs and vlmcsd, captures/vlmcs_vlmcsd_v6_default.pcap",
            "A client asks for Windows 10 in version 6, in NDR64.",
            "The host answers with an activation of version 6 whose hash and HMAC hold.",
            |p| activates(p, Version::V6, Ndr::Ndr64),
        )
        .tagged(&["v6", "ndr64"]),
        Case::must(
            "HOST-CALL-VERSIONS-MIXED",
            "all versions on one connection",
            VA2,
            "A client asks in version 6, 4, 5 and 6 again, on one connection.",
            "The host answers each in its own version.",
            |p| {
                let (conn, manner) = p.bound()?;
                for version in [Version::V6, Version::V4, Version::V5, Version::V6] {
                    let message = p.message(version);
                    p.call(conn, manner, &message)?.answer().map_err(|problem| problem.after(&format!("version {version}")))?;
                }
                Ok(())
            },
        )
        .tagged(&["v4", "v5", "v6"]),
        Case::must(
            "HOST-CALL-BIG-ENDIAN",
            "a big-endian request behind a little-endian bind",
            "C706 14.1",
            "A client binds in little-endian with NDR32, and sends a request whose drep says big-endian.",
            "The host reads each PDU as its own drep says, and answers.",
            |p| {
                let conn = p.bound_to(Ndr::Ndr32)?;
                p.activate(conn, Manner { endianness: Endianness::Big, ..Manner::default() }).map(drop)
            },
        )
        .tagged(&["big-endian"]),
        Case::must(
            "HOST-CALL-BIG-ENDIAN-NDR64",
            "a big-endian request in NDR64",
            "MS-RPCE 2.2.5",
            "A client binds with NDR64, and sends a request whose drep says big-endian.",
            "The host answers or refuses, and lives on: NDR64 is said to be for little-endian senders only.",
            |p| {
                let conn = p.bound_to(Ndr::Ndr64)?;
                let message = p.message(Version::V6);
                let manner = Manner { endianness: Endianness::Big, ..Manner::default() };
                match p.call(conn, manner, &message)? {
                    reply @ Reply::Answer(_) => reply.answer().map(drop),
                    _ => Ok(()),
                }
            },
        )
        .at(Level::May)
        .tagged(&["big-endian", "ndr64"])
        .hostile(),
        Case::must(
            "HOST-OPNUM-1",
            "an operation that the interface does not have",
            "C706 12.6.4.7, appendix E",
            "A client calls operation 1 with the stub of an ordinary request.",
            "The host sends a fault nca_s_op_rng_error.",
            |p| opnum(p, 1),
        )
        .tagged(&["fault"])
        .except(&["RPC-FAULT-OPNUM"]),
        Case::must(
            "HOST-OPNUM-65535",
            "the largest operation",
            "C706 12.6.4.7, appendix E",
            "A client calls operation 65535 with the stub of an ordinary request.",
            "The host sends a fault nca_s_op_rng_error.",
            |p| opnum(p, u16::MAX),
        )
        .tagged(&["fault"])
        .except(&["RPC-FAULT-OPNUM"]),
        Case::must(
            "HOST-CONTEXT-UNKNOWN",
            "a call in a context that was never proposed",
            "C706 12.6.4.7, appendix E; observed: Windows by Samba's raw_protocol tests",
            "A client binds with NDR32 in context 0, and calls in context 99.",
            "The host sends a fault nca_s_unk_if.",
            |p| {
                let conn = p.bound_to(Ndr::Ndr32)?;
                let message = p.message(Version::V6);
                let manner = Manner { context_id: 99, ..Manner::default() };
                p.call(conn, manner, &message)?.faulted_with(NCA_S_UNK_IF)
            },
        )
        .tagged(&["fault"])
        .except(&["RPC-FAULT-CONTEXT"]),
        Case::must(
            "HOST-CONTEXT-REJECTED",
            "a call in a context that was refused",
            "C706 12.6.4.7, appendix E; observed: Windows by Samba's raw_protocol tests",
            "A client proposes an unknown interface in context 0 and KMS in context 1, and calls in context 0.",
            "The host sends a fault nca_s_unk_if.",
            |p| {
                let conn = p.open()?;
                let unknown = SyntaxId { uuid: Guid::from_u128(1), version: 1 };
                let offer = Offer::of([
                    context(0, unknown, &[SyntaxId::NDR32]),
                    context(1, SyntaxId::KMS, &[SyntaxId::NDR32]),
                ]);
                p.bind(conn, &offer)?.ack()?.result_is(1, 0, 0)?;
                let message = p.message(Version::V6);
                p.call(conn, Manner::default(), &message)?.faulted_with(NCA_S_UNK_IF)
            },
        )
        .tagged(&["fault"])
        .except(&["RPC-FAULT-CONTEXT"]),
        Case::must(
            "HOST-CALL-AFTER-FAULT",
            "a call behind a fault",
            "C706 12.6.4.7; observed: Windows by Samba's raw_protocol tests",
            "A client calls operation 1, and then asks as usual on the same connection.",
            "The host answers the second call: a fault ends a call, not the connection.",
            |p| {
                let (conn, manner) = p.bound()?;
                let message = p.message(Version::V6);
                p.call(conn, Manner { opnum: 1, ..manner }, &message)?.is_refused()?;
                p.activate(conn, manner).map(drop)
            },
        )
        .at(Level::Should)
        .tagged(&["fault"]),
        Case::must(
            "HOST-CALL-BEFORE-BIND",
            "a call without a bind",
            "C706 12.6.4.9",
            "A client's first PDU is a request.",
            "The host does not answer it, and lives on.",
            |p| {
                let conn = p.open()?;
                let message = p.message(Version::V6);
                p.call(conn, Manner::default(), &message)?.is_refused()
            },
        )
        .hostile(),
        Case::must(
            "HOST-CALL-OBJECT",
            "a call with an object",
            "C706 12.6.4.9",
            "A client sends a request with PFC_OBJECT_UUID and the nil UUID.",
            "The host finds the stub behind the UUID, and answers.",
            |p| {
                let (conn, manner) = p.bound()?;
                changed(p, conn, manner, |pdu| {
                    pdu.header.flags = pdu.header.flags | PfcFlags::OBJECT_UUID;
                    if let Body::Request(request) = &mut pdu.body {
                        request.object = Some(Guid::NIL);
                    }
                })?
                .answer()
                .map(drop)
            },
        ),
        Case::must(
            "HOST-CALL-ALLOC-HINT",
            "allocation hints that are wrong",
            "C706 12.6.4.9; MS-RPCE 2.2.2.6",
            "A client asks with alloc_hint 0, 1 and 4294967295.",
            "The host answers the first two: the field is a hint. What exceeds the stub it may refuse.",
            |p| {
                let (conn, manner) = p.bound()?;
                for hint in [0, 1, u32::MAX] {
                    let reply = changed(p, conn, manner, |pdu| {
                        if let Body::Request(request) = &mut pdu.body {
                            request.alloc_hint = hint;
                        }
                    })?;
                    match reply {
                        Reply::Answer(_) => reply.answer().map(drop),
                        other if hint == u32::MAX => other.is_refused(),
                        other => other.answer().map(drop),
                    }
                    .map_err(|problem| problem.after(&format!("alloc_hint {hint}")))?;
                }
                Ok(())
            },
        ),
        Case::must(
            "HOST-CALL-ID",
            "call ids at their ends",
            "C706 12.6.3 (call_id)",
            "A client asks with call_id 0 and 4294967295.",
            "The host answers each with the same call_id.",
            |p| {
                let (conn, manner) = p.bound()?;
                for call_id in [0, u32::MAX] {
                    p.set_next_call(conn, call_id);
                    let message = p.message(Version::V6);
                    let pdu = p.call_pdu(conn, manner, &message)?;
                    p.send(conn, &pdu);
                    let (found, reply) = p.receive_call(conn);
                    reply.answer()?;
                    if found != Some(call_id) {
                        let found = found.unwrap_or_default();
                        return Err(Problem::wrong(format!("the response has call_id {found}, expected {call_id}")));
                    }
                }
                Ok(())
            },
        ),
        Case::must(
            "HOST-CALL-AUTH-UNASKED",
            "an authenticated call behind a bind without authentication",
            "MS-RPCE 3.3.1.5.2",
            "A client binds without authentication, and sends a request with an authentication trailer.",
            "The host does not answer it, and lives on.",
            |p| {
                let (conn, manner) = p.bound()?;
                let message = p.message(Version::V6);
                let pdu = p.call_pdu(conn, manner, &message)?;
                p.send(conn, &with_auth(&pdu)?);
                p.receive(conn).is_refused()
            },
        )
        .at(Level::Should)
        .tagged(&["auth"])
        .hostile(),
        Case::must(
            "HOST-STUB-EXCESS",
            "bytes behind a stub",
            "observed: py-kms's client, captures/pykms_pykms_v4.pcap, which sends four more",
            "A client sends a request whose stub has four bytes more than its lengths account for.",
            "The host answers.",
            |p| stub(p, Ndr::Ndr32, |stub| stub.excess = &[0; 4])?.answer().map(drop),
        )
        .at(Level::Observed)
        .tagged(&["ndr"]),
        Case::must(
            "HOST-STUB-EMPTY",
            "a request without a stub",
            "MS-RPCE 3.1.3.5.2",
            "A client sends a request PDU without a stub.",
            "The host sends a fault nca_s_fault_ndr.",
            |p| {
                let (conn, manner) = p.bound()?;
                let pdu = p.request_pdu(conn, manner, &[])?;
                p.send(conn, &pdu);
                p.receive(conn).faulted_with(NCA_S_FAULT_NDR)
            },
        )
        .at(Level::Should)
        .tagged(&["ndr"])
        .hostile(),
        Case::must(
            "HOST-STUB-SIZE-SMALLER",
            "requestSize below the maximum count",
            "C706 14.3 (conformant arrays), MS-RPCE 3.1.3.5.2",
            "A client sends a request whose requestSize is one less than the maximum count of its array.",
            "The host sends a fault nca_s_fault_ndr: the count is what size_is says.",
            |p| stub(p, Ndr::Ndr32, |stub| stub.size -= 1)?.faulted_with(NCA_S_FAULT_NDR),
        )
        .at(Level::Should)
        .tagged(&["ndr"])
        .hostile(),
        Case::must(
            "HOST-STUB-COUNT-SMALLER",
            "a maximum count below requestSize",
            "C706 14.3 (conformant arrays), MS-RPCE 3.1.3.5.2",
            "A client sends a request whose array has a maximum count of one less than requestSize.",
            "The host sends a fault nca_s_fault_ndr: the count is what size_is says.",
            |p| stub(p, Ndr::Ndr32, |stub| stub.max_count -= 1)?.faulted_with(NCA_S_FAULT_NDR),
        )
        .at(Level::Should)
        .tagged(&["ndr"])
        .hostile(),
        Case::must(
            "HOST-STUB-HUGE",
            "a request that says it has 2 GiB",
            "C706 14.3 (conformant arrays), MS-RPCE 3.1.3.5.2",
            "A client sends a request whose requestSize and maximum count are 2147483647, with 260 bytes behind them.",
            "The host sends a fault nca_s_fault_ndr, and lives on.",
            |p| {
                stub(p, Ndr::Ndr32, |stub| (stub.size, stub.max_count) = (0x7fff_ffff, 0x7fff_ffff))?
                    .faulted_with(NCA_S_FAULT_NDR)
            },
        )
        .at(Level::Should)
        .tagged(&["ndr"])
        .hostile(),
        Case::must(
            "HOST-STUB-NEGATIVE",
            "a request of fewer than no bytes",
            "C706 14.3 (conformant arrays), MS-RPCE 3.1.3.5.2",
            "A client sends a request whose requestSize is -1 and maximum count 4294967295.",
            "The host sends a fault nca_s_fault_ndr, and lives on.",
            |p| {
                stub(p, Ndr::Ndr32, |stub| (stub.size, stub.max_count) = (u32::MAX, u32::MAX.into()))?
                    .faulted_with(NCA_S_FAULT_NDR)
            },
        )
        .at(Level::Should)
        .tagged(&["ndr"])
        .hostile(),
        Case::must(
            "HOST-STUB-PADDING-NDR64",
            "alignment padding that is not zero",
            "C706 14.2 (alignment), MS-RPCE 2.2.5",
            "A client sends a request in NDR64 whose four bytes behind requestSize are cc.",
            "The host does not look at them, and answers.",
            |p| stub(p, Ndr::Ndr64, |stub| stub.size_padding = [0xcc; 4])?.answer().map(drop),
        )
        .tagged(&["ndr", "ndr64"]),
        Case::must(
            "HOST-STUB-COUNT-NDR64",
            "a maximum count beyond 32 bits",
            "MS-RPCE 2.2.5 and 3.1.3.5.2",
            "A client sends a request in NDR64 whose maximum count has its highest bit set.",
            "The host sends a fault nca_s_fault_ndr, and lives on.",
            |p| stub(p, Ndr::Ndr64, |stub| stub.max_count |= 1 << 63)?.faulted_with(NCA_S_FAULT_NDR),
        )
        .at(Level::Should)
        .tagged(&["ndr", "ndr64"])
        .hostile(),
        Case::must(
            "HOST-STUB-OTHER-NDR",
            "a stub of the other transfer syntax",
            "C706 12.6.3.1",
            "A client binds with NDR32 alone, and sends a request marshalled as NDR64.",
            "The host does not answer with an activation, and lives on.",
            |p| {
                let conn = p.bound_to(Ndr::Ndr32)?;
                let data = p.message(Version::V6).encode();
                let stub = RequestStub::of(&data, Ndr::Ndr64).encode(Endianness::Little);
                let pdu = p.request_pdu(conn, Manner::default(), &stub)?;
                p.send(conn, &pdu);
                p.receive(conn).is_refused()
            },
        )
        .at(Level::Should)
        .tagged(&["ndr"])
        .hostile(),
        Case::must(
            "HOST-CANCEL",
            "a cancel of no call",
            "C706 12.6.4.6",
            "A client sends a co_cancel of a call that does not exist, and asks.",
            "The host says nothing to the co_cancel, and answers the call.",
            |p| ignored(p, PduType::CO_CANCEL),
        ),
        Case::must(
            "HOST-ORPHANED",
            "an orphaned PDU of no call",
            "C706 12.6.4.8",
            "A client sends an orphaned PDU of a call that does not exist, and asks.",
            "The host says nothing to it, and answers the call.",
            |p| ignored(p, PduType::ORPHANED),
        ),
    ],
};

const VA2: &str = "VA2.0 pp. 29-31";

const NCA_S_OP_RNG_ERROR: u32 = 0x1c01_0002;
const NCA_S_UNK_IF: u32 = 0x1c01_0003;
const NCA_S_FAULT_NDR: u32 = 0x0000_06f7;

fn activates(p: &mut Probe<'_>, version: Version, ndr: Ndr) -> Outcome {
    let conn = p.bound_to(ndr)?;
    let message = p.message(version);
    p.call(conn, Manner::default(), &message)?.answer().map(drop)
}

fn opnum(p: &mut Probe<'_>, opnum: u16) -> Outcome {
    let (conn, manner) = p.bound()?;
    let message = p.message(Version::V6);
    p.call(conn, Manner { opnum, ..manner }, &message)?.faulted_with(NCA_S_OP_RNG_ERROR)
}

/// An ordinary call, its PDU changed.
fn changed(
    p: &mut Probe<'_>,
    conn: Conn,
    manner: Manner,
    change: impl FnOnce(&mut Pdu<'_>),
) -> Result<Reply, Problem> {
    let message = p.message(Version::V6);
    let bytes = p.call_pdu(conn, manner, &message)?;
    let mut pdu = Pdu::parse(&bytes)?;
    change(&mut pdu);
    p.send(conn, &pdu.encode_sized()?);
    Ok(p.receive(conn))
}

/// An ordinary call, its stub changed.
fn stub(p: &mut Probe<'_>, ndr: Ndr, change: impl FnOnce(&mut RequestStub<'_>)) -> Result<Reply, Problem> {
    let conn = p.bound_to(ndr)?;
    let message = p.message(Version::V6);
    let data = message.encode();
    let mut stub = RequestStub::of(&data, ndr);
    change(&mut stub);
    let pdu = p.call_pdu_of(conn, Manner::default(), &message, &stub.encode(Endianness::Little))?;
    p.send(conn, &pdu);
    Ok(p.receive(conn))
}

/// A PDU without a body, to which nothing is said, in front of an ordinary call.
fn ignored(p: &mut Probe<'_>, ptype: PduType) -> Outcome {
    let (conn, manner) = p.bound()?;
    p.send(conn, &bare(ptype, 77)?);
    p.activate(conn, manner).map(drop)
}
