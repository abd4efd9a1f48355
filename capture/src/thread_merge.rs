//! Brings the events of a process's threads into one order, as far as it is settled.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BTreeMap, BinaryHeap};

use memprof_channel::ids::{Stamp, ThreadId};

use crate::event::TimedEvent;
use crate::file::site_numbers::SiteNumbers;

/// Events that wait for those of other threads that may come before them.
#[derive(Default)]
pub struct ThreadMerge {
    /// Those of each thread, in its own order. No queue is empty for long.
    queues: BTreeMap<ThreadId, Vec<TimedEvent>>,
    /// Room that former queues left.
    spare: Vec<Vec<TimedEvent>>,
}

/// The place of an event in the order of all: by stamp; on a tie what deallocates comes before what allocates;
/// then by thread, whose index this has. A thread's own events stay in their order whatever their stamps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    /// The stamp, and a lower bit that is set if the event allocates.
    when: u64,
    thread: u32,
}

impl Due {
    const fn stamp(self) -> Stamp {
        Stamp(self.when >> 1)
    }
}

#[inline]
const fn due(thread: u32, event: &TimedEvent) -> Due {
    Due { when: event.stamp.0 << 1 | event.event.allocates() as u64, thread }
}

/// One thread's events, and how many have been passed on.
struct Cursor<'a> {
    thread: ThreadId,
    queue: &'a mut Vec<TimedEvent>,
    position: usize,
}

/// At most this many events, of 32 bytes, wait: order is worth some memory, but not any amount.
const MOST_WAITING: usize = 4 << 20;
const _: () = assert!(size_of::<TimedEvent>() == 32);
/// Room that is kept for queues to come.
const MOST_SPARE: usize = 8;

impl ThreadMerge {
    /// Where the thread's next events are to be added.
    pub fn queue(&mut self, thread: ThreadId) -> &mut Vec<TimedEvent> {
        let Self { queues, spare } = self;
        queues.entry(thread).or_insert_with(|| spare.pop().unwrap_or_default())
    }

    /// Sites have got other numbers.
    pub fn renumber_sites(&mut self, numbers: &SiteNumbers) {
        let events = self.queues.values_mut().flatten();
        events.filter_map(|timed| timed.event.site_mut()).for_each(|site| *site = numbers.of(*site));
    }

    /// How many events wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queues.values().map(Vec::len).sum()
    }

    /// Whether none does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queues.values().all(Vec::is_empty)
    }

    /// Passes the events before `bound` on to `sink`, a run of one thread at a time; all of them where too many wait.
    ///
    /// Events that come later although they are older are not lost: they are among the first of the next time.
    pub fn drain(&mut self, bound: Stamp, mut sink: impl FnMut(ThreadId, &[TimedEvent])) {
        let bound = if self.len() > MOST_WAITING { Stamp(u64::MAX) } else { bound };
        let mut cursors: Vec<Cursor> =
            self.queues.iter_mut().map(|(&thread, queue)| Cursor { thread, queue, position: 0 }).collect();
        let settled = |event: &&TimedEvent| event.stamp < bound;
        let firsts = (0..)
            .zip(&cursors)
            .filter_map(|(index, cursor)| cursor.queue.first().filter(settled).map(|first| Reverse(due(index, first))));
        let mut order: BinaryHeap<Reverse<Due>> = firsts.collect();
        // Whose turn comes after that of the first: one of the heap's second row.
        let second = |order: &BinaryHeap<Reverse<Due>>| order.as_slice().iter().skip(1).take(2).max().copied();
        while let Some(&Reverse(Due { thread: index, .. })) = order.peek() {
            let Cursor { thread, queue, position } = &mut cursors[index as usize];
            let rest = &queue[*position..];
            // The first event's turn it is, whatever its own thread's order makes of ties.
            let run = match second(&order) {
                Some(Reverse(next)) => {
                    run_while(rest, bound.min(next.stamp()), |event| event.stamp < bound && due(index, event) < next)
                }
                None => run_while(rest, bound, |event| event.stamp < bound),
            };
            sink(*thread, &rest[..run]);
            *position += run;
            let next = queue.get(*position).filter(settled).map(|event| due(index, event));
            if let Some(mut first) = order.peek_mut() {
                match next {
                    Some(next) => *first = Reverse(next),
                    None => drop(PeekMut::pop(first)),
                }
            }
        }
        for Cursor { queue, position, .. } in cursors {
            queue.drain(..position);
        }
        let Self { queues, spare } = self;
        queues.retain(|_, queue| {
            if queue.is_empty() && spare.len() < MOST_SPARE {
                spare.push(std::mem::take(queue));
            }
            !queue.is_empty()
        });
    }
}

/// How many events belong to a run: the first one, and those after it up to the first for which `goes_on` is false. It
/// is true of all events before the stamp `surely`.
#[inline]
fn run_while(events: &[TimedEvent], surely: Stamp, goes_on: impl Fn(&TimedEvent) -> bool) -> usize {
    // A thread's events are in order, but for damage, where any order will do.
    if events.last().is_some_and(|last| last.stamp < surely) {
        return events.len();
    }
    events[1..].iter().position(|event| !goes_on(event)).map_or(events.len(), |later| later + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use memprof_channel::event::Event;
    use memprof_channel::ids::{Address, SiteId};
    use proptest::prelude::*;

    /// Events of one thread by their gaps, each with an address of its own.
    fn events(thread: u64, gaps: &[(u64, bool)]) -> Vec<TimedEvent> {
        let mut now = 0;
        let timed = |(number, &(gap, frees)): (u64, &(u64, bool))| {
            now += gap;
            let address = Address(thread << 32 | number);
            let event = if frees { Event::Free { address } } else { Event::Unmap { address, size: 1 } };
            TimedEvent { stamp: Stamp(now), event }
        };
        (0..).zip(gaps).map(timed).collect()
    }

    proptest! {
        /// However often it is drained while the events come in, they come out as if sorted at the end.
        #[test]
        fn draining_in_parts_is_sorting(
            gaps in proptest::collection::vec(proptest::collection::vec((0..5_u64, any::<bool>()), 0..60), 1..5),
            bounds in proptest::collection::vec(1..200_u64, 0..6),
        ) {
            let threads: Vec<Vec<TimedEvent>> =
                (0..).zip(&gaps).map(|(thread, gaps)| events(thread, gaps)).collect();
            let mut bounds = bounds;
            bounds.sort_unstable();
            bounds.push(u64::MAX);
            let (mut merge, mut out, mut before) = (ThreadMerge::default(), Vec::new(), 0);
            for bound in bounds {
                for (thread, events) in (0..).map(ThreadId).zip(&threads) {
                    // All that is settled, and for some threads more than that.
                    let limit = if thread.0 % 2 == 0 { bound } else { bound.saturating_add(20) };
                    let known = if thread.0 % 2 == 0 || before == 0 { before } else { before + 20 };
                    let fresh = events.iter().filter(|event| (known..limit).contains(&event.stamp.0));
                    merge.queue(thread).extend(fresh);
                }
                merge.drain(Stamp(bound), |thread, run| out.extend(run.iter().map(|event| (thread, *event))));
                prop_assert!(out.iter().all(|(_, event)| event.stamp.0 < bound));
                before = bound;
            }
            prop_assert!(merge.is_empty());
            let mut sorted: Vec<(ThreadId, TimedEvent)> = (0..)
                .map(ThreadId)
                .zip(&threads)
                .flat_map(|(thread, events)| events.iter().map(move |event| (thread, *event)))
                .collect();
            sorted.sort_by_key(|(thread, event)| (event.stamp, *thread));
            prop_assert_eq!(out, sorted);
        }
    }

    #[test]
    fn what_waits_has_the_new_numbers_of_sites() {
        let (address, size, site) = (Address(16), 1, SiteId(1));
        let events = [
            Event::Allocation { address, size, site },
            Event::Resize { address, size, site },
            Event::Map { address, size, site },
            Event::MapMoved { address, size, site },
            Event::Protect { address, size, site },
            Event::Free { address },
        ];
        let mut merge = ThreadMerge::default();
        for (thread, event) in (0..).map(ThreadId).zip(events) {
            merge.queue(thread).push(TimedEvent { stamp: Stamp(0), event });
        }
        merge.renumber_sites(&SiteNumbers::Each(vec![SiteId(0), SiteId(7)]));
        let mut sites = Vec::new();
        merge.drain(Stamp(1), |_, run| sites.extend(run.iter().map(|timed| timed.event.clone().site_mut().copied())));
        sites.sort_unstable();
        assert_eq!(sites, [&[None][..], &[Some(SiteId(7)); 5]].concat());
    }

    #[test]
    fn deallocations_come_before_allocations_and_threads_keep_their_order() {
        let at = |stamp, event| TimedEvent { stamp: Stamp(stamp), event };
        let free = Event::Free { address: Address(16) };
        let allocation = Event::Allocation { address: Address(16), size: 1, site: memprof_channel::ids::SiteId(0) };
        let mut merge = ThreadMerge::default();
        merge.queue(ThreadId(0)).extend([at(5, allocation)]);
        merge.queue(ThreadId(1)).extend([at(4, allocation), at(5, free), at(3, free)]);
        let mut out = Vec::new();
        merge.drain(Stamp(6), |thread, run| out.extend(run.iter().map(|event| (thread.0, event.stamp.0))));
        assert_eq!(out, [(1, 4), (1, 5), (1, 3), (0, 5)]);
    }
}
