//! A backup that can be read: its manifest, its lists, and where its files lie.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::manifest::{FileId, FileList, Manifest, Placement, Tree, TreeDocument, decode_rbac};
use crate::model::{Layout, ObjectKey, Rbac};
use crate::plan::Damage;
use crate::storage::ObjectStoreExt;

use super::{
    CatalogError, CatalogResult, Cluster, foreign_tree, has_manifest, has_tombstone, is_tree,
    load_list,
};

/// A backup and where everything of it is.
#[derive(Debug, Clone)]
pub struct Readable {
    /// The cluster that it is of.
    pub cluster: Cluster,
    /// What it holds.
    pub manifest: Manifest,
    /// Where its files lie.
    pub placement: Placement,
    /// The lists of a tree that milvus-backup wrote; ours are read one by one.
    lists: Option<Arc<BTreeMap<String, FileList>>>,
    /// Its users and roles; ours are in a document of their own.
    rbac: Option<Arc<Rbac>>,
}

impl Readable {
    /// A backup of this agent.
    pub fn new(cluster: Cluster, manifest: Manifest) -> Self {
        let placement = cluster.layout.placement(&manifest.name, manifest.layout);
        Self { cluster, manifest, placement, lists: None, rbac: None }
    }

    /// A tree of milvus-backup.
    pub fn foreign(cluster: Cluster, tree: Tree) -> Self {
        let Tree { manifest, lists, placement, rbac } = tree;
        let (lists, rbac) = (Some(Arc::new(lists)), rbac.map(Arc::new));
        Self { cluster, manifest, placement, lists, rbac }
    }

    /// Whether milvus-backup wrote it.
    pub fn is_foreign(&self) -> bool {
        self.lists.is_some()
    }

    /// Whether it is there and not hidden.
    pub async fn is_still_there(&self) -> CatalogResult<bool> {
        let (cluster, name) = (&self.cluster, &self.manifest.name);
        let there = match self.lists {
            None => has_manifest(cluster, name).await?,
            Some(_) => is_tree(&**cluster.repository.store(), &cluster.layout.backup(name)).await?,
        };
        Ok(there && !has_tombstone(cluster, name).await?)
    }

    /// One of its lists, by its digest.
    pub async fn list(&self, digest: &str) -> CatalogResult<FileList> {
        match self.lists.as_ref().and_then(|lists| lists.get(digest)) {
            Some(list) => Ok(list.clone()),
            None => load_list(&self.cluster, digest).await,
        }
    }

    /// Its users, roles and grants, if it has them.
    pub async fn rbac(&self) -> CatalogResult<Option<Rbac>> {
        if let Some(rbac) = &self.rbac {
            return Ok(Some(Rbac::clone(rbac)));
        }
        let Some(record) = &self.manifest.rbac else { return Ok(None) };
        let repository = &self.cluster.repository;
        let key = self.cluster.layout.backup(&self.manifest.name).rbac();
        let bytes = repository.store().get_bytes(&key).await?;
        let rbac = decode_rbac(&bytes, record)
            .map_err(|source| CatalogError::Document { place: repository.place(&key), source })?;
        Ok(Some(rbac))
    }

    /// What is wrong with milvus-backup's documents in a standalone backup of ours.
    pub async fn tree_damage(&self) -> CatalogResult<Vec<String>> {
        if self.lists.is_some() || self.manifest.layout != Layout::Standalone {
            return Ok(Vec::new());
        }
        let (store, name) = (self.cluster.repository.store(), &self.manifest.name);
        let keys = self.cluster.layout.backup(name);
        let mut damage = Vec::new();
        for document in TreeDocument::ALL {
            let key = keys.meta(*document);
            if store.find_bytes(&key).await?.is_none() {
                damage.push(format!("{key} is missing: milvus-backup cannot use this backup"));
            }
        }
        match foreign_tree(&self.cluster, name).await {
            Err(CatalogError::Document { place, source }) if damage.is_empty() => {
                damage.push(format!("{place}: {source}"));
            }
            Ok(_) | Err(CatalogError::Document { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(damage)
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
