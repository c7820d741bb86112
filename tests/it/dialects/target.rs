//! The calls that a restore makes over gRPC.

#![expect(clippy::unwrap_used, reason = "in a test's helper, too, a panic is the report")]

use prost::Message;

use super::cluster::Collection;
use super::grpc::{absent, ok};
use super::wire::schema::{CollectionSchema, FieldSchema};
use super::wire::{common, milvus};
use super::world::{Fake, decode};

/// Where Milvus's numbers of fields begin.
const FIRST_FIELD: i64 = 100;

fn text(pairs: &[common::KeyValuePair]) -> String {
    let pairs: Vec<String> =
        pairs.iter().map(|pair| format!("{}={}", pair.key, pair.value)).collect();
    format!("properties=[{}]", pairs.join(" "))
}

fn plain(pairs: Vec<common::KeyValuePair>) -> Vec<(String, String)> {
    pairs.into_iter().map(|pair| (pair.key, pair.value)).collect()
}

impl Fake {
    /// A call that makes, changes or drops a database or a collection.
    pub(super) fn change(&self, method: &str, database: &str, body: &[u8]) -> Option<Vec<u8>> {
        let status = match method {
            "CreateDatabase" => {
                let asked: milvus::CreateDatabaseRequest = decode(body);
                let name = asked.db_name;
                let properties = text(&asked.properties);
                self.record
                    .add(" cluster", format!("grpc CreateDatabase db_name={name} {properties}"));
                self.cluster().databases.insert(name, plain(asked.properties));
                ok()
            }
            "DropDatabase" => {
                let asked: milvus::DropDatabaseRequest = decode(body);
                let name = asked.db_name;
                let mut cluster = self.cluster();
                assert!(!cluster.collections.keys().any(|(of, _)| *of == name), "{name} is used");
                cluster.databases.remove(&name);
                ok()
            }
            "CreateCollection" => self.create(database, decode(body)),
            "AddCollectionField" => self.add_field(database, &decode(body)),
            "AlterCollection" => {
                let asked: milvus::AlterCollectionRequest = decode(body);
                self.called(method, database, &asked.collection_name, &text(&asked.properties));
                self.altered(database, &asked.collection_name, |collection| {
                    for (key, value) in plain(asked.properties) {
                        collection.properties.retain(|(old, _)| *old != key);
                        collection.properties.push((key, value));
                    }
                })
            }
            "RenameCollection" => {
                let asked: milvus::RenameCollectionRequest = decode(body);
                let more = format!("newName={}", asked.new_name);
                self.called(method, database, &asked.old_name, &more);
                self.rename(database, &asked.old_name, asked.new_name)
            }
            "DropCollection" => {
                let asked: milvus::DropCollectionRequest = decode(body);
                let name = asked.collection_name;
                self.called(method, database, &name, "");
                self.cluster().collections.remove(&(database.to_owned(), name));
                ok()
            }
            _ => return self.furnish(method, database, body),
        };
        Some(status.encode_to_vec())
    }

    /// One that makes something in a collection, or loads it.
    fn furnish(&self, method: &str, database: &str, body: &[u8]) -> Option<Vec<u8>> {
        let status = match method {
            "CreatePartition" => {
                let asked: milvus::CreatePartitionRequest = decode(body);
                let name = asked.partition_name;
                let more = format!("partition_name={name}");
                self.called(method, database, &asked.collection_name, &more);
                let id = self.cluster().next_id();
                self.altered(database, &asked.collection_name, |collection| {
                    collection.partitions.push((id, name));
                })
            }
            "CreateIndex" => {
                let asked: milvus::CreateIndexRequest = decode(body);
                let more =
                    format!("field_name={} index_name={}", asked.field_name, asked.index_name);
                self.called(method, database, &asked.collection_name, &more);
                self.altered(database, &asked.collection_name, |collection| {
                    collection.indexes.push((asked.field_name, asked.index_name));
                })
            }
            "LoadCollection" => {
                let asked: milvus::LoadCollectionRequest = decode(body);
                let more = format!("replica_number={}", asked.replica_number);
                self.called(method, database, &asked.collection_name, &more);
                self.altered(database, &asked.collection_name, |found| found.loaded = true)
            }
            "GetLoadingProgress" => {
                let asked: milvus::GetLoadingProgressRequest = decode(body);
                self.called(method, database, &asked.collection_name, "");
                let status = Some(ok());
                return Some(
                    milvus::GetLoadingProgressResponse { status, progress: 100 }.encode_to_vec(),
                );
            }
            "BackupRBAC" => return self.tell_rbac(),
            "RestoreRBAC" => return self.take_rbac(body),
            _ => {
                self.record.add(" cluster", format!("grpc {method} is not there"));
                return None;
            }
        };
        Some(status.encode_to_vec())
    }

    /// Numbers the fields as Milvus does: as they come, then the dynamic one, then structs.
    fn create(&self, database: &str, asked: milvus::CreateCollectionRequest) -> common::Status {
        let name = asked.collection_name;
        let mut schema = CollectionSchema::decode(asked.schema.as_slice()).unwrap();
        let fields: Vec<&str> = schema.fields.iter().map(|field| field.name.as_str()).collect();
        let functions: Vec<&str> = schema.functions.iter().map(|f| f.name.as_str()).collect();
        let structs: Vec<&str> =
            schema.struct_array_fields.iter().map(|field| field.name.as_str()).collect();
        let more = format!(
            "shards_num={} num_partitions={} {}\n    schema name={} fields={fields:?} functions={functions:?} struct_array_fields={structs:?} enable_dynamic_field={}",
            asked.shards_num,
            asked.num_partitions,
            text(&asked.properties),
            schema.name,
            schema.enable_dynamic_field,
        );
        self.called("CreateCollection", database, &name, &more);
        if schema.enable_dynamic_field {
            let dynamic = FieldSchema { is_dynamic: true, ..named("$meta") };
            schema.fields.push(dynamic);
        }
        let mut ids = FIRST_FIELD..;
        let mut next = || ids.next().unwrap();
        schema.fields.iter_mut().for_each(|field| field.field_id = next());
        for array in &mut schema.struct_array_fields {
            array.field_id = next();
            array.fields.iter_mut().for_each(|field| field.field_id = next());
        }
        let mut cluster = self.cluster();
        let made = Collection {
            id: cluster.next_id(),
            partitions: vec![(cluster.next_id(), "_default".to_owned())],
            shards: asked.shards_num,
            properties: plain(asked.properties),
            schema,
            ..Collection::default()
        };
        cluster.collections.insert((database.to_owned(), name), made);
        ok()
    }

    fn add_field(
        &self,
        database: &str,
        asked: &milvus::AddCollectionFieldRequest,
    ) -> common::Status {
        let mut field = FieldSchema::decode(asked.schema.as_slice()).unwrap();
        let more = format!("field={} nullable={}", field.name, field.nullable);
        self.called("AddCollectionField", database, &asked.collection_name, &more);
        self.altered(database, &asked.collection_name, |collection| {
            let arrays = &collection.schema.struct_array_fields;
            let nested = arrays.iter().flat_map(|array| &array.fields);
            let ids = collection.schema.fields.iter().chain(nested).map(|field| field.field_id);
            field.field_id = ids.max().unwrap() + 1;
            collection.schema.fields.push(field);
        })
    }

    fn rename(&self, database: &str, from: &str, to: String) -> common::Status {
        let mut cluster = self.cluster();
        let Some(mut found) = cluster.collections.remove(&(database.to_owned(), from.to_owned()))
        else {
            return absent();
        };
        found.schema.name.clone_from(&to);
        cluster.collections.insert((database.to_owned(), to), found);
        ok()
    }

    fn altered(
        &self,
        database: &str,
        name: &str,
        change: impl FnOnce(&mut Collection),
    ) -> common::Status {
        let mut cluster = self.cluster();
        match cluster.collections.get_mut(&(database.to_owned(), name.to_owned())) {
            Some(collection) => {
                change(collection);
                ok()
            }
            None => absent(),
        }
    }
}

fn named(name: &str) -> FieldSchema {
    FieldSchema { name: name.to_owned(), ..FieldSchema::default() }
}
