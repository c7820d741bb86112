//! What is left in the end.

use std::sync::Arc;

use jiff::SignedDuration;
use milvus_backup_agent::catalog::BackupState;
use milvus_backup_agent::job::{
    Prune, Removal, Sizes, StagingRoot, run_delete, run_list, run_prune,
};

use super::{Lab, backup_name, keys};

/// Documents that stay, whatever is deleted: marks, and the last numbers of what takes turns.
const KEPT: [&str; 5] =
    ["_repository.json", "_cluster.json", "_sweep.jsonl.zst", "_leases/prune/", "_leases/sweep/"];

/// Deletes every backup, prunes until all graces are over, and finds nothing.
pub(crate) async fn assert_ends_clean(lab: &Lab, why: &str) {
    let context = lab.context();
    for row in run_list(&context, Sizes::Known).await.expect("a list") {
        if matches!(row.state, BackupState::Tombstoned) {
            continue;
        }
        let name = backup_name(&row.name);
        let deleted = run_delete(&context, &name, Removal::Hide).await;
        deleted.unwrap_or_else(|error| panic!("{why}: {name}: {}", error.chain()));
    }
    let staging = StagingRoot { store: Arc::new(lab.staging.clone()), shared: false };
    for _ in 0..3 {
        lab.clock.advance(SignedDuration::from_hours(96));
        let report = run_prune(&context, Some(&staging), Prune::Apply).await;
        let report = report.unwrap_or_else(|error| panic!("{why}: {}", error.chain()));
        assert!(report.refused.is_none() && report.errors.is_empty(), "{why}: {report:?}");
    }
    let left = keys(&lab.repository).await;
    let left = left.iter().filter(|key| !KEPT.iter().any(|kept| key.contains(kept)));
    assert_eq!(left.collect::<Vec<_>>(), [""; 0], "{why}");
    assert_eq!(keys(&lab.staging).await, [""; 0], "{why}");
}
