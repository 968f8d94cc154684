use std::io::{self, Write as _};

use clap::{Args, ValueEnum};

use crate::conformance::{FAMILIES, Level, Rule, family_of, glob, rules};
use crate::redact;
use crate::report::ledger;

use super::{FAILED, FINE, USAGE, complain};

#[derive(Args)]
pub(super) struct Arguments {
    /// Ids of rules, in which `*` stands for any characters; without any, all rules. One rule alone is explained
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Only rules with this tag; can be repeated
    #[arg(long, value_name = "TAG", value_delimiter = ',')]
    tag: Vec<String>,
    /// Only rules of this level; can be repeated
    #[arg(long, value_enum, value_name = "LEVEL", value_delimiter = ',')]
    level: Vec<Level>,
    /// Only rules of this family; can be repeated
    #[arg(long, value_name = "FAMILY", value_delimiter = ',')]
    family: Vec<String>,
    /// How to show them
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// JSON Lines, a rule a line
    Jsonl,
    /// The ledger: all of each rule, and what is not checked
    Markdown,
}

impl Arguments {
    fn takes(&self, rule: &Rule) -> bool {
        let family = family_of(rule).map_or("", |family| family.name);
        let has =
            |wanted: &[String], name: &str| wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(name));
        (self.ids.is_empty() || self.ids.iter().any(|pattern| glob(pattern, rule.id)))
            && (self.tag.is_empty()
                || rule.tags.iter().copied().chain([family]).any(|tag| has(&self.tag, tag)))
            && (self.level.is_empty() || self.level.contains(&rule.level))
            && (self.family.is_empty() || has(&self.family, family))
    }

    /// What was asked for and is not there.
    fn unknown(&self) -> Option<String> {
        let is_family = |name: &String| FAMILIES.iter().any(|family| family.name.eq_ignore_ascii_case(name));
        if let Some(name) = self.family.iter().find(|name| !is_family(name)) {
            let names: Vec<&str> = FAMILIES.iter().map(|family| family.name).collect();
            return Some(format!("{name:?} is no family: {}", names.join(", ")));
        }
        let pattern = self.ids.iter().find(|pattern| !rules().any(|rule| glob(pattern, rule.id)));
        pattern.map(|pattern| format!("{pattern:?} is no rule's id"))
    }
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    if let Some(unknown) = arguments.unknown() {
        complain(unknown);
        return USAGE;
    }
    let chosen: Vec<&'static Rule> = rules().filter(|rule| arguments.takes(rule)).collect();
    print(&match (arguments.format, chosen.as_slice()) {
        (Format::Text, [rule]) if !arguments.ids.is_empty() => ledger::explain(rule),
        (Format::Text, rules) => ledger::list(rules),
        (Format::Jsonl, rules) => ledger::jsonl(rules),
        (Format::Markdown, rules) => ledger::markdown(rules),
    })
}

/// Lists rules, one a line.
pub(super) fn list(rules: &[&'static Rule]) -> u8 {
    print(&ledger::list(rules))
}

fn print(text: &str) -> u8 {
    match io::stdout().lock().write_all(redact::text(text).as_bytes()) {
        Ok(()) => FINE,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => FINE,
        Err(error) => {
            complain(format_args!("writing failed: {error}"));
            FAILED
        }
    }
}
