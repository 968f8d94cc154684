use std::collections::HashSet;

use crate::mak::vamt::{Candidate, CandidateKind, Computer, NamedValue, Product};
use crate::mak::{ConfirmationId, IdError, IdErrorKind, IdKind, InstallationId};
use crate::trace::MakExchange;
use crate::wire::Epid;

use super::super::rule::{About, Family, Judgement, Level, Rule, Subject};
use super::judgements::each_numbered;

/// Installation IDs and confirmation IDs.
pub(super) const FAMILY: Family =
    Family { name: "mak-id", title: "Installation IDs and confirmation IDs", rules: RULES };

const RULES: &[Rule] = &[
    Rule {
        id: "MAK-IID-CHARACTERS",
        title: "An installation ID is made of digits",
        level: Level::Must,
        authority: "slerror.h, SL_E_CIDIID_INVALID_DATA (0xC004F02C); Microsoft's activationws, ErrorCode 0x90",
        looks_at: "Each installation ID of a batch request.",
        holds: "It has decimal digits and what separates their groups, and nothing else.",
        about: About::Client,
        tags: &["iid"],
        subject: Subject::Mak(iid_characters),
    },
    Rule {
        id: "MAK-IID-LENGTH",
        title: "An installation ID has 50, 54 or 63 digits",
        level: Level::Must,
        authority: "slerror.h, SL_E_CIDIID_INVALID_DATA_LENGTH (0xC004F02F); the lengths are those of published IDs",
        looks_at: "The number of digits of each installation ID of a batch request.",
        holds: "There are 50, 54 or 63 of them.",
        about: About::Client,
        tags: &["iid"],
        subject: Subject::Mak(iid_length),
    },
    Rule {
        id: "MAK-IID-CHECK-DIGITS",
        title: "The check digits of an installation ID are right",
        level: Level::Must,
        authority: "slerror.h, SL_E_CIDIID_INVALID_CHECK_DIGITS (0xC004F04D); the sum is that of published IDs",
        looks_at: "The last digit of each full group of each installation ID of a batch request.",
        holds: "It is the sum of the digits in front of it in its group, every second one doubled, modulo 7.",
        about: About::Client,
        tags: &["iid", "checksum"],
        subject: Subject::Mak(iid_check_digits),
    },
    Rule {
        id: "MAK-IID-BARE",
        title: "An installation ID is sent without separators",
        level: Level::Observed,
        authority: "Observed: Windows Management Instrumentation, which clients read it from, has bare digits",
        looks_at: "The text of each installation ID of a batch request whose digits are right.",
        holds: "Nothing stands between its digits.",
        about: About::Client,
        tags: &["iid"],
        subject: Subject::Mak(iid_bare),
    },
    Rule {
        id: "MAK-IID-ZERO",
        title: "An installation ID is not all zeros",
        level: Level::Observed,
        authority: "Observed: no published installation ID is, though its check digits would be right",
        looks_at: "Each installation ID of a batch request.",
        holds: "A digit of it is not 0.",
        about: About::Client,
        tags: &["iid"],
        subject: Subject::Mak(iid_zero),
    },
    Rule {
        id: "MAK-IID-ERA",
        title: "An installation ID with an extended product ID has 54 or 63 digits",
        level: Level::Observed,
        authority: "Observed: 50 digits are of release candidates of Windows XP, whose product IDs are not extended",
        looks_at: "Each installation ID of a batch request that stands beside an extended product ID.",
        holds: "It has 54 or 63 digits.",
        about: About::Client,
        tags: &["iid", "pid"],
        subject: Subject::Mak(iid_era),
    },
    Rule {
        id: "MAK-IID-REPEATED",
        title: "No installation ID is asked about twice in a batch",
        level: Level::May,
        authority: "Not documented: what a repeated installation ID costs of the key's limit",
        looks_at: "The installation IDs of a batch request of more than one item.",
        holds: "Each stands there once.",
        about: About::Client,
        tags: &["iid"],
        subject: Subject::Mak(iid_repeated),
    },
    Rule {
        id: "MAK-CID-CHARACTERS",
        title: "A confirmation ID is made of digits",
        level: Level::Must,
        authority: "slerror.h, SL_E_CIDIID_INVALID_DATA (0xC004F02C)",
        looks_at: "Each confirmation ID of a batch response.",
        holds: "It has decimal digits and what separates their groups, and nothing else.",
        about: About::Server,
        tags: &["cid"],
        subject: Subject::Mak(cid_characters),
    },
    Rule {
        id: "MAK-CID-LENGTH",
        title: "A confirmation ID has 42 or 48 digits",
        level: Level::Must,
        authority: "slerror.h, SL_E_CIDIID_INVALID_DATA_LENGTH (0xC004F02F); the lengths are those of published IDs",
        looks_at: "The number of digits of each confirmation ID of a batch response.",
        holds: "There are 42 or 48 of them.",
        about: About::Server,
        tags: &["cid"],
        subject: Subject::Mak(cid_length),
    },
    Rule {
        id: "MAK-CID-CHECK-DIGITS",
        title: "The check digits of a confirmation ID are right",
        level: Level::Must,
        authority: "slerror.h, SL_E_CIDIID_INVALID_CHECK_DIGITS (0xC004F04D); the sum is that of published IDs",
        looks_at: "The last digit of each group of each confirmation ID of a batch response.",
        holds: "It is the sum of the digits in front of it in its group, every second one doubled, modulo 7.",
        about: About::Server,
        tags: &["cid", "checksum"],
        subject: Subject::Mak(cid_check_digits),
    },
    Rule {
        id: "MAK-CID-BARE",
        title: "A confirmation ID is sent without separators",
        level: Level::Observed,
        authority: "Observed: BatchActivation, the recorded answer",
        looks_at: "The text of each confirmation ID of a batch response whose digits are right.",
        holds: "Nothing stands between its digits.",
        about: About::Server,
        tags: &["cid"],
        subject: Subject::Mak(cid_bare),
    },
    Rule {
        id: "MAK-CID-ZERO",
        title: "A confirmation ID is not all zeros",
        level: Level::Observed,
        authority: "Observed: no published confirmation ID is, though its check digits would be right",
        looks_at: "Each confirmation ID of a batch response.",
        holds: "A digit of it is not 0.",
        about: About::Server,
        tags: &["cid"],
        subject: Subject::Mak(cid_zero),
    },
    Rule {
        id: "MAK-CID-ERA",
        title: "A confirmation ID for 63 digits has 48",
        level: Level::Observed,
        authority: "Observed: 42 digits are of Windows XP and Office XP to 2007, whose installation IDs have 50 or 54",
        looks_at: "Each answer of a batch response with a confirmation ID and an installation ID of 63 digits.",
        holds: "The confirmation ID has 48 digits.",
        about: About::Server,
        tags: &["cid", "iid"],
        subject: Subject::Mak(cid_era),
    },
    Rule {
        id: "VAMT-IID-CHECK-DIGITS",
        title: "The check digits of an installation ID in a VAMT file are right",
        level: Level::Should,
        authority: "slerror.h, SL_E_CIDIID_INVALID_CHECK_DIGITS (0xC004F04D); an ID is known by its length alone here",
        looks_at: "Each value of a computer that has as many digits as an installation ID.",
        holds: "The last digit of each full group is the sum of those in front of it, every second one doubled, modulo 7.",
        about: About::Client,
        tags: &["vamt", "iid", "checksum"],
        subject: Subject::Computer(vamt_iid),
    },
    Rule {
        id: "VAMT-CID-CHECK-DIGITS",
        title: "The check digits of a confirmation ID in a VAMT file are right",
        level: Level::Should,
        authority: "slerror.h, SL_E_CIDIID_INVALID_CHECK_DIGITS (0xC004F04D); an ID is known by its length alone here",
        looks_at: "Each value of a computer that has as many digits as a confirmation ID.",
        holds: "The last digit of each group is the sum of those in front of it, every second one doubled, modulo 7.",
        about: About::Server,
        tags: &["vamt", "cid", "checksum"],
        subject: Subject::Computer(vamt_cid),
    },
    Rule {
        id: "VAMT-CID-IID",
        title: "A product with a confirmation ID has an installation ID",
        level: Level::Should,
        authority: "slerror.h, SL_E_CIDIID_MISMATCHED (0xC004F031): a confirmation ID is of one installation ID",
        looks_at: "Each product of a VAMT file that has a confirmation ID, and kept all its values.",
        holds: "It has an installation ID as well.",
        about: About::Server,
        tags: &["vamt", "cid", "iid"],
        subject: Subject::Computer(vamt_pair),
    },
    Rule {
        id: "VAMT-CID-ERA",
        title: "A product's confirmation ID for 63 digits has 48",
        level: Level::Observed,
        authority: "Observed: 42 digits are of Windows XP and Office XP to 2007, whose installation IDs have 50 or 54",
        looks_at: "Each product of a VAMT file that has one installation ID of 63 digits, and one confirmation ID.",
        holds: "The confirmation ID has 48 digits.",
        about: About::Server,
        tags: &["vamt", "cid", "iid"],
        subject: Subject::Computer(vamt_era),
    },
    Rule {
        id: "VAMT-COMPUTER-NAME",
        title: "A computer of a VAMT file has a name",
        level: Level::Observed,
        authority: "Observed: Name is among what VAMT's help lists of a Computer",
        looks_at: "Each computer of a VAMT file that has products.",
        holds: "It has a Name, and that is not empty.",
        about: About::Client,
        tags: &["vamt"],
        subject: Subject::Computer(vamt_name),
    },
];

/// The installation IDs that a batch asks about, in their order.
fn iids(exchange: &MakExchange) -> impl Iterator<Item = &str> {
    let items = exchange.request_document().map(|document| &document.items);
    items.into_iter().flatten().filter_map(|item| item.iid.as_deref()).filter(|iid| !iid.trim().is_empty())
}

/// The confirmation IDs that a batch is answered with, in their order.
fn cids(exchange: &MakExchange) -> impl Iterator<Item = &str> {
    let items = exchange.response_document().map(|document| &document.items);
    items.into_iter().flatten().filter_map(|item| item.cid.as_deref()).filter(|cid| !cid.trim().is_empty())
}

/// What an error says, where it is one of those that are looked for.
fn fault<T>(read: Result<T, IdError>, is_meant: fn(IdErrorKind) -> bool) -> Option<String> {
    let error = read.err().filter(|error| is_meant(error.kind))?;
    let mut lines = String::new();
    for line in error.to_string().lines() {
        lines.push_str(if lines.is_empty() { "" } else { "; " });
        lines.push_str(line.trim());
    }
    Some(lines)
}

fn is_character(kind: IdErrorKind) -> bool {
    matches!(kind, IdErrorKind::Character { .. })
}

fn is_length(kind: IdErrorKind) -> bool {
    matches!(kind, IdErrorKind::Length { .. } | IdErrorKind::OtherKind { .. })
}

fn is_check_digits(kind: IdErrorKind) -> bool {
    matches!(kind, IdErrorKind::CheckDigits { .. } | IdErrorKind::Grouping { .. })
}

fn is_bare(text: &str) -> bool {
    text.trim().bytes().all(|byte| byte.is_ascii_digit())
}

fn is_zero(digits: &str) -> bool {
    digits.bytes().all(|digit| digit == b'0')
}

fn iid_characters(exchange: &MakExchange) -> Judgement {
    each_numbered("number", iids(exchange), |iid| fault(InstallationId::parse(iid), is_character))
}

fn iid_length(exchange: &MakExchange) -> Judgement {
    each_numbered("number", iids(exchange), |iid| fault(InstallationId::parse(iid), is_length))
}

fn iid_check_digits(exchange: &MakExchange) -> Judgement {
    each_numbered("number", iids(exchange), |iid| fault(InstallationId::parse(iid), is_check_digits))
}

fn iid_bare(exchange: &MakExchange) -> Judgement {
    let right = iids(exchange).filter(|iid| InstallationId::parse(iid).is_ok());
    each_numbered("number", right, |iid| {
        (!is_bare(iid)).then(|| format!("{iid:?} has more than digits in it"))
    })
}

fn iid_zero(exchange: &MakExchange) -> Judgement {
    each_numbered("number", iids(exchange), |iid| {
        let iid = InstallationId::parse(iid).ok().filter(|iid| is_zero(iid.digits()))?;
        Some(format!("{} zeros", iid.digits().len()))
    })
}

fn iid_era(exchange: &MakExchange) -> Judgement {
    let items = exchange.request_document().into_iter().flat_map(|document| &document.items);
    let extended =
        items.filter(|item| item.pid.as_deref().is_some_and(|pid| Epid::parse(pid.trim()).is_ok()));
    let ids =
        extended.filter_map(|item| item.iid.as_deref()).filter(|iid| InstallationId::parse(iid).is_ok());
    each_numbered("number", ids, |iid| {
        let kind = InstallationId::parse(iid).ok()?.kind();
        (kind == IdKind::Installation50).then(|| "50 digits, not 54 or 63".to_owned())
    })
}

fn iid_repeated(exchange: &MakExchange) -> Judgement {
    let Some(document) = exchange.request_document() else { return Judgement::NotApplicable };
    if document.items.len() < 2 || iids(exchange).nth(1).is_none() {
        return Judgement::NotApplicable;
    }
    let mut seen = HashSet::new();
    match iids(exchange).map(str::trim).find(|iid| !seen.insert(*iid)) {
        Some(iid) => Judgement::broken(format!("{iid} is asked about more than once")),
        None => Judgement::Holds,
    }
}

fn cid_characters(exchange: &MakExchange) -> Judgement {
    each_numbered("number", cids(exchange), |cid| fault(ConfirmationId::parse(cid), is_character))
}

fn cid_length(exchange: &MakExchange) -> Judgement {
    each_numbered("number", cids(exchange), |cid| fault(ConfirmationId::parse(cid), is_length))
}

fn cid_check_digits(exchange: &MakExchange) -> Judgement {
    each_numbered("number", cids(exchange), |cid| fault(ConfirmationId::parse(cid), is_check_digits))
}

fn cid_bare(exchange: &MakExchange) -> Judgement {
    let right = cids(exchange).filter(|cid| ConfirmationId::parse(cid).is_ok());
    each_numbered("number", right, |cid| {
        (!is_bare(cid)).then(|| format!("{cid:?} has more than digits in it"))
    })
}

fn cid_zero(exchange: &MakExchange) -> Judgement {
    each_numbered("number", cids(exchange), |cid| {
        let cid = ConfirmationId::parse(cid).ok().filter(|cid| is_zero(cid.digits()))?;
        Some(format!("{} zeros", cid.digits().len()))
    })
}

fn cid_era(exchange: &MakExchange) -> Judgement {
    let items = exchange.response_document().into_iter().flat_map(|document| &document.items);
    let ids = items.filter_map(|item| {
        let iid = InstallationId::parse(item.iid.as_deref()?).ok()?;
        item.cid.as_deref().filter(|cid| iid.kind() == IdKind::Installation63 && !cid.trim().is_empty())
    });
    each_numbered("number", ids, of_63)
}

/// What is wrong with the length of a confirmation ID for an installation ID of 63 digits.
fn of_63(cid: &str) -> Option<String> {
    let cid = ConfirmationId::parse(cid).ok()?;
    (cid.kind() == IdKind::Confirmation42)
        .then(|| "42 digits for an installation ID of 63, not 48".to_owned())
}

/// The values of a computer that are as long as IDs of a kind.
fn candidates(computer: &Computer, kind: CandidateKind) -> impl Iterator<Item = &str> {
    computer.candidates().filter(move |candidate| candidate.kind == kind).map(|candidate| candidate.value)
}

fn of_product(product: &Product, kind: CandidateKind) -> impl Iterator<Item = Candidate<'_>> {
    product.values.iter().filter_map(NamedValue::candidate).filter(move |candidate| candidate.kind == kind)
}

fn vamt_iid(computer: &Computer) -> Judgement {
    let ids = candidates(computer, CandidateKind::InstallationId);
    each_numbered("number", ids, |iid| fault(InstallationId::parse(iid), is_check_digits))
}

fn vamt_cid(computer: &Computer) -> Judgement {
    let ids = candidates(computer, CandidateKind::ConfirmationId);
    each_numbered("number", ids, |cid| fault(ConfirmationId::parse(cid), is_check_digits))
}

fn vamt_pair(computer: &Computer) -> Judgement {
    if computer.left_out > 0 {
        return Judgement::NotApplicable;
    }
    let mut judgement = Judgement::NotApplicable;
    for product in &computer.products {
        let Some(cid) = of_product(product, CandidateKind::ConfirmationId).next() else { continue };
        if of_product(product, CandidateKind::InstallationId).next().is_none() {
            return Judgement::broken(format!("{} is there, an installation ID is not", cid.name));
        }
        judgement = Judgement::Holds;
    }
    judgement
}

fn vamt_era(computer: &Computer) -> Judgement {
    let ids = computer.products.iter().filter_map(|product| {
        let only = |kind| {
            let mut ids = of_product(product, kind);
            ids.next().filter(|_| ids.next().is_none()).map(|candidate| candidate.value)
        };
        let iid = InstallationId::parse(only(CandidateKind::InstallationId)?).ok()?;
        only(CandidateKind::ConfirmationId).filter(|_| iid.kind() == IdKind::Installation63)
    });
    each_numbered("number", ids, of_63)
}

fn vamt_name(computer: &Computer) -> Judgement {
    if computer.products.is_empty() || computer.left_out > 0 {
        return Judgement::NotApplicable;
    }
    let is_named = computer.value("Name").is_some_and(|name| !name.trim().is_empty());
    Judgement::of(is_named, || format!("a computer with {} products has no name", computer.products.len()))
}
