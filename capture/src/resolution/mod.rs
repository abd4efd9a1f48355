//! From addresses to allocations: which block each event is about.
//!
//! The recorder does this once, while recording. The file then names blocks by the order in which they were allocated,
//! which is far more regular than their addresses, and a report needs no table of addresses.

mod live_addresses;
mod mapped_ranges;
mod sparse_page;

use memprof_channel::event::Event;
use memprof_channel::ids::ThreadId;

use crate::event::{AllocationNumber, ResolvedEvent};
use crate::file::site_numbers::SiteNumbers;
use live_addresses::LiveAddresses;
use mapped_ranges::MappedRanges;
pub use mapped_ranges::{Content, MappedSites};

/// Resolves the events of one process image, in order.
#[derive(Default)]
pub struct Resolver {
    live: LiveAddresses,
    /// The number of the next allocation.
    next: AllocationNumber,
    mapped: MappedRanges,
    thread: ThreadId,
}

impl Resolver {
    /// The events that follow are of this thread.
    #[inline]
    pub const fn turn_to(&mut self, thread: ThreadId) {
        self.thread = thread;
    }

    /// The number that the next allocation will have.
    #[must_use]
    pub const fn next(&self) -> AllocationNumber {
        self.next
    }

    /// Sites have got other numbers.
    pub fn renumber_sites(&mut self, numbers: &SiteNumbers) {
        self.mapped.renumber_sites(numbers);
    }

    /// Heap blocks that are live.
    #[must_use]
    pub const fn live(&self) -> usize {
        self.live.len()
    }

    /// Passes what `event` did on to `sink`: mostly one resolved event; two where a release was not seen or not known;
    /// of protection as many as there are stretches that it changes.
    ///
    /// Nearly all events allocate or free. Only for those the sink becomes part of this function: with a copy of it for
    /// each kind, it would be called instead, and what is passed to it be stored and loaded.
    #[inline(always)]
    pub fn resolve(&mut self, event: Event, sites: &mut impl MappedSites, mut sink: impl FnMut(ResolvedEvent)) {
        match event {
            Event::Allocation { address, size, site } => {
                let number = self.take_number();
                if let Some(number) = self.live.insert(address, number) {
                    pass_on(ResolvedEvent::UnseenFree { number }, &mut sink);
                }
                sink(ResolvedEvent::Allocation { number, size, site });
            }
            Event::Free { address } => match self.live.remove(address) {
                Some(number) => sink(ResolvedEvent::Free { number }),
                None => pass_on(ResolvedEvent::UnknownFree { address }, &mut sink),
            },
            other => self.resolve_other(other, sites, &mut sink),
        }
    }

    /// Likewise, of what is neither.
    #[inline(never)]
    fn resolve_other(&mut self, event: Event, sites: &mut impl MappedSites, sink: &mut dyn FnMut(ResolvedEvent)) {
        match event {
            Event::Allocation { .. } | Event::Free { .. } => self.resolve(event, sites, sink),
            Event::Resize { address, size, site } => {
                let number = self.take_number();
                match self.live.insert(address, number) {
                    Some(old) => sink(ResolvedEvent::Resize { old, number, size, site }),
                    None => {
                        sink(ResolvedEvent::UnknownFree { address });
                        sink(ResolvedEvent::Allocation { number, size, site });
                    }
                }
            }
            Event::Map { address, size, site } => {
                self.mapped.map(address, size, site, sites);
                sink(ResolvedEvent::Map { address, size, site });
            }
            Event::Unmap { address, size } => {
                self.mapped.unmap(address, size);
                sink(ResolvedEvent::Unmap { address, size });
            }
            Event::Move { address, size } => {
                self.mapped.begin_move(self.thread, address, size);
                if size > 0 {
                    sink(ResolvedEvent::Unmap { address, size });
                }
            }
            Event::MapMoved { address, size, site } => {
                let site = self.mapped.end_move(self.thread, site, sites);
                self.mapped.map(address, size, site, sites);
                sink(ResolvedEvent::Map { address, size, site });
            }
            // As if it had been mapped again.
            Event::Protect { address, size, site } => {
                self.mapped.protect(address, size, site, sites, |address, size| {
                    sink(ResolvedEvent::Map { address, size, site });
                });
            }
        }
    }

    #[inline]
    const fn take_number(&mut self) -> AllocationNumber {
        let number = self.next;
        self.next.0 += 1;
        number
    }
}

#[cold]
fn pass_on(event: ResolvedEvent, sink: &mut dyn FnMut(ResolvedEvent)) {
    sink(event);
}

#[cfg(test)]
mod tests {
    use super::*;
    use memprof_channel::ids::{Address, SiteId};

    const SITE: SiteId = SiteId(3);
    const AT: Address = Address(0x1000);

    fn resolved(events: &[Event]) -> Vec<ResolvedEvent> {
        let (mut resolver, mut out) = (Resolver::default(), Vec::new());
        events.iter().for_each(|&event| resolver.resolve(event, &mut (), |resolved| out.push(resolved)));
        out
    }

    #[test]
    fn blocks_are_numbered_as_they_are_allocated() {
        let allocation = Event::Allocation { address: AT, size: 8, site: SITE };
        let other = Event::Allocation { address: Address(0x1008), size: 9, site: SITE };
        let [free, other_free] = [AT, Address(0x1008)].map(|address| Event::Free { address });
        let numbered = |number, size| ResolvedEvent::Allocation { number: AllocationNumber(number), size, site: SITE };
        let freed = |number| ResolvedEvent::Free { number: AllocationNumber(number) };
        assert_eq!(
            resolved(&[allocation, other, free, allocation, other_free, free]),
            [numbered(0, 8), numbered(1, 9), freed(0), numbered(2, 8), freed(1), freed(2)]
        );
    }

    #[test]
    fn a_resized_block_is_a_new_one() {
        let events = [
            Event::Allocation { address: AT, size: 8, site: SITE },
            Event::Resize { address: AT, size: 16, site: SITE },
            Event::Free { address: AT },
        ];
        let (old, number) = (AllocationNumber(0), AllocationNumber(1));
        let expected = [
            ResolvedEvent::Allocation { number: old, size: 8, site: SITE },
            ResolvedEvent::Resize { old, number, size: 16, site: SITE },
            ResolvedEvent::Free { number },
        ];
        assert_eq!(resolved(&events), expected);
    }

    #[test]
    fn what_was_not_seen_is_said() {
        let number = AllocationNumber;
        let allocation = Event::Allocation { address: AT, size: 8, site: SITE };
        let events = [Event::Free { address: AT }, Event::Resize { address: AT, size: 8, site: SITE }, allocation];
        let expected = [
            ResolvedEvent::UnknownFree { address: AT },
            ResolvedEvent::UnknownFree { address: AT },
            ResolvedEvent::Allocation { number: number(0), size: 8, site: SITE },
            ResolvedEvent::UnseenFree { number: number(0) },
            ResolvedEvent::Allocation { number: number(1), size: 8, site: SITE },
        ];
        assert_eq!(resolved(&events), expected);
    }

    #[test]
    fn mappings_keep_their_addresses() {
        let events = [Event::Map { address: AT, size: 8, site: SITE }, Event::Unmap { address: AT, size: 8 }];
        let expected =
            [ResolvedEvent::Map { address: AT, size: 8, site: SITE }, ResolvedEvent::Unmap { address: AT, size: 8 }];
        assert_eq!(resolved(&events), expected);
    }
}
