use std::collections::BTreeMap;
use std::io::Read;

use crate::capture::{
    CaptureError, CaptureFormat, CaptureReader, Fault, Layers, LinkType, NotTcp, Packets, Stamp, Streams,
};
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
    /// Packets that end inside a header.
    pub cut_headers: u64,
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
/// Nothing is an error here: what cannot be read of a file is a [`Notice`] with its place, and everything in front of
/// that place and behind it is told.
pub fn trace(name: &str, reader: impl Read, options: &Options, observer: &mut impl Observer) -> Summary {
    match CaptureReader::new(reader) {
        Ok(mut capture) => {
            observer.file(&FileRecord { name, format: capture.format() });
            trace_packets(&mut capture, options, observer)
        }
        Err(error) => {
            let summary = Summary { notices: 1, ..Summary::default() };
            observer.notice(&file_notice(&error));
            observer.summary(&summary);
            summary
        }
    }
}

/// As [`trace`] for packets from anywhere: of several files as one, or of a time. No file is told.
pub fn trace_packets(capture: &mut impl Packets, options: &Options, observer: &mut impl Observer) -> Summary {
    let mut summary = Summary::default();
    packets(capture, options, observer, &mut summary);
    observer.summary(&summary);
    summary
}

fn packets(
    capture: &mut impl Packets,
    options: &Options,
    observer: &mut impl Observer,
    summary: &mut Summary,
) {
    let mut layers = Layers::default();
    let mut numbers = Summary::default();
    let mut failures = Vec::new();
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
            Err(error) if error.ends_the_file() => {
                // The end of what was being said comes first.
                failures.push(error);
                continue;
            }
            Err(error) => {
                let tracer = streams.handler();
                tracer.summary.notices += 1;
                tracer.observer.notice(&file_notice(&error));
                continue;
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
            Err(NotTcp::CutHeader) => numbers.cut_headers += 1,
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
    for error in failures {
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
        cut_headers: numbers.cut_headers,
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
        CaptureError::Damaged { offset, frame, length, most, fault, .. } => {
            let is_length = *fault == Fault::Length;
            let (needed, got) = (is_length.then_some(*most), is_length.then_some(*length));
            at(NoticeKind::DamagedFile, *frame, *offset, needed, got)
        }
        CaptureError::Io { offset, .. } => at(NoticeKind::Unreadable, 0, *offset, None, None),
        CaptureError::Open { .. } => Notice::new(NoticeKind::Unreadable, message),
        CaptureError::TooManyOpen { .. } => Notice::new(NoticeKind::BoundReached, message),
        CaptureError::InFile { error, .. } => Notice { message, ..file_notice(error) },
    }
}
