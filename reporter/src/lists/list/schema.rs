//! The schema of the rows of lists: what their subjects and their columns say of themselves.

use memprof_capture::file::facts::ClockPoint;
use memprof_capture::file::{CaptureWriter, Header};
use memprof_channel::clock::ClockKind;
use memprof_channel::ids::Stamp;
use memprof_channel::object_tracing::ObjectTracing;
use memprof_replay::metric::Sums;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::column::Shows;
use super::{Column, List, Subject};
use crate::formatting::json_frames::JsonFrame;
use crate::formatting::json_schema::generator;
use crate::reading::report::Report;

/// What a row may have in any of several lists, and what it has in all of them.
pub(crate) struct RowSchema {
    generator: SchemaGenerator,
    properties: Map<String, Value>,
    required: Option<Vec<&'static str>>,
}

impl RowSchema {
    /// Of lists that are to be added.
    pub(crate) fn new() -> Self {
        Self { generator: generator(), properties: Map::new(), required: None }
    }

    /// Adds what a list has.
    pub(crate) fn add<R>(&mut self, list: &List<R>) {
        let fields: Vec<_> = self.subject(&list.subject).into_iter().chain(self.columns(list)).collect();
        let has = |name: &str| fields.iter().any(|&(field, _)| field == name);
        let required = self.required.take().unwrap_or_else(|| list.field_names());
        self.required = Some(required.into_iter().filter(|name| has(name)).collect());
        for (name, schema) in fields {
            let Some(known) = self.properties.get_mut(name) else {
                self.properties.insert(name.to_owned(), schema);
                continue;
            };
            // Of several meanings each says where it holds.
            let meanings =
                [&*known, &schema].map(|schema| schema["description"].as_str().unwrap_or_default().to_owned());
            if !meanings[0].contains(&meanings[1]) {
                known["description"] = meanings.join(" ").into();
            }
        }
    }

    /// Adds a field that all rows have besides what lists have.
    pub(crate) fn require<T: JsonSchema>(&mut self, name: &'static str, meaning: &str) {
        self.allow::<T>(name, meaning);
        self.required.get_or_insert_default().push(name);
    }

    /// Adds a field that some rows have besides what lists have.
    pub(crate) fn allow<T: JsonSchema>(&mut self, name: &'static str, meaning: &str) {
        let mut schema = self.generator.subschema_for::<T>().to_value();
        schema["description"] = meaning.into();
        self.properties.insert(name.to_owned(), schema);
    }

    fn subject<R>(&mut self, subject: &Subject<'_, R>) -> Vec<(&'static str, Value)> {
        let names = subject.field_names();
        match subject {
            Subject::Place(_) | Subject::Function(_) => {
                let mut frame = JsonFrame::json_schema(&mut self.generator).to_value();
                names.into_iter().map(|name| (name, frame["properties"][name].take())).collect()
            }
            Subject::Stack(..) => {
                let mut frames = <Vec<JsonFrame>>::json_schema(&mut self.generator);
                let meaning = "By stack: its places, innermost first, as the view shows it.";
                frames.insert("description".to_owned(), meaning.into());
                names.into_iter().map(|name| (name, frames.clone().to_value())).collect()
            }
            Subject::Path(called, _) | Subject::Name(called, _) => {
                vec![(called.name, json!({ "description": called.meaning, "type": "string" }))]
            }
            Subject::Bar(_) => Vec::new(),
        }
    }

    fn columns<R>(&mut self, list: &List<'_, R>) -> Vec<(&'static str, Value)> {
        list.data_columns().map(|(name, column)| (name, self.column(name, column))).collect()
    }

    fn column<R>(&mut self, name: &str, column: &Column<'_, R>) -> Value {
        let mut schema = match column.shows {
            Shows::Bytes(_) | Shows::LastBytes(_) | Shows::Count(_) | Shows::Id(_) => {
                json!({ "type": "integer", "minimum": column.meaning.least })
            }
            Shows::Text(_) => json!({ "type": "string" }),
            Shows::Seconds(_) => json!({ "type": ["number", "null"], "minimum": 0 }),
            Shows::Share(_) => json!({ "type": ["number", "null"], "minimum": 0, "maximum": 1 }),
            Shows::Amounts(_) => self.generator.subschema_for::<Sums>().to_value(),
        };
        assert!(!column.meaning.text.is_empty(), "the column {name} does not say what it means");
        schema["description"] = column.meaning.text.into();
        schema
    }

    /// The schema of a document with such rows, whatever its type says of them.
    pub(crate) fn document<D: JsonSchema>(self) -> Schema {
        let mut document = self.generator.into_root_schema_for::<D>();
        let rows = document.pointer_mut("/properties/rows").expect("there are rows");
        *rows = json!({
            "type": "array",
            "items": { "type": "object", "required": self.required, "properties": self.properties },
        });
        document
    }
}

/// What lists are made of whose columns alone are of interest.
pub(crate) fn report_on_nothing() -> Report {
    let start = ClockPoint { stamp: Stamp(0), monotonic_ns: 0 };
    let header = Header {
        memprof_version: String::new(),
        command_line: Vec::new(),
        pid: 1,
        start_unix_ns: 0,
        start,
        clock: ClockKind::Monotonic,
        page_size: 4096,
        machine: String::new(),
        native_stacks: false,
        python_allocators_traced: ObjectTracing::Never,
    };
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    let writer = CaptureWriter::new(&mut file, &header).expect("it can be written");
    writer.finish_without_end().expect("it can be written");
    Report::open(file.path()).expect("it is a capture")
}
