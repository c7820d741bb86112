//! What can be wrong, and how much it weighs.

use serde::{Deserialize, Serialize};

use crate::model::words;

use super::words::quoted;

words! {
    /// How much a problem weighs.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum Severity {
        /// A backup is not there, or will not be.
        Critical = "critical",
        /// Someone should look soon.
        Warning = "warning",
        /// Worth knowing.
        Note = "note",
    }
}

words! {
    /// What can be wrong, the heaviest first.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum Trouble {
        /// No agent answers.
        NoAgent = "no_agent",
        /// The repository cannot be read.
        RepositoryUnreadable = "repository_unreadable",
        /// There is no policy.
        NoPolicies = "no_policies",
        /// The newest good backup is older than its policy allows.
        TooOld = "too_old",
        /// No backup fits into the repository any more.
        LowSpace = "low_space",
        /// A backup is damaged, or a verification found that it is.
        Damaged = "damaged",
        /// The agent did not take new settings over.
        SettingsRefused = "settings_refused",
        /// There is no good backup yet, and nobody is there to make one.
        NoneYet = "none_yet",
        /// The newest run failed.
        LastRunFailed = "last_run_failed",
        /// The newest run left collections out.
        LastRunPartial = "last_run_partial",
        /// Something speaks against a backup.
        Suspect = "suspect",
        /// A run does not move.
        RunStalled = "run_stalled",
        /// A run takes longer than there is time between two slots.
        RunTooSlow = "run_too_slow",
        /// A slot passed without a run.
        Overdue = "overdue",
        /// A backup would not work now.
        NotReady = "not_ready",
        /// No messages come, or no events go.
        BrokerAway = "broker_away",
        /// The newest verification failed.
        VerifyFailed = "verify_failed",
        /// Files were not read again in time.
        ReadTooOld = "read_too_old",
        /// There is room for few more backups.
        AlmostFull = "almost_full",
        /// The newest drill failed.
        DrillFailed = "drill_failed",
        /// The newest good drill is too old.
        DrillTooOld = "drill_too_old",
        /// The newest prune failed.
        PruneFailed = "prune_failed",
        /// The newest prune held back what somebody should look at.
        PruneHeld = "prune_held",
        /// There are fewer good backups than are always kept.
        TooFewBackups = "too_few_backups",
        /// The agent has just started, and does not know everything yet.
        Starting = "starting",
        /// A policy is paused.
        Paused = "paused",
        /// Only the command line starts a policy.
        NothingStartsIt = "nothing_starts_it",
        /// There is a section `amqp` without a broker.
        BrokerUnnamed = "broker_unnamed",
    }
}

impl Trouble {
    /// How much it weighs.
    pub fn severity(self) -> Severity {
        match self {
            Self::NoAgent
            | Self::RepositoryUnreadable
            | Self::NoPolicies
            | Self::TooOld
            | Self::LowSpace
            | Self::Damaged => Severity::Critical,
            Self::SettingsRefused
            | Self::NoneYet
            | Self::LastRunFailed
            | Self::LastRunPartial
            | Self::Suspect
            | Self::RunStalled
            | Self::RunTooSlow
            | Self::Overdue
            | Self::NotReady
            | Self::BrokerAway
            | Self::VerifyFailed
            | Self::ReadTooOld
            | Self::DrillFailed
            | Self::DrillTooOld
            | Self::AlmostFull
            | Self::PruneFailed
            | Self::PruneHeld
            | Self::TooFewBackups => Severity::Warning,
            Self::Starting | Self::Paused | Self::NothingStartsIt | Self::BrokerUnnamed => {
                Severity::Note
            }
        }
    }
}

/// What commands of this program begin with.
const PROGRAM: &str = "milvus-backup-agent ";

/// What stands for a policy's name in a command that several need.
const ANY_POLICY: &str = "POLICY";

/// Something that is wrong, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// How much it weighs.
    pub severity: Severity,
    /// What it is, for scripts.
    pub kind: Trouble,
    /// The policies that have it; none where it is of none.
    pub policies: Vec<String>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
    /// A command to begin with. `POLICY` in it stands for each of the policies.
    pub command: Option<String>,
}

impl Problem {
    pub(super) fn new(
        kind: Trouble,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (message, remedy) = (message.into(), remedy.into());
        let severity = kind.severity();
        Self { severity, kind, policies: Vec::new(), message, remedy, command: None }
    }

    #[must_use]
    pub(super) fn command(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }

    #[must_use]
    pub(super) fn of(mut self, policy: &str) -> Self {
        self.policies.push(policy.to_owned());
        self
    }

    /// Lets the command, if it is one of this program, name a configuration.
    pub(super) fn configured_by(&mut self, file: &str) {
        if let Some(rest) = self.command.as_deref().and_then(|all| all.strip_prefix(PROGRAM)) {
            self.command = Some(format!("{PROGRAM}--config {} {rest}", quoted(file)));
        }
    }

    /// The names before the message, as many as one reads.
    pub(super) fn whose(&self) -> String {
        some(&self.policies)
    }
}

/// Some names, as many as one reads.
pub(super) fn some(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).map(String::as_str);
    let shown = shown.collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// The heaviest first; what several policies have in common once.
pub(super) fn sorted(problems: Vec<Problem>) -> Vec<Problem> {
    let mut merged: Vec<Problem> = Vec::new();
    for problem in problems {
        let alike = |known: &&mut Problem| {
            known.kind == problem.kind
                && !known.policies.is_empty()
                && !problem.policies.is_empty()
                && (&known.message, &known.remedy, &known.command)
                    == (&problem.message, &problem.remedy, &problem.command)
        };
        match merged.iter_mut().find(alike) {
            Some(known) => known.policies.extend(problem.policies),
            None => merged.push(problem),
        }
    }
    for problem in &mut merged {
        if let ([policy], Some(command)) = (problem.policies.as_slice(), &problem.command) {
            problem.command = Some(command.replace(ANY_POLICY, policy));
        }
    }
    merged.sort_by_key(|problem| (problem.severity, problem.kind));
    merged
}
