use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::conformance::{Run, Suite, Verdict};
use crate::peer::fuzz::host::{HostPair, HostTarget};
use crate::peer::fuzz::{Watched, again};
use crate::peer::host_test::{self, Case, GROUPS, Options};

use super::super::{FAILED, USAGE, complain};
use super::{Common, decode, done, list, quoted, saved_cases, time_text, write_dialogues};

#[derive(Args)]
pub(super) struct Arguments {
    /// The host: an address, or a name, with a port (1688 where there is none)
    #[arg(value_name = "ADDR", required_unless_present = "list")]
    host: Option<String>,
    /// The host may be another machine than this one
    #[arg(long)]
    allow_remote: bool,
    /// Do the cases as well that a genuine host remembers: machines that it counts, say
    #[arg(long)]
    leave_traces: bool,
    /// Do only these cases, which `volact fuzz host` has saved
    #[arg(long, value_name = "FILE", num_args = 1..)]
    case: Vec<PathBuf>,
    /// Hold what is answered in saved cases against what this host answers, an address or a name
    #[arg(long, value_name = "ADDR", requires = "case")]
    against: Option<String>,
    #[command(flatten)]
    common: Common,
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    let common = &arguments.common;
    let known: Vec<&str> = host_test::cases().map(|case| case.id).collect();
    let tags = GROUPS
        .iter()
        .flat_map(|group| group.cases.iter().flat_map(|case| case.tags).copied().chain([group.name]))
        .collect();
    if let Some(pattern) = common.selection.idle(&known, &tags) {
        complain(format_args!("{pattern:?} is no case's id or tag; `volact test host --list` lists them"));
        return USAGE;
    }
    let chosen = chosen(common);
    if common.list {
        return list(chosen.iter().map(|case| (case.id, case.level.name(), case.title)));
    }
    let Some(name) = &arguments.host else { return USAGE };
    let host = match address(name) {
        Ok(host) => host,
        Err(message) => {
            complain(format_args!("{name}: {message}"));
            return USAGE;
        }
    };
    if !host.ip().to_canonical().is_loopback() && !arguments.allow_remote {
        complain(format_args!(
            "{host} is not this machine; a test sends hostile bytes, and --allow-remote says that the host may have them"
        ));
        return USAGE;
    }
    if let Err(code) = common.output.ready() {
        return code;
    }
    if !arguments.case.is_empty() {
        return saved(arguments, name, host);
    }
    let options = Options {
        host,
        timeout: common.timeout,
        seed: common.seed,
        jobs: common.jobs.into(),
        repeat: common.repeat.into(),
        leaves_traces: arguments.leave_traces,
        command: command(arguments, name),
    };
    let reports = host_test::run(&chosen, &options);
    let mut is_written = true;
    let hosts = host_test::identify(&reports);
    let mut cases = Vec::with_capacity(reports.len());
    for report in reports {
        if let Some(folder) = &common.pcapng
            && !matches!(report.result.verdict, Verdict::Pass | Verdict::Skipped)
        {
            is_written &= write_dialogues(folder, &report.result.id, &report.dialogues);
        }
        let mut result = report.result;
        decode(&mut result);
        cases.push(result);
    }
    let done = done(&cases);
    let run = Run {
        command: "test host".to_owned(),
        subject: name.clone(),
        seed: Some(common.seed),
        suites: vec![Suite { name: name.clone(), cases, hosts }],
        ..Run::default()
    };
    let code = common.output.finish(run, |id| done.contains(id));
    if is_written { code } else { code.max(FAILED) }
}

/// Does cases that were saved by fuzzing.
fn saved(arguments: &Arguments, name: &str, host: SocketAddr) -> u8 {
    let common = &arguments.common;
    let files = match saved_cases(&arguments.case, "host") {
        Ok(files) => files,
        Err(code) => return code,
    };
    let watched = Watched::nowhere();
    let target = match HostTarget::new(host, common.timeout, arguments.leave_traces, watched) {
        Ok(target) => target,
        Err(why) => {
            complain(format_args!("{host}: there is no host to be tested: {why}"));
            return FAILED;
        }
    };
    let target = match arguments.against.as_deref().map(address) {
        None => Held::Alone(Box::new(target)),
        Some(Ok(other)) if other.ip().to_canonical().is_loopback() || arguments.allow_remote => {
            match host_against(other, common.timeout, arguments.leave_traces) {
                Ok(other) => Held::Against(Box::new(HostPair::new(target, other))),
                Err(code) => return code,
            }
        }
        Some(_) => {
            complain("--against takes a host of this machine, or any with --allow-remote");
            return USAGE;
        }
    };
    let mut is_written = true;
    let mut cases = Vec::with_capacity(files.len());
    for (path, file) in &files {
        let repeat = format!("{} --case {}", command(arguments, name), quoted(&path.to_string_lossy()));
        let (mut result, dialogues) = match &target {
            Held::Alone(target) => again(&**target, file, repeat),
            Held::Against(pair) => again(&**pair, file, repeat),
        };
        if let Some(folder) = &common.pcapng
            && result.verdict != Verdict::Pass
        {
            is_written &= write_dialogues(folder, &result.id, &dialogues);
        }
        decode(&mut result);
        cases.push(result);
    }
    let done = done(&cases);
    let run = Run {
        command: "test host".to_owned(),
        subject: name.to_owned(),
        seed: Some(common.seed),
        suites: vec![Suite { name: name.to_owned(), cases, hosts: Vec::new() }],
        ..Run::default()
    };
    let code = common.output.finish(run, |id| done.contains(id));
    if is_written { code } else { code.max(FAILED) }
}

/// What saved cases are done to.
enum Held {
    Alone(Box<HostTarget>),
    Against(Box<HostPair>),
}

/// The host that another one is held against.
pub(in crate::cli) fn host_against(
    host: SocketAddr,
    timeout: Duration,
    leaves_traces: bool,
) -> Result<HostTarget, u8> {
    HostTarget::new(host, timeout, leaves_traces, Watched::nowhere()).map_err(|why| {
        complain(format_args!("--against {host}: there is no host: {why}"));
        FAILED
    })
}

/// The cases that are meant, in their order.
fn chosen(common: &Common) -> Vec<&'static Case> {
    let takes =
        |case: &Case, group| common.selection.takes(case.id, case.tags.iter().copied().chain([group]));
    GROUPS
        .iter()
        .flat_map(|group| group.cases.iter().map(|case| (case, group.name)))
        .filter(|(case, group)| takes(case, group))
        .enumerate()
        .filter(|(place, _)| common.shard.is_none_or(|shard| shard.takes(*place)))
        .map(|(_, (case, _))| case)
        .collect()
}

/// The address of a host that is named with or without a port.
pub(in crate::cli) fn address(name: &str) -> Result<SocketAddr, String> {
    let with_port = match name.parse::<std::net::IpAddr>() {
        Ok(ip) => return Ok(SocketAddr::new(ip, PORT)),
        Err(_) if name.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) => {
            name.to_owned()
        }
        Err(_) => format!("{name}:{PORT}"),
    };
    let mut addresses = with_port.to_socket_addrs().map_err(|error| error.to_string())?;
    addresses.next().ok_or_else(|| "has no address".to_owned())
}

const PORT: u16 = 1688;

/// The command that does this run again, but for its cases.
fn command(arguments: &Arguments, name: &str) -> String {
    let common = &arguments.common;
    let mut words = vec!["volact test host".to_owned(), name.to_owned()];
    words.push(format!("--seed {}", common.seed));
    words.push(format!("--timeout {}", time_text(common.timeout)));
    if arguments.allow_remote {
        words.push("--allow-remote".to_owned());
    }
    if let Some(against) = &arguments.against {
        words.push(format!("--against {}", quoted(against)));
    }
    if arguments.leave_traces {
        words.push("--leave-traces".to_owned());
    }
    words.join(" ")
}
