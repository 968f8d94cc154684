use std::collections::VecDeque;

use crate::capture::Endpoint;
use crate::kms::{Ndr, RequestChecks, RequestMessage, RequestStub, ResponseChecks, ResponseStub, Verifier};
use crate::rpc::{Association, Header, Outcome as ContextOutcome, PfcFlags, SyntaxId, TransferSyntax};
use crate::wire::{Endianness, Error, Guid};

use super::{
    Answer, ContextStanding, Exchange, FaultRecord, NdrBasis, RequestRecord, RequestStubFields,
    ResponseRecord, ResponseStubFields, Span,
};

/// Who is told of exchanges.
pub(super) trait Out {
    /// What responses are opened with.
    fn verifier(&mut self) -> &mut Verifier;

    /// An exchange has ended.
    fn exchange(&mut self, exchange: Exchange);
}

/// The calls of one connection: puts fragments together and joins requests with their answers by call_id.
///
/// Answers to a call_id go to the oldest request of it without one, which the other side has made. An answer without a request waits for one that
/// was captured before it but is handed on later (behind a hole); at the end it is an exchange without a request.
pub(super) struct Calls {
    endpoints: (u64, Endpoint, Endpoint),
    /// True where the server's port is volume activation's.
    is_kms_port: bool,
    pending: VecDeque<Call>,
    partial: Vec<PartialAnswer>,
    orphans: Vec<PartialAnswer>,
    /// Bytes that wait for more.
    held: usize,
    pub(super) exchanges: u64,
    pub(super) other_calls: u64,
    /// Requests and answers that were given up to keep within the bounds.
    pub(super) dropped: u64,
}

/// Requests of a connection that wait for their answer.
const MAX_PENDING: usize = 256;
/// Answers of a connection that are not complete, and answers without a request.
const MAX_ANSWERS: usize = 64;
/// Bytes of one call's stub; genuine ones have some 300.
const MAX_STUB: usize = 256 << 10;

struct Call {
    call_id: u32,
    context_id: Option<u16>,
    endianness: Endianness,
    record: Box<RequestRecord>,
    reading: Reading,
    /// False for a call of another interface, whose stub is not kept.
    is_kms: bool,
    has_first: bool,
    has_last: bool,
    is_read: bool,
}

/// How a call's stubs are read, and why.
#[derive(Clone, Copy)]
struct Reading {
    standing: ContextStanding,
    ndr: Ndr,
    basis: NdrBasis,
}

struct PartialAnswer {
    call_id: u32,
    context_id: Option<u16>,
    endianness: Endianness,
    span: Span,
    has_first: bool,
    bytes: Vec<u8>,
    error: Option<Error>,
    /// The status of a fault, where it is one.
    fault: Option<Option<u32>>,
}

/// A request PDU's own fields, where they could be read.
pub(super) struct RequestPdu<'a> {
    pub(super) context_id: u16,
    pub(super) opnum: u16,
    pub(super) object: Option<Guid>,
    pub(super) stub: &'a [u8],
}

/// A response or fault PDU's own fields, where they could be read.
pub(super) struct AnswerPdu<'a> {
    pub(super) context_id: Option<u16>,
    pub(super) stub: &'a [u8],
    pub(super) fault: Option<Option<u32>>,
}

impl Calls {
    pub(super) fn new(endpoints: (u64, Endpoint, Endpoint), is_kms_port: bool) -> Self {
        Self {
            endpoints,
            is_kms_port,
            pending: VecDeque::new(),
            partial: Vec::new(),
            orphans: Vec::new(),
            held: 0,
            exchanges: 0,
            other_calls: 0,
            dropped: 0,
        }
    }

    /// Bytes that wait for more: requests without their answer, answers that are not whole or have no request.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    fn count_held(&mut self) {
        let calls = self.pending.iter().map(|call| size_of::<Call>() + call.record.bytes.len());
        let answers = self.partial.iter().chain(&self.orphans);
        self.held = calls.sum::<usize>()
            + answers.map(|answer| size_of::<PartialAnswer>() + answer.bytes.len()).sum::<usize>();
    }

    /// Takes a request PDU.
    pub(super) fn request(
        &mut self,
        header: &Header,
        pdu: Option<RequestPdu<'_>>,
        error: Option<&Error>,
        span: Span,
        association: &Association,
        out: &mut impl Out,
    ) {
        let stub = pdu.as_ref().map_or(&[][..], |pdu| pdu.stub);
        let is_first = header.flags.has(PfcFlags::FIRST);
        let is_last = header.flags.has(PfcFlags::LAST);
        let is_open = |call: &Call| {
            call.call_id == header.call_id && call.record.span.direction == span.direction && !call.has_last
        };
        let open = if is_first { None } else { self.pending.iter().rposition(is_open) };
        let position = match open {
            Some(position) => {
                let call = &mut self.pending[position];
                call.record.span.last = span.last;
                call.record.span.fragments += 1;
                let room = MAX_STUB.saturating_sub(call.record.bytes.len());
                if call.is_kms {
                    call.record.bytes.extend_from_slice(&stub[..stub.len().min(room)]);
                }
                position
            }
            None => {
                if self.pending.len() == MAX_PENDING {
                    self.dropped += 1;
                    if let Some(oldest) = self.pending.pop_front() {
                        self.emit(oldest, None, out);
                    }
                }
                let call = self.begin(header, pdu, error, span, association);
                self.pending.push_back(call);
                self.pending.len() - 1
            }
        };
        if is_last {
            let call = &mut self.pending[position];
            call.has_last = true;
            call.record.span.complete = call.has_first;
            // What is not known yet of its context may be known by the time of its answer.
            if call.reading.standing != ContextStanding::Unanswered {
                call.read();
            }
            let (call_id, frame) = (call.call_id, call.record.span.first.frame);
            let direction = call.record.span.direction;
            let early = self.orphans.iter().position(|answer| {
                answer.call_id == call_id
                    && answer.span.direction != direction
                    && answer.span.first.frame > frame
            });
            if let Some(early) = early {
                let answer = self.orphans.remove(early);
                if let Some(mut call) = self.pending.remove(position) {
                    call.settle(association);
                    self.emit(call, Some(answer), out);
                }
            }
        }
        self.count_held();
    }

    fn begin(
        &mut self,
        header: &Header,
        pdu: Option<RequestPdu<'_>>,
        error: Option<&Error>,
        span: Span,
        association: &Association,
    ) -> Call {
        let endianness = header.drep.endianness();
        let stub = pdu.as_ref().map_or(&[][..], |pdu| pdu.stub);
        let context_id = pdu.as_ref().map(|pdu| pdu.context_id);
        let reading = self.reading(context_id, association, |ndr| request_fits(stub, ndr, endianness));
        let is_kms = match reading.standing {
            ContextStanding::Foreign(_) => self.is_kms_port && request_is_kms(stub, reading.ndr, endianness),
            ContextStanding::Unknown => self.is_kms_port || request_is_kms(stub, reading.ndr, endianness),
            _ => true,
        };
        let record = Box::new(RequestRecord {
            span,
            opnum: pdu.as_ref().map(|pdu| pdu.opnum),
            object: pdu.as_ref().and_then(|pdu| pdu.object),
            bytes: if is_kms { stub.to_vec() } else { Vec::new() },
            stub: None,
            error: error.cloned(),
            message: None,
            checks: None,
            fits: None,
        });
        Call {
            call_id: header.call_id,
            context_id,
            endianness,
            record,
            reading,
            is_kms,
            has_first: header.flags.has(PfcFlags::FIRST),
            has_last: false,
            is_read: false,
        }
    }

    /// Takes a response or fault PDU.
    pub(super) fn answer(
        &mut self,
        header: &Header,
        pdu: &AnswerPdu<'_>,
        error: Option<&Error>,
        span: Span,
        association: &Association,
        out: &mut impl Out,
    ) {
        let is_first = header.flags.has(PfcFlags::FIRST);
        let is_last = header.flags.has(PfcFlags::LAST);
        let open = if is_first {
            None
        } else {
            self.partial.iter().rposition(|answer| {
                answer.call_id == header.call_id && answer.span.direction == span.direction
            })
        };
        let mut answer = match open {
            Some(position) => {
                let mut answer = self.partial.remove(position);
                answer.span.last = span.last;
                answer.span.fragments += 1;
                let room = MAX_STUB.saturating_sub(answer.bytes.len());
                answer.bytes.extend_from_slice(&pdu.stub[..pdu.stub.len().min(room)]);
                answer
            }
            None => PartialAnswer {
                call_id: header.call_id,
                context_id: pdu.context_id,
                endianness: header.drep.endianness(),
                span,
                has_first: is_first,
                bytes: pdu.stub.to_vec(),
                error: error.cloned(),
                fault: pdu.fault,
            },
        };
        if is_last {
            answer.span.complete = answer.has_first;
            self.join(answer, association, out);
        } else {
            if self.partial.len() == MAX_ANSWERS {
                self.dropped += 1;
                let oldest = self.partial.remove(0);
                self.join(oldest, association, out);
            }
            self.partial.push(answer);
        }
        self.count_held();
    }

    fn join(&mut self, answer: PartialAnswer, association: &Association, out: &mut impl Out) {
        // A side does not answer itself.
        let is_asked = |call: &Call| {
            call.call_id == answer.call_id && call.record.span.direction != answer.span.direction
        };
        let position = self.pending.iter().position(is_asked);
        match position.and_then(|position| self.pending.remove(position)) {
            Some(mut call) => {
                call.settle(association);
                self.emit(call, Some(answer), out);
            }
            None => {
                if self.orphans.len() == MAX_ANSWERS {
                    self.dropped += 1;
                    let oldest = self.orphans.remove(0);
                    self.emit_orphan(oldest, association, out);
                }
                self.orphans.push(answer);
            }
        }
    }

    /// Says that the connection has ended: what is left is handed out, in the order of the requests, then the answers
    /// without one.
    pub(super) fn finish(&mut self, association: &Association, out: &mut impl Out) {
        for answer in std::mem::take(&mut self.partial) {
            self.join(answer, association, out);
        }
        while let Some(call) = self.pending.pop_front() {
            self.emit(call, None, out);
        }
        for answer in std::mem::take(&mut self.orphans) {
            self.emit_orphan(answer, association, out);
        }
        self.count_held();
    }

    fn emit(&mut self, mut call: Call, answer: Option<PartialAnswer>, out: &mut impl Out) {
        if !call.is_kms {
            self.other_calls += 1;
            return;
        }
        call.read();
        self.exchanges += 1;
        let request = call.record;
        let read =
            answer.map(|answer| answer.read(call.reading.ndr, request.message.as_ref(), out.verifier()));
        let (answer, checks) = read.map_or((None, None), |(answer, checks)| (Some(answer), checks));
        let (stream, client, server) = self.endpoints;
        out.exchange(Exchange {
            stream,
            client,
            server,
            call_id: call.call_id,
            context_id: call.context_id,
            standing: call.reading.standing,
            ndr: call.reading.ndr,
            ndr_basis: call.reading.basis,
            request: Some(request),
            answer,
            checks,
            found: None,
        });
    }

    fn emit_orphan(&mut self, answer: PartialAnswer, association: &Association, out: &mut impl Out) {
        let fits = |ndr| response_fits(&answer.bytes, ndr, answer.endianness);
        let reading = self.reading(answer.context_id, association, fits);
        let is_foreign = matches!(reading.standing, ContextStanding::Foreign(_));
        let is_unknown = matches!(reading.standing, ContextStanding::Unknown);
        if (is_foreign || is_unknown) && !self.is_kms_port {
            self.other_calls += 1;
            return;
        }
        self.exchanges += 1;
        let (call_id, context_id) = (answer.call_id, answer.context_id);
        let (answer, checks) = answer.read(reading.ndr, None, out.verifier());
        let (stream, client, server) = self.endpoints;
        out.exchange(Exchange {
            stream,
            client,
            server,
            call_id,
            context_id,
            standing: reading.standing,
            ndr: reading.ndr,
            ndr_basis: reading.basis,
            request: None,
            answer: Some(answer),
            checks,
            found: None,
        });
    }

    fn reading(
        &self,
        context_id: Option<u16>,
        association: &Association,
        fits: impl Fn(Ndr) -> bool,
    ) -> Reading {
        let assumed = |standing| Reading { standing, ndr: Ndr::Ndr32, basis: NdrBasis::Assumed };
        let Some(context) = context_id.and_then(|id| association.context(id)) else {
            let standing = ContextStanding::Unknown;
            if association.is_known_from_its_bind() {
                return assumed(standing);
            }
            let ndr = if !fits(Ndr::Ndr32) && fits(Ndr::Ndr64) { Ndr::Ndr64 } else { Ndr::Ndr32 };
            return Reading { standing, ndr, basis: NdrBasis::Guessed };
        };
        let is_kms = context.interface.uuid == SyntaxId::KMS.uuid;
        let standing = |kms| if is_kms { kms } else { ContextStanding::Foreign(context.interface) };
        match context.outcome {
            ContextOutcome::Accepted(syntax) => match ndr_of(syntax) {
                Some(ndr) => Reading {
                    standing: standing(ContextStanding::Accepted),
                    ndr,
                    basis: NdrBasis::Negotiated,
                },
                None => assumed(standing(ContextStanding::Accepted)),
            },
            ContextOutcome::Pending => match context.proposed.and_then(|syntax| ndr_of(syntax.transfer())) {
                Some(ndr) => Reading {
                    standing: standing(ContextStanding::Unanswered),
                    ndr,
                    basis: NdrBasis::Proposed,
                },
                None => assumed(standing(ContextStanding::Unanswered)),
            },
            ContextOutcome::Rejected { result, reason } => {
                assumed(standing(ContextStanding::Rejected(result, reason)))
            }
            ContextOutcome::Refused => assumed(standing(ContextStanding::Refused)),
            ContextOutcome::Negotiated(bits) => assumed(standing(ContextStanding::Rejected(3, bits))),
        }
    }
}

impl Call {
    /// Where its context was proposed and not answered when it came, reads it as what was accepted by now.
    fn settle(&mut self, association: &Association) {
        let context = self.context_id.and_then(|id| association.context(id));
        if self.reading.standing == ContextStanding::Unanswered
            && let Some(ContextOutcome::Accepted(syntax)) = context.map(|context| context.outcome)
            && let Some(ndr) = ndr_of(syntax)
        {
            (self.reading.ndr, self.reading.basis) = (ndr, NdrBasis::Negotiated);
        }
    }

    /// Reads the stub and the message, once.
    fn read(&mut self) {
        if self.is_read || !self.is_kms {
            return;
        }
        self.is_read = true;
        let record = &mut self.record;
        let other = match self.reading.ndr {
            Ndr::Ndr32 => Ndr::Ndr64,
            Ndr::Ndr64 => Ndr::Ndr32,
        };
        if !request_fits(&record.bytes, self.reading.ndr, self.endianness)
            && request_is_kms(&record.bytes, other, self.endianness)
        {
            record.fits = Some(other);
        }
        match RequestStub::parse(&record.bytes, self.reading.ndr, self.endianness) {
            Ok(stub) => {
                record.stub = Some(RequestStubFields {
                    size_slot: stub.size_slot(),
                    max_count: stub.max_count,
                    data_length: stub.data.len(),
                    missing: stub.missing(),
                    excess: stub.excess.to_vec(),
                });
                if !stub.data.is_empty() {
                    let head = self.reading.ndr.request_head();
                    let (message, checks) = RequestChecks::open(stub.data);
                    let error = message.error().map(|error| error.clone().shifted(head));
                    record.error = record.error.take().or(error);
                    record.checks = checks;
                    record.message = Some(message);
                }
            }
            Err(error) => record.error = record.error.take().or(Some(error)),
        }
    }
}

impl PartialAnswer {
    /// Reads the stub, opens the message, and verifies it against the request's.
    fn read(
        self,
        ndr: Ndr,
        request: Option<&RequestMessage>,
        verifier: &mut Verifier,
    ) -> (Answer, Option<ResponseChecks>) {
        let Self { span, bytes, mut error, .. } = self;
        if let Some(status) = self.fault {
            return (Answer::Fault(FaultRecord { span, status }), None);
        }
        let mut checks = None;
        let mut message = None;
        let mut fields = None;
        match ResponseStub::parse(&bytes, ndr, self.endianness) {
            Ok(stub) => {
                fields = Some(ResponseStubFields {
                    size_slot: stub.size_slot(),
                    referent: stub.referent,
                    max_count: stub.max_count,
                    data_length: stub.data.len(),
                    missing: stub.missing(),
                    padding: stub.padding.to_vec(),
                    hresult: stub.hresult,
                    excess: stub.excess.to_vec(),
                });
                if !stub.data.is_empty() {
                    let head = stub.data.as_ptr() as usize - bytes.as_ptr() as usize;
                    let (opened, verified) = verifier.open(stub.data, request);
                    error = error.or(opened.error().map(|error| error.clone().shifted(head)));
                    (message, checks) = (Some(opened), verified);
                }
            }
            Err(stub_error) => error = error.or(Some(stub_error)),
        }
        let record = ResponseRecord { span, bytes, stub: fields, error, message };
        (Answer::Response(Box::new(record)), checks)
    }
}

fn ndr_of(syntax: TransferSyntax) -> Option<Ndr> {
    match syntax {
        TransferSyntax::Ndr32 => Some(Ndr::Ndr32),
        TransferSyntax::Ndr64 => Some(Ndr::Ndr64),
        _ => None,
    }
}

fn request_fits(stub: &[u8], ndr: Ndr, endianness: Endianness) -> bool {
    RequestStub::parse(stub, ndr, endianness).is_ok_and(|stub| stub.is_consistent() && stub.size > 0)
}

/// True where the counts fit, and the data begin with a version of volume activation and are long enough for it.
fn request_is_kms(stub: &[u8], ndr: Ndr, endianness: Endianness) -> bool {
    RequestStub::parse(stub, ndr, endianness)
        .is_ok_and(|stub| stub.is_consistent() && RequestMessage::decode(stub.data).body().is_some())
}

fn response_fits(stub: &[u8], ndr: Ndr, endianness: Endianness) -> bool {
    ResponseStub::parse(stub, ndr, endianness).is_ok_and(|stub| match stub.max_count {
        Some(max_count) => max_count == u64::from(stub.size) && stub.missing() == 0,
        None => stub.size == 0 && stub.hresult.is_some() && stub.excess.is_empty(),
    })
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::capture::{Direction, Stamp};
    use crate::rpc::{Bind, BindAck, PduType, PresentationContext, ResultElement};

    #[derive(Default)]
    struct Exchanges(Vec<Exchange>, Verifier);

    impl Out for Exchanges {
        fn verifier(&mut self) -> &mut Verifier {
            &mut self.1
        }

        fn exchange(&mut self, exchange: Exchange) {
            self.0.push(exchange);
        }
    }

    fn span(direction: Direction, frame: u64) -> Span {
        let stamp = Stamp { frame, time: None };
        Span { direction, offset: 0, first: stamp, last: stamp, fragments: 1, complete: true }
    }

    fn calls() -> Calls {
        let end = |port| Endpoint { address: IpAddr::V4(Ipv4Addr::LOCALHOST), port };
        Calls::new((0, end(1), end(1688)), true)
    }

    /// An association with these contexts of volume activation proposed.
    fn proposed(contexts: &[(u16, &[SyntaxId])]) -> Association {
        let contexts: Vec<_> = contexts
            .iter()
            .map(|&(id, syntaxes)| PresentationContext {
                id,
                reserved: 0,
                abstract_syntax: SyntaxId::KMS,
                transfer_syntaxes: syntaxes.to_vec(),
            })
            .collect();
        let mut association = Association::default();
        let n_context_elem = u8::try_from(contexts.len()).expect("a few");
        association.bind(1, &Bind { n_context_elem, contexts, ..Bind::default() });
        association
    }

    fn accept(association: &mut Association, syntaxes: &[SyntaxId]) {
        let accepted = |&transfer_syntax| ResultElement { result: 0, reason: 0, transfer_syntax };
        let results: Vec<_> = syntaxes.iter().map(accepted).collect();
        let n_results = u8::try_from(results.len()).expect("a few");
        association.answer(1, &BindAck { n_results, results, ..BindAck::default() });
    }

    fn ask(calls: &mut Calls, context_id: u16, ndr: Ndr, association: &Association, out: &mut Exchanges) {
        let stub = RequestStub::of(&[0; 260], ndr).encode(Endianness::Little);
        let pdu = RequestPdu { context_id, opnum: 0, object: None, stub: &stub };
        let header = Header::new(PduType::REQUEST, 2);
        calls.request(&header, Some(pdu), None, span(Direction::ToServer, 1), association, out);
    }

    fn refuse(
        calls: &mut Calls,
        (direction, context_id, ndr): (Direction, u16, Ndr),
        hresult: u32,
        association: &Association,
        out: &mut Exchanges,
    ) {
        let stub = ResponseStub::refusal(hresult, ndr).encode(Endianness::Little);
        let pdu = AnswerPdu { context_id: Some(context_id), stub: &stub, fault: None };
        let header = Header::new(PduType::RESPONSE, 2);
        calls.answer(&header, &pdu, None, span(direction, 2), association, out);
    }

    fn hresult(exchange: &Exchange) -> Option<u32> {
        let Some(Answer::Response(response)) = &exchange.answer else { panic!("{:?}", exchange.answer) };
        response.stub.as_ref()?.hresult
    }

    #[test]
    fn a_call_that_did_not_wait_for_its_context_is_read_as_what_was_accepted_then() {
        // What is proposed first of context 1 is no transfer syntax.
        let mut association = proposed(&[(0, &[SyntaxId::NDR32]), (1, &[SyntaxId::KMS, SyntaxId::NDR64])]);
        let (mut calls, mut out) = (calls(), Exchanges::default());
        ask(&mut calls, 1, Ndr::Ndr64, &association, &mut out);
        accept(&mut association, &[SyntaxId::NDR32, SyntaxId::NDR64]);
        let answer = (Direction::ToClient, 1, Ndr::Ndr64);
        refuse(&mut calls, answer, 0xc004_f042, &association, &mut out);

        let [exchange] = &out.0[..] else { panic!("{} exchanges", out.0.len()) };
        assert_eq!(exchange.standing, ContextStanding::Unanswered, "when the call came");
        assert_eq!((exchange.ndr, exchange.ndr_basis), (Ndr::Ndr64, NdrBasis::Negotiated));
        let request = exchange.request.as_ref().expect("it was there");
        assert_eq!(request.stub.as_ref().map(|stub| stub.data_length), Some(260));
        assert_eq!(hresult(exchange), Some(0xc004_f042));
    }

    #[test]
    fn what_the_client_says_is_no_answer_to_the_client() {
        let mut association = proposed(&[(0, &[SyntaxId::NDR32])]);
        accept(&mut association, &[SyntaxId::NDR32]);
        let (mut calls, mut out) = (calls(), Exchanges::default());
        ask(&mut calls, 0, Ndr::Ndr32, &association, &mut out);
        refuse(&mut calls, (Direction::ToServer, 0, Ndr::Ndr32), 1, &association, &mut out);
        refuse(&mut calls, (Direction::ToClient, 0, Ndr::Ndr32), 0xc004_f042, &association, &mut out);
        calls.finish(&association, &mut out);

        let [exchange, said] = &out.0[..] else { panic!("{} exchanges", out.0.len()) };
        assert!(exchange.request.is_some());
        assert_eq!(hresult(exchange), Some(0xc004_f042));
        assert!(said.request.is_none());
        assert_eq!(hresult(said), Some(1));
    }
}
