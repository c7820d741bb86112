//! The schema messages that `proto/build.rs` generated from `proto/milvus`.

#[expect(unreachable_pub, clippy::enum_variant_names, clippy::pedantic, reason = "generated")]
pub(crate) mod common {
    tonic::include_proto!("milvus.proto.common");
}

#[expect(
    unreachable_pub,
    clippy::struct_excessive_bools,
    clippy::enum_variant_names,
    reason = "generated"
)]
pub(crate) mod schema {
    tonic::include_proto!("milvus.proto.schema");
}
