//! Names beside numbers, the number always kept.

use std::fmt;

use crate::catalog::{host, hresult, lcid, license_status, product};
use crate::directory::schema::{AttributeType, Syntax};
use crate::kms::RequestBody;
use crate::mak::{ErrorCode, IdKind};
use crate::rpc;
use crate::wire::Epid;
use crate::wire::Guid;

/// A number and the name it has, `2 (OOB grace)`.
pub(super) struct Numbered<'a, T>(pub(super) T, pub(super) Option<&'a str>);

impl<T: fmt::Display> fmt::Display for Numbered<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Some(name) => write!(f, "{} ({name})", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

/// Text of a stranger: what a terminal would take for a command, or not show, is escaped.
pub(super) struct Plain<'a>(pub(super) &'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
            return f.write_str(self.0);
        }
        self.0.chars().try_for_each(|c| write!(f, "{}", c.escape_debug()))
    }
}

/// A GUID and the name it has in the catalog.
pub(super) fn guid(guid: Guid) -> impl fmt::Display {
    Numbered(guid, product::name_of(guid).map(|(_, name)| name))
}

pub(super) fn license_status(status: u32) -> impl fmt::Display {
    Numbered(status, license_status::name(status))
}

/// `0xC004F042 SL_E_VL_...: what it means`.
pub(super) fn hresult(code: u32) -> String {
    let mut text = format!("0x{code:08X}");
    if let Some(symbol) = hresult::symbol(code) {
        text.push(' ');
        text.push_str(symbol);
    }
    if let Some(meaning) = hresult::describe(code) {
        text.push_str(": ");
        text.push_str(meaning);
    }
    text
}

/// An HRESULT of one of MAK's services: those that have no symbol can have a meaning as an ErrorCode.
pub(super) fn service_hresult(code: u32) -> String {
    match hresult::symbol(code) {
        Some(_) => hresult(code),
        None => mak_error(ErrorCode(code)),
    }
}

/// `0x7F: the MAK's limit is exceeded`, or as an HRESULT where it is one that has a symbol.
pub(super) fn mak_error(code: ErrorCode) -> String {
    match (code.meaning(), hresult::symbol(code.0)) {
        (Some(meaning), None) => format!("{code}: {meaning}"),
        (Some(meaning), Some(symbol)) => format!("{code} {symbol}: {meaning}"),
        (None, Some(_)) => hresult(code.0),
        (None, None) => code.to_string(),
    }
}

/// `octets (2.5.5.10)`.
pub(super) fn syntax(syntax: Syntax) -> &'static str {
    match syntax {
        Syntax::Octets => "octets (2.5.5.10)",
        Syntax::Unicode => "Unicode (2.5.5.12)",
    }
}

/// `16 bytes`, `at most 512 characters`.
pub(super) fn length(attribute: &AttributeType) -> String {
    let unit = match attribute.syntax {
        Syntax::Octets => "bytes",
        Syntax::Unicode => "characters",
    };
    let AttributeType { least, most, .. } = attribute;
    if least == most { format!("{most} {unit}") } else { format!("at most {most} {unit}") }
}

/// The products whose activation has IDs of this kind.
pub(super) fn products_of(kind: IdKind) -> &'static str {
    match kind {
        IdKind::Installation50 => "release candidates of Windows XP",
        IdKind::Installation54 => {
            "Windows XP SP1 to Windows 7, Office XP to 2010 (keys of the pkey2005 family)"
        }
        IdKind::Installation63 => "Windows 8 and later, Office 2013 and later (keys of the pkey2009 family)",
        IdKind::Confirmation42 => "Windows XP, Office XP to 2007",
        IdKind::Confirmation48 => "Windows Vista and later, Office 2010 and later",
    }
}

/// `0x1c010003 nca_s_unk_if`.
pub(super) fn fault_status(status: u32) -> String {
    match rpc::fault_status_name(status) {
        Some(name) => format!("0x{status:08x} {name}"),
        None => format!("0x{status:08x}"),
    }
}

/// What a request asks for, by the most telling name there is.
pub(super) struct Product<'a>(pub(super) &'a RequestBody);

impl fmt::Display for Product<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RequestBody { app_id, act_id, kms_id, .. } = self.0;
        let sku = product::sku(*act_id).map(|sku| sku.name);
        let kms = product::kms_id(*kms_id).map(|kms| kms.name);
        match (sku, kms) {
            (Some(sku), Some(kms)) if kms == sku => f.write_str(sku),
            (Some(sku), Some(kms)) => write!(f, "{sku} (counted as {kms})"),
            (Some(sku), None) => write!(f, "{sku} (KMS id {kms_id} unknown)"),
            (None, Some(kms)) => write!(f, "{kms} (SKU {act_id} unknown)"),
            (None, None) => match product::application(*app_id) {
                Some(application) => {
                    write!(f, "{}: SKU {act_id} and KMS id {kms_id} unknown", application.name)
                }
                None => write!(f, "unknown SKU {act_id}"),
            },
        }
    }
}

/// The host that an ePID tells of.
pub(super) struct EpidParts {
    pub(super) epid: Epid,
    pub(super) build: Option<&'static str>,
    pub(super) csvlk: Option<&'static str>,
    pub(super) language: Option<&'static str>,
}

impl EpidParts {
    pub(super) fn of(text: &str) -> Option<Self> {
        let epid = Epid::parse(text).ok()?;
        Some(Self {
            epid,
            build: host::build(epid.build).map(|build| build.name),
            csvlk: host::csvlks_of_key(epid.group, epid.key_sequence).next().map(|csvlk| csvlk.name),
            language: lcid::lookup(epid.lcid).map(|lcid| lcid.tag),
        })
    }
}

/// `build 14393 (Windows Server 2016), key of Windows Server 2019, ar-TN, day 109 of 2021`.
impl fmt::Display for EpidParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Epid { group, lcid, build, day, year, .. } = self.epid;
        write!(f, "build {}", Numbered(build, self.build))?;
        match self.csvlk {
            Some(csvlk) => write!(f, ", key of {csvlk}")?,
            None => write!(f, ", key group {group}")?,
        }
        match self.language {
            Some(tag) => write!(f, ", {tag}")?,
            None => write!(f, ", LCID {lcid}")?,
        }
        // A stand-in has no year.
        if year == 0 { Ok(()) } else { write!(f, ", day {day} of {year}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(Plain("03612-00206").to_string(), "03612-00206");
        assert_eq!(Plain("a\u{1b}[2J\u{202e}\n").to_string(), "a\\u{1b}[2J\\u{202e}\\n");
    }
}
