use std::collections::VecDeque;
use std::fmt;

use crate::kms::{Moment, Ndr, Refusal, Reply, RequestStub, Responder, ResponseStub};
use crate::peer::line::take_pdu;
use crate::peer::{Received, Session, Settings};
use crate::rpc::{
    Association, Body, Header, Outcome, Pdu, PduType, PfcFlags, TransferSyntax, fault_status_name,
};
use crate::wire::{FileTime, Random};

/// What a right host would do about the bytes of a connection: what the host under test is held against.
#[derive(Debug)]
pub(super) struct Right {
    session: Session,
    random: Random,
    waiting: Vec<u8>,
    is_closed: bool,
    /// As the right host has accepted them.
    association: Association,
    /// PDUs other than requests have come, or a call is not whole.
    pub(super) is_plain: bool,
    is_open: bool,
}

/// An answer, as far as it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Heard {
    /// bind_ack or alter_context_resp.
    Ack,
    /// bind_nak, with its reason.
    Nak(u16),
    /// A response with data, and HRESULT 0.
    Activation,
    /// A response with another HRESULT.
    Refusal(u32),
    /// fault, with its status.
    Fault(u32),
    /// A PDU that is none of these.
    Other(PduType),
}

/// An answer that a right host gives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    /// The PDU that it answers.
    pub(super) to: PduType,
    /// The place of that among the units.
    pub(super) unit: usize,
    /// The context that it is about.
    pub(super) context: Option<u16>,
    /// How that context's stubs are marshalled by then, where it was accepted.
    pub(super) ndr: Option<Ndr>,
    pub(super) heard: Heard,
}

/// The contexts of a connection as a host has answered for them: what it says next may be about what was so before the
/// client proposed others, so that these count only once they are answered.
#[derive(Debug, Default)]
pub(super) struct Contexts {
    answered: Association,
    /// binds and alter_contexts that were not answered, with their call_id.
    proposed: VecDeque<(u32, Vec<u8>)>,
}

/// Proposals that wait for their answer.
const MAX_PROPOSED: usize = 64;

impl Right {
    pub(super) fn new(settings: &Settings, random: Random) -> Self {
        Self {
            session: Session::new(settings),
            random,
            waiting: Vec::new(),
            is_closed: false,
            association: Association::default(),
            is_plain: true,
            is_open: false,
        }
    }

    /// True once it has ended the connection.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// True where no bytes and no fragments wait for others, and the connection is bound as it was.
    pub(super) fn is_at_rest(&self) -> bool {
        self.is_plain && !self.is_open && !self.is_closed && self.waiting.is_empty()
    }

    /// Takes the bytes of a unit; `tell` hears each PDU of the answers with what it answers.
    pub(super) fn take(
        &mut self,
        unit: usize,
        bytes: &[u8],
        now: FileTime,
        mut tell: impl FnMut(Option<Due>, &[u8]),
    ) {
        self.waiting.extend_from_slice(bytes);
        while !self.is_closed
            && let Some(Received::Pdu(pdu) | Received::NotRpc(pdu)) = take_pdu(&mut self.waiting)
        {
            let moment = Moment { now, random: self.random.bytes() };
            let answer = self.session.take(&pdu, &moment);
            self.is_closed = answer.closes;
            let header = Header::parse(&pdu).ok();
            let asked = Pdu::parse(&pdu).ok();
            let context = match asked.as_ref().map(|pdu| &pdu.body) {
                Some(Body::Bind(bind) | Body::AlterContext(bind)) => {
                    self.association.bind(header.map_or(0, |header| header.call_id), bind);
                    None
                }
                Some(Body::Request(request)) => Some(request.context_id),
                _ => None,
            };
            let to = header.map_or(PduType(u8::MAX), |header| header.ptype);
            match header {
                Some(header) if header.ptype == PduType::REQUEST => {
                    self.is_open = !header.flags.has(PfcFlags::LAST);
                }
                _ => self.is_plain = false,
            }
            for pdu in &answer.pdus {
                let heard = hear(pdu, &mut self.association);
                let ndr = context.and_then(|id| ndr_of(&self.association, id));
                tell(heard.map(|heard| Due { to, unit, context, ndr, heard }), pdu);
            }
        }
    }

    /// The bind that cases of a bound connection begin with was taken: it does not count.
    pub(super) fn settle(&mut self) {
        self.is_plain = true;
    }
}

impl Contexts {
    /// Takes note of what a bind or an alter_context proposes.
    pub(super) fn propose(&mut self, bytes: &[u8]) {
        let Ok((pdu, _)) = Pdu::parse_lax(bytes) else { return };
        if matches!(pdu.body, Body::Bind(_) | Body::AlterContext(_)) {
            if self.proposed.len() == MAX_PROPOSED {
                self.proposed.pop_front();
            }
            self.proposed.push_back((pdu.header.call_id, bytes.to_vec()));
        }
    }

    /// What a PDU of the host says, as [`hear`].
    pub(super) fn hear(&mut self, bytes: &[u8]) -> Option<Heard> {
        let header = Header::parse(bytes).ok();
        let answers = [PduType::BIND_ACK, PduType::BIND_NAK, PduType::ALTER_CONTEXT_RESP];
        if let Some(header) = header.filter(|header| answers.contains(&header.ptype)) {
            let place = self.proposed.iter().position(|(call_id, _)| *call_id == header.call_id).unwrap_or(0);
            // Those in front of it were passed over.
            let passed = self.proposed.len().min(place + 1);
            if let Some((call_id, bytes)) = self.proposed.drain(..passed).next_back()
                && let Ok((pdu, _)) = Pdu::parse_lax(&bytes)
            {
                match &pdu.body {
                    Body::Bind(bind) => self.answered.bind(call_id, bind),
                    Body::AlterContext(alter) => self.answered.alter_context(call_id, alter),
                    _ => {}
                }
            }
        }
        hear(bytes, &mut self.answered)
    }

    /// How the stubs of a context are marshalled, where it was accepted.
    pub(super) fn ndr(&self, context: u16) -> Option<Ndr> {
        ndr_of(&self.answered, context)
    }

    /// The contexts that are accepted now.
    pub(super) fn accepted(&self) -> impl Iterator<Item = u16> {
        let contexts = self.answered.contexts().iter();
        contexts.filter(|context| matches!(context.outcome, Outcome::Accepted(_))).map(|context| context.id)
    }
}

/// What a PDU of a host says; `None` for a fragment that is not the last of its response.
fn hear(bytes: &[u8], association: &mut Association) -> Option<Heard> {
    let Ok((pdu, _)) = Pdu::parse_lax(bytes) else { return Some(Heard::Other(PduType(u8::MAX))) };
    let call_id = pdu.header.call_id;
    Some(match &pdu.body {
        Body::BindAck(ack) | Body::AlterContextResp(ack) => {
            association.answer(call_id, ack);
            Heard::Ack
        }
        Body::BindNak(nak) => {
            association.refuse(call_id);
            Heard::Nak(nak.reject_reason)
        }
        Body::Fault(fault) => Heard::Fault(fault.status),
        Body::Response(_) if !pdu.header.flags.has(PfcFlags::LAST) => return None,
        Body::Response(response) => {
            let ndr = ndr_of(association, response.context_id).unwrap_or(Ndr::Ndr32);
            match ResponseStub::parse(response.stub, ndr, pdu.header.drep.endianness()) {
                Ok(ResponseStub { hresult: Some(0), max_count: Some(_), .. }) => Heard::Activation,
                Ok(ResponseStub { hresult: Some(hresult), .. }) => Heard::Refusal(hresult),
                // The last fragment of several, say: the rules look into it.
                _ => Heard::Other(PduType::RESPONSE),
            }
        }
        _ => Heard::Other(pdu.header.ptype),
    })
}

/// How the stubs of a context are marshalled, where it was accepted.
fn ndr_of(association: &Association, context: u16) -> Option<Ndr> {
    match association.context(context)?.outcome {
        Outcome::Accepted(TransferSyntax::Ndr32) => Some(Ndr::Ndr32),
        Outcome::Accepted(TransferSyntax::Ndr64) => Some(Ndr::Ndr64),
        _ => None,
    }
}

/// Why a right host refuses the message of a whole request PDU, in a word of an id; `None` where it is not the message
/// that it refuses, or what it refuses is a matter of its policy.
pub(super) fn refusal_of(pdu: &[u8], ndr: Ndr, settings: &Settings, now: FileTime) -> Option<&'static str> {
    let pdu = Pdu::parse(pdu).ok()?;
    let Body::Request(request) = &pdu.body else { return None };
    if !pdu.header.flags.has(PfcFlags::FIRST | PfcFlags::LAST) {
        return None;
    }
    let endianness = pdu.header.drep.endianness();
    if !RequestStub::parse(request.stub, ndr, endianness).is_ok_and(|stub| stub.is_consistent()) {
        return None;
    }
    let mut responder = Responder::new(crate::kms::HostIdentity::TEST, settings.policy.clone());
    let moment = Moment { now, random: [0; 32] };
    match responder.respond(request.stub, ndr, endianness, &moment, &mut Vec::new()) {
        Reply::Answered => None,
        Reply::Refused(refusal) => match refusal {
            Refusal::Truncated(_) | Refusal::Length(..) => Some("LENGTH"),
            Refusal::Counts(..) => Some("COUNTS"),
            Refusal::Version(_) | Refusal::VersionMismatch(..) => Some("VERSION"),
            Refusal::Mac => Some("MAC"),
            Refusal::Padding(_) => Some("PADDING"),
            Refusal::Product(_) | Refusal::ClockSkew(_) => None,
        },
    }
}

impl Heard {
    /// In a word of an id.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Ack => "ACK",
            Self::Nak(_) => "NAK",
            Self::Activation => "ACTIVATION",
            Self::Refusal(_) => "REFUSAL",
            Self::Fault(_) => "FAULT",
            Self::Other(_) => "OTHER",
        }
    }

    /// As a number: equal for what is alike.
    pub(super) fn number(self) -> u64 {
        match self {
            Self::Ack => 1,
            Self::Nak(reason) => 2 << 32 | u64::from(reason),
            Self::Activation => 3,
            Self::Refusal(hresult) => 4 << 32 | u64::from(hresult),
            Self::Fault(status) => 5 << 32 | u64::from(status),
            Self::Other(ptype) => 6 << 32 | u64::from(ptype.0),
        }
    }
}

/// As it stands behind "answers with".
impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ack => f.write_str("an acknowledgement"),
            Self::Nak(reason) => write!(f, "a bind_nak ({reason})"),
            Self::Activation => f.write_str("an activation"),
            Self::Refusal(hresult) => write!(f, "HRESULT 0x{hresult:08x}"),
            Self::Fault(status) => {
                write!(
                    f,
                    "a fault {} (0x{status:08x})",
                    fault_status_name(*status).unwrap_or("of another name")
                )
            }
            Self::Other(ptype) => write!(f, "a {ptype}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::host_test::Offer;
    use crate::rpc::Response;
    use crate::wire::Endianness;

    #[test]
    fn an_answer_is_about_the_contexts_that_were_answered_by_then() {
        let settings = Settings::default();
        let mut right = Right::new(&settings, Random::new(0, "test"));
        let mut contexts = Contexts::default();
        let now = FileTime(0);
        let bind = |ndr| Offer::only(ndr).pdu(PduType::BIND, 1).unwrap();
        contexts.propose(&bind(Ndr::Ndr64));
        right
            .take(0, &bind(Ndr::Ndr64), now, |_, answer| assert_eq!(contexts.hear(answer), Some(Heard::Ack)));
        // Another bind is on its way when the answer to a call comes.
        contexts.propose(&bind(Ndr::Ndr32));
        let stub = ResponseStub::refusal(0xc004_f042, Ndr::Ndr64).encode(Endianness::Little);
        let response = Response { alloc_hint: 0, context_id: 0, cancel_count: 0, reserved: 0, stub: &stub };
        let header = Header::new(PduType::RESPONSE, 2);
        let response = Pdu { header, body: Body::Response(response), rest: &[], auth: None };
        let response = response.encode_sized().unwrap();
        assert_eq!(contexts.hear(&response), Some(Heard::Refusal(0xc004_f042)));
        assert_eq!(contexts.ndr(0), Some(Ndr::Ndr64));
        assert_eq!(contexts.accepted().collect::<Vec<_>>(), [0]);
    }
}
