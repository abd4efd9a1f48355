//! Names in languages other than plain C.

use std::fs;
use std::process::Command;

use object::{Object, ObjectSymbol};

use super::super::Options;
use super::library::{Library, module, text};
use super::{debug, names, resolved};

#[test]
fn functions_within_functions_are_found() {
    let source = "
        int outer(int x) {
            __attribute__((noinline, used)) int nested(int y) { return x + y; }
            int (*volatile call)(int) = nested;
            return call(1) + call(2);
        }
    ";
    let library = Library::of(source, "c", &["-g", "-O2", "-Wl,--build-id"]);
    let data = fs::read(&library.path).unwrap();
    let file = object::File::parse(&*data).unwrap();
    let symbol = file.symbols().find(|symbol| symbol.name().is_ok_and(|name| name.starts_with("nested"))).unwrap();
    let (functions, source) = resolved(library.module(), &[symbol.address()], &Options::default());
    assert_eq!((names(&functions[0]), source), (vec!["nested"], debug(&library.path)));
    assert_eq!(functions[0][0].line, 3);
}

#[test]
fn names_that_the_debugging_information_cuts_short_come_from_the_table() {
    let source = "
        namespace shapes { struct Shape { int (*area)(int); }; }
        extern \"C\" int outer(int x) {
            auto lambda = [](int y) __attribute__((noinline)) { volatile int z = y; return z; };
            return lambda(x);
        }
    ";
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("empty.cpp"), "").unwrap();
    // Not every C compiler comes with one for C++.
    let is_there = Command::new("cc").args(["-fsyntax-only", text(&folder.path().join("empty.cpp"))]).output().unwrap();
    if !is_there.status.success() {
        return;
    }
    let library = Library::of(source, "c++", &["-g", "-O1", "-std=c++17", "-Wl,--build-id"]);
    let data = fs::read(&library.path).unwrap();
    let file = object::File::parse(&*data).unwrap();
    let symbol = file.symbols().find(|symbol| symbol.name().is_ok_and(|name| name.contains("ENKUl"))).unwrap();
    let (functions, _) = resolved(library.module(), &[symbol.address()], &Options::default());
    assert_eq!(names(&functions[0]), ["outer::{lambda(int)#1}::operator()(int) const"]);
    assert_eq!(functions[0][0].line, 4);
}

#[test]
fn names_of_rust_functions_are_readable() {
    #[inline(never)]
    fn landmark(number: &mut u64) -> u64 {
        *number += 1;
        std::hint::black_box(*number)
    }
    let address = landmark as fn(&mut u64) -> u64 as usize as u64;
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let path = std::env::current_exe().unwrap();
    let start = maps.lines().find(|line| line.ends_with(text(&path))).unwrap().split_once('-').unwrap().0;
    let bias = u64::from_str_radix(start, 16).unwrap();
    let (functions, _) = resolved(module(&path, Vec::new()), &[address - bias], &Options::default());
    let name = &functions[0][0].name;
    assert!(name.ends_with("names_of_rust_functions_are_readable::landmark"), "{name}");
}
