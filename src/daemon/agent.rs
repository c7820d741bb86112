//! The main loop: hear signals, tell systemd, stop.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::settings::Setup;
use super::wiring::Agent;
use super::{status, systemd};
use crate::job::{Active, JobError, JobId, JobResult};
use crate::metrics::RunProgress;
use crate::model::{ErrorKind, RunKind};
use crate::transfer::Stage;

/// Between two words to systemd.
const PULSE: Duration = Duration::from_secs(1);

/// A loop that did not go round for so long does not work.
const STUCK: Duration = Duration::from_secs(20);

/// Runs an agent until `stop` fires, and drains it.
pub async fn run(setup: Arc<dyn Setup>, stop: CancellationToken) -> JobResult<()> {
    let no_signals =
        |error| JobError::new(ErrorKind::Failed, format!("signals cannot be received: {error}"));
    let mut reloads = signal(SignalKind::hangup()).map_err(no_signals)?;
    let Some(agent) = stop.run_until_cancelled(Agent::start(setup)).await else { return Ok(()) };
    let mut agent = agent?;
    systemd::ready();
    agent.say_what_there_is();
    let mut pulse = interval(PULSE);
    pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut moved = Moved::default();
    let ended = loop {
        tokio::select! {
            () = stop.cancelled() => break Ok(()),
            _ = reloads.recv() => {
                // The next round sees a stop.
                stop.run_until_cancelled(agent.reload()).await;
            }
            Some(ended) = agent.tasks.join_next() => break Err(broken(ended)),
            _ = pulse.tick() => agent.pulse(&mut moved),
        }
    };
    agent.drain().await;
    ended
}

/// A loop ended that should not.
fn broken(ended: Result<&'static str, tokio::task::JoinError>) -> JobError {
    let message = match ended {
        Ok(name) => format!("the agent's own `{name}` ended"),
        Err(panicked) => format!("a task of the agent ended: {panicked}"),
    };
    JobError::new(ErrorKind::Failed, message).hint("please report this as a bug")
}

/// When the runs at work last moved.
#[derive(Debug, Default)]
struct Moved(HashMap<JobId, (u64, Timestamp)>);

impl Moved {
    fn at(&mut self, run: &Active, moves: u64, now: Timestamp) -> Timestamp {
        let seen = self.0.entry(run.job.id).or_insert((moves, now));
        if seen.0 != moves {
            *seen = (moves, now);
        }
        seen.1
    }

    fn keep(&mut self, runs: &[Active]) {
        self.0.retain(|id, _| runs.iter().any(|run| run.job.id == *id));
    }
}

impl Agent {
    fn say_what_there_is(&self) {
        let world = self.worlds.now();
        let policies = &world.settings.policies;
        let scheduled = policies.iter().filter(|policy| policy.schedule.is_some()).count();
        let all = policies.len();
        tracing::info!(policies = all, scheduled, "ready");
        if world.settings.config.unnamed_broker {
            tracing::warn!(
                "`amqp` is configured without `amqp.url`: no message comes, and nobody is told of runs"
            );
        }
        if policies.is_empty() {
            tracing::warn!("there are no policies, so nothing is backed up");
        }
    }

    /// What is told once a second.
    fn pulse(&self, moved: &mut Moved) {
        let (runs, now) = (self.runner.active(), self.clock.now());
        moved.keep(&runs);
        for run in &*runs {
            let found = run.progress.snapshot();
            let progress = RunProgress {
                done_bytes: found.done_bytes,
                expected_bytes: (found.total_bytes > 0).then_some(found.total_bytes),
                moved_at: moved.at(run, found.moves, now),
            };
            self.metrics.run_progressed(&run.job.policy, RunKind::Backup, progress);
            // A verification may be part of its backup's run. A scheduled one tells of itself.
            if found.stage == Stage::Verify {
                self.metrics.run_progressed(&run.job.policy, RunKind::Verify, progress);
            }
        }
        let world = self.worlds.now();
        let broker = self.broker.as_ref().map(|state| state.borrow().clone());
        self.status.is(&status::line(&runs, &world.settings.policies, (now, broker.as_ref())));
        let beats = [self.runner.last_beat(), *self.looked.borrow()];
        if beats.iter().all(|beat| Instant::now().duration_since(*beat) < STUCK) {
            systemd::alive();
        }
    }
}
