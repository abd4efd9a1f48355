//! Names from real files: made by the compiler when the tests run, taken apart by binutils.

mod damage;
mod languages;
mod library;
mod redo;
mod unpacking;

use std::fs;
use std::path::Path;
use std::process::Command;

use memprof_capture::file::{Fact, Function, Module, NativeFrame, SymbolSource};
use memprof_channel::ids::{FrameId, ModuleId};

use super::{KeptFiles, Options, Resolution};
use library::{Library, SOURCE, module, run, text};

/// The names at these addresses of a module, and where they come from.
fn resolved(module: Module, addresses: &[u64], options: &Options) -> (Vec<Vec<Function>>, SymbolSource) {
    let frames = (0..).zip(addresses).map(|(number, &address)| {
        let native = NativeFrame { module: Some(ModuleId(0)), address, interrupted: true, evaluates: false };
        (FrameId(number), native)
    });
    let mut found = Resolution::of(&[Some(module)], frames, &[], options, &KeptFiles::default());
    let outcome = found.modules.remove(0);
    let mut functions = vec![Vec::new(); addresses.len()];
    for symbols in found.symbols {
        functions[symbols.frame.index()] = symbols.functions;
    }
    assert_eq!(
        (outcome.frames, outcome.named),
        (addresses.len(), functions.iter().filter(|it| !it.is_empty()).count())
    );
    (functions, outcome.source)
}

fn unpacking() -> Options {
    Options { unpack: true, ..Options::default() }
}

fn names(functions: &[Function]) -> Vec<&str> {
    functions.iter().map(|function| function.name.as_str()).collect()
}

/// What debugging information says: the inlined functions with their lines, and the hidden one.
fn assert_informed(module: Module, visible: std::ops::Range<u64>, hidden: u64, options: &Options) -> SymbolSource {
    let mut addresses: Vec<u64> = visible.collect();
    addresses.push(hidden);
    let (functions, source) = resolved(module, &addresses, options);
    let (last, functions) = functions.split_last().unwrap();
    assert_eq!(names(last), ["hidden"]);
    assert!(functions.iter().all(|chain| chain[0].name == "visible"));
    let inlined: Vec<_> = functions.iter().filter(|chain| chain.len() == 3).collect();
    assert!(!inlined.is_empty(), "{functions:?}");
    for chain in inlined {
        assert_eq!(names(chain), ["visible", "middle", "inner"]);
        assert_eq!((chain[0].line, chain[1].line), (12, 9));
        assert!((5..=6).contains(&chain[2].line), "{chain:?}");
        assert!(chain.iter().all(|function| function.file.ends_with("/code") && function.file.starts_with('/')));
    }
    source
}

fn debug(path: &Path) -> SymbolSource {
    SymbolSource::DebugInformation(text(path).to_owned())
}

fn table(path: &Path) -> SymbolSource {
    SymbolSource::SymbolTable(text(path).to_owned())
}

#[test]
fn inlined_functions_are_seen_in_every_form_of_debugging_information() {
    for flags in [
        vec!["-gdwarf-5"],
        vec!["-gdwarf-4"],
        vec!["-gdwarf-5", "-gz"],
        vec!["-gdwarf-5", "-ffunction-sections"],
        vec!["-gdwarf-4", "-fdebug-types-section"],
    ] {
        let library = Library::new(&[&flags[..], &["-O2", "-Wl,--build-id"]].concat());
        let (visible, hidden) = (library.extent("visible"), library.extent("hidden").start);
        let source = assert_informed(library.module(), visible.clone(), hidden, &Options::default());
        assert_eq!(source, debug(&library.path), "{flags:?}");
        // Some compilers write no list of the units' addresses.
        run("objcopy", &["--remove-section", ".debug_aranges", text(&library.path)]);
        assert_informed(library.module(), visible, hidden, &Options::default());
    }
}

#[test]
fn a_compiler_s_folder_that_is_relative_is_told_once() {
    for version in ["-gdwarf-4", "-gdwarf-5"] {
        let library = Library::with_debugging_information();
        // As distributions do it, so that the same source gives the same file wherever it is compiled.
        let status = Command::new("cc")
            .current_dir(library.folder.path())
            .args(["-O2", version, "-shared", "-fPIC", "-nostdlib", "-o", text(&library.path), "-x", "c", "code"])
            .arg(format!("-ffile-prefix-map={}=./here", text(library.folder.path())))
            .status();
        assert!(status.unwrap().success());
        let (functions, _) = resolved(library.module(), &[library.extent("visible").start], &Options::default());
        assert_eq!(functions[0][0].file, "./here/code", "{version}");
    }
}

#[test]
fn sections_compressed_by_zstd_are_unpacked() {
    let library = Library::with_debugging_information();
    let (visible, hidden) = (library.extent("visible"), library.extent("hidden").start);
    // Older binutils cannot.
    let packed =
        Command::new("objcopy").args(["--compress-debug-sections=zstd", text(&library.path)]).output().unwrap();
    if packed.status.success() {
        assert_informed(library.module(), visible, hidden, &Options::default());
    }
}

#[test]
fn a_stripped_file_names_what_it_exports_and_nothing_else() {
    let library = Library::with_debugging_information();
    let (visible, hidden) = (library.extent("visible"), library.extent("hidden").start);
    run("strip", &["--strip-debug", text(&library.path)]);
    let addresses = [hidden, visible.start, visible.end - 1];
    let (functions, source) = resolved(library.module(), &addresses, &Options::default());
    assert_eq!(source, table(&library.path));
    assert_eq!(functions.iter().map(|chain| names(chain)).collect::<Vec<_>>(), [["hidden"], ["visible"], ["visible"]]);
    run("strip", &["--strip-all", text(&library.path)]);
    let (functions, source) = resolved(library.module(), &addresses, &Options::default());
    assert_eq!(source, table(&library.path));
    assert!(functions[0].is_empty());
    assert_eq!(names(&functions[1]), ["visible"]);
    let (_, source) = resolved(library.module(), &[hidden], &Options::default());
    assert_eq!(source, SymbolSource::Nameless);
}

#[test]
fn a_separate_file_is_found_by_its_build_id() {
    let library = Library::with_debugging_information();
    let (visible, hidden) = (library.extent("visible"), library.extent("hidden").start);
    let folder = tempfile::tempdir().unwrap();
    let file = library.debug_file_by_build_id(folder.path());
    library.split_off(&file);
    let options = Options { debug_paths: vec![folder.path().to_owned()], ..Options::default() };
    assert_eq!(assert_informed(library.module(), visible.clone(), hidden, &options), debug(&file));
    // Also when the library itself is gone.
    let gone = Module { path: "/gone/lib.so".to_owned(), ..library.module() };
    assert_eq!(assert_informed(gone, visible.clone(), hidden, &options), debug(&file));
    // What belongs to another build is not taken, whatever its name.
    let other = Library::of(&SOURCE.replace("* 3", "* 5"), "c", &["-g", "-O2", "-Wl,--build-id"]);
    fs::copy(&other.path, &file).unwrap();
    let (functions, source) = resolved(library.module(), &[visible.start, hidden], &options);
    assert_eq!(source, table(&library.path));
    assert_eq!((names(&functions[0]), functions[1].len()), (vec!["visible"], 0));
}

#[test]
fn compressed_separate_files_are_unpacked_where_that_may_cost_something() {
    let library = Library::new(&["-g", "-O2", "-gz", "-Wl,--build-id"]);
    let (visible, hidden) = (library.extent("visible"), library.extent("hidden").start);
    let folder = tempfile::tempdir().unwrap();
    let file = library.debug_file_by_build_id(folder.path());
    library.split_off(&file);
    let debug_paths = vec![folder.path().to_owned()];
    let options = Options { debug_paths, ..unpacking() };
    assert_eq!(assert_informed(library.module(), visible, hidden, &options), debug(&file));
    let (functions, source) = resolved(library.module(), &[hidden], &Options { unpack: false, ..options });
    assert_eq!((names(&functions[0]), source), (vec!["hidden"], table(&file)));
}

#[test]
fn a_separate_file_is_found_by_its_name_and_checksum() {
    let library = Library::new(&["-g", "-O2", "-Wl,--build-id=none"]);
    let (visible, hidden) = (library.extent("visible"), library.extent("hidden").start);
    assert!(library.build_id().is_empty());
    let folder = library.folder.path();
    let file = folder.join("lib.so.debug");
    library.split_off(&file);
    run("objcopy", &[&format!("--add-gnu-debuglink={}", text(&file)), text(&library.path)]);
    let informed = |options: &Options| assert_informed(library.module(), visible.clone(), hidden, options);
    assert_eq!(informed(&Options::default()), debug(&file));
    for place in [folder.join(".debug/lib.so.debug"), folder.join("elsewhere/lib.so.debug")] {
        fs::create_dir(place.parent().unwrap()).unwrap();
        fs::rename(&file, &place).unwrap();
        let options = Options { debug_paths: vec![folder.join("elsewhere")], ..Options::default() };
        assert_eq!(informed(&options), debug(&place));
        fs::rename(&place, &file).unwrap();
    }
    // One byte more, and it is not the file that was meant.
    let mut bytes = fs::read(&file).unwrap();
    bytes.push(0);
    fs::write(&file, bytes).unwrap();
    let (functions, source) = resolved(library.module(), &[visible.start, hidden], &Options::default());
    assert_eq!((names(&functions[0]), functions[1].len()), (vec!["visible"], 0));
    assert_eq!(source, table(&library.path));
}

#[test]
fn another_build_at_the_module_s_path_is_refused() {
    let library = Library::with_debugging_information();
    let visible = library.extent("visible").start;
    let other = Module { build_id: vec![1; 20], ..library.module() };
    let (functions, source) = resolved(other, &[visible], &Options::default());
    assert_eq!((functions[0].len(), source), (0, SymbolSource::OtherBuild(text(&library.path).to_owned())));
    // A module without a build id is taken as it is: nothing distinguishes it.
    let unknown = Module { build_id: Vec::new(), ..library.module() };
    assert_eq!(resolved(unknown, &[visible], &Options::default()).1, debug(&library.path));
}

#[test]
fn files_that_are_missing_or_no_elf_files_have_no_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lib.so");
    let missing = resolved(module(&path, vec![1]), &[0x1000], &Options::default());
    assert_eq!(missing, (vec![Vec::new()], SymbolSource::Missing));
    for content in [b"".as_slice(), b"\x7fELF", b"no library"] {
        fs::write(&path, content).unwrap();
        let (functions, source) = resolved(module(&path, Vec::new()), &[0x1000], &Options::default());
        assert!(functions[0].is_empty() && matches!(source, SymbolSource::Unreadable(..)), "{source:?}");
    }
    let (_, source) = resolved(module(Path::new("[heap]"), Vec::new()), &[0x1000], &Options::default());
    assert_eq!(source, SymbolSource::Missing);
}

#[test]
fn a_symbol_reaches_as_far_as_its_size_says_or_to_the_next_one() {
    let source = "
        .text
        .globl sized, unsized, last
        .type sized, @function
        sized: .skip 16, 0x90
        inner: .skip 16, 0x90
        .size sized, . - sized
        .skip 32, 0x90
        unsized: .skip 64, 0x90
        last: .skip 8, 0x90
        .section .text.other, \"ax\"
        .skip 64, 0x90
    ";
    let library = Library::of(source, "assembler", &["-Wl,--build-id"]);
    let start = library.extent("sized").start;
    let name_at = |offset: u64| {
        let (functions, _) = resolved(library.module(), &[start + offset], &Options::default());
        functions[0].first().map(|function| function.name.clone())
    };
    for (offset, name) in [
        (0, Some("sized")),
        // A mark within a function is no function.
        (17, Some("sized")),
        (31, Some("sized")),
        (32, None),
        (63, None),
        (64, Some("unsized")),
        (127, Some("unsized")),
        (128, Some("last")),
        (1 << 20, None),
    ] {
        assert_eq!(name_at(offset).as_deref(), name, "{offset}");
    }
}

#[test]
fn a_packed_table_of_symbols_is_read() {
    // The tool that packs it is in no package that the tests need otherwise.
    if Command::new("xz").arg("--version").output().is_err() {
        return;
    }
    let library = Library::with_debugging_information();
    let (visible, hidden) = (library.extent("visible").start, library.extent("hidden").start);
    let packed = library.folder.path().join("symbols");
    run("objcopy", &["--strip-debug", text(&library.path), text(&packed)]);
    run("xz", &[text(&packed)]);
    run("strip", &["--strip-all", text(&library.path)]);
    run("objcopy", &[&format!("--add-section=.gnu_debugdata={}.xz", text(&packed)), text(&library.path)]);
    let (functions, source) = resolved(library.module(), &[hidden, visible], &Options::default());
    assert_eq!((names(&functions[0]), names(&functions[1])), (vec!["hidden"], vec!["visible"]));
    assert_eq!(source, table(&library.path));
}

#[test]
fn files_are_looked_for_below_another_root() {
    let library = Library::with_debugging_information();
    let (visible, hidden) = (library.extent("visible"), library.extent("hidden").start);
    let root = library.folder.path().join("root");
    fs::create_dir_all(root.join("opt")).unwrap();
    let module = module(Path::new("/opt/lib.so"), library.build_id());
    let options = Options { sysroot: Some(root.clone()), ..Options::default() };
    assert_eq!(resolved(module.clone(), &[hidden], &options).1, SymbolSource::Missing);
    let separate = library.debug_file_by_build_id(&root.join("usr/lib/debug"));
    fs::copy(&library.path, root.join("opt/lib.so")).unwrap();
    let found = assert_informed(module.clone(), visible.clone(), hidden, &options);
    assert_eq!(found, debug(&root.join("opt/lib.so")));
    run("strip", &["--strip-all", text(&root.join("opt/lib.so"))]);
    library.split_off(&separate);
    assert_eq!(assert_informed(module, visible, hidden, &options), debug(&separate));
}

#[test]
fn what_is_known_is_not_looked_up_again() {
    let library = Library::with_debugging_information();
    let (visible, hidden) = (library.extent("visible"), library.extent("hidden").start);
    let base = tempfile::tempdir().unwrap();
    let options = Options { cache: Some(base.path().to_owned()), ..Options::default() };
    let informed = |options: &Options| assert_informed(library.module(), visible.clone(), hidden, options);
    for _ in 0..2 {
        assert_eq!(informed(&options), debug(&library.path));
    }
    // A part of what will be asked for; the file as it was, but without what its names come from.
    let (only_one, _) = resolved(library.module(), &[hidden], &options);
    let mut bytes = fs::read(&library.path).unwrap();
    let name = bytes.windows(8).position(|part| part == b".symtab\0").unwrap();
    bytes[name] = b'x';
    let line = b"GNU C";
    for at in (0..bytes.len() - line.len()).filter(|&at| bytes[at..].starts_with(line)).collect::<Vec<_>>() {
        bytes[at] = b'x';
    }
    fs::write(&library.path, bytes).unwrap();
    assert_eq!(resolved(library.module(), &[hidden], &options).0, only_one);
    assert_eq!(informed(&options), debug(&library.path));
    // A stripped file of the same build is another source.
    run("strip", &["--strip-all", text(&library.path)]);
    assert_eq!(resolved(library.module(), &[hidden], &options).1, SymbolSource::Nameless);
}

#[test]
fn one_file_loaded_twice_is_one_file() {
    let library = Library::with_debugging_information();
    let address = library.extent("visible").start;
    let native = |module| NativeFrame { module: Some(ModuleId(module)), address, interrupted: true, evaluates: false };
    let modules = [Some(library.module()), Some(library.module()), None];
    let frames = [(FrameId(4), native(1)), (FrameId(9), native(0)), (FrameId(11), native(2))];
    let found = Resolution::of(&modules, frames, &[], &Options::default(), &KeptFiles::default());
    let rows: Vec<_> =
        found.symbols.iter().map(|symbols| (symbols.frame.0, symbols.functions[0].name.as_str())).collect();
    assert_eq!(rows, [(4, "visible"), (9, "visible")]);
    let fact = |module, source| Fact::ModuleSymbols { module: ModuleId(module), source };
    let own = debug(&library.path);
    assert_eq!(found.facts(), [fact(0, own.clone()), fact(1, own), fact(2, SymbolSource::Missing)]);
}

#[test]
fn return_addresses_belong_to_the_call_before_them() {
    let library = Library::with_debugging_information();
    let end = library.extent("visible").end;
    let native = |interrupted| NativeFrame { module: Some(ModuleId(0)), address: end, interrupted, evaluates: false };
    let frames = [(FrameId(0), native(false)), (FrameId(1), native(true))];
    let found = Resolution::of(&[Some(library.module())], frames, &[], &Options::default(), &KeptFiles::default());
    assert_eq!(found.symbols[0].functions[0].name, "visible");
    assert!(found.symbols.iter().all(|symbols| symbols.frame == FrameId(0) || symbols.functions[0].name != "visible"));
}
