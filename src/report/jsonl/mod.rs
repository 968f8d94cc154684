mod directory;
mod discovery;
mod mak;
mod vmbus;

use crate::capture::{About, Comment, Direction};
use crate::catalog::{hresult, license_status, product};
use crate::kms::{
    Check, RequestBody, RequestChecks, RequestMessage, ResponseBody, ResponseChecks, ResponseMessage,
};
use crate::mak::vamt::Computer;
use crate::redact;
use crate::rpc::{self, Context, Outcome as ContextOutcome};
use crate::trace::{
    Answer, ChannelRecord, ConnectionRecord, ContextStanding, ControlRecord, DirectoryExchange, Exchange,
    FaultRecord, FileFormat, FileRecord, Found, GuestExchange, Lookup, MakExchange, Notice, ObjectRecord,
    Observer, PduContent, PduRecord, RequestRecord, ResponseRecord, Scribe, Search, Span, Summary,
};
use crate::wire::{self, Hex, Rfc3339, hex};

use crate::report::json::{Dotted, IfAny, Json, Object, Shown, Value, fields};
use crate::report::names::EpidParts;
use crate::report::suspicion::Suspicion;

/// Name and version of the records' schema, `docs/jsonl.md`. The number grows when a field goes or changes its
/// meaning; a new field does not change it.
pub const SCHEMA: &str = "volact-decode/1";

/// Writes one JSON object a line, each with a `type`.
pub struct JsonReport {
    page: Json,
    file: String,
    verbose: bool,
    suspicion: Suspicion,
}

impl JsonReport {
    /// `verbose` adds a record for each PDU and the raw bytes of the stubs.
    #[must_use]
    pub fn new(verbose: bool) -> Self {
        Self { page: Json::default(), file: String::new(), verbose, suspicion: Suspicion::default() }
    }

    /// Names the file that is read next.
    pub fn begin(&mut self, file: &str) {
        self.file = redact::text(file).into_owned();
    }

    fn write(&mut self, kind: &'static str, record: impl Fn(&mut Json)) {
        self.suspicion.raise();
        self.write_unsuspected(kind, record);
    }

    /// What is written may hold product keys only as far as [`Suspicion`] says.
    fn write_unsuspected(&mut self, kind: &'static str, record: impl Fn(&mut Json)) {
        let Self { page, file, .. } = self;
        page.line(&Object(|json: &mut Json| {
            fields!(json, "type": kind, "file": *file);
            record(json);
        }));
    }
}

impl Scribe for JsonReport {
    fn written(&self) -> usize {
        self.page.len()
    }

    fn turn(&mut self, empty: Vec<u8>) -> Vec<u8> {
        let mut page = self.page.turn(empty);
        self.suspicion.settle(&mut page);
        page
    }
}

impl Observer for JsonReport {
    fn file(&mut self, file: &FileRecord<'_>) {
        self.begin(file.name);
        let format = file.format.map_or("merged", FileFormat::name);
        let files = (!file.files.is_empty()).then_some(file.files);
        self.write("file", |json| fields!(json, "schema": SCHEMA, "format": format, "files": IfAny(files)));
    }

    fn pdu(&mut self, pdu: &PduRecord<'_>) {
        if self.verbose {
            self.write("pdu", |json| write_pdu(json, pdu));
        }
    }

    fn exchange(&mut self, exchange: &Exchange) {
        let verbose = self.verbose;
        self.suspicion.exchange(exchange, verbose);
        self.write_unsuspected("exchange", |json| write_exchange(json, exchange, verbose));
    }

    fn mak(&mut self, exchange: &MakExchange) {
        self.write("mak", |json| mak::write_mak(json, exchange));
    }

    fn computer(&mut self, computer: &Computer) {
        self.write("computer", |json| mak::write_computer(json, computer));
    }

    fn directory(&mut self, exchange: &DirectoryExchange) {
        self.write("directory", |json| directory::write_directory(json, exchange));
    }

    fn object(&mut self, object: &ObjectRecord) {
        self.write("object", |json| directory::write_object(json, object));
    }

    fn lookup(&mut self, lookup: &Lookup) {
        self.write("lookup", |json| discovery::write_lookup(json, lookup));
    }

    fn search(&mut self, search: &Search) {
        self.write("search", |json| discovery::write_search(json, search));
    }

    fn guest(&mut self, exchange: &GuestExchange) {
        self.write("guest", |json| vmbus::write_guest(json, exchange));
    }

    fn channel(&mut self, channel: &ChannelRecord) {
        self.write("channel", |json| vmbus::write_channel(json, channel));
    }

    fn control(&mut self, control: &ControlRecord) {
        if self.verbose {
            self.write("control", |json| vmbus::write_control(json, control));
        }
    }

    fn connection(&mut self, connection: &ConnectionRecord) {
        self.suspicion.connection(connection);
        self.write_unsuspected("connection", |json| write_connection(json, connection));
    }

    fn notice(&mut self, notice: &Notice) {
        self.write("notice", |json| write_notice(json, notice));
    }

    fn comment(&mut self, comment: &Comment) {
        let Comment { about, frame, text } = comment;
        let (about, interface) = match *about {
            About::Section => ("section", None),
            About::Interface(number) => ("interface", Some(number)),
            About::Packet => ("packet", None),
        };
        self.write("comment", |json| {
            fields!(json, "about": about, "interface_index": IfAny(interface), "frame": *frame, "text": *text);
        });
    }

    fn summary(&mut self, summary: &Summary) {
        self.write("summary", |json| write_summary(json, summary));
    }
}

fn write_exchange(json: &mut Json, exchange: &Exchange, verbose: bool) {
    let (response, fault) = match &exchange.answer {
        Some(Answer::Response(response)) => (Some(response), None),
        Some(Answer::Fault(fault)) => (None, Some(fault)),
        None => (None, None),
    };
    let context_result = match exchange.standing {
        ContextStanding::Rejected(result, reason) => Some([result, reason]),
        _ => None,
    };
    let interface = match exchange.standing {
        ContextStanding::Foreign(interface) => Some(Shown(interface)),
        _ => None,
    };
    fields!(json,
        "stream": exchange.stream,
        "client": exchange.client,
        "server": exchange.server,
        "call_id": exchange.call_id,
        "context_id": exchange.context_id,
        "context": exchange.standing.name(),
        "context_result": IfAny(context_result),
        "interface": IfAny(interface),
        "ndr": exchange.ndr.name(),
        "ndr_basis": exchange.ndr_basis.name(),
        "outcome": exchange.outcome().name(),
        "service_time_ns": exchange.service_time(),
        "request": exchange.request.as_ref().map(|request| Object(|json| write_request(json, request, verbose))),
        "response": response.map(|response| Object(|json| write_response(json, response, verbose))),
        "fault": fault.map(|fault| Object(|json| write_fault(json, fault))),
        "checks": exchange.checks.map(|checks| Object(move |json| write_response_checks(json, &checks))),
        "found": IfAny(exchange.found.as_deref()),
    );
}

/// Where a run of PDUs came.
fn write_span(json: &mut Json, span: Span) {
    fields!(json,
        "first_frame": span.first.frame,
        "last_frame": span.last.frame,
        "time": IfAny(span.first.time.map(Rfc3339)),
        "time_ns": IfAny(span.first.time),
        "fragments": span.fragments,
        "complete": span.complete,
    );
}

fn write_request(json: &mut Json, request: &RequestRecord, verbose: bool) {
    write_span(json, request.span);
    fields!(json,
        "opnum": request.opnum,
        "object": IfAny(request.object),
        "stub_len": request.bytes.len(),
        "stub": IfAny(verbose.then_some(Hex(&request.bytes))),
    );
    if let Some(stub) = &request.stub {
        fields!(json,
            "data_length": stub.size_slot,
            "size_is": stub.max_count,
            "len": stub.data_length,
            "missing": IfAny(if_not_zero(stub.missing)),
            "excess": Hex(&stub.excess),
        );
    }
    fields!(json, "fits": IfAny(request.fits.map(|ndr| ndr.name())), "error": IfAny(request.error.as_ref()));
    if let Some(message) = &request.message {
        write_request_message(json, message);
    }
    let checks = request.checks.map(|checks| Object(move |json| write_request_checks(json, &checks)));
    fields!(json, "checks": IfAny(checks));
}

fn write_request_message(json: &mut Json, message: &RequestMessage) {
    fields!(json, "envelope_version": message.version());
    match message {
        RequestMessage::V4(request) => {
            write_request_body(json, &request.body);
            fields!(json, "mac": Hex(&request.mac), "message_excess": IfAny(if_not_empty(&request.excess)));
        }
        RequestMessage::Encrypted(request) => {
            fields!(json, "iv_wire": Hex(&request.iv), "iv_decrypted": Hex(&request.decrypted_iv()));
            write_request_body(json, &request.body);
            fields!(json, "pad": Hex(&request.padding), "message_excess": IfAny(if_not_empty(&request.excess)));
        }
        RequestMessage::Other { bytes, .. } => fields!(json, "unread": Hex(bytes)),
    }
}

fn write_request_body(json: &mut Json, body: &RequestBody) {
    fields!(json,
        "version": body.version,
        "vm_info": body.vm_info,
        "license_status": body.license_status,
        "license_status_name": license_status::name(body.license_status),
        "binding_expiration": body.binding_expiration,
        "app_id": body.app_id,
        "app_name": product::application(body.app_id).map(|application| application.name),
        "sku_id": body.act_id,
        "sku_name": product::sku(body.act_id).map(|sku| sku.name),
        "kms_id": body.kms_id,
        "kms_name": product::kms_id(body.kms_id).map(|kms| kms.name),
        "cmid": body.cmid,
        "cmid_prev": body.cmid_prev,
        "n_policy": body.n_policy,
        "client_time": body.client_time.0.cast_signed(),
        "client_time_utc": body.client_time,
        "machine_name": body.machine_name_text(),
    );
}

fn write_response(json: &mut Json, response: &ResponseRecord, verbose: bool) {
    write_span(json, response.span);
    fields!(json,
        "stub_len": response.bytes.len(),
        "stub": IfAny(verbose.then_some(Hex(&response.bytes))),
    );
    if let Some(stub) = &response.stub {
        fields!(json,
            "data_length": stub.size_slot,
            "referent": stub.referent,
            "size_is": stub.max_count,
            "len": stub.data_length,
            "missing": IfAny(if_not_zero(stub.missing)),
            "stub_padding": Hex(&stub.padding),
            "hresult": stub.hresult.map(HResult),
            "hresult_symbol": stub.hresult.and_then(hresult::symbol),
            "trailing": Hex(&stub.excess),
        );
    }
    fields!(json, "error": IfAny(response.error.as_ref()));
    if let Some(message) = &response.message {
        write_response_message(json, message);
    }
}

fn write_response_message(json: &mut Json, message: &ResponseMessage) {
    fields!(json, "envelope_version": message.version(), "expected_len": IfAny(message.expected_len()));
    match message {
        ResponseMessage::V4(response) => {
            write_response_body(json, &response.body);
            fields!(json, "mac": Hex(&response.mac), "message_excess": IfAny(if_not_empty(&response.excess)));
        }
        ResponseMessage::Encrypted(response) => {
            fields!(json, "iv_wire": Hex(&response.iv), "iv_decrypted": Hex(&response.decrypted_iv()));
            write_response_body(json, &response.body);
            fields!(json, "xored_salt": Hex(&response.xored_salt), "hash": Hex(&response.hash));
            if let Some(v6) = &response.v6 {
                fields!(json,
                    "hwid": Hex(&v6.hwid),
                    "xored_ivs": Hex(&v6.xored_ivs),
                    "hmac": Hex(&v6.hmac),
                );
            }
            fields!(json, "pad": Hex(&response.padding), "message_excess": IfAny(if_not_empty(&response.excess)));
        }
        ResponseMessage::Other { bytes, .. } => fields!(json, "unread": Hex(bytes)),
    }
}

fn write_response_body(json: &mut Json, body: &ResponseBody) {
    let epid = body.epid_text();
    fields!(json,
        "version": body.version,
        "pid_size": body.pid_size(),
        "epid": epid,
        "epid_parts": EpidParts::of(&epid).map(|parts| Object(move |json| write_epid_parts(json, &parts))),
        "cmid": body.cmid,
        "client_time": body.client_time.0.cast_signed(),
        "client_time_utc": body.client_time,
        "count": body.count,
        "activation_interval": body.activation_interval,
        "renewal_interval": body.renewal_interval,
    );
}

fn write_epid_parts(json: &mut Json, parts: &EpidParts) {
    let EpidParts { epid, build, csvlk, language } = parts;
    fields!(json,
        "platform_id": epid.platform_id,
        "group": epid.group,
        "key_sequence": epid.key_sequence,
        "key_name": *csvlk,
        "channel": epid.channel,
        "lcid": epid.lcid,
        "language": *language,
        "build": epid.build,
        "build_name": *build,
        "day": epid.day,
        "year": epid.year,
    );
}

fn write_fault(json: &mut Json, fault: &FaultRecord) {
    write_span(json, fault.span);
    fields!(json,
        "status": fault.status.map(FaultStatus),
        "status_name": fault.status.and_then(rpc::fault_status_name),
    );
}

fn write_request_checks(json: &mut Json, checks: &RequestChecks) {
    fields!(json,
        "version_envelope": holds(checks.version_envelope),
        "mac": holds(checks.mac),
        "padding": holds(checks.padding),
    );
}

fn write_response_checks(json: &mut Json, checks: &ResponseChecks) {
    fields!(json,
        "version_echo": holds(checks.version_echo),
        "version_envelope": holds(checks.version_envelope),
        "cmid_echo": holds(checks.cmid_echo),
        "client_time_echo": holds(checks.client_time_echo),
        "pid_size": holds(checks.pid_size),
        "mac": holds(checks.mac),
        "padding": holds(checks.padding),
        "hash": holds(checks.hash),
        "iv_echo": holds(checks.iv_echo),
        "iv_fresh": holds(checks.iv_fresh),
        "xored_ivs": holds(checks.xored_ivs),
        "hmac": holds(checks.hmac),
        "hmac_slot": IfAny(checks.hmac_slot),
    );
}

/// `true`, `false`, or `null` where the request is not there; absent where the version has no such thing.
fn holds(check: Check) -> IfAny<Option<bool>> {
    IfAny(match check {
        Check::Pass => Some(Some(true)),
        Check::Fail => Some(Some(false)),
        Check::NoRequest => Some(None),
        Check::NotApplicable => None,
    })
}

fn write_pdu(json: &mut Json, pdu: &PduRecord<'_>) {
    let (content, header, bytes, length, error) = match &pdu.content {
        PduContent::Whole { pdu, bytes, error } => {
            ("whole", Some(&pdu.header), *bytes, bytes.len() as u64, *error)
        }
        PduContent::Cut { header, bytes } => ("cut", header.as_ref(), *bytes, bytes.len() as u64, None),
        PduContent::Skipped { length, sample } => ("skipped", None, *sample, *length, None),
    };
    fields!(json,
        "stream": pdu.stream,
        "dir": pdu.direction.name(),
        "offset": pdu.offset,
        "first_frame": pdu.first.frame,
        "last_frame": pdu.last.frame,
        "content": content,
    );
    if let Some(header) = header {
        fields!(json,
            "ptype": header.ptype.0,
            "ptype_name": header.ptype.name(),
            "flags": header.flags.0,
            "drep": Hex(&header.drep.0),
            "frag_len": header.frag_length,
            "auth_len": header.auth_length,
            "call_id": header.call_id,
        );
    }
    fields!(json, "length": length, "bytes": Hex(bytes), "error": IfAny(error));
}

fn write_connection(json: &mut Json, connection: &ConnectionRecord) {
    let flow = &connection.flow;
    let reset_by = flow.reset.map(|(direction, _)| match direction {
        Direction::ToServer => "client",
        Direction::ToClient => "server",
    });
    fields!(json,
        "stream": flow.stream,
        "client": flow.client,
        "server": flow.server,
        "first_frame": flow.first.frame,
        "last_frame": flow.last.frame,
        "time": flow.first.time.map(Rfc3339),
        "packets": flow.packets,
        "bytes_c2s": flow.bytes[0],
        "bytes_s2c": flow.bytes[1],
        "end": connection.end.name(),
        "reset_by": reset_by,
        "stage": connection.stage().name(),
        "kms": connection.is_kms,
        "gaps": connection.has_gaps,
        "pdus_c2s": connection.pdus[0],
        "pdus_s2c": connection.pdus[1],
        "skipped_c2s": connection.skipped[0],
        "skipped_s2c": connection.skipped[1],
        "cut_c2s": connection.cut[0],
        "cut_s2c": connection.cut[1],
        "conflicts_c2s": flow.conflicts[0],
        "conflicts_s2c": flow.conflicts[1],
        "urgent_c2s": flow.urgent[0],
        "urgent_s2c": flow.urgent[1],
        "bind_nak": connection.bind_nak,
        "contexts": connection.contexts[..],
        "exchanges": connection.exchanges,
        "other_calls": connection.other_calls,
        "directory": IfAny(connection.directory.as_deref()),
        "web": IfAny(connection.web.as_deref().map(|web| Object(|json| mak::write_web(json, web)))),
        "found": IfAny(connection.found.as_deref()),
    );
}

impl Value for Found {
    fn write(&self, json: &mut Json) {
        let Self { name, stamp, time, via } = self;
        let via = via.as_ref().map(|via| {
            Object(|json: &mut Json| {
                fields!(json,
                    "name": via.service.as_str(),
                    "frame": via.stamp.frame,
                    "time": IfAny(via.time.map(Rfc3339)),
                    "priority": via.priority,
                    "weight": via.weight,
                    "port": via.port,
                );
            })
        });
        let fields = |json: &mut Json| {
            fields!(json,
                "name": name.as_str(),
                "frame": stamp.frame,
                "time": IfAny(time.map(Rfc3339)),
                "service": IfAny(via.as_ref()),
            );
        };
        Object(fields).write(json);
    }
}

impl Value for Context {
    fn write(&self, json: &mut Json) {
        let (outcome, transfer_syntax, result, reason) = match self.outcome {
            ContextOutcome::Pending => ("unanswered", None, None, None),
            ContextOutcome::Accepted(syntax) => ("accepted", Some(syntax), None, None),
            ContextOutcome::Rejected { result, reason } => ("rejected", None, Some(result), Some(reason)),
            ContextOutcome::Refused => ("refused", None, None, None),
            ContextOutcome::Negotiated(bits) => ("negotiated", None, Some(3), Some(bits)),
        };
        let interface = self.interface;
        let fields = |json: &mut Json| {
            fields!(json,
                "id": self.id,
                "interface": interface.uuid,
                "interface_version": Dotted(interface.major(), interface.minor()),
                "interface_name": rpc::interface_name(interface.uuid),
                "outcome": outcome,
                "transfer_syntax": IfAny(transfer_syntax.map(Shown)),
                "result": IfAny(result),
                "reason": IfAny(reason),
            );
        };
        Object(fields).write(json);
    }
}

fn write_notice(json: &mut Json, notice: &Notice) {
    fields!(json,
        "kind": notice.kind.name(),
        "frame": IfAny(notice.frame),
        "file_offset": IfAny(notice.file_offset),
        "stream": IfAny(notice.stream),
        "dir": IfAny(notice.direction.map(Direction::name)),
        "offset": IfAny(notice.stream_offset),
        "needed": IfAny(notice.needed),
        "got": IfAny(notice.got),
        "message": notice.message,
    );
}

fn write_summary(json: &mut Json, summary: &Summary) {
    fields!(json,
        "packets": summary.packets,
        "bytes": summary.bytes,
        "segments": summary.segments,
        "not_ip": summary.not_ip,
        "other_protocols": summary.other_protocols,
        "fragments": summary.fragments,
        "incomplete_datagrams": summary.incomplete_datagrams,
        "conflicting_fragments": summary.conflicting_fragments,
        "oversized_fragments": summary.oversized_fragments,
        "cut_headers": summary.cut_headers,
        "bad_headers": summary.bad_headers,
        "bad_checksums": summary.bad_checksums,
        "unknown_links": Object(|json: &mut Json| {
            summary.unknown_links.iter().for_each(|(link, count)| json.field(&link.to_string(), count));
        }),
        "connections": summary.connections,
        "other_connections": summary.other_connections,
        "pdus": summary.pdus,
        "exchanges": summary.exchanges,
        "mak_exchanges": summary.mak_exchanges,
        "lookups": if_any(summary.lookups),
        "directory_exchanges": if_any(summary.directory_exchanges),
        "guest_exchanges": if_any(summary.guest_exchanges),
        "answered": summary.answered,
        "refused": summary.refused,
        "faults": summary.faults,
        "http_errors": summary.http_errors,
        "unreadable": summary.unreadable,
        "unanswered": summary.unanswered,
        "failed_checks": summary.failed_checks,
        "late_bytes": summary.late_bytes,
        "evicted_connections": summary.evicted_connections,
        "comments": summary.comments,
        "entries": if_any(summary.entries),
        "computers": if_any(summary.computers),
        "objects": if_any(summary.objects),
        "dns_connections": if_any(summary.dns_connections),
        "dns_messages": if_any(summary.dns_messages),
        "other_lookups": if_any(summary.other_lookups),
        "vmbus_packets": if_any(summary.vmbus_packets),
        "channels": if_any(summary.channels),
        "control_messages": if_any(summary.control_messages),
        "notices": summary.notices,
    );
}

impl Value for wire::Error {
    fn write(&self, json: &mut Json) {
        let fields = |json: &mut Json| {
            fields!(json,
                "layer": self.layer,
                "field": self.field,
                "offset": self.offset,
                "needed": IfAny(self.needed()),
                "got": IfAny(self.got()),
                "message": Shown(self),
            );
        };
        Object(fields).write(json);
    }
}

fn if_any(count: u64) -> IfAny<u64> {
    IfAny(Some(count).filter(|&count| count > 0))
}

fn if_not_zero(number: usize) -> Option<usize> {
    Some(number).filter(|&number| number != 0)
}

fn if_not_empty(bytes: &[u8]) -> Option<Hex<'_>> {
    (!bytes.is_empty()).then_some(Hex(bytes))
}

/// `0xC004F042`.
struct HResult(u32);

impl Value for HResult {
    fn write(&self, json: &mut Json) {
        let mut text = *b"0x00000000";
        text[2..].copy_from_slice(hex::digits(&self.0.to_be_bytes()).as_flattened());
        text[2..].make_ascii_uppercase();
        std::str::from_utf8(&text).unwrap_or_default().write(json);
    }
}

/// `0x1c010003`.
struct FaultStatus(u32);

impl Value for FaultStatus {
    fn write(&self, json: &mut Json) {
        Shown(format_args!("0x{:08x}", self.0)).write(json);
    }
}
