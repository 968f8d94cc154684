use std::fmt;

use crate::wire::Error;

use super::ber::{self, Element, Note, Reader, SEQUENCE, SET, constructed, context};
use super::{Filter, ResultCode};

/// A message: LDAPMessage, RFC 4511 4.1.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What pairs a request with its responses; 0 in a notice that answers none.
    pub id: u32,
    /// What is asked for, or answered.
    pub operation: Operation,
    /// What extends the operation.
    pub controls: Vec<Control>,
    /// The first thing that could not be read, or that was left out; its offset counts the message's bytes.
    pub error: Option<Error>,
}

/// What a [`Message`] is for: protocolOp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `[APPLICATION 0]`
    BindRequest(BindRequest),
    /// `[APPLICATION 1]`
    BindResponse(BindResponse),
    /// `[APPLICATION 2]`
    UnbindRequest,
    /// `[APPLICATION 3]`
    SearchRequest(SearchRequest),
    /// `[APPLICATION 4]`
    SearchResultEntry(Entry),
    /// `[APPLICATION 5]`
    SearchResultDone(LdapResult),
    /// `[APPLICATION 8]`: an entry that is to be made.
    AddRequest(Entry),
    /// `[APPLICATION 16]`: the ID of the message whose operation is given up.
    AbandonRequest(u32),
    /// `[APPLICATION 19]`: where to search on.
    SearchResultReference(Vec<String>),
    /// `[APPLICATION 23]`
    ExtendedRequest {
        /// Which operation it is.
        oid: String,
        /// Bytes of its value.
        value_length: Option<usize>,
    },
    /// `[APPLICATION 24]`
    ExtendedResponse {
        /// How it ended.
        result: LdapResult,
        /// Which operation it is.
        oid: Option<String>,
        /// Bytes of its value.
        value_length: Option<usize>,
    },
    /// `[APPLICATION 25]`
    IntermediateResponse {
        /// Which response it is.
        oid: Option<String>,
        /// Bytes of its value.
        value_length: Option<usize>,
    },
    /// A response to an operation that is not looked into: modify, add, delete, modify DN, compare.
    Response {
        /// The operation's identifier octet.
        tag: u8,
        /// How it ended.
        result: LdapResult,
    },
    /// An operation that is not looked into, is not known, or cannot be read.
    Other {
        /// The operation's identifier octet.
        tag: u8,
        /// The entry that it is about, if it is one of RFC 4511's requests.
        dn: Option<String>,
    },
}

/// What extends an operation: Control, RFC 4511 4.1.11.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// controlType: see [`super::oid::name`].
    pub oid: String,
    /// criticality
    pub is_critical: bool,
    /// Bytes of its value.
    pub value_length: Option<usize>,
}

/// Who the client is: BindRequest, RFC 4511 4.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindRequest {
    /// 3
    pub version: u32,
    /// The DN that it binds as, mostly empty with SASL.
    pub name: String,
    /// How it shows that; `None` where that could not be read.
    pub authentication: Option<Authentication>,
}

/// How a client shows who it is: AuthenticationChoice. Passwords and credentials are not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// A password in the clear; empty for nobody.
    Simple {
        /// Its bytes.
        password_length: usize,
    },
    /// SASL, RFC 4422.
    Sasl {
        /// GSS-SPNEGO, GSSAPI, EXTERNAL, DIGEST-MD5.
        mechanism: String,
        /// Bytes of its credentials.
        credentials_length: Option<usize>,
    },
    /// Another one, by its identifier octet: 0x89 to 0x8b are Microsoft's Sicily (MS-ADTS 5.1.1.1.3).
    Other(u8),
}

/// Whether the client is believed: BindResponse, RFC 4511 4.2.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindResponse {
    /// How it ended.
    pub result: LdapResult,
    /// Bytes of serverSaslCreds.
    pub sasl_credentials_length: Option<usize>,
}

/// How an operation ended: LDAPResult, RFC 4511 4.1.9.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdapResult {
    /// resultCode
    pub code: ResultCode,
    /// matchedDN
    pub matched_dn: String,
    /// diagnosticMessage: of Active Directory, with an error code of Windows in front.
    pub diagnostic: String,
    /// referral: URIs of servers to ask instead.
    pub referrals: Vec<String>,
}

/// What is searched for: SearchRequest, RFC 4511 4.5.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchRequest {
    /// baseObject
    pub base: String,
    /// scope
    pub scope: Scope,
    /// derefAliases
    pub dereference: Dereference,
    /// sizeLimit; 0 is none.
    pub size_limit: u32,
    /// timeLimit in seconds; 0 is none.
    pub time_limit: u32,
    /// typesOnly: entries come without values.
    pub types_only: bool,
    /// filter; `None` where it could not be read.
    pub filter: Option<Filter>,
    /// The attributes that are asked for; none are all.
    pub attributes: Vec<String>,
}

/// How far below its base a search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scope(pub u32);

/// Where a search follows aliases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dereference(pub u32);

/// An object of the directory, or what was asked of it: SearchResultEntry, RFC 4511 4.5.2; a record of an LDIF file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// objectName
    pub dn: String,
    /// Its attributes.
    pub attributes: Vec<Attribute>,
}

/// An attribute and its values: PartialAttribute, RFC 4511 4.1.7.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name or OID, with options behind semicolons.
    pub description: String,
    /// Its values.
    pub values: Vec<Vec<u8>>,
}

impl Message {
    /// Reads a message, as far as it can be read.
    ///
    /// ```
    /// use volact::directory::{Message, Operation};
    ///
    /// let message = Message::parse(b"\x30\x05\x02\x01\x07\x42\x00")?;
    /// assert_eq!((message.id, message.operation), (7, Operation::UnbindRequest));
    /// # Ok::<(), volact::wire::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where the message ID and the operation's tag cannot be read. What is wrong behind them is [`Message::error`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let mut note = Note::default();
        let mut whole = Reader::new(bytes);
        let mut reader = whole.enter("LDAPMessage", SEQUENCE, "a SEQUENCE (0x30)", &mut note)?;
        let id = reader.integer("messageID")?;
        let element = reader.enter_any("protocolOp", &mut note)?;
        let operation = Operation::read(element, &mut note);
        let controls = read_controls(&mut reader, &mut note);
        reader.end("LDAPMessage", &mut note);
        whole.end("LDAPMessage", &mut note);
        Ok(Self { id, operation, controls, error: note.0 })
    }
}

impl Operation {
    /// The name that RFC 4511 gives it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::BindRequest(_) => "bindRequest",
            Self::BindResponse(_) => "bindResponse",
            Self::UnbindRequest => "unbindRequest",
            Self::SearchRequest(_) => "searchRequest",
            Self::SearchResultEntry(_) => "searchResEntry",
            Self::SearchResultDone(_) => "searchResDone",
            Self::AddRequest(_) => "addRequest",
            Self::AbandonRequest(_) => "abandonRequest",
            Self::SearchResultReference(_) => "searchResRef",
            Self::ExtendedRequest { .. } => "extendedReq",
            Self::ExtendedResponse { .. } => "extendedResp",
            Self::IntermediateResponse { .. } => "intermediateResponse",
            Self::Response { tag, .. } | Self::Other { tag, .. } => match *tag {
                BIND_REQUEST => "bindRequest",
                BIND_RESPONSE => "bindResponse",
                SEARCH_REQUEST => "searchRequest",
                SEARCH_RESULT_ENTRY => "searchResEntry",
                SEARCH_RESULT_DONE => "searchResDone",
                MODIFY_REQUEST => "modifyRequest",
                MODIFY_RESPONSE => "modifyResponse",
                ADD_REQUEST => "addRequest",
                ADD_RESPONSE => "addResponse",
                DELETE_REQUEST => "delRequest",
                DELETE_RESPONSE => "delResponse",
                MODIFY_DN_REQUEST => "modDNRequest",
                MODIFY_DN_RESPONSE => "modDNResponse",
                COMPARE_REQUEST => "compareRequest",
                COMPARE_RESPONSE => "compareResponse",
                ABANDON_REQUEST => "abandonRequest",
                EXTENDED_REQUEST => "extendedReq",
                EXTENDED_RESPONSE => "extendedResp",
                _ => "unknown",
            },
        }
    }

    /// How the operation ended, if this is a response that says so.
    #[must_use]
    pub fn result(&self) -> Option<&LdapResult> {
        match self {
            Self::BindResponse(BindResponse { result, .. })
            | Self::SearchResultDone(result)
            | Self::ExtendedResponse { result, .. }
            | Self::Response { result, .. } => Some(result),
            _ => None,
        }
    }

    /// What cannot be read is [`Self::Other`], and noted.
    fn read(element: Element<'_>, note: &mut Note) -> Self {
        let tag = element.identifier;
        let mut reader = element.reader();
        let read = match tag {
            BIND_REQUEST => bind_request(&mut reader, note).map(Self::BindRequest),
            BIND_RESPONSE => bind_response(&mut reader, note).map(Self::BindResponse),
            UNBIND_REQUEST => Ok(Self::UnbindRequest),
            SEARCH_REQUEST => search_request(&mut reader, note).map(Self::SearchRequest),
            SEARCH_RESULT_ENTRY => entry(&mut reader, note).map(Self::SearchResultEntry),
            ADD_REQUEST => entry(&mut reader, note).map(Self::AddRequest),
            SEARCH_RESULT_DONE => ldap_result(&mut reader, note).map(Self::SearchResultDone),
            SEARCH_RESULT_REFERENCE => {
                let uris = texts(&mut reader, "uri", MAX_REFERRALS, note);
                return Self::SearchResultReference(uris);
            }
            ABANDON_REQUEST => {
                return match note.value(element.number("abandonRequest")) {
                    Some(id) => Self::AbandonRequest(id),
                    None => Self::Other { tag, dn: None },
                };
            }
            EXTENDED_REQUEST => extended_request(&mut reader, note),
            EXTENDED_RESPONSE => extended_response(&mut reader, note),
            INTERMEDIATE_RESPONSE => name_and_value(&mut reader, [0, 1], note)
                .map(|(oid, value_length)| Self::IntermediateResponse { oid, value_length }),
            MODIFY_RESPONSE | ADD_RESPONSE | DELETE_RESPONSE | MODIFY_DN_RESPONSE | COMPARE_RESPONSE => {
                ldap_result(&mut reader, note).map(|result| Self::Response { tag, result })
            }
            DELETE_REQUEST => return Self::Other { tag, dn: Some(element.text("delRequest", note)) },
            // What they do to the entry is none of activation's business.
            MODIFY_REQUEST | MODIFY_DN_REQUEST | COMPARE_REQUEST => {
                let dn = reader.text("entry", note);
                return Self::Other { tag, dn: note.value(dn) };
            }
            _ => {
                note.take(ber::malformed(
                    "protocolOp",
                    element.offset,
                    "an operation of no kind that there is",
                ));
                return Self::Other { tag, dn: None };
            }
        };
        match note.value(read) {
            Some(operation) => {
                // An UnbindRequest is a NULL, which some write as an element of its own.
                if note.0.is_none() && tag != UNBIND_REQUEST {
                    reader.end("protocolOp", note);
                }
                operation
            }
            None => Self::Other { tag, dn: None },
        }
    }
}

impl SearchRequest {
    /// True where an attribute of this name would be answered: it is in the list, or all are.
    #[must_use]
    pub fn asks_for(&self, name: &str) -> bool {
        self.attributes.is_empty()
            || self.attributes.iter().any(|asked| asked == "*" || base_name(asked).eq_ignore_ascii_case(name))
    }
}

impl Entry {
    /// The values of an attribute, whatever its options and the case of its name.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let is_of = |attribute: &&Attribute| attribute.name().eq_ignore_ascii_case(name);
        self.attributes.iter().filter(is_of).flat_map(|attribute| attribute.values.iter().map(Vec::as_slice))
    }

    /// Bytes of memory that it takes, about.
    pub(super) fn weight(&self) -> usize {
        let of = |attribute: &Attribute| {
            let values: usize = attribute.values.iter().map(|value| value.len() + OVERHEAD).sum();
            attribute.description.len() + 2 * OVERHEAD + values
        };
        self.dn.len() + 2 * OVERHEAD + self.attributes.iter().map(of).sum::<usize>()
    }
}

impl Attribute {
    /// Its name, without options.
    #[must_use]
    pub fn name(&self) -> &str {
        base_name(&self.description)
    }
}

impl Authentication {
    /// `simple`, `other`, or the SASL mechanism.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Simple { .. } => "simple",
            Self::Sasl { mechanism, .. } => mechanism,
            Self::Other(0x89..=0x8b) => "Sicily",
            Self::Other(_) => "other",
        }
    }
}

impl Scope {
    /// The name that RFC 4511 gives it.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        ["baseObject", "singleLevel", "wholeSubtree"].get(usize::try_from(self.0).ok()?).copied()
    }
}

impl Dereference {
    /// The name that RFC 4511 gives it.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        ["neverDerefAliases", "derefInSearching", "derefFindingBaseObj", "derefAlways"]
            .get(usize::try_from(self.0).ok()?)
            .copied()
    }
}

/// `singleLevel`, or the number of one that is not known.
macro_rules! named {
    ($type:ident) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, "{}", self.0),
                }
            }
        }
    };
}

named!(Scope);
named!(Dereference);

/// An attribute's description without its options.
pub(super) fn base_name(description: &str) -> &str {
    description.split(';').next().unwrap_or_default()
}

fn bind_request(reader: &mut Reader<'_>, note: &mut Note) -> Result<BindRequest, Error> {
    let version = reader.integer("version")?;
    let name = reader.text("name", note)?;
    let authentication = authentication(reader, note);
    Ok(BindRequest { version, name, authentication: note.value(authentication) })
}

fn authentication(reader: &mut Reader<'_>, note: &mut Note) -> Result<Authentication, Error> {
    const SIMPLE: u8 = context(0);
    const SASL: u8 = constructed(3);
    let element = reader.next("authentication")?;
    Ok(match element.identifier {
        SIMPLE => Authentication::Simple { password_length: element.content().len() },
        SASL => {
            let mut inner = element.reader();
            let mechanism = inner.text("mechanism", note)?;
            let credentials = if inner.is_empty() { Ok(None) } else { inner.octets("credentials").map(Some) };
            let credentials = note.value(credentials).flatten();
            Authentication::Sasl { mechanism, credentials_length: credentials.map(<[u8]>::len) }
        }
        other => Authentication::Other(other),
    })
}

fn bind_response(reader: &mut Reader<'_>, note: &mut Note) -> Result<BindResponse, Error> {
    let result = ldap_result(reader, note)?;
    let credentials = reader.optional("serverSaslCreds", context(7));
    let sasl_credentials_length = note.value(credentials).flatten().map(|element| element.content().len());
    Ok(BindResponse { result, sasl_credentials_length })
}

/// COMPONENTS OF LDAPResult. Without its code it is none; what else cannot be read stays empty.
fn ldap_result(reader: &mut Reader<'_>, note: &mut Note) -> Result<LdapResult, Error> {
    let code = ResultCode(reader.enumerated("resultCode")?);
    let mut result =
        LdapResult { code, matched_dn: String::new(), diagnostic: String::new(), referrals: Vec::new() };
    let rest = read_rest(reader, &mut result, note);
    note.value(rest);
    Ok(result)
}

fn read_rest(reader: &mut Reader<'_>, result: &mut LdapResult, note: &mut Note) -> Result<(), Error> {
    result.matched_dn = reader.text("matchedDN", note)?;
    result.diagnostic = reader.text("diagnosticMessage", note)?;
    if let Some(element) = reader.optional("referral", constructed(3))? {
        result.referrals = texts(&mut element.reader(), "referral", MAX_REFERRALS, note);
    }
    Ok(())
}

fn search_request(reader: &mut Reader<'_>, note: &mut Note) -> Result<SearchRequest, Error> {
    let mut request = SearchRequest {
        base: reader.text("baseObject", note)?,
        scope: Scope(reader.enumerated("scope")?),
        dereference: Dereference(reader.enumerated("derefAliases")?),
        size_limit: reader.integer("sizeLimit")?,
        time_limit: reader.integer("timeLimit")?,
        types_only: reader.boolean("typesOnly")?,
        filter: Filter::read(reader, note),
        attributes: Vec::new(),
    };
    let attributes = reader.enter("attributes", SEQUENCE, "a SEQUENCE (0x30)", note);
    if let Some(mut attributes) = note.value(attributes) {
        request.attributes = texts(&mut attributes, "selector", MAX_SELECTORS, note);
    }
    Ok(request)
}

fn entry(reader: &mut Reader<'_>, note: &mut Note) -> Result<Entry, Error> {
    let mut entry = Entry { dn: reader.text("objectName", note)?, attributes: Vec::new() };
    let attributes = reader.enter("attributes", SEQUENCE, "a SEQUENCE (0x30)", note);
    let Some(mut attributes) = note.value(attributes) else { return Ok(entry) };
    let mut room = MAX_VALUES;
    while !attributes.is_empty() {
        if entry.attributes.len() == MAX_ATTRIBUTES {
            note.take(ber::too_many("attributes", attributes.offset(), MAX_ATTRIBUTES + 1, MAX_ATTRIBUTES));
            break;
        }
        let inner = attributes.enter("attribute", SEQUENCE, "a SEQUENCE (0x30)", note);
        let Some(mut inner) = note.value(inner) else { break };
        let description = inner.text("type", note);
        let Some(description) = note.value(description) else { continue };
        let values = values(&mut inner, &mut room, note);
        entry.attributes.push(Attribute { description, values });
    }
    Ok(entry)
}

fn values(reader: &mut Reader<'_>, room: &mut usize, note: &mut Note) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let set = reader.enter("vals", SET, "a SET (0x31)", note);
    let Some(mut set) = note.value(set) else { return found };
    while !set.is_empty() {
        if *room == 0 {
            note.take(ber::too_many("vals", set.offset(), MAX_VALUES + 1, MAX_VALUES));
            break;
        }
        let Some(value) = note.value(set.octets("value")) else { break };
        *room -= 1;
        found.push(value.to_vec());
    }
    reader.end("attribute", note);
    found
}

fn extended_request(reader: &mut Reader<'_>, note: &mut Note) -> Result<Operation, Error> {
    let name = reader.expect("requestName", context(0), "requestName (0x80)")?;
    let oid = name.text("requestName", note);
    let value = reader.optional("requestValue", context(1));
    let value_length = note.value(value).flatten().map(|element| element.content().len());
    Ok(Operation::ExtendedRequest { oid, value_length })
}

fn extended_response(reader: &mut Reader<'_>, note: &mut Note) -> Result<Operation, Error> {
    let result = ldap_result(reader, note)?;
    let rest = name_and_value(reader, [10, 11], note);
    let (oid, value_length) = note.value(rest).unwrap_or_default();
    Ok(Operation::ExtendedResponse { result, oid, value_length })
}

/// responseName and the length of responseValue, which have these tags.
fn name_and_value(
    reader: &mut Reader<'_>,
    [name, value]: [u8; 2],
    note: &mut Note,
) -> Result<(Option<String>, Option<usize>), Error> {
    let oid = reader.optional("responseName", context(name))?.map(|name| name.text("responseName", note));
    let value = reader.optional("responseValue", context(value))?;
    Ok((oid, value.map(|value| value.content().len())))
}

/// OCTET STRINGs as text, up to the first that is none.
fn texts(reader: &mut Reader<'_>, field: &'static str, most: usize, note: &mut Note) -> Vec<String> {
    let mut found = Vec::new();
    while !reader.is_empty() {
        if found.len() == most {
            note.take(ber::too_many(field, reader.offset(), most + 1, most));
            break;
        }
        let text = reader.text(field, note);
        let Some(text) = note.value(text) else { break };
        found.push(text);
    }
    found
}

fn read_controls(reader: &mut Reader<'_>, note: &mut Note) -> Vec<Control> {
    let mut controls = Vec::new();
    if reader.peek() != Some(constructed(0)) {
        return controls;
    }
    let list = reader.enter("controls", constructed(0), "controls (0xa0)", note);
    let Some(mut list) = note.value(list) else { return controls };
    while !list.is_empty() {
        if controls.len() == MAX_CONTROLS {
            note.take(ber::too_many("controls", list.offset(), MAX_CONTROLS + 1, MAX_CONTROLS));
            break;
        }
        let control = control(&mut list, note);
        let Some(control) = note.value(control) else { break };
        controls.push(control);
    }
    controls
}

fn control(list: &mut Reader<'_>, note: &mut Note) -> Result<Control, Error> {
    let mut reader = list.enter("control", SEQUENCE, "a SEQUENCE (0x30)", note)?;
    let oid = reader.text("controlType", note)?;
    let is_critical = match reader.peek() {
        Some(ber::BOOLEAN) => reader.boolean("criticality")?,
        _ => false,
    };
    let value = if reader.is_empty() { None } else { Some(reader.octets("controlValue")?) };
    reader.end("control", note);
    Ok(Control { oid, is_critical, value_length: value.map(<[u8]>::len) })
}

/// The most attributes of an entry that are kept.
pub const MAX_ATTRIBUTES: usize = 4_096;

/// The most values of an entry that are kept.
pub const MAX_VALUES: usize = 16_384;

/// The most attributes of a search's list that are kept.
pub const MAX_SELECTORS: usize = 4_096;

/// The most referrals of a result, and of a reference, that are kept.
pub const MAX_REFERRALS: usize = 1_024;

/// The most controls of a message that are kept.
pub const MAX_CONTROLS: usize = 256;

/// What a text or a list takes beside its bytes.
const OVERHEAD: usize = 24;

/// Identifier octets of the operations.
const BIND_REQUEST: u8 = 0x60;
const BIND_RESPONSE: u8 = 0x61;
const UNBIND_REQUEST: u8 = 0x42;
const SEARCH_REQUEST: u8 = 0x63;
const SEARCH_RESULT_ENTRY: u8 = 0x64;
const SEARCH_RESULT_DONE: u8 = 0x65;
const MODIFY_REQUEST: u8 = 0x66;
const MODIFY_RESPONSE: u8 = 0x67;
const ADD_REQUEST: u8 = 0x68;
const ADD_RESPONSE: u8 = 0x69;
const DELETE_REQUEST: u8 = 0x4a;
const DELETE_RESPONSE: u8 = 0x6b;
const MODIFY_DN_REQUEST: u8 = 0x6c;
const MODIFY_DN_RESPONSE: u8 = 0x6d;
const COMPARE_REQUEST: u8 = 0x6e;
const COMPARE_RESPONSE: u8 = 0x6f;
const ABANDON_REQUEST: u8 = 0x50;
const SEARCH_RESULT_REFERENCE: u8 = 0x73;
const EXTENDED_REQUEST: u8 = 0x77;
const EXTENDED_RESPONSE: u8 = 0x78;
const INTERMEDIATE_RESPONSE: u8 = 0x79;
