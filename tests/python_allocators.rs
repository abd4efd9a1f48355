//! Python's own allocators: every block of every domain, whichever allocator Python has chosen, and no memory twice.

use std::collections::HashMap;

use memprof_capture::event::{AllocationNumber, ResolvedEvent};
use memprof_capture::file::CaptureReader;
use memprof_capture::file::columns::EventBatch;
use memprof_channel::allocator::Allocator;

use crate::support::embedding::Embedding;
use crate::support::falsified::Falsified;
use crate::support::pythons::{self, Python};
use crate::support::recording::{Recorded, Recording, total};
use crate::support::skipping::skipped;
use crate::support::table::{sum, table};

/// How often something happened to blocks of a size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    allocated: u32,
    resized: u32,
    freed: u32,
}

/// What happened to blocks of each size, by the allocator that made them.
fn by_size(recorded: &Recorded) -> HashMap<(Allocator, u64), Counts> {
    let mut reader = CaptureReader::open(&recorded.capture()).expect("the capture can be opened");
    let (mut events, mut batch) = (Vec::new(), EventBatch::default());
    for chunk in reader.event_chunks().to_vec() {
        reader.read_events(&chunk, &mut batch).expect("the capture can be read");
        events.append(&mut batch.events);
    }
    let allocator = |site| reader.tables().site(site).expect("the site is known").allocator;
    let mut live: HashMap<AllocationNumber, (Allocator, u64)> = HashMap::new();
    let mut counts: HashMap<(Allocator, u64), Counts> = HashMap::new();
    for timed in events {
        match timed.event {
            ResolvedEvent::Allocation { number, size, site } => {
                let key = (allocator(site), size);
                assert_eq!(live.insert(number, key), None, "numbers are given once");
                counts.entry(key).or_default().allocated += 1;
            }
            ResolvedEvent::Map { size, site, .. } => counts.entry((allocator(site), size)).or_default().allocated += 1,
            ResolvedEvent::Resize { old, number, size, site } => {
                let key = (allocator(site), size);
                assert!(live.remove(&old).is_some(), "what is resized is live");
                live.insert(number, key);
                counts.entry(key).or_default().resized += 1;
            }
            ResolvedEvent::Free { number } => {
                let key = live.remove(&number).expect("what is freed is live");
                counts.entry(key).or_default().freed += 1;
            }
            ResolvedEvent::Unmap { .. } => {}
            ResolvedEvent::UnknownFree { .. } | ResolvedEvent::UnseenFree { .. } => {
                panic!("what is freed was seen as allocated, and what is allocated as freed: {timed:?}")
            }
        }
    }
    counts
}

fn record(python: &Python, setting: Option<(&str, &str)>, option: Option<&str>) -> Recorded {
    record_in(Recording::of_script(python, "python_blocks.py"), setting, option)
}

fn record_in(mut recording: Recording, setting: Option<(&str, &str)>, option: Option<&str>) -> Recorded {
    if let Some((name, value)) = setting {
        recording = recording.variable(name, value);
    }
    if let Some(option) = option {
        recording = recording.option(option);
    }
    recording.run().succeeds()
}

/// Each way to choose the allocators of a Python, and what it then calls them.
fn settings(python: &Python) -> Vec<(Option<(&'static str, &'static str)>, &'static str)> {
    if python.free_threaded {
        // It has no other one.
        return vec![
            (None, python.default_allocator()),
            (Some(("PYTHONMALLOC", "mimalloc")), "mimalloc"),
            (Some(("PYTHONMALLOC", "debug")), "mimalloc_debug"),
            (Some(("PYTHONMALLOC", "mimalloc_debug")), "mimalloc_debug"),
            (Some(("PYTHONDEVMODE", "1")), "mimalloc_debug"),
        ];
    }
    let mut settings = vec![
        (None, python.default_allocator()),
        (Some(("PYTHONMALLOC", "pymalloc")), "pymalloc"),
        (Some(("PYTHONMALLOC", "malloc")), "malloc"),
        (Some(("PYTHONMALLOC", "debug")), "pymalloc_debug"),
        (Some(("PYTHONMALLOC", "malloc_debug")), "malloc_debug"),
        (Some(("PYTHONDEVMODE", "1")), "pymalloc_debug"),
    ];
    if python.minor >= 13 {
        settings.push((Some(("PYTHONMALLOC", "mimalloc")), "mimalloc"));
    }
    settings
}

/// Requires that all that the program does with blocks was recorded, and nothing twice.
#[track_caller]
fn assert_every_function(recorded: &Recorded) {
    let counts = by_size(recorded);
    let of = |allocator, size| counts.get(&(allocator, size)).copied().unwrap_or_default();
    let three = Counts { allocated: 3, resized: 0, freed: 3 };
    assert_eq!(of(Allocator::PymallocMalloc, 98_431), three);
    assert_eq!(of(Allocator::PymallocCalloc, 98_427), three);
    assert_eq!(of(Allocator::PymallocRealloc, 98_437), three);
    assert_eq!(of(Allocator::PymallocMalloc, 98_439), Counts { freed: 0, ..three });
    for (before, after, times) in [(98_433, 198_429, 3..4), (507, 509, 3000..3010)] {
        let (first, second) = (of(Allocator::PymallocMalloc, before), of(Allocator::PymallocRealloc, after));
        assert!(times.contains(&first.allocated) && times.contains(&second.freed), "{first:?}, {second:?}");
        // In place, or by way of a new block.
        assert!(times.contains(&(second.allocated + second.resized)), "{first:?}, {second:?}");
        assert!(first.freed >= second.allocated && first.freed - second.allocated < 10, "{first:?}, {second:?}");
    }
    // What these functions call in turn is not the program's: no other allocator had such sizes, nor the arenas.
    let others = counts.keys().filter(|(allocator, size)| {
        let pymalloc = [Allocator::PymallocMalloc, Allocator::PymallocCalloc, Allocator::PymallocRealloc];
        !pymalloc.contains(allocator) && (98_000..300_000).contains(size)
    });
    assert_eq!(others.count(), 0);
    assert!(!counts.contains_key(&(Allocator::Mmap, 1 << 20)), "an arena");
    let stats = recorded.stats();
    assert_eq!((total(&stats, "unknown_frees"), total(&stats, "skipped_events")), (0, 0));
    assert_eq!(stats["metadata"]["python_allocators_traced"], true);
}

#[test]
fn every_function_of_every_domain() {
    for python in pythons::all() {
        for (setting, name) in settings(python) {
            eprintln!("{python}, {setting:?}");
            let recorded = record(python, setting, Some("--trace-python-allocators"));
            assert_every_function(&recorded);
            assert_eq!(recorded.stats()["metadata"]["python_allocator"], name);
        }
    }
}

/// To record them nothing need be known of the interpreter.
#[test]
fn those_of_an_interpreter_that_is_not_known() {
    const SETTINGS: [Option<(&str, &str)>; 2] = [None, Some(("PYTHONMALLOC", "debug"))];
    let check = |recording: Recording, setting| {
        let recorded = record_in(recording, setting, Some("--trace-python-allocators"));
        assert_every_function(&recorded);
        recorded.assert_stacks_are_refused();
    };
    for (python, other) in pythons::that_have("its version in one place", Falsified::of_another_version) {
        for setting in SETTINGS {
            eprintln!("{python} as another version, {setting:?}");
            check(other.place(Recording::of_script(&other.python, "python_blocks.py")), setting);
        }
    }
    for python in pythons::unknown() {
        for setting in SETTINGS {
            eprintln!("{python}, {setting:?}");
            check(Recording::of_script(python, "python_blocks.py"), setting);
        }
    }
}

#[test]
fn objects_have_the_line_that_made_them() {
    for python in pythons::all() {
        let recorded = record(python, None, Some("--trace-python-allocators"));
        let rows = table(&recorded.capture(), "--leaks");
        let objects = sum(&rows, |row| {
            // Before 3.12 a comprehension is a function of its own.
            (row.function == "floats" || row.function.ends_with("<listcomp>")) && row.allocator == "pymalloc_malloc"
        });
        // Python keeps up to a hundred floats that it does not need, and gives these out first.
        assert!((9_900..10_100).contains(&objects.allocations), "{python}: {objects:?}");
        // Free-threaded builds have larger objects, and make a new array when a list grows. A compiler notes what it makes.
        let (size, more) = match python {
            Python { free_threaded: true, .. } => (40, 100_000),
            Python { jit: true, .. } => (24, 10_000),
            _ => (24, 0),
        };
        assert!((9_900 * size..10_100 * size + more).contains(&objects.bytes), "{python}: {objects:?}");
    }
}

#[test]
fn without_the_option_the_c_library_s_blocks_count() {
    for python in pythons::all() {
        // What debug builds have by default makes blocks larger.
        let recorded = record(python, Some(("PYTHONMALLOC", python.allocator("pymalloc"))), None);
        let counts = by_size(&recorded);
        let names: Vec<&str> = counts.keys().map(|(allocator, _)| allocator.name()).collect();
        assert!(names.iter().all(|name| !name.starts_with("pymalloc")), "{python}");
        // A free-threaded build has what it may from mimalloc.
        let domains = match (python.free_threaded, python.has_raw_memory_of_c()) {
            (false, _) => 3,
            (true, has_raw) => u32::from(has_raw),
        };
        let of_domains = counts.get(&(Allocator::Malloc, 98_439)).copied().unwrap_or_default();
        assert_eq!(of_domains, Counts { allocated: domains, resized: 0, freed: 0 }, "{python}");
        assert_eq!(recorded.stats()["metadata"]["python_allocators_traced"], false);
    }
}

/// There nothing else would show what Python allocates.
#[test]
fn free_threaded_pythons_are_traced_anyway() {
    let mut tested = 0;
    for python in pythons::all() {
        let metadata = |recording: Recording| recording.run().succeeds().stats()["metadata"].clone();
        let recording = || Recording::of_code(python, "pass");
        let (by_default, without) = (metadata(recording().with_default_tracing()), metadata(recording()));
        assert_eq!(by_default["python_allocators_traced"], python.free_threaded, "{python}");
        assert_eq!(without["python_allocators_traced"], false, "{python}");
        let version = by_default["python_version"].as_str().expect("a text");
        assert_eq!(version.ends_with('t'), python.free_threaded, "{python}: {version}");
        tested += usize::from(python.free_threaded);
    }
    if tested == 0 {
        skipped("no free-threaded Python here");
    }
}

/// From 3.13 on an interpreter that begins again has its own allocators again.
#[test]
fn an_interpreter_that_ends_and_begins_again() {
    const LIVES: u64 = 5;
    let built = Embedding::with_all("begins_again.c", "begins_again");
    for embedding in built.into_iter().filter(|built| !built.python.hangs_when_restarted()) {
        let python = embedding.python;
        eprintln!("{python}");
        let lives = LIVES.to_string();
        let recording = Recording::of_command(&[embedding.program.as_os_str(), lives.as_ref()]);
        let variables = embedding.variables(None).into_iter();
        let recording = variables.fold(recording, |recording, (name, value)| recording.variable(name, value));
        let recorded = recording.option("--trace-python-allocators").run().succeeds();
        let rows = table(&recorded.capture(), "--total");
        let made = sum(&rows, |row| row.file == "<string>" && row.allocator == "pymalloc_calloc");
        // The empty one is there already; older versions make a few things more.
        assert!((LIVES * 19_999..LIVES * 21_000).contains(&made.allocations), "{python}: {made:?}");
        let most_unseen = (LIVES - 1) * python.most_unseen_in_another_life();
        assert!(total(&recorded.stats(), "unknown_frees") <= most_unseen, "{python}: {}", recorded.stats());
    }
}
