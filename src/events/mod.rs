//! Windows events that mirror activation: what a client or a host wrote into its log about what it sent and got.
//!
//! The provider is Microsoft-Windows-Security-SPP, {e23b33b0-c8c9-472c-a5f9-f2bdfea0f156}:
//!
//! | id | who | what |
//! |---|---|---|
//! | 12288 | client | a request was sent: [`Requested`] |
//! | 12289 | client | an answer was processed: [`Processed`] |
//! | 12290 | host | a request was answered: [`HostAnswered`] |
//! | 12293, 12294 | host | it could not publish itself in DNS, or could: [`PublishFailed`], [`Published`] |
//! | 12308 | client | the directory activated it: [`DirectoryActivated`] |
//! | 12309, 12310 | guest | AVMA: [`Avma`] |
//!
//! [`read`] takes a log (`.evtx`, with the feature of that name) and what is exported of one: text, CSV and XML, of
//! `wevtutil`, the Event Viewer and PowerShell, in UTF-8 and UTF-16, in any language. What kind a file is, is known by its
//! content ([`Form`]). The values are found by their shape, as the prose around them is translated.
//!
//! A request on the wire and its events have CMID, ActID and the client's time, to the minute, in common. What an error
//! quotes of a file is as it stands there.

mod draft;
mod error;
mod event;
#[cfg(feature = "evtx")]
mod evtx;
mod lines;
mod list;
mod read;
mod table;
mod text;
mod time;
mod xml;

pub use error::{EventError, Place};
pub use event::{
    Avma, DirectoryActivated, Event, EventKind, HostAnswered, Processed, PublishFailed, Published, Requested,
};
pub use read::{EventCounts, Form, read};
pub use time::{Clock, EventTime};

/// The most bytes of one event that are read, and of a line of a text.
pub const MAX_EVENT: usize = 256 << 10;

/// The most characters that an error quotes.
pub const MAX_QUOTE: usize = 120;
