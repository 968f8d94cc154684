//! What reading and verifying a batch request of about 1 KB costs, beside the least that it can cost.
//!
//! The floor is the work that no reader of these bytes is spared, each part by its crate alone: base64 of RequestXml,
//! HMAC-SHA256 of what comes out of it (the key's state is there), and a pass of quick-xml over the texts that have to be
//! read, the body and the document in it. Nothing is converted from UTF-16, copied, kept or judged. The stricter floor
//! passes over the body only, as if the document in it need not be read.
//!
//! `cargo bench --bench mak` measures with criterion; `cargo bench --bench mak -- --table` prints the ratios, of runs that
//! take turns.

use std::hint::black_box;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use criterion::{Criterion, Throughput};
use hmac::{Hmac, KeyInit as _, Mac as _};
use quick_xml::Reader;
use quick_xml::events::Event;
use sha2::Sha256;
use volact::mak::{
    BatchRequest, Content, DigestCheck, Layout, Message, RequestDocument, RequestItem, RequestType,
};
use volact::wire::utf16;

fn main() {
    let cases = [Case::new("type 2", None), Case::new("type 1", Some("0".repeat(54)))];
    if std::env::args().any(|argument| argument == "--table") {
        return print_table(&cases);
    }
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    for case in &cases {
        let name = format!("batch request, {}, {} bytes", case.name, case.body.len());
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(case.body.len() as u64));
        group.bench_function("parse and verify", |bencher| bencher.iter(|| case.ours()));
        group.bench_function("floor: base64, HMAC, a pass over body and document", |bencher| {
            bencher.iter(|| case.floor(true))
        });
        group.bench_function("stricter floor: base64, HMAC, a pass over the body", |bencher| {
            bencher.iter(|| case.floor(false))
        });
    }
    criterion.final_summary();
}

struct Case {
    name: &'static str,
    body: Vec<u8>,
    /// RequestXml's text, and the document in it as UTF-8.
    request_xml: String,
    document: String,
    keyed: Hmac<Sha256>,
}

impl Case {
    fn new(name: &'static str, iid: Option<String>) -> Self {
        let request_type =
            if iid.is_some() { RequestType::CONFIRMATION_ID } else { RequestType::REMAINING_COUNT };
        let pid = Some("12345-67890-123-456789-03-1033-9200.0000-0012013".to_owned());
        let document =
            RequestDocument::new(request_type, vec![RequestItem { pid, iid, ..RequestItem::default() }]);
        let request = BatchRequest::of(document, &Layout::COMPACT);
        let case = Self {
            name,
            request_xml: STANDARD.encode(&request.raw),
            document: utf16::decode(&request.raw),
            body: Message::new(Content::BatchRequest(request)).encode(),
            keyed: Hmac::new_from_slice(&[0x5a; 32]).expect("HMAC takes keys of any length"),
        };
        assert_eq!(case.ours(), (1, DigestCheck::Pass));
        case
    }

    fn ours(&self) -> (usize, DigestCheck) {
        let message = Message::parse(black_box(&self.body)).expect("it has elements");
        let Content::BatchRequest(request) = &message.content else { panic!("it is a batch request") };
        (request.document.items.len(), request.digest_check())
    }

    fn floor(&self, with_document: bool) -> (usize, [u8; 32]) {
        let raw = STANDARD.decode(black_box(&self.request_xml)).expect("it is base64");
        let mut mac = self.keyed.clone();
        mac.update(&raw);
        let mut events = pass(black_box(&self.body));
        if with_document {
            events += pass(black_box(self.document.as_bytes()));
        }
        (events, mac.finalize().into_bytes().into())
    }
}

fn pass(text: &[u8]) -> usize {
    let mut reader = Reader::from_reader(text);
    let mut events = 0;
    loop {
        match reader.read_event().expect("it is well-formed") {
            Event::Eof => return events,
            _ => events += 1,
        }
    }
}

fn print_table(cases: &[Case]) {
    println!(
        "{:<8} {:>6} {:>8} {:>9} {:>6} {:>12} {:>6}",
        "", "bytes", "ns", "floor ns", "ratio", "stricter ns", "ratio"
    );
    for case in cases {
        let ours = || _ = black_box(case.ours());
        let floor = || _ = black_box(case.floor(true));
        let stricter = || _ = black_box(case.floor(false));
        let mut best = [f64::INFINITY; 3];
        for _ in 0..ROUNDS {
            for (best, run) in best.iter_mut().zip([&ours as &dyn Fn(), &floor, &stricter]) {
                *best = best.min(nanoseconds(run));
            }
        }
        let [ours, floor, stricter] = best;
        let (name, bytes) = (case.name, case.body.len());
        println!(
            "{name:<8} {bytes:>6} {ours:>8.0} {floor:>9.0} {:>6.2} {stricter:>12.0} {:>6.2}",
            ours / floor,
            ours / stricter
        );
    }
}

/// What one run takes, of many.
fn nanoseconds(run: &dyn Fn()) -> f64 {
    const TIMES: u32 = 500;
    let begin = Instant::now();
    (0..TIMES).for_each(|_| run());
    begin.elapsed().as_secs_f64() * 1e9 / f64::from(TIMES)
}

const ROUNDS: usize = 400;
