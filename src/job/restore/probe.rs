//! Whether Milvus can read the staging folder, found out before the first import.

use crate::plan::RestorePlan;

use super::session::Session;
use crate::job::JobResult;

/// To be written once the experiments say how.
#[expect(clippy::unused_async, reason = "a placeholder until the probe is known")]
pub(super) async fn probe(_session: &Session<'_>, _plan: &RestorePlan) -> JobResult<()> {
    Ok(())
}
