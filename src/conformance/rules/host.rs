use std::collections::HashMap;
use std::hash::Hash;

use super::super::connection::ExchangeScene;
use super::super::hosts::{HostFacts, takes_ndr64};
use super::super::rule::{About, Family, Judgement, Level, Rule, Subject};
use super::kms_request::named;
use crate::capture::Stamp;
use crate::wire::{Epid, Hex};

/// KMS: what stays the same about a host.
pub(super) const FAMILY: Family =
    Family { name: "host", title: "KMS: what stays the same about a host", rules: RULES };

const IDENTITY: &str =
    "no document; genuine hosts as they are described; an address that several hosts share shows several";
const FRESH: &str = "good practice; vlmcsd, py-kms and the vlmcsd crate draw it at random";

const RULES: &[Rule] = &[
    Rule {
        id: "HOST-ASSOC-GROUP",
        title: "Each connection has an association group of its own",
        level: Level::Should,
        authority: "C706 12.6.4.3 (assoc_group_id): a bind with 0 asks for a new group",
        looks_at: "assoc_group_id of a host's bind_acks to binds that ask for a new group.",
        holds: "No two are the same.",
        about: About::Server,
        tags: &["bind"],
        subject: Subject::Host(assoc_group),
    },
    Rule {
        id: "HOST-NDR64",
        title: "A host of Windows Server 2012 or later takes NDR64",
        level: Level::Observed,
        authority: "no document; genuine hosts as they are described: the transfer syntax comes with 64-bit Windows",
        looks_at: "The build in a response's ePID against the answer to a proposal of NDR64 on its connection.",
        holds: "From build 9200 on it was accepted.",
        about: About::Server,
        tags: &["bind", "epid"],
        subject: Subject::Exchange(ndr64),
    },
    Rule {
        id: "HOST-EPID-CONSTANT",
        title: "A host has one ePID for a product",
        level: Level::Should,
        authority: IDENTITY,
        looks_at: "The ePIDs that a host's address gave for one KMSID.",
        holds: "They are the same in all answers.",
        about: About::Server,
        tags: &["epid"],
        subject: Subject::Host(epid_constant),
    },
    Rule {
        id: "HOST-EPID-BUILD",
        title: "A host has one build",
        level: Level::Observed,
        authority: IDENTITY,
        looks_at: "The builds in the ePIDs that a host's address gave for several products.",
        holds: "They are the same, since its keys were installed on one Windows.",
        about: About::Server,
        tags: &["epid", "build"],
        subject: Subject::Host(epid_build),
    },
    Rule {
        id: "HOST-HWID-CONSTANT",
        title: "A host has one HwId",
        level: Level::Should,
        authority: IDENTITY,
        looks_at: "HwId of a host's version 6 responses.",
        holds: "It is the same in all of them.",
        about: About::Server,
        tags: &["hwid"],
        subject: Subject::Host(hwid_constant),
    },
    Rule {
        id: "HOST-HWID-EMPTY",
        title: "HwId is a number of hardware",
        level: Level::Observed,
        authority: IDENTITY,
        looks_at: "HwId of a host's version 6 responses.",
        holds: "Not all of its bytes are the same.",
        about: About::Server,
        tags: &["hwid"],
        subject: Subject::Host(hwid_empty),
    },
    Rule {
        id: "HOST-TWINS",
        title: "No other host has the same identity",
        level: Level::May,
        authority: IDENTITY,
        looks_at: "The first ePID and the first HwId of a host, against those of the others in the input.",
        holds: "No other has both; one host with two addresses does.",
        about: About::Server,
        tags: &["epid", "hwid"],
        subject: Subject::Host(twins),
    },
    Rule {
        id: "HOST-SALT-FRESH",
        title: "A host draws a new salt for each answer",
        level: Level::Should,
        authority: FRESH,
        looks_at: "The salts of a host's answers (versions 5 and 6).",
        holds: "No two are the same.",
        about: About::Server,
        tags: &["freshness"],
        subject: Subject::Host(salt_fresh),
    },
    Rule {
        id: "HOST-IV-FRESH",
        title: "A host draws a new IV for each version 6 answer",
        level: Level::Should,
        authority: FRESH,
        looks_at: "The IVs of a host's version 6 answers.",
        holds: "No two are the same.",
        about: About::Server,
        tags: &["freshness", "v6"],
        subject: Subject::Host(iv_fresh),
    },
    Rule {
        id: "HOST-PRODUCTS",
        title: "A host refuses no product that it answers for",
        level: Level::May,
        authority: "Microsoft's Volume Activation Planning Guide: whether a product is activated depends on the host's keys",
        looks_at: "The products (KMSID) that a host refuses with c004f042 and those that it answers for.",
        holds: "None is both.",
        about: About::Server,
        tags: &["hresult"],
        subject: Subject::Host(products),
    },
    Rule {
        id: "HOST-STAYS-OPEN",
        title: "A host leaves the connection open",
        level: Level::Observed,
        authority: "observed: vlmcsd without -d, captures/vlmcs_vlmcsd_v6_default.pcap; genuine hosts as they are described",
        looks_at: "Connections of a host that were closed right after its answer.",
        holds: "The client was the first to close them.",
        about: About::Server,
        tags: &["connection"],
        subject: Subject::Host(stays_open),
    },
    Rule {
        id: "HOST-ANSWER-TIME",
        title: "A host answers within half a second",
        level: Level::Observed,
        authority: "observed: vlmcsd, captures/vlmcs_vlmcsd_v6_default.pcap; the vlmcsd crate, captures/rsclient_rsserver_v6.pcap",
        looks_at: "The time between a request and its response.",
        holds: "It is not longer than 500 ms.",
        about: About::Server,
        tags: &["time"],
        subject: Subject::Exchange(answer_time),
    },
];

/// The first build of Windows Server 2012.
const NDR64_BUILD: u32 = 9200;
/// What a host answers about a product that it has no key for (`SL_E_VL_KEY_MANAGEMENT_SERVICE_ID_MISMATCH`).
const NO_KEY: u32 = 0xc004_f042;
/// What an answer takes at most, in nanoseconds.
const LONGEST_ANSWER: i64 = 500_000_000;

/// The first two packets that brought the same value.
fn first_pair<T: Hash + Eq>(values: impl Iterator<Item = (Stamp, T)>) -> Option<(Stamp, Stamp, T)> {
    let mut seen: HashMap<T, Stamp> = HashMap::new();
    for (stamp, value) in values {
        if let Some(before) = seen.get(&value) {
            return Some((*before, stamp, value));
        }
        seen.insert(value, stamp);
    }
    None
}

/// Judges that no two of at least two values are the same.
fn distinct<T: Hash + Eq>(
    values: impl Iterator<Item = (Stamp, T)> + Clone,
    message: impl FnOnce(&T) -> String,
) -> Judgement {
    if values.clone().nth(1).is_none() {
        return Judgement::NotApplicable;
    }
    match first_pair(values) {
        None => Judgement::Holds,
        Some((first, second, value)) => {
            Judgement::broken(format!("{} in packets {} and {}", message(&value), first.frame, second.frame))
        }
    }
}

fn assoc_group(host: &HostFacts) -> Judgement {
    let asked = host.binds.stamped().filter(|(_, bind)| bind.asked_group == 0);
    distinct(asked.map(|(stamp, bind)| (stamp, bind.group)), |group| format!("assoc_group_id is {group:08x}"))
}

fn ndr64(scene: &ExchangeScene<'_>) -> Judgement {
    let Some(epid) = scene.epid() else { return Judgement::NotApplicable };
    let Some(is_taken) = takes_ndr64(scene.connection) else { return Judgement::NotApplicable };
    match epid {
        epid if epid.build >= NDR64_BUILD => Judgement::of(is_taken, || {
            format!("NDR64 was rejected, though the ePID is of build {}", epid.build)
        }),
        _ => Judgement::NotApplicable,
    }
}

fn epid_constant(host: &HostFacts) -> Judgement {
    let mut judged = Judgement::NotApplicable;
    for (at, (stamp, epid)) in host.epids.stamped().enumerate() {
        judged = Judgement::Holds;
        let mut before = host.epids.stamped().take(at);
        if let Some((first, other)) = before.find(|(_, known)| known.kms_id == epid.kms_id) {
            let product = epid.kms_id.map_or_else(|| "a product".to_owned(), named);
            return Judgement::broken(format!(
                "the ePID for {product} is {} in packet {} and {} in packet {}",
                other.text().escape_debug(),
                first.frame,
                epid.text().escape_debug(),
                stamp.frame
            ));
        }
    }
    judged
}

fn epid_build(host: &HostFacts) -> Judgement {
    let mut builds = host
        .epids
        .stamped()
        .filter_map(|(stamp, epid)| Some((stamp, epid.kms_id, Epid::parse(&epid.text()).ok()?.build)));
    let Some((first, kms_id, build)) = builds.next() else { return Judgement::NotApplicable };
    let mut others = builds.filter(|(_, other, _)| *other != kms_id).peekable();
    if others.peek().is_none() {
        return Judgement::NotApplicable;
    }
    match others.find(|(_, _, other)| *other != build) {
        None => Judgement::Holds,
        Some((stamp, _, other)) => Judgement::broken(format!(
            "the ePID is of build {build} in packet {} and of build {other} in packet {}",
            first.frame, stamp.frame
        )),
    }
}

fn hwid_constant(host: &HostFacts) -> Judgement {
    let mut all = host.hwids.stamped();
    let Some((first, hwid)) = all.next() else { return Judgement::NotApplicable };
    match all.next() {
        None => Judgement::Holds,
        Some((stamp, other)) => Judgement::broken(format!(
            "HwId is {} in packet {} and {} in packet {}",
            Hex(hwid),
            first.frame,
            Hex(other),
            stamp.frame
        )),
    }
}

fn hwid_empty(host: &HostFacts) -> Judgement {
    if host.hwids.is_empty() {
        return Judgement::NotApplicable;
    }
    let empty = host.hwids.stamped().find(|(_, hwid)| hwid.iter().all(|byte| *byte == hwid[0]));
    match empty {
        None => Judgement::Holds,
        Some((stamp, hwid)) => Judgement::broken(format!("HwId is {} in packet {}", Hex(hwid), stamp.frame)),
    }
}

fn twins(host: &HostFacts) -> Judgement {
    let Some(hwid) = host.hwids.iter().next() else { return Judgement::NotApplicable };
    match host.twins.first() {
        None => Judgement::Holds,
        Some(twin) => Judgement::broken(format!("{twin} has the same ePID and the same HwId, {}", Hex(hwid))),
    }
}

fn salt_fresh(host: &HostFacts) -> Judgement {
    let salts = host.answers.stamped().filter_map(|(stamp, answer)| Some((stamp, answer.salt?)));
    distinct(salts, |salt| format!("the salt is {}", Hex(salt)))
}

fn iv_fresh(host: &HostFacts) -> Judgement {
    let v6 = host.answers.stamped().filter(|(_, answer)| answer.hwid.is_some());
    let ivs = v6.filter_map(|(stamp, answer)| {
        let (iv, asked) = answer.ivs?;
        (asked != Some(iv)).then_some((stamp, iv))
    });
    distinct(ivs, |iv| format!("the IV is {}", Hex(iv)))
}

fn products(host: &HostFacts) -> Judgement {
    let mut judged = Judgement::NotApplicable;
    for (stamp, product) in host.products.stamped() {
        judged = Judgement::Holds;
        let mut refused = host.refusals.stamped();
        if let Some((refusal, _)) = refused.find(|(_, refused)| **refused == (Some(*product), NO_KEY)) {
            return Judgement::broken(format!(
                "{} is refused in packet {} and answered for in packet {}",
                named(*product),
                refusal.frame,
                stamp.frame
            ));
        }
    }
    judged
}

fn stays_open(host: &HostFacts) -> Judgement {
    if host.closings.is_empty() {
        return Judgement::NotApplicable;
    }
    match host.closings.stamped().find(|(_, is_first)| **is_first) {
        None => Judgement::Holds,
        Some((stamp, _)) => Judgement::broken(format!(
            "the host closed the connection that ends with packet {} itself",
            stamp.frame
        )),
    }
}

fn answer_time(scene: &ExchangeScene<'_>) -> Judgement {
    let Some(time) = scene.exchange.service_time().filter(|_| scene.response().is_some()) else {
        return Judgement::NotApplicable;
    };
    Judgement::of(time <= LONGEST_ANSWER, || format!("answered after {} ms", time / 1_000_000))
}
