//! Checks JSON against the schemas in docs/, by a validator that is not ours.

use std::fs;
use std::path::Path;

use jsonschema::Validator;
use serde_json::Value;

/// Requires that a value follows a schema, and no longer does when anything is added to one of its objects.
#[track_caller]
pub fn check(name: &str, value: &Value) {
    let validator = validator(name);
    let errors: Vec<String> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{name}\n{}", errors.join("\n"));
    for pointer in objects(value, String::new()) {
        let mut extended = value.clone();
        extended.pointer_mut(&pointer).expect("it is there")["unheard-of"] = Value::Null;
        assert!(!validator.is_valid(&extended), "{name}: there may be anything in {pointer}");
    }
}

fn validator(name: &str) -> Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    let schema = fs::read_to_string(path).expect("the schema can be read");
    let schema = serde_json::from_str(&schema).expect("the schema is JSON");
    jsonschema::draft202012::new(&schema).unwrap_or_else(|error| panic!("{name} is no schema: {error}"))
}

/// Pointers to all objects in a value; of the elements of a list, those in the first one.
fn objects(value: &Value, at: String) -> Vec<String> {
    match value {
        Value::Object(members) => {
            let below = members.iter().flat_map(|(name, member)| {
                let name = name.replace('~', "~0").replace('/', "~1");
                objects(member, format!("{at}/{name}"))
            });
            let below: Vec<String> = below.collect();
            [at].into_iter().chain(below).collect()
        }
        Value::Array(items) => items.first().map(|item| objects(item, at + "/0")).unwrap_or_default(),
        _ => Vec::new(),
    }
}
