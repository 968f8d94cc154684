use std::time::Duration;

use crate::conformance::Level;
use crate::kms::{Ndr, RequestMessage, ResponseMessage, ResponseStub};
use crate::rpc::{Body, Pdu, PduType};
use crate::wire::{Endianness, Random};

/// What a host does in a test, and what is expected of the client that meets it.
pub struct Behaviour {
    /// Its id: never used for another behaviour, also once this one is gone.
    pub id: &'static str,
    /// What it demands of the client, in a few words.
    pub title: &'static str,
    /// What it belongs to.
    pub group: &'static str,
    /// How much it demands.
    pub level: Level,
    /// Who says so.
    pub authority: &'static str,
    /// What the host does, in one sentence.
    pub plays: &'static str,
    /// What the client must do, in one sentence.
    pub holds: &'static str,
    /// Words by which behaviours are selected, beside their group.
    pub tags: &'static [&'static str],
    /// The major version that it takes; `None` is any.
    pub version: Option<u16>,
    /// The transfer syntax that it takes; `None` is any.
    pub ndr: Option<Ndr>,
    /// True where the host takes NDR64.
    pub takes_ndr64: bool,
    /// What becomes of the client.
    pub wants: Wants,
    /// What the host does about a PDU.
    pub(super) play: fn(&mut Scene<'_>) -> Vec<Act>,
}

/// What becomes of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// It has what it asked for.
    Success,
    /// It has not, and says so.
    Failure,
    /// Either.
    Either,
}

/// A PDU of the client, and what a right host would answer.
pub(in crate::peer) struct Scene<'a> {
    pub(in crate::peer) asked: Option<&'a Pdu<'a>>,
    pub(in crate::peer) right: Vec<Vec<u8>>,
    /// How the call is marshalled; NDR32 where it is no call.
    pub(in crate::peer) ndr: Ndr,
    pub(in crate::peer) random: &'a mut Random,
}

/// What a host does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::peer) enum Act {
    /// Sends bytes.
    Send(Vec<u8>),
    /// Sends bytes in pieces of a size, with a pause between them.
    Pieces(Vec<u8>, usize, Duration),
    /// Sends its FIN.
    Close,
    /// Resets the connection when the client sends more.
    Reset,
}

impl Scene<'_> {
    /// What the client has sent.
    pub(in crate::peer) fn ptype(&self) -> Option<PduType> {
        self.asked.map(|pdu| pdu.header.ptype)
    }

    /// What a right host does.
    pub(in crate::peer) fn rightly(&mut self) -> Vec<Act> {
        std::mem::take(&mut self.right).into_iter().map(Act::Send).collect()
    }

    /// What a right host does, where this is not the PDU that is answered otherwise.
    pub(in crate::peer) fn at(
        &mut self,
        ptype: PduType,
        acts: impl FnOnce(&mut Self) -> Vec<Act>,
    ) -> Vec<Act> {
        if self.ptype() == Some(ptype) { acts(self) } else { self.rightly() }
    }

    /// A right host's PDUs, each changed and measured anew.
    pub(in crate::peer) fn with_pdu(&mut self, change: impl Fn(&mut Pdu<'_>)) -> Vec<Act> {
        let changed = self.right.iter().filter_map(|bytes| {
            let mut pdu = Pdu::parse(bytes).ok()?;
            change(&mut pdu);
            pdu.encode_sized().ok()
        });
        changed.map(Act::Send).collect()
    }

    /// A right response with another stub.
    pub(in crate::peer) fn with_stub(
        &mut self,
        mut stub_of: impl FnMut(&ResponseStub<'_>) -> Vec<u8>,
    ) -> Vec<Act> {
        let ndr = self.ndr;
        let changed = self.right.iter().filter_map(|bytes| {
            let mut pdu = Pdu::parse(bytes).ok()?;
            let Body::Response(response) = &mut pdu.body else { return Some(bytes.clone()) };
            let stub = stub_of(&ResponseStub::parse(response.stub, ndr, Endianness::Little).ok()?);
            response.stub = &stub;
            response.alloc_hint = u32::try_from(stub.len()).unwrap_or(u32::MAX);
            pdu.encode_sized().ok()
        });
        changed.map(Act::Send).collect()
    }

    /// A right response with another message.
    pub(in crate::peer) fn with_message(&mut self, change: impl Fn(&mut ResponseMessage)) -> Vec<Act> {
        let ndr = self.ndr;
        self.with_stub(|stub| {
            let mut message = ResponseMessage::decode(stub.data);
            change(&mut message);
            ResponseStub::of(&message.encode(), ndr).encode(Endianness::Little)
        })
    }

    /// The request of a call, where it is in one fragment.
    pub(in crate::peer) fn request(&self) -> Option<RequestMessage> {
        let Some(Pdu { header, body: Body::Request(request), .. }) = self.asked else { return None };
        let stub = crate::kms::RequestStub::parse(request.stub, self.ndr, header.drep.endianness()).ok()?;
        Some(RequestMessage::decode(stub.data))
    }
}

impl std::fmt::Debug for Behaviour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id)
    }
}
