use crate::wire::read::{self, Parsed};
use crate::wire::{Endianness, Error};

use super::SyntaxId;

/// Body of the bind and alter_context PDUs (C706 12.6.4.3 and 12.6.4.1), behind the common header.
///
/// | offset | size | field |
/// |---|---|---|
/// | 16 | 2 | max_xmit_frag |
/// | 18 | 2 | max_recv_frag |
/// | 20 | 4 | assoc_group_id |
/// | 24 | 1 | n_context_elem |
/// | 25 | 1 + 2 | reserved, reserved2 |
/// | 28 | | n_context_elem presentation contexts |
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bind {
    /// max_xmit_frag: the largest fragment the client will send.
    pub max_xmit_frag: u16,
    /// max_recv_frag: the largest fragment the client will take.
    pub max_recv_frag: u16,
    /// assoc_group_id: 0 asks for a new association group.
    pub assoc_group_id: u32,
    /// n_context_elem as declared; [`Self::contexts`] can hold fewer in a damaged PDU.
    pub n_context_elem: u8,
    /// reserved and reserved2.
    pub reserved: [u8; 3],
    /// p_cont_elem.
    pub contexts: Vec<PresentationContext>,
}

/// A proposed presentation context (C706 12.6.3.1, `p_cont_elem_t`): an interface and the ways to carry it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PresentationContext {
    /// p_cont_id.
    pub id: u16,
    /// reserved.
    pub reserved: u8,
    /// abstract_syntax: the interface.
    pub abstract_syntax: SyntaxId,
    /// transfer_syntaxes.
    pub transfer_syntaxes: Vec<SyntaxId>,
}

impl Bind {
    /// Reads all it can: the body, what is left behind it, and where reading stopped early.
    pub(crate) fn parse_lax<'a>(
        layer: &'static str,
        input: &'a [u8],
        endianness: Endianness,
    ) -> Result<(Self, &'a [u8], Option<Error>), Error> {
        let (mut rest, mut bind) = read::finish(layer, input, Self::parse_fixed(input, endianness))?;
        for _ in 0..bind.n_context_elem {
            match PresentationContext::parse(rest, endianness) {
                Ok((behind, context)) => {
                    bind.contexts.push(context);
                    rest = behind;
                }
                Err(error) => return Ok((bind, rest, Some(read::place(layer, input, error)))),
            }
        }
        Ok((bind, rest, None))
    }

    fn parse_fixed(input: &[u8], endianness: Endianness) -> Parsed<'_, Self> {
        let (input, max_xmit_frag) = read::u16("max_xmit_frag", endianness)(input)?;
        let (input, max_recv_frag) = read::u16("max_recv_frag", endianness)(input)?;
        let (input, assoc_group_id) = read::u32("assoc_group_id", endianness)(input)?;
        let (input, n_context_elem) = read::u8("n_context_elem")(input)?;
        let (input, reserved) = read::array("reserved")(input)?;
        let contexts = Vec::new();
        Ok((input, Self { max_xmit_frag, max_recv_frag, assoc_group_id, n_context_elem, reserved, contexts }))
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>, endianness: Endianness) {
        read::put_u16(out, self.max_xmit_frag, endianness);
        read::put_u16(out, self.max_recv_frag, endianness);
        read::put_u32(out, self.assoc_group_id, endianness);
        out.push(self.n_context_elem);
        out.extend_from_slice(&self.reserved);
        for context in &self.contexts {
            context.put(out, endianness);
        }
    }
}

impl PresentationContext {
    fn parse(input: &[u8], endianness: Endianness) -> Parsed<'_, Self> {
        let (input, id) = read::u16("p_cont_id", endianness)(input)?;
        let (input, n_transfer_syn) = read::u8("n_transfer_syn")(input)?;
        let (input, reserved) = read::u8("reserved")(input)?;
        let (mut input, abstract_syntax) = SyntaxId::parse("abstract_syntax", endianness)(input)?;
        let mut transfer_syntaxes = Vec::new();
        for _ in 0..n_transfer_syn {
            let (behind, syntax) = SyntaxId::parse("transfer_syntaxes", endianness)(input)?;
            transfer_syntaxes.push(syntax);
            input = behind;
        }
        Ok((input, Self { id, reserved, abstract_syntax, transfer_syntaxes }))
    }

    fn put(&self, out: &mut Vec<u8>, endianness: Endianness) {
        read::put_u16(out, self.id, endianness);
        out.push(u8::try_from(self.transfer_syntaxes.len()).unwrap_or(u8::MAX));
        out.push(self.reserved);
        self.abstract_syntax.put(out, endianness);
        for syntax in self.transfer_syntaxes.iter().take(255) {
            syntax.put(out, endianness);
        }
    }
}
