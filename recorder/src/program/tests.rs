//! Programs of every kind, made on the spot.

#[path = "../../../tests/support/skipping.rs"]
#[allow(dead_code, reason = "the tests of the command use the rest")]
mod skipping;

use super::*;
use skipping::{machine_forbids, skipped};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

fn place(directory: &Path, name: &str, contents: &[u8], mode: u32) -> PathBuf {
    let file = directory.join(name);
    fs::write(&file, contents).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    file
}

fn record(file: &Path) -> Result<Program, Unusable> {
    Subject::Command(file.as_os_str().to_owned()).resolve(&["a".into()], &AskedFor::default())
}

/// Compiles an empty C program, if there is a compiler that can.
fn compile(directory: &Path, name: &str, options: &[&str]) -> Option<PathBuf> {
    let source = place(directory, "empty.c", b"int main(void) { return 0; }\n", 0o644);
    let program = directory.join(name);
    let made = Command::new("cc").args(options).arg("-o").arg(&program).arg(source).output();
    if made.is_ok_and(|made| made.status.success()) {
        return Some(program);
    }
    skipped(&format!("no C compiler that takes {options:?}"));
    None
}

#[test]
fn a_command_is_called_as_it_was_named() {
    let program = Subject::Command("sh".into()).resolve(&["-c".into(), "exit".into()], &AskedFor::default()).unwrap();
    assert!(program.executable.is_absolute());
    assert_eq!(program.argv, ["sh", "-c", "exit"]);
    assert!(!program.is_python);
}

#[test]
fn code_and_modules_and_scripts_are_python_s_own_business() {
    let directory = tempfile::tempdir().unwrap();
    let python = place(directory.path(), "python3.99", b"#!/bin/sh\n", 0o755);
    let asked = AskedFor { interpreter: Some(python.clone().into()), options: Vec::new() };
    let name = python.to_str().unwrap();
    let code = Subject::Code("pass".into()).resolve(&["-x".into()], &asked).unwrap();
    assert_eq!(code.argv, [name, "-c", "pass", "-x"]);
    assert!(code.is_python);
    let module = Subject::Module("a.b".into()).resolve(&[], &asked).unwrap();
    assert_eq!(module.argv, [name, "-m", "a.b"]);
    let script = place(directory.path(), "s.py", b"pass", 0o644);
    let script = Subject::Script(script.clone()).resolve(&["-o".into()], &asked).unwrap();
    assert_eq!(script.argv[2..], ["-o"]);
    let stdin = Subject::Script("-".into()).resolve(&[], &asked).unwrap();
    assert_eq!(stdin.argv, [name, "-"]);
    let asked = AskedFor { options: vec!["-W".into(), "error".into()], ..asked };
    let code = Subject::Code("pass".into()).resolve(&["-x".into()], &asked).unwrap();
    assert_eq!(code.argv, [name, "-W", "error", "-c", "pass", "-x"]);
    assert!(record(&python).unwrap().is_python);
}

#[test]
fn missing_scripts_and_commands() {
    let script = |name: &str| Subject::Script(name.into()).resolve(&[], &AskedFor::default()).unwrap_err().to_string();
    assert_eq!(script("gone/s.py"), "there is no script gone/s.py: check the path");
    let hint = "there is no script sh: check the path, or put -- before it to record the command sh";
    assert_eq!(script("sh"), hint);
    let missing = record(Path::new("/gone/tool")).unwrap_err();
    assert_eq!(missing.to_string(), "there is no command /gone/tool: check its name or path");
}

#[test]
fn files_that_cannot_be_executed() {
    let directory = tempfile::tempdir().unwrap();
    let plain = place(directory.path(), "plain", b"#!/bin/sh\n", 0o644);
    assert_eq!(record(&plain), Err(Unusable::NotExecutable(plain)));
    assert_eq!(record(directory.path()), Err(Unusable::NotExecutable(directory.path().to_owned())));
    let data = place(directory.path(), "data", b"\0\0\0", 0o755);
    assert_eq!(record(&data), Err(Unusable::NotAProgram(data)));
    let shim = place(directory.path(), "shim", b"#!/gone/bash\n", 0o755);
    assert_eq!(record(&shim), Err(Unusable::LoaderMissing(shim, "/gone/bash".into())));
}

#[test]
fn a_text_without_an_interpreter_is_the_shell_s() {
    let directory = tempfile::tempdir().unwrap();
    let text = place(directory.path(), "text", b"echo hello\n", 0o755);
    let program = record(&text).unwrap();
    assert_eq!(program.executable, Path::new("/bin/sh"));
    assert_eq!(program.argv, ["/bin/sh".as_ref(), text.as_os_str(), "a".as_ref()]);
}

#[test]
fn a_static_program_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    if let Some(program) = compile(directory.path(), "static", &["-static"]) {
        assert_eq!(record(&program), Err(Unusable::Static(program.clone())));
        assert_eq!(Subject::Script(program.clone()).resolve(&[], &AskedFor::default()), Err(Unusable::Static(program)));
    }
    if let Some(program) = compile(directory.path(), "static-pie", &["-static-pie"]) {
        assert_eq!(record(&program), Err(Unusable::Static(program)));
    }
}

#[test]
fn an_executable_in_a_script_s_place_is_a_command() {
    let directory = tempfile::tempdir().unwrap();
    if let Some(program) = compile(directory.path(), "dynamic", &[]) {
        let got = Subject::Script(program.clone()).resolve(&["a".into()], &AskedFor::default()).unwrap();
        assert_eq!(
            got,
            Program { executable: program.clone(), argv: vec![program.into(), "a".into()], is_python: false }
        );
    }
}

#[test]
fn a_script_in_another_language_is_a_command() {
    let directory = tempfile::tempdir().unwrap();
    let python = place(directory.path(), "python3.99", b"#!/bin/sh\n", 0o755);
    let argv = |name: &str, mode, asked: &AskedFor| {
        let script = place(directory.path(), name, b"#!/bin/sh\n", mode);
        let program = Subject::Script(script.clone()).resolve(&["a".into()], asked);
        (program.map(|program| program.argv), script)
    };
    let (shell_s, script) = argv("tool", 0o755, &AskedFor::default());
    assert_eq!(shell_s, Ok(vec![script.into(), "a".into()]));
    let (refused, script) = argv("plain", 0o644, &AskedFor::default());
    assert_eq!(refused, Err(Unusable::NotExecutable(script)));
    // Who names a Python wants it.
    let asked = AskedFor { interpreter: Some(python.clone().into()), options: Vec::new() };
    let (python_s, script) = argv("tool", 0o755, &asked);
    assert_eq!(python_s, Ok(vec![python.into(), script.into(), "a".into()]));
}

#[test]
fn a_program_that_gains_privileges_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let Some(program) = compile(directory.path(), "privileged", &[]) else { return };
    let other = 12_345;
    if std::os::unix::fs::chown(&program, Some(other), Some(other)).is_err() {
        return machine_forbids("giving a file away");
    }
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(record(&program).is_ok());
    for mode in [0o4755, 0o2755] {
        fs::set_permissions(&program, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(record(&program), Err(Unusable::Privileged(program.clone())));
    }
}

#[test]
fn short_names() {
    let name = |subject: Subject| subject.short_name();
    assert_eq!(name(Subject::Code("x = 1".into())), "command");
    assert_eq!(name(Subject::Module("http.server".into())), "http.server");
    assert_eq!(name(Subject::Script("/a/b c.tar.py".into())), "b_c.tar");
    assert_eq!(name(Subject::Script("-".into())), "stdin");
    assert_eq!(name(Subject::Script("..".into())), "program");
    assert_eq!(name(Subject::Command("/usr/bin/sort".into())), "sort");
}
