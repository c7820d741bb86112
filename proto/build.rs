//! Compiles our own small description of Milvus's API with protox: no protoc is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto/milvus");
    let descriptors = protox::compile(["milvus.proto"], ["proto/milvus"])?;
    tonic_prost_build::configure()
        .build_server(false)
        .build_transport(false)
        // Holds the hash of a password: what shows it is written by hand.
        .skip_debug([".milvus.proto.milvus.UserInfo"])
        .compile_fds(descriptors)?;
    Ok(())
}
