//! Metrics of a command, for those who run no agent.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::job::{self, JobContext, Sizes};
use crate::metrics::{self, Metrics, RunFacts};
use crate::policy::PolicySet;
use crate::storage::Access;

use super::remembered::remember;
use super::{policy, session};

/// Writes what came of a run and what the repository holds, also of other policies: the file of
/// an earlier command is replaced, but for how the newest runs of other kinds ended. A file that
/// cannot be written fails no backup.
pub(super) async fn write(
    (config, file): (&Config, &Path),
    metrics: &Metrics,
    run: &RunFacts,
    context: Option<JobContext>,
) {
    metrics.add_policy(&run.policy);
    for policy in policy::load(config).iter().flat_map(PolicySet::iter) {
        metrics.add_policy(policy.name.as_str());
    }
    let earlier = std::fs::read_to_string(file).unwrap_or_default();
    remember(metrics, &earlier, run.kind);
    metrics.run_ended(run);
    let context = match context {
        // What failed before it came to that may have a repository all the same.
        None => session::open(config, Access::ReadIfAny, CancellationToken::new()).await.ok(),
        opened => opened,
    };
    if let Some(context) = context {
        match job::run_overview(&context, Sizes::Known).await {
            Ok(found) => {
                for policy in found.policies.keys() {
                    metrics.add_policy(policy);
                }
                metrics.catalog(found);
            }
            Err(error) => {
                tracing::warn!(error = error.chain(), "metrics are without the repository");
            }
        }
    }
    if let Err(error) = metrics::write_textfile(metrics, file) {
        tracing::warn!(file = %file.display(), %error, "metrics cannot be written");
    }
}
