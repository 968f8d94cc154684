use std::fmt;
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroUsize;

use lru::LruCache;

use super::lookups::Peer;
use super::{Lookup, Name, RecordData, is_of_interest, kms_service_domain};

/// What clients were told: which name has which address, and which service has which host and port.
///
/// Holds the last [`Self::MAX_ADDRESSES`] addresses and as many hosts, each with the last few names and services.
pub struct Resolver<H, S> {
    addresses: LruCache<(H, IpAddr), Vec<Named<S>>>,
    services: LruCache<(H, Name), Vec<Via<S>>>,
}

/// How a client came to know an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<S> {
    /// The name that it asked for.
    pub name: Name,
    /// Stamp of the answer with the address.
    pub stamp: S,
    /// Its time.
    pub time: Option<i64>,
    /// The service whose host has that name, and whose port is the one that was connected to.
    pub via: Option<Via<S>>,
}

/// An SRV record that a client was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via<S> {
    /// The service's name: `_vlmcs._tcp.corp.example`.
    pub service: Name,
    /// Priority.
    pub priority: u16,
    /// Weight.
    pub weight: u16,
    /// Port.
    pub port: u16,
    /// Stamp of the answer with it.
    pub stamp: S,
    /// Its time.
    pub time: Option<i64>,
}

/// A name that has an address.
#[derive(Clone, Debug)]
struct Named<S> {
    name: Name,
    stamp: S,
    time: Option<i64>,
}

impl<H: Copy + Eq + Hash, S: Copy> Default for Resolver<H, S> {
    fn default() -> Self {
        Self { addresses: LruCache::new(MAX_ADDRESSES), services: LruCache::new(MAX_ADDRESSES) }
    }
}

impl<H, S> fmt::Debug for Resolver<H, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

impl<H: Copy + Ord + Hash, S: Copy + PartialEq> Resolver<H, S> {
    /// Addresses, and hosts of services, that are remembered over all clients.
    pub const MAX_ADDRESSES: usize = MAX_ADDRESSES.get();

    /// The most names of an address, and services of a host, that are remembered.
    pub const MAX_NAMES: usize = MAX_NAMES;

    /// Remembers what a lookup's answer tells its client.
    pub fn note<E: Peer<Host = H>>(&mut self, lookup: &Lookup<E, S>) {
        let Some(answer) = &lookup.answer else { return };
        let (client, stamp, time) = (lookup.client.host(), answer.stamp, answer.time);
        let aliases = lookup.aliases();
        for (_, record) in answer.message.records() {
            if let &RecordData::Srv { priority, weight, port, ref target } = &record.data {
                let via = Via { service: record.name.clone(), priority, weight, port, stamp, time };
                let known = self.services.get_or_insert_mut((client, target.clone()), Vec::new);
                remember(known, via, |old, new| old.service == new.service && old.port == new.port);
            } else if let Some(address) = record.data.address() {
                // What an alias leads to, the client knows by the alias.
                let name = match aliases.first() {
                    Some(&asked) if aliases.contains(&&record.name) => asked,
                    _ => &record.name,
                };
                let named = Named { name: name.clone(), stamp, time };
                let known = self.addresses.get_or_insert_mut((client, address), Vec::new);
                remember(known, named, |old, new| old.name == new.name);
            }
        }
    }

    /// How a client came to know an address that it connects to: by the last name that it was told for it. Of several names
    /// in one answer, the one counts that is a host of a service on this port.
    #[must_use]
    pub fn found(&self, client: H, address: IpAddr, port: u16) -> Option<Found<S>> {
        let names = self.addresses.peek(&(client, address))?;
        let last = names.first()?;
        let via = |named: &Named<S>| {
            let services = self.services.peek(&(client, named.name.clone()))?;
            services.iter().find(|via| via.port == port).cloned()
        };
        let of_last = names.iter().take_while(|named| named.stamp == last.stamp);
        let (Named { name, stamp, time }, via) =
            of_last.map(|named| (named, via(named))).find(|(_, via)| via.is_some()).unwrap_or((last, None));
        Some(Found { name: name.clone(), stamp: *stamp, time: *time, via })
    }

    /// True for names that a client asks for in order to activate: those of [`is_of_interest`], and the KMS hosts that
    /// it was given for `_vlmcs._tcp`.
    #[must_use]
    pub fn is_of_interest(&self, client: H, name: &Name) -> bool {
        is_of_interest(name)
            || self
                .services
                .peek(&(client, name.clone()))
                .is_some_and(|services| services.iter().any(|via| kms_service_domain(&via.service).is_some()))
    }
}

impl<S> Via<S> {
    /// The domain whose KMS host it is; none of another service.
    #[must_use]
    pub fn kms_domain(&self) -> Option<Name> {
        kms_service_domain(&self.service)
    }
}

/// Puts an item in front of the others, and takes away the older one that it replaces.
fn remember<T>(known: &mut Vec<T>, item: T, is_same: impl Fn(&T, &T) -> bool) {
    known.retain(|old| !is_same(old, &item));
    known.insert(0, item);
    known.truncate(MAX_NAMES);
}

const MAX_ADDRESSES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4095);
const MAX_NAMES: usize = 8;
