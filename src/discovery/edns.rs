use domain::base::ParsedRecord;

use crate::wire::read::{self, Parsed};
use crate::wire::{Endianness, Error};

use super::message::LAYER;

/// What an OPT record says (RFC 6891 6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edns {
    /// The longest message over UDP that its sender takes; where others have their class.
    pub payload_size: u16,
    /// The upper eight bits of the response code.
    pub extended_rcode: u8,
    /// The version; 0 is the only one.
    pub version: u8,
    /// The flags behind it; bit 15 is DO.
    pub flags: u16,
    /// The options that could be read.
    pub options: Vec<EdnsOption>,
    /// Where the options stop making sense, counted from the message's start.
    pub error: Option<Error>,
}

/// An option of EDNS (RFC 6891 6.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdnsOption {
    /// OPTION-CODE.
    pub code: u16,
    /// OPTION-DATA.
    pub data: Vec<u8>,
}

impl Edns {
    /// DO: the sender wants DNSSEC's records (RFC 3225).
    #[must_use]
    pub fn dnssec_ok(&self) -> bool {
        self.flags & 0x8000 != 0
    }

    /// `data` begins `at` bytes into the message.
    pub(super) fn of(record: &ParsedRecord<'_, [u8]>, data: &[u8], at: usize) -> Self {
        let [extended_rcode, version, high, low] = record.ttl().as_secs().to_be_bytes();
        let mut edns = Self {
            payload_size: record.class().to_int(),
            extended_rcode,
            version,
            flags: u16::from_be_bytes([high, low]),
            options: Vec::new(),
            error: None,
        };
        let mut rest = data;
        while !rest.is_empty() {
            match read::finish(LAYER, data, option(rest)) {
                Ok((behind, option)) => {
                    rest = behind;
                    edns.options.push(option);
                }
                Err(error) => {
                    edns.error = Some(error.shifted(at));
                    break;
                }
            }
        }
        edns
    }
}

fn option(input: &[u8]) -> Parsed<'_, EdnsOption> {
    let (input, code) = read::u16("OPTION-CODE", Endianness::Big)(input)?;
    let (input, length) = read::u16("OPTION-LENGTH", Endianness::Big)(input)?;
    let (input, data) = read::bytes("OPTION-DATA", length.into())(input)?;
    Ok((input, EdnsOption { code, data: data.to_vec() }))
}
