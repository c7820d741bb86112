//! Partial backups: they go only when nothing is lost with them.

use std::collections::HashSet;

use crate::manifest::Manifest;
use crate::model::Namespace;

/// The first collection of a partial backup that none of the newer backups has; `None` if
/// they have all of it. A complete one of the same selection has all that there was to have.
pub(super) fn only_here<'m>(
    partial: &Manifest,
    newer: impl Iterator<Item = (&'m Manifest, bool)>,
) -> Option<Namespace> {
    let mut had: HashSet<Namespace> = HashSet::new();
    for (manifest, complete) in newer {
        if complete && manifest.selection == partial.selection {
            return None;
        }
        had.extend(manifest.contents().map(|(record, _)| record.namespace()));
    }
    partial.contents().map(|(record, _)| record.namespace()).find(|one| !had.contains(one))
}
