use std::net::IpAddr;
use std::sync::Arc;

use crate::capture::{Endpoint, Stamp};
use crate::http;
use crate::mak::{
    Check, ConfirmationId, Content, DigestCheck, EchoChecks, ErrorCode, InstallationId, Message,
    RequestDocument, ResponseDocument, TokenService,
};
use crate::wire::Error;

use super::Found;

/// A request to one of MAK's services and its answer, or the one that was seen of them.
#[derive(Clone, Debug)]
pub struct MakExchange {
    /// What it came in.
    pub carrier: Carrier,
    /// The service that was asked, where the documents, SOAPAction or the path tell.
    pub service: Option<Service>,
    /// The request.
    pub request: Option<Box<MakRequest>>,
    /// The answer.
    pub answer: Option<Box<MakAnswer>>,
    /// What became of the batch request's Digest.
    pub digest: Option<DigestCheck>,
    /// Every verification by its name, in a fixed order. Those of several items are as good as the worst of them.
    pub checks: [(&'static str, Check); MAK_CHECKS.len()],
    /// How the client came to the service's address.
    pub found: Option<Arc<Found>>,
}

/// What an exchange came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// A TCP connection.
    Stream {
        /// Its number in its file.
        stream: u64,
        /// Who asked.
        client: Endpoint,
        /// Who was asked: the service, or a proxy.
        server: Endpoint,
        /// True where it came in TLS, which a key log opened.
        is_tls: bool,
    },
    /// An entry of a HAR file.
    Har {
        /// Number of the entry, from 1.
        entry: u64,
        /// serverIPAddress.
        server: Option<IpAddr>,
    },
    /// A body by itself.
    Body,
}

/// One of MAK's services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// BatchActivation: confirmation IDs for installation IDs, and what is left of a key.
    BatchActivation,
    /// A step of internet activation.
    Token(TokenService),
}

/// A request over HTTP, or its body alone.
#[derive(Clone, Debug)]
pub struct MakRequest {
    /// Where it came; nothing is known of that for a body alone.
    pub place: Option<Place>,
    /// The method, the target, and header fields that tell something.
    pub head: Option<RequestHead>,
    /// The body.
    pub body: Body,
}

/// What the head of a request tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// The method.
    pub method: String,
    /// The target: a path, or a URL where a proxy is asked and in a HAR.
    pub target: String,
    /// Host.
    pub host: Option<String>,
    /// User-Agent.
    pub user_agent: Option<String>,
    /// SOAPAction without its quotes; the action parameter of Content-Type in SOAP 1.2.
    pub soap_action: Option<String>,
}

/// An answer over HTTP, or its body alone.
#[derive(Clone, Debug)]
pub struct MakAnswer {
    /// Where it came; nothing is known of that for a body alone.
    pub place: Option<Place>,
    /// The status code.
    pub status: Option<u16>,
    /// The reason phrase.
    pub reason: String,
    /// The body.
    pub body: Body,
}

/// A body, and what became of reading it.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// Content-Type.
    pub content_type: Option<String>,
    /// Content-Encoding.
    pub content_encoding: Option<String>,
    /// Those of its codings that are unknown here, so that nothing of it could be read.
    pub codings_left: Vec<String>,
    /// Bytes as they were transferred.
    pub length: u64,
    /// True where no byte is missing.
    pub is_complete: bool,
    /// What it says, as far as it could be read.
    pub message: Option<Message>,
    /// What kept it from being read: its coding, or that it is no XML. What stopped reading inside the message is told
    /// there.
    pub error: Option<Error>,
}

/// The packets that brought something; in a HAR, the number of the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// With the first byte.
    pub first: Stamp,
    /// With the last byte.
    pub last: Stamp,
}

/// How an exchange with a service ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MakOutcome {
    /// All that was asked was answered.
    Answered,
    /// Some items of the batch were answered, others refused: with this code the first of them.
    PartlyRefused(Option<ErrorCode>),
    /// The batch was refused with this code, or all its items, the first of them with this code.
    Refused(Option<ErrorCode>),
    /// The answer is a SOAP fault, with this HRESULT.
    Fault(Option<u32>),
    /// The answer has this HTTP status and nothing that says more.
    HttpError(u16),
    /// The answer is something that could not be read.
    Unreadable,
    /// No answer was seen.
    Unanswered,
}

impl Service {
    /// BatchActivation, or the TokenType of the token that is asked for.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BatchActivation => "BatchActivation",
            Self::Token(service) => service.token_type(),
        }
    }

    /// By the documents, else by SOAPAction, else by the path.
    fn of(request: Option<&MakRequest>, answer: Option<&MakAnswer>) -> Option<Self> {
        let bodies =
            request.map(|request| &request.body).into_iter().chain(answer.map(|answer| &answer.body));
        let head = request.and_then(|request| request.head.as_ref());
        bodies
            .filter_map(|body| body.message.as_ref())
            .find_map(|message| match &message.content {
                content if is_batch(content) => Some(Self::BatchActivation),
                Content::TokenRequest(request) => request.service().map(Self::Token),
                Content::TokenResponse(response) => response.service().map(Self::Token),
                _ => None,
            })
            .or_else(|| head.and_then(Self::of_head))
    }

    /// The service that a request's head names.
    #[must_use]
    pub fn of_head(head: &RequestHead) -> Option<Self> {
        let by_action = head.soap_action.as_deref().and_then(|action| {
            if action.eq_ignore_ascii_case(crate::mak::BATCH_SOAP_ACTION) {
                return Some(Self::BatchActivation);
            }
            TokenService::of_soap_action(action).map(Self::Token)
        });
        by_action.or_else(|| Self::of_target(&head.target))
    }

    /// The service at a path, or at the path of a URL.
    #[must_use]
    pub fn of_target(target: &str) -> Option<Self> {
        let path = target
            .split_once("://")
            .map_or(target, |(_, rest)| &rest[rest.find('/').unwrap_or(rest.len())..]);
        let path = path.split(['?', '#']).next().unwrap_or_default();
        if path.eq_ignore_ascii_case(crate::mak::BATCH_PATH) {
            return Some(Self::BatchActivation);
        }
        TokenService::of_path(path).map(Self::Token)
    }
}

impl Body {
    /// Reads a body without its codings. What those are, and how it was transferred, is left to say.
    pub(super) fn read(content: &http::Content<'_>) -> Self {
        let bytes = &content.bytes;
        let (message, error) = match Message::parse(bytes) {
            Ok(message) => (Some(message), content.error.clone()),
            Err(error) => (None, content.error.clone().or((!bytes.is_empty()).then_some(error))),
        };
        let codings_left = content.codings_left.clone();
        Self {
            codings_left,
            length: bytes.len() as u64,
            is_complete: true,
            message,
            error,
            ..Self::default()
        }
    }

    /// Bytes that it holds, more or less.
    pub(super) fn held(&self) -> usize {
        match &self.message {
            Some(_) => usize::try_from(self.length).map_or(crate::mak::MAX_BODY, |length| 4 * length),
            None => 0,
        }
    }

    /// True where all of it was read.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let is_read = self.message.as_ref().is_some_and(|message| message.error.is_none());
        self.is_complete && self.error.is_none() && is_read
    }

    /// True where it is of one of the services.
    pub(super) fn is_of_a_service(&self) -> bool {
        self.message.as_ref().is_some_and(|message| {
            is_batch(&message.content)
                || matches!(message.content, Content::TokenRequest(_) | Content::TokenResponse(_))
        })
    }
}

impl RequestHead {
    /// Host, or the host of a URL; without its port.
    #[must_use]
    pub fn host_name(&self) -> Option<&str> {
        let of_url = self.target.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or(rest));
        let host = of_url.or(self.host.as_deref())?;
        let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        Some(host.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(host, |(name, _)| name))
    }
}

impl MakExchange {
    /// An exchange of what was seen of it.
    pub(super) fn new(carrier: Carrier, request: Option<MakRequest>, answer: Option<MakAnswer>) -> Self {
        let service = Service::of(request.as_ref(), answer.as_ref());
        let checks = MAK_CHECKS.map(|name| (name, Check::NotApplicable));
        let (request, answer) = (request.map(Box::new), answer.map(Box::new));
        let mut exchange = Self { carrier, service, request, answer, digest: None, checks, found: None };
        exchange.digest = match exchange.asks() {
            Some(Content::BatchRequest(request)) => Some(request.digest_check()),
            _ => None,
        };
        exchange.checks = exchange.verify();
        exchange
    }

    /// True where something says that a service was asked, or has answered.
    pub(super) fn is_with_a_service(&self) -> bool {
        self.service.is_some()
            || self.request.as_ref().is_some_and(|request| request.body.is_of_a_service())
            || self.answer.as_ref().is_some_and(|answer| answer.body.is_of_a_service())
    }

    /// True for the body of a request by itself, of which nobody can say whether it was answered.
    #[must_use]
    pub fn is_request_alone(&self) -> bool {
        self.carrier == Carrier::Body && self.answer.is_none()
    }

    /// What the request says.
    #[must_use]
    pub fn asks(&self) -> Option<&Content> {
        Some(&self.request.as_ref()?.body.message.as_ref()?.content)
    }

    /// What the answer says.
    #[must_use]
    pub fn answers(&self) -> Option<&Content> {
        Some(&self.answer.as_ref()?.body.message.as_ref()?.content)
    }

    /// What a batch asks for.
    #[must_use]
    pub fn request_document(&self) -> Option<&RequestDocument> {
        match self.asks()? {
            Content::BatchRequest(request) => Some(&request.document),
            Content::RequestDocument(document) => Some(document),
            _ => None,
        }
    }

    /// What a batch is answered with.
    #[must_use]
    pub fn response_document(&self) -> Option<&ResponseDocument> {
        match self.answers()? {
            Content::BatchResponse(response) => Some(&response.document),
            Content::ResponseDocument(document) => Some(document),
            _ => None,
        }
    }

    fn verify(&self) -> [(&'static str, Check); MAK_CHECKS.len()] {
        let digest = match self.digest {
            Some(DigestCheck::Pass) => Check::Pass,
            Some(DigestCheck::Fail | DigestCheck::Missing | DigestCheck::NotADigest) => Check::Fail,
            Some(DigestCheck::Unreadable) | None => Check::NotApplicable,
        };
        let request = self.request_document();
        let asked = request.map(|document| &document.items[..]).unwrap_or_default();
        let iids = worst(asked.iter().filter_map(|item| item.iid.as_deref()), |iid| {
            InstallationId::parse(iid).is_ok()
        });
        let response = self.response_document();
        let answered = response.map(|document| &document.items[..]).unwrap_or_default();
        let cids = worst(answered.iter().filter_map(|item| item.cid.as_deref()), |cid| {
            ConfirmationId::parse(cid).is_ok()
        });
        let counts = [self.asks(), self.answers()].map(|content| match content {
            Some(Content::TokenRequest(request)) => [&request.use_key, &request.claims]
                .into_iter()
                .flatten()
                .map(|values| values.count_check())
                .collect(),
            Some(Content::TokenResponse(response)) => {
                response.token.iter().map(|values| values.count_check()).collect::<Vec<_>>()
            }
            _ => Vec::new(),
        });
        let is_there = |check| counts.iter().flatten().any(|other| *other == check).then_some(check);
        let array_type = is_there(Check::Fail).or(is_there(Check::Pass)).unwrap_or(Check::NotApplicable);
        // Of what is not whole nobody can say that an answer is missing.
        let is_whole = self.answer.as_ref().is_some_and(|answer| answer.body.is_whole());
        let echo = response.filter(|_| is_whole).map(|document| EchoChecks::of(document, request).by_name());
        let echo = |name: &str| {
            let checks = echo.iter().flatten();
            checks.clone().find(|(other, _)| *other == name).map_or(Check::NotApplicable, |(_, check)| *check)
        };
        MAK_CHECKS.map(|name| {
            let check = match name {
                "digest" => digest,
                "installation_ids" => iids,
                "confirmation_ids" => cids,
                "array_type" => array_type,
                _ => echo(name),
            };
            (name, check)
        })
    }

    /// True where a verification fails.
    #[must_use]
    pub fn has_failed_check(&self) -> bool {
        self.checks.iter().any(|(_, check)| *check == Check::Fail)
    }

    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> MakOutcome {
        let Some(answer) = &self.answer else { return MakOutcome::Unanswered };
        let failure = || match answer.status {
            Some(status) if !(200..300).contains(&status) => MakOutcome::HttpError(status),
            _ => MakOutcome::Unreadable,
        };
        match self.answers() {
            Some(Content::Fault(fault)) => MakOutcome::Fault(fault.hresult),
            Some(Content::TokenResponse(_)) => MakOutcome::Answered,
            _ => match self.response_document() {
                Some(document) => of_document(document).unwrap_or_else(failure),
                None => failure(),
            },
        }
    }

    /// Nanoseconds from the request's last packet to the answer's first.
    #[must_use]
    pub fn service_time(&self) -> Option<i64> {
        let asked = self.request.as_ref()?.place?.last;
        let answered = self.answer.as_ref()?.place?;
        let shown = if answered.first.frame > asked.frame { answered.first } else { answered.last };
        shown.time?.checked_sub(asked.time?)
    }

    /// The request's first and last packet, and the answer's.
    pub fn stamps(&self) -> impl Iterator<Item = Stamp> {
        let asked = self.request.as_ref().and_then(|request| request.place);
        let answered = self.answer.as_ref().and_then(|answer| answer.place);
        asked.into_iter().chain(answered).flat_map(|place| [place.first, place.last])
    }
}

impl MakOutcome {
    /// The name in lower case with hyphens.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::PartlyRefused(_) => "partly-refused",
            Self::Refused(_) => "refused",
            Self::Fault(_) => "fault",
            Self::HttpError(_) => "http-error",
            Self::Unreadable => "unreadable",
            Self::Unanswered => "unanswered",
        }
    }
}

/// SOAPAction without its quotes, or where SOAP 1.2 has it.
pub(super) fn soap_action(header: Option<&str>, content_type: Option<&str>) -> Option<String> {
    let of_type = || {
        let parameters = content_type?.split(';').skip(1);
        parameters
            .filter_map(|parameter| parameter.trim().split_once('='))
            .find_map(|(name, value)| name.trim().eq_ignore_ascii_case("action").then_some(value))
    };
    Some(header.or_else(of_type)?.trim().trim_matches('"').to_owned())
}

fn is_batch(content: &Content) -> bool {
    matches!(
        content,
        Content::BatchRequest(_)
            | Content::BatchResponse(_)
            | Content::RequestDocument(_)
            | Content::ResponseDocument(_)
    )
}

/// How a batch ended; `None` where it says neither answers nor an error.
fn of_document(document: &ResponseDocument) -> Option<MakOutcome> {
    if let Some(error) = &document.error_info {
        return Some(MakOutcome::Refused(error.code));
    }
    let refused = || document.items.iter().filter_map(|item| item.error_info.as_ref());
    let Some(first) = refused().next() else {
        return (!document.items.is_empty()).then_some(MakOutcome::Answered);
    };
    let code = first.code;
    let is_all = refused().count() == document.items.len();
    Some(if is_all { MakOutcome::Refused(code) } else { MakOutcome::PartlyRefused(code) })
}

fn worst<'a>(texts: impl Iterator<Item = &'a str>, holds: impl Fn(&str) -> bool) -> Check {
    texts.fold(Check::NotApplicable, |worst, text| match worst {
        Check::Fail => worst,
        _ if holds(text) => Check::Pass,
        _ => Check::Fail,
    })
}

/// The verifications of an exchange with a service.
pub(crate) const MAK_CHECKS: [&str; 8] = [
    "digest",
    "installation_ids",
    "confirmation_ids",
    "count",
    "order",
    "pid_echo",
    "iid_echo",
    "array_type",
];
