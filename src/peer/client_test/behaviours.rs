use std::time::Duration;

use smallvec::SmallVec;

use crate::conformance::Level;
use crate::kms::{
    EncryptedResponse, Ndr, RequestMessage, ResponseBody, ResponseMessage, ResponseStub, hmac, mac,
};
use crate::rpc::{
    BindNak, Body, DataRepresentation, Fault, Header, Pdu, PduType, PfcFlags, Response, ResultElement,
    SyntaxId,
};
use crate::wire::{Endianness, Guid};

use super::behaviour::{Act, Behaviour, Scene, Wants};

/// All behaviours, in their order; the first and the last are a right host.
pub const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        id: "CLIENT-SANITY-FIRST",
        title: "A right host is understood, before anything else",
        ..RIGHT
    },
    Behaviour {
        id: "CLIENT-RIGHT-V4",
        title: "A right version 4 answer is taken",
        version: Some(4),
        ..RIGHT
    },
    Behaviour {
        id: "CLIENT-RIGHT-V5",
        title: "A right version 5 answer is taken",
        version: Some(5),
        ..RIGHT
    },
    Behaviour {
        id: "CLIENT-RIGHT-V6",
        title: "A right version 6 answer is taken",
        version: Some(6),
        ..RIGHT
    },
    Behaviour {
        id: "CLIENT-RIGHT-NDR32",
        title: "A host that does not take NDR64 is asked in NDR32",
        ndr: Some(Ndr::Ndr32),
        takes_ndr64: false,
        ..RIGHT
    },
    Behaviour {
        id: "CLIENT-RIGHT-NDR64",
        title: "A host that takes NDR64 is asked in it",
        authority: "MS-RPCE 2.2.5",
        ndr: Some(Ndr::Ndr64),
        ..RIGHT
    },
    Behaviour {
        id: "CLIENT-RIGHT-FEATURES-REFUSED",
        title: "A host that knows no bind-time features is understood",
        authority: "MS-RPCE 3.3.1.5.3",
        play: |scene| {
            scene.at(PduType::BIND, |scene| {
                scene.with_pdu(|pdu| {
                    if let Body::BindAck(ack) = &mut pdu.body {
                        for result in ack.results.iter_mut().filter(|result| result.result == 3) {
                            *result = ResultElement { result: 2, reason: 2, ..ResultElement::default() };
                        }
                    }
                })
            })
        },
        ..RIGHT
    },
    Behaviour {
        id: "CLIENT-RIGHT-REFERENT",
        title: "The referent id of a pointer may be any but 0",
        authority: "C706 14",
        play: |scene| {
            scene.at(PduType::REQUEST, |scene| {
                scene.with_stub(|stub| {
                    ResponseStub { referent: 0x55aa_1234, ..stub.clone() }.encode(Endianness::Little)
                })
            })
        },
        ..RIGHT
    },
    Behaviour {
        id: "CLIENT-RIGHT-PADDING-ANY",
        title: "Padding on the wire may hold anything",
        authority: "C706 14",
        play: |scene| {
            scene.at(PduType::REQUEST, |scene| {
                scene.with_stub(|stub| {
                    let padding = vec![0xa5; stub.padding.len()];
                    ResponseStub { padding: &padding, size_padding: [0; 4], ..stub.clone() }
                        .encode(Endianness::Little)
                })
            })
        },
        ..RIGHT
    },
    Behaviour {
        id: "CLIENT-CUT-BYTES",
        title: "An answer that comes byte by byte is taken",
        play: |scene| pieces(scene, 1, Duration::from_millis(1)),
        ..CUT
    },
    Behaviour {
        id: "CLIENT-CUT-HEADER",
        title: "An answer that comes in pieces smaller than a header is taken",
        play: |scene| pieces(scene, 10, Duration::from_millis(5)),
        ..CUT
    },
    Behaviour {
        id: "CLIENT-CUT-PAUSE",
        title: "An answer that pauses in its middle is taken",
        play: |scene| pieces(scene, 100, Duration::from_millis(150)),
        ..CUT
    },
    Behaviour {
        id: "CLIENT-CUT-FRAGMENTS",
        title: "An answer in several fragments is taken",
        authority: "C706 12.6",
        play: |scene| {
            scene.at(PduType::REQUEST, |scene| {
                let fragments: Vec<Vec<u8>> = scene.right.iter().flat_map(|pdu| fragments(pdu, 96)).collect();
                fragments.into_iter().map(Act::Send).collect()
            })
        },
        ..CUT
    },
    Behaviour {
        id: "CLIENT-CUT-BIG-ENDIAN",
        title: "An answer of a big-endian host is taken",
        authority: "C706 14",
        ndr: Some(Ndr::Ndr32),
        takes_ndr64: false,
        play: |scene| {
            scene.at(PduType::REQUEST, |scene| {
                let big: Vec<Vec<u8>> = scene.right.iter().filter_map(|pdu| big_endian(pdu)).collect();
                big.into_iter().map(Act::Send).collect()
            })
        },
        ..CUT
    },
    Behaviour {
        id: "CLIENT-CMID-OTHER",
        title: "The answer to another machine is not taken",
        play: |scene| {
            body(scene, |body| body.cmid = Guid::from_wire(body.cmid.to_wire().map(|byte| byte ^ 1)))
        },
        ..WRONG
    },
    Behaviour {
        id: "CLIENT-CLIENT-TIME-OTHER",
        title: "The answer to an older request is not taken",
        play: |scene| body(scene, |body| body.client_time.0 = body.client_time.0.wrapping_sub(600_000_000)),
        ..WRONG
    },
    Behaviour {
        id: "CLIENT-VERSION-OTHER",
        title: "An answer of another version than the request's is not taken",
        version: Some(4),
        play: |scene| body(scene, |body| body.version.0 |= 1),
        ..WRONG
    },
    Behaviour {
        id: "CLIENT-VERSION-OUTER",
        title: "A version in front of the IV that is not the body's is not taken",
        version: Some(6),
        play: |scene| encrypted(scene, |response| response.version.0 |= 1),
        ..WRONG
    },
    Behaviour {
        id: "CLIENT-MAC-WRONG",
        title: "A wrong MAC is not taken",
        version: Some(4),
        play: |scene| {
            scene.at(PduType::REQUEST, |scene| {
                scene.with_message(|message| {
                    if let ResponseMessage::V4(v4) = message {
                        v4.mac[15] ^= 1;
                    }
                })
            })
        },
        ..WRONG
    },
    Behaviour {
        id: "CLIENT-HASH-WRONG-V5",
        title: "A wrong Hash is not taken",
        version: Some(5),
        play: |scene| encrypted(scene, |response| response.hash[31] ^= 1),
        ..WRONG
    },
    Behaviour {
        id: "CLIENT-HASH-WRONG-V6",
        title: "A wrong Hash is not taken, its HMAC being right",
        version: Some(6),
        play: |scene| {
            encrypted(scene, |response| {
                response.hash[31] ^= 1;
                sign(response);
            })
        },
        ..WRONG
    },
    Behaviour {
        id: "CLIENT-HMAC-WRONG",
        title: "A wrong HMAC is not taken",
        version: Some(6),
        play: |scene| {
            encrypted(scene, |response| {
                if let Some(v6) = &mut response.v6 {
                    v6.hmac[15] ^= 1;
                }
            })
        },
        ..WRONG
    },
    Behaviour {
        id: "CLIENT-XORED-IVS-WRONG",
        title: "A wrong XoredIVs is not taken, its HMAC being right",
        version: Some(6),
        play: |scene| {
            encrypted(scene, |response| {
                if let Some(v6) = &mut response.v6 {
                    v6.xored_ivs[0] ^= 1;
                }
                sign(response);
            })
        },
        ..WRONG
    },
    Behaviour {
        id: "CLIENT-IV-OTHER",
        title: "An IV that is not the request's is not taken in version 5",
        version: Some(5),
        play: |scene| encrypted(scene, |response| response.iv[0] ^= 1),
        ..WRONG
    },
    Behaviour {
        id: "CLIENT-IV-ECHOED",
        title: "The request's own IV is not taken in version 6",
        level: Level::Observed,
        authority: "no document; vlmcsd, py-kms and the vlmcsd crate make a fresh IV",
        version: Some(6),
        play: |scene| {
            let asked = match scene.request() {
                Some(RequestMessage::Encrypted(asked)) => asked.iv,
                _ => [0; 16],
            };
            encrypted(scene, move |response| {
                response.iv = asked;
                sign(response);
            })
        },
        ..WRONG
    },
    Behaviour {
        id: "CLIENT-PADDING-WRONG",
        title: "Padding that is not PKCS#7 is not taken",
        version: Some(6),
        play: |scene| encrypted(scene, |response| response.padding.fill(0xff)),
        ..WRONG
    },
    Behaviour {
        id: "CLIENT-PID-SIZE-HUGE",
        title: "PIDSize beyond the message is not taken",
        version: Some(4),
        play: |scene| {
            scene.at(PduType::REQUEST, |scene| {
                let ndr = scene.ndr;
                scene.with_stub(|stub| {
                    let mut message = stub.data.to_vec();
                    message[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
                    ResponseStub::of(&message, ndr).encode(Endianness::Little)
                })
            })
        },
        ..WRONG
    },
    Behaviour {
        id: "CLIENT-PID-SIZE-ODD",
        title: "PIDSize that is odd is not taken",
        play: |scene| body(scene, |body| body.epid.push(0)),
        ..WRONG
    },
    Behaviour {
        id: "CLIENT-EPID-GARBAGE",
        title: "An ePID that is none is survived",
        level: Level::May,
        authority: "no document",
        holds: "It takes the answer or refuses it, and ends.",
        wants: Wants::Either,
        play: |scene| {
            let garbage: [u8; 64] = scene.random.bytes();
            body(scene, move |body| body.epid = SmallVec::from_slice(&[&garbage[..], &[0; 2]].concat()))
        },
        ..WRONG
    },
    Behaviour {
        id: "CLIENT-EPID-EMPTY",
        title: "No ePID at all is not taken",
        play: |scene| body(scene, |body| body.epid.clear()),
        ..WRONG
    },
    Behaviour {
        id: "CLIENT-COUNT-ZERO",
        title: "A Count of none is survived",
        play: |scene| body(scene, |body| body.count = 0),
        ..COUNT
    },
    Behaviour {
        id: "CLIENT-COUNT-LOW",
        title: "A Count below what the client demands is survived",
        play: |scene| {
            let policy = scene.request().and_then(|request| request.body().map(|body| body.n_policy));
            body(scene, move |body| body.count = policy.unwrap_or_default().saturating_sub(1))
        },
        ..COUNT
    },
    Behaviour {
        id: "CLIENT-COUNT-HUGE",
        title: "The largest Count is survived",
        play: |scene| body(scene, |body| body.count = u32::MAX),
        ..COUNT
    },
    Behaviour {
        id: "CLIENT-HRESULT-MALFORMED",
        title: "A refusal with 8007000d is told",
        play: |scene| refusal(scene, 0x8007_000d),
        ..HRESULT
    },
    Behaviour {
        id: "CLIENT-HRESULT-PRODUCT",
        title: "A refusal with c004f042 is told",
        play: |scene| refusal(scene, 0xc004_f042),
        ..HRESULT
    },
    Behaviour {
        id: "CLIENT-HRESULT-CLOCK",
        title: "A refusal with c004f06c is told",
        play: |scene| refusal(scene, 0xc004_f06c),
        ..HRESULT
    },
    Behaviour {
        id: "CLIENT-HRESULT-UNKNOWN",
        title: "A refusal with an HRESULT that nobody knows is told",
        play: |scene| refusal(scene, 0x8bad_f00d),
        ..HRESULT
    },
    Behaviour {
        id: "CLIENT-NULL-POINTER",
        title: "A null pointer with the HRESULT of success is no answer",
        plays: "The response has a null pointer and HRESULT 0.",
        play: |scene| refusal(scene, 0),
        ..HRESULT
    },
    Behaviour {
        id: "CLIENT-NDR-COUNT-OTHER",
        title: "A size that is not the maximum count is not taken",
        play: |scene| {
            scene.at(PduType::REQUEST, |scene| {
                scene.with_stub(|stub| {
                    let max_count = stub.max_count.map(|count| count.wrapping_add(8));
                    ResponseStub { max_count, ..stub.clone() }.encode(Endianness::Little)
                })
            })
        },
        ..STUB
    },
    Behaviour {
        id: "CLIENT-NDR-SIZE-HUGE",
        title: "A size far beyond the stub is not taken",
        play: |scene| {
            scene.at(PduType::REQUEST, |scene| {
                scene.with_stub(|stub| {
                    ResponseStub { size: u32::MAX, max_count: Some(u32::MAX.into()), ..stub.clone() }
                        .encode(Endianness::Little)
                })
            })
        },
        ..STUB
    },
    Behaviour {
        id: "CLIENT-NDR-CUT",
        title: "A stub that ends in its middle is not taken",
        play: |scene| {
            scene.at(PduType::REQUEST, |scene| {
                scene.with_stub(|stub| {
                    let mut stub = stub.encode(Endianness::Little);
                    stub.truncate(stub.len() / 2);
                    stub
                })
            })
        },
        ..STUB
    },
    Behaviour {
        id: "CLIENT-NDR-EMPTY",
        title: "A response without a stub is not taken",
        play: |scene| scene.at(PduType::REQUEST, |scene| scene.with_stub(|_| Vec::new())),
        ..STUB
    },
    Behaviour {
        id: "CLIENT-BIND-ACK-FEWER",
        title: "A bind_ack with no result for any context accepts none",
        authority: "C706 12.6.4.4",
        play: |scene| {
            scene.at(PduType::BIND, |scene| {
                scene.with_pdu(|pdu| {
                    if let Body::BindAck(ack) = &mut pdu.body {
                        ack.results.clear();
                        ack.n_results = 0;
                    }
                })
            })
        },
        ..BIND
    },
    Behaviour {
        id: "CLIENT-CONTEXTS-REFUSED",
        title: "Where no context is accepted nothing is called",
        authority: "C706 12.6.3.1",
        play: |scene| match scene.ptype() {
            Some(PduType::BIND | PduType::ALTER_CONTEXT) => refused_contexts(scene),
            _ => scene.rightly(),
        },
        ..BIND
    },
    Behaviour {
        id: "CLIENT-ALTER-CONTEXT",
        title: "A client whose contexts were refused may propose others",
        level: Level::May,
        authority: "C706 12.6.4.1",
        holds: "It alters its contexts and is answered, or gives up.",
        wants: Wants::Either,
        play: |scene| scene.at(PduType::BIND, refused_contexts),
        ..BIND
    },
    Behaviour {
        id: "CLIENT-BIND-NAK",
        title: "A bind_nak is the end",
        authority: "C706 12.6.4.5",
        play: |scene| {
            scene.at(PduType::BIND, |scene| {
                let call_id = scene.asked.map_or(0, |pdu| pdu.header.call_id);
                let nak = BindNak { reject_reason: 0, versions: Some(vec![(5, 0)]) };
                pdu(Header::new(PduType::BIND_NAK, call_id), Body::BindNak(nak))
            })
        },
        ..BIND
    },
    Behaviour {
        id: "CLIENT-FAULT",
        title: "A fault in place of a response is told",
        authority: "C706 12.6.4.7",
        play: |scene| {
            scene.at(PduType::REQUEST, |scene| {
                let call_id = scene.asked.map_or(0, |pdu| pdu.header.call_id);
                let fault = Fault {
                    alloc_hint: 0,
                    context_id: 0,
                    cancel_count: 0,
                    reserved: 0,
                    status: 0x0000_0005,
                    reserved2: 0,
                    stub: &[],
                };
                pdu(Header::new(PduType::FAULT, call_id), Body::Fault(fault))
            })
        },
        ..CALL
    },
    Behaviour {
        id: "CLIENT-CALL-ID-OTHER",
        title: "The answer to a call that was not made is not taken",
        authority: "C706 12.6.3 (call_id)",
        play: |scene| {
            scene.at(PduType::REQUEST, |scene| {
                scene.with_pdu(|pdu| pdu.header.call_id = pdu.header.call_id.wrapping_add(77))
            })
        },
        ..CALL
    },
    Behaviour {
        id: "CLIENT-TYPE-OTHER",
        title: "A PDU that is no answer is not taken",
        authority: "C706 12 (table of PDUs)",
        play: |scene| {
            scene.at(PduType::REQUEST, |scene| {
                let call_id = scene.asked.map_or(0, |pdu| pdu.header.call_id);
                pdu(Header::new(PduType(77), call_id), Body::Opaque)
            })
        },
        ..CALL
    },
    Behaviour {
        id: "CLIENT-DEAD",
        title: "A host that says nothing is given up",
        plays: "The host takes the connection and says nothing.",
        play: |_| Vec::new(),
        ..LINE
    },
    Behaviour {
        id: "CLIENT-DEAD-AFTER-BIND",
        title: "A host that does not answer the call is given up",
        plays: "The host answers the bind, and nothing else.",
        play: |scene| scene.at(PduType::REQUEST, |_| Vec::new()),
        ..LINE
    },
    Behaviour {
        id: "CLIENT-DEAD-MID-ANSWER",
        title: "A host that stops in its answer is given up",
        plays: "The host sends half an answer, and nothing else.",
        play: |scene| scene.at(PduType::REQUEST, |scene| half(scene, None)),
        ..LINE
    },
    Behaviour {
        id: "CLIENT-CLOSED-AT-BIND",
        title: "A connection that is closed in place of a bind_ack is an error",
        plays: "The host closes the connection when the bind comes.",
        play: |_| vec![Act::Close],
        ..LINE
    },
    Behaviour {
        id: "CLIENT-CLOSED-AFTER-BIND",
        title: "A connection that is closed behind the bind_ack is an error",
        plays: "The host answers the bind and closes the connection.",
        play: |scene| {
            let mut acts = scene.rightly();
            acts.push(Act::Close);
            acts
        },
        ..LINE
    },
    Behaviour {
        id: "CLIENT-CLOSED-AFTER-REQUEST",
        title: "A connection that is closed in place of a response is an error",
        plays: "The host closes the connection when the request comes.",
        play: |scene| scene.at(PduType::REQUEST, |_| vec![Act::Close]),
        ..LINE
    },
    Behaviour {
        id: "CLIENT-CLOSED-MID-ANSWER",
        title: "A connection that is closed in the middle of a response is an error",
        plays: "The host sends half an answer and closes the connection.",
        play: |scene| scene.at(PduType::REQUEST, |scene| half(scene, Some(Act::Close))),
        ..LINE
    },
    Behaviour {
        id: "CLIENT-RESET",
        title: "A connection that is reset is an error",
        plays: "The host resets the connection when the request comes.",
        play: |scene| {
            scene.at(PduType::BIND, |scene| {
                let mut acts = scene.rightly();
                acts.push(Act::Reset);
                acts
            })
        },
        ..LINE
    },
    Behaviour {
        id: "CLIENT-ANSWERED-TWICE",
        title: "A second answer to one call is survived",
        level: Level::May,
        plays: "The host answers each call twice.",
        holds: "It takes the first answer or refuses both, and ends.",
        wants: Wants::Either,
        play: |scene| {
            scene.at(PduType::REQUEST, |scene| {
                let acts = scene.rightly();
                acts.iter().chain(&acts).cloned().collect()
            })
        },
        ..LINE
    },
    Behaviour {
        id: "CLIENT-GARBAGE",
        title: "What is no DCE/RPC at all is an error",
        plays: "The host answers the bind with a page of HTTP.",
        play: |_| {
            vec![Act::Send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n".to_vec()), Act::Close]
        },
        ..LINE
    },
    Behaviour {
        id: "CLIENT-GARBAGE-RANDOM",
        title: "Any bytes in place of a response are an error",
        plays: "The host answers the request with random bytes.",
        play: |scene| {
            scene.at(PduType::REQUEST, |scene| {
                vec![Act::Send(scene.random.bytes::<300>().to_vec()), Act::Close]
            })
        },
        ..LINE
    },
    Behaviour {
        id: "CLIENT-SANITY-LAST",
        title: "A right host is understood, after everything else",
        ..RIGHT
    },
];

const RIGHT: Behaviour = Behaviour {
    id: "",
    title: "",
    group: "right",
    level: Level::Must,
    authority: AGREED,
    plays: "The host does all that is right.",
    holds: "It takes the answer.",
    tags: &[],
    version: None,
    ndr: None,
    takes_ndr64: true,
    wants: Wants::Success,
    play: |scene| scene.rightly(),
};

const CUT: Behaviour = Behaviour {
    group: "cut",
    authority: "RFC 9293: TCP is a stream of bytes",
    plays: "The host's right answer comes in another form.",
    ..RIGHT
};

const WRONG: Behaviour = Behaviour {
    group: "message",
    level: Level::Should,
    plays: "One thing in the response is wrong, and all else is right.",
    holds: "It does not take the answer, says so, and asks no more on the connection.",
    wants: Wants::Failure,
    ..RIGHT
};

const COUNT: Behaviour = Behaviour {
    level: Level::Observed,
    authority: "Microsoft's Volume Activation Planning Guide: a client whose threshold is not met does not activate",
    holds: "It takes the answer or refuses it, and ends.",
    wants: Wants::Either,
    ..WRONG
};

const HRESULT: Behaviour = Behaviour {
    authority: "observed: vlmcsd, captures/vlmcs_vlmcsd_err_version.pcap",
    plays: "The response has a null pointer and an HRESULT.",
    ..WRONG
};

const STUB: Behaviour = Behaviour {
    group: "stub",
    authority: "C706 14, MS-RPCE 2.2.5",
    plays: "The response's stub is wrong.",
    ..WRONG
};

const BIND: Behaviour = Behaviour {
    group: "bind",
    plays: "The host does not accept what the client proposes.",
    holds: "It calls nothing, and says so.",
    ..WRONG
};

const CALL: Behaviour =
    Behaviour { group: "call", plays: "The call is not answered with its response.", ..WRONG };

const LINE: Behaviour = Behaviour {
    group: "line",
    authority: "no document",
    holds: "It gives up in time, says so, and does not try without end.",
    ..WRONG
};

const AGREED: &str = "no document; vlmcsd, py-kms and the vlmcsd crate agree byte for byte";

/// The answers of a right host in pieces.
fn pieces(scene: &mut Scene<'_>, size: usize, pause: Duration) -> Vec<Act> {
    std::mem::take(&mut scene.right).into_iter().map(|pdu| Act::Pieces(pdu, size, pause)).collect()
}

/// The first half of a right answer, and what is done then.
fn half(scene: &mut Scene<'_>, behind: Option<Act>) -> Vec<Act> {
    let halves = scene.right.iter().map(|pdu| Act::Send(pdu[..pdu.len() / 2].to_vec()));
    halves.take(1).chain(behind).collect()
}

/// A right response with another body, its MAC or HMAC and its padding repaired.
fn body(scene: &mut Scene<'_>, change: impl Fn(&mut ResponseBody)) -> Vec<Act> {
    scene.at(PduType::REQUEST, |scene| {
        scene.with_message(|message| match message {
            ResponseMessage::V4(v4) => {
                change(&mut v4.body);
                v4.mac = mac::v4(&v4.body.encode());
            }
            ResponseMessage::Encrypted(encrypted) => {
                change(&mut encrypted.body);
                sign(encrypted);
                let length = encrypted.body.encode().len() + if encrypted.v6.is_some() { 88 } else { 48 };
                let padding = 16 - length % 16;
                encrypted.padding = SmallVec::from_elem(u8::try_from(padding).unwrap_or_default(), padding);
            }
            ResponseMessage::Other { .. } => {}
        })
    })
}

/// A right version 5 or 6 response in which something is changed; what depends on it is left alone.
fn encrypted(scene: &mut Scene<'_>, change: impl Fn(&mut EncryptedResponse)) -> Vec<Act> {
    scene.at(PduType::REQUEST, |scene| {
        scene.with_message(|message| {
            if let ResponseMessage::Encrypted(encrypted) = message {
                change(encrypted);
            }
        })
    })
}

fn sign(response: &mut EncryptedResponse) {
    let hashed = response.hashed();
    let client_time = response.body.client_time;
    if let Some(v6) = &mut response.v6 {
        v6.hmac = hmac::Keys::default().v6(client_time, 0, &hashed);
    }
}

fn refusal(scene: &mut Scene<'_>, hresult: u32) -> Vec<Act> {
    let ndr = scene.ndr;
    scene.at(PduType::REQUEST, |scene| {
        scene.with_stub(|_| ResponseStub::refusal(hresult, ndr).encode(Endianness::Little))
    })
}

fn refused_contexts(scene: &mut Scene<'_>) -> Vec<Act> {
    scene.with_pdu(|pdu| {
        if let Body::BindAck(ack) | Body::AlterContextResp(ack) = &mut pdu.body {
            for result in ack.results.iter_mut().filter(|result| result.result == 0) {
                *result = ResultElement { result: 2, reason: 2, transfer_syntax: SyntaxId::default() };
            }
        }
    })
}

fn pdu(header: Header, body: Body<'_>) -> Vec<Act> {
    let pdu = Pdu { header, body, rest: &[], auth: None };
    pdu.encode_sized().into_iter().map(Act::Send).collect()
}

/// A response in fragments with so many bytes of its stub at most.
fn fragments(bytes: &[u8], size: usize) -> Vec<Vec<u8>> {
    let Ok(Pdu { header, body: Body::Response(response), .. }) = Pdu::parse(bytes) else {
        return vec![bytes.to_vec()];
    };
    let parts: Vec<&[u8]> = response.stub.chunks(size).collect();
    let last = parts.len().saturating_sub(1);
    let fragment = |(i, stub): (usize, &&[u8])| {
        let mut flags = PfcFlags(0);
        if i == 0 {
            flags = flags | PfcFlags::FIRST;
        }
        if i == last {
            flags = flags | PfcFlags::LAST;
        }
        let left: usize = parts[i..].iter().map(|part| part.len()).sum();
        let alloc_hint = u32::try_from(left).unwrap_or(u32::MAX);
        let body = Body::Response(Response { stub, alloc_hint, ..response.clone() });
        Pdu { header: Header { flags, ..header }, body, rest: &[], auth: None }.encode_sized().ok()
    };
    parts.iter().enumerate().filter_map(fragment).collect()
}

/// A response in NDR32 as a big-endian host sends it.
fn big_endian(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut pdu = Pdu::parse(bytes).ok()?;
    let Body::Response(response) = &mut pdu.body else { return Some(bytes.to_vec()) };
    let stub = ResponseStub::parse(response.stub, Ndr::Ndr32, Endianness::Little).ok()?;
    let stub = stub.encode(Endianness::Big);
    response.stub = &stub;
    pdu.header.drep = DataRepresentation::BIG_ENDIAN;
    pdu.encode_sized().ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_every_behaviour_says_two_sentences() {
        let mut ids = BTreeSet::new();
        for behaviour in BEHAVIOURS {
            assert!(ids.insert(behaviour.id), "{} is there twice", behaviour.id);
            assert!(behaviour.id.starts_with("CLIENT-"), "{}", behaviour.id);
            for sentence in [behaviour.plays, behaviour.holds] {
                assert!(sentence.ends_with('.'), "{}: {sentence:?}", behaviour.id);
            }
        }
        assert!(ids.len() >= 30, "{}", ids.len());
    }
}
