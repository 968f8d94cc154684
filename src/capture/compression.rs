use std::io::{self, BufRead, BufReader, Read};

use flate2::read::MultiGzDecoder;
use lz4_flex::frame;
use ruzstd::decoding::errors::FrameDecoderError;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Layers of compression that are taken off a file.
const MAX_LAYERS: usize = 2;

/// The most bytes back that a zstd frame may refer to, all of which have to be kept.
const MAX_ZSTD_WINDOW: u64 = 128 << 20;

const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const LZ4: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
const LZ4_LEGACY: [u8; 4] = [0x02, 0x21, 0x4c, 0x18];

/// The reader itself, or what it holds where its first bytes are those of gzip (RFC 1952 2.3.1), zstd (RFC 8878 3.1) or
/// LZ4's frames.
pub(super) fn decompress(reader: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
    let mut reader = reader;
    for layer in 0..=MAX_LAYERS {
        let mut peeked = Peeked::new(reader);
        // What fails at once cannot be opened; what fails inside is said where the bytes are missing.
        if layer == 0
            && peeked.got == 0
            && let Some(error) = peeked.failure.take()
        {
            return Err(error);
        }
        let head = &peeked.head[..peeked.got];
        reader = match head {
            _ if layer == MAX_LAYERS => return Ok(Box::new(peeked)),
            [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(peeked)),
            _ if *head == ZSTD || *head == LZ4 || *head == LZ4_LEGACY || is_skippable(head) => {
                Box::new(Frames::new(peeked))
            }
            _ => return Ok(Box::new(peeked)),
        };
    }
    Ok(reader)
}

/// Frames that say nothing, which both formats have under the same sixteen numbers.
fn is_skippable(head: &[u8]) -> bool {
    matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18])
}

/// A reader whose first bytes were looked at.
struct Peeked<R> {
    head: [u8; 4],
    got: usize,
    given: usize,
    failure: Option<io::Error>,
    rest: R,
}

impl<R: Read> Peeked<R> {
    fn new(mut rest: R) -> Self {
        let mut head = [0; 4];
        let (mut got, mut failure) = (0, None);
        while got < head.len() && failure.is_none() {
            match rest.read(&mut head[got..]) {
                Ok(0) => break,
                Ok(read) => got += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => failure = Some(error),
            }
        }
        Self { head, got, given: 0, failure, rest }
    }
}

impl<R: Read> Read for Peeked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given < self.got {
            let read = (&self.head[self.given..self.got]).read(buffer)?;
            self.given += read;
            return Ok(read);
        }
        match self.failure.take() {
            Some(error) => Err(error),
            None => self.rest.read(buffer),
        }
    }
}

/// Frames of zstd or LZ4, one behind the other, as one stream.
struct Frames<R: Read> {
    /// Owns the bytes, also while they are those of zstd.
    lz4: frame::FrameDecoder<Bytes<R>>,
    zstd: FrameDecoder,
    state: State,
}

enum State {
    Between,
    Zstd,
    /// What was decoded before it is still to be handed out.
    ZstdFailed(io::Error),
    Lz4 {
        /// The old format's frames have no end but the file's.
        is_legacy: bool,
    },
    End,
}

/// The compressed bytes.
struct Bytes<R> {
    inner: BufReader<R>,
    /// Bytes that were looked at, to be read again.
    again: [u8; 4],
    given: usize,
    /// True to go on with bytes that neither begin a frame nor a block, which shows what the decoder waits for.
    is_probe: bool,
}

impl<R: Read> Read for Bytes<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_probe {
            buffer.fill(0xff);
            return Ok(buffer.len());
        }
        if self.given < self.again.len() {
            let read = (&self.again[self.given..]).read(buffer)?;
            self.given += read;
            return Ok(read);
        }
        self.inner.read(buffer)
    }
}

impl<R: Read> Frames<R> {
    fn new(reader: R) -> Self {
        let inner = BufReader::with_capacity(1 << 16, reader);
        let bytes = Bytes { inner, again: [0; 4], given: 4, is_probe: false };
        let mut zstd = FrameDecoder::new();
        zstd.set_max_window_size(MAX_ZSTD_WINDOW);
        Self { lz4: frame::FrameDecoder::new(bytes), zstd, state: State::Between }
    }

    /// Reads the next frame's magic.
    fn begin(&mut self) -> io::Result<State> {
        let bytes = self.lz4.get_mut();
        let mut magic = [0; 4];
        let mut got = 0;
        while got < magic.len() {
            match bytes.read(&mut magic[got..]) {
                Ok(0) => break,
                Ok(read) => got += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if got == 0 {
            return Ok(State::End);
        }
        (bytes.again, bytes.given) = (magic, 0);
        if magic == ZSTD {
            self.zstd.reset(&mut *bytes).map_err(|error| zstd_error(&error))?;
            return Ok(State::Zstd);
        }
        if is_skippable(&magic[..got]) {
            bytes.given = 4;
            let mut length = [0; 4];
            bytes.read_exact(&mut length)?;
            skip(bytes, u32::from_le_bytes(length))?;
            return Ok(State::Between);
        }
        if magic == LZ4 || magic == LZ4_LEGACY {
            return Ok(State::Lz4 { is_legacy: magic == LZ4_LEGACY });
        }
        let magic = crate::wire::Hex(&magic[..got]);
        Err(invalid(format!("neither a zstd nor an lz4 frame begins with {magic}")))
    }

    fn read_zstd(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.zstd.can_collect() > 0 {
                return self.zstd.read(buffer);
            }
            if self.zstd.is_finished() {
                if let State::ZstdFailed(error) = std::mem::replace(&mut self.state, State::End) {
                    return Err(error);
                }
                if let Some(sum) = self.zstd.get_checksum_from_data()
                    && self.zstd.get_calculated_checksum() != Some(sum)
                {
                    return Err(invalid("zstd frame: its checksum does not match".to_owned()));
                }
                self.state = State::Between;
                return Ok(0);
            }
            let one = BlockDecodingStrategy::UptoBlocks(1);
            if let Err(error) = self.zstd.decode_blocks(self.lz4.get_mut(), one) {
                self.state = State::ZstdFailed(zstd_error(&error));
                // The decoder keeps a window of what it has decoded until the frame's last block: an empty one, and
                // room for the checksum.
                let last: &[u8] = &[1, 0, 0, 0, 0, 0, 0];
                if self.zstd.decode_blocks(last, BlockDecodingStrategy::UptoBlocks(1)).is_err() {
                    return Err(zstd_error(&error));
                }
            }
        }
    }

    fn read_lz4(&mut self, buffer: &mut [u8], is_legacy: bool) -> io::Result<usize> {
        let error = match self.lz4.read(buffer) {
            Ok(0) if self.lz4.get_mut().inner.fill_buf()?.is_empty() => {
                self.state = State::End;
                self.lz4.get_mut().is_probe = true;
                match self.lz4.read(buffer) {
                    // It waited for another frame, or in the old format for another block.
                    Err(error) if is_legacy || is_wrong_magic(&error) => return Ok(0),
                    _ => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "incomplete lz4 frame")),
                }
            }
            Ok(read) => return Ok(read),
            Err(error) => error,
        };
        if let Some(frame::Error::SkippableFrame(length)) = lz4_error(&error) {
            let length = *length;
            skip(self.lz4.get_mut(), length)?;
            return Ok(0);
        }
        Err(match lz4_error(&error) {
            Some(inner) => invalid(format!("damaged lz4 frame: {inner}")),
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                io::Error::new(error.kind(), "incomplete lz4 frame")
            }
            None => error,
        })
    }
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let read = match self.state {
                State::End => return Ok(0),
                State::Between => {
                    // Behind a failure is nothing.
                    self.state = State::End;
                    self.state = self.begin().map_err(incomplete)?;
                    0
                }
                State::Zstd | State::ZstdFailed(_) => self.read_zstd(buffer)?,
                State::Lz4 { is_legacy } => self.read_lz4(buffer, is_legacy)?,
            };
            if read > 0 {
                return Ok(read);
            }
        }
    }
}

fn skip(bytes: &mut impl Read, length: u32) -> io::Result<()> {
    let skipped = io::copy(&mut bytes.take(length.into()), &mut io::sink())?;
    if skipped < u64::from(length) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

fn is_wrong_magic(error: &io::Error) -> bool {
    matches!(lz4_error(error), Some(frame::Error::WrongMagicNumber))
}

fn lz4_error(error: &io::Error) -> Option<&frame::Error> {
    error.get_ref()?.downcast_ref()
}

/// The decoder's own words; the end of the bytes, which it says in a dozen ways, in one.
fn zstd_error(error: &FrameDecoderError) -> io::Error {
    if let FrameDecoderError::WindowSizeTooBig { requested, max } = error {
        let text = format!("zstd frame with a window of {requested} bytes: the most that is read is {max}");
        return invalid(text);
    }
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            return if io.kind() == io::ErrorKind::UnexpectedEof {
                io::Error::new(io.kind(), "incomplete zstd frame")
            } else {
                io::Error::new(io.kind(), io.to_string())
            };
        }
        source = inner.source();
    }
    let text = error.to_string();
    invalid(format!("damaged zstd frame: {}", text.lines().next().unwrap_or_default()))
}

fn incomplete(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::UnexpectedEof && error.get_ref().is_none() {
        io::Error::new(error.kind(), "incomplete frame header")
    } else {
        error
    }
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}
