//! SIGHUP: the new settings, or else the old ones.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::memory::announce;
use super::wiring::Agent;
use super::world::World;
use crate::config::Config;
use crate::job::{JobError, JobResult};
use crate::metrics::Check;
use crate::model::ErrorKind;

/// How long a reload may take. A store that hangs must not outlast systemd's watchdog, which
/// hears nothing meanwhile.
const PATIENCE: Duration = Duration::from_mins(1);

impl Agent {
    /// Takes the files as they are now, if they are right.
    pub(super) async fn reload(&self) {
        let read = timeout(PATIENCE, self.read_again()).await.unwrap_or_else(|_| {
            let message = format!("they could not be opened within {} s", PATIENCE.as_secs());
            Err(JobError::new(ErrorKind::Unreachable, message))
        });
        let found = match read {
            Ok(()) => {
                self.sight.reloaded(None);
                Check::Passed
            }
            Err(error) => {
                self.sight.reloaded(Some(error.chain()));
                tracing::error!(error = %error.chain(), "the new settings are wrong; the old ones stay");
                Check::Failed
            }
        };
        self.metrics.config_reload(found);
    }

    async fn read_again(&self) -> JobResult<()> {
        let setup = Arc::clone(&self.setup);
        let mut settings = match spawn_blocking(move || setup.read()).await {
            Ok(read) => read?,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        };
        let old = self.worlds.now();
        let later = changed_for_later(&settings.config, &old.settings.config);
        if !later.is_empty() {
            tracing::warn!(keys = later.join(", "), "these change with a restart only");
        }
        keep_fixed(&mut settings.config, &old.settings.config);
        let context = if old.settings.config == settings.config {
            old.context.clone()
        } else {
            self.setup.open(&settings.config).await?.metered(&self.metrics)
        };
        let told = (&self.metrics, &self.sight);
        announce(&settings.policies, told, &self.journal, &*self.clock).await?;
        let policies = settings.policies.len();
        self.worlds.replace(World { settings, context });
        self.doubt.notify_one();
        tracing::info!(policies, "the settings were read again");
        Ok::<(), JobError>(())
    }
}

/// The keys that change only with a restart, and are others in the new configuration.
fn changed_for_later(new: &Config, old: &Config) -> Vec<&'static str> {
    let differ = [
        ("amqp.*", new.amqp != old.amqp),
        ("api.*", new.api != old.api),
        ("metrics.*", new.metrics != old.metrics),
        ("state", new.state != old.state),
        ("milvus.cluster", new.milvus.cluster != old.milvus.cluster),
        ("log.*", new.log != old.log),
    ];
    differ.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}

/// Keeps in the new configuration what changes only with a restart.
fn keep_fixed(new: &mut Config, old: &Config) {
    new.amqp.clone_from(&old.amqp);
    new.api.clone_from(&old.api);
    new.metrics.clone_from(&old.metrics);
    new.state.clone_from(&old.state);
    new.milvus.cluster.clone_from(&old.milvus.cluster);
    new.log = old.log;
}
