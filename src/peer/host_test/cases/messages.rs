use crate::conformance::Level;
use crate::kms::{RequestMessage, ResponseMessage, Version};
use crate::peer::host_test::case::{Case, Group, Outcome, Problem};
use crate::peer::host_test::probe::{Probe, WINDOWS_7, WINDOWS_8, WINDOWS_10};
use crate::peer::host_test::reply::Reply;

/// Envelopes: versions, lengths, paddings, MACs.
pub(super) const GROUP: Group = Group {
    name: "messages",
    title: "versions that do not exist, lengths, paddings, MACs and randomness",
    cases: &[
        Case::must(
            "HOST-VERSION-0",
            "version 0.0",
            REFUSES,
            "A client sends a request of version 0.0, otherwise as one of version 6.",
            "The host answers with HRESULT 8007000d.",
            |p| version(p, 0),
        )
        .at(Level::Should)
        .tagged(&["version"])
        .hostile(),
        Case::must(
            "HOST-VERSION-3",
            "version 3.0",
            REFUSES,
            "A client sends a request of version 3.0, otherwise as one of version 6.",
            "The host answers with HRESULT 8007000d.",
            |p| version(p, 3 << 16),
        )
        .at(Level::Should)
        .tagged(&["version"])
        .hostile(),
        Case::must(
            "HOST-VERSION-7",
            "version 7.0",
            REFUSES,
            "A client sends a request of version 7.0, otherwise as one of version 6.",
            "The host answers with HRESULT 8007000d.",
            |p| version(p, 7 << 16),
        )
        .at(Level::Should)
        .tagged(&["version"])
        .hostile(),
        Case::must(
            "HOST-VERSION-65535",
            "version 65535.0",
            REFUSES,
            "A client sends a request of version 65535.0, otherwise as one of version 6.",
            "The host answers with HRESULT 8007000d.",
            |p| version(p, 0xffff_0000),
        )
        .at(Level::Should)
        .tagged(&["version"])
        .hostile(),
        Case::must(
            "HOST-VERSION-MINOR",
            "version 6.1",
            REFUSES,
            "A client sends a request of version 6.1, otherwise as one of version 6.0.",
            "The host answers with HRESULT 8007000d.",
            |p| version(p, (6 << 16) | 1),
        )
        .at(Level::Observed)
        .tagged(&["version"])
        .hostile(),
        Case::must(
            "HOST-VERSION-BODY-V6",
            "a version 6 envelope around a version 5 body",
            UNREADABLE,
            "A client sends a request of version 6 whose body says version 5.",
            "The host answers with HRESULT 8007000d.",
            |p| body_version(p, Version::V6, Version::V5),
        )
        .at(Level::May)
        .tagged(&["version", "v6"])
        .hostile(),
        Case::must(
            "HOST-VERSION-BODY-V5",
            "a version 5 envelope around a version 6 body",
            UNREADABLE,
            "A client sends a request of version 5 whose body says version 6.",
            "The host answers with HRESULT 8007000d.",
            |p| body_version(p, Version::V5, Version::V6),
        )
        .at(Level::May)
        .tagged(&["version", "v5"])
        .hostile(),
        Case::must(
            "HOST-LENGTH-NONE",
            "a request of no bytes",
            REFUSES,
            "A client sends a request of no bytes: requestSize and the maximum count are 0.",
            "The host answers with HRESULT 8007000d.",
            |p| length(p, Version::V6, |message| message.clear()),
        )
        .at(Level::Should)
        .tagged(&["length"])
        .hostile(),
        Case::must(
            "HOST-LENGTH-VERSION-ONLY",
            "a request that is nothing but its version",
            REFUSES,
            "A client sends the first four bytes of a request of version 6.",
            "The host answers with HRESULT 8007000d.",
            |p| length(p, Version::V6, |message| message.truncate(4)),
        )
        .at(Level::Should)
        .tagged(&["length", "v6"])
        .hostile(),
        Case::must(
            "HOST-LENGTH-V4-SHORT",
            "a version 4 request that lacks a byte",
            REFUSES,
            "A client sends a request of version 4 without its last byte.",
            "The host answers with HRESULT 8007000d.",
            |p| length(p, Version::V4, |message| message.truncate(message.len() - 1)),
        )
        .at(Level::Should)
        .tagged(&["length", "v4"])
        .hostile(),
        Case::must(
            "HOST-LENGTH-V4-SHORT-16",
            "a version 4 request without its MAC",
            REFUSES,
            "A client sends a request of version 4 without its last sixteen bytes.",
            "The host answers with HRESULT 8007000d.",
            |p| length(p, Version::V4, |message| message.truncate(message.len() - 16)),
        )
        .at(Level::Should)
        .tagged(&["length", "v4"])
        .hostile(),
        Case::must(
            "HOST-LENGTH-V4-LONG",
            "a version 4 request with a byte too many",
            UNREADABLE,
            "A client sends a request of version 4 with a byte behind it.",
            "The host answers with HRESULT 8007000d, or as if the byte were not there.",
            |p| long(p, Version::V4, 1),
        )
        .at(Level::May)
        .tagged(&["length", "v4"])
        .hostile(),
        Case::must(
            "HOST-LENGTH-V6-SHORT",
            "a version 6 request that lacks a byte",
            UNREADABLE,
            "A client sends a request of version 6 without its last byte.",
            "The host answers with HRESULT 8007000d.",
            |p| length(p, Version::V6, |message| message.truncate(message.len() - 1)),
        )
        .at(Level::May)
        .tagged(&["length", "v6"])
        .hostile(),
        Case::must(
            "HOST-LENGTH-V6-SHORT-16",
            "a version 6 request that lacks a block",
            REFUSES,
            "A client sends a request of version 6 without its last sixteen bytes.",
            "The host answers with HRESULT 8007000d.",
            |p| length(p, Version::V6, |message| message.truncate(message.len() - 16)),
        )
        .at(Level::Should)
        .tagged(&["length", "v6"])
        .hostile(),
        Case::must(
            "HOST-LENGTH-V6-LONG",
            "a version 6 request with a byte too many",
            UNREADABLE,
            "A client sends a request of version 6 with a byte behind it.",
            "The host answers with HRESULT 8007000d, or as if the byte were not there.",
            |p| long(p, Version::V6, 1),
        )
        .at(Level::May)
        .tagged(&["length", "v6"])
        .hostile(),
        Case::must(
            "HOST-LENGTH-V6-LONG-16",
            "a version 6 request with a block too many",
            UNREADABLE,
            "A client sends a request of version 6 with sixteen bytes behind it.",
            "The host answers with HRESULT 8007000d, or as if the block were not there.",
            |p| long(p, Version::V6, 16),
        )
        .at(Level::May)
        .tagged(&["length", "v6"])
        .hostile(),
        Case::must(
            "HOST-PADDING-V5",
            "version 5 with a wrong padding",
            UNREADABLE,
            "A client sends a request of version 5 whose padding is 00000000 instead of 04040404.",
            "The host answers with HRESULT 8007000d.",
            |p| padding(p, Version::V5, [0; 4]),
        )
        .at(Level::May)
        .tagged(&["padding", "v5"])
        .hostile(),
        Case::must(
            "HOST-PADDING-V6",
            "version 6 with a wrong padding",
            UNREADABLE,
            "A client sends a request of version 6 whose padding ends in 11, which is no PKCS#7 padding.",
            "The host answers with HRESULT 8007000d.",
            |p| padding(p, Version::V6, [0x11; 4]),
        )
        .at(Level::May)
        .tagged(&["padding", "v6"])
        .hostile(),
        Case::must(
            "HOST-MAC-V4",
            "version 4 with a wrong MAC",
            "VA2.0 p. 30 (a MAC over all that is in front of it), which does not say how a host refuses",
            "A client sends a request of version 4 with one bit of its MAC changed.",
            "The host answers with HRESULT 8007000d.",
            |p| {
                let mut message = p.message(Version::V4);
                if let RequestMessage::V4(request) = &mut message {
                    request.mac[15] ^= 1;
                }
                refused(p, &message.encode())
            },
        )
        .at(Level::Should)
        .tagged(&["mac", "v4"])
        .hostile(),
        Case::must(
            "HOST-MAC-V4-ZERO",
            "version 4 without a MAC",
            "VA2.0 p. 30 (a MAC over all that is in front of it), which does not say how a host refuses",
            "A client sends a request of version 4 whose MAC is zeros.",
            "The host answers with HRESULT 8007000d.",
            |p| {
                let mut message = p.message(Version::V4);
                if let RequestMessage::V4(request) = &mut message {
                    request.mac = [0; 16];
                }
                refused(p, &message.encode())
            },
        )
        .at(Level::Should)
        .tagged(&["mac", "v4"])
        .hostile(),
        Case::must(
            "HOST-MESSAGE-NOISE",
            "a version 6 request that holds nothing",
            "no document; what genuine hosts do was not captured",
            "A client sends a request of version 6 whose IV and blocks are random bytes.",
            "The host answers with HRESULT 8007000d.",
            |p| {
                let mut message = vec![0, 0, 6, 0];
                message.extend(p.random.bytes::<256>());
                refused(p, &message)
            },
        )
        .at(Level::May)
        .tagged(&["v6"])
        .leaving_traces()
        .hostile(),
        Case::must(
            "HOST-IV-ZERO",
            "an IV of zeros",
            "no document; any IV is one",
            "A client asks in version 6 and in version 5, with an IV of zeros.",
            "The host answers both.",
            |p| {
                let (conn, manner) = p.bound()?;
                for (version, product) in [(Version::V6, WINDOWS_10), (Version::V5, WINDOWS_8)] {
                    let message = RequestMessage::new(p.body(version, &product), [0; 16]);
                    p.call(conn, manner, &message)?.answer()?;
                }
                Ok(())
            },
        )
        .tagged(&["v5", "v6"]),
        Case::must(
            "HOST-SALT-FRESH",
            "two answers to one request",
            "no document; vlmcsd, py-kms and the vlmcsd crate draw them at random",
            "A client sends the very same request of version 6 two times.",
            "The host answers each with an IV and a salt of its own.",
            |p| {
                let (conn, manner) = p.bound()?;
                let message = p.message(Version::V6);
                let one = p.call(conn, manner, &message)?.answer()?;
                let other = p.call(conn, manner, &message)?.answer()?;
                match (&one.response, &other.response) {
                    (ResponseMessage::Encrypted(one), ResponseMessage::Encrypted(other))
                        if one.iv == other.iv =>
                    {
                        Err(Problem::wrong("both answers have the same IV, expected a fresh one in each"))
                    }
                    (ResponseMessage::Encrypted(one), ResponseMessage::Encrypted(other))
                        if one.xored_salt == other.xored_salt =>
                    {
                        Err(Problem::wrong("both answers have the same salt, expected a fresh one in each"))
                    }
                    _ => Ok(()),
                }
            },
        )
        .at(Level::Should)
        .tagged(&["v6"]),
    ],
};

const REFUSES: &str =
    "observed: vlmcsd, captures/raw_edge_vlmcsd.pcap; what genuine hosts do was not captured";
const UNREADABLE: &str =
    "no document; vlmcsd answers it, captures/raw_edge_vlmcsd.pcap; what genuine hosts do was not captured";

fn version(p: &mut Probe<'_>, version: u32) -> Outcome {
    let mut message = p.message(Version::V6).encode();
    message[..4].copy_from_slice(&version.to_le_bytes());
    refused(p, &message)
}

fn body_version(p: &mut Probe<'_>, outer: Version, inner: Version) -> Outcome {
    let mut message = p.message(outer);
    if let RequestMessage::Encrypted(request) = &mut message {
        request.body.version = inner;
    }
    refused(p, &message.encode())
}

fn length(p: &mut Probe<'_>, version: Version, change: impl FnOnce(&mut Vec<u8>)) -> Outcome {
    let mut message = p.message(version).encode();
    change(&mut message);
    refused(p, &message)
}

/// A message with more bytes behind it is refused, or answered as if they were not there.
fn long(p: &mut Probe<'_>, version: Version, more: usize) -> Outcome {
    let product = if version == Version::V4 { &WINDOWS_7 } else { &WINDOWS_10 };
    let body = p.body(version, product);
    let mut message = p.sealed(body);
    match &mut message {
        RequestMessage::V4(request) => request.excess.resize(more, 0),
        RequestMessage::Encrypted(request) => request.excess.resize(more, 0),
        RequestMessage::Other { .. } => {}
    }
    let (conn, manner) = p.bound()?;
    match p.call(conn, manner, &message)? {
        reply @ Reply::Answer(_) => reply.answer().map(drop),
        other => other.refused_with(INVALID_DATA),
    }
}

fn padding(p: &mut Probe<'_>, version: Version, padding: [u8; 4]) -> Outcome {
    let mut message = p.message(version);
    if let RequestMessage::Encrypted(request) = &mut message {
        request.padding = padding;
    }
    refused(p, &message.encode())
}

/// These bytes are refused as data that is none.
fn refused(p: &mut Probe<'_>, message: &[u8]) -> Outcome {
    let (conn, manner) = p.bound()?;
    p.call_with(conn, manner, message)?.refused_with(INVALID_DATA)
}

/// HRESULT_FROM_WIN32(ERROR_INVALID_DATA).
const INVALID_DATA: u32 = 0x8007_000d;
