//! Whether a backup waits for deletes that a 2.2 has not written yet.

use std::time::Duration;

use super::parse;
use super::reader::Reader;
use super::table::SETTLE;

/// What a backup of a Milvus 2.2 does about deletes that are not in its storage yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settle {
    /// It waits for them. Milvus writes them down once in so long.
    Auto(Duration),
    /// Nothing: some may be missing.
    Skip,
}

pub(super) fn read(reader: &mut Reader<'_>) -> Option<Settle> {
    let settle = reader.get("milvus.settle", |text| parse::word(SETTLE, text));
    let period = reader.get("milvus.sync_period", parse::duration);
    let auto = Settle::Auto(period?.unsigned_abs());
    Some([auto, Settle::Skip][settle?])
}
