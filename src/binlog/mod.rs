//! Milvus's log files, as far as keys and timestamps go: bytes in, values out. No I/O.
//!
//! A drill compares what came back with what was backed up, and both are only in Milvus's own
//! files: which keys there were ([`read_keys`]), when each row was written ([`read_timestamps`])
//! and which keys were deleted when ([`read_deletes`]). Nothing else is read of a log.
//!
//! # The format
//!
//! All numbers are little-endian. A log is the magic number `0xfffabc`, a descriptor and events
//! ([binlog_reader.go]). Each begins with a header of 17 bytes ([event_header.go]): when it was
//! written (8), its type (1: 0 is the descriptor, 1 rows, 2 deletes), its length with the header
//! (4), where the next one begins (4). The descriptor ([event_data.go]) has the ids of collection,
//! partition, segment and field, the first and the last timestamp, the data type (52 bytes in all),
//! 8 bytes with the lengths of the other events' fixed parts, and JSON with its length in
//! front: the size before compression, since 2.5 `nullable` and for an encrypted log its key.
//! An event has its first and last timestamp, and a Parquet file for the rest.
//!
//! The log of a field has one column `val`, and the log of deletes one of texts, a JSON object
//! each, before 2.2 `key,timestamp` ([delta_data.go]). Where the descriptor says `version:
//! MULTI_FIELD`, as 2.5 and later may, it has columns `pk` and `ts` instead ([serde_delta.go]).
//! Milvus compresses with zstd ([payload_writer.go]).
//!
//! What 2.2.16 and 2.3.5 write was looked at (`tests/fixtures/binlog`); of the rest only Milvus's
//! source was. Since storage version 2 (2.6) a file may hold several fields without this frame:
//! these are [`BinlogError::Unsupported`], as is what is encrypted.
//!
//! # Damage
//!
//! A log comes from a disk or a bucket. Whatever was done to it, reading ends in its values or in
//! a [`BinlogError`], and no length that it tells of itself is believed: tests cut it at every
//! byte and flip a bit of each.
//!
//! [binlog_reader.go]: https://github.com/milvus-io/milvus/blob/046d3ca1651883b9310045a1bf1f008e8ae4e414/internal/storage/binlog_reader.go
//! [event_header.go]: https://github.com/milvus-io/milvus/blob/83b88be6fdd55f6ac2d4978ee4b794cc80ce65fd/internal/storage/event_header.go
//! [event_data.go]: https://github.com/milvus-io/milvus/blob/063258569baf615d5fde9b734ca7078367a12c30/internal/storage/event_data.go
//! [delta_data.go]: https://github.com/milvus-io/milvus/blob/063258569baf615d5fde9b734ca7078367a12c30/internal/storage/delta_data.go
//! [serde_delta.go]: https://github.com/milvus-io/milvus/blob/0e775b27bbf876eabe493b8e3d8d043c01eb0556/internal/storage/serde_delta.go
//! [payload_writer.go]: https://github.com/milvus-io/milvus/blob/11f7e38c105d8c20a74e51f737136be9f4655f90/internal/storage/payload_writer.go

mod deletes;
mod error;
mod event;
mod payload;
mod rows;
#[cfg(test)]
mod tests;

#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use deletes::read_deletes;
pub use error::BinlogError;
pub use rows::{read_keys, read_timestamps};
