//! Who reads a backup keeps a delete waiting.

use uuid::Uuid;

use crate::catalog::{CatalogResult, Cluster, Lease};
use crate::model::BackupName;

/// What the names of these leases start with.
const KIND: &str = "verify-";

/// A lease that says that a backup is being read. A delete puts its tombstone and then looks for
/// readers, so a reader looks for a tombstone after this.
pub(super) async fn hold(cluster: &Cluster, name: &BackupName) -> CatalogResult<Lease> {
    Lease::take(cluster, &name_of(name)).await
}

fn name_of(name: &BackupName) -> String {
    format!("{KIND}{name}-{}", Uuid::new_v4().simple())
}

/// The same; none where this process may not write.
pub(super) async fn begin(cluster: &Cluster, name: &BackupName) -> Option<Lease> {
    match Lease::take_to_read(cluster, &name_of(name)).await {
        Ok(lease) => Some(lease),
        Err(error) => {
            tracing::debug!(%name, %error, "read without a lease");
            None
        }
    }
}

/// Whether a lease says that a backup is being read.
pub(super) fn is_of(lease: &str, name: &BackupName) -> bool {
    let read = lease.strip_prefix(KIND).and_then(|rest| rest.rsplit_once('-'));
    read.is_some_and(|(read, _)| read == name.as_str())
}

#[cfg(test)]
mod tests {
    use super::is_of;
    use crate::model::BackupName;

    #[test]
    fn a_lease_names_the_backup_that_is_read() {
        let name = BackupName::new("nightly_1").unwrap();
        assert!(is_of("verify-nightly_1-0123abcd", &name));
        for other in ["verify-nightly_10-0123", "verify-nightly-1-0123", "restore-nightly_1-01"] {
            assert!(!is_of(other, &name), "{other}");
        }
    }
}
