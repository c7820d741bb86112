//! One collection: created, filled, indexed, loaded, swapped.

use std::collections::BTreeSet;

use crate::manifest::RestoreStep;
use crate::model::{ErrorKind, LoadState, Namespace};
use crate::plan::CollectionRestore;

use super::reinserts;
use super::session::{Session, Wanted};
use super::swap::{Swapped, find, swap};
use crate::job::filling::{Filled, fill, index, load};
use crate::job::{JobError, JobResult};

/// What to do about a swap that stopped half-way.
const FINISH_BY_RERUN: &str = "run the same restore again: it finishes this";

/// What to do where Milvus does not load, for want of memory most of all.
const NO_LOAD: &str = "give the query nodes more memory, or restore with `--skip-load`";

/// What a restored collection is worth saying of.
#[derive(Debug)]
pub(super) struct Restored {
    pub(super) filled: Filled,
    pub(super) notes: Vec<String>,
}

/// Restores one collection to its end. On failure nothing of it is left.
pub(super) async fn restore(
    session: &Session<'_>,
    collection: &CollectionRestore,
) -> JobResult<Restored> {
    let prepared = match prepare(session, collection).await {
        Ok(prepared) => prepared,
        Err(error) => {
            drop_unfinished(session, &collection.restoring).await;
            return Err(error);
        }
    };
    let (filled, mut notes) = prepared;
    notes.extend(collection.lacks.clone());
    notes.extend(session.lossy.contains(&collection.to).then(|| reinserts::NOTE.to_owned()));
    if !collection.content.deletes_complete.is_yes() {
        notes.push("its backup did not wait for the latest deletes: rows may be back".to_owned());
    }
    let made =
        find(&*session.filling.context.milvus, &collection.restoring).await?.map(|found| found.id);
    let replaced = super::swap::look(session, collection).await;
    let replaced = match replaced {
        Ok(replaced) => replaced,
        Err(error) => {
            drop_unfinished(session, &collection.restoring).await;
            return Err(error);
        }
    };
    let mut aliases: BTreeSet<String> = collection.content.aliases.iter().cloned().collect();
    aliases.extend(replaced.iter().flat_map(|old| old.aliases.iter().cloned()));
    session
        .record(&collection.to, |item| {
            item.step = RestoreStep::Swapping;
            item.made = made;
            item.replaces = replaced.as_ref().map(|old| old.id);
            item.aliases = aliases.into_iter().collect();
            item.rows = Some((filled.stored, filled.imported));
        })
        .await?;
    let item = {
        let ledger = session.ledger.lock().await;
        ledger.items.iter().find(|item| item.to == collection.to).cloned()
    };
    let item = item.expect("the ledger has an item for every planned collection");
    session.lease.check().await?;
    let swapped = swap(&*session.filling.context.milvus, &item).await;
    match swapped.map_err(|error| error.or_hint(FINISH_BY_RERUN))? {
        Swapped::Done { notes: odd, .. } => notes.extend(odd),
        Swapped::Gone => {
            let message = format!("{} was dropped by someone else", item.restoring);
            return Err(JobError::new(ErrorKind::Failed, message));
        }
    }
    session.record(&collection.to, |item| item.step = RestoreStep::Done).await?;
    Ok(Restored { filled, notes })
}

/// Everything before the swap: the collection under its temporary name.
async fn prepare(
    session: &Session<'_>,
    collection: &CollectionRestore,
) -> JobResult<(Filled, Vec<String>)> {
    let filled = fill(&session.filling, collection).await?;
    let mut notes = filled.notes.clone();
    notes.extend(serve(session, collection).await?);
    Ok((filled, notes))
}

async fn drop_unfinished(session: &Session<'_>, restoring: &Namespace) {
    if let Err(error) = session.filling.context.milvus.drop_collection(restoring).await {
        tracing::warn!(%restoring, %error, "the unfinished collection could not be dropped; a rerun drops it");
    }
}

/// Indexes and load state as they were.
async fn serve(session: &Session<'_>, collection: &CollectionRestore) -> JobResult<Vec<String>> {
    let state = &collection.content.load;
    let loaded = session.load == Wanted::Yes && *state != LoadState::NotLoaded;
    if session.indexes == Wanted::No {
        let note = "not loaded, since a collection without indexes cannot be".to_owned();
        return Ok(loaded.then_some(note).into_iter().collect());
    }
    index(&session.filling, collection).await?;
    if loaded {
        load(&session.filling, collection, state).await.map_err(unloaded)?;
    }
    Ok(Vec::new())
}

fn unloaded(error: JobError) -> JobError {
    if error.kind() == ErrorKind::Failed { error.or_hint(NO_LOAD) } else { error }
}
