use std::ops::Range;

use crate::kms::{Ndr, RequestBody, RequestChecks, RequestMessage};
use crate::rpc::{self, Bind, Body, Pdu, PduType, PfcFlags};
use crate::wire::{Check, Endianness};

use super::plan::{Begins, Plan, Step, Unit};

/// Runs of bytes that are put back one at a time, where nothing is known of what they are.
const MOST_RUNS: usize = 48;

/// Plans that are simpler than this one in one thing each.
pub(super) fn simpler(plan: &Plan) -> Vec<Plan> {
    let mut plans = Vec::new();
    let count = plan.steps.len();
    // Steps, the last first, many at a time and then one by one.
    let mut size = count / 2;
    while size > 0 {
        let mut end = count;
        while end > 0 {
            let begin = end.saturating_sub(size);
            let mut smaller = plan.clone();
            smaller.steps.drain(begin..end);
            if !smaller.steps.is_empty() {
                plans.push(smaller);
            }
            end = begin;
        }
        size /= 2;
    }
    if plan.pieces.is_some() {
        plans.push(Plan { pieces: None, ..plan.clone() });
    }
    plans.extend(without_fragments(plan));
    if plan.begins == Begins::Fresh
        && let Some(Step::Send(first)) = plan.steps.first()
        && first.bytes.get(2) == Some(&PduType::BIND.0)
    {
        for begins in [Begins::Ndr32, Begins::Ndr64] {
            plans.push(Plan { begins, steps: plan.steps[1..].to_vec(), ..plan.clone() });
        }
    }
    for (place, step) in plan.steps.iter().enumerate() {
        let Step::Send(unit) = step else { continue };
        for unit in simpler_units(unit) {
            let mut smaller = plan.clone();
            smaller.steps[place] = Step::Send(unit);
            plans.push(smaller);
        }
    }
    plans
}

/// With the first call that is in fragments in one PDU.
fn without_fragments(plan: &Plan) -> Option<Plan> {
    let flags = |step: &Step| match step {
        Step::Send(unit) => match Pdu::parse(&unit.bytes) {
            Ok(Pdu { header, body: Body::Request(_), .. }) => Some(header.flags),
            _ => None,
        },
        _ => None,
    };
    let is = |step: &Step, flag, other| flags(step).is_some_and(|flags| flags.has(flag) && !flags.has(other));
    let first = plan.steps.iter().position(|step| is(step, PfcFlags::FIRST, PfcFlags::LAST))?;
    let last =
        first + plan.steps[first..].iter().position(|step| is(step, PfcFlags::LAST, PfcFlags::FIRST))?;
    let units: Vec<&Unit> = plan.steps[first..=last]
        .iter()
        .filter_map(|step| match step {
            Step::Send(unit) => Some(unit),
            _ => None,
        })
        .collect();
    let bytes = joined(units.iter().map(|unit| unit.bytes.as_slice()))?;
    let right = joined(units.iter().map(|unit| unit.right.as_ref().unwrap_or(&unit.bytes).as_slice()));
    let notes = units.iter().flat_map(|unit| unit.notes.clone()).collect();
    let mut smaller = plan.clone();
    smaller.steps.splice(first..=last, [Step::Send(Unit { bytes, right, notes })]);
    Some(smaller)
}

/// The fragments of a request as one PDU.
fn joined<'a>(fragments: impl Iterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut stub = Vec::new();
    let mut first = None;
    for fragment in fragments {
        let pdu = Pdu::parse(fragment).ok()?;
        let Body::Request(request) = &pdu.body else { return None };
        stub.extend_from_slice(request.stub);
        first = first.or(Some((pdu.header, request.alloc_hint, request.context_id, request.opnum)));
    }
    let (mut header, alloc_hint, context_id, opnum) = first?;
    header.flags = header.flags | PfcFlags::LAST;
    let request = rpc::Request { alloc_hint, context_id, opnum, object: None, stub: &stub };
    Pdu { header, body: Body::Request(request), rest: &[], auth: None }.encode_sized().ok()
}

/// A unit nearer to what it was.
fn simpler_units(unit: &Unit) -> Vec<Unit> {
    let Some(right) = &unit.right else { return Vec::new() };
    let mut units = vec![Unit::right(right.clone())];
    if *right == unit.bytes {
        return units;
    }
    let with = |bytes: Vec<u8>| Unit { bytes, ..unit.clone() };
    if let (Some(was), Some(is)) = (Request::of(right), Request::of(&unit.bytes)) {
        // All but the message, then the message field by field.
        if let Some(bytes) = was.with(right, &is) {
            units.push(with(bytes));
        }
        if let Some(bytes) = is.with(&unit.bytes, &was) {
            units.push(with(bytes));
        }
        if let Some(bytes) = was.with(right, &Request { message: is.without_excess(), ..is.clone() }) {
            units.push(with(bytes));
        }
        if let Some(message) = was.with_wrong_mac()
            && let Some(bytes) = was.with(right, &Request { message, ..was.clone() })
        {
            units.push(with(bytes));
        }
        for field in 0..FIELDS.len() {
            if let Some(message) = is.put_back(field, &was)
                && let Some(bytes) = is.with(&unit.bytes, &Request { message, ..is.clone() })
            {
                units.push(with(bytes));
            }
        }
        // Bytes of an encrypted message say nothing by themselves; those around it do.
        units.extend(put_back_runs(right, &unit.bytes, &is.range).map(with));
        return units;
    }
    units.extend(put_back_runs(right, &unit.bytes, &(0..0)).map(with));
    units
}

/// With each run of changed bytes put back, but for those in a range; none where the lengths differ.
fn put_back_runs<'a>(
    right: &'a [u8],
    bytes: &'a [u8],
    except: &Range<usize>,
) -> impl Iterator<Item = Vec<u8>> + use<'a> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    if right.len() == bytes.len() {
        for at in (0..bytes.len()).filter(|at| right[*at] != bytes[*at] && !except.contains(at)) {
            match runs.last_mut() {
                Some(run) if run.end == at && run.len() < 4 => run.end += 1,
                _ => runs.push(at..at + 1),
            }
        }
    }
    // Halves first.
    let half = runs.len() / 2;
    let halves: Vec<Vec<Range<usize>>> =
        if half > 1 { vec![runs[..half].to_vec(), runs[half..].to_vec()] } else { Vec::new() };
    let single = runs.into_iter().take(MOST_RUNS).map(|run| vec![run]);
    halves.into_iter().chain(single).map(move |runs| {
        let mut put_back = bytes.to_vec();
        for run in runs {
            put_back[run.clone()].copy_from_slice(&right[run]);
        }
        put_back
    })
}

/// A request PDU whose message can be opened.
#[derive(Clone)]
struct Request {
    /// Where its message is.
    range: Range<usize>,
    message: RequestMessage,
    is_mac_right: bool,
}

/// What a message consists of, in words of an id.
const FIELDS: [&str; 16] = [
    "VERSION",
    "VM-INFO",
    "LICENSE-STATUS",
    "BINDING-EXPIRATION",
    "APP-ID",
    "ACT-ID",
    "KMS-ID",
    "CMID",
    "N-POLICY",
    "CLIENT-TIME",
    "CMID-PREV",
    "MACHINE-NAME",
    "OUTER-VERSION",
    "IV",
    "PADDING",
    "EXCESS",
];

impl Request {
    fn of(bytes: &[u8]) -> Option<Self> {
        let pdu = Pdu::parse(bytes).ok()?;
        let Body::Request(request) = &pdu.body else { return None };
        let head = if pdu.header.flags.has(PfcFlags::OBJECT_UUID) { 40 } else { 24 };
        [Ndr::Ndr32, Ndr::Ndr64].into_iter().find_map(|ndr| {
            let data = request.stub.get(ndr.request_head()..)?;
            let (message, checks) = RequestChecks::open(data);
            message.body()?;
            let begin = head + ndr.request_head();
            let is_mac_right = checks.is_some_and(|checks| checks.mac == Check::Pass);
            Some(Self { range: begin..begin + data.len(), message, is_mac_right })
        })
    }

    /// A PDU with this message for its own, which is at `self`'s place; `None` where they do not have the same length.
    fn with(&self, bytes: &[u8], other: &Self) -> Option<Vec<u8>> {
        let message = other.message.encode();
        let mut bytes = bytes.to_vec();
        (message.len() == self.range.len()).then(|| bytes[self.range.clone()].copy_from_slice(&message))?;
        Some(bytes)
    }

    /// The message without what is behind its envelope.
    fn without_excess(&self) -> RequestMessage {
        let mut message = self.message.clone();
        match &mut message {
            RequestMessage::V4(request) => request.excess.clear(),
            RequestMessage::Encrypted(request) => request.excess.clear(),
            RequestMessage::Other { .. } => {}
        }
        message
    }

    /// The message with nothing wrong in it but its MAC; `None` where it has none.
    fn with_wrong_mac(&self) -> Option<RequestMessage> {
        let mut message = self.message.clone();
        let RequestMessage::V4(request) = &mut message else { return None };
        request.mac[0] ^= 1;
        Some(message)
    }

    /// The message with a field as it was; `None` where that changes nothing.
    fn put_back(&self, field: usize, was: &Self) -> Option<RequestMessage> {
        let mut message = self.message.clone();
        match (&mut message, &was.message) {
            (RequestMessage::V4(is), RequestMessage::V4(was)) => {
                match field {
                    0..12 => put_body_back(&mut is.body, &was.body, field),
                    15 => is.excess.clone_from(&was.excess),
                    _ => return None,
                }
                if self.is_mac_right
                    && let RequestMessage::V4(right) = RequestMessage::new(is.body.clone(), [0; 16])
                {
                    is.mac = right.mac;
                }
            }
            (RequestMessage::Encrypted(is), RequestMessage::Encrypted(was)) => match field {
                0..12 => put_body_back(&mut is.body, &was.body, field),
                12 => is.version = was.version,
                13 => is.iv = was.iv,
                14 => is.padding = was.padding,
                _ => is.excess.clone_from(&was.excess),
            },
            _ => return None,
        }
        (message != self.message).then_some(message)
    }
}

fn put_body_back(is: &mut RequestBody, was: &RequestBody, field: usize) {
    match field {
        0 => is.version = was.version,
        1 => is.vm_info = was.vm_info,
        2 => is.license_status = was.license_status,
        3 => is.binding_expiration = was.binding_expiration,
        4 => is.app_id = was.app_id,
        5 => is.act_id = was.act_id,
        6 => is.kms_id = was.kms_id,
        7 => is.cmid = was.cmid,
        8 => is.n_policy = was.n_policy,
        9 => is.client_time = was.client_time,
        10 => is.cmid_prev = was.cmid_prev,
        _ => is.machine_name = was.machine_name,
    }
}

/// What a small plan is about, in words of an id: what was changed in it, or what is peculiar about what was not.
pub(super) fn essence(plan: &Plan) -> String {
    let words = words(plan);
    match words.as_slice() {
        [] if plan.units().count() > 1 => "SEQUENCE".to_owned(),
        [first, second, _, ..] => format!("{first}-{second}-AND-MORE"),
        words => words.join("-"),
    }
}

/// True where all that a client says is what clients may say: what hosts are free to refuse was not changed.
pub(super) fn is_sound(plan: &Plan) -> bool {
    words(plan).iter().all(|word| SOUND.contains(word))
}

/// What a client may say, or may have in its request, as words of an id.
const SOUND: [&str; 18] = [
    "VM-INFO",
    "LICENSE-STATUS",
    "BINDING-EXPIRATION",
    "APP-ID",
    "ACT-ID",
    "KMS-ID",
    "CMID",
    "N-POLICY",
    "CLIENT-TIME",
    "CMID-PREV",
    "IV",
    "CALL-ID",
    "BIG-ENDIAN",
    "OBJECT",
    "FRAGMENT",
    "ALTER-CONTEXT",
    "CO-CANCEL",
    "ORPHANED",
];

fn words(plan: &Plan) -> Vec<&'static str> {
    let mut words: Vec<&'static str> = Vec::new();
    for unit in plan.units() {
        match &unit.right {
            Some(right) if *right != unit.bytes => words.extend(changed(right, &unit.bytes)),
            _ if unit.notes.is_empty() => words.extend(peculiar(&unit.bytes)),
            _ => words.extend(peculiar(&unit.bytes).or(Some("CHANGED"))),
        }
    }
    if plan.steps.contains(&Step::HalfClose) {
        words.push("HALF-CLOSE");
    }
    if plan.steps.contains(&Step::HangUp) {
        words.push("HANG-UP");
    }
    if plan.pieces.is_some() {
        words.push("PIECES");
    }
    let mut told: Vec<&str> = Vec::new();
    words.retain(|word| {
        let is_new = !told.contains(word);
        if is_new {
            told.push(word);
        }
        is_new
    });
    words
}

/// What differs between two PDUs.
fn changed(right: &[u8], bytes: &[u8]) -> Vec<&'static str> {
    let (Ok(was), Ok(is)) = (Pdu::parse(right), Pdu::parse(bytes)) else { return vec!["FRAMING"] };
    if was.header.drep != is.header.drep {
        // Whatever else is there is another number now.
        return vec!["DREP"];
    }
    let mut words = Vec::new();
    let mut tell = |differs: bool, word| {
        if differs {
            words.push(word);
        }
    };
    tell(
        was.header.version != is.header.version || was.header.version_minor != is.header.version_minor,
        "RPC-VERSION",
    );
    tell(was.header.ptype != is.header.ptype, "PTYPE");
    tell(was.header.flags != is.header.flags, "FLAGS");
    tell(was.header.call_id != is.header.call_id, "CALL-ID");
    tell(was.auth != is.auth, "AUTH");
    tell(was.rest != is.rest, "REST");
    match (&was.body, &is.body) {
        (Body::Request(was), Body::Request(is)) => {
            tell(was.alloc_hint != is.alloc_hint, "ALLOC-HINT");
            tell(was.context_id != is.context_id, "CONTEXT");
            tell(was.opnum != is.opnum, "OPNUM");
            tell(was.object != is.object, "OBJECT");
            if was.stub != is.stub {
                words.extend(changed_stub(right, bytes));
            }
        }
        (Body::Bind(was), Body::Bind(is)) | (Body::AlterContext(was), Body::AlterContext(is)) => {
            let sizes = |bind: &Bind| (bind.max_xmit_frag, bind.max_recv_frag);
            tell(sizes(was) != sizes(is), "FRAGMENT-SIZE");
            tell(was.assoc_group_id != is.assoc_group_id, "GROUP");
            tell(was.n_context_elem != is.n_context_elem || was.contexts != is.contexts, "CONTEXTS");
            tell(was.reserved != is.reserved, "RESERVED");
        }
        (was, is) => tell(was != is, "BODY"),
    }
    words
}

fn changed_stub(right: &[u8], bytes: &[u8]) -> Vec<&'static str> {
    let (Some(was), Some(is)) = (Request::of(right), Request::of(bytes)) else { return vec!["STUB"] };
    if was.range != is.range {
        return vec!["LENGTH"];
    }
    let mut words: Vec<&str> = Vec::new();
    if right[24..was.range.start] != bytes[24..is.range.start] {
        words.push("COUNTS");
    }
    words.extend(
        (0..FIELDS.len()).filter(|&field| is.put_back(field, &was).is_some()).map(|field| FIELDS[field]),
    );
    if was.is_mac_right && !is.is_mac_right {
        words.push("MAC");
    }
    words
}

/// What is peculiar about a PDU that is right, and neither an ordinary bind nor an ordinary request.
fn peculiar(bytes: &[u8]) -> Option<&'static str> {
    let pdu = Pdu::parse(bytes).ok()?;
    Some(match (&pdu.body, pdu.header.ptype) {
        _ if pdu.header.drep.endianness() != Endianness::Little => "BIG-ENDIAN",
        _ if pdu.auth.is_some() => "AUTH",
        (Body::Request(_), _) if !pdu.header.flags.has(PfcFlags::FIRST | PfcFlags::LAST) => "FRAGMENT",
        _ if !pdu.header.flags.has(PfcFlags::FIRST | PfcFlags::LAST) => "FLAGS",
        (Body::Request(request), _) if request.object.is_some() => "OBJECT",
        (Body::Request(request), _) if request.opnum != 0 => "OPNUM",
        (Body::Request(_), _) => return None,
        (Body::Bind(bind) | Body::AlterContext(bind), ptype) => match () {
            () if bind.assoc_group_id != 0 => "GROUP",
            () if bind.contexts.len() != 1 => "CONTEXTS",
            () if bind.contexts.iter().any(|context| context.transfer_syntaxes.is_empty()) => "NO-SYNTAX",
            () if bind.max_recv_frag == 0 || bind.max_recv_frag == u16::MAX => "FRAGMENT-SIZE",
            () if ptype == PduType::ALTER_CONTEXT => "ALTER-CONTEXT",
            () => return None,
        },
        (_, PduType::CO_CANCEL) => "CO-CANCEL",
        (_, PduType::ORPHANED) => "ORPHANED",
        (_, PduType::AUTH3) => "AUTH3",
        (_, PduType::SHUTDOWN) => "SHUTDOWN",
        _ => "OTHER-PTYPE",
    })
}
