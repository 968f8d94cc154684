use crate::capture::{
    Chunk, Comment, Conflict, Direction, End, FlowInfo, Gap, Handler, SHARDS, Stamp, shard_of,
};
use crate::kms::Verifier;
use crate::rpc::{Association, Body, Framed, Framer, Header, Pdu, PduType, SyntaxId};
use crate::wire::{Error, Hex};

use super::calls::{AnswerPdu, Calls, Out, RequestPdu};
use super::{ConnectionRecord, Exchange, FileRecord, Notice, NoticeKind, Summary};

/// Who is told what is in a capture.
///
/// Exchanges come when their answer does, or when their connection ends; everything else when it is known.
#[allow(unused_variables)]
pub trait Observer {
    /// The file's header was read.
    fn file(&mut self, file: &FileRecord<'_>) {}
    /// A PDU, or what stands in its place.
    fn pdu(&mut self, pdu: &PduRecord<'_>) {}
    /// A call of volume activation.
    fn exchange(&mut self, exchange: &Exchange) {}
    /// A connection has ended.
    fn connection(&mut self, connection: &ConnectionRecord) {}
    /// Something could not be read.
    fn notice(&mut self, notice: &Notice) {}
    /// Somebody has written a comment into the file.
    fn comment(&mut self, comment: &Comment) {}
    /// The file has ended.
    fn summary(&mut self, summary: &Summary) {}
    /// False once nothing more need be told (nobody reads on): the file is not read any further.
    fn wants_more(&self) -> bool {
        true
    }
}

impl<O: Observer> Observer for &mut O {
    fn file(&mut self, file: &FileRecord<'_>) {
        (**self).file(file);
    }

    fn pdu(&mut self, pdu: &PduRecord<'_>) {
        (**self).pdu(pdu);
    }

    fn exchange(&mut self, exchange: &Exchange) {
        (**self).exchange(exchange);
    }

    fn connection(&mut self, connection: &ConnectionRecord) {
        (**self).connection(connection);
    }

    fn notice(&mut self, notice: &Notice) {
        (**self).notice(notice);
    }

    fn comment(&mut self, comment: &Comment) {
        (**self).comment(comment);
    }

    fn summary(&mut self, summary: &Summary) {
        (**self).summary(summary);
    }

    fn wants_more(&self) -> bool {
        (**self).wants_more()
    }
}

/// A PDU of a stream, or what stands in its place.
#[derive(Debug)]
pub struct PduRecord<'a> {
    /// Number of the connection in its file.
    pub stream: u64,
    /// Its direction.
    pub direction: Direction,
    /// Offset in that direction's stream.
    pub offset: u64,
    /// The packet with the first byte.
    pub first: Stamp,
    /// The packet with the last byte.
    pub last: Stamp,
    /// What it is.
    pub content: PduContent<'a>,
}

/// What stands at a place of a stream.
#[derive(Debug)]
pub enum PduContent<'a> {
    /// A whole PDU.
    Whole {
        /// As far as it could be read.
        pdu: &'a Pdu<'a>,
        /// Its bytes.
        bytes: &'a [u8],
        /// Where reading stopped early.
        error: Option<&'a Error>,
    },
    /// A PDU's beginning.
    Cut {
        /// Its header, where that is there.
        header: Option<Header>,
        /// Its bytes.
        bytes: &'a [u8],
    },
    /// Bytes that are no PDU.
    Skipped {
        /// How many.
        length: u64,
        /// The first few.
        sample: &'a [u8],
    },
}

/// Makes exchanges of streams.
pub(super) struct Tracer<O> {
    pub(super) observer: O,
    pub(super) summary: Summary,
    /// The ports on which volume activation is expected.
    ports: Vec<u16>,
    /// Bytes of all connections of a shard that wait for more.
    held: [usize; SHARDS],
    /// One for all connections: they share the keys of a time.
    verifier: Verifier,
}

/// Bytes of all connections of a shard together that wait for more: PDUs that are not whole, requests without their
/// answer.
const MAX_HELD: usize = 4 << 20;

/// Overlaps with other bytes of a connection that are told one by one.
const MAX_CONFLICTS: u64 = 16;

/// What is kept of a connection.
pub(super) enum State {
    /// Nothing was sent yet.
    Fresh,
    /// It begins like DCE/RPC, or is on a port of volume activation.
    Followed(Box<Followed>),
    /// Something else.
    Ignored,
}

pub(super) struct Followed {
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
    /// True once something on a port that is none of volume activation's shows that it is no DCE/RPC.
    is_dismissed: bool,
}

impl Followed {
    /// Bytes that wait for more.
    fn held(&self) -> usize {
        self.framers.iter().map(Framer::held).sum::<usize>() + self.rest.calls.held()
    }
}

impl<O: Observer> Tracer<O> {
    pub(super) fn new(observer: O, ports: &[u16]) -> Self {
        Self {
            observer,
            summary: Summary::default(),
            ports: ports.to_vec(),
            held: [0; SHARDS],
            verifier: Verifier::default(),
        }
    }

    fn is_kms_port(&self, flow: &FlowInfo) -> bool {
        self.ports.contains(&flow.server.port) || self.ports.contains(&flow.client.port)
    }

    /// What becomes of a connection by its first bytes: where its port does not tell, they have to look like DCE/RPC.
    fn first_bytes(&self, flow: &FlowInfo, look_like_rpc: bool) -> State {
        let is_kms_port = self.is_kms_port(flow);
        if !is_kms_port && !look_like_rpc {
            return State::Ignored;
        }
        let is_whole = flow.syn.is_some() || flow.syn_ack.is_some();
        let framer = || if is_whole { Framer::default() } else { Framer::mid_stream() };
        State::Followed(Box::new(Followed {
            framers: [framer(), framer()],
            rest: Connection::new(flow, is_kms_port),
        }))
    }

    /// Lets go of all that a connection holds: it is the one that takes more than there is.
    fn give_up(&mut self, flow: &FlowInfo, followed: &mut Followed) {
        let shard = shard_of(flow.stream);
        self.held[shard] -= followed.held();
        let Followed { framers, rest } = followed;
        for (framer, direction) in framers.iter_mut().zip([Direction::ToServer, Direction::ToClient]) {
            let end = framer.end();
            framer.gap(end, &mut |framed| rest.framed(self, flow, direction, framed));
        }
        rest.cut_by_gap = None;
        rest.calls.finish(&rest.association, self);
        rest.calls.dropped += 1;
        self.held[shard] += followed.held();
    }

    pub(super) fn notice(&mut self, notice: &Notice) {
        self.summary.notices += 1;
        self.observer.notice(notice);
    }
}

impl<O: Observer> Handler for Tracer<O> {
    type State = State;

    fn open(&mut self, _: &FlowInfo) -> State {
        State::Fresh
    }

    fn data(&mut self, flow: &FlowInfo, state: &mut State, direction: Direction, chunk: Chunk<'_>) {
        if matches!(state, State::Fresh) {
            *state = self.first_bytes(flow, chunk.bytes.first() == Some(&5));
        }
        let State::Followed(followed) = state else { return };
        let held = followed.held();
        let Followed { framers, rest } = &mut **followed;
        framers[direction as usize].push(chunk.offset, chunk.bytes, chunk.stamp, &mut |framed| {
            rest.framed(self, flow, direction, framed);
        });
        let is_dismissed = rest.is_dismissed;
        let shard = shard_of(flow.stream);
        self.held[shard] = self.held[shard] + followed.held() - held;
        if self.held[shard] > MAX_HELD {
            self.give_up(flow, followed);
        }
        if is_dismissed {
            self.held[shard] -= followed.held();
            *state = State::Ignored;
        }
    }

    fn gap(&mut self, flow: &FlowInfo, state: &mut State, direction: Direction, gap: Gap) {
        if matches!(state, State::Fresh) {
            *state = self.first_bytes(flow, false);
        }
        let State::Followed(followed) = state else { return };
        let shard = shard_of(flow.stream);
        self.held[shard] -= followed.held();
        let Followed { framers, rest } = &mut **followed;
        rest.has_gaps = true;
        let length = gap.to - gap.from;
        let why = if gap.by_snap_length { "cut off by the snap length" } else { "not in the capture" };
        framers[direction as usize].gap(gap.to, &mut |framed| rest.framed(self, flow, direction, framed));
        let cut = match rest.cut_by_gap.take() {
            Some(header) => {
                let what = header.ptype.name().unwrap_or("unknown");
                format!(", the {what} PDU of call {} is cut", header.call_id)
            }
            None => String::new(),
        };
        self.notice(&Notice {
            needed: Some(length),
            got: Some(0),
            ..Notice::in_stream(
                NoticeKind::StreamGap,
                format!("gap: {length} bytes are {why}{cut}"),
                (flow.stream, direction, gap.from),
                gap.stamp.frame,
            )
        });
        self.held[shard] += followed.held();
    }

    fn conflict(&mut self, flow: &FlowInfo, state: &mut State, direction: Direction, conflict: Conflict<'_>) {
        if flow.conflicts[direction as usize] > MAX_CONFLICTS || !matches!(state, State::Followed(_)) {
            return;
        }
        let Conflict { offset, length, kept, other, stamp } = conflict;
        let last = if flow.conflicts[direction as usize] == MAX_CONFLICTS {
            "; more of them in this direction are counted, not told"
        } else {
            ""
        };
        let (kept, other) = (Hex(kept), Hex(other));
        self.notice(&Notice {
            got: Some(length),
            ..Notice::in_stream(
                NoticeKind::OverlapConflict,
                format!("overlap: {length} bytes came again and differ: kept {kept}, not {other}{last}"),
                (flow.stream, direction, offset),
                stamp.frame,
            )
        });
    }

    fn wants(&self, state: &State) -> bool {
        !matches!(state, State::Ignored)
    }

    fn close(&mut self, flow: &FlowInfo, state: State, end: End) {
        let mut followed = match state {
            State::Followed(followed) => followed,
            State::Fresh if self.is_kms_port(flow) => {
                self.connection(&ConnectionRecord {
                    flow: flow.clone(),
                    end,
                    pdus: [0; 2],
                    skipped: [0; 2],
                    cut: [0; 2],
                    has_gaps: false,
                    contexts: Vec::new(),
                    bind_nak: None,
                    is_bound: false,
                    is_kms: false,
                    exchanges: 0,
                    other_calls: 0,
                });
                return;
            }
            State::Fresh | State::Ignored => {
                self.summary.other_connections += 1;
                return;
            }
        };
        self.held[shard_of(flow.stream)] -= followed.held();
        let Followed { framers, rest } = &mut *followed;
        for (framer, direction) in framers.iter_mut().zip([Direction::ToServer, Direction::ToClient]) {
            framer.finish(&mut |framed| rest.framed(self, flow, direction, framed));
        }
        if rest.is_dismissed {
            self.summary.other_connections += 1;
            return;
        }
        rest.calls.finish(&rest.association, self);
        let dropped = rest.calls.dropped + u64::from(rest.association.dropped());
        if dropped > 0 {
            let message = format!("{dropped} calls, answers or contexts were given up to bound memory");
            self.notice(&Notice {
                frame: Some(flow.last.frame),
                stream: Some(flow.stream),
                ..Notice::new(NoticeKind::BoundReached, message)
            });
        }
        let proposes_kms =
            rest.association.contexts().iter().any(|context| context.interface.uuid == SyntaxId::KMS.uuid);
        let record = ConnectionRecord {
            flow: flow.clone(),
            end,
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
        };
        self.connection(&record);
    }
}

impl<O: Observer> Out for Tracer<O> {
    fn verifier(&mut self) -> &mut Verifier {
        &mut self.verifier
    }

    fn exchange(&mut self, exchange: Exchange) {
        self.summary.count(&exchange);
        self.observer.exchange(&exchange);
    }
}

impl<O: Observer> Tracer<O> {
    fn connection(&mut self, record: &ConnectionRecord) {
        self.summary.connections += 1;
        self.observer.connection(record);
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
                self.pdu(tracer, &pdu, error.as_ref(), (first, last));
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
                let last = flow.last;
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
                    let how = match (flow.reset, flow.fin[direction as usize]) {
                        (Some((who, stamp)), _) => {
                            let who = if who == Direction::ToServer { "client" } else { "server" };
                            format!("the connection was reset by the {who} in frame {}", stamp.frame)
                        }
                        (None, Some(stamp)) => format!("its sender closed in frame {}", stamp.frame),
                        (None, None) => format!("the capture shows no more behind frame {}", last.frame),
                    };
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

    fn pdu<O: Observer>(
        &mut self,
        tracer: &mut Tracer<O>,
        pdu: &Pdu<'_>,
        error: Option<&Error>,
        stamps: (Stamp, Stamp),
    ) {
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
                self.calls.request(header, Some(request), error, stamps, association, out);
            }
            Body::Response(response) => {
                let answer =
                    AnswerPdu { context_id: Some(response.context_id), stub: response.stub, fault: None };
                self.calls.answer(header, &answer, error, stamps, association, out);
            }
            Body::Fault(fault) => {
                let answer = AnswerPdu {
                    context_id: Some(fault.context_id),
                    stub: fault.stub,
                    fault: Some(Some(fault.status)),
                };
                self.calls.answer(header, &answer, error, stamps, association, out);
            }
            Body::Opaque => match header.ptype {
                PduType::REQUEST => {
                    self.calls.request(header, None, error, stamps, association, out);
                }
                PduType::RESPONSE => {
                    let answer = AnswerPdu { context_id: None, stub: &[], fault: None };
                    self.calls.answer(header, &answer, error, stamps, association, out);
                }
                PduType::FAULT => {
                    let answer = AnswerPdu { context_id: None, stub: &[], fault: Some(None) };
                    self.calls.answer(header, &answer, error, stamps, association, out);
                }
                _ => {}
            },
            Body::Auth3(_) | Body::Shutdown | Body::CoCancel | Body::Orphaned => {}
        }
    }
}

impl<O: Observer> Tracer<O> {
    fn pdu(&mut self, record: &PduRecord<'_>) {
        if matches!(record.content, PduContent::Whole { .. }) {
            self.summary.pdus += 1;
        }
        self.observer.pdu(record);
    }
}

/// What bytes that are no DCE/RPC look like, as the end of a clause; empty where nothing is known.
fn describe(sample: &[u8]) -> String {
    const METHODS: [&[u8]; 9] =
        [b"GET ", b"POST ", b"PUT ", b"HEAD ", b"OPTIONS ", b"CONNECT ", b"DELETE ", b"PATCH ", b"HTTP/"];
    let line = sample.split(|&b| b == b'\r' || b == b'\n').next().unwrap_or_default();
    if METHODS.iter().any(|method| sample.starts_with(method)) {
        format!(" but HTTP ({:?})", String::from_utf8_lossy(line))
    } else if let [0x14..=0x17, 3, 0..=4, ..] = sample {
        " but TLS".to_owned()
    } else if sample.starts_with(b"SSH-") {
        format!(" but SSH ({:?})", String::from_utf8_lossy(line))
    } else if sample.get(4..8) == Some(b"\xfeSMB") || sample.get(4..8) == Some(b"\xffSMB") {
        " but SMB".to_owned()
    } else {
        String::new()
    }
}
