//! Whether a collection is again as the backup has it: all but its rows.

use std::collections::BTreeSet;

use crate::job::filling::{Filling, UNTRIED};
use crate::job::{JobError, JobResult};
use crate::manifest::CollectionContent;
use crate::milvus::{CollectionDescription, IndexDescription, KeyValue, Partition};
use crate::model::ErrorKind;
use crate::plan::CollectionRestore;
use crate::schema;

/// What differs, in words.
pub(super) async fn compare(
    filling: &Filling<'_>,
    collection: &CollectionRestore,
) -> JobResult<Vec<String>> {
    let (milvus, restored) = (&filling.context.milvus, &collection.restoring);
    let seen = Seen {
        description: milvus.describe(restored).await?,
        partitions: milvus.partitions(restored).await?,
        indexes: milvus.indexes(restored).await?,
    };
    differences(&collection.content, &seen).map_err(|error| {
        let message = format!("the schema of {} cannot be compared: {error}", collection.from);
        JobError::new(ErrorKind::Damaged, message)
    })
}

/// What Milvus says of a restored collection.
struct Seen {
    description: CollectionDescription,
    partitions: Vec<Partition>,
    indexes: Vec<IndexDescription>,
}

fn differences(was: &CollectionContent, is: &Seen) -> Result<Vec<String>, schema::SchemaError> {
    let mut found = schema::differences(&was.schema, &is.description.schema)?;
    let mut told = |what: &str, was: i64, is: i64| {
        if was != is {
            found.push(format!("{what} {is}, in the backup {was}"));
        }
    };
    told("the number of shards is", was.shards.into(), is.description.shards.into());
    let (level, is_level) = (was.consistency_level, is.description.consistency_level);
    told("the consistency level is", level.into(), is_level.into());
    found.extend(sets(
        "property",
        properties(&was.properties),
        properties(&is.description.properties),
    ));
    let names = |all: &[Partition]| all.iter().map(|one| one.name.clone()).collect();
    found.extend(sets("partition", names(&was.partitions), names(&is.partitions)));
    found.extend(sets("index", indexes(&was.indexes), indexes(&is.indexes)));
    Ok(found)
}

/// What is in one of two sets alone.
fn sets(what: &str, was: BTreeSet<String>, is: BTreeSet<String>) -> Vec<String> {
    let missing = was.difference(&is).map(|one| format!("{what} `{one}` is not there"));
    let new = is.difference(&was).map(|one| format!("{what} `{one}` is not in the backup"));
    missing.chain(new).collect()
}

/// A restore says of some collections that their functions are checked, which is the default.
fn properties(all: &[KeyValue]) -> BTreeSet<String> {
    let default = |one: &&KeyValue| one.key == UNTRIED && one.value == "false";
    pairs(all.iter().filter(|one| !default(one)))
}

fn pairs<'p>(all: impl Iterator<Item = &'p KeyValue>) -> BTreeSet<String> {
    all.map(|one| format!("{}={}", one.key, one.value)).collect()
}

/// Each index by its field and what it was made with, in whatever order.
fn indexes(all: &[IndexDescription]) -> BTreeSet<String> {
    let one = |index: &IndexDescription| {
        let params: Vec<String> = pairs(index.params.iter()).into_iter().collect();
        format!("{}: {}", index.field, params.join(", "))
    };
    all.iter().map(one).collect()
}
