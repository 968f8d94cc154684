use std::sync::Arc;

use crate::capture::{Chunk, Direction, End, Endpoint, FlowInfo, Gap, Stamp};
use crate::directory::{
    ActivationObject, Authentication, BindExchange, Counts, Ending, Event, Found as Entry, Operation,
    ResultCode, SearchExchange, Session, is_activation_search, looks_like_ldap,
};
use crate::tls::looks_like_client_hello;
use crate::wire::Error;

use super::tls::{Inside, Tls};
use super::tracer::Tracer;
use super::{ConnectionRecord, Found, Notice, NoticeKind, Observer, TlsRecord};

/// A search in a directory for what has to do with activation.
#[derive(Clone, Debug)]
pub struct DirectoryExchange {
    /// Number of the connection in its file.
    pub stream: u64,
    /// Who asked.
    pub client: Endpoint,
    /// Who was asked.
    pub server: Endpoint,
    /// True where it came in TLS, which a key log opened.
    pub is_tls: bool,
    /// The search, and what it found.
    pub search: SearchExchange<Stamp>,
    /// How the client came to the server's address.
    pub found: Option<Arc<Found>>,
}

/// An activation object in an export of a directory.
#[derive(Clone, Debug)]
pub struct ObjectRecord {
    /// Number of its first line in the file, from 1.
    pub line: u64,
    /// Offset of that line in the file.
    pub offset: u64,
    /// True where something is wrong with its lines, so that the end of it may be missing.
    pub is_cut: bool,
    /// The attributes whose values are in other files, which are not read.
    pub elsewhere: Vec<String>,
    /// The object.
    pub object: ActivationObject,
}

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectoryOutcome {
    /// With entries.
    Answered,
    /// With none.
    Empty,
    /// There is no such object, as where nobody has made the container of activation objects.
    NoSuchObject,
    /// Another server should be asked.
    Referral,
    /// With another result code.
    Refused(ResultCode),
    /// The client gave it up.
    Abandoned,
    /// No result was seen.
    Unanswered,
}

/// What is known of a connection that is read as LDAP.
#[derive(Clone, Debug, Default)]
pub struct DirectoryRecord {
    /// What was seen of it.
    pub counts: Counts,
    /// Who bound how, [`MAX_BINDS`] at most.
    pub binds: Vec<BindStep>,
    /// Whether StartTLS was granted, where it was asked for.
    pub start_tls: Option<bool>,
    /// What its TLS says of itself.
    pub tls: Option<TlsRecord>,
}

/// A step of a bind. Who wanted to be believed is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindStep {
    /// `simple`, `anonymous`, or the mechanism of SASL.
    pub method: String,
    /// How it ended, if that was seen.
    pub result: Option<ResultCode>,
}

/// Steps of binds that are kept of a connection.
pub const MAX_BINDS: usize = 16;

impl DirectoryExchange {
    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> DirectoryOutcome {
        let SearchExchange { found, left_out, references, result, ending, .. } = &self.search;
        let code = result.as_ref().map(|result| result.code);
        match (code, ending) {
            (None, Ending::Abandoned) => DirectoryOutcome::Abandoned,
            (None, _) => DirectoryOutcome::Unanswered,
            (Some(ResultCode::NO_SUCH_OBJECT), _) => DirectoryOutcome::NoSuchObject,
            (Some(ResultCode::REFERRAL), _) => DirectoryOutcome::Referral,
            (Some(ResultCode::SUCCESS), _) if !found.is_empty() || *left_out > 0 => {
                DirectoryOutcome::Answered
            }
            (Some(ResultCode::SUCCESS), _) if !references.is_empty() => DirectoryOutcome::Referral,
            (Some(ResultCode::SUCCESS), _) => DirectoryOutcome::Empty,
            (Some(other), _) => DirectoryOutcome::Refused(other),
        }
    }

    /// The request's first and last packet, and those of the answers.
    pub fn stamps(&self) -> impl Iterator<Item = Stamp> {
        let SearchExchange { asked, answered, .. } = &self.search;
        asked.iter().chain(answered).flat_map(|(first, last)| [*first, *last])
    }

    /// Nanoseconds from the request's last packet to the first that answered.
    #[must_use]
    pub fn service_time(&self) -> Option<i64> {
        let (_, asked) = self.search.asked?;
        let (answered, _) = self.search.answered?;
        answered.time?.checked_sub(asked.time?)
    }
}

impl DirectoryOutcome {
    /// The name in lower case with hyphens.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Empty => "empty",
            Self::NoSuchObject => "no-such-object",
            Self::Referral => "referral",
            Self::Refused(_) => "refused",
            Self::Abandoned => "abandoned",
            Self::Unanswered => "unanswered",
        }
    }
}

/// A connection that is read as LDAP: plain, sealed by SASL, or in TLS, from its beginning or behind StartTLS.
pub(super) struct DirectoryConnection {
    plain: Layer,
    tls: Option<Box<(Tls, Layer)>>,
    start_tls: Option<bool>,
    has_gaps: bool,
}

/// The messages of LDAP, in TLS or not.
struct Layer {
    session: Session<Stamp>,
    /// What was counted before it was given up.
    before: Counts,
    is_tls: bool,
    binds: Vec<BindStep>,
    /// The last look at the root of the directory, which tells where activation objects are.
    root: Option<Box<SearchExchange<Stamp>>>,
    /// Searches that have to do with activation.
    searches: u64,
    start_tls: Option<bool>,
    /// TLS behind StartTLS, until it is opened.
    behind: Vec<(Direction, u64, Vec<u8>, Stamp)>,
}

impl DirectoryConnection {
    /// One whose first bytes these are; `None` where they are no LDAP, and no TLS on a port where LDAP is in it.
    pub(super) fn begins_with(bytes: &[u8], direction: Direction, flow: &FlowInfo) -> Option<Self> {
        let has = |ports: [u16; 2]| ports.contains(&flow.server.port) || ports.contains(&flow.client.port);
        let is_whole = flow.syn.is_some() || flow.syn_ack.is_some();
        let is_hello = || looks_like_client_hello(bytes) != Some(false);
        if has(TLS_PORTS) && direction == Direction::ToServer && is_whole && is_hello() {
            return Some(Self {
                tls: Some(Box::new((Tls::new(), Layer::new(true, true)))),
                ..Self::plain(true)
            });
        }
        let is_ldap = match looks_like_ldap(bytes) {
            Some(is_ldap) => is_ldap || (has(PORTS) && !is_whole),
            None => has(PORTS),
        };
        is_ldap.then(|| Self::plain(is_whole))
    }

    fn plain(is_whole: bool) -> Self {
        Self { plain: Layer::new(is_whole, false), tls: None, start_tls: None, has_gaps: false }
    }

    /// Bytes that wait for more, and the connection itself.
    pub(super) fn held(&self) -> usize {
        let inside = self
            .tls
            .as_ref()
            .map_or(0, |inside| size_of::<(Tls, Layer)>() + inside.0.held() + inside.1.held());
        size_of::<Self>() + self.plain.held() + inside
    }

    /// True where something was asked that has to do with activation.
    pub(super) fn is_of_interest(&self) -> bool {
        self.plain.searches > 0 || self.tls.as_ref().is_some_and(|inside| inside.1.searches > 0)
    }

    pub(super) fn data<O: Observer>(
        &mut self,
        tracer: &mut Tracer<O>,
        flow: &FlowInfo,
        direction: Direction,
        chunk: Chunk<'_>,
    ) {
        let piece = (chunk.offset, chunk.bytes, chunk.stamp);
        if self.start_tls.is_none()
            && let Some(inside) = &mut self.tls
        {
            let (tls, layer) = &mut **inside;
            return tls.push((tracer, flow), direction, piece, layer);
        }
        self.plain.push((&mut *tracer, flow), direction, piece);
        self.start_tls = self.plain.start_tls;
        for (direction, offset, bytes, stamp) in std::mem::take(&mut self.plain.behind) {
            let inside = self.tls.get_or_insert_with(|| Box::new((Tls::in_tunnel(), Layer::new(true, true))));
            let (tls, layer) = &mut **inside;
            tls.push((&mut *tracer, flow), direction, (offset, &bytes, stamp), layer);
        }
    }

    pub(super) fn gap<O: Observer>(
        &mut self,
        tracer: &mut Tracer<O>,
        flow: &FlowInfo,
        direction: Direction,
        gap: Gap,
    ) {
        self.has_gaps = true;
        if let Some(inside) = &mut self.tls {
            let (tls, layer) = &mut **inside;
            tls.gap((&mut *tracer, flow), direction, gap.to, gap.stamp, layer);
        }
        self.plain.gap((tracer, flow), direction, gap.to, gap.stamp);
    }

    /// Lets go of all that is held: what was asked is told as unanswered, what comes is looked at anew.
    pub(super) fn give_up<O: Observer>(&mut self, tracer: &mut Tracer<O>, flow: &FlowInfo) {
        self.plain.give_up(tracer, flow);
        if let Some(inside) = &mut self.tls {
            inside.0.give_up();
            inside.1.give_up(tracer, flow);
        }
    }

    /// The connection's record; `None` where it was open to be read, and had nothing to do with activation.
    pub(super) fn close<O: Observer>(
        mut self,
        tracer: &mut Tracer<O>,
        flow: &FlowInfo,
        end: End,
    ) -> Option<ConnectionRecord> {
        if let Some(inside) = &mut self.tls {
            let (tls, layer) = &mut **inside;
            tls.finish((&mut *tracer, flow), layer);
            layer.finish(tracer, flow);
        }
        self.plain.finish(tracer, flow);
        let mut counts = self.plain.counts();
        let mut binds = std::mem::take(&mut self.plain.binds);
        let mut tls = None;
        if let Some(inside) = &mut self.tls {
            counts = added(counts, &inside.1.counts());
            binds.append(&mut inside.1.binds);
            binds.truncate(MAX_BINDS);
            tls = Some(inside.0.record());
        }
        let is_closed = counts.sealed != [0; 2] || tls.as_ref().is_some_and(|tls| !tls.is_opened);
        if !self.is_of_interest() && !is_closed {
            return None;
        }
        let searches = self.plain.searches + self.tls.as_ref().map_or(0, |inside| inside.1.searches);
        Some(ConnectionRecord {
            has_gaps: self.has_gaps,
            skipped: counts.skipped_bytes,
            exchanges: searches,
            directory: Some(Box::new(DirectoryRecord { counts, binds, start_tls: self.start_tls, tls })),
            ..ConnectionRecord::silent(flow, end)
        })
    }
}

impl<O: Observer> Inside<O> for Layer {
    fn push(
        &mut self,
        (tracer, flow): (&mut Tracer<O>, &FlowInfo),
        direction: Direction,
        (offset, bytes, stamp): (u64, &[u8], Stamp),
    ) {
        self.with(tracer, flow, |session, emit| {
            session.push(direction.into(), offset, bytes, stamp, &mut |event| emit(event));
        });
    }

    fn gap(&mut self, (tracer, flow): (&mut Tracer<O>, &FlowInfo), direction: Direction, end: u64, _: Stamp) {
        self.with(tracer, flow, |session, emit| session.gap(direction.into(), end, &mut |event| emit(event)));
    }
}

impl Layer {
    fn new(is_whole: bool, is_tls: bool) -> Self {
        Self {
            session: if is_whole { Session::default() } else { Session::mid_stream() },
            before: Counts::default(),
            is_tls,
            binds: Vec::new(),
            root: None,
            searches: 0,
            start_tls: None,
            behind: Vec::new(),
        }
    }

    fn held(&self) -> usize {
        self.session.held() + self.root.as_ref().map_or(0, |root| weight(root))
    }

    fn counts(&self) -> Counts {
        added(self.before, self.session.counts())
    }

    fn finish<O: Observer>(&mut self, tracer: &mut Tracer<O>, flow: &FlowInfo) {
        self.with(tracer, flow, |session, emit| session.finish(&mut |event| emit(event)));
    }

    fn give_up<O: Observer>(&mut self, tracer: &mut Tracer<O>, flow: &FlowInfo) {
        self.root = None;
        if self.session.held() == 0 {
            return;
        }
        self.finish(tracer, flow);
        self.before = self.counts();
        self.session = Session::mid_stream();
        tracer.notice(&Notice {
            frame: Some(flow.last.frame),
            stream: Some(flow.stream),
            ..Notice::new(NoticeKind::BoundReached, "LDAP: messages were given up to bound memory".to_owned())
        });
    }

    /// Does something with the session, and takes what it finds.
    fn with<O: Observer>(
        &mut self,
        tracer: &mut Tracer<O>,
        flow: &FlowInfo,
        act: impl FnOnce(&mut Session<Stamp>, &mut dyn FnMut(Event<'_, Stamp>)),
    ) {
        let Self { session, is_tls, binds, root, searches, start_tls, behind, .. } = self;
        let mut told = |search: SearchExchange<Stamp>| {
            let &FlowInfo { stream, client, server, .. } = flow;
            let is_tls = *is_tls;
            tracer.directory(DirectoryExchange { stream, client, server, is_tls, search, found: None });
        };
        let mut complaints = Vec::new();
        act(session, &mut |event| match event {
            Event::Search(search) => {
                if is_of_interest(&search) {
                    *searches += 1;
                    if let Some(root) = root.take() {
                        told(*root);
                    }
                    told(*search);
                } else if is_root(&search) {
                    *root = Some(search);
                }
            }
            Event::Bind(bind) => {
                if binds.len() < MAX_BINDS {
                    binds.push(BindStep::of(&bind));
                }
            }
            Event::Operation(_) => {}
            Event::StartTls(exchange) => {
                let result = exchange.response.as_ref().and_then(Operation::result);
                *start_tls = Some(result.is_some_and(|result| result.code == ResultCode::SUCCESS));
            }
            Event::Tls { from, offset, bytes, stamp } => {
                behind.push((from.into(), offset, bytes.to_vec(), stamp));
            }
            Event::Sealed { .. } => {}
            Event::Malformed { from, offset, first, error, .. } => {
                complaints.push((from, offset, first, error))
            }
            Event::Skipped { from, offset, first, error, .. } => {
                complaints.push((from, offset, first, error))
            }
        });
        for (from, offset, stamp, error) in complaints {
            tracer.notice(&of_error(&error, flow.stream, from.into(), offset, stamp));
        }
    }
}

impl BindStep {
    fn of(bind: &BindExchange<Stamp>) -> Self {
        let method = match bind.request.as_ref().and_then(|request| request.authentication.as_ref()) {
            Some(Authentication::Simple { password_length: 0 }) => "anonymous".to_owned(),
            Some(Authentication::Simple { .. }) => "simple".to_owned(),
            Some(Authentication::Sasl { mechanism, .. }) => mechanism.clone(),
            Some(Authentication::Other(tag)) => format!("method {tag}"),
            None => "unknown".to_owned(),
        };
        let method = method.chars().take(MAX_METHOD).collect();
        Self { method, result: bind.response.as_ref().map(|response| response.result.code) }
    }
}

fn of_error(error: &Error, stream: u64, direction: Direction, offset: u64, stamp: Stamp) -> Notice {
    Notice {
        needed: error.needed(),
        got: error.got(),
        ..Notice::in_stream(
            NoticeKind::MalformedLdap,
            error.to_string(),
            (stream, direction, offset),
            stamp.frame,
        )
    }
}

fn is_of_interest(search: &SearchExchange<Stamp>) -> bool {
    search.request.as_ref().is_some_and(is_activation_search)
        || search.found.iter().any(|entry| matches!(entry, Entry::ActivationObject(_)))
}

/// True for a look at what the directory says of itself, its naming contexts among it.
fn is_root(search: &SearchExchange<Stamp>) -> bool {
    search.request.as_ref().is_some_and(|request| {
        request.base.is_empty() && request.scope.0 == 0 && request.asks_for("configurationNamingContext")
    })
}

/// Bytes that a search's entries hold, about.
fn weight(search: &SearchExchange<Stamp>) -> usize {
    let entries = search.found.iter().map(|entry| match entry {
        Entry::ActivationObject(_) => 0,
        Entry::Entry(entry) => {
            let values = entry.attributes.iter().flat_map(|attribute| &attribute.values);
            entry.dn.len() + values.map(|value| value.len() + size_of::<Vec<u8>>()).sum::<usize>()
        }
    });
    size_of::<SearchExchange<Stamp>>() + entries.sum::<usize>()
}

/// Characters of a mechanism that are kept; those that are registered have 20 at most (RFC 4422 3.1).
const MAX_METHOD: usize = 32;

/// What was counted in two layers of a connection.
fn added(one: Counts, other: &Counts) -> Counts {
    let sum = |one: [u64; 2], other: [u64; 2]| [one[0] + other[0], one[1] + other[1]];
    Counts {
        messages: sum(one.messages, other.messages),
        searches: one.searches + other.searches,
        binds: one.binds + other.binds,
        others: one.others + other.others,
        entries: one.entries + other.entries,
        left_out: one.left_out + other.left_out,
        activation_objects: one.activation_objects + other.activation_objects,
        sealed: sum(one.sealed, other.sealed),
        sealed_bytes: sum(one.sealed_bytes, other.sealed_bytes),
        tls_bytes: sum(one.tls_bytes, other.tls_bytes),
        malformed: one.malformed + other.malformed,
        skipped_bytes: sum(one.skipped_bytes, other.skipped_bytes),
    }
}

/// The ports of directories and of global catalogs, and those where they are in TLS.
const PORTS: [u16; 2] = [389, 3268];
const TLS_PORTS: [u16; 2] = [636, 3269];
