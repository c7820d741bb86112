//! The moment at which the restored collection takes its name. Every step may be repeated,
//! since a rerun does not know which of them happened.

use crate::manifest::RestoreItem;
use crate::milvus::{MilvusApi, MilvusErrorKind, MilvusResult};
use crate::model::{CollectionDescription, ErrorKind, Namespace};
use crate::plan::{CollectionRestore, TargetCollection};

use super::session::Session;
use crate::job::{JobError, JobResult};

/// The collection of a name, `None` if there is none (or no such database).
pub(super) async fn find(
    milvus: &dyn MilvusApi,
    namespace: &Namespace,
) -> MilvusResult<Option<CollectionDescription>> {
    match milvus.describe(namespace).await {
        Ok(description) => Ok(Some(description)),
        Err(error) if error.kind() == MilvusErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is about to be replaced, as it is now: it must still be what was planned.
pub(super) async fn look(
    session: &Session<'_>,
    collection: &CollectionRestore,
) -> JobResult<Option<TargetCollection>> {
    let found = find(&*session.filling.context.milvus, &collection.to).await?;
    let planned = collection.replaces.as_ref().map(|old| old.id);
    if found.as_ref().map(|found| found.id) != planned {
        let message = format!("{} was made, dropped or replaced meanwhile", collection.to);
        return Err(JobError::new(ErrorKind::Refused, message).hint("look at it, then run again"));
    }
    Ok(found.map(|found| TargetCollection {
        id: found.id,
        name: found.name,
        aliases: found.aliases,
    }))
}

/// How a swap ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Swapped {
    /// The restored collection has its name.
    Done {
        /// Whether it got it just now, so that nobody can have changed it.
        renamed: bool,
        /// What is odd about its aliases.
        notes: Vec<String>,
    },
    /// Someone dropped the restored collection before.
    Gone,
}

/// Drops the old collection, renames the new one, sets the aliases.
pub(super) async fn swap(milvus: &dyn MilvusApi, item: &RestoreItem) -> JobResult<Swapped> {
    let present = find(milvus, &item.to).await?;
    let had_name = present.as_ref().is_some_and(|found| Some(found.id) == item.made);
    if !had_name {
        if find(milvus, &item.restoring).await?.is_none() {
            return Ok(Swapped::Gone);
        }
        if let Some(old) = present {
            if Some(old.id) != item.replaces {
                let message = format!(
                    "{} is whole, but {} was made by someone else meanwhile",
                    item.restoring, item.to
                );
                return Err(JobError::new(ErrorKind::Refused, message)
                    .hint("rename or drop one of them, then run again"));
            }
            let again = find(milvus, &item.to).await?;
            if again.map(|found| found.id) != item.replaces {
                let message = format!("{} changed while it was about to be replaced", item.to);
                return Err(JobError::new(ErrorKind::Refused, message));
            }
            milvus.drop_collection(&item.to).await?;
        }
        milvus.rename_collection(&item.restoring, &item.to.collection).await?;
    }
    let mut notes = Vec::new();
    for alias in &item.aliases {
        let wanted = Namespace::new(&item.to.database, alias);
        match find(milvus, &wanted).await? {
            Some(owner) if owner.name == item.to.collection => {}
            Some(owner) => notes.push(format!("alias {alias} still points to {}", owner.name)),
            None => milvus.set_alias(&item.to, alias).await?,
        }
    }
    Ok(Swapped::Done { renamed: !had_name, notes })
}
