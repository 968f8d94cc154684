//! Whole runs of the program over large captures, beside tshark.
//!
//! - `cargo bench --bench throughput`: builds the captures below the target folder, runs, and prints the table of
//!   docs/throughput.md
//! - `cargo bench --bench throughput -- build kms|other MB FILE`: writes such a capture

mod traffic;

use std::fs::File;
use std::path::Path;

use traffic::Kind;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["build", kind, megabytes, file] => {
            let kind = if kind == "kms" { Kind::Kms } else { Kind::Other };
            let length = megabytes.parse::<u64>().expect("a number of megabytes") * 1_000_000;
            let file = File::create(Path::new(file)).expect("a file that can be written");
            traffic::build(kind, length, file).expect("it can be written");
        }
        ["silent", file] => {
            struct Silent;
            impl volact::trace::Observer for Silent {}
            let file = File::open(file).expect("a file that can be read");
            let begin = std::time::Instant::now();
            let summary = volact::trace::trace("", file, &volact::trace::Options::default(), &mut Silent);
            let seconds = begin.elapsed().as_secs_f64();
            #[allow(clippy::cast_precision_loss)]
            let rate = summary.bytes as f64 / seconds / 1e6;
            println!("{} exchanges, {seconds:.3} s, {rate:.0} MB/s", summary.exchanges);
        }
        _ => {}
    }
}
