use std::fmt::Display;
use std::io;
use std::net::IpAddr;

use crate::capture::Endpoint;
use crate::catalog::{hresult, product};
use crate::report::json::{IfAny, Json, Object, fields};
use crate::rpc;
use crate::trace::Service;
use crate::trace::rows::{Key, Rows};
use crate::wire::Rfc3339;

use super::key::{OutcomeKey, ProductKey};
use super::row::Row;
use super::{Stats, rest, sorted};

impl Stats {
    /// Writes a `stats` record for all exchanges together and one for each row, the rows with the most exchanges first;
    /// `file` is the input, where they are of one.
    ///
    /// # Errors
    /// A failure to write.
    pub fn write_jsonl(&self, out: &mut impl io::Write, file: Option<&str>) -> io::Result<()> {
        put(out, &StatsLine::of(file, "all", &self.all))?;
        write_rows(out, file, "outcome", &self.outcomes, |line, key| line.set_outcome(key))?;
        write_rows(out, file, "client", &self.clients, |line, key: IpAddr| {
            line.client = Some(key.to_string())
        })?;
        let machines = self.machines.by_host();
        write_rows(out, file, "host", &self.hosts, |line, key: Endpoint| {
            line.server = Some(key.to_string());
            line.machines = Some(machines.get(&key).copied().unwrap_or(0));
            line.machines_exact = Some(!self.machines.has_more);
        })?;
        write_rows(out, file, "product", &self.products, |line, key| line.set_product(key))
    }
}

fn write_rows<K: Key>(
    out: &mut impl io::Write,
    file: Option<&str>,
    by: &'static str,
    rows: &Rows<K, Row>,
    name: impl Fn(&mut StatsLine<'_>, K),
) -> io::Result<()> {
    for (key, row) in sorted(rows) {
        let mut line = StatsLine::of(file, by, row);
        name(&mut line, key);
        put(out, &line)?;
    }
    match rest(rows) {
        Some((row, about)) => put(out, &StatsLine { others: Some(about), ..StatsLine::of(file, by, row) }),
        None => Ok(()),
    }
}

fn put(out: &mut impl io::Write, line: &StatsLine<'_>) -> io::Result<()> {
    let mut json = Json::default();
    json.line(&Object(|json: &mut Json| line.write(json)));
    out.write_all(&json.turn(Vec::new()))
}

struct StatsLine<'a> {
    file: Option<&'a str>,
    by: &'static str,
    client: Option<String>,
    server: Option<String>,
    sku_id: Option<String>,
    sku_name: Option<&'static str>,
    kms_id: Option<String>,
    kms_name: Option<&'static str>,
    service: Option<Option<&'static str>>,
    asked: Option<&'static str>,
    outcome: Option<&'static str>,
    hresult: Option<String>,
    hresult_symbol: Option<&'static str>,
    status: Option<String>,
    status_name: Option<&'static str>,
    error_code: Option<String>,
    http_status: Option<u16>,
    result_code: Option<u32>,
    others: Option<u64>,
    exchanges: u64,
    answered: u64,
    refused: u64,
    faults: u64,
    http_errors: u64,
    unreadable: u64,
    unanswered: u64,
    failed_checks: u64,
    timed: u64,
    negative_times: u64,
    service_time_min_ns: Option<u64>,
    service_time_p50_ns: Option<u64>,
    service_time_p90_ns: Option<u64>,
    service_time_p99_ns: Option<u64>,
    service_time_max_ns: Option<u64>,
    machines: Option<u64>,
    machines_exact: Option<bool>,
    first_time: Option<String>,
    first_time_ns: Option<i64>,
    last_time: Option<String>,
    last_time_ns: Option<i64>,
}

impl StatsLine<'_> {
    fn write(&self, json: &mut Json) {
        fields!(
            json,
            "type": "stats",
            "file": IfAny(self.file),
            "by": self.by,
            "client": IfAny(self.client.as_deref()),
            "server": IfAny(self.server.as_deref()),
            "sku_id": IfAny(self.sku_id.as_deref()),
            "sku_name": IfAny(self.sku_name),
            "kms_id": IfAny(self.kms_id.as_deref()),
            "kms_name": IfAny(self.kms_name),
            "service": IfAny(self.service),
            "asked": IfAny(self.asked),
            "outcome": IfAny(self.outcome),
            "hresult": IfAny(self.hresult.as_deref()),
            "hresult_symbol": IfAny(self.hresult_symbol),
            "status": IfAny(self.status.as_deref()),
            "status_name": IfAny(self.status_name),
            "error_code": IfAny(self.error_code.as_deref()),
            "http_status": IfAny(self.http_status),
            "result_code": IfAny(self.result_code),
            "others": IfAny(self.others),
            "exchanges": self.exchanges,
            "answered": self.answered,
            "refused": self.refused,
            "faults": self.faults,
            "http_errors": self.http_errors,
            "unreadable": self.unreadable,
            "unanswered": self.unanswered,
            "failed_checks": self.failed_checks,
            "timed": self.timed,
            "negative_times": self.negative_times,
            "service_time_min_ns": self.service_time_min_ns,
            "service_time_p50_ns": self.service_time_p50_ns,
            "service_time_p90_ns": self.service_time_p90_ns,
            "service_time_p99_ns": self.service_time_p99_ns,
            "service_time_max_ns": self.service_time_max_ns,
            "machines": IfAny(self.machines),
            "machines_exact": IfAny(self.machines_exact),
            "first_time": IfAny(self.first_time.as_deref()),
            "first_time_ns": IfAny(self.first_time_ns),
            "last_time": IfAny(self.last_time.as_deref()),
            "last_time_ns": IfAny(self.last_time_ns),
        );
    }
}

impl<'a> StatsLine<'a> {
    fn of(file: Option<&'a str>, by: &'static str, row: &Row) -> Self {
        let (first, last) = row.seen.unzip();
        let shown = |time: Option<i64>| time.map(|time| Rfc3339(time).to_string());
        Self {
            file,
            by,
            client: None,
            server: None,
            sku_id: None,
            sku_name: None,
            kms_id: None,
            kms_name: None,
            service: None,
            asked: None,
            outcome: None,
            hresult: None,
            hresult_symbol: None,
            status: None,
            status_name: None,
            error_code: None,
            http_status: None,
            result_code: None,
            others: None,
            exchanges: row.exchanges,
            answered: row.answered,
            refused: row.refused,
            faults: row.faults,
            http_errors: row.http_errors,
            unreadable: row.unreadable,
            unanswered: row.unanswered,
            failed_checks: row.failed_checks,
            timed: row.times.count(),
            negative_times: row.times.negative(),
            service_time_min_ns: row.times.least(),
            service_time_p50_ns: row.times.percentile(50),
            service_time_p90_ns: row.times.percentile(90),
            service_time_p99_ns: row.times.percentile(99),
            service_time_max_ns: row.times.greatest(),
            machines: None,
            machines_exact: None,
            first_time: shown(first),
            first_time_ns: first,
            last_time: shown(last),
            last_time_ns: last,
        }
    }

    fn set_outcome(&mut self, key: OutcomeKey) {
        self.outcome = Some(key.name());
        match key {
            OutcomeKey::Refused(code) | OutcomeKey::SoapFault(Some(code)) => {
                (self.hresult, self.hresult_symbol) = (Some(format!("0x{code:08X}")), hresult::symbol(code));
            }
            OutcomeKey::Fault(Some(status)) => {
                self.status = Some(format!("0x{status:08x}"));
                self.status_name = rpc::fault_status_name(status);
            }
            OutcomeKey::MakRefused(_, code) => self.error_code = code.map(|code| code.to_string()),
            OutcomeKey::HttpError(status) => self.http_status = Some(status),
            OutcomeKey::Named("LDAP", _, code) => self.result_code = code,
            OutcomeKey::Named(_, _, Some(code)) => {
                (self.hresult, self.hresult_symbol) = (Some(format!("0x{code:08X}")), hresult::symbol(code));
            }
            _ => {}
        }
    }

    fn set_product(&mut self, key: ProductKey) {
        let text = |guid: &dyn Display| Some(guid.to_string());
        match key {
            ProductKey::Sku(guid) => {
                (self.sku_id, self.sku_name) = (text(&guid), product::sku(guid).map(|sku| sku.name));
            }
            ProductKey::KmsId(guid) => {
                (self.kms_id, self.kms_name) = (text(&guid), product::kms_id(guid).map(|kms| kms.name));
            }
            ProductKey::Unread => {}
            ProductKey::Service(service) => self.service = Some(service.map(Service::name)),
            ProductKey::Asked(what) => self.asked = Some(what),
        }
    }
}
