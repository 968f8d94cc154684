use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::slice;

use crate::capture::{Dialogue, Direction};
use crate::conformance::{Level, TranscriptLine};
use crate::kms::{Ndr, ResponseMessage, ResponseStub};
use crate::peer::fuzz::target::{Outcome, Shown, Sign, Target};
use crate::rpc::{Body, Pdu};
use crate::trace::{self, Observer, PduContent, PduRecord};
use crate::wire::Random;

use super::drive::Driver;
use super::plan::Plan;
use super::right::{Contexts, Heard};
use super::{HostTarget, number};

/// Two hosts that are done the same to: what they do about it differently is found.
///
/// What a host is free to choose is not compared: association groups, salts and IVs, its identity, its counts and
/// intervals, when it ends a connection behind its answers.
#[derive(Debug)]
pub struct HostPair {
    first: HostTarget,
    other: HostTarget,
}

/// What a host says, as far as two have to say the same.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    heard: Heard,
    /// What of it is determined: the results of a bind_ack, the version of a response.
    detail: String,
}

impl HostPair {
    /// Two hosts that are there.
    #[must_use]
    pub fn new(first: HostTarget, other: HostTarget) -> Self {
        Self { first, other }
    }

    fn judged(&self, plan: &Plan, known: &BTreeSet<String>, is_alone: bool) -> Shown {
        let done = |target| {
            let nothing = BTreeSet::new();
            let driver = Driver::new(target, slice::from_ref(plan), &nothing, is_alone).keeping();
            driver.run()
        };
        let (mut shown, other) = (done(&self.first), done(&self.other));
        let stopped = [&shown, &other].map(|shown| shown.outcome.stops);
        let crashes = |shown: &Shown, whose: &str| -> Vec<Sign> {
            let gone = shown.outcome.signs.iter().filter(|sign| sign.id == "CRASH");
            gone.map(|sign| Sign { message: format!("{whose}: {}", sign.message), ..sign.clone() }).collect()
        };
        let mut signs = crashes(&shown, "the first");
        signs.extend(crashes(&other, "the other"));
        if !stopped.contains(&true) {
            let [one, two] = [(&self.first, &shown), (&self.other, &other)]
                .map(|(target, shown)| target.said(&shown.dialogues));
            signs.extend(differs(&one, &two, || self.first.said(&self.first.rightly(plan))));
        }
        signs.retain(|sign| !known.contains(&sign.id));
        let outcome = &mut shown.outcome;
        outcome.signs = signs;
        outcome.stops = stopped.contains(&true);
        // A connection of one case is none of the next one's.
        outcome.shares = false;
        outcome.features.extend(other.outcome.features.iter().map(|feature| number(&[40, *feature])));
        outcome.ruled.join(&other.outcome.ruled);
        if is_alone {
            shown
                .transcript
                .push(TranscriptLine { what: "the other host".to_owned(), ..TranscriptLine::default() });
            shown.transcript.extend(other.transcript);
            shown.dialogues.extend(other.dialogues);
        }
        shown
    }
}

/// The first thing that two hosts say differently.
fn differs(one: &[Said], two: &[Said], right: impl FnOnce() -> Vec<Said>) -> Option<Sign> {
    let count = one.len().max(two.len());
    let at = (0..count).find(|&at| one.get(at) != two.get(at))?;
    let words = |said: Option<&Said>| said.map_or("NOTHING", |said| said.heard.id());
    let (first, other) = (one.get(at), two.get(at));
    let right = right();
    let right = right.get(at);
    let whose = match (first == right, other == right) {
        (true, _) => "a right one says what the first does",
        (_, true) => "a right one says what the other does",
        _ => "a right one says neither",
    };
    let told = |said: Option<&Said>| said.map_or_else(|| "nothing".to_owned(), Said::to_string);
    let message = format!(
        "answer {} of the first is {}, and of the other {}; {whose} ({})",
        at + 1,
        told(first),
        told(other),
        told(right)
    );
    let id = format!("DIVERGES-{}-{}", words(first), words(other));
    let sign = Sign::new(id, "both hosts answer the same", message).at(Level::Should).coarse().doubtful();
    Some(Sign { authority: "volact: the other host, and what a right one does".to_owned(), ..sign })
}

impl HostTarget {
    /// What a host has said on these connections.
    fn said(&self, dialogues: &[Dialogue]) -> Vec<Said> {
        let mut ears = Ears::default();
        trace::trace_packets(&mut Dialogue::packets(dialogues), &self.traced, &mut ears);
        ears.streams.into_values().flat_map(|(_, said)| said).collect()
    }
}

/// Each connection's contexts, and what was said on it.
#[derive(Default)]
struct Ears {
    streams: BTreeMap<u64, (Contexts, Vec<Said>)>,
}

impl Observer for Ears {
    fn pdu(&mut self, pdu: &PduRecord<'_>) {
        let PduContent::Whole { bytes, .. } = &pdu.content else { return };
        let (contexts, said) = self.streams.entry(pdu.stream).or_default();
        if pdu.direction == Direction::ToServer {
            contexts.propose(bytes);
        } else if let Some(heard) = contexts.hear(bytes) {
            let detail = detail(heard, bytes, contexts);
            said.push(Said { heard, detail });
        }
    }
}

fn detail(heard: Heard, bytes: &[u8], contexts: &Contexts) -> String {
    let Ok(pdu) = Pdu::parse(bytes) else { return String::new() };
    match (&pdu.body, heard) {
        (Body::BindAck(ack) | Body::AlterContextResp(ack), _) => {
            let results = ack.results.iter();
            let results = results
                .map(|result| format!("{} {} {}", result.result, result.reason, result.transfer_syntax.uuid));
            results.collect::<Vec<_>>().join(", ")
        }
        (Body::Response(response), Heard::Activation) => {
            let ndr = contexts.ndr(response.context_id).unwrap_or(Ndr::Ndr32);
            let stub = ResponseStub::parse(response.stub, ndr, pdu.header.drep.endianness());
            let version = stub
                .ok()
                .and_then(|stub| ResponseMessage::decode(stub.data).body().map(|body| body.version.0));
            version
                .map_or_else(String::new, |version| format!("version {}.{}", version >> 16, version & 0xffff))
        }
        _ => String::new(),
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.heard.fmt(f)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, " ({})", self.detail) }
    }
}

impl Target for HostPair {
    type Plan = Plan;

    fn name(&self) -> &'static str {
        "host"
    }

    fn batch(&self) -> usize {
        self.first.batch()
    }

    fn make(&self, random: &mut Random, corpus: &[Plan]) -> Plan {
        self.first.make(random, corpus)
    }

    fn run(&self, plans: &[Plan], known: &BTreeSet<String>) -> Vec<Outcome> {
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(plans.len());
        for plan in plans {
            outcomes.push(self.judged(plan, known, false).outcome);
            if outcomes.last().is_some_and(|outcome| outcome.stops) {
                break;
            }
        }
        outcomes
    }

    fn alone(&self, plan: &Plan) -> Shown {
        let shown = self.judged(plan, &BTreeSet::new(), true);
        if shown.outcome.stops {
            // What was done next would be told of nobody.
            let _ = self.restart();
        }
        shown
    }

    fn joined(&self, _: &[Plan]) -> Option<Plan> {
        None
    }

    fn simpler(&self, plan: &Plan, sign: &Sign) -> Vec<Plan> {
        self.first.simpler(plan, sign)
    }

    fn essence(&self, plan: &Plan) -> String {
        self.first.essence(plan)
    }

    fn is_alive(&self) -> Result<(), Sign> {
        self.first.is_alive().and_then(|()| self.other.is_alive())
    }

    fn restart(&self) -> Result<(), String> {
        self.first.restart().and_then(|()| self.other.restart())
    }

    fn memory(&self) -> Option<u64> {
        self.first.memory()
    }
}
