//! What a recording leaves where other users could look: nothing that they can open.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::memprof::{Finished, memprof};
use crate::support::pythons;
use crate::support::recording::Recording;
use crate::support::skipping::machine_forbids;

/// Says of the pool what its mode is, and what becomes of another user's attempt to open it.
const LOOK: &str = "\
import os, stat, sys
# Where it was when the program began: it has been taken out of the environment.
variables = open('/proc/self/environ').read().split(chr(0))
channel = next(variable for variable in variables if variable.startswith('MEMPROF_CHANNEL=')).split('=')[1]
assert 'MEMPROF_CHANNEL' not in os.environ
print(oct(stat.S_IMODE(os.stat(channel).st_mode)))
with open(channel, 'rb') as pool:
    print(pool.read(8))
# Else the child would print it once more.
sys.stdout.flush()
if os.getuid() == 0:
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        for mode in ('rb', 'r+b'):
            try:
                open(channel, mode)
                print('opened')
            except OSError as error:
                print(type(error).__name__)
        try:
            print(len(os.listdir(os.path.dirname(channel))), 'descriptors')
        except OSError as error:
            print(type(error).__name__)
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(child, 0)
";

#[test]
fn only_this_user_can_open_the_pool() {
    for python in pythons::all() {
        let recorded = Recording::of_code(python, LOOK).run().succeeds();
        let output = recorded.finished().stdout();
        let mut lines = output.lines();
        assert_eq!(lines.next(), Some("0o600"), "{output}");
        assert_eq!(lines.next(), Some("b'memprofC'"), "the same user can, or the test shows nothing: {output}");
        let others: Vec<&str> = lines.collect();
        // SAFETY: asks for this process's user and cannot fail.
        if unsafe { libc::geteuid() } == 0 {
            assert_eq!(others, ["PermissionError"; 3], "{output}");
        } else {
            assert!(others.is_empty(), "{output}");
        }
    }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("it is there").permissions().mode() & 0o777
}

/// Runs a command that would make everything open to everybody.
fn run_openly(command: &mut Command) {
    // SAFETY: umask may be called between fork and exec.
    unsafe {
        command.pre_exec(|| {
            libc::umask(0);
            Ok(())
        });
    }
    Finished::of(command).succeeds();
}

#[test]
fn only_this_user_can_read_a_capture() {
    let recording = Recording::of_code(pythons::any(), "pass").option("-f");
    run_openly(&mut recording.command());
    assert_eq!(mode(&recording.capture()), 0o600);
    // One of an earlier run that everybody could read.
    fs::set_permissions(recording.capture(), fs::Permissions::from_mode(0o666)).expect("it is ours");
    run_openly(&mut recording.command());
    assert_eq!(mode(&recording.capture()), 0o600);
    run_openly(memprof(["symbolize"]).arg(recording.capture()));
    assert_eq!(mode(&recording.capture()), 0o600);
}

/// Everything below a folder, and the folder itself.
fn all_in(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        found.extend(if path.is_dir() { all_in(&path) } else { vec![path] });
    }
    found
}

#[test]
fn only_this_user_can_touch_what_is_kept_between_runs() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let cache = folder.path().join("cache");
    let recording = Recording::of_code(pythons::any(), "pass").variable("XDG_CACHE_HOME", &cache).option("-f");
    run_openly(&mut recording.command());
    let kept = all_in(&cache);
    assert!(kept.iter().any(|path| path.extension().is_some_and(|it| it == "so")), "the library: {kept:?}");
    assert!(kept.iter().any(|path| path.parent().is_some_and(|it| it.ends_with("symbols"))), "names: {kept:?}");
    for path in &kept {
        assert_eq!(mode(path) & 0o077, 0, "{}", path.display());
    }
    // SAFETY: asks for this process's user and cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        return machine_forbids("making a folder another user's");
    }
    // A folder that another user has made in advance is not used: neither for code nor for names.
    for shared in ["", "memprof"] {
        let cache = folder.path().join(format!("of another user/{shared}"));
        fs::create_dir_all(&cache).expect("a folder can be made");
        std::os::unix::fs::chown(&cache, Some(65534), Some(65534)).expect("root may");
        let base = folder.path().join("of another user");
        let recording = Recording::of_code(pythons::any(), "pass").variable("XDG_CACHE_HOME", &base).option("-f");
        run_openly(&mut recording.command());
        let files: Vec<PathBuf> = all_in(&cache).into_iter().filter(|path| !path.is_dir()).collect();
        assert!(files.is_empty(), "nothing is put there: {files:?}");
        std::os::unix::fs::chown(&base, Some(0), Some(0)).expect("root may");
    }
}
