//! Events of what the agent does besides its jobs.

use std::sync::Arc;

use super::world::World;
use crate::job::{EventRun, EventSource, RunEvents, Spool};
use crate::model::{Clock, ClusterName, RunKind};

/// Leaves word of prunes and verifications, where anyone is told.
#[derive(Debug, Clone)]
pub(super) struct Besides {
    /// Where word is left, if there is a broker.
    pub(super) spool: Option<Spool>,
    cluster: ClusterName,
    /// The agent's name among those on one repository.
    pub(super) agent: String,
    clock: Arc<dyn Clock>,
}

/// What begins, and why.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun<'b> {
    pub(super) kind: RunKind,
    /// Empty for none.
    pub(super) policy: &'b str,
    pub(super) backup: Option<&'b str>,
    pub(super) trigger: &'b str,
    pub(super) job: Option<u64>,
}

impl Besides {
    /// Those of an agent of this name.
    pub(super) fn of(world: &World, agent: String) -> Self {
        let config = &world.settings.config;
        Self {
            spool: config.amqp.as_ref().map(|_| Spool::of(&config.state)),
            cluster: world.context.cluster.clone(),
            agent,
            clock: Arc::clone(&world.context.clock),
        }
    }

    /// A run begins now.
    pub(super) async fn begin(&self, begun: Begun<'_>) -> RunEvents {
        let Some(spool) = self.spool.clone() else { return RunEvents::none() };
        let source = EventSource::agent(self.cluster.clone(), &self.agent);
        let now = self.clock.now();
        let run = EventRun {
            policy: begun.policy.to_owned(),
            backup: begun.backup.map(str::to_owned),
            trigger: begun.trigger.to_owned(),
            job: begun.job,
            ..EventRun::begun(source, begun.kind, now)
        };
        RunEvents::begin(spool, run, now).await
    }
}
