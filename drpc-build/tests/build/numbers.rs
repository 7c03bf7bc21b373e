//! The numbers of services and methods: by the rule, by options, and given by the build script.

use std::fs;

use drpc_build::Builder;

use crate::generated::calc::CalcClient;
use crate::generated::test::numbered::NumberedClient;

#[test]
fn methods_are_numbered_by_the_rule_or_by_options() {
    assert_eq!(CalcClient::MODULE, 100);
    let numbers = |method: drpc::typed::Method| (method.module(), method.number(), method.name());
    assert_eq!(numbers(CalcClient::ADD), (100, 10001, "calc.Calc.Add"));
    assert_eq!(numbers(CalcClient::DIVIDE), (100, 10002, "calc.Calc.Divide"));
    assert_eq!(numbers(NumberedClient::BY_RULE), (7, 701, "test.numbered.Numbered.ByRule"));
    assert_eq!(numbers(NumberedClient::BY_OPTION), (7, 7, "test.numbered.Numbered.ByOption"));
    assert_eq!(numbers(NumberedClient::MOVE), (7, 703, "test.numbered.Numbered.Move"));
}

/// The code for a service with two methods, the second of which has an option, in a file without a package.
fn code(builder: Builder) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("s.proto");
    let methods = "rpc A (M) returns (M); rpc B (M) returns (M) { option (drpc.method) = 9; }";
    let service = format!("service S {{ option (drpc.module) = 5; {methods} }}");
    let head = "syntax = \"proto3\"; import \"drpc/options.proto\"; message M {}";
    fs::write(&file, format!("{head} {service}")).unwrap();
    builder.out_dir(dir.path()).compile_protos(&[file], &[dir.path()]).unwrap();
    fs::read_to_string(dir.path().join("_.rs")).unwrap()
}

/// A number in the build script counts more than one in the file.
#[test]
fn the_build_script_gives_numbers() {
    let has = |code: &str, numbers: &str, name: &str| {
        let method = format!("::drpc::typed::Method::new({numbers}, \"S.{name}\")");
        assert!(code.contains(&method), "no {method} in {code}");
    };
    let as_in_the_file = code(drpc_build::configure());
    has(&as_in_the_file, "5, 501", "A");
    has(&as_in_the_file, "5, 9", "B");
    let given = code(drpc_build::configure().module("S", -6).method("S.B", 12));
    has(&given, "-6, -599", "A");
    has(&given, "-6, 12", "B");
}
