mod charts;
mod data;
mod summary;

use std::io;

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::diagnosis::{FileDiagnosis, Status, Story};
use crate::redact;

use charts::{Outcomes, ServiceTimes, Timeline};
use data::Data;
use summary::Summary;

/// Writes the page: one file that needs nothing from elsewhere. Same stories, same bytes.
///
/// Its head, its charts and the first stories are there without a script. Product keys are masked.
///
/// # Errors
///
/// Those of the writer.
pub fn html(files: &[FileDiagnosis], out: &mut impl io::Write) -> io::Result<()> {
    let stories: Vec<Told<'_>> =
        files.iter().flat_map(|file| file.stories.iter().map(move |story| Told { file, story })).collect();
    // The worst first, otherwise in their order.
    let mut plain: Vec<&Told<'_>> = stories.iter().collect();
    plain.sort_by_key(|told| told.story.status);
    plain.truncate(MOST_PLAIN);
    let page = Page {
        style: STYLE,
        style_hash: hash(STYLE),
        script: SCRIPT,
        script_hash: hash(SCRIPT),
        files,
        summary: Summary::of(files),
        outcomes: Outcomes::of(&stories),
        times: ServiceTimes::of(&stories),
        timeline: Timeline::of(&stories),
        data: Data::of(files, &stories),
        plain,
        stories: &stories,
    };
    let mut bytes = Vec::new();
    page.write_into(&mut bytes)?;
    redact::page(&mut bytes);
    out.write_all(&bytes)
}

/// The page. Styles and script are allowed by their hashes only, so that nothing else on it can run.
#[derive(Template)]
#[template(path = "diagnosis.html")]
struct Page<'a> {
    style: &'static str,
    style_hash: String,
    script: &'static str,
    script_hash: String,
    files: &'a [FileDiagnosis],
    summary: Summary<'a>,
    outcomes: Outcomes,
    times: Option<ServiceTimes>,
    timeline: Option<Timeline>,
    data: Data<'a>,
    /// Stories that are shown where there is no script.
    plain: Vec<&'a Told<'a>>,
    stories: &'a [Told<'a>],
}

impl Page<'_> {
    fn thousands(count: impl ToString) -> String {
        summary::thousands(count)
    }

    fn second(nanoseconds: &i64) -> String {
        summary::second(*nanoseconds)
    }

    fn word(status: &Status) -> &'static str {
        word(*status)
    }
}

/// A story and whence it is.
struct Told<'a> {
    file: &'a FileDiagnosis,
    story: &'a Story,
}

impl Told<'_> {
    /// Whom it asked, as one cell.
    fn host(&self) -> String {
        match &self.story.hosts[..] {
            [] => String::new(),
            [only] => only.label(),
            [others @ .., last] => format!("{} (and {} before)", last.label(), others.len()),
        }
    }
}

/// A status as a reader sees it.
fn word(status: Status) -> &'static str {
    match status {
        Status::NotActivated => "not activated",
        Status::Unknown => "unknown",
        Status::Activated => "activated",
        Status::Renewed => "renewed",
    }
}

/// A sign for a status, so that colour is not all that tells it.
fn sign(status: Status) -> &'static str {
    match status {
        Status::NotActivated => "✕",
        Status::Unknown => "?",
        Status::Activated => "✓",
        Status::Renewed => "↻",
    }
}

/// A source as a Content-Security-Policy names it.
fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

const STYLE: &str = include_str!("html/diagnosis.css");
const SCRIPT: &str = include_str!("html/diagnosis.js");
/// The most stories that are there without a script.
const MOST_PLAIN: usize = 200;
