use std::collections::VecDeque;

use crate::capture::{Direction, FlowInfo, Stamp};
use crate::http::{self, Cut, Framed, Framer, Head, StartLine};
use crate::mak;
use crate::trace::mak::{
    Body, Carrier, MakAnswer, MakExchange, MakRequest, Place, RequestHead, Service, soap_action,
};
use crate::trace::rpc_connection::how_it_ended;
use crate::trace::tls::Inside;
use crate::trace::tracer::Tracer;
use crate::trace::{Notice, NoticeKind, Observer};

/// HTTP between a client and a server, of which exchanges with MAK's services are told.
pub(super) struct Http {
    requests: Framer<Stamp>,
    responses: Framer<Stamp>,
    calls: Calls,
    /// True where it came in TLS.
    is_tls: bool,
}

/// The requests that were made.
#[derive(Default)]
struct Calls {
    /// Those that are not answered yet.
    open: VecDeque<Call>,
    /// Number of the first of them.
    first: u64,
    /// Bytes that they hold.
    held: usize,
    /// Messages of the client and of the server.
    messages: [u64; 2],
    /// Bytes of the client and of the server that are no message.
    skipped: [u64; 2],
    exchanges: u64,
    /// Requests and answers that were given up to keep within the bounds.
    dropped: u64,
    /// True once something names a service of volume activation.
    is_of_interest: bool,
    /// Where the server agreed to another protocol behind CONNECT.
    is_tunnel: bool,
}

struct Call {
    head: RequestHead,
    /// True where its body is kept: it may be a service's.
    is_kept: bool,
    request: Option<MakRequest>,
    answer: Option<MakAnswer>,
    /// True once it has its answer, or is known to get none.
    is_closed: bool,
}

/// Requests of a connection that wait for their answer.
const MAX_OPEN: usize = 256;

/// Requests to something else after which nobody waits for one to a service any longer.
const MAX_OTHERS: u64 = 64;

/// Bytes of the protocol in a tunnel.
pub(super) struct Raw<'a> {
    pub(super) direction: Direction,
    pub(super) offset: u64,
    pub(super) stamp: Stamp,
    pub(super) bytes: &'a [u8],
}

impl<O: Observer> Inside<O> for Http {
    fn push(&mut self, to: (&mut Tracer<O>, &FlowInfo), direction: Direction, piece: (u64, &[u8], Stamp)) {
        Self::push(self, to, direction, piece, &mut |_| {});
    }

    fn gap(&mut self, to: (&mut Tracer<O>, &FlowInfo), direction: Direction, end: u64, _: Stamp) {
        Self::gap(self, to, direction, end, &mut |_| {});
    }
}

impl Http {
    pub(super) fn new(is_whole: bool, is_tls: bool) -> Self {
        let (requests, responses) = (Framer::requests(), Framer::responses());
        let (requests, responses) =
            if is_whole { (requests, responses) } else { (requests.mid_stream(), responses.mid_stream()) };
        Self { requests, responses, calls: Calls::default(), is_tls }
    }

    pub(super) fn held(&self) -> usize {
        self.requests.held() + self.responses.held() + self.calls.held
    }

    pub(super) fn is_of_interest(&self) -> bool {
        self.calls.is_of_interest
    }

    /// True once so much was asked of something else that nothing else is expected.
    pub(super) fn is_dismissed(&self) -> bool {
        !self.calls.is_of_interest && !self.calls.is_tunnel && self.calls.messages[0] >= MAX_OTHERS
    }

    pub(super) fn messages(&self) -> [u64; 2] {
        self.calls.messages
    }

    pub(super) fn skipped(&self) -> [u64; 2] {
        self.calls.skipped
    }

    pub(super) fn exchanges(&self) -> u64 {
        self.calls.exchanges
    }

    /// Takes the next bytes of a direction; what a tunnel brings goes to `raw`.
    pub(super) fn push<O: Observer>(
        &mut self,
        to: (&mut Tracer<O>, &FlowInfo),
        direction: Direction,
        (offset, bytes, stamp): (u64, &[u8], Stamp),
        raw: &mut dyn FnMut(Raw<'_>),
    ) {
        self.with(to, direction, raw, |framer, out| framer.push(offset, bytes, stamp, out));
    }

    pub(super) fn gap<O: Observer>(
        &mut self,
        to: (&mut Tracer<O>, &FlowInfo),
        direction: Direction,
        end: u64,
        raw: &mut dyn FnMut(Raw<'_>),
    ) {
        self.with(to, direction, raw, |framer, out| framer.gap(end, out));
    }

    /// Lets go of what is held.
    pub(super) fn give_up<O: Observer>(&mut self, tracer: &mut Tracer<O>, flow: &FlowInfo) {
        for direction in super::DIRECTIONS {
            let end = self.framer(direction).end() + 1;
            self.gap((tracer, flow), direction, end, &mut |_| {});
        }
        self.calls.finish(tracer, flow, self.is_tls);
        self.calls.dropped += 1;
    }

    pub(super) fn finish<O: Observer>(&mut self, tracer: &mut Tracer<O>, flow: &FlowInfo) {
        for direction in super::DIRECTIONS {
            self.with((tracer, flow), direction, &mut |_| {}, |framer, out| framer.finish(out));
        }
        self.calls.finish(tracer, flow, self.is_tls);
        let dropped = self.calls.dropped;
        if dropped > 0 && self.calls.is_of_interest {
            let message = format!("{dropped} requests or answers were given up to bound memory");
            tracer.notice(&Notice {
                frame: Some(flow.last.frame),
                stream: Some(flow.stream),
                ..Notice::new(NoticeKind::BoundReached, message)
            });
        }
    }

    fn framer(&self, direction: Direction) -> &Framer<Stamp> {
        match direction {
            Direction::ToServer => &self.requests,
            Direction::ToClient => &self.responses,
        }
    }

    /// Does something with the framer of a direction, and takes what it hands out.
    fn with<O: Observer>(
        &mut self,
        (tracer, flow): (&mut Tracer<O>, &FlowInfo),
        direction: Direction,
        raw: &mut dyn FnMut(Raw<'_>),
        act: impl FnOnce(&mut Framer<Stamp>, &mut Side<'_, O>),
    ) {
        let Self { requests, responses, calls, is_tls } = self;
        let was_tunnel = calls.is_tunnel;
        let is_tls = *is_tls;
        match direction {
            Direction::ToServer => {
                let mut side = Side { tracer, flow, direction, calls, raw, other: Some(responses), is_tls };
                act(requests, &mut side);
            }
            Direction::ToClient => {
                let mut side = Side { tracer, flow, direction, calls, raw, other: None, is_tls };
                act(responses, &mut side);
            }
        }
        if calls.is_tunnel && !was_tunnel {
            let direction = Direction::ToServer;
            let mut side = Side { tracer, flow, direction, calls, raw, other: Some(responses), is_tls };
            requests.upgrade(&mut side);
        }
    }
}

/// One direction of a connection, told of what is in it.
struct Side<'a, O> {
    tracer: &'a mut Tracer<O>,
    flow: &'a FlowInfo,
    direction: Direction,
    calls: &'a mut Calls,
    raw: &'a mut dyn FnMut(Raw<'_>),
    /// The framer of the responses, for whom requests are announced.
    other: Option<&'a mut Framer<Stamp>>,
    is_tls: bool,
}

impl<O: Observer> http::Handler<Stamp> for Side<'_, O> {
    fn framed(&mut self, framed: Framed<'_, Stamp>) {
        match framed {
            Framed::Head { head, .. } => {
                if let Some(method) = head.method() {
                    if let Some(responses) = &mut self.other {
                        responses.expect(method);
                    }
                    self.calls.open(head, self.tracer, self.flow, self.is_tls);
                }
            }
            Framed::Message(message) => {
                self.complain_of_cut(&message);
                match self.direction {
                    Direction::ToServer => {
                        self.calls.request(*message);
                        self.calls.settle(self.tracer, self.flow, self.is_tls);
                    }
                    Direction::ToClient => self.calls.response(*message, self.tracer, self.flow, self.is_tls),
                }
            }
            Framed::Skipped { offset, length, first, error, .. } => {
                let skipped = &mut self.calls.skipped[self.direction as usize];
                let is_first = *skipped == 0;
                *skipped += length;
                if self.calls.is_of_interest && is_first {
                    self.tracer.notice(&Notice {
                        got: Some(length),
                        ..Notice::in_stream(
                            NoticeKind::NotHttp,
                            format!("{length} bytes are no HTTP: {error}"),
                            (self.flow.stream, self.direction, offset),
                            first.frame,
                        )
                    });
                }
            }
            Framed::Upgraded { .. } => self.calls.is_tunnel = true,
            Framed::Raw { offset, stamp, bytes } => {
                (self.raw)(Raw { direction: self.direction, offset, stamp, bytes });
            }
        }
    }

    fn wants(&mut self, head: &Head) -> bool {
        match &head.start {
            StartLine::Request { .. } => self.calls.open.back().is_some_and(|call| call.is_kept),
            StartLine::Status { .. } => {
                self.calls.open.front().is_some_and(|call| call.is_kept)
                    || is_xml(head.header("content-type").as_deref())
            }
        }
    }
}

impl<O: Observer> Side<'_, O> {
    fn complain_of_cut(&mut self, message: &http::Message<Stamp>) {
        let Some(cut) = message.cut.as_ref().filter(|_| self.calls.is_of_interest) else { return };
        let what = match &message.head.start {
            StartLine::Request { method, .. } => format!("{method} request"),
            StartLine::Status { status, .. } => format!("{status} response"),
        };
        let why = match cut {
            Cut::Gap => format!("{} bytes of it are in a gap", message.missing),
            Cut::End => {
                let (flow, direction) = (self.flow, self.direction);
                format!("{} bytes of its body came; {}", message.body_length, how_it_ended(flow, direction))
            }
            Cut::Damaged(error) => error.to_string(),
        };
        let needed = match message.framing {
            http::Framing::Length(length) => Some(length),
            _ => None,
        };
        self.tracer.notice(&Notice {
            needed,
            got: needed.map(|_| message.body_length),
            ..Notice::in_stream(
                NoticeKind::MessageCut,
                format!("{what} cut: {why}"),
                (self.flow.stream, self.direction, message.offset),
                message.first.frame,
            )
        });
    }
}

impl Calls {
    /// A request has begun.
    fn open<O: Observer>(&mut self, head: &Head, tracer: &mut Tracer<O>, flow: &FlowInfo, is_tls: bool) {
        let StartLine::Request { method, target } = &head.start else { return };
        self.messages[0] += 1;
        let text = |name: &str| head.header(name).map(std::borrow::Cow::into_owned);
        let content_type = text("content-type");
        let head = RequestHead {
            method: method.clone(),
            target: target.clone(),
            host: text("host"),
            user_agent: text("user-agent"),
            soap_action: soap_action(text("soapaction").as_deref(), content_type.as_deref()),
        };
        let is_service =
            Service::of_head(&head).is_some() || head.host_name().is_some_and(mak::is_service_host);
        let is_connect = method == "CONNECT"
            && mak::is_service_host(target.rsplit_once(':').map_or(target, |(name, _)| name));
        self.is_of_interest |= is_service || is_connect;
        let is_kept = method == "POST" && (is_service || is_xml(content_type.as_deref()));
        if self.open.len() == MAX_OPEN {
            self.dropped += 1;
            self.close_first(tracer, flow, is_tls);
        }
        self.open.push_back(Call { head, is_kept, request: None, answer: None, is_closed: false });
    }

    /// A request is whole, or as whole as it gets.
    fn request(&mut self, message: http::Message<Stamp>) {
        let Some(call) = self.open.iter_mut().rev().find(|call| call.request.is_none()) else { return };
        if !call.is_kept {
            return;
        }
        let place = Some(Place { first: message.first, last: message.last });
        let body = body(&message);
        self.held += body.held();
        self.is_of_interest |= body.is_of_a_service();
        call.request = Some(MakRequest { place, head: Some(call.head.clone()), body });
    }

    fn response<O: Observer>(
        &mut self,
        message: http::Message<Stamp>,
        tracer: &mut Tracer<O>,
        flow: &FlowInfo,
        is_tls: bool,
    ) {
        let StartLine::Status { status, reason } = &message.head.start else { return };
        if message.head.is_interim() {
            return;
        }
        self.messages[1] += 1;
        let answer = MakAnswer {
            place: Some(Place { first: message.first, last: message.last }),
            status: Some(*status),
            reason: reason.clone(),
            body: body(&message),
        };
        let Some(number) = message.answers else {
            self.tell(None, Some(answer), tracer, flow, is_tls);
            return;
        };
        // Answers come in order: what is passed over gets none.
        let Some(place) = number.checked_sub(self.first).and_then(|place| usize::try_from(place).ok()) else {
            return;
        };
        self.open.iter_mut().take(place + 1).for_each(|call| call.is_closed = true);
        if let Some(call) = self.open.get_mut(place) {
            self.held += answer.body.held();
            call.answer = Some(answer);
        }
        self.settle(tracer, flow, is_tls);
    }

    /// Tells of the first requests that have all that they get. One that is answered before it is whole waits.
    fn settle<O: Observer>(&mut self, tracer: &mut Tracer<O>, flow: &FlowInfo, is_tls: bool) {
        let is_settled = |call: &Call| call.is_closed && (!call.is_kept || call.request.is_some());
        while self.open.front().is_some_and(is_settled) {
            self.close_first(tracer, flow, is_tls);
        }
    }

    fn close_first<O: Observer>(&mut self, tracer: &mut Tracer<O>, flow: &FlowInfo, is_tls: bool) {
        let Some(Call { request, answer, .. }) = self.open.pop_front() else { return };
        self.first += 1;
        let bodies =
            request.iter().map(|request| &request.body).chain(answer.iter().map(|answer| &answer.body));
        self.held -= bodies.map(Body::held).sum::<usize>();
        if request.is_some() || answer.as_ref().is_some_and(|answer| answer.body.is_of_a_service()) {
            self.tell(request, answer, tracer, flow, is_tls);
        }
    }

    /// Tells of an exchange, where it is one with a service.
    fn tell<O: Observer>(
        &mut self,
        request: Option<MakRequest>,
        answer: Option<MakAnswer>,
        tracer: &mut Tracer<O>,
        flow: &FlowInfo,
        is_tls: bool,
    ) {
        let &FlowInfo { stream, client, server, .. } = flow;
        let exchange = MakExchange::new(Carrier::Stream { stream, client, server, is_tls }, request, answer);
        if exchange.is_with_a_service() {
            self.is_of_interest = true;
            self.exchanges += 1;
            tracer.mak(exchange);
        }
    }

    /// Nothing more comes.
    fn finish<O: Observer>(&mut self, tracer: &mut Tracer<O>, flow: &FlowInfo, is_tls: bool) {
        while !self.open.is_empty() {
            self.close_first(tracer, flow, is_tls);
        }
    }
}

fn body(message: &http::Message<Stamp>) -> Body {
    let text = |name: &str| message.header(name).map(std::borrow::Cow::into_owned);
    Body {
        content_type: text("content-type"),
        content_encoding: text("content-encoding"),
        length: message.body_length,
        is_complete: message.is_complete(),
        ..Body::read(&message.content())
    }
}

fn is_xml(content_type: Option<&str>) -> bool {
    let Some(content_type) = content_type else { return false };
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(media_type.as_str(), "text/xml" | "application/xml") || media_type.ends_with("+xml")
}
