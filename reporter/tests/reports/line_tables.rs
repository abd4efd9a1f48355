//! Line tables against what the interpreters themselves say (line_table_fixtures/dump.py).
//!
//! For a check over the whole standard library, dump its modules to JSON files in a folder and name the folder in
//! `MEMPROF_LINE_TABLE_DUMPS`.

use std::fs;
use std::path::Path;

use memprof_channel::code::LineTableFormat;
use memprof_reporter::line_table::{LineIndex, find_line};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Dump {
    name: String,
    first_line: u32,
    format: LineTableFormat,
    table: Vec<u8>,
    /// End of the run in bytes, and its line.
    lines: Vec<(u32, Option<u32>)>,
    /// Of each code unit.
    positions: Vec<Position>,
}

/// Line, end line, column, end column.
type Position = (Option<u32>, Option<u32>, Option<u32>, Option<u32>);

fn check(path: &Path) -> usize {
    let text = fs::read_to_string(path).expect("the dump can be read");
    let dumps: Vec<Dump> = serde_json::from_str(&text).expect("the dump is well-formed");
    let mut index = LineIndex::default();
    for dump in &dumps {
        let context = |offset: u32| format!("{} {}:{} at {offset}", path.display(), dump.name, dump.first_line);
        index.load(dump.format, &dump.table, dump.first_line);
        let mut offset = 0;
        for &(end, line) in &dump.lines {
            for offset in (offset..end).step_by(2) {
                let found = index.find(offset);
                assert_eq!(found.and_then(|range| range.line), line, "{}", context(offset));
            }
            let alone = find_line(dump.format, &dump.table, dump.first_line, offset);
            assert_eq!(alone.as_ref(), index.find(offset), "{}", context(offset));
            offset = end;
        }
        for (unit, &(line, end_line, start, end)) in (0..).zip(&dump.positions) {
            let range = index.find(unit * 2).copied();
            assert_eq!(range.and_then(|range| range.line), line, "{}", context(unit * 2));
            let columns = range.and_then(|range| range.columns).map(|found| (found.end_line, found.start, found.end));
            let expected = end_line.zip(start).zip(end).map(|((end_line, start), end)| (end_line, start, end));
            assert_eq!(columns, expected, "{}", context(unit * 2));
        }
    }
    dumps.len()
}

#[test]
fn lines_are_those_of_the_interpreters() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/line_table_fixtures");
    for version in ["3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15"] {
        assert!(check(&folder.join(format!("{version}.json"))) > 10);
    }
}

#[test]
fn lines_of_the_standard_library_are_those_of_the_interpreters() {
    let Some(folder) = std::env::var_os("MEMPROF_LINE_TABLE_DUMPS") else { return };
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        println!("{}: {} code objects", path.display(), check(&path));
    }
}

proptest! {
    #[test]
    fn any_table_is_read_to_its_end(table: Vec<u8>, first_line: u32, offset in 0..10_000_u32) {
        for format in [LineTableFormat::Lnotab, LineTableFormat::Lines, LineTableFormat::Locations] {
            let mut index = LineIndex::default();
            index.load(format, &table, first_line);
            let alone = find_line(format, &table, first_line, offset);
            prop_assert_eq!(alone.as_ref(), index.find(offset));
        }
    }
}
