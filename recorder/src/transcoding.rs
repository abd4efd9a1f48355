//! From the channel's records to events: threads' own numbers become the recording's.

use memprof_capture::allocator::Allocator;
use memprof_capture::channel::layout::MOST_SITES;
use memprof_capture::channel::record::{Malformed, Progress};
use memprof_capture::channel::{Record, Records};
use memprof_capture::event::{Event, TimedEvent};
use memprof_capture::file::site_numbers::SiteNumbers;
use memprof_capture::ids::{Address, SiteId, Stamp};

use crate::interning::Interning;
use crate::thread_stack::ThreadStack;

/// What is remembered of a thread between its chunks.
pub struct ThreadTranscoder {
    /// The image that it belongs to.
    pub image: u32,
    /// The process that it is in.
    pid: u32,
    /// Whether it is moving something that is mapped.
    moves: bool,
    /// The chunk that was taken in last, and how far: a thread may still be writing to it.
    present: Option<Present>,
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

/// A chunk of which some words have been taken in.
#[derive(Clone, Copy)]
struct Present {
    /// Which of the thread's chunks.
    sequence: u32,
    /// Whether nothing more comes in it.
    is_complete: bool,
    /// Nothing once a word of it made no sense.
    progress: Option<Progress>,
}

impl ThreadTranscoder {
    /// A thread without events, of whose stacks at most `native_depth` native frames are kept.
    #[must_use]
    pub fn new(image: u32, pid: u32, native_depth: u32) -> Self {
        Self {
            image,
            pid,
            moves: false,
            present: None,
            sites: Vec::new(),
            stack: ThreadStack::new(native_depth),
            name: None,
            process: None,
            description: Vec::new(),
        }
    }

    /// Whether this is the thread's present chunk or, after the end of that, its next one.
    #[must_use]
    pub fn expects(&self, sequence: u32) -> bool {
        match self.present {
            None => sequence == 0,
            Some(present) if present.is_complete => sequence == present.sequence.wrapping_add(1),
            Some(present) => sequence == present.sequence,
        }
    }

    /// Whether so many words of a chunk have been taken in, or no more of it can be.
    #[must_use]
    pub fn has_taken(&self, sequence: u32, words: usize) -> bool {
        self.present.is_some_and(|present| {
            present.sequence == sequence && present.progress.is_none_or(|progress| progress.words() == words)
        })
    }

    /// Takes in the published words of a chunk, the thread's present one or its next: those that were not published when it
    /// was looked at before. Each event is passed on to `sink`.
    ///
    /// # Errors
    /// When a word makes no sense, once for each chunk. What came before it has been taken in.
    pub fn take_words(
        &mut self,
        sequence: u32,
        is_complete: bool,
        words: &[u64],
        interning: &mut Interning,
        sink: impl FnMut(TimedEvent),
    ) -> Result<(), Malformed> {
        let present = self.present.filter(|present| present.sequence == sequence);
        let mut progress = present.map_or(Some(Progress::default()), |present| present.progress);
        let mut taken = Ok(());
        if let Some(progress) = &mut progress {
            let mut records = Records::after(words, *progress);
            taken = self.take_records(&mut records, interning, sink);
            *progress = records.progress();
        }
        self.present = Some(Present { sequence, is_complete, progress: progress.filter(|_| taken.is_ok()) });
        taken
    }

    /// Sites have got other numbers, and so have stacks.
    pub fn renumber_sites(&mut self, numbers: &SiteNumbers) {
        self.sites.iter_mut().for_each(|site| *site = numbers.of(*site));
        self.stack.forget_stacks();
    }

    #[inline]
    fn take_records(
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
