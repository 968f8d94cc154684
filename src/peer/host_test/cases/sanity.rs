use crate::peer::host_test::case::{Case, Group};

/// In front of all others.
pub(super) const FIRST: Group = Group {
    name: "sanity",
    title: "the host is there, and activates",
    cases: &[Case::must(
        "HOST-SANITY-FIRST",
        "ordinary activations, before all else",
        "VA2.0 pp. 29-31; version 6: no document; vlmcsd, py-kms and the vlmcsd crate agree",
        "A client binds as genuine ones do and asks for Windows 10 in version 6, on two connections.",
        "The host answers on both with an activation that proves itself.",
        // What a host does wrong everywhere shows here, also where it takes two connections to see it.
        |p| p.is_alive().and_then(|()| p.is_alive()),
    )],
};

/// Behind all others.
pub(super) const LAST: Group = Group {
    name: "sanity",
    title: "the host is still there, and activates",
    cases: &[Case::must(
        "HOST-SANITY-LAST",
        "an ordinary activation, after all else",
        "VA2.0 pp. 29-31; version 6: no document; vlmcsd, py-kms and the vlmcsd crate agree",
        "A client binds as genuine ones do and asks for Windows 10 in version 6, as in the first case.",
        "The host answers with an activation that proves itself, whatever it was sent before.",
        |p| p.is_alive(),
    )],
};
