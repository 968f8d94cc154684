//! VMBus: what a virtual machine and its Hyper-V host say to each other, down to the pipe in which AVMA (automatic virtual
//! machine activation) travels.
//!
//! What is public is read to the byte: control messages, rings, packet descriptors, pipes, and two protocols inside of
//! pipes. The message inside the AVMA pipe is not public: it stays a [`Payload`] of a length and a hash.
//!
//! - [`ChannelClass`]: what a channel is for, by its GUIDs
//! - [`control`]: the messages that offer, open, close and rescind channels
//! - [`Ring`], [`Packet`], [`PacketDescriptor`]: the memory that both sides share; [`RingWriter`] makes such memory
//! - [`pipe`]: messages and byte streams inside of packets
//! - [`synthrdp`], [`ic`], [`kvp`]: public protocols inside of pipes; a guest's AVMA reporting travels in [`kvp`]
//! - [`Record`]: how one packet stands in a capture file
//! - [`Session`]: a guest's bus put together from records: channels and [`Exchange`]s
//!
//! Everything is little-endian.

#[macro_use]
mod layout;

mod channel_class;
pub mod control;
mod direction;
pub mod ic;
pub mod kvp;
mod packet;
mod payload;
pub mod pipe;
mod record;
mod ring;
mod ring_writer;
mod session;
pub mod synthrdp;

pub use channel_class::ChannelClass;
pub use control::{ChannelFlags, Version};
pub use direction::Direction;
pub use packet::{Footer, Packet, PacketDescriptor, PacketType};
pub use payload::{Hint, Payload};
pub use pipe::PipeMode;
pub use record::{Record, RecordKind};
pub use ring::{ControlPage, PAGE_LEN, Ring, RingPacket, RingPair, RingWalk};
pub use ring_writer::RingWriter;
pub use session::{
    ChannelRecord, ChannelState, Content, ControlEvent, Dump, ErrorEvent, Exchange, GpadlRange, GpadlRecord,
    Handler, LeftOut, MAX_CHANNELS, MAX_GPADLS, MAX_PENDING, MAX_RANGES, MAX_STATES, MAX_WAITING, ModeSource,
    PacketEvent, Pairing, PipeMessage, Protocol, Session, StateChange, Traffic,
};
