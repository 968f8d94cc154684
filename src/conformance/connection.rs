use std::cell::OnceCell;
use std::collections::VecDeque;

use crate::capture::{Direction, Stamp};
use crate::kms::{RequestBody, RequestMessage, ResponseBody, ResponseMessage};
use crate::rpc::{
    Association, Bind, BindAck, BindNak, Body, Fault, Header, Pdu, PduType, PfcFlags, Request, Response,
};
use crate::trace::{
    Answer, ConnectionRecord, Exchange, PduContent, PduRecord, RequestRecord, ResponseRecord,
};
use crate::wire::{Endianness, Epid, Error, Side};

/// What a rule about a PDU sees: the PDU, and what came before it on its connection.
#[derive(Debug)]
pub struct PduScene<'a> {
    /// The PDU's place, or what stands in its place.
    pub record: &'a PduRecord<'a>,
    /// The connection up to this PDU, which is not in it yet.
    pub connection: &'a Connection,
}

/// What a rule about a call sees.
#[derive(Debug)]
pub struct ExchangeScene<'a> {
    /// The call.
    pub exchange: &'a Exchange,
    /// The connection up to the PDU that ended the call.
    pub connection: &'a Connection,
    /// The ePID's parts, once somebody has asked for them.
    epid: OnceCell<Option<Epid>>,
}

/// What a rule about a connection sees.
#[derive(Debug)]
pub struct ConnectionScene<'a> {
    /// The connection.
    pub record: &'a ConnectionRecord,
    /// What was kept of its PDUs.
    pub connection: &'a Connection,
}

/// What is kept of a connection for the rules, PDU by PDU.
#[derive(Debug, Default)]
pub struct Connection {
    /// Its presentation contexts.
    pub association: Association,
    /// True where bytes are missing from the capture, or its beginning is: what was not seen may have been there.
    pub has_gaps: bool,
    /// PDUs of the client and of the server, so far.
    pub pdus: [u64; 2],
    /// What the first bind says.
    pub bind: Option<Offer>,
    /// What its bind_ack says.
    pub bind_ack: Option<Offer>,
    /// The last PDU of the client and of the server.
    pub last: [Option<Last>; 2],
    /// The type of the client's first PDU.
    pub first_type: Option<PduType>,
    /// The binds and alter_contexts that were not answered yet, the oldest first.
    pub proposals: VecDeque<Proposal>,
    /// The calls that were not answered to their end yet, the oldest first.
    pub calls: VecDeque<Call>,
    /// The call_id of the last request that began.
    pub last_call_id: Option<u32>,
    /// True once a bind_ack and its bind both have PFC_CONC_MPX.
    pub is_multiplexed: bool,
    /// True once a bind or an alter_context has brought authentication.
    pub is_authenticated: bool,
    /// co_cancel PDUs so far.
    pub cancels: u64,
    /// status of the last fault.
    pub last_fault: Option<u32>,
    /// Number that the secondary address of the first bind_ack is.
    pub secondary_port: Option<u16>,
    /// True once something was not kept: a damaged PDU, bytes that are none, or more than the bounds hold.
    pub is_lossy: bool,
}

/// A bind or an alter_context that waits for its answer.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// bind or alter_context.
    pub ptype: PduType,
    /// pfc_flags.
    pub flags: PfcFlags,
    /// call_id.
    pub call_id: u32,
    /// What it says.
    pub bind: Bind,
}

/// A call that waits for its answer, or for the rest of it.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// call_id.
    pub call_id: u32,
    /// What the first fragment of its request says.
    pub request: Fragment,
    /// True once the last fragment of its request was sent.
    pub is_asked: bool,
    /// The packet with the last byte of its request, so far.
    pub asked: Stamp,
    /// What the first fragment of its response says.
    pub response: Option<Fragment>,
    /// True where it was answered to the end before its request was whole.
    pub is_answered: bool,
}

/// What all fragments of a request, or of a response, have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// p_cont_id.
    pub context_id: u16,
    /// opnum; 0 in a response, which has none.
    pub opnum: u16,
    /// The byte order of its drep.
    pub endianness: Endianness,
}

/// The fragment sizes and the group of a bind or a bind_ack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// call_id.
    pub call_id: u32,
    /// max_xmit_frag.
    pub max_xmit_frag: u16,
    /// max_recv_frag.
    pub max_recv_frag: u16,
    /// assoc_group_id.
    pub assoc_group_id: u32,
    /// Elements that the PDU holds.
    pub elements: usize,
}

/// A PDU that came before.
#[derive(Clone, Copy, Debug)]
pub struct Last {
    /// Its header.
    pub header: Header,
    /// The packet with its last byte.
    pub stamp: Stamp,
}

/// Units of the longest ePID.
const EPID_UNITS: usize = 64;

impl<'a> PduScene<'a> {
    /// The PDU and its bytes, where it is whole and nothing in it stopped reading.
    #[must_use]
    pub fn whole(&self) -> Option<(&'a Pdu<'a>, &'a [u8])> {
        match self.record.content {
            PduContent::Whole { pdu, bytes, error: None } => Some((pdu, bytes)),
            _ => None,
        }
    }

    /// The PDU as far as it could be read, its bytes, and what stopped reading.
    #[must_use]
    pub fn lax(&self) -> Option<(&'a Pdu<'a>, &'a [u8], Option<&'a Error>)> {
        match self.record.content {
            PduContent::Whole { pdu, bytes, error } => Some((pdu, bytes, error)),
            _ => None,
        }
    }

    /// True where the client sent it.
    #[must_use]
    pub fn is_from_client(&self) -> bool {
        self.record.direction == Direction::ToServer
    }

    /// The common header.
    #[must_use]
    pub fn header(&self) -> Option<&'a Header> {
        self.lax().map(|(pdu, ..)| &pdu.header)
    }

    /// The PDU, where it is whole and its type is one that its side sends.
    fn sound(&self) -> Option<&'a Pdu<'a>> {
        let (pdu, _) = self.whole()?;
        (sender(pdu.header.ptype) == Some(self.record.direction.into())).then_some(pdu)
    }

    /// A client's bind or alter_context.
    #[must_use]
    pub fn bind(&self) -> Option<(&'a Header, &'a Bind)> {
        let pdu = self.sound()?;
        match &pdu.body {
            Body::Bind(bind) | Body::AlterContext(bind) => Some((&pdu.header, bind)),
            _ => None,
        }
    }

    /// A server's bind_ack or alter_context_resp.
    #[must_use]
    pub fn ack(&self) -> Option<(&'a Header, &'a BindAck<'a>)> {
        let pdu = self.sound()?;
        match &pdu.body {
            Body::BindAck(ack) | Body::AlterContextResp(ack) => Some((&pdu.header, ack)),
            _ => None,
        }
    }

    /// The bind or alter_context that a server's bind_ack, alter_context_resp or bind_nak answers.
    #[must_use]
    pub fn proposal(&self) -> Option<&'a Proposal> {
        let pdu = self.sound()?;
        match &pdu.body {
            Body::BindAck(_) | Body::AlterContextResp(_) | Body::BindNak(_) => {
                self.connection.proposals.get(self.connection.proposal_of(pdu.header.call_id))
            }
            _ => None,
        }
    }

    /// A server's bind_nak.
    #[must_use]
    pub fn nak(&self) -> Option<&'a BindNak> {
        match &self.sound()?.body {
            Body::BindNak(nak) => Some(nak),
            _ => None,
        }
    }

    /// A client's request.
    #[must_use]
    pub fn request(&self) -> Option<(&'a Header, &'a Request<'a>)> {
        let pdu = self.sound()?;
        match &pdu.body {
            Body::Request(request) => Some((&pdu.header, request)),
            _ => None,
        }
    }

    /// A server's response.
    #[must_use]
    pub fn response(&self) -> Option<(&'a Header, &'a Response<'a>)> {
        let pdu = self.sound()?;
        match &pdu.body {
            Body::Response(response) => Some((&pdu.header, response)),
            _ => None,
        }
    }

    /// A server's fault.
    #[must_use]
    pub fn fault(&self) -> Option<(&'a Header, &'a Fault<'a>)> {
        let pdu = self.sound()?;
        match &pdu.body {
            Body::Fault(fault) => Some((&pdu.header, fault)),
            _ => None,
        }
    }
}

impl ConnectionScene<'_> {
    /// The side that ended the connection first, by a FIN or a reset, and the number of that packet.
    #[must_use]
    pub fn closed_by(&self) -> Option<(Side, u64)> {
        let flow = &self.record.flow;
        let fins = [Direction::ToServer, Direction::ToClient]
            .into_iter()
            .filter_map(|direction| flow.fin[direction as usize].map(|stamp| (stamp.frame, direction)));
        let resets = flow.reset.iter().map(|(direction, stamp)| (stamp.frame, *direction));
        fins.chain(resets).min_by_key(|(frame, _)| *frame).map(|(frame, direction)| (direction.into(), frame))
    }
}

/// Binds and alter_contexts of a connection without an answer that are kept.
pub(crate) const MAX_PROPOSALS: usize = 16;
/// Calls of a connection without an answer that are kept.
pub(crate) const MAX_CALLS: usize = 64;

impl<'a> ExchangeScene<'a> {
    pub(super) fn new(exchange: &'a Exchange, connection: &'a Connection) -> Self {
        Self { exchange, connection, epid: OnceCell::new() }
    }

    /// The parts of the response's ePID, where it has all of them.
    #[must_use]
    pub fn epid(&self) -> Option<Epid> {
        *self.epid.get_or_init(|| {
            let mut text = [0; EPID_UNITS];
            let units =
                self.answered_body()?.epid.as_chunks::<2>().0.iter().take_while(|unit| **unit != [0; 2]);
            let mut length = 0;
            for unit in units {
                let ascii = char::from_u32(u16::from_le_bytes(*unit).into()).filter(char::is_ascii)?;
                *text.get_mut(length)? = u8::try_from(ascii).ok()?;
                length += 1;
            }
            Epid::parse(std::str::from_utf8(&text[..length]).ok()?).ok()
        })
    }

    /// The request, where all of it was seen.
    #[must_use]
    pub fn request(&self) -> Option<&'a RequestRecord> {
        let request = self.exchange.request.as_deref()?;
        let is_whole = request.span.complete && request.stub.as_ref().is_some_and(|stub| stub.missing == 0);
        is_whole.then_some(request)
    }

    /// The request's message, where all of it was seen, and its stub is of the transfer syntax that it was read in: in
    /// another one, what seems to be the message are its counts.
    #[must_use]
    pub fn asked(&self) -> Option<&'a RequestMessage> {
        self.request().filter(|request| request.fits.is_none())?.message.as_ref()
    }

    /// The request's body, where its envelope could be opened.
    #[must_use]
    pub fn asked_body(&self) -> Option<&'a RequestBody> {
        self.asked()?.body()
    }

    /// What the server answered; a client's own response or fault, which only servers send, is none.
    #[must_use]
    pub fn answer(&self) -> Option<&'a Answer> {
        let is_servers = self.exchange.answer_span()?.direction == Direction::ToClient;
        self.exchange.answer.as_ref().filter(|_| is_servers)
    }

    /// The response, where all of it was seen.
    #[must_use]
    pub fn response(&self) -> Option<&'a ResponseRecord> {
        let Some(Answer::Response(response)) = self.answer() else { return None };
        let is_whole = response.span.complete && response.stub.as_ref().is_some_and(|stub| stub.missing == 0);
        is_whole.then_some(response)
    }

    /// The response's message, where all of it was seen.
    #[must_use]
    pub fn answered(&self) -> Option<&'a ResponseMessage> {
        self.response()?.message.as_ref()
    }

    /// The response's body, where its envelope could be opened.
    #[must_use]
    pub fn answered_body(&self) -> Option<&'a ResponseBody> {
        self.answered()?.body()
    }

    /// The response's HRESULT.
    #[must_use]
    pub fn hresult(&self) -> Option<u32> {
        self.response()?.stub.as_ref()?.hresult
    }
}

impl Connection {
    /// True where all of the connection that the rules need was seen, from its bind on.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.has_gaps && !self.is_lossy && self.association.is_known_from_its_bind()
    }

    /// The open call of this call_id: for a request the one whose request is not whole, else the oldest.
    #[must_use]
    pub fn call(&self, call_id: u32, is_request: bool) -> Option<&Call> {
        self.calls.get(self.call_of(call_id, is_request)?)
    }

    fn call_of(&self, call_id: u32, is_request: bool) -> Option<usize> {
        self.calls.iter().position(|call| call.call_id == call_id && !(is_request && call.is_asked))
    }

    /// As [`Association::answer`] has it: an answer under a call_id that is not known goes to the oldest.
    fn proposal_of(&self, call_id: u32) -> usize {
        self.proposals.iter().position(|proposal| proposal.call_id == call_id).unwrap_or(0)
    }

    /// Takes a PDU, behind the rules about it.
    pub(crate) fn take(&mut self, record: &PduRecord<'_>) {
        let PduContent::Whole { pdu, error: None, .. } = &record.content else {
            self.is_lossy = true;
            return;
        };
        let header = &pdu.header;
        let direction = record.direction as usize;
        self.pdus[direction] += 1;
        self.last[direction] = Some(Last { header: *header, stamp: record.last });
        if sender(header.ptype) != Some(record.direction.into()) {
            return;
        }
        if record.direction == Direction::ToServer {
            self.first_type.get_or_insert(header.ptype);
        }
        let call_id = header.call_id;
        match &pdu.body {
            Body::Bind(bind) => {
                self.association.bind(call_id, bind);
                self.bind.get_or_insert(Offer {
                    call_id,
                    max_xmit_frag: bind.max_xmit_frag,
                    max_recv_frag: bind.max_recv_frag,
                    assoc_group_id: bind.assoc_group_id,
                    elements: bind.contexts.len(),
                });
                self.propose(pdu, bind);
            }
            Body::AlterContext(alter) => {
                self.association.alter_context(call_id, alter);
                self.propose(pdu, alter);
            }
            Body::BindAck(ack) => {
                self.association.answer(call_id, ack);
                if self.bind_ack.is_none() {
                    self.secondary_port = secondary_port(ack);
                }
                self.bind_ack.get_or_insert(Offer {
                    call_id,
                    max_xmit_frag: ack.max_xmit_frag,
                    max_recv_frag: ack.max_recv_frag,
                    assoc_group_id: ack.assoc_group_id,
                    elements: ack.results.len(),
                });
                let proposal = self.proposals.remove(self.proposal_of(call_id));
                self.is_multiplexed |= header.flags.has(PfcFlags::CONC_MPX)
                    && proposal.is_some_and(|proposal| proposal.flags.has(PfcFlags::CONC_MPX));
            }
            Body::AlterContextResp(ack) => {
                self.association.answer(call_id, ack);
                self.proposals.remove(self.proposal_of(call_id));
            }
            Body::BindNak(_) => {
                self.association.refuse(call_id);
                self.proposals.remove(self.proposal_of(call_id));
            }
            Body::Request(request) => self.ask(header, request, record.last),
            Body::Response(response) => self.answer(header, response),
            Body::Fault(fault) => {
                self.last_fault = Some(fault.status);
                if let Some(call) = self.call_of(call_id, false) {
                    self.calls.remove(call);
                }
            }
            Body::CoCancel => self.cancels += 1,
            _ => {}
        }
    }

    fn propose(&mut self, pdu: &Pdu<'_>, bind: &Bind) {
        let Header { ptype, flags, call_id, .. } = pdu.header;
        self.is_authenticated |= pdu.auth.is_some();
        if self.proposals.len() == MAX_PROPOSALS {
            self.proposals.pop_front();
            self.is_lossy = true;
        }
        self.proposals.push_back(Proposal { ptype, flags, call_id, bind: bind.clone() });
    }

    fn ask(&mut self, header: &Header, request: &Request<'_>, stamp: Stamp) {
        let is_last = header.flags.has(PfcFlags::LAST);
        let open = if header.flags.has(PfcFlags::FIRST) { None } else { self.call_of(header.call_id, true) };
        if let Some(open) = open {
            let call = &mut self.calls[open];
            (call.is_asked, call.asked) = (is_last, stamp);
            if is_last && call.is_answered {
                self.calls.remove(open);
            }
            return;
        }
        if self.calls.len() == MAX_CALLS {
            self.calls.pop_front();
            self.is_lossy = true;
        }
        self.last_call_id = Some(header.call_id);
        self.calls.push_back(Call {
            call_id: header.call_id,
            request: Fragment {
                context_id: request.context_id,
                opnum: request.opnum,
                endianness: header.drep.endianness(),
            },
            is_asked: is_last,
            asked: stamp,
            response: None,
            is_answered: false,
        });
    }

    fn answer(&mut self, header: &Header, response: &Response<'_>) {
        let Some(open) = self.call_of(header.call_id, false) else { return };
        let call = &mut self.calls[open];
        if !header.flags.has(PfcFlags::LAST) {
            call.response.get_or_insert(Fragment {
                context_id: response.context_id,
                opnum: 0,
                endianness: header.drep.endianness(),
            });
        } else if call.is_asked {
            self.calls.remove(open);
        } else {
            (call.response, call.is_answered) = (None, true);
        }
    }
}

/// The side that sends PDUs of this type; `None` for a type that is not connection-oriented.
pub(super) fn sender(ptype: PduType) -> Option<Side> {
    Some(match ptype {
        PduType::REQUEST
        | PduType::BIND
        | PduType::ALTER_CONTEXT
        | PduType::AUTH3
        | PduType::CO_CANCEL
        | PduType::ORPHANED => Side::Client,
        PduType::RESPONSE
        | PduType::FAULT
        | PduType::BIND_ACK
        | PduType::BIND_NAK
        | PduType::ALTER_CONTEXT_RESP
        | PduType::SHUTDOWN => Side::Server,
        _ => return None,
    })
}

/// The number that the secondary address is, NUL-terminated.
fn secondary_port(ack: &BindAck<'_>) -> Option<u16> {
    let digits = ack.secondary_address.strip_suffix(&[0])?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a PDU of the client.
    fn take(connection: &mut Connection, ptype: PduType, call_id: u32, body: Body<'_>, flags: PfcFlags) {
        let header = Header { flags, ..Header::new(ptype, call_id) };
        let pdu = Pdu { header, body, rest: &[], auth: None };
        let direction =
            if sender(ptype) == Some(Side::Client) { Direction::ToServer } else { Direction::ToClient };
        let stamp = Stamp { frame: 1, time: None };
        let content = PduContent::Whole { pdu: &pdu, bytes: &[], error: None };
        connection.take(&PduRecord { stream: 0, direction, offset: 0, first: stamp, last: stamp, content });
    }

    fn request(connection: &mut Connection, call_id: u32, flags: PfcFlags) {
        let request = Request { alloc_hint: 0, context_id: 0, opnum: 0, object: None, stub: &[] };
        take(connection, PduType::REQUEST, call_id, Body::Request(request), flags);
    }

    #[test]
    fn what_is_asked_without_end_is_bounded_and_known_to_be_lost() {
        let mut connection = Connection::default();
        for call_id in 0..1000 {
            take(&mut connection, PduType::BIND, call_id, Body::Bind(Bind::default()), PfcFlags::FIRST);
            request(&mut connection, call_id, PfcFlags::FIRST);
        }
        assert_eq!((connection.proposals.len(), connection.calls.len()), (MAX_PROPOSALS, MAX_CALLS));
        assert!(!connection.is_whole());
    }

    #[test]
    fn a_call_that_is_answered_early_ends_with_its_request() {
        let mut connection = Connection::default();
        request(&mut connection, 2, PfcFlags::FIRST);
        let response = Response { alloc_hint: 0, context_id: 0, cancel_count: 0, reserved: 0, stub: &[] };
        let flags = PfcFlags::FIRST | PfcFlags::LAST;
        take(&mut connection, PduType::RESPONSE, 2, Body::Response(response), flags);
        assert!(connection.call(2, true).is_some());
        request(&mut connection, 2, PfcFlags::LAST);
        assert!(connection.calls.is_empty());
    }

    #[test]
    fn a_pdu_of_the_wrong_side_changes_nothing() {
        let mut connection = Connection::default();
        let pdu = Pdu {
            header: Header::new(PduType::BIND, 1),
            body: Body::Bind(Bind::default()),
            rest: &[],
            auth: None,
        };
        let stamp = Stamp { frame: 1, time: None };
        let content = PduContent::Whole { pdu: &pdu, bytes: &[], error: None };
        let direction = Direction::ToClient;
        connection.take(&PduRecord { stream: 0, direction, offset: 0, first: stamp, last: stamp, content });
        assert!(connection.proposals.is_empty() && connection.first_type.is_none());
    }
}
