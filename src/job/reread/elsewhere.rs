//! Backups of other policies, and of none, that share damaged files.

use std::collections::{BTreeMap, BTreeSet};

use futures::FutureExt;

use super::survey::{Survey, Whose, Wrong};
use crate::catalog::{self, BackupRecord, Readable};
use crate::job::verify::load_list;
use crate::job::{JobContext, JobResult};
use crate::manifest::{FileId, Placement};
use crate::model::{BackupName, Layout};

/// The shared files that are not as they were written.
pub(super) fn shared(survey: &Survey) -> BTreeMap<FileId, Whose> {
    let is_shared = |place: usize| matches!(survey.places[place].placement, Placement::Shared(_));
    let files = survey.findings.files.iter().filter(|((place, _), _)| is_shared(*place));
    files.map(|(whose, _)| (whose.1, *whose)).collect()
}

/// Those of them whose copy is another one: what is missing is copied again in any case.
pub(super) fn changed<'s>(survey: &'s Survey, of: impl Iterator<Item = &'s Whose>) -> Vec<FileId> {
    let shared =
        of.filter(|(place, _)| matches!(survey.places[*place].placement, Placement::Shared(_)));
    let changed = shared.filter(|whose| survey.findings.files.get(whose) != Some(&Wrong::Missing));
    changed.map(|(_, id)| *id).collect()
}

/// Other backups that have any of these files, and which.
pub(super) async fn sharing(
    context: &JobContext,
    survey: &Survey,
    damaged: &BTreeMap<FileId, Whose>,
) -> JobResult<Vec<(Readable, Vec<Whose>)>> {
    let own: BTreeSet<&BackupName> =
        survey.backups.iter().map(|backup| &backup.manifest.name).collect();
    let collections: BTreeSet<i64> = damaged.keys().map(|id| id.collection).collect();
    let records = catalog::list_own(&survey.cluster, &*context.clock).boxed().await?;
    let committed = records.into_iter().filter(BackupRecord::is_committed);
    let manifests = committed
        .filter_map(|record| record.manifest)
        .filter(|manifest| manifest.layout == Layout::Incremental && !own.contains(&manifest.name));
    let mut sharing = Vec::new();
    for manifest in manifests {
        let backup = Readable::new(survey.cluster.clone(), manifest);
        let mut found = Vec::new();
        for (record, content) in backup.manifest.contents() {
            if !collections.contains(&record.id) {
                continue;
            }
            context.progress.touch();
            let Ok(list) = load_list(&backup, &content.list).boxed().await? else { continue };
            found.extend(list.files().filter_map(|(id, _)| damaged.get(&id)));
        }
        if !found.is_empty() {
            sharing.push((backup, found));
        }
    }
    Ok(sharing)
}
