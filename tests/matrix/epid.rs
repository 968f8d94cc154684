//! Examples of the rules in src/conformance/rules/epid.rs.

use crate::Example;
use crate::conversation::Conversation;

pub(crate) fn examples() -> Vec<Example> {
    vec![
        Example { rule: "EPID-GRAMMAR", passes: Conversation::base().file(), fails: edited("-7169-", "--") },
        Example { rule: "EPID-WIDTHS", passes: Conversation::base().file(), fails: edited("00206", "206") },
        Example {
            rule: "EPID-LCID-PADDED",
            passes: Conversation::base().file(),
            fails: edited("-7169-", "-07169-"),
        },
        Example {
            rule: "EPID-BUILD-MINOR",
            passes: Conversation::base().file(),
            fails: edited(".0000", ".0001"),
        },
        Example { rule: "EPID-CHANNEL", passes: Conversation::base().file(), fails: edited("-03-", "-02-") },
        Example {
            rule: "EPID-PLATFORM",
            passes: Conversation::base().file(),
            fails: edited("03612", "06401"),
        },
        Example {
            rule: "EPID-BUILD-KNOWN",
            passes: Conversation::base().file(),
            fails: edited("14393", "14394"),
        },
        Example {
            rule: "EPID-LCID-KNOWN",
            passes: Conversation::base().file(),
            fails: edited("7169", "9999"),
        },
        Example {
            rule: "EPID-GROUP-KNOWN",
            passes: Conversation::base().file(),
            fails: edited("00206", "00207"),
        },
        Example {
            rule: "EPID-KEY-BLOCK",
            passes: Conversation::base().file(),
            fails: edited("564-865711", "471-111111"),
        },
        Example {
            rule: "EPID-PRODUCT",
            passes: Conversation::base().file(),
            fails: edited("564-865711", "666-000001"),
        },
        Example {
            rule: "EPID-DAY",
            passes: Conversation::base().file(),
            fails: edited("1092021", "0002021"),
        },
        Example {
            rule: "EPID-YEAR",
            passes: Conversation::base().file(),
            fails: edited("1092021", "1091999"),
        },
        Example {
            rule: "EPID-FUTURE",
            passes: Conversation::base().file(),
            fails: edited("1092021", "1092027"),
        },
        Example {
            rule: "EPID-BUILD-DATE",
            passes: Conversation::base().file(),
            fails: edited("1092021", "1092015"),
        },
    ]
}

/// All answers with a part of the ePID replaced: that of a host stays the same.
fn edited(from: &str, to: &str) -> Vec<u8> {
    Conversation::base().calls(|call| call.edit_epid(from, to)).file()
}
