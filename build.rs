//! Compiles the protocol's messages. protox parses the .proto files, so that no protoc has to be installed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto/drpc.proto");
    let descriptors = protox::compile(["proto/drpc.proto"], ["proto"])?;
    prost_build::Config::new().compile_fds(descriptors)?;
    Ok(())
}
