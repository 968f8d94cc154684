use std::sync::Arc;

use crate::capture::{Direction, Endpoint, Stamp};
use crate::kms::{Check, Ndr, RequestChecks, RequestMessage, ResponseChecks, ResponseMessage};
use crate::rpc::SyntaxId;
use crate::wire::{Error, Guid};

use super::Found;

/// A call of `RequestActivation`: its request, its answer, or the one that was seen of them.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Number of the connection in its file.
    pub stream: u64,
    /// Who asked.
    pub client: Endpoint,
    /// Who was asked.
    pub server: Endpoint,
    /// call_id.
    pub call_id: u32,
    /// p_cont_id of the request (of the response where there is no request).
    pub context_id: Option<u16>,
    /// What became of that presentation context.
    pub standing: ContextStanding,
    /// How the stubs are read.
    pub ndr: Ndr,
    /// Why they are read so.
    pub ndr_basis: NdrBasis,
    /// The request.
    pub request: Option<Box<RequestRecord>>,
    /// The answer.
    pub answer: Option<Answer>,
    /// Every verification of the response, where there is one that could be opened.
    pub checks: Option<ResponseChecks>,
    /// How the client came to the host's address.
    pub found: Option<Arc<Found>>,
}

/// The packets that brought something in several pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The way they went. Requests go to the server and answers to the client; what went the other way is told as well.
    pub direction: Direction,
    /// Where they begin in what that side said: two may be in one packet.
    pub offset: u64,
    /// The packet with the first byte.
    pub first: Stamp,
    /// The packet with the last byte.
    pub last: Stamp,
    /// PDUs.
    pub fragments: u32,
    /// True where both the first and the last fragment were seen (pfc_flags).
    pub complete: bool,
}

/// What became of the presentation context that a call names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContextStanding {
    /// Volume activation's, and accepted.
    Accepted,
    /// Volume activation's, proposed, and no answer to it was seen before the call.
    Unanswered,
    /// Volume activation's, and rejected with this result and reason; the call was made all the same.
    Rejected(u16, u16),
    /// Volume activation's, and the whole bind was refused with a bind_nak; the call was made all the same.
    Refused,
    /// Another interface's; the stub is volume activation's all the same.
    Foreign(SyntaxId),
    /// No bind or alter_context proposed it.
    Unknown,
}

/// Why a stub is read as NDR32 or NDR64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NdrBasis {
    /// The bind_ack or alter_context_resp says so, in front of the call or, where the call did not wait for it, of its answer.
    Negotiated,
    /// The bind or alter_context proposed it; no answer was seen.
    Proposed,
    /// No bind was seen: its counts fit this one only, or it is NDR32.
    Guessed,
    /// The context was rejected or never proposed: NDR32, which every client has.
    Assumed,
}

/// A request, reassembled.
#[derive(Clone, Debug)]
pub struct RequestRecord {
    /// Where it came.
    pub span: Span,
    /// opnum; 0 is `RequestActivation`.
    pub opnum: Option<u16>,
    /// object.
    pub object: Option<Guid>,
    /// The stub's bytes.
    pub bytes: Vec<u8>,
    /// The stub's counts, where it reaches that far.
    pub stub: Option<RequestStubFields>,
    /// What kept the PDU, the stub or the message from being read to its end.
    pub error: Option<Error>,
    /// The message, where the stub has data.
    pub message: Option<RequestMessage>,
    /// Every verification of the message on its own.
    pub checks: Option<RequestChecks>,
    /// The other syntax, where the stub's counts fit that one and not the one it is read as.
    pub fits: Option<Ndr>,
}

/// What [`crate::kms::RequestStub`] holds beside the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestStubFields {
    /// requestSize with its alignment padding, as one number.
    pub size_slot: u64,
    /// Maximum count.
    pub max_count: u64,
    /// Bytes of data that are there.
    pub data_length: usize,
    /// Bytes of requestSize that are not.
    pub missing: usize,
    /// Bytes behind the data.
    pub excess: Vec<u8>,
}

/// What a request was answered with.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A response.
    Response(Box<ResponseRecord>),
    /// A fault.
    Fault(FaultRecord),
}

/// A response, reassembled.
#[derive(Clone, Debug)]
pub struct ResponseRecord {
    /// Where it came.
    pub span: Span,
    /// The stub's bytes.
    pub bytes: Vec<u8>,
    /// The stub's counts and HRESULT, where it reaches that far.
    pub stub: Option<ResponseStubFields>,
    /// What kept the PDU, the stub or the message from being read to its end.
    pub error: Option<Error>,
    /// The message, where the stub has data.
    pub message: Option<ResponseMessage>,
}

/// What [`crate::kms::ResponseStub`] holds beside the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseStubFields {
    /// responseSize with its alignment padding, as one number.
    pub size_slot: u64,
    /// The referent id of the array's pointer.
    pub referent: u64,
    /// Maximum count, where the pointer is not null.
    pub max_count: Option<u64>,
    /// Bytes of data that are there.
    pub data_length: usize,
    /// Bytes of responseSize that are not.
    pub missing: usize,
    /// The padding behind the data.
    pub padding: Vec<u8>,
    /// HRESULT, where the stub reaches that far.
    pub hresult: Option<u32>,
    /// Bytes behind HRESULT.
    pub excess: Vec<u8>,
}

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultRecord {
    /// Where it came.
    pub span: Span,
    /// status, where the PDU reaches that far.
    pub status: Option<u32>,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The host answered with a response that could be opened.
    Answered,
    /// The host answered with this HRESULT and no response.
    Refused(u32),
    /// The host answered with a fault of this status.
    Fault(Option<u32>),
    /// The host answered with something that could not be opened.
    Unreadable,
    /// No answer was seen.
    Unanswered,
}

impl Outcome {
    /// The name in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused(_) => "refused",
            Self::Fault(_) => "fault",
            Self::Unreadable => "unreadable",
            Self::Unanswered => "unanswered",
        }
    }
}

impl Exchange {
    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match &self.answer {
            None => Outcome::Unanswered,
            Some(Answer::Fault(fault)) => Outcome::Fault(fault.status),
            Some(Answer::Response(response)) => match (&response.message, &response.stub) {
                (Some(message), _) if message.body().is_some() => Outcome::Answered,
                (None, Some(ResponseStubFields { hresult: Some(hresult), .. })) => Outcome::Refused(*hresult),
                _ => Outcome::Unreadable,
            },
        }
    }

    /// Nanoseconds from the request's last packet to the answer's first (to its last, where the host began to answer
    /// before the request was whole).
    #[must_use]
    pub fn service_time(&self) -> Option<i64> {
        let asked = self.request.as_ref()?.span.last;
        let answered = self.answer_span()?;
        let shown = if answered.first.frame > asked.frame { answered.first } else { answered.last };
        shown.time?.checked_sub(asked.time?)
    }

    /// True where a verification of the response fails.
    #[must_use]
    pub fn has_failed_check(&self) -> bool {
        self.checks.is_some_and(|checks| checks.by_name().iter().any(|(_, check)| *check == Check::Fail))
    }

    /// The request's first and last packet, and the answer's.
    pub fn stamps(&self) -> impl Iterator<Item = Stamp> {
        let asked = self.request.as_ref().map(|request| request.span);
        asked.into_iter().chain(self.answer_span()).flat_map(|span| [span.first, span.last])
    }

    /// Where the answer came.
    #[must_use]
    pub fn answer_span(&self) -> Option<Span> {
        Some(match self.answer.as_ref()? {
            Answer::Response(response) => response.span,
            Answer::Fault(fault) => fault.span,
        })
    }
}

impl ContextStanding {
    /// The name in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Unanswered => "unanswered",
            Self::Rejected(..) => "rejected",
            Self::Refused => "refused",
            Self::Foreign(_) => "foreign",
            Self::Unknown => "unknown",
        }
    }
}

impl NdrBasis {
    /// The name in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Negotiated => "negotiated",
            Self::Proposed => "proposed",
            Self::Guessed => "guessed",
            Self::Assumed => "assumed",
        }
    }
}
