use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::kms::{Ndr, RequestChecks, RequestMessage, RequestStub};
use crate::peer::host_test::TEST_MACHINES;
use crate::peer::line::frag_length;
use crate::rpc::{Body, HEADER_LEN, Pdu, PfcFlags};
use crate::wire::{Check, Endianness, FileTime, Hex, parse_hex};

/// A case: what a client does on a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What the connection is when it begins.
    pub begins: Begins,
    /// Bytes that are written at a time; all that there is at once, where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pieces: Option<u16>,
    /// What is done, in this order; at the end, what is due is waited for.
    pub steps: Vec<Step>,
}

/// What a connection is when a case begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Begins {
    /// New.
    Fresh,
    /// Bound rightly, with the one context 0 of NDR32.
    Ndr32,
    /// Bound rightly, with the one context 0 of NDR64.
    Ndr64,
}

/// What a client does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// It sends a PDU, or what is to pass for one; with those behind it, up to the next step of another kind.
    Send(Unit),
    /// It waits for all answers that are due.
    Await,
    /// It sends its FIN, and takes what is due.
    HalfClose,
    /// It goes away without reading what is due, which resets the connection.
    HangUp,
    /// It ends the connection and opens another one, not bound.
    Open,
}

/// Bytes that are sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// The bytes, but for what every run sets anew ([`prepared`]).
    #[serde(rename = "hex", serialize_with = "write_hex", deserialize_with = "read_hex")]
    pub bytes: Vec<u8>,
    /// What they were before they were changed, where they were and that is known.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "write_right",
        deserialize_with = "read_right"
    )]
    pub right: Option<Vec<u8>>,
    /// What was changed, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// ClientTime of the requests of all plans: each run puts its own moment there, so that equal seeds give equal plans, and a
/// saved case is not too old tomorrow. Any other time stays as it is.
pub const NOMINAL_TIME: FileTime = FileTime(134_397_673_530_000_000);

impl Unit {
    /// Bytes that are as they have to be.
    #[must_use]
    pub fn right(bytes: Vec<u8>) -> Self {
        Self { bytes, right: None, notes: Vec::new() }
    }

    /// True where nothing was changed.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.notes.is_empty() && self.right.as_ref().is_none_or(|right| *right == self.bytes)
    }
}

impl Plan {
    /// What is sent, in this order.
    pub fn units(&self) -> impl Iterator<Item = &Unit> {
        self.steps.iter().filter_map(|step| match step {
            Step::Send(unit) => Some(unit),
            _ => None,
        })
    }

    /// The units, to be changed.
    pub fn units_mut(&mut self) -> impl Iterator<Item = &mut Unit> {
        self.steps.iter_mut().filter_map(|step| match step {
            Step::Send(unit) => Some(unit),
            _ => None,
        })
    }
}

impl Begins {
    /// The transfer syntax of its context.
    #[must_use]
    pub fn ndr(self) -> Option<Ndr> {
        match self {
            Self::Fresh => None,
            Self::Ndr32 => Some(Ndr::Ndr32),
            Self::Ndr64 => Some(Ndr::Ndr64),
        }
    }
}

/// The bytes of a plan's units as they are sent now: [`NOMINAL_TIME`] is this moment, and unless traces may be left, a
/// machine that is none of [`TEST_MACHINES`] is the first of them, so that no host counts another one. A request may be in
/// fragments. A version 4 MAC that was right is right again.
#[must_use]
pub fn prepared(plan: &Plan, now: FileTime, leaves_traces: bool) -> Vec<Vec<u8>> {
    let likely = plan.begins.ndr().unwrap_or(Ndr::Ndr32);
    let mut units: Vec<Vec<u8>> = Vec::new();
    let mut stream: Vec<u8> = Vec::new();
    let mut lengths: Vec<usize> = Vec::new();
    // A host sees one stream for each connection, and PDUs where their lengths say: so they are looked for there.
    for step in plan.steps.iter().chain([&Step::Open]) {
        match step {
            Step::Send(unit) => {
                stream.extend_from_slice(&unit.bytes);
                lengths.push(unit.bytes.len());
            }
            Step::Open => {
                set_stream_anew(&mut stream, likely, now, leaves_traces);
                let mut rest = &stream[..];
                for length in lengths.drain(..) {
                    let (unit, behind) = rest.split_at(length);
                    units.push(unit.to_vec());
                    rest = behind;
                }
                stream.clear();
            }
            Step::Await | Step::HalfClose | Step::HangUp => {}
        }
    }
    units
}

/// Sets the messages of all requests in a stream anew.
fn set_stream_anew(stream: &mut [u8], likely: Ndr, now: FileTime, leaves_traces: bool) {
    let mut at = 0;
    // Where the stubs of a call's fragments are.
    let mut parts: Vec<(usize, usize)> = Vec::new();
    while let Some(length) = frag_length(&stream[at..]).filter(|&length| length >= HEADER_LEN)
        && let Some(pdu) = stream.get(at..at + length)
    {
        let found = Pdu::parse_lax(pdu).ok().and_then(|(pdu, _)| match &pdu.body {
            Body::Request(request) => {
                let head = if pdu.header.flags.has(PfcFlags::OBJECT_UUID) { 40 } else { 24 };
                Some((pdu.header, head, request.stub.len()))
            }
            _ => None,
        });
        let begin = at;
        at += length;
        let Some((header, head, length)) = found else { continue };
        let (flags, endianness) = (header.flags, header.drep.endianness());
        let set = |stub: &mut [u8]| set_anew(stub, endianness, likely, now, leaves_traces);
        if flags.has(PfcFlags::FIRST) {
            parts.clear();
        }
        parts.push((begin + head, length));
        if let [(begin, length)] = parts[..] {
            // Also where no other fragment follows, whatever is said of that.
            set(&mut stream[begin..begin + length]);
        } else if flags.has(PfcFlags::LAST) {
            let mut stub: Vec<u8> =
                parts.iter().flat_map(|&(begin, length)| stream[begin..begin + length].to_vec()).collect();
            set(&mut stub);
            let mut rest = &stub[..];
            for &(begin, length) in &parts {
                let (part, behind) = rest.split_at(length);
                stream[begin..begin + length].copy_from_slice(part);
                rest = behind;
            }
        }
        if flags.has(PfcFlags::LAST) {
            parts.clear();
        }
    }
}

/// Sets the message of a stub anew: where its counts say that it is, or where a host might find it that looks at none.
fn set_anew(stub: &mut [u8], endianness: Endianness, likely: Ndr, now: FileTime, leaves_traces: bool) {
    let is_of = |ndr: &Ndr| RequestStub::parse(stub, *ndr, endianness).is_ok_and(|stub| stub.is_consistent());
    let other = if likely == Ndr::Ndr32 { Ndr::Ndr64 } else { Ndr::Ndr32 };
    let syntaxes = match [likely, other].iter().find(|ndr| is_of(ndr)) {
        Some(&ndr) => vec![ndr],
        None => vec![other, likely],
    };
    for ndr in syntaxes {
        if let Some(bytes) = stub.get_mut(ndr.request_head()..) {
            set_message_anew(bytes, now, leaves_traces);
        }
    }
}

/// Sets a message anew.
fn set_message_anew(bytes: &mut [u8], now: FileTime, leaves_traces: bool) {
    let (mut message, checks) = RequestChecks::open(bytes);
    let body = match &mut message {
        RequestMessage::V4(request) => &mut request.body,
        RequestMessage::Encrypted(request) => &mut request.body,
        RequestMessage::Other { .. } => return,
    };
    let is_nominal = body.client_time == NOMINAL_TIME;
    let is_stranger = !leaves_traces && !TEST_MACHINES.contains(&body.cmid);
    if !is_nominal && !is_stranger {
        return;
    }
    if is_nominal {
        body.client_time = now;
    }
    if is_stranger {
        body.cmid = TEST_MACHINES[0];
    }
    let body = body.clone();
    if let RequestMessage::V4(request) = &mut message
        && checks.is_some_and(|checks| checks.mac == Check::Pass)
        && let RequestMessage::V4(right) = RequestMessage::new(body, [0; 16])
    {
        request.mac = right.mac;
    }
    let set = message.encode();
    bytes.copy_from_slice(&set);
}

fn write_hex<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Hex(bytes))
}

fn read_hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_hex(&text).map_err(serde::de::Error::custom)
}

fn write_right<S: Serializer>(bytes: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    match bytes {
        Some(bytes) => serializer.collect_str(&Hex(bytes)),
        None => serializer.serialize_none(),
    }
}

fn read_right<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
    read_hex(deserializer).map(Some)
}
