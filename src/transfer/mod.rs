//! Copies segment files into the repository.
//!
//! The plan fixes every source and destination; this module decides only how many copies
//! run at once, how fast, and when one is tried again. Milvus never rewrites a segment file, so copies may finish in any order
//! and may be repeated.
//!
//! Where one S3 server has both places and one credential reaches them, the server copies;
//! else the bytes are streamed and summed. Milvus's files are never linked: a link would share
//! the fate of its file; an export links the repository's own. What the server copied is compared by size, and by `ETag` where
//! those of both sides are MD5s. Where the store says that they are none, as with SSE-KMS, it is
//! compared by its bytes, and the next files are streamed.
//!
//! # Order and crashes
//!
//! A file becomes visible whole or not at all, and is durable after the store's next sync.
//! A run that dies leaves files that no manifest names; the next run finds them in its way,
//! reads them back and compares. Equal content is adopted; other content under the same
//! name is never overwritten: the run fails and names both. Now and then a run syncs and
//! writes a checkpoint, and what that names the next run need not even read.
//!
//! # Failures
//!
//! What may pass is tried again, reading and writing as a pair, since a stream is read only
//! once; and fewer copies run at once for a while, since a store that is asked too much
//! answers so. What goes wrong on Milvus's side costs that file, and its collection. What goes wrong on
//! the repository's side ends the run, since the next file would meet it too.
//!
//! # Stopping
//!
//! When the token fires, no new file starts and those in flight are dropped, half-written
//! ones leaving nothing visible.

mod checkpoint;
mod checksum;
mod copier;
mod fence;
mod mending;
mod method;
mod progress;
mod retrying;
mod room;
mod server_side;
mod space;
mod throttle;

pub use checkpoint::{Checkpoint, CheckpointPace};
pub use checksum::{Content, check_content, crc_of};
pub use copier::{Copier, CopyReport, TransferError};
pub use fence::Fence;
pub use progress::{Progress, ProgressSnapshot, Stage};
pub use retrying::retrying;
pub use server_side::ServerSide;
pub use space::{SpaceGuard, SpaceRefused};
pub use throttle::Throttle;
