use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::compression::decompress;

/// Opens a file, `-` being standard input; what is compressed (gzip, zstd, LZ4) is decompressed as it is read.
///
/// # Errors
/// The file cannot be opened, or its first bytes cannot be read.
pub fn open(path: &Path) -> io::Result<Box<dyn Read + Send>> {
    open_counted(path, &Progress::default())
}

/// As [`open`]; what is read of the file on disk is counted. Its length is for [`Progress::expect`] to add.
///
/// # Errors
/// Those of [`open`].
pub fn open_counted(path: &Path, progress: &Progress) -> io::Result<Box<dyn Read + Send>> {
    let counts = Arc::clone(&progress.counts);
    if path == Path::new("-") {
        return decompress(Box::new(Counted { inner: io::stdin(), counts }));
    }
    decompress(Box::new(Counted { inner: File::open(path)?, counts }))
}

/// How far the reading of files is, in bytes on disk; its copies all tell the same.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    read: AtomicU64,
    total: AtomicU64,
    is_endless: AtomicBool,
}

impl Progress {
    /// Bytes that were read.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.counts.read.load(Ordering::Relaxed)
    }

    /// Bytes that there are; `None` where one of the inputs is no file.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        let is_endless = self.counts.is_endless.load(Ordering::Relaxed);
        (!is_endless).then(|| self.counts.total.load(Ordering::Relaxed))
    }

    /// Adds a file's length to what there is to read.
    pub fn expect(&self, path: &Path) {
        match fs::metadata(path) {
            Ok(file) if path != Path::new("-") && file.is_file() => {
                self.counts.total.fetch_add(file.len(), Ordering::Relaxed);
            }
            // What is not there has no bytes to wait for.
            Err(_) if path != Path::new("-") => {}
            _ => self.counts.is_endless.store(true, Ordering::Relaxed),
        }
    }
}

/// Counts what is read.
struct Counted<R> {
    inner: R,
    counts: Arc<Counts>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.counts.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// The files that the arguments name: a directory stands for the files below it that have a capture's suffix
/// (`.pcap`, `.pcapng`, `.cap`, `.ntar`, a number as rotation adds it), that of a HAR file (`.har`), of a VAMT file
/// (`.cil`, `.cilx`) or of an export in LDIF (`.ldif`), each also with `.gz`, `.zst` or `.lz4`, in order of their names. What else is read has to be named:
/// too much that is none of ours ends in `.xml`.
///
/// # Errors
/// A directory cannot be read; the error names it.
pub fn expand(arguments: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for argument in arguments {
        if argument != Path::new("-") && argument.is_dir() {
            walk(argument, 0, &mut files)?;
        } else {
            files.push(argument.clone());
        }
    }
    Ok(files)
}

/// How deep directories are walked.
const MAX_DEPTH: usize = 32;

fn walk(directory: &Path, depth: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", directory.display()));
    let entries = fs::read_dir(directory).map_err(named)?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>().map_err(named)?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            if depth < MAX_DEPTH {
                walk(&path, depth + 1, files)?;
            }
        } else if is_named_like_an_input(&path) {
            files.push(path);
        }
    }
    Ok(())
}

fn is_named_like_an_input(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let name = [".gz", ".zst", ".lz4"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(&name);
    let mut suffixes = name.rsplit('.');
    let last = suffixes.next().unwrap_or_default();
    let is_suffix = |suffix: &str| {
        ["pcap", "pcapng", "cap", "ntar"].iter().any(|known| {
            suffix.strip_prefix(known).is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()))
        })
    };
    let is_number = !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit());
    let has_name = name.contains('.');
    let is_document = has_name && matches!(last, "har" | "cil" | "cilx" | "ldif");
    is_document || (has_name && is_suffix(last)) || (is_number && suffixes.next().is_some_and(is_suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_known_by_their_names_rotation_and_compression_included() {
        for name in [
            "a.pcap",
            "a.PCAPNG",
            "a.cap.gz",
            "a.pcap.gz",
            "a.pcap0",
            "a.pcap12",
            "x.pcap.3",
            "x.ntar",
            "a.pcap.zst",
            "a.pcapng.LZ4",
            "a.har",
            "a.HAR.gz",
            "a.cil",
            "a.cilx",
            "a.ldif.gz",
        ] {
            assert!(is_named_like_an_input(Path::new(name)), "{name}");
        }
        for name in [
            "README.md",
            "a.json",
            "pcap",
            "a.7",
            "a.pcapx",
            ".gz",
            "a.zst",
            "a.xml",
            "a.keys",
            "har",
            "a.har1",
        ] {
            assert!(!is_named_like_an_input(Path::new(name)), "{name}");
        }
    }
}
