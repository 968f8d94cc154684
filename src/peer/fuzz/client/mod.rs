//! A client is fuzzed: a host is played on loopback, right but for what a case does to its answers, once for each run of the
//! client.
//!
//! That the client survives, ends in time and does not take more memory than with a right host is asked of every case; that
//! its PDUs keep the rules, and that it does not end as if all were right where exactly one verification fails, where what
//! was changed is the message of a response and nothing around it.

mod make;
mod plan;

pub use plan::{At, Plan, Trick, What};

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::capture::Dialogue;
use crate::conformance::{Level, rules};
use crate::kms::{Check, RequestMessage, ResponseStub, Verifier};
use crate::mutate::Mutator;
use crate::peer::breaches::{breaches_of, judged};
use crate::peer::client_test::{Act, Client, Ending, Meeting, Role, Scene, Stage, transcript};
use crate::rpc::{Body, Pdu, PduType};
use crate::wire::{Random, Side};

use super::host::number;
use super::target::{Outcome, Shown, Sign, Target};

/// A client that is fuzzed.
#[derive(Debug)]
pub struct ClientTarget {
    client: Client,
    timeout: Duration,
    /// Exit codes that it may have; any where there is none.
    exits: Vec<i32>,
    /// Bytes of memory that it may take more than with a right host.
    growth: u64,
    /// Ports on which nobody plays now.
    stages: Mutex<Vec<Stage>>,
    /// True where how it ends tells whether it has taken an answer.
    tells: bool,
    /// Bytes of memory that it takes with a right host, where that is known.
    usual: Option<u64>,
}

/// Bytes of a PDU that was changed.
const MOST_BYTES: usize = 8192;
/// Changes that are tried to find one that leaves one thing wrong.
const SEEDS: u64 = 64;
/// Cases of a batch.
const BATCH: usize = 8;
/// How long a client that was misled may take to say more, before the connection is ended towards it.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long a client that somebody else starts may take to come.
const COMING: Duration = Duration::from_secs(60);

impl ClientTarget {
    /// A client that is started for each case, or that somebody else starts. It is played a right host now, and one that
    /// refuses: where it ends the same both times, how it ends says nothing.
    ///
    /// # Errors
    /// No port can be taken at `listen`, no client comes, or it does not take a right answer.
    pub fn new(
        client: Client,
        listen: Option<SocketAddr>,
        timeout: Duration,
        exits: Vec<i32>,
        growth: u64,
    ) -> Result<Self, String> {
        let mut target =
            Self { client, timeout, exits, growth, stages: Mutex::default(), tells: false, usual: None };
        if let Some(listen) = listen {
            let stage = Stage::bind(listen).map_err(|error| format!("{listen}: {error}"))?;
            target.stages.lock().unwrap_or_else(PoisonError::into_inner).push(stage);
        }
        if matches!(target.client, Client::Awaited) {
            return Ok(target);
        }
        let right = target.rightly()?;
        target.usual = right.memory;
        let refused =
            target.played(&Plan { version: USUAL, takes_ndr64: false, seed: 0, tricks: Vec::new() }, true)?;
        target.tells = refused.0.ending != Ending::Success;
        Ok(target)
    }

    /// True where how the client ends tells whether it has taken an answer.
    #[must_use]
    pub fn tells(&self) -> bool {
        self.tells
    }

    /// Where the client is to be pointed at, where somebody else starts it.
    #[must_use]
    pub fn addr(&self) -> Option<SocketAddr> {
        self.stages.lock().unwrap_or_else(PoisonError::into_inner).first().map(Stage::addr)
    }

    fn rightly(&self) -> Result<Meeting, String> {
        let plan = Plan { version: USUAL, takes_ndr64: false, seed: 0, tricks: Vec::new() };
        let (meeting, _) = self.played(&plan, false)?;
        match &meeting.ending {
            Ending::Success => Ok(meeting),
            Ending::Overdue => Err("it does not end with a right host".to_owned()),
            Ending::Failure(gone) | Ending::Crashed(gone) => {
                Err(format!("it does not take a right answer ({gone}) {}", meeting.words))
            }
            Ending::Unknown => Err("it cannot be told how it ends".to_owned()),
        }
    }

    /// Plays a case: what happened, and the names of the checks that fail in the last answer. With a refusal in the place of
    /// each answer where `refuses`.
    fn played(&self, plan: &Plan, refuses: bool) -> Result<(Meeting, Told), String> {
        let waiting = self.stages.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let stage = match waiting {
            Some(stage) => stage,
            None => Stage::bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0))
                .map_err(|error| error.to_string())?,
        };
        let mut told = Told::default();
        let mut play = |scene: &mut Scene<'_>| {
            if refuses {
                let ndr = scene.ndr;
                return scene.at(PduType::REQUEST, |scene| {
                    scene.with_stub(|_| {
                        ResponseStub::refusal(NO_KEY, ndr).encode(crate::wire::Endianness::Little)
                    })
                });
            }
            acts(plan, scene, &mut told)
        };
        let role = Role {
            version: Some(plan.version),
            takes_ndr64: plan.takes_ndr64,
            random: Random::new(plan.seed, "host"),
            patience: (!plan.tricks.is_empty()).then_some(PATIENCE),
            wait: matches!(self.client, Client::Awaited).then_some(COMING),
            play: &mut play,
        };
        let meeting = stage.meet(role, &self.client, self.timeout);
        self.stages.lock().unwrap_or_else(PoisonError::into_inner).push(stage);
        meeting.map(|meeting| (meeting, told))
    }

    fn judged(&self, plan: &Plan, known: &BTreeSet<String>) -> (Shown, bool) {
        let mut outcome = Outcome::default();
        let (meeting, told) = match self.played(plan, false) {
            Ok(played) => played,
            Err(why) => {
                // A client that somebody else starts comes when it likes.
                outcome.stops = matches!(self.client, Client::Awaited);
                let sign = Sign::new("NO-CLIENT", "the client comes", why).doubtful();
                outcome.signs.push(sign);
                return (Shown { outcome, ..Shown::default() }, false);
            }
        };
        let words = if meeting.words.is_empty() { String::new() } else { format!(" ({})", meeting.words) };
        let signs = &mut outcome.signs;
        let ended = match &meeting.ending {
            Ending::Unknown => 0,
            Ending::Overdue => {
                let title = "the client ends in time";
                let message = format!("the client does not end in {} ms", self.timeout.as_millis());
                signs.push(Sign::new("HANGS", title, message).coarse().doubtful());
                1
            }
            Ending::Success => 2,
            Ending::Failure(gone) if !self.may_exit(&gone.id) => {
                signs.push(crash(&gone.id, format!("the client ended: {gone}{words}")));
                3
            }
            Ending::Failure(gone) => number(&gone.id.bytes().map(u64::from).collect::<Vec<_>>()),
            Ending::Crashed(gone) => {
                signs.push(crash(&gone.id, format!("the client crashed: {gone}{words}")));
                4
            }
        };
        if let (Some(usual), Some(memory)) = (self.usual, meeting.memory)
            && memory > usual.saturating_add(self.growth)
        {
            let message =
                format!("the client takes {} MiB, and {} MiB with a right host", memory >> 20, usual >> 20);
            signs.push(Sign::new("MEMORY", "the client's memory stays what it is", message).coarse());
        }
        if let ([check], true, Ending::Success) = (&told.failed[..], self.tells, &meeting.ending)
            && plan.is_about_messages()
        {
            let id = format!("ACCEPTS-{}", check.to_uppercase().replace('_', "-"));
            let message =
                format!("the client ended as if all were right, and {check} does not hold in the answer");
            let title = format!("an answer whose {check} does not hold is not taken");
            signs.push(Sign::new(id, title, message).at(Level::Should));
        }
        if plan.is_about_messages() {
            let findings = judged(&meeting.dialogues, &[]);
            // All rules are asked, so their places are those of all.
            for (place, finding) in findings.rules.iter().enumerate() {
                if finding.checked > 0 {
                    outcome.ruled.add(place);
                }
            }
            for (level, breach) in breaches_of(Side::Client, &findings) {
                let message = format!("{}: {}", breach.rule, breach.message);
                let Some(rule) = rules().find(|rule| rule.id == breach.rule) else { continue };
                let sign = Sign::new(format!("RULE-{}", rule.id), rule.title, message).at(level);
                let sign = Sign { authority: rule.authority.to_owned(), ..sign };
                if !signs.iter().any(|told| told.id == sign.id) {
                    signs.push(Sign { breach: Some(Box::new(breach)), ..sign });
                }
            }
        }
        signs.retain(|sign| !known.contains(&sign.id));
        let packets: usize = meeting.dialogues.iter().map(Dialogue::packet_count).sum();
        let met = meeting.dialogues.len().min(4) as u64;
        outcome.features = vec![
            number(&[30, ended, met, u64::from(meeting.goes_on)]),
            number(&[31, ended, (packets.max(1).ilog2()).into()]),
        ];
        outcome.features.extend(told.features.iter().map(|kind| number(&[32, *kind, ended])));
        let shown = Shown { transcript: transcript(&meeting), dialogues: meeting.dialogues, outcome };
        (shown, true)
    }

    /// True for `EXIT-N` where N is a code that the client may have.
    fn may_exit(&self, id: &str) -> bool {
        self.exits.is_empty()
            || id
                .strip_prefix("EXIT-")
                .and_then(|code| code.parse().ok())
                .is_none_or(|code: i32| self.exits.contains(&code))
    }
}

/// What became of a case's answers.
#[derive(Default)]
struct Told {
    /// The checks that fail in the last response.
    failed: Vec<&'static str>,
    /// What was changed, as numbers.
    features: Vec<u64>,
}

/// The major version of what is not about one.
const USUAL: u16 = 6;
/// No key for the product (SL_E_VL_KEY_MANAGEMENT_SERVICE_ID_MISMATCH).
const NO_KEY: u32 = 0xc004_f042;

fn crash(id: &str, message: String) -> Sign {
    let id = if id.is_empty() { "PANIC" } else { id };
    Sign::new(format!("CRASH-{id}"), "the client survives", message).coarse()
}

/// What the host of a case does about a PDU.
fn acts(plan: &Plan, scene: &mut Scene<'_>, told: &mut Told) -> Vec<Act> {
    let at = match scene.ptype() {
        Some(PduType::REQUEST) => At::Request,
        Some(PduType::BIND | PduType::ALTER_CONTEXT) => At::Bind,
        _ => return scene.rightly(),
    };
    let request = scene.request();
    let (mut pieces, mut cut, mut closes) = (None, None, false);
    for trick in plan.tricks.iter().filter(|trick| trick.at == at) {
        let mut keep = |changes: &crate::mutate::Changes| {
            told.features.extend(changes.iter().map(|change| {
                let (part, what) = change.kind();
                number(&part.bytes().chain(what.bytes()).map(u64::from).collect::<Vec<_>>())
            }));
        };
        let answering = |seed| {
            let mut mutator = Mutator::new(seed);
            mutator.answering(request.as_ref().map(RequestMessage::encode).as_deref());
            mutator
        };
        match trick.what {
            What::Message(seed) | What::Broken(seed) => {
                let is_broken = matches!(trick.what, What::Broken(_));
                let ndr = scene.ndr;
                let changed = scene.with_stub(|stub| {
                    let changed = |seed| {
                        let mut message = stub.data.to_vec();
                        let changes = answering(seed).message(Side::Server, &mut message, MOST_BYTES);
                        (message, changes)
                    };
                    // The next seed that leaves one thing wrong, or else the first.
                    let mut broken = (seed..seed.saturating_add(SEEDS)).map(changed);
                    let found = broken.find(|(_, changes)| !is_broken || changes.broken().is_some());
                    let (message, changes) = found.unwrap_or_else(|| changed(seed));
                    keep(&changes);
                    ResponseStub::of(&message, ndr).encode(crate::wire::Endianness::Little)
                });
                scene.right = sent(changed);
            }
            What::Pdu(seed) => {
                let ndr = scene.ndr;
                if let Some(pdu) = scene.right.first_mut() {
                    keep(&answering(seed).pdu(Side::Server, Some(ndr), pdu, MOST_BYTES));
                }
            }
            What::Pdus(seed) => {
                let ndr = scene.ndr;
                keep(&answering(seed).pdus(Side::Server, Some(ndr), &mut scene.right, MOST_BYTES));
            }
            What::Bytes(seed) => {
                if let Some(pdu) = scene.right.first_mut() {
                    keep(&answering(seed).raw(pdu, MOST_BYTES));
                }
            }
            What::Pieces(size) => pieces = Some(size),
            What::CutBehind(length) => cut = Some(length),
            What::Close => closes = true,
        }
        told.features.push(number(&trick.word().bytes().map(u64::from).collect::<Vec<_>>()));
    }
    if at == At::Request
        && let Some(request) = &request
    {
        told.failed = failed(&scene.right, scene, request);
    }
    if closes {
        return vec![Act::Close];
    }
    let mut bytes: Vec<u8> = std::mem::take(&mut scene.right).concat();
    if let Some(length) = cut {
        bytes.truncate(length.into());
        return vec![Act::Send(bytes), Act::Close];
    }
    match pieces {
        Some(size) => vec![Act::Pieces(bytes, size.into(), Duration::ZERO)],
        None => vec![Act::Send(bytes)],
    }
}

fn sent(acts: Vec<Act>) -> Vec<Vec<u8>> {
    let bytes = acts.into_iter().filter_map(|act| match act {
        Act::Send(bytes) => Some(bytes),
        _ => None,
    });
    bytes.collect()
}

/// The checks that fail in a response that is in one PDU.
fn failed(pdus: &[Vec<u8>], scene: &Scene<'_>, request: &RequestMessage) -> Vec<&'static str> {
    let [bytes] = pdus else { return Vec::new() };
    let Ok(Pdu { header, body: Body::Response(response), .. }) = Pdu::parse(bytes) else { return Vec::new() };
    let Ok(stub) = ResponseStub::parse(response.stub, scene.ndr, header.drep.endianness()) else {
        return Vec::new();
    };
    let (_, checks) = Verifier::default().open(stub.data, Some(request));
    let checks = checks.map(|checks| checks.by_name()).into_iter().flatten();
    checks.filter(|(_, check)| *check == Check::Fail).map(|(name, _)| name).collect()
}

impl Target for ClientTarget {
    type Plan = Plan;

    fn name(&self) -> &'static str {
        "client"
    }

    fn batch(&self) -> usize {
        BATCH
    }

    fn make(&self, random: &mut Random, corpus: &[Plan]) -> Plan {
        make::plan(random, corpus)
    }

    fn run(&self, plans: &[Plan], known: &BTreeSet<String>) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(plans.len());
        for plan in plans {
            let (shown, _) = self.judged(plan, known);
            let stops = shown.outcome.stops;
            outcomes.push(shown.outcome);
            if stops {
                break;
            }
        }
        outcomes
    }

    fn alone(&self, plan: &Plan) -> Shown {
        self.judged(plan, &BTreeSet::new()).0
    }

    fn joined(&self, _: &[Plan]) -> Option<Plan> {
        None
    }

    fn simpler(&self, plan: &Plan, _: &Sign) -> Vec<Plan> {
        make::simpler(plan)
    }

    fn essence(&self, plan: &Plan) -> String {
        let words: Vec<String> = plan.tricks.iter().map(Trick::word).collect();
        match &words[..] {
            [] => "RIGHT".to_owned(),
            [first, second, _, ..] => format!("{first}-{second}-AND-MORE"),
            words => words.join("-"),
        }
    }

    fn is_alive(&self) -> Result<(), Sign> {
        if matches!(self.client, Client::Awaited) {
            return Ok(());
        }
        self.rightly().map(drop).map_err(|why| Sign::new("ALIVE", "a right answer is taken", why))
    }

    fn restart(&self) -> Result<(), String> {
        // Each case has a client of its own.
        match self.client {
            Client::Awaited => Err("nobody came for so long".to_owned()),
            _ => self.is_alive().map_err(|sign| sign.message),
        }
    }

    fn memory(&self) -> Option<u64> {
        None
    }
}
