use std::io;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::capture::{Dialogue, Direction};
use crate::kms::{Ndr, RequestMessage, RequestStub};
use crate::peer::{Answer, Line, Received, Session, Settings, moment};
use crate::rpc::{Association, Body, Outcome, Pdu, TransferSyntax};
use crate::wire::Random;

use super::behaviour::{Act, Behaviour, Scene};
use super::client::{Client, Ending, Running};
use super::{Plan, Stage};

/// What happened while a behaviour was played.
#[derive(Debug, Default)]
pub(super) struct Meeting {
    /// The connections, in their order.
    pub(super) dialogues: Vec<Dialogue>,
    /// How the client ended.
    pub(super) ending: Ending,
    /// What it said on standard error.
    pub(super) words: String,
    /// The major version in which it asked.
    pub(super) version: Option<u16>,
    /// The transfer syntax in which it asked.
    pub(super) ndr: Option<Ndr>,
    /// True where it asked more on a connection on which it was misled.
    pub(super) goes_on: bool,
}

/// Connections that are taken for one behaviour.
const MAX_CONNECTIONS: usize = 16;
/// How often is looked whether a client has come, or has ended.
const GLANCE: Duration = Duration::from_millis(2);
/// How long a client that somebody else has started may take to try again.
const RETRY: Duration = Duration::from_millis(500);

impl Stage {
    /// Plays a behaviour for one run of the client.
    ///
    /// # Errors
    /// No client came.
    pub(super) fn meet(&self, behaviour: &Behaviour, plan: &Plan) -> Result<Meeting, String> {
        // Whoever still waits from before is not the client of now.
        while self.listener.accept().is_ok() {}
        let mut client = plan.client.start(self.addr(), behaviour.version)?;
        let mut meeting = Meeting::default();
        let mut random = Random::new(plan.seed, behaviour.id);
        let mut deadline = Instant::now() + plan.timeout;
        let settings =
            Settings { takes_ndr64: behaviour.takes_ndr64, port: self.addr().port(), ..Settings::default() };
        loop {
            // Before the port is looked at: what has come by the end of the client is taken still.
            let ended = client.ended();
            match self.listener.accept() {
                Ok((stream, _)) if meeting.dialogues.len() < MAX_CONNECTIONS => {
                    if meeting.dialogues.is_empty() && matches!(plan.client, Client::Awaited) {
                        deadline = Instant::now() + plan.timeout;
                    }
                    let mut part = Part { behaviour, random: &mut random, meeting: &mut meeting, deadline };
                    if let Some(dialogue) = part.play(stream, &settings) {
                        meeting.dialogues.push(dialogue);
                    }
                    if matches!(plan.client, Client::Awaited) {
                        deadline = deadline.min(Instant::now() + RETRY);
                    }
                }
                Ok(_) => {}
                Err(_) if ended.is_none() => thread::sleep(GLANCE),
                Err(_) => {}
            }
            if let Some(ending) = ended {
                meeting.ending = ending;
                break;
            }
            if Instant::now() >= deadline {
                if !matches!(client, Running::Elsewhere) {
                    meeting.ending = Ending::Overdue;
                }
                break;
            }
        }
        client.end();
        meeting.words = client.words();
        if meeting.dialogues.is_empty() {
            let words = if meeting.words.is_empty() { String::new() } else { format!(": {}", meeting.words) };
            return Err(format!("no client came in {} ms{words}", plan.timeout.as_millis()));
        }
        Ok(meeting)
    }
}

/// One connection of a behaviour.
struct Part<'a> {
    behaviour: &'a Behaviour,
    random: &'a mut Random,
    meeting: &'a mut Meeting,
    deadline: Instant,
}

impl Part<'_> {
    /// Talks to the end of the connection; `None` where it had ended before it could be taken.
    fn play(&mut self, stream: TcpStream, settings: &Settings) -> Option<Dialogue> {
        stream.set_nonblocking(false).ok()?;
        let handle = stream.try_clone().ok()?;
        let mut line = Line::accepted(stream).ok()?;
        let mut session = Session::new(settings);
        let mut association = Association::default();
        let mut is_misled = false;
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            let bytes = match line.receive(left) {
                Received::Pdu(bytes) | Received::NotRpc(bytes) => bytes,
                Received::Closed(_) | Received::Reset(_) | Received::Silent(_) => break,
            };
            let asked = Pdu::parse(&bytes).ok();
            let right = session.take(&bytes, &moment(self.random));
            let ndr = noted(&mut association, asked.as_ref(), &right);
            self.note(asked.as_ref(), ndr, is_misled);
            let rightly: Vec<Act> = right.pdus.iter().cloned().map(Act::Send).collect();
            let mut scene = Scene {
                asked: asked.as_ref(),
                right: right.pdus,
                ndr: ndr.unwrap_or(Ndr::Ndr32),
                random: self.random,
            };
            let acts = (self.behaviour.play)(&mut scene);
            // A request may cross a FIN: that misleads nobody.
            is_misled |= acts.iter().filter(|act| **act != Act::Close).ne(&rightly);
            for act in acts {
                match act {
                    Act::Reset => return Some(reset(line, handle, self.deadline)),
                    act => {
                        // Where the client has hung up, that shows in what is received.
                        let _ = done(&mut line, act);
                    }
                }
            }
            if right.closes {
                line.close_sending();
            }
        }
        Some(line.into_dialogue())
    }

    /// Keeps what is known of the client by a PDU of it.
    fn note(&mut self, asked: Option<&Pdu<'_>>, ndr: Option<Ndr>, is_misled: bool) {
        let Some(Pdu { header, body: Body::Request(request), .. }) = asked else { return };
        self.meeting.goes_on |= is_misled;
        let Some(ndr) = ndr else { return };
        self.meeting.ndr.get_or_insert(ndr);
        if let Ok(stub) = RequestStub::parse(request.stub, ndr, header.drep.endianness())
            && let Some(version) = RequestMessage::decode(stub.data).version()
        {
            self.meeting.version.get_or_insert(version.major());
        }
    }
}

/// Keeps what is negotiated; the transfer syntax of a call.
fn noted(association: &mut Association, asked: Option<&Pdu<'_>>, right: &Answer) -> Option<Ndr> {
    let asked = asked?;
    match &asked.body {
        Body::Bind(bind) => association.bind(asked.header.call_id, bind),
        Body::AlterContext(alter) => association.alter_context(asked.header.call_id, alter),
        Body::Request(request) => {
            return match association.context(request.context_id)?.outcome {
                Outcome::Accepted(TransferSyntax::Ndr32) => Some(Ndr::Ndr32),
                Outcome::Accepted(TransferSyntax::Ndr64) => Some(Ndr::Ndr64),
                _ => None,
            };
        }
        _ => return None,
    }
    for pdu in right.pdus.iter().filter_map(|bytes| Pdu::parse(bytes).ok()) {
        if let Body::BindAck(ack) | Body::AlterContextResp(ack) = &pdu.body {
            association.answer(pdu.header.call_id, ack);
        }
    }
    None
}

fn done(line: &mut Line, act: Act) -> io::Result<()> {
    match act {
        Act::Send(bytes) => line.send(&bytes),
        Act::Pieces(bytes, size, pause) => line.send_in_pieces(&bytes, size, pause),
        Act::Close | Act::Reset => {
            line.close_sending();
            Ok(())
        }
    }
}

/// Waits until the client has sent more, and closes the connection with that unread, which resets it.
fn reset(line: Line, handle: TcpStream, deadline: Instant) -> Dialogue {
    let left = deadline.saturating_duration_since(Instant::now()).max(GLANCE);
    // Where nothing comes, the connection is closed as any other.
    let _ = handle.set_read_timeout(Some(left)).and_then(|()| handle.peek(&mut [0]));
    let mut dialogue = line.dialogue().clone();
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    dialogue.reset(Direction::ToClient, u64::try_from(now.as_nanos()).unwrap_or(u64::MAX));
    drop(line);
    drop(handle);
    dialogue
}
