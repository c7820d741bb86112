//! The agent as a service, on a real Milvus. `make soak` does the same for longer.

use crate::lab::milvus;
use crate::steps::{follow_schedule, hang, kill_agents};

#[test]
fn a_schedule_is_followed_through_the_loss_of_milvus_and_a_restart() {
    follow_schedule("scheduled", (2, 1, 1));
}

#[test]
fn a_killed_agent_loses_no_slot_and_doubles_none() {
    kill_agents(&milvus(), "agent_killed", 3, 7);
}

#[test]
fn a_milvus_that_hangs_holds_up_one_run_at_a_time() {
    hang(&milvus(), "agent_hung", 3);
}
