use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

/// Opens a file, `-` being standard input; what is gzip-compressed is decompressed as it is read.
///
/// # Errors
/// The file cannot be opened, or its first bytes cannot be read.
pub fn open(path: &Path) -> io::Result<Box<dyn Read + Send>> {
    if path == Path::new("-") {
        return decompress(io::stdin());
    }
    decompress(File::open(path)?)
}

/// The reader itself, or what it holds where its first bytes are gzip's (RFC 1952 2.3.1).
fn decompress(mut reader: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    let mut magic = [0; 2];
    let mut got = 0;
    while got < 2 {
        match reader.read(&mut magic[got..]) {
            Ok(0) => break,
            Ok(read) => got += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let whole = io::Cursor::new(magic).take(got as u64).chain(reader);
    if magic == [0x1f, 0x8b] { Ok(Box::new(MultiGzDecoder::new(whole))) } else { Ok(Box::new(whole)) }
}

/// The files that the arguments name: a directory stands for the files below it that have a capture's suffix
/// (`.pcap`, `.pcapng`, `.cap`, `.ntar`, a number as rotation adds it, each also with `.gz`), in order of their names.
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
        } else if is_named_like_a_capture(&path) {
            files.push(path);
        }
    }
    Ok(())
}

fn is_named_like_a_capture(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    let mut suffixes = name.rsplit('.');
    let last = suffixes.next().unwrap_or_default();
    let is_suffix = |suffix: &str| {
        ["pcap", "pcapng", "cap", "ntar"].iter().any(|known| {
            suffix.strip_prefix(known).is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()))
        })
    };
    let is_number = !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit());
    (name.contains('.') && is_suffix(last)) || (is_number && suffixes.next().is_some_and(is_suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures_are_known_by_their_names_rotation_and_compression_included() {
        for name in
            ["a.pcap", "a.PCAPNG", "a.cap.gz", "a.pcap.gz", "a.pcap0", "a.pcap12", "x.pcap.3", "x.ntar"]
        {
            assert!(is_named_like_a_capture(Path::new(name)), "{name}");
        }
        for name in ["README.md", "a.json", "pcap", "a.7", "a.pcapx", ".gz"] {
            assert!(!is_named_like_a_capture(Path::new(name)), "{name}");
        }
    }
}
