//! How fast IDs are validated, and pages without product keys passed.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use volact::mak::Id;
use volact::redact;

const INSTALLATION_54: &str = "020650770493837252929082195773527024195725809211989214";
const INSTALLATION_63: &str = "330512311875727788090139496334835149954645445802270599047875924";

fn main() {
    let mut criterion = Criterion::default().measurement_time(Duration::from_secs(1)).configure_from_args();
    ids(&mut criterion);
    pages(&mut criterion);
    criterion.final_summary();
}

fn ids(criterion: &mut Criterion) {
    let grouped = |text: &str| Id::parse(text).expect("it is published").to_string();
    let mut group = criterion.benchmark_group("ids");
    for (name, text) in [
        ("validate_54", INSTALLATION_54.to_owned()),
        ("validate_63", INSTALLATION_63.to_owned()),
        ("validate_54_with_separators", grouped(INSTALLATION_54).replace(' ', "-")),
        ("validate_63_with_separators", grouped(INSTALLATION_63)),
        ("wrong_63", INSTALLATION_63.replace('7', "6")),
        ("wrong_62_with_separators", grouped(INSTALLATION_63).replacen('7', "", 1)),
    ] {
        group.bench_function(name, |bencher| bencher.iter(|| Id::parse(black_box(&text))));
    }
}

fn pages(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("redact a page without keys");
    let snapshots = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots");
    for (name, file) in [
        ("JSON Lines", "raw_edge_vlmcsd.pcap.jsonl.snap"),
        ("JSON Lines with bytes", "vlmcs_vlmcsd_v4_plain.pcap.verbose.jsonl.snap"),
        ("text", "raw_edge_vlmcsd.pcap.text.snap"),
        ("text with bytes", "vlmcs_vlmcsd_v4_plain.pcap.verbose.text.snap"),
    ] {
        let mut page = fs::read(snapshots.join(file)).expect("it is a snapshot");
        group.throughput(Throughput::Bytes(page.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| redact::page(black_box(&mut page))));
    }
    let mut bytes: Vec<u8> =
        (0_u32..1 << 16).map(|i| (i.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect();
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("bytes", |bencher| bencher.iter(|| redact::bytes(black_box(&mut bytes))));
    let page = format!("a key {} in a line of text, and more of it\n", ["BBBBB"; 5].join("-")).repeat(1000);
    group.throughput(Throughput::Bytes(page.len() as u64));
    group.bench_function("with a key in each line", |bencher| {
        bencher.iter_batched(
            || page.clone().into_bytes(),
            |mut page| redact::page(&mut page),
            criterion::BatchSize::SmallInput,
        );
    });
}
