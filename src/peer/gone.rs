use std::fmt;
use std::fs;
use std::process::ExitStatus;

/// How a process has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// In words of an id: `SIGNAL-11`, `EXIT-101`; empty where it is not known.
    pub id: String,
    /// In one line.
    pub how: String,
}

impl Gone {
    /// With this status.
    pub(super) fn with(status: ExitStatus) -> Self {
        Self { id: exit_id(status), how: status.to_string() }
    }

    /// In a way that no status tells.
    pub(super) fn unknown(how: impl fmt::Display) -> Self {
        Self { id: String::new(), how: how.to_string() }
    }
}

/// As [`Self::how`].
impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.how)
    }
}

/// Bytes of memory that a process holds (VmRSS), where the system tells.
pub(super) fn memory(pid: u32) -> Option<u64> {
    memory_field(pid, "VmRSS:")
}

/// Bytes of memory that a process has held at most (VmHWM), where the system tells.
pub(super) fn memory_peak(pid: u32) -> Option<u64> {
    memory_field(pid, "VmHWM:")
}

fn memory_field(pid: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

#[cfg(unix)]
fn exit_id(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("SIGNAL-{signal}"),
        (_, Some(code)) => format!("EXIT-{code}"),
        _ => String::new(),
    }
}

#[cfg(not(unix))]
fn exit_id(status: ExitStatus) -> String {
    status.code().map_or_else(String::new, |code| format!("EXIT-{code}"))
}
