//! The story of a machine that asked a KMS, or tried to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::capture::{End, Stamp};
use crate::catalog::product;
use crate::discovery::{self, RecordType};
use crate::wire::Guid;

use super::call::{Call, CallClass, Reply};
use super::failures::{
    ENOUGH_WAITING, MOST_SKEW, call_finding, connection_finding, host_label, intervals, is_cut_by_capture,
    is_sealed,
};
use super::notebook::{ClientStep, Connection, Ended, MOST_ADDRESSES, MachineFacts, MachineKey, Question};
use super::words::{self, counted, duration, lower_first};
use super::{
    CauseKind, Evidence, Finding, Host, Machine, Method, Product, Route, Status, Step, Story, steps,
};

/// A machine and product, with what its client did beside calling.
pub(super) struct Draft<'a> {
    pub(super) key: Option<&'a MachineKey>,
    pub(super) facts: Option<&'a MachineFacts>,
    /// Where only the client is known.
    pub(super) client: Option<IpAddr>,
    pub(super) steps: Vec<&'a ClientStep>,
    /// Steps of the client between its first and its last that are not kept.
    pub(super) steps_left_out: u64,
}

/// What is known of the whole capture.
pub(super) struct Surroundings<'a> {
    pub(super) ends: &'a BTreeMap<u64, Ended>,
    /// The last time of the capture.
    pub(super) end: Option<i64>,
    /// Nanoseconds by which the capture's clock is ahead of most machines'.
    pub(super) clock: Option<i64>,
    pub(super) has_dns: bool,
    /// Machines that share a CMID.
    pub(super) clones: &'a BTreeMap<Guid, Clones>,
}

/// Machines that share a CMID.
pub(super) struct Clones {
    /// Each by its name and address.
    pub(super) machines: Vec<String>,
    /// True where there are more.
    pub(super) has_more: bool,
    /// True where all have one name.
    pub(super) is_one_name: bool,
}

impl Clones {
    /// That they have it; one name at several addresses may be one machine that moves.
    pub(super) fn sentence(&self, cmid: Guid) -> String {
        let more = if self.has_more { "more than " } else { "" };
        let count = self.machines.len() as u64;
        let listed = self.listed();
        if self.is_one_name {
            let counted = counted(count, "address");
            return format!(
                "The CMID {cmid} comes from {more}{counted} under one name: copies of one machine, or one that moved: \
                 {listed}."
            );
        }
        let counted = counted(count, "machine");
        let counted = format!("{more}{counted}");
        let mut begin = counted.chars();
        let first: String = begin.next().into_iter().flat_map(char::to_uppercase).collect();
        format!("{first}{} have the CMID {cmid}, which is to be one machine's: {listed}.", begin.as_str())
    }

    /// The first few of them.
    fn listed(&self) -> String {
        let shown = self.machines.iter().take(MOST_FINDINGS).cloned().collect::<Vec<_>>().join(", ");
        match self.machines.len().saturating_sub(MOST_FINDINGS) {
            0 => shown,
            _ if self.has_more => format!("{shown} and others"),
            more => format!("{shown} and {more} more"),
        }
    }
}

impl Draft<'_> {
    /// The packet with which the story begins.
    pub(super) fn first(&self) -> Option<Stamp> {
        let call = self.facts.and_then(|facts| facts.calls.first()).and_then(Call::first);
        let step = self.steps.first().and_then(|step| step.stamps().0);
        call.into_iter().chain(step).min_by_key(|stamp| stamp.frame)
    }

    fn calls(&self) -> impl DoubleEndedIterator<Item = &Call> {
        self.facts.into_iter().flat_map(|facts| facts.calls.iter())
    }

    /// Its story.
    pub(super) fn tell(&self, around: &Surroundings<'_>) -> Story {
        let last = self.calls().next_back();
        let mut story = Story {
            method: self.method(),
            machine: self.machine(),
            product: self.product(),
            found: self.routes(),
            client_minutes: self.client_minutes(),
            hosts: self.hosts(),
            attempts: self.facts.map_or(0, |facts| facts.calls.count()),
            span: self.span(),
            steps: self.steps(around),
            steps_left_out: self.facts.map_or(0, |facts| facts.calls.left_out()) + self.steps_left_out,
            ..Story::default()
        };
        // A connection that came to nothing was a try as well.
        story.attempts += self.connections().filter(|connection| !connection.is_directory).count() as u64;
        match self.facts.and_then(|facts| facts.successes.iter().next_back()) {
            Some(success) if success.asks.is_some() => self.tell_success(&mut story, success, around),
            Some(answer) => {
                story.service_time = answer.service_time;
                story.verdict = "An answer was seen, and the request that it belongs to was not.".to_owned();
                story
                    .unseen
                    .push("the request: the capture begins behind it, or its packets are missing".to_owned());
            }
            None => self.tell_failure(&mut story, around),
        }
        if around.has_dns && story.found.contains(&Route::NotSeen) {
            story.unseen.push("how the machine came to its host: no DNS of it in this capture".to_owned());
        }
        if let Some(Reply::Answered(response)) = last.map(|call| &call.reply) {
            story.remarks.extend(intervals(response.activation, response.renewal, last));
        }
        story
    }

    fn tell_success(&self, story: &mut Story, success: &Call, around: &Surroundings<'_>) {
        let (Reply::Answered(response), Some(asks)) = (&success.reply, success.asks) else { return };
        let is_renewed = asks.license_status == LICENSED;
        story.status = if is_renewed { Status::Renewed } else { Status::Activated };
        story.service_time = success.service_time;
        let host = host_label(success);
        let demand = match asks.policy {
            0 => String::new(),
            policy => format!(" of {policy}"),
        };
        let count = format!("with a count of {}{demand}", response.count);
        story.verdict = if is_renewed {
            let left = words::minutes(asks.expiration);
            format!(
                "Activated before, and renewed: {host} answered {count}; the old binding had {left} left."
            )
        } else {
            format!("Activated: {host} answered {count}.")
        };
        let last = self.calls().next_back();
        let behind = |call: &&Call| call.first().map(|s| s.frame) > success.first().map(|s| s.frame);
        if last.is_some_and(|last| behind(&last)) {
            let mut findings = self.call_findings(self.calls().filter(behind).collect(), around);
            if let Some(first) = findings.first() {
                let text = format!("A later try failed: {}", first.text);
                let evidence = first.evidence.clone();
                story.remarks.push(Finding::new(CauseKind::FailedSince, text, evidence));
            }
            story.remarks.append(&mut findings);
        }
        let failures: u64 = self.facts.map_or(0, |facts| {
            facts.classes.iter().filter(|(class, _)| **class != CallClass::Good).map(|(_, count)| count).sum()
        });
        let first_failure = self.calls().find(|call| !call.is_good() && !behind(call));
        if let (Some(failure), true) = (first_failure, failures > 0) {
            let kinds = self.facts.into_iter().flat_map(|facts| &facts.classes);
            let kinds: Vec<String> = kinds
                .filter(|(class, _)| **class != CallClass::Good)
                .map(|(class, count)| format!("{} {count}", class.label()))
                .collect();
            let count = self.facts.map_or(0, |facts| facts.calls.count());
            let text =
                format!("{failures} of {} did not succeed: {}.", counted(count, "try"), kinds.join(", "));
            let evidence = vec![Evidence::new(failure.stamps(), "the first of them")];
            story.remarks.push(Finding::new(CauseKind::TriedBefore, text, evidence));
        }
        story.remarks.extend(self.connection_findings(around));
        story.remarks.extend(self.lost(success, around));
        story.remarks.extend(self.clone_finding(around));
        if let Some(offset) = success.clock_offset().filter(|offset| offset.saturating_abs() > MOST_SKEW)
            && around.clock.is_none_or(|clock| offset.saturating_sub(clock).saturating_abs() > MOST_SKEW)
        {
            let text = format!(
                "The machine's clock and the capture's differ by {}; a genuine host refuses more than four hours, \
                 so the capture's clock is off, or the host does not look.",
                duration(offset)
            );
            let evidence =
                vec![Evidence::new(success.request_stamps(), "ClientTime beside the packet's time")];
            story.remarks.push(Finding::new(CauseKind::CaptureClock, text, evidence));
        }
    }

    fn tell_failure(&self, story: &mut Story, around: &Surroundings<'_>) {
        let missing = self.missing(around);
        let mut calls: Vec<&Call> = self.calls().collect();
        if missing.is_some() {
            calls.pop();
        }
        let mut causes = self.call_findings(calls, around);
        let connections: Vec<&Connection> = self.connections().collect();
        for finding in self.connection_findings(around) {
            if !causes.iter().any(|known| known.kind == finding.kind) {
                causes.push(finding);
            }
        }
        if causes.is_empty() && self.facts.is_none() {
            causes.extend(self.question_findings());
        }
        if let Some(mut finding) = self.azure_finding(&causes) {
            // What the host says of it is no other cause, and nothing can be installed on it.
            if finding.kind == CauseKind::OfficeAtAzure {
                let is_same = |cause: &mut Finding| cause.kind == CauseKind::ProductKeyMissing;
                finding.evidence.extend(causes.extract_if(.., is_same).flat_map(|cause| cause.evidence));
            }
            causes.insert(0, finding);
        }
        if causes.iter().any(|cause| cause.kind == CauseKind::CountTooLow) {
            causes.extend(self.clone_finding(around));
        } else {
            story.remarks.extend(self.clone_finding(around));
        }
        if let Some(last) = self.calls().next_back() {
            story.remarks.extend(self.lost(last, around));
        }
        if let Some(missing) = missing {
            story.unseen.push(missing);
            // What went wrong before is no answer to how the last call ended.
            story.remarks.append(&mut causes);
        }
        if let Some(first) = causes.first() {
            story.status = Status::NotActivated;
            story.verdict = format!("Not activated: {}", lower_first(&first.text));
            story.causes = causes;
            return;
        }
        story.verdict = self.unknown_verdict(&connections, story);
    }

    /// What is said where nothing shows how it ended.
    fn unknown_verdict(&self, connections: &[&Connection], story: &mut Story) -> String {
        if let Some(sealed) = connections.iter().find(|connection| is_sealed(connection)) {
            let what = if sealed.is_directory { "Active Directory" } else { "a service over TLS" };
            story.unseen.push("what was said there: it is sealed".to_owned());
            let event = if sealed.is_directory {
                " Event 12308 on the machine tells whether it was activated."
            } else {
                ""
            };
            return format!("Not known: the machine asked {what}, and that is sealed.{event}");
        }
        let searches = self.steps.iter().filter_map(|step| match step {
            ClientStep::Directory(searched) => Some(searched),
            _ => None,
        });
        let found: Vec<&str> =
            searches.clone().flat_map(|searched| &searched.objects).map(String::as_str).collect();
        if let Some(object) = found.first() {
            return format!(
                "Not known: Active Directory has the activation object {object}; whether the machine took it, its event 12308 tells."
            );
        }
        if searches.count() > 0 && self.facts.is_none() && connections.is_empty() {
            return "Not known: Active Directory was searched for activation objects, and none was shown; no KMS was \
                    asked in this capture."
                .to_owned();
        }
        if connections.iter().any(|connection| connection.ended.has_gaps) {
            story.unseen.push(
                "bytes of the connection: packets are missing from the capture, or cut by its snap length"
                    .to_owned(),
            );
            return "Not known: the capture does not hold all that was said.".to_owned();
        }
        if self.facts.is_some() {
            return "Not known: what the host answered is not in this capture.".to_owned();
        }
        if let Some(target) = self.questions().flat_map(|question| &question.services).next() {
            return format!(
                "Not known: the machine was told of {}:{}, and no connection to it is in this capture.",
                target.0, target.1
            );
        }
        "Not known: nothing in this capture shows how it ended.".to_owned()
    }

    /// Why the capture may not hold the answer to the last call; none where it shows how that ended.
    fn missing(&self, around: &Surroundings<'_>) -> Option<String> {
        let last = self.calls().next_back()?;
        let ended = around.ends.get(&last.stream);
        if !matches!(last.reply, Reply::Nothing | Reply::Unreadable(_)) {
            return None;
        }
        if ended.is_some_and(|ended| ended.has_gaps) || is_cut_by_capture(last) {
            let why =
                "all bytes of the answer: packets are missing from the capture, or cut by its snap length";
            return Some(why.to_owned());
        }
        let waited = last.asked.and_then(|(_, asked)| around.end?.checked_sub(asked.time?));
        let is_open = ended.is_none_or(|ended| ended.end == End::Open);
        let is_late = waited.is_some_and(|waited| waited >= ENOUGH_WAITING);
        (is_open && !is_late && matches!(last.reply, Reply::Nothing)).then(|| {
            format!("the answer: the capture ends {} behind the request", duration(waited.unwrap_or(0)))
        })
    }

    fn method(&self) -> Method {
        if self.facts.is_some() || self.connections().any(|connection| !connection.is_directory) {
            return Method::Kms;
        }
        let is_directory = |step: &&ClientStep| match step {
            ClientStep::Directory(_) => true,
            ClientStep::Connection(connection) => connection.is_directory,
            ClientStep::Question(_) => false,
        };
        match self.steps.iter().all(is_directory) {
            true => Method::Directory,
            false => Method::Kms,
        }
    }

    fn machine(&self) -> Machine {
        let asks = self.calls().filter_map(|call| call.asks).next_back();
        let addresses = self.facts.into_iter().flat_map(|facts| &facts.addresses).copied();
        let addresses: Vec<IpAddr> = addresses.chain(self.client).take(MOST_ADDRESSES).collect();
        let name = self.key.map(|key| key.name.to_string()).filter(|name| !name.is_empty());
        Machine {
            cmid: self.key.map(|key| key.cmid).filter(|cmid| *cmid != Guid::NIL),
            name,
            addresses,
            other: None,
            is_vm: asks.map(|asks| asks.is_vm),
        }
    }

    fn client_minutes(&self) -> Vec<i64> {
        let times = self.calls().filter_map(|call| call.asks?.client_time);
        let mut minutes: Vec<i64> = times.map(super::logs::minute).collect();
        minutes.sort_unstable();
        minutes.dedup();
        minutes
    }

    fn product(&self) -> Product {
        let Some(asks) = self.calls().filter_map(|call| call.asks).next_back() else {
            return Product::default();
        };
        Product {
            name: words::product(asks.act_id, asks.kms_id, asks.app_id),
            application: product::application(asks.app_id).map(|app| app.name),
            act_id: Some(asks.act_id),
            kms_id: Some(asks.kms_id),
        }
    }

    fn routes(&self) -> Vec<Route> {
        let mut routes = Vec::new();
        let mut add = |route: Route| {
            if !routes.contains(&route) {
                routes.push(route);
            }
        };
        for step in &self.steps {
            match step {
                ClientStep::Directory(_) => add(Route::Directory(false)),
                ClientStep::Connection(connection) if connection.is_directory => {
                    add(Route::Directory(is_sealed(connection)));
                }
                _ => {}
            }
        }
        let of_calls = self.calls().map(|call| (call.first(), call.server, call.found.as_deref()));
        let of_connections = self.connections().filter(|connection| !connection.is_directory);
        let of_connections = of_connections.map(|c| (Some(c.first), c.server, c.found.as_deref()));
        let mut asked: Vec<_> = of_calls.chain(of_connections).collect();
        asked.sort_by_key(|(first, ..)| first.map_or(0, |stamp| stamp.frame));
        for (_, server, found) in asked {
            add(match found {
                Some(found) => match &found.via {
                    Some(via) if via.kms_domain().is_some() => {
                        Route::Service(via.service.clone(), found.name.clone())
                    }
                    _ => Route::Name(found.name.clone()),
                },
                None if self.questions().next().is_some() => {
                    self.route_to(server.address).unwrap_or(Route::Address)
                }
                None => Route::NotSeen,
            });
        }
        // A host that was found by name at one time is not found otherwise at another.
        if routes.iter().any(|route| matches!(route, Route::Service(..) | Route::Name(_))) {
            routes.retain(|route| !matches!(route, Route::Address | Route::NotSeen));
        }
        routes
    }

    /// The way to an address by what the machine was told over another family of addresses.
    fn route_to(&self, address: IpAddr) -> Option<Route> {
        let named = self.questions().find(|question| question.addresses.contains(&address))?;
        let is_target =
            |question: &&Question| question.services.iter().any(|(target, _)| *target == named.name);
        Some(match self.questions().find(is_target) {
            Some(service) => Route::Service(service.name.clone(), named.name.clone()),
            None => Route::Name(named.name.clone()),
        })
    }

    fn hosts(&self) -> Vec<Host> {
        let mut hosts: Vec<Host> = Vec::new();
        let of_calls = self.calls().map(|call| {
            let epid = match &call.reply {
                Reply::Answered(response) => Some(response.epid.to_string()),
                _ => None,
            };
            (call.first(), call.server, call.found.as_deref(), epid)
        });
        let of_connections = self.connections().filter(|connection| !connection.is_directory);
        let of_connections = of_connections.map(|c| (Some(c.first), c.server, c.found.as_deref(), None));
        let mut asked: Vec<_> = of_calls.chain(of_connections).collect();
        asked.sort_by_key(|(first, ..)| first.map_or(0, |stamp| stamp.frame));
        for (_, server, found, epid) in asked {
            if let Some(known) = hosts.iter_mut().find(|host| host.endpoint == Some(server)) {
                known.epid = epid.or(known.epid.take());
                continue;
            }
            if hosts.len() == MOST_ADDRESSES {
                continue;
            }
            let name = found.map(|found| found.name.as_str().to_owned());
            let cloud = found.and_then(|found| discovery::azure_cloud(&found.name));
            hosts.push(Host { endpoint: Some(server), name, cloud, epid });
        }
        hosts
    }

    fn span(&self) -> Option<(Stamp, Stamp)> {
        let of_calls = self.calls().flat_map(|call| call.first().into_iter().chain(call.last()));
        let of_steps = self.steps.iter().flat_map(|step| {
            let (first, last) = step.stamps();
            first.into_iter().chain(last)
        });
        steps::span(of_calls.chain(of_steps))
    }

    fn steps(&self, around: &Surroundings<'_>) -> Vec<Step> {
        let of_calls = self.calls().map(|call| steps::of_call(call, around.ends.get(&call.stream)));
        let of_client = self.steps.iter().map(|step| steps::of_client(step));
        let mut steps: Vec<Step> = of_calls.chain(of_client).collect();
        steps.sort_by_key(|step| step.asked_at.or(step.answered_at).map_or(u64::MAX, |stamp| stamp.frame));
        steps
    }

    fn connections(&self) -> impl DoubleEndedIterator<Item = &Connection> {
        self.steps.iter().filter_map(|step| match step {
            ClientStep::Connection(connection) => Some(&**connection),
            _ => None,
        })
    }

    fn questions(&self) -> impl DoubleEndedIterator<Item = &Question> {
        self.steps.iter().filter_map(|step| match step {
            ClientStep::Question(question) => Some(question),
            _ => None,
        })
    }

    /// Of each way in which calls failed the last one, the latest way first.
    fn call_findings(&self, calls: Vec<&Call>, around: &Surroundings<'_>) -> Vec<Finding> {
        let mut classes: BTreeSet<CallClass> = BTreeSet::new();
        let mut findings: Vec<Finding> = Vec::new();
        for call in calls.iter().rev() {
            if call.is_good() || !classes.insert(call.class()) || findings.len() == MOST_FINDINGS {
                continue;
            }
            findings.push(call_finding(call, around));
        }
        findings
    }

    /// Of each way in which connections failed the last one, with how often, the latest way first.
    fn connection_findings(&self, around: &Surroundings<'_>) -> Vec<Finding> {
        let mut findings: Vec<(Finding, u64)> = Vec::new();
        let failed = self.connections().rev().filter(|connection| !is_sealed(connection));
        for finding in failed.filter_map(|connection| connection_finding(connection, around)) {
            let is_full = findings.len() == MOST_FINDINGS;
            match findings.iter_mut().find(|(known, _)| known.kind == finding.kind) {
                Some((known, count)) => {
                    *count += 1;
                    // The first of them as well: how long it has gone on.
                    known.evidence.truncate(1);
                    known.evidence.extend(finding.evidence);
                }
                None if is_full => {}
                None => findings.push((finding, 1)),
            }
        }
        let told = findings.into_iter().map(|(mut finding, count)| {
            if count > 1 {
                finding.text = format!("{} ({count} times)", finding.text);
            }
            finding
        });
        told.collect()
    }

    /// Why DNS led nowhere: nothing of it is a cause once one answer has led somewhere.
    fn question_findings(&self) -> Vec<Finding> {
        let services = || self.questions().filter(|question| question.rtype == RecordType::SRV);
        let has_service = services().any(|question| !question.services.is_empty());
        let addresses = |question: &&Question| matches!(question.rtype, RecordType::A | RecordType::AAAA);
        let mut findings = Vec::new();
        if !has_service {
            let mut kinds = BTreeSet::new();
            for question in services().collect::<Vec<_>>().into_iter().rev() {
                let kind = match question.outcome {
                    discovery::Outcome::NoData | discovery::Outcome::Answered => CauseKind::NoSrvRecord,
                    discovery::Outcome::NameError => CauseKind::NameNotFound,
                    discovery::Outcome::Truncated => continue,
                    _ => CauseKind::DnsFailed,
                };
                if !kinds.insert(kind) {
                    continue;
                }
                let same = || services().filter(move |other| other.outcome == question.outcome);
                let names: BTreeSet<&str> = same().map(|other| other.name.as_str()).collect();
                let names = names.into_iter().collect::<Vec<_>>().join(", ");
                let server =
                    question.server.map_or_else(String::new, |server| format!(" at {}", server.address));
                let outcome = steps::outcome_words(question.outcome);
                let text = match kind {
                    CauseKind::NoSrvRecord => format!("DNS{server} has no SRV record at {names}."),
                    CauseKind::NameNotFound => format!("DNS{server} knows no {names}."),
                    _ => format!("DNS{server} gave no answer to {names}: {outcome}."),
                };
                let stamps = same().flat_map(|other| [Some(other.asked), other.answered]).flatten();
                findings.push(Finding::new(
                    kind,
                    text,
                    vec![Evidence::new(stamps, format!("SRV {names}: {outcome}"))],
                ));
            }
        }
        // A name that has an address by one type needs none by the other.
        let resolved: BTreeSet<&str> = self
            .questions()
            .filter(addresses)
            .filter(|question| !question.addresses.is_empty())
            .map(|question| question.name.as_str())
            .collect();
        let mut failed: BTreeMap<&str, Vec<&Question>> = BTreeMap::new();
        for question in self.questions().filter(addresses) {
            if !resolved.contains(question.name.as_str()) {
                failed.entry(question.name.as_str()).or_default().push(question);
            }
        }
        if resolved.is_empty() {
            for (name, questions) in failed {
                let outcome = steps::outcome_words(questions[0].outcome);
                let text = format!("The KMS host's name {name} has no address: {outcome}.");
                let stamps = questions.iter().flat_map(|one| [Some(one.asked), one.answered]).flatten();
                let evidence = Evidence::new(stamps, format!("{name}: {outcome}"));
                findings.insert(0, Finding::new(CauseKind::TargetUnresolved, text, vec![evidence]));
            }
        }
        findings
    }

    /// Where Azure's host was asked for what it cannot give, or does not answer.
    fn azure_finding(&self, causes: &[Finding]) -> Option<Finding> {
        let names = self.calls().map(|call| (call.found.as_deref(), call.server));
        let names = names.chain(self.connections().map(|c| (c.found.as_deref(), c.server)));
        let (name, cloud, server) = names.into_iter().find_map(|(found, server)| {
            let found = found?;
            Some((found.name.clone(), discovery::azure_cloud(&found.name)?, server))
        })?;
        let office = self.calls().find(|call| {
            let of_azure =
                call.found.as_ref().is_some_and(|found| discovery::azure_cloud(&found.name).is_some());
            of_azure && call.asks.is_some_and(|asks| words::is_office(asks.app_id))
        });
        let shown = format!("{name} is a KMS host of Azure ({} cloud)", cloud.name());
        if let Some(call) = office {
            let product = self.product();
            let text =
                format!("{} was asked of {name}: Azure's KMS hosts activate Windows only.", product.label());
            let app = call.asks.map_or(Guid::NIL, |asks| asks.app_id);
            let evidence = Evidence::new(call.stamps(), format!("AppID {app} is Office; {shown}"));
            return Some(Finding::new(CauseKind::OfficeAtAzure, text, vec![evidence]));
        }
        let first = causes.first()?;
        let is_silence = matches!(
            first.kind,
            CauseKind::ConnectionRefused
                | CauseKind::HostUnreachable
                | CauseKind::ConnectionReset
                | CauseKind::NoAnswer
                | CauseKind::ConnectionDropped
        );
        if !is_silence {
            return None;
        }
        let machine = self.machine();
        let source = machine.addresses.first().map_or_else(String::new, ToString::to_string);
        let text = format!(
            "Azure's KMS host {name} did not answer {source}: it answers only what reaches it from one of Azure's own \
             public addresses, and forced tunnelling takes that away."
        );
        let mut frames: Vec<u64> = first.evidence.iter().flat_map(|e| e.frames.clone()).collect();
        frames.sort_unstable();
        frames.dedup();
        let evidence = Evidence { frames, text: format!("{shown}, asked at {server} from {source}") };
        Some(Finding::new(CauseKind::AzureUnreachable, text, vec![evidence]))
    }

    /// That packets of a connection had to be sent again.
    fn lost(&self, call: &Call, around: &Surroundings<'_>) -> Option<Finding> {
        let ended = around.ends.get(&call.stream)?;
        let [client, server] = ended.repeated;
        // A recording on the machine itself can have every packet twice; a few are what a network loses.
        if client + server == 0 || ended.packets <= 2 * (client + server) + 6 && client > 0 && server > 0 {
            return None;
        }
        let text = format!(
            "{} of {} packets of the connection brought what had come before: {client} of the machine, {server} of the host.",
            client + server,
            ended.packets
        );
        let evidence = vec![Evidence::new(call.stamps(), "sent again on this connection")];
        Some(Finding::new(CauseKind::PacketsLost, text, evidence))
    }

    fn clone_finding(&self, around: &Surroundings<'_>) -> Option<Finding> {
        let cmid = self.key?.cmid;
        let clones = around.clones.get(&cmid)?;
        let text = clones.sentence(cmid);
        let evidence =
            vec![Evidence::new(self.calls().flat_map(Call::request_stamps), format!("CMID {cmid}"))];
        Some(Finding::new(CauseKind::DuplicateMachineId, text, evidence))
    }
}

impl ClientStep {
    /// The first and the last packet.
    pub(super) fn stamps(&self) -> (Option<Stamp>, Option<Stamp>) {
        match self {
            Self::Question(question) => (Some(question.asked), question.answered.or(Some(question.asked))),
            Self::Connection(connection) => (Some(connection.first), Some(connection.ended.last)),
            Self::Directory(searched) => (
                searched.asked.or(searched.answered).map(|(first, _)| first),
                searched.answered.or(searched.asked).map(|(_, last)| last),
            ),
        }
    }
}

/// LicenseStatus of a machine that is licensed.
const LICENSED: u32 = 1;
/// Causes, remarks and names of one kind that are told.
const MOST_FINDINGS: usize = 4;
