//! The clauses in order.

use std::sync::Arc;

use crate::storage::ObjectStore;

use super::case::Case;
use super::{lists, objects, streams, writes};

/// Panics at the first clause that the store breaks. Writes under `conformance/` only, and
/// needs a runtime with several threads to make writers race.
pub async fn conformance(store: Arc<dyn ObjectStore>) {
    conformance_without(store, &[]).await;
}

/// As [`conformance`], without the clauses that a server is known to break and the store
/// cannot mend.
pub async fn conformance_without(store: Arc<dyn ObjectStore>, broken: &[&str]) {
    let case = |name| (!broken.contains(&name)).then(|| Case::new(&store, name));
    macro_rules! clauses {
        ($($name:literal => $clause:path,)*) => {
            let names = [$($name),*];
            assert!(broken.iter().all(|name| names.contains(name)), "no such clause: {broken:?}");
            $(if let Some(case) = case($name) {
                $clause(case).await;
            })*
        };
    }
    clauses! {
        "read" => objects::an_object_is_read_as_it_was_written,
        "keys" => objects::any_valid_key_names_an_object,
        "absent" => objects::an_absent_object_is_not_found,
        "if_absent" => writes::if_absent_never_replaces,
        "race" => writes::one_racing_writer_wins,
        "overwrite" => writes::overwriting_replaces_the_whole_object,
        "reader" => objects::a_reader_keeps_the_object_it_opened,
        "stream" => streams::a_stream_is_written_once,
        "length" => streams::a_stream_of_another_length_is_refused,
        "broken" => streams::a_stream_that_fails_leaves_nothing,
        "dropped" => streams::a_dropped_stream_leaves_nothing,
        "unfinished" => streams::nothing_is_left_unfinished,
        "order" => lists::a_list_is_in_key_order,
        "prefix" => lists::a_prefix_is_whole_segments,
        "while" => lists::a_list_survives_writes_and_deletes,
        "folders" => lists::folders_are_named_once_and_sorted,
        "delete" => writes::deleting_leaves_the_others,
        "deadline" => writes::what_comes_too_late_is_not_begun,
        "shared" => writes::writers_and_deleters_share_a_folder,
        "copy" => objects::a_copy_is_the_same_object,
    }

    store.sync().await.expect("a sync succeeds");
    store.space().await.expect("free space is known or not");
    store.settle().await;
}
