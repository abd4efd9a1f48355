//! Interpreters that give memprof something wrong about where their fields are: they run as ever, and are recorded
//! without Python's frames.

use crate::support::falsified::Interpreter;
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

/// Where in the file it says that a frame's instruction is at offset 56: after the caller's frame and the code object,
/// and before the local variables and the owner.
fn instruction(data: &[u8], table: usize) -> usize {
    let matches = |&at: &usize| {
        let [previous, code, instruction, locals, owner] = [0, 8, 16, 24, 32].map(|more| word(data, at + more));
        (previous, code, instruction) == (8, 0, 56) && (64..100).contains(&locals) && (64..100).contains(&owner)
    };
    let found = (table..table + WORDS * 8).step_by(8).find(matches);
    found.expect("the table says where the instruction is") + 16
}

/// An interpreter that has its table, and where in its file the instruction's offset is.
fn interpreter(python: &Python) -> Option<(Interpreter, usize)> {
    let interpreter = Interpreter::of(python);
    let at = instruction(interpreter.data(), table(interpreter.data())?);
    Some((interpreter, at))
}

#[test]
fn what_cannot_be_right_is_refused() {
    const CODE: &str = "block = bytearray(3_000_000)\nprint('done')";
    for (python, (interpreter, at)) in pythons::that_have("a table of its own offsets", interpreter) {
        // What no field can be at; what another one is at; and what holds something else, as the first frame shows.
        for offset in [57_u64, 8, 48] {
            let wrong = interpreter.with(python, at, &offset.to_le_bytes());
            let recorded = wrong.place(Recording::of_code(&wrong.python, CODE)).run().succeeds();
            assert_eq!(recorded.finished().stdout(), "done\n", "{python}, {offset}");
            recorded.assert_stacks_are_refused();
        }
    }
}
