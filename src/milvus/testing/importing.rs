//! What an import reads.

use crate::milvus::{ImportRequest, MilvusResult};

use super::cluster::Outcome;
use super::collection::Content;
use super::fake::{FakeMilvus, storage};
use super::logs::{self, Row};

impl FakeMilvus {
    pub(super) async fn read(&self, request: &ImportRequest) -> MilvusResult<Outcome> {
        let fields = self.with(&request.namespace, |collection| collection.fields())?;
        let Some(insert) = self.mounted(&request.insert_folder) else {
            return Ok(unseen(request));
        };
        let delta = request.delta_folder.as_deref().and_then(|path| self.mounted(path));
        let segments = match logs::read(insert, delta).await.map_err(|error| storage(&error))? {
            Ok(segments) => segments,
            Err(reason) => return Ok(Outcome::Fail(reason)),
        };
        // 2.3 composes a hybrid time from what it takes for milliseconds.
        let end = request.end_ts.map_or(u64::MAX, |end_ts| end_ts.wrapping_shl(18));
        let mut contents = Vec::new();
        for (id, found) in segments {
            let mut content = match found.rows(&fields) {
                Ok(rows) => Content { rows, deletes: found.deletes },
                Err(reason) => return Ok(Outcome::Fail(format!("segment {id}: {reason}"))),
            };
            content.rows.retain(|row| row.ts <= end);
            content.deletes.retain(|delete| delete.ts <= end);
            if self.version.imports_lose_reinserts() {
                let deleted = |row: &Row| content.deletes.iter().any(|gone| gone.key == row.key);
                content.rows.retain(|row| !deleted(row));
            }
            contents.push(content);
        }
        let (namespace, partition) = (request.namespace.clone(), request.partition.clone());
        Ok(Outcome::Add { namespace, partition, contents })
    }
}

/// A folder that Milvus cannot see is an empty one.
pub(super) fn unseen(request: &ImportRequest) -> Outcome {
    let (namespace, partition) = (request.namespace.clone(), request.partition.clone());
    Outcome::Add { namespace, partition, contents: Vec::new() }
}
