//! Rows that a Milvus 2.2 would lose: deleted, and written again in the same segment.
//!
//! Its importer drops every row of a deleted key, whenever it was written (measured on 2.2.16:
//! 1,000 rows, 100 of them deleted and inserted anew before the flush, came back as 900; 2.3.5
//! brings back all). Binlogs are not decoded here, so nobody knows which segments have such
//! rows: one without a delta log has none.

use std::collections::BTreeSet;

use crate::catalog::Readable;
use crate::job::{JobError, JobResult};
use crate::milvus::MilvusVersion;
use crate::model::{ErrorKind, Namespace};
use crate::plan::RestorePlan;

/// The first of many collections tell enough.
const SHOWN: usize = 5;

/// What the report says of a collection that may have lost rows.
pub(super) const NOTE: &str = "rows that were deleted and then written again in the same segment are lost: Milvus 2.2 ignores the order when it imports";

/// Whether such rows may be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LostReinserts {
    /// Then nothing is restored.
    Refuse,
    /// Someone has said so.
    Accept,
}

/// The collections of a plan that may lose rows in this server. `unread` says whether a list that
/// cannot be read is passed over.
pub(in crate::job) async fn may_lose(
    backup: &Readable,
    version: &MilvusVersion,
    plan: &RestorePlan,
    unread: impl Fn(JobError) -> JobResult<String>,
) -> JobResult<BTreeSet<Namespace>> {
    let mut found = BTreeSet::new();
    if !version.imports_lose_reinserts() {
        return Ok(found);
    }
    for collection in &plan.collections {
        let list = match backup.list(&collection.content.list).await {
            Ok(list) => list,
            Err(error) => {
                unread(error.into())?;
                continue;
            }
        };
        if list.segments().iter().any(|segment| !segment.delta.is_empty()) {
            found.insert(collection.to.clone());
        }
    }
    Ok(found)
}

/// The same, or the refusal.
pub(super) async fn look(
    backup: &Readable,
    version: &MilvusVersion,
    plan: &RestorePlan,
    reinserts: LostReinserts,
) -> JobResult<BTreeSet<Namespace>> {
    let found = may_lose(backup, version, plan, Err).await?;
    if found.is_empty() || reinserts == LostReinserts::Accept {
        return Ok(found);
    }
    let first: Vec<String> = found.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = found.len().checked_sub(SHOWN).filter(|more| *more > 0);
    let more = more.map(|more| format!(" and {more} more")).unwrap_or_default();
    let message = format!(
        "the backup has deletes in {}{more}, and Milvus {version} would lose rows that were deleted and then written again",
        first.join(", ")
    );
    Err(JobError::new(ErrorKind::Refused, message).hint(
        "restore into Milvus 2.3 or later, leave these out (--collections), or lose such rows (--accept-lost-reinserts)",
    ))
}
