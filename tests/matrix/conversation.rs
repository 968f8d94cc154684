//! Real conversations to change one thing in.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};

use volact::capture::{Dialogue, Direction, Endpoint};
use volact::kms::{Ndr, RequestStub};
use volact::rpc::{
    Bind, BindAck, Body, DataRepresentation, Header, Pdu, PduType, PfcFlags, PresentationContext, Request,
    Response, ResultElement, SyntaxId,
};
use volact::trace::{ConnectionRecord, Observer, Options, PduContent, PduRecord, trace};
use volact::wire::{Endianness, Guid};

/// The PDUs of the connections of a capture, to be changed and written again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conversation {
    pub(crate) connections: Vec<Connection>,
}

/// One connection: who, and what each side sent.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) client: Endpoint,
    pub(crate) server: Endpoint,
    pub(crate) pdus: Vec<Sent>,
    /// Who sends the first FIN: `ToServer` is the client.
    pub(crate) closed_by: Direction,
}

/// A PDU that was sent: nanoseconds since 1970, in which direction, and its bytes.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) time: u64,
    pub(crate) direction: Direction,
    pub(crate) bytes: Vec<u8>,
}

impl Conversation {
    /// Of a capture of the folder `captures`.
    pub(crate) fn of(name: &str) -> Self {
        let file = File::open(format!("captures/{name}")).expect("the capture is there");
        let mut reader = Reader::default();
        trace(name, file, &Options::default(), &mut reader);
        let mut conversation = Self::default();
        for record in reader.connections {
            let pdus = reader.pdus.iter().filter(|(stream, _)| *stream == record.flow.stream);
            conversation.connections.push(Connection {
                client: record.flow.client,
                server: record.flow.server,
                pdus: pdus.map(|(_, sent)| sent.clone()).collect(),
                closed_by: Direction::ToServer,
            });
        }
        conversation
    }

    /// A KMS v6 client that binds with three contexts and asks three times, and a host that does nothing wrong: what the
    /// examples are made of that need no other. Where vlmcsd differs from genuine hosts (the call_id of faults, what it
    /// answers to what cannot be read) nothing is asked of it here, and its HwId is judged by no rule: nothing is repaired.
    pub(crate) fn base() -> Self {
        Self::of("vlmcs_vlmcsd_v6_default.pcap")
    }

    /// A client that binds to another interface (management, C706 appendix Q), and asks once. No rule about volume
    /// activation looks at it.
    ///
    /// 0 bind, 1 bind_ack, 2 request, 3 response.
    pub(crate) fn management() -> Self {
        let interface =
            SyntaxId { uuid: Guid::from_u128(0xafa8_bd80_7d8a_11c9_bef4_0800_2b10_2989), version: 1 };
        let bind = Bind {
            max_xmit_frag: 5840,
            max_recv_frag: 5840,
            n_context_elem: 1,
            contexts: vec![PresentationContext {
                abstract_syntax: interface,
                transfer_syntaxes: vec![SyntaxId::NDR32],
                ..PresentationContext::default()
            }],
            ..Bind::default()
        };
        let ack = BindAck {
            max_xmit_frag: 5840,
            max_recv_frag: 5840,
            assoc_group_id: 0x1234,
            secondary_address: b"1688\0",
            padding: &[0],
            n_results: 1,
            results: vec![ResultElement { transfer_syntax: SyntaxId::NDR32, ..ResultElement::default() }],
            ..BindAck::default()
        };
        let stub = &[0; 16];
        let request = Request { alloc_hint: 16, context_id: 0, opnum: 0, object: None, stub };
        let response = Response { alloc_hint: 16, context_id: 0, cancel_count: 0, reserved: 0, stub };
        let side = |port| Endpoint { address: IpAddr::V4(Ipv4Addr::LOCALHOST), port };
        Self {
            connections: vec![Connection {
                client: side(50_000),
                server: side(1688),
                pdus: Vec::new(),
                closed_by: Direction::ToServer,
            }],
        }
        .insert(0, Direction::ToServer, pdu(PduType::BIND, 1, Body::Bind(bind)))
        .insert(1, Direction::ToClient, pdu(PduType::BIND_ACK, 1, Body::BindAck(ack)))
        .insert(2, Direction::ToServer, pdu(PduType::REQUEST, 2, Body::Request(request)))
        .insert(3, Direction::ToClient, pdu(PduType::RESPONSE, 2, Body::Response(response)))
    }

    /// With a PDU of the first connection changed; its frag_length is what its bytes are.
    pub(crate) fn with(mut self, at: usize, change: impl FnOnce(&mut Pdu<'_>)) -> Self {
        let sent = &mut self.connections[0].pdus[at];
        let bytes = sent.bytes.clone();
        let mut pdu = Pdu::parse(&bytes).expect("it is a whole PDU");
        change(&mut pdu);
        sent.bytes = pdu.encode_sized().expect("it has a length");
        self
    }

    /// With the bytes of a PDU of the first connection changed.
    pub(crate) fn with_bytes(mut self, at: usize, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        change(&mut self.connections[0].pdus[at].bytes);
        self
    }

    /// With a PDU in front of that place of the first connection; its frag_length is what its bytes are.
    pub(crate) fn insert(self, at: usize, direction: Direction, pdu: Pdu<'_>) -> Self {
        self.insert_bytes(at, direction, pdu.encode_sized().expect("it has a length"))
    }

    /// With bytes in front of that place of the first connection.
    pub(crate) fn insert_bytes(mut self, at: usize, direction: Direction, bytes: Vec<u8>) -> Self {
        let pdus = &mut self.connections[0].pdus;
        let neighbour = at.checked_sub(1).map_or(pdus.first(), |before| pdus.get(before));
        let time = neighbour.map_or(BEGINNING, |sent| sent.time);
        pdus.insert(at, Sent { time, direction, bytes });
        self
    }

    /// Without a PDU of the first connection.
    pub(crate) fn without(mut self, at: usize) -> Self {
        self.connections[0].pdus.remove(at);
        self
    }

    /// With a PDU of the first connection at another place, and as late as what is there.
    pub(crate) fn moved(self, from: usize, to: usize) -> Self {
        let Sent { direction, bytes, .. } = self.connections[0].pdus[from].clone();
        self.without(from).insert_bytes(to, direction, bytes)
    }

    /// With a request or response of the first connection in fragments: its stub is cut at these places.
    pub(crate) fn fragmented(mut self, at: usize, cuts: &[usize]) -> Self {
        let Sent { direction, bytes, .. } = self.connections[0].pdus[at].clone();
        let whole = Pdu::parse(&bytes).expect("it is a whole PDU");
        let stub = match &whole.body {
            Body::Request(request) => request.stub,
            Body::Response(response) => response.stub,
            _ => panic!("it has no stub"),
        };
        let ends: Vec<usize> = cuts.iter().copied().chain([stub.len()]).collect();
        self = self.without(at);
        let mut begin = 0;
        for (place, end) in ends.iter().copied().enumerate() {
            let mut fragment = whole.clone();
            let flags = &mut fragment.header.flags;
            flags.0 &= !(PfcFlags::FIRST.0 | PfcFlags::LAST.0);
            if place == 0 {
                flags.0 |= PfcFlags::FIRST.0;
            }
            if place + 1 == ends.len() {
                flags.0 |= PfcFlags::LAST.0;
            }
            match &mut fragment.body {
                Body::Request(request) => request.stub = &stub[begin..end],
                Body::Response(response) => response.stub = &stub[begin..end],
                _ => {}
            }
            self = self.insert(at + place, direction, fragment);
            begin = end;
        }
        self
    }

    /// With all that the client of [`Self::base`] sends in big-endian, the counts of its stubs as well.
    pub(crate) fn big_endian(mut self) -> Self {
        for at in [0, 2, 4, 6, 8] {
            self = self.with(at, |pdu| {
                pdu.header.drep = DataRepresentation::BIG_ENDIAN;
                if let Body::Request(request) = &mut pdu.body {
                    let ndr = if at == 4 { Ndr::Ndr32 } else { Ndr::Ndr64 };
                    let stub = RequestStub::parse(request.stub, ndr, Endianness::Little);
                    // Examples are few, and live as long as the test.
                    request.stub = stub.expect("it has counts").encode(Endianness::Big).leak();
                }
            });
        }
        self
    }

    /// With no more PDUs of the first connection than so many.
    pub(crate) fn cut_to(mut self, pdus: usize) -> Self {
        self.connections[0].pdus.truncate(pdus);
        self
    }

    /// With a server that ends the first connection.
    pub(crate) fn closed_by_server(mut self) -> Self {
        self.connections[0].closed_by = Direction::ToClient;
        self
    }

    /// As a file.
    pub(crate) fn file(&self) -> Vec<u8> {
        let dialogues: Vec<Dialogue> = self.connections.iter().map(Connection::dialogue).collect();
        let mut file = Vec::new();
        Dialogue::write(&dialogues, &mut file, "an example of a rule").expect("memory takes it");
        file
    }
}

impl Connection {
    fn dialogue(&self) -> Dialogue {
        let first = self.pdus.first().map_or(0, |sent| sent.time);
        let mut dialogue = Dialogue::new(self.client, self.server, first);
        for sent in &self.pdus {
            dialogue.send(sent.direction, sent.time, &sent.bytes);
        }
        let last = self.pdus.last().map_or(0, |sent| sent.time) + 1_000_000;
        dialogue.close(self.closed_by, last);
        dialogue.close(self.closed_by.opposite(), last);
        dialogue
    }
}

/// A PDU with this body, whole and little-endian.
pub(crate) fn pdu<'a>(ptype: PduType, call_id: u32, body: Body<'a>) -> Pdu<'a> {
    Pdu { header: Header::new(ptype, call_id), body, rest: &[], auth: None }
}

/// The time of what is made of nothing.
const BEGINNING: u64 = 1_700_000_000_000_000_000;

#[derive(Default)]
struct Reader {
    connections: Vec<ConnectionRecord>,
    pdus: Vec<(u64, Sent)>,
}

impl Observer for Reader {
    fn pdu(&mut self, pdu: &PduRecord<'_>) {
        let PduContent::Whole { bytes, .. } = pdu.content else { return };
        let time = pdu.last.time.and_then(|time| u64::try_from(time).ok()).unwrap_or_default();
        self.pdus.push((pdu.stream, Sent { time, direction: pdu.direction, bytes: bytes.to_vec() }));
    }

    fn connection(&mut self, connection: &ConnectionRecord) {
        self.connections.push(connection.clone());
    }
}
