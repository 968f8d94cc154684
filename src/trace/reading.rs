use std::sync::Arc;

use crate::capture::{
    BadChecksum, Comment, Direction, End, FlowTable, Flows, FragmentConflict, FragmentDifference,
    LayerOptions, Layers, LinkType, NotTcp, Opened, Packets, Segment, Stamp, Steps, Transport,
};
use crate::tls::KeyLog;
use crate::wire::Hex;

use super::dns::Dns;
use super::tracer::Tracer;
use super::vmbus::Buses;
use super::{
    ChannelRecord, ControlRecord, Found, GuestExchange, Lookup, Notice, NoticeKind, Observer, Options,
    Search, Summary,
};

/// Who takes what the packets of a capture hold: connections, and what is said beside them.
pub(super) trait Taker: Steps {
    /// Takes what is said beside the connections.
    fn remark(&mut self, remark: Remark);

    /// Takes what is known of how a connection was found that is about to be opened.
    fn found(&mut self, stream: u64, found: Arc<Found>);

    /// Takes a key log that the capture carries.
    fn secrets(&mut self, secrets: &[u8]);

    /// A packet has been dealt with. False once nothing more need be read.
    fn goes_on(&mut self) -> bool;
}

/// What is said where packets are read, and belongs to no connection that is followed elsewhere.
pub(super) enum Remark {
    Notice(Notice),
    Comment(Comment),
    Lookup(Box<Lookup>),
    Search(Box<Search>),
    Guest(Box<GuestExchange>),
    Channel(Box<ChannelRecord>),
    Control(Box<ControlRecord>),
}

impl Remark {
    /// Bytes that it holds, about: parsed, a message of DNS takes many times what it took on the wire.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Lookup(lookup) => lookup.answer.as_ref().map_or(0, |answer| 16 * answer.message.length),
            Self::Guest(guest) => {
                let messages = guest.exchange.request.iter().chain(&guest.exchange.response);
                messages
                    .map(|message| usize::try_from(message.length).unwrap_or(usize::MAX).min(1 << 16))
                    .sum()
            }
            Self::Notice(_) | Self::Comment(_) | Self::Search(_) | Self::Channel(_) | Self::Control(_) => {
                1 << 10
            }
        }
    }

    pub(super) fn tell(&self, observer: &mut impl Observer) {
        match self {
            Self::Notice(notice) => observer.notice(notice),
            Self::Comment(comment) => observer.comment(comment),
            Self::Lookup(lookup) => observer.lookup(lookup),
            Self::Search(search) => observer.search(search),
            Self::Guest(exchange) => observer.guest(exchange),
            Self::Channel(channel) => observer.channel(channel),
            Self::Control(control) => observer.control(control),
        }
    }
}

impl<O: Observer> Taker for Flows<Tracer<O>> {
    fn remark(&mut self, remark: Remark) {
        self.handler.summary.notices += u64::from(matches!(remark, Remark::Notice(_)));
        remark.tell(&mut self.handler.observer);
    }

    fn found(&mut self, stream: u64, found: Arc<Found>) {
        self.handler.add_found(stream, found);
    }

    fn secrets(&mut self, secrets: &[u8]) {
        self.handler.add_secrets(secrets);
    }

    fn goes_on(&mut self) -> bool {
        self.handler.observer.wants_more()
    }
}

/// Reads all packets, hands their segments to `taker`, and returns what is counted on the way.
pub(super) fn read_packets(packets: &mut impl Packets, options: &Options, taker: &mut impl Taker) -> Summary {
    let mut layers = Layers::new(LayerOptions { checksums: options.checksums });
    let mut numbers = Summary::default();
    let mut table = FlowTable::new(&options.ports);
    let mut dns = Dns::new();
    let mut buses = Buses::new(options.vmbus_link);
    let mut failures = Vec::new();
    let mut damage = 0;
    let mut conflicts = 0;
    while taker.goes_on() {
        let advanced = packets.advance();
        for comment in packets.take_comments() {
            numbers.comments += 1;
            taker.remark(Remark::Comment(comment));
        }
        let secrets = packets.take_secrets();
        if !secrets.is_empty() {
            taker.secrets(&secrets);
            embedded_errors(&secrets).into_iter().for_each(|notice| taker.remark(Remark::Notice(notice)));
        }
        match advanced {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                damage += 1;
                if error.ends_the_file() {
                    // The end of what was being said comes first.
                    failures.push(error);
                } else if damage <= MAX_DAMAGE {
                    taker.remark(Remark::Notice(Notice::of(&error)));
                }
                continue;
            }
        }
        let packet = packets.packet();
        numbers.packets += 1;
        let stamp = Stamp { frame: packet.frame, time: packet.time };
        if packet.link.is_user() && buses.packet(&packet) {
            numbers.vmbus_packets += 1;
            tell(buses.take(), &mut numbers, taker);
            continue;
        }
        // A segment is large: it is looked at where it is.
        match &layers.transport(&packet) {
            Ok(Transport::Tcp(segment)) => {
                numbers.segments += 1;
                table.push(segment, stamp, &mut Split { taker, dns: &mut dns });
                if dns.has_told() {
                    tell(dns.take(), &mut numbers, taker);
                }
            }
            Ok(Transport::Udp(datagram)) => {
                if Dns::is_between(datagram.source.port, datagram.destination.port) {
                    dns.datagram(datagram, stamp);
                    tell(dns.take(), &mut numbers, taker);
                } else {
                    numbers.other_protocols += 1;
                }
            }
            Err(NotTcp::NotIp) => numbers.not_ip += 1,
            Err(NotTcp::OtherProtocol(_)) => numbers.other_protocols += 1,
            Err(NotTcp::Fragment) => numbers.fragments += 1,
            Err(NotTcp::OversizedFragment) => numbers.oversized_fragments += 1,
            Err(NotTcp::CutHeader) => numbers.cut_headers += 1,
            Err(NotTcp::BadHeader | NotTcp::TooDeep) => numbers.bad_headers += 1,
            Err(NotTcp::BadChecksum(bad)) => {
                numbers.bad_checksums += 1;
                if numbers.bad_checksums == 1 {
                    taker.remark(Remark::Notice(bad_checksum(bad, packet.frame)));
                }
            }
            Err(NotTcp::UnknownLink(link)) => {
                let count = numbers.unknown_links.entry(link.0).or_default();
                *count += 1;
                if *count == 1 {
                    taker.remark(Remark::Notice(unknown_link(*link, packet.frame)));
                }
            }
        }
        if layers.fragment_conflicts() > conflicts {
            conflicts = layers.fragment_conflicts();
            for conflict in layers.take_fragment_conflicts() {
                taker.remark(Remark::Notice(fragment_conflict(&conflict)));
            }
        }
    }
    table.finish(&mut Split { taker, dns: &mut dns });
    tell(dns.finish(&mut numbers), &mut numbers, taker);
    tell(buses.finish(), &mut numbers, taker);
    for error in failures {
        taker.remark(Remark::Notice(Notice::of(&error)));
    }
    if damage > MAX_DAMAGE {
        let message =
            format!("{} more places of damage in the file are counted, not told", damage - MAX_DAMAGE);
        taker.remark(Remark::Notice(Notice::new(NoticeKind::DamagedFile, message)));
    }
    let skipped = packets.skipped_blocks();
    if skipped > 0 {
        let message = format!("{skipped} pcapng blocks could not be read and were passed over");
        taker.remark(Remark::Notice(Notice::new(NoticeKind::DamagedFile, message)));
    }
    let secrets = packets.secrets_left_out();
    if secrets > 0 {
        let message =
            format!("{secrets} blocks of secrets are of another kind than TLS key logs, or too many");
        taker.remark(Remark::Notice(Notice::new(NoticeKind::MalformedKeyLog, message)));
    }
    let (pending, given_up) = layers.incomplete_datagrams();
    numbers.bytes = packets.offset();
    numbers.incomplete_datagrams = pending as u64 + given_up;
    numbers.conflicting_fragments = layers.fragment_conflicts();
    numbers.late_bytes = table.late_bytes();
    numbers.evicted_connections = table.evicted();
    numbers.comments += packets.comments_left_out();
    numbers
}

/// Hands on what was said of a packet.
fn tell(remarks: Vec<Remark>, numbers: &mut Summary, taker: &mut impl Taker) {
    for remark in remarks {
        numbers.count_remark(&remark);
        taker.remark(remark);
    }
}

/// Keeps DNS here and hands all other connections on, with what DNS tells of how they were found.
struct Split<'a, T> {
    taker: &'a mut T,
    dns: &'a mut Dns,
}

impl<T: Taker> Steps for Split<'_, T> {
    fn open(&mut self, slot: usize, opened: &Opened) {
        if Dns::is_between(opened.client.port, opened.server.port) {
            return self.dns.open(slot, opened);
        }
        if let Some(found) = self.dns.found(opened) {
            self.taker.found(opened.stream, found);
        }
        self.taker.open(slot, opened);
    }

    #[inline]
    fn segment(&mut self, slot: usize, direction: Direction, segment: &Segment<'_>, stamp: Stamp) -> bool {
        if Dns::is_between(segment.source.port, segment.destination.port) {
            return self.dns.segment(slot, direction, segment, stamp);
        }
        self.taker.segment(slot, direction, segment, stamp)
    }

    fn close(&mut self, slot: usize, end: Option<End>) {
        if self.dns.has(slot) { self.dns.close(slot, end) } else { self.taker.close(slot, end) }
    }
}

/// Places of damage in a capture that are told one by one.
const MAX_DAMAGE: u64 = 1000;

/// What is wrong with a key log that a capture carries; the rest of it is used.
fn embedded_errors(secrets: &[u8]) -> Option<Notice> {
    let (_, errors) = KeyLog::parse(secrets);
    let more = match errors.len() {
        0 | 1 => String::new(),
        count => format!(", and {} more lines", count - 1),
    };
    let first = errors.first()?;
    let message = format!("the key log in the file: {first}{more}");
    Some(Notice::new(NoticeKind::MalformedKeyLog, message))
}

fn bad_checksum(bad: &BadChecksum, frame: u64) -> Notice {
    Notice {
        frame: Some(frame),
        needed: Some(bad.computed.into()),
        got: Some(bad.stored.into()),
        ..Notice::new(NoticeKind::BadChecksum, format!("{bad}: packets like this one are counted, not read"))
    }
}

fn fragment_conflict(conflict: &FragmentConflict) -> Notice {
    let FragmentConflict { frame, source, destination, identification, difference } = conflict;
    let what = match difference {
        FragmentDifference::Bytes { offset, length, kept, other } => {
            let (kept, other) = (Hex(kept), Hex(other));
            format!("{length} bytes at offset {offset} came again and differ: kept {kept}, not {other}")
        }
        FragmentDifference::Length { kept, other } => {
            format!("it has {kept} bytes by one fragment, {other} by this one")
        }
    };
    let datagram = format!("IP datagram {identification:#x} from {source} to {destination}");
    Notice { frame: Some(*frame), ..Notice::new(NoticeKind::FragmentConflict, format!("{datagram}: {what}")) }
}

fn unknown_link(link: LinkType, frame: u64) -> Notice {
    let message = format!("unknown link type {link}: its packets are counted, not read");
    Notice {
        frame: Some(frame),
        got: Some(link.0.into()),
        ..Notice::new(NoticeKind::UnknownLinkType, message)
    }
}
