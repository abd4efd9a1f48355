//! Families of processes that do things at random, of which some become other programs.

use memprof_capture::file::Fact;
use memprof_channel::allocator::Allocator::{self, Malloc, Mmap};
use memprof_channel::event::Event;
use memprof_channel::ids::{Address, SiteId, Stamp};
use memprof_reporter::query::{Moment, Query};
use proptest::prelude::*;

use crate::capture_builder::{CaptureBuilder, START};

/// The most processes of a family.
pub const PROCESSES: u32 = 3;
/// The numbers of sites in events are below this.
pub const SITES: u32 = 6;

/// Process, thread of that process (0 or 1), whether the process becomes another program before, nanoseconds since the
/// last step, event.
pub type Step = (u32, u32, bool, u64, Event);

/// An event at one of the family's sites.
pub fn event() -> impl Strategy<Value = Event> {
    let block = (1..30_u64).prop_map(|block| Address(block * 16));
    let page = (0..8_u64).prop_map(|page| Address(page << 12));
    let site = || (0..SITES).prop_map(SiteId);
    prop_oneof![
        4 => (block.clone(), 0..100_u64, site()).prop_map(|(address, size, site)| Event::Allocation { address, size, site }),
        3 => block.clone().prop_map(|address| Event::Free { address }),
        1 => (block, 0..100_u64, site()).prop_map(|(address, size, site)| Event::Resize { address, size, site }),
        1 => (page.clone(), 1..20_000_u64, site()).prop_map(|(address, size, site)| Event::Map { address, size, site }),
        1 => (page, 1..20_000_u64).prop_map(|(address, size)| Event::Unmap { address, size }),
    ]
}

/// Adds the family's sites to a capture.
pub fn add_sites(builder: &mut CaptureBuilder) {
    for line in 0..SITES {
        builder.site(&[("main", "a.py", 90), ("f", "a.py", line + 1)], if line < 4 { Malloc } else { Mmap });
    }
}

/// Records the family. Returns when the last step was.
pub fn record(builder: &mut CaptureBuilder, steps: Vec<Step>) -> u64 {
    add_sites(builder);
    let (mut now, mut images, mut last) = (START, [0; PROCESSES as usize], 0);
    for (process, thread, execs, gap, event) in steps {
        now += gap;
        let image = &mut images[process as usize];
        if *image == 0 || execs {
            last += 1;
            let forked_from = (*image == 0 && process > 0).then_some(1);
            *image = last;
            let pid = 4711 + process;
            builder.facts.push(Fact::Image { image: last, stamp: Stamp(now), pid });
            let command_line = vec![format!("program{last}")];
            builder.facts.push(Fact::Process { image: last, pid, parent: 4700, forked_from, command_line });
        }
        builder.event_of(*image, process * 2 + thread, now, event);
    }
    now
}

/// Records the family with two rows for each stack and each site, by turns.
pub fn record_with_repeated_rows(steps: Vec<Step>) -> CaptureBuilder {
    let mut builder = CaptureBuilder::new();
    builder.repeats_rows = true;
    builder.facts.push(Fact::RowsRepeat);
    let at_another_row = |number: usize, mut event: Event| {
        if let Event::Allocation { site, .. } | Event::Resize { site, .. } | Event::Map { site, .. } = &mut event {
            site.0 += if number.is_multiple_of(2) { 0 } else { SITES };
        }
        event
    };
    let steps = steps.into_iter().enumerate();
    let steps = steps.map(|(number, (process, thread, execs, gap, event))| {
        (process, thread, execs, gap, at_another_row(number, event))
    });
    record(&mut builder, steps.collect());
    add_sites(&mut builder);
    builder
}

/// Some of the queries that there can be.
pub fn query() -> impl Strategy<Value = Query> {
    let range = prop::option::of((0.0..0.5, 0.5..1.0)).prop_map(|range| match range {
        Some((from, to)) => (Some(Moment::Share(from)), Some(Moment::Share(to))),
        None => (None, None),
    });
    let allocators =
        prop_oneof![3 => Just(vec![]), 1 => Just(vec![Allocator::Malloc]), 1 => Just(vec![Allocator::Mmap])];
    let pattern = |pattern: &str| vec![pattern.parse().expect("it is a pattern")];
    let only = prop_oneof![3 => Just(vec![]), 1 => Just(pattern("a.py")), 1 => Just(pattern("b.py"))];
    (range, allocators, only, 0..20_u64).prop_map(|((from, to), allocators, only, temporary_threshold)| Query {
        from,
        to,
        allocators,
        only,
        temporary_threshold,
        ..Query::default()
    })
}
