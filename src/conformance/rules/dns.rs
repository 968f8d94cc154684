use crate::capture::{Endpoint, Stamp};
use crate::discovery::{
    Class, Opcode, Origin, Outcome, Queries, Question, Rcode, Record, RecordData, RecordType, Transport,
    kms_service_domain,
};
use crate::trace::{Lookup, Search};

use super::super::rule::{About, Family, Judgement, Level, Rule, Subject};
use super::judgements::{each, of};

use Judgement::NotApplicable;

/// DNS: how a KMS host is found.
pub(super) const FAMILY: Family = Family { name: "dns", title: "DNS: how a KMS host is found", rules: RULES };

const RULES: &[Rule] = &[
    Rule {
        id: "DNS-CLASS",
        title: "A question is of the Internet",
        level: Level::Should,
        authority: "RFC 2782 (SRV is of class IN); RFC 1035 section 3.4",
        looks_at: "The class of each question about activation.",
        holds: "It is IN.",
        about: About::Client,
        tags: &["question"],
        subject: Subject::Lookup(class),
    },
    Rule {
        id: "DNS-SERVICE-TYPE",
        title: "A KMS host is asked for as a service",
        level: Level::Observed,
        authority: "Observed: Windows asks for SRV records",
        looks_at: "The type of each question about _vlmcs._tcp over UDP or TCP that is no update.",
        holds: "It is SRV.",
        about: About::Client,
        tags: &["question", "srv"],
        subject: Subject::Lookup(service_type),
    },
    Rule {
        id: "DNS-QUERY-Z",
        title: "The reserved bit of a query is zero",
        level: Level::Must,
        authority: "RFC 1035 section 4.1.1",
        looks_at: "The bit behind RA in the first query of each lookup.",
        holds: "It is 0.",
        about: About::Client,
        tags: &["header"],
        subject: Subject::Lookup(query_z),
    },
    Rule {
        id: "DNS-RECURSION",
        title: "A client desires recursion",
        level: Level::Observed,
        authority: "Observed: the resolver of Windows sets RD",
        looks_at: "RD in the first query of each lookup over UDP or TCP.",
        holds: "It is set.",
        about: About::Client,
        tags: &["header"],
        subject: Subject::Lookup(recursion),
    },
    Rule {
        id: "DNS-ANSWER-Z",
        title: "The reserved bit of a response is zero",
        level: Level::Must,
        authority: "RFC 1035 section 4.1.1",
        looks_at: "The bit behind RA in each response.",
        holds: "It is 0.",
        about: About::Server,
        tags: &["header"],
        subject: Subject::Lookup(answer_z),
    },
    Rule {
        id: "DNS-RD-COPIED",
        title: "A response repeats RD",
        level: Level::Must,
        authority: "RFC 1035 section 4.1.1",
        looks_at: "RD in each response over UDP or TCP, and in the query that it answers.",
        holds: "They are equal.",
        about: About::Server,
        tags: &["header"],
        subject: Subject::Lookup(rd_copied),
    },
    Rule {
        id: "DNS-QUESTION-ECHO",
        title: "A response without an error repeats its question",
        level: Level::Must,
        authority: "RFC 5452 section 9.1: a resolver takes no response to another question",
        looks_at: "The question section of each response over UDP or TCP that has no error.",
        holds: "It has the question of the query, and no other.",
        about: About::Server,
        tags: &["question"],
        subject: Subject::Lookup(question_echo),
    },
    Rule {
        id: "DNS-CASE",
        title: "A response repeats the letters of its question",
        level: Level::Should,
        authority: "RFC 4343 section 4.1",
        looks_at: "The name in the question section of each response over UDP or TCP to a query that was seen.",
        holds: "Its letters have the query's case.",
        about: About::Server,
        tags: &["question"],
        subject: Subject::Lookup(case),
    },
    Rule {
        id: "DNS-SERVER",
        title: "The server that was asked answers",
        level: Level::Should,
        authority: "RFC 2181 section 4.1; RFC 5452 section 9.1",
        looks_at: "The address of each response over UDP or TCP to a query that was seen.",
        holds: "The query was sent there.",
        about: About::Server,
        tags: &["response"],
        subject: Subject::Lookup(server),
    },
    Rule {
        id: "DNS-UDP-SIZE",
        title: "A response without EDNS has 512 bytes over UDP",
        level: Level::Must,
        authority: "RFC 1035 section 4.2.1; RFC 6891 section 6.2.3",
        looks_at: "The length of each response over UDP that has no OPT record.",
        holds: "It is 512 at most.",
        about: About::Server,
        tags: &["response", "edns"],
        subject: Subject::Lookup(udp_size),
    },
    Rule {
        id: "DNS-EXCESS",
        title: "A response ends with its last record",
        level: Level::Should,
        authority: "RFC 1035 section 4.1",
        looks_at: "The bytes behind the last record of each response that could be read.",
        holds: "There are none.",
        about: About::Server,
        tags: &["response"],
        subject: Subject::Lookup(excess),
    },
    Rule {
        id: "DNS-RECORD-CLASS",
        title: "An answer's records are of the class that was asked for",
        level: Level::Must,
        authority: "RFC 1034 section 3.7.1: a query asks for records of its class",
        looks_at: "The classes of the answer section of each response to a question of class IN.",
        holds: "They are IN.",
        about: About::Server,
        tags: &["record"],
        subject: Subject::Lookup(record_class),
    },
    Rule {
        id: "DNS-RECORD-DATA",
        title: "A record's data is what its type says",
        level: Level::Must,
        authority: "RFC 1035 sections 3.3 and 3.4; RFC 2782; RFC 3596",
        looks_at: "The records of each response.",
        holds: "The data of each can be read by its type.",
        about: About::Server,
        tags: &["record"],
        subject: Subject::Lookup(record_data),
    },
    Rule {
        id: "DNS-RECORD-TWICE",
        title: "No record stands in an answer twice",
        level: Level::Should,
        authority: "RFC 2181 section 5",
        looks_at: "The answer section of each response.",
        holds: "No two records have the same name, class, type and data.",
        about: About::Server,
        tags: &["record"],
        subject: Subject::Lookup(record_twice),
    },
    Rule {
        id: "DNS-RRSET-TTL",
        title: "Records of one name and type have one TTL",
        level: Level::Must,
        authority: "RFC 2181 section 5.2",
        looks_at: "The TTLs of the answer section of each response.",
        holds: "Records with the same name and type have the same.",
        about: About::Server,
        tags: &["record"],
        subject: Subject::Lookup(rrset_ttl),
    },
    Rule {
        id: "DNS-ALIAS-ALONE",
        title: "An alias has no other records",
        level: Level::Must,
        authority: "RFC 1034 section 3.6.2; RFC 2181 section 10.1",
        looks_at: "The names of the CNAME records in the answer section of each response.",
        holds: "None has two CNAME records, or an address or a service beside one.",
        about: About::Server,
        tags: &["record", "alias"],
        subject: Subject::Lookup(alias_alone),
    },
    Rule {
        id: "DNS-ALIAS-END",
        title: "A chain of aliases has an end",
        level: Level::Should,
        authority: "RFC 1034 section 3.6.2",
        looks_at: "The CNAME records in the answer section of each response.",
        holds: "They lead from the name of the question to a name that is no alias of one in front of it.",
        about: About::Server,
        tags: &["record", "alias"],
        subject: Subject::Lookup(alias_end),
    },
    Rule {
        id: "DNS-NXDOMAIN-ANSWER",
        title: "A name that does not exist has no records",
        level: Level::Must,
        authority: "RFC 2308 section 2.1",
        looks_at: "The answer section of each response that says NXDOMAIN.",
        holds: "It has aliases only.",
        about: About::Server,
        tags: &["response"],
        subject: Subject::Lookup(nxdomain_answer),
    },
    Rule {
        id: "DNS-NEGATIVE-SOA",
        title: "A server says for how long something does not exist",
        level: Level::Must,
        authority: "RFC 2308 section 3",
        looks_at: "The authority section of each authoritative response that says NXDOMAIN or has no data, nor an alias.",
        holds: "The zone's SOA is in it.",
        about: About::Server,
        tags: &["response"],
        subject: Subject::Lookup(negative_soa),
    },
    Rule {
        id: "DNS-SRV-PORT-ZERO",
        title: "A KMS host has a port",
        level: Level::Should,
        authority: "RFC 6335 section 6 (port 0 is reserved), though RFC 2782 has 0 within the range",
        looks_at: "The port of each SRV record of _vlmcs._tcp in an answer.",
        holds: "It is not 0.",
        about: About::Server,
        tags: &["srv"],
        subject: Subject::Lookup(srv_port_zero),
    },
    Rule {
        id: "DNS-SRV-PORT",
        title: "A KMS host listens at port 1688",
        level: Level::Observed,
        authority: "Observed: the port that Windows publishes unless it is told another one",
        looks_at: "The port of each SRV record of _vlmcs._tcp in an answer.",
        holds: "It is 1688.",
        about: About::Server,
        tags: &["srv"],
        subject: Subject::Lookup(srv_port),
    },
    Rule {
        id: "DNS-SRV-ORDER",
        title: "A KMS host has priority 0 and weight 0",
        level: Level::Observed,
        authority: "Observed: what Windows publishes unless it is told otherwise",
        looks_at: "Priority and weight of each SRV record of _vlmcs._tcp in an answer.",
        holds: "They are 0.",
        about: About::Server,
        tags: &["srv"],
        subject: Subject::Lookup(srv_order),
    },
    Rule {
        id: "DNS-SRV-NONE",
        title: "A domain with a KMS service has a host",
        level: Level::Should,
        authority: "RFC 2782: the target \".\" says that there is no such service",
        looks_at: "The target of each SRV record of _vlmcs._tcp in an answer.",
        holds: "It is not the root.",
        about: About::Server,
        tags: &["srv"],
        subject: Subject::Lookup(srv_none),
    },
    Rule {
        id: "DNS-SRV-ALONE",
        title: "The target \".\" stands alone",
        level: Level::Should,
        authority: "RFC 2782: the target \".\" says that there is no such service",
        looks_at: "The SRV records of _vlmcs._tcp in each answer of more than one, where the target of one is the root.",
        holds: "There are no others.",
        about: About::Server,
        tags: &["srv"],
        subject: Subject::Lookup(srv_alone),
    },
    Rule {
        id: "DNS-SRV-ALIAS",
        title: "The target of an SRV record is no alias",
        level: Level::Must,
        authority: "RFC 2782",
        looks_at: "The targets of the SRV records of each answer, and the CNAME records in the same response.",
        holds: "No CNAME record has the name of a target.",
        about: About::Server,
        tags: &["srv", "alias"],
        subject: Subject::Lookup(srv_alias),
    },
    Rule {
        id: "DNS-SRV-ADDRESS",
        title: "The address of a target comes with it",
        level: Level::May,
        authority: "RFC 2782",
        looks_at: "The additional section of each answer with SRV records of _vlmcs._tcp whose target is not the root.",
        holds: "It has an address of each target.",
        about: About::Server,
        tags: &["srv"],
        subject: Subject::Lookup(srv_address),
    },
    Rule {
        id: "DNS-SRV-TTL",
        title: "An SRV record may be kept for a while",
        level: Level::May,
        authority: "RFC 1035 section 3.2.1: with a TTL of 0, a record is not kept",
        looks_at: "The TTL of each SRV record of _vlmcs._tcp in an answer.",
        holds: "It is not 0.",
        about: About::Server,
        tags: &["srv"],
        subject: Subject::Lookup(srv_ttl),
    },
    Rule {
        id: "DNS-UPDATE-ZONE",
        title: "An update names its zone by SOA",
        level: Level::Must,
        authority: "RFC 2136 section 2.3",
        looks_at: "The zone section of each update.",
        holds: "Its type is SOA.",
        about: About::Client,
        tags: &["update"],
        subject: Subject::Lookup(update_zone),
    },
    Rule {
        id: "DNS-UPDATE-WITHIN",
        title: "An update is about names in its zone",
        level: Level::Must,
        authority: "RFC 2136 section 3.4.1",
        looks_at: "The names of the records of each update.",
        holds: "They are within its zone.",
        about: About::Client,
        tags: &["update"],
        subject: Subject::Lookup(update_within),
    },
    Rule {
        id: "DNS-UPDATE-CLASS",
        title: "An update adds records of its zone's class",
        level: Level::Must,
        authority: "RFC 2136 section 2.5",
        looks_at: "The classes of the records of each update.",
        holds: "They are the zone's, ANY or NONE.",
        about: About::Client,
        tags: &["update"],
        subject: Subject::Lookup(update_class),
    },
    Rule {
        id: "DNS-UPDATE-DELETE",
        title: "What an update deletes has no TTL",
        level: Level::Must,
        authority: "RFC 2136 sections 2.5.2 to 2.5.4",
        looks_at: "The TTLs of the records of class ANY and NONE of each update.",
        holds: "They are 0.",
        about: About::Client,
        tags: &["update"],
        subject: Subject::Lookup(update_delete),
    },
    Rule {
        id: "DNS-UPDATE-PORT",
        title: "A KMS host publishes port 1688",
        level: Level::Observed,
        authority: "Observed: Windows, unless it is told another port",
        looks_at: "The SRV records of _vlmcs._tcp that each update adds.",
        holds: "Their port is 1688.",
        about: About::Client,
        tags: &["update", "srv"],
        subject: Subject::Lookup(update_port),
    },
    Rule {
        id: "DNS-UPDATE-DONE",
        title: "A KMS host may publish itself",
        level: Level::May,
        authority: "Microsoft: event 12293 of a KMS host; HRESULT 0x80072338",
        looks_at: "The response to each update of _vlmcs._tcp.",
        holds: "It says that the update was made.",
        about: About::Server,
        tags: &["update"],
        subject: Subject::Lookup(update_done),
    },
    Rule {
        id: "MDNS-ID",
        title: "A multicast response has ID 0",
        level: Level::Must,
        authority: "RFC 6762 section 18.1",
        looks_at: "The ID of each response that went to the group of multicast DNS.",
        holds: "It is 0.",
        about: About::Server,
        tags: &["mdns"],
        subject: Subject::Lookup(mdns_id),
    },
    Rule {
        id: "MDNS-AUTHORITATIVE",
        title: "A multicast response is authoritative",
        level: Level::Must,
        authority: "RFC 6762 section 18.4",
        looks_at: "AA in each response of multicast DNS.",
        holds: "It is set.",
        about: About::Server,
        tags: &["mdns"],
        subject: Subject::Lookup(mdns_authoritative),
    },
    Rule {
        id: "MDNS-RCODE",
        title: "A multicast response has no response code",
        level: Level::Must,
        authority: "RFC 6762 section 18.11",
        looks_at: "The response code of each response of multicast DNS that went to the group.",
        holds: "It is 0.",
        about: About::Server,
        tags: &["mdns"],
        subject: Subject::Lookup(mdns_rcode),
    },
    Rule {
        id: "MDNS-QUESTION",
        title: "A multicast response has no question",
        level: Level::Must,
        authority: "RFC 6762 section 6",
        looks_at: "The question section of each response that went to the group of multicast DNS.",
        holds: "It is empty.",
        about: About::Server,
        tags: &["mdns"],
        subject: Subject::Lookup(mdns_question),
    },
    Rule {
        id: "DNS-SEARCH-TCP",
        title: "A truncated answer is asked for again over TCP",
        level: Level::Should,
        authority: "RFC 2181 section 9; RFC 7766 section 5",
        looks_at: "Each domain of a search whose answer over UDP was truncated, and behind which the client asked for another.",
        holds: "The question came again over TCP.",
        about: About::Client,
        tags: &["search", "truncation"],
        subject: Subject::Search(search_tcp),
    },
    Rule {
        id: "DNS-SEARCH-BARE",
        title: "A domain stands behind _vlmcs._tcp",
        level: Level::Observed,
        authority: "Observed: Windows appends the suffixes that it has",
        looks_at: "Each name that a client searches for.",
        holds: "It is not _vlmcs._tcp alone.",
        about: About::Client,
        tags: &["search"],
        subject: Subject::Search(search_bare),
    },
    Rule {
        id: "DNS-SEARCH-FOUND",
        title: "A search comes to a KMS host",
        level: Level::Should,
        authority: "Microsoft: HRESULTs 0x8007232B, 0x8007251D and 0x8007232A at clients that find none",
        looks_at: "The answers to each search of which every question was answered.",
        holds: "One of them has an SRV record.",
        about: About::Server,
        tags: &["search"],
        subject: Subject::Search(search_found),
    },
];

type Answer = crate::discovery::Answer<Endpoint, Stamp>;

/// True over UDP and TCP, false for what goes to a group.
fn is_plain(lookup: &Lookup) -> bool {
    matches!(lookup.transport, Transport::Udp | Transport::Tcp)
}

/// The queries of a lookup, where any was seen.
fn queries(lookup: &Lookup) -> Option<&Queries<Endpoint, Stamp>> {
    lookup.queries.as_ref().filter(|_| lookup.origin == Origin::Query)
}

/// The question of a lookup that is no update.
fn question(lookup: &Lookup) -> Option<&Question> {
    lookup.question.as_ref().filter(|_| lookup.opcode == Opcode::QUERY)
}

/// A response to queries that were seen, over UDP or TCP.
fn answer(lookup: &Lookup) -> Option<&Answer> {
    lookup.answer.as_ref().filter(|_| is_plain(lookup) && queries(lookup).is_some())
}

/// The SRV records of KMS hosts that a lookup was answered with: priority, weight, port, and the record.
fn services(lookup: &Lookup) -> impl Iterator<Item = ([u16; 3], &Record)> {
    lookup.answers().iter().filter_map(|record| match record.data {
        RecordData::Srv { priority, weight, port, .. } if kms_service_domain(&record.name).is_some() => {
            Some(([priority, weight, port], record))
        }
        _ => None,
    })
}

/// The targets of these.
fn targets(lookup: &Lookup) -> impl Iterator<Item = &crate::discovery::Name> {
    services(lookup).filter_map(|(_, record)| match &record.data {
        RecordData::Srv { target, .. } => Some(target),
        _ => None,
    })
}

fn class(lookup: &Lookup) -> Judgement {
    let class = queries(lookup).and_then(|_| question(lookup)).map(|question| question.class);
    of(class, |class| *class == Class::IN, |class| format!("class {class}, not IN"))
}

fn service_type(lookup: &Lookup) -> Judgement {
    let question = queries(lookup).and_then(|_| question(lookup));
    // In multicast DNS, services are browsed by PTR records first (RFC 6763).
    let is_service = |question: &&Question| kms_service_domain(&question.name).is_some();
    let service = question.filter(is_service).filter(|_| is_plain(lookup));
    of(
        service,
        |question| question.rtype == RecordType::SRV,
        |question| format!("{} asked for {}, not SRV", question.name, question.rtype),
    )
}

fn query_z(lookup: &Lookup) -> Judgement {
    let flags = queries(lookup).map(|queries| queries.flags);
    of(flags, |flags| flags.0 & Z == 0, |flags| format!("flags {:#06x}, with {Z:#06x} not 0", flags.0))
}

/// The bit of the header that nobody uses.
const Z: u16 = 0x0040;

fn recursion(lookup: &Lookup) -> Judgement {
    let flags = question(lookup).and_then(|_| queries(lookup)).map(|queries| queries.flags);
    of(flags.filter(|_| is_plain(lookup)), |flags| flags.rd(), |_| "RD is not set".to_owned())
}

fn answer_z(lookup: &Lookup) -> Judgement {
    let flags = lookup.answer.as_ref().map(|answer| answer.message.flags);
    of(flags, |flags| flags.0 & Z == 0, |flags| format!("flags {:#06x}, with {Z:#06x} not 0", flags.0))
}

fn rd_copied(lookup: &Lookup) -> Judgement {
    let flags = answer(lookup).zip(queries(lookup)).filter(|_| lookup.opcode == Opcode::QUERY);
    let flags = flags.map(|(answer, queries)| (answer.message.flags.rd(), queries.flags.rd()));
    of(
        flags,
        |(answered, asked)| answered == asked,
        |(answered, asked)| format!("RD is {}, and {} in the query", u8::from(answered), u8::from(asked)),
    )
}

fn question_echo(lookup: &Lookup) -> Judgement {
    let Some((answer, asked)) = answer(lookup).zip(question(lookup)) else { return NotApplicable };
    if answer.message.error.is_some() || answer.message.rcode() != Rcode::NOERROR {
        return NotApplicable;
    }
    let questions = &answer.message.questions;
    Judgement::of(matches!(&questions[..], [only] if only == asked), || match &questions[..] {
        [] => format!("no question, asked for {}", asked.name),
        [first, ..] => {
            format!("{} questions, the first is {}, asked for {}", questions.len(), first.name, asked.name)
        }
    })
}

fn case(lookup: &Lookup) -> Judgement {
    let names = answer(lookup).zip(question(lookup)).and_then(|(answer, asked)| {
        let same = answer.message.questions.iter().find(|question| question.name == asked.name)?;
        Some((same.name.as_str(), asked.name.as_str()))
    });
    of(
        names,
        |(answered, asked)| answered == asked,
        |(answered, asked)| format!("{answered}, asked for {asked}"),
    )
}

fn server(lookup: &Lookup) -> Judgement {
    let answer = answer(lookup);
    of(
        answer,
        |_| !lookup.is_answered_by_another(),
        |answer| {
            let asked = queries(lookup).and_then(|queries| queries.servers.first());
            let asked = asked.map_or_else(String::new, ToString::to_string);
            format!("{} answers, {asked} was asked", answer.server)
        },
    )
}

fn udp_size(lookup: &Lookup) -> Judgement {
    let length =
        lookup.answer.as_ref().map(|answer| &answer.message).filter(|message| message.edns.is_none());
    let length = length.filter(|_| lookup.transport == Transport::Udp).map(|message| message.length);
    of(length, |length| *length <= 512, |length| format!("{length} bytes, not 512 at most"))
}

fn excess(lookup: &Lookup) -> Judgement {
    let message = lookup.answer.as_ref().map(|answer| &answer.message);
    let excess = message.filter(|message| message.error.is_none()).map(|message| message.excess);
    of(excess, |excess| *excess == 0, |excess| format!("{excess} bytes behind the last record"))
}

fn record_class(lookup: &Lookup) -> Judgement {
    let is_internet = question(lookup).is_some_and(|question| question.class == Class::IN);
    each(lookup.answers().iter().filter(|_| is_internet), |record| {
        (record.class != Class::IN).then(|| format!("{} is of class {}, not IN", record.name, record.class))
    })
}

fn record_data(lookup: &Lookup) -> Judgement {
    let records = lookup.answer.iter().flat_map(|answer| answer.message.records());
    each(records, |(section, record)| {
        let error = record.error.as_ref()?;
        Some(format!("{} {} in the {} section: {error}", record.name, record.rtype, section.name()))
    })
}

/// Pairs of records of the answer section, each record with those in front of it. A server sends few records; a hostile
/// one has no more than [`MOST_COMPARED`] compared.
fn pairs(lookup: &Lookup) -> impl Iterator<Item = (&Record, &Record)> {
    let records = &lookup.answers()[..lookup.answers().len().min(MOST_COMPARED)];
    records
        .iter()
        .enumerate()
        .flat_map(|(place, record)| records[..place].iter().map(move |earlier| (earlier, record)))
}

/// Records of an answer that are held against each other.
const MOST_COMPARED: usize = 128;

fn record_twice(lookup: &Lookup) -> Judgement {
    if lookup.answers().is_empty() {
        return NotApplicable;
    }
    let is_same = |one: &Record, other: &Record| {
        (one.rtype, one.class, &one.name, &one.data) == (other.rtype, other.class, &other.name, &other.data)
    };
    match pairs(lookup).find(|(one, other)| is_same(one, other)) {
        Some((record, _)) => Judgement::broken(format!("{} {} is there twice", record.name, record.rtype)),
        None => Judgement::Holds,
    }
}

fn rrset_ttl(lookup: &Lookup) -> Judgement {
    let sets = pairs(lookup).filter(|(one, other)| {
        // RRSIG records of one name have the TTL of what they sign.
        (one.rtype, &one.name) == (other.rtype, &other.name) && one.rtype != RRSIG
    });
    each(sets, |(one, other)| {
        (one.ttl != other.ttl).then(|| format!("{} {}: {} and {}", one.name, one.rtype, one.ttl, other.ttl))
    })
}

/// RRSIG (RFC 4034).
const RRSIG: RecordType = RecordType(46);

fn alias_alone(lookup: &Lookup) -> Judgement {
    if !lookup.answers().iter().any(|record| record.rtype == RecordType::CNAME) {
        return NotApplicable;
    }
    let is_other = |rtype: RecordType| {
        matches!(rtype, RecordType::CNAME | RecordType::A | RecordType::AAAA | RecordType::SRV)
    };
    let beside = pairs(lookup).find(|(one, other)| {
        one.name == other.name
            && (one.rtype == RecordType::CNAME || other.rtype == RecordType::CNAME)
            && is_other(one.rtype)
            && is_other(other.rtype)
            && one.data != other.data
    });
    match beside {
        Some((one, other)) => {
            Judgement::broken(format!("{} has {} and {}", one.name, one.rtype, other.rtype))
        }
        None => Judgement::Holds,
    }
}

fn alias_end(lookup: &Lookup) -> Judgement {
    if !lookup.answers().iter().any(|record| record.rtype == RecordType::CNAME) {
        return NotApplicable;
    }
    let names = lookup.aliases();
    let Some(last) = names.last() else { return NotApplicable };
    let back = lookup.answers().iter().find_map(|record| match &record.data {
        RecordData::Cname(target) if record.name == **last && names.contains(&target) => Some(target),
        _ => None,
    });
    match back {
        Some(target) => {
            Judgement::broken(format!("{last} is an alias of {target}, from which it was come to"))
        }
        None => Judgement::Holds,
    }
}

fn nxdomain_answer(lookup: &Lookup) -> Judgement {
    if lookup.outcome != Outcome::NameError || lookup.opcode != Opcode::QUERY {
        return NotApplicable;
    }
    let is_alias = |rtype: RecordType| matches!(rtype, RecordType::CNAME | DNAME | RRSIG);
    let record = lookup.answers().iter().find(|record| !is_alias(record.rtype));
    match record {
        Some(record) => Judgement::broken(format!("NXDOMAIN, with {} {}", record.name, record.rtype)),
        None => Judgement::Holds,
    }
}

/// DNAME (RFC 6672).
const DNAME: RecordType = RecordType(39);

fn negative_soa(lookup: &Lookup) -> Judgement {
    let is_negative = matches!(lookup.outcome, Outcome::NameError | Outcome::NoData);
    let message = lookup.answer.as_ref().map(|answer| &answer.message);
    let message = message.filter(|message| {
        is_negative
            && is_plain(lookup)
            && message.answers.is_empty()
            && message.flags.aa()
            && message.error.is_none()
            && !message.flags.tc()
    });
    of(
        message.filter(|_| lookup.opcode == Opcode::QUERY),
        |message| message.authorities.iter().any(|record| record.rtype == RecordType::SOA),
        |_| format!("{}, and no SOA", lookup.outcome.name()),
    )
}

fn srv_port_zero(lookup: &Lookup) -> Judgement {
    each(services(lookup), |([.., port], record)| {
        (port == 0).then(|| format!("{}: port 0, where nobody listens", record.name))
    })
}

fn srv_port(lookup: &Lookup) -> Judgement {
    // Port 0 is another rule's.
    each(services(lookup).filter(|([.., port], _)| *port != 0), |([.., port], record)| {
        (port != KMS_PORT).then(|| format!("{}: port {port}, not {KMS_PORT}", record.name))
    })
}

/// The port of a KMS host.
const KMS_PORT: u16 = 1688;

fn srv_order(lookup: &Lookup) -> Judgement {
    each(services(lookup), |([priority, weight, _], record)| {
        ((priority, weight) != (0, 0))
            .then(|| format!("{}: priority {priority}, weight {weight}, not 0 and 0", record.name))
    })
}

fn srv_none(lookup: &Lookup) -> Judgement {
    // Among others the root is another rule's.
    if targets(lookup).nth(1).is_some() {
        return NotApplicable;
    }
    each(targets(lookup), |target| target.is_root().then(|| "the target is the root, not a host".to_owned()))
}

fn srv_alone(lookup: &Lookup) -> Judgement {
    let count = targets(lookup).count();
    if count < 2 {
        return NotApplicable;
    }
    let has_root = targets(lookup).any(crate::discovery::Name::is_root);
    Judgement::of(!has_root, || format!("{count} targets, and one of them is the root"))
}

fn srv_alias(lookup: &Lookup) -> Judgement {
    let Some(answer) = &lookup.answer else { return NotApplicable };
    each(targets(lookup).take(MOST_COMPARED), |target| {
        let mut records = answer.message.records().map(|(_, record)| record);
        let alias = records.find(|record| record.rtype == RecordType::CNAME && record.name == *target);
        alias.map(|_| format!("{target} is an alias"))
    })
}

fn srv_address(lookup: &Lookup) -> Judgement {
    let Some(answer) = &lookup.answer else { return NotApplicable };
    let named = targets(lookup).filter(|target| !target.is_root());
    each(named.take(MOST_COMPARED), |target| {
        let mut records = answer.message.records().map(|(_, record)| record);
        let has_address = records.any(|record| record.data.address().is_some() && record.name == *target);
        (!has_address).then(|| format!("there is no address of {target}"))
    })
}

fn srv_ttl(lookup: &Lookup) -> Judgement {
    each(services(lookup), |(_, record)| {
        (record.ttl == 0).then(|| format!("{}: TTL 0, not more", record.name))
    })
}

/// An update whose queries were seen.
fn update(lookup: &Lookup) -> Option<(&Question, &Queries<Endpoint, Stamp>)> {
    let zone = lookup.question.as_ref().filter(|_| lookup.opcode == Opcode::UPDATE)?;
    Some((zone, queries(lookup)?))
}

/// The records of an update, with its zone.
fn updates(lookup: &Lookup) -> impl Iterator<Item = (&Question, &Record)> {
    let update = update(lookup).into_iter();
    update.flat_map(|(zone, queries)| queries.updates.iter().map(move |record| (zone, record)))
}

fn update_zone(lookup: &Lookup) -> Judgement {
    let zone = update(lookup).map(|(zone, _)| zone);
    of(zone, |zone| zone.rtype == RecordType::SOA, |zone| format!("{} {}, not SOA", zone.name, zone.rtype))
}

fn update_within(lookup: &Lookup) -> Judgement {
    each(updates(lookup), |(zone, record)| {
        (!record.name.is_within(&zone.name)).then(|| format!("{} is not within {}", record.name, zone.name))
    })
}

fn update_class(lookup: &Lookup) -> Judgement {
    each(updates(lookup), |(zone, record)| {
        let is_right = [zone.class, Class::ANY, Class::NONE].contains(&record.class);
        (!is_right)
            .then(|| format!("{} is of class {}, not {}, ANY or NONE", record.name, record.class, zone.class))
    })
}

fn update_delete(lookup: &Lookup) -> Judgement {
    let deleted = updates(lookup).filter(|(_, record)| [Class::ANY, Class::NONE].contains(&record.class));
    each(deleted, |(_, record)| {
        (record.ttl != 0).then(|| format!("{} {}: TTL {}, not 0", record.name, record.rtype, record.ttl))
    })
}

fn update_port(lookup: &Lookup) -> Judgement {
    let added = updates(lookup).filter_map(|(_, record)| match record.data {
        RecordData::Srv { port, .. }
            if record.class == Class::IN && kms_service_domain(&record.name).is_some() =>
        {
            Some((record, port))
        }
        _ => None,
    });
    each(added, |(record, port)| {
        (port != KMS_PORT).then(|| format!("{}: port {port}, not {KMS_PORT}", record.name))
    })
}

fn update_done(lookup: &Lookup) -> Judgement {
    let is_kms = updates(lookup).any(|(_, record)| kms_service_domain(&record.name).is_some());
    let answer = answer(lookup).filter(|_| is_kms);
    of(
        answer,
        |_| lookup.outcome == Outcome::Updated,
        |answer| format!("the server says {}, not that it was made", answer.message.rcode()),
    )
}

/// A response of multicast DNS that went to the group, not to one who asked by another port.
fn multicast(lookup: &Lookup) -> Option<&Answer> {
    let is_to_group = match lookup.origin {
        Origin::Query => {
            lookup.client.port == crate::discovery::MDNS_PORT
                && lookup.question.as_ref().is_none_or(|question| !question.unicast_response)
        }
        _ => lookup.client.address.is_multicast(),
    };
    lookup.answer.as_ref().filter(|_| lookup.transport == Transport::Mdns && is_to_group)
}

fn mdns_id(lookup: &Lookup) -> Judgement {
    let id = multicast(lookup).map(|answer| answer.message.id);
    of(id, |id| *id == 0, |id| format!("ID {id}, not 0"))
}

fn mdns_authoritative(lookup: &Lookup) -> Judgement {
    let answer = lookup.answer.as_ref().filter(|_| lookup.transport == Transport::Mdns);
    of(answer, |answer| answer.message.flags.aa(), |_| "AA is not set".to_owned())
}

fn mdns_rcode(lookup: &Lookup) -> Judgement {
    let rcode = multicast(lookup).map(|answer| answer.message.rcode());
    of(rcode, |rcode| *rcode == Rcode::NOERROR, |rcode| format!("{rcode}, not 0"))
}

fn mdns_question(lookup: &Lookup) -> Judgement {
    let questions = multicast(lookup).map(|answer| answer.message.questions.len());
    of(questions, |questions| *questions == 0, |questions| format!("{questions} questions, not none"))
}

fn search_tcp(search: &Search) -> Judgement {
    // The last one may have been asked for again behind the end of the capture.
    let followed = search.attempts.iter().rev().skip(1).rev();
    let truncated = followed.filter(|attempt| {
        attempt.is_over_tcp || (attempt.outcome == Outcome::Truncated && attempt.transport == Transport::Udp)
    });
    each(truncated, |attempt| {
        (!attempt.is_over_tcp).then(|| format!("{} was truncated, and the client went on", attempt.domain))
    })
}

fn search_bare(search: &Search) -> Judgement {
    each(search.attempts.iter(), |attempt| {
        attempt.domain.is_root().then(|| "_vlmcs._tcp was asked for without a domain".to_owned())
    })
}

fn search_found(search: &Search) -> Judgement {
    let is_open = |outcome: Outcome| {
        matches!(outcome, Outcome::Unanswered | Outcome::Truncated | Outcome::Unreadable | Outcome::Referral)
    };
    if search.attempts.iter().any(|attempt| is_open(attempt.outcome)) {
        return NotApplicable;
    }
    let is_found = search.attempts.iter().any(|attempt| !attempt.services.is_empty());
    Judgement::of(is_found, || {
        let told = search.attempts.last().map_or("-", |attempt| attempt.outcome.name());
        format!("{} domains were asked for, at last: {told}", search.attempts.len())
    })
}
