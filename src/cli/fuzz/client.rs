use std::net::SocketAddr;

use clap::Args;

use crate::peer::client_test::Client;
use crate::peer::fuzz::client::ClientTarget;

use super::super::test::{CLIENT_LISTEN, how_to_point, time_text, words};
use super::{Common, FAILED, Subject, USAGE, complain, fuzz, quoted};

#[derive(Args)]
pub(super) struct Arguments {
    /// Start the client for each case: a program and its arguments, in which {addr}, {host} and {port} are where the host
    /// is, and {version} is 4, 5 or 6; without it, whoever connects is fuzzed
    #[arg(long, value_name = "CMD")]
    run: Option<String>,
    /// Where the host is played, on this machine (127.0.0.1:1688; with --run any free ports)
    #[arg(long, value_name = "ADDR", conflicts_with = "run")]
    listen: Option<SocketAddr>,
    /// Exit codes that the client may have: any other is as bad as a signal (any)
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    exits: Vec<i32>,
    #[command(flatten)]
    common: Common,
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    let common = &arguments.common;
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
    let is_awaited = arguments.run.is_none();
    let listen = is_awaited.then(|| arguments.listen.unwrap_or(CLIENT_LISTEN));
    let growth = common.memory.saturating_mul(1 << 20);
    let target = match ClientTarget::new(client, listen, common.timeout, arguments.exits.clone(), growth) {
        Ok(target) => target,
        Err(why) => {
            complain(format_args!("there is no client to be fuzzed: {why}"));
            return FAILED;
        }
    };
    let address = target.addr().filter(|_| is_awaited);
    if let Some(address) = address {
        complain(how_to_point(address));
    } else if !target.tells() {
        complain(
            "the client ends alike with a right host and one that refuses: what it takes cannot be told",
        );
    }
    let mut repeat = "volact test client".to_owned();
    if let Some(run) = &arguments.run {
        repeat += &format!(" --run {}", quoted(run));
    }
    if let Some(listen) = arguments.listen {
        repeat += &format!(" --listen {listen}");
    }
    if !arguments.exits.is_empty() {
        let exits: Vec<String> = arguments.exits.iter().map(i32::to_string).collect();
        repeat += &format!(" --exits {}", exits.join(","));
    }
    repeat += &format!(" --timeout {} --case", time_text(common.timeout));
    let name =
        arguments.run.clone().or_else(|| address.map(|address| address.to_string())).unwrap_or_default();
    // Whoever starts the client starts one at a time.
    let jobs = if is_awaited { 1 } else { common.jobs };
    let subject = Subject {
        command: "fuzz client",
        name: &name,
        is_local: true,
        repeat: (repeat, String::new()),
        jobs,
    };
    fuzz(&target, common, &subject)
}
