//! The story of a machine that was to be activated with a multiple activation key.

use std::net::IpAddr;

use crate::capture::End;
use crate::catalog::hresult;
use crate::discovery::RecordType;
use crate::mak::ErrorCode;
use crate::trace::{Service, Stage};
use crate::wire::Epid;

use super::notebook::{ClientStep, Connection, ItemFacts, ItemKey, ItemOutcome, ItemTry, Question};
use super::words::{code, counted};
use super::{CauseKind, Evidence, Finding, Host, Machine, Method, Status, Story, steps};

/// The story of an item of a batch, or of internet activation.
pub(super) fn tell(key: &ItemKey, facts: &ItemFacts) -> Story {
    let last = facts.tries.iter().next_back();
    let mut story = empty(key.client);
    story.machine.other = match (&*key.pid, last.and_then(|one| one.entry)) {
        ("", Some(entry)) => Some(format!("entry {entry}")),
        ("", None) => None,
        (pid, _) => Some(format!("PID {pid}")),
    };
    story.product.name = Some(match (key.service, Epid::parse(&key.pid)) {
        (Some(Service::BatchActivation), _) => "a product with a multiple activation key".to_owned(),
        _ => "internet activation".to_owned(),
    });
    story.attempts = facts.tries.count();
    story.steps = facts.tries.iter().map(steps::of_item).collect();
    story.steps_left_out = facts.tries.left_out();
    story.hosts = hosts(facts);
    story.service_time = last.and_then(|one| one.service_time);
    story.span = steps::span(facts.tries.iter().flat_map(|one| [one.asked, one.answered]).flatten());
    let Some(last) = last else { return story };
    end(&mut story, facts, last);
    story
}

fn end(story: &mut Story, facts: &ItemFacts, last: &ItemTry) {
    match &last.outcome {
        ItemOutcome::Confirmed => {
            story.status = Status::Activated;
            story.verdict = "A confirmation ID was given for the installation ID.".to_owned();
            story.remarks.push(Finding::new(
                CauseKind::ProxyActivation,
                "What gave it was asked by a proxy: the machine is activated once the confirmation ID is installed on it.",
                vec![evidence(last, "a confirmation ID")],
            ));
        }
        ItemOutcome::Token => {
            story.status = Status::Activated;
            story.verdict = "The activation services gave the token that was asked for.".to_owned();
        }
        ItemOutcome::Remaining(count) => {
            story.verdict = format!(
                "Nothing was to be activated: {} left.",
                match count {
                    1 => "1 activation of the key is".to_owned(),
                    count => format!("{count} activations of the key are"),
                }
            );
            if *count == 0 {
                let text = "No activation of the key is left.";
                story.remarks.push(Finding::new(
                    CauseKind::MakLimit,
                    text,
                    vec![evidence(last, "ActivationRemaining 0")],
                ));
            }
        }
        ItemOutcome::Unanswered if last.asked.is_none() => {
            story.verdict = "Not known: the request is not in this capture.".to_owned();
        }
        outcome => {
            let finding = finding(outcome, last);
            story.status = Status::NotActivated;
            story.verdict = format!("Not activated: {}", super::words::lower_first(&finding.text));
            story.causes.push(finding);
        }
    }
    let earlier = facts.tries.iter().find(|one| is_failure(&one.outcome));
    if let (Some(earlier), true) = (earlier, story.status.is_good()) {
        let said = steps::item_words(&earlier.outcome);
        let text = format!("A try before that did not succeed: {said}.");
        story.remarks.push(Finding::new(CauseKind::TriedBefore, text, vec![evidence(earlier, &said)]));
    }
}

fn is_failure(outcome: &ItemOutcome) -> bool {
    !matches!(outcome, ItemOutcome::Confirmed | ItemOutcome::Token | ItemOutcome::Remaining(_))
}

fn finding(outcome: &ItemOutcome, one: &ItemTry) -> Finding {
    let said = steps::item_words(outcome);
    let shown = vec![evidence(one, &said)];
    match outcome {
        ItemOutcome::Refused(Some(error)) if !error.is_hresult() => {
            let (kind, text) = match *error {
                ErrorCode::KEY_BLOCKED => (CauseKind::MakBlocked, "the key is blocked"),
                ErrorCode::INVALID_KEY => (CauseKind::MakInvalidKey, "the key is invalid"),
                ErrorCode::LIMIT_EXCEEDED => (CauseKind::MakLimit, "the key has used up its activations"),
                ErrorCode::WRONG_KEY_TYPE => (CauseKind::MakWrongKeyType, "the key is of the wrong type"),
                ErrorCode::BAD_INSTALLATION_ID => (CauseKind::MakBadId, "the installation ID is bad"),
                _ => (CauseKind::MakRefused, "it refused"),
            };
            Finding::new(kind, format!("The activation service says that {text} ({error})."), shown)
        }
        ItemOutcome::Refused(Some(ErrorCode(hresult))) => of_hresult(*hresult, shown),
        ItemOutcome::Fault(Some(hresult), _) => of_hresult(*hresult, shown),
        ItemOutcome::HttpError(status) => {
            let text = format!("The answer is HTTP {status}, and nothing of the service.");
            Finding::new(CauseKind::MakHttpError, text, shown)
        }
        ItemOutcome::Unanswered => {
            let text = "The activation service did not answer.";
            Finding::new(CauseKind::MakUnreachable, text, shown)
        }
        _ => Finding::new(CauseKind::MakRefused, format!("The activation service gave {said}."), shown),
    }
}

fn of_hresult(number: u32, shown: Vec<Evidence>) -> Finding {
    let said = code(number);
    let kind = match number {
        0xC004_C008 | 0xC004_C020 | 0xC004_C021 => CauseKind::MakLimit,
        0xC004_C003 | 0xC004_F051 => CauseKind::MakBlocked,
        0xC004_C001 | 0xC004_F050 => CauseKind::MakInvalidKey,
        0xC004_F02C => CauseKind::MakBadId,
        0x8007_2EE2 | 0x8007_2EE7 | 0x8007_2EFD => CauseKind::MakUnreachable,
        _ => CauseKind::MakRefused,
    };
    let text = match hresult::describe(number) {
        Some(meaning) => format!("The activation service refused with {said}: {meaning}"),
        None => format!("The activation service refused with {said}."),
    };
    Finding::new(kind, text, shown)
}

fn evidence(one: &ItemTry, text: &str) -> Evidence {
    let text = match one.entry {
        Some(entry) => format!("entry {entry}: {text}"),
        None => text.to_owned(),
    };
    // The packets of a HAR are its entries, which have their own words.
    let stamps = [one.asked, one.answered].into_iter().flatten().filter(|_| one.entry.is_none());
    Evidence::new(stamps, text)
}

/// The story of a client that did not come to ask a service: its connections were sealed, or none was made.
pub(super) fn tell_way(client: IpAddr, way: &[&ClientStep]) -> Option<Story> {
    let mut story = empty(Some(client));
    story.product.name = Some("activation over the internet".to_owned());
    story.steps = way.iter().map(|step| steps::of_client(step)).collect();
    story.span = steps::span(way.iter().flat_map(|step| {
        let (first, last) = step.stamps();
        first.into_iter().chain(last)
    }));
    let connections: Vec<&Connection> = way
        .iter()
        .filter_map(|step| match step {
            ClientStep::Connection(connection) => Some(&**connection),
            _ => None,
        })
        .collect();
    story.attempts = connections.len() as u64;
    for connection in &connections {
        let host =
            Host { endpoint: Some(connection.server), name: name_of(connection), cloud: None, epid: None };
        if !story.hosts.contains(&host) {
            story.hosts.push(host);
        }
    }
    let failed: Vec<&&Connection> =
        connections.iter().filter(|connection| connection.stage == Stage::NotEstablished).collect();
    if let Some(sealed) = connections.iter().find(|connection| connection.stage == Stage::Sealed) {
        let name = name_of(sealed).unwrap_or_else(|| sealed.server.to_string());
        story.verdict =
            format!("Not known: the machine spoke with {name}, and what was said is sealed by TLS.");
        story.unseen.push("what was said with the service: TLS, and no secrets of it (--keylog)".to_owned());
        return Some(story);
    }
    if let Some(connection) = failed.last() {
        let name = name_of(connection).unwrap_or_else(|| connection.server.to_string());
        let (how, shown) = match connection.ended.end {
            End::Refused => ("refuses the connection", "SYN answered by RST"),
            _ => ("does not answer", "SYN without an answer"),
        };
        let count = failed.len() as u64;
        let text = format!("The activation service {name} {how} ({}).", counted(count, "try"));
        let stamps = failed.iter().flat_map(|connection| [connection.first, connection.ended.last]);
        let finding = Finding::new(CauseKind::MakUnreachable, text, vec![Evidence::new(stamps, shown)]);
        return Some(fail(story, finding));
    }
    let questions: Vec<&Question> = way
        .iter()
        .filter_map(|step| match step {
            ClientStep::Question(question) => Some(question),
            _ => None,
        })
        .collect();
    let addresses = |question: &&&Question| matches!(question.rtype, RecordType::A | RecordType::AAAA);
    let is_resolved = questions.iter().any(|question| !question.addresses.is_empty());
    let question = questions.iter().rfind(addresses)?;
    if is_resolved {
        if connections.is_empty() {
            let name = &question.name;
            story.verdict = format!(
                "Not known: the machine asked for the address of {name}, and no connection to it is in this capture."
            );
            return Some(story);
        }
        return None;
    }
    let outcome = steps::outcome_words(question.outcome);
    let text = format!("The activation service {} has no address in DNS: {outcome}.", question.name);
    let stamps = questions.iter().flat_map(|one| [Some(one.asked), one.answered]).flatten();
    let finding = Finding::new(CauseKind::MakUnreachable, text, vec![Evidence::new(stamps, outcome)]);
    Some(fail(story, finding))
}

/// Puts the steps on the way to a service in front of what was asked there.
pub(super) fn add_way(story: &mut Story, way: &[&ClientStep]) {
    story.steps.extend(way.iter().map(|step| steps::of_client(step)));
    story.steps.sort_by_key(|step| step.asked_at.or(step.answered_at).map_or(u64::MAX, |stamp| stamp.frame));
    let stamps = story.steps.iter().flat_map(|step| [step.asked_at, step.answered_at]).flatten();
    story.span = steps::span(stamps.chain(story.span.into_iter().flat_map(|(first, last)| [first, last])));
}

fn fail(mut story: Story, finding: Finding) -> Story {
    story.status = Status::NotActivated;
    story.verdict = format!("Not activated: {}", super::words::lower_first(&finding.text));
    story.causes.push(finding);
    story
}

/// The name by which the machine knows whom it connects to.
pub(super) fn name_of(connection: &Connection) -> Option<String> {
    let by_dns = connection.found.as_ref().map(|found| found.name.as_str().to_owned());
    connection.server_name.clone().or(by_dns)
}

fn empty(client: Option<IpAddr>) -> Story {
    Story {
        method: Method::Mak,
        machine: Machine { addresses: client.into_iter().collect(), ..Machine::default() },
        ..Story::default()
    }
}

fn hosts(facts: &ItemFacts) -> Vec<Host> {
    let mut hosts: Vec<Host> = Vec::new();
    for one in facts.tries.iter() {
        let host = Host { endpoint: one.server, name: one.host.clone(), cloud: None, epid: None };
        let is_told = host.endpoint.is_some() || host.name.is_some();
        if is_told && !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    hosts
}
