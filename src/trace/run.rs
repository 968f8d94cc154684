use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use crate::capture::{
    BadChecksum, CaptureFormat, CaptureReader, Comment, Direction, End, FlowTable, Flows, FragmentConflict,
    FragmentDifference, LayerOptions, Layers, LinkType, NotTcp, Opened, Packets, Segment, Stamp, Steps,
    Transport,
};
use crate::tls::KeyLog;
use crate::wire::Hex;

use super::dns::Dns;
use super::tracer::Tracer;
use super::vmbus::Buses;
use super::{
    ChannelRecord, ControlRecord, Ending, Found, GuestExchange, InputKind, Lookup, Notice, NoticeKind,
    Observer, Record, Search,
};

/// What is asked of [`trace`].
#[derive(Clone, Debug)]
pub struct Options {
    /// Ports on which every connection is followed, also one whose beginning was not captured. Elsewhere volume
    /// activation is known by its interface in the bind.
    pub ports: Vec<u16>,
    /// Whether packets whose IPv4 or TCP checksum is wrong are left out, as their receiver does. Most captures are made
    /// on a machine whose network card fills in the checksums behind the capture.
    pub checksums: bool,
    /// The secrets with which TLS is opened, beside those that a capture carries.
    pub key_log: Arc<KeyLog>,
    /// The link type whose packets are records of VMBus, of those that are up to their user; without one, packets of all
    /// these that begin as records do.
    pub vmbus_link: Option<LinkType>,
}

impl Default for Options {
    /// Port 1688, checksums ignored.
    fn default() -> Self {
        Self { ports: vec![1688], checksums: false, key_log: Arc::default(), vmbus_link: None }
    }
}

/// A capture file whose header was read.
#[derive(Clone, Copy, Debug)]
pub struct FileRecord<'a> {
    /// Its name, as the caller gave it.
    pub name: &'a str,
    /// What it is, where it is one file.
    pub format: Option<FileFormat>,
    /// The names of the files, where several are read as one.
    pub files: &'a [&'a str],
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// A capture, in this container.
    Capture(CaptureFormat),
    /// Another input.
    Other(InputKind),
}

impl FileFormat {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Capture(format) => format.name(),
            Self::Other(kind) => kind.name(),
        }
    }
}

/// What a capture held, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Packets.
    pub packets: u64,
    /// Bytes of the file (behind decompression) that were read.
    pub bytes: u64,
    /// TCP segments.
    pub segments: u64,
    /// Packets that carry no IP.
    pub not_ip: u64,
    /// Packets that carry another protocol than TCP, and than DNS over UDP.
    pub other_protocols: u64,
    /// IP fragments of datagrams that became whole later, or never.
    pub fragments: u64,
    /// IP datagrams that never became whole.
    pub incomplete_datagrams: u64,
    /// IP fragments that contradict one that came first, by their bytes or by their datagram's length.
    pub conflicting_fragments: u64,
    /// IP fragments that reach beyond what a datagram can have.
    pub oversized_fragments: u64,
    /// Packets that end inside a header.
    pub cut_headers: u64,
    /// Packets with a header that says of itself what cannot be, or with more headers than are followed.
    pub bad_headers: u64,
    /// Packets that were refused for a wrong checksum.
    pub bad_checksums: u64,
    /// Packets by the link types that are not known here.
    pub unknown_links: BTreeMap<u16, u64>,
    /// Connections that are reported.
    pub connections: u64,
    /// TCP connections that are something else.
    pub other_connections: u64,
    /// Whole PDUs of the connections that are reported.
    pub pdus: u64,
    /// What was asked, whoever was asked.
    pub exchanges: u64,
    /// Those of them with MAK's services.
    pub mak_exchanges: u64,
    /// Those of them that are questions of DNS.
    pub lookups: u64,
    /// Those of them that are searches in a directory.
    pub directory_exchanges: u64,
    /// Those of them in a pipe of VMBus.
    pub guest_exchanges: u64,
    /// Exchanges with a response that could be opened.
    pub answered: u64,
    /// Exchanges that were answered with an HRESULT only, or with an error of MAK's services.
    pub refused: u64,
    /// Exchanges that were answered with a fault.
    pub faults: u64,
    /// Exchanges that were answered with an HTTP status of failure and nothing that says more.
    pub http_errors: u64,
    /// Exchanges whose answer could not be opened.
    pub unreadable: u64,
    /// Exchanges without an answer.
    pub unanswered: u64,
    /// Answered exchanges of which at least one verification fails.
    pub failed_checks: u64,
    /// Bytes of connections that came long after their end.
    pub late_bytes: u64,
    /// Connections that were given up to keep within the bound of connections.
    pub evicted_connections: u64,
    /// Comments that somebody has written into the file.
    pub comments: u64,
    /// Entries of a HAR file.
    pub entries: u64,
    /// Computers of a VAMT file.
    pub computers: u64,
    /// Activation objects of an export in LDIF.
    pub objects: u64,
    /// Packets that are records of VMBus.
    pub vmbus_packets: u64,
    /// Messages of DNS.
    pub dns_messages: u64,
    /// Questions of DNS that have nothing to do with activation.
    pub other_lookups: u64,
    /// Channels of VMBus.
    pub channels: u64,
    /// Control messages of VMBus.
    pub control_messages: u64,
    /// Complaints.
    pub notices: u64,
}

impl Summary {
    /// Adds what was counted elsewhere in the same capture.
    pub(super) fn add(&mut self, other: &Self) {
        let Self {
            packets,
            bytes,
            segments,
            not_ip,
            other_protocols,
            fragments,
            incomplete_datagrams,
            conflicting_fragments,
            oversized_fragments,
            cut_headers,
            bad_headers,
            bad_checksums,
            unknown_links,
            connections,
            other_connections,
            pdus,
            exchanges,
            mak_exchanges,
            lookups,
            directory_exchanges,
            guest_exchanges,
            answered,
            refused,
            faults,
            http_errors,
            unreadable,
            unanswered,
            failed_checks,
            late_bytes,
            evicted_connections,
            comments,
            entries,
            computers,
            objects,
            vmbus_packets,
            dns_messages,
            other_lookups,
            channels,
            control_messages,
            notices,
        } = other;
        for (own, other) in [
            (&mut self.packets, packets),
            (&mut self.bytes, bytes),
            (&mut self.segments, segments),
            (&mut self.not_ip, not_ip),
            (&mut self.other_protocols, other_protocols),
            (&mut self.fragments, fragments),
            (&mut self.incomplete_datagrams, incomplete_datagrams),
            (&mut self.conflicting_fragments, conflicting_fragments),
            (&mut self.oversized_fragments, oversized_fragments),
            (&mut self.cut_headers, cut_headers),
            (&mut self.bad_headers, bad_headers),
            (&mut self.bad_checksums, bad_checksums),
            (&mut self.connections, connections),
            (&mut self.other_connections, other_connections),
            (&mut self.pdus, pdus),
            (&mut self.exchanges, exchanges),
            (&mut self.mak_exchanges, mak_exchanges),
            (&mut self.lookups, lookups),
            (&mut self.directory_exchanges, directory_exchanges),
            (&mut self.guest_exchanges, guest_exchanges),
            (&mut self.answered, answered),
            (&mut self.refused, refused),
            (&mut self.faults, faults),
            (&mut self.http_errors, http_errors),
            (&mut self.unreadable, unreadable),
            (&mut self.unanswered, unanswered),
            (&mut self.failed_checks, failed_checks),
            (&mut self.late_bytes, late_bytes),
            (&mut self.evicted_connections, evicted_connections),
            (&mut self.comments, comments),
            (&mut self.entries, entries),
            (&mut self.computers, computers),
            (&mut self.objects, objects),
            (&mut self.vmbus_packets, vmbus_packets),
            (&mut self.dns_messages, dns_messages),
            (&mut self.other_lookups, other_lookups),
            (&mut self.channels, channels),
            (&mut self.control_messages, control_messages),
            (&mut self.notices, notices),
        ] {
            *own += other;
        }
        for (&link, count) in unknown_links {
            *self.unknown_links.entry(link).or_default() += count;
        }
    }

    /// Counts a record of what was asked and answered.
    pub(super) fn count<'a>(&mut self, record: impl Into<Record<'a>>) {
        let record = record.into();
        self.exchanges += 1;
        match record {
            Record::Kms(_) => {}
            Record::Mak(_) => self.mak_exchanges += 1,
            Record::Lookup(_) => self.lookups += 1,
            Record::Directory(_) => self.directory_exchanges += 1,
            Record::Guest(_) => self.guest_exchanges += 1,
        }
        let Some(ending) = record.ending() else { return };
        *match ending {
            Ending::Answered => &mut self.answered,
            Ending::Refused => &mut self.refused,
            Ending::Fault => &mut self.faults,
            Ending::HttpError => &mut self.http_errors,
            Ending::Unreadable => &mut self.unreadable,
            Ending::Unanswered => &mut self.unanswered,
        } += 1;
        self.failed_checks += u64::from(record.has_failed_check());
    }

    /// Counts what a remark is about; of complaints and comments, who takes them keeps the number.
    pub(super) fn count_remark(&mut self, remark: &Remark) {
        match remark {
            Remark::Lookup(lookup) => self.count(&**lookup),
            Remark::Guest(exchange) => self.count(&**exchange),
            Remark::Channel(_) => self.channels += 1,
            Remark::Control(_) => self.control_messages += 1,
            Remark::Search(_) | Remark::Notice(_) | Remark::Comment(_) => {}
        }
    }
}

/// Reads a capture to its end and tells the observer what is in it.
///
/// Nothing is an error here: what cannot be read of a file is a [`Notice`] with its place, and everything in front of
/// that place and behind it is told.
pub fn trace(name: &str, reader: impl Read, options: &Options, observer: &mut impl Observer) -> Summary {
    match CaptureReader::new(reader) {
        Ok(mut capture) => {
            observer.file(&FileRecord {
                name,
                format: Some(FileFormat::Capture(capture.format())),
                files: &[],
            });
            trace_packets(&mut capture, options, observer)
        }
        Err(error) => {
            let summary = Summary { notices: 1, ..Summary::default() };
            observer.notice(&Notice::of(&error));
            observer.summary(&summary);
            summary
        }
    }
}

/// As [`trace`] for packets from anywhere: of several files as one, or of a time. No file is told.
pub fn trace_packets(packets: &mut impl Packets, options: &Options, observer: &mut impl Observer) -> Summary {
    let mut flows = Flows::new(Tracer::new(&mut *observer, options));
    let read = read_packets(packets, options, &mut flows);
    let mut summary = flows.handler.summary;
    summary.add(&read);
    observer.summary(&summary);
    summary
}

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
        self.handler.found.insert(stream, found);
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
        match layers.transport(&packet) {
            Ok(Transport::Tcp(segment)) => {
                numbers.segments += 1;
                table.push(&segment, stamp, &mut Split { taker, dns: &mut dns });
                tell(dns.take(), &mut numbers, taker);
            }
            Ok(Transport::Udp(datagram)) => {
                if Dns::is_between(datagram.source.port, datagram.destination.port) {
                    dns.datagram(&datagram, stamp);
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
                    taker.remark(Remark::Notice(bad_checksum(&bad, packet.frame)));
                }
            }
            Err(NotTcp::UnknownLink(link)) => {
                let count = numbers.unknown_links.entry(link.0).or_default();
                *count += 1;
                if *count == 1 {
                    taker.remark(Remark::Notice(unknown_link(link, packet.frame)));
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
#[inline]
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
