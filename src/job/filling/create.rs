//! The empty collection, with its partitions and the very field ids that the files have; and its
//! database.

use std::collections::BTreeSet;

use crate::milvus::{CollectionSpec, MilvusErrorKind};
use crate::model::{ErrorKind, KeyValue};
use crate::plan::{CollectionRestore, RestorePlan, database_properties};
use crate::schema::{SchemaError, SchemaSummary, rename_and_strip, split_added};

use super::state::Filling;
use crate::job::{JobError, JobResult};

/// The property that keeps Milvus from trying functions, which may need a model that is not
/// reachable now.
pub(in crate::job) const UNTRIED: &str = "disable_func_runtime_check";

impl Filling<'_> {
    /// Makes a database as it was. Whether it was made now, and not there already.
    pub(in crate::job) async fn make_database(
        &self,
        plan: &RestorePlan,
        database: &str,
    ) -> JobResult<bool> {
        let properties = if self.version.dialect().database_properties {
            database_properties(&self.backup.manifest, plan, database)
        } else {
            Vec::new()
        };
        match self.context.milvus.create_database(database, &properties).await {
            Err(error) if error.kind() == MilvusErrorKind::AlreadyExists => Ok(false),
            made => Ok(made.map(|()| true)?),
        }
    }
}

/// Makes the empty collection with its partitions.
pub(super) async fn create(filling: &Filling<'_>, collection: &CollectionRestore) -> JobResult<()> {
    let milvus = &filling.context.milvus;
    let content = &collection.content;
    let dialect = filling.version.dialect();
    let unreadable = |error: SchemaError| {
        let message = format!("the schema of {} in the backup: {error}", collection.from);
        JobError::new(ErrorKind::Damaged, message)
    };
    let summary = SchemaSummary::parse(&content.schema).map_err(unreadable)?;
    let (schema, added) = if dialect.added_fields {
        split_added(&content.schema).map_err(unreadable)?
    } else {
        (content.schema.clone(), Vec::new())
    };
    let schema = rename_and_strip(&schema, &collection.restoring.collection).map_err(unreadable)?;
    let partition_key = summary.has_partition_key();
    let untried = summary.has_functions && dialect.function_check;
    milvus
        .create_collection(&CollectionSpec {
            namespace: collection.restoring.clone(),
            schema,
            shards: content.shards,
            consistency_level: content.consistency_level,
            num_partitions: partition_key.then_some(content.num_partitions),
            properties: if untried {
                with_untried(&content.properties)
            } else {
                content.properties.clone()
            },
        })
        .await?;
    for field in &added {
        milvus.add_field(&collection.restoring, field).await?;
    }
    if untried {
        let properties = [as_it_was(&content.properties)];
        milvus.alter_properties(&collection.restoring, &properties).await?;
    }
    let present: BTreeSet<String> = milvus
        .partitions(&collection.restoring)
        .await?
        .into_iter()
        .map(|partition| partition.name)
        .collect();
    for partition in content.partitions.iter().filter(|p| !present.contains(&p.name)) {
        if partition_key {
            let message = format!(
                "{} has a partition key, and Milvus made no partition {}",
                collection.restoring, partition.name
            );
            return Err(JobError::new(ErrorKind::Failed, message));
        }
        milvus.create_partition(&collection.restoring, &partition.name).await?;
    }
    Ok(())
}

fn with_untried(properties: &[KeyValue]) -> Vec<KeyValue> {
    let others = properties.iter().filter(|property| property.key != UNTRIED).cloned();
    others.chain([untried("true")]).collect()
}

fn as_it_was(properties: &[KeyValue]) -> KeyValue {
    let recorded = properties.iter().find(|property| property.key == UNTRIED);
    recorded.cloned().unwrap_or_else(|| untried("false"))
}

fn untried(value: &str) -> KeyValue {
    KeyValue { key: UNTRIED.to_owned(), value: value.to_owned() }
}
