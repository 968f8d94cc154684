use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::capture::Dialogue;
use crate::wire::Random;

use super::found::Found;
use super::smaller::{sign_of, smallest};
use super::state::State;
use super::target::{Outcome, Shown, Sign, Target};

/// How a run is done.
#[derive(Clone, Debug)]
pub struct Options {
    /// Batches of cases at a time.
    pub jobs: usize,
    /// Cases in a second at most.
    pub rate: Option<u64>,
    /// Cases that may be done to make one smaller.
    pub tries: u32,
    /// Bytes that the peer's memory may grow by.
    pub growth: u64,
}

/// When a run ends, at the latest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// This many cases are done, those of the run that was resumed counted.
    pub cases: Option<u64>,
    /// This much time has passed.
    pub time: Option<Duration>,
}

/// How far a run is, for whoever shows it.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    cases: AtomicU64,
    states: AtomicU64,
    rules: AtomicU64,
    corpus: AtomicU64,
    findings: AtomicU64,
}

/// Who hears of a run while it goes on.
pub trait Ears<P> {
    /// Something was found, or is known better than it was.
    fn found(&mut self, found: &Found<P>, dialogues: &[Dialogue]);

    /// An epoch has ended, and this is all that is needed to go on from there.
    fn epoch(&mut self, state: &State<P>);
}

/// How a run ended.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Cases that were done in it, those of a run that was resumed not counted; those that are done again to look into a
    /// sign are not counted either.
    pub cases: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// Why it could not go on.
    pub broken: Option<String>,
}

/// Times that a sign is looked into.
const LOOKS: u32 = 6;
/// Times that a case is done again, once it is as small as it gets.
const AGAIN: u32 = 3;
/// How long a case is made smaller: one at which the peer is silent takes as long as it may be, each time.
const LOOKING: Duration = Duration::from_secs(5);
/// Times that a peer is made to be there again in an epoch.
const RESTARTS: u32 = 64;
/// Epochs behind which a peer's memory is expected not to grow any more.
const WARM: u32 = 4;
/// Jobs at most.
const MAX_JOBS: usize = 64;

/// Fuzzes until a limit is reached or the peer is gone for good. `state` is where it goes on, and then how far it came.
pub fn run<T: Target>(
    target: &T,
    state: &mut State<T::Plan>,
    options: &Options,
    limits: Limits,
    progress: &Progress,
    ears: &mut impl Ears<T::Plan>,
) -> Summary {
    let begin = Instant::now();
    let deadline = limits.time.map(|time| begin + time);
    let mut run = Run { target, options, deadline, progress, begin, cases: 0, memory: None, epochs: 0 };
    let mut broken = None;
    while limits.cases.is_none_or(|cases| state.done < cases) && !run.is_late() {
        let whole = state.epoch.min(u64::MAX - state.done);
        let wanted = limits.cases.map_or(whole, |cases| whole.min(cases - state.done));
        let (done, ended) = run.epoch(state, wanted, ears);
        // A part of an epoch is done again by whoever resumes.
        if ended.is_none() && done == whole {
            ears.epoch(state);
        }
        if ended.is_some() {
            broken = ended;
            break;
        }
    }
    Summary { cases: run.cases, elapsed: begin.elapsed(), broken }
}

struct Run<'a, T> {
    target: &'a T,
    options: &'a Options,
    deadline: Option<Instant>,
    progress: &'a Progress,
    begin: Instant,
    /// Cases that were done.
    cases: u64,
    /// The peer's memory, once it is warm, and the cases that were done by then; zero once its growth was told.
    memory: Option<(u64, u64)>,
    epochs: u32,
}

/// A case that looks wrong: its number, the numbers of those that it may owe it to, and what looks wrong.
struct Suspect {
    number: u64,
    since: u64,
    sign: Sign,
}

impl Suspect {
    /// True where behind it nothing more is done with the peer as it is.
    fn stops(&self) -> bool {
        self.sign.id.starts_with("CRASH") || self.sign.id.starts_with("HANGS")
    }
}

/// What came of looking into what a case has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looked {
    /// It was looked into often enough, or it is too late for it.
    Settled,
    /// It shows again.
    Repeated,
    /// It does not.
    Unrepeated,
}

impl<T: Target> Run<'_, T> {
    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Does the next cases, at most an epoch: how many, and why there can be no more.
    fn epoch(
        &mut self,
        state: &mut State<T::Plan>,
        wanted: u64,
        ears: &mut impl Ears<T::Plan>,
    ) -> (u64, Option<String>) {
        let first = state.done;
        let size = self.target.batch().max(1) as u64;
        let batches = usize::try_from(wanted.div_ceil(size)).unwrap_or(usize::MAX);
        let numbers = |batch: usize| {
            let begin = first + batch as u64 * size;
            begin..(begin + size).min(first + wanted)
        };
        let corpus = state.corpus.clone();
        let known = self.known(state);
        let mut outcomes: Vec<Vec<Outcome>> = vec![Vec::new(); batches];
        // The cases that were looked into when the peer was made to be there again, with what they showed.
        let mut looked = BTreeSet::new();
        let mut restarts = 0;
        let mut broken = None;
        loop {
            let before: Vec<usize> = outcomes.iter().map(Vec::len).collect();
            let has_stopped = self.do_batches(state.seed, &corpus, &known, &mut outcomes, &numbers);
            if !has_stopped {
                break;
            }
            // Who was at it when the peer went away is asked first, while little has happened since.
            let suspects = (0..batches)
                .filter(|&batch| outcomes[batch].len() > before[batch])
                .flat_map(|batch| suspects(&outcomes[batch], numbers(batch).start))
                .filter(|suspect| suspect.stops());
            let suspects: Vec<Suspect> = suspects.collect();
            looked.extend(suspects.iter().map(|suspect| (suspect.number, suspect.sign.id.clone())));
            broken = self.recover(state, &corpus, suspects, ears);
            restarts += 1;
            if broken.is_some() || restarts == RESTARTS {
                break;
            }
        }
        let mut done = 0;
        let mut is_whole = true;
        for (batch, outcomes) in outcomes.iter().enumerate() {
            let numbers = numbers(batch);
            for (number, outcome) in numbers.clone().zip(outcomes) {
                state.ruled.join(&outcome.ruled);
                if state.learn(&outcome.features) {
                    state.keep(self.made(state.seed, number, &corpus));
                }
            }
            is_whole &= outcomes.len() as u64 == numbers.end - numbers.start;
            done += outcomes.len() as u64;
        }
        self.cases += done;
        if is_whole {
            state.done += done;
        }
        for (batch, outcomes) in outcomes.iter().enumerate() {
            for suspect in &suspects(outcomes, numbers(batch).start) {
                if looked.contains(&(suspect.number, suspect.sign.id.clone())) {
                    continue;
                }
                if broken.is_none() && self.look_into(state, &corpus, suspect, ears) == Looked::Unrepeated {
                    self.unrepeated(state, &corpus, suspect, ears);
                }
            }
        }
        if broken.is_none() {
            broken = self.end_of_epoch(state, &corpus, first + wanted.saturating_sub(1), ears);
        }
        self.show(state);
        if restarts == RESTARTS && broken.is_none() && !is_whole {
            broken = Some(format!("it had to be started again {RESTARTS} times in {wanted} cases"));
        }
        // A part of an epoch is not gone on from.
        if !is_whole && broken.is_none() && !self.is_late() {
            broken = Some("cases were left out".to_owned());
        }
        (if is_whole { done } else { 0 }, broken)
    }

    /// Does what is left of the batches; true where the peer stopped that.
    fn do_batches(
        &self,
        seed: u64,
        corpus: &[T::Plan],
        known: &BTreeSet<String>,
        outcomes: &mut [Vec<Outcome>],
        numbers: &(impl Fn(usize) -> std::ops::Range<u64> + Sync),
    ) -> bool {
        let next = AtomicUsize::new(0);
        let has_stopped = AtomicBool::new(false);
        let slots: Vec<Mutex<&mut Vec<Outcome>>> = outcomes.iter_mut().map(Mutex::new).collect();
        thread::scope(|scope| {
            for _ in 0..self.options.jobs.clamp(1, MAX_JOBS).min(slots.len()) {
                scope.spawn(|| {
                    while !has_stopped.load(Ordering::Relaxed) && !self.is_late() {
                        let batch = next.fetch_add(1, Ordering::Relaxed);
                        let Some(slot) = slots.get(batch) else { return };
                        // Nobody else has this batch.
                        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
                        let numbers = numbers(batch);
                        let left = numbers.start + slot.len() as u64..numbers.end;
                        if left.is_empty() {
                            continue;
                        }
                        let count = left.end - left.start;
                        self.pace();
                        let plans: Vec<T::Plan> =
                            left.map(|number| self.made(seed, number, corpus)).collect();
                        let came = self.target.run(&plans, known);
                        self.progress.0.cases.fetch_add(came.len() as u64, Ordering::Relaxed);
                        if came.last().is_some_and(|last| last.stops) || (came.len() as u64) < count {
                            has_stopped.store(true, Ordering::Relaxed);
                        }
                        slot.extend(came);
                    }
                });
            }
        });
        has_stopped.into_inner()
    }

    /// Waits until the next cases may be done.
    fn pace(&self) {
        let Some(rate) = self.options.rate else { return };
        let cases = self.progress.0.cases.load(Ordering::Relaxed);
        let nanoseconds = cases.saturating_mul(1_000_000_000) / rate.max(1);
        let due = self.begin + Duration::from_nanos(nanoseconds);
        let due = self.deadline.map_or(due, |deadline| due.min(deadline));
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }

    fn made(&self, seed: u64, number: u64, corpus: &[T::Plan]) -> T::Plan {
        self.target.make(&mut Random::new(seed, &format!("case {number}")), corpus)
    }

    /// The signs that nobody needs to hear of again.
    fn known(&self, state: &State<T::Plan>) -> BTreeSet<String> {
        let is_done = |sign: &&String| is_settled(state, sign);
        state.looked.keys().filter(is_done).cloned().collect()
    }

    /// The peer is gone, or hangs: finds out by which case, and makes it be there again. Why that cannot be, else.
    fn recover(
        &mut self,
        state: &mut State<T::Plan>,
        corpus: &[T::Plan],
        suspects: Vec<Suspect>,
        ears: &mut impl Ears<T::Plan>,
    ) -> Option<String> {
        if let Err(why) = self.target.restart() {
            // It cannot be asked again. Who hung up on us last knows best; it is told of one.
            if let Some(suspect) = suspects.into_iter().next() {
                let plan = self.made(state.seed, suspect.number, corpus);
                let shown = Shown::default();
                self.tell(state, &suspect, suspect.sign.clone(), plan, &shown, (0, 0), ears);
            }
            return Some(format!("the peer is gone, and {why}"));
        }
        // Those that were refused because of another one's case are among them.
        let mut unrepeated = None;
        let mut is_known = false;
        for suspect in &suspects {
            match self.look_into(state, corpus, suspect, ears) {
                Looked::Repeated => {
                    is_known = true;
                    break;
                }
                Looked::Settled => is_known = true,
                Looked::Unrepeated => unrepeated = unrepeated.or(Some(suspect)),
            }
        }
        if let (false, Some(suspect)) = (is_known, unrepeated) {
            self.unrepeated(state, corpus, suspect, ears);
        }
        self.target.is_alive().err().and_then(|_| self.target.restart().err())
    }

    /// Whether what a case has shown is so, and what of the case is needed for it.
    fn look_into(
        &mut self,
        state: &mut State<T::Plan>,
        corpus: &[T::Plan],
        suspect: &Suspect,
        ears: &mut impl Ears<T::Plan>,
    ) -> Looked {
        // Once it is late, only what nobody has heard of is still looked into.
        if is_settled(state, &suspect.sign.id)
            || (self.is_late() && state.looked.contains_key(&suspect.sign.id))
        {
            return Looked::Settled;
        }
        let plan = self.made(state.seed, suspect.number, corpus);
        let mut begun = self.tried(&plan, &suspect.sign).map(|(sign, shown)| (plan.clone(), sign, shown));
        if begun.is_none() && suspect.since < suspect.number {
            // Not by itself: with those in front of it on the same connection, then.
            let plans: Vec<T::Plan> = (suspect.since..=suspect.number)
                .map(|number| self.made(state.seed, number, corpus))
                .collect();
            if let Some(joined) = self.target.joined(&plans) {
                begun = self.tried(&joined, &suspect.sign).map(|(sign, shown)| (joined, sign, shown));
            }
        }
        let Some((plan, sign, shown)) = begun else { return Looked::Unrepeated };
        *state.looked.entry(suspect.sign.id.clone()).or_default() += 1;
        let begin = Instant::now();
        let smallest = smallest(self.target, plan, &sign, shown, self.options.tries, || {
            // What was found late, or takes long, is told as it is by then.
            !self.is_late() && begin.elapsed() < LOOKING
        });
        let again = (0..AGAIN)
            .filter(|_| sign_of(&self.target.alone(&smallest.plan), &smallest.sign.id).is_some())
            .count();
        let again = (u32::try_from(again).unwrap_or_default(), AGAIN);
        let essence = self.target.essence(&smallest.plan);
        let sign = if smallest.sign.is_coarse && !essence.is_empty() {
            Sign { title: format!("{} ({})", smallest.sign.title, essence.to_lowercase()), ..smallest.sign }
        } else {
            smallest.sign
        };
        let id = if sign.is_coarse && !essence.is_empty() {
            format!("{}-{essence}", sign.id)
        } else {
            sign.id.clone()
        };
        self.tell_as(state, suspect, sign, &id, smallest.plan, &smallest.shown, again, smallest.tries, ears);
        Looked::Repeated
    }

    /// What a case has shown did not show again: it is told so, unless it may have been nothing but slowness.
    fn unrepeated(
        &self,
        state: &mut State<T::Plan>,
        corpus: &[T::Plan],
        suspect: &Suspect,
        ears: &mut impl Ears<T::Plan>,
    ) {
        if suspect.sign.is_doubtful {
            state.unrepeated += 1;
            return;
        }
        *state.looked.entry(suspect.sign.id.clone()).or_default() += 1;
        let plan = self.made(state.seed, suspect.number, corpus);
        self.tell(state, suspect, suspect.sign.clone(), plan, &Shown::default(), (0, AGAIN), ears);
    }

    /// Does a case alone, a few times: the sign, once it shows.
    fn tried(&self, plan: &T::Plan, sign: &Sign) -> Option<(Sign, Shown)> {
        for _ in 0..AGAIN {
            let shown = self.target.alone(plan);
            if let Some(sign) = sign_of(&shown, &sign.id) {
                return Some((sign, shown));
            }
        }
        None
    }

    #[expect(clippy::too_many_arguments, reason = "all that a finding is made of")]
    fn tell(
        &self,
        state: &mut State<T::Plan>,
        suspect: &Suspect,
        sign: Sign,
        plan: T::Plan,
        shown: &Shown,
        again: (u32, u32),
        ears: &mut impl Ears<T::Plan>,
    ) {
        let id = sign.id.clone();
        self.tell_as(state, suspect, sign, &id, plan, shown, again, 0, ears);
    }

    #[expect(clippy::too_many_arguments, reason = "all that a finding is made of")]
    fn tell_as(
        &self,
        state: &mut State<T::Plan>,
        suspect: &Suspect,
        sign: Sign,
        id: &str,
        plan: T::Plan,
        shown: &Shown,
        again: (u32, u32),
        tries: u32,
        ears: &mut impl Ears<T::Plan>,
    ) {
        let found = Found {
            id: format!("FUZZ-{}-{id}", self.target.name().to_uppercase()),
            sign: sign.id,
            title: sign.title,
            level: sign.level.name().to_owned(),
            authority: sign.authority,
            message: sign.message,
            breach: sign.breach,
            number: suspect.number,
            again,
            tries,
            plan,
            transcript: shown.transcript.clone(),
        };
        match state.found.iter().position(|known| known.id == found.id) {
            None => state.found.push(found.clone()),
            // What is flaky gives way to what is not.
            Some(place) if state.found[place].again.0 < found.again.0 => state.found[place] = found.clone(),
            Some(_) => return,
        }
        ears.found(&found, &shown.dialogues);
        self.show(state);
    }

    /// Looks after the peer between two epochs.
    fn end_of_epoch(
        &mut self,
        state: &mut State<T::Plan>,
        corpus: &[T::Plan],
        last: u64,
        ears: &mut impl Ears<T::Plan>,
    ) -> Option<String> {
        self.epochs += 1;
        let told = |sign: Sign| Suspect { number: last, since: last, sign };
        if let Err(sign) = self.target.is_alive() {
            let suspect = told(sign);
            let plan = self.made(state.seed, last, corpus);
            let sign = suspect.sign.clone();
            self.tell(state, &suspect, sign, plan, &Shown::default(), (1, 1), ears);
            if let Err(why) = self.target.restart() {
                return Some(format!("the peer does not do what it did before, and {why}"));
            }
        }
        let memory = self.target.memory()?;
        match self.memory {
            None if self.epochs >= WARM => self.memory = Some((memory, self.cases)),
            Some((before, cases)) if before > 0 && memory > before.saturating_add(self.options.growth) => {
                let message = format!(
                    "the peer's memory grew from {} to {} MiB in {} cases",
                    before >> 20,
                    memory >> 20,
                    self.cases - cases
                );
                let suspect = told(Sign::new("MEMORY", "the peer's memory stays what it is", message));
                let plan = self.made(state.seed, last, corpus);
                let sign = suspect.sign.clone();
                self.tell(state, &suspect, sign, plan, &Shown::default(), (1, 1), ears);
                self.memory = Some((0, cases));
            }
            _ => {}
        }
        None
    }

    fn show<P>(&self, state: &State<P>) {
        let counts = &self.progress.0;
        counts.states.store(state.features.len() as u64, Ordering::Relaxed);
        counts.rules.store(state.ruled.count().into(), Ordering::Relaxed);
        counts.corpus.store(state.corpus.len() as u64, Ordering::Relaxed);
        counts.findings.store(state.found.len() as u64, Ordering::Relaxed);
    }
}

/// What looks wrong in the cases of a batch, the first of which has this number.
fn suspects(outcomes: &[Outcome], first: u64) -> Vec<Suspect> {
    let mut suspects = Vec::new();
    let mut since = first;
    for (number, outcome) in (first..).zip(outcomes) {
        if !outcome.shares {
            since = number;
        }
        suspects.extend(outcome.signs.iter().map(|sign| Suspect { number, since, sign: sign.clone() }));
    }
    suspects
}

/// True where a sign was looked into often enough.
fn is_settled<P>(state: &State<P>, sign: &str) -> bool {
    let looks = state.looked.get(sign).copied().unwrap_or_default();
    looks >= LOOKS
        || state.found.iter().any(|found| {
            found.sign == sign
                && found.id.ends_with(sign)
                && found.again.0 > 0
                && found.again.0 == found.again.1
        })
}

impl Progress {
    /// Cases that were done by now.
    #[must_use]
    pub fn cases(&self) -> u64 {
        self.0.cases.load(Ordering::Relaxed)
    }

    /// Features that were seen: what the peer did about what, and behind what.
    #[must_use]
    pub fn states(&self) -> u64 {
        self.0.states.load(Ordering::Relaxed)
    }

    /// Rules of conformance that have applied.
    #[must_use]
    pub fn rules(&self) -> u64 {
        self.0.rules.load(Ordering::Relaxed)
    }

    /// Cases of the corpus.
    #[must_use]
    pub fn corpus(&self) -> u64 {
        self.0.corpus.load(Ordering::Relaxed)
    }

    /// What was found.
    #[must_use]
    pub fn findings(&self) -> u64 {
        self.0.findings.load(Ordering::Relaxed)
    }
}
