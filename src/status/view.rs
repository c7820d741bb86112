//! What is shown, to people and to scripts.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{BackupState, ByteSize, RunOutcome, words};

use super::judge::judge;
use super::problem::{Problem, Severity, Trouble};
use super::running::{ProvingView, RunningView};
use super::words::{count, from_now};
use super::{BackupFacts, EndFacts, PolicyStatus, StatusFacts, Teller};

/// How it all stands: the JSON of `status` and of `/v1/status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusView {
    /// In a few words.
    pub headline: String,
    /// Whether nothing needs anyone.
    pub well: bool,
    /// At which moment.
    pub at: Timestamp,
    /// The cluster.
    pub cluster: String,
    /// The agent that tells it; none where a command found it out by itself.
    pub agent: Option<AgentView>,
    /// What needs someone, the heaviest first.
    pub problems: Vec<Problem>,
    /// What is worth knowing, and needs nobody.
    pub notes: Vec<Problem>,
    /// Every policy.
    pub policies: Vec<PolicyView>,
    /// Where the backups are.
    pub repository: RepositoryView,
    /// What the connection to the broker does, if there is to be one.
    pub broker: Option<String>,
}

/// The agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentView {
    /// Its version.
    pub version: String,
    /// When it started.
    pub started_at: Timestamp,
}

/// Where the backups are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryView {
    /// The folder or bucket.
    pub place: String,
    /// Whether the newest try to read it succeeded; none before the first.
    pub readable: Option<bool>,
    /// When it was last read as a whole.
    pub read_at: Option<Timestamp>,
    /// Bytes of the cluster's backups, as last counted.
    pub bytes: Option<u64>,
    /// Free bytes, where it knows.
    pub free_bytes: Option<u64>,
    /// How many of them no backup may use.
    pub min_free_bytes: Option<u64>,
}

words! {
    /// How a policy stands, in a word.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum PolicyState {
        /// Its newest good backup is too old.
        TooOld = "too old",
        /// One of its backups is damaged.
        Damaged = "damaged",
        /// Its last run failed.
        Failed = "failed",
        /// Its last run left collections out.
        Partial = "partial",
        /// Something else needs someone.
        Look = "look",
        /// It is paused.
        Paused = "paused",
        /// What the repository holds of it is not known yet.
        Unknown = "unknown",
        /// It has no good backup yet, and need not have one.
        NoneYet = "none yet",
        /// All is as it should be.
        Well = "well",
    }
}

/// One policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyView {
    /// Its name.
    pub name: String,
    /// How it stands.
    pub state: PolicyState,
    /// The collections that it takes, as patterns.
    pub collections: String,
    /// When it is due; none without a schedule.
    pub schedule: Option<String>,
    /// Whether only the command line starts it.
    pub paused: bool,
    /// How old its newest good backup may become.
    pub max_age_seconds: Option<u64>,
    /// The newest good backup.
    pub last_good: Option<BackupView>,
    /// How the newest run ended.
    pub last_run: Option<RunView>,
    /// The run that is at work.
    pub running: Option<RunningView>,
    /// The drill or scheduled verification that is at work.
    pub proving: Option<ProvingView>,
    /// The next slot; none without an agent.
    pub next_run: Option<Timestamp>,
    /// Good backups.
    pub complete: u64,
    /// Partial ones.
    pub partial: u64,
    /// Suspect ones.
    pub suspect: u64,
    /// Damaged ones.
    pub damaged: u64,
    /// Pinned ones, whatever they are.
    pub pinned: u64,
    /// The moment of the oldest backup that can be restored.
    pub oldest: Option<Timestamp>,
    /// The moment of the newest.
    pub newest: Option<Timestamp>,
    /// Since when every byte was read again, if that is scheduled.
    pub read_since: Option<Timestamp>,
    /// Drills.
    pub drill: Option<DrillView>,
}

/// A backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupView {
    /// Its name.
    pub name: String,
    /// When it was complete.
    pub at: Timestamp,
    /// Stored rows, deleted ones included.
    pub rows: u64,
    /// Bytes of all its files.
    pub bytes: u64,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunView {
    /// How.
    pub outcome: RunOutcome,
    /// When.
    pub at: Timestamp,
    /// Its backup.
    pub backup: String,
    /// What was wrong.
    pub detail: Option<String>,
}

/// What is known of drills.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DrillView {
    /// When the newest that succeeded ended.
    pub last_success: Option<Timestamp>,
    /// How long its restore took.
    pub rto_seconds: Option<f64>,
    /// How the newest ended.
    pub last_outcome: Option<RunOutcome>,
    /// The next one.
    pub next_run: Option<Timestamp>,
}

impl StatusView {
    /// Judges what is known.
    pub fn of(facts: &StatusFacts) -> Self {
        let all = judge(facts);
        let (notes, problems): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|problem| problem.severity == Severity::Note);
        let policies: Vec<PolicyView> =
            facts.policies.iter().map(|policy| shown(policy, &problems)).collect();
        let repository = &facts.repository;
        let readable = match (&repository.unreadable, repository.read_at) {
            (Some(_), _) => Some(false),
            (None, Some(_)) => Some(true),
            (None, None) => None,
        };
        Self {
            headline: headline(problems.len(), &policies, readable),
            well: problems.is_empty(),
            at: facts.now,
            cluster: facts.cluster.clone(),
            agent: match &facts.told_by {
                Teller::Agent { version, started_at } => {
                    Some(AgentView { version: version.clone(), started_at: *started_at })
                }
                Teller::Command(_) => None,
            },
            problems,
            notes,
            policies,
            repository: RepositoryView {
                place: repository.place.clone(),
                readable,
                read_at: repository.read_at,
                bytes: repository.bytes,
                free_bytes: repository.free_bytes,
                min_free_bytes: repository.min_free_bytes,
            },
            broker: facts.broker.as_ref().map(|broker| broker.state.clone()),
        }
    }
}

/// What has no backup yet may be as it should be, but it is not protected.
fn headline(problems: usize, policies: &[PolicyView], readable: Option<bool>) -> String {
    let early = policies.iter().filter(|policy| policy.state == PolicyState::NoneYet).count();
    match (problems, early) {
        (0, _) if readable.is_none() => "Just started".to_owned(),
        (0, 0) => "All well".to_owned(),
        (0, early) if early == policies.len() => "No backup yet".to_owned(),
        (0, early) => {
            let early = count(early as u64, "policy has", "policies have");
            format!("All well, but {early} no backup yet")
        }
        (1, _) => "1 thing needs you".to_owned(),
        (many, _) => format!("{many} things need you"),
    }
}

fn shown(policy: &PolicyStatus, problems: &[Problem]) -> PolicyView {
    let (intent, backups) = (&policy.intent, policy.backups.as_ref());
    let counted = |state| backups.map_or(0, |backups| backups.count(state));
    let window = backups.and_then(|backups| backups.window);
    PolicyView {
        name: intent.name.clone(),
        state: state(policy, problems),
        collections: intent.collections.clone(),
        schedule: intent.schedule.clone(),
        paused: intent.paused,
        max_age_seconds: intent.max_age.map(|age| age.as_secs()),
        last_good: backups.and_then(|backups| backups.last_good.as_ref()).map(BackupView::of),
        last_run: policy.last_end().map(RunView::of),
        running: policy.running.as_ref().map(RunningView::of),
        proving: policy.proving.as_ref().map(ProvingView::of),
        next_run: policy.next_run,
        complete: counted(BackupState::Complete),
        partial: counted(BackupState::Partial),
        suspect: counted(BackupState::Suspect),
        damaged: counted(BackupState::Damaged),
        pinned: backups.map_or(0, |backups| backups.pinned),
        oldest: window.map(|(oldest, _)| oldest),
        newest: window.map(|(_, newest)| newest),
        read_since: policy.readings.as_ref().and_then(|readings| readings.read_since),
        drill: DrillView::of(policy),
    }
}

/// The worst that is told of it.
fn state(policy: &PolicyStatus, problems: &[Problem]) -> PolicyState {
    let own = problems.iter().filter(|problem| problem.policies.contains(&policy.intent.name));
    let states = own.map(|problem| match problem.kind {
        Trouble::TooOld => PolicyState::TooOld,
        Trouble::Damaged => PolicyState::Damaged,
        Trouble::NoneYet => PolicyState::NoneYet,
        Trouble::LastRunFailed => PolicyState::Failed,
        Trouble::LastRunPartial => PolicyState::Partial,
        Trouble::NoAgent
        | Trouble::RepositoryUnreadable
        | Trouble::NoPolicies
        | Trouble::LowSpace
        | Trouble::SettingsRefused
        | Trouble::Suspect
        | Trouble::RunStalled
        | Trouble::RunTooSlow
        | Trouble::Overdue
        | Trouble::NotReady
        | Trouble::BrokerAway
        | Trouble::VerifyFailed
        | Trouble::ReadTooOld
        | Trouble::DrillFailed
        | Trouble::DrillTooOld
        | Trouble::AlmostFull
        | Trouble::PruneFailed
        | Trouble::PruneHeld
        | Trouble::TooFewBackups
        | Trouble::Starting
        | Trouble::Paused
        | Trouble::NothingStartsIt
        | Trouble::BrokerUnnamed => PolicyState::Look,
    });
    let otherwise = match &policy.backups {
        _ if policy.intent.paused => PolicyState::Paused,
        None => PolicyState::Unknown,
        Some(backups) if backups.last_good.is_none() => PolicyState::NoneYet,
        Some(_) => PolicyState::Well,
    };
    states.min().unwrap_or(otherwise)
}

/// What is said of slots that nobody is there to keep.
pub(super) const NOBODY: &str = "no agent";

impl PolicyView {
    /// Whether it has slots, and no agent that keeps them.
    pub(super) fn waits_in_vain(&self, view: &StatusView) -> bool {
        view.agent.is_none() && self.schedule.is_some() && !self.paused
    }

    /// How many backups there are, and of what kinds.
    pub(super) fn backups(&self) -> String {
        let mut parts = vec![count(self.complete, "good", "good")];
        let others = [("partial", self.partial), ("suspect", self.suspect)];
        let others = others.into_iter().chain([("damaged", self.damaged), ("pinned", self.pinned)]);
        parts.extend(others.filter(|(_, n)| *n > 0).map(|(word, n)| format!("{n} {word}")));
        parts.join(", ")
    }
}

impl BackupView {
    fn of(backup: &BackupFacts) -> Self {
        let BackupFacts { name, at, rows, bytes } = backup;
        Self { name: name.clone(), at: *at, rows: *rows, bytes: *bytes }
    }
}

impl RunView {
    fn of(end: &EndFacts) -> Self {
        let EndFacts { outcome, at, backup, detail, .. } = end;
        Self { outcome: *outcome, at: *at, backup: backup.clone(), detail: detail.clone() }
    }
}

impl DrillView {
    /// None where none was ever made and none is wanted.
    fn of(policy: &PolicyStatus) -> Option<Self> {
        let record = policy.backups.as_ref().and_then(|backups| backups.drill.as_ref());
        let wanted = policy.drills.as_ref().filter(|drills| drills.since.is_some());
        if record.is_none() && wanted.is_none() {
            return None;
        }
        let success = record.and_then(|record| record.last_success.as_ref());
        Some(Self {
            last_success: success.map(|(at, _, _)| *at),
            rto_seconds: success.map(|(_, _, took)| took.as_secs_f64()),
            last_outcome: record
                .and_then(|record| record.last.as_ref())
                .map(|(_, outcome, _)| *outcome),
            next_run: wanted.and_then(|drills| drills.next_run),
        })
    }
}

impl RepositoryView {
    /// In a line.
    pub(super) fn in_words(&self, now: Timestamp) -> String {
        let mut parts = vec![self.place.clone()];
        // They are counted now and then; before the first backup that is nothing.
        let bytes = self.bytes.filter(|bytes| *bytes > 0);
        parts.extend(bytes.map(|bytes| format!("{} of backups", ByteSize(bytes))));
        parts.extend(self.free_bytes.map(|free| format!("{} free", ByteSize(free))));
        parts.push(match (self.readable, self.read_at) {
            (Some(false), Some(at)) => format!("last readable {}", from_now(at, now)),
            (Some(false), None) => "cannot be read".to_owned(),
            (Some(true) | None, Some(at)) => format!("read {}", from_now(at, now)),
            (Some(true) | None, None) => "not read yet".to_owned(),
        });
        parts.join(", ")
    }
}
