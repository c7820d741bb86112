//! One collection: filled, indexed, loaded, compared, dropped.

use tokio::time::Instant;

use crate::job::filling::{Filled, ends_run, fill, index, load};
use crate::job::{JobError, JobResult, RunOutcome};
use crate::manifest::CollectionContent;
use crate::model::{ErrorKind, LoadState};
use crate::plan::{CollectionRestore, RestorePlan, has_deltas};
use crate::schema::SchemaSummary;

use super::compare::compare;
use super::keys::compare_keys;
use super::report::DrilledCollection;
use super::session::Session;

/// A copy costs memory; one is enough to be compared.
const LOADED: LoadState = LoadState::Loaded { replicas: 1 };

/// What a load needs, where it fails for want of memory.
const ROOM: &str = "a drill needs room in Milvus for its largest collection once more: give the \
                    query nodes more memory, or drill where there is more";

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
    session.filling.context.milvus.drop_collection(&collection.restoring).await?;
    *session.made.lock().await = None;
    Ok(done)
}

async fn restore_and_compare(
    session: &Session<'_>,
    collection: &CollectionRestore,
) -> JobResult<DrilledCollection> {
    let (filling, content) = (&session.filling, &collection.content);
    let begun = Instant::now();
    let filled = fill(filling, collection).await?;
    index(filling, collection).await?;
    let bare = without_index(content)?;
    if bare.is_none() {
        load(filling, collection, &LOADED).await.map_err(unloaded)?;
    }
    let restore_seconds = begun.elapsed().as_secs_f64();
    let mut problems = compare(filling, collection).await?;
    problems.extend(lost(session, collection, &filled).await?);
    let mut drilled = DrilledCollection {
        database: collection.from.database.clone(),
        name: collection.from.collection.clone(),
        rows: filled.imported,
        keys_checked: 0,
        deleted_keys_checked: 0,
        whole: false,
        restore_seconds,
        problems,
        outcome: RunOutcome::Complete,
        error: None,
        notes: filled.notes,
    };
    match bare {
        Some(field) => drilled.notes.push(format!(
            "the import's own figure is all that is known of its rows: without an index on \
             `{field}` it can be neither loaded nor asked"
        )),
        None => keys(session, collection, &mut drilled).await?,
    }
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

/// Looks for the keys that have to be there, and for those that must not.
async fn keys(
    session: &Session<'_>,
    collection: &CollectionRestore,
    drilled: &mut DrilledCollection,
) -> JobResult<()> {
    let filling = &session.filling;
    let records = &filling.backup.manifest.collections;
    let record = records.iter().find(|record| record.namespace() == collection.from);
    let record = record.expect("the plan was made of these records");
    let (of, restored) = ((record, &collection.content), &collection.restoring);
    let found = compare_keys(filling.context, &filling.backup, of, restored).await?;
    drilled.keys_checked = found.live;
    drilled.deleted_keys_checked = found.deleted;
    drilled.whole = found.whole;
    drilled.problems.extend(found.problems);
    Ok(())
}

/// Without deletes every row comes back, unless Milvus was told to leave out what is beyond a
/// boundary. How many rows milvus-backup counted is not how many are in its files.
async fn lost(
    session: &Session<'_>,
    collection: &CollectionRestore,
    filled: &Filled,
) -> JobResult<Option<String>> {
    let filling = &session.filling;
    let Some(boundary) = collection.content.boundary else { return Ok(None) };
    let told = filling.version.import_end_ts(boundary.timestamp).is_some();
    let list = filling.backup.list(&collection.content.list).await?;
    if filled.imported == filled.stored || told || list.segments().iter().any(has_deltas) {
        return Ok(None);
    }
    let Filled { stored, imported, .. } = filled;
    Ok(Some(format!("{imported} rows came back, the backup has {stored} and no delete")))
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
    if memory { error.hint(ROOM) } else { error.or_hint("see Milvus's log") }
}
