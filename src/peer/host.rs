use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::kms::Moment;
use crate::wire::Random;

use super::line::now;
use super::{Line, Received, Session, Settings};

/// A port of this machine on which a host is played for clients under test. It binds loopback addresses and no other.
///
/// ```
/// use std::net::{Ipv4Addr, SocketAddr};
/// use std::time::Duration;
///
/// use volact::peer::{Host, Line, Received, Settings};
///
/// let host = Host::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?.serve_rightly(&Settings::default(), 7)?;
/// let mut line = Line::connect(host.addr(), Duration::from_secs(5))?;
/// line.send(b"GET / HTTP/1.1\r\n\r\n")?;
/// assert!(matches!(line.receive(Duration::from_secs(5)), Received::Closed(_)));
///
/// let everywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
/// assert!(Host::bind(everywhere).is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Host {
    listener: TcpListener,
    address: SocketAddr,
}

/// What is done about the connections that clients open.
pub trait Handler: Send + Sync + 'static {
    /// Talks on a connection to its end; `number` counts the host's connections from 0.
    fn connection(&self, number: u64, line: Line);
}

/// A host that is running. Dropped, it ends its connections, and waits for what is done about them.
#[derive(Debug)]
pub struct Serving {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    is_ending: AtomicBool,
    /// The connections that are open, by their numbers.
    open: Mutex<BTreeMap<u64, TcpStream>>,
}

/// Connections at a time; further ones are closed at once.
const MAX_CONNECTIONS: usize = 256;
/// How long a client may be silent before a right host ends the connection.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a client that was hung up on may take to hear it.
const LINGER: Duration = Duration::from_secs(1);
/// What is waited for before connections are accepted again, where that has failed (too many files are open, say).
const PAUSE: Duration = Duration::from_millis(20);

impl Host {
    /// Takes a port; 0 is any that is free.
    ///
    /// # Errors
    /// An address that is not loopback (`PermissionDenied`); those of the socket.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        if !address.ip().to_canonical().is_loopback() {
            let message = format!("{address} is not a loopback address: a host is played on loopback only");
            return Err(io::Error::new(ErrorKind::PermissionDenied, message));
        }
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// The address that clients are to be pointed at.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The port, for who accepts its connections in another way.
    pub(super) fn into_listener(self) -> TcpListener {
        self.listener
    }

    /// Runs: each connection in a thread of its own.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn serve(self, handler: impl Handler) -> io::Result<Serving> {
        let shared = Arc::new(Shared::default());
        let (listener, address) = (self.listener, self.address);
        let accepting = thread::Builder::new().name("host".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &Arc::new(handler), &shared)
        })?;
        Ok(Serving { address, shared, accepting: Some(accepting) })
    }

    /// Runs as a right host, with the randomness of a seed.
    ///
    /// # Errors
    /// As [`Self::serve`].
    pub fn serve_rightly(self, settings: &Settings, seed: u64) -> io::Result<Serving> {
        let settings = Settings { port: self.address.port(), ..settings.clone() };
        self.serve(move |number, mut line: Line| {
            let mut random = Random::new(seed, &format!("connection {number}"));
            converse(&mut line, &mut Session::new(&settings), &mut random);
        })
    }
}

impl<F: Fn(u64, Line) + Send + Sync + 'static> Handler for F {
    fn connection(&self, number: u64, line: Line) {
        self(number, line);
    }
}

impl Serving {
    /// The address that clients are to be pointed at.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.shared.is_ending.store(true, Ordering::SeqCst);
        // Nobody may come any more: accepting looks up at a connection only.
        drop(TcpStream::connect_timeout(&self.address, PATIENCE));
        if let Some(accepting) = self.accepting.take() {
            // It has panicked, and has been told.
            drop(accepting.join());
        }
    }
}

/// Answers what comes on a connection rightly, until one side ends it.
pub fn converse(line: &mut Line, session: &mut Session, random: &mut Random) {
    loop {
        let bytes = match line.receive(PATIENCE) {
            Received::Pdu(bytes) | Received::NotRpc(bytes) => bytes,
            Received::Closed(_) | Received::Reset(_) | Received::Silent(_) => return,
        };
        let answer = session.take(&bytes, &moment(random));
        for pdu in &answer.pdus {
            if line.send(pdu).is_err() {
                return;
            }
        }
        if answer.closes {
            line.close_sending();
            // What the client still sends is taken, or the system would reset the connection, and the client might never
            // read the last answer.
            let until = Instant::now() + LINGER;
            while matches!(
                line.receive(until.saturating_duration_since(Instant::now())),
                Received::Pdu(_) | Received::NotRpc(_)
            ) {}
            return;
        }
    }
}

/// This moment, with the next random bytes.
#[must_use]
pub fn moment(random: &mut Random) -> Moment {
    Moment { now: now(), random: random.bytes() }
}

fn accept<H: Handler>(listener: &TcpListener, handler: &Arc<H>, shared: &Arc<Shared>) {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    for number in 0.. {
        let accepted = listener.accept();
        if shared.is_ending.load(Ordering::SeqCst) {
            break;
        }
        threads.retain(|thread| !thread.is_finished());
        let Ok((stream, _)) = accepted else {
            thread::sleep(PAUSE);
            continue;
        };
        if threads.len() >= MAX_CONNECTIONS {
            continue;
        }
        let Ok(handle) = stream.try_clone() else { continue };
        let Ok(line) = Line::accepted(stream) else { continue };
        shared.lock().insert(number, handle);
        let (handler, sharer) = (Arc::clone(handler), Arc::clone(shared));
        let thread = thread::Builder::new().name(format!("connection {number}")).spawn(move || {
            let _open = Open { number, shared: &sharer };
            handler.connection(number, line);
        });
        match thread {
            Ok(thread) => threads.push(thread),
            Err(_) => drop(shared.lock().remove(&number)),
        }
    }
    for stream in shared.lock().values() {
        // The client has ended it already.
        drop(stream.shutdown(Shutdown::Both));
    }
    for thread in threads {
        drop(thread.join());
    }
}

/// A connection that is open until this is dropped, with whatever end.
struct Open<'a> {
    number: u64,
    shared: &'a Shared,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        drop(self.shared.lock().remove(&self.number));
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, TcpStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
