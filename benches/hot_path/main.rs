//! What the steps of an exchange cost, from a stub's bytes to a stub's bytes, beside the same cryptography alone.
//!
//! `cargo bench --bench hot_path` measures with criterion; `cargo bench --bench hot_path -- --table` prints ratios, with
//! a word behind it only those of the steps that have it in their name.

mod cases;
mod floor;
mod table;

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};

use cases::Case;

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--table");
    if arguments.next().is_some() {
        let step = arguments.find(|argument| !argument.starts_with('-'));
        print_table(step.as_deref().unwrap_or_default());
        return;
    }
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    for Case { version, step, bytes, mut ours, floor, .. } in cases::all() {
        let mut group = criterion.benchmark_group(step);
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(BenchmarkId::new("volact", version), |bencher| bencher.iter(&mut ours));
        if let Some((mut floor, _)) = floor {
            group.bench_function(BenchmarkId::new("floor", version), |bencher| bencher.iter(&mut floor));
        }
    }
    criterion.final_summary();
}

fn print_table(only: &str) {
    println!(
        "{:<4} {:<20} {:>9} {:>9} {:>7} {:>7} {:>11}",
        "", "", "ns", "floor ns", "ratio", "GB/s", "exchanges/s"
    );
    let cases = cases::all().into_iter().filter(|case| case.step.contains(only));
    for Case { version, step, bytes, exchanges, mut ours, floor } in cases {
        let (nanoseconds, beside) = match floor {
            Some((mut floor, factor)) => {
                let times = table::side_by_side(&mut ours, &mut floor);
                let beside = format!("{:>9.1} {:>7.2}", times.theirs * factor, times.ratio / factor);
                (times.ours, beside)
            }
            None => (table::alone(&mut ours), format!("{:>9} {:>7}", "", "")),
        };
        let bytes_per_second = bytes as f64 / nanoseconds;
        let per_second = exchanges as f64 * 1e9 / nanoseconds;
        println!(
            "{version:<4} {step:<20} {nanoseconds:>9.1} {beside} {bytes_per_second:>7.2} {per_second:>11.0}"
        );
    }
}
