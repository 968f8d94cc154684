use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use crate::capture::Dialogue;
use crate::conformance::TranscriptLine;
use crate::kms::{Ndr, RequestBody, RequestMessage, RequestStub, Version};
use crate::peer::line::now;
use crate::peer::{Line, Received};
use crate::rpc::{
    Association, Bind, Body, Header, Outcome as ContextOutcome, Pdu, PduType, PfcFlags, PresentationContext,
    Request, SyntaxId, TransferSyntax,
};
use crate::wire::{Endianness, FileTime, Guid, Hex, Random};

use super::case::Problem;
use super::reply::{Ack, Activation, Reply};
use super::{Options, TEST_MACHINES};

/// The client that a case drives: its connections to the host under test, everything on them recorded.
#[derive(Debug)]
pub struct Probe<'a> {
    options: &'a Options,
    /// Random numbers of this case.
    pub random: Random,
    connections: Vec<Connection>,
    transcript: Vec<TranscriptLine>,
    /// Transfers and events that the transcript has no room for.
    left_out: u64,
}

/// A connection of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conn(usize);

#[derive(Debug)]
struct Connection {
    line: Line,
    association: Association,
    call_id: u32,
    /// Calls without an answer: how their stubs are marshalled, and what was asked.
    calls: BTreeMap<u32, (Ndr, RequestMessage)>,
}

/// What a client proposes in a bind or an alter_context.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Its contexts.
    pub contexts: Vec<PresentationContext>,
    /// max_xmit_frag.
    pub max_xmit_frag: u16,
    /// max_recv_frag.
    pub max_recv_frag: u16,
    /// assoc_group_id.
    pub group: u32,
    /// pfc_flags.
    pub flags: PfcFlags,
    /// In which byte order.
    pub endianness: Endianness,
}

/// A product that a client asks for.
#[derive(Clone, Copy, Debug)]
pub struct Product {
    /// AppID.
    pub app: u128,
    /// ActID.
    pub act: u128,
    /// KMSID.
    pub kms: u128,
    /// N-Policy.
    pub policy: u32,
}

/// How a call is sent.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Context.
    pub context_id: u16,
    /// Operation.
    pub opnum: u16,
    /// Byte order of the PDU and its stub.
    pub endianness: Endianness,
}

/// Lines of a case's transcript at most.
const MAX_TRANSCRIPT: usize = 2048;

/// Windows.
pub(in crate::peer) const WINDOWS: u128 = 0x55c9_2734_d682_4d71_983e_d6ec_3f16_059f;
/// Windows 10/11 Enterprise, which asks in version 6.
pub(in crate::peer) const WINDOWS_10: Product = Product {
    app: WINDOWS,
    act: 0x7311_1121_5638_40f6_bc11_f1d7_b0d6_4300,
    kms: 0x58e2_134f_8e11_4d17_9cb2_9106_9c15_1148,
    policy: 25,
};
/// Windows 8 Enterprise, which asks in version 5.
pub(in crate::peer) const WINDOWS_8: Product = Product {
    app: WINDOWS,
    act: 0x458e_1bec_837a_45f6_b9d5_925e_d5d2_99de,
    kms: 0x3c40_b358_5948_45af_923b_53d2_1fcc_7e79,
    policy: 25,
};
/// Windows 7 Enterprise, which asks in version 4.
pub(in crate::peer) const WINDOWS_7: Product = Product {
    app: WINDOWS,
    act: 0xae2e_e509_1b34_41c0_acb7_6d46_5016_8915,
    kms: 0x7fde_5219_fbfa_484a_82c9_34d1_ad53_e856,
    policy: 25,
};
/// Windows Server 2019 Standard.
pub(in crate::peer) const SERVER_2019: Product = Product {
    app: WINDOWS,
    act: 0xde32_eafd_aaee_4662_9444_c1be_fb41_bde2,
    kms: 0x8449_b1fb_f0ea_497a_99ab_66ca_96e9_a0f5,
    policy: 5,
};
/// Office Professional Plus 2019.
pub(in crate::peer) const OFFICE_2019: Product = Product {
    app: 0x0ff1_ce15_a989_479d_af46_f275_c637_0663,
    act: 0x85dd_8b5f_eaa4_4af3_a628_cce9_e77c_9a03,
    kms: 0x617d_9eb1_ef36_4f82_86e0_a65a_e07b_96c6,
    policy: 5,
};

/// How a genuine client binds: NDR32, NDR64 and bind-time features, each in a context of its own.
impl Default for Offer {
    fn default() -> Self {
        Self::of([
            context(0, SyntaxId::KMS, &[SyntaxId::NDR32]),
            context(1, SyntaxId::KMS, &[SyntaxId::NDR64]),
            context(2, SyntaxId::KMS, &[SyntaxId::bind_time_features(3)]),
        ])
    }
}

impl Offer {
    /// These contexts, all else as genuine clients have it.
    #[must_use]
    pub fn of(contexts: impl IntoIterator<Item = PresentationContext>) -> Self {
        Self {
            contexts: contexts.into_iter().collect(),
            max_xmit_frag: 5840,
            max_recv_frag: 5840,
            group: 0,
            flags: PfcFlags::FIRST | PfcFlags::LAST | PfcFlags::CONC_MPX,
            endianness: Endianness::Little,
        }
    }

    /// One context, 0, with this transfer syntax.
    #[must_use]
    pub fn only(ndr: Ndr) -> Self {
        let syntax = if ndr == Ndr::Ndr32 { SyntaxId::NDR32 } else { SyntaxId::NDR64 };
        Self::of([context(0, SyntaxId::KMS, &[syntax])])
    }

    /// The bind or alter_context.
    ///
    /// # Errors
    /// More contexts than a PDU holds.
    pub fn pdu(&self, ptype: PduType, call_id: u32) -> Result<Vec<u8>, Problem> {
        let mut header = Header::new(ptype, call_id);
        header.flags = self.flags;
        header.drep = drep(self.endianness);
        let bind = Bind {
            max_xmit_frag: self.max_xmit_frag,
            max_recv_frag: self.max_recv_frag,
            assoc_group_id: self.group,
            n_context_elem: u8::try_from(self.contexts.len()).unwrap_or(u8::MAX),
            reserved: [0; 3],
            contexts: self.contexts.clone(),
        };
        let body = if ptype == PduType::BIND { Body::Bind(bind) } else { Body::AlterContext(bind) };
        Ok(Pdu { header, body, rest: &[], auth: None }.encode_sized()?)
    }
}

impl Default for Manner {
    fn default() -> Self {
        Self { context_id: 0, opnum: 0, endianness: Endianness::Little }
    }
}

impl<'a> Probe<'a> {
    /// A client without a connection.
    pub(super) fn new(options: &'a Options, case: &str) -> Self {
        Self {
            options,
            random: Random::new(options.seed, case),
            connections: Vec::new(),
            transcript: Vec::new(),
            left_out: 0,
        }
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// The host takes none.
    pub fn open(&mut self) -> Result<Conn, Problem> {
        let number = self.connections.len();
        let line = match Line::connect(self.options.host, self.options.timeout) {
            Ok(line) => line,
            Err(error) => {
                let problem = Problem::wrong(format!("the host takes no connection: {}", error.kind()));
                self.note(number, "", problem.message.clone(), &[]);
                return Err(problem);
            }
        };
        self.connections.push(Connection {
            line,
            association: Association::default(),
            call_id: 2, // as genuine clients begin
            calls: BTreeMap::new(),
        });
        Ok(Conn(number))
    }

    /// Sends bytes. That the host has ended the connection shows in what is received then.
    pub fn send(&mut self, conn: Conn, bytes: &[u8]) {
        self.note(conn.0, "c2s", what(bytes), bytes);
        if self.connections[conn.0].line.send(bytes).is_err() {
            self.note(conn.0, "", "the host takes nothing more".to_owned(), &[]);
        }
    }

    /// Sends bytes in pieces of this size, with a pause in between.
    pub fn send_in_pieces(&mut self, conn: Conn, bytes: &[u8], size: usize, pause: Duration) {
        self.note(conn.0, "c2s", format!("{}, {size} bytes at a time", what(bytes)), bytes);
        if self.connections[conn.0].line.send_in_pieces(bytes, size, pause).is_err() {
            self.note(conn.0, "", "the host takes nothing more".to_owned(), &[]);
        }
    }

    /// Sends this side's FIN.
    pub fn close_sending(&mut self, conn: Conn) {
        self.connections[conn.0].line.close_sending();
        self.note(conn.0, "", "closed by the client".to_owned(), &[]);
    }

    /// Waits for what the host does, as long as it may take for an answer.
    pub fn receive(&mut self, conn: Conn) -> Reply {
        self.receive_within(conn, self.options.timeout).1
    }

    /// What the host does where nothing is expected, and no more than a moment is waited for it.
    pub fn overhear(&mut self, conn: Conn) -> Reply {
        self.receive_within(conn, self.options.timeout.min(A_MOMENT)).1
    }

    /// What the host does, and which call it is about.
    pub fn receive_call(&mut self, conn: Conn) -> (Option<u32>, Reply) {
        self.receive_within(conn, self.options.timeout)
    }

    fn receive_within(&mut self, conn: Conn, timeout: Duration) -> (Option<u32>, Reply) {
        let mut stub = Vec::new();
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let received = self.connections[conn.0].line.receive(left);
            let (bytes, event, reply): (_, _, fn(Vec<u8>) -> Reply) = match received {
                Received::Pdu(bytes) => {
                    self.note(conn.0, "s2c", what(&bytes), &bytes);
                    match self.connections[conn.0].take(&bytes, &mut stub) {
                        Some(heard) => return heard,
                        None => continue,
                    }
                }
                Received::NotRpc(bytes) => (bytes, "", Reply::NotRpc),
                Received::Closed(bytes) => (bytes, "closed by the host", Reply::Ended),
                Received::Reset(bytes) => (bytes, "reset by the host", Reply::Ended),
                Received::Silent(bytes) => (bytes, "silence", Reply::Silence),
            };
            if !bytes.is_empty() {
                self.note(conn.0, "s2c", "no whole PDU".to_owned(), &bytes);
            }
            if !event.is_empty() {
                self.note(conn.0, "", event.to_owned(), &[]);
            }
            return (None, reply(bytes));
        }
    }

    /// Binds.
    ///
    /// # Errors
    /// The offer cannot be written.
    pub fn bind(&mut self, conn: Conn, offer: &Offer) -> Result<Reply, Problem> {
        self.propose(conn, PduType::BIND, offer)
    }

    /// Proposes more contexts.
    ///
    /// # Errors
    /// The offer cannot be written.
    pub fn alter(&mut self, conn: Conn, offer: &Offer) -> Result<Reply, Problem> {
        self.propose(conn, PduType::ALTER_CONTEXT, offer)
    }

    fn propose(&mut self, conn: Conn, ptype: PduType, offer: &Offer) -> Result<Reply, Problem> {
        let call_id = self.next_call(conn);
        let bytes = offer.pdu(ptype, call_id)?;
        Ok(self.ask(conn, &bytes))
    }

    /// Sends bytes that the host has to do something about.
    pub fn ask(&mut self, conn: Conn, bytes: &[u8]) -> Reply {
        self.expect(conn, bytes);
        self.send(conn, bytes);
        self.receive(conn)
    }

    /// Takes note of a PDU that is about to be sent, so that its answer is understood.
    pub fn expect(&mut self, conn: Conn, bytes: &[u8]) {
        if let Ok((pdu, _)) = Pdu::parse_lax(bytes) {
            let association = &mut self.connections[conn.0].association;
            match &pdu.body {
                Body::Bind(bind) => association.bind(pdu.header.call_id, bind),
                Body::AlterContext(alter) => association.alter_context(pdu.header.call_id, alter),
                _ => {}
            }
        }
    }

    /// A connection that is bound as genuine clients bind, and the context in which to ask: NDR64's, where the host takes
    /// it.
    ///
    /// # Errors
    /// The host does not take it.
    pub fn bound(&mut self) -> Result<(Conn, Manner), Problem> {
        let conn = self.open()?;
        let ack = self.bind(conn, &Offer::default())?.ack()?;
        let context_id = match () {
            () if ack.accepts(1) => 1,
            () if ack.accepts(0) => 0,
            () => return Err(Problem::wrong("the host accepts neither NDR32 nor NDR64")),
        };
        Ok((conn, Manner { context_id, ..Manner::default() }))
    }

    /// A connection that is bound to one transfer syntax only, in context 0.
    ///
    /// # Errors
    /// The host does not have it.
    pub fn bound_to(&mut self, ndr: Ndr) -> Result<Conn, Problem> {
        let conn = self.open()?;
        let ack = self.bind(conn, &Offer::only(ndr))?.ack()?;
        if ack.accepts(0) {
            return Ok(conn);
        }
        ack.result_is(0, 2, 2)?;
        Err(Problem::unimplemented(format!("the host does not take {ndr}")))
    }

    /// The next call_id.
    pub fn next_call(&mut self, conn: Conn) -> u32 {
        let call_id = &mut self.connections[conn.0].call_id;
        let next = *call_id;
        *call_id = call_id.wrapping_add(1);
        next
    }

    /// Makes this the next call_id.
    pub fn set_next_call(&mut self, conn: Conn, call_id: u32) {
        self.connections[conn.0].call_id = call_id;
    }

    /// How the stubs of a context are marshalled; NDR32 where it was not accepted.
    #[must_use]
    pub fn ndr(&self, conn: Conn, context_id: u16) -> Ndr {
        match self.connections[conn.0].association.context(context_id).map(|context| context.outcome) {
            Some(ContextOutcome::Accepted(TransferSyntax::Ndr64)) => Ndr::Ndr64,
            _ => Ndr::Ndr32,
        }
    }

    /// A request of the first test machine for this product, now.
    pub fn body(&self, version: Version, product: &Product) -> RequestBody {
        body_of(version, product, now())
    }

    /// A request as a client of this version makes it.
    pub fn message(&mut self, version: Version) -> RequestMessage {
        let product = match version.major() {
            4 => &WINDOWS_7,
            5 => &WINDOWS_8,
            _ => &WINDOWS_10,
        };
        let body = self.body(version, product);
        self.sealed(body)
    }

    /// A body in the envelope of its version.
    pub fn sealed(&mut self, body: RequestBody) -> RequestMessage {
        RequestMessage::new(body, self.random.bytes())
    }

    /// A request PDU with this stub.
    ///
    /// # Errors
    /// It is longer than a PDU can be.
    pub fn request_pdu(&mut self, conn: Conn, manner: Manner, stub: &[u8]) -> Result<Vec<u8>, Problem> {
        let mut header = Header::new(PduType::REQUEST, self.next_call(conn));
        header.drep = drep(manner.endianness);
        let request = Request {
            alloc_hint: u32::try_from(stub.len()).unwrap_or(u32::MAX),
            context_id: manner.context_id,
            opnum: manner.opnum,
            object: None,
            stub,
        };
        Ok(Pdu { header, body: Body::Request(request), rest: &[], auth: None }.encode_sized()?)
    }

    /// The PDU of a call with this message, whose answer will be understood.
    ///
    /// # Errors
    /// It is longer than a PDU can be.
    pub fn call_pdu(
        &mut self,
        conn: Conn,
        manner: Manner,
        message: &RequestMessage,
    ) -> Result<Vec<u8>, Problem> {
        let ndr = self.ndr(conn, manner.context_id);
        let data = message.encode();
        let stub = RequestStub::of(&data, ndr).encode(manner.endianness);
        self.call_pdu_of(conn, manner, message, &stub)
    }

    /// As [`Self::call_pdu`], with this stub for the message.
    ///
    /// # Errors
    /// It is longer than a PDU can be.
    pub fn call_pdu_of(
        &mut self,
        conn: Conn,
        manner: Manner,
        message: &RequestMessage,
        stub: &[u8],
    ) -> Result<Vec<u8>, Problem> {
        let ndr = self.ndr(conn, manner.context_id);
        let connection = &mut self.connections[conn.0];
        connection.calls.insert(connection.call_id, (ndr, message.clone()));
        self.request_pdu(conn, manner, stub)
    }

    /// Calls with this message.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn call(&mut self, conn: Conn, manner: Manner, message: &RequestMessage) -> Result<Reply, Problem> {
        let pdu = self.call_pdu(conn, manner, message)?;
        self.send(conn, &pdu);
        Ok(self.receive(conn))
    }

    /// Calls with these bytes for data.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn call_with(&mut self, conn: Conn, manner: Manner, data: &[u8]) -> Result<Reply, Problem> {
        self.call(
            conn,
            manner,
            &RequestMessage::Other { version: None, bytes: SmallVec::from_slice(data), error: None },
        )
    }

    /// An ordinary version 6 activation, which has to succeed.
    ///
    /// # Errors
    /// It does not.
    pub fn activate(&mut self, conn: Conn, manner: Manner) -> Result<Activation, Problem> {
        let message = self.message(Version::V6);
        self.call(conn, manner, &message)?.answer()
    }

    /// An ordinary version 6 activation on a connection of its own: the host is there, and does what it did before.
    ///
    /// # Errors
    /// It is not, or does not.
    pub fn is_alive(&mut self) -> Result<(), Problem> {
        let (conn, manner) = self.bound()?;
        self.activate(conn, manner).map(drop)
    }

    /// How long is waited for an answer.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.options.timeout
    }

    /// Ends all connections: the transcript, and the connections as they would have been captured.
    pub(super) fn finish(mut self) -> (Vec<TranscriptLine>, Vec<Dialogue>) {
        if self.left_out > 0 {
            let what = format!("{} more that are not kept", self.left_out);
            self.transcript.push(TranscriptLine { what, ..TranscriptLine::default() });
        }
        let dialogues =
            self.connections.into_iter().map(|connection| connection.line.into_dialogue()).collect();
        (self.transcript, dialogues)
    }

    fn note(&mut self, connection: usize, direction: &str, what: String, bytes: &[u8]) {
        if self.transcript.len() == MAX_TRANSCRIPT {
            self.left_out += 1;
            return;
        }
        self.transcript.push(TranscriptLine {
            connection: connection as u64,
            direction: direction.to_owned(),
            what,
            hex: Hex(bytes).to_string(),
            decoded: Vec::new(),
        });
    }
}

/// How long is waited where nothing is expected.
const A_MOMENT: Duration = Duration::from_millis(300);
/// What the test machines are called.
const MACHINE_NAME: &str = "volact-test.example";

impl Connection {
    /// Takes a PDU of the host: what it means, once it is whole; `None` where fragments are to come.
    fn take(&mut self, bytes: &[u8], stub: &mut Vec<u8>) -> Option<(Option<u32>, Reply)> {
        let (pdu, error) = match Pdu::parse_lax(bytes) {
            Ok(read) => read,
            Err(error) => return Some((None, Reply::Other(format!("a PDU that cannot be read: {error}")))),
        };
        let header = pdu.header;
        if let Some(error) = error {
            let reply = Reply::Other(format!("a {} that cannot be read: {error}", header.ptype));
            return Some((Some(header.call_id), reply));
        }
        let reply = match &pdu.body {
            Body::BindAck(ack) | Body::AlterContextResp(ack) => {
                self.association.answer(header.call_id, ack);
                Reply::Ack(Ack::of(header.flags, ack))
            }
            Body::BindNak(nak) => {
                self.association.refuse(header.call_id);
                Reply::Nak(nak.reject_reason)
            }
            Body::Fault(fault) => Reply::Fault(fault.status),
            Body::Response(response) => {
                stub.extend_from_slice(response.stub);
                if !header.flags.has(PfcFlags::LAST) && stub.len() < MAX_STUB {
                    return None;
                }
                let asked = self.calls.remove(&header.call_id);
                let (ndr, request) = match &asked {
                    Some((ndr, request)) => (*ndr, Some(request)),
                    None => (Ndr::Ndr32, None),
                };
                Activation::open(stub, ndr, request, header.drep.endianness())
            }
            _ => Reply::Other(format!("a {}", header.ptype)),
        };
        Some((Some(header.call_id), reply))
    }
}

/// Bytes of an answer's stub at most; the longest that the protocol knows has less than a KiB.
const MAX_STUB: usize = 64 << 10;

/// A request of the first test machine for a product, at this time.
pub(in crate::peer) fn body_of(version: Version, product: &Product, client_time: FileTime) -> RequestBody {
    RequestBody {
        version,
        vm_info: 0,
        license_status: 2,
        binding_expiration: 43_200,
        app_id: Guid::from_u128(product.app),
        act_id: Guid::from_u128(product.act),
        kms_id: Guid::from_u128(product.kms),
        cmid: TEST_MACHINES[0],
        n_policy: product.policy,
        client_time,
        cmid_prev: Guid::NIL,
        machine_name: RequestBody::machine_name_of(MACHINE_NAME).unwrap_or([0; 128]),
    }
}

/// A context with these transfer syntaxes.
pub(in crate::peer) fn context(
    id: u16,
    interface: SyntaxId,
    transfer_syntaxes: &[SyntaxId],
) -> PresentationContext {
    PresentationContext {
        id,
        reserved: 0,
        abstract_syntax: interface,
        transfer_syntaxes: transfer_syntaxes.to_vec(),
    }
}

/// A request PDU in fragments of so many bytes of stub.
///
/// # Errors
/// It is no PDU of a request.
pub(in crate::peer) fn in_fragments(pdu: &[u8], size: usize) -> Result<Vec<Vec<u8>>, Problem> {
    let whole = Pdu::parse(pdu)?;
    let Body::Request(request) = &whole.body else {
        return Err(Problem::harness("only requests are sent in fragments"));
    };
    let parts: Vec<&[u8]> = request.stub.chunks(size.max(1)).collect();
    let last = parts.len().saturating_sub(1);
    let mut fragments = Vec::with_capacity(parts.len());
    for (i, stub) in parts.into_iter().enumerate() {
        let mut header = whole.header;
        header.flags = PfcFlags(
            if i == 0 { PfcFlags::FIRST.0 } else { 0 } | if i == last { PfcFlags::LAST.0 } else { 0 },
        );
        let body = Body::Request(Request { stub, ..request.clone() });
        fragments.push(Pdu { header, body, rest: &[], auth: None }.encode_sized()?);
    }
    Ok(fragments)
}

/// A PDU that is nothing but its header.
///
/// # Errors
/// It cannot be written.
pub(in crate::peer) fn bare(ptype: PduType, call_id: u32) -> Result<Vec<u8>, Problem> {
    Ok(Pdu { header: Header::new(ptype, call_id), body: Body::Opaque, rest: &[], auth: None }
        .encode_sized()?)
}

pub(in crate::peer) fn drep(endianness: Endianness) -> crate::rpc::DataRepresentation {
    match endianness {
        Endianness::Big => crate::rpc::DataRepresentation::BIG_ENDIAN,
        _ => crate::rpc::DataRepresentation::LITTLE_ENDIAN,
    }
}

/// What bytes are, in a few words: the types of the PDUs.
pub(in crate::peer) fn what(bytes: &[u8]) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() && words.len() < MAX_WORDS {
        match Header::parse(rest) {
            Ok(header) if usize::from(header.frag_length) <= rest.len() => {
                words.push(header.ptype.to_string());
                rest = &rest[header.frag_length.into()..];
            }
            _ => {
                words.push(format!("{} bytes that are no whole PDU", rest.len()));
                rest = &[];
            }
        }
    }
    if !rest.is_empty() {
        words.push("more".to_owned());
    }
    words.join(", ")
}

/// PDUs that are named where several are sent at once.
const MAX_WORDS: usize = 8;
