//! A KMS host is fuzzed: cases are sequences of PDUs from a client, right ones and changed ones.
//!
//! A case begins on a new connection or on one that is bound, and is [`Plan`]ned before anything is sent: what the host
//! does never changes what the client says next. Each answer is held against what [`crate::peer::Session`], a right host,
//! does about the same bytes, and each connection against the rules of conformance. A rule that even the right host breaks
//! about the same bytes says nothing there: what was sent makes it meaningless.

mod drive;
mod make;
mod pair;
mod plan;
mod right;
mod smaller;

pub use pair::HostPair;
pub use plan::{Begins, NOMINAL_TIME, Plan, Step, Unit, prepared};

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::SocketAddr;
use std::slice;
use std::sync::atomic::AtomicU32;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::capture::{Dialogue, Direction, Endpoint};
use crate::conformance::{Judge, Level, Rule, Subject, rules};
use crate::kms::Ndr;
use crate::peer::host_test::{self, Offer};
use crate::peer::line::{nanoseconds, now};
use crate::peer::{Gone, Line, Received, Settings};
use crate::rpc::PduType;
use crate::trace;
use crate::wire::{Random, Side};

use super::target::{Outcome, Shown, Sign, Target};
use super::watched::Watched;
use drive::{Driver, crash, dying};
use right::{Contexts, Heard, Right};

/// A host that is fuzzed.
#[derive(Debug)]
pub struct HostTarget {
    address: SocketAddr,
    timeout: Duration,
    leaves_traces: bool,
    watched: Watched,
    /// How the right host is set up that it is held against.
    settings: Settings,
    /// The rules that it is judged by, with their places among all.
    rules: Vec<(usize, &'static Rule)>,
    traced: trace::Options,
    /// How often it has not ended a connection that was ended towards it.
    lingers: AtomicU32,
    /// How often it was silent where these answers were due: how long is waited for them, and nothing else, follows from it.
    silences: Mutex<BTreeMap<u64, u32>>,
}

/// Breaches of a rule on one connection that are looked at.
const BREACHES: usize = 4;
/// Answers of which it is known how often they did not come.
const MAX_SILENCES: usize = 256;
/// Times that an answer does not come until it is not waited for any more as long.
const SILENCES: u32 = 4;
/// Cases that may share a connection.
const BATCH: usize = 16;
/// How long a program may take to be a host, once it is started.
const START: Duration = Duration::from_secs(10);
/// Steps of a plan that is made of several.
const MAX_STEPS: usize = 256;

impl HostTarget {
    /// A host that is there. Whether it takes NDR64 is asked of it now: cases depend on it.
    ///
    /// # Errors
    /// It is not there, or does not do an ordinary activation.
    pub fn new(
        address: SocketAddr,
        timeout: Duration,
        leaves_traces: bool,
        watched: Watched,
    ) -> Result<Self, String> {
        let is_about_kms = |rule: &&'static Rule| {
            matches!(
                rule.subject,
                Subject::Pdu(_)
                    | Subject::Negotiation(_)
                    | Subject::Fault(_)
                    | Subject::Connection(_)
                    | Subject::Exchange(_)
                    | Subject::Host(_)
            ) && rule.level <= Level::Should
        };
        let rules = rules().enumerate().filter(|(_, rule)| is_about_kms(rule)).collect();
        let traced = trace::Options { ports: vec![address.port()], ..trace::Options::default() };
        let mut target = Self {
            address,
            timeout,
            leaves_traces,
            watched,
            settings: Settings { port: address.port(), ..Settings::default() },
            rules,
            traced,
            lingers: AtomicU32::new(0),
            silences: Mutex::default(),
        };
        target.wait_until_alive(if target.watched.is_ours() { START } else { Duration::ZERO })?;
        target.settings.takes_ndr64 = target.takes_ndr64();
        Ok(target)
    }

    /// True where the host takes NDR64.
    fn takes_ndr64(&self) -> bool {
        let Ok(mut line) = Line::connect(self.address, self.timeout) else { return false };
        let Ok(bind) = Offer::only(Ndr::Ndr64).pdu(PduType::BIND, 1) else { return false };
        let mut contexts = Contexts::default();
        contexts.propose(&bind);
        let _ = line.send(&bind);
        let Received::Pdu(ack) = line.receive(self.timeout) else { return false };
        contexts.hear(&ack) == Some(Heard::Ack) && contexts.ndr(0) == Some(Ndr::Ndr64)
    }

    /// Takes note that an answer did not come in time.
    fn was_silent(&self, heard: u64) {
        let mut silences = self.silences.lock().unwrap_or_else(PoisonError::into_inner);
        if silences.len() < MAX_SILENCES || silences.contains_key(&heard) {
            *silences.entry(heard).or_default() += 1;
        }
    }

    /// True where this answer has often not come in time.
    fn is_often_silent(&self, heard: u64) -> bool {
        let silences = self.silences.lock().unwrap_or_else(PoisonError::into_inner);
        silences.get(&heard).is_some_and(|count| *count >= SILENCES)
    }

    fn wait_until_alive(&self, patience: Duration) -> Result<(), String> {
        let until = Instant::now() + patience;
        loop {
            match self.is_alive() {
                Ok(()) => return Ok(()),
                Err(sign) if Instant::now() >= until => return Err(sign.message),
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// How the process has ended, where one is watched; one that is about to is waited for.
    fn gone(&self, waits: bool) -> Option<Gone> {
        if !self.watched.is_known() {
            return None;
        }
        if waits { dying(|| self.watched.gone()) } else { self.watched.gone() }
    }

    /// How the host has come to its end, where it has: that its connections end comes first, and a while passes until it is
    /// gone. One that answers a bind is not about to go; one that is takes connections for as long as its socket is there.
    fn dies(&self) -> Option<String> {
        let is_there = || {
            let mut line = Line::connect(self.address, self.timeout)?;
            let bind = Offer::default().pdu(PduType::BIND, 1).map_err(|_| std::io::ErrorKind::InvalidData)?;
            let sent = line.send(&bind);
            Ok(sent.is_ok() && matches!(line.receive(self.timeout), Received::Pdu(_)))
        };
        let refused = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionRefused;
        match is_there() {
            Ok(true) => None,
            Err(error) if refused(&error) => Some(
                self.gone(true)
                    .map_or_else(|| "the host takes no connection any more".to_owned(), |gone| gone.how),
            ),
            _ => self.gone(true).map(|gone| gone.how),
        }
    }

    /// Judges a connection, and tells each of its cases what was found in its packets.
    fn judge(
        &self,
        dialogue: &Dialogue,
        cases: &[(usize, usize)],
        plans: &[Plan],
        known: &BTreeSet<String>,
        outcomes: &mut [Outcome],
    ) {
        let judge = Judge::new(self.rules.iter().map(|(_, rule)| *rule), BREACHES);
        let findings = judge.packets(&mut Dialogue::packets(slice::from_ref(dialogue)), &self.traced);
        let Some(&(last, _)) = cases.last() else { return };
        for ((place, rule), finding) in self.rules.iter().zip(&findings.rules) {
            if finding.checked > 0 {
                outcomes[last].ruled.add(*place);
            }
            for broken in finding.breaches.iter().filter(|broken| broken.side == Side::Server) {
                let frame = broken.frames.map_or(u64::MAX, |(_, last)| last);
                let case = cases.iter().rev().find(|(_, before)| (*before as u64) < frame);
                let &(case, _) = case.unwrap_or(&cases[0]);
                let id = format!("RULE-{}", rule.id);
                outcomes[case].features.push(number(&[12, *place as u64]));
                let is_told = outcomes[case].signs.iter().any(|sign| sign.id == id);
                // Which syntax a context has that was proposed again, hosts see differently.
                let is_unsure = matches!(rule.subject, Subject::Exchange(_)) && proposes_again(&plans[case]);
                if is_told || is_unsure || known.contains(&id) || self.does_right_break(&plans[case], rule) {
                    continue;
                }
                outcomes[case].signs.push(Sign {
                    id,
                    level: rule.level,
                    title: rule.title.to_owned(),
                    authority: rule.authority.to_owned(),
                    message: format!("{}: {}", rule.id, broken.breach.message),
                    breach: Some(Box::new(broken.record(rule))),
                    is_coarse: false,
                    is_doubtful: false,
                });
            }
        }
    }

    /// True where a right host breaks a rule as well, in this case: what was sent makes it meaningless.
    fn does_right_break(&self, plan: &Plan, rule: &'static Rule) -> bool {
        let dialogues = self.rightly(plan);
        let findings = Judge::new([rule], 1).packets(&mut Dialogue::packets(&dialogues), &self.traced);
        findings.rules.iter().any(|finding| finding.broken > 0)
    }

    /// The connections of a case, as a right host would have them.
    fn rightly(&self, plan: &Plan) -> Vec<Dialogue> {
        let end = |port| Endpoint { address: self.address.ip(), port };
        let (client, server) = (end(self.address.port() ^ 0x8000), end(self.address.port()));
        let now = now();
        let units = prepared(plan, now, self.leaves_traces);
        let mut dialogues = Vec::new();
        let begun = || {
            (
                Dialogue::new(client, server, nanoseconds()),
                Right::new(&self.settings, Random::new(0, "right host")),
            )
        };
        let (mut dialogue, mut right) = begun();
        let mut units = units.iter();
        // What is sent without waiting comes in front of what it is answered with.
        let (mut sent, mut answered) = (Vec::new(), Vec::new());
        let flush = |dialogue: &mut Dialogue, sent: &mut Vec<u8>, answered: &mut Vec<u8>| {
            dialogue.send(Direction::ToServer, nanoseconds(), sent);
            dialogue.send(Direction::ToClient, nanoseconds(), answered);
            sent.clear();
            answered.clear();
        };
        if let Some(bind) = plan.begins.ndr().and_then(|ndr| Offer::only(ndr).pdu(PduType::BIND, 1).ok()) {
            right.take(0, &bind, now, |_, answer| answered.extend_from_slice(answer));
            sent = bind;
            flush(&mut dialogue, &mut sent, &mut answered);
        }
        for step in &plan.steps {
            match step {
                Step::Send(_) => {
                    let Some(unit) = units.next() else { break };
                    sent.extend_from_slice(unit);
                    right.take(0, unit, now, |_, answer| answered.extend_from_slice(answer));
                }
                Step::Open => {
                    flush(&mut dialogue, &mut sent, &mut answered);
                    dialogue.close(Direction::ToServer, nanoseconds());
                    let (next, again) = begun();
                    dialogues.push(std::mem::replace(&mut dialogue, next));
                    right = again;
                }
                Step::Await | Step::HalfClose => flush(&mut dialogue, &mut sent, &mut answered),
                Step::HangUp => break,
            }
        }
        flush(&mut dialogue, &mut sent, &mut answered);
        let (first, then) = if right.is_closed() {
            (Direction::ToClient, Direction::ToServer)
        } else {
            (Direction::ToServer, Direction::ToClient)
        };
        dialogue.close(first, nanoseconds());
        dialogue.close(then, nanoseconds());
        dialogues.push(dialogue);
        dialogues
    }
}

impl Target for HostTarget {
    type Plan = Plan;

    fn name(&self) -> &'static str {
        "host"
    }

    fn batch(&self) -> usize {
        BATCH
    }

    fn make(&self, random: &mut Random, corpus: &[Plan]) -> Plan {
        make::plan(random, corpus, self.settings.takes_ndr64)
    }

    fn run(&self, plans: &[Plan], known: &BTreeSet<String>) -> Vec<Outcome> {
        Driver::new(self, plans, known, false).outcomes()
    }

    fn alone(&self, plan: &Plan) -> Shown {
        let mut shown = Driver::new(self, slice::from_ref(plan), &BTreeSet::new(), true).run();
        let signs = &mut shown.outcome.signs;
        let is_crash = |sign: &Sign| sign.id == "CRASH";
        let has_ended = signs.iter().any(|sign| sign.id.starts_with("ENDS-"));
        if has_ended
            && !signs.iter().any(is_crash)
            && let Some(how) = self.dies()
        {
            signs.push(crash(&how));
        }
        if signs.iter().any(is_crash) {
            // What was done next would be told of nobody.
            let _ = self.restart();
        }
        shown
    }

    fn joined(&self, plans: &[Plan]) -> Option<Plan> {
        let first = plans.first()?;
        let mut steps = Vec::new();
        for plan in plans {
            steps.extend(plan.steps.iter().cloned());
            steps.push(Step::Await);
        }
        steps.truncate(MAX_STEPS);
        Some(Plan { begins: first.begins, pieces: first.pieces, steps })
    }

    fn simpler(&self, plan: &Plan, _: &Sign) -> Vec<Plan> {
        smaller::simpler(plan)
    }

    fn essence(&self, plan: &Plan) -> String {
        smaller::essence(plan)
    }

    fn is_alive(&self) -> Result<(), Sign> {
        let Some(case) = host_test::case("HOST-SANITY-LAST") else { return Ok(()) };
        let options = host_test::Options {
            host: self.address,
            timeout: self.timeout,
            seed: 0,
            jobs: 1,
            repeat: 1,
            leaves_traces: self.leaves_traces,
            command: String::new(),
        };
        let report = host_test::once(case, &options, &HashSet::new());
        if report.is_as_expected {
            return Ok(());
        }
        Err(Sign::new("ALIVE", case.title, report.result.message))
    }

    fn restart(&self) -> Result<(), String> {
        if self.is_alive().is_ok() {
            return Ok(());
        }
        if self.watched.is_ours() {
            self.watched.restart()?;
            return self.wait_until_alive(START);
        }
        // Somebody else may look after it.
        self.wait_until_alive(self.timeout).map_err(|why| format!("it does not come back by itself ({why})"))
    }

    fn memory(&self) -> Option<u64> {
        self.watched.memory()
    }
}

/// True where a context is proposed that was proposed before.
fn proposes_again(plan: &Plan) -> bool {
    let mut ids: BTreeSet<u16> = plan.begins.ndr().map(|_| 0).into_iter().collect();
    plan.units().filter_map(|unit| crate::rpc::Pdu::parse_lax(&unit.bytes).ok()).any(|(pdu, _)| {
        match &pdu.body {
            crate::rpc::Body::Bind(bind) | crate::rpc::Body::AlterContext(bind) => {
                bind.contexts.iter().any(|context| !ids.insert(context.id))
            }
            _ => false,
        }
    })
}

/// Numbers as one: equal for equal ones.
pub(super) fn number(parts: &[u64]) -> u64 {
    // FNV-1a.
    parts
        .iter()
        .flat_map(|part| part.to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}
