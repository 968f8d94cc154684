/// What became of one verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// It holds.
    Pass,
    /// It does not hold.
    Fail,
    /// It needs the request, which is not there (or could not be opened).
    NoRequest,
    /// There is nothing to verify: the version, or the message, has no such thing.
    NotApplicable,
}

impl Check {
    pub(crate) fn of(holds: bool) -> Self {
        if holds { Self::Pass } else { Self::Fail }
    }
}
