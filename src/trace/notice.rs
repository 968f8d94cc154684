use std::fmt;

use crate::capture::{CaptureError, Direction, Fault};

/// One complaint about a capture, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What kind of complaint.
    pub kind: NoticeKind,
    /// The packet, where there is one.
    pub frame: Option<u64>,
    /// Offset in the file (behind decompression), where that is the place.
    pub file_offset: Option<u64>,
    /// The connection, where there is one.
    pub stream: Option<u64>,
    /// Its direction.
    pub direction: Option<Direction>,
    /// Offset in that direction's stream.
    pub stream_offset: Option<u64>,
    /// Bytes that were needed.
    pub needed: Option<u64>,
    /// Bytes that were there.
    pub got: Option<u64>,
    /// What is wrong, in one line.
    pub message: String,
}

/// The kinds of complaints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoticeKind {
    /// The file cannot be opened or read.
    Unreadable,
    /// The file has no bytes.
    EmptyFile,
    /// The file is no capture.
    NotACapture,
    /// The file ends inside a record.
    TruncatedFile,
    /// A record of the file says of itself what cannot be.
    DamagedFile,
    /// Packets of a link type that is not known here.
    UnknownLinkType,
    /// Packets whose checksum is wrong, where that was to be verified.
    BadChecksum,
    /// Fragments of an IP datagram do not say the same.
    FragmentConflict,
    /// Bytes of a stream are not in the capture.
    StreamGap,
    /// Bytes of a stream came again and were others.
    OverlapConflict,
    /// A PDU's end is missing, because its stream ends.
    PduCut,
    /// Bytes of a stream are no DCE/RPC.
    NotRpc,
    /// A PDU is not what its type says.
    MalformedPdu,
    /// An HTTP message's end is missing.
    MessageCut,
    /// Bytes of a connection to a service are no HTTP.
    NotHttp,
    /// A TLS connection, or a record of it, cannot be opened with the secrets that are there.
    TlsSealed,
    /// An entry of a HAR file, or a field of one, is not what the format says.
    MalformedHar,
    /// A document, or a line of one, is not what it should be.
    MalformedDocument,
    /// A line of a key log is none.
    MalformedKeyLog,
    /// A message of DNS is not what its header says.
    MalformedDns,
    /// A message of LDAP is not what it should be.
    MalformedLdap,
    /// Something of VMBus is not what it should be.
    MalformedVmbus,
    /// A bound of this program was reached.
    BoundReached,
}

impl NoticeKind {
    /// The name in lower case with hyphens.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::EmptyFile => "empty-file",
            Self::NotACapture => "not-a-capture",
            Self::TruncatedFile => "truncated-file",
            Self::DamagedFile => "damaged-file",
            Self::UnknownLinkType => "unknown-link-type",
            Self::BadChecksum => "bad-checksum",
            Self::FragmentConflict => "fragment-conflict",
            Self::StreamGap => "stream-gap",
            Self::OverlapConflict => "overlap-conflict",
            Self::PduCut => "pdu-cut",
            Self::NotRpc => "not-rpc",
            Self::MalformedPdu => "malformed-pdu",
            Self::MessageCut => "message-cut",
            Self::NotHttp => "not-http",
            Self::TlsSealed => "tls-sealed",
            Self::MalformedHar => "malformed-har",
            Self::MalformedDocument => "malformed-document",
            Self::MalformedKeyLog => "malformed-key-log",
            Self::MalformedDns => "malformed-dns",
            Self::MalformedLdap => "malformed-ldap",
            Self::MalformedVmbus => "malformed-vmbus",
            Self::BoundReached => "bound-reached",
        }
    }

    /// True where the input itself could not be read (to its end).
    #[must_use]
    pub fn is_failed_input(self) -> bool {
        matches!(
            self,
            Self::Unreadable
                | Self::EmptyFile
                | Self::NotACapture
                | Self::TruncatedFile
                | Self::DamagedFile
                | Self::MalformedDocument
        )
    }
}

impl Notice {
    /// The complaint about a file that cannot be read, or about a place in it.
    #[must_use]
    pub fn of(error: &CaptureError) -> Self {
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
            CaptureError::InFile { error, .. } => Notice { message, ..Self::of(error) },
        }
    }

    /// A complaint about a place in one direction of a connection, which this packet shows.
    pub(super) fn in_stream(
        kind: NoticeKind,
        message: String,
        (stream, direction, offset): (u64, Direction, u64),
        frame: u64,
    ) -> Self {
        Self {
            frame: Some(frame),
            stream: Some(stream),
            direction: Some(direction),
            stream_offset: Some(offset),
            ..Self::new(kind, message)
        }
    }

    /// A complaint without a place yet.
    #[must_use]
    pub fn new(kind: NoticeKind, message: String) -> Self {
        Self {
            kind,
            frame: None,
            file_offset: None,
            stream: None,
            direction: None,
            stream_offset: None,
            needed: None,
            got: None,
            message,
        }
    }
}

/// `frame 16, stream 0 s2c offset 108: response PDU: ...`.
impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        if let Some(frame) = self.frame {
            write!(f, "frame {frame}")?;
            separator = ", ";
        }
        if let Some(stream) = self.stream {
            write!(f, "{separator}stream {stream}")?;
            if let (Some(direction), Some(offset)) = (self.direction, self.stream_offset) {
                write!(f, " {} offset {offset}", direction.name())?;
            }
            separator = ", ";
        }
        if !separator.is_empty() {
            f.write_str(": ")?;
        }
        f.write_str(&self.message)
    }
}
