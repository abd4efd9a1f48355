//! The CSV of `diff` has what its JSON has.

use std::collections::BTreeMap;

use crate::capture_builder::{CaptureBuilder, Place};
use crate::diff::{ALL, comparison, run, with_diff, worked_on};
use crate::lists::csv_rows;
use memprof_replay::metric::Metric;
use memprof_reporter::diff::{By, write_csv, write_json};
use serde_json::Value;

/// Names that are written otherwise than they are, a file that was renamed, and all kinds of changes.
fn odd_names() -> [CaptureBuilder; 2] {
    let stack = |file: &'static str| -> [Place<'static>; 3] {
        [("<module>", "a,\"b\".py", 1), ("parse\r\nall", file, 10), ("tokens", file, 30)]
    };
    let gone: [Place; 1] = [("gone", "gone; really.py", 2)];
    let before = run(&[(&stack("src/old.py"), 300), (&gone, 0), (&stack("src/old.py")[..1], 7)]);
    let after = run(&[(&stack("src/new.py"), 100), (&stack("src/new.py")[..2], 9), (&stack("src/new.py")[..1], 7)]);
    [before, after]
}

/// A row of JSON as CSV has it: the fields of an object with its name before theirs, and a number as it is read.
fn as_csv(row: &Value) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    for (name, value) in row.as_object().expect("a row") {
        match value {
            Value::Object(figures) => {
                fields.extend(figures.iter().map(|(of, number)| (format!("{name}_{of}"), number.to_string())));
            }
            Value::Array(functions) => {
                let text = |function: &Value, name: &str| function[name].as_str().expect("a name").to_owned();
                let frame = |function| format!("{};{}", text(function, "function"), text(function, "file"));
                let frames: Vec<String> = functions.iter().map(frame).collect();
                fields.insert(name.clone(), frames.join("|"));
            }
            Value::String(text) => drop(fields.insert(name.clone(), text.clone())),
            // Not empty and not the same text: what a reader of CSV makes of it.
            Value::Number(number) => drop(fields.insert(name.clone(), number.as_f64().expect("finite").to_string())),
            _ => drop(fields.insert(name.clone(), String::new())),
        }
    }
    // What is as it was before has a column, too.
    for (name, of) in [("file_before", "file"), ("module_before", "module")] {
        if fields.contains_key(of) {
            fields.entry(name.to_owned()).or_default();
        }
    }
    fields
}

#[test]
fn csv_has_what_json_has() {
    let nothing = || CaptureBuilder::new();
    for [before, after] in [worked_on(), odd_names(), [nothing(), run(&[(&[("f", "a.py", 1)], 5)])]] {
        for by in ALL {
            for metric in Metric::ALL {
                with_diff(&before, &after, comparison(by, metric), |diff| {
                    let (mut json, mut csv) = (Vec::new(), Vec::new());
                    write_json(diff, &mut json).expect("memory can be written");
                    write_csv(diff, &mut csv).expect("memory can be written");
                    let json: Value = serde_json::from_slice(&json).expect("it is JSON");
                    let rows: Vec<_> = json["rows"].as_array().expect("rows").iter().map(as_csv).collect();
                    let csv = String::from_utf8(csv).expect("it is UTF-8");
                    assert_eq!(csv_rows(&csv), rows, "{by:?} {metric:?}");
                });
            }
        }
    }
}

/// Who reads columns finds them, also where nothing differs.
#[test]
fn the_first_line_has_the_names() {
    let [run, _] = odd_names();
    for (by, subject) in [
        (By::Stack, "stack"),
        (By::Function, "function,file,kind,file_before"),
        (By::Line, "function,file,kind,file_before,line"),
        (By::Module, "module,module_before"),
        (By::Package, "package"),
    ] {
        with_diff(&run, &run, comparison(by, Metric::Total), |diff| {
            let mut csv = Vec::new();
            write_csv(diff, &mut csv).expect("memory can be written");
            let figures = "before_bytes,before_allocations,after_bytes,after_allocations,difference_bytes,\
                           difference_allocations,percent\r\n";
            assert_eq!(String::from_utf8_lossy(&csv), format!("status,{subject},{figures}"));
        });
    }
}

/// A renamed file is named as it is, and as it was.
#[test]
fn a_renamed_file_has_both_names() {
    let [before, after] = odd_names();
    with_diff(&before, &after, comparison(By::Line, Metric::Total), |diff| {
        let mut csv = Vec::new();
        write_csv(diff, &mut csv).expect("memory can be written");
        let rows = csv_rows(&String::from_utf8_lossy(&csv));
        let tokens = rows.iter().find(|row| row["function"] == "tokens").expect("it is there");
        assert_eq!(
            [&*tokens["file"], &tokens["file_before"], &tokens["status"]],
            ["src/new.py", "src/old.py", "shrunk"]
        );
        assert_eq!([&*tokens["difference_bytes"], &tokens["line"]], ["-200", "30"]);
    });
}
