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
    BackupsFacts, BrokerFacts, EndFacts, Intent, PolicyStatus, RepositoryFacts, RunningFacts,
    StatusFacts, StatusView, Teller, Waiting, Wrong,
};

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
        seen.ended.retain(|name, _| policies.iter().any(|policy| policy.name == *name));
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
                next_run: known.next_run,
                others: known.ended,
                prune_held: known.prune_held,
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
            leftovers: general.ended.get(&RunKind::Prune).map(|(_, outcome)| *outcome),
            leftovers_held: general.prune_held,
            policy_folder: config.policies.display().to_string(),
            repository: RepositoryFacts { unreadable: seen.unreadable.clone(), ..repository },
            waiting: present.readiness.waiting.iter().map(waiting).collect(),
            broker: present.broker.as_ref().map(broker),
            unnamed_broker: config.unnamed_broker,
            settings: seen.refused.iter().map(wrong).collect(),
        })
    }
}

impl Present<'_> {
    /// What there is before anything was done.
    pub(super) fn of_start(now: Timestamp, readiness: Readiness) -> Self {
        Self { now, started_at: now, runs: &[], moved: HashMap::new(), readiness, broker: None }
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
