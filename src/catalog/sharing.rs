//! Whether agents may share a repository: only where a conditional put keeps its word.

use bytes::Bytes;

use crate::manifest::{self, SINGLE_AGENT_MARK, SingleAgentMark};
use crate::model::{KeyPrefix, ObjectKey};
use crate::storage::{ObjectStoreExt, PutMode, StoreErrorKind};

use super::{CatalogError, CatalogResult, Repository, this_process};

/// Refuses a repository that belongs to the agent of another machine alone.
pub async fn admit(repository: &Repository) -> CatalogResult<()> {
    let mark = repository.read::<SingleAgentMark>("single-agent mark", &mark_key()).await?;
    match mark {
        Some(mark) if mark.machine != this_process().machine => {
            Err(CatalogError::SingleAgent { place: repository.place(&mark_key()), host: mark.host })
        }
        Some(_) | None => Ok(()),
    }
}

/// Puts an object that only this process has a reason to touch once more, under the condition
/// that it is absent. A store that lets it through makes this repository ours alone. `false`
/// if the object was gone: this process stood still, and others took it for dead.
pub(super) async fn prove(
    repository: &Repository,
    key: &ObjectKey,
    body: Bytes,
) -> CatalogResult<bool> {
    let again = async || match repository.store().put(key, body.clone(), PutMode::IfAbsent).await {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == StoreErrorKind::AlreadyExists => Ok(true),
        Err(error) => Err(error),
    };
    if again().await? {
        return Ok(true);
    }
    if again().await? {
        return Ok(false);
    }
    claim(repository).await.map(|()| true)
}

async fn claim(repository: &Repository) -> CatalogResult<()> {
    let store = repository.store();
    tracing::warn!(%store, "the store overwrites what a conditional put should keep: this agent has the repository to itself from now on");
    if store.find_bytes(&mark_key()).await?.is_none() {
        let this = this_process();
        let mark = SingleAgentMark { version: 1, machine: this.machine, host: this.host };
        store.put(&mark_key(), manifest::encode(&mark).into(), PutMode::Overwrite).await?;
    }
    // Of two that have found out at once, the last has the mark.
    admit(repository).await
}

fn mark_key() -> ObjectKey {
    KeyPrefix::root().key(SINGLE_AGENT_MARK)
}
