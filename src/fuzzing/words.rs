//! What things are called: whatever numbers come, a name is one, is read back as what it names, and what is shown of it is
//! one line.

use std::fmt::Display;

use crate::directory::{
    ActivationObject, Authentication, Operation, Problem, ResultCode, SearchRequest, oid, schema,
};
use crate::discovery::{self, Lookup, Rcode, RecordType};
use crate::http;
use crate::mak::{self, Content, Id};
use crate::rpc::{self, Body, Pdu, SyntaxId};
use crate::tls::{Alert, Info};
use crate::vmbus::{ChannelRecord, Exchange, control};
use crate::wire::{Error, caret_dump, parse_hex};

use super::ignore;

/// One line.
pub(super) fn said(what: &impl Display) {
    let text = what.to_string();
    assert!(!text.is_empty() && !text.contains('\n'), "{text:?}");
}

/// What is wrong with bytes, and where in them.
pub(super) fn error(error: &Error, bytes: &[u8]) {
    said(error);
    let dump = caret_dump(bytes, error.offset);
    assert!(dump.lines().count() <= 4, "{dump}");
    for line in dump.lines().filter_map(|line| line.split_once("  ")) {
        ignore(&parse_hex(line.1));
    }
}

/// A PDU's numbers.
pub(super) fn pdu(pdu: &Pdu<'_>) {
    let syntax = |syntax: &SyntaxId| {
        said(syntax);
        said(&syntax.transfer());
        ignore(&(rpc::interface_name(syntax.uuid), syntax.major(), syntax.minor()));
    };
    match &pdu.body {
        Body::Bind(bind) | Body::AlterContext(bind) => {
            for context in bind.contexts.iter().take(MOST) {
                syntax(&context.abstract_syntax);
                context.transfer_syntaxes.iter().take(MOST).for_each(syntax);
            }
        }
        Body::BindAck(ack) | Body::AlterContextResp(ack) => {
            ignore(&ack.secondary_address_text());
            for result in ack.results.iter().take(MOST) {
                syntax(&result.transfer_syntax);
                ignore(&(rpc::result_name(result.result), rpc::result_reason_name(result.reason)));
            }
        }
        Body::BindNak(nak) => ignore(&rpc::reject_reason_name(nak.reject_reason)),
        Body::Fault(fault) => {
            if let Some(name) = rpc::fault_status_name(fault.status) {
                assert_eq!(rpc::fault_status_by_name(name), Some(fault.status));
            }
        }
        _ => {}
    }
}

/// The codes of a message of DNS.
pub(super) fn dns(message: &discovery::Message) {
    for rtype in message.questions.iter().map(|question| question.rtype).take(MOST) {
        if let Some(name) = rtype.name() {
            assert_eq!(RecordType::by_name(name), Some(rtype));
        }
        said(&rtype);
    }
    for (section, record) in message.records().take(MOST) {
        said(&record.class);
        ignore(&(section.name(), record.class.name()));
    }
    let rcode: Rcode = message.rcode();
    if let Some(name) = rcode.name() {
        assert_eq!(Rcode::by_name(name), Some(rcode), "{name}");
    }
    said(&rcode);
    said(&message.opcode());
    let flags = message.flags;
    ignore(&(flags.ra(), flags.ad(), flags.cd(), message.opcode().name()));
    ignore(&message.edns.as_ref().map(discovery::Edns::dnssec_ok));
}

/// How a question of DNS was asked, and how it ended.
pub(super) fn lookup<E, S>(lookup: &Lookup<E, S>) {
    let name = lookup.outcome.name();
    assert!(!name.is_empty());
    ignore(&(lookup.origin.name(), lookup.transport.name()));
    let cloud = lookup.question.as_ref().and_then(|question| discovery::azure_cloud(&question.name));
    ignore(&cloud.map(discovery::Cloud::name));
}

/// An operation of LDAP.
pub(super) fn operation(operation: &Operation) {
    assert!(!operation.name().is_empty());
    if let Operation::BindRequest(bind) = operation {
        ignore(&bind.authentication.as_ref().map(Authentication::name));
    }
}

/// What is searched for in a directory.
pub(super) fn search(request: &SearchRequest) {
    said(&request.scope);
    said(&request.dereference);
    request.attributes.iter().take(MOST).for_each(|name| ignore(&oid::name(name)));
}

/// How a directory answers.
pub(super) fn result(code: ResultCode) {
    said(&code);
}

/// An activation object, and what is wrong with it.
pub(super) fn object(object: &ActivationObject) {
    for license in &object.licenses {
        said(&license.hint);
        assert!(!license.kind.name().is_empty());
    }
    object.problems.iter().for_each(|problem: &Problem| said(problem));
    for problem in &object.problems {
        let attribute = schema::by_name(problem.attribute).expect("it is one of the schema's");
        ignore(&schema::is_mandatory(attribute));
    }
}

/// What is odd about a message of HTTP.
pub(super) fn http<S>(message: &http::Message<S>) {
    message.anomalies.iter().for_each(|anomaly| assert!(!anomaly.name().is_empty()));
}

/// A body of MAK's services.
pub(super) fn body(message: &mak::Message) {
    assert!(!message.content.name().is_empty());
    message.soap.iter().for_each(said);
    match &message.content {
        Content::BatchRequest(request) => ignore(&request.digest_check().name()),
        Content::TokenRequest(request) => request.service().iter().for_each(said),
        Content::TokenResponse(response) => ignore(&response.service()),
        _ => {}
    }
    if let Some(document) = message.response_document() {
        let codes = document.items.iter().take(MOST).map(mak::ResponseItem::error_code);
        for code in codes.chain([document.error_code()]).flatten() {
            said(&code);
            ignore(&(code.authority(), code.is_hresult()));
        }
    }
}

/// An ID of either kind.
pub(super) fn id(id: &Id) {
    assert_eq!(id.groups().collect::<String>(), id.digits());
    match id {
        Id::Installation(id) => {
            assert_eq!(mak::InstallationId::parse(&id.to_string()).as_ref(), Ok(id));
            assert_eq!(id.groups().count(), id.kind().groups());
            ignore(&mak::ConfirmationId::parse(id.digits()).map_err(|error| error.to_string()));
            ignore(id);
        }
        Id::Confirmation(id) => {
            assert_eq!(mak::ConfirmationId::parse(&id.to_string()).as_ref(), Ok(id));
            assert_eq!(id.groups().count(), id.kind().groups());
            ignore(&mak::InstallationId::parse(id.digits()).map_err(|error| error.to_string()));
            ignore(id);
        }
    }
}

/// An alert of TLS.
pub(super) fn alert(alert: Alert) {
    said(&alert);
    ignore(&alert.is_fatal());
}

/// What the hellos of TLS say.
pub(super) fn tls(info: &Info) {
    let suite = info.cipher_suite();
    suite.iter().for_each(said);
    ignore(&suite.map(|suite| suite.is_tls_1_3()));
    ignore(&(info.server_name(), info.alpn_offered(), info.version()));
    ignore(&info.client_hello.as_ref().map(|hello| hello.versions()));
}

/// A control message of VMBus.
pub(super) fn control(message: &control::Message) {
    match &message.body {
        control::Body::OfferChannel(offer) => {
            assert!(offer.flags.names().iter().all(|name| !name.is_empty()));
            ignore(&offer.pipe_flags());
        }
        control::Body::InitiateContact(control::InitiateContact { contact, .. }) => {
            let (major, minor) = contact.version.number();
            assert_eq!(u32::from(major) << 16 | u32::from(minor), contact.version.0);
            ignore(&contact.target_info());
        }
        _ => {}
    }
}

/// A channel of VMBus.
pub(super) fn channel<S>(record: &ChannelRecord<S>) {
    record.states.iter().take(MOST).for_each(|change| assert!(!change.state.name().is_empty()));
    ignore(&record.mode_source.map(|source| source.name()));
    ignore(&record.class.remark());
    record.gpadls.iter().for_each(|gpadl| ignore(&(gpadl.bytes(), gpadl.pages())));
}

/// What was said in a channel of VMBus.
pub(super) fn guest<S>(exchange: &Exchange<S>) {
    assert!(!exchange.protocol.name().is_empty() && !exchange.pairing.name().is_empty());
}

/// Things of a kind that are looked at.
const MOST: usize = 16;
