//! The integration tests, in one binary.

mod architecture;
mod docs;
mod milvus_fake;
mod milvus_live;
mod source;
mod store;
