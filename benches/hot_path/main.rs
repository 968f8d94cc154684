//! What the steps of an exchange cost, from a stub's bytes to a stub's bytes, beside the same cryptography alone.
//!
//! `cargo bench --bench hot_path` measures with criterion; `cargo bench --bench hot_path -- --table` prints ratios.

mod cases;
mod floor;
mod table;

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};

use cases::Case;

fn main() {
    if std::env::args().any(|argument| argument == "--table") {
        print_table();
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

fn print_table() {
    println!(
        "{:<4} {:<20} {:>9} {:>9} {:>7} {:>7} {:>11}",
        "", "", "ns", "floor ns", "ratio", "GB/s", "exchanges/s"
    );
    for Case { version, step, bytes, exchanges, mut ours, floor } in cases::all() {
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
