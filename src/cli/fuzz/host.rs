use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use clap::Args;

use crate::peer::fuzz::Watched;
use crate::peer::fuzz::host::{HostPair, HostTarget};

use super::super::test::{host_address, host_against, time_text, words};
use super::{Common, FAILED, Subject, USAGE, complain, fuzz};

#[derive(Args)]
pub(super) struct Arguments {
    /// The host: an address, or a name, with a port (1688 where there is none); with --run any free port of this machine
    #[arg(value_name = "ADDR", required_unless_present = "run")]
    host: Option<String>,
    /// The host may be another machine than this one
    #[arg(long)]
    allow_remote: bool,
    /// Send machine ids as well that a genuine host counts, and not only those of the tests
    #[arg(long)]
    leave_traces: bool,
    /// The host's process, on this machine: whether it is still the same one, and how its memory grows
    #[arg(long, value_name = "PID", conflicts_with = "run")]
    pid: Option<u32>,
    /// Start the host, and again where it ends: a program and its arguments, in which {addr}, {host} and {port} are where
    /// it is to be
    #[arg(long, value_name = "CMD")]
    run: Option<String>,
    /// Do the same to this host, an address or a name: what both answer differently is found, and nothing else
    #[arg(long, value_name = "ADDR")]
    against: Option<String>,
    #[command(flatten)]
    common: Common,
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    let common = &arguments.common;
    let host = match &arguments.host {
        Some(name) => host_address(name),
        None => free(),
    };
    let name = arguments.host.clone().or_else(|| arguments.run.clone()).unwrap_or_default();
    let host = match host {
        Ok(host) => host,
        Err(message) => {
            complain(format_args!("{name}: {message}"));
            return USAGE;
        }
    };
    let is_local = host.ip().to_canonical().is_loopback();
    if !is_local && !arguments.allow_remote {
        complain(format_args!(
            "{host} is not this machine; a fuzzer sends hostile bytes, and --allow-remote says that the host may have them"
        ));
        return USAGE;
    }
    let against = match arguments.against.as_deref().map(|name| (host_address(name), name)) {
        None => None,
        Some((Ok(other), _)) if other.ip().to_canonical().is_loopback() || arguments.allow_remote => {
            Some(other)
        }
        Some((other, name)) => {
            let why = other.map_or_else(
                |why| why,
                |_| "is not this machine, and --allow-remote is not there".to_owned(),
            );
            complain(format_args!("--against {name}: {why}"));
            return USAGE;
        }
    };
    let is_local = is_local && against.is_none_or(|other| other.ip().to_canonical().is_loopback());
    if let Err(code) = common.output.ready() {
        return code;
    }
    let watched = match watched(arguments, host) {
        Ok(watched) => watched,
        Err(code) => return code,
    };
    let target = match HostTarget::new(host, common.timeout, arguments.leave_traces, watched) {
        Ok(target) => target,
        Err(why) => {
            complain(format_args!("{host}: there is no host to be fuzzed: {why}"));
            return FAILED;
        }
    };
    let other = match against.map(|other| host_against(other, common.timeout, arguments.leave_traces)) {
        None => None,
        Some(Ok(other)) => Some(other),
        Some(Err(code)) => return code,
    };
    let mut repeat = format!("volact test host {host} --timeout {}", time_text(common.timeout));
    if let Some(against) = against {
        repeat += &format!(" --against {against}");
    }
    if arguments.allow_remote {
        repeat += " --allow-remote";
    }
    if arguments.leave_traces {
        repeat += " --leave-traces";
    }
    let subject = Subject {
        command: "fuzz host",
        name: &name,
        is_local,
        jobs: common.jobs,
        repeat: (format!("{repeat} --case"), String::new()),
    };
    match other {
        Some(other) => fuzz(&HostPair::new(target, other), common, &subject),
        None => fuzz(&target, common, &subject),
    }
}

/// A port of this machine that nobody has.
fn free() -> Result<SocketAddr, String> {
    TcpListener::bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0))
        .and_then(|listener| listener.local_addr())
        .map_err(|error| error.to_string())
}

fn watched(arguments: &Arguments, host: SocketAddr) -> Result<Watched, u8> {
    if let Some(pid) = arguments.pid {
        return Watched::pid(pid).map_err(|error| {
            complain(format_args!("--pid {pid}: {error}"));
            USAGE
        });
    }
    let Some(command) = &arguments.run else { return Ok(Watched::nowhere()) };
    let command = words(command).filter(|words| !words.is_empty()).ok_or_else(|| {
        complain("--run takes a program and its arguments, and quotation marks come in pairs");
        USAGE
    })?;
    let put = |word: String| {
        word.replace("{addr}", &host.to_string())
            .replace("{host}", &host.ip().to_string())
            .replace("{port}", &host.port().to_string())
    };
    Watched::start(command.into_iter().map(put).collect()).map_err(|error| {
        complain(format_args!("--run: {error}"));
        FAILED
    })
}
