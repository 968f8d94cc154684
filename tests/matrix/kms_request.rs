//! Examples of the rules in src/conformance/rules/kms_request.rs.

use volact::kms::{EncryptedRequest, RequestBody, RequestMessage, Version};
use volact::wire::Guid;

use crate::Example;
use crate::bodies::{Call, INVALID_DATA, SERVER_2008_R2, SERVER_2012, SERVER_2019, seconds};
use crate::conversation::Conversation;

pub(crate) fn examples() -> Vec<Example> {
    let base = Conversation::base;
    let v4 = || Conversation::of_edition(SERVER_2008_R2);
    let unknown = id("12345678-9abc-4def-8123-456789abcdef");
    let office = id("0ff1ce15-a989-479d-af46-f275c6370663");
    let windows_7 = id("7fde5219-fbfa-484a-82c9-34d1ad53e856");
    vec![
        Example {
            rule: "KMS-VERSION",
            passes: base().file(),
            fails: refused(base(), |call| {
                envelope(call).version = Version(7 << 16);
                envelope(call).body.version = Version(7 << 16);
            }),
        },
        Example {
            rule: "KMS-VERSION-ENVELOPE",
            passes: base().file(),
            fails: refused(base(), |call| envelope(call).body.version = Version::V5),
        },
        Example {
            rule: "KMS-REQUEST-LENGTH",
            passes: base().file(),
            fails: refused(base(), |call| envelope(call).excess.push(0)),
        },
        Example {
            rule: "KMS-REQUEST-MAC",
            passes: v4().file(),
            fails: refused(v4(), |call| {
                let RequestMessage::V4(request) = &mut call.request else {
                    panic!("the request is of version 4")
                };
                request.mac[3] ^= 1;
            }),
        },
        Example {
            rule: "KMS-REQUEST-PADDING",
            passes: base().file(),
            fails: refused(base(), |call| envelope(call).padding = [0; 4]),
        },
        Example {
            rule: "KMS-REQUEST-IV",
            passes: base().file(),
            fails: base().call(1, |call| envelope(call).iv = [0; 16]).file(),
        },
        Example { rule: "KMS-VMINFO", passes: base().file(), fails: asked(|body| body.vm_info = 2) },
        Example {
            rule: "KMS-LICENSE-STATUS",
            passes: base().file(),
            fails: asked(|body| body.license_status = 7),
        },
        Example {
            rule: "KMS-BINDING-EXPIRATION",
            passes: base().file(),
            fails: asked(|body| body.binding_expiration = 259_201),
        },
        Example {
            rule: "KMS-APPID-KNOWN",
            passes: base().file(),
            fails: asked(|body| body.app_id = unknown),
        },
        Example {
            rule: "KMS-ACTID-KNOWN",
            passes: base().file(),
            fails: asked(|body| body.act_id = unknown),
        },
        Example {
            rule: "KMS-KMSID-KNOWN",
            passes: base().file(),
            fails: asked(|body| body.kms_id = unknown),
        },
        Example {
            rule: "KMS-ACTID-APPLICATION",
            passes: base().file(),
            fails: asked(|body| body.app_id = office),
        },
        Example {
            rule: "KMS-ACTID-KMSID",
            passes: base().file(),
            fails: v4()
                .call(1, |call| {
                    let body = call.asked_mut();
                    (body.kms_id, body.n_policy) = (windows_7, 25);
                    call.answer_mut().count = 50;
                })
                .file(),
        },
        Example {
            rule: "KMS-VERSION-PRODUCT",
            passes: base().file(),
            fails: base()
                .calls(|call| {
                    call.asks_for(SERVER_2012);
                    let body = call.asked().clone();
                    call.asks_for(SERVER_2019);
                    let product = call.asked().clone();
                    call.asks_for(SERVER_2012);
                    *call.asked_mut() =
                        RequestBody { act_id: product.act_id, kms_id: product.kms_id, ..body };
                })
                .file(),
        },
        Example {
            rule: "KMS-CMID-NIL",
            passes: base().file(),
            fails: base()
                .call(1, |call| {
                    call.asked_mut().cmid = Guid::NIL;
                    call.echo();
                })
                .file(),
        },
        Example {
            rule: "KMS-CMID-SHAPE",
            passes: base().file(),
            fails: base()
                .call(1, |call| {
                    call.asked_mut().cmid = id("12345678-9abc-1def-8123-456789abcdef");
                    call.echo();
                })
                .file(),
        },
        Example {
            rule: "KMS-CMID-PREVIOUS",
            passes: base().call(1, |call| call.asked_mut().cmid_prev = unknown).file(),
            fails: asked(|body| body.cmid_prev = body.cmid),
        },
        Example { rule: "KMS-N-POLICY-ZERO", passes: base().file(), fails: asked(|body| body.n_policy = 0) },
        Example {
            rule: "KMS-N-POLICY-PRODUCT",
            passes: base().file(),
            fails: asked(|body| body.n_policy = 6),
        },
        Example {
            rule: "KMS-CLIENT-TIME-RANGE",
            passes: base().file(),
            fails: base()
                .call(1, |call| {
                    call.asked_mut().client_time.0 = 1;
                    call.refuse(0xc004_f06c);
                })
                .file(),
        },
        Example {
            rule: "KMS-CLIENT-TIME",
            passes: base().file(),
            fails: base()
                .call(1, |call| {
                    let time = call.asked().client_time;
                    call.asked_mut().client_time = seconds(time, -5 * 3600);
                    call.refuse(0xc004_f06c);
                })
                .file(),
        },
        Example {
            rule: "KMS-NAME-TERMINATED",
            passes: base().file(),
            fails: asked(|body| body.machine_name = [b'x', 0].repeat(64).try_into().expect("it fits")),
        },
        Example {
            rule: "KMS-NAME-EMPTY",
            passes: base().file(),
            fails: asked(|body| body.machine_name[..2].fill(0)),
        },
        Example {
            rule: "KMS-NAME-TEXT",
            passes: base().file(),
            fails: asked(|body| body.machine_name[..2].copy_from_slice(&[0x00, 0xd8])),
        },
        Example {
            rule: "KMS-NAME-CHARACTERS",
            passes: base().file(),
            fails: asked(|body| body.machine_name[..2].copy_from_slice(b"*\0")),
        },
    ]
}

/// A request that a host cannot read, and refuses.
fn refused(base: Conversation, spoil: impl FnOnce(&mut Call)) -> Vec<u8> {
    base.spoiled(1, |call| {
        spoil(call);
        call.refuse(INVALID_DATA);
    })
    .file()
}

/// A body with something else in it, which the host does not mind.
fn asked(change: impl FnOnce(&mut RequestBody)) -> Vec<u8> {
    Conversation::base().call(1, |call| change(call.asked_mut())).file()
}

fn id(text: &str) -> Guid {
    Guid::parse(text).expect("a GUID")
}

/// The envelope of an encrypted request.
fn envelope(call: &mut Call) -> &mut EncryptedRequest {
    match &mut call.request {
        RequestMessage::Encrypted(request) => request,
        _ => panic!("the request is of version 5 or 6"),
    }
}
