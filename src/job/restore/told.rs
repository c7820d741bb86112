//! What a restore reports of each collection.

use crate::job::{JobError, RestoredCollection, RunOutcome};
use crate::manifest::RestoreItem;
use crate::model::Namespace;
use crate::plan::CollectionRestore;

/// One that could not be restored.
pub(super) fn failed(collection: &CollectionRestore, error: &JobError) -> RestoredCollection {
    let hint = error.remedy().map(|hint| format!(" ({hint})")).unwrap_or_default();
    let error = format!("{}{hint}", error.chain());
    tracing::warn!(collection = %collection.to, %error, "a collection cannot be restored");
    RestoredCollection {
        from: collection.from.to_string(),
        to: collection.to.to_string(),
        rows_stored: collection.content.rows,
        rows_imported: 0,
        rows_deleted: 0,
        bytes_staged: 0,
        outcome: RunOutcome::Failed,
        error: Some(error),
        notes: Vec::new(),
    }
}

/// One that an earlier restore has done.
pub(super) fn done_before(item: &RestoreItem) -> RestoredCollection {
    let (rows_stored, rows_imported) = item.rows.unwrap_or_default();
    RestoredCollection {
        from: item.from.to_string(),
        to: item.to.to_string(),
        rows_stored,
        rows_imported,
        rows_deleted: rows_stored.saturating_sub(rows_imported),
        bytes_staged: 0,
        outcome: RunOutcome::Complete,
        error: None,
        notes: vec!["restored by an earlier, interrupted restore".to_owned()],
    }
}

/// One that the backup does not have.
pub(super) fn not_in_backup((from, why): &(Namespace, String)) -> RestoredCollection {
    RestoredCollection {
        from: from.to_string(),
        to: String::new(),
        rows_stored: 0,
        rows_imported: 0,
        rows_deleted: 0,
        bytes_staged: 0,
        outcome: RunOutcome::Failed,
        error: Some(format!("not in the backup: {why}")),
        notes: Vec::new(),
    }
}

/// What all of them come to.
pub(super) fn outcome(collections: &[RestoredCollection]) -> RunOutcome {
    let complete =
        collections.iter().filter(|collection| collection.outcome == RunOutcome::Complete).count();
    match complete {
        count if count == collections.len() => RunOutcome::Complete,
        0 => RunOutcome::Failed,
        _ => RunOutcome::Partial,
    }
}
