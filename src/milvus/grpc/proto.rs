//! The code that `proto/build.rs` generated from `proto/milvus`.

#[expect(unreachable_pub, clippy::enum_variant_names, clippy::pedantic, reason = "generated")]
pub(in crate::milvus) mod common {
    tonic::include_proto!("milvus.proto.common");
}

#[expect(unreachable_pub, clippy::struct_excessive_bools, reason = "generated")]
pub(in crate::milvus) mod schema {
    tonic::include_proto!("milvus.proto.schema");
}

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
