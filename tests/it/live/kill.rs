//! The program is killed, and the next run gets over it. `make soak` does it more often.

use crate::lab::milvus;
use crate::steps::{kill_backups, kill_drills, kill_restores};

#[test]
fn a_killed_backup_is_no_backup_and_the_next_succeeds() {
    kill_backups(&milvus(), "kill_backup", 3);
}

#[tokio::test]
async fn a_killed_restore_is_run_again_and_leaves_nothing_behind() {
    kill_restores(&milvus(), "kill_restore", 3).await;
}

#[tokio::test]
async fn a_killed_drill_leaves_nothing_and_the_next_passes() {
    kill_drills(&milvus(), "kill_drill", 8).await;
}
