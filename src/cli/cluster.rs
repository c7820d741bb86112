//! `cluster list` and `cluster adopt`.

use std::sync::Arc;

use serde_json::json;

use crate::catalog::{self, Repository};
use crate::job::{self, JobContext, JobResult};
use crate::storage::Access;

use super::ExitStatus;
use super::args::ClusterCommand;
use super::output::{Output, table};

/// Adopting rewrites the cluster's mark.
pub(super) fn access(command: &ClusterCommand) -> Access {
    match command {
        ClusterCommand::List => Access::Read,
        ClusterCommand::Adopt { .. } => Access::WriteExisting,
    }
}

pub(super) async fn run(
    context: &JobContext,
    command: ClusterCommand,
    output: Output,
) -> JobResult<ExitStatus> {
    let repository = Repository::open(Arc::clone(&context.repository)).await?;
    match command {
        ClusterCommand::List => {
            let clusters = repository.clusters().await?;
            let names: Vec<&str> = clusters.iter().map(|cluster| cluster.name.as_str()).collect();
            let mut rows = Vec::new();
            for cluster in &clusters {
                let own = if cluster.name == context.cluster { "own" } else { "" };
                let backups = catalog::list(cluster, &*context.clock).await?.len();
                rows.push(vec![cluster.name.to_string(), backups.to_string(), own.to_owned()]);
            }
            output.print(&names, || table(&["cluster", "backups", ""], rows));
        }
        ClusterCommand::Adopt { name, reason } => {
            let why = (&*context.clock, reason.as_str());
            let mark = catalog::adopt(&repository, &name, &context.identity, why).await?;
            let drills = job::move_drills(context, &name).await?;
            let value = json!({
                "cluster": mark.name,
                "address": mark.address,
                "storage": mark.storage,
                "drills": drills,
            });
            output.print(&value, || {
                format!("cluster {name} is Milvus at {}, files in {}", mark.address, mark.storage)
            });
        }
    }
    Ok(ExitStatus::OK)
}
