//! Examples of the rules in src/conformance/rules/mak_ids.rs.

use crate::Example;
use crate::files::{Post, replaced, text};

/// The installation ID and the confirmation ID of the base, and their like of other kinds.
const IID: &str = "330512311875727788090139496334835149954645445802270599047875924";
const CID: &str = "429292031401597794898455690612212251894655189294";
const IID_50: &str = "07084698460619935411090086204544471312129510984212";
const IID_54: &str = "070846984606199354110900862045444713121295109842549701";
const CID_42: &str = "154814744406423500209405874111676042686055";

pub(crate) fn examples() -> Vec<Example> {
    let base = Post::confirmation;
    let iid = |iid: &str| base().both(IID, iid).file();
    let cid = |cid: &str| base().answer(CID, cid).file();
    let pair = |rule, fails| Example { rule, passes: base().file(), fails };
    vec![
        pair("MAK-IID-CHARACTERS", iid(&IID.replacen('3', "x", 1))),
        pair("MAK-IID-LENGTH", iid(&IID[..62])),
        pair("MAK-IID-CHECK-DIGITS", iid(&IID.replacen("330512", "340512", 1))),
        pair("MAK-IID-BARE", iid(&IID.replacen("3305123", "3305123-", 1))),
        pair("MAK-IID-ZERO", iid(&"0".repeat(63))),
        pair("MAK-IID-ERA", iid(IID_50)),
        Example {
            rule: "MAK-IID-REPEATED",
            passes: Post::two().file(),
            fails: Post::two().both(IID_54, IID).file(),
        },
        pair("MAK-CID-CHARACTERS", cid(&CID.replacen('4', "x", 1))),
        pair("MAK-CID-LENGTH", cid(&CID[..47])),
        pair("MAK-CID-CHECK-DIGITS", cid(&CID.replacen("4292", "4392", 1))),
        pair("MAK-CID-BARE", cid(&CID.replacen("429292", "429292 ", 1))),
        pair("MAK-CID-ZERO", cid(&"0".repeat(48))),
        pair("MAK-CID-ERA", cid(CID_42)),
        vamt("VAMT-IID-CHECK-DIGITS", "989214<", "989219<"),
        vamt("VAMT-CID-CHECK-DIGITS", ">429292", ">429392"),
        vamt("VAMT-CID-IID", &format!("<InstallationId>{IID}</InstallationId>"), ""),
        vamt("VAMT-CID-ERA", CID, CID_42),
        vamt("VAMT-COMPUTER-NAME", "<Name>CLIENT-1.example</Name>", "<Name/>"),
    ]
}

/// A VAMT file with something replaced. The recorded one has a wrong digit.
fn vamt(rule: &'static str, from: &str, to: &str) -> Example {
    let base = replaced(&text("mak/mak_vamt.cilx"), "989219<", "989214<");
    Example { rule, fails: replaced(&base, from, to).into_bytes(), passes: base.into_bytes() }
}
