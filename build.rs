//! Compiles the protocol's messages. protox parses the .proto files, so that no protoc has to be installed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto/drpc.proto");
    let descriptors = protox::compile(["proto/drpc.proto"], ["proto"])?;
    prost_build::Config::new().enum_attribute(".drpc.Status", STATUS_EXAMPLE).compile_fds(descriptors)?;
    Ok(())
}

/// What the documentation of `Status` ends with.
const STATUS_EXAMPLE: &str = r#"#[doc = "
```
use drpc::Status;

assert_eq!(Status::try_from(3), Ok(Status::UnknownModule));
assert_eq!(Status::UnknownModule.as_str_name(), \"UNKNOWN_MODULE\");
```"]"#;
