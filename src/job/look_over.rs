//! The catalog as `status` tells it: what there is of each policy, by name, and what is wrong.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::catalog::{self, BackupRecord, BackupState, Repository};
use crate::config::{self, Place};
use crate::manifest::DrillProof;
use crate::metrics::{CatalogFacts, RepositoryClass};
use crate::status::{
    BackupFacts, BackupsFacts, DoubtfulBackup, DrillRecord, EndFacts, RepositoryFacts,
};
use crate::storage::Space;

use super::overview;
use super::{JobContext, JobResult, Sizes};

/// What one reading of the catalog tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Overview {
    /// As metrics tell it.
    pub facts: CatalogFacts,
    /// As `status` does: by policy, the empty name for those without.
    pub backups: BTreeMap<String, BackupsFacts>,
    /// The space in the repository's place, where it knows.
    pub space: Option<Space>,
}

/// Reads the catalog of the context's own cluster; an absent repository is an empty one. With
/// [`Sizes::Unique`] it reads all lists of files too, to tell what the bytes are there for.
pub async fn look_over(context: &JobContext, sizes: Sizes) -> JobResult<Overview> {
    let read_at = context.clock.now();
    let repository = Repository::unopened(Arc::clone(&context.repository));
    let cluster = repository.cluster(&context.cluster);
    let records = catalog::list_own(&cluster, &*context.clock).await?;
    let bytes = match sizes {
        Sizes::Known => BTreeMap::new(),
        Sizes::Unique => overview::bytes(&cluster, &records).await,
    };
    let mut backups = by_policy(&records, read_at);
    for (policy, proof) in catalog::drill_proofs(&cluster).await? {
        backups.entry(policy.to_string()).or_default().drill = Some(drilled(proof));
    }
    let space = context.repository.space().await?;
    let policies = overview::by_policy(&records, read_at);
    let facts = CatalogFacts {
        read_at,
        policies,
        bytes,
        free_bytes: space.map(|space| space.free),
        min_free_bytes: space.map(|space| context.min_free.bytes(space.total)),
    };
    Ok(Overview { facts, backups, space })
}

impl Overview {
    /// What it says of the place.
    pub fn repository(&self, settings: &config::Repository) -> RepositoryFacts {
        let least = |space: Space| settings.min_free.bytes(space.total);
        RepositoryFacts {
            read_at: Some(self.facts.read_at),
            free_bytes: self.facts.free_bytes,
            min_free_bytes: self.space.map(least),
            bytes: self.facts.bytes.get(&RepositoryClass::Referenced).copied(),
            ..unread_repository(settings)
        }
    }
}

/// The place alone.
pub fn unread_repository(settings: &config::Repository) -> RepositoryFacts {
    let place = match &settings.place {
        Place::Folder(path) => path.display().to_string(),
        Place::S3(bucket) => bucket.place(),
    };
    RepositoryFacts { place, ..RepositoryFacts::default() }
}

fn by_policy(records: &[BackupRecord], now: Timestamp) -> BTreeMap<String, BackupsFacts> {
    let mut policies: BTreeMap<String, BackupsFacts> = BTreeMap::new();
    // What milvus-backup wrote is of no policy.
    for record in records.iter().filter(|record| record.state != BackupState::Foreign) {
        add(policies.entry(overview::policy_of(record).to_owned()).or_default(), record, now);
    }
    policies
}

fn add(policy: &mut BackupsFacts, record: &BackupRecord, now: Timestamp) {
    *policy.states.entry(record.state).or_default() += 1;
    policy.pinned += u64::from(record.pin.as_ref().is_some_and(|pin| pin.holds(now)));
    let name = record.name.to_string();
    if let Some((at, outcome)) = overview::end(record)
        && policy.last_end.as_ref().is_none_or(|known| known.at <= at)
    {
        let (backup, why) = (name.clone(), record.reasons.join("; "));
        let detail = (!why.is_empty()).then_some(why);
        let end = EndFacts { outcome, at, backup, detail, hint: None, again_at: None };
        policy.last_end = Some(end);
    }
    match record.state {
        BackupState::Running => {
            let since = record.attempt.as_ref().map(|attempt| attempt.started_at);
            policy.running = since.map(|since| (name.clone(), since));
        }
        state @ (BackupState::Suspect | BackupState::Damaged) => {
            let (name, why) = (name.clone(), record.reasons.join("; "));
            let found_damaged = state == BackupState::Suspect && record.doubt.is_some();
            policy.doubtful.push(DoubtfulBackup { name, state, found_damaged, why });
        }
        BackupState::Complete
        | BackupState::Partial
        | BackupState::Failed
        | BackupState::Tombstoned
        | BackupState::Foreign => {}
    }
    let Some(manifest) = record.manifest.as_ref().filter(|_| record.is_committed()) else {
        return;
    };
    let moment = manifest.created_at;
    let (oldest, newest) = policy.window.unwrap_or((moment, moment));
    policy.window = Some((oldest.min(moment), newest.max(moment)));
    let at = manifest.completed_at;
    let newest = policy.last_good.as_ref().is_none_or(|known| known.at <= at);
    if record.state == BackupState::Complete && newest {
        let (rows, bytes) = (manifest.rows(), manifest.bytes());
        policy.last_good = Some(BackupFacts { name, at, rows, bytes });
    }
}

fn drilled(proof: DrillProof) -> DrillRecord {
    let took = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
    DrillRecord {
        last: proof.last.map(|end| (end.at, end.outcome, end.detail)),
        last_success: proof.last_success.map(|end| (end.at, end.backup, took(end.rto_seconds))),
    }
}
