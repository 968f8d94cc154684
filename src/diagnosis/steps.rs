//! What was seen, as the steps of a story.

use crate::capture::{End, Endpoint, Stamp};
use crate::discovery::{self, RecordType};
use crate::rpc;
use crate::trace::{DirectoryOutcome, Stage};

use super::call::{Call, Reply};
use super::notebook::{ClientStep, Connection, Ended, ItemOutcome, ItemTry, Question, Searched};
use super::words::{code, counted};
use super::{Step, StepKind, Tone};

/// `kms.corp.example:1688`, or the address.
pub(super) fn lane(server: Endpoint, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{name}:{}", server.port),
        None => server.to_string(),
    }
}

/// The first of them and the last.
pub(super) fn span(stamps: impl Iterator<Item = Stamp>) -> Option<(Stamp, Stamp)> {
    stamps.fold(None, |span, stamp| {
        let (first, last) = span.unwrap_or((stamp, stamp));
        let first = if stamp.frame < first.frame { stamp } else { first };
        Some((first, if stamp.frame > last.frame { stamp } else { last }))
    })
}

pub(super) fn of_call(call: &Call, ended: Option<&Ended>) -> Step {
    let name = call.found.as_ref().map(|found| found.name.as_str());
    let version =
        call.version.map_or_else(String::new, |version| format!(" v{}.{}", version.major(), version.minor()));
    let demand = call.asks.map_or_else(String::new, |asks| format!(", needs {}", asks.policy));
    let (answered, tone) = match &call.reply {
        Reply::Answered(response) => {
            let failed = match &response.failed[..] {
                [] => String::new(),
                failed => format!(", wrong: {}", failed.join(", ")),
            };
            let tone = if call.is_good() { Tone::Good } else { Tone::Bad };
            (format!("count {}{failed}", response.count), tone)
        }
        Reply::Refused(hresult) => (code(*hresult), Tone::Bad),
        Reply::Fault(status) => (fault(*status), Tone::Bad),
        Reply::Unreadable(_) => ("an answer that cannot be read".to_owned(), Tone::Bad),
        Reply::Nothing => (ended.map_or("no answer", ending).to_owned(), Tone::Bad),
    };
    Step {
        kind: StepKind::Kms,
        asked_at: call.first(),
        answered_at: call.answered.map(|(_, last)| last),
        with: lane(call.server, name),
        asked: match call.asked {
            Some(_) => format!("request{version}{demand}"),
            None => "request (not in the capture)".to_owned(),
        },
        answered: Some(answered),
        tone,
    }
}

pub(super) fn of_client(step: &ClientStep) -> Step {
    match step {
        ClientStep::Question(question) => of_question(question),
        ClientStep::Connection(connection) => of_connection(connection),
        ClientStep::Directory(searched) => of_search(searched),
    }
}

fn of_question(question: &Question) -> Step {
    let Question { server, name, rtype, outcome, asked, answered, queries, services, addresses, .. } =
        question;
    let again = if *queries > 1 { format!(" ({queries} queries)") } else { String::new() };
    let kind = match *rtype {
        RecordType::SRV => "SRV".to_owned(),
        other => other.to_string(),
    };
    let gave: Vec<String> = services
        .iter()
        .map(|(target, port)| format!("{target}:{port}"))
        .chain(addresses.iter().map(ToString::to_string))
        .collect();
    let is_good = *outcome == discovery::Outcome::Answered;
    Step {
        kind: StepKind::Dns,
        asked_at: Some(*asked),
        answered_at: *answered,
        with: server.map_or_else(|| "DNS".to_owned(), |server| format!("DNS {}", server.address)),
        asked: format!("{kind} {name}{again}"),
        answered: Some(if is_good && !gave.is_empty() {
            gave.join(", ")
        } else {
            outcome_words(*outcome).to_owned()
        }),
        // A host is asked over IPv4 where it has no other address.
        tone: match (*outcome, *rtype) {
            (discovery::Outcome::Answered, _) => Tone::Good,
            (discovery::Outcome::NoData, RecordType::AAAA) => Tone::Neutral,
            _ => Tone::Bad,
        },
    }
}

/// What DNS said, in words.
pub(super) fn outcome_words(outcome: discovery::Outcome) -> &'static str {
    match outcome {
        discovery::Outcome::NoData => "no such record",
        discovery::Outcome::NameError => "NXDOMAIN",
        discovery::Outcome::ServerFailure => "SERVFAIL",
        discovery::Outcome::Refused => "REFUSED",
        discovery::Outcome::Unanswered => "no answer",
        other => other.name(),
    }
}

fn of_connection(connection: &Connection) -> Step {
    let name = connection.found.as_ref().map(|found| found.name.as_str());
    let name = name.or(connection.server_name.as_deref());
    let syns = connection.ended.repeated[0];
    let asked = match connection.stage {
        Stage::NotEstablished if syns > 0 => format!("connects ({} times)", syns + 1),
        Stage::Sealed => "TLS".to_owned(),
        Stage::SaslSealed => "LDAP, sealed".to_owned(),
        _ => "connects".to_owned(),
    };
    Step {
        kind: if connection.is_directory { StepKind::Directory } else { StepKind::Connection },
        asked_at: Some(connection.first),
        answered_at: Some(connection.ended.last),
        with: lane(connection.server, name),
        asked,
        answered: Some(match connection.stage {
            Stage::NotEstablished => ending(&connection.ended).to_owned(),
            Stage::Sealed | Stage::SaslSealed => "what was said is sealed".to_owned(),
            stage => format!("{}; {}", stage.describe(), ending(&connection.ended)),
        }),
        tone: match connection.stage {
            Stage::Sealed | Stage::SaslSealed => Tone::Neutral,
            _ => Tone::Bad,
        },
    }
}

fn of_search(searched: &Searched) -> Step {
    Step {
        kind: StepKind::Directory,
        asked_at: searched.asked.map(|(first, _)| first),
        answered_at: searched.answered.map(|(_, last)| last),
        with: format!("directory {}", searched.server.address),
        asked: match searched.is_activation {
            true => "search for activation objects".to_owned(),
            false => "search for where they are".to_owned(),
        },
        answered: Some(match &searched.objects[..] {
            [] => searched.outcome.name().to_owned(),
            objects => objects.join(", "),
        }),
        tone: match searched.outcome {
            DirectoryOutcome::Answered => Tone::Good,
            DirectoryOutcome::Unanswered | DirectoryOutcome::Refused(_) => Tone::Bad,
            _ => Tone::Neutral,
        },
    }
}

pub(super) fn of_item(one: &ItemTry) -> Step {
    let tone = match one.outcome {
        ItemOutcome::Confirmed | ItemOutcome::Remaining(_) | ItemOutcome::Token => Tone::Good,
        _ => Tone::Bad,
    };
    let service = one.service.map_or("the service", |service| service.name());
    Step {
        kind: StepKind::Mak,
        asked_at: one.asked,
        answered_at: one.answered,
        with: match (one.host.as_deref(), one.server) {
            (Some(host), _) => host.to_owned(),
            (None, Some(server)) => server.to_string(),
            (None, None) => service.to_owned(),
        },
        asked: match one.wants_count {
            true => format!("{service}: what is left of the key"),
            false => service.to_owned(),
        },
        answered: Some(item_words(&one.outcome)),
        tone,
    }
}

/// What a service of MAK answered, in words.
pub(super) fn item_words(outcome: &ItemOutcome) -> String {
    match outcome {
        ItemOutcome::Confirmed => "a confirmation ID".to_owned(),
        ItemOutcome::Remaining(count) => format!("{} left", counted(count.unsigned_abs(), "activation")),
        ItemOutcome::Token => "a token".to_owned(),
        ItemOutcome::Refused(Some(error)) => match error.meaning() {
            Some(meaning) => format!("{error}: {meaning}"),
            None => error.to_string(),
        },
        ItemOutcome::Refused(None) => "an error without a code".to_owned(),
        ItemOutcome::Fault(Some(hresult), _) => format!("SOAP fault {}", code(*hresult)),
        ItemOutcome::Fault(None, reason) if reason.is_empty() => "SOAP fault".to_owned(),
        ItemOutcome::Fault(None, reason) => format!("SOAP fault: {reason}"),
        ItemOutcome::HttpError(status) => format!("HTTP {status}"),
        ItemOutcome::Unreadable => "an answer that cannot be read".to_owned(),
        ItemOutcome::Unanswered => "no answer".to_owned(),
        ItemOutcome::Missing => "an answer without this item".to_owned(),
    }
}

/// A fault by its status.
pub(super) fn fault(status: Option<u32>) -> String {
    match status {
        Some(status) => match rpc::fault_status_name(status) {
            Some(name) => format!("fault 0x{status:08X} {name}"),
            None => format!("fault 0x{status:08X}"),
        },
        None => "fault".to_owned(),
    }
}

/// How a connection ended, in words.
pub(super) fn ending(ended: &Ended) -> &'static str {
    match ended.end {
        End::Refused => "refused",
        End::NoAnswer => "no answer",
        End::Reset => "reset",
        End::Closed | End::HalfClosed => "closed",
        End::Open => "nothing more",
        End::Evicted => "given up here",
    }
}
