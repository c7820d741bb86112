//! What a listing proves about the files of a backup.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::manifest::{FileId, FileList};

/// How deep a verification looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum VerifyDepth {
    /// Manifest and lists can be read, and lists are the ones that were written.
    Manifest,
    /// Every file exists with its size.
    Size,
    /// Every byte is read and compared with its checksum.
    Content,
}

/// What is wrong with one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// It is not there.
    Missing(FileId),
    /// It is not what was written.
    Changed(FileId, String),
}

/// Compares a list with what lies in the collection's folders.
pub fn compare_listing(list: &FileList, present: &BTreeMap<FileId, u64>) -> Vec<Damage> {
    list.files()
        .filter_map(|(id, entry)| match present.get(&id) {
            None => Some(Damage::Missing(id)),
            Some(size) if *size != entry.size => Some(Damage::Changed(
                id,
                format!("it has {size} bytes, {} were written", entry.size),
            )),
            Some(_) => None,
        })
        .collect()
}
