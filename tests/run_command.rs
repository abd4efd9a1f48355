//! `memprof run`: its own arguments, files and messages.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::tempdir;

use crate::support::command::{bare, memprof, run_quietly, status, stderr, stdout};
use crate::support::skipping::skipped;

/// Fails with this status and exactly this sentence, and leaves no file behind.
fn assert_refuses(output: &Output, expected_status: i32, sentence: &str, directory: &Path) {
    assert_eq!(stderr(output), format!("memprof: {sentence}\n"));
    assert_eq!(status(output), expected_status);
    assert_eq!(stdout(output), "");
    assert_eq!(captures(directory), Vec::<String>::new());
}

fn captures(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".bin")).collect()
}

#[test]
fn exit_statuses_are_the_program_s() {
    let directory = tempdir().unwrap();
    for (code, expected) in [
        ("pass", 0),
        ("import sys; sys.exit(7)", 7),
        ("raise ValueError('no')", 1),
        ("import os; os._exit(255)", 255),
        ("import os; os.kill(os.getpid(), 9)", 137),
        ("import os; os.abort()", 134),
        ("import os; os.kill(os.getpid(), 11)", 139),
    ] {
        let output = run_quietly(directory.path(), &["-f", "-o", "out.bin", "-c", code]);
        assert_eq!(status(&output), expected, "{code}: {}", stderr(&output));
    }
}

#[test]
fn the_capture_is_named_after_the_program_and_private() {
    let directory = tempdir().unwrap();
    fs::write(directory.path().join("my script.py"), "pass").unwrap();
    let mut child = memprof(directory.path()).args(["run", "-q", "my script.py"]).spawn().unwrap();
    let name = format!("memprof-my_script.{}.bin", child.id());
    assert!(child.wait().unwrap().success());
    assert_eq!(captures(directory.path()), [name.as_str()]);
    let mode = fs::metadata(directory.path().join(name)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn the_end_names_the_file_and_the_next_command() {
    let directory = tempdir().unwrap();
    let output = memprof(directory.path()).args(["run", "-o", "a b.bin", "-c", "print('out')"]).output().unwrap();
    assert_eq!(stdout(&output), "out\n");
    let said = stderr(&output);
    let lines: Vec<&str> = said.lines().collect();
    for part in ["s wall, ", "s CPU", "peak RSS ", "allocations"] {
        assert!(lines[0].contains(part), "{said}");
    }
    assert!(lines[1].starts_with("memprof: wrote a b.bin ("), "{said}");
    assert!(lines[2].ends_with(" flamegraph 'a b.bin'"), "{said}");
    assert_eq!(lines.len(), 3, "{said}");
    // It is a command to type as it is.
    let typed = Command::new("sh").arg("-c").arg(lines[2]).current_dir(directory.path()).output().unwrap();
    assert!(typed.status.success(), "{}", stderr(&typed));
}

#[test]
fn a_program_that_a_signal_ended_is_said_so() {
    let directory = tempdir().unwrap();
    let code = "import os; os.kill(os.getpid(), 9)";
    let output = memprof(directory.path()).args(["run", "-c", code]).output().unwrap();
    assert!(stderr(&output).contains("memprof: the program was ended by signal 9 (Killed)\n"), "{}", stderr(&output));
}

#[test]
fn nothing_is_overwritten_without_force() {
    let directory = tempdir().unwrap();
    let out = directory.path().join("out");
    fs::write(&out, "precious").unwrap();
    let code = "open('ran', 'w')";
    let output = run_quietly(directory.path(), &["-o", "out", "-c", code]);
    let sentence = "out exists: give another name with -o, or overwrite it with -f";
    assert_refuses(&output, 1, sentence, directory.path());
    assert_eq!(fs::read_to_string(&out).unwrap(), "precious");
    assert!(!directory.path().join("ran").exists());

    let output = run_quietly(directory.path(), &["-fo", "out", "-c", code]);
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    assert!(fs::metadata(&out).unwrap().len() > 100);
    assert!(directory.path().join("ran").exists());
}

#[test]
fn an_output_that_cannot_be_written_is_known_before_the_program_runs() {
    let directory = tempdir().unwrap();
    let output = run_quietly(directory.path(), &["-o", "gone/out.bin", "-c", "open('ran', 'w')"]);
    let sentence = "cannot write gone/out.bin: No such file or directory; give another name with -o";
    assert_refuses(&output, 1, sentence, directory.path());
    assert!(!directory.path().join("ran").exists());
    let output = run_quietly(directory.path(), &["-f", "-o", ".", "-c", "pass"]);
    assert_refuses(&output, 1, ". is not a file: give the name of a file with -o", directory.path());
}

#[test]
fn the_script_is_never_overwritten() {
    let directory = tempdir().unwrap();
    fs::write(directory.path().join("s.py"), "pass").unwrap();
    let output = run_quietly(directory.path(), &["-f", "-o", "./s.py", "s.py"]);
    let sentence = "./s.py is the script itself: give another name for the capture with -o";
    assert_refuses(&output, 1, sentence, directory.path());
    assert_eq!(fs::read_to_string(directory.path().join("s.py")).unwrap(), "pass");
}

#[test]
fn what_is_not_there() {
    let directory = tempdir().unwrap();
    for (arguments, sentence) in [
        (&["gone.py", "-x"][..], "there is no script gone.py: check the path"),
        (&["sh"], "there is no script sh: check the path, or put -- before it to record the command sh"),
        (&["--", "gone"], "there is no command gone: check its name or path"),
        (&["--python", "gone", "-c", ""], "there is no interpreter gone: check what --python names"),
    ] {
        assert_refuses(&run_quietly(directory.path(), arguments), 1, sentence, directory.path());
    }
    let output = memprof(directory.path()).args(["run", "-c", "pass"]).env("PATH", directory.path()).output().unwrap();
    let sentence = "there is no python3 on PATH: install Python or name an interpreter with --python";
    assert_refuses(&output, 1, sentence, directory.path());
}

#[test]
fn a_static_program_cannot_be_recorded() {
    let directory = tempdir().unwrap();
    fs::write(directory.path().join("empty.c"), "int main(void) { return 0; }\n").unwrap();
    let made = Command::new("cc").args(["-static", "-o", "static", "empty.c"]).current_dir(directory.path()).output();
    if !made.is_ok_and(|made| made.status.success()) {
        return skipped("no C compiler that links statically");
    }
    let output = run_quietly(directory.path(), &["./static"]);
    let sentence = "./static is statically linked, so nothing can be preloaded into it: \
                    record a dynamically linked build of it";
    assert_refuses(&output, 1, sentence, directory.path());
}

#[test]
fn calls_that_make_no_sense() {
    let directory = tempdir().unwrap();
    for (arguments, complaint) in [
        (&["run"][..], "name what to run: a script, -c CODE, -m MODULE, or -- and a command"),
        (&["run", "-c"], "a value is required for '-c <CODE>' but none was supplied"),
        (&["run", "--bogus", "s.py"], "unexpected argument '--bogus' found"),
        (&["run", "--python", "python3", "--", "ls"], "--python is for Python code, not for a command after --"),
        (&["record"], "unrecognized subcommand 'record'"),
    ] {
        let output = memprof(directory.path()).args(arguments).output().unwrap();
        assert_eq!(status(&output), 2, "{arguments:?}");
        let said = stderr(&output);
        assert!(said.starts_with(&format!("memprof: {complaint}\n")), "{said}");
        assert_eq!(stdout(&output), "");
    }
}

/// A command line changes by one word only.
#[test]
fn the_interpreter_s_options_are_passed_on() {
    let directory = tempdir().unwrap();
    fs::write(directory.path().join("shows.py"), SHOWS_OPTIONS).unwrap();
    let output = |command: &mut Command| {
        let output = command.output().unwrap();
        (status(&output), stdout(&output), stderr(&output))
    };
    for options in [
        &["-O", "shows.py", "a", "-O"][..],
        &["-OO", "-u", "shows.py"],
        &["-sB", "-W", "error", "-Xutf8=1", "-X", "dev", "-m", "shows"],
        &["-I", "-m", "shows"],
        &["-sEbWignore", "-c", SHOWS_OPTIONS, "-W"],
        &["-x", "-S", "shows.py"],
        &["-u", "-"],
    ] {
        let bare = output(bare("python3", directory.path()).args(options));
        let recorded = output(memprof(directory.path()).args(["run", "-qf", "-o", "x.bin"]).args(options));
        assert_eq!(recorded, bare, "{options:?}");
    }
    let (status, _, said) = output(memprof(directory.path()).args(["run", "-O", "--", "true"]));
    assert_eq!(status, 2);
    assert!(said.contains("options of Python are for Python code"), "{said}");
}

const SHOWS_OPTIONS: &str = "#\nimport sys\nprint(sys.flags, sys.warnoptions, sys._xoptions, sys.argv[1:])\n";

#[test]
fn help_and_version() {
    let directory = tempdir().unwrap();
    for (arguments, part) in [
        (&["--version"][..], concat!("memprof ", env!("CARGO_PKG_VERSION"), "\n")),
        (&["help", "run"], "Usage: memprof run [OPTIONS] <SCRIPT | -c CODE | -m MODULE | -- COMMAND> [ARGS]..."),
        (&["run", "-h"], "-o, --output <FILE>"),
        (&["run", "-qh", "s.py"], "-o, --output <FILE>"),
    ] {
        let output = memprof(directory.path()).args(arguments).output().unwrap();
        assert_eq!(status(&output), 0, "{arguments:?}");
        assert!(stdout(&output).contains(part), "{}", stdout(&output));
        assert_eq!(stderr(&output), "");
    }
}

#[test]
fn the_interposer_can_be_named_and_falls_back() {
    let directory = tempdir().unwrap();
    let run = |variables: &[(&str, &str)]| {
        let mut command = memprof(directory.path());
        command.args(["run", "-qf", "-o", "out.bin", "-c", "pass"]);
        command.envs(variables.iter().copied()).output().unwrap()
    };
    let output = run(&[("MEMPROF_INTERPOSER", "gone.so")]);
    let sentence = "memprof: cannot use gone.so: No such file or directory; \
                    unset MEMPROF_INTERPOSER to use the library inside memprof\n";
    assert_eq!((status(&output), stderr(&output).as_str()), (1, sentence));
    // Neither a cache nor a directory for temporary files: the library is loaded from memory.
    let output = run(&[("XDG_CACHE_HOME", "/proc/gone"), ("TMPDIR", "/proc/gone")]);
    assert_eq!((status(&output), stderr(&output).as_str()), (0, ""));
    assert!(fs::metadata(directory.path().join("out.bin")).unwrap().len() > 100);
}
