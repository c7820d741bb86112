//! How a run ends that was to make a backup.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::FutureExt;
use tokio::time::timeout;

use crate::catalog::{Run, Work};
use crate::manifest::{EncodedList, FileList, Manifest, TreeDocuments, tree_documents};
use crate::model::{ErrorKind, KeyPrefix, Layout, Rbac};
use crate::storage::CopySource;
use crate::transfer::{Checkpoint, Stage};

use super::{JobContext, JobError, JobResult, RunOutcome};

/// How long the last checkpoint of a run that ends early may take.
const LAST_CHECKPOINT: Duration = Duration::from_secs(10);

/// The files of a collection, and the same as it is stored.
pub(super) type Listed = (i64, FileList, EncodedList);

/// Does the work of a run, unless it is cancelled or its lease is lost.
pub(super) async fn watched<T>(
    context: &JobContext,
    run: &Run,
    work: impl Future<Output = JobResult<T>>,
) -> JobResult<T> {
    let lost = run.lease().lost().clone();
    tokio::select! {
        () = context.cancel.cancelled() => Err(JobError::cancelled()),
        () = lost.cancelled() => Err(run.lease().why_lost().into()),
        done = work => done,
    }
}

/// What comes between copies and documents: no file that no list names, everything durable,
/// and the lists.
pub(super) async fn store_lists(
    context: &JobContext,
    (run, layout): (&Run, Layout),
    listed: Vec<Listed>,
) -> JobResult<Vec<(i64, FileList)>> {
    context.progress.enter(Stage::Commit, 0);
    let mut lists = Vec::new();
    let mut encoded = Vec::new();
    for (collection, list, stored) in listed {
        lists.push((collection, list));
        encoded.push(stored);
    }
    match layout {
        Layout::Incremental => {}
        Layout::Standalone => run.drop_strays(&lists).await?,
    }
    context.repository.sync().await?;
    for list in encoded {
        run.put_list(&list).await?;
    }
    Ok(lists)
}

/// What milvus-backup reads of a backup, if it is laid out for it.
pub(super) fn documents(
    context: &JobContext,
    (manifest, lists): (&Manifest, &[(i64, FileList)]),
    rbac: Option<&Rbac>,
) -> JobResult<Option<TreeDocuments>> {
    match manifest.layout {
        Layout::Incremental => return Ok(None),
        Layout::Standalone => {}
    }
    let of = |id: i64| lists.iter().find(|(collection, _)| *collection == id);
    let lists: BTreeMap<String, FileList> = manifest
        .contents()
        .filter_map(|(record, content)| Some((content.list.clone(), of(record.id)?.1.clone())))
        .collect();
    let documents = tree_documents((manifest, rbac), &lists, &milvus_root(context));
    let documents = documents.map_err(|error| {
        let message = format!("milvus-backup's documents cannot be written: {error}");
        JobError::new(ErrorKind::Failed, message).hint("back up with `layout: incremental`")
    })?;
    Ok(Some(documents))
}

/// What the keys of Milvus's files begin with, as its storage tells.
fn milvus_root(context: &JobContext) -> String {
    const BELOW: &str = "insert_log";
    let key = KeyPrefix::root().key(BELOW);
    let whole = match context.source.as_ref().and_then(|source| source.copy_source(&key)) {
        Some(CopySource::S3(object)) => object.key,
        Some(CopySource::File(path)) => path.display().to_string(),
        None => return String::new(),
    };
    whole.strip_suffix(BELOW).unwrap_or_default().trim_end_matches('/').to_owned()
}

/// Commits what a run has done, or writes down why it made no backup.
pub(super) async fn conclude<R>(
    context: &JobContext,
    (run, checkpoint): (Run, &Checkpoint),
    ended: JobResult<(Work, R)>,
) -> JobResult<R> {
    let (run, error) = match ended {
        Ok((work, report)) => match run.commit(&work).boxed().await {
            Ok(()) => return Ok(report),
            Err((error, run)) => (run, JobError::from(error)),
        },
        Err(error) => (run, error),
    };
    if error.kind() != ErrorKind::Locked {
        // A store that is slow to answer must not hold up the end of a run.
        timeout(LAST_CHECKPOINT, checkpoint.try_flush()).await.unwrap_or_default();
    }
    let cancelled = error.kind() == ErrorKind::Cancelled;
    let outcome = if cancelled { RunOutcome::Cancelled } else { RunOutcome::Failed };
    run.end(outcome.as_str(), error.chain(), context.clock.now()).await;
    Err(error)
}
