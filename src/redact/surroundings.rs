use std::borrow::Cow;
use std::sync::Arc;

use crate::capture::Stamp;
use crate::directory::{ActivationObject, Dn, Entry, Filter, Found as DirectoryEntry, LdapResult, schema};
use crate::discovery::{Name, Record, RecordData, azure_cloud};
use crate::events::{Event, EventKind};
use crate::mak::{ConfirmationId, InstallationId};
use crate::trace::{
    ChannelRecord, ControlRecord, DirectoryExchange, Found, GuestExchange, Lookup, ObjectRecord, Search,
};
use crate::vmbus::{ChannelClass, Content, PipeMessage, control, ic, kvp};
use crate::wire::{Guid, utf16};

use super::StandIns;

/// What is asked around activation: DNS, directories, VMBus.
impl StandIns {
    /// A question of DNS.
    #[must_use]
    pub fn lookup(&self, lookup: &Lookup) -> Lookup {
        let mut lookup = lookup.clone();
        lookup.client = self.endpoint(lookup.client);
        if let Some(question) = &mut lookup.question {
            question.name = self.name(&question.name);
        }
        if let Some(queries) = &mut lookup.queries {
            queries.servers.iter_mut().for_each(|server| *server = self.endpoint(*server));
            queries.updates.iter_mut().for_each(|record| self.dns_record(record));
        }
        if let Some(answer) = &mut lookup.answer {
            answer.server = self.endpoint(answer.server);
            let message = Arc::make_mut(&mut answer.message);
            message.questions.iter_mut().for_each(|question| question.name = self.name(&question.name));
            let sections = [&mut message.answers, &mut message.authorities, &mut message.additionals];
            sections.into_iter().flatten().for_each(|record| self.dns_record(record));
            if let Some(edns) = &mut message.edns {
                edns.options.clear();
            }
        }
        lookup
    }

    /// A search for a KMS host.
    #[must_use]
    pub fn search(&self, search: &Search) -> Search {
        let mut search = search.clone();
        search.client = self.address(search.client);
        for attempt in &mut search.attempts {
            attempt.domain = self.name(&attempt.domain);
            for service in &mut attempt.services {
                service.target = self.name(&service.target);
            }
        }
        search
    }

    /// An event of Windows. What AVMA's say beside an HRESULT is not known, and goes.
    #[must_use]
    pub fn event(&self, event: &Event) -> Event {
        let mut event = event.clone();
        event.computer = event.computer.map(|computer| self.text("machine", &computer));
        let domain =
            |domain: &mut Option<String>| *domain = domain.as_deref().map(|name| self.host_text(name));
        match &mut event.kind {
            EventKind::Requested(asked) => {
                asked.host = self.host_text(&asked.host);
                asked.cmid = self.guid(asked.cmid);
            }
            EventKind::HostAnswered(answer) => {
                answer.client = self.text("machine", &answer.client);
                answer.cmid = self.guid(answer.cmid);
            }
            EventKind::PublishFailed(failed) => domain(&mut failed.domain),
            EventKind::Published(published) => domain(&mut published.domain),
            EventKind::DirectoryActivated(found) => {
                found.object_name = found.object_name.as_deref().map(|name| self.text("object", name));
                found.object_dn = found.object_dn.as_deref().map(|name| self.text("object", name));
            }
            EventKind::Avma(avma) => avma.values.clear(),
            EventKind::Processed(_) => {}
        }
        event
    }

    /// A host as text: a name, or an address.
    fn host_text(&self, text: &str) -> String {
        if let Ok(address) = text.parse() {
            return self.address(address).to_string();
        }
        match Name::parse(text) {
            Ok(name) => self.name(&name).to_string(),
            Err(_) => self.text("host", text),
        }
    }

    /// How a connection was found.
    #[must_use]
    pub fn found(&self, found: &Found) -> Found {
        let mut found = found.clone();
        found.name = self.name(&found.name);
        if let Some(via) = &mut found.via {
            via.service = self.name(&via.service);
        }
        found
    }

    /// `_vlmcs._tcp.host-5d41402abc4b2a76`: what names a service stays, and hosts that everybody asks.
    fn name(&self, name: &Name) -> Name {
        if name.is_root() || azure_cloud(name).is_some() {
            return name.clone();
        }
        let labels: Vec<&str> = name.labels().collect();
        let services = labels.iter().take_while(|label| label.starts_with('_')).count();
        let (service, host) = labels.split_at(services);
        let mut text = service.join(".");
        if !host.is_empty() {
            let host = self.host(&host.join(".").to_ascii_lowercase());
            text = if text.is_empty() { host } else { format!("{text}.{host}") };
        }
        Name::parse(&text).unwrap_or_else(|_| Name::root())
    }

    fn dns_record(&self, record: &mut Record) {
        record.name = self.name(&record.name);
        match &mut record.data {
            RecordData::Srv { target, .. } => *target = self.name(target),
            RecordData::A(address) => {
                if let std::net::IpAddr::V4(stand_in) = self.address((*address).into()) {
                    *address = stand_in;
                }
            }
            RecordData::Aaaa(address) => {
                if let std::net::IpAddr::V6(stand_in) = self.address((*address).into()) {
                    *address = stand_in;
                }
            }
            RecordData::Cname(name) | RecordData::Ptr(name) | RecordData::Ns(name) => *name = self.name(name),
            RecordData::Soa { mname, rname, .. } => {
                *mname = self.name(mname);
                *rname = self.name(rname);
            }
            RecordData::Txt(texts) => texts.clear(),
            RecordData::Other(bytes) => bytes.fill(0),
        }
    }

    /// A search in a directory.
    #[must_use]
    pub fn directory(&self, exchange: &DirectoryExchange) -> DirectoryExchange {
        let mut exchange = exchange.clone();
        exchange.client = self.endpoint(exchange.client);
        exchange.server = self.endpoint(exchange.server);
        exchange.found = exchange.found.map(|found| Arc::new(self.found(&found)));
        let search = &mut exchange.search;
        if let Some(request) = &mut search.request {
            request.base = self.dn(&request.base);
            request.filter = request.filter.as_ref().map(|filter| self.filter(filter));
        }
        for entry in &mut search.found {
            match entry {
                DirectoryEntry::ActivationObject(object) => **object = self.activation_object(object),
                DirectoryEntry::Entry(entry) => self.entry(entry),
            }
        }
        search.references.iter_mut().for_each(|url| *url = self.text("URL", url));
        if let Some(LdapResult { matched_dn, diagnostic, referrals, .. }) = &mut search.result {
            *matched_dn = self.dn(matched_dn);
            *diagnostic = self.text("text", diagnostic);
            referrals.iter_mut().for_each(|url| *url = self.text("URL", url));
        }
        exchange
    }

    /// An activation object of an export.
    #[must_use]
    pub fn object(&self, record: &ObjectRecord) -> ObjectRecord {
        ObjectRecord { object: self.activation_object(&record.object), ..record.clone() }
    }

    fn activation_object(&self, object: &ActivationObject) -> ActivationObject {
        let mut object = object.clone();
        let text = |kind: &str, value: &mut Option<String>| {
            *value = value.as_deref().map(|value| self.text(kind, value));
        };
        object.dn = self.dn(&object.dn);
        // As in a DN, where upper and lower case are one.
        for name in [&mut object.cn, &mut object.display_name].into_iter().flatten() {
            *name = self.text("name", &name.to_ascii_lowercase());
        }
        text("key", &mut object.partial_product_key);
        object.csvlk_pid = object.csvlk_pid.as_deref().map(|pid| self.epid(pid));
        let iid = |id: &str| self.id("IID", id, InstallationId::parse(id).is_ok());
        let cid = |id: &str| self.id("CID", id, ConfirmationId::parse(id).is_ok());
        object.installation_id = object.installation_id.as_deref().map(iid);
        object.confirmation_id = object.confirmation_id.as_deref().map(cid);
        object.licenses.iter_mut().for_each(|license| license.sha256 = self.bytes("license", license.sha256));
        object
    }

    fn entry(&self, entry: &mut Entry) {
        entry.dn = self.dn(&entry.dn);
        for attribute in &mut entry.attributes {
            let is_name = attribute.name().eq_ignore_ascii_case("configurationNamingContext");
            for value in &mut attribute.values {
                *value = match std::str::from_utf8(value) {
                    Ok(name) if is_name => self.dn(name).into_bytes(),
                    _ => Vec::new(),
                };
            }
        }
    }

    /// A distinguished name: the parts that every forest has stay.
    fn dn(&self, dn: &str) -> String {
        let Ok(parsed) = Dn::parse(dn) else { return self.text("DN", dn) };
        let rdns = parsed.rdns().iter().map(|rdn| {
            let parts = rdn.parts().iter().map(|(kind, value)| {
                // What stands there in place of a type can be a part of a value that was not escaped.
                let is_type = TYPES.iter().any(|known| known.eq_ignore_ascii_case(kind));
                let kind = if is_type { Cow::from(kind) } else { self.text("type", kind).into() };
                match EVERYWHERE.iter().any(|known| known.eq_ignore_ascii_case(value)) {
                    true => format!("{kind}={value}"),
                    false => format!("{kind}={}", self.text("name", &value.to_ascii_lowercase())),
                }
            });
            parts.collect::<Vec<_>>().join("+")
        });
        rdns.collect::<Vec<_>>().join(",")
    }

    /// A filter: values of products' ids and of classes stay.
    fn filter(&self, filter: &Filter) -> Filter {
        let value = |attribute: &str, value: &[u8]| {
            let names_nobody = [schema::KMS_IDS, schema::CSVLK_SKU_ID, "objectClass", "objectCategory"];
            if names_nobody.iter().any(|known| known.eq_ignore_ascii_case(attribute)) {
                return value.to_vec();
            }
            let text = String::from_utf8_lossy(value);
            match ["cn", "displayName"].iter().any(|name| name.eq_ignore_ascii_case(attribute)) {
                true => self.text("name", &text.to_ascii_lowercase()).into_bytes(),
                false => self.text("value", &text).into_bytes(),
            }
        };
        let mut filter = filter.clone();
        match &mut filter {
            Filter::And(parts) | Filter::Or(parts) => {
                parts.iter_mut().for_each(|part| *part = self.filter(part))
            }
            Filter::Not(part) => **part = self.filter(part),
            Filter::Equality(assertion)
            | Filter::GreaterOrEqual(assertion)
            | Filter::LessOrEqual(assertion)
            | Filter::Approximate(assertion) => {
                assertion.value = value(&assertion.attribute, &assertion.value);
            }
            Filter::Substrings { attribute, initial, any, last } => {
                let parts = initial.iter_mut().chain(any).chain(last);
                parts.for_each(|part| *part = value(attribute, part));
            }
            Filter::Extensible { attribute, value: matched, .. } => {
                *matched = value(attribute.as_deref().unwrap_or_default(), matched);
            }
            Filter::Present(_) => {}
        }
        filter
    }

    /// An exchange in a pipe of VMBus.
    #[must_use]
    pub fn guest(&self, exchange: &GuestExchange) -> GuestExchange {
        let mut exchange = exchange.clone();
        let inner = &mut exchange.exchange;
        inner.instance_id = self.instance(inner.class, inner.instance_id);
        inner.request.iter_mut().chain(&mut inner.response).for_each(|message| self.pipe_message(message));
        exchange
    }

    fn pipe_message(&self, message: &mut PipeMessage<Stamp>) {
        match &mut message.content {
            Content::Opaque(payload) => {
                payload.sha256 = self.bytes("payload", payload.sha256);
                payload.first.fill(0);
            }
            Content::SynthRdp(message) => message.excess.fill(0),
            Content::Kvp(message) => {
                message.excess.fill(0);
                if let ic::Body::Kvp(exchange) = &mut message.body
                    && let kvp::Body::Pair(pair) | kvp::Body::Indexed { pair, .. } = &mut exchange.body
                {
                    self.pair(pair);
                }
            }
        }
    }

    /// The value gets its stand-in, the key stays: it says what the value is of.
    fn pair(&self, pair: &mut kvp::Pair) {
        let kvp::Value::Text(text) = pair.value() else {
            pair.value_field.fill(0);
            return;
        };
        let text = self.text("value", &text);
        let bytes = utf16::encode(&text);
        let length = pair.value_field.len();
        pair.value_field.fill(0);
        for (place, byte) in pair.value_field.iter_mut().zip(&bytes) {
            *place = *byte;
        }
        let size = bytes.len().saturating_add(2).min(length);
        pair.value_size = u32::try_from(size).unwrap_or(u32::MAX);
    }

    /// A channel of VMBus.
    #[must_use]
    pub fn channel(&self, channel: &ChannelRecord) -> ChannelRecord {
        let mut record = channel.clone();
        record.channel.instance_id = self.instance(record.channel.class, record.channel.instance_id);
        record
    }

    /// A control message: its type and its length stay.
    #[must_use]
    pub fn control(&self, control: &ControlRecord) -> ControlRecord {
        let mut record = control.clone();
        let length = record.message.encode().len();
        record.message.body = control::Body::Opaque;
        record.message.excess = vec![0; length.saturating_sub(8)];
        record
    }

    /// The instances of known classes are the same on every machine.
    fn instance(&self, class: ChannelClass, instance: Guid) -> Guid {
        if class.instance_id() == Some(instance) { instance } else { self.guid(instance) }
    }
}

/// Types in a DN that every directory has (RFC 4514 section 3, and what Active Directory adds).
const TYPES: [&str; 12] =
    ["CN", "OU", "DC", "O", "C", "L", "ST", "STREET", "UID", "SN", "serialNumber", "emailAddress"];

/// Names in a DN that every forest has.
const EVERYWHERE: [&str; 5] = ["Activation Objects", "Microsoft SPP", "Services", "Configuration", "Schema"];
