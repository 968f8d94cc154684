use std::io::{self, Chain, Cursor, Read};

/// What an input is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// A capture, or nothing that is known.
    Capture,
    /// A HAR file: JSON.
    Har,
    /// A body of one of MAK's services: XML.
    Document,
    /// A file of the Volume Activation Management Tool: XML that says so.
    Vamt,
    /// Entries of a directory in LDIF.
    Ldif,
    /// The pages of a VMBus channel's rings. They do not tell what they are: whoever asks says so.
    Ring,
}

/// An input of which the first bytes were looked at; what is read of it begins with them.
pub type Input<R> = Chain<Cursor<Vec<u8>>, R>;

/// Looks at an input's first 4,096 bytes.
///
/// # Errors
/// They cannot be read.
pub fn look_at<R: Read>(mut reader: R) -> io::Result<(InputKind, Input<R>)> {
    let mut first = Vec::new();
    reader.by_ref().take(LOOKED_AT).read_to_end(&mut first)?;
    Ok((InputKind::of(&first), Cursor::new(first).chain(reader)))
}

impl InputKind {
    /// What begins with these bytes.
    #[must_use]
    pub fn of(first: &[u8]) -> Self {
        // The block type of a pcapng is made of line ends.
        if first.starts_with(PCAPNG) {
            return Self::Capture;
        }
        // UTF-16 has a zero beside each of these.
        let mut text = first.iter().copied().filter(|&byte| byte != 0);
        let is_blank =
            |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, 0xef | 0xbb | 0xbf | 0xff | 0xfe);
        match text.find(|byte| !is_blank(byte)) {
            Some(b'{') => Self::Har,
            Some(b'<') => {
                let text: Vec<u8> = text.collect();
                let is_vamt = text.windows(VAMT.len()).any(|window| window == VAMT);
                if is_vamt { Self::Vamt } else { Self::Document }
            }
            Some(b'#' | b'd' | b'D' | b'v' | b'V') if begins_ldif(first) => Self::Ldif,
            _ => Self::Capture,
        }
    }

    /// Its name, in lower case where it is none.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Har => "HAR",
            Self::Document => "document",
            Self::Vamt => "VAMT",
            Self::Ldif => "LDIF",
            Self::Ring => "rings",
        }
    }
}

/// True where the first line that is no comment is that of LDIF's version or of an entry's name (RFC 2849).
fn begins_ldif(first: &[u8]) -> bool {
    let lines = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first).split(|&byte| byte == b'\n');
    let mut lines = lines.map(<[u8]>::trim_ascii_end);
    // What is folded belongs to the comment in front of it.
    let line = lines.find(|line| !matches!(line.first(), None | Some(b'#' | b' ')));
    line.is_some_and(|line| {
        let begins = |name: &[u8]| line.len() >= name.len() && line[..name.len()].eq_ignore_ascii_case(name);
        begins(b"dn:") || begins(b"version:")
    })
}

const LOOKED_AT: u64 = 4096;
const PCAPNG: &[u8] = &[0x0a, 0x0d, 0x0d, 0x0a];
/// Name of the root element (spec of the tool's help).
const VAMT: &[u8] = b"SoftwareLicensingData";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_known_by_its_first_bytes() {
        let utf16 =
            |text: &str| [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        let cases: [(Vec<u8>, InputKind); 14] = [
            (b"\n\r\r\n<\0\0\0\x4d\x3c\x2b\x1a".to_vec(), InputKind::Capture),
            (b"\xd4\xc3\xb2\xa1\x02\0\x04\0".to_vec(), InputKind::Capture),
            (b"".to_vec(), InputKind::Capture),
            (b"no XML <".to_vec(), InputKind::Capture),
            (b"\xef\xbb\xbf\r\n {\"log\"".to_vec(), InputKind::Har),
            (b"<s:Envelope".to_vec(), InputKind::Document),
            (utf16("<?xml version='1.0'?>"), InputKind::Document),
            (b"<?xml version=\"1.0\"?><SoftwareLicensingData".to_vec(), InputKind::Vamt),
            (utf16(" <a:SoftwareLicensingData>"), InputKind::Vamt),
            (b"dn: CN=a,DC=b\n".to_vec(), InputKind::Ldif),
            (b"\xef\xbb\xbf# a comment\r\n of two lines\r\n\r\nversion: 1\r\n".to_vec(), InputKind::Ldif),
            (b"DN:: Q049YQ==\n".to_vec(), InputKind::Ldif),
            (b"# dn: no entry\n".to_vec(), InputKind::Capture),
            (b"do not".to_vec(), InputKind::Capture),
        ];
        for (first, kind) in cases {
            assert_eq!(InputKind::of(&first), kind, "{first:?}");
        }
    }

    #[test]
    fn what_was_looked_at_is_read_as_well() {
        let bytes: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        let (_, mut input) = look_at(&bytes[..]).unwrap();
        let mut read = Vec::new();
        input.read_to_end(&mut read).unwrap();
        assert_eq!(read, bytes);
    }
}
