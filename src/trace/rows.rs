//! Rows by key, no more than a bound: the same ones, whoever counted what.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::capture::Endpoint;

/// What a row is about. The hash decides which rows are kept when there are too many, and has to be the same
/// everywhere and always.
pub(crate) trait Key: Clone + Ord {
    fn hash(&self, hasher: &mut Hasher);

    /// True for the few keys that always have a row of their own.
    fn is_special(&self) -> bool {
        false
    }
}

/// What is counted or kept in a row.
pub(crate) trait Sum: Default {
    /// Adds another one's.
    fn merge(&mut self, other: Self);
}

/// Rows by key, no more than a bound.
///
/// Beyond the bound, the keys with the least hashes are kept, and the rest is summed in one row. A key that belongs to
/// the least of all belongs to the least of any part: it is never given up, and its row misses nothing. So the rows, and
/// the sum of the rest, depend neither on the order of the exchanges nor on how they were shared out and joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rows<K, V> {
    most: usize,
    kept: BTreeMap<(u64, K), V>,
    rest: Option<Box<V>>,
}

impl<K: Key, V: Sum> Rows<K, V> {
    pub(crate) fn new(most: usize) -> Self {
        Self { most: most.max(1), kept: BTreeMap::new(), rest: None }
    }

    /// The key's row, or that of the rest.
    pub(crate) fn row(&mut self, key: K) -> &mut V {
        let place = (hash_of(&key), key);
        if self.kept.len() == self.most && !self.kept.contains_key(&place) {
            if self.kept.last_key_value().is_some_and(|(last, _)| *last < place) {
                return self.rest.get_or_insert_default();
            }
            self.give_up_last();
        }
        self.kept.entry(place).or_default()
    }

    pub(crate) fn merge(&mut self, other: Self) {
        for (place, row) in other.kept {
            self.kept.entry(place).or_default().merge(row);
        }
        if let Some(rest) = other.rest {
            self.rest.get_or_insert_default().merge(*rest);
        }
        while self.kept.len() > self.most {
            self.give_up_last();
        }
    }

    fn give_up_last(&mut self) {
        if let Some((_, row)) = self.kept.pop_last() {
            self.rest.get_or_insert_default().merge(row);
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }

    /// The rows that are kept, in an order of no meaning, which is always the same.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.kept.iter().map(|((_, key), row)| (key, row))
    }

    /// The sum of the keys that were not kept, and about how many they are: so many hashes below the greatest that is
    /// kept tell how many there are in all.
    pub(crate) fn rest(&self) -> Option<(&V, u64)> {
        let rest = self.rest.as_deref()?;
        let greatest = self.kept.last_key_value().map_or(0, |((hash, _), _)| *hash);
        let all = (u128::from(self.kept.len() as u64) << 64) / (u128::from(greatest) + 1);
        let about = u64::try_from(all).unwrap_or(u64::MAX).saturating_sub(self.kept.len() as u64);
        Some((rest, about.max(1)))
    }
}

/// The lower, the sooner it is kept.
pub(crate) fn hash_of(key: &impl Key) -> u64 {
    if key.is_special() {
        return 0;
    }
    let mut hasher = Hasher(0xcbf2_9ce4_8422_2325);
    key.hash(&mut hasher);
    hasher.finish()
}

impl Key for IpAddr {
    fn hash(&self, hasher: &mut Hasher) {
        match self {
            Self::V4(address) => hasher.write(&address.octets()),
            Self::V6(address) => hasher.write(&address.octets()),
        }
    }
}

impl Key for Endpoint {
    fn hash(&self, hasher: &mut Hasher) {
        self.address.hash(hasher);
        hasher.write(&self.port.to_be_bytes());
    }
}

/// FNV-1a, and its bits mixed once more, because its high ones depend too little on the last bytes.
pub(crate) struct Hasher(u64);

impl Hasher {
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        let mut bits = self.0;
        for factor in [0xff51_afd7_ed55_8ccd_u64, 0xc4ce_b9fe_1a85_ec53] {
            bits = (bits ^ bits >> 33).wrapping_mul(factor);
        }
        bits ^ bits >> 33
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Key for u32 {
        fn hash(&self, hasher: &mut Hasher) {
            hasher.write(&self.to_be_bytes());
        }
    }

    impl Sum for u64 {
        fn merge(&mut self, other: Self) {
            *self += other;
        }
    }

    fn of(keys: impl Iterator<Item = u32>, most: usize) -> Rows<u32, u64> {
        let mut rows = Rows::new(most);
        keys.for_each(|key| *rows.row(key) += 1);
        rows
    }

    #[test]
    fn rows_that_are_kept_miss_nothing_whatever_the_order() {
        let keys = || (0..3).flat_map(|_| 0..1000_u32);
        let forward = of(keys(), 10);
        let backward = of(keys().collect::<Vec<_>>().into_iter().rev(), 10);
        assert_eq!(forward, backward);
        assert_eq!(forward.len(), 10);
        assert!(forward.iter().all(|(_, count)| *count == 3));
        assert_eq!(*forward.rest().unwrap().0, 3000 - 30);
        let mut joined = of(keys().filter(|key| key % 2 == 0), 10);
        joined.merge(of(keys().filter(|key| key % 2 == 1), 10));
        assert_eq!(joined, forward);
    }

    #[test]
    fn the_number_of_the_rest_is_told_about() {
        let (_, about) = of(0..100_000, 10_000).rest().map(|(count, about)| (*count, about)).unwrap();
        assert!((85_000..95_000).contains(&about), "{about}");
        assert_eq!(of(0..10, 10).rest(), None);
    }
}
