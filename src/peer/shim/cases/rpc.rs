use crate::conformance::Level;
use crate::rpc::{
    Bind, Body, DataRepresentation, Header, Pdu, PduType, PfcFlags, PresentationContext, ResultElement,
    SyntaxId,
};
use crate::wire::{Guid, Random};

use super::super::case::{Case, Script};
use super::super::contract::{Fields, Query};
use super::IS_REFUSED;
use super::messages::{below, place};

/// DCE/RPC: a stream cut into PDUs, binds read and answered.
pub(super) const CASES: &[Case] = &[
    Case {
        id: "SHIM-RPC-FRAME-ONE",
        title: "A stream of one PDU is one PDU",
        script: |random| framed(&[bind(DataRepresentation::LITTLE_ENDIAN, random)], &[]),
        ..FRAME
    },
    Case {
        id: "SHIM-RPC-FRAME-MANY",
        title: "A stream of several PDUs is cut where they begin",
        script: |random| {
            let pdus: Vec<_> = (0..3 + place(random, 4)).map(|_| request(random)).collect();
            framed(&pdus, &[])
        },
        ..FRAME
    },
    Case {
        id: "SHIM-RPC-FRAME-PART",
        title: "The beginning of a PDU waits for its end",
        script: |random| {
            let last = request(random);
            framed(&[request(random), request(random)], &last[..16 + place(random, last.len() - 16)])
        },
        ..FRAME
    },
    Case {
        id: "SHIM-RPC-FRAME-HEADER-PART",
        title: "Half a header waits for its other half",
        script: |random| {
            let last = request(random);
            framed(&[request(random)], &last[..1 + place(random, 15)])
        },
        ..FRAME
    },
    Case {
        id: "SHIM-RPC-FRAME-BIG-ENDIAN",
        title: "frag_length stands in the byte order that drep says",
        tags: &["framing", "big-endian"],
        script: |random| framed(&[bind(DataRepresentation::BIG_ENDIAN, random), request(random)], &[]),
        ..FRAME
    },
    Case {
        id: "SHIM-RPC-FRAME-NOTHING",
        title: "A stream of no bytes is no PDU",
        tags: &["framing", "hostile"],
        script: |_| framed(&[], &[]),
        ..FRAME
    },
    Case {
        id: "SHIM-RPC-FRAME-LENGTH-SMALL",
        title: "A frag_length that is smaller than a header is refused",
        tags: &["framing", "hostile"],
        script: |random| {
            let mut pdu = request(random);
            pdu[8..10].copy_from_slice(&[u8::try_from(place(random, 16)).unwrap_or_default(), 0]);
            Script::refused(Query::new("rpc.frame").with_bytes("stream", &pdu), "length")
        },
        ..FRAME_WRONG
    },
    Case {
        id: "SHIM-RPC-FRAME-VERSION-4",
        title: "A PDU of another major version is refused",
        tags: &["framing", "hostile"],
        script: |random| {
            let mut pdu = request(random);
            pdu[0] = 4;
            Script::refused(Query::new("rpc.frame").with_bytes("stream", &pdu), "version")
        },
        ..FRAME_WRONG
    },
    Case {
        id: "SHIM-RPC-BIND-DECODE",
        title: "A bind with three contexts is read",
        script: |random| decoded(DataRepresentation::LITTLE_ENDIAN, random),
        ..BIND
    },
    Case {
        id: "SHIM-RPC-BIND-BIG-ENDIAN",
        title: "A bind of a big-endian client is read",
        tags: &["bind", "big-endian"],
        script: |random| decoded(DataRepresentation::BIG_ENDIAN, random),
        ..BIND
    },
    Case {
        id: "SHIM-RPC-BIND-OTHER-TYPE",
        title: "A request is no bind",
        asked: "A PDU of another type is given as a bind.",
        holds: IS_REFUSED,
        script: |random| {
            Script::refused(Query::new("rpc.bind.decode").with_bytes("pdu", &request(random)), "type")
        },
        ..BIND
    },
    Case {
        id: "SHIM-RPC-BIND-COUNT-BEYOND",
        title: "A bind that says it has more contexts than it has is refused",
        asked: "A bind is given whose n_context_elem is too large.",
        holds: IS_REFUSED,
        tags: &["bind", "hostile"],
        script: |random| {
            let mut pdu = bind(DataRepresentation::LITTLE_ENDIAN, random);
            pdu[24] = 255;
            Script::refused(Query::new("rpc.bind.decode").with_bytes("pdu", &pdu), "length")
        },
        ..BIND
    },
    Case {
        id: "SHIM-RPC-BIND-ACK-NDR64",
        title: "Where NDR64 is taken, NDR32 is refused beside it",
        authority: "MS-RPCE 3.3.1.5.6; Windows servers in public captures answer (2,2), (0,0), (3,3)",
        script: |random| acknowledged(true, SyntaxId::KMS, NDR64_TAKEN, random),
        ..BIND_ACK
    },
    Case {
        id: "SHIM-RPC-BIND-ACK-NDR32",
        title: "Where NDR64 is not taken, NDR32 is",
        script: |random| acknowledged(false, SyntaxId::KMS, NDR32_TAKEN, random),
        ..BIND_ACK
    },
    Case {
        id: "SHIM-RPC-BIND-ACK-OTHER-INTERFACE",
        title: "Another interface is refused for that",
        authority: "C706 12.6.3.1",
        script: |random| {
            let other = SyntaxId { uuid: Guid::from_wire(random.bytes()), version: 1 };
            acknowledged(true, other, NONE_TAKEN, random)
        },
        ..BIND_ACK
    },
];

const FRAME: Case = Case {
    id: "",
    title: "",
    group: "rpc",
    level: Level::Must,
    authority: "C706 12.6.3.1",
    asked: "The bytes of a stream are given, as far as they have come.",
    holds: "The PDUs come out, and how many bytes are left.",
    tags: &["framing"],
    script: |_| framed(&[], &[]),
};

const FRAME_WRONG: Case = Case {
    asked: "A stream is given whose first header is wrong in this one way.",
    holds: IS_REFUSED,
    ..FRAME
};

const BIND: Case = Case {
    authority: "C706 12.6.4.3",
    asked: "A bind is given.",
    holds: "Its fields come out, and those of each context.",
    tags: &["bind"],
    ..FRAME
};

const BIND_ACK: Case = Case {
    authority: "C706 12.6.4.4, MS-RPCE 3.3.1.5.3",
    asked: "A bind is given that proposes NDR32, NDR64 and bind-time features, and whether NDR64 is taken.",
    holds: "The bind_ack has its call_id, a result for each context, and the port as its secondary address.",
    tags: &["bind", "bind_ack"],
    ..FRAME
};

/// Result, reason and transfer syntax of each context.
type Results = [(u16, u16, Option<SyntaxId>); 3];
const NDR64_TAKEN: Results = [(2, 2, None), (0, 0, Some(SyntaxId::NDR64)), (3, 3, None)];
const NDR32_TAKEN: Results = [(0, 0, Some(SyntaxId::NDR32)), (2, 2, None), (3, 3, None)];
const NONE_TAKEN: Results = [(2, 1, None), (2, 1, None), (3, 3, None)];

fn framed(pdus: &[Vec<u8>], rest: &[u8]) -> Script {
    let stream = [&pdus.concat()[..], rest].concat();
    let lengths: Vec<String> = pdus.iter().map(|pdu| pdu.len().to_string()).collect();
    let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    Script::done(
        Query::new("rpc.frame").with_bytes("stream", &stream),
        Fields::default()
            .with("pdus", count(pdus.len()))
            .with("lengths", lengths.join(","))
            .with("rest", count(rest.len())),
    )
}

fn pdu(header: Header, body: Body<'_>) -> Vec<u8> {
    Pdu { header, body, rest: &[], auth: None }.encode_sized().unwrap_or_default()
}

fn request(random: &mut Random) -> Vec<u8> {
    let stub = random.bytes::<64>();
    let stub = &stub[..place(random, 65)];
    let header = Header::new(PduType::REQUEST, below(random, 1000));
    let body = crate::rpc::Request {
        alloc_hint: u32::try_from(stub.len()).unwrap_or_default(),
        context_id: 0,
        opnum: 0,
        object: None,
        stub,
    };
    pdu(header, Body::Request(body))
}

fn proposal(interface: SyntaxId, random: &mut Random) -> Bind {
    let first = u16::try_from(place(random, 1000)).unwrap_or_default();
    let context = |id, syntax| PresentationContext {
        id,
        reserved: 0,
        abstract_syntax: interface,
        transfer_syntaxes: vec![syntax],
    };
    Bind {
        max_xmit_frag: 5840,
        max_recv_frag: 4280,
        assoc_group_id: 0,
        n_context_elem: 3,
        reserved: [0; 3],
        contexts: vec![
            context(first, SyntaxId::NDR32),
            context(first + 1, SyntaxId::NDR64),
            context(first + 2, SyntaxId::bind_time_features(3)),
        ],
    }
}

fn header(drep: DataRepresentation, random: &mut Random) -> Header {
    let flags = PfcFlags::FIRST | PfcFlags::LAST | PfcFlags::CONC_MPX;
    Header { flags, drep, ..Header::new(PduType::BIND, 2 + below(random, 1 << 30)) }
}

fn bind(drep: DataRepresentation, random: &mut Random) -> Vec<u8> {
    let bind = proposal(SyntaxId::KMS, random);
    pdu(header(drep, random), Body::Bind(bind))
}

fn decoded(drep: DataRepresentation, random: &mut Random) -> Script {
    let (header, bind) = (header(drep, random), proposal(SyntaxId::KMS, random));
    let mut fields = Fields::default()
        .with("call_id", header.call_id)
        .with("max_xmit_frag", u32::from(bind.max_xmit_frag))
        .with("max_recv_frag", u32::from(bind.max_recv_frag))
        .with("assoc_group_id", bind.assoc_group_id)
        .with("contexts", 3);
    for (i, context) in bind.contexts.iter().enumerate() {
        fields = fields
            .with(format!("context_{i}"), u32::from(context.id))
            .with(format!("abstract_{i}"), context.abstract_syntax.uuid)
            .with(format!("transfer_{i}"), context.transfer_syntaxes[0].uuid);
    }
    Script::done(Query::new("rpc.bind.decode").with_bytes("pdu", &pdu(header, Body::Bind(bind))), fields)
}

fn acknowledged(ndr64: bool, interface: SyntaxId, results: Results, random: &mut Random) -> Script {
    let header = header(DataRepresentation::LITTLE_ENDIAN, random);
    let bind = pdu(header, Body::Bind(proposal(interface, random)));
    let group = 1 + below(random, 1 << 30);
    let query = Query::new("rpc.bind_ack.encode")
        .with_bytes("bind", &bind)
        .with("ndr64", ndr64)
        .with("assoc_group_id", group)
        .with("port", "1688");
    let wanted: Vec<ResultElement> = results
        .iter()
        .map(|&(result, reason, syntax)| ResultElement {
            result,
            reason,
            transfer_syntax: syntax.unwrap_or_default(),
        })
        .collect();
    Script::judged(query, move |fields| is_acknowledged(fields, header.call_id, group, &wanted))
}

/// The bind_ack that a client needs; what it has beside that is its own.
fn is_acknowledged(
    fields: &Fields,
    call_id: u32,
    group: u32,
    wanted: &[ResultElement],
) -> Result<(), String> {
    let bytes = fields.bytes("pdu")?;
    let pdu = Pdu::parse(&bytes).map_err(|error| format!("the bind_ack cannot be read: {error}"))?;
    let Body::BindAck(ack) = &pdu.body else {
        return Err(format!("the PDU is a {}, and should be a bind_ack", pdu.header.ptype));
    };
    let is = |name: &str, found: u32, wanted: u32| {
        let message = || format!("{name} of the bind_ack is {found}, and should be {wanted}");
        (found == wanted).then_some(()).ok_or_else(message)
    };
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    is("frag_length", pdu.header.frag_length.into(), length)?;
    is("call_id", pdu.header.call_id, call_id)?;
    is("assoc_group_id", ack.assoc_group_id, group)?;
    if ack.secondary_address_text() != "1688" {
        return Err(format!(
            "the secondary address is {:?}, and should be \"1688\"",
            ack.secondary_address_text()
        ));
    }
    is("n_results", ack.n_results.into(), u32::try_from(wanted.len()).unwrap_or_default())?;
    for (i, (found, wanted)) in ack.results.iter().zip(wanted).enumerate() {
        let shown = |result: &ResultElement| {
            format!("({}, {}) {}", result.result, result.reason, result.transfer_syntax.transfer())
        };
        let is_same = (found.result, found.reason) == (wanted.result, wanted.reason)
            && (wanted.result != 0 || found.transfer_syntax == wanted.transfer_syntax);
        if !is_same {
            return Err(format!("result {i} is {}, and should be {}", shown(found), shown(wanted)));
        }
    }
    Ok(())
}
