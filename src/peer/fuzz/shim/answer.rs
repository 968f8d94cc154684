//! An answer of a shim, held against another one.

use crate::conformance::Level;
use crate::peer::fuzz::target::Sign;
use crate::peer::shim::{Answer, Failure, Fields, is_value};

use super::plan::Plan;

/// All names of checks, as the contract has them.
const CHECKS: [&str; 24] = [
    "version",
    "length",
    "version_envelope",
    "version_echo",
    "cmid_echo",
    "client_time_echo",
    "pid_size",
    "mac",
    "padding",
    "hash",
    "iv_echo",
    "iv_fresh",
    "xored_ivs",
    "hmac",
    "counts",
    "null_pointer",
    "type",
    "character",
    "check_digit",
    "base64",
    "digest",
    "format",
    "day",
    "",
];

/// The statuses by which hosts refuse.
const HRESULTS: [u32; 3] = [0x8007_000d, 0xc004_f042, 0xc004_f06c];

/// How two answers to a question differ, in words of an id and in one line; `wanted` is what is right, or the first one's.
pub(super) struct Difference {
    /// `ACCEPTS-KMS-RESPONSE-VERIFY-HMAC`.
    pub(super) id: String,
    pub(super) level: Level,
    pub(super) message: String,
}

/// How an answer differs from the one that is wanted; `None` where it does not, or where that is free.
pub(super) fn difference(plan: &Plan, wanted: &Answer, found: &Answer) -> Option<Difference> {
    let op = word(&plan.op);
    let level = if plan.op == "kms.respond" { Level::Should } else { Level::Must };
    match (wanted, found) {
        (Answer::Done(wanted), Answer::Done(found)) => {
            let (name, message) = wanted.iter().find_map(|(name, value)| {
                is_value(found, name, value).err().map(|message| (name, message))
            })?;
            let field = word(name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_'));
            Some(Difference { id: format!("DIFFERS-{op}-{field}"), level: Level::Must, message })
        }
        (Answer::Done(_), Answer::Refused { detail, .. }) => {
            let why = why(found);
            let detail = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
            Some(Difference {
                id: format!("REFUSES-{op}-{}", word(&why)),
                level: Level::Must,
                message: format!("refused for {why}{detail}, and should be accepted"),
            })
        }
        (Answer::Refused { .. }, Answer::Done(_)) => {
            let why = why(wanted);
            Some(Difference {
                id: format!("ACCEPTS-{op}-{}", word(&why)),
                level,
                message: format!("accepted, and should be refused: {why}"),
            })
        }
        // Where more than one thing is wrong, which of them is named is free.
        (Answer::Refused { check, fields, .. }, Answer::Refused { .. }) => {
            let left_wrong = plan.left_wrong.as_deref()?;
            let is_one = *check == left_wrong || fields.number("hresult") == Ok(HRESULTS[0]);
            let (wanted, found) = (why(wanted), why(found));
            (is_one && wanted != found).then(|| Difference {
                id: format!("NAMES-{op}-{}", word(&wanted)),
                level: Level::Should,
                message: format!("refused for {found}, and it is {wanted} that does not hold"),
            })
        }
        _ => None,
    }
}

/// What is wrong where there is no answer.
pub(super) fn failure(plan: &Plan, failure: &Failure) -> Sign {
    let op = word(&plan.op);
    let message = failure.to_string();
    match failure {
        Failure::Ended(gone) => {
            let how = if gone.id.is_empty() { "UNKNOWN" } else { &gone.id };
            Sign::new(format!("CRASH-{op}-{how}"), format!("{} is survived", plan.op), message)
        }
        Failure::Silent(_) => {
            Sign::new(format!("HANGS-{op}"), format!("{} is answered in time", plan.op), message).doubtful()
        }
        Failure::NoAnswer(_) => {
            Sign::new(format!("NO-ANSWER-{op}"), format!("{} is answered by an answer", plan.op), message)
        }
        Failure::Start(_) | Failure::Hello(_) => {
            Sign::new("CRASH-HELLO", "the shim starts and says hello", message)
        }
    }
}

/// An answer as a number, for what it is and not for its values.
pub(super) fn number(answer: &Answer) -> u64 {
    match answer {
        Answer::Done(fields) => 1 | (fields.iter().count() as u64) << 8,
        Answer::Unimplemented => 2,
        Answer::Refused { check, fields, .. } => {
            let check = CHECKS.iter().position(|known| known == check).unwrap_or(CHECKS.len());
            let status = HRESULTS.iter().position(|known| fields.number("hresult") == Ok(*known));
            3 | (check as u64) << 8 | (status.map_or(0, |status| status + 1) as u64) << 16
        }
    }
}

/// An answer in a few words.
pub(super) fn told(answer: &Answer) -> String {
    match answer {
        Answer::Done(_) => "accepts it".to_owned(),
        Answer::Refused { .. } => format!("refuses it for {}", why(answer)),
        Answer::Unimplemented => "does not do this".to_owned(),
    }
}

/// Why an answer refuses: the check or the status, where it is one that there is.
fn why(answer: &Answer) -> String {
    let Answer::Refused { check, fields, .. } = answer else { return String::new() };
    match status(fields) {
        _ if !check.is_empty() && CHECKS.contains(&&**check) => check.clone(),
        Some(status) if check.is_empty() && HRESULTS.contains(&status) => format!("{status:08x}"),
        _ => "something else".to_owned(),
    }
}

fn status(fields: &Fields) -> Option<u32> {
    fields.number("hresult").ok()
}

/// As a part of an id.
pub(super) fn word(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '-' })
        .collect::<String>()
        .trim_matches('-')
        .to_owned()
}
