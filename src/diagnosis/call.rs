use std::sync::Arc;

use crate::capture::{Endpoint, Stamp};
use crate::kms::{ResponseMessage, Version};
use crate::trace::{Answer, ContextStanding, Exchange, Found, Outcome};
use crate::wire::{Check, Guid};

use super::edges::Place;

/// A call of a KMS, as far as a diagnosis needs it.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) stream: u64,
    pub(super) client: Endpoint,
    pub(super) server: Endpoint,
    /// The request's first and last packet.
    pub(super) asked: Option<(Stamp, Stamp)>,
    /// The answer's.
    pub(super) answered: Option<(Stamp, Stamp)>,
    /// The request's version, where it has one.
    pub(super) version: Option<Version>,
    pub(super) asks: Option<Asks>,
    pub(super) reply: Reply,
    pub(super) standing: ContextStanding,
    pub(super) service_time: Option<i64>,
    pub(super) found: Option<Arc<Found>>,
}

/// What a request's body says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asks {
    pub(super) is_vm: bool,
    pub(super) license_status: u32,
    /// Minutes.
    pub(super) expiration: u32,
    pub(super) app_id: Guid,
    pub(super) act_id: Guid,
    pub(super) kms_id: Guid,
    pub(super) policy: u32,
    /// Nanoseconds since 1970.
    pub(super) client_time: Option<i64>,
}

/// What a call was answered with.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    Answered(Box<Response>),
    Refused(u32),
    Fault(Option<u32>),
    Unreadable(Box<str>),
    Nothing,
}

/// What an answer says.
#[derive(Clone, Debug)]
pub(super) struct Response {
    pub(super) count: u32,
    /// Minutes.
    pub(super) activation: u32,
    /// Minutes.
    pub(super) renewal: u32,
    pub(super) epid: Box<str>,
    /// The verifications that fail, by their names.
    pub(super) failed: Vec<&'static str>,
}

/// How a call ended, in the ways that are told apart by numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum CallClass {
    Good,
    CountTooLow,
    Rejected,
    Refused(u32),
    Fault(Option<u32>),
    Unreadable,
    Unanswered,
}

impl Call {
    pub(super) fn of(exchange: &Exchange) -> Self {
        let message = exchange.request.as_ref().and_then(|request| request.message.as_ref());
        let asks = message.and_then(|message| message.body()).map(|body| Asks {
            is_vm: body.vm_info != 0,
            license_status: body.license_status,
            expiration: body.binding_expiration,
            app_id: body.app_id,
            act_id: body.act_id,
            kms_id: body.kms_id,
            policy: body.n_policy,
            client_time: i64::try_from(body.client_time.unix_nanos()).ok(),
        });
        let failed = |exchange: &Exchange| {
            let checks = exchange.checks.iter().flat_map(|checks| checks.by_name());
            checks.filter(|(_, check)| *check == Check::Fail).map(|(name, _)| name).collect()
        };
        let reply = match exchange.outcome() {
            Outcome::Answered => match Self::body(exchange) {
                Some(body) => Reply::Answered(Box::new(Response {
                    count: body.count,
                    activation: body.activation_interval,
                    renewal: body.renewal_interval,
                    epid: body.epid_text().into(),
                    failed: failed(exchange),
                })),
                None => Reply::Unreadable("".into()),
            },
            Outcome::Refused(hresult) => Reply::Refused(hresult),
            Outcome::Fault(status) => Reply::Fault(status),
            Outcome::Unreadable => Reply::Unreadable(unreadable(exchange).into()),
            Outcome::Unanswered => Reply::Nothing,
        };
        Self {
            stream: exchange.stream,
            client: exchange.client,
            server: exchange.server,
            asked: exchange.request.as_ref().map(|request| (request.span.first, request.span.last)),
            answered: exchange.answer_span().map(|span| (span.first, span.last)),
            version: message.and_then(|message| message.version()),
            asks,
            reply,
            standing: exchange.standing,
            service_time: exchange.service_time(),
            found: exchange.found.clone(),
        }
    }

    fn body(exchange: &Exchange) -> Option<&crate::kms::ResponseBody> {
        match exchange.answer.as_ref()? {
            Answer::Response(response) => response.message.as_ref().and_then(ResponseMessage::body),
            Answer::Fault(_) => None,
        }
    }

    /// Where it stands among all calls.
    pub(super) fn place(exchange: &Exchange) -> Place {
        let span = exchange.request.as_ref().map(|request| request.span).or(exchange.answer_span());
        span.map_or((0, exchange.stream, 0), |span| (span.first.frame, exchange.stream, span.offset))
    }

    pub(super) fn class(&self) -> CallClass {
        match &self.reply {
            Reply::Answered(response) if !response.failed.is_empty() => CallClass::Rejected,
            Reply::Answered(response) if self.asks.is_some_and(|asks| response.count < asks.policy) => {
                CallClass::CountTooLow
            }
            Reply::Answered(_) => CallClass::Good,
            Reply::Refused(hresult) => CallClass::Refused(*hresult),
            Reply::Fault(status) => CallClass::Fault(*status),
            Reply::Unreadable(_) => CallClass::Unreadable,
            Reply::Nothing => CallClass::Unanswered,
        }
    }

    pub(super) fn is_good(&self) -> bool {
        self.class() == CallClass::Good
    }

    /// The packet with which it began.
    pub(super) fn first(&self) -> Option<Stamp> {
        self.asked.or(self.answered).map(|(first, _)| first)
    }

    /// The packet with which it ended.
    pub(super) fn last(&self) -> Option<Stamp> {
        self.answered.or(self.asked).map(|(_, last)| last)
    }

    /// The request's packets, and the answer's.
    pub(super) fn stamps(&self) -> impl Iterator<Item = Stamp> {
        self.asked.into_iter().chain(self.answered).flat_map(|(first, last)| [first, last])
    }

    /// The answer's packets.
    pub(super) fn answer_stamps(&self) -> impl Iterator<Item = Stamp> {
        self.answered.into_iter().flat_map(|(first, last)| [first, last])
    }

    /// The request's packets.
    pub(super) fn request_stamps(&self) -> impl Iterator<Item = Stamp> {
        self.asked.into_iter().flat_map(|(first, last)| [first, last])
    }

    /// Nanoseconds by which the capture's clock was ahead of the client's.
    pub(super) fn clock_offset(&self) -> Option<i64> {
        self.asked?.1.time?.checked_sub(self.asks?.client_time?)
    }
}

impl CallClass {
    pub(super) fn label(self) -> String {
        match self {
            Self::Good => "answered".to_owned(),
            Self::CountTooLow => "count too low".to_owned(),
            Self::Rejected => "answer fails its checks".to_owned(),
            Self::Refused(hresult) => format!("refused 0x{hresult:08X}"),
            Self::Fault(Some(status)) => format!("fault 0x{status:08X}"),
            Self::Fault(None) => "fault".to_owned(),
            Self::Unreadable => "unreadable".to_owned(),
            Self::Unanswered => "unanswered".to_owned(),
        }
    }
}

/// What kept an answer from being read.
fn unreadable(exchange: &Exchange) -> String {
    let Some(Answer::Response(response)) = &exchange.answer else { return String::new() };
    let of_message = || response.message.as_ref().and_then(ResponseMessage::error).map(ToString::to_string);
    response.error.as_ref().map(ToString::to_string).or_else(of_message).unwrap_or_default()
}
