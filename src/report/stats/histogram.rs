/// Service times of a row: how many, the least, the greatest, and the percentiles within 1 %.
///
/// Values are counted in buckets, 64 to a power of two, so that the middle of a bucket is at most 1/128 of a value away
/// from it. Only buckets with something in them take memory, 8 bytes each. Everything is a sum, a least or a greatest,
/// so that the order in which values come, and histograms are joined, makes no difference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Histogram {
    /// Bucket and count, in the order of the buckets.
    buckets: Vec<(u16, u32)>,
    /// Values in the buckets.
    count: u64,
    least: u64,
    greatest: u64,
    /// Values below zero, which are in no bucket: the capture's clock was set back, or its packets are out of order.
    negative: u64,
}

impl Histogram {
    /// A percentile is at most this part of a value away from the exact one.
    #[cfg(test)]
    const ERROR: f64 = 0.01;

    pub(super) fn record(&mut self, nanoseconds: i64) {
        let Ok(value) = u64::try_from(nanoseconds) else {
            self.negative += 1;
            return;
        };
        self.widen(value, value);
        self.count += 1;
        self.add(bucket(value), 1);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.negative += other.negative;
        if other.count > 0 {
            self.widen(other.least, other.greatest);
            self.count += other.count;
            other.buckets.iter().for_each(|&(bucket, count)| self.add(bucket, count));
        }
    }

    fn widen(&mut self, least: u64, greatest: u64) {
        let is_first = self.count == 0;
        self.least = if is_first { least } else { self.least.min(least) };
        self.greatest = self.greatest.max(greatest);
    }

    fn add(&mut self, bucket: u16, count: u32) {
        match self.buckets.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
            // A bucket that is full stays full: so do any two that are joined to it, in whatever order.
            Ok(at) => self.buckets[at].1 = self.buckets[at].1.saturating_add(count),
            Err(at) => self.buckets.insert(at, (bucket, count)),
        }
    }

    /// Values that are not negative.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn negative(&self) -> u64 {
        self.negative
    }

    pub(super) fn least(&self) -> Option<u64> {
        (self.count > 0).then_some(self.least)
    }

    pub(super) fn greatest(&self) -> Option<u64> {
        (self.count > 0).then_some(self.greatest)
    }

    /// The least value that so many hundredths of all values are not above (nearest rank).
    pub(super) fn percentile(&self, hundredths: u64) -> Option<u64> {
        let total: u64 = self.buckets.iter().map(|(_, count)| u64::from(*count)).sum();
        let rank = u64::try_from((u128::from(total) * u128::from(hundredths)).div_ceil(100)).ok()?.max(1);
        if rank >= total {
            return self.greatest();
        }
        let mut passed = 0;
        for &(bucket, count) in &self.buckets {
            passed += u64::from(count);
            if passed >= rank {
                return Some(middle(bucket).clamp(self.least, self.greatest));
            }
        }
        None
    }
}

/// Buckets in a power of two, as a power of two.
const SHIFT: u32 = 6;

/// Values below 128 have a bucket each; the ones above share theirs with those that have the same highest seven bits.
fn bucket(value: u64) -> u16 {
    let dropped = (u64::BITS - value.leading_zeros()).saturating_sub(SHIFT + 1);
    let bucket = (u64::from(dropped) << SHIFT) + (value >> dropped);
    u16::try_from(bucket).unwrap_or(u16::MAX)
}

/// The value in the middle of a bucket.
fn middle(bucket: u16) -> u64 {
    let bucket = u64::from(bucket);
    let dropped = (bucket >> SHIFT).saturating_sub(1);
    let least = (bucket - (dropped << SHIFT)) << dropped;
    least + ((1 << dropped) - 1) / 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Service times of all sizes.
    fn values() -> impl Strategy<Value = Vec<i64>> {
        let value = prop_oneof![
            0..200_i64,
            100_000..3_000_000_i64,
            (0..63_u32, any::<i64>()).prop_map(|(shift, value)| (value & i64::MAX) >> shift),
            -1000..0_i64,
        ];
        prop::collection::vec(value, 1..300)
    }

    fn of(values: &[i64]) -> Histogram {
        let mut histogram = Histogram::default();
        values.iter().for_each(|&value| histogram.record(value));
        histogram
    }

    #[test]
    fn buckets_follow_each_other_without_a_hole() {
        let mut before = 0;
        for value in 0..100_000_u64 {
            let this = bucket(value);
            assert!(this == before || this == before + 1, "{value}");
            before = this;
        }
        assert_eq!(bucket(u64::MAX >> 1), 3711);
    }

    #[test]
    fn one_value_is_every_percentile() {
        let histogram = of(&[1_234_567_890]);
        assert_eq!(histogram.percentile(50), Some(1_234_567_890));
        assert_eq!(histogram.percentile(99), Some(1_234_567_890));
        assert_eq!(Histogram::default().percentile(50), None);
    }

    #[test]
    fn values_below_zero_are_counted_apart() {
        let histogram = of(&[-5, 7]);
        assert_eq!((histogram.count(), histogram.negative()), (1, 1));
        assert_eq!((histogram.least(), histogram.greatest()), (Some(7), Some(7)));
    }

    #[test]
    fn a_full_bucket_stays_full() {
        let full =
            Histogram { buckets: vec![(5, u32::MAX - 1)], count: 9, least: 5, greatest: 5, negative: 0 };
        let mut joined = full.clone();
        joined.merge(&of(&[5, 5, 5]));
        assert_eq!(joined.percentile(50), Some(5));
        assert_eq!(joined.buckets, [(5, u32::MAX)]);
    }

    proptest! {
        #[test]
        fn percentiles_are_within_the_error(values in values(), hundredths in 1..=100_u64) {
            let histogram = of(&values);
            let mut sorted: Vec<i64> = values.iter().copied().filter(|&value| value >= 0).collect();
            sorted.sort_unstable();
            prop_assert_eq!(histogram.count(), sorted.len() as u64);
            prop_assert_eq!(histogram.negative(), (values.len() - sorted.len()) as u64);
            if let Some(last) = sorted.len().checked_sub(1) {
                let rank = (sorted.len() * usize::try_from(hundredths).unwrap()).div_ceil(100);
                let exact = sorted[rank - 1] as f64;
                let told = histogram.percentile(hundredths).unwrap() as f64;
                prop_assert!((told - exact).abs() <= exact * Histogram::ERROR, "{told} for {exact}");
                prop_assert_eq!(histogram.least(), u64::try_from(sorted[0]).ok());
                prop_assert_eq!(histogram.greatest(), u64::try_from(sorted[last]).ok());
            }
        }

        #[test]
        fn the_order_makes_no_difference(values in values(), cut in any::<prop::sample::Index>()) {
            let (a, b) = values.split_at(cut.index(values.len()));
            let (mut ab, mut ba) = (of(a), of(b));
            ab.merge(&of(b));
            ba.merge(&of(a));
            prop_assert_eq!(&ab, &of(&values));
            prop_assert_eq!(&ab, &ba);
        }
    }
}
