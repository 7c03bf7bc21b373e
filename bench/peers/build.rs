//! Writes the gRPC service for `src/bin/tonic_peer.rs`, without a .proto file and so without protoc.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let echo = Method::builder()
        .name("echo")
        .route_name("Echo")
        .input_type("crate::Body")
        .output_type("crate::Body")
        .codec_path("tonic_prost::ProstCodec")
        .build();
    Builder::new().compile(&[Service::builder().name("Echo").package("bench").method(echo).build()]);
}
