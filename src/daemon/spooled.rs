//! Events that others have left for the agent: into the journal, from where they leave.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use crate::job::{Journal, Spool};
use crate::model::Clock;

/// How often it is looked for some.
const LOOK: Duration = Duration::from_secs(2);

/// Takes up what commands, prunes and verifications have left.
#[derive(Debug)]
pub(super) struct Spooled {
    pub(super) spool: Spool,
    pub(super) journal: Journal,
    pub(super) clock: Arc<dyn Clock>,
    /// Told when the journal has new ones.
    pub(super) posted: Arc<Notify>,
}

impl Spooled {
    /// Looks now and then, and never ends.
    pub(super) async fn go_on(&self) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut was_well = true;
        loop {
            looks.tick().await;
            let taken = self.take_up().await;
            if let Err(error) = &taken
                && was_well
            {
                tracing::warn!(error, "events that were left for the agent cannot be taken up yet");
            }
            was_well = taken.is_ok();
        }
    }

    /// Takes up all that there is.
    pub(super) async fn take_up(&self) -> Result<(), String> {
        loop {
            let (spool, journal, now) =
                (self.spool.clone(), self.journal.clone(), self.clock.now());
            let taken = spawn_blocking(move || {
                let found = spool.collect(now).map_err(|error| error.to_string())?;
                let letters = found.letters.len();
                if letters > 0 {
                    journal.post(&found.letters).map_err(|error| error.to_string())?;
                }
                found.done();
                Ok::<_, String>(letters)
            });
            match taken.await.map_err(|error| error.to_string())?? {
                0 => return Ok(()),
                _ => self.posted.notify_one(),
            }
        }
    }
}
