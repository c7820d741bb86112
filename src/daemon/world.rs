//! The settings that are in force, and the world that they open.

use std::sync::Arc;

use tokio::sync::watch;

use super::settings::Settings;
use crate::job::JobContext;

/// What a run that begins now works with.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) settings: Settings,
    /// A context whose progress and token are not those of any run.
    pub(super) context: JobContext,
}

/// The world, for those who look at it and the one who changes it.
#[derive(Debug, Clone)]
pub(super) struct Worlds(watch::Sender<Arc<World>>);

impl Worlds {
    pub(super) fn new(world: World) -> Self {
        Self(watch::Sender::new(Arc::new(world)))
    }

    /// As it is now. Runs keep the one that they began with.
    pub(super) fn now(&self) -> Arc<World> {
        Arc::clone(&self.0.borrow())
    }

    pub(super) fn replace(&self, world: World) {
        self.0.send_replace(Arc::new(world));
    }
}
