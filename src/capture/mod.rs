//! Capture files to packets to TCP streams.
//!
//! - [`open`]: a file or standard input, decompressed where it is gzip, zstd or LZ4
//! - [`CaptureReader`]: a pcap or pcapng file as [`Packet`]s; [`Merged`]: several, in order of time; [`Within`]: those of
//!   a time
//! - [`Layers`]: a packet's link, tunnel and IP headers taken off, fragments put together
//! - [`PcapngWriter`]: packets to a pcapng file; [`Dialogue`]: a connection that was made, as its packets
//! - [`Streams`]: TCP segments put in order, each direction's bytes handed to a [`Handler`] with explicit gaps
//!
//! Everything is bounded by constants that stand beside what they bound; what goes over a bound is counted.

mod compression;
mod dialogue;
mod error;
mod file;
mod flow;
mod fragments;
mod input;
mod layers;
mod link;
mod merged;
mod packets;
mod pcap;
mod pcapng;
mod reassembly;
mod streams;
mod table;
mod time_window;
mod window;
mod writer;

pub use dialogue::Dialogue;
pub use error::{CaptureError, Fault};
pub use file::{CaptureFormat, CaptureReader};
pub use flow::{Chunk, Conflict, Direction, End, Endpoint, FlowInfo, Gap, Stamp};
pub use fragments::{FragmentConflict, FragmentDifference};
pub use input::{Progress, expand, open, open_counted};
pub use layers::{
    BadChecksum, ChecksumLayer, Datagram, LayerOptions, Layers, NotTcp, Segment, TcpFlags, Transport,
};
pub use link::LinkType;
pub use merged::{Merged, Source};
pub use packets::{About, Comment, MOST_SECRETS, Packet, Packets};
pub(crate) use streams::{Flows, SHARDS, shard_of};
pub use streams::{Handler, Streams};
pub(crate) use table::{FlowTable, MAX_FLOWS, Opened, Steps};
pub use time_window::{ParseTimeError, TimeBound, TimeWindow, Within};
pub use writer::PcapngWriter;
