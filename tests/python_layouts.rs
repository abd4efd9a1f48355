//! Interpreters that tell memprof something wrong about where their fields are: they run as ever, and are recorded without
//! Python's frames.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::support::pythons::{self, Python};
use crate::support::recording::Recording;

/// What `_PyRuntime` begins with: a table of 64-bit words.
const COOKIE: [u8; 8] = *b"xdebugpy";
const WORDS: usize = 96;

/// Where in an interpreter's file its table is, if it has one.
fn table(data: &[u8]) -> Option<usize> {
    let is_table = |&at: &usize| data[at..].starts_with(&COOKIE) && data[at + 11] == 3 && at + WORDS * 8 <= data.len();
    (0..data.len() - WORDS * 8).step_by(8).find(is_table)
}

fn word(data: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(data[at..at + 8].try_into().expect("eight bytes"))
}

/// Where in the file it stands that a frame's instruction is at offset 56: after the caller's frame and the code object, and
/// before the local variables and the owner.
fn instruction(data: &[u8], table: usize) -> usize {
    let matches = |&at: &usize| {
        let [previous, code, instruction, locals, owner] = [0, 8, 16, 24, 32].map(|more| word(data, at + more));
        (previous, code, instruction) == (8, 0, 56) && (64..100).contains(&locals) && (64..100).contains(&owner)
    };
    let found = (table..table + WORDS * 8).step_by(8).find(matches);
    found.expect("the table says where the instruction is") + 16
}

/// The file of an interpreter that has its table, a program or a library, and where in it the instruction's offset stands.
struct Interpreter {
    path: PathBuf,
    data: Vec<u8>,
    at: usize,
}

fn interpreter(python: &Python) -> Option<Interpreter> {
    let path = python.library().unwrap_or_else(|| python.path.clone());
    let data = fs::read(&path).expect("the interpreter can be read");
    let at = instruction(&data, table(&data)?);
    Some(Interpreter { path, data, at })
}

impl Interpreter {
    /// Puts one into a folder that says that a frame's instruction is elsewhere.
    fn write_into(&mut self, folder: &Path, offset: u64) -> PathBuf {
        self.data[self.at..self.at + 8].copy_from_slice(&offset.to_le_bytes());
        let path = folder.join(self.path.file_name().expect("it has a name"));
        fs::write(&path, &self.data).expect("a file can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it can be made executable");
        path
    }
}

#[test]
fn what_cannot_be_right_is_refused() {
    const CODE: &str = "block = bytearray(3_000_000)\nprint('done')";
    for (python, mut interpreter) in pythons::that_have("a table of its own offsets", interpreter) {
        let home = python.home();
        // What no field can be at; what another one is at; and what holds something else, as the first frame shows.
        for offset in [57, 8, 48] {
            let folder = tempfile::tempdir().expect("a temporary folder can be made");
            let path = interpreter.write_into(folder.path(), offset);
            let is_library = interpreter.path != python.path;
            let wrong = Python { path: if is_library { python.path.clone() } else { path }, ..python.clone() };
            // What a program finds by its own place must be told to one that has been put elsewhere.
            let libraries = format!("{}:{home}/lib", folder.path().display());
            let recording = Recording::of_code(&wrong, CODE).variable("PYTHONHOME", &home);
            let recorded = recording.variable("LD_LIBRARY_PATH", libraries).run().succeeds();
            assert_eq!(recorded.finished().stdout(), "done\n", "{python}, {offset}");
            recorded.assert_stacks_are_refused();
        }
    }
}
