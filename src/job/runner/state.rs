//! The states of a job. [`JobState::after`] is the only place where one changes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::RunOutcome;

/// Why a run is asked to stop before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// Someone cancelled it.
    Cancelled,
    /// A newer run of the policy takes its place.
    Replaced,
    /// It took longer than its policy allows.
    TimedOut,
    /// Nothing moved for longer than its policy allows.
    Stalled,
    /// The agent ends; the job goes on when it is back.
    Draining,
}

impl Stop {
    /// The words in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Replaced => "a newer slot takes its place",
            Self::TimedOut => "its timeout is over",
            Self::Stalled => "nothing moves",
            Self::Draining => "the agent stops",
        }
    }
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum JobState {
    /// Accepted, and waiting for a place.
    Queued {
        /// Runs that were made of it.
        runs: u32,
    },
    /// At work.
    Running {
        /// Which run it is, from 1.
        run: u32,
        /// Since when.
        since: Timestamp,
    },
    /// Asked to stop, and still at work.
    Stopping {
        /// Which run it is.
        run: u32,
        /// Since when it was at work.
        since: Timestamp,
        /// Why.
        why: Stop,
    },
    /// Failed, and about to be tried again.
    Waiting {
        /// Runs that were made of it.
        runs: u32,
        /// When it is due.
        until: Timestamp,
    },
    /// Over.
    Ended {
        /// How.
        outcome: RunOutcome,
        /// When.
        at: Timestamp,
    },
}

/// What can happen to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobEvent {
    /// A run begins.
    Start(Timestamp),
    /// The job, or its run, is to stop.
    Stop(Stop, Timestamp),
    /// It is over.
    End(RunOutcome, Timestamp),
    /// Its run failed, and is to be tried again at this moment.
    Retry(Timestamp),
    /// Its process ended under it.
    Interrupt(Timestamp),
}

/// An event that makes no sense in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a job that is {state:?} cannot {event:?}")]
pub struct IllegalTransition {
    state: JobState,
    event: JobEvent,
}

impl JobState {
    /// The state after an event, as the diagram of the module draws it.
    pub fn after(self, event: JobEvent) -> Result<Self, IllegalTransition> {
        use JobEvent::{End, Interrupt, Retry, Start};
        use JobState::{Ended, Queued, Running, Stopping, Waiting};
        use Stop::{Cancelled, Draining, Replaced, Stalled, TimedOut};
        let cancelled = |at| Ended { outcome: RunOutcome::Cancelled, at };
        let illegal = Err(IllegalTransition { state: self, event });
        Ok(match (self, event) {
            (Queued { runs } | Waiting { runs, .. }, Start(since)) => {
                Running { run: runs + 1, since }
            }
            (Queued { .. } | Waiting { .. }, JobEvent::Stop(Cancelled | Replaced, at)) => {
                cancelled(at)
            }
            (Running { run, since }, JobEvent::Stop(why, _)) => Stopping { run, since, why },
            (
                Queued { .. } | Running { .. } | Stopping { .. } | Waiting { .. },
                End(outcome, at),
            ) => Ended { outcome, at },
            (Running { run, .. } | Stopping { run, why: TimedOut | Stalled, .. }, Retry(until)) => {
                Waiting { runs: run, until }
            }
            // What did not run to its end is no run that counts.
            (Running { run, .. } | Stopping { run, why: Draining, .. }, Interrupt(_)) => {
                Queued { runs: run - 1 }
            }
            (Stopping { why: Cancelled | Replaced, .. }, Interrupt(at)) => cancelled(at),
            (Stopping { why: TimedOut | Stalled, .. }, Interrupt(at)) => {
                Ended { outcome: RunOutcome::Failed, at }
            }
            (Queued { .. } | Waiting { .. }, Interrupt(_)) => self,
            (
                Queued { .. } | Waiting { .. },
                Retry(_) | JobEvent::Stop(TimedOut | Stalled | Draining, _),
            )
            | (Running { .. } | Stopping { .. }, Start(_))
            | (Stopping { .. }, JobEvent::Stop(..))
            | (Stopping { why: Cancelled | Replaced | Draining, .. }, Retry(_))
            | (Ended { .. }, _) => return illegal,
        })
    }

    /// How it ended, if it has.
    pub fn outcome(self) -> Option<RunOutcome> {
        match self {
            Self::Ended { outcome, .. } => Some(outcome),
            Self::Queued { .. }
            | Self::Running { .. }
            | Self::Stopping { .. }
            | Self::Waiting { .. } => None,
        }
    }

    /// When the next run begins, after one that failed.
    pub fn waits_until(self) -> Option<Timestamp> {
        match self {
            Self::Waiting { until, .. } => Some(until),
            Self::Queued { .. }
            | Self::Running { .. }
            | Self::Stopping { .. }
            | Self::Ended { .. } => None,
        }
    }

    /// Whether a run is at work.
    pub fn is_at_work(self) -> bool {
        matches!(self, Self::Running { .. } | Self::Stopping { .. })
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{JobEvent, JobState, Stop};
    use crate::model::RunOutcome;

    const THEN: Timestamp = Timestamp::UNIX_EPOCH;

    /// A word for each state, and for what is illegal.
    fn word(state: JobState) -> String {
        match state {
            JobState::Queued { runs } => format!("queued {runs}"),
            JobState::Running { run, .. } => format!("running {run}"),
            JobState::Stopping { why, .. } => format!("stopping {why:?}"),
            JobState::Waiting { runs, .. } => format!("waiting {runs}"),
            JobState::Ended { outcome, .. } => outcome.as_str().to_owned(),
        }
    }

    /// Every state and every event.
    #[test]
    fn the_table_is_the_diagram() {
        let stopping = |why| JobState::Stopping { run: 2, since: THEN, why };
        let states = [
            JobState::Queued { runs: 1 },
            JobState::Running { run: 2, since: THEN },
            stopping(Stop::Cancelled),
            stopping(Stop::Replaced),
            stopping(Stop::TimedOut),
            stopping(Stop::Stalled),
            stopping(Stop::Draining),
            JobState::Waiting { runs: 2, until: THEN },
            JobState::Ended { outcome: RunOutcome::Complete, at: THEN },
        ];
        let events = [
            JobEvent::Start(THEN),
            JobEvent::Stop(Stop::Cancelled, THEN),
            JobEvent::Stop(Stop::Stalled, THEN),
            JobEvent::Stop(Stop::Draining, THEN),
            JobEvent::End(RunOutcome::Partial, THEN),
            JobEvent::Retry(THEN),
            JobEvent::Interrupt(THEN),
        ];
        let no = "-";
        #[rustfmt::skip]
        let table = [
            // start, cancel, stall, drain, end, retry, interrupt
            ["running 2", "cancelled", no, no, "partial", no, "queued 1"],
            [no, "stopping Cancelled", "stopping Stalled", "stopping Draining", "partial", "waiting 2", "queued 1"],
            [no, no, no, no, "partial", no, "cancelled"],
            [no, no, no, no, "partial", no, "cancelled"],
            [no, no, no, no, "partial", "waiting 2", "failed"],
            [no, no, no, no, "partial", "waiting 2", "failed"],
            [no, no, no, no, "partial", no, "queued 1"],
            ["running 3", "cancelled", no, no, "partial", no, "waiting 2"],
            [no, no, no, no, no, no, no],
        ];
        for (state, row) in states.into_iter().zip(table) {
            for (event, expected) in events.into_iter().zip(row) {
                let found = state.after(event).map_or_else(|_| no.to_owned(), word);
                assert_eq!(found, expected, "{state:?} {event:?}");
            }
        }
    }

    #[test]
    fn what_was_replaced_or_timed_out_goes_like_what_was_cancelled_or_stalled() {
        let running = JobState::Running { run: 1, since: THEN };
        let queued = JobState::Queued { runs: 0 };
        assert_eq!(
            word(running.after(JobEvent::Stop(Stop::TimedOut, THEN)).unwrap()),
            "stopping TimedOut"
        );
        assert_eq!(word(queued.after(JobEvent::Stop(Stop::Replaced, THEN)).unwrap()), "cancelled");
        assert!(queued.after(JobEvent::Stop(Stop::TimedOut, THEN)).is_err());
    }
}
