//! What drills have shown of a policy's backups.

use crate::manifest::DrillProof;
use crate::model::PolicyName;
use crate::storage::PutMode;

use super::{CatalogResult, Cluster};

/// How drills of a policy's backups ended, if there ever was one.
pub async fn drill_proof(
    cluster: &Cluster,
    policy: &PolicyName,
) -> CatalogResult<Option<DrillProof>> {
    cluster.repository.read("record of drills", &cluster.layout.drill_proof(policy)).await
}

/// Writes that down, in the place of what there was.
pub async fn put_drill_proof(
    cluster: &Cluster,
    policy: &PolicyName,
    proof: &DrillProof,
) -> CatalogResult<()> {
    let key = cluster.layout.drill_proof(policy);
    cluster.repository.write(&key, proof, PutMode::Overwrite).await?;
    Ok(())
}
