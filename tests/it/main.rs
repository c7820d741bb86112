//! The integration tests, in one binary.

mod lab;
mod live;
mod milvus_fake;
mod milvus_live;
mod steps;
mod store;
