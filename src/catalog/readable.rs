//! A backup that can be read: its manifest, its lists, and where its files lie.

use crate::manifest::{FileId, FileList, Manifest, Placement, decode_rbac};
use crate::model::{ObjectKey, Rbac};
use crate::plan::Damage;
use crate::storage::ObjectStoreExt;

use super::{CatalogError, CatalogResult, Cluster};

/// A backup and where everything of it is.
#[derive(Debug, Clone)]
pub struct Readable {
    /// The cluster that it is of.
    pub cluster: Cluster,
    /// What it holds.
    pub manifest: Manifest,
    /// Where its files lie.
    pub placement: Placement,
}

impl Readable {
    /// A backup of this agent.
    pub fn new(cluster: Cluster, manifest: Manifest) -> Self {
        let placement = cluster.layout.placement(&manifest.name, manifest.layout);
        Self { cluster, manifest, placement }
    }

    /// One of its lists, by its digest.
    pub async fn list(&self, digest: &str) -> CatalogResult<FileList> {
        super::load_list(&self.cluster, digest).await
    }

    /// Its users, roles and grants, if it has them.
    pub async fn rbac(&self) -> CatalogResult<Option<Rbac>> {
        let Some(record) = &self.manifest.rbac else { return Ok(None) };
        let repository = &self.cluster.repository;
        let key = self.cluster.layout.backup(&self.manifest.name).rbac();
        let bytes = repository.store().get_bytes(&key).await?;
        let rbac = decode_rbac(&bytes, record)
            .map_err(|source| CatalogError::Document { place: repository.place(&key), source })?;
        Ok(Some(rbac))
    }

    /// Where one of its files lies.
    pub fn key(&self, file: &FileId) -> ObjectKey {
        self.placement.key(file)
    }

    /// The same, for people.
    pub fn place(&self, file: &FileId) -> String {
        self.cluster.repository.place(&self.key(file))
    }

    /// What is missing or changed of a list, told by a listing of its collection's folders.
    pub async fn compare(&self, collection: i64, list: &FileList) -> CatalogResult<Vec<Damage>> {
        super::compare(&self.cluster, &self.placement, collection, list).await
    }
}
