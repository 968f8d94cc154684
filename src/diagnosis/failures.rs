//! Why a call, or a connection in which nothing was called, came to nothing.

use crate::capture::{Direction, End};
use crate::catalog::hresult;
use crate::rpc;
use crate::trace::{ContextStanding, Stage};
use crate::wire::Guid;

use super::call::{Call, Reply};
use super::kms::Surroundings;
use super::notebook::{Connection, Ended, Refusal};
use super::words::{self, code, counted, duration};
use super::{CauseKind, Evidence, Finding, steps};

pub(super) fn host_label(call: &Call) -> String {
    match &call.found {
        Some(found) => format!("{} ({})", found.name, call.server),
        None => call.server.to_string(),
    }
}

pub(super) fn is_sealed(connection: &Connection) -> bool {
    matches!(connection.stage, Stage::Sealed | Stage::SaslSealed)
}

/// True where an answer could not be read because the capture did not keep all of its bytes.
pub(super) fn is_cut_by_capture(call: &Call) -> bool {
    matches!(&call.reply, Reply::Unreadable(why) if why.contains("not captured") || why.contains("snap"))
}

/// Why a call failed.
pub(super) fn call_finding(call: &Call, around: &Surroundings<'_>) -> Finding {
    let host = host_label(call);
    let ended = around.ends.get(&call.stream);
    match &call.reply {
        Reply::Answered(response) if !response.failed.is_empty() => {
            let failed = response.failed.join(", ");
            let text = format!(
                "The answer of {host} is one that a genuine client rejects: {failed} {} wrong.",
                if response.failed.len() == 1 { "is" } else { "are" }
            );
            let evidence = vec![Evidence::new(call.answer_stamps(), format!("failed checks: {failed}"))];
            Finding::new(CauseKind::AnswerRejected, text, evidence)
        }
        Reply::Answered(response) => {
            let policy = call.asks.map_or(0, |asks| asks.policy);
            let more = policy.saturating_sub(response.count);
            let text = format!(
                "The host {host} has counted {}; this one demands {policy}, so {} to ask it.",
                counted(response.count.into(), "machine"),
                match more {
                    1 => "1 more has".to_owned(),
                    more => format!("{more} more have"),
                }
            );
            let evidence = vec![
                Evidence::new(call.answer_stamps(), format!("Count {}", response.count)),
                Evidence::new(call.request_stamps(), format!("N-Policy {policy}")),
            ];
            Finding::new(CauseKind::CountTooLow, text, evidence)
        }
        Reply::Refused(hresult) => refused(call, *hresult, &host, around),
        Reply::Fault(status) => {
            let said = steps::fault(*status);
            let evidence = vec![Evidence::new(call.stamps(), said.clone())];
            match call.standing {
                ContextStanding::Rejected(result, reason) => {
                    let reason = rejected(result, reason);
                    let text = format!(
                        "The host {host} refused the interface in the bind ({reason}), and the call with a {said}."
                    );
                    Finding::new(CauseKind::InterfaceRefused, text, evidence)
                }
                _ => Finding::new(
                    CauseKind::HostFault,
                    format!("The host {host} answered with a {said}."),
                    evidence,
                ),
            }
        }
        Reply::Unreadable(why) => {
            let is_cut = ended.is_some_and(|ended| ended.cut[1] > 0);
            let why = if why.is_empty() { "it is no answer" } else { why };
            let kind = if is_cut { CauseKind::AnswerCut } else { CauseKind::AnswerUnreadable };
            let text = format!("The answer of {host} cannot be read: {why}.");
            Finding::new(kind, text, vec![Evidence::new(call.answer_stamps(), why.to_owned())])
        }
        Reply::Nothing => nothing(call, &host, ended, around),
    }
}

/// Why a call has no answer.
fn nothing(call: &Call, host: &str, ended: Option<&Ended>, around: &Surroundings<'_>) -> Finding {
    let asked = || Evidence::new(call.request_stamps(), "the request");
    let Some(ended) = ended else {
        let text = format!("The host {host} did not answer the request.");
        return Finding::new(CauseKind::NoAnswer, text, vec![asked()]);
    };
    if ended.cut[1] > 0 {
        let how = steps::ending(ended);
        let text = format!("The answer of {host} ends before its end; the connection was {how}.");
        let evidence = vec![asked(), Evidence::new([ended.last], "the connection's last packet")];
        return Finding::new(CauseKind::AnswerCut, text, evidence);
    }
    let again = match ended.repeated[0] {
        0 => String::new(),
        count => format!(", though it was sent again {}", counted(count, "time")),
    };
    match (ended.end, ended.reset, ended.fin[1]) {
        (End::Reset, Some((by, stamp)), _) => {
            let whom = match by {
                Direction::ToClient => "the host's side",
                Direction::ToServer => "the machine's own side",
            };
            let text = format!("The connection to {host} was reset by {whom} before an answer{again}.");
            Finding::new(CauseKind::ConnectionReset, text, vec![asked(), Evidence::new([stamp], "RST")])
        }
        (End::Closed | End::HalfClosed, _, Some(fin))
            if ended.fin[0].is_none_or(|own| fin.frame < own.frame) =>
        {
            let text = format!("The host {host} closed the connection without an answer{again}.");
            Finding::new(
                CauseKind::ConnectionDropped,
                text,
                vec![asked(), Evidence::new([fin], "FIN of the host")],
            )
        }
        _ => {
            let until = ended.fin[0].or(ended.reset.map(|(_, stamp)| stamp));
            let waited = call.asked.and_then(|(_, asked)| {
                until.and_then(|stamp| stamp.time).or(around.end)?.checked_sub(asked.time?)
            });
            let waited = waited.map_or_else(String::new, |waited| format!(" in {}", duration(waited)));
            let text = format!("The host {host} took the request and did not answer{waited}{again}.");
            Finding::new(CauseKind::NoAnswer, text, vec![asked()])
        }
    }
}

/// What an HRESULT means here.
fn refused(call: &Call, hresult: u32, host: &str, around: &Surroundings<'_>) -> Finding {
    let said = code(hresult);
    let evidence = vec![Evidence::new(call.answer_stamps(), said.clone())];
    let asks = call.asks;
    match hresult {
        0xC004_F042 => {
            let product = asks.and_then(|asks| words::product(asks.act_id, asks.kms_id, asks.app_id));
            let product = product.unwrap_or_else(|| "the product".to_owned());
            let pack = words::pack(asks.map_or(Guid::NIL, |asks| asks.kms_id));
            let text = format!("The host {host} has no key for {product} ({said}).");
            Finding::new(CauseKind::ProductKeyMissing, text, evidence).with_remedy(format!(
                "Install {pack} on the host and activate it; or point the machine to a host that has it."
            ))
        }
        0xC004_F038 => Finding::new(
            CauseKind::CountTooLow,
            format!("The host {host} has counted too few machines ({said})."),
            evidence,
        ),
        0xC004_F039 => Finding::new(
            CauseKind::KmsNotEnabled,
            format!("The key management service is not enabled on {host} ({said})."),
            evidence,
        ),
        0xC004_F041 => Finding::new(
            CauseKind::HostNotActivated,
            format!("The host {host} is not activated itself ({said})."),
            evidence,
        ),
        0xC004_F06C => skew(call, host, &said, evidence, around),
        0x8007_000D => {
            let version = call.version;
            let is_known =
                version.is_none_or(|version| (4..=6).contains(&version.major()) && version.minor() == 0);
            let version = version
                .map_or_else(String::new, |version| format!("{}.{}", version.major(), version.minor()));
            if is_known {
                let text = format!("The host {host} holds the request to be invalid ({said}).");
                Finding::new(CauseKind::RequestInvalid, text, evidence)
            } else {
                let text =
                    format!("The host {host} does not take version {version} of the protocol ({said}).");
                let asked = Evidence::new(call.request_stamps(), format!("Version {version}"));
                Finding::new(CauseKind::VersionRefused, text, [vec![asked], evidence].concat())
            }
        }
        _ => {
            let meaning = hresult::describe(hresult).unwrap_or("no meaning of it is known");
            let text = format!("The host {host} refused with {said}: {meaning}");
            let finding = Finding::new(CauseKind::HostRefused, text, evidence);
            match hresult::remedy(hresult) {
                Some(remedy) => finding.with_remedy(remedy),
                None => finding,
            }
        }
    }
}

/// By how much the clocks differ, and whose it may be.
fn skew(
    call: &Call,
    host: &str,
    said: &str,
    mut evidence: Vec<Evidence>,
    around: &Surroundings<'_>,
) -> Finding {
    let Some(offset) = call.clock_offset() else {
        let text =
            format!("The clocks of the machine and of {host} differ by more than four hours ({said}).");
        return Finding::new(CauseKind::ClockSkew, text, evidence);
    };
    // Other machines that are content tell how far the capture's own clock is off.
    let offset = offset.saturating_sub(around.clock.unwrap_or(0));
    let against = match around.clock {
        Some(_) => "the other machines' clocks",
        None => "this capture's clock",
    };
    evidence.push(Evidence::new(call.request_stamps(), "ClientTime beside the packet's time"));
    let text = if offset.saturating_abs() <= MOST_SKEW {
        format!(
            "The host {host} says that the clocks differ by more than four hours ({said}); the machine's agrees with \
             {against} to {}, so the host's clock is off, or the capture was made by the machine itself.",
            duration(offset)
        )
    } else {
        let way = if offset > 0 { "behind" } else { "ahead of" };
        format!(
            "The machine's clock is {} {way} {against}; {host} allows four hours ({said}).",
            duration(offset)
        )
    };
    Finding::new(CauseKind::ClockSkew, text, evidence)
}

/// Why nothing was asked on a connection; none where nothing was to be asked.
pub(super) fn connection_finding(connection: &Connection, around: &Surroundings<'_>) -> Option<Finding> {
    let ended = &connection.ended;
    let host = match &connection.found {
        Some(found) => format!("{} ({})", found.name, connection.server),
        None => connection.server.to_string(),
    };
    let at = |text: &str| Evidence::new([connection.first, ended.last], text);
    Some(match connection.stage {
        Stage::NotEstablished if ended.end == End::Refused => {
            let text = format!("The host {host} refuses the connection.");
            Finding::new(CauseKind::ConnectionRefused, text, vec![at("SYN answered by RST")])
        }
        Stage::NotEstablished => {
            let syns = ended.repeated[0] + 1;
            let waited = ended.last.time.and_then(|last| last.checked_sub(connection.first.time?));
            let waited = waited
                .filter(|_| syns > 1)
                .map_or_else(String::new, |waited| format!(" in {}", duration(waited)));
            let text =
                format!("Nobody answers at {host}: {} without an answer{waited}.", counted(syns, "SYN"));
            Finding::new(CauseKind::HostUnreachable, text, vec![at("SYN without an answer")])
        }
        Stage::NotRpc | Stage::OtherHttp => wrong_service(connection, &host),
        Stage::NotBound if ended.skipped[1] > 0 && !ended.has_gaps => wrong_service(connection, &host),
        Stage::Sealed if !connection.is_directory => {
            let text = format!("Something other than a KMS host is at {host}: what was said there is TLS.");
            Finding::new(CauseKind::WrongService, text, vec![at("TLS")])
        }
        Stage::BindRefused => {
            let reason = match connection.refusal {
                Some(Refusal::Bind(reason)) => match rpc::reject_reason_name(reason) {
                    Some(name) => format!("{reason} ({name})"),
                    None => reason.to_string(),
                },
                _ => "not known".to_owned(),
            };
            let text = format!("The host {host} refused the bind: reason {reason}.");
            Finding::new(CauseKind::BindRefused, text, vec![at("bind_nak")])
        }
        Stage::NothingAfterBind | Stage::OtherInterface => contexts_finding(connection, &host, at)?,
        Stage::NotBound | Stage::Cut => unbound(connection, &host, around)?,
        Stage::Silent => {
            let text = format!("The connection to {host} was made, and nothing was asked on it.");
            if ended.end != End::Reset {
                return None;
            }
            Finding::new(CauseKind::ConnectionReset, text, vec![at("RST")])
        }
        Stage::Sealed | Stage::SaslSealed | Stage::Called => return None,
    })
}

/// Another service on the port.
fn wrong_service(connection: &Connection, host: &str) -> Finding {
    let what = connection.other_protocol.unwrap_or("another protocol");
    let text = format!("Something other than a KMS host is at {host}: what it says is {what}.");
    let evidence = Evidence::new([connection.first, connection.ended.last], format!("{what}, no DCE/RPC"));
    Finding::new(CauseKind::WrongService, text, vec![evidence])
}

/// A bind that was not answered, or whose PDUs were cut.
fn unbound(connection: &Connection, host: &str, around: &Surroundings<'_>) -> Option<Finding> {
    let ended = &connection.ended;
    if ended.has_gaps {
        return None;
    }
    let at = |text: &str| Evidence::new([connection.first, ended.last], text);
    Some(match (ended.end, ended.reset, ended.fin[1]) {
        _ if ended.cut[1] > 0 => {
            let text = format!("The answer of {host} to the bind ends before its end.");
            Finding::new(CauseKind::AnswerCut, text, vec![at("the bind, and what came of its answer")])
        }
        (End::Reset, Some((_, stamp)), _) => {
            let text = format!("The connection to {host} was reset before the bind was answered.");
            Finding::new(
                CauseKind::ConnectionReset,
                text,
                vec![Evidence::new([connection.first, stamp], "RST")],
            )
        }
        (End::Closed | End::HalfClosed, _, Some(fin))
            if ended.fin[0].is_none_or(|own| fin.frame < own.frame) =>
        {
            let text = format!("The host {host} closed the connection without an answer to the bind.");
            Finding::new(
                CauseKind::ConnectionDropped,
                text,
                vec![Evidence::new([connection.first, fin], "FIN of the host")],
            )
        }
        _ => {
            let waited = around.end.and_then(|end| end.checked_sub(ended.last.time?));
            if ended.end == End::Open
                && waited.is_none_or(|waited| waited < ENOUGH_WAITING)
                && ended.repeated[0] == 0
            {
                return None;
            }
            let text = format!("The host {host} did not answer the bind.");
            Finding::new(CauseKind::NoAnswer, text, vec![at("the bind")])
        }
    })
}

/// Which elements of a bind were refused, and why.
fn contexts_finding(connection: &Connection, host: &str, at: impl Fn(&str) -> Evidence) -> Option<Finding> {
    let Some(Refusal::Contexts(contexts)) = &connection.refusal else { return None };
    if connection.stage == Stage::OtherInterface && !connection.is_kms {
        return None;
    }
    let said: Vec<String> = contexts
        .iter()
        .map(|(syntax, result, reason)| format!("{syntax}: {}", rejected(*result, *reason)))
        .collect();
    let said = said.join("; ");
    let is_interface = contexts.iter().any(|&(_, result, reason)| (result, reason) == (2, 1));
    let kind = if is_interface { CauseKind::InterfaceRefused } else { CauseKind::SyntaxRefused };
    let text = match is_interface {
        true => format!("The host {host} does not know the interface of the key management service."),
        false => format!("The host {host} accepts none of the transfer syntaxes that were proposed."),
    };
    Some(Finding::new(kind, text, vec![at(&said)]))
}

/// `provider_rejection, abstract_syntax_not_supported`.
fn rejected(result: u16, reason: u16) -> String {
    let name = |known: Option<&str>, number: u16| known.map_or_else(|| number.to_string(), str::to_owned);
    format!("{}, {}", name(rpc::result_name(result), result), name(rpc::result_reason_name(reason), reason))
}

/// Intervals that are far from the defaults of 120 and 10,080 minutes.
pub(super) fn intervals(activation: u32, renewal: u32, call: Option<&Call>) -> Option<Finding> {
    let is_usual = (15..=1_440).contains(&activation) && (1_440..=43_200).contains(&renewal);
    if is_usual {
        return None;
    }
    let text = format!(
        "The host's intervals are far from the defaults: {} until activated (2 h), {} until renewed (7 d).",
        words::minutes(activation),
        words::minutes(renewal)
    );
    let said = format!("VLActivationInterval {activation}, VLRenewalInterval {renewal} minutes");
    let stamps = call.into_iter().flat_map(Call::answer_stamps);
    Some(Finding::new(CauseKind::IntervalsUnusual, text, vec![Evidence::new(stamps, said)]))
}

/// Nanoseconds by which clocks may differ: four hours.
pub(super) const MOST_SKEW: i64 = 4 * 3_600_000_000_000;
/// Nanoseconds behind which an answer is not only late.
pub(super) const ENOUGH_WAITING: i64 = 5_000_000_000;
