use crate::mak::vamt::{CandidateKind, Computer, NamedValue};
use crate::mak::{
    BatchRequest, BatchResponse, Check, ConfirmationId, Content, DigestCheck, ErrorCode, ErrorInfo, Fault,
    Field, Id, InstallationId, RequestDocument, RequestItem, ResponseDocument, ResponseItem, SoapVersion,
    TokenEntry, TokenRequest, TokenResponse, TokenValues,
};
use crate::report::json::{IfAny, Json, Object, Shown, Value, fields};
use crate::report::names::EpidParts;
use crate::report::opaque::Opaque;
use crate::trace::{Body, Carrier, MakAnswer, MakExchange, MakRequest, Place, Service, TlsRecord, WebRecord};
use crate::wire::{Hex, Rfc3339};
use crate::{catalog::hresult, redact};

use super::{HResult, write_epid_parts};

pub(super) fn write_mak(json: &mut Json, exchange: &MakExchange) {
    match exchange.carrier {
        Carrier::Stream { stream, client, server, is_tls } => fields!(json,
            "carrier": "stream",
            "stream": stream,
            "client": client,
            "server": server,
            "tls": is_tls,
        ),
        Carrier::Har { entry, server } => fields!(json,
            "carrier": "har",
            "entry": entry,
            "server_address": IfAny(server.map(Shown)),
        ),
        Carrier::Body => fields!(json, "carrier": "body"),
    }
    fields!(json,
        "service": exchange.service.map(Service::name),
        "outcome": exchange.outcome().name(),
        "service_time_ns": exchange.service_time(),
        "request": exchange.request.as_deref().map(|request| Object(|json| write_request(json, exchange, request))),
        "response": exchange.answer.as_deref().map(|answer| Object(|json| write_answer(json, exchange, answer))),
        "checks": Object(|json: &mut Json| exchange.checks.iter().for_each(|(name, check)| match check {
            Check::Pass => json.field(name, &true),
            Check::Fail => json.field(name, &false),
            Check::NoRequest => json.field(name, &None::<bool>),
            Check::NotApplicable => {}
        })),
        "found": IfAny(exchange.found.as_deref()),
    );
}

fn write_place(json: &mut Json, exchange: &MakExchange, place: Option<Place>) {
    let Some(place) = place else { return };
    let is_packet = matches!(exchange.carrier, Carrier::Stream { .. });
    fields!(json,
        "first_frame": IfAny(is_packet.then_some(place.first.frame)),
        "last_frame": IfAny(is_packet.then_some(place.last.frame)),
        "time": IfAny(place.first.time.map(Rfc3339)),
        "time_ns": IfAny(place.first.time),
    );
}

fn write_request(json: &mut Json, exchange: &MakExchange, request: &MakRequest) {
    write_place(json, exchange, request.place);
    if let Some(head) = &request.head {
        fields!(json,
            "method": *head.method,
            "target": *redact::text(&head.target),
            "host": IfAny(head.host.as_deref()),
            "user_agent": IfAny(head.user_agent.as_deref()),
            "soap_action": IfAny(head.soap_action.as_deref()),
        );
    }
    write_body(json, &request.body, exchange.digest);
}

fn write_answer(json: &mut Json, exchange: &MakExchange, answer: &MakAnswer) {
    write_place(json, exchange, answer.place);
    fields!(json, "status": IfAny(answer.status), "reason": IfAny(answer.status.map(|_| &*answer.reason)));
    write_body(json, &answer.body, None);
}

fn write_body(json: &mut Json, body: &Body, digest: Option<DigestCheck>) {
    fields!(json,
        "content_type": IfAny(body.content_type.as_deref()),
        "content_encoding": IfAny(body.content_encoding.as_deref()),
        "length": body.length,
        "complete": body.is_complete,
        "error": IfAny(body.error.as_ref()),
    );
    let Some(message) = &body.message else { return };
    let soap = message.soap.as_ref().map(|soap| match soap {
        SoapVersion::V1_1 => "1.1",
        SoapVersion::V1_2 => "1.2",
        SoapVersion::Other(namespace) => namespace,
    });
    fields!(json,
        "soap": IfAny(soap),
        "content": message.content.name(),
        "message_error": IfAny(message.error.as_ref()),
        "headers": IfAny(fields_of(&message.headers)),
    );
    match &message.content {
        Content::BatchRequest(request) => write_batch_request(json, request, digest),
        Content::RequestDocument(document) => write_request_document(json, document),
        Content::BatchResponse(response) => write_batch_response(json, response),
        Content::ResponseDocument(document) => write_response_document(json, document),
        Content::TokenRequest(request) => write_token_request(json, request),
        Content::TokenResponse(response) => write_token_response(json, response),
        Content::Fault(fault) => fields!(json, "fault": Object(|json: &mut Json| write_fault(json, fault))),
        Content::Other { name, namespace } => fields!(json, "root": **name, "namespace": **namespace),
    }
    fields!(json, "other": IfAny(fields_of(&message.other)), "beside": IfAny(fields_of(&message.beside)));
}

fn write_batch_request(json: &mut Json, request: &BatchRequest, digest: Option<DigestCheck>) {
    fields!(json,
        "digest": request.digest.as_deref(),
        "digest_check": digest.map(DigestCheck::name),
        "request_xml_length": request.raw.len(),
        "request_xml_error": IfAny(request.error.as_ref()),
    );
    write_request_document(json, &request.document);
}

fn write_request_document(json: &mut Json, document: &RequestDocument) {
    fields!(json,
        "version_number": document.version_number.as_deref(),
        "request_type": document.request_type.map(|kind| kind.0),
        "items": document.items[..],
        "document_other": IfAny(fields_of(&document.other)),
    );
}

impl Value for RequestItem {
    fn write(&self, json: &mut Json) {
        Object(|json: &mut Json| {
            write_pid(json, self.pid.as_deref());
            write_iid(json, self.iid.as_deref());
            fields!(json, "other": IfAny(fields_of(&self.other)));
        })
        .write(json);
    }
}

fn write_pid(json: &mut Json, pid: Option<&str>) {
    let parts = pid.and_then(EpidParts::of);
    fields!(json,
        "pid": pid.map(Masked),
        "pid_parts": IfAny(parts.map(|parts| Object(move |json| write_epid_parts(json, &parts)))),
    );
}

fn write_iid(json: &mut Json, iid: Option<&str>) {
    let error = iid.filter(|iid| !redact::is_stand_in(iid)).and_then(|iid| InstallationId::parse(iid).err());
    fields!(json, "iid": IfAny(iid.map(Masked)), "iid_error": IfAny(error.map(|error| Shown(error.to_string()))));
}

fn write_batch_response(json: &mut Json, response: &BatchResponse) {
    fields!(json, "response_xml_error": IfAny(response.error.as_ref()));
    write_response_document(json, &response.document);
}

fn write_response_document(json: &mut Json, document: &ResponseDocument) {
    fields!(json,
        "version_number": document.version_number.as_deref(),
        "response_type": document.response_type.map(|kind| kind.0),
        "batch_id": document.batch_id.as_deref(),
        "items": document.items[..],
    );
    write_error_info(json, document.error_info.as_ref());
    fields!(json, "document_other": IfAny(fields_of(&document.other)));
}

impl Value for ResponseItem {
    fn write(&self, json: &mut Json) {
        Object(|json: &mut Json| {
            write_pid(json, self.pid.as_deref());
            write_iid(json, self.iid.as_deref());
            let cid = self.cid.as_deref();
            let error =
                cid.filter(|cid| !redact::is_stand_in(cid)).and_then(|cid| ConfirmationId::parse(cid).err());
            fields!(json,
                "cid": IfAny(cid.map(Masked)),
                "cid_error": IfAny(error.map(|error| Shown(error.to_string()))),
                "activation_remaining": IfAny(self.activation_remaining),
            );
            write_error_info(json, self.error_info.as_ref());
            fields!(json, "other": IfAny(fields_of(&self.other)));
        })
        .write(json);
    }
}

/// The code, what it means and who says so.
fn write_error_info(json: &mut Json, error: Option<&ErrorInfo>) {
    let Some(error) = error else { return };
    fields!(json,
        "error_code": error.code.map(Shown),
        "error_meaning": error.code.and_then(ErrorCode::meaning),
        "error_authority": IfAny(error.code.and_then(ErrorCode::authority)),
        "error_symbol": IfAny(error.code.filter(|code| code.is_hresult()).and_then(|code| hresult::symbol(code.0))),
        "error_other": IfAny(fields_of(&error.other)),
    );
}

fn write_token_request(json: &mut Json, request: &TokenRequest) {
    fields!(json,
        "token_type": request.token_type.as_deref(),
        "request_type": request.request_type.as_deref(),
        "use_key": request.use_key,
        "claims": request.claims,
        "document_other": IfAny(fields_of(&request.other)),
    );
}

fn write_token_response(json: &mut Json, response: &TokenResponse) {
    fields!(json,
        "token_type": response.token_type.as_deref(),
        "token": response.token,
        "document_other": IfAny(fields_of(&response.other)),
    );
}

impl Value for TokenValues {
    fn write(&self, json: &mut Json) {
        Object(|json: &mut Json| {
            fields!(json,
                "array_type": self.array_type.as_deref(),
                "declared": self.declared(),
                "entries": self.entries[..],
                "other": IfAny(fields_of(&self.other)),
            );
        })
        .write(json);
    }
}

impl Value for TokenEntry {
    fn write(&self, json: &mut Json) {
        Object(|json: &mut Json| {
            let name = self.name.as_deref();
            fields!(json, "name": name);
            match &self.value {
                Some(value) => write_opaque(json, &Opaque::of(name.unwrap_or_default(), value)),
                None => fields!(json, "value": None::<&str>),
            }
            fields!(json, "other": IfAny(fields_of(&self.other)));
        })
        .write(json);
    }
}

/// The value, or its length and hash.
fn write_opaque(json: &mut Json, value: &Opaque<'_>) {
    match value {
        Opaque::Text(text) => fields!(json, "value": **text),
        Opaque::Hidden { characters, hash } => fields!(json, "characters": *characters, "sha256": Hex(hash)),
    }
}

fn write_fault(json: &mut Json, fault: &Fault) {
    fields!(json,
        "code": fault.code.as_deref(),
        "subcodes": fault.subcodes[..],
        "reason": fault.reason.as_deref().map(Masked),
        "actor": IfAny(fault.actor.as_deref()),
        "node": IfAny(fault.node.as_deref()),
        "hresult": fault.hresult.map(HResult),
        "hresult_symbol": fault.hresult.and_then(hresult::symbol),
        "messages": Masks(&fault.messages),
        "detail": IfAny(fields_of(&fault.detail)),
        "other": IfAny(fields_of(&fault.other)),
    );
}

/// Elements that have no place of their own; none where there are none.
fn fields_of(fields: &[Field]) -> Option<&[Field]> {
    (!fields.is_empty()).then_some(fields)
}

impl Value for Field {
    fn write(&self, json: &mut Json) {
        Object(|json: &mut Json| {
            fields!(json, "name": *self.name);
            write_opaque(json, &Opaque::of(&self.name, &self.value));
        })
        .write(json);
    }
}

/// A text with its product keys masked.
struct Masked<'a>(&'a str);

impl Value for Masked<'_> {
    fn write(&self, json: &mut Json) {
        (*redact::text(self.0)).write(json);
    }
}

struct Masks<'a>(&'a [String]);

impl Value for Masks<'_> {
    fn write(&self, json: &mut Json) {
        let masked: Vec<String> = self.0.iter().map(|text| redact::text(text).into_owned()).collect();
        masked[..].write(json);
    }
}

pub(super) fn write_computer(json: &mut Json, computer: &Computer) {
    fields!(json,
        "values": computer.values[..],
        "products": Products(computer),
        "left_out": computer.left_out,
    );
}

struct Products<'a>(&'a Computer);

impl Value for Products<'_> {
    fn write(&self, json: &mut Json) {
        let products: Vec<&[NamedValue]> =
            self.0.products.iter().map(|product| &product.values[..]).collect();
        products[..].write(json);
    }
}

impl Value for NamedValue {
    fn write(&self, json: &mut Json) {
        Object(|json: &mut Json| {
            fields!(json, "name": *self.name, "attribute": self.is_attribute);
            match self.candidate() {
                Some(candidate) => {
                    let kind = match candidate.kind {
                        CandidateKind::InstallationId => "iid",
                        CandidateKind::ConfirmationId => "cid",
                    };
                    let error = Id::parse(candidate.value).err().map(|error| Shown(error.to_string()));
                    fields!(json, "kind": kind, "value": *self.value, "id_error": IfAny(error));
                }
                None => {
                    write_opaque(json, &Opaque::of(&self.name, &self.value));
                    let parts = EpidParts::of(&self.value);
                    fields!(json, "pid_parts": IfAny(parts.map(|parts| Object(move |json| write_epid_parts(json, &parts)))));
                }
            }
        })
        .write(json);
    }
}

pub(super) fn write_web(json: &mut Json, web: &WebRecord) {
    fields!(json,
        "http_requests": web.messages[0],
        "http_responses": web.messages[1],
        "tunnelled": web.is_tunnelled,
        "tls": web.tls.as_ref().map(|tls| Object(|json| write_tls(json, tls))),
    );
}

pub(super) fn write_tls(json: &mut Json, tls: &TlsRecord) {
    let TlsRecord { info, is_opened, seal } = tls;
    let client = info.client_hello.as_ref();
    let server = info.server_hello.as_ref();
    fields!(json,
        "server_name": client.and_then(|hello| hello.server_name.as_deref()),
        "version": server.map(|hello| Shown(hello.version())),
        "cipher_suite": server.map(|hello| Shown(hello.cipher_suite)),
        "alpn_offered": IfAny(client.map(|hello| &hello.alpn[..])),
        "alpn": info.alpn.as_deref(),
        "retried": info.is_retried,
        "opened": *is_opened,
        "sealed": seal.map(Shown),
    );
}
