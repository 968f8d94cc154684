//! A client of ours, which is right.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use volact::kms::{Check, Ndr, RequestBody, RequestMessage, RequestStub, ResponseStub, Verifier, Version};
use volact::peer::{Line, Received};
use volact::rpc::{
    Association, Bind, Body, Header, Outcome, Pdu, PduType, PfcFlags, PresentationContext, Request, SyntaxId,
    TransferSyntax,
};
use volact::wire::{Endianness, FileTime, Guid};

/// How long our client waits for an answer.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Our client, once.
pub(crate) fn activated(host: SocketAddr, version: u16) -> bool {
    activated_but_for(host, version, "")
}

/// Our client, once, which does not look at one check.
pub(crate) fn activated_but_for(host: SocketAddr, version: u16, check: &str) -> bool {
    ask(host, version, check).is_some()
}

/// Asks once, as a genuine client does; `None` where the answer is not right in every way but this.
fn ask(host: SocketAddr, version: u16, passed_over: &str) -> Option<()> {
    let mut line = Line::connect(host, PATIENCE).ok()?;
    let proposed = |id, syntax| PresentationContext {
        id,
        reserved: 0,
        abstract_syntax: SyntaxId::KMS,
        transfer_syntaxes: vec![syntax],
    };
    let bind = Bind {
        max_xmit_frag: 5840,
        max_recv_frag: 5840,
        assoc_group_id: 0,
        n_context_elem: 3,
        reserved: [0; 3],
        contexts: vec![
            proposed(0, SyntaxId::NDR32),
            proposed(1, SyntaxId::NDR64),
            proposed(2, SyntaxId::bind_time_features(3)),
        ],
    };
    let mut association = Association::default();
    association.bind(2, &bind);
    let flags = PfcFlags::FIRST | PfcFlags::LAST | PfcFlags::CONC_MPX;
    send(&mut line, Header { flags, ..Header::new(PduType::BIND, 2) }, Body::Bind(bind))?;
    let bytes = received(&mut line)?;
    let pdu = Pdu::parse(&bytes).ok()?;
    let Body::BindAck(ack) = &pdu.body else { return None };
    association.answer(pdu.header.call_id, ack);
    let accepted = |syntax| {
        let is_it = |outcome| outcome == Outcome::Accepted(syntax);
        association.contexts().iter().find(|context| is_it(context.outcome)).map(|context| context.id)
    };
    let (context_id, ndr) = match (accepted(TransferSyntax::Ndr64), accepted(TransferSyntax::Ndr32)) {
        (Some(id), _) => (id, Ndr::Ndr64),
        (None, Some(id)) => (id, Ndr::Ndr32),
        (None, None) => return None,
    };
    let request = request(version);
    let stub = RequestStub::of(&request.encode(), ndr).encode(Endianness::Little);
    let alloc_hint = u32::try_from(stub.len()).ok()?;
    let body = Request { alloc_hint, context_id, opnum: 0, object: None, stub: &stub };
    send(&mut line, Header::new(PduType::REQUEST, 3), Body::Request(body))?;
    let (stub, endianness) = answer(&mut line)?;
    let stub = ResponseStub::parse(&stub, ndr, endianness).ok()?;
    let is_right = stub.hresult == Some(0) && stub.missing() == 0 && stub.max_count == Some(stub.size.into());
    let (_, checks) = Verifier::default().open(stub.data, Some(&request));
    let is_fine = |(name, check): &(&str, Check)| *check != Check::Fail || *name == passed_over;
    (is_right && checks?.by_name().iter().all(is_fine)).then_some(())
}

fn send(line: &mut Line, header: Header, body: Body<'_>) -> Option<()> {
    line.send(&Pdu { header, body, rest: &[], auth: None }.encode_sized().ok()?).ok()
}

fn received(line: &mut Line) -> Option<Vec<u8>> {
    match line.receive(PATIENCE) {
        Received::Pdu(bytes) => Some(bytes),
        _ => None,
    }
}

/// The stub of the answer, its fragments put together, and its byte order.
fn answer(line: &mut Line) -> Option<(Vec<u8>, Endianness)> {
    let mut stub = Vec::new();
    loop {
        let bytes = received(line)?;
        let pdu = Pdu::parse(&bytes).ok()?;
        let Body::Response(response) = &pdu.body else { return None };
        if pdu.header.call_id != 3 {
            return None;
        }
        stub.extend_from_slice(response.stub);
        if pdu.header.flags.has(PfcFlags::LAST) {
            return Some((stub, pdu.header.drep.endianness()));
        }
    }
}

/// What a machine of no name asks.
fn request(version: u16) -> RequestMessage {
    let id = Guid::from_u128(0x0000_0000_0000_4000_8000_766f_6c61_6301);
    let since_1970 = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let body = RequestBody {
        version: Version(u32::from(version) << 16),
        vm_info: 0,
        license_status: 2,
        binding_expiration: 43_200,
        app_id: Guid::parse("55c92734-d682-4d71-983e-d6ec3f16059f").unwrap(),
        act_id: Guid::parse("73111121-5638-40f6-bc11-f1d7b0d64300").unwrap(),
        kms_id: Guid::parse("58e2134f-8e11-4d17-9cb2-91069c151148").unwrap(),
        cmid: id,
        n_policy: 25,
        client_time: FileTime::from_unix_nanos(since_1970.try_into().unwrap()).unwrap(),
        cmid_prev: Guid::default(),
        machine_name: RequestBody::machine_name_of("volact").unwrap(),
    };
    RequestMessage::new(body, [0x3c; 16])
}
