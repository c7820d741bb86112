//! One run's way from a reserved name to a backup.

use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;

use crate::manifest::{
    Attempt, AttemptEnd, EncodedList, EncodedRbac, FileList, Manifest, Placement, TreeDocument,
    TreeDocuments,
};
use crate::model::{BackupName, Clock, Layout, ObjectKey};
use crate::plan::Damage;
use crate::storage::{ObjectStoreExt, PutMode, StoreErrorKind};

use super::repository::AGENT;
use super::{CatalogError, CatalogResult, Cluster, Lease, is_begun, own, resume, this_process};

/// What a run says of itself when it reserves a name.
#[derive(Debug, Clone)]
pub struct Reservation {
    /// The backup's name.
    pub name: BackupName,
    /// The policy that asked for it; empty for none.
    pub policy: String,
    /// What started it.
    pub trigger: String,
    /// The agent's job that it is a run of.
    pub job: Option<String>,
    /// What to do where a run without a backup has the name.
    pub unfinished: Unfinished,
}

/// What to do with a name that a run has reserved and left without a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfinished {
    /// Take its place, if that run is over. Finding that out may take three heartbeats.
    TakeOver,
    /// Take its place, if that run has ended, or has this token and was seen to be dead.
    Inherit(Option<String>),
    /// Leave it alone.
    Leave,
}

/// A run with a reserved name and a live lease.
#[derive(Debug)]
pub struct Run {
    cluster: Cluster,
    attempt: Attempt,
    lease: Lease,
    /// Whether it has taken the place of another, which may have left files.
    heir: bool,
}

/// What a run has to commit.
#[derive(Debug)]
pub struct Work {
    /// The backup.
    pub manifest: Manifest,
    /// Its files, by collection.
    pub lists: Vec<(i64, FileList)>,
    /// What milvus-backup reads, of a standalone one.
    pub documents: Option<TreeDocuments>,
    /// Users, roles and grants, if they were asked for.
    pub rbac: Option<EncodedRbac>,
}

impl Run {
    /// Takes a lease and reserves the name: steps 1 and 2 of the essay.
    pub async fn reserve(
        cluster: &Cluster,
        reservation: Reservation,
        clock: &dyn Clock,
    ) -> CatalogResult<Self> {
        let token = Uuid::new_v4().to_string();
        let lease = Lease::take(cluster, &format!("run-{token}")).await?;
        let attempt = Attempt {
            version: 1,
            name: reservation.name,
            run: token,
            lease: lease.name().to_owned(),
            policy: reservation.policy,
            trigger: reservation.trigger,
            host: this_process().host,
            started_at: clock.now(),
            agent: AGENT.to_owned(),
            job: reservation.job,
            end: None,
        };
        let run = Self { cluster: cluster.clone(), attempt, lease, heir: false };
        match run.put_attempt(&reservation.unfinished, clock).await {
            Ok(heir) => Ok(Self { heir, ..run }),
            Err(error) => {
                run.lease.release().await;
                Err(error)
            }
        }
    }

    /// Whether the name was another run's before.
    async fn put_attempt(&self, unfinished: &Unfinished, clock: &dyn Clock) -> CatalogResult<bool> {
        let name = &self.attempt.name;
        let key = self.cluster.layout.backup(name).attempt();
        self.refuse_taken(clock).await?;
        let put = self.lease.write(&key, &self.attempt, PutMode::IfAbsent).await;
        let Err(error) = put else { return Ok(false) };
        let found = self.cluster.repository.read::<Attempt>("attempt", &key).await;
        match found {
            Ok(Some(found)) if found.run == self.attempt.run => Ok(false),
            Ok(Some(found)) if *unfinished != Unfinished::Leave => {
                if resume::take_over(&self.cluster, &found, (&self.attempt, unfinished)).await? {
                    tracing::info!(%name, run = %found.run, "the place of an unfinished run is taken");
                    return Ok(true);
                }
                self.refuse_taken(clock).await?;
                Err(CatalogError::NameHeld { name: name.clone(), host: found.host })
            }
            _ if error.is_there_already() => Err(self.taken(clock).await),
            _ => Err(error),
        }
    }

    /// What has more than an attempt is no run that one could wait for.
    async fn refuse_taken(&self, clock: &dyn Clock) -> CatalogResult<()> {
        let keys = self.cluster.layout.backup(&self.attempt.name);
        for other in [keys.manifest(), keys.tombstone()] {
            if self.cluster.repository.store().find_bytes(&other).await?.is_some() {
                return Err(self.taken(clock).await);
            }
        }
        // A run of ours has an attempt before it has any file. milvus-backup begins with files.
        let store = self.cluster.repository.store();
        let begun = is_begun(&self.cluster, &self.attempt.name).await?;
        if begun && store.find_bytes(&keys.attempt()).await?.is_none() {
            return Err(self.taken(clock).await);
        }
        Ok(())
    }

    async fn taken(&self, clock: &dyn Clock) -> CatalogError {
        let name = self.attempt.name.clone();
        let by = match super::read_record(&self.cluster, &name, clock).await {
            Ok(record) => format!("a {} backup", record.state.as_str()),
            Err(_) => "a backup that cannot be read".to_owned(),
        };
        CatalogError::NameTaken { name, by }
    }

    /// The reservation.
    pub fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    /// The lease that keeps it.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Where the run's checkpoint lies.
    pub fn checkpoint(&self, layout: Layout) -> ObjectKey {
        self.cluster.layout.backup(&self.attempt.name).checkpoint(layout)
    }

    /// Takes away what an earlier run under this name has left of a tree: its documents, and
    /// files that a backup of this layout cannot use.
    pub async fn clear(&self, layout: Layout) -> CatalogResult<()> {
        if !self.heir {
            return Ok(());
        }
        own::clear(&self.cluster, &self.lease, (&self.attempt.name, layout)).await
    }

    /// Deletes files of a standalone backup that are in none of its lists.
    pub async fn drop_strays(&self, lists: &[(i64, FileList)]) -> CatalogResult<()> {
        let name = &self.attempt.name;
        let strays = own::drop_strays(&self.cluster, &self.lease, (name, lists)).await?;
        if strays > 0 {
            tracing::info!(%name, strays, "files that came to be in no list are deleted");
        }
        Ok(())
    }

    /// Saves what the run is about to refer to, before the first copy of it.
    pub async fn save_plan(&self, references: &FileList) -> CatalogResult<()> {
        let key = self.cluster.layout.backup(&self.attempt.name).plan();
        let body = references.encode().bytes.into();
        self.lease.put(&key, body, PutMode::Overwrite).await
    }

    /// Stores a list under its digest, unless it is there already. One that is damaged is
    /// written anew: its name says what it was, so that older backups are mended too.
    pub async fn put_list(&self, list: &EncodedList) -> CatalogResult<()> {
        let key = self.cluster.layout.list(&list.digest);
        let store = self.cluster.repository.store();
        let body: Bytes = list.bytes.clone().into();
        match store.put(&key, body.clone(), PutMode::IfAbsent).await {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == StoreErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
        }
        match super::load_list(&self.cluster, &list.digest).await {
            Err(error @ CatalogError::Document { .. }) => {
                tracing::warn!(%key, %error, "a damaged list is written anew");
                Ok(store.put(&key, body, PutMode::Overwrite).await.map(drop)?)
            }
            loaded => loaded.map(drop),
        }
    }

    /// Looks at every file once more and makes the backup exist: steps 7 to 10.
    pub async fn commit(self, work: &Work) -> Result<(), (CatalogError, Self)> {
        let published = match self.prepare(work).await {
            Ok(()) => self.publish(&work.manifest).await,
            Err(error) => {
                self.retract(work.manifest.layout).await;
                Err(error)
            }
        };
        match published {
            Ok(()) => {
                self.discard(&self.cluster.layout.backup(&self.attempt.name).of_run()).await;
                self.lease.release().await;
                Ok(())
            }
            Err(error) => Err((error, self)),
        }
    }

    /// Everything up to the manifest. milvus-backup sees a standalone backup from its last
    /// document on.
    async fn prepare(&self, work: &Work) -> CatalogResult<()> {
        let Work { manifest, lists, documents, rbac } = work;
        let (layout, name) = (&self.cluster.layout, &self.attempt.name);
        let keys = layout.backup(name);
        if let Some(rbac) = rbac {
            let body = rbac.bytes.reveal().clone().into();
            self.lease.put(&keys.rbac(), body, PutMode::Overwrite).await?;
        }
        if let Some(documents) = documents {
            for document in TreeDocument::ALL {
                let body = Bytes::copy_from_slice(documents.bytes(*document));
                self.lease.put(&keys.meta(*document), body, PutMode::Overwrite).await?;
            }
        }
        let placement = layout.placement(name, manifest.layout);
        for (collection, list) in lists {
            self.prove(&placement, *collection, list).await?;
        }
        if manifest.layout == Layout::Standalone
            && let Some(stray) = own::find_stray(&self.cluster, (name, lists)).await?
        {
            let file = self.cluster.repository.place(&stray);
            return Err(CatalogError::NotAsWritten { file, why: "is in no list".to_owned() });
        }
        let store = self.cluster.repository.store();
        if store.find_bytes(&keys.tombstone()).await?.is_some() {
            return Err(self.lost("its backup was deleted"));
        }
        let attempt = self.cluster.repository.read::<Attempt>("attempt", &keys.attempt()).await?;
        if attempt.is_none_or(|attempt| attempt.run != self.attempt.run) {
            return Err(self.lost("its attempt was cleaned up"));
        }
        Ok(())
    }

    /// milvus-backup must not take what was not committed for a backup.
    async fn retract(&self, layout: Layout) {
        if layout == Layout::Standalone
            && let Err(error) = own::retract(&self.cluster, &self.lease, &self.attempt.name).await
        {
            tracing::warn!(%error, "milvus-backup may see a backup that was not committed");
        }
    }

    async fn publish(&self, manifest: &Manifest) -> CatalogResult<()> {
        let keys = self.cluster.layout.backup(&self.attempt.name);
        let store = self.cluster.repository.store();
        let key = keys.manifest();
        let put = self.lease.write(&key, manifest, PutMode::IfAbsent).await;
        if let Err(error) = put {
            let found = self.cluster.repository.read::<Manifest>("manifest", &key).await;
            match found {
                Ok(Some(found)) if found.run == manifest.run => {}
                _ => return Err(error),
            }
        }
        // A run that was suspended for days may have been given up just now: prune puts the
        // tombstone first and then looks for a manifest, so one of both sees the other.
        match store.find_bytes(&keys.tombstone()).await {
            Ok(Some(_)) => Err(self.lost("its backup was deleted")),
            Ok(None) => Ok(()),
            Err(error) => {
                tracing::warn!(%error, "the backup is there; whether it was deleted meanwhile is unknown");
                Ok(())
            }
        }
    }

    fn lost(&self, why: &str) -> CatalogError {
        CatalogError::LeaseLost { lease: self.lease.name().to_owned(), why: why.to_owned() }
    }

    /// Every file of a list lies in its folder with its size, reused ones too.
    async fn prove(
        &self,
        placement: &Placement,
        collection: i64,
        list: &FileList,
    ) -> CatalogResult<()> {
        let damage = super::compare(&self.cluster, placement, collection, list).await?;
        let (id, why) = match damage.into_iter().next() {
            None => return Ok(()),
            Some(Damage::Missing(id)) => (id, "is missing".to_owned()),
            Some(Damage::Changed(id, why)) => (id, format!("is not as it was written: {why}")),
        };
        let file = self.cluster.repository.place(&placement.key(&id));
        Err(CatalogError::NotAsWritten { file, why })
    }

    /// Ends a run that made no backup, saying why. The name stays reserved.
    pub async fn end(mut self, outcome: &str, error: String, at: Timestamp) {
        self.attempt.end = Some(AttemptEnd { at, outcome: outcome.to_owned(), error });
        let key = self.cluster.layout.backup(&self.attempt.name).attempt();
        let found = self.cluster.repository.read::<Attempt>("attempt", &key).await;
        let mode = match found {
            Ok(Some(found)) if found.run == self.attempt.run => PutMode::Overwrite,
            Ok(None) => PutMode::IfAbsent,
            Ok(Some(_)) | Err(_) => {
                tracing::warn!(attempt = %key, "the name is no longer this run's");
                return self.lease.release().await;
            }
        };
        let put = self.lease.last_words(&key, &self.attempt, mode).await;
        if let Err(error) = put {
            tracing::warn!(%error, "the end of the run could not be recorded");
        }
        self.lease.release().await;
    }

    async fn discard(&self, keys: &[ObjectKey]) {
        if let Err(error) = self.lease.delete(keys).await {
            tracing::warn!(%error, "the plan and checkpoint of a finished run could not be removed");
        }
    }
}
