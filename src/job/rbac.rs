//! Users and roles: asked of Milvus, read from a backup, put back.

use crate::catalog::Readable;
use crate::milvus::{MilvusError, MilvusErrorKind};
use crate::model::{ErrorKind, Rbac};
use crate::plan::{RbacPlan, plan_rbac};

use super::{JobContext, JobError, JobResult, Wanted};

const BACKUP: &str = "BackupRBAC";
const RESTORE: &str = "RestoreRBAC";

/// What this Milvus has, in one answer.
pub(super) async fn of_milvus(context: &JobContext) -> JobResult<Rbac> {
    context.milvus.rbac().await.map_err(|error| refused(context, error, BACKUP))
}

/// What a restore of a backup makes, if that is wanted. Refused before anything is changed.
pub(super) async fn prepare(
    context: &JobContext,
    backup: &Readable,
    wanted: Wanted,
) -> JobResult<Option<RbacPlan>> {
    if wanted == Wanted::No {
        return Ok(None);
    }
    let name = &backup.manifest.name;
    let Some(held) = backup.rbac().await? else {
        let message = format!("backup `{name}` has no users and roles");
        return Err(JobError::new(ErrorKind::Refused, message)
            .hint("it was made without --rbac: leave --rbac out, or restore them from another backup; `show` tells which has them"));
    };
    Ok(Some(plan_rbac(&held, &of_milvus(context).await?)))
}

/// Makes what is missing, all of it or nothing.
pub(super) async fn put_back(context: &JobContext, plan: Option<&RbacPlan>) -> JobResult<()> {
    let missing = plan.map(|plan| &plan.missing).filter(|rbac| !rbac.counts().is_nothing());
    let Some(missing) = missing else { return Ok(()) };
    let put = context.milvus.restore_rbac(missing).await;
    put.map_err(|error| {
        refused(context, error, RESTORE)
            .or_hint("nothing was restored; run again, which looks anew at what is there")
    })
}

fn refused(context: &JobContext, error: MilvusError, privilege: &str) -> JobError {
    match error.kind() {
        MilvusErrorKind::Unimplemented => {
            let address = context.milvus.address();
            let message = format!("Milvus at {address} cannot tell its users and roles: {error}");
            JobError::new(ErrorKind::Refused, message)
                .hint("Milvus can since 2.5; leave --rbac out, or `rbac` of the policy")
        }
        MilvusErrorKind::NotAuthorised => JobError::from(error)
            .hint(format!("grant the agent's user the privilege `{privilege}` (object `Global`)")),
        MilvusErrorKind::Unreachable
        | MilvusErrorKind::Misconfigured
        | MilvusErrorKind::NotFound
        | MilvusErrorKind::AlreadyExists
        | MilvusErrorKind::Transient
        | MilvusErrorKind::Other => error.into(),
    }
}
