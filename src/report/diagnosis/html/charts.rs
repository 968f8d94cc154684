use std::collections::BTreeMap;

use crate::diagnosis::{CauseKind, Status};

use super::summary::{second, thousands};
use super::{Told, word};

/// How many stories ended how, and of those that failed, by which cause.
pub(super) struct Outcomes {
    pub(super) bars: Vec<OutcomeBar>,
}

pub(super) struct OutcomeBar {
    pub(super) label: String,
    pub(super) class: &'static str,
    pub(super) count: usize,
    pub(super) y: usize,
    pub(super) width: String,
}

/// How long hosts took for their answers.
pub(super) struct ServiceTimes {
    pub(super) bars: Vec<TimeBar>,
    pub(super) ticks: Vec<(String, String)>,
    pub(super) marks: Vec<Mark>,
    pub(super) count: usize,
    /// Times below zero, which are in no bar: the capture's clock was set back.
    pub(super) negative: usize,
}

/// Service times from one value up to another.
pub(super) struct TimeBar {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) count: usize,
    pub(super) x: String,
    pub(super) width: String,
    pub(super) y: String,
    pub(super) height: String,
}

/// A percentile.
pub(super) struct Mark {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) x: String,
    pub(super) y: usize,
    /// True where its label stands to its left.
    pub(super) is_left: bool,
}

/// How many stories that ended how began when.
pub(super) struct Timeline {
    /// `hour`, `10 minutes`.
    pub(super) step: String,
    pub(super) bins: Vec<Bin>,
    pub(super) ticks: Vec<(String, String)>,
    pub(super) most: usize,
    /// Statuses that there are, in the order of their bars from below.
    pub(super) statuses: Vec<Status>,
    /// Stories without a time.
    pub(super) left_out: usize,
}

pub(super) struct Bin {
    pub(super) begin: String,
    pub(super) counts: Vec<usize>,
    pub(super) bars: Vec<BinBar>,
}

pub(super) struct BinBar {
    pub(super) class: &'static str,
    pub(super) x: String,
    pub(super) width: String,
    pub(super) y: String,
    pub(super) height: String,
}

impl Outcomes {
    pub(super) fn of(stories: &[Told<'_>]) -> Self {
        let mut counts: BTreeMap<(Status, Option<CauseKind>), usize> = BTreeMap::new();
        for Told { story, .. } in stories {
            let cause = story.causes.first().filter(|_| !story.status.is_good());
            *counts.entry((story.status, cause.map(|cause| cause.kind))).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        let rank = |status: Status| ORDER.iter().position(|other| *other == status);
        counts.sort_by_key(|&((status, _), count)| (rank(status), std::cmp::Reverse(count)));
        let others: usize = counts.iter().skip(MOST_OUTCOMES).map(|(_, count)| count).sum();
        counts.truncate(MOST_OUTCOMES);
        let mut rows: Vec<(String, &'static str, usize)> = counts
            .into_iter()
            .map(|((status, cause), count)| match cause {
                Some(cause) if status == Status::NotActivated => {
                    (cause.headline().to_owned(), status.name(), count)
                }
                Some(cause) => (format!("{}: {}", word(status), cause.headline()), status.name(), count),
                None => (word(status).to_owned(), status.name(), count),
            })
            .collect();
        if others > 0 {
            rows.push(("others".to_owned(), Status::Unknown.name(), others));
        }
        let most = rows.iter().map(|(_, _, count)| *count).max().unwrap_or(1);
        let bar = |(at, (label, class, count)): (usize, (String, &'static str, usize))| OutcomeBar {
            label,
            class,
            count,
            y: at * ROW,
            width: share(count, most, OUTCOME_WIDTH),
        };
        Self { bars: rows.into_iter().enumerate().map(bar).collect() }
    }

    pub(super) fn height(&self) -> usize {
        self.bars.len() * ROW
    }
}

impl OutcomeBar {
    pub(super) fn count(&self) -> String {
        thousands(self.count)
    }
}

impl ServiceTimes {
    /// None of a single one, of which there is nothing to draw.
    pub(super) fn of(stories: &[Told<'_>]) -> Option<Self> {
        let all = stories.iter().filter_map(|told| told.story.service_time);
        let mut times: Vec<u64> = all.clone().filter_map(|time| u64::try_from(time).ok()).collect();
        if times.len() < 2 {
            return None;
        }
        times.sort_unstable();
        let edges = edges(times[0], times[times.len() - 1]);
        let (from, to) = (edges[0], edges[edges.len() - 1]);
        let x = |value: u64| {
            let (value, from, to) = (log(value.max(from)), log(from), log(to));
            LEFT + (value - from) / (to - from) * (WIDTH - LEFT - RIGHT)
        };
        let counts: Vec<usize> = edges
            .windows(2)
            .enumerate()
            .map(|(at, edge)| {
                let below = |edge: u64| times.partition_point(|time| *time < edge);
                // What is below the least edge is in the first bar.
                below(edge[1]) - if at == 0 { 0 } else { below(edge[0]) }
            })
            .collect();
        let most = counts.iter().copied().max().unwrap_or(1);
        let bars = edges.windows(2).zip(&counts).map(|(edge, &count)| {
            let height = height(count, most);
            TimeBar {
                from: duration(edge[0]),
                to: duration(edge[1]),
                count,
                x: decimal(x(edge[0]) + 0.5),
                width: decimal(x(edge[1]) - x(edge[0]) - 1.0),
                y: decimal(BOTTOM - height),
                height: decimal(height),
            }
        });
        let decades: Vec<u64> =
            edges.iter().copied().filter(|edge| 10_u64.pow(edge.ilog10()) == *edge).collect();
        let ticks = if decades.len() < 2 { &edges } else { &decades };
        let every = ticks.len().div_ceil(MOST_TICKS);
        let mark = |(at, (name, hundredths)): (usize, (&'static str, usize))| {
            // Nearest rank.
            let value = times[(times.len() * hundredths).div_ceil(100).max(1) - 1];
            Mark {
                name,
                value: duration(value),
                x: decimal(x(value)),
                y: 14 + 16 * at,
                is_left: x(value) > WIDTH - 110.0,
            }
        };
        Some(Self {
            bars: bars.collect(),
            ticks: ticks.iter().step_by(every).map(|&edge| (decimal(x(edge)), duration(edge))).collect(),
            marks: [("p50", 50), ("p90", 90), ("p99", 99)].into_iter().enumerate().map(mark).collect(),
            count: times.len(),
            negative: all.filter(|time| *time < 0).count(),
        })
    }

    pub(super) fn count(&self) -> String {
        thousands(self.count)
    }
}

impl Timeline {
    /// None where all began within one step of time.
    pub(super) fn of(stories: &[Told<'_>]) -> Option<Self> {
        let seconds = |told: &Told<'_>| {
            let time = told.story.span.and_then(|(first, _)| first.time)?;
            Some(time.div_euclid(1_000_000_000))
        };
        let first = stories.iter().filter_map(seconds).min()?;
        let last = stories.iter().filter_map(seconds).max()?;
        let (step, name) = step(first, last);
        let begin = first.div_euclid(step);
        let count = usize::try_from(last.div_euclid(step) - begin + 1).ok().filter(|count| *count > 1)?;
        let mut counts = vec![[0_usize; 4]; count];
        let mut left_out = 0;
        for told in stories {
            let place = seconds(told).and_then(|time| usize::try_from(time.div_euclid(step) - begin).ok());
            let rank = ORDER.iter().position(|status| *status == told.story.status);
            match (place.and_then(|place| counts.get_mut(place)), rank) {
                (Some(bin), Some(rank)) => bin[rank] += 1,
                _ => left_out += 1,
            }
        }
        let is_there = |rank: &usize| counts.iter().any(|bin| bin[*rank] > 0);
        let ranks: Vec<usize> = (0..ORDER.len()).filter(is_there).collect();
        let most = counts.iter().map(|bin| bin.iter().sum::<usize>()).max().unwrap_or(1);
        let wide = (WIDTH - LEFT - RIGHT) / float(count);
        let x = |at: usize| LEFT + float(at) * wide;
        let time =
            |at: usize| second((begin + i64::try_from(at).unwrap_or(0)).saturating_mul(step * 1_000_000_000));
        let bin = |(at, counts): (usize, &[usize; 4])| {
            let mut top = BOTTOM;
            let mut bars = Vec::new();
            for &rank in ranks.iter().filter(|&&rank| counts[rank] > 0) {
                let height = height(counts[rank], most);
                top -= height;
                bars.push(BinBar {
                    class: ORDER[rank].name(),
                    x: decimal(x(at) + 0.5),
                    width: decimal((wide - 1.0).max(0.5)),
                    y: decimal(top),
                    height: decimal(height),
                });
            }
            Bin { begin: time(at), counts: ranks.iter().map(|&rank| counts[rank]).collect(), bars }
        };
        let every = count.div_ceil(MOST_TICKS);
        let tick = |at: usize| {
            let text = time(at);
            let label = if step % DAY == 0 { &text[5..10] } else { &text[11..16] };
            (decimal(x(at) + wide / 2.0), label.to_owned())
        };
        Some(Self {
            step: name,
            bins: counts.iter().enumerate().map(bin).collect(),
            ticks: (0..count).step_by(every).map(tick).collect(),
            most,
            statuses: ranks.iter().map(|&rank| ORDER[rank]).collect(),
            left_out,
        })
    }

    pub(super) fn most(&self) -> String {
        thousands(self.most)
    }
}

/// `1.25 ms`, `840 µs`, `12 s`: three digits.
pub(super) fn duration(nanoseconds: u64) -> String {
    let (value, unit) = match nanoseconds {
        0..1_000 => return format!("{nanoseconds} ns"),
        1_000..1_000_000 => (nanoseconds, "µs"),
        1_000_000..1_000_000_000 => (nanoseconds / 1_000, "ms"),
        _ => (nanoseconds / 1_000_000, "s"),
    };
    let (whole, rest) = (value / 1000, value % 1000);
    let number = match whole {
        0..10 => format!("{whole}.{:02}", rest / 10),
        10..100 => format!("{whole}.{}", rest / 100),
        _ => return format!("{whole} {unit}"),
    };
    format!("{} {unit}", number.trim_end_matches('0').trim_end_matches('.'))
}

/// The edges of bars that hold all values from one to another, five to a power of ten; at least two bars.
fn edges(least: u64, most: u64) -> Vec<u64> {
    let powers = (0..18).flat_map(|power| FIFTHS.map(|fifth| fifth * 10_u64.pow(power)));
    let all: Vec<u64> = powers.chain([10_u64.pow(19)]).collect();
    let begin = all.partition_point(|edge| *edge <= least).saturating_sub(1).min(all.len() - 3);
    let end = all.partition_point(|edge| *edge <= most).clamp(begin + 2, all.len() - 1);
    all[begin..=end].to_vec()
}

/// The step of time that cuts a span into bins that are not too many: seconds, and its name.
fn step(first: i64, last: i64) -> (i64, String) {
    let fits = |step: i64| last.div_euclid(step) - first.div_euclid(step) < MOST_BINS;
    if let Some((step, name)) = STEPS.into_iter().find(|(step, _)| fits(*step)) {
        return (step, name.to_owned());
    }
    let mut days = 2;
    while !fits(days * DAY) {
        days *= 2;
    }
    (days * DAY, format!("{days} days"))
}

/// A part of the width, seen even where it is small.
fn share(count: usize, most: usize, width: f64) -> String {
    decimal((float(count) / float(most) * width).max(if count > 0 { 2.0 } else { 0.0 }))
}

fn height(count: usize, most: usize) -> f64 {
    float(count) / float(most.max(1)) * (BOTTOM - TOP)
}

fn log(value: u64) -> f64 {
    float(usize::try_from(value).unwrap_or(usize::MAX)).log10()
}

fn float(count: usize) -> f64 {
    count as f64
}

/// With one decimal, which is finer than a pixel.
fn decimal(value: f64) -> String {
    format!("{value:.1}")
}

/// In what order statuses are drawn, from below.
const ORDER: [Status; 4] = [Status::Activated, Status::Renewed, Status::Unknown, Status::NotActivated];
/// The most bars of outcomes; what is behind them is one.
const MOST_OUTCOMES: usize = 14;
/// Height of a bar of outcomes with its label.
const ROW: usize = 38;
const OUTCOME_WIDTH: f64 = 360.0;
/// The most bins of the timeline, and labels below them.
const MOST_BINS: i64 = 60;
const MOST_TICKS: usize = 6;
const DAY: i64 = 86_400;
const STEPS: [(i64, &str); 6] =
    [(1, "second"), (60, "minute"), (600, "10 minutes"), (3600, "hour"), (21_600, "6 hours"), (DAY, "day")];
/// A power of ten in five steps that are equally long on a logarithmic scale, times ten.
const FIFTHS: [u64; 5] = [10, 16, 25, 40, 63];
/// The size of a chart, and where its bars are.
const WIDTH: f64 = 420.0;
const LEFT: f64 = 40.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 60.0;
const BOTTOM: f64 = 230.0;
