//! Content codings (RFC 9110 8.4.1), taken off a body.
//!
//! gzip and deflate, with or without the envelope of zlib, and zstd (RFC 8878). What else there is, `br` above all, stays
//! on and is named.

use std::borrow::Cow;
use std::io::{self, Read};

use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use ruzstd::decoding::StreamingDecoder;

use crate::wire::{Error, ErrorKind};

/// A body without its codings, as far as they could be taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content<'a> {
    /// What was decoded; the body itself where there was nothing to do.
    pub bytes: Cow<'a, [u8]>,
    /// The codings that are still on, in the order in which they were put on: the last of them is unknown, or nothing could
    /// be decoded by it.
    pub codings_left: Vec<String>,
    /// What kept a coding from being taken off to its end; what was decoded in front of it is there. The offset is that of
    /// the coded bytes, the field names the coding.
    pub error: Option<Error>,
}

/// Takes codings off a body: the value of Content-Encoding, a list in the order in which they were put on.
///
/// At most [`MAX_CODINGS`] are taken off, and at most [`MAX_CONTENT`] bytes come out of each.
///
/// ```
/// let content = volact::http::content::decode("br", b"body");
/// assert_eq!((&*content.bytes, content.codings_left), (&b"body"[..], vec!["br".to_owned()]));
/// ```
#[must_use]
pub fn decode<'a>(codings: &str, body: &'a [u8]) -> Content<'a> {
    let mut codings: Vec<&str> =
        codings.split(',').map(str::trim).filter(|coding| !coding.is_empty()).collect();
    let mut bytes = Cow::Borrowed(body);
    let mut error = None;
    let mut taken_off = 0;
    while let Some(coding) = codings.last() {
        if !coding.eq_ignore_ascii_case("identity") {
            let Some(coding) = Coding::of(coding).filter(|_| taken_off < MAX_CODINGS) else { break };
            let (decoded, failure) = coding.take_off(&bytes);
            let is_damaged = matches!(failure, Some(Error { kind: ErrorKind::Malformed { .. }, .. }));
            error = error.or(failure);
            if is_damaged && decoded.is_empty() {
                break;
            }
            bytes = Cow::Owned(decoded);
            taken_off += 1;
        }
        codings.pop();
    }
    Content { bytes, codings_left: codings.into_iter().map(str::to_owned).collect(), error }
}

#[derive(Clone, Copy, Debug)]
enum Coding {
    Gzip,
    Deflate,
    Zstd,
}

impl Coding {
    fn of(name: &str) -> Option<Self> {
        const NAMES: [(&str, Coding); 4] = [
            ("gzip", Coding::Gzip),
            ("x-gzip", Coding::Gzip),
            ("deflate", Coding::Deflate),
            ("zstd", Coding::Zstd),
        ];
        NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, coding)| *coding)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Zstd => "zstd",
        }
    }

    fn take_off(self, mut body: &[u8]) -> (Vec<u8>, Option<Error>) {
        let whole = body.len();
        let mut out = Vec::new();
        // Nothing is what servers send with a coding and without a body.
        let result = if body.is_empty() {
            Ok(())
        } else {
            match self {
                Self::Gzip => read_bounded(MultiGzDecoder::new(&mut body), &mut out),
                Self::Deflate if is_zlib(body) => read_bounded(ZlibDecoder::new(&mut body), &mut out),
                Self::Deflate => read_bounded(DeflateDecoder::new(&mut body), &mut out),
                Self::Zstd => match StreamingDecoder::new_with_max_window_size(&mut body, MAX_ZSTD_WINDOW) {
                    Ok(decoder) => read_bounded(decoder, &mut out),
                    Err(_) => Err(DAMAGED),
                },
            }
        };
        let kind = match result {
            Ok(()) if body.is_empty() => return (out, None),
            Ok(()) => ErrorKind::Malformed { what: "other bytes follow" },
            Err(kind) => kind,
        };
        let offset = whole - body.len();
        (out, Some(Error { layer: "content coding", field: self.name(), offset, kind }))
    }
}

/// Reads to the end or the bound; what was read in front of a failure is kept.
fn read_bounded(mut decoder: impl Read, out: &mut Vec<u8>) -> Result<(), ErrorKind> {
    let mut buffer = [0; 1 << 13];
    loop {
        match decoder.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => {
                let room = (MAX_CONTENT - out.len()).min(read);
                out.extend_from_slice(&buffer[..room]);
                if room < read {
                    let most = MAX_CONTENT as u64;
                    return Err(ErrorKind::Length { declared: most + 1, least: 0, most });
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(ErrorKind::Truncated { needed: 1, got: 0 });
            }
            Err(_) => return Err(DAMAGED),
        }
    }
}

/// True where the envelope of zlib begins (RFC 1950 2.2). Without it deflate would have to begin with a stored block whose
/// padding is not zero.
fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [method, flags, ..] if method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31))
}

/// The most bytes that come out of one coding.
pub const MAX_CONTENT: usize = 8 << 20;
/// The most codings that are taken off one body; those beyond are left.
pub const MAX_CODINGS: usize = 4;

/// The most bytes back that a zstd frame may refer to (RFC 9659 3).
const MAX_ZSTD_WINDOW: u64 = 8 << 20;
const DAMAGED: ErrorKind = ErrorKind::Malformed { what: "damaged" };

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(body: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn deflate(body: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(body: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(body, ruzstd::encoding::CompressionLevel::Fastest)
    }

    const BODY: &[u8] = b"<a>one</a><a>two</a><a>three</a>";

    #[test]
    fn each_coding_is_taken_off() {
        for (codings, coded) in [
            ("", BODY.to_vec()),
            ("identity", BODY.to_vec()),
            ("gzip", gzip(BODY)),
            ("X-GZip", gzip(BODY)),
            ("gzip", [gzip(&BODY[..9]), gzip(&BODY[9..])].concat()),
            ("deflate", zlib(BODY)),
            ("deflate", deflate(BODY)),
            ("zstd", zstd(BODY)),
            ("deflate, identity , gzip,", gzip(&zlib(BODY))),
        ] {
            let content = decode(codings, &coded);
            assert_eq!((&*content.bytes, content.error), (BODY, None), "{codings}");
            assert!(content.codings_left.is_empty());
        }
    }

    #[test]
    fn an_unknown_coding_stays_on_with_what_it_hides() {
        let coded = gzip(BODY);
        let content = decode("deflate, br, gzip", &coded);
        assert_eq!((&*content.bytes, content.error), (BODY, None));
        assert_eq!(content.codings_left, ["deflate", "br"]);
    }

    #[test]
    fn a_body_cut_anywhere_gives_what_is_decoded_in_front_of_the_cut() {
        let body: Vec<u8> = (0..4000u16).flat_map(|i| i.wrapping_mul(40_503).to_le_bytes()).collect();
        for (coding, coded) in [("gzip", gzip(&body)), ("deflate", zlib(&body)), ("deflate", deflate(&body))]
        {
            for length in 1..coded.len() {
                let content = decode(coding, &coded[..length]);
                assert!(body.starts_with(&content.bytes));
                let error = content.error.unwrap_or_else(|| panic!("{coding} cut at {length} passes"));
                assert!(error.offset <= length, "{error}");
            }
            let half = decode(coding, &coded[..coded.len() / 2]);
            assert!(half.bytes.len() > body.len() / 4, "{}", half.bytes.len());
        }
    }

    #[test]
    fn a_bomb_ends_at_the_bound_with_an_error() {
        let coded = gzip(&vec![0; MAX_CONTENT + 1]);
        let content = decode("gzip", &coded);
        assert_eq!(content.bytes.len(), MAX_CONTENT);
        let error = content.error.unwrap();
        let expected = format!(
            "content coding: gzip at offset {}: length 8388609 is not within 0..=8388608",
            error.offset
        );
        assert_eq!(error.to_string(), expected);
        assert_eq!(decode("gzip", &gzip(&vec![0; MAX_CONTENT])).error, None);
    }

    #[test]
    fn codings_beyond_the_bound_are_left_on() {
        let coded = (0..6).fold(BODY.to_vec(), |body, _| gzip(&body));
        let content = decode("gzip,gzip,gzip,gzip,gzip,gzip", &coded);
        assert_eq!(content.codings_left, ["gzip", "gzip"]);
        assert_eq!(*content.bytes, gzip(&gzip(BODY)));
    }

    #[test]
    fn bytes_that_are_not_coded_are_an_error_and_stay_and_none_are_none() {
        for coding in ["gzip", "deflate", "zstd"] {
            let content = decode(coding, b"<a>plain</a>");
            let error = content.error.unwrap();
            assert_eq!((error.layer, error.field), ("content coding", coding));
            assert_eq!(
                (&*content.bytes, content.codings_left),
                (&b"<a>plain</a>"[..], vec![coding.to_owned()])
            );
            assert_eq!(decode(coding, b"").error, None);
        }
    }

    #[test]
    fn bytes_behind_the_coded_ones_are_said() {
        let coded = [&zlib(BODY)[..], b"more"].concat();
        let content = decode("deflate", &coded);
        assert_eq!(*content.bytes, *BODY);
        let offset = coded.len() - 4;
        let expected = format!("content coding: deflate at offset {offset}: other bytes follow");
        assert_eq!(content.error.unwrap().to_string(), expected);
    }
}
