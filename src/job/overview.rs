//! The catalog as metrics tell it: what is there of each policy.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::catalog::{self, BackupRecord, BackupState, Cluster, Repository};
use crate::manifest::{FileId, Manifest};
use crate::metrics::{BackupFigures, CatalogFacts, PolicyCatalog, RepositoryClass};
use crate::model::{Layout, RunOutcome};

use super::{JobContext, JobResult, Sizes};

/// Reads the catalog of the context's own cluster; an absent repository is an empty one. With
/// [`Sizes::Unique`] it reads all lists of files too, to tell what the bytes are there for.
pub async fn run_overview(context: &JobContext, sizes: Sizes) -> JobResult<CatalogFacts> {
    let read_at = context.clock.now();
    let repository = Repository::unopened(Arc::clone(&context.repository));
    let cluster = repository.cluster(&context.cluster);
    let records = catalog::list_own(&cluster, &*context.clock).await?;
    let bytes = match sizes {
        Sizes::Known => BTreeMap::new(),
        Sizes::Unique => bytes(&cluster, &records).await,
    };
    let space = context.repository.space().await?;
    Ok(CatalogFacts {
        read_at,
        policies: by_policy(&records, read_at),
        bytes,
        free_bytes: space.map(|space| space.free),
        min_free_bytes: space.map(|space| context.min_free.bytes(space.total)),
    })
}

fn by_policy(records: &[BackupRecord], now: Timestamp) -> BTreeMap<String, PolicyCatalog> {
    let mut policies: BTreeMap<String, PolicyCatalog> = BTreeMap::new();
    // What milvus-backup wrote is of no policy.
    for record in records.iter().filter(|record| record.state != BackupState::Foreign) {
        let policy = match (&record.manifest, &record.attempt) {
            (Some(manifest), _) => manifest.policy.as_str(),
            (None, Some(attempt)) => attempt.policy.as_str(),
            (None, None) => "",
        };
        add(policies.entry(policy.to_owned()).or_default(), record, now);
    }
    policies
}

/// Takes one backup into the view of its policy. A deleted one counts as what it is now.
fn add(policy: &mut PolicyCatalog, record: &BackupRecord, now: Timestamp) {
    *policy.states.entry(record.state).or_default() += 1;
    policy.pinned += u64::from(record.pin.as_ref().is_some_and(|pin| pin.holds(now)));
    let ended = end(record);
    if ended.is_some_and(|(at, _)| policy.last_completion.is_none_or(|(last, _)| last <= at)) {
        policy.last_completion = ended;
    }
    let Some(manifest) = record.manifest.as_ref().filter(|_| record.is_committed()) else {
        return;
    };
    policy.damaged += u64::from(record.doubt.is_some());
    let moment = manifest.created_at;
    policy.oldest_restorable = Some(policy.oldest_restorable.map_or(moment, |at| at.min(moment)));
    policy.newest_restorable = policy.newest_restorable.max(Some(moment));
    let newest = policy.last_success.is_none_or(|last| last <= manifest.completed_at);
    if record.state == BackupState::Complete && newest {
        policy.last_success = Some(manifest.completed_at);
        policy.newest_complete = Some(figures(manifest));
    }
}

/// When and how the run of a backup ended, where that was written down.
fn end(record: &BackupRecord) -> Option<(Timestamp, RunOutcome)> {
    match (record.state, &record.manifest, &record.attempt) {
        (BackupState::Complete | BackupState::Suspect, Some(manifest), _) => {
            Some((manifest.completed_at, RunOutcome::Complete))
        }
        (BackupState::Partial, Some(manifest), _) => {
            Some((manifest.completed_at, RunOutcome::Partial))
        }
        (BackupState::Failed, None, Some(attempt)) => attempt.end.as_ref().map(|end| {
            let known = RunOutcome::ALL.iter().find(|outcome| outcome.as_str() == end.outcome);
            (end.at, known.copied().unwrap_or(RunOutcome::Failed))
        }),
        (
            BackupState::Complete
            | BackupState::Partial
            | BackupState::Failed
            | BackupState::Running
            | BackupState::Tombstoned
            | BackupState::Damaged
            | BackupState::Suspect
            | BackupState::Foreign,
            _,
            _,
        ) => None,
    }
}

fn figures(manifest: &Manifest) -> BackupFigures {
    let contents = || manifest.contents().map(|(_, content)| content);
    let collections = contents().count() as u64;
    BackupFigures {
        rows: manifest.rows(),
        segments: contents().map(|content| content.segments).sum(),
        logical_bytes: manifest.bytes(),
        collections,
        collections_failed: manifest.collections.len() as u64 - collections,
        ..BackupFigures::default()
    }
}

/// Bytes of the files that backups name, and of those that only deleted ones do.
async fn bytes(cluster: &Cluster, records: &[BackupRecord]) -> BTreeMap<RepositoryClass, u64> {
    let (deleted, kept): (Vec<_>, Vec<_>) =
        records.iter().partition(|record| record.state == BackupState::Tombstoned);
    let own = [own_bytes(&kept), own_bytes(&deleted)];
    let kept = files(cluster, &kept).await;
    let deleted = files(cluster, &deleted).await;
    let only_deleted = deleted.iter().filter(|(id, _)| !kept.contains_key(id));
    let referenced = own[0] + kept.values().sum::<u64>();
    let tombstoned = own[1] + only_deleted.map(|(_, size)| size).sum::<u64>();
    [(RepositoryClass::Referenced, referenced), (RepositoryClass::Tombstoned, tombstoned)].into()
}

/// The manifests of one layout.
fn laid_out<'r>(
    records: &[&'r BackupRecord],
    layout: Layout,
) -> impl Iterator<Item = &'r Manifest> {
    let manifests = records.iter().filter_map(|record| record.manifest.as_ref());
    manifests.filter(move |manifest| manifest.layout == layout)
}

/// Bytes of files that are each of one backup alone.
fn own_bytes(records: &[&BackupRecord]) -> u64 {
    laid_out(records, Layout::Standalone).map(Manifest::bytes).sum()
}

/// Every shared file that the backups name, once, with its size.
async fn files(cluster: &Cluster, records: &[&BackupRecord]) -> HashMap<FileId, u64> {
    let manifests = laid_out(records, Layout::Incremental);
    let digests: HashSet<&str> =
        manifests.flat_map(Manifest::contents).map(|(_, content)| content.list.as_str()).collect();
    let mut files = HashMap::new();
    for digest in digests {
        match catalog::load_list(cluster, digest).await {
            Ok(list) => files.extend(list.files().map(|(id, entry)| (id, entry.size))),
            Err(error) => {
                tracing::warn!(%digest, %error, "a list cannot be read; its bytes are left out");
            }
        }
    }
    files
}
