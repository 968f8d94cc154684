//! Examples of the rules in src/conformance/rules/kms_response.rs.

use smallvec::SmallVec;
use volact::kms::{ResponseMessage, Version};
use volact::wire::Guid;

use crate::Example;
use crate::bodies::INVALID_DATA;
use crate::conversation::Conversation;

pub(crate) fn examples() -> Vec<Example> {
    let base = Conversation::base;
    let refused = || base().call(2, |call| call.refuse(0xc004_d104));
    vec![
        Example {
            rule: "KMS-RESPONSE-READABLE",
            passes: base().file(),
            fails: base()
                .spoiled(1, |call| {
                    let bytes = call.response.as_ref().map(ResponseMessage::encode).unwrap_or_default();
                    call.response = Some(ResponseMessage::decode(&bytes[..100]));
                })
                .file(),
        },
        Example {
            rule: "KMS-RESPONSE-VERSION",
            passes: base().file(),
            fails: base().call(1, |call| call.answer_mut().version = Version::V5).file(),
        },
        Example {
            rule: "KMS-RESPONSE-VERSION-ENVELOPE",
            passes: base().file(),
            fails: base().call(1, |call| call.encrypted().version = Version(0x0006_0001)).file(),
        },
        Example {
            rule: "KMS-CMID-ECHO",
            passes: base().file(),
            fails: base().call(1, |call| call.answer_mut().cmid = Guid::NIL).file(),
        },
        Example {
            rule: "KMS-CLIENT-TIME-ECHO",
            passes: base().file(),
            fails: base().call(1, |call| call.answer_mut().client_time.0 += 1).file(),
        },
        Example { rule: "KMS-PID-SIZE", passes: base().file(), fails: everywhere(|epid| epid.push(0)) },
        Example {
            rule: "KMS-PID-NUL",
            passes: base().file(),
            fails: everywhere(|epid| epid.truncate(epid.len() - 2)),
        },
        Example {
            rule: "KMS-PID-ONE-NUL",
            passes: base().file(),
            fails: everywhere(|epid| epid.extend([0, 0])),
        },
        Example {
            rule: "KMS-RESPONSE-LENGTH",
            passes: base().file(),
            fails: base().spoiled(1, |call| call.encrypted().excess.push(0)).file(),
        },
        Example {
            rule: "KMS-HRESULT-FAILURE",
            passes: refused().file(),
            fails: base().call(1, |call| call.refuse(1)).file(),
        },
        Example {
            rule: "KMS-HRESULT-KNOWN",
            passes: refused().file(),
            fails: base().call(1, |call| call.refuse(0xc004_0fff)).file(),
        },
        Example {
            rule: "KMS-HRESULT-CLOCK",
            passes: base().file(),
            fails: base().call(1, |call| call.refuse(0xc004_f06c)).file(),
        },
        Example {
            rule: "KMS-HRESULT-MALFORMED",
            passes: base().file(),
            fails: base().call(1, |call| call.refuse(INVALID_DATA)).file(),
        },
    ]
}

/// All answers with another ePID: that of a host stays the same.
fn everywhere(change: impl Fn(&mut SmallVec<[u8; 128]>)) -> Vec<u8> {
    Conversation::base().calls(|call| change(&mut call.answer_mut().epid)).file()
}
