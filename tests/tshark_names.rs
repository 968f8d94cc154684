//! Every recording of discovery and of the directory against tshark, a dissector that nobody of this project wrote:
//! the same messages in the same packets, in every field that is read.
//!
//! Without tshark the comparison is skipped with a message, unless `VOLACT_REQUIRE_TSHARK=1`.

mod support;

use std::fmt::Debug;
use std::path::PathBuf;

use support::read;
use support::tshark::{self, Field, is_missing};
use volact::capture::{self, Chunk, Direction, End, FlowInfo, Gap, Handler, Stamp};
use volact::directory::{
    self, Assertion, Attribute, Authentication, BindRequest, BindResponse, Control, Dereference, Entry,
    Filter, LdapResult, Operation, ResultCode, Scope, SearchRequest,
};
use volact::discovery::{
    self, Class, Edns, EdnsOption, Flags, HEADER_LEN, Name, Question, Record, RecordData, RecordType,
    TcpFramer,
};

/// Messages with the packet that has their last byte.
type Messages<M> = Vec<(u64, M)>;

#[test]
fn every_recording_has_the_dns_messages_that_tshark_finds() {
    if is_missing() {
        return;
    }
    let names = ["discovery", "mixed", "stories"].into_iter().flat_map(recordings);
    let is_damaged = |message: &discovery::Message| message.errors().next().is_some();
    let compared: usize =
        names.map(|name| compare(&name, dns_of_volact(&name), is_damaged, dns_of_tshark(&name))).sum();
    assert!(compared >= 450, "only {compared} messages were compared");
}

#[test]
fn every_recording_has_the_ldap_messages_that_tshark_finds() {
    if is_missing() {
        return;
    }
    let names = ["directory", "mixed", "stories"].into_iter().flat_map(recordings);
    // What is sealed by TLS is not for the framer.
    let names = names.filter(|name| name != "directory/ldap_ldaps.pcapng");
    let is_damaged = |message: &directory::Message| message.error.is_some();
    let compared: usize =
        names.map(|name| compare(&name, ldap_of_volact(&name), is_damaged, ldap_of_tshark(&name))).sum();
    assert!(compared >= 450, "only {compared} messages were compared");
}

/// The captures of a folder of recordings.
fn recordings(folder: &str) -> Vec<String> {
    let paths = capture::expand(&[support::folder().join(folder)]).unwrap();
    let files = paths.iter().map(|path| path.file_name().unwrap().to_str().unwrap());
    files.filter(|file| file.ends_with(".pcapng")).map(|file| format!("{folder}/{file}")).collect()
}

fn path_of(name: &str) -> PathBuf {
    support::folder().join(name)
}

/// What tshark finds in a file.
struct Dissected<M> {
    messages: Messages<M>,
    /// Packets with a message that it cannot read to its end. Here it is read as far as it goes, and has an error.
    damaged: Vec<u64>,
}

/// Compares what is shown of the messages, which differs where names differ in the case of their letters; how many.
fn compare<M: Debug>(
    name: &str,
    mut ours: Messages<M>,
    is_damaged: impl Fn(&M) -> bool,
    Dissected { messages: theirs, damaged }: Dissected<M>,
) -> usize {
    for (frame, message) in &ours {
        assert_eq!(is_damaged(message), damaged.contains(frame), "{name}, packet {frame}: {message:?}");
    }
    ours.retain(|(frame, _)| !damaged.contains(frame));
    ours.sort_by_key(|(frame, _)| *frame);
    let frames = |messages: &Messages<M>| messages.iter().map(|(frame, _)| *frame).collect::<Vec<_>>();
    assert_eq!(frames(&ours), frames(&theirs), "{name}");
    for ((frame, ours), (_, theirs)) in ours.iter().zip(&theirs) {
        let (ours, theirs) = (format!("{ours:#?}"), format!("{theirs:#?}"));
        let different = ours.lines().zip(theirs.lines()).find(|(ours, theirs)| ours != theirs);
        assert!(ours == theirs, "{name}, packet {frame}: {different:?}\n{ours}\ntshark:\n{theirs}");
    }
    ours.len()
}

/// What tshark finds in the packets that a filter lets pass; `read` makes messages of a protocol.
fn of_tshark<M>(name: &str, filter: &str, read: impl Fn(&Field) -> Vec<M>) -> Dissected<M> {
    let mut found = Dissected { messages: Vec::new(), damaged: Vec::new() };
    for (frame, protocols) in tshark::dissected(&path_of(name), filter) {
        // A search of which nothing is there is none to tshark, and nothing to remark.
        let is_empty =
            |field: &Field| field.all("ldap.searchRequest_element").any(|search| search.fields.is_empty());
        if protocols.iter().any(|protocol| protocol.name == "_ws.malformed" || is_empty(protocol)) {
            found.damaged.push(frame);
        } else {
            let messages = protocols.iter().flat_map(&read);
            found.messages.extend(messages.map(|message| (frame, message)));
        }
    }
    found
}

// ---------------------------------------------------------------------------------------------------------------------
// DNS.

#[derive(Default)]
struct Dns {
    messages: Messages<discovery::Message>,
}

impl Dns {
    fn message(&mut self, frame: u64, bytes: &[u8]) {
        self.messages.push((frame, discovery::Message::parse(bytes).unwrap()));
    }
}

impl Handler for Dns {
    /// Of the client and of the server, where it is a server of names.
    type State = Option<[TcpFramer<Stamp>; 2]>;

    fn open(&mut self, flow: &FlowInfo) -> Self::State {
        (flow.server.port == discovery::PORT).then(Default::default)
    }

    fn data(&mut self, _: &FlowInfo, state: &mut Self::State, direction: Direction, chunk: Chunk<'_>) {
        let Some(framers) = state else { return };
        framers[direction as usize].push(chunk.offset, chunk.bytes, chunk.stamp, &mut |framed| {
            if let discovery::Framed::Message { bytes, last, .. } = framed {
                self.message(last.frame, bytes);
            }
        });
    }

    fn gap(&mut self, flow: &FlowInfo, _: &mut Self::State, _: Direction, _: Gap) {
        panic!("a gap in {flow:?}");
    }

    fn close(&mut self, _: &FlowInfo, _: Self::State, _: End) {}
}

fn dns_of_volact(name: &str) -> Messages<discovery::Message> {
    let found = read(&path_of(name), Dns::default(), &[discovery::PORT], |dns, found, stamp| {
        let port = found.source.port.min(found.destination.port);
        if [discovery::PORT, discovery::MDNS_PORT].contains(&port) {
            dns.message(stamp.frame, found.payload);
        }
    });
    found.messages
}

fn dns_of_tshark(name: &str) -> Dissected<discovery::Message> {
    // An ICMP message has the question in it that it is about.
    of_tshark(name, "(dns || mdns) && !icmp", |protocol| {
        let is_message = ["dns", "mdns"].contains(&protocol.name.as_str()) && protocol.size >= HEADER_LEN;
        is_message.then(|| dns(protocol)).into_iter().collect()
    })
}

/// A message made of what tshark found in it.
fn dns(message: &Field) -> discovery::Message {
    let number = |name: &str| u16::try_from(message.find(name).unwrap().number()).unwrap();
    let counts: Vec<u16> = message
        .fields
        .iter()
        .filter(|field| field.name.starts_with("dns.count."))
        .map(|field| field.show.parse().unwrap())
        .collect();
    let section = |titles: [&str; 2]| {
        let found = message
            .fields
            .iter()
            .find(|field| field.name.is_empty() && titles.contains(&field.show.as_str()));
        found.map_or(&[][..], |section| &section.fields)
    };
    let mut additionals: Vec<Record> = Vec::new();
    let mut edns = None;
    for field in section(["Additional records", "Additional records"]) {
        match edns {
            None if field.find("dns.rr.udp_payload_size").is_some() => edns = Some(edns_of(field)),
            _ => additionals.push(record(field)),
        }
    }
    discovery::Message {
        id: number("dns.id"),
        flags: Flags(number("dns.flags")),
        counts: counts.try_into().unwrap(),
        questions: section(["Queries", "Zone"]).iter().map(question).collect(),
        answers: section(["Answers", "Prerequisites"]).iter().map(record).collect(),
        authorities: section(["Authoritative nameservers", "Updates"]).iter().map(record).collect(),
        additionals,
        edns,
        // Over TCP tshark counts the length in front of it.
        length: message.size - message.find("dns.length").map_or(0, |length| length.size),
        excess: 0,
        error: None,
    }
}

fn question(field: &Field) -> Question {
    let class = u16::from_be_bytes(*field.value.last_chunk().unwrap());
    Question {
        name: name(&field.find("dns.qry.name").unwrap().show),
        rtype: RecordType(field.find("dns.qry.type").unwrap().show.parse().unwrap()),
        class: Class(class & 0x7fff),
        unicast_response: class & 0x8000 != 0,
    }
}

fn record(field: &Field) -> Record {
    let rtype: u16 = field.find("dns.resp.type").unwrap_or_else(|| panic!("{field:?}")).show.parse().unwrap();
    // The name of an SRV record is shown in three parts.
    let shown = |part: &str| field.find(part).map(|field| field.show.as_str());
    let owner = match shown("dns.resp.name") {
        Some(name) => name.to_owned(),
        None => {
            ["dns.srv.service", "dns.srv.proto", "dns.srv.name"].map(|part| shown(part).unwrap()).join(".")
        }
    };
    // What stands behind the type: class, time to live, length, data.
    let behind = &field.value[field.find("dns.resp.type").unwrap().at + 2 - field.at..];
    let class = u16::from_be_bytes([behind[0], behind[1]]);
    let ttl = field.find("dns.resp.ttl").map_or(0, |ttl| ttl.show.parse().unwrap());
    let length: usize = field.find("dns.resp.len").unwrap().show.parse().unwrap();
    let bytes = &behind[8..];
    assert_eq!(bytes.len(), length, "{field:?}");
    Record {
        name: name(&owner),
        rtype: RecordType(rtype),
        class: Class(class & 0x7fff),
        cache_flush: class & 0x8000 != 0,
        ttl,
        data: data(field, class & 0x7fff, bytes),
        error: None,
    }
}

fn data(field: &Field, class: u16, bytes: &[u8]) -> RecordData {
    let shown = |part: &str| field.find(part).map(|field| field.show.as_str());
    let number = |part: &str| shown(part).unwrap().parse::<u32>().unwrap();
    let short = |part: &str| u16::try_from(number(part)).unwrap();
    // Of class NONE an update deletes just this record (RFC 2136 2.5.4).
    let of_class = matches!(class, 1 | 254).then_some(());
    let typed = of_class.and_then(|()| {
        Some(if let Some(target) = shown("dns.srv.target") {
            RecordData::Srv {
                priority: short("dns.srv.priority"),
                weight: short("dns.srv.weight"),
                port: short("dns.srv.port"),
                target: name(target),
            }
        } else if let Some(address) = shown("dns.a") {
            RecordData::A(address.parse().unwrap())
        } else if let Some(address) = shown("dns.aaaa") {
            RecordData::Aaaa(address.parse().unwrap())
        } else if let Some(alias) = shown("dns.cname") {
            RecordData::Cname(name(alias))
        } else if let Some(pointer) = shown("dns.ptr.domain_name") {
            RecordData::Ptr(name(pointer))
        } else if let Some(server) = shown("dns.ns") {
            RecordData::Ns(name(server))
        } else if let Some(mname) = shown("dns.soa.mname") {
            RecordData::Soa {
                mname: name(mname),
                rname: name(shown("dns.soa.rname").unwrap()),
                serial: number("dns.soa.serial_number"),
                refresh: number("dns.soa.refresh_interval"),
                retry: number("dns.soa.retry_interval"),
                expire: number("dns.soa.expire_limit"),
                minimum: number("dns.soa.minimum_ttl"),
            }
        } else if shown("dns.txt").is_some() {
            RecordData::Txt(field.all("dns.txt").map(|text| text.value.clone()).collect())
        } else {
            return None;
        })
    });
    typed.unwrap_or_else(|| RecordData::Other(bytes.to_vec()))
}

fn edns_of(field: &Field) -> Edns {
    let number = |part: &str| field.find(part).unwrap().number();
    let options = field.fields.iter().filter(|field| field.name == "dns.opt");
    Edns {
        payload_size: u16::try_from(number("dns.rr.udp_payload_size")).unwrap(),
        extended_rcode: u8::try_from(number("dns.resp.ext_rcode")).unwrap(),
        version: u8::try_from(number("dns.resp.edns0_version")).unwrap(),
        flags: u16::try_from(number("dns.resp.z")).unwrap(),
        options: options
            .map(|option| EdnsOption {
                code: option.find("dns.opt.code").unwrap().show.parse().unwrap(),
                data: option.find("dns.opt.data").map_or_else(Vec::new, |data| data.value.clone()),
            })
            .collect(),
        error: None,
    }
}

/// A name as tshark shows it, which escapes nothing.
fn name(shown: &str) -> Name {
    if shown == "<Root>" {
        return Name::root();
    }
    Name::parse(&shown.replace('\\', "\\\\")).unwrap()
}

// ---------------------------------------------------------------------------------------------------------------------
// LDAP.

/// The OID of StartTLS (RFC 4511 4.14.1).
const START_TLS: &str = "1.3.6.1.4.1.1466.20037";

#[derive(Default)]
struct Ldap {
    messages: Messages<directory::Message>,
}

impl Handler for Ldap {
    /// Of the client and of the server, where it is a directory.
    type State = Option<[directory::Framer<Stamp>; 2]>;

    fn open(&mut self, flow: &FlowInfo) -> Self::State {
        (flow.server.port == 389).then(Default::default)
    }

    fn data(&mut self, _: &FlowInfo, state: &mut Self::State, direction: Direction, chunk: Chunk<'_>) {
        let Some(framers) = state else { return };
        let mut rest = chunk.bytes;
        loop {
            let (message, frame) = match framers[direction as usize].next(&mut rest, chunk.stamp) {
                None => break,
                Some(directory::Framed::Message { bytes, last, .. }) => {
                    (directory::Message::parse(bytes).unwrap(), last.frame)
                }
                Some(_) => continue,
            };
            match &message.operation {
                Operation::ExtendedRequest { oid, .. } if oid == START_TLS => {
                    framers.iter_mut().for_each(|framer| framer.expect_tls(true));
                }
                Operation::BindResponse(_) => framers.iter_mut().for_each(directory::Framer::seal),
                _ => {}
            }
            self.messages.push((frame, message));
        }
    }

    fn gap(&mut self, flow: &FlowInfo, _: &mut Self::State, _: Direction, _: Gap) {
        panic!("a gap in {flow:?}");
    }

    fn close(&mut self, _: &FlowInfo, _: Self::State, _: End) {}
}

fn ldap_of_volact(name: &str) -> Messages<directory::Message> {
    read(&path_of(name), Ldap::default(), &[389], |_, _, _| {}).messages
}

fn ldap_of_tshark(name: &str) -> Dissected<directory::Message> {
    of_tshark(name, "ldap", |protocol| {
        // In a SASL buffer without privacy tshark reads on; here it stays sealed.
        let is_readable = protocol.name == "ldap" && protocol.find("ldap.sasl_buffer_length").is_none();
        let messages = protocol.fields.iter().filter(|field| field.name == "ldap.LDAPMessage_element");
        messages.filter(|_| is_readable).map(ldap).collect()
    })
}

/// A message made of what tshark found in it.
fn ldap(message: &Field) -> directory::Message {
    let operation = message.find("ldap.protocolOp").unwrap();
    directory::Message {
        id: message.find("ldap.messageID").unwrap().number(),
        operation: self::operation(operation),
        controls: message.find("ldap.controls").map_or_else(Vec::new, |controls| {
            controls.fields.iter().filter(|field| field.name == "ldap.Control_element").map(control).collect()
        }),
        error: None,
    }
}

fn control(field: &Field) -> Control {
    Control {
        oid: field.find("ldap.controlType").unwrap().text(),
        is_critical: field.find("ldap.criticality").is_some_and(|critical| critical.value != [0]),
        value_length: rest_behind(field, &["ldap.controlType", "ldap.criticality"]),
    }
}

/// How long the value is that ends a field, behind those that are named: tshark reads some values on the spot, and
/// does not show them as such.
fn rest_behind(field: &Field, named: &[&str]) -> Option<usize> {
    let last = field.fields.iter().rfind(|part| named.contains(&part.name.as_str())).unwrap();
    let rest = field.at + field.size - (last.at + last.size);
    // Its identifier and its length come first.
    let header = match rest {
        0 => return None,
        1..130 => 2,
        130..259 => 3,
        _ => 4,
    };
    Some(rest - header)
}

fn operation(choice: &Field) -> Operation {
    let tag = choice.value[0];
    // The operation itself; what is no sequence is a field of the choice.
    let inner = choice.fields.first().unwrap_or(choice);
    let text = |name: &str| inner.find(name).map(Field::text);
    let number = |name: &str| inner.find(name).unwrap().number();
    let length = |name: &str| inner.find(name).map(|field| field.size);
    match tag & 0x1f {
        0 => Operation::BindRequest(BindRequest {
            version: number("ldap.version"),
            name: text("ldap.name").unwrap(),
            authentication: Some(authentication(inner.find("ldap.authentication").unwrap())),
        }),
        1 => Operation::BindResponse(BindResponse {
            result: result(inner),
            sasl_credentials_length: length("ldap.serverSaslCreds"),
        }),
        2 => Operation::UnbindRequest,
        3 => Operation::SearchRequest(SearchRequest {
            base: text("ldap.baseObject").unwrap(),
            scope: Scope(number("ldap.scope")),
            dereference: Dereference(number("ldap.derefAliases")),
            size_limit: number("ldap.sizeLimit"),
            time_limit: number("ldap.timeLimit"),
            types_only: number("ldap.typesOnly") != 0,
            filter: Some(filter(inner.all("ldap.filter").next().unwrap())),
            attributes: inner.all("ldap.AttributeDescription").map(Field::text).collect(),
        }),
        4 => Operation::SearchResultEntry(entry(
            inner,
            "ldap.objectName",
            "ldap.PartialAttributeList_item_element",
        )),
        5 => Operation::SearchResultDone(result(inner)),
        8 => Operation::AddRequest(entry(inner, "ldap.entry", "ldap.AttributeList_item_element")),
        16 => Operation::AbandonRequest(inner.number()),
        19 => Operation::SearchResultReference(choice.all("ldap.LDAPURL").map(Field::text).collect()),
        23 => Operation::ExtendedRequest {
            oid: text("ldap.requestName").unwrap(),
            value_length: rest_behind(inner, &["ldap.requestName"]),
        },
        24 => Operation::ExtendedResponse {
            result: result(inner),
            oid: text("ldap.responseName"),
            value_length: length("ldap.response"),
        },
        7 | 9 | 11 | 13 | 15 => Operation::Response { tag, result: result(inner) },
        other => Operation::Other {
            tag,
            dn: Some(match other {
                10 => inner.text(),
                6 => text("ldap.object").unwrap(),
                _ => text("ldap.entry").unwrap(),
            }),
        },
    }
}

fn authentication(field: &Field) -> Authentication {
    let inner = &field.fields[0];
    match inner.name.as_str() {
        "ldap.simple" => Authentication::Simple { password_length: inner.size },
        "ldap.sasl_element" => Authentication::Sasl {
            mechanism: inner.find("ldap.mechanism").unwrap().text(),
            credentials_length: inner.find("ldap.credentials").map(|credentials| credentials.size),
        },
        other => panic!("{other}"),
    }
}

fn result(field: &Field) -> LdapResult {
    LdapResult {
        code: ResultCode(field.find("ldap.resultCode").unwrap().number()),
        matched_dn: field.find("ldap.matchedDN").unwrap().text(),
        diagnostic: field.find("ldap.errorMessage").unwrap().text(),
        referrals: field
            .find("ldap.referral")
            .map_or_else(Vec::new, |referral| referral.all("ldap.LDAPURL").map(Field::text).collect()),
    }
}

fn entry(field: &Field, dn: &str, item: &str) -> Entry {
    let attribute = |item: &Field| Attribute {
        description: item.find("ldap.type").or_else(|| item.find("ldap.attributeType")).unwrap().text(),
        // tshark knows some attributes, whose values have other names than the rest.
        values: item
            .find("ldap.vals")
            .map_or(&[][..], |list| &list.fields)
            .iter()
            .map(|v| v.value.clone())
            .collect(),
    };
    Entry { dn: field.find(dn).unwrap().text(), attributes: field.all(item).map(attribute).collect() }
}

/// A filter made of the number of its kind and of what tshark found in it.
fn filter(field: &Field) -> Filter {
    let below = |name: &'static str| field.all(name).next();
    let parts =
        |name: &'static str| below(name).map_or_else(Vec::new, |list| nearest(list, &format!("{name}_item")));
    let assertion = || Assertion {
        attribute: below("ldap.attributeDesc").unwrap().text(),
        value: below("ldap.assertionValue").unwrap().value.clone(),
    };
    match field.show.as_str() {
        "0" => Filter::And(parts("ldap.and")),
        "1" => Filter::Or(parts("ldap.or")),
        "2" => Filter::Not(Box::new(filter(below("ldap.not").unwrap()))),
        "3" => Filter::Equality(assertion()),
        "4" => Filter::Substrings {
            attribute: below("ldap.type").unwrap().text(),
            initial: below("ldap.initial").map(|part| part.value.clone()),
            any: field.all("ldap.any").map(|part| part.value.clone()).collect(),
            last: below("ldap.final").map(|part| part.value.clone()),
        },
        "5" => Filter::GreaterOrEqual(assertion()),
        "6" => Filter::LessOrEqual(assertion()),
        "7" => Filter::Present(below("ldap.present").unwrap().text()),
        "8" => Filter::Approximate(assertion()),
        "9" => Filter::Extensible {
            rule: below("ldap.matchingRule").map(Field::text),
            attribute: below("ldap.type").map(Field::text),
            value: below("ldap.matchValue").unwrap().value.clone(),
            dn_attributes: below("ldap.dnAttributes").is_some_and(|flag| flag.value != [0]),
        },
        other => panic!("a filter of kind {other}"),
    }
}

/// The filters of this name that are in no other one of the list.
fn nearest(list: &Field, name: &str) -> Vec<Filter> {
    let mut found = Vec::new();
    for field in &list.fields {
        if field.name == name {
            found.push(filter(field));
        } else {
            found.extend(nearest(field, name));
        }
    }
    found
}
