//! The calls that a backup makes over gRPC.

use std::collections::BTreeMap;

use prost::Message;

use super::cluster::Collection;
use super::wire::{common, milvus, schema};
use super::world::{FLUSHED_AT, Fake, decode};

/// Milvus's code for a collection that is not there.
const NO_COLLECTION: i32 = 100;

/// Its code for a database that is not there.
const NO_DATABASE: i32 = 800;

pub(super) fn ok() -> common::Status {
    common::Status::default()
}

pub(super) fn refused(code: i32, reason: &str) -> common::Status {
    common::Status { error_code: 1, reason: reason.to_owned(), code }
}

pub(super) fn absent() -> common::Status {
    refused(NO_COLLECTION, "collection not found")
}

fn pairs(properties: &[(String, String)]) -> Vec<common::KeyValuePair> {
    let pair = |(key, value): &(String, String)| common::KeyValuePair {
        key: key.clone(),
        value: value.clone(),
    };
    properties.iter().map(pair).collect()
}

impl Fake {
    /// A call of the server as a whole, or any other.
    pub(super) fn look(&self, method: &str, database: &str, body: &[u8]) -> Option<Vec<u8>> {
        Some(match method {
            "Connect" => {
                self.record.add(" cluster", "grpc Connect");
                let info = common::ServerInfo { build_tags: self.version.tag.to_owned() };
                let status = Some(ok());
                milvus::ConnectResponse { status, server_info: Some(info) }.encode_to_vec()
            }
            "ListDatabases" => {
                self.record.add(" cluster", "grpc ListDatabases");
                let db_names = self.cluster().databases.keys().cloned().collect();
                milvus::ListDatabasesResponse { status: Some(ok()), db_names }.encode_to_vec()
            }
            "DescribeDatabase" => self.describe_database(database, &decode(body)),
            "ShowCollections" => {
                let subject = format!(" database {database}");
                self.record.add(&subject, format!("grpc ShowCollections dbname={database}"));
                let cluster = self.cluster();
                let names = cluster.collections.keys().filter(|(of, _)| of == database);
                let collection_names = names.map(|(_, name)| name.clone()).collect();
                milvus::ShowCollectionsResponse { status: Some(ok()), collection_names }
                    .encode_to_vec()
            }
            "FlushAll" => {
                self.record.add(" cluster", "grpc FlushAll");
                if !self.version.flushes_all {
                    return None;
                }
                let flush_all_msgs = self.messages();
                milvus::FlushAllResponse { status: Some(ok()), flush_all_msgs }.encode_to_vec()
            }
            "GetFlushAllState" => {
                let asked: milvus::GetFlushAllStateRequest = decode(body);
                let ticks: BTreeMap<_, _> = asked.flush_all_tss.into_iter().collect();
                self.record
                    .add(" cluster", format!("grpc GetFlushAllState flush_all_tss={ticks:?}"));
                let flushed = self.asked_before(" cluster");
                milvus::GetFlushAllStateResponse { status: Some(ok()), flushed }.encode_to_vec()
            }
            _ => return self.look_at(method, database, body),
        })
    }

    /// One that looks at a collection.
    fn look_at(&self, method: &str, database: &str, body: &[u8]) -> Option<Vec<u8>> {
        Some(match method {
            "DescribeCollection" => {
                let asked: milvus::DescribeCollectionRequest = decode(body);
                let name = asked.collection_name;
                self.called(method, database, &name, "");
                self.found(database, &name, described).unwrap_or_else(|| {
                    milvus::DescribeCollectionResponse {
                        status: Some(absent()),
                        ..Default::default()
                    }
                    .encode_to_vec()
                })
            }
            "ShowPartitions" => {
                let asked: milvus::ShowPartitionsRequest = decode(body);
                self.called(method, database, &asked.collection_name, "");
                self.found(database, &asked.collection_name, |_, collection| {
                    let (partition_i_ds, partition_names) =
                        collection.partitions.iter().cloned().unzip();
                    let status = Some(ok());
                    milvus::ShowPartitionsResponse { status, partition_names, partition_i_ds }
                        .encode_to_vec()
                })?
            }
            "DescribeIndex" => {
                let asked: milvus::DescribeIndexRequest = decode(body);
                self.called(method, database, &asked.collection_name, "");
                self.found(database, &asked.collection_name, indexes)?
            }
            "GetLoadState" => {
                let asked: milvus::GetLoadStateRequest = decode(body);
                let partitions = format!("partitions={:?}", asked.partition_names);
                self.called(method, database, &asked.collection_name, &partitions);
                self.found(database, &asked.collection_name, |_, collection| {
                    let state = if collection.loaded {
                        common::LoadState::Loaded
                    } else {
                        common::LoadState::NotLoad
                    };
                    milvus::GetLoadStateResponse { status: Some(ok()), state: state.into() }
                        .encode_to_vec()
                })?
            }
            "GetReplicas" => {
                let asked: milvus::GetReplicasRequest = decode(body);
                self.called(method, database, &asked.collection_name, "");
                let replicas = vec![milvus::ReplicaInfo { replica_id: 1 }];
                milvus::GetReplicasResponse { status: Some(ok()), replicas }.encode_to_vec()
            }
            _ => return self.seal(method, database, body),
        })
    }

    /// One that is about its segments.
    fn seal(&self, method: &str, database: &str, body: &[u8]) -> Option<Vec<u8>> {
        Some(match method {
            "Flush" => self.flush(database, &decode(body)),
            "GetFlushState" => {
                let asked: milvus::GetFlushStateRequest = decode(body);
                let segments =
                    format!("segmentIDs={:?} flush_ts={}", asked.segment_i_ds, asked.flush_ts);
                self.called(method, database, &asked.collection_name, &segments);
                let flushed = self.asked_before(&asked.collection_name);
                milvus::GetFlushStateResponse { status: Some(ok()), flushed }.encode_to_vec()
            }
            "GetPersistentSegmentInfo" => {
                let asked: milvus::GetPersistentSegmentInfoRequest = decode(body);
                self.called(method, database, &asked.collection_name, "");
                let flushed = self.cluster().flush_asked.contains_key(" cluster");
                if self.script.sorts_at_once && !flushed {
                    let none = milvus::GetPersistentSegmentInfoResponse::default();
                    return Some(none.encode_to_vec());
                }
                self.found(database, &asked.collection_name, persistent)?
            }
            _ => return self.change(method, database, body),
        })
    }

    /// Writes a call down that is about a collection.
    pub(super) fn called(&self, method: &str, database: &str, name: &str, more: &str) {
        let call = format!("grpc {method} dbname={database} collection_name={name} {more}");
        self.record.add(&format!("{database}.{name}"), call.trim_end());
    }

    pub(super) fn found<T>(
        &self,
        database: &str,
        name: &str,
        look: impl FnOnce(&str, &Collection) -> T,
    ) -> Option<T> {
        let cluster = self.cluster();
        let collection = cluster.collections.get(&(database.to_owned(), name.to_owned()))?;
        Some(look(name, collection))
    }

    fn asked_before(&self, subject: &str) -> bool {
        let mut cluster = self.cluster();
        let asked = cluster.flush_asked.entry(subject.to_owned()).or_default();
        *asked += 1;
        *asked > 1
    }

    fn describe_database(
        &self,
        database: &str,
        asked: &milvus::DescribeDatabaseRequest,
    ) -> Vec<u8> {
        let name = &asked.db_name;
        let subject = format!(" database {name}");
        self.record
            .add(&subject, format!("grpc DescribeDatabase dbname={database} db_name={name}"));
        let cluster = self.cluster();
        let Some(properties) = cluster.databases.get(name) else {
            let status = Some(refused(NO_DATABASE, "database not found"));
            return milvus::DescribeDatabaseResponse { status, ..Default::default() }
                .encode_to_vec();
        };
        milvus::DescribeDatabaseResponse {
            status: Some(ok()),
            db_name: name.clone(),
            db_id: 2,
            properties: pairs(properties),
        }
        .encode_to_vec()
    }

    fn flush(&self, database: &str, asked: &milvus::FlushRequest) -> Vec<u8> {
        let name = &asked.collection_names[0];
        self.called("Flush", database, name, "");
        let flushed = self.found(database, name, |name, collection| {
            let rows = collection.segments.iter().filter(|s| s.is_flushed() && !s.is_l0());
            let ids: Vec<i64> = rows.map(|segment| segment.id).collect();
            let (sealed, before) = ids.split_at(ids.len().min(1));
            let of =
                |ids: &[i64]| [(name.to_owned(), schema::LongArray { data: ids.to_vec() })].into();
            milvus::FlushResponse {
                status: Some(ok()),
                coll_seg_i_ds: of(sealed),
                flush_coll_seg_i_ds: of(before),
                coll_seal_times: [(name.to_owned(), 1_795_000_000)].into(),
                coll_flush_ts: [(name.to_owned(), own_flush(collection.id))].into(),
            }
        });
        flushed.unwrap_or_default().encode_to_vec()
    }

    /// What `FlushAll` tells of each channel.
    fn messages(&self) -> std::collections::HashMap<String, common::ImmutableMessage> {
        let message = |(n, channel): (u64, &str)| {
            let properties = [("_tt".to_owned(), base36(FLUSHED_AT + n))].into();
            (channel.to_owned(), common::ImmutableMessage { properties })
        };
        let channels = ["by-dev-rootcoord-dml_0", "by-dev-rootcoord-dml_1"];
        let told = if self.script.tells_no_ticks { 0 } else { channels.len() };
        (0..).zip(channels.into_iter().take(told)).map(message).collect()
    }
}

/// Each collection's own flush is at another second.
pub(super) fn own_flush(collection: i64) -> u64 {
    FLUSHED_AT + ((u64::try_from(collection).expect("an id") * 1000) << 18)
}

fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    while number > 0 {
        let digit = u32::try_from(number % 36).expect("below 36");
        digits.push(char::from_digit(digit, 36).expect("below 36"));
        number /= 36;
    }
    digits.iter().rev().collect()
}

fn described(name: &str, collection: &Collection) -> Vec<u8> {
    milvus::DescribeCollectionResponse {
        status: Some(ok()),
        schema: collection.schema.encode_to_vec(),
        collection_id: collection.id,
        virtual_channel_names: collection.channels(),
        physical_channel_names: collection.physical(),
        created_timestamp: 1_794_000_000_000 << 18,
        shards_num: collection.shards,
        consistency_level: 2,
        collection_name: name.to_owned(),
        properties: pairs(&collection.properties),
        num_partitions: i64::try_from(collection.partitions.len()).expect("few"),
        db_id: 2,
        ..Default::default()
    }
    .encode_to_vec()
}

fn indexes(_: &str, collection: &Collection) -> Vec<u8> {
    let index = |(field, name): &(String, String)| milvus::IndexDescription {
        index_name: name.clone(),
        index_id: 77,
        params: pairs(&[("index_type".to_owned(), "FLAT".to_owned())]),
        field_name: field.clone(),
    };
    let index_descriptions: Vec<_> = collection.indexes.iter().map(index).collect();
    // No index is "not found", and told so.
    let none = refused(700, "index not found");
    let status = Some(if index_descriptions.is_empty() { none } else { ok() });
    milvus::DescribeIndexResponse { status, index_descriptions }.encode_to_vec()
}

fn persistent(_: &str, collection: &Collection) -> Vec<u8> {
    let infos = collection.segments.iter().map(|segment| milvus::PersistentSegmentInfo {
        segment_id: segment.id,
        collection_id: collection.id,
        partition_id: segment.partition,
        num_rows: segment.rows,
        state: segment.state,
        level: segment.level,
        is_sorted: segment.sorted,
        storage_version: segment.storage_version,
    });
    let infos = infos.collect();
    milvus::GetPersistentSegmentInfoResponse { status: Some(ok()), infos }.encode_to_vec()
}
