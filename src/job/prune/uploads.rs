//! Parts of files that a killed run was writing: invisible, and paid for.

use jiff::{SignedDuration, Timestamp};

use crate::catalog::{Cluster, Lease};
use crate::job::{JobContext, JobError, JobResult};
use crate::plan::Verdict;
use crate::storage::{StoreErrorKind, StoreResult, UnfinishedWrite};

use super::run::VerdictRow;
use super::sweep::Found;

/// Younger ones may be written to, whatever is configured: a file on a slow line.
const LONGEST_WRITE: SignedDuration = SignedDuration::from_hours(24);

/// Tells of the uploads in the cluster's folder that are older than any write takes.
pub(super) async fn find(
    context: &JobContext,
    cluster: &Cluster,
    now: Timestamp,
    found: &mut Found,
) -> JobResult<Vec<UnfinishedWrite>> {
    let grace = context.retention.orphan_grace.max(LONGEST_WRITE);
    let Ok(before) = now.checked_sub(grace) else { return Ok(Vec::new()) };
    let uploads = listed(cluster, before).await?;
    if !uploads.is_empty() {
        let files = if uploads.len() == 1 { "file" } else { "files" };
        let reason = format!("parts of {} {files}, begun {grace:#} ago or earlier", uploads.len());
        let name = "unfinished uploads".to_owned();
        found.rows.push(VerdictRow { name, verdict: Verdict::Delete, reasons: vec![reason] });
    }
    Ok(uploads)
}

/// A credential that may not ask costs nobody his prune.
async fn listed(cluster: &Cluster, before: Timestamp) -> StoreResult<Vec<UnfinishedWrite>> {
    let store = cluster.repository.store();
    match store.unfinished(cluster.layout.root(), before).await {
        Err(error)
            if matches!(
                error.kind(),
                StoreErrorKind::PermissionDenied | StoreErrorKind::Unsupported
            ) =>
        {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(
                %error,
                cause,
                "uploads that a killed run left cannot be listed: allow \
                 s3:ListBucketMultipartUploads, or set a lifecycle rule"
            );
            Ok(Vec::new())
        }
        listed => listed,
    }
}

/// Takes them away.
pub(super) async fn abort(
    cluster: &Cluster,
    lease: &Lease,
    uploads: &[UnfinishedWrite],
    found: &mut Found,
) -> JobResult<()> {
    for upload in uploads {
        lease.check_half().await?;
        if let Err(error) = cluster.repository.store().abort(upload).await {
            // What this one has, the others will have, too.
            found.errors.push(JobError::from(error).chain());
            break;
        }
    }
    Ok(())
}
