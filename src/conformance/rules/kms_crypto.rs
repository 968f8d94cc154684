use super::super::connection::ExchangeScene;
use super::super::rule::{About, Family, Judgement, Level, Rule, Subject};
use crate::kms::rijndael::{BLOCK, Block, xor};
use crate::kms::{
    EncryptedRequest, EncryptedResponse, RequestMessage, ResponseChecks, ResponseMessage, mac as mac_of, salt,
};
use crate::wire::{Check, Hex};

/// KMS: cryptography of the answer.
pub(super) const FAMILY: Family =
    Family { name: "crypto", title: "KMS: cryptography of the answer", rules: RULES };

const VERIFIED: &str = "no document; vlmcsd, py-kms and the vlmcsd crate agree, and vlmcs verifies it";
const AGREED: &str = "no document; vlmcsd, py-kms and the vlmcsd crate agree";

const RULES: &[Rule] = &[
    Rule {
        id: "KMS-RESPONSE-MAC",
        title: "The MAC of a version 4 response is that of its body",
        level: Level::Must,
        authority: VERIFIED,
        looks_at: "The MAC behind a version 4 response's body.",
        holds: "It is the CBC-MAC of the body, padded by ISO/IEC 7816-4, under the key of version 4.",
        about: About::Server,
        tags: &["v4"],
        subject: Subject::Exchange(mac),
    },
    Rule {
        id: "KMS-RESPONSE-PADDING",
        title: "The padding of an encrypted response is PKCS#7",
        level: Level::Must,
        authority: VERIFIED,
        looks_at: "The bytes behind the plain text of a response (versions 5 and 6), where there are 1 to 16.",
        holds: "Each of them is their number.",
        about: About::Server,
        tags: &["v5", "v6"],
        subject: Subject::Exchange(padding),
    },
    Rule {
        id: "KMS-HASH",
        title: "The hash is that of the salt",
        level: Level::Must,
        authority: VERIFIED,
        looks_at: "Hash and XoredSalt of a response (versions 5 and 6).",
        holds: "Hash is the SHA-256 of the salt, which is XoredSalt without its mask: the request's IV, decrypted.",
        about: About::Server,
        tags: &["v5", "v6"],
        subject: Subject::Exchange(hash),
    },
    Rule {
        id: "KMS-SALT-EMPTY",
        title: "The salt is not empty",
        level: Level::May,
        authority: "good practice",
        looks_at: "The salt of a response (versions 5 and 6).",
        holds: "Not all of its bytes are the same.",
        about: About::Server,
        tags: &["v5", "v6", "freshness"],
        subject: Subject::Exchange(salt_empty),
    },
    Rule {
        id: "KMS-V5-IV",
        title: "The IV of a version 5 response is the request's",
        level: Level::Should,
        authority: AGREED,
        looks_at: "The IV of a version 5 response.",
        holds: "It is the request's.",
        about: About::Server,
        tags: &["v5"],
        subject: Subject::Exchange(iv_echo),
    },
    Rule {
        id: "KMS-V6-IV",
        title: "The IV of a version 6 response is not the request's",
        level: Level::Should,
        authority: "no document; vlmcsd, py-kms and the vlmcsd crate draw it at random, as genuine hosts are described",
        looks_at: "The IV of a version 6 response.",
        holds: "It is not the request's.",
        about: About::Server,
        tags: &["v6", "freshness"],
        subject: Subject::Exchange(iv_fresh),
    },
    Rule {
        id: "KMS-XORED-IVS",
        title: "The response knows the request's IV",
        level: Level::Must,
        authority: VERIFIED,
        looks_at: "XoredIVs of a version 6 response.",
        holds: "It is the request's IV, decrypted.",
        about: About::Server,
        tags: &["v6"],
        subject: Subject::Exchange(xored_ivs),
    },
    Rule {
        id: "KMS-HMAC",
        title: "The HMAC is that of the response",
        level: Level::Must,
        authority: VERIFIED,
        looks_at: "HMAC of a version 6 response.",
        holds: "It is that of the decrypted IV and the plain text in front of it, under the key of ClientTime's slot or one of its neighbours.",
        about: About::Server,
        tags: &["v6"],
        subject: Subject::Exchange(hmac),
    },
    Rule {
        id: "KMS-HMAC-SLOT",
        title: "The HMAC is made in ClientTime's own slot",
        level: Level::Should,
        authority: "no document; vlmcsd, py-kms and the vlmcsd crate agree; verifiers take the neighbouring slots as well",
        looks_at: "The slot by which HMAC of a version 6 response holds.",
        holds: "It is that of ClientTime.",
        about: About::Server,
        tags: &["v6"],
        subject: Subject::Exchange(hmac_slot),
    },
];

/// A verification of the response that was made.
fn check(scene: &ExchangeScene<'_>, of: fn(&ResponseChecks) -> Check) -> Option<bool> {
    scene.response()?;
    match of(scene.exchange.checks.as_ref()?) {
        Check::Pass => Some(true),
        Check::Fail => Some(false),
        _ => None,
    }
}

/// An encrypted response and its request.
fn encrypted<'a>(scene: &ExchangeScene<'a>) -> Option<(&'a EncryptedResponse, &'a EncryptedRequest)> {
    match (scene.answered()?, scene.asked()?) {
        (ResponseMessage::Encrypted(response), RequestMessage::Encrypted(request)) => {
            Some((response, request))
        }
        _ => None,
    }
}

fn mac(scene: &ExchangeScene<'_>) -> Judgement {
    let Some(holds) = check(scene, |checks| checks.mac) else { return Judgement::NotApplicable };
    let Some(ResponseMessage::V4(response)) = scene.answered() else { return Judgement::NotApplicable };
    let body = || response.body.encode();
    Judgement::at(holds, ("response", 44 + response.body.pid_size()), || {
        format!("the MAC is {}, that of the body {}", Hex(&response.mac), Hex(&mac_of::v4(&body())))
    })
}

fn padding(scene: &ExchangeScene<'_>) -> Judgement {
    let Some(ResponseMessage::Encrypted(response)) = scene.answered() else {
        return Judgement::NotApplicable;
    };
    let padding = &response.padding;
    if !(1..=BLOCK).contains(&padding.len()) {
        return Judgement::NotApplicable;
    }
    Judgement::of(padding.iter().all(|&byte| usize::from(byte) == padding.len()), || {
        format!("the padding is {}, not {1} times {1:02x}", Hex(padding), padding.len())
    })
}

fn hash(scene: &ExchangeScene<'_>) -> Judgement {
    let Some(holds) = check(scene, |checks| checks.hash) else { return Judgement::NotApplicable };
    let Some((response, request)) = encrypted(scene) else { return Judgement::NotApplicable };
    Judgement::of(holds, || {
        let expected = salt::hash(&salt_of(response, request));
        format!("Hash is {}, that of the salt {}", Hex(&response.hash), Hex(&expected))
    })
}

fn salt_of(response: &EncryptedResponse, request: &EncryptedRequest) -> Block {
    xor(&response.xored_salt, &request.decrypted_iv())
}

fn salt_empty(scene: &ExchangeScene<'_>) -> Judgement {
    let Some((response, request)) = encrypted(scene) else { return Judgement::NotApplicable };
    let salt = salt_of(response, request);
    Judgement::of(salt.iter().any(|byte| *byte != salt[0]), || format!("the salt is {}", Hex(&salt)))
}

fn iv_echo(scene: &ExchangeScene<'_>) -> Judgement {
    let Some((response, request)) = encrypted(scene).filter(|(response, _)| response.v6.is_none()) else {
        return Judgement::NotApplicable;
    };
    Judgement::at(response.iv == request.iv, ("response", 4), || {
        format!("the IV is {}, the request's {}", Hex(&response.iv), Hex(&request.iv))
    })
}

fn iv_fresh(scene: &ExchangeScene<'_>) -> Judgement {
    let Some((response, request)) = encrypted(scene).filter(|(response, _)| response.v6.is_some()) else {
        return Judgement::NotApplicable;
    };
    Judgement::at(response.iv != request.iv, ("response", 4), || {
        format!("the IV is the request's, {}", Hex(&request.iv))
    })
}

fn xored_ivs(scene: &ExchangeScene<'_>) -> Judgement {
    let Some(holds) = check(scene, |checks| checks.xored_ivs) else { return Judgement::NotApplicable };
    let Some((response, request)) = encrypted(scene) else { return Judgement::NotApplicable };
    Judgement::of(holds, || {
        let got = response.v6.map_or([0; BLOCK], |v6| v6.xored_ivs);
        format!("XoredIVs is {}, the request's IV decrypted {}", Hex(&got), Hex(&request.decrypted_iv()))
    })
}

fn hmac(scene: &ExchangeScene<'_>) -> Judgement {
    let Some(holds) = check(scene, |checks| checks.hmac) else { return Judgement::NotApplicable };
    let Some(ResponseMessage::Encrypted(response)) = scene.answered() else {
        return Judgement::NotApplicable;
    };
    Judgement::of(holds, || {
        let got = response.v6.map_or([0; BLOCK], |v6| v6.hmac);
        let keys = &mut crate::kms::hmac::Keys::default();
        let expected = keys.v6(response.body.client_time, 0, &response.hashed());
        format!("HMAC is {}, not {} nor that of a slot beside it", Hex(&got), Hex(&expected))
    })
}

fn hmac_slot(scene: &ExchangeScene<'_>) -> Judgement {
    let Some(slot) = scene.response().and(scene.exchange.checks).and_then(|checks| checks.hmac_slot) else {
        return Judgement::NotApplicable;
    };
    Judgement::of(slot == 0, || format!("HMAC is that of the slot {slot:+}, not that of ClientTime"))
}
