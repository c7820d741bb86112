//! Trees that milvus-backup wrote: folders with its documents and nothing of ours.

use std::collections::BTreeMap;

use futures::{FutureExt, StreamExt, TryStreamExt, stream};

use crate::manifest::{BackupLayout, DocumentError, Tree, TreeDocument, TreeSource, read_tree};
use crate::model::{BackupName, KeyPrefix};
use crate::storage::{ObjectStore, ObjectStoreExt, StoreErrorKind, StoreResult};

use super::{CatalogError, CatalogResult, Cluster};

/// Folders looked into at once.
const LOOKS: usize = 16;

/// What every tree has one of.
const FOLDERS: [&str; 2] = ["binlogs", "meta"];

/// A tree that milvus-backup wrote; `None` where there is nothing of one.
pub async fn foreign_tree(cluster: &Cluster, name: &BackupName) -> CatalogResult<Option<Tree>> {
    let store = cluster.repository.store();
    let keys = cluster.layout.backup(name);
    let mut documents = BTreeMap::new();
    for document in [TreeDocument::Full, TreeDocument::Backup] {
        if let Some(bytes) = store.find_bytes(&keys.meta(document)).await? {
            documents.insert(document, bytes.to_vec());
        }
    }
    let place = cluster.repository.place(&keys.meta(TreeDocument::Full));
    let damaged = |source| CatalogError::Document { place: place.clone(), source };
    let Some(first) = documents.keys().next_back().copied() else {
        let unfinished =
            "neither full_meta.json nor backup_meta.json is there: its run did not end";
        let error = damaged(DocumentError::damaged("tree of milvus-backup", unfinished));
        return if is_begun(cluster, name).await? { Err(error) } else { Ok(None) };
    };
    if !documents.contains_key(&TreeDocument::Full) {
        for document in [TreeDocument::Collection, TreeDocument::Partition, TreeDocument::Segment] {
            if let Some(bytes) = store.find_bytes(&keys.meta(document)).await? {
                documents.insert(document, bytes.to_vec());
            }
        }
    }
    let modified = match store.head(&keys.meta(first)).await {
        Ok(found) => found.modified,
        // Somebody deletes it.
        Err(error) if error.kind() == StoreErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let source = TreeSource {
        cluster: cluster.name.clone(),
        name: name.clone(),
        binlogs: keys.binlogs(),
        documents,
        modified,
    };
    read_tree(&source).map(Some).map_err(damaged)
}

/// Whether a folder has milvus-backup's own, finished or not.
pub(super) async fn is_begun(cluster: &Cluster, name: &BackupName) -> StoreResult<bool> {
    let folder = cluster.layout.backup(name);
    let inside = cluster.repository.store().list_folders(folder.folder()).await?;
    Ok(inside.iter().any(|folder| FOLDERS.contains(&folder.as_str())))
}

/// Whether milvus-backup would list this folder as a backup, or this agent would.
pub(super) async fn is_tree(store: &dyn ObjectStore, keys: &BackupLayout) -> StoreResult<bool> {
    for document in [TreeDocument::Backup, TreeDocument::Full] {
        match store.head(&keys.meta(document)).await {
            Ok(_) => return Ok(true),
            Err(error) if error.kind() == StoreErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// Whether a folder is milvus-backup's root: it holds trees.
pub(super) async fn holds_trees(store: &dyn ObjectStore, folder: &KeyPrefix) -> StoreResult<bool> {
    let folders = store.list_folders(folder).await?;
    let names = folders.into_iter().filter_map(|folder| BackupName::new(folder).ok());
    let trees: Vec<BackupLayout> =
        names.map(|name| BackupLayout::in_folder(folder, &name)).collect();
    let looks = trees.iter().map(|keys| is_tree(store, keys).boxed());
    let mut found = stream::iter(looks).buffer_unordered(LOOKS).boxed();
    while let Some(tree) = found.try_next().await? {
        if tree {
            return Ok(true);
        }
    }
    Ok(false)
}
