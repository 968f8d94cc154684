use crate::kms::{Ndr, RequestMessage, RequestStub, Version};
use crate::mutate::Mutator;
use crate::peer::host_test::{
    Offer, Product,
    probe::{
        OFFICE_2019, SERVER_2019, WINDOWS_7, WINDOWS_8, WINDOWS_10, bare, body_of, context, drep,
        in_fragments,
    },
};
use crate::rpc::{AuthTrailer, Body, Header, Pdu, PduType, PfcFlags, Request, SyntaxId};
use crate::wire::{Endianness, Guid, Random, Side};

use super::plan::{Begins, NOMINAL_TIME, Plan, Step, Unit};

/// Bytes of a PDU that was changed.
const MOST_BYTES: usize = 8192;
/// Steps of a plan.
const MOST_STEPS: usize = 24;

/// Makes a case: a conversation as clients have it, or one of the corpus, with a few things changed.
pub(super) fn plan(random: &mut Random, corpus: &[Plan], takes_ndr64: bool) -> Plan {
    let mut plan = match below(random, 2) {
        1 if !corpus.is_empty() => corpus[below(random, corpus.len())].clone(),
        _ => conversation(random, takes_ndr64),
    };
    if below(random, 12) == 0 && !corpus.is_empty() {
        let other = &corpus[below(random, corpus.len())];
        splice(random, &mut plan, other);
    }
    let changes = [0, 1, 1, 1, 1, 2, 2, 3][below(random, 8)];
    for _ in 0..changes {
        change(random, &mut plan);
    }
    if below(random, 16) == 0 {
        plan.pieces = Some([1, 3, 7, 16, 100, 1000][below(random, 6)]);
    }
    plan.steps.truncate(MOST_STEPS);
    plan
}

/// Behind a part of one case comes a part of another.
fn splice(random: &mut Random, plan: &mut Plan, other: &Plan) {
    if other.begins == Begins::Fresh && plan.begins != Begins::Fresh {
        return;
    }
    let from = below(random, other.steps.len().max(1));
    plan.steps.push(Step::Await);
    plan.steps.extend(other.steps.iter().skip(from).cloned());
}

fn change(random: &mut Random, plan: &mut Plan) {
    let mut mutator = Mutator::new(random.number());
    let ndr = plan.begins.ndr().unwrap_or(Ndr::Ndr32);
    let count = plan.units().count();
    if count == 0 {
        return;
    }
    match below(random, 16) {
        // The sequence, by the mutator.
        0 | 1 => {
            let before: Vec<Unit> = plan.units().cloned().collect();
            let mut pdus: Vec<Vec<u8>> = before.iter().map(|unit| unit.bytes.clone()).collect();
            let changes = mutator.pdus(Side::Client, Some(ndr), &mut pdus, MOST_BYTES);
            // What is there unchanged keeps what is known of it.
            let units = pdus.into_iter().map(|bytes| match before.iter().find(|unit| unit.bytes == bytes) {
                Some(unit) => unit.clone(),
                None => Unit { bytes, right: None, notes: changes.notes() },
            });
            let rest = plan.steps.iter().filter(|step| !matches!(step, Step::Send(_))).cloned();
            plan.steps = units.map(Step::Send).chain(rest.collect::<Vec<_>>()).collect();
        }
        // The order, the number, how it is sent.
        2 => {
            let place = below(random, plan.steps.len());
            let step = [Step::Await, Step::Await, Step::HalfClose, Step::HangUp, Step::Open]
                [below(random, 5)]
            .clone();
            plan.steps.insert(place, step);
        }
        3 => {
            let place = below(random, plan.steps.len());
            let step = plan.steps[place].clone();
            plan.steps.insert(below(random, plan.steps.len()), step);
        }
        4 if plan.steps.len() > 1 => drop(plan.steps.remove(below(random, plan.steps.len()))),
        kind => {
            let place = below(random, count);
            let Some(unit) = plan.units_mut().nth(place) else { return };
            let before = unit.bytes.clone();
            let changes = if kind == 5 {
                mutator.raw(&mut unit.bytes, MOST_BYTES)
            } else {
                mutator.pdu(Side::Client, Some(ndr), &mut unit.bytes, MOST_BYTES)
            };
            if unit.bytes != before {
                unit.right.get_or_insert(before);
                unit.notes.extend(changes.notes());
                unit.notes.truncate(MOST_NOTES);
            }
        }
    }
}

/// Sentences about what was changed in a unit.
const MOST_NOTES: usize = 16;

/// What a client may say, in any order that makes sense.
fn conversation(random: &mut Random, takes_ndr64: bool) -> Plan {
    let ndr = if takes_ndr64 && below(random, 2) == 0 { Ndr::Ndr64 } else { Ndr::Ndr32 };
    let begins = if ndr == Ndr::Ndr64 { Begins::Ndr64 } else { Begins::Ndr32 };
    let mut client = Client { random, call_id: 2 };
    let (begins, steps) = match below(client.random, 32) {
        // A call on a bound connection.
        0..=15 => (begins, client.call(ndr, Way::default())),
        // Calls without waiting.
        16 => (begins, [client.call(ndr, Way::default()), client.call(ndr, Way::default())].concat()),
        17 => {
            let first = client.call(ndr, Way::default());
            (begins, [first, vec![Step::Await], client.call(ndr, Way::default())].concat())
        }
        18 => (begins, client.call_in_fragments(ndr)),
        19 => (begins, client.call(ndr, Way { endianness: Endianness::Big, ..Way::default() })),
        20 => (begins, client.call(ndr, Way { opnum: 1, ..Way::default() })),
        21 => (begins, client.call(ndr, Way { context_id: 7, ..Way::default() })),
        22 => (begins, client.call(ndr, Way { object: true, ..Way::default() })),
        23 => {
            let ptype =
                [PduType::CO_CANCEL, PduType::ORPHANED, PduType::AUTH3, PduType::SHUTDOWN, PduType(20)]
                    [below(client.random, 5)];
            let lone = client.bare(ptype);
            (begins, [lone, client.call(ndr, Way::default())].concat())
        }
        24 => {
            // An orphaned call, and another one.
            let mut steps = client.call_in_fragments(ndr);
            steps.truncate(1);
            client.call_id -= 1;
            steps.extend(client.bare(PduType::ORPHANED));
            (begins, [steps, client.call(ndr, Way::default())].concat())
        }
        25 => {
            let offer = Offer::of([context(1, SyntaxId::KMS, &[syntax(ndr)])]);
            let alter = client.offer(PduType::ALTER_CONTEXT, &offer);
            let call = client.call(ndr, Way { context_id: 1, ..Way::default() });
            (begins, [alter, vec![Step::Await], call].concat())
        }
        26 => (Begins::Fresh, client.call(ndr, Way::default())),
        27 => {
            let offer = client.some_offer(takes_ndr64);
            (Begins::Fresh, client.offer(PduType::ALTER_CONTEXT, &offer))
        }
        _ => {
            let offer = client.some_offer(takes_ndr64);
            let bind = client.offer(PduType::BIND, &offer);
            let mut steps = if below(client.random, 8) == 0 { with_auth(bind) } else { bind };
            if below(client.random, 2) == 0 {
                steps.push(Step::Await);
            }
            if below(client.random, 8) == 0 {
                let again = client.some_offer(takes_ndr64);
                steps.extend(client.offer(PduType::BIND, &again));
            }
            // Where the host takes NDR64 and both are proposed, that is what it takes.
            let (context_id, ndr) = match offer.contexts.as_slice() {
                [_, second, ..] if takes_ndr64 && second.transfer_syntaxes.contains(&SyntaxId::NDR64) => {
                    (second.id, Ndr::Ndr64)
                }
                [first, ..] if first.transfer_syntaxes.contains(&SyntaxId::NDR64) => (first.id, Ndr::Ndr64),
                [first, ..] => (first.id, Ndr::Ndr32),
                [] => (0, Ndr::Ndr32),
            };
            steps.extend(client.call(ndr, Way { context_id, ..Way::default() }));
            (Begins::Fresh, steps)
        }
    };
    Plan { begins, pieces: None, steps }
}

struct Client<'a> {
    random: &'a mut Random,
    call_id: u32,
}

/// How a call is made.
#[derive(Clone, Copy)]
struct Way {
    context_id: u16,
    opnum: u16,
    endianness: Endianness,
    object: bool,
}

impl Default for Way {
    fn default() -> Self {
        Self { context_id: 0, opnum: 0, endianness: Endianness::Little, object: false }
    }
}

impl Client<'_> {
    fn request(&mut self, ndr: Ndr, way: Way) -> Vec<u8> {
        const PRODUCTS: [(Version, &Product); 5] = [
            (Version::V6, &WINDOWS_10),
            (Version::V5, &WINDOWS_8),
            (Version::V4, &WINDOWS_7),
            (Version::V6, &SERVER_2019),
            (Version::V6, &OFFICE_2019),
        ];
        let (version, product) = PRODUCTS[below(self.random, PRODUCTS.len())];
        let body = body_of(version, product, NOMINAL_TIME);
        let data = RequestMessage::new(body, self.random.bytes()).encode();
        let stub = RequestStub::of(&data, ndr).encode(way.endianness);
        let mut header = Header::new(PduType::REQUEST, self.next_call());
        header.drep = drep(way.endianness);
        if way.object {
            header.flags = header.flags | PfcFlags::OBJECT_UUID;
        }
        let request = Request {
            alloc_hint: u32::try_from(stub.len()).unwrap_or(u32::MAX),
            context_id: way.context_id,
            opnum: way.opnum,
            object: way.object.then_some(Guid::NIL),
            stub: &stub,
        };
        encoded(&Pdu { header, body: Body::Request(request), rest: &[], auth: None })
    }

    fn call(&mut self, ndr: Ndr, way: Way) -> Vec<Step> {
        vec![Step::Send(Unit::right(self.request(ndr, way)))]
    }

    fn call_in_fragments(&mut self, ndr: Ndr) -> Vec<Step> {
        let whole = self.request(ndr, Way::default());
        let size = [8, 24, 100, 128, 200][below(self.random, 5)];
        // A PDU that was just written can be read.
        let fragments = in_fragments(&whole, size).unwrap_or_else(|_| vec![whole]);
        fragments.into_iter().map(|fragment| Step::Send(Unit::right(fragment))).collect()
    }

    fn bare(&mut self, ptype: PduType) -> Vec<Step> {
        let call_id = self.next_call();
        let auth3 = [0; 4];
        let pdu = match ptype {
            // Four bytes of padding, and no trailer (C706 13.2.6).
            PduType::AUTH3 => encoded(&Pdu {
                header: Header::new(ptype, call_id),
                body: Body::Opaque,
                rest: &auth3,
                auth: None,
            }),
            _ => bare(ptype, call_id).unwrap_or_default(),
        };
        vec![Step::Send(Unit::right(pdu))]
    }

    fn offer(&mut self, ptype: PduType, offer: &Offer) -> Vec<Step> {
        let call_id = self.next_call();
        vec![Step::Send(Unit::right(offer.pdu(ptype, call_id).unwrap_or_default()))]
    }

    fn some_offer(&mut self, takes_ndr64: bool) -> Offer {
        let kms = |id, syntaxes: &[SyntaxId]| context(id, SyntaxId::KMS, syntaxes);
        let mut offer = match below(self.random, 12) {
            0 | 1 => Offer::default(),
            2 | 3 => Offer::only(Ndr::Ndr32),
            4 if takes_ndr64 => Offer::only(Ndr::Ndr64),
            5 => Offer::of([kms(9, &[SyntaxId::NDR32])]),
            6 => Offer::of([kms(0, &[SyntaxId::NDR32]), kms(0, &[SyntaxId::NDR32])]),
            7 => Offer::of([]),
            8 => Offer::of([context(0, SyntaxId::NDR32, &[SyntaxId::NDR32])]),
            9 => Offer::of([kms(0, &[])]),
            10 => Offer::of((0..40).map(|id| kms(id, &[SyntaxId::NDR32]))),
            _ => Offer::of([kms(0, &[SyntaxId::NDR32]), kms(2, &[SyntaxId::bind_time_features(3)])]),
        };
        match below(self.random, 12) {
            0 => offer.group = 0x7664_7566,
            1 => offer.endianness = Endianness::Big,
            2 => (offer.max_xmit_frag, offer.max_recv_frag) = (0, 0),
            3 => (offer.max_xmit_frag, offer.max_recv_frag) = (u16::MAX, u16::MAX),
            4 => offer.flags = PfcFlags::FIRST | PfcFlags::LAST,
            5 => offer.flags = PfcFlags::FIRST,
            _ => {}
        }
        offer
    }

    fn next_call(&mut self) -> u32 {
        let call_id = self.call_id;
        self.call_id += 1;
        call_id
    }
}

/// With a security trailer that nobody has asked for, NTLM's as far as it goes.
fn with_auth(mut steps: Vec<Step>) -> Vec<Step> {
    for step in &mut steps {
        let Step::Send(unit) = step else { continue };
        let Ok(pdu) = Pdu::parse(&unit.bytes) else { continue };
        let auth = AuthTrailer {
            padding: &[],
            auth_type: 10,
            level: 2,
            pad_length: 0,
            reserved: 0,
            context_id: 0,
            value: b"NTLMSSP\0\x01\0\0\0\0\0\0\0",
        };
        let with = Pdu { auth: Some(auth), ..pdu };
        unit.bytes = encoded(&with);
    }
    steps
}

fn encoded(pdu: &Pdu<'_>) -> Vec<u8> {
    // None of these comes near 64 KiB.
    pdu.encode_sized().unwrap_or_default()
}

fn syntax(ndr: Ndr) -> SyntaxId {
    if ndr == Ndr::Ndr32 { SyntaxId::NDR32 } else { SyntaxId::NDR64 }
}

/// The next number, below this one.
fn below(random: &mut Random, count: usize) -> usize {
    usize::try_from(random.number() % count.max(1) as u64).unwrap_or_default()
}
