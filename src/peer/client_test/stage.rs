use std::io;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::capture::{Dialogue, Direction};
use crate::kms::{Ndr, RequestMessage, RequestStub};
use crate::peer::{Answer, Line, Received, Session, Settings, moment};
use crate::rpc::{Association, Body, Outcome, Pdu, TransferSyntax};
use crate::wire::Random;

use super::Stage;
use super::behaviour::{Act, Scene};
use super::client::{Client, Ending, Running};

/// What a host does for one run of a client.
pub(in crate::peer) struct Role<'a> {
    /// The major version in which the client is to ask, where it can be told.
    pub(in crate::peer) version: Option<u16>,
    /// True where the host takes NDR64.
    pub(in crate::peer) takes_ndr64: bool,
    /// What is random in its answers.
    pub(in crate::peer) random: Random,
    /// How long a client may be silent once it was misled, before the connection is ended towards it; as long as it
    /// likes where there is none.
    pub(in crate::peer) patience: Option<Duration>,
    /// How long a client that somebody else starts may take to come, where that is not as long as for anything else.
    pub(in crate::peer) wait: Option<Duration>,
    /// What it does about a PDU.
    pub(in crate::peer) play: &'a mut dyn FnMut(&mut Scene<'_>) -> Vec<Act>,
}

/// What happened while a host was played.
#[derive(Debug, Default)]
pub(in crate::peer) struct Meeting {
    /// The connections, in their order.
    pub(in crate::peer) dialogues: Vec<Dialogue>,
    /// How the client ended.
    pub(in crate::peer) ending: Ending,
    /// What it said on standard error.
    pub(in crate::peer) words: String,
    /// The major version in which it asked.
    pub(in crate::peer) version: Option<u16>,
    /// The transfer syntax in which it asked.
    pub(in crate::peer) ndr: Option<Ndr>,
    /// True where it asked more on a connection on which it was misled.
    pub(in crate::peer) goes_on: bool,
    /// Bytes of memory that it took at most (VmHWM), where the system tells.
    pub(in crate::peer) memory: Option<u64>,
}

/// Connections that are taken for one behaviour.
const MAX_CONNECTIONS: usize = 16;
/// How often is looked whether a client has come, or has ended.
const GLANCE: Duration = Duration::from_millis(2);
/// How long a client that somebody else has started may take to try again.
const RETRY: Duration = Duration::from_millis(500);

impl Stage {
    /// Plays a host for one run of the client.
    ///
    /// # Errors
    /// No client came.
    pub(in crate::peer) fn meet(
        &self,
        mut role: Role<'_>,
        who: &Client,
        timeout: Duration,
    ) -> Result<Meeting, String> {
        // Whoever still waits from before is not the client of now.
        while self.listener.accept().is_ok() {}
        let mut client = who.start(self.addr(), role.version)?;
        let mut meeting = Meeting::default();
        let wait = role.wait.unwrap_or(timeout);
        let mut deadline = Instant::now() + wait;
        let settings =
            Settings { takes_ndr64: role.takes_ndr64, port: self.addr().port(), ..Settings::default() };
        loop {
            // Before the port is looked at: what has come by the end of the client is taken still.
            let ended = client.ended();
            match self.listener.accept() {
                Ok((stream, _)) if meeting.dialogues.len() < MAX_CONNECTIONS => {
                    if meeting.dialogues.is_empty() && matches!(who, Client::Awaited) {
                        deadline = Instant::now() + timeout;
                    }
                    let mut part = Part { role: &mut role, client: &client, meeting: &mut meeting, deadline };
                    if let Some(dialogue) = part.play(stream, &settings) {
                        meeting.dialogues.push(dialogue);
                    }
                    if matches!(who, Client::Awaited) {
                        deadline = deadline.min(Instant::now() + RETRY);
                    }
                }
                Ok(_) => {}
                Err(_) if ended.is_none() => {
                    meeting.memory = meeting.memory.max(client.memory());
                    thread::sleep(GLANCE);
                }
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
            return Err(format!("no client came in {} ms{words}", wait.as_millis()));
        }
        Ok(meeting)
    }
}

/// One connection of a host that is played.
struct Part<'a, 'b> {
    role: &'a mut Role<'b>,
    client: &'a Running,
    meeting: &'a mut Meeting,
    deadline: Instant,
}

impl Part<'_, '_> {
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
            let patience =
                self.role.patience.filter(|_| is_misled).map_or(left, |patience| patience.min(left));
            let bytes = match line.receive(patience) {
                Received::Pdu(bytes) | Received::NotRpc(bytes) => bytes,
                Received::Closed(_) | Received::Reset(_) | Received::Silent(_) => break,
            };
            let asked = Pdu::parse(&bytes).ok();
            let right = session.take(&bytes, &moment(&mut self.role.random));
            let ndr = noted(&mut association, asked.as_ref(), &right);
            self.note(asked.as_ref(), ndr, is_misled);
            let rightly: Vec<Act> = right.pdus.iter().cloned().map(Act::Send).collect();
            let mut scene = Scene {
                asked: asked.as_ref(),
                right: right.pdus,
                ndr: ndr.unwrap_or(Ndr::Ndr32),
                random: &mut self.role.random,
            };
            let acts = (self.role.play)(&mut scene);
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
            self.meeting.memory = self.meeting.memory.max(self.client.memory());
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
