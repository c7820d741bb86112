//! What came of a drill or a scheduled verification, in the log and for events.

use jiff::Timestamp;

use crate::job::{DrillReport, EventEnd, JobResult, RereadReport};
use crate::model::{ErrorKind, RunKind, RunOutcome};

/// A run that came to its end.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Proof {
    Reread(RereadReport),
    Drill(DrillReport),
}

/// A line in the log, and the same for an event.
pub(super) fn told(
    (policy, kind): (&str, RunKind),
    done: &JobResult<Proof>,
    ended_at: Timestamp,
) -> (RunOutcome, EventEnd) {
    match done {
        Ok(Proof::Reread(report)) => {
            reread(policy, report);
            let end = EventEnd::reported(report.outcome, ended_at, report.into());
            let detail = report.unread.first().cloned();
            (report.outcome, EventEnd { detail, ..end })
        }
        Ok(Proof::Drill(report)) => {
            drill(policy, report);
            let detail = report.failures();
            let end = EventEnd::reported(report.outcome, ended_at, report.into());
            (report.told_outcome(), EventEnd { detail, ..end })
        }
        Err(error) if error.kind() == ErrorKind::Cancelled => {
            tracing::warn!(policy, "{kind} cancelled");
            let outcome = RunOutcome::Cancelled;
            (outcome, EventEnd::broken_off(outcome, ended_at, error))
        }
        Err(error) => {
            let (why, hint) = (error.chain(), error.remedy());
            tracing::error!(policy, why, hint, "{kind} failed");
            let outcome = RunOutcome::Failed;
            (outcome, EventEnd::broken_off(outcome, ended_at, error))
        }
    }
}

fn reread(policy: &str, report: &RereadReport) {
    let (files, bytes) = (report.files_read, report.bytes_read);
    let (of_files, of_bytes) = (report.files, report.bytes);
    let since = report.read_since.map(|since| since.to_string()).unwrap_or_default();
    match report.outcome {
        RunOutcome::Failed if report.suspect.is_empty() => {
            let why = report.problems().join("; ");
            tracing::error!(policy, why, files, bytes, "verify could not read everything");
        }
        RunOutcome::Failed => {
            let (why, suspect) = (report.problems().join("; "), report.suspect.join(", "));
            tracing::error!(
                policy,
                why,
                suspect,
                files,
                bytes,
                "verify found damage: the backups are suspect and do not count"
            );
        }
        RunOutcome::Partial => tracing::warn!(
            policy,
            files,
            bytes,
            of_files,
            of_bytes,
            since,
            "verify was not done when the next slot came, which goes on with it"
        ),
        RunOutcome::Complete | RunOutcome::Cancelled | RunOutcome::Skipped => {
            tracing::info!(policy, files, bytes, of_files, of_bytes, since, "verify complete");
        }
    }
}

fn drill(policy: &str, report: &DrillReport) {
    let (rto, outcome) = (format!("{:.1}", report.rto_seconds), report.outcome);
    match outcome {
        RunOutcome::Complete => tracing::info!(policy, seconds = rto, "drill complete"),
        RunOutcome::Partial if report.succeeded() => {
            let passed_over = report.failures().unwrap_or_default();
            tracing::warn!(policy, seconds = rto, passed_over, "drill complete but for these");
        }
        RunOutcome::Partial | RunOutcome::Failed | RunOutcome::Cancelled | RunOutcome::Skipped => {
            let why = report.failures().unwrap_or_default();
            tracing::error!(policy, why, "drill {outcome}");
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{Proof, told};
    use crate::job::{DrillReport, DrilledCollection};
    use crate::model::{RunKind, RunOutcome};

    fn one(outcome: RunOutcome) -> DrilledCollection {
        DrilledCollection {
            database: "default".to_owned(),
            name: "films".to_owned(),
            rows: 1,
            keys_checked: 1,
            deleted_keys_checked: 0,
            whole: true,
            restore_seconds: 1.0,
            problems: Vec::new(),
            damaged: Vec::new(),
            outcome,
            error: None,
            notes: Vec::new(),
        }
    }

    #[test]
    fn a_drill_that_only_passed_over_some_is_complete_for_metrics_and_partial_for_events() {
        for (second, expected) in
            [(RunOutcome::Skipped, RunOutcome::Complete), (RunOutcome::Failed, RunOutcome::Partial)]
        {
            let report = DrillReport {
                name: "b".to_owned(),
                outcome: RunOutcome::Partial,
                collections: vec![one(RunOutcome::Complete), one(second)],
                rto_seconds: 1.0,
                duration_seconds: 2.0,
            };
            let done = Ok(Proof::Drill(report));
            let (outcome, end) = told(("p", RunKind::Drill), &done, Timestamp::UNIX_EPOCH);
            assert_eq!((outcome, end.outcome), (expected, RunOutcome::Partial));
        }
    }
}
