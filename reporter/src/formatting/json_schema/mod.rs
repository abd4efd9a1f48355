//! The schemas of the JSON outputs, in docs/: made of the types and the columns that are written. After a change that
//! is wanted, run the tests with `MEMPROF_UPDATE_GOLDEN=1` and look at the difference.

mod layout;

use std::fs;
use std::path::Path;

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use layout::layout;

/// Describes types as they are written.
pub(crate) fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().for_serialize().into_generator()
}

/// Requires that docs/ has the schema of outputs of a type. `name` is that of the schema, such as `memprof-leaks-1`;
/// `constants` are texts that are the same in all these outputs, by their properties.
#[track_caller]
pub(crate) fn assert_type_in_docs<T: JsonSchema>(name: &str, constants: &[(&str, &str)]) {
    assert_in_docs(generator().into_root_schema_for::<T>(), name, constants);
}

/// Likewise, of outputs that follow a schema.
#[track_caller]
pub(crate) fn assert_in_docs(mut schema: Schema, name: &str, constants: &[(&str, &str)]) {
    Tidy.transform(&mut schema);
    let mut schema = schema.to_value();
    for &(property, text) in [("schema", name)].iter().chain(constants) {
        let described = schema["properties"][property].as_object_mut().expect("there is such a property");
        described.retain(|keyword, _| keyword == "description");
        described.insert("const".to_owned(), text.into());
    }
    let output =
        name.strip_prefix("memprof-").and_then(|name| name.rsplit_once('-')).expect("an output and a version").0;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../docs/{output}.schema.json"));
    let text = layout(&schema);
    if std::env::var_os("MEMPROF_UPDATE_GOLDEN").is_some() {
        fs::write(&path, &text).expect("the schema can be written");
    }
    let written = fs::read_to_string(&path).expect("the schema can be read");
    assert_eq!(text, written, "{} differs from what is written; it would be\n{text}", path.display());
}

/// What no type says: that nothing else occurs. Without what only readers of Rust understand.
struct Tidy;

impl Transform for Tidy {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        schema.remove("format");
        if let Some(Value::String(text)) = schema.get_mut("description") {
            *text = text.replace('\n', " ");
        }
        if schema.get("properties").is_none() {
            return;
        }
        // What a variant has is beside what all of them have.
        if let Some(Value::Array(variants)) = schema.get_mut("anyOf") {
            for variant in variants.iter_mut().filter_map(Value::as_object_mut) {
                variant.remove("additionalProperties");
            }
            schema.insert("unevaluatedProperties".to_owned(), json!(false));
        } else {
            schema.insert("additionalProperties".to_owned(), json!(false));
        }
    }
}
