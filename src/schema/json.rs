//! A collection schema as milvus-backup's trees have it: the same words, as JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use serde::{Deserialize, Serialize};

use super::SchemaError;
use super::wire::common::KeyValuePair;
use super::wire::schema::{CollectionSchema, FieldSchema, FunctionSchema};

/// Whether a value is the one that Go's `omitempty` leaves out.
pub(crate) fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// `KeyValuePair`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct JsonPair {
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) key: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) value: String,
}

/// `CollectionSchema`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct JsonSchema {
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) name: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) description: String,
    #[serde(rename = "autoID", skip_serializing_if = "is_zero")]
    pub(crate) auto_id: bool,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) fields: Vec<JsonField>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) enable_dynamic_field: bool,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) properties: Vec<JsonPair>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) functions: Vec<JsonFunction>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) struct_array_fields: Vec<JsonStruct>,
}

/// `FieldSchema`. Its `default_value` is a oneof, which that JSON cannot hold: it is ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "they are Milvus's own flags")]
pub(crate) struct JsonField {
    #[serde(rename = "fieldID", skip_serializing_if = "is_zero")]
    pub(crate) field_id: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) name: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) is_primary_key: bool,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) description: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) data_type: i32,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) type_params: Vec<JsonPair>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) index_params: Vec<JsonPair>,
    #[serde(rename = "autoID", skip_serializing_if = "is_zero")]
    pub(crate) auto_id: bool,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) state: i32,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) element_type: i32,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) is_dynamic: bool,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) is_partition_key: bool,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) nullable: bool,
    /// The bytes of a `ValueField` as text, by old versions: bytes that are no text were lost.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) default_value_proto: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) is_function_output: bool,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) default_value_base64: String,
}

/// `FunctionSchema`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct JsonFunction {
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) name: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) id: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) description: String,
    #[serde(rename = "type", skip_serializing_if = "is_zero")]
    pub(crate) kind: i32,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) input_field_names: Vec<String>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) input_field_ids: Vec<i64>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) output_field_names: Vec<String>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) output_field_ids: Vec<i64>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) params: Vec<JsonPair>,
}

/// `StructArrayFieldSchema`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct JsonStruct {
    #[serde(rename = "fieldID", skip_serializing_if = "is_zero")]
    pub(crate) field_id: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) name: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) description: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) fields: Vec<JsonField>,
}

impl JsonSchema {
    /// A schema as Milvus encoded it, as far as milvus-backup tells it.
    pub(crate) fn of(raw: &[u8]) -> Result<Self, SchemaError> {
        let schema = CollectionSchema::decode(raw)?;
        Ok(Self {
            name: schema.name,
            description: schema.description,
            auto_id: schema.auto_id,
            fields: schema.fields.into_iter().map(JsonField::of).collect(),
            enable_dynamic_field: schema.enable_dynamic_field,
            properties: pairs(schema.properties),
            functions: schema.functions.into_iter().map(JsonFunction::of).collect(),
            struct_array_fields: schema
                .struct_array_fields
                .into_iter()
                .map(|field| JsonStruct {
                    field_id: field.field_id,
                    name: field.name,
                    description: field.description,
                    fields: field.fields.into_iter().map(JsonField::of).collect(),
                })
                .collect(),
        })
    }
}

impl JsonField {
    fn of(field: FieldSchema) -> Self {
        Self {
            field_id: field.field_id,
            name: field.name,
            is_primary_key: field.is_primary_key,
            description: field.description,
            data_type: field.data_type,
            type_params: pairs(field.type_params),
            index_params: pairs(field.index_params),
            auto_id: field.auto_id,
            state: field.state,
            element_type: field.element_type,
            is_dynamic: field.is_dynamic,
            is_partition_key: field.is_partition_key,
            nullable: field.nullable,
            default_value_proto: String::new(),
            is_function_output: field.is_function_output,
            default_value_base64: STANDARD.encode(field.default_value),
        }
    }
}

impl JsonFunction {
    fn of(function: FunctionSchema) -> Self {
        Self {
            name: function.name,
            id: function.id,
            description: function.description,
            kind: function.r#type,
            input_field_names: function.input_field_names,
            input_field_ids: function.input_field_ids,
            output_field_names: function.output_field_names,
            output_field_ids: function.output_field_ids,
            params: pairs(function.params),
        }
    }
}

fn pairs(pairs: Vec<KeyValuePair>) -> Vec<JsonPair> {
    pairs.into_iter().map(|pair| JsonPair { key: pair.key, value: pair.value }).collect()
}
