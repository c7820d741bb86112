//! Requests that came as messages, each for one agent of those on the repository.

use futures::TryStreamExt;
use jiff::{SignedDuration, Timestamp};

use crate::manifest::RequestMark;
use crate::model::ObjectKey;
use crate::storage::{PutMode, StoreErrorKind};

use super::{CatalogError, CatalogResult, Cluster};

/// How long a request is known to all agents.
pub const REQUESTS_KNOWN_FOR: SignedDuration = SignedDuration::from_hours(24);

/// Whose a request is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    /// It is that of the agent that asks, by this try.
    Ours,
    /// It is that of the agent that asks, since an earlier try.
    OursBefore,
    /// Another agent has it.
    Elsewhere {
        /// That one's host.
        host: String,
    },
}

/// Takes a request for the agent that the mark names, unless another was faster.
pub async fn reserve(cluster: &Cluster, mark: &RequestMark) -> CatalogResult<Reserved> {
    let key = cluster.layout.request(&mark.request_id);
    match cluster.repository.write(&key, mark, PutMode::IfAbsent).await {
        Ok(()) => Ok(Reserved::Ours),
        Err(error) if error.kind() == StoreErrorKind::AlreadyExists => {
            let found = cluster.repository.read::<RequestMark>("request", &key).await;
            let found = match found {
                Err(unreadable @ CatalogError::Document { .. }) => {
                    // It is someone's, a newer agent's perhaps, and not of this try.
                    tracing::error!(
                        request_id = %mark.request_id, error = %unreadable,
                        "it cannot be told who has the request, and it is not done here: send it \
                         again under another id if nobody does it"
                    );
                    return Ok(Reserved::Elsewhere { host: "an unknown host".to_owned() });
                }
                found => found?,
            };
            // It was there, and is so old that it was just deleted: the next try gets it.
            let found = found.ok_or(CatalogError::Store(error))?;
            // The answer to this very put may have been lost.
            Ok(if found == *mark {
                Reserved::Ours
            } else if found.agent == mark.agent {
                Reserved::OursBefore
            } else {
                Reserved::Elsewhere { host: found.host }
            })
        }
        Err(error) => Err(error.into()),
    }
}

/// The requests that are so old that they are not sent again any more.
pub async fn forgotten_requests(
    cluster: &Cluster,
    now: Timestamp,
) -> CatalogResult<Vec<ObjectKey>> {
    let mut listing = cluster.repository.store().list(&cluster.layout.requests());
    let mut forgotten = Vec::new();
    while let Some(meta) = listing.try_next().await? {
        let ours = cluster.layout.is_request(&meta.key);
        if ours && now.duration_since(meta.modified) > REQUESTS_KNOWN_FOR {
            forgotten.push(meta.key);
        }
    }
    Ok(forgotten)
}
