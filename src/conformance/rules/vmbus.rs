use crate::capture::Stamp;
use crate::trace::{ChannelRecord, ControlRecord, GuestExchange};
use crate::vmbus::control::{Body, MessageType};
use crate::vmbus::kvp::{self, KEY_LEN, Pair, VALUE_LEN, ValueType};
use crate::vmbus::{
    ChannelClass, ChannelFlags, ChannelState, Content, Direction, GpadlRecord, ModeSource, PipeMode,
    Protocol, Traffic, ic, synthrdp,
};

use super::super::rule::{About, Family, Judgement, Level, Rule, Subject};
use super::judgements::{each, of};

use Judgement::NotApplicable;

/// VMBus: channels, rings, pipes, and what is said in them.
pub(super) const FAMILY: Family =
    Family { name: "vmbus", title: "VMBus: channels, rings, pipes, and what is said in them", rules: RULES };

const RULES: &[Rule] = &[
    Rule {
        id: "VMBUS-TYPE",
        title: "A control message is of a known type",
        level: Level::Observed,
        authority: "Observed: Microsoft's openvmm, vmbus_core (protocol), knows types 1 to 29",
        looks_at: "The type of each control message.",
        holds: "It is one of 1 to 29.",
        about: About::Sender,
        tags: &["control"],
        subject: Subject::Control(type_known),
    },
    Rule {
        id: "VMBUS-LENGTH",
        title: "A control message is as long as its type takes",
        level: Level::Must,
        authority: "Microsoft's openvmm, vmbus_core (protocol), which refuses shorter ones; Linux' hyperv.h",
        looks_at: "Each control message of a known type.",
        holds: "No byte of its body is missing.",
        about: About::Sender,
        tags: &["control"],
        subject: Subject::Control(length),
    },
    Rule {
        id: "VMBUS-PADDING",
        title: "The padding of a control message is zero",
        level: Level::Should,
        authority: "Microsoft's openvmm, vmbus_core (MessageHeader), and Linux' hyperv.h (vmbus_channel_message_header)",
        looks_at: "Bytes 4 to 7 of each control message.",
        holds: "They are zero.",
        about: About::Sender,
        tags: &["control"],
        subject: Subject::Control(padding),
    },
    Rule {
        id: "VMBUS-DIRECTION",
        title: "A control message goes the way of its type",
        level: Level::Must,
        authority: "Microsoft's openvmm, vmbus_server (channels) and vmbus_client: who reads which control message",
        looks_at: "The direction of each control message of a known type.",
        holds: "It is the one of its type: offers and results go to the guest, requests to the host.",
        about: About::Sender,
        tags: &["control"],
        subject: Subject::Control(direction),
    },
    Rule {
        id: "VMBUS-OFFER-RESERVED",
        title: "The reserved bytes of an offer are zero",
        level: Level::Should,
        authority: "Linux' hyperv.h (vmbus_channel_offer: not used); Microsoft's openvmm, vmbus_core (OfferChannel: reserved)",
        looks_at: "Bytes 40 to 55 of each offer.",
        holds: "They are zero.",
        about: About::Server,
        tags: &["control", "offer"],
        subject: Subject::Control(offer_reserved),
    },
    Rule {
        id: "VMBUS-OFFER-FLAGS",
        title: "An offer has known flags",
        level: Level::Observed,
        authority: "Observed: Microsoft's openvmm, vmbus_core (OfferFlags), and Linux' hyperv.h (VMBUS_CHANNEL_*)",
        looks_at: "The flags of each offer.",
        holds: "No other bits than 0x1, 0x2, 0x4, 0x8, 0x10, 0x100, 0x200, 0x400 and 0x2000 are set.",
        about: About::Server,
        tags: &["control", "offer"],
        subject: Subject::Control(offer_flags),
    },
    Rule {
        id: "VMBUS-OFFER-PIPE",
        title: "An offered pipe is in byte or message mode",
        level: Level::Should,
        authority: "Microsoft's openvmm, vmbus_core (PipeType); Linux' hyperv.h (VMBUS_PIPE_TYPE_*)",
        looks_at: "The pipe type of each offer of a named pipe.",
        holds: "It is 0 (bytes) or 4 (messages).",
        about: About::Server,
        tags: &["control", "offer", "pipe"],
        subject: Subject::Control(offer_pipe),
    },
    Rule {
        id: "VMBUS-OFFER-ID",
        title: "A channel is offered under an id",
        level: Level::Must,
        authority: "Microsoft's openvmm, vmbus_server (channels), counts ids from 1; Linux' vmbus_drv.c passes over id 0",
        looks_at: "The channel id of each offer.",
        holds: "It is not 0.",
        about: About::Server,
        tags: &["control", "offer"],
        subject: Subject::Control(offer_id),
    },
    Rule {
        id: "VMBUS-OFFER-BITS",
        title: "The unused bits of an offer are zero",
        level: Level::Should,
        authority: "Linux' hyperv.h (vmbus_channel_offer_channel: reserved bits)",
        looks_at: "Bits 1 to 7 of monitor_allocated and 1 to 15 of is_dedicated of each offer.",
        holds: "They are zero.",
        about: About::Server,
        tags: &["control", "offer"],
        subject: Subject::Control(offer_bits),
    },
    Rule {
        id: "VMBUS-OFFER-INSTANCE",
        title: "A channel of a known class is its known instance",
        level: Level::Observed,
        authority: "Observed: KB2925727; Microsoft's openvmm, hyperv_ic_protocol (kvp)",
        looks_at: "The GUID of the instance of each offer of a class that has one instance.",
        holds: "It is that instance's.",
        about: About::Server,
        tags: &["control", "offer", "guid", "avma"],
        subject: Subject::Control(offer_instance),
    },
    Rule {
        id: "VMBUS-OFFER-CLASS",
        title: "A known instance is of its class",
        level: Level::Observed,
        authority: "Observed: KB2925727; Microsoft's openvmm, hyperv_ic_protocol (kvp)",
        looks_at: "The GUID of the class of each offer of a known instance, where the class is not known by itself.",
        holds: "It is the GUID of that instance's class.",
        about: About::Server,
        tags: &["control", "offer", "guid", "avma"],
        subject: Subject::Control(offer_class),
    },
    Rule {
        id: "VMBUS-OPEN-PAGE",
        title: "Both rings of a channel have a control page and data",
        level: Level::Must,
        authority: "Microsoft's openvmm, vmbus_channel (gpadl_ring) and vmbus_ring; Linux' hyperv.h (hv_ring_buffer)",
        looks_at: "The page at which the ring to the guest begins, in each request to open a channel.",
        holds: "It is 2 at least.",
        about: About::Client,
        tags: &["control", "open", "ring"],
        subject: Subject::Control(open_page),
    },
    Rule {
        id: "VMBUS-VERSION-KNOWN",
        title: "A known version of the bus is asked for",
        level: Level::Observed,
        authority: "Observed: Microsoft's openvmm, vmbus_core (Version)",
        looks_at: "The version of each initiate_contact.",
        holds: "It is one of 0.13, 1.1, 2.4, 3.0, 4.0, 4.1, 5.0 to 5.3 and 6.0.",
        about: About::Client,
        tags: &["control", "version"],
        subject: Subject::Control(version_known),
    },
    Rule {
        id: "VMBUS-VERSION-ANSWER",
        title: "A version is supported or not",
        level: Level::Should,
        authority: "Microsoft's openvmm, vmbus_server, which sends 0 or 1; its vmbus_client takes any other number for 1",
        looks_at: "The first byte of each version_response's body.",
        holds: "It is 0 or 1.",
        about: About::Server,
        tags: &["control", "version"],
        subject: Subject::Control(version_answer),
    },
    Rule {
        id: "VMBUS-GPADL-LENGTH",
        title: "A GPADL is announced with whole values and a range",
        level: Level::Should,
        authority: "Linux' channel.c (create_gpadl_header); Microsoft's openvmm, vmbus_server, refuses a length of 0 alone",
        looks_at: "The byte length and the range count of each gpadl_header.",
        holds: "The length is a multiple of 8 and not 0, and there is at least one range.",
        about: About::Client,
        tags: &["control", "gpadl"],
        subject: Subject::Control(gpadl_length),
    },
    Rule {
        id: "VMBUS-GPADL-ID",
        title: "A GPADL has an id",
        level: Level::Observed,
        authority: "Observed: Linux' channel.c, where a handle of 0 stands for no GPADL",
        looks_at: "The id of each GPADL that a gpadl_header describes.",
        holds: "It is not 0.",
        about: About::Client,
        tags: &["control", "gpadl"],
        subject: Subject::Control(gpadl_id),
    },
    Rule {
        id: "VMBUS-OPEN-AFTER-RESCIND",
        title: "A channel that was taken back is not opened",
        level: Level::Should,
        authority: "Microsoft's openvmm, vmbus_server (channels): passed over once rescinded, refused once released",
        looks_at: "What became of each channel after it was rescinded or released.",
        holds: "It is not opened before it is offered again.",
        about: About::Client,
        tags: &["channel", "open"],
        subject: Subject::Channel(open_after_rescind),
    },
    Rule {
        id: "VMBUS-OPEN-TWICE",
        title: "A channel that is open or being opened is not opened again",
        level: Level::Must,
        authority: "Microsoft's openvmm, vmbus_server (channels), which refuses it: the channel is already open",
        looks_at: "What each channel was when the guest asked to open it.",
        holds: "It is neither open nor being opened.",
        about: About::Client,
        tags: &["channel", "open"],
        subject: Subject::Channel(open_twice),
    },
    Rule {
        id: "VMBUS-OPEN-ASKED",
        title: "A channel is open once the guest has asked for it",
        level: Level::Must,
        authority: "Microsoft's openvmm, vmbus_client, which passes over a result that it does not wait for",
        looks_at: "What each channel was when the host said that it is open, or not.",
        holds: "The guest had asked to open it.",
        about: About::Server,
        tags: &["channel", "open"],
        subject: Subject::Channel(open_asked),
    },
    Rule {
        id: "VMBUS-CLOSE-OPEN",
        title: "A channel that is closed was open",
        level: Level::Must,
        authority: "Microsoft's openvmm, vmbus_server (channels), which refuses it: the channel is not open",
        looks_at: "What each channel was when the guest closed it.",
        holds: "It was open, being opened, or rescinded.",
        about: About::Client,
        tags: &["channel"],
        subject: Subject::Channel(close_open),
    },
    Rule {
        id: "VMBUS-RELEASE-RESCINDED",
        title: "A channel's id is released once it was taken back",
        level: Level::Should,
        authority: "Microsoft's openvmm, vmbus_client; its vmbus_server takes the release of any closed channel",
        looks_at: "What each channel was when the guest released its id.",
        holds: "It was rescinded, or closed after that.",
        about: About::Client,
        tags: &["channel"],
        subject: Subject::Channel(release_rescinded),
    },
    Rule {
        id: "VMBUS-RESCIND-RELEASED",
        title: "An id is not offered again before the guest has released it",
        level: Level::Must,
        authority: "Microsoft's openvmm, vmbus_server (channels): a revoked channel's id is kept until it is released",
        looks_at: "What each channel was when the same id was offered again after it was rescinded.",
        holds: "The guest had released it.",
        about: About::Server,
        tags: &["channel", "offer"],
        subject: Subject::Channel(rescind_released),
    },
    Rule {
        id: "VMBUS-PACKETS-OPEN",
        title: "Packets go through open channels only",
        level: Level::Must,
        authority: "Linux' hyperv.h (vmbus_channel_open_channel): the rings are in the memory that opening names",
        looks_at: "The packets of each channel whose offer was seen, and that the guest has asked to open.",
        holds: "There are none unless the channel was open.",
        about: About::Sender,
        tags: &["channel", "ring"],
        subject: Subject::Channel(packets_open),
    },
    Rule {
        id: "VMBUS-OPEN-GPADL",
        title: "A channel is opened with memory that the host has taken",
        level: Level::Must,
        authority: "Linux' hyperv.h (vmbus_channel_open_channel): the handle of the GPADL of the rings",
        looks_at: "The GPADLs of each channel that was opened, where any were seen.",
        holds: "The host has created one of them.",
        about: About::Client,
        tags: &["channel", "gpadl", "open"],
        subject: Subject::Channel(open_gpadl),
    },
    Rule {
        id: "VMBUS-GPADL-COMPLETE",
        title: "A GPADL that the host takes is complete",
        level: Level::Must,
        authority: "Microsoft's openvmm, vmbus_server (channels) and vmbus_ring (gparange); Linux' hyperv.h",
        looks_at: "The ranges and page numbers of each GPADL that the host has created.",
        holds: "All that were announced have come.",
        about: About::Client,
        tags: &["channel", "gpadl"],
        subject: Subject::Channel(gpadl_complete),
    },
    Rule {
        id: "VMBUS-GPADL-VALUES",
        title: "A GPADL has the values that it was announced with",
        level: Level::Must,
        authority: "Microsoft's openvmm, vmbus_server (channels): it waits for the length that is announced",
        looks_at: "The values of each complete GPADL.",
        holds: "They have the bytes that its header says, or more: a last message may be filled up.",
        about: About::Client,
        tags: &["channel", "gpadl"],
        subject: Subject::Channel(gpadl_values),
    },
    Rule {
        id: "VMBUS-GPADL-TORN-DOWN",
        title: "A released channel keeps no GPADL",
        level: Level::Observed,
        authority: "Observed: Linux' channel.c (vmbus_close), of channels that were not rescinded",
        looks_at: "The GPADLs of each channel whose id the guest has released last.",
        holds: "Those that the host had created are torn down.",
        about: About::Client,
        tags: &["channel", "gpadl"],
        subject: Subject::Channel(gpadl_torn_down),
    },
    Rule {
        id: "VMBUS-AVMA-MODE",
        title: "The AVMA channel is a pipe in message mode",
        level: Level::May,
        authority: "Not documented: no public source has the mode of this channel",
        looks_at: "The pipe mode in the offer of each AVMA channel.",
        holds: "It is message mode.",
        about: About::Server,
        tags: &["channel", "avma", "pipe"],
        subject: Subject::Channel(avma_mode),
    },
    Rule {
        id: "RING-PACKET",
        title: "A packet of a ring can be read",
        level: Level::Must,
        authority: "Microsoft's openvmm, vmbus_ring, which refuses other lengths, and vmbus_async (pipe)",
        looks_at: "The packets of each channel.",
        holds: "Offsets and lengths fit each other, and a pipe's packets have a pipe's header of a known type.",
        about: About::Sender,
        tags: &["ring"],
        subject: Subject::Channel(ring_packet),
    },
    Rule {
        id: "RING-PACKET-TYPE",
        title: "A packet of a ring is of a known type",
        level: Level::Observed,
        authority: "Observed: Microsoft's openvmm, vmbus_ring, reads 6, 7, 9 and 11; Linux' hyperv.h names 1 to 13",
        looks_at: "The types of the packets of each channel.",
        holds: "They are 6, 7, 9 or 11.",
        about: About::Sender,
        tags: &["ring"],
        subject: Subject::Channel(ring_packet_type),
    },
    Rule {
        id: "RING-FOOTER",
        title: "A packet's footer names the packet's place",
        level: Level::Should,
        authority: "Microsoft's openvmm, vmbus_ring (Footer); Linux' ring_buffer.c (hv_ringbuffer_write)",
        looks_at: "The footers of each channel's packets whose place in the ring is known.",
        holds: "Each has the offset of its packet.",
        about: About::Sender,
        tags: &["ring"],
        subject: Subject::Channel(ring_footer),
    },
    Rule {
        id: "RING-COMPLETION",
        title: "A completion answers a packet that wanted one",
        level: Level::Should,
        authority: "Microsoft's openvmm, vmbus_ring: only a packet with bit 0 of its flags can be completed",
        looks_at: "The completions that went each way of each channel whose opening was seen.",
        holds: "They are not more than the packets of the other way that wanted one.",
        about: About::Sender,
        tags: &["ring"],
        subject: Subject::Channel(ring_completion),
    },
    Rule {
        id: "PIPE-MESSAGE",
        title: "A pipe's message is as its header says",
        level: Level::Must,
        authority: "Microsoft's openvmm, vmbus_ring (PipeHeader, 16384 bytes at most); Linux' hyperv.h (MAX_PIPE_DATA_PAYLOAD)",
        looks_at: "The packets of each message of a pipe.",
        holds: "Their lengths are 16384 at most, and all of their bytes are there.",
        about: About::Sender,
        tags: &["pipe"],
        subject: Subject::Guest(pipe_message),
    },
    Rule {
        id: "RDP-TYPE",
        title: "A remote desktop control message is of a known type",
        level: Level::Should,
        authority: "Mile.HyperV, a community header from the symbols of Windows' rdpcorets.dll: SYNTHRDP_*",
        looks_at: "The type of each message in a remote desktop control channel.",
        holds: "It is 0 (an error), 1 (a request) or 2 (a response).",
        about: About::Sender,
        tags: &["synthrdp"],
        subject: Subject::Guest(rdp_type),
    },
    Rule {
        id: "RDP-SIZE",
        title: "A remote desktop control message says its size",
        level: Level::Should,
        authority: "Mile.HyperV, a community header from the symbols of Windows' rdpcorets.dll: SYNTHRDP_*",
        looks_at: "The size of each message in a remote desktop control channel.",
        holds: "It is 16 in a request and 17 in a response.",
        about: About::Sender,
        tags: &["synthrdp"],
        subject: Subject::Guest(rdp_size),
    },
    Rule {
        id: "RDP-VERSION",
        title: "A response repeats the version that was asked for",
        level: Level::May,
        authority: "Not documented: Mile.HyperV, a community header, has a version in both messages",
        looks_at: "The versions of each request and its response in a remote desktop control channel.",
        holds: "They are equal.",
        about: About::Server,
        tags: &["synthrdp"],
        subject: Subject::Guest(rdp_version),
    },
    Rule {
        id: "RDP-RESERVED",
        title: "The reserved field of a remote desktop control message is zero",
        level: Level::Observed,
        authority: "Observed: Mile.HyperV, a community header from the symbols of Windows' rdpcorets.dll: SYNTHRDP_*",
        looks_at: "Bytes 12 to 15 of each message in a remote desktop control channel.",
        holds: "They are zero.",
        about: About::Sender,
        tags: &["synthrdp"],
        subject: Subject::Guest(rdp_reserved),
    },
    Rule {
        id: "RDP-ACCEPTED",
        title: "A version is accepted or not",
        level: Level::Should,
        authority: "Mile.HyperV, a community header from the symbols of Windows' rdpcorets.dll: SYNTHRDP_*",
        looks_at: "The last byte of each response in a remote desktop control channel.",
        holds: "It is 0 or 1.",
        about: About::Server,
        tags: &["synthrdp"],
        subject: Subject::Guest(rdp_accepted),
    },
    Rule {
        id: "KVP-READABLE",
        title: "A message of key-value pairs is whole",
        level: Level::Must,
        authority: "Microsoft's openvmm, hyperv_ic, which refuses shorter ones; Linux' hyperv.h (icmsg_hdr, hv_kvp_msg)",
        looks_at: "Each message in a channel of key-value pairs.",
        holds: "No byte of its header, its key or its value is missing.",
        about: About::Sender,
        tags: &["kvp"],
        subject: Subject::Guest(kvp_readable),
    },
    Rule {
        id: "KVP-TYPE",
        title: "A message is of versions or of key-value pairs",
        level: Level::Must,
        authority: "Linux' hv_kvp.c, which passes over others; Microsoft's openvmm, hyperv_ic_protocol (MessageType)",
        looks_at: "The type of each message in a channel of key-value pairs.",
        holds: "It is 0 (negotiate) or 2 (key-value pairs).",
        about: About::Sender,
        tags: &["kvp"],
        subject: Subject::Guest(kvp_type),
    },
    Rule {
        id: "KVP-SIZE",
        title: "A message is as long as it says",
        level: Level::Must,
        authority: "Microsoft's openvmm, hyperv_ic (common), which refuses a greater size",
        looks_at: "The size in the header of each message in a channel of key-value pairs.",
        holds: "It is no more than there are bytes behind the header.",
        about: About::Sender,
        tags: &["kvp"],
        subject: Subject::Guest(kvp_size),
    },
    Rule {
        id: "KVP-DIRECTION",
        title: "The host asks and the guest answers",
        level: Level::Must,
        authority: "Microsoft's openvmm, hyperv_ic (common): the guest's messages are responses",
        looks_at: "The direction of each request and response in a channel of key-value pairs.",
        holds: "Requests go to the guest, responses to the host.",
        about: About::Sender,
        tags: &["kvp"],
        subject: Subject::Guest(kvp_direction),
    },
    Rule {
        id: "KVP-TRANSACTION",
        title: "A response repeats its request's transaction",
        level: Level::Must,
        authority: "Microsoft's openvmm, hyperv_ic_protocol (Header) and hyperv_ic (common), which refuses another one",
        looks_at: "The transactions of each request and its response in a channel of key-value pairs.",
        holds: "They are equal.",
        about: About::Client,
        tags: &["kvp"],
        subject: Subject::Guest(kvp_transaction),
    },
    Rule {
        id: "KVP-OPERATION",
        title: "A request is a known operation",
        level: Level::Should,
        authority: "Linux' uapi hyperv.h (hv_kvp_exchg_op); Microsoft's openvmm, hyperv_ic_protocol (KvpOperation)",
        looks_at: "The operation of each request about key-value pairs.",
        holds: "It is 0 to 5.",
        about: About::Server,
        tags: &["kvp"],
        subject: Subject::Guest(kvp_operation),
    },
    Rule {
        id: "KVP-POOL",
        title: "A request is about a known pool",
        level: Level::Should,
        authority: "Linux' uapi hyperv.h (hv_kvp_exchg_pool); Microsoft's openvmm, hyperv_ic_protocol (KvpPool: up to 3)",
        looks_at: "The pool of each request about key-value pairs.",
        holds: "It is 0 to 4.",
        about: About::Server,
        tags: &["kvp"],
        subject: Subject::Guest(kvp_pool),
    },
    Rule {
        id: "KVP-ECHO",
        title: "A response is about what was asked",
        level: Level::Should,
        authority: "Linux' hv_kvp.c: the message of the request is sent back",
        looks_at: "The operation and the pool of each request about key-value pairs and of its response.",
        holds: "They are equal.",
        about: About::Client,
        tags: &["kvp"],
        subject: Subject::Guest(kvp_echo),
    },
    Rule {
        id: "KVP-KEY-SIZE",
        title: "A key is text that fits its field",
        level: Level::Must,
        authority: "Microsoft's openvmm, hyperv_ic (kvp), which refuses others; Linux' uapi hyperv.h",
        looks_at: "The size of each key.",
        holds: "It is even, and 512 at most.",
        about: About::Sender,
        tags: &["kvp"],
        subject: Subject::Guest(kvp_key_size),
    },
    Rule {
        id: "KVP-VALUE-SIZE",
        title: "A value fits its field",
        level: Level::Must,
        authority: "Microsoft's openvmm, hyperv_ic (kvp), which refuses others; Linux' uapi hyperv.h",
        looks_at: "The size of each value.",
        holds: "It is 2048 at most, and even in text.",
        about: About::Sender,
        tags: &["kvp"],
        subject: Subject::Guest(kvp_value_size),
    },
    Rule {
        id: "KVP-KEY-END",
        title: "A key has its terminator counted",
        level: Level::Should,
        authority: "Microsoft's openvmm, hyperv_ic_protocol (kvp); Linux' hv_kvp.c",
        looks_at: "The last character of each key that fits its field.",
        holds: "It is NUL.",
        about: About::Sender,
        tags: &["kvp"],
        subject: Subject::Guest(kvp_key_end),
    },
    Rule {
        id: "KVP-VALUE-TYPE",
        title: "A value is of a known type",
        level: Level::Should,
        authority: "Microsoft's openvmm, hyperv_ic_protocol (ValueType); winnt.h (REG_*); Linux' uapi hyperv.h has 8 for REG_U64",
        looks_at: "The type of each value that a pair carries.",
        holds: "It is REG_SZ, REG_EXPAND_SZ, REG_BINARY, REG_DWORD, REG_MULTI_SZ or REG_QWORD.",
        about: About::Sender,
        tags: &["kvp"],
        subject: Subject::Guest(kvp_value_type),
    },
    Rule {
        id: "KVP-NUMBER-SIZE",
        title: "A number has as many bytes as its type",
        level: Level::Must,
        authority: "Microsoft's openvmm, hyperv_ic (kvp), which refuses others",
        looks_at: "The size of each value of type REG_DWORD or REG_QWORD.",
        holds: "It is 4 or 8.",
        about: About::Sender,
        tags: &["kvp"],
        subject: Subject::Guest(kvp_number_size),
    },
    Rule {
        id: "KVP-VERSION-CHOSEN",
        title: "A guest chooses one of the versions that it is offered",
        level: Level::Should,
        authority: "Linux' channel_mgmt.c (vmbus_prep_negotiate_resp); Microsoft's openvmm, hyperv_ic (common)",
        looks_at: "The versions of each negotiation in a channel of key-value pairs.",
        holds: "The response has one version of the header and one of the message, each of which was offered, or none.",
        about: About::Client,
        tags: &["kvp", "version"],
        subject: Subject::Guest(kvp_version_chosen),
    },
];

type PipeMessage = crate::vmbus::PipeMessage<Stamp>;

fn type_known(record: &ControlRecord) -> Judgement {
    let kind = record.message.kind;
    Judgement::at(kind.name().is_some(), ("control message", 0), || format!("type {}, not 1 to 29", kind.0))
}

fn length(record: &ControlRecord) -> Judgement {
    if record.message.kind.name().is_none() {
        return NotApplicable;
    }
    of(
        Some(&record.error),
        |error| error.is_none(),
        |error| {
            let error = error.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{}: {error}", record.message.kind)
        },
    )
}

fn padding(record: &ControlRecord) -> Judgement {
    let padding = record.message.padding;
    Judgement::at(padding == 0, ("control message", 4), || format!("{padding:#010x}, not 0"))
}

fn direction(record: &ControlRecord) -> Judgement {
    let kind = record.message.kind;
    let expected = match kind {
        MessageType::OFFER_CHANNEL
        | MessageType::RESCIND_CHANNEL_OFFER
        | MessageType::ALL_OFFERS_DELIVERED
        | MessageType::OPEN_CHANNEL_RESULT
        | MessageType::GPADL_CREATED
        | MessageType::GPADL_TORNDOWN
        | MessageType::VERSION_RESPONSE
        | MessageType::UNLOAD_COMPLETE
        | MessageType::CLOSE_RESERVED_RESPONSE
        | MessageType::TL_CONNECT_RESULT
        | MessageType::MODIFY_CHANNEL_RESPONSE
        | MessageType::MODIFY_CONNECTION_RESPONSE
        | MessageType::PAUSE_RESPONSE => Direction::HostToGuest,
        _ if kind.name().is_some() => Direction::GuestToHost,
        _ => return NotApplicable,
    };
    Judgement::of(record.direction == expected, || {
        format!("{kind} goes {}, not {}", record.direction.name(), expected.name())
    })
}

fn offer(record: &ControlRecord) -> Option<&crate::vmbus::control::OfferChannel> {
    match &record.message.body {
        Body::OfferChannel(offer) => Some(offer),
        _ => None,
    }
}

fn offer_reserved(record: &ControlRecord) -> Judgement {
    let reserved = offer(record).map(|offer| offer.reserved);
    of(
        reserved,
        |reserved| *reserved == [0; 16],
        |reserved| format!("{}, not zero", crate::wire::Hex(&reserved)),
    )
}

fn offer_flags(record: &ControlRecord) -> Judgement {
    let unknown = offer(record).map(|offer| offer.flags.0 & !KNOWN_FLAGS);
    of(unknown, |unknown| *unknown == 0, |unknown| format!("flags {unknown:#06x}, which are not known"))
}

/// The flags of an offer that have a name, in openvmm or in hyperv.h.
const KNOWN_FLAGS: u16 = 0x271f;

fn offer_pipe(record: &ControlRecord) -> Judgement {
    let pipe_type = offer(record).and_then(|offer| offer.pipe_type());
    let is_known = |pipe_type: &u32| PipeMode::of(*pipe_type).is_some();
    of(pipe_type, is_known, |pipe_type| format!("pipe type {pipe_type}, not 0 or 4"))
}

fn offer_id(record: &ControlRecord) -> Judgement {
    let id = offer(record).map(|offer| offer.channel_id);
    of(id, |id| *id != 0, |_| "channel id 0, not 1 or more".to_owned())
}

fn offer_bits(record: &ControlRecord) -> Judgement {
    let bits = offer(record).map(|offer| (offer.monitor_allocated, offer.is_dedicated));
    of(
        bits,
        |(monitor, dedicated)| *monitor <= 1 && *dedicated <= 1,
        |(monitor, dedicated)| {
            format!("monitor_allocated {monitor:#04x}, is_dedicated {dedicated:#06x}, not 0 or 1")
        },
    )
}

fn offer_instance(record: &ControlRecord) -> Judgement {
    let Some(offer) = offer(record) else { return NotApplicable };
    let class = ChannelClass::all().find(|class| class.class_id() == Some(offer.class_id));
    let Some((class, instance)) = class.and_then(|class| Some((class, class.instance_id()?))) else {
        return NotApplicable;
    };
    Judgement::at(offer.instance_id == instance, ("control message", 24), || {
        format!("{} for a channel of the class {}, not {instance}", offer.instance_id, class.name())
    })
}

fn offer_class(record: &ControlRecord) -> Judgement {
    let Some(offer) = offer(record) else { return NotApplicable };
    let of_instance = ChannelClass::all().find(|class| class.instance_id() == Some(offer.instance_id));
    let is_known = ChannelClass::all().any(|class| class.class_id() == Some(offer.class_id));
    let Some((class, expected)) = of_instance.and_then(|class| Some((class, class.class_id()?))) else {
        return NotApplicable;
    };
    // Where the class is another known one, the instance is wrong for it.
    Judgement::at(offer.class_id == expected || is_known, ("control message", 8), || {
        format!("{} for the instance of the class {}, not {expected}", offer.class_id, class.name())
    })
}

fn open_page(record: &ControlRecord) -> Judgement {
    let page = match &record.message.body {
        Body::OpenChannel(open) => Some(open.request.downstream_page_offset),
        Body::OpenReservedChannel(open) => Some(open.downstream_page_offset),
        _ => None,
    };
    of(page, |page| *page >= 2, |page| format!("the ring to the guest begins at page {page}, not 2 or later"))
}

fn version_known(record: &ControlRecord) -> Judgement {
    let version = match &record.message.body {
        Body::InitiateContact(contact) => Some(contact.contact.version),
        _ => None,
    };
    of(
        version,
        |version| version.name().is_some(),
        |version| {
            let (major, minor) = version.number();
            format!("version {major}.{minor}, which is not known")
        },
    )
}

fn version_answer(record: &ControlRecord) -> Judgement {
    let supported = match &record.message.body {
        Body::VersionResponse(response) => Some(response.answer.version_supported),
        _ => None,
    };
    of(supported, |supported| *supported <= 1, |supported| format!("{supported}, not 0 or 1"))
}

fn gpadl_length(record: &ControlRecord) -> Judgement {
    let Body::GpadlHeader(header) = &record.message.body else { return NotApplicable };
    let (length, ranges) = (header.byte_length, header.range_count);
    Judgement::of(length > 0 && length % 8 == 0 && ranges > 0, || {
        format!("{length} bytes, {ranges} ranges: not a multiple of 8 above 0, and one range or more")
    })
}

fn gpadl_id(record: &ControlRecord) -> Judgement {
    let Body::GpadlHeader(header) = &record.message.body else { return NotApplicable };
    Judgement::of(header.gpadl_id != 0, || "GPADL id 0, not 1 or more".to_owned())
}

/// Judges what a channel was each time when it became something. What came before it was captured is not known.
fn changes(
    record: &ChannelRecord,
    became: fn(ChannelState) -> bool,
    may_be: fn(ChannelState) -> bool,
) -> Judgement {
    let pairs = record.channel.states.array_windows().filter(|[_, now]| became(now.state));
    each(pairs, |[before, now]| {
        let (before, now) = (before.state, now.state);
        (!may_be(before)).then(|| {
            format!("channel {} was {}, and then {}", record.channel.channel_id, before.name(), now.name())
        })
    })
}

fn open_after_rescind(record: &ChannelRecord) -> Judgement {
    changes(
        record,
        |now| now == ChannelState::Opening,
        |before| !matches!(before, ChannelState::Rescinded | ChannelState::Released),
    )
}

fn open_twice(record: &ChannelRecord) -> Judgement {
    changes(
        record,
        |now| now == ChannelState::Opening,
        |before| !matches!(before, ChannelState::Opening | ChannelState::Opened),
    )
}

fn open_asked(record: &ChannelRecord) -> Judgement {
    changes(
        record,
        |now| matches!(now, ChannelState::Opened | ChannelState::OpenFailed(_)),
        |before| before == ChannelState::Opening,
    )
}

fn close_open(record: &ChannelRecord) -> Judgement {
    changes(
        record,
        |now| now == ChannelState::Closed,
        |before| matches!(before, ChannelState::Opening | ChannelState::Opened | ChannelState::Rescinded),
    )
}

fn release_rescinded(record: &ChannelRecord) -> Judgement {
    let states = &record.channel.states;
    let released =
        states.iter().enumerate().filter(|(place, now)| *place > 0 && now.state == ChannelState::Released);
    each(released, |(place, _)| {
        let mut before = states[..place].iter().rev().map(|change| change.state);
        let before = before.find(|state| *state != ChannelState::Closed);
        // A channel that is closed in the first packets may have been rescinded before them.
        let is_right = before.is_none_or(|state| state == ChannelState::Rescinded);
        (!is_right).then(|| {
            let was = before.map_or("-", ChannelState::name);
            format!("channel {} was {was}, and not rescinded", record.channel.channel_id)
        })
    })
}

fn rescind_released(record: &ChannelRecord) -> Judgement {
    let states = &record.channel.states;
    let reoffered =
        states.iter().enumerate().filter(|(place, now)| *place > 0 && now.state == ChannelState::Reoffered);
    each(reoffered, |(place, _)| {
        let mut before = states[..place].iter().rev().map(|change| change.state);
        let before = before.find(|state| *state != ChannelState::Closed);
        (before == Some(ChannelState::Rescinded))
            .then(|| format!("channel {} was rescinded, and not released", record.channel.channel_id))
    })
}

fn traffic(record: &ChannelRecord) -> [(&'static str, &Traffic); 2] {
    [("guest", &record.channel.sent), ("host", &record.channel.received)]
}

fn packets_open(record: &ChannelRecord) -> Judgement {
    let states = &record.channel.states;
    let is_whole = states.first().is_some_and(|first| first.state == ChannelState::Offered);
    let was_asked = states.iter().any(|change| change.state == ChannelState::Opening);
    let packets: u64 = traffic(record).iter().map(|(_, traffic)| traffic.packets).sum();
    if !is_whole || !was_asked || packets == 0 {
        return NotApplicable;
    }
    let was_open = states.iter().any(|change| change.state == ChannelState::Opened);
    Judgement::of(was_open, || {
        format!("{packets} packets in channel {}, which was not open", record.channel.channel_id)
    })
}

fn open_gpadl(record: &ChannelRecord) -> Judgement {
    let gpadls = &record.channel.gpadls;
    let was_open = record.channel.states.iter().any(|change| change.state == ChannelState::Opened);
    if !was_open || gpadls.is_empty() {
        return NotApplicable;
    }
    Judgement::of(gpadls.iter().any(|gpadl| gpadl.status == Some(0)), || {
        format!("channel {} was opened, and no GPADL of it was created", record.channel.channel_id)
    })
}

/// The GPADLs of a channel that the host has taken.
fn created(record: &ChannelRecord) -> impl Iterator<Item = &GpadlRecord> {
    record.channel.gpadls.iter().filter(|gpadl| gpadl.status == Some(0))
}

fn gpadl_complete(record: &ChannelRecord) -> Judgement {
    each(created(record), |gpadl| {
        (!gpadl.is_complete()).then(|| {
            let GpadlRecord { gpadl_id, values, range_count, .. } = gpadl;
            format!("GPADL {gpadl_id}: {values} values for {range_count} ranges are too few")
        })
    })
}

fn gpadl_values(record: &ChannelRecord) -> Judgement {
    each(created(record).filter(|gpadl| gpadl.is_complete()), |gpadl| {
        (8 * gpadl.values < u64::from(gpadl.byte_length)).then(|| {
            let GpadlRecord { gpadl_id, values, byte_length, .. } = gpadl;
            format!("GPADL {gpadl_id}: {values} values are {} bytes, not {byte_length} at least", 8 * values)
        })
    })
}

fn gpadl_torn_down(record: &ChannelRecord) -> Judgement {
    if record.channel.state() != Some(ChannelState::Released) {
        return NotApplicable;
    }
    each(created(record), |gpadl| {
        (!gpadl.is_torn_down).then(|| format!("GPADL {} is still there", gpadl.gpadl_id))
    })
}

fn avma_mode(record: &ChannelRecord) -> Judgement {
    let channel = &record.channel;
    if channel.class != ChannelClass::Avma {
        return NotApplicable;
    }
    let mode = match (channel.flags, channel.mode_source) {
        (Some(flags), _) if !flags.has(ChannelFlags::NAMED_PIPE_MODE) => "no pipe",
        (Some(_), Some(ModeSource::Offer)) => channel.pipe_mode.map_or("no pipe", PipeMode::name),
        _ => return NotApplicable,
    };
    Judgement::of(mode == PipeMode::Message.name(), || format!("{mode}, not message mode"))
}

/// Judges what went each way of a channel, where there are packets.
fn each_way(record: &ChannelRecord, fault: impl Fn(&Traffic) -> Option<String>) -> Judgement {
    let ways = traffic(record).into_iter().filter(|(_, traffic)| traffic.packets + traffic.unreadable > 0);
    each(ways, |(side, traffic)| {
        fault(traffic).map(|fault| format!("channel {}, {side}: {fault}", record.channel.channel_id))
    })
}

fn ring_packet(record: &ChannelRecord) -> Judgement {
    each_way(record, |traffic| {
        (traffic.unreadable > 0).then(|| format!("{} packets cannot be read", traffic.unreadable))
    })
}

fn ring_packet_type(record: &ChannelRecord) -> Judgement {
    each_way(record, |traffic| {
        (traffic.unknown > 0).then(|| format!("{} packets are of a type that is not known", traffic.unknown))
    })
}

fn ring_footer(record: &ChannelRecord) -> Judgement {
    if traffic(record).iter().all(|(_, traffic)| traffic.footers == 0) {
        return NotApplicable;
    }
    each_way(record, |traffic| {
        let Traffic { footers, wrong_footers, .. } = traffic;
        (*wrong_footers > 0).then(|| format!("{wrong_footers} of {footers} footers name another place"))
    })
}

fn ring_completion(record: &ChannelRecord) -> Judgement {
    let is_whole = record.channel.states.iter().any(|change| change.state == ChannelState::Opened);
    let [guest, host] = traffic(record);
    let ways =
        [(guest, host), (host, guest)].into_iter().filter(|((_, sent), _)| is_whole && sent.completions > 0);
    each(ways, |((side, sent), (_, received))| {
        let (given, wanted) = (sent.completions, received.completions_wanted);
        (given > wanted).then(|| format!("{given} completions of the {side}, {wanted} were wanted"))
    })
}

/// The two messages of an exchange, with what they are.
fn messages(exchange: &GuestExchange) -> impl Iterator<Item = (&'static str, &PipeMessage)> {
    let request = exchange.exchange.request.iter().map(|message| ("request", message));
    request.chain(exchange.exchange.response.iter().map(|message| ("response", message)))
}

/// The error of a message, where it is the pipe's.
fn pipe_error(message: &PipeMessage) -> Option<&crate::wire::Error> {
    message.error.as_ref().filter(|error| error.layer == "pipe packet")
}

fn pipe_message(exchange: &GuestExchange) -> Judgement {
    each(messages(exchange), |(what, message)| {
        pipe_error(message).map(|error| format!("{what} of {} bytes: {error}", message.length))
    })
}

/// The messages of remote desktop control that could be read.
fn rdp(exchange: &GuestExchange) -> impl Iterator<Item = (&'static str, &synthrdp::Message)> {
    messages(exchange).filter_map(|(what, message)| match &message.content {
        Content::SynthRdp(content) => Some((what, content)),
        _ => None,
    })
}

fn rdp_type(exchange: &GuestExchange) -> Judgement {
    each(rdp(exchange), |(_, message)| {
        let kind = message.header.kind;
        (kind.0 > synthrdp::MessageType::RESPONSE.0).then(|| format!("type {}, not 0 to 2", kind.0))
    })
}

fn rdp_size(exchange: &GuestExchange) -> Judgement {
    let known = rdp(exchange).filter_map(|(_, message)| match message.header.kind {
        synthrdp::MessageType::REQUEST => Some((message.header, 16)),
        synthrdp::MessageType::RESPONSE => Some((message.header, 17)),
        _ => None,
    });
    each(known, |(header, expected)| {
        (header.size != expected).then(|| format!("{}: size {}, not {expected}", header.kind, header.size))
    })
}

fn rdp_version(exchange: &GuestExchange) -> Judgement {
    let mut both = rdp(exchange);
    let versions = both.next().zip(both.next()).map(|((_, asked), (_, answered))| (asked, answered));
    of(
        versions.map(|(asked, answered)| (asked.header.version, answered.header.version)),
        |(asked, answered)| asked == answered,
        |(asked, answered)| format!("version {answered:#x}, asked for {asked:#x}"),
    )
}

fn rdp_reserved(exchange: &GuestExchange) -> Judgement {
    each(rdp(exchange), |(what, message)| {
        let reserved = message.header.reserved;
        (reserved != 0).then(|| format!("{what}: {reserved:#x}, not 0"))
    })
}

fn rdp_accepted(exchange: &GuestExchange) -> Judgement {
    each(rdp(exchange).filter_map(|(_, message)| message.accepted), |accepted| {
        (accepted > 1).then(|| format!("{accepted}, not 0 or 1"))
    })
}

/// The messages in a channel of key-value pairs that could be read.
fn ic_messages(exchange: &GuestExchange) -> impl Iterator<Item = (&'static str, &PipeMessage, &ic::Message)> {
    messages(exchange).filter_map(|(what, message)| match &message.content {
        Content::Kvp(content) => Some((what, message, &**content)),
        _ => None,
    })
}

fn kvp_readable(exchange: &GuestExchange) -> Judgement {
    let is_kvp = exchange.exchange.protocol == Protocol::Kvp;
    each(
        messages(exchange).filter(|(_, message)| is_kvp && pipe_error(message).is_none()),
        |(what, message)| message.error.as_ref().map(|error| format!("{what}: {error}")),
    )
}

fn kvp_type(exchange: &GuestExchange) -> Judgement {
    each(ic_messages(exchange), |(what, _, message)| {
        let kind = message.header.kind;
        let is_right = matches!(kind, ic::MessageType::NEGOTIATE | ic::MessageType::KVP_EXCHANGE);
        (!is_right).then(|| format!("{what}: {kind}, not negotiate(0) or kvp_exchange(2)"))
    })
}

fn kvp_size(exchange: &GuestExchange) -> Judgement {
    let whole = ic_messages(exchange).filter(|(_, message, _)| message.error.is_none());
    each(whole, |(what, message, content)| {
        let (size, behind) = (content.header.size, message.length.saturating_sub(ic::Header::LEN as u64));
        (u64::from(size) > behind).then(|| format!("{what}: {size}, and {behind} bytes are there"))
    })
}

fn kvp_direction(exchange: &GuestExchange) -> Judgement {
    each(ic_messages(exchange), |(what, message, content)| {
        let expected = match content.header.is_request()? {
            true => Direction::HostToGuest,
            false => Direction::GuestToHost,
        };
        (message.direction != expected)
            .then(|| format!("the {what} goes {}, not {}", message.direction.name(), expected.name()))
    })
}

/// The request and the response of an exchange in a channel of key-value pairs.
fn ic_pair(exchange: &GuestExchange) -> Option<(&ic::Message, &ic::Message)> {
    let mut both = ic_messages(exchange).map(|(_, _, message)| message);
    both.next().zip(both.next())
}

fn kvp_transaction(exchange: &GuestExchange) -> Judgement {
    let numbers = ic_pair(exchange).map(|(one, other)| (one.header.transaction, other.header.transaction));
    of(
        numbers,
        |(asked, answered)| asked == answered,
        |(asked, answered)| format!("transaction {answered}, asked in {asked}"),
    )
}

fn kvp_content(message: &ic::Message) -> Option<&kvp::Exchange> {
    match &message.body {
        ic::Body::Kvp(exchange) => Some(exchange),
        _ => None,
    }
}

/// The request about key-value pairs of an exchange.
fn kvp_request(exchange: &GuestExchange) -> Option<&kvp::Exchange> {
    let mut requests = ic_messages(exchange).filter(|(what, ..)| *what == "request");
    requests.next().and_then(|(_, _, message)| kvp_content(message))
}

fn kvp_operation(exchange: &GuestExchange) -> Judgement {
    let operation = kvp_request(exchange).map(|request| request.operation);
    of(
        operation,
        |operation| operation.name().is_some(),
        |operation| format!("operation {}, not 0 to 5", operation.0),
    )
}

fn kvp_pool(exchange: &GuestExchange) -> Judgement {
    let pool = kvp_request(exchange).map(|request| request.pool);
    of(pool, |pool| pool.name().is_some(), |pool| format!("pool {}, not 0 to 4", pool.0))
}

fn kvp_echo(exchange: &GuestExchange) -> Judgement {
    let both = ic_pair(exchange).and_then(|(one, other)| kvp_content(one).zip(kvp_content(other)));
    let about = |exchange: &kvp::Exchange| (exchange.operation, exchange.pool);
    of(
        both,
        |(asked, answered)| about(asked) == about(answered),
        |(asked, answered)| {
            format!(
                "{} of {}, asked for {} of {}",
                answered.operation, answered.pool, asked.operation, asked.pool
            )
        },
    )
}

/// The keys of an exchange: bytes that are said to count, and the field.
fn keys(exchange: &GuestExchange) -> impl Iterator<Item = (&'static str, u32, &[u8])> {
    ic_messages(exchange).filter_map(|(what, _, message)| match &kvp_content(message)?.body {
        kvp::Body::Pair(pair) | kvp::Body::Indexed { pair, .. } => {
            Some((what, pair.key_size, &pair.key_field[..]))
        }
        kvp::Body::Key { size, field } => Some((what, *size, &field[..])),
        kvp::Body::Opaque => None,
    })
}

/// The pairs of an exchange that carry a value.
fn values(exchange: &GuestExchange) -> impl Iterator<Item = (&'static str, &Pair)> {
    let pairs =
        ic_messages(exchange).filter_map(|(what, _, message)| Some((what, kvp_content(message)?.pair()?)));
    pairs.filter(|(_, pair)| pair.value_size > 0)
}

fn kvp_key_size(exchange: &GuestExchange) -> Judgement {
    each(keys(exchange), |(what, size, _)| {
        (size % 2 != 0 || size as usize > KEY_LEN)
            .then(|| format!("{what}: a key of {size} bytes, not of an even number up to {KEY_LEN}"))
    })
}

fn kvp_value_size(exchange: &GuestExchange) -> Judgement {
    each(values(exchange), |(what, pair)| {
        let is_text =
            matches!(pair.kind, ValueType::REG_SZ | ValueType::REG_EXPAND_SZ | ValueType::REG_MULTI_SZ);
        let (size, kind) = (pair.value_size, pair.kind);
        (size as usize > VALUE_LEN || is_text && size % 2 != 0).then(|| {
            format!(
                "{what}: a value of {size} bytes and of type {kind}, not {VALUE_LEN} at most and even in text"
            )
        })
    })
}

fn kvp_key_end(exchange: &GuestExchange) -> Judgement {
    let whole = keys(exchange)
        .filter(|(_, size, field)| size % 2 == 0 && (2..=field.len()).contains(&(*size as usize)));
    each(whole, |(what, size, field)| {
        (!field[..size as usize].ends_with(&[0, 0]))
            .then(|| format!("{what}: a key of {size} bytes does not end in NUL"))
    })
}

fn kvp_value_type(exchange: &GuestExchange) -> Judgement {
    each(values(exchange), |(what, pair)| {
        pair.kind
            .name()
            .is_none()
            .then(|| format!("{what}: a value of type {}, which is not known", pair.kind.0))
    })
}

fn kvp_number_size(exchange: &GuestExchange) -> Judgement {
    let numbers = values(exchange).filter_map(|(what, pair)| match pair.kind {
        ValueType::REG_DWORD => Some((what, pair, 4)),
        ValueType::REG_QWORD => Some((what, pair, 8)),
        _ => None,
    });
    each(numbers, |(what, pair, expected)| {
        let size = pair.value_size;
        (size != expected).then(|| format!("{what}: {size} bytes of type {}, not {expected}", pair.kind))
    })
}

fn kvp_version_chosen(exchange: &GuestExchange) -> Judgement {
    let negotiate = |message: &'_ ic::Message| matches!(message.body, ic::Body::Negotiate(_));
    let both = ic_pair(exchange).filter(|(one, other)| negotiate(one) && negotiate(other));
    let Some((ic::Body::Negotiate(offered), ic::Body::Negotiate(chosen))) =
        both.map(|(one, other)| (&one.body, &other.body))
    else {
        return NotApplicable;
    };
    let is_offered = |of_header: bool, version: &ic::Version| {
        let count = usize::from(offered.framework_count).min(offered.versions.len());
        let (headers, messages) = offered.versions.split_at(count);
        let known = if of_header { headers } else { messages };
        known.contains(version)
    };
    let is_right = match (chosen.framework_count, chosen.message_count) {
        // A guest that knows none of them says so.
        (0, 0) => true,
        (1, 1) => {
            matches!(&chosen.versions[..], [header, message] if is_offered(true, header) && is_offered(false, message))
        }
        _ => false,
    };
    Judgement::of(is_right, || {
        let versions: Vec<String> =
            chosen.versions.iter().map(|version| format!("{}.{}", version.major, version.minor)).collect();
        format!(
            "{} and {} versions, {}: not one of each that was offered",
            chosen.framework_count,
            chosen.message_count,
            versions.join(", ")
        )
    })
}
