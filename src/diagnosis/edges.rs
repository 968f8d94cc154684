/// Where something stands among all others of its kind: packet, connection, offset.
pub(super) type Place = (u64, u64, u64);

/// The first and the last of many things, by their places; of those between, the number.
///
/// What is among the first or the last of all is among those of any part: what is kept depends neither on the order in
/// which things come nor on how they were shared out.
#[derive(Clone, Debug)]
pub(super) struct Edges<T, const FIRST: usize, const LAST: usize> {
    kept: Vec<(Place, T)>,
    count: u64,
}

impl<T, const FIRST: usize, const LAST: usize> Default for Edges<T, FIRST, LAST> {
    fn default() -> Self {
        Self { kept: Vec::new(), count: 0 }
    }
}

impl<T, const FIRST: usize, const LAST: usize> Edges<T, FIRST, LAST> {
    pub(super) fn put(&mut self, place: Place, item: T) {
        self.count += 1;
        self.insert(place, item);
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.count += other.count;
        other.kept.into_iter().for_each(|(place, item)| self.insert(place, item));
    }

    fn insert(&mut self, place: Place, item: T) {
        let at = self.kept.partition_point(|(other, _)| *other <= place);
        if self.kept.len() < FIRST + LAST {
            return self.kept.insert(at, (place, item));
        }
        // One of the middle goes: this one, or the one that it pushes there.
        if at == FIRST {
            return;
        }
        self.kept.insert(at, (place, item));
        self.kept.remove(FIRST);
    }

    /// Those that are kept, in order.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator {
        self.kept.iter().map(|(_, item)| item)
    }

    pub(super) fn first(&self) -> Option<&T> {
        self.kept.first().map(|(_, item)| item)
    }

    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// How many of them are not kept.
    pub(super) fn left_out(&self) -> u64 {
        self.count - self.kept.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept(edges: &Edges<u64, 2, 3>) -> Vec<u64> {
        edges.iter().copied().collect()
    }

    proptest! {
        #[test]
        fn the_first_and_the_last_are_kept_whatever_the_order_and_the_parts(
            order in Just((0..20_u64).collect::<Vec<_>>()).prop_shuffle(), cut in 0..20_usize, count in 0..20_usize,
        ) {
            let order = &order[..count];
            let mut parts: [Edges<u64, 2, 3>; 2] = Default::default();
            for (at, &number) in order.iter().enumerate() {
                parts[usize::from(at >= cut)].put((number, 0, 0), number);
            }
            let [mut one, other] = parts;
            one.merge(other);
            let mut sorted = order.to_vec();
            sorted.sort_unstable();
            let expected: Vec<u64> = match sorted.len() {
                0..=5 => sorted.clone(),
                all => sorted[..2].iter().chain(&sorted[all - 3..]).copied().collect(),
            };
            prop_assert_eq!(kept(&one), expected);
            prop_assert_eq!((one.count(), one.left_out()), (count as u64, count.saturating_sub(5) as u64));
        }
    }
}
