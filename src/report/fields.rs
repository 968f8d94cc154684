//! Every field of a message or a PDU as a line, for `-v` and `explain`.

use std::fmt::Display;

use crate::directory::schema::{self, AttributeType, Class};
use crate::kms::{Check, RequestBody, RequestMessage, ResponseBody, ResponseMessage};
use crate::rpc::{self, Body, Header, Pdu, PresentationContext};
use crate::wire::{Hex, utf16};

use super::names;

/// Labelled values, in the order of their bytes.
#[derive(Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(super) fn add(&mut self, label: &str, value: impl Display) {
        self.0.push((label.to_owned(), value.to_string()));
    }

    fn hex(&mut self, label: &str, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.add(label, Hex(bytes));
        }
    }

    /// The lines, their values in one column.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        let width = self.0.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
        self.0.iter().map(move |(label, value)| format!("{label:width$}  {value}").trim_end().to_owned())
    }
}

/// What the schema says of an attribute of activation objects.
pub(super) fn attribute(attribute: &AttributeType) -> Fields {
    let mut fields = Fields::default();
    fields.add("OID", attribute.oid);
    fields.add("syntax", names::syntax(attribute.syntax));
    fields.add("length", names::length(attribute));
    fields.add("values", if attribute.is_single { "one" } else { "several" });
    fields.add("must be", if schema::is_mandatory(attribute) { "yes" } else { "no" });
    fields
}

/// What the schema says of a class.
pub(super) fn class(class: &Class) -> Fields {
    let mut fields = Fields::default();
    fields.add("OID", class.oid);
    if !class.must.is_empty() {
        fields.add("must have", class.must.join(", "));
    }
    fields
}

pub(super) fn request(message: &RequestMessage) -> Fields {
    let mut fields = Fields::default();
    match message {
        RequestMessage::V4(request) => {
            request_body(&mut fields, &request.body);
            fields.hex("MAC", &request.mac);
            fields.hex("excess", &request.excess);
        }
        RequestMessage::Encrypted(request) => {
            fields.add("Version (plain)", request.version);
            fields.hex("IV", &request.iv);
            fields.hex("IV decrypted", &request.decrypted_iv());
            request_body(&mut fields, &request.body);
            fields.hex("padding", &request.padding);
            fields.hex("excess", &request.excess);
        }
        RequestMessage::Other { version, bytes, .. } => other(&mut fields, *version, bytes),
    }
    fields
}

fn other(fields: &mut Fields, version: Option<crate::kms::Version>, bytes: &[u8]) {
    if let Some(version) = version {
        fields.add("Version", version);
    }
    fields.add("bytes", format_args!("{} {}", bytes.len(), Hex(bytes)));
}

fn request_body(fields: &mut Fields, body: &RequestBody) {
    fields.add("Version", body.version);
    let machine = if body.vm_info == 0 { "physical machine" } else { "virtual machine" };
    fields.add("VMInfo", names::Numbered(body.vm_info, Some(machine)));
    fields.add("LicenseStatus", names::license_status(body.license_status));
    fields.add("BindingExpiration", format_args!("{} min", body.binding_expiration));
    fields.add("AppID", names::guid(body.app_id));
    fields.add("ActID", names::guid(body.act_id));
    fields.add("KMSID", names::guid(body.kms_id));
    fields.add("CMID", body.cmid);
    fields.add("N-Policy", body.n_policy);
    fields.add("ClientTime", format_args!("{} ({})", body.client_time.0, body.client_time));
    fields.add("CMID_prev", body.cmid_prev);
    fields.add("MachineName", format_args!("{:?}", body.machine_name_text()));
    let units = utf16::units_before_nul(&body.machine_name);
    let behind = body.machine_name.get(2 * units + 2..).unwrap_or_default();
    if behind.iter().any(|&byte| byte != 0) {
        fields.hex("  behind its NUL", behind);
    }
}

pub(super) fn response(message: &ResponseMessage) -> Fields {
    let mut fields = Fields::default();
    match message {
        ResponseMessage::V4(response) => {
            response_body(&mut fields, &response.body);
            fields.hex("MAC", &response.mac);
            fields.hex("excess", &response.excess);
        }
        ResponseMessage::Encrypted(response) => {
            fields.add("Version (plain)", response.version);
            fields.hex("IV", &response.iv);
            fields.hex("IV decrypted", &response.decrypted_iv());
            response_body(&mut fields, &response.body);
            fields.hex("XoredSalt", &response.xored_salt);
            fields.hex("Hash", &response.hash);
            if let Some(v6) = &response.v6 {
                fields.hex("HwId", &v6.hwid);
                fields.hex("XoredIVs", &v6.xored_ivs);
                fields.hex("HMAC", &v6.hmac);
            }
            fields.hex("padding", &response.padding);
            fields.hex("excess", &response.excess);
        }
        ResponseMessage::Other { version, bytes, .. } => other(&mut fields, *version, bytes),
    }
    fields
}

fn response_body(fields: &mut Fields, body: &ResponseBody) {
    fields.add("Version", body.version);
    fields.add("PIDSize", body.pid_size());
    fields.add("ePID", names::Plain(&body.epid_text()));
    epid_parts(fields, &body.epid_text());
    fields.add("CMID", body.cmid);
    fields.add("ClientTime", format_args!("{} ({})", body.client_time.0, body.client_time));
    fields.add("Count", body.count);
    fields.add("VLActivationInterval", format_args!("{} min", body.activation_interval));
    fields.add("VLRenewalInterval", format_args!("{} min", body.renewal_interval));
}

/// The parts of an ePID; nothing where it has not got them.
fn epid_parts(fields: &mut Fields, text: &str) {
    let Some(parts) = names::EpidParts::of(text) else { return };
    let epid = parts.epid;
    match epid.platform_id {
        Some(id) => fields.add("  platform id", format_args!("{id:05}")),
        None => fields.add("  platform id", "XXXXX (masked)"),
    }
    fields.add("  key group", names::Numbered(format_args!("{:05}", epid.group), parts.csvlk));
    fields.add("  key sequence", format_args!("{:09}", epid.key_sequence));
    let channel = match epid.channel {
        0 | 1 => Some("retail"),
        2 => Some("OEM"),
        3 => Some("volume"),
        _ => None,
    };
    fields.add("  channel", names::Numbered(format_args!("{:02}", epid.channel), channel));
    fields.add("  LCID", names::Numbered(epid.lcid, parts.language));
    let build = format!("{}.{:04}", epid.build, epid.build_minor);
    fields.add("  build", names::Numbered(build, parts.build));
    fields.add("  activated", format_args!("day {} of {}", epid.day, epid.year));
}

/// The parts of an ePID alone.
pub(super) fn epid(text: &str) -> Fields {
    let mut fields = Fields::default();
    epid_parts(&mut fields, text);
    fields
}

/// The verifications, by name.
pub(super) fn checks(checks: &[(&'static str, Check)], hmac_slot: Option<i8>) -> Fields {
    let mut fields = Fields::default();
    for (name, check) in checks {
        let result = match check {
            Check::Pass => "holds",
            Check::Fail => "FAILS",
            Check::NoRequest => "not checked: no request",
            Check::NotApplicable => continue,
        };
        match (*name, hmac_slot) {
            ("hmac", Some(slot)) => fields.add(name, format_args!("{result} (slot {slot:+})")),
            _ => fields.add(name, result),
        }
    }
    fields
}

pub(super) fn header(header: &Header) -> Fields {
    let mut fields = Fields::default();
    fields.add("rpc_vers", format_args!("{}.{}", header.version, header.version_minor));
    fields.add("PTYPE", header.ptype);
    fields.add("pfc_flags", format_args!("0x{:02x} {}", header.flags.0, header.flags));
    let order = if header.drep.0[0] >> 4 == 0 { "big-endian" } else { "little-endian" };
    fields.add("packed_drep", format_args!("{} ({order})", Hex(&header.drep.0)));
    fields.add("frag_length", header.frag_length);
    fields.add("auth_length", header.auth_length);
    fields.add("call_id", header.call_id);
    fields
}

pub(super) fn pdu(pdu: &Pdu<'_>) -> Fields {
    let mut fields = header(&pdu.header);
    match &pdu.body {
        Body::Bind(bind) | Body::AlterContext(bind) => {
            fields.add("max_xmit_frag", bind.max_xmit_frag);
            fields.add("max_recv_frag", bind.max_recv_frag);
            fields.add("assoc_group_id", format_args!("0x{:08x}", bind.assoc_group_id));
            fields.add("n_context_elem", bind.n_context_elem);
            for context in &bind.contexts {
                fields.add("  context", self::context(context));
            }
        }
        Body::BindAck(ack) | Body::AlterContextResp(ack) => {
            fields.add("max_xmit_frag", ack.max_xmit_frag);
            fields.add("max_recv_frag", ack.max_recv_frag);
            fields.add("assoc_group_id", format_args!("0x{:08x}", ack.assoc_group_id));
            fields.add("sec_addr", format_args!("{:?}", ack.secondary_address_text()));
            fields.hex("padding", ack.padding);
            fields.add("n_results", ack.n_results);
            for result in &ack.results {
                let name = names::Numbered(result.result, rpc::result_name(result.result));
                let reason = match result.result {
                    2 => names::Numbered(result.reason, rpc::result_reason_name(result.reason)),
                    _ => names::Numbered(result.reason, None),
                };
                let syntax = result.transfer_syntax.transfer();
                fields.add("  result", format_args!("{name}, reason {reason}, {syntax}"));
            }
        }
        Body::BindNak(nak) => {
            let reason = names::Numbered(nak.reject_reason, rpc::reject_reason_name(nak.reject_reason));
            fields.add("provider_reject_reason", reason);
            for (major, minor) in nak.versions.iter().flatten() {
                fields.add("  protocol", format_args!("{major}.{minor}"));
            }
        }
        Body::Request(request) => {
            fields.add("alloc_hint", request.alloc_hint);
            fields.add("p_cont_id", request.context_id);
            fields.add("opnum", request.opnum);
            if let Some(object) = request.object {
                fields.add("object", object);
            }
            fields.add("stub", format_args!("{} bytes", request.stub.len()));
        }
        Body::Response(response) => {
            fields.add("alloc_hint", response.alloc_hint);
            fields.add("p_cont_id", response.context_id);
            fields.add("cancel_count", response.cancel_count);
            fields.add("reserved", response.reserved);
            fields.add("stub", format_args!("{} bytes", response.stub.len()));
        }
        Body::Fault(fault) => {
            fields.add("alloc_hint", fault.alloc_hint);
            fields.add("p_cont_id", fault.context_id);
            fields.add("cancel_count", fault.cancel_count);
            fields.add("reserved", fault.reserved);
            fields.add("status", names::fault_status(fault.status));
            fields.add("reserved2", fault.reserved2);
            fields.hex("stub", fault.stub);
        }
        Body::Auth3(pad) => fields.hex("pad", pad),
        Body::Shutdown | Body::CoCancel | Body::Orphaned | Body::Opaque => {}
    }
    fields.hex("rest", pdu.rest);
    if let Some(auth) = &pdu.auth {
        fields.hex("auth padding", auth.padding);
        fields.add("auth_type", auth.auth_type);
        fields.add("auth_level", auth.level);
        fields.add("auth_pad_length", auth.pad_length);
        fields.add("auth_context_id", auth.context_id);
        fields.hex("auth_value", auth.value);
    }
    fields
}

/// `0: KMS v1.0 as NDR32`.
fn context(context: &PresentationContext) -> String {
    let id = context.abstract_syntax;
    let interface = match rpc::interface_name(id.uuid) {
        Some(name) => format!("{name} v{}.{}", id.major(), id.minor()),
        None => id.to_string(),
    };
    let syntaxes: Vec<String> =
        context.transfer_syntaxes.iter().map(|syntax| syntax.transfer().to_string()).collect();
    format!("{}: {interface} as {}", context.id, syntaxes.join(", "))
}
