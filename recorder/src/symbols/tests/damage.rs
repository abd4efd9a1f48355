//! Files that are damaged, or made to do harm.

use std::fs;

use memprof_capture::file::{Module, SymbolSource};
use object::{Object, ObjectSection};

use super::library::{Library, text};
use super::{Options, names, resolved};

#[test]
fn damaged_files_do_no_harm() {
    let library = Library::with_debugging_information();
    let (visible, whole) = (library.extent("visible"), fs::read(&library.path).unwrap());
    let addresses: Vec<u64> = visible.collect();
    let module = Module { build_id: Vec::new(), ..library.module() };
    // A small generator will do; the bytes that are hit are the same in every run.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..300 {
        let mut damaged = whole.clone();
        for _ in 0..8 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let at = state as usize % damaged.len();
            damaged[at] = (state >> 32) as u8;
        }
        fs::write(&library.path, &damaged).unwrap();
        let (_, source) = resolved(module.clone(), &addresses, &Options::default());
        let stumbled = matches!(&source, SymbolSource::Unreadable(_, why) if why.contains("stumbled"));
        assert!(!stumbled, "a panic");
    }
}

#[test]
fn a_damaged_unit_costs_what_it_describes_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.c");
    fs::write(&other, "int other(int x) { return x; }").unwrap();
    // Its unit comes first.
    let library = Library::new(&["-g", "-O2", "-Wl,--build-id", text(&other)]);
    let addresses = [library.extent("other").start, library.extent("visible").start];
    let lines = || {
        let (functions, _) = resolved(library.module(), &addresses, &Options::default());
        functions.iter().map(|chain| chain[0].line > 0).collect::<Vec<_>>()
    };
    assert_eq!(lines(), [true, true]);
    let mut bytes = fs::read(&library.path).unwrap();
    let second = {
        let file = object::File::parse(&*bytes).unwrap();
        let section = file.section_by_name(".debug_info").unwrap();
        let length = u32::from_le_bytes(*section.data().unwrap().first_chunk().unwrap());
        section.file_range().unwrap().0 as usize + 4 + length as usize
    };
    // The version, which comes after the unit's length.
    bytes[second + 4] = 99;
    fs::write(&library.path, bytes).unwrap();
    assert_eq!(lines(), [true, false]);
}

#[test]
fn functions_inlined_into_each_other_without_end_are_read() {
    const DEPTH: usize = 300_000;
    let source = format!(
        "
        .text
        .globl outer
        .type outer, @function
        outer: .skip 16, 0x90
        .size outer, . - outer

        .section .debug_abbrev, \"\", @progbits
        # A unit: where its code is.
        .uleb128 1; .uleb128 0x11; .byte 1
        .uleb128 0x11; .uleb128 1; .uleb128 0x12; .uleb128 7; .uleb128 0; .uleb128 0
        # A function: that, and its name.
        .uleb128 2; .uleb128 0x2e; .byte 1
        .uleb128 0x11; .uleb128 1; .uleb128 0x12; .uleb128 7; .uleb128 3; .uleb128 8; .uleb128 0; .uleb128 0
        # One that was inlined: nothing but the next one.
        .uleb128 3; .uleb128 0x1d; .byte 1; .uleb128 0; .uleb128 0
        .byte 0

        .section .debug_info, \"\", @progbits
        .long end - start
        start: .value 4; .long 0; .byte 8
        .uleb128 1; .quad outer; .quad 16
        .uleb128 2; .quad outer; .quad 16; .string \"described\"
        .rept {DEPTH}; .byte 3; .endr
        end:
    "
    );
    let library = Library::of(&source, "assembler", &["-Wl,--build-id"]);
    let outer = library.extent("outer").start;
    let (functions, _) = resolved(library.module(), &[outer], &Options::default());
    assert_eq!(names(&functions[0]), ["described"]);
}
