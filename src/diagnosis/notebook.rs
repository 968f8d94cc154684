use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use crate::capture::{Comment, Direction, End, Endpoint, Stamp};
use crate::directory::ActivationObject;
use crate::discovery::{self, Name, Opcode, RecordData, RecordType, Transport};
use crate::mak::{self, Content, ErrorCode};
use crate::rpc;
use crate::trace::rows::{Hasher, Key, Rows, Sum};
use crate::trace::{
    Bus, Carrier, ChannelRecord, ConnectionRecord, DirectoryExchange, DirectoryOutcome, Exchange, FileRecord,
    Found, GuestExchange, Lookup, MakExchange, MakOutcome, Notice, Observer, Scribe, Service, Stage, Summary,
};
use crate::vmbus::{ChannelClass, ChannelState, Protocol};
use crate::wire::Guid;

use super::call::{Call, CallClass};
use super::edges::Edges;

/// What is kept of an input for its diagnosis.
///
/// Each thread can keep one of its own: joined by [`Self::merge`], in any order, they hold what one would that had been
/// told everything. Memory is bounded: 32,768 machines and products, and as many clients and MAK items, have a row of
/// their own, each with the first two and the last six of their calls (steps: 4 and 12).
#[derive(Debug)]
pub struct Notebook {
    pub(super) name: String,
    pub(super) machines: Rows<MachineKey, MachineFacts>,
    pub(super) clients: Rows<IpAddr, ClientFacts>,
    pub(super) items: Rows<ItemKey, ItemFacts>,
    pub(super) guests: BTreeMap<Bus, GuestFacts>,
    /// DNS updates that did not succeed.
    pub(super) publications: Edges<Question, 4, 4>,
    /// How the connections of calls ended that were not answered, or that were sent again.
    pub(super) ends: BTreeMap<u64, Ended>,
    /// Connections with calls that have not been answered, until they end.
    waiting: BTreeSet<u64>,
    pub(super) classes: BTreeMap<CallClass, u64>,
    pub(super) dns: u64,
    pub(super) notices: Edges<Notice, MOST_NOTICES, 0>,
    pub(super) span: Option<(i64, i64)>,
    pub(super) packets: u64,
    pub(super) has_failed: bool,
}

/// A machine and what it wants to be activated.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MachineKey {
    pub(super) cmid: Guid,
    pub(super) act_id: Guid,
    pub(super) name: Box<str>,
    /// Where no id tells machines apart.
    pub(super) client: Option<IpAddr>,
}

/// What is known of a machine and product.
#[derive(Debug, Default)]
pub(super) struct MachineFacts {
    pub(super) calls: Edges<Call, 2, 6>,
    /// The first success, and the last.
    pub(super) successes: Edges<Call, 1, 1>,
    pub(super) classes: BTreeMap<CallClass, u64>,
    /// The least of its addresses, [`MOST_ADDRESSES`] at most.
    pub(super) addresses: BTreeSet<IpAddr>,
    pub(super) has_more_addresses: bool,
}

/// What is known of a client beside its calls.
#[derive(Debug, Default)]
pub(super) struct ClientFacts {
    pub(super) steps: Edges<ClientStep, 4, 12>,
}

/// What a client did beside calling.
#[derive(Clone, Debug)]
pub(super) enum ClientStep {
    Question(Question),
    Connection(Box<Connection>),
    Directory(Box<Searched>),
}

/// A question of DNS.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) client: Endpoint,
    pub(super) server: Option<Endpoint>,
    pub(super) name: Name,
    pub(super) rtype: RecordType,
    pub(super) outcome: discovery::Outcome,
    pub(super) asked: Stamp,
    pub(super) answered: Option<Stamp>,
    /// How many queries it took.
    pub(super) queries: u32,
    /// Of SRV records the first targets and ports.
    pub(super) services: Vec<(Name, u16)>,
    /// The first addresses.
    pub(super) addresses: Vec<IpAddr>,
}

/// A connection in which nothing was called.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) server: Endpoint,
    pub(super) first: Stamp,
    pub(super) stage: Stage,
    pub(super) ended: Ended,
    pub(super) found: Option<Arc<Found>>,
    /// server_name of TLS.
    pub(super) server_name: Option<String>,
    pub(super) refusal: Option<Refusal>,
    pub(super) is_directory: bool,
    /// The protocol that was spoken in place of DCE/RPC.
    pub(super) other_protocol: Option<&'static str>,
    /// True where it is on a port of volume activation or proposes its interface.
    pub(super) is_kms: bool,
}

/// How a connection ended.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) end: End,
    pub(super) packets: u64,
    pub(super) last: Stamp,
    pub(super) reset: Option<(Direction, Stamp)>,
    pub(super) fin: [Option<Stamp>; 2],
    pub(super) bytes: [u64; 2],
    pub(super) repeated: [u64; 2],
    /// Bytes that are no PDU.
    pub(super) skipped: [u64; 2],
    /// PDUs whose end is missing.
    pub(super) cut: [u64; 2],
    pub(super) has_gaps: bool,
}

/// Who was refused how before anything could be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// bind_nak, with its reason.
    Bind(u16),
    /// Each element of the bind, with its result and reason.
    Contexts(Vec<(String, u16, u16)>),
}

/// A search in a directory.
#[derive(Clone, Debug)]
pub(super) struct Searched {
    pub(super) server: Endpoint,
    pub(super) asked: Option<(Stamp, Stamp)>,
    pub(super) answered: Option<(Stamp, Stamp)>,
    pub(super) outcome: DirectoryOutcome,
    /// Names of the activation objects that were found.
    pub(super) objects: Vec<String>,
    /// True where activation objects were searched for.
    pub(super) is_activation: bool,
}

/// An item of a batch, or the steps of internet activation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ItemKey {
    pub(super) client: Option<IpAddr>,
    pub(super) service: Option<Service>,
    /// The extended product id.
    pub(super) pid: Box<str>,
    /// The installation id.
    pub(super) iid: Box<str>,
}

#[derive(Debug, Default)]
pub(super) struct ItemFacts {
    pub(super) tries: Edges<ItemTry, 2, 6>,
}

/// A try to have an item activated.
#[derive(Clone, Debug)]
pub(super) struct ItemTry {
    pub(super) server: Option<Endpoint>,
    /// Number of the entry in a HAR file.
    pub(super) entry: Option<u64>,
    pub(super) host: Option<String>,
    pub(super) asked: Option<Stamp>,
    pub(super) answered: Option<Stamp>,
    pub(super) service_time: Option<i64>,
    pub(super) service: Option<Service>,
    pub(super) outcome: ItemOutcome,
    pub(super) wants_count: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ItemOutcome {
    /// A confirmation ID.
    Confirmed,
    /// So many activations are left.
    Remaining(i64),
    /// A token of internet activation.
    Token,
    /// The service's code, and the HRESULT of a SOAP fault.
    Refused(Option<ErrorCode>),
    Fault(Option<u32>, String),
    HttpError(u16),
    Unreadable,
    Unanswered,
    /// The batch was answered, and the item was not.
    Missing,
}

/// What is known of a guest's channel for activation.
#[derive(Debug, Default)]
pub(super) struct GuestFacts {
    pub(super) offered: Option<Stamp>,
    pub(super) opened: Option<Stamp>,
    pub(super) open_failed: Option<(Stamp, u32)>,
    pub(super) rescinded: Option<Stamp>,
    pub(super) asked: Edges<(Stamp, u64), 2, 2>,
    pub(super) answered: Edges<(Stamp, u64), 2, 2>,
    pub(super) unanswered: u64,
    pub(super) service_time: Option<i64>,
}

/// Rows of machines, clients and items.
const MOST_ROWS: usize = 1 << 15;
/// Ends of connections that are kept.
const MOST_ENDS: usize = 1 << 16;
/// Addresses of a machine.
pub(super) const MOST_ADDRESSES: usize = 8;
/// Notices that are kept.
const MOST_NOTICES: usize = 32;
/// Targets of SRV records and addresses that are kept of an answer.
const MOST_RECORDS: usize = 8;

impl Default for Notebook {
    fn default() -> Self {
        Self::new("")
    }
}

impl Notebook {
    /// An empty one, for the input of this name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            machines: Rows::new(MOST_ROWS),
            clients: Rows::new(MOST_ROWS),
            items: Rows::new(MOST_ROWS),
            guests: BTreeMap::new(),
            publications: Edges::default(),
            ends: BTreeMap::new(),
            waiting: BTreeSet::new(),
            classes: BTreeMap::new(),
            dns: 0,
            notices: Edges::default(),
            span: None,
            packets: 0,
            has_failed: false,
        }
    }

    /// Adds what another one of the same input has kept.
    pub fn merge(&mut self, other: Self) {
        self.machines.merge(other.machines);
        self.clients.merge(other.clients);
        self.items.merge(other.items);
        for (bus, facts) in other.guests {
            self.guests.entry(bus).or_default().merge(facts);
        }
        self.publications.merge(other.publications);
        self.ends.extend(other.ends);
        self.trim_ends();
        for (class, count) in other.classes {
            *self.classes.entry(class).or_default() += count;
        }
        self.dns += other.dns;
        self.notices.merge(other.notices);
        if let Some((first, last)) = other.span {
            self.see(first);
            self.see(last);
        }
        self.packets += other.packets;
        self.has_failed |= other.has_failed;
    }

    fn see(&mut self, time: i64) {
        self.span = Some(self.span.map_or((time, time), |(first, last)| (first.min(time), last.max(time))));
    }

    fn see_stamps(&mut self, stamps: impl IntoIterator<Item = Stamp>) {
        stamps.into_iter().filter_map(|stamp| stamp.time).for_each(|time| self.see(time));
    }

    fn trim_ends(&mut self) {
        while self.ends.len() > MOST_ENDS {
            self.ends.pop_last();
        }
    }

    fn step(&mut self, client: IpAddr, place: (u64, u64, u64), step: ClientStep) {
        self.clients.row(client).steps.put(place, step);
    }
}

impl Observer for Notebook {
    fn file(&mut self, file: &FileRecord<'_>) {
        file.name.clone_into(&mut self.name);
    }

    fn exchange(&mut self, exchange: &Exchange) {
        let call = Call::of(exchange);
        let class = call.class();
        if class == CallClass::Unanswered {
            self.waiting.insert(call.stream);
        }
        self.see_stamps(call.first().into_iter().chain(call.last()));
        *self.classes.entry(class).or_default() += 1;
        let message = exchange.request.as_ref().and_then(|request| request.message.as_ref());
        let body = message.and_then(|message| message.body());
        let cmid = body.map_or(Guid::NIL, |body| body.cmid);
        let key = MachineKey {
            cmid,
            act_id: body.map_or(Guid::NIL, |body| body.act_id),
            name: body.map_or_else(String::new, |body| body.machine_name_text()).into(),
            client: (cmid == Guid::NIL).then_some(call.client.address),
        };
        let place = Call::place(exchange);
        let facts = self.machines.row(key);
        facts.addresses.insert(call.client.address);
        facts.trim();
        *facts.classes.entry(class).or_default() += 1;
        if class == CallClass::Good {
            facts.successes.put(place, call.clone());
        }
        facts.calls.put(place, call);
    }

    fn mak(&mut self, exchange: &MakExchange) {
        self.see_stamps(exchange.stamps());
        let (client, server, entry, stream) = match exchange.carrier {
            Carrier::Stream { client, server, stream, .. } => {
                (Some(client.address), Some(server), None, stream)
            }
            Carrier::Har { entry, .. } => (None, None, Some(entry), entry),
            Carrier::Body => (None, None, None, 0),
        };
        if exchange.is_request_alone() {
            return;
        }
        let head = exchange.request.as_ref().and_then(|request| request.head.as_ref());
        let one = ItemTry {
            server,
            entry,
            host: head.and_then(|head| head.host_name()).map(str::to_owned),
            asked: exchange.request.as_ref().and_then(|request| request.place).map(|place| place.first),
            answered: exchange.answer.as_ref().and_then(|answer| answer.place).map(|place| place.last),
            service_time: exchange.service_time(),
            service: exchange.service,
            outcome: outcome_of(exchange),
            wants_count: exchange
                .request_document()
                .is_some_and(|document| document.request_type == Some(mak::RequestType::REMAINING_COUNT)),
        };
        let place = (one.asked.or(one.answered).map_or(0, |stamp| stamp.frame), stream, entry.unwrap_or(0));
        let key = |pid: Option<&str>, iid: Option<&str>| ItemKey {
            client,
            // The steps of internet activation are one story.
            service: exchange.service.filter(|service| *service == Service::BatchActivation),
            pid: pid.unwrap_or_default().into(),
            iid: iid.unwrap_or_default().into(),
        };
        let asked = exchange.request_document().map(|document| &document.items[..]).unwrap_or_default();
        let answered = exchange.response_document().map(|document| &document.items[..]).unwrap_or_default();
        if asked.is_empty() && answered.is_empty() {
            self.items.row(key(None, None)).tries.put(place, one);
            return;
        }
        let items = asked.len().max(answered.len());
        for at in 0..items {
            let asks = asked.get(at);
            let by_id = |asks: &mak::RequestItem| {
                answered.iter().find(|item| asks.iid.is_some() && item.iid == asks.iid)
            };
            let answer = asks.and_then(by_id).or_else(|| answered.get(at));
            let outcome = match (answer, &one.outcome) {
                (Some(answer), _) => of_item(answer),
                (None, ItemOutcome::Confirmed) => ItemOutcome::Missing,
                (None, outcome) => outcome.clone(),
            };
            let pid =
                asks.and_then(|asks| asks.pid.as_deref()).or(answer.and_then(|item| item.pid.as_deref()));
            let iid =
                asks.and_then(|asks| asks.iid.as_deref()).or(answer.and_then(|item| item.iid.as_deref()));
            let facts = self.items.row(key(pid, iid));
            let number = u64::try_from(at).unwrap_or(u64::MAX);
            facts.tries.put((place.0, place.1, number), ItemTry { outcome, ..one.clone() });
        }
    }

    fn directory(&mut self, exchange: &DirectoryExchange) {
        self.see_stamps(exchange.stamps());
        let objects = exchange.search.activation_objects().take(MOST_RECORDS);
        let searched = Searched {
            server: exchange.server,
            asked: exchange.search.asked,
            answered: exchange.search.answered,
            outcome: exchange.outcome(),
            objects: objects.map(object_label).collect(),
            is_activation: exchange.search.is_activation(),
        };
        let first = exchange.stamps().next().map_or(0, |stamp| stamp.frame);
        let place = (first, exchange.stream, u64::from(exchange.search.id));
        self.step(exchange.client.address, place, ClientStep::Directory(Box::new(searched)));
    }

    fn lookup(&mut self, lookup: &Lookup) {
        self.dns += 1;
        let (Some(asked), Some(name)) = (lookup.first(), lookup.name()) else { return };
        self.see_stamps([asked]);
        let rtype = lookup.question.as_ref().map_or(RecordType::SRV, |question| question.rtype);
        let mut services = Vec::new();
        let mut addresses = Vec::new();
        for record in lookup.answers() {
            if let RecordData::Srv { port, target, .. } = &record.data {
                services.push((target.clone(), *port));
            } else if let Some(address) = record.data.address() {
                addresses.push(address);
            }
        }
        services.truncate(MOST_RECORDS);
        addresses.truncate(MOST_RECORDS);
        let of_queries = || lookup.queries.as_ref()?.servers.first().copied();
        let updated = lookup.queries.iter().flat_map(|queries| &queries.updates);
        let published = updated.map(|record| &record.name);
        let published = published.into_iter().find(|name| discovery::kms_service_domain(name).is_some());
        let question = Question {
            client: lookup.client,
            server: lookup.answer.as_ref().map(|answer| answer.server).or_else(of_queries),
            name: published.unwrap_or(name).clone(),
            rtype,
            outcome: lookup.outcome,
            asked,
            answered: lookup.answer.as_ref().map(|answer| answer.stamp),
            queries: lookup.queries.as_ref().map_or(0, |queries| queries.count),
            services,
            addresses,
        };
        let place = (asked.frame, lookup.number, 0);
        if lookup.opcode == Opcode::UPDATE {
            let has_failed = !matches!(lookup.outcome, discovery::Outcome::Updated);
            if has_failed && published.is_some() {
                self.publications.put(place, question);
            }
            return;
        }
        let is_asked = matches!(lookup.transport, Transport::Udp | Transport::Tcp)
            && matches!(lookup.origin, discovery::Origin::Query | discovery::Origin::Unseen);
        if is_asked {
            self.step(question.client.address, place, ClientStep::Question(question));
        }
    }

    fn guest(&mut self, exchange: &GuestExchange) {
        self.see_stamps(exchange.stamps());
        let said = &exchange.exchange;
        if said.protocol != Protocol::Avma {
            return;
        }
        let facts = self.guests.entry(exchange.bus).or_default();
        if let Some(request) = &said.request {
            facts.asked.put((request.first.frame, 0, 0), (request.first, request.length));
            facts.unanswered += u64::from(said.response.is_none());
        }
        if let Some(response) = &said.response {
            facts.answered.put((response.first.frame, 0, 0), (response.first, response.length));
            facts.service_time = exchange.service_time().or(facts.service_time);
        }
    }

    fn channel(&mut self, record: &ChannelRecord) {
        let channel = &record.channel;
        if channel.class != ChannelClass::Avma {
            return;
        }
        let facts = self.guests.entry(record.bus).or_default();
        for change in &channel.states {
            let slot = match change.state {
                ChannelState::Offered | ChannelState::Reoffered => &mut facts.offered,
                ChannelState::Opened => &mut facts.opened,
                ChannelState::Rescinded => &mut facts.rescinded,
                ChannelState::OpenFailed(status) => {
                    facts.open_failed.get_or_insert((change.stamp, status));
                    continue;
                }
                _ => continue,
            };
            slot.get_or_insert(change.stamp);
        }
    }

    fn connection(&mut self, connection: &ConnectionRecord) {
        let flow = &connection.flow;
        self.see_stamps([flow.first, flow.last]);
        let is_waited_for = self.waiting.remove(&flow.stream);
        let stage = connection.stage();
        let ended = || Ended {
            end: connection.end,
            packets: flow.packets,
            last: flow.last,
            reset: flow.reset,
            fin: flow.fin,
            bytes: flow.bytes,
            repeated: flow.repeated,
            skipped: connection.skipped,
            cut: connection.cut,
            has_gaps: connection.has_gaps,
        };
        if stage == Stage::Called {
            if is_waited_for || flow.repeated != [0; 2] {
                self.ends.insert(flow.stream, ended());
                self.trim_ends();
            }
            return;
        }
        let tls = connection.web.as_ref().and_then(|web| web.tls.as_ref());
        let tls = tls.or(connection.directory.as_ref().and_then(|directory| directory.tls.as_ref()));
        let hello = tls.and_then(|tls| tls.info.client_hello.as_ref());
        let is_http = connection.web.as_ref().is_some_and(|web| web.messages != [0; 2]);
        let other_protocol = connection.other_protocol.or(is_http.then_some("HTTP"));
        let facts = Connection {
            server: flow.server,
            first: flow.first,
            stage,
            ended: ended(),
            found: connection.found.clone(),
            server_name: hello.and_then(|hello| hello.server_name.clone()),
            refusal: refusal(connection),
            is_directory: connection.directory.is_some(),
            other_protocol,
            is_kms: connection.is_kms,
        };
        let place = (flow.first.frame, flow.stream, 0);
        self.step(flow.client.address, place, ClientStep::Connection(Box::new(facts)));
    }

    fn notice(&mut self, notice: &Notice) {
        self.has_failed |= notice.kind.is_failed_input();
        let stream = notice.stream.unwrap_or(u64::MAX);
        let offset = notice.stream_offset.or(notice.file_offset).unwrap_or(0);
        self.notices.put((notice.frame.unwrap_or(u64::MAX), stream, offset), notice.clone());
    }

    fn comment(&mut self, _: &Comment) {}

    fn summary(&mut self, summary: &Summary) {
        self.packets += summary.packets;
    }
}

impl Scribe for Notebook {
    fn written(&self) -> usize {
        0
    }

    fn turn(&mut self, empty: Vec<u8>) -> Vec<u8> {
        empty
    }
}

impl MachineFacts {
    fn trim(&mut self) {
        while self.addresses.len() > MOST_ADDRESSES {
            self.addresses.pop_last();
            self.has_more_addresses = true;
        }
    }
}

impl Sum for MachineFacts {
    fn merge(&mut self, other: Self) {
        self.calls.merge(other.calls);
        self.successes.merge(other.successes);
        for (class, count) in other.classes {
            *self.classes.entry(class).or_default() += count;
        }
        self.has_more_addresses |= other.has_more_addresses;
        self.addresses.extend(other.addresses);
        self.trim();
    }
}

impl Sum for ClientFacts {
    fn merge(&mut self, other: Self) {
        self.steps.merge(other.steps);
    }
}

impl Sum for ItemFacts {
    fn merge(&mut self, other: Self) {
        self.tries.merge(other.tries);
    }
}

impl GuestFacts {
    fn merge(&mut self, other: Self) {
        self.offered = self.offered.or(other.offered);
        self.opened = self.opened.or(other.opened);
        self.open_failed = self.open_failed.or(other.open_failed);
        self.rescinded = self.rescinded.or(other.rescinded);
        self.asked.merge(other.asked);
        self.answered.merge(other.answered);
        self.unanswered += other.unanswered;
        self.service_time = self.service_time.or(other.service_time);
    }
}

impl Key for MachineKey {
    fn hash(&self, hasher: &mut Hasher) {
        hasher.write(&self.cmid.to_wire());
        hasher.write(&self.act_id.to_wire());
        hasher.write(self.name.as_bytes());
        if let Some(client) = &self.client {
            client.hash(hasher);
        }
    }
}

impl Key for ItemKey {
    fn hash(&self, hasher: &mut Hasher) {
        if let Some(client) = &self.client {
            client.hash(hasher);
        }
        hasher.write(self.pid.as_bytes());
        hasher.write(&[0]);
        hasher.write(self.iid.as_bytes());
    }
}

/// The object's name; its distinguished name where it has none of its own.
fn object_label(object: &ActivationObject) -> String {
    object.display_name.clone().unwrap_or_else(|| object.dn.clone())
}

/// How a bind was refused, where it was.
fn refusal(connection: &ConnectionRecord) -> Option<Refusal> {
    if let Some(reason) = connection.bind_nak {
        return Some(Refusal::Bind(reason));
    }
    let rejected = connection.contexts.iter().filter_map(|context| match context.outcome {
        rpc::Outcome::Rejected { result, reason } => {
            let proposed = context.proposed.map_or_else(String::new, |syntax| syntax.transfer().to_string());
            Some((proposed, result, reason))
        }
        _ => None,
    });
    let rejected: Vec<_> = rejected.take(MOST_RECORDS).collect();
    (!rejected.is_empty()).then_some(Refusal::Contexts(rejected))
}

/// How an exchange ended that is about no items, or whose items are not told apart.
fn outcome_of(exchange: &MakExchange) -> ItemOutcome {
    match exchange.outcome() {
        MakOutcome::Answered | MakOutcome::PartlyRefused(_) => match exchange.answers() {
            Some(Content::TokenResponse(_)) => ItemOutcome::Token,
            _ => ItemOutcome::Confirmed,
        },
        MakOutcome::Refused(code) => ItemOutcome::Refused(code),
        MakOutcome::Fault(hresult) => {
            let reason = match exchange.answers() {
                Some(Content::Fault(fault)) => fault.reason.clone(),
                _ => None,
            };
            ItemOutcome::Fault(hresult, reason.unwrap_or_default())
        }
        MakOutcome::HttpError(status) => ItemOutcome::HttpError(status),
        MakOutcome::Unreadable => ItemOutcome::Unreadable,
        MakOutcome::Unanswered => ItemOutcome::Unanswered,
    }
}

fn of_item(item: &mak::ResponseItem) -> ItemOutcome {
    match (&item.error_info, &item.cid, item.activation_remaining) {
        (Some(error), ..) => ItemOutcome::Refused(error.code),
        (None, Some(_), _) => ItemOutcome::Confirmed,
        (None, None, Some(remaining)) => ItemOutcome::Remaining(remaining),
        (None, None, None) => ItemOutcome::Missing,
    }
}
