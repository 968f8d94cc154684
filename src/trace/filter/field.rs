use crate::trace::{DirectoryExchange, Exchange, GuestExchange, Lookup, MakExchange, Record};

use super::error::nearest;
use super::fields::FIELDS;
use super::value::{Kind, Value};

/// A field of a record that a filter can look at.
#[derive(Clone, Copy)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Other names for it, among them its path in the JSON Lines schema.
    pub aliases: &'static [&'static str],
    /// What it is, in half a sentence.
    pub meaning: &'static str,
    pub(super) kind: Kind,
    /// Hands the values that the field has in an exchange to the test until one passes; whether one did.
    of_exchange: OfExchange,
    /// The same for an exchange with one of MAK's services.
    of_mak: OfMak,
    /// The same for a question of DNS.
    of_lookup: OfLookup,
    /// The same for a search in a directory.
    of_directory: OfDirectory,
    /// The same for an exchange of VMBus.
    of_guest: OfGuest,
    /// The same for a record of any kind.
    of_any: OfAny,
}

type OfAny = fn(Record<'_>, &mut Test<'_>) -> bool;
type OfExchange = fn(&Exchange, &mut Test<'_>) -> bool;
type OfMak = fn(&MakExchange, &mut Test<'_>) -> bool;
type OfLookup = fn(&Lookup, &mut Test<'_>) -> bool;
type OfDirectory = fn(&DirectoryExchange, &mut Test<'_>) -> bool;
type OfGuest = fn(&GuestExchange, &mut Test<'_>) -> bool;
pub(super) type Test<'a> = dyn FnMut(Value<'_>) -> bool + 'a;

impl Field {
    /// Hands the values that the field has in a record to the test until one passes; whether one did.
    pub(super) fn test(&self, record: Record<'_>, test: &mut Test<'_>) -> bool {
        let of_kind = match record {
            Record::Kms(exchange) => (self.of_exchange)(exchange, test),
            Record::Mak(exchange) => (self.of_mak)(exchange, test),
            Record::Lookup(lookup) => (self.of_lookup)(lookup, test),
            Record::Directory(exchange) => (self.of_directory)(exchange, test),
            Record::Guest(exchange) => (self.of_guest)(exchange, test),
        };
        of_kind || (self.of_any)(record, test)
    }

    /// The type of its values: what can stand on the other side of a comparison.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.kind.name()
    }

    /// The words that it can hold, where they are just a few.
    #[must_use]
    pub fn words(&self) -> &'static [&'static str] {
        match self.kind {
            Kind::Word(words) => words,
            _ => &[],
        }
    }

    /// All fields, in the order in which they are listed.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        FIELDS.iter()
    }

    /// The field with this name or alias.
    #[must_use]
    pub fn by_name(name: &str) -> Option<&'static Self> {
        FIELDS.iter().find(|field| field.name == name || field.aliases.contains(&name))
    }

    /// The name that is meant by a word that is none: one nearly the same, or its end (`ip.addr`).
    pub(super) fn nearest(word: &str) -> Option<&'static str> {
        let names = FIELDS.iter().flat_map(|field| field.aliases.iter().copied().chain([field.name]));
        let end = word.rsplit('.').next().and_then(Self::by_name);
        nearest(word, names).or(end.map(|field| field.name))
    }
}

/// Fields are the same where their names are: a name stands once in the table.
impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Field {}

impl std::fmt::Debug for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// A field that no record has.
pub(super) const fn none(
    name: &'static str,
    aliases: &'static [&'static str],
    kind: Kind,
    meaning: &'static str,
) -> Field {
    Field {
        name,
        aliases,
        meaning,
        kind,
        of_exchange: |_, _| false,
        of_mak: |_, _| false,
        of_lookup: |_, _| false,
        of_directory: |_, _| false,
        of_guest: |_, _| false,
        of_any: |_, _| false,
    }
}

/// A field that records of all kinds have.
pub(super) const fn any(
    name: &'static str,
    aliases: &'static [&'static str],
    kind: Kind,
    meaning: &'static str,
    of_any: OfAny,
) -> Field {
    Field { of_any, ..none(name, aliases, kind, meaning) }
}

/// A field of exchanges of a KMS.
pub(super) const fn kms(
    name: &'static str,
    aliases: &'static [&'static str],
    kind: Kind,
    meaning: &'static str,
    of_exchange: OfExchange,
) -> Field {
    Field { of_exchange, ..none(name, aliases, kind, meaning) }
}

/// A field of exchanges with MAK's services.
pub(super) const fn mak(
    name: &'static str,
    aliases: &'static [&'static str],
    kind: Kind,
    meaning: &'static str,
    of_mak: OfMak,
) -> Field {
    Field { of_mak, ..none(name, aliases, kind, meaning) }
}

/// A field of questions of DNS.
pub(super) const fn lookup(
    name: &'static str,
    aliases: &'static [&'static str],
    kind: Kind,
    meaning: &'static str,
    of_lookup: OfLookup,
) -> Field {
    Field { of_lookup, ..none(name, aliases, kind, meaning) }
}

/// A field of searches in a directory.
pub(super) const fn directory(
    name: &'static str,
    aliases: &'static [&'static str],
    kind: Kind,
    meaning: &'static str,
    of_directory: OfDirectory,
) -> Field {
    Field { of_directory, ..none(name, aliases, kind, meaning) }
}

/// A field of exchanges of VMBus.
pub(super) const fn guest(
    name: &'static str,
    aliases: &'static [&'static str],
    kind: Kind,
    meaning: &'static str,
    of_guest: OfGuest,
) -> Field {
    Field { of_guest, ..none(name, aliases, kind, meaning) }
}

impl Field {
    /// The field is in exchanges with MAK's services as well.
    pub(super) const fn and_mak(self, of_mak: OfMak) -> Self {
        Self { of_mak, ..self }
    }

    /// The field is in questions of DNS as well.
    pub(super) const fn and_lookup(self, of_lookup: OfLookup) -> Self {
        Self { of_lookup, ..self }
    }

    /// The field is in searches in a directory as well.
    pub(super) const fn and_directory(self, of_directory: OfDirectory) -> Self {
        Self { of_directory, ..self }
    }
}
