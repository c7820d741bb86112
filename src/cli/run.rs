//! `run`: the agent itself.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::broker::{Broker, RabbitBroker};
use crate::config::{self, Config, Environment};
use crate::daemon::{self, Client, Settings, Setup};
use crate::job::{JobContext, JobError, JobResult, Staging, StagingRoot};
use crate::storage::Access;

use super::{ExitStatus, policy, session, staging};

/// The settings are the files and the environment of this process.
#[derive(Debug)]
struct Files {
    config: Option<PathBuf>,
}

#[async_trait]
impl Setup for Files {
    fn read(&self) -> JobResult<Settings> {
        let loaded = config::load(self.config.as_deref(), &Environment::of_process());
        let config = loaded.map_err(|error| unusable(&error))?.config;
        let policies = policy::load(&config)?;
        let config_file = session::named_file(self.config.as_deref());
        Ok(Settings { config, policies, config_file })
    }

    async fn open(&self, config: &Config) -> JobResult<JobContext> {
        session::open(config, Access::Write, CancellationToken::new()).await
    }

    fn broker(&self, config: &Config, who: Client<'_>) -> JobResult<Option<Arc<dyn Broker>>> {
        let broker =
            |amqp| -> Arc<dyn Broker> { Arc::new(RabbitBroker::new(amqp, who.cluster, who.agent)) };
        Ok(config.amqp.as_ref().map(broker))
    }

    async fn staging(
        &self,
        config: &Config,
        context: &JobContext,
    ) -> JobResult<Option<StagingRoot>> {
        staging::staging_root(config, context, Access::WriteExisting).await
    }

    async fn drill_staging(&self, config: &Config, context: &JobContext) -> JobResult<Staging> {
        staging::staging(config, context).await
    }
}

/// Runs until it is told to stop; a stop that was asked for is no failure.
pub(super) async fn run(config: Option<PathBuf>, stop: CancellationToken) -> JobResult<ExitStatus> {
    daemon::run(Arc::new(Files { config }), stop).await?;
    Ok(ExitStatus::OK)
}

/// Every problem of a configuration as one error.
pub(super) fn unusable(error: &config::ConfigError) -> JobError {
    let problems = error.to_string();
    let problems = problems.strip_prefix("error: ").unwrap_or(&problems).to_owned();
    JobError::new(error.kind(), problems)
}
