//! milvus-backup's own tree, written and read.

mod golden;
mod proto;
mod rbac;
mod reading;
mod rows;
mod sample;
