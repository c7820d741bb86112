//! milvus-backup's `backup.yaml` → ours, with a word about every key.
//!
//! ```text
//!  backup.yaml → `given` (keys of table `v1` or `v2`, each with its `Meaning`)
//!                   ↓
//!                `draft` ← `connection`, `store`, `rest`   what becomes of each key
//!                   ↓
//!                `report`   our YAML, and a note for each key
//! ```
//!
//! The two tables are facts about milvus-backup: which keys its versions 1 and 2 read, what
//! they stand for, and which variables of its environment outdo them.
//!
//! # Contract
//!
//! - Each key of the file has exactly one [`Fate`]: taken, nothing to us, in need of a decision, or
//!   unknown to milvus-backup too. Nothing is left out without a word.
//! - What is printed loads, but for the lines that are marked: those name files of secrets that
//!   are yet to be written.
//! - Secrets of the file are neither in the YAML nor in the notes.
//! - Its backups are found where they are: the folder that holds them is our cluster's.

mod connection;
mod draft;
mod given;
mod meaning;
mod report;
mod rest;
mod store;
#[cfg(test)]
mod tests;
mod v1;
mod v2;

pub use draft::Fate;
pub use report::{Imported, KeyNote, import};
