use std::collections::BTreeMap;

use super::lookups::{Peer, WAIT};
use super::{Lookup, Name, Opcode, Origin, Outcome, RecordData, RecordType, Transport, kms_service_domain};

/// How a client looked for its KMS host: the domains that it asked for `_vlmcs._tcp` below, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search<H, S> {
    /// Who searched.
    pub client: H,
    /// What it tried, in order; up to `Searches::MAX_ATTEMPTS`.
    pub attempts: Vec<Attempt<S>>,
}

/// One domain that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt<S> {
    /// The lookup's number; of one that was truncated, the first one's.
    pub number: u64,
    /// The domain; the root where the client asked for `_vlmcs._tcp` alone.
    pub domain: Name,
    /// How it was asked for, at last.
    pub transport: Transport,
    /// How many queries it took.
    pub queries: u32,
    /// Stamp of the first query, or of the answer where no query was seen.
    pub first: S,
    /// Time of that.
    pub first_time: Option<i64>,
    /// Time of the answer, or of the last query where there is none.
    pub last_time: Option<i64>,
    /// What became of it.
    pub outcome: Outcome,
    /// True where the answer was truncated, and the question came again over TCP.
    pub is_over_tcp: bool,
    /// The services of the answer, in its order; up to `Searches::MAX_SERVICES`.
    pub services: Vec<Service>,
    /// Services beyond that.
    pub left_out: u32,
}

/// A KMS host as an SRV record has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Priority.
    pub priority: u16,
    /// Weight.
    pub weight: u16,
    /// Port.
    pub port: u16,
    /// Target.
    pub target: Name,
    /// TTL, in seconds.
    pub ttl: u32,
}

/// Joins each client's lookups of `_vlmcs._tcp` to searches.
///
/// A lookup belongs to the client's search where no more than [`Self::GAP`] lies between them. One for a domain that was
/// tried already begins another search where the former one has found something. A search is handed out when it is known
/// that no lookup can join it any more, when it or their number gets too big, or at the end.
#[derive(Debug)]
pub struct Searches<H, S> {
    open: BTreeMap<H, Search<H, S>>,
    /// Nothing expires before this.
    deadline: Option<i64>,
}

impl<H, S> Default for Searches<H, S> {
    fn default() -> Self {
        Self { open: BTreeMap::new(), deadline: None }
    }
}

impl<H: Copy + Ord, S: Copy> Searches<H, S> {
    /// The most nanoseconds between two lookups of one search.
    pub const GAP: i64 = WAIT;

    /// The most attempts of a search; one more begins another search.
    pub const MAX_ATTEMPTS: usize = MAX_ATTEMPTS;

    /// The most services of an attempt that are kept.
    pub const MAX_SERVICES: usize = MAX_SERVICES;

    /// Clients whose searches are open at a time; beyond that, the oldest search is handed out.
    pub const MAX_OPEN: usize = 1024;

    /// Takes a lookup as [`Lookups`](super::Lookups) hands it out. Those of other names and types are passed over, and so are responses
    /// to what was answered before.
    pub fn take<E: Peer<Host = H>>(&mut self, lookup: &Lookup<E, S>, emit: &mut impl FnMut(Search<H, S>)) {
        let Some(attempt) = Attempt::of(lookup) else { return };
        let client = lookup.client.host();
        if let Some(now) = attempt.last_time {
            let due = now.saturating_add(LINGER);
            self.deadline = Some(self.deadline.map_or(due, |deadline| deadline.min(due)));
        }
        if let Some(search) = self.open.get_mut(&client) {
            if search.takes(&attempt) {
                return search.put(attempt);
            }
        } else if self.open.len() >= Self::MAX_OPEN
            && let Some((&oldest, _)) = self.open.iter().min_by_key(|(_, search)| search.number())
        {
            self.open.remove(&oldest).into_iter().for_each(&mut *emit);
        }
        let search = Search { client, attempts: vec![attempt] };
        self.open.insert(client, search).into_iter().for_each(emit);
    }

    /// Hands out what nothing can join any more. Call it behind [`Lookups::expire`](super::Lookups::expire) of the same time: what that hands
    /// out may still belong to a search.
    pub fn expire(&mut self, now: i64, emit: &mut impl FnMut(Search<H, S>)) {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        let due = |search: &Search<H, S>| search.last_time().map(|last| last.saturating_add(LINGER));
        self.hand_out(|search| due(search).is_some_and(|due| due <= now), emit);
        self.deadline = self.open.values().filter_map(due).min();
    }

    /// Hands out what is still open.
    pub fn finish(&mut self, emit: &mut impl FnMut(Search<H, S>)) {
        self.hand_out(|_| true, emit);
        self.deadline = None;
    }

    /// Hands out the searches that are meant, in the order in which they began.
    fn hand_out(&mut self, is_meant: impl Fn(&Search<H, S>) -> bool, emit: &mut impl FnMut(Search<H, S>)) {
        let mut meant: Vec<_> = self.open.extract_if(.., |_, search| is_meant(search)).collect();
        meant.sort_by_key(|(_, search)| search.number());
        meant.into_iter().for_each(|(_, search)| emit(search));
    }
}

impl<H, S> Search<H, S> {
    /// The attempt that found something.
    #[must_use]
    pub fn answered(&self) -> Option<&Attempt<S>> {
        self.attempts.iter().find(|attempt| attempt.outcome == Outcome::Answered)
    }

    /// The number of the lookup that it begins with.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.attempts.first().map_or(0, |attempt| attempt.number)
    }

    /// The time of what happened last.
    #[must_use]
    pub fn last_time(&self) -> Option<i64> {
        self.attempts.iter().filter_map(|attempt| attempt.last_time).max()
    }

    fn first_time(&self) -> Option<i64> {
        self.attempts.iter().filter_map(|attempt| attempt.first_time).min()
    }

    fn takes(&self, attempt: &Attempt<S>) -> bool {
        let is_near = |from: Option<i64>, to: Option<i64>| match (from, to) {
            (Some(from), Some(to)) => to.saturating_sub(from) <= WAIT,
            _ => true,
        };
        let is_known = self.attempts.iter().any(|known| known.domain == attempt.domain);
        let has_found = self.answered().is_some_and(|answered| answered.number < attempt.number);
        is_near(self.last_time(), attempt.first_time)
            && is_near(attempt.last_time, self.first_time())
            && self.attempts.len() < MAX_ATTEMPTS
            && !(is_known && has_found)
    }

    /// Lookups that wait for their answer in vain are handed out behind those that came later.
    fn put(&mut self, attempt: Attempt<S>) {
        let truncated = self.attempts.iter_mut().rev().find(|known| {
            known.outcome == Outcome::Truncated && known.domain == attempt.domain && attempt.is_over_tcp
        });
        if let Some(known) = truncated {
            known.queries = known.queries.saturating_add(attempt.queries);
            known.transport = attempt.transport;
            known.last_time = attempt.last_time.or(known.last_time);
            known.outcome = attempt.outcome;
            known.is_over_tcp = true;
            known.services = attempt.services;
            known.left_out = attempt.left_out;
            return;
        }
        let at = self.attempts.partition_point(|known| known.number < attempt.number);
        self.attempts.insert(at, attempt);
    }
}

impl<S: Copy> Attempt<S> {
    /// None where the lookup is not one of a KMS host, or not the first answer to one.
    fn of<E: Peer>(lookup: &Lookup<E, S>) -> Option<Self> {
        let question = lookup.question.as_ref()?;
        let domain = kms_service_domain(&question.name)?;
        let is_search = question.rtype == RecordType::SRV
            && lookup.opcode == Opcode::QUERY
            && matches!(lookup.origin, Origin::Query | Origin::Unseen);
        if !is_search {
            return None;
        }
        let all = || lookup.answers().iter().filter(|record| matches!(record.data, RecordData::Srv { .. }));
        let services: Vec<Service> = all()
            .take(MAX_SERVICES)
            .filter_map(|record| match &record.data {
                &RecordData::Srv { priority, weight, port, ref target } => {
                    Some(Service { priority, weight, port, target: target.clone(), ttl: record.ttl })
                }
                _ => None,
            })
            .collect();
        Some(Self {
            number: lookup.number,
            domain,
            transport: lookup.transport,
            queries: lookup.queries.as_ref().map_or(0, |queries| queries.count),
            first: lookup.first()?,
            first_time: lookup.first_time(),
            last_time: lookup.last_time(),
            outcome: lookup.outcome,
            is_over_tcp: lookup.after_truncation,
            left_out: u32::try_from(all().count() - services.len()).unwrap_or(u32::MAX),
            services,
        })
    }
}

/// For how long something may still join a search: what begins within the gap may be handed out a wait later.
const LINGER: i64 = 2 * WAIT;

const MAX_ATTEMPTS: usize = 32;
const MAX_SERVICES: usize = 64;
