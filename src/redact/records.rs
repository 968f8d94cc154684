use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use crate::capture::Comment;
use crate::kms::{RequestBody, RequestMessage, ResponseBody, ResponseMessage};
use crate::rpc::{Body, Pdu};
use crate::trace::{Answer, ConnectionRecord, Exchange, Notice, PduContent, PduRecord};
use crate::wire::{Guid, Hex};

use super::StandIns;

/// Whole records with stand-ins in place of what names a machine. Bytes as they were sent become zeros, as many: they
/// would tell everything again, and codes over them (MAC, hash, HMAC) would confirm a guess.
impl StandIns {
    /// An exchange of a KMS.
    #[must_use]
    pub fn exchange(&self, exchange: &Exchange) -> Exchange {
        let mut exchange = exchange.clone();
        exchange.client = self.endpoint(exchange.client);
        exchange.server = self.endpoint(exchange.server);
        exchange.found = exchange.found.map(|found| Arc::new(self.found(&found)));
        if let Some(request) = &mut exchange.request {
            request.bytes.fill(0);
            request.object = request.object.map(|object| self.guid(object));
            if let Some(stub) = &mut request.stub {
                stub.excess.fill(0);
            }
            match &mut request.message {
                Some(RequestMessage::V4(message)) => {
                    self.request_body(&mut message.body);
                    message.mac.fill(0);
                    message.excess.fill(0);
                }
                Some(RequestMessage::Encrypted(message)) => {
                    self.request_body(&mut message.body);
                    message.iv.fill(0);
                    message.excess.fill(0);
                }
                Some(RequestMessage::Other { bytes, .. }) => bytes.fill(0),
                None => {}
            }
        }
        if let Some(Answer::Response(response)) = &mut exchange.answer {
            response.bytes.fill(0);
            if let Some(stub) = &mut response.stub {
                stub.excess.fill(0);
            }
            match &mut response.message {
                Some(ResponseMessage::V4(message)) => {
                    self.response_body(&mut message.body);
                    message.mac.fill(0);
                    message.excess.fill(0);
                }
                Some(ResponseMessage::Encrypted(message)) => {
                    self.response_body(&mut message.body);
                    message.iv.fill(0);
                    message.xored_salt.fill(0);
                    message.hash.fill(0);
                    message.excess.fill(0);
                    if let Some(v6) = &mut message.v6 {
                        v6.hwid = self.bytes("HwId", v6.hwid);
                        v6.xored_ivs.fill(0);
                        v6.hmac.fill(0);
                    }
                }
                Some(ResponseMessage::Other { bytes, .. }) => bytes.fill(0),
                None => {}
            }
        }
        exchange
    }

    fn request_body(&self, body: &mut RequestBody) {
        body.cmid = self.guid(body.cmid);
        body.cmid_prev = self.guid(body.cmid_prev);
        let name = self.text("machine", &body.machine_name_text());
        body.machine_name = RequestBody::machine_name_of(&name).unwrap_or([0; 128]);
    }

    fn response_body(&self, body: &mut ResponseBody) {
        body.cmid = self.guid(body.cmid);
        let epid = self.epid(&body.epid_text());
        body.epid = epid.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    }

    /// A connection.
    #[must_use]
    pub fn connection(&self, connection: &ConnectionRecord) -> ConnectionRecord {
        let mut connection = connection.clone();
        connection.flow.client = self.endpoint(connection.flow.client);
        connection.flow.server = self.endpoint(connection.flow.server);
        connection.found = connection.found.map(|found| Arc::new(self.found(&found)));
        let of_web = connection.web.iter_mut().filter_map(|web| web.tls.as_mut());
        let of_directory = connection.directory.iter_mut().filter_map(|directory| directory.tls.as_mut());
        for hello in of_web.chain(of_directory).filter_map(|tls| tls.info.client_hello.as_mut()) {
            hello.server_name = hello.server_name.as_deref().map(|name| self.host(name));
        }
        connection
    }

    /// A PDU, handed to `show`: of a request, a response or what cannot be read only the header stays, of all others
    /// what stands in front of an authentication trailer.
    pub fn pdu(&self, record: &PduRecord<'_>, show: &mut dyn FnMut(&PduRecord<'_>)) {
        let blank = |content| PduRecord { content, ..*record };
        match record.content {
            PduContent::Whole { pdu, bytes, .. } => {
                let mut kept = bytes.to_vec();
                let from = match pdu.body {
                    Body::Request(_) | Body::Response(_) | Body::Fault(_) => 24,
                    Body::Opaque => 16,
                    _ => match usize::from(pdu.header.auth_length) {
                        0 => kept.len(),
                        length => kept.len().saturating_sub(length),
                    },
                };
                if let Some(rest) = kept.get_mut(from..) {
                    rest.fill(0);
                }
                if let Ok((pdu, error)) = Pdu::parse_lax(&kept) {
                    let error = error.as_ref();
                    show(&blank(PduContent::Whole { pdu: &pdu, bytes: &kept, error }));
                }
            }
            PduContent::Cut { header, bytes } => {
                show(&blank(PduContent::Cut { header, bytes: &vec![0; bytes.len()] }));
            }
            PduContent::Skipped { length, sample } => {
                show(&blank(PduContent::Skipped { length, sample: &vec![0; sample.len()] }));
            }
        }
    }

    /// A complaint: addresses and GUIDs in its message get their stand-ins, what it quotes and bytes are left out.
    #[must_use]
    pub fn notice(&self, notice: &Notice) -> Notice {
        Notice { message: self.message(&notice.message), ..notice.clone() }
    }

    /// A comment: somebody has written it for themselves, and it can name anything.
    #[must_use]
    pub fn comment(&self, comment: &Comment) -> Comment {
        let text = format!("left out: {} characters", comment.text.chars().count());
        Comment { text, ..comment.clone() }
    }

    /// A message of our own making.
    #[must_use]
    pub fn message(&self, message: &str) -> String {
        let mut out = String::with_capacity(message.len());
        for (i, part) in split_quoted(message).enumerate() {
            if i % 2 == 1 {
                out.push_str("\"...\"");
                continue;
            }
            for word in
                part.split_inclusive(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | ',' | ';'))
            {
                let trimmed = word.trim_end_matches(|c: char| !c.is_ascii_hexdigit() && c != ']');
                let (core, tail) = word.split_at(trimmed.len());
                out.push_str(&self.word(core));
                out.push_str(tail);
            }
        }
        out
    }

    fn word<'a>(&self, word: &'a str) -> Cow<'a, str> {
        if let Ok(address) = word.parse::<IpAddr>() {
            self.address(address).to_string().into()
        } else if let Ok(address) = word.parse::<std::net::SocketAddr>() {
            std::net::SocketAddr::new(self.address(address.ip()), address.port()).to_string().into()
        } else if let Some(guid) = Guid::parse(word) {
            self.guid(guid).to_string().into()
        } else if word.len() >= 8
            && word.len().is_multiple_of(2)
            && word.bytes().all(|b| b.is_ascii_hexdigit())
        {
            Hex(&vec![0; word.len() / 2]).to_string().into()
        } else {
            word.into()
        }
    }
}

/// What stands outside quotes and inside, in turns, as `{:?}` quotes.
fn split_quoted(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let part = rest?;
        let mut is_escaped = false;
        let end = part.find(|c| {
            let is_end = c == '"' && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            is_end
        });
        rest = end.map(|end| &part[end + 1..]);
        Some(&part[..end.unwrap_or(part.len())])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_keeps_what_it_says_and_loses_whom_it_names() {
        let stand_ins = StandIns::new(b"secret");
        let shown = |text: &str| stand_ins.message(text);
        let other = stand_ins.address([10, 0, 0, 1].into());
        assert_eq!(
            shown("IP datagram 0x1f from 10.0.0.1 to 127.0.0.1: kept 0011223344556677, not 00ff"),
            format!("IP datagram 0x1f from {other} to 127.0.0.1: kept 0000000000000000, not 00ff")
        );
        assert_eq!(
            shown("78 bytes are no DCE/RPC but HTTP (\"GET /\\\"x\\\" HTTP/1.1\"): header at offset 0"),
            "78 bytes are no DCE/RPC but HTTP (\"...\"): header at offset 0"
        );
        assert_eq!(shown("to 10.0.0.1:1688, cut"), format!("to {other}:1688, cut"));
    }
}
