use std::fmt;
use std::io;

/// Why a capture file could not be read on, placed by its offset (behind decompression).
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
    /// A record or block says of itself what cannot be.
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
    },
    /// Reading or decompressing failed.
    Io {
        /// File offset up to which bytes came.
        offset: u64,
        /// The failure.
        error: io::Error,
    },
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
            Self::Damaged { what, offset, length, most, .. } => {
                write!(f, "damaged {what} at file offset {offset}: length {length} is not within 0..={most}")
            }
            Self::Io { offset, error } => write!(f, "reading failed at file offset {offset}: {error}"),
        }
    }
}

impl std::error::Error for CaptureError {}
