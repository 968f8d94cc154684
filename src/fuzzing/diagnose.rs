//! Diagnosis: the stories of any input, whoever kept what of it.

use std::io::Read;

use crate::capture::Comment;
use crate::diagnosis::{FileDiagnosis, Finding, Fleet, Notebook, Status, Story};
use crate::trace::{
    Carrier, ChannelRecord, ConnectionRecord, DirectoryExchange, Exchange, FileRecord, GuestExchange, Lookup,
    MakExchange, Notice, Observer, Options, Summary, trace_any,
};

use super::{Slow, is_turn};

/// Holds that the stories of an input are the same each time, and whoever of several kept what of its connections; that
/// each is numbered, says how it ended, why only where it ended badly, and shows packets that there are, its steps in their
/// order; and that every table of a fleet counts each of them once.
pub fn diagnose(data: &[u8]) {
    let mut kept = Kept::default();
    trace_any("fuzz", data, &Options::default(), &mut kept);
    let Kept { whole, parts: [first, second, third] } = kept;
    let diagnosis = whole.finish();
    let told = format!("{diagnosis:?}");
    assert_eq!(joined(first, [third, second]), told, "shared out");
    if is_turn(data, 4) {
        let mut again = Kept::default();
        let mut slow = Slow { left: data, step: 1 + data.len() / 7 };
        trace_any("fuzz", &mut slow as &mut dyn Read, &Options::default(), &mut again);
        let Kept { whole, parts: [first, second, third] } = again;
        assert_eq!(format!("{:?}", whole.finish()), told, "told twice");
        assert_eq!(joined(second, [first, third]), told, "joined in another order");
    }
    // Those that could not be read are numbered as well, and complained of.
    let packets = diagnosis.packets + diagnosis.notices.len() as u64 + diagnosis.notices_left_out;
    for (at, story) in diagnosis.stories.iter().enumerate() {
        assert_eq!(story.number, at + 1);
        of_story(story, packets);
    }
    diagnosis.remarks.iter().for_each(|remark| of_finding(remark, packets));
    of_fleet(&diagnosis);
}

fn joined(mut book: Notebook, others: [Notebook; 2]) -> String {
    others.into_iter().for_each(|other| book.merge(other));
    format!("{:?}", book.finish())
}

fn of_story(story: &Story, packets: u64) {
    assert!(!story.verdict.is_empty(), "{story:?}");
    let has_failed = story.status == Status::NotActivated;
    assert_eq!(has_failed, !story.causes.is_empty(), "{story:?}");
    story.causes.iter().chain(&story.remarks).for_each(|finding| of_finding(finding, packets));
    let mut before = 0;
    for step in &story.steps {
        let frame = step.asked_at.or(step.answered_at).map_or(before, |stamp| stamp.frame);
        assert!(frame >= before, "frame {frame} behind {before}: {story:?}");
        before = frame;
    }
    if let Some((first, last)) = story.span {
        assert!(first.frame <= last.frame, "{story:?}");
    }
}

fn of_finding(finding: &Finding, packets: u64) {
    assert!(!finding.text.is_empty() && !finding.remedy.is_empty(), "{finding:?}");
    for evidence in &finding.evidence {
        assert!(evidence.frames.iter().all(|frame| (1..=packets).contains(frame)), "{packets}: {finding:?}");
        assert!(evidence.frames.is_sorted_by(|one, next| one < next), "{finding:?}");
    }
}

fn of_fleet(diagnosis: &FileDiagnosis) {
    let fleet = Fleet::of(std::slice::from_ref(diagnosis));
    let stories = diagnosis.stories.len() as u64;
    assert_eq!(fleet.all.stories, stories);
    assert_eq!(fleet.all.by_status.iter().sum::<u64>(), stories);
    for (table, rows) in fleet.tables() {
        assert_eq!(rows.iter().map(|(_, row)| row.stories).sum::<u64>(), stories, "{table}");
    }
    let timed =
        diagnosis.stories.iter().filter(|story| story.span.is_some_and(|(first, _)| first.time.is_some()));
    assert_eq!(fleet.times.iter().map(|(_, row)| row.stories).sum::<u64>(), timed.count() as u64);
}

/// One that keeps all, and several among whom it is shared out.
struct Kept {
    whole: Notebook,
    parts: [Notebook; 3],
}

impl Default for Kept {
    fn default() -> Self {
        let book = || Notebook::new("fuzz");
        Self { whole: book(), parts: [book(), book(), book()] }
    }
}

impl Kept {
    /// Tells the one that keeps all, and the one whose connection it is of: the first one where it is of none.
    fn tell(&mut self, stream: Option<u64>, tell: impl Fn(&mut Notebook)) {
        let part = usize::try_from(stream.unwrap_or(0) % 3).expect("it is below three");
        tell(&mut self.whole);
        tell(&mut self.parts[part]);
    }
}

impl Observer for Kept {
    fn file(&mut self, file: &FileRecord<'_>) {
        self.tell(None, |book| book.file(file));
    }

    fn exchange(&mut self, exchange: &Exchange) {
        self.tell(Some(exchange.stream), |book| book.exchange(exchange));
    }

    fn mak(&mut self, exchange: &MakExchange) {
        let stream = match exchange.carrier {
            Carrier::Stream { stream, .. } => Some(stream),
            Carrier::Har { .. } | Carrier::Body => None,
        };
        self.tell(stream, |book| book.mak(exchange));
    }

    fn directory(&mut self, exchange: &DirectoryExchange) {
        self.tell(Some(exchange.stream), |book| book.directory(exchange));
    }

    fn lookup(&mut self, lookup: &Lookup) {
        self.tell(None, |book| book.lookup(lookup));
    }

    fn guest(&mut self, exchange: &GuestExchange) {
        self.tell(None, |book| book.guest(exchange));
    }

    fn channel(&mut self, channel: &ChannelRecord) {
        self.tell(None, |book| book.channel(channel));
    }

    fn connection(&mut self, connection: &ConnectionRecord) {
        self.tell(Some(connection.flow.stream), |book| book.connection(connection));
    }

    fn notice(&mut self, notice: &Notice) {
        self.tell(notice.stream, |book| book.notice(notice));
    }

    fn comment(&mut self, comment: &Comment) {
        self.tell(None, |book| book.comment(comment));
    }

    fn summary(&mut self, summary: &Summary) {
        self.tell(None, |book| book.summary(summary));
    }
}
