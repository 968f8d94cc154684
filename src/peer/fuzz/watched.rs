use std::fs;
use std::io;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::peer::gone::memory;
use crate::peer::{Gone, LastWords};

/// The process of a peer, as far as there is one to be watched.
#[derive(Debug)]
pub struct Watched(Mutex<Process>);

#[derive(Debug)]
enum Process {
    /// It runs, if it does, where nobody sees it.
    Nowhere,
    /// One that somebody else has started: its id, and when it was started, in ticks since the machine was.
    Other(u32, Option<u64>),
    /// One of ours.
    Own { command: Vec<String>, child: Child, errors: LastWords },
}

impl Watched {
    /// Nothing is known of the process.
    #[must_use]
    pub fn nowhere() -> Self {
        Self(Mutex::new(Process::Nowhere))
    }

    /// A process that is there already.
    ///
    /// # Errors
    /// There is none of this id, or it cannot be seen (`/proc` tells).
    pub fn pid(pid: u32) -> io::Result<Self> {
        let started = started(pid);
        if started.is_none() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "no process of this id can be seen"));
        }
        Ok(Self(Mutex::new(Process::Other(pid, started))))
    }

    /// Starts a program with its arguments; it is ended with this.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(command: Vec<String>) -> io::Result<Self> {
        let (child, errors) = started_as(&command)?;
        Ok(Self(Mutex::new(Process::Own { command, child, errors })))
    }

    /// How it has ended; `None` where it runs, or nothing is known.
    #[must_use]
    pub fn gone(&self) -> Option<Gone> {
        match &mut *self.lock() {
            Process::Nowhere => None,
            Process::Other(pid, start) => (started(*pid) != *start).then(|| Gone {
                id: String::new(),
                how: format!("the process {pid} is gone, or is another one"),
            }),
            Process::Own { child, errors, .. } => {
                let status = child.try_wait().ok().flatten()?;
                let words = errors.take_all();
                let last = words.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
                let said = if last.is_empty() { String::new() } else { format!("; its last words: {last}") };
                let gone = Gone::with(status);
                Some(Gone { how: format!("the process ended ({}){said}", gone.how), ..gone })
            }
        }
    }

    /// True where there is one to be watched.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !matches!(*self.lock(), Process::Nowhere)
    }

    /// True where it can be started again.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        matches!(*self.lock(), Process::Own { .. })
    }

    /// Ends it and starts it again.
    ///
    /// # Errors
    /// It is none of ours, or cannot be started.
    pub fn restart(&self) -> Result<(), String> {
        match &mut *self.lock() {
            Process::Own { command, child, errors } => {
                end(child);
                (*child, *errors) = started_as(command).map_err(|error| error.to_string())?;
                Ok(())
            }
            _ => Err("it was not started here".to_owned()),
        }
    }

    /// Bytes of memory that it holds (VmRSS), where the system tells.
    #[must_use]
    pub fn memory(&self) -> Option<u64> {
        let pid = match &*self.lock() {
            Process::Nowhere => return None,
            Process::Other(pid, _) => *pid,
            Process::Own { child, .. } => child.id(),
        };
        memory(pid)
    }

    fn lock(&self) -> MutexGuard<'_, Process> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Self::Own { child, .. } = self {
            end(child);
        }
    }
}

fn started_as(command: &[String]) -> io::Result<(Child, LastWords)> {
    let (program, arguments) =
        command.split_first().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no program"))?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let errors = child.stderr.take().map(LastWords::of).unwrap_or_default();
    Ok((child, errors))
}

fn end(child: &mut Child) {
    // It has ended already.
    let _ = child.kill();
    let _ = child.wait();
}

/// When a process was started, in ticks since the machine was (proc_pid_stat(5), field 22).
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program, in parentheses, may have blanks in it.
    let behind = stat.rsplit_once(')')?.1;
    let mut fields = behind.split_whitespace();
    let state = fields.next()?;
    if state == "Z" || state == "X" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}
