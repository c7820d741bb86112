//! A collection schema out of milvus-backup's JSON, as Milvus takes it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message;

use super::json::{JsonField, JsonFunction, JsonPair, JsonSchema, JsonStruct};
use super::wire::common::KeyValuePair;
use super::wire::schema::{
    CollectionSchema, FieldSchema, FunctionSchema, StructArrayFieldSchema, ValueField,
};

/// A default value that is not in the tree as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the default value of field `{field}` {why}")]
pub(crate) struct DefaultValueError {
    field: String,
    why: String,
}

impl JsonSchema {
    /// The fields whose default value was lost when the tree was written.
    pub(crate) fn lost_defaults(&self) -> Vec<String> {
        let inner = self.struct_array_fields.iter().flat_map(|outer| &outer.fields);
        let lost = self.fields.iter().chain(inner).filter(|field| field.has_lost_default());
        lost.map(|field| field.name.clone()).collect()
    }

    /// The same as Milvus encodes it, without the default values that are lost.
    pub(crate) fn raw(self) -> Result<Vec<u8>, DefaultValueError> {
        let structs = self.struct_array_fields.into_iter().map(JsonStruct::message);
        let schema = CollectionSchema {
            name: self.name,
            description: self.description,
            auto_id: self.auto_id,
            fields: fields(self.fields)?,
            enable_dynamic_field: self.enable_dynamic_field,
            properties: messages(self.properties),
            functions: self.functions.into_iter().map(JsonFunction::message).collect(),
            struct_array_fields: structs.collect::<Result<_, _>>()?,
        };
        Ok(schema.encode_to_vec())
    }
}

impl JsonStruct {
    fn message(self) -> Result<StructArrayFieldSchema, DefaultValueError> {
        let Self { field_id, name, description, fields: inner } = self;
        Ok(StructArrayFieldSchema { field_id, name, description, fields: fields(inner)? })
    }
}

impl JsonField {
    fn message(self) -> Result<FieldSchema, DefaultValueError> {
        Ok(FieldSchema {
            default_value: self.default_value()?,
            field_id: self.field_id,
            name: self.name,
            is_primary_key: self.is_primary_key,
            description: self.description,
            data_type: self.data_type,
            type_params: messages(self.type_params),
            index_params: messages(self.index_params),
            auto_id: self.auto_id,
            state: self.state,
            element_type: self.element_type,
            is_dynamic: self.is_dynamic,
            is_partition_key: self.is_partition_key,
            nullable: self.nullable,
            is_function_output: self.is_function_output,
        })
    }

    /// Whether the only text of it stands for bytes that are no text.
    fn has_lost_default(&self) -> bool {
        self.default_value_base64.is_empty()
            && self.default_value_proto.contains(char::REPLACEMENT_CHARACTER)
    }

    /// The bytes of a `ValueField`; empty for none, or for one that is lost.
    fn default_value(&self) -> Result<Vec<u8>, DefaultValueError> {
        let fault = |why: String| DefaultValueError { field: self.name.clone(), why };
        let value = if !self.default_value_base64.is_empty() {
            let decoded = STANDARD.decode(&self.default_value_base64);
            decoded.map_err(|error| fault(format!("is no base64: {error}")))?
        } else if self.has_lost_default() {
            Vec::new()
        } else {
            self.default_value_proto.clone().into_bytes()
        };
        let read = ValueField::decode(value.as_slice());
        read.map_err(|error| fault(format!("cannot be read: {error}")))?;
        Ok(value)
    }
}

impl JsonFunction {
    fn message(self) -> FunctionSchema {
        FunctionSchema {
            name: self.name,
            id: self.id,
            description: self.description,
            r#type: self.kind,
            input_field_names: self.input_field_names,
            input_field_ids: self.input_field_ids,
            output_field_names: self.output_field_names,
            output_field_ids: self.output_field_ids,
            params: messages(self.params),
        }
    }
}

fn fields(fields: Vec<JsonField>) -> Result<Vec<FieldSchema>, DefaultValueError> {
    fields.into_iter().map(JsonField::message).collect()
}

fn messages(pairs: Vec<JsonPair>) -> Vec<KeyValuePair> {
    pairs.into_iter().map(|pair| KeyValuePair { key: pair.key, value: pair.value }).collect()
}
