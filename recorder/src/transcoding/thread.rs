//! A thread's records: its own numbers become the recording's, and what happened becomes events.

use memprof_capture::event::TimedEvent;
use memprof_capture::file::site_numbers::SiteNumbers;
use memprof_channel::allocator::Allocator;
use memprof_channel::event::Event;
use memprof_channel::ids::{Address, SiteId, Stamp};
use memprof_channel::layout::MOST_SITES;
use memprof_channel::record::Malformed;
use memprof_channel::{Record, Records};

use super::thread_stack::ThreadStack;
use crate::interning::Interning;

/// What is remembered of a thread between its chunks.
pub struct ThreadTranscoder {
    /// The image that it belongs to.
    pub image: u32,
    /// The process that it is in.
    pid: u32,
    /// Whether it is moving something that is mapped.
    moves: bool,
    /// By the thread's own number.
    sites: Vec<SiteId>,
    stack: ThreadStack,
    /// What the program calls the thread, where it has said so.
    pub name: Option<String>,
    /// The description of the process, until somebody takes it.
    pub process: Option<Vec<u8>>,
    /// The description of a code object or a module that has not come to its end.
    description: Vec<u8>,
}

impl ThreadTranscoder {
    /// A thread without events, of whose stacks at most `native_depth` native frames are kept.
    #[must_use]
    pub fn new(image: u32, pid: u32, native_depth: u32) -> Self {
        Self {
            image,
            pid,
            moves: false,
            sites: Vec::new(),
            stack: ThreadStack::new(native_depth),
            name: None,
            process: None,
            description: Vec::new(),
        }
    }

    /// Sites have got other numbers, and so have stacks.
    pub fn renumber_sites(&mut self, numbers: &SiteNumbers) {
        self.sites.iter_mut().for_each(|site| *site = numbers.of(*site));
        self.stack.invalidate_stacks();
    }

    /// Takes records, which follow those that were taken before. Each event is passed on to `sink`.
    ///
    /// # Errors
    /// When a record makes no sense. What came before it has been taken.
    #[inline]
    pub fn take(
        &mut self,
        records: &mut Records<'_>,
        interning: &mut Interning,
        mut sink: impl FnMut(TimedEvent),
    ) -> Result<(), Malformed> {
        for record in records {
            let (stamp, event) = match record? {
                Record::Allocation { stamp, address, size, site } => {
                    (stamp, Event::Allocation { address: Address(address), size, site: self.site(site)? })
                }
                Record::Free { stamp, address } => (stamp, Event::Free { address: Address(address) }),
                Record::Resize { stamp, address, size, site } => {
                    (stamp, Event::Resize { address: Address(address), size, site: self.site(site)? })
                }
                Record::Map { stamp, address, size, site, mapped } => {
                    let site = self.site(site)?;
                    let address = Address(address);
                    // What was moved may have been left by a jump before it was mapped again.
                    let event = if std::mem::take(&mut self.moves) && interning.is_of_mremap(site) {
                        Event::MapMoved { address, size, site }
                    } else {
                        let site = interning.mapping_site(site, mapped, self.pid, address.0);
                        Event::Map { address, size, site }
                    };
                    (stamp, event)
                }
                Record::Protect { stamp, address, size, site } => {
                    (stamp, Event::Protect { address: Address(address), size, site: self.site(site)? })
                }
                Record::Unmap { stamp, address, size, moves: false } => {
                    (stamp, Event::Unmap { address: Address(address), size })
                }
                Record::Unmap { stamp, address, size, moves: true } => {
                    self.moves = true;
                    (stamp, Event::Move { address: Address(address), size })
                }
                Record::Frames { keep, fresh } => {
                    self.change_stack(keep, fresh, interning)?;
                    continue;
                }
                Record::Site { site, allocator } => {
                    let stack = self.stack.id(interning);
                    let allocator = Allocator::from_code(allocator).ok_or(Malformed { word: 0 })?;
                    self.define_site(site, interning.site(stack, self.stack.innermost(), allocator))?;
                    continue;
                }
                Record::Name { words, bytes } => {
                    let mut name: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
                    name.truncate(bytes as usize);
                    self.name = Some(String::from_utf8_lossy(&name).into_owned());
                    continue;
                }
                Record::Code { code, last, words, bytes } => {
                    if let Some(whole) = self.take_description(last, words, bytes)
                        && !interning.describe_code(self.image, code, &whole)
                    {
                        return Err(Malformed { word: 0 });
                    }
                    continue;
                }
                Record::Process { last, words, bytes } => {
                    if let Some(whole) = self.take_description(last, words, bytes) {
                        self.process = Some(whole);
                    }
                    continue;
                }
                Record::Module { module, last, words, bytes } => {
                    if let Some(whole) = self.take_description(last, words, bytes)
                        && !interning.describe_module(self.image, module, &whole)
                    {
                        return Err(Malformed { word: 0 });
                    }
                    continue;
                }
            };
            sink(TimedEvent { stamp: Stamp(stamp), event });
        }
        Ok(())
    }

    fn site(&self, number: u32) -> Result<SiteId, Malformed> {
        self.sites.get(number as usize).copied().ok_or(Malformed { word: 0 })
    }

    /// Numbers are given in order at first, and then again.
    fn define_site(&mut self, number: u32, site: SiteId) -> Result<(), Malformed> {
        let known = self.sites.len();
        match self.sites.get_mut(number as usize) {
            Some(place) => *place = site,
            None if number as usize == known && number < MOST_SITES => self.sites.push(site),
            None => return Err(Malformed { word: 0 }),
        }
        Ok(())
    }

    fn change_stack(&mut self, keep: u32, fresh: &[u64], interning: &mut Interning) -> Result<(), Malformed> {
        if !self.stack.keep(keep as usize) {
            return Err(Malformed { word: 0 });
        }
        for frame in Record::frames_of(fresh) {
            self.stack.push(self.image, frame, interning);
        }
        Ok(())
    }

    /// Adds a part of a description. Returns the whole after its last part.
    fn take_description(&mut self, last: bool, words: &[u64], bytes: u32) -> Option<Vec<u8>> {
        let start = self.description.len();
        for word in words {
            self.description.extend_from_slice(&word.to_ne_bytes());
        }
        self.description.truncate(start + bytes as usize);
        last.then(|| std::mem::take(&mut self.description))
    }
}
