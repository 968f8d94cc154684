//! The planted defects of `examples/defective` are real: each has an input that meets it, and does nothing where it is not
//! there; and what is right passes them all.

#[path = "../examples/defective/flawed/mod.rs"]
mod flawed;

use std::panic;

use smallvec::SmallVec;
use volact::kms::{
    EncryptedRequest, HostIdentity, Ndr, RequestBody, RequestMessage, RequestStub, ResponseMessage,
    ResponseStub, Verifier, Version, hmac,
};
use volact::rpc::{Body, DataRepresentation, Pdu};
use volact::wire::{Check, Endianness, Hex};

use flawed::{Defect, Defects, Piece, Verdict, play, seeds};

const BIND: usize = 0;
const REQUEST: usize = 2;
const RESPONSE: usize = 3;

#[test]
fn right_conversations_pass_with_all_defects() {
    let epid = volact::wire::utf16::until_nul(HostIdentity::TEST.epid());
    for seed in seeds() {
        for defects in [Defects::NONE, Defects::ALL] {
            let (said, verdict) = play(defects, &Piece::write_all(&seed.pieces));
            assert_eq!(verdict, Verdict::Activated(epid.clone()), "{}", seed.name);
            let ack = Pdu::parse(&said).unwrap();
            let length = usize::from(ack.header.frag_length);
            assert!(matches!(ack.body, Body::BindAck(_)), "{}: {ack:?}", seed.name);
            verified(&seed.request, &said[length..], if seed.name == "v6" { Ndr::Ndr64 } else { Ndr::Ndr32 });
        }
    }
}

/// A client believes the host that it is tested beside, over the same bytes.
#[test]
fn host_and_client_understand_each_other() {
    for seed in seeds() {
        let (mut host, mut client) =
            (flawed::Host::new(Defects::ALL, flawed::NOW, 1688), flawed::Client::new(Defects::ALL));
        for piece in seed.pieces.iter().filter(|piece| !piece.is_answer) {
            client.says(&piece.bytes);
            client.take(&host.take(&piece.bytes));
        }
        assert!(matches!(client.verdict(), Verdict::Activated(_)), "{}: {:?}", seed.name, client.verdict());
        assert_eq!((host.is_closed(), client.heard()), (false, 2));
    }
}

/// A host that takes NDR32 beside NDR64, as many do, is understood as one that takes NDR64 alone.
#[test]
fn a_client_understands_a_host_that_takes_both_syntaxes() {
    let pieces = pieces("v6");
    let mut host = flawed::Host::new(Defects::NONE, flawed::NOW, 1688);
    let mut client = flawed::Client::new(Defects::NONE);
    client.says(&pieces[BIND].bytes);
    let said = host.take(&pieces[BIND].bytes);
    let mut ack = Pdu::parse(&said).unwrap();
    let Body::BindAck(body) = &mut ack.body else { panic!("{ack:?}") };
    let taken = body.results.iter().find(|taken| taken.result == 0).copied().unwrap();
    let ndr32 = volact::rpc::SyntaxId::NDR32;
    body.results[0] = volact::rpc::ResultElement { transfer_syntax: ndr32, ..taken };
    client.take(&ack.encode());
    client.says(&pieces[REQUEST].bytes);
    client.take(&host.take(&pieces[REQUEST].bytes));
    assert!(matches!(client.verdict(), Verdict::Activated(_)), "{:?}", client.verdict());
}

#[test]
fn what_is_right_but_unusual_passes_with_all_defects_but_the_one_that_it_meets() {
    let right_fragments = fragments(&pieces("v4"), 200, 260);
    let mut big_endian = pieces("v6");
    big_endian[REQUEST].bytes = in_big_endian(&big_endian[REQUEST].bytes);
    let mut long_name = pieces("v4");
    asked(&mut long_name, |body| {
        body.machine_name = [b'N'; 128];
        body.machine_name[126..].fill(0);
    });
    let mut grace = pieces("v4");
    asked(&mut grace, |body| body.license_status = 6);
    let mut again = pieces("v6");
    let alter = Piece { is_answer: false, bytes: altered(&again[BIND].bytes) };
    again.insert(REQUEST, alter);
    for (what, pieces, defects) in [
        ("fragments", right_fragments, Defects::ALL),
        ("big-endian", big_endian, Defects::ALL.without(Defect::BigEndian)),
        ("a name of 63 units", long_name, Defects::ALL),
        ("grace", grace, Defects::ALL),
        ("alter_context", again, Defects::ALL),
    ] {
        let (said, _) = play(defects, &Piece::write_all(&pieces));
        let last = pdus(&said).pop().expect("it is answered");
        assert!(matches!(last.body, Body::Response(_)), "{what}: {last:?}");
    }
}

#[test]
fn a_length_beyond_what_came() {
    let mut pieces = pieces("v5");
    pieces[REQUEST].bytes[8] += 1;
    meets(Defect::FragLength, &pieces);
}

#[test]
fn an_authentication_trailer_longer_than_the_pdu() {
    for length in [300, 0xffff_u16] {
        let mut pieces = pieces("v4");
        pieces[REQUEST].bytes[10..12].copy_from_slice(&length.to_le_bytes());
        meets(Defect::AuthLength, &pieces);
    }
}

#[test]
fn a_request_before_the_bind() {
    for name in ["v4", "v5"] {
        meets(Defect::BeforeBind, &pieces(name)[REQUEST..REQUEST + 1]);
    }
}

#[test]
fn an_alter_context_that_is_refused_for_a_context_in_use() {
    let mut pieces = pieces("v4");
    let mut alter = altered(&pieces[BIND].bytes);
    let end = alter.len();
    alter[end - 20] ^= 1; // the transfer syntax
    pieces.insert(REQUEST, Piece { is_answer: false, bytes: alter });
    meets(Defect::ContextReuse, &pieces);
}

#[test]
fn fragments_of_more_than_was_announced() {
    meets(Defect::Fragments, &fragments(&pieces("v6"), 100, 100));
    meets(Defect::Fragments, &fragments(&pieces("v4"), 200, 259));
}

#[test]
fn a_maximum_count_of_more_than_32_bits() {
    let mut pieces = pieces("v6");
    pieces[REQUEST].bytes[24 + 8 + 4] = 1;
    meets(Defect::Ndr64Count, &pieces);
}

#[test]
fn a_request_in_big_endian() {
    for name in ["v4", "v5", "v6"] {
        let mut pieces = pieces(name);
        pieces[REQUEST].bytes = in_big_endian(&pieces[REQUEST].bytes);
        meets(Defect::BigEndian, &pieces);
    }
}

#[test]
fn a_machine_name_without_nul_behind_a_mac() {
    let mut pieces = pieces("v4");
    asked(&mut pieces, |body| body.machine_name = [b'N'; 128]);
    meets(Defect::MachineName, &pieces);
}

#[test]
fn a_padding_of_less_than_it_takes() {
    for (name, last) in [("v5", 0), ("v6", 0), ("v5", 1), ("v6", 1)] {
        let mut pieces = pieces(name);
        replaced(&mut pieces, |message| match message {
            RequestMessage::Encrypted(request) => {
                RequestMessage::Encrypted(EncryptedRequest { padding: [4, 4, 4, last], ..request })
            }
            _ => unreachable!("versions 5 and 6 are encrypted"),
        });
        meets(Defect::Padding, &pieces);
    }
}

#[test]
fn an_hmac_of_the_next_slot() {
    let mut pieces = pieces("v6");
    answered(&mut pieces, |message| {
        let ResponseMessage::Encrypted(response) = message else { unreachable!("version 6 is encrypted") };
        let hash = hmac::Keys::default().v6(response.body.client_time, 1, &response.hashed());
        response.v6.as_mut().unwrap().hmac = hash;
    });
    meets(Defect::HmacSlot, &pieces);
}

#[test]
fn an_epid_longer_than_any() {
    for name in ["v4", "v5", "v6"] {
        let mut pieces = pieces(name);
        answered(&mut pieces, |message| {
            let epid = SmallVec::from_elem(b'0', 130);
            match message {
                ResponseMessage::V4(response) => {
                    response.body.epid = epid;
                    response.mac = volact::kms::mac::v4(&response.body.encode());
                }
                ResponseMessage::Encrypted(response) => {
                    response.body.epid = epid;
                    let hash = hmac::Keys::default().v6(response.body.client_time, 0, &response.hashed());
                    if let Some(v6) = &mut response.v6 {
                        v6.hmac = hash;
                    }
                    let length = response.body.encode().len() + if response.v6.is_some() { 88 } else { 48 };
                    let padding = 16 - length % 16;
                    response.padding = SmallVec::from_elem(u8::try_from(padding).unwrap(), padding);
                }
                ResponseMessage::Other { .. } => unreachable!("its version is known"),
            }
        });
        meets(Defect::Epid, &pieces);
    }
}

#[test]
fn no_demand_in_extended_grace_behind_a_mac() {
    let mut pieces = pieces("v4");
    asked(&mut pieces, |body| (body.license_status, body.n_policy) = (6, 0));
    meets(Defect::Grace, &pieces);
}

#[test]
fn every_defect_has_a_name_of_its_own() {
    for defect in Defect::ALL {
        let about = defect.about();
        assert_eq!(Defect::named(about.name), Some(defect));
        assert!((1..=4).contains(&about.depth) && ["host", "client"].contains(&about.side));
        assert!(!about.needs.contains(['|', '\t', '\n']), "it stands in a table: {}", about.needs);
    }
}

/// Holds that this conversation meets this defect, and nothing without it, whatever else is wrong.
fn meets(defect: Defect, pieces: &[Piece]) {
    let data = Piece::write_all(pieces);
    let passes = |defects| panic::catch_unwind(|| play(defects, &data)).is_ok();
    assert!(!passes(Defects::only(defect)), "{defect:?} is not met by {}", Hex(&data));
    assert!(passes(Defects::NONE), "{defect:?}: it fails without any defect");
    assert!(passes(Defects::ALL.without(defect)), "{defect:?}: it meets another one as well");
}

fn pieces(name: &str) -> Vec<Piece> {
    seeds().into_iter().find(|seed| seed.name == name).expect("it is one of them").pieces
}

fn pdus(mut said: &[u8]) -> Vec<Pdu<'_>> {
    let mut pdus = Vec::new();
    while !said.is_empty() {
        let pdu = Pdu::parse(said).expect("a host's PDU");
        said = &said[pdu.header.frag_length.into()..];
        pdus.push(pdu);
    }
    pdus
}

/// Holds that a response is what the library takes for right.
fn verified(request: &[u8], response: &[u8], ndr: Ndr) {
    let pdu = Pdu::parse(response).unwrap();
    let Body::Response(response) = &pdu.body else { panic!("{pdu:?}") };
    let stub = ResponseStub::parse(response.stub, ndr, Endianness::Little).unwrap();
    let request = RequestMessage::decode(request);
    let response = ResponseMessage::decode(stub.data);
    assert_eq!(Some(stub.data.len()), response.expected_len());
    let checks = Verifier::default().verify(&response, Some(&request)).unwrap();
    let told = format!("{checks:?}");
    assert!(!told.contains(&format!("{:?}", Check::Fail)), "{told}");
    if request.version() == Some(Version::V6) {
        assert_eq!(checks.hmac_slot, Some(0));
    }
}

/// Changes the request's body, in an envelope that is right again.
fn asked(pieces: &mut [Piece], change: impl Fn(&mut RequestBody)) {
    replaced(pieces, |message| {
        let mut body = message.body().expect("a seed has a body").clone();
        change(&mut body);
        RequestMessage::new(body, [7; 16])
    });
}

fn replaced(pieces: &mut [Piece], change: impl Fn(RequestMessage) -> RequestMessage) {
    let bytes = pieces[REQUEST].bytes.clone();
    let mut pdu = Pdu::parse(&bytes).unwrap();
    let Body::Request(request) = &mut pdu.body else { panic!("{pdu:?}") };
    let ndr = if request.context_id == 1 { Ndr::Ndr64 } else { Ndr::Ndr32 };
    let stub = RequestStub::parse(request.stub, ndr, Endianness::Little).unwrap();
    let message = change(RequestMessage::decode(stub.data)).encode();
    let stub = RequestStub::of(&message, ndr).encode(Endianness::Little);
    request.stub = &stub;
    pieces[REQUEST].bytes = pdu.encode_sized().unwrap();
}

/// Changes the response, in stub and PDU of the right lengths.
fn answered(pieces: &mut [Piece], change: impl Fn(&mut ResponseMessage)) {
    let bytes = pieces[RESPONSE].bytes.clone();
    let mut pdu = Pdu::parse(&bytes).unwrap();
    let Body::Response(response) = &mut pdu.body else { panic!("{pdu:?}") };
    let ndr = if response.context_id == 1 { Ndr::Ndr64 } else { Ndr::Ndr32 };
    let stub = ResponseStub::parse(response.stub, ndr, Endianness::Little).unwrap();
    let mut message = ResponseMessage::decode(stub.data);
    change(&mut message);
    let message = message.encode();
    let stub = ResponseStub::of(&message, ndr).encode(Endianness::Little);
    response.stub = &stub;
    pieces[RESPONSE].bytes = pdu.encode_sized().unwrap();
}

/// The request in two fragments, the first one of so many bytes of stub and with this alloc_hint.
fn fragments(pieces: &[Piece], first: usize, alloc_hint: u32) -> Vec<Piece> {
    let whole = &pieces[REQUEST].bytes;
    let (head, stub) = whole.split_at(24);
    let (begin, end) = stub.split_at(first);
    let fragment = |flags: u8, alloc_hint: u32, stub: &[u8]| {
        let mut bytes = [head, stub].concat();
        bytes[3] = flags;
        let length = u16::try_from(bytes.len()).unwrap();
        bytes[8..10].copy_from_slice(&length.to_le_bytes());
        bytes[16..20].copy_from_slice(&alloc_hint.to_le_bytes());
        Piece { is_answer: false, bytes }
    };
    vec![pieces[BIND].clone(), fragment(1, alloc_hint, begin), fragment(2, 0, end)]
}

fn altered(bind: &[u8]) -> Vec<u8> {
    let mut alter = bind.to_vec();
    alter[2] = 14;
    alter
}

fn in_big_endian(request: &[u8]) -> Vec<u8> {
    let mut pdu = Pdu::parse(request).unwrap();
    let Body::Request(request) = &mut pdu.body else { panic!("{pdu:?}") };
    let ndr = if request.context_id == 1 { Ndr::Ndr64 } else { Ndr::Ndr32 };
    let stub = RequestStub::parse(request.stub, ndr, Endianness::Little).unwrap().encode(Endianness::Big);
    request.stub = &stub;
    pdu.header.drep = DataRepresentation::BIG_ENDIAN;
    pdu.encode_sized().unwrap()
}
