//! Seeds of what is behind the crypto: plain texts of each version, right and with one thing made wrong, and pairs of a
//! request and a response to be verified.

use volact::fuzzing::Plaintext;
use volact::kms::{RequestMessage, ResponseMessage};
use volact::trace::{Answer, Exchange};

use crate::support;

/// Captures of which the first exchange that was answered is taken, where there is one.
const CAPTURES: [&str; 17] = [
    "impacket_vlmcsd_mgmt.pcap",
    "pykms_pykms_v4.pcap",
    "pykms_pykms_v6.pcap",
    "rsclient_rsserver_v4.pcap",
    "rsclient_rsserver_v5.pcap",
    "rsclient_rsserver_v6.pcap",
    "samba_vlmcsd_bigendian.pcap",
    "samba_vlmcsd_plain.pcap",
    "scapy_vlmcsd_ndr64.pcap",
    "vlmcs_pykms_v5.pcap",
    "vlmcs_pykms_v6.pcap",
    "vlmcs_vlmcsd_prod_office2019.pcap",
    "vlmcs_vlmcsd_v4_default.pcap",
    "vlmcs_vlmcsd_v4_ipv6.pcap",
    "vlmcs_vlmcsd_v5_default.pcap",
    "vlmcs_vlmcsd_v6_default.pcap",
    "vlmcs_vlmcsd_v6_ipv6.pcap",
];

/// Seeds of a target behind which no further capture adds any.
const ENOUGH: usize = 16;

/// What `request_v4` makes wrong, in the order of the faults.
const V4_REQUEST: [&str; 4] = ["excess", "mac", "body", "cut"];
/// What `request_v5` and `request_v6` make wrong.
const REQUEST: [&str; 6] = ["excess", "envelope_version", "body_version", "padding", "cut", "cipher_text"];
/// What `response_v4` makes wrong.
const V4_RESPONSE: [&str; 8] = ["excess", "mac", "version", "epid", "cmid", "client_time", "cut", "any_bit"];
/// What `response_v5` and `response_v6` make wrong, as far as the version has it.
const RESPONSE: [&str; 14] = [
    "excess",
    "envelope_version",
    "version",
    "epid",
    "cmid",
    "client_time",
    "hash",
    "salt",
    "iv",
    "padding",
    "xored_ivs",
    "hmac",
    "slot",
    "any_bit",
];

/// Seeds by target and name.
pub(crate) fn all() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for name in CAPTURES {
        let stem = name.split('.').next().unwrap();
        let exchanges = support::decode(name).exchanges;
        let Some((request, response)) = exchanges.iter().find_map(pair) else { continue };
        let bytes = request.encode();
        let length = u16::try_from(bytes.len()).unwrap();
        seeds.push((
            "verify",
            stem.to_owned(),
            [&length.to_le_bytes()[..], &bytes, &response.encode()].concat(),
        ));
        for made in [requests(request), responses(request, response)] {
            if seeds.iter().filter(|(target, ..)| *target == made[0].0).count() < ENOUGH {
                seeds.extend(
                    made.into_iter().map(|(target, fault, seed)| (target, format!("{stem}.{fault}"), seed)),
                );
            }
        }
    }
    let (_, _, pair) = seeds.iter().find(|(target, ..)| *target == "verify").unwrap().clone();
    let request = 2 + usize::from(u16::from_le_bytes([pair[0], pair[1]]));
    seeds.push(("verify", "no_request".to_owned(), [&[0, 0], &pair[request..]].concat()));
    seeds.push(("verify", "no_response".to_owned(), pair[..request].to_vec()));
    seeds
}

fn pair(exchange: &Exchange) -> Option<(&RequestMessage, &ResponseMessage)> {
    match exchange.answer.as_ref()? {
        Answer::Response(response) => {
            Some((exchange.request.as_ref()?.message.as_ref()?, response.message.as_ref()?))
        }
        Answer::Fault(_) => None,
    }
}

fn requests(request: &RequestMessage) -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let (target, faults, request_iv) = match request {
        RequestMessage::V4(_) => ("request_v4", &V4_REQUEST[..], [0; 16]),
        RequestMessage::Encrypted(sealed) if sealed.version.major() == 5 => {
            ("request_v5", &REQUEST[..], sealed.iv)
        }
        RequestMessage::Encrypted(sealed) => ("request_v6", &REQUEST[..], sealed.iv),
        RequestMessage::Other { .. } => panic!("{request:?}"),
    };
    let body = request.body().unwrap().encode();
    let text = [&body[..], b"excess"].concat();
    seeds(target, faults, Plaintext { request_iv, text: &text, ..Plaintext::default() })
}

fn responses(
    request: &RequestMessage,
    response: &ResponseMessage,
) -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let mut text = response.body().unwrap().encode().to_vec();
    let sealed = match response {
        ResponseMessage::V4(response) => {
            text.extend(response.mac);
            return seeds("response_v4", &V4_RESPONSE, Plaintext { text: &text, ..Plaintext::default() });
        }
        ResponseMessage::Encrypted(sealed) => sealed,
        ResponseMessage::Other { .. } => panic!("{response:?}"),
    };
    let RequestMessage::Encrypted(asked) = request else { panic!("{request:?}") };
    text.extend(sealed.xored_salt);
    text.extend(sealed.hash);
    let mut target = "response_v5";
    if let Some(v6) = &sealed.v6 {
        target = "response_v6";
        text.extend(v6.hwid);
        text.extend(v6.xored_ivs);
        text.extend(v6.hmac);
    }
    seeds(
        target,
        &RESPONSE,
        Plaintext { request_iv: asked.iv, iv: sealed.iv, text: &text, ..Plaintext::default() },
    )
}

/// One seed for each thing that is made wrong, each time in another place.
fn seeds(
    target: &'static str,
    faults: &[&'static str],
    right: Plaintext<'_>,
) -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let with = |(fault, name): (u8, &&'static str)| {
        let plan = Plaintext { fault, place: 97 * u16::from(fault) + 5, ..right };
        (target, *name, plan.write(target))
    };
    (0..).zip(faults).map(with).collect()
}
