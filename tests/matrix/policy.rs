//! Examples of the rules in src/conformance/rules/policy.rs.

use crate::Example;
use crate::conversation::Conversation;

pub(crate) fn examples() -> Vec<Example> {
    let base = Conversation::base;
    let office = || Conversation::of("vlmcs_vlmcsd_prod_office2019.pcap");
    vec![
        Example {
            rule: "POLICY-COUNT-ZERO",
            passes: base().file(),
            fails: base().call(1, |call| call.answer_mut().count = 0).file(),
        },
        Example {
            rule: "POLICY-COUNT-CEILING",
            passes: base().file(),
            fails: base().calls(|call| call.answer_mut().count = 51).file(),
        },
        Example {
            rule: "POLICY-COUNT-PRODUCT",
            passes: office().file(),
            fails: office().calls(|call| call.answer_mut().count = 11).file(),
        },
        Example {
            rule: "POLICY-COUNT-DEMAND",
            passes: base().file(),
            fails: base().calls(|call| call.answer_mut().count = 4).file(),
        },
        Example { rule: "POLICY-COUNT-GROWS", passes: base().file(), fails: six_machines(5) },
        Example {
            rule: "POLICY-COUNT-DROP",
            passes: base().file(),
            fails: base().call(2, |call| call.answer_mut().count = 5).file(),
        },
        Example {
            rule: "POLICY-INTERVAL-ZERO",
            passes: base().file(),
            fails: base()
                .calls(|call| {
                    let body = call.answer_mut();
                    (body.activation_interval, body.renewal_interval) = (0, 10080);
                })
                .file(),
        },
        Example {
            rule: "POLICY-INTERVAL-RANGE",
            passes: base().file(),
            fails: base()
                .calls(|call| {
                    let body = call.answer_mut();
                    (body.activation_interval, body.renewal_interval) = (10, 10080);
                })
                .file(),
        },
        Example {
            rule: "POLICY-INTERVAL-ORDER",
            passes: base().file(),
            fails: base()
                .calls(|call| {
                    let body = call.answer_mut();
                    (body.activation_interval, body.renewal_interval) = (120, 60);
                })
                .file(),
        },
        Example {
            rule: "POLICY-ACTIVATION-INTERVAL",
            passes: base().file(),
            fails: base()
                .calls(|call| {
                    let body = call.answer_mut();
                    (body.activation_interval, body.renewal_interval) = (121, 10080);
                })
                .file(),
        },
        Example {
            rule: "POLICY-RENEWAL-INTERVAL",
            passes: base().file(),
            fails: base()
                .calls(|call| {
                    let body = call.answer_mut();
                    (body.activation_interval, body.renewal_interval) = (120, 10081);
                })
                .file(),
        },
        Example {
            rule: "POLICY-INTERVALS-CONSTANT",
            passes: base().file(),
            fails: base().call(2, |call| call.answer_mut().renewal_interval = 10_081).file(),
        },
    ]
}

/// Six machines ask, and the host has never counted more than these.
fn six_machines(count: u32) -> Vec<u8> {
    let twice = Conversation::base().calls(|call| call.answer_mut().count = count).twice();
    let machine = |twice: Conversation, nth| {
        twice.call_of_last(nth, |call| {
            let mut cmid = call.asked().cmid.to_wire();
            cmid[0] ^= 1;
            call.asked_mut().cmid = volact::wire::Guid::from_wire(cmid);
            call.echo();
        })
    };
    (0..3).fold(twice, machine).file()
}
