//! What is said of backups after their commit, and what prunes note of policies.

use crate::manifest::{Doubt, Pin, RetentionMark};
use crate::model::{BackupName, PolicyName};
use crate::plan::Found;
use crate::storage::PutMode;

use super::removal::found;
use super::{CatalogResult, Cluster, Lease};

/// Writes a pin, in the place of the one there was. The lease keeps the backup from going away,
/// here as in all that follows: a remark on what is gone would stay for ever.
pub async fn put_pin(
    cluster: &Cluster,
    lease: &Lease,
    (name, pin): (&BackupName, &Pin),
) -> CatalogResult<()> {
    lease.write(&cluster.layout.backup(name).pin(), pin, PutMode::Overwrite).await
}

/// A backup's pin as it is now.
pub async fn pin(cluster: &Cluster, name: &BackupName) -> CatalogResult<Found<Pin>> {
    let key = cluster.layout.backup(name).pin();
    found(cluster.repository.read("pin", &key).await)
}

/// Writes down that something is wrong with a backup. What was written first stays; damaged
/// files are added to it.
pub async fn put_doubt(
    cluster: &Cluster,
    lease: &Lease,
    (name, doubt): (&BackupName, &Doubt),
) -> CatalogResult<()> {
    let key = cluster.layout.backup(name).doubt();
    let doubt = match found(cluster.repository.read::<Doubt>("doubt", &key).await)? {
        Found::Absent => Some(doubt.clone()),
        Found::Read(before) => before.and(doubt),
        // Whatever it says, there is one.
        Found::Unreadable(_) | Found::TooNew(_) => None,
    };
    if let Some(doubt) = doubt {
        lease.write(&key, &doubt, PutMode::Overwrite).await?;
    }
    Ok(())
}

/// Takes it back.
pub async fn lift_doubt(cluster: &Cluster, lease: &Lease, name: &BackupName) -> CatalogResult<()> {
    lease.delete(&[cluster.layout.backup(name).doubt()]).await
}

/// What the last prune noted of a policy.
pub async fn retention_mark(
    cluster: &Cluster,
    policy: &PolicyName,
) -> CatalogResult<Found<RetentionMark>> {
    let key = cluster.layout.retention(policy);
    found(cluster.repository.read("retention mark", &key).await)
}

/// Notes the rules of a policy for the next prune. The lease is `prune`.
pub async fn put_retention_mark(
    cluster: &Cluster,
    lease: &Lease,
    (policy, mark): (&PolicyName, &RetentionMark),
) -> CatalogResult<()> {
    lease.write(&cluster.layout.retention(policy), mark, PutMode::Overwrite).await
}
