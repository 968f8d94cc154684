use std::fmt;

use crate::wire::{Error, ErrorKind, Side};

use super::cipher_suite::CipherSuite;
use super::hello::{ClientHello, EncryptedExtensions, ServerHello};
use super::key_log::{KeyLog, Label, Secret};
use super::messages::{HandshakeType, Message, Messages};
use super::protection::{self, Opener, Randoms};
use super::record::{ContentType, Framed, HEADER_LEN, Lost, Record, Records};
use super::{Alert, Version};

/// Both directions of a connection, opened as far as a [`KeyLog`] goes.
///
/// Bytes come in stream order of their direction, in pieces of any size, each with a stamp `S` of the caller's (the packet
/// it came in); between the directions, in the order in which they were sent. A session holds one record and one
/// handshake message of each direction at most.
///
/// Behind a gap, and behind a record whose tag does not fit, the sequence number is looked for among the next ones, and
/// under the keys that come next; where it is not found, the direction is sealed.
///
/// ```
/// use volact::tls::{Event, KeyLog, Session, Side};
///
/// let mut session = Session::default();
/// let key_log = KeyLog::default();
/// let mut emit = |event: Event<'_, u64>| println!("{event:?}");
/// session.push(Side::Client, 0, &[0x16, 3, 1], 7, &key_log, &mut emit);
/// assert_eq!(session.held(), 3);
/// ```
#[derive(Debug)]
pub struct Session<S> {
    records: [Records<S>; 2],
    state: State,
}

/// What a [`Session`] finds.
#[derive(Debug)]
pub enum Event<'a, S> {
    /// Application data of one record, in order.
    Data {
        /// Who sent it.
        from: Side,
        /// Offset in the sender's decrypted stream.
        offset: u64,
        /// The data, one byte at least.
        bytes: &'a [u8],
        /// True for early data (RFC 8446 2.3), which the server may have refused, and the client sent again.
        is_early: bool,
        /// Stamp of the record's first byte.
        first: S,
        /// Stamp of the record's last byte.
        last: S,
    },
    /// Application data is missing, or may be.
    Gap {
        /// Who sent it.
        from: Side,
        /// Offset in the sender's decrypted stream.
        offset: u64,
        /// The offset at which data goes on. How much is missing is not known; counted are the bytes of its
        /// records, which are more.
        to: u64,
        /// Why.
        reason: GapReason,
        /// Stamp of what shows it.
        stamp: S,
    },
    /// An alert other than close_notify.
    Alert {
        /// Who sent it.
        from: Side,
        /// The alert.
        alert: Alert,
        /// Stamp of its record's last byte.
        stamp: S,
    },
    /// A close_notify: the sender says that it will send no more.
    Closed {
        /// Who sent it.
        from: Side,
        /// Stamp of its record's last byte.
        stamp: S,
    },
    /// A record's header, a part of the handshake or an opened record that cannot be read. What could be read of it is
    /// taken.
    Malformed {
        /// Who sent it.
        from: Side,
        /// Stream offset of the record with its end.
        offset: u64,
        /// What is wrong, and where in the message.
        error: Error,
        /// Stamp of the record's last byte.
        stamp: S,
    },
    /// From here on nothing that the sender says can be opened. Told once; where the other direction is sealed for the
    /// same reason, it is not told again.
    Sealed {
        /// Who sent it.
        from: Side,
        /// Stream offset from which on bytes are passed over.
        offset: u64,
        /// Why.
        reason: Seal,
        /// Stamp of what shows it.
        stamp: S,
    },
}

/// Why application data is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapReason {
    /// The stream has a gap.
    NotCaptured,
    /// Where a record should begin, there is none; the next one is looked for.
    NoRecord,
    /// A record's tag fits neither the sequence number that it should have nor the others that were tried.
    BadTag {
        /// The sequence number that it should have.
        record: u64,
    },
    /// A record came before the hello that its keys are made of.
    NoKeys,
    /// Early data, for which the key log has no secret.
    EarlyData,
    /// The stream ends inside a record.
    Cut,
}

/// Why nothing can be opened any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    /// The stream does not begin with a TLS record.
    NotTls,
    /// The hellos are not there, or could not be read.
    Beginning,
    /// A version other than TLS 1.2 and 1.3.
    Version(Version),
    /// A cipher suite other than AES-GCM and ChaCha20-Poly1305.
    CipherSuite(CipherSuite),
    /// A compression method.
    Compression(u8),
    /// The key log has no secret of this client's random.
    NoSecret,
    /// The key log's secret has another length than the cipher suite's hash.
    SecretLength,
    /// The keys were changed by a renegotiation.
    Renegotiation,
    /// Tags do not fit, of so many records that the secret must be wrong.
    BadTag {
        /// The sequence number of the first of them.
        record: u64,
    },
    /// Behind a gap the sequence number was not found.
    LostSequence,
}

/// What the hellos say, whether anything can be opened or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// The ClientHello; the second one where the server has asked for it.
    pub client_hello: Option<ClientHello>,
    /// The ServerHello.
    pub server_hello: Option<ServerHello>,
    /// True where the server sent a HelloRetryRequest.
    pub is_retried: bool,
    /// The application protocol that was chosen; with TLS 1.3, once that can be opened.
    pub alpn: Option<String>,
    /// True where the server has taken the early data, once that can be opened.
    pub has_accepted_early_data: bool,
    /// True where a side began to renegotiate, as far as that can be opened.
    pub is_renegotiated: bool,
}

/// What a [`Session`] counts, of the client and of the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records.
    pub records: [u64; 2],
    /// Protected records that were opened.
    pub opened: [u64; 2],
    /// Protected records that could not be opened.
    pub unopened: [u64; 2],
    /// Bytes of the streams behind where they were sealed.
    pub sealed_bytes: [u64; 2],
}

impl<S> Default for Session<S> {
    fn default() -> Self {
        Self { records: <[Records<S>; 2]>::default(), state: State::default() }
    }
}

impl<S: Copy> Session<S> {
    /// What the hellos say so far.
    #[must_use]
    pub fn info(&self) -> &Info {
        &self.state.info
    }

    /// What was counted so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.state.counts
    }

    /// Why what this side sends cannot be opened any more.
    #[must_use]
    pub fn sealed(&self, from: Side) -> Option<Seal> {
        self.state.sides[from as usize].sealed
    }

    /// Stream offset behind the last byte of this side that was pushed.
    #[must_use]
    pub fn end(&self, from: Side) -> u64 {
        self.records[from as usize].end()
    }

    /// Bytes that wait for more.
    #[must_use]
    pub fn held(&self) -> usize {
        let records: usize = self.records.iter().map(Records::held).sum();
        records + self.state.sides.iter().map(|side| side.messages.held()).sum::<usize>()
    }

    /// Takes a side's next bytes; `offset` beyond [`Self::end`] is a gap. What is opened is opened with what the key log
    /// has now.
    pub fn push(
        &mut self,
        from: Side,
        offset: u64,
        bytes: &[u8],
        stamp: S,
        key_log: &KeyLog,
        emit: &mut impl FnMut(Event<'_, S>),
    ) {
        if offset > self.end(from) {
            self.gap(from, offset, stamp, emit);
        }
        let records = &mut self.records[from as usize];
        let mut left = bytes;
        while self.state.sides[from as usize].sealed.is_none() {
            let Some(framed) = records.next(&mut left, stamp) else { return };
            self.state.take(from, &framed, key_log, emit);
        }
        records.pass_over(left.len());
        self.state.counts.sealed_bytes[from as usize] += left.len() as u64;
    }

    /// Says that the bytes from [`Self::end`] up to the stream offset `to` will not come.
    pub fn gap(&mut self, from: Side, to: u64, stamp: S, emit: &mut impl FnMut(Event<'_, S>)) {
        let records = &mut self.records[from as usize];
        if to <= records.end() {
            return;
        }
        let lost = records.gap(to);
        if self.state.sides[from as usize].sealed.is_some() {
            records.pass_over(0);
        } else if let Some(lost) = lost {
            self.state.lose(from, &lost, to, stamp, emit);
        }
    }

    /// Says that the streams have ended.
    pub fn finish(&mut self, emit: &mut impl FnMut(Event<'_, S>)) {
        for from in [Side::Client, Side::Server] {
            let is_open = self.state.sides[from as usize].sealed.is_none() && self.state.has_hello(from);
            if let Some((first, held)) = self.records[from as usize].cut()
                && is_open
            {
                self.state.skip(from, held as u64, GapReason::Cut, first, emit);
            }
        }
    }
}

/// All of a session but the records that are not whole.
#[derive(Debug, Default)]
struct State {
    info: Info,
    sides: [Direction; 2],
    counts: Counts,
    /// What was opened last.
    plain: Vec<u8>,
}

/// What is known of one direction.
#[derive(Debug, Default)]
struct Direction {
    messages: Messages,
    /// The keys in use, once a protected record came.
    keys: Option<Keys>,
    /// Those behind them, where they were asked for.
    next: Option<Keys>,
    /// TLS 1.2: a ChangeCipherSpec came.
    is_protected: bool,
    /// The next record's sequence number.
    sequence: u64,
    /// How many more may be right, because records are missing.
    doubt: u64,
    /// Tags that did not fit since one did, and the sequence number of the first of them.
    failures: u32,
    first_failure: u64,
    /// Records that came while there were no keys for them, but for later ones.
    waiting: u32,
    /// Handshake messages are missing, up to the next change of keys.
    has_lost_messages: bool,
    /// Offset in the decrypted stream.
    offset: u64,
    sealed: Option<Seal>,
}

/// Keys of one direction.
#[derive(Debug)]
struct Keys {
    epoch: Epoch,
    /// `None` where the key log has no secret for it.
    opener: Option<Opener>,
    /// TLS 1.3: what later application keys are made of.
    secret: Option<Secret>,
}

/// What keys are for. TLS 1.2 has those for application data only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Epoch {
    EarlyData,
    Handshake,
    Application,
}

/// Why a record was not opened.
enum Unopened {
    Seal(Seal),
    Skip(GapReason),
    /// Its keys are missing, but it is a handshake's.
    Handshake,
}

impl State {
    fn take<S: Copy>(
        &mut self,
        from: Side,
        framed: &Framed<'_, S>,
        key_log: &KeyLog,
        emit: &mut impl FnMut(Event<'_, S>),
    ) {
        match framed {
            Framed::Record(record) => {
                self.counts.records[from as usize] += 1;
                self.record(from, record, key_log, emit);
            }
            &Framed::NoRecord { offset, first, ref error } => {
                emit(Event::Malformed { from, offset, error: error.clone(), stamp: first });
                if offset == 0 {
                    self.seal(from, Seal::NotTls, offset, first, emit);
                } else {
                    // How many bytes are none of a record shows once one is found; the gap has to have some.
                    self.lose_records(from, 1, GapReason::NoRecord, offset, first, emit);
                }
            }
        }
    }

    fn record<S: Copy>(
        &mut self,
        from: Side,
        record: &Record<'_, S>,
        key_log: &KeyLog,
        emit: &mut impl FnMut(Event<'_, S>),
    ) {
        let is_protected = self.sides[from as usize].is_protected;
        let content_type = record.content_type();
        match (self.is_tls13(from), content_type) {
            (true, ContentType::APPLICATION_DATA) => self.protected(from, record, key_log, emit),
            // For middleboxes (RFC 8446 D.4).
            (true, ContentType::CHANGE_CIPHER_SPEC) => {}
            (false, ContentType::CHANGE_CIPHER_SPEC) if is_protected => {
                self.seal(from, Seal::Renegotiation, record.offset, record.first, emit);
            }
            (false, ContentType::CHANGE_CIPHER_SPEC) => self.begin_protection(from),
            (false, ContentType::APPLICATION_DATA) if !is_protected => {
                self.begin_protection(from);
                self.protected(from, record, key_log, emit);
            }
            (false, _) if is_protected => self.protected(from, record, key_log, emit),
            // Among the records that are missing there may have been a ChangeCipherSpec.
            (false, _) if self.sides[from as usize].doubt > 0 && self.opens(from, record, key_log) => {
                self.begin_protection(from);
                self.opened(from, content_type, record, key_log, emit);
            }
            (_, ContentType::HANDSHAKE) => {
                self.handshake(from, record.fragment, false, record, key_log, emit);
            }
            (_, ContentType::ALERT) => alerts(from, record.fragment, record, emit),
            _ => {}
        }
    }

    /// True where the records are those of TLS 1.3: before the ServerHello, because only there is a HelloRetryRequest, or
    /// early data.
    fn is_tls13(&self, from: Side) -> bool {
        match self.info.version() {
            Some(version) => version == Version::TLS_1_3,
            None => self.info.is_retried || (from == Side::Client && self.info.offers_early_data()),
        }
    }

    fn begin_protection(&mut self, from: Side) {
        let side = &mut self.sides[from as usize];
        side.is_protected = true;
        side.messages.clear();
        side.has_lost_messages = false;
    }

    /// Opens a protected record and takes what is in it.
    fn protected<S: Copy>(
        &mut self,
        from: Side,
        record: &Record<'_, S>,
        key_log: &KeyLog,
        emit: &mut impl FnMut(Event<'_, S>),
    ) {
        match self.open(from, record, key_log) {
            Ok(()) if self.info.version() == Some(Version::TLS_1_2) => {
                self.opened(from, record.content_type(), record, key_log, emit);
            }
            Ok(()) => {
                // The content type stands behind the content, and padding behind that (RFC 8446 5.2).
                let end = self.plain.iter().rposition(|&byte| byte != 0);
                let content_type = end.map(|end| ContentType(self.plain[end]));
                self.plain.truncate(end.unwrap_or(0));
                if let Some(content_type) = content_type {
                    self.opened(from, content_type, record, key_log, emit);
                } else {
                    let kind = ErrorKind::Malformed { what: "there is none but padding" };
                    let error = Error { layer: "TLSInnerPlaintext", field: "type", offset: 0, kind };
                    emit(Event::Malformed { from, offset: record.offset, error, stamp: record.last });
                }
            }
            Err(reason) => {
                self.counts.unopened[from as usize] += 1;
                match reason {
                    Unopened::Seal(seal) => self.seal(from, seal, record.offset, record.first, emit),
                    Unopened::Skip(reason) => {
                        let bytes = (HEADER_LEN + record.fragment.len()) as u64;
                        self.skip(from, bytes, reason, record.first, emit);
                    }
                    Unopened::Handshake => {}
                }
            }
        }
    }

    /// Opens a record into `plain`. One that cannot be opened has had its sequence number all the same; after
    /// [`MOST_FAILURES`] of them the direction is to be sealed.
    fn open<S: Copy>(
        &mut self,
        from: Side,
        record: &Record<'_, S>,
        key_log: &KeyLog,
    ) -> Result<(), Unopened> {
        if self.sides[from as usize].keys.is_none() {
            match self.first_keys(from, record, key_log) {
                Ok(keys) => self.sides[from as usize].keys = Some(keys),
                Err(reason) => {
                    let side = &mut self.sides[from as usize];
                    (side.doubt, side.has_lost_messages) = (MOST_AHEAD, true);
                    side.waiting += 1;
                    let is_over = side.waiting > MOST_WAITING;
                    return Err(if is_over { Unopened::Seal(Seal::Beginning) } else { reason });
                }
            }
        }
        if self.opens(from, record, key_log) {
            return Ok(());
        }
        let side = &mut self.sides[from as usize];
        let Some(Keys { epoch, opener, .. }) = &side.keys else { return Err(Unopened::Handshake) };
        if opener.is_none() {
            if *epoch == Epoch::EarlyData {
                return Err(Unopened::Skip(GapReason::EarlyData));
            }
            side.waiting += 1;
            let is_over = side.next.is_none() || side.waiting > MOST_WAITING;
            return Err(if is_over { Unopened::Seal(Seal::NoSecret) } else { Unopened::Handshake });
        }
        if side.failures == 0 {
            side.first_failure = side.sequence;
        }
        side.failures += 1;
        let record = side.sequence;
        side.sequence += 1;
        if side.failures >= MOST_FAILURES {
            let is_behind_gap = side.doubt == MOST_AHEAD;
            let seal =
                if is_behind_gap { Seal::LostSequence } else { Seal::BadTag { record: side.first_failure } };
            return Err(Unopened::Seal(seal));
        }
        // It may have been one behind which the keys change.
        side.doubt = side.doubt.max(1);
        side.has_lost_messages |= *epoch == Epoch::Handshake;
        side.messages.clear();
        Err(Unopened::Skip(GapReason::BadTag { record }))
    }

    /// Opens a record into `plain`, with the keys in use or, where that is possible, those behind them.
    fn opens<S: Copy>(&mut self, from: Side, record: &Record<'_, S>, key_log: &KeyLog) -> bool {
        if self.sides[from as usize].keys.is_none() {
            // Behind a gap: what is no record of these keys is no failure.
            let Ok(keys) = self.first_keys(from, record, key_log) else { return false };
            self.sides[from as usize].keys = Some(keys);
        }
        let side = &mut self.sides[from as usize];
        let Some(keys) = &side.keys else { return false };
        let mut opened = None;
        if let Some(opener) = &keys.opener {
            opened = opener.open(side.sequence, side.doubt, record, &mut self.plain);
        }
        let may_be_next = side.doubt > 0
            || side.has_lost_messages
            || keys.opener.is_none()
            || keys.epoch == Epoch::EarlyData;
        if opened.is_none() && may_be_next {
            if self.sides[from as usize].next.is_none() {
                self.sides[from as usize].next = self.next_keys(from, key_log);
            }
            let side = &mut self.sides[from as usize];
            if let Some(Keys { opener: Some(opener), .. }) = &side.next {
                opened = opener.open(0, side.doubt, record, &mut self.plain);
                if opened.is_some() {
                    let next = side.next.take();
                    side.change_keys(next);
                }
            }
        }
        let side = &mut self.sides[from as usize];
        if let Some(sequence) = opened {
            side.sequence = sequence + 1;
            (side.doubt, side.failures, side.waiting) = (0, 0, 0);
        }
        opened.is_some()
    }

    /// The keys of a direction's first protected record.
    fn first_keys<S: Copy>(
        &self,
        from: Side,
        record: &Record<'_, S>,
        key_log: &KeyLog,
    ) -> Result<Keys, Unopened> {
        if from == Side::Client && self.info.offers_early_data() {
            let opener = self.early_opener(record, key_log);
            return Ok(Keys { epoch: Epoch::EarlyData, opener, secret: None });
        }
        let is_sealed = self.sides[Side::Server as usize].sealed.is_some();
        if self.has_hello(Side::Client) && !self.has_hello(Side::Server) && from == Side::Client && !is_sealed
        {
            return Err(Unopened::Skip(GapReason::NoKeys));
        }
        let (client, server) = self.hellos().map_err(Unopened::Seal)?;
        if server.version() == Version::TLS_1_3 {
            return self.later_keys(from, Epoch::Handshake, key_log).map_err(Unopened::Seal);
        }
        let master = key_log.secret(&client.random, Label::Master).ok_or(Unopened::Seal(Seal::NoSecret))?;
        let randoms = Randoms { client: &client.random, server: &server.random };
        let opener = Opener::tls12(server.cipher_suite, master, &randoms, from);
        Ok(Keys { epoch: Epoch::Application, opener, secret: None })
    }

    /// The keys of early data, whose suite nobody has named yet: that one of the offered ones that opens its first
    /// record.
    fn early_opener<S: Copy>(&self, record: &Record<'_, S>, key_log: &KeyLog) -> Option<Opener> {
        let client = self.info.client_hello.as_ref()?;
        let secret = key_log.secret(&client.random, Label::ClientEarlyTraffic)?;
        let doubt = self.sides[Side::Client as usize].doubt;
        let mut plain = Vec::new();
        SUITES_OF_TLS_1_3
            .into_iter()
            .filter(|suite| client.cipher_suites.contains(suite))
            .filter_map(|suite| Opener::tls13(suite, secret))
            .find(|opener| opener.open(0, doubt, record, &mut plain).is_some())
    }

    /// The keys behind those in use, where the key log has the secret for them.
    fn next_keys(&self, from: Side, key_log: &KeyLog) -> Option<Keys> {
        let (_, server) = self.hellos().ok()?;
        if server.version() != Version::TLS_1_3 {
            return None;
        }
        let keys = match self.sides[from as usize].keys.as_ref()? {
            Keys { epoch: Epoch::EarlyData, .. } => {
                let keys = self.later_keys(from, Epoch::Handshake, key_log).ok()?;
                if keys.opener.is_some() {
                    keys
                } else {
                    self.later_keys(from, Epoch::Application, key_log).ok()?
                }
            }
            Keys { secret: Some(secret), .. } => {
                let secret = protection::updated(server.cipher_suite, secret)?;
                let opener = Opener::tls13(server.cipher_suite, &secret);
                Keys { epoch: Epoch::Application, opener, secret: Some(secret) }
            }
            _ => self.later_keys(from, Epoch::Application, key_log).ok()?,
        };
        keys.opener.is_some().then_some(keys)
    }

    /// TLS 1.3: the first keys of an epoch; without an opener where the key log has no secret for it.
    fn later_keys(&self, from: Side, epoch: Epoch, key_log: &KeyLog) -> Result<Keys, Seal> {
        let (client, server) = self.hellos()?;
        let label = match (epoch, from) {
            (Epoch::Application, Side::Client) => Label::ClientTraffic,
            (Epoch::Application, Side::Server) => Label::ServerTraffic,
            (_, Side::Client) => Label::ClientHandshakeTraffic,
            (_, Side::Server) => Label::ServerHandshakeTraffic,
        };
        let Some(secret) = key_log.secret(&client.random, label) else {
            return Ok(Keys { epoch, opener: None, secret: None });
        };
        let opener = Opener::tls13(server.cipher_suite, secret).ok_or(Seal::SecretLength)?;
        let secret = (epoch == Epoch::Application).then(|| secret.clone());
        Ok(Keys { epoch, opener: Some(opener), secret })
    }

    /// Both hellos, of a kind that can be opened.
    fn hellos(&self) -> Result<(&ClientHello, &ServerHello), Seal> {
        let Info { client_hello: Some(client), server_hello: Some(server), .. } = &self.info else {
            return Err(Seal::Beginning);
        };
        let version = server.version();
        if ![Version::TLS_1_2, Version::TLS_1_3].contains(&version) {
            return Err(Seal::Version(version));
        }
        if server.cipher_suite.protection().is_none() {
            return Err(Seal::CipherSuite(server.cipher_suite));
        }
        match server.compression_method {
            0 => Ok((client, server)),
            method => Err(Seal::Compression(method)),
        }
    }

    /// Takes the content of a record that was opened, which stands in `plain`.
    fn opened<S: Copy>(
        &mut self,
        from: Side,
        content_type: ContentType,
        record: &Record<'_, S>,
        key_log: &KeyLog,
        emit: &mut impl FnMut(Event<'_, S>),
    ) {
        self.counts.opened[from as usize] += 1;
        let plain = std::mem::take(&mut self.plain);
        match content_type {
            ContentType::APPLICATION_DATA if !plain.is_empty() => {
                let side = &mut self.sides[from as usize];
                let is_early = side.keys.as_ref().is_some_and(|keys| keys.epoch == Epoch::EarlyData);
                let (offset, first, last) = (side.offset, record.first, record.last);
                side.offset += plain.len() as u64;
                emit(Event::Data { from, offset, bytes: &plain, is_early, first, last });
            }
            ContentType::ALERT => alerts(from, &plain, record, emit),
            ContentType::HANDSHAKE => self.handshake(from, &plain, true, record, key_log, emit),
            _ => {}
        }
        self.plain = plain;
    }

    /// Takes a record's handshake messages.
    fn handshake<S: Copy>(
        &mut self,
        from: Side,
        mut bytes: &[u8],
        is_opened: bool,
        record: &Record<'_, S>,
        key_log: &KeyLog,
        emit: &mut impl FnMut(Event<'_, S>),
    ) {
        if self.sides[from as usize].has_lost_messages {
            return;
        }
        while let Some(Message { kind, body }) = self.sides[from as usize].messages.next(&mut bytes) {
            let (offset, stamp) = (record.offset, record.last);
            let body = match body {
                Ok(body) => body,
                Err(error) => {
                    emit(Event::Malformed { from, offset, error, stamp });
                    Vec::new()
                }
            };
            let error = if is_opened {
                self.protected_message(from, kind, &body, key_log)
            } else {
                self.open_message(from, kind, &body)
            };
            if let Some(error) = error {
                emit(Event::Malformed { from, offset, error, stamp });
            }
            if !self.has_hello(from) && kind != HandshakeType::HELLO_REQUEST && !self.info.is_retried {
                return self.seal(from, Seal::Beginning, record.offset, record.first, emit);
            }
        }
    }

    /// Takes a message that nothing protects; what could not be read of it. Hellos are those that come first, and a second
    /// ClientHello only where the server asks for it.
    fn open_message(&mut self, from: Side, kind: HandshakeType, body: &[u8]) -> Option<Error> {
        if self.info.server_hello.is_some() || (self.has_hello(from) && !self.info.is_retried) {
            return None;
        }
        let parsed = match (from, kind) {
            (Side::Client, HandshakeType::CLIENT_HELLO) => ClientHello::parse(body).map(|(hello, error)| {
                // What comes behind a second one is no early data.
                self.forget_early_keys();
                self.info.client_hello = Some(hello);
                error
            }),
            (Side::Server, HandshakeType::SERVER_HELLO) => ServerHello::parse(body).map(|(hello, error)| {
                if hello.is_retry_request() {
                    self.info.is_retried = true;
                    return error;
                }
                if hello.version() != Version::TLS_1_3 {
                    self.forget_early_keys();
                }
                self.info.alpn.clone_from(&hello.alpn);
                self.info.server_hello = Some(hello);
                error
            }),
            _ => return None,
        };
        parsed.unwrap_or_else(Some)
    }

    fn forget_early_keys(&mut self) {
        self.sides[Side::Client as usize].change_keys(None);
    }

    /// Takes a message out of a protected record; what could not be read of it.
    fn protected_message(
        &mut self,
        from: Side,
        kind: HandshakeType,
        body: &[u8],
        key_log: &KeyLog,
    ) -> Option<Error> {
        let epoch = self.sides[from as usize].keys.as_ref().map(|keys| keys.epoch);
        let is_tls12 = self.info.version() == Some(Version::TLS_1_2);
        match (epoch?, kind) {
            (_, HandshakeType::CLIENT_HELLO | HandshakeType::HELLO_REQUEST) if is_tls12 => {
                self.info.is_renegotiated = true;
            }
            _ if is_tls12 => {}
            (_, HandshakeType::ENCRYPTED_EXTENSIONS) => {
                let (extensions, error) = EncryptedExtensions::parse(body);
                self.info.alpn = extensions.alpn;
                self.info.has_accepted_early_data = extensions.has_early_data;
                return error;
            }
            (Epoch::EarlyData, HandshakeType::END_OF_EARLY_DATA) => {
                self.begin_epoch(from, Epoch::Handshake, key_log);
            }
            (Epoch::Handshake, HandshakeType::FINISHED) | (Epoch::Application, HandshakeType::KEY_UPDATE) => {
                self.begin_epoch(from, Epoch::Application, key_log);
            }
            _ => {}
        }
        None
    }

    /// A message says that the next record has other keys.
    fn begin_epoch(&mut self, from: Side, epoch: Epoch, key_log: &KeyLog) {
        let next = self.next_keys(from, key_log).filter(|next| next.epoch == epoch);
        // Without a secret now, there may be one when they are needed.
        let next = next.unwrap_or(Keys { epoch, opener: None, secret: None });
        self.sides[from as usize].change_keys(Some(next));
    }

    fn has_hello(&self, from: Side) -> bool {
        match from {
            Side::Client => self.info.client_hello.is_some(),
            Side::Server => self.info.server_hello.is_some(),
        }
    }

    /// Bytes of the stream will not come.
    fn lose<S: Copy>(
        &mut self,
        from: Side,
        lost: &Lost,
        to: u64,
        stamp: S,
        emit: &mut impl FnMut(Event<'_, S>),
    ) {
        let has_hello = self.has_hello(from);
        let side = &mut self.sides[from as usize];
        match lost.only {
            Some(ContentType::APPLICATION_DATA) => side.sequence += u64::from(side.keys.is_some()),
            Some(_) if side.is_protected => side.sequence += u64::from(side.keys.is_some()),
            Some(_) if has_hello => {
                // A record of the handshake that nothing protects: only its messages are missing.
                (side.doubt, side.has_lost_messages) = (MOST_AHEAD, true);
                return side.messages.clear();
            }
            _ => {}
        }
        self.lose_records(from, lost.bytes, GapReason::NotCaptured, to, stamp, emit);
    }

    /// One or more records will not come.
    fn lose_records<S: Copy>(
        &mut self,
        from: Side,
        bytes: u64,
        reason: GapReason,
        offset: u64,
        stamp: S,
        emit: &mut impl FnMut(Event<'_, S>),
    ) {
        if !self.has_hello(from) {
            return self.seal(from, Seal::Beginning, offset, stamp, emit);
        }
        let side = &mut self.sides[from as usize];
        side.doubt = MOST_AHEAD;
        side.messages.clear();
        // Once the handshake is over, a message begins where its record does.
        let is_over = side.keys.as_ref().is_some_and(|keys| keys.epoch == Epoch::Application);
        side.has_lost_messages = !is_over;
        self.skip(from, bytes, reason, stamp, emit);
    }

    /// Says that application data of so many bytes at most is missing.
    fn skip<S: Copy>(
        &mut self,
        from: Side,
        bytes: u64,
        reason: GapReason,
        stamp: S,
        emit: &mut impl FnMut(Event<'_, S>),
    ) {
        let side = &mut self.sides[from as usize];
        let offset = side.offset;
        side.offset = offset.saturating_add(bytes);
        emit(Event::Gap { from, offset, to: side.offset, reason, stamp });
    }

    fn seal<S: Copy>(
        &mut self,
        from: Side,
        reason: Seal,
        offset: u64,
        stamp: S,
        emit: &mut impl FnMut(Event<'_, S>),
    ) {
        let side = &mut self.sides[from as usize];
        side.sealed = Some(reason);
        side.messages.clear();
        (side.keys, side.next) = (None, None);
        if self.sides[from.opposite() as usize].sealed != Some(reason) {
            emit(Event::Sealed { from, offset, reason, stamp });
        }
    }
}

impl Direction {
    /// Goes on to other keys; without any, to those of the first protected record.
    fn change_keys(&mut self, keys: Option<Keys>) {
        (self.keys, self.next, self.sequence) = (keys, None, 0);
        self.messages.clear();
        self.has_lost_messages = false;
    }
}

/// Takes a record's alerts.
fn alerts<S: Copy>(from: Side, content: &[u8], record: &Record<'_, S>, emit: &mut impl FnMut(Event<'_, S>)) {
    let (alerts, rest) = content.as_chunks::<2>();
    let stamp = record.last;
    for &[level, description] in alerts {
        emit(match description {
            Alert::CLOSE_NOTIFY => Event::Closed { from, stamp },
            _ => Event::Alert { from, alert: Alert { level, description }, stamp },
        });
    }
    if !rest.is_empty() {
        let error = Error::truncated("alert", "description", content.len(), 1, 0);
        emit(Event::Malformed { from, offset: record.offset, error, stamp });
    }
}

impl Info {
    /// The client's random, by which key logs know the connection.
    #[must_use]
    pub fn client_random(&self) -> Option<&[u8; 32]> {
        self.client_hello.as_ref().map(|hello| &hello.random)
    }

    /// The server's name as the client says it.
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        self.client_hello.as_ref()?.server_name.as_deref()
    }

    /// The application protocols that the client offers.
    #[must_use]
    pub fn alpn_offered(&self) -> &[String] {
        self.client_hello.as_ref().map_or(&[], |hello| &hello.alpn)
    }

    /// The version that was chosen.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.server_hello.as_ref().map(ServerHello::version)
    }

    /// The cipher suite that was chosen.
    #[must_use]
    pub fn cipher_suite(&self) -> Option<CipherSuite> {
        self.server_hello.as_ref().map(|hello| hello.cipher_suite)
    }

    /// True where the session resumes an earlier one: by a key both sides have (TLS 1.3), or by the session id that the
    /// server repeats (before), which it also does for a ticket.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        let (Some(client), Some(server)) = (&self.client_hello, &self.server_hello) else { return false };
        if server.version() == Version::TLS_1_3 {
            return server.has_pre_shared_key;
        }
        !client.session_id.is_empty() && client.session_id == server.session_id
    }

    fn offers_early_data(&self) -> bool {
        self.client_hello.as_ref().is_some_and(|hello| hello.has_early_data)
    }
}

impl Side {
    /// The other one.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

impl Seal {
    /// The name in lower case with hyphens.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotTls => "not-tls",
            Self::Beginning => "beginning",
            Self::Version(_) => "version",
            Self::CipherSuite(_) => "cipher-suite",
            Self::Compression(_) => "compression",
            Self::NoSecret => "no-secret",
            Self::SecretLength => "secret-length",
            Self::Renegotiation => "renegotiation",
            Self::BadTag { .. } => "bad-tag",
            Self::LostSequence => "lost-sequence",
        }
    }
}

/// A lower-case phrase.
impl fmt::Display for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotTls => f.write_str("the stream does not begin with a TLS record"),
            Self::Beginning => f.write_str("the hellos are not in the capture or cannot be read"),
            Self::Version(version) => write!(f, "version {version} is not opened"),
            Self::CipherSuite(suite) => write!(f, "cipher suite {suite} is not opened"),
            Self::Compression(method) => write!(f, "compression method {method} is not opened"),
            Self::NoSecret => f.write_str("the key log has no secret for it"),
            Self::SecretLength => f.write_str("the key log's secret does not fit the cipher suite"),
            Self::Renegotiation => f.write_str("the keys were renegotiated"),
            Self::BadTag { record } => write!(f, "tags do not fit from record {record} on"),
            Self::LostSequence => f.write_str("the sequence number was not found behind a gap"),
        }
    }
}

/// A lower-case phrase.
impl fmt::Display for GapReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCaptured => f.write_str("not captured"),
            Self::NoRecord => f.write_str("no record begins where one should"),
            Self::BadTag { record } => write!(f, "the tag of record {record} does not fit"),
            Self::NoKeys => f.write_str("a record came before the hello that its keys are made of"),
            Self::EarlyData => f.write_str("the key log has no secret for the early data"),
            Self::Cut => f.write_str("the stream ends inside a record"),
        }
    }
}

/// Sequence numbers that are tried behind a gap.
const MOST_AHEAD: u64 = 64;

/// Tags that may fail one behind the other before a direction is given up.
const MOST_FAILURES: u32 = 8;

/// Records that may come for which there are no keys, where there are for later ones.
const MOST_WAITING: u32 = 256;

/// The suites of TLS 1.3 that can be opened.
const SUITES_OF_TLS_1_3: [CipherSuite; 3] = [CipherSuite(0x1301), CipherSuite(0x1302), CipherSuite(0x1303)];
