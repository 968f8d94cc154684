/// A planted defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// The host takes what it receives for a whole PDU, whatever frag_length says of it.
    FragLength,
    /// The host looks for a request's authentication trailer auth_length in front of the PDU's end, wherever that is.
    AuthLength,
    /// The host answers a request that comes before any bind, as if NDR32 had been agreed on.
    BeforeBind,
    /// An alter_context that proposes a context's id again, and is refused, empties the context and leaves its id.
    ContextReuse,
    /// The first fragment's alloc_hint is the size of the whole call's buffer.
    Fragments,
    /// NDR64's maximum count is checked as 32 bits and used as 64.
    Ndr64Count,
    /// requestSize is checked in the byte order of the PDU, and read again as little-endian.
    BigEndian,
    /// A version 4 request's MachineName is copied with a NUL behind it, to a place that is as long as the field.
    MachineName,
    /// A padding that is right in itself and shorter than four bytes, or none at all, leaves more than a body (v5, v6).
    Padding,
    /// The client counts by which of three slots an HMAC held, in a table for two (v6).
    HmacSlot,
    /// The client copies PIDSize bytes to a place for 128.
    Epid,
    /// A version 4 request of a machine in extended grace is noted with a share, divided by its N-Policy.
    Grace,
}

/// Any of the defects at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Defects(u16);

/// What is written of a defect where the effort to find it is told.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Its name.
    pub name: &'static str,
    /// Who has it: `host` or `client`.
    pub side: &'static str,
    /// 1: one field in plain sight, or under a cipher without a MAC. 2: several PDUs or fields have to fit. 3: behind a MAC
    /// or HMAC. 4: two things behind one.
    pub depth: u8,
    /// What has to hold, and what shows it.
    pub needs: &'static str,
}

impl Defect {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::FragLength,
        Self::AuthLength,
        Self::BeforeBind,
        Self::ContextReuse,
        Self::Fragments,
        Self::Ndr64Count,
        Self::BigEndian,
        Self::MachineName,
        Self::Padding,
        Self::HmacSlot,
        Self::Epid,
        Self::Grace,
    ];

    /// The defect of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|defect| defect.about().name == name)
    }

    /// What is written of it.
    pub fn about(self) -> About {
        let (name, side, depth, needs) = match self {
            Self::FragLength => {
                ("frag-length", "host", 1, "a PDU whose frag_length is more than what came: out of bounds")
            }
            Self::AuthLength => {
                ("auth-length", "host", 1, "a request whose auth_length is more than the PDU: out of bounds")
            }
            Self::BeforeBind => ("before-bind", "host", 1, "a request and no bind: it is answered"),
            Self::ContextReuse => (
                "context-reuse",
                "host",
                2,
                "a bind, an alter_context for the same id that is refused, a request there: nothing stands behind the id",
            ),
            Self::Fragments => (
                "fragments",
                "host",
                2,
                "a request in fragments that are more than the first one's alloc_hint: out of bounds",
            ),
            Self::Ndr64Count => {
                ("ndr64-count", "host", 1, "a maximum count with anything in its upper half: out of bounds")
            }
            Self::BigEndian => (
                "big-endian",
                "host",
                2,
                "a request with every integer in the other byte order: out of bounds",
            ),
            Self::MachineName => (
                "machine-name",
                "host",
                3,
                "behind the MAC of version 4, a MachineName of 64 units without a NUL: out of bounds",
            ),
            Self::Padding => (
                "padding",
                "host",
                1,
                "under the cipher of version 5 or 6, which no MAC protects, a last byte of 0 or 1: out of bounds",
            ),
            Self::HmacSlot => (
                "hmac-slot",
                "client",
                3,
                "a version 6 response whose HMAC holds by the slot behind the request's: out of bounds",
            ),
            Self::Epid => (
                "epid",
                "client",
                3,
                "behind MAC, Hash or HMAC, a PIDSize above 128 with the ePID to it: out of bounds",
            ),
            Self::Grace => (
                "grace",
                "host",
                4,
                "behind the MAC of version 4, LicenseStatus 6 and N-Policy 0: a division by zero",
            ),
        };
        About { name, side, depth, needs }
    }
}

impl Defects {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// Each of them.
    pub const ALL: Self = Self((1 << Defect::ALL.len()) - 1);

    /// This one alone.
    pub fn only(defect: Defect) -> Self {
        Self(1 << defect as u16)
    }

    /// Those of a name: a defect's, `none` or `all`.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "none" => Some(Self::NONE),
            "all" => Some(Self::ALL),
            _ => Defect::named(name).map(Self::only),
        }
    }

    /// These but for one.
    pub fn without(self, defect: Defect) -> Self {
        Self(self.0 & !Self::only(defect).0)
    }

    /// Whether this one is among them.
    pub fn have(self, defect: Defect) -> bool {
        self.0 & Self::only(defect).0 != 0
    }
}
