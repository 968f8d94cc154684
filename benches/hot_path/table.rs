//! Times of two closures side by side: many short turns, first the one, then the other, and the median of the turns'
//! ratios. A machine that is slow for a second is slow for both.

use std::time::{Duration, Instant};

const TURNS: usize = 301;
const TURN: Duration = Duration::from_micros(500);

/// Nanoseconds of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) ours: f64,
    pub(crate) theirs: f64,
    /// The median of ours / theirs.
    pub(crate) ratio: f64,
}

pub(crate) fn side_by_side(ours: &mut dyn FnMut(), theirs: &mut dyn FnMut()) -> Times {
    let (our_runs, their_runs) = (runs_in_a_turn(ours), runs_in_a_turn(theirs));
    let mut turns: Vec<[f64; 2]> = Vec::with_capacity(TURNS);
    for _ in 0..TURNS {
        turns.push([turn(ours, our_runs), turn(theirs, their_runs)]);
    }
    Times {
        ours: median(turns.iter().map(|[ours, _]| *ours)),
        theirs: median(turns.iter().map(|[_, theirs]| *theirs)),
        ratio: median(turns.iter().map(|[ours, theirs]| ours / theirs)),
    }
}

/// Nanoseconds of a run.
pub(crate) fn alone(ours: &mut dyn FnMut()) -> f64 {
    let runs = runs_in_a_turn(ours);
    median((0..TURNS).map(|_| turn(ours, runs)))
}

fn runs_in_a_turn(work: &mut dyn FnMut()) -> u32 {
    let mut runs = 1;
    loop {
        let begin = Instant::now();
        for _ in 0..runs {
            work();
        }
        if begin.elapsed() >= TURN {
            return runs;
        }
        runs *= 2;
    }
}

fn turn(work: &mut dyn FnMut(), runs: u32) -> f64 {
    let begin = Instant::now();
    for _ in 0..runs {
        work();
    }
    begin.elapsed().as_secs_f64() * 1e9 / f64::from(runs)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
