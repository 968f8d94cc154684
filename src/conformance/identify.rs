use crate::capture::Stamp;
use crate::catalog::{host, product};
use crate::kms::{HostIdentity, Version};
use crate::wire::{Epid, Hex};

use super::hosts::{AnswerFacts, Behaviour, EpidFacts, HostFacts};
use super::results::{Identity, Signal};

/// Says who a host seems to be, by everything that tells implementations apart: what was found, whom it speaks for or
/// against, and how likely that makes somebody.
///
/// A genuine host shows nothing that others cannot show as well. So the most that is ever said of one is that nothing
/// speaks against it. Signals name software, never intent.
#[must_use]
pub fn identify(host: &HostFacts) -> Identity {
    let mut found = Found::default();
    hwid(host, &mut found);
    epid(host, &mut found);
    assoc_group(host, &mut found);
    fragments(host, &mut found);
    padding(host, &mut found);
    ndr64(host, &mut found);
    ivs(host, &mut found);
    counts(host, &mut found);
    times(host, &mut found);
    versions(host, &mut found);
    syntaxes(host, &mut found);
    faults(host, &mut found);
    closings(host, &mut found);
    Identity { host: host.host.to_string(), verdict: found.verdict(host), signals: found.signals() }
}

/// Who can be told by what a host shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Microsoft,
    Vlmcsd,
    PyKms,
    Crate,
    Volact,
}

/// What a host shows, with whom it speaks for (above zero) or against.
#[derive(Default)]
struct Found(Vec<(Who, i32, Signal)>);

/// A default or a habit that only one implementation is known to have.
const STRONG: i32 = 3;
/// Something that several have, this one among them.
const WEAK: i32 = 1;

const VLMCSD_HWID: [u8; 8] = [0x3a, 0x1c, 0x04, 0x96, 0x00, 0xb6, 0x00, 0x76];
const PYKMS_HWID: [u8; 8] = [0x36, 0x4f, 0x46, 0x3a, 0x88, 0x63, 0xd3, 0x5f];
const PYKMS_GROUP: u32 = 0x1063_bf3f;
const CRATE_GROUP: u32 = 1;
const CRATE_FRAGMENT: u16 = 4096;
const CRATE_EPID: &str = "03612-00206-471-111111-03-1033-17763.0000-0012024";
/// py-kms sleeps for a second before it answers in version 4.
const PYKMS_V4_TIME: i64 = 1_000_000_000;
/// The first build that takes NDR64 in public captures.
const NDR64_BUILD: u32 = 9200;
/// Twice the highest threshold.
const MOST_COUNTED: u32 = 50;
/// vlmcsd's faults have this call_id, whatever the request's.
const VLMCSD_FAULT: u32 = 2;

impl Who {
    const ALL: [Self; 5] = [Self::Microsoft, Self::Vlmcsd, Self::PyKms, Self::Crate, Self::Volact];

    fn name(self) -> &'static str {
        match self {
            Self::Microsoft => "genuine Microsoft",
            Self::Vlmcsd => "vlmcsd",
            Self::PyKms => "py-kms",
            Self::Crate => "vlmcsd (crate)",
            Self::Volact => "volact's test host",
        }
    }
}

impl Found {
    /// Adds what was found for (above zero) and against each of these; what was found before, is found once.
    fn add(&mut self, what: &str, stamp: Stamp, bytes: &[u8], found: impl Into<String>, who: &[(Who, i32)]) {
        let found = found.into();
        if self.0.iter().any(|(.., signal)| signal.what == what && signal.found == found) {
            return;
        }
        for &(who, weight) in who {
            let signal = Signal {
                what: what.to_owned(),
                who: who.name().to_owned(),
                speaks_for: weight > 0,
                found: found.clone(),
                frame: Some(stamp.frame),
                hex: Hex(bytes).to_string(),
            };
            self.0.push((who, weight, signal));
        }
    }

    fn weight(&self, who: Who) -> i32 {
        self.0.iter().filter(|(of, ..)| *of == who).map(|(_, weight, _)| weight).sum()
    }

    /// How many things speak against somebody.
    fn against(&self, who: Who) -> usize {
        self.0.iter().filter(|(of, weight, _)| *of == who && *weight < 0).count()
    }

    fn verdict(&self, host: &HostFacts) -> String {
        let named = Who::ALL.into_iter().filter(|who| *who != Who::Microsoft);
        let mut named: Vec<(i32, Who)> = named.map(|who| (self.weight(who), who)).collect();
        named.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        let (best, who) = named[0];
        let is_alone = best > named[1].0;
        let against = self.against(Who::Microsoft);
        let ways = |count: usize| if count == 1 { "one way".to_owned() } else { format!("{count} ways") };
        if best >= STRONG && is_alone {
            return if self.against(who) == 0 {
                format!("very likely {}", who.name())
            } else {
                format!("likely {}, though not all of it speaks for that", who.name())
            };
        }
        if against > 0 {
            let like: Vec<&str> = named
                .iter()
                .filter(|(weight, _)| *weight > 0 && *weight == best)
                .map(|(_, who)| who.name())
                .collect();
            let like = if like.is_empty() {
                "nothing tells which other".to_owned()
            } else {
                format!("consistent with {}", like.join(" or "))
            };
            return format!("unlike a genuine Microsoft host in {}; {like}", ways(against));
        }
        if host.answered == 0 && self.0.is_empty() {
            return "nothing tells".to_owned();
        }
        if best > 0 && is_alone {
            return format!(
                "consistent with {}; nothing seen speaks against a genuine Microsoft host",
                who.name()
            );
        }
        "nothing seen speaks against a genuine Microsoft host, and nothing tells it from others".to_owned()
    }

    fn signals(self) -> Vec<Signal> {
        self.0.into_iter().map(|(_, _, signal)| signal).collect()
    }
}

fn hwid(host: &HostFacts, found: &mut Found) {
    const WHAT: &str = "HwId";
    for (stamp, hwid) in host.hwids.stamped() {
        match *hwid {
            VLMCSD_HWID => found.add(
                WHAT,
                stamp,
                hwid,
                "vlmcsd's default",
                &[(Who::Vlmcsd, STRONG), (Who::Microsoft, -STRONG)],
            ),
            PYKMS_HWID => found.add(
                WHAT,
                stamp,
                hwid,
                "the default of py-kms and of the crate vlmcsd",
                &[(Who::PyKms, WEAK), (Who::Crate, WEAK), (Who::Microsoft, -STRONG)],
            ),
            _ if *hwid == HostIdentity::TEST.hwid() => found.add(
                WHAT,
                stamp,
                hwid,
                "that of the test host",
                &[(Who::Volact, STRONG), (Who::Microsoft, -STRONG)],
            ),
            _ if hwid.iter().all(|byte| *byte == hwid[0]) => {
                found.add(WHAT, stamp, hwid, "a filler, not a hardware's", &[(Who::Microsoft, -WEAK)]);
            }
            _ => found.add(WHAT, stamp, hwid, "nobody's default", &[(Who::Microsoft, WEAK)]),
        }
    }
}

fn epid(host: &HostFacts, found: &mut Found) {
    const WHAT: &str = "ePID";
    let mut before: Vec<&EpidFacts> = Vec::new();
    let mut has_changed = false;
    for (stamp, epid) in host.epids.stamped() {
        let text = epid.text();
        let other = before.iter().find(|known| known.kms_id == epid.kms_id);
        if let Some(other) = other.filter(|_| !has_changed) {
            has_changed = true;
            let where_ = if other.stream == epid.stream { "on one connection" } else { "over connections" };
            let words = format!(
                "another one for the same product, {where_}: {} and {}",
                other.text().escape_debug(),
                text.escape_debug()
            );
            let changes_always = epids_per_answer(host);
            let py_kms = if changes_always { STRONG } else { WEAK };
            found.add(WHAT, stamp, &epid.epid, words, &[(Who::PyKms, py_kms), (Who::Microsoft, -STRONG)]);
        }
        if text == CRATE_EPID {
            let who = [(Who::Crate, STRONG), (Who::Microsoft, -STRONG)];
            found.add(WHAT, stamp, &epid.epid, format!("the crate's default, {text}"), &who);
        } else if epid.epid[..] == *HostIdentity::TEST.epid() {
            let who = [(Who::Volact, STRONG), (Who::Microsoft, -STRONG)];
            found.add(WHAT, stamp, &epid.epid, "that of the test host", &who);
        }
        if let Ok(parts) = Epid::parse(&text) {
            if parts.day == 0 {
                let who = [(Who::PyKms, WEAK), (Who::Microsoft, -STRONG)];
                found.add(WHAT, stamp, &epid.epid, format!("day 000 of the year in {text}"), &who);
            }
            key(epid, &parts, stamp, found);
        }
        before.push(epid);
    }
    if host.answered > 1
        && host.epids.len() == 1
        && let Some((stamp, epid)) = host.epids.stamped().next()
    {
        let words = format!("the same in {} answers", host.answered);
        found.add(WHAT, stamp, &epid.epid, words, &[(Who::PyKms, -STRONG)]);
    }
}

/// True where each of the answers that were kept had an ePID of its own.
fn epids_per_answer(host: &HostFacts) -> bool {
    let answers = usize::try_from(host.answered).unwrap_or(usize::MAX);
    host.epids.more || host.epids.len() == answers
}

/// Whether an ePID's key is one for the product that was asked for.
fn key(epid: &EpidFacts, parts: &Epid, stamp: Stamp, found: &mut Found) {
    let Some(product) = epid.kms_id.and_then(product::kms_id) else { return };
    let Some(key) = host::csvlks_of_key(parts.group, parts.key_sequence).next() else { return };
    if product.name.starts_with("Office") != key.name.starts_with("Office") {
        let words = format!("a key of {} for {}", key.name, product.name);
        found.add(
            "ePID and product",
            stamp,
            &epid.epid,
            words,
            &[(Who::PyKms, WEAK), (Who::Microsoft, -STRONG)],
        );
    }
}

fn assoc_group(host: &HostFacts, found: &mut Found) {
    const WHAT: &str = "assoc_group_id";
    let mut groups = host.binds.stamped().filter(|(_, bind)| bind.asked_group == 0);
    let Some((stamp, first)) = groups.next() else { return };
    let others = || groups.clone();
    let count = others().count() + 1;
    let is_constant = others().all(|(_, bind)| bind.group == first.group);
    let bytes = first.group.to_le_bytes();
    let words = match (is_constant, count) {
        (_, 1) => format!("{:08x} of one connection", first.group),
        (true, _) => format!("{:08x} of all {count} connections", first.group),
        (false, _) => format!("differs between {count} connections, {:08x} first", first.group),
    };
    let microsoft = if count > 1 { -STRONG } else { -WEAK };
    match first.group {
        PYKMS_GROUP if is_constant => {
            found.add(WHAT, stamp, &bytes, words, &[(Who::PyKms, STRONG), (Who::Microsoft, microsoft)]);
        }
        CRATE_GROUP if is_constant => {
            found.add(WHAT, stamp, &bytes, words, &[(Who::Crate, STRONG), (Who::Microsoft, microsoft)]);
        }
        _ if count == 1 => {
            found.add(WHAT, stamp, &bytes, words, &[(Who::PyKms, -STRONG), (Who::Crate, -WEAK)])
        }
        _ if is_constant => found.add(WHAT, stamp, &bytes, words, &[(Who::Microsoft, -STRONG)]),
        _ => {
            let who = [(Who::Microsoft, WEAK), (Who::PyKms, -STRONG), (Who::Crate, -STRONG)];
            found.add(WHAT, stamp, &bytes, words, &who);
        }
    }
}

fn fragments(host: &HostFacts, found: &mut Found) {
    let Some((stamp, bind)) = host.binds.stamped().find(|(_, bind)| bind.fragments.0 > CRATE_FRAGMENT) else {
        return;
    };
    let (asked, taken) = bind.fragments;
    let words = format!("{taken} where {asked} was offered");
    let who: &[(Who, i32)] = match taken {
        CRATE_FRAGMENT => &[(Who::Crate, WEAK), (Who::Microsoft, -WEAK)],
        _ => &[(Who::Crate, -WEAK)],
    };
    found.add("max_recv_frag", stamp, &taken.to_le_bytes(), words, who);
}

fn padding(host: &HostFacts, found: &mut Found) {
    let is_filled = |bytes: &[u8]| bytes.iter().any(|byte| *byte != 0);
    let Some((stamp, bind)) = host.binds.stamped().find(|(_, bind)| is_filled(&bind.padding)) else { return };
    let who = [(Who::Microsoft, WEAK), (Who::PyKms, -WEAK), (Who::Crate, -WEAK)];
    found.add(
        "bytes behind the secondary address",
        stamp,
        &bind.padding,
        "whatever was there, not zeros",
        &who,
    );
}

fn ndr64(host: &HostFacts, found: &mut Found) {
    const WHAT: &str = "NDR64";
    let Some((stamp, bind)) = host.binds.stamped().find(|(_, bind)| bind.ndr64.is_some()) else { return };
    if bind.ndr64 == Some(true) {
        found.add(WHAT, stamp, &[], "accepted", &[(Who::PyKms, -STRONG)]);
        return;
    }
    let build = host.epids.iter().find_map(|epid| Epid::parse(&epid.text()).ok()).map(|epid| epid.build);
    if let Some(build) = build.filter(|build| *build >= NDR64_BUILD) {
        let words = format!("rejected, though the ePID is of build {build}");
        found.add(WHAT, stamp, &[], words, &[(Who::PyKms, WEAK), (Who::Microsoft, -STRONG)]);
    }
}

fn ivs(host: &HostFacts, found: &mut Found) {
    let v6 = || host.answers.stamped().filter(|(_, answer)| answer.hwid.is_some());
    let pair = |answer: &AnswerFacts| {
        let (iv, asked) = answer.ivs?;
        Some((iv, iv == asked?))
    };
    let same = v6()
        .find_map(|(stamp, answer)| pair(answer).filter(|(_, is_same)| *is_same).map(|(iv, _)| (stamp, iv)));
    if let Some((stamp, iv)) = same {
        found.add(
            "IV of version 6",
            stamp,
            &iv,
            "the request's, as in version 5",
            &[(Who::Microsoft, -STRONG)],
        );
    }
}

fn counts(host: &HostFacts, found: &mut Found) {
    const WHAT: &str = "Count";
    let beyond = host.answers.stamped().find(|(_, answer)| answer.count > MOST_COUNTED);
    let Some((stamp, answer)) = beyond else { return };
    let demand = answer.asked.map(|(.., n_policy)| n_policy);
    let (why, who): (&str, &[(Who, i32)]) =
        if demand.and_then(|demand| demand.checked_mul(2)) == Some(answer.count) {
            ("twice what the client demands", &[(Who::Microsoft, -STRONG), (Who::PyKms, WEAK)])
        } else {
            ("more than any threshold makes a host count", &[(Who::Microsoft, -STRONG)])
        };
    found.add(WHAT, stamp, &answer.count.to_le_bytes(), format!("{}, {why}", answer.count), who);
}

fn times(host: &HostFacts, found: &mut Found) {
    let v4 = host.answers.stamped().filter(|(_, answer)| answer.version == Version::V4);
    let timed = v4.filter_map(|(stamp, answer)| Some((stamp, answer.service_time?)));
    let Some((stamp, shortest)) = timed.min_by_key(|(_, time)| *time) else { return };
    let words = format!("{} ms at least", shortest / 1_000_000);
    let who: &[(Who, i32)] = if shortest >= PYKMS_V4_TIME {
        &[(Who::PyKms, STRONG), (Who::Microsoft, -WEAK)]
    } else {
        &[(Who::PyKms, -STRONG)]
    };
    found.add("time to answer in version 4", stamp, &[], words, who);
}

fn versions(host: &HostFacts, found: &mut Found) {
    let mut told: Vec<Behaviour> = Vec::new();
    for (stamp, (version, behaviour)) in host.unsupported.stamped() {
        if told.contains(behaviour) {
            continue;
        }
        told.push(*behaviour);
        let (words, who): (String, &[(Who, i32)]) = match *behaviour {
            Behaviour::Answered => (
                format!("{version} answered"),
                &[(Who::PyKms, WEAK), (Who::Vlmcsd, -STRONG), (Who::Microsoft, -STRONG)],
            ),
            Behaviour::Refused(hresult) => (
                format!("{version} refused with {hresult:08x}"),
                &[(Who::Vlmcsd, WEAK), (Who::Microsoft, WEAK)],
            ),
            Behaviour::Declined => (format!("{version} answered with a fault"), &[(Who::Vlmcsd, -WEAK)]),
            Behaviour::Dropped => (
                format!("connection closed without a word after {version}"),
                &[(Who::PyKms, WEAK), (Who::Crate, WEAK), (Who::Vlmcsd, -WEAK), (Who::Microsoft, -STRONG)],
            ),
        };
        found.add("version that does not exist", stamp, &version.0.to_le_bytes(), words, who);
    }
}

fn syntaxes(host: &HostFacts, found: &mut Found) {
    for (stamp, behaviour) in host.unknown_syntax.stamped() {
        let (words, who): (&str, &[(Who, i32)]) = match behaviour {
            Behaviour::Dropped => {
                ("connection closed without a word", &[(Who::PyKms, WEAK), (Who::Microsoft, -STRONG)])
            }
            _ => ("answered", &[(Who::Microsoft, WEAK), (Who::PyKms, -WEAK)]),
        };
        found.add("transfer syntax that does not exist", stamp, &[], words, who);
    }
}

fn faults(host: &HostFacts, found: &mut Found) {
    const WHAT: &str = "call_id of a fault";
    if let Some((stamp, call_id)) = host.stray_faults.stamped().next() {
        let words = format!("{call_id}, which is no request's");
        let is_two = host.stray_faults.iter().all(|call_id| *call_id == VLMCSD_FAULT);
        let vlmcsd = if is_two { STRONG } else { WEAK };
        let who = [(Who::Vlmcsd, vlmcsd), (Who::Microsoft, -STRONG)];
        found.add(WHAT, stamp, &call_id.to_le_bytes(), words, &who);
    } else if let Some((stamp, call_id)) =
        host.faults.stamped().find(|(_, call_id)| **call_id != VLMCSD_FAULT)
    {
        let words = format!("{call_id}, the request's");
        found.add(WHAT, stamp, &call_id.to_le_bytes(), words, &[(Who::Vlmcsd, -STRONG)]);
    }
}

fn closings(host: &HostFacts, found: &mut Found) {
    const WHAT: &str = "connection after an answer";
    for (stamp, is_first) in host.closings.stamped() {
        if *is_first {
            let who = [(Who::PyKms, WEAK), (Who::Vlmcsd, WEAK), (Who::Microsoft, -WEAK)];
            found.add(WHAT, stamp, &[], "closed by the host at once, as py-kms and vlmcsd -d do", &who);
        } else {
            found.add(WHAT, stamp, &[], "left open for the client to close", &[(Who::PyKms, -WEAK)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{Firsts, Judge, rules};
    use crate::trace::Options;

    fn hosts(name: &str) -> Vec<HostFacts> {
        let file = std::fs::File::open(format!("captures/{name}")).unwrap();
        let findings = Judge::new(rules(), 1).input(name, file, &Options::default());
        findings.hosts.into_iter().filter(|host| host.answered > 0).collect()
    }

    fn captures(of: impl Fn(&str) -> bool) -> Vec<String> {
        let names = std::fs::read_dir("captures").unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.contains(".pcap") && of(name)).collect();
        names.sort();
        names
    }

    /// vlmcsd as a genuine host would be: with a hardware's HwId.
    fn genuine() -> HostFacts {
        let mut host = hosts("vlmcs_vlmcsd_v6_default.pcap").remove(0);
        host.hwids = once(host.first, [0x5a, 0x21, 0xc7, 0x90, 0x1e, 0x44, 0x08, 0xb3]);
        host
    }

    fn once<T: PartialEq, const MOST: usize>(stamp: Stamp, value: T) -> Firsts<T, MOST> {
        [(stamp, value)].into_iter().collect()
    }

    const NOTHING_AGAINST: &str =
        "nothing seen speaks against a genuine Microsoft host, and nothing tells it from others";

    #[test]
    fn a_host_is_named_by_its_capture() {
        for name in captures(|name| name.contains("pykms")) {
            assert!(hosts(&name).iter().all(|host| identify(host).verdict == "very likely py-kms"), "{name}");
        }
        for name in captures(|name| name.contains("rsserver")) {
            let verdicts: Vec<String> = hosts(&name).iter().map(|host| identify(host).verdict).collect();
            assert_eq!(verdicts, ["very likely vlmcsd (crate)"], "{name}");
        }
        for name in captures(|name| name.starts_with("vlmcs_vlmcsd_v6_")) {
            let verdicts: Vec<String> = hosts(&name).iter().map(|host| identify(host).verdict).collect();
            assert_eq!(verdicts, ["very likely vlmcsd"], "{name}");
        }
    }

    #[test]
    fn vlmcsd_without_its_hwid_is_not_told_from_others_and_not_called_genuine() {
        for name in
            captures(|name| name.starts_with("vlmcs_vlmcsd_v4_") || name.starts_with("vlmcs_vlmcsd_v5_"))
        {
            let verdict = identify(&hosts(&name)[0]).verdict;
            let closes = "unlike a genuine Microsoft host in one way; consistent with vlmcsd";
            assert_eq!(verdict, if name.contains("disconnect") { closes } else { NOTHING_AGAINST }, "{name}");
        }
    }

    #[test]
    fn no_capture_is_taken_for_another_implementation() {
        let (mut named, mut open) = (0, 0);
        for name in captures(|_| true) {
            let expected = match () {
                () if name.contains("pykms") => Who::PyKms,
                () if name.contains("rsserver") || name.starts_with("net_") => Who::Crate,
                () => Who::Vlmcsd,
            };
            for host in hosts(&name) {
                let identity = identify(&host);
                let others = Who::ALL.into_iter().filter(|who| *who != expected);
                let wrong = others
                    .map(Who::name)
                    .find(|other| identity.verdict.ends_with(&format!("likely {other}")));
                if identity.verdict.ends_with(&format!("likely {}", expected.name())) {
                    named += 1;
                } else {
                    open += 1;
                }
                assert!(wrong.is_none() || name.starts_with("net_"), "{name}: {identity:#?}");
            }
        }
        assert!(named >= 46 && open <= 20, "{named} named, {open} left open");
    }

    #[test]
    fn of_a_host_like_a_genuine_one_only_what_speaks_against_others_is_said() {
        let identity = identify(&genuine());
        assert_eq!(identity.verdict, NOTHING_AGAINST);
        assert!(
            identity.signals.iter().all(|signal| signal.speaks_for == (signal.who == "genuine Microsoft"))
        );
        assert_eq!(identity.signals[0].hex, "5a21c7901e4408b3");
    }

    #[test]
    fn one_thing_that_genuine_hosts_do_not_do_takes_the_doubt_away() {
        let changed = |change: fn(&mut HostFacts)| {
            let mut host = genuine();
            change(&mut host);
            identify(&host).verdict
        };
        let unlike = "unlike a genuine Microsoft host in one way";
        for change in [
            (|host| host.hwids = once(host.first, [0xff; 8])) as fn(&mut HostFacts),
            |host| host.closings = once(host.first, true),
            |host| host.unsupported = once(host.first, (Version(7 << 16), Behaviour::Dropped)),
            |host| host.unknown_syntax = once(host.first, Behaviour::Dropped),
        ] {
            assert!(changed(change).starts_with(unlike), "{}", changed(change));
        }
        assert_eq!(changed(|host| host.stray_faults = once(host.first, 2)), "very likely vlmcsd");
        assert_eq!(
            changed(|host| host.hwids = once(host.first, *b"volact\0\0")),
            "very likely volact's test host"
        );
    }

    #[test]
    fn a_host_that_has_said_nothing_is_not_identified() {
        let mut host = genuine();
        (host.answered, host.hwids) = (0, Firsts::default());
        (host.epids, host.answers, host.binds, host.closings) =
            (Firsts::default(), Firsts::default(), Firsts::default(), Firsts::default());
        assert_eq!(identify(&host).verdict, "nothing tells");
    }
}
