use crate::catalog::product;
use crate::directory::{ActivationObject, Found, LicenseHint, SearchExchange};
use crate::report::json::{IfAny, Json, Object, Shown, Value, fields};
use crate::trace::{DirectoryExchange, DirectoryRecord, ObjectRecord, Record};
use crate::wire::{Hex, Rfc3339};

pub(super) fn write_directory(json: &mut Json, exchange: &DirectoryExchange) {
    let record = Record::from(exchange);
    let (first, last) = record.frames().unzip();
    let time = record.stamps().next().and_then(|stamp| stamp.time);
    let SearchExchange { id, request, found, left_out, references, result, .. } = &exchange.search;
    let objects: Vec<_> = found
        .iter()
        .filter_map(|entry| match entry {
            Found::ActivationObject(object) => Some(Object(|json: &mut Json| write_fields(json, object))),
            Found::Entry(_) => None,
        })
        .collect();
    let entries: Vec<_> = found
        .iter()
        .filter_map(|entry| match entry {
            Found::ActivationObject(_) => None,
            Found::Entry(entry) => Some(Object(|json: &mut Json| {
                let context = entry.values("configurationNamingContext").next();
                fields!(json,
                    "dn": *entry.dn,
                    "attribute_count": entry.attributes.len(),
                    "configuration_naming_context": IfAny(context.and_then(|context| std::str::from_utf8(context).ok())),
                );
            })),
        })
        .collect();
    fields!(json,
        "stream": exchange.stream,
        "client": exchange.client,
        "server": exchange.server,
        "tls": exchange.is_tls,
        "message_id": *id,
        "outcome": exchange.outcome().name(),
        "service_time_ns": exchange.service_time(),
        "first_frame": first,
        "last_frame": last,
        "time": IfAny(time.map(Rfc3339)),
        "time_ns": IfAny(time),
        "request": request.as_ref().map(|request| Object(|json: &mut Json| {
            fields!(json,
                "base": *request.base,
                "scope": Shown(request.scope),
                "filter": request.filter.as_ref().map(Shown),
                "attributes": request.attributes[..],
                "size_limit": request.size_limit,
                "time_limit": request.time_limit,
                "types_only": request.types_only,
            );
        })),
        "objects": objects[..],
        "entries": entries[..],
        "left_out": IfAny(Some(*left_out).filter(|count| *count > 0)),
        "references": IfAny((!references.is_empty()).then_some(&references[..])),
        "result": result.as_ref().map(|result| Object(|json: &mut Json| {
            fields!(json,
                "code": result.code.0,
                "code_name": result.code.name(),
                "matched_dn": *result.matched_dn,
                "diagnostic": *result.diagnostic,
                "referrals": IfAny((!result.referrals.is_empty()).then_some(&result.referrals[..])),
            );
        })),
        "found": IfAny(exchange.found.as_deref()),
    );
}

pub(super) fn write_object(json: &mut Json, record: &ObjectRecord) {
    fields!(json, "line": record.line, "offset": record.offset, "cut": IfAny(record.is_cut.then_some(true)));
    write_fields(json, &record.object);
}

fn write_fields(json: &mut Json, object: &ActivationObject) {
    let licenses: Vec<_> = object
        .licenses
        .iter()
        .map(|license| {
            Object(move |json: &mut Json| {
                let (hint, root) = match &license.hint {
                    LicenseHint::Empty => (Some("empty"), None),
                    LicenseHint::Xrml { root } => (Some("xrml"), Some(&**root)),
                    LicenseHint::Xml { root } => (Some("xml"), root.as_deref()),
                    LicenseHint::Der => (Some("der"), None),
                    LicenseHint::Unknown => (None, None),
                };
                fields!(json,
                    "kind": license.kind.name(),
                    "length": license.length,
                    "sha256": Hex(&license.sha256),
                    "hint": IfAny(hint),
                    "root": IfAny(root),
                );
            })
        })
        .collect();
    let problems: Vec<String> = object.problems.iter().map(ToString::to_string).collect();
    let other: Vec<_> = object
        .other
        .iter()
        .map(|other| {
            Object(move |json: &mut Json| {
                fields!(json, "name": *other.description, "count": other.count, "lengths": other.lengths[..]);
            })
        })
        .collect();
    let kms_names: Vec<_> =
        object.kms_ids.iter().map(|id| product::kms_id(*id).map(|kms| kms.name)).collect();
    let text = |value: &Option<String>| IfAny(value.clone());
    fields!(json,
        "dn": *object.dn,
        "cn": text(&object.cn),
        "display_name": text(&object.display_name),
        "object_class": object.object_class[..],
        "csvlk_sku_id": IfAny(object.csvlk_sku_id),
        "csvlk_sku_name": IfAny(object.csvlk_sku_id.map(|id| product::sku(id).map(|sku| sku.name))),
        "csvlk_pid": text(&object.csvlk_pid),
        "csvlk_partial_product_key": text(&object.partial_product_key),
        "kms_ids": object.kms_ids[..],
        "kms_names": kms_names[..],
        "installation_id": text(&object.installation_id),
        "confirmation_id": text(&object.confirmation_id),
        "licenses": licenses[..],
        "other_attributes": IfAny((!other.is_empty()).then_some(&other[..])),
        "missing": IfAny((!object.missing.is_empty()).then_some(&object.missing[..])),
        "problems": IfAny((!problems.is_empty()).then_some(&problems[..])),
    );
}

impl Value for DirectoryRecord {
    fn write(&self, json: &mut Json) {
        let binds: Vec<_> = self
            .binds
            .iter()
            .map(|bind| {
                Object(move |json: &mut Json| {
                    fields!(json,
                        "method": *bind.method,
                        "result": bind.result.map(|code| code.0),
                        "result_name": bind.result.and_then(crate::directory::ResultCode::name),
                    );
                })
            })
            .collect();
        let counts = &self.counts;
        let fields = |json: &mut Json| {
            fields!(json,
                "messages_c2s": counts.messages[0],
                "messages_s2c": counts.messages[1],
                "searches": counts.searches,
                "entries": counts.entries,
                "activation_objects": counts.activation_objects,
                "other_operations": counts.others,
                "sealed_c2s": counts.sealed_bytes[0],
                "sealed_s2c": counts.sealed_bytes[1],
                "binds": binds[..],
                "start_tls": IfAny(self.start_tls),
                "tls": IfAny(self.tls.as_ref().map(|tls| Object(|json| super::mak::write_tls(json, tls)))),
            );
        };
        Object(fields).write(json);
    }
}
