use std::fmt;

use crate::catalog::product;
use crate::directory::ResultCode;
use crate::discovery::{self, Opcode, RecordType};
use crate::mak::ErrorCode;
use crate::report::names;
use crate::trace::rows::{Hasher, Key};
use crate::trace::{DirectoryOutcome, Ending, Exchange, MakOutcome, Outcome, Record, Service};
use crate::vmbus::Protocol;
use crate::wire::Guid;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ProductKey {
    /// A SKU; also one that nobody knows, where nobody knows the KMS id either.
    Sku(Guid),
    /// A KMS id that is known, of a SKU that is not.
    KmsId(Guid),
    /// There is no request, or it could not be opened.
    Unread,
    /// One of MAK's services.
    Service(Option<Service>),
    /// What another protocol was asked for.
    Asked(&'static str),
}

impl ProductKey {
    pub(super) fn of(record: Record<'_>) -> Self {
        match record {
            Record::Kms(exchange) => Self::of_exchange(exchange),
            Record::Mak(exchange) => Self::Service(exchange.service),
            Record::Lookup(lookup) => {
                Self::Asked(match lookup.question.as_ref().map(|question| question.rtype) {
                    _ if lookup.opcode == Opcode::UPDATE => "DNS: update",
                    Some(RecordType::SRV) => "DNS: SRV",
                    Some(RecordType::A | RecordType::AAAA) => "DNS: address",
                    _ => "DNS: other",
                })
            }
            Record::Directory(_) => Self::Asked("directory"),
            Record::Guest(exchange) => Self::Asked(match exchange.exchange.protocol {
                Protocol::Avma => "AVMA",
                Protocol::Kvp => "VMBus: KVP",
                Protocol::SynthRdp => "VMBus: SynthRDP",
                Protocol::Other => "VMBus: other",
            }),
        }
    }

    fn of_exchange(exchange: &Exchange) -> Self {
        let message = exchange.request.as_ref().and_then(|request| request.message.as_ref());
        let Some(body) = message.and_then(|message| message.body()) else { return Self::Unread };
        if product::sku(body.act_id).is_none() && product::kms_id(body.kms_id).is_some() {
            Self::KmsId(body.kms_id)
        } else {
            Self::Sku(body.act_id)
        }
    }
}

/// `Windows Server 2019 Datacenter`, `Windows Server 2019 (KMS id)`, the GUID where it has no name, or `-`.
impl fmt::Display for ProductKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Sku(guid) => match product::sku(guid) {
                Some(sku) => f.write_str(sku.name),
                None => write!(f, "SKU {guid}"),
            },
            Self::KmsId(guid) => match product::kms_id(guid) {
                Some(kms) => write!(f, "{} (KMS id)", kms.name),
                None => write!(f, "KMS id {guid}"),
            },
            Self::Unread => f.write_str("-"),
            Self::Service(Some(service)) => write!(f, "MAK: {}", service.name()),
            Self::Service(None) => f.write_str("MAK: -"),
            Self::Asked(what) => f.write_str(what),
        }
    }
}

/// How exchanges ended, refusals and faults by their codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum OutcomeKey {
    Answered,
    NotVerified,
    Refused(u32),
    Fault(Option<u32>),
    /// Some items were refused, or all of them.
    MakRefused(bool, Option<ErrorCode>),
    /// A SOAP fault, with its HRESULT.
    SoapFault(Option<u32>),
    HttpError(u16),
    Unreadable,
    Unanswered,
    /// What another protocol calls it, and its code.
    Named(&'static str, &'static str, Option<u32>),
}

impl OutcomeKey {
    pub(super) fn of(record: Record<'_>) -> Self {
        let answered = if record.has_failed_check() { Self::NotVerified } else { Self::Answered };
        match record {
            Record::Kms(exchange) => match exchange.outcome() {
                Outcome::Answered => answered,
                Outcome::Refused(code) => Self::Refused(code),
                Outcome::Fault(status) => Self::Fault(status),
                Outcome::Unreadable => Self::Unreadable,
                Outcome::Unanswered => Self::Unanswered,
            },
            Record::Mak(exchange) => match exchange.outcome() {
                MakOutcome::Answered => answered,
                MakOutcome::PartlyRefused(code) => Self::MakRefused(false, code),
                MakOutcome::Refused(code) => Self::MakRefused(true, code),
                MakOutcome::Fault(hresult) => Self::SoapFault(hresult),
                MakOutcome::HttpError(status) => Self::HttpError(status),
                MakOutcome::Unreadable => Self::Unreadable,
                MakOutcome::Unanswered => Self::Unanswered,
            },
            Record::Lookup(lookup) => match record.ending() {
                Some(Ending::Unanswered) => Self::Unanswered,
                Some(Ending::Unreadable) => Self::Unreadable,
                _ if lookup.outcome == discovery::Outcome::Answered => answered,
                _ => Self::Named("DNS", lookup.outcome.name(), lookup.outcome.hresult()),
            },
            Record::Directory(exchange) => match exchange.outcome() {
                DirectoryOutcome::Answered => answered,
                DirectoryOutcome::Unanswered => Self::Unanswered,
                DirectoryOutcome::Refused(ResultCode(code)) => Self::Named("LDAP", "refused", Some(code)),
                other => Self::Named("LDAP", other.name(), None),
            },
            Record::Guest(exchange) => match exchange.exchange.response {
                Some(_) => answered,
                None => Self::Unanswered,
            },
        }
    }
}

impl fmt::Display for OutcomeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Answered => f.write_str("answered"),
            Self::NotVerified => f.write_str("answered, not verified"),
            Self::Refused(code) => match crate::catalog::hresult::symbol(code) {
                Some(symbol) => write!(f, "refused 0x{code:08X} {symbol}"),
                None => write!(f, "refused 0x{code:08X}"),
            },
            Self::Fault(Some(status)) => write!(f, "fault {}", names::fault_status(status)),
            Self::Fault(None) => f.write_str("fault without a status"),
            Self::MakRefused(is_all, code) => {
                let name = if is_all { "refused" } else { "partly refused" };
                match code {
                    Some(code) => write!(f, "{name} {}", names::mak_error(code)),
                    None => write!(f, "{name} without a code"),
                }
            }
            Self::SoapFault(Some(code)) => match crate::catalog::hresult::symbol(code) {
                Some(symbol) => write!(f, "SOAP fault 0x{code:08X} {symbol}"),
                None => write!(f, "SOAP fault 0x{code:08X}"),
            },
            Self::SoapFault(None) => f.write_str("SOAP fault without an HRESULT"),
            Self::HttpError(status) => write!(f, "HTTP status {status}"),
            Self::Unreadable => f.write_str("unreadable answer"),
            Self::Unanswered => f.write_str("unanswered"),
            Self::Named("LDAP", name, Some(code)) => match ResultCode(code).name() {
                Some(symbol) => write!(f, "LDAP {name} {code} {symbol}"),
                None => write!(f, "LDAP {name} {code}"),
            },
            Self::Named(protocol, name, Some(code)) => match crate::catalog::hresult::symbol(code) {
                Some(symbol) => write!(f, "{protocol} {name} 0x{code:08X} {symbol}"),
                None => write!(f, "{protocol} {name} 0x{code:08X}"),
            },
            Self::Named(protocol, name, None) => write!(f, "{protocol} {name}"),
        }
    }
}

impl Key for ProductKey {
    fn hash(&self, hasher: &mut Hasher) {
        match self {
            Self::Sku(guid) => hasher.write(&guid.to_wire()),
            Self::KmsId(guid) => {
                hasher.write(b"KMS id");
                hasher.write(&guid.to_wire());
            }
            Self::Unread => {}
            Self::Service(service) => {
                hasher.write(b"MAK");
                hasher.write(service.map_or("", Service::name).as_bytes());
            }
            Self::Asked(what) => {
                hasher.write(b"asked");
                hasher.write(what.as_bytes());
            }
        }
    }

    fn is_special(&self) -> bool {
        *self == Self::Unread
    }
}

impl Key for OutcomeKey {
    fn hash(&self, hasher: &mut Hasher) {
        match self {
            Self::Refused(code) | Self::Fault(Some(code)) => {
                let kind: &[u8] = if matches!(self, Self::Refused(_)) { b"HRESULT" } else { b"status" };
                hasher.write(kind);
                hasher.write(&code.to_be_bytes());
            }
            Self::MakRefused(_, code) => {
                hasher.write(self.name().as_bytes());
                hasher.write(&code.map_or([0; 4], |code| code.0.to_be_bytes()));
            }
            Self::SoapFault(Some(code)) => {
                hasher.write(b"SOAP");
                hasher.write(&code.to_be_bytes());
            }
            Self::HttpError(status) => {
                hasher.write(b"HTTP");
                hasher.write(&status.to_be_bytes());
            }
            Self::Named(protocol, name, code) => {
                hasher.write(protocol.as_bytes());
                hasher.write(name.as_bytes());
                hasher.write(&code.unwrap_or(0).to_be_bytes());
            }
            other => hasher.write(other.name().as_bytes()),
        }
    }

    fn is_special(&self) -> bool {
        matches!(
            self,
            Self::Answered
                | Self::NotVerified
                | Self::Fault(None)
                | Self::SoapFault(None)
                | Self::Unreadable
                | Self::Unanswered
        )
    }
}

impl OutcomeKey {
    /// The name that an exchange's outcome has.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NotVerified => "not-verified",
            Self::Refused(_) => "refused",
            Self::MakRefused(true, _) => "refused",
            Self::MakRefused(false, _) => "partly-refused",
            Self::Fault(_) | Self::SoapFault(_) => "fault",
            Self::HttpError(_) => "http-error",
            Self::Unreadable => "unreadable",
            Self::Unanswered => "unanswered",
            Self::Named(_, name, _) => name,
        }
    }
}
