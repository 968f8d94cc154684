//! The state of a connection: PDUs of both sides, in whatever order.

use std::net::{IpAddr, Ipv4Addr};

use smallvec::SmallVec;

use crate::capture::{Dialogue, Direction, Endpoint, Stamp};
use crate::conformance::{self, MAX_CALLS, MAX_PROPOSALS};
use crate::kms::{HostIdentity, Moment, Ndr, Policy, Responder, ResponseStub};
use crate::peer::{Answer, Session, Settings};
use crate::rpc::{
    Association, Body, Framed, Framer, HEADER_LEN, Header, Outcome, Pdu, PduType, PfcFlags, TransferSyntax,
};
use crate::trace::{
    self, ConnectionRecord, Exchange, Notice, Observer, Options, PduContent, PduRecord, trace_packets,
};
use crate::wire::{Endianness, FileTime, Random, Side};

use super::{Turn, is_turn};

/// A connection: what its two sides say in turns, and what its host is.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConnectionPlan<'a> {
    /// Bit 0: the host takes no NDR64; bit 1: it has a key for the products of the catalog only; bit 2: it is particular
    /// about the time; bit 3: what the plan has the server say is not said, and what the host answers is.
    pub host: u8,
    /// One less than the bytes that come at a time, where they come in pieces.
    pub part: u8,
    /// Steps, each behind a byte of which bit 0 says that it is the server's and bit 1 that its frag_length is set to its
    /// length, and behind its length, u16.
    pub steps: &'a [u8],
}

/// What a side says at a time.
#[derive(Clone, Debug)]
struct Step<'a> {
    direction: Direction,
    is_sized: bool,
    bytes: &'a [u8],
}

impl<'a> ConnectionPlan<'a> {
    /// Reads a seed; what its head lacks is zero.
    #[must_use]
    pub fn read(data: &'a [u8]) -> Self {
        let (head, steps) = data.split_at(data.len().min(2));
        let at = |i: usize| head.get(i).copied().unwrap_or(0);
        Self { host: at(0), part: at(1), steps }
    }

    /// The seed of these steps: of each whose it is, and its bytes.
    #[must_use]
    pub fn write(host: u8, part: u8, steps: &[(Side, &[u8])]) -> Vec<u8> {
        let mut seed = vec![host, part];
        for &(side, bytes) in steps {
            let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
            seed.push(u8::from(side == Side::Server));
            seed.extend(length.to_le_bytes());
            seed.extend(&bytes[..length.into()]);
        }
        seed
    }

    fn steps(&self) -> SmallVec<[Step<'a>; 16]> {
        let mut steps = SmallVec::new();
        let mut rest = self.steps;
        while let Some(([kind, low, high], behind)) = rest.split_first_chunk()
            && steps.len() < MAX_STEPS
        {
            let length = usize::from(u16::from_le_bytes([*low, *high]));
            let (bytes, behind) = behind.split_at(length.min(behind.len()));
            rest = behind;
            let direction = if kind & 1 == 0 { Direction::ToServer } else { Direction::ToClient };
            steps.push(Step { direction, is_sized: kind & 2 != 0, bytes });
        }
        steps
    }

    fn host_answers(&self) -> bool {
        self.host & 8 != 0
    }
}

/// Holds [`connection_of`] for the [`ConnectionPlan`] that the bytes are read as.
pub fn connection(data: &[u8]) {
    connection_of(&ConnectionPlan::read(data));
}

/// Holds that a right host answers whatever a client says with right PDUs or hangs up, that it answers the same in whatever
/// pieces it comes, that who looks on sees what both sides say and keeps within the bounds, and that what is traced of the
/// connection does not depend on its packets.
pub fn connection_of(plan: &ConnectionPlan<'_>) {
    let steps = plan.steps();
    let mut said = Vec::with_capacity(plan.steps.len());
    for step in &steps {
        let begin = said.len();
        said.extend_from_slice(step.bytes);
        if let Some(pdu) = said[begin..].get_mut(..HEADER_LEN).filter(|_| step.is_sized) {
            let length = u16::try_from(step.bytes.len()).expect("a step is no longer");
            // Byte 4 is drep's first.
            let bytes = if pdu[4] & 0xf0 == 0 { length.to_be_bytes() } else { length.to_le_bytes() };
            pdu[8..10].copy_from_slice(&bytes);
        }
    }
    let mut rest = &said[..];
    let steps: SmallVec<[Step<'_>; 16]> = steps
        .into_iter()
        .map(|step| {
            let (bytes, behind) = rest.split_at(step.bytes.len());
            rest = behind;
            Step { bytes, ..step }
        })
        .collect();

    let (answers, dialogue) = HOSTS.with(|hosts| {
        let host = &hosts[usize::from(plan.host % 8)];
        let mut watched = Watched::new(plan, host.session());
        for (number, step) in (1..).zip(&steps) {
            watched.take(number, step);
        }
        let watched = watched.finish();
        if Turn::of(plan.steps, 8).is(2..4) {
            let in_parts = in_parts(plan, host.session(), &steps);
            assert_eq!(in_parts, watched.0, "in parts, and whole");
        }
        watched
    });
    // A fuzzer holds that of `rules`: the program of this target is to be small, whose counters are looked through at every
    // input.
    if !cfg!(fuzzing) {
        let part = 1 + usize::from(plan.part);
        let told = traced_in_parts(&dialogue, part);
        if plan.host_answers() {
            let answered = |pdu: &Vec<u8>| pdu.get(2) == Some(&PduType::RESPONSE.0);
            let responses = answers.iter().flat_map(|answer| &answer.pdus).filter(|pdu| answered(pdu));
            assert_eq!(told.responses, responses.count(), "{told:?}");
        }
    }
}

/// A way to set up a host, and what its answers are made with.
struct Host {
    settings: Settings,
    responder: Responder,
}

thread_local! {
    /// Every way to set up a host that a plan can choose.
    static HOSTS: [Host; 8] = std::array::from_fn(|bits| {
        let takes_ndr64 = bits & 1 == 0;
        let mut policy = Policy { products: None, max_clock_skew: None, ..Policy::default() };
        if bits & 2 != 0 {
            policy.products = Settings::default().policy.products;
        }
        if bits & 4 != 0 {
            policy.max_clock_skew = Some(Policy::FOUR_HOURS);
        }
        let responder = Responder::new(HostIdentity::TEST, policy.clone());
        Host { settings: Settings { policy, takes_ndr64, ..Settings::default() }, responder }
    });
}

impl Host {
    fn session(&self) -> Session {
        Session::with_responder(&self.settings, self.responder.clone())
    }
}

/// What a host is asked its next question at.
fn moment(random: &mut Random) -> Moment {
    Moment { now: NOW, random: random.bytes() }
}

/// A host, and who looks on.
struct Watched<'a> {
    plan: &'a ConnectionPlan<'a>,
    session: Session,
    random: Random,
    /// What the host has said to each PDU, or to what stands in its place.
    answers: Vec<Answer>,
    /// Who looks on, where somebody does.
    watching: Option<Watching>,
    /// What both sides have said, where it is to be traced.
    dialogue: Vec<(Direction, Vec<u8>)>,
    is_traced: bool,
    framers: [Framer<Stamp>; 2],
}

/// Who looks on.
#[derive(Default)]
struct Watching {
    connection: conformance::Connection,
    association: Association,
}

impl<'a> Watched<'a> {
    fn new(plan: &'a ConnectionPlan<'a>, session: Session) -> Self {
        Self {
            plan,
            session,
            random: Random::new(0, "connection"),
            answers: Vec::new(),
            watching: Turn::of(plan.steps, 8).is(..2).then(Watching::default),
            dialogue: Vec::new(),
            is_traced: !cfg!(fuzzing),
            framers: [Framer::default(), Framer::default()],
        }
    }

    fn take(&mut self, number: u64, step: &Step<'_>) {
        let stamp = Stamp { frame: number, time: None };
        let Self { plan, session, random, answers, watching, dialogue, framers, is_traced } = self;
        let mut say = |direction, bytes: &[u8]| {
            if *is_traced {
                dialogue.push((direction, bytes.to_vec()));
            }
        };
        let [client, server] = framers;
        if step.direction == Direction::ToClient {
            if !plan.host_answers() {
                say(step.direction, step.bytes);
                if let Some(watching) = watching {
                    server.push(server.end(), step.bytes, stamp, &mut |framed| {
                        watching.see(Direction::ToClient, &framed);
                    });
                    assert!(server.held() <= MAX_HELD);
                }
            }
            return;
        }
        if answers.last().is_some_and(|answer| answer.closes) {
            return;
        }
        say(step.direction, step.bytes);
        client.push(client.end(), step.bytes, stamp, &mut |framed| {
            if let Some(watching) = watching.as_mut() {
                watching.see(Direction::ToServer, &framed);
            }
            let Some(answer) = answered(session, random, answers.last(), &framed) else { return };
            if plan.host_answers() {
                for pdu in &answer.pdus {
                    say(Direction::ToClient, pdu);
                    let Some(watching) = watching.as_mut() else { continue };
                    server.push(server.end(), pdu, stamp, &mut |framed| {
                        watching.see(Direction::ToClient, &framed);
                    });
                    assert_eq!(server.held(), 0, "the host's answer is not whole");
                }
            }
            let seen = watching.as_ref().filter(|_| plan.host_answers());
            right(&framed, &answer, seen.map(|watching| &watching.association));
            answers.push(answer);
        });
        assert!(client.held() <= MAX_HELD);
    }

    fn finish(mut self) -> (Vec<Answer>, Vec<(Direction, Vec<u8>)>) {
        let Self { session, random, answers, watching, framers: [client, server], plan, .. } = &mut self;
        client.finish(&mut |framed| {
            if let Some(watching) = watching.as_mut() {
                watching.see(Direction::ToServer, &framed);
            }
            if let Some(answer) = answered(session, random, answers.last(), &framed) {
                right(&framed, &answer, None);
                answers.push(answer);
            }
        });
        if let Some(watching) = watching {
            server.finish(&mut |framed| watching.see(Direction::ToClient, &framed));
            if is_turn(plan.steps, 16) {
                let contexts = watching.association.contexts();
                let ids: Vec<u16> = contexts.iter().map(|context| context.id).collect();
                for (i, id) in ids.iter().enumerate() {
                    assert!(!ids[..i].contains(id), "context {id} is there twice");
                    assert!(watching.association.context(*id).is_some());
                }
            }
        }
        (self.answers, self.dialogue)
    }
}

/// What a host says to what a framer hands out; `None` where it says nothing, because nothing is there yet or because it has
/// hung up.
fn answered(
    session: &mut Session,
    random: &mut Random,
    last: Option<&Answer>,
    framed: &Framed<'_, Stamp>,
) -> Option<Answer> {
    if last.is_some_and(|answer| answer.closes) {
        return None;
    }
    let bytes = match framed {
        Framed::Pdu { bytes, .. } => bytes,
        Framed::Skipped { sample, .. } => sample,
        Framed::Cut { .. } => return None,
    };
    Some(session.take(bytes, &moment(random)))
}

/// What a host says to all that its client says, a few bytes at a time.
fn in_parts(plan: &ConnectionPlan<'_>, mut session: Session, steps: &[Step<'_>]) -> Vec<Answer> {
    let mut random = Random::new(0, "connection");
    let mut answers = Vec::new();
    let mut framer = Framer::default();
    let stamp = Stamp { frame: 1, time: None };
    let mut out = |framed: Framed<'_, Stamp>| {
        answers.extend(answered(&mut session, &mut random, answers.last(), &framed));
    };
    let asked = steps.iter().filter(|step| step.direction == Direction::ToServer);
    let length: usize = asked.clone().map(|step| step.bytes.len()).sum();
    // In 64 parts at most: what comes in more costs time and shows nothing new.
    let part = (1 + usize::from(plan.part)).max(length / 64);
    for step in asked {
        for bytes in step.bytes.chunks(part) {
            framer.push(framer.end(), bytes, stamp, &mut out);
        }
    }
    framer.finish(&mut out);
    answers
}

impl Watching {
    fn see(&mut self, direction: Direction, framed: &Framed<'_, Stamp>) {
        let lax;
        let (offset, first, last, content) = match *framed {
            Framed::Pdu { offset, first, last, bytes } => {
                lax = Pdu::parse_lax(bytes).expect("what is framed has a header and its length");
                let (pdu, error) = &lax;
                (offset, first, last, PduContent::Whole { pdu, bytes, error: error.as_ref() })
            }
            Framed::Cut { offset, first, bytes, .. } => {
                (offset, first, first, PduContent::Cut { header: Header::parse(bytes).ok(), bytes })
            }
            Framed::Skipped { offset, length, first, sample, .. } => {
                (offset, first, first, PduContent::Skipped { length, sample })
            }
        };
        if let PduContent::Whole { pdu, error: None, .. } = &content {
            let call_id = pdu.header.call_id;
            match &pdu.body {
                Body::Bind(bind) => self.association.bind(call_id, bind),
                Body::AlterContext(alter) => self.association.alter_context(call_id, alter),
                Body::BindAck(ack) | Body::AlterContextResp(ack) => self.association.answer(call_id, ack),
                Body::BindNak(_) => self.association.refuse(call_id),
                _ => {}
            }
        }
        self.connection.take(&PduRecord { stream: 0, direction, offset, first, last, content });
        let conformance::Connection { proposals, calls, .. } = &self.connection;
        assert!(proposals.len() <= MAX_PROPOSALS && calls.len() <= MAX_CALLS);
        assert!(self.association.contexts().len() <= Association::MAX_CONTEXTS);
    }
}

/// Holds that an answer is one right PDU, or none where none is due; `seen` is what who looks on knows of the contexts
/// behind it.
fn right(asked: &Framed<'_, Stamp>, answer: &Answer, seen: Option<&Association>) {
    let asked = match asked {
        Framed::Pdu { bytes, .. } => Pdu::parse(bytes).ok(),
        _ => None,
    };
    let [bytes] = &answer.pdus[..] else {
        assert!(answer.pdus.is_empty(), "{answer:?}");
        let is_due = match asked {
            Some(asked) => match asked.body {
                Body::Request(_) => asked.header.flags.has(PfcFlags::LAST),
                _ => !matches!(asked.header.ptype, PduType::CO_CANCEL | PduType::ORPHANED),
            },
            None => !answer.closes,
        };
        assert!(!is_due, "the host says nothing");
        return;
    };
    let pdu = Pdu::parse(bytes).expect("a host's PDU is right");
    assert_eq!(usize::from(pdu.header.frag_length), bytes.len());
    assert!(pdu.header.flags.has(PfcFlags::FIRST) && pdu.header.flags.has(PfcFlags::LAST), "{pdu:?}");
    assert!(pdu.rest.is_empty() && pdu.auth.is_none(), "{pdu:?}");
    if answer.closes {
        assert!(matches!(pdu.body, Body::Fault(_) | Body::BindNak(_)), "{pdu:?} ends the connection");
    }
    let Some(asked) = asked else { return };
    assert_eq!(pdu.header.call_id, asked.header.call_id);
    match (&asked.body, &pdu.body) {
        (Body::Bind(bind), Body::BindAck(ack)) | (Body::AlterContext(bind), Body::AlterContextResp(ack)) => {
            assert_eq!(ack.results.len(), bind.contexts.len());
        }
        (Body::Bind(_), Body::BindNak(_)) | (_, Body::Fault(_)) => {}
        (Body::Request(_), Body::Response(response)) => {
            assert!(bytes.len() <= Session::MIN_FRAGMENT.into());
            let outcome = seen.and_then(|seen| seen.context(response.context_id)).map(|known| known.outcome);
            let ndrs: &[Ndr] = match outcome {
                Some(Outcome::Accepted(TransferSyntax::Ndr32)) => &[Ndr::Ndr32],
                Some(Outcome::Accepted(TransferSyntax::Ndr64)) => &[Ndr::Ndr64],
                _ if seen.is_some() => panic!("context {} was not accepted", response.context_id),
                _ => &[Ndr::Ndr32, Ndr::Ndr64],
            };
            let is_whole = |ndr: &Ndr| {
                let stub = ResponseStub::parse(response.stub, *ndr, Endianness::Little);
                stub.is_ok_and(|stub| stub.hresult.is_some() && stub.excess.is_empty() && stub.missing() == 0)
            };
            assert!(ndrs.iter().any(is_whole), "{response:?} is no response's stub");
        }
        _ => panic!("{pdu:?} answers {asked:?}"),
    }
}

/// Holds that what is traced of a connection does not depend on its packets; what that is.
pub(super) fn traced_in_parts<B: AsRef<[u8]>>(dialogue: &[(Direction, B)], part: usize) -> Told {
    let whole = traced(dialogue, usize::MAX);
    assert_eq!(traced(dialogue, part), whole, "in small packets, and in large");
    whole
}

/// What is traced of a connection whose packets have this payload at most, as far as it does not depend on its packets.
fn traced<B: AsRef<[u8]>>(dialogue: &[(Direction, B)], part: usize) -> Told {
    let side = |port| Endpoint { address: IpAddr::V4(Ipv4Addr::LOCALHOST), port };
    let mut packets = Dialogue::new(side(50_000), side(1688), 0);
    for (time, (direction, bytes)) in (1..).zip(dialogue) {
        for bytes in bytes.as_ref().chunks(part) {
            packets.send(*direction, time, bytes);
        }
    }
    let dialogues = [packets];
    let mut told = Told::default();
    let summary = trace_packets(&mut Dialogue::packets(&dialogues), &Options::default(), &mut told);
    assert_eq!(summary.connections, 1);
    assert_eq!(summary.exchanges, told.exchanges.len() as u64);
    told
}

/// What an observer is told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Of each exchange its call, how it ended, and the bytes of its stubs.
    exchanges: Vec<(u32, trace::Outcome, usize, usize)>,
    responses: usize,
    /// PDUs, skipped bytes and cut PDUs of both sides.
    counts: Vec<[[u64; 2]; 3]>,
    notices: usize,
}

impl Observer for Told {
    fn exchange(&mut self, exchange: &Exchange) {
        let asked = exchange.request.as_ref().map_or(0, |request| request.bytes.len());
        let answered = match &exchange.answer {
            Some(trace::Answer::Response(response)) => {
                // What a client says as if it were a host is told as well.
                self.responses += usize::from(response.span.direction == Direction::ToClient);
                response.bytes.len()
            }
            _ => 0,
        };
        self.exchanges.push((exchange.call_id, exchange.outcome(), asked, answered));
    }

    fn connection(&mut self, connection: &ConnectionRecord) {
        self.counts.push([connection.pdus, connection.skipped, connection.cut]);
    }

    fn notice(&mut self, _: &Notice) {
        self.notices += 1;
    }
}

/// Steps of a plan that are taken.
const MAX_STEPS: usize = 64;
/// Bytes that a framer holds at most: a PDU.
const MAX_HELD: usize = u16::MAX as usize;
/// A moment near those of the recordings.
const NOW: FileTime = FileTime(134_397_673_530_000_000);
