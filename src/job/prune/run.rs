//! `prune`: judge, act on the verdicts, sweep.

use std::sync::Arc;

use serde::Serialize;

use crate::catalog::{self, Cluster, Lease, PRUNE};
use crate::manifest::Tombstone;
use crate::model::{BackupName, ErrorKind, KeyPrefix, ObjectKey};
use crate::plan::{Judgement, PruneFacts, Subject, Verdict, plan_prune};
use crate::storage::{ObjectStore, ObjectStoreExt};

use super::delete::own_cluster;
use super::survey::survey;
use super::sweep::{Swept, preview, sweep};
use crate::job::{JobContext, JobError, JobResult, RunOutcome};

/// Keys deleted at once.
const BATCH: usize = 1000;

/// Whether anything is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prune {
    /// Only told.
    Plan,
    /// Done.
    Apply,
}

/// Where restores of this agent stage files.
#[derive(Debug, Clone)]
pub struct StagingRoot {
    /// The folder.
    pub store: Arc<dyn ObjectStore>,
    /// Whether it was configured, so that agents of other repositories may use it too.
    pub shared: bool,
}

/// One verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerdictRow {
    /// A backup's name, or a path in the cluster's folder.
    pub name: String,
    /// What becomes of it.
    pub verdict: Verdict,
    /// Why.
    pub reasons: Vec<String>,
}

/// `prune`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PruneReport {
    /// Whether anything was deleted, and not only told.
    pub applied: bool,
    /// Why unreferenced files were not looked for, if something is wrong.
    pub refused: Option<String>,
    /// Every verdict.
    pub verdicts: Vec<VerdictRow>,
    /// Shared and staged files that were deleted.
    pub files_deleted: u64,
    /// Their bytes.
    pub bytes_deleted: u64,
    /// What could not be deleted, and why; the next prune tries again.
    pub errors: Vec<String>,
}

impl PruneReport {
    /// Whether everything was done that could be.
    pub fn outcome(&self) -> RunOutcome {
        if self.errors.is_empty() { RunOutcome::Complete } else { RunOutcome::Partial }
    }

    pub(super) fn deleted(&mut self, (files, bytes): (u64, u64)) {
        self.files_deleted += files;
        self.bytes_deleted += bytes;
    }
}

/// Tells what can go, or deletes it.
pub async fn run_prune(
    context: &JobContext,
    staging: Option<&StagingRoot>,
    prune: Prune,
) -> JobResult<PruneReport> {
    let (cluster, _) = own_cluster(context).await?;
    let mut report = PruneReport {
        applied: prune == Prune::Apply,
        refused: None,
        verdicts: Vec::new(),
        files_deleted: 0,
        bytes_deleted: 0,
        errors: Vec::new(),
    };
    if prune == Prune::Plan {
        let work = async {
            let facts = survey(&cluster, staging).await?;
            let judged = plan_prune(&facts, &context.retention, context.clock.now());
            report.verdicts = judged.into_iter().map(row).collect();
            add(&mut report, preview(context, (&cluster, staging), &facts.backups).await?);
            Ok(())
        };
        context
            .cancel
            .run_until_cancelled(work)
            .await
            .unwrap_or_else(|| Err(JobError::cancelled()))?;
        return Ok(report);
    }
    let lease = Lease::acquire(&cluster, PRUNE).await?;
    let work = apply(context, (&cluster, &lease), staging, &mut report);
    let lost = lease.lost().clone();
    let ended = tokio::select! {
        () = context.cancel.cancelled() => Err(JobError::cancelled()),
        () = lost.cancelled() => lease.check().await.map_err(JobError::from),
        ended = work => ended,
    };
    lease.release().await;
    ended?;
    Ok(report)
}

async fn apply(
    context: &JobContext,
    (cluster, lease): (&Cluster, &Lease),
    staging: Option<&StagingRoot>,
    report: &mut PruneReport,
) -> JobResult<()> {
    let facts = survey(cluster, staging).await?;
    for judgement in plan_prune(&facts, &context.retention, context.clock.now()) {
        let mut row = row(judgement.clone());
        if let (Verdict::Keep, Some(name)) = (judgement.verdict, committed(&facts, &judgement)) {
            match catalog::tidy(cluster, lease, name).await.map_err(JobError::from) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Locked => return Err(error),
                Err(error) => report.errors.push(format!("{name}: {}", error.chain())),
            }
        }
        if judgement.verdict == Verdict::Delete {
            let done = delete(context, (cluster, lease), staging, (&facts, &judgement)).await;
            match done {
                Ok(Deleted::Files(files, bytes)) => report.deleted((files, bytes)),
                Ok(Deleted::No(why)) => (row.verdict, row.reasons) = (Verdict::Leave, vec![why]),
                Err(error) if error.kind() == ErrorKind::Locked => return Err(error),
                Err(error) => {
                    row.verdict = Verdict::Leave;
                    report.errors.push(format!("{}: {}", row.name, error.chain()));
                }
            }
        }
        report.verdicts.push(row);
    }
    let swept = sweep(context, (cluster, staging)).await?;
    add(report, swept);
    Ok(())
}

/// The backup that a judgement is about.
fn committed<'f>(facts: &'f PruneFacts, judgement: &Judgement) -> Option<&'f BackupName> {
    let Subject::Backup(name) = &judgement.subject else { return None };
    let found = facts.backups.iter().find(|backup| backup.name == *name)?;
    found.manifest.is_there().then_some(&found.name)
}

enum Deleted {
    Files(u64, u64),
    No(String),
}

async fn delete(
    context: &JobContext,
    (cluster, lease): (&Cluster, &Lease),
    staging: Option<&StagingRoot>,
    (facts, judgement): (&PruneFacts, &Judgement),
) -> JobResult<Deleted> {
    match &judgement.subject {
        Subject::Backup(name) => {
            let found = facts.backups.iter().find(|backup| backup.name == *name);
            if found.is_some_and(|backup| !backup.tombstone.is_there()) {
                let (version, at) = (1, context.clock.now());
                let tombstone = Tombstone { version, at, reason: judgement.reason.clone() };
                catalog::bury(cluster, name, (tombstone, Some(lease))).await?;
                // A run that was suspended may have woken and committed just before that.
                if catalog::has_manifest(cluster, name).await? {
                    catalog::lift(cluster, lease, name).await?;
                    return Ok(Deleted::No("its run has come to its end after all".to_owned()));
                }
            }
            catalog::remove_backup(cluster, lease, name).await?;
            let run = found.and_then(|backup| backup.attempt.read());
            if let Some(attempt) = run.filter(|attempt| attempt.lease.starts_with("run-")) {
                catalog::remove_lease(cluster, lease, &attempt.lease).await?;
            }
            Ok(Deleted::Files(0, 0))
        }
        Subject::Lease(name) => {
            catalog::remove_lease(cluster, lease, name).await?;
            Ok(Deleted::Files(0, 0))
        }
        Subject::Staging(folder) => match staging {
            Some(root) => clear(lease, &root.store, folder).await,
            None => Ok(Deleted::Files(0, 0)),
        },
        Subject::Restore(_) => Ok(Deleted::No("ledgers are for a restore to remove".to_owned())),
    }
}

async fn clear(lease: &Lease, store: &Arc<dyn ObjectStore>, folder: &str) -> JobResult<Deleted> {
    let Ok(prefix) = KeyPrefix::new(folder) else {
        return Ok(Deleted::No("its name is no key".to_owned()));
    };
    let files = store.list_all(&prefix).await?;
    let bytes = files.iter().map(|meta| meta.size).sum();
    let keys: Vec<ObjectKey> = files.into_iter().map(|meta| meta.key).collect();
    for batch in keys.chunks(BATCH) {
        if let Some((_, error)) = lease.delete_in(store, batch).await?.failed.into_iter().next() {
            return Err(error.into());
        }
    }
    Ok(Deleted::Files(keys.len() as u64, bytes))
}

fn row(judgement: Judgement) -> VerdictRow {
    let name = match judgement.subject {
        Subject::Backup(name) => name.to_string(),
        Subject::Restore(id) => format!("_restores/{id}.json"),
        Subject::Lease(name) => format!("_leases/{name}"),
        Subject::Staging(folder) => format!("staging/{folder}"),
    };
    VerdictRow { name, verdict: judgement.verdict, reasons: vec![judgement.reason] }
}

fn add(report: &mut PruneReport, swept: Swept) {
    match swept {
        Swept::Refused(why) => report.refused = Some(why),
        Swept::Busy(why) => report.verdicts.push(VerdictRow {
            name: "_segments".to_owned(),
            verdict: Verdict::Leave,
            reasons: vec![why],
        }),
        Swept::Done(found) => {
            report.deleted(found.deleted);
            report.verdicts.extend(found.rows);
            report.errors.extend(found.errors);
        }
    }
}
