//! Where the names of native functions come from: debugging information in the program or apart, symbol tables; at once
//! or later; and that they are in the capture from then on.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::c_programs::{Build, tool};
use crate::support::executables::copy_executable;
use crate::support::flame_data::{View, flame_tree, page_data};
use crate::support::memprof::{EXECUTABLE, Finished, memprof};
use crate::support::native_expectations::Annotations;
use crate::support::pythons;
use crate::support::recording::{Recorded, Recording, stats_of};
use crate::support::skipping::machine_forbids;
use crate::support::table::{Amount, sum, table};

/// A program of its own in a folder of its own.
struct Program {
    folder: TempDir,
    path: PathBuf,
}

impl Program {
    /// `native_names.c` with debugging information.
    fn new() -> Self {
        Self::with(&["-g", "-O2", "-rdynamic"])
    }

    /// `native_names.c`, compiled with these flags.
    fn with(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let program = Self { path: folder.path().join("program"), folder };
        program.becomes(flags);
        program
    }

    /// Compiles it again.
    fn becomes(&self, flags: &[&str]) {
        let built = Build::c("native_names.c", "native_names").flags(flags).path();
        // Not over the file: it may be mapped.
        let _ = fs::remove_file(&self.path);
        copy_executable(&built, &self.path);
    }

    fn tool(&self, name: &str, arguments: &[&OsStr]) -> String {
        tool(name, &[arguments, &[self.path.as_os_str()]].concat())
    }

    /// Puts the debugging information into a file apart, and takes it and the symbol table out of the program.
    fn separated(&self, debug: &Path) {
        fs::create_dir_all(debug.parent().expect("it is in a folder")).expect("a folder can be made");
        tool("objcopy", &["--only-keep-debug".as_ref(), self.path.as_os_str(), debug.as_os_str()]);
        self.tool("strip", &[]);
    }

    /// The name of the file with its debugging information, below a folder with those of many programs.
    fn by_build_id(&self, folder: &Path) -> PathBuf {
        let notes = self.tool("readelf", &["-n".as_ref()]);
        let id = notes.split("Build ID: ").nth(1).and_then(|rest| rest.lines().next()).expect("it has a build id");
        folder.join(".build-id").join(&id[..2]).join(format!("{}.debug", &id[2..]))
    }

    fn record(&self, options: &[&OsStr]) -> Recorded {
        let mut recording = Recording::of_command(&[self.path.as_os_str()]);
        for option in options {
            recording = recording.option(*option);
        }
        recording.run().succeeds()
    }

    /// Where its functions are: start and size by name, before anything is taken out of it.
    fn functions(&self) -> BTreeMap<String, (u64, u64)> {
        let function = |line: &str| {
            let [start, size, "t" | "T", name] = line.split(' ').collect::<Vec<_>>()[..] else { return None };
            let number = |digits: &str| u64::from_str_radix(digits, 16).expect("a number");
            Some((name.to_owned(), (number(start), number(size))))
        };
        self.tool("nm", &["-S".as_ref()]).lines().filter_map(function).collect()
    }
}

/// Requires all functions with their lines.
#[track_caller]
fn assert_lines(capture: &Path) {
    Annotations::of(&["native_names.c"], &["lines"]).assert_hold(capture);
}

/// The functions of the first allocation, root first.
#[track_caller]
fn functions(capture: &Path) -> Vec<String> {
    let found = flame_tree(capture).stacks_with(Amount { allocations: 1, bytes: 1_000_001 });
    let [stack] = &found[..] else { panic!("{found:#?}") };
    let seen = stack.view(View::Hybrid);
    // Without debugging information there are no lines.
    assert!(seen.iter().all(|frame| frame.line == 0), "{seen:#?}");
    seen.into_iter().map(|frame| frame.function).collect()
}

/// Requires a name of the form `program+0x1234`, with an address in this function.
#[track_caller]
fn assert_within(name: &str, (start, size): (u64, u64)) {
    let address = name.strip_prefix("program+0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
    assert!(address.is_some_and(|address| address > start && address <= start + size), "{name} is not at {start:x}");
}

/// Requires that nothing is known of the program's functions but where they are.
#[track_caller]
fn assert_nameless(capture: &Path, places: &BTreeMap<String, (u64, u64)>) {
    let found = functions(capture);
    let expected = ["main", "internal_function", "exported_function", "hidden_function"];
    assert!(found.len() >= expected.len(), "{found:?}");
    // What starts a program cannot be distinguished from it.
    for (name, function) in found[found.len() - expected.len()..].iter().zip(expected) {
        assert_within(name, places[function]);
    }
}

#[track_caller]
fn symbolize(capture: &Path, options: &[&OsStr]) -> Finished {
    Finished::of(memprof(["symbolize"]).args(options).arg(capture))
}

/// What `stats --json` says about the program's names.
#[track_caller]
fn source(capture: &Path, program: &Path) -> String {
    let stats = stats_of(capture);
    let modules = stats["native_stacks"]["modules"].as_array().expect("modules");
    let of_program = |module: &&Value| module["path"].as_str().is_some_and(|path| Path::new(path) == program);
    let module = modules.iter().find(of_program).unwrap_or_else(|| panic!("no {} in {stats}", program.display()));
    module["source"].to_string()
}

#[test]
fn the_program_s_own() {
    let program = Program::new();
    let recorded = program.record(&[]);
    assert_lines(&recorded.capture());
    let stats = recorded.stats();
    for module in stats["native_stacks"]["modules"].as_array().expect("modules") {
        if module["path"].as_str() == program.path.to_str() {
            assert_eq!(module["frames"], module["named"], "{module}");
        }
    }
}

/// A symbol table without debugging information names all functions; without it, those that others may call.
#[test]
fn symbol_tables() {
    let program = Program::new();
    let places = program.functions();
    program.tool("strip", &["--strip-debug".as_ref()]);
    let recorded = program.record(&[]);
    let all = ["main", "internal_function", "exported_function", "hidden_function"];
    assert_eq!(functions(&recorded.capture()), all);

    program.tool("strip", &[]);
    let recorded = program.record(&[]);
    let found = functions(&recorded.capture());
    let [main, internal, exported, hidden] = &found[..] else { panic!("{found:?}") };
    assert_eq!([main, exported], ["main", "exported_function"]);
    assert_within(internal, places["internal_function"]);
    assert_within(hidden, places["hidden_function"]);
}

/// Without `-rdynamic`, nothing is left: where the functions are is still known.
#[test]
fn no_names_at_all() {
    let program = Program::with(&["-g", "-O2"]);
    let places = program.functions();
    program.tool("strip", &[]);
    assert_nameless(&program.record(&[]).capture(), &places);
}

#[test]
fn debugging_information_found_by_build_id() {
    let program = Program::new();
    let debug = program.folder.path().join("debug");
    program.separated(&program.by_build_id(&debug));
    assert_eq!(functions(&program.record(&[]).capture())[2], "exported_function");
    let recorded = program.record(&["--debug-path".as_ref(), debug.as_os_str()]);
    assert_lines(&recorded.capture());

    // One file of another program under this name is not taken.
    let other = Program::with(&["-g", "-O1", "-rdynamic"]);
    fs::copy(&other.path, program.by_build_id(&debug)).expect("a file can be copied");
    let recorded = program.record(&["--debug-path".as_ref(), debug.as_os_str()]);
    assert_eq!(functions(&recorded.capture())[2], "exported_function");
}

#[test]
fn debugging_information_found_by_link() {
    // With a build id, too, the file would be known by that.
    let flags = ["-g", "-O2", "-rdynamic", "-Wl,--build-id=none"];
    let program = Program::with(&flags);
    for folder in ["", ".debug"] {
        program.becomes(&flags);
        let beside = program.folder.path().join(folder).join("program.debug");
        program.separated(&beside);
        let link = format!("--add-gnu-debuglink={}", beside.display());
        program.tool("objcopy", &[OsStr::new(&link)]);
        assert_lines(&program.record(&[]).capture());
        // A file of this name with other contents is not taken: its checksum is another one.
        let mut contents = fs::read(&beside).expect("it can be read");
        contents.push(0);
        fs::write(&beside, contents).expect("it can be written");
        assert_eq!(functions(&program.record(&[]).capture())[2], "exported_function");
        fs::remove_file(&beside).expect("it can be removed");
    }
}

#[test]
fn names_that_are_looked_up_later() {
    let program = Program::new();
    let places = program.functions();
    let recorded = program.record(&["--no-symbols".as_ref()]);
    assert_nameless(&recorded.capture(), &places);

    // Into another file, and then into the capture itself.
    let before = fs::read(recorded.capture()).expect("it can be read");
    let named = recorded.folder().join("named.bin");
    symbolize(&recorded.capture(), &["-o".as_ref(), named.as_os_str()]).succeeds();
    assert_lines(&named);
    assert_eq!(fs::read(recorded.capture()).expect("it can be read"), before, "the capture itself is as it was");
    symbolize(&recorded.capture(), &[]).succeeds();
    assert_lines(&recorded.capture());
    // Once more changes nothing.
    symbolize(&recorded.capture(), &[]).succeeds();
    assert_lines(&recorded.capture());
}

#[test]
fn names_that_get_better_later() {
    let program = Program::new();
    let debug = program.folder.path().join("debug");
    program.separated(&program.by_build_id(&debug));
    let recorded = program.record(&[]);
    assert_eq!(functions(&recorded.capture())[2], "exported_function");
    symbolize(&recorded.capture(), &["--debug-path".as_ref(), debug.as_os_str()]).succeeds();
    assert_lines(&recorded.capture());
}

/// The program's files, brought from the machine where it ran to another one.
#[test]
fn files_below_another_root() {
    let program = Program::new();
    let recorded = program.record(&["--no-symbols".as_ref()]);
    let root = tempfile::tempdir().expect("a temporary folder can be made");
    let moved = root.path().join(program.path.strip_prefix("/").expect("it is absolute"));
    fs::create_dir_all(moved.parent().expect("it is in a folder")).expect("a folder can be made");
    fs::rename(&program.path, &moved).expect("a file can be moved");
    symbolize(&recorded.capture(), &["--sysroot".as_ref(), root.path().as_os_str()]).succeeds();
    assert_lines(&recorded.capture());
}

/// A program that was compiled again since is another program: its names are not those of what was recorded.
#[test]
fn a_program_that_was_compiled_again() {
    let program = Program::new();
    let (named, nameless) = (program.record(&[]), program.record(&["--no-symbols".as_ref()]));
    let places = program.functions();
    program.becomes(&["-g", "-O0", "-rdynamic"]);
    let words = symbolize(&named.capture(), &[]).succeeds().stdout();
    // The text is broken into lines.
    let words: Vec<&str> = words.split_whitespace().collect();
    assert!(words.join(" ").contains("another build"), "{words:?}");
    assert_lines(&named.capture());
    symbolize(&nameless.capture(), &[]).succeeds();
    assert_nameless(&nameless.capture(), &places);
    // The statistics say so, too.
    let source = source(&nameless.capture(), &program.path);
    assert!(source.contains("build"), "{source}");

    // And one that is gone: what was known before is still known.
    fs::remove_file(&program.path).expect("it can be removed");
    symbolize(&named.capture(), &[]).succeeds();
    assert_lines(&named.capture());
}

/// A capture needs nothing but itself: on a machine that has nothing of what ran, reports are the same.
#[test]
fn a_capture_on_another_machine() {
    let python = pythons::any();
    let program = Build::cpp("cpp_stacks.cpp", "cpp").flags(&["-g", "-O2"]).path();
    let native = Recording::of_command(&[program.as_os_str()]).run().succeeds();
    let script = Recording::of_code(python, "import json; x = [bytes(1000) for _ in range(1000)]").run().succeeds();
    for recorded in [native, script] {
        let Some(root) = bare_root(&recorded.capture()) else { return };
        for report in ["stats --json", "table --json --total", "table --json --view native", "table --view python"] {
            let options: Vec<&str> = report.split(' ').collect();
            let here = Finished::of(memprof(&options).arg(recorded.capture())).succeeds();
            let there = Finished::of(in_root(root.path()).args(&options).arg("/capture.bin")).succeeds();
            assert_eq!(there.stdout(), here.stdout(), "{report}");
        }
        let there = ["flamegraph", "-o", "/page.html", "/capture.bin"];
        Finished::of(in_root(root.path()).args(there)).succeeds();
        let page = recorded.folder().join("here.html");
        Finished::of(memprof(["flamegraph", "-o"]).arg(&page).arg(recorded.capture())).succeeds();
        let (here, there) = (page_data(&page), page_data(&root.path().join("page.html")));
        assert_eq!(frames(&there), frames(&here));
        assert_eq!(there["nodes"], here["nodes"]);
    }
}

/// All frames of a page. The numbers of strings may differ: some are lines of source, which do not come along.
fn frames(page: &Value) -> Vec<(String, String, Value, Value)> {
    let column = |name: &str| page["frames"][name].as_array().unwrap_or_else(|| panic!("no column {name}"));
    let text = |number: &Value| {
        page["strings"][number.as_u64().expect("a number") as usize].as_str().expect("a text").to_owned()
    };
    let (functions, files) = (column("function").iter().map(text), column("file").iter().map(text));
    let rest = column("line").iter().cloned().zip(column("kind").iter().cloned());
    functions.zip(files).zip(rest).map(|((function, file), (line, kind))| (function, file, line, kind)).collect()
}

/// A folder with memprof, what it takes to run it, and the capture. Nothing where the system lets nobody but the
/// administrator of the machine enter it.
fn bare_root(capture: &Path) -> Option<TempDir> {
    let root = tempfile::tempdir().expect("a temporary folder can be made");
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    let needed = tool("ldd", &[OsStr::new(EXECUTABLE)]);
    let files = needed.split_whitespace().filter(|word| word.starts_with('/')).map(Path::new);
    for file in files.chain([Path::new(EXECUTABLE)]) {
        let copy = root.path().join(file.strip_prefix("/").expect("it is absolute"));
        fs::create_dir_all(copy.parent().expect("it is in a folder")).expect("a folder can be made");
        copy_executable(file, &copy);
    }
    fs::copy(capture, root.path().join("capture.bin")).expect("a file can be copied");
    let possible = in_root(root.path()).arg("--version").output();
    if possible.is_ok_and(|output| output.status.success()) {
        return Some(root);
    }
    machine_forbids("entering another root");
    None
}

/// memprof, in which the folder is all that there is.
fn in_root(root: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["-r", "chroot"]).arg(root).arg(EXECUTABLE).stdin(Stdio::null());
    command
}

/// Whether this user may open files that are mapped and have no name any more.
fn may_open_mapped_files() -> bool {
    let maps = fs::read_to_string("/proc/self/maps").expect("a process has mappings");
    let range = maps.lines().find(|line| line.contains(" /")).and_then(|line| line.split(' ').next()).expect("a file");
    fs::File::open(format!("/proc/self/map_files/{range}")).is_ok()
}

/// A plug-in that its program deletes, as packed applications do with all that they have unpacked.
#[test]
fn libraries_that_are_gone_at_the_end() {
    let built = Build::c("loaded_library.c", "deleted_library.so").flags(&["-g", "-O1", "-shared", "-fPIC"]).path();
    let program = Build::c("deletes_library.c", "deletes_library").flags(&["-g"]).path();
    for (stays, goes_on) in [("0", "500"), ("500", "0")] {
        if stays == "0" && !may_open_mapped_files() {
            machine_forbids("to open mapped files that are deleted");
            continue;
        }
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let library = folder.path().join("plug-in.so");
        fs::copy(&built, &library).expect("a file can be copied");
        let command = [program.as_os_str(), library.as_os_str(), OsStr::new(stays), OsStr::new(goes_on)];
        let recorded = Recording::of_command(&command).run().succeeds();
        assert!(!library.exists());
        assert_eq!(recorded.stats()["notes"], serde_json::json!([]), "{stays}");
        let rows = table(&recorded.capture(), "--total");
        let named = sum(&rows, |row| row.function == "allocates" && row.file.ends_with("loaded_library.c"));
        assert_eq!(named.allocations, 3, "{stays}: {rows:#?}");
    }
}
