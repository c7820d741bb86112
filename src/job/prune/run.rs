//! `prune`: judge, act on the verdicts, sweep.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::FutureExt;

use serde::Serialize;

use crate::catalog::{self, Cluster, Lease, PRUNE};
use crate::manifest::Tombstone;
use crate::metrics::{self, LeaseScope, PruneFailure};
use crate::model::{ErrorKind, Guard, KeyPrefix, ObjectKey};
use crate::plan::{
    BackupFacts, Judgement, PruneFacts, Refusal, RetentionPlan, RetentionTerms, Subject, Verdict,
    plan_prune, plan_retention,
};
use crate::storage::{ObjectStore, ObjectStoreExt};

use super::delete::own_cluster;
use super::request::{Prune, PruneRequest, Sweeping};
use super::survey::survey;
use super::sweep::{Swept, preview, sweep};
use crate::job::{JobContext, JobError, JobResult, RunOutcome};

/// Keys deleted at once.
const BATCH: usize = 1000;

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
    /// Why something that may go has not gone, if something is wrong: the guards that refuse,
    /// and why unreferenced files were not looked for.
    pub refused: Option<String>,
    /// The guards that refuse.
    pub guards: Vec<Refusal>,
    /// Every verdict.
    pub verdicts: Vec<VerdictRow>,
    /// Backups that were hidden because no rule keeps them.
    pub backups_hidden: u64,
    /// Backups that are gone for good, of those that were hidden before.
    pub backups_deleted: u64,
    /// Shared and staged files that were deleted.
    pub files_deleted: u64,
    /// Their bytes.
    pub bytes_deleted: u64,
    /// What could not be deleted, and why; the next prune tries again.
    pub errors: Vec<String>,
    /// Their kinds.
    #[serde(skip)]
    pub error_kinds: Vec<ErrorKind>,
    /// Whether unreferenced files were not looked for because something is wrong.
    #[serde(skip)]
    pub unswept: bool,
}

impl PruneReport {
    /// Whether everything was done that could be.
    pub fn outcome(&self) -> RunOutcome {
        let whole = self.errors.is_empty() && self.refused.is_none();
        if whole { RunOutcome::Complete } else { RunOutcome::Partial }
    }

    /// The same, as metrics tell it.
    pub fn facts(&self) -> metrics::PruneFacts {
        let mut refused: BTreeSet<Guard> = self.guards.iter().map(|one| one.guard).collect();
        if self.unswept {
            refused.insert(Guard::CatalogIncomplete);
        }
        let failure = |kind: &ErrorKind| match kind {
            ErrorKind::NotAuthorised => PruneFailure::NotAuthorised,
            ErrorKind::Unreachable => PruneFailure::Unreachable,
            ErrorKind::Failed
            | ErrorKind::Usage
            | ErrorKind::NothingToDo
            | ErrorKind::NotFound
            | ErrorKind::Locked
            | ErrorKind::Damaged
            | ErrorKind::Refused
            | ErrorKind::Cancelled => PruneFailure::Failed,
        };
        metrics::PruneFacts {
            deleted_backups: self.backups_deleted,
            deleted_bytes: self.bytes_deleted,
            failures: self.error_kinds.iter().map(failure).collect(),
            refused: refused.into_iter().collect(),
        }
    }

    fn failed(&mut self, name: &str, error: &JobError) {
        self.errors.push(format!("{name}: {}", error.chain()));
        self.error_kinds.push(error.kind());
    }

    fn refused(&mut self, why: String) {
        self.refused = Some(match self.refused.take() {
            Some(before) => format!("{before}; {why}"),
            None => why,
        });
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
    request: impl Into<PruneRequest>,
) -> JobResult<PruneReport> {
    let request = request.into();
    let (cluster, _) = own_cluster(context).await?;
    let mut report = PruneReport {
        applied: request.prune == Prune::Apply,
        refused: None,
        guards: Vec::new(),
        verdicts: Vec::new(),
        backups_hidden: 0,
        backups_deleted: 0,
        files_deleted: 0,
        bytes_deleted: 0,
        errors: Vec::new(),
        error_kinds: Vec::new(),
        unswept: false,
    };
    if request.prune == Prune::Plan {
        let work = async {
            let (facts, retention) = look(context, (&cluster, staging), &request).await?;
            tell_refusals(&retention, &mut report);
            let judged = plan_prune(&facts, &retention, (&context.retention, context.clock.now()));
            report.verdicts = judged.into_iter().map(row).collect();
            if request.sweeping == Sweeping::Yes {
                add(&mut report, preview(context, (&cluster, staging), facts).await?);
            }
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
    let _held = context.holds(LeaseScope::Prune, &lease);
    let work = apply(context, (&cluster, &lease), (staging, &request), &mut report);
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

/// What is there, and what the rules say of it.
async fn look(
    context: &JobContext,
    (cluster, staging): (&Cluster, Option<&StagingRoot>),
    request: &PruneRequest,
) -> JobResult<(PruneFacts, RetentionPlan)> {
    let facts = survey(cluster, staging, request.prune).boxed().await?;
    let mut policies = request.policies.clone();
    for policy in &mut policies {
        policy.mark = catalog::retention_mark(cluster, &policy.name).await?;
    }
    let host = catalog::this_process().host;
    let terms = RetentionTerms {
        graces: &context.retention,
        allow: &request.allow,
        host: &host,
        now: context.clock.now(),
    };
    let retention = plan_retention(&facts.backups, &policies, &terms);
    Ok((facts, retention))
}

fn tell_refusals(retention: &RetentionPlan, report: &mut PruneReport) {
    report.guards.clone_from(&retention.refusals);
    for refusal in &retention.refusals {
        report.refused(refusal.message.clone());
    }
}

async fn apply(
    context: &JobContext,
    (cluster, lease): (&Cluster, &Lease),
    (staging, request): (Option<&StagingRoot>, &PruneRequest),
    report: &mut PruneReport,
) -> JobResult<()> {
    let (facts, retention) = look(context, (cluster, staging), request).await?;
    tell_refusals(&retention, report);
    for (policy, mark) in &retention.marks {
        catalog::put_retention_mark(cluster, lease, (policy, mark)).await?;
    }
    for judgement in plan_prune(&facts, &retention, (&context.retention, context.clock.now())) {
        let mut row = row(judgement.clone());
        if judgement.verdict == Verdict::Delete {
            let done = delete(context, (cluster, lease), staging, (&facts, &judgement)).await;
            match done {
                Ok(Deleted::Files(files, bytes)) => report.deleted((files, bytes)),
                Ok(Deleted::Hidden) => report.backups_hidden += 1,
                Ok(Deleted::Backup) => report.backups_deleted += 1,
                Ok(Deleted::No(why)) => (row.verdict, row.reasons) = (Verdict::Leave, vec![why]),
                Err(error) if error.kind() == ErrorKind::Locked => return Err(error),
                Err(error) => {
                    row.verdict = Verdict::Leave;
                    report.failed(&row.name, &error);
                }
            }
        }
        report.verdicts.push(row);
    }
    if request.sweeping == Sweeping::Yes {
        let swept = sweep(context, (cluster, staging)).boxed().await?;
        add(report, swept);
    }
    Ok(())
}

enum Deleted {
    Files(u64, u64),
    Hidden,
    Backup,
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
            let Some(found) = found else { return Ok(Deleted::Files(0, 0)) };
            let reason = judgement.reasons.first().cloned().unwrap_or_default();
            match found.committed() {
                Some(manifest) => {
                    let policy = Some(manifest.policy.clone());
                    hide(context, (cluster, lease), found, (reason, policy)).await
                }
                None => remove(context, (cluster, lease), found, reason).await,
            }
        }
        Subject::Lease(name) => {
            catalog::remove_lease(cluster, lease, name).boxed().await?;
            Ok(Deleted::Files(0, 0))
        }
        Subject::Staging(folder) => match staging {
            Some(root) => clear(lease, &root.store, folder).boxed().await,
            None => Ok(Deleted::Files(0, 0)),
        },
        Subject::Restore(_) => Ok(Deleted::No("ledgers are for a restore to remove".to_owned())),
    }
}

/// Hides a backup that no rule keeps. Whoever pins it looks for a tombstone afterwards, so one
/// of both sees the other.
async fn hide(
    context: &JobContext,
    (cluster, lease): (&Cluster, &Lease),
    found: &BackupFacts,
    (reason, policy): (String, Option<String>),
) -> JobResult<Deleted> {
    let name = &found.name;
    let tombstone = Tombstone { version: 1, at: context.clock.now(), reason, policy };
    catalog::bury(cluster, name, (tombstone, Some(lease))).await?;
    if catalog::pin(cluster, name).await? != found.pin {
        catalog::lift(cluster, lease, name).await?;
        return Ok(Deleted::No("it was pinned meanwhile".to_owned()));
    }
    Ok(Deleted::Hidden)
}

/// Takes away what is hidden and due, or an attempt that came to nothing.
async fn remove(
    context: &JobContext,
    (cluster, lease): (&Cluster, &Lease),
    found: &BackupFacts,
    reason: String,
) -> JobResult<Deleted> {
    let name = &found.name;
    if !found.tombstone.is_there() {
        let (version, at) = (1, context.clock.now());
        let tombstone = Tombstone { version, at, reason, policy: None };
        catalog::bury(cluster, name, (tombstone, Some(lease))).await?;
        // A run that was suspended may have woken and committed just before that.
        if catalog::has_manifest(cluster, name).await? {
            catalog::lift(cluster, lease, name).await?;
            return Ok(Deleted::No("its run has come to its end after all".to_owned()));
        }
    }
    catalog::remove_backup(cluster, lease, name).boxed().await?;
    let run = found.attempt.read();
    if let Some(attempt) = run.filter(|attempt| attempt.lease.starts_with("run-")) {
        catalog::remove_lease(cluster, lease, &attempt.lease).await?;
    }
    Ok(if found.manifest.is_there() { Deleted::Backup } else { Deleted::Files(0, 0) })
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
    VerdictRow { name, verdict: judgement.verdict, reasons: judgement.reasons }
}

fn add(report: &mut PruneReport, swept: Swept) {
    match swept {
        Swept::Refused(why) => {
            report.unswept = true;
            report.refused(format!("no file was looked for: {why}"));
        }
        Swept::Busy(why) => report.verdicts.push(VerdictRow {
            name: "_segments".to_owned(),
            verdict: Verdict::Leave,
            reasons: vec![why],
        }),
        Swept::Done(found) => {
            report.deleted(found.deleted);
            report.verdicts.extend(found.rows);
            for error in found.errors {
                report.error_kinds.push(error.kind());
                report.errors.push(error.chain());
            }
        }
    }
}
