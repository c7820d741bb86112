//! Partial backups: they go only when nothing is lost with them.

use std::collections::HashSet;

use crate::manifest::Manifest;
use crate::model::Namespace;

/// The first collection of a partial backup that none of the newer backups has; `None` if
/// they have all of it.
pub(super) fn only_here<'m>(
    partial: &Manifest,
    newer: impl Iterator<Item = &'m Manifest>,
) -> Option<Namespace> {
    let had: HashSet<Namespace> =
        newer.flat_map(Manifest::contents).map(|(record, _)| record.namespace()).collect();
    partial.contents().map(|(record, _)| record.namespace()).find(|one| !had.contains(one))
}
