use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;

use crate::conformance::{Run, Suite, Verdict};
use crate::peer::client_test::{BEHAVIOURS, Behaviour, Client, Plan, Stage};
use crate::peer::fuzz::again;
use crate::peer::fuzz::client::ClientTarget;

use super::super::{FAILED, USAGE, complain};
use super::{Common, decode, done, list, quoted, saved_cases, time_text, write_dialogues};

#[derive(Args)]
pub(super) struct Arguments {
    /// Start the client for each behaviour: a program and its arguments, in which {addr}, {host} and {port} are where the
    /// host is, and {version} is 4, 5 or 6
    #[arg(long, value_name = "CMD")]
    run: Option<String>,
    /// Where the host is played, on this machine (127.0.0.1:1688; with --run any free port)
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Do only these cases, which `volact fuzz client` has saved
    #[arg(long, value_name = "FILE", num_args = 1..)]
    case: Vec<PathBuf>,
    /// Exit codes that the client may have in a saved case: any other is as bad as a signal (any)
    #[arg(long, value_name = "CODE", value_delimiter = ',', requires = "case")]
    exits: Vec<i32>,
    #[command(flatten)]
    common: Common,
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    let common = &arguments.common;
    let known: Vec<&str> = BEHAVIOURS.iter().map(|behaviour| behaviour.id).collect();
    let tags = BEHAVIOURS.iter().flat_map(|one| one.tags.iter().copied().chain([one.group])).collect();
    if let Some(pattern) = common.selection.idle(&known, &tags) {
        complain(format_args!(
            "{pattern:?} is no behaviour's id or tag; `volact test client --list` lists them"
        ));
        return USAGE;
    }
    let chosen = chosen(common);
    if common.list {
        return list(chosen.iter().map(|behaviour| (behaviour.id, behaviour.level.name(), behaviour.title)));
    }
    let client = match arguments.run.as_deref().map(words) {
        None => Client::Awaited,
        Some(Some(words)) if !words.is_empty() => Client::Command(words),
        Some(_) => {
            complain("--run takes a program and its arguments, and quotation marks come in pairs");
            return USAGE;
        }
    };
    if let Err(code) = common.output.ready() {
        return code;
    }
    if !arguments.case.is_empty() {
        return saved(arguments, client);
    }
    let any = SocketAddr::new(CLIENT_LISTEN.ip(), 0);
    let listen = arguments.listen.unwrap_or(if arguments.run.is_some() { any } else { CLIENT_LISTEN });
    let stage = match Stage::bind(listen) {
        Ok(stage) => stage,
        Err(error) => {
            complain(format_args!("{listen}: {error}"));
            return FAILED;
        }
    };
    let is_awaited = matches!(client, Client::Awaited);
    if is_awaited {
        complain(how_to_point(stage.addr()));
    }
    let plan = Plan {
        client,
        timeout: common.timeout,
        seed: common.seed,
        repeats: common.repeat.into(),
        repeat: (command(arguments), String::new()),
    };
    let reports = stage.play(chosen, &plan, |behaviour| {
        if is_awaited {
            complain(format_args!("{}: {}", behaviour.id, behaviour.plays));
        }
    });
    let mut is_written = true;
    let mut cases = Vec::with_capacity(reports.len());
    for mut report in reports {
        decode(&mut report.result);
        if let Some(folder) = &common.pcapng
            && !matches!(report.result.verdict, Verdict::Pass | Verdict::Skipped)
        {
            is_written &= write_dialogues(folder, &report.result.id, &report.dialogues);
        }
        cases.push(report.result);
    }
    let done = done(&cases);
    let name = arguments.run.clone().unwrap_or_else(|| stage.addr().to_string());
    let run = Run {
        command: "test client".to_owned(),
        subject: name.clone(),
        seed: Some(common.seed),
        suites: vec![Suite { name, cases, hosts: Vec::new() }],
        ..Run::default()
    };
    let code = common.output.finish(run, |id| done.contains(id));
    if is_written { code } else { code.max(FAILED) }
}

/// Where a host is played for whoever connects.
pub(in crate::cli) const CLIENT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1688);

/// Does cases that were saved by fuzzing.
fn saved(arguments: &Arguments, client: Client) -> u8 {
    let common = &arguments.common;
    let files = match saved_cases(&arguments.case, "client") {
        Ok(files) => files,
        Err(code) => return code,
    };
    let is_awaited = matches!(client, Client::Awaited);
    let listen = is_awaited.then(|| arguments.listen.unwrap_or(CLIENT_LISTEN));
    let target = match ClientTarget::new(client, listen, common.timeout, arguments.exits.clone(), GROWTH) {
        Ok(target) => target,
        Err(why) => {
            complain(format_args!("there is no client to be tested: {why}"));
            return FAILED;
        }
    };
    if let Some(address) = target.addr().filter(|_| is_awaited) {
        complain(how_to_point(address));
    }
    let mut is_written = true;
    let mut cases = Vec::with_capacity(files.len());
    let front = command(arguments).replace(" --only ", " --case ");
    for (path, file) in &files {
        let (mut result, dialogues) =
            again(&target, file, format!("{front}{}", quoted(&path.to_string_lossy())));
        if let Some(folder) = &common.pcapng
            && result.verdict != Verdict::Pass
        {
            is_written &= write_dialogues(folder, &result.id, &dialogues);
        }
        decode(&mut result);
        cases.push(result);
    }
    let done = done(&cases);
    let name = arguments.run.clone().or_else(|| listen.map(|listen| listen.to_string())).unwrap_or_default();
    let run = Run {
        command: "test client".to_owned(),
        subject: name.clone(),
        suites: vec![Suite { name, cases, hosts: Vec::new() }],
        ..Run::default()
    };
    let code = common.output.finish(run, |id| done.contains(id));
    if is_written { code } else { code.max(FAILED) }
}

/// Bytes that a client may take more than with a right host.
const GROWTH: u64 = 64 << 20;

/// The behaviours that are meant, in their order.
fn chosen(common: &Common) -> Vec<&'static Behaviour> {
    BEHAVIOURS
        .iter()
        .filter(|one| common.selection.takes(one.id, one.tags.iter().copied().chain([one.group])))
        .enumerate()
        .filter(|(place, _)| common.shard.is_none_or(|shard| shard.takes(*place)))
        .map(|(_, behaviour)| behaviour)
        .collect()
}

/// How a client is pointed at the host.
pub(in crate::cli) fn how_to_point(host: SocketAddr) -> String {
    format!(
        "a host is played on {host}; start the client once for each behaviour that is told here:\n  \
         vlmcs     vlmcs {host}\n  \
         Windows   slmgr /skms {host}, then slmgr /ato\n  \
         Office    cscript ospp.vbs /sethst:{} /setprt:{} and /act\n  \
         others    whatever points at {host}; or let --run CMD start it",
        host.ip(),
        host.port()
    )
}

/// The command that plays a behaviour again, but for its id.
fn command(arguments: &Arguments) -> String {
    let common = &arguments.common;
    let run = arguments.run.as_deref().map(|run| format!(" --run {}", quoted(run))).unwrap_or_default();
    let listen = arguments.listen.map(|listen| format!(" --listen {listen}")).unwrap_or_default();
    let (seed, timeout) = (common.seed, time_text(common.timeout));
    format!("volact test client{run}{listen} --seed {seed} --timeout {timeout} --only ")
}

/// The words of a command; what stands in quotation marks, double or single, is of one word. `None` where one of these
/// has no other.
pub(in crate::cli) fn words(command: &str) -> Option<Vec<String>> {
    let mut words: Vec<String> = Vec::new();
    let (mut mark, mut is_inside) = (None, false);
    for c in command.chars() {
        match mark {
            Some(open) if open == c => mark = None,
            None if c == '"' || c == '\'' => {
                mark = Some(c);
                if !is_inside {
                    words.push(String::new());
                }
                is_inside = true;
            }
            None if c.is_whitespace() => is_inside = false,
            _ => {
                if !is_inside {
                    words.push(String::new());
                }
                is_inside = true;
                if let Some(word) = words.last_mut() {
                    word.push(c);
                }
            }
        }
    }
    mark.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_parted_by_blanks_and_kept_together_by_quotation_marks() {
        let words = |command| words(command).map(|words| words.join("|"));
        assert_eq!(words("vlmcs -6  {addr}").as_deref(), Some("vlmcs|-6|{addr}"));
        assert_eq!(words("'a b' \"c'd\" e''f ''").as_deref(), Some("a b|c'd|ef|"));
        assert_eq!(words("a 'b"), None);
    }
}
