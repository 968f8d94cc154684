//! The story of a machine that asked a KMS, or tried to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::capture::{Direction, End, Stamp};
use crate::catalog::{hresult, product};
use crate::discovery::{self, RecordType};
use crate::rpc;
use crate::trace::{ContextStanding, Stage};
use crate::wire::Guid;

use super::call::{Call, CallClass, Reply};
use super::notebook::{
    ClientStep, Connection, Ended, MOST_ADDRESSES, MachineFacts, MachineKey, Question, Refusal,
};
use super::words::{self, code, counted, duration};
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
            let text =
                format!("{} before that did not succeed: {}.", counted(failures, "try"), kinds.join(", "));
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
        let mut causes = self.call_findings(self.calls().collect(), around);
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
        let (causes, unseen) = self.what_is_missing(causes, around);
        story.unseen.extend(unseen);
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

    /// Takes away the causes that may only be what the capture does not hold.
    fn what_is_missing(
        &self,
        causes: Vec<Finding>,
        around: &Surroundings<'_>,
    ) -> (Vec<Finding>, Vec<String>) {
        let mut unseen = Vec::new();
        let Some(last) = self.calls().next_back() else { return (causes, unseen) };
        let ended = around.ends.get(&last.stream);
        if !matches!(last.reply, Reply::Nothing | Reply::Unreadable(_)) {
            return (causes, unseen);
        }
        if ended.is_some_and(|ended| ended.has_gaps) || is_cut_by_capture(last) {
            unseen.push(
                "all bytes of the answer: packets are missing from the capture, or cut by its snap length"
                    .to_owned(),
            );
            return (Vec::new(), unseen);
        }
        let waited = last.asked.and_then(|(_, asked)| around.end?.checked_sub(asked.time?));
        let is_open = ended.is_none_or(|ended| ended.end == End::Open);
        if is_open
            && matches!(last.reply, Reply::Nothing)
            && waited.is_none_or(|waited| waited < ENOUGH_WAITING)
        {
            unseen.push(format!(
                "the answer: the capture ends {} behind the request",
                duration(waited.unwrap_or(0))
            ));
            return (Vec::new(), unseen);
        }
        (causes, unseen)
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
        let stamps: Vec<Stamp> = of_calls.chain(of_steps).collect();
        let first = stamps.iter().min_by_key(|stamp| stamp.frame)?;
        let last = stamps.iter().max_by_key(|stamp| stamp.frame)?;
        Some((*first, *last))
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

fn host_label(call: &Call) -> String {
    match &call.found {
        Some(found) => format!("{} ({})", found.name, call.server),
        None => call.server.to_string(),
    }
}

pub(super) fn lower_first(text: &str) -> String {
    // Names keep their case: only words that begin a sentence here have it changed.
    let is_word = ["The ", "Nobody ", "A ", "Something "].iter().any(|word| text.starts_with(word));
    let mut characters = text.chars();
    match (is_word, characters.next()) {
        (true, Some(first)) => first.to_lowercase().chain(characters).collect(),
        _ => text.to_owned(),
    }
}

fn is_sealed(connection: &Connection) -> bool {
    matches!(connection.stage, Stage::Sealed | Stage::SaslSealed)
}

/// True where an answer could not be read because the capture did not keep all of its bytes.
fn is_cut_by_capture(call: &Call) -> bool {
    matches!(&call.reply, Reply::Unreadable(why) if why.contains("not captured") || why.contains("snap"))
}

/// Why a call failed.
fn call_finding(call: &Call, around: &Surroundings<'_>) -> Finding {
    let host = host_label(call);
    let ended = around.ends.get(&call.stream);
    match &call.reply {
        Reply::Answered(response) if !response.failed.is_empty() => {
            let failed = response.failed.join(", ");
            let text = format!(
                "The answer of {host} is one that a genuine client rejects: {failed} {} wrong.",
                if response.failed.len() == 1 { "is" } else { "are" }
            );
            let evidence = vec![Evidence::new(call.answer_stamps(), format!("failed checks: {failed}"))];
            Finding::new(CauseKind::AnswerRejected, text, evidence)
        }
        Reply::Answered(response) => {
            let policy = call.asks.map_or(0, |asks| asks.policy);
            let more = policy.saturating_sub(response.count);
            let text = format!(
                "The host {host} has counted {}; this one demands {policy}, so {} to ask it.",
                counted(response.count.into(), "machine"),
                match more {
                    1 => "1 more has".to_owned(),
                    more => format!("{more} more have"),
                }
            );
            let evidence = vec![
                Evidence::new(call.answer_stamps(), format!("Count {}", response.count)),
                Evidence::new(call.request_stamps(), format!("N-Policy {policy}")),
            ];
            Finding::new(CauseKind::CountTooLow, text, evidence)
        }
        Reply::Refused(hresult) => refused(call, *hresult, &host, around),
        Reply::Fault(status) => {
            let said = steps::fault(*status);
            let evidence = vec![Evidence::new(call.stamps(), said.clone())];
            match call.standing {
                ContextStanding::Rejected(result, reason) => {
                    let reason = rejected(result, reason);
                    let text = format!(
                        "The host {host} refused the interface in the bind ({reason}), and the call with a {said}."
                    );
                    Finding::new(CauseKind::InterfaceRefused, text, evidence)
                }
                _ => Finding::new(
                    CauseKind::HostFault,
                    format!("The host {host} answered with a {said}."),
                    evidence,
                ),
            }
        }
        Reply::Unreadable(why) => {
            let is_cut = ended.is_some_and(|ended| ended.cut[1] > 0);
            let why = if why.is_empty() { "it is no answer" } else { why };
            let kind = if is_cut { CauseKind::AnswerCut } else { CauseKind::AnswerUnreadable };
            let text = format!("The answer of {host} cannot be read: {why}.");
            Finding::new(kind, text, vec![Evidence::new(call.answer_stamps(), why.to_owned())])
        }
        Reply::Nothing => nothing(call, &host, ended, around),
    }
}

/// Why a call has no answer.
fn nothing(call: &Call, host: &str, ended: Option<&Ended>, around: &Surroundings<'_>) -> Finding {
    let asked = || Evidence::new(call.request_stamps(), "the request");
    let Some(ended) = ended else {
        let text = format!("The host {host} did not answer the request.");
        return Finding::new(CauseKind::NoAnswer, text, vec![asked()]);
    };
    if ended.cut[1] > 0 {
        let how = steps::ending(ended);
        let text = format!("The answer of {host} ends before its end; the connection was {how}.");
        let evidence = vec![asked(), Evidence::new([ended.last], "the connection's last packet")];
        return Finding::new(CauseKind::AnswerCut, text, evidence);
    }
    let again = match ended.repeated[0] {
        0 => String::new(),
        count => format!(", though it was sent again {}", counted(count, "time")),
    };
    match (ended.end, ended.reset, ended.fin[1]) {
        (End::Reset, Some((by, stamp)), _) => {
            let whom = match by {
                Direction::ToClient => "the host's side",
                Direction::ToServer => "the machine's own side",
            };
            let text = format!("The connection to {host} was reset by {whom} before an answer{again}.");
            Finding::new(CauseKind::ConnectionReset, text, vec![asked(), Evidence::new([stamp], "RST")])
        }
        (End::Closed | End::HalfClosed, _, Some(fin))
            if ended.fin[0].is_none_or(|own| fin.frame < own.frame) =>
        {
            let text = format!("The host {host} closed the connection without an answer{again}.");
            Finding::new(
                CauseKind::ConnectionDropped,
                text,
                vec![asked(), Evidence::new([fin], "FIN of the host")],
            )
        }
        _ => {
            let until = ended.fin[0].or(ended.reset.map(|(_, stamp)| stamp));
            let waited = call.asked.and_then(|(_, asked)| {
                until.and_then(|stamp| stamp.time).or(around.end)?.checked_sub(asked.time?)
            });
            let waited = waited.map_or_else(String::new, |waited| format!(" in {}", duration(waited)));
            let text = format!("The host {host} took the request and did not answer{waited}{again}.");
            Finding::new(CauseKind::NoAnswer, text, vec![asked()])
        }
    }
}

/// What an HRESULT means here.
fn refused(call: &Call, hresult: u32, host: &str, around: &Surroundings<'_>) -> Finding {
    let said = code(hresult);
    let evidence = vec![Evidence::new(call.answer_stamps(), said.clone())];
    let asks = call.asks;
    match hresult {
        0xC004_F042 => {
            let product = asks.and_then(|asks| words::product(asks.act_id, asks.kms_id, asks.app_id));
            let product = product.unwrap_or_else(|| "the product".to_owned());
            let pack = words::pack(asks.map_or(Guid::NIL, |asks| asks.kms_id));
            let text = format!("The host {host} has no key for {product} ({said}).");
            Finding::new(CauseKind::ProductKeyMissing, text, evidence).with_remedy(format!(
                "Install {pack} on the host and activate it; or point the machine to a host that has it."
            ))
        }
        0xC004_F038 => Finding::new(
            CauseKind::CountTooLow,
            format!("The host {host} has counted too few machines ({said})."),
            evidence,
        ),
        0xC004_F039 => Finding::new(
            CauseKind::KmsNotEnabled,
            format!("The key management service is not enabled on {host} ({said})."),
            evidence,
        ),
        0xC004_F041 => Finding::new(
            CauseKind::HostNotActivated,
            format!("The host {host} is not activated itself ({said})."),
            evidence,
        ),
        0xC004_F06C => skew(call, host, &said, evidence, around),
        0x8007_000D => {
            let version = call.version;
            let is_known =
                version.is_none_or(|version| (4..=6).contains(&version.major()) && version.minor() == 0);
            let version = version
                .map_or_else(String::new, |version| format!("{}.{}", version.major(), version.minor()));
            if is_known {
                let text = format!("The host {host} holds the request to be invalid ({said}).");
                Finding::new(CauseKind::RequestInvalid, text, evidence)
            } else {
                let text =
                    format!("The host {host} does not take version {version} of the protocol ({said}).");
                let asked = Evidence::new(call.request_stamps(), format!("Version {version}"));
                Finding::new(CauseKind::VersionRefused, text, [vec![asked], evidence].concat())
            }
        }
        _ => {
            let meaning = hresult::describe(hresult).unwrap_or("no meaning of it is known");
            let text = format!("The host {host} refused with {said}: {meaning}");
            let finding = Finding::new(CauseKind::HostRefused, text, evidence);
            match hresult::remedy(hresult) {
                Some(remedy) => finding.with_remedy(remedy),
                None => finding,
            }
        }
    }
}

/// By how much the clocks differ, and whose it may be.
fn skew(
    call: &Call,
    host: &str,
    said: &str,
    mut evidence: Vec<Evidence>,
    around: &Surroundings<'_>,
) -> Finding {
    let Some(offset) = call.clock_offset() else {
        let text =
            format!("The clocks of the machine and of {host} differ by more than four hours ({said}).");
        return Finding::new(CauseKind::ClockSkew, text, evidence);
    };
    // Other machines that are content tell how far the capture's own clock is off.
    let offset = offset.saturating_sub(around.clock.unwrap_or(0));
    let against = match around.clock {
        Some(_) => "the other machines' clocks",
        None => "this capture's clock",
    };
    evidence.push(Evidence::new(call.request_stamps(), "ClientTime beside the packet's time"));
    let text = if offset.saturating_abs() <= MOST_SKEW {
        format!(
            "The host {host} says that the clocks differ by more than four hours ({said}); the machine's agrees with \
             {against} to {}, so the host's clock is off, or the capture was made by the machine itself.",
            duration(offset)
        )
    } else {
        let way = if offset > 0 { "behind" } else { "ahead of" };
        format!(
            "The machine's clock is {} {way} {against}; {host} allows four hours ({said}).",
            duration(offset)
        )
    };
    Finding::new(CauseKind::ClockSkew, text, evidence)
}

/// Why nothing was asked on a connection; none where nothing was to be asked.
fn connection_finding(connection: &Connection, around: &Surroundings<'_>) -> Option<Finding> {
    let ended = &connection.ended;
    let host = match &connection.found {
        Some(found) => format!("{} ({})", found.name, connection.server),
        None => connection.server.to_string(),
    };
    let at = |text: &str| Evidence::new([connection.first, ended.last], text);
    Some(match connection.stage {
        Stage::NotEstablished if ended.end == End::Refused => {
            let text = format!("The host {host} refuses the connection.");
            Finding::new(CauseKind::ConnectionRefused, text, vec![at("SYN answered by RST")])
        }
        Stage::NotEstablished => {
            let syns = ended.repeated[0] + 1;
            let waited = ended.last.time.and_then(|last| last.checked_sub(connection.first.time?));
            let waited = waited
                .filter(|_| syns > 1)
                .map_or_else(String::new, |waited| format!(" in {}", duration(waited)));
            let text =
                format!("Nobody answers at {host}: {} without an answer{waited}.", counted(syns, "SYN"));
            Finding::new(CauseKind::HostUnreachable, text, vec![at("SYN without an answer")])
        }
        Stage::NotRpc | Stage::OtherHttp => wrong_service(connection, &host),
        Stage::NotBound if ended.skipped[1] > 0 && !ended.has_gaps => wrong_service(connection, &host),
        Stage::Sealed if !connection.is_directory => {
            let text = format!("Something other than a KMS host is at {host}: what was said there is TLS.");
            Finding::new(CauseKind::WrongService, text, vec![at("TLS")])
        }
        Stage::BindRefused => {
            let reason = match connection.refusal {
                Some(Refusal::Bind(reason)) => match rpc::reject_reason_name(reason) {
                    Some(name) => format!("{reason} ({name})"),
                    None => reason.to_string(),
                },
                _ => "not known".to_owned(),
            };
            let text = format!("The host {host} refused the bind: reason {reason}.");
            Finding::new(CauseKind::BindRefused, text, vec![at("bind_nak")])
        }
        Stage::NothingAfterBind | Stage::OtherInterface => contexts_finding(connection, &host, at)?,
        Stage::NotBound | Stage::Cut => unbound(connection, &host, around)?,
        Stage::Silent => {
            let text = format!("The connection to {host} was made, and nothing was asked on it.");
            if ended.end != End::Reset {
                return None;
            }
            Finding::new(CauseKind::ConnectionReset, text, vec![at("RST")])
        }
        Stage::Sealed | Stage::SaslSealed | Stage::Called => return None,
    })
}

/// Another service on the port.
fn wrong_service(connection: &Connection, host: &str) -> Finding {
    let what = connection.other_protocol.unwrap_or("another protocol");
    let text = format!("Something other than a KMS host is at {host}: what it says is {what}.");
    let evidence = Evidence::new([connection.first, connection.ended.last], format!("{what}, no DCE/RPC"));
    Finding::new(CauseKind::WrongService, text, vec![evidence])
}

/// A bind that was not answered, or whose PDUs were cut.
fn unbound(connection: &Connection, host: &str, around: &Surroundings<'_>) -> Option<Finding> {
    let ended = &connection.ended;
    if ended.has_gaps {
        return None;
    }
    let at = |text: &str| Evidence::new([connection.first, ended.last], text);
    Some(match (ended.end, ended.reset, ended.fin[1]) {
        _ if ended.cut[1] > 0 => {
            let text = format!("The answer of {host} to the bind ends before its end.");
            Finding::new(CauseKind::AnswerCut, text, vec![at("the bind, and what came of its answer")])
        }
        (End::Reset, Some((_, stamp)), _) => {
            let text = format!("The connection to {host} was reset before the bind was answered.");
            Finding::new(
                CauseKind::ConnectionReset,
                text,
                vec![Evidence::new([connection.first, stamp], "RST")],
            )
        }
        (End::Closed | End::HalfClosed, _, Some(fin))
            if ended.fin[0].is_none_or(|own| fin.frame < own.frame) =>
        {
            let text = format!("The host {host} closed the connection without an answer to the bind.");
            Finding::new(
                CauseKind::ConnectionDropped,
                text,
                vec![Evidence::new([connection.first, fin], "FIN of the host")],
            )
        }
        _ => {
            let waited = around.end.and_then(|end| end.checked_sub(ended.last.time?));
            if ended.end == End::Open
                && waited.is_none_or(|waited| waited < ENOUGH_WAITING)
                && ended.repeated[0] == 0
            {
                return None;
            }
            let text = format!("The host {host} did not answer the bind.");
            Finding::new(CauseKind::NoAnswer, text, vec![at("the bind")])
        }
    })
}

/// Which elements of a bind were refused, and why.
fn contexts_finding(connection: &Connection, host: &str, at: impl Fn(&str) -> Evidence) -> Option<Finding> {
    let Some(Refusal::Contexts(contexts)) = &connection.refusal else { return None };
    if connection.stage == Stage::OtherInterface && !connection.is_kms {
        return None;
    }
    let said: Vec<String> = contexts
        .iter()
        .map(|(syntax, result, reason)| format!("{syntax}: {}", rejected(*result, *reason)))
        .collect();
    let said = said.join("; ");
    let is_interface = contexts.iter().any(|&(_, result, reason)| (result, reason) == (2, 1));
    let kind = if is_interface { CauseKind::InterfaceRefused } else { CauseKind::SyntaxRefused };
    let text = match is_interface {
        true => format!("The host {host} does not know the interface of the key management service."),
        false => format!("The host {host} accepts none of the transfer syntaxes that were proposed."),
    };
    Some(Finding::new(kind, text, vec![at(&said)]))
}

/// `provider_rejection, abstract_syntax_not_supported`.
fn rejected(result: u16, reason: u16) -> String {
    let name = |known: Option<&str>, number: u16| known.map_or_else(|| number.to_string(), str::to_owned);
    format!("{}, {}", name(rpc::result_name(result), result), name(rpc::result_reason_name(reason), reason))
}

/// Intervals that are far from the defaults of 120 and 10,080 minutes.
fn intervals(activation: u32, renewal: u32, call: Option<&Call>) -> Option<Finding> {
    let is_usual = (15..=1_440).contains(&activation) && (1_440..=43_200).contains(&renewal);
    if is_usual {
        return None;
    }
    let text = format!(
        "The host's intervals are far from the defaults: {} until activated (2 h), {} until renewed (7 d).",
        words::minutes(activation),
        words::minutes(renewal)
    );
    let said = format!("VLActivationInterval {activation}, VLRenewalInterval {renewal} minutes");
    let stamps = call.into_iter().flat_map(Call::answer_stamps);
    Some(Finding::new(CauseKind::IntervalsUnusual, text, vec![Evidence::new(stamps, said)]))
}

/// LicenseStatus of a machine that is licensed.
const LICENSED: u32 = 1;
/// Nanoseconds by which clocks may differ: four hours.
pub(super) const MOST_SKEW: i64 = 4 * 3_600_000_000_000;
/// Nanoseconds behind which an answer is not only late.
const ENOUGH_WAITING: i64 = 5_000_000_000;
/// Causes, remarks and names of one kind that are told.
const MOST_FINDINGS: usize = 4;
