//! Rows that the program describes: code objects and modules.

use std::hash::Hash;

use memprof_capture::file::{Code, Module};
use memprof_channel::code::{CodeDescription, LineTableFormat};
use memprof_channel::module::ModuleDescription;
use rustc_hash::FxHashMap;

use super::fingerprint::Fingerprint;

/// A row that the program describes.
pub trait Described: Hash + Sized {
    /// The row that a description makes; nothing when it makes no sense.
    fn parse(description: &[u8]) -> Option<Self>;

    /// What represents a row whose description is missing: the program was killed between its use and its description.
    fn unknown() -> Self;
}

/// A table whose rows are described in any order, and maybe after they were first referred to.
pub struct DescribedRows<T> {
    /// The number of each row, by image and the image's own number.
    ids: FxHashMap<(u32, u32), u32>,
    /// The numbers of the rows that have been described, by their fingerprints: rows are long, and not needed any
    /// more when they are written. Forked processes, which describe everything again, share them.
    known: FxHashMap<Fingerprint, u32>,
    /// Rows from the first one that has not been written; one that has not been described yet is `None`.
    rows: Vec<Option<T>>,
    written: usize,
}

impl<T> Default for DescribedRows<T> {
    fn default() -> Self {
        Self { ids: FxHashMap::default(), known: FxHashMap::default(), rows: Vec::new(), written: 0 }
    }
}

impl<T: Described> DescribedRows<T> {
    /// The number of the row that an image has given a number of its own.
    pub fn id(&mut self, image: u32, number: u32) -> u32 {
        let next = u32::try_from(self.written + self.rows.len()).expect("a table holds at most u32::MAX rows");
        let id = *self.ids.entry((image, number)).or_insert(next);
        if id == next {
            self.rows.push(None);
        }
        id
    }

    /// Notes what a row is. Returns its number.
    pub fn describe(&mut self, image: u32, number: u32, row: T) -> u32 {
        let fingerprint = Fingerprint::of(&row);
        if let Some(&known) = self.known.get(&fingerprint)
            && !self.ids.contains_key(&(image, number))
        {
            self.ids.insert((image, number), known);
            return known;
        }
        let id = self.id(image, number);
        self.known.entry(fingerprint).or_insert(id);
        if let Some(place) = (id as usize).checked_sub(self.written).and_then(|at| self.rows.get_mut(at)) {
            *place = Some(row);
        }
        id
    }

    /// The rows that can be written: in order, so that one that has not been described yet holds up those after it,
    /// except at the end.
    pub fn take(&mut self, at_the_end: bool) -> Vec<T> {
        if at_the_end {
            self.rows.iter_mut().filter(|row| row.is_none()).for_each(|row| *row = Some(T::unknown()));
        }
        let ready = self.rows.iter().take_while(|row| row.is_some()).count();
        self.written += ready;
        self.rows.drain(..ready).flatten().collect()
    }
}

impl Described for Code {
    fn parse(description: &[u8]) -> Option<Self> {
        let code = CodeDescription::parse(description)?;
        Some(Self {
            name: text(code.name),
            qualified_name: text(code.qualified_name),
            file: text(code.file),
            first_line: code.first_line,
            format: code.format,
            line_table: code.line_table.to_vec(),
        })
    }

    fn unknown() -> Self {
        Self {
            name: UNKNOWN.to_owned(),
            qualified_name: UNKNOWN.to_owned(),
            file: String::new(),
            first_line: 0,
            format: LineTableFormat::Locations,
            line_table: Vec::new(),
        }
    }
}

impl Described for Module {
    fn parse(description: &[u8]) -> Option<Self> {
        let module = ModuleDescription::parse(description)?;
        Some(Self {
            path: text(module.path),
            build_id: module.build_id.to_vec(),
            bias: module.bias,
            start: module.start,
            end: module.end,
            is_interpreter: module.is_interpreter,
        })
    }

    fn unknown() -> Self {
        let path = UNKNOWN.to_owned();
        Self { path, build_id: Vec::new(), bias: 0, start: 0, end: 0, is_interpreter: false }
    }
}

const UNKNOWN: &str = "<unknown>";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description(name: &str) -> Vec<u8> {
        let mut bytes = vec![7, 0, 0, 0, 3];
        for text in [name, name, "file.py", ""] {
            bytes.extend((text.len() as u32).to_le_bytes());
            bytes.extend(text.as_bytes());
        }
        bytes
    }

    fn code(name: &str) -> Code {
        Code::parse(&description(name)).expect("a description")
    }

    #[test]
    fn what_a_forked_process_describes_again_is_one_row() {
        let mut codes = DescribedRows::default();
        let parents = codes.describe(1, 0, code("function"));
        assert_eq!(codes.id(1, 0), parents);
        assert_eq!(codes.take(false).len(), 1);
        codes.describe(2, 7, code("function"));
        assert_eq!(codes.id(2, 7), parents);
        codes.describe(2, 8, code("other"));
        assert_ne!(codes.id(2, 8), parents);
        // Its number is given before it is known to be the same.
        codes.id(3, 1);
        codes.describe(3, 1, code("function"));
        assert_eq!(codes.take(false).len(), 2);
    }

    #[test]
    fn rows_are_written_in_order_however_they_are_described() {
        let mut codes = DescribedRows::default();
        codes.id(1, 5);
        codes.describe(1, 6, code("second"));
        assert!(codes.take(false).is_empty());
        codes.describe(1, 5, code("first"));
        let names: Vec<_> = codes.take(false).into_iter().map(|code| code.name).collect();
        assert_eq!(names, ["first", "second"]);
        // Another image counts from scratch.
        codes.id(2, 5);
        assert_eq!(codes.take(true)[0].name, "<unknown>");
        assert_eq!(Code::parse(b"nonsense"), None);
    }
}
