//! What the agent knows of everything, kept for whoever asks how it all stands.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::Timestamp;

use super::connection::{BrokerState, LinkState};
use super::world::World;
use crate::api::{self, Readiness};
use crate::job::{Active, JobId, JobRecord, Overview, unread_repository};
use crate::metrics::Metrics;
use crate::model::{RunKind, RunOutcome};
use crate::status::{
    BackupsFacts, BrokerFacts, EndFacts, Intent, PolicyStatus, PruneEnd, RepositoryFacts,
    RunningFacts, StatusFacts, StatusView, Teller, Waiting, Wrong,
};
use crate::transfer::Progress;

/// What was told so far; clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Sight(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    policies: Vec<Intent>,
    ended: BTreeMap<String, EndFacts>,
    overview: Option<Overview>,
    unreadable: Option<(String, Option<String>)>,
    refused: Option<String>,
    /// How the newest prune of each policy ended; without a name of what is of none.
    pruned: BTreeMap<String, PruneEnd>,
    proving: Option<ProofAtWork>,
}

/// A drill or a scheduled verification that is at work.
#[derive(Debug, Clone)]
pub(super) struct ProofAtWork {
    pub(super) policy: String,
    pub(super) kind: RunKind,
    /// None where it is of all backups.
    pub(super) backup: Option<String>,
    pub(super) since: Timestamp,
    pub(super) moved_at: Timestamp,
    pub(super) progress: Arc<Progress>,
}

/// What is looked at anew for each view.
#[derive(Debug)]
pub(super) struct Present<'p> {
    pub(super) now: Timestamp,
    pub(super) started_at: Timestamp,
    pub(super) runs: &'p [Active],
    /// When each of them last moved.
    pub(super) moved: HashMap<JobId, Timestamp>,
    pub(super) readiness: Readiness,
    pub(super) broker: Option<BrokerState>,
}

impl Sight {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().expect("no holder of this lock panics")
    }

    /// The policies that there are from now on.
    pub(super) fn policies(&self, policies: Vec<Intent>) {
        let mut seen = self.seen();
        let is_known = |name: &String| policies.iter().any(|policy| policy.name == *name);
        seen.ended.retain(|name, _| is_known(name));
        seen.pruned.retain(|name, _| name.is_empty() || is_known(name));
        seen.policies = policies;
    }

    /// A run of a job has ended so.
    pub(super) fn ended(&self, job: &JobRecord, outcome: RunOutcome, at: Timestamp) {
        let again_at = job.progress.waits_until();
        let end = EndFacts {
            outcome,
            at,
            backup: job.backup.to_string(),
            detail: job.detail.clone(),
            hint: job.hint.clone(),
            again_at,
        };
        self.seen().ended.insert(job.policy.clone(), end);
    }

    /// A prune by the rules of a policy, or one without, has ended. One that came to its end has
    /// seen to what is left as well.
    pub(super) fn pruned(&self, policy: &str, end: PruneEnd) {
        let mut seen = self.seen();
        match end.outcome {
            // It did nothing; what was wrong before it still is.
            RunOutcome::Cancelled | RunOutcome::Skipped => return,
            RunOutcome::Complete | RunOutcome::Partial => drop(seen.pruned.remove("")),
            RunOutcome::Failed => {}
        }
        seen.pruned.insert(policy.to_owned(), end);
    }

    /// A drill or a scheduled verification begins, or moves on; none has ended.
    pub(super) fn proves(&self, proof: Option<ProofAtWork>) {
        self.seen().proving = proof;
    }

    /// The repository was read.
    pub(super) fn read(&self, overview: Overview) {
        let mut seen = self.seen();
        seen.overview = Some(overview);
        seen.unreadable = None;
    }

    /// The repository could not be read: why, and what to do.
    pub(super) fn unreadable(&self, why: String, hint: Option<String>) {
        self.seen().unreadable = Some((why, hint));
    }

    /// The settings were read again; if they are wrong, why.
    pub(super) fn reloaded(&self, refused: Option<String>) {
        self.seen().refused = refused;
    }

    /// How it all stands.
    pub(super) fn view(
        &self,
        world: &World,
        metrics: &Metrics,
        present: &Present<'_>,
    ) -> StatusView {
        let seen = self.seen();
        let config = &world.settings.config;
        let overview = seen.overview.as_ref();
        let backups = |name: &str| {
            Some(overview?.backups.get(name).cloned().unwrap_or_else(BackupsFacts::default))
        };
        let policy = |intent: &Intent| {
            let known = metrics.known(&intent.name);
            PolicyStatus {
                intent: intent.clone(),
                backups: backups(&intent.name),
                last_run: seen.ended.get(&intent.name).cloned(),
                running: present.running(&intent.name),
                proving: seen.proving(&intent.name),
                next_run: known.next_run,
                others: known.ended,
                pruned: seen.prune_of(&intent.name, known.prune_held),
                drills: known.drills,
                readings: known.readings,
            }
        };
        let general = metrics.known("");
        let is_known = |name: &String| seen.policies.iter().any(|policy| policy.name == *name);
        let strays = overview.iter().flat_map(|overview| &overview.backups);
        let strays = strays.filter(|(name, _)| !is_known(name));
        let repository = match overview {
            Some(overview) => overview.repository(&config.repository),
            None => unread_repository(&config.repository),
        };
        let wrong = |message: &String| Wrong {
            message: format!("the new settings were refused, the old ones stay: {message}"),
            remedy: "mend the files, then `systemctl reload milvus-backup-agent`".to_owned(),
        };
        StatusView::of(&StatusFacts {
            now: present.now,
            cluster: world.context.cluster.to_string(),
            told_by: Teller::Agent {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                started_at: present.started_at,
            },
            policies: seen.policies.iter().map(policy).collect(),
            strays: strays.flat_map(|(_, backups)| backups.doubtful.clone()).collect(),
            leftovers: seen.prune_of("", general.prune_held),
            policy_folder: config.policies.display().to_string(),
            config_file: world.settings.config_file.clone(),
            repository: RepositoryFacts { unreadable: seen.unreadable.clone(), ..repository },
            waiting: present.readiness.waiting.iter().map(waiting).collect(),
            broker: present.broker.as_ref().map(broker),
            unnamed_broker: config.unnamed_broker,
            settings: seen.refused.iter().map(wrong).collect(),
        })
    }
}

impl Seen {
    fn prune_of(&self, policy: &str, held: bool) -> Option<PruneEnd> {
        self.pruned.get(policy).map(|end| PruneEnd { held, ..end.clone() })
    }

    fn proving(&self, policy: &str) -> Option<(RunKind, RunningFacts)> {
        let proof = self.proving.as_ref().filter(|proof| proof.policy == policy)?;
        let found = proof.progress.snapshot();
        let run = RunningFacts {
            backup: proof.backup.clone().unwrap_or_default(),
            since: proof.since,
            stage: found.stage.as_str(),
            subject: found.subject,
            done_bytes: found.done_bytes,
            total_bytes: found.total_bytes,
            moved_at: Some(proof.moved_at),
        };
        Some((proof.kind, run))
    }
}

impl Present<'_> {
    /// What there is before anything was done.
    pub(super) fn of_start(
        (now, started_at): (Timestamp, Timestamp),
        readiness: Readiness,
    ) -> Self {
        Self { now, started_at, runs: &[], moved: HashMap::new(), readiness, broker: None }
    }

    fn running(&self, policy: &str) -> Option<RunningFacts> {
        let run = self.runs.iter().find(|run| run.job.policy == policy)?;
        let found = run.progress.snapshot();
        Some(RunningFacts {
            backup: run.job.backup.to_string(),
            since: run.job.begun_at.unwrap_or(self.now),
            stage: found.stage.as_str(),
            subject: found.subject,
            done_bytes: found.done_bytes,
            total_bytes: found.total_bytes,
            moved_at: self.moved.get(&run.job.id).copied(),
        })
    }
}

fn waiting(one: &api::Waiting) -> Waiting {
    Waiting { what: one.what.to_owned(), why: one.why.clone() }
}

fn broker(state: &BrokerState) -> BrokerFacts {
    // At the start there is nothing wrong yet.
    let is_well = state.is_well() || state.link == LinkState::Connecting;
    BrokerFacts { state: state.to_string(), is_well }
}
