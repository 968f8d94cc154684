use crate::wire::read;
use crate::wire::{Endianness, Error, ErrorKind};

use super::{
    AuthTrailer, Bind, BindAck, BindNak, Fault, HEADER_LEN, Header, PduType, PfcFlags, Request, Response,
};

/// One connection-oriented PDU (C706 12.6.4), borrowing its variable parts from the bytes it was read from.
///
/// [`Self::encode`] gives back the very bytes that [`Self::parse`] and [`Self::parse_lax`] took: reserved fields,
/// padding and what no field accounts for are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pdu<'a> {
    /// The common header.
    pub header: Header,
    /// The type's own fields.
    pub body: Body<'a>,
    /// Bytes behind the body's fields (in front of the authentication trailer) that belong to none of them.
    pub rest: &'a [u8],
    /// The authentication trailer, where auth_length is not zero and there is room for it.
    pub auth: Option<AuthTrailer<'a>>,
}

/// What a PDU's type makes of the bytes behind the common header.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names are the specification's
pub enum Body<'a> {
    Request(Request<'a>),
    Response(Response<'a>),
    Fault(Fault<'a>),
    Bind(Bind),
    BindAck(BindAck<'a>),
    BindNak(BindNak),
    AlterContext(Bind),
    AlterContextResp(BindAck<'a>),
    /// The four pad bytes in front of the trailer (MS-RPCE 2.2.2.5).
    Auth3([u8; 4]),
    Shutdown,
    CoCancel,
    Orphaned,
    /// A type that is not connection-oriented, or a body whose fixed fields are not all there: nothing is read of
    /// it, all its bytes are in [`Pdu::rest`].
    Opaque,
}

impl<'a> Pdu<'a> {
    /// Reads one whole PDU; bytes behind its frag_length are not looked at.
    ///
    /// # Errors
    /// [`Header::parse`]'s; fewer bytes than frag_length says; an auth_length that does not fit into it; a body
    /// that ends inside a field.
    ///
    /// ```
    /// use volact::rpc::{Body, Pdu};
    /// let bytes = [5, 0, 17, 3, 0x10, 0, 0, 0, 16, 0, 0, 0, 7, 0, 0, 0];
    /// let pdu = Pdu::parse(&bytes)?;
    /// assert_eq!((pdu.header.call_id, &pdu.body), (7, &Body::Shutdown));
    /// assert_eq!(pdu.encode(), bytes);
    /// # Ok::<(), volact::wire::Error>(())
    /// ```
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        match Self::parse_lax(bytes)? {
            (pdu, None) => Ok(pdu),
            (_, Some(error)) => Err(error),
        }
    }

    /// Reads what can be read of one whole PDU, and says where reading stopped early.
    ///
    /// # Errors
    /// [`Header::parse`]'s, and fewer bytes than frag_length says.
    pub fn parse_lax(bytes: &'a [u8]) -> Result<(Self, Option<Error>), Error> {
        let header = Header::parse(bytes)?;
        let layer = header.ptype.name().unwrap_or("pdu");
        let whole = bytes
            .get(..header.frag_length.into())
            .ok_or_else(|| Error::truncated(layer, "PDU", 0, header.frag_length.into(), bytes.len()))?;
        let endianness = header.drep.endianness();
        let (mut region, auth, auth_error) = split_auth(&header, &whole[HEADER_LEN..]);
        let mut auth = auth;
        if carries_stub(header.ptype)
            && let Some(auth) = &mut auth
        {
            let kept = region.len().checked_sub(auth.pad_length.into()).unwrap_or(region.len());
            (region, auth.padding) = region.split_at(kept);
        }

        let simple = |parsed: Result<(&'a [u8], Body<'a>), Error>| match parsed {
            Ok((rest, body)) => (body, rest, None),
            Err(error) => (Body::Opaque, region, Some(error)),
        };
        let has_object = header.flags.has(PfcFlags::OBJECT_UUID);
        let (body, rest, error) = match header.ptype {
            PduType::REQUEST => simple(
                read::finish(layer, region, Request::parse(region, endianness, has_object))
                    .map(|(rest, body)| (rest, Body::Request(body))),
            ),
            PduType::RESPONSE => simple(
                read::finish(layer, region, Response::parse(region, endianness))
                    .map(|(rest, body)| (rest, Body::Response(body))),
            ),
            PduType::FAULT => simple(
                read::finish(layer, region, Fault::parse(region, endianness))
                    .map(|(rest, body)| (rest, Body::Fault(body))),
            ),
            PduType::BIND => match Bind::parse_lax(layer, region, endianness) {
                Ok((bind, rest, error)) => (Body::Bind(bind), rest, error),
                Err(error) => (Body::Opaque, region, Some(error)),
            },
            PduType::ALTER_CONTEXT => match Bind::parse_lax(layer, region, endianness) {
                Ok((bind, rest, error)) => (Body::AlterContext(bind), rest, error),
                Err(error) => (Body::Opaque, region, Some(error)),
            },
            PduType::BIND_ACK => match BindAck::parse_lax(layer, region, endianness) {
                Ok((ack, rest, error)) => (Body::BindAck(ack), rest, error),
                Err(error) => (Body::Opaque, region, Some(error)),
            },
            PduType::ALTER_CONTEXT_RESP => match BindAck::parse_lax(layer, region, endianness) {
                Ok((ack, rest, error)) => (Body::AlterContextResp(ack), rest, error),
                Err(error) => (Body::Opaque, region, Some(error)),
            },
            PduType::BIND_NAK => simple(
                read::finish(layer, region, BindNak::parse(region, endianness))
                    .map(|(rest, body)| (rest, Body::BindNak(body))),
            ),
            PduType::AUTH3 => simple(
                read::finish(layer, region, read::array("pad")(region))
                    .map(|(rest, pad)| (rest, Body::Auth3(pad))),
            ),
            PduType::SHUTDOWN => (Body::Shutdown, region, None),
            PduType::CO_CANCEL => (Body::CoCancel, region, None),
            PduType::ORPHANED => (Body::Orphaned, region, None),
            _ => (Body::Opaque, region, None),
        };
        let error = error.map(|error| error.shifted(HEADER_LEN)).or(auth_error);
        Ok((Self { header, body, rest, auth }, error))
    }

    /// The bytes of the PDU, with the lengths that its header holds.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.encode_to(Vec::with_capacity(self.header.frag_length.into()))
    }

    /// The bytes of the PDU with frag_length and auth_length set to what they are.
    ///
    /// # Errors
    /// A PDU of more than 65535 bytes.
    pub fn encode_sized(&self) -> Result<Vec<u8>, Error> {
        let too_long = |declared: usize| {
            let kind = ErrorKind::Length { declared: declared as u64, least: 16, most: 65535 };
            Error { layer: "pdu header", field: "frag_length", offset: 8, kind }
        };
        let stub = match &self.body {
            Body::Request(Request { stub, .. })
            | Body::Response(Response { stub, .. })
            | Body::Fault(Fault { stub, .. }) => stub.len(),
            _ => 0,
        };
        let auth_length = self.auth.as_ref().map_or(0, |auth| auth.value.len());
        let mut out =
            self.encode_to(Vec::with_capacity(MOST_IN_FRONT + stub + self.rest.len() + auth_length));
        let endianness = self.header.drep.endianness();
        for (place, length) in [(AUTH_LENGTH, auth_length), (FRAG_LENGTH, out.len())] {
            let length = u16::try_from(length).map_err(|_| too_long(length))?;
            let bytes =
                if endianness == Endianness::Big { length.to_be_bytes() } else { length.to_le_bytes() };
            out[place..place + 2].copy_from_slice(&bytes);
        }
        Ok(out)
    }

    fn encode_to(&self, mut out: Vec<u8>) -> Vec<u8> {
        let endianness = self.header.drep.endianness();
        self.header.put(&mut out);
        match &self.body {
            Body::Request(body) => body.put(&mut out, endianness),
            Body::Response(body) => body.put(&mut out, endianness),
            Body::Fault(body) => body.put(&mut out, endianness),
            Body::Bind(body) | Body::AlterContext(body) => body.put(&mut out, endianness),
            Body::BindAck(body) | Body::AlterContextResp(body) => body.put(&mut out, endianness),
            Body::BindNak(body) => body.put(&mut out, endianness),
            Body::Auth3(pad) => out.extend_from_slice(pad),
            Body::Shutdown | Body::CoCancel | Body::Orphaned | Body::Opaque => {}
        }
        out.extend_from_slice(self.rest);
        if let Some(auth) = &self.auth {
            auth.put(&mut out, endianness);
        }
        out
    }
}

/// Where frag_length stands in a header.
const FRAG_LENGTH: usize = 8;
/// Where auth_length does.
const AUTH_LENGTH: usize = 10;
/// Bytes in front of a stub, or of a body that has none; mostly no more are needed.
const MOST_IN_FRONT: usize = 200;

fn carries_stub(ptype: PduType) -> bool {
    matches!(ptype, PduType::REQUEST | PduType::RESPONSE | PduType::FAULT)
}

/// Parts the bytes behind the header into the body's region and the trailer.
fn split_auth<'a>(
    header: &Header,
    behind_header: &'a [u8],
) -> (&'a [u8], Option<AuthTrailer<'a>>, Option<Error>) {
    if header.auth_length == 0 {
        return (behind_header, None, None);
    }
    let length = 8 + usize::from(header.auth_length);
    let Some(body_length) = behind_header.len().checked_sub(length) else {
        let most = behind_header.len().saturating_sub(8) as u64;
        let kind = ErrorKind::Length { declared: header.auth_length.into(), least: 0, most };
        let error = Error { layer: "pdu header", field: "auth_length", offset: 10, kind };
        return (behind_header, None, Some(error));
    };
    let (region, trailer) = behind_header.split_at(body_length);
    let trailer = AuthTrailer::parse(trailer, header.drep.endianness());
    (region, trailer.ok().map(|(_, trailer)| trailer), None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::{DataRepresentation, ResultElement};
    use crate::rpc::{PresentationContext, SyntaxId};
    use proptest::prelude::*;

    fn bind() -> Pdu<'static> {
        let context = PresentationContext {
            id: 1,
            reserved: 7,
            abstract_syntax: SyntaxId::KMS,
            transfer_syntaxes: vec![SyntaxId::NDR32, SyntaxId::NDR64],
        };
        Pdu {
            header: Header::new(PduType::BIND, 2),
            body: Body::Bind(Bind {
                max_xmit_frag: 5840,
                max_recv_frag: 5840,
                assoc_group_id: 0,
                n_context_elem: 1,
                reserved: [1, 2, 3],
                contexts: vec![context],
            }),
            rest: &[],
            auth: None,
        }
    }

    #[test]
    fn a_bind_is_read_as_it_was_written_in_both_byte_orders() {
        for drep in [DataRepresentation::LITTLE_ENDIAN, DataRepresentation::BIG_ENDIAN] {
            let mut pdu = bind();
            pdu.header.drep = drep;
            let bytes = pdu.encode_sized().unwrap();
            assert_eq!(bytes.len(), 92);
            let parsed = Pdu::parse(&bytes).unwrap();
            assert_eq!(parsed.body, pdu.body);
            assert_eq!(parsed.encode(), bytes);
        }
    }

    #[test]
    fn a_context_count_that_is_too_large_keeps_the_contexts_that_are_there() {
        let mut bytes = bind().encode_sized().unwrap();
        bytes[24] = 2;
        let error = Pdu::parse(&bytes).unwrap_err();
        assert_eq!(error.to_string(), "bind: p_cont_id at offset 92: needed 2 bytes, got 0");
        let (pdu, stopped) = Pdu::parse_lax(&bytes).unwrap();
        assert_eq!(stopped, Some(error));
        assert!(matches!(&pdu.body, Body::Bind(bind) if bind.contexts.len() == 1));
        assert_eq!(pdu.encode(), bytes);
    }

    #[test]
    fn a_context_count_that_is_too_small_keeps_the_bytes_behind() {
        let mut bytes = bind().encode_sized().unwrap();
        bytes[24] = 0;
        let pdu = Pdu::parse(&bytes).unwrap();
        assert_eq!(pdu.rest.len(), 64);
        assert_eq!(pdu.encode(), bytes);
    }

    #[test]
    fn the_secondary_address_is_padded_from_the_start_of_the_pdu() {
        for (address, padding) in [(&b"1688\0"[..], 1), (b"", 2), (b"135\0", 2), (b"49664\0", 0)] {
            let ack = BindAck {
                secondary_address: address,
                padding: &[0xaa, 0xbb, 0xcc][..padding],
                n_results: 1,
                results: vec![ResultElement { transfer_syntax: SyntaxId::NDR64, ..Default::default() }],
                ..Default::default()
            };
            let pdu = Pdu {
                header: Header::new(PduType::BIND_ACK, 2),
                body: Body::BindAck(ack),
                rest: &[],
                auth: None,
            };
            let bytes = pdu.encode_sized().unwrap();
            assert_eq!(Pdu::parse(&bytes).unwrap().body, pdu.body, "{address:?}");
        }
    }

    #[test]
    fn a_stub_ends_where_the_authentication_padding_begins() {
        let auth = AuthTrailer {
            auth_type: 10,
            level: 2,
            pad_length: 3,
            reserved: 0,
            context_id: 9,
            padding: &[9; 3],
            value: &[1; 16],
        };
        let body =
            Body::Request(Request { alloc_hint: 5, context_id: 0, opnum: 0, object: None, stub: &[7; 5] });
        let pdu = Pdu { header: Header::new(PduType::REQUEST, 1), body, rest: &[], auth: Some(auth) };
        let bytes = pdu.encode_sized().unwrap();
        let parsed = Pdu::parse(&bytes).unwrap();
        assert_eq!((&parsed.body, &parsed.auth), (&pdu.body, &pdu.auth));
        assert_eq!(parsed.encode(), bytes);
    }

    #[test]
    fn an_auth_length_beyond_the_pdu_is_positioned_and_its_bytes_stay_in_the_body() {
        let mut bytes = bind().encode_sized().unwrap();
        bytes[10] = 200;
        let error = Pdu::parse(&bytes).unwrap_err();
        assert_eq!(
            error.to_string(),
            "pdu header: auth_length at offset 10: length 200 is not within 0..=68"
        );
        let (pdu, _) = Pdu::parse_lax(&bytes).unwrap();
        assert!(matches!(&pdu.body, Body::Bind(bind) if bind.contexts.len() == 1));
        assert_eq!(pdu.encode(), bytes);
    }

    #[test]
    fn a_fault_of_thirty_bytes_is_kept_whole_and_its_missing_field_named() {
        let mut bytes = vec![5, 0, 3, 3, 0x10, 0, 0, 0, 30, 0, 0, 0, 1, 0, 0, 0];
        bytes.extend([0; 14]);
        let (pdu, error) = Pdu::parse_lax(&bytes).unwrap();
        assert_eq!(error.unwrap().to_string(), "fault: reserved2 at offset 28: needed 4 bytes, got 2");
        assert_eq!((pdu.body.clone(), pdu.encode()), (Body::Opaque, bytes.clone()));
    }

    proptest! {
        #[test]
        fn every_pdu_that_is_read_is_written_back_byte_for_byte(
            ptype in 0u8..21,
            flags: u8,
            drep in prop::sample::select(vec![0x10u8, 0x00, 0x11, 0x01]),
            auth_length in prop::sample::select(vec![0u16, 0, 1, 16, 300]),
            tail in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut header = Header::new(PduType(ptype), 1);
            header.flags = PfcFlags(flags);
            header.drep = DataRepresentation([drep, 0, 0, 0]);
            header.auth_length = auth_length;
            header.frag_length = u16::try_from(HEADER_LEN + tail.len()).unwrap();
            let mut bytes = Vec::new();
            header.put(&mut bytes);
            bytes.extend(tail);
            let (pdu, _) = Pdu::parse_lax(&bytes).unwrap();
            prop_assert_eq!(pdu.encode(), bytes);
        }
    }
}
