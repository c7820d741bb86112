//! Milvus's and gRPC's ways of saying no, as [`MilvusErrorKind`]s.

use std::error::Error;

use tonic::Code;

use crate::milvus::{MilvusErrorKind, MissingPrivilege};

use super::fault::Fault;
use super::proto::common;

/// The code of everything that Milvus did not give a code of its own.
const UNEXPECTED: i32 = 65_535;

/// What came of a call, if not an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) kind: MilvusErrorKind,
    pub(super) said: String,
    pub(super) hint: Option<String>,
    pub(super) missing: Option<MissingPrivilege>,
}

impl Failure {
    pub(super) fn new(kind: MilvusErrorKind, said: impl Into<String>) -> Self {
        Self { kind, said: said.into(), hint: None, missing: None }
    }

    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// What a status in an answer means; `None` is success.
pub(super) fn answered(status: &common::Status) -> Option<Failure> {
    if status.error_code == 0 && status.code == 0 {
        return None;
    }
    let kind = by_code(status.code)
        .or_else(|| by_old_code(status.error_code))
        .unwrap_or_else(|| by_words(&status.reason));
    Some(Failure::new(kind, without_traces(&status.reason)))
}

/// The same of the bare code that an answer over REST has.
pub(in crate::milvus) fn meaning(code: i32, reason: &str) -> Option<(MilvusErrorKind, String)> {
    let failure = answered(&common::Status { error_code: 0, code, reason: reason.to_owned() })?;
    Some((failure.kind, failure.said))
}

/// Codes of servers since 2.3 (`pkg/util/merr`).
fn by_code(code: i32) -> Option<MilvusErrorKind> {
    match code {
        100 | 200 | 400 | 700 | 800 | 1000 | 1600 => Some(MilvusErrorKind::NotFound),
        1601 | 1602 => Some(MilvusErrorKind::AlreadyExists),
        1400 | 1401 => Some(MilvusErrorKind::NotAuthorised),
        1 | 2 | 4 | 8 | 12 | 103 | 106 | 202 => Some(MilvusErrorKind::Transient),
        10 => Some(MilvusErrorKind::Unimplemented),
        0 | UNEXPECTED => None,
        _ => Some(MilvusErrorKind::Other),
    }
}

/// `common.ErrorCode`, all that 2.2 has.
fn by_old_code(code: i32) -> Option<MilvusErrorKind> {
    match code {
        4 | 25 | 28 => Some(MilvusErrorKind::NotFound),
        3 => Some(MilvusErrorKind::NotAuthorised),
        49 | 55 | 56 | 57 | 100 => Some(MilvusErrorKind::Transient),
        _ => None,
    }
}

/// Without a code only the words are left; these were seen on 2.2.16 and 2.3.5.
fn by_words(reason: &str) -> MilvusErrorKind {
    let said = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    if said(&["node not found", "session not found"]) {
        // A part of Milvus that has just been restarted, not what was asked for.
        MilvusErrorKind::Transient
    } else if said(&["not found", "can't find", "not exist", "doesn't exist", "get replicas"]) {
        MilvusErrorKind::NotFound
    } else if said(&["already exist", "create duplicate collection", "duplicated new collection"]) {
        MilvusErrorKind::AlreadyExists
    } else {
        MilvusErrorKind::Other
    }
}

/// What a failed call means, and what to say about it.
pub(super) fn failed(status: &tonic::Status, address: &str) -> Failure {
    let transport = || {
        if let Some(Fault { kind, message, hint }) = Fault::of_call(status) {
            let said = match kind {
                MilvusErrorKind::Unreachable => format!("{address} does not answer: {message}"),
                MilvusErrorKind::NotFound
                | MilvusErrorKind::AlreadyExists
                | MilvusErrorKind::NotAuthorised
                | MilvusErrorKind::Misconfigured
                | MilvusErrorKind::Unimplemented
                | MilvusErrorKind::Transient
                | MilvusErrorKind::Other => format!("{address}: {message}"),
            };
            return Failure::new(kind, said).hint(hint);
        }
        let said = format!("{address} does not answer: {}", innermost(status));
        Failure::new(MilvusErrorKind::Unreachable, said)
    };
    let kind = match status.code() {
        Code::Unavailable => return transport(),
        Code::Unknown | Code::Internal | Code::Cancelled if status.source().is_some() => {
            return transport();
        }
        Code::Unauthenticated | Code::PermissionDenied => MilvusErrorKind::NotAuthorised,
        Code::Unimplemented => MilvusErrorKind::Unimplemented,
        Code::DeadlineExceeded | Code::ResourceExhausted | Code::Aborted => {
            MilvusErrorKind::Transient
        }
        Code::NotFound => MilvusErrorKind::NotFound,
        Code::AlreadyExists => MilvusErrorKind::AlreadyExists,
        Code::Unknown => by_words(status.message()),
        Code::Ok
        | Code::Cancelled
        | Code::InvalidArgument
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Internal
        | Code::DataLoss => MilvusErrorKind::Other,
    };
    Failure::new(kind, status.message())
}

/// A reason of 2.3 may hold whole stack traces of Go, whose lines are of no use here.
fn without_traces(reason: &str) -> String {
    let is_code = |part: &str| part.contains(".go:") && part.contains("github.com/");
    let said = |part| {
        if is_code(part) { part.split_once(": ").map(|(_, said)| said) } else { Some(part) }
    };
    let parts = reason.lines().flat_map(|line| line.split("stack trace: ")).map(str::trim);
    parts.filter_map(said).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The last cause says most: "Connection refused" rather than "transport error".
fn innermost(status: &tonic::Status) -> String {
    let mut text = status.message().to_owned();
    let mut next = status.source();
    while let Some(cause) = next {
        text = cause.to_string();
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::milvus::MilvusErrorKind as Kind;

    use super::super::proto::common;
    use super::{answered, failed, without_traces};

    /// Every line was answered by a real 2.3.5.
    const ANSWERS: &[(i32, i32, &str, Kind)] = &[
        (1, 100, "can't find collection collection not found[collection=a]", Kind::NotFound),
        (4, 100, "collection not found[database=default][collection=a]", Kind::NotFound),
        (1, 800, "database not found[database=a]", Kind::NotFound),
        (15, 200, "partition not found[partition=a]", Kind::NotFound),
        (15, 400, "replica not found[replica=1]", Kind::NotFound),
        (1, 1000, "key not found[key=by-dev/meta/importtask/1]", Kind::NotFound),
        (1, 1600, "alias not found[database=default][alias=a]", Kind::NotFound),
        (1, 65535, "attempt #9: rpc error: desc = collection not found", Kind::NotFound),
        (1, 65535, "database already exist: a", Kind::AlreadyExists),
        (1, 65535, "create duplicate collection with different", Kind::AlreadyExists),
        (1, 65535, "duplicated new collection name default:a", Kind::AlreadyExists),
        (1, 1601, "alias and collection name conflict", Kind::AlreadyExists),
        (1, 1602, "a is alias to another collection", Kind::AlreadyExists),
        (49, 8, "request is rejected by grpc RateLimiter middleware", Kind::Transient),
        (1, 101, "collection not loaded[collection=1]", Kind::Other),
        (5, 1100, "can't change the replica number", Kind::Other),
        (1, 65535, "nodes not enough", Kind::Other),
        (1, 65535, "session not found->datanode-2: node not found[node=2]", Kind::Transient),
    ];

    /// Every line was answered by a real 2.2.16, whose `code` is always 0.
    const ANSWERS_OF_2_2: &[(i32, i32, &str, Kind)] = &[
        (1, 0, "ShowCollections failed: database:a not found", Kind::NotFound),
        (1, 0, "code: CollectionNotExists, reason: can't find collection b:a", Kind::NotFound),
        (1, 0, "collection not exists: a", Kind::NotFound),
        (1, 0, "partition ID not found for partition name 'p'", Kind::NotFound),
        (1, 0, "failed to alter alias, alias does not exist: a", Kind::NotFound),
        (1, 0, "import task id doesn't exist", Kind::NotFound),
        (25, 0, "index doesn't exist, collectionID 1", Kind::NotFound),
        (15, 0, "failed to get replicas, collection not loaded", Kind::NotFound),
        (1, 0, "database already exist: a", Kind::AlreadyExists),
        (1, 0, "create duplicate collection with different parameters", Kind::AlreadyExists),
        (1, 0, "duplicated new collection name default:a", Kind::AlreadyExists),
        (1, 0, "cannot alter alias, collection already exists", Kind::AlreadyExists),
        (1, 0, "failed to spawn replica for collection[nodes not enough]", Kind::Other),
        (1, 0, "creating multiple indexes on same field is not supported", Kind::Other),
        (5, 0, "load the partition after load collection is not supported", Kind::Other),
    ];

    #[test]
    fn the_answers_of_both_servers_have_their_kinds() {
        for &(error_code, code, reason, kind) in ANSWERS.iter().chain(ANSWERS_OF_2_2) {
            let status = common::Status { error_code, code, reason: reason.to_owned() };
            assert_eq!(answered(&status).map(|failure| failure.kind), Some(kind), "{reason}");
        }
        assert_eq!(answered(&common::Status::default()), None);
    }

    #[test]
    fn stack_traces_are_left_out() {
        let reason = "attempt #0: stack trace: /m/a.go:51 github.com/m.Trace\n\
            /m/b.go:116 github.com/m.Flush: node not match: unrecoverable error";
        assert_eq!(without_traces(reason), "attempt #0: node not match: unrecoverable error");
        assert_eq!(without_traces("database already exist: a"), "database already exist: a");
    }

    #[test]
    fn grpc_codes_have_their_kinds() {
        for (status, kind) in [
            (tonic::Status::unavailable(""), Kind::Unreachable),
            (tonic::Status::unauthenticated(""), Kind::NotAuthorised),
            (tonic::Status::unimplemented(""), Kind::Unimplemented),
            (tonic::Status::resource_exhausted(""), Kind::Transient),
            (tonic::Status::invalid_argument(""), Kind::Other),
        ] {
            assert_eq!(failed(&status, "http://m").kind, kind, "{status}");
        }
    }
}
