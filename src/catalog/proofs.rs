//! What drills and scheduled verifications have shown of a policy's backups.

use std::collections::BTreeMap;

use crate::manifest::{DrillProof, ReadingProof};
use crate::model::PolicyName;
use crate::storage::PutMode;

use super::{CatalogError, CatalogResult, Cluster};

/// How drills of a policy's backups ended, if there ever was one.
pub async fn drill_proof(
    cluster: &Cluster,
    policy: &PolicyName,
) -> CatalogResult<Option<DrillProof>> {
    cluster.repository.read("record of drills", &cluster.layout.drill_proof(policy)).await
}

/// The same of every policy that has one. One that cannot be read is left out, with a warning.
pub async fn drill_proofs(cluster: &Cluster) -> CatalogResult<BTreeMap<PolicyName, DrillProof>> {
    let mut proofs = BTreeMap::new();
    for folder in cluster.repository.store().list_folders(&cluster.layout.proofs()).await? {
        let Ok(policy) = PolicyName::new(&folder) else { continue };
        match drill_proof(cluster, &policy).await {
            Ok(proof) => proofs.extend(proof.map(|proof| (policy, proof))),
            Err(CatalogError::Document { place, source }) => {
                tracing::warn!(place, error = %source, "what drills have shown cannot be read");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(proofs)
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
