//! Logs of rows.

use bytes::Bytes;

use crate::model::PrimaryKeys;

use super::error::{BinlogError, BinlogResult};
use super::event::{INSERT_TYPE, Log};
use super::payload;

/// Numbers of `schema.DataType`.
const INT64: i32 = 5;
const STRING: i32 = 20;
const VARCHAR: i32 = 21;

/// The keys in the log of a key field, in the order of its rows.
pub fn read_keys(log: Bytes) -> Result<PrimaryKeys, BinlogError> {
    let log = Log::open(log, INSERT_TYPE)?;
    let mut all = match log.data_type {
        INT64 => PrimaryKeys::Int64(Vec::new()),
        STRING | VARCHAR => PrimaryKeys::Text(Vec::new()),
        other => return Err(BinlogError::Unsupported(format!("keys of data type {other}"))),
    };
    for payload in log.payloads {
        match (&mut all, column(payload)?) {
            (PrimaryKeys::Int64(all), PrimaryKeys::Int64(mut more)) => all.append(&mut more),
            (PrimaryKeys::Text(all), PrimaryKeys::Text(mut more)) => all.append(&mut more),
            (PrimaryKeys::Int64(_), PrimaryKeys::Text(_))
            | (PrimaryKeys::Text(_), PrimaryKeys::Int64(_)) => {
                return Err(BinlogError::damaged("its keys are of another type than it says"));
            }
        }
    }
    Ok(all)
}

/// The hybrid timestamps in the log of field 1, in the order of its rows.
pub fn read_timestamps(log: Bytes) -> Result<Vec<u64>, BinlogError> {
    let log = Log::open(log, INSERT_TYPE)?;
    let mut all = Vec::new();
    for payload in log.payloads {
        match column(payload)? {
            PrimaryKeys::Int64(more) => all.extend(more.into_iter().map(i64::cast_unsigned)),
            PrimaryKeys::Text(_) => {
                return Err(BinlogError::damaged("its timestamps are texts"));
            }
        }
    }
    Ok(all)
}

/// The one column of a payload.
fn column(payload: Bytes) -> BinlogResult<PrimaryKeys> {
    let mut columns = payload::columns(payload)?;
    match (columns.pop(), columns.len()) {
        (Some(column), 0) => Ok(column),
        (_, others) => Err(BinlogError::damaged(format!("it has {} columns", others + 1))),
    }
}
