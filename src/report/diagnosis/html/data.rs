use std::fmt;

use serde::Serialize;

use crate::capture::Stamp;
use crate::diagnosis::{CauseKind, FileDiagnosis, Finding, Status, Step};
use crate::wire::{Guid, Rfc3339};

use super::{Told, sign, word};

/// What the script reads: the rows at once, and the rest of a story when it is opened.
pub(super) struct Data<'a> {
    files: &'a [FileDiagnosis],
    stories: &'a [Told<'a>],
    /// The kinds that there are; stories name their places in this list.
    kinds: Vec<CauseKind>,
}

/// A JSON array, an element a line: product keys are looked for line by line.
pub(super) struct Lines<'a> {
    data: &'a Data<'a>,
    stories: &'a [Told<'a>],
    line: fn(&Data<'_>, &Told<'_>) -> String,
}

impl<'a> Data<'a> {
    pub(super) fn of(files: &'a [FileDiagnosis], stories: &'a [Told<'a>]) -> Self {
        let findings = stories.iter().flat_map(|told| told.story.causes.iter().chain(&told.story.remarks));
        let mut kinds: Vec<CauseKind> = findings.map(|finding| finding.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        Self { files, stories, kinds }
    }

    /// What rows and stories name by its place: statuses, kinds of causes, files; and how many stories are in a chunk.
    pub(super) fn head(&self) -> String {
        let kind = |kind: &CauseKind| (kind.name(), kind.headline(), kind.remedy(), kind.article());
        json(&Head {
            statuses: Status::ALL.map(|status| (status.name(), word(status), sign(status))),
            kinds: self.kinds.iter().map(kind).collect(),
            files: self.files.iter().map(|file| &*file.name).collect(),
            chunk: CHUNK,
        })
    }

    pub(super) fn rows(&'a self) -> Lines<'a> {
        Lines { data: self, stories: self.stories, line: |data, told| data.row(told) }
    }

    /// The rest of so many stories at a time.
    pub(super) fn chunks(&'a self) -> impl Iterator<Item = Lines<'a>> {
        self.stories.chunks(CHUNK).map(|stories| Lines {
            data: self,
            stories,
            line: |data, told| data.story(told),
        })
    }

    fn row(&self, told: &Told<'_>) -> String {
        let story = told.story;
        let cmid = story.machine.cmid.iter().map(ToString::to_string);
        let more: Vec<String> = cmid.chain(story.machine.addresses.iter().map(ToString::to_string)).collect();
        let first = story.span.and_then(|(first, _)| first.time);
        json(&(
            Status::ALL.iter().position(|status| *status == story.status),
            story.machine.label(),
            story.product.label(),
            told.host(),
            story.causes.first().and_then(|cause| self.place(cause.kind)),
            story.attempts,
            // A number of JavaScript does not hold the nanoseconds of a date.
            first.map(|time| time.div_euclid(1000)),
            story.service_time,
            &story.verdict,
            more.join(" "),
        ))
    }

    fn story(&self, told: &Told<'_>) -> String {
        let Told { story, file } = told;
        let guid = |guid: Option<Guid>| guid.map(|guid| guid.to_string());
        let began = story.span.and_then(|(first, _)| first.time);
        json(&StoryLine {
            file: self.files.iter().position(|other| std::ptr::eq(other, *file)),
            number: story.number,
            method: story.method.name(),
            cmid: guid(story.machine.cmid),
            addresses: story.machine.addresses.iter().map(ToString::to_string).collect(),
            vm: story.machine.is_vm,
            application: story.product.application,
            act: guid(story.product.act_id),
            kms: guid(story.product.kms_id),
            found: story.found.iter().map(|route| route.label()).collect(),
            hosts: story
                .hosts
                .iter()
                .map(|host| (host.label(), host.cloud.map(|cloud| cloud.name()), host.epid.as_deref()))
                .collect(),
            causes: story.causes.iter().map(|cause| self.finding(cause)).collect(),
            remarks: story.remarks.iter().map(|remark| self.finding(remark)).collect(),
            unseen: &story.unseen,
            span: story.span.map(|(first, last)| [moment(first), moment(last)]),
            steps: story.steps.iter().map(|step| StepLine::of(step, began)).collect(),
            left_out: story.steps_left_out,
            events: story
                .events
                .iter()
                .map(|event| (event.id, event.time.map(rfc3339), &*event.place, &*event.text))
                .collect(),
        })
    }

    fn finding<'f>(&self, finding: &'f Finding) -> FindingLine<'f> {
        FindingLine {
            kind: self.place(finding.kind),
            text: &finding.text,
            evidence: finding.evidence.iter().map(|evidence| (&*evidence.frames, &*evidence.text)).collect(),
            remedy: Some(&*finding.remedy).filter(|remedy| *remedy != finding.kind.remedy()),
        }
    }

    fn place(&self, kind: CauseKind) -> Option<usize> {
        self.kinds.binary_search(&kind).ok()
    }
}

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[\n")?;
        for (at, told) in self.stories.iter().enumerate() {
            let separator = if at > 0 { ",\n" } else { "" };
            write!(f, "{separator}{}", (self.line)(self.data, told))?;
        }
        f.write_str("\n]")
    }
}

#[derive(Serialize)]
struct Head<'a> {
    statuses: [(&'static str, &'static str, &'static str); 4],
    kinds: Vec<(&'static str, &'static str, &'static str, Option<&'static str>)>,
    files: Vec<&'a str>,
    chunk: usize,
}

#[derive(Serialize)]
struct StoryLine<'a> {
    file: Option<usize>,
    number: usize,
    method: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cmid: Option<String>,
    addresses: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vm: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    application: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kms: Option<String>,
    found: Vec<String>,
    hosts: Vec<(String, Option<&'static str>, Option<&'a str>)>,
    causes: Vec<FindingLine<'a>>,
    remarks: Vec<FindingLine<'a>>,
    unseen: &'a [String],
    span: Option<[(u64, Option<String>); 2]>,
    steps: Vec<StepLine<'a>>,
    left_out: u64,
    events: Vec<(u32, Option<String>, &'a str, &'a str)>,
}

#[derive(Serialize)]
struct FindingLine<'a> {
    kind: Option<usize>,
    text: &'a str,
    evidence: Vec<(&'a [u64], &'a str)>,
    /// Where it is another than that of its kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<&'a str>,
}

/// The packet, and the nanoseconds since the first one of the story.
type Moment = (u64, Option<i64>);

#[derive(Serialize)]
struct StepLine<'a> {
    with: &'a str,
    tone: &'static str,
    asked: (&'a str, Option<Moment>),
    #[serde(skip_serializing_if = "Option::is_none")]
    answered: Option<(&'a str, Option<Moment>)>,
}

impl<'a> StepLine<'a> {
    fn of(step: &'a Step, began: Option<i64>) -> Self {
        let moment = |stamp: Stamp| {
            let since = stamp.time.zip(began).and_then(|(time, began)| time.checked_sub(began));
            (stamp.frame, since)
        };
        let answered_at = step.answered_at.map(moment);
        let answered = match &step.answered {
            Some(answered) => Some((&**answered, answered_at)),
            None => answered_at.map(|at| ("", Some(at))),
        };
        Self {
            with: &step.with,
            tone: step.tone.name(),
            asked: (&step.asked, step.asked_at.map(moment)),
            answered,
        }
    }
}

/// The packet, and when it was captured.
fn moment(stamp: Stamp) -> (u64, Option<String>) {
    (stamp.frame, stamp.time.map(rfc3339))
}

fn rfc3339(time: i64) -> String {
    Rfc3339(time).to_string()
}

/// In one line that no tag ends, whatever is in it.
fn json(value: &impl Serialize) -> String {
    // These are numbers, texts and lists, all of which JSON can tell.
    let text = serde_json::to_string(value).unwrap_or_default();
    text.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

/// Stories in a chunk.
const CHUNK: usize = 200;
