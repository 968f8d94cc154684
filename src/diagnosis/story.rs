use std::net::IpAddr;

use crate::capture::{Endpoint, Stamp};
use crate::discovery::{Cloud, Name};
use crate::trace::Notice;
use crate::wire::Guid;

use super::CauseKind;

/// What became of the activations in one input.
#[derive(Clone, Debug, Default)]
pub struct FileDiagnosis {
    /// The input's name, as the caller gave it.
    pub name: String,
    /// The first and the last time that was seen in it, in nanoseconds since 1970.
    pub span: Option<(i64, i64)>,
    /// One story a machine and product, in the order of their first packets.
    pub stories: Vec<Story>,
    /// What concerns the capture, or several machines in it.
    pub remarks: Vec<Finding>,
    /// What the capture cannot show, each in a sentence.
    pub unseen: Vec<String>,
    /// Calls of machines beyond the bound, which have no story: how many ended how.
    pub left_out: Vec<(String, u64)>,
    /// What could not be read, the first of them.
    pub notices: Vec<Notice>,
    /// Complaints beyond those.
    pub notices_left_out: u64,
    /// Packets of it.
    pub packets: u64,
    /// Events of it, where it is a log.
    pub events: u64,
    /// True where it could not be read to its end.
    pub has_failed: bool,
}

/// How one machine asked for the activation of one product, and what came of it.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// Its number in its input, from 1.
    pub number: usize,
    /// By what it was to be activated.
    pub method: Method,
    /// The machine.
    pub machine: Machine,
    /// The product.
    pub product: Product,
    /// How the machine came to whom it asked, in order.
    pub found: Vec<Route>,
    /// Whom it asked, in order.
    pub hosts: Vec<Host>,
    /// How it ended.
    pub status: Status,
    /// That, in one sentence.
    pub verdict: String,
    /// Why, the most decisive first; none where it was activated at last.
    pub causes: Vec<Finding>,
    /// What is worth knowing beside that: what went wrong on the way, and what may go wrong next.
    pub remarks: Vec<Finding>,
    /// What the capture cannot show of it, each in a sentence.
    pub unseen: Vec<String>,
    /// How often it asked.
    pub attempts: u64,
    /// The first and the last packet.
    pub span: Option<(Stamp, Stamp)>,
    /// Nanoseconds that the host took for the answer that decides.
    pub service_time: Option<i64>,
    /// What happened, in order; of many steps the first and the last.
    pub steps: Vec<Step>,
    /// Steps between those that are not kept.
    pub steps_left_out: u64,
    /// The client's time in its requests, to the minute, in nanoseconds since 1970: those of the first and the last ones.
    pub client_minutes: Vec<i64>,
    /// The machine's own events that belong to it.
    pub events: Vec<EventNote>,
}

/// An event of Windows that belongs to a story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventNote {
    /// Its id: 12288, 12289...
    pub id: u32,
    /// When it was written, in nanoseconds since 1970, where that can be told.
    pub time: Option<i64>,
    /// Where it stands: the file, and the record or line.
    pub place: String,
    /// The HRESULT that it tells.
    pub hresult: Option<u32>,
    /// What it says, in a sentence.
    pub text: String,
}

/// By what a machine is activated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// A key management service.
    Kms,
    /// A multiple activation key, with the services of Microsoft.
    Mak,
    /// The virtualization host.
    Avma,
    /// Active Directory.
    Directory,
    /// Nothing was seen that would tell.
    #[default]
    Unknown,
}

/// A machine that wants to be activated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// CMID.
    pub cmid: Option<Guid>,
    /// The name that it gave itself.
    pub name: Option<String>,
    /// Its addresses, the first ones.
    pub addresses: Vec<IpAddr>,
    /// What else names it: an extended product id, a guest's interface, an entry of a HAR.
    pub other: Option<String>,
    /// True where it said that it is a virtual machine.
    pub is_vm: Option<bool>,
}

/// What is to be activated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Product {
    /// Its name, or the best that is known of it; none where it was not told.
    pub name: Option<String>,
    /// The application: Windows, or an Office.
    pub application: Option<&'static str>,
    /// ActID.
    pub act_id: Option<Guid>,
    /// KMSID.
    pub kms_id: Option<Guid>,
}

/// How a machine came to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// By an SRV record: the service's name, and the host's.
    Service(Name, Name),
    /// By a name that DNS resolved, as where it is configured.
    Name(Name),
    /// By Active Directory, which was asked first; true where it was sealed.
    Directory(bool),
    /// By its address: the capture has lookups of the machine, and none that gives the address.
    Address,
    /// Nobody can say: the capture has no DNS of the machine.
    NotSeen,
}

/// Who was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Where it was, where it was reached over a network.
    pub endpoint: Option<Endpoint>,
    /// Its name, where the machine asked for one.
    pub name: Option<String>,
    /// The cloud whose host has that name.
    pub cloud: Option<Cloud>,
    /// The last extended product id that it gave.
    pub epid: Option<String>,
}

/// How a story ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Not activated.
    NotActivated,
    /// What the capture holds does not tell.
    #[default]
    Unknown,
    /// Activated.
    Activated,
    /// Activated before, and again.
    Renewed,
}

/// A cause, or something else that is worth knowing, with what shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What kind.
    pub kind: CauseKind,
    /// What it is here, in a sentence.
    pub text: String,
    /// What shows it.
    pub evidence: Vec<Evidence>,
    /// What to do about it.
    pub remedy: String,
}

/// The packets and fields that show something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The packets' numbers in the file.
    pub frames: Vec<u64>,
    /// The fields and their values.
    pub text: String,
}

/// Something that happened, as an arrow of a sequence chart and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What was spoken.
    pub kind: StepKind,
    /// The first packet.
    pub asked_at: Option<Stamp>,
    /// The packet that answered.
    pub answered_at: Option<Stamp>,
    /// Who was asked, as a name of a lane: `DNS 10.0.0.1`, `kms.corp.example:1688`.
    pub with: String,
    /// What was asked.
    pub asked: String,
    /// What was answered, or what came in place of an answer.
    pub answered: Option<String>,
    /// Whether that was good.
    pub tone: Tone,
}

/// What is spoken in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StepKind {
    /// DNS.
    Dns,
    /// LDAP.
    Directory,
    /// A connection in which nothing was asked.
    Connection,
    /// A call of a KMS.
    Kms,
    /// HTTP with a service of MAK.
    Mak,
    /// VMBus.
    Vmbus,
}

/// Whether something went well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tone {
    /// It did.
    Good,
    /// It did not.
    Bad,
    /// Neither, or nobody can say.
    Neutral,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Kms, Self::Mak, Self::Avma, Self::Directory, Self::Unknown];

    /// The name in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kms => "kms",
            Self::Mak => "mak",
            Self::Avma => "avma",
            Self::Directory => "directory",
            Self::Unknown => "unknown",
        }
    }
}

impl Status {
    /// All of them, the worst first.
    pub const ALL: [Self; 4] = [Self::NotActivated, Self::Unknown, Self::Activated, Self::Renewed];

    /// The name in lower case with hyphens.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotActivated => "not-activated",
            Self::Unknown => "unknown",
            Self::Activated => "activated",
            Self::Renewed => "renewed",
        }
    }

    /// True where the machine is activated.
    #[must_use]
    pub fn is_good(self) -> bool {
        matches!(self, Self::Activated | Self::Renewed)
    }
}

impl StepKind {
    /// The name in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Directory => "directory",
            Self::Connection => "connection",
            Self::Kms => "kms",
            Self::Mak => "mak",
            Self::Vmbus => "vmbus",
        }
    }
}

impl Tone {
    /// The name in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Neutral => "neutral",
        }
    }
}

impl Machine {
    /// The best name that there is: `client01 (10.0.0.5)`, `10.0.0.5`, the CMID.
    #[must_use]
    pub fn label(&self) -> String {
        let address = self.addresses.first().map(ToString::to_string);
        let own = self.name.clone().or_else(|| self.other.clone());
        match (own, address) {
            (Some(name), Some(address)) => format!("{name} ({address})"),
            (Some(name), None) => name,
            (None, Some(address)) => address,
            (None, None) => self.cmid.map_or_else(|| "a machine".to_owned(), |cmid| cmid.to_string()),
        }
    }
}

impl Product {
    /// Its name, or that none was told.
    #[must_use]
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or("product not known")
    }
}

impl Host {
    /// `kms.corp.example (10.0.0.9:1688)`, or one of them.
    #[must_use]
    pub fn label(&self) -> String {
        match (&self.name, self.endpoint) {
            (Some(name), Some(endpoint)) => format!("{name} ({endpoint})"),
            (Some(name), None) => name.clone(),
            (None, Some(endpoint)) => endpoint.to_string(),
            (None, None) => "the host".to_owned(),
        }
    }
}

impl Evidence {
    /// Of these packets; those without a number are left out.
    #[must_use]
    pub fn new(stamps: impl IntoIterator<Item = Stamp>, text: impl Into<String>) -> Self {
        let mut frames: Vec<u64> = stamps.into_iter().map(|stamp| stamp.frame).collect();
        frames.sort_unstable();
        frames.dedup();
        Self { frames, text: text.into() }
    }

    /// `frames 3, 5: text`, or the text alone.
    #[must_use]
    pub fn label(&self) -> String {
        let frames = |frames: &[u64]| frames.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match &self.frames[..] {
            [] => self.text.clone(),
            [frame] => format!("frame {frame}: {}", self.text),
            several => format!("frames {}: {}", frames(several), self.text),
        }
    }
}

impl Finding {
    /// One with the remedy of its kind.
    pub(super) fn new(kind: CauseKind, text: impl Into<String>, evidence: Vec<Evidence>) -> Self {
        Self { kind, text: text.into(), evidence, remedy: kind.remedy().to_owned() }
    }

    /// The same with a remedy of its own.
    pub(super) fn with_remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: remedy.into(), ..self }
    }

    /// The title of Microsoft's article about it.
    #[must_use]
    pub fn article(&self) -> Option<&'static str> {
        self.kind.article()
    }
}

impl Route {
    /// How it is said in half a sentence.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Self::Service(service, host) => format!("DNS: SRV {service} gave {host}"),
            Self::Name(name) => format!("by the name {name} (no SRV record led to it: it is configured)"),
            Self::Directory(true) => "Active Directory first (sealed)".to_owned(),
            Self::Directory(false) => "Active Directory first".to_owned(),
            Self::Address => "by its address (DNS was asked, and did not give it)".to_owned(),
            Self::NotSeen => "not seen (no DNS of this machine in this capture)".to_owned(),
        }
    }

    /// The name in lower case with hyphens.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Service(..) => "dns-srv",
            Self::Name(_) => "fixed-name",
            Self::Directory(_) => "directory",
            Self::Address => "fixed-address",
            Self::NotSeen => "not-seen",
        }
    }
}
