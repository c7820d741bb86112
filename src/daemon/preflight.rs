//! Whether a backup would work now, looked at before one has to.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::connection::BrokerState;
use super::world::Worlds;
use crate::api::{Readiness, Waiting};
use crate::job::{self, CheckReport, Journal};
use crate::metrics::{Check, Metrics};
use crate::model::ErrorKind;

/// How often it is looked at while all is well.
const EVERY: Duration = Duration::from_mins(10);

/// How often while it is not.
const AGAIN: Duration = Duration::from_mins(1);

/// How long after a doubt: what failed may be about to come back, and doubts come together.
const SOON: Duration = Duration::from_secs(2);

/// How often the journal is asked.
const JOURNAL_EVERY: Duration = Duration::from_secs(10);

/// How long one look may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// The check that only some policies need.
const RBAC: &str = "rbac";

/// What makes it look, and what else is worth telling.
pub(super) struct Signs {
    /// Whether the catalog was read.
    pub(super) catalog: watch::Receiver<bool>,
    /// Asked whether it can be written.
    pub(super) journal: Journal,
    /// Told when a run has failed, or the settings are others.
    pub(super) doubt: Arc<Notify>,
    /// What the connection to the broker is doing, if there is to be one.
    pub(super) broker: Option<watch::Receiver<BrokerState>>,
}

/// Looks for ever, and tells the metrics, the log and `/readyz`.
pub(super) async fn keep_looking(
    worlds: &Worlds,
    metrics: &Metrics,
    mut signs: Signs,
    readiness: watch::Sender<Readiness>,
) {
    let mut known: BTreeMap<&'static str, bool> = BTreeMap::new();
    loop {
        let world = worlds.now();
        let with_rbac = world.settings.policies.with_rbac();
        let looked = timeout(PATIENCE, job::run_check(&world.context, None, &with_rbac)).await;
        let found = looked.ok();
        tell(metrics, found.as_ref(), &with_rbac);
        log(&mut known, found.as_ref());
        let well = found.as_ref().is_some_and(|found| !found.checks.iter().any(hinders));
        let mut again = pin!(sleep(if well { EVERY } else { AGAIN }));
        loop {
            let read = *signs.catalog.borrow_and_update();
            let writes = signs.journal.is_well();
            let mut readable = waiting(found.as_ref(), (read, writes));
            let broker = signs.broker.as_mut().map(|state| state.borrow_and_update().clone());
            if let Some(state) = broker.filter(|state| !state.is_well()) {
                readable.waiting.push(Waiting { what: "amqp", why: state.to_string() });
            }
            readiness.send_replace(readable);
            tokio::select! {
                () = &mut again => break,
                () = signs.doubt.notified() => {
                    sleep(SOON).await;
                    break;
                }
                () = sleep(JOURNAL_EVERY) => {}
                changed = signs.catalog.changed() => if changed.is_err() { return },
                () = another(signs.broker.as_mut()) => {}
            }
        }
    }
}

/// Waits until the broker's state is another.
async fn another(state: Option<&mut watch::Receiver<BrokerState>>) {
    let changed = match state {
        Some(state) => state.changed().await.is_ok(),
        None => false,
    };
    if !changed {
        std::future::pending::<()>().await;
    }
}

/// What went wrong since the last look, and what is well again.
fn log(known: &mut BTreeMap<&'static str, bool>, found: Option<&CheckReport>) {
    let Some(found) = found else {
        tracing::warn!(
            "whether a backup would work could not be told within {} s",
            PATIENCE.as_secs()
        );
        return;
    };
    for line in &found.checks {
        let before = known.insert(line.check, passed(line));
        let (check, detail) = (line.check, &line.detail);
        match (before, passed(line)) {
            (None | Some(true), false) => {
                let hint = line.hint.as_deref().unwrap_or_default();
                tracing::warn!(check, detail, hint, "a backup would not work now");
            }
            (Some(false), true) => tracing::info!(check, detail, "well again"),
            (None | Some(true), true) | (Some(false), false) => {}
        }
    }
}

/// What could not be looked at is not as it should be.
fn tell(metrics: &Metrics, found: Option<&CheckReport>, with_rbac: &[&str]) {
    let checks = found.map(|found| found.checks.as_slice()).unwrap_or_default();
    for line in checks {
        let check = if passed(line) { Check::Passed } else { Check::Failed };
        metrics.preflight(line.check, check);
    }
    let rbac = if with_rbac.is_empty() {
        metrics.no_preflight(RBAC);
        None
    } else {
        Some(RBAC)
    };
    for unseen in ["milvus", "storage", "privileges", "cluster"].into_iter().chain(rbac) {
        if !checks.iter().any(|line| line.check == unseen) {
            metrics.preflight(unseen, Check::Failed);
        }
    }
}

/// An empty Milvus has nothing to look for, and nothing to back up.
fn passed(line: &job::CheckLine) -> bool {
    line.ok || line.kind == Some(ErrorKind::NothingToDo)
}

/// Whether no backup would work: users and roles are wanted by some policies alone.
fn hinders(line: &job::CheckLine) -> bool {
    !passed(line) && line.check != RBAC
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
        let wrong = found.checks.iter().filter(|line| hinders(line));
        waiting.extend(wrong.map(|line| Waiting { what: line.check, why: line.detail.clone() }));
    } else {
        let why = format!("no answer within {} s", PATIENCE.as_secs());
        waiting.push(Waiting { what: "milvus", why });
    }
    Readiness { waiting }
}

#[cfg(test)]
mod tests {
    use super::{hinders, tell, waiting};
    use crate::job::{CheckReport, JobError};
    use crate::metrics::Metrics;
    use crate::model::ErrorKind;

    #[test]
    fn users_and_roles_that_milvus_does_not_tell_keep_no_other_policy_waiting() {
        let mut found = CheckReport { checks: Vec::new(), failure: None };
        found.add("milvus", Ok("version 2.3.5".to_owned()));
        let refused = || Err(JobError::new(ErrorKind::Refused, "no"));
        found.add("rbac", refused());
        let waits_for = |found: &CheckReport| {
            let waiting = waiting(Some(found), (true, true)).waiting;
            waiting.iter().map(|one| one.what).collect::<Vec<_>>()
        };
        assert_eq!(waits_for(&found), [""; 0]);
        assert!(!found.checks.iter().any(hinders));
        found.add("repository", refused());
        assert_eq!(waits_for(&found), ["repository"]);
    }

    #[test]
    fn users_and_roles_that_were_not_looked_at_fail_while_a_policy_wants_them() {
        let metrics = Metrics::default();
        let ok = |metrics: &Metrics| {
            let text = metrics.render();
            let line = text.lines().find(|line| line.contains(r#"preflight_ok{check="rbac"}"#));
            line.and_then(|line| line.split(' ').next_back()).map(str::to_owned)
        };
        tell(&metrics, None, &["nightly"]);
        assert_eq!(ok(&metrics).as_deref(), Some("0"));
        tell(&metrics, None, &[]);
        assert_eq!(ok(&metrics), None);
    }
}
