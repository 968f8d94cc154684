//! From what was kept of an input to its stories.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::net::IpAddr;

use crate::discovery::Name;
use crate::mak;
use crate::trace::Stage;
use crate::wire::Guid;

use super::call::Call;
use super::failures::MOST_SKEW;
use super::kms::{Clones, Draft, Surroundings};
use super::notebook::{ClientStep, MachineFacts, MachineKey, Notebook, Question};
use super::words::{counted, duration};
use super::{CauseKind, Evidence, FileDiagnosis, Finding, Method, Story, avma, steps};

impl Notebook {
    /// What became of the activations in the input.
    #[must_use]
    pub fn finish(&self) -> FileDiagnosis {
        let clock = clock(self);
        let clones = clones(self);
        let around = Surroundings {
            ends: &self.ends,
            end: self.span.map(|(_, last)| last),
            clock: clock.as_ref().map(|clock| clock.offset),
            has_dns: self.dns > 0,
            clones: &clones,
        };
        let (drafts, ways) = drafts(self);
        let mut stories: Vec<Story> = drafts.iter().map(|draft| draft.tell(&around)).collect();
        stories.extend(self.items.iter().map(|(key, facts)| super::mak::tell(key, facts)));
        let asked: BTreeSet<IpAddr> = self.items.iter().filter_map(|(key, _)| key.client).collect();
        for (client, way) in ways {
            // Who came to ask has a story of that, which the way there belongs to.
            if !asked.contains(&client) {
                stories.extend(super::mak::tell_way(client, &way));
            } else if let Some(story) = stories
                .iter_mut()
                .find(|story| story.method == Method::Mak && story.machine.addresses.contains(&client))
            {
                super::mak::add_way(story, &way);
            }
        }
        stories.extend(self.guests.iter().map(|(bus, facts)| avma::tell(*bus, facts)));
        stories.sort_by_cached_key(|story| {
            let first = story.span.map_or(u64::MAX, |(first, _)| first.frame);
            (first, story.machine.label(), story.product.name.clone())
        });
        for (at, story) in stories.iter_mut().enumerate() {
            story.number = at + 1;
        }
        let mut remarks = Vec::new();
        remarks.extend(clock.filter(|clock| clock.offset.saturating_abs() > NOTEWORTHY).map(Clock::finding));
        remarks.extend(clones.iter().map(|(cmid, clones)| of_clones(*cmid, clones)));
        remarks.extend(self.publications.iter().map(of_publication));
        remarks.truncate(MOST_REMARKS);
        let mut unseen = Vec::new();
        if self.dns == 0 && stories.iter().any(|story| story.method == Method::Kms) {
            unseen.push("how machines came to their host: no DNS in this capture".to_owned());
        }
        let mut left_out = Vec::new();
        if let Some((rest, about)) = self.machines.rest() {
            left_out.push((
                format!("about {about} more machines and products without a story: calls"),
                rest.calls.count(),
            ));
            left_out.extend(rest.classes.iter().map(|(class, count)| (class.label(), *count)));
        }
        FileDiagnosis {
            name: self.name.clone(),
            span: self.span,
            stories,
            remarks,
            unseen,
            left_out,
            notices: self.notices.iter().cloned().collect(),
            notices_left_out: self.notices.left_out(),
            packets: self.packets,
            events: 0,
            has_failed: self.has_failed,
        }
    }
}

/// The steps of each client on its way to a service of MAK.
type Ways<'a> = BTreeMap<IpAddr, Vec<&'a ClientStep>>;

/// Machines with what their clients did on the way, and clients that came to no call.
fn drafts(notebook: &Notebook) -> (Vec<Draft<'_>>, Ways<'_>) {
    let mut machines: Vec<(&MachineKey, &MachineFacts)> = notebook.machines.iter().collect();
    machines.sort_by_key(|(key, facts)| {
        (facts.calls.first().and_then(Call::first).map_or(u64::MAX, |stamp| stamp.frame), *key)
    });
    let mut drafts: Vec<Draft<'_>> = machines
        .iter()
        .map(|&(key, facts)| Draft {
            key: Some(key),
            facts: Some(facts),
            client: None,
            steps: Vec::new(),
            steps_left_out: 0,
        })
        .collect();
    // Where each address called: the packet, and whose call it was.
    let mut calls: BTreeMap<IpAddr, Vec<(u64, usize)>> = BTreeMap::new();
    for (at, (_, facts)) in machines.iter().enumerate() {
        for call in facts.calls.iter() {
            let frame = call.first().map_or(0, |stamp| stamp.frame);
            calls.entry(call.client.address).or_default().push((frame, at));
        }
    }
    calls.values_mut().for_each(|calls| calls.sort_unstable());
    let mut ways = Ways::new();
    let mut clients: Vec<_> = notebook.clients.iter().collect();
    clients.sort_by_key(|(client, _)| **client);
    let callers = callers(&machines);
    let mut left: Vec<(IpAddr, Vec<&ClientStep>, u64)> = Vec::new();
    for (client, facts) in clients {
        let mut orphans: Vec<&ClientStep> = Vec::new();
        let own = calls.get(client).map(Vec::as_slice).unwrap_or_default();
        let owners: BTreeSet<usize> = own.iter().map(|(_, at)| *at).collect();
        for step in facts.steps.iter() {
            match way_of(step) {
                Way::Mak => ways.entry(*client).or_default().push(step),
                Way::Nowhere => {}
                Way::Kms => {
                    let frame = step.stamps().0.map_or(0, |stamp| stamp.frame);
                    let next = own.get(own.partition_point(|(at, _)| *at < frame)).map(|(_, at)| *at);
                    let only = owners.first().filter(|_| owners.len() == 1).copied();
                    match next.or(only) {
                        Some(at) => drafts[at].steps.push(step),
                        None => orphans.push(step),
                    }
                }
            }
        }
        let mut owners = owners_by_answers(&orphans, &callers).into_iter();
        orphans.retain(|step| match owners.next().flatten() {
            Some(at) => {
                drafts[at].steps.push(step);
                false
            }
            None => true,
        });
        left.push((*client, orphans, facts.steps.left_out()));
    }
    let told = told_addresses(&drafts);
    for (client, mut orphans, steps_left_out) in left {
        orphans.retain(|step| match owner_by_address(client, step, &told) {
            Some(at) => {
                drafts[at].steps.push(step);
                false
            }
            None => true,
        });
        if orphans.iter().any(|step| is_telling(step)) {
            drafts.push(Draft {
                key: None,
                facts: None,
                client: Some(client),
                steps: orphans,
                steps_left_out,
            });
        }
    }
    let frame = |step: &ClientStep| step.stamps().0.map_or(0, |stamp| stamp.frame);
    drafts.iter_mut().for_each(|draft| draft.steps.sort_by_key(|step| frame(step)));
    drafts.sort_by_key(|draft| draft.first().map_or(u64::MAX, |stamp| stamp.frame));
    (drafts, ways)
}

/// The one that something is of; none where it is of several.
type Owners<K> = HashMap<K, Option<usize>>;

fn own<K: Eq + Hash>(owners: &mut Owners<K>, key: K, at: usize) {
    let owner = owners.entry(key).or_insert(Some(at));
    if *owner != Some(at) {
        *owner = None;
    }
}

/// Who has called each address.
fn callers(machines: &[(&MachineKey, &MachineFacts)]) -> Owners<IpAddr> {
    let mut owners = Owners::new();
    for (at, (_, facts)) in machines.iter().enumerate() {
        facts.calls.iter().for_each(|call| own(&mut owners, call.server.address, at));
    }
    owners
}

/// Who was told each address, over IPv4 (true) or IPv6.
fn told_addresses(drafts: &[Draft<'_>]) -> Owners<(IpAddr, bool)> {
    let mut owners = Owners::new();
    for (at, draft) in drafts.iter().enumerate() {
        for step in &draft.steps {
            if let ClientStep::Question(question) = step {
                let is_ipv4 = question.client.address.is_ipv4();
                question.addresses.iter().for_each(|address| own(&mut owners, (*address, is_ipv4), at));
            }
        }
    }
    owners
}

/// Whose questions they are, by who called the addresses that were answered, as where DNS is asked over one family of
/// addresses and the host over the other; none where nobody did, or several.
fn owners_by_answers(steps: &[&ClientStep], callers: &Owners<IpAddr>) -> Vec<Option<usize>> {
    let question = |step: &&'_ ClientStep| match step {
        ClientStep::Question(question) => Some(question.clone()),
        _ => None,
    };
    let owner = |question: &Question| {
        let mut owners = question.addresses.iter().filter_map(|address| callers.get(address));
        let first = owners.next()?;
        owners.all(|owner| owner == first).then_some(*first)?
    };
    let questions: Vec<Option<Question>> = steps.iter().map(question).collect();
    let named: Vec<(Name, usize)> = questions
        .iter()
        .flatten()
        .filter_map(|question| Some((question.name.clone(), owner(question)?)))
        .collect();
    let of = |question: &Question| {
        let is_told = |name: &Name| {
            *name == question.name || question.services.iter().any(|(target, _)| target == name)
        };
        named.iter().find(|(name, _)| is_told(name)).map(|(_, at)| *at)
    };
    questions.iter().map(|question| of(question.as_ref()?)).collect()
}

/// Whose connection it is, by who was told that address over the other family of addresses; none where several were.
fn owner_by_address(client: IpAddr, step: &ClientStep, told: &Owners<(IpAddr, bool)>) -> Option<usize> {
    let ClientStep::Connection(connection) = step else { return None };
    told.get(&(connection.server.address, !client.is_ipv4())).copied().flatten()
}

enum Way {
    Kms,
    Mak,
    /// It has nothing to do with activation.
    Nowhere,
}

fn way_of(step: &ClientStep) -> Way {
    match step {
        ClientStep::Question(question) if mak::is_service_host(question.name.as_str()) => Way::Mak,
        ClientStep::Question(_) | ClientStep::Directory(_) => Way::Kms,
        ClientStep::Connection(connection) => {
            let name = super::mak::name_of(connection);
            let is_mak = name.as_deref().is_some_and(mak::is_service_host);
            let is_web =
                matches!(connection.stage, Stage::OtherHttp | Stage::Sealed) && !connection.is_directory;
            match (is_mak, is_web && !connection.is_kms && connection.server.port != KMS_PORT) {
                (true, _) => Way::Mak,
                (false, true) => Way::Nowhere,
                (false, false) => Way::Kms,
            }
        }
    }
}

/// False for steps that alone are no story: a connection that carried nothing, mid-stream.
fn is_telling(step: &ClientStep) -> bool {
    match step {
        ClientStep::Question(_) => true,
        ClientStep::Directory(searched) => searched.is_activation,
        ClientStep::Connection(connection) => match connection.stage {
            Stage::Silent => connection.ended.end == crate::capture::End::Reset,
            Stage::SaslSealed | Stage::Sealed => true,
            Stage::OtherInterface => connection.is_kms,
            Stage::NotBound | Stage::Cut | Stage::NotRpc => connection.ended.bytes != [0; 2],
            _ => true,
        },
    }
}

/// How far the capture's clock is ahead of the machines that were content.
struct Clock {
    offset: i64,
    machines: usize,
}

impl Clock {
    fn finding(self) -> Finding {
        let way = if self.offset > 0 { "ahead of" } else { "behind" };
        let text = format!(
            "The capture's clock is {} {way} the clocks of {} that got an answer; times in this capture are off by that.",
            duration(self.offset),
            counted(self.machines as u64, "machine")
        );
        let shown = "ClientTime beside the packets' times, the median of all";
        Finding::new(CauseKind::CaptureClock, text, vec![Evidence::new([], shown)])
    }
}

/// The median over machines that a host answered: genuine hosts refuse those whose clocks are off by more than four hours.
fn clock(notebook: &Notebook) -> Option<Clock> {
    let of_machine = |facts: &MachineFacts| facts.successes.first().and_then(Call::clock_offset);
    let mut offsets: Vec<i64> = notebook.machines.iter().filter_map(|(_, facts)| of_machine(facts)).collect();
    offsets.sort_unstable();
    let median = *offsets.get(offsets.len() / 2)?;
    // One machine alone may be the one that is wrong; several agree by chance only where they are right.
    let agree =
        offsets.iter().filter(|offset| offset.saturating_sub(median).saturating_abs() < AGREEMENT).count();
    let is_agreed = agree * 3 >= offsets.len() * 2 && (agree > 1 || median.saturating_abs() > MOST_SKEW);
    is_agreed.then_some(Clock { offset: median, machines: agree })
}

/// CMIDs that several machines have: each machine by its name and address.
fn clones(notebook: &Notebook) -> BTreeMap<Guid, Clones> {
    let mut names: BTreeMap<Guid, BTreeMap<&str, BTreeSet<IpAddr>>> = BTreeMap::new();
    let mut unbounded = BTreeSet::new();
    for (key, facts) in notebook.machines.iter().filter(|(key, _)| key.cmid != Guid::NIL) {
        names.entry(key.cmid).or_default().entry(&key.name).or_default().extend(&facts.addresses);
        if facts.has_more_addresses {
            unbounded.insert(key.cmid);
        }
    }
    let mut clones = BTreeMap::new();
    for (cmid, names) in names {
        let addresses: BTreeSet<&IpAddr> = names.values().flatten().collect();
        // One name that comes from another address has moved; from many it is on many machines.
        let is_cloned = addresses.len() > 1 && (names.len() > 1 || addresses.len() > 2);
        if is_cloned {
            let machines = names.iter().flat_map(|(name, addresses)| {
                addresses.iter().map(move |address| match *name {
                    "" => address.to_string(),
                    name => format!("{name} ({address})"),
                })
            });
            let (has_more, is_one_name) = (unbounded.contains(&cmid), names.len() == 1);
            clones.insert(cmid, Clones { machines: machines.collect(), has_more, is_one_name });
        }
    }
    clones
}

fn of_clones(cmid: Guid, clones: &Clones) -> Finding {
    let text = format!("{} The host counts what has one CMID as one.", clones.sentence(cmid));
    Finding::new(CauseKind::DuplicateMachineId, text, vec![Evidence::new([], format!("CMID {cmid}"))])
}

fn of_publication(question: &Question) -> Finding {
    let text = format!(
        "{} could not write {} into DNS: {}.",
        question.client.address,
        question.name,
        steps::outcome_words(question.outcome)
    );
    let stamps = [Some(question.asked), question.answered].into_iter().flatten();
    Finding::new(CauseKind::HostCannotPublish, text, vec![Evidence::new(stamps, "DNS UPDATE")])
}

const KMS_PORT: u16 = 1688;
/// Nanoseconds by which machines' clocks may differ and still agree: ten minutes.
const AGREEMENT: i64 = 600_000_000_000;
/// Nanoseconds from which it is worth a word that the capture's clock is off: an hour.
const NOTEWORTHY: i64 = 3_600_000_000_000;
/// Remarks about a capture.
const MOST_REMARKS: usize = 64;
