//! Sites that get other numbers in the middle of a run: the sums are those of a run in which they had these from the
//! beginning on.

use memprof_capture::event::{AllocationNumber, ResolvedEvent, Timed};
use memprof_capture::file::Tables;
use memprof_capture::file::site_numbers::SiteNumbers;
use memprof_channel::ids::{Address, SiteId, Stamp, ThreadId};
use memprof_replay::aggregate::{Aggregate, Aggregator};
use memprof_replay::event_sink::{EventSink, Strand};
use memprof_replay::processes::ProcessId;
use memprof_replay::recent_allocations::TEMPORARY_THRESHOLD;
use proptest::prelude::*;

const PROCESSES: u32 = 3;
const THREADS: u32 = 2;
const SITES: u32 = 6;

#[derive(Clone, Debug)]
enum Step {
    Allocate {
        size: u64,
        site: u32,
    },
    /// One of the blocks that the process has allocated; it may be gone.
    Free(prop::sample::Index),
    Resize {
        block: prop::sample::Index,
        size: u64,
        site: u32,
    },
    Map {
        page: u64,
        site: u32,
    },
    Unmap {
        page: u64,
    },
    Exec,
    End,
    Renumber(Vec<u32>),
}

fn steps() -> impl Strategy<Value = Vec<(u32, u32, Step)>> {
    let (size, site, block, page) = (0..100_u64, 0..SITES, any::<prop::sample::Index>(), 0..6_u64);
    let step = prop_oneof![
        9 => (size.clone(), site.clone()).prop_map(|(size, site)| Step::Allocate { size, site }),
        5 => block.clone().prop_map(Step::Free),
        2 => (block, size, site.clone()).prop_map(|(block, size, site)| Step::Resize { block, size, site }),
        1 => (page.clone(), site).prop_map(|(page, site)| Step::Map { page, site }),
        1 => page.prop_map(|page| Step::Unmap { page }),
        1 => Just(Step::Exec),
        1 => Just(Step::End),
        1 => proptest::collection::vec(0..SITES, SITES as usize).prop_map(Step::Renumber),
    ];
    proptest::collection::vec((0..PROCESSES, 0..THREADS, step), 0..200)
}

/// Sums up all steps. Where sites get their numbers `at_once`, they have those from the beginning on that they have in
/// the end.
fn sums(steps: &[(u32, u32, Step)], at_once: bool) -> Aggregate {
    let mut aggregator = Aggregator::new(4096, (1..=PROCESSES).collect(), Stamp(0), TEMPORARY_THRESHOLD);
    // What each site of the steps is called.
    let mut names: Vec<SiteId> = (0..SITES).map(SiteId).collect();
    let renumber = |names: &mut Vec<SiteId>, to: &[u32]| {
        names.iter_mut().for_each(|name| *name = SiteId(to[name.index()]));
    };
    if at_once {
        for (_, _, step) in steps {
            if let Step::Renumber(to) = step {
                renumber(&mut names, to);
            }
        }
    }
    let mut blocks = [0_u64; PROCESSES as usize];
    let mut has_ended = [false; PROCESSES as usize];
    for (stamp, (process, thread, step)) in (1..).map(Stamp).zip(steps) {
        let blocks = &mut blocks[*process as usize];
        // One past the last represents what is not known.
        let old = |block: &prop::sample::Index| AllocationNumber(block.index(*blocks as usize + 1) as u64);
        let number = AllocationNumber(*blocks);
        let event = match step {
            Step::Renumber(to) if !at_once => {
                renumber(&mut names, to);
                let numbers = SiteNumbers::Each(to.iter().copied().map(SiteId).collect());
                aggregator.renumber_sites(&numbers, &Tables::default());
                continue;
            }
            Step::Renumber(_) => continue,
            _ if has_ended[*process as usize] => continue,
            Step::End => {
                has_ended[*process as usize] = true;
                aggregator.end_process(ProcessId(*process), stamp);
                continue;
            }
            Step::Exec => {
                aggregator.start_image(ProcessId(*process), stamp);
                continue;
            }
            Step::Allocate { size, site } => {
                ResolvedEvent::Allocation { number, size: *size, site: names[*site as usize] }
            }
            Step::Free(block) => ResolvedEvent::Free { number: old(block) },
            Step::Resize { block, size, site } => {
                ResolvedEvent::Resize { old: old(block), number, size: *size, site: names[*site as usize] }
            }
            Step::Map { page, site } => {
                let address = Address((*page + 1) << 12);
                ResolvedEvent::Map { address, size: 9000, site: names[*site as usize] }
            }
            Step::Unmap { page } => ResolvedEvent::Unmap { address: Address((*page + 1) << 12), size: 5000 },
        };
        *blocks += u64::from(matches!(event, ResolvedEvent::Allocation { .. } | ResolvedEvent::Resize { .. }));
        let thread_number = ThreadId(process * THREADS + thread);
        let strand = Strand {
            process: ProcessId(*process),
            image: process + 1,
            thread: thread_number,
            number: *thread,
            inherits: false,
        };
        aggregator.events(&strand, &[Timed { stamp, event }]);
    }
    aggregator.finish(Stamp(1000))
}

proptest! {
    #[test]
    fn sites_that_become_one_have_always_been_one(steps in steps()) {
        let (now, once) = (sums(&steps, false), sums(&steps, true));
        prop_assert_eq!(now.sums, once.sums);
        prop_assert_eq!(now.run, once.run);
        prop_assert_eq!(now.slots, once.slots);
    }
}
