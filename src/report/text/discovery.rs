use std::fmt::{self, Write as _};

use crate::catalog::hresult;
use crate::discovery::{
    Class, Message, Name, Opcode, Origin, Outcome, Record, RecordData, RecordType, Section,
};
use crate::report::names::{self, Plain};
use crate::trace::{Lookup, Record as Asked, Search};
use crate::wire::{Hex, Rfc3339};

use super::{Frames, Milliseconds, Palette, TextReport, counted};

impl TextReport {
    pub(super) fn write_lookup(&mut self, lookup: &Lookup) -> fmt::Result {
        let Palette { head, good, bad, odd, dim, end, .. } = self.palette;
        let asked = Asked::from(lookup);
        let (first, last) = asked.frames().unwrap_or_default();
        match asked.sides() {
            // Said unasked, to a group: nobody of it has asked.
            Some((group, server)) if lookup.question.is_none() => {
                write!(self.page, "{head}{server} > {group}{end}")?;
            }
            Some((client, server)) => write!(self.page, "{head}{client} > {server}{end}")?,
            None => write!(self.page, "{head}{}{end}", lookup.client)?,
        }
        write!(self.page, "  {}  DNS", Frames(first, last))?;
        if let Some(name) = match lookup.transport {
            crate::discovery::Transport::Udp => None,
            other => Some(other.name()),
        } {
            write!(self.page, " {name}")?;
        }
        let style = match lookup.outcome {
            Outcome::Answered | Outcome::Updated | Outcome::Announced => good,
            Outcome::Truncated | Outcome::Referral => odd,
            _ => bad,
        };
        write!(self.page, "  {style}{}{end}", lookup.outcome.name().replace('-', " "))?;
        if let Some(nanoseconds) = asked.service_time() {
            write!(self.page, " in {}", Milliseconds(nanoseconds))?;
        }
        if let Some(time) = lookup.first_time() {
            write!(self.page, "  {dim}{}{end}", Rfc3339(time))?;
        }
        writeln!(self.page)?;
        self.write_question(lookup)?;
        match &lookup.answer {
            Some(answer) => self.write_dns_answer(lookup, &answer.message),
            None => Ok(()),
        }
    }

    fn write_question(&mut self, lookup: &Lookup) -> fmt::Result {
        let Palette { odd, dim, end, .. } = self.palette;
        let label = if lookup.opcode == Opcode::UPDATE { "updates" } else { "asks   " };
        match (&lookup.question, lookup.origin) {
            (Some(zone), Origin::Query) if lookup.opcode == Opcode::UPDATE => {
                write!(self.page, "  {label} {}", Plain(zone.name.as_str()))?;
            }
            (Some(question), Origin::Query) => {
                write!(self.page, "  {label} {} {}", question.rtype, Plain(question.name.as_str()))?;
            }
            (Some(question), origin) => {
                let name = Plain(question.name.as_str());
                write!(
                    self.page,
                    "  {label} {} {name} {odd}({} answer){end}",
                    question.rtype,
                    origin.name()
                )?;
            }
            (None, _) => write!(self.page, "  {label} {dim}nothing: it is said unasked{end}")?,
        }
        let Some(queries) = &lookup.queries else { return writeln!(self.page) };
        if queries.count > 1 {
            write!(self.page, "{odd}, {} times", queries.count)?;
            if queries.servers.len() > 1 {
                let servers: Vec<String> = queries.servers.iter().map(ToString::to_string).collect();
                write!(self.page, ", of {}", servers.join(", "))?;
            }
            write!(self.page, "{end}")?;
        }
        if lookup.after_truncation {
            write!(self.page, "{dim}, over TCP because the answer over UDP was truncated{end}")?;
        }
        writeln!(self.page)?;
        for record in &queries.updates {
            // RFC 2136 section 2.5: a class that is not the zone's takes records away.
            let name = Plain(record.name.as_str());
            match record.class {
                Class::NONE => writeln!(self.page, "          deletes {}", RecordLine(record, None))?,
                Class::ANY if record.rtype == RecordType::ANY => {
                    writeln!(self.page, "          deletes everything of {name}")?;
                }
                Class::ANY => writeln!(self.page, "          deletes every {} of {name}", record.rtype)?,
                _ => writeln!(self.page, "          adds {}", RecordLine(record, None))?,
            }
        }
        Ok(())
    }

    fn write_dns_answer(&mut self, lookup: &Lookup, message: &Message) -> fmt::Result {
        let Palette { bad, odd, dim, end, .. } = self.palette;
        let mut label = "  answer  ";
        if let Some(code) = lookup.outcome.hresult() {
            write!(self.page, "{label}{bad}{}", message.rcode())?;
            // What these mean is said of the search for a KMS host.
            match &lookup.question {
                Some(question) if question.rtype == RecordType::SRV => {
                    write!(self.page, " {}", names::hresult(code))?;
                }
                _ => {
                    hresult::symbol(code).into_iter().try_for_each(|symbol| write!(self.page, " {symbol}"))?
                }
            }
            self.page.push_str(end);
            label = "          ";
            match lookup.negative_ttl() {
                Some(ttl) => writeln!(self.page, " {dim}(kept for {ttl} s){end}")?,
                None => writeln!(self.page)?,
            }
        }
        let asked = lookup.question.as_ref().map(|question| &question.name);
        let is_shown = |section: Section, record: &Record| match section {
            Section::Answer => true,
            Section::Additional => {
                record.data.address().is_some() || matches!(record.data, RecordData::Srv { .. })
            }
            _ => false,
        };
        let mut left = 0;
        let mut shown = 0;
        for (_, record) in message.records().filter(|(section, record)| is_shown(*section, record)) {
            if shown == MOST_RECORDS {
                left += 1;
                continue;
            }
            writeln!(self.page, "{label}{}", RecordLine(record, asked))?;
            shown += 1;
            label = "          ";
        }
        if left > 0 {
            writeln!(self.page, "          {dim}and {} more{end}", counted(left, "record"))?;
        }
        if lookup.outcome == Outcome::Truncated {
            writeln!(self.page, "{label}{odd}truncated: to be asked for over TCP{end}")?;
        }
        for error in message.errors() {
            writeln!(self.page, "          {bad}{error}{end}")?;
        }
        Ok(())
    }

    pub(super) fn write_search(&mut self, search: &Search) -> fmt::Result {
        let Palette { head, good, bad, dim, end, .. } = self.palette;
        write!(self.page, "{head}{}{end} {dim}looked for a KMS host in{end} ", search.client)?;
        for (i, attempt) in search.attempts.iter().enumerate() {
            let separator = if i == 0 { "" } else { ", then " };
            let style = if attempt.outcome == Outcome::Answered { good } else { bad };
            let domain = if attempt.domain.is_root() { "." } else { attempt.domain.as_str() };
            let outcome = attempt.outcome.name().replace('-', " ");
            write!(self.page, "{dim}{separator}{end}{} {style}{outcome}{end}", Plain(domain))?;
        }
        writeln!(self.page)
    }
}

/// Records of an answer that are shown.
const MOST_RECORDS: usize = 16;

/// `SRV kms1.corp.example port 1688, priority 0, weight 0, TTL 60 s`, with its name in front where that is another one than
/// was asked for.
pub(in crate::report) struct RecordLine<'a>(
    pub(in crate::report) &'a Record,
    pub(in crate::report) Option<&'a Name>,
);

impl fmt::Display for RecordLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(record, asked) = self;
        if *asked != Some(&record.name) {
            write!(f, "{} ", Plain(record.name.as_str()))?;
        }
        write!(f, "{} ", record.rtype)?;
        match &record.data {
            RecordData::Srv { priority, weight, port, target } => {
                let target = if target.is_root() { "no host" } else { target.as_str() };
                write!(f, "{} port {port}, priority {priority}, weight {weight}", Plain(target))?;
            }
            RecordData::A(address) => address.fmt(f)?,
            RecordData::Aaaa(address) => address.fmt(f)?,
            RecordData::Cname(name) | RecordData::Ptr(name) | RecordData::Ns(name) => {
                Plain(name.as_str()).fmt(f)?;
            }
            RecordData::Soa { mname, serial, minimum, .. } => {
                write!(f, "{} serial {serial}, minimum {minimum} s", Plain(mname.as_str()))?;
            }
            RecordData::Txt(texts) => {
                let texts: Vec<String> = texts
                    .iter()
                    .map(|text| String::from_utf8_lossy(text).escape_debug().to_string())
                    .collect();
                write!(f, "\"{}\"", texts.join("\" \""))?;
            }
            RecordData::Other(bytes) if bytes.is_empty() => f.write_str("no data")?,
            RecordData::Other(bytes) => {
                write!(f, "{} bytes {}", bytes.len(), Hex(&bytes[..bytes.len().min(16)]))?;
            }
        }
        write!(f, ", TTL {} s", record.ttl)
    }
}
