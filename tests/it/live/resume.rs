//! A backup that is killed goes on where it was. `make soak` kills more often.

use crate::lab::{Agent, milvus};
use crate::steps::resume_backups;

#[test]
fn a_killed_backup_goes_on_where_it_was() {
    let server = milvus();
    resume_backups(&server, "resumed", 3, |_| Agent::new(&server, "resumed"));
}
