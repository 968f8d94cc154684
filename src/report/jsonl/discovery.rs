use crate::capture::{Endpoint, Stamp};
use crate::catalog::hresult;
use crate::discovery::{Answer, Attempt, Queries, Record, RecordData, Section, Service};
use crate::report::json::{IfAny, Json, Object, Shown, fields};
use crate::trace::{Lookup, Record as Asked, Search};
use crate::wire::{Hex, Rfc3339};

pub(super) fn write_lookup(json: &mut Json, lookup: &Lookup) {
    let asked = Asked::from(lookup);
    let (first, last) = asked.frames().unzip();
    fields!(json,
        "transport": lookup.transport.name(),
        "client": lookup.client,
        "server": asked.sides().map(|(_, server)| server),
        "id": lookup.id,
        "opcode": IfAny(lookup.opcode.name()),
        "question": lookup.question.as_ref().map(|question| Object(|json: &mut Json| {
            fields!(json,
                "name": question.name.as_str(),
                "rtype": Shown(question.rtype),
                "class": Shown(question.class),
                "unicast_response": IfAny(question.unicast_response.then_some(true)),
            );
        })),
        "origin": lookup.origin.name(),
        "outcome": lookup.outcome.name(),
        "hresult": IfAny(lookup.outcome.hresult().map(super::HResult)),
        "hresult_symbol": IfAny(lookup.outcome.hresult().and_then(hresult::symbol)),
        "service_time_ns": asked.service_time(),
        "first_frame": first,
        "last_frame": last,
        "time": IfAny(lookup.first_time().map(Rfc3339)),
        "time_ns": IfAny(lookup.first_time()),
        "after_truncation": IfAny(lookup.after_truncation.then_some(true)),
        "given_up": IfAny(lookup.given_up.then_some(true)),
        "queries": lookup.queries.as_ref().map(|queries| Object(|json: &mut Json| write_queries(json, queries))),
        "answer": lookup.answer.as_ref().map(|answer| Object(|json: &mut Json| write_answer(json, lookup, answer))),
    );
}

fn write_answer(json: &mut Json, lookup: &Lookup, answer: &Answer<Endpoint, Stamp>) {
    let message = &*answer.message;
    fields!(json,
        "server": answer.server,
        "frame": answer.stamp.frame,
        "time": IfAny(answer.time.map(Rfc3339)),
        "rcode": message.rcode().0,
        "rcode_name": message.rcode().name(),
        "flags": message.flags.0,
        "authoritative": message.flags.aa(),
        "truncated": message.flags.tc(),
        "length": message.length,
        "negative_ttl": IfAny(lookup.negative_ttl()),
    );
    let mut left_out = 0;
    for (name, section) in SECTIONS {
        let records: Vec<&Record> =
            message.records().filter(|(other, _)| *other == section).map(|(_, record)| record).collect();
        left_out += records.len().saturating_sub(MOST_RECORDS);
        let shown: Vec<_> = records
            .into_iter()
            .take(MOST_RECORDS)
            .map(|record| Object(move |json: &mut Json| write_record(json, record)))
            .collect();
        json.field(name, &&shown[..]);
    }
    fields!(json,
        "left_out": IfAny(Some(left_out).filter(|count| *count > 0)),
        "error": IfAny(message.errors().next()),
    );
}

/// Records of a section that are written; more of them are in no answer that means well.
const MOST_RECORDS: usize = 256;

const SECTIONS: [(&str, Section); 3] =
    [("answers", Section::Answer), ("authorities", Section::Authority), ("additionals", Section::Additional)];

fn write_queries(json: &mut Json, queries: &Queries<Endpoint, Stamp>) {
    let updates: Vec<_> =
        queries.updates.iter().map(|record| Object(|json: &mut Json| write_record(json, record))).collect();
    fields!(json,
        "count": queries.count,
        "servers": queries.servers[..],
        "recursion_desired": queries.flags.rd(),
        "known_answers": IfAny(Some(queries.known_answers).filter(|count| *count > 0)),
        "probe": IfAny(queries.is_probe.then_some(true)),
        "updates": IfAny((!updates.is_empty()).then_some(&updates[..])),
    );
}

fn write_record(json: &mut Json, record: &Record) {
    fields!(json,
        "name": record.name.as_str(),
        "rtype": Shown(record.rtype),
        "class": Shown(record.class),
        "ttl": record.ttl,
    );
    match &record.data {
        RecordData::Srv { priority, weight, port, target } => fields!(json,
            "priority": *priority,
            "weight": *weight,
            "port": *port,
            "target": target.as_str(),
        ),
        RecordData::A(address) => fields!(json, "address": Shown(address)),
        RecordData::Aaaa(address) => fields!(json, "address": Shown(address)),
        RecordData::Cname(name) | RecordData::Ptr(name) | RecordData::Ns(name) => {
            fields!(json, "target": name.as_str());
        }
        RecordData::Soa { mname, rname, serial, minimum, .. } => fields!(json,
            "mname": mname.as_str(),
            "rname": rname.as_str(),
            "serial": *serial,
            "minimum": *minimum,
        ),
        RecordData::Txt(texts) => {
            let texts: Vec<String> =
                texts.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect();
            fields!(json, "texts": texts[..]);
        }
        RecordData::Other(bytes) => fields!(json, "data": Hex(bytes)),
    }
    fields!(json, "error": IfAny(record.error.as_ref()));
}

pub(super) fn write_search(json: &mut Json, search: &Search) {
    let attempts: Vec<_> = search
        .attempts
        .iter()
        .map(|attempt| Object(move |json: &mut Json| write_attempt(json, attempt)))
        .collect();
    fields!(json,
        "client": Shown(search.client),
        "answered": search.answered().map(|attempt| attempt.domain.as_str()),
        "attempts": attempts[..],
    );
}

fn write_attempt(json: &mut Json, attempt: &Attempt<Stamp>) {
    let services: Vec<_> = attempt
        .services
        .iter()
        .map(|service| {
            Object(move |json: &mut Json| {
                let Service { priority, weight, port, target, ttl } = service;
                fields!(json,
                    "target": target.as_str(),
                    "port": *port,
                    "priority": *priority,
                    "weight": *weight,
                    "ttl": *ttl,
                );
            })
        })
        .collect();
    fields!(json,
        "domain": attempt.domain.as_str(),
        "transport": attempt.transport.name(),
        "first_frame": attempt.first.frame,
        "time": IfAny(attempt.first_time.map(Rfc3339)),
        "queries": attempt.queries,
        "outcome": attempt.outcome.name(),
        "services": services[..],
    );
}
