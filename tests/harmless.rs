//! A program cannot tell `memprof run` from its absence: the same run with and without, compared.

use std::fs;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::tempdir;

use crate::support::c_programs::compile;
use crate::support::command::{bare, memprof, run_quietly, status, stderr, stdout};

const WHO_AM_I: &str = "
import os, sys
print(__name__, globals().get('__file__'))
for name in 'argv', 'path', 'orig_argv', 'executable', 'prefix', 'flags', 'warnoptions', '_xoptions':
    print(name, getattr(sys, name, None))
print(os.getcwd(), os.getpgrp(), os.getsid(0), os.nice(0), os.umask(0), os.sched_getaffinity(0))
print([stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)], sys.stdout.encoding)
# Before anything else is imported.
print(sorted(sys.modules), sorted(vars(sys.modules['__main__'])))
import atexit, faulthandler, gc, locale, resource, signal, threading
print(os.listdir('/proc/self/task') == [str(os.getpid())], [thread.name for thread in threading.enumerate()])
print(locale.setlocale(locale.LC_ALL, ''), locale.localeconv(), sys.getfilesystemencoding())
print(sys.gettrace(), sys.getprofile(), sys.getrecursionlimit(), sys.getswitchinterval(), len(sys.meta_path), len(sys.path_hooks))
print(gc.isenabled(), gc.get_threshold(), gc.callbacks, atexit._ncallbacks(), faulthandler.is_enabled())
print([(number, signal.getsignal(number)) for number in sorted(signal.valid_signals())], signal.pthread_sigmask(0, []))
print([resource.getrlimit(limit) for limit in range(16)])
print(list(os.environ.items()), sorted(os.listdir('/proc/self/fd')))
";

#[test]
fn python_sees_what_it_sees_without() {
    let directory = tempdir().unwrap();
    let package = directory.path().join("package");
    fs::create_dir_all(&package).unwrap();
    fs::write(package.join("script.py"), WHO_AM_I).unwrap();
    fs::write(package.join("__main__.py"), WHO_AM_I).unwrap();
    let odd: &[&str] = &["-o", "x", "--", "-q", "", "a b", "-c"];
    for program in [
        &["package/script.py"][..],
        &["./package/script.py"],
        &["-m", "package.script"],
        &["-m", "package"],
        &["package"],
        &["-c", WHO_AM_I],
    ] {
        let without = bare("python3", directory.path()).args(program).args(odd).output().unwrap();
        let with = run_quietly(directory.path(), &[program, odd].concat());
        assert_eq!(stderr(&with), stderr(&without), "{program:?}");
        assert_eq!(stdout(&with), stdout(&without), "{program:?}");
        assert!(stdout(&with).contains("'-o', 'x', '--', '-q', '', 'a b', '-c'"), "{}", stdout(&with));
    }
}

#[test]
fn attached_code_and_modules_are_python_s_too() {
    let directory = tempdir().unwrap();
    let with = run_quietly(directory.path(), &["-cimport sys; print(sys.argv)", "-o", "x"]);
    assert_eq!(stdout(&with), "['-c', '-o', 'x']\n", "{}", stderr(&with));
    let with = run_quietly(directory.path(), &["-mplatform", "--terse"]);
    assert_eq!((status(&with), stdout(&with).lines().count()), (0, 1), "{}", stderr(&with));
}

#[test]
fn streams_go_through() {
    let directory = tempdir().unwrap();
    let code = "import sys; sys.stdout.write(sys.stdin.read().upper()); sys.stderr.write('complaint')";
    for program in [&["-c", code][..], &["-"]] {
        let mut child = memprof(directory.path())
            .args(["run", "-q"])
            .args(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let input = if program == ["-"] {
            "import sys; print('HELLO', end=''); print('complaint', end='', file=sys.stderr)"
        } else {
            "hello"
        };
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((stdout(&output).as_str(), stderr(&output).as_str()), ("HELLO", "complaint"));
    }
}

#[test]
fn the_environment_is_the_same() {
    let directory = tempdir().unwrap();
    let run = |mut command: Command| {
        // Neither sorted nor only of the usual form. The library is there already, and does nothing.
        let variables = [("Z", "1"), ("A", "two\nlines"), ("LD_PRELOAD", "libc.so.6:libm.so.6"), ("B", "")];
        let output = command.env_clear().envs(variables).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    for options in [&["-q"][..], &["-q", "--no-native"]] {
        let mut with = memprof(directory.path());
        with.arg("run").args(options).args(["-f", "--", "/usr/bin/env"]);
        assert_eq!(run(with), run(bare("/usr/bin/env", directory.path())), "{options:?}");
    }
}

/// The first allocation of a process may be made in the middle of a change to its environment.
#[test]
fn what_a_library_adds_to_the_environment_before_all_else_is_there() {
    let directory = tempdir().unwrap();
    let library = compile("changes_environment.c", "libchanges.so", &["-DLIBRARY", "-shared", "-fPIC"]);
    let flags = ["-Wl,--no-as-needed", library.to_str().unwrap()];
    let program = compile("changes_environment.c", "changes_environment", &flags);
    let program = program.to_str().unwrap();
    let run = |command: &mut Command| {
        let output = command.env_clear().envs([("Z", "1"), ("A", "2")]).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    let without = run(&mut bare(program, directory.path()));
    assert!(without.ends_with("ADDED=1\n"), "{without}");
    assert_eq!(run(memprof(directory.path()).args(["run", "-q", "--", program])), without);
}

/// The signals that a program starts with blocked, ignored and caught, and its open descriptors.
const STATE: &[&str] = &[
    "-c",
    "import os, sys
for line in open('/proc/self/status'):
    if line.startswith(('SigBlk', 'SigIgn', 'SigCgt', 'Seccomp', 'NoNewPrivs')):
        print(line.strip())
for descriptor in sorted(map(int, os.listdir('/proc/self/fd'))):
    try:
        print(descriptor, os.readlink(f'/proc/self/fd/{descriptor}').split(':')[0])
    except OSError:
        pass # What the directory was listed by.
",
];

/// Runs Python itself and a shell under these conditions, which `prepare` makes in the child.
fn assert_same_state(directory: &Path, prepare: fn() -> io::Result<()>) {
    let in_these_conditions = |command: &mut Command| {
        // SAFETY: the callers make only system calls.
        let output = unsafe { command.pre_exec(prepare) }.output().unwrap();
        stdout(&output) + &stderr(&output)
    };
    let python = Path::new("/usr/bin/python3");
    if python.exists() {
        let without = in_these_conditions(bare("/usr/bin/python3", directory).args(STATE));
        let with = in_these_conditions(memprof(directory).args(["run", "-q", "--"]).arg(python).args(STATE));
        assert_eq!(with, without);
    }
    // Python sets SIGPIPE to its liking; grep takes what it gets.
    let look = ["^Sig[BIC]", "/proc/self/status"];
    let without = in_these_conditions(bare("grep", directory).args(look));
    let with = in_these_conditions(memprof(directory).args(["run", "-q", "--", "grep"]).args(look));
    assert_eq!(with, without);
    assert!(with.contains("SigIgn:") || with.is_empty(), "{with}");
}

#[test]
fn signals_and_descriptors_are_those_that_memprof_got() {
    let directory = tempdir().unwrap();
    assert_same_state(directory.path(), || Ok(()));
    assert_same_state(directory.path(), || {
        // SAFETY: changes the dispositions of a process that is about to execute memprof.
        unsafe {
            for signal in [libc::SIGPIPE, libc::SIGINT, libc::SIGQUIT, libc::SIGHUP, libc::SIGXFSZ, libc::SIGRTMIN()] {
                libc::signal(signal, libc::SIG_IGN);
            }
        }
        Ok(())
    });
    assert_same_state(directory.path(), || {
        // SAFETY: an all-zero set is valid, and the mask is that of a process that is about to execute memprof.
        unsafe {
            let mut mask = std::mem::zeroed();
            libc::sigemptyset(&raw mut mask);
            for signal in [libc::SIGUSR1, libc::SIGTERM, libc::SIGALRM, libc::SIGRTMAX()] {
                libc::sigaddset(&raw mut mask, signal);
            }
            libc::sigprocmask(libc::SIG_SETMASK, &raw const mask, std::ptr::null_mut());
        }
        Ok(())
    });
    assert_same_state(directory.path(), || {
        // SAFETY: closes a descriptor of a process that is about to execute memprof.
        unsafe { libc::close(0) };
        Ok(())
    });
}

#[test]
fn a_thread_is_cancelled_no_sooner() {
    let program = compile("cancelled.c", "cancelled", &[]);
    let bare = Command::new(&program).output().unwrap();
    assert_eq!(stdout(&bare), "made 9000, on another stack 2, cleaned up 1, cancelled 1\n");
    let directory = tempdir().unwrap();
    for options in [&[][..], &["--no-native"]] {
        let program = [&["--"], [program.to_str().unwrap()].as_slice()].concat();
        let with = run_quietly(directory.path(), &[options, &program].concat());
        assert_eq!((stdout(&with), stderr(&with)), (stdout(&bare), String::new()));
    }
}

/// What memprof asks the C library at a thread's first allocation, that may be in the middle of.
#[test]
fn a_thread_may_ask_for_its_stack_first() {
    let program = compile("asks_for_its_stack.c", "asks_for_its_stack", &["-pthread"]);
    let directory = tempdir().unwrap();
    for options in [&["--follow-fork", "--"][..], &["--follow-fork", "--no-native", "--"]] {
        // Without care the program hangs, so that `timeout`, which runs it as its child, ends it.
        let command = ["timeout", "20", program.to_str().unwrap()];
        let with = run_quietly(directory.path(), &[options, &command].concat());
        assert_eq!((stdout(&with), stderr(&with)), ("done\n".to_owned(), String::new()));
    }
}
