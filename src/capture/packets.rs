use super::{CaptureError, LinkType};

/// One packet of a capture.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Number of the packet in its file, from 1; of a merged reading, in all files.
    pub frame: u64,
    /// Nanoseconds since 1970-01-01T00:00:00Z; `None` in blocks that carry no time.
    pub time: Option<i64>,
    /// The interface it was captured on: its number in its section, 0 in a pcap file; of a merged reading, with the number
    /// of the file in the upper half.
    pub interface: u32,
    /// The link layer of that interface.
    pub link: LinkType,
    /// The bytes that were captured.
    pub data: &'a [u8],
    /// Bytes that the packet had on the wire.
    pub original_length: u32,
}

/// A comment that somebody has written into a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// What it is about.
    pub about: About,
    /// The packet it is about; for a section or an interface, the one that comes next.
    pub frame: u64,
    /// Its text, cut at [`Self::MOST_BYTES`].
    pub text: String,
}

/// What a [`Comment`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// A section of a pcapng file.
    Section,
    /// The interface of this number in its section.
    Interface(u32),
    /// A packet.
    Packet,
}

impl Comment {
    /// Bytes of a comment's text that are kept.
    pub const MOST_BYTES: usize = 1024;
    /// Comments that are kept until they are taken; those beyond are counted.
    pub const MOST_KEPT: usize = 1000;
}

/// Bytes of secrets that are kept until they are taken; of blocks beyond, the number is.
pub const MOST_SECRETS: usize = 1 << 24;

/// Packets one behind the other: of one file, or of several as one.
pub trait Packets {
    /// Goes on to the next packet; false at the end.
    ///
    /// # Errors
    /// What could not be read. Calling it again goes on behind the damage, or is false where there is nothing.
    fn advance(&mut self) -> Result<bool, CaptureError>;

    /// The packet that [`Self::advance`] has gone to. Before that, an empty one.
    fn packet(&self) -> Packet<'_>;

    /// Bytes read so far (behind decompression).
    fn offset(&self) -> u64;

    /// Comments that have come up since they were last taken.
    fn take_comments(&mut self) -> Vec<Comment>;

    /// Comments that were left out, because [`Comment::MOST_KEPT`] waited to be taken.
    fn comments_left_out(&self) -> u64;

    /// TLS key logs that have come up since they were last taken (the Decryption Secrets Blocks of pcapng): their lines,
    /// [`MOST_SECRETS`] bytes at most. What stands in front of a packet has come up once it is
    /// [`Self::packet`].
    fn take_secrets(&mut self) -> Vec<u8>;

    /// Blocks of secrets that were left out, because they are of another kind, or there was no room.
    fn secrets_left_out(&self) -> u64;

    /// Blocks of a known type that could not be read and were passed over by their length.
    fn skipped_blocks(&self) -> u64;

    /// The next packet; `None` at the end.
    ///
    /// # Errors
    /// Those of [`Self::advance`].
    fn next_packet(&mut self) -> Result<Option<Packet<'_>>, CaptureError> {
        Ok(if self.advance()? { Some(Self::packet(self)) } else { None })
    }
}

impl<P: Packets + ?Sized> Packets for &mut P {
    fn advance(&mut self) -> Result<bool, CaptureError> {
        (**self).advance()
    }

    fn packet(&self) -> Packet<'_> {
        (**self).packet()
    }

    fn offset(&self) -> u64 {
        (**self).offset()
    }

    fn take_comments(&mut self) -> Vec<Comment> {
        (**self).take_comments()
    }

    fn comments_left_out(&self) -> u64 {
        (**self).comments_left_out()
    }

    fn take_secrets(&mut self) -> Vec<u8> {
        (**self).take_secrets()
    }

    fn secrets_left_out(&self) -> u64 {
        (**self).secrets_left_out()
    }

    fn skipped_blocks(&self) -> u64 {
        (**self).skipped_blocks()
    }
}

/// Comments that wait to be taken.
#[derive(Default)]
pub(super) struct Comments {
    kept: Vec<Comment>,
    pub(super) left_out: u64,
}

impl Comments {
    pub(super) fn add(&mut self, about: About, frame: u64, text: &[u8]) {
        // Without room for it, its text needs no look.
        if self.kept.len() == Comment::MOST_KEPT {
            self.left_out += 1;
            return;
        }
        let text = text.split(|&b| b == 0).next().unwrap_or_default();
        let is_cut = text.len() > Comment::MOST_BYTES;
        let text = &text[..text.len().min(Comment::MOST_BYTES)];
        // A character that the cut goes through is left out, not shown as damage.
        let text = match std::str::from_utf8(text) {
            Err(error) if is_cut && error.error_len().is_none() => &text[..error.valid_up_to()],
            _ => text,
        };
        self.keep(Comment { about, frame, text: String::from_utf8_lossy(text).into_owned() });
    }

    pub(super) fn keep(&mut self, comment: Comment) {
        if self.kept.len() < Comment::MOST_KEPT {
            self.kept.push(comment);
        } else {
            self.left_out += 1;
        }
    }

    pub(super) fn take(&mut self) -> Vec<Comment> {
        std::mem::take(&mut self.kept)
    }
}

/// Secrets that wait to be taken.
#[derive(Default)]
pub(super) struct Secrets {
    kept: Vec<u8>,
    pub(super) left_out: u64,
}

impl Secrets {
    /// Keeps the lines of one block, if there is room for all of them.
    pub(super) fn add(&mut self, lines: &[u8]) {
        let Some(last) = lines.last() else { return };
        if self.kept.len() + lines.len() >= MOST_SECRETS {
            self.left_out += 1;
            return;
        }
        self.kept.extend_from_slice(lines);
        // What comes behind them begins another line.
        if *last != b'\n' {
            self.kept.push(b'\n');
        }
    }

    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.kept)
    }
}
