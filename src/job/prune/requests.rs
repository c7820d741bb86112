//! Requests that nobody sends again any more.

use jiff::Timestamp;

use crate::catalog::{self, Cluster, Lease, REQUESTS_KNOWN_FOR};
use crate::job::{JobError, JobResult};
use crate::model::ObjectKey;
use crate::plan::Verdict;

use super::report::VerdictRow;
use super::sweep::{BATCH, Found};

/// Tells of the requests that are older than anyone asks for.
pub(super) async fn find(
    cluster: &Cluster,
    now: Timestamp,
    found: &mut Found,
) -> JobResult<Vec<ObjectKey>> {
    let forgotten = catalog::forgotten_requests(cluster, now).await?;
    if !forgotten.is_empty() {
        let documents = if forgotten.len() == 1 { "request" } else { "requests" };
        let old = format!("{} {documents} older than {REQUESTS_KNOWN_FOR:#}", forgotten.len());
        let (name, reasons) = ("_requests".to_owned(), vec![old]);
        found.rows.push(VerdictRow { name, verdict: Verdict::Delete, reasons });
    }
    Ok(forgotten)
}

/// Deletes them.
pub(super) async fn delete(
    (cluster, lease): (&Cluster, &Lease),
    forgotten: &[ObjectKey],
    found: &mut Found,
) -> JobResult<()> {
    for batch in forgotten.chunks(BATCH) {
        let report = lease.delete_in(cluster.repository.store(), batch).await?;
        if let Some((_, error)) = report.failed.into_iter().next() {
            found.errors.push(JobError::from(error));
            return Ok(());
        }
    }
    Ok(())
}
