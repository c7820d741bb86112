//! Which files need no copy.

use std::collections::{HashMap, HashSet};

use crate::manifest::{FileEntry, FileId, FileList};

use super::SourceFile;

/// What the repository already has of a collection.
///
/// A file is reused only if a committed list or a checkpoint names it, the source still has
/// the fingerprint it had when it was copied, and the listing shows our copy as it was left.
/// Anything less is copied again; the copier then compares instead of overwriting.
#[derive(Debug, Default)]
pub struct Known {
    committed: HashMap<FileId, FileEntry>,
    checkpointed: HashMap<FileId, FileEntry>,
    present: HashMap<FileId, (u64, Option<String>)>,
    damaged: HashSet<FileId>,
}

impl Known {
    /// `listing`: identity, size and `ETag` of what lies in the collection's folders.
    pub fn new(
        committed: &FileList,
        listing: impl IntoIterator<Item = (FileId, u64, Option<String>)>,
    ) -> Self {
        Self {
            committed: committed.files().map(|(id, entry)| (id, entry.clone())).collect(),
            checkpointed: HashMap::new(),
            present: listing.into_iter().map(|(id, size, etag)| (id, (size, etag))).collect(),
            damaged: HashSet::new(),
        }
    }

    /// Names files that were found damaged. They are not reused until they are mended and a
    /// verification has seen that.
    #[must_use]
    pub fn doubting(mut self, damaged: impl IntoIterator<Item = FileId>) -> Self {
        self.damaged.extend(damaged);
        self
    }

    /// Adds what runs without a manifest copied and made durable before they said so.
    #[must_use]
    pub fn with_checkpoints(
        mut self,
        entries: impl IntoIterator<Item = (FileId, FileEntry)>,
    ) -> Self {
        self.checkpointed.extend(entries);
        self
    }

    /// The entry of a file that can be used as it is.
    pub fn reusable(&self, file: &SourceFile) -> Option<&FileEntry> {
        if self.damaged.contains(&file.id) {
            return None;
        }
        let entries = [self.committed.get(&file.id), self.checkpointed.get(&file.id)];
        entries.into_iter().flatten().find(|entry| self.fits(file, entry))
    }

    /// What lists say of a file that was found damaged, if it is the one that the source has:
    /// as such it may be written again.
    pub fn mends(&self, file: &SourceFile) -> Option<&FileEntry> {
        let entry = self.committed.get(&file.id).filter(|_| self.damaged.contains(&file.id));
        entry.filter(|entry| entry.size == file.size && entry.source == file.source)
    }

    fn fits(&self, file: &SourceFile, entry: &FileEntry) -> bool {
        let Some((size, etag)) = self.present.get(&file.id) else { return false };
        let unchanged = entry.size == file.size && entry.source == file.source;
        let copy = if entry.copy.is_empty() { &entry.source } else { &entry.copy };
        let intact = *size == entry.size && etag.as_ref().is_none_or(|etag| etag == copy);
        unchanged && intact
    }
}

#[cfg(test)]
mod tests {
    use super::Known;
    use crate::manifest::{FileEntry, FileId, FileList, LogKind, SegmentFiles};
    use crate::plan::SourceFile;

    const ID: FileId =
        FileId { collection: 1, partition: 2, segment: 3, kind: LogKind::Delta, log: 7 };

    fn known(copy: &str, listed: Option<(u64, Option<&str>)>) -> Known {
        let entry = FileEntry {
            log: 7,
            size: 10,
            source: "s".to_owned(),
            copy: copy.to_owned(),
            crc: String::new(),
        };
        let segment = SegmentFiles::new((1, 2, 3), 0, [(LogKind::Delta, entry)]);
        let listing = listed.map(|(size, etag)| (ID, size, etag.map(str::to_owned)));
        Known::new(&FileList::new(vec![segment]), listing)
    }

    #[test]
    fn a_file_is_reused_only_when_source_and_copy_are_as_they_were() {
        for (copy, listed, size, source, reused) in [
            ("", Some((10, None)), 10, "s", true),
            ("", Some((10, Some("s"))), 10, "s", true),
            ("c", Some((10, Some("c"))), 10, "s", true),
            ("c", Some((10, Some("s"))), 10, "s", false),
            ("", None, 10, "s", false),
            ("", Some((9, None)), 10, "s", false),
            ("", Some((10, None)), 11, "s", false),
            ("", Some((10, None)), 10, "other", false),
        ] {
            let file = SourceFile { id: ID, size, source: source.to_owned() };
            let known = known(copy, listed);
            let found = known.reusable(&file).is_some();
            assert_eq!(found, reused, "{copy} {listed:?} {size} {source}");
            let Known { committed, present, .. } = known;
            let checkpoint = Known { present, ..Known::default() }.with_checkpoints(committed);
            assert_eq!(checkpoint.reusable(&file).is_some(), reused, "by a checkpoint");
        }
    }

    /// In a folder nothing but a verification shows that bytes are others.
    #[test]
    fn a_file_that_was_found_damaged_is_not_reused_but_mended() {
        let file = SourceFile { id: ID, size: 10, source: "s".to_owned() };
        let good = known("", Some((10, None)));
        assert!(good.reusable(&file).is_some() && good.mends(&file).is_none());
        let doubted = good.doubting([ID]);
        assert!(doubted.reusable(&file).is_none());
        assert_eq!(doubted.mends(&file).map(|entry| entry.log), Some(7));
        let other = SourceFile { source: "other".to_owned(), ..file };
        assert!(doubted.mends(&other).is_none(), "Milvus has another one");
    }

    #[test]
    fn a_file_that_no_list_and_no_checkpoint_names_is_never_trusted() {
        let known = Known::new(&FileList::default(), [(ID, 10, None)]);
        let file = SourceFile { id: ID, size: 10, source: "s".to_owned() };
        assert!(known.reusable(&file).is_none());
    }
}
