//! Many small segments are restored with one import.

use crate::lab::{milvus, say};
use crate::steps::race;

/// How much faster that is belongs to `make soak`, which has the machine for itself.
#[tokio::test]
async fn many_segments_are_restored_together_and_equal() {
    let speed = race(&milvus(), "speed", 4, 500).await;
    say(&format!(
        "4 segments restored in {:.1} s, one by one in {:.1} s",
        speed.ours.as_secs_f64(),
        speed.one_by_one.as_secs_f64()
    ));
}
