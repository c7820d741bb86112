//! The frame of a log: a magic number, a descriptor, events.

use bytes::Bytes;
use serde::Deserialize;

use super::error::{BinlogError, BinlogResult};

/// What every log begins with.
pub(super) const MAGIC: u32 = 0xff_fabc;

/// What a Parquet file begins with.
const PARQUET: &[u8] = b"PAR1";

/// The time that it was written, a type, its length, the position of the next one.
pub(super) const HEADER: usize = 8 + 1 + 4 + 4;

/// Four ids, two timestamps, a data type.
pub(super) const DESCRIPTOR: usize = 6 * 8 + 4;

/// The length of the fixed part of each type of event.
pub(super) const POST_HEADERS: [u8; 8] = [52, 16, 16, 16, 16, 16, 16, 16];

/// The first and the last timestamp.
pub(super) const FIXED: usize = 8 + 8;

/// Types of events.
pub(super) const DESCRIPTOR_TYPE: u8 = 0;
pub(super) const INSERT_TYPE: u8 = 1;
pub(super) const DELETE_TYPE: u8 = 2;

/// What the version of a delta log is that has keys and timestamps side by side.
const MULTI_FIELD: &str = "MULTI_FIELD";

/// What the descriptor tells besides.
#[derive(Debug, Default, Deserialize)]
struct Extras {
    version: Option<String>,
    /// The key that the rest of the file is encrypted with, itself encrypted.
    edek: Option<serde_json::Value>,
}

/// A log, taken apart as far as its payloads.
#[derive(Debug)]
pub(super) struct Log {
    /// The number of the enum `schema.DataType`.
    pub(super) data_type: i32,
    /// Whether a payload has a column of keys and one of timestamps.
    pub(super) multi_field: bool,
    /// Parquet files, one for each event.
    pub(super) payloads: Vec<Bytes>,
}

impl Log {
    /// Takes a log apart, of which every event must be of this type.
    pub(super) fn open(bytes: Bytes, wanted: u8) -> BinlogResult<Self> {
        let mut rest = Rest(bytes);
        if rest.0.starts_with(PARQUET) {
            let what = "files of several fields (storage version 2 and later)";
            return Err(BinlogError::Unsupported(what.to_owned()));
        }
        if rest.u32()? != MAGIC {
            return Err(BinlogError::damaged("it does not begin as a log does"));
        }
        let (kind, mut descriptor) = rest.event()?;
        if kind != DESCRIPTOR_TYPE {
            return Err(BinlogError::damaged("its first event is no descriptor"));
        }
        descriptor.take(DESCRIPTOR - 4)?;
        let data_type = descriptor.u32()?.cast_signed();
        descriptor.take(POST_HEADERS.len())?;
        let length = descriptor.u32()?;
        let extras = descriptor.take(usize::try_from(length).unwrap_or(usize::MAX))?;
        let extras: Extras = serde_json::from_slice(&extras).map_err(BinlogError::damaged)?;
        if extras.edek.is_some() {
            return Err(BinlogError::Unsupported("encrypted logs".to_owned()));
        }
        let mut payloads = Vec::new();
        while !rest.0.is_empty() {
            let (kind, mut event) = rest.event()?;
            if kind != wanted {
                return Err(BinlogError::damaged(format!("it has an event of type {kind}")));
            }
            event.take(FIXED)?;
            payloads.push(event.0);
        }
        let multi_field = extras.version.is_some_and(|version| version == MULTI_FIELD);
        Ok(Self { data_type, multi_field, payloads })
    }
}

/// What was not read yet.
struct Rest(Bytes);

impl Rest {
    fn take(&mut self, length: usize) -> BinlogResult<Bytes> {
        if length > self.0.len() {
            return Err(BinlogError::damaged("it ends too early"));
        }
        Ok(self.0.split_to(length))
    }

    fn u32(&mut self) -> BinlogResult<u32> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes(bytes.as_ref().try_into().expect("these are 4")))
    }

    /// The type of the next event, and all of it after the header. Where it says that the next
    /// one begins is not looked at: Milvus's later writers leave that out.
    fn event(&mut self) -> BinlogResult<(u8, Self)> {
        self.take(8)?;
        let kind = self.take(1)?[0];
        let length = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        self.take(4)?;
        let rest = length.checked_sub(HEADER);
        let rest = rest.ok_or_else(|| BinlogError::damaged("it has an event without a length"))?;
        Ok((kind, Self(self.take(rest)?)))
    }
}
