//! Threads that hand blocks to each other as fast as they can: no address may ever be live twice, and nothing be given
//! back that is not live.

use std::collections::HashMap;

use memprof_capture::event::{AllocationNumber, ResolvedEvent};
use memprof_capture::file::CaptureReader;
use memprof_capture::file::columns::EventBatch;
use memprof_channel::allocator::Allocator;
use memprof_channel::ids::SiteId;

use crate::support::c_programs::compile;
use crate::support::native_expectations::marked;
use crate::support::pythons::{self, Python};
use crate::support::recording::{Recording, total};
use crate::support::table::{Amount, table};

/// Goes through all events, and requires that each makes sense where it is: nothing is deallocated that is not live,
/// and no block is allocated at the address of a live one, which the recorder would have noticed. Returns how many
/// there are, and what is live at the end.
#[track_caller]
fn assert_no_address_is_live_twice(reader: &mut CaptureReader) -> (u64, HashMap<AllocationNumber, SiteId>) {
    let (mut live, mut count, mut batch) = (HashMap::new(), 0, EventBatch::default());
    for chunk in reader.event_chunks().to_vec() {
        reader.read_events(&chunk, &mut batch).expect("the capture can be read");
        for timed in &batch.events {
            count += 1;
            let makes_sense = match timed.event {
                ResolvedEvent::Allocation { number, site, .. } => live.insert(number, site).is_none(),
                ResolvedEvent::Free { number } => live.remove(&number).is_some(),
                ResolvedEvent::Resize { old, number, site, .. } => {
                    live.remove(&old).is_some() && live.insert(number, site).is_none()
                }
                ResolvedEvent::Map { .. } | ResolvedEvent::Unmap { .. } => true,
                ResolvedEvent::UnknownFree { .. } | ResolvedEvent::UnseenFree { .. } => false,
            };
            assert!(makes_sense, "event {count}: {timed:?}");
        }
    }
    (count, live)
}

#[test]
fn ten_million_calls_of_eight_threads() {
    let program = compile("many_races.c", "many_races", &[]);
    let recorded = Recording::of_command(&[program.as_os_str()]).run().succeeds();
    let stdout = recorded.finished().stdout();
    let numbers: Vec<u64> = stdout.split_whitespace().map(|number| number.parse().expect("a number")).collect();
    let [mallocs, reallocs, frees, bytes] = numbers[..] else { panic!("{stdout}") };
    assert!(mallocs + reallocs + frees >= 10_000_000 && mallocs == frees && reallocs > 2_000_000, "{stdout}");

    let stats = recorded.stats();
    assert_eq!((total(&stats, "unknown_frees"), total(&stats, "skipped_events")), (0, 0));
    let by = |allocator: &str| {
        let found = &stats["by_allocator"][allocator];
        let number = |name: &str| found[name].as_u64().unwrap_or_else(|| panic!("no {allocator} {name} in {stats}"));
        Amount { allocations: number("allocations"), bytes: number("bytes") }
    };
    let (malloc, realloc) = (by("malloc"), by("realloc"));
    assert_eq!((malloc.allocations, realloc.allocations), (mallocs, reallocs));
    assert_eq!(malloc.bytes + realloc.bytes, bytes);

    let mut reader = CaptureReader::open(&recorded.capture()).expect("the capture can be opened");
    let (count, live) = assert_no_address_is_live_twice(&mut reader);
    assert!(count >= mallocs + reallocs + frees, "{count} events for {stdout}");
    // The C library keeps the threads' own tables.
    assert_eq!(total(&stats, "leaked_allocations"), live.len() as u64);
    for site in live.values() {
        let site = reader.tables().sites[site.0 as usize].as_ref().expect("the site is known");
        assert_eq!(site.allocator, Allocator::Calloc);
    }
}

/// Most of their events are stamped without reading the clock.
#[test]
fn threads_that_take_turns() {
    let program = compile("turns.c", "turns", &[]);
    let recorded = Recording::of_command(&[program.as_os_str()]).run().succeeds();
    let stats = recorded.stats();
    assert_eq!((total(&stats, "unknown_frees"), total(&stats, "skipped_events")), (0, 0));
    let mut reader = CaptureReader::open(&recorded.capture()).expect("the capture can be opened");
    let (count, live) = assert_no_address_is_live_twice(&mut reader);
    assert!(count >= 1_000_000, "{count}");
    assert_eq!(total(&stats, "leaked_allocations"), live.len() as u64);
}

/// The interpreter's raw memory may be used without the GIL, by several threads at a time.
#[test]
fn raw_memory_without_the_gil() {
    for python in pythons::all() {
        eprintln!("{python}");
        if python.has_raw_memory_of_c() {
            raw_memory(python, None, ["malloc", "realloc", "calloc"]);
        }
        let traced = ["pymalloc_malloc", "pymalloc_realloc", "pymalloc_calloc"];
        raw_memory(python, Some("--trace-python-allocators"), traced);
    }
}

/// Where threads give up references of each other's, a free-threaded interpreter gathers them in buffers of so many bytes
/// (`_PyObjectStackChunk` in pycore_object_stack.h), by raw memory, and keeps one for the next time. Whose line such a buffer
/// appears under is a matter of chance.
const REFERENCE_BUFFER_BYTES: u64 = 2048;

/// The amounts of rows without the few such buffers that there may be besides so many bytes.
fn without_reference_buffers(python: &Python, amounts: Vec<Amount>, bytes: u64) -> Vec<Amount> {
    let most = if python.free_threaded { 2 } else { 0 };
    let without = |mut amount: Amount| {
        for _ in 0..most {
            if amount.bytes >= bytes + REFERENCE_BUFFER_BYTES {
                amount.bytes -= REFERENCE_BUFFER_BYTES;
                amount.allocations -= 1;
            }
        }
        amount
    };
    amounts.into_iter().map(without).filter(|amount| *amount != Amount::default()).collect()
}

fn raw_memory(python: &Python, option: Option<&str>, [malloc, realloc, calloc]: [&str; 3]) {
    let library = compile("raw_memory.c", "raw_memory.so", &["-shared", "-fPIC"]);
    // What debug builds have by default makes blocks larger.
    let recording = Recording::of_script(python, "raw_memory.py").argument(library);
    let mut recording = recording.variable("PYTHONMALLOC", python.allocator("pymalloc"));
    if let Some(option) = option {
        recording = recording.option(option);
    }
    let recorded = recording.run().succeeds();
    let stats = recorded.stats();
    assert_eq!(total(&stats, "unknown_frees"), 0, "{stats}");
    assert_eq!(total(&stats, "skipped_events"), 0);
    let (file, line) = marked("raw_memory.py", "raw");
    for (allocator, size) in [(malloc, 100), (realloc, 300), (calloc, 40)] {
        let of = |metric: &str| -> Vec<Amount> {
            let rows = table(&recorded.capture(), metric);
            let own = rows.iter().filter(|row| {
                (&row.file, row.line, row.function.as_str(), row.allocator.as_str()) == (&file, line, "work", allocator)
            });
            own.map(|row| row.amount()).collect()
        };
        // A row for each thread.
        let totals = without_reference_buffers(python, of("--total"), 5_000 * size);
        if option.is_none() {
            assert_eq!(totals, [Amount { allocations: 5_000, bytes: 5_000 * size }; 4], "{allocator}");
        } else {
            // The call itself makes a few objects on the same line.
            let own = |it: &Amount| (5_000..5_010).contains(&it.allocations) && it.bytes - 5_000 * size < 1000;
            assert!(totals.len() == 4 && totals.iter().all(own), "{allocator}: {totals:?}");
        }
        assert_eq!(without_reference_buffers(python, of("--leaks"), 0), [], "{allocator}");
    }
    let mut reader = CaptureReader::open(&recorded.capture()).expect("the capture can be opened");
    assert_no_address_is_live_twice(&mut reader);
}
