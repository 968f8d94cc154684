use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};

use crate::peer::gone::memory_peak;
use crate::peer::{Gone, LastWords};

/// The client under test.
#[derive(Clone, Debug)]
pub enum Client {
    /// Somebody else starts it.
    Awaited,
    /// A program and its arguments, in which `{addr}`, `{host}`, `{port}` and `{version}` (4, 5 or 6) are replaced.
    Command(Vec<String>),
    /// A client of this program: whether it has what it asked for, at this address in this version.
    Own(fn(SocketAddr, u16) -> bool),
}

/// How a run of a client ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// Nobody knows: somebody else has started it.
    #[default]
    Unknown,
    /// It did not end in time.
    Overdue,
    /// It says that it has what it asked for.
    Success,
    /// It says that it has not: how.
    Failure(Gone),
    /// It says nothing: a signal has ended it, or it panicked.
    Crashed(Gone),
}

/// A run of a client.
#[derive(Debug)]
pub(super) enum Running {
    Elsewhere,
    Process(Child, LastWords),
    Thread(Option<JoinHandle<bool>>),
}

/// The version that is asked for where a behaviour takes any.
const USUAL_VERSION: u16 = 6;

impl Client {
    /// Starts it, pointed at this address.
    ///
    /// # Errors
    /// Why it cannot be started.
    pub(super) fn start(&self, host: SocketAddr, version: Option<u16>) -> Result<Running, String> {
        let version = version.unwrap_or(USUAL_VERSION);
        match self {
            Self::Awaited => Ok(Running::Elsewhere),
            Self::Own(run) => {
                let run = *run;
                Ok(Running::Thread(Some(thread::spawn(move || run(host, version)))))
            }
            Self::Command(words) => {
                let words: Vec<String> = words.iter().map(|word| filled(word, host, version)).collect();
                let (program, arguments) = words.split_first().ok_or("there is no command")?;
                let mut child = Command::new(program)
                    .args(arguments)
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(Stdio::piped())
                    .spawn()
                    .map_err(|error| format!("the client cannot be started: {program}: {error}"))?;
                let words = child.stderr.take().map(LastWords::of).unwrap_or_default();
                Ok(Running::Process(child, words))
            }
        }
    }
}

/// A word of a command, its placeholders replaced.
fn filled(word: &str, host: SocketAddr, version: u16) -> String {
    word.replace("{addr}", &host.to_string())
        .replace("{host}", &host.ip().to_string())
        .replace("{port}", &host.port().to_string())
        .replace("{version}", &version.to_string())
}

impl Running {
    /// How it ended; `None` while it runs, and of one that runs elsewhere.
    pub(super) fn ended(&mut self) -> Option<Ending> {
        match self {
            Self::Elsewhere => None,
            Self::Process(child, _) => match child.try_wait() {
                Ok(Some(status)) if status.success() => Some(Ending::Success),
                Ok(Some(status)) if status.code().is_none() => Some(Ending::Crashed(Gone::with(status))),
                Ok(Some(status)) => Some(Ending::Failure(Gone::with(status))),
                Ok(None) => None,
                Err(error) => Some(Ending::Failure(Gone::unknown(error))),
            },
            Self::Thread(thread) => {
                let ended = thread.take_if(|thread| thread.is_finished())?;
                Some(match ended.join() {
                    Ok(true) => Ending::Success,
                    Ok(false) => Ending::Failure(Gone::unknown("it has no answer")),
                    Err(_) => Ending::Crashed(Gone::unknown("it panicked")),
                })
            }
        }
    }

    /// Bytes of memory that it took at most until now, where that can be known.
    pub(super) fn memory(&self) -> Option<u64> {
        match self {
            Self::Process(child, _) => memory_peak(child.id()),
            _ => None,
        }
    }

    /// Its last words on standard error.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Process(_, words) => words.take_all().trim().to_owned(),
            _ => String::new(),
        }
    }
}

impl Running {
    /// Ends a process.
    pub(super) fn end(&mut self) {
        if let Self::Process(child, _) = self {
            // Fails where it has ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}
