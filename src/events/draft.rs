use std::borrow::Cow;

use crate::wire::Guid;

use super::error::Wrong;
use super::list::{List, first_hresult, hex, host_and_port};
use super::{
    Avma, DirectoryActivated, Event, EventKind, EventTime, HostAnswered, Place, Processed, PublishFailed,
    Published, Requested,
};

/// An event as a file has it, before it is known which it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub(super) provider: Option<String>,
    /// The provider's GUID, as text.
    pub(super) provider_id: Option<String>,
    pub(super) id: Option<String>,
    pub(super) computer: Option<String>,
    pub(super) time: Option<EventTime>,
    /// The message, with `\n` between its lines.
    pub(super) message: String,
    /// The values that the message is made of, where the form has them.
    pub(super) values: Vec<String>,
}

/// What a draft is.
pub(super) enum Reading {
    Event(Event),
    /// An event of another provider, or with an id that says nothing of activation.
    Other,
    Wrong(Option<u32>, Wrong),
}

impl Draft {
    pub(super) fn read(self, place: Place) -> Reading {
        let is_known = self.is_of_activation();
        if is_known == Some(false) {
            return Reading::Other;
        }
        let text = self.id.as_deref().unwrap_or_default().trim();
        // The upper half, where there is one, holds severity and facility (MS-ERREF 2.1): Get-EventLog's InstanceId.
        let Some(id) = text.parse().ok().map(|id: u32| id & 0xffff) else {
            return Reading::Wrong(None, Wrong::new("event id", "a number", text));
        };
        let is_sure = is_known == Some(true);
        let kind = match id {
            REQUESTED => self.requested().map(EventKind::Requested),
            PROCESSED => self.processed().map(EventKind::Processed),
            HOST_ANSWERED => self.host_answered().map(EventKind::HostAnswered),
            // Volume Shadow Copy has the same ids: where no provider is named, what is said of has to be.
            PUBLISH_FAILED | PUBLISHED if !is_sure && !self.message.contains("KMS") => return Reading::Other,
            PUBLISH_FAILED => self.publish_failed().map(EventKind::PublishFailed),
            PUBLISHED => Ok(EventKind::Published(Published { domain: self.domain() })),
            DIRECTORY_ACTIVATED => self.directory_activated().map(EventKind::DirectoryActivated),
            AVMA | AVMA_OTHER if !is_sure && !self.message.contains("AVMA") => return Reading::Other,
            AVMA | AVMA_OTHER => Ok(EventKind::Avma(self.avma())),
            _ => return Reading::Other,
        };
        match kind {
            Ok(kind) => {
                let Self { provider, computer, time, .. } = self;
                Reading::Event(Event { place, provider, id, computer, time, kind })
            }
            Err(wrong) if wrong.field == NO_VALUES && !is_sure => Reading::Other,
            Err(wrong) => Reading::Wrong(Some(id), wrong),
        }
    }

    /// Whether the provider is that of activation; `None` where the file names none.
    fn is_of_activation(&self) -> Option<bool> {
        if let Some(guid) = self.provider_id.as_deref().and_then(Guid::parse) {
            return Some(guid == PROVIDER);
        }
        let provider = self.provider.as_deref()?.trim();
        Some(PROVIDER_NAMES.iter().any(|name| name.eq_ignore_ascii_case(provider)))
    }

    fn requested(&self) -> Result<Requested, Wrong> {
        let mut list = self.list(0)?;
        list.expect(9, "ten values: HRESULT, flags, host, CMID, time, VM, status, minutes, ActID, N-Policy")?;
        let (hresult, flags) = (list.hex("HRESULT")?, list.hex("flags")?);
        let (host, port) = host_and_port(list.text());
        Ok(Requested {
            hresult,
            flags,
            host: host.to_owned(),
            port,
            cmid: list.guid("CMID")?,
            client_time: list.minute("client time")?,
            vm_info: list.number("VM")?,
            license_status: list.number("license status")?,
            minutes_to_expiration: list.number("minutes to expiration")?,
            act_id: list.guid("ActID")?,
            n_policy: list.optional_number("N-Policy")?,
        })
    }

    fn processed(&self) -> Result<Processed, Wrong> {
        let mut list = self.list(0)?;
        list.expect(8, "eight values: HRESULT, flags, bound, unused, count, two intervals, time")?;
        Ok(Processed {
            hresult: list.hex("HRESULT")?,
            flags: list.hex("flags")?,
            bound: list.number("bound")?,
            unused: list.number("unused")?,
            count: list.number("count")?,
            activation_interval: list.number("activation interval")?,
            renewal_interval: list.number("renewal interval")?,
            client_time: list.minute("client time")?,
        })
    }

    fn host_answered(&self) -> Result<HostAnswered, Wrong> {
        let mut list = self.list(usize::from(self.values.len() >= 10))?;
        list.expect(9, "nine values: HRESULT, N-Policy, client, CMID, time, VM, status, minutes, ActID")?;
        Ok(HostAnswered {
            hresult: list.hex("HRESULT")?,
            n_policy: list.number("N-Policy")?,
            client: list.text().to_owned(),
            cmid: list.guid("CMID")?,
            client_time: list.minute("client time")?,
            vm_info: list.number("VM")?,
            license_status: list.number("license status")?,
            minutes_to_expiration: list.number("minutes to expiration")?,
            act_id: list.guid("ActID")?,
        })
    }

    fn publish_failed(&self) -> Result<PublishFailed, Wrong> {
        let of_values = self.values.iter().find(|value| value.trim().starts_with("0x"));
        let hresult = match of_values {
            Some(value) => hex(value.trim()),
            None => first_hresult(&self.text()),
        };
        let wrong = || Wrong::new("HRESULT", "a number like 0x8007232B", &self.text());
        Ok(PublishFailed { hresult: hresult.ok_or_else(wrong)?, domain: self.domain() })
    }

    /// A domain: the value that is no number, or what stands in quotation marks.
    fn domain(&self) -> Option<String> {
        let values = self.values.iter().map(|value| value.trim());
        let mut values = values.filter(|value| !value.is_empty() && hex(value).is_none());
        if let Some(value) = values.next().filter(|value| !value.contains(char::is_whitespace)) {
            return Some(value.to_owned());
        }
        let text = self.text();
        QUOTES.into_iter().find_map(|(open, close)| {
            let (_, behind) = text.split_once(open)?;
            let (domain, _) = behind.split_once(close)?;
            let is_name = |c: char| !c.is_whitespace() && !c.is_control();
            (!domain.is_empty() && domain.chars().all(is_name)).then(|| domain.to_owned())
        })
    }

    fn directory_activated(&self) -> Result<DirectoryActivated, Wrong> {
        let wrong = |text: &str| Wrong::new(NO_VALUES, "the GUID of a SKU", text);
        if self.values.len() >= 3 {
            let is_dn = |value: &&&str| is_dn(value);
            let values: Vec<_> = self.values.iter().map(|value| value.trim()).collect();
            let sku = values.iter().find_map(|value| Guid::parse(value));
            let sku = sku.ok_or_else(|| wrong(&values.join(", ")))?;
            let object_dn = values.iter().find(is_dn).map(|value| (*value).to_owned());
            let is_name = |value: &&&str| Guid::parse(value).is_none() && !is_dn(value);
            let object_name = values.iter().find(is_name).map(|value| (*value).to_owned());
            return Ok(DirectoryActivated { sku, object_name, object_dn });
        }
        let text = self.text();
        let (sku, end) = guid_in(&text).ok_or_else(|| wrong(&text))?;
        let behind = &text[end..];
        let dn = behind.match_indices("CN=").find(|(at, _)| is_dn(&behind[*at..])).map(|(at, _)| at);
        let object_dn = dn.map(|at| {
            // PowerShell wraps a long one at its spaces.
            let mut lines = behind[at..].lines().map(str::trim);
            let first = lines.next().unwrap_or_default();
            let wrapped = lines.take_while(|line| line.contains('='));
            wrapped.fold(first.to_owned(), |dn, line| dn + " " + line)
        });
        // Between the two: the name, behind whatever it is called.
        let between = &behind[..dn.unwrap_or(0)];
        let part = between.split([',', ';', '\n']).map(str::trim).find(|part| !part.is_empty());
        let name = part.map(|part| part.rsplit_once([':', '=']).map_or(part, |(_, name)| name).trim());
        let object_name = name.filter(|name| !name.is_empty()).map(str::to_owned);
        Ok(DirectoryActivated { sku, object_name, object_dn })
    }

    fn avma(&self) -> Avma {
        let hresult = first_hresult(&self.text());
        let values = if self.values.is_empty() { vec![self.message.clone()] } else { self.values.clone() };
        Avma { hresult, values }
    }

    /// The values from the given one on, in strings of their own or in one.
    fn list(&self, from: usize) -> Result<List<'_>, Wrong> {
        if self.values.len() >= 8 {
            return Ok(List::of(&self.values[from..]));
        }
        let texts = self.values.iter().chain([&self.message]);
        let found = texts.into_iter().find_map(|text| List::in_text(text));
        found.ok_or_else(|| {
            Wrong::new(NO_VALUES, "values behind commas, of which the first is an HRESULT", &self.text())
        })
    }

    /// All that it says.
    fn text(&self) -> Cow<'_, str> {
        if self.values.is_empty() { Cow::Borrowed(&self.message) } else { Cow::Owned(self.values.join("\n")) }
    }
}

/// The first GUID of a text, and where it ends.
fn guid_in(text: &str) -> Option<(Guid, usize)> {
    let is_start = |at: &usize| text.is_char_boundary(*at) && text.is_char_boundary(at + GUID_LENGTH);
    let mut starts = text.match_indices('-').filter_map(|(at, _)| at.checked_sub(8)).filter(is_start);
    starts.find_map(|at| Some((Guid::parse(text.get(at..at + GUID_LENGTH)?)?, at + GUID_LENGTH)))
}

/// True for what begins like the distinguished name of an activation object.
fn is_dn(text: &str) -> bool {
    text.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("CN=")) && text.contains(',')
}

/// Microsoft-Windows-Security-SPP.
const PROVIDER: Guid = Guid::from_u128(0xe23b33b0_c8c9_472c_a5f9_f2bdfea0f156);

/// Its name, as it is and as the Event Viewer shortens it, and those of Office's service and of Vista's.
const PROVIDER_NAMES: [&str; 5] = [
    "Microsoft-Windows-Security-SPP",
    "Security-SPP",
    "Software Protection Platform Service",
    "Office Software Protection Platform Service",
    "Microsoft-Windows-Security-Licensing-SLC",
];

const REQUESTED: u32 = 12288;
const PROCESSED: u32 = 12289;
const HOST_ANSWERED: u32 = 12290;
const PUBLISH_FAILED: u32 = 12293;
const PUBLISHED: u32 = 12294;
const DIRECTORY_ACTIVATED: u32 = 12308;
const AVMA: u32 = 12309;
const AVMA_OTHER: u32 = 12310;

/// The field of an error where nothing has the shape of an event's values.
const NO_VALUES: &str = "message";

/// What stands around a domain, depending on the language.
const QUOTES: [(char, char); 7] = [
    ('\'', '\''),
    ('"', '"'),
    ('\u{201e}', '\u{201c}'),
    ('\u{201c}', '\u{201d}'),
    ('\u{2018}', '\u{2019}'),
    ('\u{ab}', '\u{bb}'),
    ('\u{300c}', '\u{300d}'),
];

const GUID_LENGTH: usize = 36;
