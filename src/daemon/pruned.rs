//! What came of a prune, in the log and for metrics.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::job::{EventEnd, JobResult, PruneReport, RunsAgain};
use crate::metrics::PruneFacts;
use crate::model::{ErrorKind, Guard, RunOutcome};
use crate::plan::Verdict;
use crate::status::PruneEnd;

/// The verdicts that were told before, by what they are about.
pub(super) type Told = BTreeMap<String, Verdict>;

/// A line for each verdict, of a lower level if it is that of the prune before, and how it ended.
pub(super) fn told(policy: &str, done: &JobResult<PruneReport>, before: &mut Told) -> RunOutcome {
    let report = match done {
        Ok(report) => report,
        Err(error) => {
            let (kind, error, hint) = (error.kind(), error.chain(), error.remedy());
            return match kind {
                ErrorKind::Cancelled => RunOutcome::Cancelled,
                ErrorKind::Locked => {
                    tracing::warn!(policy, error, hint, "nothing was pruned; it is tried again");
                    RunOutcome::Skipped
                }
                // There is none before the first backup.
                ErrorKind::NotFound => RunOutcome::Skipped,
                ErrorKind::Failed
                | ErrorKind::Usage
                | ErrorKind::NothingToDo
                | ErrorKind::NotAuthorised
                | ErrorKind::Unreachable
                | ErrorKind::Damaged
                | ErrorKind::Refused => {
                    tracing::error!(policy, error, hint, "prune failed");
                    RunOutcome::Failed
                }
            };
        }
    };
    let mut now = Told::new();
    for row in &report.verdicts {
        let (name, reasons) = (&row.name, row.reasons.join("; "));
        let verdict = row.verdict.as_str();
        let known = before.get(name) == Some(&row.verdict);
        if known && row.verdict != Verdict::Delete {
            tracing::debug!(policy, verdict, name, reasons, "judged");
        } else {
            tracing::info!(policy, verdict, name, reasons, "judged");
        }
        now.insert(name.clone(), row.verdict);
    }
    *before = now;
    for error in &report.errors {
        tracing::warn!(policy, error, "something could not be deleted; it is tried again");
    }
    if let Some(why) = &report.refused {
        tracing::warn!(policy, why, "prune refused");
    }
    tracing::info!(
        policy,
        hidden = report.backups_hidden,
        removed = report.backups_deleted,
        files = report.files_deleted,
        bytes = report.bytes_deleted,
        "pruned"
    );
    report.outcome()
}

/// The same for an event.
pub(super) fn end(
    done: &JobResult<PruneReport>,
    outcome: RunOutcome,
    ended_at: Timestamp,
) -> EventEnd {
    match done {
        Ok(report) => EventEnd::reported(outcome, ended_at, report.into()),
        Err(error) => {
            let locked = error.kind() == ErrorKind::Locked;
            let again = if locked { RunsAgain::Soon } else { RunsAgain::No };
            EventEnd { again, ..EventEnd::broken_off(outcome, ended_at, error) }
        }
    }
}

/// The same for whoever asks how it all stands. Whether it was held, metrics know.
pub(super) fn shown(done: &JobResult<PruneReport>, outcome: RunOutcome) -> PruneEnd {
    let (detail, hint) = match done {
        Ok(report) => (first(report), None),
        Err(error) => (Some(error.chain()), error.remedy().map(str::to_owned)),
    };
    PruneEnd { outcome, held: false, detail, hint }
}

/// Why it is not whole: the guards, or else the first of what could not be deleted.
fn first(report: &PruneReport) -> Option<String> {
    let more = match report.errors.len() {
        0 | 1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    let error = report.errors.first().map(|error| format!("{error}{more}"));
    report.refused.clone().or(error)
}

/// The same for metrics.
pub(super) fn facts(done: &JobResult<PruneReport>) -> PruneFacts {
    match done {
        Ok(report) => report.facts(),
        Err(error) if error.kind() == ErrorKind::Locked => {
            PruneFacts { refused: vec![Guard::Lock], ..PruneFacts::default() }
        }
        Err(_) => PruneFacts::default(),
    }
}
