mod directory;
pub(super) mod discovery;
mod found;
mod mak;
mod vmbus;

use std::fmt::{self, Write as _};

use crate::capture::{About, Comment, Direction};
use crate::kms::Check;
use crate::mak::vamt::Computer;
use crate::rpc::{self, Context, Outcome as ContextOutcome};
use crate::trace::{
    Answer, ChannelRecord, ConnectionRecord, ContextStanding, ControlRecord, DirectoryExchange, Exchange,
    FileFormat, FileRecord, Found, GuestExchange, InputKind, Lookup, MakExchange, NdrBasis, Notice,
    ObjectRecord, Observer, Outcome, PduContent, PduRecord, RequestRecord, ResponseRecord, Scribe, Search,
    Stage, Summary,
};
use crate::wire::{Hex, Rfc3339};

use crate::report::fields::{self, Fields};
use crate::report::names;
use crate::report::suspicion::Suspicion;

use found::HowFound;

/// Writes for people: a few lines an exchange, one line a connection that got no further, one line a complaint.
pub struct TextReport {
    page: String,
    palette: Palette,
    verbose: bool,
    suspicion: Suspicion,
    /// True once the header of the current file was read: without it there is nothing to sum up.
    has_file: bool,
    /// What the current file is.
    format: Option<FileFormat>,
}

/// What switches a style on, and all of them off; nothing without colour.
#[derive(Clone, Copy)]
pub(super) struct Palette {
    pub(super) head: &'static str,
    pub(super) good: &'static str,
    pub(super) bad: &'static str,
    pub(super) odd: &'static str,
    pub(super) dim: &'static str,
    pub(super) end: &'static str,
}

impl Palette {
    /// Bold, green, bold red, yellow and dim (ECMA-48 8.3.117).
    pub(super) const COLOURED: Self = Self {
        head: "\x1b[1m",
        good: "\x1b[32m",
        bad: "\x1b[1;31m",
        odd: "\x1b[33m",
        dim: "\x1b[2m",
        end: "\x1b[0m",
    };
    pub(super) const PLAIN: Self = Self { head: "", good: "", bad: "", odd: "", dim: "", end: "" };
}

impl TextReport {
    /// `verbose` adds every field, every PDU and the raw bytes.
    #[must_use]
    pub fn new(colour: bool, verbose: bool) -> Self {
        let palette = if colour { Palette::COLOURED } else { Palette::PLAIN };
        Self {
            page: String::new(),
            palette,
            verbose,
            suspicion: Suspicion::default(),
            has_file: false,
            format: None,
        }
    }

    fn put(&mut self, write: impl FnOnce(&mut Self) -> fmt::Result) {
        self.suspicion.raise();
        self.put_unsuspected(write);
    }

    /// What is written may hold product keys only as far as [`Suspicion`] says.
    fn put_unsuspected(&mut self, write: impl FnOnce(&mut Self) -> fmt::Result) {
        if write(self).is_err() {
            self.page.push_str("(a value that cannot be shown)\n");
        }
    }

    fn fields(&mut self, title: &str, fields: &Fields) -> fmt::Result {
        let Palette { dim, end, .. } = self.palette;
        writeln!(self.page, "    {dim}{title}{end}")?;
        for line in fields.lines() {
            writeln!(self.page, "      {line}")?;
        }
        Ok(())
    }

    fn write_exchange(&mut self, exchange: &Exchange) -> fmt::Result {
        let Palette { head, good, bad, odd, dim, end, .. } = self.palette;
        let asked = exchange.request.as_ref().map(|request| request.span);
        let answered = exchange.answer_span();
        let first = asked.or(answered).map_or(0, |span| span.first.frame);
        let last = answered.or(asked).map_or(0, |span| span.last.frame);
        let (style, outcome) = match exchange.outcome() {
            Outcome::Answered if exchange.has_failed_check() => (bad, "answered, not verified"),
            Outcome::Answered => (good, "answered"),
            Outcome::Refused(_) => (bad, "refused"),
            Outcome::Fault(_) => (bad, "fault"),
            Outcome::Unreadable => (bad, "unreadable answer"),
            Outcome::Unanswered => (bad, "unanswered"),
        };
        write!(self.page, "{head}{} > {}{end}  {}", exchange.client, exchange.server, Frames(first, last))?;
        write!(self.page, "  stream {} call {}  {style}{outcome}{end}", exchange.stream, exchange.call_id)?;
        if let Some(nanoseconds) = exchange.service_time() {
            write!(self.page, " in {}", Milliseconds(nanoseconds))?;
        }
        if let Some(time) = asked.or(answered).and_then(|span| span.first.time) {
            write!(self.page, "  {dim}{}{end}", Rfc3339(time))?;
        }
        writeln!(self.page)?;
        self.write_found(exchange.found.as_deref())?;
        match &exchange.request {
            Some(request) => self.write_request(exchange, request)?,
            None => writeln!(self.page, "  asks    {odd}no request of this call id was captured{end}")?,
        }
        if let Some(remark) = context_remark(exchange) {
            writeln!(self.page, "  context {odd}{remark}{end}")?;
        }
        match &exchange.answer {
            Some(Answer::Response(response)) => self.write_response(exchange, response)?,
            Some(Answer::Fault(fault)) => {
                let status = fault.status.map_or("without a status".to_owned(), names::fault_status);
                writeln!(self.page, "  answer  {bad}fault {status}{end}")?;
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

    fn write_found(&mut self, found: Option<&Found>) -> fmt::Result {
        let Palette { dim, end, .. } = self.palette;
        match found {
            Some(found) => writeln!(self.page, "  found   {dim}{}{end}", HowFound(found)),
            None => Ok(()),
        }
    }

    fn write_request(&mut self, exchange: &Exchange, request: &RequestRecord) -> fmt::Result {
        let Palette { bad, odd, dim, end, .. } = self.palette;
        let ndr = exchange.ndr;
        let message = request.message.as_ref();
        match message.and_then(|message| message.body().map(|body| (message, body))) {
            Some((message, body)) => {
                let version = message.version().unwrap_or_default();
                writeln!(self.page, "  asks    KMS {version} ({ndr}) for {}", names::Product(body))?;
                let machine = if body.vm_info == 0 { "physical" } else { "virtual" };
                writeln!(
                    self.page,
                    "          {dim}by{end} {:?} {dim}({machine}), CMID{end} {}{dim}, which needs{end} {}",
                    body.machine_name_text(),
                    body.cmid,
                    body.n_policy,
                )?;
                writeln!(
                    self.page,
                    "          {dim}license status {}, binding {} min, clock {}{end}",
                    names::license_status(body.license_status),
                    body.binding_expiration,
                    body.client_time,
                )?;
            }
            None => {
                let version = message.and_then(crate::kms::RequestMessage::version);
                let length = request.stub.as_ref().map_or(request.bytes.len(), |stub| stub.data_length);
                let what = match version {
                    Some(version) if request.error.is_none() => {
                        format!("KMS {version} ({ndr}), a version unknown here")
                    }
                    Some(version) => format!("KMS {version} ({ndr}), no whole request"),
                    None => format!("{ndr}, no request"),
                };
                writeln!(self.page, "  asks    {odd}{what}: {length} bytes{end}")?;
            }
        }
        if let Some(opnum) = request.opnum.filter(|&opnum| opnum != 0) {
            writeln!(self.page, "          {odd}opnum {opnum}, not 0 (RequestActivation){end}")?;
        }
        if !request.span.complete {
            let fragments = request.span.fragments;
            writeln!(self.page, "          {odd}incomplete: {fragments} fragments, not first to last{end}")?;
        }
        if let Some(error) = &request.error {
            writeln!(self.page, "          {bad}{error}{end}")?;
        }
        if let Some(fits) = request.fits {
            writeln!(self.page, "          {odd}read as {ndr}, but its counts fit {fits}{end}")?;
        }
        let failed = request.checks.iter().flat_map(|checks| checks.by_name());
        let failed: Vec<&str> =
            failed.filter(|(_, check)| *check == Check::Fail).map(|(name, _)| name).collect();
        if !failed.is_empty() {
            writeln!(self.page, "          {bad}request FAILS: {}{end}", failed.join(", "))?;
        }
        Ok(())
    }

    fn write_response(&mut self, exchange: &Exchange, response: &ResponseRecord) -> fmt::Result {
        let Palette { bad, odd, dim, end, .. } = self.palette;
        match (exchange.outcome(), response.message.as_ref().and_then(crate::kms::ResponseMessage::body)) {
            (_, Some(body)) => {
                writeln!(
                    self.page,
                    "  answer  count {}, retry {} min, renew {} min",
                    body.count, body.activation_interval, body.renewal_interval
                )?;
                let epid = body.epid_text();
                write!(self.page, "          {dim}ePID{end} {}", names::Plain(&epid))?;
                if let Some(crate::kms::ResponseMessage::Encrypted(message)) = &response.message
                    && let Some(v6) = &message.v6
                {
                    write!(self.page, " {dim}HwId{end} {}", Hex(&v6.hwid))?;
                }
                writeln!(self.page)?;
                match names::EpidParts::of(&epid) {
                    Some(parts) => writeln!(self.page, "          {dim}{parts}{end}")?,
                    None => writeln!(self.page, "          {odd}the ePID has not the usual parts{end}")?,
                }
            }
            (Outcome::Refused(code), None) => {
                writeln!(self.page, "  answer  {bad}{}{end}", names::hresult(code))?;
            }
            _ => {
                let length = response.stub.as_ref().map_or(response.bytes.len(), |stub| stub.data_length);
                writeln!(self.page, "  answer  {bad}{length} bytes that are no response{end}")?;
            }
        }
        if !response.span.complete {
            writeln!(self.page, "          {odd}incomplete: {} fragments{end}", response.span.fragments)?;
        }
        if let Some(error) = &response.error {
            writeln!(self.page, "          {bad}{error}{end}")?;
        }
        Ok(())
    }

    fn write_checks(&mut self, checks: &[(&'static str, Check)], slot: Option<i8>) -> fmt::Result {
        let Palette { bad, odd, good, end, .. } = self.palette;
        let count = |wanted: Check| checks.iter().filter(|(_, check)| *check == wanted).count();
        let (held, failed, open) = (count(Check::Pass), count(Check::Fail), count(Check::NoRequest));
        if failed > 0 {
            let names: Vec<&str> =
                checks.iter().filter(|(_, check)| *check == Check::Fail).map(|(name, _)| *name).collect();
            write!(self.page, "  checks  {bad}FAIL: {}{end}, {held} hold", names.join(", "))?;
        } else {
            write!(self.page, "  checks  {good}{held} hold{end}")?;
        }
        if open > 0 {
            write!(self.page, "{odd}, {open} need the request{end}")?;
        }
        if let Some(slot) = slot.filter(|&slot| slot != 0) {
            write!(self.page, "{odd}, HMAC of slot {slot:+}{end}")?;
        }
        writeln!(self.page)
    }

    fn write_all_fields(&mut self, exchange: &Exchange) -> fmt::Result {
        let Palette { dim, end, .. } = self.palette;
        if let Some(request) = &exchange.request {
            if let Some(message) = &request.message {
                self.fields("request", &fields::request(message))?;
            }
            if let Some(checks) = &request.checks {
                self.fields("request checks", &fields::checks(&checks.by_name(), None))?;
            }
            if let Some(stub) = &request.stub {
                writeln!(
                    self.page,
                    "    {dim}request stub{end} {} requestSize {} maximum count {} excess {}",
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
                    self.page,
                    "    {dim}response stub{end} {} responseSize {} referent 0x{:08x} maximum count {} padding {} \
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
    fn write_bytes(&mut self, bytes: &[u8]) -> fmt::Result {
        let Palette { dim, end, .. } = self.palette;
        // A key that is broken over two rows would not be found in them.
        let mut bytes = bytes.to_vec();
        crate::redact::bytes(&mut bytes);
        for (i, row) in bytes.chunks(16).enumerate() {
            write!(self.page, "      {dim}{:04x}", 16 * i)?;
            for byte in row {
                write!(self.page, " {byte:02x}")?;
            }
            let blank = 3 * (16 - row.len());
            write!(self.page, "{:blank$}  ", "")?;
            for &byte in row {
                let shown = if byte.is_ascii_graphic() || byte == b' ' { char::from(byte) } else { '.' };
                write!(self.page, "{shown}")?;
            }
            writeln!(self.page, "{end}")?;
        }
        Ok(())
    }

    fn write_connection(&mut self, connection: &ConnectionRecord) -> fmt::Result {
        let stage = connection.stage();
        if !self.verbose && (stage == Stage::Called || (stage == Stage::OtherInterface && !connection.is_kms))
        {
            return Ok(());
        }
        let Palette { head, odd, dim, end, .. } = self.palette;
        let flow = &connection.flow;
        writeln!(
            self.page,
            "{head}{} > {}{end}  frames {}-{}  stream {}  {odd}{}: {}{end}",
            flow.client,
            flow.server,
            flow.first.frame,
            flow.last.frame,
            flow.stream,
            connection.end.name(),
            stage.describe(),
        )?;
        self.write_found(connection.found.as_deref())?;
        if let Some(web) = &connection.web {
            self.write_web(connection, web)?;
        }
        if let Some(directory) = &connection.directory {
            self.write_directory_record(directory)?;
        }
        if let Some(reason) = connection.bind_nak {
            let reason = names::Numbered(reason, rpc::reject_reason_name(reason));
            writeln!(self.page, "  bind_nak reason {reason}")?;
        }
        for context in &connection.contexts {
            writeln!(self.page, "  {dim}context {}{end}", describe_context(context))?;
        }
        if self.verbose {
            let [client, server] = flow.bytes;
            writeln!(
                self.page,
                "  {dim}{} packets, {client} bytes c2s, {server} bytes s2c, {} and {} PDUs, {} exchanges, {} other \
                 calls{end}",
                flow.packets,
                connection.pdus[0],
                connection.pdus[1],
                connection.exchanges,
                connection.other_calls
            )?;
        }
        for (count, what) in [(flow.conflicts, "overlaps with other bytes"), (flow.urgent, "urgent packets")]
        {
            if count != [0; 2] {
                let [client, server] = count;
                writeln!(self.page, "  {odd}{what}: {client} c2s, {server} s2c{end}")?;
            }
        }
        Ok(())
    }

    fn write_pdu(&mut self, pdu: &PduRecord<'_>) -> fmt::Result {
        let Palette { dim, end, .. } = self.palette;
        let frames = Frames(pdu.first.frame, pdu.last.frame);
        let arrow = if pdu.direction == Direction::ToServer { ">" } else { "<" };
        write!(self.page, "{dim}{arrow} {frames} stream {} offset {}{end} ", pdu.stream, pdu.offset)?;
        match &pdu.content {
            PduContent::Whole { pdu: whole, .. } => {
                let header = &whole.header;
                writeln!(
                    self.page,
                    "{} call {} {} bytes {}",
                    header.ptype, header.call_id, header.frag_length, header.flags
                )?;
                for line in fields::pdu(whole).lines() {
                    writeln!(self.page, "    {line}")?;
                }
                Ok(())
            }
            PduContent::Cut { header: Some(header), bytes } => {
                writeln!(self.page, "{} cut: {} of {} bytes", header.ptype, bytes.len(), header.frag_length)?;
                self.write_bytes(bytes)
            }
            PduContent::Cut { header: None, bytes } => {
                writeln!(self.page, "PDU header cut: {} of 16 bytes", bytes.len())?;
                self.write_bytes(bytes)
            }
            PduContent::Skipped { length, sample } => {
                writeln!(self.page, "{length} bytes that are no PDU")?;
                self.write_bytes(sample)
            }
        }
    }

    fn write_summary(&mut self, summary: &Summary) -> fmt::Result {
        if !std::mem::take(&mut self.has_file) {
            return Ok(());
        }
        let Palette { dim, end, .. } = self.palette;
        write!(self.page, "{dim}")?;
        match self.format {
            None | Some(FileFormat::Capture(_)) => {
                let packets = counted(summary.packets, "packet");
                let connections = counted(summary.connections, "connection");
                write!(self.page, "{packets}, {connections}, {}, ", counted(summary.pdus, "PDU"))?;
            }
            Some(FileFormat::Other(InputKind::Har | InputKind::Ldif)) => {
                write!(self.page, "{}, ", counted(summary.entries, "entry"))?;
            }
            Some(FileFormat::Other(_)) => {}
        }
        match self.format {
            Some(FileFormat::Other(InputKind::Vamt)) => {
                write!(self.page, "{}{end}", counted(summary.computers, "computer"))?;
            }
            Some(FileFormat::Other(InputKind::Ldif)) => {
                write!(self.page, "{}{end}", counted(summary.objects, "activation object"))?;
            }
            _ => write!(self.page, "{}{end}", counted(summary.exchanges, "exchange"))?,
        }
        let outcomes = [
            (summary.answered, "answered"),
            (summary.refused, "refused"),
            (summary.faults, if summary.faults == 1 { "fault" } else { "faults" }),
            (summary.http_errors, if summary.http_errors == 1 { "HTTP error" } else { "HTTP errors" }),
            (summary.unreadable, "unreadable"),
            (summary.unanswered, "unanswered"),
        ];
        let mut separator = ": ";
        for (count, name) in outcomes {
            if count > 0 {
                write!(self.page, "{dim}{separator}{count} {name}{end}")?;
                separator = ", ";
            }
        }
        let Palette { bad, odd, end, .. } = self.palette;
        if summary.failed_checks > 0 {
            write!(self.page, "{bad}; {} with a failed check{end}", summary.failed_checks)?;
        }
        let left = [
            (summary.other_connections, "other TCP connection", ""),
            (summary.other_lookups, "question", " of DNS about something else"),
            (summary.other_protocols, "packet", " of other protocols"),
            (summary.not_ip, "packet", " without IP"),
            (summary.cut_headers, "packet", " cut inside a header"),
            (summary.bad_headers, "packet", " with a header that cannot be"),
            (summary.bad_checksums, "packet", " with a wrong checksum"),
            (summary.incomplete_datagrams, "IP datagram", " not whole"),
            (summary.conflicting_fragments, "IP fragment", " contradicting another"),
            (summary.oversized_fragments, "IP fragment", " beyond a datagram's length"),
            (summary.late_bytes, "byte", " behind a connection's end"),
            (summary.evicted_connections, "connection", " given up"),
        ];
        for (count, noun, more) in left {
            if count > 0 {
                write!(self.page, "{odd}; {}{more}{end}", counted(count, noun))?;
            }
        }
        for (link, count) in &summary.unknown_links {
            let link = crate::capture::LinkType(*link);
            write!(self.page, "{odd}; {} of link type {link}{end}", counted(*count, "packet"))?;
        }
        writeln!(self.page)?;
        writeln!(self.page)
    }
}

impl Observer for TextReport {
    fn file(&mut self, file: &FileRecord<'_>) {
        let Palette { head, end, .. } = self.palette;
        self.has_file = true;
        self.format = file.format;
        self.put(|report| {
            write!(report.page, "{head}== {}{end}", file.name)?;
            match file.format {
                Some(format) => writeln!(report.page, "  {}", format.name()),
                None => writeln!(report.page, "  {}", file.files.join(", ")),
            }
        });
    }

    fn pdu(&mut self, pdu: &PduRecord<'_>) {
        if self.verbose {
            self.put(|report| report.write_pdu(pdu));
        }
    }

    fn exchange(&mut self, exchange: &Exchange) {
        self.suspicion.exchange(exchange, self.verbose);
        self.put_unsuspected(|report| report.write_exchange(exchange));
    }

    fn mak(&mut self, exchange: &MakExchange) {
        self.put(|report| report.write_mak(exchange));
    }

    fn computer(&mut self, computer: &Computer) {
        self.put(|report| report.write_computer(computer));
    }

    fn directory(&mut self, exchange: &DirectoryExchange) {
        self.put(|report| report.write_directory(exchange));
    }

    fn object(&mut self, object: &ObjectRecord) {
        self.put(|report| report.write_object(object));
    }

    fn lookup(&mut self, lookup: &Lookup) {
        self.put(|report| report.write_lookup(lookup));
    }

    fn search(&mut self, search: &Search) {
        // Of one domain, the lookup has said it all.
        if search.attempts.len() > 1 {
            self.put(|report| report.write_search(search));
        }
    }

    fn guest(&mut self, exchange: &GuestExchange) {
        self.put(|report| report.write_guest(exchange));
    }

    fn channel(&mut self, channel: &ChannelRecord) {
        self.put(|report| report.write_channel(channel));
    }

    fn control(&mut self, control: &ControlRecord) {
        if self.verbose {
            self.put(|report| report.write_control(control));
        }
    }

    fn connection(&mut self, connection: &ConnectionRecord) {
        self.suspicion.connection(connection);
        self.put_unsuspected(|report| report.write_connection(connection));
    }

    fn notice(&mut self, notice: &Notice) {
        // What concerns the input itself is the program's to say, on standard error.
        if !notice.kind.is_failed_input() {
            let Palette { odd, end, .. } = self.palette;
            self.put(|report| writeln!(report.page, "{odd}! {notice}{end}"));
        }
    }

    fn comment(&mut self, comment: &Comment) {
        let Palette { dim, end, .. } = self.palette;
        let Comment { about, frame, text } = comment;
        self.put(|report| match about {
            About::Section => writeln!(report.page, "{dim}# the file: {text:?}{end}"),
            About::Interface(number) => writeln!(report.page, "{dim}# interface {number}: {text:?}{end}"),
            About::Packet => writeln!(report.page, "{dim}# frame {frame}: {text:?}{end}"),
        });
    }

    fn summary(&mut self, summary: &Summary) {
        self.put(|report| report.write_summary(summary));
    }
}

impl Scribe for TextReport {
    fn written(&self) -> usize {
        self.page.len()
    }

    fn turn(&mut self, empty: Vec<u8>) -> Vec<u8> {
        let next = String::from_utf8(empty).unwrap_or_default();
        let mut page = std::mem::replace(&mut self.page, next).into_bytes();
        self.suspicion.settle(&mut page);
        page
    }
}

/// What is not as it should be with the presentation context of a call.
fn context_remark(exchange: &Exchange) -> Option<String> {
    let id = exchange.context_id?;
    Some(match exchange.standing {
        ContextStanding::Accepted => return None,
        ContextStanding::Unanswered if exchange.ndr_basis == NdrBasis::Negotiated => {
            format!("{id} was proposed; the answer to it was not waited for")
        }
        ContextStanding::Unanswered => format!("{id} was proposed; no answer to it was captured"),
        ContextStanding::Rejected(3, bits) => format!("{id} is a feature negotiation (bits {bits:#x})"),
        ContextStanding::Rejected(result, reason) => format!(
            "{id} was rejected: {}, reason {}",
            names::Numbered(result, rpc::result_name(result)),
            names::Numbered(reason, rpc::result_reason_name(reason))
        ),
        ContextStanding::Refused => format!("{id} was refused with a bind_nak"),
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
        ContextOutcome::Pending => match context.proposed {
            Some(syntax) => format!("proposed as {}, not answered", syntax.transfer()),
            None => "not answered".to_owned(),
        },
        ContextOutcome::Accepted(syntax) => format!("accepted as {syntax}"),
        ContextOutcome::Refused => "refused with a bind_nak".to_owned(),
        ContextOutcome::Negotiated(bits) => format!("features {bits:#x} granted"),
        ContextOutcome::Rejected { result, reason } => format!(
            "rejected: {}, reason {}",
            names::Numbered(result, rpc::result_name(result)),
            names::Numbered(reason, rpc::result_reason_name(reason))
        ),
    };
    format!("{}: {interface}, {outcome}", context.id)
}

fn bracketed(bytes: &[u8]) -> String {
    if bytes.is_empty() { "-".to_owned() } else { Hex(bytes).to_string() }
}

fn counted(count: u64, noun: &str) -> String {
    match (count, noun.strip_suffix("ry")) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{count} {stem}ries"),
        (_, None) => format!("{count} {noun}s"),
    }
}

/// `frame 4`, `frames 4-5`.
struct Frames(u64, u64);

impl fmt::Display for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == self.1 {
            write!(f, "frame {}", self.0)
        } else {
            write!(f, "frames {}-{}", self.0, self.1)
        }
    }
}

/// Nanoseconds as milliseconds with three decimals.
struct Milliseconds(i64);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let microseconds = self.0 / 1000;
        let sign = if microseconds < 0 { "-" } else { "" };
        write!(f, "{sign}{}.{:03} ms", (microseconds / 1000).abs(), (microseconds % 1000).abs())
    }
}
