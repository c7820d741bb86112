//! What became of requests that came as messages.

use jiff::{SignedDuration, Timestamp};
use redb::{ReadableDatabase, ReadableTable};
use serde::{Deserialize, Serialize};

use super::error::{Failure, JournalResult};
use super::file::Journal;
use super::tables::{ENDED, REQUESTS, Tables, named, put_named};
use crate::job::runner::record::{JobId, JobRecord, Requester};
use crate::model::RequestId;

/// How long the id of a request is known, which is longer than the repository knows it.
const KNOWN_FOR: SignedDuration = SignedDuration::from_hours(48);

/// A request that was seen before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownRequest {
    /// When something last became of it.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub state: RequestState,
}

/// How far a request is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RequestState {
    /// It was read, and it is not known yet whether it is ours: another agent may have it.
    Held {
        /// The policy.
        policy: String,
        /// Who asked.
        requester: Requester,
    },
    /// This job does for it.
    Accepted {
        /// The job.
        job: JobId,
    },
    /// Another agent has it.
    Elsewhere,
}

impl Journal {
    /// What is known of a request.
    pub fn request(&self, id: &RequestId) -> JournalResult<Option<KnownRequest>> {
        self.with("read", |database| {
            named(&database.begin_read()?.open_table(REQUESTS)?, id.as_str())
        })
    }

    /// Writes a request down before anyone else is told of it.
    pub fn hold(&self, policy: &str, requester: &Requester, now: Timestamp) -> JournalResult<()> {
        let (policy, requester) = (policy.to_owned(), requester.clone());
        let id = requester.id.clone();
        self.write(|tables| tables.settle(&id, RequestState::Held { policy, requester }, now))
    }

    /// Writes down that another agent has a request.
    pub fn leave(&self, id: &RequestId, now: Timestamp) -> JournalResult<()> {
        self.write(|tables| tables.settle(id, RequestState::Elsewhere, now))
    }

    /// The job that does for a request, if that is over.
    pub fn ended_job(&self, id: JobId) -> JournalResult<Option<JobRecord>> {
        self.with("read", |database| {
            let table = database.begin_read()?.open_table(ENDED)?;
            let found = table.get(id.0)?;
            Ok(found.map(|found| serde_json::from_slice(found.value())).transpose()?)
        })
    }

    /// The requests of which it is not known yet whether they are ours.
    pub fn held_requests(&self) -> JournalResult<Vec<(String, Requester)>> {
        self.with("read", |database| {
            let table = database.begin_read()?.open_table(REQUESTS)?;
            let mut held = Vec::new();
            for entry in table.iter()? {
                let known: KnownRequest = serde_json::from_slice(entry?.1.value())?;
                if let RequestState::Held { policy, requester } = known.state {
                    held.push((policy, requester));
                }
            }
            Ok(held)
        })
    }

    /// Forgets what nobody asks for any more.
    pub fn forget_requests(&self, now: Timestamp) -> JournalResult<()> {
        self.write(|tables| {
            let old = |known: &KnownRequest| {
                let held = matches!(known.state, RequestState::Held { .. });
                !held && now.duration_since(known.at) > KNOWN_FOR
            };
            tables.requests.retain(|_, body| {
                serde_json::from_slice::<KnownRequest>(body).is_ok_and(|known| !old(&known))
            })?;
            Ok(())
        })
    }
}

impl Tables<'_> {
    pub(super) fn settle(
        &mut self,
        id: &RequestId,
        state: RequestState,
        at: Timestamp,
    ) -> Result<(), Failure> {
        put_named(&mut self.requests, id.as_str(), &KnownRequest { at, state })
    }
}
