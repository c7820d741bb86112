//! The integration tests, in one binary.

mod architecture;
mod backup;
mod crash;
mod crash_restore;
mod docs;
mod format;
mod lab;
mod live;
mod milvus_fake;
mod milvus_live;
mod names;

mod pause;
mod restore;
mod restore_failures;
mod resume;
mod reuse;
mod source;
mod steps;
mod store;
mod support;
mod vanish;
mod wrong_input;
