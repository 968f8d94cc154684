use serde::Serialize;

use crate::capture::Stamp;
use crate::diagnosis::{FileDiagnosis, Finding, Fleet, FleetRow, Route, Status, Step, Story};
use crate::wire::Rfc3339;

/// Name and version of the records' schema, `docs/diagnose.md`. The number grows when a field goes or changes its
/// meaning; a new field does not change it.
pub const DIAGNOSIS_SCHEMA: &str = "volact-diagnosis/1";

/// A line: its names are the schema's.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line<'a> {
    File {
        schema: &'static str,
        file: &'a str,
        packets: u64,
        first: Option<String>,
        last: Option<String>,
        stories: usize,
        unseen: &'a [String],
        read_to_its_end: bool,
    },
    Story {
        file: &'a str,
        #[serde(flatten)]
        story: Box<StoryLine<'a>>,
    },
    Remark {
        file: &'a str,
        #[serde(flatten)]
        remark: FindingLine<'a>,
    },
    #[serde(rename = "left-out")]
    LeftOut {
        file: &'a str,
        what: &'a str,
        count: u64,
    },
    Notice {
        file: &'a str,
        kind: &'static str,
        frame: Option<u64>,
        message: String,
    },
    Fleet {
        schema: &'static str,
        by: &'static str,
        key: Option<String>,
        stories: u64,
        machines: usize,
        not_activated: u64,
        unknown: u64,
        activated: u64,
        renewed: u64,
        attempts: u64,
        first: Option<String>,
        last: Option<String>,
    },
    Summary {
        files: usize,
        stories: u64,
        machines: usize,
        not_activated: u64,
        unknown: u64,
        activated: u64,
        renewed: u64,
    },
}

#[derive(Serialize)]
struct StoryLine<'a> {
    number: usize,
    status: &'static str,
    verdict: &'a str,
    method: &'static str,
    machine: MachineLine<'a>,
    product: ProductLine<'a>,
    found: Vec<FoundLine>,
    hosts: Vec<HostLine<'a>>,
    attempts: u64,
    first: Option<String>,
    last: Option<String>,
    frames: Option<[u64; 2]>,
    service_time_ns: Option<i64>,
    causes: Vec<FindingLine<'a>>,
    remarks: Vec<FindingLine<'a>>,
    unseen: &'a [String],
    steps: Vec<StepLine<'a>>,
    steps_left_out: u64,
    events: Vec<EventLine<'a>>,
}

#[derive(Serialize)]
struct MachineLine<'a> {
    label: String,
    name: Option<&'a str>,
    addresses: Vec<String>,
    cmid: Option<String>,
    other: Option<&'a str>,
    is_vm: Option<bool>,
}

#[derive(Serialize)]
struct ProductLine<'a> {
    name: Option<&'a str>,
    application: Option<&'static str>,
    act_id: Option<String>,
    kms_id: Option<String>,
}

#[derive(Serialize)]
struct FoundLine {
    how: &'static str,
    service: Option<String>,
    name: Option<String>,
    sealed: Option<bool>,
}

#[derive(Serialize)]
struct HostLine<'a> {
    server: Option<String>,
    name: Option<&'a str>,
    azure_cloud: Option<&'static str>,
    epid: Option<&'a str>,
}

#[derive(Serialize)]
struct FindingLine<'a> {
    cause: &'static str,
    text: &'a str,
    evidence: Vec<EvidenceLine<'a>>,
    remedy: &'a str,
    article: Option<&'static str>,
}

#[derive(Serialize)]
struct EvidenceLine<'a> {
    frames: &'a [u64],
    text: &'a str,
}

#[derive(Serialize)]
struct StepLine<'a> {
    kind: &'static str,
    with: &'a str,
    asked: &'a str,
    asked_frame: Option<u64>,
    asked_at: Option<String>,
    answered: Option<&'a str>,
    answered_frame: Option<u64>,
    answered_at: Option<String>,
    tone: &'static str,
}

#[derive(Serialize)]
struct EventLine<'a> {
    id: u32,
    time: Option<String>,
    place: &'a str,
    text: &'a str,
}

pub(super) fn render(files: &[FileDiagnosis], is_fleet: bool) -> String {
    let mut out = String::new();
    let mut put = |line: &Line<'_>| {
        // Nothing in a record can fail to be written: it is text, numbers and lists of them.
        if let Ok(line) = serde_json::to_string(line) {
            out.push_str(&line);
            out.push('\n');
        }
    };
    let fleet = Fleet::of(files);
    if is_fleet {
        put(&of_row("all", None, &fleet.all));
        for (by, rows) in fleet.tables() {
            rows.iter().for_each(|(key, row)| put(&of_row(by, Some(key.clone()), row)));
        }
        for (begin, row) in &fleet.times {
            put(&of_row("time", time(Some(*begin)), row));
        }
        return out;
    }
    for file in files {
        let name = &*file.name;
        put(&Line::File {
            schema: DIAGNOSIS_SCHEMA,
            file: name,
            packets: file.packets,
            first: time(file.span.map(|span| span.0)),
            last: time(file.span.map(|span| span.1)),
            stories: file.stories.len(),
            unseen: &file.unseen,
            read_to_its_end: !file.has_failed,
        });
        for story in &file.stories {
            put(&Line::Story { file: name, story: Box::new(of_story(story)) });
        }
        for remark in &file.remarks {
            put(&Line::Remark { file: name, remark: of_finding(remark) });
        }
        for (what, count) in &file.left_out {
            put(&Line::LeftOut { file: name, what, count: *count });
        }
        for notice in &file.notices {
            put(&Line::Notice {
                file: name,
                kind: notice.kind.name(),
                frame: notice.frame,
                message: notice.to_string(),
            });
        }
    }
    let [not_activated, unknown, activated, renewed] = Status::ALL.map(|status| fleet.all.with(status));
    put(&Line::Summary {
        files: files.len(),
        stories: fleet.all.stories,
        machines: fleet.all.machines.len(),
        not_activated,
        unknown,
        activated,
        renewed,
    });
    out
}

fn of_row(by: &'static str, key: Option<String>, row: &FleetRow) -> Line<'static> {
    let [not_activated, unknown, activated, renewed] = Status::ALL.map(|status| row.with(status));
    Line::Fleet {
        schema: DIAGNOSIS_SCHEMA,
        by,
        key,
        stories: row.stories,
        machines: row.machines.len(),
        not_activated,
        unknown,
        activated,
        renewed,
        attempts: row.attempts,
        first: time(row.seen.map(|seen| seen.0)),
        last: time(row.seen.map(|seen| seen.1)),
    }
}

fn of_story(story: &Story) -> StoryLine<'_> {
    let Story { machine, product, span, .. } = story;
    StoryLine {
        number: story.number,
        status: story.status.name(),
        verdict: &story.verdict,
        method: story.method.name(),
        machine: MachineLine {
            label: machine.label(),
            name: machine.name.as_deref(),
            addresses: machine.addresses.iter().map(ToString::to_string).collect(),
            cmid: machine.cmid.map(|cmid| cmid.to_string()),
            other: machine.other.as_deref(),
            is_vm: machine.is_vm,
        },
        product: ProductLine {
            name: product.name.as_deref(),
            application: product.application,
            act_id: product.act_id.map(|id| id.to_string()),
            kms_id: product.kms_id.map(|id| id.to_string()),
        },
        found: story.found.iter().map(of_route).collect(),
        hosts: story
            .hosts
            .iter()
            .map(|host| HostLine {
                server: host.endpoint.map(|endpoint| endpoint.to_string()),
                name: host.name.as_deref(),
                azure_cloud: host.cloud.map(crate::discovery::Cloud::name),
                epid: host.epid.as_deref(),
            })
            .collect(),
        attempts: story.attempts,
        first: time(span.and_then(|(first, _)| first.time)),
        last: time(span.and_then(|(_, last)| last.time)),
        frames: span.map(|(first, last)| [first.frame, last.frame]),
        service_time_ns: story.service_time,
        causes: story.causes.iter().map(of_finding).collect(),
        remarks: story.remarks.iter().map(of_finding).collect(),
        unseen: &story.unseen,
        steps: story.steps.iter().map(of_step).collect(),
        steps_left_out: story.steps_left_out,
        events: story
            .events
            .iter()
            .map(|event| EventLine {
                id: event.id,
                time: time(event.time),
                place: &event.place,
                text: &event.text,
            })
            .collect(),
    }
}

fn of_finding(finding: &Finding) -> FindingLine<'_> {
    FindingLine {
        cause: finding.kind.name(),
        text: &finding.text,
        evidence: finding
            .evidence
            .iter()
            .map(|evidence| EvidenceLine { frames: &evidence.frames, text: &evidence.text })
            .collect(),
        remedy: &finding.remedy,
        article: finding.article(),
    }
}

fn of_route(route: &Route) -> FoundLine {
    let (service, name, sealed) = match route {
        Route::Service(service, name) => (Some(service.to_string()), Some(name.to_string()), None),
        Route::Name(name) => (None, Some(name.to_string()), None),
        Route::Directory(sealed) => (None, None, Some(*sealed)),
        Route::Address | Route::NotSeen => (None, None, None),
    };
    FoundLine { how: route.name(), service, name, sealed }
}

fn of_step(step: &Step) -> StepLine<'_> {
    let at = |stamp: Option<Stamp>| time(stamp.and_then(|stamp| stamp.time));
    StepLine {
        kind: step.kind.name(),
        with: &step.with,
        asked: &step.asked,
        asked_frame: step.asked_at.map(|stamp| stamp.frame),
        asked_at: at(step.asked_at),
        answered: step.answered.as_deref(),
        answered_frame: step.answered_at.map(|stamp| stamp.frame),
        answered_at: at(step.answered_at),
        tone: step.tone.name(),
    }
}

fn time(time: Option<i64>) -> Option<String> {
    time.map(|time| Rfc3339(time).to_string())
}
