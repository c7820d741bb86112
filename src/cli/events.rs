//! Events of a command, which the agent publishes.

use jiff::Timestamp;

use crate::catalog::this_process;
use crate::config::Config;
use crate::job::{EventEnd, EventRun, EventSource, JobResult, RunEvents, Spool};
use crate::model::RunOutcome;
use crate::storage::Access;

use super::session;
use super::told::{Ended, Told};

/// Leaves word that a run begins, where the configuration names a broker to tell.
pub(super) async fn begin(config: &Config, run: &Told, now: Timestamp) -> RunEvents {
    let spool = config.amqp.as_ref().map(|_| Spool::of(&config.state));
    let cluster = session::cluster_name(config, Access::Read).ok();
    let Some((spool, cluster)) = spool.zip(cluster) else { return RunEvents::none() };
    let source = EventSource::host(cluster, &this_process().host);
    let run = EventRun {
        policy: run.policy.clone(),
        backup: run.backup.clone(),
        trigger: "cli".to_owned(),
        ..EventRun::begun(source, run.kind, now)
    };
    RunEvents::begin(spool, run, now).await
}

/// Leaves word of how it ended.
pub(super) async fn end(
    events: RunEvents,
    (ended, outcome): (&JobResult<Ended>, RunOutcome),
    now: Timestamp,
) {
    let (backup, end) = match ended {
        Ok(Ended { done: Some(done), .. }) => {
            let end = EventEnd::reported(outcome, now, done.facts.clone());
            (done.backup.as_deref(), EventEnd { detail: done.detail.clone(), ..end })
        }
        // A plan has no events.
        Ok(Ended { done: None, .. }) => return,
        Err(error) => (None, EventEnd::broken_off(outcome, now, error)),
    };
    events.end(backup, &end, now).await;
}
