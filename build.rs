//! Compiles the protocol's messages. protox parses the .proto files, so that no protoc has to be installed.

use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto/drpc.proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.open_file("proto/drpc.proto")?;
    // The comments of the file become those of the types; whoever looks messages up at run time has no use for them.
    let commented = compiler.include_source_info(true).file_descriptor_set();
    let plain = compiler.include_source_info(false).encode_file_descriptor_set();
    prost_build::Config::new()
        .enum_attribute(".drpc.Status", STATUS_EXAMPLE)
        // Written by hand, for the sake of its status().
        .extern_path(".drpc.Response", "crate::Response")
        .compile_fds(commented)?;
    fs::write(Path::new(&env::var("OUT_DIR")?).join("drpc.binpb"), plain)?;
    Ok(())
}

/// What the documentation of `Status` ends with.
const STATUS_EXAMPLE: &str = r#"#[doc = "
```
use drpc::Status;

assert_eq!(Status::try_from(3), Ok(Status::UnknownModule));
assert_eq!(Status::UnknownModule.as_str_name(), \"UNKNOWN_MODULE\");
```"]"#;
