//! What prune looks at, and how it answers.

use jiff::Timestamp;
use serde::Serialize;

use crate::manifest::{Attempt, Doubt, DrillLedger, Manifest, Pin, RestoreLedger, Tombstone};
use crate::model::BackupName;
use crate::plan::Planned;

/// A document as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<T> {
    /// It is not there.
    Absent,
    /// It is this.
    Read(T),
    /// It is damaged.
    Unreadable(String),
    /// A newer agent wrote it.
    TooNew(String),
}

impl<T> Found<T> {
    /// What was read.
    pub fn read(&self) -> Option<&T> {
        match self {
            Self::Read(document) => Some(document),
            Self::Absent | Self::Unreadable(_) | Self::TooNew(_) => None,
        }
    }

    /// Why it cannot be read.
    pub fn problem(&self) -> Option<&str> {
        match self {
            Self::Unreadable(why) | Self::TooNew(why) => Some(why),
            Self::Absent | Self::Read(_) => None,
        }
    }

    /// Why only a newer agent can read it.
    pub fn too_new(&self) -> Option<&str> {
        match self {
            Self::TooNew(why) => Some(why),
            Self::Absent | Self::Read(_) | Self::Unreadable(_) => None,
        }
    }

    /// Whether there is something, readable or not.
    pub fn is_there(&self) -> bool {
        !matches!(self, Self::Absent)
    }
}

/// One backup folder.
#[derive(Debug, Clone)]
pub struct BackupFacts {
    /// The backup's name.
    pub name: BackupName,
    /// `attempt.json`.
    pub attempt: Found<Attempt>,
    /// `manifest.json`.
    pub manifest: Found<Manifest>,
    /// `tombstone.json`.
    pub tombstone: Found<Tombstone>,
    /// `pin.json`.
    pub pin: Found<Pin>,
    /// `doubt.json`.
    pub doubt: Found<Doubt>,
    /// Whether there is a saved plan that can be read. What it names is in [`Planned`].
    pub plan: Found<()>,
    /// Whether the run of an attempt without an end still beats.
    pub alive: bool,
    /// When that run was last heard of.
    pub heard: Option<Timestamp>,
    /// Those who read it now, in words.
    pub readers: Vec<String>,
    /// Whether it is a tree that milvus-backup wrote, finished or not.
    pub tree: bool,
}

impl BackupFacts {
    /// Whether a run has begun it and not said that it ended.
    pub fn is_unfinished(&self) -> bool {
        let begun = self.attempt.read().is_some_and(|attempt| attempt.end.is_none());
        begun && !self.manifest.is_there()
    }

    /// The manifest of a backup that is there and not hidden. A folder that was copied under
    /// another name is no second backup.
    pub fn committed(&self) -> Option<&Manifest> {
        let (attempt, manifest) = (self.attempt.read()?, self.manifest.read()?);
        let counts = attempt.run == manifest.run && manifest.name == self.name;
        (counts && !self.tombstone.is_there()).then_some(manifest)
    }

    /// What a newer agent wrote of it.
    pub fn too_new(&self) -> Option<&str> {
        let documents = [
            self.attempt.too_new(),
            self.manifest.too_new(),
            self.tombstone.too_new(),
            self.plan.too_new(),
            self.pin.too_new(),
            self.doubt.too_new(),
        ];
        documents.into_iter().flatten().next()
    }
}

/// One restore's ledger.
#[derive(Debug, Clone)]
pub struct RestoreFacts {
    /// The restore.
    pub id: String,
    /// Its ledger.
    pub ledger: Found<RestoreLedger>,
    /// Whether it still beats.
    pub alive: bool,
}

/// One drill's ledger.
#[derive(Debug, Clone)]
pub struct DrillFacts {
    /// The drill.
    pub id: String,
    /// Its ledger.
    pub ledger: Found<DrillLedger>,
    /// Whether it still beats.
    pub alive: bool,
    /// Whether what it made is in the configured Milvus.
    pub here: bool,
}

/// One folder of leases.
#[derive(Debug, Clone)]
pub struct LeaseFacts {
    /// Its name.
    pub name: String,
    /// Whether its holder beats.
    pub alive: bool,
}

/// One folder of staged files.
#[derive(Debug, Clone)]
pub struct StagingFacts {
    /// Its name.
    pub folder: String,
    /// What is known of its restore.
    pub owner: StagingOwner,
    /// When its youngest file was written.
    pub newest: Option<Timestamp>,
}

/// What is known of the restore or drill that staged files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StagingOwner {
    /// It is at work.
    Alive,
    /// It is dead.
    Dead,
    /// This repository does not know it, but no other one stages here.
    Unknown,
    /// This repository does not know it, and another one may stage here too.
    Foreign,
}

/// Everything that prune looks at, but for the shared files.
#[derive(Debug, Clone, Default)]
pub struct PruneFacts {
    /// The backups.
    pub backups: Vec<BackupFacts>,
    /// The files in their saved plans, where a sweep is to be told.
    pub planned: Planned,
    /// The restores.
    pub restores: Vec<RestoreFacts>,
    /// The drills.
    pub drills: Vec<DrillFacts>,
    /// The leases.
    pub leases: Vec<LeaseFacts>,
    /// The staging folders.
    pub staging: Vec<StagingFacts>,
}

/// What becomes of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is in use.
    Keep,
    /// It goes.
    Delete,
    /// It stays for now.
    Leave,
}

impl Verdict {
    /// The word in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Delete => "delete",
            Self::Leave => "leave",
        }
    }
}

/// What a verdict is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A backup or an attempt.
    Backup(BackupName),
    /// A restore's ledger.
    Restore(String),
    /// A drill that left something in Milvus, and its ledger.
    Drill(String),
    /// A lease whose name is used once.
    Lease(String),
    /// A folder of staged files.
    Staging(String),
}

/// A verdict and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// What it is about.
    pub subject: Subject,
    /// What becomes of it.
    pub verdict: Verdict,
    /// Why.
    pub reasons: Vec<String>,
}
