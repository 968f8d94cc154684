use std::collections::BTreeMap;
use std::fmt::Display;

use serde::{Serialize, Serializer};

use crate::capture::Stamp;
use crate::catalog::{hresult, license_status, product};
use crate::kms::{Check, RequestMessage, ResponseMessage};
use crate::rpc::{self, Context, Outcome as ContextOutcome};
use crate::trace::{
    Answer, ConnectionRecord, ContextStanding, Exchange, FaultRecord, FileRecord, Notice, Observer,
    PduContent, PduRecord, RequestRecord, ResponseRecord, Scribe, Span, Summary,
};
use crate::wire::{self, Guid, Hex, Rfc3339};

use super::names::EpidParts;

/// Name and version of the records' schema, `docs/jsonl.md`. The number grows when a field goes or changes its
/// meaning; a new field does not change it.
pub const SCHEMA: &str = "volact-decode/1";

/// Writes one JSON object a line, each with a `type`.
pub struct JsonReport {
    page: Vec<u8>,
    file: String,
    verbose: bool,
}

impl JsonReport {
    /// `verbose` adds a record for each PDU and the raw bytes of the stubs.
    #[must_use]
    pub fn new(verbose: bool) -> Self {
        Self { page: Vec::new(), file: String::new(), verbose }
    }

    /// Names the file that is read next.
    pub fn begin(&mut self, file: &str) {
        file.clone_into(&mut self.file);
    }

    fn write(&mut self, kind: &'static str, record: impl Serialize) {
        let line = Line { r#type: kind, file: &self.file, record };
        let before = self.page.len();
        if serde_json::to_writer(&mut self.page, &line).is_err() {
            self.page.truncate(before);
            return;
        }
        self.page.push(b'\n');
    }
}

impl Scribe for JsonReport {
    fn written(&self) -> usize {
        self.page.len()
    }

    fn turn(&mut self, empty: Vec<u8>) -> Vec<u8> {
        std::mem::replace(&mut self.page, empty)
    }
}

impl Observer for JsonReport {
    fn file(&mut self, file: &FileRecord<'_>) {
        self.begin(file.name);
        self.write(
            "file",
            FileLine {
                schema: SCHEMA,
                format: file.format.map_or("merged", crate::capture::CaptureFormat::name),
            },
        );
    }

    fn pdu(&mut self, pdu: &PduRecord<'_>) {
        if self.verbose {
            self.write("pdu", PduLine::of(pdu));
        }
    }

    fn exchange(&mut self, exchange: &Exchange) {
        self.write("exchange", ExchangeLine::of(exchange, self.verbose));
    }

    fn connection(&mut self, connection: &ConnectionRecord) {
        self.write("connection", ConnectionLine::of(connection));
    }

    fn notice(&mut self, notice: &Notice) {
        self.write("notice", NoticeLine::of(notice));
    }

    fn summary(&mut self, summary: &Summary) {
        self.write("summary", SummaryLine::of(summary));
    }
}

/// Anything that shows itself, as a JSON string.
struct Shown<T>(T);

impl<T: Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

type HexText<'a> = Shown<Hex<'a>>;

fn hex(bytes: &[u8]) -> HexText<'_> {
    Shown(Hex(bytes))
}

fn hex_if_any(bytes: &[u8]) -> Option<HexText<'_>> {
    (!bytes.is_empty()).then(|| hex(bytes))
}

#[derive(Serialize)]
struct Line<'a, R> {
    r#type: &'static str,
    file: &'a str,
    #[serde(flatten)]
    record: R,
}

#[derive(Serialize)]
struct FileLine {
    schema: &'static str,
    format: &'static str,
}

#[derive(Serialize)]
struct ErrorText {
    layer: &'static str,
    field: &'static str,
    offset: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    needed: Option<u64>,
    got: u64,
    message: String,
}

impl ErrorText {
    fn of(error: &wire::Error) -> Self {
        Self {
            layer: error.layer,
            field: error.field,
            offset: error.offset,
            needed: error.needed(),
            got: error.got(),
            message: error.to_string(),
        }
    }
}

/// Where a run of PDUs came.
#[derive(Serialize)]
struct SpanFields {
    first_frame: u64,
    last_frame: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Shown<Rfc3339>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_ns: Option<i64>,
    fragments: u32,
    complete: bool,
}

impl SpanFields {
    fn of(span: Span) -> Self {
        Self {
            first_frame: span.first.frame,
            last_frame: span.last.frame,
            time: rfc3339(span.first),
            time_ns: span.first.time,
            fragments: span.fragments,
            complete: span.complete,
        }
    }
}

fn rfc3339(stamp: Stamp) -> Option<Shown<Rfc3339>> {
    stamp.time.map(|time| Shown(Rfc3339(time)))
}

#[derive(Serialize)]
struct ExchangeLine<'a> {
    stream: u64,
    client: Shown<crate::capture::Endpoint>,
    server: Shown<crate::capture::Endpoint>,
    call_id: u32,
    context_id: Option<u16>,
    context: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_result: Option<(u16, u16)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<Shown<rpc::SyntaxId>>,
    ndr: Shown<crate::kms::Ndr>,
    ndr_basis: &'static str,
    outcome: &'static str,
    service_time_ns: Option<i64>,
    request: Option<RequestFields<'a>>,
    response: Option<ResponseFields<'a>>,
    fault: Option<FaultFields>,
    checks: Option<Checks>,
}

impl<'a> ExchangeLine<'a> {
    fn of(exchange: &'a Exchange, verbose: bool) -> Self {
        let (response, fault) = match &exchange.answer {
            Some(Answer::Response(response)) => (Some(ResponseFields::of(response, verbose)), None),
            Some(Answer::Fault(fault)) => (None, Some(FaultFields::of(fault))),
            None => (None, None),
        };
        let checks = exchange.checks.as_ref();
        Self {
            stream: exchange.stream,
            client: Shown(exchange.client),
            server: Shown(exchange.server),
            call_id: exchange.call_id,
            context_id: exchange.context_id,
            context: exchange.standing.name(),
            context_result: match exchange.standing {
                ContextStanding::Rejected(result, reason) => Some((result, reason)),
                _ => None,
            },
            interface: match exchange.standing {
                ContextStanding::Foreign(interface) => Some(Shown(interface)),
                _ => None,
            },
            ndr: Shown(exchange.ndr),
            ndr_basis: exchange.ndr_basis.name(),
            outcome: exchange.outcome().name(),
            service_time_ns: exchange.service_time(),
            request: exchange.request.as_ref().map(|request| RequestFields::of(request, verbose)),
            response,
            fault,
            checks: checks.map(|checks| Checks::of(&checks.by_name(), checks.hmac_slot)),
        }
    }
}

/// The verifications that a version has: `true`, `false`, or `null` where the request is not there.
struct Checks {
    checks: Vec<(&'static str, Option<bool>)>,
    hmac_slot: Option<i8>,
}

impl Checks {
    fn of(checks: &[(&'static str, Check)], hmac_slot: Option<i8>) -> Self {
        let known = checks.iter().filter_map(|&(name, check)| match check {
            Check::Pass => Some((name, Some(true))),
            Check::Fail => Some((name, Some(false))),
            Check::NoRequest => Some((name, None)),
            Check::NotApplicable => None,
        });
        Self { checks: known.collect(), hmac_slot }
    }
}

impl Serialize for Checks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(None)?;
        for (name, holds) in &self.checks {
            map.serialize_entry(name, holds)?;
        }
        if let Some(slot) = self.hmac_slot {
            map.serialize_entry("hmac_slot", &slot)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct RequestFields<'a> {
    #[serde(flatten)]
    span: SpanFields,
    opnum: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<Shown<Guid>>,
    stub_len: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    stub: Option<HexText<'a>>,
    #[serde(flatten)]
    counts: Option<RequestCounts<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fits: Option<Shown<crate::kms::Ndr>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorText>,
    #[serde(flatten)]
    message: Option<RequestMessageFields<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checks: Option<Checks>,
}

#[derive(Serialize)]
struct RequestCounts<'a> {
    data_length: u64,
    size_is: u64,
    len: usize,
    #[serde(skip_serializing_if = "is_zero")]
    missing: usize,
    excess: HexText<'a>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands out references
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl<'a> RequestFields<'a> {
    fn of(request: &'a RequestRecord, verbose: bool) -> Self {
        Self {
            span: SpanFields::of(request.span),
            opnum: request.opnum,
            object: request.object.map(Shown),
            stub_len: request.bytes.len(),
            stub: verbose.then(|| hex(&request.bytes)),
            counts: request.stub.as_ref().map(|stub| RequestCounts {
                data_length: stub.size_slot,
                size_is: stub.max_count,
                len: stub.data_length,
                missing: stub.missing,
                excess: hex(&stub.excess),
            }),
            fits: request.fits.map(Shown),
            error: request.error.as_ref().map(ErrorText::of),
            message: request.message.as_ref().map(RequestMessageFields::of),
            checks: request.checks.as_ref().map(|checks| Checks::of(&checks.by_name(), None)),
        }
    }
}

#[derive(Serialize)]
struct RequestMessageFields<'a> {
    envelope_version: Option<Shown<crate::kms::Version>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iv_wire: Option<HexText<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iv_decrypted: Option<String>,
    #[serde(flatten)]
    body: Option<RequestBodyFields>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mac: Option<HexText<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pad: Option<HexText<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_excess: Option<HexText<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unread: Option<HexText<'a>>,
}

#[derive(Serialize)]
struct RequestBodyFields {
    version: Shown<crate::kms::Version>,
    vm_info: u32,
    license_status: u32,
    license_status_name: Option<&'static str>,
    binding_expiration: u32,
    app_id: Shown<Guid>,
    app_name: Option<&'static str>,
    sku_id: Shown<Guid>,
    sku_name: Option<&'static str>,
    kms_id: Shown<Guid>,
    kms_name: Option<&'static str>,
    cmid: Shown<Guid>,
    cmid_prev: Shown<Guid>,
    n_policy: u32,
    client_time: i64,
    client_time_utc: Shown<wire::FileTime>,
    machine_name: String,
}

impl<'a> RequestMessageFields<'a> {
    fn of(message: &'a RequestMessage) -> Self {
        let body = message.body().map(|body| RequestBodyFields {
            version: Shown(body.version),
            vm_info: body.vm_info,
            license_status: body.license_status,
            license_status_name: license_status::name(body.license_status),
            binding_expiration: body.binding_expiration,
            app_id: Shown(body.app_id),
            app_name: product::application(body.app_id).map(|application| application.name),
            sku_id: Shown(body.act_id),
            sku_name: product::sku(body.act_id).map(|sku| sku.name),
            kms_id: Shown(body.kms_id),
            kms_name: product::kms_id(body.kms_id).map(|kms| kms.name),
            cmid: Shown(body.cmid),
            cmid_prev: Shown(body.cmid_prev),
            n_policy: body.n_policy,
            client_time: body.client_time.0.cast_signed(),
            client_time_utc: Shown(body.client_time),
            machine_name: body.machine_name_text(),
        });
        let mut fields = Self {
            envelope_version: message.version().map(Shown),
            iv_wire: None,
            iv_decrypted: None,
            body,
            mac: None,
            pad: None,
            message_excess: None,
            unread: None,
        };
        match message {
            RequestMessage::V4(request) => {
                fields.mac = Some(hex(&request.mac));
                fields.message_excess = hex_if_any(&request.excess);
            }
            RequestMessage::Encrypted(request) => {
                fields.iv_wire = Some(hex(&request.iv));
                fields.iv_decrypted = Some(Hex(&request.decrypted_iv()).to_string());
                fields.pad = Some(hex(&request.padding));
                fields.message_excess = hex_if_any(&request.excess);
            }
            RequestMessage::Other { bytes, .. } => fields.unread = Some(hex(bytes)),
        }
        fields
    }
}

#[derive(Serialize)]
struct ResponseFields<'a> {
    #[serde(flatten)]
    span: SpanFields,
    stub_len: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    stub: Option<HexText<'a>>,
    #[serde(flatten)]
    counts: Option<ResponseCounts<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorText>,
    #[serde(flatten)]
    message: Option<ResponseMessageFields<'a>>,
}

#[derive(Serialize)]
struct ResponseCounts<'a> {
    data_length: u64,
    referent: u64,
    size_is: Option<u64>,
    len: usize,
    #[serde(skip_serializing_if = "is_zero")]
    missing: usize,
    stub_padding: HexText<'a>,
    hresult: Option<Shown<HResult>>,
    hresult_symbol: Option<&'static str>,
    trailing: HexText<'a>,
}

/// `0xC004F042`.
struct HResult(u32);

impl Display for HResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "0x{:08X}", self.0)
    }
}

impl<'a> ResponseFields<'a> {
    fn of(response: &'a ResponseRecord, verbose: bool) -> Self {
        Self {
            span: SpanFields::of(response.span),
            stub_len: response.bytes.len(),
            stub: verbose.then(|| hex(&response.bytes)),
            counts: response.stub.as_ref().map(|stub| ResponseCounts {
                data_length: stub.size_slot,
                referent: stub.referent,
                size_is: stub.max_count,
                len: stub.data_length,
                missing: stub.missing,
                stub_padding: hex(&stub.padding),
                hresult: stub.hresult.map(|hresult| Shown(HResult(hresult))),
                hresult_symbol: stub.hresult.and_then(hresult::symbol),
                trailing: hex(&stub.excess),
            }),
            error: response.error.as_ref().map(ErrorText::of),
            message: response.message.as_ref().map(ResponseMessageFields::of),
        }
    }
}

#[derive(Serialize)]
struct ResponseMessageFields<'a> {
    envelope_version: Option<Shown<crate::kms::Version>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_len: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iv_wire: Option<HexText<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iv_decrypted: Option<String>,
    #[serde(flatten)]
    body: Option<ResponseBodyFields>,
    #[serde(skip_serializing_if = "Option::is_none")]
    xored_salt: Option<HexText<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<HexText<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hwid: Option<HexText<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    xored_ivs: Option<HexText<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hmac: Option<HexText<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mac: Option<HexText<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pad: Option<HexText<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_excess: Option<HexText<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unread: Option<HexText<'a>>,
}

#[derive(Serialize)]
struct ResponseBodyFields {
    version: Shown<crate::kms::Version>,
    pid_size: usize,
    epid: String,
    epid_parts: Option<EpidFields>,
    cmid: Shown<Guid>,
    client_time: i64,
    client_time_utc: Shown<wire::FileTime>,
    count: u32,
    activation_interval: u32,
    renewal_interval: u32,
}

#[derive(Serialize)]
struct EpidFields {
    platform_id: u32,
    group: u32,
    key_sequence: u32,
    key_name: Option<&'static str>,
    channel: u32,
    lcid: u32,
    language: Option<&'static str>,
    build: u32,
    build_name: Option<&'static str>,
    day: u32,
    year: u32,
}

impl EpidFields {
    fn of(text: &str) -> Option<Self> {
        let EpidParts { epid, build, csvlk, language } = EpidParts::of(text)?;
        Some(Self {
            platform_id: epid.platform_id,
            group: epid.group,
            key_sequence: epid.key_sequence,
            key_name: csvlk,
            channel: epid.channel,
            lcid: epid.lcid,
            language,
            build: epid.build,
            build_name: build,
            day: epid.day,
            year: epid.year,
        })
    }
}

impl<'a> ResponseMessageFields<'a> {
    fn of(message: &'a ResponseMessage) -> Self {
        let body = message.body().map(|body| {
            let epid = body.epid_text();
            ResponseBodyFields {
                version: Shown(body.version),
                pid_size: body.pid_size(),
                epid_parts: EpidFields::of(&epid),
                epid,
                cmid: Shown(body.cmid),
                client_time: body.client_time.0.cast_signed(),
                client_time_utc: Shown(body.client_time),
                count: body.count,
                activation_interval: body.activation_interval,
                renewal_interval: body.renewal_interval,
            }
        });
        let mut fields = Self {
            envelope_version: message.version().map(Shown),
            expected_len: message.expected_len(),
            iv_wire: None,
            iv_decrypted: None,
            body,
            xored_salt: None,
            hash: None,
            hwid: None,
            xored_ivs: None,
            hmac: None,
            mac: None,
            pad: None,
            message_excess: None,
            unread: None,
        };
        match message {
            ResponseMessage::V4(response) => {
                fields.mac = Some(hex(&response.mac));
                fields.message_excess = hex_if_any(&response.excess);
            }
            ResponseMessage::Encrypted(response) => {
                fields.iv_wire = Some(hex(&response.iv));
                fields.iv_decrypted = Some(Hex(&response.decrypted_iv()).to_string());
                fields.xored_salt = Some(hex(&response.xored_salt));
                fields.hash = Some(hex(&response.hash));
                if let Some(v6) = &response.v6 {
                    fields.hwid = Some(hex(&v6.hwid));
                    fields.xored_ivs = Some(hex(&v6.xored_ivs));
                    fields.hmac = Some(hex(&v6.hmac));
                }
                fields.pad = Some(hex(&response.padding));
                fields.message_excess = hex_if_any(&response.excess);
            }
            ResponseMessage::Other { bytes, .. } => fields.unread = Some(hex(bytes)),
        }
        fields
    }
}

#[derive(Serialize)]
struct FaultFields {
    #[serde(flatten)]
    span: SpanFields,
    status: Option<String>,
    status_name: Option<&'static str>,
}

impl FaultFields {
    fn of(fault: &FaultRecord) -> Self {
        Self {
            span: SpanFields::of(fault.span),
            status: fault.status.map(|status| format!("0x{status:08x}")),
            status_name: fault.status.and_then(rpc::fault_status_name),
        }
    }
}

#[derive(Serialize)]
struct PduLine<'a> {
    stream: u64,
    dir: &'static str,
    offset: u64,
    first_frame: u64,
    last_frame: u64,
    content: &'static str,
    #[serde(flatten)]
    header: Option<HeaderFields>,
    length: u64,
    bytes: HexText<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorText>,
}

#[derive(Serialize)]
struct HeaderFields {
    ptype: u8,
    ptype_name: Option<&'static str>,
    flags: u8,
    drep: String,
    frag_len: u16,
    auth_len: u16,
    call_id: u32,
}

impl HeaderFields {
    fn of(header: &rpc::Header) -> Self {
        Self {
            ptype: header.ptype.0,
            ptype_name: header.ptype.name(),
            flags: header.flags.0,
            drep: Hex(&header.drep.0).to_string(),
            frag_len: header.frag_length,
            auth_len: header.auth_length,
            call_id: header.call_id,
        }
    }
}

impl<'a> PduLine<'a> {
    fn of(pdu: &'a PduRecord<'_>) -> Self {
        let (content, header, bytes, length, error) = match &pdu.content {
            PduContent::Whole { pdu, bytes, error } => {
                ("whole", Some(&pdu.header), *bytes, bytes.len() as u64, error.map(ErrorText::of))
            }
            PduContent::Cut { header, bytes } => ("cut", header.as_ref(), *bytes, bytes.len() as u64, None),
            PduContent::Skipped { length, sample } => ("skipped", None, *sample, *length, None),
        };
        Self {
            stream: pdu.stream,
            dir: pdu.direction.name(),
            offset: pdu.offset,
            first_frame: pdu.first.frame,
            last_frame: pdu.last.frame,
            content,
            header: header.map(HeaderFields::of),
            length,
            bytes: hex(bytes),
            error,
        }
    }
}

#[derive(Serialize)]
struct ConnectionLine {
    stream: u64,
    client: Shown<crate::capture::Endpoint>,
    server: Shown<crate::capture::Endpoint>,
    first_frame: u64,
    last_frame: u64,
    time: Option<Shown<Rfc3339>>,
    packets: u64,
    bytes_c2s: u64,
    bytes_s2c: u64,
    end: &'static str,
    reset_by: Option<&'static str>,
    stage: &'static str,
    kms: bool,
    gaps: bool,
    pdus_c2s: u64,
    pdus_s2c: u64,
    skipped_c2s: u64,
    skipped_s2c: u64,
    cut_c2s: u64,
    cut_s2c: u64,
    bind_nak: Option<u16>,
    contexts: Vec<ContextFields>,
    exchanges: u64,
    other_calls: u64,
}

#[derive(Serialize)]
struct ContextFields {
    id: u16,
    interface: Shown<Guid>,
    interface_version: String,
    interface_name: Option<&'static str>,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    transfer_syntax: Option<Shown<rpc::TransferSyntax>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<u16>,
}

impl ContextFields {
    fn of(context: &Context) -> Self {
        let (outcome, transfer_syntax, result, reason) = match context.outcome {
            ContextOutcome::Pending => ("unanswered", None, None, None),
            ContextOutcome::Accepted(syntax) => ("accepted", Some(Shown(syntax)), None, None),
            ContextOutcome::Rejected { result, reason } => ("rejected", None, Some(result), Some(reason)),
            ContextOutcome::Refused => ("refused", None, None, None),
            ContextOutcome::Negotiated(bits) => ("negotiated", None, Some(3), Some(bits)),
        };
        let interface = context.interface;
        Self {
            id: context.id,
            interface: Shown(interface.uuid),
            interface_version: format!("{}.{}", interface.major(), interface.minor()),
            interface_name: rpc::interface_name(interface.uuid),
            outcome,
            transfer_syntax,
            result,
            reason,
        }
    }
}

impl ConnectionLine {
    fn of(connection: &ConnectionRecord) -> Self {
        let flow = &connection.flow;
        Self {
            stream: flow.stream,
            client: Shown(flow.client),
            server: Shown(flow.server),
            first_frame: flow.first.frame,
            last_frame: flow.last.frame,
            time: rfc3339(flow.first),
            packets: flow.packets,
            bytes_c2s: flow.bytes[0],
            bytes_s2c: flow.bytes[1],
            end: connection.end.name(),
            reset_by: flow.reset.map(|(direction, _)| match direction {
                crate::capture::Direction::ToServer => "client",
                crate::capture::Direction::ToClient => "server",
            }),
            stage: connection.stage().name(),
            kms: connection.is_kms,
            gaps: connection.has_gaps,
            pdus_c2s: connection.pdus[0],
            pdus_s2c: connection.pdus[1],
            skipped_c2s: connection.skipped[0],
            skipped_s2c: connection.skipped[1],
            cut_c2s: connection.cut[0],
            cut_s2c: connection.cut[1],
            bind_nak: connection.bind_nak,
            contexts: connection.contexts.iter().map(ContextFields::of).collect(),
            exchanges: connection.exchanges,
            other_calls: connection.other_calls,
        }
    }
}

#[derive(Serialize)]
struct NoticeLine<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    frame: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dir: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    needed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    got: Option<u64>,
    message: &'a str,
}

impl<'a> NoticeLine<'a> {
    fn of(notice: &'a Notice) -> Self {
        Self {
            kind: notice.kind.name(),
            frame: notice.frame,
            file_offset: notice.file_offset,
            stream: notice.stream,
            dir: notice.direction.map(crate::capture::Direction::name),
            offset: notice.stream_offset,
            needed: notice.needed,
            got: notice.got,
            message: &notice.message,
        }
    }
}

#[derive(Serialize)]
struct SummaryLine<'a> {
    packets: u64,
    bytes: u64,
    segments: u64,
    not_ip: u64,
    other_protocols: u64,
    fragments: u64,
    incomplete_datagrams: u64,
    cut_headers: u64,
    unknown_links: &'a BTreeMap<u16, u64>,
    connections: u64,
    other_connections: u64,
    pdus: u64,
    exchanges: u64,
    answered: u64,
    refused: u64,
    faults: u64,
    unreadable: u64,
    unanswered: u64,
    failed_checks: u64,
    late_bytes: u64,
    evicted_connections: u64,
    notices: u64,
}

impl<'a> SummaryLine<'a> {
    fn of(summary: &'a Summary) -> Self {
        Self {
            packets: summary.packets,
            bytes: summary.bytes,
            segments: summary.segments,
            not_ip: summary.not_ip,
            other_protocols: summary.other_protocols,
            fragments: summary.fragments,
            incomplete_datagrams: summary.incomplete_datagrams,
            cut_headers: summary.cut_headers,
            unknown_links: &summary.unknown_links,
            connections: summary.connections,
            other_connections: summary.other_connections,
            pdus: summary.pdus,
            exchanges: summary.exchanges,
            answered: summary.answered,
            refused: summary.refused,
            faults: summary.faults,
            unreadable: summary.unreadable,
            unanswered: summary.unanswered,
            failed_checks: summary.failed_checks,
            late_bytes: summary.late_bytes,
            evicted_connections: summary.evicted_connections,
            notices: summary.notices,
        }
    }
}
