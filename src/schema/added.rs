//! Fields that were added to a collection after it was made.

use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use super::summary::FIELDS;
use super::wire::schema::FieldSchema;
use super::{SchemaError, SchemaSummary};

/// A schema without the fields behind the dynamic one, and these fields, each a
/// `schema.FieldSchema`, in the order of their ids.
///
/// Milvus numbers the fields of a new collection as they come and the dynamic one last. Where
/// fields were added later it lies in the midst, and only a collection that gets them the same
/// way has the ids that its files have.
pub fn split_added(raw: &[u8]) -> Result<(Vec<u8>, Vec<Vec<u8>>), SchemaError> {
    let Some(dynamic) = SchemaSummary::parse(raw)?.dynamic_field_id() else {
        return Ok((raw.to_vec(), Vec::new()));
    };
    let (mut kept, mut added) = (Vec::with_capacity(raw.len()), Vec::new());
    let mut rest = raw;
    while !rest.is_empty() {
        let record = rest;
        let (number, wire_type) = decode_key(&mut rest)?;
        let mut value = rest;
        skip_field(wire_type, number, &mut rest, DecodeContext::default())?;
        let record = &record[..record.len() - rest.len()];
        if number == FIELDS && wire_type == WireType::LengthDelimited {
            decode_varint(&mut value)?;
            let value = &value[..value.len() - rest.len()];
            let id = FieldSchema::decode(value)?.field_id;
            if id > dynamic {
                added.push((id, value.to_vec()));
                continue;
            }
        }
        kept.extend_from_slice(record);
    }
    added.sort();
    Ok((kept, added.into_iter().map(|(_, field)| field).collect()))
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::split_added;
    use crate::schema::SchemaSummary;
    use crate::schema::wire::schema::{CollectionSchema, FieldSchema, StructArrayFieldSchema};

    fn field(id: i64) -> FieldSchema {
        FieldSchema { field_id: id, name: format!("f{id}"), ..FieldSchema::default() }
    }

    fn schema(ids: &[i64], dynamic: bool) -> CollectionSchema {
        CollectionSchema {
            fields: ids.iter().copied().map(field).collect(),
            enable_dynamic_field: dynamic,
            ..CollectionSchema::default()
        }
    }

    #[test]
    fn fields_behind_the_dynamic_one_are_added_in_order() {
        let raw = schema(&[100, 101, 104, 103], true);
        let (kept, added) = split_added(&raw.encode_to_vec()).unwrap();
        assert_eq!(kept, schema(&[100, 101], true).encode_to_vec());
        assert_eq!(added, [field(103).encode_to_vec(), field(104).encode_to_vec()]);
    }

    #[test]
    fn nothing_is_added_where_the_ids_have_no_gap() {
        for raw in [schema(&[100, 101], true), schema(&[100, 102], false)] {
            let raw = raw.encode_to_vec();
            assert_eq!(split_added(&raw).unwrap(), (raw, Vec::new()));
        }
    }

    /// A struct and its fields have ids of their own, behind the dynamic field's.
    #[test]
    fn structs_leave_no_gap() {
        let nested = StructArrayFieldSchema {
            field_id: 103,
            fields: vec![field(104), field(105)],
            ..StructArrayFieldSchema::default()
        };
        let mut raw = schema(&[100, 101, 106], true);
        raw.struct_array_fields.push(nested);
        let summary = SchemaSummary::parse(&raw.encode_to_vec()).unwrap();
        assert_eq!(summary.dynamic_field_id(), Some(102));
        assert_eq!(summary.stored_field_ids(), [0, 1, 100, 101, 102, 104, 105, 106]);
        let (kept, added) = split_added(&raw.encode_to_vec()).unwrap();
        assert_eq!(added, [field(106).encode_to_vec()]);
        raw.fields.pop();
        assert_eq!(kept, raw.encode_to_vec());
    }
}
