//! The fields of KMS bodies, as the contract names them.

use crate::kms::{RequestBody, ResponseBody, ResponseMessage, Version};
use crate::wire::FileTime;

use super::contract::{Fields, Query};

/// The fields of a request.
pub(super) fn of_request(body: &RequestBody) -> Fields {
    Fields::default()
        .with("version", body.version.0)
        .with("vm_info", body.vm_info)
        .with("license_status", body.license_status)
        .with("binding_expiration", body.binding_expiration)
        .with("app_id", body.app_id)
        .with("act_id", body.act_id)
        .with("kms_id", body.kms_id)
        .with("cmid", body.cmid)
        .with("n_policy", body.n_policy)
        .with("client_time", body.client_time)
        .with("cmid_prev", body.cmid_prev)
        .with_bytes("machine_name", &body.machine_name)
}

/// The request of which these are the fields.
///
/// # Errors
/// A field is missing.
pub(super) fn request(query: &Query) -> Result<RequestBody, String> {
    let fields = &query.fields;
    Ok(RequestBody {
        version: Version(fields.number("version")?),
        vm_info: fields.number("vm_info")?,
        license_status: fields.number("license_status")?,
        binding_expiration: fields.number("binding_expiration")?,
        app_id: fields.guid("app_id")?,
        act_id: fields.guid("act_id")?,
        kms_id: fields.guid("kms_id")?,
        cmid: fields.guid("cmid")?,
        n_policy: fields.number("n_policy")?,
        client_time: FileTime(fields.long("client_time")?),
        cmid_prev: fields.guid("cmid_prev")?,
        machine_name: fields.array("machine_name")?,
    })
}

/// The fields of a response.
pub(super) fn of_response(message: &ResponseMessage, body: &ResponseBody) -> Fields {
    let fields = Fields::default()
        .with("version", body.version.0)
        .with_bytes("epid", &body.epid)
        .with("cmid", body.cmid)
        .with("client_time", body.client_time)
        .with("count", body.count)
        .with("activation_interval", body.activation_interval)
        .with("renewal_interval", body.renewal_interval);
    match message {
        ResponseMessage::Encrypted(response) => match &response.v6 {
            Some(v6) => fields.with_bytes("hwid", &v6.hwid),
            None => fields,
        },
        _ => fields,
    }
}
