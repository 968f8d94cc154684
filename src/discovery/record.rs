use std::net::{Ipv4Addr, Ipv6Addr};

use domain::base::rdata::ParseRecordData;
use domain::base::{ParsedName, ParsedRecord};
use domain::rdata::{A, Aaaa, Cname, Ns, Ptr, Soa, Srv, Txt};

use crate::wire::Error;

use super::{Class, Name, RecordType, damage};

/// An entry of the question section (RFC 1035 4.1.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Question {
    /// QNAME.
    pub name: Name,
    /// QTYPE.
    pub rtype: RecordType,
    /// QCLASS, without its top bit.
    pub class: Class,
    /// QCLASS's top bit: in multicast DNS, the answer may come by unicast (RFC 6762 5.4).
    pub unicast_response: bool,
}

/// A resource record (RFC 1035 4.1.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// NAME.
    pub name: Name,
    /// TYPE.
    pub rtype: RecordType,
    /// CLASS, without its top bit. Of an OPT record that is not the message's own, the payload size.
    pub class: Class,
    /// CLASS's top bit: in multicast DNS, older records of this name and type are void (RFC 6762 10.2).
    pub cache_flush: bool,
    /// TTL, in seconds.
    pub ttl: u32,
    /// RDATA.
    pub data: RecordData,
    /// Why the data is not what its type says, counted from the message's start.
    pub error: Option<Error>,
}

/// A record's data, by its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordData {
    /// SRV (RFC 2782). The target may be compressed, against the RFC: there are servers that do it.
    Srv {
        /// Priority: the lowest one is to be tried first.
        priority: u16,
        /// Weight among those of the same priority.
        weight: u16,
        /// Port.
        port: u16,
        /// Target: the host. The root says that there is no such service.
        target: Name,
    },
    /// A.
    A(Ipv4Addr),
    /// AAAA (RFC 3596).
    Aaaa(Ipv6Addr),
    /// CNAME.
    Cname(Name),
    /// PTR.
    Ptr(Name),
    /// NS.
    Ns(Name),
    /// SOA.
    Soa {
        /// MNAME: the primary server, the one to send updates to.
        mname: Name,
        /// RNAME: the mailbox of who is responsible.
        rname: Name,
        /// SERIAL.
        serial: u32,
        /// REFRESH, in seconds.
        refresh: u32,
        /// RETRY, in seconds.
        retry: u32,
        /// EXPIRE, in seconds.
        expire: u32,
        /// MINIMUM: for how many seconds it may be kept that something does not exist (RFC 2308 section 4).
        minimum: u32,
    },
    /// TXT: its character strings.
    Txt(Vec<Vec<u8>>),
    /// Data of another type, of another class than the type is defined for, or that is not what the type says; the
    /// record's error tells the last one apart. Without any where an update deletes records (RFC 2136 2.5).
    Other(Vec<u8>),
}

impl Record {
    /// `data` is the record's RDATA, which begins `at` bytes into the message.
    pub(super) fn of(record: &ParsedRecord<'_, [u8]>, message: &[u8], at: usize) -> Self {
        let (class, cache_flush) = split_class(record.class().to_int());
        let rtype = RecordType(record.rtype().to_int());
        let end = at + usize::from(record.rdlen());
        let (data, error) = match Typed::of(record, class) {
            Typed::Data(data) => (Some(data), None),
            Typed::Raw => (None, None),
            Typed::Damaged => (None, Some(damage::rdata(&message[..end], at, rtype))),
        };
        Self {
            name: Name::of(&record.owner()),
            rtype,
            class,
            cache_flush,
            ttl: record.ttl().as_secs(),
            data: data.unwrap_or_else(|| RecordData::Other(message[at..end].to_vec())),
            error,
        }
    }
}

impl RecordData {
    /// The address of an A or AAAA record.
    #[must_use]
    pub fn address(&self) -> Option<std::net::IpAddr> {
        match *self {
            Self::A(address) => Some(address.into()),
            Self::Aaaa(address) => Some(address.into()),
            _ => None,
        }
    }
}

/// The class, and the bit that multicast DNS keeps in front of it.
pub(super) fn split_class(class: u16) -> (Class, bool) {
    (Class(class & 0x7fff), class & 0x8000 != 0)
}

/// What becomes of a record's data.
enum Typed {
    /// It is read by its type.
    Data(RecordData),
    /// It stays as it is: this type is not read, or not in this class.
    Raw,
    /// It is not what its type says.
    Damaged,
}

impl Typed {
    fn of(record: &ParsedRecord<'_, [u8]>, class: Class) -> Self {
        // An update names what it deletes by records without data (RFC 2136 2.4 and 2.5).
        if record.rdlen() == 0 && matches!(class, Class::ANY | Class::NONE) {
            return Self::Raw;
        }
        let is_internet = matches!(class, Class::IN | Class::NONE);
        match RecordType(record.rtype().to_int()) {
            RecordType::A if is_internet => Self::read(record, |data: A| RecordData::A(data.addr())),
            RecordType::AAAA if is_internet => Self::read(record, |data: Aaaa| RecordData::Aaaa(data.addr())),
            RecordType::SRV if is_internet => {
                Self::read(record, |data: Srv<ParsedName<&[u8]>>| RecordData::Srv {
                    priority: data.priority(),
                    weight: data.weight(),
                    port: data.port(),
                    target: Name::of(data.target()),
                })
            }
            RecordType::CNAME => {
                Self::read(record, |data: Cname<_>| RecordData::Cname(Name::of(data.cname())))
            }
            RecordType::NS => Self::read(record, |data: Ns<_>| RecordData::Ns(Name::of(data.nsdname()))),
            RecordType::PTR => Self::read(record, |data: Ptr<_>| RecordData::Ptr(Name::of(data.ptrdname()))),
            RecordType::SOA => Self::read(record, |data: Soa<ParsedName<&[u8]>>| RecordData::Soa {
                mname: Name::of(data.mname()),
                rname: Name::of(data.rname()),
                serial: data.serial().into_int(),
                refresh: data.refresh().as_secs(),
                retry: data.retry().as_secs(),
                expire: data.expire().as_secs(),
                minimum: data.minimum().as_secs(),
            }),
            RecordType::TXT => Self::read(record, |data: Txt<&[u8]>| {
                RecordData::Txt(data.iter().map(<[u8]>::to_vec).collect())
            }),
            _ => Self::Raw,
        }
    }

    fn read<'a, D: ParseRecordData<'a, [u8]>>(
        record: &ParsedRecord<'a, [u8]>,
        data: impl FnOnce(D) -> RecordData,
    ) -> Self {
        match record.to_record::<D>() {
            Ok(Some(record)) => Self::Data(data(record.into_data())),
            Ok(None) => Self::Raw,
            Err(_) => Self::Damaged,
        }
    }
}
