//! What is wrong with one policy.

use std::time::Duration;

use crate::model::{BackupState, RunKind, RunOutcome};

use super::judge::CHECK;
use super::problem::{Problem, Trouble};
use super::words::{count, moment, since, span};
use super::{EndFacts, PolicyStatus, PruneEnd, StatusFacts, Teller};

/// How late a slot may be, and how long a run may stand still.
const LATE: Duration = Duration::from_mins(15);

/// The same of a drill or a verification, whose longest steps are Milvus's.
const PROOF_LATE: Duration = Duration::from_hours(24);

/// Makes a backup by a policy.
const BACK_UP: &str = "milvus-backup-agent backup --policy POLICY";

/// Says what the rules of a policy would do.
const PRUNE: &str = "milvus-backup-agent prune --policy POLICY";

/// What the agent says of what it does.
const LOG: &str = "journalctl -u milvus-backup-agent -p warning";

/// One policy and all that is known.
struct Judge<'j> {
    policy: &'j PolicyStatus,
    facts: &'j StatusFacts,
    found: &'j mut Vec<Problem>,
}

pub(super) fn judge(policy: &PolicyStatus, facts: &StatusFacts, found: &mut Vec<Problem>) {
    let mut judge = Judge { policy, facts, found };
    judge.age();
    judge.last_run();
    judge.at_work();
    judge.proving();
    judge.schedule();
    judge.verification();
    judge.drills();
    judge.retention();
    judge.notes();
}

impl Judge<'_> {
    fn add(&mut self, problem: Problem) {
        self.found.push(problem.of(&self.policy.intent.name));
    }

    fn age(&mut self) {
        let (intent, now) = (&self.policy.intent, self.facts.now);
        let Some(max_age) = intent.max_age else { return };
        let Some(backups) = &self.policy.backups else { return };
        let limit = span(max_age);
        let message = match (&backups.last_good, intent.created_at) {
            (Some(good), _) if since(good.at, now) > max_age => format!(
                "the newest good backup is {} old, and {limit} are allowed",
                span(since(good.at, now)),
            ),
            (None, Some(created)) if since(created, now) > max_age => format!(
                "there is no good backup, {} after the policy was first seen; {limit} are allowed",
                span(since(created, now)),
            ),
            (None, None) if !self.facts.is_by_agent() => return self.never(max_age),
            (Some(_) | None, _) => return,
        };
        let remedy = "mend what else is told here, then make one now";
        self.add(Problem::new(Trouble::TooOld, message, remedy).command(BACK_UP));
    }

    /// Only an agent knows since when there is the policy. Without one its file tells.
    fn never(&mut self, max_age: Duration) {
        let age = self.policy.intent.written_at.map(|at| since(at, self.facts.now));
        let problem = match age {
            Some(age) if age <= max_age => {
                let message = "there is no good backup yet; its policy is new";
                let remedy = "let an agent make them, or make one now";
                Problem::new(Trouble::NoneYet, message, remedy)
            }
            Some(_) | None => {
                let remedy = "mend what else is told here, then make one now";
                Problem::new(Trouble::TooOld, "there is no good backup", remedy)
            }
        };
        self.add(problem.command(BACK_UP));
    }

    fn last_run(&mut self) {
        let Some(end) = self.policy.last_end() else { return };
        let (kind, ended) = match end.outcome {
            RunOutcome::Failed => (Trouble::LastRunFailed, "failed"),
            RunOutcome::Partial => (Trouble::LastRunPartial, "was partial"),
            RunOutcome::Complete | RunOutcome::Cancelled | RunOutcome::Skipped => return,
        };
        let message = format!("the last run {ended}: {}", detail(end));
        let again = end.again_at.filter(|at| *at > self.facts.now);
        let again = again.map(|at| format!("it is tried again at {}", moment(at)));
        let remedy = match (&end.hint, again) {
            (Some(hint), Some(again)) => format!("{hint}; {again}"),
            (Some(hint), None) => hint.clone(),
            (None, Some(again)) => again,
            (None, None) => "mend that, and make a backup, or wait for the next slot".to_owned(),
        };
        let command = if end.outcome == RunOutcome::Failed { CHECK } else { BACK_UP };
        self.add(Problem::new(kind, message, remedy).command(command));
    }

    fn at_work(&mut self) {
        let (Some(run), now) = (&self.policy.running, self.facts.now) else { return };
        let still = run.moved_at.map(|at| since(at, now)).filter(|still| *still > LATE);
        if let Some(still) = still {
            let message = format!("its run has not moved for {}", span(still));
            let remedy = "look whether Milvus and the stores answer; `stall_timeout` of the policy \
                          ends such a run";
            self.add(Problem::new(Trouble::RunStalled, message, remedy).command(LOG));
        }
        let (took, interval) = (since(run.since, now), self.policy.intent.interval);
        if let Some(interval) = interval.filter(|interval| took > *interval) {
            let message = format!(
                "its run is at work for {}, and the next slot comes {} after the one before",
                span(took),
                span(interval)
            );
            let remedy = "give it more time between two slots, or more of `transfer.concurrency` \
                          and `transfer.max_bytes_per_second`";
            self.add(Problem::new(Trouble::RunTooSlow, message, remedy));
        }
    }

    fn proving(&mut self) {
        let (Some((kind, run)), now) = (&self.policy.proving, self.facts.now) else { return };
        let still = run.moved_at.map(|at| since(at, now)).filter(|still| *still > PROOF_LATE);
        if let Some(still) = still {
            let message = format!("its {kind} has not moved for {}", span(still));
            let remedy =
                "look whether Milvus and the stores answer; a restart of the agent ends it";
            self.add(Problem::new(Trouble::RunStalled, message, remedy).command(LOG));
        }
    }

    fn schedule(&mut self) {
        let late = self.policy.next_run.map(|next| since(next, self.facts.now));
        let Some(late) = late.filter(|late| *late > LATE) else { return };
        if self.policy.running.is_none() {
            let message = format!("a slot passed {} ago, and no run began", span(late));
            let remedy = "please report this as a bug, with the log; a restart mends it";
            let restart = "systemctl restart milvus-backup-agent";
            self.add(Problem::new(Trouble::Overdue, message, remedy).command(restart));
        }
    }

    fn verification(&mut self) {
        if self.ended_badly(RunKind::Verify) {
            let message = "the last verification failed: files are missing, damaged or not to be \
                           read";
            let remedy = "the log names them; `verify NAME --depth content` looks again";
            self.add(Problem::new(Trouble::VerifyFailed, message, remedy).command(LOG));
        }
        let Some(readings) = &self.policy.readings else { return };
        if let (Some(max_age), Some(at)) = (readings.max_age, readings.read_since) {
            let age = since(at, self.facts.now);
            if age > max_age {
                let (age, limit) = (span(age), span(max_age));
                let message =
                    format!("some bytes were not read again for {age}; {limit} are allowed");
                let remedy = "let `verify.schedule` come more often, or look why it fails";
                self.add(Problem::new(Trouble::ReadTooOld, message, remedy).command(LOG));
            }
        }
    }

    fn drills(&mut self) {
        let record = self.policy.backups.as_ref().and_then(|backups| backups.drill.as_ref());
        // One that only passed over what its Milvus would lose is `partial`, and a success.
        let good = record.and_then(|record| Some(record.last_success.as_ref()?.0));
        let last =
            record.and_then(|record| record.last.as_ref()).filter(|last| Some(last.0) != good);
        if let Some((at, outcome @ (RunOutcome::Failed | RunOutcome::Partial), why)) = last {
            let why = why.as_deref().unwrap_or("the log says why");
            let message = format!("the last drill, of {}, ended as {outcome}: {why}", moment(*at));
            let remedy = "a backup that does not come back is none: see to this first";
            self.add(Problem::new(Trouble::DrillFailed, message, remedy).command(LOG));
        } else if self.ended_badly(RunKind::Drill) {
            let remedy = "a backup that does not come back is none: see to this first";
            self.add(
                Problem::new(Trouble::DrillFailed, "the last drill failed", remedy).command(LOG),
            );
        }
        let Some(drills) = &self.policy.drills else { return };
        // One from before drills were wanted anew is no news.
        let proven = drills.last_success.map(|(at, _)| at).filter(|at| Some(*at) > drills.since);
        let (Some(max_age), Some(at)) = (drills.max_age, proven.or(drills.since)) else { return };
        let age = since(at, self.facts.now);
        if age > max_age {
            let good = proven.is_some();
            let what = if good { "the last good drill is" } else { "no good drill for" };
            let message = format!("{what} {}; {} are allowed", span(age), span(max_age));
            let remedy = "make one by hand, and look why the scheduled ones do not succeed";
            self.add(Problem::new(Trouble::DrillTooOld, message, remedy).command(LOG));
        }
    }

    fn retention(&mut self) {
        if let Some(problem) = self.policy.pruned.as_ref().and_then(pruned_badly) {
            self.add(problem.command(PRUNE));
        }
        let (intent, now) = (&self.policy.intent, self.facts.now);
        let (Some(backups), Some(least)) = (&self.policy.backups, intent.min_keep) else { return };
        let good = backups.count(BackupState::Complete);
        // A young policy has few.
        let grown = match (intent.created_at, intent.interval) {
            (Some(created), Some(interval)) => since(created, now) > interval * (least + 1),
            (Some(_) | None, _) => false,
        };
        if good < u64::from(least) && grown {
            let has = count(good, "good backup", "good backups");
            let message = format!("{has} where `min_keep` wants {least}");
            let remedy = "look which were deleted or turned bad; `list` shows all";
            self.add(
                Problem::new(Trouble::TooFewBackups, message, remedy)
                    .command("milvus-backup-agent list"),
            );
        }
    }

    fn notes(&mut self) {
        let intent = &self.policy.intent;
        if intent.paused {
            let message = "it is paused: only the command line starts it";
            let remedy = "remove `paused: true` from its file and reload, when it is to go on";
            self.add(Problem::new(Trouble::Paused, message, remedy));
        } else if intent.schedule.is_none() && intent.triggers.is_empty() {
            let message = "it has no schedule and no trigger: only the command line starts it";
            let remedy = "give it a `schedule` or `triggers`, unless that is what you want";
            self.add(Problem::new(Trouble::NothingStartsIt, message, remedy).command(BACK_UP));
        }
    }

    fn ended_badly(&self, kind: RunKind) -> bool {
        let ended = self.policy.others.get(&kind);
        ended.is_some_and(|(_, outcome)| *outcome == RunOutcome::Failed)
    }
}

/// What a prune that ended so needs, if anything.
pub(super) fn pruned_badly(end: &PruneEnd) -> Option<Problem> {
    let (kind, what) = match end.outcome {
        RunOutcome::Failed => (Trouble::PruneFailed, "the last prune failed"),
        RunOutcome::Partial if end.held => {
            (Trouble::PruneHeld, "the last prune held back or could not delete something")
        }
        RunOutcome::Partial
        | RunOutcome::Complete
        | RunOutcome::Cancelled
        | RunOutcome::Skipped => return None,
    };
    let message = match &end.detail {
        Some(detail) => format!("{what}: {detail}"),
        None => what.to_owned(),
    };
    let remedy = match (kind, &end.hint) {
        (Trouble::PruneFailed, Some(hint)) => {
            format!("{hint}; nothing is lost, and it is tried again within the hour")
        }
        (Trouble::PruneFailed, None) => {
            "mend that: nothing is lost, and it is tried again within the hour".to_owned()
        }
        _ => "nothing is lost; it says what it would do, what holds it, and how to allow that"
            .to_owned(),
    };
    Some(Problem::new(kind, message, remedy).command("milvus-backup-agent prune"))
}

/// What was wrong, without the hint at its end, which is told for itself.
fn detail(end: &EndFacts) -> String {
    let detail = end.detail.as_deref().unwrap_or("nobody wrote down why");
    let hint = end.hint.as_ref().map(|hint| format!(" ({hint})"));
    let bare = hint.and_then(|hint| detail.strip_suffix(hint.as_str()));
    bare.unwrap_or(detail).to_owned()
}

impl PolicyStatus {
    /// How the newest run ended that anyone knows of.
    pub(super) fn last_end(&self) -> Option<&EndFacts> {
        let known = self.backups.as_ref().and_then(|backups| backups.last_end.as_ref());
        // The agent knows more of its own runs than the repository does.
        [known, self.last_run.as_ref()].into_iter().flatten().max_by_key(|end| end.at)
    }
}

impl StatusFacts {
    /// Whether the agent tells.
    pub(super) fn is_by_agent(&self) -> bool {
        matches!(self.told_by, Teller::Agent { .. })
    }
}
