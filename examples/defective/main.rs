//! Wrong on purpose, never to be used: a KMS host and a KMS client with planted defects, to measure fuzzers with.
//!
//! `cargo run --example defective -- --list` names the defects; README.md in this folder says more.

mod flawed;

use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{self, ExitCode};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{env, fs, panic, thread};

use volact::wire::FileTime;

use flawed::{Client, Defect, Defects, Host, Verdict, play, seeds, seeds_at};

const USAGE: &str = "usage: defective [--defect NAME] --listen ADDR        be a host on a loopback address
       defective [--defect NAME] --connect ADDR [v4|v5|v6]  ask a host on a loopback address once
       defective [--defect NAME] --play FILE         play a conversation, as fuzz/power has it
       defective --list                              the defects: name, side, depth, what they need
       defective --seeds DIR                         write the right conversations";

/// How long a silent peer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// 1601 to 1970, s.
const EPOCH: u64 = 11_644_473_600;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = env::args().skip(1).peekable();
    let mut defects = Defects::NONE;
    if arguments.next_if(|argument| argument == "--defect").is_some() {
        let name = arguments.next().unwrap_or_default();
        defects = Defects::named(&name).ok_or_else(|| format!("there is no defect {name:?}: see --list"))?;
    }
    // In C the process would be gone, with whatever thread. One line, as the last words of a process are read.
    panic::set_hook(Box::new(|info| {
        eprintln!("met a planted defect: {}", info.to_string().replace('\n', " "));
        process::abort();
    }));
    let arguments: Vec<String> = arguments.collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--listen", address] => listen(defects, address.parse()?)?,
        ["--connect", address] => return connect(defects, address.parse()?, "v6"),
        ["--connect", address, version] => return connect(defects, address.parse()?, version),
        ["--play", file] => {
            let (answers, verdict) = play(defects, &fs::read(file)?);
            println!("the host said {} bytes; the client: {verdict:?}", answers.len());
        }
        ["--list"] => {
            for about in Defect::ALL.map(Defect::about) {
                println!("{}\t{}\t{}\t{}", about.name, about.side, about.depth, about.needs);
            }
        }
        ["--seeds", folder] => {
            let folder = PathBuf::from(folder);
            fs::create_dir_all(&folder)?;
            for seed in seeds() {
                fs::write(folder.join(seed.name), flawed::Piece::write_all(&seed.pieces))?;
            }
        }
        _ => {
            eprintln!("{USAGE}");
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn loopback(address: SocketAddr) -> Result<SocketAddr, String> {
    let is_loopback = address.ip().to_canonical().is_loopback();
    is_loopback.then_some(address).ok_or_else(|| format!("{address} is not a loopback address"))
}

fn now() -> FileTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    FileTime((since.as_secs() + EPOCH) * 10_000_000)
}

fn listen(defects: Defects, address: SocketAddr) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(loopback(address)?)?;
    let port = listener.local_addr()?.port();
    println!("{}", listener.local_addr()?);
    loop {
        // A client that is gone already, or too many files: the next one may do better.
        let Ok((stream, _)) = listener.accept() else { continue };
        thread::Builder::new().spawn(move || serve(Host::new(defects, now(), port), stream))?;
    }
}

fn serve(mut host: Host, mut stream: TcpStream) {
    let mut buffer = [0; 8192];
    let is_set = stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.set_nodelay(true));
    while is_set.is_ok() && !host.is_closed() {
        match stream.read(&mut buffer) {
            Ok(count) if count > 0 => {
                let said = host.take(&buffer[..count]);
                if stream.write_all(&said).is_err() {
                    return;
                }
            }
            _ => return,
        }
    }
}

fn connect(defects: Defects, address: SocketAddr, version: &str) -> Result<ExitCode, Box<dyn Error>> {
    let seed = seeds_at(now()).into_iter().find(|seed| seed.name == version);
    let seed = seed.ok_or("versions are v4, v5 and v6")?;
    let mut stream = TcpStream::connect(loopback(address)?)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut client = Client::new(defects);
    let mut buffer = [0; 8192];
    for piece in seed.pieces.iter().filter(|piece| !piece.is_answer) {
        let is_refused = client.heard() > 0 && client.is_ndr64() == Some(false);
        let said = if is_refused { &seed.asked_as_ndr32() } else { &piece.bytes };
        client.says(said);
        stream.write_all(said)?;
        if !matches!(client.verdict(), Verdict::Waiting) {
            break;
        }
        // The host says something before the next piece, or the client waits in vain.
        let heard = client.heard();
        while client.heard() == heard && *client.verdict() == Verdict::Waiting {
            match stream.read(&mut buffer)? {
                0 => return Err("the host has ended the connection".into()),
                count => client.take(&buffer[..count]),
            }
        }
    }
    println!("{:?}", client.verdict());
    Ok(if matches!(client.verdict(), Verdict::Activated(_)) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
