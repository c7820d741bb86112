//! The parts of files.

use crate::manifest::{FileId, LogKind, PARTS};

/// The part of a file: the same for ever, as `_proofs` knows parts by their numbers.
pub fn part_of(file: &FileId) -> usize {
    let FileId { collection, partition, segment, kind, log } = file;
    let (kind, field) = match kind {
        LogKind::Insert { field } => (1, *field),
        LogKind::Delta => (2, 0),
    };
    let numbers = [*collection, *partition, *segment, kind, field, *log];
    let hash = numbers.iter().fold(0_u64, |hash, number| mixed(hash ^ number.cast_unsigned()));
    usize::try_from(hash % PARTS as u64).expect("it is small")
}

/// The step of splitmix64.
pub(super) fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// What is in each part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartSizes {
    parts: Vec<(u64, u64)>,
}

impl Default for PartSizes {
    fn default() -> Self {
        Self { parts: vec![(0, 0); PARTS] }
    }
}

impl PartSizes {
    /// One more file.
    pub fn add(&mut self, part: usize, bytes: u64) {
        let (files, sum) = &mut self.parts[part];
        (*files, *sum) = (*files + 1, sum.saturating_add(bytes));
    }

    /// Files of a part.
    pub fn files(&self, part: usize) -> u64 {
        self.parts[part].0
    }

    /// Bytes of a part.
    pub fn bytes(&self, part: usize) -> u64 {
        self.parts[part].1
    }

    /// All files.
    pub fn all_files(&self) -> u64 {
        self.parts.iter().map(|(files, _)| files).sum()
    }

    /// All bytes.
    pub fn all_bytes(&self) -> u64 {
        self.parts.iter().map(|(_, bytes)| bytes).sum()
    }
}
