//! Errors at build time: each says which service or method it is about, and what to do.

use std::fs;
use std::path::Path;

use drpc_build::Builder;

/// The error of building a file with this text behind the package `p`, an import of the options, and a message `M`.
fn error_of(builder: Builder, text: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("p.proto");
    let head = "syntax = \"proto3\"; package p; import \"drpc/options.proto\"; message M {}";
    fs::write(&file, format!("{head}\n{text}")).unwrap();
    let error = builder.out_dir(dir.path()).compile_protos(&[&file], &[dir.path()]).unwrap_err();
    assert!(!dir.path().join("p.rs").exists());
    assert_eq!(error.to_string(), format!("{error:?}"));
    error.to_string()
}

/// The same with the default settings.
fn error(text: &str) -> String {
    error_of(drpc_build::configure(), text)
}

#[test]
fn a_service_without_a_number_is_an_error() {
    assert_eq!(
        error("service S { rpc A (M) returns (M); }"),
        "service p.S has no module number: write `option (drpc.module) = 100;` in it and `import \"drpc/options.proto\";` \
         above, or in build.rs `drpc_build::configure().module(\"p.S\", 100)`"
    );
}

#[test]
fn a_number_twice_is_an_error() {
    let methods = "rpc A (M) returns (M); rpc B (M) returns (M) { option (drpc.method) = 501; }";
    assert_eq!(
        error(&format!("service S {{ option (drpc.module) = 5; {methods} }}")),
        "A and B of p.S both have method number 501"
    );
    let services =
        ["S", "T"].map(|name| format!("service {name} {{ option (drpc.module) = 5; rpc A (M) returns (M); }}"));
    assert_eq!(error(&services.concat()), "p.S and p.T both have module number 5");
}

#[test]
fn a_method_that_streams_is_an_error() {
    let text = |methods| error(&format!("service S {{ option (drpc.module) = 5; rpc A (M) returns (M); {methods} }}"));
    for method in ["rpc B (stream M) returns (M);", "rpc B (M) returns (stream M);"] {
        assert_eq!(text(method), "p.S.B is a streaming method, and dRPC has one response to one call");
    }
}

#[test]
fn a_number_that_does_not_fit_is_an_error() {
    let service = |module| error(&format!("service S {{ option (drpc.module) = {module}; rpc A (M) returns (M); }}"));
    for module in [i32::MAX, i32::MAX / 100 + 1, i32::MIN] {
        assert_eq!(
            service(module),
            format!("p.S.A needs a number of its own: {module} * 100 + 1 + 0 does not fit in 32 bits")
        );
    }
}

#[test]
fn a_service_without_methods_is_an_error() {
    assert_eq!(error("service S { option (drpc.module) = 5; }"), "service p.S has no methods");
}

#[test]
fn a_number_for_what_is_not_there_is_an_error() {
    let service = "service S { option (drpc.module) = 5; rpc A (M) returns (M); }";
    assert_eq!(
        error_of(drpc_build::configure().module("S", 5), service),
        "module number of S: no such service in the files given"
    );
    assert_eq!(
        error_of(drpc_build::configure().method("p.S.B", 5), service),
        "method number of p.S.B: no such method in the files given"
    );
}

/// What protox finds has the place in the file.
#[test]
fn an_error_in_a_file_has_its_place() {
    assert_eq!(error("service S { rpc A (N) returns (M); }"), "p.proto:2:20: name 'N' is not defined");
    let missing = drpc_build::compile_protos(&[Path::new("missing.proto")], &["."]).unwrap_err();
    assert_eq!(missing.to_string(), "file 'missing.proto' is not in any include path");
}
