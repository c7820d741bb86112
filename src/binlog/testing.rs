//! Writes logs, for the fake Milvus and for tests.

use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{ConvertedType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;
use serde_json::{Value, json};

use crate::model::{PrimaryKey, PrimaryKeys};

use super::event::{
    DELETE_TYPE, DESCRIPTOR, DESCRIPTOR_TYPE, FIXED, HEADER, INSERT_TYPE, MAGIC, POST_HEADERS,
};

const IN_MEMORY: &str = "writing to memory cannot fail";

/// How the deletes of a log are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteForm {
    /// A JSON object each.
    Json,
    /// `key,timestamp`, for keys that are numbers.
    Pairs,
    /// A column of keys and one of timestamps.
    Columns,
}

/// The log of a field. Its descriptor has the `note` in it; without values it has no event.
pub fn insert_log(ids: [i64; 4], note: &Value, values: Option<&PrimaryKeys>) -> Bytes {
    let extras = json!({ "original_size": "0", "note": note });
    let Some(values) = values else { return log(ids, 5, &extras, None) };
    let data_type = match values {
        PrimaryKeys::Int64(_) => 5,
        PrimaryKeys::Text(_) => 21,
    };
    log(ids, data_type, &extras, Some((INSERT_TYPE, payload(&[("val", values)]))))
}

/// A log of deletes.
pub fn delta_log(
    [collection, partition, segment]: [i64; 3],
    note: &Value,
    deletes: &[(PrimaryKey, u64)],
    form: DeleteForm,
) -> Bytes {
    let ids = [collection, partition, segment, -1];
    let line = |(key, ts): &(PrimaryKey, u64)| match (key, form) {
        (PrimaryKey::Int64(key), DeleteForm::Pairs) => format!("{key},{ts}"),
        (PrimaryKey::Int64(key), _) => json!({ "pk": key, "ts": ts, "pkType": 5 }).to_string(),
        (PrimaryKey::Text(key), _) => json!({ "pk": key, "ts": ts, "pkType": 21 }).to_string(),
    };
    let mut extras = json!({ "original_size": "0", "note": note });
    let payload = if form == DeleteForm::Columns {
        extras["version"] = "MULTI_FIELD".into();
        let timestamps = deletes.iter().map(|(_, ts)| ts.cast_signed()).collect();
        let keys = keys(deletes.iter().map(|(key, _)| key));
        payload(&[("pk", &keys), ("ts", &PrimaryKeys::Int64(timestamps))])
    } else {
        payload(&[("val", &PrimaryKeys::Text(deletes.iter().map(line).collect()))])
    };
    log(ids, 20, &extras, Some((DELETE_TYPE, payload)))
}

/// The note in a log that was written here, if all of the log is there.
pub fn note(log: &[u8]) -> Option<Value> {
    let length = |at: usize| {
        let bytes = log.get(at..at.checked_add(4)?)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    let mut end = 4;
    while end < log.len() {
        end += length(end + 9)?.max(1);
    }
    let at = 4 + HEADER + DESCRIPTOR + POST_HEADERS.len();
    let extras = log.get(at + 4..(at + 4).checked_add(length(at)?)?)?;
    let extras: Value = serde_json::from_slice(extras).ok()?;
    extras.get("note").filter(|_| end == log.len()).cloned()
}

/// Numbers if all are, else texts.
fn keys<'k>(keys: impl Iterator<Item = &'k PrimaryKey>) -> PrimaryKeys {
    let all: Vec<&PrimaryKey> = keys.collect();
    let number = |key: &&PrimaryKey| match key {
        PrimaryKey::Int64(key) => Some(*key),
        PrimaryKey::Text(_) => None,
    };
    let text = |key: &&PrimaryKey| match key {
        PrimaryKey::Int64(key) => key.to_string(),
        PrimaryKey::Text(key) => key.clone(),
    };
    match all.iter().map(number).collect() {
        Some(numbers) => PrimaryKeys::Int64(numbers),
        None => PrimaryKeys::Text(all.iter().map(text).collect()),
    }
}

fn log(ids: [i64; 4], data_type: i32, extras: &Value, event: Option<(u8, Vec<u8>)>) -> Bytes {
    let extras = extras.to_string().into_bytes();
    let mut bytes = MAGIC.to_le_bytes().to_vec();
    let length = HEADER + DESCRIPTOR + POST_HEADERS.len() + 4 + extras.len();
    header(&mut bytes, DESCRIPTOR_TYPE, length);
    for id in ids {
        bytes.extend(id.to_le_bytes());
    }
    bytes.extend([0; 16]);
    bytes.extend(data_type.to_le_bytes());
    bytes.extend(POST_HEADERS);
    bytes.extend(u32_of(extras.len()));
    bytes.extend(extras);
    if let Some((kind, payload)) = event {
        header(&mut bytes, kind, HEADER + FIXED + payload.len());
        bytes.extend([0; FIXED]);
        bytes.extend(payload);
    }
    bytes.into()
}

fn header(bytes: &mut Vec<u8>, kind: u8, length: usize) {
    let next = bytes.len() + length;
    bytes.extend([0; 8]);
    bytes.push(kind);
    bytes.extend(u32_of(length));
    bytes.extend(u32_of(next));
}

fn u32_of(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("tests write small logs").to_le_bytes()
}

fn payload(columns: &[(&str, &PrimaryKeys)]) -> Vec<u8> {
    let field = |(name, keys): &(&str, &PrimaryKeys)| {
        let field = match keys {
            PrimaryKeys::Int64(_) => Type::primitive_type_builder(name, Physical::INT64),
            PrimaryKeys::Text(_) => Type::primitive_type_builder(name, Physical::BYTE_ARRAY)
                .with_converted_type(ConvertedType::UTF8),
        };
        Arc::new(field.with_repetition(Repetition::REQUIRED).build().expect("a plain column"))
    };
    let schema = Type::group_type_builder("schema");
    let schema = schema.with_fields(columns.iter().map(field).collect()).build();
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .build();
    let schema = Arc::new(schema.expect("plain columns"));
    let mut bytes = Vec::new();
    let mut file =
        SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties)).expect(IN_MEMORY);
    let mut rows = file.next_row_group().expect(IN_MEMORY);
    for (_, values) in columns {
        let column = rows.next_column().expect(IN_MEMORY);
        write(column.expect("there are as many as in the schema"), values);
    }
    rows.close().expect(IN_MEMORY);
    file.close().expect(IN_MEMORY);
    bytes
}

fn write(mut column: SerializedColumnWriter<'_>, values: &PrimaryKeys) {
    match values {
        PrimaryKeys::Int64(values) => {
            column.typed::<Int64Type>().write_batch(values, None, None).expect(IN_MEMORY);
        }
        PrimaryKeys::Text(values) => {
            let values: Vec<ByteArray> = values.iter().map(|value| value.as_str().into()).collect();
            column.typed::<ByteArrayType>().write_batch(&values, None, None).expect(IN_MEMORY);
        }
    }
    column.close().expect(IN_MEMORY);
}
