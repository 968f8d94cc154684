use domain::base::{self, ParsedName, ParsedRecord};

use crate::wire::Error;

use super::record::split_class;
use super::{Edns, Flags, Opcode, Question, Rcode, Record, RecordType, damage};

/// One DNS message (RFC 1035 section 4), as far as it can be read.
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 2 | ID |
/// | 2 | 2 | [`Flags`] |
/// | 4 | 2 | QDCOUNT |
/// | 6 | 2 | ANCOUNT |
/// | 8 | 2 | NSCOUNT |
/// | 10 | 2 | ARCOUNT |
/// | 12 | | the four sections |
///
/// An update (RFC 2136) has its zone, prerequisites and updates in the first three sections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// ID.
    pub id: u16,
    /// The flags.
    pub flags: Flags,
    /// How many entries each section has, by the header.
    pub counts: [u16; 4],
    /// The question section.
    pub questions: Vec<Question>,
    /// The answer section.
    pub answers: Vec<Record>,
    /// The authority section.
    pub authorities: Vec<Record>,
    /// The additional section, without the record that `edns` is made of.
    pub additionals: Vec<Record>,
    /// The first OPT record of the additional section.
    pub edns: Option<Edns>,
    /// Bytes of the message, all of them.
    pub length: usize,
    /// Bytes behind the last entry that was read: what the counts do not speak of, and in a damaged message what could
    /// not be read.
    pub excess: usize,
    /// Where the message is damaged. Nothing is read behind it; data that is not what its type says damages its record
    /// only ([`Record::error`]).
    pub error: Option<Error>,
}

/// A section of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Section {
    /// The questions; of an update, the zone.
    Question,
    /// The answers; of an update, the prerequisites.
    Answer,
    /// Records about who knows the answer; of an update, the updates.
    Authority,
    /// Records that may be of use.
    Additional,
}

/// Bytes of the header.
pub const HEADER_LEN: usize = 12;

/// The most bytes of a message, those that the length in front of it over TCP can count (RFC 1035 4.2.2). Nothing is
/// read behind them.
pub const MAX_MESSAGE: usize = 65_535;

/// The layer of all errors here.
pub(super) const LAYER: &str = "DNS";

impl Message {
    /// Reads a message. Whatever is wrong behind the header is in the message: everything in front of it is kept.
    ///
    /// # Errors
    /// There is no whole header.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let readable = &bytes[..bytes.len().min(MAX_MESSAGE)];
        let Ok(message) = base::Message::from_slice(readable) else {
            return Err(Error::truncated(LAYER, "header", 0, HEADER_LEN, bytes.len()));
        };
        let (header, counts) = (message.header(), message.header_counts());
        let [_, _, high, low, ..] = *readable else {
            return Err(Error::truncated(LAYER, "header", 0, HEADER_LEN, bytes.len()));
        };
        let mut parsed = Self {
            id: header.id(),
            flags: Flags(u16::from_be_bytes([high, low])),
            counts: [counts.qdcount(), counts.ancount(), counts.nscount(), counts.arcount()],
            questions: Vec::new(),
            answers: Vec::new(),
            authorities: Vec::new(),
            additionals: Vec::new(),
            edns: None,
            length: bytes.len(),
            excess: 0,
            error: None,
        };
        let end = parsed.read_sections(message);
        parsed.excess = bytes.len() - end;
        Ok(parsed)
    }

    /// The response code, with EDNS's eight bits in front of the header's four.
    #[must_use]
    pub fn rcode(&self) -> Rcode {
        let extended = self.edns.as_ref().map_or(0, |edns| edns.extended_rcode);
        Rcode(u16::from(extended) << 4 | self.flags.rcode().0)
    }

    /// The kind of query.
    #[must_use]
    pub fn opcode(&self) -> Opcode {
        self.flags.opcode()
    }

    /// True for a response, false for a query.
    #[must_use]
    pub fn is_response(&self) -> bool {
        self.flags.qr()
    }

    /// The records of all sections, in order.
    pub fn records(&self) -> impl Iterator<Item = (Section, &Record)> {
        let sections = [
            (Section::Answer, &self.answers),
            (Section::Authority, &self.authorities),
            (Section::Additional, &self.additionals),
        ];
        sections
            .into_iter()
            .flat_map(|(section, records)| records.iter().map(move |record| (section, record)))
    }

    /// Everything that is wrong, where the message is damaged last.
    pub fn errors(&self) -> impl Iterator<Item = &Error> {
        let of_records = self.records().filter_map(|(_, record)| record.error.as_ref());
        of_records.chain(self.edns.iter().filter_map(|edns| edns.error.as_ref())).chain(&self.error)
    }

    /// Reads the sections, and returns where the last entry ends that could be read.
    fn read_sections(&mut self, message: &base::Message<[u8]>) -> usize {
        let bytes = message.as_slice();
        let mut questions = message.question();
        let mut at = questions.pos();
        while let Some(question) = questions.next() {
            let Ok(question) = question else {
                self.error = Some(damage::question(bytes, at));
                return at;
            };
            self.questions.push(Question::of(&question));
            at = questions.pos();
        }
        let mut section = Section::Answer;
        let mut next = questions.answer().ok();
        while let Some(mut records) = next {
            while let Some(record) = records.next() {
                let Ok(record) = record else {
                    self.error = Some(damage::record(bytes, at, section));
                    return at;
                };
                at = records.pos();
                self.push(section, &record, bytes, at - usize::from(record.rdlen()));
            }
            section = section.next();
            next = records.next_section().ok().flatten();
        }
        at
    }

    /// Keeps a record, whose data begins `at` bytes into the message.
    fn push(&mut self, section: Section, record: &ParsedRecord<'_, [u8]>, bytes: &[u8], at: usize) {
        let is_opt = record.rtype().to_int() == RecordType::OPT.0;
        if is_opt && section == Section::Additional && self.edns.is_none() {
            let data = &bytes[at..at + usize::from(record.rdlen())];
            self.edns = Some(Edns::of(record, data, at));
            return;
        }
        let records = match section {
            Section::Question | Section::Answer => &mut self.answers,
            Section::Authority => &mut self.authorities,
            Section::Additional => &mut self.additionals,
        };
        records.push(Record::of(record, bytes, at));
    }
}

impl Section {
    /// `question`, `answer`, `authority` or `additional`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Question => "question",
            Self::Answer => "answer",
            Self::Authority => "authority",
            Self::Additional => "additional",
        }
    }

    /// The one behind it; the last one is its own.
    fn next(self) -> Self {
        match self {
            Self::Question => Self::Answer,
            Self::Answer => Self::Authority,
            Self::Authority | Self::Additional => Self::Additional,
        }
    }
}

impl Question {
    fn of(question: &base::Question<ParsedName<&[u8]>>) -> Self {
        let (class, unicast_response) = split_class(question.qclass().to_int());
        let name = super::Name::of(question.qname());
        Self { name, rtype: RecordType(question.qtype().to_int()), class, unicast_response }
    }
}
