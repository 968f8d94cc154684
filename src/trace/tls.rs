use std::sync::Arc;

use crate::capture::{Direction, FlowInfo, Stamp};
use crate::mak;
use crate::tls::{Event, GapReason, Info, Seal, Session};

use super::tracer::Tracer;
use super::{Notice, NoticeKind, Observer, TlsRecord};

/// TLS between a client and a server. What is in it goes to an [`Inside`].
pub(super) struct Tls {
    session: Session<Stamp>,
    /// Offsets in the connection's streams at which it begins: in a tunnel, behind the messages to and of the proxy.
    begins: [Option<u64>; 2],
    is_opened: bool,
    seal: Option<Seal>,
    /// What the hellos said, once the session was given up to keep within the bounds.
    given_up: Option<Info>,
    /// True once the hello names another host than a service's, and no secret of the connection is known.
    is_elsewhere: bool,
}

/// What is spoken inside TLS.
pub(super) trait Inside<O: Observer> {
    /// Takes the next bytes of a direction.
    fn push(&mut self, to: (&mut Tracer<O>, &FlowInfo), direction: Direction, piece: (u64, &[u8], Stamp));

    /// Bytes up to this offset of a direction will not come.
    fn gap(&mut self, to: (&mut Tracer<O>, &FlowInfo), direction: Direction, end: u64, stamp: Stamp);
}

impl Tls {
    pub(super) fn new() -> Self {
        Self::beginning_at([Some(0); 2])
    }

    /// One that begins where the first bytes come.
    pub(super) fn in_tunnel() -> Self {
        Self::beginning_at([None; 2])
    }

    fn beginning_at(begins: [Option<u64>; 2]) -> Self {
        Self {
            session: Session::default(),
            begins,
            is_opened: false,
            seal: None,
            given_up: None,
            is_elsewhere: false,
        }
    }

    pub(super) fn held(&self) -> usize {
        self.session.held()
    }

    /// True once its hello has named another host than a service's, and no secret of it is known.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.is_elsewhere
    }

    /// True once it was given up to keep within the bounds.
    pub(super) fn is_given_up(&self) -> bool {
        self.given_up.is_some()
    }

    /// True where the hello names a host of a service.
    pub(super) fn names_a_service(&self) -> bool {
        let hello = self.info().client_hello.as_ref();
        hello.and_then(|hello| hello.server_name.as_deref()).is_some_and(mak::is_service_host)
    }

    pub(super) fn record(&self) -> TlsRecord {
        TlsRecord { info: self.info().clone(), is_opened: self.is_opened, seal: self.seal }
    }

    pub(super) fn push<O: Observer>(
        &mut self,
        to: (&mut Tracer<O>, &FlowInfo),
        direction: Direction,
        (offset, bytes, stamp): (u64, &[u8], Stamp),
        inside: &mut impl Inside<O>,
    ) {
        if self.given_up.is_some() {
            return;
        }
        let key_log = Arc::clone(&to.0.key_log);
        let begin = *self.begins[direction as usize].get_or_insert(offset);
        self.with(to, begin, inside, |session, emit| {
            session.push(
                direction.into(),
                offset.saturating_sub(begin),
                bytes,
                stamp,
                &key_log,
                &mut |event| emit(event),
            );
        });
        if let Some(hello) = &self.session.info().client_hello {
            self.is_elsewhere = !self.names_a_service() && !key_log.knows(&hello.random);
        }
    }

    pub(super) fn gap<O: Observer>(
        &mut self,
        to: (&mut Tracer<O>, &FlowInfo),
        direction: Direction,
        end: u64,
        stamp: Stamp,
        inside: &mut impl Inside<O>,
    ) {
        if self.given_up.is_some() {
            return;
        }
        let begin = *self.begins[direction as usize].get_or_insert(end);
        self.with(to, begin, inside, |session, emit| {
            session.gap(direction.into(), end.saturating_sub(begin), stamp, &mut |event| emit(event));
        });
    }

    /// Lets go of all that is held: nothing more can be opened then.
    pub(super) fn give_up(&mut self) {
        self.given_up = Some(self.info().clone());
        self.session = Session::default();
    }

    fn info(&self) -> &Info {
        self.given_up.as_ref().unwrap_or(self.session.info())
    }

    pub(super) fn finish<O: Observer>(
        &mut self,
        to: (&mut Tracer<O>, &FlowInfo),
        inside: &mut impl Inside<O>,
    ) {
        self.with(to, 0, inside, |session, emit| session.finish(&mut |event| emit(event)));
    }

    /// Does something with the session, and takes what it finds; `begin` is where its offsets begin.
    fn with<O: Observer>(
        &mut self,
        (tracer, flow): (&mut Tracer<O>, &FlowInfo),
        begin: u64,
        inside: &mut impl Inside<O>,
        act: impl FnOnce(&mut Session<Stamp>, &mut dyn FnMut(Event<'_, Stamp>)),
    ) {
        let is_told = self.names_a_service() || self.is_opened;
        let Self { session, is_opened, seal, .. } = self;
        let mut complaints = Vec::new();
        act(session, &mut |event| match event {
            Event::Data { from, offset, bytes, last, .. } => {
                *is_opened = true;
                inside.push((&mut *tracer, flow), from.into(), (offset, bytes, last));
            }
            Event::Gap { from, to, reason, stamp, .. } => {
                // A gap of the stream is told already.
                if reason != GapReason::NotCaptured {
                    let message = format!("TLS: application data is missing: {}", why_missing(reason));
                    complaints.push((from.into(), 0, stamp, message));
                }
                inside.gap((&mut *tracer, flow), from.into(), to, stamp);
            }
            Event::Malformed { from, offset, error, stamp } => {
                complaints.push((from.into(), offset, stamp, error.to_string()));
            }
            Event::Alert { from, alert, stamp } => {
                complaints.push((from.into(), 0, stamp, format!("TLS alert: {alert}")));
            }
            Event::Sealed { from, offset, reason, stamp } => {
                // That there is no secret is what the connection's record says.
                if *is_opened {
                    let message = format!("TLS is sealed from here on: {reason}");
                    complaints.push((from.into(), offset, stamp, message));
                }
                seal.get_or_insert(reason);
            }
            Event::Closed { .. } => {}
        });
        for (direction, offset, stamp, message) in complaints.into_iter().filter(|_| is_told) {
            let place = (flow.stream, direction, begin + offset);
            tracer.notice(&Notice::in_stream(NoticeKind::TlsSealed, message, place, stamp.frame));
        }
    }
}

fn why_missing(reason: GapReason) -> String {
    match reason {
        GapReason::NotCaptured => "it was not captured".to_owned(),
        GapReason::NoRecord => "there is no record where one should begin".to_owned(),
        GapReason::BadTag { record } => format!("the tag of record {record} does not fit"),
        GapReason::NoKeys => "a record came before the hello that its keys are made of".to_owned(),
        GapReason::EarlyData => "it is early data, for which there is no secret".to_owned(),
        GapReason::Cut => "the stream ends inside a record".to_owned(),
    }
}
