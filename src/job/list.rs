//! The catalog as people and scripts see it.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use crate::catalog::{self, BackupRecord, BackupState, Cluster};
use crate::manifest::{FileId, Manifest};
use crate::model::Layout;
use crate::plan::goes_at;

use super::{JobContext, JobResult};

/// One line of `list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListRow {
    /// The backup's name.
    pub name: String,
    /// The cluster.
    pub cluster: String,
    /// The policy; empty for none.
    pub policy: String,
    /// What it is.
    pub state: BackupState,
    /// How its files are laid out.
    pub layout: Option<Layout>,
    /// When its run started, as far as that is known.
    pub created_at: Option<String>,
    /// Stored rows, before deletes.
    pub rows: u64,
    /// Bytes of all its files, shared ones included.
    pub bytes: u64,
    /// Bytes that no other backup refers to; only with `--sizes`.
    pub unique_bytes: Option<u64>,
    /// Collections that can be restored.
    pub collections: usize,
    /// Whether it is pinned.
    pub pinned: bool,
    /// Why it is not complete.
    pub reasons: Vec<String>,
    /// Until when a deleted backup can be brought back.
    pub removed_after: Option<String>,
}

/// Whether `list` reads all file lists to tell what a backup alone refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sizes {
    /// Manifests only.
    Known,
    /// All lists.
    Unique,
}

/// All backups of all clusters, the context's own cluster first.
pub async fn run_list(context: &JobContext, sizes: Sizes) -> JobResult<Vec<ListRow>> {
    let repository = context.open_repository().await?;
    let mut clusters = repository.clusters().await?;
    clusters.sort_by_key(|cluster| (cluster.name != context.cluster, cluster.name.clone()));
    let mut rows = Vec::new();
    for cluster in clusters {
        let records = catalog::list(&cluster, &*context.clock).await?;
        let unique = match sizes {
            Sizes::Known => None,
            Sizes::Unique => Some(unique_bytes(&cluster, &records).await?),
        };
        rows.extend(records.iter().map(|record| row(context, record, unique.as_ref())));
    }
    Ok(rows)
}

fn row(
    context: &JobContext,
    record: &BackupRecord,
    unique: Option<&HashMap<String, u64>>,
) -> ListRow {
    let manifest = record.content();
    let attempt = record.attempt.as_ref();
    let policy = manifest.map(|manifest| &manifest.policy);
    ListRow {
        name: record.name.to_string(),
        cluster: record.cluster.to_string(),
        policy: policy.or(attempt.map(|attempt| &attempt.policy)).cloned().unwrap_or_default(),
        state: record.state,
        layout: manifest.map(|manifest| manifest.layout),
        // An export has the moment of its backup.
        created_at: manifest
            .map(|manifest| manifest.created_at)
            .or(attempt.map(|attempt| attempt.started_at))
            .map(|moment| moment.to_string()),
        rows: manifest.map_or(0, Manifest::rows),
        bytes: manifest.map_or(0, Manifest::bytes),
        unique_bytes: unique.map(|unique| match &record.foreign {
            Some(tree) => tree.bytes(),
            None => unique.get(record.name.as_str()).copied().unwrap_or(0),
        }),
        collections: manifest.map_or(0, |manifest| manifest.contents().count()),
        pinned: record.pin.as_ref().is_some_and(|pin| pin.holds(context.clock.now())),
        reasons: record.reasons.clone(),
        removed_after: removed_after(context, record),
    }
}

/// The end of a deleted backup's grace; none once its manifest is gone.
fn removed_after(context: &JobContext, record: &BackupRecord) -> Option<String> {
    let tombstone = record.tombstone.as_ref().filter(|_| record.manifest.is_some())?;
    Some(goes_at(tombstone.at, context.retention.delete_grace).to_string())
}

/// Bytes by backup of files that only this backup refers to: of a standalone one all. Backups
/// that share a list share all of its files, so each list is read once.
async fn unique_bytes(
    cluster: &Cluster,
    records: &[BackupRecord],
) -> JobResult<HashMap<String, u64>> {
    let mut owners: HashMap<&str, HashSet<&str>> = HashMap::new();
    let mut unique = HashMap::new();
    for record in records {
        let Some(manifest) = &record.manifest else { continue };
        if manifest.layout == Layout::Standalone {
            unique.insert(record.name.to_string(), manifest.bytes());
            continue;
        }
        for (_, content) in manifest.contents() {
            owners.entry(&content.list).or_default().insert(record.name.as_str());
        }
    }
    let mut files: HashMap<FileId, (Option<&str>, u64)> = HashMap::new();
    for (digest, names) in &owners {
        let only = if names.len() == 1 { names.iter().next().copied() } else { None };
        let list = match catalog::load_list(cluster, digest).await {
            Ok(list) => list,
            Err(error) => {
                tracing::warn!(%digest, %error, "a list cannot be read; its sizes are left out");
                continue;
            }
        };
        for (id, entry) in list.files() {
            files
                .entry(id)
                .and_modify(|(owner, _)| *owner = owner.filter(|owner| Some(*owner) == only))
                .or_insert((only, entry.size));
        }
    }
    for (owner, size) in files.into_values() {
        if let Some(owner) = owner {
            *unique.entry(owner.to_owned()).or_default() += size;
        }
    }
    Ok(unique)
}
