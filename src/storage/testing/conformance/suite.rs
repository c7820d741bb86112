//! The clauses in order.

use std::sync::Arc;

use crate::storage::ObjectStore;

use super::case::Case;
use super::{lists, objects, streams, writes};

/// Panics at the first clause that the store breaks. Writes under `conformance/` only, and
/// needs a runtime with several threads to make writers race.
pub async fn conformance(store: Arc<dyn ObjectStore>) {
    let case = |name| Case::new(&store, name);

    objects::an_object_is_read_as_it_was_written(case("read")).await;
    objects::any_valid_key_names_an_object(case("keys")).await;
    objects::an_absent_object_is_not_found(case("absent")).await;
    writes::if_absent_never_replaces(case("if_absent")).await;
    writes::one_racing_writer_wins(case("race")).await;
    writes::overwriting_replaces_the_whole_object(case("overwrite")).await;
    objects::a_reader_keeps_the_object_it_opened(case("reader")).await;
    streams::a_stream_is_written_once(case("stream")).await;
    streams::a_stream_of_another_length_is_refused(case("length")).await;
    streams::a_stream_that_fails_leaves_nothing(case("broken")).await;
    streams::a_dropped_stream_leaves_nothing(case("dropped")).await;
    lists::a_list_is_in_key_order(case("order")).await;
    lists::a_prefix_is_whole_segments(case("prefix")).await;
    lists::a_list_survives_writes_and_deletes(case("while")).await;
    lists::folders_are_named_once_and_sorted(case("folders")).await;
    writes::deleting_leaves_the_others(case("delete")).await;
    writes::writers_and_deleters_share_a_folder(case("shared")).await;
    objects::a_copy_is_the_same_object(case("copy")).await;

    store.sync().await.expect("a sync succeeds");
    store.space().await.expect("free space is known or not");
}
