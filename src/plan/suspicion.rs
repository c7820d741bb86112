//! Whether a new backup looks as if something was lost.

use crate::manifest::{Manifest, ManifestOutcome};

/// What is wrong with a backup that has fewer than half the rows of the good one before it, of
/// the same policy and the same selection: an import that went wrong looks like that, and a
/// Milvus that has lost its data. `earlier` are good ones.
pub fn sharp_fall<'m>(
    new: &Manifest,
    earlier: impl Iterator<Item = &'m Manifest>,
) -> Option<String> {
    if new.policy.is_empty() || new.outcome == ManifestOutcome::Partial {
        return None;
    }
    let comparable = earlier.filter(|one| {
        one.policy == new.policy && one.selection == new.selection && one.name != new.name
    });
    let before = comparable.max_by_key(|one| one.created_at)?;
    let (rows, had) = (new.rows(), before.rows());
    (rows < had.div_ceil(2)).then(|| {
        format!("it has {rows} rows, and the good backup before it, `{}`, has {had}", before.name)
    })
}
