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

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::capture::Stamp;
    use crate::diagnosis::{CauseKind, Evidence, Finding, Machine, Method, Product, Step, StepKind, Tone};

    fn story(number: usize, status: Status, name: &str, kinds: &[CauseKind]) -> Story {
        let stamp = |frame, time: i64| Stamp { frame, time: Some(1_714_543_200_000_000_000 + time) };
        Story {
            number,
            method: Method::Kms,
            machine: Machine { name: Some(name.to_owned()), ..Machine::default() },
            product: Product { name: Some("Windows 11 Enterprise".to_owned()), ..Product::default() },
            found: Vec::new(),
            hosts: Vec::new(),
            status,
            verdict: format!("{name} is {}.", word(status)),
            causes: kinds.iter().map(|&kind| finding(kind)).collect(),
            remarks: Vec::new(),
            unseen: Vec::new(),
            attempts: 1,
            span: Some((stamp(3, 0), stamp(9, 2_000_000))),
            service_time: Some(1_500_000 * i64::try_from(number).unwrap()),
            steps: vec![Step {
                kind: StepKind::Kms,
                asked_at: Some(stamp(3, 0)),
                answered_at: Some(stamp(9, 2_000_000)),
                with: "10.0.0.9:1688".to_owned(),
                asked: "activate".to_owned(),
                answered: Some("0xC004F038".to_owned()),
                tone: Tone::Bad,
            }],
            steps_left_out: 0,
            events: Vec::new(),
            ..Story::default()
        }
    }

    fn finding(kind: CauseKind) -> Finding {
        let evidence = vec![Evidence { frames: vec![9], text: "CurrentClientCount 11".to_owned() }];
        Finding { kind, text: "so it is".to_owned(), evidence, remedy: kind.remedy().to_owned() }
    }

    fn page(stories: Vec<Story>) -> String {
        let file =
            FileDiagnosis { name: "lab & more.pcapng".to_owned(), stories, ..FileDiagnosis::default() };
        let mut out = Vec::new();
        html(&[file], &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn fleet() -> Vec<Story> {
        use CauseKind::{ClockSkew, CountTooLow, NoSrvRecord};
        vec![
            story(1, Status::NotActivated, "a", &[NoSrvRecord]),
            story(2, Status::NotActivated, "b", &[CountTooLow, ClockSkew]),
            story(3, Status::NotActivated, "c", &[CountTooLow]),
            // Another product of the same machine.
            story(4, Status::NotActivated, "c", &[CountTooLow]),
            story(5, Status::Activated, "d", &[]),
            story(6, Status::Renewed, "e", &[]),
            story(7, Status::Unknown, "f", &[]),
        ]
    }

    /// The text of the scripts that are data.
    fn data(page: &str, which: &str) -> Value {
        let begin = page.find(&format!("<script type=\"application/json\" {which}>")).unwrap();
        let (_, behind) = page[begin..].split_once('>').unwrap();
        serde_json::from_str(behind.split_once("</script>").unwrap().0).unwrap()
    }

    #[test]
    fn the_head_counts_stories_by_status_and_machines_by_cause_with_the_most_first() {
        let files = [FileDiagnosis { stories: fleet(), ..FileDiagnosis::default() }];
        let summary = Summary::of(&files);
        assert_eq!(summary.headline, "2 of 7 activations succeeded");
        let figures: Vec<_> = summary.figures.iter().map(|figure| (figure.word, figure.count)).collect();
        assert_eq!(figures, [("activated", 1), ("renewed", 1), ("not activated", 4), ("unknown", 1)]);
        let causes: Vec<_> =
            summary.causes.iter().map(|tally| (tally.kind.name(), tally.machines, tally.beside)).collect();
        assert_eq!(causes, [("count-too-low", 2, 0), ("no-srv-record", 1, 0), ("clock-skew", 0, 1)]);
    }

    #[test]
    fn headlines_say_what_there_is() {
        let headline = |stories: Vec<Story>| {
            Summary::of(&[FileDiagnosis { stories, ..FileDiagnosis::default() }]).headline
        };
        assert_eq!(headline(vec![]), "No activation was seen");
        assert_eq!(headline(fleet().split_off(6)), "f is unknown.");
        assert_eq!(headline(fleet().drain(4..6).collect()), "All 2 activations succeeded");
        assert_eq!(headline(fleet().drain(..3).collect()), "None of 3 activations succeeded");
    }

    #[test]
    fn every_story_has_its_row_and_its_rest() {
        let page = page(fleet());
        let (rows, rest) = (data(&page, "id=\"rows\""), data(&page, "class=\"chunk\""));
        assert_eq!((rows.as_array().unwrap().len(), rest.as_array().unwrap().len()), (7, 7));
        let head = data(&page, "id=\"head\"");
        assert_eq!(rows[1][1], "b");
        assert_eq!(
            head["statuses"][usize::try_from(rows[1][0].as_u64().unwrap()).unwrap()][0],
            "not-activated"
        );
        assert_eq!(head["kinds"][usize::try_from(rows[1][4].as_u64().unwrap()).unwrap()][0], "count-too-low");
        assert_eq!(rest[1]["causes"][0]["evidence"], serde_json::json!([[[9], "CurrentClientCount 11"]]));
        assert_eq!(rest[1]["steps"][0]["answered"], serde_json::json!(["0xC004F038", [9, 2_000_000]]));
    }

    #[test]
    fn a_name_never_becomes_markup() {
        let name = "</script><img onerror=x><!--\u{2028}&amp;";
        let page = page(vec![story(1, Status::NotActivated, name, &[CauseKind::NoSrvRecord])]);
        assert!(!page.contains("<img") && !page.contains("<!--"));
        // Three with data, and the one that runs.
        assert_eq!(page.matches("</script>").count(), 4);
        assert_eq!(data(&page, "id=\"rows\"")[0][1], name);
        assert!(page.contains("lab &#38; more.pcapng"));
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere_and_allows_nothing_else_to_run() {
        let page = page(fleet());
        for what in ["http://", "https://", "src=", "url(http", "@import", " style=", " onclick=", "{{"] {
            assert!(!page.contains(what), "{what}");
        }
        let between = |from: &str, to: &str| {
            let (_, behind) = page.rsplit_once(from).unwrap();
            behind.split_once(to).unwrap().0.to_owned()
        };
        let script = between("<script>", "</script>");
        let style = between("<style>", "</style>");
        let policy = format!("style-src {}; script-src {};", hash(&style), hash(&script));
        assert!(page.replace("&#39;", "'").contains(&policy));
    }

    #[test]
    fn what_is_the_same_gives_the_same_page() {
        assert_eq!(page(fleet()), page(fleet()));
    }

    #[test]
    fn times_at_the_ends_of_their_range_are_drawn() {
        let ends = [(i64::MIN, i64::MAX), (i64::MAX, 0), (0, i64::MIN), (1, 1)];
        for count in 1..=ends.len() {
            let mut stories = fleet();
            for (story, (time, took)) in stories.iter_mut().zip(&ends[..count]) {
                story.span = Some((Stamp { frame: 1, time: Some(*time) }, Stamp { frame: 2, time: None }));
                story.service_time = Some(*took);
            }
            let page = page(stories);
            assert!(page.contains("id=\"times-title\"") && page.contains("id=\"timeline-title\""));
            assert_eq!(page.matches("NaN").count(), SCRIPT.matches("NaN").count());
        }
    }

    #[test]
    fn product_keys_are_masked() {
        let key = ["BBBBB"; 5].join("-");
        let page = page(vec![story(1, Status::Unknown, &key, &[])]);
        assert!(!page.contains(&key));
        data(&page, "id=\"rows\"");
    }

    #[test]
    fn what_was_not_read_and_what_has_no_story_is_told_at_the_top() {
        let file = FileDiagnosis {
            name: "cut.pcap".to_owned(),
            has_failed: true,
            left_out: vec![("answered".to_owned(), 1_200)],
            ..FileDiagnosis::default()
        };
        let mut out = Vec::new();
        html(&[file], &mut out).unwrap();
        let page = String::from_utf8(out).unwrap();
        let head = &page[..page.find("<main>").unwrap()];
        assert!(head.contains("<b>cut.pcap</b> could not be read to its end"));
        assert!(head.contains("1,200 calls"));
    }
}
