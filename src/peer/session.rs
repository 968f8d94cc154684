use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::catalog;
use crate::kms::{HostIdentity, Moment, Ndr, Policy, RequestStub, Responder};
use crate::rpc::{
    Association, Bind, BindAck, BindNak, Body, Fault, HEADER_LEN, Header, Outcome, Pdu, PduType, PfcFlags,
    PresentationContext, Request, Response, ResultElement, SyntaxId, TransferSyntax,
};

/// A right host's side of one connection, without its socket, clock and randomness: a PDU in, PDUs out.
///
/// It negotiates as a genuine host does: NDR64 where it is proposed, and NDR32 refused then; fragments of at most
/// [`Self::MAX_FRAGMENT`] bytes; interfaces, operations and contexts that it does not have are refused in the words of C706
/// and MS-RPCE. Its identity is [`HostIdentity::TEST`].
///
/// ```
/// use volact::kms::Moment;
/// use volact::peer::{Session, Settings};
/// use volact::rpc::{Body, Pdu};
/// use volact::wire::FileTime;
///
/// let mut session = Session::new(&Settings::default());
/// let moment = Moment { now: FileTime(134_397_673_530_000_000), random: [7; 32] };
/// let shutdown = [5, 0, 17, 3, 0x10, 0, 0, 0, 16, 0, 0, 0, 7, 0, 0, 0]; // nothing that a client may send
/// let answer = session.take(&shutdown, &moment);
/// assert!(answer.closes);
/// assert!(matches!(Pdu::parse(&answer.pdus[0])?.body, Body::Fault(fault) if fault.status == 0x1c01_000b));
/// # Ok::<(), volact::wire::Error>(())
/// ```
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    responder: Responder,
    association: Association,
    /// The association group, once there is one.
    group: Option<u32>,
    /// Bytes of a fragment at most.
    fragment: u16,
    /// The call whose last fragment has not come.
    call: Option<Call>,
}

/// How a host is set up; the default is a host that does all that is right, with a key for every product of
/// [`crate::catalog`].
#[derive(Clone, Debug)]
pub struct Settings {
    /// What it answers and refuses.
    pub policy: Policy,
    /// True where it takes NDR64, as hosts from build 9200 on do.
    pub takes_ndr64: bool,
    /// Its port, which is the secondary address of a bind_ack.
    pub port: u16,
    /// The association groups of all its connections.
    pub groups: Groups,
}

/// The association groups of a host: each is there as long as one of its connections is (C706 12.6.3.1).
#[derive(Clone, Debug, Default)]
pub struct Groups(Arc<Mutex<BTreeMap<u32, usize>>>);

/// What a host does about a PDU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// What it sends, each a PDU.
    pub pdus: Vec<Vec<u8>>,
    /// True where it then ends the connection.
    pub closes: bool,
}

/// The fragments of a call that have come.
#[derive(Debug)]
struct Call {
    call_id: u32,
    context_id: u16,
    opnum: u16,
    stub: Vec<u8>,
}

/// Bytes of a call's stub at most.
const MAX_STUB: usize = 64 << 10;

const NCA_S_OP_RNG_ERROR: u32 = 0x1c01_0002;
const NCA_S_UNK_IF: u32 = 0x1c01_0003;
const NCA_S_PROTO_ERROR: u32 = 0x1c01_000b;
const NCA_S_FAULT_NDR: u32 = 0x0000_06f7;

/// provider_rejection and its reasons (C706 12.6.3.1).
const PROVIDER_REJECTION: u16 = 2;
const ABSTRACT_SYNTAX_NOT_SUPPORTED: u16 = 1;
const TRANSFER_SYNTAXES_NOT_SUPPORTED: u16 = 2;

/// Reject reasons of a bind_nak (C706 12.6.4.5, MS-RPCE 2.2.2.5).
const NOT_SPECIFIED: u16 = 0;
const PROTOCOL_VERSION_NOT_SUPPORTED: u16 = 4;
const AUTHENTICATION_TYPE_NOT_RECOGNIZED: u16 = 8;

impl Default for Settings {
    fn default() -> Self {
        let products = catalog::product::kms_ids().map(|product| product.guid).collect();
        let policy = Policy { products: Some(products), ..Policy::default() };
        Self { policy, takes_ndr64: true, port: 1688, groups: Groups::default() }
    }
}

impl Session {
    /// The largest fragment that is sent and taken; what genuine hosts negotiate on TCP at most.
    pub const MAX_FRAGMENT: u16 = 5840;
    /// What a client's smaller offer is raised to.
    pub const MIN_FRAGMENT: u16 = 2048;

    /// A connection that was just opened.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self::with_responder(settings, Responder::new(HostIdentity::TEST, settings.policy.clone()))
    }

    /// As [`Self::new`], with what its answers are made with, which takes a while to set up.
    pub(crate) fn with_responder(settings: &Settings, responder: Responder) -> Self {
        Self {
            responder,
            settings: settings.clone(),
            association: Association::default(),
            group: None,
            fragment: Self::MAX_FRAGMENT,
            call: None,
        }
    }

    /// Takes a PDU, or what stands in its place. A bind takes its group from the moment's random bytes.
    pub fn take(&mut self, bytes: &[u8], moment: &Moment) -> Answer {
        if bytes.first().is_some_and(|&version| version != 5) {
            return Self::other_version(bytes);
        }
        let Ok(header) = Header::parse(bytes) else { return Answer::hang_up() };
        let Ok(pdu) = Pdu::parse(bytes) else { return Answer::protocol_error(header.call_id) };
        if header.frag_length > self.fragment {
            return Answer::protocol_error(header.call_id);
        }
        match &pdu.body {
            Body::Bind(bind) => self.bind(&pdu, bind, moment),
            Body::AlterContext(_) if self.group.is_none() => Answer::protocol_error(header.call_id),
            Body::AlterContext(alter) => self.alter_context(&header, alter),
            // Nobody here has authenticated.
            Body::Request(_) if self.group.is_none() || pdu.auth.is_some() => {
                Answer::protocol_error(header.call_id)
            }
            Body::Request(request) => self.request(&header, request, moment),
            Body::CoCancel => Answer::default(),
            Body::Orphaned => {
                if self.call.as_ref().is_some_and(|call| call.call_id == header.call_id) {
                    self.call = None;
                }
                Answer::default()
            }
            _ => Answer::protocol_error(header.call_id),
        }
    }

    /// A bind of another major version is told which versions there are; all else cannot be answered.
    fn other_version(bytes: &[u8]) -> Answer {
        if bytes.get(2) != Some(&PduType::BIND.0) || bytes.len() < HEADER_LEN {
            return Answer::hang_up();
        }
        Answer::nak(1, PROTOCOL_VERSION_NOT_SUPPORTED)
    }

    fn bind(&mut self, pdu: &Pdu<'_>, bind: &Bind, moment: &Moment) -> Answer {
        let call_id = pdu.header.call_id;
        if self.group.is_some() || bind.contexts.is_empty() {
            return Answer::nak(call_id, NOT_SPECIFIED);
        }
        if pdu.auth.is_some() {
            return Answer::nak(call_id, AUTHENTICATION_TYPE_NOT_RECOGNIZED);
        }
        let [a, b, c, d, ..] = moment.random;
        let Some(group) = self.settings.groups.join(bind.assoc_group_id, u32::from_le_bytes([a, b, c, d]))
        else {
            return Answer::nak(call_id, NOT_SPECIFIED);
        };
        self.group = Some(group);
        self.fragment = negotiated(bind);
        self.association.bind(call_id, bind);
        self.acknowledge(PduType::BIND_ACK, &pdu.header, bind)
    }

    fn alter_context(&mut self, header: &Header, alter: &Bind) -> Answer {
        self.association.alter_context(header.call_id, alter);
        self.acknowledge(PduType::ALTER_CONTEXT_RESP, header, alter)
    }

    fn acknowledge(&mut self, ptype: PduType, asked: &Header, bind: &Bind) -> Answer {
        let takes_ndr64 = self.settings.takes_ndr64;
        let takes = |syntax: TransferSyntax| match syntax {
            TransferSyntax::Ndr32 => true,
            TransferSyntax::Ndr64 => takes_ndr64,
            _ => false,
        };
        let proposed = |syntax: TransferSyntax| {
            let is_it = |proposed: &SyntaxId| proposed.transfer() == syntax && proposed.minor() == 0;
            bind.contexts.iter().any(|context| context.transfer_syntaxes.iter().any(is_it))
        };
        let preferred = [TransferSyntax::Ndr64, TransferSyntax::Ndr32]
            .into_iter()
            .find(|&syntax| takes(syntax) && proposed(syntax));
        let results: Vec<_> = bind.contexts.iter().map(|context| result(context, preferred)).collect();
        // A genuine host gives its port in a bind_ack, and nothing in an alter_context_resp.
        let secondary_address = match ptype {
            PduType::BIND_ACK => format!("{}\0", self.settings.port),
            _ => String::new(),
        };
        let ack = BindAck {
            max_xmit_frag: self.fragment,
            max_recv_frag: self.fragment,
            assoc_group_id: self.group.unwrap_or_default(),
            secondary_address: secondary_address.as_bytes(),
            padding: &[0; 3][..(26 + secondary_address.len()).wrapping_neg() % 4],
            n_results: bind.n_context_elem,
            reserved: [0; 3],
            results,
        };
        self.association.answer(asked.call_id, &ack);
        let mut header = Header::new(ptype, asked.call_id);
        header.flags = header.flags | PfcFlags(asked.flags.0 & PfcFlags::CONC_MPX.0);
        let body = if ptype == PduType::BIND_ACK { Body::BindAck(ack) } else { Body::AlterContextResp(ack) };
        Answer::with(header, body)
    }

    fn request(&mut self, header: &Header, request: &Request<'_>, moment: &Moment) -> Answer {
        let is_first = header.flags.has(PfcFlags::FIRST);
        let call = match (self.call.take(), is_first) {
            (None, true) => Call {
                call_id: header.call_id,
                context_id: request.context_id,
                opnum: request.opnum,
                stub: request.stub.to_vec(),
            },
            (Some(mut call), false) if call.call_id == header.call_id => {
                call.stub.extend_from_slice(request.stub);
                call
            }
            _ => return Answer::protocol_error(header.call_id),
        };
        if call.stub.len() > MAX_STUB {
            return Answer::protocol_error(header.call_id);
        }
        if !header.flags.has(PfcFlags::LAST) {
            self.call = Some(call);
            return Answer::default();
        }
        self.answer(header, &call, moment)
    }

    fn answer(&mut self, header: &Header, call: &Call, moment: &Moment) -> Answer {
        let fault = |status| Answer::fault(call.call_id, call.context_id, status);
        let ndr = match self.association.context(call.context_id).map(|context| context.outcome) {
            Some(Outcome::Accepted(TransferSyntax::Ndr32)) => Ndr::Ndr32,
            Some(Outcome::Accepted(TransferSyntax::Ndr64)) => Ndr::Ndr64,
            _ => return fault(NCA_S_UNK_IF),
        };
        if call.opnum != 0 {
            return fault(NCA_S_OP_RNG_ERROR);
        }
        let endianness = header.drep.endianness();
        if !RequestStub::parse(&call.stub, ndr, endianness).is_ok_and(|stub| stub.is_consistent()) {
            return fault(NCA_S_FAULT_NDR);
        }
        let mut stub = Vec::with_capacity(Responder::STUB_LEN);
        self.responder.respond(&call.stub, ndr, endianness, moment, &mut stub);
        let response = Response {
            alloc_hint: u32::try_from(stub.len()).unwrap_or(u32::MAX),
            context_id: call.context_id,
            cancel_count: 0,
            reserved: 0,
            stub: &stub,
        };
        // The longest is smaller than the smallest fragment that is negotiated.
        Answer::with(Header::new(PduType::RESPONSE, call.call_id), Body::Response(response))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            self.settings.groups.leave(group);
        }
    }
}

impl Groups {
    /// The group that a bind asks for, or a new one where it asks for 0; `None` where that group is not there.
    fn join(&self, asked: u32, random: u32) -> Option<u32> {
        let mut groups = self.lock();
        if asked != 0 {
            *groups.get_mut(&asked)? += 1;
            return Some(asked);
        }
        let mut group = random.max(1);
        while groups.contains_key(&group) {
            group = group.checked_add(1).unwrap_or(1);
        }
        groups.insert(group, 1);
        Some(group)
    }

    fn leave(&self, group: u32) {
        let mut groups = self.lock();
        if let Some(connections) = groups.get_mut(&group) {
            *connections -= 1;
            if *connections == 0 {
                groups.remove(&group);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answer {
    fn with(header: Header, body: Body<'_>) -> Self {
        let pdu = Pdu { header, body, rest: &[], auth: None };
        // No answer here comes near 64 KiB: a bind of 255 contexts is answered with 6 KiB.
        Self { pdus: pdu.encode_sized().into_iter().collect(), closes: false }
    }

    fn hang_up() -> Self {
        Self { pdus: Vec::new(), closes: true }
    }

    fn nak(call_id: u32, reject_reason: u16) -> Self {
        let nak = BindNak { reject_reason, versions: Some(vec![(5, 0), (5, 1)]) };
        Self { closes: true, ..Self::with(Header::new(PduType::BIND_NAK, call_id), Body::BindNak(nak)) }
    }

    fn fault(call_id: u32, context_id: u16, status: u32) -> Self {
        let mut header = Header::new(PduType::FAULT, call_id);
        header.flags = header.flags | PfcFlags::DID_NOT_EXECUTE;
        let fault = Fault {
            alloc_hint: 0,
            context_id,
            cancel_count: 0,
            reserved: 0,
            status,
            reserved2: 0,
            stub: &[],
        };
        Self::with(header, Body::Fault(fault))
    }

    fn protocol_error(call_id: u32) -> Self {
        Self { closes: true, ..Self::fault(call_id, 0, NCA_S_PROTO_ERROR) }
    }
}

/// Bytes of a fragment at most, behind this bind: its smaller offer, rounded down to 8, within what the host takes.
fn negotiated(bind: &Bind) -> u16 {
    let offer = bind.max_xmit_frag.min(bind.max_recv_frag);
    (offer & !7).clamp(Session::MIN_FRAGMENT, Session::MAX_FRAGMENT)
}

/// What becomes of a proposed context, where this is the transfer syntax of the connection.
fn result(context: &PresentationContext, preferred: Option<TransferSyntax>) -> ResultElement {
    let rejected =
        |reason| ResultElement { result: PROVIDER_REJECTION, reason, transfer_syntax: SyntaxId::default() };
    let features = context.transfer_syntaxes.iter().find_map(|syntax| match syntax.transfer() {
        TransferSyntax::BindTimeFeatures(bits) => Some(bits),
        _ => None,
    });
    if let Some(bits) = features {
        // negotiate_ack (MS-RPCE 2.2.2.4): both features that there are.
        return ResultElement { result: 3, reason: bits & 3, transfer_syntax: SyntaxId::default() };
    }
    // Another minor version than 0 is a later one (C706 12.6.3.1).
    if context.abstract_syntax != SyntaxId::KMS {
        return rejected(ABSTRACT_SYNTAX_NOT_SUPPORTED);
    }
    let taken = context.transfer_syntaxes.iter().find(|syntax| Some(syntax.transfer()) == preferred);
    match taken {
        Some(&transfer_syntax) => ResultElement { result: 0, reason: 0, transfer_syntax },
        None => rejected(TRANSFER_SYNTAXES_NOT_SUPPORTED),
    }
}
