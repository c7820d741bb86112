//! milvus-backup's own tree, written and read.

mod golden;
mod proto;
mod reading;
mod rows;
mod sample;
