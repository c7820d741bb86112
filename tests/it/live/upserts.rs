//! A backup ends at one instant, even if the same keys are written all the time.

use crate::lab::milvus;
use crate::steps::back_up_under_upserts;

#[test]
fn a_constant_set_of_keys_is_whole_in_every_backup() {
    back_up_under_upserts(&milvus(), "upserts", 3, 600);
}
