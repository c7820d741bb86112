//! Histories of `make test`; `make soak` plays more.

use crate::model::play_histories;

#[test]
fn nothing_that_is_needed_is_lost_in_2000_histories() {
    play_histories(2000);
}
