use super::super::connection::ExchangeScene;
use super::super::rule::{About, Family, Judgement, Level, Rule, Subject};
use super::kms_request;
use crate::catalog::hresult;
use crate::kms::{RequestBody, RequestMessage, ResponseBody, ResponseMessage};
use crate::trace::{Answer, Outcome, RequestRecord};
use crate::wire::{Check, Hex};

/// KMS: what a host answers.
pub(super) const FAMILY: Family =
    Family { name: "kms-response", title: "KMS: what a host answers", rules: RULES };

const AGREED: &str =
    "no document; vlmcsd, py-kms and the vlmcsd crate agree, and vlmcs refuses anything else";
const DATA: &str = "VA2.0 pp. 30-31 (what a response holds); that it is the request's: no document; vlmcsd, py-kms and the \
                    vlmcsd crate agree, and vlmcs refuses anything else";

const RULES: &[Rule] = &[
    Rule {
        id: "KMS-RESPONSE-READABLE",
        title: "A response can be opened",
        level: Level::Must,
        authority: AGREED,
        looks_at: "The message of a response, where its version is known.",
        holds: "It has all fields of its version.",
        about: About::Server,
        tags: &["envelope", "length"],
        subject: Subject::Exchange(readable),
    },
    Rule {
        id: "KMS-RESPONSE-VERSION",
        title: "The response's body has the request's version",
        level: Level::Must,
        authority: DATA,
        looks_at: "The version inside a response.",
        holds: "It is the one inside the request.",
        about: About::Server,
        tags: &["version", "echo"],
        subject: Subject::Exchange(version),
    },
    Rule {
        id: "KMS-RESPONSE-VERSION-ENVELOPE",
        title: "The response's envelope has the request's version",
        level: Level::Must,
        authority: AGREED,
        looks_at: "The version in plain text at the front of an encrypted response (versions 5 and 6).",
        holds: "It is the one at the front of the request.",
        about: About::Server,
        tags: &["version", "echo", "envelope"],
        subject: Subject::Exchange(version_envelope),
    },
    Rule {
        id: "KMS-CMID-ECHO",
        title: "The response is to this machine",
        level: Level::Must,
        authority: DATA,
        looks_at: "CMID of a response.",
        holds: "It is the request's.",
        about: About::Server,
        tags: &["body", "echo", "cmid"],
        subject: Subject::Exchange(cmid),
    },
    Rule {
        id: "KMS-CLIENT-TIME-ECHO",
        title: "The response is to this moment",
        level: Level::Must,
        authority: DATA,
        looks_at: "ClientTime of a response.",
        holds: "It is the request's.",
        about: About::Server,
        tags: &["body", "echo", "time"],
        subject: Subject::Exchange(client_time),
    },
    Rule {
        id: "KMS-PID-SIZE",
        title: "PIDSize is one that an ePID can have",
        level: Level::Must,
        authority: "VA2.0 p. 30 (UTF-16 with its terminator); 128 at most: no document; vlmcsd, py-kms and the vlmcsd crate agree",
        looks_at: "PIDSize of a response, in bytes.",
        holds: "It is even, 2 at least and 128 at most.",
        about: About::Server,
        tags: &["body", "epid", "length"],
        subject: Subject::Exchange(pid_size),
    },
    Rule {
        id: "KMS-PID-NUL",
        title: "The ePID ends with a NUL",
        level: Level::Must,
        authority: "VA2.0 p. 30 (null terminator included)",
        looks_at: "The last unit of PIDSize bytes of ePID.",
        holds: "It is a NUL.",
        about: About::Server,
        tags: &["body", "epid"],
        subject: Subject::Exchange(pid_nul),
    },
    Rule {
        id: "KMS-PID-ONE-NUL",
        title: "The ePID has no NUL but its last",
        level: Level::Should,
        authority: "VA2.0 p. 30 (its example ends with its only NUL)",
        looks_at: "The units of the ePID in front of its last.",
        holds: "None of them is a NUL.",
        about: About::Server,
        tags: &["body", "epid"],
        subject: Subject::Exchange(pid_one_nul),
    },
    Rule {
        id: "KMS-RESPONSE-LENGTH",
        title: "Nothing follows the response's envelope",
        level: Level::Must,
        authority: AGREED,
        looks_at: "The number of bytes of a response's message, by its version and PIDSize.",
        holds: "It is 60 and PIDSize in version 4; in versions 5 and 6 it is Version, IV and the fewest whole blocks that hold the plain text and its padding.",
        about: About::Server,
        tags: &["envelope", "length"],
        subject: Subject::Exchange(length),
    },
    Rule {
        id: "KMS-HRESULT-FAILURE",
        title: "HRESULT is 0 or an error",
        level: Level::Should,
        authority: "MS-ERREF 2.1: the top bit of an HRESULT says failure",
        looks_at: "HRESULT of a response.",
        holds: "It is 0, or its top bit is set.",
        about: About::Server,
        tags: &["hresult"],
        subject: Subject::Exchange(hresult_failure),
    },
    Rule {
        id: "KMS-HRESULT-KNOWN",
        title: "An error is one that is known",
        level: Level::May,
        authority: "observed: HRESULTs of the software protection platform and of Windows, which the catalog has a part of",
        looks_at: "HRESULT of a response, where its top bit is set.",
        holds: "The catalog has a name for it.",
        about: About::Server,
        tags: &["hresult", "catalog"],
        subject: Subject::Exchange(hresult_known),
    },
    Rule {
        id: "KMS-HRESULT-CLOCK",
        title: "A clock that is off is refused with c004f06c, and no other",
        level: Level::Should,
        authority: "Microsoft's description of c004f06c: hosts refuse a clock that is more than four hours off",
        looks_at: "The answer to a request against its ClientTime and the time at which it was captured.",
        holds: "More than four hours apart: no response; less: not c004f06c (a minute around four hours is left to the host's own clock).",
        about: About::Server,
        tags: &["hresult", "time"],
        subject: Subject::Exchange(hresult_clock),
    },
    Rule {
        id: "KMS-HRESULT-MALFORMED",
        title: "What cannot be read is refused, and nothing else is with 8007000d",
        level: Level::Observed,
        authority: "observed: vlmcsd for unknown versions and messages below 252 bytes, captures/raw_edge_vlmcsd.pcap; it answers what else is wrong",
        looks_at: "The answer to a request against the request's versions, length, padding and MAC.",
        holds: "A request that is wrong in one of them gets no response, and only such a request gets 8007000d.",
        about: About::Server,
        tags: &["hresult"],
        subject: Subject::Exchange(hresult_malformed),
    },
];

/// PIDSize at most, in bytes.
const EPID_MAX: usize = 128;
/// What a host answers to a clock that is too far off (`SL_E_VL_INVALID_TIMESTAMP`).
const INVALID_TIMESTAMP: u32 = 0xc004_f06c;
/// What a host answers to what it cannot read (`ERROR_INVALID_DATA`).
const INVALID_DATA: u32 = 0x8007_000d;
/// What a host's and a client's clock may differ by, in nanoseconds, and what is left to the host's own clock.
const FOUR_HOURS: i128 = 4 * 3600 * 1_000_000_000;
const MINUTE: i128 = 60 * 1_000_000_000;

fn readable(scene: &ExchangeScene<'_>) -> Judgement {
    let Some(message) = scene.answered() else { return Judgement::NotApplicable };
    match message {
        ResponseMessage::Other { error: Some(error), .. } => {
            Judgement::at(false, ("response", error.offset), || error.to_string())
        }
        ResponseMessage::Other { error: None, .. } => Judgement::NotApplicable,
        _ => Judgement::Holds,
    }
}

/// Judges a field of the response against the request.
fn echo(
    scene: &ExchangeScene<'_>,
    offset: impl FnOnce(&ResponseBody) -> usize,
    holds: impl FnOnce(&ResponseBody, &RequestBody) -> bool,
    message: impl FnOnce(&ResponseBody, &RequestBody) -> String,
) -> Judgement {
    let (Some(body), Some(asked)) = (scene.answered_body(), scene.asked_body()) else {
        return Judgement::NotApplicable;
    };
    Judgement::at(holds(body, asked), ("response body", offset(body)), || message(body, asked))
}

fn version(scene: &ExchangeScene<'_>) -> Judgement {
    echo(
        scene,
        |_| 0,
        |body, asked| body.version == asked.version,
        |body, asked| format!("version {}, not {} as in the request", body.version, asked.version),
    )
}

fn version_envelope(scene: &ExchangeScene<'_>) -> Judgement {
    let (Some(ResponseMessage::Encrypted(response)), Some(RequestMessage::Encrypted(asked))) =
        (scene.answered(), scene.asked())
    else {
        return Judgement::NotApplicable;
    };
    let (got, expected) = (response.version, asked.version);
    Judgement::at(got == expected, ("response", 0), || {
        format!("an envelope of version {got}, not {expected} as the request's")
    })
}

fn cmid(scene: &ExchangeScene<'_>) -> Judgement {
    echo(
        scene,
        |body| 8 + body.pid_size(),
        |body, asked| body.cmid == asked.cmid,
        |body, asked| format!("CMID is {}, the request's {}", body.cmid, asked.cmid),
    )
}

fn client_time(scene: &ExchangeScene<'_>) -> Judgement {
    echo(
        scene,
        |body| 24 + body.pid_size(),
        |body, asked| body.client_time == asked.client_time,
        |body, asked| format!("ClientTime is {}, the request's {}", body.client_time, asked.client_time),
    )
}

fn pid_size(scene: &ExchangeScene<'_>) -> Judgement {
    let Some(body) = scene.answered_body() else { return Judgement::NotApplicable };
    let size = body.pid_size();
    let holds = size.is_multiple_of(2) && (2..=EPID_MAX).contains(&size);
    Judgement::at(holds, ("response body", 4), || {
        format!("PIDSize is {size}, not an even number from 2 to 128")
    })
}

fn pid_nul(scene: &ExchangeScene<'_>) -> Judgement {
    let Some(body) = scene.answered_body() else { return Judgement::NotApplicable };
    let Some(last) = body.epid.last_chunk::<2>() else { return Judgement::NotApplicable };
    Judgement::at(*last == [0; 2], ("response body", 6 + body.pid_size()), || {
        format!("the ePID ends with {}, not with a NUL", Hex(last))
    })
}

fn pid_one_nul(scene: &ExchangeScene<'_>) -> Judgement {
    let Some(body) = scene.answered_body() else { return Judgement::NotApplicable };
    let Some((_, text)) = body.epid.as_chunks::<2>().0.split_last() else { return Judgement::NotApplicable };
    let nul = text.iter().position(|unit| *unit == [0; 2]);
    Judgement::at(nul.is_none(), ("response body", 8 + 2 * nul.unwrap_or_default()), || {
        format!("a NUL after {} of {} units of the ePID", nul.unwrap_or_default(), text.len())
    })
}

fn length(scene: &ExchangeScene<'_>) -> Judgement {
    let (Some(message), Some(stub)) =
        (scene.answered(), scene.response().and_then(|response| response.stub.as_ref()))
    else {
        return Judgement::NotApplicable;
    };
    let Some(expected) = message.expected_len() else { return Judgement::NotApplicable };
    let got = stub.data_length;
    Judgement::at(got == expected, ("response", got.min(expected)), || format!("{got} bytes, not {expected}"))
}

fn is_failure(hresult: u32) -> bool {
    hresult >> 31 == 1
}

fn hresult_failure(scene: &ExchangeScene<'_>) -> Judgement {
    let Some(hresult) = scene.hresult() else { return Judgement::NotApplicable };
    Judgement::of(hresult == 0 || is_failure(hresult), || {
        format!("HRESULT is {hresult:08x}, which is no failure")
    })
}

fn hresult_known(scene: &ExchangeScene<'_>) -> Judgement {
    let Some(code) = scene.hresult().filter(|hresult| is_failure(*hresult)) else {
        return Judgement::NotApplicable;
    };
    Judgement::of(hresult::symbol(code).is_some(), || format!("HRESULT {code:08x} is not known"))
}

fn hresult_clock(scene: &ExchangeScene<'_>) -> Judgement {
    let (Some(body), Some(hresult)) = (scene.asked_body(), scene.hresult()) else {
        return Judgement::NotApplicable;
    };
    let Some(skew) = kms_request::skew(scene, body.client_time).map(i128::abs) else {
        return Judgement::NotApplicable;
    };
    let minutes = skew / MINUTE;
    if skew > FOUR_HOURS + MINUTE {
        Judgement::of(scene.exchange.outcome() != Outcome::Answered, || {
            format!("answered, though the client's clock is {minutes} minutes off: not refused with c004f06c")
        })
    } else if skew < FOUR_HOURS - MINUTE {
        Judgement::of(hresult != INVALID_TIMESTAMP, || {
            format!("refused with c004f06c, though the client's clock is only {minutes} minutes off")
        })
    } else {
        Judgement::NotApplicable
    }
}

fn hresult_malformed(scene: &ExchangeScene<'_>) -> Judgement {
    let Some(Answer::Response(_)) = scene.exchange.answer else { return Judgement::NotApplicable };
    let Some(request) = scene.request() else { return Judgement::NotApplicable };
    match (what_is_malformed(request), scene.exchange.outcome()) {
        (Some(what), Outcome::Answered) => {
            Judgement::broken(format!("answered, though {what} of the request is wrong"))
        }
        (None, Outcome::Refused(INVALID_DATA)) => {
            Judgement::broken("refused with 8007000d, though the request can be read")
        }
        (_, Outcome::Answered | Outcome::Refused(_)) => Judgement::Holds,
        _ => Judgement::NotApplicable,
    }
}

/// What keeps a host from reading a request.
fn what_is_malformed(request: &RequestRecord) -> Option<&'static str> {
    let message = request.message.as_ref()?;
    if !message.version().is_some_and(kms_request::is_supported) {
        return Some("the version");
    }
    let is_long = match message {
        RequestMessage::V4(v4) => !v4.excess.is_empty(),
        RequestMessage::Encrypted(encrypted) => !encrypted.excess.is_empty(),
        RequestMessage::Other { .. } => true,
    };
    if is_long {
        return Some("the length");
    }
    let checks = request.checks.as_ref()?;
    [
        (checks.version_envelope, "the body's version"),
        (checks.mac, "the MAC"),
        (checks.padding, "the padding"),
    ]
    .into_iter()
    .find_map(|(check, what)| (check == Check::Fail).then_some(what))
}
