//! The repository and the clusters in it.

use std::sync::Arc;

use futures::FutureExt;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::manifest::{self, ClusterLayout, REPOSITORY_MARK, RepositoryMark};
use crate::model::{Clock, ClusterName, KeyPrefix, ObjectKey};
use crate::storage::{ObjectStore, ObjectStoreExt, PutMode, StoreErrorKind};

use super::{CatalogError, CatalogResult, holds_trees};

/// What this program calls itself in what it writes.
pub(super) const AGENT: &str = concat!("milvus-backup-agent ", env!("CARGO_PKG_VERSION"));

/// An opened repository.
#[derive(Debug, Clone)]
pub struct Repository {
    store: Arc<dyn ObjectStore>,
}

impl Repository {
    /// Opens what is there, for reading. Where milvus-backup alone has written, there is no mark.
    pub async fn open(store: Arc<dyn ObjectStore>) -> CatalogResult<Self> {
        let repository = Self { store };
        if repository.is_marked().await? {
            return Ok(repository);
        }
        let place = repository.store.to_string();
        let clusters = repository.looked_at().boxed().await?;
        if !clusters.is_empty() && clusters.iter().all(|(_, is)| *is == ClusterKind::Foreign) {
            return Ok(repository);
        }
        if holds_trees(&*repository.store, &KeyPrefix::root()).boxed().await? {
            return Err(CatalogError::TreesAtRoot { place });
        }
        Err(CatalogError::NoRepository { place })
    }

    async fn is_marked(&self) -> CatalogResult<bool> {
        let mark = self.read::<RepositoryMark>("repository mark", &mark_key()).await?;
        Ok(mark.is_some())
    }

    /// A repository that may not exist yet, for looking only.
    pub fn unopened(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
    }

    /// Opens what is there, or makes it.
    pub async fn open_or_create(
        store: Arc<dyn ObjectStore>,
        clock: &dyn Clock,
    ) -> CatalogResult<Self> {
        let repository = Self { store };
        if repository.is_marked().await? {
            return Ok(repository);
        }
        let store = repository.store;
        let mark = RepositoryMark { version: 1, created_at: clock.now(), agent: AGENT.to_owned() };
        let body = manifest::encode(&mark).into();
        match store.put(&mark_key(), body, PutMode::IfAbsent).await {
            Ok(_) => {}
            Err(error) if error.kind() == StoreErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
        }
        Self::open(store).await
    }

    /// The store below.
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// One cluster, whether it has anything or not.
    pub fn cluster(&self, name: &ClusterName) -> Cluster {
        Cluster { repository: self.clone(), name: name.clone(), layout: ClusterLayout::new(name) }
    }

    /// All clusters that ever wrote here, and the folders in which milvus-backup did, sorted by
    /// name.
    pub async fn clusters(&self) -> CatalogResult<Vec<Cluster>> {
        let clusters = self.looked_at().boxed().await?;
        Ok(clusters.into_iter().map(|(cluster, _)| cluster).collect())
    }

    async fn looked_at(&self) -> CatalogResult<Vec<(Cluster, ClusterKind)>> {
        let folders = self.store.list_folders(&KeyPrefix::root()).await?;
        let mut clusters = Vec::new();
        for name in folders.into_iter().filter_map(|folder| ClusterName::new(folder).ok()) {
            let cluster = self.cluster(&name);
            if self.store.find_bytes(&cluster.layout.mark()).await?.is_some() {
                clusters.push((cluster, ClusterKind::Marked));
            } else if holds_trees(&*self.store, cluster.layout.root()).await? {
                clusters.push((cluster, ClusterKind::Foreign));
            }
        }
        Ok(clusters)
    }

    /// Reads a document, `None` if it is absent.
    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        what: &'static str,
        key: &ObjectKey,
    ) -> CatalogResult<Option<T>> {
        let Some(bytes) = self.store.find_bytes(key).await? else { return Ok(None) };
        let document = manifest::decode(what, &bytes)
            .map_err(|source| CatalogError::Document { place: self.place(key), source })?;
        Ok(Some(document))
    }

    /// Writes a document.
    pub(super) async fn write<T: Serialize + Sync>(
        &self,
        key: &ObjectKey,
        document: &T,
        mode: PutMode,
    ) -> Result<(), crate::storage::StoreError> {
        self.store.put(key, manifest::encode(document).into(), mode).await.map(drop)
    }

    /// The full path of a key, for people.
    pub fn place(&self, key: &ObjectKey) -> String {
        format!("{}/{key}", self.store)
    }
}

/// Who wrote into a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClusterKind {
    /// This agent.
    Marked,
    /// Only milvus-backup.
    Foreign,
}

/// One cluster of a repository.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// The repository that it is in.
    pub repository: Repository,
    /// Its name.
    pub name: ClusterName,
    /// Its keys.
    pub layout: ClusterLayout,
}

fn mark_key() -> ObjectKey {
    KeyPrefix::root().key(REPOSITORY_MARK)
}
