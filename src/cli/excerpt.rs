use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use crate::capture::{
    self, CaptureReader, Endpoint, FlowInfo, LayerOptions, Layers, LinkType, Merged, Packet, Packets,
    PcapngWriter, Progress, Transport, Within,
};
use crate::conformance::{CaseResult, Run, Suite};
use crate::redact;
use crate::trace::{ConnectionRecord, InputKind, Observer, Options, look_at, trace_packets};

use super::complain;
use super::input::{Input, MERGED};

/// Writes the packets of each failure's first breach into a file of its own below the folder. The captures are read again
/// for that: what has come over standard input is gone.
///
/// False where one could not be written.
pub(super) fn write(folder: &Path, run: &Run, files: &[PathBuf], input: &Input, options: &Options) -> bool {
    if let Err(error) = fs::create_dir_all(folder) {
        complain(format_args!("--pcapng {}: {error}", folder.display()));
        return false;
    }
    let mut is_written = true;
    let mut names = HashSet::new();
    for suite in &run.suites {
        let failed = suite.cases.iter().filter(|case| case.verdict.is_failure());
        let wanted: Vec<&CaseResult> = failed.filter(|case| place_of(case).is_some()).collect();
        if wanted.is_empty() {
            continue;
        }
        if suite.name == "-" {
            complain("--pcapng: standard input cannot be read a second time");
            continue;
        }
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '.' { c } else { '_' };
        let name: String = suite.name.trim_start_matches(['.', '/']).chars().map(plain).collect();
        // Names that only differ in what a file name had better not have get a number.
        let numbered = |number: u32| if number == 1 { name.clone() } else { format!("{name}-{number}") };
        let name = (1..).map(numbered).find(|name| names.insert(name.clone())).unwrap_or_default();
        if let Err(error) = write_suite(&folder.join(name), suite, &wanted, files, input, options) {
            complain(format_args!("--pcapng: {}: {error}", suite.name));
            is_written = false;
        }
    }
    is_written
}

/// What shows a breach: its connection, or its packets.
fn place_of(case: &CaseResult) -> Option<(Option<u64>, (u64, u64))> {
    let breach = case.breaches.first()?;
    Some((breach.stream, breach.frames?))
}

fn write_suite(
    front: &Path,
    suite: &Suite,
    wanted: &[&CaseResult],
    files: &[PathBuf],
    input: &Input,
    options: &Options,
) -> io::Result<()> {
    let streams = wanted.iter().filter_map(|case| place_of(case)?.0);
    let mut flows = Flows { wanted: streams.map(|stream| (stream, None)).collect() };
    if !flows.wanted.is_empty() {
        each_packet(&suite.name, files, input, |packets| {
            trace_packets(packets, options, &mut flows);
            Ok(())
        })?;
    }
    let mut excerpts = Vec::new();
    for case in wanted {
        let Some((stream, frames)) = place_of(case) else { continue };
        let flow = stream.and_then(|stream| flows.wanted.get(&stream)?.as_ref());
        let sides = flow.map(|flow| [flow.client, flow.server]);
        let frames = flow.map_or(frames, |flow| (flow.first.frame, flow.last.frame));
        let file = File::create(format!("{}-{}.pcapng", front.display(), case.id))?;
        let comment = format!("{}: {}", case.id, case.message);
        let writer = PcapngWriter::new(BufWriter::new(file), &redact::text(&comment))?;
        excerpts.push(Excerpt { sides, frames, writer, links: Vec::new() });
    }
    each_packet(&suite.name, files, input, |packets| {
        let mut layers = Layers::new(LayerOptions::default());
        // Where a capture is damaged, what could be read of it is what was judged.
        while let Ok(Some(packet)) = packets.next_packet() {
            let sides = match layers.transport(&packet) {
                Ok(Transport::Tcp(segment)) => Some([segment.source, segment.destination]),
                _ => None,
            };
            for excerpt in &mut excerpts {
                if excerpt.takes(packet.frame, sides) {
                    excerpt.put(&packet)?;
                }
            }
        }
        Ok(())
    })?;
    excerpts.into_iter().try_for_each(|excerpt| excerpt.writer.finish().map(drop))
}

/// Opens the packets of a suite again.
fn each_packet(
    name: &str,
    files: &[PathBuf],
    input: &Input,
    read: impl FnOnce(&mut Within<&mut dyn Packets>) -> io::Result<()>,
) -> io::Result<()> {
    if name == MERGED {
        return read(&mut Within::new(&mut Merged::open(files, &Progress::default()), input.window()));
    }
    match look_at(capture::open(Path::new(name))?)? {
        (InputKind::Capture, reader) => {
            let mut packets =
                CaptureReader::new(reader).map_err(|error| io::Error::other(error.to_string()))?;
            read(&mut Within::new(&mut packets, input.window()))
        }
        _ => Ok(()),
    }
}

/// The connections of some numbers.
struct Flows {
    wanted: HashMap<u64, Option<FlowInfo>>,
}

impl Observer for Flows {
    fn connection(&mut self, connection: &ConnectionRecord) {
        if let Some(flow) = self.wanted.get_mut(&connection.flow.stream) {
            *flow = Some(connection.flow.clone());
        }
    }
}

/// A file that packets are copied into.
struct Excerpt {
    /// Only those of this connection.
    sides: Option<[Endpoint; 2]>,
    frames: (u64, u64),
    writer: PcapngWriter<BufWriter<File>>,
    links: Vec<(LinkType, u32)>,
}

impl Excerpt {
    fn takes(&self, frame: u64, sides: Option<[Endpoint; 2]>) -> bool {
        (self.frames.0..=self.frames.1).contains(&frame)
            && self.sides.is_none_or(|[client, server]| {
                sides.is_some_and(|sides| sides == [client, server] || sides == [server, client])
            })
    }

    fn put(&mut self, packet: &Packet<'_>) -> io::Result<()> {
        let known = self.links.iter().find(|(link, _)| *link == packet.link);
        let interface = match known {
            Some(&(_, interface)) => interface,
            None => {
                let interface = self.writer.add_interface(packet.link, "", "")?;
                self.links.push((packet.link, interface));
                interface
            }
        };
        let time = packet.time.and_then(|time| u64::try_from(time).ok()).unwrap_or_default();
        self.writer.packet(interface, time, packet.data)
    }
}
