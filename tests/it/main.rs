//! The integration tests, in one binary.

mod backup;
mod crash;
mod crash_restore;
mod format;
mod milvus_fake;
mod milvus_live;
mod names;
mod restore;
mod restore_failures;
mod reuse;
mod store;
mod support;
