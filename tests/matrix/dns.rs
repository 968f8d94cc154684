//! Examples of the rules in src/conformance/rules/dns.rs.

use volact::discovery::{Class, Message, Name, Question, Record, RecordData, RecordType};

use crate::Example;
use crate::files::Datagrams;

pub(crate) fn examples() -> Vec<Example> {
    let mut examples = questions();
    examples.extend(responses());
    examples.extend(records());
    examples.extend(services());
    examples.extend(updates());
    examples.extend(multicast());
    examples.extend(searches());
    examples
}

/// The base as it is, and changed.
fn pair(rule: &'static str, base: fn() -> Datagrams, change: impl FnOnce(Datagrams) -> Datagrams) -> Example {
    Example { rule, passes: base().file(), fails: change(base()).file() }
}

/// The base with its response changed.
fn answer(rule: &'static str, base: fn() -> Datagrams, change: impl FnOnce(&mut Message)) -> Example {
    pair(rule, base, |datagrams| datagrams.message(1, change))
}

fn name(text: &str) -> Name {
    Name::parse(text).expect("it is a name")
}

/// The first record of a section's like, with other data.
fn like(record: &Record, owner: &str, rtype: RecordType, data: RecordData) -> Record {
    Record { name: name(owner), rtype, data, ..record.clone() }
}

fn text_record(record: &Record, text: &[u8]) -> Record {
    Record { rtype: RecordType::TXT, data: RecordData::Txt(vec![text.to_vec()]), ..record.clone() }
}

/// The base with another service beside the first one, and its address.
fn two() -> Datagrams {
    Datagrams::base().message(1, |message| {
        let mut service = message.answers[0].clone();
        set(&mut service, |_, _, target| *target = name("kms2.corp.example"));
        message.answers.push(service);
        let address = RecordData::A([10, 77, 0, 11].into());
        let record = like(&message.additionals[0], "kms2.corp.example", RecordType::A, address);
        message.additionals.push(record);
    })
}

/// The base with another name that is an alias of the service's.
fn aliased() -> Datagrams {
    Datagrams::base().both(|message| message.questions[0].name = name(ALIAS)).message(1, |message| {
        let service = RecordData::Cname(message.answers[0].name.clone());
        let record = like(&message.answers[0], ALIAS, RecordType::CNAME, service);
        message.answers.insert(0, record);
    })
}

const ALIAS: &str = "_vlmcs._tcp.alias.example";

/// A domain that does not exist is asked for first.
fn second_try() -> Datagrams {
    Datagrams::of("dns_suffixes", &[13, 14, 15, 16])
}

fn update() -> Datagrams {
    Datagrams::of("dns_update", &[3, 4])
}

fn announcement() -> Datagrams {
    Datagrams::of("mdns", &[20])
}

/// Changes the weight, the port and the target of a service.
fn set(record: &mut Record, change: impl FnOnce(&mut u16, &mut u16, &mut Name)) {
    let RecordData::Srv { weight, port, target, .. } = &mut record.data else { panic!("it is a service") };
    change(weight, port, target);
}

fn questions() -> Vec<Example> {
    let base = Datagrams::base;
    vec![
        pair("DNS-CLASS", base, |packets| packets.both(|message| message.questions[0].class = Class(3))),
        pair("DNS-SERVICE-TYPE", base, |packets| {
            packets.both(|message| {
                message.questions[0].rtype = RecordType::TXT;
                message.answers = message.answers.iter().map(|record| text_record(record, b"test")).collect();
            })
        }),
        pair("DNS-QUERY-Z", base, |packets| packets.message(0, |message| message.flags.0 |= 0x40)),
        pair("DNS-RECURSION", base, |packets| packets.both(|message| message.flags.0 &= !0x100)),
    ]
}

fn responses() -> Vec<Example> {
    let base = Datagrams::base;
    vec![
        answer("DNS-ANSWER-Z", base, |message| message.flags.0 |= 0x40),
        answer("DNS-RD-COPIED", base, |message| message.flags.0 &= !0x100),
        answer("DNS-QUESTION-ECHO", base, |message| message.questions.clear()),
        answer("DNS-CASE", base, |message| message.questions[0].name = name("_VLMCS._tcp.corp.example")),
        pair("DNS-SERVER", base, |packets| packets.source(1, 54)),
        answer("DNS-UDP-SIZE", base, |message| {
            let record = text_record(&message.additionals[0], &[b'x'; 250]);
            message.additionals.extend([record.clone(), record]);
        }),
        pair("DNS-EXCESS", base, |packets| packets.bytes(1, |bytes| bytes.push(0))),
        answer("DNS-NXDOMAIN-ANSWER", second_try, |message| {
            let record = text_record(&message.authorities[0], b"test");
            message.answers.push(Record { name: message.questions[0].name.clone(), ..record });
        }),
        answer("DNS-NEGATIVE-SOA", second_try, |message| message.authorities.clear()),
    ]
}

fn records() -> Vec<Example> {
    let base = Datagrams::base;
    vec![
        answer("DNS-RECORD-CLASS", base, |message| {
            let record = text_record(&message.answers[0], b"test");
            message.answers.push(Record { class: Class(3), ..record });
        }),
        answer("DNS-RECORD-DATA", base, |message| {
            message.additionals[0].data = RecordData::Other(vec![10, 77, 0]);
        }),
        answer("DNS-RECORD-TWICE", base, |message| message.answers.push(message.answers[0].clone())),
        answer("DNS-RRSET-TTL", two, |message| message.answers[1].ttl += 1),
        answer("DNS-ALIAS-ALONE", aliased, |message| {
            let other = RecordData::Cname(name("_vlmcs._tcp.other.example"));
            message.answers.push(like(&message.answers[0], ALIAS, RecordType::CNAME, other));
        }),
        Example {
            rule: "DNS-ALIAS-END",
            passes: aliased().file(),
            fails: aliased()
                .message(1, |message| {
                    let ring = RecordData::Cname(name(ALIAS));
                    let owner = "_vlmcs._tcp.corp.example";
                    message.answers[1] = like(&message.answers[0], owner, RecordType::CNAME, ring);
                })
                .then(Datagrams::base())
                .file(),
        },
    ]
}

fn services() -> Vec<Example> {
    let base = Datagrams::base;
    let service = |rule, change: fn(&mut u16, &mut u16, &mut Name)| {
        answer(rule, base, |message| set(&mut message.answers[0], change))
    };
    vec![
        service("DNS-SRV-PORT-ZERO", |_, port, _| *port = 0),
        service("DNS-SRV-PORT", |_, port, _| *port = 1689),
        service("DNS-SRV-ORDER", |weight, _, _| *weight = 5),
        service("DNS-SRV-NONE", |_, _, target| *target = Name::root()),
        answer("DNS-SRV-ALONE", two, |message| {
            set(&mut message.answers[1], |_, _, target| *target = Name::root());
        }),
        answer("DNS-SRV-ALIAS", base, |message| {
            let other = RecordData::Cname(name("other.corp.example"));
            let record = like(&message.additionals[0], "kms1.corp.example", RecordType::CNAME, other);
            message.additionals.push(record);
        }),
        answer("DNS-SRV-ADDRESS", base, |message| message.additionals.clear()),
        answer("DNS-SRV-TTL", base, |message| message.answers[0].ttl = 0),
    ]
}

fn updates() -> Vec<Example> {
    let deleting = || {
        update().message(0, |message| {
            let old = RecordData::Other(Vec::new());
            message.authorities.push(Record {
                class: Class::ANY,
                ttl: 0,
                data: old,
                ..message.authorities[0].clone()
            });
        })
    };
    let updated = |rule, change: fn(&mut Record)| {
        pair(rule, update, |packets| packets.message(0, |message| change(&mut message.authorities[0])))
    };
    vec![
        pair("DNS-UPDATE-ZONE", update, |packets| {
            packets.both(|message| message.questions[0].rtype = RecordType::A)
        }),
        updated("DNS-UPDATE-WITHIN", |record| record.name = name("_vlmcs._tcp.other.example")),
        updated("DNS-UPDATE-CLASS", |record| {
            record.class = Class(3);
            record.data = RecordData::Other(Vec::new());
        }),
        Example {
            rule: "DNS-UPDATE-DELETE",
            passes: deleting().file(),
            fails: deleting().message(0, |message| message.authorities[1].ttl = 5).file(),
        },
        updated("DNS-UPDATE-PORT", |record| set(record, |_, port, _| *port = 1700)),
        answer("DNS-UPDATE-DONE", update, |message| message.flags.0 |= 5),
    ]
}

fn multicast() -> Vec<Example> {
    let announced =
        |rule, change: fn(&mut Message)| pair(rule, announcement, |packets| packets.message(0, change));
    vec![
        announced("MDNS-ID", |message| message.id = 5),
        announced("MDNS-AUTHORITATIVE", |message| message.flags.0 &= !0x400),
        announced("MDNS-RCODE", |message| message.flags.0 |= 5),
        announced("MDNS-QUESTION", |message| {
            let (name, class) = (name("_vlmcs._tcp.local"), Class::IN);
            message.questions.push(Question { name, rtype: RecordType::PTR, class, unicast_response: false });
        }),
    ]
}

fn searches() -> Vec<Example> {
    // A truncated answer, and behind it another domain.
    let truncated = || {
        Datagrams::base().message(1, |message| {
            message.flags.0 |= 0x200;
            message.answers.clear();
            message.additionals.clear();
        })
    };
    let base = Datagrams::base();
    let again = truncated().over_tcp(base.payload(0), base.payload(1));
    let other = || Datagrams::of("dns_suffixes", &[13, 14]);
    vec![
        Example {
            rule: "DNS-SEARCH-TCP",
            passes: again.then(other()).file(),
            fails: truncated().then(other()).file(),
        },
        pair("DNS-SEARCH-BARE", Datagrams::base, |packets| {
            packets.both(|message| {
                for name in message.questions.iter_mut().map(|question| &mut question.name) {
                    *name = self::name("_vlmcs._tcp");
                }
                for name in message.answers.iter_mut().map(|record| &mut record.name) {
                    *name = self::name("_vlmcs._tcp");
                }
            })
        }),
        Example {
            rule: "DNS-SEARCH-FOUND",
            passes: Datagrams::base().file(),
            fails: Datagrams::of("dns_suffixes", &[13, 14]).file(),
        },
    ]
}
