use std::fmt;
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::peer::{Gone, LastWords};

use super::contract::{Answer, CONTRACT, MAX_LINE, Query, UNIMPLEMENTED};

/// Somebody who is asked: a process, or our own implementation.
pub trait Shim {
    /// Asks one question.
    ///
    /// # Errors
    /// There was no answer.
    fn ask(&mut self, query: &Query) -> Result<Answer, Failure>;

    /// The lines that went to and fro since the last call.
    fn take_lines(&mut self) -> Vec<Exchanged>;
}

/// A line that was written or read, or what stands in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exchanged {
    /// The process was started.
    Started,
    /// Asked.
    Asked(String),
    /// Answered.
    Answered(String),
    /// The last lines of standard error.
    StandardError(String),
    /// There was no answer.
    Failed(Failure),
}

/// Why there was no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The process could not be started.
    Start(String),
    /// It does not say hello as the contract has it.
    Hello(String),
    /// It ended: how.
    Ended(Gone),
    /// It said nothing for so long.
    Silent(Duration),
    /// It wrote a line that is no answer: how not.
    NoAnswer(String),
}

/// A shim as a process that is started when it is first asked, and again after it has ended.
#[derive(Debug)]
pub struct Process {
    command: Vec<String>,
    timeout: Duration,
    running: Option<Running>,
    next_id: u32,
    lines: Vec<Exchanged>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    /// Dropped first where the process is to end by itself.
    input: Option<ChildStdin>,
    output: Receiver<io::Result<String>>,
    errors: LastWords,
}

/// How long a program may take to start and say hello, at least.
const START: Duration = Duration::from_secs(10);
/// Lines that may wait to be read.
const WAITING: usize = 16;
/// How long a process that has closed its output may take to end.
const GRACE: Duration = Duration::from_millis(500);

impl Process {
    /// A program and its arguments; an answer may take this long.
    #[must_use]
    pub fn new(command: Vec<String>, timeout: Duration) -> Self {
        Self { command, timeout, running: None, next_id: 0, lines: Vec::new() }
    }

    /// The id of the process, while there is one.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.running.as_ref().map(|running| running.child.id())
    }

    fn start(&mut self) -> Result<(), Failure> {
        if self.running.is_some() {
            return Ok(());
        }
        let running = Running::start(&self.command)?;
        self.running = Some(running);
        self.next_id = 0;
        self.lines.push(Exchanged::Started);
        match self.exchange(&Query::new("hello").with("contract", CONTRACT), self.timeout.max(START)) {
            Ok(Answer::Done(fields)) => match fields.number("contract") {
                Ok(CONTRACT) => Ok(()),
                Ok(other) => Err(Failure::Hello(format!("its contract is {other}, not {CONTRACT}"))),
                Err(missing) => Err(Failure::Hello(missing)),
            },
            Ok(_) => Err(Failure::Hello("it does not do hello".to_owned())),
            Err(failure) => Err(failure),
        }
    }

    fn exchange(&mut self, query: &Query, timeout: Duration) -> Result<Answer, Failure> {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        let line = query.line(id);
        self.lines.push(Exchanged::Asked(line.clone()));
        let Some(running) = &mut self.running else { return Err(ended("not started")) };
        // An error of writing shows in what is read: the process has ended.
        if let Some(input) = &mut running.input {
            let _ = input.write_all((line + "\n").as_bytes()).and_then(|()| input.flush());
        }
        match running.output.recv_timeout(timeout) {
            Ok(Ok(line)) => {
                self.lines.push(Exchanged::Answered(line.clone()));
                Answer::parse(&line, id).map_err(Failure::NoAnswer)
            }
            Ok(Err(error)) => Err(Failure::NoAnswer(error.to_string())),
            Err(RecvTimeoutError::Timeout) => Err(Failure::Silent(timeout)),
            Err(RecvTimeoutError::Disconnected) => match running.status() {
                Some(status) if status.code() == Some(UNIMPLEMENTED) => {
                    self.running = None;
                    Ok(Answer::Unimplemented)
                }
                Some(status) => Err(Failure::Ended(Gone::with(status))),
                None => Err(ended("it closed its output")),
            },
        }
    }

    /// Ends a process that cannot be relied on any more, and keeps its last words.
    fn give_up(&mut self, failure: &Failure) {
        if let Some(mut running) = self.running.take() {
            running.end();
            let errors = running.errors.take_all();
            if !errors.is_empty() {
                self.lines.push(Exchanged::StandardError(errors));
            }
        }
        self.lines.push(Exchanged::Failed(failure.clone()));
    }
}

impl Shim for Process {
    fn ask(&mut self, query: &Query) -> Result<Answer, Failure> {
        let answer = self.start().and_then(|()| self.exchange(query, self.timeout));
        if let Err(failure) = &answer {
            self.give_up(failure);
        }
        answer
    }

    fn take_lines(&mut self) -> Vec<Exchanged> {
        if let Some(errors) =
            self.running.as_ref().map(|running| running.errors.take()).filter(|errors| !errors.is_empty())
        {
            self.lines.push(Exchanged::StandardError(errors));
        }
        std::mem::take(&mut self.lines)
    }
}

impl Running {
    fn start(command: &[String]) -> Result<Self, Failure> {
        let (program, arguments) =
            command.split_first().ok_or_else(|| Failure::Start("there is no command".to_owned()))?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| Failure::Start(format!("{program}: {error}")))?;
        let (sender, output) = sync_channel(WAITING);
        if let Some(stdout) = child.stdout.take() {
            thread::spawn(move || read_lines(stdout, &sender));
        }
        let errors = child.stderr.take().map(LastWords::of).unwrap_or_default();
        let input = child.stdin.take();
        Ok(Self { child, input, output, errors })
    }

    /// How the process has ended; `None` where it goes on.
    fn status(&mut self) -> Option<ExitStatus> {
        let deadline = Instant::now() + GRACE;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(1)),
                _ => return None,
            }
        }
    }

    fn end(&mut self) {
        self.input = None;
        // Fails where it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// It is not there, and nobody knows its status.
fn ended(how: &str) -> Failure {
    Failure::Ended(Gone::unknown(how))
}

/// Reads lines of bounded length, until the output or those who want it end.
fn read_lines(output: impl Read, lines: &SyncSender<io::Result<String>>) {
    let mut output = BufReader::new(output);
    loop {
        let mut line = Vec::new();
        let line = match (&mut output).take(MAX_LINE as u64 + 1).read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(_) if line.len() > MAX_LINE => {
                Err(io::Error::other(format!("a line of more than {MAX_LINE} bytes")))
            }
            Ok(_) => Ok(String::from_utf8_lossy(&line).trim_end().to_owned()),
            Err(error) => Err(error),
        };
        let is_last = line.is_err();
        if lines.send(line).is_err() || is_last {
            return;
        }
    }
}

/// One lower-case line.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(reason) => write!(f, "the shim cannot be started: {reason}"),
            Self::Hello(reason) => write!(f, "the shim does not keep the contract: {reason}"),
            Self::Ended(gone) => write!(f, "the shim ended without an answer: {}", gone.how),
            Self::Silent(timeout) => write!(f, "the shim gave no answer in {} ms", timeout.as_millis()),
            Self::NoAnswer(reason) => write!(f, "the shim wrote a line that is no answer: {reason}"),
        }
    }
}
