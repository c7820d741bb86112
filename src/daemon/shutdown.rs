//! The drain: one step after the other, each with a limit.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::systemd;
use super::wiring::Agent;

/// Runs have 20 s to end by themselves; a little more, and the process need not wait.
const DRAINED: Duration = Duration::from_secs(30);

/// What every other step may take.
const SHORT: Duration = Duration::from_secs(10);

impl Agent {
    /// Stops everything, in the order of the module's essay.
    pub(super) async fn drain(mut self) {
        systemd::stopping();
        self.status.is("stopping: waiting for runs to write a checkpoint");
        tracing::info!("stopping");
        self.stop_schedules.cancel();
        step("schedules", SHORT, self.ended("schedules")).await;
        step("word to the runs", SHORT, self.runner.drain()).await;
        step("runs", DRAINED, self.ended("runner")).await;
        step("drills and readings", DRAINED, self.ended("proving")).await;
        self.stop.cancel();
        step("catalog", SHORT, self.ended("catalog")).await;
        let world = self.worlds.now();
        step("uploads", SHORT, world.context.repository.settle()).await;
        self.stop_telling.cancel();
        if self.broker.is_some() {
            step("broker", SHORT, self.ended("broker")).await;
        }
        self.stop_listening.cancel();
        step("listeners", SHORT, async { while self.tasks.join_next().await.is_some() {} }).await;
        tracing::info!("stopped");
    }

    /// Waits for a loop, by its name. One that ended before is not waited for.
    async fn ended(&mut self, name: &'static str) {
        while !self.ended.contains(name) {
            match self.tasks.join_next().await {
                Some(Ok(ended)) => drop(self.ended.insert(ended)),
                Some(Err(_)) => {}
                None => return,
            }
        }
    }
}

async fn step(name: &'static str, limit: Duration, work: impl Future<Output = ()>) {
    let begun = Instant::now();
    if timeout(limit, work).await.is_err() {
        tracing::warn!(step = name, "did not end within {} s", limit.as_secs());
    }
    tracing::debug!(step = name, took = ?begun.elapsed(), "drained");
}
