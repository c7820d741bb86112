//! Collection schemas as bytes.
//!
//! A schema is kept and sent as Milvus encoded it: decoding it into our smaller messages and
//! encoding it again would lose what newer servers know. So changes are made to the wire
//! format, record by record, and only reading goes through the messages.

use std::collections::BTreeSet;

use prost::encoding::{DecodeContext, WireType, decode_key, encode_key, encode_varint, skip_field};
use prost::{DecodeError, Message};

use super::wire::common::KeyValuePair;
use super::wire::schema::{CollectionSchema, FieldSchema};

/// Milvus's hidden field of row ids.
const ROW_ID: i64 = 0;

/// Milvus's hidden field of timestamps.
const TIMESTAMP: i64 = 1;

/// Milvus numbers fields of users from here.
const FIRST_FIELD: i64 = 100;

/// Number of `name` in `CollectionSchema`.
pub(super) const NAME: u32 = 1;

/// Number of `fields` in `CollectionSchema`.
pub(super) const FIELDS: u32 = 4;

/// Bytes that are no `schema.CollectionSchema`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the collection schema cannot be read")]
pub struct SchemaError(#[from] DecodeError);

/// One field, as far as a plan needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are Milvus's own flags")]
pub struct FieldSummary {
    /// Its id: a folder name in the storage.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// The number of the enum `schema.DataType`.
    pub data_type: i32,
    /// Whether it is the primary key.
    pub primary_key: bool,
    /// Whether Milvus makes its values.
    pub auto_id: bool,
    /// Whether rows are spread over partitions by it.
    pub partition_key: bool,
    /// Whether it holds the dynamic fields (`$meta`).
    pub dynamic: bool,
    /// Whether rows may have no value of it, as all that were there before it was added.
    pub nullable: bool,
}

impl FieldSummary {
    /// Whether it holds vectors, without an index of which nothing can be loaded.
    pub fn is_vector(&self) -> bool {
        (100..=105).contains(&self.data_type)
    }
}

/// A schema, as far as a plan needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaSummary {
    /// The collection's name.
    pub name: String,
    /// The listed fields; Milvus's hidden ones are not among them.
    pub fields: Vec<FieldSummary>,
    /// The fields of its arrays of structs, each stored by itself.
    pub struct_fields: Vec<FieldSummary>,
    /// Ids of these arrays, which have no files.
    pub struct_arrays: Vec<i64>,
    /// Whether Milvus makes values of some fields out of others.
    pub has_functions: bool,
    /// Whether rows may have fields that are not in the schema.
    pub enable_dynamic_field: bool,
}

impl SchemaSummary {
    /// Reads the raw schema of a [`crate::model::CollectionDescription`].
    pub fn parse(raw: &[u8]) -> Result<Self, SchemaError> {
        let schema = CollectionSchema::decode(raw)?;
        Ok(Self {
            name: schema.name,
            fields: schema.fields.into_iter().map(summary).collect(),
            struct_arrays: schema.struct_array_fields.iter().map(|field| field.field_id).collect(),
            struct_fields: schema
                .struct_array_fields
                .into_iter()
                .flat_map(|field| field.fields)
                .map(summary)
                .collect(),
            has_functions: !schema.functions.is_empty(),
            enable_dynamic_field: schema.enable_dynamic_field,
        })
    }

    /// Ids of all fields that every segment has on disk, sorted: 0 (row id), 1 (timestamp),
    /// the listed ones, those of structs, and the dynamic one. A segment may lack those of
    /// [`Self::nullable_field_ids`].
    pub fn stored_field_ids(&self) -> Vec<i64> {
        let mut ids: Vec<i64> = self.stored().map(|field| field.id).collect();
        ids.extend(self.dynamic_field_id());
        ids.extend([ROW_ID, TIMESTAMP]);
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Ids of the fields that rows may have no value of.
    pub fn nullable_field_ids(&self) -> Vec<i64> {
        self.stored().filter(|field| field.nullable).map(|field| field.id).collect()
    }

    /// The id of the dynamic field, if there is one. Milvus does not list it. It comes after the
    /// fields that the collection was made with, so that fields which were added later leave a
    /// gap for it; without a gap it is the last.
    pub fn dynamic_field_id(&self) -> Option<i64> {
        if !self.enable_dynamic_field {
            return None;
        }
        if let Some(listed) = self.fields.iter().find(|field| field.dynamic) {
            return Some(listed.id);
        }
        let named = self.stored().map(|field| field.id).chain(self.struct_arrays.iter().copied());
        let ids: BTreeSet<i64> = named.filter(|id| *id >= FIRST_FIELD).collect();
        let after = ids.iter().map(|id| id + 1).find(|id| !ids.contains(id));
        Some(after.unwrap_or(FIRST_FIELD))
    }

    fn stored(&self) -> impl Iterator<Item = &FieldSummary> {
        self.fields.iter().chain(&self.struct_fields)
    }

    /// Whether Milvus spreads rows over partitions itself.
    pub fn has_partition_key(&self) -> bool {
        self.fields.iter().any(|field| field.partition_key)
    }
}

fn summary(field: FieldSchema) -> FieldSummary {
    FieldSummary {
        id: field.field_id,
        name: field.name,
        data_type: field.data_type,
        primary_key: field.is_primary_key,
        auto_id: field.auto_id,
        partition_key: field.is_partition_key,
        dynamic: field.is_dynamic,
        nullable: field.nullable,
    }
}

/// The schema of a collection that holds nothing but proves something: a key and a vector.
pub fn minimal_schema(name: &str) -> Vec<u8> {
    const INT64: i32 = 5;
    const FLOAT_VECTOR: i32 = 101;
    let key = FieldSchema {
        name: "id".to_owned(),
        data_type: INT64,
        is_primary_key: true,
        ..FieldSchema::default()
    };
    let vector = FieldSchema {
        name: "vector".to_owned(),
        data_type: FLOAT_VECTOR,
        type_params: vec![KeyValuePair { key: "dim".to_owned(), value: "2".to_owned() }],
        ..FieldSchema::default()
    };
    let (name, fields) = (name.to_owned(), vec![key, vector]);
    CollectionSchema { name, fields, ..CollectionSchema::default() }.encode_to_vec()
}

/// The same schema under another name and without `$meta`, which Milvus adds itself and
/// refuses to be told. Every other byte stays, unknown fields included.
pub fn rename_and_strip(raw: &[u8], new_name: &str) -> Result<Vec<u8>, SchemaError> {
    let mut changed = Vec::with_capacity(raw.len() + new_name.len() + 4);
    encode_key(NAME, WireType::LengthDelimited, &mut changed);
    encode_varint(new_name.len() as u64, &mut changed);
    changed.extend_from_slice(new_name.as_bytes());
    let mut rest = raw;
    while !rest.is_empty() {
        let record = rest;
        let (number, wire_type) = decode_key(&mut rest)?;
        skip_field(wire_type, number, &mut rest, DecodeContext::default())?;
        let record = &record[..record.len() - rest.len()];
        let keep = match number {
            NAME => false,
            FIELDS => !is_dynamic(record)?,
            _ => true,
        };
        if keep {
            changed.extend_from_slice(record);
        }
    }
    Ok(changed)
}

/// A lone `fields` record is a schema of one field.
fn is_dynamic(record: &[u8]) -> Result<bool, SchemaError> {
    Ok(CollectionSchema::decode(record)?.fields.iter().any(|field| field.is_dynamic))
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost::encoding::{encode_varint, string};

    use super::super::wire::schema::{CollectionSchema, FieldSchema};
    use super::{SchemaSummary, rename_and_strip};

    fn field(id: i64, name: &str) -> FieldSchema {
        FieldSchema { field_id: id, name: name.to_owned(), ..FieldSchema::default() }
    }

    /// A field that nobody knows yet, inside a field that everybody knows.
    fn field_of_tomorrow() -> Vec<u8> {
        let mut inner = field(102, "vec").encode_to_vec();
        string::encode(77, &"unknown inside".to_owned(), &mut inner);
        let mut record = vec![(4 << 3) | 2];
        encode_varint(inner.len() as u64, &mut record);
        record.extend_from_slice(&inner);
        record
    }

    #[test]
    fn a_renamed_schema_keeps_every_other_byte() {
        let known = CollectionSchema {
            name: "films".to_owned(),
            fields: vec![field(100, "id"), field(101, "year")],
            enable_dynamic_field: true,
            ..CollectionSchema::default()
        };
        let meta = CollectionSchema {
            fields: vec![FieldSchema { is_dynamic: true, ..field(103, "$meta") }],
            ..CollectionSchema::default()
        };
        let mut raw = known.encode_to_vec();
        raw.extend(field_of_tomorrow());
        let mut unknown = Vec::new();
        string::encode(99, &"unknown outside".to_owned(), &mut unknown);
        let mut expected =
            CollectionSchema { name: "films__restoring_1".to_owned(), ..known }.encode_to_vec();
        expected.extend(field_of_tomorrow());
        expected.extend(&unknown);
        raw.extend(meta.encode_to_vec());
        raw.extend(&unknown);

        let changed = rename_and_strip(&raw, "films__restoring_1").unwrap();

        assert_eq!(changed, expected);
        assert_eq!(SchemaSummary::parse(&changed).unwrap().fields.len(), 3);
    }

    #[test]
    fn a_schema_without_a_name_gets_one() {
        let changed = rename_and_strip(&[], "a").unwrap();
        assert_eq!(SchemaSummary::parse(&changed).unwrap().name, "a");
    }

    #[test]
    fn bytes_that_are_no_schema_are_an_error() {
        let cut = field_of_tomorrow();
        assert!(rename_and_strip(&cut[..cut.len() - 1], "a").is_err());
        assert!(SchemaSummary::parse(&[0xff]).is_err());
    }

    /// As the files of 2.3.5 lie on disk: the dynamic field is there and not in the schema.
    #[test]
    fn every_stored_field_is_known() {
        let schema = |enable_dynamic_field, last: FieldSchema| {
            let fields = vec![field(100, "id"), last];
            let empty = CollectionSchema::default();
            let schema = CollectionSchema { fields, enable_dynamic_field, ..empty };
            SchemaSummary::parse(&schema.encode_to_vec()).unwrap().stored_field_ids()
        };
        let dynamic = FieldSchema { is_dynamic: true, ..field(101, "$meta") };
        assert_eq!(schema(false, field(101, "vec")), [0, 1, 100, 101]);
        assert_eq!(schema(true, field(101, "vec")), [0, 1, 100, 101, 102]);
        assert_eq!(schema(true, dynamic), [0, 1, 100, 101]);
    }
}
