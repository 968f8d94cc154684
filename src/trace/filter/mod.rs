//! A filter over exchanges, in the manner of Wireshark's display filters. `docs/filter.md` describes the language.
//!
//! ```
//! use volact::trace::Filter;
//!
//! let filter = Filter::parse("client == 10.0.0.0/8 and not (verified || outcome == refused)").unwrap();
//! assert_eq!(filter.to_string(), "client == 10.0.0.0/8 and not (verified or outcome == refused)");
//! let error = Filter::parse("cliant == 10.0.0.1").unwrap_err();
//! assert_eq!(error.to_string(), "at column 1: unknown field \"cliant\"; did you mean \"client\"?");
//! ```

mod error;
mod field;
mod fields;
mod lexer;
mod parse;
mod value;

use std::fmt::{self, Write as _};

use super::Record;

use value::{Order, Pattern};

pub use error::FilterError;
pub use field::Field;

/// Which exchanges are asked for.
///
/// Evaluation allocates nothing: values are worked out when the filter is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(Term);

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// What is no filter, or is longer or nested deeper than the bounds; the place is in the error.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        parse::parse(text).map(Self)
    }

    /// Whether the exchange is asked for, a KMS's or one of MAK's services. A field that the one kind does not have is
    /// not there.
    #[must_use]
    pub fn matches<'a>(&self, exchange: impl Into<Record<'a>>) -> bool {
        self.0.holds(exchange.into())
    }

    /// All fields with their names, types and meanings.
    pub fn fields() -> impl Iterator<Item = &'static Field> {
        Field::all()
    }

    /// The language on one page: the operators, then the fields in columns.
    #[must_use]
    pub fn help() -> String {
        let name = |field: &Field| {
            let short = field.aliases.iter().filter(|alias| !alias.contains('.'));
            short.fold(field.name.to_owned(), |names, alias| names + ", " + alias)
        };
        let width = Field::all().map(|field| name(field).len()).max().unwrap_or(0);
        let kinds = Field::all().map(|field| field.type_name().len()).max().unwrap_or(0);
        let mut out = HELP.to_owned();
        for field in Field::all() {
            let _ = write!(out, "  {:width$}  {:kinds$}  {}", name(field), field.type_name(), field.meaning);
            out.push('\n');
            let indent = width + kinds + 8;
            let mut words = field.words();
            while !words.is_empty() {
                let fits = |count: &usize| indent + words[..*count].join(", ").len() <= HELP_WIDTH;
                let count = (1..=words.len().min(5)).rev().find(fits).unwrap_or(1);
                let (line, rest) = words.split_at(count);
                let _ = writeln!(out, "{:indent$}{}", "", line.join(", "));
                words = rest;
            }
        }
        out
    }
}

/// Columns of the help.
const HELP_WIDTH: usize = 120;

const HELP: &str = "\
field == value    also != < <= > >=; a network (10.0.0.0/8) for an address
field ~ text      contains, in upper or lower case
field in {a, b}   one of them; {1..5} from the one to the other
field             it is there; of a bool: it is true
not, and, or      also ! && ||; in this order, or with parentheses

";

/// The filter as it can be read again: the fields by their first names, the operators in one of their spellings.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Term {
    /// Two or more, none of them [`Term::Any`] itself.
    Any(Vec<Self>),
    /// Two or more, none of them [`Term::All`] itself.
    All(Vec<Self>),
    Not(Box<Self>),
    There(&'static Field),
    Compare(&'static Field, Order, Literal),
    /// The field is there, and not equal.
    Differs(&'static Field, Literal),
    /// In lower case, and as it was written.
    Contains(&'static Field, Box<[char]>, String),
    In(&'static Field, Vec<Member>),
}

/// A value as it was written, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Literal {
    text: String,
    pattern: Pattern,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Member {
    One(Literal),
    /// From the first to the second, and the two as one pattern.
    Range(Literal, Literal, Pattern),
}

impl Term {
    fn holds(&self, record: Record<'_>) -> bool {
        match self {
            Self::Any(terms) => terms.iter().any(|term| term.holds(record)),
            Self::All(terms) => terms.iter().all(|term| term.holds(record)),
            Self::Not(term) => !term.holds(record),
            Self::There(field) => field.test(record, &mut |value| !is_false(value)),
            Self::Compare(field, order, literal) => {
                field.test(record, &mut |value| literal.pattern.is_met(value, *order))
            }
            Self::Differs(field, literal) => {
                let mut is_there = false;
                let is_equal = field.test(record, &mut |value| {
                    is_there = true;
                    literal.pattern.is_met(value, Order::Equal)
                });
                is_there && !is_equal
            }
            Self::Contains(field, needle, _) => {
                field.test(record, &mut |value| field.kind.contains(value, needle))
            }
            Self::In(field, members) => field.test(record, &mut |value| {
                members.iter().any(|member| member.pattern().is_met(value, Order::Equal))
            }),
        }
    }

    fn fmt_inside(&self, f: &mut fmt::Formatter<'_>, needs_parentheses: bool) -> fmt::Result {
        if needs_parentheses { write!(f, "({self})") } else { write!(f, "{self}") }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any(terms) => {
                for (i, term) in terms.iter().enumerate() {
                    f.write_str(if i == 0 { "" } else { " or " })?;
                    term.fmt(f)?;
                }
                Ok(())
            }
            Self::All(terms) => {
                for (i, term) in terms.iter().enumerate() {
                    f.write_str(if i == 0 { "" } else { " and " })?;
                    term.fmt_inside(f, matches!(term, Self::Any(_)))?;
                }
                Ok(())
            }
            Self::Not(term) => {
                f.write_str("not ")?;
                term.fmt_inside(f, matches!(**term, Self::Any(_) | Self::All(_)))
            }
            Self::There(field) => f.write_str(field.name),
            Self::Compare(field, order, literal) => write!(f, "{} {order} {literal}", field.name),
            Self::Differs(field, literal) => write!(f, "{} != {literal}", field.name),
            Self::Contains(field, _, text) => write!(f, "{} contains {}", field.name, lexer::Quoted(text)),
            Self::In(field, members) => {
                write!(f, "{} in {{", field.name)?;
                for (i, member) in members.iter().enumerate() {
                    f.write_str(if i == 0 { "" } else { ", " })?;
                    match member {
                        Member::One(literal) => literal.fmt(f)?,
                        Member::Range(low, high, _) => write!(f, "{low}..{high}")?,
                    }
                }
                f.write_str("}")
            }
        }
    }
}

impl Member {
    fn pattern(&self) -> &Pattern {
        match self {
            Self::One(literal) => &literal.pattern,
            Self::Range(.., pattern) => pattern,
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        lexer::Quoted(&self.text).fmt(f)
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "==",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        })
    }
}

fn is_false(value: value::Value<'_>) -> bool {
    matches!(value, value::Value::Flag(false))
}
