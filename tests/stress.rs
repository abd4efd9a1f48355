//! Programs that do by chance, and at the same time, all that has hurt under memprof: they end as without it, and what they
//! allocate in the end, when all is calm, is in the capture.
//!
//! `MEMPROF_STRESS_SECONDS` lets each test go on for that long, with one round after another, and `MEMPROF_STRESS_SEED`
//! repeats a run that failed.

use std::env;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::support::c_programs::{Build, compile, signal_safe_allocator};
use crate::support::embedding::Embedding;
use crate::support::recording::Recorded;
use crate::support::table::{Amount, sum, table};
use crate::support::unharmed::Unharmed;

fn variable(name: &str) -> Option<u64> {
    env::var(name).ok().and_then(|value| value.parse().ok())
}

/// The seeds of the rounds, at least one. A failed test shows the last one that was printed.
fn seeds() -> impl Iterator<Item = u64> {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64 % 1_000_000);
    let first = variable("MEMPROF_STRESS_SEED").unwrap_or_else(now);
    let (began, limit) = (Instant::now(), variable("MEMPROF_STRESS_SECONDS").map(Duration::from_secs));
    let goes_on = move |seed: &u64| *seed == first || limit.is_some_and(|limit| began.elapsed() < limit);
    (first..).take_while(goes_on).inspect(|seed| eprintln!("MEMPROF_STRESS_SEED={seed}"))
}

/// Requires what so many threads allocate in the end.
#[track_caller]
fn assert_calm(recorded: &Recorded, threads: u64) {
    let calm = sum(&table(&recorded.capture(), "--total"), |row| row.allocator == "valloc");
    assert_eq!(calm, Amount { allocations: threads * 1000, bytes: threads * 1000 * 12345 });
}

#[test]
fn threads_forks_handlers_libraries_and_overflows() {
    // Nobody may be left in the loader by longjmp, with or without memprof: all is bound in advance.
    let build = Build::c("native_stress.c", "native_stress").source("overflowing_library.c");
    let program = build.flags(&["-O0", "-g", "-Wl,-z,now"]).path();
    let library = compile("stress_library.c", "stress_library.so", &["-shared", "-fPIC"]);
    for seed in seeds() {
        let option = ["--follow-fork", "--no-native", "--native-depth=1024"][seed as usize % 3];
        let seed = seed.to_string();
        let case = Unharmed::command(&[program.as_os_str(), seed.as_ref(), "300".as_ref(), library.as_os_str()]);
        let case = case.option(option).variable("LD_PRELOAD", signal_safe_allocator()).that_may_skip_events();
        assert_calm(&case.check(), 5);
    }
}

#[test]
fn interpreters_that_come_and_go() {
    let built = Embedding::with_all("python_stress.c", "python_stress");
    const INTERPRETERS: u64 = 8;
    for seed in seeds() {
        let embedding = &built[seed as usize % built.len()];
        let option = ["--follow-fork", "--no-native", "--trace-python-allocators"][seed as usize / built.len() % 3];
        eprintln!("{} {option}", embedding.python);
        let (seed, interpreters) = (seed.to_string(), INTERPRETERS.to_string());
        let mut case = Unharmed::command(&[embedding.program.as_os_str(), seed.as_ref(), interpreters.as_ref()]);
        if option == "--trace-python-allocators" {
            case = case.with_unknown_frees_up_to(INTERPRETERS * embedding.python.most_unseen_in_another_life());
        }
        for (name, value) in embedding.variables(Some(signal_safe_allocator().as_os_str())) {
            case = case.variable(name, value);
        }
        let case = case.option(option).that_may_skip_events();
        let recorded = case.check();
        let printed = recorded.finished().stdout();
        let stayed = printed.split(' ').nth(2).and_then(|number| number.parse().ok()).expect("a number");
        assert_calm(&recorded, stayed);
    }
}
