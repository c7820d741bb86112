//! One collection: filled, indexed, loaded, compared, dropped.

use tokio::time::Instant;

use crate::job::error::Damage;
use crate::job::filling::{Filled, ends_run, fill, index, load};
use crate::job::verify::load_list;
use crate::job::{JobError, JobResult, RunOutcome};
use crate::manifest::{Boundary, CollectionContent};
use crate::model::{ErrorKind, LoadState};
use crate::plan::{CollectionRestore, RestorePlan, has_deltas};
use crate::schema::SchemaSummary;

use super::compare::compare;
use super::expiry::Expiry;
use super::keys::compare_keys;
use super::proof::doubt;
use super::report::DrilledCollection;
use super::session::Session;

/// A copy costs memory; one is enough to be compared.
const LOADED: LoadState = LoadState::Loaded { replicas: 1 };

/// What a load needs, where it fails for want of memory.
const ROOM: &str = "a drill needs room in Milvus for its largest collection once more: give the \
                    query nodes more memory, or drill where there is more";

/// What a server that answers no `count(*)` tells.
const KEYS_ONLY: &str = "Milvus 2.2 tells how many keys there are, and a key may have several rows";

/// Drills one collection. What is wrong with it alone is the inner error; the outer one ends the
/// drill, also if it cannot be dropped again: there is never more than one.
pub(super) async fn drill(
    session: &Session<'_>,
    plan: &RestorePlan,
    collection: &CollectionRestore,
) -> JobResult<JobResult<DrilledCollection>> {
    session.remake_database(plan, &collection.restoring.database).await?;
    *session.made.lock().await = Some(collection.restoring.clone());
    let done = restore_and_compare(session, collection).await;
    let done = match done {
        Err(error) if ends_run(&error) => return Err(error),
        done => done,
    };
    if let Some(found) = done.as_ref().err().and_then(JobError::damaged) {
        doubt(session, found).await;
    }
    session.filling.context.milvus.drop_collection(&collection.restoring).await?;
    *session.made.lock().await = None;
    Ok(done)
}

async fn restore_and_compare(
    session: &Session<'_>,
    collection: &CollectionRestore,
) -> JobResult<DrilledCollection> {
    let (filling, content) = (&session.filling, &collection.content);
    if let Err(how) = load_list(&filling.backup, &content.list).await? {
        let key = filling.backup.cluster.layout.list(&content.list);
        return Err(JobError::damage("its list is not what was written", Damage { key, how }));
    }
    let begun = Instant::now();
    let expiry = Expiry::of(content, &filling.version);
    let mut filled = fill(filling, collection).await?;
    index(filling, collection).await?;
    let bare = without_index(content)?;
    if bare.is_none() {
        load(filling, collection, &LOADED).await.map_err(unloaded)?;
    }
    let restore_seconds = begun.elapsed().as_secs_f64();
    let problems = compare(filling, collection).await?;
    let counted = match bare {
        None => Some(filling.context.milvus.count_rows(&collection.restoring).await?),
        Some(_) => None,
    };
    let mut drilled = DrilledCollection {
        database: collection.from.database.clone(),
        name: collection.from.collection.clone(),
        rows: counted.unwrap_or(filled.imported),
        keys_checked: 0,
        deleted_keys_checked: 0,
        whole: false,
        restore_seconds,
        problems,
        damaged: Vec::new(),
        outcome: RunOutcome::Complete,
        error: None,
        notes: filled.notes.drain(..).chain(collection.lacks.clone()).collect(),
    };
    let imported = filled.imported;
    if counted.is_some_and(|keys| keys < imported) && !filling.version.counts_rows() {
        drilled.notes.push(format!("{imported} rows were imported: {KEYS_ONLY}"));
    }
    let expired = match bare {
        Some(field) => {
            drilled.notes.push(format!(
                "the import's own figure is all that is known of its rows: without an index on \
                 `{field}` it can be neither loaded nor asked"
            ));
            false
        }
        None => keys(session, collection, expiry.as_ref(), &mut drilled).await?,
    };
    drilled.problems.extend(rows(session, collection, (&filled, counted), expired).await?);
    drilled.notes.extend(expiry.filter(|_| expired).map(|expiry| expiry.note()));
    if !content.deletes_complete.is_yes() {
        let note = "its backup did not wait for the latest deletes: rows may be back";
        drilled.notes.push(note.to_owned());
    }
    if !drilled.problems.is_empty() {
        drilled.outcome = RunOutcome::Failed;
        tracing::warn!(collection = %collection.from, problems = ?drilled.problems, "a collection differs");
    }
    Ok(drilled)
}

/// Looks for the keys that have to be there, and for those that must not. Whether some rows may
/// have expired.
async fn keys(
    session: &Session<'_>,
    collection: &CollectionRestore,
    expiry: Option<&Expiry>,
    drilled: &mut DrilledCollection,
) -> JobResult<bool> {
    let filling = &session.filling;
    let records = &filling.backup.manifest.collections;
    let record = records.iter().find(|record| record.namespace() == collection.from);
    let record = record.expect("the plan was made of these records");
    let (of, restored) = ((record, &collection.content), &collection.restoring);
    let found = compare_keys(filling.context, &filling.backup, of, (restored, expiry)).await?;
    drilled.keys_checked = found.live;
    drilled.deleted_keys_checked = found.deleted;
    drilled.whole = found.whole;
    drilled.problems.extend(found.problems);
    let expired = found.expired || (found.unread.is_some() && expiry.is_some());
    let unread = found.unread.map(|why| format!("its keys were not compared: {why}"));
    drilled.notes.extend(unread);
    Ok(expired)
}

/// What is wrong with the number of rows. All that were imported are there, but for those that L0
/// segments delete, and that may have expired; where Milvus 2.2 counts keys, there may be fewer. Without deletes all that the
/// backup has come back, unless Milvus was told to leave out what is beyond a boundary; how many
/// rows milvus-backup counted is not how many are in its files.
async fn rows(
    session: &Session<'_>,
    collection: &CollectionRestore,
    (filled, counted): (&Filled, Option<u64>),
    expired: bool,
) -> JobResult<Vec<String>> {
    let filling = &session.filling;
    let list = filling.backup.list(&collection.content.list).await?;
    let Filled { stored, imported, .. } = filled;
    let l0 = list.segments().iter().any(|segment| segment.traits.l0);
    let fewer_tell = !l0 && !expired && filling.version.counts_rows();
    let counted = counted.filter(|rows| rows > imported || (rows < imported && fewer_tell));
    let counted = counted.map(|rows| format!("it has {rows} rows, and {imported} were imported"));
    let told = |boundary: Boundary| filling.version.import_end_ts(boundary.timestamp).is_some();
    let whole = collection.content.boundary.is_some_and(|boundary| !told(boundary));
    let fewer = whole && imported != stored && !list.segments().iter().any(has_deltas);
    let fewer =
        fewer.then(|| format!("{imported} rows came back, the backup has {stored} and no delete"));
    Ok(counted.into_iter().chain(fewer).collect())
}

/// A vector field without an index, if there is one.
fn without_index(content: &CollectionContent) -> JobResult<Option<String>> {
    let schema = SchemaSummary::parse(&content.schema).map_err(|error| {
        JobError::new(ErrorKind::Damaged, format!("the schema in the backup: {error}"))
    })?;
    let indexed = |name: &str| content.indexes.iter().any(|index| index.field == name);
    let bare = schema.fields.iter().find(|field| field.is_vector() && !indexed(&field.name));
    Ok(bare.map(|field| field.name.clone()))
}

fn unloaded(error: JobError) -> JobError {
    let said = error.chain().to_lowercase();
    let memory = ["memory", "oom"].iter().any(|word| said.contains(word));
    match error.kind() {
        ErrorKind::Failed if memory => error.hint(ROOM),
        ErrorKind::Failed => error.hint("see Milvus's log"),
        ErrorKind::Usage
        | ErrorKind::NothingToDo
        | ErrorKind::NotFound
        | ErrorKind::Locked
        | ErrorKind::NotAuthorised
        | ErrorKind::Unreachable
        | ErrorKind::Damaged
        | ErrorKind::Refused
        | ErrorKind::Cancelled => error,
    }
}

#[cfg(test)]
mod tests {
    use super::unloaded;
    use crate::job::JobError;
    use crate::model::ErrorKind;

    #[test]
    fn a_load_that_fails_for_want_of_memory_says_what_a_drill_needs() {
        let hint = |kind, said: &str| {
            let error = unloaded(JobError::new(kind, said).hint("--skip-load"));
            error.remedy().unwrap_or_default().to_owned()
        };
        let oom = "load default.films: load segment failed, OOM if load, maxSegmentSize = 500 MB";
        assert!(hint(ErrorKind::Failed, oom).contains("room in Milvus"));
        let insufficient = "load default.films: insufficient memory to load: service memory limit";
        assert!(hint(ErrorKind::Failed, insufficient).contains("room in Milvus"));
        assert_eq!(hint(ErrorKind::Failed, "loading stands at 3 %"), "see Milvus's log");
        assert_eq!(hint(ErrorKind::NotAuthorised, "no memory of you"), "--skip-load");
    }
}
