//! `drpc list`, `describe`, `template` and `errno`, and the tables behind them.

use std::collections::BTreeMap;

use drpc_cli::messages;
use drpc_cli::methods;
use drpc_cli::release::Release;
use drpc_cli::skeleton;
use prost_reflect::{Cardinality, DescriptorPool, FieldDescriptor, Kind};
use serde_json::json;

use crate::support::drpc;

/// The type of a field as in `messages.txt`.
fn type_of(field: &FieldDescriptor) -> String {
    let name = |kind: Kind| match kind {
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(values) => values.full_name().to_owned(),
        other => format!("{other:?}").to_lowercase(),
    };
    if let (true, Kind::Message(entry)) = (field.is_map(), field.kind()) {
        let (key, value) = (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
        return format!("map<{},{}>", name(key), name(value));
    }
    let prefix = match field.containing_oneof() {
        Some(choice) => format!("|{}|", choice.name()),
        None if field.cardinality() == Cardinality::Repeated => "*".to_owned(),
        None => String::new(),
    };
    prefix + &name(field.kind())
}

/// The messages and enums of a pool, each with its file and its fields.
fn contents(pool: &DescriptorPool) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for message in pool.all_messages().filter(|message| !message.is_map_entry()) {
        let mut fields: Vec<_> = message.fields().collect();
        fields.sort_by_key(FieldDescriptor::number);
        let fields = fields.iter().map(|field| format!("{}={}:{}", field.name(), field.number(), type_of(field)));
        let line = [message.parent_file().name().to_owned()].into_iter().chain(fields).collect::<Vec<_>>().join(" ");
        found.insert(message.full_name().to_owned(), line);
    }
    for values in pool.all_enums() {
        let all = values.values().map(|value| format!("{}={}", value.name(), value.number()));
        let line = [values.parent_file().name().to_owned()].into_iter().chain(all).collect::<Vec<_>>().join(" ");
        found.insert(values.full_name().to_owned(), line);
    }
    found
}

/// The number of a field or value in `messages.txt`.
fn number(field: &str) -> i64 {
    let text = field.split('=').nth(1).unwrap();
    text.split(':').next().unwrap().parse().unwrap()
}

#[test]
fn the_messages_are_those_of_the_releases() {
    let table = include_str!("data/messages.txt");
    for release in Release::ALL {
        let rows = table.lines().filter_map(|line| line.strip_prefix(release.full_name())?.strip_prefix(' '));
        let expected: BTreeMap<_, _> = rows
            .map(|row| {
                let mut words: Vec<_> = row.split(' ').collect();
                let (file, name) = (words.remove(0), words.remove(0));
                words.sort_by_key(|field| number(field));
                (name.to_owned(), [&[file], &words[..]].concat().join(" "))
            })
            .collect();
        assert!(expected.len() > 40, "{release}: {}", expected.len());
        assert_eq!(contents(messages::pool(release).unwrap()), expected, "{release}");
    }
}

#[test]
fn each_message_survives_the_way_to_the_wire_and_back() {
    let mut count = 0;
    for release in Release::ALL {
        for message in messages::pool(release).unwrap().all_messages().filter(|message| !message.is_map_entry()) {
            let skeleton = skeleton::of(&message);
            let filled = filled(&skeleton);
            let bytes =
                messages::encode(&message, &filled).unwrap_or_else(|failure| panic!("{}: {filled}", failure.text));
            let back = messages::decode(&message, &bytes).unwrap();
            assert!(!back.has_unknown, "{release} {}", message.full_name());
            assert_eq!(messages::encode(&message, &back.json).unwrap(), bytes, "{release} {}", message.full_name());
            // A message that has itself inside ends with an empty one, which comes back with its zeros.
            if !filled.to_string().contains("{}") {
                assert_eq!(back.json, filled, "{release} {}", message.full_name());
            }
            messages::encode(&message, &skeleton).unwrap();
            count += 1;
        }
    }
    assert!(count > 250, "{count}");
}

/// A skeleton with a value in each field.
fn filled(skeleton: &serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match skeleton {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), filled(value))).collect(),
        Value::Array(values) => values.iter().map(filled).collect(),
        Value::Bool(_) => json!(true),
        Value::Number(number) if number.is_f64() => json!(1.5),
        Value::Number(_) => json!(7),
        Value::String(text) if text == "0" => json!("7"),
        Value::String(text) if text.is_empty() => json!("abcd"),
        other => other.clone(),
    }
}

#[test]
fn each_method_has_the_messages_of_its_release() {
    let mut count = 0;
    for method in methods::all() {
        let found = |name| messages::message(method.release, name).unwrap_or_else(|failure| panic!("{}", failure.text));
        method.request.map(found);
        if let Some(response) = method.response.map(found) {
            let json = messages::decode(&response, b"").unwrap().json;
            for field in method.status_fields.split(';').filter(|field| !field.is_empty()) {
                let first = field.split(['.', '[']).next().unwrap();
                assert!(json.get(first).is_some() || response.get_field_by_name(first).is_some(), "{method:?}");
            }
        }
        count += 1;
    }
    assert_eq!(count, include_str!("../tables/methods.csv").lines().count() - 1);
}

#[test]
fn a_method_is_found_by_each_of_its_names() {
    for name in [
        "mgmt.get_attach_info",
        "MGMT.GET_ATTACH_INFO",
        "GetAttachInfo",
        "getattachinfo",
        "2/206",
        "mgmt.206",
        "MGMT/206",
        "DRPC_METHOD_MGMT_GET_ATTACH_INFO",
        "mgmtGetAttachInfo",
    ] {
        let id = methods::find(name).unwrap_or_else(|failure| panic!("{}", failure.text));
        assert_eq!((id.module, id.method), (2, 206), "{name}");
    }
    let id = methods::find("7/701").unwrap();
    assert_eq!((id.module, id.method, id.name()), (7, 701, "7.701".to_owned()));
    assert!(drpc(["describe", "attach"]).failure(2).contains("the nearest names are mgmt.get_attach_info;"));
    let run = drpc(["template", "get_atach_info"]);
    assert!(run.failure(2).contains("the nearest names are mgmt.get_attach_info"), "{run:?}");
    let run = drpc(["template", "list_pools"]);
    assert!(run.failure(2).contains("say mgmt.list_pools or srv.list_pools"), "{run:?}");
    assert!(drpc(["template", "xyzzy"]).failure(2).contains("there is no method xyzzy"));
}

#[test]
fn the_names_are_those_of_the_library() {
    for id in methods::ids().into_iter().filter(|id| id.module != 0) {
        let library = drpc::modules::names::Names::V2_8.call(id.module, id.method).to_string();
        assert_eq!(id.name(), library);
    }
}

#[test]
fn methods_are_listed_with_what_harm_they_do() {
    let all = drpc(["list", "--json"]).json(0);
    assert_eq!(all.as_array().unwrap().len(), methods::ids().len());
    let sec = drpc(["list", "sec", "--json"]).json(0);
    let row = json!([{ "module": 4, "method": 401, "name": "sec.validate_creds", "class": "credential",
        "servers": ["server"], "releases": ["0.8", "2.6", "2.8"] }]);
    assert_eq!(sec, row);
    assert_eq!(drpc(["list", "4"]).good(), "4/401\tsec.validate_creds\tcredential\tserver\t0.8 2.6 2.8\n");
    assert!(!drpc(["list", "--release", "2.8"]).good().contains("mgmt.join"));
    assert!(drpc(["list", "sex"]).failure(2).contains("the modules are test, sec_agent"));
    // A part of a name.
    let part = drpc(["list", "GET_ATT"]);
    assert_eq!(part.good(), "2/206\tmgmt.get_attach_info\tread\tagent engine\t0.8 2.6 2.8\n");
    assert_eq!(drpc(["list", "acl", "--json"]).json(0).as_array().unwrap().len(), 4);
    // No method has a server without a name.
    assert!(!all.to_string().contains("\"\""), "{all}");
}

#[test]
fn a_method_is_described() {
    let run = drpc(["describe", "mgmt.get_attach_info", "--release", "0.8"]);
    let expected = "mgmt.get_attach_info of DAOS 0.8, 2/206\nknown in: 0.8, 2.6, 2.8\nserved by: agent, engine\nclass: read\n\
                    error number: status\ncall: mgmt.GetAttachInfoReq\n    1 sys: string\nanswer: mgmt.GetAttachInfoResp\n    \
                    1 status: int32\n    2 psrs: repeated mgmt.GetAttachInfoResp.Psr\n";
    assert_eq!(run.good(), expected);
    let said = drpc(["describe", "sec_agent.request_creds", "--json"]).json(0);
    assert_eq!(said["request"], json!(null));
    assert_eq!(said["secret_fields"], json!(["resp:cred.verifier.data", "resp:cred.token.data"]));
    assert_eq!(
        said["response"]["fields"][1],
        json!({ "number": 2, "name": "cred", "type": "auth.Credential",
        "repeated": false, "oneof": null })
    );
    let run = drpc(["describe", "mgmt.SystemGetPropResp"]);
    assert_eq!(run.good(), "mgmt.SystemGetPropResp of DAOS 2.8\n    1 properties: map<string, string>\n");
    assert_eq!(drpc(["describe", "auth.flavor"]).good(), "auth.Flavor of DAOS 2.8\n    0 AUTH_NONE\n    1 AUTH_SYS\n");
    let run = drpc(["describe", "mgmt.join", "--release", "2.8"]);
    assert!(run.failure(2).contains("DAOS 2.8 has no mgmt.join: 0.8 has"), "{run:?}");
}

#[test]
fn a_template_has_every_field() {
    assert_eq!(drpc(["template", "mgmt.get_attach_info", "--release", "0.8"]).good(), "{\n  \"sys\": \"\"\n}\n");
    assert_eq!(drpc(["template", "sec_agent.request_creds"]).good(), "{}\n");
    let run = drpc(["template", "mgmt.pool_set_prop"]);
    let json: serde_json::Value = serde_json::from_str(run.good()).unwrap();
    assert_eq!(json["properties"], json!([{ "number": 0, "strval": "" }]));
}

#[test]
fn an_error_number_has_a_name() {
    assert_eq!(drpc(["errno", "-1003"]).good(), "-1003 DER_INVAL: invalid argument\n");
    let said = drpc(["errno", "2008", "--json"]).json(0);
    assert_eq!(said, json!({ "number": 2008, "name": "DER_NOTLEADER", "meaning": "not the service leader" }));
    let status = "5 FAILED_UNMARSHAL_CALL: the server could not read the call\n";
    for name in ["5", "failed_unmarshal_call"] {
        assert_eq!(drpc(["errno", name]).good(), status);
    }
    for name in ["DER_BUSY", "busy", "-1012"] {
        assert!(drpc(["errno", name]).good().starts_with("-1012 DER_BUSY: "));
    }
    assert!(drpc(["errno", "unknown"]).good().starts_with("-501000 DER_UNKNOWN: "));
    for name in ["8", "-5", "DER_NONE"] {
        assert!(drpc(["errno", name]).failure(2).contains("is neither a DAOS error number nor a dRPC status"));
    }
    assert_eq!(drpc(["errno", "0"]).good(), "0 DER_SUCCESS: success\n");
}

#[test]
fn a_message_is_found_without_its_package() {
    let full = drpc(["describe", "mgmt.GetAttachInfoReq"]).good().to_owned();
    for name in ["GetAttachInfoReq", "getattachinforeq"] {
        assert_eq!(drpc(["describe", name]).good(), full);
    }
    assert_eq!(drpc(["describe", "SmdDevReq"]).good(), "ctl.SmdDevReq of DAOS 2.8\n    no fields\n");
    // A method goes before a message without its package.
    assert!(drpc(["describe", "GetAttachInfo"]).good().starts_with("mgmt.get_attach_info of DAOS 2.8"));
    let run = drpc(["describe", "DaosResp", "--release", "2.6"]);
    assert!(run.code == 0 || run.failure(2).contains("is in several packages: say "), "{run:?}");
}
