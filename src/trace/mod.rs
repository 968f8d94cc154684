//! Streams to exchanges: which request, which answer, on which connection.
//!
//! [`trace`] reads one capture and tells an [`Observer`] what is in it, in the order in which it becomes known:
//! [`PduRecord`]s, [`Exchange`]s, [`ConnectionRecord`]s and [`Notice`]s, and a [`Summary`] at the end.

mod calls;
mod connection;
mod directory;
mod dns;
mod documents;
mod exchange;
pub mod filter;
mod input;
mod mak;
mod notice;
mod reading;
mod record;
pub(crate) mod rows;
mod rpc_connection;
mod run;
mod summary;
mod threads;
mod tls;
mod tracer;
mod vmbus;
mod web;

pub use connection::{ConnectionRecord, Stage, TlsRecord, WebRecord};
pub use directory::{
    BindStep, DirectoryExchange, DirectoryOutcome, DirectoryRecord, MAX_BINDS, ObjectRecord,
};
pub use dns::{Found, Lookup, Search};
pub use documents::{trace_any, trace_body, trace_document, trace_har, trace_ldif, trace_vamt};
pub use exchange::{
    Answer, ContextStanding, Exchange, FaultRecord, NdrBasis, Outcome, RequestRecord, RequestStubFields,
    ResponseRecord, ResponseStubFields, Span,
};
pub use filter::{Filter, FilterError};
pub use input::{Input, InputKind, look_at};
pub use mak::{Body, Carrier, MakAnswer, MakExchange, MakOutcome, MakRequest, Place, RequestHead, Service};
pub use notice::{Notice, NoticeKind};
pub use record::{Ending, PROTOCOLS, Record};
pub use run::{FileFormat, FileRecord, Options, trace, trace_packets};
pub use summary::Summary;
pub use threads::{Scribe, Traced, trace_pages};
pub use tracer::{Observer, PduContent, PduRecord};
pub use vmbus::{Bus, ChannelRecord, ControlRecord, GuestExchange, RingOptions, trace_ring};
