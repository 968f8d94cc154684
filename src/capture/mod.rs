//! Capture files to packets to TCP streams.
//!
//! - [`CaptureReader`]: a pcap or pcapng file, gzip-compressed or not, as [`Packet`]s
//! - [`Layers`]: a packet's link, tunnel and IP headers taken off, fragments put together
//! - [`Streams`]: TCP segments put in order, each direction's bytes handed to a [`Handler`] with explicit gaps
//!
//! Everything is bounded by constants that stand beside what they bound; what goes over a bound is counted.

mod error;
mod file;
mod flow;
mod fragments;
mod input;
mod layers;
mod link;
mod reassembly;
mod streams;
mod table;
mod window;

pub use error::CaptureError;
pub use file::{CaptureFormat, CaptureReader, Packet};
pub use flow::{Chunk, Conflict, Direction, End, Endpoint, FlowInfo, Gap, Stamp};
pub use fragments::{FragmentConflict, FragmentDifference};
pub use input::{expand, open};
pub use layers::{BadChecksum, ChecksumLayer, LayerOptions, Layers, NotTcp, Segment, TcpFlags};
pub use link::LinkType;
pub(crate) use streams::{Flows, SHARDS, shard_of};
pub use streams::{Handler, Streams};
pub(crate) use table::{FlowTable, MAX_FLOWS, Opened, Steps};
