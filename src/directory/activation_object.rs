use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::wire::Guid;

use super::schema::{self, AttributeType, Syntax};
use super::{Attribute, Dn, Entry, Filter, SearchRequest};

/// An activation object (msSPP-ActivationObject) out of an [`Entry`], as far as its attributes are there.
///
/// Values that are not as the schema has them are [`Self::problems`]; those that are of the wrong length, or no UTF-8, are
/// left out of the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActivationObject {
    /// Its name: `CN=<rdn>,CN=Activation Objects,CN=Microsoft SPP,CN=Services,<configurationNamingContext>`.
    pub dn: String,
    /// cn
    pub cn: Option<String>,
    /// displayName: what the one who made it calls it.
    pub display_name: Option<String>,
    /// objectClass
    pub object_class: Vec<String>,
    /// msSPP-KMSIds: the KMS counted ids that it activates.
    pub kms_ids: Vec<Guid>,
    /// msSPP-CSVLKSkuId: the activation id of the host key.
    pub csvlk_sku_id: Option<Guid>,
    /// msSPP-CSVLKPid: the extended product id of the host key.
    pub csvlk_pid: Option<String>,
    /// msSPP-CSVLKPartialProductKey: the last five characters of the host key.
    pub partial_product_key: Option<String>,
    /// msSPP-InstallationId
    pub installation_id: Option<String>,
    /// msSPP-ConfirmationId
    pub confirmation_id: Option<String>,
    /// Its licences, in the order of the entry.
    pub licenses: Vec<License>,
    /// Its other attributes.
    pub other: Vec<OtherAttribute>,
    /// Attributes that the class must have and the entry has not. A search that did not ask for them does not get them:
    /// see [`SearchRequest::asks_for`].
    pub missing: Vec<&'static str>,
    /// What is not as the schema has it.
    pub problems: Vec<Problem>,
}

/// A licence: what it holds stays opaque.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct License {
    /// Which one it is.
    pub kind: LicenseKind,
    /// Its bytes.
    pub length: usize,
    /// The SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// What its bytes look like.
    pub hint: LicenseHint,
}

/// Which licence of an activation object it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LicenseKind {
    /// msSPP-OnlineLicense
    Online,
    /// msSPP-PhoneLicense
    Phone,
    /// msSPP-ConfigLicense
    Config,
    /// msSPP-IssuanceLicense
    Issuance,
}

/// What a licence's bytes look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LicenseHint {
    /// There are none.
    Empty,
    /// XML with a root element of XrML or its successor, MPEG-21 REL (`license`, `licenseGroup`, `XrML`).
    Xrml {
        /// The root element's local name.
        root: String,
    },
    /// Other XML.
    Xml {
        /// The root element's local name, if it begins within the first kilobyte.
        root: Option<String>,
    },
    /// A SEQUENCE whose length is that of the bytes: DER, as of a certificate or PKCS #7.
    Der,
    /// None of these.
    Unknown,
}

/// An attribute that no field is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherAttribute {
    /// Its description.
    pub description: String,
    /// How many values it has.
    pub count: usize,
    /// Bytes of the values, of the first [`MAX_LENGTHS`].
    pub lengths: Vec<usize>,
}

/// A value that is not as the schema has it.
///
/// [`fmt::Display`] is one line: `msSPP-KMSIds, value 2: 16 bytes are needed, it has 15`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The attribute's name.
    pub attribute: &'static str,
    /// The value's number, from 1.
    pub value: usize,
    /// What is wrong with it.
    pub kind: ProblemKind,
}

/// What is wrong with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// It has another length than the schema allows: bytes of an octet string, UTF-16 code units of text.
    Length {
        /// The least of the schema.
        least: usize,
        /// The most of it.
        most: usize,
        /// What it has.
        got: usize,
    },
    /// It is no UTF-8.
    NotUtf8 {
        /// Bytes in front of the first that is none.
        valid: usize,
    },
    /// The attribute has one value at most, and this is another one.
    NotSingle,
}

/// The most lengths of an [`OtherAttribute`].
pub const MAX_LENGTHS: usize = 16;

/// The most [`Problem`]s of an object that are kept.
pub const MAX_PROBLEMS: usize = 64;

impl ActivationObject {
    /// The typed view of an entry; `None` where neither its class nor any attribute is an activation object's.
    #[must_use]
    pub fn of(entry: &Entry) -> Option<Self> {
        let is_class = entry.values("objectClass").any(|class| class.eq_ignore_ascii_case(CLASS));
        if !is_class && !entry.attributes.iter().any(|a| schema::described(&a.description).is_some()) {
            return None;
        }
        let mut object = Self { dn: entry.dn.clone(), ..Self::default() };
        let mut found = Vec::new();
        for attribute in &entry.attributes {
            match schema::described(&attribute.description) {
                Some(kind) => {
                    found.push(kind.name);
                    object.take(kind, &attribute.values);
                }
                None => object.take_other(attribute),
            }
        }
        let must = schema::class(schema::ACTIVATION_OBJECT).map(|class| class.must).unwrap_or_default();
        object.missing = must.iter().copied().filter(|name| !found.contains(name)).collect();
        Some(object)
    }

    /// Bytes of memory that it takes, about.
    pub(super) fn weight(&self) -> usize {
        const SMALL: usize = 512;
        const LICENSE: usize = 96;
        let texts = [
            &self.cn,
            &self.display_name,
            &self.csvlk_pid,
            &self.partial_product_key,
            &self.installation_id,
            &self.confirmation_id,
        ];
        let lengths = |other: &OtherAttribute| other.description.len() + 64 + 8 * other.lengths.len();
        SMALL
            + self.dn.len()
            + texts.into_iter().flatten().map(String::len).sum::<usize>()
            + self.object_class.iter().map(|class| class.len() + 24).sum::<usize>()
            + 16 * self.kms_ids.len()
            + LICENSE * self.licenses.len()
            + self.other.iter().map(lengths).sum::<usize>()
            + size_of::<Problem>() * self.problems.len()
    }

    fn take(&mut self, kind: &'static AttributeType, values: &[Vec<u8>]) {
        for (i, value) in values.iter().enumerate() {
            let number = i + 1;
            let text = match kind.syntax {
                Syntax::Unicode => match std::str::from_utf8(value) {
                    Ok(text) => text,
                    Err(error) => {
                        self.note(kind, number, ProblemKind::NotUtf8 { valid: error.valid_up_to() });
                        continue;
                    }
                },
                Syntax::Octets => "",
            };
            let got = match kind.syntax {
                Syntax::Unicode => text.encode_utf16().count(),
                Syntax::Octets => value.len(),
            };
            if got < kind.least || got > kind.most {
                let AttributeType { least, most, .. } = *kind;
                self.note(kind, number, ProblemKind::Length { least, most, got });
            }
            if kind.is_single && i > 0 {
                self.note(kind, number, ProblemKind::NotSingle);
                continue;
            }
            let guid = || value.as_slice().try_into().ok().map(Guid::from_wire);
            let license = |kind| License {
                kind,
                length: value.len(),
                sha256: Sha256::digest(value).into(),
                hint: LicenseHint::of(value),
            };
            match kind.name {
                schema::KMS_IDS => self.kms_ids.extend(guid()),
                schema::CSVLK_SKU_ID => self.csvlk_sku_id = guid(),
                schema::CSVLK_PID => self.csvlk_pid = Some(text.to_owned()),
                schema::CSVLK_PARTIAL_PRODUCT_KEY => self.partial_product_key = Some(text.to_owned()),
                schema::INSTALLATION_ID => self.installation_id = Some(text.to_owned()),
                schema::CONFIRMATION_ID => self.confirmation_id = Some(text.to_owned()),
                schema::ONLINE_LICENSE => self.licenses.push(license(LicenseKind::Online)),
                schema::PHONE_LICENSE => self.licenses.push(license(LicenseKind::Phone)),
                schema::CONFIG_LICENSE => self.licenses.push(license(LicenseKind::Config)),
                _ => self.licenses.push(license(LicenseKind::Issuance)),
            }
        }
    }

    fn take_other(&mut self, attribute: &Attribute) {
        let text = |value: &Vec<u8>| String::from_utf8_lossy(value).into_owned();
        let first = || attribute.values.first().map(text);
        let is = |name: &str| attribute.name().eq_ignore_ascii_case(name);
        if is("cn") && self.cn.is_none() {
            self.cn = first();
        } else if is("displayName") && self.display_name.is_none() {
            self.display_name = first();
        } else if is("objectClass") {
            self.object_class.extend(attribute.values.iter().map(text));
        } else {
            self.other.push(OtherAttribute {
                description: attribute.description.clone(),
                count: attribute.values.len(),
                lengths: attribute.values.iter().take(MAX_LENGTHS).map(Vec::len).collect(),
            });
        }
    }

    fn note(&mut self, attribute: &AttributeType, value: usize, kind: ProblemKind) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(Problem { attribute: attribute.name, value, kind });
        }
    }
}

/// True where a search is for activation objects, or for what leads to them: its base is their container or within it, or
/// its filter or list of attributes names their class or an attribute of theirs.
#[must_use]
pub fn is_activation_search(request: &SearchRequest) -> bool {
    let names = |description: &str| schema::described(description).is_some();
    let asserts = |filter: &Filter| {
        filter.assertions().any(|(attribute, value)| {
            let is_class = attribute.eq_ignore_ascii_case("objectClass")
                || attribute.eq_ignore_ascii_case("objectCategory");
            let value = value.and_then(|value| std::str::from_utf8(value).ok());
            // objectCategory is written as the class, or as the DN of its schema.
            names(attribute)
                || (is_class
                    && value.is_some_and(|value| {
                        schema::class(value).is_some()
                            || value.to_ascii_lowercase().starts_with("cn=ms-spp-activation-object")
                    }))
        })
    };
    Dn::parse(&request.base).is_ok_and(|base| base.is_within_microsoft_spp())
        || request.filter.as_ref().is_some_and(asserts)
        || request.attributes.iter().any(|attribute| names(attribute))
}

impl LicenseKind {
    /// `online`, `phone`, `config` or `issuance`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Phone => "phone",
            Self::Config => "config",
            Self::Issuance => "issuance",
        }
    }
}

impl LicenseHint {
    /// Looks at the first kilobyte.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return Self::Empty;
        }
        if let Ok(Some((head, length))) = super::ber::header(bytes, "license")
            && bytes[0] == super::ber::SEQUENCE
            && length == bytes.len() - head
        {
            return Self::Der;
        }
        let front = &bytes[..bytes.len().min(LOOKED_AT)];
        let text = match front {
            [0xff, 0xfe, rest @ ..] => utf16_front(rest),
            [b'<', 0, ..] => utf16_front(front),
            [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
            _ => String::from_utf8_lossy(front).into_owned(),
        };
        let text = text.trim_start();
        if !text.starts_with('<') {
            return Self::Unknown;
        }
        match root(text) {
            Some(root) if ["license", "licenseGroup", "XrML"].contains(&root) => {
                Self::Xrml { root: root.to_owned() }
            }
            None if !text.starts_with("<?xml") => Self::Unknown,
            root => Self::Xml { root: root.map(str::to_owned) },
        }
    }
}

/// The local name of the first element.
fn root(text: &str) -> Option<&str> {
    let is_of_name = |c: char| c.is_alphanumeric() || matches!(c, ':' | '_' | '-' | '.');
    let name =
        text.split('<').skip(1).find(|tag| tag.starts_with(|c: char| c.is_alphabetic() || c == '_'))?;
    let name = &name[..name.find(|c| !is_of_name(c))?];
    Some(name.rsplit(':').next().unwrap_or(name))
}

fn utf16_front(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

impl fmt::Display for LicenseHint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("empty"),
            Self::Xrml { root } => write!(f, "XrML, {root}"),
            Self::Xml { root: Some(root) } => write!(f, "XML, {root}"),
            Self::Xml { root: None } => f.write_str("XML"),
            Self::Der => f.write_str("DER"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, value {}: ", self.attribute, self.value)?;
        let unit = match schema::by_name(self.attribute).map(|attribute| attribute.syntax) {
            Some(Syntax::Unicode) => "characters",
            _ => "bytes",
        };
        match self.kind {
            ProblemKind::Length { least, most, got } if least == most => {
                write!(f, "{most} {unit} are needed, it has {got}")
            }
            ProblemKind::Length { most, got, .. } => write!(f, "{most} {unit} are the most, it has {got}"),
            ProblemKind::NotUtf8 { valid } => write!(f, "no UTF-8 behind {valid} bytes"),
            ProblemKind::NotSingle => f.write_str("the attribute has one value at most"),
        }
    }
}

const CLASS: &[u8] = schema::ACTIVATION_OBJECT.as_bytes();

/// How much of a licence its hint is taken from.
const LOOKED_AT: usize = 1024;
