use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::input::{Progress, open, open_counted};
use super::packets::{Comment, Comments, Packet, Packets, Secrets};
use super::{CaptureError, CaptureFormat, CaptureReader, LinkType};

/// A reader that may be read on any thread.
type Input = Box<dyn Read + Send>;

/// A file of a merged reading.
pub struct Source {
    name: String,
    open: Box<dyn FnMut() -> io::Result<Input> + Send>,
    is_read_once: bool,
}

impl Source {
    /// A file that can be opened twice: once to see when it begins, and again to read it.
    pub fn new(name: String, open: impl FnMut() -> io::Result<Input> + Send + 'static) -> Self {
        Self { name, open: Box::new(open), is_read_once: false }
    }

    /// What can be read only once, as standard input: it is open from the beginning.
    pub fn once(name: String, reader: Input) -> Self {
        let mut reader = Some(reader);
        let open = move || reader.take().ok_or_else(|| io::ErrorKind::NotSeekable.into());
        Self { name, open: Box::new(open), is_read_once: true }
    }

    /// A file on disk, or with `-` standard input; what is read of it is counted.
    #[must_use]
    pub fn file(path: &Path, progress: &Progress) -> Self {
        progress.expect(path);
        let (name, path, progress) = (path.display().to_string(), path.to_owned(), progress.clone());
        let is_read_once = path == Path::new("-");
        let mut opened = 0;
        // The look at its beginning is no progress.
        let open = move || {
            opened += 1;
            let is_look = opened == 1 && !is_read_once;
            if is_look { open(&path) } else { open_counted(&path, &progress) }
        };
        Self { name, open: Box::new(open), is_read_once }
    }
}

/// Several captures as one, in order of their packets' times.
///
/// Packets of the same time, and those without a time, come in order of the files; no file's own packets change their
/// order. A file is open only while its packets are due: rotated files are so one at a time.
pub struct Merged {
    files: Vec<File>,
    /// Time of each file's next packet, and its number.
    due: BinaryHeap<Reverse<(i64, usize)>>,
    /// Files that are due, but over the bound of open ones.
    waiting: VecDeque<usize>,
    /// What could not be read, and is still to be said; with it, whether it counts as a packet.
    errors: VecDeque<(CaptureError, bool)>,
    /// The file that the current packet is of.
    current: Option<usize>,
    frame: u64,
    open: usize,
    comments: Comments,
    secrets: Secrets,
}

struct File {
    source: Source,
    format: Option<CaptureFormat>,
    reader: Option<CaptureReader<Input>>,
    /// Time of its next packet; that of the one before where it has none.
    time: i64,
    is_late: bool,
    /// What its reader counted, once that is closed.
    offset: u64,
    skipped_blocks: u64,
    comments_left_out: u64,
    secrets_left_out: u64,
}

/// Files that are open at once.
const MAX_OPEN: usize = 128;

impl Merged {
    /// Files on disk; what is read of them is counted.
    #[must_use]
    pub fn open(paths: &[PathBuf], progress: &Progress) -> Self {
        Self::new(paths.iter().map(|path| Source::file(path, progress)).collect())
    }

    /// Looks at each file's beginning. What cannot be opened or is no capture is an error of [`Packets::advance`], and
    /// the others are read.
    #[must_use]
    pub fn new(sources: Vec<Source>) -> Self {
        let mut merged = Self {
            files: Vec::with_capacity(sources.len()),
            due: BinaryHeap::new(),
            waiting: VecDeque::new(),
            errors: VecDeque::new(),
            current: None,
            frame: 0,
            open: 0,
            comments: Comments::default(),
            secrets: Secrets::default(),
        };
        for (index, source) in sources.into_iter().enumerate() {
            merged.files.push(File {
                source,
                format: None,
                reader: None,
                time: i64::MIN,
                is_late: false,
                offset: 0,
                skipped_blocks: 0,
                comments_left_out: 0,
                secrets_left_out: 0,
            });
            let Some(mut reader) = merged.open_file(index) else { continue };
            let file = &mut merged.files[index];
            file.format = Some(reader.format());
            if file.source.is_read_once {
                file.reader = Some(reader);
                merged.open += 1;
                merged.step(index);
                continue;
            }
            // What is wrong with it is said when it is read.
            let has_packet = loop {
                match reader.advance() {
                    Err(error) if !error.ends_the_file() => {}
                    result => break result.unwrap_or(false),
                }
            };
            if has_packet {
                file.time = reader.packet().time.unwrap_or(i64::MIN);
            }
            merged.due.push(Reverse((file.time, index)));
        }
        merged
    }

    /// Number of the file that the current packet is of.
    #[must_use]
    pub fn file(&self) -> Option<usize> {
        self.current
    }

    /// Each file's name and format; `None` where it could not be opened or is no capture.
    pub fn files(&self) -> impl Iterator<Item = (&str, Option<CaptureFormat>)> {
        self.files.iter().map(|file| (file.source.name.as_str(), file.format))
    }

    fn open_file(&mut self, index: usize) -> Option<CaptureReader<Input>> {
        let opened = (self.files[index].source.open)().map_err(|error| CaptureError::Open { error });
        match opened.and_then(CaptureReader::new) {
            Ok(reader) => Some(reader),
            Err(error) => {
                self.complain(index, error, false);
                None
            }
        }
    }

    fn complain(&mut self, index: usize, error: CaptureError, is_frame: bool) {
        let name = self.files[index].source.name.clone();
        self.errors.push_back((CaptureError::InFile { index, name, error: Box::new(error) }, is_frame));
    }

    /// Goes to an open file's next packet, or closes it.
    fn step(&mut self, index: usize) {
        loop {
            let file = &mut self.files[index];
            let Some(reader) = &mut file.reader else { return };
            let frames = reader.frames();
            let advanced = reader.advance();
            // They may be those of another file's packets, which are due earlier.
            self.secrets.add(&reader.take_secrets());
            match advanced {
                Ok(true) => {
                    file.time = reader.packet().time.unwrap_or(file.time);
                    self.due.push(Reverse((file.time, index)));
                    return;
                }
                Ok(false) => break,
                Err(error) => {
                    let is_frame = matches!(error, CaptureError::Damaged { .. }) && reader.frames() > frames;
                    self.complain(index, error, is_frame);
                }
            }
        }
        let file = &mut self.files[index];
        if let Some(mut reader) = file.reader.take() {
            file.offset = reader.offset();
            file.skipped_blocks = reader.skipped_blocks();
            file.comments_left_out = reader.comments_left_out();
            file.secrets_left_out = reader.secrets_left_out();
            self.take_comments_of(reader.take_comments(), self.frame + 1);
        }
        self.open -= 1;
        if let Some(waiting) = self.waiting.pop_front() {
            self.due.push(Reverse((self.files[waiting].time, waiting)));
        }
    }

    fn take_comments_of(&mut self, comments: Vec<Comment>, frame: u64) {
        for comment in comments {
            self.comments.keep(Comment { frame, ..comment });
        }
    }
}

impl Packets for Merged {
    fn advance(&mut self) -> Result<bool, CaptureError> {
        if let Some(index) = self.current.take() {
            self.step(index);
        }
        loop {
            if let Some((mut error, is_frame)) = self.errors.pop_front() {
                error.set_frame(self.frame + 1);
                self.frame += u64::from(is_frame);
                return Err(error);
            }
            let Some(Reverse((_, index))) = self.due.pop() else { return Ok(false) };
            if let Some(reader) = &mut self.files[index].reader {
                let comments = reader.take_comments();
                self.frame += 1;
                self.take_comments_of(comments, self.frame);
                self.current = Some(index);
                return Ok(true);
            }
            if self.open >= MAX_OPEN {
                self.waiting.push_back(index);
                if !std::mem::replace(&mut self.files[index].is_late, true) {
                    self.complain(index, CaptureError::TooManyOpen { most: MAX_OPEN }, false);
                }
                continue;
            }
            if let Some(reader) = self.open_file(index) {
                self.files[index].reader = Some(reader);
                self.open += 1;
                self.step(index);
            }
        }
    }

    fn packet(&self) -> Packet<'_> {
        let reader = self.current.and_then(|index| Some((index, self.files[index].reader.as_ref()?)));
        match reader {
            Some((index, reader)) => {
                let packet = reader.packet();
                let file = u32::try_from(index).unwrap_or(u32::MAX);
                Packet { frame: self.frame, interface: file << 16 | packet.interface & 0xffff, ..packet }
            }
            None => Packet {
                frame: 0,
                time: None,
                interface: 0,
                link: LinkType(u16::MAX),
                data: &[],
                original_length: 0,
            },
        }
    }

    fn offset(&self) -> u64 {
        self.files.iter().map(|file| file.reader.as_ref().map_or(file.offset, CaptureReader::offset)).sum()
    }

    fn take_comments(&mut self) -> Vec<Comment> {
        self.comments.take()
    }

    fn comments_left_out(&self) -> u64 {
        let of_files = self
            .files
            .iter()
            .map(|file| file.reader.as_ref().map_or(file.comments_left_out, Packets::comments_left_out));
        self.comments.left_out + of_files.sum::<u64>()
    }

    fn take_secrets(&mut self) -> Vec<u8> {
        self.secrets.take()
    }

    fn secrets_left_out(&self) -> u64 {
        let of_files = self
            .files
            .iter()
            .map(|file| file.reader.as_ref().map_or(file.secrets_left_out, Packets::secrets_left_out));
        self.secrets.left_out + of_files.sum::<u64>()
    }

    fn skipped_blocks(&self) -> u64 {
        let of_files = self
            .files
            .iter()
            .map(|file| file.reader.as_ref().map_or(file.skipped_blocks, CaptureReader::skipped_blocks));
        of_files.sum()
    }
}
