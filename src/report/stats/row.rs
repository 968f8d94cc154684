use crate::kms::Check;
use crate::trace::{Exchange, MakExchange, MakOutcome, Outcome};

use super::histogram::Histogram;

/// What is counted of the exchanges of one row. Sums, leasts and greatests only: their order makes no difference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) exchanges: u64,
    pub(super) answered: u64,
    pub(super) refused: u64,
    pub(super) faults: u64,
    pub(super) http_errors: u64,
    pub(super) unreadable: u64,
    pub(super) unanswered: u64,
    /// Those of the answered ones of which a check fails.
    pub(super) failed_checks: u64,
    pub(super) times: Histogram,
    /// Of the first packet and of the last, in nanoseconds since 1970.
    pub(super) seen: Option<(i64, i64)>,
}

/// How an exchange ended, with whom.
#[derive(Clone, Copy)]
pub(super) enum Ended {
    Kms(Outcome),
    Mak(MakOutcome),
}

/// What is counted of one exchange, worked out once for all its rows.
#[derive(Clone, Copy)]
pub(super) struct Sample {
    pub(super) outcome: Ended,
    pub(super) has_failed_check: bool,
    service_time: Option<i64>,
    seen: Option<(i64, i64)>,
}

impl Sample {
    pub(super) fn of(exchange: &Exchange) -> Self {
        let fails = |check: &(&str, Check)| check.1 == Check::Fail;
        let asked = exchange.request.as_ref().map(|request| request.span);
        let spans = asked.into_iter().chain(exchange.answer_span());
        let times = spans.flat_map(|span| [span.first.time, span.last.time]).flatten();
        Self {
            outcome: Ended::Kms(exchange.outcome()),
            has_failed_check: exchange.checks.is_some_and(|checks| checks.by_name().iter().any(fails)),
            service_time: exchange.service_time(),
            seen: times.fold(None, |seen, time| widened(seen, (time, time))),
        }
    }

    pub(super) fn of_mak(exchange: &MakExchange) -> Self {
        let times = exchange.stamps().filter_map(|stamp| stamp.time);
        Self {
            outcome: Ended::Mak(exchange.outcome()),
            has_failed_check: exchange.has_failed_check(),
            service_time: exchange.service_time(),
            seen: times.fold(None, |seen, time| widened(seen, (time, time))),
        }
    }
}

impl Row {
    pub(super) fn add(&mut self, sample: &Sample) {
        self.exchanges += 1;
        *match sample.outcome {
            Ended::Kms(Outcome::Answered) | Ended::Mak(MakOutcome::Answered) => &mut self.answered,
            Ended::Kms(Outcome::Refused(_)) => &mut self.refused,
            Ended::Mak(MakOutcome::PartlyRefused(_) | MakOutcome::Refused(_)) => &mut self.refused,
            Ended::Kms(Outcome::Fault(_)) | Ended::Mak(MakOutcome::Fault(_)) => &mut self.faults,
            Ended::Mak(MakOutcome::HttpError(_)) => &mut self.http_errors,
            Ended::Kms(Outcome::Unreadable) | Ended::Mak(MakOutcome::Unreadable) => &mut self.unreadable,
            Ended::Kms(Outcome::Unanswered) | Ended::Mak(MakOutcome::Unanswered) => &mut self.unanswered,
        } += 1;
        self.failed_checks += u64::from(sample.has_failed_check);
        sample.service_time.into_iter().for_each(|time| self.times.record(time));
        self.see(sample.seen);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.exchanges += other.exchanges;
        self.answered += other.answered;
        self.refused += other.refused;
        self.faults += other.faults;
        self.http_errors += other.http_errors;
        self.unreadable += other.unreadable;
        self.unanswered += other.unanswered;
        self.failed_checks += other.failed_checks;
        self.times.merge(&other.times);
        self.see(other.seen);
    }

    fn see(&mut self, seen: Option<(i64, i64)>) {
        self.seen = seen.map_or(self.seen, |seen| widened(self.seen, seen));
    }
}

fn widened(seen: Option<(i64, i64)>, (first, last): (i64, i64)) -> Option<(i64, i64)> {
    Some(seen.map_or((first, last), |(before, behind)| (before.min(first), behind.max(last))))
}
