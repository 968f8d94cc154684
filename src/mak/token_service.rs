use std::borrow::Cow;
use std::fmt;

use crate::wire::Error;

use super::Check;
use super::layout::XmlWriter;
use super::xml::{self, Element, Field, TRUST, XmlReader};

/// A service of internet activation, one machine at a time: a step that asks for one token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenService {
    /// SPC, the machine's certificate.
    Activation,
    /// RAC, the rights account certificate.
    Certification,
    /// PKC, the product key's certificate.
    ProductCertification,
    /// EUL, the use license.
    Licensing,
    /// All of them at once.
    ProductActivation,
}

/// The query of the one-shot service's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConfigExtension<'a> {
    /// `Retail`
    Retail,
    /// `DM`
    Dm,
    /// `o14`
    Office14,
    /// `o16`
    Office16,
    /// Another one.
    Other(&'a str),
}

impl<'a> ConfigExtension<'a> {
    /// Of a path with a query that has one.
    #[must_use]
    pub fn of_path(path: &'a str) -> Option<Self> {
        let (_, query) = path.split_once('?')?;
        let value = query.split('&').find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            name.eq_ignore_ascii_case("configextension").then_some(value)
        })?;
        let known =
            [("Retail", Self::Retail), ("DM", Self::Dm), ("o14", Self::Office14), ("o16", Self::Office16)];
        let is_it = |(name, _): &(&str, Self)| name.eq_ignore_ascii_case(value);
        Some(known.into_iter().find(is_it).map_or(Self::Other(value), |(_, known)| known))
    }
}

impl TokenService {
    /// All of them, in the order in which a client asks.
    pub const ALL: [Self; 5] = [
        Self::Activation,
        Self::Certification,
        Self::ProductCertification,
        Self::Licensing,
        Self::ProductActivation,
    ];

    /// The path at which it is asked, without a query.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Activation => "/slspc/SLActivate.asmx",
            Self::Certification => "/slrac/SLCertify.asmx",
            Self::ProductCertification => "/slpkc/SLCertifyProduct.asmx",
            Self::Licensing => "/sllicensing/SLLicense.asmx",
            Self::ProductActivation => "/SLActivateProduct/SLActivateProduct.asmx",
        }
    }

    /// The SOAPAction with which it is asked, which stands in quotes or without them.
    #[must_use]
    pub fn soap_action(self) -> &'static str {
        match self {
            Self::Activation => "http://microsoft.com/SL/ActivationService/IssueToken",
            Self::Certification => "http://microsoft.com/SL/CertificationService/IssueToken",
            Self::ProductCertification => "http://microsoft.com/SL/ProductCertificationService/IssueToken",
            Self::Licensing => "http://microsoft.com/SL/LicensingService/IssueToken",
            Self::ProductActivation => "http://microsoft.com/SL/ProductActivationService/IssueToken",
        }
    }

    /// The TokenType that it is asked for.
    #[must_use]
    pub fn token_type(self) -> &'static str {
        match self {
            Self::Activation => "SPC",
            Self::Certification => "RAC",
            Self::ProductCertification => "PKC",
            Self::Licensing => "UseLicense",
            Self::ProductActivation => "ProductActivation",
        }
    }

    /// The service at a path, whatever its query; letter case does not matter.
    #[must_use]
    pub fn of_path(path: &str) -> Option<Self> {
        let path = path.split('?').next().unwrap_or_default();
        Self::ALL.into_iter().find(|service| service.path().eq_ignore_ascii_case(path))
    }

    /// The service that a SOAPAction names.
    #[must_use]
    pub fn of_soap_action(action: &str) -> Option<Self> {
        let action = action.trim().trim_matches('"');
        Self::ALL.into_iter().find(|service| service.soap_action() == action)
    }

    /// The service that gives tokens of a type.
    #[must_use]
    pub fn of_token_type(token_type: &str) -> Option<Self> {
        let token_type = token_type.trim_matches(xml::WHITE_SPACE);
        Self::ALL.into_iter().find(|service| service.token_type() == token_type)
    }
}

impl fmt::Display for TokenService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Activation => "ActivationService",
            Self::Certification => "CertificationService",
            Self::ProductCertification => "ProductCertificationService",
            Self::Licensing => "LicensingService",
            Self::ProductActivation => "ProductActivationService",
        })
    }
}

/// What a token service is asked, RequestSecurityToken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenRequest {
    /// The namespace of RequestSecurityToken.
    pub namespace: Cow<'static, str>,
    /// TokenType.
    pub token_type: Option<String>,
    /// RequestType, `.../trust/Issue` as a rule.
    pub request_type: Option<String>,
    /// UseKey/Values.
    pub use_key: Option<TokenValues>,
    /// Claims/Values.
    pub claims: Option<TokenValues>,
    /// Elements that have no place of their own.
    pub other: Vec<Field>,
}

/// What a token service answers, RequestSecurityTokenResponse.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenResponse {
    /// The namespace of RequestSecurityTokenResponse.
    pub namespace: Cow<'static, str>,
    /// TokenType.
    pub token_type: Option<String>,
    /// RequestedSecurityToken/TmsResponseToken/Values.
    pub token: Option<TokenValues>,
    /// Elements that have no place of their own.
    pub other: Vec<Field>,
}

/// A list of names and values, Values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenValues {
    /// The attribute arrayType as it came: `q1:TokenEntry[11]`.
    pub array_type: Option<String>,
    /// The entries in their order, each of a name that comes more than once; at most [`super::MAX_ITEMS`].
    pub entries: Vec<TokenEntry>,
    /// Elements that are no entries.
    pub other: Vec<Field>,
}

/// A name and its value, TokenEntry. Licences, bindings and keys are text like any other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenEntry {
    /// Name.
    pub name: Option<String>,
    /// Value.
    pub value: Option<String>,
    /// Elements that have no place of their own.
    pub other: Vec<Field>,
}

impl TokenRequest {
    /// A request to a service, in its namespace.
    #[must_use]
    pub fn new(service: TokenService, use_key: TokenValues, claims: TokenValues) -> Self {
        Self {
            namespace: Cow::Borrowed(TRUST),
            token_type: Some(service.token_type().to_owned()),
            request_type: Some(format!("{TRUST}/Issue")),
            use_key: Some(use_key),
            claims: Some(claims),
            other: Vec::new(),
        }
    }

    /// The service that gives tokens of its type.
    #[must_use]
    pub fn service(&self) -> Option<TokenService> {
        TokenService::of_token_type(self.token_type.as_deref()?)
    }

    /// The values of the claims of a name, in their order.
    pub fn claims<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.claims.iter().flat_map(move |claims| claims.values(name))
    }

    pub(super) fn read<'a>(&mut self, reader: &mut XmlReader<'a>, root: &Element<'a>) -> Result<(), Error> {
        self.namespace = reader.namespace(root);
        let other = &mut self.other;
        while let Some(element) = reader.child()? {
            match element.local {
                "TokenType" => reader.once(&element, "TokenType", &mut self.token_type, other)?,
                "RequestType" => reader.once(&element, "RequestType", &mut self.request_type, other)?,
                "UseKey" => TokenValues::read_within("UseKey", &mut self.use_key, reader, other)?,
                "Claims" => TokenValues::read_within("Claims", &mut self.claims, reader, other)?,
                _ => reader.keep(&element, other)?,
            }
        }
        Ok(())
    }

    pub(super) fn write(&self, writer: &mut XmlWriter<'_>) {
        writer.open_in("RequestSecurityToken", &self.namespace);
        writer.leaf_of("TokenType", self.token_type.as_deref());
        writer.leaf_of("RequestType", self.request_type.as_deref());
        for (name, values) in [("UseKey", &self.use_key), ("Claims", &self.claims)] {
            if let Some(values) = values {
                writer.open(name);
                values.write(writer);
                writer.close(name);
            }
        }
        writer.fields(&self.other);
        writer.close("RequestSecurityToken");
    }
}

impl TokenResponse {
    /// A response with a token, in its namespace.
    #[must_use]
    pub fn new(token_type: String, token: TokenValues) -> Self {
        Self {
            namespace: Cow::Borrowed(TRUST),
            token_type: Some(token_type),
            token: Some(token),
            other: Vec::new(),
        }
    }

    /// The service that gives tokens of its type.
    #[must_use]
    pub fn service(&self) -> Option<TokenService> {
        TokenService::of_token_type(self.token_type.as_deref()?)
    }

    pub(super) fn read<'a>(&mut self, reader: &mut XmlReader<'a>, root: &Element<'a>) -> Result<(), Error> {
        self.namespace = reader.namespace(root);
        let other = &mut self.other;
        while let Some(element) = reader.child()? {
            match element.local {
                "TokenType" => reader.once(&element, "TokenType", &mut self.token_type, other)?,
                "RequestedSecurityToken" => {
                    let before = other.len();
                    let read = Self::read_token(&mut self.token, reader, other);
                    Field::within(&mut other[before..], "RequestedSecurityToken");
                    read?;
                }
                _ => reader.keep(&element, other)?,
            }
        }
        Ok(())
    }

    /// Reads what is in RequestedSecurityToken.
    fn read_token(
        token: &mut Option<TokenValues>,
        reader: &mut XmlReader<'_>,
        other: &mut Vec<Field>,
    ) -> Result<(), Error> {
        while let Some(element) = reader.child()? {
            match element.local {
                "TmsResponseToken" => TokenValues::read_within("TmsResponseToken", token, reader, other)?,
                _ => reader.keep(&element, other)?,
            }
        }
        Ok(())
    }

    pub(super) fn write(&self, writer: &mut XmlWriter<'_>) {
        writer.open_in("RequestSecurityTokenResponse", &self.namespace);
        writer.leaf_of("TokenType", self.token_type.as_deref());
        if let Some(token) = &self.token {
            writer.open("RequestedSecurityToken");
            writer.open("TmsResponseToken");
            token.write(writer);
            writer.close("TmsResponseToken");
            writer.close("RequestedSecurityToken");
        }
        writer.fields(&self.other);
        writer.close("RequestSecurityTokenResponse");
    }
}

impl TokenValues {
    /// Entries with the arrayType that counts them.
    #[must_use]
    pub fn new(entries: Vec<TokenEntry>) -> Self {
        let array_type = Some(format!("q1:TokenEntry[{}]", entries.len()));
        Self { array_type, entries, other: Vec::new() }
    }

    /// The values of a name, in their order.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let is_it = move |entry: &&TokenEntry| entry.name.as_deref() == Some(name);
        self.entries.iter().filter(is_it).filter_map(|entry| entry.value.as_deref())
    }

    /// How many entries arrayType says that there are; `None` where it is not there or no `TokenEntry[n]`.
    #[must_use]
    pub fn declared(&self) -> Option<u64> {
        let array_type = self.array_type.as_deref()?.trim_matches(xml::WHITE_SPACE);
        let (item, count) = array_type.strip_suffix(']')?.rsplit_once('[')?;
        let is_entry = xml::local_name(item) == "TokenEntry";
        let is_number = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
        if is_entry && is_number { count.parse().ok() } else { None }
    }

    /// Whether there are as many entries as arrayType says.
    #[must_use]
    pub fn count_check(&self) -> Check {
        match (&self.array_type, self.declared()) {
            (None, _) => Check::NotApplicable,
            (Some(_), declared) => Check::of(declared == Some(self.entries.len() as u64)),
        }
    }

    /// Reads what is in `parent`: the first Values into `slot`.
    fn read_within(
        parent: &str,
        slot: &mut Option<Self>,
        reader: &mut XmlReader<'_>,
        other: &mut Vec<Field>,
    ) -> Result<(), Error> {
        let before = other.len();
        let read = Self::read_first(slot, reader, other);
        Field::within(&mut other[before..], parent);
        read
    }

    fn read_first(
        slot: &mut Option<Self>,
        reader: &mut XmlReader<'_>,
        other: &mut Vec<Field>,
    ) -> Result<(), Error> {
        while let Some(element) = reader.child()? {
            match element.local {
                "Values" if slot.is_none() => {
                    let values = slot.insert(Self {
                        array_type: element.attribute("arrayType").map(xml::unescape),
                        ..Self::default()
                    });
                    values.read(reader)?;
                }
                _ => reader.keep(&element, other)?,
            }
        }
        Ok(())
    }

    fn read(&mut self, reader: &mut XmlReader<'_>) -> Result<(), Error> {
        reader.items("TokenEntry", &mut self.entries, &mut self.other, TokenEntry::read)
    }

    fn write(&self, writer: &mut XmlWriter<'_>) {
        match &self.array_type {
            Some(array_type) => writer.open_array("Values", array_type),
            None => writer.open("Values"),
        }
        for entry in &self.entries {
            writer.open("TokenEntry");
            writer.leaf_of("Name", entry.name.as_deref());
            writer.leaf_of("Value", entry.value.as_deref());
            writer.fields(&entry.other);
            writer.close("TokenEntry");
        }
        writer.fields(&self.other);
        writer.close("Values");
    }
}

impl TokenEntry {
    /// A name and its value.
    #[must_use]
    pub fn new(name: &str, value: &str) -> Self {
        Self { name: Some(name.to_owned()), value: Some(value.to_owned()), other: Vec::new() }
    }

    fn read(&mut self, reader: &mut XmlReader<'_>) -> Result<(), Error> {
        while let Some(element) = reader.child()? {
            match element.local {
                "Name" => reader.once(&element, "Name", &mut self.name, &mut self.other)?,
                "Value" => reader.once(&element, "Value", &mut self.value, &mut self.other)?,
                _ => reader.keep(&element, &mut self.other)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_is_known_by_its_path_its_action_and_its_token() {
        for service in TokenService::ALL {
            assert_eq!(TokenService::of_path(service.path()), Some(service));
            assert_eq!(TokenService::of_path(&service.path().to_lowercase()), Some(service));
            assert_eq!(TokenService::of_soap_action(service.soap_action()), Some(service));
            assert_eq!(
                TokenService::of_soap_action(&format!("\"{}\"", service.soap_action())),
                Some(service)
            );
            assert_eq!(TokenService::of_token_type(service.token_type()), Some(service));
            assert!(service.soap_action().contains(&format!("/{service}/")));
        }
        assert_eq!(TokenService::of_path("/"), None);
    }

    #[test]
    fn the_one_shot_service_has_an_extension_of_its_path() {
        let path = "/SLActivateProduct/SLActivateProduct.asmx?configextension=";
        for (value, expected) in [
            ("Retail", ConfigExtension::Retail),
            ("DM", ConfigExtension::Dm),
            ("o14", ConfigExtension::Office14),
            ("O16&x=1", ConfigExtension::Office16),
            ("new", ConfigExtension::Other("new")),
        ] {
            let path = format!("{path}{value}");
            assert_eq!(TokenService::of_path(&path), Some(TokenService::ProductActivation));
            assert_eq!(ConfigExtension::of_path(&path), Some(expected));
        }
        assert_eq!(ConfigExtension::of_path(TokenService::Activation.path()), None);
    }

    #[test]
    fn array_type_counts_the_entries_or_fails_the_check() {
        let mut values = TokenValues::new(vec![TokenEntry::new("a", "b"), TokenEntry::new("a", "c")]);
        assert_eq!((values.declared(), values.count_check()), (Some(2), Check::Pass));
        assert_eq!(values.values("a").collect::<Vec<_>>(), ["b", "c"]);
        for wrong in ["q1:TokenEntry[3]", "q1:TokenEntry[]", "q1:Other[2]", "q1:TokenEntry[+2]", "2"] {
            values.array_type = Some(wrong.to_owned());
            assert_eq!(values.count_check(), Check::Fail, "{wrong}");
        }
        values.array_type = None;
        assert_eq!(values.count_check(), Check::NotApplicable);
    }
}
