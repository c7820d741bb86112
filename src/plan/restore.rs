//! Manifest and request and what the target has → what is restored where.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use crate::manifest::{
    CollectionContent, CollectionRecord, FileEntry, FileId, LogKind, Manifest, SegmentFiles,
};
use crate::model::Namespace;
use crate::policy::CollectionSelector;

use super::temporary::{MAX_NAME, restoring_name};

/// What someone wants back.
#[derive(Debug, Clone)]
pub struct RestoreRequest {
    /// Which collections, by their names in the backup.
    pub selector: CollectionSelector,
    /// Appended to every name.
    pub suffix: Option<String>,
    /// Other names for some.
    pub renames: Vec<(Namespace, Namespace)>,
    /// Whether a collection of the target name may be replaced.
    pub drop_existing: bool,
}

/// A collection that the target has under a wanted name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetCollection {
    /// Its id.
    pub id: i64,
    /// Its own name; differs from the wanted one if that is an alias.
    pub name: String,
    /// Aliases that point to it.
    pub aliases: Vec<String>,
}

/// What the target has, by the wanted name.
pub type Existing = BTreeMap<Namespace, TargetCollection>;

/// One collection to restore.
#[derive(Debug, Clone)]
pub struct CollectionRestore {
    /// Its name in the backup.
    pub from: Namespace,
    /// Its name in the target.
    pub to: Namespace,
    /// The name it is filled under.
    pub restoring: Namespace,
    /// What to make of it.
    pub content: CollectionContent,
    /// The collection that it replaces.
    pub replaces: Option<TargetCollection>,
}

/// What a restore will do.
#[derive(Debug, Clone)]
pub struct RestorePlan {
    /// Databases that may have to be made.
    pub databases: BTreeSet<String>,
    /// The collections, in the order of their names.
    pub collections: Vec<CollectionRestore>,
    /// Selected collections that the backup does not have, and why.
    pub absent: Vec<(Namespace, String)>,
}

/// The target of every selected collection, before anything is asked of the server.
pub fn targets(manifest: &Manifest, request: &RestoreRequest) -> Vec<(Namespace, Namespace)> {
    let renames: HashMap<&Namespace, &Namespace> =
        request.renames.iter().map(|(from, to)| (from, to)).collect();
    let suffix = request.suffix.as_deref().unwrap_or_default();
    let selected = manifest.collections.iter().map(CollectionRecord::namespace);
    selected
        .filter(|from| request.selector.matches(from))
        .map(|from| {
            let to = renames.get(&from).copied().unwrap_or(&from);
            let to = Namespace::new(&to.database, format!("{}{suffix}", to.collection));
            (from, to)
        })
        .collect()
}

/// Something in the way of a restore.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreProblem {
    /// The request is wrong in itself.
    #[error("{0}")]
    Request(String),
    /// Milvus would refuse a wanted name.
    #[error("`{0}` is no Milvus name")]
    Name(String),
    /// The target has something under a wanted name.
    #[error("{0} exists already")]
    Taken(Namespace),
    /// A wanted name is an alias, which a restore never replaces.
    #[error("{alias} is an alias of {of}")]
    Alias {
        /// The wanted name.
        alias: Namespace,
        /// The collection that it points to.
        of: String,
    },
}

impl RestoreProblem {
    /// What to do about it, where the problem does not say it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Request(_) => None,
            Self::Name(_) => Some("use 1 to 255 letters, digits and `_`, with no digit first"),
            Self::Taken(_) => Some(
                "restore beside what is there (--suffix, --rename) or replace it (--drop-existing)",
            ),
            Self::Alias { .. } => {
                Some("drop the alias, or restore under another name (--suffix, --rename)")
            }
        }
    }
}

/// What is wrong with a request in itself, before anything is asked of the server.
pub fn check_request(
    manifest: &Manifest,
    request: &RestoreRequest,
) -> Result<(), Vec<RestoreProblem>> {
    let pairs = targets(manifest, request);
    let problems = problems(manifest, request, &Existing::new(), &pairs);
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Plans a restore, or says everything that is in its way.
///
/// `existing` has what the target answered for each name of [`targets`]; `id` marks the
/// collections that are being filled.
pub fn plan_restore(
    manifest: &Manifest,
    request: &RestoreRequest,
    existing: &Existing,
    id: &str,
) -> Result<RestorePlan, Vec<RestoreProblem>> {
    let pairs = targets(manifest, request);
    let problems = problems(manifest, request, existing, &pairs);
    if !problems.is_empty() {
        return Err(problems);
    }
    let records: HashMap<Namespace, _> =
        manifest.collections.iter().map(|record| (record.namespace(), record)).collect();
    let mut plan =
        RestorePlan { databases: BTreeSet::new(), collections: Vec::new(), absent: Vec::new() };
    for (from, to) in pairs {
        let record = records[&from];
        let Some(content) = &record.content else {
            let error = record.error.clone().unwrap_or_default();
            plan.absent.push((from, error));
            continue;
        };
        plan.databases.insert(to.database.clone());
        plan.collections.push(CollectionRestore {
            restoring: Namespace::new(&to.database, restoring_name(&to.collection, id)),
            replaces: existing.get(&to).cloned(),
            content: content.clone(),
            from,
            to,
        });
    }
    Ok(plan)
}

fn problems(
    manifest: &Manifest,
    request: &RestoreRequest,
    existing: &Existing,
    pairs: &[(Namespace, Namespace)],
) -> Vec<RestoreProblem> {
    use RestoreProblem::{Alias, Name, Request, Taken};
    let mut problems = Vec::new();
    let names: Vec<Namespace> =
        manifest.collections.iter().map(CollectionRecord::namespace).collect();
    for pattern in request.selector.unmatched(&names) {
        problems.push(Request(format!(
            "`{pattern}` matches no collection of backup {}",
            manifest.name
        )));
    }
    for (index, (from, to)) in request.renames.iter().enumerate() {
        if request.renames[..index].iter().any(|(earlier, _)| earlier == from) {
            problems.push(Request(format!("{from} is renamed twice, the second time to {to}")));
        }
        if !names.contains(from) {
            problems.push(Request(format!(
                "{from} is to be renamed, but is not in backup {}",
                manifest.name
            )));
        } else if !request.selector.matches(from) {
            problems.push(Request(format!("{from} is to be renamed, but is not selected")));
        }
    }
    let mut taken: BTreeMap<&Namespace, &Namespace> = BTreeMap::new();
    for (from, to) in pairs {
        if let Some(other) = taken.insert(to, from) {
            problems.push(Request(format!("{other} and {from} would both become {to}")));
        }
        for name in [&to.database, &to.collection] {
            if !is_milvus_name(name) {
                problems.push(Name(name.clone()));
            }
        }
        match existing.get(to) {
            Some(found) if found.name != to.collection => {
                problems.push(Alias { alias: to.clone(), of: found.name.clone() });
            }
            Some(_) if !request.drop_existing => problems.push(Taken(to.clone())),
            Some(_) | None => {}
        }
    }
    let mut seen = HashSet::new();
    problems.retain(|problem| seen.insert(problem.to_string()));
    problems
}

fn is_milvus_name(name: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let rest = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
    name.len() <= MAX_NAME && name.starts_with(first) && name.chars().all(rest)
}

/// How much one import may hold, so that it ends within a third of the server's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimit {
    /// Bytes of insert and delta logs.
    pub bytes: u64,
}

impl BatchLimit {
    /// `rootCoord.importTaskExpiration` is 900 s from the start of an import (measured on 2.3.5).
    pub const SERVER_LIMIT: Duration = Duration::from_mins(15);
    const BUDGET_SECS: u64 = Self::SERVER_LIMIT.as_secs() / 3;
    /// Small enough for a slow disk in the budget: below 1 MiB/s.
    const FIRST: u64 = 256 << 20;
    const LEAST: u64 = 1 << 20;
    /// What is staged must fit on a disk that Milvus may share.
    const MOST: u64 = 8 << 30;
    /// A first batch that was lucky must not decide alone.
    const GROWTH: u64 = 4;

    /// Before anything is known of the server.
    pub fn first() -> Self {
        Self { bytes: Self::FIRST }
    }

    /// After a batch of `bytes` took `took`. Batches much smaller than the limit teach
    /// nothing about large ones, so they only ever lower it.
    #[must_use]
    pub fn after(self, bytes: u64, took: Duration) -> Self {
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
        let affordable = bytes.saturating_mul(Self::BUDGET_SECS * 1000) / millis;
        let ceiling = if bytes >= self.bytes / 2 {
            self.bytes.saturating_mul(Self::GROWTH)
        } else {
            self.bytes
        };
        let too_slow = took.as_secs() > Self::BUDGET_SECS;
        let lowered = if too_slow { affordable } else { affordable.max(self.bytes) };
        Self { bytes: lowered.clamp(Self::LEAST, ceiling.min(Self::MOST)) }
    }

    /// After a batch that ran out of time.
    #[must_use]
    pub fn halved(self) -> Self {
        Self { bytes: (self.bytes / 2).max(Self::LEAST) }
    }
}

/// One import: some segments of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Collection and partition id in the source, which name the staged folders.
    pub source: (i64, i64),
    /// How many segments it takes from the list.
    pub segments: usize,
    /// Stored rows.
    pub rows: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Its files.
    pub files: Vec<(FileId, FileEntry)>,
}

impl Batch {
    /// Whether any row may have been deleted.
    pub fn has_deltas(&self) -> bool {
        self.files.iter().any(|(id, _)| id.kind == LogKind::Delta)
    }
}

/// The first import of what is left of a list: segments of one partition, within the limit
/// unless the first alone is larger. Lists are sorted by partition.
pub fn next_batch(rest: &[SegmentFiles], limit: BatchLimit) -> Option<Batch> {
    let first = rest.first()?;
    let source = (first.collection, first.partition);
    let mut batch = Batch { source, segments: 0, rows: 0, bytes: 0, files: Vec::new() };
    for segment in rest {
        let bytes = segment.bytes();
        let fits = batch.segments == 0 || batch.bytes.saturating_add(bytes) <= limit.bytes;
        if !fits || (segment.collection, segment.partition) != source {
            break;
        }
        batch.segments += 1;
        batch.rows += segment.rows.unsigned_abs();
        batch.bytes += bytes;
        batch.files.extend(segment.files().map(|(id, entry)| (id, entry.clone())));
    }
    Some(batch)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{BatchLimit, next_batch};
    use crate::manifest::{FileEntry, LogKind, SegmentFiles};

    fn segment(partition: i64, segment: i64, size: u64) -> SegmentFiles {
        let entry = FileEntry {
            log: 1,
            size,
            source: String::new(),
            copy: String::new(),
            crc: String::new(),
        };
        let kind = LogKind::Insert { field: 0 };
        SegmentFiles::new((1, partition, segment), 10, [(kind, entry)])
    }

    #[test]
    fn one_import_never_mixes_partitions_or_passes_the_limit() {
        let segments = [
            segment(1, 1, 40),
            segment(1, 2, 60),
            segment(1, 3, 1),
            segment(2, 4, 1),
            segment(2, 5, 500),
            segment(2, 6, 1),
        ];
        let mut rest = &segments[..];
        let mut shape = Vec::new();
        while let Some(batch) = next_batch(rest, BatchLimit { bytes: 100 }) {
            shape.push((batch.source.1, batch.bytes, batch.rows));
            rest = &rest[batch.segments..];
        }
        assert_eq!(shape, [(1, 100, 20), (1, 1, 10), (2, 1, 10), (2, 500, 10), (2, 1, 10)]);
    }

    #[test]
    fn the_limit_learns_from_batches_that_say_something() {
        let limit = BatchLimit { bytes: 1 << 30 };
        let fast = limit.after(1 << 30, Duration::from_secs(10));
        assert_eq!(fast.bytes, 4 << 30);
        let small = limit.after(1 << 10, Duration::from_secs(3));
        assert_eq!(small, limit, "a small batch is all overhead");
        let slow = limit.after(1 << 30, Duration::from_mins(10));
        assert_eq!(slow.bytes, 1 << 29);
        assert_eq!(limit.halved().bytes, 1 << 29);
        assert_eq!(BatchLimit { bytes: 1 }.halved().bytes, 1 << 20);
    }
}
