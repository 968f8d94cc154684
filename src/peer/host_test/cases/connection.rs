use std::thread;
use std::time::Duration;

use crate::conformance::Level;
use crate::kms::{Ndr, Version};
use crate::peer::host_test::case::{Case, Group, Outcome, Problem};
use crate::peer::host_test::probe::{Conn, Manner, Offer, Probe, bare};
use crate::peer::host_test::reply::Reply;
use crate::rpc::PduType;

/// The connection, and what travels on it that is no call.
pub(super) const GROUP: Group = Group {
    name: "connection",
    title: "segments, pauses, pipelining, half a close, PDUs that no client sends, and what is no RPC",
    cases: &[
        Case::must(
            "HOST-SEGMENTS-BYTES",
            "byte by byte",
            "RFC 9293 3.7: segments have no meaning",
            "A client sends its bind and its request one byte at a time.",
            "The host acknowledges and answers.",
            |p| in_pieces(p, 1, Duration::ZERO),
        )
        .tagged(&["segmentation"]),
        Case::must(
            "HOST-SEGMENTS-SLOW",
            "slowly",
            "RFC 9293 3.7: segments have no meaning",
            "A client sends its bind and its request in pieces of 40 bytes, 50 ms apart.",
            "The host acknowledges and answers.",
            |p| in_pieces(p, 40, Duration::from_millis(50)),
        )
        .tagged(&["segmentation", "slow"]),
        Case::must(
            "HOST-SEGMENTS-HEADER",
            "a header, and later the rest",
            "RFC 9293 3.7: segments have no meaning",
            "A client sends the 16 bytes of its request's header, and 300 ms later the rest.",
            "The host waits, and answers.",
            |p| {
                let (conn, manner) = p.bound()?;
                let message = p.message(Version::V6);
                let pdu = p.call_pdu(conn, manner, &message)?;
                p.send(conn, &pdu[..16]);
                thread::sleep(Duration::from_millis(300));
                p.send(conn, &pdu[16..]);
                p.receive(conn).answer().map(drop)
            },
        )
        .tagged(&["segmentation", "slow"]),
        Case::must(
            "HOST-PIPELINE",
            "requests that do not wait for answers",
            "C706 12.6.3.1 (PFC_CONC_MPX), RFC 9293 3.7",
            "A client sends three requests at once.",
            "The host answers all three, each with its own call_id.",
            |p| {
                let (conn, manner) = p.bound()?;
                pipelined(p, conn, manner, 3)
            },
        )
        .at(Level::Should)
        .tagged(&["pipelining"]),
        Case::must(
            "HOST-PIPELINE-BIND",
            "a request that does not wait for its bind",
            "RFC 9293 3.7; MS-RPCE 3.3.2 has a client wait",
            "A client sends a bind with NDR32 and a request in one segment.",
            "The host acknowledges the one and answers the other.",
            |p| {
                let conn = p.open()?;
                let mut bytes = Offer::only(Ndr::Ndr32).pdu(PduType::BIND, 2)?;
                p.expect(conn, &bytes);
                p.set_next_call(conn, 3);
                let message = p.message(Version::V6);
                bytes.extend(p.call_pdu(conn, Manner::default(), &message)?);
                p.send(conn, &bytes);
                p.receive(conn).ack()?.result_is(0, 0, 0)?;
                p.receive(conn).answer().map(drop)
            },
        )
        .at(Level::May)
        .tagged(&["pipelining"]),
        Case::must(
            "HOST-MANY-REQUESTS",
            "many requests on one connection",
            "C706 9 (associations); genuine hosts as they are described keep connections open",
            "A client asks 50 times on one connection.",
            "The host answers each.",
            |p| {
                let (conn, manner) = p.bound()?;
                for number in 1..=50 {
                    p.activate(conn, manner)
                        .map_err(|problem| problem.after(&format!("request {number}")))?;
                }
                Ok(())
            },
        )
        .at(Level::Should),
        Case::must(
            "HOST-IDLE",
            "a connection that is idle",
            "no document; genuine hosts as they are described keep connections open",
            "A client asks, says nothing for a second, and asks again.",
            "The host answers both.",
            |p| {
                let (conn, manner) = p.bound()?;
                p.activate(conn, manner)?;
                thread::sleep(Duration::from_secs(1));
                p.activate(conn, manner).map(drop)
            },
        )
        .at(Level::Should)
        .tagged(&["slow"]),
        Case::must(
            "HOST-TWO-CONNECTIONS",
            "two connections at a time",
            "C706 9 (associations)",
            "A client binds two connections, sends a request on each, and then reads both answers.",
            "The host answers each on its own connection.",
            |p| {
                let (one, manner_of_one) = p.bound()?;
                let (other, manner_of_other) = p.bound()?;
                for (conn, manner) in [(one, manner_of_one), (other, manner_of_other)] {
                    let message = p.message(Version::V6);
                    let pdu = p.call_pdu(conn, manner, &message)?;
                    p.send(conn, &pdu);
                }
                p.receive(other).answer()?;
                p.receive(one).answer().map(drop)
            },
        ),
        Case::must(
            "HOST-MANY-CONNECTIONS",
            "clients that only hold the line",
            "no document; a host serves more than one client",
            "A client opens 20 connections and says nothing on them, and asks on another one.",
            "The host answers that one.",
            |p| {
                for _ in 0..20 {
                    p.open()?;
                }
                p.is_alive()
            },
        )
        .at(Level::Should)
        .hostile(),
        Case::must(
            "HOST-HALF-CLOSE",
            "a client that has said all",
            "RFC 9293 3.6",
            "A client sends a request and its FIN behind it.",
            "The host answers, and ends the connection then.",
            |p| {
                let (conn, manner) = p.bound()?;
                let message = p.message(Version::V6);
                let pdu = p.call_pdu(conn, manner, &message)?;
                p.send(conn, &pdu);
                p.close_sending(conn);
                p.receive(conn).answer().map(drop)
            },
        )
        .at(Level::Should),
        Case::must(
            "HOST-CLOSE-UNUSED",
            "a client that says nothing at all",
            "RFC 9293 3.6",
            "A client opens a connection and sends its FIN.",
            "The host ends the connection too.",
            |p| {
                let conn = p.open()?;
                p.close_sending(conn);
                match p.receive(conn) {
                    Reply::Ended(_) => Ok(()),
                    other => Err(Problem::wrong(format!("{other}, expected the end of the connection"))),
                }
            },
        )
        .at(Level::Should)
        .hostile(),
        Case::must(
            "HOST-CLOSE-IN-HEADER",
            "a client that goes in the middle of a header",
            "C706 12.6.3.1",
            "A client sends the first seven bytes of a bind and its FIN.",
            "The host answers nothing, and lives on.",
            |p| {
                let conn = p.open()?;
                let bind = Offer::default().pdu(PduType::BIND, 2)?;
                p.send(conn, &bind[..7]);
                p.close_sending(conn);
                p.overhear(conn).is_refused()
            },
        )
        .hostile(),
        Case::must(
            "HOST-NOISE-HTTP",
            "a web browser",
            "C706 12.6.3.1",
            "A client sends an HTTP request.",
            "The host answers nothing of RPC's, and lives on.",
            |p| noise(p, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        )
        .tagged(&["noise"])
        .hostile(),
        Case::must(
            "HOST-NOISE-TLS",
            "a client that speaks TLS",
            "C706 12.6.3.1",
            "A client sends the beginning of a TLS ClientHello.",
            "The host answers nothing of RPC's, and lives on.",
            |p| {
                let mut hello = vec![0x16, 3, 1, 0, 0x2f, 1, 0, 0, 0x2b, 3, 3];
                hello.extend(p.random.bytes::<32>());
                hello.extend([0, 0, 4, 0x13, 1, 0x13, 2, 1, 0]);
                noise(p, &hello)
            },
        )
        .tagged(&["noise"])
        .hostile(),
        Case::must(
            "HOST-NOISE-ZEROS",
            "zeros",
            "C706 12.6.3.1",
            "A client sends 4096 zeros.",
            "The host answers nothing of RPC's, and lives on.",
            |p| noise(p, &[0; 4096]),
        )
        .tagged(&["noise"])
        .hostile(),
        Case::must(
            "HOST-NOISE-RANDOM",
            "random bytes",
            "C706 12.6.3.1",
            "A client sends 2048 random bytes.",
            "The host acknowledges nothing, and lives on.",
            |p| {
                let bytes = p.random.bytes::<2048>();
                noise(p, &bytes)
            },
        )
        .tagged(&["noise"])
        .hostile(),
        Case::must(
            "HOST-NOISE-BEHIND-BIND",
            "random bytes where a request should be",
            "C706 12.6.3.1",
            "A client binds, and sends 512 random bytes.",
            "The host answers no activation, and lives on.",
            |p| {
                let (conn, _) = p.bound()?;
                let bytes = p.random.bytes::<512>();
                p.send(conn, &bytes);
                p.overhear(conn).is_refused()
            },
        )
        .tagged(&["noise"])
        .hostile(),
        Case::must(
            "HOST-PTYPE-RESPONSE",
            "a client that answers",
            SERVERS,
            "A client binds, and sends a response.",
            "The host sends a fault nca_s_proto_error or ends the connection, and lives on.",
            |p| unexpected(p, PduType::RESPONSE, 24),
        )
        .at(Level::Should)
        .tagged(&["ptype"])
        .hostile(),
        Case::must(
            "HOST-PTYPE-FAULT",
            "a client that sends a fault",
            SERVERS,
            "A client binds, and sends a fault.",
            "The host sends a fault nca_s_proto_error or ends the connection, and lives on.",
            |p| unexpected(p, PduType::FAULT, 32),
        )
        .at(Level::Should)
        .tagged(&["ptype"])
        .hostile(),
        Case::must(
            "HOST-PTYPE-BIND-ACK",
            "a client that acknowledges",
            SERVERS,
            "A client binds, and sends a bind_ack.",
            "The host sends a fault nca_s_proto_error or ends the connection, and lives on.",
            |p| unexpected(p, PduType::BIND_ACK, 32),
        )
        .at(Level::Should)
        .tagged(&["ptype"])
        .hostile(),
        Case::must(
            "HOST-PTYPE-SHUTDOWN",
            "a client that shuts the server down",
            SERVERS,
            "A client binds, and sends a shutdown.",
            "The host does not shut down: at most it sends a fault or ends this connection.",
            |p| {
                let (conn, _) = p.bound()?;
                p.send(conn, &bare(PduType::SHUTDOWN, 9)?);
                p.overhear(conn).is_refused()
            },
        )
        .tagged(&["ptype"])
        .hostile(),
        Case::must(
            "HOST-PTYPE-AUTH3",
            "the third leg of no authentication",
            "MS-RPCE 2.2.2.10",
            "A client binds without authentication, and sends an auth3.",
            "The host sends a fault, ends the connection or says nothing, and lives on.",
            |p| {
                let (conn, _) = p.bound()?;
                p.send(conn, &sized(PduType::AUTH3, 20)?);
                p.overhear(conn).is_refused()
            },
        )
        .tagged(&["ptype", "auth"])
        .hostile(),
        Case::must(
            "HOST-PTYPE-CONNECTIONLESS",
            "a PDU of the protocol over UDP",
            "C706 12 (table of PDUs)",
            "A client binds, and sends a ping, which only the connectionless protocol has.",
            "The host sends a fault nca_s_proto_error or ends the connection, and lives on.",
            |p| unexpected(p, PduType(1), 80),
        )
        .at(Level::Should)
        .tagged(&["ptype"])
        .hostile(),
        Case::must(
            "HOST-PTYPE-UNKNOWN",
            "a PDU type that does not exist",
            "C706 12 (table of PDUs)",
            "A client binds, and sends a PDU of type 255.",
            "The host sends a fault nca_s_proto_error or ends the connection, and lives on.",
            |p| unexpected(p, PduType(255), 32),
        )
        .at(Level::Should)
        .tagged(&["ptype"])
        .hostile(),
        Case::must(
            "HOST-RECONNECT",
            "connection after connection",
            "C706 9 (associations)",
            "A client connects, asks and closes ten times.",
            "The host answers each time.",
            |p| {
                for number in 1..=10 {
                    let (conn, manner) = p.bound()?;
                    p.activate(conn, manner)
                        .map_err(|problem| problem.after(&format!("connection {number}")))?;
                    p.close_sending(conn);
                }
                Ok(())
            },
        ),
    ],
};

const SERVERS: &str = "C706 12.6.4: only servers send it";
const NCA_S_PROTO_ERROR: u32 = 0x1c01_000b;

/// A bind and a request in pieces are acknowledged and answered.
fn in_pieces(p: &mut Probe<'_>, size: usize, pause: Duration) -> Outcome {
    let conn = p.open()?;
    let bind = Offer::only(Ndr::Ndr32).pdu(PduType::BIND, 2)?;
    p.expect(conn, &bind);
    p.set_next_call(conn, 3);
    p.send_in_pieces(conn, &bind, size, pause);
    p.receive(conn).ack()?.result_is(0, 0, 0)?;
    let message = p.message(Version::V6);
    let pdu = p.call_pdu(conn, Manner::default(), &message)?;
    p.send_in_pieces(conn, &pdu, size, pause);
    p.receive(conn).answer().map(drop)
}

/// So many requests in one segment are all answered.
fn pipelined(p: &mut Probe<'_>, conn: Conn, manner: Manner, requests: usize) -> Outcome {
    let mut bytes = Vec::new();
    for _ in 0..requests {
        let message = p.message(Version::V6);
        bytes.extend(p.call_pdu(conn, manner, &message)?);
    }
    p.send(conn, &bytes);
    for number in 1..=requests {
        p.receive(conn).answer().map_err(|problem| problem.after(&format!("request {number}")))?;
    }
    Ok(())
}

/// What is no RPC is answered with none but a refusal.
fn noise(p: &mut Probe<'_>, bytes: &[u8]) -> Outcome {
    let conn = p.open()?;
    p.send(conn, bytes);
    p.overhear(conn).is_refused()
}

/// A PDU that a client must not send is a protocol error.
fn unexpected(p: &mut Probe<'_>, ptype: PduType, length: usize) -> Outcome {
    let (conn, _) = p.bound()?;
    p.send(conn, &sized(ptype, length)?);
    p.receive(conn).faulted_or_ended(NCA_S_PROTO_ERROR)
}

/// A PDU of this type, with zeros behind its header.
fn sized(ptype: PduType, length: usize) -> Result<Vec<u8>, Problem> {
    let mut bytes = bare(ptype, 9)?;
    bytes.resize(length, 0);
    let length = u16::try_from(length).unwrap_or(u16::MAX);
    bytes[8..10].copy_from_slice(&length.to_le_bytes());
    Ok(bytes)
}
