use std::cell::Cell;
use std::fmt;

use crate::mak::vamt::Computer;
use crate::trace::{
    ChannelRecord, ControlRecord, DirectoryExchange, GuestExchange, Lookup, MakExchange, ObjectRecord, Search,
};
use crate::wire::Side;

use super::connection::{ConnectionScene, ExchangeScene, PduScene};
use super::hosts::HostFacts;

/// A rule: what must hold of one thing, and who says so.
pub struct Rule {
    /// Its id: never used for another rule, also once this one is gone.
    pub id: &'static str,
    /// What it demands, in a few words.
    pub title: &'static str,
    /// How much it demands.
    pub level: Level,
    /// Who says so: a document and its section, or the product and the capture that it was observed on.
    pub authority: &'static str,
    /// What is looked at, in one sentence.
    pub looks_at: &'static str,
    /// What must hold of that, in one sentence.
    pub holds: &'static str,
    /// Whose doing it is.
    pub about: About,
    /// Words by which rules are selected, beside their family's.
    pub tags: &'static [&'static str],
    /// What judges.
    pub subject: Subject,
}

/// Rules that belong together.
#[derive(Debug)]
pub struct Family {
    /// Its name, which is a tag of all its rules.
    pub name: &'static str,
    /// What its rules are about, in a few words.
    pub title: &'static str,
    /// Its rules, in the order of what they look at.
    pub rules: &'static [Rule],
}

/// How much a rule demands (RFC 2119), or that it was only observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Without it, peers do not understand each other, or a genuine one refuses.
    Must,
    /// Good peers do it.
    Should,
    /// A choice that is worth knowing.
    May,
    /// Genuine or well-known software does it; nothing demands it.
    Observed,
}

/// Whose doing a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The side that sent the PDU.
    Sender,
    /// The client, or the guest.
    Client,
    /// The host, or whatever service answers.
    Server,
}

/// What a rule looks at, and what judges it.
#[derive(Clone, Copy)]
pub enum Subject {
    /// A PDU of DCE/RPC, or what stands in its place.
    Pdu(fn(&PduScene<'_>) -> Judgement),
    /// A bind, bind_ack, bind_nak, alter_context or alter_context_resp.
    Negotiation(fn(&PduScene<'_>) -> Judgement),
    /// A fault.
    Fault(fn(&PduScene<'_>) -> Judgement),
    /// A connection, once it has ended.
    Connection(fn(&ConnectionScene<'_>) -> Judgement),
    /// A call of `RequestActivation`.
    Exchange(fn(&ExchangeScene<'_>) -> Judgement),
    /// All that was seen of a KMS host in one input.
    Host(fn(&HostFacts) -> Judgement),
    /// An exchange with one of MAK's services.
    Mak(fn(&MakExchange) -> Judgement),
    /// A computer of a VAMT file.
    Computer(fn(&Computer) -> Judgement),
    /// A question of DNS.
    Lookup(fn(&Lookup) -> Judgement),
    /// A client's search for a KMS host in DNS.
    Search(fn(&Search) -> Judgement),
    /// A search in a directory.
    Directory(fn(&DirectoryExchange) -> Judgement),
    /// An activation object of an export.
    Object(fn(&ObjectRecord) -> Judgement),
    /// An exchange in a pipe of VMBus.
    Guest(fn(&GuestExchange) -> Judgement),
    /// A channel of VMBus.
    Channel(fn(&ChannelRecord) -> Judgement),
    /// A control message of VMBus.
    Control(fn(&ControlRecord) -> Judgement),
}

/// What a rule says of what it has looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The rule is about something else, or what it needs was not captured.
    NotApplicable,
    /// It holds.
    Holds,
    /// It does not.
    Broken(Box<Breach>),
}

/// How a rule is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// What was found and what it should have been, in one line, in lower case.
    pub message: String,
    /// Where that is: what is counted in ("pdu", "request stub", "response body"), and the offset.
    pub at: Option<(&'static str, usize)>,
}

thread_local! {
    /// False while breaches of a rule are counted only, because as many of them are known as are kept.
    static IS_DESCRIBED: Cell<bool> = const { Cell::new(true) };
}

/// Applies a rule where it does not matter how it is broken: what a breach's message would cost is saved.
pub(super) fn undescribed(judge: impl FnOnce() -> Judgement) -> Judgement {
    IS_DESCRIBED.set(false);
    let judgement = judge();
    IS_DESCRIBED.set(true);
    judgement
}

impl Judgement {
    /// [`Self::Holds`], or the breach that `message` describes.
    #[must_use]
    pub fn of(holds: bool, message: impl FnOnce() -> String) -> Self {
        if holds { Self::Holds } else { Self::broken(described(message)) }
    }

    /// As [`Self::of`], with the place of what is wrong.
    #[must_use]
    pub fn at(holds: bool, at: (&'static str, usize), message: impl FnOnce() -> String) -> Self {
        if holds {
            Self::Holds
        } else {
            Self::Broken(Box::new(Breach { message: described(message), at: Some(at) }))
        }
    }

    /// A breach.
    #[must_use]
    pub fn broken(message: impl Into<String>) -> Self {
        Self::Broken(Box::new(Breach { message: message.into(), at: None }))
    }
}

fn described(message: impl FnOnce() -> String) -> String {
    if IS_DESCRIBED.get() { message() } else { String::new() }
}

impl Level {
    /// All of them, the most demanding first.
    pub const ALL: [Self; 4] = [Self::Must, Self::Should, Self::May, Self::Observed];

    /// `must`, `should`, `may` or `observed`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Should => "should",
            Self::May => "may",
            Self::Observed => "observed",
        }
    }
}

/// In capitals, as documents write it.
impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
            Self::May => "MAY",
            Self::Observed => "OBSERVED",
        })
    }
}

impl About {
    /// The side, where the sender of what was looked at is known.
    #[must_use]
    pub fn side(self, sender: Option<Side>) -> Side {
        match self {
            Self::Client => Side::Client,
            Self::Server => Side::Server,
            Self::Sender => sender.unwrap_or(Side::Server),
        }
    }

    /// `sender`, `client` or `server`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

impl Subject {
    /// What it looks at, as a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pdu(_) => "pdu",
            Self::Negotiation(_) => "negotiation pdu",
            Self::Fault(_) => "fault",
            Self::Connection(_) => "connection",
            Self::Exchange(_) => "exchange",
            Self::Host(_) => "host",
            Self::Mak(_) => "mak exchange",
            Self::Computer(_) => "computer",
            Self::Lookup(_) => "lookup",
            Self::Search(_) => "search",
            Self::Directory(_) => "directory search",
            Self::Object(_) => "activation object",
            Self::Guest(_) => "guest exchange",
            Self::Channel(_) => "channel",
            Self::Control(_) => "control message",
        }
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}
