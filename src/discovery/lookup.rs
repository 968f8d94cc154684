use std::sync::Arc;

use super::{Flags, Message, Name, Opcode, Question, Rcode, Record, RecordData, RecordType};

/// A question with all the queries that asked it, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup<E, S> {
    /// Lookups in the order in which they began, from 0.
    pub number: u64,
    /// Who asked. Where no query was seen, whom the response went to: in multicast DNS, mostly the group.
    pub client: E,
    /// How.
    pub transport: Transport,
    /// QUERY or UPDATE.
    pub opcode: Opcode,
    /// ID.
    pub id: u16,
    /// The question; of an update, the zone. A response that no query was seen of may have none.
    pub question: Option<Question>,
    /// Whether queries belong to it, and why not.
    pub origin: Origin,
    /// The queries; none where the origin is not [`Origin::Query`].
    pub queries: Option<Queries<E, S>>,
    /// True over TCP where the same client had been given a truncated answer to the same question over UDP just before.
    pub after_truncation: bool,
    /// The answer, whatever it says.
    pub answer: Option<Answer<E, S>>,
    /// What became of it.
    pub outcome: Outcome,
    /// True where too many lookups were open, and this one was the oldest: an answer would not have been noticed.
    pub given_up: bool,
}

/// How messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// Multicast DNS (RFC 6762).
    Mdns,
    /// Link-Local Multicast Name Resolution, UDP or TCP (RFC 4795).
    Llmnr,
}

/// Where a [`Lookup`] comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// A query.
    Query,
    /// A response to a lookup that has been answered already, by this server or another one.
    Repeated,
    /// A response to a lookup that has been handed out as unanswered.
    Late,
    /// A response that no query was seen of.
    Unseen,
}

/// The queries of a lookup: the first one, and all with the same client, ID and question behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queries<E, S> {
    /// How many.
    pub count: u32,
    /// Stamp of the first one.
    pub first: S,
    /// Its time.
    pub first_time: Option<i64>,
    /// Stamp of the last one.
    pub last: S,
    /// Its time.
    pub last_time: Option<i64>,
    /// Who was asked, in order, each once; up to [`MAX_SERVERS`].
    pub servers: Vec<E>,
    /// The first one's flags.
    pub flags: Flags,
    /// In multicast DNS, records with the question's name and type that the client knows already: who has no others does
    /// not answer (RFC 6762 7.1).
    pub known_answers: u32,
    /// In multicast DNS, true where the client asks whether a name is free that it wants (RFC 6762 8.1). Silence is what
    /// it hopes for.
    pub is_probe: bool,
    /// Of an update, the records to add and to delete (RFC 2136 2.5); up to [`MAX_UPDATES`] that are addresses,
    /// services or names, or have no data.
    pub updates: Vec<Record>,
    /// Servers and updates beyond the bounds.
    pub left_out: u32,
}

/// The response that ended a lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<E, S> {
    /// Who sent it.
    pub server: E,
    /// Its stamp.
    pub stamp: S,
    /// Its time.
    pub time: Option<i64>,
    /// The response.
    pub message: Arc<Message>,
}

/// What became of a [`Lookup`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// There are records of the type, for the name or for what it is an alias of.
    Answered,
    /// The name exists, and has no records of the type (RFC 2308 2.2).
    NoData,
    /// The name does not exist: NXDOMAIN.
    NameError,
    /// SERVFAIL.
    ServerFailure,
    /// REFUSED.
    Refused,
    /// The answer is too long for UDP, and has to be asked for over TCP.
    Truncated,
    /// No answer, but the names of servers that may know one.
    Referral,
    /// The update was made.
    Updated,
    /// Another response code.
    OtherError(Rcode),
    /// There was no response.
    Unanswered,
    /// The response is damaged, and what can be read of it is no answer.
    Unreadable,
    /// Multicast DNS that nobody asked for.
    Announced,
}

/// The most servers of a lookup that are kept.
pub const MAX_SERVERS: usize = 16;

/// The most records of an update that are kept.
pub const MAX_UPDATES: usize = 16;

impl Transport {
    /// `udp`, `tcp`, `mdns` or `llmnr`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Mdns => "mdns",
            Self::Llmnr => "llmnr",
        }
    }
}

impl Origin {
    /// `query`, `repeated`, `late` or `unseen`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Repeated => "repeated",
            Self::Late => "late",
            Self::Unseen => "unseen",
        }
    }
}

impl Outcome {
    /// `answered`, `no-data`, `name-error`, and so on.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NoData => "no-data",
            Self::NameError => "name-error",
            Self::ServerFailure => "server-failure",
            Self::Refused => "refused",
            Self::Truncated => "truncated",
            Self::Referral => "referral",
            Self::Updated => "updated",
            Self::OtherError(_) => "other-error",
            Self::Unanswered => "unanswered",
            Self::Unreadable => "unreadable",
            Self::Announced => "announced",
        }
    }

    /// The HRESULT with which Windows reports it, where it is one of DNS's (`DNS_ERROR_RCODE_...`, `DNS_INFO_NO_RECORDS`).
    #[must_use]
    pub fn hresult(self) -> Option<u32> {
        match self {
            Self::NoData => Some(NO_RECORDS),
            Self::NameError => Some(RCODE_BASE + 3),
            Self::ServerFailure => Some(RCODE_BASE + 2),
            Self::Refused => Some(RCODE_BASE + 5),
            Self::OtherError(Rcode(code @ 1..=10)) => Some(RCODE_BASE + u32::from(code)),
            _ => None,
        }
    }

    /// What a response makes of a question.
    pub(super) fn of(question: Option<&Question>, transport: Transport, message: &Message) -> Self {
        match message.rcode() {
            Rcode::NOERROR => {}
            Rcode::NXDOMAIN => return Self::NameError,
            Rcode::SERVFAIL => return Self::ServerFailure,
            Rcode::REFUSED => return Self::Refused,
            other => return Self::OtherError(other),
        }
        // Multicast DNS has no truncated responses (RFC 6762 18.5).
        if message.flags.tc() && transport != Transport::Mdns {
            return Self::Truncated;
        }
        if message.opcode() == Opcode::UPDATE {
            return Self::Updated;
        }
        let is_answer = match question {
            Some(question) => has_answer(question, &message.answers),
            None => !message.answers.is_empty(),
        };
        let has = |rtype| message.authorities.iter().any(|record| record.rtype == rtype);
        if is_answer {
            Self::Answered
        } else if message.error.is_some() {
            Self::Unreadable
        } else if message.answers.is_empty() && has(RecordType::NS) && !has(RecordType::SOA) {
            Self::Referral
        } else {
            Self::NoData
        }
    }
}

impl<E: Copy + Ord, S: Copy> Lookup<E, S> {
    /// The name that was asked for; where there is no question, that of the answer's first record.
    #[must_use]
    pub fn name(&self) -> Option<&Name> {
        self.question
            .as_ref()
            .map(|question| &question.name)
            .or_else(|| self.answers().first().map(|r| &r.name))
    }

    /// The records of the answer section.
    #[must_use]
    pub fn answers(&self) -> &[Record] {
        self.answer.as_ref().map_or(&[], |answer| &answer.message.answers)
    }

    /// The name that was asked for, and those that it is an alias of, one after the other.
    #[must_use]
    pub fn aliases(&self) -> Vec<&Name> {
        self.question.as_ref().map_or_else(Vec::new, |question| aliases(&question.name, self.answers()))
    }

    /// For how many seconds it may be kept that something does not exist: the SOA's MINIMUM, or its TTL where that is
    /// less (RFC 2308 section 5).
    #[must_use]
    pub fn negative_ttl(&self) -> Option<u32> {
        let message = &self.answer.as_ref()?.message;
        message.authorities.iter().find_map(|record| match record.data {
            RecordData::Soa { minimum, .. } => Some(minimum.min(record.ttl)),
            _ => None,
        })
    }

    /// Stamp of the first query, or of the answer where no query was seen.
    #[must_use]
    pub fn first(&self) -> Option<S> {
        let answered = || self.answer.as_ref().map(|answer| answer.stamp);
        self.queries.as_ref().map(|queries| queries.first).or_else(answered)
    }

    /// Time of the first query, or of the answer where no query was seen.
    #[must_use]
    pub fn first_time(&self) -> Option<i64> {
        match &self.queries {
            Some(queries) => queries.first_time,
            None => self.answer.as_ref()?.time,
        }
    }

    /// Time of the answer, or of the last query where there is none.
    #[must_use]
    pub fn last_time(&self) -> Option<i64> {
        match &self.answer {
            Some(answer) => answer.time,
            None => self.queries.as_ref()?.last_time,
        }
    }

    /// True where somebody answered that was not asked.
    #[must_use]
    pub fn is_answered_by_another(&self) -> bool {
        match (&self.queries, &self.answer) {
            (Some(queries), Some(answer)) => !queries.servers.contains(&answer.server),
            _ => false,
        }
    }
}

/// A name, and those that it is an alias of by the records, one after the other.
pub(super) fn aliases<'a>(name: &'a Name, records: &'a [Record]) -> Vec<&'a Name> {
    let mut names = vec![name];
    while let Some(&last) = names.last()
        && names.len() <= MAX_ALIASES
        && let Some(next) = records.iter().find_map(|record| match &record.data {
            RecordData::Cname(target) if record.name == *last => Some(target),
            _ => None,
        })
        && !names.contains(&next)
    {
        names.push(next);
    }
    names
}

fn has_answer(question: &Question, answers: &[Record]) -> bool {
    let is_asked = |record: &Record| record.rtype == question.rtype || question.rtype == RecordType::ANY;
    if answers.iter().any(|record| is_asked(record) && record.name == question.name) {
        return true;
    }
    let names = aliases(&question.name, answers);
    answers.iter().any(|record| is_asked(record) && names.contains(&&record.name))
}

/// The most aliases that a name is followed over.
const MAX_ALIASES: usize = 16;

/// HRESULT of the response code 0, if it were an error: `DNS_ERROR_RCODE_FORMAT_ERROR` is the next one.
const RCODE_BASE: u32 = 0x8007_2328;

/// HRESULT of `DNS_INFO_NO_RECORDS`.
const NO_RECORDS: u32 = 0x8007_251d;
