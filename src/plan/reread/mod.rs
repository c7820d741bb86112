//! Which part of the files of a policy's backups is read again, so that all are in time.
//!
//! A file falls into one of [`PARTS`](crate::manifest::PARTS) parts by its identity, for ever; a
//! part counts as read when all files that are in it were. So what is known of any number of
//! files is a moment for each part, and a file that is new in a part is read again when that is.

mod choose;
mod part;
#[cfg(test)]
mod tests;

pub use choose::{Turn, choose_parts, is_credible, read_since};
pub use part::{PartSizes, part_of};
