use crate::conformance::Level;
use crate::kms::{Ndr, Version};
use crate::peer::host_test::case::{Case, Group, Outcome, Problem};
use crate::peer::host_test::probe::{Conn, Manner, Offer, Probe, bare, in_fragments};
use crate::peer::host_test::reply::Reply;
use crate::rpc::{PduType, PfcFlags};
use crate::wire::Endianness;

/// Requests in fragments.
pub(super) const GROUP: Group = Group {
    name: "fragments",
    title: "requests in fragments, right and wrong ones, and fragments of wrong sizes",
    cases: &[
        Case::must(
            "HOST-FRAGMENT-TWO",
            "a request in two fragments",
            "C706 12.6 (fragmentation)",
            "A client sends a request in two fragments, the first with 136 bytes of stub.",
            "The host puts them together, and answers.",
            |p| fragmented(p, Manner::default(), 136),
        ),
        Case::must(
            "HOST-FRAGMENT-MANY",
            "a request in many fragments",
            "C706 12.6 (fragmentation)",
            "A client sends a request in fragments of 8 bytes of stub each.",
            "The host puts them together, and answers.",
            |p| fragmented(p, Manner::default(), 8),
        ),
        Case::must(
            "HOST-FRAGMENT-ONE-BYTE",
            "a request in the smallest fragments",
            "C706 12.6 (fragmentation) sets no least size",
            "A client sends a request in fragments of one byte of stub each.",
            "The host puts them together, and answers.",
            |p| fragmented(p, Manner::default(), 1),
        )
        .at(Level::May)
        .hostile(),
        Case::must(
            "HOST-FRAGMENT-BIG-ENDIAN",
            "a big-endian request in fragments",
            "C706 12.6 (fragmentation) and 14.1",
            "A client whose drep says big-endian sends a request in fragments of 64 bytes of stub.",
            "The host puts them together, and answers.",
            |p| fragmented(p, Manner { endianness: Endianness::Big, ..Manner::default() }, 64),
        )
        .tagged(&["big-endian"]),
        Case::must(
            "HOST-FRAGMENT-EMPTY-LAST",
            "a last fragment with nothing in it",
            "C706 12.6 (fragmentation)",
            "A client sends a request in one fragment that is not the last, and a last one without stub.",
            "The host puts them together, and answers.",
            |p| {
                let conn = p.bound_to(Ndr::Ndr32)?;
                let fragments = call_in_fragments(p, conn, Manner::default(), usize::MAX)?;
                let [whole] = fragments.as_slice() else {
                    return Err(Problem::harness("the request is more than one fragment"));
                };
                let (mut first, mut last) = (whole.clone(), whole[..24].to_vec());
                first[3] = PfcFlags::FIRST.0;
                last[3] = PfcFlags::LAST.0;
                last[8..10].copy_from_slice(&24_u16.to_le_bytes());
                p.send(conn, &first);
                p.send(conn, &last);
                p.receive(conn).answer().map(drop)
            },
        )
        .at(Level::Should),
        Case::must(
            "HOST-FRAGMENT-ONE-SEGMENT",
            "fragments in one segment",
            "C706 12.6 (fragmentation), RFC 9293 3.7",
            "A client sends a request in fragments of 64 bytes of stub, all of them at once.",
            "The host finds each by its frag_length, and answers.",
            |p| {
                let conn = p.bound_to(Ndr::Ndr32)?;
                let fragments = call_in_fragments(p, conn, Manner::default(), 64)?;
                p.send(conn, &fragments.concat());
                p.receive(conn).answer().map(drop)
            },
        )
        .tagged(&["segmentation"]),
        Case::must(
            "HOST-FRAGMENT-WAITING",
            "a request whose last fragment is late",
            "C706 12.6 (fragmentation)",
            "A client sends the first of two fragments, and the last one a moment later.",
            "The host says nothing in between, and answers then.",
            |p| {
                let conn = p.bound_to(Ndr::Ndr32)?;
                let fragments = call_in_fragments(p, conn, Manner::default(), 136)?;
                let Some((last, first)) = fragments.split_last() else {
                    return Err(Problem::harness("there are no fragments"));
                };
                for fragment in first {
                    p.send(conn, fragment);
                }
                match p.overhear(conn) {
                    Reply::Silence(_) => {}
                    other => {
                        return Err(Problem::wrong(format!("{other} before the last fragment, expected nothing")));
                    }
                }
                p.send(conn, last);
                p.receive(conn).answer().map(drop)
            },
        )
        .tagged(&["slow"]),
        Case::must(
            "HOST-FRAGMENT-NO-LAST",
            "a request whose last fragment never comes",
            "C706 12.6 (fragmentation)",
            "A client sends the first of two fragments, and ends the connection.",
            "The host answers nothing, and lives on.",
            |p| {
                let conn = p.bound_to(Ndr::Ndr32)?;
                let fragments = call_in_fragments(p, conn, Manner::default(), 136)?;
                p.send(conn, &fragments[0]);
                p.close_sending(conn);
                p.overhear(conn).is_refused()
            },
        )
        .hostile(),
        Case::must(
            "HOST-FRAGMENT-NO-FIRST",
            "a last fragment without a first",
            "C706 12.6.3.1",
            "A client sends a request with neither PFC_FIRST_FRAG nor a fragment before it.",
            "The host does not answer it, but with a fault or the end of the connection, and lives on.",
            |p| {
                let conn = p.bound_to(Ndr::Ndr32)?;
                let fragments = call_in_fragments(p, conn, Manner::default(), 136)?;
                p.send(conn, &fragments[fragments.len() - 1]);
                p.receive(conn).faulted_or_ended(NCA_S_PROTO_ERROR)
            },
        )
        .at(Level::Should)
        .hostile(),
        Case::must(
            "HOST-FRAGMENT-OTHER-CALL",
            "a last fragment of another call",
            "C706 12.6.3 (call_id)",
            "A client sends a first fragment of one call_id and a last one of another.",
            "The host does not put them together: a fault or the end of the connection, and it lives on.",
            |p| {
                let conn = p.bound_to(Ndr::Ndr32)?;
                let mut fragments = call_in_fragments(p, conn, Manner::default(), 136)?;
                fragments[1][12] ^= 0x40;
                p.send(conn, &fragments[0]);
                p.send(conn, &fragments[1]);
                p.receive(conn).faulted_or_ended(NCA_S_PROTO_ERROR)
            },
        )
        .at(Level::Should)
        .hostile(),
        Case::must(
            "HOST-FRAGMENT-INTERLEAVED",
            "fragments of two calls in turns",
            "C706 12.6 (fragmentation)",
            "A client sends the first fragments of two calls and then the last ones.",
            "The host answers both calls rightly or none, and lives on.",
            |p| {
                let conn = p.bound_to(Ndr::Ndr32)?;
                let one = call_in_fragments(p, conn, Manner::default(), 136)?;
                let other = call_in_fragments(p, conn, Manner::default(), 136)?;
                for fragment in [&one[0], &other[0], &one[1], &other[1]] {
                    p.send(conn, fragment);
                }
                for _ in 0..2 {
                    match p.receive(conn) {
                        reply @ Reply::Answer(_) => drop(reply.answer()?),
                        other => return other.is_refused(),
                    }
                }
                Ok(())
            },
        )
        .hostile(),
        Case::must(
            "HOST-FRAGMENT-ORPHANED",
            "a call that its client gives up",
            "C706 12.6.4.8",
            "A client sends the first fragment of a call and an orphaned PDU of the same, and then asks as usual.",
            "The host forgets the first call, and answers the second.",
            |p| {
                let conn = p.bound_to(Ndr::Ndr32)?;
                let fragments = call_in_fragments(p, conn, Manner::default(), 136)?;
                p.send(conn, &fragments[0]);
                let call_id = fragments[0][12];
                p.send(conn, &bare(PduType::ORPHANED, call_id.into())?);
                p.activate(conn, Manner::default()).map(drop)
            },
        )
        .at(Level::Should),
        Case::must(
            "HOST-FRAGMENT-TOO-LARGE",
            "a fragment larger than negotiated",
            "C706 12.6.4.4; observed: Windows by Samba's raw_protocol tests",
            "A client binds for fragments of 2048 bytes, and sends one of 4096.",
            "The host sends a fault nca_s_proto_error or ends the connection, and lives on.",
            |p| {
                let conn = p.open()?;
                let offer = Offer {
                    max_xmit_frag: 2048,
                    max_recv_frag: 2048,
                    ..Offer::only(Ndr::Ndr32)
                };
                p.bind(conn, &offer)?.ack()?.result_is(0, 0, 0)?;
                let pdu = p.request_pdu(conn, Manner::default(), &vec![0; 4096 - 24])?;
                p.send(conn, &pdu);
                p.receive(conn).faulted_or_ended(NCA_S_PROTO_ERROR)
            },
        )
        .at(Level::Should)
        .tagged(&["fragment-size"])
        .hostile(),
        Case::must(
            "HOST-FRAGMENT-65535",
            "the largest fragment that there can be",
            "C706 12.6.4.4",
            "A client binds for fragments of 5840 bytes, and sends one of 65535.",
            "The host does not answer it with an activation, and lives on.",
            |p| {
                let conn = p.bound_to(Ndr::Ndr32)?;
                let pdu = p.request_pdu(conn, Manner::default(), &vec![0; 65535 - 24])?;
                p.send(conn, &pdu);
                p.receive(conn).is_refused()
            },
        )
        .tagged(&["fragment-size"])
        .hostile(),
        Case::must(
            "HOST-FRAGMENT-LENGTH-0",
            "a fragment of no length",
            "C706 12.6.3.1",
            "A client sends a request whose frag_length is 0.",
            "The host does not answer it with an activation, and lives on.",
            |p| of_length(p, 0),
        )
        .tagged(&["fragment-size"])
        .hostile(),
        Case::must(
            "HOST-FRAGMENT-LENGTH-15",
            "a fragment shorter than its header",
            "C706 12.6.3.1",
            "A client sends a request whose frag_length is 15.",
            "The host does not answer it with an activation, and lives on.",
            |p| of_length(p, 15),
        )
        .tagged(&["fragment-size"])
        .hostile(),
        Case::must(
            "HOST-FRAGMENT-LENGTH-20",
            "a fragment shorter than a request's fields",
            "C706 12.6.4.9",
            "A client sends a request whose frag_length is 20.",
            "The host does not answer it with an activation, and lives on.",
            |p| of_length(p, 20),
        )
        .tagged(&["fragment-size"])
        .hostile(),
        Case::must(
            "HOST-FRAGMENT-ENDLESS",
            "a request without an end",
            "C706 12.6 (fragmentation)",
            "A client sends 1 MiB of fragments of one call, none of them the last, and then asks on another connection.",
            "The host answers the other connection, whatever it does about this one.",
            |p| {
                let conn = p.bound_to(Ndr::Ndr32)?;
                let mut fragments =
                    p.request_pdu(conn, Manner::default(), &vec![0; ENDLESS_STUB])?;
                fragments[3] = PfcFlags::FIRST.0;
                p.send(conn, &fragments);
                fragments[3] = 0;
                for _ in 1..ENDLESS {
                    p.send(conn, &fragments);
                }
                match p.overhear(conn) {
                    Reply::Silence(_) => Ok(()),
                    other => other.is_refused(),
                }
            },
        )
        .hostile(),
    ],
};

const NCA_S_PROTO_ERROR: u32 = 0x1c01_000b;
/// Bytes of stub in the fragments of a request without an end, and how many of them make 1 MiB.
const ENDLESS_STUB: usize = 2016;
const ENDLESS: usize = (1 << 20) / ENDLESS_STUB;

fn call_in_fragments(
    p: &mut Probe<'_>,
    conn: Conn,
    manner: Manner,
    size: usize,
) -> Result<Vec<Vec<u8>>, Problem> {
    let message = p.message(Version::V6);
    let pdu = p.call_pdu(conn, manner, &message)?;
    in_fragments(&pdu, size)
}

/// A request in fragments of so many bytes of stub is answered.
fn fragmented(p: &mut Probe<'_>, manner: Manner, size: usize) -> Outcome {
    let conn = p.bound_to(Ndr::Ndr32)?;
    for fragment in call_in_fragments(p, conn, manner, size)? {
        p.send(conn, &fragment);
    }
    p.receive(conn).answer().map(drop)
}

/// A request that says it is so long is not answered with an activation.
fn of_length(p: &mut Probe<'_>, frag_length: u16) -> Outcome {
    let (conn, manner) = p.bound()?;
    let message = p.message(Version::V6);
    let mut pdu = p.call_pdu(conn, manner, &message)?;
    pdu[8..10].copy_from_slice(&frag_length.to_le_bytes());
    p.send(conn, &pdu);
    p.overhear(conn).is_refused()
}
