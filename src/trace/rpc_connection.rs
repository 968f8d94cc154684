use crate::capture::{Chunk, Direction, End, FlowInfo, Gap, Stamp};
use crate::rpc::{Association, Body, Framed, Framer, Header, Pdu, PduType, SyntaxId};
use crate::wire::Error;

use super::calls::{AnswerPdu, Calls, RequestPdu};
use super::tracer::Tracer;
use super::{ConnectionRecord, Notice, NoticeKind, Observer, PduContent, PduRecord, Span};

/// A connection that is read as DCE/RPC.
pub(super) struct RpcConnection {
    framers: [Framer<Stamp>; 2],
    rest: Connection,
}

struct Connection {
    association: Association,
    calls: Calls,
    pdus: [u64; 2],
    skipped: [u64; 2],
    cut: [u64; 2],
    /// The header of the PDU that the last gap cut.
    cut_by_gap: Option<Header>,
    has_gaps: bool,
    bind_nak: Option<u16>,
    is_bound: bool,
    is_kms_port: bool,
    /// What bytes that are no DCE/RPC look like.
    other_protocol: Option<&'static str>,
    /// True once something on a port that is none of volume activation's shows that it is no DCE/RPC.
    is_dismissed: bool,
}

const DIRECTIONS: [Direction; 2] = [Direction::ToServer, Direction::ToClient];

impl RpcConnection {
    pub(super) fn new(flow: &FlowInfo, is_kms_port: bool) -> Self {
        let is_whole = flow.syn.is_some() || flow.syn_ack.is_some();
        let framer = || if is_whole { Framer::default() } else { Framer::mid_stream() };
        Self { framers: [framer(), framer()], rest: Connection::new(flow, is_kms_port) }
    }

    /// Bytes that wait for more.
    pub(super) fn held(&self) -> usize {
        self.framers.iter().map(Framer::held).sum::<usize>() + self.rest.calls.held()
    }

    /// True once it has shown that it is none.
    pub(super) fn is_dismissed(&self) -> bool {
        self.rest.is_dismissed
    }

    pub(super) fn data<O: Observer>(
        &mut self,
        tracer: &mut Tracer<O>,
        flow: &FlowInfo,
        direction: Direction,
        chunk: Chunk<'_>,
    ) {
        let Self { framers, rest } = self;
        framers[direction as usize].push(chunk.offset, chunk.bytes, chunk.stamp, &mut |framed| {
            rest.framed(tracer, flow, direction, framed);
        });
    }

    /// Passes over a gap; what it cuts, as the end of a sentence.
    pub(super) fn gap<O: Observer>(
        &mut self,
        tracer: &mut Tracer<O>,
        flow: &FlowInfo,
        direction: Direction,
        gap: Gap,
    ) -> String {
        let Self { framers, rest } = self;
        rest.has_gaps = true;
        framers[direction as usize].gap(gap.to, &mut |framed| rest.framed(tracer, flow, direction, framed));
        match rest.cut_by_gap.take() {
            Some(header) => {
                let what = header.ptype.name().unwrap_or("unknown");
                format!(", the {what} PDU of call {} is cut", header.call_id)
            }
            None => String::new(),
        }
    }

    /// Lets go of all that is held.
    pub(super) fn give_up<O: Observer>(&mut self, tracer: &mut Tracer<O>, flow: &FlowInfo) {
        let Self { framers, rest } = self;
        for (framer, direction) in framers.iter_mut().zip(DIRECTIONS) {
            let end = framer.end();
            framer.gap(end, &mut |framed| rest.framed(tracer, flow, direction, framed));
        }
        rest.cut_by_gap = None;
        rest.calls.finish(&rest.association, tracer);
        rest.calls.dropped += 1;
    }

    /// The connection's record; `None` where it has turned out to be no DCE/RPC.
    pub(super) fn close<O: Observer>(
        mut self,
        tracer: &mut Tracer<O>,
        flow: &FlowInfo,
        end: End,
    ) -> Option<ConnectionRecord> {
        let Self { framers, rest } = &mut self;
        for (framer, direction) in framers.iter_mut().zip(DIRECTIONS) {
            framer.finish(&mut |framed| rest.framed(tracer, flow, direction, framed));
        }
        if rest.is_dismissed {
            return None;
        }
        rest.calls.finish(&rest.association, tracer);
        let dropped = rest.calls.dropped + u64::from(rest.association.dropped());
        if dropped > 0 {
            let message = format!("{dropped} calls, answers or contexts were given up to bound memory");
            tracer.notice(&Notice {
                frame: Some(flow.last.frame),
                stream: Some(flow.stream),
                ..Notice::new(NoticeKind::BoundReached, message)
            });
        }
        let proposes_kms =
            rest.association.contexts().iter().any(|context| context.interface.uuid == SyntaxId::KMS.uuid);
        Some(ConnectionRecord {
            pdus: rest.pdus,
            skipped: rest.skipped,
            cut: rest.cut,
            has_gaps: rest.has_gaps,
            contexts: rest.association.contexts().to_vec(),
            bind_nak: rest.bind_nak,
            is_bound: rest.is_bound,
            is_kms: proposes_kms || rest.calls.exchanges > 0,
            exchanges: rest.calls.exchanges,
            other_calls: rest.calls.other_calls,
            other_protocol: rest.other_protocol,
            ..ConnectionRecord::silent(flow, end)
        })
    }
}

impl Connection {
    fn new(flow: &FlowInfo, is_kms_port: bool) -> Self {
        Self {
            association: Association::default(),
            calls: Calls::new((flow.stream, flow.client, flow.server), is_kms_port),
            pdus: [0; 2],
            skipped: [0; 2],
            cut: [0; 2],
            cut_by_gap: None,
            has_gaps: false,
            bind_nak: None,
            is_bound: false,
            is_kms_port,
            other_protocol: None,
            is_dismissed: false,
        }
    }

    fn framed<O: Observer>(
        &mut self,
        tracer: &mut Tracer<O>,
        flow: &FlowInfo,
        direction: Direction,
        framed: Framed<'_, Stamp>,
    ) {
        if self.is_dismissed {
            return;
        }
        let is_first_seen = self.pdus == [0; 2];
        match framed {
            Framed::Pdu { offset, first, last, bytes } => {
                let Ok((pdu, error)) = Pdu::parse_lax(bytes) else { return };
                if is_first_seen && !self.is_kms_port && !pdu.header.is_plausible() {
                    self.is_dismissed = true;
                    return;
                }
                self.pdus[direction as usize] += 1;
                let content = PduContent::Whole { pdu: &pdu, bytes, error: error.as_ref() };
                tracer.pdu(&PduRecord { stream: flow.stream, direction, offset, first, last, content });
                if let Some(error) = &error {
                    tracer.notice(&Notice {
                        needed: error.needed(),
                        got: error.got(),
                        ..Notice::in_stream(
                            NoticeKind::MalformedPdu,
                            error.to_string(),
                            (flow.stream, direction, offset),
                            last.frame,
                        )
                    });
                }
                let span = Span { direction, offset, first, last, fragments: 1, complete: false };
                self.pdu(tracer, &pdu, error.as_ref(), span);
            }
            Framed::Cut { offset, first, bytes, by_gap } => {
                let header = Header::parse(bytes).ok();
                if is_first_seen && !self.is_kms_port && !header.is_some_and(|header| header.is_plausible()) {
                    self.is_dismissed = true;
                    return;
                }
                self.cut[direction as usize] += 1;
                self.cut_by_gap = header.filter(|_| by_gap);
                let content = PduContent::Cut { header, bytes };
                tracer.pdu(&PduRecord {
                    stream: flow.stream,
                    direction,
                    offset,
                    first,
                    last: first,
                    content,
                });
                if !by_gap {
                    let needed = header.map_or(16, |header| u64::from(header.frag_length));
                    let got = bytes.len() as u64;
                    let what = header.and_then(|header| header.ptype.name()).unwrap_or("PDU header");
                    let how = how_it_ended(flow, direction);
                    tracer.notice(&Notice {
                        needed: Some(needed),
                        got: Some(got),
                        ..Notice::in_stream(
                            NoticeKind::PduCut,
                            format!("{what} cut: needed {needed} bytes, got {got}; {how}"),
                            (flow.stream, direction, offset),
                            first.frame,
                        )
                    });
                }
            }
            Framed::Skipped { offset, length, first, sample, error } => {
                if is_first_seen && !self.is_kms_port {
                    self.is_dismissed = true;
                    return;
                }
                // Where neither side speaks DCE/RPC, one complaint is enough.
                let told = is_first_seen && self.skipped != [0; 2];
                self.skipped[direction as usize] += length;
                let content = PduContent::Skipped { length, sample };
                tracer.pdu(&PduRecord {
                    stream: flow.stream,
                    direction,
                    offset,
                    first,
                    last: first,
                    content,
                });
                self.other_protocol = self.other_protocol.or(protocol_of(sample));
                if !told {
                    let looks_like = describe(sample);
                    tracer.notice(&Notice {
                        got: Some(length),
                        ..Notice::in_stream(
                            NoticeKind::NotRpc,
                            format!("{length} bytes are no DCE/RPC{looks_like}: {error}"),
                            (flow.stream, direction, offset),
                            first.frame,
                        )
                    });
                }
            }
        }
    }

    fn pdu<O: Observer>(&mut self, tracer: &mut Tracer<O>, pdu: &Pdu<'_>, error: Option<&Error>, span: Span) {
        let header = &pdu.header;
        let association = &mut self.association;
        let out = tracer;
        match &pdu.body {
            Body::Bind(bind) => association.bind(header.call_id, bind),
            Body::AlterContext(alter) => association.alter_context(header.call_id, alter),
            Body::BindAck(ack) | Body::AlterContextResp(ack) => {
                self.is_bound = true;
                association.answer(header.call_id, ack);
            }
            Body::BindNak(nak) => {
                self.bind_nak = Some(nak.reject_reason);
                association.refuse(header.call_id);
            }
            Body::Request(request) => {
                let request = RequestPdu {
                    context_id: request.context_id,
                    opnum: request.opnum,
                    object: request.object,
                    stub: request.stub,
                };
                self.calls.request(header, Some(request), error, span, association, out);
            }
            Body::Response(response) => {
                let answer =
                    AnswerPdu { context_id: Some(response.context_id), stub: response.stub, fault: None };
                self.calls.answer(header, &answer, error, span, association, out);
            }
            Body::Fault(fault) => {
                let answer = AnswerPdu {
                    context_id: Some(fault.context_id),
                    stub: fault.stub,
                    fault: Some(Some(fault.status)),
                };
                self.calls.answer(header, &answer, error, span, association, out);
            }
            Body::Opaque => match header.ptype {
                PduType::REQUEST => {
                    self.calls.request(header, None, error, span, association, out);
                }
                PduType::RESPONSE => {
                    let answer = AnswerPdu { context_id: None, stub: &[], fault: None };
                    self.calls.answer(header, &answer, error, span, association, out);
                }
                PduType::FAULT => {
                    let answer = AnswerPdu { context_id: None, stub: &[], fault: Some(None) };
                    self.calls.answer(header, &answer, error, span, association, out);
                }
                _ => {}
            },
            Body::Auth3(_) | Body::Shutdown | Body::CoCancel | Body::Orphaned => {}
        }
    }
}

/// Why a direction has no more, as the end of a sentence.
pub(super) fn how_it_ended(flow: &FlowInfo, direction: Direction) -> String {
    match (flow.reset, flow.fin[direction as usize]) {
        (Some((who, stamp)), _) => {
            let who = if who == Direction::ToServer { "client" } else { "server" };
            format!("the connection was reset by the {who} in frame {}", stamp.frame)
        }
        (None, Some(stamp)) => format!("its sender closed in frame {}", stamp.frame),
        (None, None) => format!("the capture shows no more behind frame {}", flow.last.frame),
    }
}

/// The protocol that bytes look like that are no DCE/RPC.
fn protocol_of(sample: &[u8]) -> Option<&'static str> {
    const METHODS: [&[u8]; 9] =
        [b"GET ", b"POST ", b"PUT ", b"HEAD ", b"OPTIONS ", b"CONNECT ", b"DELETE ", b"PATCH ", b"HTTP/"];
    if METHODS.iter().any(|method| sample.starts_with(method)) {
        Some("HTTP")
    } else if let [0x14..=0x17, 3, 0..=4, ..] = sample {
        Some("TLS")
    } else if sample.starts_with(b"SSH-") {
        Some("SSH")
    } else if sample.get(4..8) == Some(b"\xfeSMB") || sample.get(4..8) == Some(b"\xffSMB") {
        Some("SMB")
    } else {
        None
    }
}

/// That, as the end of a clause, with the line of those that begin with one; empty where nothing is known.
fn describe(sample: &[u8]) -> String {
    let line = sample.split(|&b| b == b'\r' || b == b'\n').next().unwrap_or_default();
    match protocol_of(sample) {
        Some(name @ ("HTTP" | "SSH")) => format!(" but {name} ({:?})", String::from_utf8_lossy(line)),
        Some(name) => format!(" but {name}"),
        None => String::new(),
    }
}
