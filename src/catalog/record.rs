//! What a reader believes of one backup folder.

use crate::manifest::{Attempt, Doubt, Manifest, ManifestOutcome, Pin, Tombstone, suspicion};
use crate::model::{BackupName, BackupState, ClusterName};

use super::CatalogError;

/// One backup folder, whatever is in it.
#[derive(Debug, Clone)]
pub struct BackupRecord {
    /// The cluster it is of.
    pub cluster: ClusterName,
    /// Its name.
    pub name: BackupName,
    /// What it is.
    pub state: BackupState,
    /// Why it is not complete.
    pub reasons: Vec<String>,
    /// The run that made it.
    pub attempt: Option<Attempt>,
    /// What can be restored.
    pub manifest: Option<Manifest>,
    /// The same of a tree that milvus-backup wrote. Nothing that deletes or counts looks at it.
    pub foreign: Option<Box<Manifest>>,
    /// What hides it.
    pub tombstone: Option<Tombstone>,
    /// What keeps it, or once did.
    pub pin: Option<Pin>,
    /// What a verification found wrong with it.
    pub doubt: Option<Doubt>,
}

impl BackupRecord {
    /// What it holds, whoever wrote it.
    pub fn content(&self) -> Option<&Manifest> {
        self.manifest.as_ref().or(self.foreign.as_deref())
    }

    /// Whether there is a backup of ours to restore.
    pub fn is_committed(&self) -> bool {
        matches!(self.state, BackupState::Complete | BackupState::Suspect | BackupState::Partial)
    }
}

/// The documents of a folder as they were read.
#[derive(Debug)]
pub(super) struct Documents {
    pub(super) attempt: Result<Option<Attempt>, CatalogError>,
    pub(super) manifest: Result<Option<Manifest>, CatalogError>,
    /// What milvus-backup's documents say, where there is nothing of ours.
    pub(super) foreign: Result<Option<Manifest>, CatalogError>,
    pub(super) tombstone: Result<Option<Tombstone>, CatalogError>,
    pub(super) pin: Result<Option<Pin>, CatalogError>,
    pub(super) doubt: Result<Option<Doubt>, CatalogError>,
    pub(super) alive: bool,
}

impl Documents {
    /// The rules of the module's essay.
    pub(super) fn judge(self, cluster: &ClusterName, name: &BackupName) -> BackupRecord {
        let (state, reasons) = self.state(name);
        BackupRecord {
            cluster: cluster.clone(),
            name: name.clone(),
            state,
            reasons,
            attempt: self.attempt.ok().flatten(),
            manifest: self.manifest.ok().flatten(),
            foreign: self.foreign.ok().flatten().map(Box::new),
            tombstone: self.tombstone.ok().flatten(),
            pin: self.pin.ok().flatten(),
            doubt: self.doubt.ok().flatten(),
        }
    }

    fn state(&self, name: &BackupName) -> (BackupState, Vec<String>) {
        let unreadable: Vec<String> = [self.attempt.as_ref().err(), self.manifest.as_ref().err()]
            .into_iter()
            .flatten()
            .map(with_causes)
            .collect();
        match &self.tombstone {
            Ok(None) => {}
            Ok(Some(tombstone)) => {
                return (BackupState::Tombstoned, vec![tombstone.reason.clone()]);
            }
            Err(error) => return (BackupState::Tombstoned, vec![with_causes(error)]),
        }
        let (Ok(attempt), Ok(manifest)) = (&self.attempt, &self.manifest) else {
            return (BackupState::Damaged, unreadable);
        };
        match (attempt, manifest) {
            (_, Some(manifest)) if manifest.name != *name => damaged(&format!(
                "it is a copy of backup `{}`: rename the folder back or delete it",
                manifest.name
            )),
            (Some(attempt), Some(manifest)) if attempt.run == manifest.run => {
                self.committed(manifest)
            }
            (Some(_), Some(_)) => damaged("attempt.json is of another run than manifest.json"),
            (None, Some(_)) => damaged("manifest.json stands without its attempt.json"),
            (None, None) => match &self.foreign {
                Ok(Some(tree)) => (BackupState::Foreign, remarks(tree)),
                Ok(None) => damaged("it has neither manifest.json nor attempt.json"),
                Err(error) => damaged(&with_causes(error)),
            },
            (Some(attempt), None) => self.unfinished(attempt),
        }
    }

    fn committed(&self, manifest: &Manifest) -> (BackupState, Vec<String>) {
        let pin = self.pin.as_ref().ok().and_then(Option::as_ref);
        let doubt = match &self.doubt {
            Ok(doubt) => suspicion(manifest, doubt.as_ref(), pin),
            Err(error) => Some(with_causes(error)),
        };
        match (doubt, manifest.outcome) {
            (Some(why), _) => (BackupState::Suspect, vec![why]),
            (None, ManifestOutcome::Complete) => (BackupState::Complete, Vec::new()),
            (None, ManifestOutcome::Partial) => (BackupState::Partial, remarks(manifest)),
        }
    }

    fn unfinished(&self, attempt: &Attempt) -> (BackupState, Vec<String>) {
        match &attempt.end {
            Some(end) if end.outcome == "failed" => (BackupState::Failed, vec![end.error.clone()]),
            Some(end) => (BackupState::Failed, vec![format!("{}: {}", end.outcome, end.error)]),
            None if self.alive => (BackupState::Running, Vec::new()),
            None => (
                BackupState::Failed,
                vec!["interrupted: its process ended without saying why".to_owned()],
            ),
        }
    }
}

fn damaged(why: &str) -> (BackupState, Vec<String>) {
    (BackupState::Damaged, vec![why.to_owned()])
}

/// What there is to say of its collections.
fn remarks(manifest: &Manifest) -> Vec<String> {
    let told = manifest.collections.iter().filter_map(|record| {
        record.error.as_ref().map(|error| format!("{}: {error}", record.namespace()))
    });
    told.collect()
}

fn with_causes(error: &CatalogError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{BackupState, Documents};
    use crate::catalog::CatalogError;
    use crate::manifest::{
        Attempt, AttemptEnd, DocumentError, Manifest, ManifestOutcome, Tombstone,
    };
    use crate::model::{BackupName, ClusterName, Layout};

    fn name() -> BackupName {
        BackupName::new("b").unwrap()
    }

    fn attempt(run: &str, end: Option<&str>) -> Attempt {
        let at = "2026-11-23T00:00:00Z".parse().unwrap();
        Attempt {
            version: 1,
            name: name(),
            run: run.to_owned(),
            lease: "run-1".to_owned(),
            policy: String::new(),
            trigger: "cli".to_owned(),
            host: "h".to_owned(),
            started_at: at,
            agent: "a".to_owned(),
            job: None,
            end: end.map(|error| AttemptEnd {
                at,
                outcome: "failed".to_owned(),
                error: error.to_owned(),
            }),
        }
    }

    fn manifest(run: &str, outcome: ManifestOutcome) -> Manifest {
        let at = "2026-11-23T00:00:00Z".parse().unwrap();
        Manifest {
            version: 1,
            name: name(),
            cluster: ClusterName::new("c").unwrap(),
            cluster_id: "i".to_owned(),
            policy: String::new(),
            run: run.to_owned(),
            layout: Layout::Incremental,
            created_at: at,
            completed_at: at,
            outcome,
            agent: "a".to_owned(),
            milvus_version: "2.3.5".to_owned(),
            databases: Vec::new(),
            database_descriptions: Vec::new(),
            collections: Vec::new(),
            selection: Vec::new(),
            suspect: None,
            rbac: None,
        }
    }

    fn unreadable<T>() -> Result<Option<T>, CatalogError> {
        let source = DocumentError::damaged("manifest", "cut off");
        Err(CatalogError::Document { place: "p".to_owned(), source })
    }

    #[test]
    fn a_tree_of_milvus_backup_is_foreign_or_damaged() {
        let tree = || Ok(Some(manifest("t", ManifestOutcome::Complete)));
        for (attempt, foreign, state) in [
            (Ok(None), tree(), BackupState::Foreign),
            (Ok(None), unreadable(), BackupState::Damaged),
            (Ok(Some(attempt("1", None))), tree(), BackupState::Failed),
        ] {
            let (manifest, tombstone, pin, doubt) = (Ok(None), Ok(None), Ok(None), Ok(None));
            let alive = false;
            let documents = Documents { attempt, manifest, foreign, tombstone, pin, doubt, alive };
            let cluster = ClusterName::new("c").unwrap();
            let record = documents.judge(&cluster, &name());
            assert_eq!((record.state, record.is_committed()), (state, false));
        }
    }

    #[test]
    fn a_manifest_counts_only_with_an_attempt_of_its_run() {
        use ManifestOutcome::{Complete, Partial};
        let ended = || Ok(Some(attempt("1", Some("boom"))));
        let begun = || Ok(Some(attempt("1", None)));
        let whole = || Ok(Some(manifest("1", Complete)));
        let hidden = || {
            let at = "2026-11-23T00:00:00Z".parse().unwrap();
            Ok(Some(Tombstone { version: 1, at, reason: "old".to_owned(), policy: None }))
        };
        let none = || Ok(None);
        for (attempt, manifest, tombstone, alive, state) in [
            (begun(), whole(), none(), false, BackupState::Complete),
            (begun(), Ok(Some(manifest("1", Partial))), none(), false, BackupState::Partial),
            (begun(), Ok(Some(manifest("2", Complete))), none(), true, BackupState::Damaged),
            (Ok(None), whole(), none(), true, BackupState::Damaged),
            (Ok(None), Ok(None), none(), false, BackupState::Damaged),
            (unreadable(), whole(), none(), false, BackupState::Damaged),
            (begun(), unreadable(), none(), false, BackupState::Damaged),
            (begun(), Ok(None), none(), true, BackupState::Running),
            (begun(), Ok(None), none(), false, BackupState::Failed),
            (ended(), Ok(None), none(), true, BackupState::Failed),
            (begun(), whole(), hidden(), true, BackupState::Tombstoned),
            (begun(), whole(), unreadable(), true, BackupState::Tombstoned),
        ] {
            let (pin, doubt) = (Ok(None), Ok(None));
            let foreign = Ok(None);
            let documents = Documents { attempt, manifest, foreign, tombstone, pin, doubt, alive };
            let shown = format!("{documents:?}");
            let cluster = ClusterName::new("c").unwrap();
            assert_eq!(documents.judge(&cluster, &name()).state, state, "{shown}");
        }
    }
}
