//! The file and line of an address.

use std::cell::RefCell;

use gimli::{Dwarf, LineProgramHeader, Unit};
use rustc_hash::FxHashMap;

use super::Reader;
use super::line_machine::LineMachine;

/// The lines at some addresses of a unit.
pub struct Lines<'a, 'd> {
    dwarf: &'a Dwarf<Reader<'d>>,
    unit: &'a Unit<Reader<'d>>,
    /// For each address the file's number and the line, if they are known.
    pub rows: Vec<Option<(u64, u32)>>,
    files: RefCell<FxHashMap<u64, String>>,
}

impl<'a, 'd> Lines<'a, 'd> {
    /// Runs the unit's line program for addresses in ascending order. Of its rows nothing is kept but the answers.
    pub fn of(dwarf: &'a Dwarf<Reader<'d>>, unit: &'a Unit<Reader<'d>>, addresses: &[u64]) -> Self {
        let mut lines = Self { dwarf, unit, rows: vec![None; addresses.len()], files: RefCell::default() };
        // What comes after a place that makes no sense cannot be found.
        let _ = lines.run(addresses);
        lines
    }

    fn run(&mut self, addresses: &[u64]) -> gimli::Result<()> {
        let Some(program) = &self.unit.line_program else { return Ok(()) };
        let mut machine = LineMachine::of(program.header());
        // The row before this one in the same sequence, which holds up to this one, and the first address that it holds.
        let mut before: Option<(u64, u32)> = None;
        let mut index = 0;
        let mut is_left_out = false;
        let mut missing = addresses.len();
        while missing > 0 && machine.next_row()? {
            match before {
                // What begins at 0 was left out by the linker.
                None => {
                    is_left_out = machine.address == 0;
                    index = addresses.partition_point(|&address| address < machine.address);
                }
                Some(place) => {
                    while !is_left_out && addresses.get(index).is_some_and(|&address| address < machine.address) {
                        missing -= usize::from(self.rows[index].is_none());
                        self.rows[index].get_or_insert(place);
                        index += 1;
                    }
                }
            }
            before = (!machine.is_end).then_some((machine.file, machine.line as u32));
        }
        Ok(())
    }

    /// The path of the file with this number; empty where the unit does not know it.
    pub fn file(&self, number: u64) -> String {
        let mut files = self.files.borrow_mut();
        files.entry(number).or_insert_with(|| self.path(number).unwrap_or_default()).clone()
    }

    fn path(&self, number: u64) -> Option<String> {
        let header: &LineProgramHeader<_> = self.unit.line_program.as_ref()?.header();
        let file = header.file(number)?;
        let text = |value| Some(self.dwarf.attr_string(self.unit, value).ok()?.to_string_lossy().into_owned());
        let mut path = self.unit.comp_dir.map_or_else(String::new, |folder| folder.to_string_lossy().into_owned());
        // The first folder is the compiler's own, once more. It may be a relative one (`-ffile-prefix-map`).
        if file.directory_index() != 0
            && let Some(folder) = file.directory(header).and_then(text)
        {
            append(&mut path, &folder);
        }
        append(&mut path, &text(file.path_name())?);
        Some(path)
    }
}

/// Adds a path to that of the folder to which it is relative.
fn append(path: &mut String, more: &str) {
    if more.starts_with('/') {
        path.clear();
    }
    for part in more.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if !path.is_empty() || more.starts_with('/') {
            path.push('/');
        }
        path.push_str(part);
    }
}

#[cfg(test)]
mod tests {
    use super::append;

    #[test]
    fn paths_are_joined_as_folders_are() {
        for (folder, more, joined) in [
            ("/build", "Modules/gc.c", "/build/Modules/gc.c"),
            ("/build", "./Modules//gc.c", "/build/Modules/gc.c"),
            ("/build", "/usr/include/stdio.h", "/usr/include/stdio.h"),
            ("", "a/b.c", "a/b.c"),
            ("/build", "", "/build"),
        ] {
            let mut path = folder.to_owned();
            append(&mut path, more);
            assert_eq!(path, joined);
        }
    }
}
