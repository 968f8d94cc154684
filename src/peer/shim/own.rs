use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use smallvec::SmallVec;

use crate::kms::{
    Check, EncryptedResponse, HostIdentity, Moment, Ndr, Policy, Reply, RequestChecks, RequestMessage,
    RequestStub, Responder, ResponseBody, ResponseMessage, ResponseStub, V6Trailer, Verifier, Version,
};
use crate::mak::{ConfirmationId, GroupFault, IdError, IdErrorKind, InstallationId, digest};
use crate::rpc::{
    Bind, BindAck, Body, Framed, Framer, Header, Pdu, PduType, PresentationContext, ResultElement, SyntaxId,
    TransferSyntax,
};
use crate::wire::{Endianness, Epid, FileTime, Guid};

use super::bodies;
use super::contract::{Answer, Fields, Query};
use super::process::{Exchanged, Failure, Shim};

/// Our own implementation, asked as any other is.
#[derive(Debug, Default)]
pub struct Own {
    lines: Vec<Exchanged>,
    asked: u32,
}

impl Own {
    /// Answers a question.
    ///
    /// # Errors
    /// What it needs is not given.
    pub fn answer(query: &Query) -> Result<Answer, String> {
        answer(query)
    }
}

impl Shim for Own {
    fn ask(&mut self, query: &Query) -> Result<Answer, Failure> {
        self.lines.push(Exchanged::Asked(query.line(self.asked)));
        self.asked = self.asked.wrapping_add(1);
        let answer = answer(query).map_err(Failure::NoAnswer)?;
        self.lines.push(Exchanged::Answered(format!("{answer:?}")));
        Ok(answer)
    }

    fn take_lines(&mut self) -> Vec<Exchanged> {
        std::mem::take(&mut self.lines)
    }
}

/// Answers a question.
///
/// # Errors
/// What it needs is not given.
fn answer(query: &Query) -> Result<Answer, String> {
    match query.op {
        "echo" => Ok(Answer::Done(Fields::default().with_bytes("bytes", &query.fields.bytes("bytes")?))),
        "kms.request.decode" => decode_request(query),
        "kms.request.encode" => encode_request(query),
        "kms.response.verify" => verify_response(query),
        "kms.respond" => respond(query),
        "ndr.request.decode" => decode_request_stub(query),
        "ndr.request.encode" => encode_request_stub(query),
        "ndr.response.decode" => decode_response_stub(query),
        "ndr.response.encode" => encode_response_stub(query),
        "rpc.frame" => frame(query),
        "rpc.bind.decode" => decode_bind(query),
        "rpc.bind_ack.encode" => encode_bind_ack(query),
        "mak.installation_id.check" => {
            let text = query.fields.text("text")?;
            Ok(checked_id(InstallationId::parse(text).map(|id| id.digits().len())))
        }
        "mak.confirmation_id.check" => {
            let text = query.fields.text("text")?;
            Ok(checked_id(ConfirmationId::parse(text).map(|id| id.digits().len())))
        }
        "mak.digest.verify" => verify_digest(query),
        "epid.parse" => parse_epid(query),
        _ => Ok(Answer::Unimplemented),
    }
}

fn decode_request(query: &Query) -> Result<Answer, String> {
    let (message, checks) = RequestChecks::open(&query.fields.bytes("message")?);
    let excess = match &message {
        RequestMessage::V4(v4) => v4.excess.len(),
        RequestMessage::Encrypted(encrypted) => encrypted.excess.len(),
        RequestMessage::Other { error, .. } => return Ok(closed(error.as_ref())),
    };
    if excess > 0 {
        return Ok(Answer::refused("length", format!("{excess} bytes too many")));
    }
    let failed = checks.and_then(|checks| first_failure(&checks.by_name()));
    Ok(match (failed, message.body()) {
        (Some(check), _) => Answer::refused(check, ""),
        (None, Some(body)) => Answer::Done(bodies::of_request(body)),
        (None, None) => Answer::refused("length", ""),
    })
}

/// An envelope that could not be opened: for its version, or its length.
fn closed(error: Option<&crate::wire::Error>) -> Answer {
    match error {
        Some(error) => Answer::refused("length", error.to_string()),
        None => Answer::refused("version", ""),
    }
}

fn first_failure(checks: &[(&'static str, Check)]) -> Option<&'static str> {
    checks.iter().find(|(_, check)| *check == Check::Fail).map(|(name, _)| *name)
}

fn encode_request(query: &Query) -> Result<Answer, String> {
    let body = bodies::request(query)?;
    let iv = if body.version.major() == 4 { [0; 16] } else { query.fields.array("iv")? };
    let message = RequestMessage::new(body, iv).encode();
    Ok(Answer::Done(Fields::default().with_bytes("message", &message)))
}

fn verify_response(query: &Query) -> Result<Answer, String> {
    let request = RequestMessage::decode(&query.fields.bytes("request")?);
    let (response, checks) = Verifier::default().open(&query.fields.bytes("response")?, Some(&request));
    let excess = match &response {
        ResponseMessage::V4(v4) => v4.excess.len(),
        ResponseMessage::Encrypted(encrypted) => encrypted.excess.len(),
        ResponseMessage::Other { error, .. } => return Ok(closed(error.as_ref())),
    };
    if excess > 0 {
        return Ok(Answer::refused("length", format!("{excess} bytes too many")));
    }
    let failed = checks.and_then(|checks| first_failure(&checks.by_name()));
    Ok(match (failed, response.body()) {
        (Some(check), _) => Answer::refused(check, ""),
        (None, Some(body)) => Answer::Done(bodies::of_response(&response, body)),
        (None, None) => Answer::refused("length", ""),
    })
}

fn respond(query: &Query) -> Result<Answer, String> {
    let fields = &query.fields;
    let identity = identity(fields)?;
    let products = match fields.text("product")? {
        "" => None,
        _ => Some(vec![fields.guid("product")?]),
    };
    let policy = Policy {
        count: fields.number("count")?,
        activation_interval: fields.number("activation_interval")?,
        renewal_interval: fields.number("renewal_interval")?,
        products,
        max_clock_skew: Some(fields.long("max_clock_skew")?).filter(|&skew| skew > 0),
    };
    let mut random = [0; 32];
    random[..16].copy_from_slice(&fields.array::<16>("salt")?);
    random[16..].copy_from_slice(&fields.array::<16>("r")?);
    let moment = Moment { now: FileTime(fields.long("now")?), random };
    let request = fields.bytes("request")?;
    let stub = RequestStub::of(&request, Ndr::Ndr32).encode(Endianness::Little);
    let mut answer = Vec::new();
    let mut host = Responder::new(identity, policy);
    let reply = host.respond(&stub, Ndr::Ndr32, Endianness::Little, &moment, &mut answer);
    Ok(match &reply {
        Reply::Answered => {
            let stub = ResponseStub::parse(&answer, Ndr::Ndr32, Endianness::Little);
            let data = stub.map_err(|error| error.to_string())?.data;
            Answer::Done(Fields::default().with_bytes("response", data))
        }
        Reply::Refused(refusal) => Answer::Refused {
            check: String::new(),
            detail: refusal.to_string(),
            fields: Fields::default().with("hresult", reply.hresult()),
        },
    })
}

/// The identity of the facts that are given.
fn identity(fields: &Fields) -> Result<HostIdentity, String> {
    let body = ResponseBody {
        version: Version::V6,
        epid: SmallVec::from_vec(fields.bytes("epid")?),
        cmid: Guid::default(),
        client_time: FileTime(0),
        count: 0,
        activation_interval: 0,
        renewal_interval: 0,
    };
    let v6 = V6Trailer { hwid: fields.array("hwid")?, xored_ivs: [0; 16], hmac: [0; 16] };
    let recorded = ResponseMessage::Encrypted(EncryptedResponse {
        version: Version::V6,
        iv: [0; 16],
        body,
        xored_salt: [0; 16],
        hash: [0; 32],
        v6: Some(v6),
        padding: SmallVec::new(),
        excess: SmallVec::new(),
    });
    HostIdentity::recorded(&recorded).ok_or_else(|| "the ePID is too long".to_owned())
}

/// The transfer syntax and the byte order that are given.
fn marshalling(fields: &Fields) -> Result<(Ndr, Endianness), String> {
    let ndr = match fields.number("syntax")? {
        32 => Ndr::Ndr32,
        64 => Ndr::Ndr64,
        other => return Err(format!("syntax is {other}, and should be 32 or 64")),
    };
    Ok((ndr, if fields.flag("big")? { Endianness::Big } else { Endianness::Little }))
}

fn decode_request_stub(query: &Query) -> Result<Answer, String> {
    let (ndr, endianness) = marshalling(&query.fields)?;
    let bytes = query.fields.bytes("stub")?;
    Ok(match RequestStub::parse(&bytes, ndr, endianness) {
        Err(error) => Answer::refused("length", error.to_string()),
        Ok(stub) if u64::from(stub.size) != stub.max_count => Answer::refused("counts", ""),
        Ok(stub) if stub.missing() > 0 => Answer::refused("length", ""),
        Ok(stub) => Answer::Done(Fields::default().with_bytes("message", stub.data)),
    })
}

fn encode_request_stub(query: &Query) -> Result<Answer, String> {
    let (ndr, endianness) = marshalling(&query.fields)?;
    let stub = RequestStub::of(&query.fields.bytes("message")?, ndr).encode(endianness);
    Ok(Answer::Done(Fields::default().with_bytes("stub", &stub)))
}

fn decode_response_stub(query: &Query) -> Result<Answer, String> {
    let (ndr, endianness) = marshalling(&query.fields)?;
    let bytes = query.fields.bytes("stub")?;
    let stub = match ResponseStub::parse(&bytes, ndr, endianness) {
        Err(error) => return Ok(Answer::refused("length", error.to_string())),
        Ok(stub) => stub,
    };
    let is_counted = stub.max_count.is_none_or(|count| count == u64::from(stub.size));
    let Some(hresult) = stub.hresult.filter(|_| stub.missing() == 0 || !is_counted) else {
        return Ok(Answer::refused("length", ""));
    };
    Ok(match stub.max_count {
        _ if !is_counted => Answer::refused("counts", ""),
        None if hresult == 0 => Answer::refused("null_pointer", ""),
        _ => Answer::Done(Fields::default().with_bytes("message", stub.data).with("hresult", hresult)),
    })
}

fn encode_response_stub(query: &Query) -> Result<Answer, String> {
    let (ndr, endianness) = marshalling(&query.fields)?;
    let message = query.fields.bytes("message")?;
    let stub = match query.fields.number("hresult")? {
        0 => ResponseStub::of(&message, ndr),
        hresult => ResponseStub::refusal(hresult, ndr),
    };
    Ok(Answer::Done(Fields::default().with_bytes("stub", &stub.encode(endianness))))
}

fn frame(query: &Query) -> Result<Answer, String> {
    let stream = query.fields.bytes("stream")?;
    let mut lengths: Vec<String> = Vec::new();
    let mut rest = 0;
    let mut refused = None;
    let mut take = |framed: Framed<'_, ()>| match framed {
        Framed::Pdu { bytes, .. } => lengths.push(bytes.len().to_string()),
        Framed::Cut { bytes, .. } => rest = bytes.len(),
        Framed::Skipped { error, .. } => {
            let check = if error.field == "rpc_vers" { "version" } else { "length" };
            refused.get_or_insert_with(|| Answer::refused(check, error.to_string()));
        }
    };
    let mut framer = Framer::default();
    framer.push(0, &stream, (), &mut take);
    framer.finish(&mut take);
    Ok(refused.unwrap_or_else(|| {
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        Answer::Done(
            Fields::default()
                .with("pdus", count(lengths.len()))
                .with("lengths", lengths.join(","))
                .with("rest", count(rest)),
        )
    }))
}

fn decode_bind(query: &Query) -> Result<Answer, String> {
    let bytes = query.fields.bytes("pdu")?;
    let (header, bind) = match Pdu::parse(&bytes) {
        Ok(Pdu { header, body: Body::Bind(bind), .. }) => (header, bind),
        Ok(_) => return Ok(Answer::refused("type", "")),
        Err(error) => return Ok(Answer::refused("length", error.to_string())),
    };
    let count = u32::try_from(bind.contexts.len()).unwrap_or(u32::MAX);
    let mut fields = Fields::default()
        .with("call_id", header.call_id)
        .with("max_xmit_frag", u32::from(bind.max_xmit_frag))
        .with("max_recv_frag", u32::from(bind.max_recv_frag))
        .with("assoc_group_id", bind.assoc_group_id)
        .with("contexts", count);
    for (i, context) in bind.contexts.iter().enumerate() {
        let transfer = context.transfer_syntaxes.first().copied().unwrap_or_default();
        fields = fields
            .with(format!("context_{i}"), u32::from(context.id))
            .with(format!("abstract_{i}"), context.abstract_syntax.uuid)
            .with(format!("transfer_{i}"), transfer.uuid);
    }
    Ok(Answer::Done(fields))
}

fn encode_bind_ack(query: &Query) -> Result<Answer, String> {
    let bytes = query.fields.bytes("bind")?;
    let pdu = Pdu::parse(&bytes).map_err(|error| error.to_string())?;
    let Body::Bind(bind) = &pdu.body else { return Err("it is no bind".to_owned()) };
    let results = results(bind, query.fields.flag("ndr64")?);
    let port = format!("{}\0", query.fields.text("port")?);
    let ack = BindAck {
        max_xmit_frag: bind.max_recv_frag,
        max_recv_frag: bind.max_xmit_frag,
        assoc_group_id: query.fields.number("assoc_group_id")?,
        secondary_address: port.as_bytes(),
        padding: &[0; 3][..(26 + port.len()).wrapping_neg() % 4],
        n_results: bind.n_context_elem,
        reserved: [0; 3],
        results,
    };
    let header = Header::new(PduType::BIND_ACK, pdu.header.call_id);
    let pdu = Pdu { header, body: Body::BindAck(ack), rest: &[], auth: None };
    let bytes = pdu.encode_sized().map_err(|error| error.to_string())?;
    Ok(Answer::Done(Fields::default().with_bytes("pdu", &bytes)))
}

/// What a genuine host makes of the contexts of a bind: NDR32 is refused where NDR64 is taken.
fn results(bind: &Bind, takes_ndr64: bool) -> Vec<ResultElement> {
    let is_proposed = |context: &PresentationContext| {
        context.abstract_syntax == SyntaxId::KMS && context.transfer_syntaxes.contains(&SyntaxId::NDR64)
    };
    let taken = match takes_ndr64 && bind.contexts.iter().any(is_proposed) {
        true => SyntaxId::NDR64,
        false => SyntaxId::NDR32,
    };
    let judged = |context: &PresentationContext| {
        let first = context.transfer_syntaxes.first().map(|syntax| syntax.transfer());
        let (result, reason, transfer_syntax) = match first {
            Some(TransferSyntax::BindTimeFeatures(bits)) => (3, bits & 3, SyntaxId::default()),
            _ if context.abstract_syntax != SyntaxId::KMS => (2, 1, SyntaxId::default()),
            _ if context.transfer_syntaxes.contains(&taken) => (0, 0, taken),
            _ => (2, 2, SyntaxId::default()),
        };
        ResultElement { result, reason, transfer_syntax }
    };
    bind.contexts.iter().map(judged).collect()
}

fn checked_id(id: Result<usize, IdError>) -> Answer {
    let error = match id {
        Ok(digits) => {
            return Answer::Done(Fields::default().with("digits", u32::try_from(digits).unwrap_or(u32::MAX)));
        }
        Err(error) => error,
    };
    let check = match error.kind {
        IdErrorKind::Character { .. } => "character",
        IdErrorKind::CheckDigits { .. } => "check_digit",
        _ => "length",
    };
    let wrong = error.groups.iter().find(|group| matches!(group.fault, GroupFault::CheckDigit { .. }));
    let group = wrong.and_then(|group| u32::try_from(group.ordinal).ok());
    let fields = group.map_or_else(Fields::default, |group| Fields::default().with("group", group));
    Answer::Refused { check: check.to_owned(), detail: error.to_string(), fields }
}

fn verify_digest(query: &Query) -> Result<Answer, String> {
    let decoded = |name| query.fields.text(name).map(|text| STANDARD.decode(text));
    Ok(match (decoded("request_xml")?, decoded("digest")?) {
        (Ok(request_xml), Ok(claimed)) if digest(&request_xml)[..] == claimed[..] => {
            Answer::Done(Fields::default())
        }
        (Ok(_), Ok(_)) => Answer::refused("digest", ""),
        (Err(error), _) | (_, Err(error)) => Answer::refused("base64", error.to_string()),
    })
}

fn parse_epid(query: &Query) -> Result<Answer, String> {
    let epid = match Epid::parse(query.fields.text("text")?) {
        Ok(epid) => epid,
        Err(error) => return Ok(Answer::refused("format", error.to_string())),
    };
    let is_leap =
        epid.year.is_multiple_of(4) && (!epid.year.is_multiple_of(100) || epid.year.is_multiple_of(400));
    let last = if is_leap { 366 } else { 365 };
    let Some(platform_id) = epid.platform_id else {
        return Ok(Answer::refused("format", "the platform id is masked"));
    };
    if !(1..=last).contains(&epid.day) {
        return Ok(Answer::refused("day", format!("day {} of {}", epid.day, epid.year)));
    }
    Ok(Answer::Done(
        Fields::default()
            .with("platform_id", platform_id)
            .with("group", epid.group)
            .with("key_sequence", epid.key_sequence)
            .with("channel", epid.channel)
            .with("lcid", epid.lcid)
            .with("build", epid.build)
            .with("day", epid.day)
            .with("year", epid.year),
    ))
}

#[cfg(test)]
mod tests {
    use super::super::{Plan, cases, test};
    use super::*;
    use crate::conformance::Verdict;

    #[test]
    fn our_own_implementation_passes_every_case_whatever_the_seed() {
        for seed in 0..20 {
            let plan = Plan { seed, repeats: 1, repeat: (String::new(), String::new()) };
            for result in test(&mut Own::default(), cases(), &plan) {
                let shown = (&result.message, &result.transcript);
                assert_eq!(result.verdict, Verdict::Pass, "{}, seed {seed}: {shown:#?}", result.id);
            }
        }
    }
}
