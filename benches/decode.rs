//! How fast a capture in memory is decoded, and what its parts cost.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;
use std::{fs, iter};

use criterion::{BenchmarkId, Criterion, Throughput};
use volact::kms::{Ndr, RequestMessage, RequestStub, ResponseChecks, ResponseMessage, ResponseStub};
use volact::rpc::{Framed, Framer, Pdu};
use volact::trace::{Answer, Exchange, Observer, Options, PduContent, PduRecord, trace};
use volact::wire::Endianness;

const V6: &str = "vlmcs_vlmcsd_v6_default.pcap";

fn main() {
    let mut criterion = Criterion::default().measurement_time(Duration::from_secs(3)).configure_from_args();
    captures(&mut criterion);
    parts(&mut criterion);
    criterion.final_summary();
}

/// An observer that does nothing.
struct Silent;

impl Observer for Silent {}

fn captures(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode a capture in memory");
    let mut bench = |name: &str, bytes: &[u8]| {
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), bytes, |bencher, bytes| {
            bencher.iter(|| trace("memory", black_box(bytes), &Options::default(), &mut Silent));
        });
    };
    for name in [V6, "rsclient_rsserver_v5.pcap", "raw_edge_vlmcsd.pcap"] {
        bench(name, &read(name));
    }
    let repeated = repeated(&read(V6), 4 << 20);
    let summary = trace("memory", &repeated[..], &Options::default(), &mut Silent);
    assert!(summary.answered > 3000 && summary.answered == summary.exchanges, "{summary:?}");
    bench("4 MB of v6", &repeated);
}

fn parts(criterion: &mut Criterion) {
    let mut pieces = Pieces::default();
    trace("memory", &read(V6)[..], &Options::default(), &mut pieces);
    let Pieces { stream, exchanges } = pieces;
    let exchange = exchanges.into_iter().find(|exchange| exchange.ndr == Ndr::Ndr64).expect("it has one");
    let request = &exchange.request.as_ref().expect("it was seen").bytes;
    let Some(Answer::Response(response)) = &exchange.answer else { panic!("it has a response") };
    let response = &response.bytes;

    let mut group = criterion.benchmark_group("parts");
    group.throughput(Throughput::Bytes(stream.len() as u64));
    group.bench_function("frame and parse the client's PDUs", |bencher| {
        bencher.iter(|| {
            let mut framer = Framer::default();
            let mut count = 0;
            framer.push(0, black_box(&stream), (), &mut |framed| {
                if let Framed::Pdu { bytes, .. } = framed {
                    count += usize::from(Pdu::parse(bytes).is_ok());
                }
            });
            count
        });
    });
    group.throughput(Throughput::Bytes(request.len() as u64));
    group.bench_function("decode a request", |bencher| {
        bencher.iter(|| {
            let stub = RequestStub::parse(black_box(request), Ndr::Ndr64, Endianness::Little);
            stub.map(|stub| RequestMessage::decode(stub.data))
        });
    });
    let stub = RequestStub::parse(request, Ndr::Ndr64, Endianness::Little).expect("it is whole");
    let asked = RequestMessage::decode(stub.data);
    group.throughput(Throughput::Bytes(response.len() as u64));
    group.bench_function("decode and verify a response", |bencher| {
        bencher.iter(|| {
            let stub = ResponseStub::parse(black_box(response), Ndr::Ndr64, Endianness::Little);
            stub.map(|stub| ResponseChecks::of(&ResponseMessage::decode(stub.data), Some(&asked)))
        });
    });
}

/// The client's bytes, and the exchanges.
#[derive(Default)]
struct Pieces {
    stream: Vec<u8>,
    exchanges: Vec<Exchange>,
}

impl Observer for Pieces {
    fn pdu(&mut self, pdu: &PduRecord<'_>) {
        if let PduContent::Whole { bytes, .. } = pdu.content
            && pdu.direction == volact::capture::Direction::ToServer
        {
            self.stream.extend_from_slice(bytes);
        }
    }

    fn exchange(&mut self, exchange: &Exchange) {
        self.exchanges.push(exchange.clone());
    }
}

fn read(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("captures").join(name)).expect("the capture is there")
}

/// A pcap of at least this length: the header once, the records again and again. Each time the SYN begins another
/// connection between the same two ports.
fn repeated(pcap: &[u8], length: usize) -> Vec<u8> {
    let (header, records) = pcap.split_at(24);
    let times = length.div_ceil(records.len());
    iter::once(header).chain(iter::repeat_n(records, times)).flatten().copied().collect()
}
