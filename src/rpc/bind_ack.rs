use crate::wire::read::{self, Parsed};
use crate::wire::{Endianness, Error};

use super::{HEADER_LEN, SyntaxId};

/// Body of the bind_ack and alter_context_resp PDUs (C706 12.6.4.4 and 12.6.4.2), behind the common header.
///
/// | offset | size | field |
/// |---|---|---|
/// | 16 | 2 | max_xmit_frag |
/// | 18 | 2 | max_recv_frag |
/// | 20 | 4 | assoc_group_id |
/// | 24 | 2 + n | sec_addr: its length with the NUL, its characters |
/// | | 0..=3 | padding to a multiple of 4 from the PDU's start |
/// | +0 | 1 | n_results |
/// | +1 | 1 + 2 | reserved, reserved2 |
/// | +4 | 24 each | results |
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BindAck<'a> {
    /// max_xmit_frag: the largest fragment the server will send.
    pub max_xmit_frag: u16,
    /// max_recv_frag: the largest fragment the server will take.
    pub max_recv_frag: u16,
    /// assoc_group_id.
    pub assoc_group_id: u32,
    /// The characters of the secondary address as they stand, NUL included.
    pub secondary_address: &'a [u8],
    /// The bytes between the secondary address and the results.
    pub padding: &'a [u8],
    /// n_results as declared; [`Self::results`] can hold fewer in a damaged PDU.
    pub n_results: u8,
    /// reserved and reserved2.
    pub reserved: [u8; 3],
    /// p_results, one for each proposed context, in their order.
    pub results: Vec<ResultElement>,
}

/// The answer to one proposed context (C706 12.6.3.1, `p_result_t`), 24 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResultElement {
    /// result: 0 acceptance, 1 user_rejection, 2 provider_rejection, 3 negotiate_ack (MS-RPCE 2.2.2.4).
    pub result: u16,
    /// reason; in a negotiate_ack the bind-time feature bits that are granted.
    pub reason: u16,
    /// transfer_syntax: the chosen one, zero where none was.
    pub transfer_syntax: SyntaxId,
}

impl<'a> BindAck<'a> {
    /// The secondary address as text without its NUL: the server's port.
    #[must_use]
    pub fn secondary_address_text(&self) -> String {
        let text = self.secondary_address.split(|&b| b == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    }

    pub(crate) fn parse_lax(
        layer: &'static str,
        input: &'a [u8],
        endianness: Endianness,
    ) -> Result<(Self, &'a [u8], Option<Error>), Error> {
        let (mut rest, mut ack) = read::finish(layer, input, Self::parse_fixed(input, endianness))?;
        for _ in 0..ack.n_results {
            match ResultElement::parse(rest, endianness) {
                Ok((behind, result)) => {
                    ack.results.push(result);
                    rest = behind;
                }
                Err(error) => return Ok((ack, rest, Some(read::place(layer, input, error)))),
            }
        }
        Ok((ack, rest, None))
    }

    fn parse_fixed(whole: &'a [u8], endianness: Endianness) -> Parsed<'a, Self> {
        let (input, max_xmit_frag) = read::u16("max_xmit_frag", endianness)(whole)?;
        let (input, max_recv_frag) = read::u16("max_recv_frag", endianness)(input)?;
        let (input, assoc_group_id) = read::u32("assoc_group_id", endianness)(input)?;
        let (input, length) = read::u16("sec_addr.length", endianness)(input)?;
        let (input, secondary_address) = read::bytes("sec_addr", length.into())(input)?;
        let padding = (HEADER_LEN + whole.len() - input.len()).wrapping_neg() % 4;
        let (input, padding) = read::bytes("padding", padding)(input)?;
        let (input, n_results) = read::u8("n_results")(input)?;
        let (input, reserved) = read::array("reserved")(input)?;
        let ack = Self {
            max_xmit_frag,
            max_recv_frag,
            assoc_group_id,
            secondary_address,
            padding,
            n_results,
            reserved,
            results: Vec::new(),
        };
        Ok((input, ack))
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>, endianness: Endianness) {
        read::put_u16(out, self.max_xmit_frag, endianness);
        read::put_u16(out, self.max_recv_frag, endianness);
        read::put_u32(out, self.assoc_group_id, endianness);
        let length = u16::try_from(self.secondary_address.len()).unwrap_or(u16::MAX);
        read::put_u16(out, length, endianness);
        out.extend_from_slice(&self.secondary_address[..length.into()]);
        out.extend_from_slice(self.padding);
        out.push(self.n_results);
        out.extend_from_slice(&self.reserved);
        for result in &self.results {
            result.put(out, endianness);
        }
    }
}

impl ResultElement {
    fn parse(input: &[u8], endianness: Endianness) -> Parsed<'_, Self> {
        let (input, result) = read::u16("result", endianness)(input)?;
        let (input, reason) = read::u16("reason", endianness)(input)?;
        let (input, transfer_syntax) = SyntaxId::parse("transfer_syntax", endianness)(input)?;
        Ok((input, Self { result, reason, transfer_syntax }))
    }

    fn put(&self, out: &mut Vec<u8>, endianness: Endianness) {
        read::put_u16(out, self.result, endianness);
        read::put_u16(out, self.reason, endianness);
        self.transfer_syntax.put(out, endianness);
    }
}

/// The specification's name of a context's result (C706 12.6.3.1, MS-RPCE 2.2.2.4).
#[must_use]
pub fn result_name(result: u16) -> Option<&'static str> {
    ["acceptance", "user_rejection", "provider_rejection", "negotiate_ack"].get(usize::from(result)).copied()
}

/// The specification's name of a provider_rejection's reason (C706 12.6.3.1).
#[must_use]
pub fn result_reason_name(reason: u16) -> Option<&'static str> {
    [
        "reason_not_specified",
        "abstract_syntax_not_supported",
        "proposed_transfer_syntaxes_not_supported",
        "local_limit_exceeded",
    ]
    .get(usize::from(reason))
    .copied()
}
