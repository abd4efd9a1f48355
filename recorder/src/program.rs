//! The program to record: from what the user asked for to what is executed, checked before anything runs.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use memprof_channel::executable::{self, ShortPath};

use crate::executable::{Executable, inspect};
use crate::interpreter::{self, NoInterpreter};
use crate::needed_libraries;
use crate::path_search::{self, Found};

/// What is executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The file.
    pub executable: PathBuf,
    /// Its arguments, from the name it is called by.
    pub argv: Vec<OsString>,
    /// Whether it is a Python interpreter, or leads to one: then shells and shims on the way are not recorded.
    pub is_python: bool,
}

/// What the user asked to record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// `-c CODE`.
    Code(OsString),
    /// `-m MODULE`.
    Module(OsString),
    /// A Python script, a directory or archive that Python runs, `-` for stdin; or an executable, or a script in another
    /// language.
    Script(PathBuf),
    /// `-- COMMAND`.
    Command(OsString),
}

/// How Python code is to be run.
#[derive(Clone, Debug, Default)]
pub struct AskedFor {
    /// The interpreter that the user named.
    pub interpreter: Option<OsString>,
    /// Its options, before the code.
    pub options: Vec<OsString>,
}

impl AskedFor {
    /// Whether nothing was asked for, not even that it be Python.
    fn is_default(&self) -> bool {
        self.interpreter.is_none() && self.options.is_empty()
    }
}

/// Why a program cannot be recorded. Each is one sentence that says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// No such script; there may be a command of that name.
    NoScript(PathBuf, Found),
    /// No such command.
    NoCommand(OsString),
    /// No interpreter for the script.
    NoInterpreter(NoInterpreter),
    /// The file's mode forbids it, or it is a directory.
    NotExecutable(PathBuf),
    /// Neither a program nor a script.
    NotAProgram(PathBuf),
    /// The loader or interpreter that the file names is not there.
    LoaderMissing(PathBuf, PathBuf),
    /// Nothing can be preloaded: statically linked.
    Static(PathBuf),
    /// Nothing may be preloaded: setuid, setgid, file capabilities.
    Privileged(PathBuf),
    /// For another processor.
    Foreign(PathBuf),
    /// For another C library.
    OtherLibc(PathBuf),
    /// Comes with AddressSanitizer's runtime, which ends a program in which another library is loaded before it.
    AddressSanitizer(PathBuf),
}

impl fmt::Display for Unusable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoScript(script, Found::Program(_)) => {
                let script = script.display();
                write!(
                    out,
                    "there is no script {script}: check the path, or put -- before it to record the command {script}"
                )
            }
            Self::NoScript(script, _) => write!(out, "there is no script {}: check the path", script.display()),
            Self::NoCommand(name) => write!(out, "there is no command {}: check its name or path", name.display()),
            Self::NoInterpreter(reason) => reason.fmt(out),
            Self::NotExecutable(path) => {
                write!(out, "{} cannot be executed: check the path and its permissions", path.display())
            }
            Self::NotAProgram(path) => {
                write!(out, "{} is neither a program nor a script: check the path", path.display())
            }
            Self::LoaderMissing(path, loader) => {
                let (path, loader) = (path.display(), loader.display());
                write!(out, "{path} cannot be started: it needs {loader}, which is not there")
            }
            Self::Static(path) => {
                let path = path.display();
                write!(
                    out,
                    "{path} is statically linked, so nothing can be preloaded into it: \
                     record a dynamically linked build of it"
                )
            }
            Self::Privileged(path) => {
                let path = path.display();
                write!(
                    out,
                    "{path} gains privileges when it starts (setuid, setgid or file capabilities), so the system preloads \
                     nothing into it: record a copy without them, or record it as the user it would become"
                )
            }
            Self::Foreign(path) => {
                let path = path.display();
                write!(
                    out,
                    "{path} is a program for another processor or word size: record it with a memprof built for that"
                )
            }
            Self::OtherLibc(path) => {
                let path = path.display();
                write!(
                    out,
                    "{path} uses musl, and this memprof was built for glibc: record it with a memprof built for musl"
                )
            }
            Self::AddressSanitizer(path) => {
                let path = path.display();
                write!(
                    out,
                    "AddressSanitizer (libasan) refuses to run {path} with a library preloaded before it: record a build \
                     without -fsanitize=address, or set ASAN_OPTIONS=verify_asan_link_order=0, with which both work"
                )
            }
        }
    }
}

impl std::error::Error for Unusable {}

impl From<NoInterpreter> for Unusable {
    fn from(reason: NoInterpreter) -> Self {
        Self::NoInterpreter(reason)
    }
}

impl Subject {
    /// A short name for files: the script's stem, the module, the command's name; `command` for code.
    #[must_use]
    pub fn short_name(&self) -> String {
        let name = match self {
            Self::Code(_) => "command".into(),
            Self::Module(module) => module.to_string_lossy(),
            Self::Script(script) if script.as_os_str() == "-" => "stdin".into(),
            Self::Script(script) => script.file_stem().unwrap_or_default().to_string_lossy(),
            Self::Command(command) => Path::new(command).file_name().unwrap_or_default().to_string_lossy(),
        };
        let plain = |c: char| if c.is_alphanumeric() || "._-+".contains(c) { c } else { '_' };
        // Long enough for any name a person would choose, and far below what file systems allow.
        let name: String = name.chars().map(plain).take(60).collect();
        if name.is_empty() { "program".to_owned() } else { name }
    }

    /// Whether a Python may run it.
    #[must_use]
    pub fn is_for_python(&self) -> bool {
        match self {
            Self::Code(_) | Self::Module(_) => true,
            Self::Script(script) => !is_elf(script),
            Self::Command(_) => false,
        }
    }

    /// What to execute, if that can be recorded.
    pub fn resolve(&self, arguments: &[OsString], python: &AskedFor) -> Result<Program, Unusable> {
        let program = match self {
            Self::Code(code) => with_python(python, &["-c".into(), code.clone()], arguments)?,
            Self::Module(module) => with_python(python, &["-m".into(), module.clone()], arguments)?,
            Self::Script(script) => {
                if is_elf(script) || (python.is_default() && is_in_another_language(script)) {
                    command(script.clone(), script.as_os_str(), arguments)
                } else {
                    if script.as_os_str() != "-" && !script.exists() {
                        return Err(Unusable::NoScript(script.clone(), path_search::find(script.as_os_str())));
                    }
                    with_python(python, &[script.clone().into_os_string()], arguments)?
                }
            }
            Self::Command(name) => match path_search::find(name) {
                Found::Program(executable) => command(executable, name, arguments),
                Found::NotExecutable(path) => return Err(Unusable::NotExecutable(path)),
                Found::Nothing => return Err(Unusable::NoCommand(name.clone())),
            },
        };
        program.checked()
    }
}

fn with_python(asked_for: &AskedFor, what: &[OsString], arguments: &[OsString]) -> Result<Program, Unusable> {
    let python = interpreter::find(asked_for.interpreter.as_deref())?;
    let argv = [&[python.name], &asked_for.options[..], what, arguments].concat();
    Ok(Program { executable: python.executable, argv, is_python: true })
}

fn command(executable: PathBuf, name: &OsStr, arguments: &[OsString]) -> Program {
    let is_python = executable.file_name().is_some_and(is_python_name);
    Program { executable, argv: [&[name.to_owned()], arguments].concat(), is_python }
}

/// `python`, `python3`, `python3.11`, ...
fn is_python_name(name: &OsStr) -> bool {
    let version = name.as_bytes().strip_prefix(b"python");
    version.is_some_and(|version| version.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.'))
}

/// Whether a script runs without Python.
fn is_in_another_language(script: &Path) -> bool {
    script.extension() != Some(OsStr::new("py")) && interpreter_line::names_another_language(script)
}

fn is_elf(path: &Path) -> bool {
    matches!(
        inspect(path),
        Ok(Executable::Dynamic { .. } | Executable::Loader { .. } | Executable::Static | Executable::Foreign)
    )
}

/// How many `#!` lines the kernel follows, and so this does.
const MAX_INTERPRETERS: usize = 5;

impl Program {
    /// The program, if the interposer can get into it.
    fn checked(mut self) -> Result<Self, Unusable> {
        let path = self.executable.clone();
        if !path.exists() {
            return Err(Unusable::NoCommand(path.into_os_string()));
        }
        if path.is_dir() || !path_search::may_execute(&path) {
            return Err(Unusable::NotExecutable(path));
        }
        match inspect(&path) {
            Ok(Executable::Static) => return Err(Unusable::Static(path)),
            Ok(Executable::Script { interpreter }) => {
                check_interpreter(&path, as_path(&interpreter), MAX_INTERPRETERS)?
            }
            Ok(Executable::Text) => {
                // As shells and `execvp` do.
                let shell = PathBuf::from("/bin/sh");
                let script = std::mem::replace(&mut self.executable, shell.clone());
                self.argv.splice(..1, [shell.into_os_string(), script.into_os_string()]);
            }
            other => check_binary(&path, other)?,
        }
        Ok(self)
    }
}

/// Follows the `#!` line of `path`. The interpreter may be static: a shell or shim that leads to the real program.
fn check_interpreter(path: &Path, interpreter: &Path, more: usize) -> Result<(), Unusable> {
    if !interpreter.is_file() {
        return Err(Unusable::LoaderMissing(path.to_owned(), interpreter.to_owned()));
    }
    match inspect(interpreter) {
        Ok(Executable::Script { interpreter: next }) if more > 0 => {
            check_interpreter(interpreter, as_path(&next), more - 1)
        }
        Ok(Executable::Static) => Ok(()),
        other => check_binary(interpreter, other),
    }
}

fn as_path(short: &ShortPath) -> &Path {
    Path::new(OsStr::from_bytes(short.as_bytes()))
}

/// Whether programs of this loader have another C library than the interposer.
fn is_other_libc(loader: &Path) -> bool {
    cfg!(target_env = "gnu") && loader.file_name().is_some_and(|name| name.as_bytes().starts_with(b"ld-musl"))
}

fn check_binary(path: &Path, what: io::Result<Executable>) -> Result<(), Unusable> {
    match what {
        Ok(Executable::Loader { name }) if is_other_libc(as_path(&name)) => {
            return Err(Unusable::OtherLibc(path.to_owned()));
        }
        Ok(Executable::Loader { .. }) => {}
        Ok(Executable::Dynamic { loader }) => {
            let loader = as_path(&loader);
            if is_other_libc(loader) {
                return Err(Unusable::OtherLibc(path.to_owned()));
            }
            if !loader.exists() {
                return Err(Unusable::LoaderMissing(path.to_owned(), loader.to_owned()));
            }
        }
        Ok(Executable::Foreign) => return Err(Unusable::Foreign(path.to_owned())),
        Ok(Executable::Static) => return Err(Unusable::Static(path.to_owned())),
        Ok(Executable::Script { .. } | Executable::Text | Executable::Unknown) => {
            return Err(Unusable::NotAProgram(path.to_owned()));
        }
        // May be executed but not read: there is nothing to examine, and starting it shows.
        Err(_) => {}
    }
    if gains_privileges(path) {
        return Err(Unusable::Privileged(path.to_owned()));
    }
    if must_come_first(path) { Err(Unusable::AddressSanitizer(path.to_owned())) } else { Ok(()) }
}

/// Whether the program will end at once, because AddressSanitizer's runtime finds the interposer before it.
fn must_come_first(path: &Path) -> bool {
    let preloaded = env::var_os("LD_PRELOAD").unwrap_or_default();
    let preloaded = preloaded.as_bytes().split(|byte| b": ".contains(byte));
    let is_asked_for = needed_libraries::of(path).iter().any(|name| is_address_sanitizer(name.as_bytes()))
        || preloaded.filter_map(|path| path.rsplit(|&byte| byte == b'/').next()).any(is_address_sanitizer);
    let options = env::var_os("ASAN_OPTIONS").unwrap_or_default();
    let lenient = [&b"verify_asan_link_order=0"[..], b"verify_asan_link_order=false", b"verify_asan_link_order=no"];
    is_asked_for && !options.as_bytes().split(|byte| b": ,\n".contains(byte)).any(|option| lenient.contains(&option))
}

/// The names of AddressSanitizer's runtime, of gcc and of clang.
fn is_address_sanitizer(library: &[u8]) -> bool {
    library.starts_with(b"libasan.") || library.starts_with(b"libclang_rt.asan")
}

fn gains_privileges(path: &Path) -> bool {
    std::ffi::CString::new(path.as_os_str().as_bytes()).is_ok_and(|path| executable::gains_privileges(&path))
}

mod interpreter_line;
#[cfg(test)]
mod tests;
