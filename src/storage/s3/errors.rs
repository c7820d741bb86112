//! What the server or the way to it answered → what the caller can do.

use std::error::Error;
use std::fmt::Display;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::storage::{StoreError, StoreErrorKind, StoreOp};

const KEYS: &str = "check the access key and its rights on this bucket: list, read, write, delete";
const NO_KEYS: &str = "set `access_key_id` and `secret_access_key` beside the bucket, or give the \
     process an environment, profile or role with credentials";
const EXPIRED: &str =
    "renew the credentials; those of the configuration never expire by themselves";
const BUCKET: &str = "check the bucket's name and the endpoint; the agent makes no bucket";
const REGION: &str = "set `region` to the bucket's own, and `endpoint` to a server that has it";
const AUTHORITY: &str =
    "set `ca_file` to the certificate of the authority that signed the server's";
const NOBODY: &str =
    "check that the server runs, that `endpoint` is its address, and the network between";
const CLOCK: &str = "set this machine's clock";

/// A kind, and what to do about it.
type Verdict = (StoreErrorKind, Option<&'static str>);

/// The error of one call. Its cause is one line; the types of the SDK end here.
pub(super) fn failed<E>(
    op: StoreOp,
    place: impl Display,
    error: &SdkError<E, HttpResponse>,
) -> StoreError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let status = error.raw_response().map_or(0, |response| response.status().as_u16());
    #[expect(clippy::wildcard_enum_match_arm, reason = "the SDK may add variants")]
    let ((kind, hint), cause) = match error {
        SdkError::ServiceError(service) => {
            let (code, message) = (service.err().code(), service.err().message());
            (of_answer(code, status), answer(status, code, message))
        }
        // A page of a proxy, half an answer.
        SdkError::ResponseError(_) => (of_garbage(status), chain(error)),
        SdkError::TimeoutError(_) => ((StoreErrorKind::Transient, None), chain(error)),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            ((StoreErrorKind::Transient, None), chain(error))
        }
        _ => (of_the_way(error), chain(error)),
    };
    StoreError::new(op, place, kind, cause).with_hint(hint)
}

/// The verdict on an answer of the server. A code says more than the status.
pub(super) fn of_answer(code: Option<&str>, status: u16) -> Verdict {
    use StoreErrorKind::{
        AlreadyExists, Full, Misconfigured, NotFound, Other, PermissionDenied, Transient,
        Unsupported,
    };
    match code.unwrap_or_default() {
        "NoSuchKey" | "NoSuchUpload" => (NotFound, None),
        "NoSuchBucket" | "InvalidBucketName" => (Misconfigured, Some(BUCKET)),
        "PermanentRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException"
        | "InvalidRegion" => (Misconfigured, Some(REGION)),
        "ExpiredToken" | "TokenRefreshRequired" => (PermissionDenied, Some(EXPIRED)),
        "RequestTimeTooSkewed" => (Misconfigured, Some(CLOCK)),
        "AccessDenied"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "InvalidToken"
        | "AllAccessDisabled"
        | "AccountProblem" => (PermissionDenied, Some(KEYS)),
        "PreconditionFailed" | "ConditionalRequestConflict" => (AlreadyExists, None),
        "NotImplemented" | "MethodNotAllowed" => (Unsupported, None),
        "QuotaExceeded" | "XMinioStorageFull" | "XMinioAdminBucketQuotaExceeded" => (Full, None),
        "SlowDown"
        | "SlowDownRead"
        | "SlowDownWrite"
        | "Throttling"
        | "ThrottlingException"
        | "RequestLimitExceeded"
        | "TooManyRequests"
        | "RequestTimeout"
        | "InternalError"
        | "ServiceUnavailable"
        | "OperationAborted"
        | "BadDigest"
        | "IncompleteBody" => (Transient, None),
        _ => match status {
            301 | 302 | 307 | 308 => (Misconfigured, Some(REGION)),
            401 | 403 => (PermissionDenied, Some(KEYS)),
            404 => (NotFound, None),
            405 | 501 => (Unsupported, None),
            409 | 412 => (AlreadyExists, None),
            507 => (Full, None),
            408 | 429 | 500 | 502 | 503 | 504 => (Transient, None),
            _ => (Other, None),
        },
    }
}

/// The verdict on an answer that is not S3's.
fn of_garbage(status: u16) -> Verdict {
    match status {
        200..300 => (StoreErrorKind::Transient, None),
        _ => of_answer(None, status),
    }
}

/// The verdict on a request that met no server.
fn of_the_way(error: &(dyn Error + 'static)) -> Verdict {
    if let Some(credentials) = find::<CredentialsError>(error) {
        let transient = matches!(credentials, CredentialsError::ProviderTimedOut(_));
        return if transient {
            (StoreErrorKind::Transient, Some(NO_KEYS))
        } else {
            (StoreErrorKind::PermissionDenied, Some(NO_KEYS))
        };
    }
    // The types of these errors belong to libraries inside the SDK.
    let chain = chain(error);
    if chain.contains("invalid peer certificate") {
        return (StoreErrorKind::Misconfigured, Some(AUTHORITY));
    }
    (StoreErrorKind::Transient, chain.contains("(Connect)").then_some(NOBODY))
}

fn find<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

fn answer(status: u16, code: Option<&str>, message: Option<&str>) -> String {
    match (code, message) {
        (Some(code), Some(message)) => format!("{code}: {message} (status {status})"),
        (Some(code), None) => format!("{code} (status {status})"),
        (None, _) => format!("the server answered with status {status}"),
    }
}

/// An error and its causes on one line, each once.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let said = next.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::of_answer;
    use crate::storage::StoreErrorKind::{
        self, AlreadyExists, Misconfigured, NotFound, Other, PermissionDenied, Transient,
        Unsupported,
    };

    #[test]
    fn answers_have_kinds() {
        let cases: [(Option<&str>, u16, StoreErrorKind); 16] = [
            (Some("NoSuchKey"), 404, NotFound),
            (None, 404, NotFound),
            (Some("NoSuchBucket"), 404, Misconfigured),
            (Some("PermanentRedirect"), 301, Misconfigured),
            (None, 301, Misconfigured),
            (Some("AccessDenied"), 403, PermissionDenied),
            (Some("ExpiredToken"), 400, PermissionDenied),
            (None, 403, PermissionDenied),
            (Some("PreconditionFailed"), 412, AlreadyExists),
            (Some("ConditionalRequestConflict"), 409, AlreadyExists),
            (Some("OperationAborted"), 409, Transient),
            (Some("SlowDown"), 503, Transient),
            (Some("InternalError"), 200, Transient),
            (Some("NotImplemented"), 501, Unsupported),
            (Some("EntityTooLarge"), 400, Other),
            (Some("SomethingNew"), 503, Transient),
        ];
        for (code, status, kind) in cases {
            assert_eq!(of_answer(code, status).0, kind, "{code:?} {status}");
        }
    }
}
