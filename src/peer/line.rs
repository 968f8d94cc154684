use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::capture::{Dialogue, Direction, Endpoint};
use crate::wire::{FileTime, Side};

/// A live TCP connection of which everything that is sent and received is kept, as a capture of it would have it.
#[derive(Debug)]
pub struct Line {
    stream: TcpStream,
    /// Which side this program is.
    side: Side,
    dialogue: Dialogue,
    /// Bytes that were received and not taken yet.
    waiting: Vec<u8>,
    /// True once the peer sends no more.
    is_ended: bool,
    /// True once this side has sent its FIN.
    is_closed: bool,
}

/// What came, or why nothing did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A whole PDU, as its frag_length says.
    Pdu(Vec<u8>),
    /// Bytes that cannot be a PDU's beginning; all that had come by then.
    NotRpc(Vec<u8>),
    /// The peer has sent its FIN; the beginning of a PDU may have come before it.
    Closed(Vec<u8>),
    /// The peer has reset the connection; as above.
    Reset(Vec<u8>),
    /// Nothing more came in time; as above.
    Silent(Vec<u8>),
}

/// Bytes of a PDU's common header.
const HEADER: usize = 16;
/// How long a peer that does not read may keep this side from writing.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes that are read at a time.
const ROOM: usize = 16 << 10;

impl Line {
    /// Connects to a host.
    ///
    /// # Errors
    /// Those of connecting, of which `TimedOut` is one.
    pub fn connect(host: SocketAddr, timeout: Duration) -> io::Result<Self> {
        Self::of(TcpStream::connect_timeout(&host, timeout)?, Side::Client)
    }

    /// A connection that was accepted (this program is its server).
    ///
    /// # Errors
    /// It has ended already.
    pub fn accepted(stream: TcpStream) -> io::Result<Self> {
        Self::of(stream, Side::Server)
    }

    fn of(stream: TcpStream, side: Side) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let end = |address: SocketAddr| Endpoint { address: address.ip(), port: address.port() };
        let (own, other) = (end(stream.local_addr()?), end(stream.peer_addr()?));
        let (client, server) = match side {
            Side::Client => (own, other),
            Side::Server => (other, own),
        };
        let dialogue = Dialogue::new(client, server, nanoseconds());
        Ok(Self { stream, side, dialogue, waiting: Vec::new(), is_ended: false, is_closed: false })
    }

    /// Sends bytes at once.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        // Whether a peer that hangs up meanwhile gets all of it depends on the moment; what was sent does not.
        self.dialogue.send(self.outward(), nanoseconds(), bytes);
        self.stream.write_all(bytes)
    }

    /// Sends bytes in pieces of this size, one after each such time; on a busy machine what is late is not waited for, so
    /// that all of it takes no longer.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn send_in_pieces(&mut self, bytes: &[u8], size: usize, pause: Duration) -> io::Result<()> {
        let mut due = Instant::now();
        for piece in bytes.chunks(size.max(1)) {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            self.send(piece)?;
            due += pause;
        }
        Ok(())
    }

    /// Waits for the next PDU.
    #[must_use]
    pub fn receive(&mut self, timeout: Duration) -> Received {
        self.receive_in(timeout).unwrap_or_else(|| Received::Silent(std::mem::take(&mut self.waiting)))
    }

    /// As [`Self::receive`], but that what has come of a PDU stays where nothing more came in time: `None`.
    pub(super) fn receive_in(&mut self, timeout: Duration) -> Option<Received> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(received) = take_pdu(&mut self.waiting) {
                return Some(received);
            }
            if self.is_ended {
                return Some(Received::Closed(std::mem::take(&mut self.waiting)));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let mut room = [0; ROOM];
            acknowledge_at_once(&self.stream);
            let read = self.stream.set_read_timeout(Some(left)).and_then(|()| self.stream.read(&mut room));
            match read {
                Ok(0) => {
                    self.is_ended = true;
                    self.dialogue.close(self.inward(), nanoseconds());
                }
                Ok(count) => {
                    self.dialogue.send(self.inward(), nanoseconds(), &room[..count]);
                    self.waiting.extend_from_slice(&room[..count]);
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                    _ => {
                        self.is_ended = true;
                        self.dialogue.reset(self.inward(), nanoseconds());
                        return Some(Received::Reset(std::mem::take(&mut self.waiting)));
                    }
                },
            }
        }
    }

    /// Sends this side's FIN; what the peer sends can still be received.
    pub fn close_sending(&mut self) {
        if !self.is_closed && self.stream.shutdown(Shutdown::Write).is_ok() {
            self.is_closed = true;
            self.dialogue.close(self.outward(), nanoseconds());
        }
    }

    /// Ends the connection, and gives what it was.
    #[must_use]
    pub fn into_dialogue(mut self) -> Dialogue {
        self.close_sending();
        self.dialogue
    }

    /// What it was so far.
    #[must_use]
    pub fn dialogue(&self) -> &Dialogue {
        &self.dialogue
    }

    fn outward(&self) -> Direction {
        self.side.into()
    }

    fn inward(&self) -> Direction {
        self.outward().opposite()
    }
}

/// A peer that writes an answer in two pieces, and has left Nagle's algorithm on, sends the second one only when the first
/// is acknowledged, which a system otherwise puts off (40 ms on Linux). It has to be asked for before each read.
fn acknowledge_at_once(stream: &TcpStream) {
    #[cfg(target_os = "linux")]
    {
        use std::os::linux::net::TcpStreamExt as _;
        // All that is lost without it is time.
        let _ = stream.set_quickack(true);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = stream;
}

/// The PDU that stands in front of what has come, or what stands there instead; `None` where more has to come.
pub(super) fn take_pdu(waiting: &mut Vec<u8>) -> Option<Received> {
    if waiting.first().is_some_and(|&version| version != 5) {
        return Some(Received::NotRpc(std::mem::take(waiting)));
    }
    let length = frag_length(waiting).filter(|&length| length <= waiting.len())?;
    if length < HEADER {
        return Some(Received::NotRpc(std::mem::take(waiting)));
    }
    let rest = waiting.split_off(length);
    Some(Received::Pdu(std::mem::replace(waiting, rest)))
}

/// frag_length of the PDU that begins here, in the byte order that its drep has.
pub(super) fn frag_length(bytes: &[u8]) -> Option<usize> {
    let [_, _, _, _, drep, _, _, _, a, b, ..] = *bytes else { return None };
    let bytes = [a, b];
    Some(usize::from(if drep & 0xf0 == 0x10 { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) }))
}

/// This moment.
pub(super) fn now() -> FileTime {
    FileTime::from_unix_nanos(nanoseconds().into()).unwrap_or_default()
}

/// Nanoseconds since 1970.
pub(super) fn nanoseconds() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
