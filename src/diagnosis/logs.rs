//! Windows events beside the stories: what the machines themselves say of what was seen, and what was not.

use std::collections::{BTreeMap, HashMap};

use crate::events::{Avma, Clock, Event, EventKind};
use crate::wire::{Guid, Rfc3339};

use super::words::code;
use super::{
    CauseKind, EventNote, Evidence, FileDiagnosis, Finding, Machine, Method, Product, Status, Story,
};

/// The events of one file.
#[derive(Clone, Debug, Default)]
pub struct EventLog {
    /// The file's name, as the caller gave it.
    pub name: String,
    /// Its events, [`Self::MOST_EVENTS`] at most.
    pub events: Vec<Event>,
    /// Events beyond that.
    pub left_out: u64,
    /// What is wrong with others, the first of them.
    pub errors: Vec<String>,
    /// Complaints beyond those.
    pub errors_left_out: u64,
    /// Events of other providers and with other ids.
    pub other: u64,
    /// True where the file could not be read, or is none of events.
    pub has_failed: bool,
}

impl EventLog {
    /// Events of a file that are kept.
    pub const MOST_EVENTS: usize = 100_000;
    /// Errors of a file that are kept.
    pub const MOST_ERRORS: usize = 32;
}

/// A story: the number of its input, and its place there.
type Found = (usize, usize);

/// Joins events with the stories of all inputs: by CMID, ActID and the client's time to the minute.
///
/// An event that belongs to a story is told there, and can decide it: the machine knows what it made of an answer. Each log
/// becomes an input of its own behind the others, with what is in no capture.
pub fn join(files: &mut Vec<FileDiagnosis>, logs: &[EventLog]) {
    let captured = files.len();
    let has_azure = files
        .iter()
        .any(|file| file.stories.iter().flat_map(|story| &story.hosts).any(|host| host.cloud.is_some()));
    // The stories of each machine and product: logs can have many events.
    let mut asked: HashMap<(Guid, Guid), Vec<Found>> = HashMap::new();
    for (file, at, story) in stories(files) {
        if let (Some(cmid), Some(act_id)) = (story.machine.cmid, story.product.act_id) {
            asked.entry((cmid, act_id)).or_default().push((file, at));
        }
    }
    for log in logs {
        let own = told_by(&mut files[..captured], log, &asked, has_azure);
        files.push(own);
    }
    say_what_has_no_event(&mut files[..captured], logs);
}

/// Tells the events of a log where they belong; what belongs nowhere is the log's own.
fn told_by(
    files: &mut [FileDiagnosis],
    log: &EventLog,
    asked: &HashMap<(Guid, Guid), Vec<Found>>,
    has_azure: bool,
) -> FileDiagnosis {
    let mut own =
        FileDiagnosis { name: log.name.clone(), has_failed: log.has_failed, ..FileDiagnosis::default() };
    let mut lost = 0_u64;
    // Where the last request of each machine and minute belongs.
    let mut requests: BTreeMap<(Option<&str>, i64), (usize, usize)> = BTreeMap::new();
    for event in &log.events {
        let note = note(log, event);
        let of_minute = event.client_time().map(|time| (event.computer.as_deref(), minute(time)));
        let place = match (&event.kind, of_minute) {
            // It names no machine: it is of the last request of that minute in the same log.
            (EventKind::Processed(_), Some(request)) => requests.get(&request).copied(),
            (EventKind::Requested(_) | EventKind::HostAnswered(_), Some((_, minute))) => {
                let ids = event.cmid().zip(event.act_id());
                let known = ids.and_then(|ids| asked.get(&ids)).map(Vec::as_slice).unwrap_or_default();
                known.iter().copied().find(|&(file, at)| is_minute(&files[file].stories[at], minute))
            }
            _ => stories(files).find_map(|(file, at, story)| is_of(event, story).then_some((file, at))),
        };
        if let (EventKind::Requested(_), Some(asked), Some(place)) = (&event.kind, of_minute, place) {
            requests.insert(asked, place);
        }
        if let Some((file, at)) = place {
            let story = &mut files[file].stories[at];
            decide(story, event, &note);
            story.events.push(note);
            continue;
        }
        match &event.kind {
            EventKind::Avma(avma) => own.stories.push(avma_story(event, avma, &note, has_azure)),
            EventKind::Published(_) => {}
            _ if own.remarks.len() < MOST_REMARKS => own.remarks.push(without_traffic(event, &note)),
            _ => lost += 1,
        }
    }
    for (at, story) in own.stories.iter_mut().enumerate() {
        story.number = at + 1;
    }
    if lost > 0 {
        own.left_out.push(("more events without traffic".to_owned(), lost));
    }
    if log.left_out > 0 {
        own.left_out.push(("events beyond the bound".to_owned(), log.left_out));
    }
    own.unseen.extend(log.errors.iter().map(|error| format!("an event that cannot be read: {error}")));
    if log.errors_left_out > 0 {
        own.left_out.push(("more events that cannot be read".to_owned(), log.errors_left_out));
    }
    own.events = log.events.len() as u64;
    own
}

fn stories(files: &[FileDiagnosis]) -> impl Iterator<Item = (usize, usize, &Story)> {
    files.iter().enumerate().flat_map(|(file, diagnosis)| {
        diagnosis.stories.iter().enumerate().map(move |(at, story)| (file, at, story))
    })
}

/// True where an event that names no request is about the story.
fn is_of(event: &Event, story: &Story) -> bool {
    match &event.kind {
        EventKind::DirectoryActivated(found) => {
            let is_product = story.product.act_id.is_none_or(|act_id| act_id == found.sku);
            is_product && story.method == Method::Directory && is_computer(event, story)
        }
        EventKind::Avma(_) => {
            story.method == Method::Avma && (story.machine.name.is_none() || is_computer(event, story))
        }
        _ => false,
    }
}

/// True where the story has a request of that minute, or, where not all of its requests are kept, may have.
fn is_minute(story: &Story, minute: i64) -> bool {
    let minutes = &story.client_minutes;
    let is_between = minutes.first().is_some_and(|first| *first < minute) && minutes.last() > Some(&minute);
    minutes.contains(&minute) || story.steps_left_out > 0 && is_between
}

/// True where the machine that wrote the event may be the story's.
fn is_computer(event: &Event, story: &Story) -> bool {
    match (&event.computer, &story.machine.name) {
        (Some(computer), Some(name)) => {
            let host = computer.split('.').next().unwrap_or(computer);
            computer.eq_ignore_ascii_case(name) || host.eq_ignore_ascii_case(name)
        }
        _ => true,
    }
}

/// What a machine says of itself goes before what a capture shows of it.
fn decide(story: &mut Story, event: &Event, note: &EventNote) {
    let shown = || vec![Evidence::new([], format!("event {} ({}): {}", note.id, note.place, note.text))];
    match &event.kind {
        EventKind::Processed(answer)
            if answer.hresult == 0 && answer.bound != 0 && story.status == Status::Unknown =>
        {
            story.status = Status::Activated;
            story.verdict = "Activated: the machine's event 12289 says so.".to_owned();
        }
        EventKind::Processed(answer) if answer.hresult != 0 && story.status.is_good() => {
            let text = format!(
                "The host answered, and the machine did not take it: its event 12289 says {}.",
                code(answer.hresult)
            );
            story.status = Status::NotActivated;
            story.verdict = format!("Not activated: {}", super::words::lower_first(&text));
            story.causes.insert(0, Finding::new(CauseKind::MachineRejects, text, shown()));
        }
        EventKind::DirectoryActivated(found) if story.status == Status::Unknown => {
            let object = found.object_name.as_deref().unwrap_or("an activation object");
            story.status = Status::Activated;
            story.verdict =
                format!("Activated by Active Directory: the machine's event 12308 names {object}.");
        }
        EventKind::Avma(Avma { hresult: Some(0), .. }) if story.status == Status::Unknown => {
            story.status = Status::Activated;
            story.verdict =
                format!("Activated by the virtualization host: the guest's event {} says so.", note.id);
        }
        EventKind::Avma(Avma { hresult: Some(hresult), .. }) if *hresult != 0 => {
            let finding = of_avma(*hresult, false, shown());
            story.status = Status::NotActivated;
            story.verdict = format!("Not activated: {}", super::words::lower_first(&finding.text));
            story.causes.insert(0, finding);
        }
        _ => {}
    }
}

/// The story of a guest of which only an event is known.
fn avma_story(event: &Event, avma: &Avma, note: &EventNote, has_azure: bool) -> Story {
    let mut story = Story {
        method: Method::Avma,
        machine: Machine { name: event.computer.clone(), ..Machine::default() },
        product: Product {
            name: Some("Windows Server, by its virtualization host".to_owned()),
            ..Product::default()
        },
        attempts: 1,
        events: vec![note.clone()],
        unseen: vec!["what the guest and its host said: this is an event without a capture".to_owned()],
        ..Story::default()
    };
    let shown = vec![Evidence::new([], format!("event {} ({})", note.id, note.place))];
    match avma.hresult {
        Some(0) => {
            story.status = Status::Activated;
            story.verdict =
                format!("Activated by the virtualization host: the guest's event {} says so.", note.id);
        }
        Some(hresult) => {
            let finding = of_avma(hresult, has_azure, shown);
            story.status = Status::NotActivated;
            story.verdict = format!("Not activated: {}", super::words::lower_first(&finding.text));
            story.causes.push(finding);
        }
        None => story.verdict = format!("Not known: event {} tells no error code.", note.id),
    }
    story
}

/// Why automatic activation failed. Beside a KMS host of Azure, a platform that is not supported is Azure.
fn of_avma(hresult: u32, has_azure: bool, shown: Vec<Evidence>) -> Finding {
    let said = code(hresult);
    let meaning = crate::catalog::hresult::describe(hresult).unwrap_or("no meaning of it is known");
    if has_azure && matches!(hresult, 0xC004_FD01 | 0xC004_FD02) {
        let text = format!("A key for automatic virtual machine activation does not work in Azure ({said}).");
        return Finding::new(CauseKind::AvmaKeyInAzure, text, shown);
    }
    let finding = Finding::new(
        CauseKind::AvmaRefused,
        format!("Automatic activation failed with {said}: {meaning}"),
        shown,
    );
    match crate::catalog::hresult::remedy(hresult) {
        Some(remedy) => finding.with_remedy(remedy),
        None => finding,
    }
}

/// An event of which no capture has the packets.
fn without_traffic(event: &Event, note: &EventNote) -> Finding {
    let who = event.computer.as_deref().unwrap_or("a machine");
    let shown = vec![Evidence::new([], format!("event {} ({})", note.id, note.place))];
    if let EventKind::PublishFailed(failed) = &event.kind {
        let domain = failed.domain.as_deref().unwrap_or("its domain");
        let text = format!("{who} could not publish itself in {domain}: {}.", code(failed.hresult));
        return Finding::new(CauseKind::HostCannotPublish, text, shown);
    }
    let text = format!("{who}: {} No packet of that is in the captures.", note.text);
    Finding::new(CauseKind::EventWithoutTraffic, text, shown)
}

/// Stories of machines whose log was given, and does not have their request; and requests without an answer processed.
fn say_what_has_no_event(files: &mut [FileDiagnosis], logs: &[EventLog]) {
    // The machines of the logs, and from when to when they have events.
    let mut known: BTreeMap<Guid, (i64, i64)> = BTreeMap::new();
    for event in logs.iter().flat_map(|log| &log.events) {
        if let (EventKind::Requested(asked), Some(time)) = (&event.kind, event.client_time()) {
            let (from, to) = known.entry(asked.cmid).or_insert((time, time));
            (*from, *to) = ((*from).min(time), (*to).max(time));
        }
    }
    for story in files.iter_mut().flat_map(|file| &mut file.stories) {
        let has = |story: &Story, id: u32| story.events.iter().any(|event| event.id == id);
        // A request that failed by itself, or was refused, has no answer to process.
        let is_sent = story.events.iter().any(|event| event.id == 12288 && event.hresult == Some(0));
        if is_sent && !has(story, 12289) {
            story
                .unseen
                .push("an event 12289 behind the event 12288: the machine processed no answer".to_owned());
        }
        let is_known = story.machine.cmid.is_some_and(|cmid| known.contains_key(&cmid));
        if is_known && !has(story, 12288) && !story.client_minutes.is_empty() {
            let text = "The machine's log was given, and has no event 12288 of this request.";
            let minute = story.client_minutes.first().map_or_else(String::new, |time| to_the_minute(*time));
            let shown = vec![Evidence::new([], format!("ClientTime {minute}"))];
            story.remarks.push(Finding::new(CauseKind::TrafficWithoutEvent, text, shown));
        }
    }
}

/// An event in a sentence.
fn note(log: &EventLog, event: &Event) -> EventNote {
    let at = to_the_minute;
    let text = match &event.kind {
        EventKind::Requested(asked) => {
            let port = asked.port.map_or_else(String::new, |port| format!(":{port}"));
            let host = if asked.host.is_empty() { "no host" } else { &asked.host };
            format!("asked {host}{port} at {} and got {}.", at(asked.client_time), said(asked.hresult))
        }
        EventKind::Processed(answer) => format!(
            "processed the answer to {}: {}, count {}.",
            at(answer.client_time),
            said(answer.hresult),
            answer.count
        ),
        EventKind::HostAnswered(answer) => {
            format!("answered {} at {} with {}.", answer.client, at(answer.client_time), said(answer.hresult))
        }
        EventKind::PublishFailed(failed) => {
            format!("could not publish its SRV record: {}.", code(failed.hresult))
        }
        EventKind::Published(_) => "published its SRV record.".to_owned(),
        EventKind::DirectoryActivated(found) => {
            let object = found.object_name.as_deref().or(found.object_dn.as_deref()).unwrap_or("an object");
            format!("was activated by {object} of Active Directory.")
        }
        EventKind::Avma(avma) => match avma.hresult {
            Some(hresult) => format!("automatic virtual machine activation: {}.", said(hresult)),
            None => "automatic virtual machine activation.".to_owned(),
        },
    };
    // The wall of a machine is no time that others can be compared with.
    let time = event.time.filter(|time| time.clock == Clock::Utc).map(|time| time.nanos);
    let hresult = match &event.kind {
        EventKind::Requested(asked) => Some(asked.hresult),
        EventKind::Processed(answer) => Some(answer.hresult),
        EventKind::HostAnswered(answer) => Some(answer.hresult),
        EventKind::PublishFailed(failed) => Some(failed.hresult),
        EventKind::Avma(avma) => avma.hresult,
        EventKind::Published(_) | EventKind::DirectoryActivated(_) => None,
    };
    EventNote { id: event.id, time, place: format!("{}, {}", log.name, event.place), hresult, text }
}

fn said(hresult: u32) -> String {
    if hresult == 0 { "success".to_owned() } else { code(hresult) }
}

/// `2026-11-21T20:42Z`.
fn to_the_minute(time: i64) -> String {
    let whole = Rfc3339(time).to_string();
    whole.get(..16).map_or_else(|| whole.clone(), |minute| format!("{minute}Z"))
}

/// The minute of a time, in nanoseconds since 1970.
pub(super) fn minute(time: i64) -> i64 {
    time.div_euclid(MINUTE).saturating_mul(MINUTE)
}

const MINUTE: i64 = 60_000_000_000;
/// Events without traffic that are told one by one.
const MOST_REMARKS: usize = 64;
