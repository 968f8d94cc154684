use std::fmt;

use crate::kms::{Ndr, RequestMessage, ResponseChecks, ResponseMessage, ResponseStub};
use crate::rpc::{
    BindAck, HEADER_LEN, PfcFlags, ResultElement, fault_status_name, reject_reason_name, result_name,
    result_reason_name,
};
use crate::wire::{Check, Endianness, Hex};

use super::case::{Outcome, Problem};

/// What a host did about something.
#[derive(Clone, Debug)]
pub enum Reply {
    /// bind_ack or alter_context_resp.
    Ack(Ack),
    /// bind_nak, with its reason.
    Nak(u16),
    /// A response with data, and HRESULT 0.
    Answer(Box<Activation>),
    /// A response whose HRESULT is not 0.
    Refusal(u32),
    /// fault, with its status.
    Fault(u32),
    /// A PDU that is none of these, or that cannot be read.
    Other(String),
    /// Bytes that are no PDU.
    NotRpc(Vec<u8>),
    /// It has ended the connection; bytes of a PDU's beginning may have come before.
    Ended(Vec<u8>),
    /// Nothing; bytes of a PDU's beginning may have come.
    Silence(Vec<u8>),
}

/// What a bind_ack or alter_context_resp says.
#[derive(Clone, Debug)]
pub struct Ack {
    /// pfc_flags.
    pub flags: PfcFlags,
    /// max_xmit_frag.
    pub max_xmit_frag: u16,
    /// max_recv_frag.
    pub max_recv_frag: u16,
    /// assoc_group_id.
    pub group: u32,
    /// The results, in the order of the proposed contexts.
    pub results: Vec<ResultElement>,
}

/// An answer to a request, opened.
#[derive(Clone, Debug)]
pub struct Activation {
    /// The response.
    pub response: ResponseMessage,
    /// Its verifications; `None` where its envelope could not be opened.
    pub checks: Option<ResponseChecks>,
}

impl Ack {
    /// Of the PDU.
    #[must_use]
    pub fn of(flags: PfcFlags, ack: &BindAck<'_>) -> Self {
        Self {
            flags,
            max_xmit_frag: ack.max_xmit_frag,
            max_recv_frag: ack.max_recv_frag,
            group: ack.assoc_group_id,
            results: ack.results.clone(),
        }
    }

    /// That the result of a context is this, with this reason.
    ///
    /// # Errors
    /// It is another one, or there is none.
    pub fn result_is(&self, position: usize, result: u16, reason: u16) -> Outcome {
        let wanted = result_text(result, reason);
        match self.results.get(position) {
            Some(found) if found.result == result && found.reason == reason => Ok(()),
            Some(found) if found.result == result => Err(Problem::words(format!(
                "context element {position} is answered with {}, expected {wanted}",
                result_text(found.result, found.reason)
            ))),
            Some(found) => Err(Problem::wrong(format!(
                "context element {position} is answered with {}, expected {wanted}",
                result_text(found.result, found.reason)
            ))),
            None => Err(Problem::wrong(format!(
                "there is no result for context element {position}, only {} of them",
                self.results.len()
            ))),
        }
    }

    /// True where a context is accepted.
    #[must_use]
    pub fn accepts(&self, position: usize) -> bool {
        self.results.get(position).is_some_and(|found| found.result == 0)
    }
}

impl Activation {
    /// That the answer proves itself, and echoes what it has to.
    ///
    /// # Errors
    /// What does not hold.
    pub fn is_right(&self) -> Outcome {
        let Some(checks) = &self.checks else {
            let why = self.response.error().map_or_else(String::new, |error| format!(": {error}"));
            return Err(Problem::wrong(format!("the response cannot be opened{why}")));
        };
        let failed: Vec<_> = checks
            .by_name()
            .into_iter()
            .filter(|(_, check)| *check == Check::Fail)
            .map(|(name, _)| name)
            .collect();
        if failed.is_empty() {
            return Ok(());
        }
        Err(Problem::wrong(format!("the response fails {}", failed.join(", "))))
    }

    /// Opens what a response's stub holds.
    pub(super) fn open(
        stub: &[u8],
        ndr: Ndr,
        request: Option<&RequestMessage>,
        endianness: Endianness,
    ) -> Reply {
        match ResponseStub::parse(stub, ndr, endianness) {
            Err(error) => Reply::Other(format!("a response that cannot be read: {error}")),
            Ok(ResponseStub { hresult: Some(hresult), .. }) if hresult != 0 => Reply::Refusal(hresult),
            Ok(stub) if stub.hresult.is_none() || stub.missing() > 0 => {
                Reply::Other("a response whose stub ends before its HRESULT".to_owned())
            }
            Ok(stub) if stub.max_count.is_none() => {
                Reply::Other("a response without data and HRESULT 0".to_owned())
            }
            Ok(stub) => {
                let response = ResponseMessage::decode(stub.data);
                let checks = ResponseChecks::of(&response, request);
                Reply::Answer(Box::new(Self { response, checks }))
            }
        }
    }
}

impl Reply {
    /// The ack that it has to be.
    ///
    /// # Errors
    /// It is something else.
    pub fn ack(self) -> Result<Ack, Problem> {
        match self {
            Self::Ack(ack) => Ok(ack),
            other => Err(Problem::wrong(format!("the host does not acknowledge: {other}"))),
        }
    }

    /// The answer that it has to be, and a right one.
    ///
    /// # Errors
    /// It is something else.
    pub fn answer(self) -> Result<Activation, Problem> {
        match self {
            Self::Answer(activation) => activation.is_right().map(|()| *activation),
            other => Err(Problem::wrong(format!("the host does not answer with an activation: {other}"))),
        }
    }

    /// That it is a refusal with this HRESULT.
    ///
    /// # Errors
    /// It is something else; a refusal with something else is one in other words.
    pub fn refused_with(self, hresult: u32) -> Outcome {
        match self {
            Self::Refusal(found) if found == hresult => Ok(()),
            Self::Refusal(_) | Self::Fault(_) => {
                Err(Problem::words(format!("{self}, expected a response with HRESULT 0x{hresult:08x}")))
            }
            other => {
                Err(Problem::wrong(format!("{other}, expected a response with HRESULT 0x{hresult:08x}")))
            }
        }
    }

    /// That it is a fault with this status.
    ///
    /// # Errors
    /// It is something else; another refusal is one in other words.
    pub fn faulted_with(self, status: u32) -> Outcome {
        let name = fault_status_name(status).unwrap_or("fault");
        match self {
            Self::Fault(found) if found == status => Ok(()),
            Self::Fault(_) | Self::Refusal(_) => {
                Err(Problem::words(format!("{self}, expected a fault {name} (0x{status:08x})")))
            }
            other => Err(Problem::wrong(format!("{other}, expected a fault {name} (0x{status:08x})"))),
        }
    }

    /// That it is a fault with this status, or the end of the connection.
    ///
    /// # Errors
    /// It is something else.
    pub fn faulted_or_ended(self, status: u32) -> Outcome {
        match self {
            Self::Ended(_) => Ok(()),
            other => other.faulted_with(status),
        }
    }

    /// That it is no activation, and no ack.
    ///
    /// # Errors
    /// It is one.
    pub fn is_refused(self) -> Outcome {
        match self {
            Self::Answer(_) | Self::Ack(_) => Err(Problem::wrong(format!("{self}, expected a refusal"))),
            _ => Ok(()),
        }
    }
}

/// In one line, without what differs from run to run.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ack(ack) => {
                f.write_str("the host acknowledges with")?;
                for (i, found) in ack.results.iter().enumerate() {
                    write!(
                        f,
                        "{} {}",
                        if i > 0 { "," } else { "" },
                        result_text(found.result, found.reason)
                    )?;
                }
                if ack.results.is_empty() { f.write_str(" no result") } else { Ok(()) }
            }
            Self::Nak(reason) => {
                write!(
                    f,
                    "the host sends a bind_nak, {} ({reason})",
                    reject_reason_name(*reason).unwrap_or("reason")
                )
            }
            Self::Answer(_) => f.write_str("the host answers with an activation"),
            Self::Refusal(hresult) => write!(f, "the host answers with HRESULT 0x{hresult:08x}"),
            Self::Fault(status) => {
                write!(
                    f,
                    "the host sends a fault {} (0x{status:08x})",
                    fault_status_name(*status).unwrap_or("fault")
                )
            }
            Self::Other(what) => write!(f, "the host sends {what}"),
            Self::NotRpc(bytes) => {
                write!(f, "the host sends what is no PDU: {}", Hex(&bytes[..bytes.len().min(HEADER_LEN)]))
            }
            Self::Ended(bytes) if bytes.is_empty() => f.write_str("the host ends the connection"),
            Self::Ended(_) => f.write_str("the host ends the connection inside a PDU"),
            Self::Silence(bytes) if bytes.is_empty() => f.write_str("the host says nothing"),
            Self::Silence(_) => f.write_str("the host stops inside a PDU"),
        }
    }
}

fn result_text(result: u16, reason: u16) -> String {
    let name = result_name(result).unwrap_or("result");
    match result {
        0 => name.to_owned(),
        2 => format!("{name} ({result}), {} ({reason})", result_reason_name(reason).unwrap_or("reason")),
        _ => format!("{name} ({result}), {reason}"),
    }
}
