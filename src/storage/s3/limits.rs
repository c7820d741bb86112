//! How hard a store works.

use std::time::Duration;

const MIB: u64 = 1024 * 1024;

/// The most parts that an upload may have, on every server.
const MAX_PARTS: u64 = 10_000;

/// The slowest transfer that counts as alive, in bytes a second.
const SLOWEST_TRANSFER: u64 = 64 * 1024;

/// The slowest copy within a server that counts as alive, in bytes a second.
const SLOWEST_COPY: u64 = 4 * MIB;

/// Sizes, times and numbers. [`S3Limits::default`] fits servers; tests use small ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct S3Limits {
    /// How often a request that failed for a moment is sent again.
    pub retries: u32,
    /// The most that is waited before the first of them.
    pub first_backoff: Duration,
    /// Objects up to this size are written by one request.
    pub single_put_bytes: u64,
    /// The size of a part of a larger one; it grows where 10,000 parts would not do.
    pub part_bytes: u64,
    /// Parts of one object on their way at once.
    pub parts_in_flight: usize,
    /// What all writes of the store together hold in memory, but at least one part.
    pub memory_bytes: u64,
    /// Objects up to this size are copied by one request; servers refuse more than 5 GiB.
    pub single_copy_bytes: u64,
    /// The size of a part of a larger one.
    pub copy_part_bytes: u64,
    /// Objects in one answer to a list, at most 1,000.
    pub list_page: i32,
    /// How long a small request may take, and a transfer may stand still.
    pub patience: Duration,
}

impl Default for S3Limits {
    fn default() -> Self {
        Self {
            retries: 5,
            first_backoff: Duration::from_secs(1),
            single_put_bytes: 8 * MIB,
            part_bytes: 8 * MIB,
            parts_in_flight: 4,
            memory_bytes: 64 * MIB,
            single_copy_bytes: 5 * 1024 * MIB,
            copy_part_bytes: 512 * MIB,
            list_page: 1000,
            patience: Duration::from_secs(30),
        }
    }
}

impl S3Limits {
    /// The size of the parts of an upload of `size` bytes.
    pub(super) fn part_of(&self, size: u64) -> u64 {
        self.part_bytes.max(size.div_ceil(MAX_PARTS)).max(1)
    }

    /// The size of the parts of a copy of `size` bytes.
    pub(super) fn copy_part_of(&self, size: u64) -> u64 {
        self.copy_part_bytes.max(size.div_ceil(MAX_PARTS)).max(1)
    }

    /// How long one attempt to send `size` bytes may take.
    pub(super) fn time_to_send(&self, size: u64) -> Duration {
        self.patience + Duration::from_secs(size / SLOWEST_TRANSFER)
    }

    /// How long one attempt to copy `size` bytes within the server may take.
    pub(super) fn time_to_copy(&self, size: u64) -> Duration {
        self.patience + Duration::from_secs(size / SLOWEST_COPY)
    }
}

#[cfg(test)]
mod tests {
    use super::{MIB, S3Limits};

    #[test]
    fn parts_grow_with_the_object() {
        let limits = S3Limits::default();
        assert_eq!(limits.part_of(9 * MIB), 8 * MIB);
        let huge = 5 * 1024 * 1024 * MIB;
        assert!(huge.div_ceil(limits.part_of(huge)) <= 10_000);
        assert!(huge.div_ceil(limits.copy_part_of(huge)) <= 10_000);
        assert!(limits.copy_part_of(huge) <= 5 * 1024 * MIB);
    }
}
