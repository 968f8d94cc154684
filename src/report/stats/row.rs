use crate::trace::rows::Sum;
use crate::trace::{Ending, Record};

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

/// What is counted of one record, worked out once for all its rows.
#[derive(Clone, Copy)]
pub(super) struct Sample {
    ending: Ending,
    has_failed_check: bool,
    service_time: Option<i64>,
    seen: Option<(i64, i64)>,
}

impl Sample {
    pub(super) fn of(record: Record<'_>) -> Self {
        let times = record.stamps().filter_map(|stamp| stamp.time);
        Self {
            ending: record.ending().unwrap_or(Ending::Unanswered),
            has_failed_check: record.has_failed_check(),
            service_time: record.service_time(),
            seen: times.fold(None, |seen, time| widened(seen, (time, time))),
        }
    }
}

impl Row {
    pub(super) fn add(&mut self, sample: &Sample) {
        self.exchanges += 1;
        *match sample.ending {
            Ending::Answered => &mut self.answered,
            Ending::Refused => &mut self.refused,
            Ending::Fault => &mut self.faults,
            Ending::HttpError => &mut self.http_errors,
            Ending::Unreadable => &mut self.unreadable,
            Ending::Unanswered => &mut self.unanswered,
        } += 1;
        self.failed_checks += u64::from(sample.has_failed_check);
        sample.service_time.into_iter().for_each(|time| self.times.record(time));
        self.see(sample.seen);
    }

    fn see(&mut self, seen: Option<(i64, i64)>) {
        self.seen = seen.map_or(self.seen, |seen| widened(self.seen, seen));
    }
}

impl Sum for Row {
    fn merge(&mut self, other: Self) {
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
}

fn widened(seen: Option<(i64, i64)>, (first, last): (i64, i64)) -> Option<(i64, i64)> {
    Some(seen.map_or((first, last), |(before, behind)| (before.min(first), behind.max(last))))
}
