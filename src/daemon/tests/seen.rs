//! What whoever asks how it all stands is told of what the agent does besides backups.

use super::lab::{Deed, Lab};
use crate::api::Readiness;
use crate::daemon::pruned::shown;
use crate::daemon::sight::{Present, Sight};
use crate::job::{JobError, JobResult, PruneReport};
use crate::metrics::{Metrics, PruneFacts, PruneFailure};
use crate::model::{ErrorKind, RunKind, RunOutcome};
use crate::status::{Intent, StatusView, Trouble};

const DAILY: &str = "verify: {schedule: 0 4 * * *, drill: 0 5 * * *}";

/// How it all stands with the policy `p`.
fn view(lab: &Lab, (sight, metrics): (&Sight, &Metrics)) -> StatusView {
    let world = lab.world(Some(DAILY));
    let now = lab.now();
    let policies = world.settings.policies.iter().map(|policy| Intent::of(policy, now));
    sight.policies(policies.collect());
    sight.view(&world, metrics, &Present::of_start((now, now), Readiness::default()))
}

#[tokio::test(start_paused = true)]
async fn a_drill_at_work_is_shown_until_it_ends() {
    let lab = Lab::new().await;
    lab.backup("first").await;
    *lab.driller.deed.lock().unwrap() = Deed::Hangs;
    let agent = lab.start(&format!("timeout: 1h\n{DAILY}")).await;
    let proving = || {
        let view = view(&lab, (&agent.sight, &agent.metrics));
        view.policies[0].proving.clone()
    };
    lab.until("2026-11-23T04:59:00Z").await;
    assert_eq!(proving(), None);
    lab.until("2026-11-23T05:30:00Z").await;
    let drill = proving().expect("it is at work");
    assert_eq!((drill.kind, drill.run.backup.as_str()), (RunKind::Drill, "first"));
    let waited = lab.now().duration_since(drill.run.since).as_mins();
    assert_eq!(waited, 29, "since its slot, or the look after it");
    lab.until("2026-11-23T06:30:00Z").await;
    assert_eq!(proving(), None, "it was ended by its timeout");
    agent.stop().await;
}

#[tokio::test(start_paused = true)]
async fn why_a_prune_failed_is_told_until_the_next_good_one() {
    let lab = Lab::new().await;
    let (sight, metrics) = (Sight::default(), Metrics::default());
    metrics.add_policy("p");
    let told = || {
        let view = view(&lab, (&sight, &metrics));
        let of_prune = |kind| matches!(kind, Trouble::PruneFailed | Trouble::PruneHeld);
        let problems = view.problems.into_iter().filter(|problem| of_prune(problem.kind));
        problems.map(|problem| (problem.policies.len(), problem.message)).collect::<Vec<_>>()
    };
    let ended = |policy: &str, done: JobResult<PruneReport>, outcome: RunOutcome| {
        sight.pruned(policy, shown(&done, outcome));
    };
    let failed = || Err(JobError::new(ErrorKind::Failed, "the disk is read-only").hint("mount it"));
    ended("", failed(), RunOutcome::Failed);
    let expected = [(0, "the last prune failed: the disk is read-only".to_owned())];
    assert_eq!(told(), expected);
    ended("", Err(JobError::cancelled()), RunOutcome::Cancelled);
    assert_eq!(told(), expected, "the agent was stopped");
    let locked = Err(JobError::new(ErrorKind::Locked, "another one prunes"));
    ended("", locked, RunOutcome::Skipped);
    assert_eq!(told(), expected, "nothing was pruned");
    ended("p", Ok(report(&[])), RunOutcome::Complete);
    assert_eq!(told(), [], "it has seen to what is left, too");

    let failures = vec![PruneFailure::NotAuthorised];
    metrics.pruned("p", &PruneFacts { failures, ..PruneFacts::default() });
    ended("p", Ok(report(&["a: no", "b: no"])), RunOutcome::Partial);
    let held = "the last prune held back or could not delete something: a: no and 1 more";
    assert_eq!(told(), [(1, held.to_owned())]);
    metrics.pruned("p", &PruneFacts::default());
    ended("p", Ok(report(&[])), RunOutcome::Complete);
    assert_eq!(told(), []);
}

fn report(errors: &[&str]) -> PruneReport {
    PruneReport {
        applied: true,
        refused: None,
        guards: Vec::new(),
        verdicts: Vec::new(),
        backups_hidden: 0,
        backups_deleted: 0,
        files_deleted: 0,
        bytes_deleted: 0,
        errors: errors.iter().map(|&error| error.to_owned()).collect(),
        error_kinds: Vec::new(),
        unswept: false,
        swept: false,
    }
}
