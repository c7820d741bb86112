//! The integration tests, in one binary.

mod milvus_fake;
mod milvus_live;
mod s3;
mod store;
