use std::sync::Arc;

use crate::mak::vamt::{CandidateKind, Computer, NamedValue};
use crate::mak::{
    ConfirmationId, Content, Field, Id, InstallationId, Message, RequestDocument, ResponseDocument,
    TokenValues,
};
use crate::trace::{Body, Carrier, MakExchange};
use crate::wire::{Epid, Guid};

use super::StandIns;

/// Exchanges with MAK's services, and what VAMT keeps of computers.
impl StandIns {
    /// An exchange with one of MAK's services.
    #[must_use]
    pub fn mak(&self, exchange: &MakExchange) -> MakExchange {
        let mut exchange = exchange.clone();
        exchange.found = exchange.found.map(|found| Arc::new(self.found(&found)));
        match &mut exchange.carrier {
            Carrier::Stream { client, server, .. } => {
                *client = self.endpoint(*client);
                *server = self.endpoint(*server);
            }
            Carrier::Har { server, .. } => *server = server.map(|server| self.address(server)),
            Carrier::Body => {}
        }
        if let Some(request) = &mut exchange.request {
            if let Some(head) = &mut request.head {
                // Hosts of the services name nobody, a proxy does; what is behind a `?` can be anything.
                head.host = head.host.as_deref().map(|host| self.host(host));
                head.target = self.target(&head.target);
            }
            self.body(&mut request.body);
        }
        if let Some(answer) = &mut exchange.answer {
            self.body(&mut answer.body);
        }
        exchange
    }

    /// A computer of a VAMT file.
    #[must_use]
    pub fn computer(&self, computer: &Computer) -> Computer {
        let mut computer = computer.clone();
        for value in
            computer.values.iter_mut().chain(computer.products.iter_mut().flat_map(|p| &mut p.values))
        {
            self.named(value);
        }
        computer
    }

    /// `IID-5d41402abc4b2a76`, or `wrong-IID-...`: whether it was one is all that is left of it.
    pub(super) fn id(&self, kind: &str, id: &str, is_valid: bool) -> String {
        let digits: String = id.chars().filter(char::is_ascii_digit).collect();
        let stand_in = self.text(kind, &digits);
        if is_valid || stand_in.is_empty() { stand_in } else { format!("wrong-{stand_in}") }
    }

    /// A value of whatever kind: the same stand-in as where its kind is known.
    fn value(&self, value: &str) -> String {
        if let Some(guid) = Guid::parse(value) {
            self.guid(guid).to_string()
        } else if let Ok(id) = Id::parse(value) {
            self.id(if id.kind().is_confirmation() { "CID" } else { "IID" }, value, true)
        } else if Epid::parse(value).is_ok() {
            self.epid(value)
        } else if let Ok(address) = value.parse() {
            self.address(address).to_string()
        } else {
            self.text("value", value)
        }
    }

    pub(super) fn host(&self, host: &str) -> String {
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                (name, &host[name.len()..])
            }
            _ => (host, ""),
        };
        if crate::mak::is_service_host(name) {
            return host.to_owned();
        }
        match name.trim_matches(['[', ']']).parse() {
            Ok(address) => format!("{}{port}", self.address(address)),
            Err(_) => format!("{}{port}", self.text("host", name)),
        }
    }

    fn target(&self, target: &str) -> String {
        let target = target.split(['?', '#']).next().unwrap_or_default();
        match target.split_once("://") {
            Some((scheme, rest)) => {
                let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                format!("{scheme}://{}{path}", self.host(host))
            }
            None if target.starts_with('/') => target.to_owned(),
            None => self.host(target),
        }
    }

    fn body(&self, body: &mut Body) {
        let Some(message) = &mut body.message else { return };
        let Message { headers, content, other, beside, .. } = message;
        [headers, other, beside].into_iter().for_each(|fields| self.fields(fields));
        match content {
            Content::BatchRequest(request) => {
                // A digest over what was sent would confirm a guess.
                request.raw.fill(0);
                request.digest = request.digest.as_deref().map(|digest| self.text("digest", digest));
                self.request_document(&mut request.document);
                self.fields(&mut request.other);
            }
            Content::RequestDocument(document) => self.request_document(document),
            Content::BatchResponse(response) => {
                self.response_document(&mut response.document);
                self.fields(&mut response.other);
            }
            Content::ResponseDocument(document) => self.response_document(document),
            Content::TokenRequest(request) => {
                let values = [&mut request.use_key, &mut request.claims];
                values.into_iter().flatten().for_each(|values| self.token_values(values));
                self.fields(&mut request.other);
            }
            Content::TokenResponse(response) => {
                response.token.iter_mut().for_each(|values| self.token_values(values));
                self.fields(&mut response.other);
            }
            Content::Fault(fault) => {
                fault.messages.iter_mut().for_each(|message| *message = self.message(message));
                let texts = [&mut fault.reason, &mut fault.actor, &mut fault.node];
                texts.into_iter().flatten().for_each(|text| *text = self.message(text));
                self.fields(&mut fault.detail);
                self.fields(&mut fault.other);
            }
            Content::Other { .. } => {}
        }
    }

    fn request_document(&self, document: &mut RequestDocument) {
        for item in &mut document.items {
            item.pid = item.pid.as_deref().map(|pid| self.epid(pid));
            item.iid = item.iid.as_deref().map(|iid| self.id("IID", iid, InstallationId::parse(iid).is_ok()));
            self.fields(&mut item.other);
        }
        self.fields(&mut document.other);
    }

    fn response_document(&self, document: &mut ResponseDocument) {
        document.batch_id = document.batch_id.as_deref().map(|id| self.text("batch", id));
        for item in &mut document.items {
            item.pid = item.pid.as_deref().map(|pid| self.epid(pid));
            item.iid = item.iid.as_deref().map(|iid| self.id("IID", iid, InstallationId::parse(iid).is_ok()));
            item.cid = item.cid.as_deref().map(|cid| self.id("CID", cid, ConfirmationId::parse(cid).is_ok()));
            self.fields(&mut item.other);
        }
        self.fields(&mut document.other);
    }

    /// Of claims, those stay that say what is asked for and not who asks.
    fn token_values(&self, values: &mut TokenValues) {
        for entry in &mut values.entries {
            let name = entry.name.as_deref().unwrap_or_default();
            if !STAYING_CLAIMS.contains(&name) {
                entry.value = entry.value.as_deref().map(|value| self.value(value));
            }
            self.fields(&mut entry.other);
        }
        self.fields(&mut values.other);
    }

    fn fields(&self, fields: &mut [Field]) {
        fields.iter_mut().for_each(|field| field.value = self.value(&field.value));
    }

    fn named(&self, value: &mut NamedValue) {
        let name = value.name.rsplit('/').next().unwrap_or_default();
        if !STAYING_VALUES.contains(&name) {
            value.value = match value.candidate().map(|candidate| candidate.kind) {
                Some(CandidateKind::InstallationId) => {
                    self.id("IID", &value.value, InstallationId::parse(&value.value).is_ok())
                }
                Some(CandidateKind::ConfirmationId) => {
                    self.id("CID", &value.value, ConfirmationId::parse(&value.value).is_ok())
                }
                None => self.value(&value.value),
            };
        }
    }
}

const STAYING_CLAIMS: [&str; 6] = [
    "BindingType",
    "ProductKeyType",
    "ClientSystemTime",
    "ClientSystemTimeUtc",
    "otherInfoPublic.licenseCategory",
    "otherInfoPublic.sysprepAction",
];

/// What VAMT says of a computer's system and products, and not of whose they are.
const STAYING_VALUES: [&str; 9] = [
    "OSVersion",
    "OSEdition",
    "NetworkType",
    "ProductName",
    "ProductDescription",
    "LicenseStatus",
    "LicenseFamily",
    "GenuineStatus",
    "ErrorCode",
];
