use std::fmt::{self, Write as _};

use crate::catalog::product;
use crate::directory::{
    ActivationObject, Dn, Filter, Found, License, LicenseHint, Scope, SearchExchange, SearchRequest, schema,
};
use crate::report::names::{self, Plain};
use crate::trace::{DirectoryExchange, DirectoryOutcome, DirectoryRecord, ObjectRecord, Record};
use crate::wire::{Guid, Hex, Rfc3339};

use super::mak::TlsLine;
use super::{Frames, Milliseconds, Palette, TextReport, counted};

impl TextReport {
    pub(super) fn write_directory(&mut self, exchange: &DirectoryExchange) -> fmt::Result {
        let Palette { head, good, bad, odd, dim, end, .. } = self.palette;
        let record = Record::from(exchange);
        let (first, last) = record.frames().unwrap_or_default();
        let tls = if exchange.is_tls { ", TLS" } else { "" };
        write!(
            self.page,
            "{head}{} > {}{end}  {}  stream {} LDAP {}{tls}",
            exchange.client,
            exchange.server,
            Frames(first, last),
            exchange.stream,
            exchange.search.id,
        )?;
        let outcome = exchange.outcome();
        let style = match outcome {
            DirectoryOutcome::Answered => good,
            DirectoryOutcome::Empty | DirectoryOutcome::Referral | DirectoryOutcome::Abandoned => odd,
            DirectoryOutcome::NoSuchObject | DirectoryOutcome::Refused(_) | DirectoryOutcome::Unanswered => {
                bad
            }
        };
        write!(self.page, "  {style}{}{end}", outcome.name().replace('-', " "))?;
        if let Some(nanoseconds) = exchange.service_time() {
            write!(self.page, " in {}", Milliseconds(nanoseconds))?;
        }
        if let Some(time) = record.stamps().next().and_then(|stamp| stamp.time) {
            write!(self.page, "  {dim}{}{end}", Rfc3339(time))?;
        }
        writeln!(self.page)?;
        self.write_found(exchange.found.as_deref())?;
        let SearchExchange { request, found, left_out, references, result, .. } = &exchange.search;
        match request {
            Some(request) => {
                let scope = Numbered(request.scope);
                match &request.filter {
                    Some(filter) => writeln!(self.page, "  asks    {filter} {dim}({scope}){end}")?,
                    None => writeln!(
                        self.page,
                        "  asks    {odd}by a filter that is not read{end} {dim}({scope}){end}"
                    )?,
                }
                for id in product_ids(request) {
                    writeln!(self.page, "          {dim}with{end} {}", names::guid(id))?;
                }
                let base = if request.base.is_empty() { "the root of the directory" } else { &request.base };
                writeln!(self.page, "          {dim}in{end} {}", Plain(base))?;
                if !request.attributes.is_empty() {
                    let attributes = request.attributes.join(", ");
                    writeln!(self.page, "          {dim}for {}{end}", Plain(&attributes))?;
                }
            }
            None => writeln!(self.page, "  asks    {odd}no request of this message id was captured{end}")?,
        }
        let mut label = "  answer  ";
        if let Some(result) = result.as_ref().filter(|result| result.code.0 != 0) {
            write!(self.page, "{label}{bad}{}{end}", result.code)?;
            label = "          ";
            if !result.matched_dn.is_empty() {
                write!(self.page, "{dim}, but there is{end} {}", Plain(&result.matched_dn))?;
            }
            if !result.diagnostic.is_empty() {
                write!(self.page, " {dim}{:?}{end}", result.diagnostic)?;
            }
            writeln!(self.page)?;
            for referral in &result.referrals {
                writeln!(self.page, "{label}{odd}elsewhere{end} {}", Plain(referral))?;
            }
        }
        for entry in found.iter().take(MOST_ENTRIES) {
            match entry {
                Found::ActivationObject(object) => self.write_object_lines(label, object)?,
                Found::Entry(entry) => {
                    let name = if entry.dn.is_empty() { "the root of the directory" } else { &entry.dn };
                    write!(self.page, "{label}{}", Plain(name))?;
                    let context = entry.values("configurationNamingContext").next();
                    match context.and_then(|context| std::str::from_utf8(context).ok()) {
                        Some(context) => writeln!(self.page, " {dim}configuration{end} {}", Plain(context))?,
                        None => {
                            let count = entry.attributes.len() as u64;
                            writeln!(self.page, " {dim}{}{end}", counted(count, "attribute"))?;
                        }
                    }
                }
            }
            label = "          ";
        }
        let more = found.len().saturating_sub(MOST_ENTRIES) as u64 + left_out;
        if more > 0 {
            writeln!(self.page, "{label}{dim}and {} entries more{end}", more)?;
        }
        for reference in references {
            writeln!(self.page, "{label}{odd}search on at{end} {}", Plain(reference))?;
            label = "          ";
        }
        if result.as_ref().is_some_and(|result| result.code.0 == 0)
            && found.is_empty()
            && references.is_empty()
        {
            writeln!(self.page, "{label}{odd}nothing found{end}")?;
        }
        Ok(())
    }

    pub(super) fn write_object(&mut self, record: &ObjectRecord) -> fmt::Result {
        let Palette { head, odd, end, .. } = self.palette;
        writeln!(self.page, "{head}activation object{end}  line {}", record.line)?;
        self.write_object_lines("  ", &record.object)?;
        if record.is_cut {
            writeln!(self.page, "  {odd}not all of it could be read{end}")?;
        }
        Ok(())
    }

    fn write_object_lines(&mut self, label: &str, object: &ActivationObject) -> fmt::Result {
        let Palette { odd, dim, end, .. } = self.palette;
        let more = " ".repeat(label.len());
        let of_dn =
            Dn::parse(&object.dn).ok().and_then(|dn| Some(dn.rdns().first()?.first_value().to_owned()));
        let name = object.display_name.as_deref().or(object.cn.as_deref()).or(of_dn.as_deref());
        write!(self.page, "{label}{}", Plain(name.unwrap_or("without a name")))?;
        if let Some(key) = &object.partial_product_key {
            write!(self.page, "{dim}, key{end} {}", Plain(key))?;
        }
        if let Some(pid) = &object.csvlk_pid {
            write!(self.page, "{dim}, PID{end} {}", Plain(pid))?;
        }
        writeln!(self.page)?;
        writeln!(self.page, "{more}{dim}{}{end}", Plain(&object.dn))?;
        if let Some(sku) = object.csvlk_sku_id {
            writeln!(self.page, "{more}{dim}host key{end} {}", names::guid(sku))?;
        }
        for id in object.kms_ids.iter().take(MOST_ENTRIES) {
            match product::kms_id(*id) {
                Some(kms) => writeln!(self.page, "{more}{dim}activates{end} {} {dim}({id}){end}", kms.name)?,
                None => writeln!(self.page, "{more}{dim}activates{end} {id}")?,
            }
        }
        for (what, id) in [("IID", &object.installation_id), ("CID", &object.confirmation_id)] {
            if let Some(id) = id {
                writeln!(self.page, "{more}{dim}{what}{end} {}", Plain(id))?;
            }
        }
        for License { kind, length, sha256, hint } in &object.licenses {
            let hint = match hint {
                LicenseHint::Empty => ", empty".to_owned(),
                LicenseHint::Xrml { root } => format!(", looks like XrML ({})", root.escape_debug()),
                LicenseHint::Xml { .. } => ", looks like XML".to_owned(),
                LicenseHint::Der => ", looks like DER".to_owned(),
                LicenseHint::Unknown => String::new(),
            };
            let kind = kind.name();
            let hash = Hex(&sha256[..8]);
            writeln!(self.page, "{more}{dim}{kind} licence: {length} bytes, SHA-256 {hash}{hint}{end}")?;
        }
        if !object.missing.is_empty() && self.verbose {
            writeln!(
                self.page,
                "{more}{dim}not among what was answered: {}{end}",
                object.missing.join(", ")
            )?;
        }
        for problem in &object.problems {
            writeln!(self.page, "{more}{odd}{problem}{end}")?;
        }
        Ok(())
    }

    pub(super) fn write_directory_record(&mut self, record: &DirectoryRecord) -> fmt::Result {
        let Palette { odd, dim, end, .. } = self.palette;
        let counts = &record.counts;
        if counts.sealed != [0; 2] {
            let [client, server] = counts.sealed_bytes;
            writeln!(self.page, "  {odd}sealed LDAP, {client} bytes c2s, {server} bytes s2c{end}")?;
        }
        if let Some(granted) = record.start_tls {
            let how = if granted { "granted" } else { "not granted" };
            writeln!(self.page, "  {dim}StartTLS {how}{end}")?;
        }
        if let Some(tls) = &record.tls {
            writeln!(self.page, "  {dim}{}{end}", TlsLine(tls, false))?;
        }
        for bind in &record.binds {
            match bind.result {
                Some(code) => writeln!(self.page, "  {dim}bind {}: {code}{end}", Plain(&bind.method))?,
                None => writeln!(self.page, "  {dim}bind {}, not answered{end}", Plain(&bind.method))?,
            }
        }
        if self.verbose {
            let [client, server] = counts.messages;
            writeln!(
                self.page,
                "  {dim}{client} messages c2s, {server} s2c, {} searches, {} entries, {} other operations{end}",
                counts.searches, counts.entries, counts.others,
            )?;
        }
        Ok(())
    }
}

/// The ids of products in a filter, which shows them as bytes.
fn product_ids(request: &SearchRequest) -> impl Iterator<Item = Guid> {
    let assertions = request.filter.iter().flat_map(Filter::assertions);
    assertions.filter_map(|(attribute, value)| {
        let kind = schema::described(attribute)?;
        let is_id = [schema::KMS_IDS, schema::CSVLK_SKU_ID].contains(&kind.name);
        value?.try_into().ok().map(Guid::from_wire).filter(|_| is_id)
    })
}

/// Entries of a search, and KMS ids of an object, that are shown.
const MOST_ENTRIES: usize = 64;

/// `one level`, or the number of a scope that is none.
struct Numbered(Scope);

impl fmt::Display for Numbered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.0 {
            0 => f.write_str("the object itself"),
            1 => f.write_str("one level below"),
            2 => f.write_str("all below"),
            other => write!(f, "scope {other}"),
        }
    }
}
