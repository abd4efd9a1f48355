//! Checks JSON against the schemas in docs/.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// Requires that a value follows a schema.
#[track_caller]
pub fn check(name: &str, value: &Value) {
    let root = schema(name);
    check_part(&root, &root, value, name);
}

fn schema(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    serde_json::from_str(&fs::read_to_string(path).expect("the schema can be read")).expect("the schema is JSON")
}

/// Checks `value` against the part of JSON Schema that our schemas use.
fn check_part(root: &Value, schema: &Value, value: &Value, at: &str) {
    const KNOWN: [&str; 15] = [
        "$schema",
        "$defs",
        "$ref",
        "title",
        "description",
        "type",
        "const",
        "enum",
        "required",
        "properties",
        "additionalProperties",
        "items",
        "minimum",
        "pattern",
        "examples",
    ];
    for (keyword, rule) in schema.as_object().expect("a schema is an object") {
        assert!(KNOWN.contains(&keyword.as_str()), "{at}: this test does not know {keyword}");
        match keyword.as_str() {
            "$ref" => {
                let pointer = rule.as_str().and_then(|rule| rule.strip_prefix('#')).expect("a reference within");
                check_part(root, root.pointer(pointer).expect("it exists"), value, at);
            }
            "type" => {
                let types = rule.as_array().cloned().unwrap_or_else(|| vec![rule.clone()]);
                assert!(types.iter().any(|name| has_type(value, name.as_str().expect("a name"))), "{at}: {value}");
            }
            "const" => assert_eq!(value, rule, "{at}"),
            "enum" => assert!(rule.as_array().expect("a list").contains(value), "{at}: {value}"),
            "required" => {
                for name in rule.as_array().expect("a list") {
                    assert!(value.get(name.as_str().expect("a name")).is_some(), "{at}: {name} is missing");
                }
            }
            "minimum" => {
                let minimum = rule.as_f64().expect("a number");
                assert!(value.as_f64().is_none_or(|value| value >= minimum), "{at}: {value}");
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check_part(root, rule, item, &format!("{at}[{index}]"));
                }
            }
            _ => {}
        }
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        let at = format!("{at}.{name}");
        match (schema.get("properties").and_then(|known| known.get(name)), schema.get("additionalProperties")) {
            (Some(known), _) => check_part(root, known, member, &at),
            (None, Some(Value::Bool(false))) => panic!("{at} is not in the schema"),
            (None, Some(others)) => check_part(root, others, member, &at),
            (None, None) => {}
        }
    }
}

fn has_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        _ => panic!("{name} is no type"),
    }
}
