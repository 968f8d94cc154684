//! Examples of the rules in src/conformance/rules/host.rs.

use std::net::IpAddr;

use volact::rpc::{Body, Pdu, SyntaxId};

use crate::Example;
use crate::bodies::{Call, OFFICE_2019};
use crate::conversation::Conversation;

pub(crate) fn examples() -> Vec<Example> {
    let base = Conversation::base;
    let twice = || base().twice();
    vec![
        Example { rule: "HOST-ASSOC-GROUP", passes: twice().file(), fails: same_group() },
        Example { rule: "HOST-NDR64", passes: base().first_calls(1).file(), fails: without_ndr64() },
        Example {
            rule: "HOST-EPID-CONSTANT",
            passes: twice().file(),
            fails: twice().call_of_last(0, |call| call.edit_epid("564-865711", "564-865712")).file(),
        },
        Example {
            rule: "HOST-EPID-BUILD",
            passes: office_of("14393", "2021").file(),
            fails: office("17763", "2019"),
        },
        Example {
            rule: "HOST-HWID-CONSTANT",
            passes: base().file(),
            fails: base().call(2, |call| call.trailer().hwid[0] ^= 1).file(),
        },
        Example {
            rule: "HOST-HWID-EMPTY",
            passes: base().file(),
            fails: base().calls(|call| call.trailer().hwid = [0xff; 8]).file(),
        },
        Example {
            rule: "HOST-TWINS",
            passes: two_hosts(|call| call.trailer().hwid[0] ^= 1).file(),
            fails: two_hosts(|_| ()).file(),
        },
        Example {
            rule: "HOST-SALT-FRESH",
            passes: twice().file(),
            fails: twice()
                .call_of_last(0, |call| {
                    for byte in &mut call.salt {
                        *byte ^= 1;
                    }
                })
                .file(),
        },
        Example {
            rule: "HOST-IV-FRESH",
            passes: twice().file(),
            fails: twice().call_of_last(0, |call| call.encrypted().iv[0] ^= 1).file(),
        },
        Example {
            rule: "HOST-PRODUCTS",
            passes: base().file(),
            fails: base().call(2, |call| call.refuse(0xc004_f042)).file(),
        },
        Example { rule: "HOST-STAYS-OPEN", passes: base().file(), fails: base().closed_by_host() },
        Example { rule: "HOST-ANSWER-TIME", passes: base().file(), fails: slow() },
    ]
}

/// Two connections in one association group.
fn same_group() -> Vec<u8> {
    let mut twice = Conversation::base().twice();
    let group = group_of(&twice.connections[0].pdus[1].bytes);
    for sent in &mut twice.connections[1].pdus {
        let bytes = sent.bytes.clone();
        let mut pdu = Pdu::parse(&bytes).expect("it is a whole PDU");
        match &mut pdu.body {
            Body::BindAck(ack) | Body::AlterContextResp(ack) => ack.assoc_group_id = group,
            Body::AlterContext(alter) if alter.assoc_group_id != 0 => alter.assoc_group_id = group,
            _ => {}
        }
        sent.bytes = pdu.encode();
    }
    twice.file()
}

fn group_of(bytes: &[u8]) -> u32 {
    match Pdu::parse(bytes).expect("it is a whole PDU").body {
        Body::BindAck(ack) => ack.assoc_group_id,
        _ => panic!("it is a bind_ack"),
    }
}

/// NDR64 is rejected, and the client calls in NDR32.
fn without_ndr64() -> Vec<u8> {
    let reject = |ack: &mut Pdu<'_>| {
        let Body::BindAck(ack) = &mut ack.body else { panic!("it is a bind_ack") };
        let result = &mut ack.results[1];
        (result.result, result.reason, result.transfer_syntax) = (2, 2, SyntaxId::default());
    };
    Conversation::base().first_calls(1).with(1, reject).file()
}

/// The last machine asks for an Office, for which the host has a key of its own.
fn office_of(build: &str, year: &str) -> Conversation {
    Conversation::base().call(2, |call| {
        call.asks_for(OFFICE_2019);
        call.edit_epid("564-865711", "666-000001");
        call.edit_epid("14393", build);
        call.edit_epid("2021", year);
    })
}

fn office(build: &str, year: &str) -> Vec<u8> {
    office_of(build, year).file()
}

/// The client asks another host the next time.
fn two_hosts(change: impl Fn(&mut Call)) -> Conversation {
    let mut twice = Conversation::base().twice();
    twice.connections[1].server.address = IpAddr::from([127, 0, 0, 2]);
    (0..3).fold(twice, |twice, nth| twice.call_of_last(nth, &change))
}

/// The last answer comes late.
fn slow() -> Vec<u8> {
    let mut base = Conversation::base();
    let last = base.connections[0].pdus.last_mut().expect("an answer");
    last.time += 600_000_000;
    base.file()
}
