//! What a store can answer instead of an object.

use std::{fmt, io};

use crate::model::ErrorKind;

/// The number of `EIO`.
const EIO: i32 = 5;

/// The result of a store call.
pub type StoreResult<T> = Result<T, StoreError>;

/// The call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreOp {
    /// `list` and `list_folders`.
    List,
    /// `head`.
    Head,
    /// `get`, while it is read too.
    Get,
    /// `put` and `put_stream`.
    Put,
    /// `copy_from`.
    Copy,
    /// `delete`.
    Delete,
    /// `sync`.
    Sync,
    /// `space`.
    Space,
    /// Opening the store.
    Open,
}

impl fmt::Display for StoreOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::List => "list",
            Self::Head => "look up",
            Self::Get => "read",
            Self::Put => "write",
            Self::Copy => "copy",
            Self::Delete => "delete",
            Self::Sync => "sync",
            Self::Space => "ask the free space of",
            Self::Open => "open",
        })
    }
}

/// What the caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreErrorKind {
    /// No such object.
    NotFound,
    /// `IfAbsent` found an object.
    AlreadyExists,
    /// The credential or the user may not do this.
    PermissionDenied,
    /// No space is left.
    Full,
    /// The store or the mount is read-only.
    ReadOnly,
    /// The store cannot do this at all.
    Unsupported,
    /// The settings cannot be right: no such bucket, another region, an unknown certificate.
    Misconfigured,
    /// It may work later: time-outs, resets, throttling.
    Transient,
    /// A deadline has passed. Nothing begins any more; what had begun may be done or not.
    Expired,
    /// Anything else.
    Other,
}

impl StoreErrorKind {
    /// Whether trying again can help.
    pub fn is_transient(self) -> bool {
        self == Self::Transient
    }
}

/// A failed store call. `Display` names the operation and the place; the cause is its source.
#[derive(Debug, thiserror::Error)]
#[error("{op} `{place}`")]
pub struct StoreError {
    op: StoreOp,
    place: String,
    kind: StoreErrorKind,
    hint: Option<&'static str>,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl StoreError {
    /// `place` is the full path or URL, as a person would look for it.
    pub fn new(
        op: StoreOp,
        place: impl fmt::Display,
        kind: StoreErrorKind,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { op, place: place.to_string(), kind, hint: None, source: source.into() }
    }

    /// Says what to do, where the store knows better than the kind.
    #[must_use]
    pub fn with_hint(mut self, hint: Option<&'static str>) -> Self {
        self.hint = hint;
        self
    }

    /// The call that failed.
    pub fn op(&self) -> StoreOp {
        self.op
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// Whether a disk could not give back what is on it.
    pub fn is_bad_medium(&self) -> bool {
        let cause = self.source.downcast_ref::<io::Error>();
        cause.is_some_and(|cause| cause.raw_os_error() == Some(EIO))
    }

    /// The path or URL that the call was about.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The same, in the terms of a command's outcome.
    pub fn error_kind(&self) -> ErrorKind {
        match self.kind {
            StoreErrorKind::NotFound => ErrorKind::NotFound,
            StoreErrorKind::PermissionDenied => ErrorKind::NotAuthorised,
            StoreErrorKind::Misconfigured => ErrorKind::Usage,
            StoreErrorKind::Expired => ErrorKind::Locked,
            StoreErrorKind::AlreadyExists
            | StoreErrorKind::Full
            | StoreErrorKind::ReadOnly
            | StoreErrorKind::Unsupported
            | StoreErrorKind::Transient
            | StoreErrorKind::Other => ErrorKind::Failed,
        }
    }

    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<&'static str> {
        self.hint.or(match self.kind {
            StoreErrorKind::PermissionDenied => Some("give the agent's user access to this path"),
            StoreErrorKind::Full => Some("free space or choose another repository"),
            StoreErrorKind::ReadOnly => Some("mount it read-write, or choose another repository"),
            StoreErrorKind::NotFound
            | StoreErrorKind::AlreadyExists
            | StoreErrorKind::Unsupported
            | StoreErrorKind::Misconfigured
            | StoreErrorKind::Transient
            | StoreErrorKind::Expired
            | StoreErrorKind::Other => None,
        })
    }
}
