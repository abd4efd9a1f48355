//! Which package places belong to, by what the capture says and by paths; and captures that are made of others keep it.

use std::collections::BTreeMap;

use memprof_capture::file::{
    CaptureReader, Code, FilePackage, Frame, Function, Module, NativeFrame, PackagedFile, Tables,
};
use memprof_channel::allocator::Allocator::Malloc;
use memprof_channel::ids::{CodeId, ModuleId};
use memprof_reporter::packages::{Package, Packages};
use memprof_reporter::places::Places;

use crate::capture_builder::{CaptureBuilder, START, aggregated, file_of};
use crate::derived_captures::{joined, later, trimmed};
use crate::native_run::native_run;

const NUMPY: &str = "/v/lib/python3.11/site-packages/numpy/core/x.py";
const YAML: &str = "/v/lib/python3.11/site-packages/yaml/__init__.py";
const SPEED: &str = "/v/lib/python3.11/site-packages/numpy/core/_speed.cpython-311-x86_64-linux-gnu.so";

fn distribution(file: &str, name: &str) -> PackagedFile {
    PackagedFile { file: file.to_owned(), package: FilePackage::Distribution(name.to_owned()) }
}

/// By function, what its package is called.
fn names(tables: &Tables) -> BTreeMap<String, String> {
    let places = Places::resolve(tables);
    let packages = Packages::of(tables, &places);
    places.ids().map(|place| (places.function(place).to_owned(), packages.name(place).to_owned())).collect()
}

/// Frames of Python functions called `f0`, `f1` and so on in these files, and of native ones `n0`, `n1` in these
/// modules, which hold an interpreter or not.
fn tables(files: &[&str], modules: &[(&str, bool)]) -> Tables {
    let code = |(number, file): (usize, &&str)| Code {
        name: format!("f{number}"),
        qualified_name: String::new(),
        file: (*file).to_owned(),
        first_line: 1,
        format: memprof_channel::code::LineTableFormat::Locations,
        line_table: Vec::new(),
    };
    let module = |&(path, is_interpreter): &(&str, bool)| {
        Some(Module { path: path.to_owned(), build_id: Vec::new(), bias: 0, start: 0, end: 1, is_interpreter })
    };
    let python = (0..files.len()).map(|row| Frame::Python { code: CodeId::from_index(row), offset: 0 });
    let native = |module| Frame::Native(NativeFrame { module, address: 1, interrupted: false, evaluates: false });
    let natives = (0..modules.len()).map(|row| native(Some(ModuleId::from_index(row))));
    let function = |name: String| vec![Function { name, file: String::new(), line: 0 }];
    let nameless = files.iter().map(|_| Vec::new());
    Tables {
        codes: files.iter().enumerate().map(code).map(Some).collect(),
        modules: modules.iter().map(module).collect(),
        frames: python.chain(natives).map(Some).collect(),
        symbols: nameless.chain((0..modules.len()).map(|row| function(format!("n{row}")))).collect(),
        ..Tables::default()
    }
}

fn name_of(names: &BTreeMap<String, String>, function: &str) -> String {
    names.get(function).cloned().unwrap_or_else(|| panic!("no {function} in {names:?}"))
}

#[test]
fn paths_decide_where_metadata_did_not() {
    let files = [
        (NUMPY, "numpy"),
        ("/v/lib/python3.11/site-packages/six.py", "six"),
        ("/usr/lib/python3/dist-packages/apt/x.py", "apt"),
        ("/usr/lib/python3.11/json/decoder.py", "Python"),
        ("<frozen importlib._bootstrap>", "Python"),
        ("/home/ada/project/main.py", "<program>"),
        ("<string>", "<program>"),
        ("main.py", "<program>"),
    ];
    let modules = [
        ((SPEED, false), "numpy"),
        (("/usr/bin/python3.11", true), "Python"),
        (("/usr/lib/libpython3.11.so.1.0", true), "Python"),
        (("/usr/lib/python3.11/lib-dynload/_json.cpython-311.so", false), "Python"),
        (("/lib/x86_64-linux-gnu/libc.so.6", false), "libc.so.6"),
        (("[vdso]", false), "[vdso]"),
        (("/home/ada/project/tool", false), "<program>"),
        (("/opt/app/worker", true), "<program>"),
    ];
    let tables = tables(&files.map(|(file, _)| file), &modules.map(|(module, _)| module));
    let names = names(&tables);
    for (number, (file, name)) in files.iter().enumerate() {
        assert_eq!(name_of(&names, &format!("f{number}")), *name, "{file}");
    }
    for (number, (module, name)) in modules.iter().enumerate() {
        assert_eq!(name_of(&names, &format!("n{number}")), *name, "{module:?}");
    }
}

#[test]
fn metadata_knows_better_than_paths() {
    let mut tables = tables(&[YAML, "/srv/app/a.py", "/src/cpython/Lib/os.py"], &[(SPEED, false)]);
    let library = PackagedFile { file: "/src/cpython/Lib/os.py".to_owned(), package: FilePackage::StandardLibrary };
    tables.add_packages([distribution(YAML, "PyYAML"), distribution("/srv/app/a.py", "app"), library]);
    let found = names(&tables);
    assert_eq!(
        ["f0", "f1", "f2", "n0"].map(|function| name_of(&found, function)),
        ["PyYAML", "app", "Python", "numpy"]
    );
}

#[test]
fn a_function_of_several_modules_is_nobody_s_alone() {
    let header = || vec![Function { name: "push_back".to_owned(), file: "/usr/include/vector.h".to_owned(), line: 7 }];
    let mut tables = tables(&[], &[(SPEED, false), ("/lib/libx.so.1", false), (SPEED, false)]);
    tables.symbols = vec![header(); 3];
    assert_eq!(name_of(&names(&tables), "push_back"), "<several packages>");
    tables.symbols[1] = Vec::new();
    assert_eq!(name_of(&names(&tables), "push_back"), "numpy");
}

#[test]
fn what_is_made_or_lost_has_a_name_as_well() {
    let mut tables = tables(&["a.py"], &[("/opt/app/worker", true)]);
    let native = |evaluates| Frame::Native(NativeFrame { module: None, address: 5, interrupted: false, evaluates });
    tables.frames.extend([Some(native(true)), None]);
    tables.symbols.extend([Vec::new(), Vec::new()]);
    tables.symbols[1][0].name = "PyObject_Call".to_owned();
    let found = names(&tables);
    assert_eq!(name_of(&found, "PyObject_Call"), "Python", "linked into the program");
    assert_eq!(name_of(&found, "0x5"), "Python");
    assert_eq!(name_of(&found, "<Python runtime>"), "Python");
    assert_eq!(name_of(&found, "<function lost>"), "<function lost>");
    tables.frames[2] = Some(native(false));
    assert_eq!(name_of(&names(&tables), "0x5"), "<program>");
    let places = Places::resolve(&tables);
    let packages = Packages::of(&tables, &places);
    assert_eq!(*packages.get(packages.id(places.no_python())), Package::Nowhere("<no Python stack>".to_owned()));
}

/// A run with files of two distributions, of which one allocates in the first half.
fn packaged_run() -> CaptureBuilder {
    let mut builder = CaptureBuilder::new();
    let [early, late] =
        [("load", YAML), ("fill", NUMPY)].map(|(function, file)| builder.site(&[(function, file, 1)], Malloc));
    builder.allocate(16, 10, early).free(16).allocate(32, 20, late);
    builder.packages = vec![distribution(YAML, "PyYAML"), distribution(NUMPY, "NumPy")];
    builder
}

fn tables_of(bytes: &[u8]) -> Tables {
    let (_folder, path) = file_of(bytes);
    CaptureReader::open(&path).expect("it can be opened").tables().clone()
}

#[test]
fn captures_made_of_others_keep_the_packages_of_what_they_have() {
    let bytes = packaged_run().to_bytes();
    let all = tables_of(&bytes).packages;
    assert_eq!(all.len(), 2);
    assert_eq!(tables_of(&aggregated(&bytes)).packages, all);
    assert_eq!(tables_of(&trimmed(&bytes, 0, u64::MAX, &[])).packages, all);
    let end = trimmed(&bytes, START + 3 * 1_250_000 - 1, u64::MAX, &[]);
    assert_eq!(tables_of(&end).packages.into_keys().collect::<Vec<_>>(), [NUMPY]);
    // With one that has none, and with one that disagrees.
    let none = later(native_run(), 10).to_bytes();
    let mut other = later(packaged_run(), 20);
    other.packages[0] = distribution(YAML, "another");
    let other = other.to_bytes();
    for captures in [[&*bytes, &none, &other], [&aggregated(&bytes), &none, &other]] {
        assert_eq!(tables_of(&joined(&captures).expect("they are merged")).packages, all);
    }
    let names = names(&tables_of(&bytes));
    assert_eq!((name_of(&names, "load"), name_of(&names, "fill")), ("PyYAML".to_owned(), "NumPy".to_owned()));
}
