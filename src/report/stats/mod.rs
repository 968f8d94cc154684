//! Statistics over exchanges: by client, host, product and outcome.

mod histogram;
mod json;
mod key;
mod row;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::capture::Endpoint;
use crate::trace::Record;
use crate::trace::rows::{Hasher, Key, Rows, Sum as _, hash_of};
use crate::wire::Guid;

use key::{OutcomeKey, ProductKey};
use row::{Row, Sample};

pub use text::StatsLayout;

/// Counts exchanges by client, host, product and outcome, with percentiles of their service times.
///
/// Each thread can count in one of its own: joined by [`Self::merge`], in any order, they show byte for byte what one
/// would that had counted everything. Memory is bounded: 6,000 clients, 512 hosts, 512 products and 256 outcomes
/// have a row of their own, and 131,072 pairs of host and machine are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    all: Row,
    clients: Rows<IpAddr, Row>,
    hosts: Rows<Endpoint, Row>,
    products: Rows<ProductKey, Row>,
    outcomes: Rows<OutcomeKey, Row>,
    machines: Machines,
}

impl Default for Stats {
    /// Nothing counted yet.
    fn default() -> Self {
        Self {
            all: Row::default(),
            clients: Rows::new(6000),
            hosts: Rows::new(512),
            products: Rows::new(512),
            outcomes: Rows::new(256),
            machines: Machines { most: 1 << 17, pairs: BTreeSet::new(), has_more: false },
        }
    }
}

impl Stats {
    /// Counts what was asked and answered. What came over no network, as in a HAR, has neither client nor host.
    pub fn count<'a>(&mut self, record: impl Into<Record<'a>>) {
        let record = record.into();
        let sample = Sample::of(record);
        self.all.add(&sample);
        if let Some((client, server)) = record.sides() {
            self.clients.row(client.address).add(&sample);
            self.hosts.row(server).add(&sample);
        }
        self.products.row(ProductKey::of(record)).add(&sample);
        self.outcomes.row(OutcomeKey::of(record)).add(&sample);
        if let Record::Kms(exchange) = record {
            let request = exchange.request.as_ref().and_then(|request| request.message.as_ref());
            if let Some(body) = request.and_then(|message| message.body()) {
                self.machines.insert((exchange.server, body.cmid));
            }
        }
    }

    /// Adds what another one has counted.
    pub fn merge(&mut self, other: Self) {
        self.all.merge(other.all);
        self.clients.merge(other.clients);
        self.hosts.merge(other.hosts);
        self.products.merge(other.products);
        self.outcomes.merge(other.outcomes);
        self.machines.merge(other.machines);
    }

    /// Exchanges that were counted.
    #[must_use]
    pub fn exchanges(&self) -> u64 {
        self.all.exchanges
    }
}

/// The rows with the most exchanges first, by key where they have as many.
fn sorted<K: Key>(rows: &Rows<K, Row>) -> Vec<(K, &Row)> {
    let mut rows: Vec<(K, &Row)> = rows.iter().map(|(key, row)| (key.clone(), row)).collect();
    rows.sort_by(|(a, left), (b, right)| right.exchanges.cmp(&left.exchanges).then_with(|| a.cmp(b)));
    rows
}

/// The sum of the keys that were not kept, and about how many they are: of each there was an exchange.
fn rest<K: Key>(rows: &Rows<K, Row>) -> Option<(&Row, u64)> {
    rows.rest().map(|(rest, about)| (rest, about.min(rest.exchanges.max(1))))
}

/// The distinct machines that asked each host. Beyond the bound, the pairs with the least hashes are kept, as in
/// [`Rows`]: what is left for a host is the least that it can have.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Machines {
    most: usize,
    pairs: BTreeSet<(u64, Endpoint, Guid)>,
    has_more: bool,
}

impl Machines {
    fn insert(&mut self, pair: (Endpoint, Guid)) {
        let place = (hash_of(&pair), pair.0, pair.1);
        // A set at its bound turns most pairs down here, without being changed.
        if self.has_more && self.pairs.last().is_some_and(|last| *last < place) {
            return;
        }
        self.pairs.insert(place);
        self.trim();
    }

    fn merge(&mut self, mut other: Self) {
        self.has_more |= other.has_more;
        self.pairs.append(&mut other.pairs);
        self.trim();
    }

    /// How many machines are known of each host.
    fn by_host(&self) -> BTreeMap<Endpoint, u64> {
        let mut counts = BTreeMap::new();
        for (_, host, _) in &self.pairs {
            *counts.entry(*host).or_default() += 1;
        }
        counts
    }

    fn trim(&mut self) {
        while self.pairs.len() > self.most {
            self.pairs.pop_last();
            self.has_more = true;
        }
    }
}

/// A host, and the machine that asked it.
impl Key for (Endpoint, Guid) {
    fn hash(&self, hasher: &mut Hasher) {
        self.0.hash(hasher);
        hasher.write(&self.1.to_wire());
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;
    use crate::capture::{Direction, Stamp};
    use crate::kms::{Ndr, RequestBody, RequestMessage};
    use crate::trace::{Answer, ContextStanding, Exchange, FaultRecord, NdrBasis, RequestRecord, Span};
    use crate::wire::FileTime;

    /// An exchange of this client's, that host's and that machine's.
    fn exchange(client: u32, host: u8, machine: u32, service_time: Option<i64>) -> Exchange {
        let at = |frame, time| Stamp { frame, time: Some(time) };
        let span = |direction, stamp| Span {
            direction,
            offset: 0,
            first: stamp,
            last: stamp,
            fragments: 1,
            complete: true,
        };
        let body = RequestBody {
            version: crate::kms::Version::V6,
            vm_info: 0,
            license_status: 2,
            binding_expiration: 0,
            app_id: Guid::NIL,
            act_id: Guid::from_u128(u128::from(machine % 3)),
            kms_id: Guid::NIL,
            cmid: Guid::from_u128(machine.into()),
            n_policy: 25,
            client_time: FileTime(0),
            cmid_prev: Guid::NIL,
            machine_name: [0; 128],
        };
        Exchange {
            stream: 0,
            client: Endpoint { address: Ipv4Addr::from_bits(client).into(), port: 1024 },
            server: Endpoint { address: Ipv6Addr::from_bits(host.into()).into(), port: 1688 },
            call_id: 1,
            context_id: Some(0),
            standing: ContextStanding::Accepted,
            ndr: Ndr::Ndr32,
            ndr_basis: NdrBasis::Negotiated,
            request: Some(Box::new(RequestRecord {
                span: span(Direction::ToServer, at(1, i64::from(client))),
                opnum: Some(0),
                object: None,
                bytes: Vec::new(),
                stub: None,
                error: None,
                message: Some(RequestMessage::new(body, [0; 16])),
                checks: None,
                fits: None,
            })),
            answer: service_time.map(|time| {
                Answer::Fault(FaultRecord {
                    span: span(Direction::ToClient, at(2, i64::from(client) + time)),
                    status: Some(machine % 5),
                })
            }),
            checks: None,
            found: None,
        }
    }

    fn small() -> Stats {
        Stats {
            all: Row::default(),
            clients: Rows::new(7),
            hosts: Rows::new(3),
            products: Rows::new(2),
            outcomes: Rows::new(3),
            machines: Machines { most: 11, pairs: BTreeSet::new(), has_more: false },
        }
    }

    fn shown(stats: &Stats) -> String {
        let mut out = Vec::new();
        stats.write_text(&mut out, &StatsLayout { rows: None, is_wide: true }).unwrap();
        stats.write_jsonl(&mut out, None).unwrap();
        String::from_utf8(out).unwrap()
    }

    proptest! {
        #[test]
        fn whoever_counts_what_and_is_joined_when_shows_the_same(
            exchanges in prop::collection::vec((0..20_u32, 0..6_u8, 0..30_u32, prop::option::of(-5..5000_i64)), 0..120),
            workers in prop::collection::vec(0..4_usize, 120),
            order in Just([0, 1, 2, 3]).prop_shuffle(),
        ) {
            let mut one = small();
            let mut parts = [small(), small(), small(), small()];
            for (&(client, host, machine, time), worker) in exchanges.iter().zip(workers) {
                let exchange = exchange(client, host, machine, time);
                one.count(&exchange);
                parts[worker].count(&exchange);
            }
            let mut in_line = small();
            order.iter().for_each(|&at| in_line.merge(parts[at].clone()));
            let [a, b, c, d] = order.map(|at| parts[at].clone());
            let (mut left, mut right) = (a, c);
            left.merge(b);
            right.merge(d);
            right.merge(left);
            prop_assert_eq!(&in_line, &one);
            prop_assert_eq!(&right, &one);
            prop_assert_eq!(shown(&right), shown(&one));
        }
    }

    #[test]
    fn a_hundred_thousand_clients_and_machines_stay_within_the_bounds() {
        let mut stats = Stats::default();
        for client in 0..100_000 {
            let exchange = exchange(client, 1, client, Some(1000));
            stats.count(&exchange);
            stats.count(&Exchange { server: Endpoint { port: 1689, ..exchange.server }, ..exchange });
        }
        assert_eq!(stats.clients.len(), 6_000);
        let kept: u64 = stats.clients.iter().map(|(_, row)| row.exchanges).sum();
        let (rest, about) = rest(&stats.clients).unwrap();
        assert_eq!((kept, rest.exchanges), (12_000, 188_000));
        assert!((89_300..98_700).contains(&about), "{about}");
        assert_eq!((stats.machines.pairs.len(), stats.machines.has_more), (1 << 17, true));
        let text = shown(&stats);
        assert!(text.contains("others (about "), "{}", text.lines().last().unwrap());
        assert!(text.contains("! more than 131072 pairs of host and machine"));
    }
}
