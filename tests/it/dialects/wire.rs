//! The messages that the program itself was built with.

pub(crate) mod common {
    #![expect(unreachable_pub, clippy::enum_variant_names, clippy::pedantic, reason = "generated")]
    tonic::include_proto!("milvus.proto.common");
}

pub(crate) mod schema {
    #![expect(
        unreachable_pub,
        clippy::enum_variant_names,
        clippy::struct_excessive_bools,
        reason = "generated"
    )]
    tonic::include_proto!("milvus.proto.schema");
}

pub(crate) mod milvus {
    #![expect(
        unreachable_pub,
        unused_qualifications,
        clippy::allow_attributes_without_reason,
        clippy::pedantic,
        reason = "generated"
    )]
    tonic::include_proto!("milvus.proto.milvus");

    /// The program's own hides the hash.
    impl std::fmt::Debug for UserInfo {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(&self.user)
        }
    }
}
