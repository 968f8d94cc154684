use smallvec::SmallVec;

use crate::capture::{Endpoint, Stamp};
use crate::discovery;
use crate::vmbus::Protocol;

use super::{
    Carrier, DirectoryExchange, DirectoryOutcome, Exchange, GuestExchange, Lookup, MakExchange, MakOutcome,
    Outcome,
};

/// A record of what was asked and answered, whatever was spoken.
#[derive(Clone, Copy, Debug)]
pub enum Record<'a> {
    /// A call of a KMS.
    Kms(&'a Exchange),
    /// An exchange with one of MAK's services.
    Mak(&'a MakExchange),
    /// A question of DNS.
    Lookup(&'a Lookup),
    /// A search in a directory.
    Directory(&'a DirectoryExchange),
    /// An exchange in a pipe of VMBus.
    Guest(&'a GuestExchange),
}

/// How what was asked ended, in the few ways that all protocols have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With what was asked for.
    Answered,
    /// With an error that the service itself says.
    Refused,
    /// With an error of what carries it: a fault of DCE/RPC or SOAP.
    Fault,
    /// With an HTTP status of failure and nothing that says more.
    HttpError,
    /// With something that could not be read.
    Unreadable,
    /// With nothing.
    Unanswered,
}

impl Record<'_> {
    /// What was spoken, as a filter names it: one of [`PROTOCOLS`].
    #[must_use]
    pub fn protocol(self) -> &'static str {
        match self {
            Self::Kms(_) => PROTOCOLS[0],
            Self::Mak(_) => PROTOCOLS[1],
            Self::Lookup(_) => PROTOCOLS[2],
            Self::Directory(_) => PROTOCOLS[3],
            Self::Guest(guest) => match guest.exchange.protocol {
                Protocol::Avma => PROTOCOLS[4],
                Protocol::Kvp => PROTOCOLS[5],
                Protocol::SynthRdp => PROTOCOLS[6],
                Protocol::Other => PROTOCOLS[7],
            },
        }
    }

    /// How it ended, by the name that its own protocol has for that.
    #[must_use]
    pub fn outcome_name(self) -> &'static str {
        match self {
            Self::Kms(exchange) => exchange.outcome().name(),
            Self::Mak(exchange) => exchange.outcome().name(),
            Self::Lookup(lookup) => lookup.outcome.name(),
            Self::Directory(exchange) => exchange.outcome().name(),
            Self::Guest(guest) => guest.outcome_name(),
        }
    }

    /// Number of its connection in its file.
    #[must_use]
    pub fn stream(self) -> Option<u64> {
        match self {
            Self::Kms(exchange) => Some(exchange.stream),
            Self::Mak(exchange) => match exchange.carrier {
                Carrier::Stream { stream, .. } => Some(stream),
                Carrier::Har { .. } | Carrier::Body => None,
            },
            Self::Directory(exchange) => Some(exchange.stream),
            Self::Lookup(_) | Self::Guest(_) => None,
        }
    }

    /// The first and the last of its packets; `None` where it came in none.
    #[must_use]
    pub fn frames(self) -> Option<(u64, u64)> {
        if matches!(self, Self::Mak(exchange) if !matches!(exchange.carrier, Carrier::Stream { .. })) {
            return None;
        }
        let frames = || self.stamps().map(|stamp| stamp.frame).filter(|&frame| frame > 0);
        frames().min().zip(frames().max())
    }

    /// How it ended; `None` for what nobody can say it of.
    #[must_use]
    pub fn ending(self) -> Option<Ending> {
        Some(match self {
            Self::Kms(exchange) => match exchange.outcome() {
                Outcome::Answered => Ending::Answered,
                Outcome::Refused(_) => Ending::Refused,
                Outcome::Fault(_) => Ending::Fault,
                Outcome::Unreadable => Ending::Unreadable,
                Outcome::Unanswered => Ending::Unanswered,
            },
            Self::Mak(exchange) if exchange.is_request_alone() => return None,
            Self::Mak(exchange) => match exchange.outcome() {
                MakOutcome::Answered => Ending::Answered,
                MakOutcome::PartlyRefused(_) | MakOutcome::Refused(_) => Ending::Refused,
                MakOutcome::Fault(_) => Ending::Fault,
                MakOutcome::HttpError(_) => Ending::HttpError,
                MakOutcome::Unreadable => Ending::Unreadable,
                MakOutcome::Unanswered => Ending::Unanswered,
            },
            Self::Lookup(lookup) => match lookup.outcome {
                discovery::Outcome::Answered
                | discovery::Outcome::Truncated
                | discovery::Outcome::Updated
                | discovery::Outcome::Announced => Ending::Answered,
                discovery::Outcome::NoData
                | discovery::Outcome::NameError
                | discovery::Outcome::ServerFailure
                | discovery::Outcome::Refused
                | discovery::Outcome::Referral
                | discovery::Outcome::OtherError(_) => Ending::Refused,
                discovery::Outcome::Unreadable => Ending::Unreadable,
                discovery::Outcome::Unanswered => Ending::Unanswered,
            },
            Self::Directory(exchange) => match exchange.outcome() {
                DirectoryOutcome::Answered => Ending::Answered,
                DirectoryOutcome::Empty
                | DirectoryOutcome::NoSuchObject
                | DirectoryOutcome::Referral
                | DirectoryOutcome::Refused(_) => Ending::Refused,
                DirectoryOutcome::Abandoned | DirectoryOutcome::Unanswered => Ending::Unanswered,
            },
            Self::Guest(guest) if guest.exchange.response.is_none() => Ending::Unanswered,
            Self::Guest(_) => Ending::Answered,
        })
    }

    /// The packets that brought it, what asked first.
    pub fn stamps(self) -> impl Iterator<Item = Stamp> {
        let stamps: SmallVec<[Stamp; 4]> = match self {
            Self::Kms(exchange) => exchange.stamps().collect(),
            Self::Mak(exchange) => exchange.stamps().collect(),
            Self::Lookup(lookup) => {
                let asked = lookup.queries.iter().flat_map(|queries| [queries.first, queries.last]);
                asked.chain(lookup.answer.as_ref().map(|answer| answer.stamp)).collect()
            }
            Self::Directory(exchange) => exchange.stamps().collect(),
            Self::Guest(guest) => guest.stamps().collect(),
        };
        stamps.into_iter()
    }

    /// Nanoseconds from the last packet that asked to the first that answered.
    #[must_use]
    pub fn service_time(self) -> Option<i64> {
        match self {
            Self::Kms(exchange) => exchange.service_time(),
            Self::Mak(exchange) => exchange.service_time(),
            Self::Lookup(lookup) => {
                let asked = lookup.queries.as_ref()?.last_time?;
                lookup.answer.as_ref()?.time?.checked_sub(asked)
            }
            Self::Directory(exchange) => exchange.service_time(),
            Self::Guest(guest) => guest.service_time(),
        }
    }

    /// Who asked, and who was asked, where it came over a network.
    #[must_use]
    pub fn sides(self) -> Option<(Endpoint, Endpoint)> {
        match self {
            Self::Kms(exchange) => Some((exchange.client, exchange.server)),
            Self::Mak(exchange) => match exchange.carrier {
                Carrier::Stream { client, server, .. } => Some((client, server)),
                Carrier::Har { .. } | Carrier::Body => None,
            },
            Self::Lookup(lookup) => {
                let asked = || lookup.queries.as_ref()?.servers.first().copied();
                let server = lookup.answer.as_ref().map(|answer| answer.server).or_else(asked)?;
                Some((lookup.client, server))
            }
            Self::Directory(exchange) => Some((exchange.client, exchange.server)),
            Self::Guest(_) => None,
        }
    }

    /// True where a verification fails.
    #[must_use]
    pub fn has_failed_check(self) -> bool {
        match self {
            Self::Kms(exchange) => exchange.has_failed_check(),
            Self::Mak(exchange) => exchange.has_failed_check(),
            Self::Lookup(_) | Self::Directory(_) | Self::Guest(_) => false,
        }
    }
}

/// What can be spoken.
pub const PROTOCOLS: [&str; 8] = ["kms", "mak", "dns", "directory", "avma", "kvp", "synthrdp", "vmbus"];

impl<'a> From<&'a Lookup> for Record<'a> {
    fn from(lookup: &'a Lookup) -> Self {
        Self::Lookup(lookup)
    }
}

impl<'a> From<&'a DirectoryExchange> for Record<'a> {
    fn from(exchange: &'a DirectoryExchange) -> Self {
        Self::Directory(exchange)
    }
}

impl<'a> From<&'a GuestExchange> for Record<'a> {
    fn from(exchange: &'a GuestExchange) -> Self {
        Self::Guest(exchange)
    }
}

impl<'a> From<&'a Exchange> for Record<'a> {
    fn from(exchange: &'a Exchange) -> Self {
        Self::Kms(exchange)
    }
}

impl<'a> From<&'a MakExchange> for Record<'a> {
    fn from(exchange: &'a MakExchange) -> Self {
        Self::Mak(exchange)
    }
}
