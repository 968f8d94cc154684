//! KMS bodies and envelopes of a conversation, to be changed and sealed again.

use volact::capture::{Dialogue, Direction};
use volact::catalog::product;
use volact::kms::rijndael::{Block, xor};
use volact::kms::{
    EncryptedResponse, Ndr, RequestBody, RequestMessage, RequestStub, ResponseBody, ResponseMessage,
    ResponseStub, V4Response, V6Trailer, Version, hmac, mac, salt,
};
use volact::rpc::{Body, Pdu, PduType};
use volact::wire::{Endianness, FileTime, Guid, utf16};

use crate::conversation::Conversation;

/// A call of a conversation: what was asked and answered, open.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) request: RequestMessage,
    /// What was answered; `None` where the answer is an HRESULT alone.
    pub(crate) response: Option<ResponseMessage>,
    pub(crate) hresult: u32,
    /// The salt of the response, unmasked (v5, v6).
    pub(crate) salt: Block,
    ndr: Ndr,
    places: [usize; 2],
}

/// Windows Server 2019 Datacenter, counted as Windows Server 2019: asks in version 6.
pub(crate) const SERVER_2019: &str = "34e1ae55-27f8-4950-8877-7a03be5fb181";
/// Windows Server 2012 Standard: asks in version 5.
pub(crate) const SERVER_2012: &str = "f0f5ec41-0d55-4732-af02-440a44a3cf0f";
/// Windows Server 2008 R2 Standard: asks in version 4.
pub(crate) const SERVER_2008_R2: &str = "68531fb9-5511-4989-97be-d11a0f55633f";
/// Office Professional Plus 2019: asks in version 6.
pub(crate) const OFFICE_2019: &str = "85dd8b5f-eaa4-4af3-a628-cce9e77c9a03";

/// What hosts answer to what they cannot read.
pub(crate) const INVALID_DATA: u32 = 0x8007_000d;

impl Conversation {
    /// [`Self::base`] by a client of this edition, in the version of its product.
    pub(crate) fn of_edition(act_id: &str) -> Self {
        Self::base().calls(|call| call.asks_for(act_id))
    }

    /// With a call of the first connection changed, and what depends on it made right again.
    pub(crate) fn call(self, nth: usize, change: impl FnOnce(&mut Call)) -> Self {
        self.spoiled(nth, |call| {
            change(call);
            call.seal();
        })
    }

    /// With all calls of the first connection changed, and what depends on it made right again.
    pub(crate) fn calls(self, change: impl Fn(&mut Call)) -> Self {
        let count = self.places(0).len();
        (0..count).fold(self, |conversation, nth| conversation.call(nth, &change))
    }

    /// With a call of the first connection changed, and nothing else but its NDR counts.
    pub(crate) fn spoiled(self, nth: usize, change: impl FnOnce(&mut Call)) -> Self {
        self.spoiled_of(0, nth, change)
    }

    fn spoiled_of(mut self, connection: usize, nth: usize, change: impl FnOnce(&mut Call)) -> Self {
        let mut call = self.open(connection, nth);
        change(&mut call);
        let data = call.request.encode();
        let stub = RequestStub::of(&data, call.ndr).encode(Endianness::Little);
        self.put_stub(connection, call.places[0], &stub);
        let stub = match &call.response {
            Some(response) => {
                let data = response.encode();
                let stub = ResponseStub { hresult: Some(call.hresult), ..ResponseStub::of(&data, call.ndr) };
                stub.encode(Endianness::Little)
            }
            None => ResponseStub::refusal(call.hresult, call.ndr).encode(Endianness::Little),
        };
        self.put_stub(connection, call.places[1], &stub);
        self
    }

    /// With the client connecting once more, ten seconds later: it asks the same, and nothing that has to be new is not.
    pub(crate) fn twice(mut self) -> Self {
        let mut again = self.connections[0].clone();
        let at = self.connections.len();
        let after = u8::try_from(at).expect("a few connections");
        again.client.port += u16::from(after);
        for sent in &mut again.pdus {
            sent.time += u64::from(after) * SECONDS * 1_000_000_000;
            let bytes = sent.bytes.clone();
            let mut pdu = Pdu::parse(&bytes).expect("it is a whole PDU");
            if let Body::BindAck(ack) | Body::AlterContextResp(ack) = &mut pdu.body {
                ack.assoc_group_id += u32::from(after);
            } else if let Body::AlterContext(alter) = &mut pdu.body {
                alter.assoc_group_id += if alter.assoc_group_id == 0 { 0 } else { u32::from(after) };
            }
            sent.bytes = pdu.encode();
        }
        self.connections.push(again);
        let count = self.places(at).len();
        (0..count).fold(self, |conversation, nth| {
            conversation.spoiled_of(at, nth, |call| {
                call.renew(after);
                call.asked_mut().client_time.0 += u64::from(after) * SECONDS * 10_000_000;
                call.echo();
                call.seal();
            })
        })
    }

    /// With a call of the last connection changed, and what depends on it made right again.
    pub(crate) fn call_of_last(self, nth: usize, change: impl FnOnce(&mut Call)) -> Self {
        let last = self.connections.len() - 1;
        self.spoiled_of(last, nth, |call| {
            change(call);
            call.seal();
        })
    }

    /// With only the first calls of the first connection.
    pub(crate) fn first_calls(mut self, count: usize) -> Self {
        let end = self.places(0)[count - 1][1] + 1;
        self.connections[0].pdus.truncate(end);
        self
    }

    /// As a file in which the host closes its first connection itself, right after its last answer.
    pub(crate) fn closed_by_host(&self) -> Vec<u8> {
        let connection = &self.connections[0];
        let mut dialogue = Dialogue::new(connection.client, connection.server, connection.pdus[0].time);
        for sent in &connection.pdus {
            dialogue.send(sent.direction, sent.time, &sent.bytes);
        }
        let last = connection.pdus.last().map_or(0, |sent| sent.time) + 1_000_000;
        dialogue.close(Direction::ToClient, last);
        dialogue.close(Direction::ToServer, last);
        let mut file = Vec::new();
        Dialogue::write(&[dialogue], &mut file, "an example of a rule").expect("memory takes it");
        file
    }

    /// The places of the requests and of their responses among the PDUs of a connection.
    fn places(&self, connection: usize) -> Vec<[usize; 2]> {
        let mut places: Vec<[usize; 2]> = Vec::new();
        for (at, sent) in self.connections[connection].pdus.iter().enumerate() {
            match Pdu::parse(&sent.bytes).expect("it is a whole PDU").header.ptype {
                PduType::REQUEST => places.push([at, 0]),
                PduType::RESPONSE => places.last_mut().expect("a request comes first")[1] = at,
                _ => {}
            }
        }
        places
    }

    fn open(&self, connection: usize, nth: usize) -> Call {
        let places = self.places(connection)[nth];
        let [asked, answered] = places.map(|place| stub_of(&self.connections[connection].pdus[place].bytes));
        let read = |ndr| RequestStub::parse(&asked, ndr, Endianness::Little).expect("it has its counts");
        let ndr = if read(Ndr::Ndr32).is_consistent() { Ndr::Ndr32 } else { Ndr::Ndr64 };
        let stub = ResponseStub::parse(&answered, ndr, Endianness::Little).expect("it has its counts");
        let request = RequestMessage::decode(read(ndr).data);
        let response = stub.max_count.map(|_| ResponseMessage::decode(stub.data));
        let mut call =
            Call { request, response, hresult: stub.hresult.unwrap_or_default(), salt: [0; 16], ndr, places };
        if let Some(ResponseMessage::Encrypted(response)) = &call.response {
            call.salt = xor(&response.xored_salt, &call.key());
        }
        call
    }

    fn put_stub(&mut self, connection: usize, place: usize, stub: &[u8]) {
        let bytes = &mut self.connections[connection].pdus[place].bytes;
        let before = bytes.clone();
        let mut pdu = Pdu::parse(&before).expect("it is a whole PDU");
        let hint = |hint: u32, before: usize| {
            let change = i64::try_from(stub.len()).expect("short") - i64::try_from(before).expect("short");
            u32::try_from(i64::from(hint) + change).expect("a hint stays a length")
        };
        match &mut pdu.body {
            Body::Request(request) => {
                request.alloc_hint = hint(request.alloc_hint, request.stub.len());
                request.stub = stub;
            }
            Body::Response(response) => {
                response.alloc_hint = hint(response.alloc_hint, response.stub.len());
                response.stub = stub;
            }
            _ => panic!("it has a stub"),
        }
        *bytes = pdu.encode_sized().expect("it has a length");
    }
}

/// Between one connection of a client and its next.
const SECONDS: u64 = 10;

fn stub_of(bytes: &[u8]) -> Vec<u8> {
    match Pdu::parse(bytes).expect("it is a whole PDU").body {
        Body::Request(request) => request.stub.to_vec(),
        Body::Response(response) => response.stub.to_vec(),
        _ => panic!("it has a stub"),
    }
}

impl Call {
    /// The request's body.
    pub(crate) fn asked(&self) -> &RequestBody {
        self.request.body().expect("the request is open")
    }

    /// The request's body, to be changed.
    pub(crate) fn asked_mut(&mut self) -> &mut RequestBody {
        match &mut self.request {
            RequestMessage::V4(request) => &mut request.body,
            RequestMessage::Encrypted(request) => &mut request.body,
            RequestMessage::Other { .. } => panic!("the request is open"),
        }
    }

    /// The response's body, to be changed.
    pub(crate) fn answer_mut(&mut self) -> &mut ResponseBody {
        match &mut self.response {
            Some(ResponseMessage::V4(response)) => &mut response.body,
            Some(ResponseMessage::Encrypted(response)) => &mut response.body,
            _ => panic!("the response is open"),
        }
    }

    /// The response, encrypted (v5, v6).
    pub(crate) fn encrypted(&mut self) -> &mut EncryptedResponse {
        match &mut self.response {
            Some(ResponseMessage::Encrypted(response)) => response,
            _ => panic!("the response is of version 5 or 6"),
        }
    }

    /// The end of a version 6 response.
    pub(crate) fn trailer(&mut self) -> &mut V6Trailer {
        self.encrypted().v6.as_mut().expect("the response is of version 6")
    }

    /// The ePID's text.
    pub(crate) fn epid(&mut self) -> String {
        self.answer_mut().epid_text()
    }

    /// With this text and a NUL for an ePID.
    pub(crate) fn set_epid(&mut self, text: &str) {
        self.answer_mut().epid = [utf16::encode(text), vec![0, 0]].concat().into();
    }

    /// With a part of the ePID's text replaced, which is there.
    pub(crate) fn edit_epid(&mut self, from: &str, to: &str) {
        let text = self.epid();
        assert!(text.contains(from), "{from} is not in {text}");
        self.set_epid(&text.replacen(from, to, 1));
    }

    /// Refused with this HRESULT.
    pub(crate) fn refuse(&mut self, hresult: u32) {
        self.response = None;
        self.hresult = hresult;
    }

    /// With what the response repeats of the request.
    pub(crate) fn echo(&mut self) {
        let (version, cmid, client_time) = {
            let asked = self.asked();
            (asked.version, asked.cmid, asked.client_time)
        };
        let body = self.answer_mut();
        (body.version, body.cmid, body.client_time) = (version, cmid, client_time);
    }

    /// Asked by a client of this edition, in the version of its product, and answered so.
    pub(crate) fn asks_for(&mut self, act_id: &str) {
        let sku = product::sku(Guid::parse(act_id).expect("a GUID")).expect("a known edition");
        let product = product::kms_id(sku.kms_id).expect("a known product");
        let mut body = self.asked().clone();
        body.version = Version(u32::from(product.protocol.0) << 16);
        (body.app_id, body.act_id, body.kms_id) = (product.application, sku.guid, product.guid);
        body.n_policy = product.policy;
        let iv = match &self.request {
            RequestMessage::Encrypted(request) => request.iv,
            _ => [7; 16],
        };
        let mut answer = self.answer_mut().clone();
        answer.version = body.version;
        answer.count = 2 * product.policy;
        let (old_iv, trailer) = match &self.response {
            Some(ResponseMessage::Encrypted(response)) => (response.iv, response.v6),
            _ => ([9; 16], None),
        };
        self.response = Some(match product.protocol.0 {
            4 => ResponseMessage::V4(V4Response { body: answer, mac: [0; 16], excess: Default::default() }),
            major => ResponseMessage::Encrypted(EncryptedResponse {
                version: body.version,
                iv: if major == 5 { iv } else { old_iv },
                body: answer,
                xored_salt: [0; 16],
                hash: [0; 32],
                v6: trailer.filter(|_| major == 6),
                padding: Default::default(),
                excess: Default::default(),
            }),
        });
        self.request = RequestMessage::new(body, iv);
    }

    /// With other random numbers.
    pub(crate) fn renew(&mut self, by: u8) {
        for byte in &mut self.salt {
            *byte ^= by;
        }
        if let RequestMessage::Encrypted(request) = &mut self.request {
            request.iv[0] ^= by;
            let iv = request.iv;
            let response = self.encrypted();
            if response.v6.is_some() {
                response.iv[0] ^= by;
            } else {
                response.iv = iv;
            }
        }
    }

    /// Makes right what depends on the rest: MACs, masks, hashes, padding.
    pub(crate) fn seal(&mut self) {
        if let RequestMessage::V4(request) = &mut self.request {
            request.mac = mac::v4(&request.body.encode());
        }
        let (key, salt) = (self.key(), self.salt);
        match &mut self.response {
            Some(ResponseMessage::V4(response)) => response.mac = mac::v4(&response.body.encode()),
            Some(ResponseMessage::Encrypted(response)) => {
                response.xored_salt = xor(&salt, &key);
                response.hash = salt::hash(&salt);
                if let Some(v6) = &mut response.v6 {
                    v6.xored_ivs = key;
                }
                self.sign();
            }
            _ => {}
        }
    }

    /// Makes right the HMAC and the padding.
    pub(crate) fn sign(&mut self) {
        self.sign_in_slot(0);
    }

    /// As [`Self::sign`], with the key of a slot that is so many away.
    pub(crate) fn sign_in_slot(&mut self, slots_away: i8) {
        let response = self.encrypted();
        let hashed = response.hashed();
        let mut length = hashed.len() - 16;
        if let Some(v6) = &mut response.v6 {
            v6.hmac = hmac::Keys::default().v6(response.body.client_time, slots_away, &hashed);
            length += 16;
        }
        let missing = 16 - length % 16;
        response.padding = vec![u8::try_from(missing).expect("16 at most"); missing].into();
    }

    /// K: the request's IV, decrypted.
    fn key(&self) -> Block {
        match &self.request {
            RequestMessage::Encrypted(request) => request.decrypted_iv(),
            _ => [0; 16],
        }
    }
}

/// So many seconds in the units of a FILETIME.
pub(crate) fn seconds(time: FileTime, seconds: i64) -> FileTime {
    FileTime(time.0.wrapping_add_signed(seconds * 10_000_000))
}
