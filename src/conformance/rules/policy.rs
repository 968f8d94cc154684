use std::collections::HashSet;

use super::super::connection::ExchangeScene;
use super::super::hosts::HostFacts;
use super::super::rule::{About, Family, Judgement, Level, Rule, Subject};
use super::kms_request::named;
use crate::catalog::product;
use crate::wire::Guid;

/// KMS: counts and intervals.
pub(super) const FAMILY: Family = Family { name: "policy", title: "KMS: counts and intervals", rules: RULES };

const COUNTS: &str = "Microsoft's Volume Activation Planning Guide: thresholds of 25 and 5, and twice as many CMIDs remembered";
const INTERVALS: &str = "Microsoft's KMS Activation Timing and Discovery (slmgr.vbs /sai and /sri)";
const DEFAULT: &str = "Microsoft's KMS Activation Timing and Discovery: the default, which can be configured";

const RULES: &[Rule] = &[
    Rule {
        id: "POLICY-COUNT-ZERO",
        title: "The host has counted the client that it answers",
        level: Level::Should,
        authority: "Microsoft's Volume Activation Planning Guide: a host counts the machine that asks, and answers with the count",
        looks_at: "Count of a response.",
        holds: "It is greater than zero.",
        about: About::Server,
        tags: &["count"],
        subject: Subject::Exchange(count_zero),
    },
    Rule {
        id: "POLICY-COUNT-CEILING",
        title: "The host counts fifty machines at most",
        level: Level::Should,
        authority: COUNTS,
        looks_at: "Count of a response.",
        holds: "It is at most 50, twice the highest threshold.",
        about: About::Server,
        tags: &["count"],
        subject: Subject::Exchange(count_ceiling),
    },
    Rule {
        id: "POLICY-COUNT-PRODUCT",
        title: "The host counts twice an Office's threshold at most",
        level: Level::May,
        authority: COUNTS,
        looks_at: "Count of a response (up to 50), where the catalog knows the request's KMSID as an Office's, whose threshold is 5.",
        holds: "It is at most 10; Windows Server is counted together with Windows clients, and may be 50.",
        about: About::Server,
        tags: &["count", "catalog"],
        subject: Subject::Exchange(count_product),
    },
    Rule {
        id: "POLICY-COUNT-DEMAND",
        title: "The count is as high as the client demands",
        level: Level::May,
        authority: COUNTS,
        looks_at: "Count of a response against N-Policy of its request.",
        holds: "It is not lower; otherwise the client goes on unactivated, which is right while few machines have asked.",
        about: About::Server,
        tags: &["count"],
        subject: Subject::Exchange(count_demand),
    },
    Rule {
        id: "POLICY-COUNT-GROWS",
        title: "The host counts every machine that asks",
        level: Level::Observed,
        authority: "Microsoft's Volume Activation Planning Guide; observed: vlmcsd, captures/vlmcs_vlmcsd_v6_default.pcap",
        looks_at: "Count of a host's answers for a product, against the machines that have asked for it so far.",
        holds: "It is not lower than the number of their CMIDs, or than twice the product's threshold.",
        about: About::Server,
        tags: &["count"],
        subject: Subject::Host(count_grows),
    },
    Rule {
        id: "POLICY-COUNT-DROP",
        title: "The count does not drop within a day",
        level: Level::May,
        authority: "Microsoft's Volume Activation Planning Guide: hosts remember a machine for 30 days",
        looks_at: "Count of a host's answers for a product, one behind the other.",
        holds: "Within a day it does not fall to half of what it was.",
        about: About::Server,
        tags: &["count"],
        subject: Subject::Host(count_drop),
    },
    Rule {
        id: "POLICY-INTERVAL-ZERO",
        title: "The intervals are not zero",
        level: Level::Should,
        authority: INTERVALS,
        looks_at: "VLActivationInterval and VLRenewalInterval of a response.",
        holds: "Neither is 0.",
        about: About::Server,
        tags: &["interval"],
        subject: Subject::Exchange(interval_zero),
    },
    Rule {
        id: "POLICY-INTERVAL-RANGE",
        title: "The intervals are ones that can be configured",
        level: Level::Should,
        authority: "SoftwareLicensingService.SetVLActivationInterval and .SetVLRenewalInterval: 15 to 43200",
        looks_at: "VLActivationInterval and VLRenewalInterval of a response, where they are not 0.",
        holds: "Both are from 15 to 43200 minutes.",
        about: About::Server,
        tags: &["interval"],
        subject: Subject::Exchange(interval_range),
    },
    Rule {
        id: "POLICY-INTERVAL-ORDER",
        title: "Clients renew no more often than they try",
        level: Level::Should,
        authority: INTERVALS,
        looks_at: "VLActivationInterval and VLRenewalInterval of a response, where they can be configured.",
        holds: "The former is not longer than the latter.",
        about: About::Server,
        tags: &["interval"],
        subject: Subject::Exchange(interval_order),
    },
    Rule {
        id: "POLICY-ACTIVATION-INTERVAL",
        title: "Clients try every 120 minutes",
        level: Level::Observed,
        authority: DEFAULT,
        looks_at: "VLActivationInterval of a host's first answer.",
        holds: "It is 120 minutes.",
        about: About::Server,
        tags: &["interval"],
        subject: Subject::Host(activation_interval),
    },
    Rule {
        id: "POLICY-RENEWAL-INTERVAL",
        title: "Clients renew every 7 days",
        level: Level::Observed,
        authority: DEFAULT,
        looks_at: "VLRenewalInterval of a host's first answer.",
        holds: "It is 10080 minutes.",
        about: About::Server,
        tags: &["interval"],
        subject: Subject::Host(renewal_interval),
    },
    Rule {
        id: "POLICY-INTERVALS-CONSTANT",
        title: "The intervals stay the same",
        level: Level::May,
        authority: "good practice; a host has one setting of each",
        looks_at: "The intervals of all answers of a host.",
        holds: "They are those of its first answer.",
        about: About::Server,
        tags: &["interval"],
        subject: Subject::Host(intervals_constant),
    },
];

/// Twice the highest threshold, 25.
const MOST_COUNTED: u32 = 50;
/// The threshold of servers and of Office.
const LOW_THRESHOLD: u32 = 5;
/// What an interval can be configured to, in minutes.
const CONFIGURABLE: std::ops::RangeInclusive<u32> = 15..=43_200;
const ACTIVATION_INTERVAL: u32 = 120;
const RENEWAL_INTERVAL: u32 = 10_080;
/// A day in nanoseconds.
const DAY: i64 = 24 * 3600 * 1_000_000_000;

fn count_zero(scene: &ExchangeScene<'_>) -> Judgement {
    let Some(body) = scene.answered_body() else { return Judgement::NotApplicable };
    Judgement::at(body.count > 0, ("response body", 32 + body.pid_size()), || "Count is 0".to_owned())
}

fn count_ceiling(scene: &ExchangeScene<'_>) -> Judgement {
    let Some(body) = scene.answered_body() else { return Judgement::NotApplicable };
    Judgement::at(body.count <= MOST_COUNTED, ("response body", 32 + body.pid_size()), || {
        format!("Count is {}, not {MOST_COUNTED} at most", body.count)
    })
}

fn count_product(scene: &ExchangeScene<'_>) -> Judgement {
    let Some(body) = scene.answered_body().filter(|body| body.count <= MOST_COUNTED) else {
        return Judgement::NotApplicable;
    };
    let product = scene.asked_body().and_then(|asked| product::kms_id(asked.kms_id));
    let Some(product) = product.filter(|product| product.policy == LOW_THRESHOLD && !is_windows(product))
    else {
        return Judgement::NotApplicable;
    };
    Judgement::at(body.count <= 2 * LOW_THRESHOLD, ("response body", 32 + body.pid_size()), || {
        format!("Count is {}, not {} at most for {}", body.count, 2 * LOW_THRESHOLD, product.name)
    })
}

/// True for Windows, whose clients and servers are counted together.
fn is_windows(product: &product::KmsProduct) -> bool {
    product::application(product.application).is_some_and(|application| application.name == "Windows")
}

fn count_demand(scene: &ExchangeScene<'_>) -> Judgement {
    let (Some(body), Some(asked)) = (scene.answered_body().filter(|body| body.count > 0), scene.asked_body())
    else {
        return Judgement::NotApplicable;
    };
    Judgement::at(body.count >= asked.n_policy, ("response body", 32 + body.pid_size()), || {
        format!("Count is {}, and the client demands {}", body.count, asked.n_policy)
    })
}

fn count_grows(host: &HostFacts) -> Judgement {
    let mut asked: HashSet<(Guid, Guid)> = HashSet::new();
    let mut judged = Judgement::NotApplicable;
    for answer in host.answers.iter() {
        let Some((kms_id, cmid, _)) = answer.asked else { continue };
        let Some(product) = product::kms_id(kms_id) else { continue };
        asked.insert((kms_id, cmid));
        let machines = asked.iter().filter(|(asked_for, _)| *asked_for == kms_id).count();
        let expected = u32::try_from(machines).unwrap_or(u32::MAX).min(2 * product.policy);
        judged = Judgement::Holds;
        if answer.count > 0 && answer.count < expected {
            return Judgement::broken(format!(
                "Count is {} after {machines} machines have asked for {}",
                answer.count, product.name
            ));
        }
    }
    judged
}

fn count_drop(host: &HostFacts) -> Judgement {
    let mut judged = Judgement::NotApplicable;
    let answers =
        || host.answers.stamped().filter_map(|(stamp, answer)| Some((stamp, answer, answer.asked?.0)));
    for (at, (stamp, answer, kms_id)) in answers().enumerate() {
        let earlier = answers().take(at).filter(|(before, _, same)| {
            let apart = stamp.time.zip(before.time).map(|(now, then)| now.saturating_sub(then));
            *same == kms_id && apart.is_some_and(|apart| (0..DAY).contains(&apart))
        });
        let Some(highest) = earlier.map(|(_, answer, _)| answer.count).max() else { continue };
        judged = Judgement::Holds;
        if answer.count > 0 && answer.count <= highest / 2 {
            return Judgement::broken(format!(
                "Count is {} in packet {}, and was {highest} before, for {}",
                answer.count,
                stamp.frame,
                named(kms_id)
            ));
        }
    }
    judged
}

fn interval_zero(scene: &ExchangeScene<'_>) -> Judgement {
    let Some(body) = scene.answered_body() else { return Judgement::NotApplicable };
    let (activation, renewal) = (body.activation_interval, body.renewal_interval);
    Judgement::at(activation > 0 && renewal > 0, ("response body", 36 + body.pid_size()), || {
        format!("VLActivationInterval is {activation}, VLRenewalInterval {renewal}")
    })
}

fn can_be_configured(minutes: u32) -> bool {
    CONFIGURABLE.contains(&minutes)
}

fn interval_range(scene: &ExchangeScene<'_>) -> Judgement {
    let Some(body) = scene.answered_body() else { return Judgement::NotApplicable };
    let (activation, renewal) = (body.activation_interval, body.renewal_interval);
    let holds = [activation, renewal].into_iter().all(|minutes| minutes == 0 || can_be_configured(minutes));
    Judgement::at(holds, ("response body", 36 + body.pid_size()), || {
        format!("VLActivationInterval is {activation}, VLRenewalInterval {renewal}, not 15 to 43200")
    })
}

fn interval_order(scene: &ExchangeScene<'_>) -> Judgement {
    let Some(body) = scene.answered_body() else { return Judgement::NotApplicable };
    let (activation, renewal) = (body.activation_interval, body.renewal_interval);
    if !can_be_configured(activation) || !can_be_configured(renewal) {
        return Judgement::NotApplicable;
    }
    Judgement::at(activation <= renewal, ("response body", 36 + body.pid_size()), || {
        format!("VLActivationInterval is {activation}, VLRenewalInterval only {renewal}")
    })
}

/// The intervals of a host's first answer, where they make sense.
fn first_intervals(host: &HostFacts) -> Option<(u32, u32)> {
    let (activation, renewal) = *host.intervals.iter().next()?;
    let is_sound = can_be_configured(activation) && can_be_configured(renewal) && activation <= renewal;
    is_sound.then_some((activation, renewal))
}

fn activation_interval(host: &HostFacts) -> Judgement {
    let Some((minutes, _)) = first_intervals(host) else { return Judgement::NotApplicable };
    Judgement::of(minutes == ACTIVATION_INTERVAL, || {
        format!("VLActivationInterval is {minutes}, not {ACTIVATION_INTERVAL}")
    })
}

fn renewal_interval(host: &HostFacts) -> Judgement {
    let Some((_, minutes)) = first_intervals(host) else { return Judgement::NotApplicable };
    Judgement::of(minutes == RENEWAL_INTERVAL, || {
        format!("VLRenewalInterval is {minutes}, not {RENEWAL_INTERVAL}")
    })
}

fn intervals_constant(host: &HostFacts) -> Judgement {
    let mut all = host.intervals.stamped();
    let Some((_, first)) = all.next() else { return Judgement::NotApplicable };
    match all.next() {
        None => Judgement::Holds,
        Some((stamp, other)) => Judgement::broken(format!(
            "the intervals are {} and {} at first, {} and {} in packet {}",
            first.0, first.1, other.0, other.1, stamp.frame
        )),
    }
}
