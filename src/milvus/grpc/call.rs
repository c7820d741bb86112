//! Deadlines and repetition: what surrounds every call.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;
use tonic::{Request, Response, Status};

use crate::milvus::{MilvusError, MilvusErrorKind, MilvusResult};

use super::client::{Client, GrpcMilvus};
use super::login::Login;
use super::privilege;
use super::proto::{common, milvus};
use super::status::{self, Failure};

/// A read that takes longer is not going to end.
const READ_DEADLINE: Duration = Duration::from_secs(30);

/// Flushes and DDL wait for other parts of Milvus, which retries by itself for most of a
/// minute.
const CHANGE_DEADLINE: Duration = Duration::from_mins(2);

/// No new try starts later than this after the first: with the 5 s of a connect that is
/// swallowed, a dead server is reported within 10 s.
const TRY_WINDOW: Duration = Duration::from_secs(5);

/// The rate limit of flushes, where it is on, is one in 10 s for a collection.
const RATE_LIMIT_WINDOW: Duration = Duration::from_mins(1);

/// What kind of call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Changes nothing.
    Read,
    /// Changes something that a second call would not change again.
    Idempotent,
    /// Idempotent, and worth waiting for the rate limit.
    Flush,
    /// Sent once.
    Once,
}

impl Kind {
    fn deadline(self) -> Duration {
        match self {
            Self::Read => READ_DEADLINE,
            Self::Idempotent | Self::Flush | Self::Once => CHANGE_DEADLINE,
        }
    }

    /// How long to wait before the next try, if there is one.
    fn pause(self, failure: MilvusErrorKind, tries: u32, spent: Duration) -> Option<Duration> {
        let may_pass = matches!(failure, MilvusErrorKind::Unreachable | MilvusErrorKind::Transient);
        let pause = Duration::from_millis(200) * 2_u32.pow(tries.min(5));
        let (most_tries, window) = match self {
            Self::Once => return None,
            Self::Flush if failure == MilvusErrorKind::Transient => (u32::MAX, RATE_LIMIT_WINDOW),
            Self::Read | Self::Idempotent | Self::Flush => (3, TRY_WINDOW),
        };
        (may_pass && tries < most_tries && spent + pause <= window).then_some(pause)
    }
}

/// One call to make.
#[derive(Debug)]
pub(super) struct Ask<'a, Q> {
    /// Decides deadline and repetition.
    pub(super) kind: Kind,
    /// What it is called in errors: `describe default.films`.
    pub(super) operation: String,
    /// Goes into the metadata; the message names it too, where Milvus has a field for it.
    pub(super) database: &'a str,
    /// What is sent.
    pub(super) message: Q,
}

impl<Q: Clone> Ask<'_, Q> {
    /// A database that does not fit into metadata is left to the message, where it fails.
    fn request(&self, login: Option<&Login>) -> Request<Q> {
        let mut request = Request::new(self.message.clone());
        if let Some(login) = login {
            login.sign(request.metadata_mut());
        }
        if let Ok(database) = self.database.parse() {
            request.metadata_mut().insert("dbname", database);
        }
        request
    }
}

/// Sends with a method of the generated client.
macro_rules! rpc {
    ($method:ident) => {
        |mut client, request| async move { client.$method(request).await }
    };
}
pub(super) use rpc;

/// An answer that carries Milvus's own status.
pub(super) trait Answer {
    fn status(&self) -> Option<&common::Status>;
}

impl Answer for common::Status {
    fn status(&self) -> Option<&common::Status> {
        Some(self)
    }
}

macro_rules! answers {
    ($($name:ident)*) => {
        $(impl Answer for milvus::$name {
            fn status(&self) -> Option<&common::Status> {
                self.status.as_ref()
            }
        })*
    };
}

answers! {
    ConnectResponse GetVersionResponse ListDatabasesResponse ShowCollectionsResponse
    DescribeCollectionResponse ShowPartitionsResponse DescribeIndexResponse
    GetLoadStateResponse GetLoadingProgressResponse GetReplicasResponse FlushResponse
    GetFlushStateResponse GetPersistentSegmentInfoResponse ImportResponse
    GetImportStateResponse DescribeDatabaseResponse FlushAllResponse GetFlushAllStateResponse
    BackupRbacMetaResponse QueryResults
}

impl GrpcMilvus {
    /// Sends a message as often as its kind allows.
    pub(super) async fn call<Q, A, F, Sent>(&self, ask: Ask<'_, Q>, send: F) -> MilvusResult<A>
    where
        Q: Clone,
        A: Answer,
        F: Fn(Client, Request<Q>) -> Sent,
        Sent: Future<Output = Result<Response<A>, Status>>,
    {
        let begun = Instant::now();
        let mut tries = 0;
        loop {
            let answer = send(self.client(), ask.request(self.login()));
            let Failure { kind, said, hint, missing } = match self.outcome(&ask, answer).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            tries += 1;
            let Some(pause) = ask.kind.pause(kind, tries, begun.elapsed()) else {
                let error = MilvusError::new(ask.operation, kind, said);
                return Err(error.with_hint(hint).with_missing(missing));
            };
            tracing::debug!(operation = ask.operation, tries, said, "call to Milvus repeated");
            tokio::time::sleep(pause).await;
        }
    }

    async fn outcome<Q, A: Answer>(
        &self,
        ask: &Ask<'_, Q>,
        sent: impl Future<Output = Result<Response<A>, Status>>,
    ) -> Result<A, Failure> {
        let (address, deadline) = (self.address_text(), ask.kind.deadline());
        match tokio::time::timeout(deadline, sent).await {
            Err(_) => {
                let said = format!("no answer from {address} within {} s", deadline.as_secs());
                Err(Failure::new(MilvusErrorKind::Transient, said))
            }
            Ok(Err(status)) => Err(privilege::refused(&status, self.login(), ask.database)
                .unwrap_or_else(|| status::failed(&status, address))),
            Ok(Ok(response)) => {
                let answer = response.into_inner();
                answer.status().and_then(status::answered).map_or(Ok(answer), Err)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::milvus::MilvusErrorKind::{NotFound, Transient, Unreachable};

    use super::Kind;

    #[test]
    fn only_what_is_harmless_is_repeated_and_not_for_long() {
        let secs = Duration::from_secs;
        for (kind, failure, tries, spent, again) in [
            (Kind::Read, Unreachable, 1, 0, true),
            (Kind::Read, Transient, 2, 1, true),
            (Kind::Read, Transient, 3, 1, false),
            (Kind::Read, Unreachable, 1, 5, false),
            (Kind::Read, NotFound, 1, 0, false),
            (Kind::Idempotent, Unreachable, 1, 0, true),
            (Kind::Flush, Transient, 9, 50, true),
            (Kind::Flush, Transient, 9, 60, false),
            (Kind::Flush, Unreachable, 3, 1, false),
            (Kind::Once, Unreachable, 1, 0, false),
            (Kind::Once, Transient, 1, 0, false),
        ] {
            let pause = kind.pause(failure, tries, secs(spent));
            assert_eq!(pause.is_some(), again, "{kind:?} {failure:?} {tries} {spent}");
        }
    }
}
