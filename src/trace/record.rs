use crate::capture::{Endpoint, Stamp};

use super::{Carrier, Exchange, MakExchange, MakOutcome, Outcome};

/// A record of what was asked and answered, whatever was spoken.
#[derive(Clone, Copy, Debug)]
pub enum Record<'a> {
    /// A call of a KMS.
    Kms(&'a Exchange),
    /// An exchange with one of MAK's services.
    Mak(&'a MakExchange),
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
    /// What was spoken, as a filter names it: `kms`, `mak`.
    #[must_use]
    pub fn protocol(self) -> &'static str {
        match self {
            Self::Kms(_) => "kms",
            Self::Mak(_) => "mak",
        }
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
        })
    }

    /// The packets that brought it, what asked first.
    pub fn stamps(self) -> impl Iterator<Item = Stamp> {
        let (kms, mak) = match self {
            Self::Kms(exchange) => (Some(exchange.stamps()), None),
            Self::Mak(exchange) => (None, Some(exchange.stamps())),
        };
        kms.into_iter().flatten().chain(mak.into_iter().flatten())
    }

    /// Nanoseconds from the last packet that asked to the first that answered.
    #[must_use]
    pub fn service_time(self) -> Option<i64> {
        match self {
            Self::Kms(exchange) => exchange.service_time(),
            Self::Mak(exchange) => exchange.service_time(),
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
        }
    }

    /// True where a verification fails.
    #[must_use]
    pub fn has_failed_check(self) -> bool {
        match self {
            Self::Kms(exchange) => exchange.has_failed_check(),
            Self::Mak(exchange) => exchange.has_failed_check(),
        }
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
