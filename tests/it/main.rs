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
mod prune;
mod prune_cli;
mod prune_crash;
mod prune_plan;
mod prune_race;
mod restore;
mod restore_failures;
mod reuse;
mod s3;
mod source;
mod steps;
mod store;
mod support;
mod wrong_input;
