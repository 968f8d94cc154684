use std::collections::HashMap;
use std::sync::Arc;

use crate::capture::{
    Chunk, Comment, Conflict, Direction, End, FlowInfo, Gap, Handler, SHARDS, Stamp, shard_of,
};
use crate::discovery;
use crate::kms::Verifier;
use crate::mak::{self, vamt};
use crate::rpc::{Header, Pdu};
use crate::tls::KeyLog;
use crate::wire::{Error, Hex};

use super::calls::Out;
use super::directory::DirectoryConnection;
use super::rpc_connection::RpcConnection;
use super::web::WebConnection;
use super::{
    Carrier, ChannelRecord, ConnectionRecord, ControlRecord, DirectoryExchange, Exchange, FileRecord, Found,
    GuestExchange, Lookup, MakExchange, Notice, NoticeKind, ObjectRecord, Options, Search, Summary,
};

/// Who is told what is in a capture.
///
/// Exchanges come when their answer does, or when their connection ends; everything else when it is known.
#[allow(unused_variables)]
pub trait Observer {
    /// The file's header was read.
    fn file(&mut self, file: &FileRecord<'_>) {}
    /// A PDU, or what stands in its place.
    fn pdu(&mut self, pdu: &PduRecord<'_>) {}
    /// A call of volume activation.
    fn exchange(&mut self, exchange: &Exchange) {}
    /// An exchange with one of MAK's services.
    fn mak(&mut self, exchange: &MakExchange) {}
    /// A computer of a VAMT file.
    fn computer(&mut self, computer: &vamt::Computer) {}
    /// A search in a directory for activation objects, or for where they are.
    fn directory(&mut self, exchange: &DirectoryExchange) {}
    /// An activation object of an export in LDIF.
    fn object(&mut self, object: &ObjectRecord) {}
    /// A question of DNS that has to do with activation.
    fn lookup(&mut self, lookup: &Lookup) {}
    /// A client has looked for a KMS host, in one domain or several.
    fn search(&mut self, search: &Search) {}
    /// An exchange in a channel of VMBus.
    fn guest(&mut self, exchange: &GuestExchange) {}
    /// A channel of VMBus.
    fn channel(&mut self, channel: &ChannelRecord) {}
    /// A control message of VMBus.
    fn control(&mut self, control: &ControlRecord) {}
    /// A connection has ended.
    fn connection(&mut self, connection: &ConnectionRecord) {}
    /// Something could not be read.
    fn notice(&mut self, notice: &Notice) {}
    /// Somebody has written a comment into the file.
    fn comment(&mut self, comment: &Comment) {}
    /// The file has ended.
    fn summary(&mut self, summary: &Summary) {}
    /// False once nothing more need be told (nobody reads on): the file is not read any further.
    fn wants_more(&self) -> bool {
        true
    }
}

impl<O: Observer> Observer for &mut O {
    fn file(&mut self, file: &FileRecord<'_>) {
        (**self).file(file);
    }

    fn pdu(&mut self, pdu: &PduRecord<'_>) {
        (**self).pdu(pdu);
    }

    fn exchange(&mut self, exchange: &Exchange) {
        (**self).exchange(exchange);
    }

    fn mak(&mut self, exchange: &MakExchange) {
        (**self).mak(exchange);
    }

    fn computer(&mut self, computer: &vamt::Computer) {
        (**self).computer(computer);
    }

    fn directory(&mut self, exchange: &DirectoryExchange) {
        (**self).directory(exchange);
    }

    fn object(&mut self, object: &ObjectRecord) {
        (**self).object(object);
    }

    fn lookup(&mut self, lookup: &Lookup) {
        (**self).lookup(lookup);
    }

    fn search(&mut self, search: &Search) {
        (**self).search(search);
    }

    fn guest(&mut self, exchange: &GuestExchange) {
        (**self).guest(exchange);
    }

    fn channel(&mut self, channel: &ChannelRecord) {
        (**self).channel(channel);
    }

    fn control(&mut self, control: &ControlRecord) {
        (**self).control(control);
    }

    fn connection(&mut self, connection: &ConnectionRecord) {
        (**self).connection(connection);
    }

    fn notice(&mut self, notice: &Notice) {
        (**self).notice(notice);
    }

    fn comment(&mut self, comment: &Comment) {
        (**self).comment(comment);
    }

    fn summary(&mut self, summary: &Summary) {
        (**self).summary(summary);
    }

    fn wants_more(&self) -> bool {
        (**self).wants_more()
    }
}

/// A PDU of a stream, or what stands in its place.
#[derive(Debug)]
pub struct PduRecord<'a> {
    /// Number of the connection in its file.
    pub stream: u64,
    /// Its direction.
    pub direction: Direction,
    /// Offset in that direction's stream.
    pub offset: u64,
    /// The packet with the first byte.
    pub first: Stamp,
    /// The packet with the last byte.
    pub last: Stamp,
    /// What it is.
    pub content: PduContent<'a>,
}

/// What stands at a place of a stream.
#[derive(Debug)]
pub enum PduContent<'a> {
    /// A whole PDU.
    Whole {
        /// As far as it could be read.
        pdu: &'a Pdu<'a>,
        /// Its bytes.
        bytes: &'a [u8],
        /// Where reading stopped early.
        error: Option<&'a Error>,
    },
    /// A PDU's beginning.
    Cut {
        /// Its header, where that is there.
        header: Option<Header>,
        /// Its bytes.
        bytes: &'a [u8],
    },
    /// Bytes that are no PDU.
    Skipped {
        /// How many.
        length: u64,
        /// The first few.
        sample: &'a [u8],
    },
}

/// Makes exchanges of streams.
pub(super) struct Tracer<O> {
    pub(super) observer: O,
    pub(super) summary: Summary,
    /// The ports on which volume activation is expected.
    ports: Vec<u16>,
    /// Bytes of all connections of a shard that wait for more.
    held: [usize; SHARDS],
    /// The secrets with which TLS is opened.
    pub(super) key_log: Arc<KeyLog>,
    /// How the connections were found, by their numbers, in their shards.
    found: [HashMap<u64, Arc<Found>>; SHARDS],
    /// One for all connections: they share the keys of a time.
    verifier: Verifier,
}

/// Bytes of all connections of a shard together that wait for more: PDUs that are not whole, requests without their
/// answer.
const MAX_HELD: usize = 4 << 20;

/// Connections of a shard of which it is known how they were found. Those that turn out to be something else make room.
const MAX_FOUND: usize = 2048;

/// Overlaps with other bytes of a connection that are told one by one.
const MAX_CONFLICTS: u64 = 16;

/// What is kept of a connection.
pub(super) enum State {
    /// Nothing was sent yet.
    Fresh,
    /// It begins like DCE/RPC, or is on a port of volume activation.
    Rpc(Box<RpcConnection>),
    /// It begins like HTTP or TLS.
    Web(Box<WebConnection>),
    /// It begins like LDAP, or like TLS on a port where LDAP is in it.
    Directory(Box<DirectoryConnection>),
    /// Something else.
    Ignored,
}

impl State {
    /// True where what is missing of the connection, or contradicts itself, is worth a complaint.
    fn is_told_of(&self) -> bool {
        match self {
            Self::Fresh | Self::Ignored => false,
            Self::Rpc(_) => true,
            Self::Web(connection) => connection.is_of_interest(),
            Self::Directory(connection) => connection.is_of_interest(),
        }
    }

    /// Bytes that wait for more.
    fn held(&self) -> usize {
        match self {
            Self::Fresh | Self::Ignored => 0,
            Self::Rpc(connection) => connection.held(),
            Self::Web(connection) => connection.held(),
            Self::Directory(connection) => connection.held(),
        }
    }
}

impl<O: Observer> Tracer<O> {
    pub(super) fn new(observer: O, options: &Options) -> Self {
        Self {
            observer,
            summary: Summary::default(),
            ports: options.ports.clone(),
            key_log: Arc::clone(&options.key_log),
            held: [0; SHARDS],
            found: Default::default(),
            verifier: Verifier::default(),
        }
    }

    fn is_kms_port(&self, flow: &FlowInfo) -> bool {
        self.ports.contains(&flow.server.port) || self.ports.contains(&flow.client.port)
    }

    /// What becomes of a connection by its first bytes: where its port does not tell, they have to look like DCE/RPC, like
    /// HTTP or like TLS.
    fn first_bytes(&self, flow: &FlowInfo, direction: Direction, (offset, bytes): (u64, &[u8])) -> State {
        let is_kms_port = self.is_kms_port(flow);
        if is_kms_port || (bytes.first() == Some(&5) && offset == 0) {
            State::Rpc(Box::new(RpcConnection::new(flow, is_kms_port)))
        } else {
            let directory = DirectoryConnection::begins_with(bytes, direction, flow).map(Box::new);
            let web = || WebConnection::begins_with(bytes, direction, flow).map(Box::new);
            directory.map(State::Directory).or_else(|| web().map(State::Web)).unwrap_or(State::Ignored)
        }
    }

    /// Takes how a connection that is about to be opened was found. Beyond the bound, nobody is told.
    pub(super) fn add_found(&mut self, stream: u64, found: Arc<Found>) {
        let known = &mut self.found[shard_of(stream)];
        if known.len() < MAX_FOUND {
            known.insert(stream, found);
        }
    }

    fn take_found(&mut self, stream: u64) -> Option<Arc<Found>> {
        let known = &mut self.found[shard_of(stream)];
        if known.is_empty() { None } else { known.remove(&stream) }
    }

    fn found_of(&self, stream: u64) -> Option<Arc<Found>> {
        self.found[shard_of(stream)].get(&stream).cloned()
    }

    /// Adds the secrets of a key log that the capture carries. What cannot be read of it cannot be used.
    pub(super) fn add_secrets(&mut self, text: &[u8]) {
        Arc::make_mut(&mut self.key_log).add(text);
    }

    /// Tells of a search in a directory.
    pub(super) fn directory(&mut self, mut exchange: DirectoryExchange) {
        exchange.found = self.found_of(exchange.stream);
        self.summary.count(&exchange);
        self.observer.directory(&exchange);
    }

    /// Tells of an exchange with one of MAK's services.
    pub(super) fn mak(&mut self, mut exchange: MakExchange) {
        if let Carrier::Stream { stream, .. } = exchange.carrier {
            exchange.found = self.found_of(stream);
        }
        self.summary.count(&exchange);
        self.observer.mak(&exchange);
    }

    pub(super) fn notice(&mut self, notice: &Notice) {
        self.summary.notices += 1;
        self.observer.notice(notice);
    }
}

impl<O: Observer> Handler for Tracer<O> {
    type State = State;

    fn open(&mut self, _: &FlowInfo) -> State {
        State::Fresh
    }

    fn data(&mut self, flow: &FlowInfo, state: &mut State, direction: Direction, chunk: Chunk<'_>) {
        let shard = shard_of(flow.stream);
        let held = state.held();
        if matches!(state, State::Fresh) {
            *state = self.first_bytes(flow, direction, (chunk.offset, chunk.bytes));
        }
        let mut is_dismissed = match state {
            State::Fresh => return,
            State::Ignored => true,
            State::Rpc(connection) => {
                connection.data(self, flow, direction, chunk);
                connection.is_dismissed()
            }
            State::Web(connection) => {
                connection.data(self, flow, direction, chunk);
                connection.is_dismissed()
            }
            State::Directory(connection) => {
                connection.data(self, flow, direction, chunk);
                false
            }
        };
        self.held[shard] = self.held[shard] + state.held() - held;
        if self.held[shard] > MAX_HELD {
            // The one that takes more than there is lets go of all that it holds.
            self.held[shard] -= state.held();
            match state {
                State::Fresh | State::Ignored => {}
                State::Rpc(connection) => connection.give_up(self, flow),
                State::Web(connection) => {
                    connection.give_up(self, flow);
                    is_dismissed |= connection.is_dismissed();
                }
                State::Directory(connection) => connection.give_up(self, flow),
            }
            self.held[shard] += state.held();
        }
        if is_dismissed {
            self.held[shard] -= state.held();
            *state = State::Ignored;
        }
        if matches!(state, State::Ignored) {
            self.take_found(flow.stream);
        }
    }

    fn gap(&mut self, flow: &FlowInfo, state: &mut State, direction: Direction, gap: Gap) {
        let shard = shard_of(flow.stream);
        self.held[shard] -= state.held();
        // Elsewhere than on a port of volume activation, the next bytes may tell.
        if matches!(state, State::Fresh) && self.is_kms_port(flow) {
            *state = self.first_bytes(flow, direction, (0, &[]));
        }
        let cut = match state {
            State::Fresh | State::Ignored => return,
            State::Rpc(connection) => connection.gap(self, flow, direction, gap),
            State::Web(connection) => {
                connection.gap(self, flow, direction, gap);
                String::new()
            }
            State::Directory(connection) => {
                connection.gap(self, flow, direction, gap);
                String::new()
            }
        };
        self.held[shard] += state.held();
        if !state.is_told_of() {
            return;
        }
        let length = gap.to - gap.from;
        let why = if gap.by_snap_length { "cut off by the snap length" } else { "not in the capture" };
        self.notice(&Notice {
            needed: Some(length),
            got: Some(0),
            ..Notice::in_stream(
                NoticeKind::StreamGap,
                format!("gap: {length} bytes are {why}{cut}"),
                (flow.stream, direction, gap.from),
                gap.stamp.frame,
            )
        });
    }

    fn conflict(&mut self, flow: &FlowInfo, state: &mut State, direction: Direction, conflict: Conflict<'_>) {
        if flow.conflicts[direction as usize] > MAX_CONFLICTS || !state.is_told_of() {
            return;
        }
        let Conflict { offset, length, kept, other, stamp } = conflict;
        let last = if flow.conflicts[direction as usize] == MAX_CONFLICTS {
            "; more of them in this direction are counted, not told"
        } else {
            ""
        };
        let (kept, other) = (Hex(kept), Hex(other));
        self.notice(&Notice {
            got: Some(length),
            ..Notice::in_stream(
                NoticeKind::OverlapConflict,
                format!("overlap: {length} bytes came again and differ: kept {kept}, not {other}{last}"),
                (flow.stream, direction, offset),
                stamp.frame,
            )
        });
    }

    fn wants(&self, state: &State) -> bool {
        !matches!(state, State::Ignored)
    }

    fn close(&mut self, flow: &FlowInfo, state: State, end: End) {
        self.held[shard_of(flow.stream)] -= state.held();
        let found = self.found_of(flow.stream);
        let is_meant = || self.is_kms_port(flow) || found.as_deref().is_some_and(leads_to_a_service);
        let record = match state {
            State::Fresh if is_meant() => Some(ConnectionRecord::silent(flow, end)),
            State::Rpc(connection) => connection.close(self, flow, end),
            State::Web(connection) => connection.close(self, flow, end),
            State::Directory(connection) => connection.close(self, flow, end),
            State::Fresh | State::Ignored => None,
        };
        let found = self.take_found(flow.stream);
        match record {
            Some(record) => {
                let record = ConnectionRecord { found, ..record };
                self.summary.connections += 1;
                self.observer.connection(&record);
            }
            None => self.summary.other_connections += 1,
        }
    }
}

/// True for the hosts that are asked for activation: those of KMS by their service or in Azure, and those of MAK.
fn leads_to_a_service(found: &Found) -> bool {
    let is_kms = found.via.as_ref().is_some_and(|via| via.kms_domain().is_some());
    is_kms || discovery::is_of_interest(&found.name) || mak::is_service_host(found.name.as_str())
}

impl<O: Observer> Out for Tracer<O> {
    fn verifier(&mut self) -> &mut Verifier {
        &mut self.verifier
    }

    fn exchange(&mut self, mut exchange: Exchange) {
        exchange.found = self.found_of(exchange.stream);
        self.summary.count(&exchange);
        self.observer.exchange(&exchange);
    }
}

impl<O: Observer> Tracer<O> {
    pub(super) fn pdu(&mut self, record: &PduRecord<'_>) {
        if matches!(record.content, PduContent::Whole { .. }) {
            self.summary.pdus += 1;
        }
        self.observer.pdu(record);
    }
}
