//! Prunes that fail.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::lab::Lab;
use crate::broker::Broker;
use crate::config::Config;
use crate::daemon::besides::Besides;
use crate::daemon::pruning::{Due, Pruning};
use crate::daemon::sight::Sight;
use crate::daemon::world::Worlds;
use crate::daemon::{Client, Settings, Setup};
use crate::job::{JobContext, JobError, JobResult, Staging, StagingRoot};
use crate::metrics::Metrics;
use crate::model::{ErrorKind, RunKind, RunOutcome};

/// A staging folder that is on a disk which may be away.
#[derive(Debug, Default)]
struct Away(Mutex<Option<ErrorKind>>);

#[async_trait]
impl Setup for Away {
    fn read(&self) -> JobResult<Settings> {
        unreachable!("nobody reloads")
    }

    async fn open(&self, _: &Config) -> JobResult<JobContext> {
        unreachable!("it is open")
    }

    fn broker(&self, _: &Config, _: Client<'_>) -> JobResult<Option<Arc<dyn Broker>>> {
        Ok(None)
    }

    async fn staging(&self, _: &Config, _: &JobContext) -> JobResult<Option<StagingRoot>> {
        match *self.0.lock().unwrap() {
            Some(kind) => Err(JobError::new(kind, "the disk is away")),
            None => Ok(None),
        }
    }

    async fn drill_staging(&self, _: &Config, _: &JobContext) -> JobResult<Staging> {
        unreachable!("nothing is drilled")
    }
}

#[tokio::test(start_paused = true)]
async fn a_prune_that_failed_is_tried_again_within_the_hour() {
    let lab = Lab::new().await;
    lab.backup("first").await;
    let (metrics, stop, setup) =
        (Metrics::default(), CancellationToken::new(), Arc::<Away>::default());
    *setup.0.lock().unwrap() = Some(ErrorKind::Failed);
    let world = lab.world(Some(""));
    let pruning = Pruning {
        setup: Arc::<Away>::clone(&setup),
        besides: Besides::of(&world, "agent".to_owned()),
        worlds: Worlds::new(world),
        metrics: metrics.clone(),
        sight: Sight::default(),
        changed: Arc::default(),
        stop: stop.clone(),
    };
    let (tell, due) = mpsc::unbounded_channel();
    let outcome = || metrics.known("").ended.get(&RunKind::Prune).map(|(_, outcome)| *outcome);
    let watch = async {
        tell.send(Due::Leftovers).unwrap();
        sleep(Duration::from_mins(1)).await;
        assert_eq!(outcome(), Some(RunOutcome::Failed));
        *setup.0.lock().unwrap() = Some(ErrorKind::NotFound);
        tell.send(Due::Leftovers).unwrap();
        sleep(Duration::from_mins(1)).await;
        assert_eq!(outcome(), Some(RunOutcome::Skipped), "and what failed is still to be done");
        *setup.0.lock().unwrap() = None;
        sleep(Duration::from_mins(57)).await;
        assert_eq!(outcome(), Some(RunOutcome::Skipped), "not yet");
        sleep(Duration::from_mins(2)).await;
        assert_eq!(outcome(), Some(RunOutcome::Complete));
        let done = metrics.known("").ended;
        sleep(Duration::from_hours(3)).await;
        assert_eq!(metrics.known("").ended, done, "and no more");
        stop.cancel();
    };
    tokio::join!(pruning.go_on(due), watch);
}
