use super::MAX_RANGES;
use crate::vmbus::PAGE_LEN;
use crate::vmbus::control::GpadlHeader;

/// Memory that the guest has described to the host, put together from a header and its bodies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpadlRecord {
    /// Its id.
    pub gpadl_id: u32,
    /// How many bytes of ranges were announced.
    pub byte_length: u16,
    /// How many ranges were announced.
    pub range_count: u16,
    /// The ranges, [`MAX_RANGES`] at most.
    pub ranges: Vec<GpadlRange>,
    /// Ranges beyond that.
    pub ranges_left_out: u64,
    /// Values that came, in the header and the bodies.
    pub values: u64,
    /// The host's answer: 0 for success, or an NTSTATUS.
    pub status: Option<u32>,
    /// True once the host has let it go.
    pub is_torn_down: bool,
    /// Page numbers that are to come of the last range.
    pages_to_come: u64,
}

/// A range of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpadlRange {
    /// Its bytes.
    pub byte_count: u32,
    /// Where in its first page it begins.
    pub byte_offset: u32,
}

impl GpadlRange {
    /// How many pages it touches.
    #[must_use]
    pub fn pages(&self) -> u64 {
        (u64::from(self.byte_count) + u64::from(self.byte_offset)).div_ceil(PAGE_LEN as u64)
    }
}

impl GpadlRecord {
    pub(super) fn new(header: &GpadlHeader) -> Self {
        let mut record = Self {
            gpadl_id: header.gpadl_id,
            byte_length: header.byte_length,
            range_count: header.range_count,
            ranges: Vec::new(),
            ranges_left_out: 0,
            values: 0,
            status: None,
            is_torn_down: false,
            pages_to_come: 0,
        };
        record.take(&header.values);
        record
    }

    /// Bytes of all ranges.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.ranges.iter().map(|range| u64::from(range.byte_count)).sum()
    }

    /// Pages of all ranges.
    #[must_use]
    pub fn pages(&self) -> u64 {
        self.ranges.iter().map(GpadlRange::pages).sum()
    }

    /// True where all ranges and all their page numbers have come.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let ranges = self.ranges.len() as u64 + self.ranges_left_out;
        ranges == u64::from(self.range_count) && self.pages_to_come == 0
    }

    /// Takes the values of the next message. Values behind the last range are counted only.
    pub(super) fn take(&mut self, values: &[u64]) {
        self.values += values.len() as u64;
        for value in values {
            let ranges = self.ranges.len() as u64 + self.ranges_left_out;
            if self.pages_to_come > 0 {
                self.pages_to_come -= 1;
            } else if ranges < u64::from(self.range_count) {
                let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
                let byte_count = u32::from_le_bytes([a, b, c, d]);
                let range = GpadlRange { byte_count, byte_offset: u32::from_le_bytes([e, f, g, h]) };
                self.pages_to_come = range.pages();
                if self.ranges.len() < MAX_RANGES {
                    self.ranges.push(range);
                } else {
                    self.ranges_left_out += 1;
                }
            }
        }
    }
}
