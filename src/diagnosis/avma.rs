//! The story of a guest that its virtualization host was to activate.

use crate::capture::Stamp;
use crate::trace::Bus;

use super::notebook::GuestFacts;
use super::words::counted;
use super::{CauseKind, Evidence, Finding, Machine, Method, Product, Status, Step, StepKind, Story, Tone};

/// What became of the channel for activation.
pub(super) fn tell(bus: Bus, facts: &GuestFacts) -> Story {
    let (asked, answered) = (facts.asked.count(), facts.answered.count());
    let steps = steps(facts);
    let stamps = || steps.iter().flat_map(|step| [step.asked_at, step.answered_at]).flatten();
    let span = stamps().min_by_key(|stamp| stamp.frame).zip(stamps().max_by_key(|stamp| stamp.frame));
    let mut story = Story {
        method: Method::Avma,
        machine: Machine { other: Some(format!("the guest on interface {}", bus.0)), ..Machine::default() },
        product: Product {
            name: Some("Windows Server, by its virtualization host".to_owned()),
            ..Product::default()
        },
        attempts: asked,
        span,
        service_time: facts.service_time,
        steps_left_out: facts.asked.left_out() + facts.answered.left_out(),
        steps,
        ..Story::default()
    };
    let cause = |kind, text: String, stamps: Vec<Stamp>, shown: &str| {
        Finding::new(kind, text, vec![Evidence::new(stamps, shown)])
    };
    let offered: Vec<Stamp> = facts.offered.into_iter().collect();
    let opened: Vec<Stamp> = facts.opened.into_iter().collect();
    let found = if answered > 0 {
        None
    } else if asked > 0 {
        let first = facts.asked.iter().map(|(stamp, _)| *stamp).collect();
        let text = format!(
            "The host did not answer in the channel for activation ({} without one).",
            counted(asked, "request")
        );
        Some(cause(CauseKind::AvmaSilent, text, first, "requests without an answer"))
    } else if let Some((stamp, status)) = facts.open_failed.filter(|_| facts.opened.is_none()) {
        let text = format!("The channel for activation could not be opened: NTSTATUS 0x{status:08X}.");
        Some(cause(CauseKind::AvmaNotOpened, text, vec![stamp], "OpenChannelResult"))
    } else if facts.opened.is_some() {
        let text = "The guest opened the channel for activation, and nothing was said in it.".to_owned();
        Some(cause(CauseKind::AvmaSilent, text, opened, "the channel was opened"))
    } else if facts.offered.is_some() {
        let text = "The host offered the channel for activation, and the guest did not open it.".to_owned();
        Some(cause(CauseKind::AvmaNotOpened, text, offered, "the channel was offered"))
    } else {
        None
    };
    match found {
        Some(finding) => {
            story.status = Status::NotActivated;
            story.verdict = format!("Not activated: {}", super::words::lower_first(&finding.text));
            story.causes.push(finding);
        }
        None => {
            story.verdict =
                "Not known: the host answered in the channel for activation, and what it says there is not \
                             public; the guest's events 12309 and 12310 tell."
                    .to_owned();
            story.unseen.push(
                "what the messages of the channel for activation say: their format is not public".to_owned(),
            );
        }
    }
    story
}

fn steps(facts: &GuestFacts) -> Vec<Step> {
    let step = |stamp: Stamp, asked: &str, answered: Option<String>, tone| Step {
        kind: StepKind::Vmbus,
        asked_at: Some(stamp),
        answered_at: None,
        with: "the virtualization host".to_owned(),
        asked: asked.to_owned(),
        answered,
        tone,
    };
    let mut steps = Vec::new();
    steps.extend(
        facts.offered.map(|stamp| step(stamp, "the channel for activation is offered", None, Tone::Neutral)),
    );
    steps.extend(facts.opened.map(|stamp| step(stamp, "opens the channel", None, Tone::Good)));
    steps.extend(facts.open_failed.map(|(stamp, status)| {
        step(stamp, "opens the channel", Some(format!("NTSTATUS 0x{status:08X}")), Tone::Bad)
    }));
    steps.extend(facts.rescinded.map(|stamp| step(stamp, "the channel is taken back", None, Tone::Bad)));
    for (stamp, length) in facts.asked.iter() {
        steps.push(step(*stamp, &format!("{length} bytes"), None, Tone::Neutral));
    }
    for (stamp, length) in facts.answered.iter() {
        let mut answer = step(*stamp, "", Some(format!("{length} bytes")), Tone::Good);
        answer.answered_at = Some(*stamp);
        steps.push(answer);
    }
    steps.sort_by_key(|step| step.asked_at.map_or(0, |stamp| stamp.frame));
    steps
}
