use volact::kms::{Moment, Ndr, RequestBody, RequestMessage, RequestStub, ResponseStub, Version};
use volact::peer::{Session, Settings};
use volact::rpc::{Bind, Body, Header, Pdu, PduType, PfcFlags, PresentationContext, Request, SyntaxId};
use volact::wire::{Endianness, FileTime, Guid};

use super::Piece;

/// A right conversation, with what it is made of.
#[derive(Clone, Debug)]
pub struct Seed {
    /// `v4`, `v5` or `v6`.
    pub name: &'static str,
    /// The request as it travels in its stub.
    pub request: Vec<u8>,
    /// The response as it travels in its stub.
    pub response: Vec<u8>,
    /// bind, bind_ack, request and response.
    pub pieces: Vec<Piece>,
}

/// A right conversation in each version: 4 and 5 as NDR32, which is all that is proposed, 6 as NDR64, bound as genuine
/// clients bind.
pub fn seeds() -> [Seed; 3] {
    seeds_at(NOW)
}

/// [`seeds`] of another time.
pub fn seeds_at(now: FileTime) -> [Seed; 3] {
    [
        seed(now, "v4", Version::V4, &[SyntaxId::NDR32]),
        seed(now, "v5", Version::V5, &[SyntaxId::NDR32]),
        seed(now, "v6", Version::V6, &[SyntaxId::NDR32, SyntaxId::NDR64, SyntaxId::bind_time_features(3)]),
    ]
}

impl Seed {
    /// The request in the context of NDR32, for a host that has refused NDR64.
    pub fn asked_as_ndr32(&self) -> Vec<u8> {
        asking(&self.request, &[SyntaxId::NDR32])
    }
}

fn seed(now: FileTime, name: &'static str, version: Version, syntaxes: &[SyntaxId]) -> Seed {
    let moment = Moment { now, random: std::array::from_fn(|i| [0x5a, 0xa5, 0x3c][i % 3]) };
    let request =
        RequestMessage::new(body(version, now), std::array::from_fn(|i| 0x10 + [7, 1, 4][i % 3])).encode();
    let mut session = Session::new(&Settings::default());
    let mut pieces = Vec::new();
    for pdu in [bind(syntaxes), asking(&request, syntaxes)] {
        let answer = session.take(&pdu, &moment);
        pieces.push(Piece { is_answer: false, bytes: pdu });
        pieces.extend(answer.pdus.into_iter().map(|bytes| Piece { is_answer: true, bytes }));
    }
    let response = answered(&pieces[3].bytes, if syntaxes.len() == 1 { Ndr::Ndr32 } else { Ndr::Ndr64 });
    Seed { name, request, response, pieces }
}

fn answered(pdu: &[u8], ndr: Ndr) -> Vec<u8> {
    let pdu = Pdu::parse(pdu).expect("a right host makes PDUs");
    let Body::Response(response) = pdu.body else { panic!("a right host answers") };
    let stub = ResponseStub::parse(response.stub, ndr, Endianness::Little).expect("it answers rightly");
    stub.data.to_vec()
}

fn bind(syntaxes: &[SyntaxId]) -> Vec<u8> {
    let contexts = (0..).zip(syntaxes).map(|(id, &syntax)| PresentationContext {
        id,
        reserved: 0,
        abstract_syntax: SyntaxId::KMS,
        transfer_syntaxes: vec![syntax],
    });
    let bind = Bind {
        max_xmit_frag: 5840,
        max_recv_frag: 5840,
        n_context_elem: u8::try_from(syntaxes.len()).expect("they are three at most"),
        contexts: contexts.collect(),
        ..Bind::default()
    };
    let mut header = Header::new(PduType::BIND, 2);
    header.flags = header.flags | PfcFlags::CONC_MPX;
    encode(header, Body::Bind(bind))
}

fn asking(request: &[u8], syntaxes: &[SyntaxId]) -> Vec<u8> {
    let ndr64 = syntaxes.iter().position(|&syntax| syntax == SyntaxId::NDR64);
    let ndr = if ndr64.is_some() { Ndr::Ndr64 } else { Ndr::Ndr32 };
    let stub = RequestStub::of(request, ndr).encode(Endianness::Little);
    let body = Request {
        alloc_hint: u32::try_from(stub.len()).expect("it is short"),
        context_id: u16::try_from(ndr64.unwrap_or(0)).expect("they are three at most"),
        opnum: 0,
        object: None,
        stub: &stub,
    };
    encode(Header::new(PduType::REQUEST, 2), Body::Request(body))
}

fn encode(header: Header, body: Body<'_>) -> Vec<u8> {
    let pdu = Pdu { header, body, rest: &[], auth: None };
    pdu.encode_sized().expect("it is short")
}

fn body(version: Version, now: FileTime) -> RequestBody {
    RequestBody {
        version,
        vm_info: 0,
        license_status: 2,
        binding_expiration: 43_200,
        app_id: Guid::from_u128(0x55c9_2734_d682_4d71_983e_d6ec_3f16_059f),
        act_id: Guid::from_u128(0x45b5_aff2_60a0_42f2_bc4b_ec6e_5f7b_527e),
        kms_id: Guid::from_u128(0x907f_1f65_adcd_4a2e_95bc_4bf5_00bc_6e58),
        cmid: Guid::from_u128(0x6d09_1f5a_7d2c_4b8e_9f13_3a5c_7e90_b2d4),
        n_policy: 5,
        client_time: now,
        cmid_prev: Guid::NIL,
        machine_name: RequestBody::machine_name_of("SEED.example").expect("it is short"),
    }
}

/// 2026-11-22, when it is in the conversations.
pub const NOW: FileTime = FileTime(134_397_673_530_000_000);
