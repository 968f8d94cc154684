//! Plays a host on loopback, and judges the client that connects: by the rules, and by what it does about a host that is
//! right, wrong in one way, slow or dead.

mod behaviour;
mod behaviours;
mod client;
mod stage;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use crate::capture::{Dialogue, Direction};
use crate::conformance::{CaseResult, Level, TranscriptLine, Verdict};
use crate::peer::Host;
use crate::peer::breaches::{breaches_of, judged};
use crate::peer::repeat::{rank, repeated};
use crate::trace::{self, Observer, PduContent, PduRecord};
use crate::wire::{Hex, Random, Side};

pub use behaviour::{Behaviour, Wants};
pub use behaviours::BEHAVIOURS;
pub use client::{Client, Ending};

pub(in crate::peer) use behaviour::{Act, Scene};
pub(in crate::peer) use stage::{Meeting, Role};

/// The port on which a host is played, one behaviour after the other.
#[derive(Debug)]
pub struct Stage {
    listener: TcpListener,
    address: SocketAddr,
}

/// How a client is tested.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The client.
    pub client: Client,
    /// How long it may take to come, and to end.
    pub timeout: Duration,
    /// What is random follows from it.
    pub seed: u64,
    /// How often each behaviour is played.
    pub repeats: u32,
    /// The command that repeats a behaviour: what stands in front of its id and behind it.
    pub repeat: (String, String),
}

/// What came out of a behaviour, and its connections as a capture would have them.
#[derive(Clone, Debug)]
pub struct Report {
    /// The result.
    pub result: CaseResult,
    /// Its connections, of the last time.
    pub dialogues: Vec<Dialogue>,
}

/// Connections that a client may make for one answer.
const MAX_TRIES: usize = 3;

impl Stage {
    /// Takes a port of this machine; 0 is any that is free.
    ///
    /// # Errors
    /// An address that is not loopback; those of the socket.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let host = Host::bind(address)?;
        let address = host.addr();
        let listener = host.into_listener();
        listener.set_nonblocking(true)?;
        Ok(Self { listener, address })
    }

    /// Where the client is to be pointed at.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Plays behaviours, each for one run of the client. A right host comes first and last; where the client does not
    /// understand the first, there is nothing more to be learned. `begins` is told of each.
    pub fn play<'a>(
        &self,
        behaviours: impl IntoIterator<Item = &'a Behaviour>,
        plan: &Plan,
        mut begins: impl FnMut(&Behaviour),
    ) -> Vec<Report> {
        let [first, .., last] = BEHAVIOURS else { return Vec::new() };
        let between = behaviours.into_iter().filter(|one| ![first.id, last.id].contains(&one.id));
        let mut reports: Vec<Report> = Vec::new();
        let mut is_sane = true;
        for behaviour in [first].into_iter().chain(between).chain([last]) {
            if !is_sane {
                let message = format!("not played: {} did not pass", first.id);
                let result = CaseResult { message, ..behaviour.result(plan) };
                reports.push(Report { result, dialogues: Vec::new() });
                continue;
            }
            begins(behaviour);
            let mut dialogues = Vec::new();
            let mut is_understood = true;
            let result = repeated(plan.repeats, || {
                let (result, understood, recorded) = self.once(behaviour, plan);
                is_understood &= understood;
                dialogues = recorded;
                result
            });
            is_sane = behaviour.id != first.id || is_understood;
            reports.push(Report { result, dialogues });
        }
        reports
    }

    /// The result, whether the client did what the behaviour wants, and its connections.
    fn once(&self, behaviour: &Behaviour, plan: &Plan) -> (CaseResult, bool, Vec<Dialogue>) {
        let begin = Instant::now();
        let mut play = behaviour.play;
        let role = Role {
            version: behaviour.version,
            takes_ndr64: behaviour.takes_ndr64,
            random: Random::new(plan.seed, behaviour.id),
            patience: None,
            wait: None,
            play: &mut play,
        };
        let meeting = self.meet(role, &plan.client, plan.timeout);
        let (mut verdict, mut message) = match &meeting {
            Ok(meeting) => behaviour.judge(meeting),
            Err(reason) => (Verdict::HarnessError, reason.clone()),
        };
        let is_understood = verdict == Verdict::Pass;
        let meeting = meeting.unwrap_or_default();
        let breaches = breaches_of(Side::Client, &judged(&meeting.dialogues, &[]));
        if let Some((level, breach)) = breaches.first()
            && verdict != Verdict::HarnessError
        {
            let broken = verdict_of(*level);
            if rank(broken) < rank(verdict) {
                verdict = broken;
                message = format!("{}: {}", breach.rule, breach.message);
            }
        }
        let result = CaseResult {
            broken: u64::from(matches!(verdict, Verdict::Fail | Verdict::Should | Verdict::Remark)),
            verdict,
            message,
            breaches: breaches.into_iter().map(|(_, breach)| breach).collect(),
            transcript: transcript(&meeting),
            milliseconds: u64::try_from(begin.elapsed().as_millis()).ok(),
            ..behaviour.result(plan)
        };
        (result, is_understood, meeting.dialogues)
    }
}

/// What a breach of this level is worth.
fn verdict_of(level: Level) -> Verdict {
    match level {
        Level::Must => Verdict::Fail,
        Level::Should => Verdict::Should,
        Level::May | Level::Observed => Verdict::Remark,
    }
}

impl Behaviour {
    /// True where what is wrong comes behind a request: who asks none has not seen it.
    fn is_behind_a_request(&self) -> bool {
        !matches!(self.group, "bind" | "line")
    }

    /// What the client did, by what this behaviour wants.
    fn judge(&self, meeting: &Meeting) -> (Verdict, String) {
        let skipped = |what: String| (Verdict::Skipped, what);
        if let (Some(wanted), Some(asked)) = (self.version, meeting.version)
            && wanted != asked
        {
            return skipped(format!("about version {wanted}, and the client asks in version {asked}"));
        }
        if let (Some(wanted), Some(asked)) = (self.ndr, meeting.ndr)
            && wanted != asked
        {
            return skipped(format!("about {wanted}, and the client asks in {asked}"));
        }
        let words = if meeting.words.is_empty() { String::new() } else { format!(" ({})", meeting.words) };
        let wrong = verdict_of(self.level);
        match (&meeting.ending, self.wants) {
            (Ending::Overdue, _) => return (wrong, "the client did not end in time".to_owned()),
            (Ending::Crashed(how), _) => {
                return (Verdict::Fail, format!("the client crashed: {how}{words}"));
            }
            (Ending::Failure(how), Wants::Success) => {
                return (wrong, format!("the client did not take the right answer: {how}{words}"));
            }
            (Ending::Success, Wants::Failure) => {
                return (wrong, "the client ended as if all were right".to_owned());
            }
            _ => {}
        }
        if self.wants == Wants::Success && meeting.version.is_none() {
            return (wrong, "the client asked nothing of a right host".to_owned());
        }
        if self.is_behind_a_request() && meeting.version.is_none() {
            return skipped("the client asked nothing, and so was never shown what this is about".to_owned());
        }
        if self.wants == Wants::Failure && meeting.goes_on {
            return (wrong, "the client went on asking on the connection on which it was misled".to_owned());
        }
        let tries = meeting.dialogues.len();
        if tries > MAX_TRIES {
            let message = format!("the client connected {tries} times, and should at most {MAX_TRIES} times");
            return (Verdict::Should, message);
        }
        (Verdict::Pass, String::new())
    }

    /// The result, but for what came out.
    fn result(&self, plan: &Plan) -> CaseResult {
        let (front, behind) = &plan.repeat;
        CaseResult {
            id: self.id.to_owned(),
            title: self.title.to_owned(),
            family: self.group.to_owned(),
            level: self.level.name().to_owned(),
            authority: self.authority.to_owned(),
            checked: 1,
            repeat: format!("{front}{}{behind}", self.id),
            ..CaseResult::default()
        }
    }
}

/// The PDUs of the connections, and how the client ended.
pub(in crate::peer) fn transcript(meeting: &Meeting) -> Vec<TranscriptLine> {
    let mut lines = Lines::default();
    let mut packets = Dialogue::packets(&meeting.dialogues);
    trace::trace_packets(&mut packets, &trace::Options::default(), &mut lines);
    let what = match &meeting.ending {
        Ending::Unknown => return lines.0,
        Ending::Overdue => "the client did not end in time".to_owned(),
        Ending::Success => "the client ended: it has what it asked for".to_owned(),
        Ending::Failure(how) => format!("the client ended: {how}"),
        Ending::Crashed(how) => format!("the client crashed: {how}"),
    };
    let decoded = meeting.words.lines().map(str::to_owned).collect();
    lines.0.push(TranscriptLine { what, decoded, ..TranscriptLine::default() });
    lines.0
}

#[derive(Default)]
struct Lines(Vec<TranscriptLine>);

impl Observer for Lines {
    fn pdu(&mut self, pdu: &PduRecord<'_>) {
        let (what, bytes) = match &pdu.content {
            PduContent::Whole { pdu, bytes, .. } => (pdu.header.ptype.to_string(), *bytes),
            PduContent::Cut { bytes, .. } => ("the beginning of a PDU".to_owned(), *bytes),
            PduContent::Skipped { sample, .. } => ("no PDU".to_owned(), *sample),
        };
        self.0.push(TranscriptLine {
            connection: pdu.stream,
            direction: if pdu.direction == Direction::ToServer { "c2s" } else { "s2c" }.to_owned(),
            what,
            hex: Hex(bytes).to_string(),
            decoded: Vec::new(),
        });
    }
}
