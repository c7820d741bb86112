//! Whether the keys that came back are those of the backup.
//!
//! Which they have to be is in the backup's own files: the logs of the key field and of the
//! timestamps, and the deltas. They are read a few at a time, and of a large collection only a
//! sample of the keys is kept ([`KeyHistory`]). Then Milvus is asked for them: what was live at the
//! boundary has to be there, what was deleted must not.
//!
//! A restore that does not tell Milvus the boundary brings back all that the files hold. Files that
//! this agent cannot read (storage version 2 and later, encryption, other types of keys) are no
//! failure of the restore: no key is looked for, and the result says so. Rows that may have expired
//! ([`Expiry`]) may be missing. A file that is missing or
//! damaged is a problem, and no key is looked for: nobody knows which have to be there.

use bytes::Bytes;
use futures::{FutureExt, StreamExt, stream};

use crate::binlog::{BinlogError, read_deletes, read_keys, read_timestamps};
use crate::catalog::Readable;
use crate::job::{JobContext, JobError, JobResult};
use crate::manifest::{
    CollectionContent, CollectionRecord, FileEntry, FileId, FileList, LogKind, SegmentFiles,
};
use crate::model::{ErrorKind, Namespace, PrimaryKey};
use crate::plan::{KeyHistory, KeyRoom};
use crate::schema::SchemaSummary;
use crate::storage::{ObjectStoreExt, StoreErrorKind};
use crate::transfer::Stage;

use super::expiry::Expiry;
use super::questions::{Differences, ask, questions};

/// Milvus's hidden field of timestamps.
const TIMESTAMPS: i64 = 1;

/// Logs that are in memory at once, each of rows with that of their timestamps.
const READ_AT_ONCE: usize = 2;

/// Questions that Milvus has at once.
const ASKED_AT_ONCE: usize = 4;

/// Problems that are told one by one.
const TOLD: usize = 10;

/// How the keys of a restored collection compare with those of the backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyComparison {
    /// Keys that have to be there and were looked for; only those that are there, where all rows
    /// may have expired.
    pub(super) live: u64,
    /// Deleted keys that must not be there and were looked for.
    pub(super) deleted: u64,
    /// Whether these are all keys of the collection, or a sample.
    pub(super) whole: bool,
    /// What differs, in words, the first ten; empty if nothing does.
    pub(super) problems: Vec<String>,
    /// Why they could not be compared, where this agent cannot read the files.
    pub(super) unread: Option<String>,
    /// Whether rows may have expired, which is no difference.
    pub(super) expired: bool,
}

impl KeyComparison {
    /// No key was looked for.
    fn of_none(mut problems: Vec<String>, unread: Option<String>) -> Self {
        problems.truncate(TOLD);
        Self { live: 0, deleted: 0, whole: false, problems, unread, expired: false }
    }
}

/// Looks in a restored collection, which is loaded, for the keys of one in a backup.
pub(super) async fn compare_keys(
    context: &JobContext,
    backup: &Readable,
    (collection, was): (&CollectionRecord, &CollectionContent),
    (restored, expiry): (&Namespace, Option<&Expiry>),
) -> JobResult<KeyComparison> {
    let work = compare(context, backup, (collection, was), (restored, expiry)).boxed();
    let done = context.cancel.run_until_cancelled(work).await;
    done.unwrap_or_else(|| Err(JobError::cancelled()))
}

async fn compare(
    context: &JobContext,
    backup: &Readable,
    (collection, was): (&CollectionRecord, &CollectionContent),
    (restored, expiry): (&Namespace, Option<&Expiry>),
) -> JobResult<KeyComparison> {
    let named = collection.namespace();
    let schema = SchemaSummary::parse(&was.schema)
        .map_err(|error| JobError::new(ErrorKind::Damaged, format!("{named}: {error}")))?;
    let no_key = || JobError::new(ErrorKind::Damaged, format!("{named}: it has no primary key"));
    let key = schema.fields.into_iter().find(|field| field.primary_key).ok_or_else(no_key)?;
    let version = context.milvus.version().await?;
    let told = |timestamp| version.import_end_ts(timestamp).is_some();
    let boundary = was.boundary.map(|boundary| boundary.timestamp).filter(|at| told(*at));

    let list = backup.list(&was.list).await?;
    let (logs, mut problems) = logs(&list, key.id);
    context.progress.enter(Stage::Verify, logs.iter().map(Log::bytes).sum());
    context.progress.subject(&restored.to_string());
    let mut history = KeyHistory::new(boundary, KeyRoom::default());
    let mut reads = stream::iter(logs)
        .map(|log| read(context, backup, log).boxed())
        .buffer_unordered(READ_AT_ONCE);
    while let Some(read) = reads.next().await {
        match read? {
            Ok(Changes::Rows(partition, rows)) => {
                for (key, at) in rows {
                    history.row(partition, key, at);
                }
            }
            Ok(Changes::Deletes(partition, deletes)) => {
                for (key, at) in deletes {
                    history.delete(partition, key, at);
                }
            }
            Err(Trouble::Unreadable(why)) => {
                tracing::warn!(collection = %named, why, "its keys are not compared");
                return Ok(KeyComparison::of_none(problems, Some(why)));
            }
            Err(Trouble::Damage(why)) => problems.push(why),
        }
    }
    if !problems.is_empty() {
        return Ok(KeyComparison::of_none(problems, None));
    }
    // What expired while the files were read is among it.
    let until = expiry.map_or(0, |expiry| expiry.until(context.clock.now()));
    let expected = history.expiring(until).expected();
    let mut differences = Differences::default();
    let mut answers = stream::iter(questions(expected.keys))
        .map(|question| ask(context, (restored, &key.name), question).boxed())
        .buffered(ASKED_AT_ONCE);
    while let Some(answer) = answers.next().await {
        differences.add(answer?);
        context.progress.touch();
    }
    let over = expiry.is_some_and(Expiry::is_over);
    let undeleted = || differences.undeleted().into_iter().collect();
    Ok(KeyComparison {
        live: if over { differences.found() } else { differences.live },
        deleted: differences.deleted,
        whole: expected.whole && !over,
        problems: if over { undeleted() } else { differences.problems() },
        unread: None,
        expired: over || expected.expires,
    })
}

/// What has to be read together.
#[derive(Debug)]
enum Log {
    /// Keys and their timestamps.
    Rows { keys: File, timestamps: File },
    /// Keys that were deleted.
    Deletes(File),
    /// A segment whose files hold several fields each.
    Packed(i64),
}

#[derive(Debug)]
struct File {
    id: FileId,
    bytes: u64,
}

impl Log {
    fn bytes(&self) -> u64 {
        match self {
            Self::Rows { keys, timestamps } => keys.bytes + timestamps.bytes,
            Self::Deletes(file) => file.bytes,
            Self::Packed(_) => 0,
        }
    }
}

/// What is to be read of a collection, and what is wrong with its list.
fn logs(list: &FileList, key_field: i64) -> (Vec<Log>, Vec<String>) {
    let (mut logs, mut problems) = (Vec::new(), Vec::new());
    for segment in list.segments() {
        if segment.traits.storage_version > 0 {
            logs.push(Log::Packed(segment.segment));
            continue;
        }
        let file = |kind, entry: &FileEntry| {
            let SegmentFiles { collection, partition, segment, .. } = *segment;
            let id = FileId { collection, partition, segment, kind, log: entry.log };
            File { id, bytes: entry.size }
        };
        let field = |field| {
            let found = segment.insert.iter().find(|files| files.field == field);
            let files = found.map(|files| files.files.as_slice()).unwrap_or_default();
            files.iter().map(move |entry| file(LogKind::Insert { field }, entry))
        };
        let (keys, timestamps) = (field(key_field), field(TIMESTAMPS));
        if keys.len() == timestamps.len() {
            let rows = keys.zip(timestamps);
            logs.extend(rows.map(|(keys, timestamps)| Log::Rows { keys, timestamps }));
        } else {
            problems.push(format!(
                "segment {} has {} logs of keys and {} of timestamps",
                segment.segment,
                keys.len(),
                timestamps.len()
            ));
        }
        logs.extend(segment.delta.iter().map(|entry| Log::Deletes(file(LogKind::Delta, entry))));
    }
    (logs, problems)
}

/// What logs tell of a partition: keys, each with its timestamp.
#[derive(Debug)]
enum Changes {
    Rows(i64, Vec<(PrimaryKey, u64)>),
    Deletes(i64, Vec<(PrimaryKey, u64)>),
}

/// Why a log tells nothing.
#[derive(Debug)]
enum Trouble {
    Damage(String),
    Unreadable(String),
}

async fn read(
    context: &JobContext,
    backup: &Readable,
    log: Log,
) -> JobResult<Result<Changes, Trouble>> {
    let bytes = log.bytes();
    let changes = match log {
        Log::Packed(segment) => {
            let why = format!("the files of segment {segment} hold several fields each");
            Err(Trouble::Unreadable(why))
        }
        Log::Deletes(file) => {
            let deletes = values(context, backup, file.id, read_deletes).await?;
            deletes.map(|deletes| Changes::Deletes(file.id.partition, deletes))
        }
        Log::Rows { keys: file, timestamps } => {
            let keys = values(context, backup, file.id, read_keys).await?;
            let timestamps = values(context, backup, timestamps.id, read_timestamps).await?;
            keys.and_then(|keys| Ok((keys, timestamps?))).and_then(|(keys, timestamps)| {
                if keys.len() != timestamps.len() {
                    let (place, keys) = (backup.place(&file.id), keys.len());
                    let why = format!("{place}: {keys} keys have {} timestamps", timestamps.len());
                    return Err(Trouble::Damage(why));
                }
                let rows = keys.into_iter().zip(timestamps).collect();
                Ok(Changes::Rows(file.id.partition, rows))
            })
        }
    };
    context.progress.advance(bytes);
    Ok(changes)
}

/// What one file says. Another thread reads it: that takes a core for a while.
async fn values<T: Send + 'static>(
    context: &JobContext,
    backup: &Readable,
    file: FileId,
    read: fn(Bytes) -> Result<T, BinlogError>,
) -> JobResult<Result<T, Trouble>> {
    let place = || backup.place(&file);
    let bytes = match context.repository.get_bytes(&backup.key(&file)).await {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == StoreErrorKind::NotFound => {
            return Ok(Err(Trouble::Damage(format!("{}: it is missing", place()))));
        }
        Err(error) => return Err(error.into()),
    };
    let values = tokio::task::spawn_blocking(move || read(bytes)).await;
    Ok(match values {
        Ok(Ok(values)) => Ok(values),
        Ok(Err(error @ BinlogError::Damaged(_))) => {
            Err(Trouble::Damage(format!("{}: {error}", place())))
        }
        Ok(Err(error @ BinlogError::Unsupported(_))) => {
            Err(Trouble::Unreadable(format!("{}: {error}", place())))
        }
        Err(broken) => Err(Trouble::Damage(format!("{}: reading it broke off: {broken}", place()))),
    })
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
