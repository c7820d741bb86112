//! What the journal remembers, told to metrics and status.

use std::path::PathBuf;

use tokio::task::spawn_blocking;

use super::observe::facts;
use super::sight::Sight;
use crate::job::{JobError, JobResult, JobState, Journal, JournalError};
use crate::metrics::{Metrics, PolicyFacts};
use crate::model::{Clock, ErrorKind};
use crate::policy::PolicySet;
use crate::status::Intent;

/// Ended jobs that are looked through for the newest of each policy.
const REMEMBERED: usize = 1000;

/// Opens the journal of a state folder; the agent's name in it.
pub(super) async fn open_journal(state: PathBuf) -> JobResult<(Journal, String)> {
    let journal = spawn_blocking(move || Journal::open(&state)).await;
    let journal =
        journal.map_err(|_| JobError::new(ErrorKind::Failed, "the journal cannot be opened"));
    let journal = journal?.map_err(|error| unusable(&error))?;
    let agent = journal.on_disk(Journal::agent).await.map_err(|error| unusable(&error))?;
    Ok((journal, agent))
}

/// Tells metrics and status which policies there are.
pub(super) async fn announce(
    policies: &PolicySet,
    (metrics, sight): (&Metrics, &Sight),
    journal: &Journal,
    clock: &dyn Clock,
) -> JobResult<()> {
    let now = clock.now();
    let (mut all, mut intents) = (Vec::new(), Vec::new());
    for policy in policies.iter() {
        let name = policy.name.to_string();
        let memory = journal.on_disk(move |journal| journal.policy(&name, now)).await;
        let memory = memory.map_err(|error| unusable(&error))?;
        let created_at = memory.first_seen;
        let intent = Intent { created_at: Some(created_at), ..Intent::of(policy, now) };
        let Intent { max_age, interval, min_keep, .. } = intent;
        let name = policy.name.to_string();
        all.push(PolicyFacts { name, created_at, max_age, interval, min_keep });
        intents.push(intent);
    }
    metrics.set_policies(&all);
    sight.policies(intents);
    Ok(())
}

/// Tells metrics and status how the newest run of each policy ended before this process began.
pub(super) async fn remember(
    (metrics, sight): (&Metrics, &Sight),
    journal: &Journal,
) -> JobResult<()> {
    let ended = journal.on_disk(|journal| journal.ended_jobs(REMEMBERED)).await;
    let ended = ended.map_err(|error| unusable(&error))?;
    for job in ended.iter().rev() {
        if let JobState::Ended { outcome, at } = job.progress {
            let begun_at = job.begun_at.unwrap_or(at);
            metrics.run_remembered(&facts(job, outcome, (begun_at, at), None));
            sight.ended(job, outcome, at);
        }
    }
    Ok(())
}

pub(super) fn unusable(error: &JournalError) -> JobError {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    let message = format!("{error}{}", cause.unwrap_or_default());
    match error {
        JournalError::InUse(_) => JobError::new(ErrorKind::Locked, message)
            .hint("stop the other agent, or give this one a `state` of its own"),
        JournalError::TooNew { .. } => JobError::new(ErrorKind::Refused, message)
            .hint("a newer agent wrote it: use that one, or move the file away"),
        JournalError::Broken { .. } => JobError::new(ErrorKind::Failed, message).hint(
            "make `state` a folder that the agent can write; if the file is broken, move it away: \
             what was accepted and not begun is lost, backups are not",
        ),
    }
}
