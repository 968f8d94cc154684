//! Messages of DNS, LDAP and VMBus, where the bytes are one of them from the first to the last.

use std::fmt::Write as _;

use crate::directory::{self, Authentication, Entry, LdapResult, Operation};
use crate::discovery::{self, Section};
use crate::report::fields::Fields;
use crate::report::names::Plain;
use crate::report::text::discovery::RecordLine;
use crate::vmbus::control::{self, Body};
use crate::vmbus::{ChannelClass, PipeMode};

/// Says what the bytes are. They are only what they are to their end: others would be a bit of everything.
pub(super) fn explain(out: &mut String, bytes: &[u8]) {
    let explained = ldap(bytes).or_else(|| vmbus(bytes)).or_else(|| dns(bytes));
    if let Some((what, fields)) = explained {
        let _ = writeln!(out, "{what}, {} bytes", bytes.len());
        super::put(out, &fields);
    }
}

fn ldap(bytes: &[u8]) -> Option<(String, Fields)> {
    let message = directory::Message::parse(bytes).ok().filter(|message| message.error.is_none())?;
    let mut fields = Fields::default();
    fields.add("messageID", message.id);
    match &message.operation {
        Operation::BindRequest(bind) => {
            fields.add("version", bind.version);
            if let Some(authentication) = &bind.authentication {
                fields.add("authentication", Plain(authentication.name()));
            }
            if let Some(Authentication::Simple { password_length }) = bind.authentication {
                fields.add("password", format_args!("{password_length} bytes"));
            }
        }
        Operation::SearchRequest(search) => {
            fields.add("base", Plain(&search.base));
            fields.add("scope", search.scope);
            if let Some(filter) = &search.filter {
                fields.add("filter", filter);
            }
            fields.add("attributes", Plain(&search.attributes.join(", ")));
        }
        Operation::SearchResultEntry(entry) | Operation::AddRequest(entry) => add_entry(&mut fields, entry),
        Operation::AbandonRequest(id) => fields.add("abandoned", id),
        Operation::SearchResultReference(uris) => {
            uris.iter().for_each(|uri| fields.add("uri", Plain(uri)));
        }
        Operation::ExtendedRequest { oid, .. } => add_oid(&mut fields, oid),
        Operation::ExtendedResponse { oid, .. } | Operation::IntermediateResponse { oid, .. } => {
            oid.iter().for_each(|oid| add_oid(&mut fields, oid));
        }
        Operation::Other { dn: Some(dn), .. } => fields.add("entry", Plain(dn)),
        _ => {}
    }
    if let Some(LdapResult { code, matched_dn, diagnostic, referrals }) = message.operation.result() {
        fields.add("resultCode", code);
        for (label, text) in [("matchedDN", matched_dn), ("diagnostic", diagnostic)] {
            if !text.is_empty() {
                fields.add(label, Plain(text));
            }
        }
        referrals.iter().for_each(|uri| fields.add("referral", Plain(uri)));
    }
    message.controls.iter().for_each(|control| add_oid(&mut fields, &control.oid));
    Some((format!("LDAP {}", message.operation.name()), fields))
}

/// Values stay out: they may be anything.
fn add_entry(fields: &mut Fields, entry: &Entry) {
    fields.add("objectName", Plain(&entry.dn));
    for attribute in &entry.attributes {
        let bytes: usize = attribute.values.iter().map(Vec::len).sum();
        let count = attribute.values.len();
        let values = if count == 1 { "1 value".to_owned() } else { format!("{count} values") };
        fields.add("attribute", format_args!("{}: {values}, {bytes} bytes", Plain(&attribute.description)));
    }
}

fn add_oid(fields: &mut Fields, oid: &str) {
    match directory::oid::name(oid) {
        Some(name) => fields.add("OID", format_args!("{oid} ({name})")),
        None => fields.add("OID", Plain(oid)),
    }
}

fn vmbus(bytes: &[u8]) -> Option<(String, Fields)> {
    let message = control::Message::parse(bytes).ok()?;
    message.kind.name()?;
    if message.padding != 0 || !message.excess.is_empty() {
        return None;
    }
    let mut fields = Fields::default();
    if let Some(id) = message.channel_id() {
        fields.add("channel", id);
    }
    match &message.body {
        Body::OfferChannel(offer) => {
            let class = ChannelClass::of(offer.class_id, offer.instance_id);
            fields.add("class", format_args!("{} ({})", offer.class_id, class.name()));
            fields.add("instance", offer.instance_id);
            if let Some(remark) = class.remark() {
                fields.add("remark", remark);
            }
            fields.add("flags", offer.flags.names().join(", "));
            if let Some(mode) = offer.pipe_mode() {
                fields.add("pipe", PipeMode::name(mode));
            }
        }
        Body::OpenChannel(open) => {
            fields.add("open id", open.request.open_id);
            fields.add("GPADL", format_args!("{:#x}", open.request.ring_gpadl_id));
            fields.add("second ring", format_args!("page {}", open.request.downstream_page_offset));
        }
        Body::OpenChannelResult(result) => {
            fields.add("open id", result.open_id);
            fields.add("status", format_args!("{:#010x}", result.status));
        }
        Body::GpadlCreated(created) => {
            fields.add("GPADL", format_args!("{:#x}", created.gpadl_id));
            fields.add("status", format_args!("{:#010x}", created.status));
        }
        Body::GpadlTorndown(torndown) => fields.add("GPADL", format_args!("{:#x}", torndown.gpadl_id)),
        Body::InitiateContact(contact) => fields.add("version", contact.contact.version),
        Body::VersionResponse(response) => {
            fields.add("supported", if response.answer.version_supported == 0 { "no" } else { "yes" });
        }
        _ => {}
    }
    Some((format!("VMBus control message {}", message.kind), fields))
}

fn dns(bytes: &[u8]) -> Option<(String, Fields)> {
    let message = discovery::Message::parse(bytes).ok()?;
    let is_whole = message.excess == 0 && message.errors().next().is_none();
    if !is_whole || message.questions.is_empty() && message.answers.is_empty() {
        return None;
    }
    let mut fields = Fields::default();
    fields.add("ID", message.id);
    fields.add("flags", message.flags);
    if message.is_response() {
        fields.add("RCODE", message.rcode());
    }
    for question in &message.questions {
        fields.add("question", format_args!("{} {}", question.rtype, Plain(question.name.as_str())));
    }
    let asked = message.questions.first().map(|question| &question.name);
    for (section, record) in message.records() {
        fields.add(Section::name(section), RecordLine(record, asked));
    }
    let what = if message.is_response() { "response" } else { "query" };
    Some((format!("DNS {what} ({})", message.opcode()), fields))
}

#[cfg(test)]
mod tests {
    use super::super::explain;
    use crate::vmbus::control::{Body, Message, RescindChannelOffer};
    use crate::wire::Hex;

    /// A query for `_vlmcs._tcp.corp.example`.
    const QUERY: &[u8] =
        b"\x1c\xb0\x01\x00\0\x01\0\0\0\0\0\0\x06_vlmcs\x04_tcp\x04corp\x07example\0\0\x21\0\x01";

    /// A search one level below a base, for `objectClass`.
    const SEARCH: &[u8] = b"\x30\x30\x02\x01\x02\x63\x2b\x04\x07DC=corp\x0a\x01\x01\x0a\x01\x00\x02\x01\x00\
        \x02\x01\x00\x01\x01\x00\x87\x0bobjectClass\x30\x04\x04\x02cn";

    fn explained(bytes: &[u8]) -> Option<String> {
        explain(&Hex(bytes).to_string()).map(|explanation| explanation.text)
    }

    #[test]
    fn a_message_of_dns_is_explained() {
        assert_eq!(
            explained(QUERY).unwrap(),
            "DNS query (QUERY), 42 bytes\n  ID        7344\n  flags     rd\n  question  SRV _vlmcs._tcp.corp.example\n"
        );
        let answer = [
            &QUERY[..2],
            b"\x85\x80\0\x01\0\x01\0\0\0\0",
            &QUERY[12..],
            b"\xc0\x0c\0\x21\0\x01\0\0\x02\x58\0\x0c\0\0\0\x0a\x06\x98\x03kms\xc0\x18",
        ]
        .concat();
        let text = explained(&answer).unwrap();
        assert!(text.starts_with("DNS response (QUERY), 66 bytes\n"), "{text}");
        assert!(
            text.contains("answer    SRV kms.corp.example port 1688, priority 0, weight 10, TTL 600 s"),
            "{text}"
        );
    }

    #[test]
    fn a_message_of_ldap_is_explained() {
        let text = explained(SEARCH).unwrap();
        assert!(text.starts_with("LDAP searchRequest, 50 bytes\n"), "{text}");
        for line in ["scope       singleLevel\n", "filter      (objectClass=*)\n", "attributes  cn\n"] {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn a_control_message_is_explained() {
        let message = Message::new(Body::RescindChannelOffer(RescindChannelOffer { channel_id: 9 }));
        assert_eq!(
            explained(&message.encode()).unwrap(),
            "VMBus control message rescind_channel_offer(2), 12 bytes\n  channel  9\n"
        );
    }

    #[test]
    fn what_is_a_message_up_to_a_byte_is_none() {
        for whole in [QUERY, SEARCH] {
            assert_eq!(explained(&whole[..whole.len() - 1]), None);
            assert_eq!(explained(&[whole, b"\0"].concat()), None);
        }
        assert_eq!(explained(&[2, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1]), None);
        assert_eq!(explained(&[99, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0]), None);
    }
}
