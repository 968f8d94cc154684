use std::collections::{BTreeMap, HashSet};

use crate::diagnosis::{CauseKind, FileDiagnosis, Finding, Status, Story};
use crate::wire::{Guid, Rfc3339};

use super::{sign, word};

/// What the first screen answers: did they activate, if not why, what now.
pub(super) struct Summary<'a> {
    /// The answer in one line.
    pub(super) headline: String,
    /// True where nothing failed.
    pub(super) is_good: bool,
    /// The inputs, and from when to when.
    pub(super) inputs: String,
    pub(super) span: Option<(String, String)>,
    pub(super) figures: Vec<Figure>,
    /// Why they were not activated, most machines first.
    pub(super) causes: Vec<Tally<'a>>,
    /// What else is worth knowing, most machines first.
    pub(super) remarks: Vec<Tally<'a>>,
    /// Inputs that were not read to their ends.
    pub(super) failed: Vec<&'a str>,
    /// Calls that have no story.
    pub(super) left_out: u64,
}

/// Stories of one status.
pub(super) struct Figure {
    pub(super) status: Status,
    pub(super) word: &'static str,
    pub(super) sign: &'static str,
    pub(super) count: usize,
}

/// A kind of cause or remark, and of how many machines it was told.
pub(super) struct Tally<'a> {
    pub(super) kind: CauseKind,
    pub(super) machines: usize,
    /// Machines of which it is told behind another cause.
    pub(super) beside: usize,
    /// What it is, where it was told once.
    pub(super) text: Option<&'a str>,
    /// What to do, where that is the same for all; what the kind says otherwise.
    pub(super) remedy: &'a str,
}

impl<'a> Summary<'a> {
    pub(super) fn of(files: &'a [FileDiagnosis]) -> Self {
        let stories = || files.iter().flat_map(|file| &file.stories);
        let figures: Vec<Figure> = SHOWN
            .into_iter()
            .map(|status| Figure {
                status,
                word: word(status),
                sign: sign(status),
                count: stories().filter(|story| story.status == status).count(),
            })
            .collect();
        let all: usize = figures.iter().map(|figure| figure.count).sum();
        let good = stories().filter(|story| story.status.is_good()).count();
        let bad = stories().filter(|story| story.status == Status::NotActivated).count();
        let headline = match (files.iter().find_map(|file| file.stories.first()), all, good) {
            (None, ..) => "No activation was seen".to_owned(),
            (Some(story), 1, _) => story.verdict.clone(),
            (_, all, good) if good == all => format!("All {} activations succeeded", thousands(all)),
            (_, all, _) if bad == all => format!("None of {} activations succeeded", thousands(all)),
            (_, all, good) => format!("{} of {} activations succeeded", thousands(good), thousands(all)),
        };
        let begin = files.iter().filter_map(|file| file.span).map(|(begin, _)| begin).min();
        let end = files.iter().filter_map(|file| file.span).map(|(_, end)| end).max();
        let of_files = files.iter().flat_map(|file| &file.remarks);
        let remarks =
            stories().flat_map(|story| story.remarks.iter().map(move |remark| (Some(story), 0, remark)));
        Self {
            headline,
            is_good: all > 0 && good == all,
            inputs: match files {
                [] => "no input".to_owned(),
                [file] => file.name.clone(),
                [first, others @ ..] => format!("{} and {} more", first.name, thousands(others.len())),
            },
            span: begin.zip(end).map(|(begin, end)| (second(begin), second(end))),
            figures,
            causes: tallies(stories().flat_map(|story| {
                story.causes.iter().enumerate().map(move |(at, cause)| (Some(story), at, cause))
            })),
            remarks: tallies(of_files.map(|remark| (None, 0, remark)).chain(remarks)),
            failed: files.iter().filter(|file| file.has_failed).map(|file| file.name.as_str()).collect(),
            left_out: files.iter().flat_map(|file| &file.left_out).map(|(_, count)| count).sum(),
        }
    }
}

impl Tally<'_> {
    /// `1,204 machines`; nothing where it is told of the capture.
    pub(super) fn count(&self) -> String {
        match self.machines + self.beside {
            0 => String::new(),
            count => thousands(count),
        }
    }
}

/// `1234567` as `1,234,567`.
pub(super) fn thousands(count: impl ToString) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `2024-05-01 12:00:00`, in UTC.
pub(super) fn second(nanoseconds: i64) -> String {
    let mut text = Rfc3339(nanoseconds).to_string().replacen('T', " ", 1);
    text.truncate("2024-05-01 12:00:00".len());
    text
}

/// What tells machines apart where several have one CMID, and where they have none.
type Identity = (Option<Guid>, String);

/// What was told of one kind.
struct Heap<'a> {
    /// Of whom it is told first.
    machines: HashSet<Identity>,
    /// Of whom it is told behind another.
    beside: HashSet<Identity>,
    findings: Vec<&'a Finding>,
}

fn tallies<'a>(told: impl Iterator<Item = (Option<&'a Story>, usize, &'a Finding)>) -> Vec<Tally<'a>> {
    let mut heaps: BTreeMap<CauseKind, Heap<'a>> = BTreeMap::new();
    for (story, at, finding) in told {
        let heap = heaps.entry(finding.kind).or_insert_with(|| Heap {
            machines: HashSet::new(),
            beside: HashSet::new(),
            findings: Vec::new(),
        });
        heap.findings.push(finding);
        if let Some(story) = story {
            let identity = (story.machine.cmid, story.machine.label());
            if at == 0 {
                heap.machines.insert(identity)
            } else {
                heap.beside.insert(identity)
            };
        }
    }
    let mut tallies: Vec<Tally<'a>> = heaps
        .into_iter()
        .map(|(kind, heap)| {
            let remedy = heap.findings[0].remedy.as_str();
            Tally {
                kind,
                beside: heap.beside.difference(&heap.machines).count(),
                machines: heap.machines.len(),
                text: match heap.findings[..] {
                    [only] => Some(only.text.as_str()),
                    _ => None,
                },
                remedy: match heap.findings.iter().all(|finding| finding.remedy == remedy) {
                    true => remedy,
                    false => kind.remedy(),
                },
            }
        })
        .collect();
    tallies.sort_by_key(|tally| std::cmp::Reverse((tally.machines, tally.beside)));
    tallies
}

/// In what order statuses are counted.
const SHOWN: [Status; 4] = [Status::Activated, Status::Renewed, Status::NotActivated, Status::Unknown];
