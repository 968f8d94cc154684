use std::fmt;

use smallvec::SmallVec;

use crate::wire::{Endianness, Error, FileTime, Guid, Hex};

use super::request_message::open;
use super::rijndael::{self, BLOCK, Block, V5, V6};
use super::{Ndr, RequestBody, RequestMessage, RequestStub, ResponseBody, ResponseMessage, ResponseStub};
use super::{Version, hmac, mac, salt};

/// A host's side of `RequestActivation`, without its socket, clock and randomness: a request's stub in, the response's
/// stub out.
///
/// It judges a request as a host does, and answers what it refuses with an error stub, never with silence. It
/// allocates nothing, if the caller's buffer has [`Self::STUB_LEN`] bytes to spare.
///
/// It is there to test clients. Who it says it is cannot be chosen: [`HostIdentity`].
///
/// ```
/// use volact::kms::{HostIdentity, Moment, Ndr, Policy, Reply, Responder};
/// use volact::wire::{Endianness, FileTime};
///
/// let mut host = Responder::new(HostIdentity::TEST, Policy::default());
/// let mut stub = Vec::with_capacity(Responder::STUB_LEN);
/// let moment = Moment { now: FileTime(134_397_673_530_000_000), random: [7; 32] };
/// let request = [4, 0, 0, 0, 4, 0, 0, 0, 0, 0, 6, 0]; // requestSize, maximum count, a version and nothing else
/// let reply = host.respond(&request, Ndr::Ndr32, Endianness::Little, &moment, &mut stub);
/// assert_eq!(reply.hresult(), 0x8007_000d);
/// assert_eq!(stub, [0, 0, 0, 0, 0, 0, 0, 0, 0x0d, 0, 7, 0x80]);
/// ```
#[derive(Clone, Debug)]
pub struct Responder {
    /// What the host answers with, and what it refuses.
    pub policy: Policy,
    hwid: [u8; 8],
    /// Of versions 4, 5 and 6, as NDR32 and as NDR64.
    drafts: [[Draft; 2]; 3],
    /// What a version 4 body begins with: Version, PIDSize and ePID.
    beginning: mac::Beginning,
    keys: hmac::Keys,
}

/// Who a host says it is: its ePID and, in version 6, its HwId.
///
/// There are two ways to come by one: [`Self::TEST`], which everybody recognises, and [`Self::recorded`], with which a
/// recorded answer can be made again, byte for byte.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HostIdentity {
    epid: [u8; EPID_MAX],
    epid_len: usize,
    hwid: [u8; 8],
}

/// What a host answers with, and what it refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Count: how many machines the host says it has counted.
    pub count: u32,
    /// VLActivationInterval, minutes.
    pub activation_interval: u32,
    /// VLRenewalInterval, minutes.
    pub renewal_interval: u32,
    /// The KMSIDs that the host has a key for; `None` is all of them.
    pub products: Option<Vec<Guid>>,
    /// How far a client's clock may be off, in 100 ns; `None` is any time.
    pub max_clock_skew: Option<u64>,
}

/// What a host takes from the world around it for one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The host's clock.
    pub now: FileTime,
    /// Random bytes: 16 for the salt (v5, v6), 16 for R, the response's IV before its encryption (v6).
    pub random: [u8; 32],
}

/// What a request was answered with. In either case its stub was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A response.
    Answered,
    /// An error stub.
    Refused(Refusal),
}

/// Why a host refuses a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The stub or the message ends inside its fields.
    Truncated(Error),
    /// requestSize and the maximum count are not the same number.
    Counts(u32, u64),
    /// No envelope is known for this version.
    Version(Version),
    /// The message has another length than its envelope: needed, got.
    Length(usize, usize),
    /// The body's version is another one than that in front of it (v5, v6).
    VersionMismatch(Version, Version),
    /// The MAC is not that of the body (v4).
    Mac,
    /// The padding is not `04 04 04 04` (v5, v6).
    Padding([u8; 4]),
    /// The host has no key for this KMSID.
    Product(Guid),
    /// The client's clock and the host's stand too far apart, by so many units of 100 ns.
    ClockSkew(u64),
}

/// Bytes of the longest ePID, its NUL included.
const EPID_MAX: usize = 128;
/// Bytes of RESPONSE body from CMID on.
const ECHO_LEN: usize = 36;
/// Bytes of the longest response.
const MESSAGE_MAX: usize = ResponseMessage::len_of(Version::V6, EPID_MAX);

impl HostIdentity {
    /// A test host. Its ePID `00000-00000-000-000000-03-1033-00000.0000-0011601` is well formed and of no product and
    /// no build, on the first day that a FILETIME can tell; its HwId is `volact` and two zeros.
    pub const TEST: Self = {
        let text = b"00000-00000-000-000000-03-1033-00000.0000-0011601";
        let mut epid = [0; EPID_MAX];
        let mut i = 0;
        while i < text.len() {
            epid[2 * i] = text[i];
            i += 1;
        }
        Self { epid, epid_len: 2 * text.len() + 2, hwid: *b"volact\0\0" }
    };

    /// The identity that a recorded response shows; `None` where its envelope could not be opened or its ePID is longer
    /// than 128 bytes. A response without a HwId (v4, v5) leaves it zero.
    #[must_use]
    pub fn recorded(response: &ResponseMessage) -> Option<Self> {
        let recorded = &response.body()?.epid;
        let mut epid = [0; EPID_MAX];
        epid.get_mut(..recorded.len())?.copy_from_slice(recorded);
        let hwid = match response {
            ResponseMessage::Encrypted(response) => response.v6.map_or([0; 8], |v6| v6.hwid),
            _ => [0; 8],
        };
        Some(Self { epid, epid_len: recorded.len(), hwid })
    }

    /// The ePID as it travels: UTF-16LE, NUL included.
    #[must_use]
    pub fn epid(&self) -> &[u8] {
        &self.epid[..self.epid_len]
    }

    /// HwId.
    #[must_use]
    pub fn hwid(&self) -> [u8; 8] {
        self.hwid
    }
}

impl fmt::Debug for HostIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let epid = crate::wire::utf16::until_nul(self.epid());
        f.debug_struct("HostIdentity").field("epid", &epid).field("hwid", &self.hwid).finish()
    }
}

impl Policy {
    /// Four hours in 100 ns: what a host's and a client's clock may differ by.
    pub const FOUR_HOURS: u64 = 4 * 3600 * 10_000_000;
}

/// 50 machines counted, tries every 120 minutes and renewals every 7 days, every product, clocks off by four hours at
/// most.
impl Default for Policy {
    fn default() -> Self {
        Self {
            count: 50,
            activation_interval: 120,
            renewal_interval: 10_080,
            products: None,
            max_clock_skew: Some(Self::FOUR_HOURS),
        }
    }
}

impl Reply {
    /// What stands at the end of the stub: 0, or the refusal's.
    #[must_use]
    pub fn hresult(&self) -> u32 {
        match self {
            Self::Answered => 0,
            Self::Refused(refusal) => refusal.hresult(),
        }
    }
}

impl Refusal {
    /// The HRESULT that a host answers with.
    #[must_use]
    pub fn hresult(&self) -> u32 {
        match self {
            Self::Product(_) => 0xc004_f042,
            Self::ClockSkew(_) => 0xc004_f06c,
            _ => 0x8007_000d,
        }
    }
}

/// One lower-case line.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated(error) => error.fmt(f),
            Self::Counts(size, count) => write!(f, "requestSize is {size}, the maximum count {count}"),
            Self::Version(version) => write!(f, "no envelope is known for version {version}"),
            Self::Length(needed, got) => write!(f, "the message takes {needed} bytes, got {got}"),
            Self::VersionMismatch(outer, inner) => {
                write!(f, "version {outer} holds a body of version {inner}")
            }
            Self::Mac => f.write_str("the MAC is not that of the body"),
            Self::Padding(padding) => write!(f, "the padding is {}, not 04040404", Hex(padding)),
            Self::Product(kms_id) => write!(f, "no key for the KMSID {kms_id}"),
            Self::ClockSkew(skew) => {
                write!(f, "the clocks are {}.{:07} s apart", skew / 10_000_000, skew % 10_000_000)
            }
        }
    }
}

impl Responder {
    /// Bytes of the longest stub that [`Self::respond`] writes.
    pub const STUB_LEN: usize = 24 + MESSAGE_MAX + 4;

    /// A host.
    #[must_use]
    pub fn new(identity: HostIdentity, policy: Policy) -> Self {
        let drafts = [Version::V4, Version::V5, Version::V6]
            .map(|version| [Ndr::Ndr32, Ndr::Ndr64].map(|ndr| Draft::new(&identity, version, ndr)));
        let [[v4, _], ..] = &drafts;
        let beginning = mac::Beginning::of(&v4.stub[v4.message..v4.cmid]);
        Self { policy, hwid: identity.hwid, drafts, beginning, keys: hmac::Keys::default() }
    }

    /// Answers a request: appends the response's stub, or an error stub. Integers of the request's stub stand in the
    /// byte order of its PDU; those of the answer are little-endian.
    pub fn respond(
        &mut self,
        stub: &[u8],
        ndr: Ndr,
        endianness: Endianness,
        moment: &Moment,
        out: &mut Vec<u8>,
    ) -> Reply {
        let begin = out.len();
        match self.answer(stub, ndr, endianness, moment, out) {
            Ok(()) => Reply::Answered,
            Err(refusal) => {
                out.truncate(begin);
                ResponseStub::refusal(refusal.hresult(), ndr).encode_to(out, Endianness::Little);
                Reply::Refused(refusal)
            }
        }
    }

    #[inline]
    fn answer(
        &mut self,
        stub: &[u8],
        ndr: Ndr,
        endianness: Endianness,
        moment: &Moment,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let stub = RequestStub::parse(stub, ndr, endianness).map_err(Refusal::Truncated)?;
        if u64::from(stub.size) != stub.max_count {
            return Err(Refusal::Counts(stub.size, stub.max_count));
        }
        if stub.missing() > 0 {
            return Err(truncated(
                "request stub",
                "request",
                ndr.request_head(),
                stub.size as usize,
                stub.data,
            ));
        }
        match stub.data.first_chunk().map(|raw| Version(u32::from_le_bytes(*raw))) {
            Some(Version::V4) => self.answer_v4(stub.data, ndr, moment, out),
            Some(Version::V5) => self.answer_v5(stub.data, ndr, moment, out),
            Some(Version::V6) => self.answer_v6(stub.data, ndr, moment, out),
            Some(version) => Err(Refusal::Version(version)),
            None => Err(truncated("request", "Version", 0, 4, stub.data)),
        }
    }

    fn answer_v4(&self, request: &[u8], ndr: Ndr, moment: &Moment, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let request: &[u8; RequestMessage::V4_LEN] = envelope(request)?;
        let (body, mac) =
            request.split_first_chunk::<{ RequestBody::LEN }>().expect("it is the envelope's length");
        let asked = RequestBody::parse(body).map_err(Refusal::Truncated)?;
        let mut message = self.drafts[0][ndr as usize].begin(out);
        self.put_echo(&mut message, &asked);
        message.put(&self.beginning.v4(message.written()));
        if !mac::v4_holds(body, mac.first_chunk().expect("it closes the envelope")) {
            return Err(Refusal::Mac);
        }
        self.judge(&asked, moment)
    }

    fn answer_v5(&self, request: &[u8], ndr: Ndr, moment: &Moment, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let request = envelope(request)?;
        let (s, _) = randomness(moment);
        // What no request changes is encrypted first, and read from where it always stands: a chain of blocks does
        // nothing but wait, and all until the next comment is done meanwhile.
        let iv = std::array::from_fn(|i| request[4 + i]);
        let draft = &self.drafts[1][ndr as usize];
        let mut message = draft.begin(out);
        message.put_iv(&iv);
        let known = draft.known_plain();
        V5.cbc_encrypt_to(&iv, known, &mut message.bytes[4 + BLOCK..]);
        let (k, asked) = opened(request)?;
        self.judge(&asked, moment)?;
        self.put_echo(&mut message, &asked);
        message.put(&rijndael::xor(s, &k)); // XoredSalt
        message.put(&salt::hash(s)); // Hash
        // The rest of the chain.
        let (done, plain) = message.bytes.split_at_mut(4 + BLOCK + known.len());
        V5.cbc_encrypt(done.last_chunk().expect("the IV at least is there"), plain);
        Ok(())
    }

    fn answer_v6(
        &mut self,
        request: &[u8],
        ndr: Ndr,
        moment: &Moment,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let request = envelope(request)?;
        let (k, asked) = opened(request)?;
        self.judge(&asked, moment)?;
        let (s, r) = randomness(moment);
        let mut message = self.drafts[2][ndr as usize].begin(out);
        message.put_iv(r); // R, until it is encrypted
        self.put_echo(&mut message, &asked);
        message.put(&rijndael::xor(s, &k)); // XoredSalt
        message.put(&salt::hash(s)); // Hash
        message.put(&self.hwid); // HwId
        message.put(&k); // XoredIVs
        message.put(&self.keys.v6(asked.client_time, 0, &message.written()[4..])); // HMAC
        V6.cbc_encrypt(&[0; BLOCK], &mut message.bytes[4..]);
        Ok(())
    }

    #[inline(always)]
    fn judge(&self, asked: &RequestBody, moment: &Moment) -> Result<(), Refusal> {
        if let Some(products) = &self.policy.products
            && !products.contains(&asked.kms_id)
        {
            return Err(Refusal::Product(asked.kms_id));
        }
        let skew = asked.client_time.0.abs_diff(moment.now.0);
        match self.policy.max_clock_skew {
            Some(most) if skew > most => Err(Refusal::ClockSkew(skew)),
            _ => Ok(()),
        }
    }

    /// The end of RESPONSE body.
    #[inline(always)]
    fn put_echo(&self, message: &mut Message<'_>, asked: &RequestBody) {
        let mut fields = [0; ECHO_LEN];
        fields[..16].copy_from_slice(&asked.cmid.to_wire()); // CMID
        fields[16..24].copy_from_slice(&asked.client_time.0.to_le_bytes()); // ClientTime
        fields[24..28].copy_from_slice(&self.policy.count.to_le_bytes()); // Count
        fields[28..32].copy_from_slice(&self.policy.activation_interval.to_le_bytes());
        fields[32..].copy_from_slice(&self.policy.renewal_interval.to_le_bytes());
        message.put(&fields);
    }
}

/// The stub of a response, whole but for what its request, the moment and the policy put into it: zeros from CMID on,
/// and the padding behind them.
#[derive(Clone, Debug)]
struct Draft {
    stub: [u8; Responder::STUB_LEN],
    len: usize,
    /// Where the message begins.
    message: usize,
    /// Where it ends.
    end: usize,
    /// Where CMID stands.
    cmid: usize,
}

impl Draft {
    fn new(identity: &HostIdentity, version: Version, ndr: Ndr) -> Self {
        let body = ResponseBody {
            version,
            epid: SmallVec::from_slice(identity.epid()),
            cmid: Guid::NIL,
            client_time: FileTime(0),
            count: 0,
            activation_interval: 0,
            renewal_interval: 0,
        };
        let (envelope, behind) = match version {
            Version::V4 => (0, BLOCK),
            Version::V5 => (4 + BLOCK, 48),
            _ => (4 + BLOCK, 88),
        };
        let mut message = [&version.0.to_le_bytes()[..], &[0; BLOCK]].concat();
        message.truncate(envelope);
        message.extend_from_slice(&body.encode());
        let cmid = message.len() - ECHO_LEN;
        message.resize(message.len() + behind, 0);
        let length = ResponseMessage::len_of(version, body.pid_size());
        let padding = u8::try_from(length - message.len()).expect("it is a block at most"); // PKCS#7
        message.resize(length, padding);
        let bytes = ResponseStub::of(&message, ndr).encode(Endianness::Little);
        let mut stub = [0; Responder::STUB_LEN];
        stub[..bytes.len()].copy_from_slice(&bytes);
        let head = ndr.response_head();
        Self { stub, len: bytes.len(), message: head, end: head + length, cmid: head + cmid }
    }

    /// The whole blocks of an encrypted answer's plain text that no request changes.
    #[inline]
    fn known_plain(&self) -> &[u8] {
        let (blocks, _) = self.stub[self.message + 4 + BLOCK..self.cmid].as_chunks::<BLOCK>();
        blocks.as_flattened()
    }

    #[inline]
    fn begin<'a>(&self, out: &'a mut Vec<u8>) -> Message<'a> {
        let begin = out.len();
        out.extend_from_slice(&self.stub[..self.len]);
        Message { bytes: &mut out[begin + self.message..begin + self.end], at: self.cmid - self.message }
    }
}

/// A response that is being written, from CMID on.
struct Message<'a> {
    bytes: &'a mut [u8],
    at: usize,
}

impl Message<'_> {
    #[inline]
    fn put<const N: usize>(&mut self, field: &[u8; N]) {
        self.bytes[self.at..][..N].copy_from_slice(field);
        self.at += N;
    }

    #[inline]
    fn put_iv(&mut self, iv: &Block) {
        self.bytes[4..][..BLOCK].copy_from_slice(iv);
    }

    #[inline]
    fn written(&self) -> &[u8] {
        &self.bytes[..self.at]
    }
}

#[cold]
fn truncated(layer: &'static str, field: &'static str, offset: usize, needed: usize, got: &[u8]) -> Refusal {
    Refusal::Truncated(Error::truncated(layer, field, offset, needed, got.len()))
}

#[inline]
fn envelope<const N: usize>(data: &[u8]) -> Result<&[u8; N], Refusal> {
    data.try_into().map_err(|_| Refusal::Length(N, data.len()))
}

/// K, and the body of a version 5 or 6 request.
#[inline]
fn opened(request: &[u8; RequestMessage::ENCRYPTED_LEN]) -> Result<(Block, RequestBody), Refusal> {
    let (version, opened) = open(request);
    let (k, plain) = opened.split_first_chunk().expect("a block is in front of the body");
    let (body, padding) = plain.split_at(RequestBody::LEN);
    let asked = RequestBody::parse(body).map_err(Refusal::Truncated)?;
    if asked.version != version {
        return Err(Refusal::VersionMismatch(version, asked.version));
    }
    if padding != [4; 4] {
        return Err(Refusal::Padding(std::array::from_fn(|i| padding[i])));
    }
    Ok((*k, asked))
}

/// The salt, and R.
#[inline]
fn randomness(moment: &Moment) -> (&Block, &Block) {
    let [s, r] = moment.random.as_chunks().0 else { unreachable!("32 bytes are two blocks") };
    (s, r)
}
