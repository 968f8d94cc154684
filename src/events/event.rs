use crate::wire::Guid;

use super::{EventTime, Place};

/// An event of activation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Where it is in its file.
    pub place: Place,
    /// The provider, as the file names it; `None` where a table has no such column.
    pub provider: Option<String>,
    /// The event's id.
    pub id: u32,
    /// The machine that wrote it, where the form tells it.
    pub computer: Option<String>,
    /// When it was written; `None` where the form does not tell it, or in a way that can be read as two dates.
    pub time: Option<EventTime>,
    /// What it says.
    pub kind: EventKind,
}

/// What an event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// 12288: a client has sent a request.
    Requested(Requested),
    /// 12289: a client has processed an answer.
    Processed(Processed),
    /// 12290: a host has answered a request.
    HostAnswered(HostAnswered),
    /// 12293: a host could not publish itself in DNS.
    PublishFailed(PublishFailed),
    /// 12294: a host has published itself in DNS.
    Published(Published),
    /// 12308: a client was activated by the directory.
    DirectoryActivated(DirectoryActivated),
    /// 12309 and 12310: a guest and AVMA.
    Avma(Avma),
}

/// Event 12288: ten values, separated by `", "`.
///
/// `0xC004F06C, 0x00000000, kms.example:1688, 36f27b39-2fd5-440b-be67-a09996d27a38, 2010/09/29 17:52, 0, 2, 41760,
/// 68531fb9-5511-4989-97be-d11a0f55633f, 5`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requested {
    /// What became of sending it.
    pub hresult: u32,
    /// Flags: see [`Processed::flags`].
    pub flags: u32,
    /// The host that was asked; empty where none was found.
    pub host: String,
    /// Its port, where the event has one.
    pub port: Option<u16>,
    /// The client machine id of the request.
    pub cmid: Guid,
    /// The minute of the client's time in the request: nanoseconds since 1970-01-01T00:00:00Z. It is in UTC.
    pub client_time: i64,
    /// 1 on a virtual machine.
    pub vm_info: u32,
    /// The license status in the request.
    pub license_status: u32,
    /// Minutes until the present status ends.
    pub minutes_to_expiration: u32,
    /// The activation id of the request: which product.
    pub act_id: Guid,
    /// How many clients the product's policy demands; `None` where it is left empty.
    pub n_policy: Option<u32>,
}

/// Event 12289: eight values, separated by `", "`.
///
/// `0x00000000, 0x00000000, 1, 0, 10, 120, 10080, 2012/12/04 07:06`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Processed {
    /// What the answer said, or what is wrong with it.
    pub hresult: u32,
    /// Flags: 8 another machine, 0x01000000 no registration of the binding server, 0x02000000 its data are invalid,
    /// 0x04000000 the count is too low, 0x08000000 no Windows SLP.
    pub flags: u32,
    /// 1 where the machine is activated now.
    pub bound: u32,
    /// A value without a use.
    pub unused: u32,
    /// How many clients the host has counted.
    pub count: u32,
    /// Minutes until the next attempt of a machine that is not activated.
    pub activation_interval: u32,
    /// Minutes until a renewal.
    pub renewal_interval: u32,
    /// The minute of the client's time that the answer repeats: nanoseconds since 1970-01-01T00:00:00Z. It is in UTC.
    pub client_time: i64,
}

/// Event 12290, which a host writes: nine values, separated by commas. In a log they are strings of their own behind
/// another one that is not known.
///
/// `0x0,5,client01.example,36f27b39-2fd5-440b-be67-a09996d27a38,2010/9/29 17:52,0,2,41760,
/// 68531fb9-5511-4989-97be-d11a0f55633f`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAnswered {
    /// What was answered.
    pub hresult: u32,
    /// How many clients the product's policy demands.
    pub n_policy: u32,
    /// The client's name, as it says itself.
    pub client: String,
    /// The client machine id of the request.
    pub cmid: Guid,
    /// The minute of the client's time in the request: nanoseconds since 1970-01-01T00:00:00Z. It is in UTC.
    pub client_time: i64,
    /// 1 on a virtual machine.
    pub vm_info: u32,
    /// The license status in the request.
    pub license_status: u32,
    /// Minutes until the present status ends.
    pub minutes_to_expiration: u32,
    /// The activation id of the request: which product.
    pub act_id: Guid,
}

/// Event 12293.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishFailed {
    /// Why.
    pub hresult: u32,
    /// The DNS domain, where the event names it.
    pub domain: Option<String>,
}

/// Event 12294.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The DNS domain, where the event names it.
    pub domain: Option<String>,
}

/// Event 12308.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryActivated {
    /// The activation id: which product.
    pub sku: Guid,
    /// The activation object's name, where it can be told from the prose around it.
    pub object_name: Option<String>,
    /// The activation object's distinguished name.
    pub object_dn: Option<String>,
}

/// Events 12309 and 12310. What their values are is not public: they are kept as they stand there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Avma {
    /// The first value with the shape of an HRESULT.
    pub hresult: Option<u32>,
    /// The values, or the message where there are none of their own.
    pub values: Vec<String>,
}

impl Event {
    /// The client machine id, where the event has it.
    #[must_use]
    pub fn cmid(&self) -> Option<Guid> {
        match &self.kind {
            EventKind::Requested(event) => Some(event.cmid),
            EventKind::HostAnswered(event) => Some(event.cmid),
            _ => None,
        }
    }

    /// The minute of the client's time, in UTC, where the event has it: nanoseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn client_time(&self) -> Option<i64> {
        match &self.kind {
            EventKind::Requested(event) => Some(event.client_time),
            EventKind::Processed(event) => Some(event.client_time),
            EventKind::HostAnswered(event) => Some(event.client_time),
            _ => None,
        }
    }

    /// The activation id, where the event has it.
    #[must_use]
    pub fn act_id(&self) -> Option<Guid> {
        match &self.kind {
            EventKind::Requested(event) => Some(event.act_id),
            EventKind::HostAnswered(event) => Some(event.act_id),
            EventKind::DirectoryActivated(event) => Some(event.sku),
            _ => None,
        }
    }
}
