use std::collections::BTreeMap;
use std::io::Read;

use crate::capture::{
    BadChecksum, CaptureError, CaptureFormat, CaptureReader, FlowTable, Flows, FragmentConflict,
    FragmentDifference, LayerOptions, Layers, LinkType, NotTcp, Stamp, Steps,
};
use crate::wire::Hex;

use super::tracer::Tracer;
use super::{Exchange, Notice, NoticeKind, Observer, Outcome};

/// What is asked of [`trace`].
#[derive(Clone, Debug)]
pub struct Options {
    /// Ports on which every connection is followed, also one whose beginning was not captured. Elsewhere volume
    /// activation is known by its interface in the bind.
    pub ports: Vec<u16>,
    /// Whether packets whose IPv4 or TCP checksum is wrong are left out, as their receiver does. Most captures are made
    /// on a machine whose network card fills in the checksums behind the capture.
    pub checksums: bool,
}

impl Default for Options {
    /// Port 1688, checksums ignored.
    fn default() -> Self {
        Self { ports: vec![1688], checksums: false }
    }
}

/// A capture file whose header was read.
#[derive(Clone, Copy, Debug)]
pub struct FileRecord<'a> {
    /// Its name, as the caller gave it.
    pub name: &'a str,
    /// Its container.
    pub format: CaptureFormat,
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
    /// Packets that carry another protocol than TCP.
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
    /// Exchanges.
    pub exchanges: u64,
    /// Exchanges with a response that could be opened.
    pub answered: u64,
    /// Exchanges that were answered with an HRESULT only.
    pub refused: u64,
    /// Exchanges that were answered with a fault.
    pub faults: u64,
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
            answered,
            refused,
            faults,
            unreadable,
            unanswered,
            failed_checks,
            late_bytes,
            evicted_connections,
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
            (&mut self.answered, answered),
            (&mut self.refused, refused),
            (&mut self.faults, faults),
            (&mut self.unreadable, unreadable),
            (&mut self.unanswered, unanswered),
            (&mut self.failed_checks, failed_checks),
            (&mut self.late_bytes, late_bytes),
            (&mut self.evicted_connections, evicted_connections),
            (&mut self.notices, notices),
        ] {
            *own += other;
        }
        for (&link, count) in unknown_links {
            *self.unknown_links.entry(link).or_default() += count;
        }
    }

    pub(super) fn count(&mut self, exchange: &Exchange) {
        self.exchanges += 1;
        match exchange.outcome() {
            Outcome::Answered => self.answered += 1,
            Outcome::Refused(_) => self.refused += 1,
            Outcome::Fault(_) => self.faults += 1,
            Outcome::Unreadable => self.unreadable += 1,
            Outcome::Unanswered => self.unanswered += 1,
        }
        let fails = |checks: &crate::kms::ResponseChecks| {
            checks.by_name().iter().any(|(_, check)| *check == crate::kms::Check::Fail)
        };
        self.failed_checks += u64::from(exchange.checks.as_ref().is_some_and(fails));
    }
}

/// Reads a capture to its end and tells the observer what is in it.
///
/// Nothing is an error here: a file that cannot be read (any further) is a [`Notice`] with its place, and everything
/// in front of that place is told.
pub fn trace(name: &str, reader: impl Read, options: &Options, observer: &mut impl Observer) -> Summary {
    let summary = match CaptureReader::new(reader) {
        Ok(mut capture) => {
            observer.file(&FileRecord { name, format: capture.format() });
            let mut flows = Flows::new(Tracer::new(&mut *observer, &options.ports));
            let read = read_packets(&mut capture, options, &mut flows);
            let mut summary = flows.handler.summary;
            summary.add(&read);
            summary
        }
        Err(error) => {
            observer.notice(&file_notice(&error));
            Summary { notices: 1, ..Summary::default() }
        }
    };
    observer.summary(&summary);
    summary
}

/// Who takes what the packets of a capture hold: connections, and complaints about packets.
pub(super) trait Taker: Steps {
    /// Takes a complaint.
    fn notice(&mut self, notice: Notice);

    /// A packet has been dealt with. False once nothing more need be read.
    fn goes_on(&mut self) -> bool;
}

impl<O: Observer> Taker for Flows<Tracer<O>> {
    fn notice(&mut self, notice: Notice) {
        self.handler.notice(&notice);
    }

    fn goes_on(&mut self) -> bool {
        self.handler.observer.wants_more()
    }
}

/// Reads all packets, hands their segments to `taker`, and returns what is counted on the way.
pub(super) fn read_packets<R: Read>(
    capture: &mut CaptureReader<R>,
    options: &Options,
    taker: &mut impl Taker,
) -> Summary {
    let mut layers = Layers::new(LayerOptions { checksums: options.checksums });
    let mut numbers = Summary::default();
    let mut table = FlowTable::new(&options.ports);
    let mut failure = None;
    let mut conflicts = 0;
    while taker.goes_on() {
        let packet = match capture.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            Err(error) => {
                failure = Some(error);
                break;
            }
        };
        numbers.packets += 1;
        let stamp = Stamp { frame: packet.frame, time: packet.time };
        match layers.segment(&packet) {
            Ok(segment) => {
                numbers.segments += 1;
                table.push(&segment, stamp, taker);
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
                    taker.notice(bad_checksum(&bad, packet.frame));
                }
            }
            Err(NotTcp::UnknownLink(link)) => {
                let count = numbers.unknown_links.entry(link.0).or_default();
                *count += 1;
                if *count == 1 {
                    taker.notice(unknown_link(link, packet.frame));
                }
            }
        }
        if layers.fragment_conflicts() > conflicts {
            conflicts = layers.fragment_conflicts();
            for conflict in layers.take_fragment_conflicts() {
                taker.notice(fragment_conflict(&conflict));
            }
        }
    }
    table.finish(taker);
    if let Some(error) = failure {
        taker.notice(file_notice(&error));
    }
    let skipped = capture.skipped_blocks();
    if skipped > 0 {
        let message = format!("{skipped} pcapng blocks could not be read and were passed over");
        taker.notice(Notice::new(NoticeKind::DamagedFile, message));
    }
    let (pending, given_up) = layers.incomplete_datagrams();
    numbers.bytes = capture.offset();
    numbers.incomplete_datagrams = pending as u64 + given_up;
    numbers.conflicting_fragments = layers.fragment_conflicts();
    numbers.late_bytes = table.late_bytes();
    numbers.evicted_connections = table.evicted();
    numbers
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

/// The complaint about a file that cannot be read (any further).
pub(super) fn file_notice(error: &CaptureError) -> Notice {
    let message = error.to_string();
    let at = |kind, frame: u64, offset, needed, got| Notice {
        frame: (frame > 0).then_some(frame),
        file_offset: Some(offset),
        needed,
        got,
        ..Notice::new(kind, message.clone())
    };
    match error {
        CaptureError::Empty => at(NoticeKind::EmptyFile, 0, 0, Some(24), Some(0)),
        CaptureError::NotACapture { .. } => at(NoticeKind::NotACapture, 0, 0, None, None),
        CaptureError::Truncated { offset, frame, needed, got, .. } => {
            at(NoticeKind::TruncatedFile, *frame, *offset, Some(*needed), Some(*got))
        }
        CaptureError::Damaged { offset, frame, length, most, .. } => {
            at(NoticeKind::DamagedFile, *frame, *offset, Some(*most), Some(*length))
        }
        CaptureError::Io { offset, .. } => at(NoticeKind::Unreadable, 0, *offset, None, None),
    }
}
