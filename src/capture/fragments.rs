use std::net::IpAddr;

use lru::LruCache;

/// Which datagram a fragment belongs to (RFC 791 3.2, RFC 8200 4.5).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct DatagramId {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) identification: u32,
    pub(super) protocol: u8,
}

/// Puts the fragments of IP datagrams together. Where two fragments overlap, the bytes that came first stay.
pub(super) struct Fragments {
    datagrams: LruCache<DatagramId, Datagram>,
    /// Datagrams given up before they were whole.
    pub(super) evicted: u64,
}

#[derive(Default)]
struct Datagram {
    payload: Vec<u8>,
    /// Ranges of the payload that are there: sorted, apart from each other.
    present: Vec<(usize, usize)>,
    length: Option<usize>,
}

/// Datagrams that are held while they are not whole, 64 KiB at most each.
const MAX_DATAGRAMS: usize = 256;
/// Ranges of one datagram; more is no use, and a datagram with more is given up.
const MAX_RANGES: usize = 1024;
const MAX_PAYLOAD: usize = 65_535;

impl Fragments {
    pub(super) fn new() -> Self {
        Self { datagrams: LruCache::unbounded(), evicted: 0 }
    }

    /// Datagrams that are not whole yet.
    pub(super) fn pending(&self) -> usize {
        self.datagrams.len()
    }

    /// Takes one fragment; the datagram's payload where this one made it whole.
    pub(super) fn push(
        &mut self,
        id: DatagramId,
        offset: usize,
        more: bool,
        bytes: &[u8],
    ) -> Option<Vec<u8>> {
        let end = offset + bytes.len();
        if end > MAX_PAYLOAD {
            self.evicted += 1;
            return None;
        }
        if !self.datagrams.contains(&id) && self.datagrams.len() == MAX_DATAGRAMS {
            self.datagrams.pop_lru();
            self.evicted += 1;
        }
        let datagram = self.datagrams.get_or_insert_mut(id, Datagram::default);
        datagram.insert(offset, bytes);
        if !more {
            datagram.length.get_or_insert(end);
        }
        if datagram.is_whole() {
            let mut datagram = self.datagrams.pop(&id)?;
            datagram.payload.truncate(datagram.length?);
            return Some(datagram.payload);
        }
        if datagram.present.len() > MAX_RANGES {
            self.datagrams.pop(&id);
            self.evicted += 1;
        }
        None
    }
}

impl Datagram {
    fn is_whole(&self) -> bool {
        matches!((self.length, self.present.first()), (Some(length), Some(&(0, end))) if end >= length)
    }

    fn insert(&mut self, start: usize, bytes: &[u8]) {
        let end = start + bytes.len();
        if self.payload.len() < end {
            self.payload.resize(end, 0);
        }
        let mut at = start;
        for &(from, to) in &self.present {
            if at >= end {
                break;
            }
            if from > at {
                let until = from.min(end);
                self.payload[at..until].copy_from_slice(&bytes[at - start..until - start]);
            }
            at = at.max(to);
        }
        if at < end {
            self.payload[at..end].copy_from_slice(&bytes[at - start..]);
        }
        self.present.push((start, end));
        self.present.sort_unstable();
        self.present.dedup_by(|next, kept| {
            let touches = next.0 <= kept.1;
            if touches {
                kept.1 = kept.1.max(next.1);
            }
            touches
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    fn id(identification: u32) -> DatagramId {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        DatagramId { source: address, destination: address, identification, protocol: 6 }
    }

    #[test]
    fn the_first_bytes_win_where_fragments_overlap() {
        let mut fragments = Fragments::new();
        assert_eq!(fragments.push(id(1), 8, true, b"bbbbbbbb"), None);
        assert_eq!(fragments.push(id(1), 4, true, b"xxxxXXXX"), None);
        assert_eq!(fragments.push(id(1), 16, false, b"cc"), None);
        assert_eq!(fragments.push(id(1), 0, true, b"aaaaYY"), Some(b"aaaaxxxxbbbbbbbbcc".to_vec()));
        assert_eq!(fragments.pending(), 0);
    }

    #[test]
    fn datagrams_that_never_complete_are_bounded_and_counted() {
        let mut fragments = Fragments::new();
        for identification in 0..1000 {
            fragments.push(id(identification), 8, true, b"abc");
        }
        assert_eq!((fragments.pending(), fragments.evicted), (256, 744));
    }

    proptest! {
        #[test]
        fn the_order_of_fragments_does_not_matter(
            payload in prop::collection::vec(any::<u8>(), 1..200),
            order in Just((0..25usize).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let mut fragments = Fragments::new();
            let pieces: Vec<&[u8]> = payload.chunks(8).collect();
            let mut whole = None;
            for i in order.into_iter().filter(|&i| i < pieces.len()) {
                whole = fragments.push(id(1), i * 8, i + 1 < pieces.len(), pieces[i]);
            }
            prop_assert_eq!(whole, Some(payload));
        }
    }
}
