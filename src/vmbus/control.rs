//! Control messages: how channels are offered, opened, closed and rescinded.
//!
//! A message is a type, four bytes of padding and a body, 240 bytes at most. Bytes behind the body are allowed. Several
//! messages have an older, shorter form and a newer one; which it is shows in the length alone.

use crate::wire::read::{self, Parsed};
use crate::wire::{Error, ErrorKind, Guid};

use super::PipeMode;
use super::layout::Field;

/// The most bytes of a control message.
pub const MAX_LEN: usize = 240;

/// Bytes in front of a message's body.
pub const HEADER_LEN: usize = 8;

/// Bytes of data of a device's own in an offer and in an opening.
pub const USER_DATA_LEN: usize = 120;

/// A control message.
///
/// [`Self::encode`] gives back the very bytes that [`Self::parse`] and [`Self::parse_lax`] took.
///
/// ```
/// use volact::vmbus::control::{Body, CloseChannel, Message};
///
/// let bytes = [7, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0];
/// let message = Message::parse(&bytes)?;
/// assert_eq!(message.body, Body::CloseChannel(CloseChannel { channel_id: 12 }));
/// assert_eq!(message.kind.to_string(), "close_channel(7)");
/// assert_eq!(message.encode(), bytes);
/// # Ok::<(), volact::wire::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Offset 0: its type.
    pub kind: MessageType,
    /// Offset 4.
    pub padding: u32,
    /// Offset 8: what the type makes of the bytes behind it.
    pub body: Body,
    /// Bytes behind the body; all of them where the body is [`Body::Opaque`].
    pub excess: Vec<u8>,
}

/// What a message's type makes of its body.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names are the specification's
pub enum Body {
    OfferChannel(OfferChannel),
    RescindChannelOffer(RescindChannelOffer),
    RequestOffers,
    AllOffersDelivered,
    OpenChannel(OpenChannel),
    OpenChannelResult(OpenChannelResult),
    CloseChannel(CloseChannel),
    GpadlHeader(GpadlHeader),
    GpadlBody(GpadlBody),
    GpadlCreated(GpadlCreated),
    GpadlTeardown(GpadlTeardown),
    GpadlTorndown(GpadlTorndown),
    RelIdReleased(RelIdReleased),
    InitiateContact(InitiateContact),
    VersionResponse(VersionResponse),
    Unload,
    UnloadComplete,
    OpenReservedChannel(OpenReservedChannel),
    CloseReservedChannel(CloseReservedChannel),
    CloseReservedResponse(CloseReservedResponse),
    TlConnectRequest(TlConnectRequest),
    ModifyChannel(ModifyChannel),
    TlConnectResult(TlConnectResult),
    ModifyChannelResponse(ModifyChannelResponse),
    ModifyConnection(ModifyConnection),
    ModifyConnectionResponse(ModifyConnectionResponse),
    Pause,
    PauseResponse,
    Resume,
    /// A type that is not known, or a body that is too short: nothing is read of it, all its bytes are in
    /// [`Message::excess`].
    Opaque,
}

open! {
    /// A control message's type.
    MessageType(u32), "message" {
        OFFER_CHANNEL = 1 "offer_channel",
        RESCIND_CHANNEL_OFFER = 2 "rescind_channel_offer",
        REQUEST_OFFERS = 3 "request_offers",
        ALL_OFFERS_DELIVERED = 4 "all_offers_delivered",
        OPEN_CHANNEL = 5 "open_channel",
        OPEN_CHANNEL_RESULT = 6 "open_channel_result",
        CLOSE_CHANNEL = 7 "close_channel",
        GPADL_HEADER = 8 "gpadl_header",
        GPADL_BODY = 9 "gpadl_body",
        GPADL_CREATED = 10 "gpadl_created",
        GPADL_TEARDOWN = 11 "gpadl_teardown",
        GPADL_TORNDOWN = 12 "gpadl_torndown",
        REL_ID_RELEASED = 13 "rel_id_released",
        INITIATE_CONTACT = 14 "initiate_contact",
        VERSION_RESPONSE = 15 "version_response",
        UNLOAD = 16 "unload",
        UNLOAD_COMPLETE = 17 "unload_complete",
        OPEN_RESERVED_CHANNEL = 18 "open_reserved_channel",
        CLOSE_RESERVED_CHANNEL = 19 "close_reserved_channel",
        CLOSE_RESERVED_RESPONSE = 20 "close_reserved_response",
        TL_CONNECT_REQUEST = 21 "tl_connect_request",
        MODIFY_CHANNEL = 22 "modify_channel",
        TL_CONNECT_RESULT = 23 "tl_connect_result",
        MODIFY_CHANNEL_RESPONSE = 24 "modify_channel_response",
        MODIFY_CONNECTION = 25 "modify_connection",
        MODIFY_CONNECTION_RESPONSE = 26 "modify_connection_response",
        PAUSE = 27 "pause",
        PAUSE_RESPONSE = 28 "pause_response",
        RESUME = 29 "resume",
    }
}

layout! {
    /// The host offers a channel, 196 bytes with the header.
    OfferChannel {
        /// Offset 8: the GUID of the class.
        class_id: Guid,
        /// Offset 24: the GUID of the instance.
        instance_id: Guid,
        /// Offset 40.
        reserved: [u8; 16],
        /// Offset 56.
        flags: ChannelFlags,
        /// Offset 58: megabytes of address space.
        mmio_megabytes: u16,
        /// Offset 60: what the device has to say; of a pipe, its type and flags.
        user_data: [u8; USER_DATA_LEN],
        /// Offset 180: 0 for a device's first channel.
        subchannel_index: u16,
        /// Offset 182: more megabytes, which it can do without.
        mmio_megabytes_optional: u16,
        /// Offset 184.
        channel_id: u32,
        /// Offset 188.
        monitor_id: u8,
        /// Offset 189: bit 0, a monitor is allocated.
        monitor_allocated: u8,
        /// Offset 190: bit 0, the interrupt is the channel's own.
        is_dedicated: u16,
        /// Offset 192: where the guest signals.
        connection_id: u32,
    }
}

layout! {
    /// The host takes an offer back.
    RescindChannelOffer {
        /// Offset 8.
        channel_id: u32,
    }
}

layout! {
    /// The guest has opened a channel, or not.
    OpenChannelResult {
        /// Offset 8.
        channel_id: u32,
        /// Offset 12: the request's.
        open_id: u32,
        /// Offset 16: 0 for success, or an NTSTATUS.
        status: u32,
    }
}

layout! {
    /// The guest closes a channel.
    CloseChannel {
        /// Offset 8.
        channel_id: u32,
    }
}

layout! {
    /// The host has a GPADL, or not.
    GpadlCreated {
        /// Offset 8.
        channel_id: u32,
        /// Offset 12.
        gpadl_id: u32,
        /// Offset 16: 0 for success, or an NTSTATUS.
        status: u32,
    }
}

layout! {
    /// The guest wants a GPADL back.
    GpadlTeardown {
        /// Offset 8.
        channel_id: u32,
        /// Offset 12.
        gpadl_id: u32,
    }
}

layout! {
    /// The host has let a GPADL go.
    GpadlTorndown {
        /// Offset 8.
        gpadl_id: u32,
    }
}

layout! {
    /// The guest is done with a rescinded channel: its id may be used again.
    RelIdReleased {
        /// Offset 8.
        channel_id: u32,
    }
}

layout! {
    /// The guest opens a channel that was not offered.
    OpenReservedChannel {
        /// Offset 8.
        channel_id: u32,
        /// Offset 12.
        target_vp: u32,
        /// Offset 16.
        target_sint: u32,
        /// Offset 20.
        ring_gpadl_id: u32,
        /// Offset 24: the page at which the ring to the guest begins.
        downstream_page_offset: u32,
    }
}

layout! {
    /// The guest closes such a channel.
    CloseReservedChannel {
        /// Offset 8.
        channel_id: u32,
        /// Offset 12.
        target_vp: u32,
        /// Offset 16.
        target_sint: u32,
    }
}

layout! {
    /// The host has closed it.
    CloseReservedResponse {
        /// Offset 8.
        channel_id: u32,
    }
}

layout! {
    /// The guest moves a channel's interrupt to another processor.
    ModifyChannel {
        /// Offset 8.
        channel_id: u32,
        /// Offset 12.
        target_vp: u32,
    }
}

layout! {
    /// What became of the connection that [`TlConnectRequest`] asked for.
    TlConnectResult {
        /// Offset 8.
        endpoint_id: Guid,
        /// Offset 24.
        service_id: Guid,
        /// Offset 40: 0 for success, or an NTSTATUS.
        status: u32,
    }
}

layout! {
    /// What became of [`ModifyChannel`].
    ModifyChannelResponse {
        /// Offset 8.
        channel_id: u32,
        /// Offset 12: 0 for success, or an NTSTATUS.
        status: u32,
    }
}

layout! {
    /// The guest names other monitor pages.
    ModifyConnection {
        /// Offset 8: guest physical address of the page that the host writes.
        parent_to_child_monitor_page: u64,
        /// Offset 16: guest physical address of the page that the guest writes.
        child_to_parent_monitor_page: u64,
    }
}

layout! {
    /// What became of [`ModifyConnection`].
    ModifyConnectionResponse {
        /// Offset 8: 0 for success.
        connection_state: u8,
    }
}

/// The guest opens a channel: 148 bytes with the header, 156 in the newer form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenChannel {
    /// The older form.
    pub request: OpenRequest,
    /// What the newer form adds.
    pub signal: Option<OpenSignal>,
}

layout! {
    /// The older form of [`OpenChannel`].
    OpenRequest {
        /// Offset 8.
        channel_id: u32,
        /// Offset 12: what the result repeats.
        open_id: u32,
        /// Offset 16: the GPADL in which both rings lie.
        ring_gpadl_id: u32,
        /// Offset 20.
        target_vp: u32,
        /// Offset 24: the page at which the ring to the guest begins.
        downstream_page_offset: u32,
        /// Offset 28: what the device has to say.
        user_data: [u8; USER_DATA_LEN],
    }
}

layout! {
    /// What the newer form of [`OpenChannel`] adds.
    OpenSignal {
        /// Offset 148: where the host's side is signalled.
        connection_id: u32,
        /// Offset 152.
        event_flag: u16,
        /// Offset 154: bit 0, the interrupt is redirected.
        flags: u16,
    }
}

/// The guest describes memory that the host may use, or the first of it (20 bytes and up to 27 values).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpadlHeader {
    /// Offset 8.
    pub channel_id: u32,
    /// Offset 12.
    pub gpadl_id: u32,
    /// Offset 16: bytes of the ranges, here and in the [`GpadlBody`]s that follow.
    pub byte_length: u16,
    /// Offset 18.
    pub range_count: u16,
    /// Offset 20: of each range one value of its byte count and (from bit 32) its offset in its first page; then its page
    /// numbers.
    pub values: Vec<u64>,
}

/// More of what a [`GpadlHeader`] describes (16 bytes and up to 28 values).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpadlBody {
    /// Offset 8: the how manieth it is.
    pub number: u32,
    /// Offset 12.
    pub gpadl_id: u32,
    /// Offset 16: the values that follow those of the message before.
    pub values: Vec<u64>,
}

/// The guest begins, and asks for a version: 40 bytes with the header, 56 in the newer form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitiateContact {
    /// The older form.
    pub contact: Contact,
    /// Offset 40, in the newer form: who the guest is.
    pub client_id: Option<Guid>,
}

layout! {
    /// The older form of [`InitiateContact`].
    Contact {
        /// Offset 8: the version asked for.
        version: Version,
        /// Offset 12: the processor to which messages go.
        target_vp: u32,
        /// Offset 16: the interrupt page; from version 5.0 on the interrupt source, trust level and feature flags
        /// ([`Self::target_info`]).
        interrupt_page_or_target_info: u64,
        /// Offset 24: guest physical address of the page that the host writes.
        parent_to_child_monitor_page: u64,
        /// Offset 32: guest physical address of the page that the guest writes.
        child_to_parent_monitor_page: u64,
    }
}

/// What stands at offset 16 of [`Contact`] from version 5.0 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetInfo {
    /// The interrupt source.
    pub sint: u8,
    /// The trust level.
    pub vtl: u8,
    /// Unused.
    pub padding: u16,
    /// The features that the guest knows.
    pub feature_flags: u32,
}

/// The host answers [`InitiateContact`]: 16 bytes with the header, 20 or 40 in the newer forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionResponse {
    /// The oldest form.
    pub answer: VersionAnswer,
    /// Offset 16, in the newer forms: the features that both know.
    pub supported_features: Option<u32>,
    /// What the newest form adds.
    pub monitor_pages: Option<MonitorPages>,
}

layout! {
    /// The oldest form of [`VersionResponse`].
    VersionAnswer {
        /// Offset 8: 0 where the version is not supported.
        version_supported: u8,
        /// Offset 9: 0 for success.
        connection_state: u8,
        /// Offset 10.
        padding: u16,
        /// Offset 12: the version; from 5.0 on where messages go to.
        version_or_connection_id: u32,
    }
}

layout! {
    /// What the newest form of [`VersionResponse`] adds.
    MonitorPages {
        /// Offset 20.
        reserved: u32,
        /// Offset 24: guest physical address of the page that the host writes.
        parent_to_child: u64,
        /// Offset 32: guest physical address of the page that the guest writes.
        child_to_parent: u64,
    }
}

/// The guest wants a socket to the host: 40 bytes with the header, 56 in the newer form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlConnectRequest {
    /// The older form.
    pub connection: TlConnection,
    /// Offset 40, in the newer form.
    pub silo_id: Option<Guid>,
}

layout! {
    /// The older form of [`TlConnectRequest`].
    TlConnection {
        /// Offset 8.
        endpoint_id: Guid,
        /// Offset 24.
        service_id: Guid,
    }
}

open! {
    /// A version of the bus: major in the upper half, minor in the lower. The names are those of the Windows that brought
    /// them.
    Version(u32), "version" {
        V0_13 = 0x0000_000d "Windows Server 2008",
        V1_1 = 0x0001_0001 "Windows 7",
        V2_4 = 0x0002_0004 "Windows 8",
        V3_0 = 0x0003_0000 "Windows 8.1",
        V4_0 = 0x0004_0000 "Windows 10",
        V4_1 = 0x0004_0001 "Windows 10 RS3, first",
        V5_0 = 0x0005_0000 "Windows 10 RS3, second",
        V5_1 = 0x0005_0001 "Windows 10 RS4",
        V5_2 = 0x0005_0002 "Windows 10 RS5",
        V5_3 = 0x0005_0003 "Iron",
        V6_0 = 0x0006_0000 "Copper",
    }
}

impl Version {
    /// Major and minor number.
    #[must_use]
    pub fn number(self) -> (u16, u16) {
        let [minor_low, minor_high, major_low, major_high] = self.0.to_le_bytes();
        (u16::from_le_bytes([major_low, major_high]), u16::from_le_bytes([minor_low, minor_high]))
    }
}

/// The flags of an offered channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ChannelFlags(pub u16);

impl ChannelFlags {
    /// The channel is a pipe, which [`OfferChannel::user_data`] tells more of.
    pub const NAMED_PIPE_MODE: Self = Self(0x10);

    /// True where all bits of `flags` are set.
    #[must_use]
    pub fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// The names of the flags that are set; a bit without one shows as `0x0020`.
    #[must_use]
    pub fn names(self) -> Vec<String> {
        let set = (0..u16::BITS).map(|bit| 1 << bit).filter(|bit| self.0 & bit != 0);
        set.map(|bit| match FLAG_NAMES.iter().find(|(flag, _)| *flag == bit) {
            Some((_, name)) => (*name).to_owned(),
            None => format!("{bit:#06x}"),
        })
        .collect()
    }
}

const FLAG_NAMES: [(u16, &str); 6] = [
    (0x1, "enumerate_device_interface"),
    (0x2, "confidential_ring_buffer"),
    (0x4, "confidential_external_memory"),
    (0x8, "pinned"),
    (0x10, "named_pipe_mode"),
    (0x2000, "hvsocket"),
];

impl Field for ChannelFlags {
    fn read<'a>(name: &'static str, input: &'a [u8]) -> Parsed<'a, Self> {
        let (input, bits) = Field::read(name, input)?;
        Ok((input, Self(bits)))
    }

    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }
}

impl OfferChannel {
    /// The type of the pipe at offset 60; `None` for a channel that is no pipe.
    #[must_use]
    pub fn pipe_type(&self) -> Option<u32> {
        let [a, b, c, d, ..] = self.user_data;
        self.flags.has(ChannelFlags::NAMED_PIPE_MODE).then_some(u32::from_le_bytes([a, b, c, d]))
    }

    /// How the pipe is read; `None` for a channel that is no pipe, or a pipe of another type.
    #[must_use]
    pub fn pipe_mode(&self) -> Option<PipeMode> {
        self.pipe_type().and_then(PipeMode::of)
    }

    /// The flags of the pipe at offset 176 (bit 0, memory of the guest is used directly); `None` for a channel that is no
    /// pipe.
    #[must_use]
    pub fn pipe_flags(&self) -> Option<u32> {
        let [.., a, b, c, d] = self.user_data;
        self.flags.has(ChannelFlags::NAMED_PIPE_MODE).then_some(u32::from_le_bytes([a, b, c, d]))
    }
}

impl Contact {
    /// Offset 16 as what it is from version 5.0 on.
    #[must_use]
    pub fn target_info(&self) -> TargetInfo {
        let [sint, vtl, p0, p1, f0, f1, f2, f3] = self.interrupt_page_or_target_info.to_le_bytes();
        let padding = u16::from_le_bytes([p0, p1]);
        TargetInfo { sint, vtl, padding, feature_flags: u32::from_le_bytes([f0, f1, f2, f3]) }
    }
}

impl Message {
    /// A message with nothing behind its body. [`Body::Opaque`] has no type: it gets 0.
    #[must_use]
    pub fn new(body: Body) -> Self {
        Self { kind: body.kind(), padding: 0, body, excess: Vec::new() }
    }

    /// Reads a message; bytes behind its body are kept.
    ///
    /// # Errors
    /// Fewer bytes than the header or the body takes, or more than [`MAX_LEN`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        match Self::parse_lax(bytes)? {
            (message, None) => Ok(message),
            (_, Some(error)) => Err(error),
        }
    }

    /// Reads a message; of one whose body is too short, type and bytes, and where they end.
    ///
    /// # Errors
    /// Fewer bytes than the header takes, or more than [`MAX_LEN`].
    pub fn parse_lax(bytes: &[u8]) -> Result<(Self, Option<Error>), Error> {
        if bytes.len() > MAX_LEN {
            let kind = ErrorKind::Length {
                declared: bytes.len() as u64,
                least: HEADER_LEN as u64,
                most: MAX_LEN as u64,
            };
            return Err(Error { layer: LAYER, field: "message", offset: 0, kind });
        }
        let (rest, (kind, padding)) = read::finish(LAYER, bytes, header(bytes))?;
        let layer = kind.name().unwrap_or(LAYER);
        Ok(match read::finish(layer, bytes, body(kind, rest)) {
            Ok((excess, body)) => (Self { kind, padding, body, excess: excess.to_vec() }, None),
            Err(error) => (Self { kind, padding, body: Body::Opaque, excess: rest.to_vec() }, Some(error)),
        })
    }

    /// The bytes of the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(MAX_LEN);
        self.kind.put(&mut out);
        self.padding.put(&mut out);
        self.body.put(&mut out);
        out.extend_from_slice(&self.excess);
        out
    }

    /// The channel that the message is about.
    #[must_use]
    pub fn channel_id(&self) -> Option<u32> {
        Some(match &self.body {
            Body::OfferChannel(body) => body.channel_id,
            Body::RescindChannelOffer(body) => body.channel_id,
            Body::OpenChannel(body) => body.request.channel_id,
            Body::OpenChannelResult(body) => body.channel_id,
            Body::CloseChannel(body) => body.channel_id,
            Body::GpadlHeader(body) => body.channel_id,
            Body::GpadlCreated(body) => body.channel_id,
            Body::GpadlTeardown(body) => body.channel_id,
            Body::RelIdReleased(body) => body.channel_id,
            Body::OpenReservedChannel(body) => body.channel_id,
            Body::CloseReservedChannel(body) => body.channel_id,
            Body::CloseReservedResponse(body) => body.channel_id,
            Body::ModifyChannel(body) => body.channel_id,
            Body::ModifyChannelResponse(body) => body.channel_id,
            _ => return None,
        })
    }

    /// The GPADL that the message is about.
    #[must_use]
    pub fn gpadl_id(&self) -> Option<u32> {
        Some(match &self.body {
            Body::OpenChannel(body) => body.request.ring_gpadl_id,
            Body::GpadlHeader(body) => body.gpadl_id,
            Body::GpadlBody(body) => body.gpadl_id,
            Body::GpadlCreated(body) => body.gpadl_id,
            Body::GpadlTeardown(body) => body.gpadl_id,
            Body::GpadlTorndown(body) => body.gpadl_id,
            Body::OpenReservedChannel(body) => body.ring_gpadl_id,
            _ => return None,
        })
    }
}

impl Body {
    /// The type of a message with this body; 0 for [`Self::Opaque`].
    #[must_use]
    pub fn kind(&self) -> MessageType {
        match self {
            Self::OfferChannel(_) => MessageType::OFFER_CHANNEL,
            Self::RescindChannelOffer(_) => MessageType::RESCIND_CHANNEL_OFFER,
            Self::RequestOffers => MessageType::REQUEST_OFFERS,
            Self::AllOffersDelivered => MessageType::ALL_OFFERS_DELIVERED,
            Self::OpenChannel(_) => MessageType::OPEN_CHANNEL,
            Self::OpenChannelResult(_) => MessageType::OPEN_CHANNEL_RESULT,
            Self::CloseChannel(_) => MessageType::CLOSE_CHANNEL,
            Self::GpadlHeader(_) => MessageType::GPADL_HEADER,
            Self::GpadlBody(_) => MessageType::GPADL_BODY,
            Self::GpadlCreated(_) => MessageType::GPADL_CREATED,
            Self::GpadlTeardown(_) => MessageType::GPADL_TEARDOWN,
            Self::GpadlTorndown(_) => MessageType::GPADL_TORNDOWN,
            Self::RelIdReleased(_) => MessageType::REL_ID_RELEASED,
            Self::InitiateContact(_) => MessageType::INITIATE_CONTACT,
            Self::VersionResponse(_) => MessageType::VERSION_RESPONSE,
            Self::Unload => MessageType::UNLOAD,
            Self::UnloadComplete => MessageType::UNLOAD_COMPLETE,
            Self::OpenReservedChannel(_) => MessageType::OPEN_RESERVED_CHANNEL,
            Self::CloseReservedChannel(_) => MessageType::CLOSE_RESERVED_CHANNEL,
            Self::CloseReservedResponse(_) => MessageType::CLOSE_RESERVED_RESPONSE,
            Self::TlConnectRequest(_) => MessageType::TL_CONNECT_REQUEST,
            Self::ModifyChannel(_) => MessageType::MODIFY_CHANNEL,
            Self::TlConnectResult(_) => MessageType::TL_CONNECT_RESULT,
            Self::ModifyChannelResponse(_) => MessageType::MODIFY_CHANNEL_RESPONSE,
            Self::ModifyConnection(_) => MessageType::MODIFY_CONNECTION,
            Self::ModifyConnectionResponse(_) => MessageType::MODIFY_CONNECTION_RESPONSE,
            Self::Pause => MessageType::PAUSE,
            Self::PauseResponse => MessageType::PAUSE_RESPONSE,
            Self::Resume => MessageType::RESUME,
            Self::Opaque => MessageType(0),
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::OfferChannel(body) => body.put(out),
            Self::RescindChannelOffer(body) => body.put(out),
            Self::OpenChannel(body) => {
                body.request.put(out);
                body.signal.iter().for_each(|signal| signal.put(out));
            }
            Self::OpenChannelResult(body) => body.put(out),
            Self::CloseChannel(body) => body.put(out),
            Self::GpadlHeader(body) => {
                body.channel_id.put(out);
                body.gpadl_id.put(out);
                body.byte_length.put(out);
                body.range_count.put(out);
                body.values.iter().for_each(|value| value.put(out));
            }
            Self::GpadlBody(body) => {
                body.number.put(out);
                body.gpadl_id.put(out);
                body.values.iter().for_each(|value| value.put(out));
            }
            Self::GpadlCreated(body) => body.put(out),
            Self::GpadlTeardown(body) => body.put(out),
            Self::GpadlTorndown(body) => body.put(out),
            Self::RelIdReleased(body) => body.put(out),
            Self::InitiateContact(body) => {
                body.contact.put(out);
                body.client_id.iter().for_each(|id| id.put(out));
            }
            Self::VersionResponse(body) => {
                body.answer.put(out);
                body.supported_features.iter().for_each(|features| features.put(out));
                body.monitor_pages.iter().for_each(|pages| pages.put(out));
            }
            Self::OpenReservedChannel(body) => body.put(out),
            Self::CloseReservedChannel(body) => body.put(out),
            Self::CloseReservedResponse(body) => body.put(out),
            Self::TlConnectRequest(body) => {
                body.connection.put(out);
                body.silo_id.iter().for_each(|id| id.put(out));
            }
            Self::ModifyChannel(body) => body.put(out),
            Self::TlConnectResult(body) => body.put(out),
            Self::ModifyChannelResponse(body) => body.put(out),
            Self::ModifyConnection(body) => body.put(out),
            Self::ModifyConnectionResponse(body) => body.put(out),
            Self::RequestOffers
            | Self::AllOffersDelivered
            | Self::Unload
            | Self::UnloadComplete
            | Self::Pause
            | Self::PauseResponse
            | Self::Resume
            | Self::Opaque => {}
        }
    }
}

fn header(input: &[u8]) -> Parsed<'_, (MessageType, u32)> {
    let (input, kind) = Field::read("type", input)?;
    let (input, padding) = Field::read("padding", input)?;
    Ok((input, (kind, padding)))
}

fn body(kind: MessageType, input: &[u8]) -> Parsed<'_, Body> {
    macro_rules! read {
        ($name:ident) => {
            $name::read(input).map(|(rest, body)| (rest, Body::$name(body)))
        };
    }
    match kind {
        MessageType::OFFER_CHANNEL => read!(OfferChannel),
        MessageType::RESCIND_CHANNEL_OFFER => read!(RescindChannelOffer),
        MessageType::REQUEST_OFFERS => Ok((input, Body::RequestOffers)),
        MessageType::ALL_OFFERS_DELIVERED => Ok((input, Body::AllOffersDelivered)),
        MessageType::OPEN_CHANNEL => {
            let (input, request) = OpenRequest::read(input)?;
            let (input, signal) = if_there(input, OpenSignal::read);
            Ok((input, Body::OpenChannel(OpenChannel { request, signal })))
        }
        MessageType::OPEN_CHANNEL_RESULT => read!(OpenChannelResult),
        MessageType::CLOSE_CHANNEL => read!(CloseChannel),
        MessageType::GPADL_HEADER => {
            let (input, channel_id) = Field::read("channel_id", input)?;
            let (input, gpadl_id) = Field::read("gpadl_id", input)?;
            let (input, byte_length) = Field::read("byte_length", input)?;
            let (input, range_count) = Field::read("range_count", input)?;
            let (input, values) = values(input);
            let header = GpadlHeader { channel_id, gpadl_id, byte_length, range_count, values };
            Ok((input, Body::GpadlHeader(header)))
        }
        MessageType::GPADL_BODY => {
            let (input, number) = Field::read("number", input)?;
            let (input, gpadl_id) = Field::read("gpadl_id", input)?;
            let (input, values) = values(input);
            Ok((input, Body::GpadlBody(GpadlBody { number, gpadl_id, values })))
        }
        MessageType::GPADL_CREATED => read!(GpadlCreated),
        MessageType::GPADL_TEARDOWN => read!(GpadlTeardown),
        MessageType::GPADL_TORNDOWN => read!(GpadlTorndown),
        MessageType::REL_ID_RELEASED => read!(RelIdReleased),
        MessageType::INITIATE_CONTACT => {
            let (input, contact) = Contact::read(input)?;
            let (input, client_id) = if_there(input, |input| Field::read("client_id", input));
            Ok((input, Body::InitiateContact(InitiateContact { contact, client_id })))
        }
        MessageType::VERSION_RESPONSE => {
            let (input, answer) = VersionAnswer::read(input)?;
            let (input, supported_features) =
                if_there(input, |input| Field::read("supported_features", input));
            let (input, monitor_pages) = if_there(input, MonitorPages::read);
            let body = VersionResponse { answer, supported_features, monitor_pages };
            Ok((input, Body::VersionResponse(body)))
        }
        MessageType::UNLOAD => Ok((input, Body::Unload)),
        MessageType::UNLOAD_COMPLETE => Ok((input, Body::UnloadComplete)),
        MessageType::OPEN_RESERVED_CHANNEL => read!(OpenReservedChannel),
        MessageType::CLOSE_RESERVED_CHANNEL => read!(CloseReservedChannel),
        MessageType::CLOSE_RESERVED_RESPONSE => read!(CloseReservedResponse),
        MessageType::TL_CONNECT_REQUEST => {
            let (input, connection) = TlConnection::read(input)?;
            let (input, silo_id) = if_there(input, |input| Field::read("silo_id", input));
            Ok((input, Body::TlConnectRequest(TlConnectRequest { connection, silo_id })))
        }
        MessageType::MODIFY_CHANNEL => read!(ModifyChannel),
        MessageType::TL_CONNECT_RESULT => read!(TlConnectResult),
        MessageType::MODIFY_CHANNEL_RESPONSE => read!(ModifyChannelResponse),
        MessageType::MODIFY_CONNECTION => read!(ModifyConnection),
        MessageType::MODIFY_CONNECTION_RESPONSE => read!(ModifyConnectionResponse),
        MessageType::PAUSE => Ok((input, Body::Pause)),
        MessageType::PAUSE_RESPONSE => Ok((input, Body::PauseResponse)),
        MessageType::RESUME => Ok((input, Body::Resume)),
        _ => Ok((input, Body::Opaque)),
    }
}

/// What a newer form adds, where all of it is there.
fn if_there<'a, T>(input: &'a [u8], parse: impl FnOnce(&'a [u8]) -> Parsed<'a, T>) -> (&'a [u8], Option<T>) {
    match parse(input) {
        Ok((rest, value)) => (rest, Some(value)),
        Err(_) => (input, None),
    }
}

/// The whole values of what is left.
fn values(input: &[u8]) -> (&[u8], Vec<u64>) {
    let (values, rest) = input.as_chunks();
    (rest, values.iter().map(|value| u64::from_le_bytes(*value)).collect())
}

const LAYER: &str = "control message";
