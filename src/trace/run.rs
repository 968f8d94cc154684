use std::io::Read;
use std::sync::Arc;

use crate::capture::{CaptureFormat, CaptureReader, Flows, LinkType, Packets};
use crate::tls::KeyLog;

use super::reading::read_packets;
use super::tracer::Tracer;
use super::{InputKind, Notice, Observer, Summary};

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
