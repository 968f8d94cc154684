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
