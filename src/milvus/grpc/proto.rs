//! The code that `proto/build.rs` generated from `proto/milvus`.

pub(in crate::milvus) use crate::schema::wire::{common, schema};

#[expect(
    unreachable_pub,
    unused_qualifications,
    clippy::allow_attributes_without_reason,
    clippy::pedantic,
    reason = "generated"
)]
pub(in crate::milvus) mod milvus {
    tonic::include_proto!("milvus.proto.milvus");
}
