use crate::conformance::Level;
use crate::kms::{Ndr, RequestStub, ResponseStub};
use crate::wire::{Endianness, Random};

use super::super::case::{Case, Script};
use super::super::contract::{Fields, Query};
use super::IS_REFUSED;
use super::messages::{below, place};

/// NDR32 and NDR64: the stubs of requests and responses.
pub(super) const CASES: &[Case] = &[
    Case {
        id: "SHIM-NDR32-REQUEST-DECODE",
        title: "A request's stub is read in NDR32",
        script: |random| decode_request(Ndr::Ndr32, Endianness::Little, random),
        ..NDR32
    },
    Case {
        id: "SHIM-NDR64-REQUEST-DECODE",
        title: "A request's stub is read in NDR64",
        script: |random| decode_request(Ndr::Ndr64, Endianness::Little, random),
        ..NDR64
    },
    Case {
        id: "SHIM-NDR32-REQUEST-BIG-ENDIAN",
        title: "A request's stub is read in NDR32 of a big-endian client",
        tags: &["ndr32", "big-endian"],
        script: |random| decode_request(Ndr::Ndr32, Endianness::Big, random),
        ..NDR32
    },
    Case {
        id: "SHIM-NDR32-REQUEST-ENCODE",
        title: "A request's stub is made in NDR32",
        script: |random| encode_request(Ndr::Ndr32, random),
        ..NDR32
    },
    Case {
        id: "SHIM-NDR64-REQUEST-ENCODE",
        title: "A request's stub is made in NDR64",
        script: |random| encode_request(Ndr::Ndr64, random),
        ..NDR64
    },
    Case {
        id: "SHIM-NDR32-RESPONSE-DECODE",
        title: "A response's stub is read in NDR32",
        script: |random| decode_response(Ndr::Ndr32, Endianness::Little, random),
        ..NDR32
    },
    Case {
        id: "SHIM-NDR64-RESPONSE-DECODE",
        title: "A response's stub is read in NDR64",
        script: |random| decode_response(Ndr::Ndr64, Endianness::Little, random),
        ..NDR64
    },
    Case {
        id: "SHIM-NDR32-RESPONSE-BIG-ENDIAN",
        title: "A response's stub is read in NDR32 of a big-endian host",
        tags: &["ndr32", "big-endian"],
        script: |random| decode_response(Ndr::Ndr32, Endianness::Big, random),
        ..NDR32
    },
    Case {
        id: "SHIM-NDR32-RESPONSE-ENCODE",
        title: "A response's stub is made in NDR32",
        script: |random| encode_response(Ndr::Ndr32, 0, random),
        ..NDR32
    },
    Case {
        id: "SHIM-NDR64-RESPONSE-ENCODE",
        title: "A response's stub is made in NDR64",
        script: |random| encode_response(Ndr::Ndr64, 0, random),
        ..NDR64
    },
    Case {
        id: "SHIM-NDR32-REFUSAL-DECODE",
        title: "A null pointer and its HRESULT are read in NDR32",
        script: |_| decode_refusal(Ndr::Ndr32),
        ..NDR32
    },
    Case {
        id: "SHIM-NDR64-REFUSAL-DECODE",
        title: "A null pointer and its HRESULT are read in NDR64",
        script: |_| decode_refusal(Ndr::Ndr64),
        ..NDR64
    },
    Case {
        id: "SHIM-NDR32-REFUSAL-ENCODE",
        title: "A refusal is 12 bytes in NDR32",
        script: |random| encode_response(Ndr::Ndr32, 0x8007_000d, random),
        ..NDR32
    },
    Case {
        id: "SHIM-NDR64-REFUSAL-ENCODE",
        title: "A refusal is 20 bytes in NDR64",
        script: |random| encode_response(Ndr::Ndr64, 0xc004_f042, random),
        ..NDR64
    },
    Case {
        id: "SHIM-NDR64-SIZE-PADDING",
        title: "The padding behind an NDR64 size may hold anything",
        script: |random| {
            let message = message(random);
            let mut stub = RequestStub::of(&message, Ndr::Ndr64);
            stub.size_padding = random.bytes();
            Script::done(
                asked("ndr.request.decode", &stub.encode(Endianness::Little), Ndr::Ndr64, false),
                Fields::default().with_bytes("message", &message),
            )
        },
        ..NDR64
    },
    Case {
        id: "SHIM-NDR32-COUNTS",
        title: "A size that is not the maximum count is refused in NDR32",
        tags: &["ndr32", "hostile"],
        script: |random| counts(Ndr::Ndr32, random),
        ..REFUSE
    },
    Case {
        id: "SHIM-NDR64-COUNTS",
        title: "A size that is not the maximum count is refused in NDR64",
        tags: &["ndr64", "hostile"],
        script: |random| counts(Ndr::Ndr64, random),
        ..REFUSE
    },
    Case {
        id: "SHIM-NDR64-COUNT-HIGH-HALF",
        title: "A maximum count whose low half alone is the size is refused",
        tags: &["ndr64", "hostile"],
        script: |random| {
            let message = message(random);
            let mut stub = RequestStub::of(&message, Ndr::Ndr64);
            stub.max_count |= 1 << 32;
            let query = asked("ndr.request.decode", &stub.encode(Endianness::Little), Ndr::Ndr64, false);
            Script::refused(query, "counts")
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-NDR32-SIZE-HUGE",
        title: "A size far beyond the stub is refused in NDR32",
        tags: &["ndr32", "hostile"],
        script: |random| huge(Ndr::Ndr32, random),
        ..REFUSE
    },
    Case {
        id: "SHIM-NDR64-SIZE-HUGE",
        title: "A size far beyond the stub is refused in NDR64",
        tags: &["ndr64", "hostile"],
        script: |random| huge(Ndr::Ndr64, random),
        ..REFUSE
    },
    Case {
        id: "SHIM-NDR32-REQUEST-SHORT",
        title: "A stub that ends inside of its counts is refused",
        tags: &["ndr32", "hostile"],
        script: |random| {
            let stub = RequestStub::of(&[1, 2, 3, 4], Ndr::Ndr32).encode(Endianness::Little);
            let cut = &stub[..place(random, 8)];
            Script::refused(asked("ndr.request.decode", cut, Ndr::Ndr32, false), "length")
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-NDR64-REQUEST-SHORT",
        title: "A stub with the counts of NDR32 is refused in NDR64",
        tags: &["ndr64", "hostile"],
        script: |_| {
            let stub = RequestStub::of(&[1, 2, 3, 4], Ndr::Ndr32).encode(Endianness::Little);
            Script::refused(asked("ndr.request.decode", &stub, Ndr::Ndr64, false), "length")
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-NDR32-RESPONSE-NO-HRESULT",
        title: "A response's stub that ends in front of its HRESULT is refused",
        tags: &["ndr32", "hostile"],
        script: |random| {
            let message = message(random);
            let stub = ResponseStub::of(&message, Ndr::Ndr32).encode(Endianness::Little);
            let cut = &stub[..stub.len() - 4];
            Script::refused(asked("ndr.response.decode", cut, Ndr::Ndr32, false), "length")
        },
        ..REFUSE
    },
    Case {
        id: "SHIM-NDR32-NULL-POINTER",
        title: "A null pointer with the HRESULT of success is refused in NDR32",
        tags: &["ndr32", "hostile"],
        script: |_| null_pointer(Ndr::Ndr32),
        ..REFUSE
    },
    Case {
        id: "SHIM-NDR64-NULL-POINTER",
        title: "A null pointer with the HRESULT of success is refused in NDR64",
        tags: &["ndr64", "hostile"],
        script: |_| null_pointer(Ndr::Ndr64),
        ..REFUSE
    },
];

const NDR32: Case = Case {
    id: "",
    title: "",
    group: "ndr",
    level: Level::Must,
    authority: "C706 14",
    asked: "A stub is given to be read, or a message to be put into one.",
    holds: "What comes out is the message, or the very stub.",
    tags: &["ndr32"],
    script: |random| decode_request(Ndr::Ndr32, Endianness::Little, random),
};

const NDR64: Case = Case { authority: "MS-RPCE 2.2.5", tags: &["ndr64"], ..NDR32 };

const REFUSE: Case = Case {
    authority: "C706 14, MS-RPCE 2.2.5",
    asked: "A stub is given that is wrong in this one way.",
    holds: IS_REFUSED,
    ..NDR32
};

/// Any bytes: an NDR stub holds them whatever they are. Their number is no multiple of four more often than not.
fn message(random: &mut Random) -> Vec<u8> {
    let mut message = random.bytes::<300>().to_vec();
    message.truncate(1 + place(random, 299));
    message
}

fn asked(op: &'static str, stub: &[u8], ndr: Ndr, big: bool) -> Query {
    Query::new(op).with_bytes("stub", stub).with("syntax", syntax(ndr)).with("big", big)
}

fn syntax(ndr: Ndr) -> u32 {
    match ndr {
        Ndr::Ndr32 => 32,
        Ndr::Ndr64 => 64,
    }
}

fn decode_request(ndr: Ndr, endianness: Endianness, random: &mut Random) -> Script {
    let message = message(random);
    let stub = RequestStub::of(&message, ndr).encode(endianness);
    Script::done(
        asked("ndr.request.decode", &stub, ndr, endianness == Endianness::Big),
        Fields::default().with_bytes("message", &message),
    )
}

fn encode_request(ndr: Ndr, random: &mut Random) -> Script {
    let message = message(random);
    let stub = RequestStub::of(&message, ndr).encode(Endianness::Little);
    let query = Query::new("ndr.request.encode").with_bytes("message", &message);
    Script::done(
        query.with("syntax", syntax(ndr)).with("big", false),
        Fields::default().with_bytes("stub", &stub),
    )
}

fn decode_response(ndr: Ndr, endianness: Endianness, random: &mut Random) -> Script {
    let message = message(random);
    let stub = ResponseStub::of(&message, ndr).encode(endianness);
    Script::done(
        asked("ndr.response.decode", &stub, ndr, endianness == Endianness::Big),
        Fields::default().with_bytes("message", &message).with("hresult", 0),
    )
}

fn decode_refusal(ndr: Ndr) -> Script {
    let stub = ResponseStub::refusal(0xc004_f042, ndr).encode(Endianness::Little);
    Script::done(
        asked("ndr.response.decode", &stub, ndr, false),
        Fields::default().with("message", "").with("hresult", 0xc004_f042),
    )
}

/// A response's stub, or that of a refusal, for which there is no message.
fn encode_response(ndr: Ndr, hresult: u32, random: &mut Random) -> Script {
    let message = if hresult == 0 { message(random) } else { Vec::new() };
    let stub = match hresult {
        0 => ResponseStub::of(&message, ndr),
        _ => ResponseStub::refusal(hresult, ndr),
    };
    let query = Query::new("ndr.response.encode").with_bytes("message", &message).with("hresult", hresult);
    Script::done(
        query.with("syntax", syntax(ndr)).with("big", false),
        Fields::default().with_bytes("stub", &stub.encode(Endianness::Little)),
    )
}

fn counts(ndr: Ndr, random: &mut Random) -> Script {
    let message = message(random);
    let mut stub = RequestStub::of(&message, ndr);
    stub.max_count += u64::from(1 + below(random, 1000));
    Script::refused(asked("ndr.request.decode", &stub.encode(Endianness::Little), ndr, false), "counts")
}

fn huge(ndr: Ndr, random: &mut Random) -> Script {
    let message = message(random);
    let mut stub = RequestStub::of(&message, ndr);
    stub.size = u32::MAX - below(random, 16);
    stub.max_count = stub.size.into();
    Script::refused(asked("ndr.request.decode", &stub.encode(Endianness::Little), ndr, false), "length")
}

fn null_pointer(ndr: Ndr) -> Script {
    let stub = ResponseStub::refusal(0, ndr).encode(Endianness::Little);
    Script::refused(asked("ndr.response.decode", &stub, ndr, false), "null_pointer")
}
