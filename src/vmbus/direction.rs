/// Which way something goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the guest to the host.
    GuestToHost,
    /// From the host to the guest.
    HostToGuest,
}

impl Direction {
    /// Both, in their order.
    pub const BOTH: [Self; 2] = [Self::GuestToHost, Self::HostToGuest];

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::GuestToHost => Self::HostToGuest,
            Self::HostToGuest => Self::GuestToHost,
        }
    }

    /// `guest_to_host` or `host_to_guest`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GuestToHost => "guest_to_host",
            Self::HostToGuest => "host_to_guest",
        }
    }
}
