//! Who reads a backup keeps a delete waiting.

use uuid::Uuid;

use crate::catalog::{CatalogResult, Cluster, Lease};
use crate::model::BackupName;

/// What the names of these leases start with, and who has them.
const VERIFY: (&str, &str) = ("verify-", "a verify");
const EXPORT: (&str, &str) = ("export-", "an export");
const DRILL: (&str, &str) = ("drill-", "a drill");

/// A lease that says that a backup is being read. A delete puts its tombstone and then looks for
/// readers, so a reader looks for a tombstone after this.
pub(super) async fn hold(cluster: &Cluster, name: &BackupName) -> CatalogResult<Lease> {
    Lease::take(cluster, &name_of(VERIFY, name)).await
}

/// The same of an export.
pub(super) async fn hold_to_export(cluster: &Cluster, name: &BackupName) -> CatalogResult<Lease> {
    Lease::take(cluster, &name_of(EXPORT, name)).await
}

/// The same of a drill.
pub(super) async fn hold_to_drill(cluster: &Cluster, name: &BackupName) -> CatalogResult<Lease> {
    Lease::take_to_read(cluster, &name_of(DRILL, name)).await
}

fn name_of((kind, _): (&str, &str), name: &BackupName) -> String {
    format!("{kind}{name}-{}", Uuid::new_v4().simple())
}

/// The same; none where this process may not write.
pub(super) async fn begin(cluster: &Cluster, name: &BackupName) -> Option<Lease> {
    match Lease::take_to_read(cluster, &name_of(VERIFY, name)).await {
        Ok(lease) => Some(lease),
        Err(error) => {
            tracing::debug!(%name, %error, "read without a lease");
            None
        }
    }
}

/// Who reads a backup, if a lease says that someone does.
pub(super) fn reader(lease: &str, name: &BackupName) -> Option<&'static str> {
    [VERIFY, EXPORT, DRILL].into_iter().find_map(|(kind, who)| {
        let (read, _) = lease.strip_prefix(kind)?.rsplit_once('-')?;
        (read == name.as_str()).then_some(who)
    })
}

#[cfg(test)]
mod tests {
    use super::reader;
    use crate::model::BackupName;

    #[test]
    fn a_lease_names_the_backup_that_is_read() {
        let name = BackupName::new("nightly_1").unwrap();
        assert_eq!(reader("verify-nightly_1-0123abcd", &name), Some("a verify"));
        assert_eq!(reader("export-nightly_1-0123abcd", &name), Some("an export"));
        assert_eq!(reader("drill-nightly_1-0123abcd", &name), Some("a drill"));
        for other in [
            "drill-nightly_1",
            "verify-nightly_10-0123",
            "verify-nightly-1-0123",
            "restore-nightly_1-01",
        ] {
            assert_eq!(reader(other, &name), None, "{other}");
        }
    }
}
