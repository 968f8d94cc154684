use std::fmt::{self, Write as _};

use crate::catalog::hresult;
use crate::report::names::{self, Plain};
use crate::trace::{Bus, ChannelRecord, ControlRecord, GuestExchange, Record};
use crate::vmbus::control::Body;
use crate::vmbus::kvp::{self, Value};
use crate::vmbus::{ChannelClass, Content, Direction, Hint, PipeMessage, ic, synthrdp};
use crate::wire::{Guid, Hex, Rfc3339};

use super::{Frames, Milliseconds, Palette, TextReport, counted};

type Message = PipeMessage<crate::capture::Stamp>;

impl TextReport {
    pub(super) fn write_guest(&mut self, record: &GuestExchange) -> fmt::Result {
        let Palette { head, good, bad, odd, dim, end, .. } = self.palette;
        let exchange = &record.exchange;
        let asked = Record::from(record);
        let (request, response) = (exchange.request.as_ref(), exchange.response.as_ref());
        let direction = request.map(|m| m.direction).or(response.map(|m| m.direction.other()));
        let arrow = match direction {
            Some(Direction::HostToGuest) => "host > guest",
            _ => "guest > host",
        };
        write!(self.page, "{head}{arrow}{end}{}", BusName(record.bus))?;
        if let Some((first, last)) = asked.frames() {
            write!(self.page, "  {}", Frames(first, last))?;
        }
        write!(self.page, "  channel {} {}", exchange.channel_id, ClassName(exchange.class))?;
        let (style, outcome) = match (request, response) {
            (Some(_), Some(_)) => (good, "answered"),
            (_, None) => (bad, "unanswered"),
            (None, Some(_)) => (odd, "not seen to be asked"),
        };
        write!(self.page, "  {style}{outcome}{end}")?;
        if let Some(nanoseconds) = asked.service_time() {
            write!(self.page, " in {}", Milliseconds(nanoseconds))?;
        }
        if let Some(time) = asked.stamps().next().and_then(|stamp| stamp.time) {
            write!(self.page, "  {dim}{}{end}", Rfc3339(time))?;
        }
        writeln!(self.page)?;
        if let Some(remark) = exchange.class.remark() {
            writeln!(self.page, "  {odd}{remark}{end}")?;
        }
        for (label, message) in [("asks   ", request), ("answer ", response)] {
            if let Some(message) = message {
                self.write_pipe_message(label, message)?;
            }
        }
        Ok(())
    }

    fn write_pipe_message(&mut self, label: &str, message: &Message) -> fmt::Result {
        let Palette { bad, dim, end, .. } = self.palette;
        write!(self.page, "  {label} ")?;
        match &message.content {
            Content::Opaque(payload) => {
                let hash = Hex(&payload.sha256[..8]);
                write!(self.page, "{} {dim}SHA-256{end} {hash}", counted(payload.length, "byte"))?;
                if let Some(hint) = payload.hint {
                    write!(self.page, "{dim}, begins like {}{end}", HintName(hint))?;
                }
            }
            Content::SynthRdp(message) => write!(self.page, "{}", SynthRdp(message))?,
            Content::Kvp(message) => write!(self.page, "{}", Ic(message))?,
        }
        if message.packets > 1 {
            write!(self.page, "{dim}, in {}{end}", counted(message.packets, "packet"))?;
        }
        if self.verbose {
            write!(self.page, "{dim}, transaction {}{end}", message.transaction_id)?;
        }
        writeln!(self.page)?;
        if let Some(error) = &message.error {
            writeln!(self.page, "          {bad}{error}{end}")?;
        }
        Ok(())
    }

    pub(super) fn write_channel(&mut self, record: &ChannelRecord) -> fmt::Result {
        let Palette { head, odd, dim, end, .. } = self.palette;
        let channel = &record.channel;
        let is_known = !matches!(channel.class, ChannelClass::Unknown);
        if !self.verbose && !is_known {
            return Ok(());
        }
        write!(self.page, "{head}channel {}{end}{}", channel.channel_id, BusName(record.bus))?;
        write!(self.page, "  {}", ClassName(channel.class))?;
        if channel.class_id != Guid::NIL && !is_known {
            write!(self.page, " {}", channel.class_id)?;
        }
        if channel.subchannel_index > 0 {
            write!(self.page, " subchannel {}", channel.subchannel_index)?;
        }
        let states: Vec<String> = channel
            .states
            .iter()
            .map(|change| match change.stamp.frame {
                0 => change.state.name().replace('-', " "),
                frame => format!("{} (frame {frame})", change.state.name().replace('-', " ")),
            })
            .collect();
        match states.is_empty() {
            true => writeln!(self.page, "  {odd}no control message of it was seen{end}")?,
            false => writeln!(self.page, "  {}", states.join(", "))?,
        }
        if let Some(remark) = channel.class.remark() {
            writeln!(self.page, "  {odd}{remark}{end}")?;
        }
        let (sent, received) = (channel.sent, channel.received);
        writeln!(
            self.page,
            "  {dim}guest: {}, {}; host: {}, {}{end}",
            counted(sent.packets, "packet"),
            counted(sent.bytes, "byte"),
            counted(received.packets, "packet"),
            counted(received.bytes, "byte"),
        )?;
        if self.verbose {
            if let Some(mode) = channel.pipe_mode {
                let source = channel.mode_source.map_or("", crate::vmbus::ModeSource::name);
                writeln!(self.page, "  {dim}a pipe in {} mode, by: {source}{end}", mode.name())?;
            }
            if let Some(flags) = channel.flags.filter(|flags| flags.0 != 0) {
                writeln!(self.page, "  {dim}flags {}{end}", flags.names().join(", "))?;
            }
            for gpadl in &channel.gpadls {
                let pages: u64 = gpadl.ranges.iter().map(crate::vmbus::GpadlRange::pages).sum();
                let status = match gpadl.status {
                    Some(0) => "created".to_owned(),
                    Some(status) => format!("refused with {status:#010x}"),
                    None => "not answered".to_owned(),
                };
                let end_of_it = if gpadl.is_torn_down { ", torn down" } else { "" };
                writeln!(
                    self.page,
                    "  {dim}GPADL {:#x}: {} in {}, {status}{end_of_it}{end}",
                    gpadl.gpadl_id,
                    counted(pages, "page"),
                    counted(gpadl.ranges.len() as u64, "range"),
                )?;
            }
        }
        Ok(())
    }

    pub(super) fn write_control(&mut self, record: &ControlRecord) -> fmt::Result {
        let Palette { bad, dim, end, .. } = self.palette;
        let arrow = match record.direction {
            Direction::GuestToHost => ">",
            Direction::HostToGuest => "<",
        };
        let frame = record.stamp.frame;
        write!(self.page, "{dim}{arrow} frame {frame}{}{end} {}", BusName(record.bus), record.message.kind)?;
        if let Some(id) = record.message.channel_id() {
            write!(self.page, " channel {id}")?;
        }
        if record.class != ChannelClass::Unknown {
            write!(self.page, " {}", ClassName(record.class))?;
        }
        match &record.message.body {
            Body::InitiateContact(body) => write!(self.page, " version {}", body.contact.version)?,
            Body::OpenChannelResult(body) => write!(self.page, " status {:#010x}", body.status)?,
            _ => {}
        }
        writeln!(self.page)?;
        match &record.error {
            Some(error) => writeln!(self.page, "    {bad}{error}{end}"),
            None => Ok(()),
        }
    }
}

/// `  interface 2`, nothing for the first one.
struct BusName(Bus);

impl fmt::Display for BusName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Bus(0) => Ok(()),
            Bus(number) => write!(f, "  interface {number}"),
        }
    }
}

struct ClassName(ChannelClass);

impl fmt::Display for ClassName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            ChannelClass::Avma => "AVMA",
            ChannelClass::SynthRdpControl => "SynthRDP control",
            ChannelClass::SynthRdpData => "SynthRDP data",
            ChannelClass::RemoteDesktopVirtualization => "remote desktop virtualization",
            ChannelClass::InitialMachineConfiguration => "initial machine configuration",
            ChannelClass::Kvp => "KVP",
            ChannelClass::Unknown => "of an unknown class",
        })
    }
}

struct HintName(Hint);

impl fmt::Display for HintName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Hint::XmlProlog => "XML",
            Hint::XrmlRoot => "an XrML licence",
            Hint::DerSequence => "a DER sequence",
            Hint::Guid => "a GUID",
        })
    }
}

struct SynthRdp<'a>(&'a synthrdp::Message);

impl fmt::Display for SynthRdp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = &self.0.header;
        write!(f, "SynthRDP {} version {:#x}", header.kind, header.version)?;
        match self.0.accepted {
            Some(0) => f.write_str(", not accepted"),
            Some(_) => f.write_str(", accepted"),
            None => Ok(()),
        }
    }
}

struct Ic<'a>(&'a ic::Message);

impl fmt::Display for Ic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ic::Message { header, body, .. } = self.0;
        match body {
            ic::Body::Negotiate(negotiate) => {
                let versions: Vec<String> =
                    negotiate.versions.iter().map(|v| format!("{}.{}", v.major, v.minor)).collect();
                write!(f, "negotiates versions {}", versions.join(", "))?;
            }
            ic::Body::Kvp(exchange) => {
                write!(f, "KVP {} {}", exchange.operation, exchange.pool)?;
                if let kvp::Body::Indexed { index, .. } = exchange.body {
                    write!(f, " {index}")?;
                }
                if let Some(key) = exchange.key().filter(|key| !key.is_empty()) {
                    write!(f, " {}", Plain(&key))?;
                    match exchange.pair().map(kvp::Pair::value) {
                        Some(Value::Text(text)) if !text.is_empty() => write!(f, " = {}", Plain(&text))?,
                        Some(Value::Number(number)) => match u32::try_from(number) {
                            Ok(code) if hresult::symbol(code).is_some() && code > 0 => {
                                write!(f, " = {}", names::hresult(code))?;
                            }
                            _ => write!(f, " = {number}")?,
                        },
                        Some(Value::Bytes(bytes)) if !bytes.is_empty() => {
                            write!(f, " = {} bytes", bytes.len())?;
                        }
                        _ => {}
                    }
                }
            }
            ic::Body::Opaque => write!(f, "{}", header.kind)?,
        }
        if header.status != 0 {
            write!(f, ", status {:#010x}", header.status)?;
        }
        Ok(())
    }
}
