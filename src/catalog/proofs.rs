//! What drills and scheduled verifications have shown of a policy's backups.

use crate::manifest::{DrillProof, ReadingProof};
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

/// How far scheduled verifications of a policy's backups have come, if there ever was one.
pub async fn reading_proof(
    cluster: &Cluster,
    policy: &PolicyName,
) -> CatalogResult<Option<ReadingProof>> {
    cluster.repository.read("record of readings", &cluster.layout.reading_proof(policy)).await
}

/// Writes that down, in the place of what there was.
pub async fn put_reading_proof(
    cluster: &Cluster,
    policy: &PolicyName,
    proof: &ReadingProof,
) -> CatalogResult<()> {
    let key = cluster.layout.reading_proof(policy);
    cluster.repository.write(&key, proof, PutMode::Overwrite).await?;
    Ok(())
}
