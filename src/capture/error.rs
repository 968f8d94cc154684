use std::fmt;
use std::io;

/// Why a capture file could not be read (on), placed by its offset (behind decompression).
#[derive(Debug)]
pub enum CaptureError {
    /// The file has no bytes.
    Empty,
    /// The first bytes are those of no capture format.
    NotACapture {
        /// The first bytes.
        magic: Vec<u8>,
    },
    /// The file ends inside a record or block.
    Truncated {
        /// What was being read.
        what: &'static str,
        /// File offset of the record.
        offset: u64,
        /// The frame the record would have been.
        frame: u64,
        /// Bytes that the record takes.
        needed: u64,
        /// Bytes that were left.
        got: u64,
    },
    /// A record or block says of itself what cannot be. It is passed over, and reading goes on behind it.
    Damaged {
        /// What was being read.
        what: &'static str,
        /// File offset of the record.
        offset: u64,
        /// The frame the record would have been.
        frame: u64,
        /// Its length field.
        length: u64,
        /// The most a record may have.
        most: u64,
        /// What is wrong with it.
        fault: Fault,
        /// Bytes that were passed over.
        passed: u64,
        /// File offset of the record that reading goes on with; `None` where there is none up to the file's end.
        resumes: Option<u64>,
    },
    /// Reading or decompressing failed.
    Io {
        /// File offset up to which bytes came.
        offset: u64,
        /// The failure.
        error: io::Error,
    },
    /// The file cannot be opened.
    Open {
        /// The failure.
        error: io::Error,
    },
    /// More files of a merged reading overlap in time than may be open at once: this one's packets come late.
    TooManyOpen {
        /// The bound.
        most: usize,
    },
    /// What happened in one of several files.
    InFile {
        /// Number of the file among the arguments, from 0.
        index: usize,
        /// Its name.
        name: String,
        /// What happened.
        error: Box<CaptureError>,
    },
}

/// What is wrong with a record or block that is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its length is over the bound, or no block can have it.
    Length,
    /// Its length does not lead to another record, while there is one elsewhere.
    LeadsNowhere,
    /// The length at the block's end is another one.
    TrailingLength(u32),
    /// The bytes of the packet do not fit the block.
    CapturedLength(u32),
    /// The secrets do not fit the block.
    SecretsLength(u32),
    /// The section's byte-order magic is no such thing.
    ByteOrder([u8; 4]),
    /// The block reads as one of another type.
    Type {
        /// The type it has.
        got: u32,
        /// What it reads as.
        reads_as: &'static str,
    },
}

impl CaptureError {
    /// True where nothing of the file is read behind it.
    #[must_use]
    pub fn ends_the_file(&self) -> bool {
        match self {
            Self::Damaged { resumes, .. } => resumes.is_none(),
            Self::TooManyOpen { .. } => false,
            Self::InFile { error, .. } => error.ends_the_file(),
            _ => true,
        }
    }

    /// Gives it the number that its packet has among several files.
    pub(super) fn set_frame(&mut self, number: u64) {
        match self {
            Self::Truncated { frame, .. } | Self::Damaged { frame, .. } => *frame = number,
            Self::InFile { error, .. } => error.set_frame(number),
            _ => {}
        }
    }
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "empty file: needed 24 bytes of a capture's header, got 0"),
            Self::NotACapture { magic } => {
                write!(f, "not a capture: the first bytes are {}", crate::wire::Hex(magic))?;
                if magic.iter().all(|b| b.is_ascii_graphic() || *b == b' ') {
                    write!(f, " (\"{}\")", String::from_utf8_lossy(magic))?;
                }
                Ok(())
            }
            Self::Truncated { what, offset, needed, got, .. } => {
                write!(f, "truncated file: {what} at file offset {offset}: needed {needed} bytes, got {got}")
            }
            Self::Damaged { what, offset, length, most, fault, passed, resumes, .. } => {
                write!(f, "damaged {what} at file offset {offset}: ")?;
                match fault {
                    Fault::Length if length > most => write!(f, "length {length} is not within 0..={most}")?,
                    Fault::Length => write!(f, "length {length} is none that a block can have")?,
                    Fault::LeadsNowhere => write!(f, "length {length} does not lead to another record")?,
                    Fault::TrailingLength(trailing) => {
                        write!(f, "length {length} at its beginning, but {trailing} at its end")?;
                    }
                    Fault::CapturedLength(captured) => {
                        write!(f, "captured length {captured} does not fit its length {length}")?;
                    }
                    Fault::SecretsLength(secrets) => {
                        write!(f, "secrets length {secrets} does not fit its length {length}")?;
                    }
                    Fault::ByteOrder(magic) => {
                        write!(f, "byte-order magic {} is unknown", crate::wire::Hex(magic))?;
                    }
                    Fault::Type { got, reads_as } => {
                        write!(f, "type {got:#010x}, but it reads as {reads_as}")?;
                    }
                }
                match resumes {
                    Some(offset) => {
                        write!(f, "; {passed} bytes passed over, reading goes on at file offset {offset}")
                    }
                    None => write!(f, "; {passed} bytes passed over, no sane record behind it"),
                }
            }
            Self::Io { offset, error } => write!(f, "reading failed at file offset {offset}: {error}"),
            Self::Open { error } => write!(f, "cannot be opened: {error}"),
            Self::TooManyOpen { most } => {
                write!(f, "more than {most} files overlap in time: packets of this one come late")
            }
            Self::InFile { name, error, .. } => write!(f, "{name}: {error}"),
        }
    }
}

impl std::error::Error for CaptureError {}
