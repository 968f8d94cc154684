//! Examples of the rules in src/conformance/rules/kms_crypto.rs.

use volact::kms::{RequestMessage, ResponseMessage};

use crate::Example;
use crate::bodies::{SERVER_2008_R2, SERVER_2012};
use crate::conversation::Conversation;

pub(crate) fn examples() -> Vec<Example> {
    let base = Conversation::base;
    let v4 = || Conversation::of_edition(SERVER_2008_R2);
    let v5 = || Conversation::of_edition(SERVER_2012);
    vec![
        Example {
            rule: "KMS-RESPONSE-MAC",
            passes: v4().file(),
            fails: v4()
                .spoiled(1, |call| {
                    let Some(ResponseMessage::V4(response)) = &mut call.response else {
                        panic!("it is of version 4")
                    };
                    response.mac[0] ^= 1;
                })
                .file(),
        },
        Example {
            rule: "KMS-RESPONSE-PADDING",
            passes: base().file(),
            fails: base().spoiled(1, |call| call.encrypted().padding[0] ^= 1).file(),
        },
        Example {
            rule: "KMS-HASH",
            passes: base().file(),
            fails: base()
                .spoiled(1, |call| {
                    call.encrypted().hash[0] ^= 1;
                    call.sign();
                })
                .file(),
        },
        Example {
            rule: "KMS-SALT-EMPTY",
            passes: base().file(),
            fails: base().call(1, |call| call.salt = [0; 16]).file(),
        },
        Example {
            rule: "KMS-V5-IV",
            passes: v5().file(),
            fails: v5().spoiled(1, |call| call.encrypted().iv[0] ^= 1).file(),
        },
        Example {
            rule: "KMS-V6-IV",
            passes: base().file(),
            fails: base()
                .call(1, |call| {
                    let RequestMessage::Encrypted(request) = &call.request else {
                        panic!("it is of version 6")
                    };
                    let iv = request.iv;
                    call.encrypted().iv = iv;
                })
                .file(),
        },
        Example {
            rule: "KMS-XORED-IVS",
            passes: base().file(),
            fails: base()
                .spoiled(1, |call| {
                    call.trailer().xored_ivs[0] ^= 1;
                    call.sign();
                })
                .file(),
        },
        Example {
            rule: "KMS-HMAC",
            passes: base().file(),
            fails: base().spoiled(1, |call| call.trailer().hmac[0] ^= 1).file(),
        },
        Example {
            rule: "KMS-HMAC-SLOT",
            passes: base().file(),
            fails: base().spoiled(1, |call| call.sign_in_slot(1)).file(),
        },
    ]
}
