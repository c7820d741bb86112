//! What drills and scheduled verifications have shown, told to the metrics.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use super::world::World;
use crate::job::{self, Proofs, ProofsWanted};
use crate::manifest::{DrillProof, ReadingProof};
use crate::metrics::{DrillFacts, Metrics, ReadingFacts};
use crate::model::{ErrorKind, PolicyName, RunKind, RunOutcome};
use crate::plan::{is_credible, read_since};
use crate::policy::{Policy, Schedule};

/// How long reading the records may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the repository said when it was last asked.
#[derive(Debug, Default)]
pub(super) struct Proven {
    known: BTreeMap<PolicyName, Proofs>,
    /// When this process first saw what a policy wants. That counts where there is no record:
    /// before the first backup there is no repository.
    first_seen: HashMap<(PolicyName, RunKind), Timestamp>,
}

impl Proven {
    /// Asks, and tells what is known of every policy.
    pub(super) async fn tell(&mut self, world: &World, metrics: &Metrics) {
        let policies = &world.settings.policies;
        let wanted: Vec<ProofsWanted> = policies
            .iter()
            .map(|policy| ProofsWanted {
                policy: policy.name.clone(),
                drill: policy.drill.is_some(),
                reread: policy.reread.is_some(),
            })
            .collect();
        match timeout(PATIENCE, job::run_proofs(&world.context, &wanted)).await {
            Ok(Ok(known)) => self.known = known,
            // Before the first backup nothing is known.
            Ok(Err(error)) if error.kind() == ErrorKind::NotFound => {}
            Ok(Err(error)) => {
                let error = error.chain();
                tracing::warn!(error, "what drills and verifications have shown cannot be read");
            }
            Err(_) => {
                let seconds = PATIENCE.as_secs();
                tracing::warn!(
                    "what drills and verifications have shown cannot be read within {seconds} s"
                );
            }
        }
        let now = world.context.clock.now();
        self.first_seen.retain(|(name, kind), _| {
            policies.get(name.as_str()).is_some_and(|policy| schedule(policy, *kind).is_some())
        });
        for policy in policies.iter() {
            self.tell_of(policy, metrics, now);
        }
    }

    fn tell_of(&mut self, policy: &Policy, metrics: &Metrics, now: Timestamp) {
        let name = policy.name.as_str();
        let Proofs { drill, reading } = self.known.get(&policy.name).cloned().unwrap_or_default();
        let since = self.since(policy, RunKind::Drill, now);
        metrics.drills(name, &drill_facts(policy, drill.as_ref(), (since, now)));
        if let Some(DrillProof { last_success, last, .. }) = drill {
            let success = last_success.as_ref().map(|end| (RunOutcome::Complete, end.at));
            let last = last.filter(|last| last_success.as_ref() != Some(last));
            let ends = success.into_iter().chain(last.map(|end| (end.outcome, end.at)));
            for end in ends.filter(|(_, at)| is_credible(*at, now)) {
                metrics.run_proven(name, RunKind::Drill, end);
            }
        }
        let since = self.since(policy, RunKind::Verify, now);
        metrics.readings(name, &reading_facts(policy, reading.as_ref(), (since, now)));
        let wanted = policy.reread.is_some();
        let end = reading.and_then(|proof| proof.last).filter(|_| wanted);
        if let Some(end) = end.filter(|end| is_credible(end.at, now)) {
            metrics.run_proven(name, RunKind::Verify, (end.outcome, end.at));
        }
    }

    /// When this process first saw that a policy wants runs of a kind.
    fn since(&mut self, policy: &Policy, kind: RunKind, now: Timestamp) -> Option<Timestamp> {
        schedule(policy, kind)?;
        Some(*self.first_seen.entry((policy.name.clone(), kind)).or_insert(now))
    }
}

/// When a policy wants runs of a kind that proves its backups.
pub(super) fn schedule(policy: &Policy, kind: RunKind) -> Option<&Schedule> {
    match kind {
        RunKind::Verify => policy.reread.as_ref().map(|reread| &reread.schedule),
        RunKind::Drill => policy.drill.as_ref(),
        RunKind::Backup | RunKind::Prune | RunKind::Restore => None,
    }
}

fn next_run(policy: &Policy, kind: RunKind, now: Timestamp) -> Option<Timestamp> {
    schedule(policy, kind).filter(|_| !policy.paused)?.next_after(now)
}

fn drill_facts(
    policy: &Policy,
    proof: Option<&DrillProof>,
    (first_seen, now): (Option<Timestamp>, Timestamp),
) -> DrillFacts {
    let gap = policy.drill.as_ref().and_then(|schedule| schedule.longest_gap(now));
    // A moment to come was written under a clock that ran ahead.
    let last_success = proof.and_then(|proof| proof.last_success.as_ref());
    let last_success = last_success.filter(|end| is_credible(end.at, now));
    let rto = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let since = proof.and_then(|proof| proof.since).filter(|since| is_credible(*since, now));
    let since = since.or(first_seen);
    DrillFacts {
        next_run: next_run(policy, RunKind::Drill, now),
        max_age: gap.map(|gap| gap.saturating_mul(2).unsigned_abs()),
        since: since.filter(|_| policy.drill.is_some()),
        last_success: last_success.map(|end| (end.at, rto(end.rto_seconds))),
    }
}

fn reading_facts(
    policy: &Policy,
    proof: Option<&ReadingProof>,
    (first_seen, now): (Option<Timestamp>, Timestamp),
) -> ReadingFacts {
    let since = proof.and_then(|proof| read_since(proof, now)).or(first_seen);
    ReadingFacts {
        next_run: next_run(policy, RunKind::Verify, now),
        max_age: policy.reread.as_ref().map(|reread| reread.max_age_at(now).unsigned_abs()),
        read_since: since.filter(|_| policy.reread.is_some()),
    }
}
