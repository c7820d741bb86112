//! The content of the files, and where they lie.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::binlog::testing::{self, DeleteForm};
use crate::model::{KeyPrefix, ObjectKey, PrimaryKeys};
use crate::storage::{ObjectStore, ObjectStoreExt, StoreResult};

/// Milvus's hidden field of timestamps.
const TIMESTAMPS: i64 = 1;

/// A row, or the deletion of one: its key and when it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) key: String,
    pub(super) ts: u64,
}

/// The log of one field.
#[derive(Debug, Serialize, Deserialize)]
struct InsertLog {
    field: i64,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize, Deserialize)]
struct DeltaLog {
    deletes: Vec<Row>,
}

/// A file to write.
pub(super) type File = (ObjectKey, Bytes);

/// A segment's folders.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) collection: i64,
    pub(super) partition: i64,
    pub(super) segment: i64,
}

impl Place {
    pub(super) fn folder(self, kind: &str) -> KeyPrefix {
        let Self { collection, partition, segment } = self;
        KeyPrefix::root().join(kind).join(collection).join(partition).join(segment)
    }

    pub(super) fn insert_log(self, field: i64, log: i64, rows: &[Row], is_key: bool) -> File {
        let key = self.folder("insert_log").join(field).key(log);
        let note = note(&InsertLog { field, rows: rows.to_vec() });
        let values = match field {
            TIMESTAMPS => {
                Some(PrimaryKeys::Int64(rows.iter().map(|row| row.ts.cast_signed()).collect()))
            }
            _ => is_key.then(|| keys(rows)),
        };
        let Self { collection, partition, segment } = self;
        (key, testing::insert_log([collection, partition, segment, field], &note, values.as_ref()))
    }

    pub(super) fn delta_log(self, log: i64, deletes: &[Row]) -> File {
        let key = self.folder("delta_log").key(log);
        let note = note(&DeltaLog { deletes: deletes.to_vec() });
        let deletes: Vec<_> =
            keys(deletes).into_iter().zip(deletes.iter().map(|row| row.ts)).collect();
        let Self { collection, partition, segment } = self;
        let ids = [collection, partition, segment];
        (key, testing::delta_log(ids, &note, &deletes, DeleteForm::Json))
    }
}

/// Numbers if all are, else texts: tests call keys what they like.
fn keys(rows: &[Row]) -> PrimaryKeys {
    let number = |row: &Row| row.key.parse().ok().filter(|key: &i64| key.to_string() == row.key);
    match rows.iter().map(number).collect() {
        Some(numbers) => PrimaryKeys::Int64(numbers),
        None => PrimaryKeys::Text(rows.iter().map(|row| row.key.clone()).collect()),
    }
}

fn note(log: &impl Serialize) -> Value {
    serde_json::to_value(log).expect("keys and numbers are JSON")
}

/// What a log of the fake says of itself.
fn noted<T: DeserializeOwned>(log: &[u8]) -> Option<T> {
    serde_json::from_value(testing::note(log)?).ok()
}

/// What an import finds of one segment.
#[derive(Debug, Default)]
pub(super) struct Found {
    fields: BTreeMap<i64, Vec<InsertLog>>,
    pub(super) deletes: Vec<Row>,
}

impl Found {
    /// Its rows, if every field has them.
    pub(super) fn rows(&self, fields: &[i64]) -> Result<Vec<Row>, String> {
        let present: Vec<i64> = self.fields.keys().copied().collect();
        if present != fields {
            return Err(format!("fields {present:?} where the schema has {fields:?}"));
        }
        let mut columns = self.fields.iter().map(|(field, logs)| {
            if let Some(log) = logs.iter().find(|log| log.field != *field) {
                return Err(format!("field {field} has a log of field {}", log.field));
            }
            Ok(logs.iter().map(|log| log.rows.clone()).collect::<Vec<_>>())
        });
        let first = columns.next().transpose()?.unwrap_or_default();
        for column in columns {
            if column? != first {
                return Err("fields have different rows".to_owned());
            }
        }
        Ok(first.concat())
    }
}

/// Reads folders as Milvus's importer does: segment and field are the end of the path.
pub(super) async fn read(
    insert: (&dyn ObjectStore, KeyPrefix),
    delta: Option<(&dyn ObjectStore, KeyPrefix)>,
) -> StoreResult<Result<BTreeMap<i64, Found>, String>> {
    let mut segments: BTreeMap<i64, Found> = BTreeMap::new();
    for (key, body) in files(insert).await? {
        let (Some(segment), Some(field), Some(log)) =
            (number(&key, 3), number(&key, 2), noted(&body))
        else {
            return Ok(Err(format!("{key} is no insert log")));
        };
        let found: &mut Found = segments.entry(segment).or_default();
        found.fields.entry(field).or_default().push(log);
    }
    let deltas = match delta {
        Some(folder) => files(folder).await?,
        None => Vec::new(),
    };
    for (key, body) in deltas {
        let (Some(segment), Some(log)) = (number(&key, 2), noted::<DeltaLog>(&body)) else {
            return Ok(Err(format!("{key} is no delta log")));
        };
        if let Some(found) = segments.get_mut(&segment) {
            found.deletes.extend(log.deletes);
        }
    }
    Ok(Ok(segments))
}

async fn files((store, folder): (&dyn ObjectStore, KeyPrefix)) -> StoreResult<Vec<File>> {
    let mut files = Vec::new();
    for meta in store.list_all(&folder).await? {
        let body = store.get_bytes(&meta.key).await?;
        files.push((meta.key, body));
    }
    Ok(files)
}

/// The `nth` segment of a key from its end, the log being the first.
fn number(key: &ObjectKey, nth: usize) -> Option<i64> {
    key.as_str().rsplit('/').nth(nth - 1)?.parse().ok()
}
