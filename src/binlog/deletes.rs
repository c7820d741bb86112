//! Logs of deletes.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use crate::model::{PrimaryKey, PrimaryKeys};

use super::error::{BinlogError, BinlogResult};
use super::event::{DELETE_TYPE, Log};
use super::payload;

/// The keys in a delta log, each with the hybrid timestamp of its deletion, in their order.
pub fn read_deletes(log: Bytes) -> Result<Vec<(PrimaryKey, u64)>, BinlogError> {
    let log = Log::open(log, DELETE_TYPE)?;
    let mut deletes = Vec::new();
    for payload in log.payloads {
        let mut columns = payload::columns(payload)?.into_iter();
        match (columns.next(), columns.next(), columns.next()) {
            (Some(PrimaryKeys::Text(lines)), None, None) if !log.multi_field => {
                for line in lines {
                    deletes.push(parse(&line)?);
                }
            }
            (Some(keys), Some(PrimaryKeys::Int64(timestamps)), None)
                if log.multi_field && keys.len() == timestamps.len() =>
            {
                deletes
                    .extend(keys.into_iter().zip(timestamps.into_iter().map(i64::cast_unsigned)));
            }
            _ => return Err(BinlogError::damaged("it has no columns of deletes")),
        }
    }
    Ok(deletes)
}

#[derive(Deserialize)]
struct Delete {
    pk: Value,
    ts: u64,
    #[serde(rename = "pkType")]
    pk_type: i64,
}

/// One delete as JSON, or as `key,timestamp` from before there were keys of text.
fn parse(line: &str) -> BinlogResult<(PrimaryKey, u64)> {
    let strange = || BinlogError::damaged(format!("`{line}` is no delete"));
    if !line.starts_with('{') {
        let (key, ts) = line.split_once(',').ok_or_else(strange)?;
        let key = key.parse().map_err(|_| strange())?;
        return Ok((PrimaryKey::Int64(key), ts.parse().map_err(|_| strange())?));
    }
    let Delete { pk, ts, pk_type } = serde_json::from_str(line).map_err(|_| strange())?;
    let key = match (pk_type, pk) {
        (5, Value::Number(key)) => PrimaryKey::Int64(key.as_i64().ok_or_else(strange)?),
        (20 | 21, Value::String(key)) => PrimaryKey::Text(key),
        (5 | 20 | 21, _) => return Err(strange()),
        (other, _) => {
            return Err(BinlogError::Unsupported(format!("keys of data type {other}")));
        }
    };
    Ok((key, ts))
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::model::PrimaryKey;

    #[test]
    fn a_delete_is_json_or_a_key_and_a_time() {
        let text = |key: &str| PrimaryKey::Text(key.to_owned());
        for (line, expected) in [
            (
                r#"{"pk":-7,"ts":18446744073709551615,"pkType":5}"#,
                (PrimaryKey::Int64(-7), u64::MAX),
            ),
            (r#"{"pk":"a\"\u6f22","ts":4,"pkType":21}"#, (text("a\"漢"), 4)),
            (
                "-9223372036854775808,470731523906600963",
                (PrimaryKey::Int64(i64::MIN), 470_731_523_906_600_963),
            ),
        ] {
            assert_eq!(parse(line).unwrap(), expected, "{line}");
        }
        for line in [
            "",
            "7",
            "7,",
            ",7",
            "7,8,9",
            "a,7",
            "7,-1",
            "{}",
            "{",
            r#"{"pk":"7","ts":1,"pkType":5}"#,
            r#"{"pk":7,"ts":1,"pkType":21}"#,
            r#"{"pk":7.5,"ts":1,"pkType":5}"#,
            r#"{"pk":7,"ts":-1,"pkType":5}"#,
            r#"{"pk":7,"ts":1,"pkType":23}"#,
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
