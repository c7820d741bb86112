//! Schemas for tests.

use prost::Message;

use crate::schema::wire::schema::{CollectionSchema, FieldSchema};

/// Numbers of `schema.DataType`.
const INT64: i32 = 5;
const VARCHAR: i32 = 21;
const FLOAT_VECTOR: i32 = 101;

/// A schema with the fields `id` (100) and `vec` (101), and what is added.
#[derive(Debug, Clone)]
pub struct SchemaDraft(CollectionSchema);

impl SchemaDraft {
    /// `id` and `vec`.
    pub fn new(name: &str) -> Self {
        let id = FieldSchema { is_primary_key: true, ..field(100, "id", INT64) };
        Self(CollectionSchema {
            name: name.to_owned(),
            fields: vec![id, field(101, "vec", FLOAT_VECTOR)],
            ..CollectionSchema::default()
        })
    }

    /// One more field.
    #[must_use]
    pub fn text(mut self, name: &str) -> Self {
        let id = self.next_id();
        self.0.fields.push(field(id, name, VARCHAR));
        self
    }

    /// One more field, by which rows are spread over partitions.
    #[must_use]
    pub fn partition_key(mut self, name: &str) -> Self {
        let id = self.next_id();
        let key = FieldSchema { is_partition_key: true, ..field(id, name, VARCHAR) };
        self.0.fields.push(key);
        self
    }

    /// Dynamic fields, not listed, as 2.3.5 has them.
    #[must_use]
    pub fn dynamic(mut self) -> Self {
        self.0.enable_dynamic_field = true;
        self
    }

    /// As Milvus would send it.
    pub fn encode(&self) -> Vec<u8> {
        self.0.encode_to_vec()
    }

    fn next_id(&self) -> i64 {
        self.0.fields.last().map_or(100, |field| field.field_id + 1)
    }
}

fn field(id: i64, name: &str, data_type: i32) -> FieldSchema {
    FieldSchema { field_id: id, name: name.to_owned(), data_type, ..FieldSchema::default() }
}
