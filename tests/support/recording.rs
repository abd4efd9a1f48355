//! A run of a test program under memprof, and what it left.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::c_programs;
use super::memprof::{EXECUTABLE, Finished, memprof, programs};
use super::pythons::Python;
use super::table::table;

const UNTRACED: &str = "--no-trace-python-allocators";

/// A run to be made.
pub struct Recording {
    folder: TempDir,
    memprof: PathBuf,
    options: Vec<OsString>,
    program: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
}

impl Recording {
    /// Of one of the test programs.
    pub fn of_script(python: &Python, script: &str) -> Self {
        Self::of_file(python, &programs().join(script))
    }

    /// Of any Python file.
    pub fn of_file(python: &Python, script: &Path) -> Self {
        Self::with(python, vec![script.to_owned().into()])
    }

    /// Of Python code.
    pub fn of_code(python: &Python, code: &str) -> Self {
        Self::with(python, vec!["-c".into(), code.into()])
    }

    /// Of a module that Python runs as a program.
    pub fn of_module(python: &Python, module: &str) -> Self {
        Self::with(python, vec!["-m".into(), module.into()])
    }

    /// Of any command.
    pub fn of_command(command: &[&OsStr]) -> Self {
        let command = [&[OsStr::new("--")], command].concat();
        Self::new(Vec::new(), command.into_iter().map(OsString::from).collect())
    }

    fn with(python: &Python, program: Vec<OsString>) -> Self {
        Self::new(vec!["--python".into(), python.path.clone().into()], program)
    }

    /// Python's own allocators are not traced unless an option asks for it: what Python does for itself is no test's concern.
    fn new(options: Vec<OsString>, program: Vec<OsString>) -> Self {
        let options = [vec![UNTRACED.into()], options].concat();
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        Self { folder, memprof: EXECUTABLE.into(), options, program, variables: Vec::new() }
    }

    /// As memprof does it by itself.
    pub fn with_default_tracing(mut self) -> Self {
        self.options.retain(|option| option != UNTRACED);
        self
    }

    /// With the memory of large objects: a free-threaded Python has it from an allocator of its own, which is traced.
    pub fn with_objects_of(self, python: &Python) -> Self {
        if python.free_threaded { self.option("--trace-python-allocators") } else { self }
    }

    /// With one more option for memprof.
    pub fn option(mut self, option: impl Into<OsString>) -> Self {
        self.options.push(option.into());
        self
    }

    /// With one more argument for the program.
    pub fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.program.push(argument.into());
        self
    }

    /// With an environment variable.
    pub fn variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// By another memprof.
    pub fn memprof(self, path: &Path) -> Self {
        Self { memprof: path.to_owned(), ..self }
    }

    /// The folder of the run, which the program will know as `TEST_FOLDER`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the capture will be.
    pub fn capture(&self) -> PathBuf {
        self.folder.path().join("capture.bin")
    }

    /// The command line of the run.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.memprof);
        command.args(["run", "-o"]).stdin(Stdio::null()).arg(self.capture()).args(&self.options).args(&self.program);
        set_up(&mut command, self.folder.path());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs the program to its end.
    pub fn run(self) -> Recorded {
        let finished = Finished::of(&mut self.command());
        Recorded { finished, folder: self.folder }
    }

    /// A capture that exists already: the program was run by [`Self::command`].
    pub fn recorded(self, finished: Finished) -> Recorded {
        Recorded { finished, folder: self.folder }
    }
}

/// The surroundings in which the test programs run the same way every time.
pub fn set_up(command: &mut Command, folder: &Path) {
    command.env("TRUTH_LIBRARY", c_programs::truth_library()).env("TEST_FOLDER", folder);
    // Where the interpreter's own tables grow depends on the hashes of strings.
    command.env("PYTHONHASHSEED", "0").env("PYTHONDONTWRITEBYTECODE", "1");
}

/// A run that has been made.
pub struct Recorded {
    finished: Finished,
    folder: TempDir,
}

impl Recorded {
    /// How memprof ended.
    pub fn finished(&self) -> &Finished {
        &self.finished
    }

    /// Requires that it succeeded.
    #[track_caller]
    pub fn succeeds(self) -> Self {
        self.ends_with(0)
    }

    /// Requires an exit status.
    #[track_caller]
    pub fn ends_with(self, status: i32) -> Self {
        Self { finished: self.finished.ends_with(status), folder: self.folder }
    }

    /// The folder of the run, which the program knows as `TEST_FOLDER`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The capture.
    pub fn capture(&self) -> PathBuf {
        self.folder.path().join("capture.bin")
    }

    /// Requires that memprof has said, once, that it cannot read the stacks of this Python, and shows none of its frames.
    #[track_caller]
    pub fn assert_stacks_are_refused(&self) {
        let errors = self.finished.stderr();
        assert_eq!(errors.matches("memprof cannot read the stacks of Python").count(), 1, "{errors}");
        let rows = table(&self.capture(), "--total");
        let (python, native): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.kind == "python");
        assert!(python.is_empty() && !native.is_empty(), "{python:#?}");
        let notes = self.stats()["notes"].to_string();
        assert!(notes.contains("does not know the stacks of Python"), "{notes}");
    }

    /// What `memprof stats --json` says.
    #[track_caller]
    pub fn stats(&self) -> Value {
        stats_of(&self.capture())
    }
}

/// What `memprof stats --json` says about a capture.
#[track_caller]
pub fn stats_of(capture: &Path) -> Value {
    let mut command = memprof(["stats", "--json"]);
    let finished = Finished::of(command.arg(capture)).succeeds();
    serde_json::from_str(&finished.stdout()).expect("stats --json prints JSON")
}

/// One of the numbers of `native_stacks` of `stats --json`.
#[track_caller]
pub fn native_stacks(stats: &Value, name: &str) -> u64 {
    stats["native_stacks"][name].as_u64().unwrap_or_else(|| panic!("no number native_stacks.{name} in {stats}"))
}

/// One of the `totals` of `stats --json`.
#[track_caller]
pub fn total(stats: &Value, name: &str) -> u64 {
    stats["totals"][name].as_u64().unwrap_or_else(|| panic!("no number totals.{name} in {stats}"))
}
