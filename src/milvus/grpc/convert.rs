//! Generated messages to our types and back.
//!
//! Milvus answers lists in the order of a hash map, another one each time: all are sorted here.

use std::collections::BTreeMap;

use prost::Message;

use crate::milvus::ImportState;
use crate::model::{
    ClusterFlush, CollectionDescription, CollectionOrigin, DatabaseDescription, FlushAnswer,
    IndexDescription, KeyValue, Partition, SegmentInfo, SegmentTraits,
};

use super::proto::common::{self, SegmentState};
use super::proto::{milvus, schema};

/// The property of a message that holds its time tick.
const TIME_TICK: &str = "_tt";

/// How Milvus writes it.
const TIME_TICK_BASE: u32 = 36;

pub(super) fn pairs(pairs: &[KeyValue]) -> Vec<common::KeyValuePair> {
    pairs.iter().map(|pair| pair_of(&pair.key, &pair.value)).collect()
}

pub(super) fn pair_of(key: &str, value: &impl ToString) -> common::KeyValuePair {
    common::KeyValuePair { key: key.to_owned(), value: value.to_string() }
}

fn key_values(pairs: Vec<common::KeyValuePair>) -> Vec<KeyValue> {
    pairs.into_iter().map(|pair| KeyValue { key: pair.key, value: pair.value }).collect()
}

/// The name is taken from the schema: `collection_name` repeats what was asked for.
pub(super) fn description(answer: milvus::DescribeCollectionResponse) -> CollectionDescription {
    let name = schema::CollectionSchema::decode(answer.schema.as_slice())
        .map(|schema| schema.name)
        .ok()
        .filter(|name| !name.is_empty());
    CollectionDescription {
        id: answer.collection_id,
        name: name.unwrap_or(answer.collection_name),
        schema: answer.schema,
        shards: answer.shards_num,
        consistency_level: answer.consistency_level,
        num_partitions: answer.num_partitions,
        properties: key_values(answer.properties),
        aliases: names(answer.aliases),
        origin: CollectionOrigin {
            database_id: answer.db_id,
            created_timestamp: answer.created_timestamp,
            virtual_channels: answer.virtual_channel_names,
            physical_channels: answer.physical_channel_names,
        },
    }
}

pub(super) fn partitions(answer: milvus::ShowPartitionsResponse) -> Vec<Partition> {
    let named = answer.partition_i_ds.into_iter().zip(answer.partition_names);
    let mut partitions: Vec<Partition> = named.map(|(id, name)| Partition { id, name }).collect();
    partitions.sort_unstable_by_key(|partition| partition.id);
    partitions
}

/// `DescribeIndex` answers the parameters in the very form that `CreateIndex` takes
/// (`index_type`, `metric_type` and `params` as one JSON text): nothing to turn around.
pub(super) fn indexes(answer: milvus::DescribeIndexResponse) -> Vec<IndexDescription> {
    let index = |index: milvus::IndexDescription| IndexDescription {
        field: index.field_name,
        name: index.index_name,
        params: key_values(index.params),
        id: index.index_id,
    };
    let mut indexes: Vec<IndexDescription> =
        answer.index_descriptions.into_iter().map(index).collect();
    indexes.sort_unstable_by(|a, b| (&a.field, &a.name).cmp(&(&b.field, &b.name)));
    indexes
}

/// `None` when Milvus answered about another collection only.
pub(super) fn flush(mut answer: milvus::FlushResponse, collection: &str) -> Option<FlushAnswer> {
    Some(FlushAnswer {
        flush_ts: answer.coll_flush_ts.remove(collection).filter(|ts| *ts != 0),
        seal_time: answer.coll_seal_times.remove(collection)?,
        sealed: ids(answer.coll_seg_i_ds.remove(collection).unwrap_or_default()),
        flushed: ids(answer.flush_coll_seg_i_ds.remove(collection).unwrap_or_default()),
    })
}

fn ids(ids: schema::LongArray) -> Vec<i64> {
    let mut ids = ids.data;
    ids.sort_unstable();
    ids
}

pub(super) fn database(answer: milvus::DescribeDatabaseResponse) -> DatabaseDescription {
    DatabaseDescription {
        name: answer.db_name,
        id: answer.db_id,
        properties: key_values(answer.properties),
    }
}

/// Only flushed segments are in the storage as a whole.
pub(super) fn segments(answer: milvus::GetPersistentSegmentInfoResponse) -> Vec<SegmentInfo> {
    let flushed = answer.infos.into_iter().filter(|info| info.state() == SegmentState::Flushed);
    let mut segments: Vec<SegmentInfo> = flushed
        .map(|info| SegmentInfo {
            id: info.segment_id,
            collection: info.collection_id,
            partition: info.partition_id,
            rows: if is_l0(&info) { 0 } else { info.num_rows },
            sorted: info.is_sorted,
            traits: SegmentTraits {
                l0: is_l0(&info),
                storage_version: info.storage_version,
                channel: String::new(),
            },
        })
        .collect();
    segments.sort_unstable_by_key(|segment| segment.id);
    segments
}

fn is_l0(info: &milvus::PersistentSegmentInfo) -> bool {
    info.level() == common::SegmentLevel::L0
}

/// `None` where a message lacks its time tick, or there are none at all: then nobody knows
/// what the flush has sealed.
pub(super) fn cluster_flush(answer: &milvus::FlushAllResponse) -> Option<ClusterFlush> {
    let tick = |message: &common::ImmutableMessage| {
        let text = message.properties.get(TIME_TICK)?;
        u64::from_str_radix(text, TIME_TICK_BASE).ok()
    };
    let ticks: Option<BTreeMap<String, u64>> = answer
        .flush_all_msgs
        .iter()
        .map(|(channel, message)| Some((channel.clone(), tick(message)?)))
        .collect();
    ticks.filter(|ticks| !ticks.is_empty()).map(|ticks| ClusterFlush { ticks })
}

pub(super) fn names(mut names: Vec<String>) -> Vec<String> {
    names.sort_unstable();
    names
}

pub(super) fn import_state(answer: &milvus::GetImportStateResponse) -> ImportState {
    let info = |key: &str| answer.infos.iter().find(|pair| pair.key == key).map(|pair| &pair.value);
    let reason = info("failed_reason").filter(|reason| !reason.is_empty()).cloned();
    match (answer.state(), reason) {
        (common::ImportState::ImportCompleted, None) => {
            ImportState::Completed { rows: answer.row_count }
        }
        // An import that has timed out was seen to be `completed` a moment later (2.3.5,
        // `rootCoord.importTaskExpiration: 1`): what it left is not to be trusted.
        (common::ImportState::ImportCompleted, Some(reason)) => ImportState::Failed { reason },
        (common::ImportState::ImportFailed | common::ImportState::ImportFailedAndCleaned, why) => {
            let reason = why.unwrap_or_else(|| "Milvus gave no reason".to_owned());
            ImportState::Failed { reason }
        }
        (
            common::ImportState::ImportPending
            | common::ImportState::ImportStarted
            | common::ImportState::ImportPersisted
            | common::ImportState::ImportFlushed,
            _,
        ) => ImportState::Running {
            percent: info("progress_percent").and_then(|text| text.parse().ok()).unwrap_or(0),
        },
    }
}

#[cfg(test)]
mod tests {
    use crate::milvus::ImportState;

    use super::super::proto::milvus::GetImportStateResponse;
    use super::{import_state, pair_of};

    #[test]
    fn both_failed_states_of_an_import_are_final() {
        for (state, expected) in [
            (0, ImportState::Running { percent: 45 }),
            (1, ImportState::Failed { reason: "no".to_owned() }),
            (2, ImportState::Running { percent: 45 }),
            (5, ImportState::Running { percent: 45 }),
            (6, ImportState::Failed { reason: "no".to_owned() }),
            (7, ImportState::Failed { reason: "no".to_owned() }),
            (8, ImportState::Running { percent: 45 }),
        ] {
            let infos = vec![pair_of("failed_reason", &"no"), pair_of("progress_percent", &45)];
            let answer = GetImportStateResponse { status: None, state, row_count: 7, infos };
            assert_eq!(import_state(&answer), expected, "{state}");
        }
        let infos = vec![pair_of("failed_reason", &"")];
        let answer = GetImportStateResponse { status: None, state: 6, row_count: 7, infos };
        assert_eq!(import_state(&answer), ImportState::Completed { rows: 7 });
    }
}
