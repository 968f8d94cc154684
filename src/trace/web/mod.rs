//! Connections that are read as HTTP, or as TLS with HTTP in it.

mod http;

use crate::capture::{Chunk, Direction, End, FlowInfo, Gap};

use http::{Http, Raw};

use super::tls::Tls;
use super::tracer::Tracer;
use super::{ConnectionRecord, Observer, WebRecord};

const DIRECTIONS: [Direction; 2] = [Direction::ToServer, Direction::ToClient];

/// A connection that begins like HTTP or like TLS: either of them, or TLS in a tunnel through a proxy.
pub(super) struct WebConnection {
    http: Option<Http>,
    tls: Option<Tls>,
    /// What is in the TLS.
    inside: Http,
    has_gaps: bool,
}

impl WebConnection {
    /// One whose first bytes these are; `None` where they are neither's.
    pub(super) fn begins_with(bytes: &[u8], direction: Direction, flow: &FlowInfo) -> Option<Self> {
        if bytes.is_empty() {
            return None;
        }
        let is_whole = flow.syn.is_some() || flow.syn_ack.is_some();
        if direction == Direction::ToServer && crate::tls::looks_like_client_hello(bytes) != Some(false) {
            return Some(Self::new(None, Some(Tls::new())));
        }
        let begins = |start: &[u8]| {
            let length = start.len().min(bytes.len());
            bytes[..length] == start[..length]
        };
        let is_http = match direction {
            Direction::ToServer => STARTS.iter().any(|start| begins(start)),
            Direction::ToClient => begins(b"HTTP/1."),
        };
        is_http.then(|| Self::new(Some(Http::new(is_whole, false)), None))
    }

    fn new(http: Option<Http>, tls: Option<Tls>) -> Self {
        Self { http, tls, inside: Http::new(true, true), has_gaps: false }
    }

    /// Bytes that wait for more, and the connection itself, which is large.
    pub(super) fn held(&self) -> usize {
        let plain = self.http.as_ref().map_or(0, Http::held);
        size_of::<Self>() + plain + self.tls.as_ref().map_or(0, Tls::held) + self.inside.held()
    }

    /// True once something says that it has to do with volume activation.
    pub(super) fn is_of_interest(&self) -> bool {
        self.http.as_ref().is_some_and(Http::is_of_interest)
            || self.tls.as_ref().is_some_and(Tls::names_a_service)
            || self.inside.is_of_interest()
    }

    /// True once it has shown that it has nothing to do with volume activation.
    pub(super) fn is_dismissed(&self) -> bool {
        let http = self.http.as_ref().is_none_or(Http::is_dismissed);
        match &self.tls {
            Some(tls) => {
                let is_over = tls.is_given_up() || self.inside.is_dismissed();
                let is_dismissed = tls.is_elsewhere() || (is_over && !tls.names_a_service());
                is_dismissed && !self.http.as_ref().is_some_and(Http::is_of_interest)
            }
            None => http,
        }
    }

    pub(super) fn data<O: Observer>(
        &mut self,
        tracer: &mut Tracer<O>,
        flow: &FlowInfo,
        direction: Direction,
        chunk: Chunk<'_>,
    ) {
        let piece = (chunk.offset, chunk.bytes, chunk.stamp);
        self.with_http(tracer, flow, |http, to, raw| http.push(to, direction, piece, raw));
        if self.http.is_none()
            && let Some(tls) = &mut self.tls
        {
            tls.push((tracer, flow), direction, piece, &mut self.inside);
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
        self.with_http(tracer, flow, |http, to, raw| http.gap(to, direction, gap.to, raw));
        if let Some(tls) = &mut self.tls {
            tls.gap((tracer, flow), direction, gap.to, gap.stamp, &mut self.inside);
        }
    }

    /// Lets go of all that is held.
    pub(super) fn give_up<O: Observer>(&mut self, tracer: &mut Tracer<O>, flow: &FlowInfo) {
        if let Some(http) = &mut self.http {
            http.give_up(tracer, flow);
        }
        if let Some(tls) = &mut self.tls {
            self.inside.give_up(tracer, flow);
            tls.give_up();
        }
    }

    /// The connection's record; `None` where it has nothing to do with volume activation.
    pub(super) fn close<O: Observer>(
        mut self,
        tracer: &mut Tracer<O>,
        flow: &FlowInfo,
        end: End,
    ) -> Option<ConnectionRecord> {
        if let Some(http) = &mut self.http {
            http.finish(tracer, flow);
        }
        if let Some(tls) = &mut self.tls {
            tls.finish((tracer, flow), &mut self.inside);
            self.inside.finish(tracer, flow);
        }
        if !self.is_of_interest() {
            return None;
        }
        let layers = [self.http.as_ref(), self.tls.as_ref().map(|_| &self.inside)];
        let layers = || layers.into_iter().flatten();
        let sum = |of: fn(&Http) -> [u64; 2]| {
            layers().map(of).fold([0; 2], |[a, b], [client, server]| [a + client, b + server])
        };
        Some(ConnectionRecord {
            has_gaps: self.has_gaps,
            skipped: sum(Http::skipped),
            exchanges: layers().map(Http::exchanges).sum(),
            web: Some(Box::new(WebRecord {
                messages: sum(Http::messages),
                tls: self.tls.as_ref().map(Tls::record),
                is_tunnelled: self.http.is_some() && self.tls.is_some(),
            })),
            ..ConnectionRecord::silent(flow, end)
        })
    }

    /// Does something with the plain HTTP; what it has in a tunnel goes to TLS.
    fn with_http<O: Observer>(
        &mut self,
        tracer: &mut Tracer<O>,
        flow: &FlowInfo,
        act: impl FnOnce(&mut Http, (&mut Tracer<O>, &FlowInfo), &mut dyn FnMut(Raw<'_>)),
    ) {
        let Self { http: Some(http), tls, inside, .. } = self else { return };
        let mut tunnelled: Vec<(Direction, u64, crate::capture::Stamp, Vec<u8>)> = Vec::new();
        act(http, (&mut *tracer, flow), &mut |Raw { direction, offset, stamp, bytes }| {
            tunnelled.push((direction, offset, stamp, bytes.to_vec()));
        });
        for (direction, offset, stamp, bytes) in tunnelled {
            let tls = tls.get_or_insert_with(Tls::in_tunnel);
            tls.push((tracer, flow), direction, (offset, &bytes, stamp), inside);
        }
    }
}

/// The beginnings of requests (RFC 9110 9.3).
const STARTS: [&[u8]; 8] =
    [b"POST ", b"GET ", b"CONNECT ", b"HEAD ", b"PUT ", b"OPTIONS ", b"DELETE ", b"PATCH "];
