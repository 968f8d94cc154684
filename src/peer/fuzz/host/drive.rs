use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use crate::capture::Dialogue;
use crate::conformance::{Level, TranscriptLine};
use crate::peer::fuzz::target::{Outcome, Shown, Sign};
use crate::peer::host_test::{Offer, probe};
use crate::peer::line::now;
use crate::peer::{Line, Received};
use crate::rpc::{PduType, fault_status_name};
use crate::wire::{FileTime, Hex, Random};

use super::plan::{Begins, Plan, Step, prepared};
use super::right::{Contexts, Due, Heard, Right, refusal_of};
use super::{HostTarget, smaller};

/// A client that does cases one behind the other, on one connection as long as that can be shared.
pub(super) struct Driver<'a> {
    target: &'a HostTarget,
    plans: &'a [Plan],
    /// Signs that nobody needs to hear of.
    known: &'a BTreeSet<String>,
    /// True where there is time, and all of it is kept.
    is_alone: bool,
    /// True where its connections are kept.
    keeps: bool,
    live: Option<Live>,
    outcomes: Vec<Outcome>,
    transcript: Vec<TranscriptLine>,
    dialogues: Vec<Dialogue>,
    connections: u64,
}

/// A connection.
struct Live {
    line: Line,
    right: Right,
    /// The contexts, as the host under test has accepted them.
    contexts: Contexts,
    begins: Begins,
    /// The contexts that it has accepted at any time.
    accepted: BTreeSet<u16>,
    /// The cases that were done on it: their places, and the packets that were there when they began.
    cases: Vec<(usize, usize)>,
    /// Answers that are due and have not come, of the case that is being done.
    due: Vec<Due>,
    /// Answers that have come in that case.
    came: usize,
    /// The last thing that was heard.
    last: u64,
    /// True once the host does something else than a right one, so that what it does then tells nothing.
    has_diverged: bool,
    /// True once this side has sent its FIN, because the case says so, or to see the end of it.
    is_closed: bool,
    is_closed_by_case: bool,
    /// True where it was sent because an answer took long.
    is_impatient: bool,
    /// True once the host has ended it.
    is_over: bool,
}

/// How long an answer may take before it is looked whether the host ends the connection instead.
const PATIENCE: Duration = Duration::from_millis(500);
/// The same, where the host was silent before about what has such an answer.
const SHORT: Duration = Duration::from_millis(20);
/// How long a host may take to end a connection that was ended towards it.
const LINGER: Duration = Duration::from_millis(200);
/// Hosts that have taken longer so often are not waited for any more.
const LINGERERS: u32 = 8;
/// How long a process that hung up may take to be gone.
const DYING: Duration = Duration::from_millis(300);
/// Lines of a transcript.
const MAX_TRANSCRIPT: usize = 512;

impl Live {
    /// Takes note of the contexts that are accepted now.
    fn accept(&mut self) {
        self.accepted.extend(self.contexts.accepted());
    }
}

impl<'a> Driver<'a> {
    pub(super) fn new(
        target: &'a HostTarget,
        plans: &'a [Plan],
        known: &'a BTreeSet<String>,
        is_alone: bool,
    ) -> Self {
        Self {
            target,
            plans,
            known,
            is_alone,
            keeps: is_alone,
            live: None,
            outcomes: Vec::with_capacity(plans.len()),
            transcript: Vec::new(),
            dialogues: Vec::new(),
            connections: 0,
        }
    }

    /// With its connections, though it is as fast as it gets.
    pub(super) fn keeping(self) -> Self {
        Self { keeps: true, ..self }
    }

    /// Does all cases, until one stops that.
    pub(super) fn run(mut self) -> Shown {
        let plans = self.plans;
        for plan in plans {
            self.case(plan);
            if self.outcomes.last().is_some_and(|outcome| outcome.stops) {
                break;
            }
        }
        self.finish();
        Shown {
            outcome: if self.keeps { self.outcomes.pop().unwrap_or_default() } else { Outcome::default() },
            transcript: self.transcript,
            dialogues: self.dialogues,
        }
    }

    /// As [`Self::run`], for what came of each.
    pub(super) fn outcomes(mut self) -> Vec<Outcome> {
        let plans = self.plans;
        for plan in plans {
            self.case(plan);
            if self.outcomes.last().is_some_and(|outcome| outcome.stops) {
                break;
            }
        }
        self.finish();
        self.outcomes
    }

    fn case(&mut self, plan: &Plan) {
        let place = self.outcomes.len();
        self.outcomes.push(Outcome::default());
        let can_share = |live: &Live| {
            plan.begins != Begins::Fresh
                && live.begins == plan.begins
                && !live.has_diverged
                && !live.is_closed
                && !live.is_over
                && live.right.is_at_rest()
        };
        let shares = self.live.as_ref().is_some_and(can_share);
        self.outcomes[place].shares = shares;
        if !shares {
            self.finish();
            if !self.open(plan.begins, place) {
                self.outcomes[place].stops = true;
                return;
            }
        }
        let now = now();
        let units = prepared(plan, now, self.target.leaves_traces);
        if let Some(live) = &mut self.live {
            live.cases.push((place, live.line.dialogue().packet_count()));
            (live.came, live.last) = (0, 0);
            live.due.clear();
        }
        let mut sent = 0;
        let mut waiting: Vec<u8> = Vec::new();
        for step in &plan.steps {
            match step {
                Step::Send(_) => {
                    let Some(live) = &mut self.live else { return };
                    let due = &mut live.due;
                    live.right.take(sent, &units[sent], now, |heard, _| due.extend(heard));
                    live.contexts.propose(&units[sent]);
                    waiting.extend_from_slice(&units[sent]);
                    sent += 1;
                    continue;
                }
                Step::Await => self.flush(&mut waiting, plan, &units, now),
                Step::HalfClose => {
                    self.send(&mut waiting, plan);
                    self.note("", "closed by the client", &[]);
                    if let Some(live) = &mut self.live {
                        live.line.close_sending();
                        (live.is_closed, live.is_closed_by_case) = (true, true);
                    }
                    self.take_due(plan, &units, now);
                }
                Step::HangUp => {
                    self.send(&mut waiting, plan);
                    self.note("", "given up by the client, with whatever is due", &[]);
                    self.abandon();
                    return;
                }
                Step::Open => {
                    self.flush(&mut waiting, plan, &units, now);
                    self.finish();
                    if !self.open(Begins::Fresh, place) {
                        self.outcomes[place].stops = true;
                        return;
                    }
                    if let Some(live) = &mut self.live {
                        live.cases.push((place, 0));
                    }
                }
            }
            if self.outcomes[place].stops {
                return;
            }
        }
        self.flush(&mut waiting, plan, &units, now);
    }

    fn flush(&mut self, waiting: &mut Vec<u8>, plan: &Plan, units: &[Vec<u8>], now: FileTime) {
        self.send(waiting, plan);
        self.take_due(plan, units, now);
    }

    /// Writes what waits for it.
    fn send(&mut self, waiting: &mut Vec<u8>, plan: &Plan) {
        if waiting.is_empty() {
            return;
        }
        let bytes = std::mem::take(waiting);
        if self.is_alone {
            self.note("c2s", &probe::what(&bytes), &bytes);
        }
        let Some(live) = &mut self.live else { return };
        // That the host takes nothing more shows in what is received then.
        let _ = match plan.pieces {
            None => live.line.send(&bytes),
            Some(size) => live.line.send_in_pieces(&bytes, size.into(), Duration::ZERO),
        };
    }

    /// Takes the answers that are due, and holds each against a right host's.
    fn take_due(&mut self, plan: &Plan, units: &[Vec<u8>], now: FileTime) {
        let target = self.target;
        let mut until_end = false;
        while let Some(live) = &mut self.live {
            let is_done = live.came >= live.due.len() && !live.is_closed_by_case;
            // What is sent then does not reach the host.
            live.has_diverged |= is_done && live.is_impatient;
            if live.is_over || live.has_diverged || is_done {
                return;
            }
            // At the end of a connection that the case has closed, its end is waited for.
            let due = live.due.get(live.came).copied();
            let silent = due.map(|due| silent_id(&due));
            let patience = match () {
                () if until_end || self.is_alone => target.timeout,
                () if live.is_closed => LINGER,
                () if silent.as_ref().is_some_and(|id| self.known.contains(id)) => Duration::ZERO,
                () if due.is_some_and(|due| target.is_often_silent(due.heard.number())) => SHORT,
                () => PATIENCE.min(target.timeout),
            };
            match live.line.receive_in(patience) {
                Some(Received::Pdu(bytes)) => self.hear(&bytes, plan, units, now),
                Some(Received::NotRpc(bytes)) => {
                    live.has_diverged = true;
                    self.note("s2c", "no PDU", &bytes);
                    self.feature(&[7]);
                }
                Some(Received::Closed(rest)) => self.ended(plan, due, "ends the connection", &rest),
                Some(Received::Reset(rest)) => self.ended(plan, due, "resets the connection", &rest),
                Some(Received::Silent(_)) | None if live.is_closed && !until_end && due.is_some() => {
                    until_end = true;
                }
                Some(Received::Silent(_)) | None if live.is_closed => {
                    let is_owed = due.is_some_and(|due| !may_end(due.heard)) && !live.is_closed_by_case;
                    live.has_diverged = true;
                    self.note("", "silence", &[]);
                    if let (true, Some(due)) = (is_owed, due) {
                        let message = format!(
                            "the host neither answers nor ends the connection where a right one answers a {} with {}",
                            due.to, due.heard
                        );
                        let id = format!("HANGS-{}-{}", ptype_id(due.to), due.heard.id());
                        self.feature(&[8, due.heard.number()]);
                        let sign = Sign::new(id, "an answer, or the end of the connection", message);
                        self.sign(Sign { authority: RIGHT.to_owned(), ..sign.coarse().doubtful() });
                        self.stop();
                    }
                    return;
                }
                Some(Received::Silent(_)) | None => {
                    // Whether it answers late, not at all, or hangs shows when the connection is ended towards it.
                    live.line.close_sending();
                    (live.is_closed, live.is_impatient) = (true, true);
                    target.was_silent(due.map_or(0, |due| due.heard.number()));
                    until_end = true;
                    self.note("", "silence; closed by the client", &[]);
                }
            }
        }
    }

    /// Takes a PDU of the host.
    fn hear(&mut self, bytes: &[u8], plan: &Plan, units: &[Vec<u8>], now: FileTime) {
        if self.is_alone {
            self.note("s2c", &probe::what(bytes), bytes);
        }
        let target = self.target;
        let Some(live) = &mut self.live else { return };
        let Some(heard) = live.contexts.hear(bytes) else { return };
        if heard == Heard::Ack {
            live.accept();
        }
        let due = live.due.get(live.came).copied();
        live.came += 1;
        let last = std::mem::replace(&mut live.last, heard.number());
        let length = u64::from(bytes.len().max(1).ilog2());
        let asked = due.map_or(0, |due| u64::from(due.to.0) << 40 | (due.heard.number() & 0xff_ffff_ffff));
        let features = [9, last, asked, heard.number(), length];
        let Some(due) = due else {
            self.feature(&features);
            return;
        };
        let is_same_context = due.context.is_none_or(|id| live.contexts.ndr(id) == due.ndr);
        if !is_same_context {
            live.has_diverged = true;
        }
        let sign = match (due.heard, heard) {
            _ if !is_same_context => None,
            (Heard::Activation, Heard::Refusal(_) | Heard::Fault(_))
                if plan.units().all(|unit| unit.is_right()) =>
            {
                let id = format!("REFUSES-{}", heard.id());
                let message = format!("the host answers a right request with {heard}");
                Some(Sign::new(id, "a right request is answered with an activation", message).coarse())
            }
            (Heard::Refusal(E_INVALIDDATA), Heard::Activation) => accepts(&due, units, target, now),
            // Whether a context that was accepted is still there, once it was refused, hosts see differently.
            (Heard::Fault(NCA_S_UNK_IF), Heard::Activation)
                if due.context.is_some_and(|id| live.accepted.contains(&id)) =>
            {
                None
            }
            (Heard::Fault(status), Heard::Activation) => {
                let name = fault_status_name(status).unwrap_or("fault");
                let level = if status == NCA_S_UNK_IF || status == NCA_S_OP_RNG_ERROR {
                    Level::Must
                } else {
                    Level::Should
                };
                let message =
                    format!("the host answers with an activation where a right one sends {}", due.heard);
                let id = format!("ACCEPTS-{}", name.to_uppercase().replace('_', "-"));
                Some(Sign::new(id, "what is no right call is not answered", message).at(level))
            }
            _ => None,
        };
        // What is said behind another kind of answer is about other things.
        let is_alike = std::mem::discriminant(&due.heard) == std::mem::discriminant(&heard);
        let are_answers = |heard| matches!(heard, Heard::Activation | Heard::Refusal(_) | Heard::Fault(_));
        live.has_diverged |=
            !is_alike && (!(are_answers(due.heard) && are_answers(heard)) || live.right.is_closed());
        self.feature(&features);
        if let Some(sign) = sign {
            self.sign(Sign { authority: RIGHT.to_owned(), ..sign });
        }
    }

    /// The host has ended the connection.
    fn ended(&mut self, plan: &Plan, due: Option<Due>, how: &str, rest: &[u8]) {
        self.note("", how, rest);
        let Some(live) = &mut self.live else { return };
        live.is_over = true;
        let (was_closed, by_case) = (live.is_closed, live.is_closed_by_case);
        self.feature(&[10, due.map_or(0, |due| due.heard.number()), was_closed.into()]);
        if let Some(gone) = self.target.gone(false) {
            self.sign(crash(&gone.how));
            self.stop();
            return;
        }
        let Some(due) = due.filter(|_| !by_case) else { return };
        let matters = matches!(due.heard, Heard::Activation | Heard::Ack) && smaller::is_sound(plan);
        let level = if matters { Level::Must } else { Level::Should };
        if may_end(due.heard) {
            return;
        }
        let sign = if was_closed {
            let message =
                format!("the host does not answer where a right one answers a {} with {}", due.to, due.heard);
            Sign::new(silent_id(&due), "what has an answer is answered", message).doubtful()
        } else {
            let message = format!("the host {how} where a right one answers a {} with {}", due.to, due.heard);
            let id = format!("ENDS-{}-{}", ptype_id(due.to), due.heard.id());
            Sign::new(id, "the connection stays, and what has an answer is answered", message)
        };
        self.sign(Sign { authority: RIGHT.to_owned(), ..sign.at(level).coarse() });
    }

    /// Opens a connection; false where the host is not there, or does not take it.
    fn open(&mut self, begins: Begins, place: usize) -> bool {
        let begin = Instant::now();
        let line = loop {
            match Line::connect(self.target.address, self.target.timeout) {
                Ok(line) => break line,
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    let how = match self.target.gone(true) {
                        Some(gone) => gone.how,
                        None => "the host takes no connection any more".to_owned(),
                    };
                    self.note("", "no connection: refused", &[]);
                    // The case in front of it has done that, more likely.
                    for place in [Some(place), place.checked_sub(1)].into_iter().flatten() {
                        self.outcomes[place].signs.push(crash(&how));
                    }
                    return false;
                }
                // A port of this machine that is not free yet, say.
                Err(_) if begin.elapsed() < self.target.timeout => thread::sleep(Duration::from_millis(20)),
                Err(error) => {
                    let message = format!("the host takes no connection: {}", error.kind());
                    self.note("", &message, &[]);
                    let sign = Sign::new("HANGS-CONNECTION", "connections are taken", message).doubtful();
                    self.outcomes[place].signs.push(sign);
                    return false;
                }
            }
        };
        self.connections += 1;
        let random = Random::new(self.connections, "right host");
        let mut live = Live {
            line,
            right: Right::new(&self.target.settings, random),
            contexts: Contexts::default(),
            accepted: BTreeSet::new(),
            begins,
            cases: Vec::new(),
            due: Vec::new(),
            came: 0,
            last: 0,
            has_diverged: false,
            is_closed: false,
            is_closed_by_case: false,
            is_impatient: false,
            is_over: false,
        };
        let bind = begins.ndr().and_then(|ndr| Offer::only(ndr).pdu(PduType::BIND, FIRST_CALL).ok());
        let Some(bind) = bind else {
            self.live = Some(live);
            return true;
        };
        live.contexts.propose(&bind);
        live.right.take(0, &bind, now(), |_, _| {});
        live.right.settle();
        let _ = live.line.send(&bind);
        let came = live.line.receive_in(self.target.timeout);
        let heard = match &came {
            Some(Received::Pdu(bytes)) => live.contexts.hear(bytes),
            _ => None,
        };
        live.accept();
        self.live = Some(live);
        if self.is_alone {
            self.note("c2s", "bind", &bind);
            if let Some(Received::Pdu(bytes)) = &came {
                self.note("s2c", &probe::what(bytes), bytes);
            }
        }
        if heard == Some(Heard::Ack) {
            return true;
        }
        let is_over = matches!(came, Some(Received::Closed(_) | Received::Reset(_)));
        if is_over && let Some(gone) = self.target.gone(true) {
            for place in [Some(place), place.checked_sub(1)].into_iter().flatten() {
                self.outcomes[place].signs.push(crash(&gone.how));
            }
            return false;
        }
        let message = match heard {
            Some(heard) => format!("the host answers a right bind with {heard}"),
            None if came.is_none() => "the host does not answer a right bind".to_owned(),
            None => "the host ends the connection at a right bind".to_owned(),
        };
        let id = if came.is_none() { "HANGS-BIND" } else { "REFUSES-BIND" };
        let sign = Sign::new(id, "a right bind is acknowledged", message).doubtful();
        self.outcomes[place].signs.push(Sign { authority: RIGHT.to_owned(), ..sign });
        false
    }

    /// Ends the connection, and judges it.
    fn finish(&mut self) {
        let Some(live) = &mut self.live else { return };
        let is_settled = live.came >= live.due.len() && !live.right.is_closed() && !live.has_diverged;
        if !live.is_over && (self.is_alone || !is_settled) {
            live.line.close_sending();
            let lingers = self.target.lingers.load(Ordering::Relaxed) >= LINGERERS;
            let patience = if lingers && !self.is_alone { Duration::ZERO } else { LINGER };
            let until = Instant::now() + patience;
            loop {
                let Some(live) = &mut self.live else { return };
                match live.line.receive_in(until.saturating_duration_since(Instant::now())) {
                    Some(Received::Pdu(bytes)) => {
                        let heard = live.contexts.hear(&bytes).map_or(0, Heard::number);
                        self.feature(&[11, heard]);
                        if self.is_alone {
                            self.note("s2c", &probe::what(&bytes), &bytes);
                        }
                    }
                    Some(Received::NotRpc(bytes)) => self.note("s2c", "no PDU", &bytes),
                    Some(_) => break,
                    None => {
                        self.target.lingers.fetch_add(1, Ordering::Relaxed);
                        break;
                    }
                }
            }
        }
        self.abandon();
    }

    /// Goes away, and judges the connection as far as it came.
    fn abandon(&mut self) {
        let Some(live) = self.live.take() else { return };
        let dialogue = live.line.into_dialogue();
        self.target.judge(&dialogue, &live.cases, self.plans, self.known, &mut self.outcomes);
        if self.keeps {
            self.dialogues.push(dialogue);
        }
    }

    fn feature(&mut self, parts: &[u64]) {
        if let Some(outcome) = self.outcomes.last_mut() {
            outcome.features.push(super::number(parts));
        }
    }

    fn sign(&mut self, sign: Sign) {
        if self.known.contains(&sign.id) {
            return;
        }
        if let Some(outcome) = self.outcomes.last_mut() {
            outcome.signs.push(sign);
        }
    }

    fn stop(&mut self) {
        if let Some(outcome) = self.outcomes.last_mut() {
            outcome.stops = true;
        }
    }

    fn note(&mut self, direction: &str, what: &str, bytes: &[u8]) {
        if self.is_alone && self.transcript.len() < MAX_TRANSCRIPT {
            self.transcript.push(TranscriptLine {
                connection: self.connections.saturating_sub(1),
                direction: direction.to_owned(),
                what: what.to_owned(),
                hex: Hex(bytes).to_string(),
                decoded: Vec::new(),
            });
        }
    }
}

const RIGHT: &str = "volact: what a right host does (C706 12.6, MS-RPCE 3.1.1, VA2.0 pp. 29-31)";
/// The call_id of the bind that cases of a bound connection begin with.
const FIRST_CALL: u32 = 1;
const E_INVALIDDATA: u32 = 0x8007_000d;
const NCA_S_OP_RNG_ERROR: u32 = 0x1c01_0002;
const NCA_S_UNK_IF: u32 = 0x1c01_0003;
const NCA_S_PROTO_ERROR: u32 = 0x1c01_000b;

/// What a host accepts that a right one refuses, where that is wrong.
fn accepts(due: &Due, units: &[Vec<u8>], target: &HostTarget, now: FileTime) -> Option<Sign> {
    let what = refusal_of(units.get(due.unit)?, due.ndr?, &target.settings, now)?;
    let level = match what {
        "MAC" => Level::Must,
        // A choice that hosts have.
        "PADDING" | "VERSION" => return None,
        _ => Level::Should,
    };
    let message = format!("the host answers with an activation where a right one answers with {}", due.heard);
    let title = format!("a request whose {} is wrong is refused", what.to_lowercase());
    Some(Sign::new(format!("ACCEPTS-{what}"), title, message).at(level))
}

pub(super) fn crash(how: &str) -> Sign {
    Sign::new("CRASH", "the host survives", how).coarse()
}

/// True where a right host ends the connection behind such an answer: that another does without the answer is no matter.
fn may_end(heard: Heard) -> bool {
    matches!(heard, Heard::Nak(_) | Heard::Fault(NCA_S_PROTO_ERROR))
}

fn silent_id(due: &Due) -> String {
    format!("SILENT-{}-{}", ptype_id(due.to), due.heard.id())
}

fn ptype_id(ptype: PduType) -> String {
    ptype.name().map_or_else(|| "OTHER".to_owned(), |name| name.to_uppercase().replace('_', "-"))
}

/// How long a process that hung up is waited for.
pub(super) fn dying(gone: impl Fn() -> Option<crate::peer::Gone>) -> Option<crate::peer::Gone> {
    let until = Instant::now() + DYING;
    loop {
        let found = gone();
        if found.is_some() || Instant::now() >= until {
            return found;
        }
        thread::sleep(Duration::from_millis(5));
    }
}
