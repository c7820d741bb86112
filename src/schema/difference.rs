//! What two schemas do not have in common, record by record: what newer servers know counts, too.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use super::SchemaError;
use super::summary::{FIELDS, NAME};
use super::wire::schema::{CollectionSchema, FieldSchema, FunctionSchema, StructArrayFieldSchema};

/// Numbers in `CollectionSchema`.
const FUNCTIONS: u32 = 7;
const STRUCTS: u32 = 9;

/// Records of a message by number, each with its key.
type Records<'r> = BTreeMap<u32, BTreeSet<&'r [u8]>>;

/// What a restored schema has otherwise than the one in the backup, in words. Its name may be
/// another, `$meta` may be listed or not, and what is listed may be in any order.
pub fn differences(backup: &[u8], restored: &[u8]) -> Result<Vec<String>, SchemaError> {
    let (was, is) = (records(backup)?, records(restored)?);
    let mut found = Vec::new();
    for (number, what, name) in [
        (FIELDS, "field", field_name as fn(&[u8]) -> Result<Option<String>, SchemaError>),
        (FUNCTIONS, "function", function_name),
        (STRUCTS, "array of structs", struct_name),
    ] {
        let (was, is) = (named(&was, number, name)?, named(&is, number, name)?);
        for (name, was) in &was {
            match is.get(name) {
                None => found.push(format!("{what} `{name}` is not there")),
                Some(is) => found.extend(differing(was, is)?.into_iter().map(|number| {
                    let part = if what == "field" { of_field(number) } else { None };
                    let part = part.map_or_else(|| format!("part {number}"), str::to_owned);
                    format!("{what} `{name}` has another {part}")
                })),
            }
        }
        let new = is.keys().filter(|name| !was.contains_key(*name));
        found.extend(new.map(|name| format!("{what} `{name}` is not in the backup")));
    }
    let listed = [NAME, FIELDS, FUNCTIONS, STRUCTS];
    let numbers: BTreeSet<u32> = was.keys().chain(is.keys()).copied().collect();
    for number in numbers.into_iter().filter(|number| !listed.contains(number)) {
        if was.get(&number) != is.get(&number) {
            let part = of_schema(number);
            let part = part.map_or_else(|| format!("part {number}"), str::to_owned);
            found.push(format!("the schema has another {part}"));
        }
    }
    Ok(found)
}

fn of_schema(number: u32) -> Option<&'static str> {
    Some(match number {
        2 => "description",
        3 => "auto id",
        5 => "answer to whether there are dynamic fields",
        6 => "set of properties",
        _ => return None,
    })
}

fn of_field(number: u32) -> Option<&'static str> {
    Some(match number {
        1 => "id",
        3 => "answer to whether it is the primary key",
        4 => "description",
        5 => "data type",
        6 => "set of type parameters",
        7 => "set of index parameters",
        8 => "auto id",
        10 => "element type",
        11 => "default value",
        13 => "answer to whether it is the partition key",
        15 => "answer to whether it may be null",
        _ => return None,
    })
}

/// Numbers of the parts that two messages do not have in common.
fn differing(was: &[u8], is: &[u8]) -> Result<Vec<u32>, SchemaError> {
    let (was, is) = (records(was)?, records(is)?);
    let numbers: BTreeSet<u32> = was.keys().chain(is.keys()).copied().collect();
    Ok(numbers.into_iter().filter(|number| was.get(number) != is.get(number)).collect())
}

fn records(raw: &[u8]) -> Result<Records<'_>, SchemaError> {
    let (mut records, mut rest) = (Records::new(), raw);
    while !rest.is_empty() {
        let record = rest;
        let (number, wire_type) = decode_key(&mut rest)?;
        skip_field(wire_type, number, &mut rest, DecodeContext::default())?;
        records.entry(number).or_default().insert(&record[..record.len() - rest.len()]);
    }
    Ok(records)
}

/// The messages of one number by their names; those without one are passed over.
fn named<'r>(
    records: &Records<'r>,
    number: u32,
    name: impl Fn(&[u8]) -> Result<Option<String>, SchemaError>,
) -> Result<BTreeMap<String, &'r [u8]>, SchemaError> {
    let mut named = BTreeMap::new();
    for record in records.get(&number).into_iter().flatten() {
        let message = content(record)?;
        named.extend(name(message)?.map(|name| (name, message)));
    }
    Ok(named)
}

/// A record without its key and length.
fn content(record: &[u8]) -> Result<&[u8], SchemaError> {
    let mut rest = record;
    let (_, wire_type) = decode_key(&mut rest)?;
    if wire_type != WireType::LengthDelimited {
        // A lone record of this kind is no schema either.
        CollectionSchema::decode(record)?;
        return Ok(rest);
    }
    decode_varint(&mut rest)?;
    Ok(rest)
}

fn field_name(message: &[u8]) -> Result<Option<String>, SchemaError> {
    let field = FieldSchema::decode(message)?;
    Ok((!field.is_dynamic).then_some(field.name))
}

fn function_name(message: &[u8]) -> Result<Option<String>, SchemaError> {
    Ok(Some(FunctionSchema::decode(message)?.name))
}

fn struct_name(message: &[u8]) -> Result<Option<String>, SchemaError> {
    Ok(Some(StructArrayFieldSchema::decode(message)?.name))
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost::encoding::string;

    use super::super::wire::common::KeyValuePair;
    use super::super::wire::schema::{CollectionSchema, FieldSchema};
    use super::differences;

    fn pair(key: &str, value: &str) -> KeyValuePair {
        KeyValuePair { key: key.to_owned(), value: value.to_owned() }
    }

    fn schema() -> CollectionSchema {
        let field = |id, name: &str| FieldSchema {
            field_id: id,
            name: name.to_owned(),
            type_params: vec![pair("dim", "2"), pair("mmap.enabled", "true")],
            ..FieldSchema::default()
        };
        CollectionSchema {
            name: "films".to_owned(),
            fields: vec![field(100, "id"), field(101, "vec")],
            enable_dynamic_field: true,
            ..CollectionSchema::default()
        }
    }

    #[test]
    fn name_order_and_the_dynamic_field_make_no_difference() {
        let mut restored = CollectionSchema { name: "other".to_owned(), ..schema() };
        restored.fields.reverse();
        restored.fields[0].type_params.reverse();
        let meta =
            FieldSchema { name: "$meta".to_owned(), is_dynamic: true, ..FieldSchema::default() };
        restored.fields.push(meta);
        let found = differences(&schema().encode_to_vec(), &restored.encode_to_vec()).unwrap();
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn every_other_difference_is_told() {
        type Change = fn(&mut CollectionSchema);
        let cases: [(Change, &str); 8] = [
            (|it| drop(it.fields.pop()), "field `vec` is not there"),
            (|it| it.fields[0].name = "key".to_owned(), "field `key` is not in the backup"),
            (|it| it.fields[1].field_id = 102, "field `vec` has another id"),
            (|it| it.fields[1].data_type = 5, "field `vec` has another data type"),
            (
                |it| it.fields[0].nullable = true,
                "field `id` has another answer to whether it may be null",
            ),
            (
                |it| drop(it.fields[1].type_params.pop()),
                "field `vec` has another set of type parameters",
            ),
            (|it| it.description = "x".to_owned(), "the schema has another description"),
            (|it| it.properties.push(pair("a", "b")), "the schema has another set of properties"),
        ];
        for (change, words) in cases {
            let mut restored = schema();
            change(&mut restored);
            let found = differences(&schema().encode_to_vec(), &restored.encode_to_vec()).unwrap();
            assert!(found.iter().any(|one| one == words), "{words}: {found:?}");
        }
    }

    #[test]
    fn what_nobody_knows_yet_is_compared_too() {
        let (was, mut is) = (schema().encode_to_vec(), schema().encode_to_vec());
        string::encode(77, &"of tomorrow".to_owned(), &mut is);
        assert_eq!(differences(&was, &is).unwrap(), ["the schema has another part 77"]);
        assert_eq!(differences(&is, &is).unwrap(), [""; 0]);
        assert!(differences(&was, &[0xff]).is_err());
    }
}
