//! A policy: what an operator intends, checked.

use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::reader::Reader;
use super::retention::{self, Retention};
use super::schedule::{self, Schedule};
use super::selector::CollectionSelector;
use super::settings::{AfterBackup, Flush, Retry, Trigger};
use super::verify::{self, Reread};
use crate::model::{ClusterName, Diagnostic, Invalid, Layout, PolicyName, word};

/// What one file intends. It cannot be wrong; two that are equal need no reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its name.
    pub name: PolicyName,
    /// The file that says so.
    pub file: PathBuf,
    /// Which collections are backed up.
    pub collections: CollectionSelector,
    /// When it is due by itself.
    pub schedule: Option<Schedule>,
    /// Who else may start it, besides the command line.
    pub triggers: Vec<Trigger>,
    /// How a backup lies in the repository.
    pub layout: Layout,
    /// What happens if Milvus cannot flush.
    pub flush: Flush,
    /// Whether users and roles are backed up, too.
    pub rbac: bool,
    /// Which backups stay.
    pub retention: Retention,
    /// How old the newest backup may be, if that was written.
    pub max_age: Option<SignedDuration>,
    /// How long a run may take.
    pub timeout: Option<Duration>,
    /// How long a run may make no progress.
    pub stall_timeout: Duration,
    /// How often a run that failed is tried again.
    pub retry: Retry,
    /// How deep a new backup is verified.
    pub after_backup: AfterBackup,
    /// When a backup is restored for a test.
    pub drill: Option<Schedule>,
    /// When a share of what its backups have is read again.
    pub reread: Option<Reread>,
    /// Whether only the command line starts it.
    pub paused: bool,
}

impl Policy {
    /// How old the newest backup may be before that is an alert: what was written, else twice
    /// the longest gap of the next 50 fires plus the timeout. None without a schedule.
    pub fn max_age_at(&self, now: Timestamp) -> Option<SignedDuration> {
        let timeout = self.timeout.and_then(|timeout| SignedDuration::try_from(timeout).ok());
        let by_schedule = || {
            let gap = self.schedule.as_ref()?.longest_gap(now)?;
            Some(gap.saturating_mul(2).saturating_add(timeout.unwrap_or_default()))
        };
        self.max_age.or_else(by_schedule)
    }

    /// Whether a message or a request may start it now.
    pub fn accepts(&self, trigger: Trigger) -> bool {
        !self.paused && self.triggers.contains(&trigger)
    }
}

/// Reads the name: the one written, else the file's.
pub(super) fn read_name(reader: &mut Reader<'_>) -> Option<PolicyName> {
    let invalid = |error: crate::model::InvalidName| Invalid::new(error.to_string());
    if reader.has("name") || reader.is_spoiled("name") {
        return reader.get("name", |text| PolicyName::new(text).map_err(invalid));
    }
    let stem = reader.file.file_stem().unwrap_or_default().to_string_lossy();
    PolicyName::new(stem.as_ref())
        .map_err(|error| {
            let problem = Diagnostic::new(format!("the file's name: {error}"));
            reader.refuse("name", problem.hint("rename the file, or write `name:` in it"));
        })
        .ok()
}

/// Reads everything else. What is wrong is a problem of the reader; then there is no policy.
pub(super) fn read(
    reader: &mut Reader<'_>,
    cluster: &ClusterName,
    name: Option<PolicyName>,
) -> Option<Policy> {
    // Without a name there is no policy in the end, but problems there are all the same.
    let seed = name.clone().or_else(|| PolicyName::new("unnamed").ok())?;
    let collections = collections(reader);
    let zone = schedule::read_zone(reader);
    let schedule = schedule::read(reader, (cluster, &seed), zone.as_ref());
    let triggers = triggers(reader);
    let layout = reader.word("layout", Layout::ALL);
    let flush = reader.word("flush", Flush::ALL);
    let rbac = reader.switch("rbac");
    let retention = retention::read(reader);
    let max_age = reader.duration("max_age");
    let timeout = reader.duration("timeout");
    let stall_timeout = reader.duration("stall_timeout");
    let attempts = reader.nonzero("retry.attempts");
    let backoff = reader.duration("retry.backoff");
    let after_backup = reader.word("verify.after_backup", AfterBackup::ALL);
    let drill = schedule::read_cron(reader, "verify.drill", zone.as_ref());
    let reread = verify::read(reader, zone.as_ref());
    let paused = reader.switch("paused");
    refuse_what_is_to_come(reader, flush);
    if !reader.document.is_good() {
        return None;
    }
    Some(Policy {
        name: name?,
        file: reader.file.to_owned(),
        collections,
        schedule,
        triggers,
        layout: layout?,
        flush: flush?,
        rbac: rbac?,
        retention: retention?,
        max_age,
        timeout: timeout.map(SignedDuration::unsigned_abs),
        stall_timeout: stall_timeout?.unsigned_abs(),
        retry: Retry { attempts: attempts?, backoff: backoff?.unsigned_abs() },
        after_backup: after_backup?,
        drill,
        reread,
        paused: paused?,
    })
}

fn collections(reader: &mut Reader<'_>) -> CollectionSelector {
    let path = "collections";
    let globs = reader.list(path, |text| {
        let selector = CollectionSelector::parse([text]);
        selector.map(|_| text.to_owned()).map_err(|error| Invalid::new(error.to_string()))
    });
    let Some(globs) = globs else { return CollectionSelector::all() };
    let names_nothing = globs.is_empty() && reader.document.values[path].texts.is_empty();
    if names_nothing && !reader.is_spoiled(path) {
        let problem = Diagnostic::new("`collections` names nothing");
        reader.refuse(path, problem.hint("to back up every collection, remove it"));
    }
    CollectionSelector::parse(globs).unwrap_or_else(|_| CollectionSelector::all())
}

fn triggers(reader: &mut Reader<'_>) -> Vec<Trigger> {
    let parse = |text: &str| word(Trigger::WORDS, text).map(|index| Trigger::ALL[index]);
    let mut triggers = reader.list("triggers", parse).unwrap_or_default();
    triggers.sort();
    triggers.dedup();
    triggers
}

/// What the contract has and this agent cannot do so far: better refused than ignored.
fn refuse_what_is_to_come(reader: &mut Reader<'_>, flush: Option<Flush>) {
    let mut refuse = |path: &str, word: &str, hint: &str| {
        let problem = Diagnostic::new(format!("`{path}`: `{word}` is not supported yet"));
        reader.refuse(path, problem.hint(hint));
    };
    if let Some(flush @ (Flush::BestEffort | Flush::Skip)) = flush {
        refuse("flush", flush.as_str(), "write `required`, or remove the line");
    }
}
