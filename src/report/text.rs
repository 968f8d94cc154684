use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use crate::capture::Direction;
use crate::kms::Check;
use crate::rpc::{self, Context, Outcome as ContextOutcome};
use crate::trace::{
    Answer, ConnectionRecord, ContextStanding, Exchange, FileRecord, NdrBasis, Notice, Observer, Outcome,
    PduContent, PduRecord, RequestRecord, ResponseRecord, Stage, Summary,
};
use crate::wire::{Hex, Rfc3339};

use super::fields::{self, Fields};
use super::names;

/// Writes for people: a few lines an exchange, one line a connection that got no further, one line a complaint.
pub struct TextReport<W: Write> {
    out: W,
    palette: Palette,
    verbose: bool,
    failure: Option<io::Error>,
}

struct Palette {
    head: Style,
    good: Style,
    bad: Style,
    odd: Style,
    dim: Style,
}

impl<W: Write> TextReport<W> {
    /// Writes to `out`; `verbose` adds every field, every PDU and the raw bytes.
    pub fn new(out: W, colour: bool, verbose: bool) -> Self {
        let style = |colour_of: AnsiColor| Style::new().fg_color(Some(colour_of.into()));
        let palette = if colour {
            Palette {
                head: Style::new().bold(),
                good: style(AnsiColor::Green),
                bad: style(AnsiColor::Red).bold(),
                odd: style(AnsiColor::Yellow),
                dim: Style::new().dimmed(),
            }
        } else {
            let plain = Style::new();
            Palette { head: plain, good: plain, bad: plain, odd: plain, dim: plain }
        };
        Self { out, palette, verbose, failure: None }
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// The first failure to write.
    pub fn finish(mut self) -> io::Result<()> {
        match self.failure.take() {
            Some(error) => Err(error),
            None => self.out.flush(),
        }
    }

    /// Does something that can fail to write, unless something has failed already.
    fn put(&mut self, write: impl FnOnce(&mut Self) -> io::Result<()>) {
        if self.failure.is_none()
            && let Err(error) = write(self)
        {
            self.failure = Some(error);
        }
    }

    fn fields(&mut self, title: &str, fields: &Fields) -> io::Result<()> {
        let dim = self.palette.dim;
        writeln!(self.out, "    {dim}{title}{dim:#}")?;
        for line in fields.lines() {
            writeln!(self.out, "      {line}")?;
        }
        Ok(())
    }

    fn write_exchange(&mut self, exchange: &Exchange) -> io::Result<()> {
        let Palette { head, good, bad, odd, dim } = self.palette;
        let asked = exchange.request.as_ref().map(|request| request.span);
        let answered = exchange.answer_span();
        let frames = match (asked, answered) {
            (Some(asked), Some(answered)) => format!("frames {}-{}", asked.first.frame, answered.last.frame),
            (Some(span), None) | (None, Some(span)) if span.first.frame != span.last.frame => {
                format!("frames {}-{}", span.first.frame, span.last.frame)
            }
            (Some(span), None) | (None, Some(span)) => format!("frame {}", span.last.frame),
            (None, None) => String::new(),
        };
        let (style, outcome) = match exchange.outcome() {
            Outcome::Answered if has_failed_check(exchange) => (bad, "answered, not verified"),
            Outcome::Answered => (good, "answered"),
            Outcome::Refused(_) => (bad, "refused"),
            Outcome::Fault(_) => (bad, "fault"),
            Outcome::Unreadable => (bad, "unreadable answer"),
            Outcome::Unanswered => (bad, "unanswered"),
        };
        write!(self.out, "{head}{} > {}{head:#}  {frames}", exchange.client, exchange.server)?;
        write!(
            self.out,
            "  stream {} call {}  {style}{outcome}{style:#}",
            exchange.stream, exchange.call_id
        )?;
        if let Some(nanoseconds) = exchange.service_time() {
            write!(self.out, " in {}", milliseconds(nanoseconds))?;
        }
        if let Some(time) = asked.or(answered).and_then(|span| span.first.time) {
            write!(self.out, "  {dim}{}{dim:#}", Rfc3339(time))?;
        }
        writeln!(self.out)?;
        match &exchange.request {
            Some(request) => self.write_request(exchange, request)?,
            None => writeln!(self.out, "  asks    {odd}no request of this call id was captured{odd:#}")?,
        }
        if let Some(remark) = context_remark(exchange) {
            writeln!(self.out, "  context {odd}{remark}{odd:#}")?;
        }
        match &exchange.answer {
            Some(Answer::Response(response)) => self.write_response(exchange, response)?,
            Some(Answer::Fault(fault)) => {
                let status = fault.status.map_or("without a status".to_owned(), names::fault_status);
                writeln!(self.out, "  answer  {bad}fault {status}{bad:#}")?;
            }
            None => {}
        }
        if let Some(checks) = &exchange.checks {
            self.write_checks(&checks.by_name(), checks.hmac_slot)?;
        }
        if self.verbose {
            self.write_all_fields(exchange)?;
        }
        Ok(())
    }

    fn write_request(&mut self, exchange: &Exchange, request: &RequestRecord) -> io::Result<()> {
        let Palette { bad, odd, dim, .. } = self.palette;
        let ndr = exchange.ndr;
        let message = request.message.as_ref();
        match message.and_then(|message| message.body().map(|body| (message, body))) {
            Some((message, body)) => {
                let version = message.version().unwrap_or_default();
                writeln!(self.out, "  asks    {} for {}", named_version(version, ndr), names::product(body))?;
                let machine = if body.vm_info == 0 { "physical" } else { "virtual" };
                writeln!(
                    self.out,
                    "          {dim}by{dim:#} {:?} {dim}({machine}) CMID{dim:#} {} {dim}needs{dim:#} {}  \
                     {dim}{}, binding {} min, its clock {}{dim:#}",
                    body.machine_name_text(),
                    body.cmid,
                    body.n_policy,
                    names::license_status(body.license_status),
                    body.binding_expiration,
                    body.client_time,
                )?;
            }
            None => {
                let version = message.and_then(crate::kms::RequestMessage::version);
                let length = request.stub.as_ref().map_or(request.bytes.len(), |stub| stub.data_length);
                let what = match version {
                    Some(version) => named_version(version, ndr),
                    None => ndr.to_string(),
                };
                writeln!(self.out, "  asks    {odd}{what}, {length} bytes that are no request{odd:#}")?;
            }
        }
        if let Some(opnum) = request.opnum.filter(|&opnum| opnum != 0) {
            writeln!(self.out, "          {odd}opnum {opnum}, not 0 (RequestActivation){odd:#}")?;
        }
        if !request.span.complete {
            let fragments = request.span.fragments;
            writeln!(self.out, "          {odd}incomplete: {fragments} fragments, not first to last{odd:#}")?;
        }
        if let Some(error) = &request.error {
            writeln!(self.out, "          {bad}{error}{bad:#}")?;
        }
        if let Some(fits) = request.fits {
            writeln!(self.out, "          {odd}read as {ndr}, but its counts fit {fits}{odd:#}")?;
        }
        let failed = request.checks.iter().flat_map(|checks| checks.by_name());
        let failed: Vec<&str> =
            failed.filter(|(_, check)| *check == Check::Fail).map(|(name, _)| name).collect();
        if !failed.is_empty() {
            writeln!(self.out, "          {bad}request FAILS: {}{bad:#}", failed.join(", "))?;
        }
        Ok(())
    }

    fn write_response(&mut self, exchange: &Exchange, response: &ResponseRecord) -> io::Result<()> {
        let Palette { bad, odd, dim, .. } = self.palette;
        match (exchange.outcome(), response.message.as_ref().and_then(crate::kms::ResponseMessage::body)) {
            (_, Some(body)) => {
                writeln!(
                    self.out,
                    "  answer  count {}, retry {} min, renew {} min",
                    body.count, body.activation_interval, body.renewal_interval
                )?;
                let epid = body.epid_text();
                write!(self.out, "          {dim}ePID{dim:#} {epid}")?;
                if let Some(crate::kms::ResponseMessage::Encrypted(message)) = &response.message
                    && let Some(v6) = &message.v6
                {
                    write!(self.out, " {dim}HwId{dim:#} {}", Hex(&v6.hwid))?;
                }
                writeln!(self.out)?;
                match names::EpidParts::of(&epid) {
                    Some(parts) => writeln!(self.out, "          {dim}{parts}{dim:#}")?,
                    None => writeln!(self.out, "          {odd}the ePID has not the usual parts{odd:#}")?,
                }
            }
            (Outcome::Refused(code), None) => {
                writeln!(self.out, "  answer  {bad}{}{bad:#}", names::hresult(code))?;
            }
            _ => {
                let length = response.stub.as_ref().map_or(response.bytes.len(), |stub| stub.data_length);
                writeln!(self.out, "  answer  {bad}{length} bytes that are no response{bad:#}")?;
            }
        }
        if !response.span.complete {
            writeln!(self.out, "          {odd}incomplete: {} fragments{odd:#}", response.span.fragments)?;
        }
        if let Some(error) = &response.error {
            writeln!(self.out, "          {bad}{error}{bad:#}")?;
        }
        Ok(())
    }

    fn write_checks(&mut self, checks: &[(&'static str, Check)], slot: Option<i8>) -> io::Result<()> {
        let Palette { bad, odd, good, .. } = self.palette;
        let count = |wanted: Check| checks.iter().filter(|(_, check)| *check == wanted).count();
        let (held, failed, open) = (count(Check::Pass), count(Check::Fail), count(Check::NoRequest));
        if failed > 0 {
            let names: Vec<&str> =
                checks.iter().filter(|(_, check)| *check == Check::Fail).map(|(name, _)| *name).collect();
            write!(self.out, "  checks  {bad}FAIL: {}{bad:#}, {held} hold", names.join(", "))?;
        } else {
            write!(self.out, "  checks  {good}{held} hold{good:#}")?;
        }
        if open > 0 {
            write!(self.out, "{odd}, {open} need the request{odd:#}")?;
        }
        if let Some(slot) = slot.filter(|&slot| slot != 0) {
            write!(self.out, "{odd}, HMAC of slot {slot:+}{odd:#}")?;
        }
        writeln!(self.out)
    }

    fn write_all_fields(&mut self, exchange: &Exchange) -> io::Result<()> {
        let dim = self.palette.dim;
        if let Some(request) = &exchange.request {
            if let Some(message) = &request.message {
                self.fields("request", &fields::request(message))?;
            }
            if let Some(checks) = &request.checks {
                self.fields("request checks", &fields::checks(&checks.by_name(), None))?;
            }
            if let Some(stub) = &request.stub {
                writeln!(
                    self.out,
                    "    {dim}request stub{dim:#} {} requestSize {} maximum count {} excess {}",
                    exchange.ndr,
                    stub.size_slot,
                    stub.max_count,
                    bracketed(&stub.excess)
                )?;
            }
            self.write_bytes(&request.bytes)?;
        }
        if let Some(Answer::Response(response)) = &exchange.answer {
            if let Some(message) = &response.message {
                self.fields("response", &fields::response(message))?;
            }
            if let Some(stub) = &response.stub {
                writeln!(
                    self.out,
                    "    {dim}response stub{dim:#} {} responseSize {} referent 0x{:08x} maximum count {} padding {} \
                     HRESULT {} excess {}",
                    exchange.ndr,
                    stub.size_slot,
                    stub.referent,
                    stub.max_count.map_or("-".to_owned(), |count| count.to_string()),
                    bracketed(&stub.padding),
                    stub.hresult.map_or("-".to_owned(), |hresult| format!("0x{hresult:08X}")),
                    bracketed(&stub.excess)
                )?;
            }
            self.write_bytes(&response.bytes)?;
        }
        if let Some(checks) = &exchange.checks {
            self.fields("response checks", &fields::checks(&checks.by_name(), checks.hmac_slot))?;
        }
        Ok(())
    }

    /// Sixteen bytes a line, with their offset.
    fn write_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        let dim = self.palette.dim;
        for (i, row) in bytes.chunks(16).enumerate() {
            write!(self.out, "      {dim}{:04x}", 16 * i)?;
            for byte in row {
                write!(self.out, " {byte:02x}")?;
            }
            let blank = 3 * (16 - row.len());
            write!(self.out, "{:blank$}  ", "")?;
            for &byte in row {
                let shown = if byte.is_ascii_graphic() || byte == b' ' { char::from(byte) } else { '.' };
                write!(self.out, "{shown}")?;
            }
            writeln!(self.out, "{dim:#}")?;
        }
        Ok(())
    }

    fn write_connection(&mut self, connection: &ConnectionRecord) -> io::Result<()> {
        let stage = connection.stage();
        if !self.verbose && (stage == Stage::Called || (stage == Stage::OtherInterface && !connection.is_kms))
        {
            return Ok(());
        }
        let Palette { head, odd, dim, .. } = self.palette;
        let flow = &connection.flow;
        writeln!(
            self.out,
            "{head}{} > {}{head:#}  frames {}-{}  stream {}  {odd}{}: {}{odd:#}",
            flow.client,
            flow.server,
            flow.first.frame,
            flow.last.frame,
            flow.stream,
            connection.end.name(),
            stage.describe(),
        )?;
        if let Some(reason) = connection.bind_nak {
            let reason = names::numbered(reason, rpc::reject_reason_name(reason));
            writeln!(self.out, "  bind_nak reason {reason}")?;
        }
        for context in &connection.contexts {
            writeln!(self.out, "  {dim}context {}{dim:#}", describe_context(context))?;
        }
        if self.verbose {
            let [client, server] = flow.bytes;
            writeln!(
                self.out,
                "  {dim}{} packets, {client} bytes c2s, {server} bytes s2c, {} and {} PDUs, {} exchanges, {} other \
                 calls{dim:#}",
                flow.packets,
                connection.pdus[0],
                connection.pdus[1],
                connection.exchanges,
                connection.other_calls
            )?;
        }
        Ok(())
    }

    fn write_pdu(&mut self, pdu: &PduRecord<'_>) -> io::Result<()> {
        let dim = self.palette.dim;
        let frames = if pdu.first.frame == pdu.last.frame {
            format!("frame {}", pdu.last.frame)
        } else {
            format!("frames {}-{}", pdu.first.frame, pdu.last.frame)
        };
        let arrow = if pdu.direction == Direction::ToServer { ">" } else { "<" };
        write!(self.out, "{dim}{arrow} {frames} stream {} offset {}{dim:#} ", pdu.stream, pdu.offset)?;
        match &pdu.content {
            PduContent::Whole { pdu: whole, .. } => {
                let header = &whole.header;
                writeln!(
                    self.out,
                    "{} call {} {} bytes {}",
                    header.ptype, header.call_id, header.frag_length, header.flags
                )?;
                for line in fields::pdu(whole).lines() {
                    writeln!(self.out, "    {line}")?;
                }
                Ok(())
            }
            PduContent::Cut { header: Some(header), bytes } => {
                writeln!(self.out, "{} cut: {} of {} bytes", header.ptype, bytes.len(), header.frag_length)?;
                self.write_bytes(bytes)
            }
            PduContent::Cut { header: None, bytes } => {
                writeln!(self.out, "PDU header cut: {} of 16 bytes", bytes.len())?;
                self.write_bytes(bytes)
            }
            PduContent::Skipped { length, sample } => {
                writeln!(self.out, "{length} bytes that are no PDU")?;
                self.write_bytes(sample)
            }
        }
    }

    fn write_summary(&mut self, summary: &Summary) -> io::Result<()> {
        let dim = self.palette.dim;
        write!(
            self.out,
            "{dim}{}, {}, {}, {}{dim:#}",
            counted(summary.packets, "packet"),
            counted(summary.connections, "connection"),
            counted(summary.pdus, "PDU"),
            counted(summary.exchanges, "exchange"),
        )?;
        let outcomes = [
            (summary.answered, "answered"),
            (summary.refused, "refused"),
            (summary.faults, "faults"),
            (summary.unreadable, "unreadable"),
            (summary.unanswered, "unanswered"),
        ];
        let mut separator = ": ";
        for (count, name) in outcomes {
            if count > 0 {
                write!(self.out, "{dim}{separator}{count} {name}{dim:#}")?;
                separator = ", ";
            }
        }
        let Palette { bad, odd, .. } = self.palette;
        if summary.failed_checks > 0 {
            write!(self.out, "{bad}; {} with a failed check{bad:#}", summary.failed_checks)?;
        }
        let left = [
            (summary.other_connections, "other TCP connections"),
            (summary.other_protocols, "packets of other protocols"),
            (summary.not_ip, "packets without IP"),
            (summary.cut_headers, "packets cut inside a header"),
            (summary.incomplete_datagrams, "IP datagrams not whole"),
            (summary.late_bytes, "bytes behind a connection's end"),
            (summary.evicted_connections, "connections given up"),
        ];
        for (count, name) in left {
            if count > 0 {
                write!(self.out, "{odd}; {count} {name}{odd:#}")?;
            }
        }
        for (link, count) in &summary.unknown_links {
            let link = crate::capture::LinkType(*link);
            write!(self.out, "{odd}; {count} packets of link type {link}{odd:#}")?;
        }
        writeln!(self.out)?;
        writeln!(self.out)
    }
}

impl<W: Write> Observer for TextReport<W> {
    fn file(&mut self, file: &FileRecord<'_>) {
        let head = self.palette.head;
        self.put(|report| writeln!(report.out, "{head}== {}{head:#}  {}", file.name, file.format.name()));
    }

    fn pdu(&mut self, pdu: &PduRecord<'_>) {
        if self.verbose {
            self.put(|report| report.write_pdu(pdu));
        }
    }

    fn exchange(&mut self, exchange: &Exchange) {
        self.put(|report| report.write_exchange(exchange));
    }

    fn connection(&mut self, connection: &ConnectionRecord) {
        self.put(|report| report.write_connection(connection));
    }

    fn notice(&mut self, notice: &Notice) {
        // What concerns the input itself is the program's to say, on standard error.
        if !notice.kind.is_failed_input() {
            let odd = self.palette.odd;
            self.put(|report| writeln!(report.out, "{odd}! {notice}{odd:#}"));
        }
    }

    fn summary(&mut self, summary: &Summary) {
        self.put(|report| report.write_summary(summary));
    }

    fn wants_more(&self) -> bool {
        self.failure.is_none()
    }
}

fn has_failed_check(exchange: &Exchange) -> bool {
    exchange.checks.is_some_and(|checks| checks.by_name().iter().any(|(_, check)| *check == Check::Fail))
}

/// `KMS 6.0 (NDR32)`.
fn named_version(version: crate::kms::Version, ndr: crate::kms::Ndr) -> String {
    format!("KMS {version} ({ndr})")
}

/// What is not as it should be with the presentation context of a call.
fn context_remark(exchange: &Exchange) -> Option<String> {
    let id = exchange.context_id?;
    Some(match exchange.standing {
        ContextStanding::Accepted => return None,
        ContextStanding::Unanswered => format!("{id} was proposed; no answer to it was captured"),
        ContextStanding::Rejected(3, bits) => format!("{id} is a feature negotiation (bits {bits:#x})"),
        ContextStanding::Rejected(result, reason) => format!(
            "{id} was rejected: {}, reason {}",
            names::numbered(result, rpc::result_name(result)),
            names::numbered(reason, rpc::result_reason_name(reason))
        ),
        ContextStanding::Foreign(interface) => {
            let name = rpc::interface_name(interface.uuid).unwrap_or("another interface");
            format!("{id} is that of {name} ({interface})")
        }
        ContextStanding::Unknown if exchange.ndr_basis == NdrBasis::Guessed => {
            format!("{id}: no bind was captured; read as {}", exchange.ndr)
        }
        ContextStanding::Unknown => format!("{id} was never proposed"),
    })
}

/// `0: KMS v1.0, accepted as NDR32`.
fn describe_context(context: &Context) -> String {
    let id = context.interface;
    let interface = match rpc::interface_name(id.uuid) {
        Some(name) => format!("{name} v{}.{}", id.major(), id.minor()),
        None => id.to_string(),
    };
    let outcome = match context.outcome {
        ContextOutcome::Pending => "not answered".to_owned(),
        ContextOutcome::Accepted(syntax) => format!("accepted as {syntax}"),
        ContextOutcome::Negotiated(bits) => format!("features {bits:#x} granted"),
        ContextOutcome::Rejected { result, reason } => format!(
            "rejected: {}, reason {}",
            names::numbered(result, rpc::result_name(result)),
            names::numbered(reason, rpc::result_reason_name(reason))
        ),
    };
    format!("{}: {interface}, {outcome}", context.id)
}

fn bracketed(bytes: &[u8]) -> String {
    if bytes.is_empty() { "-".to_owned() } else { Hex(bytes).to_string() }
}

fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Nanoseconds as milliseconds with three decimals.
fn milliseconds(nanoseconds: i64) -> String {
    let microseconds = nanoseconds / 1000;
    let sign = if microseconds < 0 { "-" } else { "" };
    format!("{sign}{}.{:03} ms", (microseconds / 1000).abs(), (microseconds % 1000).abs())
}
