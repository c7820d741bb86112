//! Whether a backup would work now, looked at before one has to.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::world::Worlds;
use crate::api::{Readiness, Waiting};
use crate::job::{self, CheckReport, Journal};
use crate::metrics::{Check, Metrics};
use crate::model::ErrorKind;

/// How often it is looked at while all is well.
const EVERY: Duration = Duration::from_mins(10);

/// How often while it is not.
const AGAIN: Duration = Duration::from_mins(1);

/// How often the journal is asked.
const JOURNAL_EVERY: Duration = Duration::from_secs(10);

/// How long one look may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// Looks for ever, and tells the metrics and `/readyz`.
pub(super) async fn keep_looking(
    worlds: &Worlds,
    metrics: &Metrics,
    (mut catalog, journal): (watch::Receiver<bool>, Journal),
    readiness: watch::Sender<Readiness>,
) {
    loop {
        let world = worlds.now();
        let found = timeout(PATIENCE, job::run_check(&world.context, None)).await.ok();
        tell(metrics, found.as_ref());
        let well = found.as_ref().is_some_and(|found| found.checks.iter().all(passed));
        let again = sleep(if well { EVERY } else { AGAIN });
        tokio::pin!(again);
        loop {
            let read = *catalog.borrow_and_update();
            readiness.send_replace(waiting(found.as_ref(), (read, journal.is_well())));
            tokio::select! {
                () = &mut again => break,
                () = sleep(JOURNAL_EVERY) => {}
                changed = catalog.changed() => if changed.is_err() { return },
            }
        }
    }
}

/// What could not be looked at is not as it should be.
fn tell(metrics: &Metrics, found: Option<&CheckReport>) {
    let checks = found.map(|found| found.checks.as_slice()).unwrap_or_default();
    for line in checks {
        let check = if passed(line) { Check::Passed } else { Check::Failed };
        metrics.preflight(line.check, check);
    }
    for unseen in ["milvus", "storage"] {
        if !checks.iter().any(|line| line.check == unseen) {
            metrics.preflight(unseen, Check::Failed);
        }
    }
}

/// An empty Milvus has nothing to look for, and nothing to back up.
fn passed(line: &job::CheckLine) -> bool {
    line.ok || line.kind == Some(ErrorKind::NothingToDo)
}

fn waiting(found: Option<&CheckReport>, (read, journal): (bool, bool)) -> Readiness {
    let mut waiting = Vec::new();
    if !journal {
        let why = "the journal cannot be written".to_owned();
        waiting.push(Waiting { what: "journal", why });
    }
    if !read {
        let why = "the repository could not be read".to_owned();
        waiting.push(Waiting { what: "catalog", why });
    }
    if let Some(found) = found {
        let wrong = found.checks.iter().filter(|line| !passed(line));
        waiting.extend(wrong.map(|line| Waiting { what: line.check, why: line.detail.clone() }));
    } else {
        let why = format!("no answer within {} s", PATIENCE.as_secs());
        waiting.push(Waiting { what: "milvus", why });
    }
    Readiness { waiting }
}
