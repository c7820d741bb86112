//! One collection: created, filled, indexed, loaded, swapped.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::manifest::RestoreStep;
use crate::milvus::MilvusErrorKind;
use crate::model::{ErrorKind, LoadState, Namespace};
use crate::plan::CollectionRestore;

use super::fill::{Filled, fill};
use super::reinserts;
use super::session::{Session, Wanted};
use super::swap::{Swapped, find, swap};
use crate::job::{JobError, JobResult};

/// What to do about a swap that stopped half-way.
const FINISH_BY_RERUN: &str = "run the same restore again: it finishes this";

/// Between two looks at a load.
const LOAD_POLL: Duration = Duration::from_millis(500);

/// How long a load may stand still. Loading waits for indexes, which is what takes long.
const LOAD_STALL: Duration = Duration::from_mins(30);

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
    notes.extend(session.lossy.contains(&collection.to).then(|| reinserts::NOTE.to_owned()));
    if !collection.content.deletes_complete.is_yes() {
        notes.push("its backup did not wait for the latest deletes: rows may be back".to_owned());
    }
    let made = find(&*session.context.milvus, &collection.restoring).await?.map(|found| found.id);
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
    let swapped = swap(&*session.context.milvus, &item).await;
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
    let filled = fill(session, collection).await?;
    let mut notes = filled.notes.clone();
    notes.extend(serve(session, collection).await?);
    Ok((filled, notes))
}

async fn drop_unfinished(session: &Session<'_>, restoring: &Namespace) {
    if let Err(error) = session.context.milvus.drop_collection(restoring).await {
        tracing::warn!(%restoring, %error, "the unfinished collection could not be dropped; a rerun drops it");
    }
}

/// Indexes and load state as they were.
async fn serve(session: &Session<'_>, collection: &CollectionRestore) -> JobResult<Vec<String>> {
    let milvus = &session.context.milvus;
    let content = &collection.content;
    if session.indexes == Wanted::No {
        let loaded = content.load != LoadState::NotLoaded && session.load == Wanted::Yes;
        let note = "not loaded, since a collection without indexes cannot be".to_owned();
        return Ok(loaded.then_some(note).into_iter().collect());
    }
    for index in &content.indexes {
        milvus.create_index(&collection.restoring, index).await?;
    }
    if session.load == Wanted::No || content.load == LoadState::NotLoaded {
        return Ok(Vec::new());
    }
    milvus.load(&collection.restoring, &content.load).await?;
    let mut seen = (0, Instant::now());
    loop {
        let percent = match milvus.load_percent(&collection.restoring, &content.load).await {
            Ok(percent) => percent,
            Err(error) if error.kind() == MilvusErrorKind::Transient => seen.0,
            Err(error) => return Err(error.into()),
        };
        if percent >= 100 {
            return Ok(Vec::new());
        }
        if percent > seen.0 {
            seen = (percent, Instant::now());
        }
        if seen.1.elapsed() > LOAD_STALL {
            let minutes = LOAD_STALL.as_secs() / 60;
            let message = format!("loading stands at {percent} % for {minutes} minutes");
            return Err(JobError::new(ErrorKind::Failed, message)
                .hint("see Milvus's log; --skip-load restores without loading"));
        }
        sleep(LOAD_POLL).await;
    }
}
