use nom::number::Endianness::Big;

use crate::wire::Error;
use crate::wire::read::{self, Parsed};

use super::{CipherSuite, Version};

/// What is read of a ClientHello (RFC 8446 4.1.2, RFC 5246 7.4.1.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// legacy_version.
    pub legacy_version: Version,
    /// random, by which a key log knows the connection.
    pub random: [u8; 32],
    /// legacy_session_id.
    pub session_id: Vec<u8>,
    /// cipher_suites, in the client's order.
    pub cipher_suites: Vec<CipherSuite>,
    /// The host_name of server_name (RFC 6066 3).
    pub server_name: Option<String>,
    /// application_layer_protocol_negotiation (RFC 7301 3.1), the first [`Self::MOST_PROTOCOLS`].
    pub alpn: Vec<String>,
    /// supported_versions, in the client's order.
    pub supported_versions: Vec<Version>,
    /// True where there is a pre_shared_key.
    pub has_pre_shared_key: bool,
    /// True where there is an early_data.
    pub has_early_data: bool,
}

/// What is read of a ServerHello (RFC 8446 4.1.3, RFC 5246 7.4.1.3), and of a HelloRetryRequest, which is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerHello {
    /// legacy_version.
    pub legacy_version: Version,
    /// random.
    pub random: [u8; 32],
    /// legacy_session_id_echo.
    pub session_id: Vec<u8>,
    /// cipher_suite.
    pub cipher_suite: CipherSuite,
    /// legacy_compression_method.
    pub compression_method: u8,
    /// The protocol of application_layer_protocol_negotiation; TLS 1.3 has it in EncryptedExtensions.
    pub alpn: Option<String>,
    /// The version of supported_versions.
    pub selected_version: Option<Version>,
    /// True where there is a pre_shared_key.
    pub has_pre_shared_key: bool,
}

/// What is read of EncryptedExtensions (RFC 8446 4.3.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct EncryptedExtensions {
    pub(super) alpn: Option<String>,
    pub(super) has_early_data: bool,
}

impl ClientHello {
    /// Application protocols that are kept of those that a client offers.
    pub const MOST_PROTOCOLS: usize = 64;

    /// Reads a ClientHello without its message's head: as far as it goes, and what stopped it.
    ///
    /// # Errors
    /// Fewer bytes than a version and a random have.
    pub fn parse(body: &[u8]) -> Result<(Self, Option<Error>), Error> {
        let mut hello = Self::default();
        let (rest, ()) = read::finish(CLIENT_HELLO, body, hello.head(body))?;
        let error = match hello.lists(rest) {
            Ok((rest, ())) => extensions(CLIENT_HELLO, body, rest, |kind, data| hello.extension(kind, data)),
            Err(error) => Some(read::place(CLIENT_HELLO, body, error)),
        };
        Ok((hello, error))
    }

    /// The versions that are offered: supported_versions, without it legacy_version and by that all before it.
    #[must_use]
    pub fn versions(&self) -> Vec<Version> {
        if self.supported_versions.is_empty() {
            vec![self.legacy_version]
        } else {
            self.supported_versions.clone()
        }
    }

    fn head<'a>(&mut self, input: &'a [u8]) -> Parsed<'a, ()> {
        let (input, version) = read::u16("legacy_version", Big)(input)?;
        let (input, random) = read::array("random")(input)?;
        (self.legacy_version, self.random) = (Version(version), random);
        Ok((input, ()))
    }

    fn lists<'a>(&mut self, input: &'a [u8]) -> Parsed<'a, ()> {
        let (input, session_id) = vector8("legacy_session_id")(input)?;
        self.session_id = session_id.to_vec();
        let (input, suites) = vector16("cipher_suites")(input)?;
        self.cipher_suites = numbers(suites).map(CipherSuite).collect();
        let (input, _) = vector8("legacy_compression_methods")(input)?;
        Ok((input, ()))
    }

    fn extension<'a>(&mut self, kind: u16, data: &'a [u8]) -> Parsed<'a, ()> {
        match kind {
            SERVER_NAME => {
                let (rest, mut list) = vector16("server_name_list")(data)?;
                while !list.is_empty() {
                    let (behind, kind) = read::u8("name_type")(list)?;
                    let (behind, name) = vector16("host_name")(behind)?;
                    if kind == HOST_NAME {
                        self.server_name.get_or_insert_with(|| text(name));
                    }
                    list = behind;
                }
                Ok((rest, ()))
            }
            ALPN => {
                let (rest, protocols) = alpn(data)?;
                self.alpn = protocols;
                Ok((rest, ()))
            }
            SUPPORTED_VERSIONS => {
                let (rest, versions) = vector8("supported_versions")(data)?;
                self.supported_versions = numbers(versions).map(Version).collect();
                Ok((rest, ()))
            }
            PRE_SHARED_KEY => {
                self.has_pre_shared_key = true;
                Ok((&[], ()))
            }
            EARLY_DATA => {
                self.has_early_data = true;
                Ok((&[], ()))
            }
            _ => Ok((&[], ())),
        }
    }
}

impl ServerHello {
    /// Reads a ServerHello without its message's head: as far as its extensions go, and what stopped them.
    ///
    /// # Errors
    /// Fewer bytes than it has up to its compression method.
    pub fn parse(body: &[u8]) -> Result<(Self, Option<Error>), Error> {
        let (rest, mut hello) = read::finish(SERVER_HELLO, body, Self::head(body))?;
        let error = extensions(SERVER_HELLO, body, rest, |kind, data| hello.extension(kind, data));
        Ok((hello, error))
    }

    /// True where it is a HelloRetryRequest, by its random (RFC 8446 4.1.3).
    #[must_use]
    pub fn is_retry_request(&self) -> bool {
        self.random == RETRY
    }

    /// The version that was chosen.
    #[must_use]
    pub fn version(&self) -> Version {
        self.selected_version.unwrap_or(self.legacy_version)
    }

    fn head(input: &[u8]) -> Parsed<'_, Self> {
        let (input, version) = read::u16("legacy_version", Big)(input)?;
        let (input, random) = read::array("random")(input)?;
        let (input, session_id) = vector8("legacy_session_id_echo")(input)?;
        let (input, suite) = read::u16("cipher_suite", Big)(input)?;
        let (input, compression_method) = read::u8("legacy_compression_method")(input)?;
        let hello = Self {
            legacy_version: Version(version),
            random,
            session_id: session_id.to_vec(),
            cipher_suite: CipherSuite(suite),
            compression_method,
            ..Self::default()
        };
        Ok((input, hello))
    }

    fn extension<'a>(&mut self, kind: u16, data: &'a [u8]) -> Parsed<'a, ()> {
        match kind {
            ALPN => {
                let (rest, protocols) = alpn(data)?;
                self.alpn = protocols.into_iter().next();
                Ok((rest, ()))
            }
            SUPPORTED_VERSIONS => {
                let (rest, version) = read::u16("selected_version", Big)(data)?;
                self.selected_version = Some(Version(version));
                Ok((rest, ()))
            }
            PRE_SHARED_KEY => {
                self.has_pre_shared_key = true;
                Ok((&[], ()))
            }
            _ => Ok((&[], ())),
        }
    }
}

impl EncryptedExtensions {
    /// Reads EncryptedExtensions as far as they go, and says what stopped them.
    pub(super) fn parse(body: &[u8]) -> (Self, Option<Error>) {
        let mut found = Self::default();
        let error = extensions(ENCRYPTED_EXTENSIONS, body, body, |kind, data| match kind {
            ALPN => {
                let (rest, protocols) = alpn(data)?;
                found.alpn = protocols.into_iter().next();
                Ok((rest, ()))
            }
            EARLY_DATA => {
                found.has_early_data = true;
                Ok((&[], ()))
            }
            _ => Ok((&[], ())),
        });
        (found, error)
    }
}

/// Walks the extensions that `rest`, the end of `body`, holds; before TLS 1.3 they may be missing. What could not be
/// read first; an extension that cannot be read keeps none behind it from being read.
fn extensions<'a>(
    layer: &'static str,
    body: &'a [u8],
    rest: &'a [u8],
    mut each: impl FnMut(u16, &'a [u8]) -> Parsed<'a, ()>,
) -> Option<Error> {
    if rest.is_empty() {
        return None;
    }
    let begin = body.len() - rest.len();
    let (_, block) = match read::finish(layer, rest, vector16("extensions")(rest)) {
        Ok(found) => found,
        Err(error) => return Some(error.shifted(begin)),
    };
    // Behind the length of all of them.
    let begin = begin + 2;
    let mut first = None;
    let mut left = block;
    while !left.is_empty() {
        let extension = read::u16("extension_type", Big)(left).and_then(|(left, kind)| {
            vector16("extension_data")(left).map(|(left, data)| (left, (kind, data)))
        });
        let (behind, (kind, data)) = match extension {
            Ok(found) => found,
            Err(error) => {
                return first.or(Some(read::place(layer, block, error).shifted(begin)));
            }
        };
        let at = begin + (block.len() - behind.len() - data.len());
        let read = read::finish(layer, data, each(kind, data));
        first = first.or(read.err().map(|error| error.shifted(at)));
        left = behind;
    }
    first
}

/// The names of a ProtocolNameList.
fn alpn(data: &[u8]) -> Parsed<'_, Vec<String>> {
    let (rest, mut list) = vector16("protocol_name_list")(data)?;
    let mut names = Vec::new();
    while !list.is_empty() {
        let (behind, name) = vector8("protocol_name")(list)?;
        if names.len() < ClientHello::MOST_PROTOCOLS {
            names.push(text(name));
        }
        list = behind;
    }
    Ok((rest, names))
}

/// A vector behind a length of one byte (RFC 8446 3.4).
fn vector8<'a>(field: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, &'a [u8]> {
    move |input| {
        let (input, length) = read::u8(field)(input)?;
        read::bytes(field, length.into())(input)
    }
}

/// A vector behind a length of two bytes.
fn vector16<'a>(field: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, &'a [u8]> {
    move |input| {
        let (input, length) = read::u16(field, Big)(input)?;
        read::bytes(field, length.into())(input)
    }
}

fn numbers(bytes: &[u8]) -> impl Iterator<Item = u16> {
    bytes.as_chunks().0.iter().map(|raw| u16::from_be_bytes(*raw))
}

fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

const CLIENT_HELLO: &str = "ClientHello";
const SERVER_HELLO: &str = "ServerHello";
const ENCRYPTED_EXTENSIONS: &str = "EncryptedExtensions";

// ExtensionType (TLS ExtensionType Values registry).
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const PRE_SHARED_KEY: u16 = 41;
const EARLY_DATA: u16 = 42;
const SUPPORTED_VERSIONS: u16 = 43;

/// The NameType of a DNS name.
const HOST_NAME: u8 = 0;

/// The random of a HelloRetryRequest: SHA-256 of its name.
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2,
    0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(data.len()).unwrap().to_be_bytes();
        [&kind.to_be_bytes()[..], &length, data].concat()
    }

    fn client_hello(extensions: &[u8]) -> Vec<u8> {
        let length = u16::try_from(extensions.len()).unwrap().to_be_bytes();
        let fixed = [&[3, 3][..], &[9; 32], &[2, 0xaa, 0xbb], &[0, 4, 0x13, 1, 0x0a, 0x0a], &[1, 0]].concat();
        [&fixed, &length[..], extensions].concat()
    }

    #[test]
    fn a_client_hello_tells_name_protocols_versions_and_suites() {
        let extensions = [
            extension(0, b"\0\x0b\0\0\x08host.org"),
            extension(16, b"\0\x0c\x02h2\x08http/1.1"),
            extension(43, &[4, 3, 4, 0x7a, 0x7a]),
            extension(0x9999, b"whatever"),
            extension(42, b""),
            extension(41, b"opaque"),
        ];
        let (hello, error) = ClientHello::parse(&client_hello(&extensions.concat())).unwrap();
        assert_eq!(error, None);
        assert_eq!((hello.legacy_version, hello.random), (Version::TLS_1_2, [9; 32]));
        assert_eq!(hello.session_id, [0xaa, 0xbb]);
        assert_eq!(hello.cipher_suites, [CipherSuite(0x1301), CipherSuite(0x0a0a)]);
        assert_eq!(hello.server_name.as_deref(), Some("host.org"));
        assert_eq!(hello.alpn, ["h2", "http/1.1"]);
        assert_eq!(hello.versions(), [Version::TLS_1_3, Version(0x7a7a)]);
        assert!(hello.has_pre_shared_key && hello.has_early_data);
    }

    #[test]
    fn an_extension_that_cannot_be_read_is_placed_and_those_behind_it_are_read() {
        let extensions = [extension(0, b"\0\x0b\0\0\x09host.org"), extension(43, &[2, 3, 4])].concat();
        let (hello, error) = ClientHello::parse(&client_hello(&extensions)).unwrap();
        assert_eq!(error.unwrap().to_string(), "ClientHello: host_name at offset 56: needed 9 bytes, got 8");
        assert_eq!((hello.server_name, hello.supported_versions), (None, vec![Version::TLS_1_3]));
    }

    #[test]
    fn a_hello_that_is_cut_anywhere_gives_what_is_there_and_says_where_it_stops() {
        let whole = client_hello(&extension(0, b"\0\x0b\0\0\x08host.org"));
        for length in 0..whole.len() {
            match ClientHello::parse(&whole[..length]) {
                Ok((hello, error)) => {
                    assert_eq!(hello.random, [9; 32]);
                    // Without any extensions it may end where they would begin.
                    assert_eq!(error.is_none(), length == 45, "{length} bytes");
                    assert!(error.is_none_or(|error| error.offset <= length));
                }
                Err(error) => assert!(length < 34 && error.offset <= length, "{error}"),
            }
        }
    }

    #[test]
    fn a_server_hello_tells_what_was_chosen() {
        let fixed = [&[3, 3][..], &[7; 32], &[0], &[0x13, 2], &[0]].concat();
        let (old, error) = ServerHello::parse(&fixed).unwrap();
        assert_eq!((old.version(), old.cipher_suite, error), (Version::TLS_1_2, CipherSuite(0x1302), None));
        let body = [&fixed[..], &[0, 6], &extension(43, &[3, 4])].concat();
        let (new, error) = ServerHello::parse(&body).unwrap();
        assert_eq!((new.version(), error), (Version::TLS_1_3, None));
        assert!(!new.is_retry_request());
        assert!(ServerHello::parse(&fixed[..37]).is_err());
    }

    #[test]
    fn a_retry_request_is_known_by_the_hash_of_its_name() {
        assert_eq!(RETRY, Sha256::digest(b"HelloRetryRequest")[..]);
    }
}
