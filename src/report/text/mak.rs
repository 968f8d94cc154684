use std::fmt::{self, Write as _};

use crate::capture::End;
use crate::mak::vamt::{CandidateKind, Computer, NamedValue};
use crate::mak::{
    Check, ConfirmationId, Content, ErrorInfo, Fault, Field, Id, InstallationId, RequestType, TokenRequest,
    TokenResponse, TokenValues,
};
use crate::report::names::{self, EpidParts, Plain};
use crate::report::opaque::Opaque;
use crate::trace::{Body, Carrier, ConnectionRecord, MakExchange, MakOutcome, Service, TlsRecord, WebRecord};
use crate::wire::Rfc3339;

use super::{Frames, Milliseconds, Palette, TextReport, counted};

impl TextReport {
    pub(super) fn write_mak(&mut self, exchange: &MakExchange) -> fmt::Result {
        let Palette { head, good, bad, dim, end, .. } = self.palette;
        let frames = || exchange.stamps().map(|stamp| stamp.frame);
        let (first, last) = (frames().min().unwrap_or(0), frames().max().unwrap_or(0));
        match exchange.carrier {
            Carrier::Stream { stream, client, server, is_tls } => {
                let tls = if is_tls { ", TLS" } else { "" };
                write!(
                    self.page,
                    "{head}{client} > {server}{end}  {}  stream {stream}{tls}",
                    Frames(first, last)
                )?;
            }
            Carrier::Har { entry, server: Some(server) } => {
                write!(self.page, "{head}> {server}{end}  entry {entry}")?;
            }
            Carrier::Har { entry, server: None } => write!(self.page, "{head}entry {entry}{end}")?,
            Carrier::Body => write!(self.page, "{head}body{end}")?,
        }
        let outcome = exchange.outcome();
        let (style, name) = match outcome {
            MakOutcome::Answered if exchange.has_failed_check() => (bad, "answered, not verified"),
            MakOutcome::Answered => (good, "answered"),
            MakOutcome::PartlyRefused(_) => (bad, "partly refused"),
            MakOutcome::Refused(_) => (bad, "refused"),
            MakOutcome::Fault(_) => (bad, "fault"),
            MakOutcome::HttpError(_) => (bad, "HTTP error"),
            MakOutcome::Unreadable => (bad, "unreadable answer"),
            MakOutcome::Unanswered => (bad, "unanswered"),
        };
        if exchange.is_request_alone() {
            write!(self.page, "  {dim}a request{end}")?;
        } else {
            write!(self.page, "  {style}{name}{end}")?;
        }
        if let Some(nanoseconds) = exchange.service_time() {
            write!(self.page, " in {}", Milliseconds(nanoseconds))?;
        }
        if let Some(time) = exchange.stamps().next().and_then(|stamp| stamp.time) {
            write!(self.page, "  {dim}{}{end}", Rfc3339(time))?;
        }
        writeln!(self.page)?;
        self.write_found(exchange.found.as_deref())?;
        self.write_asks(exchange)?;
        self.write_answer(exchange)?;
        self.write_items(exchange)?;
        if exchange.checks.iter().any(|(_, check)| *check != Check::NotApplicable) {
            self.write_checks(&exchange.checks, None)?;
        }
        Ok(())
    }

    fn write_asks(&mut self, exchange: &MakExchange) -> fmt::Result {
        let Palette { odd, dim, end, .. } = self.palette;
        let Some(request) = &exchange.request else {
            if !matches!(exchange.carrier, Carrier::Body) {
                writeln!(self.page, "  asks    {odd}no request was captured{end}")?;
            }
            return Ok(());
        };
        let service = exchange.service.map_or("no service that is known", Service::name);
        write!(self.page, "  asks    {service}")?;
        match exchange.asks() {
            Some(Content::TokenRequest(request)) => write!(self.page, "{}", Wanted(request))?,
            _ => {
                if let Some(document) = exchange.request_document() {
                    write!(self.page, "{}", Batch(document.request_type, document.items.len()))?;
                }
            }
        }
        if let Some(soap) = request.body.message.as_ref().and_then(|message| message.soap.as_ref()) {
            write!(self.page, "{dim}, {soap}{end}")?;
        }
        writeln!(self.page)?;
        if let Some(head) = &request.head {
            let host = head.host.as_deref().filter(|_| !head.target.contains("://")).unwrap_or_default();
            write!(
                self.page,
                "          {dim}{} {}{}{end}",
                Plain(&head.method),
                Plain(host),
                Plain(&head.target)
            )?;
            match &head.user_agent {
                Some(agent) => writeln!(self.page, " {dim}by{end} {}", Plain(agent))?,
                None => writeln!(self.page)?,
            }
        }
        self.write_body_errors(&request.body)?;
        match exchange.asks() {
            Some(Content::TokenRequest(request)) => self.write_claims(request)?,
            Some(Content::BatchRequest(request)) => {
                if let Some(error) = &request.error {
                    writeln!(self.page, "          {odd}{error}{end}")?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn write_body_errors(&mut self, body: &Body) -> fmt::Result {
        let Palette { bad, odd, end, .. } = self.palette;
        if !body.is_complete {
            writeln!(self.page, "          {odd}incomplete: {} came{end}", counted(body.length, "byte"))?;
        }
        if !body.codings_left.is_empty() {
            let codings = body.codings_left.join(", ");
            writeln!(
                self.page,
                "          {odd}the content coding {} is unknown here{end}",
                Plain(&codings)
            )?;
        }
        let inner = body.message.as_ref().and_then(|message| message.error.as_ref());
        for error in body.error.iter().chain(inner) {
            writeln!(self.page, "          {bad}{error}{end}")?;
        }
        Ok(())
    }

    fn write_claims(&mut self, request: &TokenRequest) -> fmt::Result {
        for (title, values) in [("use key", &request.use_key), ("claims", &request.claims)] {
            if let Some(values) = values {
                self.write_values(title, values)?;
            }
        }
        Ok(())
    }

    fn write_values(&mut self, title: &str, values: &TokenValues) -> fmt::Result {
        let Palette { odd, dim, end, .. } = self.palette;
        if values.count_check() == Check::Fail {
            let declared = values.array_type.as_deref().unwrap_or_default();
            let entries = values.entries.len();
            writeln!(self.page, "          {odd}{title}: arrayType {} for {entries}{end}", Plain(declared))?;
        }
        for entry in &values.entries {
            let name = entry.name.as_deref().unwrap_or("(no name)");
            let value = entry.value.as_deref().unwrap_or_default();
            writeln!(self.page, "          {dim}{}{end} {}", Plain(name), Opaque::of(name, value))?;
        }
        Ok(())
    }

    fn write_answer(&mut self, exchange: &MakExchange) -> fmt::Result {
        let Palette { bad, dim, end, .. } = self.palette;
        let Some(answer) = &exchange.answer else { return Ok(()) };
        let http = match answer.status {
            Some(200) | None => String::new(),
            Some(status) => format!("HTTP {status} {}", Plain(&answer.reason)).trim_end().to_owned(),
        };
        let comma = if http.is_empty() { "" } else { ", " };
        match exchange.answers() {
            Some(Content::Fault(fault)) => {
                writeln!(self.page, "  answer  {bad}{http}{comma}{}{end}", FaultLine(fault))?;
                for message in &fault.messages {
                    writeln!(
                        self.page,
                        "          {dim}message{end} {}",
                        Plain(&crate::redact::text(message))
                    )?;
                }
            }
            Some(Content::TokenResponse(response)) => {
                writeln!(self.page, "  answer  {http}{comma}{}", Token(response))?;
                if let Some(values) = &response.token {
                    self.write_values("token", values)?;
                }
            }
            Some(Content::Other { name, .. }) => {
                writeln!(
                    self.page,
                    "  answer  {bad}{http}{comma}XML that is no answer: {}{end}",
                    Plain(name)
                )?;
            }
            _ => match exchange.response_document() {
                Some(document) => {
                    write!(self.page, "  answer  {http}{comma}")?;
                    match (&document.error_info, document.items.len() as u64) {
                        (Some(error), _) => write!(self.page, "{bad}{}{end}", ErrorLine(error))?,
                        (None, items) => write!(self.page, "{}", counted(items, "item"))?,
                    }
                    if let Some(batch) = &document.batch_id {
                        write!(self.page, "{dim}, batch {}{end}", Plain(batch))?;
                    }
                    writeln!(self.page)?;
                    if let Some(Content::BatchResponse(response)) = exchange.answers()
                        && let Some(error) = &response.error
                    {
                        writeln!(self.page, "          {bad}{error}{end}")?;
                    }
                }
                None => {
                    let length = counted(answer.body.length, "byte");
                    writeln!(self.page, "  answer  {bad}{http}{comma}{length} that are no answer{end}")?;
                }
            },
        }
        self.write_body_errors(&answer.body)
    }

    /// What was asked and what was answered, side by side: the answers stand in the order of the questions mostly, and
    /// otherwise the checks say so.
    fn write_items(&mut self, exchange: &MakExchange) -> fmt::Result {
        let Palette { bad, odd, dim, end, .. } = self.palette;
        let asked = exchange.request_document().map(|document| &document.items[..]).unwrap_or_default();
        let answered = exchange.response_document().map(|document| &document.items[..]).unwrap_or_default();
        let most = if self.verbose { usize::MAX } else { MOST_ITEMS };
        let mut last_pid = "";
        for i in 0..asked.len().max(answered.len()).min(most) {
            let (question, answer) = (asked.get(i), answered.get(i));
            let pid = question
                .map_or_else(|| answer.and_then(|answer| answer.pid.as_ref()), |item| item.pid.as_ref());
            let pid = pid.map_or("-", String::as_str);
            let item = format!("item {}", i + 1);
            writeln!(self.page, "  {item:<7} {dim}PID{end} {}", Plain(pid))?;
            // Those of a batch are alike mostly.
            if pid != last_pid
                && let Some(parts) = EpidParts::of(pid)
            {
                writeln!(self.page, "          {dim}{parts}{end}")?;
            }
            last_pid = pid;
            let iid = question
                .map_or_else(|| answer.and_then(|answer| answer.iid.as_ref()), |item| item.iid.as_ref());
            if let Some(iid) = iid {
                self.write_id("IID", iid, |text| InstallationId::parse(text).map(|id| id.to_string()))?;
            }
            let Some(answer) = answer else { continue };
            let echoes = [
                ("PID", question.and_then(|item| item.pid.as_ref()), &answer.pid),
                ("IID", iid, &answer.iid),
            ];
            for (name, asked, answered) in echoes {
                if let (Some(asked), Some(answered), Some(_)) = (asked, answered, question)
                    && asked != answered
                {
                    writeln!(self.page, "          {bad}answered for the {name} {}{end}", Plain(answered))?;
                }
                if let (Some(_), None, None, Some(_)) = (asked, answered, &answer.error_info, question) {
                    writeln!(self.page, "          {bad}answered without the {name}{end}")?;
                }
            }
            if let Some(cid) = &answer.cid {
                self.write_id("CID", cid, |text| ConfirmationId::parse(text).map(|id| id.to_string()))?;
            }
            if let Some(left) = answer.activation_remaining.filter(|&left| left >= 0) {
                writeln!(self.page, "          {dim}remaining activations{end} {left}")?;
            }
            if let Some(error) = &answer.error_info {
                writeln!(self.page, "          {bad}{}{end}", ErrorLine(error))?;
            }
        }
        let left = asked.len().max(answered.len()).saturating_sub(most);
        if left > 0 {
            writeln!(self.page, "          {odd}{} more, shown with -v{end}", counted(left as u64, "item"))?;
        }
        Ok(())
    }

    /// An ID in its groups, or as it stands with what is wrong.
    fn write_id(
        &mut self,
        name: &str,
        text: &str,
        parse: impl Fn(&str) -> Result<String, crate::mak::IdError>,
    ) -> fmt::Result {
        let Palette { bad, dim, end, .. } = self.palette;
        if crate::redact::is_stand_in(text) {
            return writeln!(self.page, "          {dim}{name}{end} {text}");
        }
        match parse(text) {
            Ok(groups) => writeln!(self.page, "          {dim}{name}{end} {groups}"),
            Err(error) => {
                writeln!(self.page, "          {dim}{name}{end} {}", Plain(text))?;
                for line in error.to_string().lines() {
                    writeln!(self.page, "              {bad}{line}{end}")?;
                }
                Ok(())
            }
        }
    }

    /// A computer of a VAMT file.
    pub(super) fn write_computer(&mut self, computer: &Computer) -> fmt::Result {
        let Palette { head, odd, end, .. } = self.palette;
        let name = value_of(&computer.values, "Name").unwrap_or("(no name)");
        writeln!(
            self.page,
            "{head}{}{end}  {}",
            Plain(name),
            counted(computer.products.len() as u64, "product")
        )?;
        self.write_named(&computer.values, "  ")?;
        for (i, product) in computer.products.iter().enumerate() {
            let title = ["Name", "ProductName", "Sku/Name", "Description"];
            let title = title.iter().find_map(|name| value_of(&product.values, name)).unwrap_or("-");
            writeln!(self.page, "  product {} {}", i + 1, Plain(&crate::redact::text(title)))?;
            self.write_named(&product.values, "    ")?;
        }
        if computer.left_out > 0 {
            writeln!(self.page, "  {odd}{} left out{end}", counted(computer.left_out, "value"))?;
        }
        Ok(())
    }

    fn write_named(&mut self, values: &[NamedValue], indent: &str) -> fmt::Result {
        let Palette { bad, dim, end, .. } = self.palette;
        for value in values {
            match value.candidate() {
                Some(candidate) => {
                    let kind = match candidate.kind {
                        CandidateKind::InstallationId => "installation ID",
                        CandidateKind::ConfirmationId => "confirmation ID",
                    };
                    match Id::parse(candidate.value) {
                        Ok(id) => {
                            writeln!(self.page, "{indent}{dim}{} ({kind}){end} {id}", Plain(&value.name))?
                        }
                        Err(error) => {
                            let shown = Plain(candidate.value);
                            writeln!(self.page, "{indent}{dim}{} ({kind}){end} {shown}", Plain(&value.name))?;
                            for line in error.to_string().lines() {
                                writeln!(self.page, "{indent}    {bad}{line}{end}")?;
                            }
                        }
                    }
                }
                None => {
                    let shown = Opaque::of(&value.name, &value.value);
                    writeln!(self.page, "{indent}{dim}{}{end} {shown}", Plain(&value.name))?;
                    if let Some(parts) = EpidParts::of(&value.value) {
                        writeln!(self.page, "{indent}    {dim}{parts}{end}")?;
                    }
                }
            }
        }
        Ok(())
    }

    /// What a connection that is read as HTTP or TLS says of itself.
    pub(super) fn write_web(&mut self, connection: &ConnectionRecord, web: &WebRecord) -> fmt::Result {
        let Palette { dim, end, .. } = self.palette;
        if let Some(tls) = &web.tls {
            writeln!(self.page, "  {}", TlsLine(tls, web.is_tunnelled))?;
        }
        if self.verbose || connection.end == End::Evicted {
            let [client, server] = web.messages;
            writeln!(self.page, "  {dim}{client} HTTP requests, {server} responses{end}")?;
        }
        Ok(())
    }
}

/// Items of a batch that are shown.
const MOST_ITEMS: usize = 20;

fn value_of<'a>(values: &'a [NamedValue], name: &str) -> Option<&'a str> {
    values.iter().find(|value| value.name == name).map(|value| value.value.as_str())
}

/// ` for 2 confirmation IDs`.
struct Batch(Option<RequestType>, usize);

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items = self.1 as u64;
        match self.0 {
            Some(RequestType::CONFIRMATION_ID) => write!(f, " for {}", counted(items, "confirmation ID")),
            Some(RequestType::REMAINING_COUNT) => write!(f, " for what is left of {}", counted(items, "key")),
            Some(other) => write!(f, " with RequestType {other} for {}", counted(items, "item")),
            None => write!(f, " without a RequestType for {}", counted(items, "item")),
        }
    }
}

/// ` for the token SPC`.
struct Wanted<'a>(&'a TokenRequest);

impl fmt::Display for Wanted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.token_type {
            Some(token) => write!(f, " for the token {}", Plain(token)),
            None => f.write_str(" for a token that is not named"),
        }
    }
}

struct Token<'a>(&'a TokenResponse);

impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.token_type {
            Some(token) => write!(f, "the token {}", Plain(token)),
            None => f.write_str("a token"),
        }
    }
}

/// `fault 0xC004C003 SL_E_...: what it means (soap:Server: the server's words)`.
struct FaultLine<'a>(&'a Fault);

impl fmt::Display for FaultLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { code, reason, hresult, .. } = self.0;
        match hresult {
            Some(hresult) => write!(f, "fault {}", names::service_hresult(*hresult))?,
            None => f.write_str("fault")?,
        }
        let reason = crate::redact::text(reason.as_deref().unwrap_or_default());
        write!(f, " ({}: {})", Plain(code.as_deref().unwrap_or("no code")), Plain(&reason))
    }
}

struct ErrorLine<'a>(&'a ErrorInfo);

impl fmt::Display for ErrorLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.code {
            Some(code) => {
                write!(f, "error {}", names::mak_error(code))?;
                match code.authority() {
                    Some(authority) => write!(f, " (says {authority})"),
                    None => Ok(()),
                }
            }
            None => f.write_str("error without a code"),
        }?;
        let more = self.0.other.iter().map(|Field { name, value }| format!("{name} {value}"));
        more.map(|field| crate::redact::text(&field).into_owned())
            .try_for_each(|field| write!(f, ", {}", Plain(&field)))
    }
}

/// `TLS 1.3 TLS_AES_256_GCM_SHA384 to activation.sls.microsoft.com, sealed: ...`; and whether it is in a tunnel.
pub(super) struct TlsLine<'a>(pub(super) &'a TlsRecord, pub(super) bool);

impl fmt::Display for TlsLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TlsRecord { info, is_opened, seal } = self.0;
        match &info.server_hello {
            Some(hello) => write!(f, "{} {}", hello.version(), hello.cipher_suite)?,
            None => f.write_str("TLS")?,
        }
        let name = info.client_hello.as_ref().and_then(|hello| hello.server_name.as_deref());
        match name {
            Some(name) => write!(f, " to {}", Plain(name))?,
            None => f.write_str(" without a server name")?,
        }
        if self.1 {
            f.write_str(" through a proxy's tunnel")?;
        }
        match seal {
            Some(seal) if *is_opened => write!(f, ", opened in part: {seal}"),
            Some(seal) => write!(f, ", sealed: {seal}"),
            None if *is_opened => f.write_str(", opened with a key log"),
            None => f.write_str(", without application data"),
        }
    }
}
