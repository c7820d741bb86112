//! Leaves the events of a run, in nobody's way.

use std::io;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::event::{EventEnd, EventRun};
use super::spool::{AtWork, Spool};
use crate::model::Letter;

/// How long a run waits for the disk. What is slower is done beside it.
const PATIENCE: Duration = Duration::from_secs(5);

/// The events of a run that is no job, if anyone is told of it.
#[derive(Debug)]
pub struct RunEvents(Option<Telling>);

#[derive(Debug)]
struct Telling {
    spool: Spool,
    run: EventRun,
    begun: Begun,
}

#[derive(Debug)]
enum Begun {
    Left(AtWork),
    /// The disk is slow.
    Leaving(JoinHandle<io::Result<AtWork>>),
    Failed,
}

impl RunEvents {
    /// Those of a run that nobody is told of.
    pub fn none() -> Self {
        Self(None)
    }

    /// Leaves what is to be told of a run that begins now.
    pub async fn begin(spool: Spool, run: EventRun, now: Timestamp) -> Self {
        let (writer, begins, started) = (spool.clone(), run.clone(), run.started(now));
        let mut leaving = spawn_blocking(move || writer.begin(&begins, started));
        let begun = match timeout(PATIENCE, &mut leaving).await {
            Err(_) => Begun::Leaving(leaving),
            Ok(left) => {
                left.unwrap_or_else(|panicked| Err(io::Error::other(panicked))).map_or_else(
                    |error| {
                        warn(&spool, &error);
                        Begun::Failed
                    },
                    Begun::Left,
                )
            }
        };
        Self(Some(Telling { spool, run, begun }))
    }

    /// Leaves what is to be told of its end.
    pub async fn end(self, backup: Option<&str>, end: &EventEnd, now: Timestamp) {
        let Some(Telling { spool, mut run, begun }) = self.0 else { return };
        if let Some(backup) = backup {
            run.backup = Some(backup.to_owned());
        }
        let letters = run.ended(end, &[], now);
        let told = matches!(begun, Begun::Failed);
        let leaving = leave(spool.clone(), run.id, begun, letters);
        let left = timeout(PATIENCE, leaving).await;
        let left = left.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        if let (Err(error), false) = (left, told) {
            warn(&spool, &error);
        }
    }
}

async fn leave(spool: Spool, run: String, begun: Begun, letters: Vec<Letter>) -> io::Result<()> {
    let at_work = match begun {
        Begun::Left(at_work) => Some(at_work),
        Begun::Leaving(leaving) => Some(leaving.await.map_err(io::Error::other)??),
        Begun::Failed => None,
    };
    let leaving = spawn_blocking(move || match at_work {
        Some(at_work) => at_work.end(letters),
        None => spool.end(&run, letters),
    });
    leaving.await.map_err(io::Error::other)?
}

fn warn(spool: &Spool, error: &io::Error) {
    tracing::warn!(
        folder = %spool.folder.display(), %error,
        "events of this run cannot be left for the agent, and are not told: run the command as \
         the agent's user or as root, and see to it that there is room on the disk"
    );
}
