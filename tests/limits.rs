//! Limits that a recording can run into: the program goes on, and the capture says what it lacks.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::c_programs::compile;
use crate::support::memprof::{EXECUTABLE, Finished, programs};
use crate::support::pythons;
use crate::support::recording::{Recording, stats_of, total};
use crate::support::skipping::machine_forbids;
use crate::support::survivor::assert_complete;
use crate::support::table::{sum, table, table_of};
use crate::support::unharmed::{Unharmed, repeated};

#[test]
fn more_threads_at_a_time_than_can_be_recorded() {
    let code = "import truth; print(truth.crowd(4200, 777)); print(len(bytes(1 << 30)))";
    let recording = Recording::of_code(pythons::any(), code).variable("PYTHONPATH", programs());
    let recorded = recording.run().succeeds();
    let errors = recorded.finished().stderr();
    if recorded.finished().stdout() == "1\n1073741824\n" {
        // The C helper could not start them all, for reasons of the machine's.
        machine_forbids("4200 threads at a time");
        return;
    }
    assert_eq!(recorded.finished().stdout(), "0\n1073741824\n", "the program itself: {errors}");
    assert_eq!(errors.matches("more threads at a time than memprof can record").count(), 1, "{errors}");
    assert!(!errors.contains("the recorder was gone"), "{errors}");
    let stats = recorded.stats();
    assert_eq!(stats["metadata"]["complete"], false);
    assert!(stats["notes"].to_string().contains("more threads at a time"), "{}", stats["notes"]);
    assert!(total(&stats, "peak_bytes") < 1 << 30);
}

/// `ulimit -f`: what the shell counts in blocks of 512 or 1024 bytes.
#[test]
fn a_limit_on_the_size_of_files() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let capture = folder.path().join("capture.bin");
    let code = "\
import random, resource
for _ in range(200):
    blocks = [bytes(random.randrange(600, 60_000)) for _ in range(2000)]
    random.shuffle(blocks)
print(resource.getrlimit(resource.RLIMIT_FSIZE)[0] in (1500 * 512, 1500 * 1024))
raise SystemExit(5)
";
    let mut shell = Command::new("sh");
    let script = "ulimit -S -f 1500; exec \"$1\" run -o \"$2\" --python \"$3\" -c \"$4\"";
    shell.args(["-c", script, "sh", EXECUTABLE]).arg(&capture).arg(&pythons::any().path).arg(code);
    let finished = Finished::of(shell.stdin(Stdio::null())).ends_with(5);
    assert_eq!(finished.stdout(), "True\n", "the program has the limit: {}", finished.stderr());
    assert!(finished.stderr().contains("File too large"), "{}", finished.stderr());
    let stats = stats_of(&capture);
    assert_eq!(stats["metadata"]["complete"], false);
    assert!((10_000..400_000).contains(&total(&stats, "allocations")), "{stats}");
}

/// Python raises `MemoryError`, and the program goes on with what it then has again.
#[test]
fn a_limit_on_address_space_in_python() {
    let code = "\
import resource, truth
resource.setrlimit(resource.RLIMIT_AS, (500 << 20, 500 << 20))
kept = []
try:
    while True:
        block = truth.pvalloc(1 << 20)
        if block is None:
            bytearray(1 << 20)
        kept.append(block)
except MemoryError:
    made = len(kept)
for block in kept:
    truth.free(block)
for _ in range(20):
    truth.free(truth.valloc(100 << 20))
print(made)
";
    // A free-threaded one has reserved more address space than that when it has begun, and takes its objects from there.
    for python in pythons::all().iter().filter(|python| !python.free_threaded) {
        let recorded = Recording::of_code(python, code).variable("PYTHONPATH", programs()).run().succeeds();
        let made: u64 = recorded.finished().stdout().trim().parse().expect("a number");
        assert!((200..500).contains(&made), "{python}: {made}");
        let rows = table(&recorded.capture(), "--total");
        let of = |allocator: &str| sum(&rows, |row| row.allocator == allocator);
        assert_eq!((of("pvalloc").allocations, of("pvalloc").bytes), (made, made << 20), "{python}");
        assert_eq!((of("valloc").allocations, of("valloc").bytes), (20, 20 * (100 << 20)), "{python}");
        assert_complete(&recorded);
    }
}

/// Where memprof itself gets no memory, recording ends, which is said once, and the program goes on as it would.
#[test]
fn no_memory_for_another_thread() {
    let program = compile("no_memory.c", "no_memory", &[]);
    let bare = Finished::of(&mut Command::new(&program)).ends_with(4);
    assert_eq!(bare.stdout(), "much 0, errno 1\nlittle 1\nin the thread 1\n");
    let recorded = Recording::of_command(&[program.as_os_str()]).option("-q").run().ends_with(4);
    assert_eq!(recorded.finished().stdout(), bare.stdout());
    let errors = recorded.finished().stderr();
    // All that the program does not say itself is said at its end.
    let sentence = "memprof: recording stopped before the program ended: there was no memory for memprof's own tables; \
                    what came after that is not in the capture\n";
    assert_eq!(errors, bare.stderr() + sentence);
    let stats = recorded.stats();
    assert_eq!(stats["metadata"]["complete"], false);
    let found = sum(&table(&recorded.capture(), "--total"), |row| row.allocator == "valloc");
    assert_eq!((found.allocations, found.bytes), (20, 20 * 5000));
}

/// The command of a program that gives up rights in this way, if it can here.
fn giving_up<'a>(program: &'a Path, how: &'a str) -> Option<[&'a OsStr; 2]> {
    let bare = Finished::of(Command::new(program).arg(how));
    if bare.status() != 5 {
        machine_forbids(&format!("to give up rights ({how}: status {})", bare.status()));
        return None;
    }
    Some([program.as_os_str(), OsStr::new(how)])
}

/// Programs that confine themselves: recording goes on as long as it may, and ends before the program would.
#[test]
fn rights_that_a_program_gives_up() {
    let program = compile("gives_up_rights.c", "gives_up_rights", &[]);
    for (how, ends_early) in [
        ("filter", false),
        ("clock", true),
        ("clock by number", true),
        ("strict", true),
        ("strict by number", true),
        ("strict by seccomp", true),
    ] {
        let Some(command) = giving_up(&program, how) else { continue };
        let bare = Finished::of(Command::new(command[0]).arg(command[1]));
        for _ in 0..repeated(5) {
            let recorded = Recording::of_command(&command).option("-q").run().ends_with(5);
            let errors = recorded.finished().stderr();
            assert_eq!(recorded.finished().stdout(), bare.stdout(), "{how}: {errors}");
            assert_eq!(errors.contains("the program gave up the right"), ends_early, "{how}: {errors}");
            let rows = table(&recorded.capture(), "--total");
            assert_eq!(sum(&rows, |row| row.allocator == "valloc").allocations, 1000, "{how}");
            let all =
                sum(&rows, |row| row.allocator == "malloc" && (100..150).contains(&(row.bytes / row.allocations)));
            assert_eq!(all.allocations == 4 * 2_000_000, !ends_early, "{how}: {all:?}");
        }
    }
}

/// Programs that map files under filters that end them where somebody asks what a descriptor refers to.
#[test]
fn what_a_program_has_forbidden_itself_is_not_asked() {
    let program = compile("gives_up_rights.c", "gives_up_rights", &[]);
    for (how, options, mappings) in [
        ("files", &[][..], 2000..2001),
        ("files by prctl", &[], 2000..2001),
        ("files by number", &[], 2000..2001),
        ("child", &["--follow-fork"], 2000..2001),
        ("threads", &[], 2000..u64::MAX),
    ] {
        let Some(command) = giving_up(&program, how) else { continue };
        for _ in 0..repeated(5) {
            let recorded = options.iter().fold(Unharmed::command(&command), |all, &one| all.option(one)).check();
            let rows = table_of(&recorded.capture(), &["--total", "--allocator", "mmap_file"]);
            let mapped = sum(&rows, |row| row.function == "map_file");
            assert!(mappings.contains(&mapped.allocations), "{how}: {mapped:?}");
            assert_eq!(mapped.bytes, mapped.allocations * 5 * 4096, "{how}");
        }
    }
}

/// `syscall`, which memprof hooks to see what is given up, does what it does without.
#[test]
fn system_calls_by_number() {
    let program = compile("system_calls.c", "system_calls", &[]);
    for options in [&[][..], &["--follow-fork"], &["--no-native"]] {
        for _ in 0..repeated(2) {
            let unharmed = Unharmed::command(&[program.as_os_str()]);
            let recorded = options.iter().fold(unharmed, |all, &one| all.option(one)).check();
            assert_eq!(recorded.finished().stdout(), "failures 0\n", "{options:?}");
            let rows = table(&recorded.capture(), "--total");
            assert_eq!(sum(&rows, |row| row.allocator == "valloc").allocations, 1000, "{options:?}");
        }
    }
}

/// A shell script whose arguments are memprof, an interpreter, and code for it; without the right to raise hard limits.
fn with_limits(folder: &Path, script: &str, code: &str) -> Command {
    // SAFETY: asks for this process's user and cannot fail.
    let is_administrator = unsafe { libc::geteuid() } == 0;
    let mut command = if is_administrator {
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set", "-sys_resource", "--inh-caps", "-sys_resource", "sh"]);
        command
    } else {
        Command::new("sh")
    };
    command.args(["-c", script, "sh", EXECUTABLE]).arg(&pythons::any().path).arg(code);
    command.current_dir(folder).stdin(Stdio::null());
    command
}

/// Whatever the limit: the program runs as without memprof. It is recorded where that is possible, and if not, one sentence says
/// why.
#[test]
fn limits_that_leave_little_room() {
    let code = "\
import resource, sys
kinds = resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE, resource.RLIMIT_AS, resource.RLIMIT_DATA
print([resource.getrlimit(kind) for kind in kinds], len([bytearray(1000) for _ in range(3000)]))
sys.exit(5)
";
    let limits = [
        ("-f 0", false),
        ("-f 16", false),
        ("-f 600", true),
        ("-f 1900", true),
        ("-n 5", false),
        ("-n 6", false),
        ("-n 8", true),
        ("-v 61440", true),
        ("-v 81920", true),
        ("-v 204800", true),
        ("-d 40960", true),
    ];
    for (limit, is_recorded) in limits {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let bare = format!("ulimit {limit}; exec \"$2\" -c \"$3\"");
        let bare = Finished::of(&mut with_limits(folder.path(), &bare, code)).ends_with(5);
        let record = format!("ulimit {limit}; exec \"$1\" run -q -o x.bin --no-native --python \"$2\" -c \"$3\"");
        let recorded = Finished::of(&mut with_limits(folder.path(), &record, code)).ends_with(5);
        let errors = recorded.stderr();
        assert_eq!(recorded.stdout(), bare.stdout(), "{limit}: {errors}");
        let capture = folder.path().join("x.bin");
        if is_recorded {
            assert_eq!(errors, "", "{limit}");
            assert!(total(&stats_of(&capture), "allocations") > 3000, "{limit}");
        } else {
            assert!(errors.starts_with("memprof: the program runs without being recorded: "), "{limit}: {errors}");
            assert_eq!((errors.lines().count(), capture.exists()), (1, false), "{limit}: {errors}");
        }
    }
}

/// Not even that memprof itself gets no more memory in the middle of it is the program's business.
#[test]
fn no_memory_for_the_recorder() {
    let code = "\
import random, sys
print('ready', flush=True)
sys.stdin.readline()
random.seed(1)
source = 'def f{0}(n):\\n  if n == 0: return [bytearray(random.randrange(600, 9000))]\\n  return fs[random.randrange(50)](n - 1) + [n]\\n'
exec(''.join(source.format(number) for number in range(50)))
fs = [globals()[f'f{number}'] for number in range(50)]
print(sum(len(fs[0](random.randrange(5, 40))) > 0 for _ in range(4000)))
sys.exit(5)
";
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let capture = folder.path().join("x.bin");
    let mut command = Command::new(EXECUTABLE);
    command.args(["run", "-q", "--trace-python-allocators", "-o"]).arg(&capture).arg("--python");
    command.arg(&pythons::any().path).args(["-c", code]);
    let mut memprof =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("memprof runs");
    let mut stdout = BufReader::new(memprof.stdout.take().expect("a pipe"));
    let mut line = String::new();
    stdout.read_line(&mut line).expect("the program says that it runs");
    // What happens in one second may be lost with the recorder.
    while std::fs::metadata(&capture).map_or(0, |capture| capture.len()) < 10_000 {
        std::thread::sleep(Duration::from_millis(20));
    }
    let limited = Command::new("prlimit").args(["--data=1048576", "--pid", &memprof.id().to_string()]).status();
    assert!(limited.expect("prlimit runs").success());
    memprof.stdin.take().expect("a pipe").write_all(b"\n").expect("the program reads");
    stdout.read_line(&mut line).expect("the program says what it has made");
    let finished = memprof.wait_with_output().expect("memprof ends");
    let errors = String::from_utf8_lossy(&finished.stderr).into_owned();
    assert_eq!((line.as_str(), finished.status.code()), ("ready\n4000\n", Some(5)), "{errors}");
    assert_eq!((errors.matches("memprof got no more memory").count(), errors.lines().count()), (1, 1), "{errors}");
    let stats = stats_of(&capture);
    assert_eq!(stats["metadata"]["complete"], false);
    assert!(total(&stats, "allocations") > 100, "{stats}");
}
