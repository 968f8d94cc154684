use std::collections::BTreeMap;
use std::io::Read;

use crate::capture::{CaptureError, CaptureFormat, CaptureReader, Layers, LinkType, NotTcp, Stamp, Streams};
use crate::kms::Verifier;

use super::tracer::Tracer;
use super::{Exchange, Notice, NoticeKind, Observer, Outcome};

/// What is asked of [`trace`].
#[derive(Clone, Debug)]
pub struct Options {
    /// Ports on which every connection is followed, also one whose beginning was not captured. Elsewhere volume
    /// activation is known by its interface in the bind.
    pub ports: Vec<u16>,
}

impl Default for Options {
    /// Port 1688.
    fn default() -> Self {
        Self { ports: vec![1688] }
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
    let mut summary = Summary::default();
    match CaptureReader::new(reader) {
        Ok(mut capture) => {
            observer.file(&FileRecord { name, format: capture.format() });
            packets(&mut capture, options, observer, &mut summary);
        }
        Err(error) => {
            summary.notices += 1;
            observer.notice(&file_notice(&error));
        }
    }
    observer.summary(&summary);
    summary
}

fn packets<R: Read>(
    capture: &mut CaptureReader<R>,
    options: &Options,
    observer: &mut impl Observer,
    summary: &mut Summary,
) {
    let mut layers = Layers::default();
    let mut numbers = Summary::default();
    let mut failure = None;
    let mut streams = Streams::new(Tracer {
        observer,
        summary,
        ports: &options.ports,
        held: 0,
        verifier: Verifier::default(),
    });
    loop {
        if !streams.handler().observer.wants_more() {
            break;
        }
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
                streams.push(&segment, stamp);
            }
            Err(NotTcp::NotIp) => numbers.not_ip += 1,
            Err(NotTcp::OtherProtocol(_)) => numbers.other_protocols += 1,
            Err(NotTcp::Fragment) => numbers.fragments += 1,
            Err(NotTcp::OversizedFragment) => numbers.oversized_fragments += 1,
            Err(NotTcp::CutHeader) => numbers.cut_headers += 1,
            Err(NotTcp::BadHeader | NotTcp::TooDeep) => numbers.bad_headers += 1,
            Err(NotTcp::BadChecksum(_)) => numbers.bad_checksums += 1,
            Err(NotTcp::UnknownLink(link)) => {
                let count = numbers.unknown_links.entry(link.0).or_default();
                *count += 1;
                if *count == 1 {
                    let notice = unknown_link(link, packet.frame);
                    let tracer = streams.handler();
                    tracer.summary.notices += 1;
                    tracer.observer.notice(&notice);
                }
            }
        }
    }
    let late_bytes = streams.late_bytes();
    let evicted_connections = streams.evicted();
    let tracer = streams.finish();
    let (pending, given_up) = layers.incomplete_datagrams();
    if let Some(error) = failure {
        tracer.summary.notices += 1;
        tracer.observer.notice(&file_notice(&error));
    }
    let skipped = capture.skipped_blocks();
    if skipped > 0 {
        tracer.summary.notices += 1;
        let message = format!("{skipped} pcapng blocks could not be read and were passed over");
        tracer.observer.notice(&Notice::new(NoticeKind::DamagedFile, message));
    }
    *tracer.summary = Summary {
        packets: numbers.packets,
        bytes: capture.offset(),
        segments: numbers.segments,
        not_ip: numbers.not_ip,
        other_protocols: numbers.other_protocols,
        fragments: numbers.fragments,
        incomplete_datagrams: pending as u64 + given_up,
        conflicting_fragments: layers.fragment_conflicts(),
        oversized_fragments: numbers.oversized_fragments,
        cut_headers: numbers.cut_headers,
        bad_headers: numbers.bad_headers,
        bad_checksums: numbers.bad_checksums,
        unknown_links: numbers.unknown_links,
        late_bytes,
        evicted_connections,
        ..std::mem::take(tracer.summary)
    };
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
fn file_notice(error: &CaptureError) -> Notice {
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
