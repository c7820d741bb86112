//! milvus-backup's own tree, written and read.

#![expect(clippy::unwrap_used, reason = "in a test's helper, too, a panic is the report")]

mod golden;
mod official;
mod proto;
mod rbac;
mod reading;
mod rows;
mod sample;
