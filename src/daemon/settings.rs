//! What an agent is made of, and can be made of anew.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

use crate::broker::Broker;
use crate::config::Config;
use crate::job::{JobContext, JobResult, Staging, StagingRoot};
use crate::model::ClusterName;
use crate::policy::PolicySet;

/// A configuration and its policies, both right.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The configuration.
    pub config: Config,
    /// The policies.
    pub policies: PolicySet,
    /// The file of the configuration, which commands have to name; none for the usual one.
    pub config_file: Option<String>,
}

/// Who an agent is to a broker.
#[derive(Debug, Clone, Copy)]
pub struct Client<'a> {
    /// The cluster that it backs up.
    pub cluster: &'a ClusterName,
    /// Its name among the agents on one repository.
    pub agent: &'a str,
}

/// Where settings come from, and how the world behind them is opened.
#[async_trait]
pub trait Setup: Debug + Send + Sync + 'static {
    /// Reads the files. Every problem of all of them is in the error.
    fn read(&self) -> JobResult<Settings>;

    /// Connects to what the configuration names.
    async fn open(&self, config: &Config) -> JobResult<JobContext>;

    /// The broker that the configuration names, if it does; not connected to yet.
    fn broker(&self, config: &Config, who: Client<'_>) -> JobResult<Option<Arc<dyn Broker>>>;

    /// Where restores of this agent stage files, if that place is there.
    async fn staging(
        &self,
        config: &Config,
        context: &JobContext,
    ) -> JobResult<Option<StagingRoot>>;

    /// Where drills stage files for Milvus to read, made if need be.
    async fn drill_staging(&self, config: &Config, context: &JobContext) -> JobResult<Staging>;
}
