//! `pin` and `unpin`.

use jiff::Timestamp;
use serde::Serialize;

use crate::catalog::{self, BackupRecord, BackupState, Cluster, Lease};
use crate::manifest::Pin;
use crate::model::{BackupName, ErrorKind};
use crate::plan::Found;

use super::delete::find;
use crate::job::{JobContext, JobError, JobResult, reading};

/// `pin` and `unpin`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PinReport {
    /// The backup's name.
    pub name: String,
    /// The cluster.
    pub cluster: String,
    /// The state it is in now.
    pub state: BackupState,
    /// Whether it is pinned now.
    pub pinned: bool,
    /// Until when.
    pub until: Option<String>,
    /// What was in doubt of it before.
    pub was_suspect: Option<String>,
    /// Why it was pinned before, if it was.
    pub replaced: Option<String>,
}

/// Keeps a backup whatever the rules say, until a moment or for good, and lets it count as a
/// good one from now on.
pub async fn run_pin(
    context: &JobContext,
    name: &BackupName,
    (reason, until): (&str, Option<Timestamp>),
) -> JobResult<PinReport> {
    let now = context.clock.now();
    if until.is_some_and(|until| until <= now) {
        return Err(JobError::new(ErrorKind::Usage, "the end of the pin is in the past")
            .hint(format!("name a moment after {now}, or none")));
    }
    if reason.trim().is_empty() {
        return Err(JobError::new(ErrorKind::Usage, "a pin needs a reason")
            .hint("say why, for those who look later"));
    }
    let cluster = find(context, name).await?;
    let reading = reading::hold(&cluster, name).await?;
    let pinned = pin(context, (&cluster, &reading), name, (reason, until)).await;
    reading.release().await;
    let before = pinned?;
    let now = context.clock.now();
    let was_suspect = (before.state == BackupState::Suspect).then(|| before.reasons.join("; "));
    let held = before.pin.filter(|pin| pin.holds(now));
    let replaced = held.map(|pin| match pin.until {
        Some(until) => format!("until {until}: {}", pin.reason),
        None => format!("for good: {}", pin.reason),
    });
    let report = report(context, &cluster, name).await?;
    Ok(PinReport { was_suspect, replaced, ..report })
}

/// Returns what it was before.
async fn pin(
    context: &JobContext,
    (cluster, reading): (&Cluster, &Lease),
    name: &BackupName,
    (reason, until): (&str, Option<Timestamp>),
) -> JobResult<BackupRecord> {
    let before = catalog::read_record(cluster, name, &*context.clock).await?;
    if !before.is_committed() {
        let state = before.state;
        let message = format!("`{name}` is {state}, not a backup that can be kept");
        let error = JobError::new(ErrorKind::Refused, message);
        return Err(match state {
            BackupState::Tombstoned => error.hint(format!("`undelete {name}` brings it back")),
            BackupState::Foreign => error.hint("it stays anyway: prune deletes no such tree"),
            BackupState::Damaged
            | BackupState::Failed
            | BackupState::Running
            | BackupState::Complete
            | BackupState::Suspect
            | BackupState::Partial => error.hint("`list` says why"),
        });
    }
    put(context, (cluster, reading), name, (reason, until)).await?;
    // Whoever deletes it puts a tombstone first and looks for a pin afterwards.
    if catalog::has_tombstone(cluster, name).await? {
        let message = format!("backup `{name}` was deleted meanwhile");
        return Err(JobError::new(ErrorKind::Refused, message)
            .hint(format!("`undelete {name}`, then pin it")));
    }
    Ok(before)
}

/// Writes a pin down.
pub(super) async fn put(
    context: &JobContext,
    (cluster, lease): (&Cluster, &Lease),
    name: &BackupName,
    (reason, until): (&str, Option<Timestamp>),
) -> JobResult<()> {
    let pin = Pin {
        version: 1,
        at: context.clock.now(),
        by: catalog::this_process().host,
        reason: reason.to_owned(),
        until,
        ended: None,
    };
    Ok(catalog::put_pin(cluster, lease, (name, &pin)).await?)
}

/// Leaves a pinned backup to the rules again.
pub async fn run_unpin(context: &JobContext, name: &BackupName) -> JobResult<PinReport> {
    let cluster = find(context, name).await?;
    let reading = reading::hold(&cluster, name).await?;
    let unpinned = unpin(context, (&cluster, &reading), name).await;
    reading.release().await;
    unpinned?;
    report(context, &cluster, name).await
}

async fn unpin(
    context: &JobContext,
    (cluster, reading): (&Cluster, &Lease),
    name: &BackupName,
) -> JobResult<()> {
    let now = context.clock.now();
    match catalog::pin(cluster, name).await? {
        Found::Read(pin) if pin.holds(now) => {
            let ended = Pin { ended: Some(now), ..pin };
            Ok(catalog::put_pin(cluster, reading, (name, &ended)).await?)
        }
        Found::Read(_) | Found::Absent => {
            let message = format!("backup `{name}` is not pinned");
            Err(JobError::new(ErrorKind::NothingToDo, message))
        }
        Found::Unreadable(why) | Found::TooNew(why) => Err(JobError::new(ErrorKind::Refused, why)
            .hint("pin it again, then unpin it; a newer agent's pin needs that agent")),
    }
}

async fn report(
    context: &JobContext,
    cluster: &Cluster,
    name: &BackupName,
) -> JobResult<PinReport> {
    let record = catalog::read_record(cluster, name, &*context.clock).await?;
    let pin = record.pin.as_ref().filter(|pin| pin.holds(context.clock.now()));
    Ok(PinReport {
        name: name.to_string(),
        cluster: cluster.name.to_string(),
        state: record.state,
        pinned: pin.is_some(),
        until: pin.and_then(|pin| pin.until).map(|until| until.to_string()),
        was_suspect: None,
        replaced: None,
    })
}
